//! Real pushes past the gate: the hook is installed, and git runs it.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};

use serde_json::json;

use crate::fake::Fake;
use crate::fixture::{Scene, wanting};

/// A repository with the hook, a bare remote `origin` whose default branch is known, and a sprint
/// whose `ship` can be claimed.
fn scene() -> Scene {
    let mut scene = bare_scene();
    scene.sprint("build,ship,announce:ship");
    scene.works("bob", "build");
    scene
}

/// The same without a sprint.
fn bare_scene() -> Scene {
    let mut scene = Scene::new();
    let sandbox = &scene.sandbox;
    sandbox.git(".", ["init", "-q", "--bare", "remote.git"]);
    sandbox.git("repo", ["remote", "add", "origin", "../remote.git"]);
    sandbox.git("repo", ["push", "-q", "origin", "main", "main:gone", "main:old"]);
    sandbox.git("repo", ["remote", "set-head", "origin", "main"]);
    sandbox.git("repo", ["branch", "feature"]);
    sandbox.git("repo", ["tag", "v1"]);
    scene.does("lead", &["hooks", "install"]);
    scene
}

fn commit(scene: &Scene, content: &str) -> String {
    scene.sandbox.write("repo/file", content);
    scene.sandbox.git("repo", ["commit", "-q", "-a", "-m", content]);
    scene.sandbox.git_says("repo", ["rev-parse", "HEAD"])
}

/// `git push ARGS` in `dir`, as the agent `name`.
fn push_command(scene: &mut Scene, name: &str, dir: &str, args: &[&str]) -> Command {
    let pid = scene.pid(name).to_string();
    let mut git = scene.sandbox.command(dir, "git");
    git.arg("push").args(args).env("GIT_CONDUCTOR_AGENT", name).env("GIT_CONDUCTOR_PID", pid);
    git
}

