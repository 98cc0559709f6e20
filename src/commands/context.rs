//! What every command needs: the repository, the store, the asker. Made once, at the edge.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::error::{Failure, FailureKind};
use crate::git::{Config, Env, GO_THERE, Limit, Repo};
use crate::host::agent::{self, Given};
use crate::host::machine::Machine;
use crate::host::process::Unread;
use crate::host::program;
use crate::host::system::System;
use crate::host::vars::Vars;
use crate::place::{self, Place};
use crate::record::Checkout;
use crate::record::sharing::Sharing;
use crate::rules::Me;
use crate::store::Store;
use crate::store::change::Asker;

/// How long a dead owner must have been silent before anyone may reclaim.
const AN_HOUR: SignedDuration = SignedDuration::from_hours(1);

/// The setting that changes it.
const STALE_AFTER: &str = "conductor.staleAfter";

/// How many attempts at a phase may fail, where its entry in the graph does not say.
const MAX_ATTEMPTS: &str = "conductor.maxAttempts";

/// How long git may take that looks at a worktree.
const GIT_TIMEOUT: &str = "conductor.gitTimeout";

/// How long that is, if the setting does not say.
const A_MINUTE: Duration = Duration::from_secs(60);

/// The options that every command takes.
#[derive(Debug, Clone, Default)]
pub struct Global {
    /// `--agent`
    pub agent: Option<String>,
    /// `--pid`
    pub pid: Option<i64>,
    /// `--store`
    pub store: Option<PathBuf>,
    /// The session that an agent of this family tells its hook, where no variable does.
    pub session: Option<(&'static str, String)>,
}

/// What every command needs.
pub struct Context {
    /// The repository; `None` outside of one, with an explicit store.
    pub repo: Option<Repo>,
    /// Where the store is.
    pub place: Place,
    /// The store.
    pub store: Store<System>,
    /// Who asks.
    pub asker: Asker,
    /// The stores beside the repository's own, where all are asked ([`StoreAccess::Own`]): those
    /// that its settings take the place of, and the one that the user names.
    pub others: Vec<Store<System>>,
    /// git's configuration outside of a repository.
    outside: Option<Config>,
    /// Whether `conductor.staleAfter` makes sense. If not, nothing counts as stale.
    stale_after_is_bad: bool,
    /// Whether `conductor.maxAttempts` makes sense. If not, nothing counts as exhausted by it.
    max_attempts_is_bad: bool,
}

/// Whether the store must exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreAccess {
    /// A store that the pointer names and that is gone is a failure.
    Store,
    /// It is made if it is gone.
    Nothing,
    /// The repository's own is asked first, then those that settings and the user name instead.
    Own,
}

/// An environment variable of this process.
pub(super) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// An environment variable that is text; an empty one counts as not set.
pub(super) fn text(name: &str) -> Option<String> {
    variable(name)?.into_string().ok().filter(|value| !value.is_empty())
}

/// The current directory, and the repository that it is in.
///
/// # Errors
/// As [`Context::open`].
pub(super) fn repository() -> Result<(PathBuf, Option<Repo>), Failure> {
    let cwd = std::env::current_dir().map_err(nowhere)?;
    let repo = Repo::discover(&cwd, &variable)?;
    Ok((cwd, repo))
}

/// Why there is no current directory, and what to do then.
fn nowhere(error: std::io::Error) -> Failure {
    if error.kind() != std::io::ErrorKind::NotFound {
        return Failure::io(error, "cannot tell the current directory").hint(GO_THERE);
    }
    // The kernel knows what it was called; elsewhere the shell does.
    let was = program::current_directory().or_else(|| variable("PWD").map(PathBuf::from));
    let was = was.map(|path| path.display().to_string()).unwrap_or_default();
    let was = was.strip_suffix(" (deleted)").unwrap_or(&was);
    let named = if was.is_empty() { String::new() } else { format!(" '{was}'") };
    Failure::new(FailureKind::Io, format!("the current directory{named} is gone: it was removed"))
        .hint(GO_THERE)
        .hint("a phase that you hold stays yours, and is not done")
}

/// The repository of the current directory, for what is about nothing else.
///
/// # Errors
/// [`FailureKind::NotARepository`] outside of any; or as [`Context::open`].
pub(super) fn need_repository() -> Result<Repo, Failure> {
    let text = "not a git repository (or any of the parent directories): .git";
    repository()?.1.ok_or_else(|| Failure::new(FailureKind::NotARepository, text))
}

