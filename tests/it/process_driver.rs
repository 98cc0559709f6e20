//! Agents that are real processes, and `git conductor` run by them as a real process.

use std::fmt::Write as _;
use std::fs::{File, FileTimes};
use std::io::PipeWriter;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::sandbox::Sandbox;

/// The program under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_git-conductor");

/// An agent with a name of its own: a process that lives until it is killed, or until these tests
/// are gone.
pub(crate) struct Agent {
    name: String,
    life: Child,
}

/// A process that waits for the end of its input, and so never outlives these tests.
fn live() -> Child {
    Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
}

impl Agent {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), life: live() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn pid(&self) -> u32 {
        self.life.id()
    }

    /// `kill -9` of its process.
    pub(crate) fn kill(&mut self) {
        self.life.kill().unwrap();
        self.life.wait().unwrap();
    }

    /// A new process under the same name.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.life = live();
    }

    /// The options that say who it is.
    pub(crate) fn options(&self) -> [String; 4] {
        ["--agent".into(), self.name.clone(), "--pid".into(), self.pid().to_string()]
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.life.kill().ok();
        self.life.wait().ok();
    }
}

/// `args` with options of this program after them, but before the `--` of a command that is run.
pub(crate) fn with_options<'a>(args: &[&'a str], options: &[&'a str]) -> Vec<&'a str> {
    let end = args.iter().position(|arg| *arg == "--").unwrap_or(args.len());
    [&args[..end], options, &args[end..]].concat()
}

/// What a command came to.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// The exit code; `None` if it was killed.
    pub(crate) exit: Option<i32>,
    /// What it printed, if that is JSON.
    pub(crate) json: Value,
    pub(crate) err: String,
}

impl Answer {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            exit: output.status.code(),
            json: serde_json::from_slice(&output.stdout).unwrap_or_default(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The `code` of a refusal or failure; empty if there is none.
    pub(crate) fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    /// Exit code and `code`.
    pub(crate) fn said(&self) -> (Option<i32>, &str) {
        (self.exit, self.code())
    }

    /// It must have succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.exit, Some(0), "{self:?}");
        self
    }

    /// It must have been refused so.
    #[track_caller]
    pub(crate) fn refused(self, code: &str) -> Self {
        assert_eq!(self.said(), (Some(1), code), "{self:?}");
        self
    }

    /// It must have answered that there is nothing now, and whether waiting helps, as one truth: by
    /// exit code, `retry` and `waiting_helps`.
    #[track_caller]
    pub(crate) fn nothing(self, code: &str, waiting_helps: bool) -> Self {
        let exit = if waiting_helps { 6 } else { 1 };
        assert_eq!(self.said(), (Some(exit), code), "{self:?}");
        assert_eq!(self.json["waiting_helps"], waiting_helps, "{self:?}");
        if waiting_helps {
            assert_eq!(self.json["retry"], "after_change", "{self:?}");
        }
        self
    }

    /// It must have answered that every phase is done.
    #[track_caller]
    pub(crate) fn finished(self) -> Self {
        assert_eq!(self.said(), (Some(5), "finished"), "{self:?}");
        self
    }

    /// The state of `phase` on the board.
    pub(crate) fn state(&self, phase: &str) -> &str {
        self.json["phases"][phase]["state"].as_str().unwrap_or_default()
    }
}

impl Sandbox {
    /// The program under test by its path, as `agent`, with JSON.
    pub(crate) fn binary(&self, dir: impl AsRef<Path>, agent: &Agent, args: &[&str]) -> Command {
        let mut command = self.command(dir, BINARY);
        let own = agent.options();
        let own = own.iter().map(String::as_str);
        let options: Vec<&str> = std::iter::once("--json").chain(own).collect();
        command.args(with_options(args, &options));
        command
    }

    /// Runs the program as `agent`.
    pub(crate) fn run(&self, dir: impl AsRef<Path>, agent: &Agent, args: &[&str]) -> Answer {
        Answer::of(&self.binary(dir, agent, args).output().unwrap())
    }

    /// The board, which must be readable.
    #[track_caller]
    pub(crate) fn board(&self, dir: impl AsRef<Path>) -> Answer {
        let output =
            self.command(dir, BINARY).args(["status", "--json", "--agent", "reader"]).output();
        Answer::of(&output.unwrap()).ok()
    }

    /// The directory of the current sprint, where there is just one.
    pub(crate) fn sprint(&self, store: impl AsRef<Path>) -> PathBuf {
        let conductor = self.join(store).join("conductor");
        let mut sprints: Vec<PathBuf> = std::fs::read_dir(conductor)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.join("sprint.json").is_file())
            // One that a killed start was making has no name yet.
            .filter(|path| path.file_name().is_some_and(|name| name.as_encoded_bytes()[0] != b'.'))
            .collect();
        assert_eq!(sprints.len(), 1, "{sprints:?}");
        sprints.remove(0)
    }
}

/// A directory where the mutex's file should be can be locked by nobody: from now on every command
/// goes on without, as on a file system that has no locks, and only the steps themselves keep
/// contenders apart.
pub(crate) fn without_mutex(sandbox: &Sandbox) {
    let guard = sandbox.join("repo/.nanostack/conductor/.guard");
    if guard.is_file() {
        std::fs::remove_file(&guard).unwrap();
    }
    std::fs::create_dir_all(guard).unwrap();
}

/// Phases `p000`, `p001`, … that wait for nothing.
pub(crate) fn independent(count: usize) -> String {
    (0..count).map(|n| format!("p{n:03}:")).collect::<Vec<_>>().join(",")
}

/// Commands that wait for one signal, and then start at once.
pub(crate) struct Barrier {
    writer: PipeWriter,
    children: Vec<Child>,
}

impl Barrier {
    pub(crate) fn new(commands: impl IntoIterator<Item = Command>) -> Self {
        let (reader, writer) = std::io::pipe().unwrap();
        let children = commands
            .into_iter()
            .map(|command| {
                let mut shell = Command::new("/bin/sh");
                shell.args(["-c", "read -r _; exec \"$@\" </dev/null", "sh"]);
                shell.arg(command.get_program()).args(command.get_args()).env_clear();
                let vars = command.get_envs();
                shell.envs(vars.filter_map(|(name, value)| Some((name, value?))));
                shell.current_dir(command.get_current_dir().unwrap());
                shell.stdin(reader.try_clone().unwrap());
                shell.stdout(Stdio::piped()).stderr(Stdio::piped());
                shell.spawn().unwrap()
            })
            .collect();
        Self { writer, children }
    }

    /// Lets them go, and waits for them.
    pub(crate) fn release(self) -> Vec<Answer> {
        drop(self.writer);
        let wait = |child: Child| Answer::of(&child.wait_with_output().unwrap());
        self.children.into_iter().map(wait).collect()
    }
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(content: impl AsRef<[u8]>) -> String {
    let digest = Sha256::digest(content);
    digest.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        _ = write!(text, "{byte:02x}");
        text
    })
}

/// Makes a file or directory look `seconds` older than now.
pub(crate) fn backdate(path: impl AsRef<Path>, seconds: u64) {
    let then = SystemTime::now() - Duration::from_secs(seconds);
    File::open(path).unwrap().set_times(FileTimes::new().set_modified(then)).unwrap();
}

/// Numbers from a seed, the same for the same seed everywhere (xorshift64*).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).unwrap() % limit
    }

    pub(crate) fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}
