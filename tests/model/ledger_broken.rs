//! Each defence of the engine, switched off: the checker must find the failure that it defends
//! against.

use git_conductor::record::ledger::Deed;

use crate::clones::{
    CONCLUDE_OWN, COPY, DECIDE_BY_VOUCH, DESKTOP, Do, LAPTOP, LEDGER_FIRST, LOOK_PROVES_ONLY_IN,
    NONE, NOTICE_COPIES, OLDER_PROVES_NOTHING, SAME_COMMIT_AGAIN, Script, WORDS_PROVE_NOTHING, Who,
    act, cut_off_everywhere, shared, together,
};
use crate::explore::{Effort, explore, kill_everywhere, must_fail, must_hold};
use crate::plan::{Mutex, Plan};
use crate::run::Scenario;
use crate::server::Fault;
use crate::world::{Ctx, Quiet};

const CLAIM: Script = &[Do::Claim("build")];

fn effort(preemptions: usize) -> Effort {
    Effort { preemptions, ..Effort::of_depth(2) }
}

fn plan() -> Plan {
    Plan { mutex: Mutex::Lying, ..Plan::default() }
}

/// Explores with pushes cut, without the defences `OFF`, and with all of them.
fn caught<const OFF: u16>(
    name: &'static str,
    start: &Quiet,
    actors: &[(Who, Script)],
    preemptions: usize,
    reason: &str,
) {
    let explored = |scenario| cut_off_everywhere(&scenario, &plan(), effort(preemptions));
    must_hold(explored(together::<NONE>(name, start.clone(), actors, 1)));
    let failure = must_fail(explored(together::<OFF>(name, start.clone(), actors, 1)), reason);
    eprintln!("{}\n  MODEL_REPLAY='{}'", failure.reason, failure.replay);
}

const TWO: [(Who, Script); 2] = [((LAPTOP, "ann"), CLAIM), ((DESKTOP, "bob"), CLAIM)];

#[test]
fn one_look_decides() {
    caught::<LOOK_PROVES_ONLY_IN>("one look", &shared("build:"), &TWO[..1], 0, "L2");
}

#[test]
fn the_words_of_the_server_decide() {
    // Another command of the clone brings the change in, and one of its own after it: to who asked
    // for it, the server says that the tip has moved.
    let actors: [(Who, Script); 2] =
        [((LAPTOP, "ann"), CLAIM), ((LAPTOP, "cyd"), &[Do::Claim("qa")])];
    let explored = |scenario| explore(&scenario, &plan(), effort(1));
    must_hold(explored(together::<NONE>("words", shared("build:,qa:"), &actors, 0)));
    let broken = together::<WORDS_PROVE_NOTHING>("words", shared("build:,qa:"), &actors, 0);
    must_fail(explored(broken), "L2");
}

#[test]
fn a_rebuilt_commit() {
    caught::<SAME_COMMIT_AGAIN>("rebuilt", &shared("build:"), &TWO[..1], 0, "L8");
}

#[test]
fn the_same_commit_only() {
    fn scenario<const OFF: u16>() -> Scenario<String> {
        let mut start = shared("build:");
        start.server.refuses = Some(|deed| matches!(deed, Deed::Claim { .. }));
        let actors: [(Who, Script); 1] = [((LAPTOP, "ann"), CLAIM)];
        together::<OFF>("no vouch", start, &actors, 0).finally(|view| {
            let lone = |ctx: &Ctx<'_>| act::<OFF>(ctx, (LAPTOP, "lone"), Do::Sync);
            match view.quiet().run("lone", lone).as_str() {
                "OK" => Ok(()),
                other => Err(format!("L9: alone it is told {other}")),
            }
        })
    }
    let explored = |scenario| explore(&scenario, &plan(), effort(0));
    must_hold(explored(scenario::<NONE>()));
    must_fail(explored(scenario::<DECIDE_BY_VOUCH>()), "L9: alone");
}

#[test]
fn no_from_an_older_tip() {
    let mut start = shared("build:");
    start.server.lags = Some((LAPTOP.dir, 2));
    caught::<OLDER_PROVES_NOTHING>("older", &start, &TWO[..1], 0, "L2");
}

#[test]
fn copies_go_unnoticed() {
    let mut start = shared("build:");
    start.told((LAPTOP, "ann"), Do::Claim("build"), "OK");
    let start = start.copied();
    // The copy does not know what the laptop's agents hold, and frees it as its own.
    let actors: [(Who, Script); 2] =
        [((LAPTOP, "ann"), &[Do::Complete("build")]), ((COPY, "ann"), &[Do::Abort("build")])];
    let explored = |scenario| explore(&scenario, &plan(), effort(1));
    let told_twice = |view: &crate::run::View<'_, String>| {
        let told = crate::conductor::answers(view);
        // One of the two was told by whom it had been done, and not that it is a copy.
        if told.iter().any(|told| told.starts_with("Rule")) {
            return Err("L4: two clones go on as one member".to_owned());
        }
        Ok(())
    };
    must_hold(explored(together::<NONE>("copied", start.clone(), &actors, 0)));
    let broken = together::<NOTICE_COPIES>("copied", start, &actors, 0).finally(told_twice);
    must_fail(explored(broken), "L4");
}

#[test]
fn anothers_intent_is_removed() {
    let actors: [(Who, Script); 2] = [((LAPTOP, "ann"), CLAIM), ((LAPTOP, "cyd"), CLAIM)];
    let explored = |scenario, bound| kill_everywhere(&scenario, &plan(), effort(bound));
    must_hold(explored(together::<NONE>("another's", shared("build:"), &actors, 1), 0));
    let broken = together::<CONCLUDE_OWN>("another's", shared("build:"), &actors, 1);
    // The change that was forgotten landed: to its own clone it is a stranger's.
    must_fail(explored(broken, 1), "told Copied");
}

#[test]
fn the_store_changes_first() {
    caught::<LEDGER_FIRST>("local first", &shared("build:"), &TWO[..1], 0, "L8");
}

#[test]
fn pushes_are_forced() {
    let mut start = shared("build:");
    start.server.fault = Fault::Force;
    let scenario = together::<NONE>("forced", start, &TWO, 1);
    must_fail(explore(&scenario, &plan(), effort(2)), "L");
}
