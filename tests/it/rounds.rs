//! Going round again: what a new sprint takes over of the one before it.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::fixture::Scene;

/// `think` and `build` are done with artifacts by ann, `review` has failed by bob.
pub(crate) fn reviewed() -> Scene {
    let mut scene = Scene::new();
    let graph = r#"[{"name":"think","about":"the plan"},{"name":"build","depends_on":["think"],"concurrency":"write"},
        {"name":"review","depends_on":["build"],"not_by":["build"],"max_attempts":3},
        {"name":"ship","depends_on":["build","review"]}]"#;
    scene.does("lead", &["start", "--phases", graph, "--goal", "add OAuth login"]);
    for phase in ["think", "build"] {
        let file = format!("{phase}.md");
        scene.sandbox.write(Path::new("repo").join(&file), format!("what {phase} came to\n"));
        scene.does("ann", &["claim", phase]);
        scene.does("ann", &["complete", phase, "--artifact", &file]);
    }
    scene.does("bob", &["claim", "review"]);
    scene.does("bob", &["complete", "review", "--verdict", "fail"]);
    scene
}

/// Every file and link below `dir`: its path, and what it is.
fn all(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let meta = std::fs::symlink_metadata(&path).unwrap();
        if meta.is_dir() {
            found.extend(all(&path));
        } else if meta.is_symlink() {
            let target = std::fs::read_link(&path).unwrap();
            found.push((path, target.into_os_string().into_encoded_bytes()));
        } else {
            found.push((path.clone(), std::fs::read(path).unwrap()));
        }
    }
    found.sort();
    found
}

fn record(path: impl AsRef<Path>) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The pin in a phase's directory.
fn pin(phase: &Path) -> PathBuf {
    let entries = std::fs::read_dir(phase).unwrap().map(|entry| entry.unwrap().path());
    let is_pin = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("pin.");
    entries.into_iter().find(is_pin).unwrap()
}

/// Changes what is in a read-only file.
fn tamper(path: &Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(path, "something else\n").unwrap();
}

#[test]
fn what_has_passed_is_taken_over_as_it_was() {
    let mut scene = reviewed();
    let old = scene.sprint_dir();
    let id = old.file_name().unwrap().to_str().unwrap().to_owned();
    let done = old.join("think/done");
    let mut think = record(&done);
    think["later"] = json!(1);
    std::fs::remove_file(&done).unwrap();
    std::fs::write(&done, think.to_string()).unwrap();
    let before = all(&old);
    // Another program's field stays.
    scene.edit_sprint(|sprint| sprint["phases"][2]["later"] = json!({"a": 1}));
    let graph = record(old.join("sprint.json"))["phases"].clone();

    let started = scene.said("lead", &["start", "--from", "review"]);
    assert_eq!(started["carried"], json!(["think", "build"]), "{started}");
    assert_eq!(started["from"], json!(id));
    let new = scene.sprint_dir();
    assert_ne!(new, old);
    let sprint = record(new.join("sprint.json"));
    assert_eq!(sprint["phases"], graph);
    assert_eq!(sprint["goal"], "add OAuth login");
    assert_eq!(sprint["from"], json!(id));

    let board = scene.board();
    for phase in ["think", "build"] {
        assert_eq!(board["phases"][phase]["state"], "done");
        assert_eq!(board["phases"][phase]["carried_from"], json!(id));
        assert_eq!(board["phases"][phase]["agent"], "ann");
    }
    assert_eq!(board["phases"]["review"]["ready"], true);
    think["carried_from"] = json!(id);
    assert_eq!(record(new.join("think/done")), think);
    let mode = std::fs::metadata(new.join("think/done")).unwrap().mode();
    assert_eq!(mode & 0o777, 0o444);
    let copy = std::fs::read_to_string(new.join("think/artifact.md")).unwrap();
    assert_eq!(copy, "what think came to\n");

    // The old one is as it was, but that it is archived.
    let archived = scene.store().join("conductor/archive").join(&id);
    let moved = |(path, content): (PathBuf, Vec<u8>)| {
        (archived.join(path.strip_prefix(&old).unwrap()), content)
    };
    let is_record = |(path, _): &(PathBuf, Vec<u8>)| path.ends_with("sprint.json");
    let before: Vec<_> = before.into_iter().map(moved).filter(|it| !is_record(it)).collect();
    let after: Vec<_> = all(&archived).into_iter().filter(|it| !is_record(it)).collect();
    assert_eq!(before, after);

    // And it is not needed any more.
    scene.does("lead", &["clean", "--older-than", "0s"]);
    assert!(!archived.exists());
    scene.does("lead", &["verify"]);
    let again = scene.said("lead", &["start", "--from", "ship"]);
    assert_eq!(again["carried"], json!(["think", "build"]));
    // It says where it was really done.
    assert_eq!(scene.board()["phases"]["think"]["carried_from"], json!(id));
}

