//! git configuration, with git's precedence.
//!
//! Lowest first: system, `$XDG_CONFIG_HOME/git/config`, `~/.gitconfig`, the repository's `config`,
//! its worktree's `config.worktree`, `GIT_CONFIG_COUNT`, and `GIT_CONFIG_PARAMETERS` (`git -c`),
//! which gix does not read. `GitInstallation` is never asked for, since gix runs git to find it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use gix::bstr::{BStr, BString, ByteSlice as _};
use gix::config::file::{Metadata, includes, init};
use gix::config::source::Kind;
use gix::config::{File, KeyRef, Source};

use super::child;
use super::env::{self, Env};
use super::includes::{Seen, is_understood, is_understood_in_parameters};
use super::parameters::{self, Setting};
use super::system;
use crate::error::{Failure, FailureKind};

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The repository's own files: everyone who works in it sees the value.
    Repository,
    /// The system, the user, the environment or `git -c`.
    Outside,
}

/// The configuration that git would use here. Values of a repository that is not trusted never get
/// in, because such a repository is not opened.
#[derive(Debug, Clone)]
pub struct Config {
    file: File,
    home: Option<PathBuf>,
}

/// The parts of a repository that configuration depends on.
pub(super) struct Local<'a> {
    /// `<common dir>/config`, includes not yet followed.
    pub file: File,
    /// `<git dir>/config.worktree`, if `extensions.worktreeConfig` says to read it.
    pub worktree: Option<File>,
    /// For `includeIf.gitdir`.
    pub git_dir: &'a Path,
    /// `HEAD`'s target, for `includeIf.onbranch`; none if it is detached.
    pub head: Option<&'a BStr>,
    /// Whether `HEAD` says it, as it does where references are files.
    pub head_is_file: bool,
    /// Whether the git directory has no other name that `includeIf.gitdir` could mean.
    pub has_one_name: &'a dyn Fn() -> bool,
}

impl Config {
    /// The configuration outside of any repository: system, user, environment and command line.
    ///
    /// # Errors
    /// A file or a variable that git cannot read either.
    pub fn global(env: &Env) -> Result<Self, Failure> {
        Self::load(env, None).or_else(|unparsed| {
            let mut git = child::git(env, Path::new("/"));
            // Whatever repository these name is not asked for.
            for name in env::LOCAL {
                git.env_remove(name);
            }
            Self::listed(env, git, &unparsed)
        })
    }

    /// Everything, or why gix cannot read it.
    pub(super) fn load(env: &Env, local: Option<Local<'_>>) -> Result<Self, Failure> {
        let mut file = File::new(Metadata::from(Source::System));
        for (path, source) in outside(env)? {
            if let Some(more) = read(&path, source)? {
                join(&mut file, more)?;
            }
        }
        let home = env.path("HOME");
        let mut context = includes::conditional::Context::default();
        let seen = Seen {
            branch: local.as_ref().is_none_or(|local| local.head_is_file),
            git_dir: local.as_ref().map_or(&|| true, |local| local.has_one_name),
        };
        let head = local.as_ref().and_then(|local| local.head);
        let head = head.and_then(|head| gix::refs::FullName::try_from(head).ok());
        if let Some(local) = local {
            context.git_dir = Some(local.git_dir);
            context.branch_name = head.as_ref().map(AsRef::as_ref);
            join(&mut file, local.file)?;
            if let Some(worktree) = local.worktree {
                join(&mut file, worktree)?;
            }
        }
        let interpolate = gix::config::path::interpolate::Context {
            home_dir: home.as_deref(),
            ..Default::default()
        };
        let mut follow = includes::Options::follow(interpolate, context);
        follow.err_on_missing_config_path = false;
        let options = init::Options { includes: follow, ..options() };
        file.resolve_includes(options).map_err(|error| unreadable(&error))?;
        if !file.sections().all(|section| is_understood(&section, seen)) {
            return Err(bad("a section that gix reads otherwise than git"));
        }
        if let Some(mut given) = given(env)? {
            if !given.sections().all(|section| is_understood_in_parameters(&section)) {
                return Err(bad("a setting that gix reads otherwise than git"));
            }
            given.resolve_includes(options).map_err(|error| unreadable(&error))?;
            if !given.sections().all(|section| is_understood(&section, seen)) {
                return Err(bad("a section that gix reads otherwise than git"));
            }
            join(&mut file, given)?;
        }
        Ok(Self { file, home })
    }

