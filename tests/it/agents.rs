//! Who is who, with processes that are called as agents are: each tool call is a shell of its own,
//! and what one call has claimed the next one completes.

use std::process::Command;

use serde_json::Value;

use crate::fake::{Fake, answers, called, looping};
use crate::process_driver::{Agent, independent};
use crate::sandbox::Sandbox;

fn repository() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.set("USER", "alice");
    sandbox.repository("repo");
    sandbox.run("repo", &Agent::new("starter"), &["start", "--phases", &independent(60)]).ok();
    sandbox
}

/// Whether a known agent runs these tests: everything without a nearer one is then that one's.
fn within_an_agent(sandbox: &Sandbox) -> bool {
    let mut plain = Fake::new(sandbox, "bash", &[]);
    let name = plain.git("status")["you"]["agent"].as_str().unwrap().to_owned();
    !name.starts_with("A-U-Thor-")
}

/// Family, process name, what it sets for its children, and what its agents' names end with (or
/// the process's number does it).
type Row = (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static str);

const KNOWN: &[Row] = &[
    (
        "claude",
        "claude",
        &[("CLAUDECODE", "1"), ("CLAUDE_CODE_SESSION_ID", "4f1b-8a2c-3f9c2a11")],
        "3f9c2a11",
    ),
    ("claude", "claude", &[("CLAUDE_CODE", "1"), ("CLAUDE_SESSION_ID", "x-aaaabbbb")], "aaaabbbb"),
    ("claude", "claude", &[("CLAUDECODE", "1")], ""),
    ("claude", "claude", &[], ""),
    ("codex", "codex", &[("CODEX_THREAD_ID", "01998a3c-0000-7000-8000-00001234abcd")], "1234abcd"),
    (
        "codex",
        "codex",
        &[("CODEX_SANDBOX", "seatbelt"), ("CODEX_SESSION_ID", "s-55556666")],
        "55556666",
    ),
    ("codex", "codex", &[("CODEX_CI", "1")], ""),
    (
        "opencode",
        "opencode",
        &[("OPENCODE", "1"), ("OPENCODE_SESSION_ID", "ses_77778888")],
        "77778888",
    ),
    ("opencode", "opencode", &[("OPENCODE_CLIENT", "cli"), ("OPENCODE_BIN_PATH", "/x")], ""),
    (
        "cursor",
        "cursor-agent",
        &[("CURSOR_AGENT", "1"), ("CURSOR_TRACE_ID", "t-99990000")],
        "99990000",
    ),
    ("gemini", "gemini", &[("GEMINI_CLI", "1")], ""),
    ("copilot", "copilot", &[("COPILOT_MODEL", "m"), ("COPILOT_ALLOW_ALL", "1")], ""),
    ("amp", "amp", &[("AMP_CURRENT_THREAD_ID", "T-abcdef01"), ("AGENT", "amp")], "abcdef01"),
    ("auggie", "auggie", &[("AUGMENT_AGENT", "1")], ""),
    ("qwen", "qwen", &[("QWEN_CODE", "1")], ""),
    ("crush", "crush", &[("CRUSH", "1")], ""),
    ("goose", "goose", &[("GOOSE_TERMINAL", "1"), ("AGENT", "goose")], ""),
    ("cline", "cline", &[("CLINE_ACTIVE", "true")], ""),
    ("kimi", "kimi", &[], ""),
    ("kimi", "kimi-cli", &[], ""),
    ("pi", "pi", &[("PI_CODING_AGENT", "true")], ""),
    ("droid", "droid", &[], ""),
    ("devin", "devin", &[], ""),
    ("aider", "aider", &[], ""),
    ("openclaw", "openclaw", &[], ""),
];

