//! What commands ask of a phase: claim it, complete it, give it up, free it.
//!
//! Each is the same loop: read what the decision needs, let the rules decide, carry the decision out
//! by one atomic step, and when that step finds the world changed, begin again. The mutex is held
//! for one round at a time, and only so that contenders do not waste each other's work.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::Store;
use super::artifact::Pinned;
use super::lock::{self, Held};
use super::phase::{Attempt, Phase};
use super::read::find_phase;
use super::sprints::Found;
use super::world::{LATCH_SECONDS, TRIES, World};
use crate::error::{Failure, FailureKind, Stop};
use crate::record::{Claim, Done, Event, Maker, Snapshot, VERSION, Verdict};
use crate::rules::identity::relation;
use crate::rules::{
    Board, Change, Facts, Hold, Life, Me, PhaseId, Refusal, Request, State, decide, decide::next,
};

/// Who asks, and by which settings.
#[derive(Debug, Clone)]
pub struct Asker {
    /// The agent.
    pub me: Me,
    /// `conductor.staleAfter`.
    pub stale_after: SignedDuration,
}

/// A claim that was granted.
#[derive(Debug, Clone)]
pub struct Granted {
    /// The phase.
    pub phase: String,
    /// The owner's record, with its token.
    pub claim: Claim,
    /// How it came about: taken, renewed or taken over.
    pub change: Change,
    /// Whose claim it was before, if it was taken over from another.
    pub from: Option<Hold>,
    /// The board as it was when the claim was decided on, as far as it was read.
    pub board: Board,
}

/// What is handed in with a completion.
#[derive(Debug, Clone, Default)]
pub struct HandIn {
    /// The pinned artifact, if there is one.
    pub artifact: Option<Pinned>,
    /// How the work ended.
    pub verdict: Verdict,
    /// The repository as it is.
    pub at: Snapshot,
}

/// A completion that stands.
#[derive(Debug, Clone)]
pub struct Completed {
    /// Its record.
    pub done: Done,
    /// The sprint's id.
    pub sprint_id: String,
    /// The phases that it directly depends on.
    pub depends_on: Vec<String>,
    /// Whether it had been complete before, by the same agent and with the same artifact.
    pub again: bool,
    /// The phases that it opened.
    pub opened: Vec<String>,
    /// What the phase builds on: the dependencies that are done, and their records.
    pub builds_on: Vec<(String, Done)>,
}

/// A claim that was ended.
#[derive(Debug, Clone)]
pub struct Freed {
    /// The phase.
    pub phase: String,
    /// The sprint's id.
    pub sprint_id: String,
    /// Whose claim it was; `None` if nobody held the phase.
    pub hold: Option<Hold>,
}

impl Asker {
    fn facts(&self, now: jiff::Timestamp) -> Facts<'_> {
        Facts { me: &self.me, now, stale_after: self.stale_after }
    }

    fn maker(&self) -> Maker {
        Maker { process: self.me.command.clone() }
    }

    /// The record of a claim that this agent makes now, still without a token.
    fn claim(&self, now: jiff::Timestamp) -> Claim {
        let me = &self.me;
        Claim {
            v: VERSION,
            agent: me.name.clone(),
            claimed_at: Some(now),
            pid: me.process.as_ref().map_or(0, |process| process.pid),
            explicit: me.explicit,
            session: me.session.clone(),
            process: me.process.clone(),
            user: me.user,
            person: me.person,
            worktree: me.worktree.clone(),
            ..Claim::default()
        }
    }
}

/// What the decision on a claim looks at: the phase, its dependencies, and whose work it checks.
fn relevant(graph: &crate::rules::Graph, id: PhaseId) -> BTreeSet<PhaseId> {
    let mut wanted = checking(graph, id);
    wanted.extend(&graph.phase(id).depends_on);
    wanted
}

/// What the decision on a completion looks at: the phase, and whose work it checks.
fn checking(graph: &crate::rules::Graph, id: PhaseId) -> BTreeSet<PhaseId> {
    std::iter::once(id).chain(graph.phase(id).not_by.iter().copied()).collect()
}

impl<W: World> Store<W> {
    fn busy<T>() -> Result<T, Stop> {
        Err(Failure::new(FailureKind::Busy, "another command is in the middle of a change")
            .hint(format!(
                "if that one was killed, this can last for {LATCH_SECONDS} seconds; \
                 if it lasts longer, tell your human"
            ))
            .into())
    }

