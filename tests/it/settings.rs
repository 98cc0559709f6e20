//! git configuration and whose repositories are trusted, against real git.

use std::fs;
use std::os::unix::fs::chown;

use git_conductor::error::FailureKind;

use crate::checkout::{is_dirty, snapshot_agrees};
use crate::fixture::skipped;
use crate::places::{all_reach, find};
use crate::process_driver::Agent;
use crate::sandbox::{Sandbox, kind};

#[test]
fn git_hands_its_own_settings_on() {
    let mut sandbox = Sandbox::new();
    sandbox.repository("repo");
    // The alias shows what git exports to a subcommand.
    let args = ["-c", "conductor.a=it's \"x\"", "-c", "conductor.b", "-c", "alias.p=!printenv -0"];
    let environment = sandbox.git("repo", args.iter().chain(&["p"])).stdout;
    let parameters = environment
        .split(|&byte| byte == 0)
        .find_map(|pair| pair.strip_prefix(b"GIT_CONFIG_PARAMETERS="))
        .unwrap();
    sandbox.set("GIT_CONFIG_PARAMETERS", String::from_utf8(parameters.to_vec()).unwrap());
    let repo = sandbox.repo("repo");
    assert_eq!(repo.config("conductor.a").as_deref(), Some("it's \"x\""));
    assert_eq!(repo.config_bool("conductor.b").unwrap(), Some(true));
}

#[test]
fn precedence() {
    let mut sandbox = Sandbox::new();
    sandbox.repository("repo");
    sandbox.git("repo", ["worktree", "add", "-q", "../linked"]);
    let mut expected: Vec<String> = Vec::new();
    let mut check = |sandbox: &Sandbox, value: &str| {
        expected.push(value.to_owned());
        let repo = sandbox.repo("linked");
        assert_eq!(repo.config("conductor.x").as_deref(), Some(value));
        assert_eq!(repo.config_all("conductor.x"), expected);
        let git = sandbox.git_says("linked", ["config", "--get-all", "conductor.x"]);
        assert_eq!(git.lines().collect::<Vec<_>>(), expected);
    };
    sandbox.unset("GIT_CONFIG_NOSYSTEM");
    sandbox.set("GIT_CONFIG_SYSTEM", sandbox.write("system", "[conductor]\nx = system\n"));
    check(&sandbox, "system");
    sandbox.write("home/.config/git/config", "[conductor]\n\tx = xdg ; comment\n");
    check(&sandbox, "xdg");
    sandbox.git(".", ["config", "--global", "conductor.x", "home"]);
    check(&sandbox, "home");
    sandbox.git("repo", ["config", "conductor.x", "local"]);
    check(&sandbox, "local");
    sandbox.git("repo", ["config", "extensions.worktreeConfig", "true"]);
    sandbox.git("linked", ["config", "--worktree", "conductor.x", "worktree"]);
    check(&sandbox, "worktree");
    assert_eq!(sandbox.repo("repo").config("conductor.x").as_deref(), Some("local"));
    sandbox.set("GIT_CONFIG_COUNT", "1");
    sandbox.set("GIT_CONFIG_KEY_0", "Conductor.X");
    sandbox.set("GIT_CONFIG_VALUE_0", "counted");
    check(&sandbox, "counted");
    sandbox.set("GIT_CONFIG_PARAMETERS", "'conductor.x'='given'");
    check(&sandbox, "given");
}

#[test]
fn included_configuration() {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    sandbox.write("home/more", "[conductor]\n\ta = included\n");
    sandbox.write("home/here", "[conductor]\n\tb = here\n");
    sandbox.write("home/branch", "[conductor]\n\tc = on main\n");
    let dir = sandbox.join("repo");
    let text = format!(
        "[include]\n\tpath = more\n[includeIf \"gitdir:{}/\"]\n\tpath = ~/here\n\
         [includeIf \"onbranch:main\"]\n\tpath = branch\n[includeIf \"gitdir:/no/\"]\n\tpath = no\n",
        dir.display()
    );
    sandbox.write("home/.gitconfig", text);
    let repo = sandbox.repo("repo");
    for (key, value) in [("a", "included"), ("b", "here"), ("c", "on main")] {
        let key = format!("conductor.{key}");
        assert_eq!(repo.config(&key).as_deref(), Some(value));
        assert_eq!(sandbox.git_says("repo", ["config", &key]), value);
    }
    assert_eq!(repo.config("conductor.none"), None);
    assert_eq!(repo.config("nonsense"), None);
}

