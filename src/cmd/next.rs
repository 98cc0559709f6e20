//! `next`: what could this agent claim now; and claim it in the same step.

use super::{Context, Outcome, salvage};
use crate::error::Stop;
use crate::rules::Refusal;

/// The first phase that can be claimed, or all of them; claimed at once if `claim`.
///
/// # Errors
/// Why there is none; or what the system says.
pub fn run(context: &Context, all: bool, claim: bool) -> Result<Outcome, Stop> {
    if claim {
        if let Some(failure) = context.bad_setting_of_claims() {
            return Err(failure.into());
        }
        let granted = context.store.claim_next(&context.claimer())?;
        return Ok(super::claim::outcome(context, granted, true, None));
    }
    let mut board = context.store.board()?.ok_or(Refusal::NoSprint {})?;
    let facts = context.asker.facts(context.now());
    let open = context.store.next(&mut board, facts)?;
    let most = if all { open.len() } else { 1 };
    let names = open.into_iter().take(most).map(|id| board.graph.phase(id).name.clone());
    Ok(Outcome::Next { phases: names.collect(), lost: salvage::lost(context, &board) })
}
