//! `unstuck`: free a phase that its owner left.

use super::{Context, Outcome};
use crate::error::Stop;

/// Frees `phase`.
///
/// # Errors
/// The rule that says no; or what the system says.
pub fn run(context: &Context, phase: &str, force: bool) -> Result<Outcome, Stop> {
    Ok(Outcome::Unstuck(Box::new(context.store.unstuck(&context.asker, phase, force)?)))
}
