//! The input and the output of a decision: the request, the facts and the change. Pure.

use jiff::{SignedDuration, Timestamp};

use super::board::LiveClaim;
use super::identity::Me;
use super::others::OwnerFacts;
use crate::record::Verdict;

/// What the asker wants to do with one phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Become its owner.
    Claim {
        /// Also from a dead owner whose hour is not over, or from my other terminal.
        takeover: bool,
    },
    /// Complete it.
    Complete {
        /// SHA-256 of the artifact, if one is handed in.
        artifact: Option<String>,
        /// The verdict.
        verdict: Verdict,
    },
    /// Give it up.
    Abort,
    /// Free a phase that another agent owns.
    Unstuck {
        /// Also from an owner who is alive, or may be.
        force: bool,
    },
}

/// The change of a phase that was decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// Pending becomes mine.
    Take,
    /// Mine stays mine, heard now.
    Renew,
    /// Claimed becomes mine under a new token; the former one is fenced off.
    TakeOver,
    /// Mine becomes done.
    Complete,
    /// It is done, by me and with the same artifact: nothing changes.
    Confirm,
    /// Claimed becomes pending.
    Free,
    /// It is pending, as the request wants it: nothing changes.
    Nothing,
    /// Pending stays pending; the attempts that failed do not count any more.
    ResetAttempts,
}

/// What a decision needs to know beside the board.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Who asks.
    pub me: &'a Me,
    /// What time it is.
    pub now: Timestamp,
    /// How long a dead owner must have been silent before anyone may reclaim.
    pub stale_after: SignedDuration,
    /// How many attempts at a phase may fail, where its entry does not say.
    pub max_attempts: Option<u64>,
}

impl Facts<'_> {
    /// Whether a request that says so may take `hold` over, or free it.
    #[must_use]
    pub fn is_left(&self, hold: &LiveClaim) -> bool {
        hold.is_left(self.now, self.stale_after)
    }

    pub(super) fn holder(&self, hold: &LiveClaim) -> OwnerFacts {
        OwnerFacts::of(hold, self.is_left(hold))
    }

    pub(super) fn other(&self, hold: &LiveClaim) -> OwnerFacts {
        OwnerFacts::seen_by(self.me, hold, self.is_left(hold))
    }
}
