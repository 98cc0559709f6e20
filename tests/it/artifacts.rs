//! `complete`: what may be handed in, how it is kept, and what is recorded beside it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::process_driver::{Agent, Answer, backdate, independent, sha256};
use crate::sandbox::Sandbox;

struct Bench {
    sandbox: Sandbox,
    me: Agent,
}

impl Bench {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.repository("repo");
        let me = Agent::new("me");
        sandbox.run("repo", &me, &["start", "--phases", &independent(20)]).ok();
        Self { sandbox, me }
    }

    fn claim(&self, phase: &str) {
        self.sandbox.run("repo", &self.me, &["claim", phase]).ok();
    }

    fn complete(&self, dir: &str, phase: &str, artifact: &str) -> Answer {
        self.sandbox.run(dir, &self.me, &["complete", phase, "--artifact", artifact])
    }

    fn phase(&self, phase: &str) -> PathBuf {
        self.sandbox.sprint("repo/.nanostack").join(phase)
    }

    fn done(&self, phase: &str) -> Value {
        serde_json::from_slice(&fs::read(self.phase(phase).join("done")).unwrap()).unwrap()
    }

    /// The pin, the link and the record of `phase` are those of `content`.
    #[track_caller]
    fn pinned(&self, phase: &str, content: &[u8], link: &str) {
        let hash = sha256(content);
        let pin = self.phase(phase).join(format!("pin.{hash}"));
        assert_eq!(fs::read(&pin).unwrap(), content);
        assert_eq!(fs::metadata(&pin).unwrap().permissions().mode() & 0o777, 0o444);
        let link = self.phase(phase).join(link);
        assert!(fs::read_link(&link).unwrap().is_relative(), "{}", link.display());
        assert_eq!(fs::read(&link).unwrap(), content);
        let done = self.done(phase);
        assert_eq!(done["artifact_sha256"], hash);
        assert_eq!(done["artifact_size"], content.len());
        let mode = fs::metadata(self.phase(phase).join("done")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o444);
    }
}

