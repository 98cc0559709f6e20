//! The world that simulated commands live in: steps, clock, processes, mutex, history.

use std::cell::{Cell, Ref, RefCell};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use corosensei::Yielder;
use git_conductor::record::Token;
use rustix::io::Errno;

use crate::dir::SimDir;
use crate::fs::{ROOT, SimFs};
use crate::plan::{Effect, Mutex, Plan, Short, errno_name};
use crate::server::Server;

/// The kind of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Looks at the file system.
    Look,
    /// Changes names in it.
    Change,
    /// Writes data.
    Write,
    /// Makes something durable; others cannot see it.
    Sync,
    /// The mutex, the table of processes, a pause.
    Other,
}

/// What the scheduler has decided about a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Go {
    /// It happens.
    Run,
    /// It fails, with this much of its effect.
    Fail(Errno, Effect),
    /// There is no one left to do it: no effect, no scheduling.
    Dead,
}

/// Something worth remembering that a command did, at the step after which it said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) command: usize,
    /// Steps taken by all commands when it was noted.
    pub(crate) at: usize,
    pub(crate) what: &'static str,
    pub(crate) detail: Rc<str>,
}

/// Gives a verdict that may be wrong: (asking process, process asked for, truth) → alive?
pub(crate) type Verdict = Rc<dyn Fn(i64, i64, bool) -> bool>;

/// Who lives. Numbers are never reused; those of earlier boots are dead.
#[derive(Clone, Default)]
pub(crate) struct Life {
    boot: i64,
    booted_at: i64,
    next: i64,
    dead: Vec<i64>,
    /// If there is one, it is believed instead of the truth.
    pub(crate) verdict: Option<Verdict>,
    version: u64,
}

/// What the machine takes to come up again, in nanoseconds.
const BOOT_TIME: i64 = 1_000_000_000;

/// Process numbers of one boot.
const PER_BOOT: i64 = 1_000_000;

impl Life {
    /// The number of the boot, from 0.
    pub(crate) fn boot(&self) -> i64 {
        self.boot
    }

    /// A process that lives from now on: an agent, or a command.
    pub(crate) fn spawn(&mut self) -> i64 {
        self.next += 1;
        self.boot * PER_BOOT + self.next
    }

    /// Ends a process.
    pub(crate) fn kill(&mut self, pid: i64) {
        self.dead.push(pid);
        self.version += 1;
    }

    /// Ends all of them.
    pub(crate) fn reboot(&mut self, now: i64) {
        self.boot += 1;
        self.booted_at = now;
        self.dead.clear();
        self.version += 1;
    }

    /// The boot seems to have been at another time: the clock was set.
    pub(crate) fn believe_boot(&mut self, at: i64) {
        self.booted_at = at;
    }

    /// Who has died since the boot.
    pub(crate) fn dead(&self) -> &[i64] {
        &self.dead
    }

    /// Everyone who lives.
    pub(crate) fn living(&self) -> Vec<i64> {
        let spawned = self.boot * PER_BOOT + 1..=self.boot * PER_BOOT + self.next;
        spawned.filter(|pid| self.lives(*pid)).collect()
    }

    /// The truth.
    pub(crate) fn lives(&self, pid: i64) -> bool {
        pid > self.boot * PER_BOOT && !self.dead.contains(&pid)
    }
}

/// One command of a run.
pub(crate) struct CommandState {
    pub(crate) name: &'static str,
    /// Steps begun.
    pub(crate) steps: Cell<usize>,
    pub(crate) go: Cell<Go>,
    /// The process that runs now, its number.
    pid: Cell<i64>,
    killed: Cell<bool>,
    /// Operations tried after the death.
    futile: Cell<usize>,
    tokens: Cell<u8>,
    /// Asked to be called later; the count of steps says since when.
    pub(crate) waiting: Cell<Option<usize>>,
    /// The kind of the step that it is about to take.
    pub(crate) next: Cell<Step>,
    /// That step is inside a directory that no other command looks into.
    pub(crate) private: Cell<bool>,
}

