//! The store, whatever stands in it, and one command: it ends, and never makes a second owner,
//! never undoes what is done, never touches what is outside, never says that it is at fault itself.
//!
//! The first line is an agent (`ann`, `bob`, `cyd`, `dan`) and what it does; each further one
//! changes the simulated file system, or the world: `f PATH CONTENT` a file, `d PATH` a directory,
//! `l PATH TARGET` a link, `r PATH` nothing there, `dies AGENT`, `late` (two hours go by), `cut`
//! (the power, at this moment). Paths are below the sprints' directory. `$S` is the sprint, `$A` to
//! `$D` are tokens, `$a` to `$d` the agents' processes, and `@A` to `@D` the records of claims of
//! theirs.
//!
//! The file system and the agents are those of the model checker (`tests/model`).
#![no_main]
#![expect(dead_code, reason = "the model checker uses more of it")]

#[path = "../../tests/model/conductor.rs"]
mod conductor;
#[path = "../../tests/model/dir.rs"]
mod dir;
#[path = "../../tests/model/fs.rs"]
mod fs;
#[path = "../../tests/model/plan.rs"]
mod plan;
#[path = "../../tests/model/power.rs"]
mod power;
#[path = "../../tests/model/rng.rs"]
mod rng;
#[path = "../../tests/model/run.rs"]
mod run;
#[path = "../../tests/model/server.rs"]
mod server;
#[path = "../../tests/model/world.rs"]
mod world;

use std::collections::BTreeMap;

use git_conductor::record::{Claim, Token};
use libfuzzer_sys::fuzz_target;

use conductor::{Agent, Do, sprint};
use fs::{ROOT, SimFs};
use world::Quiet;

/// More than any command waits, in simulated nanoseconds.
const LONG: i64 = 30_000_000_000;

/// What stands beside the store, where links may lead.
const OUTSIDE: (&str, &str) = ("outside", "is nobody's business");

fn what(word: &str) -> Do {
    match word {
        "claim" => Do::Claim("build"),
        "takeover" => Do::Takeover("build"),
        "next" => Do::Next,
        "complete" => Do::Complete("build"),
        "handin" => Do::HandIn("build", "{}"),
        "abort" => Do::Abort("build"),
        "unstuck" => Do::Unstuck("build"),
        "force" => Do::Force("build"),
        "start" => Do::Start("build:"),
        "restart" => Do::Restart("build:"),
        "ifnone" => Do::IfNone("build:"),
        "archive" => Do::Archive,
        "clean" => Do::Clean,
        _ => Do::Status,
    }
}

struct Scene {
    quiet: Quiet,
    agents: [Agent; 4],
    sprint: String,
}

impl Scene {
    fn new() -> Self {
        let (mut quiet, agents) = sprint("build:,ship:build");
        let sprint = quiet.fs.peek_list("conductor").next().expect("it was started").to_owned();
        put(&mut quiet.fs, quiet.now, OUTSIDE.0, Some(OUTSIDE.1));
        Self { quiet, agents, sprint }
    }

    /// One line's text with everything that stands for something else replaced.
    fn expand(&self, text: &str) -> String {
        let mut text = text.replace("$S", &self.sprint);
        for (at, agent) in self.agents.iter().enumerate() {
            let (letter, upper) = ((b'a' + at as u8) as char, (b'A' + at as u8) as char);
            let token = letter.to_string().repeat(32);
            let Agent { name, pid } = agent;
            let claim = format!(
                r#"{{"v":1,"agent":"{name}","claimed_at":"2025-11-22T08:00:00Z","pid":{pid},"token":"{token}","explicit":true,"process":{{"pid":{pid},"start":1,"boot":"boot-0"}}}}"#
            );
            text = text.replace(&format!("@{upper}"), &claim);
            text = text.replace(&format!("${upper}"), &token);
            text = text.replace(&format!("${letter}"), &pid.to_string());
        }
        text
    }

