//! What a push is asked for, by whatever name its destination goes: real pushes past the hook.

use std::process::Output;

use serde_json::json;

use crate::fixture::Scene;

/// A repository with the hook, a bare remote `origin` whose default branch `trunk` is known, and a
/// sprint whose `ship` nobody holds.
fn scene() -> Scene {
    let mut scene = Scene::new();
    let sandbox = &scene.sandbox;
    sandbox.git(".", ["init", "-q", "--bare", "-b", "trunk", "remote.git"]);
    sandbox.git("repo", ["remote", "add", "origin", "../remote.git"]);
    sandbox.git("repo", ["push", "-q", "origin", "main:trunk", "main:feature"]);
    sandbox.git("repo", ["remote", "set-head", "origin", "trunk"]);
    scene.sprint("build,ship");
    scene.does("lead", &["hooks", "install"]);
    sandbox_commit(&scene, "repo");
    scene
}

fn sandbox_commit(scene: &Scene, dir: &str) {
    scene.sandbox.write(format!("{dir}/file"), "1");
    scene.sandbox.git(dir, ["commit", "-q", "-a", "-m", "more"]);
}

fn push(scene: &Scene, dir: &str, args: &[&str]) -> Output {
    let dry = ["push", "--dry-run"];
    scene.sandbox.try_git(dir, dry.iter().chain(args))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn refused(scene: &Scene, dir: &str, args: &[&str]) -> String {
    let output = push(scene, dir, args);
    let said = said(&output);
    assert!(!output.status.success(), "{args:?}: {said}");
    assert!(said.contains("nobody holds 'ship'"), "{args:?}: {said}");
    said
}

#[track_caller]
fn passes(scene: &Scene, dir: &str, args: &[&str]) {
    let output = push(scene, dir, args);
    assert!(output.status.success(), "{args:?}: {}", said(&output));
}

/// The remote has the name `moved` from now on, and nobody answers at its old one.
fn moved(scene: &Scene) {
    let to = scene.sandbox.join("moved.git");
    std::fs::rename(scene.sandbox.join("remote.git"), to).unwrap();
}

#[test]
fn one_remote_by_each_of_its_addresses() {
    let scene = scene();
    let path = scene.sandbox.join("remote.git").display().to_string();
    std::os::unix::fs::symlink(&path, scene.sandbox.join("linked.git")).unwrap();
    let file = format!("file://{path}");
    for address in ["../remote.git", "../remote", "../remote.git/", "../linked.git", &path, &file] {
        let said = refused(&scene, "repo", &[address, "HEAD:trunk"]);
        assert!(!said.contains("by a guess"), "{said}");
        passes(&scene, "repo", &[address, "HEAD:feature", "HEAD:main"]);
    }
    // Without an answer of the remote it is known all the same: nobody is asked.
    let git = |args: &[&str]| scene.sandbox.git("repo", args);
    git(&["remote", "add", "second", &path]);
    git(&["config", "remote.third.url", "short:remote.git"]);
    git(&["config", &format!("url.{}/.insteadOf", scene.sandbox.path().display()), "short:"]);
    for remote in ["second", "third", "short:remote.git"] {
        let said = refused(&scene, "repo", &[remote, "HEAD:trunk"]);
        assert!(!said.contains("by a guess"), "{said}");
        passes(&scene, "repo", &[remote, "HEAD:feature", "HEAD:main"]);
    }
}

#[test]
fn by_settings_of_git() {
    let scene = scene();
    let git = |args: &[&str]| scene.sandbox.git("repo", args);
    git(&["branch", "-m", "trunk"]);
    git(&["config", "push.default", "current"]);
    for (key, value) in [
        ("remote.pushDefault", "origin"),
        ("remote.pushDefault", "../remote.git"),
        ("branch.trunk.remote", "../remote.git"),
        ("branch.trunk.pushRemote", "../remote.git"),
        ("branch.trunk.pushRemote", "origin"),
    ] {
        git(&["config", key, value]);
        refused(&scene, "repo", &[]);
        git(&["config", "--unset", key]);
    }
    // Pushes go elsewhere than fetches come from, and that is a remote, too.
    git(&["remote", "add", "mirror", "../nowhere.git"]);
    for (key, value) in [
        ("remote.mirror.pushurl", "../remote.git"),
        (
            &format!("url.{}.pushInsteadOf", scene.sandbox.join("remote.git").display()),
            "../nowhere.git",
        ),
    ] {
        git(&["config", key, value]);
        refused(&scene, "repo", &["mirror"]);
        passes(&scene, "repo", &["mirror", "HEAD:feature"]);
        git(&["config", "--unset", key]);
    }
}

/// A checkout as machines make it: fetched, and nothing is known of the remote's default branch.
#[test]
fn a_checkout_that_was_only_fetched() {
    let mut scene = scene();
    let sandbox = &scene.sandbox;
    sandbox.git(".", ["init", "-q", "ci"]);
    sandbox.git("ci", ["remote", "add", "origin", "../remote.git"]);
    sandbox.git("ci", ["fetch", "-q", "origin", "+refs/heads/feature:refs/remotes/origin/feature"]);
    sandbox.git("ci", ["checkout", "-q", "-b", "feature", "origin/feature"]);
    // What newer gits record by themselves.
    sandbox.try_git("ci", ["remote", "set-head", "origin", "--delete"]);
    sandbox_commit(&scene, "ci");
    scene.does_in("ci", "lead", &["start", "--phases", "build,ship"]);
    scene.does_in("ci", "lead", &["hooks", "install"]);
    // The remote says it itself, and so nothing is guessed.
    let said = refused(&scene, "ci", &["origin", "HEAD:trunk"]);
    assert!(!said.contains("by a guess"), "{said}");
    passes(&scene, "ci", &["origin", "feature", "HEAD:main", "HEAD:master"]);
    refused(&scene, "ci", &["origin", "HEAD:refs/tags/v1"]);
    // Where it does not answer, these are guesses, and what else is known.
    scene.sandbox.set("GIT_ALLOW_PROTOCOL", "ssh");
    let update = |scene: &mut Scene, branch: &str| {
        let head = scene.sandbox.git_says("ci", ["rev-parse", "HEAD"]);
        let line = format!("HEAD {head} refs/heads/{branch} {}\n", "0".repeat(40));
        let list = scene.sandbox.write("list", line);
        let args = ["guard", "--pre-push", "origin", "../remote.git", "--json"];
        let mut command = scene.command("ann", "ci", &args);
        let output = command.stdin(std::fs::File::open(list).unwrap()).output().unwrap();
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    for (branch, guessed) in
        [("main", json!(true)), ("master", json!(true)), ("trunk", json!(null))]
    {
        assert_eq!(update(&mut scene, branch)["guessed"], guessed, "{branch}");
    }
    scene.sandbox.git("ci", ["config", "init.defaultBranch", "trunk"]);
    assert_eq!(update(&mut scene, "trunk")["guessed"], json!(true));
    assert_eq!(update(&mut scene, "feature")["ok"], json!(true));
}

/// Nobody is asked anything where no sprint is.
#[test]
fn no_remote_is_asked_without_a_sprint() {
    let mut scene = scene();
    scene.sandbox.git("repo", ["remote", "set-head", "origin", "--delete"]);
    let asked = scene.sandbox.join("home/asked");
    let hook = "#!/bin/sh\necho asked >>\"$HOME/asked\"\nexec git-upload-pack \"$@\"\n";
    let program = scene.sandbox.write("home/upload", hook);
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    // ls-remote goes by the address, so that a setting of its remote does not reach it.
    let path = scene.sandbox.join("remote.git").display().to_string();
    scene.sandbox.git("repo", ["config", "protocol.ext.allow", "always"]);
    let ext = format!("ext::{} {path}", program.display());
    let guard = |scene: &mut Scene| {
        let head = scene.sandbox.git_says("repo", ["rev-parse", "HEAD"]);
        let line = format!("HEAD {head} refs/heads/feature {}\n", "0".repeat(40));
        let list = scene.sandbox.write("list", line);
        let mut command = scene.command("ann", "repo", &["guard", "--pre-push", "origin", &ext]);
        command.stdin(std::fs::File::open(list).unwrap()).output().unwrap()
    };
    assert!(guard(&mut scene).status.success());
    assert!(asked.exists(), "with a sprint it is asked");
    std::fs::remove_file(&asked).unwrap();
    scene.does("lead", &["archive"]);
    assert!(guard(&mut scene).status.success());
    assert!(!asked.exists());
}

/// What `origin/HEAD` leads to has gone, as after a branch was renamed and pruned: the remote is
/// asked.
#[test]
fn a_dangling_head_is_not_trusted() {
    for reftable in [false, true] {
        let scene = scene();
        let dir = if reftable {
            let format =
                scene.sandbox.try_git(".", ["init", "-q", "--ref-format=reftable", "other"]);
            if !format.status.success() {
                return crate::fixture::wanting("reftable");
            }
            scene.sandbox.git("other", ["remote", "add", "origin", "../remote.git"]);
            scene.sandbox.git("other", ["fetch", "-q", "origin"]);
            scene.sandbox.git("other", ["checkout", "-q", "-b", "main", "origin/trunk"]);
            "other"
        } else {
            "repo"
        };
        let mut scene = scene;
        if reftable {
            scene.does_in(dir, "lead", &["start", "--phases", "build,ship"]);
            scene.does_in(dir, "lead", &["hooks", "install"]);
            sandbox_commit(&scene, dir);
        }
        let git = |args: &[&str]| scene.sandbox.git(dir, args);
        git(&["symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk"]);
        let said = refused(&scene, dir, &["origin", "HEAD:trunk"]);
        assert!(!said.contains("by a guess"), "{said}");
        passes(&scene, dir, &["origin", "HEAD:next"]);
        scene.sandbox.git("remote.git", ["branch", "-m", "trunk", "next"]);
        git(&["update-ref", "-d", "refs/remotes/origin/trunk"]);
        git(&["symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk"]);
        refused(&scene, dir, &["origin", "HEAD:next"]);
        passes(&scene, dir, &["origin", "HEAD:trunk"]);
    }
}

/// Of an address that is no remote's nothing is known but that it may be any of them.
#[test]
fn an_address_that_is_not_known() {
    let scene = scene();
    moved(&scene);
    scene.sandbox.git("moved.git", ["symbolic-ref", "HEAD", "refs/heads/next"]);
    scene.sandbox.git("moved.git", ["branch", "next", "feature"]);
    for (branch, guessed) in [("next", false), ("trunk", true), ("main", true), ("master", true)] {
        let said = refused(&scene, "repo", &["../moved.git", &format!("HEAD:{branch}")]);
        assert_eq!(said.contains("by a guess"), guessed, "{said}");
    }
    passes(&scene, "repo", &["../moved.git", "HEAD:feature"]);
}

/// A remote that never answers holds a push up for a while, and opens nothing.
#[test]
fn a_remote_that_hangs() {
    let mut scene = scene();
    let program = scene
        .sandbox
        .write("home/hangs", "#!/bin/sh\necho $$ >\"$HOME/hangs.pid\"\nexec sleep 600\n");
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    scene.sandbox.git("repo", ["config", "protocol.ext.allow", "always"]);
    let head = scene.sandbox.git_says("repo", ["rev-parse", "HEAD"]);
    let line = format!("HEAD {head} refs/heads/main {}\n", "0".repeat(40));
    let list = scene.sandbox.write("list", line);
    let ext = format!("ext::{}", program.display());
    let mut command = scene.command("ann", "repo", &["guard", "--pre-push", &ext, &ext]);
    let output = command.stdin(std::fs::File::open(list).unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(said(&output).contains("guarded by a guess"), "{output:?}");
    // And is ended with all that it began.
    let pid = std::fs::read_to_string(scene.sandbox.join("home/hangs.pid")).unwrap();
    let is_gone = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        stat.map_or(true, |stat| stat.contains(") Z "))
    };
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !is_gone() && std::time::Instant::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(is_gone(), "{pid}");
}

/// A setting of the repository or of one worktree takes nothing back that a sprint has shut.
#[test]
fn a_setting_of_the_repository_lifts_nothing() {
    let mut scene = scene();
    let other = scene.sandbox.join("other").display().to_string();
    scene.sandbox.git("repo", ["config", "extensions.worktreeConfig", "true"]);
    scene.worktree("wt");
    let guard = |scene: &mut Scene, dir: &str| {
        let output = scene.asks("ann", dir, &["guard", "--json"]);
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        said["code"].as_str().or(said["passage"].as_str()).unwrap().to_owned()
    };
    for (dir, scope) in [("repo", "--local"), ("wt", "--worktree")] {
        scene.sandbox.git(dir, ["config", scope, "conductor.store", &other]);
        assert_eq!(guard(&mut scene, dir), "not_claimed", "{scope}");
        refused(&scene, dir, &["origin", "HEAD:trunk"]);
        scene.sandbox.git(dir, ["config", scope, "--unset", "conductor.store"]);
    }
    // What a worktree's setting takes the place of is asked as well, not only what it names.
    scene.sandbox.git("repo", ["config", "conductor.store", &other]);
    scene.does_in("repo", "lead", &["start", "--phases", "ship"]);
    scene.does_in("repo", "ann", &["claim", "ship"]);
    assert_eq!(guard(&mut scene, "repo"), "not_claimed", "the first one is there still");
    let third = scene.sandbox.join("third").display().to_string();
    scene.sandbox.git("wt", ["config", "--worktree", "conductor.store", &third]);
    let own = scene.store();
    std::fs::rename(&own, scene.sandbox.join("aside")).unwrap();
    assert_eq!(
        guard(&mut scene, "repo"),
        "claimed",
        "what was moved away is nobody's sprint any more"
    );
    assert_eq!(guard(&mut scene, "wt"), "claimed");
    scene.does_in("repo", "ann", &["abort", "ship"]);
    assert_eq!(
        guard(&mut scene, "wt"),
        "not_claimed",
        "the repository's setting is behind the worktree's"
    );
    std::fs::rename(scene.sandbox.join("aside"), &own).unwrap();
    // A sprint is asked for where the setting says that it is, and nowhere else.
    scene.sandbox.git("wt", ["config", "--worktree", "--unset", "conductor.store"]);
    scene.sandbox.git("repo", ["config", "--unset", "conductor.store"]);
    scene.does("lead", &["archive"]);
    scene.sandbox.git("repo", ["config", "conductor.store", &other]);
    scene.sandbox.git("repo", ["config", "conductor.requireSprint", "true"]);
    scene.does("ann", &["claim", "ship"]);
    assert_eq!(guard(&mut scene, "repo"), "claimed");
}
