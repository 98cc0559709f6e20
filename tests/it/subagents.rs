//! Hooks of agents: subagents that get names of their own, and edits of who holds nothing.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::fake::Fake;
use crate::sandbox::Sandbox;
use git_conductor::commands::skill::Reader;

const MAIN: &str = "claude-3f9c2a11";
const SESSION: &str = "01998a3c-0000-7000-8000-00003f9c2a11";
const FIRST: &str = "a9e5b1c0f3d24e7b8";
const SECOND: &str = "a9e5b1c0f000000c1";

/// A session of Claude Code, whose hooks are those that are installed.
struct Session {
    sandbox: Sandbox,
    agent: Fake,
}

impl Session {
    fn new(phases: &str) -> Self {
        let sandbox = Sandbox::new();
        sandbox.repository("repo");
        let agent = Fake::new(&sandbox, "claude", &[("CLAUDE_CODE_SESSION_ID", SESSION)]);
        let mut session = Self { sandbox, agent };
        session.agent.ok(&format!("start --phases {phases}"));
        session
    }

    /// What the hook for `event`, of those for `matcher`, answers to `input`.
    fn hook(&mut self, event: &str, matcher: Option<&str>, input: &Value) -> Value {
        let hooks = Reader::Claude.hooks(true);
        let is_meant = |tools: Option<&str>| match matcher {
            Some(tool) => tools.is_some_and(|tools| tools.split('|').any(|it| it == tool)),
            None => tools.is_none(),
        };
        let hook = hooks.iter().find(|hook| hook.event == event && is_meant(hook.matcher)).unwrap();
        let path = self.sandbox.write("input.json", input.to_string());
        self.agent.call(&format!("{{ {}; }} <{}", hook.command, path.display()))
    }

    /// What becomes of a subagent's command line.
    fn line(&mut self, subagent: Option<&str>, line: &str) -> String {
        let tool = json!({"command": line, "description": "d", "timeout": 7});
        let mut input = json!({
            "session_id": SESSION, "cwd": self.sandbox.join("repo"),
            "hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_input": tool,
        });
        if let Some(id) = subagent {
            input["agent_id"] = json!(id);
        }
        let answer = self.hook("PreToolUse", Some("Bash"), &input);
        if answer.is_null() {
            return line.to_owned();
        }
        let said = answer["hookSpecificOutput"].as_object().unwrap();
        let keys: Vec<&String> = said.keys().collect();
        assert_eq!(keys, ["hookEventName", "updatedInput"], "no decision: {answer}");
        let changed = &said["updatedInput"];
        assert_eq!((&changed["description"], &changed["timeout"]), (&json!("d"), &json!(7)));
        changed["command"].as_str().unwrap().to_owned()
    }

    /// A subagent's call, as its hook lets it be.
    fn calls(&mut self, subagent: &str, args: &str) -> Value {
        let line = self.line(Some(subagent), &format!("git conductor {args} --json"));
        self.agent.call(&line)
    }

    fn ends(&mut self, subagent: &str) {
        let input = json!({"session_id": SESSION, "agent_id": subagent, "stop_hook_active": false});
        assert_eq!(self.hook("SubagentStop", None, &input), Value::Null);
    }

    fn phase(&mut self, phase: &str) -> Value {
        self.agent.git("status")["phases"][phase].clone()
    }

    /// Whether a change of `path` is let pass.
    fn edits(&mut self, subagent: Option<&str>, path: &Path) -> bool {
        let mut input = json!({
            "session_id": SESSION, "cwd": self.sandbox.join("repo"), "tool_name": "Write",
            "tool_input": {"file_path": path, "content": "x"},
        });
        if let Some(id) = subagent {
            input["agent_id"] = json!(id);
        }
        let answer = self.hook("PreToolUse", Some("Write"), &input);
        if answer.is_null() {
            return true;
        }
        let said = &answer["hookSpecificOutput"];
        assert_eq!(said["permissionDecision"], "deny", "{answer}");
        let reason = said["permissionDecisionReason"].as_str().unwrap();
        assert!(reason.contains("'git conductor next --claim'"), "{reason}");
        false
    }
}

