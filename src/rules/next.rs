//! What an agent could claim now; where that is nothing, why, and what it should do.

use super::attempts::{is_exhausted, is_spent};
use super::board::{Board, State};
use super::decide::{decide, is_mine, mine, was_taken_from};
use super::graph::PhaseId;
use super::identity::{Life, is_here};
use super::others::{ClaimedPhase, OwnerFacts};
use super::prospect::prospect;
use super::refusal::Refusal;
use super::request::{Change, Facts, Request};
use crate::record::Verdict;

/// The phases that the asker could claim now, in the board's order, without those it holds.
///
/// # Errors
/// Why there are none.
pub fn next(board: &Board, facts: Facts<'_>) -> Result<Vec<PhaseId>, Refusal> {
    let request = Request::Claim { takeover: false };
    let mut open = Vec::new();
    let mut not_mine = Vec::new();
    for id in board.graph.ids() {
        match decide(board, id, &request, facts) {
            Ok(Change::Take | Change::TakeOver) => open.push(id),
            Err(Refusal::FourEyes { phase, .. }) => not_mine.push(phase),
            Ok(_) | Err(_) => {}
        }
    }
    if !open.is_empty() {
        Ok(open)
    } else if board.done_count() == board.graph.count() {
        Err(Refusal::Finished {})
    } else if !not_mine.is_empty() {
        let (claimed, _) = at_work(board, facts);
        let prospect = Box::new(prospect(board, facts));
        Err(Refusal::NotForYou { phases: not_mine, claimed, prospect })
    } else {
        Err(nothing_ready(board, facts))
    }
}

/// What is being worked on, and what cannot be any more since too many attempts at it failed.
fn at_work(board: &Board, facts: Facts<'_>) -> (Vec<ClaimedPhase>, Vec<String>) {
    let (mut claimed, mut exhausted) = (Vec::new(), Vec::new());
    for id in board.graph.ids() {
        let phase = board.graph.phase(id).name.clone();
        let handover = board.graph.phase(id).handover();
        match board.state(id) {
            State::Claimed(hold) if is_spent(board, id, hold, facts) => {
                exhausted.push(phase);
            }
            State::Claimed(hold) => {
                let mine = is_mine(facts.me, hold);
                let is_dead = hold.life == Life::Dead && !mine;
                let opens_at = if is_dead { hold.opens_at(facts.stale_after) } else { None };
                let was_yours = !mine && was_taken_from(facts.me, hold);
                let holder = OwnerFacts { was_yours, ..facts.holder(hold) };
                claimed.push(ClaimedPhase { phase, holder, mine, handover, opens_at });
            }
            State::Pending if is_exhausted(board, id, facts) => exhausted.push(phase),
            State::Done(_) | State::Pending => {}
        }
    }
    (claimed, exhausted)
}

fn nothing_ready(board: &Board, facts: Facts<'_>) -> Refusal {
    let failed = board.graph.ids().filter(|id| match board.state(*id) {
        State::Done(done) => done.verdict == Verdict::Fail,
        State::Pending | State::Claimed(_) => false,
    });
    let failed = failed.map(|id| board.graph.phase(id).name.clone()).collect();
    let (claimed, exhausted) = at_work(board, facts);
    let prospect = Box::new(prospect(board, facts));
    Refusal::NothingReady { claimed, failed, exhausted, prospect }
}

/// The phase that the asker holds from this worktree, if any: it should finish that one before it
/// asks for another.
#[must_use]
pub fn holding(board: &Board, facts: Facts<'_>) -> Option<Refusal> {
    mine(board, facts).into_iter().find_map(|id| match board.state(id) {
        State::Claimed(hold) if is_here(facts.me, &hold.claim) => Some(Refusal::Holding {
            phase: board.graph.phase(id).name.clone(),
            since: hold.claim.claimed_at,
            handover: board.graph.phase(id).handover(),
        }),
        State::Claimed(_) | State::Pending | State::Done(_) => None,
    })
}
