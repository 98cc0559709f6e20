//! Ending a claim without a completion: the owner gives its phase up, or somebody else frees it.
//! Both count as failed attempts.

use super::Store;
use super::asker::Asker;
use super::host::Host;
use super::lock::{self, LockKind};
use super::past::{self, End};
use super::phase::{Ending, Phase, StepOutcome};
use super::read::{Attempts, Seen, find_phase};
use super::sprints::OpenSprint;
use crate::error::{Failure, Stop};
use crate::record::{Claim, Due, Token};
use crate::rules::{Board, Change, LiveClaim, PhaseId, Request, State, attempts, decide};

/// A claim that was ended.
#[derive(Debug, Clone)]
pub struct Freed {
    /// The phase.
    pub phase: String,
    /// The sprint's id.
    pub sprint_id: String,
    /// Whose claim it was; `None` if nobody held the phase.
    pub hold: Option<LiveClaim>,
    /// How many attempts at it have failed, where that keeps it from being claimed.
    pub exhausted: Option<u64>,
    /// How many attempts that had failed do not count any more.
    pub reset_attempts: Option<u64>,
    /// That what its owner left is to be saved, and has not been yet.
    pub due: Option<Due>,
    /// The same of former owners, whom another freed or took the phase over from.
    pub dues: Vec<Due>,
}

impl Freed {
    /// What there is to tell of a phase that nobody held.
    fn nobodys<D>(phase: &str, found: &OpenSprint<D>) -> Self {
        Self {
            phase: phase.to_owned(),
            sprint_id: found.sprint.sprint_id.clone(),
            hold: None,
            exhausted: None,
            reset_attempts: None,
            due: None,
            dues: Vec::new(),
        }
    }
}

/// What is to be carried out, for whom, and why.
struct Freeing<'a> {
    asker: &'a Asker,
    request: &'a Request,
    reason: &'a str,
}

impl<H: Host> Store<H> {
    /// Gives up one of the asker's claims. That nobody holds the phase is as good.
    ///
    /// # Errors
    /// The rule that says no; or the store cannot be read or written.
    pub fn abort(&self, asker: &Asker, name: &str, reason: &str) -> Result<Freed, Stop> {
        let freeing = Freeing { asker, request: &Request::Abort, reason };
        let freed = self.rounds(|| {
            let found = self.current_or_lost(asker, name)?;
            let id = self.phase_or_lost(asker, &found, name)?;
            let (board, seen) = self.read_one(&found, id, Attempts::None, &asker.maker())?;
            let mut change = self.decide_mine(asker, &board, id, &Request::Abort)?;
            if change == Change::Nothing {
                // Only now it matters who held it before.
                let (board, _) = self.read_one(&found, id, Attempts::Of(id), &asker.maker())?;
                change = self.decide_mine(asker, &board, id, &Request::Abort)?;
            }
            match (change, seen) {
                (Change::Nothing, _) => Ok(StepOutcome::Done(Freed::nobodys(name, &found))),
                (_, Some(seen)) => self.try_free(&freeing, &found, &board, id, &seen),
                (_, None) => Ok(StepOutcome::Raced),
            }
        })?;
        if freed.hold.is_some() {
            self.record(asker, "abort", name, reason.to_owned(), &freed.sprint_id);
        }
        Ok(freed)
    }

