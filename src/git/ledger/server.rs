//! The git children that talk to the server. Their exit codes and the lines for programs decide;
//! what they say to people is only passed on.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gix::ObjectId;
use gix::bstr::ByteSlice as _;

use super::cache::TIPS;
use super::quiet::{self, Said};
use super::settings::{HOME, Settings};
use crate::error::{Failure, FailureKind};
use crate::git::child::{self, Limit};
use crate::git::env;
use crate::git::repo::Repo;
use crate::ledger::Swapped;
use crate::record::text::is_unsafe;

/// Beside those that a child of another repository must not see anyway: what `git rev-parse
/// --local-env-vars` lists, and what would change where its objects are or how they are named.
const LOCAL: &[&str] = &[
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_CONFIG_PARAMETERS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_GRAFT_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_QUARANTINE_PATH",
    "GIT_ATTR_SOURCE",
    "GIT_DEFAULT_HASH",
    "GIT_DEFAULT_REF_FORMAT",
    "GIT_TEMPLATE_DIR",
];

/// The most characters of what a server says that are passed on.
const MAX_WORDS: usize = 300;

/// A lock that another child holds goes within so long, and is looked for so often.
const GRACE: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_millis(10);

/// How much of the chain is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// What leads from what is kept here to the tip.
    New,
    /// So many of the latest commits.
    Latest(u32),
    /// All of it.
    Whole,
}

/// What the ledger's repository is found to be after a child has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing is wrong there.
    Fine,
    /// Another child was at work in it, and is not any more.
    Locked,
    /// It is damaged.
    Broken,
}

/// A server and one ref of it, as one command of one user asks it.
pub(super) struct Server {
    repo: Repo,
    remote: String,
    reference: String,
    /// The repository that objects are fetched to and pushed from.
    cache: PathBuf,
    /// Each child has so long.
    patience: Duration,
    /// Whether a person is there who can be asked.
    is_attended: bool,
    settings: OnceCell<Settings>,
}

impl Server {
    pub(super) fn new(
        repo: &Repo,
        remote: &str,
        reference: &str,
        cache: &Path,
        patience: Duration,
        is_attended: bool,
    ) -> Self {
        Self {
            repo: repo.clone(),
            remote: remote.to_owned(),
            reference: reference.to_owned(),
            cache: cache.to_owned(),
            patience,
            is_attended,
            settings: OnceCell::new(),
        }
    }

    /// What is set for it; asked once.
    pub(super) fn settings(&self) -> Result<&Settings, Failure> {
        if let Some(settings) = self.settings.get() {
            return Ok(settings);
        }
        let settings = Settings::read(&self.repo, &self.remote)?;
        Ok(self.settings.get_or_init(|| settings))
    }

    /// A git child without anybody's configuration.
    fn bare_git(&self) -> Command {
        // A relative address counts from here, as for git itself.
        let top = self.repo.worktree().unwrap_or_else(|| self.repo.git_dir());
        let mut git = child::git(self.repo.env(), top);
        for name in env::LOCAL.iter().chain(LOCAL) {
            git.env_remove(name);
        }
        git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        git.env("GIT_CONFIG_COUNT", "0");
        // What it says is looked through for one thing.
        git.env("LC_ALL", "C");
        git
    }

    /// Makes an empty repository at `path`.
    pub(super) fn init(&self, path: &Path, hash: gix::hash::Kind) -> Result<(), Failure> {
        let mut git = self.bare_git();
        git.args(["init", "--quiet", "--bare", "--template="]);
        git.arg(format!("--object-format={hash}"));
        if let Some(shared) = self.repo.config("core.sharedRepository") {
            git.arg(format!("--shared={shared}"));
        }
        // As variables, which older versions do not know and do not need.
        git.env("GIT_DEFAULT_REF_FORMAT", "files");
        child::stdout(git.arg("--").arg(path)).map(|_| ())
    }