#[test]
fn odd_but_valid_files() {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    let file = sandbox.join("repo/.git/config");
    let whole = fs::read_to_string(&file).unwrap();
    sandbox.write("repo/.git/more", "[conductor]\n\tx = included\n");
    for odd in [
        "[conductor]\r\n\tx = crlf\r\n",
        "[conductor] x = one line",
        "[conductor]x=tight;comment",
        "[CONDUCTOR]\nX = case # comment",
        "[conductor]\nx = two \\\n  lines\n",
        "[conductor]\nx = backslash at the end\\",
        "[conductor]\nx = \"a # \\\"b\\\" \\t\\n\\\\ c\"  tail  \n",
        "[conductor]\nx = a\tb   c\n",
        "[conductor]\nx =\n",
        "[conductor]\nx = \"\"\n",
        "[conductor]\nx",
        "[conductor]\nx = 1\n[conductor \"sub\"]\nx = 2\n",
        "[conductor \"a \\\"q\\\" ]b\"]\nx = 1\n",
        "[Include]\npath = more\n",
        "[conductor.Sub]\nx = 3\n",
        "[conductor]\nx = before\n[include]\npath = more\n[conductor]\ny = 1\n",
        "[conductor]\nx = \u{fc}ber \u{1f600}\n",
        "[conductor]\n\n\n; a comment\n# another\n   x   =   spaced   \n",
        "[conductor]\nx-y = dash\nx = it's",
        "[empty]\n[conductor]\nx = [not] a section",
    ] {
        for text in [format!("{whole}{odd}"), format!("\u{feff}{odd}\n{whole}")] {
            fs::write(&file, &text).unwrap();
            let repo = sandbox.repo("repo");
            for key in ["conductor.x", "conductor.sub.x", "conductor.x-y"] {
                let output = sandbox.try_git("repo", ["config", "--null", "--get", key]);
                let git = String::from_utf8(output.stdout).unwrap();
                let ours = repo.config(key).unwrap_or_default();
                assert_eq!(ours, git.trim_end_matches('\0'), "{key} in {text:?}");
            }
        }
    }
}

#[test]
fn values_in_git_s_terms() {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    sandbox.git("repo", ["config", "conductor.flag", "off"]);
    sandbox.git("repo", ["config", "conductor.bad", "maybe"]);
    let file = sandbox.join("repo/.git/config");
    let text = fs::read_to_string(&file).unwrap() + "[conductor]\n\tbare\n\tone = 1\n";
    fs::write(&file, text).unwrap();
    let repo = sandbox.repo("repo");
    assert_eq!(repo.config_bool("conductor.flag").unwrap(), Some(false));
    assert_eq!(repo.config_bool("conductor.bare").unwrap(), Some(true));
    assert_eq!(repo.config_bool("conductor.one").unwrap(), Some(true));
    assert_eq!(repo.config_bool("conductor.none").unwrap(), None);
    assert_eq!(kind(repo.config_bool("conductor.bad")), FailureKind::Git);
    assert_eq!(repo.config("conductor.bare"), None);
    // What git cannot read, we do not guess at.
    fs::write(&file, "[core\n").unwrap();
    assert_eq!(kind(sandbox.discover("repo")), FailureKind::Git);
}

#[test]
fn a_bad_number_of_attempts_stops_only_claims() {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    let me = Agent::new("me");
    let run = |args: &[&str]| sandbox.run("repo", &me, args);
    run(&["start", "--phases", "a:,b:"]).ok();
    run(&["claim", "a"]).ok();
    run(&["abort", "a"]).ok();
    for bad in ["0", "", "many", "-1", "1.5", "99999999999999999999"] {
        sandbox.git("repo", ["config", "conductor.maxAttempts", bad]);
        for args in [&["claim", "a"][..], &["next", "--claim"]] {
            assert_eq!(run(args).said(), (Some(128), "git"), "{bad:?}");
        }
        let status = run(&["status"]).ok();
        assert!(status.err.starts_with("warning: bad config value '"), "{}", status.err);
        assert_eq!(status.json["phases"]["a"]["exhausted"], false);
        run(&["unstuck", "a", "--force"]).ok();
    }
    for good in ["1", " 1 "] {
        sandbox.git("repo", ["config", "conductor.maxAttempts", good]);
        run(&["claim", "a"]).refused("exhausted");
    }
    sandbox.git("repo", ["config", "conductor.maxAttempts", "18446744073709551615"]);
    run(&["claim", "a"]).ok();
}

