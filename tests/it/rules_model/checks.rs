//! What is held against every step and every world, beside the contract's answers: invariants in
//! terms of who really lives, and what the lists say.

use git_conductor::record::Verdict;
use git_conductor::rules::decide;
use git_conductor::rules::identity::Life;
use git_conductor::rules::others::{Advice, Alive, Prospect};
use git_conductor::rules::refusal::Retry;
use git_conductor::rules::request::{Change, Request};
use git_conductor::rules::{PhaseId, Refusal};

use super::contract::Kin;
use super::events::Event;
use super::explore::{Step, View, Walk};
use super::sprint::{Scenario, claim};
use super::world::{Age, Finished, Held, Kind, Place, World};

/// What is held against every world and every step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Check {
    /// The answer is the contract's.
    Answer,
    /// What a refusal says is so.
    Facts,
    /// No claim leaves a living owner, but by its own doing, by force, or to the same user.
    OneLiveOwner,
    /// Nor one that may be living.
    UnknownIsAlive,
    /// Nor a dead one before its time, unless that is asked for.
    TheHour,
    /// Only the owner completes and aborts.
    Fence,
    /// Done is for ever, and not to be claimed.
    DoneForEver,
    /// Nothing begins before what it depends on has passed.
    DependenciesFirst,
    /// Nobody owns what checks its own work.
    FourEyes,
    /// Who is granted a claim is its living owner.
    GrantedIsLive,
    /// `next` lists what can be claimed, all of it, and why there is none.
    Next,
    /// `holding` and `mine` list what is the asker's.
    Holding,
    /// `may_end` says whose claims stand in the way.
    MayEnd,
    /// What will never succeed never does.
    Never,
    /// Who is told that waiting helps can get a phase in some world that follows.
    WaitingHelps,
    /// A stranger can finish the sprint once everybody has gone.
    NotWedged,
}

impl Scenario {
    fn who(&self, view: View<'_>) -> String {
        format!("asked by {} from {}", self.name_of(view.asker), view.worktree)
    }
}

