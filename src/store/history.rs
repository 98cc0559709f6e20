//! Every completion that the store still knows of, for whoever keeps it elsewhere too.

use super::Store;
use super::read::Attempts;
use super::world::World;
use crate::error::{Failure, FailureKind};
use crate::record::Done;
use crate::rules::State;

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

impl<W: World> Store<W> {
    /// The completions of all sprints, the present one first. An ended sprint that cannot be read is
    /// left out; one that ends meanwhile may be told of twice.
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

/// The completions on a board.
#[must_use]
pub fn of(board: &crate::rules::Board) -> Vec<Completion> {
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