    /// Runs `round` under the mutex until it has an answer, for about a second.
    fn rounds<T>(&self, mut round: impl FnMut() -> Result<Attempt<T>, Stop>) -> Result<T, Stop> {
        let mut busy = 0;
        let mut raced = 0;
        while busy < TRIES && raced < 16 * TRIES {
            let attempt = self.under_mutex(&mut round)??;
            match attempt {
                Attempt::Done(value) => return Ok(value),
                // Whoever was faster has done something: that is progress, and needs no pause.
                Attempt::Raced | Attempt::Superseded => raced += 1,
                Attempt::Busy => {
                    self.world.pause(busy);
                    busy += 1;
                }
            }
        }
        Self::busy()
    }

    fn current_or_refuse(&self) -> Result<Found<W::Dir>, Stop> {
        Ok(self.current()?.ok_or(Refusal::NoSprint {})?)
    }

    /// Claims a phase.
    ///
    /// # Errors
    /// The rule that says no; or the store cannot be read or written.
    pub fn claim(&self, asker: &Asker, name: &str, takeover: bool) -> Result<Granted, Stop> {
        let granted = self.rounds(|| {
            let found = self.current_or_refuse()?;
            let id = find_phase(&found.graph, name)?;
            let wanted = relevant(&found.graph, id);
            let board = self.read(&found, Some(&wanted), Some(&asker.maker()))?;
            let change =
                decide(&board, id, &Request::Claim { takeover }, asker.facts(self.world.now()))?;
            self.try_claim(asker, &found, board, id, change)
        })?;
        self.log(asker, "claim", &granted);
        Ok(granted)
    }

    /// Claims the first phase that can be; the asker holds none from this worktree.
    ///
    /// # Errors
    /// Why there is none; or the store cannot be read or written.
    pub fn claim_next(&self, asker: &Asker) -> Result<Granted, Stop> {
        let granted = self.rounds(|| {
            let found = self.current_or_refuse()?;
            let board = self.read(&found, None, Some(&asker.maker()))?;
            let facts = asker.facts(self.world.now());
            if let Some(refusal) = decide::holding(&board, facts) {
                return Err(refusal.into());
            }
            let request = Request::Claim { takeover: false };
            let mut answer = Attempt::Raced;
            for id in next(&board, facts)? {
                let change = decide(&board, id, &request, facts)?;
                match self.try_claim(asker, &found, board.clone(), id, change)? {
                    Attempt::Done(granted) => return Ok(Attempt::Done(granted)),
                    Attempt::Busy => answer = Attempt::Busy,
                    // Somebody was faster: the next one, before looking again.
                    Attempt::Raced => {}
                    Attempt::Superseded => return Ok(Attempt::Superseded),
                }
            }
            Ok(answer)
        })?;
        self.log(asker, "claim", &granted);
        Ok(granted)
    }

    /// Carries out the change that was decided on, if the phase is still as it was judged.
    fn try_claim(
        &self,
        asker: &Asker,
        found: &Found<W::Dir>,
        board: Board,
        id: PhaseId,
        change: Change,
    ) -> Result<Attempt<Granted>, Stop> {
        let name = &board.graph.phase(id).name;
        let dir = found.make_phase(name)?;
        let sprint_id = &found.sprint.sprint_id;
        let phase = Phase {
            world: &self.world,
            dir: &dir,
            maker: &asker.maker(),
            is_current: &|| self.is_current(sprint_id),
        };
        let now = self.world.now();
        let judged = match board.state(id) {
            State::Claimed(hold) => Some(hold.clone()),
            State::Pending | State::Done(_) => None,
        };
        let fresh = asker.claim(now);
        let attempt = match (change, judged.as_ref()) {
            (Change::Take, _) => phase.take(fresh)?,
            (Change::Renew | Change::TakeOver, Some(hold)) => {
                match (change, lock::held(&self.world, &dir, &hold.claim)?) {
                    (Change::Renew, Some(Held::Named { lock, .. })) => {
                        phase.renew(&lock, Claim { renewed_at: Some(now), ..hold.claim.clone() })?
                    }
                    (_, Some(Held::Named { lock, token })) => {
                        phase.take_over(&lock, &token, fresh)?
                    }
                    (_, Some(Held::Script)) => phase.adopt(&hold.claim, fresh)?,
                    (_, Some(Held::Plain) | None) => Attempt::Raced,
                }
            }
            _ => Attempt::Raced,
        };
        let name = name.clone();
        let from = judged.filter(|_| change == Change::TakeOver);
        Ok(attempt.map(|claim| Granted { phase: name, claim, change, from, board }))
    }

