//! The environment variables that decide which repository and which configuration git sees.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::error::{Failure, FailureKind};

/// Variables that bind a process to one repository, worktree or index, or change what a pathspec
/// means (`git rev-parse --local-env-vars`, less configuration and object directories). git exports
/// some of them to hooks; a child that is told its repository on the command line must not see
/// them.
pub(super) const LOCAL: &[&str] = &[
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NAMESPACE",
    "GIT_CONFIG",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
];

/// The other variables that are read here or handed to children.
const OTHERS: &[&str] = &[
    "GIT_CEILING_DIRECTORIES",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    // git's own switch for testing ownership checks without a second user; it can only refuse.
    "GIT_TEST_ASSUME_DIFFERENT_OWNER",
    "HOME",
    "XDG_CONFIG_HOME",
    "PATH",
    "GIT_EXEC_PATH",
    // By what a remote is reached.
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    // Under which name the shell came to the current directory: `includeIf.gitdir` asks.
    "PWD",
    "SUDO_UID",
];

/// More `GIT_CONFIG_KEY_<n>` than this are a mistake, not a configuration.
const MAX_PAIRS: usize = 10_000;

/// What was set when the command began. Read once, so that discovery, configuration and children
/// agree, and so that tests can pass an environment of their own.
#[derive(Debug, Clone, Default)]
pub struct Env {
    set: Vec<(Cow<'static, str>, OsString)>,
}

impl Env {
    /// Asks `vars` for every variable that matters to git's repository and configuration set-up.
    #[must_use]
    pub fn read(vars: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let known = LOCAL.iter().chain(OTHERS);
        let mut set: Vec<(Cow<'static, str>, OsString)> =
            known.filter_map(|&name| Some((Cow::Borrowed(name), vars(name)?))).collect();
        let find = |set: &[(Cow<'static, str>, OsString)]| {
            let (_, count) = set.iter().find(|(name, _)| name == "GIT_CONFIG_COUNT")?;
            count.to_str()?.trim_start().parse::<usize>().ok()
        };
        for n in 0..find(&set).unwrap_or(0).min(MAX_PAIRS) {
            for name in [format!("GIT_CONFIG_KEY_{n}"), format!("GIT_CONFIG_VALUE_{n}")] {
                if let Some(value) = vars(&name) {
                    set.push((Cow::Owned(name), value));
                }
            }
        }
        Self { set }
    }

    /// The value of `name`, empty or not.
    pub(super) fn get(&self, name: &str) -> Option<&OsStr> {
        self.set.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_os_str())
    }

    /// The value of `name` as a path; an empty one counts as not set.
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// The value of `name` as git reads a boolean variable; what is not a boolean counts as not
    /// set.
    pub(super) fn boolean(&self, name: &str) -> Option<bool> {
        let value = self.get(name)?.to_str()?;
        let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(value));
        if is(&["true", "yes", "on"]) {
            return Some(true);
        }
        if is(&["false", "no", "off", ""]) {
            return Some(false);
        }
        value.parse::<i64>().ok().map(|number| number != 0)
    }

    /// As [`Env::boolean`], and false if it is not set; what is not a boolean is an error, as in
    /// git.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Failure> {
        let Some(value) = self.get(name) else { return Ok(false) };
        self.boolean(name).ok_or_else(|| {
            let value = value.to_string_lossy();
            let text = format!("bad boolean environment value '{value}' for '{name}'");
            Failure::new(FailureKind::Git, text)
        })
    }

    /// Every variable that is set, for a child.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &OsStr)> {
        self.set.iter().map(|(name, value)| (name.as_ref(), value.as_os_str()))
    }

    /// Every variable that is looked at, set or not, except the numbered ones.
    pub fn names() -> impl Iterator<Item = &'static str> {
        LOCAL.iter().chain(OTHERS).copied()
    }
}