#[test]
fn each_agent_completes_what_it_claimed() {
    let sandbox = repository();
    let mut stranger = Fake::new(&sandbox, "claude", &[("CLAUDE_SESSION_ID", "of-another")]);
    for (n, (family, process, vars, tail)) in KNOWN.iter().enumerate() {
        let mut agent = Fake::new(&sandbox, process, vars);
        let pid = agent.pid();
        let phase = format!("p{n:03}");
        let claimed = agent.ok(&format!("claim {phase}"));
        let name =
            if tail.is_empty() { format!("{family}-{pid}") } else { format!("{family}-{tail}") };
        assert_eq!(claimed["agent"], name, "{process} {vars:?}");
        assert_eq!(claimed["nameless"], false);
        let lock = sandbox.sprint("repo/.nanostack").join(&phase).join("lock/meta.json");
        let meta: Value = serde_json::from_slice(&std::fs::read(lock).unwrap()).unwrap();
        assert_eq!(meta["pid"], pid, "{process}");
        stranger.refused(&format!("claim {phase}"), "claimed");
        stranger.refused(&format!("complete {phase}"), "not_owner");
        assert_eq!(agent.ok(&format!("claim {phase}"))["renewed"], true);
        let board = agent.git("status");
        assert_eq!(board["you"]["holds"], serde_json::json!([phase]), "{process}");
        agent.ok(&format!("complete {phase}"));
        assert_eq!(sandbox.board("repo").json["phases"][&phase]["agent"], name);
    }
}

/// Agents whose process has no known name, told by what they set.
const UNSEEN: &[Row] = &[
    ("antigravity", "", &[("ANTIGRAVITY_AGENT", "1")], ""),
    ("replit", "", &[("REPL_ID", "repl-12341234")], ""),
    (
        "claude",
        "",
        &[("CLAUDECODE", "1"), ("CLAUDE_CODE_SESSION_ID", "in-a-container-56785678")],
        "56785678",
    ),
    ("codex", "", &[("CODEX_THREAD_ID", "in-a-container-90129012")], "90129012"),
    ("cursor", "", &[("CURSOR_AGENT", "1")], ""),
    ("gemini", "", &[("GEMINI_CLI", "1")], ""),
    ("newcomer", "", &[("AI_AGENT", "newcomer")], ""),
    ("claude", "", &[("AI_AGENT", "claude-code_2-1_agent"), ("CLAUDECODE", "1")], ""),
    ("goose", "", &[("AGENT", "goose")], ""),
    ("ci", "", &[("CI", "true"), ("GITHUB_RUN_ID", "1234567890123")], "67890123"),
    ("ci", "", &[("CI", "true"), ("CI_JOB_ID", "4711")], "4711"),
    ("ci", "", &[("CI", "true"), ("BUILDKITE_JOB_ID", "b-abcd1234")], "abcd1234"),
];

#[test]
fn agents_that_only_their_variables_tell() {
    let sandbox = repository();
    let within = within_an_agent(&sandbox);
    for (n, (family, _, vars, tail)) in UNSEEN.iter().enumerate() {
        let mut agent = Fake::new(&sandbox, "bash", vars);
        let phase = format!("p{n:03}");
        let claimed = agent.ok(&format!("claim {phase}"));
        let name = claimed["agent"].as_str().unwrap();
        // In an agent's own terminal, that agent's process is what is seen.
        assert!(within || name.starts_with(&format!("{family}-")), "{vars:?}: {name}");
        assert!(within || name.ends_with(tail), "{vars:?}: {name}");
        agent.ok(&format!("complete {phase}"));
    }
}

/// An agent that another one started has both sets of variables; its own are what counts.
#[test]
fn an_agent_within_an_agent() {
    let sandbox = repository();
    let vars = [("CLAUDECODE", "1"), ("CLAUDE_CODE_SESSION_ID", "outer-11112222")];
    let codex = called(&sandbox, "codex");
    let mut outer = sandbox.command("repo", called(&sandbox, "claude").to_str().unwrap());
    let script = looping(&sandbox);
    let start = format!(
        "CODEX_THREAD_ID=inner-33334444 '{}' '{}'; true",
        codex.display(),
        script.display()
    );
    outer.envs(vars).args(["-c", &start]);
    let mut inner = Fake::spawn(outer);
    assert_eq!(inner.ok("claim p000")["agent"], "codex-33334444");
    let mut outer = Fake::new(&sandbox, "claude", &vars);
    assert_eq!(outer.git("status")["you"]["agent"], "claude-11112222");
    outer.refused("complete p000", "not_owner");
    inner.ok("complete p000");
}