    /// Gives up all of the asker's claims; there may be none, nor a sprint.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn abort_all(&self, asker: &Asker, reason: &str) -> Result<Vec<Freed>, Stop> {
        let freeing = Freeing { asker, request: &Request::Abort, reason };
        let mut freed: Vec<Freed> = Vec::new();
        self.rounds(|| {
            let Some(found) = self.current()? else { return Ok(StepOutcome::Done(())) };
            let board = self.read(&found, None, Attempts::None, Some(&asker.maker()))?;
            for id in decide::mine(&board, asker.facts(self.host.now())) {
                let Some(dir) = found.phase(&board.graph.phase(id).name)? else {
                    return Ok(StepOutcome::Raced);
                };
                // Not kept for every phase of the board: these are open files.
                let lock = lock::look(&self.host, &dir)?;
                match self.try_free(&freeing, &found, &board, id, &(dir, lock))? {
                    StepOutcome::Done(one) => freed.push(one),
                    other @ (StepOutcome::Raced | StepOutcome::Busy | StepOutcome::Superseded) => {
                        return Ok(other.map(|_| ()));
                    }
                }
            }
            Ok(StepOutcome::Done(()))
        })?;
        for one in &freed {
            self.record(asker, "abort", &one.phase, reason.to_owned(), &one.sprint_id);
        }
        Ok(freed)
    }

    /// Frees a phase that its owner left; with `force` also one that its owner did not leave, and
    /// one at which too many attempts have failed.
    ///
    /// # Errors
    /// The rule that says no; or the store cannot be read or written.
    pub fn unstuck(&self, asker: &Asker, name: &str, force: bool) -> Result<Freed, Stop> {
        let request = Request::Unstuck { force };
        let freeing = Freeing { asker, request: &request, reason: "" };
        let freed = self.rounds(|| {
            let found = self.current_or_refuse()?;
            let id = find_phase(&found.graph, name)?;
            let (board, seen) = self.read_one(&found, id, Attempts::Of(id), &asker.maker())?;
            let facts = asker.facts(self.host.now());
            let change = decide(&board, id, &request, facts)?;
            let reset_attempts = attempts::resets(&board, id, &request, facts);
            if let (Some(count), Some((dir, _))) = (reset_attempts, &seen) {
                // Before the claim ends: killed in between, it counts for nothing when it does.
                past::reset_attempts(dir, count)?;
            }
            let dues = board.dues(id).to_vec();
            let exhausted = attempts::failed_by(&board, id, change, facts).filter(|_| !force);
            let outcome = match (change, seen) {
                (Change::Free, Some(seen)) => self.try_free(&freeing, &found, &board, id, &seen)?,
                (Change::Free, None) => StepOutcome::Raced,
                _ => StepOutcome::Done(Freed::nobodys(name, &found)),
            };
            Ok(outcome.map(|freed| Freed { exhausted, reset_attempts, dues, ..freed }))
        })?;
        let mut detail = Vec::new();
        detail.extend(freed.hold.as_ref().map(|hold| format!("from {}", hold.claim.agent)));
        detail.extend(freed.reset_attempts.map(|count| format!("{count} attempts forgiven")));
        if !detail.is_empty() {
            self.record(asker, "unstuck", name, detail.join(", "), &freed.sprint_id);
        }
        Ok(freed)
    }

    /// Ends a claim, if it is still the one that was judged. A claim that has a name of its own
    /// needs no second look: it is that name which goes, through the handle that it was seen by.
    fn try_free(
        &self,
        freeing: &Freeing<'_>,
        found: &OpenSprint<H::Dir>,
        board: &Board,
        id: PhaseId,
        (dir, lock): &Seen<H::Dir>,
    ) -> Result<StepOutcome<Freed>, Stop> {
        let Freeing { asker, request, reason } = *freeing;
        let State::Claimed(hold) = board.state(id) else { return Ok(StepOutcome::Raced) };
        let phase = Phase {
            host: &self.host,
            dir,
            maker: &asker.maker(),
            is_current: &|| Ok(true),
            attempts: None,
        };
        let (me, now) = (&asker.me, self.host.now());
        let how = attempts::ends_as(request, Change::Free, hold, me);
        let end = how.map(|how| End { how, reason, by: &me.name, at: now });
        let due = if asker.saves && attempts::owes(request, Change::Free, hold, me) {
            Some(asker.owes(&hold.claim, self.host.token()?, now))
        } else {
            None
        };
        let ending = Some(Ending { claim: &hold.claim, end, due: due.as_ref() });
        let outcome = match lock::held(lock, &hold.claim) {
            Some(LockKind::Named { lock, token }) => phase.release(lock, token, ending)?,
            Some(LockKind::Script) => phase.release_script(&hold.claim, ending)?,
            Some(LockKind::Legacy) => phase.release_legacy(ending)?,
            None => StepOutcome::Raced,
        };
        Ok(outcome.map(|()| Freed {
            phase: board.graph.phase(id).name.clone(),
            sprint_id: found.sprint.sprint_id.clone(),
            hold: Some(hold.clone()),
            exhausted: None,
            reset_attempts: None,
            due,
            dues: Vec::new(),
        }))
    }

    /// Takes it upon this command to save what another was to, which was killed.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn take_due(
        &self,
        asker: &Asker,
        sprint: &str,
        phase: &str,
        due: &Due,
        unique: Token,
    ) -> Result<(), Failure> {
        let Some(found) = self.find(sprint)? else { return Ok(()) };
        let Some(dir) = found.phase(phase)? else { return Ok(()) };
        let mine = asker.owes(&due.claim, unique, self.host.now());
        past::owe(&self.host, &dir, &mine).map(drop)
    }

    /// Nothing that the owner of `claim` left is to be saved any more.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn settle(&self, sprint: &str, phase: &str, claim: &Claim) -> Result<(), Failure> {
        let Some(found) = self.find(sprint)? else { return Ok(()) };
        match found.phase(phase)? {
            Some(dir) => past::settle(&dir, claim),
            None => Ok(()),
        }
    }
}
