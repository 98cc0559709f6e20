//! What each command answers, through the binary: by the phase's state, and by the sprint's.

use std::fs;
use std::process::Stdio;

use serde_json::json;

use crate::process_driver::{Agent, Answer, BINARY, backdate, independent};
use crate::sandbox::Sandbox;

/// A repository in which dead owners are reclaimed at once.
fn impatient() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    sandbox.git("repo", ["config", "conductor.staleAfter", "0s"]);
    sandbox
}

/// The table of commands by a phase's state: (state, command, exit, code).
const TABLE: &[(&str, &str, i32, &str)] = &[
    ("pending", "claim", 0, ""),
    ("pending", "complete", 1, "not_claimed"),
    ("pending", "abort", 0, ""),
    ("pending, once mine", "abort", 1, "lost"),
    ("pending, given up by me", "abort", 0, ""),
    ("pending, given up by other", "abort", 0, ""),
    ("pending", "unstuck", 0, ""),
    ("pending", "unstuck --force", 0, ""),
    ("mine", "claim", 0, ""),
    ("mine", "complete", 0, ""),
    ("mine", "abort", 0, ""),
    ("mine", "unstuck", 1, "alive"),
    ("mine", "unstuck --force", 0, ""),
    ("mine from before", "claim", 0, ""),
    ("mine from before", "complete", 0, ""),
    ("mine from before", "abort", 0, ""),
    ("mine from before", "unstuck", 0, ""),
    ("other", "claim", 1, "claimed"),
    ("other", "claim --takeover", 1, "claimed"),
    ("other", "complete", 1, "not_owner"),
    ("other", "abort", 1, "not_owner"),
    ("other", "unstuck", 1, "alive"),
    ("other", "unstuck --force", 0, ""),
    ("other, once mine", "complete", 1, "lost"),
    ("other, once mine", "abort", 1, "lost"),
    ("other, once mine", "claim", 1, "claimed"),
    ("stale", "claim", 0, ""),
    ("stale", "claim --takeover", 0, ""),
    ("stale", "complete", 1, "not_owner"),
    ("stale", "abort", 1, "not_owner"),
    ("stale", "unstuck", 0, ""),
    ("done by me", "claim", 1, "done"),
    ("done by me", "complete", 0, ""),
    ("done by me", "complete --verdict fail", 1, "done"),
    ("done by me", "abort", 1, "done"),
    ("done by me", "unstuck", 1, "done"),
    ("done by other", "claim", 1, "done"),
    ("done by other", "complete", 1, "done"),
    ("done by other", "abort", 1, "done"),
    ("done by other", "unstuck", 1, "done"),
    ("done by other", "unstuck --force", 1, "done"),
];

