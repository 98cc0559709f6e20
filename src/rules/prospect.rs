//! What is left for an agent that can claim nothing now: whether waiting can help it, and what it
//! should do. Pure. Every command that says "nothing now" says it by this one answer.

use jiff::{SignedDuration, Timestamp};

use super::attempts::{is_exhausted, is_spent};
use super::board::{Board, State};
use super::decide::{check_four_eyes, completed_by, dead_owner, is_mine};
use super::graph::PhaseId;
use super::identity::age;
use super::others::{Advice, Alive, Prospect, Seen};
use super::request::Facts;
use crate::record::Verdict;

/// An agent whose process nobody can see counts as around for this long after it was last seen.
const AROUND: SignedDuration = SignedDuration::from_hours(1);

/// What is left for the asker on a board where it can claim nothing.
pub(super) fn prospect(board: &Board, facts: Facts<'_>) -> Prospect {
    let seen = others(board, facts);
    let doable = doable(board, &seen, facts);
    let mut later = Vec::new();
    let mut of_others = Vec::new();
    let mut mine = false;
    for id in board.graph.ids() {
        let behind = board.graph.phase(id).depends_on.iter().all(|dep| doable[dep.index()]);
        match board.state(id) {
            State::Done(_) => {}
            State::Claimed(hold) if is_mine(facts.me, hold) => mine = true,
            _ if !behind || is_barred_to_me(board, id, facts) => {}
            State::Claimed(hold) if is_spent(board, id, hold, facts) => {}
            State::Claimed(_) => of_others.push(id),
            State::Pending if is_exhausted(board, id, facts) => {}
            State::Pending => later.push(id),
        }
    }
    let dead = dead_owner(board, facts, board.graph.ids());
    let advice = if mine {
        Advice::GoOn
    } else if dead.is_some() {
        Advice::TakeOver
    } else if !later.is_empty() {
        Advice::Wait
    } else if !of_others.is_empty() {
        Advice::MayStop
    } else {
        for_others(board, &doable, facts)
    };
    let yours_later = later.iter().chain(&of_others).map(|id| board.graph.phase(*id).name.clone());
    Prospect {
        advice,
        waiting_helps: advice.waiting_helps(),
        yours_later: yours_later.collect(),
        seen,
        dead,
        last_change: last_change(board),
    }
}

/// Where nothing that is left can become the asker's: who can do it.
fn for_others(board: &Board, doable: &[bool], facts: Facts<'_>) -> Advice {
    let left = || board.graph.ids().filter(|id| !matches!(board.state(*id), State::Done(_)));
    if left().any(|id| doable[id.index()]) {
        return Advice::Others;
    }
    // Also what a dead owner has left: it opens to another in time.
    let is_for_another = |id: PhaseId| {
        let passed = board.waits_for(id).is_empty();
        passed
            && !is_exhausted(board, id, facts)
            && is_barred_to_me(board, id, facts)
            && !is_barred_to_all(board, id)
    };
    if left().any(is_for_another) { Advice::AnotherAgent } else { Advice::Person }
}

/// Whether the asker must not own `id`, by what is done by now.
fn is_barred_to_me(board: &Board, id: PhaseId, facts: Facts<'_>) -> bool {
    check_four_eyes(board, id, facts.me).is_err()
}

/// Whether an agent of that name must not own `id`, by what is done by now.
fn is_barred(board: &Board, id: PhaseId, agent: &str) -> bool {
    board.graph.phase(id).not_by.iter().any(|other| match board.state(*other) {
        State::Done(done) => done.agent.is_empty() || done.agent == agent,
        State::Pending | State::Claimed(_) => false,
    })
}

/// Whether nobody can be shown to be another than who did what `id` checks: its completer is
/// unknown.
fn is_barred_to_all(board: &Board, id: PhaseId) -> bool {
    board.graph.phase(id).not_by.iter().any(|other| match board.state(*other) {
        State::Done(done) => done.agent.is_empty(),
        State::Pending | State::Claimed(_) => false,
    })
}

