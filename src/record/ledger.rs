//! What a commit of a ledger holds: `board.json`, `graph.json`, `members/<id>.json`, and the event
//! in its message.
//!
//! It is as public as the repository that it is pushed to. Paths, process numbers and session ids
//! stay out of it; of a token there is the hash.
//!
//! A board, a phase's state and a member keep fields that this version does not know. A field that
//! is new in any other of these records is a change of the rules: it raises their number.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{PhaseEntry, Rest, Token, VERSION, Verdict, lenient};

/// The number of the rules that this program applies.
pub const RULES: u32 = 1;

/// A member's changes so far: how many, and the nonce of the last.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// How many; at least 1, since joining is the first.
    pub count: u64,
    /// Of the last one; no two changes have the same.
    pub nonce: Token,
}

/// `members/<id>.json`: one clone of the repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Member {
    /// Version of the writer.
    pub v: u32,
    /// What people call it: `laptop`.
    pub name: String,
    /// Its last change. Its next one names it, so that of two that are on their way at most one can
    /// land.
    pub last: Stamp,
    /// Fields of other versions.
    #[serde(flatten)]
    pub rest: Rest,
}

/// An agent of a member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Agent {
    /// The member's id.
    pub member: String,
    /// The agent's name.
    pub agent: String,
    /// Whether it is a person at a terminal.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "std::ops::Not::not")]
    pub person: bool,
}

/// A claim that stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Held {
    /// Whose it is.
    #[serde(flatten)]
    pub owner: Agent,
    /// SHA-256 of its token, in hexadecimal: whoever has the token is the owner.
    pub token: String,
    /// When it was claimed, in UTC by the member's clock. For people; no rule compares it.
    pub claimed_at: Timestamp,
    /// Short name of the branch that was checked out there.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The commit that was checked out there, in hexadecimal.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// What was handed over.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pinned {
    /// Its file name, without a directory.
    pub name: String,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// Size in bytes.
    pub bytes: u64,
}

/// A completion.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Completion {
    /// Who completed it.
    #[serde(flatten)]
    pub by: Agent,
    /// SHA-256 of the token that it was completed under, in hexadecimal.
    pub token: String,
    /// When, in UTC by the member's clock.
    pub completed_at: Timestamp,
    /// What became of the work.
    pub verdict: Verdict,
    /// What was handed over; `None` without an artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Pinned>,
    /// The commit that was checked out, in hexadecimal.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The commit's tree.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub tree: Option<String>,
    /// Short name of the branch that was checked out.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Whether the worktree had uncommitted changes.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub dirty: Option<bool>,
    /// The sprint in which it was completed, if this one only took it over.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub carried_from: Option<String>,
}

/// A claim that ended without a completion.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ended {
    /// Whose it was.
    #[serde(flatten)]
    pub owner: Agent,
    /// How it ended: `abort`, `reclaim` or `unstuck`.
    pub how: String,
    /// Who ended it.
    pub by: Agent,
    /// When, in UTC by the clock of who ended it.
    pub at: Timestamp,
    /// Why, in the words of who ended it; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Where one phase is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PhaseState {
    /// Its name.
    pub name: String,
    /// How often its owner has changed: each claim and each takeover counts one.
    #[serde(default)]
    pub generation: u64,
    /// The claim that stands; `None` unless somebody owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// The completion; `None` unless it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<Completion>,
    /// The attempts that ended without a completion, the earliest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<Ended>,
    /// How many of these, the earliest ones, do not count any more.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reset_attempts: u64,
    /// Fields of other versions.
    #[serde(flatten)]
    pub rest: Rest,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// `board.json`: where the sprint is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LedgerBoard {
    /// Version of the writer.
    pub v: u32,
    /// By which rules changes of this board are judged.
    pub rules: u32,
    /// How many changes came before; one more than the parent's.
    pub seq: u64,
    /// The ledger's id, made when the sprint was shared.
    pub ledger: Token,
    /// The sprint's id.
    pub sprint_id: String,
    /// Who began it.
    pub started_by: Agent,
    /// When, in UTC by the member's clock.
    pub started_at: Timestamp,
    /// Whether it has been ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub archived: bool,
    /// What it is for, in the starter's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<String>,
    /// The sprint that this one takes up again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The phases, in the order that the board shows.
    pub phases: Vec<PhaseState>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub rest: Rest,
}

