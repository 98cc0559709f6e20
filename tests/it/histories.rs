//! Random histories: agents that do what comes to their minds, at once and in real processes, whose
//! commands and processes are killed in the middle, with the mutex and without. Whatever each was
//! answered must fit one order of events that the rules allow; and in the end one fresh agent must
//! be able to finish the sprint. In some of them the agents are threads below one process, which
//! nothing but their ids tells apart.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::linearizability::{Event, Op, Said, State, linearize};
use crate::process_driver::{Agent, Answer, BINARY, Random, backdate, without_mutex};
use crate::sandbox::Sandbox;

const AGENTS: usize = 6;
const COMMANDS: usize = 30;
const SEEDS: u64 = 12;
/// The phases and what they wait for.
const GRAPH: &[(&str, &[usize])] =
    &[("a", &[]), ("b", &[]), ("c", &[]), ("d", &[0]), ("e", &[0, 1]), ("f", &[3, 4])];

/// Something that happened: on which phase, and what.
type Happened = (usize, Event);

fn name(agent: usize) -> String {
    format!("a{agent}")
}

fn number(name: &Value) -> usize {
    let name = name.as_str().unwrap();
    name.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
}

fn place(phase: &Value) -> usize {
    let name = phase.as_str().unwrap();
    GRAPH.iter().position(|(known, _)| *known == name).unwrap()
}

/// What a command wants.
#[derive(Debug, Clone, Copy)]
enum Wish {
    Claim,
    Complete,
    Abort,
    Unstuck,
    Next,
    Status,
}

const WISHES: &[Wish] = &[
    Wish::Claim,
    Wish::Claim,
    Wish::Claim,
    Wish::Claim,
    Wish::Complete,
    Wish::Abort,
    Wish::Abort,
    Wish::Unstuck,
    Wish::Next,
    Wish::Status,
];

/// One agent's part in a history.
struct Player<'a> {
    sandbox: &'a Sandbox,
    begin: Instant,
    me: usize,
    agent: Agent,
    /// Its id, if it is a thread of the process that all of them are below.
    thread: Option<String>,
    random: Random,
    happened: Vec<Happened>,
    /// A dependency that a command saw not to be done.
    unmet: Vec<(usize, u128)>,
}

/// Waits for `child`, but no longer than `patience`; then it is killed.
fn await_or_kill(mut child: Child, patience: Option<Duration>) -> Answer {
    if let Some(patience) = patience {
        std::thread::sleep(patience);
        child.kill().ok();
    }
    Answer::of(&child.wait_with_output().unwrap())
}

