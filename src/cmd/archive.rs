//! `archive`: end the sprint.

use super::{Context, Outcome};
use crate::error::Stop;

/// Ends the current sprint.
///
/// # Errors
/// There is none; other agents' live claims; or what the system says.
pub fn run(context: &Context) -> Result<Outcome, Stop> {
    Ok(Outcome::Archived(Box::new(context.store.archive_current(&context.asker)?)))
}
