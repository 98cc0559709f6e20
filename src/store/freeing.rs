//! Ending a claim without a completion: an owner gives its phase up, or somebody frees it.

use std::collections::BTreeSet;

use super::Store;
use super::change::Asker;
use super::lock::{self, Held};
use super::phase::{Attempt, Phase};
use super::read::find_phase;
use super::sprints::Found;
use super::world::World;
use crate::error::Stop;
use crate::rules::{Board, Change, Hold, PhaseId, Request, State, decide};

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

impl<W: World> Store<W> {
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
}