impl Player<'_> {
    fn now(&self) -> u128 {
        self.begin.elapsed().as_nanos()
    }

    /// Gives itself back, for its process lives on.
    fn play(mut self) -> Self {
        for _ in 0..COMMANDS {
            // The process of threads lives as long as any of them.
            if self.random.below(12) == 0 && self.thread.is_none() {
                self.die();
            } else {
                self.command();
            }
        }
        self
    }

    /// Its process is killed; another goes on.
    fn die(&mut self) {
        let from = self.now();
        self.agent.restart();
        let event = Event { op: Op::Die(self.me), from, to: self.now() };
        self.happened.extend((0..GRAPH.len()).map(|phase| (phase, event)));
    }

    fn command(&mut self) {
        let wish = *self.random.one_of(WISHES);
        let phase = self.random.below(GRAPH.len());
        let name = GRAPH[phase].0;
        let args = match wish {
            Wish::Claim => vec!["claim", name],
            Wish::Complete => vec!["complete", name],
            Wish::Abort => vec!["abort", name],
            Wish::Unstuck => vec!["unstuck", name],
            Wish::Next => vec!["next", "--claim"],
            Wish::Status => vec!["status"],
        };
        // A command takes some milliseconds; one in six is killed during them.
        let patience = (self.random.below(6) == 0)
            .then(|| Duration::from_micros(500 + 250 * self.random.below(40) as u64));
        let from = self.now();
        let mut command = match &self.thread {
            None => self.sandbox.binary("repo", &self.agent, &args),
            Some(id) => {
                let mut command = self.sandbox.command("repo", BINARY);
                command.args(&args).arg("--json").env("CODEX_THREAD_ID", id);
                command
            }
        };
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let answer = await_or_kill(command.spawn().unwrap(), patience);
        let to = self.now();
        let mut add = |phase: usize, op: Op| self.happened.push((phase, Event { op, from, to }));
        let me = self.me;
        let said = match answer.said() {
            (Some(0), _) => Said::Ok,
            (None | Some(4), _) => Said::Unknown,
            (Some(1), "claimed" | "not_owner" | "lost") => Said::Other,
            (Some(1), "done") => Said::Done,
            (Some(1), "blocked") => Said::Blocked,
            (Some(1), "alive") => Said::Alive,
            (Some(1), "not_claimed" | "holding" | "nothing_ready")
            | (Some(5), "finished")
            | (Some(6), "nothing_ready") => Said::Nobody,
            _ => Said::Impossible,
        };
        assert_ne!(said, Said::Impossible, "{args:?}: {answer:#?}");
        match (wish, said) {
            (Wish::Claim, _) => add(phase, Op::Claim(me, said)),
            (Wish::Complete, _) => add(phase, Op::Complete(me, said)),
            (Wish::Abort, _) => add(phase, Op::Abort(me, said)),
            (Wish::Unstuck, _) => add(phase, Op::Unstuck(said)),
            (Wish::Next, Said::Ok) => {
                add(place(&answer.json["phase"]), Op::Claim(me, Said::Ok));
            }
            // It may have claimed any of them.
            (Wish::Next, Said::Unknown) => {
                (0..GRAPH.len()).for_each(|phase| add(phase, Op::Claim(me, Said::Unknown)));
            }
            (Wish::Next, _) => match answer.code() {
                "holding" => add(place(&answer.json["phase"]), Op::SeenHeld(me)),
                "finished" => {
                    (0..GRAPH.len()).for_each(|phase| add(phase, Op::SeenDoneBySomebody));
                }
                _ => {}
            },
            (Wish::Status, Said::Ok) => {
                for (phase, (name, _)) in GRAPH.iter().enumerate() {
                    let seen = &answer.json["phases"][name];
                    add(
                        phase,
                        match seen["state"].as_str().unwrap() {
                            "pending" => Op::SeenFree,
                            "claimed" => Op::SeenHeld(number(&seen["agent"])),
                            _ => Op::SeenDone(number(&seen["agent"])),
                        },
                    );
                }
            }
            (Wish::Status, _) => {}
        }
        if said == Said::Blocked {
            let waits = answer.json["waits_for"].as_array().unwrap();
            self.unmet.extend(waits.iter().map(|wait| (place(&wait["phase"]), from)));
        }
    }
}

/// One history, checked.
fn history(seed: u64) -> usize {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    let are_threads = seed.is_multiple_of(3);
    // Of a thread only its silence tells that it may be gone.
    let stale_after = if are_threads { "1h" } else { "0s" };
    sandbox.git("repo", ["config", "conductor.staleAfter", stale_after]);
    let words = |deps: &[usize]| deps.iter().map(|&dep| GRAPH[dep].0).collect::<Vec<_>>().join("+");
    let spec: Vec<String> =
        GRAPH.iter().map(|(name, deps)| format!("{name}:{}", words(deps))).collect();
    sandbox.run("repo", &Agent::new("starter"), &["start", "--phases", &spec.join(",")]).ok();
    if seed.is_multiple_of(2) {
        without_mutex(&sandbox);
    }
    let begin = Instant::now();
    let players = (0..AGENTS).map(|me| Player {
        sandbox: &sandbox,
        begin,
        me,
        agent: Agent::new(name(me)),
        thread: are_threads.then(|| format!("history-{me:08}")),
        random: Random::new(seed * 100 + me as u64),
        happened: Vec::new(),
        unmet: Vec::new(),
    });
    let players: Vec<Player> = players.collect();
    let mut happened: Vec<Vec<Event>> = vec![Vec::new(); GRAPH.len()];
    let mut unmet = Vec::new();
    let players: Vec<Player> = std::thread::scope(|scope| {
        let playing: Vec<_> =
            players.into_iter().map(|player| scope.spawn(|| player.play())).collect();
        playing.into_iter().map(|player| player.join().unwrap()).collect()
    });
    for player in &players {
        player.happened.iter().for_each(|&(phase, event)| happened[phase].push(event));
        unmet.extend(&player.unmet);
    }
    check(seed, &happened, &unmet, &sandbox);
    drop(players);
    sandbox.git("repo", ["config", "conductor.staleAfter", "0s"]);
    finish(seed, &sandbox);
    happened.iter().map(Vec::len).sum()
}