#[test]
fn answers_by_the_phases_state() {
    let sandbox = impatient();
    let other = Agent::new("other");
    sandbox.run("repo", &other, &["start", "--phases", &independent(TABLE.len())]).ok();
    for (n, (state, command, exit, code)) in TABLE.iter().enumerate() {
        let phase = format!("p{n:03}");
        let mut me = Agent::new(format!("me{n}"));
        let run = |agent: &Agent, verb: &str| sandbox.run("repo", agent, &[verb, &phase]);
        match *state {
            "pending" => {}
            "pending, once mine" => {
                run(&me, "claim").ok();
                sandbox.run("repo", &other, &["unstuck", &phase, "--force"]).ok();
            }
            "pending, given up by me" | "pending, given up by other" => {
                let holder = if state.ends_with("me") { &me } else { &other };
                run(holder, "claim").ok();
                run(holder, "abort").ok();
            }
            "mine" => drop(run(&me, "claim").ok()),
            "mine from before" => {
                run(&me, "claim").ok();
                me.restart();
            }
            "other" => drop(run(&other, "claim").ok()),
            "other, once mine" => {
                run(&me, "claim").ok();
                me.kill();
                let taken = run(&other, "claim").ok();
                assert_eq!(taken.json["taken_over_from"], me.name());
                me = Agent::new(me.name());
            }
            "stale" => {
                let mut gone = Agent::new("gone");
                run(&gone, "claim").ok();
                gone.kill();
                assert_eq!(sandbox.board("repo").json["phases"][&phase]["stale"], true);
            }
            "done by me" | "done by other" => {
                let completer = if *state == "done by me" { &me } else { &other };
                run(completer, "claim").ok();
                run(completer, "complete").ok();
            }
            _ => unreachable!(),
        }
        let mut words = command.split(' ');
        let mut args = vec![words.next().unwrap(), &phase];
        args.extend(words);
        let answer = sandbox.run("repo", &me, &args);
        assert_eq!(answer.said(), (Some(*exit), *code), "{state}: {command}: {answer:#?}");
        assert_eq!(answer.json["v"], 1);
        assert_eq!(answer.json["ok"], *exit == 0);
        if *exit == 0 {
            assert_eq!(answer.err, "", "{state}: {command}");
        } else {
            assert!(answer.err.starts_with("error: "), "{state}: {command}: {answer:#?}");
            assert_eq!(answer.json["phase"], phase);
        }
        if *command == "claim" && *exit == 0 {
            assert_eq!(answer.json["renewed"], *state == "mine", "{state}");
        }
        if *command == "complete" && *exit == 0 {
            assert_eq!(answer.json["again"], *state == "done by me", "{state}");
        }
        if *command == "abort" && *exit == 0 {
            let (held, not_held) = if state.starts_with("mine") {
                (json!([phase]), json!([]))
            } else {
                (json!([]), json!([phase]))
            };
            assert_eq!((&answer.json["phases"], &answer.json["not_held"]), (&held, &not_held));
        }
        let expected = match (*command, *exit, *state) {
            ("claim" | "claim --takeover", 0, _) => "claimed",
            ("complete", 0, _) => "done",
            ("abort" | "unstuck" | "unstuck --force", 0, _)
            | (_, _, "pending" | "pending, once mine") => "pending",
            (_, _, "done by me" | "done by other") => "done",
            _ => "claimed",
        };
        assert_eq!(sandbox.board("repo").state(&phase), expected, "{state}: {command}");
    }
}

#[test]
fn answers_without_a_sprint_and_for_unknown_phases() {
    let sandbox = impatient();
    let me = Agent::new("me");
    for start in [false, true] {
        if start {
            sandbox.run("repo", &me, &["start"]).ok();
        }
        let code = if start { "unknown_phase" } else { "no_sprint" };
        for verb in ["claim", "complete", "abort", "unstuck"] {
            let answer = sandbox.run("repo", &me, &[verb, "nowhere"]).refused(code);
            if start {
                assert_eq!(answer.json["phases"][0], "think");
            }
        }
        if !start {
            for args in [&["next"][..], &["next", "--claim"], &["batch"], &["archive"]] {
                sandbox.run("repo", &me, args).refused("no_sprint");
            }
            for args in [&["status"][..], &[]] {
                let answer = sandbox.run("repo", &me, args).ok();
                assert_eq!(answer.json, json!({"v": 1, "status": "no_sprint"}));
            }
            sandbox.run("repo", &me, &["abort"]).ok();
            sandbox.run("repo", &me, &["clean"]).ok();
            assert!(!sandbox.join("repo/.nanostack").exists(), "asking has made a store");
        }
    }
    // Outside of a repository every command fails as git does.
    fs::create_dir(sandbox.join("outside")).unwrap();
    for args in [&["status"][..], &["claim", "x"], &["start"]] {
        let answer = sandbox.run("outside", &me, args);
        assert_eq!(answer.said(), (Some(128), "not_a_repository"), "{answer:#?}");
    }
}

