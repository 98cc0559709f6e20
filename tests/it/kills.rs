//! `kill -9` before each system call by which a command changes anything: what it leaves is
//! readable, the same agent goes on with it, and so does another once that agent is dead.
//!
//! Between two such calls nothing changes on disk, so a kill there leaves what a kill before the
//! second one leaves. Which calls there are is traced first, so a new one is never forgotten.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::process_driver::{Agent, Answer, BINARY, backdate, independent, sha256};
use crate::sandbox::Sandbox;

/// System calls that change what others see, and the one that ends a command.
const CHANGING: &str = "mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir,link,linkat,\
    symlink,symlinkat,open,openat,openat2,creat,write,pwrite64,writev,ftruncate,fsync,fdatasync,\
    syncfs,fchmod,fchmodat,utimensat,flock,exit_group";

/// Whether strace can be used here; where it must be, it is a fault that it cannot.
#[expect(clippy::print_stderr, reason = "whoever runs the tests must learn of it")]
pub(crate) fn can_trace() -> bool {
    let tried = Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    let works = tried.as_ref().is_ok_and(|output| output.status.success());
    if !works {
        eprintln!("no strace that works, so no command is killed between its steps: {tried:?}");
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must have strace");
    }
    works
}

/// A kill before the `nth` call of `name`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Point {
    name: String,
    nth: usize,
}

struct Bench {
    sandbox: Sandbox,
    /// Phases that were used.
    used: usize,
}

/// So many phases are in a sprint: every command reads all of them, so more would take longer.
const PHASES: usize = 24;

const CONTENT: &str = r#"{"what": "was done"}"#;

impl Bench {
    fn new() -> Self {
        let sandbox = Sandbox::in_memory();
        sandbox.repository("repo");
        sandbox.git("repo", ["config", "conductor.staleAfter", "0s"]);
        sandbox.write("repo/result.json", CONTENT);
        Self { sandbox, used: 0 }
    }

    /// A phase that can be claimed. Each is used once; the first in the graph are as good as the
    /// last.
    fn phase_of_its_own(&mut self) -> String {
        let name = |n: usize| format!("p{n:03}");
        if self.used.is_multiple_of(PHASES) {
            let names = (self.used..self.used + PHASES).map(|n| name(n) + ":");
            let phases = names.collect::<Vec<_>>().join(",");
            let starter = Agent::new("starter");
            self.run(&starter, &["start", "--force", "--phases", &phases]).ok();
        }
        self.used += 1;
        name(self.used - 1)
    }

    fn run(&self, agent: &Agent, args: &[&str]) -> Answer {
        self.sandbox.run("repo", agent, args)
    }

    /// Runs the command under strace with `options`.
    fn traced(&self, agent: &Agent, args: &[&str], options: &[&str]) -> Answer {
        let mut command = self.sandbox.command("repo", "strace");
        command.args(options).arg(BINARY).args(args).arg("--json").args(agent.options());
        Answer::of(&command.output().unwrap())
    }

    /// The points at which `args` can be killed, in the order in which it comes to them.
    fn points(&self, agent: &Agent, args: &[&str]) -> Vec<Point> {
        let trace = self.sandbox.join("trace");
        let calls = format!("trace={}", CHANGING.replace(' ', ""));
        let known = calls.replace("trace=", "trace=?").replace(',', ",?");
        let options = ["-o", trace.to_str().unwrap(), "-e", &known, "-e", "signal=none"];
        self.traced(agent, args, &options).ok();
        let mut counts = std::collections::HashMap::new();
        let mut points = Vec::new();
        for line in fs::read_to_string(trace).unwrap().lines() {
            let Some((name, rest)) = line.split_once('(') else { continue };
            let nth: &mut usize = counts.entry(name.to_owned()).or_default();
            *nth += 1;
            let reads_only = name.starts_with("open") && !rest.contains("O_CREAT");
            if !reads_only {
                points.push(Point { name: name.to_owned(), nth: *nth });
            }
        }
        assert!(points.len() > 5, "{points:?}");
        points
    }

