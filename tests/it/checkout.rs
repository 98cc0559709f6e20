//! What is checked out, excluded and tracked, against real git.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Duration;

use git_conductor::error::FailureKind;
use git_conductor::git::{Limit, Repo};

use crate::places::all_reach;
use crate::sandbox::{Sandbox, kind};

#[test]
fn sha256_and_reftable() {
    let sandbox = Sandbox::new();
    for (name, option) in [("long", "--object-format=sha256"), ("tables", "--ref-format=reftable")]
    {
        sandbox.git(".", ["init", "-q", option, name]);
        let unborn = sandbox.repo(name).snapshot(None).unwrap();
        assert_eq!((unborn.commit, unborn.branch.as_deref()), (None, Some("main")));
        sandbox.commit(name);
        sandbox.git(name, ["worktree", "add", "-q", &format!("../{name}-linked")]);
        let linked = format!("{name}-linked");
        all_reach(&sandbox, &[name, &linked], &format!("{name}/.nanostack"));
        for dir in [name, &linked] {
            snapshot_agrees(&sandbox, dir);
        }
        assert_eq!(kind(sandbox.repo(name).snapshot(Some("nowhere"))), FailureKind::Usage);
    }
}

/// The snapshot of `dir` is what git says.
pub(crate) fn snapshot_agrees(sandbox: &Sandbox, dir: &str) {
    let snapshot = sandbox.repo(dir).snapshot(None).unwrap();
    let ask = |args: &[&str]| {
        let output = sandbox.try_git(dir, args);
        let text = String::from_utf8(output.stdout).unwrap();
        output.status.success().then(|| text.trim_end().to_owned())
    };
    assert_eq!(snapshot.commit, ask(&["rev-parse", "HEAD"]), "{dir}");
    assert_eq!(snapshot.tree, ask(&["rev-parse", "HEAD^{tree}"]), "{dir}");
    assert_eq!(snapshot.branch, ask(&["symbolic-ref", "--short", "-q", "HEAD"]), "{dir}");
    assert_eq!(snapshot.worktree, ask(&["rev-parse", "--show-toplevel"]), "{dir}");
}

#[test]
fn snapshots() {
    let sandbox = Sandbox::new();
    sandbox.git(".", ["init", "-q", "repo"]);
    let unborn = sandbox.repo("repo").snapshot(None).unwrap();
    assert_eq!((unborn.commit, unborn.tree), (None, None));
    assert_eq!(unborn.branch.as_deref(), Some("main"));
    sandbox.commit("repo");
    sandbox.git("repo", ["commit", "-q", "--allow-empty", "-m", "second"]);
    sandbox.git("repo", ["tag", "-a", "-m", "a tag", "v1", "HEAD^"]);
    sandbox.git("repo", ["worktree", "add", "-q", "-b", "wt/build", "../linked"]);
    snapshot_agrees(&sandbox, "repo");
    snapshot_agrees(&sandbox, "linked");
    sandbox.git("repo", ["gc", "-q"]);
    assert!(sandbox.join("repo/.git/packed-refs").is_file());
    snapshot_agrees(&sandbox, "repo");
    snapshot_agrees(&sandbox, "linked");
    let source = format!("file://{}", sandbox.join("repo").display());
    sandbox.git(".", ["clone", "-q", "--depth=1", &source, "shallow"]);
    snapshot_agrees(&sandbox, "shallow");
    sandbox.git("linked", ["checkout", "-q", "--detach"]);
    snapshot_agrees(&sandbox, "linked");
    assert_eq!(sandbox.repo("linked").snapshot(None).unwrap().branch, None);

    let main = sandbox.repo("repo");
    let full = sandbox.git_says("repo", ["rev-parse", "HEAD^"]);
    let first = ["HEAD^", "v1", "refs/tags/v1", &full, &full[..9], "@~1", "tags/v1"];
    for rev in first {
        assert_eq!(main.snapshot(Some(rev)).unwrap().commit.as_ref(), Some(&full), "{rev}");
    }
    let blob = sandbox.git_says("repo", ["rev-parse", "HEAD:file"]);
    let nothing = "0123456789012345678901234567890123456789";
    for rev in ["nowhere", "", "--all", "HEAD..v1", "HEAD:file", &blob, nothing, "a\0b"] {
        assert_eq!(kind(main.snapshot(Some(rev))), FailureKind::Usage, "{rev:?}");
    }
}

/// Whether anything is not committed there.
pub(crate) fn is_dirty(repo: &Repo, ignore: &[&Path]) -> bool {
    repo.uncommitted(ignore, &|_| false, 1, &Limit::within(Duration::from_secs(600))).unwrap().count
        > 0
}