fn setting(repo: Option<&Repo>, outside: Option<&Config>, key: &str) -> Option<String> {
    repo.map(Repo::configuration).or(outside)?.get(key)
}

impl Context {
    /// Finds the repository, the store and the asker.
    ///
    /// # Errors
    /// Not in a repository and no explicit store; a store that is gone or another user's; a name
    /// or a process that was given and is none.
    pub fn open(global: &Global, need: StoreAccess) -> Result<Self, Failure> {
        let (cwd, repo) = repository()?;
        Self::within(global, need, &cwd, repo)
    }

    /// The same where the repository of `cwd` has been found.
    ///
    /// # Errors
    /// As [`Context::open`].
    pub fn within(
        global: &Global,
        need: StoreAccess,
        cwd: &Path,
        repo: Option<Repo>,
    ) -> Result<Self, Failure> {
        let given = global.store.as_deref();
        let place = match (need, &repo) {
            (StoreAccess::Own, Some(repo)) => place::find_own(repo, &variable)?,
            (StoreAccess::Store | StoreAccess::Own, _) => {
                place::find(given, &variable, cwd, repo.as_ref())?
            }
            (StoreAccess::Nothing, _) => {
                place::find_for_start(given, &variable, cwd, repo.as_ref())?
            }
        };
        let others = match (need, &repo) {
            (StoreAccess::Own, Some(repo)) => {
                let mut others = place::behind_own(repo, &variable)?;
                others.push(place::find(given, &variable, cwd, Some(repo))?);
                others
            }
            _ => Vec::new(),
        };
        let outside = match repo {
            Some(_) => None,
            None => Some(Config::global(&Env::read(&variable))?),
        };
        let config = |key: &str| setting(repo.as_ref(), outside.as_ref(), key);
        let machine = Machine::read();
        // In a bare repository and inside of `.git` it is the repository that stands for a place.
        let worktree =
            repo.as_ref().map_or(cwd, |repo| repo.worktree().unwrap_or_else(|| repo.anchor()));
        let me = agent::identify(
            &Given { agent: global.agent.clone(), pid: global.pid },
            &Vars::from_process().with_session(global.session.as_ref()),
            &machine,
            &machine.table,
            config,
            Some(worktree.display().to_string()),
        );
        // Whoever it is cannot be known, and must not be told that it is somebody else.
        let mut me = machine.failure().map_or(me, Err)?;
        me.git_dir = repo.as_ref().and_then(Repo::worktree_git_dir);
        let stale_after = config(STALE_AFTER).map(|text| parse_duration(&text));
        let stale_after_is_bad = stale_after == Some(None);
        let stale_after = match stale_after {
            // Nobody may be robbed of a claim because of a slip of the pen.
            Some(None) => SignedDuration::MAX,
            Some(Some(duration)) => duration,
            None => AN_HOUR,
        };
        let max_attempts = config(MAX_ATTEMPTS).map(|text| parse_count(&text));
        let max_attempts_is_bad = max_attempts == Some(None);
        let sharing = repo.as_ref().map_or(Ok(Sharing::Umask), Repo::sharing)?;
        let mut known = vec![&place.store];
        let mut more: Vec<Store<System>> = Vec::new();
        for other in &others {
            if !known.contains(&&other.store) {
                known.push(&other.store);
                more.push(store(other, machine.clone(), me.clone(), stale_after, sharing));
            }
        }
        let store = store(&place, machine, me.clone(), stale_after, sharing);
        let asker = Asker {
            me,
            stale_after,
            max_attempts: max_attempts.flatten(),
            checkout: Checkout::default(),
            saves: repo.is_some(),
        };
        Ok(Self {
            repo,
            place,
            store,
            asker,
            others: more,
            outside,
            stale_after_is_bad,
            max_attempts_is_bad,
        })
    }

    /// What could not be read of this machine, by then.
    #[must_use]
    pub fn unread(&self) -> Unread {
        self.store.host().unread()
    }

    /// A setting of git's configuration, the repository's included.
    #[must_use]
    pub fn config(&self, key: &str) -> Option<String> {
        setting(self.repo.as_ref(), self.outside.as_ref(), key)
    }

    /// What is wrong with the setting `key` and where it is, in git's manner; `wanted` says how it
    /// should read.
    #[must_use]
    pub fn bad_setting(&self, key: &str, wanted: &str) -> Failure {
        bad_setting(self.configuration(), key, wanted)
    }