/// All that the commands of one run share.
pub(crate) struct Shared {
    pub(crate) fs: RefCell<SimFs>,
    pub(crate) life: RefCell<Life>,
    /// The server of a ledger, which outlives this machine.
    pub(crate) server: RefCell<Server>,
    pub(crate) notes: RefCell<Vec<Note>>,
    pub(crate) commands: Vec<CommandState>,
    pub(crate) plan: Plan,
    /// Steps taken by all commands.
    pub(crate) total: Cell<usize>,
    pub(crate) now: Cell<i64>,
    holder: Cell<Option<usize>>,
    /// The run is over; what still runs has no effect any more.
    pub(crate) over: Cell<bool>,
    /// The last kill or fault that came to pass: at what kind of step.
    pub(crate) struck: Cell<Option<Step>>,
    /// The trace, if one is kept: building it costs more than the run.
    pub(crate) trace: Option<RefCell<Vec<String>>>,
}

/// What one step takes, in nanoseconds.
const STEP_TIME: i64 = 1_000;

/// Steps that a command alone may take before it is thought never to end.
const LONG: usize = 100_000;

/// Operations that a dead command may still try before it is unwound: it might never end.
const FUTILE: usize = 100;

/// Unwinds a command that does not end although it is dead.
pub(crate) struct Dead;

impl Shared {
    pub(crate) fn new(start: Quiet, names: &[&'static str], plan: Plan, traced: bool) -> Self {
        let Quiet { fs, mut life, server, now } = start;
        let state = |name: &&'static str| CommandState {
            name,
            steps: Cell::new(0),
            go: Cell::new(Go::Run),
            pid: Cell::new(life.spawn()),
            killed: Cell::new(false),
            futile: Cell::new(0),
            tokens: Cell::new(0),
            waiting: Cell::new(None),
            next: Cell::new(Step::Other),
            private: Cell::new(false),
        };
        let commands = names.iter().map(state).collect();
        Self {
            fs: RefCell::new(fs),
            life: RefCell::new(life),
            server: RefCell::new(server),
            notes: RefCell::new(Vec::new()),
            commands,
            plan,
            total: Cell::new(0),
            now: Cell::new(now),
            holder: Cell::new(None),
            over: Cell::new(false),
            struck: Cell::new(None),
            trace: traced.then(|| RefCell::new(Vec::new())),
        }
    }

    /// Changes whenever there is something new for an invariant to look at.
    pub(crate) fn version(&self) -> (u64, u64, u64, usize) {
        let (fs, server) = (self.fs.borrow().version(), self.server.borrow().version());
        (fs, self.life.borrow().version, server, self.notes.borrow().len())
    }

    /// Looks up what is planned for the step that `command` is about to take.
    pub(crate) fn begin(&self, command: usize) {
        let state = &self.commands[command];
        let step = state.steps.get() + 1;
        state.steps.set(step);
        state.waiting.set(None);
        self.total.set(self.total.get() + 1);
        self.now.set(self.now.get() + STEP_TIME);
        state.go.set(Go::Run);
        let kills = &self.plan.kills;
        if let Some(kill) = kills.iter().find(|k| (k.command, k.step) == (command, step)) {
            let torn = kill.torn && state.next.get() == Step::Write;
            let effect = if torn { Effect::Half } else { Effect::None };
            state.go.set(Go::Fail(Errno::IO, effect));
            self.end_process(command);
            state.killed.set(true);
            self.struck.set(Some(state.next.get()));
            return;
        }
        let faults = &self.plan.faults;
        if let Some(fault) = faults.iter().find(|f| (f.command, f.step) == (command, step)) {
            self.struck.set(Some(state.next.get()));
            let full = matches!(fault.errno, Errno::NOSPC | Errno::DQUOT | Errno::ROFS);
            if !(full && matches!(state.next.get(), Step::Look | Step::Other)) {
                state.go.set(Go::Fail(fault.errno, fault.effect));
            }
        }
    }

