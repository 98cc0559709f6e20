//! `unstuck`: free a phase that its owner left.

use super::{Context, Outcome, salvage};
use crate::error::Stop;

/// Frees `phase`.
///
/// # Errors
/// The rule that says no; or what the system says.
pub fn run(context: &Context, phase: &str, force: bool) -> Result<Outcome, Stop> {
    let freed = context.store.unstuck(&context.asker, phase, force)?;
    let left = freed
        .hold
        .as_ref()
        .and_then(|hold| salvage::for_freed(context, hold, &freed.sprint_id, phase).map(Box::new));
    Ok(Outcome::Unstuck { freed: Box::new(freed), left })
}