    /// Runs `args` and kills it at `point`; whether it was killed.
    fn killed(&self, agent: &Agent, args: &[&str], point: &Point) -> bool {
        let inject = format!("inject={}:signal=KILL:when={}", point.name, point.nth);
        let answer = self.traced(agent, args, &["-o", "/dev/null", "-e", &inject]);
        assert!(matches!(answer.exit, None | Some(0 | 137)), "{point:?}: {answer:?}");
        answer.exit != Some(0)
    }

    /// A latch that does not say who made it, or not yet, is waited for during a minute: that
    /// minute is over now.
    fn a_minute_later(&self, phase: &str) {
        let latch = self.phase(phase).join("lock.d");
        let Ok(entries) = fs::read_dir(&latch) else { return };
        let markers: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        for empty in markers.iter().filter(|marker| fs::metadata(marker).unwrap().len() == 0) {
            backdate(empty, 61);
        }
        if markers.is_empty() {
            backdate(latch, 61);
        }
    }

    fn phase(&self, phase: &str) -> PathBuf {
        self.sandbox.sprint("repo/.nanostack").join(phase)
    }

    /// How many attempts at the phase have failed.
    fn attempts(&self, phase: &str) -> u64 {
        self.sandbox.board("repo").json["phases"][phase]["attempts"].as_u64().unwrap()
    }

    fn state(&self, phase: &str) -> String {
        self.sandbox.board("repo").state(phase).to_owned()
    }

    /// The completion stands with its evidence, and is `agent`'s.
    fn check_done(&self, phase: &str, agent: &str, evidence: bool, what: &str) {
        let board = self.sandbox.board("repo");
        assert_eq!(board.state(phase), "done", "{what}");
        assert_eq!(board.json["phases"][phase]["agent"], agent, "{what}");
        let done = self.phase(phase).join("done");
        assert!(done.is_file(), "{what}: it is committed and nobody has published it");
        // An empty directory holds nobody's claim.
        let left = fs::read_dir(self.phase(phase).join("lock")).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{what}: a lock is left");
        if evidence {
            let hash = sha256(CONTENT);
            let record: serde_json::Value =
                serde_json::from_slice(&fs::read(done).unwrap()).unwrap();
            assert_eq!(record["artifact_sha256"], hash, "{what}");
            for name in [format!("pin.{hash}"), "artifact.json".to_owned()] {
                let kept = fs::read_to_string(self.phase(phase).join(name));
                assert_eq!(kept.unwrap(), CONTENT, "{what}");
            }
        }
    }
}

/// Kills `verb` at each of its points twice: once the same agent goes on, once another does.
fn kill_everywhere(verb: &str, more: &[&str], after: impl Fn(&Bench, &Agent, &str, &str, bool)) {
    if !can_trace() {
        return;
    }
    let mut bench = Bench::new();
    let args = |phase: &str| -> Vec<String> {
        [verb, phase].iter().chain(more).map(|word| (*word).to_owned()).collect()
    };
    let prepare = |bench: &Bench, agent: &Agent, phase: &str| {
        if verb != "claim" {
            bench.run(agent, &["claim", phase]).ok();
        }
    };
    let me = Agent::new("me");
    let phase = bench.phase_of_its_own();
    prepare(&bench, &me, &phase);
    let words = args(&phase);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let points = bench.points(&me, &words);
    let mut unharmed = 0;
    for same in [true, false] {
        for point in &points {
            let mut me = Agent::new("me");
            let phase = bench.phase_of_its_own();
            let what = format!(
                "{verb} killed before {} {}, then {}",
                point.name,
                point.nth,
                if same { "the same agent" } else { "another" }
            );
            prepare(&bench, &me, &phase);
            let words = args(&phase);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            if !bench.killed(&me, &words, point) {
                unharmed += 1;
            }
            // Whatever there is now can be read, by everyone, and is one of the three states.
            let state = bench.state(&phase);
            assert!(["pending", "claimed", "done"].contains(&state.as_str()), "{what}: {state}");
            if verb == "abort" {
                // Over and on record, or neither.
                let over = u64::from(state == "pending");
                assert_eq!(bench.attempts(&phase), over, "{what}: {state}");
            }
            bench.a_minute_later(&phase);
            if same {
                after(&bench, &me, &phase, &what, true);
            } else {
                me.kill();
                let other = Agent::new("other");
                after(&bench, &other, &phase, &what, false);
            }
            fs::remove_file(bench.sandbox.join("trace")).ok();
        }
    }
    assert!(unharmed * 4 < points.len(), "{verb}: the points are not where they were traced");
}