#[test]
fn each_subagent_is_an_agent_of_its_own() {
    let mut session = Session::new("a:,b:,c:,d:b");
    assert_eq!(session.agent.ok("next --claim")["agent"], MAIN);
    let input = json!({"session_id": SESSION, "agent_id": FIRST, "agent_type": "Explore"});
    let told = session.hook("SubagentStart", None, &input);
    let context = told["hookSpecificOutput"]["additionalContext"].as_str().unwrap();
    assert!(context.contains(&format!("\"{MAIN}/3d24e7b8\"")), "{context}");
    // Two ask at once for work: neither gets that of another.
    let first = session.calls(FIRST, "next --claim");
    assert_eq!(
        (&first["phase"], &first["agent"]),
        (&json!("b"), &json!(format!("{MAIN}/3d24e7b8")))
    );
    let second = session.calls(SECOND, "next --claim");
    assert_eq!(second["phase"], "c");
    assert_eq!(session.calls(FIRST, "next --claim")["code"], "holding");
    for phase in ["a", "c"] {
        assert_eq!(session.calls(FIRST, &format!("complete {phase}"))["code"], "not_owner");
    }
    session.agent.refused("complete b", "not_owner");
    assert_eq!(session.calls(FIRST, "complete b")["ok"], true);
    // One that ends gives up what it has not completed, and nothing else.
    assert_eq!(session.calls(FIRST, "claim d")["ok"], true);
    session.ends(FIRST);
    let phases = ["a", "b", "c", "d"].map(|phase| session.phase(phase)["state"].clone());
    assert_eq!(phases, ["claimed", "done", "claimed", "pending"]);
    session.ends(SECOND);
    assert_eq!(session.phase("c")["state"], "pending");
    assert_eq!(session.phase("a")["agent"], MAIN);
    let next = session.calls(SECOND, "claim c");
    assert_eq!(
        next["attempts"][0]["reason"], "the subagent ended and had not completed it",
        "{next}"
    );
}

#[test]
fn the_agents_own_calls_stay_as_they_are() {
    let mut session = Session::new("a:,ship:a");
    for line in ["git conductor next --claim", "git push", "ls"] {
        assert_eq!(session.line(None, line), line);
    }
    for line in ["git push", "ls"] {
        assert_eq!(session.line(Some(FIRST), line), line);
    }
    let named = "git conductor next --agent reviewer --claim";
    assert_eq!(session.line(Some(FIRST), named), named);
    // What is tool input of another kind, too.
    let input =
        json!({"agent_id": FIRST, "tool_name": "Read", "tool_input": {"command": "git conductor"}});
    assert_eq!(session.hook("PreToolUse", Some("Bash"), &input), Value::Null);
    // Outside of a repository a line may go to one.
    let line = session.line(Some(FIRST), "cd repo && git conductor status");
    assert_eq!(line, format!("cd repo && git conductor status --agent {MAIN}/3d24e7b8"));
    // Who holds what guards the gate is known to its hook as well.
    assert_eq!(session.calls(FIRST, "claim a")["ok"], true);
    assert_eq!(session.line(Some(FIRST), "git push"), "git push");
    assert_eq!(session.calls(FIRST, "complete a")["ok"], true);
    assert_eq!(session.calls(FIRST, "claim ship")["ok"], true);
    let push = format!("GIT_CONDUCTOR_AGENT={MAIN}/3d24e7b8 git push");
    assert_eq!(session.line(Some(FIRST), "git push"), push);
    assert_eq!(session.line(Some(SECOND), "git push"), "git push");
    let guard = push.replace("git push", "git conductor guard --json");
    assert_eq!(session.agent.call(&guard)["ok"], true);
}

