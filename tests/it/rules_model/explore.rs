//! The walk itself: from the empty board to every world that can be reached, breadth first, with
//! everything asked and checked on the way.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use git_conductor::rules::decide;
use git_conductor::rules::identity::Life;
use git_conductor::rules::next;
use git_conductor::rules::refusal::Retry;
use git_conductor::rules::request::{Change, Facts, Request};
use git_conductor::rules::{Board, PhaseId, Refusal};

use super::board::facts;
use super::checks::Check;
use super::contract::{Kin, in_a_word};
use super::events::Event;
use super::rescue::Rescue;
use super::sprint::Scenario;
use super::world::{Age, Author, Kind, Place, World};

pub(super) type Answer = Result<Change, Refusal>;
pub(super) type Decide = fn(&Board, PhaseId, &Request, Facts<'_>) -> Answer;
pub(super) type Next = fn(&Board, Facts<'_>) -> Result<Vec<PhaseId>, Refusal>;

/// The rules under test: the shipped ones, or broken ones.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    pub(super) decide: Decide,
    pub(super) next: Next,
    pub(super) holding: fn(&Board, Facts<'_>) -> Option<Refusal>,
    pub(super) may_end: fn(&Board, Facts<'_>, bool) -> Result<(), Refusal>,
}

pub(super) const SHIPPED: Rules = Rules {
    decide: decide::decide,
    next: next::next,
    holding: next::holding,
    may_end: decide::may_end,
};

/// What a walk found.
#[derive(Default)]
pub(super) struct Report {
    pub(super) worlds: usize,
    pub(super) steps: usize,
    pub(super) answers: usize,
    /// Worlds in which only force gets the sprint on: an owner of whom nothing can be known.
    pub(super) by_force: usize,
    /// Worlds in which nobody may go on: what must not be checked by its author has no known one.
    pub(super) by_nobody: usize,
    /// Request, state of the phase, answer.
    pub(super) cells: BTreeMap<(&'static str, &'static str, &'static str), usize>,
    pub(super) broken: BTreeMap<Check, String>,
}

/// The first of the breaches of a check, and how many there are.
struct Violation {
    world: usize,
    what: String,
    count: usize,
}

/// A world that follows, and the slot that restarted on the way.
pub(super) type Step = (usize, Option<usize>);

/// A walk on its way.
pub(super) struct Walk<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) rules: Rules,
    pub(super) worlds: Vec<World>,
    /// For each world the one it was first met from, and by which event.
    from: Vec<Option<(usize, Event)>>,
    known: HashMap<World, usize>,
    pub(super) rescues: HashMap<World, Rescue>,
    /// For each world its successors.
    pub(super) steps: Vec<Vec<Step>>,
    /// For each world, which requests are granted and which are refused for ever.
    pub(super) granted: Vec<u128>,
    pub(super) never: Vec<u128>,
    /// The askers, as bits, that are told in each world that waiting helps.
    pub(super) hopes: Vec<u128>,
    violations: BTreeMap<Check, Violation>,
    pub(super) report: Report,
}

/// One agent in one worktree, who looks at one world.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) at: usize,
    pub(super) world: &'a World,
    pub(super) asker: Author,
    pub(super) worktree: &'static str,
    pub(super) board: &'a Board,
    pub(super) facts: Facts<'a>,
}

fn row(request: &Request) -> &'static str {
    match request {
        Request::Claim { takeover: false } => "claim",
        Request::Claim { takeover: true } => "claim --takeover",
        Request::Complete { .. } => "complete",
        Request::Abort => "abort",
        Request::Unstuck { force: false } => "unstuck",
        Request::Unstuck { force: true } => "unstuck --force",
    }
}

impl Scenario {
    /// A phase's state, as the table of answers has it.
    fn column(&self, world: &World, asker: Author, phase: usize) -> &'static str {
        match &world.places[phase] {
            Place::Pending => "pending",
            Place::Done(_) => "done",
            Place::Held(held) if held.kind == Kind::Plain => "old layout",
            Place::Held(held) if self.kin(world, asker, held) != Kin::Other => "mine",
            Place::Held(held)
                if held.age == Age::Old && self.seen(world, asker, held.by) == Life::Dead =>
            {
                "stale"
            }
            Place::Held(_) => "another's",
        }
    }
}

/// Walks until nothing is new, or until `enough` is broken.
pub(super) fn walk(scenario: &Scenario, rules: Rules, enough: Option<Check>) -> Report {
    let mut walk = Walk {
        scenario,
        rules,
        worlds: Vec::new(),
        from: Vec::new(),
        known: HashMap::new(),
        rescues: HashMap::new(),
        steps: Vec::new(),
        granted: Vec::new(),
        never: Vec::new(),
        hopes: Vec::new(),
        violations: BTreeMap::new(),
        report: Report::default(),
    };
    walk.meet(scenario.start(), None);
    let mut at = 0;
    while at < walk.worlds.len() {
        walk.look_at(at);
        at += 1;
        if enough.is_some_and(|check| walk.violations.contains_key(&check)) {
            break;
        }
    }
    if at == walk.worlds.len()
        && enough.is_none_or(|check| matches!(check, Check::Never | Check::WaitingHelps))
    {
        walk.check_never();
    }
    walk.finish()
}

