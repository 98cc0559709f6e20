//! What a completion records of the repository: the commit of the worktree that the phase was
//! claimed in, wherever that is by now and wherever `complete` runs; and what is said of it.

use std::path::Path;

use serde_json::{Value, json};

use crate::fake::answer;
use crate::fixture::Scene;
use crate::process_driver::{Answer, with_options};
use crate::sandbox::Sandbox;

/// A repository with the linked worktree `wt`, in which ann holds `build`.
fn scene() -> Scene {
    let mut scene = Scene::new();
    scene.worktree("wt");
    scene.sprint("build,review,ship");
    scene.does_in("wt", "ann", &["claim", "build"]);
    scene
}

/// A commit in `dir`, and its id.
fn commit(sandbox: &Sandbox, dir: &str) -> String {
    sandbox.git(dir, ["commit", "-q", "--allow-empty", "-m", "work"]);
    head(sandbox, dir)
}

fn head(sandbox: &Sandbox, dir: &str) -> String {
    sandbox.git_says(dir, ["rev-parse", "HEAD"])
}

/// What ann's command says in `dir`.
fn said(scene: &mut Scene, dir: &str, args: &[&str]) -> Value {
    let json = with_options(args, &["--json"]);
    answer(&mut scene.command("ann", dir, &json))
}

/// `complete build` in `dir`.
fn complete(scene: &mut Scene, dir: &str, more: &[&str]) -> Value {
    said(scene, dir, &[&["complete", "build"], more].concat())
}

