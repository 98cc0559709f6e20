//! `doctor`: each thing that can be wrong is seen, what is safe is mended, and looking changes
//! nothing.

use std::path::Path;

use serde_json::{Value, json};

use crate::fixture::{Scene, ago};
use crate::hostile::witness;
use crate::process_driver::{BINARY, backdate};
use crate::sandbox::Sandbox;

/// A sprint of two phases, the first of them handed in with an artifact.
fn scene() -> Scene {
    let mut scene = Scene::new();
    scene.sprint("build,ship");
    scene.sandbox.write("repo/notes.md", "notes\n");
    scene.does("ann", &["claim", "build"]);
    scene.does("ann", &["complete", "build", "--artifact", "notes.md"]);
    scene
}

/// What `doctor` says with these options.
#[track_caller]
fn doctor(scene: &mut Scene, options: &[&str]) -> Value {
    let args: Vec<&str> = ["doctor", "--json"].iter().chain(options).copied().collect();
    let output = scene.asks("ann", "repo", &args);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let exit = i32::from(said["ok"] != json!(true));
    assert_eq!(output.status.code(), Some(exit), "{said:#}");
    said
}

/// What it found of one thing.
fn of<'a>(said: &'a Value, check: &str) -> Vec<&'a Value> {
    said["checks"].as_array().unwrap().iter().filter(|it| it["check"] == check).collect()
}

/// What it found of one thing that it says one thing of: how it is, and what is said.
#[track_caller]
fn one<'a>(said: &'a Value, check: &str) -> (&'a str, &'a str) {
    let found = of(said, check);
    assert_eq!(found.len(), 1, "{check}: {said:#}");
    (found[0]["level"].as_str().unwrap(), found[0]["says"].as_str().unwrap())
}

#[track_caller]
fn is(scene: &mut Scene, check: &str, level: &str, says: &str) {
    let said = doctor(scene, &[]);
    let (found, text) = one(&said, check);
    assert!(found == level && text.contains(says), "{found}: {text}");
}

#[test]
fn nothing_is_wrong_and_nothing_is_changed() {
    let mut scene = scene();
    let before = witness(scene.sandbox.path());
    let said = doctor(&mut scene, &[]);
    let bad = said["checks"].as_array().unwrap().iter();
    // The machine that runs the tests may have any file system, and more than one git.
    let of_machine = [json!("file system"), json!("other git")];
    let bad: Vec<&Value> =
        bad.filter(|it| it["level"] != "ok" && !of_machine.contains(&it["check"])).collect();
    // The program under test is in no directory called `bin`.
    let [hooks, manual] = bad.as_slice() else { panic!("{bad:#?}") };
    assert_eq!((&manual["check"], &manual["level"]), (&json!("manual"), &json!("note")));
    assert_eq!((&hooks["check"], &hooks["level"]), (&json!("hooks"), &json!("note")));
    doctor(&mut scene, &["--fix"]);
    assert_eq!(witness(scene.sandbox.path()), before, "neither by looking nor by --fix");
}

#[test]
fn one_winner_on_this_file_system() {
    let mut scene = scene();
    // What a race that was killed left.
    let left = scene.store().join(".race.0123456789abcdef0123456789abcdef");
    scene.sandbox.write(left.join("conductor/x"), "");
    let kept = scene.sandbox.write(scene.store().join(".race.of-somebody-else"), "");
    std::fs::remove_file(left.join("conductor/x")).unwrap();
    let before = witness(&scene.sandbox.join("repo/.git"));
    let said = doctor(&mut scene, &["--race"]);
    let (level, text) = one(&said, "race");
    assert_eq!((level, text), ("ok", "8 processes at once claimed 25 phases: one winner each"));
    assert!(!left.exists() && kept.exists());
    let names = std::fs::read_dir(scene.store()).unwrap().map(|entry| entry.unwrap().file_name());
    let races = names.filter(|name| name.to_str().unwrap().starts_with(".race.")).count();
    assert_eq!(races, 1, "no race is left but the one that is none");
    assert_eq!(witness(&scene.sandbox.join("repo/.git")), before);
}