impl Walk<'_> {
    /// The number of a world; a new one is to be looked at.
    fn meet(&mut self, world: World, from: Option<(usize, Event)>) -> usize {
        if let Some(&known) = self.known.get(&world) {
            return known;
        }
        let number = self.worlds.len();
        self.known.insert(world.clone(), number);
        self.worlds.push(world);
        self.from.push(from);
        self.steps.push(Vec::new());
        self.granted.push(0);
        self.never.push(0);
        self.hopes.push(0);
        number
    }

    /// Keeps the first breach of each check, and counts the others.
    pub(super) fn check(
        &mut self,
        check: Check,
        world: usize,
        holds: bool,
        what: impl FnOnce() -> String,
    ) {
        if holds {
            return;
        }
        self.violations
            .entry(check)
            .and_modify(|violation| violation.count += 1)
            .or_insert_with(|| Violation { world, what: what(), count: 1 });
    }

    /// Asks everything that can be asked in a world, and lets everything happen that can.
    fn look_at(&mut self, at: usize) {
        let scenario = self.scenario;
        let world = self.worlds[at].clone();
        self.check_world(at, &world);
        self.check_rescue(at, &world);
        let mut bit = 0;
        for agent in 0..scenario.walkers {
            if scenario.agents[agent].script {
                continue;
            }
            let asker = scenario.present(&world, agent);
            let gone = !scenario.is_there(&world, agent);
            let board = scenario.board(&world, asker);
            for worktree in scenario.agents[agent].worktrees {
                let me = scenario.me(&world, asker, worktree);
                let facts = facts(&me);
                let view = View { at, world: &world, asker, worktree, board: &board, facts };
                if !gone {
                    self.check_lists(view, bit);
                }
                bit += 1;
                for phase in 0..scenario.phases.len() {
                    for request in &scenario.requests {
                        if !gone {
                            self.ask(view, phase, request, bit);
                        }
                        bit += 1;
                    }
                }
            }
        }
        assert!(bit <= 128, "{}: too many requests for the mask", scenario.name);
        for (event, after) in scenario.happenings(&world) {
            let restarted = if let Event::Restarts(slot) = event { Some(slot) } else { None };
            let next = self.meet(after, Some((at, event)));
            self.steps[at].push((next, restarted));
        }
    }

    /// Asks one thing of one phase, checks the answer and takes the step that it grants.
    fn ask(&mut self, view: View<'_>, phase: usize, request: &Request, bit: usize) {
        let View { at, world, asker, worktree, board, facts } = view;
        let scenario = self.scenario;
        let id = scenario.phases[phase];
        let answer = (self.rules.decide)(board, id, request, facts);
        self.report.answers += 1;
        let event =
            || Event::Asks { agent: asker.agent, worktree, phase, request: request.clone() };
        let told = in_a_word(&answer);
        let expected = scenario.expected(world, asker, worktree, phase, request);
        self.check(Check::Answer, at, told == expected, || {
            format!("{}: answered '{told}', to be '{expected}'", scenario.tell(&event()))
        });
        let cell = (row(request), scenario.column(world, asker, phase), told);
        *self.report.cells.entry(cell).or_default() += 1;
        let change = match answer {
            Ok(change) => change,
            Err(refusal) => {
                if matches!(refusal, Refusal::Done { .. } | Refusal::FourEyes { .. })
                    && refusal.retry() == Retry::Never
                {
                    self.never[at] |= 1 << bit;
                }
                let wrong = scenario.wrong(world, asker, phase, &refusal);
                self.check(Check::Facts, at, wrong.is_none(), || {
                    format!("{}: {refusal:?}: {wrong:?}", scenario.tell(&event()))
                });
                return;
            }
        };
        if !matches!(change, Change::Confirm | Change::Nothing) {
            self.granted[at] |= 1 << bit;
        }
        let after = scenario.apply(world, asker, worktree, phase, (request, change));
        self.check_step(view, phase, (request, change), after.as_ref());
        if let Some(after) = after {
            let next = self.meet(after, Some((at, event())));
            self.steps[at].push((next, None));
        }
    }

    /// Tells of each broken check what it was and how it came about.
    fn finish(mut self) -> Report {
        for (check, violation) in &self.violations {
            let mut path = Vec::new();
            let mut at = violation.world;
            while let Some((from, event)) = &self.from[at] {
                path.push(self.scenario.tell(event));
                at = *from;
            }
            path.reverse();
            let mut text = format!("{} times, first: {}", violation.count, violation.what);
            for step in path {
                _ = write!(text, "\n    after {step}");
            }
            _ = write!(text, "\n    in {:?}", self.worlds[violation.world]);
            self.report.broken.insert(*check, text);
        }
        self.report.worlds = self.worlds.len();
        self.report.steps = self.steps.iter().map(Vec::len).sum();
        self.report
    }
}
