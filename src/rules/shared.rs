//! The board of a shared sprint, and the one function by which it changes. Pure.
//!
//! Every change is an event of one member (a clone of the repository), and the board after it is
//! what [`apply`] makes of the board before it. Whoever fetches a ledger applies its events again:
//! a commit whose board is another one is not valid. The table of changes is that of one machine
//! ([`super::transition()`]). What only the asker's machine knows (which process lives, whose
//! session it is) stands in the event as facts, and counts for the claims of its own member alone:
//! another member's claim is the asker's only by its token, and nobody there is provably dead.

mod form;

use std::collections::BTreeMap;

use self::form::{is_id, is_well_formed};
use super::attempts::{ABORT, RECLAIM, UNSTUCK};
use super::graph::{Graph, GraphError, Names};
use super::identity::Relation;
use super::request::{Change, Request};
use super::transition::{Denial, Place, Sight, transition};
use crate::record::ledger::{
    Agent, Begun, Completion, Deed, Ended, Entry, Held, LedgerBoard, LedgerEvent, Member,
    PhaseState, RULES, Stamp,
};
use crate::record::{PhaseEntry, Rest, Verdict};

/// The most members of one ledger at one time.
pub const MAX_MEMBERS: usize = 1024;

/// The most attempts at one phase that are kept: the latest.
const MAX_PAST: usize = 1024;

/// All that a commit of a ledger holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Shared {
    /// Where the sprint is.
    pub board: LedgerBoard,
    /// The sprint's graph, in the order of the board.
    pub graph: Vec<PhaseEntry>,
    /// The members by their ids.
    pub members: BTreeMap<String, Member>,
}

/// Why an event changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// A rule of the sprint says no.
    Rule(Denial),
    /// There is no such phase.
    UnknownPhase,
    /// The sprint has been ended.
    Archived,
    /// Claims of other agents stand in the way: the phases.
    LiveClaims(Vec<String>),
    /// The sprint is unfinished, and the asker took no part in it.
    Underway,
    /// A phase that was named cannot be carried over.
    CannotCarry(String),
    /// The member holds these phases and so cannot leave.
    Holding(Vec<String>),
    /// The event is not the next of its member: that member has changed the board since, or is a
    /// copy of one that has.
    NotNext,
    /// There is no such member, or there is one that is to join.
    Membership,
    /// Rules of a later version are in force: their number.
    Newer(u32),
    /// It begins a ledger where there is one, or changes one that there is not.
    Beginning,
    /// The graph means nothing.
    Graph(GraphError),
    /// A limit on how much a ledger holds.
    Full,
    /// The event holds what this program does not write.
    Malformed,
}

impl From<Denial> for Denied {
    fn from(denial: Denial) -> Self {
        Self::Rule(denial)
    }
}

impl Shared {
    /// Where the phase `name` is.
    #[must_use]
    pub fn phase(&self, name: &str) -> Option<&PhaseState> {
        self.board.phases.iter().find(|phase| phase.name == name)
    }

    fn entry(&self, name: &str) -> Option<&PhaseEntry> {
        self.graph.iter().find(|entry| entry.name == name)
    }

    fn passed(&self, name: &str) -> bool {
        let done = self.phase(name).and_then(|phase| phase.done.as_ref());
        done.is_some_and(|done| done.verdict == Verdict::Pass)
    }

    /// Whether it is a board at all: a graph that can be, a state for each of its phases, and none
    /// both held and done. What [`apply`] makes always is; a board that is fetched without those
    /// before it may hold anything.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let names = self.graph.iter().map(|entry| &entry.name);
        let is_one = |phase: &PhaseState| phase.held.is_none() || phase.done.is_none();
        Graph::new(&self.graph, Names::Existing).is_ok()
            && names.eq(self.board.phases.iter().map(|phase| &phase.name))
            && self.board.phases.iter().all(is_one)
            && self.members.len() <= MAX_MEMBERS
            && is_id(&self.board.sprint_id)
    }
}

/// The change that `event` makes of `shared`; [`Change::Nothing`] and its like where it would make
/// none but the member's count.
///
/// # Errors
/// Why it makes none.
pub fn change(shared: &Shared, event: &LedgerEvent) -> Result<Option<Change>, Denied> {
    let (Some(name), Some(request)) = (event.deed.phase(), event.deed.request()) else {
        return Ok(None);
    };
    if shared.board.archived {
        return Err(Denied::Archived);
    }
    let phase = shared.phase(name).ok_or(Denied::UnknownPhase)?;
    let entry = shared.entry(name).ok_or(Denied::UnknownPhase)?;
    Ok(Some(transition(&request, &InLedger { shared, phase, entry, event })?))
}

