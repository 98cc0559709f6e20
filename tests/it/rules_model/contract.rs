//! What the contract says, in terms of agents and incarnations: what is to be answered to each
//! request, and what a refusal may say.

use git_conductor::rules::Refusal;
use git_conductor::rules::identity::Life;
use git_conductor::rules::others::{Alive, OwnerFacts};
use git_conductor::rules::request::{Change, Request};

use super::agents::Naming;
use super::sprint::Scenario;
use super::world::{Age, Author, Finished, Held, Kind, Place, World};

/// How an asker stands to a claim, by the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kin {
    /// It is the asker's, made by what it is now.
    Present,
    /// It is the asker's, from before.
    Former,
    Other,
}

/// The refusal of a claim that is the asker's own, from elsewhere.
pub(super) const ELSEWHERE_MINE: &str = "claimed, same_agent";

/// What the asker is told, in one word; a change by its own, a refusal by its code.
pub(super) fn in_a_word(answer: &Result<Change, Refusal>) -> &'static str {
    match answer {
        Ok(Change::Take) => "take",
        Ok(Change::Renew) => "renew",
        Ok(Change::TakeOver) => "take over",
        Ok(Change::Complete) => "complete",
        Ok(Change::Confirm) => "confirm",
        Ok(Change::Free) => "free",
        Ok(Change::Nothing) => "nothing",
        Ok(Change::ResetAttempts) => "forgive",
        Err(Refusal::Claimed { same_agent: true, .. }) => ELSEWHERE_MINE,
        Err(refusal) => refusal.code(),
    }
}

impl Scenario {
    /// How `asker` stands to a claim.
    pub(super) fn kin(&self, world: &World, asker: Author, held: &Held) -> Kin {
        let dead = self.seen(world, asker, held.by) == Life::Dead;
        if held.kind != Kind::Ours {
            // It has no more than a name, and a pid that must be gone.
            let same = self.name_of(asker) == self.name_of(held.by) && dead;
            return if same { Kin::Former } else { Kin::Other };
        }
        self.kin_of(world, asker, (held.by, self.process_of(held.by), held.token), (dead, true))
    }

    /// How `asker` stands to a record: who made it, with which process and token, and whether that
    /// process is dead, and whether it is of a claim rather than of a completion.
    fn kin_of(
        &self,
        world: &World,
        asker: Author,
        (by, theirs, token): (Author, Option<(usize, usize)>, Option<usize>),
        (dead, claimed): (bool, bool),
    ) -> Kin {
        let me = &self.agents[asker.agent];
        let owner = &self.agents[by.agent];
        let mine = self.process_of(asker);
        let presented = self.presented(world, asker.agent);
        if presented.is_some() && presented == token {
            return if dead && mine.is_some() { Kin::Former } else { Kin::Present };
        }
        match (me.naming, owner.naming) {
            (Naming::Explicit(a), Naming::Explicit(b)) if a == b => {
                let above = theirs.is_some() && Self::above(world, me) == theirs;
                // Two threads of one name are two agents, while they may live.
                let apart =
                    me.thread.is_some() && owner.thread.is_some() && me.thread != owner.thread;
                if (mine == theirs || above) && !apart {
                    Kin::Present
                } else if dead {
                    Kin::Former
                } else {
                    Kin::Other
                }
            }
            (Naming::Explicit(_), _) | (_, Naming::Explicit(_)) => Kin::Other,
            // What names a thread names nobody else below its process.
            (a, b) if a != b && (me.is_stable() || owner.is_stable()) => Kin::Other,
            // A script that runs in a session of its own keeps what it claimed, as long as it runs.
            _ if mine.is_some() && mine == theirs => {
                let runs = owner.via.is_some_and(|via| claimed && world.processes[via].1);
                if runs && owner.via != me.via { Kin::Other } else { Kin::Present }
            }
            (Naming::Session(a), Naming::Session(b)) | (Naming::Thread(a), Naming::Thread(b))
                if a == b =>
            {
                // A sandbox of its own for each call may show no process that lasts.
                let out_of_sight = theirs.is_none()
                    || (self.host(mine) == self.host(theirs)
                        && self.namespace(mine) != self.namespace(theirs));
                if dead || out_of_sight { Kin::Former } else { Kin::Other }
            }
            _ => Kin::Other,
        }
    }

    /// Whether `asker` completed what `done` tells of: another living process of its name did not.
    fn completed(&self, world: &World, asker: Author, done: &Finished) -> bool {
        let Some(by) = done.by else { return false };
        if done.script {
            return self.name_of(by) == self.name_of(asker);
        }
        let dead =
            done.process.is_none() || self.seen_process(world, asker, done.process) == Life::Dead;
        self.kin_of(world, asker, (by, done.process, done.token), (dead, false)) != Kin::Other
    }

