//! Every completion that the store still knows of, for whoever keeps it elsewhere too.

use super::Store;
use super::host::Host;
use super::read::Attempts;
use crate::error::{Failure, FailureKind};
use crate::record::Done;
use crate::rules::{Board, State};

/// One completion.
#[derive(Debug, Clone)]
pub struct Completion {
    /// The sprint's id.
    pub sprint_id: String,
    /// The phase.
    pub phase: String,
    /// What it directly depends on.
    pub depends_on: Vec<String>,
    /// Its record.
    pub done: Done,
}

impl<H: Host> Store<H> {
    /// The completions of all sprints, the present one first. An ended sprint that cannot be read
    /// is left out; one that ends meanwhile may be told of twice.
    ///
    /// # Errors
    /// The present sprint cannot be read.
    pub fn completions(&self) -> Result<Vec<Completion>, Failure> {
        // In this order: a sprint that ends between the two looks is seen at least once.
        let mut all: Vec<Completion> = self.states()?.as_ref().map(of).unwrap_or_default();
        for found in self.former(usize::MAX)? {
            match self.read(&found, None, Attempts::None, None) {
                Ok(board) => all.extend(of(&board)),
                Err(failure)
                    if matches!(failure.kind, FailureKind::Tampered | FailureKind::Unreadable) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(all)
    }
}

impl<H: Host> Store<H> {
    /// Gives `each` the board of every sprint, the latest first, without the attempts that are
    /// over, and holds none of them longer than that. Gives the ids of those that cannot be read.
    ///
    /// # Errors
    /// The list of sprints cannot be read.
    pub fn each_sprint(&self, mut each: impl FnMut(&Board)) -> Result<Vec<String>, Failure> {
        let mut unreadable = Vec::new();
        for id in self.sprints()? {
            let found = self.find(&id).ok().flatten();
            match found.and_then(|found| self.read(&found, None, Attempts::None, None).ok()) {
                Some(board) => each(&board),
                None => unreadable.push(id),
            }
        }
        // What was removed meanwhile is not damaged.
        if !unreadable.is_empty() {
            let left = self.sprints()?;
            unreadable.retain(|id| left.contains(id));
        }
        Ok(unreadable)
    }
}

impl<H: Host> Store<H> {
    /// What `pick` takes of the latest sprint of which it takes anything, ended or not. Sprints are
    /// read one by one, up to that one. An ended one that cannot be read is passed over.
    ///
    /// # Errors
    /// The list of sprints cannot be read, or what is there cannot be read at this moment.
    pub fn latest<T>(&self, pick: impl Fn(&Board) -> Option<T>) -> Result<Option<T>, Failure> {
        for id in self.sprints()? {
            let Some(found) = self.find(&id)? else { continue };
            let picked = match self.read(&found, None, Attempts::None, None) {
                Ok(board) => pick(&board),
                Err(failure)
                    if matches!(failure.kind, FailureKind::Tampered | FailureKind::Unreadable) =>
                {
                    None
                }
                Err(failure) => return Err(failure),
            };
            if picked.is_some() {
                return Ok(picked);
            }
        }
        Ok(None)
    }
}

/// The completions on a board.
#[must_use]
pub fn of(board: &Board) -> Vec<Completion> {
    let completion = |id| match board.state(id) {
        State::Done(done) => Some(Completion {
            sprint_id: board.sprint.sprint_id.clone(),
            phase: board.graph.phase(id).name.clone(),
            depends_on: board.graph.dependencies(id),
            done: done.clone(),
        }),
        State::Pending | State::Claimed(_) => None,
    };
    board.graph.ids().filter_map(completion).collect()
}
