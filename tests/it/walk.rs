//! A walk over every reachable state of small sprints, driven through the shipped rules.
//!
//! A *world* is a board and the processes of a few agents: which live, in which incarnation, and how
//! long ago each claim was heard of (fresh or as old as `stale_after`, to the nanosecond). From the
//! empty board every agent asks everything of every phase, processes die and come back, time passes,
//! scripts make their bare records; each new world is looked at once, breadth first. What the rules
//! grant is carried out as the store would. Tokens and incarnations are renumbered, so that the walk
//! ends.
//!
//! Each answer is compared with [`Scenario::expected`], which says in terms of agents and
//! incarnations what the contract says; and, independently of that, each step and each world is held
//! against the invariants, in terms of who really lives. The last tests break the rules on purpose,
//! one at a time, and show that the walk notices.

#![allow(clippy::result_large_err, reason = "the rules' own answers are passed on as they are")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

use git_conductor::record::{Claim, Done, PhaseEntry, Process, Rest, Sprint, Token, Verdict};
use git_conductor::rules::decide::{self, Change, Facts, Request};
use git_conductor::rules::graph::Names;
use git_conductor::rules::identity::{Life, Me};
use git_conductor::rules::refusal::{Holder, Retry};
use git_conductor::rules::{Board, Graph, Hold, PhaseId, Refusal, State};
use jiff::{SignedDuration, Timestamp};

const STALE_AFTER: SignedDuration = SignedDuration::from_hours(1);
const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
/// Exactly as long ago as makes a dead owner's claim stale.
const OLD: Timestamp = Timestamp::constant(1_800_000_000 - 3600, 0);
/// A nanosecond too young for that.
const FRESH: Timestamp = Timestamp::constant(1_800_000_000 - 3600, 1);
/// After the clock has jumped back.
const FUTURE: Timestamp = Timestamp::constant(1_800_000_000 + 86_400, 0);

// ---------------------------------------------------------------------------------------------
// Who takes part

/// Where an agent has its name from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Naming {
    /// It was given.
    Explicit(&'static str),
    /// It was detected, with a session id.
    Session(&'static str),
    /// It was detected, from the process alone.
    Process(&'static str),
}

#[derive(Debug, Clone)]
struct Agent {
    naming: Naming,
    /// Which process it is; `None` if none can be recorded.
    process: Option<usize>,
    /// A process above its own.
    above: Option<usize>,
    /// The user, if it is a person in a terminal.
    user: Option<u32>,
    worktrees: &'static [&'static str],
    /// Whose last token it presents.
    token_of: Option<usize>,
    /// Whether it is an unmodified script, which asks nobody.
    script: bool,
}

impl Agent {
    fn new(naming: Naming, process: usize) -> Self {
        Self {
            naming,
            process: Some(process),
            above: None,
            user: None,
            worktrees: &["/repo"],
            token_of: None,
            script: false,
        }
    }
    fn explicit(name: &'static str, process: usize) -> Self {
        Self::new(Naming::Explicit(name), process)
    }
    fn session(id: &'static str, process: usize) -> Self {
        Self::new(Naming::Session(id), process)
    }
    fn detected(family: &'static str, process: usize) -> Self {
        Self::new(Naming::Process(family), process)
    }
    fn person(user: u32, process: usize) -> Self {
        Self { user: Some(user), ..Self::new(Naming::Process("user"), process) }
    }
    fn script(name: &'static str, process: usize) -> Self {
        Self { script: true, ..Self::explicit(name, process) }
    }
    fn under(self, above: usize) -> Self {
        Self { above: Some(above), ..self }
    }
    fn without_process(self) -> Self {
        Self { process: None, ..self }
    }
    fn in_two_worktrees(self) -> Self {
        Self { worktrees: &["/repo", "/other"], ..self }
    }
    fn with_token_of(self, agent: usize) -> Self {
        Self { token_of: Some(agent), ..self }
    }
}

/// A place for a process: what does not change when it dies and another follows it.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    host: usize,
    /// Every incarnation has a pid namespace of its own, as in containers.
    sandboxed: bool,
    /// It is taken for dead while it lives.
    misjudged: bool,
}

const HERE: Slot = Slot { host: 0, sandboxed: false, misjudged: false };
const ELSEWHERE: Slot = Slot { host: 1, ..HERE };
const SANDBOX: Slot = Slot { sandboxed: true, ..HERE };
const MISJUDGED: Slot = Slot { misjudged: true, ..HERE };

struct Scenario {
    name: &'static str,
    sprint: Sprint,
    graph: Graph,
    phases: Vec<PhaseId>,
    slots: Vec<Slot>,
    /// Those that walk, and then one for each phase that comes only to a rescue.
    agents: Vec<Agent>,
    walkers: usize,
    requests: Vec<Request>,
    /// How many incarnations of one process are told apart at once.
    incarnations: usize,
    /// Whether the store still knows whose claim it was before.
    remembers: bool,
    /// Whether what is fresh lies in the future.
    clock_jumped_back: bool,
}

fn claim(takeover: bool) -> Request {
    Request::Claim { takeover }
}

fn hand_in(artifact: Option<&str>, verdict: Verdict) -> Request {
    Request::Complete { artifact: artifact.map(str::to_owned), verdict }
}

/// Every request, with the completions that are asked for.
fn requests(completions: &[(Option<&str>, Verdict)]) -> Vec<Request> {
    let mut requests = vec![
        claim(false),
        claim(true),
        Request::Abort,
        Request::Unstuck { force: false },
        Request::Unstuck { force: true },
    ];
    requests.extend(completions.iter().map(|(artifact, verdict)| hand_in(*artifact, *verdict)));
    requests
}

/// `a b:a c:a+b!a` is three phases; what follows `!` is `not_by`.
fn phases(text: &str) -> Vec<PhaseEntry> {
    let list = |names: &str| -> Vec<String> {
        names.split('+').filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    let entry = |word: &str| {
        let (word, not_by) = word.split_once('!').unwrap_or((word, ""));
        let (name, depends_on) = word.split_once(':').unwrap_or((word, ""));
        PhaseEntry {
            name: name.to_owned(),
            depends_on: list(depends_on),
            not_by: list(not_by),
            ..PhaseEntry::default()
        }
    };
    text.split(' ').map(entry).collect()
}

const PASS: (Option<&str>, Verdict) = (None, Verdict::Pass);
const FAIL: (Option<&str>, Verdict) = (None, Verdict::Fail);
const WITH_A: (Option<&str>, Verdict) = (Some("a"), Verdict::Pass);
const WITH_B: (Option<&str>, Verdict) = (Some("b"), Verdict::Pass);
const FAIL_A: (Option<&str>, Verdict) = (Some("a"), Verdict::Fail);

impl Scenario {
    fn new(name: &'static str, graph: &str, slots: &[Slot], agents: &[Agent]) -> Self {
        let entries = phases(graph);
        let graph = match Graph::new(&entries, Names::New) {
            Ok(graph) => graph,
            Err(error) => unreachable!("{name}: {error}"),
        };
        let mut slots = slots.to_vec();
        let mut agents = agents.to_vec();
        let walkers = agents.len();
        for fresh in ["fresh-0", "fresh-1", "fresh-2", "fresh-3"].iter().take(entries.len()) {
            agents.push(Agent::explicit(fresh, slots.len()));
            slots.push(HERE);
        }
        Self {
            name,
            sprint: Sprint {
                sprint_id: "0123456789ab-20270115-080000".to_owned(),
                project: "/repo".to_owned(),
                started_by: String::new(),
                started_at: None,
                status: Sprint::ACTIVE.to_owned(),
                goal: None,
                archived_at: None,
                phases: entries,
                rest: Rest::new(),
            },
            phases: graph.ids().collect(),
            graph,
            slots,
            agents,
            walkers,
            requests: requests(&[PASS]),
            incarnations: 2,
            remembers: true,
            clock_jumped_back: false,
        }
    }

    fn asking(self, completions: &[(Option<&str>, Verdict)]) -> Self {
        Self { requests: requests(completions), ..self }
    }
    fn without_restarts(self) -> Self {
        Self { incarnations: 1, ..self }
    }
    fn forgetful(self) -> Self {
        Self { remembers: false, ..self }
    }
    fn after_the_clock_jumped_back(self) -> Self {
        Self { clock_jumped_back: true, ..self }
    }
}

// ---------------------------------------------------------------------------------------------
// A world

/// One agent in one incarnation of its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Author {
    agent: usize,
    incarnation: usize,
}

