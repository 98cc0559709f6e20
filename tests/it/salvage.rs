//! What a claim tells of the repository, and what is saved of an owner that is gone.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use git_conductor::git::Limit;
use git_conductor::git::salvage::{Left, Order};
use git_conductor::record::salvage::Salvage;
use serde_json::{Value, json};

use crate::handed::mkfifo;
use crate::process_driver::{Agent, Answer, backdate};
use crate::sandbox::Sandbox;

/// A repository with a linked worktree `wt` on the branch `work`, and a sprint of `build`.
struct Bench {
    sandbox: Sandbox,
}

impl Bench {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(init: &[&str]) -> Self {
        let sandbox = Sandbox::new();
        sandbox.git(".", ["init", "-q"].iter().chain(init).chain(&["repo"]));
        sandbox.commit("repo");
        sandbox.git("repo", ["worktree", "add", "-q", "-b", "work", "../wt"]);
        let bench = Self { sandbox };
        bench.run("repo", &Agent::new("lead"), &["start", "--phases", "build:"]).ok();
        bench
    }

    fn run(&self, dir: &str, agent: &Agent, args: &[&str]) -> Answer {
        self.sandbox.run(dir, agent, args)
    }

    /// `build` is claimed in `dir` by an agent that dies once `works` is done.
    fn left(&self, dir: &str, works: impl FnOnce(&Self)) {
        let mut dead = Agent::new("dead");
        self.run(dir, &dead, &["claim", "build"]).ok();
        works(self);
        dead.kill();
    }

    /// Another takes it over in `dir`: what came of that which was left.
    #[track_caller]
    fn taken(&self, dir: &str) -> Value {
        self.run(dir, &Agent::new("next"), &["claim", "build", "--takeover"]).ok().json["salvaged"]
            .clone()
    }

    /// The same where it must have been saved.
    #[track_caller]
    fn saved(&self, dir: &str) -> Value {
        let saved = self.taken(dir);
        assert_eq!((&saved["state"], &saved["missed"]), (&json!("saved"), &json!([])), "{saved}");
        saved
    }

    /// Mode and path of everything in the commit that was saved, and nothing else of it.
    fn tree(&self, saved: &Value) -> Vec<String> {
        let commit = saved["commit"].as_str().unwrap();
        let said = self.sandbox.git("repo", ["ls-tree", "-r", "-z", commit]).stdout;
        let lines = said.split(|byte| *byte == 0).filter(|line| !line.is_empty());
        let line = |line: &[u8]| {
            let line = String::from_utf8(line.to_vec()).unwrap();
            let (facts, path) = line.split_once('\t').unwrap();
            format!("{} {path}", facts.split(' ').next().unwrap())
        };
        lines.map(line).collect()
    }

    fn content(&self, saved: &Value, path: &str) -> String {
        let object = format!("{}:{path}", saved["commit"].as_str().unwrap());
        String::from_utf8(self.sandbox.git("repo", ["show", &object]).stdout).unwrap()
    }

    fn write(&self, path: &str, content: &str) -> PathBuf {
        self.sandbox.write(path, content)
    }

    fn refs(&self) -> Vec<String> {
        let said = self
            .sandbox
            .git_says("repo", ["for-each-ref", "--format=%(refname)", "refs/conductor"]);
        said.lines().map(str::to_owned).collect()
    }

    /// The record of the claim on `build`.
    fn claim(&self, store: &str) -> Value {
        let path = self.sandbox.sprint(store).join("build/lock/meta.json");
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }

    /// Lets the claim name another worktree, as a record of an older version does.
    fn names(&self, worktree: &Path) {
        self.edit(|claim| {
            claim["worktree"] = json!(worktree);
            claim.as_object_mut().unwrap().remove("git_dir");
        });
    }

    /// Changes the record of the claim on `build`.
    fn edit(&self, change: impl Fn(&mut Value)) {
        for entry in
            fs::read_dir(self.sandbox.sprint("repo/.nanostack").join("build/lock")).unwrap()
        {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let mut claim: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
                change(&mut claim);
                fs::write(&path, claim.to_string()).unwrap();
            }
        }
    }
}

/// Everything in a directory, with its time, kind and content.
fn everything(dir: &Path) -> Vec<(PathBuf, i64, i64, u32, Vec<u8>)> {
    let mut all = Vec::new();
    let mut left = vec![dir.to_owned()];
    while let Some(path) = left.pop() {
        let meta = path.symlink_metadata().unwrap();
        let content = if meta.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            Vec::new()
        } else if meta.is_symlink() {
            fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
        } else {
            fs::read(&path).unwrap()
        };
        all.push((path, meta.mtime(), meta.mtime_nsec(), meta.mode(), content));
    }
    all.sort();
    all
}

/// A name, what `git init` is told, and what is done then.
type Case<'a> = (&'a str, &'a [&'a str], &'a dyn Fn(&Sandbox));

#[test]
fn a_claim_tells_what_is_checked_out() {
    let packed = |sandbox: &Sandbox| drop(sandbox.git("repo", ["pack-refs", "--all"]));
    let cases: &[Case<'_>] = &[
        ("loose", &[], &|_| ()),
        ("packed", &[], &packed),
        ("sha256", &["--object-format=sha256"], &|_| ()),
        ("sha256, packed", &["--object-format=sha256"], &packed),
        ("reftable", &["--ref-format=reftable"], &|_| ()),
        ("slashes", &[], &|sandbox| drop(sandbox.git("repo", ["checkout", "-qb", "a/b"]))),
        ("detached", &[], &|sandbox| drop(sandbox.git("repo", ["checkout", "-q", "--detach"]))),
        ("detached reftable", &["--ref-format=reftable"], &|sandbox| {
            drop(sandbox.git("repo", ["checkout", "-q", "--detach"]));
        }),
        ("unborn", &[], &|sandbox| drop(sandbox.git("repo", ["checkout", "-q", "--orphan", "o"]))),
        ("unborn reftable", &["--ref-format=reftable"], &|sandbox| {
            drop(sandbox.git("repo", ["checkout", "-q", "--orphan", "o"]));
        }),
        ("another name", &[], &|sandbox| {
            sandbox.git("repo", ["symbolic-ref", "refs/heads/alias", "refs/heads/main"]);
            sandbox.git("repo", ["symbolic-ref", "HEAD", "refs/heads/alias"]);
        }),
    ];
    for (name, init, change) in cases {
        let bench = Bench::with(init);
        change(&bench.sandbox);
        let me = Agent::new("me");
        let commit = bench.sandbox.try_git("repo", ["rev-parse", "-q", "--verify", "HEAD"]);
        let commit = String::from_utf8(commit.stdout).unwrap().trim().to_owned();
        let branch = bench.sandbox.git_says("repo", ["branch", "--show-current"]);
        // git goes on to what that leads to.
        let branch = if *name == "another name" { "alias".to_owned() } else { branch };
        bench.run("repo", &me, &["claim", "build"]).ok();
        let claim = bench.claim("repo/.nanostack");
        let said = |field: &str| claim[field].as_str().unwrap_or_default();
        assert_eq!((said("commit"), said("branch")), (&*commit, &*branch), "{name}");
        assert_eq!(said("worktree"), bench.sandbox.join("repo").to_str().unwrap(), "{name}");
        // It stays so, whatever the owner does then: it is where the work began.
        bench.sandbox.git("repo", ["commit", "-q", "--allow-empty", "-m", "another"]);
        bench.run("repo", &me, &["claim", "build"]).ok();
        assert_eq!(bench.claim("repo/.nanostack")["commit"], claim["commit"], "{name}");
    }
}

