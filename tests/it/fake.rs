//! Processes that are called and behave as agents do, and are none.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::sandbox::Sandbox;

/// A shell under another name, as the process table has it. A link, and no copy: a program that was
/// just written cannot be run while another thread's child still has it open.
pub(crate) fn called(sandbox: &Sandbox, name: &str) -> PathBuf {
    let path = sandbox.join("bin").join(name);
    if !path.exists() {
        std::fs::create_dir_all(sandbox.join("bin")).unwrap();
        std::os::unix::fs::symlink("/bin/bash", &path).unwrap();
    }
    path
}

/// The script of [`Fake`]; written once, since a shell reads on in what it runs.
pub(crate) fn looping(sandbox: &Sandbox) -> PathBuf {
    let path = sandbox.join("loop.sh");
    if path.exists() { path } else { sandbox.write("loop.sh", LOOP) }
}

/// A process that runs what it is told, each line as an agent's tool call: in a new shell.
pub(crate) struct Fake {
    child: Child,
    calls: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

/// Runs each line of its input in a shell; an odd one in a session of its own.
const LOOP: &str = r#"n=0
while read -r line; do
    n=$((n + 1))
    if [ $((n % 2)) = 1 ]; then sh -c "$line; true"; else setsid -w bash -ec "$line"; fi </dev/null
    echo "end $?"
done
"#;

impl Fake {
    /// One called `name`, in the repository's directory.
    pub(crate) fn new(sandbox: &Sandbox, name: &str, vars: &[(&str, &str)]) -> Self {
        let script = looping(sandbox);
        let mut command = sandbox.command("repo", called(sandbox, name).to_str().unwrap());
        command.arg(script).envs(vars.iter().copied());
        Self::spawn(command)
    }

    pub(crate) fn spawn(command: Command) -> Self {
        Self::start(command, |command| command.spawn().unwrap())
    }

    /// One that `spawn` starts.
    pub(crate) fn start(mut command: Command, spawn: impl Fn(&mut Command) -> Child) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = spawn(&mut command);
        let calls = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, calls, lines }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// One tool call: what it answered.
    pub(crate) fn call(&mut self, line: &str) -> Value {
        writeln!(self.calls, "{line}").unwrap();
        let mut answer = Value::Null;
        for line in self.lines.by_ref() {
            let line = line.unwrap();
            if line.starts_with("end ") {
                break;
            }
            answer = serde_json::from_str(&line).unwrap_or(answer);
        }
        answer
    }

    pub(crate) fn git(&mut self, args: &str) -> Value {
        self.call(&format!("git conductor {args} --json"))
    }

    #[track_caller]
    pub(crate) fn ok(&mut self, args: &str) -> Value {
        let answer = self.git(args);
        assert_eq!(answer["ok"], true, "{args}: {answer}");
        answer
    }

    #[track_caller]
    pub(crate) fn refused(&mut self, args: &str, code: &str) -> Value {
        let answer = self.git(args);
        assert_eq!(answer["code"], code, "{args}: {answer}");
        answer
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The JSON answers in what a terminal or a pipe shows.
pub(crate) fn answers(shown: &[u8]) -> Vec<Value> {
    let shown = String::from_utf8_lossy(shown);
    let from = |line: &str| line.find("{\"v\"").map(|at| line[at..].trim().to_owned());
    shown.lines().filter_map(from).map(|line| serde_json::from_str(&line).unwrap()).collect()
}

/// The last JSON answer that `command` prints; it must print one.
#[track_caller]
pub(crate) fn answer(command: &mut Command) -> Value {
    let output = command.output().unwrap();
    let last = answers(&output.stdout).pop();
    assert!(last.is_some(), "{command:?}: {output:?}");
    last.unwrap()
}