/// How long ago a claim was made and heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Age {
    Fresh,
    /// Made long ago, and renewed lately.
    Renewed,
    Old,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Ours,
    /// A script's bare record.
    Script,
    /// A plain file, as an old layout had it.
    Plain,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Held {
    kind: Kind,
    by: Author,
    token: Option<usize>,
    age: Age,
    worktree: &'static str,
    /// Whose it was before it was taken over, and the token of then.
    former: Option<(Author, Option<usize>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Finished {
    /// `None` if the record is empty.
    by: Option<Author>,
    script: bool,
    /// Slot and incarnation of the process that is recorded.
    process: Option<(usize, usize)>,
    token: Option<usize>,
    artifact: Option<&'static str>,
    verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    Pending,
    Held(Held),
    Done(Finished),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    /// For each slot the present incarnation, and whether it lives.
    processes: Vec<(usize, bool)>,
    /// For each agent the token it was last granted, if anyone presents it.
    granted: Vec<Option<usize>>,
    places: Vec<Place>,
}

/// A token that nothing on the board carries any more.
const GONE: usize = 0;
/// A token that was just made; renumbered at once.
const NEW: usize = 99;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Event {
    Asks { agent: usize, worktree: &'static str, phase: usize, request: Request },
    Dies(usize),
    Restarts(usize),
    TimePasses,
    ScriptClaims { agent: usize, phase: usize, plain: bool },
    ScriptFrees { phase: usize },
    ScriptCompletes { phase: usize, empty: bool },
}

fn token(number: usize) -> Option<Token> {
    Some(Token::from_bytes([u8::try_from(number).ok()?; 16]))
}

fn artifact(sha256: Option<&str>) -> Option<&'static str> {
    match sha256 {
        None => None,
        Some("a") => Some("a"),
        Some(_) => Some("b"),
    }
}

impl Scenario {
    fn start(&self) -> World {
        World {
            processes: vec![(0, true); self.slots.len()],
            granted: vec![None; self.agents.len()],
            places: vec![Place::Pending; self.phases.len()],
        }
    }

    fn name_of(&self, by: Author) -> String {
        let agent = &self.agents[by.agent];
        match (agent.naming, agent.process) {
            (Naming::Explicit(name), _) => name.to_owned(),
            (Naming::Session(id), _) => format!("claude-{id}"),
            (Naming::Process(family), Some(slot)) => format!("{family}-{slot}{}", by.incarnation),
            (Naming::Process(family), None) => format!("{family}-x"),
        }
    }

    fn process_of(&self, by: Author) -> Option<(usize, usize)> {
        self.agents[by.agent].process.map(|slot| (slot, by.incarnation))
    }

    fn present(&self, world: &World, agent: usize) -> Author {
        let incarnation = self.agents[agent].process.map_or(0, |slot| world.processes[slot].0);
        Author { agent, incarnation }
    }

    /// The pid namespace of an incarnation: 0 is the host's.
    fn namespace(&self, process: Option<(usize, usize)>) -> usize {
        match process {
            Some((slot, incarnation)) if self.slots[slot].sandboxed => 1 + 10 * slot + incarnation,
            _ => 0,
        }
    }

    fn host(&self, process: Option<(usize, usize)>) -> usize {
        process.map_or(0, |(slot, _)| self.slots[slot].host)
    }

    /// The record of a process. All have one pid; half tell by the start time that they are
    /// others, half, started within one tick, by the pidfd inode.
    fn record_of(&self, (slot, incarnation): (usize, usize)) -> Process {
        let unique = 1 + 10 * slot as u64 + incarnation as u64;
        let host = self.slots[slot].host;
        let tick = slot.is_multiple_of(2);
        Process {
            pid: 4242,
            start: Some(if tick { 500 } else { 1000 + unique }),
            boot: Some(format!("boot-{host}")),
            machine: Some("cloned".to_owned()),
            node: Some(format!("node-{host}")),
            pid_ns: Some(self.namespace(Some((slot, incarnation))) as u64),
            time_ns: Some(1),
            pidfd: tick.then_some(unique),
        }
    }

    /// Whether a process really lives.
    fn lives(world: &World, process: Option<(usize, usize)>) -> bool {
        process.is_some_and(|(slot, incarnation)| world.processes[slot] == (incarnation, true))
    }

    /// What `asker` can prove of a claim's process.
    fn seen(&self, world: &World, asker: Author, owner: Author) -> Life {
        let Some((slot, incarnation)) = self.process_of(owner) else { return Life::Unknown };
        let mine = self.process_of(asker);
        let theirs = Some((slot, incarnation));
        let visible =
            self.host(mine) == self.host(theirs) && self.namespace(mine) == self.namespace(theirs);
        if !visible {
            Life::Unknown
        } else if Self::lives(world, theirs) && !(self.slots[slot].misjudged && mine != theirs) {
            Life::Alive
        } else {
            Life::Dead
        }
    }

    fn me(&self, world: &World, asker: Author, worktree: &str) -> Me {
        let agent = &self.agents[asker.agent];
        let command = Process {
            pid: 9,
            boot: Some(format!("boot-{}", self.host(self.process_of(asker)))),
            machine: Some("cloned".to_owned()),
            node: Some(format!("node-{}", self.host(self.process_of(asker)))),
            pid_ns: Some(self.namespace(self.process_of(asker)) as u64),
            ..Process::default()
        };
        Me {
            name: self.name_of(asker),
            explicit: matches!(agent.naming, Naming::Explicit(_)),
            session: match agent.naming {
                Naming::Session(id) => Some(id.to_owned()),
                Naming::Explicit(_) | Naming::Process(_) => None,
            },
            process: self.process_of(asker).map(|process| self.record_of(process)),
            ancestors: Self::above(world, agent)
                .map(|above| self.record_of(above))
                .into_iter()
                .collect(),
            command,
            token: self.presented(world, asker.agent).and_then(token),
            user: Some(agent.user.unwrap_or(1000)),
            person: agent.user.is_some(),
            worktree: Some(worktree.to_owned()),
        }
    }

    /// The living process above an agent's own.
    fn above(world: &World, agent: &Agent) -> Option<(usize, usize)> {
        let slot = agent.above?;
        let (incarnation, lives) = world.processes[slot];
        lives.then_some((slot, incarnation))
    }

    fn presented(&self, world: &World, agent: usize) -> Option<usize> {
        world.granted[self.agents[agent].token_of?]
    }

    fn claim_record(&self, kind: Kind, by: Author, held: Option<&Held>) -> Claim {
        let agent = &self.agents[by.agent];
        let fresh = if self.clock_jumped_back { FUTURE } else { FRESH };
        let age = held.map_or(Age::Old, |held| held.age);
        let claimed_at = match (kind, age) {
            // A script's record need not even have a time.
            (Kind::Script, Age::Old) => None,
            (_, Age::Fresh) => Some(fresh),
            (_, Age::Old | Age::Renewed) => Some(OLD),
        };
        if kind != Kind::Ours {
            return Claim { agent: self.name_of(by), claimed_at, pid: 4242, ..Claim::default() };
        }
        Claim {
            v: 1,
            agent: self.name_of(by),
            claimed_at,
            pid: 4242,
            renewed_at: (age == Age::Renewed).then_some(fresh),
            explicit: matches!(agent.naming, Naming::Explicit(_)),
            session: match agent.naming {
                Naming::Session(id) => Some(id.to_owned()),
                Naming::Explicit(_) | Naming::Process(_) => None,
            },
            process: self.process_of(by).map(|process| self.record_of(process)),
            user: Some(agent.user.unwrap_or(1000)),
            person: agent.user.is_some(),
            worktree: held.map(|held| held.worktree.to_owned()),
            ..Claim::default()
        }
    }

    /// The board as `asker` would read it.
    fn board(&self, world: &World, asker: Author) -> Board {
        let mut board = Board::new(self.sprint.clone(), self.graph.clone());
        for (&id, place) in self.phases.iter().zip(&world.places) {
            board.set(id, self.state(world, asker, place));
        }
        board
    }

    fn state(&self, world: &World, asker: Author, place: &Place) -> State {
        match place {
            Place::Pending => State::Pending,
            Place::Held(held) => {
                let former = |(by, number): (Author, Option<usize>)| Claim {
                    token: number.and_then(token),
                    ..self.claim_record(Kind::Ours, by, None)
                };
                State::Claimed(Hold {
                    claim: Claim {
                        token: held.token.and_then(token),
                        ..self.claim_record(held.kind, held.by, Some(held))
                    },
                    life: self.seen(world, asker, held.by),
                    former: held.former.map(former).into_iter().collect(),
                    only_unstuck: held.kind == Kind::Plain,
                })
            }
            Place::Done(done) => {
                let Some(by) = done.by else { return State::Done(Done::default()) };
                let ours = self.claim_record(Kind::Ours, by, None);
                State::Done(Done {
                    v: u32::from(!done.script),
                    agent: self.name_of(by),
                    completed_at: Some(OLD),
                    artifact: done.artifact.unwrap_or_default().to_owned(),
                    artifact_sha256: done.artifact.map(str::to_owned),
                    verdict: done.verdict,
                    token: done.token.and_then(token),
                    explicit: !done.script && ours.explicit,
                    session: if done.script { None } else { ours.session },
                    process: done.process.map(|process| self.record_of(process)),
                    ..Done::default()
                })
            }
        }
    }

    /// Carries a change out as the store does; `None` if there is nothing to carry out.
    fn apply(
        &self,
        world: &World,
        asker: Author,
        worktree: &'static str,
        phase: usize,
        (request, change): (&Request, Change),
    ) -> Option<World> {
        let mut after = world.clone();
        let place = after.places[phase];
        let fresh = |former| {
            Place::Held(Held {
                kind: Kind::Ours,
                by: asker,
                token: Some(NEW),
                age: Age::Fresh,
                worktree,
                former,
            })
        };
        after.places[phase] = match (change, place) {
            (Change::Confirm | Change::Nothing, _) => return None,
            (Change::Renew, Place::Held(held)) => {
                let age = if held.age == Age::Fresh { Age::Fresh } else { Age::Renewed };
                Place::Held(Held { age, ..held })
            }
            (Change::TakeOver, Place::Held(held)) if held.kind == Kind::Ours => {
                fresh(Some((held.by, held.token)))
            }
            (Change::Take | Change::TakeOver | Change::Renew, _) => fresh(None),
            (Change::Free, _) => Place::Pending,
            (Change::Complete, place) => {
                let (token, recorded) = match place {
                    Place::Held(held) if held.kind == Kind::Ours => {
                        (held.token, self.process_of(held.by))
                    }
                    // It gets a name of its own first.
                    Place::Held(_) | Place::Pending | Place::Done(_) => (Some(NEW), None),
                };
                let Request::Complete { artifact: sha256, verdict } = request else { return None };
                Place::Done(Finished {
                    by: Some(asker),
                    script: false,
                    process: recorded.or_else(|| self.process_of(asker)),
                    token,
                    artifact: artifact(sha256.as_deref()),
                    verdict: *verdict,
                })
            }
        };
        if matches!(change, Change::Take | Change::TakeOver) {
            after.granted[asker.agent] = Some(NEW);
        }
        self.normalise(&mut after);
        (after != *world).then_some(after)
    }

    /// Renumbers tokens and incarnations in the order in which the board has them.
    fn normalise(&self, world: &mut World) {
        let mut numbers: Vec<usize> = Vec::new();
        let mut renumber = |token: &mut Option<usize>| {
            if let Some(number) = token {
                let known = numbers.iter().position(|seen| seen == number);
                *number = 1 + known.unwrap_or_else(|| {
                    numbers.push(*number);
                    numbers.len() - 1
                });
            }
        };
        let mut incarnations: Vec<BTreeSet<usize>> =
            world.processes.iter().map(|(now, _)| BTreeSet::from([*now])).collect();
        for place in &mut world.places {
            match place {
                Place::Pending => {}
                Place::Held(held) => {
                    renumber(&mut held.token);
                    if !self.remembers {
                        held.former = None;
                    }
                    if let Some((_, token)) = &mut held.former {
                        renumber(token);
                    }
                }
                Place::Done(done) => renumber(&mut done.token),
            }
        }
        for (agent, granted) in world.granted.iter_mut().enumerate() {
            if !self.agents.iter().any(|other| other.token_of == Some(agent)) {
                *granted = None;
            } else if let Some(number) = granted {
                *number = numbers.iter().position(|seen| seen == number).map_or(GONE, |at| at + 1);
            }
        }
        each_incarnation(self, world, |slot, incarnation| {
            incarnations[slot].insert(*incarnation);
        });
        let rank = |slot: usize, incarnation: usize| {
            incarnations[slot].iter().position(|seen| *seen == incarnation).unwrap_or(0)
        };
        each_incarnation(self, world, |slot, incarnation| *incarnation = rank(slot, *incarnation));
        for (slot, (now, _)) in world.processes.iter_mut().enumerate() {
            *now = rank(slot, *now);
        }
    }

    /// What happens without anyone's asking the rules.
    fn happenings(&self, world: &World) -> Vec<(Event, World)> {
        let mut found = Vec::new();
        let mut add = |event: Event, change: &dyn Fn(&mut World)| {
            let mut after = world.clone();
            change(&mut after);
            self.normalise(&mut after);
            if after != *world {
                found.push((event, after));
            }
        };
        let walking = self.slots.len() - self.phases.len();
        for (slot, &(incarnation, lives)) in world.processes.iter().enumerate().take(walking) {
            if lives {
                add(Event::Dies(slot), &|after| after.processes[slot].1 = false);
            } else if incarnation + 1 < self.incarnations {
                add(Event::Restarts(slot), &|after| {
                    after.processes[slot] = (incarnation + 1, true);
                });
            }
        }
        add(Event::TimePasses, &grow_old);
        for agent in (0..self.walkers).filter(|agent| self.agents[*agent].script) {
            let by = self.present(world, agent);
            if !Self::lives(world, self.process_of(by)) {
                continue;
            }
            for (phase, place) in world.places.iter().enumerate() {
                match place {
                    Place::Pending if self.waits_for(world, phase).is_empty() => {
                        for plain in [false, true] {
                            let kind = if plain { Kind::Plain } else { Kind::Script };
                            add(Event::ScriptClaims { agent, phase, plain }, &|after| {
                                after.places[phase] = Place::Held(Held {
                                    kind,
                                    by,
                                    token: None,
                                    age: Age::Fresh,
                                    worktree: "",
                                    former: None,
                                });
                            });
                        }
                    }
                    Place::Held(held) if held.kind == Kind::Script && held.by == by => {
                        add(Event::ScriptFrees { phase }, &|after| {
                            after.places[phase] = Place::Pending;
                        });
                        for empty in [false, true] {
                            add(Event::ScriptCompletes { phase, empty }, &|after| {
                                after.places[phase] = Place::Done(Finished {
                                    by: (!empty).then_some(by),
                                    script: true,
                                    process: None,
                                    token: None,
                                    artifact: None,
                                    verdict: Verdict::Pass,
                                });
                            });
                        }
                    }
                    Place::Pending | Place::Held(_) | Place::Done(_) => {}
                }
            }
        }
        found
    }

    fn waits_for(&self, world: &World, phase: usize) -> Vec<usize> {
        let passed = |dep: usize| matches!(&world.places[dep], Place::Done(done) if done.verdict == Verdict::Pass);
        let deps = &self.graph.phase(self.phases[phase]).depends_on;
        deps.iter().map(|dep| dep.index()).filter(|dep| !passed(*dep)).collect()
    }
}

fn grow_old(world: &mut World) {
    for place in &mut world.places {
        if let Place::Held(held) = place {
            held.age = Age::Old;
        }
    }
}

/// Visits every mention of an incarnation on the board, with the slot it is one of.
fn each_incarnation(
    scenario: &Scenario,
    world: &mut World,
    mut visit: impl FnMut(usize, &mut usize),
) {
    let author = |by: &mut Author, visit: &mut dyn FnMut(usize, &mut usize)| {
        if let Some(slot) = scenario.agents[by.agent].process {
            visit(slot, &mut by.incarnation);
        }
    };
    for place in &mut world.places {
        match place {
            Place::Pending => {}
            Place::Held(held) => {
                author(&mut held.by, &mut visit);
                if let Some((by, _)) = &mut held.former {
                    author(by, &mut visit);
                }
            }
            Place::Done(done) => {
                if let Some(by) = &mut done.by {
                    author(by, &mut visit);
                }
                if let Some((slot, incarnation)) = &mut done.process {
                    visit(*slot, incarnation);
                }
            }
        }
    }
}

// ---------------------------------------------------------------------------------------------
// What the contract says

/// How an asker stands to a claim, by the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kin {
    /// It is the asker's, made by what it is now.
    Present,
    /// It is the asker's, from before.
    Former,
    Other,
}

/// What the asker is told, in one word; a change by its own, a refusal by its code.
const ELSEWHERE_MINE: &str = "claimed, same_agent";

fn in_a_word(answer: &Result<Change, Refusal>) -> &'static str {
    match answer {
        Ok(Change::Take) => "take",
        Ok(Change::Renew) => "renew",
        Ok(Change::TakeOver) => "take over",
        Ok(Change::Complete) => "complete",
        Ok(Change::Confirm) => "confirm",
        Ok(Change::Free) => "free",
        Ok(Change::Nothing) => "nothing",
        Err(Refusal::Claimed { same_agent: true, .. }) => ELSEWHERE_MINE,
        Err(refusal) => refusal.code(),
    }
}

