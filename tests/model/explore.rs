//! Which runs of a scenario to make: all with few preemptions, random ones, and each with every
//! kill, every fault or every power cut.
//!
//! Most faults of concurrent programs need very few preemptions (CHESS; Musuvathi and Qadeer,
//! 2007), so schedules are enumerated by their number: a switch away from a command that could go
//! on costs one, any other is free. Enumeration is depth first over the decisions of one run; no
//! schedule is stored. A run that fails is repeated with a trace, and says how to repeat it again:
//!
//! ```text
//! MODEL_REPLAY='scenario: A*5,B*7,A*2' cargo test --test model name_of_the_test
//! MODEL_DEPTH=4 cargo test --release --test model    # much deeper; the default is 2
//! ```

use std::collections::HashSet;
use std::fmt::{self, Display};

use rustix::io::Errno;

use crate::plan::{Effect, Fault, Kill, Mutex, Plan, Replay};
use crate::power::each_cut;
use crate::rng::Rng;
use crate::run::{Choice, Chooser, Mode, Run, Scenario, View, run};
use crate::world::{Quiet, Step};

/// How much to try.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Schedules with up to this many preemptions.
    pub(crate) preemptions: usize,
    /// Random schedules.
    pub(crate) random_runs: u64,
    /// Up to this many outcomes of one power cut are all tried,
    pub(crate) power_all: u64,
    /// and so many random ones if there are more.
    pub(crate) power_samples: u64,
    /// No exploration makes more runs than this.
    pub(crate) max_runs: u64,
}

impl Effort {
    /// What `MODEL_DEPTH` asks for: 1 to 4 and on; 2 unless it is set.
    pub(crate) fn from_env() -> Self {
        let depth = std::env::var("MODEL_DEPTH").ok().and_then(|depth| depth.parse().ok());
        Self::of_depth(depth.unwrap_or(2))
    }

    pub(crate) fn of_depth(depth: usize) -> Self {
        let scale = 10_u64.saturating_pow(u32::try_from(depth.saturating_sub(2)).unwrap_or(9));
        Self {
            preemptions: depth,
            random_runs: 5_000 * scale,
            power_all: (64 * scale).min(4_096),
            power_samples: 16 * scale,
            max_runs: 100_000 * scale * scale,
        }
    }

    /// The same with fewer preemptions, for what multiplies with kills or faults.
    pub(crate) fn lighter(self, by: usize) -> Self {
        Self { preemptions: self.preemptions.saturating_sub(by), ..self }
    }
}

/// What an exploration did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stats {
    /// Runs made; for schedules, those of the last and largest number of preemptions.
    pub(crate) runs: u64,
    /// States after a power cut that were looked at.
    pub(crate) cuts: u64,
    /// The last kill or fault that came to pass in any of them.
    pub(crate) struck: Option<Step>,
    /// Whether it was broken off at the limit of runs.
    pub(crate) broken_off: bool,
}

impl Stats {
    fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.cuts += other.cuts;
        self.struck = other.struck.or(self.struck);
        self.broken_off |= other.broken_off;
    }
}

/// A run in which something did not hold.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) reason: String,
    /// The text for `MODEL_REPLAY`.
    pub(crate) replay: String,
    pub(crate) trace: Vec<String>,
    /// Of the random run that found it.
    pub(crate) seed: Option<u64>,
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.reason)?;
        for line in &self.trace {
            writeln!(f, "  {line}")?;
        }
        if let Some(seed) = self.seed {
            writeln!(f, "seed {seed}")?;
        }
        write!(f, "MODEL_REPLAY='{}'", self.replay)
    }
}

/// The result of an exploration. The failure is boxed because it is large and rare.
pub(crate) type Explored = Result<Stats, Box<Failure>>;

/// Panics with the failing run, if there is one.
#[track_caller]
pub(crate) fn must_hold(explored: Explored) -> Stats {
    explored.unwrap_or_else(|failure| panic!("{failure}"))
}

/// Panics unless a run failed for a reason that contains `reason`.
#[track_caller]
pub(crate) fn must_fail(explored: Explored, reason: &str) -> Failure {
    match explored {
        Ok(stats) => panic!("nothing found in {stats:?}, but {reason:?} was to be"),
        Err(failure) if failure.reason.contains(reason) => *failure,
        Err(failure) => panic!("{reason:?} was to be found, but not {failure}"),
    }
}

/// Depth-first enumeration: the decisions of this run where there was more than one way to go.
struct Search {
    bound: usize,
    decisions: Vec<Decision>,
    depth: usize,
    spent: usize,
}

