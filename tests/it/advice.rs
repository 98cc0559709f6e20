//! What an agent is told that can claim nothing now: one truth, in the hint, `do`, `retry`, the
//! exit code, `prime` and the board alike.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::fixture::ageless;
use crate::process_driver::{Agent, Answer, BINARY};
use crate::sandbox::Sandbox;

/// `ship` needs a review that whoever built may not do.
const GRAPH: &str = r#"[{"name":"build"},{"name":"docs"},
    {"name":"review","depends_on":["build"],"not_by":["build"]},
    {"name":"ship","depends_on":["review"]}]"#;
/// The same without anything behind the review.
const NO_SHIP: &str = r#"[{"name":"build"},{"name":"docs"},
    {"name":"review","depends_on":["build"],"not_by":["build"]}]"#;

fn scene(graph: &str) -> (Sandbox, Agent, Agent) {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    let (one, two) = (Agent::new("one"), Agent::new("two"));
    sandbox.run("repo", &one, &["start", "--phases", graph]).ok();
    (sandbox, one, two)
}

fn works(sandbox: &Sandbox, agent: &Agent, phase: &str) {
    sandbox.run("repo", agent, &["claim", phase]).ok();
    sandbox.run("repo", agent, &["complete", phase]).ok();
}

const WAYS: &[&[&str]] =
    &[&["next"], &["next", "--claim"], &["next", "--claim", "--wait", "--timeout", "0s"]];

/// What all ways to ask say; without the ones that wait, where that is what is advised.
fn all_say(sandbox: &Sandbox, agent: &Agent, code: &str, advice: &str, helps: bool) -> Answer {
    let ways = if helps { &WAYS[..2] } else { WAYS };
    let answers: Vec<Answer> =
        ways.iter().map(|args| sandbox.run("repo", agent, args).nothing(code, helps)).collect();
    for answer in &answers {
        assert_eq!(answer.json["advice"], advice, "{answer:?}");
        for key in ["error", "hints", "do", "retry"] {
            assert_eq!(answer.json[key], answers[0].json[key], "{key}");
        }
        assert_eq!(answer.err.contains("error:"), !helps, "{answer:?}");
        // An agent that reads only one of them does the same.
        let stops = answer.json["do"] == json!([]);
        assert_eq!(stops, answer.json["retry"] == "never" || advice == "go_on", "{answer:?}");
        assert_eq!(stops, !helps, "{answer:?}");
    }
    let mut primed = sandbox.command("repo", BINARY);
    let id = agent.pid().to_string();
    let primed = primed.args(["prime", "--agent", agent.name(), "--pid", &id]).output().unwrap();
    let primed = String::from_utf8(primed.stdout).unwrap();
    let hint = answers[0].json["hints"][0].as_str().unwrap();
    assert!(primed.contains(&format!("next: {hint}")), "{primed}\nand not: {hint}");
    let json = sandbox.run("repo", agent, &["prime"]).ok();
    assert_eq!(json.json["waiting_helps"], helps);
    answers.into_iter().next().unwrap()
}

#[test]
fn who_needs_another_agent_is_told_so_and_to_stop() {
    let (sandbox, one, mut two) = scene(GRAPH);
    works(&sandbox, &one, "build");
    works(&sandbox, &one, "docs");
    let alone = all_say(&sandbox, &one, "not_for_you", "another_agent", false);
    assert_eq!((&alone.json["retry"], &alone.json["seen"]), (&json!("never"), &json!([])));
    assert!(alone.err.contains("needs another agent"), "{alone:?}");
    let board = sandbox.board("repo");
    assert_eq!(board.json["phases"]["review"]["for_you"], true, "an onlooker may review");
    let mine = sandbox.run("repo", &one, &["status"]).ok();
    assert_eq!(mine.json["phases"]["review"]["for_you"], false);
    // Somebody comes, works, and is there while its process is.
    let (sandbox, one, two_) = scene(GRAPH);
    works(&sandbox, &one, "build");
    works(&sandbox, &two_, "docs");
    let seen = all_say(&sandbox, &one, "not_for_you", "wait", true);
    assert_eq!(seen.json["yours_later"], json!(["ship"]));
    assert_eq!(seen.json["seen"][0]["agent"], "two");
    assert!(seen.err.contains("'two' was seen"), "{seen:?}");
    assert_eq!(
        seen.json["do"],
        json!(["git", "conductor", "next", "--claim", "--wait", "--timeout", "90s"])
    );
    drop(two_);
    let gone = all_say(&sandbox, &one, "not_for_you", "another_agent", false);
    assert!(gone.err.contains("'two' was last seen"), "{gone:?}");
    two.kill();
}