    fn log(&self, asker: &Asker, event: &str, granted: &Granted) {
        let detail = match granted.change {
            Change::Renew => "renewed".to_owned(),
            Change::TakeOver => match &granted.from {
                Some(hold) => format!("taken over from {}", hold.claim.agent),
                None => "taken over".to_owned(),
            },
            Change::Take | Change::Complete | Change::Confirm | Change::Free | Change::Nothing => {
                String::new()
            }
        };
        let sprint = &granted.board.sprint.sprint_id;
        self.record(asker, event, &granted.phase, detail, sprint);
    }

    /// Appends to the audit log.
    pub(crate) fn record(
        &self,
        asker: &Asker,
        event: &str,
        resource: &str,
        detail: String,
        sprint: &str,
    ) {
        self.world.audit(&Event {
            at: self.world.now(),
            event: event.to_owned(),
            resource: resource.to_owned(),
            detail,
            agent: asker.me.name.clone(),
            pid: asker.me.process.as_ref().map_or(0, |process| process.pid),
            sprint: sprint.to_owned(),
        });
    }

    /// Whether the asker may complete `name` now: asked before an artifact is copied for nothing.
    ///
    /// # Errors
    /// As [`Store::complete`].
    pub fn may_complete(
        &self,
        asker: &Asker,
        name: &str,
        verdict: Verdict,
    ) -> Result<Change, Stop> {
        let found = self.current_or_lost(asker, name)?;
        let id = self.phase_or_lost(asker, &found, name)?;
        let mut board = self.read(&found, Some(&checking(&found.graph, id)), None)?;
        self.see_completer(&mut board, id);
        let request = Request::Complete { artifact: None, verdict };
        self.decide_mine(asker, &board, id, &request)
    }

    /// Completes a phase.
    ///
    /// # Errors
    /// The rule that says no; or the store cannot be read or written. After an error of the second
    /// kind the completion may have been committed: completing again tells.
    pub fn complete(&self, asker: &Asker, name: &str, hand_in: &HandIn) -> Result<Completed, Stop> {
        let request = Request::Complete {
            artifact: hand_in.artifact.as_ref().map(|pinned| pinned.sha256.clone()),
            verdict: hand_in.verdict,
        };
        let mut superseded = None;
        let mut origin = (String::new(), Vec::new());
        let done = self.rounds(|| {
            if let Some(sprint) = superseded.take() {
                return Err(Refusal::Lost {
                    phase: name.to_owned(),
                    holder: None,
                    ended_sprint: Some(sprint),
                }
                .into());
            }
            let found = self.current_or_lost(asker, name)?;
            let id = self.phase_or_lost(asker, &found, name)?;
            let mut board =
                self.read(&found, Some(&checking(&found.graph, id)), Some(&asker.maker()))?;
            self.see_completer(&mut board, id);
            origin = (found.sprint.sprint_id.clone(), found.graph.dependencies(id));
            match (self.decide_mine(asker, &board, id, &request)?, board.state(id)) {
                (Change::Confirm, State::Done(done)) => {
                    // Who published it may have been killed, or be about to make it durable.
                    if let Some(dir) = found.phase(name)? {
                        dir.sync()?;
                    }
                    Ok(Attempt::Done((done.clone(), true)))
                }
                (Change::Complete, State::Claimed(hold)) => {
                    let attempt = self.try_complete(asker, &found, name, hold, hand_in)?;
                    if matches!(attempt, Attempt::Superseded) {
                        superseded = Some(found.sprint.sprint_id.clone());
                    }
                    Ok(attempt)
                }
                _ => Ok(Attempt::Raced),
            }
        });
        let (done, again) = done?;
        let board = self.board()?;
        let opened = board.as_ref().map(|board| board.opened_by(name)).unwrap_or_default();
        let builds_on = board.as_ref().map(|board| board.builds_on(name)).unwrap_or_default();
        let (sprint_id, depends_on) = origin;
        if !again {
            let verdict = match done.verdict {
                Verdict::Pass => "pass",
                Verdict::Fail => "fail",
            };
            self.record(asker, "complete", name, verdict.to_owned(), &sprint_id);
        }
        Ok(Completed { done, sprint_id, depends_on, again, opened, builds_on })
    }

