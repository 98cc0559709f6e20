//! The skill that agents read: it tells every refusal and every command, and goes where it should.

use std::collections::BTreeSet;

use serde_json::Value;
use xtask::definitions;
use xtask::skill::{ACTIONS, ALLOWED, text};

use crate::fixture::Scene;
use crate::snapshots::refusal_codes;

#[test]
fn it_tells_every_refusal() {
    let told: Vec<&str> = ACTIONS.iter().flat_map(|(codes, _)| *codes).copied().collect();
    let unique: BTreeSet<String> = told.iter().map(|code| (*code).to_owned()).collect();
    assert_eq!(told.len(), unique.len(), "one row a code");
    let missing: Vec<_> = refusal_codes().symmetric_difference(&unique).cloned().collect();
    assert!(missing.is_empty(), "rows of ACTIONS that are missing, or of nothing: {missing:?}");
}

/// Whether Claude Code's rule lets a command line through: what comes before `:*` is its first
/// words.
fn lets_through(rule: &str, line: &str) -> bool {
    let words = rule.strip_prefix("Bash(").unwrap().strip_suffix(":*)").unwrap();
    line.strip_prefix(words).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

#[test]
fn it_lets_through_what_the_loop_needs_and_no_more() {
    let text = text();
    let rules = text.lines().find_map(|line| line.strip_prefix("allowed-tools: ")).unwrap();
    let allowed = |line: &str| rules.split(", ").any(|rule| lets_through(rule, line));
    for line in [
        "git conductor next --claim --json",
        "git conductor claim review --takeover",
        "git conductor complete build --artifact notes.md",
        "git conductor abort",
        "git conductor next --agent claude-1/2 --claim",
    ] {
        assert!(allowed(line), "{line}");
    }
    let harmless: BTreeSet<&str> = ALLOWED.iter().copied().collect();
    for command in definitions().get_subcommands() {
        let name = command.get_name();
        let line = format!("git conductor {name} --force");
        assert_eq!(allowed(&line), harmless.contains(name), "{line}");
        if harmless.contains(name) {
            let harms = ["force", "fix", "remove", "install", "uninstall", "prefix"];
            let options = command.get_arguments().filter_map(|argument| argument.get_long());
            let harm: Vec<&str> = options.filter(|option| harms.contains(option)).collect();
            assert!(harm.is_empty(), "{name} has {harm:?}");
        }
    }
    for line in [
        "git conductor",
        "git conductor run build -- rm -rf x",
        "git conductor start --force",
        "git conductor unstuck build --force",
        "git conductor notes setup",
        "git conductor salvage drop build",
        "git conductor --agent x next",
        "git conductor nextish",
        "git push",
    ] {
        assert!(!allowed(line), "{line}");
    }
}

#[test]
fn it_is_short_and_teaches_no_harm() {
    let text = text();
    // A token of such text has more than three bytes.
    assert!(text.len() < 6000, "{} bytes", text.len());
    for harm in ["--force", "--no-verify", "--store", "GIT_CONDUCTOR_STORE", ".nanostack"] {
        assert!(!text.contains(harm), "{harm}");
    }
    assert!(text.starts_with("---\nname: git-conductor\ndescription: "));
    let scene = Scene::new();
    let said = scene.sandbox.try_git("repo", ["conductor", "skill"]);
    assert_eq!(String::from_utf8(said.stdout).unwrap(), text);
}

#[test]
fn it_goes_where_the_agent_reads_skills_and_away_again() {
    let scene = Scene::new();
    let home = scene.sandbox.join("home");
    std::fs::create_dir_all(&home).unwrap();
    let run = |args: &[&str]| {
        let mut command = scene.sandbox.command(".", "git");
        command.args(["conductor", "skill"]).args(args).env("HOME", &home);
        command.output().unwrap()
    };
    let none = run(&["install"]);
    assert_eq!(none.status.code(), Some(129), "no agent asks");
    let err = String::from_utf8(none.stderr).unwrap();
    assert!(err.ends_with("hint: git conductor skill install -h\n"), "{err}");
    let unknown = run(&["install", "--hooks", "--for", "other"]);
    let err = String::from_utf8(unknown.stderr).unwrap();
    let (_, says) = err.split_once("'git conductor skill ").unwrap();
    let (shows, _) = says.split_once('\'').unwrap();
    assert!(run(&shows.split(' ').collect::<Vec<_>>()).status.success(), "{err}");
    for (who, dir) in [("claude", ".claude"), ("codex", ".agents"), ("opencode", ".agents")] {
        let path = home.join(dir).join("skills/git-conductor/SKILL.md");
        let dry = run(&["install", "--for", who, "--dry-run"]);
        assert!(dry.status.success() && !path.exists());
        let output = run(&["install", "--for", who]);
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{}\n", path.display()));
        assert!(std::fs::read_to_string(&path).unwrap().starts_with(&text()));
        let again: Value =
            serde_json::from_slice(&run(&["install", "--for", who, "--json"]).stdout).unwrap();
        assert_eq!(again["files"][0]["change"], "same");
        assert!(run(&["uninstall", "--for", who]).status.success());
        assert!(!path.parent().unwrap().exists());
        // Somebody's own, and a link.
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "mine\n").unwrap();
        let refused: Value =
            serde_json::from_slice(&run(&["install", "--for", who, "--json"]).stdout).unwrap();
        assert_eq!(refused["code"], "foreign_files");
        assert!(run(&["uninstall", "--for", who]).status.success());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine\n");
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(home.join("elsewhere"), &path).unwrap();
        assert_eq!(run(&["install", "--for", who]).status.code(), Some(1));
        assert!(!home.join("elsewhere").exists());
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_project_gets_tracked_files_and_a_block() {
    let mut scene = Scene::new();
    let args =
        |more: &[&'static str]| [&["skill"], more, &["--project", "--for", "claude"]].concat();
    scene.sandbox.write("repo/AGENTS.md", "# Rules\n");
    scene.does("codex-2", &args(&["install"]));
    let agents = std::fs::read_to_string(scene.sandbox.join("repo/AGENTS.md")).unwrap();
    assert!(agents.starts_with("# Rules\n\n<!-- git-conductor: begin -->\n"), "{agents}");
    assert!(scene.sandbox.join("repo/.claude/skills/git-conductor/SKILL.md").exists());
    scene.does("codex-2", &args(&["uninstall"]));
    let agents = std::fs::read_to_string(scene.sandbox.join("repo/AGENTS.md")).unwrap();
    assert_eq!(agents, "# Rules\n");
    // Directories that were made for it go with it.
    assert!(!scene.sandbox.join("repo/.claude").exists());
    // An empty file of somebody's is not one that held our block only.
    scene.sandbox.write("repo/AGENTS.md", "");
    scene.does("codex-2", &args(&["uninstall"]));
    assert!(scene.sandbox.join("repo/AGENTS.md").exists());
    std::fs::remove_file(scene.sandbox.join("repo/AGENTS.md")).unwrap();
    scene.does("codex-2", &args(&["install"]));
    scene.does("codex-2", &args(&["uninstall"]));
    assert!(!scene.sandbox.join("repo/AGENTS.md").exists());
    scene.sandbox.write("repo/AGENTS.md", "# Rules\n");
    // What leads out of the worktree is not followed, and then nothing is changed.
    std::fs::create_dir(scene.sandbox.join("outside")).unwrap();
    std::os::unix::fs::symlink("../outside", scene.sandbox.join("repo/.claude")).unwrap();
    let refused = scene.said("codex-2", &args(&["install"]));
    assert_eq!(refused["code"], "foreign_files");
    assert_eq!(std::fs::read_dir(scene.sandbox.join("outside")).unwrap().count(), 0);
    assert_eq!(std::fs::read_to_string(scene.sandbox.join("repo/AGENTS.md")).unwrap(), "# Rules\n");
    std::fs::remove_file(scene.sandbox.join("repo/.claude")).unwrap();
    std::fs::remove_file(scene.sandbox.join("repo/AGENTS.md")).unwrap();
    std::os::unix::fs::symlink("file", scene.sandbox.join("repo/AGENTS.md")).unwrap();
    assert_eq!(scene.said("codex-2", &args(&["install"]))["code"], "foreign_files");
}

/// The agents whose settings can have hooks, and where these are.
const SETTINGS: &[(&str, &str)] = &[
    ("claude", ".claude/settings.json"),
    ("codex", ".codex/hooks.json"),
    ("cursor", ".cursor/hooks.json"),
    ("gemini", ".gemini/settings.json"),
];

/// `git conductor skill ARGS --hooks --json` in the repository: what it answers.
fn hooks(scene: &mut Scene, args: &[&str]) -> Value {
    scene.said("codex-2", &[&["skill"], args, &["--hooks"]].concat())
}

#[test]
fn hooks_are_put_among_those_of_others_and_taken_out_again() {
    let mut scene = Scene::new();
    let theirs = "{\n    \"version\": 1,\n    \"hooks\": {\"Stop\": [{}], \"stop\": [{\"command\": \"x\"}]},\n    \"a\": 1.50\n}";
    for (agent, file) in SETTINGS {
        for (place, root) in [(None, "home"), (Some("--project"), "repo")] {
            let path = scene.sandbox.join(root).join(file);
            let with = |args: &[&'static str]| {
                let place = place.into_iter();
                args.iter().copied().chain(place).chain(["--for", agent]).collect::<Vec<_>>()
            };
            let read = || std::fs::read_to_string(&path).unwrap();
            // A file of its own comes and goes.
            let dry = hooks(&mut scene, &with(&["install", "--dry-run"]));
            assert_eq!(dry["files"][0]["change"], "written");
            assert!(!path.exists());
            let put = hooks(&mut scene, &with(&["install"]));
            assert_eq!(put["files"][0]["path"], path.to_str().unwrap());
            let printed = hooks(&mut scene, &["show", "--for", agent]);
            assert_eq!(serde_json::from_str::<Value>(&read()).unwrap(), printed["settings"]);
            assert_eq!(printed["path"], *file);
            assert_eq!(hooks(&mut scene, &with(&["install"]))["files"][0]["change"], "same");
            let gone = hooks(&mut scene, &with(&["uninstall"]));
            assert_eq!(gone["files"][0]["change"], "removed");
            assert!(!path.exists());
            assert_eq!(hooks(&mut scene, &with(&["uninstall"]))["files"], serde_json::json!([]));
            // In somebody's nothing else changes, neither who may read it.
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, theirs).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(&path, mode).unwrap();
            hooks(&mut scene, &with(&["install", "--edits"]));
            assert!(read().contains("--hook=edit"), "{}", read());
            hooks(&mut scene, &with(&["install"]));
            assert!(!read().contains("--hook=edit") && read().contains("--stop"), "{}", read());
            assert!(read().contains("1.50") && read().contains("\"x\""));
            let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&path).unwrap());
            assert_eq!(mode & 0o777, 0o600);
            hooks(&mut scene, &with(&["uninstall"]));
            assert_eq!(read(), theirs);
            // What cannot be told is refused, with what can be added by hand.
            for odd in ["// mine\n{}\n", "{\"hooks\": []}", "{\"hooks\": {}, \"hooks\": {}}"] {
                std::fs::write(&path, odd).unwrap();
                let refused = hooks(&mut scene, &with(&["install"]));
                assert_eq!(refused["code"], "foreign_settings", "{odd}");
                assert_eq!(
                    refused["do"],
                    serde_json::json!([
                        "git",
                        "conductor",
                        "skill",
                        "show",
                        "--hooks",
                        "--for",
                        agent
                    ])
                );
                assert_eq!(refused["line"], printed["settings"].to_string());
                assert_eq!(read(), odd);
            }
            // So is a link, whatever is behind it.
            std::fs::remove_file(&path).unwrap();
            let elsewhere = scene.sandbox.write("elsewhere.json", "{}");
            std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
            for what in ["install", "uninstall"] {
                let refused = hooks(&mut scene, &with(&[what]));
                assert_eq!(refused["code"], "foreign_settings");
            }
            assert_eq!(std::fs::read_to_string(elsewhere).unwrap(), "{}");
            std::fs::remove_file(&path).unwrap();
        }
    }
    // A directory of a repository may lead out of it.
    std::fs::remove_dir_all(scene.sandbox.join("repo/.claude")).ok();
    std::fs::create_dir(scene.sandbox.join("outside")).unwrap();
    std::os::unix::fs::symlink("../outside", scene.sandbox.join("repo/.claude")).unwrap();
    let refused = hooks(&mut scene, &["install", "--project", "--for", "claude"]);
    assert_eq!(refused["code"], "foreign_settings");
    assert_eq!(std::fs::read_dir(scene.sandbox.join("outside")).unwrap().count(), 0);
    let unknown = hooks(&mut scene, &["install", "--for", "opencode"]);
    assert_eq!(unknown["code"], "usage");
}