    /// A child of the ledger's repository that talks to the server; it needs its arguments.
    fn git(&self) -> Result<Command, Failure> {
        let settings = self.settings()?;
        let mut git = self.bare_git();
        if !settings.safe.is_empty() {
            let file = self.write_safe(&settings.safe)?;
            git.env("GIT_CONFIG_GLOBAL", file);
        }
        let mut more = vec![
            ("core.hooksPath", "/dev/null"),
            ("gc.auto", "0"),
            ("maintenance.auto", "false"),
            ("push.pushOption", ""),
        ];
        if !self.is_attended {
            self.repo.ask_nobody(&mut git);
            more.push(("credential.interactive", "false"));
        }
        settings.hand_to(&mut git, &more);
        let mut git_dir = std::ffi::OsString::from("--git-dir=");
        git_dir.push(&self.cache);
        git.arg(git_dir);
        Ok(git)
    }

    /// A file that declares the directories safe that the user has. A server in the file system
    /// reads it; it gets no settings from the environment.
    fn write_safe(&self, safe: &[Vec<u8>]) -> Result<PathBuf, Failure> {
        let mut text = b"[safe]\n".to_vec();
        for directory in safe {
            let quoted = directory.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n");
            text.extend([b"\tdirectory = \"", &quoted[..], b"\"\n"].concat());
        }
        let path = self.cache.join("safe");
        let cannot = |error| Failure::writing(error, format!("cannot write '{}'", path.display()));
        if std::fs::read(&path).is_ok_and(|there| there == text) {
            return Ok(path);
        }
        let (new, ()) = quiet::create(&self.cache, |new| std::fs::write(new, &text))?;
        std::fs::rename(new, &path).map_err(cannot)?;
        Ok(path)
    }

    /// Where files are for a moment: the ledger's repository itself may be thrown away meanwhile.
    fn beside(&self) -> &Path {
        self.cache.parent().unwrap_or(&self.cache)
    }

    fn run(&self, git: &mut Command) -> Result<Option<Said>, Failure> {
        quiet::run(git, self.beside(), !self.is_attended, &Limit::within(self.patience))
    }

    /// Fetches the ref, or whatever else `source` names there, to `name` below [`TIPS`]: its tip;
    /// `None` if the server has none.
    pub(super) fn fetch(
        &self,
        source: Option<&str>,
        depth: Depth,
        name: &str,
    ) -> Result<Option<ObjectId>, Failure> {
        let source = source.unwrap_or(&self.reference);
        let to = format!("{TIPS}/{name}");
        // A killed command may have had our number.
        std::fs::remove_file(self.cache.join(&to)).ok();
        let said = self.try_fetch(&format!("{source}:{to}"), depth)?;
        if let Some(tip) = fetched(&said, &to) {
            return Ok(Some(tip));
        }
        // Its words may be those of any version and language: they only tell that it is worth while
        // to ask in the way that can show that there is none.
        let is_absent = said.stderr.find("couldn't find remote ref").is_some();
        if !is_absent || source != self.reference {
            return Err(self.failed("fetch", &said));
        }
        // For a pattern that fits nothing git ends well, having seen all that the server has.
        let pattern = format!("{source}*:{to}*");
        let said = self.try_fetch(&pattern, Depth::New)?;
        if !said.status.success() {
            return Err(self.failed("fetch", &said));
        }
        Ok(fetched(&said, &to))
    }

    fn try_fetch(&self, refspec: &str, depth: Depth) -> Result<Said, Failure> {
        let mut git = self.git()?;
        git.args(["fetch", "--porcelain", "-v", "--no-tags", "--no-prune", "--no-filter"]);
        git.args(["--no-write-fetch-head", "--refmap=", "--no-auto-maintenance"]);
        git.arg("--no-recurse-submodules");
        match depth {
            Depth::New => {}
            Depth::Latest(count) => {
                git.arg(format!("--depth={count}"));
            }
            // git's own word for it, which is fine where all is there already.
            Depth::Whole => {
                git.arg("--depth=2147483647");
            }
        }
        git.args(["--", HOME, refspec]);
        self.run(&mut git)?.ok_or_else(too_late)
    }

