//! Records between repositories, what `notes setup` makes of git's settings, and the gate in a
//! clone that has nothing but them.

use serde_json::{Value, json};

use crate::fixture::Scene;
use crate::notes::{completes, noting, records, whole};
use crate::process_driver::Answer;

/// `repo` and a clone `other` over one bare remote; both record what is completed.
fn two(phases: &str) -> Scene {
    let mut scene = noting(phases);
    let sandbox = &scene.sandbox;
    sandbox.git(".", ["clone", "-q", "--bare", "repo", "remote.git"]);
    sandbox.git("repo", ["remote", "add", "origin", "../remote.git"]);
    sandbox.git(".", ["clone", "-q", "remote.git", "other"]);
    sandbox.git("other", ["config", "conductor.notes", "true"]);
    scene.does_in("other", "lead", &["start", "--phases", phases]);
    scene
}

#[track_caller]
fn notes(scene: &mut Scene, dir: &str, args: &[&str]) -> Value {
    let args = [&["notes"], args, &["--json"]].concat();
    Answer::of(&scene.asks("ann", dir, &args)).ok().json
}

fn sorted(scene: &Scene, dir: &str) -> Vec<String> {
    let mut all: Vec<String> =
        records(scene, dir, "HEAD").iter().map(ToString::to_string).collect();
    all.sort();
    all
}

/// A power cut has left the reference as an empty file, and nothing tells what it was.
#[test]
fn an_emptied_reference_is_mended_by_what_comes_next() {
    let mut scene = two("a:,b:,c:");
    let origin = ["sync", "--remote", "origin"];
    let empty = |scene: &Scene| {
        let git = scene.sandbox.join("repo/.git");
        std::fs::write(git.join("refs/notes/conductor"), "").unwrap();
        std::fs::remove_dir_all(git.join("logs/refs/notes")).ok();
    };
    completes(&mut scene, "repo", "a", &[]);
    completes(&mut scene, "repo", "b", &[]);
    empty(&scene);
    // The next record brings all that the store has with it.
    completes(&mut scene, "repo", "c", &[]);
    assert_eq!(records(&scene, "repo", "HEAD").len(), 3);
    // git itself fetches nothing beside it.
    empty(&scene);
    notes(&mut scene, "repo", &origin);
    assert_eq!(records(&scene, "repo", "HEAD").len(), 3);
    whole(&scene, "repo");
}

#[test]
fn two_clones_exchange_records() {
    let mut scene = two("a:,b:,c:,d:");
    let origin = ["sync", "--remote", "origin"];
    // Both complete something on the same commit, and neither knows of the other's.
    for (dir, text) in [("repo", "from repo\n"), ("other", "from other\n")] {
        scene.sandbox.write(format!("{dir}/a.md"), text);
        completes(&mut scene, dir, "a", &["--artifact", "a.md"]);
        std::fs::remove_file(scene.sandbox.join(dir).join("a.md")).unwrap();
        completes(&mut scene, dir, "b", &[]);
    }
    notes(&mut scene, "repo", &origin);
    let said = notes(&mut scene, "other", &origin);
    assert_eq!(said["pushed"], json!("origin"), "{said}");
    assert_eq!(said["merged"], json!(["refs/notes/remotes/origin/conductor"]));
    notes(&mut scene, "repo", &origin);
    assert_eq!(sorted(&scene, "repo").len(), 4);
    assert_eq!(sorted(&scene, "repo"), sorted(&scene, "other"));
    for dir in ["repo", "other", "remote.git"] {
        whole(&scene, dir);
        for text in ["from repo", "from other"] {
            let blob = scene.sandbox.write("blob", format!("{text}\n"));
            let oid = scene.sandbox.git_says(".", ["hash-object", &blob.display().to_string()]);
            let args = ["notes", "--ref=conductor-artifacts", "show", &oid];
            assert_eq!(scene.sandbox.git_says(dir, args), text, "{dir}");
        }
    }
    // Once all is the same, nothing is written for it.
    let tip = |scene: &Scene, dir: &str| {
        scene.sandbox.git_says(dir, ["rev-parse", "refs/notes/conductor"])
    };
    let before = tip(&scene, "remote.git");
    for dir in ["repo", "other", "repo"] {
        notes(&mut scene, dir, &origin);
        assert_eq!(tip(&scene, dir), before, "{dir}");
    }
    assert_eq!(tip(&scene, "remote.git"), before);
    // At the same moment.
    completes(&mut scene, "repo", "c", &[]);
    completes(&mut scene, "other", "c", &[]);
    let sandbox = &scene.sandbox;
    std::thread::scope(|scope| {
        for dir in ["repo", "other"] {
            scope.spawn(move || {
                let args = ["conductor", "--agent", "ann", "notes", "sync", "--remote", "origin"];
                sandbox.git(dir, args);
            });
        }
    });
    notes(&mut scene, "repo", &origin);
    notes(&mut scene, "other", &origin);
    assert_eq!(sorted(&scene, "repo").len(), 6);
    assert_eq!(sorted(&scene, "repo"), sorted(&scene, "other"));
}

