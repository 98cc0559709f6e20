//! Commands in a directory that was removed, that cannot be looked into, or whose repository is
//! gone: each says so and what to do, and the hooks of agents stay out of the way.

use std::process::Output;

use serde_json::Value;

use crate::fixture::{Scene, wanting};
use crate::process_driver::BINARY;

/// All that need to know where they are; `doctor` looks on.
const COMMANDS: &[&[&str]] = &[
    &["status"],
    &["status", "--watch"],
    &["start"],
    &["claim", "a"],
    &["claim", "a", "--wait", "--timeout", "1s"],
    &["complete", "a"],
    &["abort"],
    &["next", "--claim"],
    &["wait", "a", "--timeout", "1s"],
    &["run", "a", "--", "true"],
    &["unstuck", "a"],
    &["guard"],
    &["guard", "--notes"],
    &["prime"],
    &["show", "a"],
    &["verify"],
    &["graph"],
    &["log"],
    &["report"],
    &["batch"],
    &["notes"],
    &["salvage"],
    &["hooks", "status"],
    &["archive"],
    &["clean"],
];

/// Runs the program where `script` leads from the repository.
fn there(scene: &Scene, script: &str, args: &[&str]) -> Output {
    let line = format!("{script}; exec \"$@\"");
    let mut command = scene.sandbox.command("repo", "sh");
    command.args(["-c", &line, "sh", BINARY]).args(args).env("GIT_CONDUCTOR_AGENT", "ann");
    command.output().unwrap()
}

const REMOVED: &str = "mkdir -p ../gone && cd ../gone && rmdir ../gone";

#[track_caller]
fn err(output: Output) -> String {
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_directory_that_was_removed_is_said_to_be_gone() {
    let mut scene = Scene::new();
    scene.sprint("a:");
    let wanted = format!(
        "error: the current directory '{}' is gone: it was removed",
        scene.sandbox.join("gone").display()
    );
    for args in COMMANDS {
        let output = there(&scene, REMOVED, args);
        let exit = if args[0] == "run" { 125 } else { 128 };
        assert_eq!(output.status.code(), Some(exit), "{args:?}");
        let said = err(output);
        assert!(said.starts_with(&wanted), "{args:?}: {said}");
        assert!(said.contains("\nhint: 'cd' to the repository"), "{args:?}: {said}");
        assert!(said.contains("git -C DIR conductor"), "{args:?}: {said}");
        let output = there(&scene, REMOVED, &[args, &["--json"][..]].concat());
        if args[0] != "run" {
            let json: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!((&json["ok"], &json["code"]), (&false.into(), &"io".into()), "{json}");
            assert_eq!(json["retry"], "after_change");
            assert!(json["hints"][0].as_str().unwrap().contains("git -C DIR conductor"), "{json}");
        }
    }
    let doctor = there(&scene, REMOVED, &["doctor"]);
    assert_eq!(doctor.status.code(), Some(1));
    let text = String::from_utf8(doctor.stdout).unwrap();
    assert!(text.contains("is gone: it was removed") && text.contains("git -C DIR"), "{text}");
}

#[test]
fn what_is_asked_of_another_directory_works_from_there() {
    let mut scene = Scene::new();
    scene.sprint("a:");
    let repo = scene.sandbox.join("repo");
    let line = format!("{REMOVED}; exec git -C '{}' conductor status --json", repo.display());
    let output = scene.sandbox.command("repo", "sh").args(["-c", &line]).output().unwrap();
    let board: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(board["phases"]["a"]["ready"], true);
}

#[test]
fn hooks_of_agents_stay_out_of_the_way() {
    let mut scene = Scene::new();
    scene.sprint("a:");
    for args in [
        &["prime", "--hook"][..],
        &["prime", "--stop"],
        &["prime", "--hook", "--for", "claude"],
        &["prime", "--stop", "--for", "codex"],
        &["prime", "--hook=subagent-start", "--for", "claude"],
        &["prime", "--hook=subagent-stop", "--for", "claude"],
        &["prime", "--hook=command", "--for", "claude"],
        &["prime", "--hook=edit", "--for", "claude"],
    ] {
        let output = there(&scene, REMOVED, args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", err(output));
        assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{args:?}");
    }
    // Which directory the agent is in may be told.
    let input = format!(r#"{{"cwd": "{}"}}"#, scene.sandbox.join("repo").display());
    let script = format!("{REMOVED}; echo '{input}' >../input; exec <../input");
    let output = there(&scene, &script, &["prime", "--hook", "--for", "claude"]);
    assert!(String::from_utf8(output.stdout).unwrap().contains("open to you: 'a'"));
}

#[test]
fn a_push_from_there_is_not_let_through() {
    let mut scene = Scene::new();
    scene.does("lead", &["start", "--phases", "ship:"]);
    let id = scene.sandbox.git_says("repo", ["rev-parse", "HEAD"]);
    let line = format!("refs/heads/main {id} refs/heads/main {}", "0".repeat(40));
    let script = format!("echo '{line}' >../input; {REMOVED}; exec <../input");
    let output = there(&scene, &script, &["guard", "--pre-push", "origin", "../elsewhere"]);
    assert_eq!(output.status.code(), Some(128));
    assert!(err(output).contains("is gone: it was removed"));
}

#[test]
fn a_directory_that_cannot_be_looked_into_is_not_taken_for_no_repository() {
    let mut scene = Scene::new();
    scene.sprint("a:");
    let program = if rustix::process::geteuid().is_root() {
        if scene.sandbox.command(".", "setpriv").arg("--version").output().is_err() {
            return wanting("setpriv");
        }
        "set -- setpriv --reuid 61234 --regid 61234 --clear-groups \"$@\""
    } else {
        ":"
    };
    let script = format!("mkdir sub && cd sub && chmod 0 ../../repo && {program}");
    let output = there(&scene, &script, &["status"]);
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(scene.sandbox.join("repo"), open).unwrap();
    assert_eq!(output.status.code(), Some(128));
    let said = err(output);
    assert!(said.starts_with("error: cannot look into the current directory '"), "{said}");
    assert!(said.contains("ermission denied") && said.contains("git -C DIR conductor"), "{said}");
}

#[test]
fn a_worktree_whose_repository_is_gone_says_what_points_there() {
    let mut scene = Scene::new();
    scene.sprint("a:");
    scene.worktree("side");
    std::fs::remove_dir_all(scene.sandbox.join("repo/.git/worktrees/side")).unwrap();
    let place = |name: &str| scene.sandbox.join(name).display().to_string();
    let (target, gitfile) = (place("repo/.git/worktrees/side"), place("side/.git"));
    let output = there(&scene, "cd ../side", &["claim", "a", "--json"]);
    assert_eq!(output.status.code(), Some(128));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["code"], "not_a_repository");
    let text = json["error"].as_str().unwrap();
    assert_eq!(text, format!("not a git repository: '{target}', to which '{gitfile}' points"));
    assert!(json["hints"][1].as_str().unwrap().contains("'git worktree repair'"), "{json}");
}
