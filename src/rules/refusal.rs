//! The rules saying no: which rule, and the facts that a reader needs. The sentences are in `ui`.

use jiff::Timestamp;
use serde::Serialize;

use super::graph::Handover;
use super::others::{Advice, ClaimedPhase, OwnerFacts, Prospect};
use super::reasons::{GateDenied, Last, Uncarried, Unresumed, Wait};
use crate::record::{Done, Verdict};

/// When the same command may succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// Asking again is of no use: it never will, or not before a person has done something.
    Never,
    /// When somebody has done something.
    AfterChange,
    /// At once.
    Now,
}

/// The rules saying no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Refusal {
    /// There is no sprint.
    NoSprint {},
    /// The sprint has no such phase.
    UnknownPhase {
        /// What was asked for.
        phase: String,
        /// The phases there are.
        phases: Vec<String>,
    },
    /// Somebody holds the phase.
    Claimed {
        /// The phase.
        phase: String,
        /// Who.
        #[serde(flatten)]
        holder: OwnerFacts,
        /// Whether it is the asker itself, in another worktree.
        same_agent: bool,
        /// Whether the lock has an old layout; only `unstuck` ends the claim then.
        #[serde(rename = "only_unstuck", skip_serializing_if = "std::ops::Not::not")]
        legacy_lock: bool,
    },
    /// Dependencies are not done, or failed.
    Blocked {
        /// The phase.
        phase: String,
        /// What it waits for.
        waits_for: Vec<Wait>,
        /// The phase among all that it waits for, directly or not, whose owner is dead and that the
        /// asker may take over.
        #[serde(skip_serializing_if = "Option::is_none")]
        dead: Option<Box<ClaimedPhase>>,
    },
    /// As many attempts have failed as may.
    Exhausted {
        /// The phase.
        phase: String,
        /// How many have failed since they were last reset.
        attempts: u64,
        /// How many may.
        limit: u64,
        /// The last of them.
        last: Option<Last>,
    },
    /// Who did `other` must not own `phase`.
    FourEyes {
        /// The phase.
        phase: String,
        /// The dependency that its `not_by` names.
        other: String,
        /// Who completed that one; empty if it cannot be known.
        agent: String,
    },
    /// The phase is complete.
    Done {
        /// The phase.
        phase: String,
        /// By whom; empty if it cannot be known.
        agent: String,
        /// When, in UTC.
        at: Option<Timestamp>,
        /// How it ended.
        verdict: Verdict,
    },
    /// Nobody holds the phase.
    NotClaimed {
        /// The phase.
        phase: String,
    },
    /// Somebody else holds the phase.
    NotOwner {
        /// The phase.
        phase: String,
        /// Who.
        #[serde(flatten)]
        holder: OwnerFacts,
    },
    /// The phase was the asker's and is not any more.
    Lost {
        /// The phase.
        phase: String,
        /// Who has it now.
        #[serde(flatten)]
        holder: Option<OwnerFacts>,
        /// The sprint it belonged to, if that one was ended meanwhile.
        #[serde(skip_serializing_if = "Option::is_none")]
        ended_sprint: Option<String>,
    },
    /// The owner is alive, or may be.
    Alive {
        /// The phase.
        phase: String,
        /// Who.
        #[serde(flatten)]
        holder: OwnerFacts,
        /// Whether it is the asker itself.
        same_agent: bool,
    },
    /// Other agents' live claims stand in the way of ending the sprint.
    LiveClaims {
        /// Which, and whose.
        claims: Vec<ClaimedPhase>,
        /// Whether a new sprint was asked for, rather than the end of this one.
        starting: bool,
    },
    /// The sprint that would end for a new one is unfinished, and the asker took no part in it.
    Underway {
        /// The sprint.
        sprint_id: String,
        /// What it is for.
        #[serde(skip_serializing_if = "Option::is_none")]
        goal: Option<String>,
        /// How many of its phases are done.
        done: usize,
        /// How many it has.
        phases: usize,
        /// Who began it; empty if that cannot be known.
        started_by: String,
        /// Who else took part in it.
        agents: Vec<String>,
    },
    /// The sprint that was named is not one to be resumed.
    CannotResume {
        /// The sprint.
        sprint: String,
        /// Why not.
        why: Unresumed,
    },
    /// Nothing can be claimed now.
    NothingReady {
        /// What is being worked on, and by whom.
        claimed: Vec<ClaimedPhase>,
        /// What failed, and so keeps others from opening.
        failed: Vec<String>,
        /// What cannot be claimed any more, as too many attempts at it failed.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        exhausted: Vec<String>,
        /// What is left for the asker.
        #[serde(flatten)]
        prospect: Box<Prospect>,
    },
    /// The phase that is waited for is not done.
    Unfinished {
        /// The phase.
        phase: String,
        /// `pending` or `claimed`.
        state: &'static str,
        /// Who is at it.
        #[serde(skip_serializing_if = "Option::is_none")]
        agent: Option<String>,
        /// The phase among this one and all that it waits for whose owner is dead, and that the
        /// asker may take over.
        #[serde(skip_serializing_if = "Option::is_none")]
        dead: Option<Box<ClaimedPhase>>,
    },
    /// What was waited for has not come true in the time that was given.
    TimedOut {
        /// How long that was, in milliseconds.
        waited_ms: u64,
        /// When anything last happened on the board.
        last_change: Option<Timestamp>,
        /// The command that waits again.
        #[serde(skip)]
        again: Vec<String>,
        /// Why it has not.
        #[serde(flatten, serialize_with = "facts")]
        // As a schema it would have no end, either; its facts are among those of refusals anyway.
        #[cfg_attr(feature = "schema", schemars(skip))]
        why: Box<Refusal>,
    },
    /// Every phase is done.
    Finished {},
    /// Something is ready, but not for this agent.
    NotForYou {
        /// What, and whose work it would be checking.
        phases: Vec<String>,
        /// What is being worked on, and by whom.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        claimed: Vec<ClaimedPhase>,
        /// What is left for the asker.
        #[serde(flatten)]
        prospect: Box<Prospect>,
    },
    /// The asker holds a phase in this worktree already.
    Holding {
        /// Which.
        phase: String,
        /// Since when, in UTC.
        since: Option<Timestamp>,
        /// How it is handed in.
        #[serde(skip)]
        handover: Handover,
    },
    /// The gate is closed.
    GateDenied {
        /// The phase that guards.
        phase: String,
        /// Why.
        #[serde(flatten)]
        why: GateDenied,
    },
    /// The gate is closed for a push.
    Push {
        /// The guarded references of the remote.
        refs: Vec<String>,
        /// Whether the remote's default branch is not known, so that it was guessed.
        guessed: bool,
        /// Why.
        #[serde(flatten, serialize_with = "facts")]
        // As a schema it would have no end, either; its facts are among those of refusals anyway.
        #[cfg_attr(feature = "schema", schemars(skip))]
        why: Box<Refusal>,
    },
    /// There is no such sprint.
    UnknownSprint {
        /// What was asked for.
        sprint: String,
    },
    /// A phase that was named is not for the next round to begin with.
    CannotCarry {
        /// The phase.
        phase: String,
        /// Why not.
        why: Uncarried,
        /// What it depends on that is not carried.
        needs: Vec<String>,
        /// Where the round is to begin, if that was said.
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<String>,
    },
    /// With the phase nothing was handed over.
    NoArtifact {
        /// The phase.
        phase: String,
    },
    /// What was handed over with the phase is not what is there now.
    PinLost {
        /// The phase.
        phase: String,
        /// The sprint.
        sprint_id: String,
        /// Who completed it; empty if it cannot be known.
        agent: String,
        /// Whether there is nothing at all.
        #[serde(skip)]
        gone: bool,
        /// Whether it was to be carried into a new sprint.
        #[serde(skip)]
        starting: bool,
    },
    /// The store's own graph is wrong.
    InvalidGraph {
        /// The file that it stands in.
        file: String,
        /// What is wrong.
        why: String,
    },
}

