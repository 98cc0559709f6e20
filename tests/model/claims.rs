//! Commands on phases, in every interleaving with few preemptions, random ones beyond, and with
//! the mutex working, absent and granted to everyone.

use crate::conductor::{Agent, Checked, Do, NONE, Script, held, one_of, sprint, stale, together};
use std::fmt::Write as _;

use crate::explore::{Chaos, Effort, explore, explore_random, must_hold};
use crate::monitor::{Rules, watched};
use crate::plan::{Mutex, Plan};
use crate::run::{Scenario, View};
use crate::world::Quiet;

/// Every behaviour of the mutex.
pub(crate) const MUTEXES: [Mutex; 3] = [Mutex::Working, Mutex::Absent, Mutex::Lying];

/// Explores with each behaviour of the mutex, each with another salt: another half of every
/// listing.
pub(crate) fn every_mutex(scenario: &Scenario<String>, effort: Effort) {
    let mut told = String::new();
    for (salt, mutex) in [1, 2, 5].into_iter().zip(MUTEXES) {
        let plan = Plan { mutex, salt, ..Plan::default() };
        let stats = must_hold(explore(scenario, &plan, effort));
        let more = if stats.broken_off { "+" } else { "" };
        _ = write!(told, " {mutex:?} {}{more}", stats.runs);
    }
    let chaos = Chaos { mutex: true, ..Chaos::default() };
    let runs = effort.random_runs / 10;
    must_hold(explore_random(scenario, &Plan::default(), chaos, runs, 1));
    // `--nocapture` shows how much was done.
    eprintln!("{}:{told} random {runs}", scenario.name);
}