/// How the asker stood to a claim of its own member, as that member's store tells: the facts that
/// decided. Of another member's claims nothing of it counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is one fact")]
#[serde(default)]
pub struct Seen {
    /// The claim is the asker's.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub mine: bool,
    /// It is, and was made by a former process of it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub from_before: bool,
    /// It stands in another worktree, where its owner may be at work.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
    /// Its owner is dead and has been silent for long: anyone may take it over.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
    /// Its owner is dead, or cannot be proved to live and is silent: who asks may take it over.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub left: bool,
    /// It is the same person's, at another terminal.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub moved: bool,
    /// It was the asker's before another took it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub taken: bool,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Deed {
    /// A sprint was shared: the first change of a ledger. Its member joins by it.
    Share {
        /// The ledger's id.
        ledger: Token,
        /// What people call the member.
        name: String,
        /// The sprint.
        sprint: Begun,
    },
    /// A clone joined.
    Join {
        /// What people call it.
        name: String,
    },
    /// A clone left; it holds nothing.
    Leave {},
    /// A phase was claimed.
    Claim {
        /// The phase.
        phase: String,
        /// Also from an owner who is dead but not silent for long.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        takeover: bool,
        /// SHA-256 of the new token, in hexadecimal.
        token: String,
        /// Short name of the branch that is checked out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        branch: Option<String>,
        /// The commit that is checked out, in hexadecimal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commit: Option<String>,
    },
    /// A phase was completed.
    Complete {
        /// The phase.
        phase: String,
        /// What became of the work.
        verdict: Verdict,
        /// What was handed over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        artifact: Option<Pinned>,
        /// The commit that is checked out, in hexadecimal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commit: Option<String>,
        /// Its tree.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tree: Option<String>,
        /// Short name of the branch that is checked out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        branch: Option<String>,
        /// Whether the worktree has uncommitted changes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dirty: Option<bool>,
    },
    /// A phase was given up by its owner.
    Abort {
        /// The phase.
        phase: String,
        /// Why; may be empty.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// A phase was freed.
    Unstuck {
        /// The phase.
        phase: String,
        /// Also from an owner who is alive, or may be.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        force: bool,
        /// Why; may be empty.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// Another sprint began in the place of this one.
    Start {
        /// The sprint.
        sprint: Begun,
        /// The phases of this one whose completions it begins with.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        carry: Vec<String>,
        /// Also over other agents' live claims, and an unfinished sprint.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        force: bool,
    },
    /// The sprint was ended.
    Archive {
        /// Also over other agents' live claims.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        force: bool,
    },
    /// Nothing but the member's count: of all changes on one tip one can land, so that this one
    /// decides about the others.
    Vouch {},
}

/// A sprint as it begins.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Begun {
    /// Its id.
    pub sprint_id: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<String>,
    /// Its graph.
    pub phases: Vec<Entry>,
    /// What is done in it from the beginning, by the name of the phase.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub done: Vec<(String, Completion)>,
}

/// A phase of a graph. It compares by what is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Entry(pub PhaseEntry);

impl Eq for Entry {}

impl std::hash::Hash for Entry {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.name.hash(state);
    }
}

/// The event of a commit, as its message holds it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LedgerEvent {
    /// Version of the writer.
    pub v: u32,
    /// Of this change alone.
    pub nonce: Token,
    /// Who did it.
    #[serde(flatten)]
    pub by: Agent,
    /// The member's last change before this one; `None` for its first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Stamp>,
    /// When, in UTC by the member's clock.
    pub at: Timestamp,
    /// How many attempts at a phase may fail where its entry does not say, by the asker's settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u64>,
    /// SHA-256 of a token that was shown, in hexadecimal: whoever has a claim's token is its owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<String>,
    /// How the asker stands to the claim that the deed is about.
    #[serde(default, skip_serializing_if = "is_default")]
    pub seen: Seen,
    /// The phases in `not_by` that the asker may have completed, according to its own store.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub completed: Vec<String>,
    /// Where the sprint is to end: the phases whose claims are the asker's, or whose owners are
    /// dead, as its member's store tells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub over: Vec<String>,
    /// What was done.
    #[serde(flatten)]
    pub deed: Deed,
}

impl LedgerEvent {
    /// What `by` does, with nothing told of how the asker stands to a claim.
    #[must_use]
    pub fn new(by: Agent, nonce: Token, after: Option<Stamp>, at: Timestamp, deed: Deed) -> Self {
        Self {
            v: VERSION,
            nonce,
            by,
            after,
            at,
            max_attempts: None,
            shown: None,
            seen: Seen::default(),
            completed: Vec::new(),
            over: Vec::new(),
            deed,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_default(seen: &Seen) -> bool {
    *seen == Seen::default()
}