    /// Whether `asker` is known by a record, whatever the recorded process has come to: it once
    /// held the phase.
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
            (Naming::Explicit(a), Naming::Explicit(b)) | (Naming::Thread(a), Naming::Thread(b)) => {
                a == b
            }
            (Naming::Explicit(_), _) | (_, Naming::Explicit(_)) => false,
            (Naming::Session(a), Naming::Session(b)) if a == b => true,
            (a, b) => {
                let named = [a, b].iter().any(|naming| matches!(naming, Naming::Thread(_)));
                !named && process.is_some() && self.process_of(asker) == process
            }
        }
    }

    /// Whether `held` is the asker's from a worktree other than this one, and perhaps still worked
    /// at.
    pub(super) fn elsewhere(
        &self,
        world: &World,
        asker: Author,
        worktree: &str,
        held: &Held,
    ) -> bool {
        held.kind == Kind::Ours
            && held.worktree != worktree
            && self.seen(world, asker, held.by) != Life::Dead
    }

    pub(super) fn same_user(&self, asker: Author, held: &Held) -> bool {
        let user = self.agents[asker.agent].user;
        held.kind == Kind::Ours && user.is_some() && user == self.agents[held.by.agent].user
    }

    /// Whether who completed something is `other`, as far as its record can tell: by name, session
    /// or process, where a thread is told from the others below its process.
    pub(super) fn same_author(&self, by: Author, done: &Finished, other: Author) -> bool {
        let (a, b) = (&self.agents[by.agent], &self.agents[other.agent]);
        let (id, their) = (a.session_id().filter(|_| !done.script), b.session_id());
        let known = id.is_some() && their.is_some();
        let apart = known && id != their && (a.is_stable() || b.is_stable());
        self.name_of(by) == self.name_of(other)
            || (known && id == their)
            || (done.process.is_some() && done.process == self.process_of(other) && !apart)
    }

    /// Whether who asks for just that may take a claim over although its owner is not known dead:
    /// no process can prove that it lives, and it has been silent for long.
    pub(super) fn is_silent(&self, held: &Held) -> bool {
        held.kind == Kind::Ours && self.agents[held.by.agent].is_unproven() && held.age == Age::Old
    }

    /// The dependency whose completer the asker is, or might be.
    fn four_eyes(&self, world: &World, asker: Author, phase: usize) -> bool {
        let not_by = &self.graph.phase(self.phases[phase]).not_by;
        not_by.iter().any(|other| match &world.places[other.index()] {
            Place::Done(Finished { by: None, .. }) => true,
            Place::Done(done @ Finished { by: Some(by), .. }) => self.same_author(*by, done, asker),
            Place::Pending | Place::Held(_) => false,
        })
    }

    /// Whether as many attempts have failed as may; the present one counts, if there is one.
    pub(super) fn exhausted(&self, world: &World, phase: usize) -> bool {
        let held = u64::from(world.held(phase).is_some());
        let limit = self.graph.phase(self.phases[phase]).max_attempts;
        limit.is_some_and(|limit| world.tried[phase] + held >= limit)
    }

    /// Whether a dead owner's claim is the last one that may fail: not if it goes on as another
    /// terminal of the same person.
    pub(super) fn spent(&self, world: &World, asker: Author, phase: usize) -> bool {
        let Some(held) = world.held(phase) else { return false };
        (self.seen(world, asker, held.by) == Life::Dead || self.is_silent(held))
            && self.fails(world, asker, held)
            && self.exhausted(world, phase)
    }

    /// Whether a claim fails by the asker's taking it over.
    pub(super) fn fails(&self, world: &World, asker: Author, held: &Held) -> bool {
        self.kin(world, asker, held) == Kin::Other && !self.same_user(asker, held)
    }

    /// What the contract answers.
    pub(super) fn expected(
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
                let by_me = self.completed(world, asker, done);
                if same && *verdict == done.verdict && by_me { "confirm" } else { "done" }
            }
            (_, Place::Done(_)) => "done",
            (Request::Claim { .. }, Place::Pending) if self.exhausted(world, phase) => "exhausted",
            (Request::Claim { .. }, Place::Pending) => opened("take"),
            (Request::Complete { .. }, Place::Pending) => "not_claimed",
            (Request::Unstuck { force: true }, Place::Pending) if self.exhausted(world, phase) => {
                "forgive"
            }
            (Request::Unstuck { .. } | Request::Abort, Place::Pending) => "nothing",
            (Request::Claim { takeover }, Place::Held(held)) => {
                let dead = self.seen(world, asker, held.by) == Life::Dead;
                match self.kin(world, asker, held) {
                    _ if held.kind == Kind::Plain => "claimed",
                    Kin::Present | Kin::Former if self.elsewhere(world, asker, worktree, held) => {
                        ELSEWHERE_MINE
                    }
                    Kin::Present => opened("renew"),
                    Kin::Former => opened("take over"),
                    Kin::Other if self.spent(world, asker, phase) => "exhausted",
                    Kin::Other if dead && (held.age == Age::Old || *takeover) => {
                        opened("take over")
                    }
                    Kin::Other if *takeover && self.is_silent(held) => opened("take over"),
                    Kin::Other if *takeover && self.same_user(asker, held) => opened("take over"),
                    Kin::Other => "claimed",
                }
            }
            (Request::Complete { .. } | Request::Abort, Place::Held(held)) => {
                let mine = held.kind != Kind::Plain && self.kin(world, asker, held) != Kin::Other;
                let once = held.former.is_some_and(|(by, token)| {
                    self.once(world, asker, by, self.process_of(by), token)
                });
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
                if *force || dead || self.is_silent(held) { "free" } else { "alive" }
            }
        }
    }
}