#[test]
fn the_same_agent_again() {
    let sandbox = repository();
    for (name, id) in [
        ("claude", "CLAUDE_CODE_SESSION_ID"),
        ("codex", "CODEX_THREAD_ID"),
        ("amp", "AMP_CURRENT_THREAD_ID"),
    ] {
        let session = [(id, "session-aaaaaaaa")];
        let mut first = Fake::new(&sandbox, name, &session);
        let mut second = Fake::new(&sandbox, name, &session);
        let mut other = Fake::new(&sandbox, name, &[(id, "session-bbbbbbbb")]);
        let phases: Vec<String> = first.ok("next --all")["phases"].as_array().unwrap()[..3]
            .iter()
            .map(|phase| phase.as_str().unwrap().to_owned())
            .collect();
        for phase in &phases {
            first.ok(&format!("claim {phase}"));
        }
        // While it lives, another process of its session is another agent.
        second.refused(&format!("claim {}", phases[0]), "claimed");
        second.refused(&format!("complete {}", phases[0]), "not_owner");
        first.kill();
        // Dead: its session goes on with its claims, and others wait.
        let refused = other.refused(&format!("claim {}", phases[0]), "claimed");
        assert_eq!(refused["alive"], "no");
        other.refused(&format!("complete {}", phases[0]), "not_owner");
        other.refused(&format!("abort {}", phases[0]), "not_owner");
        let again = second.ok(&format!("claim {}", phases[0]));
        assert_eq!(again["agent"], format!("{name}-aaaaaaaa"));
        second.ok(&format!("complete {}", phases[0]));
        second.ok(&format!("complete {}", phases[1]));
        second.kill();
        // Or somebody takes it over, and the session has lost it.
        let taken = other.ok(&format!("claim {} --takeover", phases[2]));
        assert_eq!(taken["taken_over_from"], format!("{name}-aaaaaaaa"));
        let mut third = Fake::new(&sandbox, name, &session);
        third.refused(&format!("complete {}", phases[2]), "lost");
        // What the session completed, it completed.
        assert_eq!(third.ok(&format!("complete {}", phases[1]))["again"], true);
        other.refused(&format!("complete {}", phases[1]), "done");
        other.ok(&format!("complete {}", phases[2]));
    }
}

#[test]
fn names_that_are_given() {
    let sandbox = repository();
    let named = |name| Fake::new(&sandbox, "claude", &[("GIT_CONDUCTOR_AGENT", name)]);
    let (mut one, mut two) = (named("boss"), named("boss"));
    assert_eq!(one.ok("claim p000")["agent"], "boss");
    // Two live processes of one name are two agents.
    for args in ["claim p000", "claim p000 --takeover"] {
        two.refused(args, "claimed");
    }
    two.refused("complete p000", "not_owner");
    two.refused("unstuck p000", "alive");
    // Two names of one process are two agents, and so are its subagents.
    one.ok("claim p001 --agent boss/1");
    one.refused("claim p001 --agent boss/2", "claimed");
    one.refused("complete p001", "not_owner");
    one.ok("claim p002 --agent boss/2");
    one.refused("complete p002 --agent boss/1", "not_owner");
    one.ok("complete p002 --agent boss/2");
    one.ok("complete p001 --agent boss/1");
    // A detected name and the same one given are two agents.
    let mut detected = Fake::new(&sandbox, "codex", &[("CODEX_THREAD_ID", "x-12121212")]);
    detected.ok("claim p003");
    detected.refused("complete p003 --agent codex-12121212", "not_owner");
    detected.ok("complete p003");
    one.kill();
    // The older scripts' variable; the name's next process goes on.
    let mut three = Fake::new(&sandbox, "goose", &[("NANOSTACK_AGENT", "boss")]);
    three.ok("claim p000");
    two.refused("claim p000", "claimed");
    three.ok("complete p000");
    for name in ["", " ", "a\u{1b}b"] {
        let output = sandbox
            .command("repo", "git")
            .args(["conductor", "claim", "p009", "--agent", name])
            .output();
        let code = output.unwrap().status.code();
        // An empty name is none.
        assert_eq!(code, Some(if name.is_empty() { 0 } else { 129 }), "{name:?}");
    }
    two.refused("claim p010 --pid 999999999", "usage");
}