    /// Looks whether the process of who completed the phase lives: another of its name is another
    /// agent then. Records that tell of no process are of scripts and old versions.
    fn see_completer(&self, board: &mut Board, id: PhaseId) {
        let State::Done(done) = board.state(id) else { return };
        if done.process.is_some() {
            let life = self.world.life(&done.claim());
            board.set_completer(id, life);
        }
    }

    fn try_complete(
        &self,
        asker: &Asker,
        found: &Found<W::Dir>,
        name: &str,
        hold: &Hold,
        hand_in: &HandIn,
    ) -> Result<Attempt<(Done, bool)>, Stop> {
        let Some(dir) = found.phase(name)? else { return Ok(Attempt::Raced) };
        let sprint_id = &found.sprint.sprint_id;
        let phase = Phase {
            world: &self.world,
            dir: &dir,
            maker: &asker.maker(),
            is_current: &|| self.is_current(sprint_id),
        };
        let (lock, token) = match lock::held(&self.world, &dir, &hold.claim)? {
            Some(Held::Named { lock, token }) => (lock, token),
            Some(Held::Script) => {
                // It gets a name of its own first; the next round completes under that one.
                let mine = asker.claim(self.world.now());
                let adopted = Claim { claimed_at: hold.claim.claimed_at, ..mine };
                return Ok(match phase.adopt(&hold.claim, adopted)? {
                    Attempt::Done(_) | Attempt::Raced => Attempt::Raced,
                    Attempt::Busy => Attempt::Busy,
                    Attempt::Superseded => Attempt::Superseded,
                });
            }
            Some(Held::Plain) | None => return Ok(Attempt::Raced),
        };
        let pinned = hand_in.artifact.as_ref();
        let record = Done {
            v: VERSION,
            agent: asker.me.name.clone(),
            completed_at: Some(self.world.now()),
            artifact: pinned.map(|pinned| pinned.given.clone()).unwrap_or_default(),
            artifact_sha256: pinned.map(|pinned| pinned.sha256.clone()),
            artifact_size: pinned.map(|pinned| pinned.size),
            artifact_mtime: pinned.map(|pinned| pinned.mtime),
            artifact_path: pinned.map(|pinned| pinned.path.clone()),
            artifact_link: pinned.map(|pinned| pinned.link.clone()),
            verdict: hand_in.verdict,
            token: Some(token.clone()),
            claimed_at: hold.claim.claimed_at,
            explicit: asker.me.explicit,
            session: asker.me.session.clone(),
            process: hold.claim.process.clone().or_else(|| asker.me.process.clone()),
            carried_from: None,
            at: hand_in.at.clone(),
            rest: crate::record::Rest::new(),
        };
        Ok(phase.complete(&lock, &token, &record)?.map(|()| (record, false)))
    }

    /// Gives up one of the asker's claims.
    ///
    /// # Errors
    /// The rule that says no; or the store cannot be read or written.
    pub fn abort(&self, asker: &Asker, name: &str, reason: &str) -> Result<Freed, Stop> {
        let freed = self.rounds(|| {
            let found = self.current_or_lost(asker, name)?;
            let id = self.phase_or_lost(asker, &found, name)?;
            let board = self.read(&found, Some(&BTreeSet::from([id])), Some(&asker.maker()))?;
            self.decide_mine(asker, &board, id, &Request::Abort)?;
            self.try_free(asker, &found, &board, id)
        })?;
        self.record(asker, "abort", name, reason.to_owned(), &freed.sprint_id);
        Ok(freed)
    }

