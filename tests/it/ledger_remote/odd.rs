//! Settings, repositories and servers as people have them. None of it changes what a push or a
//! fetch comes to, and none of it is changed.

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use git_conductor::error::FailureKind;
use git_conductor::ledger::{Fetched, Remote, Swapped};
use rustix::fs::{CWD, Mode, OFlags, fcntl_setfl, mkfifoat, open};

use super::{
    Change, Home, REFERENCE, Sandbox, begin, content, daemon, event, fetched, home, join, place,
};

/// Begins a ledger from `dir`, changes it from elsewhere, and changes it again from `dir`, whose
/// files, and those of `also`, stay as they are.
#[track_caller]
fn round(sandbox: &Sandbox, dir: &str, remote: &str, server: &str, also: &[&str]) {
    let watched: Vec<&str> = [dir].iter().chain(also).copied().collect();
    let before: Vec<_> = watched.iter().map(|it| content(&sandbox.join(it))).collect();
    let here = home(sandbox, dir, remote);
    let sha256 = sandbox.git_says(dir, ["rev-parse", "--show-object-format"]) == "sha256";
    let format = if sha256 { "--object-format=sha256" } else { "--object-format=sha1" };
    if !sandbox.join("elsewhere").exists() {
        sandbox.git(".", ["init", "-q", format, "elsewhere"]);
    }
    let there = home(sandbox, "elsewhere", &sandbox.join(server).display().to_string());
    assert_eq!(fetched(&here, None), Fetched::Absent);
    let first = begin(&here);
    assert_eq!(fetched(&there, None), Fetched::First(Box::new(first.clone())));
    let joins = event("m2", Some(&first.shared), join("elsewhere"));
    let second = Change::new(&there, Some((&first.id, &first.shared)), joins).lands(&there);
    let lost = Change::vouch(&here, &first, "m1");
    assert!(matches!(lost.swap(&here), Swapped::Refused(_)));
    assert_eq!(fetched(&here, Some(&first.id)), Fetched::Ahead(vec![second.clone()]));
    assert_eq!(fetched(&here, Some(&second.id)), Fetched::Same);
    let third = Change::vouch(&here, &second, "m1").lands(&here);
    assert_eq!(fetched(&here, Some(&third.id)), Fetched::Same);
    assert_eq!(sandbox.git_says(server, ["rev-parse", REFERENCE]), third.id.as_str());
    let after: Vec<_> = watched.iter().map(|it| content(&sandbox.join(it))).collect();
    assert!(before == after, "'{dir}' was changed");
}

/// What the members of a group share they can all change.
#[test]
fn a_shared_repository_has_a_shared_cache() {
    let sandbox = repo();
    sandbox.git("repo", ["config", "core.sharedRepository", "group"]);
    let here = home(&sandbox, "repo", "origin");
    let first = begin(&here);
    Change::vouch(&here, &first, "m1").lands(&here);
    fetched(&here, Some(&first.id));
    let cache = place(&sandbox, "repo", "origin").cache;
    for name in content(&cache).into_keys().filter(|name| name.starts_with("objects")) {
        let meta = cache.join(&name).metadata().unwrap();
        let needed = if meta.is_dir() { 0o2770 } else { 0o440 };
        assert_eq!(meta.mode() & needed, needed, "{}: {:o}", name.display(), meta.mode());
    }
}

/// `repo` with a remote `origin` at `server.git`, which has its branch.
fn repo() -> Sandbox {
    let sandbox = Sandbox::in_memory();
    sandbox.git(".", ["init", "-q", "--bare", "server.git"]);
    sandbox.repository("repo");
    sandbox.git("repo", ["remote", "add", "origin", "../server.git"]);
    sandbox.git("repo", ["push", "-q", "origin", "main"]);
    sandbox
}

