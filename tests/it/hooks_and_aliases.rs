//! One store from every place that git calls us in: hooks, aliases, mounts, other users' files.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::SystemTime;

use serde_json::Value;

use crate::fixture::skipped;
use crate::places::all_reach;
use crate::process_driver::{Agent, BINARY};
use crate::sandbox::Sandbox;

/// A repository with a linked worktree, a sprint, and hooks that write what they see to `seen`.
fn hooked(hooks: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    sandbox.git("repo", ["worktree", "add", "-q", "../linked"]);
    sandbox.git("repo", ["config", "alias.seen", &format!("!{}", script(&sandbox, "alias"))]);
    sandbox.run("repo", &Agent::new("lead"), &["start", "--phases", "a:"]).ok();
    for hook in hooks {
        let text = format!("#!/bin/sh\n{}\n", script(&sandbox, hook));
        let path = sandbox.write(format!("repo/.git/hooks/{hook}"), text);
        fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    sandbox
}

/// Appends a line to `seen`: the name, and the sprint that is seen as the store has it.
fn script(sandbox: &Sandbox, name: &str) -> String {
    let seen = sandbox.join("seen");
    let run = "git conductor status --agent hook --json";
    format!("{{ printf '%s ' '{name}'; {run} || echo; }} >>'{}' 2>&1 </dev/null", seen.display())
}

/// What was seen since the last time: the names, all with the sprint of the repository's own store.
#[track_caller]
fn seen(sandbox: &Sandbox, expected: &[&str]) {
    let text = fs::read_to_string(sandbox.join("seen")).unwrap_or_default();
    let id = sandbox.sprint("repo/.nanostack").file_name().unwrap().to_owned();
    let mut names = Vec::new();
    for line in text.lines() {
        let (name, json) = line.split_once(' ').unwrap();
        let json: Value = serde_json::from_str(json).map_err(|_| line).unwrap();
        assert_eq!(json["sprint_id"], id.to_str().unwrap(), "{line}");
        assert_eq!(json["project"], sandbox.join("repo").to_str().unwrap(), "{line}");
        names.push(name);
    }
    assert_eq!(names, expected, "{text}");
    fs::remove_file(sandbox.join("seen")).ok();
}

#[test]
fn from_hooks() {
    let all = ["pre-commit", "post-commit", "post-checkout", "pre-push", "post-rewrite"];
    let sandbox = hooked(&all);
    sandbox.git(".", ["init", "-q", "--bare", "remote.git"]);
    sandbox.git("repo", ["remote", "add", "origin", "../remote.git"]);
    fs::create_dir(sandbox.join("repo/sub")).unwrap();
    for dir in ["repo", "linked"] {
        sandbox.write(format!("{dir}/one"), dir);
        sandbox.write(format!("{dir}/two"), dir);
        sandbox.git(dir, ["add", "one", "two"]);
        // A partial commit has an index of its own (GIT_INDEX_FILE names a lock file).
        sandbox.git(dir, ["commit", "-q", "-m", "partial", "--", "one"]);
        seen(&sandbox, &["pre-commit", "post-commit"]);
        sandbox.git(dir, ["commit", "-q", "-m", "rest"]);
        seen(&sandbox, &["pre-commit", "post-commit"]);
        sandbox.git(dir, ["push", "-q", "origin", "HEAD"]);
        seen(&sandbox, &["pre-push"]);
        let step = script(&sandbox, "exec");
        sandbox.git(dir, ["rebase", "-q", "--exec", &step, "HEAD~1"]);
        seen(&sandbox, &["post-checkout", "exec"]);
        sandbox.git(dir, ["commit", "-q", "--amend", "--no-edit", "--allow-empty"]);
        seen(&sandbox, &["pre-commit", "post-commit", "post-rewrite"]);
    }
    sandbox.git("repo/sub", ["commit", "-q", "--allow-empty", "-m", "from below"]);
    seen(&sandbox, &["pre-commit", "post-commit"]);
    let git_dir = sandbox.join("linked/.git");
    let args = ["--git-dir", git_dir.to_str().unwrap(), "--work-tree", "../linked"];
    sandbox.git("repo", args.iter().chain(&["commit", "-q", "--allow-empty", "-m", "named"]));
    seen(&sandbox, &["pre-commit", "post-commit"]);
    for dir in ["repo", "linked"] {
        let path = sandbox.join(format!("new-from-{dir}"));
        sandbox.git(dir, ["worktree", "add", "-q", path.to_str().unwrap()]);
        seen(&sandbox, &["post-checkout"]);
    }
    sandbox.git("repo", ["-C", "../new-from-linked", "checkout", "-q", "--detach"]);
    seen(&sandbox, &["post-checkout"]);
}

#[test]
fn from_aliases() {
    let sandbox = hooked(&[]);
    for dir in ["repo", "linked"] {
        fs::create_dir_all(sandbox.join(dir).join("deep/sub")).unwrap();
    }
    for dir in ["repo", "repo/deep/sub", "repo/.git", "linked", "linked/deep/sub"] {
        sandbox.git(dir, ["seen"]);
        seen(&sandbox, &["alias"]);
        let set = format!("alias.x=!{}", script(&sandbox, "given"));
        sandbox.git(dir, ["-c", &set, "x"]);
        seen(&sandbox, &["given"]);
    }
    sandbox.git(".", ["-C", "linked/deep", "seen"]);
    seen(&sandbox, &["alias"]);
    // An alias that is no shell command, in a subdirectory (GIT_PREFIX).
    let args = ["-c", "alias.y=conductor status", "y", "--json", "--agent", "me"];
    let said: Value = serde_json::from_str(&sandbox.git_says("linked/deep/sub", args)).unwrap();
    assert_eq!(said["project"], sandbox.join("repo").to_str().unwrap());
}

#[test]
fn from_submodules() {
    let sandbox = Sandbox::new();
    for name in ["library", "super"] {
        sandbox.repository(name);
    }
    sandbox.git("super", ["submodule", "--quiet", "add", "../library", "sub"]);
    sandbox.git("super/sub", ["worktree", "add", "-q", "../../linked"]);
    let lead = Agent::new("lead");
    for dir in ["super", "linked"] {
        sandbox.run(dir, &lead, &["start", "--phases", "a:"]).ok();
    }
    let project = |text: &str| {
        let json: Value = serde_json::from_str(text).map_err(|_| text).unwrap();
        PathBuf::from(json["project"].as_str().ok_or(text).unwrap())
    };
    let each = "git conductor status --json --agent me";
    let said = sandbox.git_says("super", ["submodule", "--quiet", "foreach", each]);
    assert_eq!(project(&said), sandbox.join("super/sub"));
    for (dir, expected) in [("super", "super"), ("super/sub", "super/sub"), ("linked", "super/sub")]
    {
        assert_eq!(project(&sandbox.board(dir).json.to_string()), sandbox.join(expected));
    }
    all_reach(&sandbox, &["super/sub", "linked", "super/.git/modules/sub"], "super/sub/.nanostack");
}

/// Runs `script` in a user namespace with mounts of its own, `$1` being the sandbox and `$2` the
/// program; `None` (and said so) where that is forbidden.
fn in_namespace(sandbox: &Sandbox, script: &str) -> Option<Output> {
    let unshare = |script: &str| {
        let mut command = sandbox.command(".", "unshare");
        command.args(["-Urm", "/bin/sh", "-ec", script, "sh"]).arg(sandbox.path()).arg(BINARY);
        command.output()
    };
    if !unshare("mkdir \"$1/probe\"; mount -t tmpfs none \"$1/probe\"")
        .is_ok_and(|output| output.status.success())
    {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "user namespaces must work here");
        skipped("no user namespace with mounts here");
        return None;
    }
    Some(unshare(script).unwrap())
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn mounted_at_another_path() {
    let sandbox = hooked(&[]);
    let sprint = sandbox.sprint("repo/.nanostack");
    let id = sprint.file_name().unwrap().to_str().unwrap().to_owned();
    sandbox.git("repo", ["worktree", "add", "-q", "inside"]);
    // What git 2.48 writes with `worktree.useRelativePaths`: it holds wherever it is mounted.
    sandbox.write("repo/inside/.git", "gitdir: ../.git/worktrees/inside\n");
    fs::create_dir(sandbox.join("mounted")).unwrap();
    let Some(output) = in_namespace(
        &sandbox,
        "mount --bind \"$1/repo\" \"$1/mounted\"
         for dir in mounted mounted/.git mounted/inside linked repo; do
             cd \"$1/$dir\"; \"$2\" status --json --agent me
         done
         cd \"$1/mounted/inside\"
         \"$2\" claim a --agent me --pid 1 >/dev/null; git rev-parse --git-common-dir",
    ) else {
        return;
    };
    let said = succeeded(&output);
    let (common, boards) = said.lines().next_back().zip(Some(said.lines().take(5))).unwrap();
    assert_eq!(Path::new(common).canonicalize().ok(), None, "only there: {common}");
    for board in boards {
        let board: Value = serde_json::from_str(board).unwrap();
        assert_eq!(board["sprint_id"], id.as_str());
    }
    assert_eq!(sandbox.board("linked").state("a"), "claimed");
}

#[test]
fn across_file_systems() {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    let Some(output) = in_namespace(
        &sandbox,
        "mkdir \"$1/repo/disk\"; mount -t tmpfs none \"$1/repo/disk\"
         mkdir \"$1/repo/disk/sub\"; cd \"$1/repo/disk/sub\"
         for across in '' 0 1 yes; do
             export GIT_DISCOVERY_ACROSS_FILESYSTEM=$across
             git=0; git rev-parse --git-dir >/dev/null 2>&1 || git=$?
             ours=0; \"$2\" status --agent me >/dev/null 2>&1 || ours=$?
             echo \"$across $git $ours\"
         done",
    ) else {
        return;
    };
    assert_eq!(succeeded(&output), " 128 128\n0 128 128\n1 0 0\nyes 0 0\n");
}

#[test]
fn owned_by_another_user() {
    let sandbox = hooked(&[]);
    fs::create_dir(sandbox.join("there")).unwrap();
    fs::create_dir(sandbox.join("repo/sub")).unwrap();
    let root = rustix::process::geteuid().is_root();
    let set_up = if root {
        // Only root makes another user's files.
        "cp -a \"$1/repo/.\" \"$1/there\"; chown 12345 \"$1/there\""
    } else {
        // The top of an overlay belongs to whom its first layer belongs to: to root, who is
        // nobody's user in this namespace.
        "mount -t overlay none -o lowerdir=/usr/share/misc:\"$1/repo\" \"$1/there\""
    };
    let script = format!(
        "{set_up}
         mkdir -p \"$1/home/.config/git\"; cd \"$1/there\"
         try() {{
             git=0; git rev-parse --git-dir >/dev/null 2>&1 || git=$?
             ours=0; \"$2\" status --agent me >/dev/null 2>\"$1/said\" || ours=$?
             [ $git = $ours ] || {{ echo \"$3: git $git, we $ours\"; cat \"$1/said\"; }}
             echo \"$3 $ours\"
         }}
         user=\"$HOME/.gitconfig\"
         say() {{ printf '[safe]\\n' >\"$user\"; for v; do printf '\\tdirectory = %s\\n' \"$v\" >>\"$user\"; done; }}
         try \"$1\" \"$2\" none; head -c 40 \"$1/said\"; echo
         for v in \"$1/there\" '*' \"$1/*\" \"$1\" \"$1/there/*\" .; do
             say \"$v\"; try \"$1\" \"$2\" one
         done
         say '*' ''; try \"$1\" \"$2\" reset
         say '' \"$1/there\"; try \"$1\" \"$2\" again
         rm \"$user\"; user=\"$HOME/.config/git/config\"; say '*'; try \"$1\" \"$2\" xdg; rm \"$user\"
         user=\"$1/system\"; say '*'
         GIT_CONFIG_NOSYSTEM=0 GIT_CONFIG_SYSTEM=\"$user\" try \"$1\" \"$2\" system
         GIT_CONFIG_GLOBAL=\"$user\" try \"$1\" \"$2\" global
         GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' try \"$1\" \"$2\" count
         GIT_CONFIG_PARAMETERS=\"'safe.directory=*'\" try \"$1\" \"$2\" parameters
         GIT_DIR=.git try \"$1\" \"$2\" named
         cd sub; try \"$1\" \"$2\" below"
    );
    let output = if root {
        let mut shell = sandbox.command(".", "/bin/sh");
        shell.args(["-ec", &script, "sh"]).arg(sandbox.path()).arg(BINARY).output().unwrap()
    } else {
        match in_namespace(&sandbox, &script) {
            Some(output) => output,
            None => return,
        }
    };
    assert_eq!(
        succeeded(&output),
        "none 128\nerror: detected dubious ownership in rep\none 0\none 0\none 0\none 128\n\
         one 128\none 0\nreset 128\nagain 0\nxdg 0\nsystem 0\nglobal 0\ncount 0\nparameters 0\n\
         named 0\nbelow 128\n"
    );
}

/// Every file in `dirs` that git configuration is, with its bytes and when it was changed.
fn configuration(sandbox: &Sandbox, dirs: &[&str]) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let mut found = BTreeMap::new();
    let mut left: Vec<PathBuf> = dirs.iter().map(|dir| sandbox.join(dir)).collect();
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                left.push(path);
            } else if name.contains("config") && !path.starts_with(sandbox.join("repo/.nanostack"))
            {
                let changed = fs::metadata(&path).unwrap().modified().unwrap();
                found.insert(path.clone(), (fs::read(&path).unwrap(), changed));
            }
        }
    }
    found
}

#[test]
fn no_command_writes_configuration() {
    let mut sandbox = hooked(&[]);
    sandbox.git("repo", ["config", "extensions.worktreeConfig", "true"]);
    sandbox.git("linked", ["config", "--worktree", "conductor.staleAfter", "2h"]);
    sandbox.write("home/.config/git/config", "[conductor]\n\tagent = me\n");
    sandbox.set("GIT_CONFIG_SYSTEM", sandbox.write("home/system-config", ""));
    sandbox.unset("GIT_CONFIG_NOSYSTEM");
    let dirs = ["home", "repo", "linked"];
    let before = configuration(&sandbox, &dirs);
    assert_eq!(before.len(), 5, "{before:?}");
    let me = Agent::new("me");
    let mut ran = 0;
    for dir in ["repo", "linked"] {
        sandbox.write(format!("{dir}/out.json"), "{}");
        for args in [
            &["start", "--phases", "a:,b:,c:,d:"][..],
            &["status"],
            &["next", "--all"],
            &["batch"],
            &["claim", "a"],
            &["complete", "a", "--artifact", "out.json", "--note"],
            &["notes"],
            &["notes", "sync"],
            &["next", "--claim"],
            &["wait", "a"],
            &["run", "d", "--", "true"],
            &["show", "a"],
            &["verify", "--all"],
            &["log"],
            &["graph"],
            &["report", "--all"],
            &["prime"],
            &["skill"],
            &["abort"],
            &["claim", "c", "--takeover"],
            &["unstuck", "c", "--force"],
            &["salvage"],
            &["archive"],
            &["clean", "--older-than", "0s"],
            &["doctor", "--fix", "--race"],
            &["install", "--prefix", "../tools"],
            &[],
        ] {
            sandbox.run(dir, &me, args).ok();
            assert_eq!(configuration(&sandbox, &dirs), before, "{args:?}");
            ran += 1;
        }
    }
    // Each command that there is was among them.
    let commands = git_conductor::commands::command();
    assert!(ran / 2 > commands.get_subcommands().count(), "a new command is missing above");
}
