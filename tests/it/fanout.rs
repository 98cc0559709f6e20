//! The trees of notes are those that git would write, byte for byte, and git's are read however
//! they are laid out.

use std::fmt::Write as _;

use serde_json::json;

use crate::fixture::Scene;
use crate::notes::{completes, noting, whole, with_input};
use crate::process_driver::{independent, sha256};

/// Ids of objects that are not there: `count` of them, each beginning with one of `prefixes`.
fn keys(count: usize, prefixes: &[&str]) -> Vec<String> {
    let key = |n: usize| {
        let prefix = prefixes[n % prefixes.len()];
        format!("{prefix}{}", &sha256(n.to_string())[..40 - prefix.len()])
    };
    (0..count).map(key).collect()
}

/// Has git put a note on each of `keys`, in one commit.
fn git_notes(scene: &Scene, keys: &[String]) {
    let sandbox = &scene.sandbox;
    sandbox.try_git("repo", ["update-ref", "-d", "refs/notes/conductor"]);
    if keys.is_empty() {
        return;
    }
    let blob = sandbox.git_says("repo", ["rev-parse", "HEAD:file"]);
    sandbox.git("repo", ["notes", "--ref=seed", "add", "-f", "-C", &blob, "HEAD:file"]);
    let mut lines = String::new();
    for key in keys {
        writeln!(lines, "{blob} {key}").unwrap();
    }
    sandbox.git("repo", ["update-ref", "refs/notes/conductor", "refs/notes/seed"]);
    with_input(scene, &["notes", "--ref=conductor", "copy", "--stdin"], lines.as_bytes());
}

/// What we write next is what git would have written.
#[track_caller]
fn same_as_git(scene: &mut Scene, phase: &str, what: &str) {
    let sandbox = &scene.sandbox;
    if sandbox
        .try_git("repo", ["update-ref", "refs/notes/theirs", "refs/notes/conductor"])
        .status
        .success()
    {
    } else {
        sandbox.try_git("repo", ["update-ref", "-d", "refs/notes/theirs"]);
    }
    let said = completes(scene, "repo", phase, &[]);
    assert_eq!(said.json["note"]["ok"], json!(true), "{what}: {said:?}");
    let sandbox = &scene.sandbox;
    let note = sandbox.git_says("repo", ["notes", "--ref=conductor", "list", "HEAD"]);
    sandbox.git("repo", ["notes", "--ref=theirs", "add", "-f", "-C", &note, "HEAD"]);
    let tree = |name: &str| {
        sandbox.git_says("repo", ["rev-parse", &format!("refs/notes/{name}^{{tree}}")])
    };
    assert_eq!(tree("conductor"), tree("theirs"), "{what}");
}

#[test]
fn as_many_directories_as_git_makes() {
    let counts = [0, 1, 2, 15, 16, 17, 40, 60, 70, 80, 90, 100, 120, 160, 255, 256, 257, 300, 3000];
    let mut scene = noting(&independent(counts.len() + 4));
    for (n, count) in counts.into_iter().enumerate() {
        git_notes(&scene, &keys(count, &[""]));
        same_as_git(&mut scene, &format!("p{n:03}"), &format!("{count} notes"));
    }
    // Crowded in few places, where there are directories in directories.
    let head = scene.sandbox.git_says("repo", ["rev-parse", "HEAD"]);
    let all: Vec<String> = (0..16).map(|digit| format!("{digit:x}0")).collect();
    let mut wide: Vec<&str> = all.iter().map(String::as_str).collect();
    for (n, prefixes) in [vec![&head[..2]], vec![&head[..4], &head[..2]]].into_iter().enumerate() {
        git_notes(&scene, &keys(500, &prefixes));
        same_as_git(&mut scene, &format!("p{:03}", counts.len() + n), &format!("{prefixes:?}"));
    }
    wide.push(&head[..2]);
    git_notes(&scene, &keys(17 * 200, &wide));
    let deep =
        scene.sandbox.git_says("repo", ["ls-tree", "-r", "--name-only", "refs/notes/conductor"]);
    assert!(deep.lines().any(|path| path.matches('/').count() == 2), "directories in directories");
    same_as_git(&mut scene, &format!("p{:03}", counts.len() + 2), "crowded");
    whole(&scene, "repo");
}

