//! Where git looks for hooks, and the one part of git's configuration that is ever written here.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::child;
use super::config::Scope;
use super::repo::Repo;
use crate::error::Failure;

/// The section of configuration that a hook of ours is in.
const SECTION: &str = "hook.conductor";
/// The first git that runs hooks from configuration (`git-hook`, 2.54).
const CONFIGURED_SINCE: (u32, u32) = (2, 54);

impl Repo {
    /// The directory that git runs hooks from, which need not be there: `core.hooksPath`, or the
    /// common directory's. One git child.
    ///
    /// # Errors
    /// What git said when it failed.
    pub fn hooks_dir(&self) -> Result<PathBuf, Failure> {
        let mut git = self.git();
        git.args(["rev-parse", "--path-format=absolute", "--git-path", "hooks"]);
        let answer = child::stdout(&mut git)?;
        let path = answer.strip_suffix(b"\n").unwrap_or(&answer);
        Ok(PathBuf::from(OsStr::from_bytes(path)))
    }

    /// Whether the git here runs hooks that stand in configuration. One git child.
    ///
    /// # Errors
    /// What git said when it failed.
    pub fn has_configured_hooks(&self) -> Result<bool, Failure> {
        Ok(child::version(&self.env)?.1 >= CONFIGURED_SINCE)
    }

    /// The command of ours that configuration has for `event`.
    #[must_use]
    pub fn configured_hook(&self, event: &str) -> Option<String> {
        let file = self.configuration();
        let events = file.all(&format!("{SECTION}.event"));
        file.get(&format!("{SECTION}.command")).filter(|_| events.iter().any(|one| one == event))
    }

    /// Writes `command` for `event` into the repository's own configuration. Two git children.
    ///
    /// # Errors
    /// What git said when it failed.
    pub fn configure_hook(&self, event: &str, command: &str) -> Result<(), Failure> {
        for (key, value) in [("command", command), ("event", event)] {
            let mut git = self.git();
            git.args(["config", "--local", "--replace-all", &format!("{SECTION}.{key}"), value]);
            child::stdout(&mut git)?;
        }
        self.sync_config()
    }

    /// Takes it out again; it must be there. One git child.
    ///
    /// # Errors
    /// What git said when it failed.
    pub fn unconfigure_hook(&self) -> Result<(), Failure> {
        let mut git = self.git();
        child::stdout(git.args(["config", "--local", "--remove-section", SECTION]))?;
        self.sync_config()
    }

    /// Whether the repository's own configuration has a hook of ours, for whatever event.
    #[must_use]
    pub fn has_own_hook(&self) -> bool {
        self.configuration().scope(&format!("{SECTION}.command")) == Some(Scope::Repository)
    }
}
