//! Completing a phase, and what only its owner may ask.

use std::collections::BTreeSet;

use super::Store;
use super::artifact::Pinned;
use super::asker::Asker;
use super::host::Host;
use super::lock::{self, LockKind};
use super::phase::{Phase, StepOutcome};
use super::read::{Attempts, find_phase};
use super::sprints::OpenSprint;
use crate::error::Stop;
use crate::record::{Claim, Done, Snapshot, VERSION, Verdict};
use crate::rules::identity::relation;
use crate::rules::{Board, Change, Life, LiveClaim, PhaseId, Refusal, Request, State, decide};

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
    /// Whether every phase of the sprint is done now.
    pub finished: bool,
}

/// What is known before a phase is completed.
#[derive(Debug, Clone)]
pub struct MayComplete {
    /// What completing it changes.
    pub change: Change,
    /// The claim that is to be completed; `None` if the phase is done already.
    pub claim: Option<Claim>,
    /// The board, as far as it was read.
    pub board: Board,
    /// The phase.
    pub id: PhaseId,
}

/// What the decision on a completion looks at: the phase, and whose work it checks.
pub(super) fn checking(graph: &crate::rules::Graph, id: PhaseId) -> BTreeSet<PhaseId> {
    std::iter::once(id).chain(graph.phase(id).not_by.iter().copied()).collect()
}