impl Scenario {
    /// What is not so in a refusal.
    #[expect(clippy::wildcard_enum_match_arm, reason = "no refusal that is not named may come")]
    pub(super) fn wrong(
        &self,
        world: &World,
        asker: Author,
        phase: usize,
        refusal: &Refusal,
    ) -> Option<&'static str> {
        let held = world.held(phase);
        let wrong_holder = |holder: &OwnerFacts| match held {
            None => Some("nobody holds it"),
            Some(held) => {
                let alive = self.seen(world, asker, held.by).into();
                // Agents that go by one name are told; a script's record has no name that is given.
                let namesake = held.kind == Kind::Ours
                    && self.agents[asker.agent].naming.is_explicit()
                    && self.agents[held.by.agent].naming.is_explicit()
                    && self.name_of(asker) == self.name_of(held.by);
                (holder.agent != self.name_of(held.by)
                    || holder.alive != alive
                    || holder.shared
                        != (held.kind == Kind::Ours && self.agents[held.by.agent].is_unproven())
                    || (holder.silent && (alive == Alive::No || !self.is_silent(held)))
                    || (holder.same_name && !namesake))
                    .then_some("another holds it")
            }
        };
        match refusal {
            Refusal::Claimed { phase: of, holder, same_agent, legacy_lock } => {
                let mine = held.is_some_and(|held| self.kin(world, asker, held) != Kin::Other);
                let plain = held.is_some_and(|held| held.kind == Kind::Plain);
                if of != self.phase(phase) || (*same_agent && !mine) || *legacy_lock != plain {
                    return Some("its flags");
                }
                wrong_holder(holder)
            }
            Refusal::Alive { same_agent, .. }
                if *same_agent
                    != held.is_some_and(|held| {
                        held.kind != Kind::Plain && self.kin(world, asker, held) != Kin::Other
                    }) =>
            {
                Some("whose it is")
            }
            Refusal::NotOwner { phase: of, holder }
            | Refusal::Alive { phase: of, holder, .. }
            | Refusal::Lost { phase: of, holder: Some(holder), .. } => {
                if of == self.phase(phase) {
                    wrong_holder(holder)
                } else {
                    Some("the phase")
                }
            }
            Refusal::Blocked { phase: of, waits_for, .. } => {
                let waits: Vec<_> = self.waits_for(world, phase);
                let state = |dep: usize| match &world.places[dep] {
                    Place::Pending => "pending",
                    Place::Held(_) => "claimed",
                    Place::Done(_) => "failed",
                };
                let same = waits.len() == waits_for.len()
                    && waits.iter().zip(waits_for).all(|(dep, wait)| {
                        wait.phase == *self.phase(*dep) && wait.state == state(*dep)
                    });
                (of != self.phase(phase) || !same || waits.is_empty())
                    .then_some("what it waits for")
            }
            Refusal::Exhausted { phase: of, attempts, limit, .. } => {
                let tried = world.tried[phase] + u64::from(held.is_some());
                let may = self.graph.phase(self.phases[phase]).max_attempts;
                (of != self.phase(phase) || *attempts != tried || Some(*limit) != may)
                    .then_some("how many failed")
            }
            Refusal::FourEyes { phase: of, other, agent } => {
                let author =
                    (0..self.phases.len()).find(|other_phase| self.phase(*other_phase) == other);
                let true_author = author.is_some_and(|other| match &world.places[other] {
                    Place::Done(done) => {
                        done.by.map(|by| self.name_of(by)).unwrap_or_default() == *agent
                    }
                    Place::Pending | Place::Held(_) => false,
                });
                (of != self.phase(phase) || !true_author).then_some("whose work it is")
            }
            Refusal::Done { phase: of, agent, verdict, .. } => match &world.places[phase] {
                Place::Done(done) => {
                    let by = done.by.map(|by| self.name_of(by)).unwrap_or_default();
                    (of != self.phase(phase) || *agent != by || *verdict != done.verdict)
                        .then_some("who did it")
                }
                Place::Pending | Place::Held(_) => Some("it is not done"),
            },
            Refusal::NotClaimed { phase: of, .. } => {
                (of != self.phase(phase) || held.is_some()).then_some("it is claimed")
            }
            _ => Some("no such refusal here"),
        }
    }
}