    /// Ends the process that runs a command: the kernel releases its mutex.
    pub(crate) fn end_process(&self, command: usize) {
        let pid = self.commands[command].pid.get();
        if self.life.borrow().lives(pid) {
            self.life.borrow_mut().kill(pid);
        }
        if self.holder.get() == Some(command) {
            self.holder.set(None);
        }
    }

    /// Adds a line to the trace, if there is one.
    pub(crate) fn say(&self, command: usize, line: impl FnOnce() -> String) {
        if let Some(trace) = &self.trace {
            let name = self.commands[command].name;
            let line = format!("{:>3} {name} {}", self.total.get(), Short(&line()));
            trace.borrow_mut().push(line);
        }
    }

    /// Adds to the last line of the trace.
    fn answer(&self, result: Result<&str, Errno>) {
        if let Some(line) = self.trace.as_ref().and_then(|t| t.borrow_mut().pop()) {
            let result = result.map_or_else(errno_name, str::to_owned);
            let line = format!("{line} = {}", Short(&result));
            self.trace.iter().for_each(|trace| trace.borrow_mut().push(line.clone()));
        }
    }
}

thread_local! {
    /// Formatting a token takes longer than several steps, and every run uses the same ones.
    static TOKENS: RefCell<HashMap<[u8; 16], Token>> = RefCell::default();
}

/// What a command has of the world.
#[derive(Clone)]
pub(crate) struct Ctx<'y> {
    pub(crate) shared: Rc<Shared>,
    pub(crate) command: usize,
    /// Where to hand over to the scheduler; without one the command is alone.
    pub(crate) yielder: Option<&'y Yielder<(), ()>>,
}

impl<'y> Ctx<'y> {
    fn state(&self) -> &CommandState {
        &self.shared.commands[self.command]
    }

    /// Whether the command has been killed: what it still does has no effect.
    pub(crate) fn is_dead(&self) -> bool {
        self.state().killed.get() || self.shared.over.get()
    }

    /// Says of the next step that no other command can see it, and that it sees none.
    pub(crate) fn privately(&self, private: bool) {
        self.state().private.set(private);
    }

    /// The scheduling point before every step; `Err` is how the step fails.
    pub(crate) fn step(&self, kind: Step, what: impl FnOnce(&SimFs) -> String) -> Go {
        let state = self.state();
        // A destructor that runs because of a panic must not switch away in the middle of it.
        if self.is_dead() || std::thread::panicking() {
            state.futile.set(state.futile.get() + 1);
            if state.futile.get() > FUTILE && !std::thread::panicking() {
                resume_unwind(Box::new(Dead));
            }
            return Go::Dead;
        }
        state.next.set(kind);
        if let Some(yielder) = self.yielder {
            yielder.suspend(());
        } else {
            assert!(self.shared.total.get() < LONG, "{} never ends", state.name);
            self.shared.begin(self.command);
        }
        state.private.set(false);
        if self.shared.over.get() {
            return Go::Dead;
        }
        self.shared.say(self.command, || {
            let what = what(&self.shared.fs.borrow());
            if state.killed.get() { format!("KILLED before its end: {what}") } else { what }
        });
        state.go.get()
    }

    /// One step on the file system.
    pub(crate) fn act<T>(
        &self,
        kind: Step,
        what: impl FnOnce(&SimFs) -> String,
        effect: impl FnOnce(&mut SimFs, i64) -> Result<T, Errno>,
    ) -> std::io::Result<T> {
        let run = || effect(&mut self.shared.fs.borrow_mut(), self.shared.now.get());
        let result = match self.step(kind, what) {
            Go::Run => run(),
            Go::Fail(errno, Effect::Full) => run().and(Err(errno)),
            Go::Fail(errno, Effect::None | Effect::Half) => Err(errno),
            Go::Dead => return Err(Errno::IO.into()),
        };
        self.answer(result.as_ref().map(|_| "ok").map_err(|errno| *errno));
        Ok(result?)
    }

