//! `status`: the board.

use std::os::unix::fs::MetadataExt as _;

use super::{Context, Outcome, View, salvage};
use crate::error::Stop;
use crate::record::Done;
use crate::rules::{Board, State};

/// Shows the board of the current sprint.
///
/// # Errors
/// What the system says.
pub fn run(context: &Context) -> Result<Outcome, Stop> {
    let Some(board) = context.store.board()? else { return Ok(Outcome::NoSprint) };
    Ok(Outcome::Board(Box::new(view(context, board))))
}

/// The board, as the asker sees it.
pub(super) fn view(context: &Context, board: Board) -> View {
    let is_changed = |id: &crate::rules::PhaseId| match board.state(*id) {
        State::Done(done) => changed(done),
        State::Pending | State::Claimed(_) => false,
    };
    let changed = board.graph.ids().filter(is_changed).collect();
    View {
        me: context.asker.me.clone(),
        stale_after: context.asker.stale_after,
        max_attempts: context.asker.max_attempts,
        changed,
        lost: salvage::lost(context, &board),
        board,
    }
}

/// Whether the original is not what was handed over, by size and time; nothing is hashed, and a
/// link is not followed.
pub(super) fn changed(done: &Done) -> bool {
    let (Some(path), Some(size), Some(mtime)) =
        (&done.artifact_path, done.artifact_size, done.artifact_mtime)
    else {
        return false;
    };
    match std::fs::symlink_metadata(path) {
        Ok(meta) => meta.size() != size || modified(&meta) != mtime,
        // Gone or out of sight: the pin is what counts.
        Err(_) => false,
    }
}

/// Modification time in nanoseconds since 1970.
pub(super) fn modified(meta: &std::fs::Metadata) -> i64 {
    meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec())
}
