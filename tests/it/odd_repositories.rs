//! Odd repositories and environments that a real machine has: git's answer is ours, or both refuse.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use git_conductor::error::FailureKind;

use crate::fixture::skipped;
use crate::places::{agrees_with_git, all_reach, store};
use crate::process_driver::{Agent, BINARY};
use crate::sandbox::{Sandbox, kind};

/// In `dir` git stops, and so does every command, with 128; or neither does, and they agree on
/// where they are. Gives whether they stop.
#[track_caller]
fn stops_as_git(sandbox: &Sandbox, dir: impl AsRef<Path>, what: &str) -> bool {
    let dir = sandbox.join(dir);
    let git = sandbox.try_git(&dir, ["rev-parse", "--git-dir"]);
    let ours = sandbox.command(&dir, BINARY).args(["status", "--agent", "me"]).output().unwrap();
    let said = String::from_utf8_lossy(&ours.stderr).into_owned();
    let expected = if git.status.success() { Some(0) } else { Some(128) };
    let git_said = String::from_utf8_lossy(&git.stderr);
    assert_eq!(ours.status.code(), expected, "{what} in {}: {said}{git_said}", dir.display());
    if git.status.success() {
        agrees_with_git(sandbox, &dir);
    }
    expected == Some(128)
}

#[test]
fn strange_configuration() {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    sandbox.git("repo", ["worktree", "add", "-q", "../linked"]);
    fs::create_dir(sandbox.join("repo/sub")).unwrap();
    let config = sandbox.join("repo/.git/config");
    let whole = fs::read_to_string(&config).unwrap();
    let v1 = "[core]\nrepositoryFormatVersion = 1\n";
    let mut stopped = 0;
    for (extra, linked_goes_on) in [
        ("[core]\nrepositoryFormatVersion = 2\n", false),
        ("[core]\nrepositoryFormatVersion = 99999999999\n", false),
        ("[core]\nrepositoryFormatVersion = x\n", false),
        ("[core]\nrepositoryFormatVersion\n", false),
        ("V1[extensions]\nfuture = 1\n", false),
        ("V1[extensions]\nobjectFormat = md5\n", false),
        ("V1[extensions]\nobjectFormat = sha256\n", true),
        ("V1[extensions]\nrefStorage = other\n", false),
        ("V1[extensions]\nnoop-v1 = 1\n", true),
        ("V1[extensions \"sub\"]\nfuture = 1\n", false),
        ("[extensions]\nnoop-v1 = 1\n", false),
        ("[extensions]\nobjectFormat = sha1\n", false),
        ("[extensions]\nfuture = 1\n", true),
        ("[extensions]\nworktreeConfig\n", true),
        ("[extensions]\nworktreeConfig = perhaps\n", false),
        ("[core]\nbare = perhaps\n", false),
        ("[core]\nbare\n", true),
        ("[core]\nbare = true\nworktree = ../sub\n", true),
        ("[core]\nworktree = ../sub\n", true),
        ("[core]\nworktree = ../gone\n", true),
        ("[core]\nworktree = ../gone\n[extensions]\nworktreeConfig = true\n", false),
        ("[core]\nworktree =\n", true),
        ("[core]\nworktree = ~/x\n", true),
        ("[core]\nworktree\n", false),
        ("[include]\npath\n", false),
        ("[include]\npath = nowhere\n", true),
        ("[include]\npath = config\n", false),
        ("[core\n", false),
        ("[core]\nx = \"\\q\"\n", false),
    ] {
        fs::write(&config, format!("{whole}{}", extra.replace("V1", v1))).unwrap();
        for dir in ["repo", "repo/sub", "repo/.git", "linked"] {
            let stops = stops_as_git(&sandbox, dir, extra);
            stopped += usize::from(stops);
            assert!(dir != "linked" || stops != linked_goes_on, "{extra}");
        }
    }
    assert!(stopped > 60, "{stopped}");
}