    /// Asks git, where gix could not read what git can. `unparsed` is reported if git cannot either
    /// and does not say why.
    pub(super) fn listed(env: &Env, mut git: Command, unparsed: &Failure) -> Result<Self, Failure> {
        git.args(["config", "--list", "--null", "--show-scope", "--includes"]);
        let list = child::stdout(&mut git)?;
        let mut files = Vec::new();
        let mut fields = list.split(|&byte| byte == 0);
        while let (Some(scope), Some(pair)) = (fields.next(), fields.next()) {
            let source = match scope {
                b"system" => Source::System,
                b"global" => Source::User,
                b"local" => Source::Local,
                b"worktree" => Source::Worktree,
                _ => Source::Cli,
            };
            let mut parts = pair.splitn(2, |&byte| byte == b'\n');
            let key = parts.next().unwrap_or_default().to_vec();
            files.push((source, (key, parts.next().map(<[u8]>::to_vec))));
        }
        if files.is_empty() && !list.is_empty() {
            return Err(Failure::new(FailureKind::Git, unparsed.to_string()));
        }
        let mut file = File::new(Metadata::from(Source::System));
        for (source, setting) in files {
            join(&mut file, from_settings(source, &[setting])?)?;
        }
        Ok(Self { file, home: env.path("HOME") })
    }

    /// The last value of `key`, as text; `None` if there is none, or it was given without one.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<String> {
        self.bytes(key).map(|value| value.to_string())
    }

    /// Every value of `key`, lowest precedence first.
    #[must_use]
    pub fn all(&self, key: &str) -> Vec<String> {
        self.raw(key, |_| true).iter().map(ToString::to_string).collect()
    }

    /// The middle parts of the keys that begin with `section`, as `origin` in `remote.origin.url`,
    /// each once, in the order in which they are set.
    #[must_use]
    pub fn subsections(&self, section: &str) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for section in self.file.sections_by_name(section).into_iter().flatten() {
            let name = section.header().subsection_name().map(ToString::to_string);
            names.extend(name.filter(|name| !names.contains(name)));
        }
        names
    }

    /// The last value of `key` as git reads booleans; a key without a value is true.
    ///
    /// # Errors
    /// A value that is not a boolean, in git's words.
    pub fn boolean(&self, key: &str) -> Result<Option<bool>, Failure> {
        let Some(parsed) = KeyRef::parse_unvalidated(BStr::new(key)) else { return Ok(None) };
        self.file.boolean(parsed).map_err(|_| {
            let value = self.get(key).unwrap_or_default();
            let text = format!("bad boolean config value '{value}' for '{key}'");
            Failure::new(FailureKind::Git, text)
        })
    }

    /// The last value of `key` as a path, `~/` and `~user/` expanded; an empty one counts as none.
    #[must_use]
    pub fn path(&self, key: &str) -> Option<PathBuf> {
        self.expand(self.bytes(key)?)
    }

    /// Where the last value of `key` comes from.
    #[must_use]
    pub fn scope(&self, key: &str) -> Option<Scope> {
        let parsed = KeyRef::parse_unvalidated(BStr::new(key))?;
        let (_, section) = self.file.raw_value_with_section(parsed).ok()?;
        Some(match section.meta().source.kind() {
            Kind::Repository => Scope::Repository,
            Kind::GitInstallation | Kind::System | Kind::Global | Kind::Override => Scope::Outside,
        })
    }

    /// The file that the last value of `key` is in; `None` if it is in none, or if git was asked.
    #[must_use]
    pub fn file_of(&self, key: &str) -> Option<&Path> {
        let parsed = KeyRef::parse_unvalidated(BStr::new(key))?;
        let (_, section) = self.file.raw_value_with_section(parsed).ok()?;
        section.meta().path.as_deref()
    }

    /// Every value of `key` in the repository's own files, as a path, lowest precedence first; an
    /// empty one counts as none.
    #[must_use]
    pub fn repository_paths(&self, key: &str) -> Vec<PathBuf> {
        let own = self.raw(key, |meta| meta.source.kind() == Kind::Repository);
        own.into_iter().filter_map(|value| self.expand(value)).collect()
    }

    /// Every value of `key` that no repository can set, lowest precedence first.
    pub(super) fn protected(&self, key: &str) -> Vec<BString> {
        self.raw(key, |meta| meta.source.kind() != Kind::Repository)
    }

    /// Whether `safe.bareRepository` forbids bare repositories that nobody named.
    pub(super) fn protects_bare(&self) -> bool {
        self.protected("safe.bareRepository").last().is_some_and(|value| value == "explicit")
    }

    /// What the repository's own files say, for a repository whose files gix cannot parse itself.
    pub(super) fn repository_file(&self) -> File {
        let mut own = self.file.clone();
        let outside: Vec<_> = own
            .sections_and_ids()
            .filter(|(section, _)| section.meta().source.kind() != Kind::Repository)
            .map(|(_, id)| id)
            .collect();
        for id in outside {
            drop(own.remove_section_by_id(id));
        }
        own
    }

    /// `value` with `~` expanded.
    pub(super) fn expand(&self, value: BString) -> Option<PathBuf> {
        let context = gix::config::path::interpolate::Context {
            home_dir: self.home.as_deref(),
            ..Default::default()
        };
        gix::config::Path::from(value).interpolate(context).ok()
    }

    fn bytes(&self, key: &str) -> Option<BString> {
        self.file.string(KeyRef::parse_unvalidated(BStr::new(key))?)
    }

    fn raw(&self, key: &str, filter: impl FnMut(&Metadata) -> bool) -> Vec<BString> {
        KeyRef::parse_unvalidated(BStr::new(key))
            .and_then(|key| self.file.strings_filter(key, filter))
            .unwrap_or_default()
    }
}