/// git's own merge of the same notes comes to the same records.
#[test]
fn git_merges_them_too() {
    let mut scene = two("a:");
    completes(&mut scene, "repo", "a", &[]);
    completes(&mut scene, "other", "a", &[]);
    scene.sandbox.git("other", ["push", "-q", "origin", "refs/notes/conductor"]);
    notes(&mut scene, "repo", &["setup", "--remote", "origin"]);
    scene.sandbox.git("repo", ["fetch", "-q"]);
    scene.sandbox.git("repo", ["update-ref", "refs/notes/ours", "refs/notes/conductor"]);
    // By the strategy that was set up.
    scene
        .sandbox
        .git("repo", ["notes", "--ref=conductor", "merge", "-q", "remotes/origin/conductor"]);
    let theirs = sorted(&scene, "repo");
    assert_eq!(theirs.len(), 2);
    scene.sandbox.git("repo", ["update-ref", "refs/notes/conductor", "refs/notes/ours"]);
    notes(&mut scene, "repo", &["sync"]);
    assert_eq!(sorted(&scene, "repo"), theirs);
}

fn config(scene: &Scene) -> String {
    std::fs::read_to_string(scene.sandbox.join("repo/.git/config")).unwrap()
}

#[test]
fn setup_is_told_and_undone() {
    let mut scene = two("a:");
    for (key, value) in [
        ("notes.displayRef", "refs/notes/mine"),
        ("remote.origin.fetch", "+refs/pull/*:refs/pull/*"),
    ] {
        scene.sandbox.git("repo", ["config", "--add", key, value]);
    }
    let all =
        |scene: &Scene, key: &str| scene.sandbox.git_says("repo", ["config", "--get-all", key]);
    let before = config(&scene);
    let remote = ["setup", "--remote", "origin"];
    let said = notes(&mut scene, "repo", &remote);
    let settings = said["settings"].as_array().unwrap();
    assert_eq!(settings.len(), 4);
    for setting in settings {
        assert_eq!(setting["changed"], json!(true));
        let (key, value) = (setting["key"].as_str().unwrap(), setting["value"].as_str().unwrap());
        assert!(all(&scene, key).lines().any(|it| it == value), "{key}");
    }
    assert!(all(&scene, "notes.displayRef").contains("refs/notes/mine"));
    let after = config(&scene);
    let again = notes(&mut scene, "repo", &remote);
    let changed =
        again["settings"].as_array().unwrap().iter().any(|it| it["changed"] == json!(true));
    assert!(!changed, "{again}");
    assert_eq!(config(&scene), after);
    notes(&mut scene, "repo", &["setup", "--remote", "origin", "--remove"]);
    assert_eq!(all(&scene, "remote.origin.fetch").lines().count(), 2);
    let lines = |text: &str| -> Vec<String> { text.lines().map(str::to_owned).collect() };
    assert_eq!(lines(&config(&scene)), lines(&before));
    notes(&mut scene, "repo", &["setup", "--remote", "origin", "--remove"]);
    assert_eq!(config(&scene), before);
    // Another strategy is somebody's choice.
    scene.sandbox.git("repo", ["config", "notes.conductor.mergeStrategy", "union"]);
    let said = notes(&mut scene, "repo", &["setup"]);
    assert_eq!(said["differs"]["value"], json!("union"), "{said}");
    notes(&mut scene, "repo", &["setup", "--remove"]);
    assert_eq!(all(&scene, "notes.conductor.mergeStrategy"), "union");
    // Who else is at work on the settings is not waited for.
    scene.sandbox.write("repo/.git/config.lock", "");
    let said = scene.asks("ann", "repo", &["notes", "setup", "--json"]);
    assert_eq!(Answer::of(&said).said(), (Some(128), "git"));
    assert!(
        String::from_utf8_lossy(&said.stderr).contains("could not lock config file"),
        "{said:?}"
    );
}