    /// git's configuration, the repository's included.
    pub(super) fn configuration(&self) -> Option<&Config> {
        self.repo.as_ref().map(Repo::configuration).or(self.outside.as_ref())
    }

    /// What is wrong with `conductor.staleAfter`. As with git's own settings, only a command that
    /// acts by it fails; one that shows the board warns.
    #[must_use]
    pub fn bad_stale_after(&self) -> Option<Failure> {
        let wanted = "invalid duration (try 1h or 30m)";
        self.stale_after_is_bad.then(|| self.bad_setting(STALE_AFTER, wanted))
    }

    /// What is wrong with `conductor.maxAttempts`; as [`Context::bad_stale_after`].
    #[must_use]
    pub fn bad_max_attempts(&self) -> Option<Failure> {
        let wanted = "it is no number of attempts, at least 1";
        self.max_attempts_is_bad.then(|| self.bad_setting(MAX_ATTEMPTS, wanted))
    }

    /// What is wrong with a setting that decides on claims.
    #[must_use]
    pub fn bad_setting_of_claims(&self) -> Option<Failure> {
        self.bad_stale_after().or_else(|| self.bad_max_attempts())
    }

    /// The asker, who is about to claim: with what is checked out here, for the claim to tell.
    ///
    /// # Errors
    /// A setting that decides on claims makes no sense.
    pub fn claimer(&self) -> Result<Asker, Failure> {
        if let Some(failure) = self.bad_setting_of_claims() {
            return Err(failure);
        }
        let checkout = self.repo.as_ref().map(Repo::checkout).unwrap_or_default();
        Ok(Asker { checkout, ..self.asker.clone() })
    }

    /// A setting of git's configuration as a boolean.
    ///
    /// # Errors
    /// A value that is none, in git's words.
    pub fn config_bool(&self, key: &str) -> Result<Option<bool>, Failure> {
        self.configuration().map_or(Ok(None), |config| config.boolean(key))
    }

    /// How long git may take that looks at a worktree, from now on.
    ///
    /// # Errors
    /// The setting that says it makes no sense.
    pub fn git_limit(&self) -> Result<Limit, Failure> {
        let Some(text) = self.config(GIT_TIMEOUT) else { return Ok(Limit::within(A_MINUTE)) };
        let time = parse_duration(&text).and_then(|time| Duration::try_from(time).ok());
        let time = time.filter(|time| !time.is_zero());
        time.map(Limit::within)
            .ok_or_else(|| self.bad_setting(GIT_TIMEOUT, "invalid duration (try 30s or 5m)"))
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        use crate::store::Host as _;
        self.store.host().now()
    }

    /// The store's path.
    #[must_use]
    pub fn store_path(&self) -> &Path {
        self.store.host().path()
    }
}

/// What is wrong with the setting `key` of `config`, and where it is.
pub(super) fn bad_setting(config: Option<&Config>, key: &str, wanted: &str) -> Failure {
    let value = config.and_then(|config| config.get(key)).unwrap_or_default();
    let file = config.and_then(|config| config.file_of(key));
    let place = file.map(|file| format!(" in file '{}'", file.display())).unwrap_or_default();
    let text = format!("bad config value '{value}' for '{key}'{place}: {wanted}");
    Failure::new(FailureKind::Git, text)
}

/// The store at `place`, on this machine.
fn store(
    place: &Place,
    machine: Machine,
    me: Me,
    stale_after: SignedDuration,
    sharing: Sharing,
) -> Store<System> {
    let only = place.explicit.then(|| place::project_hash(&place.project));
    Store::new(System::new(place.store.clone(), machine, me, stale_after, sharing), only)
}

/// Reads how many there may be: a number of at least 1.
fn parse_count(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|count| *count > 0)
}

/// Reads `1h`, `30m`, `0s`, `1h30m`, `7d`, as people write them.
#[must_use]
pub fn parse_duration(text: &str) -> Option<SignedDuration> {
    let span: jiff::Span = text.trim().parse().ok()?;
    // A day is 24 hours here: no calendar is asked.
    let duration = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()?;
    (!duration.is_negative()).then_some(duration)
}

/// Reads a number of bytes as git does: `k`, `m` and `g` multiply by 1024; `None` if it is no
/// number, or one of more than 64 bits.
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let (digits, factor) = match text.as_bytes().last()?.to_ascii_lowercase() {
        b'k' => (&text[..text.len() - 1], 1 << 10),
        b'm' => (&text[..text.len() - 1], 1 << 20),
        b'g' => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}
