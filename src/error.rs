//! How a command can end other than well: a [`Refusal`] is the rules saying no, a [`Failure`] is
//! the world being broken. They have different exit codes and never mix.
//!
//! [`EXIT_CODES`] is the one table of exit codes; the help, the README and the tests read it.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use crate::rules::Refusal;
use crate::rules::refusal::Retry;

/// Exit codes and their meaning, for help, README and tests.
pub const EXIT_CODES: &[(u8, &str)] = &[
    (0, "done, or yes"),
    (1, "refused, or no"),
    (3, "timed out waiting"),
    (4, "busy, or the outcome is unknown: try again"),
    (5, "`next`: every phase is done"),
    (6, "`next`: nothing now, and waiting can help"),
    (70, "a bug of ours"),
    (125, "`run` itself refused"),
    (128, "the environment: not a repository, I/O, permissions, unreadable state"),
    (129, "usage"),
];

/// Exit code: done, or yes.
pub const OK: u8 = 0;
/// Exit code: refused, or no.
pub const REFUSED: u8 = 1;
/// Exit code: timed out waiting.
pub const TIMED_OUT: u8 = 3;
/// Exit code: busy, or the outcome is unknown; try again.
pub const BUSY: u8 = 4;
/// Exit code of `next`: every phase is done.
pub const FINISHED: u8 = 5;
/// Exit code of `next`: nothing can be claimed now, and waiting can help.
pub const NOTHING_NOW: u8 = 6;
/// Exit code: a bug of ours.
pub const BUG: u8 = 70;
/// Exit code: `run` itself refused, and not the command that it was to run.
pub const RUN_REFUSED: u8 = 125;
/// Exit code: the environment is broken.
pub const ENVIRONMENT: u8 = 128;
/// Exit code: the command line is wrong.
pub const USAGE: u8 = 129;

/// What kind of breakage a [`Failure`] is; its name is the `code` in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The command line is wrong in a way that only the running command can see.
    Usage,
    /// No repository here, and no explicit store.
    NotARepository,
    /// The repository or the store belongs to another user.
    ForeignOwner,
    /// The pointer names a store that is not there.
    StoreGone,
    /// The store has tracked files.
    TrackedStore,
    /// The store cannot be written.
    ReadOnly,
    /// A record that must be understood cannot be.
    Unreadable,
    /// The store holds what no version of this program writes.
    Tampered,
    /// Another command is in the middle of the same change.
    Busy,
    /// Any other error of the operating system.
    Io,
    /// git itself failed, or answered what cannot be understood.
    Git,
    /// A bug of ours.
    Bug,
}

impl FailureKind {
    /// Every kind, for tests that walk the table.
    pub const ALL: &[Self] = &[
        Self::Usage,
        Self::NotARepository,
        Self::ForeignOwner,
        Self::StoreGone,
        Self::TrackedStore,
        Self::ReadOnly,
        Self::Unreadable,
        Self::Tampered,
        Self::Busy,
        Self::Io,
        Self::Git,
        Self::Bug,
    ];

    /// The `code` in JSON.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::NotARepository => "not_a_repository",
            Self::ForeignOwner => "foreign_owner",
            Self::StoreGone => "store_gone",
            Self::TrackedStore => "tracked_store",
            Self::ReadOnly => "read_only",
            Self::Unreadable => "unreadable",
            Self::Tampered => "tampered",
            Self::Busy => "busy",
            Self::Io => "io",
            Self::Git => "git",
            Self::Bug => "bug",
        }
    }

    /// The process's exit code.
    #[must_use]
    pub const fn exit(self) -> u8 {
        match self {
            Self::Usage => USAGE,
            Self::Busy => BUSY,
            Self::Bug => BUG,
            Self::NotARepository
            | Self::ForeignOwner
            | Self::StoreGone
            | Self::TrackedStore
            | Self::ReadOnly
            | Self::Unreadable
            | Self::Tampered
            | Self::Io
            | Self::Git => ENVIRONMENT,
        }
    }
}

/// The world being broken. Its text says what was tried, on which path, and what came back.
#[derive(Debug)]
pub struct Failure {
    /// What kind of breakage.
    pub kind: FailureKind,
    /// Where it came from, outermost first.
    pub error: anyhow::Error,
    /// What the reader may do now, in git's `hint:` manner; at most two.
    pub hints: Vec<Hint>,
}

impl Failure {
    /// A failure with a text of its own.
    #[must_use]
    pub fn new(kind: FailureKind, text: impl Into<String>) -> Self {
        Self { kind, error: anyhow::Error::msg(text.into()), hints: Vec::new() }
    }

