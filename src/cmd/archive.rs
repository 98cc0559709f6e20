//! `archive`: end the sprint.

use super::{Context, Outcome, salvage};
use crate::error::Stop;

/// Ends the current sprint.
///
/// # Errors
/// There is none; other agents' live claims; or what the system says.
pub fn run(context: &Context) -> Result<Outcome, Stop> {
    let board = context.store.archive_current(&context.asker)?;
    let made_up = salvage::all_made_up(context, &board);
    Ok(Outcome::Archived { board: Box::new(board), made_up })
}
