//! One store of several users, in a repository that is shared as git does it
//! (`core.sharedRepository`).

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::fixture::wanting;
use crate::sandbox::Sandbox;

/// Two users, and the group that both are in.
const USERS: [&str; 2] = ["61234", "61235"];
const GROUP: &str = "61230";

/// A place in which both users can work; `None` unless root runs the test.
fn sandbox() -> Option<Sandbox> {
    if !rustix_is_root() {
        wanting("a second user (only root can be one for a while)");
        return None;
    }
    let sandbox = Sandbox::new();
    let config = sandbox.join("home/.gitconfig");
    let text = std::fs::read_to_string(&config).unwrap() + "[safe]\n\tdirectory = *\n";
    std::fs::write(config, text).unwrap();
    let owner = format!("{}:{GROUP}", USERS[0]);
    let changed = Command::new("chown").args(["-R", &owner]).arg(sandbox.path()).status();
    assert!(changed.unwrap().success());
    std::fs::set_permissions(sandbox.path(), std::fs::Permissions::from_mode(0o2770)).unwrap();
    Some(sandbox)
}

fn rustix_is_root() -> bool {
    git_conductor::host::machine::Machine::read().user == 0
}

/// Runs `script` as a user whose files are nobody else's to see.
fn as_user(sandbox: &Sandbox, user: usize, script: &str) -> Output {
    let mut command = sandbox.command(".", "setpriv");
    command.args(["--reuid", USERS[user], "--regid", GROUP, "--clear-groups"]);
    command.args(["sh", "-c", &format!("umask 077; cd repo 2>/dev/null; {script}")]);
    command.output().unwrap()
}

#[track_caller]
fn does(sandbox: &Sandbox, user: usize, script: &str) -> String {
    let output = as_user(sandbox, user, script);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{script}: {said}");
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o7777
}

/// Everything below a directory that is no link.
fn all(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = vec![dir.to_owned()];
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let meta = path.symlink_metadata().unwrap();
        if meta.is_dir() {
            found.extend(all(&path));
        } else if meta.is_file() {
            found.push(path);
        }
    }
    found
}

#[test]
fn two_users_share_a_store() {
    let Some(sandbox) = sandbox() else { return };
    does(&sandbox, 0, "git init -q --shared=group repo");
    does(&sandbox, 0, "chmod g+rwxs . && echo 1 >file && git add file && git commit -q -m 1");
    let ann = |script: &str| does(&sandbox, 0, &format!("git conductor --agent ann {script}"));
    let bob = |script: &str| does(&sandbox, 1, &format!("git conductor --agent bob {script}"));
    ann("start --phases build,review,qa,ship");
    ann("claim build");
    does(&sandbox, 0, "echo notes >.nanostack/notes.md && chmod g+r .nanostack/notes.md");
    ann("complete build --artifact .nanostack/notes.md");
    // The other takes part in all of it.
    let status: Value = serde_json::from_str(&bob("status --json")).unwrap();
    assert_eq!(status["phases"]["build"]["state"], json!("done"), "{status}");
    assert_eq!(bob("show build --artifact"), "notes");
    bob("claim review");
    bob("claim qa");
    bob("complete review");
    bob("abort qa");
    ann("claim qa");
    ann("complete qa");
    bob("claim ship");
    bob("guard");
    bob("complete ship");
    // As git has it: directories hand their group on, what is written can be written, a pin cannot.
    for path in all(&sandbox.join("repo/.nanostack")) {
        if path.ends_with("notes.md") {
            continue;
        }
        let mode = mode(&path);
        let wanted = if path.is_dir() {
            0o2770
        } else if mode & 0o200 == 0 {
            0o440
        } else {
            0o660
        };
        assert_eq!(mode, wanted, "{}", path.display());
    }
    assert_eq!(mode(&sandbox.join("repo/.git/conductor")), 0o2770);
    assert_eq!(mode(&sandbox.join("repo/.git/conductor/store")), 0o660);
    // The next round takes over what both have done, and ends what both have begun.
    bob("start --from qa");
    bob("archive");
    ann("start --phases build");
    bob("clean --older-than 0s");
    let left = std::fs::read_dir(sandbox.join("repo/.nanostack/conductor/archive")).unwrap();
    assert_eq!(left.count(), 0);
}

#[test]
fn without_the_setting_nothing_is_shared() {
    let Some(sandbox) = sandbox() else { return };
    does(&sandbox, 0, "git init -q repo && chmod go+rx repo");
    does(&sandbox, 0, "git conductor --agent ann start --phases build");
    for path in all(&sandbox.join("repo/.nanostack")) {
        assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
    }
}

#[test]
fn each_value_of_the_setting() {
    let Some(sandbox) = sandbox() else { return };
    for (value, dir, file) in [
        ("true", 0o2770, 0o660),
        ("all", 0o2775, 0o664),
        ("0640", 0o2750, 0o640),
        ("umask", 0o2700, 0o600),
    ] {
        does(&sandbox, 0, &format!("rm -rf {value} && git init -q {value}"));
        let run = |script: &str| as_user(&sandbox, 0, &format!("cd {value} && {script}"));
        assert!(run(&format!("git config core.sharedRepository {value}")).status.success());
        assert!(run("git conductor --agent ann start --phases build").status.success());
        let conductor = sandbox.join(value).join(".nanostack/conductor");
        let sprint = std::fs::read_dir(&conductor).unwrap().map(|it| it.unwrap().path());
        let sprint = sprint.filter(|path| path.is_dir()).max().unwrap();
        assert_eq!((mode(&conductor), mode(&sprint.join("sprint.json"))), (dir, file), "{value}");
        assert!(run("git config core.sharedRepository perhaps").status.success());
        assert_eq!(run("git conductor status").status.code(), Some(128));
    }
}
