//! Reads the board of the current sprint. It needs no mutex and changes nothing.

use std::collections::BTreeSet;

use super::Store;
use super::lock::{self, Lock};
use super::phase::Phase;
use super::sprints::Found;
use super::world::World;
use crate::error::{Failure, Stop};
use crate::record::Maker;
use crate::rules::{Board, PhaseId, Refusal, State};

impl<W: World> Store<W> {
    /// The board of the current sprint; `None` if there is none.
    ///
    /// # Errors
    /// The store cannot be read, or holds what no version of this program writes.
    pub fn board(&self) -> Result<Option<Board>, Failure> {
        let Some(found) = self.current()? else { return Ok(None) };
        self.read(&found, None, None).map(Some)
    }

    /// The path of the current sprint's directory below the store; `None` if there is none.
    ///
    /// # Errors
    /// As [`Store::board`].
    pub fn current_path(&self) -> Result<Option<String>, Failure> {
        Ok(self.current()?.map(|found| found.path().to_owned()))
    }

    /// Reads the phases of `wanted` (all, if `None`) and of what is settled: completions that a
    /// killed command committed are finished by `settle`, and shown as done without it.
    ///
    /// A phase is read before those it depends on: a phase that was claimed when its dependencies
    /// were done is never shown waiting for them.
    pub(crate) fn read(
        &self,
        found: &Found<W::Dir>,
        wanted: Option<&BTreeSet<PhaseId>>,
        settle: Option<&Maker>,
    ) -> Result<Board, Failure> {
        let mut board = Board::new(found.sprint.clone(), found.graph.clone());
        for id in found.graph.order().into_iter().rev() {
            if wanted.is_some_and(|wanted| !wanted.contains(&id)) {
                continue;
            }
            let Some(dir) = found.phase(&found.graph.phase(id).name)? else { continue };
            let (mut state, seen) = lock::state(&self.world, &dir)?;
            if let (Lock::Committed { lock, token }, Some(maker)) = (&seen, settle) {
                let phase =
                    Phase { world: &self.world, dir: &dir, maker, is_current: &|| Ok(true) };
                phase.finish(lock, token)?;
                state = State::Done(lock::done(&dir)?.unwrap_or_default());
            }
            if let (State::Claimed(hold), Lock::Owned { lock, .. }) = (&mut state, &seen) {
                // A time in the future is of a clock that was set back.
                let heard = self.world.hears(lock, hold).map(|then| then.min(self.world.now()));
                hold.heard = hold.heard.max(heard);
            }
            board.set(id, state);
        }
        Ok(board)
    }
}

/// The phase called `name`, or the refusal that names those there are.
///
/// # Errors
/// `unknown_phase`.
pub fn find_phase(board: &crate::rules::Graph, name: &str) -> Result<PhaseId, Stop> {
    board.find(name).ok_or_else(|| {
        Refusal::UnknownPhase {
            phase: name.to_owned(),
            phases: board.ids().map(|id| board.phase(id).name.clone()).collect(),
        }
        .into()
    })
}