#[test]
fn a_store_that_git_would_take() {
    let mut scene = scene();
    let exclude = scene.sandbox.join("repo/.git/info/exclude");
    std::fs::write(&exclude, "# mine\n").unwrap();
    is(&mut scene, "excluded", "problem", "git stash -u");
    let said = doctor(&mut scene, &["--fix"]);
    assert_eq!(of(&said, "excluded")[0]["fixed"], json!(true));
    assert_eq!(std::fs::read_to_string(exclude).unwrap(), "# mine\n/.nanostack/\n");
    is(&mut scene, "excluded", "ok", "");
    // Another way of keeping git off it is as good.
    std::fs::write(scene.sandbox.join("repo/.git/info/exclude"), "").unwrap();
    scene.sandbox.write("repo/.gitignore", ".nanostack\n");
    is(&mut scene, "excluded", "ok", "");
    scene.sandbox.git("repo", ["add", "-f", ".nanostack/audit.log"]);
    is(&mut scene, "tracked", "problem", "has tracked files");
}

/// What git takes all the same, and where it does not.
#[test]
fn a_store_that_git_clean_takes() {
    let mut scene = scene();
    is(&mut scene, "excluded", "ok", "but for 'git clean -x' and 'git stash --all'");
    scene.sandbox.git("repo", ["clean", "-q", "-fdx"]);
    is(&mut scene, "store", "problem", "is gone");
    let mut scene = Scene::new();
    scene.sandbox.git("repo", ["config", "conductor.store", ".git/nanostack"]);
    scene.worktree("wt");
    scene.sprint("build,ship");
    scene.does_in("wt", "ann", &["claim", "build"]);
    for dir in ["repo", "wt"] {
        scene.sandbox.git(dir, ["clean", "-q", "-fdx"]);
        scene.sandbox.write(format!("{dir}/new"), "");
        scene.sandbox.git(dir, ["stash", "push", "-q", "--all"]);
    }
    scene.does("ann", &["complete", "build"]);
    scene.does_in("wt", "ann", &["claim", "ship"]);
}

#[test]
fn owners_and_evidence() {
    let mut scene = scene();
    scene.does("bob", &["claim", "ship"]);
    is(&mut scene, "claims", "ok", "every owner is alive");
    scene.edit_claim("ship", |claim| claim["claimed_at"] = json!(ago(-3600)));
    is(&mut scene, "claims", "warning", "in the future");
    scene.claimed_ago("ship", 60);
    scene.dies("bob");
    is(&mut scene, "claims", "warning", "'ship' is held by 'bob', whose process is gone");
    scene.does("ann", &["claim", "ship", "--takeover"]);

    scene.sandbox.write("repo/notes.md", "other notes\n");
    is(&mut scene, "artifacts", "note", "the original of 'build' has changed");
    let pin = pin(&scene.sprint_dir().join("build"));
    std::fs::remove_file(&pin).unwrap();
    std::fs::write(&pin, "NOTES\n").unwrap();
    is(&mut scene, "artifacts", "problem", "what 'build' handed over is not what it was");
    std::fs::remove_file(&pin).unwrap();
    is(&mut scene, "artifacts", "problem", "what 'build' handed over is not what it was");
}

fn pin(phase: &Path) -> std::path::PathBuf {
    let names = std::fs::read_dir(phase).unwrap().map(|entry| entry.unwrap().path());
    names.into_iter().find(|path| path.to_str().unwrap().contains("/pin.")).unwrap()
}

#[test]
fn what_killed_commands_left() {
    let mut scene = scene();
    let ship = scene.sprint_dir().join("ship");
    let conductor = scene.store().join("conductor");
    // Something that is being made, and something that was.
    let young = scene.sandbox.write(conductor.join(".new.young"), "");
    let old = scene.sandbox.write(conductor.join(".new.old"), "");
    backdate(&old, 4000);
    std::fs::create_dir_all(ship.join(".tmp.x")).unwrap();
    backdate(ship.join(".tmp.x"), 4000);
    let said = doctor(&mut scene, &[]);
    let found = of(&said, "leftovers");
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found.iter().all(|it| it["level"] == "note" && it["hint"].is_string()));
    let said = doctor(&mut scene, &["--fix"]);
    assert!(of(&said, "leftovers").iter().all(|it| it["fixed"] == true));
    assert!(young.exists() && !old.exists() && !ship.join(".tmp.x").exists());
    is(&mut scene, "leftovers", "ok", "");

    // A completion that was committed, by a command that was killed then.
    scene.does("ann", &["claim", "ship"]);
    let lock = ship.join("lock");
    let token = scene.claim("ship")["token"].as_str().unwrap().to_owned();
    let record =
        json!({"v": 1, "agent": "ann", "completed_at": ago(100), "artifact": "", "token": token});
    std::fs::write(lock.join(format!("done.{token}")), record.to_string()).unwrap();
    std::fs::rename(lock.join(format!("owner.{token}")), lock.join(format!("completing.{token}")))
        .unwrap();
    is(&mut scene, "leftovers", "ok", "");
    backdate(&lock, 100);
    is(&mut scene, "leftovers", "note", "a completion not yet published");
    assert!(!ship.join("done").exists(), "looking published it");
    doctor(&mut scene, &["--fix"]);
    assert!(ship.join("done").exists() && !lock.exists());
    is(&mut scene, "leftovers", "ok", "");
}