    /// Moves the ref from `expected` to `new`.
    pub(super) fn push(
        &self,
        expected: Option<ObjectId>,
        new: ObjectId,
    ) -> Result<Swapped, Failure> {
        let reference = &self.reference;
        let mut git = self.git()?;
        git.args(["push", "--porcelain", "--no-verify", "--no-signed", "--no-follow-tags"]);
        git.arg("--recurse-submodules=no");
        // Without a value: there must be none.
        let expected = expected.map(|id| id.to_string()).unwrap_or_default();
        git.arg(format!("--force-with-lease={reference}:{expected}"));
        git.args(["--", HOME, &format!("{new}:{reference}")]);
        let Some(said) = self.run(&mut git)? else {
            return Ok(Swapped::Unknown(too_late().to_string()));
        };
        Ok(match pushed(&said.stdout, reference) {
            Some((b'!', words)) => Swapped::Refused(self.words(&words)),
            Some(_) if said.status.success() => Swapped::In,
            _ => Swapped::Unknown(self.failed("push", &said).to_string()),
        })
    }

    /// What in the ledger's repository may have kept git from working with it. One git child.
    pub(super) fn state(&self) -> State {
        let lock = self.cache.join("shallow.lock");
        let is_locked = lock.exists();
        let grace = Limit::within(GRACE);
        while lock.exists() {
            if grace.is_over() {
                // Left by a child that was killed; and if it was not, only work is lost.
                return State::Broken;
            }
            std::thread::sleep(MOMENT);
        }
        if is_locked {
            return State::Locked;
        }
        let mut git = self.bare_git();
        git.env("GIT_DIR", &self.cache);
        git.args(["rev-list", "--objects", "--all", "--quiet"]);
        let said = quiet::run(&mut git, self.beside(), true, &Limit::within(self.patience));
        // One who cannot tell has not found anything.
        let is_broken = said.is_ok_and(|said| said.is_some_and(|said| !said.status.success()));
        if is_broken { State::Broken } else { State::Fine }
    }

    /// Why a child has failed, in its own words.
    fn failed(&self, what: &str, said: &Said) -> Failure {
        let words = child::complained(&said.stderr).unwrap_or_else(|| said.status.to_string());
        let text = format!("'git {what}' of the ledger failed: {}", self.words(&words));
        Failure::new(FailureKind::Git, text)
    }

    /// Words of others, so that they can be shown.
    fn words(&self, words: &str) -> String {
        let told = self.settings.get().map(|settings| settings.told(words));
        let told = told.as_deref().unwrap_or(words);
        told.chars().take(MAX_WORDS).map(|c| if is_unsafe(c) { '?' } else { c }).collect()
    }
}

fn too_late() -> Failure {
    Failure::new(FailureKind::Busy, "the server of the ledger has not answered in time")
}

/// The tip that a fetch to the ref `to` has brought: `<flag> <old> <new> <ref>`.
fn fetched(said: &Said, to: &str) -> Option<ObjectId> {
    let line = said.stdout.lines().find_map(|line| {
        let (_, rest) = line.split_at_checked(2)?;
        rest.strip_suffix(to.as_bytes())?.strip_suffix(b" ")
    })?;
    let new = line.split(|byte| *byte == b' ').next_back()?;
    ObjectId::from_hex(new).ok().filter(|_| said.status.success())
}

/// What a push says of the ref: `<flag> <from>:<to> <words>`, with tabs.
fn pushed(stdout: &[u8], reference: &str) -> Option<(u8, String)> {
    stdout.lines().find_map(|line| {
        let mut fields = line.splitn(3, |byte| *byte == b'\t');
        let (flag, refs, words) = (fields.next()?, fields.next()?, fields.next()?);
        let is_ours = refs.strip_suffix(reference.as_bytes())?.ends_with(b":");
        let [flag] = flag else { return None };
        is_ours.then(|| (*flag, words.to_str_lossy().into_owned()))
    })
}
