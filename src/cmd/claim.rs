//! `claim`: own a phase.

use std::path::Path;
use std::time::Duration;

use super::{Context, Input, Outcome, salvage};
use crate::error::Stop;
use crate::record::Done;
use crate::rules::Board;
use crate::store::change::Granted;

/// Claims `phase`.
///
/// # Errors
/// The rule that says no; or what the system says.
pub fn run(context: &Context, phase: &str, takeover: bool) -> Result<Outcome, Stop> {
    if let Some(failure) = context.bad_setting_of_claims() {
        return Err(failure.into());
    }
    let granted = context.store.claim(&context.claimer(), phase, takeover)?;
    Ok(outcome(context, granted, false, None))
}

/// What a granted claim comes to: with it goes what the phase builds on.
pub(super) fn outcome(
    context: &Context,
    mut granted: Granted,
    picked: bool,
    waited: Option<Duration>,
) -> Outcome {
    // The claim stands; what cannot be read for this is told by the next command.
    context.store.look_back(&mut granted.board, &granted.phase).ok();
    let board = &granted.board;
    let sprint = context.store_path().join("conductor").join(&board.sprint.sprint_id);
    let earlier = with_pins(board.builds_on_before(&granted.phase), &sprint);
    let inputs = inputs(board, &sprint, &granted.phase);
    let me = &context.asker.me;
    let nameless = me.any_process().is_none()
        && me.session.is_none()
        && me.terminal.is_none()
        && !me.explicit
        && me.token.is_none();
    let salvaged = Box::new(salvage::for_claim(context, &granted));
    let lost = salvage::lost(context, &granted.board);
    let granted = Box::new(granted);
    Outcome::Claimed { granted, inputs, earlier, nameless, picked, waited, salvaged, lost }
}

/// What `phase` builds on, where the sprint's directory is `sprint`.
pub(super) fn inputs(board: &Board, sprint: &Path, phase: &str) -> Vec<Input> {
    with_pins(board.builds_on(phase), sprint)
}

/// Completed phases, each with the path of what was handed over.
fn with_pins(done: Vec<(String, Done)>, sprint: &Path) -> Vec<Input> {
    let inputs = done.into_iter().map(|(phase, done)| {
        let pin = |sha256: &String| sprint.join(&phase).join(format!("pin.{sha256}"));
        let artifact = done.artifact_sha256.as_ref().map(|hash| pin(hash).display().to_string());
        Input { artifact, ..Input::of(&phase, &done) }
    });
    inputs.collect()
}