#[test]
fn a_latch_that_was_left() {
    let mut scene = scene();
    let latch = scene.sprint_dir().join("ship/lock.d");
    std::fs::create_dir_all(&latch).unwrap();
    is(&mut scene, "leftovers", "ok", "");
    backdate(&latch, 100);
    is(&mut scene, "leftovers", "note", "the next claim takes it over");
    doctor(&mut scene, &["--fix"]);
    assert!(latch.exists(), "it is the next claim's");
    scene.does("ann", &["claim", "ship"]);
    is(&mut scene, "leftovers", "ok", "");
}

#[test]
fn a_mutex_that_is_none() {
    let mut scene = scene();
    let guard = scene.store().join("conductor/.guard");
    is(&mut scene, "mutex", "ok", "keeps a second command out");
    std::fs::remove_file(&guard).unwrap();
    is(&mut scene, "mutex", "ok", "not needed yet");
    assert!(!guard.exists());
    std::fs::create_dir(&guard).unwrap();
    is(&mut scene, "mutex", "warning", "not usable");
}

#[test]
fn a_store_that_is_broken_or_gone() {
    let mut scene = scene();
    let sprint = scene.sprint_dir();
    std::fs::write(sprint.join("sprint.json"), "{").unwrap();
    is(&mut scene, "sprint", "problem", "cannot understand");
    std::fs::remove_dir_all(scene.store()).unwrap();
    is(&mut scene, "store", "problem", "is gone");
    std::fs::remove_dir_all(scene.sandbox.join("repo/.git/conductor")).unwrap();
    is(&mut scene, "store", "note", "no sprint was started");
    scene.sandbox.set("GIT_CONDUCTOR_STORE", scene.sandbox.join("elsewhere"));
    scene.sprint("a:");
    is(&mut scene, "store", "note", "named by --store or GIT_CONDUCTOR_STORE");
}

#[test]
fn a_store_that_cannot_be_written() {
    let mut scene = scene();
    let run = |scene: &mut Scene| {
        let command = scene.command("ann", "repo", &["doctor", "--json"]);
        let mut inner = vec![command.get_program().to_owned()];
        inner.extend(command.get_args().map(ToOwned::to_owned));
        let store = scene.store();
        let script =
            "mount --bind \"$1\" \"$1\" && mount -o remount,ro,bind \"$1\" && shift && exec \"$@\"";
        let mut outer = scene.sandbox.command("repo", "unshare");
        outer.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]);
        outer.arg(store).args(inner).output().unwrap()
    };
    let output = run(&mut scene);
    let Ok(said) = serde_json::from_slice::<Value>(&output.stdout) else {
        return crate::fixture::wanting("a mount namespace");
    };
    let (level, text) = one(&said, "writable");
    assert!(level == "problem" && text.contains("Read-only"), "{text}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn hooks_that_would_not_run_and_locks_of_git() {
    let mut scene = scene();
    is(&mut scene, "hooks", "note", "no push asks the gate");
    scene.does("ann", &["hooks", "install"]);
    is(&mut scene, "hooks", "ok", "a push asks the gate");
    is(&mut scene, "protected", "note", "guessed");
    scene.sandbox.git("repo", ["config", "conductor.protect", "main"]);
    is(&mut scene, "protected", "ok", "main");
    let hook = scene.sandbox.join("repo/.git/hooks/pre-push");
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    is(&mut scene, "hooks", "problem", "not executable");

    is(&mut scene, "git locks", "ok", "");
    let lock = scene.sandbox.write("repo/.git/refs/notes/conductor.lock", "");
    is(&mut scene, "git locks", "ok", "");
    backdate(&lock, 100);
    is(&mut scene, "git locks", "warning", "refs/notes/conductor.lock' keeps git out");
    doctor(&mut scene, &["--fix"]);
    assert!(lock.exists(), "another program's lock is not ours to remove");
}

