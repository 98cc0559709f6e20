//! Every command that is ever printed can be run: it is accepted, and makes nothing worse.

use serde_json::{Value, json};

use crate::fixture::Scene;
use crate::situations::{ANSWERS, FAILURES, REFUSALS, Situation};

/// The commands of this program in a hint: the whole of it, or what stands in quotes.
fn commands(hint: &str) -> Vec<Vec<String>> {
    let whole = std::iter::once(hint);
    let quoted = hint.split('\'').skip(1).step_by(2);
    whole
        .chain(quoted)
        .filter(|text| text.starts_with("git conductor") && !text.contains('\''))
        .map(|text| text.split(' ').skip(2).map(str::to_owned).collect())
        .collect()
}

/// What agents would do if it were named.
fn assert_innocent(name: &str, hint: &str) {
    for word in [
        "--force",
        "--no-verify",
        "--store",
        "GIT_CONDUCTOR_STORE",
        ".nanostack/",
        "conductor/",
        "rm -rf",
    ] {
        assert!(!hint.contains(word), "{name}: '{word}' in '{hint}'");
    }
}

/// What must not get worse: the sprint, what is done, and what the living hold.
fn assert_not_worse(name: &str, me: &str, before: &Value, after: &Value) {
    if before["phases"].is_null() {
        return;
    }
    assert_eq!(before["sprint_id"], after["sprint_id"], "{name}: the sprint stays");
    for (phase, was) in before["phases"].as_object().unwrap() {
        let is = &after["phases"][phase];
        let kept = was["state"] == "done"
            || (was["state"] == "claimed"
                && was["alive"] != json!("no")
                // An owner that shares its process and was not heard for an hour may be taken over.
                && was["shared"] != json!(true)
                && was["agent"] != json!(me));
        for field in ["state", "agent", "at", "verdict"] {
            assert!(!kept || was[field] == is[field], "{name}: {phase}: {was} became {is}");
        }
    }
}

/// Runs `command` where `situation` is, and gives its exit code.
fn follow(situation: &Situation, command: &[String]) -> i32 {
    let mut scene = Scene::in_memory();
    (situation.before)(&mut scene);
    scene.asks(situation.agent, situation.dir, situation.args);
    let before = scene.board();
    let mut args: Vec<&str> = command.iter().map(String::as_str).collect();
    // What is to be waited for will not happen here.
    if let Some(limit) = args.iter().position(|arg| *arg == "--timeout") {
        args[limit + 1] = "0s";
    }
    let output = scene.asks(situation.agent, situation.dir, &args);
    assert_not_worse(situation.name, situation.agent, &before, &scene.board());
    output.status.code().unwrap()
}

/// What the situation prints: the hints, and the command in JSON if it is a refusal or a failure.
fn printed(situation: &Situation, json: bool) -> (Vec<String>, Vec<String>) {
    let mut scene = Scene::in_memory();
    (situation.before)(&mut scene);
    let mut args = situation.args.to_vec();
    if json {
        args.push("--json");
    }
    let output = scene.asks(situation.agent, situation.dir, &args);
    let said = String::from_utf8(output.stderr).unwrap();
    let lines = said.lines().filter_map(|line| line.strip_prefix("hint: "));
    let mut hints: Vec<String> = lines.map(str::to_owned).collect();
    if !json {
        return (hints, Vec::new());
    }
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let words = |key: &str| -> Vec<String> {
        let words = value[key].as_array().unwrap().iter();
        words.map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    hints.extend(words("hints"));
    (hints, words("do"))
}

/// Runs all that the situation prints; gives how many commands that were.
fn follow_all(situation: &Situation, json: bool) -> usize {
    let name = situation.name;
    let (hints, argv) = printed(situation, json);
    let mut all: Vec<Vec<String>> = hints.iter().flat_map(|hint| commands(hint)).collect();
    for hint in &hints {
        assert_innocent(name, hint);
    }
    if argv.get(1).is_some_and(|word| word == "conductor") {
        all.push(argv[2..].to_vec());
    } else if !argv.is_empty() {
        // The one command of git's own, which cannot lose anything.
        assert_eq!(&argv[..3], ["git", "merge", "--ff-only"], "{name}");
        assert_eq!(argv.len(), 4, "{name}");
        let mut scene = Scene::in_memory();
        (situation.before)(&mut scene);
        scene.sandbox.git(situation.dir, &argv[1..]);
        return 1;
    }
    all.sort();
    all.dedup();
    for command in &all {
        let exit = follow(situation, command);
        let waits = command.iter().any(|word| word == "--timeout");
        let fine = matches!(exit, 0 | 1 | 4 | 5 | 6 | 128) || (waits && exit == 3);
        assert!(fine, "{name}: {command:?} ends with {exit}");
    }
    all.len()
}

#[test]
fn every_command_that_is_printed_runs() {
    let table = || {
        let stops = REFUSALS.iter().chain(FAILURES).map(|situation| (situation, true));
        stops.chain(ANSWERS.iter().map(|situation| (situation, false)))
    };
    let (tx, rx) = std::sync::mpsc::channel();
    // They mostly wait for processes.
    std::thread::scope(|scope| {
        for nth in 0..4 {
            let tx = tx.clone();
            let mine = table().skip(nth).step_by(4);
            scope.spawn(move || {
                tx.send(mine.map(|(situation, json)| follow_all(situation, json)).sum::<usize>())
                    .unwrap();
            });
        }
    });
    drop(tx);
    let count: usize = rx.iter().sum();
    assert!(count > 40, "{count}");
}
