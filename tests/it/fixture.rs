//! A repository with agents that live and die, and what is needed to make any situation in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use crate::fake::answer;
use crate::process_driver::{independent, with_options};
use crate::sandbox::Sandbox;
use crate::tree::Tree;

/// A repository `repo` with one commit, and agents.
pub(crate) struct Scene {
    pub(crate) sandbox: Sandbox,
    agents: BTreeMap<String, Child>,
}

impl Drop for Scene {
    fn drop(&mut self) {
        for agent in self.agents.values_mut() {
            agent.kill().ok();
            agent.wait().ok();
        }
    }
}

impl Scene {
    pub(crate) fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.repository("repo");
        Self { sandbox, agents: BTreeMap::new() }
    }

    /// One in memory, with a copy of a repository that git has made once: for what is made hundreds
    /// of times.
    pub(crate) fn in_memory() -> Self {
        static REPOSITORY: OnceLock<Tree> = OnceLock::new();
        let repository = REPOSITORY.get_or_init(|| {
            let sandbox = Sandbox::in_memory();
            Tree::read(&sandbox.repository("repo"), "repo")
        });
        let sandbox = Sandbox::in_memory();
        repository.write(&sandbox.join("repo"), "repo");
        Self { sandbox, agents: BTreeMap::new() }
    }

    /// The process of the agent `name`, which begins to live when it is first asked for.
    pub(crate) fn pid(&mut self, name: &str) -> u32 {
        let sandbox = &self.sandbox;
        let begin = || sandbox.command(".", "sleep").arg("3600").spawn().unwrap();
        self.agents.entry(name.to_owned()).or_insert_with(begin).id()
    }

    /// Ends the agent's process.
    pub(crate) fn dies(&mut self, name: &str) {
        let mut agent = self.agents.remove(name).unwrap();
        agent.kill().unwrap();
        agent.wait().unwrap();
    }

    /// `git conductor ARGS` as the agent `name`, in `dir`.
    pub(crate) fn command(&mut self, name: &str, dir: &str, args: &[&str]) -> Command {
        let pid = self.pid(name).to_string();
        let mut command = self.sandbox.command(dir, "git");
        let options = ["--agent", name, "--pid", &pid];
        command.arg("conductor").args(with_options(args, &options));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it in `dir`, whatever comes of it.
    pub(crate) fn asks(&mut self, name: &str, dir: &str, args: &[&str]) -> Output {
        self.command(name, dir, args).output().unwrap()
    }

    /// Runs it in the repository, with JSON: what it answers.
    #[track_caller]
    pub(crate) fn said(&mut self, name: &str, args: &[&str]) -> Value {
        answer(self.command(name, "repo", args).arg("--json"))
    }

    /// Runs it in the repository, which must succeed.
    pub(crate) fn does(&mut self, name: &str, args: &[&str]) {
        self.does_in("repo", name, args);
    }

    /// Runs it in `dir`, which must succeed.
    pub(crate) fn does_in(&mut self, dir: &str, name: &str, args: &[&str]) {
        let output = self.asks(name, dir, args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{name}: {args:?}: {said}");
    }

    /// Begins a sprint with these phases.
    pub(crate) fn sprint(&mut self, phases: &str) {
        self.does("lead", &["start", "--phases", phases]);
    }

    /// `name` claims and completes `phase`.
    pub(crate) fn works(&mut self, name: &str, phase: &str) {
        self.does(name, &["claim", phase]);
        self.does(name, &["complete", phase]);
    }

    /// One with `phases` that wait for nothing, in which the user is called `alice`.
    pub(crate) fn with_phases(phases: usize) -> Self {
        let mut scene = Self::new();
        scene.sandbox.set("USER", "alice");
        scene.sprint(&independent(phases));
        scene
    }

    /// A linked worktree beside the repository.
    pub(crate) fn worktree(&self, name: &str) {
        let path = format!("../{name}");
        self.sandbox.git("repo", ["worktree", "add", "-q", "-b", name, &path]);
    }

    /// The store.
    pub(crate) fn store(&self) -> PathBuf {
        self.sandbox.join("repo/.nanostack")
    }

    /// The directory of the current sprint.
    pub(crate) fn sprint_dir(&self) -> PathBuf {
        let entries = std::fs::read_dir(self.store().join("conductor")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.join("sprint.json").exists()).max().unwrap()
    }

    /// `phase`, which is done, was worked on between so many minutes ago.
    pub(crate) fn worked(&self, phase: &str, [from, to]: [i64; 2]) {
        self.edit_done(phase, |done| {
            done["claimed_at"] = json!(ago(60 * from));
            done["completed_at"] = json!(ago(60 * to));
        });
    }

    /// Changes the record of the completion of `phase`, which nobody may write.
    pub(crate) fn edit_done(&self, phase: &str, change: impl Fn(&mut Value)) {
        let path = self.sprint_dir().join(phase).join("done");
        let mut done = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        change(&mut done);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(path, done.to_string()).unwrap();
    }

    /// All attempts at `phase` that ended were made between so many minutes ago.
    pub(crate) fn tried(&self, phase: &str, [from, to]: [i64; 2]) {
        for entry in std::fs::read_dir(self.sprint_dir().join(phase).join("past")).unwrap() {
            edit(&entry.unwrap().path(), |attempt| {
                attempt["claimed_at"] = json!(ago(60 * from));
                attempt["ended_at"] = json!(ago(60 * to));
            });
        }
    }

    /// Puts a sprint into the archive that was started at `stamp` and cannot be read.
    pub(crate) fn damaged(&self, stamp: &str) {
        let current = self.sprint_dir();
        let (hash, _) = current.file_name().unwrap().to_str().unwrap().split_once('-').unwrap();
        let name = format!("repo/.nanostack/conductor/archive/{hash}-{stamp}/sprint.json");
        self.sandbox.write(name, "{");
    }

    /// Lets the one archived sprint be of `stamp`.
    pub(crate) fn as_of(&self, stamp: &str) {
        let archive = self.store().join("conductor/archive");
        let path = std::fs::read_dir(&archive).unwrap().next().unwrap().unwrap().path();
        let (hash, _) = path.file_name().unwrap().to_str().unwrap().split_once('-').unwrap();
        let id = format!("{hash}-{stamp}");
        edit(&path.join("sprint.json"), |sprint| sprint["sprint_id"] = json!(id));
        std::fs::rename(&path, archive.join(id)).unwrap();
    }

    /// Lets the archived sprint of `stamp` be the current one, as no command does.
    pub(crate) fn revived(&self, stamp: &str) {
        let conductor = self.store().join("conductor");
        let entries = std::fs::read_dir(conductor.join("archive")).unwrap();
        let mut paths = entries.map(|entry| entry.unwrap().path());
        let path = paths.find(|path| path.to_str().unwrap().ends_with(stamp)).unwrap();
        edit(&path.join("sprint.json"), |sprint| sprint["status"] = json!("active"));
        std::fs::rename(&path, conductor.join(path.file_name().unwrap())).unwrap();
    }

    /// Changes the record of the sprint.
    pub(crate) fn edit_sprint(&self, change: impl Fn(&mut Value)) {
        edit(&self.sprint_dir().join("sprint.json"), change);
    }

    /// Changes the record of the claim on `phase`.
    pub(crate) fn edit_claim(&self, phase: &str, change: impl Fn(&mut Value)) {
        for entry in std::fs::read_dir(self.sprint_dir().join(phase).join("lock")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "json") {
                edit(&path, &change);
            }
        }
    }

    /// The record of the claim on `phase`.
    pub(crate) fn claim(&self, phase: &str) -> Value {
        let path = self.sprint_dir().join(phase).join("lock/meta.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    /// Moves the claim on `phase` into the past.
    pub(crate) fn claimed_ago(&self, phase: &str, seconds: i64) {
        self.edit_claim(phase, |claim| claim["claimed_at"] = json!(ago(seconds)));
        self.silent_for(phase, seconds);
    }

    /// The owner of `phase` was last heard so long ago.
    pub(crate) fn silent_for(&self, phase: &str, seconds: i64) {
        let then = SystemTime::now() - Duration::from_secs(seconds.try_into().unwrap());
        let copy = self.sprint_dir().join(phase).join("lock/meta.json");
        let file = std::fs::File::options().write(true).open(copy).unwrap();
        file.set_modified(then).unwrap();
    }

    /// Lets the process of the claim on `phase` be one of another machine.
    pub(crate) fn out_of_sight(&self, phase: &str) {
        self.edit_claim(phase, |claim| {
            claim["process"]["machine"] = json!("another");
            claim["process"]["node"] = json!("another");
        });
    }

    /// The board, as an agent of no part in it sees it.
    pub(crate) fn board(&mut self) -> Value {
        let output = self.asks("onlooker", "repo", &["status", "--json"]);
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    /// `text` without what differs from run to run.
    pub(crate) fn stable(&self, text: &str) -> String {
        text.replace(&self.sandbox.path().display().to_string(), "/sandbox")
    }
}

/// Says that a test could not be made here, and why.
#[expect(clippy::print_stderr, reason = "who runs the tests is to know")]
pub(crate) fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

/// Says that a test could not be made here for want of a program; where everything is checked, none
/// may be wanting.
pub(crate) fn wanting(program: &str) {
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{program} must be installed here");
    skipped(&format!("no {program} here"));
}

/// `text` with every age and duration in it as `0s`, in whatever units it is told: on a machine
/// that is busy or was stopped it may be any. What a terminal takes for a colour stays.
pub(crate) fn ageless(text: &str) -> String {
    let age = r"(^|[^\[;}0-9A-Za-z])([0-9]+[sm]|[0-9]+h[0-9]{2}m|[0-9]+d[0-9]{2}h)\b";
    regex::Regex::new(age).unwrap().replace_all(text, "${1}0s").into_owned()
}

/// What `make` makes, in which ages are told as they were set: it is made again if so much time
/// went by meanwhile, since the machine was busy or stopped, that they may be others.
pub(crate) fn promptly<T>(mut make: impl FnMut() -> T) -> T {
    for _ in 0..9 {
        let begun = Instant::now();
        let result = make();
        if begun.elapsed() < Duration::from_secs(15) {
            return result;
        }
    }
    make()
}

/// So many seconds ago, as records write it.
pub(crate) fn ago(seconds: i64) -> String {
    (jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds)).to_string()
}

fn edit(path: &Path, change: impl Fn(&mut Value)) {
    let mut value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    change(&mut value);
    // Its time says when an owner was last heard.
    let modified = path.metadata().unwrap().modified().unwrap();
    std::fs::write(path, value.to_string()).unwrap();
    std::fs::File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
}
