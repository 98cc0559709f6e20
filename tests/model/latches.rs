//! A latch whose maker has not marked it: it was stopped, or killed, or could not, or the power was
//! cut.

use rustix::io::Errno;

use crate::conductor::{
    Agent, Do, NONE, OUTLIVE_BOOT, REMOVE_UNMARKED, Script, WAIT_ONCE, act, sprint, together,
};
use crate::explore::{Effort, Explored, explore, fail_everywhere, must_fail, must_hold};
use crate::monitor::{Rules, watched};
use crate::plan::{Kill, Mutex, Plan};
use crate::world::Quiet;

const CLAIM: Do = Do::Claim("build");

/// The sprint's only phase.
fn phase(quiet: &Quiet) -> String {
    let sprint = quiet.fs.peek_list("conductor").filter(|name| name.len() == 28).last();
    format!("conductor/{}/build", sprint.unwrap_or_default())
}

/// Whether there is a latch that nobody has marked, and whether there is one that does not say who
/// has.
fn unmarked(quiet: &Quiet) -> (bool, bool) {
    let latch = format!("{}/lock.d", phase(quiet));
    let markers: Vec<String> = quiet.fs.peek_list(&latch).map(ToString::to_string).collect();
    let torn = markers.iter().any(|name| {
        let marker = quiet.fs.peek_read(&format!("{latch}/{name}"));
        !marker.is_some_and(|marker| marker.ends_with(b"\n"))
    });
    (quiet.fs.exists(&latch) && markers.is_empty(), torn)
}

/// What a claim leaves that is killed before its latch tells whose it is: all of these, and who
/// comes then.
fn left() -> Vec<(Quiet, Agent)> {
    let mut found = Vec::new();
    for torn in [false, true] {
        for step in 1..200 {
            let (mut quiet, [ann, bob, ..]) = sprint("build:");
            let plan = Plan::default().with_kill(Kill { command: 0, step, torn });
            quiet.run_traced("A", plan, |ctx| act::<NONE>(ctx, ann, CLAIM));
            let left = unmarked(&quiet);
            let is_new = !found.iter().any(|(known, _)| unmarked(known) == left);
            if left != (false, false) && is_new {
                found.push((quiet, bob));
            }
        }
    }
    assert!(found.len() > 1, "a claim makes a latch, and then marks it");
    found
}

/// How a claim ends, and after how many seconds, when the mutex is not to be had.
fn beside_a_stopped_one<const OFF: u16>(mut quiet: Quiet, agent: Agent) -> (String, i64) {
    let begun = quiet.now;
    let plan = Plan { mutex: Mutex::Absent, ..Plan::default() };
    let (answer, _) = quiet.run_traced("B", plan, |ctx| act::<OFF>(ctx, agent, CLAIM));
    (answer, (quiet.now - begun) / 1_000_000_000)
}

/// Whoever is stopped between its latch and its marker has the mutex, too.
#[test]
fn nobody_waits_long_for_one_that_is_stopped() {
    for (quiet, bob) in left() {
        let (answer, seconds) = beside_a_stopped_one::<NONE>(quiet.clone(), bob);
        assert!(answer.starts_with("!busy") && seconds <= 2, "{answer} after {seconds} s");
        let (answer, seconds) = beside_a_stopped_one::<WAIT_ONCE>(quiet, bob);
        assert!(answer.starts_with("!busy") && seconds > 30, "{answer} after {seconds} s");
    }
}

/// A claim for which every look fails once for want of a file handle, and what it leaves.
fn without_handles<const OFF: u16>() -> Explored {
    let (start, [ann, ..]) = sprint("build:");
    let script: Script = &[CLAIM];
    let scenario = together::<OFF>("no handles", start, &[(ann, script)]).finally(|view| {
        match unmarked(&view.quiet()) {
            (false, false) => Ok(()),
            left => Err(format!("a latch is left that keeps everyone out: {left:?}")),
        }
    });
    let effort = Effort { preemptions: 0, ..Effort::from_env() };
    let scenario = watched(scenario, Rules::ALL, &["build"]);
    fail_everywhere(&scenario, &Plan::default(), &[Errno::MFILE], effort)
}

#[test]
fn a_latch_that_cannot_be_marked_goes() {
    must_hold(without_handles::<NONE>());
    must_fail(without_handles::<REMOVE_UNMARKED>(), "a latch is left");
}

/// The machine goes down, and is up again at once.
fn rebooted(mut quiet: Quiet) -> (Quiet, [Agent; 2]) {
    quiet.now += 1_000_000_000;
    quiet.life.reboot(quiet.now);
    let agents = ["bob", "cyd"].map(|name| quiet.newcomer(name));
    (quiet, agents)
}

#[test]
fn what_is_older_than_this_boot_is_nobodys() {
    for (quiet, _) in left() {
        let (mut quiet, [bob, _]) = rebooted(quiet);
        let mut without = quiet.clone();
        quiet.go(bob, CLAIM, "OK");
        let answer = without.run("alone", |ctx| act::<OUTLIVE_BOOT>(ctx, bob, CLAIM));
        assert!(answer.starts_with("!busy"), "{answer}");
    }
}

/// Two that come at once have one winner, whatever the clocks have made of the boot.
#[test]
fn one_of_two_takes_it_over() {
    for (quiet, _) in left() {
        let (start, [bob, cyd]) = rebooted(quiet);
        let script: Script = &[CLAIM];
        let actors = [(bob, script), (cyd, script)];
        for (salt, mutex) in (1..4).zip(crate::claims::MUTEXES) {
            let scenario = together::<NONE>("after the boot", start.clone(), &actors);
            let scenario = watched(scenario, Rules::ALL, &["build"]);
            let effort = Effort { preemptions: 2, ..Effort::of_depth(2) };
            let plan = Plan { mutex, salt, ..Plan::default() };
            must_hold(explore(&scenario, &plan, effort));
        }
    }
}

/// By a clock that was set since, a latch can seem older than the boot although its maker is in the
/// middle of a claim: it gives way, or the other does.
#[test]
fn a_clock_that_was_set_robs_nobody() {
    let (mut start, [ann, bob, ..]) = sprint("build:");
    // All that is made from now on is of before this boot.
    let now = start.now;
    start.life.believe_boot(now + 3_600_000_000_000);
    let script: Script = &[CLAIM];
    for (salt, mutex) in (1..4).zip(crate::claims::MUTEXES) {
        let scenario =
            together::<NONE>("clock set", start.clone(), &[(ann, script), (bob, script)]);
        let scenario = watched(scenario, Rules::ALL, &["build"]);
        let effort = Effort { preemptions: 2, ..Effort::of_depth(2) };
        let plan = Plan { mutex, salt, ..Plan::default() };
        must_hold(explore(&scenario, &plan, effort));
    }
}