#[test]
fn settings_of_other_pushes_and_fetches_do_not_matter() {
    let failing = "#!/bin/sh\necho ran >> \"$HOME/ran\"\nexit 1\n";
    for settings in [
        &[("push.pushOption", "ci.skip"), ("push.gpgSign", "true"), ("commit.gpgSign", "true")][..],
        &[("fetch.prune", "true"), ("fetch.pruneTags", "true"), ("fetch.output", "compact")],
        &[("remote.origin.mirror", "true"), ("remote.origin.push", "+refs/*:refs/*")],
        &[("remote.origin.fetch", "+refs/*:refs/*"), ("remote.origin.tagOpt", "--tags")],
        &[
            ("remote.pushDefault", "nowhere"),
            ("push.default", "nothing"),
            ("push.followTags", "true"),
        ],
        &[("fetch.recurseSubmodules", "true"), ("push.recurseSubmodules", "check")],
        &[("remote.origin.promisor", "true"), ("remote.origin.partialCloneFilter", "blob:none")],
        &[
            ("transfer.fsckObjects", "true"),
            ("fetch.writeCommitGraph", "true"),
            ("fetch.parallel", "0"),
        ],
        &[("init.defaultRefFormat", "reftable"), ("init.defaultObjectFormat", "sha256")],
        &[
            ("user.useConfigOnly", "true"),
            ("i18n.commitEncoding", "latin1"),
            ("core.bare", "false"),
        ],
        &[
            ("http.proxy", ""),
            ("remote.origin.proxy", "http://127.0.0.1:9"),
            ("http.sslVerify", ""),
        ],
        &[("core.hooksPath", "HOOKS"), ("core.sharedRepository", "group")],
    ] {
        let sandbox = repo();
        sandbox.git(".", ["init", "-q", "--object-format=sha1", "elsewhere"]);
        for name in ["pre-push", "reference-transaction", "post-checkout"] {
            let hook = sandbox.write(format!("hooks/{name}"), failing);
            sandbox.command(".", "chmod").arg("+x").arg(hook).status().unwrap();
        }
        for (key, value) in settings {
            let value = value.replace("HOOKS", sandbox.join("hooks").to_str().unwrap());
            // As it is said, and as it can be said for a server.
            for scope in ["--local", "--global"] {
                sandbox.git("repo", ["config", scope, key, &value]);
            }
        }
        round(&sandbox, "repo", "origin", "server.git", &["home"]);
    }
}

#[test]
fn repositories_of_all_kinds() {
    // One that has only part of its objects, and one that has only part of its history.
    let sandbox = repo();
    sandbox.git("server.git", ["config", "uploadpack.allowFilter", "true"]);
    let from = format!("file://{}", sandbox.join("server.git").display());
    sandbox.git(".", ["clone", "-q", "--filter=blob:none", "--no-checkout", &from, "partial"]);
    round(&sandbox, "partial", "origin", "server.git", &[]);
    let sandbox = repo();
    sandbox.git("repo", ["commit", "-q", "--allow-empty", "-m", "more"]);
    sandbox.git("repo", ["push", "-q", "origin", "main"]);
    let from = format!("file://{}", sandbox.join("server.git").display());
    sandbox.git(".", ["clone", "-q", "--depth=1", &from, "shallow"]);
    assert!(sandbox.join("shallow/.git/shallow").exists());
    round(&sandbox, "shallow", "origin", "server.git", &[]);

    // Other names for objects, and other files for references.
    let sandbox = Sandbox::in_memory();
    sandbox.git(".", ["init", "-q", "--bare", "--object-format=sha256", "server.git"]);
    sandbox.git(".", ["init", "-q", "--object-format=sha256", "repo"]);
    sandbox.git("repo", ["remote", "add", "origin", "../server.git"]);
    round(&sandbox, "repo", "origin", "server.git", &[]);
    let sandbox = Sandbox::in_memory();
    let reftable = ["init", "-q", "--ref-format=reftable"];
    // Not every git has it.
    if sandbox.try_git(".", [&reftable[..], &["repo"]].concat()).status.success() {
        sandbox.git(".", [&reftable[..], &["--bare", "server.git"]].concat());
        sandbox.commit("repo");
        sandbox.git("repo", ["remote", "add", "origin", "../server.git"]);
        round(&sandbox, "repo", "origin", "server.git", &[]);
    }

    // A linked worktree with settings of its own, a bare repository, and one without a commit.
    let sandbox = repo();
    sandbox.git("repo", ["worktree", "add", "-q", "../linked"]);
    sandbox.git("repo", ["remote", "set-url", "origin", "/nowhere"]);
    sandbox.git("repo", ["config", "extensions.worktreeConfig", "true"]);
    sandbox.git("linked", ["config", "--worktree", "remote.origin.url", "../server.git"]);
    sandbox.git("repo", ["config", "--unset", "remote.origin.url"]);
    round(&sandbox, "linked", "origin", "server.git", &["repo"]);
    let sandbox = repo();
    sandbox.git(".", ["clone", "-q", "--bare", "repo", "bare.git"]);
    sandbox.git("bare.git", ["remote", "set-url", "origin", "../server.git"]);
    round(&sandbox, "bare.git", "origin", "server.git", &[]);
}

