//! `guard` through the real program: evidence, two stores, and what fails closed. What it says is
//! in the snapshots; the whole table of decisions is in `src/rules/gate.rs`.

use std::path::PathBuf;
use std::process::Output;

use serde_json::{Value, json};

use crate::fake::answer;
use crate::fixture::Scene;
use crate::process_driver::{Agent, Answer, sha256};
use crate::sandbox::Sandbox;

/// A sprint whose `build` and `review` bob has done, with artifacts, and whose `ship` ann holds.
fn scene() -> Scene {
    let mut scene = Scene::new();
    scene.sprint("build,review,ship:build+review");
    scene.sandbox.write("repo/.nanostack/build.md", "built\n");
    for phase in ["build", "review"] {
        scene.does("bob", &["claim", phase]);
        let artifact = ".nanostack/build.md";
        scene.does("bob", &["complete", phase, "--artifact", artifact]);
    }
    scene.does("ann", &["claim", "ship"]);
    scene
}

fn commit(sandbox: &Sandbox, dir: &str, file: &str, content: &str) -> String {
    sandbox.write(format!("{dir}/{file}"), content);
    sandbox.git(dir, ["add", "-A"]);
    sandbox.git(dir, ["commit", "-q", "-m", "more"]);
    sandbox.git_says(dir, ["rev-parse", "HEAD"])
}

/// The gaps that ann is told of: phase and reason.
#[track_caller]
fn gaps(scene: &mut Scene) -> Vec<(String, String)> {
    let said = scene.said("ann", &["guard"]);
    assert!(said["ok"] == json!(true) || said["code"] == json!("no_evidence"), "{said}");
    let word = |gap: &Value, key: &str| gap[key].as_str().unwrap().to_owned();
    let gaps = said["gaps"].as_array().unwrap().iter();
    gaps.map(|gap| (word(gap, "phase"), word(gap, "why"))).collect()
}

fn gap(phase: &str, why: &str) -> (String, String) {
    (phase.to_owned(), why.to_owned())
}