/// `git fast-import` lays notes out by another rule, and by hand anything can be made.
#[test]
fn other_layouts_are_read() {
    let mut scene = noting("a:,b:,c:,d:");
    let head = scene.sandbox.git_says("repo", ["rev-parse", "HEAD"]);
    let import = |scene: &Scene, changes: &str| {
        scene.sandbox.try_git("repo", ["update-ref", "-d", "refs/notes/conductor"]);
        let text =
            format!("commit refs/notes/conductor\ncommitter a <a@b> 0 +0000\ndata 1\nx\n{changes}");
        with_input(scene, &["fast-import", "--quiet"], text.as_bytes());
    };
    let inline =
        |path: &str, text: &str| format!("M 100644 inline {path}\ndata {}\n{text}\n", text.len());
    let deep = |levels: usize| {
        let (mut path, mut rest) = (String::new(), head.as_str());
        for _ in 0..levels {
            write!(path, "{}/", &rest[..2]).unwrap();
            rest = &rest[2..];
        }
        path + rest
    };
    // Three directories deep, where git would make none.
    import(&scene, &inline(&deep(3), "by hand"));
    same_as_git(&mut scene, "a", "deep");
    assert!(
        scene
            .sandbox
            .git_says("repo", ["notes", "--ref=conductor", "show"])
            .starts_with("by hand\n")
    );
    // What is no note stays, beside and among them.
    let others = ["README", "zz/file", "a", &format!("{}/other", &head[..2])];
    let mut changes: String = others.iter().map(|path| inline(path, "kept")).collect();
    changes += &inline(&deep(1), "by hand");
    import(&scene, &changes);
    same_as_git(&mut scene, "b", "others");
    for path in others {
        let text =
            scene.sandbox.git_says("repo", ["show", &format!("refs/notes/conductor:{path}")]);
        assert_eq!(text, "kept", "{path}");
    }
    // The same note in two places: what both say is kept, as git keeps it.
    import(
        &scene,
        &(inline(&deep(0), "one") + &inline(&deep(1), "two") + &inline(&deep(2), "three")),
    );
    completes(&mut scene, "repo", "c", &[]);
    let text = scene.sandbox.git_says("repo", ["notes", "--ref=conductor", "show"]);
    for line in ["one", "two", "three"] {
        assert!(text.lines().any(|it| it == line), "{text}");
    }
    assert_eq!(text.lines().count(), 4);
    let paths =
        scene.sandbox.git_says("repo", ["ls-tree", "-r", "--name-only", "refs/notes/conductor"]);
    assert_eq!(paths, head);
    // Many, by fast-import's rule.
    let many: String = keys(400, &[""]).iter().fold(String::new(), |mut text, key| {
        write!(text, "N inline {key}\ndata 1\nx\n").unwrap();
        text
    });
    let objects = scene.sandbox.git_says("repo", ["rev-parse", "HEAD"]);
    import(
        &scene,
        &many.replacen(&keys(1, &[""])[0], &objects, 1).replace("N inline", "M 100644 inline"),
    );
    same_as_git(&mut scene, "d", "many");
    assert_eq!(scene.said("ann", &["notes"])["records"].as_array().unwrap().len(), 1);
}

/// Trees that hold each other 256 times over have no end; none is waited for.
#[test]
fn a_tree_without_end_is_given_up() {
    let mut scene = noting("a:");
    let mut tree = with_input(&scene, &["mktree"], b"");
    for _ in 0..18 {
        let mut entries = String::new();
        for n in 0..256 {
            writeln!(entries, "040000 tree {tree}\t{n:02x}").unwrap();
        }
        tree = with_input(&scene, &["mktree"], entries.as_bytes());
    }
    let commit = scene.sandbox.git_says("repo", ["commit-tree", "-m", "x", &tree]);
    scene.sandbox.git("repo", ["update-ref", "refs/notes/conductor", &commit]);
    let said = scene.asks("ann", "repo", &["guard", "--notes", "--json"]);
    let said = crate::process_driver::Answer::of(&said);
    assert_eq!(said.said(), (Some(128), "git"), "{said:?}");
    assert!(said.err.contains("too many trees"), "{said:?}");
}