#[test]
fn addresses_are_those_of_a_push() {
    // By each way to say where a push goes.
    let server = |sandbox: &Sandbox| sandbox.join("server.git").display().to_string();
    let asks = |change: &dyn Fn(&Sandbox), remote: &str| {
        let sandbox = repo();
        change(&sandbox);
        round(&sandbox, "repo", remote, "server.git", &["home"]);
    };
    let set = |sandbox: &Sandbox, key: &str, value: &str| {
        sandbox.git("repo", ["config", "--add", key, value]);
    };
    asks(&|_| {}, "../server.git");
    asks(&|_| {}, "./../server.git");
    asks(&|sandbox| set(sandbox, "url.../server.insteadOf", "near:x"), "near:x.git");
    asks(
        &|sandbox| {
            set(sandbox, "remote.origin.pushurl", &server(sandbox));
            sandbox.git("repo", ["config", "remote.origin.url", "/nowhere"]);
        },
        "origin",
    );
    // Both rewritings would apply to their own result, which git does not do.
    asks(
        &|sandbox| {
            sandbox.git("repo", ["config", "remote.origin.url", "far:server.git"]);
            set(sandbox, "url.../.pushInsteadOf", "far:");
            set(sandbox, "url./nowhere/.insteadOf", "../");
            set(sandbox, "url./nowhere/.pushInsteadOf", "../server");
        },
        "origin",
    );
    asks(
        &|sandbox| {
            sandbox.git("repo", ["config", "remote.origin.url", "far:server.git"]);
            let place = format!("url.{}/.insteadOf", sandbox.path().display());
            sandbox.git("repo", ["config", "--global", &place, "far:"]);
        },
        "origin",
    );
    // A ref of this very repository.
    let sandbox = repo();
    let here = home(&sandbox, "repo", ".");
    let first = begin(&here);
    assert_eq!(sandbox.git_says("repo", ["rev-parse", REFERENCE]), first.id.as_str());

    let refused = |sandbox: &Sandbox, remote: &str, words: &str| {
        let here = home(sandbox, "repo", remote);
        let failure = here.address().unwrap_err();
        assert_eq!(failure.kind, FailureKind::Usage, "{failure}");
        assert!(failure.to_string().contains(words), "{failure}");
        assert!(here.fetch(None).is_err());
    };
    let sandbox = repo();
    for n in 1..=2 {
        sandbox
            .git("repo", ["remote", "set-url", "--add", "--push", "origin", &format!("../s{n}")]);
    }
    refused(&sandbox, "origin", "2 addresses");
    refused(&sandbox, "upstream", "no remote");
    for reference in ["ledger", "refs/a..b", "refs/heads/x*", "refs/a b", "HEAD", ""] {
        let mut place = place(&sandbox, "repo", "origin");
        place.reference = reference.to_owned();
        let failure = Home::new(&sandbox.repo("repo"), &place).err().unwrap();
        assert_eq!(failure.kind, FailureKind::Usage, "{reference}");
    }
}

