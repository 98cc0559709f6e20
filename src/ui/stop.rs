//! What a refusal or a failure says: the sentence, at most two hints, and what to do now.
//!
//! A reader of stderr alone, often a language model, must do the right next thing. So every sentence
//! says who, since when and why, and that it is normal where it is; every command in a hint is safe
//! to paste; and none invites to force, to rename oneself, to use another store, or to work on what
//! one does not own.

use jiff::Timestamp;

use super::message::Message;
use super::refusals::sentence;
use super::text::safe;
use crate::error::{self, Failure, FailureKind, Stop};
use crate::rules::refusal::{Refusal, Retry};

/// The words of one refusal or failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopMessage {
    /// The `code` in JSON.
    pub code: &'static str,
    /// What happened.
    pub text: String,
    /// Whether that is an error; else it is an ordinary answer.
    pub is_error: bool,
    /// What follows `hint: `; at most two.
    pub hints: Vec<String>,
    /// The command to run now, as arguments; empty if there is none.
    pub command: Vec<String>,
    /// When the same command may succeed.
    pub retry: Retry,
    /// The exit code.
    pub exit: u8,
}

/// What a refusal says.
#[must_use]
pub fn refusal(refusal: &Refusal, now: Timestamp) -> StopMessage {
    let Message { text, mut hints, command: todo } = sentence(refusal, now);
    let mut command: Vec<String> = Vec::new();
    if !todo.is_empty() {
        // One of git's own says so itself.
        let own: &[&str] = if todo.first().is_some_and(|word| word == "git") {
            &[]
        } else {
            &["git", "conductor"]
        };
        command = own.iter().map(|word| (*word).to_owned()).chain(todo).collect();
        hints.push(command.join(" "));
    }
    StopMessage {
        code: refusal.code(),
        text,
        is_error: !matches!(exit(refusal), error::FINISHED | error::NOTHING_NOW),
        hints,
        command,
        retry: refusal.retry(),
        exit: exit(refusal),
    }
}

/// What a command that is refused exits with.
fn exit(refusal: &Refusal) -> u8 {
    if matches!(refusal, Refusal::TimedOut { .. }) {
        error::TIMED_OUT
    } else if matches!(refusal, Refusal::Finished {}) {
        error::FINISHED
    } else if refusal.prospect().is_some_and(|prospect| prospect.waiting_helps) {
        error::NOTHING_NOW
    } else {
        error::REFUSED
    }
}

/// What whatever stopped a command says.
#[must_use]
pub fn stop(stop: &Stop, now: Timestamp) -> StopMessage {
    match stop {
        Stop::Refused(it) => refusal(it, now),
        Stop::Failed(it) => failure(it),
    }
}

/// What a failure says.
#[must_use]
pub fn failure(failure: &Failure) -> StopMessage {
    let own = failure.hints.iter().map(|hint| safe(hint).into_owned());
    let mut hints: Vec<String> =
        advice(failure.kind).map(str::to_owned).into_iter().chain(own).collect();
    hints.truncate(2);
    let mut command = Vec::new();
    if failure.kind == FailureKind::Usage {
        let named = hints.iter().find(|hint| hint.starts_with("git conductor "));
        let line = named.map_or("git conductor -h", String::as_str);
        command = line.split(' ').map(str::to_owned).collect();
    }
    StopMessage {
        code: failure.kind.code(),
        text: safe(&failure.to_string()).into_owned(),
        is_error: true,
        hints,
        command,
        retry: retry(failure.kind),
        exit: failure.kind.exit(),
    }
}

/// What the reader may do about a failure of this kind; before the failure's own hints.
const fn advice(kind: FailureKind) -> Option<&'static str> {
    match kind {
        FailureKind::Busy => {
            Some("this is normal when many commands run at once: run the same command again")
        }
        FailureKind::ReadOnly => {
            Some("ask your human to allow writing there; do not choose another store")
        }
        FailureKind::Bug => Some("this is a bug in git conductor; please report it"),
        FailureKind::StoreGone => Some(
            "start no sprint, and do not make the store again: ask your human where it went, and stop",
        ),
        FailureKind::Tampered | FailureKind::Unreadable => Some(
            "the store was damaged, or changed by something else: \
             ask your human to look, and mend nothing yourself",
        ),
        FailureKind::ForeignOwner => {
            Some("whether its owner is to be trusted is your human's decision: tell them, and stop")
        }
        FailureKind::TrackedStore => Some(
            "nothing was done; what is in git's index is your human's decision: tell them, and stop",
        ),
        FailureKind::NotARepository => {
            Some("go to the repository that you were told to work in; do not make one")
        }
        FailureKind::Git => {
            Some("nothing was done; change or remove nothing yourself: tell your human, and stop")
        }
        FailureKind::Usage | FailureKind::Io => None,
    }
}

const fn retry(kind: FailureKind) -> Retry {
    match kind {
        FailureKind::Busy => Retry::Now,
        FailureKind::Bug | FailureKind::Usage => Retry::Never,
        FailureKind::NotARepository
        | FailureKind::ForeignOwner
        | FailureKind::StoreGone
        | FailureKind::TrackedStore
        | FailureKind::ReadOnly
        | FailureKind::Unreadable
        | FailureKind::Tampered
        | FailureKind::Io
        | FailureKind::Git => Retry::AfterChange,
    }
}