#[test]
fn a_claim() {
    kill_everywhere("claim", &[], |bench, agent, phase, what, _| {
        let claimed = bench.run(agent, &["claim", phase]);
        assert_eq!(claimed.said(), (Some(0), ""), "{what}: {claimed:?}");
        bench.run(&Agent::new("third"), &["claim", phase]).refused("claimed");
        bench.run(agent, &["complete", phase]).ok();
        bench.check_done(phase, agent.name(), false, what);
    });
}

#[test]
fn a_completion() {
    let artifact = ["--artifact", "result.json"];
    kill_everywhere("complete", &artifact, |bench, agent, phase, what, same| {
        if same {
            let args = ["complete", phase, artifact[0], artifact[1]];
            let completed = bench.run(agent, &args);
            assert_eq!(completed.said(), (Some(0), ""), "{what}: {completed:?}");
            bench.check_done(phase, "me", true, what);
            assert_eq!(bench.run(agent, &args).ok().json["again"], true, "{what}");
        } else if bench.state(phase) == "done" {
            // It was committed: it stays the first agent's, and whoever comes finishes it.
            let refused = bench.run(agent, &["claim", phase]);
            assert_eq!(refused.said(), (Some(1), "done"), "{what}: {refused:?}");
            assert_eq!(refused.json["agent"], "me", "{what}");
            bench.check_done(phase, "me", true, what);
        } else {
            let claimed = bench.run(agent, &["claim", phase]);
            assert_eq!(claimed.said(), (Some(0), ""), "{what}: {claimed:?}");
            assert_eq!(claimed.json["taken_over_from"], "me", "{what}");
            bench.run(agent, &["complete", phase, artifact[0], artifact[1]]).ok();
            bench.check_done(phase, "other", true, what);
        }
    });
}

#[test]
fn giving_up() {
    kill_everywhere("abort", &[], |bench, agent, phase, what, same| {
        if same {
            let again = bench.run(agent, &["abort", phase]);
            let fair = matches!(again.said(), (Some(0), "") | (Some(1), "not_claimed"));
            assert!(fair, "{what}: {again:?}");
            assert_eq!(bench.state(phase), "pending", "{what}");
        }
        let other = Agent::new("third");
        let claimed = bench.run(&other, &["claim", phase]);
        assert_eq!(claimed.said(), (Some(0), ""), "{what}: {claimed:?}");
        bench.run(&other, &["complete", phase]).ok();
        bench.check_done(phase, "third", false, what);
    });
}

#[test]
fn a_reclaim() {
    if !can_trace() {
        return;
    }
    let mut bench = Bench::new();
    let stale = |bench: &mut Bench| {
        let phase = bench.phase_of_its_own();
        let mut dead = Agent::new("dead");
        bench.run(&dead, &["claim", &phase]).ok();
        dead.kill();
        phase
    };
    let phase = stale(&mut bench);
    let points = bench.points(&Agent::new("me"), &["claim", &phase]);
    for same in [true, false] {
        for point in &points {
            let mut me = Agent::new("me");
            let phase = stale(&mut bench);
            let what = format!("reclaim killed before {point:?}, same agent: {same}");
            bench.killed(&me, &["claim", &phase], point);
            assert_eq!(bench.state(&phase), "claimed", "{what}");
            let board = bench.sandbox.board("repo");
            let over = u64::from(board.json["phases"][&phase]["agent"] == "me");
            assert_eq!(bench.attempts(&phase), over, "{what}");
            let other = Agent::new("other");
            if !same {
                me.kill();
            }
            let agent = if same { &me } else { &other };
            let claimed = bench.run(agent, &["claim", &phase]);
            assert_eq!(claimed.said(), (Some(0), ""), "{what}: {claimed:?}");
            bench.run(&Agent::new("third"), &["claim", &phase]).refused("claimed");
            bench.run(agent, &["complete", &phase]).ok();
            bench.check_done(&phase, agent.name(), false, &what);
        }
    }
}

