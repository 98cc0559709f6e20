//! The board: the whole state of one sprint at one moment.
//!
//! A phase is in one of three states, held in one enum. What changes a state is named in
//! [`super::decide()`]; who carries it out is the store.

use jiff::{SignedDuration, Timestamp};

use super::graph::{Graph, PhaseId};
use super::identity::{Life, is_silent};
use crate::record::{Attempt, Claim, Done, Due, Sprint, Verdict};

/// A claim that stands, and what is known of its owner.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveClaim {
    /// The owner's record.
    pub claim: Claim,
    /// Whether the owner's process lives.
    pub life: Life,
    /// Whose claim it was before it was taken over, if that is still known.
    pub former: Vec<Claim>,
    /// When the owner was last heard: it claimed, renewed, or ran any command that saw its claim.
    pub heard: Option<Timestamp>,
    /// From when on its silence counts ([`super::identity::quiet_since`]); `None` if nothing tells.
    pub quiet_since: Option<Timestamp>,
    /// Whether the lock has an old layout: no rename can take it over, and only `unstuck` ends the
    /// claim.
    pub legacy_lock: bool,
}

impl LiveClaim {
    /// Whether anyone may reclaim: the owner is provably dead, and has been silent for
    /// `stale_after`.
    #[must_use]
    pub fn is_stale(&self, now: Timestamp, stale_after: SignedDuration) -> bool {
        self.life == Life::Dead && is_silent(self.quiet_since, now, stale_after)
    }

    /// When anyone may reclaim if the owner is dead; `None` where nothing tells when it was there.
    #[must_use]
    pub fn opens_at(&self, stale_after: SignedDuration) -> Option<Timestamp> {
        self.quiet_since?.checked_add(stale_after).ok()
    }

    /// Whether it may be taken over, or freed, by who asks for just that: the owner is provably
    /// dead; or no process can prove that it lives, and it has been silent for `stale_after`.
    #[must_use]
    pub fn is_left(&self, now: Timestamp, stale_after: SignedDuration) -> bool {
        self.life == Life::Dead
            || (self.claim.is_unproven() && is_silent(self.quiet_since, now, stale_after))
    }
}

/// Where a phase is.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a sprint has 256 at most")]
pub enum State {
    /// Nobody owns it and it is not done. It is *ready* when every dependency is done and passed.
    Pending,
    /// Somebody owns it. It is *stale* when anyone may reclaim it.
    Claimed(LiveClaim),
    /// It is complete, for ever.
    Done(Done),
}

/// The whole state of one sprint.
#[derive(Debug, Clone)]
pub struct Board {
    /// The sprint's record.
    pub sprint: Sprint,
    /// Its phases.
    pub graph: Graph,
    /// Where each phase is, in the graph's order.
    states: Vec<State>,
    /// Whether the process of who completed each phase lives.
    completers: Vec<Option<Life>>,
    /// The attempts at each phase that ended without a completion, the earliest first.
    past: Vec<Vec<Attempt>>,
    /// How many of these, the earliest ones, do not count any more.
    reset_attempts: Vec<u64>,
    /// Of which former owners of each phase the uncommitted work is still to be saved.
    dues: Vec<Vec<Due>>,
}

/// What the whole sprint amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Something is left to do.
    Active,
    /// Every phase is done.
    Finished,
    /// The sprint has been ended.
    Archived,
}

impl Board {
    /// A board on which nothing has been looked at yet: every phase is pending.
    #[must_use]
    pub fn new(sprint: Sprint, graph: Graph) -> Self {
        let states = vec![State::Pending; graph.count()];
        let completers = vec![None; graph.count()];
        let past = vec![Vec::new(); graph.count()];
        let reset_attempts = vec![0; graph.count()];
        let dues = vec![Vec::new(); graph.count()];
        Self { sprint, graph, states, completers, past, reset_attempts, dues }
    }

    /// Where `id` is.
    #[must_use]
    pub fn state(&self, id: PhaseId) -> &State {
        &self.states[id.index()]
    }

    /// Records where `id` was found to be.
    pub fn set(&mut self, id: PhaseId, state: State) {
        self.states[id.index()] = state;
    }

    /// The claims that stand.
    pub fn claims_mut(&mut self) -> impl Iterator<Item = &mut Claim> {
        self.states.iter_mut().filter_map(|state| match state {
            State::Claimed(hold) => Some(&mut hold.claim),
            State::Pending | State::Done(_) => None,
        })
    }

    /// The attempts at `id` that ended without a completion, the earliest first.
    #[must_use]
    pub fn past(&self, id: PhaseId) -> &[Attempt] {
        &self.past[id.index()]
    }

