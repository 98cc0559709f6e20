//! `hooks`: installed, shown and removed, beside whatever is there already.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::fixture::Scene;
use crate::sandbox::Sandbox;

const HOOK: &str = "repo/.git/hooks/pre-push";

/// A repository with a bare remote, and an unclaimed `ship` to guard `main`.
fn scene() -> Scene {
    let mut scene = Scene::new();
    scene.sandbox.git(".", ["init", "-q", "--bare", "remote.git"]);
    scene.sandbox.git("repo", ["remote", "add", "origin", "../remote.git"]);
    scene.sprint("build,ship");
    scene
}

/// An executable file.
fn script(sandbox: &Sandbox, name: &str, text: &str, mode: u32) {
    let path = sandbox.write(name, text);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn hooks(scene: &mut Scene, action: &str) -> Value {
    scene.said("ann", &["hooks", action])
}

fn push(scene: &Scene, args: &[&str]) -> Output {
    scene.sandbox.try_git("repo", ["push"].iter().chain(args))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Whether a push to `main` is refused by the gate.
#[track_caller]
fn guarded(scene: &Scene) -> bool {
    let output = push(scene, &["--dry-run", "origin", "main"]);
    let refused = said(&output).contains("nothing is pushed to 'refs/heads/main'");
    assert_eq!(refused, !output.status.success(), "{}", said(&output));
    refused
}

fn text(sandbox: &Sandbox, name: &str) -> Option<String> {
    std::fs::read_to_string(sandbox.join(name)).ok()
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

#[test]
fn installed_shown_and_gone_again() {
    let mut scene = scene();
    let before = scene.sandbox.git_says("repo", ["config", "--list", "--local"]);
    assert_eq!(hooks(&mut scene, "status")["installed"], json!(null));
    let said = hooks(&mut scene, "install");
    assert_eq!((&said["installed"], &said["changed"]), (&json!("file"), &json!(true)));
    assert_eq!((&said["runs"], &said["guessed"]), (&json!(true), &json!(true)));
    assert_eq!(mode(&scene.sandbox.join(HOOK)) & 0o111, 0o111);
    assert!(guarded(&scene));
    let installed = text(&scene.sandbox, HOOK);
    assert_eq!(hooks(&mut scene, "install")["changed"], json!(false));
    assert_eq!(text(&scene.sandbox, HOOK), installed);
    assert!(!installed.unwrap().contains(&scene.sandbox.path().display().to_string()));

    // Whether git would really run it.
    std::fs::set_permissions(scene.sandbox.join(HOOK), std::fs::Permissions::from_mode(0o644))
        .unwrap();
    assert_eq!(hooks(&mut scene, "status")["runs"], json!(false));
    std::fs::set_permissions(scene.sandbox.join(HOOK), std::fs::Permissions::from_mode(0o755))
        .unwrap();
    std::fs::create_dir(scene.sandbox.join("elsewhere")).unwrap();
    scene.sandbox.git(".", ["config", "--global", "core.hooksPath", "~/elsewhere"]);
    assert_eq!(hooks(&mut scene, "status")["installed"], json!(null));
    // It is found where it was put, all the same.
    assert_eq!(hooks(&mut scene, "uninstall")["changed"], json!(true));
    scene.sandbox.git(".", ["config", "--global", "--unset", "core.hooksPath"]);
    assert_eq!(text(&scene.sandbox, HOOK), None);
    assert_eq!(hooks(&mut scene, "uninstall")["changed"], json!(false));
    assert!(!guarded(&scene));
    assert_eq!(scene.sandbox.git_says("repo", ["config", "--list", "--local"]), before);
}

/// The hook that was there gets what git gives it, and its exit code counts.
#[test]
fn beside_another_hook() {
    const WORK: &str =
        "printf '%s\\n' \"$0\" \"$@\" >\"$HOME/args\"\ncat >\"$HOME/refs\"\nexit 3\n";
    for first in
        ["#!/bin/sh\n", "#!/bin/sh -eu\n", "#!/usr/bin/env bash\n", "#! /bin/bash -e\n", ""]
    {
        let mut scene = scene();
        let old = format!("{first}{WORK}");
        script(&scene.sandbox, HOOK, &old, 0o755);
        let run = |scene: &Scene, args: &[&str]| {
            let output = push(scene, &[&["origin"], args].concat());
            let seen = ["home/args", "home/refs"].map(|file| text(&scene.sandbox, file));
            for file in ["home/args", "home/refs"] {
                std::fs::remove_file(scene.sandbox.join(file)).ok();
            }
            (output.status.code(), seen)
        };
        let pushes: &[&[&str]] = &[&["HEAD:a"], &["HEAD:a", "HEAD:b"], &["--dry-run", ":main"]];
        let alone: Vec<_> = pushes[..2].iter().map(|args| run(&scene, args)).collect();
        assert!(alone.iter().all(|(exit, seen)| *exit == Some(1) && seen[1].is_some()));
        hooks(&mut scene, "install");
        let both: Vec<_> = pushes[..2].iter().map(|args| run(&scene, args)).collect();
        assert_eq!(alone, both, "{first}");
        // What the gate refuses does not come so far.
        assert_eq!(run(&scene, &["HEAD:main"]).1, [None, None], "{first}");
        hooks(&mut scene, "install");
        hooks(&mut scene, "uninstall");
        assert_eq!(text(&scene.sandbox, HOOK).unwrap(), old);
        assert_eq!(mode(&scene.sandbox.join(HOOK)), 0o755);
    }
}

#[test]
fn with_nothing_and_with_much_to_push() {
    let mut scene = scene();
    script(&scene.sandbox, HOOK, "#!/bin/sh\nwc -c >\"$HOME/count\"\n", 0o755);
    hooks(&mut scene, "install");
    let head = scene.sandbox.git_says("repo", ["rev-parse", "HEAD"]);
    let count = |scene: &Scene| text(&scene.sandbox, "home/count").unwrap().trim().to_owned();
    // More than a pipe holds.
    let refs = (0..3000)
        .map(|n| format!("update refs/heads/many/{n:04} {head}"))
        .collect::<Vec<_>>()
        .join("\n")
        + "\n";
    let list = scene.sandbox.write("list", refs);
    let mut update = scene.sandbox.command("repo", "git");
    let status = update.args(["update-ref", "--stdin"]).stdin(std::fs::File::open(list).unwrap());
    assert!(status.status().unwrap().success());
    let many = &["-q", "origin", "refs/heads/many/*:refs/heads/many/*"];
    let output = push(&scene, many);
    assert!(output.status.success(), "{}", said(&output));
    let line = "refs/heads/many/0000".len() * 2 + head.len() * 2 + 4;
    assert_eq!(count(&scene), (3000 * line).to_string());
    assert!(push(&scene, many).status.success(), "up to date");
    assert_eq!(count(&scene), "0");
}

#[test]
fn from_a_linked_worktree() {
    let mut scene = scene();
    scene.worktree("wt");
    scene.does_in("wt", "ann", &["hooks", "install"]);
    assert!(text(&scene.sandbox, HOOK).is_some());
    assert!(guarded(&scene));
    scene.does_in("wt", "ann", &["hooks", "uninstall"]);
    assert_eq!(text(&scene.sandbox, HOOK), None);
}

/// A file in a worktree, a link, what is no shell's and what git does not run are left alone.
#[test]
fn what_is_not_ours_to_edit() {
    let sh = "#!/bin/sh\nexit 0\n";
    let call = "call_lefthook()\n{\n:\n}\ncall_lefthook run \"pre-push\" \"$@\"\n";
    let python = "#!/usr/bin/env python3\nimport sys\n";
    let framework = "#!/usr/bin/env bash\n# File generated by pre-commit: hook\nexit 0\n";
    for (obstacle, path, text, mode) in [
        ("worktree", Some("tools/hooks"), Some(sh), 0o755),
        ("worktree", Some("tools/hooks"), None, 0),
        ("husky", Some(".husky/_"), Some(sh), 0o755),
        ("lefthook", None, Some(call), 0o755),
        ("pre_commit", None, Some(framework), 0o755),
        ("no_shell", None, Some(python), 0o755),
        ("no_shell", None, Some("\u{7f}ELF\0"), 0o755),
        ("idle", None, Some(sh), 0o644),
    ] {
        let mut scene = scene();
        let dir = path.map_or_else(|| ".git/hooks".to_owned(), str::to_owned);
        std::fs::create_dir_all(scene.sandbox.join("repo").join(&dir)).unwrap();
        if path.is_some() {
            scene.sandbox.git("repo", ["config", "core.hooksPath", &dir]);
        }
        let file = format!("repo/{dir}/pre-push");
        if let Some(text) = text {
            script(&scene.sandbox, &file, text, mode);
        }
        let config = scene.sandbox.git_says("repo", ["config", "--list"]);
        let said = hooks(&mut scene, "install");
        assert_eq!(said["code"], json!("foreign_hooks"), "{obstacle}: {said}");
        assert_eq!(said["obstacle"], json!(obstacle));
        assert!(said["line"].as_str().unwrap().contains("git conductor guard --pre-push"));
        assert_eq!(self::text(&scene.sandbox, &file).as_deref(), text, "{obstacle}");
        assert_eq!(scene.sandbox.git_says("repo", ["config", "--list"]), config);
        assert_eq!(hooks(&mut scene, "uninstall")["changed"], json!(false));
    }
    let mut scene = scene();
    script(&scene.sandbox, "shared", "#!/bin/sh\n", 0o755);
    symlink(scene.sandbox.join("shared"), scene.sandbox.join(HOOK)).unwrap();
    assert_eq!(hooks(&mut scene, "install")["obstacle"], json!("link"));
    assert_eq!(text(&scene.sandbox, "shared").unwrap(), "#!/bin/sh\n");
}

/// The line that is printed does what the block does.
#[test]
fn by_a_line_of_ones_own() {
    let mut scene = scene();
    scene.sandbox.git("repo", ["config", "core.hooksPath", "tools"]);
    std::fs::create_dir(scene.sandbox.join("repo/tools")).unwrap();
    let line = hooks(&mut scene, "install")["line"].as_str().unwrap().to_owned();
    script(&scene.sandbox, "repo/tools/pre-push", &format!("#!/bin/sh\n{line}\n"), 0o755);
    assert!(guarded(&scene));
    let said = hooks(&mut scene, "install");
    assert_eq!((&said["installed"], &said["runs"]), (&json!("line"), &json!(true)));
    assert_eq!(said["changed"], json!(false));
}

/// husky's own file runs the one above it.
#[test]
fn by_a_line_for_husky() {
    let mut scene = scene();
    scene.sandbox.git("repo", ["config", "core.hooksPath", ".husky/_"]);
    let husky = "#!/usr/bin/env sh\nsh \"$(dirname \"$0\")/../pre-push\" \"$@\"\n";
    script(&scene.sandbox, "repo/.husky/_/pre-push", husky, 0o755);
    let line = hooks(&mut scene, "install")["line"].as_str().unwrap().to_owned();
    scene.sandbox.write("repo/.husky/pre-push", format!("{line}\n"));
    assert!(guarded(&scene));
    assert_eq!(hooks(&mut scene, "status")["installed"], json!("line"));
    assert_eq!(hooks(&mut scene, "install")["changed"], json!(false));
}

/// Outside of any worktree it is git's word where hooks are.
#[test]
fn where_git_says_hooks_are() {
    let mut scene = scene();
    let dir = scene.sandbox.join("hooks of mine");
    scene.sandbox.git("repo", ["config", "core.hooksPath", dir.to_str().unwrap()]);
    assert_eq!(hooks(&mut scene, "install")["runs"], json!(true));
    assert_eq!(text(&scene.sandbox, HOOK), None);
    assert!(guarded(&scene));
    assert_eq!(hooks(&mut scene, "uninstall")["changed"], json!(true));
    assert!(!dir.join("pre-push").exists());
}

/// `PATH` without the program.
fn minimal_path(scene: &mut Scene) {
    let path = scene.sandbox.var("PATH").unwrap();
    let without: Vec<_> =
        std::env::split_paths(&path).filter(|dir| !dir.join("git-conductor").exists()).collect();
    scene.sandbox.set("PATH", std::env::join_paths(without).unwrap());
}

/// The path that was recorded leads nowhere, as after the program was removed.
fn forget_program(scene: &Scene) {
    let hook = text(&scene.sandbox, HOOK).unwrap();
    let program = hook.lines().find_map(|line| line.strip_prefix("conductor_program=")).unwrap();
    let program = program.trim_matches('\'');
    assert!(Path::new(program).is_absolute() && Path::new(program).exists(), "{program}");
    script(&scene.sandbox, HOOK, &hook.replace(program, "/nowhere/git-conductor"), 0o755);
}

/// A client with a window has a `PATH` of its own.
#[test]
fn with_a_path_that_has_not_the_program() {
    let mut scene = scene();
    let elsewhere = "#!/bin/sh\ncat >\"$HOME/refs\"\n";
    script(&scene.sandbox, HOOK, elsewhere, 0o755);
    hooks(&mut scene, "install");
    minimal_path(&mut scene);
    assert!(guarded(&scene));
    assert_eq!(text(&scene.sandbox, "home/refs"), None);
    let output = push(&scene, &["origin", "main:refs/heads/x"]);
    assert!(output.status.success() && !said(&output).contains("not installed"), "{output:?}");
    assert!(text(&scene.sandbox, "home/refs").unwrap().contains("refs/heads/x"));
}

/// Where not even what the hook itself needs is there, nothing goes out.
#[test]
fn with_a_path_of_nothing() {
    let mut scene = scene();
    hooks(&mut scene, "install");
    let list = scene.sandbox.write("list", "");
    let mut hook = scene.sandbox.command("repo", "/bin/sh");
    hook.arg(scene.sandbox.join(HOOK)).args(["origin", "../remote.git"]).env("PATH", "/nowhere");
    let output = hook.stdin(std::fs::File::open(list).unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(said(&output).contains("cannot read what git pushes"), "{output:?}");
}

/// The program is gone, and the hook is still there.
#[test]
fn without_the_program() {
    let mut scene = scene();
    script(&scene.sandbox, HOOK, "#!/bin/sh\ncat >\"$HOME/refs\"\n", 0o755);
    hooks(&mut scene, "install");
    forget_program(&scene);
    minimal_path(&mut scene);
    let output = push(&scene, &["origin", "main"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("warning: git conductor is not installed"));
    assert!(
        said(&output).contains("delete the lines of git conductor in '.git/hooks/pre-push'"),
        "{}",
        said(&output)
    );
    assert!(text(&scene.sandbox, "home/refs").unwrap().contains("refs/heads/main"));
    for strict in ["true", "perhaps"] {
        scene.sandbox.git("repo", ["config", "conductor.hookStrict", strict]);
        let output = push(&scene, &["origin", "main:refs/heads/x"]);
        assert!(!output.status.success());
        assert!(said(&output).contains("conductor.hookStrict asks for"), "{}", said(&output));
    }
    scene.sandbox.git("repo", ["config", "conductor.hookStrict", "false"]);
    assert!(push(&scene, &["origin", "main:refs/heads/x"]).status.success());
}

/// A git of 2.54 by its own word: it is asked for its version, and the real one does the rest.
fn newer_git(scene: &mut Scene) {
    let path = scene.sandbox.var("PATH").unwrap();
    let real = std::env::split_paths(&path).map(|dir| dir.join("git")).find(|git| git.is_file());
    let real = real.unwrap().display().to_string();
    let text = format!(
        "#!/bin/sh\nfor arg do if [ \"$arg\" = version ]; then echo 'git version 2.54.0.rc1'; exit; fi; done\nexec '{real}' \"$@\"\n"
    );
    script(&scene.sandbox, "newer/git", &text, 0o755);
    let newer = std::iter::once(scene.sandbox.join("newer")).chain(std::env::split_paths(&path));
    scene.sandbox.set("PATH", std::env::join_paths(newer).unwrap());
}

/// `git conductor` without the real git in between, which puts itself first in PATH.
fn by_newer_git(scene: &mut Scene, action: &str) -> Value {
    let mut command = scene.sandbox.command("repo", "git-conductor");
    let output = command.args(["hooks", action, "--json", "--agent", "ann"]).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs what stands in configuration as a newer git does: by sh, with the arguments after it.
fn run_configured(scene: &Scene, to: &str, vars: &[(&str, &str)]) -> Output {
    let command = scene.sandbox.git_says("repo", ["config", "--get", "hook.conductor.command"]);
    let mut sh = scene.sandbox.command("repo", "sh");
    sh.args(["-c", &format!("{command} \"$@\""), "sh", "origin", "../remote.git"]);
    fed(scene, &mut sh, to, vars)
}

/// Runs the hook file as any git does.
fn run_file(scene: &Scene, to: &str) -> Output {
    let mut hook = scene.sandbox.command("repo", ".git/hooks/pre-push");
    hook.args(["origin", "../remote.git"]);
    fed(scene, &mut hook, to, &[])
}

fn fed(
    scene: &Scene,
    command: &mut std::process::Command,
    to: &str,
    vars: &[(&str, &str)],
) -> Output {
    let head = scene.sandbox.git_says("repo", ["rev-parse", "HEAD"]);
    let list = scene.sandbox.write("list", format!("HEAD {head} {to} {}\n", "0".repeat(40)));
    command.envs(vars.iter().copied());
    command.stdin(std::fs::File::open(list).unwrap()).output().unwrap()
}

#[test]
fn in_the_configuration_of_a_newer_git() {
    let mut scene = scene();
    let before = scene.sandbox.git_says("repo", ["config", "--list", "--local"]);
    newer_git(&mut scene);
    let said = by_newer_git(&mut scene, "install");
    assert_eq!((&said["installed"], &said["runs"]), (&json!("config"), &json!(true)), "{said}");
    let ways = |said: &Value| {
        let forms = said["forms"].as_array().unwrap().iter();
        forms
            .map(|it| (it["way"].as_str().unwrap().to_owned(), it["runs"] == true))
            .collect::<Vec<_>>()
    };
    let both = |config| vec![("config".to_owned(), config), ("file".to_owned(), true)];
    assert_eq!(ways(&said), both(true), "an older git runs the file");
    assert_eq!(by_newer_git(&mut scene, "install")["changed"], json!(false));
    let config = |scene: &Scene, key: &str| {
        scene.sandbox.git_says("repo", ["config", "--local", "--get-all", key])
    };
    assert_eq!(config(&scene, "hook.conductor.event"), "pre-push");
    // The newer git runs both, and the older one the file: each asks once.
    let output = run_configured(&scene, "refs/heads/main", &[]);
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "it is left to the file: {output:?}"
    );
    let output = run_file(&scene, "refs/heads/main");
    assert!(self::said(&output).contains("nobody holds 'ship'"), "{output:?}");
    let older = hooks_of_the_real_git(&mut scene, "status");
    assert_eq!((&older["installed"], &older["runs"]), (&json!("file"), &json!(true)), "{older}");
    assert_eq!(ways(&older), both(false));
    // Installed again by the older one nothing is lost.
    assert_eq!(hooks_of_the_real_git(&mut scene, "install")["changed"], json!(false));
    assert_eq!(ways(&by_newer_git(&mut scene, "status")), both(true));

    // What the file does not surely ask is asked by what stands in configuration.
    let hook = text(&scene.sandbox, HOOK).unwrap();
    for (other, mode) in [
        (hook.replace("#!/bin/sh\n", "#!/bin/sh\nexit 0\n"), 0o755),
        (hook.replace("#!/bin/sh\n", "#!/bin/sh\ncat >/dev/null\n"), 0o755),
        (hook.replace(" || exit $?", ""), 0o755),
        (hook.clone(), 0o644),
        (format!("#!/bin/sh\n{LINE}\ntrue\n"), 0o755),
        ("#!/bin/sh\n".to_owned(), 0o755),
    ] {
        script(&scene.sandbox, HOOK, &other, mode);
        let output = run_configured(&scene, "refs/heads/main", &[]);
        assert_eq!(output.status.code(), Some(1), "{other}: {output:?}");
        assert!(self::said(&output).contains("nobody holds 'ship'"), "{output:?}");
        assert!(run_configured(&scene, "refs/heads/topic", &[]).status.success());
    }
    script(&scene.sandbox, HOOK, &format!("#!/bin/sh\n{LINE}\n"), 0o755);
    assert!(run_configured(&scene, "refs/heads/main", &[]).status.success(), "the line asks");
    script(&scene.sandbox, HOOK, &hook, 0o755);
    // Without the program in PATH both find it where it was.
    let bare = [("PATH", "/usr/bin:/bin")];
    std::fs::remove_file(scene.sandbox.join(HOOK)).unwrap();
    assert_eq!(run_configured(&scene, "refs/heads/main", &bare).status.code(), Some(1));
    // And without the program.
    let command = config(&scene, "hook.conductor.command");
    let program = command.split("[ -x '").nth(1).unwrap().split('\'').next().unwrap();
    let gone = command.replace(program, "/nowhere");
    scene.sandbox.git("repo", ["config", "hook.conductor.command", &gone]);
    let output = run_configured(&scene, "refs/heads/main", &bare);
    assert!(output.status.success() && self::said(&output).contains("not installed"), "{output:?}");
    scene.sandbox.git("repo", ["config", "conductor.hookStrict", "true"]);
    assert!(!run_configured(&scene, "refs/heads/main", &bare).status.success());
    scene.sandbox.git("repo", ["config", "--unset", "conductor.hookStrict"]);

    scene.sandbox.git("repo", ["config", "hook.conductor.enabled", "false"]);
    assert_eq!(by_newer_git(&mut scene, "status")["runs"], json!(false));
    scene.sandbox.git("repo", ["config", "--unset", "hook.conductor.enabled"]);
    // Alone it is not run by an older git.
    assert_eq!(by_newer_git(&mut scene, "status")["runs_before_2_54"], json!(false));
    assert_eq!(hooks_of_the_real_git(&mut scene, "status")["runs"], json!(false));
    assert_eq!(by_newer_git(&mut scene, "uninstall")["changed"], json!(true));
    assert_eq!(scene.sandbox.git_says("repo", ["config", "--list", "--local"]), before);
}

/// A file of others is in no newer git's way; that it is in an older one's is said.
#[test]
fn in_configuration_beside_a_file_of_others() {
    let mut scene = scene();
    script(&scene.sandbox, HOOK, "#!/usr/bin/env python3\n", 0o755);
    newer_git(&mut scene);
    let said = by_newer_git(&mut scene, "install");
    assert_eq!((&said["runs"], &said["runs_before_2_54"]), (&json!(true), &json!(false)), "{said}");
    let mut command = scene.sandbox.command("repo", "git-conductor");
    let output = command.args(["hooks", "status"]).output().unwrap();
    assert!(self::said(&output).contains("a git before 2.54 would not ask the gate"), "{output:?}");
    // Somebody's own line does, and nothing of ours is needed beside it.
    by_newer_git(&mut scene, "uninstall");
    script(&scene.sandbox, HOOK, &format!("#!/bin/sh\n{LINE}\n"), 0o755);
    let said = by_newer_git(&mut scene, "install");
    assert_eq!((&said["installed"], &said["changed"]), (&json!("line"), &json!(false)), "{said}");
}

const LINE: &str = "git conductor guard --pre-push \"$@\"";

fn hooks_of_the_real_git(scene: &mut Scene, action: &str) -> Value {
    let newer = scene.sandbox.var("PATH").unwrap();
    let dirs = std::env::split_paths(&newer).filter(|dir| !dir.ends_with("newer"));
    let older = std::env::join_paths(dirs).unwrap();
    scene.sandbox.set("PATH", older);
    let said = by_newer_git(scene, action);
    scene.sandbox.set("PATH", newer);
    said
}

/// What keeps a script from coming to the block, or a block from being whole, is said.
#[test]
fn what_is_wrong_with_a_hook_file() {
    let mut scene = scene();
    hooks(&mut scene, "install");
    let hook = text(&scene.sandbox, HOOK).unwrap();
    for (other, why) in [
        (
            hook.replace("#!/bin/sh\n", "#!/bin/sh\n\nexit 0\n"),
            "line 3 of it ends the script before",
        ),
        (hook.replace("# <<< git conductor <<<\n", ""), "no end mark"),
        (format!("#!/bin/sh\nexit 0\n{LINE}\n"), "line 2 of it ends the script before"),
    ] {
        script(&scene.sandbox, HOOK, &other, 0o755);
        let said = hooks(&mut scene, "status");
        assert_eq!(said["runs"], json!(false), "{said}");
        assert!(said["why_not"].as_str().unwrap().contains(why), "{why}: {said}");
        let output = scene.asks("ann", "repo", &["hooks", "status"]);
        assert!(
            self::said(&output).contains(&format!("git would not run the hook: {why}"))
                || self::said(&output).contains("no end mark"),
            "{output:?}"
        );
    }
    // Where it is known what is left of the block, it is written anew at the head.
    for other in [
        hook.replace("#!/bin/sh\n", "#!/bin/sh\nexit 0\n"),
        hook.replace("# <<< git conductor <<<\n", "exit 0\n"),
    ] {
        script(&scene.sandbox, HOOK, &other, 0o755);
        assert_eq!(hooks(&mut scene, "install")["runs"], json!(true));
        assert_eq!(text(&scene.sandbox, HOOK).unwrap(), format!("{hook}exit 0\n"));
        assert!(guarded(&scene));
    }
    let cut = hook.split_inclusive('\n').take(8).collect::<String>();
    script(&scene.sandbox, HOOK, &cut, 0o755);
    assert_eq!(hooks(&mut scene, "install")["code"], json!("tampered"));
    assert_eq!(text(&scene.sandbox, HOOK).unwrap(), cut, "what it is is not guessed at");
}

/// A relative path of hooks leads each worktree to files of its own.
#[test]
fn each_worktree_is_looked_at() {
    let mut scene = scene();
    scene.worktree("wt");
    scene.sandbox.git("repo", ["config", "core.hooksPath", "tools"]);
    std::fs::create_dir(scene.sandbox.join("repo/tools")).unwrap();
    script(&scene.sandbox, "repo/tools/pre-push", &format!("#!/bin/sh\n{LINE}\n"), 0o755);
    let said = hooks(&mut scene, "status");
    assert_eq!(
        (&said["runs"], &said["worktrees"][0]["runs"]),
        (&json!(true), &json!(false)),
        "{said}"
    );
    assert_eq!(said["worktrees"][0]["path"], json!(scene.sandbox.join("wt")));
    let push =
        |scene: &Scene| scene.sandbox.try_git("wt", ["push", "--dry-run", "origin", "HEAD:main"]);
    assert!(push(&scene).status.success(), "it slips past");
    let finding = |scene: &mut Scene, dir: &str| {
        let output = scene.asks("ann", dir, &["doctor", "--json"]);
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        let checks = said["checks"].as_array().unwrap().iter();
        let bad = checks.filter(|it| it["check"] == "hooks" && it["level"] == "problem");
        bad.map(|it| it["says"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let there = scene.sandbox.join("wt").display().to_string();
    let said = finding(&mut scene, "repo");
    assert!(said.len() == 1 && said[0].contains(&format!("a push from '{there}'")), "{said:?}");
    let said = finding(&mut scene, "wt");
    assert!(said.len() == 1 && said[0].contains("a push from here does not ask"), "{said:?}");
    let output = scene.asks("ann", "repo", &["hooks", "status"]);
    assert!(self::said(&output).contains(&format!("a push from '{there}' does not ask the gate")));
    // A file that is there and would not run is no better.
    scene.sandbox.write("wt/tools/pre-push", format!("#!/bin/sh\n{LINE}\n"));
    let said = finding(&mut scene, "repo");
    assert!(said.len() == 1 && said[0].contains("not executable"), "{said:?}");
    script(&scene.sandbox, "wt/tools/pre-push", &format!("#!/bin/sh\n{LINE}\n"), 0o755);
    assert!(!push(&scene).status.success());
    assert!(finding(&mut scene, "repo").is_empty() && finding(&mut scene, "wt").is_empty());
    // A worktree with a path of its own, too.
    scene.sandbox.git("repo", ["config", "extensions.worktreeConfig", "true"]);
    scene.sandbox.git("wt", ["config", "--worktree", "core.hooksPath", "/nowhere"]);
    assert_eq!(finding(&mut scene, "repo").len(), 1);
}

/// Of each place that pushes go to by configuration it is said what is guarded there.
#[test]
fn what_each_push_would_be_asked_for() {
    let mut scene = scene();
    let git = |args: &[&str]| scene.sandbox.git("repo", args);
    git(&["push", "-q", "origin", "main"]);
    git(&["remote", "set-head", "origin", "main"]);
    hooks(&mut scene, "install");
    let git = |args: &[&str]| scene.sandbox.git("repo", args);
    git(&["remote", "add", "fork", "../fork.git"]);
    git(&["config", "branch.topic.pushRemote", "https://me:secret@example.com/x.git"]);
    git(&["config", "branch.main.remote", "origin"]);
    git(&["config", "branch.self.remote", "."]);
    git(&["config", "remote.pushDefault", "fork"]);
    let said = hooks(&mut scene, "status");
    let pushes: Vec<(&str, &Value, bool)> = said["pushes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["to"].as_str().unwrap(), &it["by"], it["guessed"] == true))
        .collect();
    assert_eq!(
        pushes,
        [
            ("fork", &json!(["remote.pushDefault"]), true),
            ("https://example.com/x.git", &json!(["branch.topic.pushRemote"]), true),
            ("origin", &json!([]), false),
        ]
    );
    assert_eq!(said["pushes"][2]["protects"], json!(["refs/heads/main", "refs/tags/*"]));
    assert_eq!(said["protects"], said["pushes"][0]["protects"]);
    let output = scene.asks("ann", "repo", &["hooks", "status"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("guarded at 'fork' (remote.pushDefault): "), "{text}");
    assert!(text.contains("guarded at 'origin': refs/heads/main and refs/tags/*\n"), "{text}");
    assert!(!text.contains("secret"), "{text}");
    scene.sandbox.git("repo", ["config", "--unset", "remote.pushDefault"]);
    let said = hooks(&mut scene, "status");
    assert_eq!(said["pushes"][0]["to"], json!("origin"));
    assert_eq!(said["pushes"][0]["by"], json!(["branch.main.remote"]));
}

/// pre-commit reads git's lines itself, and tells of one of them in variables.
#[test]
fn under_pre_commit() {
    let scene = scene();
    let head = scene.sandbox.git_says("repo", ["rev-parse", "HEAD"]);
    let run = |reference: &str| {
        let mut command = scene.sandbox.command("repo", "git");
        command.args(["conductor", "guard", "--pre-push", "--agent", "ann"]);
        command.env("PRE_COMMIT_REMOTE_BRANCH", reference).env("PRE_COMMIT_TO_REF", &head);
        command.env("PRE_COMMIT_REMOTE_NAME", "origin").output().unwrap().status.code()
    };
    assert_eq!(run("refs/heads/main"), Some(1));
    assert_eq!(run("refs/heads/topic"), Some(0));
    let yaml = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join(".pre-commit-hooks.yaml"),
    );
    let yaml = yaml.unwrap();
    for line in
        ["  entry: git conductor guard --pre-push", "  stages: [pre-push]", "  always_run: true"]
    {
        assert!(yaml.lines().any(|known| known == line), "{line}");
    }
}

/// What git does not say is not guessed at.
#[test]
fn what_cannot_be_understood_is_not_pushed() {
    let scene = scene();
    for line in ["HEAD", "a b c d", "HEAD 12 refs/heads/topic 12", "\u{0}"] {
        let list = scene.sandbox.write("list", format!("{line}\n"));
        let mut command = scene.sandbox.command("repo", "git");
        command.args(["conductor", "guard", "--pre-push", "origin", "url", "--agent", "ann"]);
        let output = command.stdin(std::fs::File::open(list).unwrap()).output().unwrap();
        assert_eq!(output.status.code(), Some(128), "{line:?}: {output:?}");
    }
}