#[test]
fn what_is_not_there_keeps_nobody_from_claiming() {
    let sandbox = Sandbox::new();
    let me = Agent::new("me");
    sandbox.repository("full");
    sandbox.git(".", ["clone", "-q", "--bare", "full", "bare"]);
    sandbox.run("bare", &me, &["start", "--phases", "build:"]).ok();
    sandbox.run("bare", &me, &["claim", "build"]).ok();
    let bench = Bench { sandbox };
    let claim = bench.claim("bare/nanostack");
    assert_eq!(claim["branch"], "main");
    assert_eq!(claim["commit"], bench.sandbox.git_says("bare", ["rev-parse", "HEAD"]));
    // Nor what is no repository, or none that is whole.
    fs::create_dir(bench.sandbox.join("plain")).unwrap();
    for args in [&["start", "--phases", "build:"][..], &["claim", "build"]] {
        let args: Vec<&str> = args.iter().copied().chain(["--store", "../plain-store"]).collect();
        bench.run("plain", &me, &args).ok();
    }
    let claim = bench.claim("plain-store");
    assert_eq!((&claim["branch"], &claim["commit"]), (&Value::Null, &Value::Null));
    let bench = Bench::new();
    bench.write("repo/.git/refs/heads/main", "no id\n");
    bench.run("repo", &me, &["claim", "build"]).ok();
    let claim = bench.claim("repo/.nanostack");
    assert_eq!((&claim["branch"], &claim["commit"]), (&json!("main"), &Value::Null));
}

#[test]
fn what_was_not_committed_is_saved_and_the_worktree_stays_as_it_is() {
    let bench = Bench::new();
    let sandbox = &bench.sandbox;
    for name in ["wt/gone", "wt/staged", "wt/sub/both", "wt/became"] {
        bench.write(name, "before\n");
    }
    bench.write("wt/.gitignore", "*.ignored\n");
    sandbox.git("wt", ["add", "."]);
    sandbox.git("wt", ["commit", "-qm", "more"]);
    bench.write("repo/.git/info/exclude", "*.excluded\n");
    bench.write("home/ignore", "*.global\n");
    sandbox.git("repo", ["config", "--global", "core.excludesFile", "~/ignore"]);
    let base = sandbox.git_says("wt", ["rev-parse", "HEAD"]);
    bench.left("wt", |bench| {
        sandbox.git("wt", ["commit", "-q", "--allow-empty", "-m", "one"]);
        sandbox.git("wt", ["commit", "-q", "--allow-empty", "-m", "two"]);
        for ignored in ["a.ignored", "a.excluded", "a.global"] {
            bench.write(&format!("wt/{ignored}"), "secret\n");
        }
        fs::remove_file(sandbox.join("wt/gone")).unwrap();
        bench.write("wt/staged", "staged\n");
        sandbox.git("wt", ["add", "staged"]);
        bench.write("wt/sub/both", "staged\n");
        sandbox.git("wt", ["add", "sub/both"]);
        bench.write("wt/sub/both", "after\n");
        bench.write("wt/staged-gone", "x");
        sandbox.git("wt", ["add", "staged-gone"]);
        fs::remove_file(sandbox.join("wt/staged-gone")).unwrap();
        bench.write("wt/intended", "intended\n");
        sandbox.git("wt", ["add", "--intent-to-add", "intended"]);
        bench.write("wt/new\nline \"é", "odd\n");
        fs::remove_file(sandbox.join("wt/became")).unwrap();
        bench.write("wt/became/a-directory", "x");
        let tool = bench.write("wt/tool", "#!/bin/sh\n");
        fs::set_permissions(tool, fs::Permissions::from_mode(0o755)).unwrap();
        symlink("/nowhere", sandbox.join("wt/link")).unwrap();
        // A store of its own, as older scripts have it, and repositories with and without a commit.
        bench.write("wt/.nanostack/conductor/x", "not this");
        sandbox.git("wt", ["init", "-q", "empty-repository"]);
        sandbox.repository("wt/repository");
    });
    let before =
        (everything(&sandbox.join("wt")), everything(&sandbox.join("repo/.git/worktrees")));
    let saved = bench.saved("repo");
    let after = (everything(&sandbox.join("wt")), everything(&sandbox.join("repo/.git/worktrees")));
    assert!(before == after, "neither the worktree nor its index is touched");
    assert_eq!(
        bench.tree(&saved),
        [
            "100644 .gitignore",
            "100644 became/a-directory",
            "100644 file",
            "100644 intended",
            "120000 link",
            "100644 new\nline \"é",
            "100644 staged",
            "100644 sub/both",
            "100755 tool",
        ]
    );
    assert_eq!(bench.content(&saved, "sub/both"), "after\n");
    assert_eq!(bench.content(&saved, "staged"), "staged\n");
    let head = sandbox.git_says("wt", ["rev-parse", "HEAD"]);
    let parents =
        sandbox.git_says("repo", ["log", "-1", "--format=%P", saved["ref"].as_str().unwrap()]);
    assert_eq!(parents, head);
    for (field, value) in [
        ("files", json!(9)),
        ("commits", json!(2)),
        ("base", json!(base)),
        ("head", json!(head)),
        ("branch", json!("work")),
        ("agent", json!("dead")),
        ("worktree", json!(sandbox.join("wt"))),
        ("number", json!(1)),
    ] {
        assert_eq!(saved[field], value, "{field}");
    }
    let reference = saved["ref"].as_str().unwrap();
    let sprint = sandbox.sprint("repo/.nanostack");
    let sprint = sprint.file_name().unwrap().to_str().unwrap();
    assert_eq!(reference, format!("refs/conductor/salvage/{sprint}/build/1"));
    let message = sandbox.git_says("repo", ["log", "-1", "--format=%(trailers:only)", reference]);
    assert!(message.contains("Conductor-Agent: dead\n"), "{message}");
    let token = bench.claim("repo/.nanostack")["token"].as_str().unwrap().to_owned();
    let whole = sandbox.git_says("repo", ["cat-file", "commit", reference]);
    assert!(!whole.contains(&token) && !whole.contains("token"), "{whole}");
    // Nothing of ours stays behind, and nobody's branches know of it.
    let ours = fs::read_dir(sandbox.join("repo/.git/conductor")).unwrap();
    assert_eq!(ours.map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>(), ["store"]);
    assert_eq!(sandbox.git_says("repo", ["branch", "--contains", reference]), "");
    // It can be had back.
    sandbox.git("repo", ["merge", "-q", "--ff-only", "work"]);
    sandbox.git("repo", ["cherry-pick", "--no-commit", reference]);
    assert_eq!(fs::read_to_string(sandbox.join("repo/sub/both")).unwrap(), "after\n");
    assert!(!sandbox.join("repo/gone").exists());
}

