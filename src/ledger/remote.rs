//! What is asked of the server that has the ledger.

use crate::error::Failure;
use crate::record::ledger::LedgerEvent;
use crate::rules::shared::Shared;

/// The id of a commit: 40 or 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId(String);

impl CommitId {
    /// Reads an id, or `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let length = matches!(text.len(), 40 | 64);
        (length && text.bytes().all(hex)).then(|| Self(text.to_owned()))
    }

    /// Its digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A commit of the ledger: an event, and the board after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// The commit.
    pub id: CommitId,
    /// The event in its message.
    pub event: LedgerEvent,
    /// Its tree.
    pub shared: Shared,
}

/// What a fetch has shown, beside a commit that was known.
#[derive(Debug, Clone, PartialEq)]
pub enum Fetched {
    /// The server has no such ref.
    Absent,
    /// Nothing was known: the tip, without what came before it.
    First(Box<Link>),
    /// The tip is what was known.
    Same,
    /// The tip descends from what was known: all that is new, the earliest first; the last is the
    /// tip.
    Ahead(Vec<Link>),
    /// The tip is an ancestor of what was known: an older copy was asked, or the ref was rewound.
    Behind,
    /// The tip neither is, nor leads to, nor comes from what was known.
    Foreign,
}

/// A commit that is made and not pushed, with all that it takes to push it again after a crash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// The commit.
    pub id: CommitId,
    /// Its objects that its parent does not have, in a form that [`Remote`] reads again.
    pub objects: Vec<u8>,
}

/// How a swap went, as far as it told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swapped {
    /// The ref is the new commit, or was.
    In,
    /// The server said no, in some words. They prove nothing: a lost race, a stale lock and a
    /// hidden ref can say the same, and a push that was cut can land later.
    Refused(String),
    /// Nothing came back that could be read.
    Unknown(String),
}

/// The server of a ledger: one ref, which only ever moves from a commit to a child of it.
pub trait Remote {
    /// Makes the commit of `event` on `parent`, whose tree is `shared`; pushes nothing. The same
    /// arguments give the same commit.
    ///
    /// # Errors
    /// It cannot be made.
    fn prepare(
        &self,
        parent: Option<&CommitId>,
        event: &LedgerEvent,
        shared: &Shared,
    ) -> Result<Prepared, Failure>;

    /// A commit that was made or fetched before; `None` if it is not kept here.
    ///
    /// # Errors
    /// What is kept cannot be read.
    fn read(&self, id: &CommitId) -> Result<Option<Link>, Failure>;

    /// Asks for the tip, beside the commit `known`.
    ///
    /// # Errors
    /// The server cannot be asked, or what it has is no ledger; nothing is known then.
    fn fetch(&self, known: Option<&CommitId>) -> Result<Fetched, Failure>;

    /// Moves the ref from `expected`, which is `None` for no ref, to `new`; at most once, and not
    /// at all if it is anything else. It may take effect after this has returned.
    fn swap(&self, expected: Option<&CommitId>, new: &Prepared) -> Swapped;
}
