//! Commands on whole sprints beside each other and beside commands on phases.

use crate::claims::every_mutex;
use crate::conductor::{Do, NONE, Script, held, one_of, sprint, together};
use crate::explore::Effort;
use crate::monitor::{Rules, watched};
use crate::world::Quiet;

const START: Script = &[Do::Start("build:")];
const RESTART: Script = &[Do::Restart("build:")];
const IF_NONE: Script = &[Do::IfNone("build:")];
const CLAIM: Script = &[Do::Claim("build")];
const COMPLETE: Script = &[Do::Complete("build")];
const ARCHIVE: Script = &[Do::Archive];
const CLEAN: Script = &[Do::Clean];

/// Explores one pair or triple.
fn hold(
    name: &'static str,
    start: Quiet,
    actors: &[(crate::conductor::Agent, Script)],
    rules: Rules,
    allowed: &'static [&'static str],
) {
    let scenario = together::<NONE>(name, start, actors).finally(one_of(allowed));
    let effort = Effort::from_env().lighter(actors.len() - 2);
    every_mutex(&watched(scenario, rules, &["build"]), effort);
}

#[test]
fn start_start() {
    let (start, [ann, bob, ..]) = sprint("build:");
    hold("start start", start, &[(ann, START), (bob, START)], Rules::ALL, &["OK|OK"]);
}

#[test]
fn the_very_first_start_twice() {
    let mut start = Quiet::new();
    let (ann, bob) = (start.newcomer("ann"), start.newcomer("bob"));
    hold("first start", start, &[(ann, START), (bob, START)], Rules::ALL, &["OK|OK"]);
}

#[test]
fn start_if_none_twice() {
    let mut start = Quiet::new();
    let (ann, bob) = (start.newcomer("ann"), start.newcomer("bob"));
    hold("if none", start, &[(ann, IF_NONE), (bob, IF_NONE)], Rules::ALL, &["OK|OK"]);
}

#[test]
fn start_claim() {
    let (start, [ann, bob, ..]) = sprint("build:");
    let allowed = &["OK|OK", "claimed|OK"];
    hold("start claim", start, &[(ann, START), (bob, CLAIM)], Rules::ALL, allowed);
}

#[test]
fn start_complete() {
    let (start, [ann, bob, ..]) = held();
    // What is completed and superseded before it could look again is told as lost.
    let allowed = &["OK|OK", "claimed|OK", "OK|lost"];
    hold("start complete", start.clone(), &[(bob, START), (ann, COMPLETE)], Rules::ALL, allowed);
    let allowed = &["OK|OK", "OK|lost"];
    hold("restart complete", start, &[(bob, RESTART), (ann, COMPLETE)], Rules::ALL, allowed);
}

#[test]
fn start_start_claim() {
    let (start, [ann, bob, cyd, _]) = sprint("build:");
    let allowed = &["OK|OK|OK", "claimed|OK|OK", "OK|claimed|OK", "claimed|claimed|OK"];
    let actors = [(ann, START), (bob, START), (cyd, CLAIM)];
    hold("start start claim", start, &actors, Rules::ALL, allowed);
}

#[test]
fn archive_claim() {
    let (start, [ann, bob, ..]) = sprint("build:");
    let allowed = &["OK|OK", "OK|no_sprint", "claimed|OK"];
    hold("archive claim", start, &[(ann, ARCHIVE), (bob, CLAIM)], Rules::ENDS, allowed);
}

#[test]
fn archive_complete() {
    let (start, [ann, ..]) = held();
    // By the same agent: its own claim does not stand in the way.
    let allowed = &["OK|OK", "OK|lost"];
    hold("archive complete", start, &[(ann, ARCHIVE), (ann, COMPLETE)], Rules::ENDS, allowed);
}

#[test]
fn archive_start() {
    let (start, [ann, bob, ..]) = sprint("build:");
    let allowed = &["OK|OK"];
    hold("archive start", start, &[(ann, ARCHIVE), (bob, START)], Rules::ENDS, allowed);
}

/// `plan` is done by ann, with an artifact, and `build` is hers.
pub(crate) fn planned() -> (Quiet, [crate::conductor::Agent; 4]) {
    let (mut start, agents) = sprint("plan:,build:plan");
    start.go(agents[0], Do::Claim("plan"), "OK");
    start.go(agents[0], Do::HandIn("plan", "a plan"), "OK");
    start.go(agents[0], Do::Claim("build"), "OK");
    (start, agents)
}

