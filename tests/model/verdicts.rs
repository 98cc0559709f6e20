//! Verdicts of death that are wrong: whoever is judged dead is robbed, but `done` stays done, only
//! the latest owner completes, and the one that was robbed is told.

use std::rc::Rc;

use crate::claims::MUTEXES;
use crate::conductor::{Agent, Do, NONE, Script, answers, held, sprint, together};
use crate::explore::{Chaos, Effort, explore, explore_random, must_hold};
use crate::monitor::{Rules, watched};
use crate::plan::Plan;
use crate::world::Quiet;

/// Everyone else is judged dead, agents and commands alike.
fn lies(mut start: Quiet) -> Quiet {
    start.life.verdict = Some(Rc::new(|asking, asked, truth| truth && asked == asking));
    start
}

fn robbing(name: &'static str, start: Quiet, actors: &[(Agent, Script)], three: usize) {
    let scenario = together::<NONE>(name, lies(start), actors).finally(|view| {
        // Only one completion of one phase is ever told, unless it is the same one.
        let completed: std::collections::BTreeSet<_> =
            view.notes.iter().filter(|n| n.what == "completed").map(|n| n.detail.clone()).collect();
        if completed.len() > 1 {
            return Err(format!("FENCE: {completed:?}"));
        }
        match answers(view).into_iter().find(|answer| answer.contains('!')) {
            Some(answer) => Err(format!("an error: {answer}")),
            None => Ok(()),
        }
    });
    let scenario = watched(scenario, Rules::LIES, &["build"]);
    for (salt, mutex) in [3, 4, 6].into_iter().zip(MUTEXES) {
        let plan = Plan { mutex, salt, ..Plan::default() };
        must_hold(explore(&scenario, &plan, Effort::from_env().lighter(three)));
    }
    let chaos = Chaos { mutex: true, ..Chaos::default() };
    must_hold(explore_random(
        &scenario,
        &Plan::default(),
        chaos,
        Effort::from_env().random_runs / 5,
        1,
    ));
}

#[test]
fn the_living_are_robbed() {
    const TAKE: Script = &[Do::Takeover("build")];
    const ON: Script = &[Do::Takeover("build"), Do::Complete("build")];
    let (start, [ann, bob, cyd, _]) = held();
    robbing("robbed: complete", start.clone(), &[(ann, &[Do::Complete("build")]), (bob, TAKE)], 0);
    robbing("robbed: abort", start.clone(), &[(ann, &[Do::Abort("build")]), (bob, TAKE)], 0);
    robbing("robbed: renew", start.clone(), &[(ann, &[Do::Claim("build")]), (bob, TAKE)], 0);
    robbing(
        "robbed: both complete",
        start.clone(),
        &[(ann, &[Do::Complete("build")]), (bob, ON)],
        0,
    );
    robbing("robbed twice", start, &[(ann, &[Do::Complete("build")]), (bob, TAKE), (cyd, ON)], 1);
    let (start, [ann, bob, cyd, _]) = sprint("build:");
    const CLAIM: Script = &[Do::Claim("build")];
    robbing("robbed of the latch", start.clone(), &[(ann, CLAIM), (bob, CLAIM)], 0);
    robbing("robbed thrice", start, &[(ann, ON), (bob, ON), (cyd, CLAIM)], 1);
}

#[test]
fn the_robbed_is_told() {
    let (start, [ann, bob, ..]) = held();
    let mut start = lies(start);
    start.go(bob, Do::Takeover("build"), "OK");
    start.go(ann, Do::Complete("build"), "lost");
    start.go(ann, Do::Abort("build"), "lost");
    start.go(bob, Do::Complete("build"), "OK");
    start.go(ann, Do::Complete("build"), "done");
}
