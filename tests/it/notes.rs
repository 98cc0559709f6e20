//! Records in git notes, written by the real program beside real git: what is in them, that none is
//! lost, and in what kinds of repositories.

use std::path::PathBuf;
use std::process::Output;

use serde_json::{Value, json};

use crate::fixture::Scene;
use crate::process_driver::{Answer, independent};

/// A scene whose completions are recorded.
pub(crate) fn noting(phases: &str) -> Scene {
    let mut scene = Scene::new();
    scene.sandbox.git("repo", ["config", "conductor.notes", "true"]);
    scene.sprint(phases);
    scene
}

/// The records in the note of `commit`, by git's word.
pub(crate) fn records(scene: &Scene, dir: &str, commit: &str) -> Vec<Value> {
    let text = scene.sandbox.git_says(dir, ["notes", "--ref=conductor", "show", commit]);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// git finds nothing wrong: neither with any object, nor with the notes.
pub(crate) fn whole(scene: &Scene, dir: &str) {
    let said = scene.sandbox.git(dir, ["fsck", "--full", "--strict", "--no-dangling"]);
    assert_eq!(String::from_utf8_lossy(&said.stdout), "");
    scene.sandbox.git(dir, ["notes", "--ref=conductor", "list"]);
}

/// Claims and completes `phase`: what is said of it.
#[track_caller]
pub(crate) fn completes(scene: &mut Scene, dir: &str, phase: &str, more: &[&str]) -> Answer {
    scene.does_in(dir, "ann", &["claim", phase]);
    let args = [&["complete", phase, "--json"], more].concat();
    Answer::of(&scene.asks("ann", dir, &args)).ok()
}

/// The phase was completed, and its record could not be written, since `why`.
#[track_caller]
fn warned(scene: &mut Scene, phase: &str, why: &str) {
    let said = completes(scene, "repo", phase, &[]);
    assert_eq!(said.json["note"]["ok"], json!(false), "{said:?}");
    let error = said.json["note"]["error"].as_str().unwrap();
    assert!(error.contains(why), "{error}");
    assert_eq!(scene.board()["phases"][phase]["state"], json!("done"));
}

#[test]
fn a_completion_is_a_line_that_git_shows() {
    let mut scene = noting("build,ship");
    scene.sandbox.write("repo/notes/it.md", "found nothing\n");
    let artifact = scene.sandbox.join("repo/notes/it.md").display().to_string();
    let said = completes(&mut scene, "repo", "build", &["--artifact", &artifact]);
    assert_eq!(said.json["note"]["ok"], json!(true), "{said:?}");
    let head = scene.sandbox.git_says("repo", ["rev-parse", "HEAD"]);
    let tree = scene.sandbox.git_says("repo", ["rev-parse", "HEAD^{tree}"]);
    let [record] = &records(&scene, "repo", "HEAD")[..] else { panic!("one record") };
    let oid = scene.sandbox.git_says("repo", ["hash-object", "notes/it.md"]);
    for (key, value) in [
        ("v", json!(1)),
        ("id", said.json["note"]["id"].clone()),
        ("sprint", scene.board()["sprint_id"].clone()),
        ("phase", json!("build")),
        ("agent", json!("ann")),
        ("verdict", json!("pass")),
        ("commit", json!(head)),
        ("tree", json!(tree)),
        ("dirty", json!(false)),
        ("depends_on", json!([])),
    ] {
        assert_eq!(record[key], value, "{key}");
    }
    assert_eq!(record["artifact"]["oid"], json!(oid));
    // Nothing of this machine goes out with it.
    assert_eq!(record["artifact"]["path"], json!("notes/it.md"));
    assert!(!record.to_string().contains(&scene.sandbox.path().display().to_string()));
    let shown =
        scene.sandbox.git("repo", ["notes", "--ref=conductor-artifacts", "show", &oid]).stdout;
    assert_eq!(shown, b"found nothing\n");
    let log = scene.sandbox.git_says("repo", ["log", "--notes=conductor"]);
    assert!(log.contains("Notes (conductor):\n    {\"v\":1,\"id\":"), "{log}");
    whole(&scene, "repo");
    // The artifact outlives all that git takes for garbage.
    scene.sandbox.git("repo", ["gc", "-q", "--prune=now"]);
    let kept = scene.sandbox.git_says("repo", ["cat-file", "blob", &oid]);
    assert_eq!(kept, "found nothing");
    // A dependent phase names what it depends on; completing again writes nothing twice.
    completes(&mut scene, "repo", "ship", &[]);
    let again = scene.said("ann", &["complete", "ship"]);
    assert_eq!((&again["again"], &again["note"]["ok"]), (&json!(true), &json!(true)));
    let both = records(&scene, "repo", "HEAD");
    assert_eq!(both.len(), 2);
    assert_eq!(both[1]["depends_on"], json!(["build"]));
}

#[test]
fn it_is_asked_for_or_not() {
    let mut scene = Scene::new();
    scene.sprint("a:,b:,c:,d:,e:");
    let note = |scene: &mut Scene, phase: &str, more: &[&str]| {
        completes(scene, "repo", phase, more).json["note"]["ok"].clone()
    };
    assert_eq!(note(&mut scene, "a", &[]), Value::Null);
    assert_eq!(note(&mut scene, "b", &["--note"]), json!(true));
    scene.sandbox.git("repo", ["config", "conductor.notes", "true"]);
    assert_eq!(note(&mut scene, "c", &["--no-note"]), Value::Null);
    assert_eq!(note(&mut scene, "d", &["--no-note", "--note"]), json!(true));
    // A word that is no answer stops before anything is done.
    scene.sandbox.git("repo", ["config", "conductor.notes", "perhaps"]);
    scene.does("ann", &["claim", "e"]);
    let said = Answer::of(&scene.asks("ann", "repo", &["complete", "e", "--json"]));
    assert_eq!(said.said(), (Some(128), "git"));
    assert_eq!(scene.board()["phases"]["e"]["state"], json!("claimed"));
    // Later, all that has none gets one.
    scene.sandbox.git("repo", ["config", "conductor.notes", "false"]);
    let synced = scene.said("ann", &["notes", "sync"]);
    assert_eq!(synced["written"], json!(2), "{synced}");
    assert_eq!(scene.said("ann", &["notes", "sync"])["written"], json!(0));
    assert_eq!(records(&scene, "repo", "HEAD").len(), 4);
}

/// Runs `each` in as many threads, each with its number.
fn at_once(threads: usize, each: impl Fn(usize) + Sync) {
    std::thread::scope(|scope| {
        for n in 0..threads {
            let each = &each;
            scope.spawn(move || each(n));
        }
    });
}

fn checked(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Eight agents that complete twenty phases each, all on one commit.
fn eight_times_twenty(scene: &Scene, beside: impl Fn() + Sync) {
    let sandbox = &scene.sandbox;
    at_once(9, |agent| {
        if agent == 8 {
            beside();
            return;
        }
        for n in 0..20 {
            let phase = format!("p{:03}", agent * 20 + n);
            let name = format!("agent-{agent}");
            for verb in ["claim", "complete"] {
                let mut git = sandbox.command("repo", "git");
                git.args(["conductor", verb, &phase, "--agent", &name]);
                let pid = std::process::id().to_string();
                let output = git.args(["--pid", &pid]).output().unwrap();
                checked(&output);
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                // That these agents have nothing to show is no matter of notes.
                let mut warnings = said.lines().filter(|line| line.starts_with("warning:"));
                assert!(warnings.all(|line| line.contains("nothing shows the work")), "{said}");
            }
        }
    });
}

fn ids(records: &[Value]) -> usize {
    let ids: std::collections::BTreeSet<_> =
        records.iter().map(|record| record["id"].to_string()).collect();
    ids.len()
}

#[test]
fn eight_processes_lose_no_line() {
    let scene = noting(&independent(160));
    eight_times_twenty(&scene, || {});
    let records = records(&scene, "repo", "HEAD");
    assert_eq!((records.len(), ids(&records)), (160, 160));
    whole(&scene, "repo");
}

/// git's own writers compare nothing, so they can drop what they did not see; `sync` brings it
/// back.
#[test]
fn what_git_drops_comes_back() {
    let mut scene = noting(&independent(160));
    let sandbox = &scene.sandbox;
    let blob = sandbox.git_says("repo", ["hash-object", "-w", "file"]);
    eight_times_twenty(&scene, || {
        for _ in 0..40 {
            // It fails where the reference is locked.
            sandbox.try_git("repo", ["notes", "--ref=conductor", "append", "-m", "by hand", &blob]);
        }
    });
    let before = records(&scene, "repo", "HEAD").len();
    let synced = scene.said("ann", &["notes", "sync"]);
    assert_eq!(synced["written"], json!(160 - before));
    let records = records(&scene, "repo", "HEAD");
    assert_eq!((records.len(), ids(&records)), (160, 160));
    whole(&scene, "repo");
}

#[test]
fn eight_that_sync_write_each_line_once() {
    let mut scene = Scene::new();
    scene.sprint(&independent(30));
    for n in 0..30 {
        scene.works("ann", &format!("p{n:03}"));
    }
    let sandbox = &scene.sandbox;
    at_once(8, |_| {
        checked(&sandbox.git("repo", ["conductor", "--agent", "bob", "notes", "sync"]));
    });
    let records = records(&scene, "repo", "HEAD");
    assert_eq!((records.len(), ids(&records)), (30, 30));
}

/// Objects that nothing leads to yet are taken away under the writers.
#[test]
fn beside_the_garbage_collection() {
    let scene = noting(&independent(160));
    let sandbox = &scene.sandbox;
    eight_times_twenty(&scene, || {
        for _ in 0..12 {
            sandbox.try_git("repo", ["gc", "-q", "--prune=now"]);
        }
    });
    whole(&scene, "repo");
    let records = records(&scene, "repo", "HEAD");
    assert_eq!((records.len(), ids(&records)), (160, 160));
    let packs = std::fs::read_dir(scene.sandbox.join("repo/.git/objects/pack")).unwrap();
    let mut names = packs.map(|pack| pack.unwrap().path());
    assert_eq!(names.find(|path| path.extension().is_some_and(|it| it == "keep")), None);
}

#[test]
fn ended_sprints_too() {
    let mut scene = Scene::new();
    scene.sandbox.write("repo/.nanostack/a.md", "a\n");
    scene.sprint("a:");
    scene.does("ann", &["claim", "a"]);
    scene.does("ann", &["complete", "a", "--artifact", ".nanostack/a.md"]);
    let first = scene.board()["sprint_id"].clone();
    scene.sprint("b:");
    scene.works("ann", "b");
    let synced = scene.said("ann", &["notes", "sync"]);
    assert_eq!((&synced["written"], &synced["kept"]), (&json!(2), &json!(1)), "{synced}");
    let all = records(&scene, "repo", "HEAD");
    assert_eq!(all.iter().filter(|record| record["sprint"] == first).count(), 1);
    // Without its artifact's reference it is written again, and no record twice.
    scene.sandbox.git("repo", ["update-ref", "-d", "refs/notes/conductor-artifacts"]);
    let synced = scene.said("ann", &["notes", "sync"]);
    assert_eq!((&synced["written"], &synced["kept"]), (&json!(0), &json!(1)), "{synced}");
    // A commit that is gone has no note; that is told.
    scene.sprint("c:");
    let later = scene.sandbox.git_says("repo", ["commit-tree", "-m", "later", "HEAD^{tree}"]);
    scene.does("ann", &["claim", "c"]);
    scene.does("ann", &["complete", "c", "--commit", &later]);
    scene.sandbox.git("repo", ["prune", "--expire=now"]);
    let synced = scene.said("ann", &["notes", "sync"]);
    assert_eq!(synced["left"][0]["why"], json!("commit_gone"), "{synced}");
}

#[test]
fn every_kind_of_repository() {
    for args in [
        &["--ref-format=reftable"][..],
        &["--object-format=sha256"],
        &["--object-format=sha256", "--ref-format=reftable"],
        &["--shared=group"],
    ] {
        let mut scene = Scene::new();
        scene.sandbox.git(".", [&["init", "-q", "new"], args].concat());
        scene.sandbox.git("new", ["config", "conductor.notes", "true"]);
        scene.sandbox.commit("new");
        scene.does_in("new", "lead", &["start", "--phases", "a:,b:,c:"]);
        scene.sandbox.git("new", ["worktree", "add", "-q", "--detach", "../other"]);
        scene.sandbox.write("other/a.md", "a\n");
        for (dir, phase, artifact) in
            [("new", "a", "file"), ("other", "b", "a.md"), ("new", "c", "file")]
        {
            let said = completes(&mut scene, dir, phase, &["--artifact", artifact]);
            assert_eq!(said.json["note"]["ok"], json!(true), "{args:?}: {said:?}");
        }
        let all = records(&scene, "new", "HEAD");
        assert_eq!((all.len(), ids(&all)), (3, 3), "{args:?}");
        let oid = all[1]["artifact"]["oid"].as_str().unwrap().to_owned();
        let ref_ = "--ref=conductor-artifacts";
        assert_eq!(scene.sandbox.git_says("new", ["notes", ref_, "show", &oid]), "a", "{args:?}");
        whole(&scene, "new");
        // No reference has been written past git.
        assert_eq!(
            scene.sandbox.join("new/.git/refs/notes").exists(),
            !args.contains(&"--ref-format=reftable")
        );
        if args.contains(&"--shared=group") {
            let blob = scene.sandbox.join("new/.git/objects").join(&oid[..2]);
            let mode = std::os::unix::fs::MetadataExt::mode(&blob.metadata().unwrap());
            assert_eq!(mode & 0o070, 0o070, "others of the group can write there");
        }
    }
}

#[test]
fn nobody_is_known() {
    let mut scene = noting("a:");
    scene.sandbox.write("home/.gitconfig", "[user]\n\tuseConfigOnly = true\n");
    let said = completes(&mut scene, "repo", "a", &[]);
    assert_eq!(said.json["note"]["ok"], json!(true), "{said:?}");
    let who = scene
        .sandbox
        .git_says("repo", ["log", "-1", "--format=%an %ae %cn", "refs/notes/conductor"]);
    assert_eq!(who, "git conductor conductor@localhost git conductor");
    let mut scene = noting("a:");
    completes(&mut scene, "repo", "a", &[]);
    let who =
        scene.sandbox.git_says("repo", ["log", "-1", "--format=%an %ae", "refs/notes/conductor"]);
    assert_eq!(who, "A U Thor author@example.com");
}

#[test]
fn without_a_commit() {
    let mut scene = Scene::new();
    scene.sandbox.git(".", ["init", "-q", "new"]);
    scene.does_in("new", "lead", &["start", "--phases", "a:"]);
    let said = completes(&mut scene, "new", "a", &["--note"]);
    assert_eq!(said.json["note"]["error"], json!("there is no commit yet"), "{said:?}");
    let refs = scene.sandbox.git_says("new", ["for-each-ref"]);
    assert_eq!(refs, "");
}

#[test]
fn a_lock_that_was_left_is_named() {
    let mut scene = noting("a:,b:,c:");
    for (name, phase) in [("conductor", "a"), ("conductor-artifacts", "b")] {
        let lock = scene.sandbox.write(format!("repo/.git/refs/notes/{name}.lock"), "");
        let artifact = ["--artifact", "file"];
        scene.does("ann", &["claim", phase]);
        let args = [&["complete", phase][..], &artifact].concat();
        let output = scene.asks("ann", "repo", &args);
        assert!(output.status.success());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(&format!("hint: '{}' is in the way", lock.display())), "{said}");
        assert!(lock.exists(), "it is not ours to remove");
        std::fs::remove_file(lock).unwrap();
        // Neither of the two has moved.
        assert_eq!(scene.sandbox.git_says("repo", ["for-each-ref", "refs/notes"]), "");
    }
    assert_eq!(scene.said("ann", &["notes", "sync"])["written"], json!(2));
}

/// A hook that refuses, as one that guards references does.
#[test]
fn what_git_refuses_is_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut scene = noting("a:");
    let hook = "#!/bin/sh\n! grep -q refs/notes/\n";
    let path = scene.sandbox.write("repo/.git/hooks/reference-transaction", hook);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    warned(&mut scene, "a", "ref updates aborted by hook");
}