/// What `event` makes of `before`, which is `None` where a ledger begins.
///
/// # Errors
/// Why it makes nothing of it.
pub fn apply(before: Option<&Shared>, event: &LedgerEvent) -> Result<Shared, Denied> {
    if let Some(before) = before
        && before.board.rules > RULES
    {
        return Err(Denied::Newer(before.board.rules));
    }
    if !is_well_formed(event) {
        return Err(Denied::Malformed);
    }
    let Some(before) = before else { return share(event) };
    if matches!(event.deed, Deed::Share { .. }) {
        return Err(Denied::Beginning);
    }
    let mut after = before.clone();
    after.board.seq = before.board.seq.saturating_add(1);
    count(&mut after, event)?;
    match &event.deed {
        Deed::Share { .. } | Deed::Join { .. } | Deed::Vouch {} => {}
        Deed::Leave {} => {
            let holds = |phase: &&PhaseState| {
                phase.held.as_ref().is_some_and(|held| held.owner.member == event.by.member)
            };
            let held: Vec<String> =
                before.board.phases.iter().filter(holds).map(|phase| phase.name.clone()).collect();
            // What has ended is held by nobody.
            if !held.is_empty() && !before.board.archived {
                return Err(Denied::Holding(held));
            }
        }
        Deed::Start { sprint, carry, force } => {
            // What is done in it comes from the sprint before it, and is nobody's word.
            if !sprint.done.is_empty() || sprint.sprint_id == before.board.sprint_id {
                return Err(Denied::Malformed);
            }
            let done = carried(before, carry)?;
            if !*force {
                may_end(before, event)?;
                may_supersede(before, event)?;
            }
            begin(&mut after, sprint, event)?;
            after.board.from = Some(before.board.sprint_id.clone());
            for (name, completion) in done {
                // A phase that the new graph does not have is left behind.
                if let Some(phase) = after.board.phases.iter_mut().find(|it| it.name == name) {
                    phase.done = Some(completion);
                }
            }
            check_carried(&after)?;
        }
        Deed::Archive { force } => {
            if before.board.archived {
                return Err(Denied::Archived);
            }
            if !*force {
                may_end(before, event)?;
            }
            after.board.archived = true;
        }
        Deed::Claim { phase, .. }
        | Deed::Complete { phase, .. }
        | Deed::Abort { phase, .. }
        | Deed::Unstuck { phase, .. } => {
            if let Some(change) = change(before, event)? {
                let limit = before.entry(phase).and_then(|entry| limit(entry, event));
                let phase = after.board.phases.iter_mut().find(|it| it.name == *phase);
                carry_out(phase.ok_or(Denied::UnknownPhase)?, change, limit, event);
            }
        }
    }
    Ok(after)
}

impl Deed {
    /// The phase that it is about.
    #[must_use]
    pub fn phase(&self) -> Option<&str> {
        match self {
            Self::Claim { phase, .. }
            | Self::Complete { phase, .. }
            | Self::Abort { phase, .. }
            | Self::Unstuck { phase, .. } => Some(phase),
            Self::Share { .. }
            | Self::Join { .. }
            | Self::Leave {}
            | Self::Start { .. }
            | Self::Archive { .. }
            | Self::Vouch {} => None,
        }
    }

    /// What is asked of that phase.
    #[must_use]
    pub fn request(&self) -> Option<Request> {
        match self {
            Self::Claim { takeover, .. } => Some(Request::Claim { takeover: *takeover }),
            Self::Complete { verdict, artifact, .. } => Some(Request::Complete {
                artifact: artifact.as_ref().map(|artifact| artifact.sha256.clone()),
                verdict: *verdict,
            }),
            Self::Abort { .. } => Some(Request::Abort),
            Self::Unstuck { force, .. } => Some(Request::Unstuck { force: *force }),
            Self::Share { .. }
            | Self::Join { .. }
            | Self::Leave {}
            | Self::Start { .. }
            | Self::Archive { .. }
            | Self::Vouch {} => None,
        }
    }
}

