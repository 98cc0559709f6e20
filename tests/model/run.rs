//! One run of a scenario: its commands as coroutines, one step at a time.
//!
//! Every operation hands over to the loop below *before* it takes effect; the loop decides who goes
//! on. A command that has not run yet starts with its first step, so that what it does before it
//! (looking at the clock, say) is not done too early. All of it is deterministic: equal decisions
//! give equal runs.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};

use rustix::io::Errno;

use crate::fs::SimFs;
use crate::plan::Plan;
use crate::server::Server;
use crate::world::{Ctx, Dead, Life, Note, Quiet, Shared, Step};

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome<O> {
    /// It ran to its end.
    Done(O),
    /// It was killed.
    Killed,
}

impl<O> Outcome<O> {
    /// What it returned, if it ran to its end.
    pub(crate) fn done(&self) -> Option<&O> {
        match self {
            Self::Done(value) => Some(value),
            Self::Killed => None,
        }
    }
}

type Body<O> = Rc<dyn Fn(&Ctx<'_>) -> O>;
type Check<O> = Box<dyn Fn(&View<'_, O>) -> Result<(), String>>;

/// Some commands that run at the same time, and what must hold.
pub(crate) struct Scenario<O> {
    pub(crate) name: &'static str,
    pub(crate) start: Quiet,
    pub(crate) names: Vec<&'static str>,
    bodies: Vec<Body<O>>,
    always: Vec<Check<O>>,
    finally: Vec<Check<O>>,
    max_steps: usize,
}

impl<O: 'static> Scenario<O> {
    /// A scenario that begins in `start`; `name` is how replays call it.
    pub(crate) fn new(name: &'static str, start: Quiet) -> Self {
        Self {
            name,
            start,
            names: Vec::new(),
            bodies: Vec::new(),
            always: Vec::new(),
            finally: Vec::new(),
            max_steps: 5_000,
        }
    }

    /// Adds a command. It is run anew for every schedule, so it must keep nothing between runs.
    pub(crate) fn command(
        mut self,
        name: &'static str,
        body: impl Fn(&Ctx<'_>) -> O + 'static,
    ) -> Self {
        self.names.push(name);
        self.bodies.push(Rc::new(body));
        self
    }

    /// Must hold after every step.
    pub(crate) fn always(
        mut self,
        check: impl Fn(&View<'_, O>) -> Result<(), String> + 'static,
    ) -> Self {
        self.always.push(Box::new(check));
        self
    }

    /// Must hold when all commands have ended.
    pub(crate) fn finally(
        mut self,
        check: impl Fn(&View<'_, O>) -> Result<(), String> + 'static,
    ) -> Self {
        self.finally.push(Box::new(check));
        self
    }

    /// Runs of more steps than this are taken never to end.
    pub(crate) fn max_steps(mut self, steps: usize) -> Self {
        self.max_steps = steps;
        self
    }
}

/// A run as an invariant sees it: from outside, without steps.
pub(crate) struct View<'a, O> {
    pub(crate) fs: &'a SimFs,
    pub(crate) life: &'a Life,
    pub(crate) server: &'a Server,
    /// What the commands have noted so far.
    pub(crate) notes: &'a [Note],
    /// By command; none while it runs.
    pub(crate) outcomes: &'a [Option<Outcome<O>>],
    /// Steps taken by all commands.
    pub(crate) steps: usize,
    /// Who took each of them.
    pub(crate) picks: &'a [usize],
    shared: &'a Shared,
}

impl<O> View<'_, O> {
    /// The outcome of the command of that name, once it has one.
    pub(crate) fn outcome(&self, name: &str) -> Option<&Outcome<O>> {
        let at = self.shared.commands.iter().position(|command| command.name == name)?;
        self.outcomes[at].as_ref()
    }

    /// How often `what` has been noted, with any detail.
    pub(crate) fn count(&self, what: &str) -> usize {
        self.notes.iter().filter(|note| note.what == what).count()
    }

    /// Whether the disk is full at some step of the plan.
    pub(crate) fn is_full(&self) -> bool {
        let full = |errno| matches!(errno, Errno::NOSPC | Errno::DQUOT);
        self.shared.plan.faults.iter().any(|fault| full(fault.errno))
    }

    /// A copy of the world as it is now, to run further commands in.
    pub(crate) fn quiet(&self) -> Quiet {
        Quiet::left_by(self.shared)
    }
}

/// A command that could take the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) command: usize,
    /// Whether this takes the turn away from one that could go on.
    pub(crate) preempts: bool,
}

/// Decides who takes the next step: gives an index into the choices.
pub(crate) trait Chooser {
    fn choose(&mut self, choices: &[Choice]) -> usize;
}

/// What is looked at after each step, besides the scenario's invariants.
pub(crate) type Watch<'w, O> = &'w mut dyn FnMut(&View<'_, O>) -> Result<(), String>;

/// What a run has come to.
pub(crate) struct Run<O> {
    /// Who took each step.
    pub(crate) picks: Vec<usize>,
    pub(crate) outcomes: Vec<Option<Outcome<O>>>,
    /// What did not hold, if anything.
    pub(crate) failure: Option<String>,
    pub(crate) trace: Vec<String>,
    /// The last kill or fault that came to pass: at what kind of step.
    pub(crate) struck: Option<Step>,
}

enum Ended<O> {
    With(Outcome<O>),
    Panicked(String),
}

type Co<O> = Coroutine<(), (), Ended<O>, DefaultStack>;

/// Only what is touched of a stack is ever allocated, and the formatting of a panic needs a lot.
const STACK: usize = 1 << 20;

thread_local! {
    static STACKS: RefCell<Vec<DefaultStack>> = const { RefCell::new(Vec::new()) };
}

fn spawn<O: 'static>(shared: &Rc<Shared>, command: usize, body: Body<O>) -> Co<O> {
    let pooled = STACKS.with_borrow_mut(Vec::pop);
    let stack = pooled.unwrap_or_else(|| DefaultStack::new(STACK).unwrap());
    let shared = shared.clone();
    Coroutine::with_stack(stack, move |yielder: &Yielder<(), ()>, ()| {
        let ctx = Ctx { shared, command, yielder: Some(yielder) };
        let ended = match catch_unwind(AssertUnwindSafe(|| body(&ctx))) {
            Ok(_) if ctx.is_dead() => Ended::With(Outcome::Killed),
            Ok(value) => Ended::With(Outcome::Done(value)),
            Err(panic) if panic.is::<Dead>() => Ended::With(Outcome::Killed),
            Err(panic) => Ended::Panicked(panic_text(&*panic)),
        };
        ctx.shared.end_process(command);
        ended
    })
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("something that is no text").to_owned()
}

/// The state of a run between two steps.
struct Runner<'a, O> {
    scenario: &'a Scenario<O>,
    shared: Rc<Shared>,
    coroutines: Vec<Option<Co<O>>>,
    outcomes: Vec<Option<Outcome<O>>>,
    picks: Vec<usize>,
    choices: Vec<Choice>,
}

