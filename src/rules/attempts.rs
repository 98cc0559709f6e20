//! Attempts: which claims count as failed, how many may, and when a phase is exhausted. Pure.
//!
//! An attempt is a claim. It has failed when it ended without a completion by somebody's doing: its
//! owner gave it up, another took it over, or it was freed. Who goes on with what is its own has
//! not ended anything: not by renewing, not from a new process, not from another terminal of the
//! same person. A completion with the verdict `fail` is a completion.

use super::board::{Board, LiveClaim, State};
use super::graph::PhaseId;
use super::identity::{Life, Me, is_here, relation};
use super::reasons::Last;
use super::refusal::Refusal;
use super::request::{Change, Facts, Request};

/// How an attempt ended: its owner gave it up.
pub const ABORT: &str = "abort";
/// How an attempt ended: another took it over from a dead owner.
pub const RECLAIM: &str = "reclaim";
/// How an attempt ended: somebody freed the phase.
pub const UNSTUCK: &str = "unstuck";
/// How an attempt is about to end: its owner is gone, and still has the phase.
pub const GONE: &str = "gone";

/// How the claim `hold` ends as an attempt when `change` is carried out for `request`; `None` if
/// that is no failure, or no end.
#[must_use]
pub fn ends_as(
    request: &Request,
    change: Change,
    hold: &LiveClaim,
    me: &Me,
) -> Option<&'static str> {
    match (request, change) {
        (Request::Abort, Change::Free) => Some(ABORT),
        (Request::Unstuck { .. }, Change::Free) => Some(UNSTUCK),
        (Request::Claim { .. }, Change::TakeOver) => loses(hold, me).then_some(RECLAIM),
        _ => None,
    }
}

/// Whether a claim that is taken over fails by that: it is another's, and not of the same person,
/// who has only moved to another terminal.
fn loses(hold: &LiveClaim, me: &Me) -> bool {
    !is_moved(hold, me) && !relation(me, &hold.claim, hold.life).is_mine()
}

/// Whether the asker is the person who claimed, perhaps at another terminal.
pub(super) fn is_moved(hold: &LiveClaim, me: &Me) -> bool {
    hold.claim.person && me.person && hold.claim.user.is_some() && hold.claim.user == me.user
}

/// Whether a claim that the asker takes over may have left work that the asker does not have: its
/// process is gone, and it was another's, or in another worktree.
#[must_use]
pub fn leaves_work(hold: &LiveClaim, me: &Me) -> bool {
    hold.life == Life::Dead && (loses(hold, me) || !is_here(me, &hold.claim))
}

/// Whether what the owner of `hold` left is to be saved when `change` is carried out for `request`:
/// its process is gone, and where it worked is known.
#[must_use]
pub fn owes(request: &Request, change: Change, hold: &LiveClaim, me: &Me) -> bool {
    let left = match (request, change) {
        (Request::Unstuck { .. }, Change::Free) => hold.life == Life::Dead,
        (Request::Claim { .. }, Change::TakeOver) => leaves_work(hold, me),
        _ => false,
    };
    left && hold.claim.worktree.is_some()
}

/// How many attempts at `id` may fail; `None` if any number may.
#[must_use]
pub fn limit(board: &Board, id: PhaseId, facts: Facts<'_>) -> Option<u64> {
    board.graph.phase(id).max_attempts.or(facts.max_attempts)
}

/// How many attempts at `id` have failed since they were last reset.
#[must_use]
pub fn failed(board: &Board, id: PhaseId) -> u64 {
    (board.past(id).len() as u64).saturating_sub(board.reset_attempts(id))
}

/// Why `id` cannot be claimed any more, if that is so: as many attempts have failed as may. Where
/// it is held that one counts as well, as it would have failed if the phase were to be claimed.
#[must_use]
pub fn exhausted(board: &Board, id: PhaseId, facts: Facts<'_>) -> Option<Refusal> {
    let limit = limit(board, id, facts)?;
    let held = match board.state(id) {
        State::Done(_) => return None,
        State::Pending => None,
        State::Claimed(hold) => Some(hold),
    };
    let failed = failed(board, id).saturating_add(u64::from(held.is_some()));
    (failed >= limit).then(|| Refusal::Exhausted {
        phase: board.graph.phase(id).name.clone(),
        attempts: failed,
        limit,
        last: held.map(Last::left).or_else(|| board.past(id).last().map(Last::from)),
    })
}

/// Whether the claim `hold` of `id`, which its owner has left, cannot be taken over by the asker:
/// it would be one attempt too many that failed.
pub(super) fn is_spent(board: &Board, id: PhaseId, hold: &LiveClaim, facts: Facts<'_>) -> bool {
    facts.is_left(hold) && loses(hold, facts.me) && exhausted(board, id, facts).is_some()
}

/// How many attempts at `id` have failed once `change` is carried out, if that leaves it exhausted.
#[must_use]
pub fn failed_by(board: &Board, id: PhaseId, change: Change, facts: Facts<'_>) -> Option<u64> {
    match (change, exhausted(board, id, facts)?) {
        (Change::Free | Change::Nothing, Refusal::Exhausted { attempts, .. }) => Some(attempts),
        _ => None,
    }
}

/// Whether `id` is pending, and exhausted.
#[must_use]
pub fn is_exhausted(board: &Board, id: PhaseId, facts: Facts<'_>) -> bool {
    *board.state(id) == State::Pending && exhausted(board, id, facts).is_some()
}

/// How many attempts at `id` no longer count once `request` is granted: all of them, if the request
/// insists and the phase could not be claimed otherwise.
#[must_use]
pub fn resets(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Option<u64> {
    let insists = *request == Request::Unstuck { force: true };
    let held = u64::from(matches!(board.state(id), State::Claimed(_)));
    (insists && exhausted(board, id, facts).is_some())
        .then(|| (board.past(id).len() as u64).saturating_add(held))
}

impl Last {
    /// The attempt whose owner is gone.
    fn left(hold: &LiveClaim) -> Self {
        Self {
            agent: hold.claim.agent.clone(),
            how: GONE.to_owned(),
            reason: String::new(),
            at: hold.heard,
        }
    }
}