#[test]
fn round_complete() {
    let (start, [ann, ..]) = planned();
    // By the same agent: its own claim does not stand in the way. What is completed before the old
    // sprint ends is carried only if it was seen.
    let from: Script = &[Do::Round("build"), Do::Status];
    let scenario = together::<NONE>("round complete", start, &[(ann, from), (ann, COMPLETE)])
        .finally(one_of(&[
            "OK,plan=done:ann build=pending|OK",
            "OK,plan=done:ann build=pending|lost",
            // In the new sprint nobody has claimed it.
            "OK,plan=done:ann build=pending|not_claimed",
        ]));
    every_mutex(&watched(scenario, Rules::ALL, &["plan"]), Effort::from_env().lighter(1));
}

#[test]
fn rounds_beside_others() {
    let (mut start, [ann, bob, ..]) = planned();
    start.go(ann, Do::Complete("build"), "OK");
    const AGAIN: Script = &[Do::Round("build")];
    let lighter = |name, start, actors: &[_], rules, allowed| {
        let scenario = together::<NONE>(name, start, actors).finally(one_of(allowed));
        every_mutex(&watched(scenario, rules, &["build"]), Effort::from_env().lighter(1));
    };
    lighter("round round", start.clone(), &[(ann, AGAIN), (bob, AGAIN)], Rules::ALL, &["OK|OK"]);
    const CLAIM_BOTH: Script = &[Do::Claim("plan"), Do::Claim("build")];
    let allowed = &["OK|done,OK", "OK|done,done", "claimed|done,OK"];
    lighter("round claim", start.clone(), &[(bob, AGAIN), (ann, CLAIM_BOTH)], Rules::ALL, allowed);
    // What is carried stands when the sprint that it was carried from is removed.
    let archived: Script = &[Do::Archive, Do::Clean];
    let allowed = &["OK|OK,OK", "OK|no_sprint,OK", "no_sprint|OK,OK"];
    lighter("round clean", start, &[(bob, AGAIN), (ann, archived)], Rules::ENDS, allowed);
}

/// `plan` was done in a sprint that has ended for another one, of `build` alone.
fn ended() -> (Quiet, [crate::conductor::Agent; 4]) {
    let (mut start, agents) = sprint("plan:,build:plan");
    start.go(agents[0], Do::Claim("plan"), "OK");
    start.go(agents[0], Do::HandIn("plan", "a plan"), "OK");
    start.go(agents[0], Do::Start("build:"), "OK");
    (start, agents)
}

#[test]
fn resuming_beside_others() {
    let (start, [ann, bob, ..]) = ended();
    const RESUME: Script = &[Do::Resume];
    let lighter = |name, start: &Quiet, actors: &[_], rules, allowed| {
        let scenario = together::<NONE>(name, start.clone(), actors).finally(one_of(allowed));
        every_mutex(&watched(scenario, rules, &["build"]), Effort::from_env().lighter(1));
    };
    // Who comes second would end what the first has begun, with something done in it.
    // Or the one that it is about to name is the new one of the other by now.
    const NAMED: &[&str] =
        &["OK|OK", "OK|unfinished", "unfinished|OK", "cannot_resume|OK", "OK|cannot_resume"];
    lighter("resume resume", &start, &[(ann, RESUME), (bob, RESUME)], Rules::ALL, NAMED);
    lighter("resume start", &start, &[(ann, RESUME), (bob, START)], Rules::ALL, NAMED);
    let allowed = &["OK|OK", "claimed|OK", "OK|blocked"];
    lighter("resume claim", &start, &[(ann, RESUME), (bob, CLAIM)], Rules::ALL, allowed);
    // What it would go on with may be removed meanwhile.
    let allowed = &["OK|OK", "unknown_sprint|OK"];
    lighter("resume clean", &start, &[(ann, RESUME), (bob, CLEAN)], Rules::ALL, allowed);
    let archived: Script = &[Do::Archive, Do::Clean];
    let allowed = &["OK|OK,OK", "unknown_sprint|OK,OK"];
    lighter("resume archive", &start, &[(ann, RESUME), (bob, archived)], Rules::ENDS, allowed);
    let (mut held, [ann, bob, ..]) = ended();
    held.go(bob, Do::Claim("build"), "OK");
    let allowed = &["claimed|OK", "OK|OK", "OK|lost"];
    lighter("resume complete", &held, &[(ann, RESUME), (bob, COMPLETE)], Rules::ALL, allowed);
}