#[test]
fn plain_fetch_and_push_stay_what_they_are() {
    let mut scene = two("a:,b:");
    notes(&mut scene, "repo", &["setup", "--remote", "origin"]);
    // The remote has no notes: that is no error.
    scene.sandbox.git("repo", ["fetch", "-q"]);
    completes(&mut scene, "repo", "a", &[]);
    scene.sandbox.git("repo", ["commit", "-q", "--allow-empty", "-m", "more"]);
    scene.sandbox.git("repo", ["branch", "-q", "--set-upstream-to", "origin/main"]);
    scene.sandbox.git("repo", ["branch", "-q", "aside"]);
    scene.sandbox.git("repo", ["push", "-q"]);
    let refs = |scene: &Scene| {
        scene.sandbox.git_says("remote.git", ["for-each-ref", "--format=%(refname)"])
    };
    assert_eq!(refs(&scene), "refs/heads/main");
    let tip = |dir: &str| scene.sandbox.git_says(dir, ["rev-parse", "main"]);
    assert_eq!(tip("remote.git"), tip("repo"));
    notes(&mut scene, "repo", &["sync", "--remote", "origin"]);
    assert_eq!(refs(&scene), "refs/heads/main\nrefs/notes/conductor");
    // A plain fetch, even one that prunes, takes nothing away that was not pushed.
    completes(&mut scene, "repo", "b", &[]);
    let before = records(&scene, "repo", "HEAD");
    scene.sandbox.git("repo", ["fetch", "-q", "--prune"]);
    assert_eq!(records(&scene, "repo", "HEAD"), before);
    let fetched =
        scene.sandbox.git_says("repo", ["rev-parse", "refs/notes/remotes/origin/conductor"]);
    assert_eq!(
        fetched,
        scene.sandbox.git_says("remote.git", ["rev-parse", "refs/notes/conductor"])
    );
}

#[test]
fn a_record_goes_along_with_an_amended_commit() {
    let mut scene = noting("a:,b:");
    notes(&mut scene, "repo", &["setup"]);
    completes(&mut scene, "repo", "a", &[]);
    let log = scene.sandbox.git_says("repo", ["log", "-1"]);
    assert!(log.contains("Notes (conductor):"), "git shows it unasked: {log}");
    scene.sandbox.git("repo", ["commit", "-q", "--amend", "-m", "amended"]);
    completes(&mut scene, "repo", "b", &[]);
    let phases: Vec<Value> =
        records(&scene, "repo", "HEAD").iter().map(|record| record["phase"].clone()).collect();
    assert_eq!(phases, ["a", "b"]);
    let said = notes(&mut scene, "repo", &["show", "HEAD"]);
    assert_eq!(said["records"].as_array().unwrap().len(), 2);
    // Of all there are, each is told once.
    assert_eq!(notes(&mut scene, "repo", &[])["records"].as_array().unwrap().len(), 2);
    assert_eq!(notes(&mut scene, "repo", &["sync"])["written"], json!(0));
}

/// `git conductor guard ARGS --notes --json` in the clone `ci`, which has no store.
fn guard(scene: &mut Scene, args: &[&str]) -> Answer {
    let args = [&["guard", "--notes", "--json"], args].concat();
    let said = Answer::of(&scene.asks("ci", "ci", &args));
    assert!(!scene.sandbox.join("ci/.nanostack").exists());
    assert!(!scene.sandbox.join("ci/.git/conductor").exists());
    said
}