/// Runs `scenario` once. With `log_power`, the file system notes what a power cut could lose.
pub(crate) fn run<O: 'static>(
    scenario: &Scenario<O>,
    plan: &Plan,
    chooser: &mut dyn Chooser,
    Mode { traced, log_power }: Mode,
    watch: Option<Watch<'_, O>>,
) -> Run<O> {
    let mut start = scenario.start.clone();
    if log_power {
        start.fs.watch_power();
    }
    let shared = Rc::new(Shared::new(start, &scenario.names, plan.clone(), traced));
    let bodies = scenario.bodies.iter().enumerate();
    let spawned = bodies.map(|(command, body)| Some(spawn(&shared, command, body.clone())));
    let mut runner = Runner {
        scenario,
        coroutines: spawned.collect(),
        outcomes: scenario.bodies.iter().map(|_| None).collect(),
        picks: Vec::new(),
        choices: Vec::new(),
        shared,
    };
    let failure = runner.all_steps(chooser, !log_power, watch).err();
    runner.abandon();
    let Runner { shared, picks, outcomes, .. } = runner;
    let trace = shared.trace.as_ref().map(RefCell::take).unwrap_or_default();
    Run { picks, outcomes, failure, trace, struck: shared.struck.get() }
}

/// What a run keeps besides its result.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mode {
    pub(crate) traced: bool,
    pub(crate) log_power: bool,
}

impl<O: 'static> Runner<'_, O> {
    fn all_steps(
        &mut self,
        chooser: &mut dyn Chooser,
        hide_syncs: bool,
        mut watch: Option<Watch<'_, O>>,
    ) -> Result<(), String> {
        let mut seen = None;
        let mut current = None;
        loop {
            let version = self.shared.version();
            if seen.replace(version) != Some(version) {
                self.look(&self.scenario.always)?;
            }
            // What is synced cannot be seen in the tree, so that a cut has to look for itself.
            if let Some(watch) = &mut watch {
                self.view(&mut **watch)?;
            }
            self.list_choices(current, hide_syncs);
            if self.choices.is_empty() {
                return self.look(&self.scenario.finally);
            }
            if self.picks.len() >= self.scenario.max_steps {
                return Err(format!("livelock: no end after {} steps", self.picks.len()));
            }
            let choice = self.choices[chooser.choose(&self.choices)].command;
            self.picks.push(choice);
            current = Some(choice);
            self.step(choice)?;
        }
    }

