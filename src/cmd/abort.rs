//! `abort`: give up a claim.

use super::{Context, Outcome};
use crate::error::Stop;

/// Gives up `phase`, or everything that the asker holds.
///
/// # Errors
/// The rule that says no; or what the system says.
pub fn run(context: &Context, phase: Option<&str>, reason: &str) -> Result<Outcome, Stop> {
    let freed = match phase {
        Some(phase) => vec![context.store.abort(&context.asker, phase, reason)?],
        None => context.store.abort_all(&context.asker, reason)?,
    };
    Ok(Outcome::Aborted(freed))
}