#[test]
fn records_in_git_notes() {
    let mut scene = scene();
    is(&mut scene, "notes", "ok", "no records are kept");
    scene.sandbox.git("repo", ["config", "conductor.notes", "true"]);
    is(&mut scene, "notes", "warning", "amended and rebased commits lose theirs");
    scene.does("ann", &["notes", "setup"]);
    is(&mut scene, "notes", "ok", "refs/notes/conductor");
    scene.sandbox.git("repo", ["config", "conductor.notesRef", "refs/notes/other"]);
    is(&mut scene, "notes", "warning", "refs/notes/other");
    scene.sandbox.git("repo", ["config", "--add", "notes.rewriteRef", "refs/notes/*"]);
    is(&mut scene, "notes", "ok", "refs/notes/other");
    scene.sandbox.git("repo", ["config", "conductor.notesRef", "refs/heads/main"]);
    is(&mut scene, "notes", "problem", "no name below refs/notes/");
}

#[test]
fn the_manual_and_the_completions() {
    let mut scene = scene();
    std::fs::create_dir_all(scene.sandbox.join("tools/bin")).unwrap();
    let program = scene.sandbox.join("tools/bin/git-conductor");
    // Not by the test itself: a process that it starts meanwhile would hold the file open.
    scene.sandbox.command(".", "cp").arg(BINARY).arg(&program).status().unwrap();
    let path = scene.sandbox.var("PATH").unwrap().into_string().unwrap();
    scene.sandbox.set("PATH", format!("{}:{path}", program.parent().unwrap().display()));
    is(&mut scene, "manual", "note", "are missing or out of date");
    scene.does("ann", &["install"]);
    is(&mut scene, "manual", "ok", "in their places");
    // The pages are there, and nothing to show them with.
    let path = scene.sandbox.var("PATH").unwrap();
    let others = std::env::split_paths(&path).filter(|dir| !dir.join("man").exists());
    let tools = scene.sandbox.join("without-man");
    std::fs::create_dir(&tools).unwrap();
    for name in ["git", "sh", "sleep"] {
        let found = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|it| it.exists());
        std::os::unix::fs::symlink(found.unwrap(), tools.join(name)).unwrap();
    }
    let without = std::env::join_paths(others.chain([tools])).unwrap();
    scene.sandbox.set("PATH", without);
    is(&mut scene, "manual", "note", "no 'man' is in PATH");
    let man = scene.sandbox.write("without-man/man", "");
    std::fs::set_permissions(man, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    is(&mut scene, "manual", "ok", "in their places");
    scene.sandbox.set("PATH", path);
    scene.sandbox.write("tools/share/man/man1/git-conductor.1", "somebody's\n");
    is(&mut scene, "manual", "note", "files of others");
}

#[test]
fn outside_of_any_repository() {
    let sandbox = Sandbox::new();
    let output = sandbox.try_git(".", ["conductor", "doctor", "--json"]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &said["code"]), (Some(128), &json!("not_a_repository")));
}

#[test]
fn another_users_repository() {
    let mut scene = scene();
    scene.sandbox.set("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1");
    is(&mut scene, "repository", "problem", "dubious ownership");
}

/// As one that Xcode brings is beside one of Homebrew.
#[test]
fn another_git_in_path() {
    let mut scene = scene();
    let path = scene.sandbox.var("PATH").unwrap().into_string().unwrap();
    let mut others = |more: &Path| {
        scene.sandbox.set("PATH", format!("{path}:{}", more.display()));
        let said = doctor(&mut scene, &[]);
        let checks = said["checks"].as_array().unwrap().iter();
        let note = checks.clone().find(|it| it["check"] == "other git").cloned();
        note.map(|note| (note["level"] == "note", note["says"].to_string())).unwrap_or_default()
    };
    let room = tempfile::tempdir().unwrap();
    let before = others(room.path());
    // The same by another name is no other.
    let git = std::env::split_paths(&path).map(|dir| dir.join("git")).find(|it| it.exists());
    std::os::unix::fs::symlink(git.unwrap(), room.path().join("git")).unwrap();
    assert_eq!(others(room.path()), before);
    // Nobody can run it.
    let room = tempfile::tempdir().unwrap();
    let other = room.path().join("git");
    std::fs::write(&other, "#!/bin/sh\nexit 1\n").unwrap();
    assert_eq!(others(room.path()), before);
    std::fs::set_permissions(&other, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (is_note, says) = others(room.path());
    assert!(is_note && says.contains(other.to_str().unwrap()), "{says}");
}