impl Scenario {
    fn kin(&self, world: &World, asker: Author, held: &Held) -> Kin {
        let me = &self.agents[asker.agent];
        let owner = &self.agents[held.by.agent];
        let dead = self.seen(world, asker, held.by) == Life::Dead;
        let mine = self.process_of(asker);
        let theirs = self.process_of(held.by);
        if held.kind != Kind::Ours {
            // It has no more than a name, and a pid that must be gone.
            let same = self.name_of(asker) == self.name_of(held.by) && dead;
            return if same { Kin::Former } else { Kin::Other };
        }
        let presented = self.presented(world, asker.agent);
        if presented.is_some() && presented == held.token {
            return if dead && mine.is_some() { Kin::Former } else { Kin::Present };
        }
        match (me.naming, owner.naming) {
            (Naming::Explicit(a), Naming::Explicit(b)) if a == b => {
                let above = theirs.is_some() && Self::above(world, me) == theirs;
                if mine == theirs || above {
                    Kin::Present
                } else if dead {
                    Kin::Former
                } else {
                    Kin::Other
                }
            }
            (Naming::Explicit(_), _) | (_, Naming::Explicit(_)) => Kin::Other,
            _ if mine.is_some() && mine == theirs => Kin::Present,
            (Naming::Session(a), Naming::Session(b)) if a == b => {
                // A sandbox of its own for each call may show no process that lasts.
                let out_of_sight = theirs.is_none()
                    || (self.host(mine) == self.host(theirs)
                        && self.namespace(mine) != self.namespace(theirs));
                if dead || out_of_sight { Kin::Former } else { Kin::Other }
            }
            _ => Kin::Other,
        }
    }

    /// Whether `asker` is known by a record, whatever the recorded process has come to: it completed
    /// it, or once held it.
    fn once(
        &self,
        world: &World,
        asker: Author,
        by: Author,
        process: Option<(usize, usize)>,
        token: Option<usize>,
    ) -> bool {
        let presented = self.presented(world, asker.agent);
        if presented.is_some() && presented == token {
            return true;
        }
        match (self.agents[asker.agent].naming, self.agents[by.agent].naming) {
            (Naming::Explicit(a), Naming::Explicit(b)) => a == b,
            (Naming::Explicit(_), _) | (_, Naming::Explicit(_)) => false,
            (Naming::Session(a), Naming::Session(b)) if a == b => true,
            _ => process.is_some() && self.process_of(asker) == process,
        }
    }

    /// Whether `held` is the asker's from a worktree other than this one, and perhaps still worked at.
    fn elsewhere(&self, world: &World, asker: Author, worktree: &str, held: &Held) -> bool {
        held.kind == Kind::Ours
            && held.worktree != worktree
            && self.seen(world, asker, held.by) != Life::Dead
    }

    fn same_user(&self, asker: Author, held: &Held) -> bool {
        let user = self.agents[asker.agent].user;
        held.kind == Kind::Ours && user.is_some() && user == self.agents[held.by.agent].user
    }

    /// The dependency whose completer the asker is, or might be.
    fn four_eyes(&self, world: &World, asker: Author, phase: usize) -> bool {
        let not_by = &self.graph.phase(self.phases[phase]).not_by;
        not_by.iter().any(|other| match &world.places[other.index()] {
            Place::Done(Finished { by: None, .. }) => true,
            Place::Done(Finished { by: Some(by), process, .. }) => {
                self.name_of(*by) == self.name_of(asker)
                    || (process.is_some() && *process == self.process_of(asker))
            }
            Place::Pending | Place::Held(_) => false,
        })
    }

    /// What the contract answers.
    fn expected(
        &self,
        world: &World,
        asker: Author,
        worktree: &str,
        phase: usize,
        request: &Request,
    ) -> &'static str {
        let opened = |granted| {
            if !self.waits_for(world, phase).is_empty() {
                "blocked"
            } else if self.four_eyes(world, asker, phase) {
                "four_eyes"
            } else {
                granted
            }
        };
        match (request, &world.places[phase]) {
            (Request::Complete { artifact, verdict }, Place::Done(done)) => {
                let same = artifact.is_none() || artifact.as_deref() == done.artifact;
                let by_me = match done.by {
                    None => false,
                    Some(by) if done.script => self.name_of(by) == self.name_of(asker),
                    Some(by) => self.once(world, asker, by, done.process, done.token),
                };
                if same && *verdict == done.verdict && by_me { "confirm" } else { "done" }
            }
            (_, Place::Done(_)) => "done",
            (Request::Claim { .. }, Place::Pending) => opened("take"),
            (Request::Complete { .. } | Request::Abort, Place::Pending) => "not_claimed",
            (Request::Unstuck { .. }, Place::Pending) => "nothing",
            (Request::Claim { takeover }, Place::Held(held)) => {
                let dead = self.seen(world, asker, held.by) == Life::Dead;
                match self.kin(world, asker, held) {
                    _ if held.kind == Kind::Plain => "claimed",
                    Kin::Present | Kin::Former if self.elsewhere(world, asker, worktree, held) => {
                        ELSEWHERE_MINE
                    }
                    Kin::Present => opened("renew"),
                    Kin::Former => opened("take over"),
                    Kin::Other if dead && (held.age == Age::Old || *takeover) => {
                        opened("take over")
                    }
                    Kin::Other if *takeover && self.same_user(asker, held) => opened("take over"),
                    Kin::Other => "claimed",
                }
            }
            (Request::Complete { .. } | Request::Abort, Place::Held(held)) => {
                let mine = held.kind != Kind::Plain && self.kin(world, asker, held) != Kin::Other;
                let once = held.former.is_some_and(|(by, token)| {
                    self.once(world, asker, by, self.process_of(by), token)
                }) || self.presented(world, asker.agent).is_some();
                match request {
                    _ if !mine && once => "lost",
                    _ if !mine => "not_owner",
                    Request::Abort => "free",
                    _ if self.four_eyes(world, asker, phase) => "four_eyes",
                    Request::Claim { .. } | Request::Complete { .. } | Request::Unstuck { .. } => {
                        "complete"
                    }
                }
            }
            (Request::Unstuck { force }, Place::Held(held)) => {
                let dead = self.seen(world, asker, held.by) == Life::Dead;
                if *force || dead { "free" } else { "alive" }
            }
        }
    }
}

// ---------------------------------------------------------------------------------------------
// The walk