struct Decision {
    taken: usize,
    ways: usize,
}

impl Chooser for Search {
    fn choose(&mut self, choices: &[Choice]) -> usize {
        // Free choices come first: what costs too much is left off at the end.
        let affordable = |choice: &&Choice| !choice.preempts || self.spent < self.bound;
        let ways = choices.iter().take_while(affordable).count();
        let mut taken = 0;
        if ways > 1 {
            if self.depth == self.decisions.len() {
                self.decisions.push(Decision { taken: 0, ways });
            }
            taken = self.decisions[self.depth].taken;
            self.depth += 1;
        }
        self.spent += usize::from(choices[taken].preempts);
        taken
    }
}

impl Search {
    fn new(bound: usize) -> Self {
        Self { bound, decisions: Vec::new(), depth: 0, spent: 0 }
    }

    /// Goes to the next schedule, if there is one.
    fn advance(&mut self) -> bool {
        assert_eq!(self.depth, self.decisions.len(), "the scenario is not deterministic");
        (self.depth, self.spent) = (0, 0);
        while let Some(last) = self.decisions.last_mut() {
            last.taken += 1;
            if last.taken < last.ways {
                return true;
            }
            self.decisions.pop();
        }
        false
    }
}

/// Random decisions; how often a command is preempted differs from run to run.
struct Dice {
    rng: Rng,
    one_in: u64,
}

impl Chooser for Dice {
    fn choose(&mut self, choices: &[Choice]) -> usize {
        let free = choices.iter().take_while(|choice| !choice.preempts).count().max(1);
        let all = self.rng.below(self.one_in) == 0;
        self.rng.index(if all { choices.len() } else { free })
    }
}

/// Repeats a run: the commands in the order in which they are to take their steps.
struct Follow {
    picks: Vec<usize>,
    at: usize,
    strayed: bool,
}

impl Chooser for Follow {
    fn choose(&mut self, choices: &[Choice]) -> usize {
        let Some(pick) = self.picks.get(self.at) else { return 0 };
        self.at += 1;
        let found = choices.iter().position(|choice| choice.command == *pick);
        self.strayed |= found.is_none();
        found.unwrap_or(0)
    }
}

/// Checks what a power cut leaves: the run until then, and the world after it.
pub(crate) type CutCheck<'c, O> = &'c mut dyn FnMut(&View<'_, O>, Quiet) -> Result<(), String>;

/// Runs exactly what `replay` says, with a trace.
pub(crate) fn repeat<O: 'static>(
    scenario: &Scenario<O>,
    replay: &Replay,
    check_cut: Option<CutCheck<'_, O>>,
) -> Run<O> {
    let mut follow = Follow { picks: replay.picks.clone(), at: 0, strayed: false };
    let mode = Mode { traced: true, log_power: replay.cut.is_some() };
    let cut = replay.cut.as_ref().zip(check_cut);
    let end = replay.picks.len();
    let mut run = match cut {
        Some((fates, check)) => run(
            scenario,
            &replay.plan,
            &mut follow,
            mode,
            Some(&mut |view| {
                if view.steps == end { check(view, view.quiet().after_cut(fates)) } else { Ok(()) }
            }),
        ),
        None => run(scenario, &replay.plan, &mut follow, mode, None),
    };
    if follow.strayed {
        run.failure = Some("the schedule does not fit the commands".to_owned());
    }
    run
}

/// The run that `MODEL_REPLAY` asks for, if it is one of this scenario; its trace is printed.
fn asked_for<O: 'static>(
    scenario: &Scenario<O>,
    check_cut: Option<CutCheck<'_, O>>,
) -> Option<Explored> {
    let text = std::env::var("MODEL_REPLAY").ok()?;
    if text.split(':').next() != Some(scenario.name) {
        return None;
    }
    let replay = Replay::parse(&text, &scenario.names).unwrap();
    let run = repeat(scenario, &replay, check_cut);
    for line in &run.trace {
        eprintln!("  {line}");
    }
    let Some(reason) = run.failure else {
        eprintln!("holds: {text}");
        return Some(Ok(Stats { runs: 1, ..Stats::default() }));
    };
    Some(Err(Box::new(Failure { reason, replay: text, trace: run.trace, seed: None })))
}

/// What is to be told of a run that failed: it is repeated for its trace.
fn explain<O: 'static>(
    scenario: &Scenario<O>,
    replay: &Replay,
    reason: &str,
    check_cut: Option<CutCheck<'_, O>>,
) -> Failure {
    let again = repeat(scenario, replay, check_cut);
    let mut reason = format!("{}: {reason}", scenario.name);
    if !again.failure.as_ref().is_some_and(|again| reason.ends_with(again)) {
        reason = format!("{reason}; but when it was repeated: {:?}", again.failure);
    }
    let replay = replay.text(&scenario.names);
    Failure { reason, replay, trace: again.trace, seed: None }
}