#[test]
fn strange_variables() {
    let mut sandbox = Sandbox::new();
    sandbox.repository("repo");
    sandbox.git("repo", ["worktree", "add", "-q", "../linked"]);
    fs::create_dir(sandbox.join("repo/sub")).unwrap();
    let common = sandbox.join("repo/.git").to_str().unwrap().to_owned();
    for (name, value, stops) in [
        ("GIT_DIR", "", true),
        ("GIT_DIR", "../.git", false),
        ("GIT_DIR", "../.git/", false),
        ("GIT_DIR", "..", true),
        ("GIT_COMMON_DIR", "", true),
        ("GIT_COMMON_DIR", "nowhere", true),
        ("GIT_COMMON_DIR", ".git", true),
        ("GIT_COMMON_DIR", &common, false),
        ("GIT_WORK_TREE", "", true),
        ("GIT_WORK_TREE", "nowhere", false),
        ("GIT_WORK_TREE", "..", false),
        ("GIT_OBJECT_DIRECTORY", "", true),
        ("GIT_OBJECT_DIRECTORY", "nowhere", true),
        ("GIT_NAMESPACE", "x", false),
        ("GIT_IMPLICIT_WORK_TREE", "0", false),
        ("GIT_DISCOVERY_ACROSS_FILESYSTEM", "perhaps", true),
        ("GIT_CONFIG_NOSYSTEM", "perhaps", true),
        ("GIT_CONFIG_GLOBAL", "", false),
        ("GIT_CONFIG_GLOBAL", "nowhere", false),
        ("GIT_CONFIG_SYSTEM", "", false),
        ("GIT_CONFIG_COUNT", "", false),
        ("GIT_CONFIG_COUNT", "0", false),
        ("GIT_CONFIG_COUNT", "x", true),
        ("GIT_CONFIG_COUNT", "1", true),
        ("GIT_CONFIG_COUNT", "0 ", true),
        ("GIT_CONFIG_COUNT", "-1", true),
        ("GIT_CONFIG_COUNT", "99999999999", true),
        ("GIT_CONFIG_COUNT", "2147483647", true),
        ("GIT_CONFIG_PARAMETERS", "", false),
        ("GIT_CONFIG_PARAMETERS", " ", true),
        ("GIT_CONFIG_PARAMETERS", " 'a.b=c'", true),
        ("GIT_CONFIG_PARAMETERS", "'a.b=c' ", false),
        ("GIT_CONFIG_PARAMETERS", "'a.b'='c''d'", true),
        ("GIT_CONFIG_PARAMETERS", "''", true),
        ("GIT_CONFIG_PARAMETERS", "'a'='b'", true),
        ("GIT_CONFIG_PARAMETERS", "'.a'='b'", true),
        ("GIT_CONFIG_PARAMETERS", "'a.'='b'", true),
        ("GIT_CONFIG_PARAMETERS", "'a b.c'='d'", true),
        ("GIT_CONFIG_PARAMETERS", "'a..c'='d'", false),
        ("GIT_CONFIG_PARAMETERS", "'include.path'='relative'", true),
        ("GIT_CONFIG_PARAMETERS", "'include.path'='/nowhere'", false),
        ("HOME", "", false),
        ("HOME", "relative", false),
        ("XDG_CONFIG_HOME", "relative", false),
    ] {
        let before = sandbox.var(name);
        sandbox.set(name, value);
        assert_eq!(stops_as_git(&sandbox, "repo/sub", name), stops, "{name}={value}");
        if name != "GIT_DIR" {
            stops_as_git(&sandbox, "linked", name);
        }
        sandbox.unset(name);
        if let Some(before) = before {
            sandbox.set(name, before);
        }
    }
    // A relative name is not looked up from wherever we happen to be.
    for dir in ["repo", "repo/sub", "linked"] {
        sandbox.write(format!("{dir}/relative/git/config"), format!("[conductor]\nx = {dir}\n"));
        sandbox.write(format!("{dir}/relative/.gitconfig"), format!("[conductor]\ny = {dir}\n"));
    }
    sandbox.set("XDG_CONFIG_HOME", "relative");
    sandbox.set("HOME", "relative");
    for dir in ["repo", "repo/sub", "linked"] {
        for key in ["conductor.x", "conductor.y"] {
            let git = String::from_utf8(sandbox.try_git(dir, ["config", key]).stdout).unwrap();
            assert_eq!(sandbox.repo(dir).config(key).unwrap_or_default(), git.trim_end(), "{dir}");
        }
    }
}