#[test]
fn the_gate_in_a_clone() {
    let mut scene = two("build,ship");
    let clone = |scene: &Scene, more: &[&str]| {
        std::fs::remove_dir_all(scene.sandbox.join("ci")).ok();
        let url = format!("file://{}", scene.sandbox.join("remote.git").display());
        scene.sandbox.git(".", [&["clone", "-q", "--depth=1"], more, &[&url, "ci"]].concat());
    };
    let fetch = |scene: &Scene| {
        let spec = "refs/notes/conductor:refs/notes/conductor";
        scene.sandbox.git("ci", ["fetch", "-q", "origin", spec]);
    };
    clone(&scene, &[]);
    guard(&mut scene, &[]).refused("no_notes");
    completes(&mut scene, "repo", "build", &[]);
    notes(&mut scene, "repo", &["sync", "--remote", "origin"]);
    fetch(&scene);
    guard(&mut scene, &[]).refused("no_record");
    completes(&mut scene, "repo", "ship", &[]);
    notes(&mut scene, "repo", &["sync", "--remote", "origin"]);
    guard(&mut scene, &[]).refused("no_record");
    fetch(&scene);
    let said = guard(&mut scene, &[]).ok();
    assert_eq!((&said.json["passage"], &said.json["gaps"]), (&json!("done"), &json!([])));
    guard(&mut scene, &["build"]).ok();
    guard(&mut scene, &["--commit", "origin/main"]).ok();
    // What is in the objects only as far as it is asked for.
    clone(&scene, &["--filter=blob:none", "--no-checkout"]);
    scene.sandbox.git("remote.git", ["config", "uploadpack.allowFilter", "true"]);
    fetch(&scene);
    guard(&mut scene, &[]).ok();
    // The same content is another commit's too; other content is not.
    scene.sandbox.git("repo", ["commit", "-q", "--allow-empty", "-m", "same"]);
    scene.sandbox.git("repo", ["push", "-q", "origin", "main"]);
    clone(&scene, &[]);
    fetch(&scene);
    guard(&mut scene, &[]).ok();
    scene.sandbox.write("repo/file", "other\n");
    scene.sandbox.git("repo", ["commit", "-q", "-a", "-m", "other"]);
    scene.sandbox.git("repo", ["push", "-q", "origin", "main"]);
    clone(&scene, &[]);
    fetch(&scene);
    let said = guard(&mut scene, &[]).refused("no_record");
    assert_eq!(said.json["agent"], json!("ann"));
    let usage =
        Answer::of(&scene.asks("ci", "ci", &["guard", "--notes", "--commit", "nowhere", "--json"]));
    assert_eq!(usage.said(), (Some(129), "usage"));
}

#[test]
fn evidence_in_a_clone() {
    let mut scene = two("build,ship");
    completes(&mut scene, "repo", "build", &[]);
    scene.sandbox.write("repo/file", "other\n");
    scene.sandbox.git("repo", ["commit", "-q", "-a", "-m", "other"]);
    completes(&mut scene, "repo", "ship", &[]);
    let ask = |scene: &mut Scene, policy: &str| {
        scene.sandbox.git("repo", ["config", "conductor.evidence", policy]);
        Answer::of(&scene.asks("ci", "repo", &["guard", "--notes", "--json"]))
    };
    let said = ask(&mut scene, "warn").ok();
    assert_eq!(said.json["gaps"][0]["why"], json!("other_content"), "{said:?}");
    assert_eq!(said.json["gaps"][0]["paths"], json!(["file"]));
    ask(&mut scene, "require").refused("no_evidence");
    assert_eq!(ask(&mut scene, "off").ok().json["gaps"], json!([]));
    assert_eq!(ask(&mut scene, "perhaps").exit, Some(128));
}

/// How many children of git's that are called `word` the command had, by git's own word.
fn children(scene: &mut Scene, dir: &str, args: &[&str], word: &str) -> usize {
    let trace = scene.sandbox.join("trace");
    std::fs::remove_file(&trace).ok();
    let mut command = scene.command("ann", dir, args);
    let output = command.env("GIT_TRACE2_EVENT", &trace).output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
    let events = std::fs::read_to_string(&trace).unwrap_or_default();
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let names = events.filter(|event| event["event"] == "cmd_name");
    names.filter(|event| event["name"] == word).count()
}