    fn apply(&mut self, line: &str) {
        let line = self.expand(line);
        let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let (path, content) = rest.split_once(' ').unwrap_or((rest, ""));
        let path = format!("conductor/{path}");
        let now = self.quiet.now;
        match verb {
            "f" => put(&mut self.quiet.fs, now, &path, Some(content)),
            "d" => put(&mut self.quiet.fs, now, &format!("{path}/x"), None),
            "r" => put(&mut self.quiet.fs, now, &path, None),
            "l" => {
                put(&mut self.quiet.fs, now, &path, None);
                if let Some((dir, name)) = parent(&mut self.quiet.fs, now, &path) {
                    _ = self.quiet.fs.symlink(content, dir, name, now);
                }
            }
            "dies" => {
                let dead = self.agents.iter().find(|agent| agent.name == rest);
                dead.into_iter().for_each(|agent| self.quiet.life.kill(agent.pid));
            }
            "late" => self.quiet.now += 7_200_000_000_000,
            "cut" => self.quiet.life.reboot(now),
            _ => {}
        }
    }

    fn status(&mut self) -> String {
        let before = self.quiet.fs.dump();
        let dan = self.agents[3];
        let status = self.quiet.ask(dan, Do::Status);
        assert_eq!(self.quiet.fs.dump(), before, "looking changes nothing");
        status
    }
}

/// The directory that `path` is in, made if need be, and its last name; `None` if no path of this
/// kind can be.
fn parent<'p>(fs: &mut SimFs, now: i64, path: &'p str) -> Option<(usize, &'p str)> {
    let possible = |name: &&str| {
        let special = matches!(*name, "" | "." | "..");
        !special && name.len() <= 255 && !name.contains('\0')
    };
    let mut names: Vec<&str> = path.split('/').filter(possible).collect();
    let last = names.pop()?;
    let mut dir = ROOT;
    for name in names {
        _ = fs.make_dir(dir, name, now);
        dir = fs.open_dir(dir, name).ok()?;
    }
    Some((dir, last))
}

/// Makes `path` a file, or removes what is there; a directory stays.
fn put(fs: &mut SimFs, now: i64, path: &str, content: Option<&str>) {
    let Some((dir, name)) = parent(fs, now, path) else { return };
    _ = fs.remove_file(dir, name, now);
    _ = fs.remove_dir(dir, name, now);
    if let Some(content) = content
        && let Ok(file) = fs.create(dir, name, now)
    {
        fs.write(file, 0, content.as_bytes(), now);
    }
}

/// What is recorded of phases, by the path below the sprints that are current or archived.
#[derive(Default)]
struct Recorded {
    done: BTreeMap<String, Vec<u8>>,
    /// The state files of each lock.
    states: BTreeMap<String, Vec<String>>,
    archived: Vec<String>,
}

fn recorded(fs: &SimFs) -> Recorded {
    let mut seen = Recorded::default();
    for above in ["conductor/archive", "conductor"] {
        for sprint in fs.peek_list(above) {
            for phase in fs.peek_list(&format!("{above}/{sprint}")) {
                let path = format!("{above}/{sprint}/{phase}");
                let key = format!("{sprint}/{phase}");
                if let Some(done) = fs.peek_read(&format!("{path}/done")) {
                    seen.done.insert(key.clone(), done.to_vec());
                }
                let lock = format!("{path}/lock");
                let states = fs.peek_list(&lock).filter(|name| is_state(name));
                seen.states.insert(key, states.map(str::to_owned).collect());
            }
            if above.ends_with("archive") {
                seen.archived.push(sprint.to_owned());
            }
        }
    }
    seen
}

fn is_state(name: &str) -> bool {
    let rest = ["owner.", "completing.", "free."].iter().find_map(|kind| name.strip_prefix(kind));
    rest.is_some_and(|rest| Token::parse(rest).is_some())
}

