//! The shipped protocol in the simulated world: what scenarios over it are made of.

use std::io;

use git_conductor::error::{Failure, FailureKind, Stop};
use git_conductor::record::{Claim, Event, PhaseEntry, Process, Token};
use git_conductor::rules::{Life, Me};
use git_conductor::store::change::{Asker, HandIn};
use git_conductor::store::dir::Dir;
use git_conductor::store::lifecycle::Plan as Sprint;
use git_conductor::store::world::Defences;
use git_conductor::store::{Folder, Store, World};
use jiff::{SignedDuration, Timestamp};
use rustix::io::Errno;

use crate::dir::SimDir;
use crate::explore::{Effort, explore, kill_everywhere, must_fail, must_hold};
use crate::plan::{Mutex, Plan};
use crate::run::{Outcome, Scenario, View};
use crate::world::{Ctx, Quiet};

/// The protocol's view of the simulated world; `OFF` is the set of defences that are switched off,
/// to see that the checker notices. The bits are in the order of the fields of [`Defences`].
struct SimWorld<'y, const OFF: u16>(Ctx<'y>);

/// Every defence is in force.
const NONE: u16 = 0;
/// All but `latch_stays`.
const LATCH_STAYS: u16 = 1;

const fn without(off: u16) -> Defences {
    Defences {
        latch_stays: off & 1 == 0,
        look_again: off & 2 == 0,
        take_over_by_name: off & 4 == 0,
        commit_by_rename: off & 8 == 0,
        remove_what_was_judged: off & 16 == 0,
        never_absent: off & 32 == 0,
        own_directory: off & 64 == 0,
        publish_first: off & 128 == 0,
        look_for_currency: off & 256 == 0,
    }
}

fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// What a failing look at `conductor` is to the protocol.
fn failure(error: io::Error) -> Failure {
    Failure::io(error, "cannot open 'conductor'".to_owned())
}

impl<'y, const OFF: u16> World for SimWorld<'y, OFF> {
    type Dir = SimDir<'y>;

    const DEFENCES: Defences = without(OFF);

    fn conductor(&self) -> Result<Option<Folder<SimDir<'y>>>, Failure> {
        match retry(|| self.0.root().open_dir("conductor")) {
            Ok(dir) => Ok(Some(Folder::new(dir, "conductor"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failure(error)),
        }
    }

    fn make_conductor(&self) -> Result<Folder<SimDir<'y>>, Failure> {
        let root = self.0.root();
        match retry(|| root.make_dir("conductor")) {
            Ok(()) => retry(|| root.sync()).map_err(failure)?,
            Err(error) if Errno::from_io_error(&error) == Some(Errno::EXIST) => {}
            Err(error) => return Err(failure(error)),
        }
        let found = self.conductor()?;
        found.ok_or_else(|| Failure::new(FailureKind::Busy, "'conductor' has just been removed"))
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_nanosecond(i128::from(self.0.now())).unwrap()
    }

    fn token(&self) -> Result<Token, Failure> {
        Ok(self.0.fresh_token())
    }

    fn life(&self, claim: &Claim) -> Life {
        claim.process.as_ref().map_or(Life::Unknown, |process| self.life_of(process))
    }

    fn life_of(&self, process: &Process) -> Life {
        // Numbers are never reused, and those of earlier boots are dead.
        if self.0.is_alive(process.pid) { Life::Alive } else { Life::Dead }
    }

    fn booted_at(&self) -> Option<Timestamp> {
        Timestamp::from_nanosecond(i128::from(self.0.booted_at())).ok()
    }

    fn under_mutex<T>(&self, _conductor: &Folder<SimDir<'y>>, act: impl FnOnce() -> T) -> T {
        let held = self.0.mutex(1_000_000_000);
        let value = act();
        if held {
            self.0.release_mutex();
        }
        value
    }

    fn pause(&self, _attempt: u32) {
        self.0.pause(25_000_000);
    }

    fn audit(&self, _event: &Event) {}
}

fn process(pid: i64, boot: i64) -> Process {
    Process { pid, start: Some(1), boot: Some(format!("boot-{boot}")), ..Process::default() }
}

/// The store as the agent `name`, whose process is `agent`, sees it in one command.
fn as_agent<'y, const OFF: u16>(
    ctx: &Ctx<'y>,
    name: &str,
    agent: i64,
) -> (Store<SimWorld<'y, OFF>>, Asker) {
    let me = Me {
        name: name.to_owned(),
        process: Some(process(agent, ctx.boot())),
        command: process(ctx.pid(), ctx.boot()),
        worktree: Some("/work".to_owned()),
        ..Me::default()
    };
    let asker = Asker { me, stale_after: SignedDuration::from_hours(1) };
    (Store::new(SimWorld(ctx.clone()), None), asker)
}

/// A word for how a request ended.
fn word<T>(result: Result<T, Stop>) -> String {
    match result {
        Ok(_) => "OK".to_owned(),
        Err(stop) => format!("{stop:?}"),
    }
}