    pub(crate) fn answer(&self, result: Result<&str, Errno>) {
        self.shared.answer(result);
    }

    /// The root of the file system.
    pub(crate) fn root(&self) -> SimDir<'y> {
        SimDir::new(self.clone(), ROOT)
    }

    /// Nanoseconds since 1970. Not a step: it moves only with steps and pauses.
    pub(crate) fn now(&self) -> i64 {
        self.shared.now.get()
    }

    /// The process that runs this command; dead as soon as the command ends or is killed.
    pub(crate) fn pid(&self) -> i64 {
        self.state().pid.get()
    }

    /// The number of the boot.
    pub(crate) fn boot(&self) -> i64 {
        self.shared.life.borrow().boot()
    }

    /// When the machine was booted, in nanoseconds since 1970; long ago for the first boot.
    pub(crate) fn booted_at(&self) -> i64 {
        self.shared.life.borrow().booted_at
    }

    /// A token that no one else gets. It begins with the command's letter and its count.
    pub(crate) fn fresh_token(&self) -> Token {
        let state = self.state();
        let count = state.tokens.get() + 1;
        state.tokens.set(count);
        let letter = u8::try_from(self.command % 6).unwrap_or(0) + 0xa;
        let pid = self.pid().to_be_bytes();
        let mut bytes = [0; 16];
        bytes[0] = letter << 4 | count & 0xf;
        bytes[1..3].copy_from_slice(&pid[6..]);
        bytes[7] = count;
        bytes[8..].copy_from_slice(&pid);
        TOKENS.with_borrow_mut(|tokens| {
            tokens.entry(bytes).or_insert_with(|| Token::from_bytes(bytes)).clone()
        })
    }

    /// Lets others run first, at no preemption's cost, and lets `nanos` go by.
    pub(crate) fn pause(&self, nanos: i64) {
        self.state().waiting.set(Some(self.shared.total.get()));
        if self.step(Step::Other, |_| "pauses".to_owned()) == Go::Run {
            self.shared.now.set(self.shared.now.get() + nanos);
        }
    }

    /// Tries to take the mutex, without waiting.
    pub(crate) fn try_mutex(&self) -> bool {
        if self.step(Step::Other, |_| "tries the mutex".to_owned()) != Go::Run {
            return false;
        }
        let granted = match self.shared.plan.mutex {
            Mutex::Working => self.shared.holder.get().is_none(),
            Mutex::Absent => false,
            Mutex::Lying => true,
        };
        if granted {
            self.shared.holder.set(Some(self.command));
        }
        self.answer(Ok(if granted { "held" } else { "busy" }));
        granted
    }

    /// Takes the mutex, or goes without it if it stays busy while everyone else had their turn.
    pub(crate) fn mutex(&self, nanos: i64) -> bool {
        self.try_mutex() || {
            self.pause(nanos);
            self.try_mutex()
        }
    }

    /// Releases the mutex.
    pub(crate) fn release_mutex(&self) {
        // A failing unlock does not exist: closing the file releases it.
        _ = self.step(Step::Other, |_| "releases the mutex".to_owned());
        if !self.is_dead() && self.shared.holder.get() == Some(self.command) {
            self.shared.holder.set(None);
        }
    }

    /// The verdict on a process: the truth, unless the scenario has it otherwise.
    pub(crate) fn is_alive(&self, pid: i64) -> bool {
        if self.step(Step::Other, |_| format!("asks whether {pid} lives")) == Go::Dead {
            return true;
        }
        let (truth, verdict) = {
            let life = self.shared.life.borrow();
            (life.lives(pid), life.verdict.clone())
        };
        let alive = verdict.map_or(truth, |verdict| verdict(self.pid(), pid, truth));
        self.answer(Ok(if alive { "yes" } else { "no" }));
        alive
    }

    /// Ends a process, as one step: a command of its own for an agent that dies at any moment.
    pub(crate) fn kill(&self, pid: i64) {
        if self.step(Step::Other, |_| format!("process {pid} dies")) == Go::Run {
            self.shared.life.borrow_mut().kill(pid);
        }
    }

    /// Writes down what has just come to be, in one step with the operation before.
    pub(crate) fn note(&self, what: &'static str, detail: &str) {
        if !self.is_dead() {
            let at = self.shared.total.get();
            self.shared.say(self.command, || format!("    NOTES {what} {detail}"));
            let note = Note { command: self.command, at, what, detail: detail.into() };
            self.shared.notes.borrow_mut().push(note);
        }
    }

    /// Runs `invocation` as a process of its own, so that one agent can run several commands in
    /// turn. A kill ends only the process that it meets: `None`, and the agent goes on.
    pub(crate) fn invoke<T>(&self, invocation: impl FnOnce(&Self) -> T) -> Option<T> {
        if self.is_dead() {
            return None;
        }
        let state = self.state();
        self.shared.end_process(self.command);
        state.pid.set(self.shared.life.borrow_mut().spawn());
        let value = catch_unwind(AssertUnwindSafe(|| invocation(self)));
        let value = match value {
            Ok(value) => Some(value),
            Err(panic) if panic.is::<Dead>() => None,
            Err(panic) => resume_unwind(panic),
        };
        self.shared.end_process(self.command);
        let killed = state.killed.replace(false) || self.shared.over.get();
        state.futile.set(0);
        value.filter(|_| !killed)
    }

    /// The file system, seen from outside: no step, only for invariants and notes.
    pub(crate) fn peek(&self) -> Ref<'_, SimFs> {
        self.shared.fs.borrow()
    }
}

