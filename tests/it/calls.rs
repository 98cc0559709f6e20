//! A harness that gives each command a session of its own, and what it runs there: scripts, build
//! tools, git and its hooks. None of them is the agent.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};

use crate::fake::answers;
use crate::fixture::{Scene, wanting};

fn executable(scene: &Scene, name: &str, text: &str) {
    let path = scene.sandbox.write(name, text);
    fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

fn has(program: &str) -> bool {
    let has = Command::new(program).arg("--version").output().is_ok();
    if !has {
        wanting(program);
    }
    has
}

/// A repository whose gate guards pushes, with hooks that ask who they are asked by.
fn guarded() -> Scene {
    let mut scene = Scene::new();
    scene.sandbox.set("USER", "alice");
    scene.sandbox.git(".", ["init", "-q", "--bare", "remote.git"]);
    scene.sandbox.git("repo", ["remote", "add", "origin", "../remote.git"]);
    scene.sandbox.git("repo", ["push", "-q", "origin", "main"]);
    scene.sprint("a:,ship:");
    scene.sandbox.git("repo", ["conductor", "hooks", "install"]);
    scene
}

/// Ways in which a harness gives a command, `$1`, a session of its own.
const HARNESSES: &[(&str, &str, &str)] = &[
    ("harness.sh", "bash", "while read -r line; do setsid -w sh -c \"$line\" </dev/null; done\n"),
    ("direct.sh", "bash", "while read -r line; do setsid -w $line </dev/null; done\n"),
    (
        "harness.py",
        "python3",
        "import subprocess, sys\nfor line in sys.stdin:\n    \
         subprocess.run(line, shell=True, start_new_session=True, stdin=subprocess.DEVNULL)\n",
    ),
    (
        "list.py",
        "python3",
        "import subprocess, sys\nfor line in sys.stdin:\n    \
         subprocess.run(line.split(), start_new_session=True, stdin=subprocess.DEVNULL)\n",
    ),
];

/// What the harness runs: each says what `git conductor` says as JSON.
fn lines(scene: &Scene) -> Vec<&'static str> {
    let say = "git conductor status --json";
    executable(scene, "repo/d.sh", &format!("#!/bin/sh\n{say}\n:\n"));
    executable(
        scene,
        "repo/d.py",
        &format!("#!/usr/bin/env python3\nimport os\nos.system('{say}')\n"),
    );
    scene
        .sandbox
        .write("repo/Makefile", format!("all:\n\t@{say}; true\nscript:\n\t@./d.sh; true\n"));
    scene.sandbox.write("repo/package.json", format!(r#"{{"scripts":{{"say":"{say}; true"}}}}"#));
    for (name, text) in [
        ("pre-commit", format!("#!/bin/sh\n{say}\n:\n")),
        ("post-commit", format!("#!/usr/bin/env python3\nimport os\nos.system('{say}')\n")),
        ("prepare-commit-msg", "#!/bin/sh\nsh .git/hooks/inner.sh\n:\n".to_owned()),
        ("inner.sh", format!("{say}\n:\n")),
    ] {
        executable(scene, &format!("repo/.git/hooks/{name}"), &text);
    }
    let mut lines = vec![
        "git conductor status --json",
        "sh ./d.sh",
        "./d.sh",
        "bash d.sh",
        "git -c alias.say=!./d.sh say",
        "git commit -q --allow-empty -m x",
    ];
    if has("python3") {
        lines.extend(["python3 d.py", "./d.py"]);
    }
    if has("make") {
        lines.extend(["make -s", "make -s script"]);
    }
    if has("npm") {
        lines.push("npm run --silent say");
    }
    lines
}

#[test]
fn whatever_a_call_runs_the_agent_is_the_same() {
    let scene = guarded();
    let lines = lines(&scene);
    for (name, program, text) in HARNESSES {
        if !has(program) {
            continue;
        }
        let file = scene.sandbox.write(name, text);
        let input = scene.sandbox.write("input", lines.join("\n") + "\n");
        let mut harness = scene.sandbox.command("repo", program);
        harness.arg(file).stdin(fs::File::open(input).unwrap());
        let output = harness.output().unwrap();
        // The hooks of a commit say it three times, and git gives what they say to stderr.
        let mut said = answers(&output.stdout);
        let hooks = answers(&output.stderr);
        assert_eq!(said.len() + hooks.len(), lines.len() + 2, "{name}: {output:?}");
        said.extend(hooks);
        let agents: Vec<&Value> = said.iter().map(|said| &said["you"]["agent"]).collect();
        assert!(agents.iter().all(|agent| *agent == agents[0]), "{name}: {agents:#?}");
        assert!(!agents[0].as_str().unwrap().contains('@'), "{agents:?}");
    }
}

/// The same where the harness is a program: each call is a shell of its own, which waits for what
/// it runs.
#[test]
fn whatever_a_program_runs_the_agent_is_the_same() {
    let scene = guarded();
    let mut agents = std::collections::BTreeSet::new();
    for line in lines(&scene) {
        let mut call = scene.sandbox.command("repo", "setsid");
        let output = call.args(["-w", "sh", "-c", &format!("{line}; true")]).output().unwrap();
        let said = [answers(&output.stdout), answers(&output.stderr)].concat();
        assert!(!said.is_empty(), "{line}: {output:?}");
        agents.extend(said.iter().map(|said| (said["you"]["agent"].to_string(), line)));
    }
    let names: std::collections::BTreeSet<&String> = agents.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), 1, "{agents:#?}");
}