    fn look(&self, checks: &[Check<O>]) -> Result<(), String> {
        if checks.is_empty() {
            return Ok(());
        }
        self.view(&mut |view| checks.iter().try_for_each(|check| check(view)))
    }

    /// Shows the run to a check; an assertion that fails in it is a failure of the run.
    fn view(&self, check: Watch<'_, O>) -> Result<(), String> {
        let shared = &*self.shared;
        let view = View {
            fs: &shared.fs.borrow(),
            life: &shared.life.borrow(),
            server: &shared.server.borrow(),
            notes: &shared.notes.borrow(),
            outcomes: &self.outcomes,
            steps: self.picks.len(),
            picks: &self.picks,
            shared,
        };
        catch_unwind(AssertUnwindSafe(|| check(&view)))
            .unwrap_or_else(|panic| Err(panic_text(&*panic)))
    }

    /// Who could take the next step, the one that goes on by default first.
    fn list_choices(&mut self, current: Option<usize>, hide_syncs: bool) {
        let commands = &self.shared.commands;
        let runs = |command: &usize| self.coroutines[*command].is_some();
        let waits = |command: &usize| commands[*command].waiting.get();
        self.choices.clear();
        let current = current.filter(runs).filter(|command| waits(command).is_none());
        if let Some(command) = current {
            self.choices.push(Choice { command, preempts: false });
            // No other command can tell whether it took its turn before or after a sync, or a step
            // in a directory that only this one looks into.
            let next = &commands[command];
            if hide_syncs && (next.next.get() == Step::Sync || next.private.get()) {
                return;
            }
        }
        let others = (0..commands.len()).filter(runs).filter(|at| Some(*at) != current);
        for command in others.clone().filter(|command| waits(command).is_none()) {
            self.choices.push(Choice { command, preempts: current.is_some() });
        }
        // One that waits is called early only at a price; among themselves the eldest comes first.
        let mut preempts = !self.choices.is_empty();
        let first = self.choices.len();
        for command in others.filter(|command| waits(command).is_some()) {
            self.choices.push(Choice { command, preempts: true });
        }
        self.choices[first..].sort_by_key(|choice| waits(&choice.command));
        for choice in &mut self.choices[first..] {
            choice.preempts = std::mem::replace(&mut preempts, true);
        }
    }

    /// Lets `command` take one step.
    fn step(&mut self, command: usize) -> Result<(), String> {
        let Some(coroutine) = &mut self.coroutines[command] else {
            return Err(format!("{} has ended already", self.scenario.names[command]));
        };
        let mut result = CoroutineResult::Yield(());
        if !coroutine.started() {
            // To its first step, which is not taken yet.
            result = coroutine.resume(());
        }
        if matches!(result, CoroutineResult::Yield(())) {
            self.shared.begin(command);
            result = coroutine.resume(());
        }
        let CoroutineResult::Return(ended) = result else { return Ok(()) };
        self.recycle(command);
        // Whoever waits may have waited for this one.
        self.shared.commands.iter().for_each(|command| command.waiting.set(None));
        match ended {
            Ended::With(outcome) => {
                let killed = matches!(outcome, Outcome::Killed);
                self.shared.say(command, || if killed { "is dead" } else { "ends" }.to_owned());
                self.outcomes[command] = Some(outcome);
                Ok(())
            }
            Ended::Panicked(text) => {
                Err(format!("{} panicked: {text}", self.scenario.names[command]))
            }
        }
    }

    fn recycle(&mut self, command: usize) {
        if let Some(coroutine) = self.coroutines[command].take().filter(Coroutine::done) {
            STACKS.with_borrow_mut(|stacks| stacks.push(coroutine.into_stack()));
        }
    }

    /// Lets what has not ended run to its end without any effect.
    fn abandon(&mut self) {
        self.shared.over.set(true);
        for command in 0..self.coroutines.len() {
            if let Some(coroutine) = &mut self.coroutines[command] {
                while coroutine.started() && !coroutine.done() {
                    drop(coroutine.resume(()).as_return());
                }
            }
            self.recycle(command);
        }
    }
}