/// For each phase: whether it is done and passed, or can be by those who are around and the asker.
fn doable(board: &Board, seen: &[Seen], facts: Facts<'_>) -> Vec<bool> {
    let mut doable = vec![false; board.graph.count()];
    for id in board.graph.order() {
        let is_open = || board.graph.phase(id).depends_on.iter().all(|dep| doable[dep.index()]);
        let by_somebody = || {
            let around = |other: &&Seen| is_around(other, facts.now);
            !is_barred_to_me(board, id, facts)
                || seen.iter().filter(around).any(|other| !is_barred(board, id, &other.agent))
        };
        doable[id.index()] = match board.state(id) {
            State::Done(done) => done.verdict == Verdict::Pass,
            State::Claimed(hold) if !facts.is_left(hold) => is_open(),
            State::Claimed(hold) => !is_spent(board, id, hold, facts) && is_open() && by_somebody(),
            State::Pending => !is_exhausted(board, id, facts) && is_open() && by_somebody(),
        };
    }
    doable
}

/// Whether an agent that was seen can be expected to go on.
fn is_around(seen: &Seen, now: Timestamp) -> bool {
    match seen.alive {
        Alive::Yes => true,
        Alive::No => false,
        Alive::Unknown => seen.at.is_some_and(|at| age(now, at) < AROUND),
    }
}

/// The other agents that have worked on this sprint, the one seen last first.
fn others(board: &Board, facts: Facts<'_>) -> Vec<Seen> {
    let mut seen: Vec<Seen> = Vec::new();
    let mut see = |agent: &str, at: Option<Timestamp>, alive: Alive| {
        if agent.is_empty() || agent == facts.me.name {
            return;
        }
        match seen.iter_mut().find(|other| other.agent == agent) {
            Some(other) => {
                // Whoever lives is alive, whatever became of a former process of that name.
                let known = |alive| match alive {
                    Alive::Yes => 2,
                    Alive::No => 1,
                    Alive::Unknown => 0,
                };
                if known(alive) > known(other.alive) {
                    other.alive = alive;
                }
                other.at = other.at.max(at);
            }
            None => seen.push(Seen { agent: agent.to_owned(), at, alive }),
        }
    };
    for id in board.graph.ids() {
        match board.state(id) {
            State::Pending => {}
            State::Claimed(hold) if is_mine(facts.me, hold) => {}
            State::Claimed(hold) => {
                see(&hold.claim.agent, hold.heard.max(hold.claim.claimed_at), hold.life.into());
            }
            State::Done(done) if done.carried_from.is_some() => {}
            State::Done(done) if completed_by(facts.me, done, board.completer(id)) => {}
            State::Done(done) => {
                let alive = board.seen_completer(id).map_or(Alive::Unknown, Alive::from);
                see(&done.agent, done.completed_at, alive);
            }
        }
        for attempt in board.past(id) {
            see(&attempt.agent, attempt.ended_at, Alive::Unknown);
        }
    }
    seen.sort_by_key(|seen| std::cmp::Reverse(seen.at));
    seen
}

/// When anything last happened on the board.
#[must_use]
pub fn last_change(board: &Board) -> Option<Timestamp> {
    let of = |id: PhaseId| {
        let state = match board.state(id) {
            State::Pending => None,
            State::Claimed(hold) => {
                hold.heard.max(hold.claim.renewed_at).max(hold.claim.claimed_at)
            }
            State::Done(done) => done.completed_at,
        };
        let past = board.past(id).iter().filter_map(|attempt| attempt.ended_at).max();
        state.max(past)
    };
    board.graph.ids().filter_map(of).max().max(board.sprint.started_at)
}

/// When the answer may be another although nothing happens: an agent that was seen counts as around
/// no longer.
pub(super) fn changes_at(prospect: &Prospect, now: Timestamp) -> Option<Timestamp> {
    let ends = |seen: &Seen| match seen.alive {
        Alive::Unknown => seen.at?.checked_add(AROUND).ok(),
        Alive::Yes | Alive::No => None,
    };
    prospect.seen.iter().filter_map(ends).filter(|then| *then > now).min()
}