/// Reads one file without following includes; `None` if it is not there.
pub(super) fn read(path: &Path, source: Source) -> Result<Option<File>, Failure> {
    let mut content = match fs::read(path) {
        Ok(content) => content,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        // As git does: a home directory that a sandbox hides is no reason to fail.
        Err(error)
            if error.kind() == ErrorKind::PermissionDenied && source.kind() == Kind::Global =>
        {
            return Ok(None);
        }
        Err(error) => return Err(Failure::io(error, format!("cannot read '{}'", path.display()))),
    };
    let meta = Metadata::from(source).at(path);
    File::from_bytes_owned(&mut content, meta, options()).map(Some).map_err(|error| {
        Failure::new(FailureKind::Git, format!("bad config in file '{}': {error}", path.display()))
    })
}

/// Comments and white space are not kept: nothing is ever written back.
fn options() -> init::Options<'static> {
    init::Options { lossy: true, ..Default::default() }
}

/// The files that no repository owns, lowest precedence first (`config.c`,
/// `do_git_config_sequence`).
fn outside(env: &Env) -> Result<Vec<(PathBuf, Source)>, Failure> {
    let mut files = Vec::with_capacity(3);
    if !env.flag("GIT_CONFIG_NOSYSTEM")? {
        let path = env.get("GIT_CONFIG_SYSTEM").map(PathBuf::from);
        files.push((path.map_or_else(|| system::path(env), Ok)?, Source::System));
    }
    if let Some(path) = env.get("GIT_CONFIG_GLOBAL") {
        files.push((path.into(), Source::User));
    } else {
        let home = env.path("HOME");
        let xdg = env.path("XDG_CONFIG_HOME").or_else(|| Some(home.as_ref()?.join(".config")));
        files.extend(xdg.map(|dir| (dir.join("git/config"), Source::Git)));
        files.extend(home.map(|dir| (dir.join(".gitconfig"), Source::User)));
    }
    // What such a path is relative to depends on how far git has come when it reads it.
    if files.iter().any(|(path, _)| path.is_relative() && !path.as_os_str().is_empty()) {
        return Err(bad("a configuration file is named by a relative path"));
    }
    Ok(files)
}

/// `GIT_CONFIG_COUNT`, then `GIT_CONFIG_PARAMETERS`.
fn given(env: &Env) -> Result<Option<File>, Failure> {
    let mut settings: Vec<Setting> = Vec::new();
    if let Some(count) = env.get("GIT_CONFIG_COUNT").filter(|count| !count.is_empty()) {
        let count = count.to_str().and_then(|count| count.trim_start().parse::<usize>().ok());
        let Some(count) = count else { return Err(bad("bogus count in GIT_CONFIG_COUNT")) };
        for n in 0..count {
            let get = |what: &str| {
                let name = format!("GIT_CONFIG_{what}_{n}");
                let value = env.get(&name).map(|value| value.as_encoded_bytes().to_vec());
                value.ok_or_else(|| bad(format!("missing config variable '{name}'")))
            };
            settings.push((get("KEY")?, Some(get("VALUE")?)));
        }
    }
    if let Some(list) = env.get("GIT_CONFIG_PARAMETERS") {
        let more = parameters::parse(list.as_encoded_bytes());
        settings.extend(more.ok_or_else(|| bad("bogus format in GIT_CONFIG_PARAMETERS"))?);
    }
    if settings.is_empty() { Ok(None) } else { from_settings(Source::Cli, &settings).map(Some) }
}

fn from_settings(source: Source, settings: &[Setting]) -> Result<File, Failure> {
    let mut file = File::new(Metadata::from(source));
    for (key, value) in settings {
        let wrong = || bad(format!("bogus config parameter: '{}'", key.as_bstr()));
        let parsed = KeyRef::parse_unvalidated(key.as_bstr()).ok_or_else(wrong)?;
        if parsed.section_name.is_empty() {
            return Err(wrong());
        }
        let mut section = file
            .section_mut_or_create_new(parsed.section_name, parsed.subsection_name)
            .map_err(|_| wrong())?;
        section
            .push(parsed.value_name, value.as_ref().map(|value| value.as_bstr()))
            .map_err(|_| wrong())?;
    }
    Ok(file)
}

fn join(file: &mut File, more: File) -> Result<(), Failure> {
    file.append(more).map(drop).map_err(|error| unreadable(&error))
}

fn unreadable(error: &gix::Error) -> Failure {
    bad(format!("cannot read git configuration: {error}"))
}

fn bad(text: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Git, text)
}