#[test]
fn dirty() {
    let mut sandbox = Sandbox::new();
    let path = sandbox.repository("repo");
    let main = sandbox.repo("repo");
    assert!(!is_dirty(&main, &[]));
    // The artifact is alone in its untracked directory, and its name means something to pathspecs.
    for name in ["out/sub/[a]*?.json", ":(top)odd", "out/\u{e9} \"quoted\"\n'", "-x", "!y"] {
        let artifact = sandbox.write(format!("repo/{name}"), "{}");
        let store = path.join(".nanostack");
        sandbox.write("repo/.nanostack/conductor/x", "");
        assert!(is_dirty(&main, &[]));
        assert!(!is_dirty(&main, &[&artifact, &store, Path::new("/elsewhere")]), "{name}");
        let beside = artifact.with_file_name("a beside it");
        fs::write(&beside, "").unwrap();
        assert!(is_dirty(&main, &[&artifact, &store]), "{name}");
        fs::remove_file(beside).unwrap();
        fs::remove_file(artifact).unwrap();
        fs::remove_dir_all(store).unwrap();
    }
    sandbox.write("repo/file", "changed\n");
    assert!(is_dirty(&main, &[]));
    sandbox.git("repo", ["add", "file"]);
    assert!(is_dirty(&main, &[]));
    sandbox.git("repo", ["reset", "-q", "--hard"]);
    // What git tells hooks must not reach the child.
    sandbox.git("repo", ["worktree", "add", "-q", "../linked"]);
    sandbox.write("linked/new", "");
    sandbox.set("GIT_DIR", path.join(".git/worktrees/linked"));
    sandbox.set("GIT_INDEX_FILE", sandbox.join("nowhere"));
    sandbox.set("GIT_PREFIX", "x/");
    sandbox.set("GIT_LITERAL_PATHSPECS", "1");
    let linked = sandbox.repo("linked");
    assert!(is_dirty(&linked, &[]));
    assert!(!is_dirty(&linked, &[&sandbox.join("linked/new")]));
    // Nothing can be dirty where nothing is checked out.
    let bare = Sandbox::new();
    bare.git(".", ["init", "-q", "--bare", "bare"]);
    assert!(!is_dirty(&bare.repo("bare"), &[]));
    bare.git("bare", ["worktree", "add", "-q", "--orphan", "../linked"]);
    assert!(!is_dirty(&bare.repo("linked"), &[]));
    bare.write("linked/new", "");
    assert!(is_dirty(&bare.repo("linked"), &[]));
}

#[test]
fn exclude() {
    let sandbox = Sandbox::new();
    let path = sandbox.repository("repo");
    let main = sandbox.repo("repo");
    let file = path.join(".git/info/exclude");
    let line = "/.nanostack/";
    fs::write(&file, "# mine\n*.o").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(main.exclude(line).unwrap());
    assert!(!main.exclude(line).unwrap());
    assert_eq!(fs::read_to_string(&file).unwrap(), "# mine\n*.o\n/.nanostack/\n");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    sandbox.write("repo/.nanostack/x", "");
    assert!(!is_dirty(&main, &[]));
    // Without the directory.
    fs::remove_dir_all(path.join(".git/info")).unwrap();
    assert!(main.exclude(line).unwrap());
    assert_eq!(fs::read_to_string(&file).unwrap(), "/.nanostack/\n");
    // Many at once lose nothing.
    std::thread::scope(|scope| {
        for n in 0..8 {
            let sandbox = &sandbox;
            scope.spawn(move || sandbox.repo("repo").exclude(&format!("/{n}")).unwrap());
        }
    });
    let text = fs::read_to_string(&file).unwrap();
    assert!((0..8).all(|n| text.lines().any(|line| line == format!("/{n}"))), "{text}");
    // A link leads out of the repository: read, never written.
    fs::remove_file(&file).unwrap();
    let target = sandbox.write("target", "/.nanostack/\n");
    symlink(&target, &file).unwrap();
    assert!(!main.exclude(line).unwrap());
    fs::write(&target, "").unwrap();
    assert_eq!(kind(main.exclude(line)), FailureKind::Tampered);
    assert_eq!(fs::read_to_string(&target).unwrap(), "");
}

#[test]
fn tracked_store() {
    let sandbox = Sandbox::new();
    let path = sandbox.repository("repo");
    sandbox.git("repo", ["worktree", "add", "-q", "../linked"]);
    let store = path.join(".nanostack");
    sandbox.write("repo/.nanostack/x", "");
    for dir in ["repo", "linked", "repo/.git"] {
        assert!(!sandbox.repo(dir).tracked_under(&store).unwrap());
    }
    sandbox.git("repo", ["add", "-f", ".nanostack/x"]);
    for dir in ["repo", "linked", "repo/.git"] {
        assert!(sandbox.repo(dir).tracked_under(&store).unwrap(), "{dir}");
    }
    assert!(!sandbox.repo("repo").tracked_under(Path::new("/elsewhere")).unwrap());
}
