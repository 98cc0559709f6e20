//! The other agents, as an answer tells of them: who holds a phase, who was seen, and what is left
//! for the asker beside them.

use jiff::Timestamp;
use serde::Serialize;

use super::board::LiveClaim;
use super::graph::Handover;
use super::identity::{Life, Me};

/// What a refusal tells of the owner of a phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[expect(clippy::struct_excessive_bools, reason = "each is one fact of its own")]
pub struct OwnerFacts {
    /// The owner's name; empty if it cannot be known.
    pub agent: String,
    /// When it claimed, in UTC.
    pub since: Option<Timestamp>,
    /// When it was last heard, in UTC: it claimed, renewed, or ran a command that saw its claim.
    pub heard: Option<Timestamp>,
    /// Whether its process lives.
    pub alive: Alive,
    /// The worktree it claimed from.
    pub worktree: Option<String>,
    /// That worktree's own git directory, by which it is found when it has been moved.
    #[serde(skip)]
    pub git_dir: Option<String>,
    /// Whether it goes by the name that the asker was given, from another process.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub same_name: bool,
    /// Whether it took the phase over from the asker.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub was_yours: bool,
    /// Whether no process can prove that it lives: it shares one with other agents.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
    /// Whether it may be taken over although its process may live: it shares that one, and has been
    /// silent for long.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub silent: bool,
    /// What the asker is called, to whom that may be news.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub you: Option<String>,
    /// The process that stands for the asker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub your_pid: Option<i64>,
}

/// [`Life`] in the words of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Alive {
    /// Its process was seen alive.
    Yes,
    /// Its process is provably gone.
    No,
    /// It cannot be known.
    Unknown,
}

impl From<Life> for Alive {
    fn from(life: Life) -> Self {
        match life {
            Life::Alive => Self::Yes,
            Life::Dead => Self::No,
            Life::Unknown => Self::Unknown,
        }
    }
}

impl OwnerFacts {
    /// The owner; `left` says whether its claim may be taken over.
    pub(super) fn of(hold: &LiveClaim, left: bool) -> Self {
        Self {
            agent: hold.claim.agent.clone(),
            since: hold.claim.claimed_at,
            heard: hold.heard,
            alive: hold.life.into(),
            worktree: hold.claim.worktree.clone(),
            git_dir: hold.claim.git_dir.clone(),
            same_name: false,
            was_yours: false,
            shared: hold.claim.is_unproven(),
            silent: left && hold.life != Life::Dead,
            you: None,
            your_pid: None,
        }
    }

    /// The owner, as `me` sees it, who is another agent.
    pub(super) fn seen_by(me: &Me, hold: &LiveClaim, left: bool) -> Self {
        Self {
            same_name: me.explicit && hold.claim.explicit && me.name == hold.claim.agent,
            you: Some(me.name.clone()),
            your_pid: me.any_process().map(|process| process.pid),
            ..Self::of(hold, left)
        }
    }
}

/// A phase and its owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClaimedPhase {
    /// The phase.
    pub phase: String,
    /// Its owner.
    #[serde(flatten)]
    pub holder: OwnerFacts,
    /// Whether the owner is the asker.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub mine: bool,
    /// How the phase is handed in.
    #[serde(skip)]
    pub handover: Handover,
    /// When anyone may claim the phase, if its owner is dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opens_at: Option<Timestamp>,
}

impl ClaimedPhase {
    /// Its owner, to be told by where it works now.
    pub(super) fn holder_mut(&mut self) -> &mut OwnerFacts {
        &mut self.holder
    }
}

/// Another agent that has worked on this sprint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Seen {
    /// Its name.
    pub agent: String,
    /// When it was last seen: it claimed, was heard, completed or gave up a phase.
    pub at: Option<Timestamp>,
    /// Whether its process lives.
    pub alive: Alive,
}

/// What an agent that can claim nothing should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Advice {
    /// Finish the phase that it holds.
    GoOn,
    /// Take over from the dead owner, or wait until anyone may claim the phase.
    TakeOver,
    /// Wait: a phase that others have to open can become its own.
    Wait,
    /// It may stop: all that could become its own is held by others, who would have to give it up.
    MayStop,
    /// Stop: all that is left is for others, who are around.
    Others,
    /// Tell its human that another agent is needed, and stop.
    AnotherAgent,
    /// Tell its human, who decides how to go on, and stop.
    Person,
}

impl Advice {
    /// Whether waiting can give the asker a phase.
    #[must_use]
    pub const fn waiting_helps(self) -> bool {
        match self {
            Self::TakeOver | Self::Wait | Self::MayStop => true,
            Self::GoOn | Self::Others | Self::AnotherAgent | Self::Person => false,
        }
    }
}

/// What is left for the asker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Prospect {
    /// What it should do.
    pub advice: Advice,
    /// Whether waiting can give it a phase.
    pub waiting_helps: bool,
    /// The phases that can become its own once others have done or given up theirs.
    pub yours_later: Vec<String>,
    /// The other agents of this sprint, the one seen last first.
    pub seen: Vec<Seen>,
    /// The phase to take over, and its dead owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead: Option<ClaimedPhase>,
    /// When anything last happened on the board: a claim, a sign of life, a completion, an end of
    /// an attempt.
    pub last_change: Option<Timestamp>,
}