/// A world in which nothing runs: where scenarios start, and what they leave behind.
#[derive(Clone)]
pub(crate) struct Quiet {
    pub(crate) fs: SimFs,
    pub(crate) life: Life,
    pub(crate) server: Server,
    /// Nanoseconds since 1970.
    pub(crate) now: i64,
}

impl Quiet {
    /// An empty file system on the day that the first scenario was written.
    pub(crate) fn new() -> Self {
        let (life, server) = (Life::default(), Server::default());
        Self { fs: SimFs::new(), life, server, now: 1_763_800_000_000_000_000 }
    }

    /// Runs one command alone, from beginning to end, as a process of its own.
    pub(crate) fn run<T>(&mut self, name: &'static str, command: impl FnOnce(&Ctx<'_>) -> T) -> T {
        self.run_as(name, Plan::default(), false, command).0
    }

    /// The same with something going wrong, and with its trace.
    pub(crate) fn run_traced<T>(
        &mut self,
        name: &'static str,
        plan: Plan,
        command: impl FnOnce(&Ctx<'_>) -> T,
    ) -> (T, Vec<String>) {
        self.run_as(name, plan, true, command)
    }

    fn run_as<T>(
        &mut self,
        name: &'static str,
        plan: Plan,
        traced: bool,
        command: impl FnOnce(&Ctx<'_>) -> T,
    ) -> (T, Vec<String>) {
        let start = std::mem::replace(self, Self::new());
        let shared = Rc::new(Shared::new(start, &[name], plan, traced));
        let ctx = Ctx { shared: shared.clone(), command: 0, yielder: None };
        let value = command(&ctx);
        shared.end_process(0);
        *self = Self::left_by(&shared);
        let trace = shared.trace.as_ref().map(RefCell::take).unwrap_or_default();
        (value, trace)
    }

    /// What a run has left, or has got to.
    pub(crate) fn left_by(shared: &Shared) -> Self {
        Self {
            fs: shared.fs.borrow().clone(),
            life: shared.life.borrow().clone(),
            server: shared.server.borrow().clone(),
            now: shared.now.get(),
        }
    }

    /// What a power cut makes of it: everyone is dead, and all that is left is durable.
    pub(crate) fn after_cut(&self, fates: &[u8]) -> Self {
        let mut life = self.life.clone();
        let now = self.now + BOOT_TIME;
        life.reboot(now);
        Self { fs: self.fs.after_cut(fates), life, server: self.server.clone(), now }
    }
}