/// The answers fit one order, and so does the board as it is now.
fn check(seed: u64, happened: &[Vec<Event>], unmet: &[(usize, u128)], sandbox: &Sandbox) {
    let board = sandbox.board("repo");
    for (phase, (name, deps)) in GRAPH.iter().enumerate() {
        let mut events = happened[phase].clone();
        let last = &board.json["phases"][name];
        let op = match last["state"].as_str().unwrap() {
            "pending" => Op::SeenFree,
            "claimed" => Op::SeenHeld(number(&last["agent"])),
            _ => Op::SeenDone(number(&last["agent"])),
        };
        events.push(Event { op, from: u128::MAX - 1, to: u128::MAX });
        let ends = linearize(&events, State::new(AGENTS));
        events.sort_by_key(|event| event.from);
        let one_a_line = || {
            let line =
                |e: &Event| format!("{:>10} {:>10} {:?}\n", e.from / 1000, e.to / 1000, e.op);
            events.iter().map(line).collect::<String>()
        };
        assert!(!ends.is_empty(), "seed {seed}, '{name}': no order is possible:\n{}", one_a_line());
        // Dependencies first: each was being completed, at the latest, when the claim was granted.
        for claim in events.iter().filter(|event| matches!(event.op, Op::Claim(_, Said::Ok))) {
            for &dep in *deps {
                let completed = |event: &&Event| {
                    matches!(event.op, Op::Complete(_, Said::Ok | Said::Unknown))
                        && event.from < claim.to
                };
                let some = happened[dep].iter().any(|event| completed(&event));
                assert!(
                    some,
                    "seed {seed}: '{name}' was claimed before '{}' was done",
                    GRAPH[dep].0
                );
            }
        }
    }
    // What was waited for was not complete already.
    for &(dep, from) in unmet {
        let completed =
            |event: &&Event| matches!(event.op, Op::Complete(_, Said::Ok)) && event.to < from;
        let before = happened[dep].iter().find(completed);
        assert!(before.is_none(), "seed {seed}: '{}' was done: {before:?}", GRAPH[dep].0);
    }
}

/// Everyone is dead: a fresh agent frees what is held, and finishes the sprint.
fn finish(seed: u64, sandbox: &Sandbox) {
    let agent = Agent::new("a99");
    for (name, _) in GRAPH {
        let latch = sandbox.sprint("repo/.nanostack").join(name).join("lock.d");
        // The minute for which a latch without its maker's name is waited for is over.
        for marker in std::fs::read_dir(&latch).into_iter().flatten() {
            backdate(marker.unwrap().path(), 61);
        }
        if latch.exists() {
            backdate(&latch, 61);
        }
        if sandbox.board("repo").state(name) == "done" {
            continue;
        }
        for args in [["unstuck", name], ["claim", name], ["complete", name]] {
            let answer = sandbox.run("repo", &agent, &args);
            assert_eq!(answer.said(), (Some(0), ""), "seed {seed}: {args:?}: {answer:#?}");
        }
    }
    let board = sandbox.board("repo");
    assert_eq!(board.json["status"], "finished", "seed {seed}: {board:#?}");
    sandbox.run("repo", &agent, &["start"]).ok();
}

/// `HISTORY_SEED=n` runs that history alone, again and again: its commands are the same each time,
/// only how they meet is not.
#[test]
fn histories_are_linearizable() {
    let given = std::env::var("HISTORY_SEED").ok().map(|seed| seed.parse().unwrap());
    let seeds: Vec<u64> = given.map_or_else(|| (1..=SEEDS).collect(), |seed| vec![seed; 20]);
    for seed in seeds {
        let events = history(seed);
        println!("HISTORY_SEED={seed}: {events} events");
    }
}