    /// Records the attempts at `id` that ended without a completion, the earliest first.
    pub fn set_past(&mut self, id: PhaseId, past: Vec<Attempt>) {
        self.past[id.index()] = past;
    }

    /// Of which former owners of `id` the uncommitted work is still to be saved.
    #[must_use]
    pub fn dues(&self, id: PhaseId) -> &[Due] {
        &self.dues[id.index()]
    }

    /// Records of which former owners of `id` the uncommitted work is still to be saved.
    pub fn set_dues(&mut self, id: PhaseId, dues: Vec<Due>) {
        self.dues[id.index()] = dues;
    }

    /// How many of the first attempts at `id` do not count any more.
    #[must_use]
    pub fn reset_attempts(&self, id: PhaseId) -> u64 {
        self.reset_attempts[id.index()]
    }

    /// Records how many of the first attempts at `id` do not count any more.
    pub fn set_reset_attempts(&mut self, id: PhaseId, count: u64) {
        self.reset_attempts[id.index()] = count;
    }

    /// Whether the process of who completed `id` lives. Dead, as long as nobody has looked: then
    /// who goes by the completer's name counts as the completer, started again.
    #[must_use]
    pub fn completer(&self, id: PhaseId) -> Life {
        self.seen_completer(id).unwrap_or(Life::Dead)
    }

    /// The same; `None` if nobody has looked.
    #[must_use]
    pub fn seen_completer(&self, id: PhaseId) -> Option<Life> {
        self.completers[id.index()]
    }

    /// Records whether the process of who completed `id` lives.
    pub fn set_completer(&mut self, id: PhaseId, life: Life) {
        self.completers[id.index()] = Some(life);
    }

    /// The dependencies that keep `id` from being claimed: not done, or failed.
    #[must_use]
    pub fn waits_for(&self, id: PhaseId) -> Vec<PhaseId> {
        let passed = |dep: &PhaseId| match self.state(*dep) {
            State::Done(done) => done.verdict == Verdict::Pass,
            State::Pending | State::Claimed(_) => false,
        };
        self.graph.phase(id).depends_on.iter().copied().filter(|dep| !passed(dep)).collect()
    }

    /// The dependencies of the phase called `name` that are done, and their records.
    #[must_use]
    pub fn builds_on(&self, name: &str) -> Vec<(String, Done)> {
        let Some(id) = self.graph.find(name) else { return Vec::new() };
        let done = |dep: &PhaseId| match self.state(*dep) {
            State::Done(done) => Some((self.graph.phase(*dep).name.clone(), done.clone())),
            State::Pending | State::Claimed(_) => None,
        };
        self.graph.phase(id).depends_on.iter().filter_map(done).collect()
    }

    /// What the dependencies of the phase called `name` built on themselves, where an artifact was
    /// handed over with it; what is nearest comes first.
    #[must_use]
    pub fn builds_on_before(&self, name: &str) -> Vec<(String, Done)> {
        let Some(id) = self.graph.find(name) else { return Vec::new() };
        let mut before = self.graph.ancestors(id);
        for dep in &self.graph.phase(id).depends_on {
            before.remove(dep);
        }
        let done = |dep: &PhaseId| match self.state(*dep) {
            State::Done(done) if done.artifact_sha256.is_some() => {
                Some((self.graph.phase(*dep).name.clone(), done.clone()))
            }
            State::Done(_) | State::Pending | State::Claimed(_) => None,
        };
        let order = self.graph.order();
        order.iter().rev().filter(|id| before.contains(id)).filter_map(done).collect()
    }

    /// The phases that are ready now and wait for the one called `name`.
    #[must_use]
    pub fn opened_by(&self, name: &str) -> Vec<String> {
        let Some(done) = self.graph.find(name) else { return Vec::new() };
        let opened =
            |id: &PhaseId| self.is_ready(*id) && self.graph.phase(*id).depends_on.contains(&done);
        self.graph.ids().filter(opened).map(|id| self.graph.phase(id).name.clone()).collect()
    }

    /// Whether `id` is pending and nothing keeps it from being claimed.
    #[must_use]
    pub fn is_ready(&self, id: PhaseId) -> bool {
        *self.state(id) == State::Pending && self.waits_for(id).is_empty()
    }

    /// How many phases are done.
    #[must_use]
    pub fn done_count(&self) -> usize {
        self.states.iter().filter(|state| matches!(state, State::Done(_))).count()
    }

    /// What the whole sprint amounts to.
    #[must_use]
    pub fn standing(&self) -> Standing {
        if self.sprint.is_archived() {
            Standing::Archived
        } else if self.done_count() == self.graph.count() {
            Standing::Finished
        } else {
            Standing::Active
        }
    }
}