impl<H: Host> Store<H> {
    /// Whether the asker may complete `name` now: asked before an artifact is copied for nothing.
    ///
    /// # Errors
    /// As [`Store::complete`].
    pub fn may_complete(
        &self,
        asker: &Asker,
        name: &str,
        verdict: Verdict,
    ) -> Result<MayComplete, Stop> {
        let found = self.current_or_lost(asker, name)?;
        let id = self.phase_or_lost(asker, &found, name)?;
        let mut board =
            self.read(&found, Some(&checking(&found.graph, id)), Attempts::Of(id), None)?;
        self.see_completer(&mut board, id);
        let request = Request::Complete { artifact: None, verdict };
        let change = self.decide_mine(asker, &board, id, &request)?;
        let claim = match board.state(id) {
            State::Claimed(hold) => Some(hold.claim.clone()),
            State::Pending | State::Done(_) => None,
        };
        Ok(MayComplete { change, claim, board, id })
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
            let mut board = self.read(
                &found,
                Some(&checking(&found.graph, id)),
                Attempts::None,
                Some(&asker.maker()),
            )?;
            self.see_completer(&mut board, id);
            origin = (found.sprint.sprint_id.clone(), found.graph.dependencies(id));
            match (self.decide_mine(asker, &board, id, &request)?, board.state(id)) {
                (Change::Confirm, State::Done(done)) => {
                    // Who published it may have been killed, or be about to make it durable.
                    if let Some(dir) = found.phase(name)? {
                        dir.sync()?;
                    }
                    Ok(StepOutcome::Done((done.clone(), true)))
                }
                (Change::Complete, State::Claimed(hold)) => {
                    let outcome = self.try_complete(asker, &found, name, hold, hand_in)?;
                    if matches!(outcome, StepOutcome::Superseded) {
                        superseded = Some(found.sprint.sprint_id.clone());
                    }
                    Ok(outcome)
                }
                _ => Ok(StepOutcome::Raced),
            }
        });
        let (done, again) = done?;
        let board = self.states()?;
        let opened = board.as_ref().map(|board| board.opened_by(name)).unwrap_or_default();
        let builds_on = board.as_ref().map(|board| board.builds_on(name)).unwrap_or_default();
        let is_finished = |board: &Board| board.done_count() == board.graph.count();
        let finished = board.as_ref().is_some_and(is_finished);
        let (sprint_id, depends_on) = origin;
        if !again {
            let verdict = match done.verdict {
                Verdict::Pass => "pass",
                Verdict::Fail => "fail",
            };
            self.record(asker, "complete", name, verdict.to_owned(), &sprint_id);
        }
        Ok(Completed { done, sprint_id, depends_on, again, opened, builds_on, finished })
    }

    /// Looks whether the process of who completed the phase lives: another of its name is another
    /// agent then. Records that tell of no process are of scripts and old versions.
    pub(super) fn see_completer(&self, board: &mut Board, id: PhaseId) {
        let State::Done(done) = board.state(id) else { return };
        if done.process.is_some() {
            let life = self.host.life(&done.claim());
            board.set_completer(id, life);
        }
    }

    fn try_complete(
        &self,
        asker: &Asker,
        found: &OpenSprint<H::Dir>,
        name: &str,
        hold: &LiveClaim,
        hand_in: &HandIn,
    ) -> Result<StepOutcome<(Done, bool)>, Stop> {
        let Some(dir) = found.phase(name)? else { return Ok(StepOutcome::Raced) };
        let sprint_id = &found.sprint.sprint_id;
        let phase = Phase {
            host: &self.host,
            dir: &dir,
            maker: &asker.maker(),
            is_current: &|| self.is_current(sprint_id),
            attempts: None,
        };
        let found = lock::look(&self.host, &dir)?;
        let (lock, token) = match lock::held(&found, &hold.claim) {
            Some(LockKind::Named { lock, token }) => (lock, token),
            Some(LockKind::Script) => {
                // It gets a name of its own first; the next round completes under that one.
                let mine = asker.claim(self.host.now(), self.host.asleep());
                let adopted = Claim { claimed_at: hold.claim.claimed_at, ..mine };
                return Ok(match phase.adopt(&hold.claim, adopted, None)? {
                    StepOutcome::Done(_) | StepOutcome::Raced => StepOutcome::Raced,
                    StepOutcome::Busy => StepOutcome::Busy,
                    StepOutcome::Superseded => StepOutcome::Superseded,
                });
            }
            Some(LockKind::Legacy) | None => return Ok(StepOutcome::Raced),
        };
        let pinned = hand_in.artifact.as_ref();
        let (claim, me) = (&hold.claim, &asker.me);
        let process = claim.any_process().or(me.any_process());
        let own = if claim.any_process().is_some() { &claim.process } else { &me.process };
        let record = Done {
            v: VERSION,
            agent: asker.me.name.clone(),
            completed_at: Some(self.host.now()),
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
            stable: asker.me.stable,
            process: process.cloned(),
            shared: process.is_some() && own.is_none(),
            user: me.user.filter(|_| me.terminal.is_some()),
            terminal: me.terminal.clone(),
            carried_from: None,
            at: hand_in.at.clone(),
            rest: crate::record::Rest::new(),
        };
        Ok(phase.complete(lock, token, &record)?.map(|()| (record, false)))
    }

    /// Decides on what only an owner may do; who is none may have lost it with an ended sprint.
    pub(super) fn decide_mine(
        &self,
        asker: &Asker,
        board: &Board,
        id: PhaseId,
        request: &Request,
    ) -> Result<Change, Stop> {
        match decide(board, id, request, asker.facts(self.host.now())) {
            // Nobody holds it here.
            Ok(Change::Nothing) => match self.lost(asker, &board.graph.phase(id).name)? {
                Some(refusal) => Err(refusal.into()),
                None => Ok(Change::Nothing),
            },
            Ok(change) => Ok(change),
            Err(refusal @ (Refusal::NotClaimed { .. } | Refusal::NotOwner { .. })) => {
                Err(self.lost(asker, &board.graph.phase(id).name)?.unwrap_or(refusal).into())
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    pub(super) fn current_or_lost(
        &self,
        asker: &Asker,
        name: &str,
    ) -> Result<OpenSprint<H::Dir>, Stop> {
        match self.current()? {
            Some(found) => Ok(found),
            None => Err(self.lost(asker, name)?.unwrap_or(Refusal::NoSprint {}).into()),
        }
    }

    pub(super) fn phase_or_lost(
        &self,
        asker: &Asker,
        found: &OpenSprint<H::Dir>,
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
        if self.states()?.is_some_and(|board| decide::takes_part(&board, &asker.me)) {
            return Ok(None);
        }
        for found in self.former(3)? {
            // What was asked for becomes a path only if it is a phase's name.
            let Some(id) = found.graph.find(name) else { continue };
            let Some(dir) = found.phase(&found.graph.phase(id).name)? else { continue };
            let Ok((State::Claimed(hold), _)) = lock::state(&self.host, &dir) else { continue };
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