fn exit(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// The pin of a phase's artifact.
fn pin(scene: &Scene, phase: &str) -> PathBuf {
    scene.sprint_dir().join(phase).join(format!("pin.{}", sha256("built\n")))
}

#[test]
fn evidence_is_of_the_content_that_goes_out() {
    let mut scene = scene();
    assert_eq!(gaps(&mut scene), []);
    // A later commit with the same tree has the same content.
    scene.sandbox.git("repo", ["commit", "-q", "--allow-empty", "-m", "nothing"]);
    assert_eq!(gaps(&mut scene), []);
    // What is not committed does not go out.
    scene.sandbox.write("repo/file", "not committed\n");
    assert_eq!(gaps(&mut scene), []);
    let later = commit(&scene.sandbox, "repo", "file", "committed\n");
    let both = [gap("build", "other_content"), gap("review", "other_content")];
    assert_eq!(gaps(&mut scene), both);
    let said = scene.said("ann", &["guard"]);
    assert_eq!(said["gaps"][0]["going_out"], json!(later));
    assert_ne!(said["gaps"][0]["done_at"], json!(later));
    assert_eq!(said["gaps"][0]["paths"], json!(["file"]));
    // Back to the same content, two commits on.
    scene.sandbox.git("repo", ["revert", "--no-edit", "HEAD"]);
    assert_eq!(gaps(&mut scene), []);
}

#[test]
fn evidence_is_clean_and_whole() {
    let mut scene = scene();
    let pinned = pin(&scene, "review");
    let whole = std::fs::read(&pinned).unwrap();
    std::fs::remove_file(&pinned).unwrap();
    assert_eq!(gaps(&mut scene), [gap("review", "pin_gone")]);
    // Of the same size: only its hash tells.
    std::fs::write(&pinned, "BUILT\n").unwrap();
    assert_eq!(gaps(&mut scene), [gap("review", "pin_changed")]);
    std::fs::remove_file(&pinned).unwrap();
    std::os::unix::fs::symlink(scene.store().join("build.md"), &pinned).unwrap();
    assert_eq!(gaps(&mut scene), [gap("review", "pin_changed")]);
    std::fs::remove_file(&pinned).unwrap();
    std::fs::write(&pinned, whole).unwrap();
    assert_eq!(gaps(&mut scene), []);

    let mut scene = Scene::new();
    scene.sprint("build,ship");
    scene.sandbox.write("repo/untracked", "");
    scene.works("bob", "build");
    scene.does("ann", &["claim", "ship"]);
    assert_eq!(gaps(&mut scene), [gap("build", "dirty")]);
}

/// A record is not ours to trust: no name in it becomes a path, and no word of it an option.
#[test]
fn records_that_lie() {
    let mut scene = scene();
    let later = commit(&scene.sandbox, "repo", "file", "committed\n");
    let done = scene.sprint_dir().join("build/done");
    let record: Value = serde_json::from_slice(&std::fs::read(&done).unwrap()).unwrap();
    let outside = scene.sandbox.join("outside");
    for (key, value, why) in [
        ("artifact_sha256", json!("../../../../../file"), "pin_changed"),
        ("artifact_sha256", json!("0".repeat(64)), "pin_gone"),
        ("tree", json!(format!("--output={}", outside.display())), "other_content"),
        ("tree", json!("0".repeat(40)), "other_content"),
        ("commit", json!("\u{1b}[2J"), "other_content"),
    ] {
        let mut lie = record.clone();
        lie[key] = value;
        std::fs::remove_file(&done).unwrap();
        std::fs::write(&done, lie.to_string()).unwrap();
        assert_eq!(gaps(&mut scene)[0], gap("build", why), "{lie}");
        let said = scene.asks("ann", "repo", &["guard"]);
        assert!(!said.stderr.contains(&0x1b), "{said:?}");
    }
    assert!(!outside.exists());
    assert!(!later.is_empty());
}

#[test]
fn paths_are_bounded_and_harmless() {
    let mut scene = scene();
    for n in 0..30 {
        scene.sandbox.write(format!("repo/many/{n:02}"), "");
    }
    commit(&scene.sandbox, "repo", "a\u{1b}[2J\nb", "");
    // Settings that change what git prints change nothing here.
    scene.sandbox.git("repo", ["config", "diff.relative", "true"]);
    scene.sandbox.git("repo", ["config", "diff.external", "false"]);
    let said = scene.said("ann", &["guard"]);
    let paths = said["gaps"][0]["paths"].as_array().unwrap();
    assert_eq!((paths.len(), &said["gaps"][0]["more"]), (20, &json!(true)));
    let said = scene.asks("ann", "repo/many", &["guard"]);
    let text = String::from_utf8(said.stderr).unwrap();
    let line = text.lines().find(|line| line.contains("'build'")).unwrap();
    assert!(line.contains("in 'a\\u{1b}[2J\\u{a}b', 'many/00', 'many/01'"), "{line}");
    assert!(line.ends_with("'many/03' and more"), "{line}");
}

#[test]
fn what_evidence_is_worth_is_a_setting() {
    let mut scene = scene();
    commit(&scene.sandbox, "repo", "file", "committed\n");
    for (policy, code, gaps) in [("off", 0, 0), ("warn", 0, 2), ("require", 1, 2)] {
        scene.sandbox.git("repo", ["config", "conductor.evidence", policy]);
        let output = scene.asks("ann", "repo", &["guard", "--json"]);
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(exit(&output), code, "{policy}");
        assert_eq!(said["gaps"].as_array().unwrap().len(), gaps, "{policy}");
    }
}

#[test]
fn the_phase_that_guards_is_a_setting() {
    let mut scene = scene();
    scene.sandbox.git("repo", ["config", "conductor.guardPhase", "review"]);
    assert_eq!(scene.said("ann", &["guard"])["passage"], json!("done"));
    assert_eq!(scene.said("ann", &["guard", "ship"])["passage"], json!("claimed"));
    scene.sandbox.git("repo", ["config", "conductor.guardPhase", "release"]);
    assert_eq!(scene.said("ann", &["guard"])["code"], json!("unknown_phase"));
}

/// The same answer from a linked worktree, where another commit is checked out.
#[test]
fn in_a_linked_worktree() {
    let mut scene = scene();
    scene.worktree("wt");
    let output = scene.asks("ann", "wt", &["guard"]);
    assert_eq!(exit(&output), 0, "{output:?}");
    scene.does("ann", &["complete", "ship"]);
    // All is done: nothing guards any more, but what asks for a sprint.
    scene.sandbox.git("repo", ["config", "conductor.requireSprint", "true"]);
    assert_eq!(exit(&scene.asks("bob", "wt", &["guard"])), 0);
    commit(&scene.sandbox, "wt", "file", "committed\n");
    assert_eq!(exit(&scene.asks("bob", "wt", &["guard"])), 1);
    assert_eq!(exit(&scene.asks("bob", "repo", &["guard"])), 0);
}

#[test]
fn on_an_unborn_branch() {
    let mut scene = Scene::new();
    scene.sandbox.git(".", ["init", "-q", "new"]);
    scene.does_in("new", "ann", &["start", "--phases", "build,ship,announce:ship"]);
    for phase in ["build", "ship"] {
        scene.does_in("new", "ann", &["claim", phase]);
        if phase == "build" {
            scene.does_in("new", "ann", &["complete", phase]);
        }
    }
    assert_eq!(exit(&scene.asks("ann", "new", &["guard"])), 0);
    scene.does_in("new", "ann", &["complete", "ship"]);
    assert_eq!(exit(&scene.asks("ann", "new", &["guard"])), 1, "no commit is no known commit");
}

/// The repository's own store has its say, whatever else is named.
#[test]
fn another_store_lifts_no_refusal() {
    let mut sandbox = Sandbox::new();
    sandbox.repository("repo");
    std::fs::create_dir(sandbox.join("empty")).unwrap();
    let (ann, bob) = (Agent::new("ann"), Agent::new("bob"));
    let other = sandbox.join("other").display().to_string();
    let empty = sandbox.join("empty").display().to_string();
    let guard = |sandbox: &Sandbox, agent: &Agent, args: &[&str]| {
        sandbox.run("repo", agent, &[&["guard"], args].concat())
    };
    for store in [&[][..], &["--store", &other]] {
        sandbox.run("repo", &ann, &[&["start", "--phases", "ship"], store].concat()).ok();
    }
    sandbox.run("repo", &ann, &["claim", "ship", "--store", &other]).ok();
    sandbox.run("repo", &bob, &["claim", "ship"]).ok();

    // ann holds it in the other store only, bob in the repository's own only.
    guard(&sandbox, &ann, &[]).refused("claimed");
    guard(&sandbox, &ann, &["--store", &other]).refused("claimed");
    guard(&sandbox, &ann, &["--store", &empty]).refused("claimed");
    guard(&sandbox, &bob, &[]).ok();
    guard(&sandbox, &bob, &["--store", &other]).refused("claimed");
    guard(&sandbox, &bob, &["--store", &empty]).ok();
    for name in ["GIT_CONDUCTOR_STORE", "NANOSTACK_STORE"] {
        sandbox.set(name, &other);
        guard(&sandbox, &ann, &[]).refused("claimed");
        guard(&sandbox, &bob, &[]).refused("claimed");
        sandbox.unset(name);
    }
    sandbox.git(".", ["config", "--global", "conductor.store", &other]);
    guard(&sandbox, &ann, &[]).refused("claimed");
    sandbox.git(".", ["config", "--global", "--unset", "conductor.store"]);
    // Nor does what the repository itself says: both are asked.
    sandbox.git("repo", ["config", "conductor.store", &other]);
    guard(&sandbox, &ann, &[]).refused("claimed");
    guard(&sandbox, &bob, &[]).refused("claimed");
    sandbox.git("repo", ["config", "--unset", "conductor.store"]);

    // The override has a sprint; that the own one asks for its own is not lifted by it.
    sandbox.run("repo", &bob, &["complete", "ship"]).ok();
    sandbox.run("repo", &bob, &["archive"]).ok();
    guard(&sandbox, &ann, &["--store", &other]).ok();
    guard(&sandbox, &bob, &["--store", &other]).refused("claimed");
    sandbox.git("repo", ["config", "conductor.requireSprint", "true"]);
    guard(&sandbox, &ann, &["--store", &other]).refused("no_sprint");
}

#[test]
fn without_a_repository() {
    let sandbox = Sandbox::new();
    let (ann, bob) = (Agent::new("ann"), Agent::new("bob"));
    let store = sandbox.join("store").display().to_string();
    let run = |agent: &Agent, args: &[&str]| {
        sandbox.run("home", agent, &[args, &["--store", &store]].concat())
    };
    assert_eq!(sandbox.run("home", &ann, &["guard"]).said(), (Some(128), "not_a_repository"));
    run(&ann, &["start", "--phases", "ship"]).ok();
    run(&ann, &["claim", "ship"]).ok();
    run(&ann, &["guard"]).ok();
    run(&bob, &["guard"]).refused("claimed");
}

/// Whatever cannot be read shuts the gate.
#[test]
fn it_fails_closed() {
    let mut scene = scene();
    let pinned = pin(&scene, "build");
    std::fs::remove_file(&pinned).unwrap();
    let lock = scene.sprint_dir().join("ship/lock");
    let own = |scene: &mut Scene| Answer::of(&scene.asks("ann", "repo", &["guard", "--json"]));
    own(&mut scene).ok();
    let aside = scene.sandbox.join("aside");
    std::fs::rename(&lock, &aside).unwrap();
    std::os::unix::fs::symlink(&aside, &lock).unwrap();
    assert_eq!(own(&mut scene).exit, Some(128), "a link where the lock should be");
    std::fs::remove_file(&lock).unwrap();
    std::fs::rename(&aside, &lock).unwrap();
    own(&mut scene).ok();
    std::fs::rename(scene.store(), &aside).unwrap();
    assert_eq!(own(&mut scene).said(), (Some(128), "store_gone"));
    std::fs::rename(&aside, scene.store()).unwrap();
    own(&mut scene).ok();
    for (key, exit) in [("evidence", 128), ("requireSprint", 128)] {
        scene.sandbox.git("repo", ["config", &format!("conductor.{key}"), "perhaps"]);
        assert_eq!(own(&mut scene).exit, Some(exit), "{key}");
        scene.sandbox.git("repo", ["config", "--unset", &format!("conductor.{key}")]);
    }
}

/// A phase that was completed beside what it builds on is told so at once.
#[test]
fn completing_beside_what_it_builds_on_warns() {
    let mut scene = Scene::new();
    scene.sprint("plan,build,review,ship");
    scene.worktree("wt");
    commit(&scene.sandbox, "repo", "file", "planned\n");
    scene.works("bob", "plan");
    scene.does_in("wt", "ann", &["claim", "build"]);
    let complete = |scene: &mut Scene, phase: &str| {
        Answer::of(&scene.asks("ann", "wt", &["complete", phase, "--json"])).ok()
    };
    let said = complete(&mut scene, "build");
    assert_eq!(said.json["lacks"][0]["phase"], json!("plan"), "{said:?}");
    assert_eq!(said.json["lacks"].as_array().unwrap().len(), 1);
    assert_eq!(complete(&mut scene, "build").json["lacks"], json!([]), "it was said once");
    // Whoever contains it all is told nothing.
    scene.sandbox.git("wt", ["merge", "-q", "--ff-only", "main"]);
    commit(&scene.sandbox, "wt", "file", "reviewed\n");
    scene.does_in("wt", "ann", &["claim", "review"]);
    assert_eq!(complete(&mut scene, "review").json["lacks"], json!([]));
}

/// What failed stays shut when its sprint is over, until a later one has passed there.
#[test]
fn a_failure_opens_nothing() {
    let mut scene = Scene::new();
    let code = |scene: &mut Scene| {
        let said = scene.said("ann", &["guard"]);
        said["code"].as_str().or(said["passage"].as_str()).unwrap().to_owned()
    };
    scene.sprint("build,ship");
    scene.works("bob", "build");
    scene.does("ann", &["claim", "ship"]);
    scene.does("ann", &["complete", "ship", "--verdict", "fail"]);
    assert_eq!(scene.said("ann", &["status"])["status"], json!("finished"));
    assert_eq!(code(&mut scene), "failed");
    let id = scene.said("ann", &["status"])["sprint_id"].clone();
    scene.does("ann", &["archive"]);
    let said = scene.said("ann", &["guard"]);
    assert_eq!((&said["code"], &said["sprint"]), (&json!("failed"), &id), "{said}");
    assert_eq!(said["failed"], json!(null), "it is the guarding phase itself");
    // Neither a sprint that did not come so far nor one that has no such phase has the word.
    scene.sprint("build,ship");
    assert_eq!(code(&mut scene), "not_claimed");
    scene.does("ann", &["archive"]);
    assert_eq!(code(&mut scene), "failed");
    scene.sprint("docs:");
    scene.works("ann", "docs");
    assert_eq!(code(&mut scene), "failed");
    // Another phase guards, which has passed last.
    scene.sandbox.git("repo", ["config", "conductor.guardPhase", "build"]);
    assert_eq!(code(&mut scene), "no_sprint");
    scene.sandbox.git("repo", ["config", "--unset", "conductor.guardPhase"]);
    // Another round passes.
    scene.sprint("build,ship");
    for phase in ["build", "ship"] {
        scene.works("ann", phase);
        assert_eq!(code(&mut scene) == "no_sprint", phase == "ship");
    }
    scene.does("ann", &["archive"]);
    assert_eq!(code(&mut scene), "no_sprint");
    // What it waits for, by way of another, has failed, and nobody has come so far.
    scene.sprint("plan,build:plan,ship:build");
    scene.does("bob", &["claim", "plan"]);
    scene.does("bob", &["complete", "plan", "--verdict", "fail"]);
    let said = scene.said("ann", &["guard"]);
    assert_eq!(said["code"], json!("not_claimed"));
    assert_eq!(said["waits_for"][1], json!({"phase": "plan", "state": "failed", "agent": "bob"}));
    scene.does("ann", &["archive"]);
    let said = scene.said("ann", &["guard"]);
    assert_eq!((&said["code"], &said["failed"]), (&json!("failed"), &json!("plan")), "{said}");
    // An ended sprint that cannot be read is in nobody's way; what was before it is.
    scene.sprint("ship");
    scene.works("ann", "ship");
    scene.does("ann", &["archive"]);
    assert_eq!(code(&mut scene), "no_sprint");
    let archive = scene.store().join("conductor/archive");
    let ids = std::fs::read_dir(&archive).unwrap().map(|entry| entry.unwrap().path());
    std::fs::write(ids.max().unwrap().join("sprint.json"), "{").unwrap();
    assert_eq!(code(&mut scene), "failed");
    scene.does("ann", &["clean", "--older-than", "0s"]);
    assert_eq!(code(&mut scene), "no_sprint", "nothing is known of a failure any more");
}

/// A sprint whose `build` and `review` bob has done in the worktree `wt`, one commit ahead of what
/// is checked out in `repo`, where ann holds `ship`; and that commit.
fn ahead() -> (Scene, String) {
    let mut scene = Scene::new();
    scene.worktree("wt");
    scene.sprint("build,review,ship:build+review,announce:ship");
    let reviewed = commit(&scene.sandbox, "wt", "file", "reviewed\n");
    for phase in ["build", "review"] {
        scene.does_in("wt", "bob", &["claim", phase]);
        scene.does_in("wt", "bob", &["complete", phase]);
    }
    scene.sandbox.git("repo", ["config", "conductor.evidence", "require"]);
    (scene, reviewed)
}

#[test]
fn what_need_only_be_brought_forward_is_said_with_the_command() {
    let (mut scene, reviewed) = ahead();
    let claimed = scene.said("ann", &["claim", "ship"]);
    assert_eq!(claimed["checked"]["commit"], json!(reviewed), "{claimed}");
    assert_eq!(claimed["checked"]["agrees"], json!(true));
    assert_eq!(scene.said("ann", &["prime"])["checked"], claimed["checked"]);
    let primed = String::from_utf8(scene.asks("ann", "repo", &["prime"]).stdout).unwrap();
    let line = format!("what was checked, and may go out: commit {}\n", &reviewed[..10]);
    assert!(primed.contains(&line), "{primed}");
    let merge = ["git", "merge", "--ff-only", &reviewed];
    let said = scene.said("ann", &["guard"]);
    assert_eq!((&said["code"], &said["do"]), (&json!("no_evidence"), &json!(merge)));
    assert_eq!(said["forward"], json!(reviewed));
    assert_eq!(said["hints"][1], json!(merge.join(" ")));
    // Where evidence is only asked for, the gate is open, and says it too.
    scene.sandbox.git("repo", ["config", "conductor.evidence", "warn"]);
    let output = scene.asks("ann", "repo", &["guard"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains(&format!(": {}\n", merge.join(" "))), "{text}");
    assert_eq!(scene.said("ann", &["guard"])["forward"], json!(reviewed));
    scene.sandbox.git("repo", ["config", "conductor.evidence", "require"]);
    // It was all it took.
    scene.sandbox.git("repo", &merge[1..]);
    assert_eq!(gaps(&mut scene), []);
    assert_eq!(scene.said("ann", &["guard"])["forward"], json!(null));
    // The same where the phase is done, and what is checked out is behind.
    scene.does("ann", &["complete", "ship"]);
    scene.sandbox.git("repo", ["reset", "-q", "--hard", "HEAD~"]);
    let said = scene.said("ann", &["guard"]);
    assert_eq!((&said["code"], &said["do"]), (&json!("other_commit"), &json!(merge)));
}

/// What it is called, and what changes.
type Change<'a> = (&'a str, &'a dyn Fn(&mut Scene));

#[test]
fn what_is_more_than_behind_stays_with_the_human() {
    let stops = |scene: &mut Scene, args: &[&str], what: &str| {
        let said = scene.said("ann", &[&["guard"], args].concat());
        assert_eq!(said["code"], json!("no_evidence"), "{what}: {said}");
        assert_eq!((&said["do"], &said["forward"]), (&json!([]), &json!(null)), "{what}");
    };
    let changes: &[Change<'_>] = &[
        ("diverged", &|scene| drop(commit(&scene.sandbox, "repo", "other", "x\n"))),
        ("dirty", &|scene| scene.edit_done("review", |done| done["dirty"] = json!(true))),
        ("failed pin", &|scene| {
            scene.edit_done("review", |done| {
                done["artifact_sha256"] = json!("0".repeat(64));
                done["artifact_size"] = json!(3);
            });
        }),
        ("no commit", &|scene| scene.edit_done("review", |done| done["tree"] = json!(null))),
        ("several", &|scene| {
            scene.edit_done("review", |done| done["tree"] = json!("1".repeat(40)));
        }),
        ("gone", &|scene| {
            for phase in ["build", "review"] {
                scene.edit_done(phase, |done| done["commit"] = json!("1".repeat(40)));
            }
        }),
        ("no id", &|scene| {
            for phase in ["build", "review"] {
                scene.edit_done(phase, |done| done["commit"] = json!("wt; rm -rf ~"));
            }
        }),
    ];
    for (what, change) in changes {
        let (mut scene, _) = ahead();
        scene.does("ann", &["claim", "ship"]);
        change(&mut scene);
        stops(&mut scene, &[], what);
    }
    // Another commit than the one that is checked out is not to be brought anywhere.
    let (mut scene, _) = ahead();
    scene.does("ann", &["claim", "ship"]);
    stops(&mut scene, &["--commit", "main"], "named");
    // Evidence that disagrees is said when the work begins.
    let (mut scene, reviewed) = ahead();
    scene.edit_done("build", |done| done["tree"] = json!("1".repeat(40)));
    let output = scene.asks("ann", "repo", &["claim", "ship"]);
    let text = String::from_utf8(output.stderr).unwrap();
    let line = format!(
        "warning: no one commit was checked by all: 'build' {0} and 'review' {0}",
        &reviewed[..12]
    );
    assert!(text.contains(&line), "{text}");
}

/// What was let out from where it was done is not to be brought to what was checked.
#[test]
fn what_is_done_elsewhere_is_not_brought_forward() {
    let (mut scene, _) = ahead();
    scene.sandbox.git("repo", ["config", "conductor.evidence", "warn"]);
    scene.does("ann", &["claim", "ship"]);
    assert_ne!(scene.said("ann", &["guard"])["forward"], json!(null));
    scene.does("ann", &["complete", "ship"]);
    let said = scene.said("ann", &["guard"]);
    assert_eq!((&said["passage"], &said["forward"]), (&json!("done"), &json!(null)), "{said}");
}

/// Nothing is checked out there.
#[test]
fn a_bare_repository_is_not_brought_forward() {
    let (mut scene, _) = ahead();
    scene.does("ann", &["claim", "ship"]);
    scene.sandbox.git("repo", ["config", "core.bare", "true"]);
    let store = scene.store().display().to_string();
    scene.sandbox.git("repo", ["config", "conductor.store", &store]);
    let said = answer(&mut scene.command("ann", "repo/.git", &["guard", "--json"]));
    assert_eq!((&said["code"], &said["do"]), (&json!("no_evidence"), &json!([])), "{said}");
}