#[test]
fn work_of_nobody_known_is_for_a_person_to_have_checked() {
    let (sandbox, one, two) = scene(GRAPH);
    works(&sandbox, &one, "build");
    works(&sandbox, &one, "docs");
    let id = sandbox.board("repo").json["sprint_id"].as_str().unwrap().to_owned();
    let done = sandbox.join("repo/.nanostack/conductor").join(id).join("build/done");
    std::fs::remove_file(&done).unwrap();
    std::fs::write(&done, "").unwrap();
    for agent in [&one, &two] {
        let told = all_say(&sandbox, agent, "not_for_you", "person", false);
        assert!(told.err.contains("no agent can show that it is one"), "{told:?}");
    }
}

#[test]
fn a_waiter_ends_when_the_agent_that_it_waits_for_is_gone() {
    let (sandbox, one, two) = scene(GRAPH);
    works(&sandbox, &one, "build");
    works(&sandbox, &two, "docs");
    let mut waits =
        sandbox.binary("repo", &one, &["next", "--claim", "--wait", "--timeout", "600"]);
    let waits = waits.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    crate::waiting::asleep(&waits);
    let begun = std::time::Instant::now();
    drop(two);
    let told = Answer::of(&waits.wait_with_output().unwrap()).nothing("not_for_you", false);
    assert_eq!(told.json["advice"], "another_agent");
    assert!(begun.elapsed().as_secs() < 300, "it was not woken");
    // Off a terminal it says once what it waits for.
    let lines: Vec<_> = told.err.lines().filter(|line| line.starts_with("waiting")).collect();
    assert_eq!(lines.len(), 1, "{told:?}");
    assert!(lines[0].contains("'review' must be done by another agent"), "{told:?}");
}

#[test]
fn who_can_get_nothing_more_may_stop() {
    let (sandbox, one, two) = scene(NO_SHIP);
    works(&sandbox, &one, "build");
    works(&sandbox, &two, "docs");
    // Two can review, and nothing comes after that.
    let others = all_say(&sandbox, &one, "not_for_you", "others", false);
    assert!(others.err.contains("you may stop"), "{others:?}");
    assert_eq!(others.json["yours_later"], json!([]));
    sandbox.run("repo", &two, &["claim", "review"]).ok();
    all_say(&sandbox, &one, "nothing_ready", "others", false);
    // What another holds, and would have to give up, is worth a wait for who may have it.
    let three = Agent::new("three");
    let may = all_say(&sandbox, &three, "nothing_ready", "may_stop", true);
    assert!(may.err.contains("unless 'two' gives 'review' up"), "{may:?}");
    sandbox.run("repo", &two, &["complete", "review"]).ok();
    for args in WAYS {
        let finished = sandbox.run("repo", &three, args).finished();
        assert!(!finished.err.contains("error:"), "{finished:?}");
    }
}