/// A name that cannot be any phase's is told apart from one that is not of this sprint, and leads
/// nowhere.
#[test]
fn a_path_is_no_phase() {
    let sandbox = impatient();
    let me = Agent::new("me");
    sandbox.run("repo", &me, &["start"]).ok();
    let before = fs::read_dir(sandbox.path()).unwrap().count();
    for verb in ["claim", "complete", "abort", "unstuck", "show", "wait"] {
        for name in ["../../escaped", "/etc/passwd", ".", "..", "build/../build", "a b", ""] {
            let answer = sandbox.run("repo", &me, &[verb, name]).refused("unknown_phase");
            let first = answer.err.lines().next().unwrap();
            assert!(first.starts_with(&format!("error: invalid phase '{name}'")), "{first}");
        }
        let answer = sandbox.run("repo", &me, &[verb, "escaped"]).refused("unknown_phase");
        assert!(answer.err.starts_with("error: this sprint has no phase"), "{answer:#?}");
    }
    assert_eq!(fs::read_dir(sandbox.path()).unwrap().count(), before);
}

#[test]
fn refusals_of_the_graph() {
    let sandbox = impatient();
    let (one, two) = (Agent::new("one"), Agent::new("two"));
    let graph = r#"[{"name":"build"},{"name":"docs"},{"name":"review","depends_on":["build"],"not_by":["build"]},
        {"name":"ship","depends_on":["review","docs"]}]"#;
    sandbox.run("repo", &one, &["start", "--phases", graph]).ok();
    let blocked = sandbox.run("repo", &one, &["claim", "review"]).refused("blocked");
    assert_eq!(blocked.json["waits_for"], json!([{"phase": "build", "state": "pending"}]));
    sandbox.run("repo", &one, &["claim", "build"]).ok();
    let blocked = sandbox.run("repo", &two, &["claim", "review"]).refused("blocked");
    let wait = json!([{"phase": "build", "state": "claimed", "agent": "one"}]);
    assert_eq!(blocked.json["waits_for"], wait);
    let holding = sandbox.run("repo", &one, &["next", "--claim"]).refused("holding");
    assert_eq!(holding.json["phase"], "build");
    let opened = sandbox.run("repo", &one, &["complete", "build"]).ok();
    assert_eq!(opened.json["opened"], json!(["review"]));
    sandbox.run("repo", &one, &["claim", "review"]).refused("four_eyes");
    // Nor under another name from the same process, nor under the same name from another.
    let alias = |name: &str, pid: u32| {
        let mut command = sandbox.command("repo", BINARY);
        command.args(["claim", "review", "--json", "--agent", name, "--pid", &pid.to_string()]);
        Answer::of(&command.output().unwrap())
    };
    alias("somebody", one.pid()).refused("four_eyes");
    alias("one", two.pid()).refused("four_eyes");
    sandbox.run("repo", &two, &["claim", "docs"]).ok();
    sandbox.run("repo", &two, &["complete", "docs"]).ok();
    sandbox.run("repo", &one, &["next"]).nothing("not_for_you", true);
    sandbox.run("repo", &one, &["next", "--claim"]).nothing("not_for_you", true);
    assert_eq!(sandbox.run("repo", &two, &["next"]).ok().json["phases"], json!(["review"]));
    // A failed phase keeps what depends on it closed, for ever.
    let claimed = sandbox.run("repo", &two, &["next", "--claim"]).ok();
    assert_eq!((&claimed.json["phase"], &claimed.json["agent"]), (&json!("review"), &json!("two")));
    assert_eq!(claimed.json["inputs"][0]["agent"], "one");
    let failed = sandbox.run("repo", &two, &["complete", "review", "--verdict", "fail"]).ok();
    assert_eq!((&failed.json["verdict"], &failed.json["opened"]), (&json!("fail"), &json!([])));
    sandbox.run("repo", &two, &["complete", "review", "--verdict", "fail"]).ok();
    sandbox.run("repo", &two, &["complete", "review"]).refused("done");
    let blocked = sandbox.run("repo", &one, &["claim", "ship"]).refused("blocked");
    let wait = json!([{"phase": "review", "state": "failed", "agent": "two"}]);
    assert_eq!(blocked.json["waits_for"], wait);
    let nothing = sandbox.run("repo", &one, &["next"]).nothing("nothing_ready", false);
    assert_eq!(nothing.json["failed"], json!(["review"]));
    let board = sandbox.board("repo");
    assert_eq!(board.json["phases"]["review"]["verdict"], "fail");
    assert_eq!(board.json["phases"]["ship"]["waits_for"], json!(["review"]));
    assert_eq!(board.json["status"], "active");
}

