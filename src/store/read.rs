//! Reads the board of the current sprint. It needs no mutex and changes nothing.

use std::collections::BTreeSet;

use super::Store;
use super::checked_dir::{CheckedDir, Opened};
use super::host::Host;
use super::layout::LOCK;
use super::lock::{self, Lock};
use super::past;
use super::phase::Phase;
use super::sprints::OpenSprint;
use crate::error::{Failure, Stop};
use crate::record::Maker;
use crate::rules::{Board, PhaseId, Refusal, State};

/// Of which phases the attempts that are over are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempts {
    /// All that are read.
    All,
    /// One.
    Of(PhaseId),
    /// None: they do not matter.
    None,
}

/// A phase's directory, and the lock that its state was seen by.
pub(crate) type Seen<D> = (CheckedDir<D>, Lock<D>);

/// The board with one phase read, and what that was seen by; `None` if it has no directory.
pub(crate) type One<D> = (Board, Option<Seen<D>>);

impl<H: Host> Store<H> {
    /// The board of the current sprint; `None` if there is none.
    ///
    /// # Errors
    /// The store cannot be read, or holds what no version of this program writes.
    pub fn board(&self) -> Result<Option<Board>, Failure> {
        let Some(found) = self.current()? else { return Ok(None) };
        self.read(&found, None, Attempts::All, None).map(Some)
    }

    /// The same without the attempts that are over, for who only asks where each phase is.
    ///
    /// # Errors
    /// As [`Store::board`].
    pub fn states(&self) -> Result<Option<Board>, Failure> {
        let Some(found) = self.current()? else { return Ok(None) };
        self.read(&found, None, Attempts::None, None).map(Some)
    }

    /// The board of the sprint `id`, which may have ended; `None` if there is none of this project
    /// that can be read.
    ///
    /// # Errors
    /// As [`Store::board`].
    pub fn board_of(&self, id: &str) -> Result<Option<Board>, Failure> {
        let Some(found) = self.find(id)?.filter(|_| self.is_ours(id)) else { return Ok(None) };
        self.read(&found, None, Attempts::All, None).map(Some)
    }

    /// The board that a next round would take up again: of the current sprint, else of the last
    /// that has ended.
    ///
    /// # Errors
    /// As [`Store::board`].
    pub fn last_board(&self) -> Result<Option<Board>, Failure> {
        let Some(found) = self.last()? else { return Ok(None) };
        self.read(&found, None, Attempts::All, None).map(Some)
    }

    /// Reads what the dependencies of the phase called `name` build on themselves: to claim the
    /// phase needs only the dependencies.
    ///
    /// # Errors
    /// As [`Store::board`].
    pub fn look_back(&self, board: &mut Board, name: &str) -> Result<(), Failure> {
        let Some(id) = board.graph.find(name) else { return Ok(()) };
        let mut before = board.graph.ancestors(id);
        for dep in &board.graph.phase(id).depends_on {
            before.remove(dep);
        }
        if before.is_empty() {
            return Ok(());
        }
        let Some(found) = self.find(&board.sprint.sprint_id)? else { return Ok(()) };
        for id in before {
            self.read_phase(board, &found, id, Attempts::None, None)?;
        }
        Ok(())
    }

    /// The path below the store of the directory of the sprint `id`, which may have ended.
    ///
    /// # Errors
    /// As [`Store::board`].
    pub fn path_of(&self, id: &str) -> Result<Option<String>, Failure> {
        Ok(self.find(id)?.map(|found| found.path().to_owned()))
    }

    /// The path of the current sprint's directory below the store; `None` if there is none.
    ///
    /// # Errors
    /// As [`Store::board`].
    pub fn current_path(&self) -> Result<Option<String>, Failure> {
        Ok(self.current()?.map(|found| found.path().to_owned()))
    }

    /// Shows `each` the directories in which every change of the current sprint can be seen: that
    /// of sprints, and of the sprint that of itself, of its phases, and of the locks that there
    /// are. What is not there yet shows in the one above it.
    ///
    /// # Errors
    /// As [`Store::board`].
    pub fn each_directory(&self, each: &mut dyn FnMut(&H::Dir)) -> Result<(), Failure> {
        if let Some(conductor) = self.conductor()? {
            each(conductor.dir());
        }
        let Some(found) = self.current()? else { return Ok(()) };
        each(found.dir.dir());
        for id in found.graph.ids() {
            let Some(phase) = found.phase(&found.graph.phase(id).name)? else { continue };
            each(phase.dir());
            if let Opened::Dir(lock) = phase.open_any(LOCK)? {
                each(lock.dir());
            }
        }
        Ok(())
    }

    /// Reads the phases of `wanted` (all, if `None`) and of what is settled: completions that a
    /// killed command committed are finished by `settle`, and shown as done without it.
    ///
    /// A phase is read before those it depends on: a phase that was claimed when its dependencies
    /// were done is never shown waiting for them.
    pub(crate) fn read(
        &self,
        found: &OpenSprint<H::Dir>,
        wanted: Option<&BTreeSet<PhaseId>>,
        attempts: Attempts,
        settle: Option<&Maker>,
    ) -> Result<Board, Failure> {
        let mut board = Board::new(found.sprint.clone(), found.graph.clone());
        for id in found.graph.order().into_iter().rev() {
            if wanted.is_some_and(|wanted| !wanted.contains(&id)) {
                continue;
            }
            self.read_phase(&mut board, found, id, attempts, settle)?;
        }
        Ok(board)
    }

    /// Reads the phase `id` alone, and keeps what it was seen by.
    pub(crate) fn read_one(
        &self,
        found: &OpenSprint<H::Dir>,
        id: PhaseId,
        attempts: Attempts,
        settle: &Maker,
    ) -> Result<One<H::Dir>, Failure> {
        let mut board = Board::new(found.sprint.clone(), found.graph.clone());
        let seen = self.read_phase(&mut board, found, id, attempts, Some(settle))?;
        Ok((board, seen))
    }

    fn read_phase(
        &self,
        board: &mut Board,
        found: &OpenSprint<H::Dir>,
        id: PhaseId,
        attempts: Attempts,
        settle: Option<&Maker>,
    ) -> Result<Option<Seen<H::Dir>>, Failure> {
        let Some(dir) = found.phase(&found.graph.phase(id).name)? else { return Ok(None) };
        let (mut state, seen) = lock::state(&self.host, &dir)?;
        if let (Lock::Committed { lock, token }, Some(maker)) = (&seen, settle) {
            let phase = Phase {
                host: &self.host,
                dir: &dir,
                maker,
                is_current: &|| Ok(true),
                attempts: None,
            };
            phase.finish(lock, token)?;
            state = State::Done(lock::done(&dir)?.unwrap_or_default());
        }
        if let (State::Claimed(hold), Lock::Owned { lock, .. }) = (&mut state, &seen) {
            let seen = self.host.hears(lock, hold);
            lock::hears(&self.host, hold, seen);
        }
        // After the lock: whoever was seen as the owner has not failed by then.
        if attempts == Attempts::All || attempts == Attempts::Of(id) {
            let past = past::read(&dir, &state)?;
            board.set_past(id, past.attempts);
            board.set_reset_attempts(id, past.reset_attempts);
            board.set_dues(id, past.dues);
        }
        board.set(id, state);
        Ok(Some((dir, seen)))
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