/// Counts `event` as the next one of its member.
fn count(shared: &mut Shared, event: &LedgerEvent) -> Result<(), Denied> {
    let last = |count| Stamp { count, nonce: event.nonce.clone() };
    let known = shared.members.get_mut(&event.by.member);
    match (&event.deed, known) {
        (Deed::Join { name }, None) => {
            if event.after.is_some() {
                return Err(Denied::NotNext);
            }
            if shared.members.len() >= MAX_MEMBERS {
                return Err(Denied::Full);
            }
            shared.members.insert(event.by.member.clone(), member(event, name, last(1)));
        }
        (Deed::Join { .. }, Some(_)) | (_, None) => return Err(Denied::Membership),
        (_, Some(known)) => {
            if event.after.as_ref() != Some(&known.last) || known.last.nonce == event.nonce {
                return Err(Denied::NotNext);
            }
            let next = known.last.count.saturating_add(1);
            if matches!(event.deed, Deed::Leave {}) {
                shared.members.remove(&event.by.member);
            } else {
                known.last = last(next);
            }
        }
    }
    Ok(())
}

// Of the version that wrote the event: every other has to make the same of it.
fn member(event: &LedgerEvent, name: &str, last: Stamp) -> Member {
    Member { v: event.v, name: name.to_owned(), last, rest: Rest::new() }
}

/// The first board of a ledger.
fn share(event: &LedgerEvent) -> Result<Shared, Denied> {
    let Deed::Share { ledger, name, sprint } = &event.deed else { return Err(Denied::Beginning) };
    if event.after.is_some() {
        return Err(Denied::NotNext);
    }
    let board = LedgerBoard {
        v: event.v,
        rules: RULES,
        seq: 0,
        ledger: ledger.clone(),
        sprint_id: String::new(),
        started_by: Agent::default(),
        started_at: event.at,
        archived: false,
        goal: None,
        from: None,
        phases: Vec::new(),
        rest: Rest::new(),
    };
    let stamp = Stamp { count: 1, nonce: event.nonce.clone() };
    let members = BTreeMap::from([(event.by.member.clone(), member(event, name, stamp))]);
    let mut shared = Shared { board, graph: Vec::new(), members };
    begin(&mut shared, sprint, event)?;
    for (at, (name, _)) in sprint.done.iter().enumerate() {
        let twice = sprint.done[..at].iter().any(|(other, _)| other == name);
        if twice || shared.phase(name).is_none() {
            return Err(Denied::CannotCarry(name.clone()));
        }
    }
    check_carried(&shared)?;
    Ok(shared)
}

/// Puts `sprint` in the place of the one that was there.
fn begin(shared: &mut Shared, sprint: &Begun, event: &LedgerEvent) -> Result<(), Denied> {
    let graph: Vec<PhaseEntry> = sprint.phases.iter().map(|Entry(entry)| entry.clone()).collect();
    // A sprint that is shared may have been begun by another program.
    let names = if matches!(event.deed, Deed::Share { .. }) { Names::Existing } else { Names::New };
    Graph::new(&graph, names).map_err(Denied::Graph)?;
    let pending = |entry: &PhaseEntry| {
        let mut done = sprint.done.iter().filter(|(name, _)| *name == entry.name);
        PhaseState {
            name: entry.name.clone(),
            done: done.next().map(|(_, completion)| completion.clone()),
            ..PhaseState::default()
        }
    };
    shared.board.phases = graph.iter().map(pending).collect();
    shared.board.sprint_id.clone_from(&sprint.sprint_id);
    shared.board.goal.clone_from(&sprint.goal);
    shared.board.started_by = event.by.clone();
    shared.board.started_at = event.at;
    shared.board.archived = false;
    shared.board.from = None;
    shared.graph = graph;
    Ok(())
}

/// Nothing is done in a new sprint that depends on what is not, or has failed.
fn check_carried(shared: &Shared) -> Result<(), Denied> {
    for entry in &shared.graph {
        let done = shared.phase(&entry.name).and_then(|phase| phase.done.as_ref());
        let lacks = entry.depends_on.iter().any(|dep| !shared.passed(dep));
        if done.is_some_and(|done| lacks || done.verdict == Verdict::Fail) {
            return Err(Denied::CannotCarry(entry.name.clone()));
        }
    }
    Ok(())
}