#[test]
fn what_is_committed_is_only_told() {
    let bench = Bench::new();
    bench.left("wt", |bench| {
        bench.sandbox.git("wt", ["commit", "-q", "--allow-empty", "-m", "done"]);
        bench.write("wt/.nanostack/x", "a store is no work");
    });
    let next = Agent::new("next");
    let mut command = bench.sandbox.command("repo", crate::process_driver::BINARY);
    let output =
        command.args(["claim", "build", "--takeover"]).args(next.options()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let wt = bench.sandbox.join("wt");
    let line = format!(
        "it worked in '{}' on work, with 1 commit since it claimed; \
         nothing uncommitted was found there, repositories inside of it aside\n",
        wt.display()
    );
    assert!(said.contains(&line), "{said}");
    assert_eq!(bench.refs(), [] as [&str; 0]);
}

#[test]
fn in_the_middle_of_a_merge_under_a_lock_of_the_dead() {
    let bench = Bench::new();
    let sandbox = &bench.sandbox;
    for (dir, content) in [("repo", "ours\n"), ("wt", "theirs\n")] {
        bench.write(&format!("{dir}/file"), content);
        sandbox.git(dir, ["commit", "-qam", "change"]);
    }
    bench.left("wt", |bench| {
        assert!(!bench.sandbox.try_git("wt", ["merge", "-q", "main"]).status.success());
        bench.write("repo/.git/worktrees/wt/index.lock", "");
    });
    let saved = bench.saved("repo");
    let content = bench.content(&saved, "file");
    assert!(content.contains("<<<<<<<") && content.contains("theirs\n"), "{content}");
    let unmerged = sandbox.git_says("wt", ["ls-files", "-u"]);
    assert_eq!(unmerged.lines().count(), 3, "{unmerged}");
    assert!(sandbox.join("repo/.git/worktrees/wt/index.lock").exists());
}

#[test]
fn what_is_not_checked_out_is_not_deleted() {
    for sparse_index in [false, true] {
        let bench = Bench::new();
        let sandbox = &bench.sandbox;
        for name in ["wt/in/a", "wt/out/b", "wt/out/deep/c"] {
            bench.write(name, "before\n");
        }
        sandbox.git("wt", ["add", "."]);
        sandbox.git("wt", ["commit", "-qm", "more"]);
        let index = if sparse_index { "--sparse-index" } else { "--no-sparse-index" };
        sandbox.git("wt", ["sparse-checkout", "set", "--cone", index, "in"]);
        assert!(!sandbox.join("wt/out").exists());
        bench.left("wt", |bench| {
            bench.write("wt/in/a", "after\n");
            bench.write("wt/elsewhere/new", "outside of the cone\n");
        });
        let saved = bench.saved("repo");
        assert_eq!(saved["files"], 2);
        assert_eq!(
            bench.tree(&saved),
            [
                "100644 elsewhere/new",
                "100644 file",
                "100644 in/a",
                "100644 out/b",
                "100644 out/deep/c"
            ]
        );
    }
    // Nor where nothing was ever checked out.
    let bench = Bench::new();
    bench.sandbox.git("repo", ["worktree", "add", "-q", "--no-checkout", "-b", "bare", "../none"]);
    bench.left("none", |bench| drop(bench.write("none/new", "new\n")));
    assert_eq!(bench.tree(&bench.saved("repo")), ["100644 file", "100644 new"]);
}

#[test]
fn a_change_in_the_moment_of_the_index_is_seen() {
    let bench = Bench::new();
    let index = bench.sandbox.join("repo/.git/worktrees/wt/index");
    // Which would tell as well, and cannot be set.
    bench.sandbox.git("repo", ["config", "core.trustctime", "false"]);
    bench.left("wt", |bench| {
        // As long as before, and of the very time that the index has: only the content tells.
        let file = bench.write("wt/file", "CONTENT\n");
        let times = |path: &Path| {
            let modified = path.metadata().unwrap().modified().unwrap();
            fs::FileTimes::new().set_modified(modified)
        };
        backdate(&file, 3600);
        bench.sandbox.git("wt", ["add", "file"]);
        let then = times(&file);
        fs::write(&file, "Content\n").unwrap();
        for path in [&file, &index] {
            fs::File::options().write(true).open(path).unwrap().set_times(then).unwrap();
        }
    });
    assert_eq!(bench.content(&bench.saved("repo"), "file"), "Content\n");
}

#[test]
fn the_same_worktree_and_the_same_agent() {
    let bench = Bench::new();
    bench.left("repo", |bench| drop(bench.write("repo/new", "new\n")));
    let saved = bench.saved("repo");
    assert_eq!(bench.tree(&saved), ["100644 file", "100644 new"]);
    assert!(bench.sandbox.join("repo/new").exists());

    // Who goes on where it was has everything.
    let bench = Bench::new();
    let mut me = Agent::new("me");
    bench.run("wt", &me, &["claim", "build"]).ok();
    bench.write("wt/new", "new\n");
    me.restart();
    let again = bench.run("wt", &me, &["claim", "build"]).ok();
    assert_eq!((&again.json["salvaged"], bench.refs().len()), (&Value::Null, 0));
    // Who goes on elsewhere has not.
    me.restart();
    let elsewhere = bench.run("repo", &me, &["claim", "build"]).ok();
    assert_eq!(elsewhere.json["salvaged"]["state"], "saved");
}

/// The path of a worktree that was moved is looked up by its own git directory.
#[test]
fn what_lies_in_a_worktree_that_was_moved_is_saved() {
    let bench = Bench::new();
    bench.left("wt", |bench| {
        bench.write("wt/new", "new\n");
        bench.sandbox.git("repo", ["worktree", "move", "../wt", "../moved"]);
    });
    // Who is told of it before is sent there.
    let refused = bench.run("repo", &Agent::new("next"), &["claim", "build"]).refused("claimed");
    assert!(refused.err.contains("/moved'"), "{}", refused.err);
    let saved = bench.saved("repo");
    assert_eq!(bench.tree(&saved), ["100644 file", "100644 new"]);
    assert_eq!(saved["worktree"], json!(bench.sandbox.join("moved")));
    // Moved by hand, and made known to git.
    let bench = Bench::new();
    bench.left("wt", |bench| {
        bench.write("wt/new", "new\n");
        fs::rename(bench.sandbox.join("wt"), bench.sandbox.join("hand")).unwrap();
        bench.sandbox.git("repo", ["worktree", "repair", "../hand"]);
    });
    assert_eq!(bench.saved("repo")["worktree"], json!(bench.sandbox.join("hand")));
    // Removed for good, and its name given to another one, which is nobody's that is gone.
    let bench = Bench::new();
    bench.left("wt", |bench| {
        bench.edit(|claim| claim["claimed_at"] = json!("2026-01-01T00:00:00Z"));
        bench.sandbox.git("repo", ["worktree", "remove", "--force", "../wt"]);
        bench.sandbox.git("repo", ["worktree", "add", "-q", "-b", "two", "../sub/wt"]);
        bench.write("sub/wt/secret", "another's\n");
    });
    assert_eq!(bench.taken("repo")["state"], "foreign");
    assert_eq!(bench.refs(), [] as [&str; 0]);
}

/// What it is called, and what makes git slow.
type Slow<'a> = (&'a str, &'a dyn Fn(&Bench));

/// Whatever does not come to an end is ended, and the claim stands.
#[test]
fn nothing_holds_a_claim_up() {
    // A pipe in place of the index is seen at once.
    let bench = Bench::new();
    bench.left("wt", |bench| {
        let index = bench.sandbox.join("repo/.git/worktrees/wt/index");
        fs::remove_file(&index).unwrap();
        mkfifo(&index);
    });
    let left = bench.taken("repo");
    assert_eq!(left["state"], "failed");
    assert!(left["error"].as_str().unwrap().contains("not a regular file"), "{left}");

    // A filter that never ends, and pipes that git reads itself.
    let slow: &[Slow<'_>] = &[
        ("filter", &|bench| {
            bench.sandbox.git("repo", ["config", "filter.slow.clean", "sleep 600; cat"]);
            bench.write("wt/.gitattributes", "*.slow filter=slow\n");
            bench.write("wt/a.slow", "new\n");
        }),
        ("ignored", &|bench| mkfifo(&bench.sandbox.join("wt/.gitignore"))),
        ("attributes", &|bench| {
            bench.write("wt/sub/new", "new\n");
            mkfifo(&bench.sandbox.join("wt/sub/.gitattributes"));
        }),
        ("head", &|bench| {
            let head = bench.sandbox.join("repo/.git/worktrees/wt/HEAD");
            fs::remove_file(&head).unwrap();
            mkfifo(&head);
        }),
    ];
    for (what, make) in slow {
        let bench = Bench::new();
        bench.sandbox.git("repo", ["config", "conductor.gitTimeout", "1s"]);
        bench.left("wt", |bench| make(bench));
        let left = bench.taken("repo");
        let known =
            left["state"] == "failed" || (*what == "attributes" && left["state"] == "saved");
        assert!(known, "{what}: {left}");
        if left["state"] == "failed" {
            let error = left["error"].as_str().unwrap();
            assert!(error.contains("took longer than 1s (conductor.gitTimeout)"), "{what}: {left}");
        }
        assert_eq!(bench.claim("repo/.nanostack")["agent"], "next", "{what}");
        let ours = fs::read_dir(bench.sandbox.join("repo/.git/conductor")).unwrap();
        assert_eq!(ours.count(), 1, "{what}: nothing stays behind");
    }
    let bench = Bench::new();
    bench.sandbox.git("repo", ["config", "conductor.gitTimeout", "0s"]);
    bench.left("wt", |bench| drop(bench.write("wt/new", "new\n")));
    let left = bench.taken("repo");
    assert!(left["error"].as_str().unwrap().contains("conductor.gitTimeout"), "{left}");
}

/// Marks of work that is to be saved are what a command left that was killed.
#[test]
fn what_a_killed_command_was_to_save_is_made_up_for() {
    let due = |bench: &Bench| {
        let past = bench.sandbox.sprint("repo/.nanostack").join("build/past");
        let entries = fs::read_dir(past).into_iter().flatten().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.to_str().unwrap().contains("/due.")).collect::<Vec<_>>()
    };
    // Puts the mark back that a command left that was killed before it had saved anything.
    let killed = |bench: &Bench, maker: &dyn Fn(&mut Value)| {
        let mut claim = bench.claim("repo/.nanostack");
        let token = "5".repeat(32);
        claim["token"] = json!(token);
        claim["agent"] = json!("dead");
        claim["worktree"] = json!(bench.sandbox.join("wt"));
        claim.as_object_mut().unwrap().remove("git_dir");
        let unique = "7".repeat(32);
        let mut process = claim["process"].clone();
        process["pid"] = json!(i32::MAX);
        let mut due = json!({"v": 1, "by": "me", "claim": claim, "unique": unique,
            "maker": {"process": process}, "at": jiff::Timestamp::now()});
        maker(&mut due);
        let past = bench.sandbox.sprint("repo/.nanostack").join("build/past");
        fs::create_dir_all(&past).unwrap();
        fs::write(past.join(format!("due.{token}")), due.to_string()).unwrap();
        bench.write(&format!("repo/.git/conductor/salvage.{unique}/index"), "half");
    };
    let bench = || {
        let bench = Bench::new();
        let me = Agent::new("me");
        bench.run("repo", &me, &["claim", "build"]).ok();
        bench.write("wt/new", "new\n");
        (bench, me)
    };
    let check = |bench: &Bench, made_up: &Value| {
        assert_eq!(made_up[0]["state"], json!("saved"), "{made_up}");
        assert_eq!(bench.tree(&made_up[0]), ["100644 file", "100644 new"]);
        assert_eq!(due(bench), [] as [PathBuf; 0]);
        let ours = fs::read_dir(bench.sandbox.join("repo/.git/conductor")).unwrap();
        assert_eq!(ours.count(), 1, "what it left is gone too");
        assert_eq!(bench.refs().len(), 1);
    };
    for args in [&["claim", "build"][..], &["complete", "build"]] {
        let (bench, me) = bench();
        killed(&bench, &|_| ());
        check(&bench, &bench.run("repo", &me, args).ok().json["made_up"]);
        let again = bench.run("repo", &me, args).ok();
        assert_eq!(again.json["made_up"], json!([]), "it is done once");
    }
    // After the owner has given up, whoever is next; and who frees it.
    let (bench_, me) = bench();
    killed(&bench_, &|_| ());
    bench_.run("repo", &me, &["abort"]).ok();
    let next = bench_.run("repo", &Agent::new("next"), &["next", "--claim"]).ok();
    check(&bench_, &next.json["made_up"]);
    let (bench_, me) = bench();
    killed(&bench_, &|_| ());
    bench_.run("repo", &me, &["abort"]).ok();
    check(&bench_, &bench_.run("repo", &me, &["unstuck", "build"]).ok().json["made_up"]);

    // People are told.
    let (bench_, me) = bench();
    killed(&bench_, &|_| ());
    let mut command = bench_.sandbox.command("repo", crate::process_driver::BINARY);
    let output = command.args(["claim", "build"]).args(me.options()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("was to save what 'dead' left of 'build' was killed"), "{said}");

    // What is being saved at this moment is left to who does so; what nobody can see, for some
    // minutes.
    for (what, maker, made_up) in [
        ("alive", json!({"process": null}), 0),
        ("unknown, now", json!({"process": {"pid": 1}}), 0),
        ("unknown, before", json!({"process": {"pid": 1}}), 1),
    ] {
        let (bench, me) = bench();
        let alive = Agent::new("saver");
        bench.run("repo", &alive, &["claim", "build"]).refused("claimed");
        killed(&bench, &|due| {
            if what == "alive" {
                // The owner is, and its record is at hand.
                due["maker"]["process"] = bench.claim("repo/.nanostack")["process"].clone();
            } else {
                due["maker"] = maker.clone();
            }
            if what == "unknown, before" {
                due["at"] = json!("2026-01-01T00:00:00Z");
            }
        });
        let said = bench.run("repo", &me, &["claim", "build"]).ok();
        assert_eq!(said.json["made_up"].as_array().unwrap().len(), made_up, "{what}: {said:?}");
        assert_eq!(due(&bench).len(), 1 - made_up, "{what}");
    }
    // What cannot be understood, and what names a file that is not there to be made, harms nobody.
    for content in ["", "{", "[]", r#"{"claim":{"token":"x"}}"#] {
        let (bench, me) = bench();
        killed(&bench, &|_| ());
        fs::write(&due(&bench)[0], content).unwrap();
        let said = bench.run("repo", &me, &["claim", "build"]).ok();
        assert_eq!(said.json["made_up"], json!([]), "{content}");
    }
    let (bench_, me) = bench();
    killed(&bench_, &|due| due["unique"] = json!("../../../victim"));
    bench_.write("victim/file", "mine\n");
    bench_.run("repo", &me, &["claim", "build"]).ok();
    assert!(bench_.sandbox.join("victim/file").exists());
}