#[test]
fn strange_heads_and_links() {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    sandbox.git("repo", ["worktree", "add", "-q", "../linked"]);
    let head = sandbox.join("repo/.git/HEAD");
    let id = sandbox.git_says("repo", ["rev-parse", "HEAD"]);
    for text in [
        "ref: refs/heads/main",
        "ref:refs/heads/main",
        "ref:  refs/heads/none  ",
        "ref: refs/other/main",
        "ref: refs",
        "ref: main",
        "nonsense",
        "",
        &id,
        &format!("{id}00"),
        &id[1..],
        "refs/heads/main",
    ] {
        fs::write(&head, format!("{text}\n")).unwrap();
        stops_as_git(&sandbox, "repo", text);
    }
    for target in ["refs/heads/main", "nowhere", "../file"] {
        fs::remove_file(&head).unwrap();
        symlink(target, &head).unwrap();
        stops_as_git(&sandbox, "repo", target);
    }
    fs::remove_file(&head).unwrap();
    assert!(stops_as_git(&sandbox, "repo", "no HEAD"));
    fs::create_dir(&head).unwrap();
    assert!(stops_as_git(&sandbox, "repo", "a directory"));
    fs::remove_dir(&head).unwrap();
    fs::write(&head, "ref: refs/heads/main\n").unwrap();
    for name in ["refs", "objects"] {
        let path = sandbox.join("repo/.git").join(name);
        fs::rename(&path, sandbox.join("aside")).unwrap();
        assert!(stops_as_git(&sandbox, "repo", name));
        assert!(stops_as_git(&sandbox, "linked", name));
        fs::rename(sandbox.join("aside"), &path).unwrap();
    }
    fs::rename(sandbox.join("repo/.git/config"), sandbox.join("aside")).unwrap();
    assert!(!stops_as_git(&sandbox, "repo", "no config"));
    symlink(sandbox.join("aside"), sandbox.join("repo/.git/config")).unwrap();
    assert!(!stops_as_git(&sandbox, "linked", "config is a link"));
    let common = sandbox.join("repo/.git/worktrees/linked/commondir");
    for (text, stops) in
        [("../..", false), ("../../\n\n", false), ("../..\r\n", false), ("", true), ("no", true)]
    {
        fs::write(&common, text).unwrap();
        assert_eq!(stops_as_git(&sandbox, "linked", "commondir"), stops, "{text:?}");
    }
    // `.git` in all its forms.
    for (name, text, stops) in [
        ("other", "gitdir: ../repo/.git\n", false),
        ("crlf", "gitdir: ../repo/.git\r\n\n", false),
        ("itself", "gitdir: .git\n", true),
        ("loop", "gitdir: ../back/.git\n", true),
        ("back", "gitdir: ../loop/.git\n", true),
        ("tight", "gitdir:../repo/.git\n", true),
        ("blank", "gitdir: ../repo/.git \n", true),
        ("nothing", "gitdir: \n", true),
        ("empty", "", true),
    ] {
        sandbox.write(format!("{name}/.git"), text);
        assert_eq!(stops_as_git(&sandbox, name, text), stops, "{name}");
    }
    let huge = [b"gitdir: ".to_vec(), vec![b'x'; 2 << 20]].concat();
    assert!(stops_as_git(&sandbox, sandbox.write("huge/.git", huge).parent().unwrap(), "huge"));
    for (name, target, stops) in
        [("alias", "../repo/.git", false), ("knot", ".git", true), ("loose", "nowhere", true)]
    {
        fs::create_dir(sandbox.join(name)).unwrap();
        symlink(target, sandbox.join(name).join(".git")).unwrap();
        assert_eq!(stops_as_git(&sandbox, name, target), stops, "{name}");
    }
    fs::create_dir(sandbox.join("fifo")).unwrap();
    let made = sandbox.command("fifo", "mkfifo").arg(".git").status().unwrap();
    assert!(made.success() && stops_as_git(&sandbox, "fifo", "a FIFO"));
}

#[test]
fn strange_names() {
    let sandbox = Sandbox::new();
    let names: [&[u8]; 13] = [
        b"a b",
        b"-dash",
        b"new\nline",
        b"tab\t",
        b"not \xff text",
        b"it's",
        b"\"q\"",
        b" lead",
        b"trail ",
        b"~",
        b"$HOME",
        b"[a]*?",
        b"back\\slash\r",
    ];
    let me = Agent::new("me");
    for name in names {
        let dir = Path::new(OsStr::from_bytes(name));
        fs::create_dir(sandbox.join(dir)).unwrap();
        sandbox.git(dir, ["init", "-q", "."]);
        sandbox.commit(dir);
        fs::create_dir(sandbox.join(dir).join("sub")).unwrap();
        let linked = sandbox.join("of").join(dir);
        let mut add = sandbox.command(dir, "git");
        let added = add.args(["worktree", "add", "-q", "-b", "w"]).arg(&linked).status().unwrap();
        assert!(added.success());
        sandbox.run(dir, &me, &["start", "--phases", "a:"]).ok();
        for seen in [sandbox.join(dir), dir.join("sub"), dir.join(".git"), linked] {
            agrees_with_git(&sandbox, &seen);
            assert_eq!(store(&sandbox, &seen), sandbox.join(dir).join(".nanostack"));
            assert_eq!(sandbox.board(&seen).json["status"], "active", "{dir:?}");
        }
        // git does not see the store, however the directory is called.
        assert_eq!(sandbox.git_says(dir, ["status", "--porcelain"]), "");
    }
}

