//! What keeps a sprint from going on although nobody says so: phases that failed, owners that are
//! gone. Pure.

use super::attempts::{is_exhausted, is_spent};
use super::board::{Board, LiveClaim, State};
use super::decide::is_mine;
use super::graph::PhaseId;
use super::identity::{Life, is_silent};
use super::request::Facts;
use crate::record::Verdict;

/// Why a phase does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It was completed with the verdict that it failed.
    Failed,
    /// Too many attempts at it failed.
    Exhausted,
    /// The process of its owner is gone.
    Gone,
    /// Its owner has not been heard for `conductor.staleAfter`, and nothing proves that it lives.
    Silent,
}

/// What is wrong with `id`, if anything is.
#[must_use]
pub fn trouble(board: &Board, id: PhaseId, facts: Facts<'_>) -> Option<Trouble> {
    match board.state(id) {
        State::Done(done) => (done.verdict == Verdict::Fail).then_some(Trouble::Failed),
        State::Pending => is_exhausted(board, id, facts).then_some(Trouble::Exhausted),
        State::Claimed(hold) if is_spent(board, id, hold, facts) => Some(Trouble::Exhausted),
        State::Claimed(hold) => held(hold, facts),
    }
}

fn held(hold: &LiveClaim, facts: Facts<'_>) -> Option<Trouble> {
    let is_silent = || is_silent(hold.quiet_since, facts.now, facts.stale_after);
    match hold.life {
        Life::Dead => Some(Trouble::Gone),
        // Who asks has just been heard.
        Life::Alive | Life::Unknown if is_mine(facts.me, hold) => None,
        Life::Alive if facts.is_left(hold) => Some(Trouble::Silent),
        Life::Unknown if is_silent() => Some(Trouble::Silent),
        Life::Alive | Life::Unknown => None,
    }
}

/// Whether work on `id` goes on, or can be begun without taking it from somebody.
#[must_use]
pub fn goes_on(board: &Board, id: PhaseId, facts: Facts<'_>) -> bool {
    match board.state(id) {
        State::Pending => board.is_ready(id) && !is_exhausted(board, id, facts),
        State::Claimed(hold) => match hold.life {
            Life::Dead => {
                let is_open = hold.is_stale(facts.now, facts.stale_after) && !hold.legacy_lock;
                is_open && !is_spent(board, id, hold, facts)
            }
            // Of an owner that cannot be seen nothing shows that it has gone.
            Life::Alive | Life::Unknown => !facts.is_left(hold) || is_mine(facts.me, hold),
        },
        State::Done(_) => false,
    }
}
