//! What is shown of a phase, and whether its evidence is what was recorded.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::fixture::Scene;
use crate::rounds::reviewed;

/// What `verify` finds of `phase`.
fn found(scene: &mut Scene, phase: &str) -> Vec<String> {
    let said = scene.said("lead", &["verify"]);
    let phases = said["phases"].as_array().unwrap();
    let checked = phases.iter().find(|it| it["phase"] == json!(phase)).unwrap();
    let checks = checked["checks"].as_array().unwrap();
    let differs = checks.iter().any(|check| check["differs"] == true);
    assert_eq!(checked["ok"], json!(!differs), "{said}");
    let all_ok = phases.iter().all(|it| it["ok"] == true);
    assert_eq!(said["ok"], json!(all_ok));
    let exit = scene.asks("lead", "repo", &["verify"]).status.code();
    assert_eq!(exit, Some(i32::from(!all_ok)));
    checks.iter().map(|check| check["what"].as_str().unwrap().to_owned()).collect()
}

/// Changes the record of a completion.
fn edit_done(scene: &Scene, phase: &str, change: impl Fn(&mut Value)) {
    let path = scene.sprint_dir().join(phase).join("done");
    let mut done: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut done);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(path, done.to_string()).unwrap();
}

/// One phase `build` with the artifact `content`.
fn handed_over(content: &[u8]) -> Scene {
    let mut scene = Scene::new();
    scene.sprint("build");
    scene.sandbox.write("repo/out", content);
    scene.does("ann", &["claim", "build"]);
    scene.does("ann", &["complete", "build", "--artifact", "out"]);
    scene
}

fn pin(scene: &Scene, phase: &str) -> std::path::PathBuf {
    let entries = std::fs::read_dir(scene.sprint_dir().join(phase)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.into_iter().find(|path| path.to_str().unwrap().contains("/pin.")).unwrap()
}

fn tamper(path: &Path, content: &[u8]) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(path, content).unwrap();
}