/// A note that somebody else wrote on the same reference.
fn note_by_hand(scene: &Scene, object: &str) {
    let head = scene.sandbox.git_says("repo", ["rev-parse", "HEAD"]);
    // mktree would look what the object is.
    let bytes = |hex: &str| -> Vec<u8> {
        let pairs = (0..hex.len()).step_by(2).map(|at| &hex[at..at + 2]);
        pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    };
    let entry = [format!("100644 {head}\0").as_bytes(), &bytes(object)].concat();
    let tree = with_input(scene, &["hash-object", "-t", "tree", "-w", "--stdin"], &entry);
    let commit = scene.sandbox.git_says("repo", ["commit-tree", "-m", "by hand", &tree]);
    scene.sandbox.git("repo", ["update-ref", "refs/notes/conductor", &commit]);
}

/// What git prints that reads `input`.
pub(crate) fn with_input(scene: &Scene, args: &[&str], input: &[u8]) -> String {
    let path: PathBuf = scene.sandbox.write("input", input);
    let mut git = scene.sandbox.command("repo", "git");
    let output = git.args(args).stdin(std::fs::File::open(path).unwrap()).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[test]
fn notes_of_others_are_kept() {
    let mut scene = noting("a:,b:,c:,d:");
    // Text and bytes: the record comes after them.
    for (phase, text) in [("a", &b"by hand, no newline"[..]), ("b", b"\0\xff\xfe\r\n\x1b[2J")] {
        let blob = with_input(&scene, &["hash-object", "-w", "--stdin"], text);
        note_by_hand(&scene, &blob);
        completes(&mut scene, "repo", phase, &[]);
        let all = scene.sandbox.git("repo", ["notes", "--ref=conductor", "show", "HEAD"]).stdout;
        assert!(all.starts_with(text), "{all:?}");
        let shown = scene.asks("ann", "repo", &["notes"]);
        assert!(!shown.stdout.contains(&0x1b), "{shown:?}");
        assert_eq!(scene.said("ann", &["notes"])["records"].as_array().unwrap().len(), 1);
    }
    // What is no text cannot be added to, and stays.
    let tree = scene.sandbox.git_says("repo", ["rev-parse", "HEAD^{tree}"]);
    let long = with_input(&scene, &["hash-object", "-w", "--stdin"], &vec![b'x'; 17 << 20]);
    for (phase, object) in [("c", &tree), ("d", &long)] {
        note_by_hand(&scene, object);
        let before = scene.sandbox.git_says("repo", ["rev-parse", "refs/notes/conductor"]);
        warned(&mut scene, phase, "is no text, or too long");
        let after = scene.sandbox.git_says("repo", ["rev-parse", "refs/notes/conductor"]);
        assert_eq!(before, after);
        assert_eq!(scene.said("ann", &["notes"])["odd"], json!(1));
    }
}

#[test]
fn a_reference_that_is_none_of_notes_is_left_alone() {
    let mut scene = noting("a:,b:,c:");
    let sandbox = &scene.sandbox;
    sandbox.git("repo", ["tag", "-a", "-m", "tag", "v1"]);
    for (phase, rev) in [("a", "v1"), ("b", "HEAD:file"), ("c", "HEAD^{tree}")] {
        let object = scene.sandbox.git_says("repo", ["rev-parse", rev]);
        scene.sandbox.git("repo", ["update-ref", "refs/notes/conductor", &object]);
        warned(&mut scene, phase, "'refs/notes/conductor' is no reference of notes");
        let now = scene.sandbox.git_says("repo", ["rev-parse", "refs/notes/conductor"]);
        assert_eq!(now, object);
        let shown = Answer::of(&scene.asks("ann", "repo", &["notes", "--json"]));
        assert_eq!(shown.said(), (Some(128), "git"));
    }
}

#[test]
fn the_reference_is_below_refs_notes() {
    let names = [
        "refs/heads/main",
        "refs/notes/../heads/main",
        "../x",
        "-x",
        "refs/notes/-x",
        "refs/notes/",
        "refs/notes",
        "refs/notes/a b",
        "refs/notes/a..b",
        "refs/notes/a.lock",
        "refs/notes/a~1",
        "refs/notes/@{0}",
        "refs/notes/a\\b",
        "refs/notes//a",
        "refs/notes/.a",
        "refs/notes/a*",
        "refs/notes/a\u{7f}",
        "conductor",
        "",
    ];
    let mut scene = noting(&independent(names.len()));
    let before = scene.sandbox.git_says("repo", ["for-each-ref"]);
    for (n, name) in names.into_iter().enumerate() {
        scene.sandbox.git("repo", ["config", "conductor.notesRef", name]);
        warned(&mut scene, &format!("p{n:03}"), "it is no name below refs/notes/");
        let formed = scene.sandbox.try_git("repo", ["check-ref-format", name]).status.success();
        let outside = !name.starts_with("refs/notes/") || name == "refs/notes/-x";
        assert_eq!(formed, outside && name.starts_with("refs/") && name != "refs/notes/", "{name}");
    }
    assert_eq!(scene.sandbox.git_says("repo", ["for-each-ref"]), before);
    for name in ["refs/notes/team/a-b_c.d", "refs/notes/ü"] {
        scene.sandbox.git("repo", ["config", "conductor.notesRef", name]);
        let synced = scene.said("ann", &["notes", "sync"]);
        assert_eq!((&synced["ref"], &synced["written"]), (&json!(name), &json!(names.len())));
    }
}

#[test]
fn names_are_one_line_whatever_they_are() {
    let mut scene = noting("a:");
    let file = "line\none\u{1b}[2J\u{2028}{\"v\":1}.md";
    scene.sandbox.write(format!("repo/{file}"), "x\n");
    let name = "n".repeat(128);
    scene.does(&name, &["claim", "a"]);
    scene.does(&name, &["complete", "a", "--artifact", file]);
    let shown = scene.sandbox.git("repo", ["notes", "--ref=conductor", "show", "HEAD"]).stdout;
    assert!(shown.iter().filter(|byte| !(b' '..=b'~').contains(*byte)).eq([&b'\n']), "{shown:?}");
    let [record] = &records(&scene, "repo", "HEAD")[..] else { panic!("one record") };
    assert_eq!((&record["artifact"]["path"], &record["agent"]), (&json!(file), &json!(name)));
}

#[test]
fn records_of_a_commit_and_of_a_range() {
    let mut scene = noting("a:,b:,c:");
    for phase in ["a", "b", "c"] {
        completes(&mut scene, "repo", phase, &[]);
        scene.sandbox.git("repo", ["commit", "-q", "--allow-empty", "-m", phase]);
    }
    let phases = |scene: &mut Scene, args: &[&str]| -> Vec<String> {
        let said = scene.said("ann", &[&["notes", "show"], args].concat());
        let records = said["records"].as_array().unwrap().iter();
        records.map(|record| record["phase"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(phases(&mut scene, &[]), ["a", "b", "c"]);
    assert_eq!(phases(&mut scene, &["HEAD"]), [""; 0]);
    assert_eq!(phases(&mut scene, &["HEAD~1"]), ["c"]);
    assert_eq!(phases(&mut scene, &["HEAD~2..HEAD"]), ["c"]);
    assert_eq!(phases(&mut scene, &["HEAD~3..main"]), ["b", "c"]);
    for rev in ["nowhere", "--all", "-x", "a..b", "", "HEAD:file"] {
        let said = Answer::of(&scene.asks("ann", "repo", &["notes", "show", "--json", "--", rev]));
        assert_eq!(said.said(), (Some(129), "usage"), "{rev}: {said:?}");
    }
    for args in [
        &["notes", "--remove"][..],
        &["notes", "show", "HEAD", "--remote", "x"],
        &["notes", "sync", "--remote", "x"],
    ] {
        let said = Answer::of(&scene.asks("ann", "repo", &[args, &["--json"]].concat()));
        assert_eq!(said.said(), (Some(129), "usage"), "{said:?}");
    }
}