#[test]
fn jobs() {
    let sandbox = repository();
    let within = within_an_agent(&sandbox);
    // A runner starts each of its jobs in a session of its own.
    let job = |id: &str, value: &str| {
        let mut command = sandbox.command("repo", "setsid");
        command.arg("bash").arg(looping(&sandbox)).env("CI", "true").env(id, value);
        Fake::spawn(command)
    };
    // A later step of one job is another process; another job is another agent.
    let mut step = job("CI_JOB_ID", "4711");
    step.ok("claim p000");
    step.kill();
    let mut other = job("CI_JOB_ID", "4712");
    let mut later = job("CI_JOB_ID", "4711");
    // In an agent's own terminal all of them are that agent's.
    if !within {
        other.refused("complete p000", "not_owner");
    }
    later.ok("complete p000");
}

#[test]
fn whoever_has_the_token_is_the_owner() {
    let sandbox = repository();
    let mut owner = Fake::new(&sandbox, "claude", &[]);
    let mut other = Fake::new(&sandbox, "codex", &[]);
    let claimed = owner.ok("claim p000");
    let token = claimed["token"].as_str().unwrap().to_owned();
    other.refused("complete p000", "not_owner");
    let wrong = token.chars().rev().collect::<String>();
    let with = |token: &str| {
        format!("export GIT_CONDUCTOR_TOKEN={token}; git conductor complete p000 --json")
    };
    assert_eq!(other.call(&with(&wrong))["code"], "not_owner");
    assert_eq!(other.call(&with(&token))["ok"], true);
    // An old token is worth nothing.
    owner.ok("claim p001");
    owner.ok("abort p001");
    other.ok("claim p001");
    let late =
        format!("export GIT_CONDUCTOR_TOKEN={token}; git conductor abort p001 --json --agent x");
    assert_eq!(owner.call(&late)["code"], "not_owner");
}

/// A person's calls: nothing is known about who it is but the processes.
#[test]
fn people() {
    let sandbox = repository();
    let calls = |phase: &str| {
        format!(
            "sh -c 'git conductor claim {phase} --json; true'\n\
             bash -ec 'git conductor status --json >/dev/null; git conductor complete {phase} --json'\n"
        )
    };
    let both_ok = |command: &mut Command, how: &str| {
        let output = command.output().unwrap();
        let answers = answers(&output.stdout);
        assert_eq!(answers.len(), 2, "{how}: {output:?}");
        assert!(answers.iter().all(|answer| answer["ok"] == true), "{how}: {output:?}");
        assert_eq!(answers[0]["nameless"], false, "{how}");
        assert_eq!(answers[0]["agent"], answers[1]["agent"], "{how}");
    };
    let file = sandbox.write("p000.sh", calls("p000"));
    both_ok(sandbox.command("repo", "bash").arg(file), "a script");
    let file = sandbox.write("p001.sh", calls("p001"));
    both_ok(
        sandbox.command("repo", "setsid").arg("-w").arg("bash").arg(file),
        "a session of its own",
    );
    if let Err(error) = Command::new("script").arg("--version").output() {
        eprintln!("no script(1) to make a terminal with, so terminals are not tried: {error}");
        return;
    }
    let file = sandbox.write("p002.sh", calls("p002"));
    let run = format!("bash '{}'", file.display());
    let mut terminal = sandbox.command("repo", "script");
    both_ok(terminal.args(["-qec", &run, "/dev/null"]), "a script in a terminal");
    let input = sandbox.write("p003.sh", format!("{}exit\n", calls("p003")));
    let mut terminal = sandbox.command("repo", "script");
    terminal.env("TERM", "dumb").args(["-qec", "bash --norc --noprofile -i", "/dev/null"]);
    both_ok(terminal.stdin(std::fs::File::open(input).unwrap()), "an interactive shell");
}