/// What the owner of `claim` left is to be saved, by a command that was killed.
fn owed(bench: &Bench, claim: &Value) {
    let mut process = claim["process"].clone();
    process["pid"] = json!(i32::MAX);
    let due = json!({"v": 1, "claim": claim, "unique": "7".repeat(32),
        "maker": {"process": process}});
    let past = bench.sandbox.sprint("repo/.nanostack").join("build/past");
    let token = claim["token"].as_str().unwrap();
    fs::write(past.join(format!("due.{token}")), due.to_string()).unwrap();
}

/// Nobody looks for what is owed in a sprint that has ended.
#[test]
fn what_is_owed_is_saved_when_the_sprint_ends() {
    for end in [&["archive"][..], &["start", "--force", "--phases", "build:"]] {
        let bench = Bench::new();
        bench.left("wt", |bench| drop(bench.write("wt/new", "new\n")));
        let claim = bench.claim("repo/.nanostack");
        let me = Agent::new("me");
        bench.run("repo", &me, &["claim", "build", "--takeover"]).ok();
        for name in bench.refs() {
            bench.sandbox.git("repo", ["update-ref", "-d", &name]);
        }
        owed(&bench, &claim);
        bench.run("repo", &me, &["abort", "build"]).ok();
        let ended = bench.run("repo", &me, end).ok();
        assert_eq!(ended.json["made_up"][0]["state"], "saved", "{end:?}: {ended:?}");
        assert_eq!(bench.refs().len(), 1, "{end:?}");
    }
}