/// Variables that are git's own, as a hook has them, and settings that are given to one command.
#[test]
fn the_variables_of_a_hook_do_not_matter() {
    let mut sandbox = repo();
    sandbox.git("repo", ["remote", "remove", "origin"]);
    let git_dir = sandbox.join("repo/.git");
    sandbox.set("GIT_DIR", &git_dir);
    sandbox.set("GIT_WORK_TREE", sandbox.join("repo"));
    sandbox.set("GIT_INDEX_FILE", git_dir.join("index"));
    sandbox.set("GIT_OBJECT_DIRECTORY", git_dir.join("objects"));
    sandbox.set("GIT_NAMESPACE", "other");
    sandbox.set("GIT_CONFIG_PARAMETERS", "'remote.origin.mirror=true' 'push.pushOption=x'");
    sandbox.set("GIT_CONFIG_COUNT", "1");
    sandbox.set("GIT_CONFIG_KEY_0", "remote.origin.url");
    sandbox.set("GIT_CONFIG_VALUE_0", sandbox.join("server.git"));
    let here = home(&sandbox, "repo", "origin");
    let before = content(&sandbox.join("repo"));
    let first = begin(&here);
    let second = Change::vouch(&here, &first, "m1").lands(&here);
    assert_eq!(fetched(&here, Some(&first.id)), Fetched::Ahead(vec![second.clone()]));
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"] {
        sandbox.unset(name);
    }
    assert_eq!(sandbox.git_says("server.git", ["rev-parse", REFERENCE]), second.id.as_str());
    assert!(content(&sandbox.join("repo")) == before);
}

/// A server that says no, and one that says it to everything.
#[test]
fn a_server_that_refuses_is_heard() {
    let sandbox = repo();
    let here = home(&sandbox, "repo", "origin");
    let first = begin(&here);
    let words = "#!/bin/sh\nprintf 'not \\033[31mtoday\\n' >&2\nexit 1\n";
    let hook = sandbox.write("server.git/hooks/pre-receive", words);
    sandbox.command(".", "chmod").arg("+x").arg(&hook).status().unwrap();
    let change = Change::vouch(&here, &first, "m1");
    let Swapped::Refused(words) = change.swap(&here) else { panic!() };
    assert!(words.contains("pre-receive") && !words.contains('\u{1b}'), "{words}");
    assert_eq!(fetched(&here, Some(&first.id)), Fetched::Same);
    std::fs::remove_file(&hook).unwrap();
    change.lands(&here);
    // Nobody there.
    std::fs::remove_dir_all(sandbox.join("server.git")).unwrap();
    let failure = here.fetch(Some(&first.id)).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Git, "{failure}");
    assert!(!failure.to_string().contains(char::is_control), "{failure}");
    assert!(matches!(Change::vouch(&here, &first, "m1").swap(&here), Swapped::Unknown(_)));
    // Nobody but what answers for nothing.
    let daemon = daemon(&sandbox);
    let address = format!("git://127.0.0.1:{}/nothing.git", daemon.port);
    let nothing = home(&sandbox, "repo", &address);
    assert_eq!(nothing.fetch(None).unwrap_err().kind, FailureKind::Git);
}

/// A script in the place of ssh.
fn ssh(sandbox: &Sandbox, script: &str) {
    let path = sandbox.write("ssh", format!("#!/bin/sh\n{script}\n"));
    sandbox.command(".", "chmod").arg("+x").arg(&path).status().unwrap();
    sandbox.git("repo", ["config", "core.sshCommand", path.to_str().unwrap()]);
    sandbox.git("repo", ["config", "ssh.variant", "simple"]);
}

