//! What a refusal or a failure says: the sentence, at most two hints, and what to do now.
//!
//! A reader of stderr alone, often a language model, must do the right next thing. So every
//! sentence says who, since when and why, and that it is normal where it is; every command in a
//! hint is safe to paste; and none invites to force, to rename oneself, to use another store, or to
//! work on what one does not own.

use jiff::Timestamp;
use serde::Serialize;

use super::refusals::sentence;
use super::text::safe;
use crate::error::{self, Failure, FailureKind, Hint, Message, Stop};
use crate::rules::refusal::{Refusal, Retry};

/// What one refusal or failure says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopMessage {
    /// The `code` in JSON.
    pub code: &'static str,
    /// What happened.
    pub text: String,
    /// Whether that is an error; else it is an ordinary answer.
    pub is_error: bool,
    /// What follows `hint: `; at most two.
    pub hints: Vec<Hint>,
    /// The command to run now, as arguments; empty if there is none.
    pub command: Vec<String>,
    /// When the same command may succeed.
    pub retry: Retry,
    /// The exit code.
    pub exit: u8,
}

/// A failure beside which the rest was done.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct FailureFacts<'a> {
    /// The failure's code.
    code: &'static str,
    /// What happened.
    error: String,
    /// What can be done.
    hints: &'a [Hint],
}

impl<'a> FailureFacts<'a> {
    pub(crate) fn of(failure: &'a Failure) -> Self {
        let message = self::failure(failure);
        Self { code: message.code, error: message.text, hints: &failure.hints }
    }
}

/// What whatever stopped a command says.
#[must_use]
pub fn stop(stop: &Stop, now: Timestamp) -> StopMessage {
    match stop {
        Stop::Refused(it) => refusal(it, now),
        Stop::Declined(it) => whole(it.code(), it.retry(), error::REFUSED, it.message()),
        Stop::Failed(it) => failure(it),
    }
}

/// What a refusal says.
#[must_use]
pub fn refusal(refusal: &Refusal, now: Timestamp) -> StopMessage {
    whole(refusal.code(), refusal.retry(), exit(refusal), sentence(refusal, now))
}

/// A refusal's message, in which the command is the last hint.
fn whole(code: &'static str, retry: Retry, exit: u8, message: Message) -> StopMessage {
    let Message { text, mut hints, command: words } = message;
    let mut command: Vec<String> = Vec::new();
    if !words.is_empty() {
        // One of git's own says so itself.
        let own: &[&str] = if words.first().is_some_and(|word| word == "git") {
            &[]
        } else {
            &["git", "conductor"]
        };
        command = own.iter().map(|word| (*word).to_owned()).chain(words).collect();
        hints.push(command.join(" ").into());
    }
    let is_error = !matches!(exit, error::FINISHED | error::NOTHING_NOW);
    StopMessage { code, text, is_error, hints, command, retry, exit }
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

/// What a failure says.
#[must_use]
pub fn failure(failure: &Failure) -> StopMessage {
    let own = failure.hints.iter().map(|hint| hint.map(|words| safe(words).into_owned()));
    let mut hints: Vec<Hint> = advice(failure.kind).into_iter().chain(own).collect();
    hints.truncate(2);
    let mut command = Vec::new();
    if failure.kind == FailureKind::Usage {
        let named =
            hints.iter().map(Hint::for_agent).find(|hint| hint.starts_with("git conductor "));
        let line = named.unwrap_or("git conductor -h");
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
fn advice(kind: FailureKind) -> Option<Hint> {
    Some(match kind {
        FailureKind::Busy => {
            "this is normal when many commands run at once: run the same command again".into()
        }
        FailureKind::ReadOnly => Hint::fixed(
            "ask your human to allow writing there; do not choose another store",
            "allow writing there; another store would be another sprint",
        ),
        FailureKind::Bug => "this is a bug in git conductor; please report it".into(),
        FailureKind::StoreGone => Hint::fixed(
            "start no sprint, and do not make the store again: ask your human where it went, and stop",
            "put the store back where it was; a new sprint would not know what the old one has",
        ),
        FailureKind::Tampered | FailureKind::Unreadable => Hint::fixed(
            "the store was damaged, or changed by something else: \
             ask your human to look, and mend nothing yourself",
            "the store was damaged, or changed by something else: \
             restore what is named there, or end the sprint by moving it out of the way",
        ),
        FailureKind::ForeignOwner => Hint::fixed(
            "whether its owner is to be trusted is your human's decision: tell them, and stop",
            "whether its owner is to be trusted is for you to decide",
        ),
        FailureKind::TrackedStore => Hint::fixed(
            "nothing was done; what is in git's index is your human's decision: tell them, and stop",
            "nothing was done; take the store out of git's index first",
        ),
        FailureKind::NotARepository => Hint::fixed(
            "go to the repository that you were told to work in; do not make one",
            "go to a repository, or make one with 'git init'",
        ),
        FailureKind::Git => Hint::fixed(
            "nothing was done; change or remove nothing yourself: tell your human, and stop",
            "nothing was done: mend that first, and run it again",
        ),
        FailureKind::Usage | FailureKind::Io => return None,
    })
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
