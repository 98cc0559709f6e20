//! When what happened in a sprint: how long each phase waited for somebody to claim it, who worked
//! on it from when to when, and which chain of phases determined how long the sprint took. Pure:
//! what time it is comes in.
//!
//! Clocks differ, go back, and are not always written down. So no time is taken for granted: what
//! is unknown is neither waiting nor work, and what ends before it begins took no time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use jiff::{SignedDuration, Timestamp};

use super::board::{Board, Standing, State};
use super::graph::PhaseId;
use super::identity::Life;
use crate::record::{Done, Verdict};

/// From one moment to another that is not before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first moment.
    pub from: Timestamp,
    /// The last one.
    pub to: Timestamp,
}

impl Span {
    /// From `from` to `to`; nothing at all, at `from`, if that is not in this order.
    #[must_use]
    pub fn new(from: Timestamp, to: Timestamp) -> Self {
        Self { from, to: to.max(from) }
    }

    /// How long it is; at least zero.
    #[must_use]
    pub fn length(self) -> SignedDuration {
        self.to.duration_since(self.from)
    }
}

/// How work on a phase ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// The phase was completed, and passed.
    Pass,
    /// The phase was completed with the verdict that it failed.
    Fail,
    /// The attempt ended without a completion.
    Ended,
    /// It has not ended.
    Running,
}

/// One claim on a phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// Whose; empty if it cannot be known.
    pub agent: String,
    /// From the claim to its end; `None` where either is unknown.
    pub span: Option<Span>,
    /// How it ended.
    pub end: End,
    /// Of an attempt that ended: the word for how.
    pub how: String,
    /// Of an attempt that ended: why, in the words of who ended it.
    pub reason: String,
}

/// What happened to one phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// The phase.
    pub phase: PhaseId,
    /// When it could first be claimed; `None` if that has not come, or is not known.
    pub claimable: Option<Timestamp>,
    /// When it could be claimed and nobody had it, the earliest first.
    pub waits: Vec<Span>,
    /// Who had it, the earliest first; nobody, if it was carried from another sprint.
    pub work: Vec<Work>,
}

impl Track {
    /// How long it could be claimed and nobody had it.
    #[must_use]
    pub fn waited(&self) -> SignedDuration {
        sum(self.waits.iter().copied())
    }

    /// How long somebody had it.
    #[must_use]
    pub fn worked(&self) -> SignedDuration {
        sum(self.work.iter().filter_map(|work| work.span))
    }
}

/// What one agent did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Its name; empty for all whose names cannot be known.
    pub agent: String,
    /// How long it had a phase; one that had two at once is not counted twice.
    pub worked: SignedDuration,
    /// How many phases it completed.
    pub completed: usize,
    /// How many of its attempts ended without a completion.
    pub ended: usize,
}

/// When what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// From the start to the last completion, to the sprint's end, or to now.
    pub whole: Span,
    /// The phases, in the board's order.
    pub tracks: Vec<Track>,
    /// Who took part, the longest first.
    pub agents: Vec<Share>,
    /// The phases that followed each other and made the sprint take as long as it took: the last
    /// one to end, before it the one that it waited for longest, and so on. The earliest first.
    pub critical: Vec<PhaseId>,
}

/// What a list of sprints says of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Its id.
    pub sprint_id: String,
    /// What it is for.
    pub goal: Option<String>,
    /// What it amounts to.
    pub standing: Standing,
    /// When it was started, or else something happened first.
    pub begin: Timestamp,
    /// How many phases are done.
    pub done: usize,
    /// How many of these failed.
    pub failed: usize,
    /// How many phases there are.
    pub phases: usize,
    /// How long it took, or has taken.
    pub elapsed: SignedDuration,
    /// Who has completed or holds a phase, by name.
    pub agents: Vec<String>,
}

/// When what happened on `board`, of which all attempts were read.
#[must_use]
pub fn timeline(board: &Board, now: Timestamp) -> Timeline {
    let whole = whole(board, now);
    let tracks: Vec<Track> = board.graph.ids().map(|id| track(board, id, whole)).collect();
    let agents = shares(&tracks);
    let critical = critical(board, &tracks, whole);
    Timeline { whole, tracks, agents, critical }
}

