//! `unstuck`: free a phase that its owner left.

use super::{Context, Outcome, salvage};
use crate::error::Stop;

/// Frees `phase`.
///
/// # Errors
/// The rule that says no; or what the system says.
pub fn run(context: &Context, phase: &str, force: bool) -> Result<Outcome, Stop> {
    let freed = context.store.unstuck(&context.asker, phase, force)?;
    let made_up = salvage::made_up(context, &freed.dues, &freed.sprint_id, phase);
    let left = salvage::for_freed(context, &freed).map(Box::new);
    Ok(Outcome::Unstuck { freed: Box::new(freed), left, made_up })
}
