//! Claiming a phase, and the loop that every change of a phase runs in.
//!
//! Each round of the loop reads what the decision needs, lets the rules decide, and carries the
//! decision out by one atomic step. If the step finds that the store has changed, the next round
//! begins. A round holds the mutex, which only spares contenders work.

use std::collections::BTreeSet;

use super::Store;
use super::checked_dir::tidy;
use super::completing::checking;
use super::host::{Host, TRIES};
use super::layout::LATCH_SECONDS;
use super::lock::{self, Lock, LockKind};
use super::past::{self, End};
use super::phase::{Ending, Phase, StepOutcome};
use super::read::{Attempts, find_phase};
use super::sprints::OpenSprint;
use crate::error::{Failure, FailureKind, Hint, Stop};
use crate::record::{Claim, Due, Event};
use crate::rules::{
    Board, Change, Facts, LiveClaim, PhaseId, Refusal, Request, State, attempts, decide, identity,
    next::{holding, next},
};

pub use super::asker::Asker;
pub use super::completing::{Completed, HandIn, MayComplete};
pub use super::freeing::Freed;

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
    pub from: Option<LiveClaim>,
    /// That what that one left is to be saved, and has not been yet.
    pub due: Option<Due>,
    /// The board as it was when the claim was decided on, as far as it was read; with the attempt
    /// that this claim ended.
    pub board: Board,
}

/// What the decision on a claim looks at: the phase, its dependencies, and whose work it checks.
fn relevant(graph: &crate::rules::Graph, id: PhaseId) -> BTreeSet<PhaseId> {
    let mut wanted = checking(graph, id);
    wanted.extend(&graph.phase(id).depends_on);
    wanted
}

impl<H: Host> Store<H> {
    fn busy<T>() -> Result<T, Stop> {
        let lasts = format!("if that one was killed, this can last for {LATCH_SECONDS} seconds");
        Err(Failure::new(FailureKind::Busy, "another command is in the middle of a change")
            .hint(Hint::new(
                format!("{lasts}; if it lasts longer, tell your human"),
                format!("{lasts}; if it lasts longer, 'git conductor doctor' says more"),
            ))
            .into())
    }

    /// Runs `round` under the mutex until it has an answer, for about a second, and another where
    /// the mutex was waited for in vain.
    pub(super) fn rounds<T>(
        &self,
        mut round: impl FnMut() -> Result<StepOutcome<T>, Stop>,
    ) -> Result<T, Stop> {
        let mut busy = 0;
        let mut raced = 0;
        let mut waits = true;
        while busy < TRIES && raced < 16 * TRIES {
            let outcome = self.under_mutex(&mut waits, &mut round)??;
            match outcome {
                StepOutcome::Done(value) => return Ok(value),
                // Whoever was faster has done something: that is progress, and needs no pause.
                StepOutcome::Raced | StepOutcome::Superseded => raced += 1,
                StepOutcome::Busy => {
                    self.host.pause(busy);
                    busy += 1;
                }
            }
        }
        Self::busy()
    }