#[test]
fn a_bad_setting_stops_only_what_acts_by_it() {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    let (mut gone, me) = (Agent::new("gone"), Agent::new("me"));
    let run = |agent: &Agent, args: &[&str]| sandbox.run("repo", agent, args);
    run(&me, &["start", "--phases", "a:,b:"]).ok();
    run(&gone, &["claim", "a"]).ok();
    gone.kill();
    for bad in ["often", "", "1x", "-1h", "1h\u{1b}[31m"] {
        sandbox.git("repo", ["config", "conductor.staleAfter", bad]);
        let file = sandbox.join("repo/.git/config");
        for args in [&["claim", "a"][..], &["claim", "b"], &["next", "--claim"]] {
            let said = run(&me, args);
            assert_eq!(said.said(), (Some(128), "git"), "{bad:?} {args:?} {said:?}");
            let text = said.json["error"].as_str().unwrap();
            assert!(text.contains(file.to_str().unwrap()), "{text}");
            assert!(!said.err.contains('\u{1b}'), "{text}");
        }
        let status = run(&me, &["status"]).ok();
        // An hour is not over, but nobody can tell that it should be an hour.
        assert_eq!(status.state("a"), "claimed");
        assert_eq!(status.json["phases"]["a"]["stale"], false);
        let next = run(&me, &["next", "--all"]).ok();
        assert_eq!(next.json["phases"], serde_json::json!(["b"]), "{next:?}");
        for said in [status, next] {
            assert!(said.err.starts_with("warning: bad config value '"), "{}", said.err);
            assert!(!said.err.contains('\u{1b}'), "{}", said.err);
        }
        for args in [&["batch"][..], &["complete", "b"], &["abort"], &["clean"]] {
            let said = run(&me, args);
            assert!(matches!(said.exit, Some(0 | 1)) && !said.err.contains("warning"), "{said:?}");
        }
    }
    // `git -c` is in no file.
    let output = sandbox.git("repo", ["-c", "conductor.staleAfter=0s", "conductor", "status"]);
    assert!(String::from_utf8(output.stdout).unwrap().contains("stale"));
    let output =
        sandbox.try_git("repo", ["-c", "conductor.staleAfter=x", "conductor", "claim", "b"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("error: bad config value 'x' for 'conductor.staleAfter': "), "{said}");
    sandbox.git("repo", ["config", "--unset", "conductor.staleAfter"]);
    run(&me, &["claim", "b"]).ok();
    // The same for the other one: work without an artifact can be handed in.
    sandbox.git("repo", ["config", "conductor.maxArtifact", "lots"]);
    sandbox.write("repo/out.json", "{}");
    let said = run(&me, &["complete", "b", "--artifact", "out.json"]);
    assert_eq!(said.said(), (Some(128), "git"), "{said:?}");
    run(&me, &["complete", "b"]).ok();
}

#[test]
fn what_gix_does_not_know() {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    sandbox.git("repo", ["worktree", "add", "-q", "../linked"]);
    let config = |key: &str, value: &str| {
        sandbox.git(".", ["config", "-f", "repo/.git/config", key, value]);
    };
    // git 2.47 knows this one and we do not: git is asked, and answers.
    config("core.repositoryFormatVersion", "1");
    config("extensions.compatObjectFormat", "sha256");
    all_reach(&sandbox, &["repo", "linked", "repo/.git"], "repo/.nanostack");
    snapshot_agrees(&sandbox, "linked");
    assert!(!is_dirty(&sandbox.repo("linked"), &[]));
    // This one no git knows, except in a version that ignores what it does not know.
    config("extensions.futureThing", "true");
    assert!(!sandbox.try_git("repo", ["status"]).status.success());
    let failure = sandbox.discover("repo").unwrap_err();
    assert_eq!(failure.kind, FailureKind::Git);
    assert!(failure.to_string().contains("extension"), "{failure}");
    config("core.repositoryFormatVersion", "0");
    assert_eq!(kind(sandbox.discover("repo")), FailureKind::Git);
    sandbox
        .git(".", ["config", "-f", "repo/.git/config", "--unset", "extensions.compatObjectFormat"]);
    all_reach(&sandbox, &["repo"], "repo/.nanostack");
}

#[test]
fn foreign_owner() {
    let mut sandbox = Sandbox::new();
    let path = sandbox.repository("repo it's");
    sandbox.git("repo it's", ["worktree", "add", "-q", "../linked"]);
    // git's own switch; a real second user below.
    sandbox.set("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1");
    let failure = sandbox.discover("repo it's").unwrap_err();
    assert_eq!(failure.kind, FailureKind::ForeignOwner);
    let git = sandbox.try_git("repo it's", ["rev-parse"]).stderr;
    let git = String::from_utf8(git).unwrap();
    assert!(git.contains(&failure.to_string()), "{failure}");
    let way_out = failure.hints[0].for_agent().strip_prefix("only by your human: ").unwrap();
    assert!(git.contains(way_out), "{way_out}");

    let declare = |sandbox: &Sandbox, values: &[&str]| {
        let mut text = String::from("[safe]\n");
        for value in values {
            let value = value.replace("ROOT", path.to_str().unwrap());
            text.extend(["\tdirectory = ", &value, "\n"]);
        }
        sandbox.write("home/.gitconfig", text);
    };
    let above = sandbox.path().to_str().unwrap().to_owned();
    let below = format!("{above}/*");
    for (values, safe) in [
        (&["ROOT"][..], true),
        (&["ROOT/"], true),
        (&["ROOT", ""], false),
        (&["*"], true),
        (&["*", ""], false),
        (&["", "*"], true),
        (&[&above], false),
        (&[&below], true),
        (&["ROOT/*"], false),
        (&["relative"], false),
        (&["."], true),
        (&["~/../repo it's"], true),
    ] {
        declare(&sandbox, values);
        let ours = sandbox.discover("repo it's").is_ok();
        assert_eq!(ours, safe, "{values:?}");
        let git = sandbox.try_git("repo it's", ["rev-parse"]).status.success();
        assert_eq!(git, safe, "git, {values:?}");
    }
    // The repository cannot say so itself, but `git -c` can.
    declare(&sandbox, &[]);
    sandbox.git(
        ".",
        ["config", "-f", path.join(".git/config").to_str().unwrap(), "safe.directory", "*"],
    );
    assert_eq!(kind(sandbox.discover("repo it's")), FailureKind::ForeignOwner);
    sandbox.set("GIT_CONFIG_PARAMETERS", "'safe.directory'='*'");
    assert!(sandbox.discover("linked").is_ok());
    // One that is named is not checked, as in git.
    sandbox.unset("GIT_CONFIG_PARAMETERS");
    sandbox.set("GIT_DIR", path.join(".git"));
    assert!(sandbox.discover("repo it's").is_ok());
}

#[test]
fn foreign_user() {
    let mut sandbox = Sandbox::new();
    let path = sandbox.repository("repo");
    let store = path.join(".nanostack");
    fs::create_dir(&store).unwrap();
    if chown(&store, Some(12345), None).is_err() {
        return skipped("only root can make another user's store");
    }
    // A store of another user, in a repository of ours.
    let failure = find(&sandbox, "repo").unwrap_err();
    assert_eq!(failure.kind, FailureKind::ForeignOwner);
    let way_out = failure.hints[0].for_agent().strip_prefix("only by your human: ").unwrap();
    let way_out: Vec<&str> = way_out.split(' ').collect();
    assert_eq!(way_out[..5], ["git", "config", "--global", "--add", "safe.directory"]);
    sandbox.set("SUDO_UID", "12345");
    assert!(find(&sandbox, "repo").is_ok(), "root under sudo acts for the caller");
    sandbox.unset("SUDO_UID");
    sandbox.git(".", &way_out[1..]);
    assert!(find(&sandbox, "repo").is_ok());

    chown(path.join(".git"), Some(12345), None).unwrap();
    assert_eq!(kind(sandbox.discover("repo")), FailureKind::ForeignOwner);
    sandbox.set("SUDO_UID", "12345");
    assert!(sandbox.discover("repo").is_ok());
}

#[test]
fn bare_repositories_can_be_forbidden() {
    let sandbox = Sandbox::new();
    sandbox.git(".", ["init", "-q", "--bare", "bare"]);
    sandbox.repository("repo");
    sandbox.git(".", ["config", "--global", "safe.bareRepository", "explicit"]);
    assert_eq!(kind(sandbox.discover("bare")), FailureKind::Git);
    all_reach(&sandbox, &["repo", "repo/.git"], "repo/.nanostack");
}