/// The rules under test: the shipped ones, or broken ones.
#[derive(Clone, Copy)]
struct Rules {
    decide: fn(&Board, PhaseId, &Request, Facts<'_>) -> Result<Change, Refusal>,
    next: fn(&Board, Facts<'_>) -> Result<Vec<PhaseId>, Refusal>,
    holding: fn(&Board, Facts<'_>) -> Option<Refusal>,
    may_end: fn(&Board, Facts<'_>, bool) -> Result<(), Refusal>,
}

const SHIPPED: Rules = Rules {
    decide: decide::decide,
    next: decide::next,
    holding: decide::holding,
    may_end: decide::may_end,
};

/// What is held against every world and every step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Check {
    /// The answer is the contract's.
    Answer,
    /// What a refusal says is so.
    Facts,
    /// No claim leaves a living owner, but by its own doing, by force, or to the same user.
    OneLiveOwner,
    /// Nor one that may be living.
    UnknownIsAlive,
    /// Nor a dead one before its time, unless that is asked for.
    TheHour,
    /// Only the owner completes and aborts.
    Fence,
    /// Done is for ever, and not to be claimed.
    DoneForEver,
    /// Nothing begins before what it depends on has passed.
    DependenciesFirst,
    /// Nobody owns what checks its own work.
    FourEyes,
    /// Who is granted a claim is its living owner.
    GrantedIsLive,
    /// `next` lists what can be claimed, all of it, and why there is none.
    Next,
    /// `holding` and `mine` list what is the asker's.
    Holding,
    /// `may_end` says whose claims stand in the way.
    MayEnd,
    /// What will never succeed never does.
    Never,
    /// A stranger can finish the sprint once everybody has gone.
    NotWedged,
}

struct Violation {
    world: usize,
    what: String,
    count: usize,
}

/// What a walk found.
#[derive(Default)]
struct Report {
    worlds: usize,
    steps: usize,
    answers: usize,
    /// Worlds in which only force gets the sprint on: an owner of whom nothing can be known.
    by_force: usize,
    /// Worlds in which nobody may go on: what must not be checked by its author has no known one.
    by_nobody: usize,
    /// Request, state of the phase, answer.
    cells: BTreeMap<(&'static str, &'static str, &'static str), usize>,
    broken: BTreeMap<Check, String>,
}

/// How strangers finish a sprint that everybody has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rescue {
    /// By what `claim` and `unstuck` grant.
    Plain,
    /// Only by force; needed, if nothing can be known of an owner.
    Force { needed: bool },
    /// Not at all: the author of what is to be checked cannot be known.
    Nobody,
    /// Not at all.
    Wedged,
}

struct Walk<'a> {
    scenario: &'a Scenario,
    rules: Rules,
    worlds: Vec<World>,
    from: Vec<Option<(usize, Event)>>,
    known: HashMap<World, usize>,
    rescues: HashMap<World, Rescue>,
    /// For each world its successors, and the slot that restarted on the way.
    steps: Vec<Vec<(usize, Option<usize>)>>,
    /// For each world, which requests are granted and which are refused for ever.
    granted: Vec<u128>,
    never: Vec<u128>,
    violations: BTreeMap<Check, Violation>,
    report: Report,
}

fn row(request: &Request) -> &'static str {
    match request {
        Request::Claim { takeover: false } => "claim",
        Request::Claim { takeover: true } => "claim --takeover",
        Request::Complete { .. } => "complete",
        Request::Abort => "abort",
        Request::Unstuck { force: false } => "unstuck",
        Request::Unstuck { force: true } => "unstuck --force",
    }
}

/// Walks until nothing is new, or until `enough` is broken.
fn walk(scenario: &Scenario, rules: Rules, enough: Option<Check>) -> Report {
    let mut walk = Walk {
        scenario,
        rules,
        worlds: Vec::new(),
        from: Vec::new(),
        known: HashMap::new(),
        rescues: HashMap::new(),
        steps: Vec::new(),
        granted: Vec::new(),
        never: Vec::new(),
        violations: BTreeMap::new(),
        report: Report::default(),
    };
    walk.meet(scenario.start(), None);
    let mut at = 0;
    while at < walk.worlds.len() {
        walk.look_at(at);
        at += 1;
        if enough.is_some_and(|check| walk.violations.contains_key(&check)) {
            break;
        }
    }
    if at == walk.worlds.len() && enough.is_none_or(|check| check == Check::Never) {
        walk.check_never();
    }
    walk.finish()
}

impl Walk<'_> {
    /// The number of a world; a new one is to be looked at.
    fn meet(&mut self, world: World, from: Option<(usize, Event)>) -> usize {
        if let Some(&known) = self.known.get(&world) {
            return known;
        }
        let number = self.worlds.len();
        self.known.insert(world.clone(), number);
        self.worlds.push(world);
        self.from.push(from);
        self.steps.push(Vec::new());
        self.granted.push(0);
        self.never.push(0);
        number
    }

    fn check(&mut self, check: Check, world: usize, holds: bool, what: impl FnOnce() -> String) {
        if holds {
            return;
        }
        self.violations
            .entry(check)
            .and_modify(|violation| violation.count += 1)
            .or_insert_with(|| Violation { world, what: what(), count: 1 });
    }

