//! What an agent had, and has not any more: by whose doing, and since when. Pure.
//!
//! It is told in the sprint in which it was lost, for a day, and until the agent claims something
//! after that: by then it knows, or is at work on something else.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::attempts::{RECLAIM, UNSTUCK};
use super::board::{Board, State};
use super::graph::PhaseId;
use super::identity::{Life, Me, relation};
use crate::record::{Attempt, Claim};

/// So long it is told.
const TOLD_FOR: SignedDuration = SignedDuration::from_hours(24);

/// A claim of the asker's that somebody else ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Loss {
    /// The phase.
    pub phase: String,
    /// Who ended it; empty if it cannot be known.
    pub by: String,
    /// How: `reclaim` (that one took it over), or `unstuck` (that one freed it).
    pub how: &'static str,
    /// When, in UTC.
    pub at: Option<Timestamp>,
    /// Where the phase is now: `pending`, `claimed` or `done`.
    pub state: &'static str,
    /// The worktree it was claimed from; its files are as they were.
    pub worktree: Option<String>,
    /// What is kept of the work that was not committed there, by the name that `salvage` gives it.
    pub salvage: Option<String>,
}

/// What the asker has lost and is to be told of, in the board's order. Known as far as the attempts
/// at the phases were read.
#[must_use]
pub fn lost(board: &Board, me: &Me, now: Timestamp) -> Vec<Loss> {
    // Most boards have seen nobody lose anything: then nobody's records are compared.
    if !board.graph.ids().any(|id| was_taken(board, id)) {
        return Vec::new();
    }
    let last = board.graph.ids().filter_map(|id| claimed_last(board, id, me)).max();
    let is_news = |loss: &Loss| {
        loss.at.is_some_and(|at| now.duration_since(at) < TOLD_FOR && Some(at) >= last)
    };
    board.graph.ids().filter_map(|id| of_phase(board, id, me)).filter(is_news).collect()
}

/// Whether a claim on the phase was ever ended by another than its owner.
fn was_taken(board: &Board, id: PhaseId) -> bool {
    let former = match board.state(id) {
        State::Claimed(hold) => !hold.former.is_empty(),
        State::Pending | State::Done(_) => false,
    };
    former
        || board.past(id).iter().any(|attempt| [RECLAIM, UNSTUCK].contains(&attempt.how.as_str()))
}

fn was_mine(me: &Me, claim: &Claim) -> bool {
    relation(me, claim, Life::Dead).is_mine()
}

/// When the asker last claimed the phase, or what is known of that.
fn claimed_last(board: &Board, id: PhaseId, me: &Me) -> Option<Timestamp> {
    let now = match board.state(id) {
        State::Claimed(hold) if relation(me, &hold.claim, hold.life).is_mine() => {
            hold.claim.claimed_at
        }
        State::Done(done) if was_mine(me, &done.claim()) => done.claimed_at,
        State::Pending | State::Claimed(_) | State::Done(_) => None,
    };
    let past = board.past(id).iter().filter(|attempt| was_mine(me, &attempt.claim()));
    past.filter_map(|attempt| attempt.claimed_at).chain(now).max()
}

fn of_phase(board: &Board, id: PhaseId, me: &Me) -> Option<Loss> {
    let (state, former) = match board.state(id) {
        State::Pending => ("pending", None),
        State::Claimed(hold) if relation(me, &hold.claim, hold.life).is_mine() => return None,
        State::Claimed(hold) => {
            let former = hold.former.iter().find(|former| was_mine(me, former));
            ("claimed", former.map(|former| (former, hold)))
        }
        State::Done(done) if was_mine(me, &done.claim()) => return None,
        State::Done(_) => ("done", None),
    };
    let phase = || board.graph.phase(id).name.clone();
    let ended = |attempt: &&Attempt| was_mine(me, &attempt.claim());
    // The last attempt counts: who gave it up after that knows of the one before.
    let attempt = board.past(id).iter().rev().find(ended);
    let by_another = attempt.and_then(|attempt| {
        let how = [RECLAIM, UNSTUCK].into_iter().find(|how| attempt.how == *how)?;
        (attempt.by != me.name).then(|| Loss {
            phase: phase(),
            by: attempt.by.clone(),
            how,
            at: attempt.ended_at,
            state,
            worktree: attempt.worktree.clone(),
            salvage: None,
        })
    });
    by_another.or_else(|| {
        let (former, hold) = former?;
        Some(Loss {
            phase: phase(),
            by: hold.claim.agent.clone(),
            how: RECLAIM,
            at: hold.claim.claimed_at,
            state,
            worktree: former.worktree.clone(),
            salvage: None,
        })
    })
}