#[test]
fn a_dead_owner_is_named_with_when_its_phase_opens() {
    let (sandbox, one, two) = scene("a:,b:a,c:b");
    sandbox.run("repo", &two, &["claim", "a"]).ok();
    drop(two);
    let dead = all_say(&sandbox, &one, "nothing_ready", "take_over", true);
    assert_eq!(dead.json["do"], json!(["git", "conductor", "claim", "a", "--takeover"]));
    assert!(dead.err.contains("its process is gone, open to all in 5"), "{dead:?}");
    assert!(dead.json["dead"]["opens_at"].is_string());
    // Whoever waits behind it, directly or not, is told the same.
    for args in [
        &["claim", "b"][..],
        &["claim", "b", "--wait", "--timeout", "0s"],
        &["claim", "c", "--wait", "--timeout", "0s"],
        &["wait", "a", "--timeout", "0s"],
        &["wait", "c", "--timeout", "0s"],
        &["next", "--claim", "--wait", "--timeout", "0s"],
    ] {
        let told = sandbox.run("repo", &one, args);
        assert_eq!(told.json["do"], dead.json["do"], "{args:?}: {told:?}");
        assert!(told.err.contains("'two'") && !told.err.contains("others are at work"), "{told:?}");
        assert!(told.err.contains("open to all in 5"), "{args:?}: {told:?}");
    }
}

#[test]
fn what_waits_for_an_exhausted_phase_is_not_waited_for() {
    let graph = r#"[{"name":"a","max_attempts":1},{"name":"b","depends_on":["a"]},
        {"name":"c","depends_on":["b"]}]"#;
    let (sandbox, one, two) = scene(graph);
    sandbox.run("repo", &two, &["claim", "a"]).ok();
    sandbox.run("repo", &two, &["abort", "a"]).ok();
    all_say(&sandbox, &one, "nothing_ready", "person", false);
    for args in [&["claim", "c", "--wait"][..], &["wait", "c"], &["wait", "b"]] {
        let blocked = sandbox.run("repo", &one, args).refused("blocked");
        assert_eq!(blocked.json["waits_for"][0]["state"], "exhausted", "{blocked:?}");
    }
}

#[test]
fn a_wait_that_was_in_vain_is_made_longer_and_ends_with_a_person() {
    let (sandbox, one, two) = scene("a:,b:a");
    sandbox.run("repo", &two, &["claim", "a"]).ok();
    let waits = |timeout: &str| {
        let args = ["next", "--claim", "--wait", "--timeout", timeout];
        let told = sandbox.run("repo", &one, &args);
        assert_eq!(told.said(), (Some(3), "timed_out"), "{told:?}");
        told
    };
    for (timeout, next) in [("0s", "90s"), ("1s", "90s")] {
        assert_eq!(waits(timeout).json["do"][6], next, "{timeout}");
    }
    // Where nobody has been heard for an hour a person has to know.
    let hour_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3700);
    let stamp = jiff::Timestamp::try_from(hour_ago).unwrap();
    let sprint =
        sandbox.run("repo", &one, &["status"]).json["sprint_id"].as_str().unwrap().to_owned();
    let dir = sandbox.join("repo/.nanostack/conductor").join(sprint);
    let edit = |path: std::path::PathBuf, change: &dyn Fn(&mut Value)| {
        let mut value: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        change(&mut value);
        std::fs::write(&path, value.to_string()).unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(hour_ago).unwrap();
    };
    edit(dir.join("sprint.json"), &|sprint| sprint["started_at"] = json!(stamp));
    for file in std::fs::read_dir(dir.join("a/lock")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            edit(path, &|claim| claim["claimed_at"] = json!(stamp));
        }
    }
    let told = waits("0s");
    // Some minutes may go by meanwhile.
    assert!(told.err.contains("nothing has happened for 1h0"), "{told:?}");
    assert!(ageless(&told.err).contains(" happened for 0s: tell your human"), "{told:?}");
    assert_eq!(told.json["do"], json!([]));
    let next = sandbox.run("repo", &one, &["next"]).nothing("nothing_ready", true);
    let hint = |answer: &Answer| ageless(answer.json["hints"][0].as_str().unwrap());
    assert_eq!(hint(&next), hint(&told));
}