/// What a list of sprints says of this one; attempts do not matter.
#[must_use]
pub fn summary(board: &Board, now: Timestamp) -> Summary {
    let whole = whole(board, now);
    let mut agents: Vec<String> = board
        .graph
        .ids()
        .filter_map(|id| match board.state(id) {
            State::Pending => None,
            State::Claimed(hold) => Some(hold.claim.agent.clone()),
            State::Done(done) => done.carried_from.is_none().then(|| done.agent.clone()),
        })
        .filter(|agent| !agent.is_empty())
        .collect();
    agents.sort();
    agents.dedup();
    let failed = |id: &PhaseId| done(board, *id).is_some_and(|it| it.verdict == Verdict::Fail);
    Summary {
        sprint_id: board.sprint.sprint_id.clone(),
        goal: board.sprint.goal.clone(),
        standing: board.standing(),
        begin: whole.from,
        done: board.done_count(),
        failed: board.graph.ids().filter(failed).count(),
        phases: board.graph.count(),
        elapsed: whole.length(),
        agents,
    }
}

fn sum(spans: impl Iterator<Item = Span>) -> SignedDuration {
    spans.fold(SignedDuration::ZERO, |sum, span| sum.saturating_add(span.length()))
}

fn done(board: &Board, id: PhaseId) -> Option<&Done> {
    match board.state(id) {
        State::Done(done) => Some(done),
        State::Pending | State::Claimed(_) => None,
    }
}

/// The completion of `id`, if that was in this sprint.
fn done_here(board: &Board, id: PhaseId) -> Option<&Done> {
    done(board, id).filter(|done| done.carried_from.is_none())
}

/// All of the sprint: it does not end while something is left to do and it has not been ended.
fn whole(board: &Board, now: Timestamp) -> Span {
    let completions = || board.graph.ids().filter_map(|id| done_here(board, id)?.completed_at);
    let claims = board.graph.ids().filter_map(|id| match board.state(id) {
        State::Pending => None,
        State::Claimed(hold) => hold.claim.claimed_at,
        State::Done(_) => {
            let done = done_here(board, id)?;
            done.claimed_at.or(done.completed_at)
        }
    });
    let ends = board.graph.ids().flat_map(|id| board.past(id)).filter_map(|it| it.ended_at);
    let from = board.sprint.started_at.or_else(|| claims.min());
    let is_done = board.done_count() == board.graph.count();
    let last = completions().max();
    let to = match board.standing() {
        Standing::Active => Some(now),
        Standing::Archived if !is_done => {
            board.sprint.archived_at.or_else(|| last.into_iter().chain(ends).max())
        }
        // All of it may have been carried.
        Standing::Finished | Standing::Archived => last,
    };
    let from = from.or(to).unwrap_or(now);
    Span::new(from, to.unwrap_or(from))
}

fn track(board: &Board, id: PhaseId, whole: Span) -> Track {
    let work = work(board, id, whole);
    let claimable = claimable(board, id, whole);
    let mut waits = Vec::new();
    // Since when nobody has it.
    let mut free = claimable;
    for span in work.iter().filter_map(|work| work.span) {
        waits.extend(free.filter(|free| span.from > *free).map(|free| Span::new(free, span.from)));
        free = free.max(Some(span.to));
    }
    if board.is_ready(id) {
        waits.extend(free.filter(|free| whole.to > *free).map(|free| Span::new(free, whole.to)));
    }
    let carried = done(board, id).is_some() && done_here(board, id).is_none();
    if carried {
        waits.clear();
    }
    Track { phase: id, claimable: claimable.filter(|_| !carried), waits, work }
}