#[test]
fn an_artifact_comes_back_byte_for_byte() {
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let mut scene = handed_over(&bytes);
    let output = scene.asks("bob", "repo", &["show", "build", "--artifact"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{:?}", output.stderr);
    assert_eq!(output.stdout, bytes);
    // It is too long, and no text, to be shown with the facts.
    let said = scene.said("bob", &["show", "build"]);
    assert_eq!((&said["pin"], &said["content"]), (&json!("same"), &Value::Null));
    // The sprint may have ended, and the original be gone.
    let id = said["sprint_id"].as_str().unwrap().to_owned();
    scene.does("lead", &["archive"]);
    std::fs::remove_file(scene.sandbox.join("repo/out")).unwrap();
    for name in [&id[..], &id[13..]] {
        let args = ["show", "build", "--artifact", "--sprint", name];
        assert_eq!(scene.asks("bob", "repo", &args).stdout, bytes);
    }
    let said = scene.said("bob", &["show", "build", "--sprint", &id]);
    assert_eq!(said["original"], "gone");
    assert_eq!(std::fs::read(said["pin_path"].as_str().unwrap()).unwrap(), bytes);
    assert_eq!(scene.said("bob", &["show", "build"])["code"], "no_sprint");
    for name in ["", "..", &id[..12], "20201122-091502"] {
        let refused = scene.said("bob", &["show", "build", "--sprint", name]);
        assert_eq!(refused["code"], "unknown_sprint", "{name}");
    }
}

/// What is longer than there is memory for: it is never held as a whole.
#[test]
fn an_artifact_is_printed_piece_by_piece() {
    let line = "a\u{e9}\u{20ac}\u{1f600}\u{202e}\u{1b} \"quoted\"\n";
    let text = line.repeat((16 << 20) / line.len());
    let mut scene = handed_over(text.as_bytes());
    let mut printed = |more: &str| {
        let command = scene.command("bob", "repo", &["show", "build", "--artifact"]);
        let mut limited = scene.sandbox.command("repo", "sh");
        limited.args(["-c", "ulimit -v 22000; exec \"$@\"", "sh", crate::process_driver::BINARY]);
        // `git conductor` is two words of it.
        limited.args(command.get_args().skip(1)).args((!more.is_empty()).then_some(more));
        limited.output().unwrap()
    };
    let raw = printed("");
    assert!(raw.status.success() && raw.stdout == text.as_bytes(), "{:?}", raw.stderr);
    let said = printed("--json");
    assert!(said.status.success(), "{:?}", said.stderr);
    let parsed: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert!(parsed["content"] == text.as_str(), "it is the same text");
    assert_eq!((&parsed["v"], &parsed["size"]), (&json!(1), &json!(text.len())));
    assert!(!String::from_utf8(said.stdout).unwrap().contains('\u{202e}'));
}

/// The form of it in JSON is what it was.
#[test]
fn an_artifact_in_json() {
    for (bytes, content) in [
        (&b""[..], json!("")),
        (b"one\ttwo\r\n\x00", json!("one\ttwo\r\n\0")),
        (b"cut \xf0\x9f\x98", Value::Null),
        (b"\xff", Value::Null),
    ] {
        let mut scene = handed_over(bytes);
        let output = scene.asks("bob", "repo", &["show", "build", "--artifact", "--json"]);
        let wanted = json!({"v": 1, "ok": true, "size": bytes.len(), "content": content});
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{wanted}\n"));
    }
}

#[test]
fn nothing_is_shown_of_what_was_changed() {
    let mut scene = handed_over(b"as it was\n");
    let file = pin(&scene, "build");
    // Of the same size, and of another.
    for content in [&b"as it is!\n"[..], b"", b"as it was, and more\n"] {
        tamper(&file, content);
        let output = scene.asks("bob", "repo", &["show", "build", "--artifact"]);
        assert_eq!((output.status.code(), &output.stdout[..]), (Some(1), &b""[..]));
        let refused = scene.said("bob", &["show", "build", "--artifact"]);
        assert_eq!(refused["code"], "pin_changed");
        let said = scene.said("bob", &["show", "build"]);
        assert_eq!((&said["pin"], &said["content"]), (&json!("changed"), &Value::Null));
        assert_eq!(said["pin_path"], Value::Null);
        assert_eq!(found(&mut scene, "build"), ["pin_changed"]);
    }
    std::fs::remove_file(&file).unwrap();
    assert_eq!(scene.said("bob", &["show", "build", "--artifact"])["code"], "pin_gone");
    assert_eq!(found(&mut scene, "build"), ["pin_gone"]);
    // A link to the original, which is as it was, is not followed.
    std::os::unix::fs::symlink(scene.sandbox.join("repo/out"), &file).unwrap();
    assert_eq!(scene.said("bob", &["show", "build", "--artifact"])["code"], "pin_changed");
    assert_eq!(found(&mut scene, "build"), ["pin_changed"]);
}

#[test]
fn nothing_foreign_is_shown_raw() {
    let nasty = "a\u{1b}[31mred\tnext\r\n\u{202e}end";
    let mut scene = handed_over(nasty.as_bytes());
    edit_done(&scene, "build", |done| {
        for field in ["agent", "branch", "artifact", "worktree"] {
            done[field] = json!("x\u{1b}]0;y\u{7}\n");
        }
    });
    for args in [&["show", "build"][..], &["verify"]] {
        let output = scene.asks("bob", "repo", args);
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        let bad = |c: char| (c.is_control() && !matches!(c, '\n' | '\t')) || c == '\u{202e}';
        assert!(!text.contains(bad), "{text:?}");
        assert!(text.contains("\\u{1b}"), "{text:?}");
    }
    assert_eq!(scene.said("bob", &["show", "build"])["content"], json!(nasty));
    let raw = scene.asks("bob", "repo", &["show", "build", "--artifact"]);
    assert_eq!(raw.stdout, nasty.as_bytes());
}

#[test]
fn a_phase_is_shown_in_every_state() {
    let mut scene = reviewed();
    scene.does("lead", &["start", "--from", "review"]);
    scene.does("bob", &["claim", "review"]);
    let build = scene.said("bob", &["show", "build"]);
    assert_eq!((&build["state"], &build["verdict"]), (&json!("done"), &json!("pass")));
    assert_eq!(build["content"], "what build came to\n");
    assert_eq!(build["depends_on"], json!([{"phase": "think", "state": "done"}]));
    assert_eq!(
        build["needed_by"],
        json!([{"phase": "review", "state": "claimed"}, {"phase": "ship", "state": "pending"}])
    );
    let review = scene.said("ann", &["show", "review"]);
    assert_eq!((&review["agent"], &review["alive"]), (&json!("bob"), &json!("yes")));
    assert_eq!((&review["not_by"], &review["max_attempts"]), (&json!(["build"]), &json!(3)));
    assert_eq!(scene.said("bob", &["show", "review"])["yours"], true);
    let ship = scene.said("bob", &["show", "ship"]);
    assert_eq!((&ship["state"], &ship["ready"]), (&json!("pending"), &json!(false)));
    assert_eq!(scene.said("bob", &["show", "ship", "--artifact"])["code"], "no_artifact");
    assert_eq!(scene.said("bob", &["show", "nothing"])["code"], "unknown_phase");
    scene.sandbox.write("repo/build.md", "another\n");
    assert_eq!(scene.said("bob", &["show", "build"])["original"], "changed");
}

#[test]
fn what_differs_is_found() {
    let mut scene = reviewed();
    assert!(found(&mut scene, "build").is_empty());
    // A change of the original is told, and is no fault.
    scene.sandbox.write("repo/build.md", "another\n");
    assert_eq!(found(&mut scene, "build"), ["original_changed"]);
    std::fs::remove_file(scene.sandbox.join("repo/build.md")).unwrap();
    assert_eq!(found(&mut scene, "build"), ["original_gone"]);
    scene.sandbox.write("repo/build.md", "what build came to\n");

    let done = scene.sprint_dir().join("build/done");
    let whole = std::fs::read(&done).unwrap();
    let commit = scene.sandbox.git_says("repo", ["rev-parse", "HEAD"]);
    let changes: &[(&str, Value, &str)] = &[
        ("commit", json!("HEAD"), "commit_bad"),
        ("commit", json!("0".repeat(40)), "commit_gone"),
        ("tree", json!(commit), "tree_differs"),
        ("completed_at", json!("2020-01-01T00:00:00Z"), "dependency_later"),
        ("artifact_sha256", json!("../../x"), "pin_changed"),
    ];
    for (field, value, wanted) in changes {
        edit_done(&scene, "build", |done| done[*field] = value.clone());
        let mut found = found(&mut scene, "build");
        found.retain(|what| what != "original_changed");
        assert_eq!(found, [*wanted], "{field}");
        std::fs::write(&done, &whole).unwrap();
    }
    std::fs::write(&done, "").unwrap();
    assert_eq!(found(&mut scene, "build"), ["record_unreadable"]);
    std::fs::write(&done, &whole).unwrap();
    std::fs::rename(scene.sprint_dir().join("think/done"), scene.sandbox.join("aside")).unwrap();
    assert_eq!(found(&mut scene, "build"), ["dependency_not_done"]);
}

#[test]
fn records_in_git_are_compared() {
    let mut scene = handed_over(b"as it was\n");
    scene.does("lead", &["notes", "sync"]);
    assert!(found(&mut scene, "build").is_empty());
    edit_done(&scene, "build", |done| done["verdict"] = json!("fail"));
    assert_eq!(found(&mut scene, "build"), ["note_differs"]);
    edit_done(&scene, "build", |done| done["verdict"] = json!("pass"));
    // A record that says the artifact is kept in an object that is something else.
    let reference = "refs/notes/conductor";
    let line = scene.sandbox.git_says("repo", ["notes", "--ref", reference, "show", "HEAD"]);
    let mut note: Value = serde_json::from_str(&line).unwrap();
    let file = scene.sandbox.git_says("repo", ["rev-parse", "HEAD:file"]);
    note["artifact"]["oid"] = json!(file);
    let text = note.to_string();
    scene.sandbox.git("repo", ["notes", "--ref", reference, "add", "-f", "-m", &text, "HEAD"]);
    assert_eq!(found(&mut scene, "build"), ["kept_differs"]);
    note["artifact"]["oid"] = json!("1".repeat(40));
    let text = note.to_string();
    scene.sandbox.git("repo", ["notes", "--ref", reference, "add", "-f", "-m", &text, "HEAD"]);
    assert_eq!(found(&mut scene, "build"), ["not_kept"]);
    // Without a record it is worth knowing, or a fault where there should be one.
    scene.sandbox.git("repo", ["notes", "--ref", reference, "remove", "HEAD"]);
    assert_eq!(found(&mut scene, "build"), ["no_note"]);
    scene.sandbox.git("repo", ["config", "conductor.notes", "true"]);
    assert_eq!(found(&mut scene, "build"), ["note_missing"]);
    scene.sandbox.git("repo", ["config", "conductor.notes", "false"]);
    scene.sandbox.git("repo", ["update-ref", "-d", reference]);
    assert!(found(&mut scene, "build").is_empty());
}

#[test]
fn what_was_carried_is_compared_with_where_it_was_done() {
    let mut scene = reviewed();
    scene.does("lead", &["start", "--from", "review"]);
    assert!(found(&mut scene, "build").is_empty());
    edit_done(&scene, "build", |done| done["agent"] = json!("somebody"));
    assert_eq!(found(&mut scene, "build"), ["origin_differs"]);
    let all = scene.said("lead", &["verify", "--all"]);
    assert_eq!((&all["ok"], &all["sprints"][1]["ok"]), (&json!(false), &json!(true)), "{all}");
    assert_eq!(all["sprints"].as_array().unwrap().len(), 2);
    let old = all["sprints"][1]["sprint_id"].as_str().unwrap().to_owned();
    assert_eq!(scene.said("lead", &["verify", "--sprint", &old])["ok"], true);
    scene.does("lead", &["clean", "--older-than", "0s"]);
    assert_eq!(found(&mut scene, "build"), ["origin_gone"]);
}
