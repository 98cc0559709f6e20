//! Who calls, whatever stands between an agent and its commands: shells, wrappers, interpreters,
//! other agents. It runs again in a pid namespace of its own, so that an agent that runs these
//! tests is out of sight.
#![cfg(target_os = "linux")]

use std::process::Command;

use serde_json::Value;

use crate::fake::{Fake, called, looping};
use crate::fixture::{Scene, wanting};
use crate::namespace::{PIDS, inside};

/// What stands between an agent and its command: `$C` is the command.
const WRAPPED: &[&str] = &[
    "$C",
    "sh -c \"sh -c 'sh -c \\\"$C; true\\\"; true'; true\"",
    "bash -lc \"$C; true\"",
    "bash -euo pipefail -c \"$C; true\"",
    "setsid -w $C",
    "setsid -w sh -c \"setsid -w sh -c '$C; true'; true\"",
    "nohup $C & wait",
    "env A=b $C",
    "timeout 60 $C",
    "echo | xargs $C",
    "($C)",
    "( ($C) & wait )",
    "nice $C",
    "stdbuf -oL $C",
    "flock \"$HOME/lock\" $C",
    "script -qec \"$C\" /dev/null",
    "python3 -c 'import os, sys; os.system(sys.argv[1])' \"$C\"",
    "perl -e 'system @ARGV' $C",
    "node -e 'require(\"child_process\").execSync(process.argv[1], {stdio: \"inherit\"})' \"$C\"",
    "setpriv $C",
    "unshare $C",
];

#[test]
fn through_whatever_runs_the_command() {
    if !inside("wrapped::through_whatever_runs_the_command", PIDS) {
        return;
    }
    let mut scene = Scene::with_phases(WRAPPED.len());
    // A login shell's profile sets the path anew.
    let path = scene.sandbox.var("PATH").unwrap();
    scene.sandbox.set("KEPT", path);
    scene.sandbox.write("home/.bash_profile", "PATH=$KEPT\n");
    for name in ["claude", "bash"] {
        let mut command = scene.sandbox.command("repo", "setsid");
        command.arg(called(&scene.sandbox, name)).arg(looping(&scene.sandbox));
        let mut agent = Fake::spawn(command);
        let pid = agent.pid();
        for (n, wrapped) in WRAPPED.iter().enumerate() {
            let program = wrapped.split([' ', '(', ')']).find(|word| !word.is_empty()).unwrap();
            let there = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
            if program != "$C" && !there.unwrap().status.success() {
                wanting(program);
                continue;
            }
            // Twice, since every other call is in a session of its own.
            for args in ["claim", "claim", "abort"] {
                let command = format!("git conductor {args} p{n:03} --json");
                let said = agent.call(&format!("export C='{command}'; {wrapped}"));
                assert_eq!(said["ok"], true, "{name}: {wrapped}: {said}");
                if args == "claim" {
                    let meta = scene.claim(&format!("p{n:03}"));
                    assert_eq!(meta["pid"], pid, "{name}: {wrapped}: {meta}");
                }
            }
        }
    }
}

const PYTHON: &str = "import subprocess, sys
for line in sys.stdin:
    subprocess.run(['sh', '-c', line + '; true'], stdin=subprocess.DEVNULL)
    print('end', 0, flush=True)
";

const NODE: &str = "const {spawnSync} = require('child_process');
require('readline').createInterface({input: process.stdin}).on('line', line => {
    spawnSync('sh', ['-c', line + '; true'], {stdio: ['ignore', 'inherit', 'inherit']});
    console.log('end 0');
});
";