fn push(scene: &mut Scene, name: &str, args: &[&str]) -> Output {
    push_command(scene, name, "repo", args).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn passes(scene: &mut Scene, name: &str, args: &[&str]) -> String {
    let output = push(scene, name, args);
    assert!(output.status.success(), "{args:?}: {}", said(&output));
    let said = said(&output);
    assert!(!said.contains("hint: ") && !said.contains("the gate"), "{args:?}: {said}");
    said
}

#[track_caller]
fn refused(scene: &mut Scene, name: &str, args: &[&str]) -> String {
    let before = remote(scene);
    let output = push(scene, name, args);
    let said = said(&output);
    assert!(!output.status.success(), "{args:?}: {said}");
    assert!(said.contains("no conflict with the remote"), "{args:?}: {said}");
    assert!(said.contains("pulling or rebasing will not help"), "{args:?}: {said}");
    assert_eq!(before, remote(scene), "{args:?}: nothing arrives");
    said
}

/// What the remote has.
fn remote(scene: &Scene) -> String {
    scene.sandbox.git_says("remote.git", ["for-each-ref"])
}

#[test]
fn without_a_sprint_nothing_is_guarded() {
    let mut scene = bare_scene();
    commit(&scene, "1");
    passes(&mut scene, "ann", &["-q", "origin", "main", "v1"]);
    assert_eq!(passes(&mut scene, "ann", &["-q", "origin", ":old"]), "", "and nothing is said");
}

#[test]
fn each_kind_of_push() {
    let mut scene = scene();
    let later = commit(&scene, "1");
    let ann = "ann";
    for args in [
        &["origin", "main"][..],
        &["origin", "HEAD:main"],
        &["origin", "HEAD@{0}:refs/heads/main"],
        &["origin", "+main"],
        &["origin", "HEAD:refs/heads/main", "--force"],
        &["origin", "feature", "main"],
        &["origin", "main", "feature"],
        &["origin", "--all"],
        &["origin", ":main"],
        &["origin", "v1"],
        &["origin", "HEAD:refs/tags/a/b"],
        &["--dry-run", "origin", "main"],
        &["../remote.git", "main"],
        &["origin", "HEAD:refs/conductor/salvage/main"],
    ] {
        refused(&mut scene, ann, args);
    }
    let sandbox = &scene.sandbox;
    sandbox.git("repo", ["notes", "add", "-m", "a note"]);
    for args in [
        &["origin", "feature"][..],
        &["origin", "HEAD:topic/x"],
        &["origin", ":gone"],
        &["origin", "HEAD:refs/conductor/ledger"],
        &["origin", "refs/notes/*:refs/notes/*"],
        &["--dry-run", "origin", "HEAD:other"],
    ] {
        passes(&mut scene, ann, args);
    }
    // A hook is no wall.
    let output = push(&mut scene, ann, &["--no-verify", "origin", "v1"]);
    assert!(output.status.success());
    refused(&mut scene, ann, &["origin", ":v1"]);

    scene.does(ann, &["claim", "ship"]);
    let owner = refused(&mut scene, "bob", &["origin", "main"]);
    assert!(owner.contains("'ship' is not yours: 'ann' claimed it"), "{owner}");
    refused(&mut scene, ann, &["origin", "HEAD:refs/conductor/salvage/main"]);
    let output = push(&mut scene, ann, &["origin", "main", "v1", ":old"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("'build' is no evidence for what goes out"), "{output:?}");
    assert!(remote(&scene).contains(&later));
    // Up to date: nothing goes out, whatever becomes of the store.
    std::fs::rename(scene.store(), scene.sandbox.join("aside")).unwrap();
    passes(&mut scene, ann, &["origin", "main"]);
    passes(&mut scene, ann, &["origin", "HEAD:topic/y"]);
    let gone = refused(&mut scene, ann, &["origin", "HEAD~1:refs/tags/v2"]);
    assert!(gone.contains("is gone"), "{gone}");
}

#[test]
fn once_shipped_only_that_commit_goes_out() {
    let mut scene = scene();
    scene.sandbox.git("repo", ["tag", "-a", "-m", "release", "annotated"]);
    scene.works("ann", "ship");
    passes(&mut scene, "bob", &["origin", "main", "annotated"]);
    commit(&scene, "1");
    refused(&mut scene, "ann", &["origin", "main"]);
    refused(&mut scene, "ann", &["origin", "main~1:refs/tags/a", "main:refs/tags/b"]);
    let blob = scene.sandbox.git_says("repo", ["rev-parse", "HEAD:file"]);
    refused(&mut scene, "ann", &["origin", &format!("{blob}:refs/tags/blob")]);
    refused(&mut scene, "ann", &["origin", ":annotated"]);
    passes(&mut scene, "ann", &["origin", "main~1:refs/tags/a"]);
}

#[test]
fn evidence_can_be_required() {
    let mut scene = scene();
    scene.sandbox.git("repo", ["config", "conductor.evidence", "require"]);
    scene.does("ann", &["claim", "ship"]);
    passes(&mut scene, "ann", &["origin", "main:refs/tags/a"]);
    let later = commit(&scene, "1");
    let said = refused(&mut scene, "ann", &["origin", "main", "main~1:refs/tags/b"]);
    for word in ["'build'", "'bob'", &later[..12], "'file'"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    // A deletion is of no content.
    scene.sandbox.git("remote.git", ["config", "receive.denyDeleteCurrent", "ignore"]);
    passes(&mut scene, "ann", &["origin", ":refs/tags/a"]);
}

#[test]
fn what_is_guarded_is_a_setting() {
    let mut scene = scene();
    commit(&scene, "1");
    scene.sandbox.git("repo", ["config", "conductor.protect", "release/*"]);
    scene.sandbox.git("repo", ["config", "--add", "conductor.protect", "refs/heads/feature"]);
    passes(&mut scene, "ann", &["origin", "main", "v1"]);
    refused(&mut scene, "ann", &["origin", "HEAD:release/1/x"]);
    refused(&mut scene, "ann", &["origin", "feature"]);
    scene.sandbox.git("repo", ["config", "--add", "conductor.protect", ""]);
    refused(&mut scene, "ann", &["origin", "HEAD:refs/tags/x"]);
    passes(&mut scene, "ann", &["origin", "feature"]);
}

#[test]
fn where_the_default_branch_is_not_known() {
    let mut scene = scene();
    commit(&scene, "1");
    scene.sandbox.git("repo", ["config", "init.defaultBranch", "trunk"]);
    // It is known that it is none of these.
    passes(&mut scene, "ann", &["origin", "HEAD:trunk", "HEAD:master"]);
    scene.sandbox.git("repo", ["remote", "set-head", "origin", "--delete"]);
    // And now the remote says so.
    scene.sandbox.git("repo", ["commit", "-q", "--amend", "-m", "asked"]);
    passes(&mut scene, "ann", &["origin", "+HEAD:trunk", "+HEAD:master"]);
    let said = refused(&mut scene, "ann", &["origin", "HEAD:main"]);
    assert!(!said.contains("guarded by a guess"), "{said}");
    // One without any branch says nothing.
    scene.sandbox.git("remote.git", ["symbolic-ref", "HEAD", "refs/heads/none"]);
    for branch in ["trunk", "main", "master"] {
        let to = format!("+HEAD:{branch}");
        scene.sandbox.git("repo", ["commit", "-q", "--amend", "-m", branch]);
        let said = refused(&mut scene, "ann", &["origin", &to]);
        assert!(said.contains("guarded by a guess"), "{said}");
    }
}

#[test]
fn from_a_linked_worktree() {
    let mut scene = scene();
    scene.worktree("wt");
    scene.sandbox.write("wt/file", "linked\n");
    scene.sandbox.git("wt", ["commit", "-q", "-a", "-m", "linked"]);
    let to_main = &["origin", "HEAD:main"];
    assert!(!push_command(&mut scene, "ann", "wt", to_main).output().unwrap().status.success());
    std::fs::create_dir(scene.sandbox.join("wt/below")).unwrap();
    assert!(
        !push_command(&mut scene, "ann", "wt/below", to_main).output().unwrap().status.success()
    );
    scene.does("ann", &["claim", "ship"]);
    let output = push_command(&mut scene, "ann", "wt/below", to_main).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

/// A store that is named in the environment may add a refusal, and lifts none.
#[test]
fn a_store_override_lifts_nothing() {
    let mut scene = scene();
    commit(&scene, "1");
    let other = scene.sandbox.join("other").display().to_string();
    scene.does("ann", &["start", "--phases", "ship", "--store", &other]);
    scene.does("ann", &["claim", "ship", "--store", &other]);
    for (name, value) in [("GIT_CONDUCTOR_STORE", &*other), ("NANOSTACK_STORE", &other)] {
        for store in [value, "/nowhere/else"] {
            let git = push_command(&mut scene, "ann", "repo", &["origin", "main"]);
            let mut git = git;
            let output = git.env(name, store).output().unwrap();
            assert!(!output.status.success(), "{name}={store}");
            assert!(said(&output).contains("nobody holds 'ship'"), "{}", said(&output));
        }
    }
    scene.does("bob", &["claim", "ship"]);
    let mut git = push_command(&mut scene, "bob", "repo", &["origin", "main"]);
    let output = git.env("GIT_CONDUCTOR_STORE", &other).output().unwrap();
    assert!(said(&output).contains("'ship' is not yours: 'ann' claimed it"), "{}", said(&output));
    passes(&mut scene, "bob", &["origin", "main:refs/heads/topic/z"]);
}

/// An agent is known by the processes above the hook, whoever holds `ship`.
#[test]
fn from_an_agents_own_process_tree() {
    let mut scene = scene();
    commit(&scene, "1");
    scene.does("ann", &["claim", "ship"]);
    let mut claude = Fake::new(&scene.sandbox, "claude", &[]);
    let to_main =
        "if git push -q origin main; then echo '{\"exit\":0}'; else echo '{\"exit\":1}'; fi";
    assert_eq!(claude.call(to_main)["exit"], json!(1));
    scene.does("ann", &["abort", "ship"]);
    assert_eq!(claude.call(to_main)["exit"], json!(1));
    claude.ok("claim ship");
    assert_eq!(claude.call(to_main)["exit"], json!(0));
}

/// Ends a daemon that a test has begun.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn to_a_git_daemon() {
    let mut scene = scene();
    let program = scene.sandbox.git_says(".", ["--exec-path"]) + "/git-daemon";
    if !std::path::Path::new(&program).exists() {
        wanting("git daemon");
        return;
    }
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = scene.sandbox.command(".", &program);
    command.args(["--listen=127.0.0.1", "--export-all", "--enable=receive-pack", "--reuseaddr"]);
    command
        .arg(format!("--port={port}"))
        .arg(format!("--base-path={}", scene.sandbox.path().display()));
    command.arg(scene.sandbox.path()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut daemon = Daemon(command.spawn().unwrap());
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert_eq!(daemon.0.try_wait().unwrap(), None, "the daemon has ended");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let url = format!("git://127.0.0.1:{port}/remote.git");
    scene.sandbox.git("repo", ["remote", "set-url", "origin", &url]);
    commit(&scene, "1");
    refused(&mut scene, "ann", &["origin", "main"]);
    refused(&mut scene, "ann", &[&url, "main"]);
    passes(&mut scene, "ann", &["origin", "feature", "HEAD:topic"]);
    scene.does("ann", &["claim", "ship"]);
    assert!(push(&mut scene, "ann", &["origin", "main"]).status.success());
}

/// The repository is opened once, however much is pushed: nothing is asked of git for each
/// reference.
#[test]
fn many_references_cost_no_more_than_one() {
    let mut scene = scene();
    scene.does("ann", &["claim", "ship"]);
    let git = |args: &[&str]| scene.sandbox.git_says("repo", args);
    let (head, blob) = (git(&["rev-parse", "HEAD"]), git(&["rev-parse", "HEAD:file"]));
    git(&["tag", "-a", "-m", "1", "annotated"]);
    let tag = git(&["rev-parse", "annotated"]);
    let none = "0".repeat(40);
    let missing = |n: usize| format!("{n:040x}");
    let cost = |scene: &mut Scene, lines: Vec<String>| {
        let list = scene.sandbox.write("list", lines.concat());
        let trace = scene.sandbox.join("trace");
        std::fs::remove_file(&trace).ok();
        let args = ["guard", "--pre-push", "origin", "../remote.git", "--json"];
        let mut command = scene.command("ann", "repo", &args);
        command.env("GIT_TRACE2_EVENT", &trace).stdin(std::fs::File::open(list).unwrap());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let events = std::fs::read_to_string(&trace).unwrap();
        events.lines().filter(|line| line.contains("\"event\":\"start\"")).count()
    };
    let line = |n: usize, id: &str| format!("refs/tags/t{n} {id} refs/tags/t{n} {none}\n");
    let few =
        cost(&mut scene, vec![line(0, &head), line(1, &tag), line(2, &blob), line(3, &missing(3))]);
    let many = (0..400).map(|n| {
        let missing = missing(n + 1);
        line(n, [&head, &tag, &blob, &missing][n % 4])
    });
    let many = cost(&mut scene, many.collect());
    assert_eq!(few, many);
}