fn failed<O: 'static>(scenario: &Scenario<O>, plan: &Plan, run: Run<O>) -> Result<(), Failure> {
    let Run { picks, failure: Some(reason), .. } = run else { return Ok(()) };
    let scenario_name = scenario.name.to_owned();
    let replay = Replay { scenario: scenario_name, picks, plan: plan.clone(), cut: None };
    Err(explain(scenario, &replay, &reason, None))
}

/// Makes all runs with at most `effort.preemptions` preemptions, those with fewer first.
pub(crate) fn explore<O: 'static>(scenario: &Scenario<O>, plan: &Plan, effort: Effort) -> Explored {
    if let Some(explored) = asked_for(scenario, None) {
        return explored;
    }
    let mut stats = Stats::default();
    for bound in 0..=effort.preemptions {
        let struck = stats.struck;
        stats = Stats { struck, ..Stats::default() };
        let mut search = Search::new(bound);
        loop {
            let run = run(scenario, plan, &mut search, Mode::default(), None);
            stats.add(Stats { runs: 1, struck: run.struck, ..Stats::default() });
            failed(scenario, plan, run)?;
            if !search.advance() {
                break;
            }
            if stats.runs >= effort.max_runs {
                stats.broken_off = true;
                return Ok(stats);
            }
        }
    }
    Ok(stats)
}

/// What random runs may draw besides the schedule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Chaos {
    /// Up to two kills.
    pub(crate) kills: bool,
    /// Up to one fault.
    pub(crate) faults: bool,
    /// Any behaviour of the mutex.
    pub(crate) mutex: bool,
}

impl Chaos {
    /// Everything.
    pub(crate) const ALL: Self = Self { kills: true, faults: true, mutex: true };

    fn draw(self, plan: &Plan, commands: usize, rng: &mut Rng) -> Plan {
        let mut plan = plan.clone();
        plan.salt = rng.below(64);
        if self.mutex {
            plan.mutex = [Mutex::Working, Mutex::Absent, Mutex::Lying][rng.index(3)];
        }
        let kills = if self.kills { rng.below(3) } else { 0 };
        for _ in 0..kills {
            let (command, step) = (rng.index(commands), 1 + rng.index(60));
            plan.kills.push(Kill { command, step, torn: rng.below(2) == 0 });
        }
        if self.faults && rng.below(2) == 0 {
            let (command, step) = (rng.index(commands), 1 + rng.index(60));
            let errno = FAULTS[rng.index(FAULTS.len())];
            plan.faults.push(Fault { command, step, errno, effect: Effect::None });
        }
        plan
    }
}

/// The errors that every step is tried with.
pub(crate) const FAULTS: &[Errno] = &[Errno::NOSPC, Errno::IO, Errno::ACCESS, Errno::INTR];

/// Makes random runs; the first one has the seed `seed`, the next `seed + 1`, and so on.
pub(crate) fn explore_random<O: 'static>(
    scenario: &Scenario<O>,
    plan: &Plan,
    chaos: Chaos,
    runs: u64,
    seed: u64,
) -> Explored {
    if let Some(explored) = asked_for(scenario, None) {
        return explored;
    }
    let mut stats = Stats::default();
    for seed in seed..seed + runs {
        let mut rng = Rng::new(seed);
        let plan = chaos.draw(plan, scenario.names.len(), &mut rng);
        let one_in = [1, 2, 4, 10, 30][rng.index(5)];
        let mut dice = Dice { rng, one_in };
        let run = run(scenario, &plan, &mut dice, Mode::default(), None);
        stats.add(Stats { runs: 1, struck: run.struck, ..Stats::default() });
        failed(scenario, &plan, run).map_err(|failure| Failure { seed: Some(seed), ..failure })?;
    }
    Ok(stats)
}

/// Explores with each command killed before each of its steps, and in the middle of each write.
pub(crate) fn kill_everywhere<O: 'static>(
    scenario: &Scenario<O>,
    plan: &Plan,
    effort: Effort,
) -> Explored {
    let mut stats = Stats::default();
    for command in 0..scenario.names.len() {
        for step in 1.. {
            let kill = Kill { command, step, torn: false };
            let killed = explore(scenario, &plan.with_kill(kill), effort)?;
            stats.add(killed);
            match killed.struck {
                None => break,
                Some(Step::Write) => {
                    let plan = plan.with_kill(Kill { torn: true, ..kill });
                    stats.add(explore(scenario, &plan, effort)?);
                }
                Some(Step::Look | Step::Change | Step::Sync | Step::Other) => {}
            }
        }
    }
    Ok(stats)
}