#[test]
fn a_claim_says_what_it_is_about_what_it_builds_on_and_how_it_is_handed_in() {
    let about = "check the login flow\nagainst the plan";
    let graph = json!([
        {"name": "plan"}, {"name": "notes", "depends_on": ["plan"]},
        {"name": "build", "depends_on": ["notes"]},
        {"name": "review", "depends_on": ["build"], "about": about},
        {"name": "check", "depends_on": ["build"], "not_by": ["plan"]},
    ]);
    let (sandbox, one, two) = scene(&graph.to_string());
    sandbox.write("repo/plan.md", "the plan\n");
    let says = |agent: &Agent, args: &[&str]| {
        let mut command = sandbox.command("repo", BINARY);
        let id = agent.pid().to_string();
        let output = command.args(args).args(["--agent", agent.name(), "--pid", &id]).output();
        String::from_utf8(output.unwrap().stderr).unwrap()
    };
    let plan = says(&one, &["claim", "plan"]);
    assert!(plan.contains("run 'git conductor complete plan --artifact FILE'\n"), "{plan}");
    sandbox.run("repo", &one, &["complete", "plan", "--artifact", "plan.md"]).ok();
    works(&sandbox, &one, "notes");
    let build = says(&one, &["claim", "build"]);
    assert!(build.contains("run 'git conductor complete build'\n"), "{build}");
    assert!(build.contains("builds on 'notes' by 'one'"), "{build}");
    assert!(build.contains("no artifact was handed over"), "{build}");
    assert!(
        build.contains("before that 'plan' by 'one': git conductor show plan --artifact"),
        "{build}"
    );
    sandbox.run("repo", &one, &["complete", "build"]).ok();
    let review = says(&two, &["claim", "review"]);
    assert!(review.contains("about: check the login flow\n  against the plan\n"), "{review}");
    let how = "run 'git conductor complete review --artifact FILE'; add --verdict fail";
    assert!(review.contains(how), "{review}");
    assert_eq!(review.matches("when it is done").count(), 1, "{review}");
    let claimed = sandbox.run("repo", &two, &["claim", "review"]).ok();
    assert_eq!(claimed.json["about"], about);
    assert_eq!(claimed.json["earlier"][0]["phase"], "plan");
    assert_eq!(claimed.json["earlier"].as_array().unwrap().len(), 1);
    // The same words wherever one holds it.
    for args in [&["next", "--claim"][..], &["prime"], &["status"]] {
        let mut command = sandbox.command("repo", BINARY);
        let id = two.pid().to_string();
        let output = command.args(args).args(["--agent", "two", "--pid", &id]).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains(how), "{args:?}: {said}");
    }
    let check = says(&Agent::new("three"), &["claim", "check"]);
    assert!(check.contains("complete check --artifact FILE'; add --verdict fail"), "{check}");
    let report = sandbox.run("repo", &one, &["report"]).ok();
    assert!(report.json["phases"][3]["about"] == about, "{report:?}");
}

#[test]
fn show_without_a_phase_shows_what_one_holds_or_the_board() {
    let (sandbox, one, two) = scene("a:,b:");
    let board = sandbox.run("repo", &one, &["show"]).ok();
    assert_eq!(board.json["phases"]["a"]["state"], "pending");
    sandbox.run("repo", &one, &["claim", "b"]).ok();
    let held = sandbox.run("repo", &one, &["show"]).ok();
    assert_eq!((&held.json["phase"], &held.json["state"]), (&json!("b"), &json!("claimed")));
    assert!(sandbox.run("repo", &two, &["show"]).ok().json["phases"].is_object());
    sandbox.run("repo", &one, &["show", "--artifact"]).refused("no_artifact");
    let none = sandbox.run("repo", &two, &["show", "--artifact"]);
    assert_eq!(none.exit, Some(129), "{none:?}");
    assert_eq!(sandbox.run("repo", &two, &["show", "c"]).refused("unknown_phase").exit, Some(1));
}
