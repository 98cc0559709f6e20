//! Each defence of the protocol, switched off: the checker must find the failure that it defends
//! against, and must find nothing in the same scenario with all of them on.

use crate::conductor::{
    Agent, COMMIT_BY_RENAME, Do, HEAR, HEAR_AGAIN, LATCH_STAYS, LOOK_AGAIN, LOOK_FOR_CURRENCY,
    MARK_REMOVED, NEVER_ABSENT, NONE, OWN_DIRECTORY, PUBLISH_FIRST, RECORD_FIRST,
    REMOVE_WHAT_WAS_JUDGED, Script, TAKE_OVER_BY_NAME, grace, held, sprint, stale, together,
};
use crate::explore::{Effort, Explored, explore, kill_everywhere, must_fail, must_hold};
use crate::monitor::{Rules, watched};
use crate::plan::{Mutex, Plan};
use crate::run::Scenario;
use crate::world::Quiet;

const CLAIM: Script = &[Do::Claim("build")];
const COMPLETE: Script = &[Do::Complete("build")];

/// Explores `actors` without the defences `OFF`, as far as it takes, and with all of them.
fn caught<const OFF: u16>(
    name: &'static str,
    start: &Quiet,
    actors: &[(Agent, Script)],
    (mutex, preemptions): (Mutex, usize),
    reason: &str,
) {
    // What is asked for is the failure itself, and not what the script would make of it.
    let rules = Rules { latch: OFF != COMMIT_BY_RENAME, past: OFF == RECORD_FIRST, ..Rules::ALL };
    let explored = |scenario: Scenario<String>| -> Explored {
        let scenario = watched(scenario, rules, &["build"]);
        let effort = Effort { preemptions, ..Effort::of_depth(2) };
        for salt in 1..4 {
            explore(&scenario, &Plan { mutex, salt, ..Plan::default() }, effort)?;
        }
        Ok(crate::explore::Stats::default())
    };
    must_hold(explored(together::<NONE>(name, start.clone(), actors)));
    let failure = must_fail(explored(together::<OFF>(name, start.clone(), actors)), reason);
    eprintln!("{}\n  MODEL_REPLAY='{}'", failure.reason, failure.replay);
}

/// A dead owner that has been started again looks at the board, while another agent claims what
/// seems to be left behind.
#[test]
fn who_is_heard_is_not_robbed() {
    fn explored<const OFF: u16>() -> Explored {
        let (mut start, [_, bob, ..]) = stale();
        let ann = start.newcomer("ann");
        let actors = [(bob, CLAIM), (ann, &[Do::Status] as Script)];
        let scenario = together::<OFF>("heard again", start, &actors).always(grace);
        let scenario = watched(scenario, Rules::ALL, &["build"]);
        let effort = Effort { preemptions: 2, ..Effort::of_depth(2) };
        for (salt, mutex) in (1..4).zip(crate::claims::MUTEXES) {
            explore(&scenario, &Plan { mutex, salt, ..Plan::default() }, effort)?;
        }
        Ok(crate::explore::Stats::default())
    }
    must_hold(explored::<NONE>());
    // The last look alone would refuse for ever what is judged to be left behind.
    must_fail(explored::<HEAR>(), "livelock");
    must_fail(explored::<{ HEAR | HEAR_AGAIN }>(), "GRACE");
    must_fail(explored::<HEAR_AGAIN>(), "GRACE");
}

#[test]
fn the_latch_stays() {
    let (start, [ann, bob, ..]) = sprint("build:");
    let actors = [(ann, CLAIM), (bob, CLAIM)];
    caught::<LATCH_STAYS>("no latch", &start, &actors, (Mutex::Absent, 2), "mkdir lock.d");
}

#[test]
fn a_claim_looks_again() {
    let (start, [ann, bob, ..]) = sprint("build:");
    const BOTH: Script = &[Do::Claim("build"), Do::Complete("build")];
    let actors = [(ann, CLAIM), (bob, BOTH)];
    caught::<LOOK_AGAIN>("no second look", &start, &actors, (Mutex::Absent, 2), "I2");
}

#[test]
fn a_claim_is_taken_over_by_its_name() {
    let (start, [_, bob, cyd, _]) = stale();
    let actors = [(bob, CLAIM), (cyd, CLAIM)];
    caught::<TAKE_OVER_BY_NAME>("ABA", &start, &actors, (Mutex::Absent, 2), "I1");
}