    /// Gives up all of the asker's claims; there may be none, nor a sprint.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn abort_all(&self, asker: &Asker, reason: &str) -> Result<Vec<Freed>, Stop> {
        let mut freed: Vec<Freed> = Vec::new();
        self.rounds(|| {
            let Some(found) = self.current()? else { return Ok(Attempt::Done(())) };
            let board = self.read(&found, None, Some(&asker.maker()))?;
            for id in decide::mine(&board, asker.facts(self.world.now())) {
                match self.try_free(asker, &found, &board, id)? {
                    Attempt::Done(one) => freed.push(one),
                    other @ (Attempt::Raced | Attempt::Busy | Attempt::Superseded) => {
                        return Ok(other.map(|_| ()));
                    }
                }
            }
            Ok(Attempt::Done(()))
        })?;
        for one in &freed {
            self.record(asker, "abort", &one.phase, reason.to_owned(), &one.sprint_id);
        }
        Ok(freed)
    }

    /// Frees a phase that its owner left.
    ///
    /// # Errors
    /// The rule that says no; or the store cannot be read or written.
    pub fn unstuck(&self, asker: &Asker, name: &str, force: bool) -> Result<Freed, Stop> {
        let freed = self.rounds(|| {
            let found = self.current_or_refuse()?;
            let id = find_phase(&found.graph, name)?;
            let board = self.read(&found, Some(&BTreeSet::from([id])), Some(&asker.maker()))?;
            let facts = asker.facts(self.world.now());
            if decide(&board, id, &Request::Unstuck { force }, facts)? == Change::Nothing {
                return Ok(Attempt::Done(Freed {
                    phase: name.to_owned(),
                    sprint_id: found.sprint.sprint_id,
                    hold: None,
                }));
            }
            self.try_free(asker, &found, &board, id)
        })?;
        if let Some(hold) = &freed.hold {
            let detail = format!("from {}", hold.claim.agent);
            self.record(asker, "unstuck", name, detail, &freed.sprint_id);
        }
        Ok(freed)
    }

    fn try_free(
        &self,
        asker: &Asker,
        found: &Found<W::Dir>,
        board: &Board,
        id: PhaseId,
    ) -> Result<Attempt<Freed>, Stop> {
        let name = &board.graph.phase(id).name;
        let (State::Claimed(hold), Some(dir)) = (board.state(id), found.phase(name)?) else {
            return Ok(Attempt::Raced);
        };
        let phase = Phase {
            world: &self.world,
            dir: &dir,
            maker: &asker.maker(),
            is_current: &|| Ok(true),
        };
        let attempt = match lock::held(&self.world, &dir, &hold.claim)? {
            Some(Held::Named { lock, token }) => phase.release(&lock, &token)?,
            Some(Held::Script) => phase.release_script(&hold.claim)?,
            Some(Held::Plain) => phase.release_plain()?,
            None => Attempt::Raced,
        };
        Ok(attempt.map(|()| Freed {
            phase: name.clone(),
            sprint_id: found.sprint.sprint_id.clone(),
            hold: Some(hold.clone()),
        }))
    }

    /// Decides on what only an owner may do; who is none may have lost it with an ended sprint.
    fn decide_mine(
        &self,
        asker: &Asker,
        board: &Board,
        id: PhaseId,
        request: &Request,
    ) -> Result<Change, Stop> {
        match decide(board, id, request, asker.facts(self.world.now())) {
            Ok(change) => Ok(change),
            Err(refusal @ (Refusal::NotClaimed { .. } | Refusal::NotOwner { .. })) => {
                Err(self.lost(asker, &board.graph.phase(id).name)?.unwrap_or(refusal).into())
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    fn current_or_lost(&self, asker: &Asker, name: &str) -> Result<Found<W::Dir>, Stop> {
        match self.current()? {
            Some(found) => Ok(found),
            None => Err(self.lost(asker, name)?.unwrap_or(Refusal::NoSprint {}).into()),
        }
    }

    fn phase_or_lost(
        &self,
        asker: &Asker,
        found: &Found<W::Dir>,
        name: &str,
    ) -> Result<PhaseId, Stop> {
        match find_phase(&found.graph, name) {
            Ok(id) => Ok(id),
            Err(stop) => Err(self.lost(asker, name)?.map_or(stop, Stop::from)),
        }
    }

    /// The refusal for a claim that ended with its sprint; `None` if the asker had none there, or
    /// knows of the present sprint and is judged by that one.
    fn lost(&self, asker: &Asker, name: &str) -> Result<Option<Refusal>, Stop> {
        if self.board()?.is_some_and(|board| decide::takes_part(&board, &asker.me)) {
            return Ok(None);
        }
        for found in self.former(3)? {
            // What was asked for becomes a path only if it is a phase's name.
            let Some(id) = found.graph.find(name) else { continue };
            let Some(dir) = found.phase(&found.graph.phase(id).name)? else { continue };
            let Ok((State::Claimed(hold), _)) = lock::state(&self.world, &dir) else { continue };
            if relation(&asker.me, &hold.claim, hold.life).is_mine() && hold.life != Life::Dead {
                return Ok(Some(Refusal::Lost {
                    phase: name.to_owned(),
                    holder: None,
                    ended_sprint: Some(found.sprint.sprint_id),
                }));
            }
        }
        Ok(None)
    }
}