/// Who had it when, the earliest first; what has no time stands where its record does.
fn work(board: &Board, id: PhaseId, whole: Span) -> Vec<Work> {
    let span = |from: Option<Timestamp>, to: Option<Timestamp>| Some(Span::new(from?, to?));
    let mut all: Vec<Work> = board
        .past(id)
        .iter()
        .map(|attempt| Work {
            agent: attempt.agent.clone(),
            span: span(attempt.claimed_at, attempt.ended_at),
            end: End::Ended,
            how: attempt.how.clone(),
            reason: attempt.reason.clone(),
        })
        .collect();
    let last = match board.state(id) {
        State::Pending => None,
        State::Claimed(hold) => {
            // Who is gone has worked no longer than until it was heard.
            let heard = hold.heard.filter(|_| hold.life == Life::Dead);
            let until = heard.map_or(whole.to, |heard| heard.min(whole.to));
            let span = span(hold.claim.claimed_at, Some(until));
            Some((hold.claim.agent.clone(), span, End::Running))
        }
        State::Done(_) => done_here(board, id).map(|done| {
            let end = match done.verdict {
                Verdict::Pass => End::Pass,
                Verdict::Fail => End::Fail,
            };
            (done.agent.clone(), span(done.claimed_at, done.completed_at), end)
        }),
    };
    all.extend(last.map(|(agent, span, end)| Work {
        agent,
        span,
        end,
        how: String::new(),
        reason: String::new(),
    }));
    all
}

/// When the last of what `id` depends on had passed; where that was before the sprint, when it
/// began.
fn claimable(board: &Board, id: PhaseId, whole: Span) -> Option<Timestamp> {
    let mut since = whole.from;
    for dep in &board.graph.phase(id).depends_on {
        let done = done(board, *dep).filter(|done| done.verdict == Verdict::Pass)?;
        since = since.max(done.completed_at?);
    }
    Some(since)
}

// A heap sorts as well as a sort does here, in a tenth of the code of each.
fn sorted<T: Ord>(all: Vec<T>) -> Vec<T> {
    BinaryHeap::from(all).into_sorted_vec()
}

fn shares(tracks: &[Track]) -> Vec<Share> {
    let all = || tracks.iter().flat_map(|track| &track.work);
    let mut names: Vec<String> = all().map(|work| work.agent.clone()).collect();
    names.sort();
    names.dedup();
    let none = |agent| Share { agent, worked: SignedDuration::ZERO, completed: 0, ended: 0 };
    let mut shares: Vec<(Share, Vec<Span>)> =
        names.into_iter().map(|agent| (none(agent), Vec::new())).collect();
    for work in all() {
        let at = shares.partition_point(|(share, _)| share.agent < work.agent);
        let (share, spans) = &mut shares[at];
        spans.extend(work.span);
        match work.end {
            End::Pass | End::Fail => share.completed += 1,
            End::Ended => share.ended += 1,
            End::Running => {}
        }
    }
    for (share, spans) in &mut shares {
        share.worked = sum(merged(std::mem::take(spans)).into_iter());
    }
    // The longest first, otherwise by name.
    let keys = shares.iter().enumerate().map(|(at, (share, _))| (Reverse(share.worked), at));
    let order = sorted(keys.collect());
    order.into_iter().map(|(_, at)| shares[at].0.clone()).collect()
}

/// The same moments in spans that do not overlap.
fn merged(spans: Vec<Span>) -> Vec<Span> {
    let mut merged: Vec<Span> = Vec::new();
    for span in sorted(spans) {
        match merged.last_mut() {
            Some(last) if span.from <= last.to => last.to = last.to.max(span.to),
            _ => merged.push(span),
        }
    }
    merged
}

fn critical(board: &Board, tracks: &[Track], whole: Span) -> Vec<PhaseId> {
    let ended = |id: PhaseId| match board.state(id) {
        // What can be claimed, or is being worked on, has taken until now.
        State::Claimed(_) => Some(whole.to),
        State::Pending => board.is_ready(id).then_some(whole.to),
        State::Done(_) => done_here(board, id)?.completed_at,
    };
    let since = |id: PhaseId| tracks[id.index()].claimable.unwrap_or(whole.to);
    // Of several that have not ended, the one that could have begun first; of these, the first.
    let took_part = board.graph.ids().rev().filter(|id| ended(*id).is_some());
    let last = took_part.max_by_key(|id| (ended(*id), Reverse(since(*id))));
    let mut path = Vec::new();
    let mut next = last;
    while let Some(id) = next {
        path.push(id);
        let deps = board.graph.phase(id).depends_on.iter().copied();
        let here = deps.filter(|dep| done_here(board, *dep).is_some());
        next = here.max_by_key(|dep| done(board, *dep).and_then(|done| done.completed_at));
    }
    path.reverse();
    path
}

#[cfg(test)]
#[path = "timeline/tests.rs"]
mod tests;