#[test]
fn next_and_abort_without_a_phase() {
    let sandbox = impatient();
    let (one, two) = (Agent::new("one"), Agent::new("two"));
    sandbox.run("repo", &one, &["start", "--phases", "a:,b:,c:,d:a+b+c"]).ok();
    let all = sandbox.run("repo", &one, &["next", "--all"]).ok();
    assert_eq!(all.json["phases"], json!(["a", "b", "c"]));
    assert_eq!(sandbox.run("repo", &one, &["next"]).ok().json["phases"], json!(["a"]));
    let mut text = sandbox.command("repo", BINARY);
    let text = text.args(["next", "--all", "--agent", "one"]).output().unwrap();
    assert_eq!(String::from_utf8(text.stdout).unwrap(), "a\nb\nc\n");
    sandbox.run("repo", &one, &["claim", "a"]).ok();
    sandbox.run("repo", &one, &["claim", "c"]).ok();
    // What one holds is not offered again; another is offered what is left.
    for agent in [&one, &two] {
        assert_eq!(
            sandbox.run("repo", agent, &["next", "--all"]).ok().json["phases"],
            json!(["b"])
        );
    }
    sandbox.run("repo", &two, &["claim", "b"]).ok();
    let mut text = sandbox.command("repo", BINARY);
    let text = text.args(["next", "--agent", "three"]).output().unwrap();
    assert_eq!((text.status.code(), text.stdout.len()), (Some(6), 0));
    let nothing = sandbox.run("repo", &two, &["next"]).nothing("nothing_ready", false);
    assert_eq!(nothing.json["claimed"][0]["phase"], "a");
    let gone = sandbox.run("repo", &one, &["abort", "--reason", "enough"]).ok();
    assert_eq!(gone.json["phases"], json!(["a", "c"]));
    assert_eq!(sandbox.run("repo", &one, &["abort"]).ok().json["phases"], json!([]));
    let log = fs::read_to_string(sandbox.join("repo/.nanostack/audit.log")).unwrap();
    let events: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let named: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(named, ["start", "claim", "claim", "claim", "abort", "abort"]);
    assert_eq!((&events[4]["resource"], &events[4]["detail"]), (&json!("a"), &json!("enough")));
    for phase in ["a", "b", "c", "d"] {
        sandbox.run("repo", &two, &["claim", phase]).ok();
        sandbox.run("repo", &two, &["complete", phase]).ok();
    }
    sandbox.run("repo", &one, &["next"]).finished();
    sandbox.run("repo", &one, &["next", "--claim"]).finished();
    assert_eq!(sandbox.board("repo").json["status"], "finished");
}

