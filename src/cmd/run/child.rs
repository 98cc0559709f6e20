//! A child process that gets the signals that this one gets, and is waited for.

use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpgid, getppid, kill_process, waitid};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::iterator::exfiltrator::origin::Origin;
use signal_hook::low_level::siginfo::Cause;
use signal_hook::low_level::signal_name;

use crate::cmd::signals::ignored;

/// What is passed on.
const PASSED_ON: [i32; 6] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2];

/// A signal of the terminal reaches `git`, too, which passes it on to this process: so long after the
/// first it is taken for the same.
const ECHO: Duration = Duration::from_secs(1);

/// Exit code of a command that is there and cannot be run, as shells have it.
const NOT_RUNNABLE: u8 = 126;
/// Exit code of a command that is not there.
const NOT_FOUND: u8 = 127;

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// By itself, with this exit code.
    Exited(u8),
    /// By this signal.
    Killed(i32),
    /// It did not begin: the exit code, and why.
    NotRun(u8, String),
}

impl End {
    /// Whether it did what it was to do.
    #[must_use]
    pub const fn is_well(&self) -> bool {
        matches!(self, Self::Exited(0))
    }

    /// The exit code of whoever ran it, as shells have it: 128 and the signal's number for a signal.
    #[must_use]
    pub fn exit(&self) -> u8 {
        match self {
            Self::Exited(code) | Self::NotRun(code, _) => *code,
            Self::Killed(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        }
    }

    /// The signal that ended it, by name.
    #[must_use]
    pub fn signal(&self) -> Option<String> {
        match self {
            Self::Killed(signal) => {
                Some(signal_name(*signal).map_or_else(|| signal.to_string(), str::to_owned))
            }
            Self::Exited(_) | Self::NotRun(..) => None,
        }
    }

    /// Why the phase is given up.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Exited(code) => format!("exit code {code}"),
            Self::Killed(_) => format!("killed by {}", self.signal().unwrap_or_default()),
            Self::NotRun(_, why) => why.clone(),
        }
    }

    fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Exited(u8::try_from(code).unwrap_or(u8::MAX)),
            (None, signal) => Self::Killed(signal.unwrap_or_default()),
        }
    }

    fn not_run(name: &str, error: &std::io::Error) -> Self {
        let code = if error.kind() == ErrorKind::NotFound { NOT_FOUND } else { NOT_RUNNABLE };
        Self::NotRun(code, format!("cannot run '{name}': {error}"))
    }
}

/// Runs what `make` makes, the program `name`, to its end. A signal that comes before it has begun is passed
/// on then.
pub(super) fn run(name: &str, make: impl FnOnce() -> std::io::Result<Command>) -> End {
    // The child is to ignore what this process does.
    let ignored = ignored();
    let caught = PASSED_ON.into_iter().filter(|signal| ignored & (1 << (signal - 1)) == 0);
    let begun =
        SignalsInfo::<WithOrigin>::new(caught).and_then(|signals| Ok((signals, make()?.spawn()?)));
    match begun {
        Ok((signals, child)) => {
            watch(signals, child).map_or_else(|error| End::not_run(name, &error), End::of)
        }
        Err(error) => End::not_run(name, &error),
    }
}

/// Passes signals on until the child has ended.
fn watch(mut signals: SignalsInfo<WithOrigin>, mut child: Child) -> std::io::Result<ExitStatus> {
    let pid = Pid::from_child(&child);
    let handle = signals.handle();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // It stays a zombie until it is collected below: a signal never reaches another process
            // that has its number by then.
            let ended = || waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
            while matches!(ended(), Err(rustix::io::Errno::INTR)) {}
            handle.close();
        });
        let mut of_terminal: Vec<(i32, Instant)> = Vec::new();
        for origin in signals.forever() {
            if origin.cause == Cause::Kernel {
                of_terminal.push((origin.signal, Instant::now()));
            }
            if is_for(&origin, pid, &of_terminal)
                && let Some(signal) = Signal::from_named_raw(origin.signal)
            {
                // It may have ended.
                kill_process(pid, signal).ok();
            }
        }
    });
    child.wait()
}

/// Whether the child has not got the signal itself: a terminal sends it to the whole process group.
fn is_for(origin: &Origin, child: Pid, of_terminal: &[(i32, Instant)]) -> bool {
    let in_group = getpgid(Some(child)).is_ok_and(|group| getpgid(None) == Ok(group));
    let by_parent = origin.process.is_some_and(|process| {
        Pid::from_raw(process.pid).is_some_and(|sender| Some(sender) == getppid())
    });
    let is_echo = by_parent
        && of_terminal.iter().any(|(known, at)| *known == origin.signal && at.elapsed() < ECHO);
    !(in_group && (origin.cause == Cause::Kernel || is_echo))
}