impl Walk<'_> {
    /// The invariants of a step, in terms of who really lives.
    pub(super) fn check_step(
        &mut self,
        view: View<'_>,
        phase: usize,
        (request, change): (&Request, Change),
        after: Option<&World>,
    ) {
        let View { at, world, asker, worktree, .. } = view;
        let scenario = self.scenario;
        let what = || {
            let event =
                Event::Asks { agent: asker.agent, worktree, phase, request: request.clone() };
            format!("{}: {change:?}", scenario.tell(&event))
        };
        let claims = matches!(request, Request::Claim { .. });
        let before = &world.places[phase];
        if let Place::Done(_) = before {
            let kept = after.is_none_or(|after| after.places[phase] == *before);
            self.check(Check::DoneForEver, at, kept && !claims, what);
        }
        if claims
            && let Some(after) = after
            && let Place::Held(held) = &after.places[phase]
        {
            let me = scenario.present(after, asker.agent);
            let live = scenario.seen(after, me, held.by) != Life::Dead;
            self.check(Check::GrantedIsLive, at, live, what);
        } else if claims && let Place::Held(held) = before {
            let live = scenario.seen(world, asker, held.by) != Life::Dead;
            self.check(Check::GrantedIsLive, at, live, what);
        }
        let Place::Held(held) = before else {
            let completes = matches!(request, Request::Complete { .. }) && after.is_some();
            self.check(Check::Fence, at, !completes, what);
            return;
        };
        if scenario.kin(world, asker, held) != Kin::Other {
            let barred = claims && scenario.elsewhere(world, asker, worktree, held);
            self.check(Check::OneLiveOwner, at, !barred, what);
            return;
        }
        let forced = *request == Request::Unstuck { force: true };
        let to_other_terminal = *request == claim(true) && scenario.same_user(asker, held);
        // Nothing proves that it lives, and it has long been silent: who asks for just that may.
        let asked = *request == claim(true) || *request == Request::Unstuck { force: false };
        if forced || to_other_terminal || (asked && scenario.is_silent(held)) {
            return;
        }
        let misjudged = scenario.agents[held.by.agent]
            .process
            .is_some_and(|slot| scenario.slots[slot].misjudged);
        let lives = Scenario::lives(world, scenario.process_of(held.by))
            && !misjudged
            && !world.ended[held.by.agent];
        self.check(Check::OneLiveOwner, at, !lives, what);
        let seen = scenario.seen(world, asker, held.by);
        self.check(Check::UnknownIsAlive, at, seen != Life::Unknown, what);
        let early = *request == claim(false) && held.age != Age::Old;
        self.check(Check::TheHour, at, !early, what);
        let owners_only = matches!(request, Request::Complete { .. } | Request::Abort);
        self.check(Check::Fence, at, !owners_only, what);
    }

    /// The invariants of a world.
    pub(super) fn check_world(&mut self, at: usize, world: &World) {
        let scenario = self.scenario;
        for (phase, place) in world.places.iter().enumerate() {
            let name = || scenario.phase(phase).clone();
            if *place != Place::Pending {
                let passed = scenario.waits_for(world, phase).is_empty();
                self.check(Check::DependenciesFirst, at, passed, name);
            }
            // A script asks nobody.
            let by = match place {
                Place::Held(held) if held.kind == Kind::Ours => held.by,
                Place::Done(Finished { by: Some(by), script: false, .. }) => *by,
                Place::Pending | Place::Held(_) | Place::Done(_) => continue,
            };
            for other in &scenario.graph.phase(scenario.phases[phase]).not_by {
                let Place::Done(checked) = &world.places[other.index()] else {
                    self.check(Check::FourEyes, at, false, name);
                    continue;
                };
                let another =
                    checked.by.is_some_and(|author| !scenario.same_author(author, checked, by));
                self.check(Check::FourEyes, at, another, name);
            }
        }
    }

    /// `next`, `holding`, `mine` and `may_end`.
    pub(super) fn check_lists(&mut self, view: View<'_>, bit: usize) {
        self.check_next(view, bit);
        self.check_holding(view);
        self.check_may_end(view);
    }

    fn check_next(&mut self, view: View<'_>, bit: usize) {
        let View { at, world, asker, worktree, board, facts } = view;
        let scenario = self.scenario;
        let all = || 0..scenario.phases.len();
        let name = |phase: usize| scenario.phase(phase).clone();
        let answer = |phase: usize| scenario.expected(world, asker, worktree, phase, &claim(false));
        let open: Vec<usize> =
            all().filter(|phase| ["take", "take over"].contains(&answer(*phase))).collect();
        let barred: Vec<String> =
            all().filter(|phase| answer(*phase) == "four_eyes").map(name).collect();
        let finished = world.places.iter().all(|place| matches!(place, Place::Done(_)));
        let next = (self.rules.next)(board, facts);
        match &next {
            Ok(_) => self.granted[at] |= 1 << bit,
            Err(Refusal::NothingReady { prospect, exhausted, .. }) => {
                self.promise(at, bit, prospect, exhausted.is_empty());
            }
            Err(Refusal::NotForYou { prospect, .. }) => self.promise(at, bit, prospect, true),
            Err(refusal) => {
                if refusal.retry() == Retry::Never {
                    self.never[at] |= 1 << bit;
                }
            }
        }
        let right = match &next {
            Ok(ids) => {
                !ids.is_empty() && ids.iter().map(|id| id.index()).collect::<Vec<_>>() == open
            }
            Err(Refusal::Finished {}) => open.is_empty() && finished,
            Err(Refusal::NotForYou { phases, .. }) => {
                open.is_empty() && !finished && !phases.is_empty() && *phases == barred
            }
            Err(Refusal::NothingReady { claimed, failed, exhausted, .. }) => {
                let spent = |phase: &usize| match &world.places[*phase] {
                    Place::Pending => scenario.exhausted(world, *phase),
                    Place::Held(_) => scenario.spent(world, asker, *phase),
                    Place::Done(_) => false,
                };
                let is_held = |phase: &usize| world.held(*phase).is_some() && !spent(phase);
                let fails = |phase: &usize| world.is_done(*phase, Verdict::Fail);
                open.is_empty()
                    && !finished
                    && barred.is_empty()
                    && claimed.iter().map(|held| held.phase.clone()).collect::<Vec<_>>()
                        == all().filter(is_held).map(name).collect::<Vec<_>>()
                    && *failed == all().filter(fails).map(name).collect::<Vec<_>>()
                    && *exhausted == all().filter(spent).map(name).collect::<Vec<_>>()
                    // Something must be in the way.
                    && !(claimed.is_empty() && failed.is_empty() && exhausted.is_empty())
            }
            Err(_) => false,
        };
        self.check(Check::Next, at, right, || format!("{}: {next:?}", scenario.who(view)));
    }

    /// Notes what is said of waiting: that it helps, or that it never can. Another agent may come,
    /// and a person may let what is exhausted be tried again.
    fn promise(&mut self, at: usize, bit: usize, prospect: &Prospect, nothing_is_exhausted: bool) {
        let is_final = match prospect.advice {
            Advice::Others => true,
            Advice::Person => nothing_is_exhausted,
            Advice::AnotherAgent
            | Advice::GoOn
            | Advice::TakeOver
            | Advice::Wait
            | Advice::MayStop => false,
        };
        if is_final {
            self.never[at] |= 1 << bit;
        }
        // Who cannot be seen counts as alive, and may be gone for ever.
        let all_are_seen = prospect.seen.iter().all(|seen| seen.alive != Alive::Unknown);
        if prospect.waiting_helps && all_are_seen {
            self.hopes[at] |= 1 << bit;
        }
    }

    fn check_holding(&mut self, view: View<'_>) {
        let View { at, world, asker, worktree, board, facts } = view;
        let scenario = self.scenario;
        let is_mine = |held: &Held| {
            held.kind != Kind::Plain && scenario.kin(world, asker, held) != Kin::Other
        };
        let mine: Vec<usize> = (0..scenario.phases.len())
            .filter(|phase| world.held(*phase).is_some_and(is_mine))
            .collect();
        let listed: Vec<usize> =
            decide::mine(board, facts).into_iter().map(PhaseId::index).collect();
        self.check(Check::Holding, at, listed == mine, || {
            format!("{}: mine: {listed:?}", scenario.who(view))
        });
        let here = mine.iter().copied().find(|phase| {
            let is_here = |held: &Held| held.kind == Kind::Ours && held.worktree == worktree;
            world.held(*phase).is_some_and(is_here)
        });
        let holding = (self.rules.holding)(board, facts);
        let right = match &holding {
            None => here.is_none(),
            Some(Refusal::Holding { phase, .. }) => {
                here.map(|here| scenario.phase(here)) == Some(phase)
            }
            Some(_) => false,
        };
        self.check(Check::Holding, at, right, || format!("{}: {holding:?}", scenario.who(view)));
    }

    fn check_may_end(&mut self, view: View<'_>) {
        let View { at, world, asker, board, facts, .. } = view;
        let scenario = self.scenario;
        let stands_in_the_way = |held: &Held| {
            scenario.seen(world, asker, held.by) != Life::Dead
                && scenario.kin(world, asker, held) == Kin::Other
        };
        let in_the_way: Vec<&String> = (0..scenario.phases.len())
            .filter(|phase| world.held(*phase).is_some_and(stands_in_the_way))
            .map(|phase| scenario.phase(phase))
            .collect();
        let may_end = (self.rules.may_end)(board, facts, true);
        let right = match &may_end {
            Ok(()) => in_the_way.is_empty(),
            Err(Refusal::LiveClaims { claims, starting: true }) => {
                !claims.is_empty()
                    && claims.iter().map(|held| &held.phase).collect::<Vec<_>>() == in_the_way
            }
            Err(_) => false,
        };
        self.check(Check::MayEnd, at, right, || format!("{}: {may_end:?}", scenario.who(view)));
    }

    /// What was refused for ever is not granted in any world that follows, while the asker is the
    /// same process.
    pub(super) fn check_never(&mut self) {
        let scenario = self.scenario;
        let per_worktree = 1 + scenario.phases.len() * scenario.requests.len();
        // The requests of those who are others after a slot has restarted.
        let mut masks = vec![0_u128; scenario.slots.len()];
        let mut bit = 0;
        for agent in scenario.agents.iter().take(scenario.walkers).filter(|agent| !agent.script) {
            for _ in 0..agent.worktrees.len() * per_worktree {
                for slot in [agent.process, agent.above].into_iter().flatten() {
                    masks[slot] |= 1 << bit;
                }
                bit += 1;
            }
        }
        let mut before: Vec<Vec<Step>> = vec![Vec::new(); self.worlds.len()];
        for (from, steps) in self.steps.iter().enumerate() {
            for &(to, restarted) in steps {
                before[to].push((from, restarted));
            }
        }
        let mut later = self.granted.clone();
        let mut open: Vec<usize> = (0..later.len()).collect();
        while let Some(world) = open.pop() {
            for &(from, restarted) in &before[world] {
                let carried = later[world] & !restarted.map_or(0, |slot| masks[slot]);
                if carried & !later[from] != 0 {
                    later[from] |= carried;
                    open.push(from);
                }
            }
        }
        for (at, granted_later) in later.into_iter().enumerate() {
            let in_vain = self.hopes[at] & !granted_later;
            self.check(Check::WaitingHelps, at, in_vain == 0, || {
                format!("asker {}", in_vain.trailing_zeros() as usize / per_worktree)
            });
            let lied = self.never[at] & granted_later;
            self.check(Check::Never, at, lied == 0, || {
                let bit = lied.trailing_zeros() as usize;
                format!("request {} of asker {}", bit % per_worktree, bit / per_worktree)
            });
        }
    }
}