#[test]
fn a_completion_is_committed_by_a_rename() {
    let (mut start, [ann, bob, ..]) = held();
    start.life.kill(ann.pid);
    let actors = [(ann, COMPLETE), (bob, &[Do::Takeover("build")] as Script)];
    caught::<COMMIT_BY_RENAME>("zombie", &start, &actors, (Mutex::Absent, 2), "FENCE");
}

#[test]
fn what_is_removed_was_judged() {
    // A lock that is being freed, a claimer that clears it, and another that has claimed meanwhile.
    let (start, [ann, bob, ..]) = held();
    let actors = [(ann, &[Do::Abort("build")] as Script), (bob, CLAIM)];
    let how = (Mutex::Lying, 2);
    caught::<REMOVE_WHAT_WAS_JUDGED>("removes another's", &start, &actors, how, "");
}

#[test]
fn a_lock_is_never_absent() {
    let (start, [_, bob, cyd, _]) = stale();
    let actors = [(bob, CLAIM), (cyd, CLAIM)];
    caught::<NEVER_ABSENT>("half removed", &start, &actors, (Mutex::Absent, 2), "");
}

#[test]
fn a_sprint_has_its_own_directory() {
    let mut start = Quiet::new();
    let (ann, bob) = (start.newcomer("ann"), start.newcomer("bob"));
    const START: Script = &[Do::Start("build:")];
    let actors = [(ann, START), (bob, START)];
    // Its moment's mark would do as well, but a binary of before there were marks makes none.
    const UNMARKED: u16 = OWN_DIRECTORY | MARK_REMOVED;
    caught::<UNMARKED>("one second", &start, &actors, (Mutex::Absent, 2), "J3");
}

#[test]
fn a_sprint_is_marked_before_it_is_removed() {
    const AGAIN: Script = &[Do::Start("build:"), Do::Archive, Do::Clean, Do::Start("build:")];
    let (start, [ann, ..]) = sprint("build:");
    let explored = |scenario: Scenario<String>| {
        let scenario = watched(scenario, Rules::ENDS, &["build"]);
        explore(&scenario, &Plan::default(), Effort { preemptions: 0, ..Effort::of_depth(2) })
    };
    must_hold(explored(together::<NONE>("removed", start.clone(), &[(ann, AGAIN)])));
    must_fail(explored(together::<MARK_REMOVED>("removed", start, &[(ann, AGAIN)])), "J3");
}

#[test]
fn a_sprint_is_published_before_the_old_one_ends() {
    const START: Script = &[Do::Start("build:")];
    let (start, [ann, ..]) = sprint("build:");
    let none = Effort { preemptions: 0, ..Effort::of_depth(2) };
    let actors = [(ann, START)];
    let good =
        watched(together::<NONE>("killed start", start.clone(), &actors), Rules::ALL, &["build"]);
    must_hold(kill_everywhere(&good, &Plan::default(), none));
    let bad =
        watched(together::<PUBLISH_FIRST>("killed start", start, &actors), Rules::ALL, &["build"]);
    must_fail(kill_everywhere(&bad, &Plan::default(), none), "J1");
}

#[test]
fn a_claim_and_a_completion_look_for_currency() {
    const RESTART: Script = &[Do::Restart("build:")];
    let (start, [ann, bob, ..]) = sprint("build:");
    let actors = [(ann, CLAIM), (bob, RESTART)];
    let how = (Mutex::Absent, 2);
    caught::<LOOK_FOR_CURRENCY>("claim in a sprint that is over", &start, &actors, how, "J2");
    let (start, [ann, bob, ..]) = held();
    let actors = [(ann, COMPLETE), (bob, RESTART)];
    caught::<LOOK_FOR_CURRENCY>("completion in one", &start, &actors, how, "J2");
}

#[test]
fn what_fails_is_written_down_before() {
    const ABORT: Script = &[Do::Abort("build")];
    let (start, [ann, bob, ..]) = held();
    let how = (Mutex::Absent, 1);
    let actors = [(ann, ABORT), (bob, CLAIM)];
    caught::<RECORD_FIRST>("lost abort", &start, &actors, how, "attempts: ");
    let (start, [_, bob, cyd, _]) = stale();
    let actors = [(bob, CLAIM), (cyd, CLAIM)];
    caught::<RECORD_FIRST>("lost reclaim", &start, &actors, how, "attempts: ");
}