/// Who was killed between saving and saying so has saved it all the same.
#[test]
fn nothing_is_saved_twice() {
    let bench = Bench::new();
    bench.left("wt", |bench| drop(bench.write("wt/new", "new\n")));
    let claim = bench.claim("repo/.nanostack");
    let me = Agent::new("me");
    let taken_over = bench.run("repo", &me, &["claim", "build", "--takeover"]).ok();
    owed(&bench, &claim);
    let again = bench.run("repo", &me, &["claim", "build"]).ok();
    assert_eq!(again.json["made_up"][0]["ref"], taken_over.json["salvaged"]["ref"]);
    assert_eq!(bench.refs().len(), 1);
}

#[test]
fn a_record_opens_nothing_but_worktrees_of_the_repository() {
    let bench = Bench::new();
    let sandbox = &bench.sandbox;
    bench.write("victim/secret", "secret\n");
    sandbox.repository("another");
    sandbox.git("another", ["worktree", "add", "-q", "../their-wt"]);
    for dir in ["another", "their-wt", "repo/sub"] {
        bench.write(&format!("{dir}/secret"), "secret\n");
    }
    // One that says that it belongs here, and that the repository knows nothing of.
    bench.write(
        "planted/.git",
        &format!("gitdir: {}/.git/worktrees/wt\n", sandbox.join("repo").display()),
    );
    bench.write("planted/secret", "secret\n");
    symlink(sandbox.join("wt"), sandbox.join("link")).unwrap();
    let me = Agent::new("me");
    let left = |place: &str| {
        let mut dead = Agent::new("dead");
        bench.run("repo", &dead, &["claim", "build"]).ok();
        bench.names(&bench.sandbox.join(place));
        dead.kill();
        let taken = bench.run("repo", &me, &["claim", "build", "--takeover"]).ok();
        bench.run("repo", &me, &["abort"]).ok();
        taken.json["salvaged"]["state"].as_str().unwrap().to_owned()
    };
    for place in
        ["victim", "another", "their-wt", "repo/sub", "planted", "link", "repo/.git/../../wt", ""]
    {
        assert_eq!(left(place), "foreign", "{place}");
    }
    // The worktree itself leads to another repository now, or is not there, or a link to another
    // place.
    bench.write("wt/new", "new\n");
    let gitfile = sandbox.join("wt/.git");
    let ours = fs::read(&gitfile).unwrap();
    fs::copy(sandbox.join("their-wt/.git"), &gitfile).unwrap();
    assert_eq!(left("wt"), "foreign");
    fs::write(&gitfile, &ours).unwrap();
    fs::rename(sandbox.join("wt"), sandbox.join("moved")).unwrap();
    assert_eq!(left("wt"), "gone");
    symlink(sandbox.join("victim"), sandbox.join("wt")).unwrap();
    assert_eq!(left("wt"), "foreign");
    fs::remove_file(sandbox.join("wt")).unwrap();
    symlink(sandbox.join("moved"), sandbox.join("wt")).unwrap();
    assert_eq!(left("wt"), "foreign");
    assert_eq!(bench.refs(), [] as [&str; 0]);
    // It was all for these reasons.
    fs::remove_file(sandbox.join("wt")).unwrap();
    fs::rename(sandbox.join("moved"), sandbox.join("wt")).unwrap();
    assert_eq!(left("wt"), "saved");
}

