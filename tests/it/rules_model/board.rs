//! A world as the rules get to see it: the records on the board, who asks, and what can be proven
//! of the process behind a claim.

use git_conductor::record::{Attempt, Claim, Done, Process, Token};
use git_conductor::rules::identity::{Life, Me, Signs, quiet_since};
use git_conductor::rules::request::Facts;
use git_conductor::rules::{Board, LiveClaim, State};
use jiff::{SignedDuration, Timestamp};

use super::agents::Agent;
use super::sprint::Scenario;
use super::world::{Age, Author, Finished, Held, Kind, Place, World};

pub(super) const STALE_AFTER: SignedDuration = SignedDuration::from_hours(1);
const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
/// Exactly as long ago as makes a dead owner's claim stale.
const OLD: Timestamp = Timestamp::constant(1_800_000_000 - 3600, 0);
/// A nanosecond too young for that.
const FRESH: Timestamp = Timestamp::constant(1_800_000_000 - 3600, 1);
/// After the clock has jumped back.
const FUTURE: Timestamp = Timestamp::constant(1_800_000_000 + 86_400, 0);

fn token(number: usize) -> Option<Token> {
    Some(Token::from_bytes([u8::try_from(number).ok()?; 16]))
}

/// The question of `me`, asked now.
pub(super) fn facts(me: &Me) -> Facts<'_> {
    Facts { me, now: NOW, stale_after: STALE_AFTER, max_attempts: None }
}

impl Scenario {
    /// The pid namespace of an incarnation: 0 is the host's.
    pub(super) fn namespace(&self, process: Option<(usize, usize)>) -> usize {
        match process {
            Some((slot, incarnation)) if self.slots[slot].sandboxed => 1 + 10 * slot + incarnation,
            _ => 0,
        }
    }

    pub(super) fn host(&self, process: Option<(usize, usize)>) -> usize {
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

    /// What `asker` can prove of a claim's process.
    pub(super) fn seen(&self, world: &World, asker: Author, owner: Author) -> Life {
        self.seen_process(world, asker, self.process_of(owner))
    }

    /// What `asker` can prove of a recorded process.
    pub(super) fn seen_process(
        &self,
        world: &World,
        asker: Author,
        owner: Option<(usize, usize)>,
    ) -> Life {
        let Some((slot, incarnation)) = owner else { return Life::Unknown };
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

    pub(super) fn me(&self, world: &World, asker: Author, worktree: &str) -> Me {
        let agent = &self.agents[asker.agent];
        let process = self.process_of(asker);
        let host = self.host(process);
        let command = Process {
            pid: 9,
            boot: Some(format!("boot-{host}")),
            machine: Some("cloned".to_owned()),
            node: Some(format!("node-{host}")),
            pid_ns: Some(self.namespace(process) as u64),
            ..Process::default()
        };
        Me {
            name: self.name_of(asker),
            explicit: agent.naming.is_explicit(),
            session: agent.session_id(),
            stable: agent.is_stable(),
            process: process.filter(|_| !agent.shares).map(|process| self.record_of(process)),
            shared: process.filter(|_| agent.shares).map(|process| self.record_of(process)),
            via: agent.via.map(|via| self.record_of((via, 0))),
            terminal: None,
            ancestors: Self::above(world, agent)
                .into_iter()
                .chain(agent.via.map(|via| (via, 0)))
                .map(|above| self.record_of(above))
                .collect(),
            command,
            token: self.presented(world, asker.agent).and_then(token),
            user: Some(agent.user.unwrap_or(1000)),
            person: agent.user.is_some(),
            worktree: Some(worktree.to_owned()),
            git_dir: None,
        }
    }

    /// The living process above an agent's own.
    pub(super) fn above(world: &World, agent: &Agent) -> Option<(usize, usize)> {
        let slot = agent.above?;
        let (incarnation, lives) = world.processes[slot];
        lives.then_some((slot, incarnation))
    }

    /// The token that an agent presents.
    pub(super) fn presented(&self, world: &World, agent: usize) -> Option<usize> {
        world.granted[self.agents[agent].token_of?]
    }

    /// When a command of the owner last saw the claim.
    fn seen_at(&self, held: &Held) -> Option<Timestamp> {
        let fresh = if self.clock_jumped_back { FUTURE } else { FRESH };
        (held.age == Age::Heard).then_some(fresh)
    }

    fn claim_record(&self, kind: Kind, by: Author, held: Option<&Held>) -> Claim {
        let agent = &self.agents[by.agent];
        let fresh = if self.clock_jumped_back { FUTURE } else { FRESH };
        let age = held.map_or(Age::Old, |held| held.age);
        let claimed_at = match (kind, age) {
            // A script's record need not even have a time.
            (Kind::Script, Age::Old) => None,
            (_, Age::Fresh) => Some(fresh),
            (_, Age::Old | Age::Renewed | Age::Heard) => Some(OLD),
        };
        if kind != Kind::Ours {
            return Claim { agent: self.name_of(by), claimed_at, pid: 4242, ..Claim::default() };
        }
        let process = self.process_of(by).map(|process| self.record_of(process));
        Claim {
            v: 1,
            agent: self.name_of(by),
            claimed_at,
            pid: 4242,
            renewed_at: (age == Age::Renewed).then_some(fresh),
            explicit: agent.naming.is_explicit(),
            session: agent.session_id(),
            stable: agent.is_stable(),
            process: process.clone().filter(|_| !agent.shares),
            shared: process.filter(|_| agent.shares),
            user: Some(agent.user.unwrap_or(1000)),
            person: agent.user.is_some(),
            worktree: held.map(|held| held.worktree.to_owned()),
            ..Claim::default()
        }
    }

    /// The board as `asker` would read it.
    pub(super) fn board(&self, world: &World, asker: Author) -> Board {
        let mut board = Board::new(self.sprint.clone(), self.graph.clone());
        for (&id, place) in self.phases.iter().zip(&world.places) {
            board.set(id, self.state(world, asker, place));
            let tried = usize::try_from(world.tried[id.index()]).unwrap_or(usize::MAX);
            board.set_past(id, vec![Attempt::default(); tried]);
            if let Place::Done(Finished { process: Some(process), .. }) = place {
                board.set_completer(id, self.seen_process(world, asker, Some(*process)));
            }
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
                let via = self.agents[held.by.agent].via.filter(|via| world.processes[*via].1);
                let claim = Claim {
                    token: held.token.and_then(token),
                    // Of a script that has ended the store tells nothing.
                    via: via.map(|via| self.record_of((via, 0))),
                    ..self.claim_record(held.kind, held.by, Some(held))
                };
                let signs = Signs { seen: self.seen_at(held), ..Signs::default() };
                State::Claimed(LiveClaim {
                    quiet_since: quiet_since(&claim, signs, NOW),
                    claim,
                    life: self.seen(world, asker, held.by),
                    former: held.former.map(former).into_iter().collect(),
                    heard: None,
                    legacy_lock: held.kind == Kind::Plain,
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
                    stable: !done.script && ours.stable,
                    shared: done.process.is_some() && ours.shared.is_some(),
                    process: done.process.map(|process| self.record_of(process)),
                    ..Done::default()
                })
            }
        }
    }
}