#[test]
fn a_server_that_hangs_is_given_up() {
    let sandbox = repo();
    let first = begin(&home(&sandbox, "repo", "origin"));
    // Whoever is left of it holds the pipe.
    let held = sandbox.join("home/held");
    mkfifoat(CWD, &held, Mode::RWXU).unwrap();
    let reader = open(&held, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).unwrap();
    ssh(&sandbox, "exec 9>\"$HOME/held\"; sleep 600 & wait; sleep 600");
    let mut place = place(&sandbox, "repo", "bob@example.invalid:server.git");
    place.patience = Duration::from_millis(300);
    let here = Home::new(&sandbox.repo("repo"), &place).unwrap();
    let begun = Instant::now();
    let failure = here.fetch(Some(&first.id)).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Busy, "{failure}");
    let swapped = Change::vouch(&here, &first, "m1").swap(&here);
    assert!(
        matches!(&swapped, Swapped::Unknown(words) if words.contains("in time")),
        "{swapped:?}"
    );
    assert!(begun.elapsed() < Duration::from_secs(20));
    // Its end comes when nobody has the other end any more.
    fcntl_setfl(&reader, OFlags::empty()).unwrap();
    std::fs::File::from(reader).read_to_end(&mut Vec::new()).unwrap();
    // What it left behind stands in nobody's way.
    let here = home(&sandbox, "repo", "origin");
    assert_eq!(fetched(&here, Some(&first.id)), Fetched::Same);
}

/// A master of ssh connections goes on after git has ended, with all that it was given open.
#[test]
fn what_ssh_leaves_running_keeps_nobody_waiting() {
    let sandbox = repo();
    let server = sandbox.join("server.git");
    let script = format!(
        "sleep 20 & echo $! >> \"$HOME/pids\"\nfor last; do :; done\ncd '{}' && eval \"git ${{last#git-}}\"",
        server.parent().unwrap().display()
    );
    ssh(&sandbox, &script);
    let here = home(&sandbox, "repo", "bob@example.invalid:server.git");
    let begun = Instant::now();
    let first = begin(&here);
    assert_eq!(fetched(&here, Some(&first.id)), Fetched::Same);
    assert!(begun.elapsed() < Duration::from_secs(10));
    for pid in std::fs::read_to_string(sandbox.join("home/pids")).unwrap().lines() {
        sandbox.command(".", "kill").arg(pid).status().unwrap();
    }
}

/// Arguments can be read by everybody on the machine, and words of git reach logs.
#[test]
fn a_password_is_in_no_argument_and_no_word() {
    let mut sandbox = repo();
    ssh(&sandbox, "exit 1");
    let git = std::env::split_paths(&sandbox.var("PATH").unwrap())
        .map(|dir| dir.join("git"))
        .find(|it| it.exists())
        .unwrap();
    let log = sandbox.join("log");
    let wrapper = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" >> '{}'\nexec '{}' \"$@\"\n",
        log.display(),
        git.display()
    );
    let path = sandbox.write("bin/git", wrapper);
    sandbox.command(".", "chmod").arg("+x").arg(&path).status().unwrap();
    let old = sandbox.var("PATH").unwrap();
    let dirs = std::iter::once(sandbox.join("bin")).chain(std::env::split_paths(&old));
    sandbox.set("PATH", std::env::join_paths(dirs.collect::<Vec<_>>()).unwrap());
    let secret = "url.ssh://bob:secret@example.invalid/.insteadOf";
    sandbox.git("repo", ["config", secret, "far:"]);
    sandbox.git("repo", ["config", "http.extraHeader", "Authorization: secret"]);
    sandbox.git("repo", ["remote", "set-url", "origin", "far:server.git"]);
    let here = home(&sandbox, "repo", "origin");
    assert!(here.address().unwrap().contains("secret"));
    std::fs::write(&log, "").unwrap();
    let failure = here.fetch(None).unwrap_err();
    let change = Change::new(&here, None, super::share("m1"));
    let swapped = change.swap(&here);
    let args = std::fs::read_to_string(&log).unwrap();
    assert!(args.contains("--porcelain") && args.contains("push"), "{args}");
    for words in [args, failure.to_string(), format!("{swapped:?}")] {
        assert!(!words.contains("secret"), "{words}");
    }
    assert!(Path::new(&log).exists());
}