    /// A failed system call that was to change something: as [`Failure::io`], but being denied it
    /// is [`FailureKind::ReadOnly`].
    #[must_use]
    pub fn writing(error: std::io::Error, doing: impl fmt::Display) -> Self {
        use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
        let denied = matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem);
        let kind = if denied { FailureKind::ReadOnly } else { FailureKind::Io };
        Self { kind, ..Self::io(error, doing) }
    }

    /// A failed system call: `doing` names the attempt and the path, in the form
    /// `cannot read 'a'`.
    #[must_use]
    pub fn io(error: std::io::Error, doing: impl fmt::Display) -> Self {
        let kind = FailureKind::Io;
        Self {
            kind,
            error: anyhow::Error::new(error).context(doing.to_string()),
            hints: Vec::new(),
        }
    }

    /// Whether there was no room on the disk, or none for this user.
    #[must_use]
    pub fn is_full(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        let error = self.error.downcast_ref::<std::io::Error>();
        error.is_some_and(|error| matches!(error.kind(), QuotaExceeded | StorageFull))
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Hint>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    /// The whole chain on one line: `cannot read 'x': permission denied`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

/// Who reads what a command says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Caller {
    /// An agent, a job, a program: it works for somebody, and can tell them.
    #[default]
    Agent,
    /// A person at a terminal.
    Person,
}

/// What the reader may do, in the words for an agent, and for a person where they differ: nobody
/// can tell a person to tell "your human".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    agent: Cow<'static, str>,
    person: Option<Cow<'static, str>>,
}

impl Hint {
    /// A hint that says something else to a person.
    #[must_use]
    pub fn new(agent: impl Into<String>, person: impl Into<String>) -> Self {
        Self { agent: agent.into().into(), person: Some(person.into().into()) }
    }

    /// The same with words that are always these.
    #[must_use]
    pub const fn fixed(agent: &'static str, person: &'static str) -> Self {
        Self { agent: Cow::Borrowed(agent), person: Some(Cow::Borrowed(person)) }
    }

    /// The words for `caller`.
    #[must_use]
    pub fn words(&self, caller: Caller) -> &str {
        match (caller, &self.person) {
            (Caller::Person, Some(person)) => person,
            (Caller::Person | Caller::Agent, _) => &self.agent,
        }
    }

    /// The words for an agent, as programs read them.
    #[must_use]
    pub fn for_agent(&self) -> &str {
        &self.agent
    }

    /// The same with both of its words changed.
    #[must_use]
    pub fn map(&self, change: impl Fn(&str) -> String) -> Self {
        Self {
            agent: change(&self.agent).into(),
            person: self.person.as_deref().map(|words| change(words).into()),
        }
    }
}

impl<T: Into<String>> From<T> for Hint {
    fn from(words: T) -> Self {
        Self { agent: words.into().into(), person: None }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Hint {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Hint".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}

impl serde::Serialize for Hint {
    /// The words for an agent.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.agent.serialize(serializer)
    }
}

/// What a command that did nothing says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What happened.
    pub text: String,
    /// What the reader may do, beside the command.
    pub hints: Vec<Hint>,
    /// Without `git conductor`, or a whole command of git's own; empty if there is nothing to run.
    pub command: Vec<String>,
}

impl Message {
    /// A message with one hint.
    #[must_use]
    pub fn new(text: String, hint: impl Into<Hint>, command: &[&str]) -> Self {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        Self { text, hints: vec![hint.into()], command }
    }
}

/// A refusal that a command brings itself; those of the sprint are [`Refusal`].
pub trait Refuses: fmt::Debug + Any {
    /// The `code` in JSON.
    fn code(&self) -> &'static str;
    /// When the same command may succeed.
    fn retry(&self) -> Retry {
        Retry::AfterChange
    }
    /// What it says.
    fn message(&self) -> Message;
    /// What JSON has beside that, as an object.
    fn facts(&self) -> Value;
}

/// Why a command stopped without doing what it was asked for.
#[derive(Debug)]
pub enum Stop {
    /// The rules said no. Boxed: a refusal carries who, since when and why.
    Refused(Box<Refusal>),
    /// A command's own rule said no.
    Declined(Box<dyn Refuses>),
    /// The world broke.
    Failed(Failure),
}

impl Stop {
    /// The command's own refusal, if it is that one.
    pub fn declined_mut<R: Refuses>(&mut self) -> Option<&mut R> {
        match self {
            Self::Declined(refusal) => (&mut **refusal as &mut dyn Any).downcast_mut(),
            Self::Refused(_) | Self::Failed(_) => None,
        }
    }

    /// The `code` in JSON.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Declined(refusal) => refusal.code(),
            Self::Failed(failure) => failure.kind.code(),
        }
    }
}

impl<R: Refuses> From<R> for Stop {
    fn from(refusal: R) -> Self {
        Self::Declined(Box::new(refusal))
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}