#[test]
fn what_was_done_before_it_ended_is_done_when_it_goes_on() {
    let (mut start, [ann, bob, ..]) = ended();
    start.go(bob, Do::Resume, "OK");
    start.go(bob, Do::Status, "plan=done:ann build=pending");
    // Nothing that has ended is the current one again: what it went on with stays removed.
    start.go(bob, Do::Clean, "OK");
    start.go(bob, Do::Resume, "unknown_sprint");
    start.go(bob, Do::Status, "plan=done:ann build=pending");
    start.go(ann, Do::Claim("build"), "OK");
    start.go(ann, Do::Complete("build"), "OK");
    start.go(bob, Do::Start("build:"), "OK");
    start.go(bob, Do::Resume, "cannot_resume");
    start.go(bob, Do::Status, "build=pending");
    // Who took no part in what others have begun does not end it.
    start.go(bob, Do::Start("plan:,build:plan"), "OK");
    start.go(bob, Do::Claim("plan"), "OK");
    start.go(bob, Do::Complete("plan"), "OK");
    start.go(ann, Do::Start("build:"), "unfinished");
    start.go(ann, Do::Resume, "unfinished");
    start.go(ann, Do::IfNone("build:"), "OK");
    start.go(ann, Do::Round("build"), "OK");
    start.go(ann, Do::Restart("build:"), "OK");
}

/// Whatever was removed, and whoever else starts or removes: no id is given again. All of this
/// takes less than a second.
#[test]
fn no_id_is_given_again() {
    let (start, [ann, bob, ..]) = sprint("build:");
    const AGAIN: Script = &[Do::Start("build:"), Do::Archive, Do::Clean, Do::Start("build:")];
    const GONE: Script = &[Do::Archive, Do::Clean];
    let lighter = |name, actors: &[_]| {
        let scenario = together::<NONE>(name, start.clone(), actors);
        every_mutex(&watched(scenario, Rules::ENDS, &["build"]), Effort::from_env().lighter(1));
    };
    lighter("again", &[(ann, AGAIN)]);
    lighter("again clean", &[(ann, AGAIN), (bob, CLEAN)]);
    lighter("again gone", &[(ann, AGAIN), (bob, GONE)]);
    lighter("again start", &[(ann, AGAIN), (bob, START)]);
}

#[test]
fn a_round_outlives_the_one_before_it() {
    let (mut start, [ann, bob, ..]) = planned();
    start.go(ann, Do::Complete("build"), "OK");
    start.go(bob, Do::Round("build"), "OK");
    start.go(bob, Do::Clean, "OK");
    start.go(bob, Do::Round("build"), "OK");
    start.go(bob, Do::Clean, "OK");
    start.go(bob, Do::Status, "plan=done:ann build=pending");
    start.go(bob, Do::Round("plan"), "OK");
    start.go(bob, Do::Status, "plan=pending build=pending");
}

#[test]
fn readers_beside_a_start() {
    let (start, [ann, bob, ..]) = sprint("build:");
    const LOOKS: Script = &[Do::Status, Do::Status];
    let allowed = &["OK|build=pending,build=pending"];
    hold("status start", start, &[(ann, START), (bob, LOOKS)], Rules::ALL, allowed);
}

#[test]
fn clean_beside_others() {
    let (mut start, [ann, bob, ..]) = held();
    start.go(ann, Do::Complete("build"), "OK");
    start.go(ann, Do::Start("build:"), "OK");
    let allowed = &["OK|OK"];
    hold("clean start", start.clone(), &[(ann, CLEAN), (bob, START)], Rules::ALL, allowed);
    hold("clean claim", start.clone(), &[(ann, CLEAN), (bob, CLAIM)], Rules::ALL, allowed);
    hold("clean clean", start, &[(ann, CLEAN), (bob, CLEAN)], Rules::ALL, allowed);
}