#[test]
fn nothing_of_the_repositorys_own_runs_and_nobody_need_be_known() {
    let bench = Bench::new();
    let sandbox = &bench.sandbox;
    for hook in ["post-index-change", "reference-transaction", "pre-commit", "fsmonitor"] {
        let script = format!("#!/bin/sh\necho ran >>'{}'\n", sandbox.join("ran").display());
        let path = bench.write(&format!("repo/.git/hooks/{hook}"), &script);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let fsmonitor = sandbox.join("repo/.git/hooks/fsmonitor");
    for (key, value) in [
        ("core.fsmonitor", fsmonitor.to_str().unwrap()),
        ("core.untrackedCache", "true"),
        ("core.splitIndex", "true"),
        ("core.safecrlf", "true"),
        ("core.autocrlf", "input"),
        ("commit.gpgSign", "true"),
        ("user.useConfigOnly", "true"),
        ("diff.external", "false"),
    ] {
        sandbox.git("repo", ["config", key, value]);
    }
    sandbox.git("wt", ["update-index", "--split-index"]);
    bench.left("wt", |bench| drop(bench.write("wt/new", "one\r\ntwo\r\n")));
    fs::remove_file(sandbox.join("ran")).ok();
    for key in ["user.name", "user.email"] {
        sandbox.git("repo", ["config", "--global", "--unset", key]);
    }
    fs::remove_file(sandbox.join("ran")).ok();
    let before = everything(&sandbox.join("repo/.git/worktrees/wt"));
    let saved = bench.saved("repo");
    assert!(!sandbox.join("ran").exists(), "{}", fs::read_to_string(sandbox.join("ran")).unwrap());
    let index = |all: &[(PathBuf, i64, i64, u32, Vec<u8>)]| {
        all.iter().find(|(path, ..)| path.ends_with("index")).cloned().unwrap()
    };
    assert!(index(&before) == index(&everything(&sandbox.join("repo/.git/worktrees/wt"))));
    assert_eq!(bench.content(&saved, "new"), "one\ntwo\n");
    let reference = saved["ref"].as_str().unwrap();
    let who = sandbox.git_says("repo", ["log", "-1", "--format=%an <%ae> %cn", reference]);
    assert_eq!(who, "git conductor <conductor@localhost> git conductor");
    let look = bench.run("repo", &Agent::new("me"), &["salvage", "show"]).ok();
    assert!(look.json["diff"].as_str().unwrap().contains("+one\n+two\n"), "{look:?}");
}

#[test]
fn any_kind_of_repository_and_of_head() {
    for init in [
        &["--object-format=sha256"][..],
        &["--ref-format=reftable"],
        &["--object-format=sha256", "--ref-format=reftable"],
    ] {
        let bench = Bench::with(init);
        bench.left("wt", |bench| drop(bench.write("wt/new", "new\n")));
        let saved = bench.saved("repo");
        assert_eq!(bench.tree(&saved), ["100644 file", "100644 new"], "{init:?}");
        let list = bench.run("repo", &Agent::new("me"), &["salvage"]).ok();
        assert_eq!(list.json["salvage"][0]["ref"], saved["ref"], "{init:?}");
    }
    let bench = Bench::new();
    bench.left("wt", |bench| {
        bench.sandbox.git("wt", ["checkout", "-q", "--detach"]);
        bench.write("wt/new", "new\n");
    });
    let saved = bench.saved("repo");
    assert_eq!((&saved["branch"], &saved["commits"]), (&Value::Null, &json!(0)));

    let bench = Bench::new();
    bench.left("wt", |bench| {
        bench.sandbox.git("wt", ["checkout", "-q", "--orphan", "fresh"]);
    });
    let saved = bench.saved("repo");
    assert_eq!((&saved["branch"], &saved["head"]), (&json!("fresh"), &Value::Null));
    assert_eq!((&saved["files"], bench.tree(&saved)), (&json!(1), vec!["100644 file".to_owned()]));
    let look = bench.run("repo", &Agent::new("me"), &["salvage", "show", "build"]).ok();
    assert!(look.json["diff"].as_str().unwrap().contains("+content\n"), "{look:?}");
}

#[test]
fn submodules_are_not_entered() {
    let bench = Bench::new();
    let sandbox = &bench.sandbox;
    sandbox.repository("library");
    sandbox.git("wt", ["submodule", "--quiet", "add", "../library", "library"]);
    sandbox.git("wt", ["commit", "-qm", "a submodule"]);
    bench.left("wt", |bench| {
        sandbox.git("wt/library", ["commit", "-q", "--allow-empty", "-m", "further"]);
        bench.write("wt/library/dirty", "dirty\n");
    });
    let before = everything(&sandbox.join("repo/.git/worktrees/wt"));
    let saved = bench.saved("repo");
    assert!(before == everything(&sandbox.join("repo/.git/worktrees/wt")));
    assert_eq!(bench.tree(&saved), ["100644 .gitmodules", "100644 file", "160000 library"]);
    let head = sandbox.git_says("wt/library", ["rev-parse", "HEAD"]);
    let link = format!("{}:library", saved["commit"].as_str().unwrap());
    assert_eq!(sandbox.git_says("repo", ["rev-parse", &link]), head);
}

#[test]
fn who_claims_later_is_told_too() {
    let bench = Bench::new();
    let (me, two) = (Agent::new("me"), Agent::new("two"));
    bench.left("wt", |bench| drop(bench.write("wt/new", "new\n")));
    let freed = bench.run("repo", &me, &["unstuck", "build"]).ok();
    assert_eq!(freed.json["salvaged"]["state"], "saved");
    let claimed = bench.run("repo", &me, &["next", "--claim"]).ok();
    assert_eq!(claimed.json["salvaged"], Value::Null);
    assert_eq!(claimed.json["salvage"][0]["ref"], freed.json["salvaged"]["ref"]);
    // Renewing is no news.
    assert_eq!(bench.run("repo", &me, &["claim", "build"]).ok().json["salvage"], json!([]));

    // Somebody who may be at work is left alone.
    let freed = bench.run("repo", &two, &["unstuck", "build", "--force"]).ok();
    assert_eq!(freed.json["salvaged"]["state"], "alive");
    assert_eq!(bench.refs().len(), 1);
    bench.left("wt", |_| ());
    let taken = bench.run("repo", &me, &["claim", "build", "--takeover"]).ok();
    assert_eq!(taken.json["salvaged"]["number"], 2);
    assert_eq!(taken.json["salvage"].as_array().unwrap().len(), 1);
    let nobody = bench.run("repo", &me, &["abort", "build"]).ok();
    assert_eq!(nobody.json["salvaged"], Value::Null);

    // An owner that gave up has left nothing behind that anybody would look for.
    let bench = Bench::new();
    bench.run("repo", &me, &["claim", "build"]).ok();
    bench.run("repo", &me, &["abort", "build"]).ok();
    let reference = format!(
        "refs/conductor/salvage/{}/build/1",
        bench.sandbox.sprint("repo/.nanostack").file_name().unwrap().to_str().unwrap()
    );
    bench.sandbox.git("repo", ["update-ref", &reference, "HEAD"]);
    assert_eq!(bench.run("repo", &me, &["claim", "build"]).ok().json["salvage"], json!([]));
}

#[test]
fn what_cannot_be_saved_is_told_and_undoes_nothing() {
    let settings: &[(&str, &str, &str)] = &[
        ("conductor.maxSalvage", "0", "off"),
        ("conductor.maxSalvage", "often", "failed"),
        ("conductor.maxSalvage", "1", "failed"),
        // A filter that must work, and does not.
        ("filter.odd.required", "true", "saved"),
    ];
    for (key, value, state) in settings {
        let bench = Bench::new();
        bench.sandbox.git("repo", ["config", key, value]);
        bench.sandbox.git("repo", ["config", "filter.odd.clean", "false"]);
        bench.write("wt/.gitattributes", "*.odd filter=odd\n");
        // As many as of a program that is not installed here.
        let names: Vec<String> = (10..35).map(|n| format!("{n}.odd")).collect();
        bench.left("wt", |bench| {
            bench.write("wt/innocent", "new\n");
            for name in &names {
                bench.write(&format!("wt/{name}"), "new\n");
            }
        });
        let left = bench.taken("repo");
        assert_eq!(left["state"], *state, "{left}");
        match *state {
            "failed" => {
                assert!(left["error"].as_str().unwrap().contains("conductor.maxSalvage"), "{left}");
                assert_eq!(left["code"], "git");
            }
            "saved" => {
                assert_eq!(left["missed"], json!(names));
                assert_eq!(bench.content(&left, "innocent"), "new\n");
            }
            _ => {}
        }
        assert_eq!(bench.claim("repo/.nanostack")["agent"], "next");
        let kept = usize::from(*state == "saved");
        assert_eq!(bench.refs().len(), kept);
    }
    // One that no repository may have, and all the others.
    let bench = Bench::new();
    bench.left("wt", |bench| {
        for name in ["a", "git~1", "z"] {
            bench.write(&format!("wt/{name}"), "new\n");
        }
    });
    let saved = bench.taken("repo");
    assert_eq!(saved["missed"], json!(["git~1"]), "{saved}");
    assert_eq!(bench.tree(&saved), ["100644 a", "100644 file", "100644 z"]);
    // The reference cannot be made.
    let bench = Bench::new();
    bench.left("wt", |bench| drop(bench.write("wt/new", "new\n")));
    let sprint = bench.sandbox.sprint("repo/.nanostack");
    let parent =
        format!("refs/conductor/salvage/{}", sprint.file_name().unwrap().to_str().unwrap());
    bench.sandbox.git("repo", ["update-ref", &parent, "HEAD"]);
    let left = bench.taken("repo");
    assert_eq!((&left["state"], &left["ref"]), (&json!("failed"), &Value::Null), "{left}");
}

#[test]
fn what_a_killed_command_left_is_swept() {
    let bench = Bench::new();
    for name in ["salvage.old", "salvage.new"] {
        bench.write(&format!("repo/.git/conductor/{name}/index"), "");
    }
    backdate(bench.sandbox.join("repo/.git/conductor/salvage.old"), 7200);
    bench.left("wt", |bench| drop(bench.write("wt/new", "new\n")));
    bench.saved("repo");
    let there = |name: &str| bench.sandbox.join("repo/.git/conductor").join(name).exists();
    assert!(!there("salvage.old") && there("salvage.new") && there("store"));
}

#[test]
fn who_saves_at_once_gets_another_number() {
    let bench = Bench::new();
    bench.write("wt/new", "new\n");
    let worktree = bench.sandbox.join("wt").to_str().unwrap().to_owned();
    let save = |n: u32| {
        let left = bench.sandbox.repo("repo").salvage(Order {
            salvage: Salvage {
                sprint: "0123456789ab-20261122-091502".to_owned(),
                phase: "build".to_owned(),
                agent: format!("dead-{n}"),
                worktree: Some(worktree.clone()),
                ..Salvage::default()
            },
            git_dir: None,
            store: &bench.sandbox.join("repo/.nanostack"),
            limit: u64::MAX,
            time: Limit::within(Duration::from_secs(600)),
            unique: &n.to_string(),
            killed: &[],
            now: jiff::Timestamp::UNIX_EPOCH,
            pause: &|_| std::thread::yield_now(),
        });
        match left {
            Ok(Left::Saved { salvage, .. }) => salvage.number,
            other => panic!("{other:?}"),
        }
    };
    let mut numbers: Vec<u64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..6).map(|n| scope.spawn(move || save(n))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    assert_eq!(bench.refs().len(), 6);
}

#[test]
fn they_are_listed_shown_and_dropped() {
    let bench = Bench::new();
    let (me, sandbox) = (Agent::new("me"), &bench.sandbox);
    let ask = |args: &[&str]| bench.run("wt", &me, args);
    assert_eq!(ask(&["salvage"]).ok().json["salvage"], json!([]));
    ask(&["salvage", "show"]).refused("unknown_salvage");
    for content in ["one", "two"] {
        bench.left("wt", |bench| drop(bench.write("wt/new", content)));
        ask(&["unstuck", "build"]).ok();
    }
    let all = ask(&["salvage", "list"]).ok().json["salvage"].clone();
    let names: Vec<&str> =
        all.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 2);
    assert!(names[0].ends_with("/build/2") && names[1].ends_with("/build/1"), "{names:?}");
    for (name, content) in [
        ("build", "+two"),
        ("build/2", "+two"),
        ("build/1", "+one"),
        (names[1], "+one"),
        (all[1]["ref"].as_str().unwrap(), "+one"),
    ] {
        let look = ask(&["salvage", "show", name]).ok();
        assert!(look.json["diff"].as_str().unwrap().contains(content), "{name}");
    }
    let refused = ask(&["salvage", "show", "uild/1"]).refused("unknown_salvage");
    assert_eq!(refused.json["kept"], json!(names));
    ask(&["salvage", "drop", "build/1", "build/9"]).refused("unknown_salvage");
    for wrong in [
        &["salvage", "drop"][..],
        &["salvage", "show", "--all"],
        &["salvage", "--older-than", "1h"],
        &["salvage", "list", "build"],
        &["salvage", "show", "build", "build"],
        &["salvage", "drop", "build", "--all"],
        &["salvage", "keep"],
    ] {
        assert_eq!(ask(wrong).exit, Some(129), "{wrong:?}");
    }
    assert_eq!(bench.refs().len(), 2);
    let none = ask(&["salvage", "drop", "--all", "--older-than", "1h"]).ok();
    assert_eq!(none.json["dropped"], json!([]));
    let gone = ask(&["salvage", "drop", "build/1", names[1]]).ok();
    assert_eq!(gone.json["dropped"].as_array().unwrap().len(), 1);
    assert_eq!(gone.json["dropped"][0]["commit"], all[1]["commit"]);
    assert_eq!(bench.refs(), [all[0]["ref"].as_str().unwrap()]);
    // Numbers go on after the greatest that is there.
    bench.left("wt", |_| ());
    assert_eq!(ask(&["unstuck", "build"]).ok().json["salvaged"]["number"], 3);
    // Without a store, and without a sprint.
    fs::remove_dir_all(sandbox.join("repo/.nanostack")).unwrap();
    assert_eq!(ask(&["salvage"]).ok().json["salvage"].as_array().unwrap().len(), 2);
    ask(&["salvage", "drop", "--all"]).ok();
    assert_eq!(bench.refs(), [] as [&str; 0]);
    assert_eq!(bench.run(".", &me, &["salvage"]).said(), (Some(128), "not_a_repository"));
}

