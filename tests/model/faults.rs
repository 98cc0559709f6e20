//! Every operation fails once: no OK is given wrongly, nothing is wedged, no half-written record is
//! taken for a whole one, and an interrupted call is as if nothing had been.

use rustix::io::Errno;

use crate::conductor::{Agent, Do, NONE, Script, answers, held, sprint, stale, together};
use crate::explore::{Effort, FAULTS, explore, fail_everywhere, must_hold};
use crate::monitor::{Rules, granted, watched};
use crate::plan::{Effect, Fault, Plan};
use crate::world::{Quiet, Step};

/// The commands that are tried alone, and where they begin.
fn commands() -> Vec<(&'static str, Quiet, Agent, Script)> {
    let (empty, [ann, ..]) = sprint("build:");
    let (owned, _) = held();
    let (old, [_, bob, ..]) = stale();
    vec![
        ("fault: claim", empty.clone(), ann, &[Do::Claim("build")]),
        ("fault: renew", owned.clone(), ann, &[Do::Claim("build")]),
        ("fault: complete", owned.clone(), ann, &[Do::HandIn("build", "artifact")]),
        ("fault: abort", owned, ann, &[Do::Abort("build")]),
        ("fault: reclaim", old.clone(), bob, &[Do::Claim("build")]),
        ("fault: unstuck", old, bob, &[Do::Unstuck("build")]),
        ("fault: start", empty.clone(), ann, &[Do::Start("build:")]),
        ("fault: archive", empty, ann, &[Do::Archive]),
    ]
}

#[test]
fn every_operation_fails_once() {
    let effort = Effort { preemptions: 0, ..Effort::from_env() };
    for (name, start, agent, script) in commands() {
        let scenario = together::<NONE>(name, start, &[(agent, script)]).finally(move |view| {
            let answer = answers(view)[0];
            let ok = answer == "OK";
            let told = granted(view, 0);
            if matches!(script, [Do::Claim(_)]) && ok != told {
                return Err(format!("{answer}, but granted: {told}"));
            }
            // A refusal would be a lie: nobody is in the way.
            if ok || answer.starts_with('!') { Ok(()) } else { Err(format!("answers {answer}")) }
        });
        let scenario = watched(scenario, Rules::ENDS, &["build"]);
        must_hold(fail_everywhere(&scenario, &Plan::default(), FAULTS, effort));
    }
}

#[test]
fn an_interrupted_call_is_invisible() {
    let effort = Effort { preemptions: 0, ..Effort::from_env() };
    for (name, start, agent, script) in commands() {
        let scenario = together::<NONE>(name, start, &[(agent, script)]).finally(|view| {
            if answers(view) == ["OK"] { Ok(()) } else { Err(format!("{:?}", answers(view))) }
        });
        must_hold(fail_everywhere(&scenario, &Plan::default(), &[Errno::INTR], effort));
    }
}

#[test]
fn an_operation_takes_effect_and_fails() {
    let effort = Effort { preemptions: 0, ..Effort::from_env() };
    for (name, start, agent, script) in commands() {
        let scenario =
            watched(together::<NONE>(name, start, &[(agent, script)]), Rules::ENDS, &["build"]);
        for step in 1.. {
            let fault = Fault { command: 0, step, errno: Errno::IO, effect: Effect::Full };
            let stats = must_hold(explore(&scenario, &Plan::default().with_fault(fault), effort));
            if stats.struck.is_none() {
                break;
            }
        }
    }
}

/// Two commands at once: the scenario's name, the world it begins in, who does what.
type Pair = (&'static str, Quiet, [(Agent, Script); 2]);

#[test]
fn an_operation_fails_beside_another_command() {
    let (start, [ann, bob, ..]) = sprint("build:");
    let claim: Script = &[Do::Claim("build")];
    let effort = Effort::from_env().lighter(1);
    let plan = Plan { mutex: crate::plan::Mutex::Absent, salt: 3, ..Plan::default() };
    let pairs: [Pair; 3] = [
        ("fault: claim claim", start, [(ann, claim), (bob, claim)]),
        ("fault: complete claim", held().0, [(ann, &[Do::Complete("build")]), (bob, claim)]),
        ("fault: abort claim", held().0, [(ann, &[Do::Abort("build")]), (bob, claim)]),
    ];
    for (name, start, actors) in pairs {
        let scenario = watched(together::<NONE>(name, start, &actors), Rules::ALL, &["build"]);
        let stats = must_hold(fail_everywhere(&scenario, &plan, &[Errno::IO], effort));
        assert_ne!(stats.struck, Some(Step::Sync), "the last step of a command is no sync");
    }
}