/// Two commands, with all that must hold.
fn two(
    name: &'static str,
    (start, _): (Quiet, [Agent; 4]),
    actors: &[(Agent, Script)],
    check: impl Fn(&View<'_, String>) -> Checked + 'static,
) {
    let scenario = together::<NONE>(name, start, actors).finally(check);
    every_mutex(&watched(scenario, Rules::ALL, &["build"]), Effort::from_env());
}

/// Three commands: one preemption less.
fn three(
    name: &'static str,
    (start, _): (Quiet, [Agent; 4]),
    actors: &[(Agent, Script)],
    check: impl Fn(&View<'_, String>) -> Checked + 'static,
) {
    let scenario = together::<NONE>(name, start, actors).finally(check);
    every_mutex(&watched(scenario, Rules::ALL, &["build"]), Effort::from_env().lighter(1));
}

const CLAIM: Script = &[Do::Claim("build")];
const COMPLETE: Script = &[Do::Complete("build")];
const ABORT: Script = &[Do::Abort("build")];
const TAKEOVER: Script = &[Do::Takeover("build")];
const UNSTUCK: Script = &[Do::Unstuck("build")];
const FORCE: Script = &[Do::Force("build")];

#[test]
fn claim_claim() {
    let world = sprint("build:");
    let [ann, bob, ..] = world.1;
    two("claim claim", world, &[(ann, CLAIM), (bob, CLAIM)], one_of(&["OK|claimed", "claimed|OK"]));
}

/// The hour counts from when the owner was last heard; then it is over, whatever was heard.
#[test]
fn grace_begins_anew_and_ends() {
    const HOUR: i64 = 3_600_000_000_000;
    let (mut quiet, [_, bob, ..]) = stale();
    let ann = quiet.newcomer("ann");
    quiet.go(ann, Do::Status, "build=claimed:ann");
    quiet.life.kill(ann.pid);
    quiet.go(bob, Do::Claim("build"), "claimed");
    quiet.now += HOUR / 2;
    quiet.go(bob, Do::Claim("build"), "claimed");
    // Somebody else's looking is no sign of the owner's life.
    quiet.go(bob, Do::Status, "build=claimed:ann");
    quiet.now += HOUR / 2 + 1;
    quiet.go(bob, Do::Claim("build"), "OK");
}

/// After a boot its owner has an hour to come back, although it claimed long before.
#[test]
fn grace_counts_from_the_boot() {
    const HOUR: i64 = 3_600_000_000_000;
    let (mut quiet, [ann, bob, ..]) = sprint("build:");
    quiet.go(ann, Do::Claim("build"), "OK");
    quiet.now += 5 * HOUR;
    let mut quiet = quiet.after_cut(&[]);
    let bob = quiet.newcomer(bob.name);
    quiet.go(bob, Do::Claim("build"), "claimed");
    quiet.now += HOUR - 1_000_000_000;
    quiet.go(bob, Do::Claim("build"), "claimed");
    quiet.now += 1_000_000_000;
    quiet.go(bob, Do::Claim("build"), "OK");
}

/// A time from a clock that was far ahead keeps nobody waiting for ever.
#[test]
fn a_nonsense_time_does_not_wedge() {
    const DAY: i64 = 24 * 3_600_000_000_000;
    let (mut quiet, [ann, bob, ..]) = sprint("build:");
    quiet.now += 400 * DAY;
    quiet.go(ann, Do::Claim("build"), "OK");
    quiet.now -= 400 * DAY;
    quiet.go(bob, Do::Claim("build"), "claimed");
    quiet.life.kill(ann.pid);
    quiet.go(bob, Do::Claim("build"), "OK");
    // One that is a little ahead is believed until the clock has come there, and an hour more.
    quiet.now += DAY / 2;
    let cyd = quiet.newcomer("cyd");
    quiet.go(bob, Do::Abort("build"), "OK");
    quiet.go(bob, Do::Claim("build"), "OK");
    quiet.now -= DAY / 2;
    quiet.life.kill(bob.pid);
    quiet.go(cyd, Do::Claim("build"), "claimed");
    quiet.now += DAY / 2 + DAY / 24 + 1_000_000_000;
    quiet.go(cyd, Do::Claim("build"), "OK");
}

#[test]
fn claim_claim_same_agent() {
    let world = sprint("build:");
    let [ann, ..] = world.1;
    two("claim claim by one", world, &[(ann, CLAIM), (ann, CLAIM)], one_of(&["OK|OK"]));
}

#[test]
fn claim_claim_claim() {
    let world = sprint("build:");
    let [ann, bob, cyd, _] = world.1;
    let allowed = one_of(&["OK|claimed|claimed", "claimed|OK|claimed", "claimed|claimed|OK"]);
    three("claim claim claim", world, &[(ann, CLAIM), (bob, CLAIM), (cyd, CLAIM)], allowed);
}

#[test]
fn claim_complete() {
    let world = held();
    let [ann, bob, ..] = world.1;
    let allowed = one_of(&["OK|claimed", "OK|done"]);
    two("complete claim", world, &[(ann, COMPLETE), (bob, CLAIM)], allowed);
}

#[test]
fn claim_abort() {
    let world = held();
    let [ann, bob, ..] = world.1;
    let allowed = one_of(&["OK|claimed", "OK|OK"]);
    two("abort claim", world, &[(ann, ABORT), (bob, CLAIM)], allowed);
}

#[test]
fn claim_and_abort_beside_a_claim() {
    let world = sprint("build:");
    let [ann, bob, ..] = world.1;
    const BOTH: Script = &[Do::Claim("build"), Do::Abort("build")];
    let allowed = one_of(&["OK,OK|OK", "OK,OK|claimed", "claimed,not_owner|OK"]);
    let scenario = together::<NONE>("claim abort, claim", world.0, &[(ann, BOTH), (bob, CLAIM)]);
    let scenario = watched(scenario.finally(allowed), Rules::ALL, &["build"]);
    every_mutex(&scenario, Effort::from_env());
    // The latch that outlives an abort needs one more.
    let effort = Effort { preemptions: 3, ..Effort::from_env() };
    let plan = Plan { mutex: Mutex::Absent, ..Plan::default() };
    must_hold(explore(&scenario, &plan, effort));
}

#[test]
fn no_more_attempts_than_may_fail() {
    let world = sprint("build:!1");
    let [ann, bob, ..] = world.1;
    const BOTH: Script = &[Do::Claim("build"), Do::Abort("build")];
    let allowed = one_of(&["OK,OK|claimed", "OK,OK|exhausted", "claimed,not_owner|OK"]);
    two("limit", world, &[(ann, BOTH), (bob, CLAIM)], allowed);
    // The last one that may fail has: nobody takes it over, and a person lets it go on.
    let mut world = sprint("build:!1");
    let [ann, bob, cyd, _] = world.1;
    world.0.go(ann, Do::Claim("build"), "OK");
    world.0.life.kill(ann.pid);
    let allowed = one_of(&["exhausted|OK", "OK|OK"]);
    two("limit, takeover, force", world, &[(bob, TAKEOVER), (cyd, FORCE)], allowed);
}

#[test]
fn abort_abort() {
    let world = held();
    let [ann, ..] = world.1;
    // That nobody holds it any more is as good.
    two("abort abort", world, &[(ann, ABORT), (ann, ABORT)], one_of(&["OK|OK"]));
}

#[test]
fn complete_complete() {
    let world = held();
    let [ann, ..] = world.1;
    const ONE: Script = &[Do::HandIn("build", "1")];
    const TWO: Script = &[Do::HandIn("build", "22")];
    let allowed = one_of(&["OK|done", "done|OK"]);
    two("complete complete", world, &[(ann, ONE), (ann, TWO)], allowed);
}

#[test]
fn complete_complete_alike() {
    let world = held();
    let [ann, ..] = world.1;
    two("complete twice", world, &[(ann, COMPLETE), (ann, COMPLETE)], one_of(&["OK|OK"]));
}

#[test]
fn complete_abort() {
    let world = held();
    let [ann, ..] = world.1;
    let allowed = one_of(&["OK|done", "not_claimed|OK"]);
    two("complete abort", world, &[(ann, COMPLETE), (ann, ABORT)], allowed);
}

#[test]
fn complete_reclaim() {
    // The owner's process is dead; a last command of it, which finds another process in its place,
    // still runs: its name is explicit.
    let world = stale();
    let [ann, bob, ..] = world.1;
    let allowed = one_of(&["OK|done", "lost|OK", "not_owner|OK", "OK|claimed"]);
    two("complete reclaim", world, &[(ann, COMPLETE), (bob, CLAIM)], allowed);
}

#[test]
fn renew_reclaim() {
    let world = stale();
    let [ann, bob, ..] = world.1;
    let allowed = one_of(&["claimed|OK", "OK|OK", "OK|claimed"]);
    two("renew reclaim", world, &[(ann, CLAIM), (bob, CLAIM)], allowed);
}

#[test]
fn renew_complete() {
    let world = held();
    let [ann, ..] = world.1;
    let allowed = one_of(&["OK|OK", "done|OK"]);
    two("renew complete", world, &[(ann, CLAIM), (ann, COMPLETE)], allowed);
}

#[test]
fn renew_abort() {
    let world = held();
    let [ann, ..] = world.1;
    two("renew abort", world, &[(ann, CLAIM), (ann, ABORT)], one_of(&["OK|OK"]));
}

#[test]
fn reclaim_reclaim() {
    let world = stale();
    let [_, bob, cyd, _] = world.1;
    let allowed = one_of(&["OK|claimed", "claimed|OK"]);
    two("reclaim reclaim", world, &[(bob, CLAIM), (cyd, CLAIM)], allowed);
}

#[test]
fn reclaim_reclaim_claim() {
    let world = stale();
    let [_, bob, cyd, dan] = world.1;
    let allowed = one_of(&["OK|claimed|claimed", "claimed|OK|claimed", "claimed|claimed|OK"]);
    three("reclaim thrice", world, &[(bob, CLAIM), (cyd, CLAIM), (dan, CLAIM)], allowed);
}

#[test]
fn takeover_takeover() {
    let (mut start, agents) = held();
    let [ann, bob, cyd, _] = agents;
    // Dead, but not for an hour.
    start.life.kill(ann.pid);
    let allowed = one_of(&["OK|claimed", "claimed|OK"]);
    let actors = [(bob, TAKEOVER), (cyd, TAKEOVER)];
    two("takeover takeover", (start, agents), &actors, allowed);
}

#[test]
fn takeover_complete() {
    let (mut start, agents) = held();
    let [ann, bob, ..] = agents;
    start.life.kill(ann.pid);
    let allowed = one_of(&["OK|done", "OK|claimed", "lost|OK"]);
    let actors = [(ann, COMPLETE), (bob, TAKEOVER)];
    two("takeover complete", (start, agents), &actors, allowed);
}

#[test]
fn unstuck_claim() {
    let (mut start, agents) = held();
    let [ann, bob, cyd, _] = agents;
    start.life.kill(ann.pid);
    let allowed = one_of(&["OK|OK", "OK|claimed"]);
    two("unstuck claim", (start, agents), &[(bob, UNSTUCK), (cyd, CLAIM)], allowed);
}

#[test]
fn unstuck_unstuck_claim() {
    let (mut start, agents) = held();
    let [ann, bob, cyd, dan] = agents;
    start.life.kill(ann.pid);
    let allowed = one_of(&["OK|OK|OK", "OK|OK|claimed", "alive|OK|OK", "OK|alive|OK"]);
    let actors = [(bob, UNSTUCK), (cyd, UNSTUCK), (dan, CLAIM)];
    three("unstuck unstuck claim", (start, agents), &actors, allowed);
}

#[test]
fn unstuck_unstuck() {
    let (mut start, agents) = held();
    let [ann, bob, cyd, _] = agents;
    start.life.kill(ann.pid);
    two("unstuck unstuck", (start, agents), &[(bob, UNSTUCK), (cyd, UNSTUCK)], one_of(&["OK|OK"]));
}

#[test]
fn unstuck_by_force_against_a_completion() {
    let world = held();
    let [ann, bob, ..] = world.1;
    // FENCE: exactly one of them wins.
    let allowed = one_of(&["OK|done", "not_claimed|OK"]);
    two("force complete", world, &[(ann, COMPLETE), (bob, FORCE)], allowed);
}

#[test]
fn unstuck_by_force_and_a_claim_against_a_completion() {
    let world = held();
    let [ann, bob, cyd, _] = world.1;
    let allowed = one_of(&[
        "OK|done|claimed",
        "OK|done|done",
        "not_claimed|OK|OK",
        "not_claimed|OK|claimed",
        "not_owner|OK|OK",
    ]);
    let actors = [(ann, COMPLETE), (bob, FORCE), (cyd, CLAIM)];
    three("force complete claim", world, &actors, allowed);
}

#[test]
fn three_agents_get_three_phases() {
    let (start, [ann, bob, cyd, _]) = sprint("a:,b:,c:");
    let scenario = together::<NONE>(
        "next next next",
        start,
        &[(ann, &[Do::Next]), (bob, &[Do::Next]), (cyd, &[Do::Next])],
    );
    let scenario = scenario.finally(|view| {
        let mut got = crate::conductor::answers(view);
        got.sort_unstable();
        if got == ["OK a", "OK b", "OK c"] { Ok(()) } else { Err(format!("{got:?}")) }
    });
    let effort = Effort::from_env().lighter(1);
    every_mutex(&watched(scenario, Rules::ALL, &["a", "b", "c"]), effort);
}

#[test]
fn a_dependent_waits_for_its_dependency() {
    let (mut start, [ann, bob, ..]) = sprint("a:,b:a");
    start.go(ann, Do::Claim("a"), "OK");
    let scenario = together::<NONE>(
        "dependency",
        start,
        &[(ann, &[Do::Complete("a")]), (bob, &[Do::Claim("b")])],
    );
    let scenario = scenario
        .always(|view| {
            // I3: whoever owns b does so after a was done.
            let root = view.fs.peek_list("conductor").find(|name| name.len() == 28);
            let path = |name: &str| format!("conductor/{}/{name}", root.unwrap_or_default());
            let owned = view.fs.peek_list(&path("b/lock")).any(|name| name.starts_with("owner."));
            if owned && !view.fs.exists(&path("a/done")) { Err("I3".to_owned()) } else { Ok(()) }
        })
        .finally(one_of(&["OK|OK", "OK|blocked"]));
    every_mutex(&watched(scenario, Rules::ALL, &["a", "b"]), Effort::from_env());
}

/// What a reader may say while `a` is completed and `b`, which depends on it, is claimed: never a
/// state that was over before it began to look, and never a dependent ahead of its dependency.
fn readers(name: &'static str, other: (Agent, Script), start: Quiet, reader: Agent) {
    const LOOKS: Script = &[Do::Status, Do::Status];
    let scenario = together::<NONE>(name, start, &[other, (reader, LOOKS)]).finally(|view| {
        let boards = view.notes.iter().filter(|note| note.what == "board");
        let mut done = [false, false];
        for note in boards {
            for (at, phase) in ["a", "b"].into_iter().enumerate() {
                let is = |state: &str| note.detail.contains(&format!("{phase}={state}"));
                if done[at] && !is("done") {
                    return Err(format!("{phase} was done, and now {}", note.detail));
                }
                done[at] |= is("done");
            }
            if !note.detail.contains("a=done") && !note.detail.contains("b=pending") {
                return Err(format!("b before a: {}", note.detail));
            }
        }
        match view
            .outcomes
            .iter()
            .flatten()
            .filter_map(|outcome| outcome.done())
            .find(|answer| answer.contains('!'))
        {
            Some(answer) => Err(format!("an error: {answer}")),
            None => Ok(()),
        }
    });
    every_mutex(&watched(scenario, Rules::ALL, &["a"]), Effort::from_env());
}

#[test]
fn readers_see_no_step_backwards() {
    let (mut start, [ann, bob, cyd, _]) = sprint("a:,b:a");
    readers("status, claim", (ann, &[Do::Claim("a")]), start.clone(), bob);
    start.go(ann, Do::Claim("a"), "OK");
    readers("status, abort", (ann, &[Do::Abort("a")]), start.clone(), bob);
    const ON: Script = &[Do::Complete("a"), Do::Claim("b")];
    readers("status, complete", (ann, ON), start.clone(), bob);
    start.life.kill(ann.pid);
    readers("status, takeover", (cyd, &[Do::Takeover("a")]), start, bob);
}