/// The completions of the phases `names`, as a new sprint begins with them.
fn carried(before: &Shared, names: &[String]) -> Result<Vec<(String, Completion)>, Denied> {
    let carried = |name: &String| {
        let done = before.phase(name).and_then(|phase| phase.done.clone());
        let mut done = done.ok_or_else(|| Denied::CannotCarry(name.clone()))?;
        done.carried_from.get_or_insert_with(|| before.board.sprint_id.clone());
        Ok((name.clone(), done))
    };
    names.iter().map(carried).collect()
}

/// Whether the sprint may end: no claim of another agent is live. Of another member's nobody can
/// tell that it is not.
fn may_end(before: &Shared, event: &LedgerEvent) -> Result<(), Denied> {
    let live = |phase: &&PhaseState| {
        let stands = |held: &Held| !(is_own(held, event) && event.over.contains(&phase.name));
        phase.held.as_ref().is_some_and(stands)
    };
    let live: Vec<String> =
        before.board.phases.iter().filter(live).map(|phase| phase.name.clone()).collect();
    // What has ended has no live claims.
    let ended = before.board.archived || live.is_empty();
    if ended { Ok(()) } else { Err(Denied::LiveClaims(live)) }
}

/// Whether the asker may put another sprint in the place of one that is underway: it is a person,
/// or took part.
fn may_supersede(before: &Shared, event: &LedgerEvent) -> Result<(), Denied> {
    let phases = &before.board.phases;
    let done = phases.iter().filter(|phase| phase.done.is_some()).count();
    let underway = !before.board.archived && done > 0 && done < phases.len();
    let by_me = |agent: &Agent| agent.member == event.by.member && agent.agent == event.by.agent;
    let took_part = |phase: &PhaseState| {
        phase.held.as_ref().is_some_and(|held| by_me(&held.owner))
            || phase.done.as_ref().is_some_and(|done| by_me(&done.by))
            || phase.past.iter().any(|ended| by_me(&ended.owner))
    };
    if !underway
        || event.by.person
        || by_me(&before.board.started_by)
        || phases.iter().any(took_part)
    {
        return Ok(());
    }
    Err(Denied::Underway)
}

/// Makes `change` of `phase`, at which so many attempts may fail.
fn carry_out(phase: &mut PhaseState, change: Change, limit: Option<u64>, event: &LedgerEvent) {
    let ended = |held: Held, how: &str, reason: &str| Ended {
        owner: held.owner,
        how: how.to_owned(),
        by: event.by.clone(),
        at: event.at,
        reason: reason.to_owned(),
    };
    match (change, &event.deed) {
        (Change::Take | Change::TakeOver, Deed::Claim { token, branch, commit, .. }) => {
            let former = phase.held.replace(Held {
                owner: event.by.clone(),
                token: token.clone(),
                claimed_at: event.at,
                branch: branch.clone(),
                commit: commit.clone(),
            });
            phase.generation = phase.generation.saturating_add(1);
            // Who goes on with what is its own has not ended anything.
            let own = |former: &Held| {
                ((event.seen.mine || event.seen.moved) && is_own(former, event))
                    || event.shown.as_ref() == Some(&former.token)
            };
            if let Some(former) = former.filter(|former| !own(former)) {
                phase.past.push(ended(former, RECLAIM, ""));
            }
        }
        (
            Change::Complete,
            Deed::Complete { verdict, artifact, commit, tree, branch, dirty, .. },
        ) => {
            if let Some(held) = phase.held.take() {
                phase.done = Some(Completion {
                    by: event.by.clone(),
                    token: held.token,
                    completed_at: event.at,
                    verdict: *verdict,
                    artifact: artifact.clone(),
                    commit: commit.clone(),
                    tree: tree.clone(),
                    branch: branch.clone(),
                    dirty: *dirty,
                    carried_from: None,
                });
            }
        }
        (Change::Free, Deed::Abort { reason, .. }) => {
            phase.past.extend(phase.held.take().map(|held| ended(held, ABORT, reason)));
        }
        (Change::Free, Deed::Unstuck { force, reason, .. }) => {
            phase.past.extend(phase.held.take().map(|held| ended(held, UNSTUCK, reason)));
            if *force && limit.is_some_and(|limit| failed(phase) >= limit) {
                phase.reset_attempts = phase.past.len() as u64;
            }
        }
        (Change::ResetAttempts, _) => phase.reset_attempts = phase.past.len() as u64,
        _ => {}
    }
    let dropped = phase.past.len().saturating_sub(MAX_PAST);
    phase.past.drain(..dropped);
    phase.reset_attempts = phase.reset_attempts.saturating_sub(dropped as u64);
}