/// Explores with each step of each command failing once with each of `errnos`.
pub(crate) fn fail_everywhere<O: 'static>(
    scenario: &Scenario<O>,
    plan: &Plan,
    errnos: &[Errno],
    effort: Effort,
) -> Explored {
    let mut stats = Stats::default();
    for command in 0..scenario.names.len() {
        for errno in errnos.iter().copied() {
            for step in 1.. {
                let fault = Fault { command, step, errno, effect: Effect::None };
                let failing = explore(scenario, &plan.with_fault(fault), effort)?;
                stats.add(failing);
                if failing.struck.is_none() {
                    break;
                }
                if failing.struck == Some(Step::Write) && errno == Errno::NOSPC {
                    let plan = plan.with_fault(Fault { effect: Effect::Half, ..fault });
                    stats.add(explore(scenario, &plan, effort)?);
                }
            }
        }
    }
    Ok(stats)
}

/// What was there after the power cuts that were looked at, by the steps before them. Cuts that
/// differ in what is lost may leave the same: how much there was of a file, say, whose name is
/// lost. And two runs that begin with the same steps are one until they part, at the clock as well.
#[derive(Default)]
struct Looked {
    picks: Vec<usize>,
    /// After so many of these steps.
    trees: Vec<(usize, HashSet<u128>)>,
}

impl Looked {
    /// The trees that were there after a cut behind `picks`.
    fn after(&mut self, picks: &[usize]) -> &mut HashSet<u128> {
        let common = self.picks.iter().zip(picks).take_while(|(was, is)| was == is).count();
        self.trees.retain(|(steps, _)| *steps <= common);
        self.picks = picks.to_vec();
        let steps = picks.len();
        let known = self.trees.iter().position(|(known, _)| *known == steps);
        let known = known.unwrap_or_else(|| {
            self.trees.push((steps, HashSet::new()));
            self.trees.len() - 1
        });
        &mut self.trees[known].1
    }
}

/// Cuts the power after each step of each run with at most `effort.preemptions` preemptions, and
/// shows `check` what may be there when the machine is up again. Everyone is dead then.
pub(crate) fn cut_everywhere<O: 'static>(
    scenario: &Scenario<O>,
    plan: &Plan,
    effort: Effort,
    check: CutCheck<'_, O>,
) -> Explored {
    if let Some(explored) = asked_for(scenario, Some(&mut *check)) {
        return explored;
    }
    let mut stats = Stats::default();
    let mut search = Search::new(effort.preemptions);
    let mode = Mode { traced: false, log_power: true };
    let mut looked = Looked::default();
    loop {
        let mut seen = None;
        let mut fatal = None;
        let mut rng = Rng::new(stats.runs);
        let mut watch = |view: &View<'_, O>| {
            let pending = view.fs.log.as_ref().map(crate::power::Log::version);
            let version = (pending, view.notes.len());
            if seen.replace(version) == Some(version) {
                return Ok(());
            }
            let quiet = view.quiet();
            let trees = looked.after(view.picks);
            let (all, samples) = (effort.power_all, effort.power_samples);
            stats.cuts += each_cut(&quiet.fs.cut_ways(), all, samples, &mut rng, |fates| {
                // Set beforehand: the check may panic.
                fatal = Some(fates.to_vec());
                let left = quiet.after_cut(fates);
                if !trees.insert(left.fs.fingerprint()) {
                    return Ok(());
                }
                check(view, left)
            })?;
            fatal = None;
            Ok(())
        };
        let run = run(scenario, plan, &mut search, mode, Some(&mut watch));
        stats.add(Stats { runs: 1, struck: run.struck, ..Stats::default() });
        if let (Some(reason), Some(fates)) = (run.failure.clone(), fatal) {
            let scenario_name = scenario.name.to_owned();
            let (picks, plan) = (run.picks, plan.clone());
            let replay = Replay { scenario: scenario_name, picks, plan, cut: Some(fates) };
            return Err(explain(scenario, &replay, &reason, Some(check)).into());
        }
        failed(scenario, plan, run)?;
        if !search.advance() {
            return Ok(stats);
        }
        if stats.runs >= effort.max_runs {
            stats.broken_off = true;
            return Ok(stats);
        }
    }
}