#[test]
fn what_one_call_claims_another_pushes() {
    for (name, program, text) in HARNESSES {
        if !has(program) {
            continue;
        }
        let scene = guarded();
        executable(&scene, "repo/push.sh", "#!/bin/sh\ngit push origin main\n:\n");
        executable(
            &scene,
            "repo/push.py",
            "#!/usr/bin/env python3\nimport subprocess\nsubprocess.run(['git','push','origin','main'])\n",
        );
        scene.sandbox.write("repo/Makefile", "push:\n\t@git push -q origin main; true\n");
        let file = scene.sandbox.write(name, text);
        let mut lines = vec!["git conductor claim ship --json", "git conductor guard --json"];
        let mut pushes = 0;
        let ways: &[&str] = if has("make") {
            &["git push -q origin main", "./push.sh", "python3 push.py", "make push"]
        } else {
            &["git push -q origin main", "./push.sh", "python3 push.py"]
        };
        for way in ways {
            lines.extend([
                "git commit -q --allow-empty -m more",
                way,
                "git rev-parse main origin/main",
            ]);
            pushes += 1;
        }
        let input = scene.sandbox.write("input", lines.join("\n") + "\n");
        let mut harness = scene.sandbox.command("repo", program);
        harness.arg(file).stdin(fs::File::open(input).unwrap());
        let output = harness.output().unwrap();
        let said = answers(&output.stdout);
        assert!(
            said.len() == 2 && said.iter().all(|said| said["ok"] == true),
            "{name}: {output:?}"
        );
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let ids: Vec<&str> = text.lines().filter(|line| line.len() == 40).collect();
        assert_eq!(ids.len(), 2 * pushes, "{name}: {output:?}");
        assert!(ids.chunks(2).all(|pair| pair[0] == pair[1]), "{name}: not pushed: {output:?}");
    }
}

/// Two scripts that run at once are two workers, although one harness runs both.
#[test]
fn scripts_at_once_do_not_share_a_claim() {
    let scene = guarded();
    executable(
        &scene,
        "repo/worker.sh",
        "#!/bin/sh\ngit conductor claim a --json >../$1.said\necho >../$1.go\nread -r _ <../$1.wait\n\
         git conductor complete a --json >../$1.done\n:\n",
    );
    for fifo in ["one.go", "one.wait", "two.go", "two.wait"] {
        let made = Command::new("mkfifo").arg(scene.sandbox.join(fifo)).status();
        assert!(made.unwrap().success());
    }
    let harness = scene.sandbox.write(
        "both.sh",
        "setsid ./worker.sh one &\nread -r _ <../one.go\nsetsid ./worker.sh two &\nread -r _ <../two.go\n\
         echo >../two.wait\nwait %2\necho >../one.wait\nwait %1\nsetsid -w git conductor status --json\n",
    );
    let output = scene.sandbox.command("repo", "bash").arg(harness).output().unwrap();
    let said = |name: &str| -> Value {
        answers(&fs::read(scene.sandbox.join(name)).unwrap()).pop().unwrap()
    };
    assert_eq!(said("one.said")["ok"], true, "{output:?}");
    assert_eq!(said("two.said")["code"], "claimed", "{}", said("two.said"));
    assert_eq!(said("two.done")["code"], "not_owner", "{}", said("two.done"));
    assert_eq!(said("one.done")["ok"], true, "{}", said("one.done"));
    let harness = answers(&output.stdout).pop().unwrap();
    assert_eq!(harness["you"]["agent"], said("one.said")["agent"]);
}

#[test]
fn a_refusal_says_who_one_is_taken_for() {
    let mut scene = guarded();
    scene.does("owner", &["claim", "ship"]);
    let pid = scene.pid("me");
    let refused = scene.said("me", &["complete", "ship"]);
    assert_eq!((&refused["you"], &refused["your_pid"]), (&json!("me"), &json!(pid)), "{refused}");
    let wanted = format!("you are 'me', process {pid}: ");
    assert!(refused["hints"][0].as_str().unwrap().starts_with(&wanted), "{refused}");
    let shut = scene.said("me", &["guard"]);
    assert_eq!(shut["your_pid"], json!(pid), "{shut}");
    assert!(shut["hints"][0].as_str().unwrap().starts_with(&wanted), "{shut}");
}