/// How many attempts at a phase may fail; `None` if any number may.
fn limit(entry: &PhaseEntry, event: &LedgerEvent) -> Option<u64> {
    entry.max_attempts.or(event.max_attempts)
}

/// How many attempts at a phase have failed since they were last reset.
fn failed(phase: &PhaseState) -> u64 {
    (phase.past.len() as u64).saturating_sub(phase.reset_attempts)
}

/// Whether the facts of `event` count for `held`: it is a claim of the same member.
fn is_own(held: &Held, event: &LedgerEvent) -> bool {
    held.owner.member == event.by.member
}

/// A phase of a shared board, as the asker of an event sees it.
struct InLedger<'a> {
    shared: &'a Shared,
    phase: &'a PhaseState,
    entry: &'a PhaseEntry,
    event: &'a LedgerEvent,
}

impl InLedger<'_> {
    /// A fact about the claim, if that is one of the asker's own member.
    fn of_own(&self, fact: bool) -> bool {
        fact && self.phase.held.as_ref().is_some_and(|held| is_own(held, self.event))
    }

    /// Whether as many attempts have failed as may, with `more` that would.
    fn exceeds(&self, more: u64) -> bool {
        let limit = limit(self.entry, self.event);
        limit.is_some_and(|limit| failed(self.phase).saturating_add(more) >= limit)
    }
}

impl Sight for InLedger<'_> {
    fn place(&self) -> Place {
        match (&self.phase.done, &self.phase.held) {
            (Some(_), _) => Place::Done,
            (None, Some(_)) => Place::Claimed,
            (None, None) => Place::Pending,
        }
    }

    fn is_blocked(&self) -> bool {
        self.entry.depends_on.iter().any(|dep| !self.shared.passed(dep))
    }

    fn may_be_completer(&self) -> bool {
        self.entry.not_by.iter().any(|other| {
            let done = self.shared.phase(other).and_then(|phase| phase.done.as_ref());
            done.is_some_and(|done| {
                done.by.agent == self.event.by.agent || self.event.completed.contains(other)
            })
        })
    }

    fn is_exhausted(&self) -> bool {
        self.exceeds(0)
    }

    fn relation(&self) -> Relation {
        let Some(held) = &self.phase.held else { return Relation::Other };
        if is_own(held, self.event) && self.event.seen.mine {
            return if self.event.seen.from_before {
                Relation::MineFromBefore
            } else {
                Relation::Mine
            };
        }
        // It is this member's from now on, whose machine alone can tell whether its owner lives.
        let shows_token = self.event.shown.as_ref() == Some(&held.token);
        if shows_token { Relation::MineFromBefore } else { Relation::Other }
    }

    fn only_unstuck(&self) -> bool {
        false
    }

    fn is_elsewhere(&self) -> bool {
        self.of_own(self.event.seen.elsewhere)
    }

    fn has_token(&self) -> bool {
        true
    }

    fn is_spent(&self) -> bool {
        self.is_left() && !self.is_moved() && !self.relation().is_mine() && self.exceeds(1)
    }

    fn is_stale(&self) -> bool {
        self.of_own(self.event.seen.stale)
    }

    fn is_left(&self) -> bool {
        self.of_own(self.event.seen.left)
    }

    fn is_moved(&self) -> bool {
        self.of_own(self.event.seen.moved)
    }

    fn was_taken(&self) -> bool {
        let by = &self.event.by;
        if self.phase.held.is_some() {
            return self.event.seen.taken;
        }
        let is_by = |agent: &Agent| agent.member == by.member && agent.agent == by.agent;
        let mine = self.phase.past.iter().rev().find(|ended| is_by(&ended.owner));
        mine.is_some_and(|ended| ended.how != ABORT && !is_by(&ended.by))
    }

    fn is_confirmed(&self) -> bool {
        let Deed::Complete { verdict, artifact, .. } = &self.event.deed else { return false };
        self.phase.done.as_ref().is_some_and(|done| {
            let mine = done.by.member == self.event.by.member && self.event.seen.mine
                || self.event.shown.as_ref() == Some(&done.token);
            let same = artifact.as_ref().is_none_or(|artifact| {
                done.artifact.as_ref().is_some_and(|pinned| pinned.sha256 == artifact.sha256)
            });
            mine && same && *verdict == done.verdict
        })
    }
}

#[cfg(test)]
mod tests;