    fn look_at(&mut self, at: usize) {
        let scenario = self.scenario;
        let world = self.worlds[at].clone();
        self.check_world(at, &world);
        self.check_rescue(at, &world);
        let mut bit = 0;
        for agent in 0..scenario.walkers {
            if scenario.agents[agent].script {
                continue;
            }
            let asker = scenario.present(&world, agent);
            let gone = scenario.agents[agent].process.is_some()
                && !Scenario::lives(&world, scenario.process_of(asker));
            let board = scenario.board(&world, asker);
            for worktree in scenario.agents[agent].worktrees {
                let me = scenario.me(&world, asker, worktree);
                let facts = Facts { me: &me, now: NOW, stale_after: STALE_AFTER };
                if !gone {
                    self.check_lists(at, &world, asker, worktree, &board, facts, bit);
                }
                bit += 1;
                for phase in 0..scenario.phases.len() {
                    for request in &scenario.requests {
                        if !gone {
                            self.ask(
                                at,
                                &world,
                                (asker, worktree),
                                phase,
                                request,
                                &board,
                                facts,
                                bit,
                            );
                        }
                        bit += 1;
                    }
                }
            }
        }
        assert!(bit <= 128, "{}: too many requests for the mask", scenario.name);
        for (event, after) in scenario.happenings(&world) {
            let restarted = if let Event::Restarts(slot) = event { Some(slot) } else { None };
            let next = self.meet(after, Some((at, event)));
            self.steps[at].push((next, restarted));
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one question with its surroundings")]
    fn ask(
        &mut self,
        at: usize,
        world: &World,
        (asker, worktree): (Author, &'static str),
        phase: usize,
        request: &Request,
        board: &Board,
        facts: Facts<'_>,
        bit: usize,
    ) {
        let scenario = self.scenario;
        let id = scenario.phases[phase];
        let answer = (self.rules.decide)(board, id, request, facts);
        self.report.answers += 1;
        let event =
            || Event::Asks { agent: asker.agent, worktree, phase, request: request.clone() };
        let told = in_a_word(&answer);
        let expected = scenario.expected(world, asker, worktree, phase, request);
        self.check(Check::Answer, at, told == expected, || {
            format!("{}: answered '{told}', to be '{expected}'", scenario.tell(&event()))
        });
        let column = match &world.places[phase] {
            Place::Pending => "pending",
            Place::Done(_) => "done",
            Place::Held(held) if held.kind == Kind::Plain => "old layout",
            Place::Held(held) if scenario.kin(world, asker, held) != Kin::Other => "mine",
            Place::Held(held)
                if held.age == Age::Old && scenario.seen(world, asker, held.by) == Life::Dead =>
            {
                "stale"
            }
            Place::Held(_) => "another's",
        };
        *self.report.cells.entry((row(request), column, told)).or_default() += 1;
        let change = match answer {
            Ok(change) => change,
            Err(refusal) => {
                if matches!(refusal, Refusal::Done { .. } | Refusal::FourEyes { .. })
                    && refusal.retry() == Retry::Never
                {
                    self.never[at] |= 1 << bit;
                }
                let wrong = scenario.wrong(world, asker, phase, &refusal);
                self.check(Check::Facts, at, wrong.is_none(), || {
                    format!("{}: {refusal:?}: {wrong:?}", scenario.tell(&event()))
                });
                return;
            }
        };
        if !matches!(change, Change::Confirm | Change::Nothing) {
            self.granted[at] |= 1 << bit;
        }
        let after = scenario.apply(world, asker, worktree, phase, (request, change));
        self.check_step(at, world, (asker, worktree), phase, (request, change), after.as_ref());
        if let Some(after) = after {
            let next = self.meet(after, Some((at, event())));
            self.steps[at].push((next, None));
        }
    }

    /// The invariants of a step, in terms of who really lives.
    fn check_step(
        &mut self,
        at: usize,
        world: &World,
        (asker, worktree): (Author, &'static str),
        phase: usize,
        (request, change): (&Request, Change),
        after: Option<&World>,
    ) {
        let scenario = self.scenario;
        let what = || {
            let event =
                Event::Asks { agent: asker.agent, worktree, phase, request: request.clone() };
            format!("{}: {change:?}", scenario.tell(&event))
        };
        let claims = matches!(request, Request::Claim { .. });
        let before = &world.places[phase];
        if let Place::Done(_) = before {
            let kept = after.is_none_or(|after| after.places[phase] == *before);
            self.check(Check::DoneForEver, at, kept && !claims, what);
        }
        if claims
            && let Some(after) = after
            && let Place::Held(held) = &after.places[phase]
        {
            let me = scenario.present(after, asker.agent);
            let live = scenario.seen(after, me, held.by) != Life::Dead;
            self.check(Check::GrantedIsLive, at, live, what);
        } else if claims && let Place::Held(held) = before {
            let live = scenario.seen(world, asker, held.by) != Life::Dead;
            self.check(Check::GrantedIsLive, at, live, what);
        }
        let Place::Held(held) = before else {
            let completes = matches!(request, Request::Complete { .. }) && after.is_some();
            self.check(Check::Fence, at, !completes, what);
            return;
        };
        if scenario.kin(world, asker, held) != Kin::Other {
            let barred = claims && scenario.elsewhere(world, asker, worktree, held);
            self.check(Check::OneLiveOwner, at, !barred, what);
            return;
        }
        let forced = *request == Request::Unstuck { force: true };
        let to_other_terminal = *request == claim(true) && scenario.same_user(asker, held);
        if forced || to_other_terminal {
            return;
        }
        let misjudged = scenario.agents[held.by.agent]
            .process
            .is_some_and(|slot| scenario.slots[slot].misjudged);
        let lives = Scenario::lives(world, scenario.process_of(held.by)) && !misjudged;
        self.check(Check::OneLiveOwner, at, !lives, what);
        let seen = scenario.seen(world, asker, held.by);
        self.check(Check::UnknownIsAlive, at, seen != Life::Unknown, what);
        let early = *request == claim(false) && held.age != Age::Old;
        self.check(Check::TheHour, at, !early, what);
        let owners_only = matches!(request, Request::Complete { .. } | Request::Abort);
        self.check(Check::Fence, at, !owners_only, what);
    }

    /// The invariants of a world.
    fn check_world(&mut self, at: usize, world: &World) {
        let scenario = self.scenario;
        for (phase, place) in world.places.iter().enumerate() {
            let name = || scenario.graph.phase(scenario.phases[phase]).name.clone();
            if *place != Place::Pending {
                let passed = scenario.waits_for(world, phase).is_empty();
                self.check(Check::DependenciesFirst, at, passed, name);
            }
            // A script asks nobody.
            let by = match place {
                Place::Held(held) if held.kind == Kind::Ours => held.by,
                Place::Done(Finished { by: Some(by), script: false, .. }) => *by,
                Place::Pending | Place::Held(_) | Place::Done(_) => continue,
            };
            for other in &scenario.graph.phase(scenario.phases[phase]).not_by {
                let Place::Done(checked) = &world.places[other.index()] else {
                    self.check(Check::FourEyes, at, false, name);
                    continue;
                };
                let another = checked.by.is_some_and(|author| {
                    scenario.name_of(author) != scenario.name_of(by)
                        && (checked.process.is_none() || checked.process != scenario.process_of(by))
                });
                self.check(Check::FourEyes, at, another, name);
            }
        }
    }

    /// `next`, `holding`, `mine` and `may_end`.
    #[expect(clippy::too_many_arguments, reason = "one question with its surroundings")]
    fn check_lists(
        &mut self,
        at: usize,
        world: &World,
        asker: Author,
        worktree: &'static str,
        board: &Board,
        facts: Facts<'_>,
        bit: usize,
    ) {
        let scenario = self.scenario;
        let all = || 0..scenario.phases.len();
        let name = |phase: usize| scenario.graph.phase(scenario.phases[phase]).name.clone();
        let who = || format!("asked by {} from {worktree}", scenario.name_of(asker));
        let answer = |phase: usize| scenario.expected(world, asker, worktree, phase, &claim(false));
        let open: Vec<usize> =
            all().filter(|phase| ["take", "take over"].contains(&answer(*phase))).collect();
        let barred: Vec<String> =
            all().filter(|phase| answer(*phase) == "four_eyes").map(name).collect();
        let held = |phase: &usize| match &world.places[*phase] {
            Place::Held(held) => Some(*held),
            Place::Pending | Place::Done(_) => None,
        };
        let finished = world.places.iter().all(|place| matches!(place, Place::Done(_)));
        let next = (self.rules.next)(board, facts);
        match &next {
            Ok(_) => self.granted[at] |= 1 << bit,
            Err(refusal) => {
                if refusal.retry() == Retry::Never {
                    self.never[at] |= 1 << bit;
                }
            }
        }
        let right = match &next {
            Ok(ids) => {
                !ids.is_empty() && ids.iter().map(|id| id.index()).collect::<Vec<_>>() == open
            }
            Err(Refusal::Finished {}) => open.is_empty() && finished,
            Err(Refusal::NotForYou { phases }) => {
                open.is_empty() && !finished && !phases.is_empty() && *phases == barred
            }
            Err(Refusal::NothingReady { claimed, failed }) => {
                let fails = |phase: &usize| matches!(&world.places[*phase], Place::Done(done) if done.verdict == Verdict::Fail);
                open.is_empty()
                    && !finished
                    && barred.is_empty()
                    && claimed.iter().map(|held| held.phase.clone()).collect::<Vec<_>>()
                        == all().filter(|phase| held(phase).is_some()).map(name).collect::<Vec<_>>()
                    && *failed == all().filter(fails).map(name).collect::<Vec<_>>()
                    // Something must be in the way.
                    && !(claimed.is_empty() && failed.is_empty())
            }
            Err(_) => false,
        };
        self.check(Check::Next, at, right, || format!("{}: {next:?}", who()));

        let mine: Vec<usize> = all()
            .filter(|phase| {
                held(phase).is_some_and(|held| {
                    held.kind != Kind::Plain && scenario.kin(world, asker, &held) != Kin::Other
                })
            })
            .collect();
        let listed: Vec<usize> =
            decide::mine(board, facts).into_iter().map(PhaseId::index).collect();
        self.check(Check::Holding, at, listed == mine, || format!("{}: mine: {listed:?}", who()));
        let here = mine.iter().copied().find(|phase| {
            held(phase).is_some_and(|held| held.kind == Kind::Ours && held.worktree == worktree)
        });
        let holding = (self.rules.holding)(board, facts);
        let right = match &holding {
            None => here.is_none(),
            Some(Refusal::Holding { phase, .. }) => here.map(name).as_ref() == Some(phase),
            Some(_) => false,
        };
        self.check(Check::Holding, at, right, || format!("{}: {holding:?}", who()));

        let in_the_way: Vec<String> = all()
            .filter(|phase| {
                held(phase).is_some_and(|held| {
                    scenario.seen(world, asker, held.by) != Life::Dead
                        && scenario.kin(world, asker, &held) == Kin::Other
                })
            })
            .map(name)
            .collect();
        let may_end = (self.rules.may_end)(board, facts, true);
        let right = match &may_end {
            Ok(()) => in_the_way.is_empty(),
            Err(Refusal::LiveClaims { claims, starting: true }) => {
                !claims.is_empty()
                    && claims.iter().map(|held| held.phase.clone()).collect::<Vec<_>>()
                        == in_the_way
            }
            Err(_) => false,
        };
        self.check(Check::MayEnd, at, right, || format!("{}: {may_end:?}", who()));
    }

    /// When everybody has died and time has passed, strangers finish the sprint: one for each phase,
    /// by what `claim` grants, and by force only where nothing can be known of an owner.
    fn check_rescue(&mut self, at: usize, world: &World) {
        let scenario = self.scenario;
        let fails = |phase: &PhaseId| {
            matches!(
                &world.places[phase.index()],
                Place::Done(Finished { verdict: Verdict::Fail, .. })
            )
        };
        if scenario.graph.ids().any(|id| scenario.graph.phase(id).depends_on.iter().any(fails)) {
            return;
        }
        let mut deserted = world.clone();
        let walking = scenario.slots.len() - scenario.phases.len();
        for process in deserted.processes.iter_mut().take(walking) {
            process.1 = false;
        }
        grow_old(&mut deserted);
        for place in &mut deserted.places {
            if let Place::Held(held) = place {
                held.former = None;
            }
        }
        deserted.granted.fill(None);
        scenario.normalise(&mut deserted);
        let known = self.rescues.get(&deserted).copied();
        let rescue = known.unwrap_or_else(|| self.rescue(&deserted));
        self.rescues.insert(deserted, rescue);
        match rescue {
            Rescue::Plain => {}
            Rescue::Force { needed: true } => self.report.by_force += 1,
            Rescue::Nobody => self.report.by_nobody += 1,
            Rescue::Force { needed: false } | Rescue::Wedged => {
                self.check(Check::NotWedged, at, false, || format!("{rescue:?}"));
            }
        }
    }

    fn rescue(&self, deserted: &World) -> Rescue {
        let scenario = self.scenario;
        let mut world = deserted.clone();
        let mut forced = false;
        let needed = world.places.iter().enumerate().any(|(phase, place)| match place {
            Place::Held(held) => {
                let stranger = scenario.present(&world, scenario.walkers + phase);
                held.kind == Kind::Plain || scenario.seen(&world, stranger, held.by) != Life::Dead
            }
            Place::Pending | Place::Done(_) => false,
        });
        let left = |world: &World| -> Vec<usize> {
            let open = |phase: &usize| !matches!(world.places[*phase], Place::Done(_));
            (0..scenario.phases.len()).filter(open).collect()
        };
        let ask = |world: &World, phase: usize, request: &Request| {
            let stranger = scenario.present(world, scenario.walkers + phase);
            let me = scenario.me(world, stranger, "/repo");
            let facts = Facts { me: &me, now: NOW, stale_after: STALE_AFTER };
            let board = scenario.board(world, stranger);
            let change =
                (self.rules.decide)(&board, scenario.phases[phase], request, facts).ok()?;
            scenario.apply(world, stranger, "/repo", phase, (request, change))
        };
        for _ in 0..4 * scenario.phases.len() {
            let unstuck = |force| {
                let freed = |phase| ask(&world, phase, &Request::Unstuck { force });
                left(&world).into_iter().find_map(freed)
            };
            let finished = left(&world).into_iter().find_map(|phase| {
                let claimed = ask(&world, phase, &claim(false))?;
                ask(&claimed, phase, &hand_in(None, Verdict::Pass))
            });
            if let Some(after) = finished.or_else(|| unstuck(false)) {
                world = after;
            } else if let Some(after) = unstuck(true) {
                forced = true;
                world = after;
            } else {
                break;
            }
        }
        // Who wrote what they check cannot be known, and so nobody may.
        let unknown = |phase: &usize| {
            let anyones = |other: &PhaseId| {
                matches!(world.places[other.index()], Place::Done(Finished { by: None, .. }))
            };
            scenario.graph.phase(scenario.phases[*phase]).not_by.iter().any(anyones)
        };
        let nobodys =
            |phase: &usize| unknown(phase) || !scenario.waits_for(&world, *phase).is_empty();
        match left(&world) {
            left if left.is_empty() && forced => Rescue::Force { needed },
            left if left.is_empty() => Rescue::Plain,
            left if left.iter().all(nobodys) && left.first().is_some_and(unknown) => Rescue::Nobody,
            _ => Rescue::Wedged,
        }
    }

    /// What was refused for ever is not granted in any world that follows, while the asker is the
    /// same process.
    fn check_never(&mut self) {
        let scenario = self.scenario;
        let per_worktree = 1 + scenario.phases.len() * scenario.requests.len();
        // The requests of those who are others after a slot has restarted.
        let mut masks = vec![0_u128; scenario.slots.len()];
        let mut bit = 0;
        for agent in scenario.agents.iter().take(scenario.walkers).filter(|agent| !agent.script) {
            for _ in 0..agent.worktrees.len() * per_worktree {
                for slot in [agent.process, agent.above].into_iter().flatten() {
                    masks[slot] |= 1 << bit;
                }
                bit += 1;
            }
        }
        let mut before: Vec<Vec<(usize, Option<usize>)>> = vec![Vec::new(); self.worlds.len()];
        for (from, steps) in self.steps.iter().enumerate() {
            for &(to, restarted) in steps {
                before[to].push((from, restarted));
            }
        }
        let mut later = self.granted.clone();
        let mut open: Vec<usize> = (0..later.len()).collect();
        while let Some(world) = open.pop() {
            for &(from, restarted) in &before[world] {
                let carried = later[world] & !restarted.map_or(0, |slot| masks[slot]);
                if carried & !later[from] != 0 {
                    later[from] |= carried;
                    open.push(from);
                }
            }
        }
        for (at, granted_later) in later.into_iter().enumerate() {
            let lied = self.never[at] & granted_later;
            self.check(Check::Never, at, lied == 0, || {
                let bit = lied.trailing_zeros() as usize;
                format!("request {} of asker {}", bit % per_worktree, bit / per_worktree)
            });
        }
    }

    fn finish(mut self) -> Report {
        for (check, violation) in &self.violations {
            let mut path = Vec::new();
            let mut at = violation.world;
            while let Some((from, event)) = &self.from[at] {
                path.push(self.scenario.tell(event));
                at = *from;
            }
            path.reverse();
            let mut text = format!("{} times, first: {}", violation.count, violation.what);
            for step in path {
                _ = write!(text, "\n    after {step}");
            }
            _ = write!(text, "\n    in {:?}", self.worlds[violation.world]);
            self.report.broken.insert(*check, text);
        }
        self.report.worlds = self.worlds.len();
        self.report.steps = self.steps.iter().map(Vec::len).sum();
        self.report
    }
}

impl Scenario {
    fn tell(&self, event: &Event) -> String {
        let name = |phase: usize| &self.graph.phase(self.phases[phase]).name;
        if let Event::Asks { agent, worktree, phase, request } = event {
            format!("agent {agent} in {worktree}: {request:?} {}", name(*phase))
        } else {
            format!("{event:?}")
        }
    }

    /// What is not so in a refusal.
    fn wrong(
        &self,
        world: &World,
        asker: Author,
        phase: usize,
        refusal: &Refusal,
    ) -> Option<&'static str> {
        let name = |phase: usize| &self.graph.phase(self.phases[phase]).name;
        let held = match &world.places[phase] {
            Place::Held(held) => Some(held),
            Place::Pending | Place::Done(_) => None,
        };
        let wrong_holder = |holder: &Holder| match held {
            None => Some("nobody holds it"),
            Some(held) => {
                let alive = self.seen(world, asker, held.by).into();
                (holder.agent != self.name_of(held.by) || holder.alive != alive)
                    .then_some("another holds it")
            }
        };
        match refusal {
            Refusal::Claimed { phase: of, holder, same_agent, only_unstuck } => {
                let mine = held.is_some_and(|held| self.kin(world, asker, held) != Kin::Other);
                let plain = held.is_some_and(|held| held.kind == Kind::Plain);
                if of != name(phase) || (*same_agent && !mine) || *only_unstuck != plain {
                    return Some("its flags");
                }
                wrong_holder(holder)
            }
            Refusal::NotOwner { phase: of, holder }
            | Refusal::Alive { phase: of, holder }
            | Refusal::Lost { phase: of, holder: Some(holder), .. } => {
                if of == name(phase) {
                    wrong_holder(holder)
                } else {
                    Some("the phase")
                }
            }
            Refusal::Blocked { phase: of, waits_for } => {
                let waits: Vec<_> = self.waits_for(world, phase);
                let state = |dep: usize| match &world.places[dep] {
                    Place::Pending => "pending",
                    Place::Held(_) => "claimed",
                    Place::Done(_) => "failed",
                };
                let same = waits.len() == waits_for.len()
                    && waits
                        .iter()
                        .zip(waits_for)
                        .all(|(dep, wait)| wait.phase == *name(*dep) && wait.state == state(*dep));
                (of != name(phase) || !same || waits.is_empty()).then_some("what it waits for")
            }
            Refusal::FourEyes { phase: of, other, agent } => {
                let author = (0..self.phases.len()).find(|other_phase| name(*other_phase) == other);
                let true_author = author.is_some_and(|other| match &world.places[other] {
                    Place::Done(done) => {
                        done.by.map(|by| self.name_of(by)).unwrap_or_default() == *agent
                    }
                    Place::Pending | Place::Held(_) => false,
                });
                (of != name(phase) || !true_author).then_some("whose work it is")
            }
            Refusal::Done { phase: of, agent, verdict, .. } => match &world.places[phase] {
                Place::Done(done) => {
                    let by = done.by.map(|by| self.name_of(by)).unwrap_or_default();
                    (of != name(phase) || *agent != by || *verdict != done.verdict)
                        .then_some("who did it")
                }
                Place::Pending | Place::Held(_) => Some("it is not done"),
            },
            Refusal::NotClaimed { phase: of } => {
                (of != name(phase) || held.is_some()).then_some("it is claimed")
            }
            Refusal::NoSprint {}
            | Refusal::UnknownPhase { .. }
            | Refusal::Lost { holder: None, .. }
            | Refusal::LiveClaims { .. }
            | Refusal::NothingReady { .. }
            | Refusal::Finished {}
            | Refusal::NotForYou { .. }
            | Refusal::Holding { .. }
            | Refusal::BadArtifact { .. }
            | Refusal::InvalidGraph { .. } => Some("no such refusal here"),
        }
    }
}

// ---------------------------------------------------------------------------------------------
// The sprints that are walked

#[expect(clippy::too_many_lines, reason = "a list")]
fn scenarios() -> Vec<Scenario> {
    use Agent as A;
    let artifacts = [PASS, WITH_A, WITH_B, FAIL, FAIL_A];
    vec![
        Scenario::new(
            "two processes of one explicit name, and a session",
            "a",
            &[HERE, HERE, HERE],
            &[A::explicit("ada", 0), A::explicit("ada", 1), A::session("5e55", 2)],
        )
        .asking(&artifacts),
        Scenario::new(
            "one session in two processes, and a detected agent without one",
            "a",
            &[HERE, HERE, HERE],
            &[A::session("5e55", 0), A::session("5e55", 1), A::detected("codex", 2)],
        )
        .asking(&[PASS, WITH_A]),
        Scenario::new(
            "two terminals of one user, and another user",
            "a",
            &[HERE, HERE, HERE],
            &[A::person(1000, 0), A::person(1000, 1), A::person(1001, 2)],
        ),
        Scenario::new(
            "a person here and there, and an agent of that user",
            "a",
            &[HERE, ELSEWHERE, HERE],
            &[A::person(1000, 0), A::person(1000, 1), A::detected("codex", 2)],
        ),
        Scenario::new(
            "subagents of one process, and a helper below it",
            "a",
            &[HERE, HERE],
            &[
                A::explicit("lead", 0),
                A::explicit("lead/2", 0),
                A::explicit("lead", 1).under(0),
                A::detected("claude", 0),
            ],
        ),
        Scenario::new(
            "a script, one of its name, and another",
            "a",
            &[HERE, HERE, HERE],
            &[A::script("ada", 0), A::explicit("ada", 1), A::session("5e55", 2)],
        ),
        Scenario::new(
            "other hosts and containers",
            "a",
            &[HERE, ELSEWHERE, SANDBOX],
            &[
                A::explicit("ada", 0),
                A::explicit("ada", 1),
                A::session("5e55", 2),
                A::session("5e55", 1),
            ],
        ),
        Scenario::new(
            "agents without a process",
            "a",
            &[HERE],
            &[
                A::explicit("job", 0).without_process(),
                A::explicit("job", 0),
                A::session("5e55", 0).without_process(),
                A::detected("codex", 0).without_process(),
            ],
        ),
        Scenario::new(
            "an owner, one with its token, and another",
            "a",
            &[HERE, HERE, HERE],
            &[
                A::explicit("ada", 0),
                A::detected("job", 1).with_token_of(0),
                A::explicit("bo", 2).with_token_of(2),
            ],
        ),
        Scenario::new(
            "two worktrees",
            "a",
            &[HERE, HERE],
            &[
                A::explicit("ada", 0).in_two_worktrees(),
                A::explicit("ada", 1).in_two_worktrees(),
                A::session("5e55", 1).in_two_worktrees(),
            ],
        ),
        Scenario::new(
            "a sandboxed session in two worktrees, with a token",
            "a",
            &[SANDBOX, HERE],
            &[
                A::session("5e55", 0).in_two_worktrees(),
                A::explicit("ada", 1).in_two_worktrees().with_token_of(0),
            ],
        ),
        Scenario::new(
            "the clock jumped back",
            "a",
            &[HERE, HERE],
            &[A::explicit("ada", 0), A::session("5e55", 1)],
        )
        .after_the_clock_jumped_back(),
        Scenario::new(
            "taken for dead",
            "a",
            &[MISJUDGED, MISJUDGED],
            &[A::explicit("ada", 0), A::session("5e55", 1)],
        )
        .asking(&[PASS, WITH_A]),
        Scenario::new(
            "a chain, with failures",
            "a b:a",
            &[HERE, HERE],
            &[A::explicit("ada", 0), A::session("5e55", 1)],
        )
        .asking(&[PASS, FAIL]),
        Scenario::new(
            "a chain, with a script",
            "a b:a",
            &[HERE, HERE],
            &[A::script("ada", 0), A::explicit("ada", 1)],
        )
        .asking(&[PASS, FAIL]),
        Scenario::new(
            "four eyes, two names of one process",
            "build review:build!build",
            &[HERE, HERE],
            &[A::explicit("builder", 0), A::explicit("rev", 0), A::explicit("rev", 1)],
        )
        .forgetful(),
        Scenario::new(
            "four eyes, detected",
            "build review:build!build",
            &[HERE, HERE],
            &[A::session("5e55", 0), A::explicit("rev", 0), A::detected("codex", 1)],
        )
        .forgetful(),
        Scenario::new(
            "four eyes, with a token",
            "build review:build!build",
            &[HERE, HERE],
            &[A::explicit("builder", 0).with_token_of(1), A::explicit("rev", 1)],
        )
        .forgetful(),
        Scenario::new(
            "four eyes, with a script",
            "build review:build!build",
            &[HERE, HERE],
            &[A::script("builder", 0), A::explicit("builder", 1), A::explicit("rev", 1)],
        )
        .forgetful(),
        Scenario::new(
            "four eyes at the end of a chain",
            "build qa:build ship:qa!build",
            &[HERE, HERE],
            &[A::explicit("builder", 0), A::session("5e55", 1)],
        )
        .forgetful()
        .without_restarts(),
        Scenario::new(
            "a fan of three",
            "a b c",
            &[HERE, HERE],
            &[A::explicit("ada", 0), A::session("5e55", 1)],
        )
        .forgetful()
        .without_restarts(),
        Scenario::new(
            "a diamond, with failures and four eyes",
            "a b:a c:a!a d:b+c",
            &[HERE, ELSEWHERE],
            &[A::explicit("ada", 0), A::session("5e55", 1)],
        )
        .asking(&[PASS, FAIL])
        .forgetful()
        .without_restarts(),
    ]
}

/// Larger sprints of three agents.
fn larger() -> Vec<Scenario> {
    use Agent as A;
    vec![
        Scenario::new(
            "a chain, three agents",
            "a b:a",
            &[HERE, HERE, ELSEWHERE],
            &[A::explicit("ada", 0), A::session("5e55", 1), A::detected("codex", 2)],
        )
        .asking(&[PASS, FAIL_A])
        .forgetful()
        .without_restarts(),
        Scenario::new(
            "a fan of three, three agents",
            "a b c",
            &[HERE, HERE],
            &[A::explicit("ada", 0), A::session("5e55", 1), A::explicit("ada/2", 0)],
        )
        .forgetful()
        .without_restarts(),
        Scenario::new(
            "a diamond, with restarts",
            "a b:a c:a!a d:b+c",
            &[HERE, HERE],
            &[A::explicit("ada", 0), A::session("5e55", 1)],
        )
        .forgetful(),
    ]
}

/// Every kind of agent; each with the place of its process.
fn kinds() -> Vec<(Agent, Slot)> {
    use Agent as A;
    vec![
        (A::explicit("ada", 0), HERE),
        (A::explicit("ada", 1), HERE),
        (A::explicit("ada/2", 0), HERE),
        (A::explicit("ada", 2).under(0), HERE),
        (A::session("5e55", 3), HERE),
        (A::session("5e55", 4), SANDBOX),
        (A::session("5e55", 5), ELSEWHERE),
        (A::detected("codex", 0), HERE),
        (A::detected("job", 6).with_token_of(0), HERE),
        (A::explicit("ada", 7).without_process(), HERE),
        (A::person(1000, 8), HERE),
        (A::person(1000, 9), HERE),
        (A::script("ada", 10), HERE),
        (A::explicit("ada", 11).in_two_worktrees(), MISJUDGED),
    ]
}

/// Sprints of some agents of these kinds, with just the processes that they have.
fn of_kinds(graph: &str, chosen: &[usize]) -> Scenario {
    let kinds = kinds();
    let mut slots: Vec<usize> = Vec::new();
    let mut places = Vec::new();
    let mut agents = Vec::new();
    for &index in chosen {
        let (mut agent, place) = kinds[index].clone();
        for slot in [&mut agent.process, &mut agent.above].into_iter().flatten() {
            let known = slots.iter().position(|known| known == slot);
            *slot = known.unwrap_or_else(|| {
                slots.push(*slot);
                places.push(place);
                slots.len() - 1
            });
        }
        agents.push(agent);
    }
    Scenario::new("some kinds", graph, &places, &agents)
}

/// All that the rules do among any two kinds of agents where one must not check its own work, and
/// among any three of them at one phase.
#[test]
fn the_rules_hold_among_all_kinds_of_agents() {
    let began = std::time::Instant::now();
    let count = kinds().len();
    let mut broken = String::new();
    let mut totals = [(0, 0, 0); 2];
    let mut look = |scenario: &Scenario, chosen: &[usize], total: usize| {
        let report = walk(scenario, SHIPPED, None);
        totals[total].0 += 1;
        totals[total].1 += report.worlds;
        totals[total].2 += report.answers;
        for (check, text) in report.broken {
            _ = writeln!(broken, "{chosen:?}: {check:?}: {text}");
        }
    };
    for a in 0..count {
        for b in a + 1..count {
            let pair = [a, b];
            look(&of_kinds("a b:a!a", &pair).asking(&[PASS, FAIL]).forgetful(), &pair, 0);
            for c in b + 1..count {
                let three = [a, b, c];
                look(&of_kinds("a", &three).without_restarts(), &three, 1);
            }
        }
    }
    println!("pairs, triples: (sprints, worlds, answers) {totals:?} in {:?}", began.elapsed());
    assert!(broken.is_empty(), "{broken}");
}

#[test]
fn the_rules_hold_in_every_reachable_world() {
    let mut cells: BTreeMap<_, usize> = BTreeMap::new();
    let mut broken = String::new();
    let mut totals = (0, 0, 0);
    for scenario in scenarios().into_iter().chain(larger()) {
        let began = std::time::Instant::now();
        let report = walk(&scenario, SHIPPED, None);
        println!(
            "{:>7} worlds {:>8} steps {:>8} answers {:>6} by force {:>4} by nobody {:>5} ms  {}",
            report.worlds,
            report.steps,
            report.answers,
            report.by_force,
            report.by_nobody,
            began.elapsed().as_millis(),
            scenario.name,
        );
        totals.0 += report.worlds;
        totals.1 += report.steps;
        totals.2 += report.answers;
        for (cell, count) in report.cells {
            *cells.entry(cell).or_default() += count;
        }
        for (check, text) in report.broken {
            _ = writeln!(broken, "{}: {check:?}: {text}", scenario.name);
        }
    }
    println!("{:>7} worlds {:>8} steps {:>8} answers", totals.0, totals.1, totals.2);
    for ((row, column, answer), count) in &cells {
        println!("{row:>16} {column:>10} {answer:<19} {count:>9}");
    }
    assert!(broken.is_empty(), "{broken}");
    let met: BTreeSet<_> = cells.into_keys().collect();
    let table: BTreeSet<_> = TABLE
        .iter()
        .flat_map(|(row, column, answers)| answers.iter().map(|answer| (*row, *column, *answer)))
        .collect();
    assert_eq!(met, table, "the table of answers has other cells than were met");
}

/// What is ever answered to each request, by the phase's state.
const TABLE: &[(&str, &str, &[&str])] = &[
    ("claim", "pending", &["take", "blocked", "four_eyes"]),
    ("claim", "mine", &["renew", "take over", ELSEWHERE_MINE, "four_eyes"]),
    ("claim", "another's", &["claimed"]),
    ("claim", "stale", &["take over", "four_eyes"]),
    ("claim", "old layout", &["claimed"]),
    ("claim", "done", &["done"]),
    ("claim --takeover", "pending", &["take", "blocked", "four_eyes"]),
    ("claim --takeover", "mine", &["renew", "take over", ELSEWHERE_MINE, "four_eyes"]),
    ("claim --takeover", "another's", &["claimed", "take over", "four_eyes"]),
    ("claim --takeover", "stale", &["take over", "four_eyes"]),
    ("claim --takeover", "old layout", &["claimed"]),
    ("claim --takeover", "done", &["done"]),
    ("complete", "pending", &["not_claimed"]),
    ("complete", "mine", &["complete", "four_eyes"]),
    ("complete", "another's", &["not_owner", "lost"]),
    ("complete", "stale", &["not_owner", "lost"]),
    ("complete", "old layout", &["not_owner"]),
    ("complete", "done", &["confirm", "done"]),
    ("abort", "pending", &["not_claimed"]),
    ("abort", "mine", &["free"]),
    ("abort", "another's", &["not_owner", "lost"]),
    ("abort", "stale", &["not_owner", "lost"]),
    ("abort", "old layout", &["not_owner"]),
    ("abort", "done", &["done"]),
    ("unstuck", "pending", &["nothing"]),
    ("unstuck", "mine", &["free", "alive"]),
    ("unstuck", "another's", &["free", "alive"]),
    ("unstuck", "stale", &["free"]),
    ("unstuck", "old layout", &["free", "alive"]),
    ("unstuck", "done", &["done"]),
    ("unstuck --force", "pending", &["nothing"]),
    ("unstuck --force", "mine", &["free"]),
    ("unstuck --force", "another's", &["free"]),
    ("unstuck --force", "stale", &["free"]),
    ("unstuck --force", "old layout", &["free"]),
    ("unstuck --force", "done", &["done"]),
];

// ---------------------------------------------------------------------------------------------
// Rules that are broken on purpose

type Answer = Result<Change, Refusal>;

/// The board with every claim and completion changed.
fn doctored(board: &Board, claimed: impl Fn(&mut Hold), done: impl Fn(&mut Done)) -> Board {
    let mut changed = board.clone();
    for id in board.graph.ids() {
        let mut state = board.state(id).clone();
        match &mut state {
            State::Pending => {}
            State::Claimed(hold) => claimed(hold),
            State::Done(record) => done(record),
        }
        changed.set(id, state);
    }
    changed
}

fn hold_of(board: &Board, id: PhaseId) -> Option<&Hold> {
    match board.state(id) {
        State::Claimed(hold) => Some(hold),
        State::Pending | State::Done(_) => None,
    }
}

fn everybody_is_dead(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    let board = doctored(board, |hold| hold.life = Life::Dead, |_| ());
    decide::decide(&board, id, request, facts)
}

fn unknown_is_dead(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    let doubt = |hold: &mut Hold| {
        if hold.life == Life::Unknown {
            hold.life = Life::Dead;
        }
    };
    decide::decide(&doctored(board, doubt, |_| ()), id, request, facts)
}

fn ignores_dependencies(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    match decide::decide(board, id, request, facts) {
        Err(Refusal::Blocked { .. }) => Ok(Change::Take),
        answer => answer,
    }
}

fn ignores_failure(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    let board = doctored(board, |_| (), |done| done.verdict = Verdict::Pass);
    decide::decide(&board, id, request, facts)
}

fn ignores_four_eyes(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    match decide::decide(board, id, request, facts) {
        Err(Refusal::FourEyes { .. }) if *board.state(id) == State::Pending => Ok(Change::Take),
        answer => answer,
    }
}

fn four_eyes_by_name(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    decide::decide(&doctored(board, |_| (), |done| done.process = None), id, request, facts)
}

fn trusts_the_unknown(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    let somebody = |done: &mut Done| {
        if done.agent.is_empty() {
            "somebody".clone_into(&mut done.agent);
        }
    };
    decide::decide(&doctored(board, |_| (), somebody), id, request, facts)
}

fn four_eyes_at_claim(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    match (request, decide::decide(board, id, request, facts)) {
        (Request::Complete { .. }, Err(Refusal::FourEyes { .. })) => Ok(Change::Complete),
        (_, answer) => answer,
    }
}

fn anyone_completes(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    match (request, decide::decide(board, id, request, facts)) {
        (Request::Complete { .. }, Err(Refusal::NotOwner { .. })) => Ok(Change::Complete),
        (_, answer) => answer,
    }
}

fn the_robbed_complete(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    match (request, decide::decide(board, id, request, facts)) {
        (Request::Complete { .. }, Err(Refusal::Lost { .. })) => Ok(Change::Complete),
        (_, answer) => answer,
    }
}

fn anyone_aborts(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    match (request, decide::decide(board, id, request, facts)) {
        (Request::Abort, Err(Refusal::NotOwner { .. })) => Ok(Change::Free),
        (_, answer) => answer,
    }
}

fn before_the_hour(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    let early = SignedDuration::from_nanos(1);
    decide::decide(board, id, request, Facts { stale_after: STALE_AFTER - early, ..facts })
}

fn after_the_hour(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    let late = SignedDuration::from_nanos(1);
    decide::decide(board, id, request, Facts { stale_after: STALE_AFTER + late, ..facts })
}

fn claims_the_done(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    match (request, decide::decide(board, id, request, facts)) {
        (Request::Claim { .. }, Err(Refusal::Done { .. })) => Ok(Change::Take),
        (_, answer) => answer,
    }
}

fn frees_the_done(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    match (request, decide::decide(board, id, request, facts)) {
        (Request::Unstuck { force: true }, Err(Refusal::Done { .. })) => Ok(Change::Free),
        (_, answer) => answer,
    }
}

fn renews_anywhere(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    match decide::decide(board, id, request, facts) {
        Err(Refusal::Claimed { same_agent: true, .. }) => Ok(Change::Renew),
        answer => answer,
    }
}

fn any_users_terminal(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    let anyones = |hold: &mut Hold| hold.claim.user = facts.me.user;
    decide::decide(&doctored(board, anyones, |_| ()), id, request, facts)
}

fn an_agent_is_a_person(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    let person = |hold: &mut Hold| hold.claim.person = true;
    decide::decide(&doctored(board, person, |_| ()), id, request, facts)
}

fn the_name_is_enough(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    let mine = |hold: &mut Hold| {
        if hold.claim.agent == facts.me.name {
            hold.life = Life::Dead;
        }
    };
    decide::decide(&doctored(board, mine, |_| ()), id, request, facts)
}

fn forces_unasked(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    match decide::decide(board, id, request, facts) {
        Err(Refusal::Alive { .. }) => Ok(Change::Free),
        answer => answer,
    }
}

fn spares_the_unknown(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    let request = match (request, hold_of(board, id)) {
        (Request::Unstuck { .. }, Some(hold)) if hold.life == Life::Unknown => {
            &Request::Unstuck { force: false }
        }
        _ => request,
    };
    decide::decide(board, id, request, facts)
}

fn only_force_helps(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    let alive = |hold: &mut Hold| hold.life = Life::Alive;
    decide::decide(&doctored(board, alive, |_| ()), id, request, facts)
}

fn renews_for_the_dead(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    let token = facts.me.token.as_ref();
    let presented =
        token.is_some() && hold_of(board, id).and_then(|h| h.claim.token.as_ref()) == token;
    match decide::decide(board, id, request, facts) {
        Ok(Change::TakeOver) if presented => Ok(Change::Renew),
        answer => answer,
    }
}

fn waits_for_nothing(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    match decide::decide(board, id, request, facts) {
        Err(Refusal::Blocked { phase, .. }) => {
            Err(Refusal::Blocked { phase, waits_for: Vec::new() })
        }
        answer => answer,
    }
}

fn says_done_too_soon(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    match decide::decide(board, id, request, facts) {
        Err(Refusal::Blocked { phase, .. }) => Err(Refusal::done(&phase, &Done::default())),
        answer => answer,
    }
}

type Listed = Result<Vec<PhaseId>, Refusal>;

fn lists_the_pending(board: &Board, facts: Facts<'_>) -> Listed {
    let pending: Vec<_> =
        board.graph.ids().filter(|id| *board.state(*id) == State::Pending).collect();
    if pending.is_empty() { decide::next(board, facts) } else { Ok(pending) }
}

fn lists_only_the_ready(board: &Board, facts: Facts<'_>) -> Listed {
    let mut listed = decide::next(board, facts)?;
    listed.retain(|id| board.is_ready(*id));
    if listed.is_empty() {
        Err(Refusal::NothingReady { claimed: Vec::new(), failed: Vec::new() })
    } else {
        Ok(listed)
    }
}

fn finishes_early(board: &Board, facts: Facts<'_>) -> Listed {
    decide::next(board, facts).map_err(|_| Refusal::Finished {})
}

fn holds_nothing(_: &Board, _: Facts<'_>) -> Option<Refusal> {
    None
}

fn ends_at_will(board: &Board, facts: Facts<'_>, starting: bool) -> Result<(), Refusal> {
    let dead = doctored(board, |hold| hold.life = Life::Dead, |_| ());
    decide::may_end(&dead, facts, starting)
}

#[test]
fn the_walk_notices_every_broken_rule() {
    let handover = "two processes of one explicit name, and a session";
    let terminals = "two terminals of one user, and another user";
    let here_and_there = "a person here and there, and an agent of that user";
    let hosts = "other hosts and containers";
    let chain = "a chain, with failures";
    let one_process = "four eyes, two names of one process";
    let decide = |decide| Rules { decide, ..SHIPPED };
    let next = |next| Rules { next, ..SHIPPED };
    let broken: &[(&str, Rules, &str, Check)] = &[
        ("ignores who lives", decide(everybody_is_dead), handover, Check::OneLiveOwner),
        ("takes unknown for dead", decide(unknown_is_dead), hosts, Check::UnknownIsAlive),
        ("ignores dependencies", decide(ignores_dependencies), chain, Check::DependenciesFirst),
        ("goes on after a failure", decide(ignores_failure), chain, Check::DependenciesFirst),
        ("ignores four eyes", decide(ignores_four_eyes), one_process, Check::FourEyes),
        ("compares names only", decide(four_eyes_by_name), one_process, Check::FourEyes),
        (
            "trusts an unknown author",
            decide(trusts_the_unknown),
            "four eyes, with a script",
            Check::FourEyes,
        ),
        ("lets the author complete", decide(four_eyes_at_claim), one_process, Check::FourEyes),
        ("lets anyone complete", decide(anyone_completes), handover, Check::Fence),
        ("lets the robbed complete", decide(the_robbed_complete), handover, Check::Fence),
        ("lets anyone abort", decide(anyone_aborts), handover, Check::Fence),
        ("reclaims a moment early", decide(before_the_hour), handover, Check::TheHour),
        ("reclaims a moment late", decide(after_the_hour), handover, Check::Answer),
        ("claims what is done", decide(claims_the_done), handover, Check::DoneForEver),
        ("frees what is done", decide(frees_the_done), handover, Check::DoneForEver),
        ("renews from anywhere", decide(renews_anywhere), "two worktrees", Check::OneLiveOwner),
        ("robs another user", decide(any_users_terminal), terminals, Check::OneLiveOwner),
        ("robs an agent", decide(an_agent_is_a_person), here_and_there, Check::OneLiveOwner),
        ("goes by the name", decide(the_name_is_enough), handover, Check::OneLiveOwner),
        ("forces unasked", decide(forces_unasked), handover, Check::OneLiveOwner),
        ("forces unasked, unseen", decide(forces_unasked), hosts, Check::UnknownIsAlive),
        ("spares the unknown", decide(spares_the_unknown), hosts, Check::NotWedged),
        ("needs force for the dead", decide(only_force_helps), handover, Check::NotWedged),
        (
            "renews for the dead",
            decide(renews_for_the_dead),
            "an owner, one with its token, and another",
            Check::GrantedIsLive,
        ),
        ("hides what it waits for", decide(waits_for_nothing), chain, Check::Facts),
        ("says done too soon", decide(says_done_too_soon), chain, Check::Never),
        ("lists what is blocked", next(lists_the_pending), chain, Check::Next),
        ("does not list the stale", next(lists_only_the_ready), handover, Check::Next),
        ("calls it a day", next(finishes_early), handover, Check::Next),
        ("calls it a day for ever", next(finishes_early), handover, Check::Never),
        (
            "forgets what it holds",
            Rules { holding: holds_nothing, ..SHIPPED },
            "two worktrees",
            Check::Holding,
        ),
        ("ends over live claims", Rules { may_end: ends_at_will, ..SHIPPED }, hosts, Check::MayEnd),
    ];
    let scenarios = scenarios();
    for (what, rules, scenario, check) in broken {
        let scenario = scenarios.iter().find(|known| known.name == *scenario);
        let report = scenario.map(|scenario| walk(scenario, *rules, Some(*check)));
        let noticed = report.is_some_and(|report| report.broken.contains_key(check));
        assert!(noticed, "rules that are broken pass: {what}: no {check:?}");
    }
}

// ---------------------------------------------------------------------------------------------
// What the walk has found

impl Scenario {
    /// The world after `events`, by the shipped rules.
    fn after(&self, events: &[Event]) -> World {
        let mut world = self.start();
        for event in events {
            let next = if let Event::Asks { agent, worktree, phase, request } = event {
                let asker = self.present(&world, *agent);
                self.ask(&world, *agent, *phase, request).ok().and_then(|change| {
                    self.apply(&world, asker, worktree, *phase, (request, change))
                })
            } else {
                let same = |(other, after)| (other == *event).then_some(after);
                self.happenings(&world).into_iter().find_map(same)
            };
            match next {
                Some(next) => world = next,
                None => unreachable!("{} changes nothing", self.tell(event)),
            }
        }
        world
    }

    fn ask(&self, world: &World, agent: usize, phase: usize, request: &Request) -> Answer {
        self.with_facts(world, agent, |board, facts| {
            decide::decide(board, self.phases[phase], request, facts)
        })
    }

    fn with_facts<T>(
        &self,
        world: &World,
        agent: usize,
        ask: impl FnOnce(&Board, Facts<'_>) -> T,
    ) -> T {
        let asker = self.present(world, agent);
        let me = self.me(world, asker, "/repo");
        let facts = Facts { me: &me, now: NOW, stale_after: STALE_AFTER };
        ask(&self.board(world, asker), facts)
    }
}

fn asks(agent: usize, phase: usize, request: Request) -> Event {
    Event::Asks { agent, worktree: "/repo", phase, request }
}

/// Two names of one process are two agents; the second could hand in what it must not check by the
/// name that it shares with a dead reviewer.
#[test]
fn an_author_does_not_complete_the_review_of_a_dead_namesake() {
    let scenario = Scenario::new(
        "",
        "build review:build!build",
        &[HERE, HERE],
        &[Agent::explicit("builder", 0), Agent::explicit("rev", 0), Agent::explicit("rev", 1)],
    );
    let pass = hand_in(None, Verdict::Pass);
    let world = scenario.after(&[
        asks(0, 0, claim(false)),
        asks(0, 0, pass.clone()),
        asks(2, 1, claim(false)),
        Event::Dies(1),
    ]);
    assert_eq!(in_a_word(&scenario.ask(&world, 1, 1, &pass)), "four_eyes");
    assert_eq!(in_a_word(&scenario.ask(&world, 1, 1, &Request::Abort)), "free");
    assert_eq!(in_a_word(&scenario.ask(&world, 3, 1, &claim(true))), "take over");
}

/// Nor by the token of a living one.
#[test]
fn an_author_does_not_complete_the_review_by_its_token() {
    let scenario = Scenario::new(
        "",
        "build review:build!build",
        &[HERE, HERE],
        &[Agent::explicit("builder", 0).with_token_of(1), Agent::explicit("rev", 1)],
    );
    let pass = hand_in(None, Verdict::Pass);
    let world = scenario.after(&[
        asks(0, 0, claim(false)),
        asks(0, 0, pass.clone()),
        asks(1, 1, claim(false)),
    ]);
    assert_eq!(in_a_word(&scenario.ask(&world, 0, 1, &pass)), "four_eyes");
    assert_eq!(in_a_word(&scenario.ask(&world, 0, 1, &claim(false))), "four_eyes");
    assert_eq!(in_a_word(&scenario.ask(&world, 1, 1, &claim(false))), "renew");
    assert_eq!(in_a_word(&scenario.ask(&world, 1, 1, &pass)), "complete");
}

/// Who presents the token of a dead process's claim, and is told that it is its own, must not be
/// robbed as if it were dead too.
#[test]
fn a_token_makes_the_claim_of_a_dead_process_ones_own() {
    let scenario = Scenario::new(
        "",
        "a",
        &[HERE, HERE],
        &[Agent::explicit("ada", 0), Agent::detected("job", 1).with_token_of(0)],
    );
    let world = scenario.after(&[asks(0, 0, claim(false)), Event::Dies(0), Event::TimePasses]);
    assert_eq!(in_a_word(&scenario.ask(&world, 1, 0, &claim(false))), "take over");
    let world = scenario.after(&[
        asks(0, 0, claim(false)),
        Event::Dies(0),
        asks(1, 0, claim(false)),
        Event::TimePasses,
    ]);
    assert_eq!(in_a_word(&scenario.ask(&world, 2, 0, &claim(true))), "claimed");
    assert_eq!(in_a_word(&scenario.ask(&world, 1, 0, &hand_in(None, Verdict::Pass))), "complete");
}

/// A lock of an old layout can only be freed, so it is nobody's to list as held.
#[test]
fn an_old_layouts_lock_is_not_held_by_its_namesake() {
    let scenario = Scenario::new(
        "",
        "a",
        &[HERE, HERE],
        &[Agent::script("ada", 0), Agent::explicit("ada", 1)],
    );
    let plain = Event::ScriptClaims { agent: 0, phase: 0, plain: true };
    let world = scenario.after(&[plain, Event::Dies(0)]);
    assert_eq!(in_a_word(&scenario.ask(&world, 1, 0, &Request::Abort)), "not_owner");
    assert!(scenario.with_facts(&world, 1, decide::mine).is_empty());
}

/// What is ready is not for its author; what that opens may be.
#[test]
fn not_for_you_is_not_for_ever() {
    let scenario = Scenario::new(
        "",
        "build review:build!build ship:review",
        &[HERE, HERE],
        &[Agent::explicit("builder", 0), Agent::explicit("rev", 1)],
    );
    let pass = hand_in(None, Verdict::Pass);
    let mut events = vec![asks(0, 0, claim(false)), asks(0, 0, pass.clone())];
    let refused = scenario.with_facts(&scenario.after(&events), 0, decide::next);
    assert_eq!(refused.as_ref().map_err(Refusal::code), Err("not_for_you"));
    assert_eq!(refused.map_err(|refusal| refusal.retry()), Err(Retry::AfterChange));
    events.extend([asks(1, 1, claim(false)), asks(1, 1, pass)]);
    let opened = scenario.with_facts(&scenario.after(&events), 0, decide::next);
    assert_eq!(opened, Ok(vec![scenario.phases[2]]));
}