#[test]
fn what_is_kept() {
    let bench = Bench::new();
    let sandbox = &bench.sandbox;
    sandbox.git("repo", ["worktree", "add", "-q", "-b", "work", "../linked"]);
    sandbox.write("repo/out/notes.json", r#"{"a": 1}"#);
    sandbox.write("linked/deep/notes.md", "# notes\n");
    sandbox.write("repo/.nanostack/artifacts/x.json", "[]");
    sandbox.write("repo/empty", "");
    fs::create_dir_all(sandbox.join("linked/sub")).unwrap();
    for (n, (dir, artifact, content, link)) in [
        ("repo", "out/notes.json", &br#"{"a": 1}"#[..], "artifact.json"),
        ("repo/out", "notes.json", br#"{"a": 1}"#, "artifact.json"),
        ("linked/sub", "../deep/notes.md", b"# notes\n", "artifact.md"),
        ("linked", ".//deep/../deep/notes.md", b"# notes\n", "artifact.md"),
        ("repo", "../linked/deep/notes.md", b"# notes\n", "artifact.md"),
        ("linked", "../repo/.nanostack/artifacts/x.json", b"[]", "artifact.json"),
        ("repo", "empty", b"", "artifact"),
    ]
    .into_iter()
    .enumerate()
    {
        let phase = format!("p{n:03}");
        bench.claim(&phase);
        let answer = bench.complete(dir, &phase, artifact).ok();
        assert_eq!(answer.json["artifact"], artifact);
        bench.pinned(&phase, content, link);
        assert_eq!(bench.done(&phase)["artifact"], artifact);
        // Again, with the same, and asked without; another is refused.
        assert_eq!(bench.complete(dir, &phase, artifact).ok().json["again"], true);
        let plain = sandbox.run(dir, &bench.me, &["complete", &phase]).ok();
        assert_eq!(plain.json["again"], true);
        sandbox.write("repo/another", "another");
        bench.complete("repo", &phase, "another").refused("done");
        fs::remove_file(sandbox.join("repo/another")).unwrap();
    }
    // The link leads to the pin, also from an original in the store.
    for phase in ["p000", "p005"] {
        let link = fs::read_link(bench.phase(phase).join("artifact.json")).unwrap();
        let sha256 = bench.done(phase)["artifact_sha256"].as_str().unwrap().to_owned();
        assert_eq!(link, Path::new(&format!("pin.{sha256}")));
    }
}

#[test]
fn what_is_refused() {
    let bench = Bench::new();
    let sandbox = &bench.sandbox;
    sandbox.write("outside.md", "x");
    sandbox.write("repo/good.json", "{}");
    sandbox.write("repo/bad.json", "{} {");
    sandbox.write("repo/empty.json", "");
    sandbox.write("repo/large", vec![b'x'; 2049]);
    sandbox.write("repo/fits", vec![b'x'; 2048]);
    sandbox.git("repo", ["config", "conductor.maxArtifact", "2k"]);
    symlink("good.json", sandbox.join("repo/link.json")).unwrap();
    symlink(sandbox.path(), sandbox.join("repo/up")).unwrap();
    assert!(sandbox.command("repo", "mkfifo").arg("fifo").status().unwrap().success());
    bench.claim("p000");
    let outside = sandbox.join("outside.md").display().to_string();
    for (artifact, why) in [
        ("link.json", "it is a symbolic link"),
        (".", "it is not a regular file"),
        ("fifo", "it is not a regular file"),
        ("up/outside.md", "it is outside of"),
        ("../outside.md", "it is outside of"),
        (&outside, "it is outside of"),
        (".git/config", "it is in a git directory"),
        (".git/HEAD", "it is in a git directory"),
        ("bad.json", "its name ends in .json, and it is not JSON: "),
        ("empty.json", "its name ends in .json, and it is not JSON: "),
        ("large", "it is larger than 2048 bytes"),
        ("nowhere", "there is no such file"),
    ] {
        let answer = bench.complete("repo", "p000", artifact).refused("bad_artifact");
        let says = answer.json["why"].as_str().unwrap();
        assert!(says.starts_with(why), "{artifact}: {says}");
        assert_eq!(answer.json["path"], artifact);
        assert_eq!(sandbox.board("repo").state("p000"), "claimed", "{artifact}");
    }
    assert_eq!(bench.complete("repo", "p000", "").said(), (Some(129), "usage"));
    // Nothing is left of what was refused, and nobody else is told about files.
    let names: Vec<_> =
        fs::read_dir(bench.phase("p000")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| name == "lock" || name == "lock.d"), "{names:?}");
    let other = Agent::new("other");
    sandbox
        .run("repo", &other, &["complete", "p000", "--artifact", "nowhere"])
        .refused("not_owner");
    bench.complete("repo", "p000", "fits").ok();
    sandbox.git("repo", ["config", "conductor.maxArtifact", "lots"]);
    bench.claim("p001");
    assert_eq!(bench.complete("repo", "p001", "fits").said(), (Some(128), "git"));
    sandbox.git("repo", ["config", "--unset", "conductor.maxArtifact"]);
    bench.complete("repo", "p001", "large").ok();
}

#[test]
fn a_later_change_is_noticed_and_never_believed() {
    let bench = Bench::new();
    let sandbox = &bench.sandbox;
    let changed =
        |phase: &str| sandbox.board("repo").json["phases"][phase]["artifact_changed"].clone();
    for (n, how) in ["same", "size", "time", "link", "gone"].into_iter().enumerate() {
        let phase = format!("p{n:03}");
        let file = sandbox.write("repo/report.md", "as handed in");
        backdate(&file, 10);
        bench.claim(&phase);
        bench.complete("repo", &phase, "report.md").ok();
        assert_eq!(changed(&phase), false);
        match how {
            "size" => fs::write(&file, "changed").unwrap(),
            "time" => fs::write(&file, "AS HANDED IN").unwrap(),
            "link" => {
                sandbox.write("repo/other.md", "as handed in");
                fs::remove_file(&file).unwrap();
                symlink("other.md", &file).unwrap();
            }
            "gone" => fs::remove_file(&file).unwrap(),
            _ => {}
        }
        assert_eq!(changed(&phase), matches!(how, "size" | "time" | "link"), "{how}");
        bench.pinned(&phase, b"as handed in", "artifact.md");
        fs::remove_file(&file).ok();
    }
}

#[test]
fn what_of_the_repository_is_recorded() {
    let bench = Bench::new();
    let sandbox = &bench.sandbox;
    let head = sandbox.git_says("repo", ["rev-parse", "HEAD"]);
    let tree = sandbox.git_says("repo", ["rev-parse", "HEAD^{tree}"]);
    let complete = |dir: &str, n: usize, more: &[&str]| {
        let phase = format!("p{n:03}");
        bench.claim(&phase);
        let mut args = vec!["complete", &phase];
        args.extend(more);
        sandbox.run(dir, &bench.me, &args).ok();
        bench.done(&phase)
    };
    let done = complete("repo", 0, &[]);
    assert_eq!((&done["commit"], &done["tree"]), (&json!(head), &json!(tree)));
    assert_eq!((&done["branch"], &done["dirty"]), (&json!("main"), &json!(false)));
    assert_eq!(done["worktree"], sandbox.join("repo").display().to_string());
    assert_eq!((&done["agent"], &done["artifact"]), (&json!("me"), &json!("")));
    // The artifact itself makes nothing dirty; anything else does.
    sandbox.write("repo/report.md", "x");
    assert_eq!(complete("repo", 1, &["--artifact", "report.md"])["dirty"], false);
    sandbox.write("repo/more.md", "x");
    assert_eq!(complete("repo", 2, &[])["dirty"], true);
    let board = sandbox.board("repo");
    assert_eq!(board.json["phases"]["p002"]["dirty"], true);
    assert_eq!(board.json["phases"]["p002"]["commit"], head);
    // From a linked worktree: the commit and branch of where it was claimed, which is here.
    sandbox.git("repo", ["worktree", "add", "-q", "-b", "wt/build", "../linked"]);
    sandbox.git("linked", ["commit", "-q", "--allow-empty", "-m", "more"]);
    let newer = sandbox.git_says("linked", ["rev-parse", "HEAD"]);
    let done = complete("linked", 3, &[]);
    assert_eq!((&done["commit"], &done["branch"]), (&json!(head), &json!("main")));
    assert_eq!(done["dirty"], true);
    let done = complete("repo", 4, &["--commit", "wt/build"]);
    assert_eq!(done["commit"], newer);
    let done = complete("repo", 5, &["--commit", &newer[..10]]);
    assert_eq!(done["commit"], newer);
    bench.claim("p006");
    for rev in ["nowhere", "--all", "HEAD:file"] {
        let commit = format!("--commit={rev}");
        let answer = sandbox.run("repo", &bench.me, &["complete", "p006", &commit]);
        assert_eq!(answer.said(), (Some(129), "usage"), "{rev}: {answer:#?}");
        assert_eq!(sandbox.board("repo").state("p006"), "claimed");
    }
    sandbox.git("linked", ["checkout", "-q", "--detach"]);
    sandbox.run("linked", &bench.me, &["claim", "p007"]).ok();
    sandbox.run("linked", &bench.me, &["complete", "p007"]).ok();
    assert_eq!(bench.done("p007")["branch"], Value::Null);
    // An unborn branch has no commit, and that is no obstacle.
    sandbox.git(".", ["init", "-q", "unborn"]);
    sandbox.run("unborn", &bench.me, &["start", "--phases", "a:"]).ok();
    sandbox.run("unborn", &bench.me, &["claim", "a"]).ok();
    let done = sandbox.run("unborn", &bench.me, &["complete", "a"]).ok();
    assert_eq!(done.json["commit"], Value::Null);
}

#[test]
fn the_next_phase_gets_what_was_handed_over() {
    let bench = Bench::new();
    let sandbox = &bench.sandbox;
    sandbox.run("repo", &bench.me, &["start", "--phases", "plan:,build:plan"]).ok();
    sandbox.write("repo/plan.md", "the plan");
    bench.claim("plan");
    let done = bench.complete("repo", "plan", "plan.md").ok();
    assert_eq!(done.json["opened"], json!(["build"]));
    sandbox.write("repo/plan.md", "another plan altogether");
    let claimed = sandbox.run("repo", &Agent::new("two"), &["next", "--claim"]).ok();
    let input = &claimed.json["inputs"][0];
    assert_eq!((&input["phase"], &input["agent"]), (&json!("plan"), &json!("me")));
    assert_eq!(input["branch"], "main");
    let pin = input["artifact"].as_str().unwrap();
    assert_eq!(fs::read_to_string(pin).unwrap(), "the plan");
}
