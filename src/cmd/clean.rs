//! `clean`: remove sprints that ended a while ago.

use jiff::SignedDuration;

use super::{Context, Outcome};
use crate::error::Stop;

/// Removes the sprints that were archived at least `older_than` ago.
///
/// # Errors
/// What the system says.
pub fn run(context: &Context, older_than: SignedDuration) -> Result<Outcome, Stop> {
    Ok(Outcome::Cleaned(context.store.clean(&context.asker, older_than)?))
}
