//! The reasons that a refusal names, as values that know no refusal. Pure.

use jiff::Timestamp;
use serde::Serialize;

use super::others::OwnerFacts;
use crate::record::Attempt;

/// A dependency that is not done, or failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Wait {
    /// Its name.
    pub phase: String,
    /// `pending`, `claimed`, `failed` or `exhausted`.
    pub state: &'static str,
    /// Who is at it, or completed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

/// The last of the attempts at a phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Last {
    /// Whose it was; empty if it cannot be known.
    pub agent: String,
    /// How it ended: `abort`, `reclaim`, `unstuck`; or `gone`, if its owner is and still has it.
    pub how: String,
    /// Why, in the words of who ended it.
    pub reason: String,
    /// When, in UTC; or when its owner was last heard.
    pub at: Option<Timestamp>,
}

impl From<&Attempt> for Last {
    fn from(attempt: &Attempt) -> Self {
        Self {
            agent: attempt.agent.clone(),
            how: attempt.how.clone(),
            reason: attempt.reason.clone(),
            at: attempt.ended_at,
        }
    }
}

/// Why the gate is closed, beyond what other refusals say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum GateDenied {
    /// There is no unfinished sprint, and one is asked for.
    NoSprint {},
    /// The sprint has no such phase.
    NoPhase {
        /// The phases there are.
        phases: Vec<String>,
    },
    /// Nobody holds the phase.
    Unclaimed {
        /// What it waits for.
        waits_for: Vec<Wait>,
    },
    /// Somebody else holds it.
    Claimed {
        /// Who.
        #[serde(flatten)]
        holder: OwnerFacts,
    },
    /// The asker held it, and somebody took it over.
    Lost {
        /// Who has it now.
        #[serde(flatten)]
        holder: OwnerFacts,
    },
    /// It is done and has not passed, or something that it waits for has failed.
    Failed {
        /// Who completed what failed.
        agent: String,
        /// When, in UTC.
        at: Option<Timestamp>,
        /// What failed, if it is not the phase that guards.
        #[serde(skip_serializing_if = "Option::is_none")]
        failed: Option<String>,
        /// The sprint, if it has been archived.
        #[serde(skip_serializing_if = "Option::is_none")]
        sprint: Option<String>,
    },
    /// It is done at another commit than what goes out.
    OtherCommit {
        /// Who completed it.
        agent: String,
        /// The commit that it was done at; `None` if that is not known.
        done_at: Option<String>,
        /// The first other commit that goes out; `None` for what is no commit, or a deletion.
        going_out: Option<String>,
        /// The commit that it was done at, if what is checked out need only be brought forward to
        /// it.
        #[serde(skip_serializing_if = "Option::is_none")]
        forward: Option<String>,
    },
    /// What it depends on has not been shown of what goes out.
    NoEvidence {
        /// The dependencies without evidence.
        gaps: Vec<MissingEvidence>,
        /// The commit that was checked, if what is checked out need only be brought forward to it.
        #[serde(skip_serializing_if = "Option::is_none")]
        forward: Option<String>,
    },
    /// There are no records in git notes.
    NoNotes {
        /// The reference that they should be on.
        reference: String,
    },
    /// No record says that the phase was completed at what goes out.
    NoRecord {
        /// Who completed it last, at other content; empty if nobody did, or it cannot be known.
        agent: String,
        /// The commit that this was at.
        done_at: Option<String>,
        /// The commit that goes out.
        going_out: Option<String>,
        /// How many records are of a later version, which this program cannot read.
        later: usize,
    },
}

/// Why the completion of a dependency does not count as evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EvidenceProblem {
    /// The dependency is not done.
    NotDone,
    /// No record says that it is done.
    NoRecord,
    /// It failed.
    Failed,
    /// The pinned artifact has changed since.
    PinChanged,
    /// The pinned artifact is gone.
    PinGone,
    /// The record does not name the commit.
    NoCommit,
    /// It was completed at other content than what goes out.
    OtherContent,
    /// It was completed in a worktree with uncommitted changes.
    Dirty,
}

/// A dependency without evidence for what goes out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MissingEvidence {
    /// The dependency.
    pub phase: String,
    /// Who completed it; empty if nobody has, or it cannot be known.
    pub agent: String,
    /// Why its completion does not count.
    pub why: EvidenceProblem,
    /// The commit that it was done at.
    pub done_at: Option<String>,
    /// The commit that goes out.
    pub going_out: Option<String>,
    /// Paths in which the two differ: the first ones, for whoever fills them in.
    pub paths: Vec<String>,
    /// Whether there are more of them.
    pub more: bool,
    /// Both trees, where they differ.
    #[serde(skip)]
    pub trees: Option<(String, String)>,
}

impl MissingEvidence {
    pub(super) const fn new(phase: String, agent: String, why: EvidenceProblem) -> Self {
        Self {
            phase,
            agent,
            why,
            done_at: None,
            going_out: None,
            paths: Vec::new(),
            more: false,
            trees: None,
        }
    }
}

/// Why a phase that was named cannot be carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Uncarried {
    /// It is not done.
    NotDone,
    /// It failed.
    Failed,
    /// Its record cannot be understood: it may have failed.
    Unreadable,
    /// It depends on what is not carried.
    Needs,
    /// The round begins with it, or with what it depends on.
    Begins,
}

/// Why a sprint cannot be resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Unresumed {
    /// It is the present one.
    Current,
    /// All of it has passed.
    Passed,
}
