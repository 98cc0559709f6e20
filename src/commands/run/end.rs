//! How a command ended that was run.

use std::io::ErrorKind;

use crate::host::signals::consts::{SIGINT, SIGQUIT};
use crate::host::signals::signal_name;

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

    /// The exit code of whoever ran it, as shells have it: 128 and the signal's number for a
    /// signal.
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

    /// That it was ended by INT or QUIT, as they are typed: the signal. Shells that it was wrapped
    /// in say so by their exit code.
    #[must_use]
    pub fn interrupted(&self) -> Option<i32> {
        [SIGINT, SIGQUIT].into_iter().find(|signal| match self {
            Self::Killed(by) => by == signal,
            Self::Exited(code) => i32::from(*code) == 128 + signal,
            Self::NotRun(..) => false,
        })
    }

    /// It could not be begun.
    pub(super) fn not_run(name: &str, error: &std::io::Error) -> Self {
        let code = if error.kind() == ErrorKind::NotFound { NOT_FOUND } else { NOT_RUNNABLE };
        Self::NotRun(code, format!("cannot run '{name}': {error}"))
    }
}
