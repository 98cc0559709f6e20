//! Which files git's configuration is made of: includes, conditions, the system's own; against git.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::fixture::skipped;
use crate::process_driver::{Agent, BINARY};
use crate::sandbox::Sandbox;

const KEY: &str = "conductor.x";

/// From `dir` the key has the value that git says; gives it.
#[track_caller]
fn same_value(sandbox: &Sandbox, dir: &str, what: &str) -> Option<String> {
    let output = sandbox.try_git(dir, ["config", "--null", "--get", KEY]);
    let value = String::from_utf8(output.stdout).unwrap();
    let value = output.status.success().then(|| value.trim_end_matches('\0').to_owned());
    assert_eq!(sandbox.repo(dir).config(KEY), value, "{what} from {dir}");
    value
}

/// The user's configuration includes a file with the key under `condition`.
fn includes(sandbox: &Sandbox, condition: &str) {
    let file = sandbox.write("home/included", "[conductor]\n\tx = yes\n");
    let user = "[user]\n\tname = A\n\temail = a@example.com\n[init]\n\tdefaultBranch = main\n";
    let text = format!("{user}[includeIf \"{condition}\"]\n\tpath = {}\n", file.display());
    sandbox.write("home/.gitconfig", text);
}

#[test]
fn conditions() {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    sandbox.git("repo", ["worktree", "add", "-q", "../linked"]);
    sandbox.git("repo", ["remote", "add", "origin", "https://example.com/ann/tool.git"]);
    let root = sandbox.path().display().to_string();
    let mut met = 0;
    for condition in [
        "gitdir:ROOT/repo/",
        "gitdir:ROOT/repo",
        "gitdir:ROOT/repo/.git",
        "gitdir:repo/",
        "gitdir:~/../repo/",
        "gitdir:ROOT/REPO/",
        "gitdir/i:ROOT/REPO/",
        "gitdir:ROOT/*/.git",
        "gitdir:**/worktrees/**",
        "gitdir:./x",
        "gitdir:",
        "onbranch:main",
        "onbranch:ma*",
        "onbranch:linked",
        "onbranch:main/",
        "onbranch:**",
        "onbranch:",
        "hasconfig:remote.*.url:https://example.com/**",
        "hasconfig:remote.*.url:*",
        "hasconfig:remote.*.url:https://example.com/ann/tool.git",
        "hasconfig:remote.*.url:https://example.org/**",
        "other:x",
        "GITDIR:ROOT/",
    ] {
        includes(&sandbox, &condition.replace("ROOT", &root));
        for dir in ["repo", "linked", "repo/.git"] {
            met += usize::from(same_value(&sandbox, dir, condition).is_some());
        }
    }
    assert!(met > 20, "{met}");
    includes(&sandbox, "onbranch:main");
    sandbox.git("repo", ["checkout", "-q", "--detach"]);
    assert_eq!(same_value(&sandbox, "repo", "detached"), None);
}

#[test]
fn branches_of_a_reftable() {
    let sandbox = Sandbox::new();
    sandbox.git(".", ["init", "-q", "--ref-format=reftable", "repo"]);
    sandbox.commit("repo");
    sandbox.git("repo", ["worktree", "add", "-q", "../linked"]);
    for (condition, main, linked) in [
        ("onbranch:main", true, false),
        ("onbranch:linked", false, true),
        ("onbranch:.invalid", false, false),
        ("onbranch:**", true, true),
    ] {
        includes(&sandbox, condition);
        assert_eq!(same_value(&sandbox, "repo", condition).is_some(), main, "{condition}");
        assert_eq!(same_value(&sandbox, "linked", condition).is_some(), linked, "{condition}");
    }
}

#[test]
fn a_git_directory_of_two_names() {
    let mut sandbox = Sandbox::new();
    sandbox.repository("repo");
    fs::create_dir(sandbox.join("repo/sub")).unwrap();
    sandbox.git("repo", ["worktree", "add", "-q", "../linked"]);
    symlink("repo", sandbox.join("alias")).unwrap();
    fs::create_dir(sandbox.join("other")).unwrap();
    symlink("../repo/.git", sandbox.join("other/.git")).unwrap();
    let mut met = 0;
    for named in ["repo", "alias", "other"] {
        includes(&sandbox, &format!("gitdir:{}/", sandbox.join(named).display()));
        for (dir, pwd) in [
            ("repo", "repo"),
            ("alias", "alias"),
            ("alias", "linked"),
            ("alias/sub", "alias/sub"),
            ("other", "other"),
            ("linked", "linked"),
            ("repo/.git", "alias/.git"),
        ] {
            sandbox.set("PWD", sandbox.join(pwd));
            met += usize::from(same_value(&sandbox, dir, named).is_some());
        }
        for (dir, git_dir) in [
            ("alias", sandbox.join("alias/.git")),
            ("alias", ".git".into()),
            ("alias/sub", "../.git".into()),
            ("other", sandbox.join("linked/.git")),
        ] {
            sandbox.set("PWD", sandbox.join(dir));
            sandbox.set("GIT_DIR", git_dir);
            met += usize::from(same_value(&sandbox, dir, named).is_some());
            sandbox.unset("GIT_DIR");
        }
    }
    assert!(met > 12, "{met}");
}