#[test]
fn doctor_tells_of_what_is_of_another_version() {
    let mut scene = Scene::new();
    let found = |scene: &mut Scene| {
        let checks = scene.said("codex-2", &["doctor"])["checks"].clone();
        let of = |check: &Value| {
            let hint = check["hint"].as_str().unwrap_or_default().to_owned();
            (check["check"] == "skill").then(|| (check["level"].as_str().unwrap().to_owned(), hint))
        };
        checks.as_array().unwrap().iter().filter_map(of).collect::<Vec<_>>()
    };
    assert_eq!(found(&mut scene), []);
    let renewed: &[&[&str]] = &[
        &["skill", "install", "--for", "claude"],
        &["skill", "install", "--for", "other"],
        &["skill", "install", "--hooks", "--for", "claude"],
        &["skill", "install", "--hooks", "--for", "gemini", "--edits"],
        &["skill", "install", "--for", "claude", "--project"],
        &["skill", "install", "--hooks", "--for", "cursor", "--edits", "--project"],
    ];
    for command in renewed {
        scene.does("codex-2", command);
    }
    assert_eq!(found(&mut scene), [("ok".to_owned(), String::new())]);
    // As an earlier version had them.
    for (file, from, to) in [
        ("home/.claude/skills/git-conductor/SKILL.md", "## The loop", "## Loop"),
        ("home/.agents/skills/git-conductor/SKILL.md", "## The loop", "## Loop"),
        ("home/.claude/settings.json", " --for claude", ""),
        ("home/.gemini/settings.json", "--hook --for", "--hook=session --for"),
        ("repo/.claude/skills/git-conductor/SKILL.md", "## The loop", "## Loop"),
        ("repo/.cursor/hooks.json", "--stop --for cursor", "--stop"),
    ] {
        let path = scene.sandbox.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }
    let old = found(&mut scene);
    let wanted: Vec<_> = renewed
        .iter()
        .map(|command| ("note".to_owned(), format!("git conductor {}", command.join(" "))))
        .collect();
    assert_eq!(old, wanted);
    for (_, command) in old {
        let words: Vec<&str> = command.split(' ').skip(2).collect();
        scene.does("codex-2", &words);
    }
    assert_eq!(found(&mut scene), [("ok".to_owned(), String::new())]);
    // Somebody's own skill of that name, and hooks that are not ours, are none of it.
    scene.sandbox.write("home/.claude/skills/git-conductor/SKILL.md", "mine\n");
    scene.sandbox.write("home/.claude/settings.json", "// mine");
    assert_eq!(found(&mut scene), [("ok".to_owned(), String::new())]);
}