#[test]
fn agents_that_an_interpreter_runs() {
    if !inside("wrapped::agents_that_an_interpreter_runs", PIDS) {
        return;
    }
    let scene = Scene::with_phases(6);
    let agents = [
        ("python3", "bin/aider", PYTHON, &[] as &[&str], "aider"),
        ("python3", "kimi_cli/__main__.py", PYTHON, &["-m", "kimi_cli"], "kimi"),
        ("node", "lib/gemini.js", NODE, &["--no-warnings"], "gemini"),
        ("node", "lib/qwen.mjs.js", NODE, &[], "node"),
    ];
    for (n, (program, file, code, options, family)) in agents.into_iter().enumerate() {
        let path = format!("/usr/bin/{program}");
        if !std::path::Path::new(&path).exists() {
            wanting(&path);
            continue;
        }
        let file = scene.sandbox.write(file, code);
        // In a session of its own: for what is unknown, the outermost of a session is taken.
        let mut command = scene.sandbox.command("repo", "setsid");
        command.arg(path).env("PYTHONPATH", scene.sandbox.path()).args(options);
        if options.first() != Some(&"-m") {
            command.arg(&file);
        }
        let mut agent = Fake::spawn(command);
        let phase = format!("p{n:03}");
        let claimed = agent.ok(&format!("claim {phase}"));
        assert_eq!(scene.claim(&phase)["pid"], agent.pid(), "{claimed}");
        // One that is unknown is whoever its user is.
        let family = if family == "node" { "A-U-Thor" } else { family };
        assert_eq!(claimed["agent"], format!("{family}-{}", agent.pid()));
        agent.ok(&format!("complete {phase}"));
    }
}

/// What a process calls itself is up to it, and the agent may be far above.
#[test]
fn names_and_depths_of_processes() {
    if !inside("wrapped::names_and_depths_of_processes", PIDS) {
        return;
    }
    let scene = Scene::with_phases(8);
    for (n, comm) in
        [r"a) S 1 1 (b", r"x\n1 (y) Z 1", r"\377\376", r") R 0 0 0", r"("].iter().enumerate()
    {
        let looping = looping(&scene.sandbox);
        let odd = format!("printf '{comm}' >/proc/$$/comm\n. '{}'\n", looping.display());
        let file = scene.sandbox.write(format!("odd{n}.sh"), odd);
        let mut command = scene.sandbox.command("repo", "setsid");
        command.arg("bash").arg(file);
        let mut agent = Fake::spawn(command);
        let phase = format!("p{n:03}");
        assert_eq!(
            agent.ok(&format!("claim {phase}"))["agent"],
            format!("A-U-Thor-{}", agent.pid())
        );
        agent.ok(&format!("complete {phase}"));
    }
    let deep = scene.sandbox.write(
        "deep.sh",
        "if [ $1 -gt 0 ]; then sh \"$0\" $(($1 - 1)); else git conductor claim p007 --json; fi\n:\n",
    );
    let mut agent = Fake::new(&scene.sandbox, "claude", &[]);
    let claimed = agent.call(&format!("sh '{}' 200", deep.display()));
    assert_eq!(claimed["agent"], format!("claude-{}", agent.pid()), "{claimed}");
    agent.ok("complete p007");
}

#[test]
fn an_agent_that_another_started() {
    if !inside("wrapped::an_agent_that_another_started", PIDS) {
        return;
    }
    let scene = Scene::with_phases(3);
    let vars = [("CLAUDECODE", "1"), ("CLAUDE_CODE_SESSION_ID", "outer-11112222")];
    let start = format!(
        "'{}' '{}'; true",
        called(&scene.sandbox, "gemini").display(),
        looping(&scene.sandbox).display()
    );
    let claude = called(&scene.sandbox, "claude");
    let mut outer = scene.sandbox.command("repo", claude.to_str().unwrap());
    outer.envs(vars).args(["-c", &start]);
    let mut inner = Fake::spawn(outer);
    // Its own variables give no id, and the outer one's are not its own: so its process does.
    let claimed = inner.ok("claim p000");
    let pid = scene.claim("p000")["pid"].clone();
    assert_eq!(claimed["agent"], format!("gemini-{pid}"));
    assert_ne!(pid, inner.pid());
    assert_eq!(scene.claim("p000")["session"], Value::Null);
    let mut outer = Fake::new(&scene.sandbox, "claude", &vars);
    outer.refused("complete p000", "not_owner");
    inner.ok("complete p000");
}