/// In a partial clone all that is missing is fetched at once, and what git says of it is said.
#[test]
fn notes_in_a_partial_clone() {
    let phases: Vec<String> = (0..5).map(|n| format!("p{n}:")).collect();
    let mut scene = two(&phases.join(","));
    for n in 0..5 {
        scene.sandbox.write("repo/file", n.to_string());
        scene.sandbox.git("repo", ["commit", "-q", "-a", "-m", "more"]);
        scene.sandbox.write("repo/.nanostack/a.md", format!("artifact {n}"));
        completes(&mut scene, "repo", &format!("p{n}"), &["--artifact", ".nanostack/a.md"]);
    }
    scene.sandbox.git("repo", ["push", "-q", "origin", "main"]);
    notes(&mut scene, "repo", &["sync", "--remote", "origin"]);
    for key in ["uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"] {
        scene.sandbox.git("remote.git", ["config", key, "true"]);
    }
    let url = format!("file://{}", scene.sandbox.join("remote.git").display());
    for filter in ["blob:none", "tree:0"] {
        let dir = filter.replace(':', "-");
        let clone = ["clone", "-q", "--filter", filter, &url, &dir];
        scene.sandbox.git(".", clone);
        scene.sandbox.git(&dir, ["fetch", "-q", "origin", "+refs/notes/*:refs/notes/*"]);
        // Nobody to fetch from: git says so.
        let away = scene.sandbox.join("away.git");
        std::fs::rename(scene.sandbox.join("remote.git"), &away).unwrap();
        for args in [&["notes"][..], &["guard", "--notes", "p0"]] {
            let output = scene.asks("ann", &dir, args);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(128), "{said}");
            assert!(said.contains("remote.git' does not appear to be a git repository"), "{said}");
        }
        std::fs::rename(away, scene.sandbox.join("remote.git")).unwrap();
        assert_eq!(children(&mut scene, &dir, &["notes"], "fetch"), 1, "{filter}");
        assert_eq!(children(&mut scene, &dir, &["notes"], "fetch"), 0, "{filter}");
        let said = notes(&mut scene, &dir, &[]);
        assert_eq!(said["records"].as_array().unwrap().len(), 5, "{said}");
        // What was not fetched yet comes with the fetch itself, whole.
        let other = format!("{dir}-2");
        scene.sandbox.git(".", ["clone", "-q", "--filter", filter, &url, &other]);
        let sync = ["notes", "sync", "--remote", "origin"];
        assert_eq!(children(&mut scene, &other, &sync, "fetch"), 1, "{filter}");
        assert_eq!(children(&mut scene, &other, &["notes"], "fetch"), 0, "{filter}");
        let args = ["notes", "--ref=conductor-artifacts", "list"];
        assert_eq!(scene.sandbox.git_says(&other, args).lines().count(), 5);
    }
}

/// What is set for pushes of branches does not keep notes from being pushed, and forces none.
#[test]
fn settings_of_pushes_are_not_for_notes() {
    let mut scene = two("a:,b:,c:");
    for (phase, key, value) in [
        ("a", "push.gpgSign", "true"),
        ("b", "push.pushOption", "ci.skip"),
        ("c", "remote.origin.mirror", "true"),
    ] {
        scene.sandbox.git("repo", ["config", key, value]);
        completes(&mut scene, "repo", phase, &[]);
        let said = notes(&mut scene, "repo", &["sync", "--remote", "origin"]);
        assert_eq!(said["pushed"], json!("origin"), "{key}: {said}");
    }
    let there = scene.sandbox.git_says("remote.git", ["rev-parse", "refs/notes/conductor"]);
    assert_eq!(scene.sandbox.git_says("repo", ["rev-parse", "refs/notes/conductor"]), there);
    // Of a mirror nothing else was taken away or forced.
    assert!(
        scene.sandbox.try_git("remote.git", ["rev-parse", "--verify", "main"]).status.success()
    );
    let heads = scene.sandbox.git_says("remote.git", ["for-each-ref", "--format=%(refname)"]);
    let artifacts = "refs/notes/conductor-artifacts";
    let heads: Vec<&str> = heads.lines().filter(|name| *name != artifacts).collect();
    assert_eq!(heads, ["refs/heads/main", "refs/notes/conductor"]);
}