#[test]
fn gone_and_hidden() {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    for name in ["linked", "locked", "inner"] {
        let path = if name == "inner" { "inner".to_owned() } else { format!("../{name}") };
        sandbox.git("repo", ["worktree", "add", "-q", "-b", name, &path]);
    }
    sandbox.git("repo", ["worktree", "lock", "../locked"]);
    sandbox.write("repo/.git/info/exclude", "ignored/\n");
    sandbox.repository("repo/ignored/nested");
    all_reach(
        &sandbox,
        &["repo", "linked", "locked", "repo/inner", "repo/ignored"],
        "repo/.nanostack",
    );
    all_reach(&sandbox, &["repo/ignored/nested"], "repo/ignored/nested/.nanostack");
    // A directory that was removed under us.
    let mut gone = sandbox.command("repo", "/bin/sh");
    let script = "mkdir gone && cd gone && rmdir ../gone && exec \"$@\"";
    let output = gone.args(["-c", script, "sh", BINARY, "status"]).output().unwrap();
    assert_eq!(output.status.code(), Some(128), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    let first = said.lines().next().unwrap();
    assert!(first.starts_with("error: the current directory '"), "{said}");
    assert!(first.ends_with("/gone' is gone: it was removed"), "{said}");
    // The main worktree moved away, its links repaired, and the whole of it deleted.
    fs::rename(sandbox.join("repo"), sandbox.join("moved")).unwrap();
    assert!(stops_as_git(&sandbox, "linked", "left behind"));
    assert_eq!(kind(sandbox.discover("linked")), FailureKind::NotARepository);
    let linked = sandbox.join("linked");
    sandbox.git("moved", ["worktree", "repair", linked.to_str().unwrap()]);
    all_reach(&sandbox, &["moved", "linked"], "moved/.nanostack");
    fs::rename(&linked, sandbox.join("linked too")).unwrap();
    all_reach(&sandbox, &["moved", "linked too"], "moved/.nanostack");
    sandbox.git("linked too", ["worktree", "repair"]);
    all_reach(&sandbox, &["moved", "linked too"], "moved/.nanostack");
    fs::remove_dir_all(sandbox.join("moved")).unwrap();
    assert!(stops_as_git(&sandbox, "linked too", "deleted"));
}

#[test]
fn clones_of_other_kinds() {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    sandbox.git("repo", ["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", sandbox.join("repo").display());
    for (name, args) in [
        ("shared", &["--shared", "repo"][..]),
        ("reference", &["--reference", "repo", &url]),
        ("partial", &["--filter=blob:none", "--sparse", &url]),
        ("shallow", &["--depth=1", &url]),
    ] {
        let args = [&["clone", "-q"], args, &[name]].concat();
        sandbox.git(".", args);
        sandbox.git(name, ["worktree", "add", "-q", "-b", "w", &format!("../of-{name}")]);
        all_reach(&sandbox, &[name, &format!("of-{name}")], &format!("{name}/.nanostack"));
    }
    assert_eq!(sandbox.git_says("partial", ["config", "remote.origin.promisor"]), "true");
    // As git wrote it formerly.
    sandbox.git("partial", ["config", "extensions.partialClone", "origin"]);
    sandbox.git("of-partial", ["sparse-checkout", "set", "--cone", "sub"]);
    all_reach(&sandbox, &["partial", "of-partial"], "partial/.nanostack");
}

#[test]
fn what_may_not_be_read() {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    sandbox.git("repo", ["worktree", "add", "-q", "../linked"]);
    fs::create_dir_all(sandbox.join("repo/a/b")).unwrap();
    if fs::read_dir("/root").is_ok() {
        return skipped("root may read everything");
    }
    for path in [
        "repo/.git",
        "repo/.git/HEAD",
        "repo/.git/config",
        "repo/.git/objects",
        "repo/.git/refs",
        "home",
        "home/.gitconfig",
        "linked/.git",
        "repo/.git/worktrees/linked/commondir",
        "repo/a",
    ] {
        let path = sandbox.join(path);
        let before = fs::metadata(&path).unwrap().permissions();
        for mode in [0o000, 0o111] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            for dir in ["repo", "linked"] {
                stops_as_git(&sandbox, dir, path.to_str().unwrap());
            }
            fs::set_permissions(&path, before.clone()).unwrap();
        }
    }
}