#[test]
fn what_others_put_there_harms_nobody() {
    let bench = Bench::new();
    let (me, sandbox) = (Agent::new("me"), &bench.sandbox);
    let nasty = "x\u{1b}]0;x\u{7}\u{202e}";
    let message =
        format!("hi\n\nConductor-Agent: {nasty}\nConductor-Files: -3\nConductor-Commits: x\n");
    sandbox.git("repo", ["commit", "-q", "--allow-empty", "-m", &message]);
    let blob = sandbox.git_says("repo", ["hash-object", "-w", "file"]);
    for (name, object) in
        [("a/b/1", "HEAD"), ("a/b/x", "HEAD"), ("deep/er/b/1", "HEAD"), ("a/c/1", &*blob)]
    {
        sandbox.git("repo", ["update-ref", &format!("refs/conductor/salvage/{name}"), object]);
    }
    let list = bench.run("repo", &me, &["salvage"]).ok();
    let names: Vec<&Value> =
        list.json["salvage"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["a/b/1"]);
    assert_eq!(list.json["salvage"][0]["files"], Value::Null);
    for args in [&["salvage"][..], &["salvage", "show"], &["salvage", "drop", "--all"]] {
        let output =
            sandbox.command("repo", crate::process_driver::BINARY).args(args).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        assert!(!text.contains(&0x1b) && !text.contains(&7), "{args:?}");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&text));
    }
}