/// A file system without second names, or another user's file: what was handed over is copied then.
#[test]
fn what_cannot_have_a_second_name_is_copied() {
    let mut scene = reviewed();
    let old = pin(&scene.sprint_dir().join("think"));
    let without_links = |scene: &mut Scene| {
        let ours = scene.command("lead", "repo", &["start", "--from", "review", "--json"]);
        let mut strace = scene.sandbox.command("repo", "strace");
        strace.args(["-f", "-o", "/dev/null", "-e", "trace=link,linkat"]);
        strace.args(["-e", "inject=link,linkat:error=EPERM"]);
        strace.arg(ours.get_program()).args(ours.get_args());
        let output = strace.output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let inode = std::fs::metadata(&old).unwrap().ino();
    let started = without_links(&mut scene);
    assert_eq!(started["carried"], json!(["think", "build"]), "{started}");
    let new = pin(&scene.sprint_dir().join("think"));
    let meta = std::fs::metadata(&new).unwrap();
    assert_ne!(meta.ino(), inode);
    assert_eq!((meta.mode() & 0o777, meta.nlink()), (0o444, 1));
    assert_eq!(std::fs::read_to_string(&new).unwrap(), "what think came to\n");
    scene.does("lead", &["verify"]);
    // What is not what was handed over is not copied either.
    tamper(&new);
    let refused = without_links(&mut scene);
    assert_eq!(refused["code"], "pin_changed", "{refused}");
}

#[test]
fn a_carried_phase_is_done_for_everybody() {
    let mut scene = reviewed();
    scene.does("lead", &["start", "--from", "review"]);
    assert_eq!(scene.said("cyd", &["claim", "build"])["code"], "done");
    // A script that looks for the latch alone.
    for phase in ["think", "build"] {
        let made = std::fs::create_dir(scene.sprint_dir().join(phase).join("lock.d"));
        assert_eq!(made.unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
    }
    // By whom it was done it can be confirmed, as ever.
    let again = scene.said("ann", &["complete", "build", "--artifact", "build.md"]);
    assert_eq!(again["again"], true, "{again}");
    // And who did it does not check it.
    assert_eq!(scene.said("ann", &["claim", "review"])["code"], "four_eyes");
    scene.works("bob", "review");
    scene.does("bob", &["claim", "ship"]);
    scene.does("lead", &["doctor"]);
}

#[test]
fn what_is_named_is_taken_over() {
    let mut scene = reviewed();
    let carry = |scene: &mut Scene, args: &[&str]| {
        let args: Vec<&str> = [&["start"][..], args].concat();
        scene.said("lead", &args)
    };
    for (args, phase, why) in [
        (&["--carry", "build"][..], "build", "needs"),
        (&["--carry", "think,build,review"], "review", "failed"),
        (&["--carry", "think,ship"], "ship", "not_done"),
        (&["--from", "build", "--carry", "think,build"], "build", "begins"),
    ] {
        let before = scene.board();
        let refused = carry(&mut scene, args);
        assert_eq!(refused["code"], "cannot_carry", "{refused}");
        assert_eq!((&refused["phase"], &refused["why"]), (&json!(phase), &json!(why)));
        assert_eq!(scene.board()["sprint_id"], before["sprint_id"]);
    }
    assert_eq!(carry(&mut scene, &["--from", "nothing"])["code"], "unknown_phase");
    for args in
        [["--from", "build", "--phases", "build"], ["--carry", "think", "--phases", "build"]]
    {
        assert_eq!(carry(&mut scene, &args)["code"], "usage");
    }
    assert_eq!(carry(&mut scene, &["--from", "build", "--if-none"])["code"], "usage");
    let started = carry(&mut scene, &["--carry", "think", "--goal", "another"]);
    assert_eq!(started["carried"], json!(["think"]));
    assert_eq!(scene.board()["goal"], "another");
}

#[test]
fn a_sprint_that_has_ended_can_be_taken_up_again() {
    let mut scene = Scene::new();
    assert_eq!(scene.said("lead", &["start", "--from", "build"])["code"], "no_sprint");
    let mut scene = reviewed();
    let id = scene.board()["sprint_id"].clone();
    scene.does("lead", &["archive"]);
    let started = scene.said("lead", &["start", "--from", "review"]);
    assert_eq!(started["from"], id);
    assert_eq!(started["carried"], json!(["think", "build"]));
    // Others' live claims stand in the way, as of any start.
    scene.does("bob", &["claim", "review"]);
    assert_eq!(scene.said("lead", &["start", "--from", "review"])["code"], "claimed");
}

#[test]
fn what_has_been_changed_is_not_taken_over() {
    let mut scene = reviewed();
    let board = scene.board();
    let think = scene.sprint_dir().join("think");
    let file = pin(&think);
    tamper(&file);
    let refused = scene.said("lead", &["start", "--from", "review"]);
    assert_eq!((&refused["code"], &refused["phase"]), (&json!("pin_changed"), &json!("think")));
    std::fs::remove_file(&file).unwrap();
    let refused = scene.said("lead", &["start", "--from", "review"]);
    assert_eq!((&refused["code"], &refused["phase"]), (&json!("pin_gone"), &json!("think")));
    // A link to a file with the right content is no pin.
    std::os::unix::fs::symlink("../../../../think.md", &file).unwrap();
    let refused = scene.said("lead", &["start", "--from", "review"]);
    assert_eq!(refused["code"], "pin_changed");
    // A name that leads out of the directory is none.
    let mut done = record(think.join("done"));
    done["artifact_sha256"] = json!("../../../../../think.md");
    std::fs::remove_file(think.join("done")).unwrap();
    std::fs::write(think.join("done"), done.to_string()).unwrap();
    assert_eq!(scene.said("lead", &["start", "--from", "review"])["code"], "pin_changed");
    // What cannot be read is not taken for a pass.
    std::fs::remove_file(think.join("done")).unwrap();
    std::fs::write(think.join("done"), "").unwrap();
    let refused = scene.said("lead", &["start", "--carry", "think"]);
    assert_eq!((&refused["code"], &refused["why"]), (&json!("cannot_carry"), &json!("unreadable")));
    assert_eq!(scene.board()["sprint_id"], board["sprint_id"]);
    // Nothing is left of all these attempts.
    let entries = std::fs::read_dir(scene.store().join("conductor")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| name.starts_with(".new")).count(), 0);
    let started = scene.said("lead", &["start", "--from", "think"]);
    assert_eq!(started["carried"], json!([]));
}

/// A review of other content than what goes out is no evidence in the next round either.
#[test]
fn the_gate_judges_what_was_carried() {
    let mut scene = Scene::new();
    scene.sprint("build,review:build,ship:review");
    scene.works("ann", "build");
    scene.works("bob", "review");
    scene.does("lead", &["start", "--from", "ship"]);
    scene.does("cyd", &["claim", "ship"]);
    scene.sandbox.git("repo", ["config", "conductor.evidence", "require"]);
    scene.does("cyd", &["guard"]);
    scene.sandbox.write("repo/file", "more\n");
    scene.sandbox.git("repo", ["commit", "-q", "-a", "-m", "more"]);
    let refused = scene.said("cyd", &["guard"]);
    assert_eq!(refused["code"], "no_evidence");
    assert_eq!(refused["gaps"][0]["phase"], "review");
    assert_eq!(refused["gaps"][0]["why"], "other_content");
}

/// Records of what was carried stand under the new sprint, where the gate looks for them.
#[test]
fn the_gate_by_notes_finds_what_was_carried() {
    for at_start in [true, false] {
        let mut scene = Scene::new();
        scene.sandbox.git("repo", ["config", "conductor.evidence", "require"]);
        scene.sandbox.git("repo", ["config", "conductor.notes", "true"]);
        scene.sprint("build,review:build,ship:review");
        scene.works("ann", "build");
        scene.works("bob", "review");
        let old = scene.board()["sprint_id"].clone();
        if !at_start {
            scene.sandbox.git("repo", ["config", "conductor.notes", "false"]);
        }
        scene.does("lead", &["start", "--from", "ship"]);
        scene.does("cyd", &["claim", "ship"]);
        scene.does("cyd", &["complete", "ship", "--note"]);
        if !at_start {
            assert_eq!(scene.said("cyd", &["guard", "--notes"])["code"], "no_evidence");
            assert_eq!(scene.said("lead", &["notes", "sync"])["written"], 2);
        }
        scene.does("cyd", &["guard", "--commit", "HEAD", "--notes"]);
        // Again it writes nothing.
        assert_eq!(scene.said("lead", &["notes", "sync"])["written"], 0);
        let records = scene.said("lead", &["notes"])["records"].clone();
        let carried: Vec<&Value> =
            records.as_array().unwrap().iter().filter(|it| it["carried_from"] == old).collect();
        assert_eq!(carried.len(), 2, "{records}");
        scene.does("lead", &["verify"]);
        // At other content it is no evidence.
        scene.sandbox.write("repo/file", "more\n");
        scene.sandbox.git("repo", ["commit", "-q", "-a", "-m", "more"]);
        scene.does("lead", &["start", "--from", "ship"]);
        scene.does("cyd", &["claim", "ship"]);
        scene.does("cyd", &["complete", "ship", "--note"]);
        scene.does("lead", &["notes", "sync"]);
        let refused = scene.said("cyd", &["guard", "--commit", "HEAD", "--notes"]);
        assert_eq!(refused["code"], "no_evidence", "{refused}");
        assert_eq!(refused["gaps"][0]["why"], "other_content");
    }
}