    pub(super) fn current_or_refuse(&self) -> Result<OpenSprint<H::Dir>, Stop> {
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
            let attempts = Attempts::Of(id);
            let board = self.read(&found, Some(&wanted), attempts, Some(&asker.maker()))?;
            let change =
                decide(&board, id, &Request::Claim { takeover }, asker.facts(self.host.now()))?;
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
            let mut board = self.read(&found, None, Attempts::All, Some(&asker.maker()))?;
            let facts = asker.facts(self.host.now());
            if let Some(refusal) = holding(&board, facts) {
                return Err(refusal.into());
            }
            let request = Request::Claim { takeover: false };
            let mut answer = StepOutcome::Raced;
            for id in self.next(&mut board, facts)? {
                let change = decide(&board, id, &request, facts)?;
                match self.try_claim(asker, &found, board.clone(), id, change)? {
                    StepOutcome::Done(granted) => return Ok(StepOutcome::Done(granted)),
                    StepOutcome::Busy => answer = StepOutcome::Busy,
                    // Somebody was faster: the next one, before looking again.
                    StepOutcome::Raced => {}
                    StepOutcome::Superseded => return Ok(StepOutcome::Superseded),
                }
            }
            Ok(answer)
        })?;
        self.log(asker, "claim", &granted);
        Ok(granted)
    }

    /// The phases that the asker could claim now, in the board's order, without those it holds.
    ///
    /// # Errors
    /// Why there are none. What can be expected of the other agents depends on who of them lives,
    /// and only then is that looked at.
    pub fn next(&self, board: &mut Board, facts: Facts<'_>) -> Result<Vec<PhaseId>, Refusal> {
        next(board, facts).or_else(|_| {
            self.see_completers(board);
            next(board, facts)
        })
    }

    /// Looks whether those who completed the phases live.
    pub fn see_completers(&self, board: &mut Board) {
        let ids: Vec<PhaseId> = board.graph.ids().collect();
        for id in ids {
            self.see_completer(board, id);
        }
    }

    /// Carries out the change that was decided on, if the phase is still as it was judged.
    fn try_claim(
        &self,
        asker: &Asker,
        found: &OpenSprint<H::Dir>,
        mut board: Board,
        id: PhaseId,
        change: Change,
    ) -> Result<StepOutcome<Granted>, Stop> {
        let name = board.graph.phase(id).name.clone();
        let dir = found.make_phase(&name)?;
        let sprint_id = &found.sprint.sprint_id;
        let now = self.host.now();
        let phase = Phase {
            host: &self.host,
            dir: &dir,
            maker: &asker.maker(),
            is_current: &|| self.is_current(sprint_id),
            attempts: attempts::limit(&board, id, asker.facts(now)).map(|_| board.past(id).len()),
        };
        let judged = match board.state(id) {
            State::Claimed(hold) => Some(hold.clone()),
            State::Pending | State::Done(_) => None,
        };
        let request = Request::Claim { takeover: false };
        let due = match judged.as_ref() {
            Some(hold) if asker.saves && attempts::owes(&request, change, hold, &asker.me) => {
                Some(asker.owes(&hold.claim, self.host.token()?, now))
            }
            _ => None,
        };
        let ending = judged.as_ref().map(|hold| {
            let how = attempts::ends_as(&request, change, hold, &asker.me);
            let end = how.map(|how| End { how, reason: "", by: &asker.me.name, at: now });
            Ending { claim: &hold.claim, end, due: due.as_ref() }
        });
        let fresh = asker.claim(now, self.host.asleep());
        let outcome = match (change, judged.as_ref()) {
            (Change::Take, _) => phase.take(fresh)?,
            (Change::Renew | Change::TakeOver, Some(hold)) => {
                let lock = lock::look(&self.host, &dir)?;
                let robs = ending.is_some_and(|ending| ending.end.is_some());
                if H::DEFENCES.hear_again && robs && self.has_spoken(&lock, hold) {
                    return Ok(StepOutcome::Raced);
                }
                match (change, lock::held(&lock, &hold.claim)) {
                    (Change::Renew, Some(LockKind::Named { lock, .. })) => {
                        phase.renew(lock, asker.renews(&hold.claim, now, fresh.asleep))?
                    }
                    (_, Some(LockKind::Named { lock, token })) => {
                        phase.take_over(lock, token, fresh, ending)?
                    }
                    (_, Some(LockKind::Script)) => phase.adopt(&hold.claim, fresh, ending)?,
                    (_, Some(LockKind::Legacy) | None) => StepOutcome::Raced,
                }
            }
            _ => StepOutcome::Raced,
        };
        if let (StepOutcome::Done(_), Some(Ending { claim, end, due })) = (&outcome, ending) {
            if let Some(end) = end {
                let mut past = board.past(id).to_vec();
                past.push(past::attempt(claim, end));
                board.set_past(id, past);
            }
            if change == Change::TakeOver && asker.saves && due.is_none() {
                // Another may have been killed when it was about to end that claim: who goes on
                // where it was has everything.
                tidy(past::settle(&dir, claim));
            }
        }
        let from = judged.filter(|_| change == Change::TakeOver);
        Ok(outcome.map(|claim| Granted { phase: name, claim, change, from, due, board }))
    }

    /// Whether the owner of `judged` has been heard again since it was judged: then it is judged
    /// anew. Touching its record changes no name, so the rename of the owner's would not notice.
    fn has_spoken(&self, lock: &Lock<H::Dir>, judged: &LiveClaim) -> bool {
        let Lock::Owned { lock, hold, .. } = lock else { return false };
        let seen = self.host.hears(lock, hold);
        let now = self.host.now();
        seen.and_then(|seen| identity::believed(now, seen)) > judged.heard
    }

    fn log(&self, asker: &Asker, event: &str, granted: &Granted) {
        let detail = match granted.change {
            Change::Renew => "renewed".to_owned(),
            Change::TakeOver => match &granted.from {
                Some(hold) => format!("taken over from {}", hold.claim.agent),
                None => "taken over".to_owned(),
            },
            Change::Take
            | Change::Complete
            | Change::Confirm
            | Change::Free
            | Change::Nothing
            | Change::ResetAttempts => String::new(),
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
        self.host.audit(&Event {
            at: self.host.now(),
            event: event.to_owned(),
            resource: resource.to_owned(),
            detail,
            agent: asker.me.name.clone(),
            pid: asker.me.any_process().map_or(0, |process| process.pid),
            sprint: sprint.to_owned(),
        });
    }
}