/// The shell and the hook agree on what a command line calls.
#[test]
fn a_named_line_does_what_it_did() {
    let session = Session::new("a:");
    let bin = session.sandbox.join("stub");
    std::fs::create_dir(&bin).unwrap();
    let stub = session.sandbox.write("stub/git", "#!/bin/sh\nprintf '<%s>' git \"$@\"; echo\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&stub, mode).unwrap();
    let run = |line: &str| {
        let mut command = session.sandbox.command("repo", "bash");
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let output = command.args(["-c", line]).env("PATH", path).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let lines = [
        "git conductor next --claim",
        "for p in a \"b c\"; do git -C . conductor show \"$p\"; done; echo 'git conductor next'",
        "x=$(git conductor next; echo \"$(git conductor status)\"); echo \"[$x]\"",
        "cat <<'E' | cat\ngit conductor next\nE\ngit conductor log -n 3",
        "cat <<E\n$(git conductor next) `git conductor next`\nE\ngit conductor status",
        "if git conductor guard; then (git conductor next); else git push; fi 2>&1",
        "git conductor abort a --reason \"it's `echo broken`; git conductor next\" # git conductor",
        "[[ a == a && ( x < y ) ]] && git \\\n conductor \\\n  next",
        "A=1 env B=2 git conductor next & wait",
        "cat < <(git conductor next --all) 2>/dev/null",
    ];
    let named: Vec<String> = {
        let change =
            |line: &&str| git_conductor::commands::prime::shell::named(line, "n/1", false).unwrap();
        lines.iter().map(change).collect()
    };
    for (line, named) in lines.iter().zip(&named) {
        let (was, is) = (run(line), run(named));
        assert_ne!(was, is, "{line}");
        // Lines that the shell itself made of quoted text have no name.
        assert_eq!(is.replace("<--agent><n/1>", ""), was, "{named}");
    }
}

#[test]
fn a_subagent_keeps_its_name_when_the_session_has_another_id() {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    let agent = Fake::new(&sandbox, "claude", &[]);
    let mut session = Session { sandbox, agent };
    session.agent.ok("start --phases a:,b:");
    let named = |session: &mut Session, id: &str| {
        let input = json!({
            "session_id": id, "agent_id": FIRST,
            "tool_input": {"command": "git conductor claim a --json"},
        });
        let answer = session.hook("PreToolUse", Some("Bash"), &input);
        answer["hookSpecificOutput"]["updatedInput"]["command"].as_str().unwrap().to_owned()
    };
    let line = named(&mut session, "session-1");
    assert_eq!(line, "git conductor claim --agent claude-ession-1/3d24e7b8 a --json");
    assert_eq!(session.agent.call(&line)["ok"], true);
    assert_eq!(named(&mut session, "session-2"), line);
    session.hook("SubagentStop", None, &json!({"session_id": "session-3", "agent_id": FIRST}));
    assert_eq!(session.phase("a")["state"], "pending");
    assert_ne!(named(&mut session, "session-2"), line);
}

#[test]
fn files_are_changed_by_who_holds_a_phase() {
    let mut session = Session::new("a:,b:,c:");
    let file = session.sandbox.join("repo/src/new.rs");
    let linked = session.sandbox.join("wt/file");
    session.sandbox.git("repo", ["worktree", "add", "-q", "-b", "wt", "../wt"]);
    assert!(!session.edits(None, &file), "nothing is held");
    assert!(!session.edits(None, &linked), "in another worktree of it");
    assert!(!session.edits(None, Path::new("file")), "below the current directory");
    assert!(!session.edits(Some(FIRST), &file));
    // Other places, and another repository within.
    let outside = session.sandbox.join("elsewhere/file");
    assert!(session.edits(None, &outside));
    session.sandbox.repository("repo/vendor");
    let vendored = session.sandbox.join("repo/vendor/file");
    assert!(session.edits(None, &vendored));
    // What one subagent holds is not another's; what their agent holds is theirs.
    assert_eq!(session.calls(FIRST, "claim a")["ok"], true);
    assert!(session.edits(Some(FIRST), &file));
    assert!(!session.edits(Some(SECOND), &file));
    assert!(!session.edits(None, &file));
    session.agent.ok("claim b");
    for who in [None, Some(FIRST), Some(SECOND)] {
        assert!(session.edits(who, &file), "{who:?}");
    }
    session.agent.ok("abort b");
    assert!(!session.edits(None, &file));
    // Under a name that it was given it is the agent all the same.
    session.agent.ok("claim c --agent reviewer");
    assert!(session.edits(None, &file));
    session.agent.ok("abort c --agent reviewer");
    assert!(!session.edits(None, &file));
    // Where something is wrong, and without a sprint, everything passes.
    let path = session.sandbox.sprint("repo/.nanostack").join("sprint.json");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, "{").unwrap();
    assert!(session.edits(None, &file));
    std::fs::write(&path, whole).unwrap();
    assert!(!session.edits(None, &file));
    session.ends(FIRST);
    session.agent.ok("archive");
    assert!(session.edits(None, &file));
}

/// Runs a hook, which must succeed and say nothing to a person.
fn answer(sandbox: &Sandbox, args: &[&str], input: &[u8]) -> String {
    let mut command = sandbox.command("repo", "git");
    command.args(["conductor", "prime"]).args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It need not read all of it.
    child.stdin.take().unwrap().write_all(input).ok();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn each_agent_is_refused_in_its_own_words() {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    let edit = json!({"tool_input": {"file_path": "file"}}).to_string();
    let patch =
        json!({"tool_input": {"command": "*** Begin Patch\n*** Update File: file\n"}}).to_string();
    let ask = |reader: &str, input: &str| {
        answer(&sandbox, &["--hook=edit", "--for", reader], input.as_bytes())
    };
    for reader in ["claude", "codex", "cursor", "gemini"] {
        assert_eq!(ask(reader, &edit), "", "there is no sprint");
        assert_eq!(answer(&sandbox, &["--hook", "--for", reader], b"{}"), "");
    }
    sandbox.git("repo", ["conductor", "start", "--phases", "a:", "--agent", "lead"]);
    let read = |text: String| serde_json::from_str::<Value>(&text).unwrap();
    let claude = read(ask("claude", &edit));
    assert_eq!(claude["hookSpecificOutput"]["permissionDecision"], "deny");
    assert_eq!(read(ask("codex", &patch)), claude);
    let reason = claude["hookSpecificOutput"]["permissionDecisionReason"].clone();
    assert_eq!(read(ask("gemini", &edit)), json!({"decision": "deny", "reason": reason}));
    let cursor = json!({"permission": "deny", "user_message": reason, "agent_message": reason});
    assert_eq!(read(ask("cursor", &edit)), cursor);
    // What is told at the start of a session is nothing but JSON where it has to be.
    let start = |reader: &str| answer(&sandbox, &["--hook", "--for", reader], b"{}");
    let text = start("claude");
    assert!(text.starts_with("git conductor (text"), "{text}");
    assert_eq!(read(start("cursor")), json!({"additional_context": text}));
    for reader in ["codex", "gemini"] {
        let said = json!({"hookEventName": "SessionStart", "additionalContext": text});
        assert_eq!(read(start(reader)), json!({"hookSpecificOutput": said}));
    }
    // And what is still held, at its end.
    sandbox.git("repo", ["conductor", "claim", "a", "--agent", "me"]);
    let held = |reader: &str, session: &str| {
        let input = json!({"session_id": session}).to_string();
        read(answer(&sandbox, &["--stop", "--agent", "me", "--for", reader], input.as_bytes()))
    };
    let claude = held("claude", "1");
    let reason = claude["reason"].clone();
    assert_eq!(claude, json!({"decision": "block", "reason": reason}));
    assert_eq!(held("codex", "2"), claude);
    assert_eq!(held("gemini", "3"), json!({"decision": "deny", "reason": reason}));
    assert_eq!(held("cursor", "4"), json!({"followup_message": reason}));
}

#[test]
fn hostile_input_does_nothing() {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    sandbox.git("repo", ["conductor", "start", "--phases", "a:,b:", "--agent", "lead"]);
    sandbox.git("repo", ["conductor", "claim", "a", "--agent", "me/held"]);
    let deep = "{\"a\":".repeat(50_000) + &"}".repeat(50_000);
    let huge = format!("{{\"agent_id\":\"1\",\"x\":\"{}\"}}", "x".repeat(5 << 20));
    let line = |id: &str| {
        json!({"agent_id": id, "tool_input": {"command": "git conductor status", "file_path": "/\0"}})
            .to_string()
    };
    let ids =
        ["\u{1b}[31m\u{202e}", "'; touch /tmp/x; '", "../../../x", "a\nb", "--force", "\u{0}"];
    let mut inputs: Vec<Vec<u8>> = ids.iter().map(|id| line(id).into_bytes()).collect();
    inputs.extend(
        [
            "",
            " ",
            "{",
            "}",
            "[",
            "null",
            "\"a\"",
            "{\"agent_id\":",
            "{\"agent_id\":{}}",
            "{\"agent_id\":\"1\",\"tool_input\":[]}",
            "{\"tool_input\":{\"command\":7}}",
            "{\"cwd\":\"/no/such/place\",\"agent_id\":\"1\"}",
            "{\"cwd\":\"\\u0000\"}",
            &deep,
            &huge,
        ]
        .map(|text| text.as_bytes().to_vec()),
    );
    inputs.push(b"\xff\xfe{\"agent_id\":\"\xff\"}".to_vec());
    let hooks = [
        "--hook",
        "--hook=subagent-start",
        "--hook=subagent-stop",
        "--hook=command",
        "--hook=edit",
        "--stop",
    ];
    for input in &inputs {
        for hook in hooks {
            for reader in ["claude", "gemini"] {
                let said = answer(&sandbox, &[hook, "--for", reader], input);
                let raw = said.chars().any(|c| c != '\n' && c.is_control() || c == '\u{202e}');
                assert!(!raw, "{hook}: {said:?}");
                if let Ok(said) = serde_json::from_str::<Value>(&said) {
                    let decision = &said["hookSpecificOutput"]["permissionDecision"];
                    assert_ne!(*decision, "allow");
                    let line = said["hookSpecificOutput"]["updatedInput"]["command"].as_str();
                    let safe = |c: char| c.is_ascii_alphanumeric() || " -_/@.'".contains(c);
                    assert!(line.is_none_or(|line| line.chars().all(safe)), "{line:?}");
                }
            }
        }
    }
    let board = sandbox.board("repo").json;
    assert_eq!(board["phases"]["a"]["agent"], "me/held");
    assert_eq!(board["phases"]["b"]["state"], "pending");
}