/// A refusal within another, as a value: as a type it would have no end.
fn facts<S: serde::Serializer>(why: &Refusal, serializer: S) -> Result<S::Ok, S::Error> {
    let facts = serde_json::to_value(why).map_err(serde::ser::Error::custom)?;
    facts.serialize(serializer)
}

impl Refusal {
    /// The `code` in JSON.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoSprint {} => "no_sprint",
            Self::UnknownPhase { .. } => "unknown_phase",
            Self::Claimed { .. } | Self::LiveClaims { .. } => "claimed",
            Self::Blocked { .. } => "blocked",
            Self::Exhausted { .. } => "exhausted",
            Self::FourEyes { .. } => "four_eyes",
            Self::Done { .. } => "done",
            Self::NotClaimed { .. } => "not_claimed",
            Self::NotOwner { .. } => "not_owner",
            Self::Lost { .. } => "lost",
            Self::Alive { .. } => "alive",
            Self::Underway { .. } => "unfinished",
            Self::CannotResume { .. } => "cannot_resume",
            Self::NothingReady { .. } => "nothing_ready",
            // The first is only ever why the time was over.
            Self::Unfinished { .. } | Self::TimedOut { .. } => "timed_out",
            Self::Finished {} => "finished",
            Self::NotForYou { .. } => "not_for_you",
            Self::Holding { .. } => "holding",
            Self::UnknownSprint { .. } => "unknown_sprint",
            Self::CannotCarry { .. } => "cannot_carry",
            Self::NoArtifact { .. } => "no_artifact",
            Self::PinLost { gone: true, .. } => "pin_gone",
            Self::PinLost { .. } => "pin_changed",
            Self::InvalidGraph { .. } => "invalid_graph",
            Self::Push { why, .. } => why.code(),
            Self::GateDenied { why, .. } => match why {
                GateDenied::NoSprint {} => "no_sprint",
                GateDenied::NoPhase { .. } => "unknown_phase",
                GateDenied::Unclaimed { .. } => "not_claimed",
                GateDenied::Claimed { .. } => "claimed",
                GateDenied::Lost { .. } => "lost",
                GateDenied::Failed { .. } => "failed",
                GateDenied::OtherCommit { .. } => "other_commit",
                GateDenied::NoEvidence { .. } => "no_evidence",
                GateDenied::NoNotes { .. } => "no_notes",
                GateDenied::NoRecord { .. } => "no_record",
            },
        }
    }

    /// What is left for the asker, where it can claim nothing.
    #[must_use]
    pub fn prospect(&self) -> Option<&Prospect> {
        if let Self::NothingReady { prospect, .. } | Self::NotForYou { prospect, .. } = self {
            Some(prospect)
        } else {
            None
        }
    }

    /// When the same command may succeed.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::NothingReady { prospect, .. } | Self::NotForYou { prospect, .. } => {
                match prospect.advice {
                    Advice::GoOn | Advice::TakeOver | Advice::Wait | Advice::MayStop => {
                        Retry::AfterChange
                    }
                    Advice::Others | Advice::AnotherAgent | Advice::Person => Retry::Never,
                }
            }
            Self::UnknownPhase { .. }
            | Self::FourEyes { .. }
            | Self::Done { .. }
            | Self::Lost { .. }
            | Self::UnknownSprint { .. }
            | Self::PinLost { .. }
            | Self::Finished {} => Retry::Never,
            Self::TimedOut { .. } => Retry::Now,
            Self::NoSprint {}
            | Self::Unfinished { .. }
            | Self::Claimed { .. }
            | Self::LiveClaims { .. }
            | Self::Underway { .. }
            | Self::CannotResume { .. }
            | Self::Blocked { .. }
            // A person may reset the attempts.
            | Self::Exhausted { .. }
            | Self::NotClaimed { .. }
            | Self::NotOwner { .. }
            | Self::Alive { .. }
            | Self::Holding { .. }
            // The gate stands for the next commit, owner or sprint as well.
            | Self::GateDenied { .. }
            | Self::Push { .. }
            | Self::CannotCarry { .. }
            | Self::NoArtifact { .. }
            | Self::InvalidGraph { .. } => Retry::AfterChange,
        }
    }

    /// The owners that it tells of.
    pub fn holders_mut(&mut self) -> Vec<&mut OwnerFacts> {
        match self {
            Self::Claimed { holder, .. }
            | Self::NotOwner { holder, .. }
            | Self::Alive { holder, .. }
            | Self::GateDenied {
                why: GateDenied::Claimed { holder } | GateDenied::Lost { holder },
                ..
            } => {
                vec![holder]
            }
            Self::Lost { holder, .. } => holder.iter_mut().collect(),
            Self::LiveClaims { claims, .. } => {
                claims.iter_mut().map(ClaimedPhase::holder_mut).collect()
            }
            Self::NothingReady { claimed, prospect, .. }
            | Self::NotForYou { claimed, prospect, .. } => {
                let held = claimed.iter_mut().chain(&mut prospect.dead);
                held.map(ClaimedPhase::holder_mut).collect()
            }
            Self::Blocked { dead, .. } | Self::Unfinished { dead, .. } => {
                dead.iter_mut().map(|held| held.holder_mut()).collect()
            }
            Self::TimedOut { why, .. } | Self::Push { why, .. } => why.holders_mut(),
            Self::NoSprint {}
            | Self::UnknownPhase { .. }
            | Self::Exhausted { .. }
            | Self::FourEyes { .. }
            | Self::Done { .. }
            | Self::NotClaimed { .. }
            | Self::Finished {}
            | Self::Holding { .. }
            | Self::GateDenied { .. }
            | Self::UnknownSprint { .. }
            | Self::Underway { .. }
            | Self::CannotResume { .. }
            | Self::CannotCarry { .. }
            | Self::NoArtifact { .. }
            | Self::PinLost { .. }
            | Self::InvalidGraph { .. } => Vec::new(),
        }
    }

    /// The refusal for a phase that is complete.
    #[must_use]
    pub fn done(phase: &str, done: &Done) -> Self {
        Self::Done {
            phase: phase.to_owned(),
            agent: done.agent.clone(),
            at: done.completed_at,
            verdict: done.verdict,
        }
    }
}