/// What a dead owner had not committed is saved or told of, wherever the command is killed that
/// takes its phase over or frees it: by the next command of the same agent, or of another.
#[test]
fn a_save() {
    if !can_trace() {
        return;
    }
    for (verb, more) in [("claim", &["--takeover"][..]), ("unstuck", &[])] {
        let mut bench = Bench::new();
        bench.sandbox.git("repo", ["worktree", "add", "-q", "-b", "work", "../wt"]);
        bench.sandbox.write("wt/work", "uncommitted\n");
        let left = |bench: &mut Bench| {
            let phase = bench.phase_of_its_own();
            let mut dead = Agent::new("dead");
            bench.sandbox.run("wt", &dead, &["claim", &phase]).ok();
            dead.kill();
            phase
        };
        let phase = left(&mut bench);
        let points = bench.points(&Agent::new("me"), &[&[verb, &*phase], more].concat());
        let mut made_up = 0;
        for (n, point) in points.iter().enumerate() {
            let me = Agent::new("me");
            let phase = left(&mut bench);
            let what = format!("{verb} killed before {point:?}");
            bench.killed(&me, &[&[verb, &*phase], more].concat(), point);
            bench.a_minute_later(&phase);
            // Each point once: what the same agent does next, and another, is the same step.
            let other = Agent::new("other");
            let taken = bench.state(&phase) == "claimed"
                && bench.sandbox.board("repo").json["phases"][&phase]["agent"] == "me";
            let agent = if taken || n % 2 == 0 { &me } else { &other };
            let next = bench.run(agent, &["claim", &phase, "--takeover"]).ok();
            let kept = format!("refs/conductor/salvage/*/{phase}/*");
            let refs =
                bench.sandbox.git_says("repo", ["for-each-ref", "--format=%(refname)", &kept]);
            assert_eq!(refs.lines().count(), 1, "{what}: {next:?}");
            let file = format!("{refs}:work");
            assert_eq!(bench.sandbox.git_says("repo", ["show", &file]), "uncommitted", "{what}");
            made_up += next.json["made_up"].as_array().unwrap().len();
            let past = fs::read_dir(bench.phase(&phase).join("past")).into_iter().flatten();
            let marks = past.map(|entry| entry.unwrap().file_name());
            let marks: Vec<_> =
                marks.filter(|name| name.to_str().unwrap().starts_with("due.")).collect();
            assert!(marks.is_empty(), "{what}: {marks:?}");
            bench.run(agent, &["complete", &phase]).ok();
        }
        assert!(made_up > 3, "{verb}: the points are where it matters: {made_up}");
        let ours = fs::read_dir(bench.sandbox.join("repo/.git/conductor")).unwrap();
        let ours: Vec<_> = ours.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(ours, ["store"], "{verb}: nothing of a killed command stays behind");
    }
}

/// A `start` that is killed leaves the old sprint or the new one, never none.
#[test]
fn a_start() {
    if !can_trace() {
        return;
    }
    let bench = Bench::new();
    let me = Agent::new("me");
    bench.run(&me, &["start", "--phases", &independent(256)]).ok();
    let args = ["start", "--phases", "a:,b:a"];
    let points = bench.points(&me, &args);
    for point in &points {
        let before = bench.sandbox.board("repo").json["sprint_id"].clone();
        bench.killed(&me, &args, point);
        let board = bench.sandbox.board("repo");
        let now = board.json["sprint_id"].as_str();
        assert!(now >= before.as_str() && now.is_some(), "{point:?}: {board:?}");
        bench.run(&me, &["claim", "a"]).ok();
        bench.run(&me, &["complete", "a"]).ok();
        let kept = bench.run(&me, &["start", "--if-none"]).ok();
        assert_eq!(kept.json["sprint_id"].as_str(), now, "{point:?}");
        bench.run(&me, &args).ok();
        // The former one is where it belongs.
        let sprint = bench.sandbox.sprint("repo/.nanostack");
        assert!(sprint.join("a").is_dir(), "{point:?}");
        assert_ne!(bench.sandbox.board("repo").json["sprint_id"].as_str(), now, "{point:?}");
    }
    println!("start: {} points", points.len());
}