/// Whether `build` is held under a name of its own, by another than `agent` who lives.
fn held_by_another(scene: &Scene, agent: Agent) -> bool {
    let lock = format!("conductor/{}/build/lock", scene.sprint);
    let states: Vec<&str> = scene.quiet.fs.peek_list(&lock).filter(|name| is_state(name)).collect();
    let [state] = states[..] else { return false };
    let Some(token) = state.strip_prefix("owner.") else { return false };
    let record = scene.quiet.fs.peek_read(&format!("{lock}/meta.{token}.json"));
    let claim = record.and_then(|record| serde_json::from_slice::<Claim>(record).ok());
    claim.is_some_and(|claim| {
        let process = claim.process.as_ref();
        claim.agent != agent.name && process.is_some_and(|p| scene.quiet.life.lives(p.pid))
    })
}

fn is_current(scene: &Scene) -> bool {
    let conductor = scene.quiet.fs.peek_list("conductor");
    let sprints = conductor.filter(|name| name.len() == scene.sprint.len()).count();
    let record = format!("conductor/{}/sprint.json", scene.sprint);
    sprints == 1 && scene.quiet.fs.peek_read(&record).is_some()
}

fn check(scene: &mut Scene, agent: Agent, what: Do) {
    let ends =
        matches!(what, Do::Start(_) | Do::Restart(_) | Do::IfNone(_) | Do::Archive | Do::Clean);
    let claims = matches!(what, Do::Claim(_) | Do::Next);
    let (status, before) = (scene.status(), recorded(&scene.quiet.fs));
    let held = is_current(scene) && held_by_another(scene, agent);
    let (start, entries) = (scene.quiet.now, scene.quiet.fs.dump().len());
    let answer = scene.quiet.ask(agent, what);
    assert!(!answer.starts_with("!bug"), "{answer}");
    let waited = scene.quiet.now - start;
    assert!(waited < LONG, "{answer} after {}s", waited / 1_000_000_000);
    let after = recorded(&scene.quiet.fs);
    for (phase, done) in &before.done {
        let removed = what == Do::Clean && before.archived.iter().any(|id| phase.starts_with(id));
        assert!(
            removed || after.done.get(phase) == Some(done),
            "{what:?} undid '{phase}': {answer}"
        );
    }
    for (phase, states) in &after.states {
        let most = before.states.get(phase).map_or(0, Vec::len).max(1);
        assert!(states.len() <= most, "{what:?}: {states:?} own '{phase}': {answer}");
    }
    assert_eq!(scene.quiet.fs.peek_read(OUTSIDE.0), Some(OUTSIDE.1.as_bytes()));
    assert!(scene.quiet.fs.dump().len() < entries + 40, "it leaves more than it needs");
    let then = scene.status();
    let done = status.split(' ').filter(|word| word.contains("=done:"));
    if !ends {
        let mut lost = done.filter(|word| !then.contains(word));
        assert_eq!(lost.next(), None, "{what:?} {answer}: {status} | {then}");
    }
    let granted = answer == "OK" || answer == "OK build";
    if claims && granted {
        assert!(then.contains(&format!("build=claimed:{}", agent.name)), "{then}");
        assert!(!held, "taken from one who lives");
        assert!(!status.contains("build=done:"), "claimed what was done");
    }
}

thread_local! {
    static START: Scene = Scene::new();
}

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let (name, word) = lines.next().and_then(|line| line.split_once(' ')).unwrap_or_default();
    let mut scene = START.with(|start| Scene {
        quiet: start.quiet.clone(),
        agents: start.agents,
        sprint: start.sprint.clone(),
    });
    lines.take(40).for_each(|line| scene.apply(line));
    let [ann, ..] = scene.agents;
    let agent = scene.agents.into_iter().find(|agent| agent.name == name).unwrap_or(ann);
    check(&mut scene, agent, what(word));
});