fn claim<const OFF: u16>(ctx: &Ctx<'_>, name: &str, agent: i64, phase: &str) -> String {
    let (store, asker) = as_agent::<OFF>(ctx, name, agent);
    let granted = store.claim(&asker, phase, false);
    if granted.is_ok() {
        ctx.note("granted", name);
    }
    word(granted)
}

fn complete<const OFF: u16>(ctx: &Ctx<'_>, name: &str, agent: i64, phase: &str) -> String {
    let (store, asker) = as_agent::<OFF>(ctx, name, agent);
    let completed = store.complete(&asker, phase, &HandIn::default());
    if completed.is_ok() {
        ctx.note("completed", name);
    }
    word(completed)
}

/// A world with a sprint of one phase, `build`, and two living agents.
fn sprint() -> (Quiet, [i64; 2]) {
    let mut quiet = Quiet::new();
    let agents = [quiet.life.spawn(), quiet.life.spawn()];
    quiet.run("start", |ctx| {
        let (store, asker) = as_agent::<NONE>(ctx, "starter", agents[0]);
        let phases = vec![PhaseEntry { name: "build".to_owned(), ..PhaseEntry::default() }];
        let plan = Sprint {
            project: "/work".to_owned(),
            hash: "0123456789ab".to_owned(),
            phases,
            goal: None,
            if_none: false,
            force: false,
        };
        store.start(&asker, &plan).unwrap();
    });
    (quiet, agents)
}

/// I1, for agents that never give a phase up.
fn one_owner(view: &View<'_, String>) -> Result<(), String> {
    if view.count("granted") > 1 { Err("two owners".to_owned()) } else { Ok(()) }
}

/// I4: in every quiet state a lone claim ends in OK, done or a true refusal.
fn nothing_is_wedged(view: &View<'_, String>, agent: i64) -> Result<(), String> {
    let mut quiet = view.quiet();
    // Longer than a bare latch is respected.
    quiet.now += 61_000_000_000;
    let answer = quiet.run("lone", |ctx| claim::<NONE>(ctx, "lone", agent, "build"));
    let refused = ["Claimed", "Done"].iter().any(|refusal| answer.contains(refusal));
    if answer == "OK" || refused { Ok(()) } else { Err(format!("wedged: {answer}")) }
}

fn race<const OFF: u16>(name: &'static str) -> Scenario<String> {
    let (start, [first, second]) = sprint();
    Scenario::new(name, start)
        .command("A", move |ctx| claim::<OFF>(ctx, "a", first, "build"))
        .command("B", move |ctx| claim::<OFF>(ctx, "b", second, "build"))
        .always(one_owner)
        .finally(move |view| nothing_is_wedged(view, second))
}

#[test]
fn two_claims_race() {
    let scenario = race::<NONE>("two claims").finally(|view| {
        let won = |name| view.outcome(name).and_then(Outcome::done).is_some_and(|o| o == "OK");
        if won("A") || won("B") { Ok(()) } else { Err("nobody won".to_owned()) }
    });
    for mutex in [Mutex::Working, Mutex::Absent, Mutex::Lying] {
        let plan = Plan { mutex, ..Plan::default() };
        must_hold(explore(&scenario, &plan, Effort::from_env()));
    }
}

#[test]
fn a_claim_needs_the_latch_to_stay() {
    let scenario = race::<LATCH_STAYS>("no latch");
    must_fail(explore(&scenario, &Plan::default(), Effort::of_depth(2)), "two owners");
}

#[test]
fn two_claims_race_and_one_is_killed() {
    let scenario = race::<NONE>("two claims, a kill");
    for mutex in [Mutex::Working, Mutex::Lying] {
        let plan = Plan { mutex, ..Plan::default() };
        must_hold(kill_everywhere(&scenario, &plan, Effort::from_env().lighter(1)));
    }
}

#[test]
fn a_completion_that_is_killed_is_finished_or_repeated() {
    let (mut start, [first, second]) = sprint();
    assert_eq!(start.run("claim", |ctx| claim::<NONE>(ctx, "a", first, "build")), "OK");
    let scenario = Scenario::new("complete", start)
        .command("A", move |ctx| complete::<NONE>(ctx, "a", first, "build"))
        .command("B", move |ctx| claim::<NONE>(ctx, "b", second, "build"))
        .always(one_owner)
        .finally(move |view| {
            let again = view.quiet().run("again", |ctx| complete::<NONE>(ctx, "a", first, "build"));
            if again == "OK" { Ok(()) } else { Err(format!("not complete: {again}")) }
        });
    must_hold(kill_everywhere(&scenario, &Plan::default(), Effort::from_env().lighter(1)));
}

/// `cargo test --test model conductor::speed -- --ignored --nocapture`
#[test]
#[ignore = "measures, and prints what it measured"]
fn speed() {
    let scenario = race::<NONE>("speed of two claims");
    for preemptions in 1..4 {
        let begin = std::time::Instant::now();
        let effort = Effort { preemptions, ..Effort::of_depth(3) };
        let stats = must_hold(explore(&scenario, &Plan::default(), effort));
        let each = begin.elapsed() / u32::try_from(stats.runs).unwrap();
        println!("{preemptions} preemptions: {stats:?}, about {each:?} each");
    }
}