/// What people are told of it.
fn told(scene: &mut Scene, dir: &str, args: &[&str]) -> String {
    let output = scene.asks("ann", dir, args);
    assert_eq!(output.stdout, b"OK\n", "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// What the record of `build` has: commit, branch, worktree and whether that was dirty.
fn record(scene: &Scene) -> Value {
    let done = std::fs::read(scene.sprint_dir().join("build/done")).unwrap();
    let done: Value = serde_json::from_slice(&done).unwrap();
    json!([done["commit"], done["branch"], done["worktree"], done["dirty"]])
}

#[test]
fn what_is_recorded_is_that_of_the_claims_worktree() {
    // From its own worktree, another one, a subdirectory of that, and from git's own directory.
    for (dir, elsewhere) in
        [("wt", false), ("repo", true), ("repo/sub", true), ("repo/.git", true), ("third", true)]
    {
        let mut scene = scene();
        scene.worktree("third");
        std::fs::create_dir(scene.sandbox.join("repo/sub")).unwrap();
        let work = commit(&scene.sandbox, "wt");
        commit(&scene.sandbox, "repo");
        scene.sandbox.write("repo/new", "not in the way\n");
        let said = complete(&mut scene, dir, &[]);
        let wt = scene.sandbox.join("wt");
        assert_eq!(record(&scene), json!([work, "wt", wt, false]), "{dir}");
        assert_eq!(said["commit"], json!(work), "{dir}");
        let claimed_in =
            if elsewhere { json!({"worktree": wt, "is": "used"}) } else { json!(null) };
        assert_eq!(said["claimed_in"], claimed_in, "{dir}");
        assert_eq!((&said["idle"], &said["finished"]), (&json!(false), &json!(false)), "{dir}");
    }
    let mut scene = scene();
    let text = told(&mut scene, "repo", &["complete", "build"]);
    let place = format!("'build' was claimed in '{}'", scene.sandbox.join("wt").display());
    assert!(text.contains(&place), "{text}");
}

#[test]
fn dirt_of_the_claims_worktree_counts_and_is_named() {
    let mut scene = scene();
    commit(&scene.sandbox, "wt");
    for name in ["wt/\u{1b}[2J", "wt/b", "wt/c", "wt/d", "wt/e/f"] {
        scene.sandbox.write(name, "new\n");
    }
    let text = told(&mut scene, "repo", &["complete", "build"]);
    assert_eq!(record(&scene)[3], json!(true));
    let wt = scene.sandbox.join("wt");
    let warning = format!(
        "warning: 5 paths in '{}' are not committed: '\\u{{1b}}[2J', 'b', 'c' and 2 more",
        wt.display()
    );
    assert!(text.contains(&warning), "{text}");
    assert!(text.contains("on wt, not clean\n"), "{text}");
}

#[test]
fn an_agent_in_a_worktree_that_was_moved_is_where_it_claimed() {
    for relative in ["false", "true"] {
        let mut scene = Scene::new();
        scene.sandbox.git("repo", ["config", "worktree.useRelativePaths", relative]);
        scene.worktree("wt");
        scene.sprint("build,review,ship");
        scene.does_in("wt", "ann", &["claim", "build"]);
        let work = commit(&scene.sandbox, "wt");
        scene.sandbox.git("repo", ["worktree", "move", "../wt", "../moved"]);
        let moved = scene.sandbox.join("moved");
        // Whoever is elsewhere is sent to where it is now.
        let refused = said(&mut scene, "repo", &["claim", "build"]);
        assert_eq!((&refused["code"], &refused["same_agent"]), (&json!("claimed"), &json!(true)));
        assert_eq!(refused["worktree"], json!(moved));
        assert!(refused["error"].as_str().unwrap().contains("/moved'"), "{refused}");
        for args in [&["show", "build"][..], &["status"]] {
            let shown = said(&mut scene, "repo", args).to_string();
            assert!(shown.contains("/moved\"") && !shown.contains("/wt\""), "{shown}");
        }
        let primed = String::from_utf8(scene.asks("ann", "repo", &["prime"]).stdout).unwrap();
        assert!(primed.contains("/moved\""), "{primed}");
        // There, it is its own.
        let holding = said(&mut scene, "moved", &["next", "--claim"]);
        assert_eq!(holding["code"], json!("holding"));
        assert_eq!(complete(&mut scene, "repo", &[])["commit"], json!(work));
        assert_eq!(record(&scene), json!([work, "wt", moved, false]));
    }
}

/// A renewal gives the record the path of now, which older versions read.
#[test]
fn renewing_in_a_worktree_that_was_moved_records_where_it_is() {
    let mut scene = scene();
    scene.sandbox.git("repo", ["worktree", "move", "../wt", "../moved"]);
    let renewed = said(&mut scene, "moved", &["claim", "build"]);
    assert_eq!(renewed["renewed"], json!(true), "{renewed}");
    assert_eq!(scene.claim("build")["worktree"], json!(scene.sandbox.join("moved")));
}

#[test]
fn a_record_of_an_older_version_goes_by_its_path() {
    let mut scene = scene();
    let work = commit(&scene.sandbox, "wt");
    scene.edit_claim("build", |claim| drop(claim.as_object_mut().unwrap().remove("git_dir")));
    assert_eq!(complete(&mut scene, "repo", &[])["commit"], json!(work));
}

#[test]
fn where_the_claims_worktree_is_gone_the_callers_is_recorded_with_a_warning() {
    let mut scene = scene();
    let here = commit(&scene.sandbox, "repo");
    scene.sandbox.git("repo", ["worktree", "remove", "--force", "../wt"]);
    let text = told(&mut scene, "repo", &["complete", "build"]);
    assert!(text.contains("warning: 'build' was claimed in "), "{text}");
    assert!(text.contains("which is no worktree of this repository now"), "{text}");
    assert_eq!(record(&scene), json!([here, "main", scene.sandbox.join("repo"), false]));

    // Its directory is not there, and git has not noticed yet.
    let mut scene = self::scene();
    std::fs::remove_dir_all(scene.sandbox.join("wt")).unwrap();
    let said = complete(&mut scene, "repo", &[]);
    assert_eq!(said["claimed_in"], json!({"worktree": scene.sandbox.join("wt"), "is": "gone"}));
    // What is checked out here says nothing of the work.
    assert_eq!(said["idle"], json!(false));
}

/// Another worktree that has the name that was free is another worktree.
#[test]
fn a_name_that_is_used_again_is_of_another_worktree() {
    let mut scene = scene();
    scene.edit_claim("build", |claim| claim["claimed_at"] = json!("2026-01-01T00:00:00Z"));
    scene.sandbox.git("repo", ["worktree", "remove", "--force", "../wt"]);
    scene.sandbox.git("repo", ["worktree", "add", "-q", "-b", "two", "../sub/wt"]);
    let theirs = commit(&scene.sandbox, "sub/wt");
    assert!(scene.claim("build")["git_dir"].as_str().unwrap().ends_with("/worktrees/wt"));
    let said = complete(&mut scene, "repo", &[]);
    assert_eq!(said["claimed_in"]["is"], json!("foreign"), "{said}");
    assert_ne!(said["commit"], json!(theirs));
}

/// Nothing in a record leads out of what the repository itself lists.
#[test]
fn a_record_leads_to_no_other_repository() {
    let mut scene = scene();
    let here = head(&scene.sandbox, "repo");
    scene.sandbox.repository("other");
    commit(&scene.sandbox, "other");
    scene.sandbox.git("other", ["worktree", "add", "-q", "../theirs"]);
    let entries = scene.sandbox.join("repo/.git/worktrees");
    std::os::unix::fs::symlink(
        scene.sandbox.join("other/.git/worktrees/theirs"),
        entries.join("linked"),
    )
    .unwrap();
    let planted = entries.join("planted");
    std::fs::create_dir(&planted).unwrap();
    let to = scene.sandbox.join("theirs/.git").display().to_string();
    std::fs::write(planted.join("gitdir"), to).unwrap();
    std::fs::write(planted.join("commondir"), "../..\n").unwrap();
    std::fs::write(planted.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    let root = scene.sandbox.path().to_owned();
    let git = |name: &str| root.join(name).display().to_string();
    let hostile = [
        git("other/.git"),
        git("other/.git/worktrees/theirs"),
        git("repo/.git/worktrees/../../../other/.git"),
        git("repo/.git/worktrees/linked"),
        git("repo/.git/worktrees/planted"),
        git("repo/.git/worktrees"),
        git("repo/.git/worktrees/a\u{0}b"),
        git("repo/.git/worktrees/wt/.."),
        "..".to_owned(),
        String::new(),
        "a".repeat(10_000),
    ];
    for (n, git_dir) in hostile.iter().enumerate() {
        let phase = format!("p{n}");
        scene.does("ann", &["start", "--phases", &format!("{phase}:"), "--force"]);
        scene.does_in("wt", "ann", &["claim", &phase]);
        scene.edit_claim(&phase, |claim| {
            claim["git_dir"] = json!(git_dir);
            claim["worktree"] = json!(git("theirs"));
        });
        let said = said(&mut scene, "repo", &["complete", &phase]);
        assert_eq!(said["claimed_in"]["is"], json!("foreign"), "{git_dir}: {said}");
        assert_eq!(said["commit"], json!(here), "{git_dir}");
    }
    // It was all for these reasons.
    scene.does("ann", &["start", "--phases", "last:", "--force"]);
    scene.does_in("wt", "ann", &["claim", "last"]);
    scene.edit_claim("last", |claim| claim["worktree"] = json!(git("theirs")));
    assert_eq!(said(&mut scene, "repo", &["complete", "last"])["claimed_in"]["is"], json!("used"));
}

/// `--commit` says which commit, as it reads where it is typed; all else is of the claim's
/// worktree.
#[test]
fn a_commit_that_is_named_decides() {
    let mut scene = scene();
    commit(&scene.sandbox, "wt");
    scene.sandbox.git("repo", ["commit", "-q", "--allow-empty", "-m", "another"]);
    let here = commit(&scene.sandbox, "repo");
    scene.sandbox.write("wt/new", "new\n");
    let said = complete(&mut scene, "repo", &["--commit", "HEAD"]);
    assert_eq!(said["commit"], json!(here));
    // It is not known to be on the branch that is checked out there.
    assert_eq!(record(&scene), json!([here, null, scene.sandbox.join("wt"), true]));
    let mut scene = self::scene();
    let refused = complete(&mut scene, "repo", &["--commit", "nowhere"]);
    assert_eq!(refused["code"], json!("usage"));
}

#[test]
fn what_a_hook_is_told_of_its_repository_is_not_told_to_git_there() {
    let mut scene = scene();
    let work = commit(&scene.sandbox, "wt");
    scene.sandbox.write("wt/new", "new\n");
    scene.sandbox.write("repo/.git/empty", "");
    for (name, value) in [
        ("GIT_DIR", "repo/.git"),
        ("GIT_WORK_TREE", "repo"),
        ("GIT_INDEX_FILE", "repo/.git/empty"),
        ("GIT_PREFIX", "sub/"),
    ] {
        let value = scene.sandbox.join(value);
        scene.sandbox.set(name, value);
    }
    let said = complete(&mut scene, "repo", &[]);
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        scene.sandbox.unset(name);
    }
    assert_eq!((&said["commit"], &said["uncommitted"]["count"]), (&json!(work), &json!(1)));
}

/// What a worktree of a bare repository, an unborn branch, a detached head and a merge that has not
/// ended have checked out.
#[test]
fn any_kind_of_worktree() {
    let mut scene = Scene::new();
    scene.sandbox.git(".", ["clone", "-q", "--bare", "repo", "bare"]);
    scene.sandbox.git("bare", ["worktree", "add", "-q", "-b", "wt", "../of-bare"]);
    scene.does_in("bare", "lead", &["start", "--phases", "build:,other:"]);
    scene.does_in("of-bare", "ann", &["claim", "build"]);
    let work = commit(&scene.sandbox, "of-bare");
    assert_eq!(complete(&mut scene, "bare", &[])["commit"], json!(work));
    // Where nothing is checked out at the claim, the work is where the caller is.
    scene.does_in("bare", "ann", &["claim", "other"]);
    let other = said(&mut scene, "of-bare", &["complete", "other"]);
    assert_eq!((&other["commit"], &other["claimed_in"]), (&json!(work), &json!(null)));

    let mut scene = self::scene();
    scene.sandbox.git("wt", ["checkout", "-q", "--orphan", "fresh"]);
    scene.sandbox.git("wt", ["rm", "-q", "--cached", "file"]);
    let said = complete(&mut scene, "repo", &[]);
    assert_eq!((&said["commit"], &said["branch"]), (&json!(null), &json!("fresh")));
    assert_eq!(said["uncommitted"], json!({"count": 1, "paths": ["file"]}));
    let mut scene = Scene::new();
    scene.sandbox.git(".", ["init", "-q", "new"]);
    scene.does_in("new", "lead", &["start", "--phases", "build:"]);
    scene.does_in("new", "ann", &["claim", "build"]);
    let said = complete(&mut scene, "new", &[]);
    assert_eq!((&said["commit"], &said["idle"]), (&json!(null), &json!(true)), "{said}");

    let mut scene = self::scene();
    for (dir, content) in [("repo", "ours\n"), ("wt", "theirs\n")] {
        scene.sandbox.write(format!("{dir}/file"), content);
        scene.sandbox.git(dir, ["commit", "-qam", "change"]);
    }
    scene.sandbox.git("repo", ["worktree", "lock", "../wt"]);
    assert!(!scene.sandbox.try_git("wt", ["rebase", "-q", "main"]).status.success());
    let there = head(&scene.sandbox, "wt");
    let said = complete(&mut scene, "repo", &[]);
    assert_eq!((&said["commit"], &said["branch"]), (&json!(there), &json!(null)));
    assert_eq!(said["uncommitted"]["paths"], json!(["file"]));

    let mut scene = self::scene();
    scene.sandbox.write("wt/out/of/it", "x\n");
    scene.sandbox.git("wt", ["add", "."]);
    let work = {
        scene.sandbox.git("wt", ["commit", "-qm", "more"]);
        scene.sandbox.git("wt", ["sparse-checkout", "set", "--cone", "in"]);
        head(&scene.sandbox, "wt")
    };
    let said = complete(&mut scene, "repo", &[]);
    assert_eq!((&said["commit"], &said["dirty"]), (&json!(work), &json!(false)));
}

/// A worktree that another user made is not looked into, unless git is told that it is safe.
#[test]
fn a_worktree_of_another_user_is_not_looked_into() {
    let mut scene = scene();
    scene.sandbox.set("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1");
    let safe = |scene: &Scene, name: &str| {
        let path = scene.sandbox.join(name);
        scene
            .sandbox
            .git(".", ["config", "--global", "--add", "safe.directory", path.to_str().unwrap()]);
    };
    safe(&scene, "repo");
    safe(&scene, "repo/.nanostack");
    let said = complete(&mut scene, "repo", &[]);
    assert_eq!(said["claimed_in"]["is"], json!("foreign"), "{said}");
    let mut scene = self::scene();
    scene.sandbox.set("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1");
    for name in ["repo", "repo/.nanostack", "wt"] {
        safe(&scene, name);
    }
    assert_eq!(complete(&mut scene, "repo", &[])["claimed_in"]["is"], json!("used"));
}

#[test]
fn in_a_submodule() {
    let mut scene = Scene::new();
    scene.sandbox.repository("library");
    scene.sandbox.git("repo", ["submodule", "--quiet", "add", "../library", "library"]);
    scene.sandbox.git("repo/library", ["worktree", "add", "-q", "-b", "wt", "../../of-sub"]);
    scene.does_in("repo/library", "lead", &["start", "--phases", "build:,other:"]);
    scene.does_in("of-sub", "ann", &["claim", "build"]);
    scene.does_in("repo/library", "ann", &["claim", "other"]);
    let (there, here) = (commit(&scene.sandbox, "of-sub"), commit(&scene.sandbox, "repo/library"));
    assert_eq!(complete(&mut scene, "repo/library", &[])["commit"], json!(there));
    let other = said(&mut scene, "of-sub", &["complete", "other"]);
    assert_eq!((&other["commit"], &other["claimed_in"]["is"]), (&json!(here), &json!("used")));
}

#[test]
fn an_artifact_is_found_from_where_it_is_named() {
    let mut scene = scene();
    let work = commit(&scene.sandbox, "wt");
    scene.sandbox.write("repo/sub/out.md", "here\n");
    scene.sandbox.write("wt/out.md", "there\n");
    let said = complete(&mut scene, "repo/sub", &["--artifact", "out.md"]);
    assert_eq!((&said["commit"], &said["artifact_size"]), (&json!(work), &json!(5)));
    // The one there is no artifact.
    assert_eq!(said["uncommitted"]["paths"], json!(["out.md"]));
}

/// What was handed over before need not be committed, alone in its directory or not.
#[test]
fn artifacts_of_the_sprint_are_no_dirt() {
    let mut scene = Scene::new();
    scene.sprint("build,review,ship,last:ship");
    scene.sandbox.write("repo/build.md", "built\n");
    scene.sandbox.write("repo/reports/a/review.md", "reviewed\n");
    for (phase, artifact) in [("build", "build.md"), ("review", "reports/a/review.md")] {
        scene.does("ann", &["claim", phase]);
        let said = said(&mut scene, "repo", &["complete", phase, "--artifact", artifact]);
        // The second is not known yet when the first is handed over.
        assert_eq!(said["dirty"], json!(phase == "build"), "{said}");
    }
    // Anything beside them is.
    scene.sandbox.write("repo/reports/a/more", "");
    scene.does("ann", &["claim", "ship"]);
    let ship = said(&mut scene, "repo", &["complete", "ship"]);
    assert_eq!(ship["uncommitted"], json!({"count": 1, "paths": ["reports/"]}));
    // So is one that git tracks.
    std::fs::remove_file(scene.sandbox.join("repo/reports/a/more")).unwrap();
    scene.sandbox.git("repo", ["add", "build.md"]);
    scene.does("ann", &["claim", "last"]);
    let last = said(&mut scene, "repo", &["complete", "last"]);
    assert_eq!(last["uncommitted"], json!({"count": 1, "paths": ["build.md"]}));
}

#[test]
fn only_what_is_clean_is_completed_where_that_is_asked_for() {
    let mut scene = scene();
    scene.sandbox.git("repo", ["config", "conductor.requireClean", "true"]);
    commit(&scene.sandbox, "wt");
    scene.sandbox.write("wt/new", "new\n");
    for more in [&[][..], &["--commit", "HEAD"]] {
        let refused = complete(&mut scene, "repo", more);
        assert_eq!(refused["code"], json!("dirty"), "{refused}");
        let facts = (&refused["count"], &refused["paths"], &refused["retry"]);
        assert_eq!(facts, (&json!(1), &json!(["new"]), &json!("after_change")));
        assert_eq!(refused["worktree"], json!(scene.sandbox.join("wt")));
        assert_eq!(scene.board()["phases"]["build"]["state"], json!("claimed"));
    }
    // What is handed over is no part of it.
    let said = complete(&mut scene, "wt", &["--artifact", "new"]);
    assert_eq!(said["dirty"], json!(false), "{said}");
    scene.sandbox.git("repo", ["config", "conductor.requireClean", "perhaps"]);
    scene.does_in("wt", "ann", &["claim", "review"]);
    let refused = self::said(&mut scene, "wt", &["complete", "review"]);
    assert_eq!(refused["code"], json!("git"), "{refused}");

    // A command that is run has nobody who could commit afterwards.
    let mut scene = self::scene();
    scene.does("ann", &["abort"]);
    scene.sandbox.git("repo", ["config", "conductor.requireClean", "true"]);
    let ran = self::said(&mut scene, "wt", &["run", "build", "--", "touch", "new"]);
    assert_eq!((&ran["code"], &ran["given_up"]), (&json!("dirty"), &json!(true)), "{ran}");
    assert_eq!(scene.board()["phases"]["build"]["state"], json!("pending"));
}

#[test]
fn a_phase_that_writes_and_has_nothing_to_show_is_noticed() {
    let warns = |scene: &mut Scene, args: &[&str]| {
        told(scene, "repo", args).contains("nothing shows the work of")
    };
    let graph = r#"[{"name":"build"},{"name":"custom"},{"name":"read","concurrency":"read"},
        {"name":"think"},{"name":"made"},{"name":"with"},{"name":"named"},{"name":"failed"}]"#;
    let mut scene = Scene::new();
    scene.sprint(graph);
    scene.sandbox.write("repo/.nanostack/out.md", "out\n");
    for (phase, more, wanted) in [
        ("build", &[][..], true),
        ("custom", &[], true),
        ("read", &[], false),
        ("think", &[], false),
        ("with", &["--artifact", ".nanostack/out.md"], false),
        ("named", &["--commit", "HEAD"], false),
        ("failed", &["--verdict", "fail"], false),
        ("made", &[], false),
    ] {
        scene.does("ann", &["claim", phase]);
        if phase == "made" {
            commit(&scene.sandbox, "repo");
        }
        let args = [&["complete", phase], more].concat();
        assert_eq!(warns(&mut scene, &args), wanted, "{phase}");
    }
}

#[test]
fn what_was_recorded_and_comes_next_is_said() {
    let mut scene = Scene::new();
    scene.sprint("build,ship");
    scene.sandbox.write("repo/out.md", "built\n");
    let at = head(&scene.sandbox, "repo");
    scene.does("ann", &["claim", "build"]);
    let text = told(&mut scene, "repo", &["complete", "build", "--artifact", "out.md"]);
    let line = format!("recorded commit {} on main, clean\n", &at[..12]);
    assert!(text.contains(&line), "{text}");
    assert!(text.contains("kept a copy of 'out.md', 6 bytes; that file need not be committed\n"));
    assert!(text.ends_with("hint: go on with what is open to you: git conductor next --claim\n"));
    let claimed = scene.asks("ann", "repo", &["next", "--claim"]);
    let claimed = String::from_utf8(claimed.stderr).unwrap();
    for line in [
        format!(
            "what was checked, and may go out: commit {}, which is checked out here\n",
            &at[..12]
        ),
        "what is checked out here when you complete it is what may go out after that\n".to_owned(),
    ] {
        assert!(claimed.contains(&line), "{claimed}");
    }
    let text = told(&mut scene, "repo", &["complete", "ship"]);
    assert!(text.ends_with("every phase is done: the sprint is finished\n"), "{text}");
    let again = told(&mut scene, "repo", &["complete", "ship"]);
    assert!(again.starts_with("you completed 'ship' already"), "{again}");
}

/// Commits that this clone does not have are said so, and nothing is fetched for that.
#[test]
fn an_input_that_is_not_here_is_said_so() {
    let mut scene = Scene::new();
    scene.sprint("build,review,ship");
    scene.works("bob", "build");
    let text = |scene: &mut Scene, args: &[&str]| {
        let output = scene.asks("ann", "repo", args);
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    for (commit, here) in [
        (head(&scene.sandbox, "repo"), json!(true)),
        ("1".repeat(40), json!(false)),
        ("1".repeat(64), json!(null)),
        ("no id".to_owned(), json!(null)),
    ] {
        scene.edit_done("build", |done| done["commit"] = json!(commit));
        let missing = here == json!(false);
        for args in [&["claim", "review"][..], &["prime"]] {
            assert_eq!(scene.said("ann", args)["inputs"][0]["here"], here, "{commit}");
        }
        assert_eq!(scene.said("ann", &["show", "build"])["here"], here, "{commit}");
        for args in [&["claim", "review"][..], &["prime"], &["show", "build"]] {
            let said = text(&mut scene, args);
            assert_eq!(said.contains("git fetch"), missing, "{args:?}: {said}");
        }
    }
}

/// A pipe where a file is expected holds git up for ever; that is ended, and counts as not clean.
#[test]
fn a_look_that_takes_too_long_is_ended_and_said() {
    let mut scene = scene();
    commit(&scene.sandbox, "wt");
    mkfifo(&scene.sandbox.join("wt/.gitignore"));
    scene.sandbox.git("repo", ["config", "conductor.gitTimeout", "500ms"]);
    scene.sandbox.git("repo", ["config", "conductor.requireClean", "true"]);
    let busy = complete(&mut scene, "repo", &[]);
    assert_eq!((&busy["code"], &busy["retry"]), (&json!("busy"), &json!("now")), "{busy}");
    scene.sandbox.git("repo", ["config", "conductor.requireClean", "false"]);
    let text = told(&mut scene, "repo", &["complete", "build"]);
    assert!(text.contains("'git status' took longer than 0.5s (conductor.gitTimeout)"), "{text}");
    assert_eq!(record(&scene)[3], json!(true));
    scene.sandbox.git("repo", ["config", "conductor.gitTimeout", "soon"]);
    scene.does("ann", &["claim", "review"]);
    let answer = Answer::of(&scene.asks("ann", "repo", &["complete", "review", "--json"]));
    assert_eq!(answer.said(), (Some(128), "git"), "{answer:?}");
}

pub(crate) fn mkfifo(path: &Path) {
    use rustix::fs::{CWD, Mode, mkfifoat};
    mkfifoat(CWD, path, Mode::RWXU).unwrap();
}