#[test]
fn batches() {
    let sandbox = impatient();
    let me = Agent::new("me");
    sandbox.run("repo", &me, &["start"]).ok();
    let answer = sandbox.run("repo", &me, &["batch"]).ok();
    let expected = json!([
        {"batch": 1, "type": "read", "phases": ["think"]},
        {"batch": 2, "type": "read", "phases": ["plan"]},
        {"batch": 3, "type": "write", "phases": ["build"]},
        {"batch": 4, "type": "read", "phases": ["review", "qa", "security"]},
        {"batch": 5, "type": "exclusive", "phases": ["ship"]},
    ]);
    assert_eq!(answer.json["batches"], expected);
    let text = sandbox.command("repo", BINARY).arg("batch").stderr(Stdio::null()).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    assert_eq!(text.lines().next(), Some(r#"{"batch":1,"type":"read","phases":["think"]}"#));
    assert_eq!(text.lines().count(), 5);
    // The graph's word, then a skill's, wherever it is configured.
    let skill =
        |word: &str| format!("---\nname: x\nconcurrency: {word}\n---\nconcurrency: write\n");
    sandbox.write("repo/.nanostack/config.json", r#"{"skill_roots": ["skills"]}"#);
    sandbox.write("repo/skills/one/SKILL.md", skill("read"));
    sandbox.write("repo/.nanostack/skills/two/SKILL.md", skill("read"));
    sandbox.write("repo/.nanostack/skills/one/SKILL.md", skill("exclusive"));
    sandbox.write("home/.claude/skills/three/SKILL.md", skill("read"));
    sandbox.write("home/.agents/skills/four/SKILL.md", skill("exclusive"));
    let graph = r#"[{"name":"one"},{"name":"two"},{"name":"three"},{"name":"four"},{"name":"five"},
        {"name":"build","concurrency":"read"}]"#;
    sandbox.run("repo", &me, &["start", "--phases", graph]).ok();
    let answer = sandbox.run("repo", &me, &["batch"]).ok();
    let expected = json!([
        {"batch": 1, "type": "read", "phases": ["one", "two", "three"]},
        {"batch": 2, "type": "exclusive", "phases": ["four"]},
        {"batch": 3, "type": "write", "phases": ["five"]},
        {"batch": 4, "type": "read", "phases": ["build"]},
    ]);
    assert_eq!(answer.json["batches"], expected);
}

#[test]
fn the_end_of_a_sprint() {
    let sandbox = impatient();
    let (one, mut two) = (Agent::new("one"), Agent::new("two"));
    let first = sandbox.run("repo", &one, &["start", "--phases", "a:,b:"]).ok();
    sandbox.run("repo", &two, &["claim", "a"]).ok();
    let refused = sandbox.run("repo", &one, &["archive"]).refused("claimed");
    assert_eq!(refused.json["claims"][0]["agent"], "two");
    sandbox.run("repo", &one, &["start"]).refused("claimed");
    // The owner's own claim, and a dead one, are in nobody's way.
    let ended = sandbox.run("repo", &two, &["archive"]).ok();
    assert_eq!(ended.json["sprint_id"], first.json["sprint_id"]);
    assert_eq!((&ended.json["done"], &ended.json["phases"]), (&json!(0), &json!(2)));
    assert_eq!(sandbox.board("repo").json["status"], "no_sprint");
    for verb in ["complete", "abort"] {
        let lost = sandbox.run("repo", &two, &[verb, "a"]).refused("lost");
        assert_eq!(lost.json["ended_sprint"], first.json["sprint_id"]);
        sandbox.run("repo", &one, &[verb, "a"]).refused("no_sprint");
    }
    sandbox.run("repo", &two, &["claim", "a"]).refused("no_sprint");
    let second = sandbox.run("repo", &one, &["start", "--phases", "b:"]).ok();
    assert!(second.json["sprint_id"].as_str() > first.json["sprint_id"].as_str());
    sandbox.run("repo", &two, &["complete", "a"]).refused("lost");
    sandbox.run("repo", &two, &["claim", "b"]).ok();
    two.kill();
    sandbox.run("repo", &one, &["archive"]).ok();
    // Nothing is old enough; then only what is.
    assert_eq!(sandbox.run("repo", &one, &["clean"]).ok().json["removed"], json!([]));
    let archive = sandbox.join("repo/.nanostack/conductor/archive");
    assert_eq!(fs::read_dir(&archive).unwrap().count(), 2);
    let record = archive.join(first.json["sprint_id"].as_str().unwrap()).join("sprint.json");
    let mut sprint: serde_json::Value =
        serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    assert_eq!(sprint["status"], "archived");
    sprint["archived_at"] = json!("2026-01-01T00:00:00Z");
    fs::write(&record, sprint.to_string()).unwrap();
    backdate(archive.join(second.json["sprint_id"].as_str().unwrap()), 40 * 86400);
    let removed = sandbox.run("repo", &one, &["clean", "--older-than", "12h"]).ok();
    assert_eq!(removed.json["removed"], json!([first.json["sprint_id"]]));
    let third = sandbox.run("repo", &one, &["start", "--phases", "c:"]).ok();
    let removed = sandbox.run("repo", &one, &["clean", "--older-than", "0s"]).ok();
    assert_eq!(removed.json["removed"], json!([second.json["sprint_id"]]));
    assert_eq!(sandbox.board("repo").json["sprint_id"], third.json["sprint_id"]);
    let wrong = sandbox.run("repo", &one, &["clean", "--older-than", "often"]);
    assert_eq!(wrong.said(), (Some(129), "usage"));
}

#[test]
fn one_board_for_every_directory() {
    let sandbox = impatient();
    let me = Agent::new("me");
    sandbox.git("repo", ["worktree", "add", "-q", "../linked"]);
    fs::create_dir_all(sandbox.join("repo/a/b")).unwrap();
    fs::create_dir_all(sandbox.join("linked/c")).unwrap();
    let started = sandbox.run("linked/c", &me, &["start", "--phases", "a:,b:"]).ok();
    let directory = started.json["directory"].as_str().unwrap().to_owned();
    assert_eq!(sandbox.sprint("repo/.nanostack"), std::path::Path::new(&directory));
    for dir in ["repo", "repo/a/b", "linked", "linked/c", "repo/.git"] {
        assert_eq!(sandbox.board(dir).json["sprint_id"], started.json["sprint_id"], "{dir}");
    }
    // `git conductor`, `git -C` and a plain path are the same.
    let through = |args: &[&str]| {
        let mut command = sandbox.command("repo", "git");
        command.args(args).args(["status", "--json", "--agent", "x"]);
        Answer::of(&command.output().unwrap()).ok().json["sprint_id"].clone()
    };
    assert_eq!(through(&["conductor"]), started.json["sprint_id"]);
    assert_eq!(through(&["-C", "../linked/c", "conductor"]), started.json["sprint_id"]);
    // A claim belongs to its worktree while its owner lives; completing it does not.
    sandbox.run("repo/a/b", &me, &["claim", "a"]).ok();
    assert_eq!(sandbox.run("repo", &me, &["claim", "a"]).ok().json["renewed"], true);
    let elsewhere = sandbox.run("linked", &me, &["claim", "a"]).refused("claimed");
    assert_eq!(elsewhere.json["same_agent"], true);
    assert_eq!(sandbox.run("linked", &me, &["next", "--claim"]).ok().json["phase"], "b");
    sandbox.run("linked", &me, &["complete", "a"]).ok();
    sandbox.run("repo", &me, &["abort", "b"]).ok();
}

#[test]
fn git_leaves_the_store_alone() {
    let sandbox = impatient();
    let me = Agent::new("me");
    sandbox.run("repo", &me, &["start", "--phases", "a:,b:"]).ok();
    let exclude = fs::read_to_string(sandbox.join("repo/.git/info/exclude")).unwrap();
    assert_eq!(exclude.lines().filter(|line| *line == "/.nanostack/").count(), 1, "{exclude}");
    sandbox.run("repo", &me, &["claim", "a"]).ok();
    sandbox.write("repo/new", "new\n");
    sandbox.git("repo", ["stash", "-q", "-u"]);
    sandbox.write("repo/newer", "new\n");
    sandbox.git("repo", ["clean", "-fdq"]);
    assert!(!sandbox.join("repo/newer").exists());
    sandbox.git("repo", ["stash", "pop", "-q"]);
    sandbox.git("repo", ["add", "-A"]);
    assert_eq!(sandbox.git_says("repo", ["status", "--porcelain"]), "A  new");
    assert_eq!(sandbox.board("repo").state("a"), "claimed");
    sandbox.run("repo", &me, &["complete", "a"]).ok();
    // Started again, the line is not written again.
    sandbox.run("repo", &me, &["start"]).ok();
    assert_eq!(fs::read_to_string(sandbox.join("repo/.git/info/exclude")).unwrap(), exclude);
    sandbox.git("repo", ["add", "-f", ".nanostack/audit.log"]);
    let tracked = sandbox.run("repo", &me, &["start"]);
    assert_eq!(tracked.said(), (Some(128), "tracked_store"), "{tracked:#?}");
    sandbox.run("repo", &me, &["claim", "think"]).ok();
}
