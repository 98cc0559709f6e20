//! `abort`: give up a claim.

use super::{Context, Outcome};
use crate::error::Stop;

/// Gives up `phase`, or everything that the asker holds.
///
/// # Errors
/// The rule that says no; or what the system says.
pub fn run(context: &Context, phase: Option<&str>, reason: &str) -> Result<Outcome, Stop> {
    let phases = match phase {
        Some(phase) => vec![phase.to_owned()],
        None => context.store.held_by(&context.asker)?,
    };
    let mut freed = Vec::new();
    for phase in &phases {
        freed.push(context.store.abort(&context.asker, phase, reason)?);
    }
    Ok(Outcome::Aborted(freed))
}