#[test]
fn includes_that_parameters_name() {
    let mut sandbox = Sandbox::new();
    sandbox.repository("repo");
    sandbox.git("repo", ["remote", "add", "origin", "https://example.com/ann/tool.git"]);
    let file = sandbox.write("home/included", "[conductor]\n\tx = yes\n");
    let git_dir = sandbox.join("repo/");
    for condition in [
        "include".to_owned(),
        "Include".to_owned(),
        "includeIf.onbranch:main".to_owned(),
        format!("includeIf.gitdir:{}", git_dir.display()),
        "includeIf.hasconfig:remote.*.url:https://example.com/**".to_owned(),
    ] {
        for parameters in [
            format!("'{condition}.path={}'", file.display()),
            format!("'{condition}.path'='{}'", file.display()),
        ] {
            sandbox.set("GIT_CONFIG_PARAMETERS", &parameters);
            // Of what contains a `=`, the old form cannot tell the key; git does not say so.
            let value = same_value(&sandbox, "repo", &parameters);
            assert_eq!(value.as_deref(), Some("yes"), "{parameters}");
        }
    }
}

#[test]
fn the_command_line_reaches_us() {
    let mut sandbox = Sandbox::new();
    sandbox.repository("repo");
    sandbox.git("repo", ["worktree", "add", "-q", "../linked"]);
    let agent = |sandbox: &Sandbox, args: &[&str]| {
        let args = [args, &["conductor", "status", "--json"]].concat();
        let said = sandbox.git_says("linked", args);
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        said["you"]["agent"].as_str().unwrap().to_owned()
    };
    sandbox.run("repo", &Agent::new("lead"), &["start"]).ok();
    // No process above these tests may say who we are.
    let shell = |sandbox: &Sandbox| agent(sandbox, &[]);
    let nobody = shell(&sandbox);
    for key in ["conductor.agent", "Conductor.AGENT"] {
        let set = format!("{key}=it's me");
        let said = agent(&sandbox, &["-c", &set]);
        sandbox.set("NAME_OF_AGENT", "it's me");
        let by_env = agent(&sandbox, &[&format!("--config-env={key}=NAME_OF_AGENT")]);
        assert_eq!(said, by_env);
        // A detected agent keeps its name; a person takes the setting.
        assert!(said == "it's me" || said == nobody, "{said}");
    }
    let store = sandbox.join("boards");
    let set = format!("conductor.store={}", store.display());
    sandbox.git("linked", ["-c", &set, "conductor", "start", "--agent", "lead"]);
    assert!(store.join("conductor").is_dir());
    sandbox.set("STORE", sandbox.join("more"));
    let by_env = "--config-env=conductor.store=STORE";
    sandbox.git("linked", [by_env, "conductor", "start", "--agent", "lead"]);
    assert!(sandbox.join("more/conductor").is_dir());
}

/// Where git says that its system's configuration is.
fn system_file(sandbox: &Sandbox) -> Option<String> {
    let output = sandbox.try_git(".", ["var", "GIT_CONFIG_SYSTEM"]);
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim_end().to_owned())
}

#[test]
fn the_system_s_file() {
    let mut sandbox = Sandbox::new();
    sandbox.repository("repo");
    sandbox.unset("GIT_CONFIG_NOSYSTEM");
    let strace = sandbox.command("repo", "strace").arg("-V").output();
    let (Some(file), Ok(_)) = (system_file(&sandbox), strace) else {
        return skipped("no strace, or git before 2.41, does not tell its system's file");
    };
    let trace = |sandbox: &Sandbox, program: &[&str]| {
        let mut command = sandbox.command("repo", "strace");
        command.args(["-f", "-s", "4096", "-e", "trace=open,openat,execve"]);
        let output = command.args(program).args(["status", "--agent", "me"]).output().unwrap();
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let opened = |trace: &str, path: &str| trace.contains(&format!("\"{path}\""));
    let path = sandbox.var("PATH").unwrap();
    let git = std::env::split_paths(&path).map(|dir| dir.join("git")).find(|git| git.is_file());
    let git = git.unwrap();
    // By its own name, and as git runs it.
    for program in [&[BINARY][..], &["git", "conductor"]] {
        let said = trace(&sandbox, program);
        assert!(opened(&said, &file), "{program:?}: {said}");
        assert!(said.matches("execve(").count() < 12, "no git is run: {said}");
    }
    // Through a link and through a wrapper that stand first in `PATH`.
    fs::create_dir_all(sandbox.join("link/bin")).unwrap();
    symlink(&git, sandbox.join("link/bin/git")).unwrap();
    let script = format!("#!/bin/sh\nexec '{}' \"$@\"\n", git.display());
    let wrapper = sandbox.write("wrapper/bin/git", script);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(wrapper, mode).unwrap();
    for dir in ["link/bin", "wrapper/bin"] {
        let first = [sandbox.join(dir)].into_iter().chain(std::env::split_paths(&path));
        sandbox.set("PATH", std::env::join_paths(first).unwrap());
        let said = trace(&sandbox, &[BINARY]);
        // Where there is no usual file either, it does not matter which one is missed.
        let matters = Path::new("/etc/gitconfig").exists() || Path::new(&file).exists();
        assert!(!matters || opened(&said, &file), "{dir}: {said}");
    }
    // `GIT_CONFIG_SYSTEM` and `GIT_CONFIG_NOSYSTEM` settle it.
    sandbox.set("PATH", path);
    sandbox.set("GIT_CONFIG_SYSTEM", sandbox.write("system", "[conductor]\n\tx = system\n"));
    assert_eq!(same_value(&sandbox, "repo", "named").as_deref(), Some("system"));
    for (value, read) in [("1", false), ("0", true), ("", true), ("yes", false), ("off", true)] {
        sandbox.set("GIT_CONFIG_NOSYSTEM", value);
        assert_eq!(same_value(&sandbox, "repo", value).is_some(), read, "{value:?}");
    }
}
