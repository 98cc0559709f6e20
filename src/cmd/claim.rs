//! `claim`: own a phase.

use std::path::Path;
use std::time::Duration;

use super::{Context, Input, Outcome, batch, guard, salvage};
use crate::error::Stop;
use crate::record::Done;
use crate::rules::Board;
use crate::rules::gate::Checked;
use crate::rules::graph::Concurrency;
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
    let mut earlier = with_pins(board.builds_on_before(&granted.phase), &sprint);
    look_for(context, &mut earlier);
    let mut inputs = inputs(board, &sprint, &granted.phase);
    look_for(context, &mut inputs);
    let finish = finish(context, board, &granted.phase);
    let me = &context.asker.me;
    let nameless = me.any_process().is_none()
        && me.session.is_none()
        && me.terminal.is_none()
        && !me.explicit
        && me.token.is_none();
    let salvaged = Box::new(salvage::for_claim(context, &granted));
    let lost = salvage::lost(context, &granted.board);
    let granted = Box::new(granted);
    Outcome::Claimed { granted, inputs, earlier, nameless, picked, waited, salvaged, lost, finish }
}

/// What is to be known of the end of a phase when it begins.
#[derive(Debug, Clone, Default)]
pub struct Finish {
    /// Whether what is checked out at its completion matters to others: it is no phase that only reads,
    /// and there is a worktree.
    pub shows: bool,
    /// Whether it is the phase that guards what goes out.
    pub guards: bool,
    /// What has been checked of what it is to let out, if it guards.
    pub checked: Option<Checked>,
}

/// What is to be known of the end of `phase`. A setting that makes no sense is for the gate to say.
pub(super) fn finish(context: &Context, board: &Board, phase: &str) -> Finish {
    let Some(id) = board.graph.find(phase) else { return Finish::default() };
    let reads = batch::known(board, id) == Some(Concurrency::Read);
    Finish {
        shows: !reads && context.repo.as_ref().is_some_and(|repo| repo.worktree().is_some()),
        guards: guard::guards(context, phase),
        checked: guard::checked(context, board, phase).unwrap_or_default(),
    }
}

/// Looks whether this clone has the commits of `inputs`: one look for each.
pub(super) fn look_for(context: &Context, inputs: &mut [Input]) {
    let Some(repo) = &context.repo else { return };
    let commits: Vec<&str> = inputs.iter().filter_map(|input| input.commit.as_deref()).collect();
    let mut found = repo.has_commits(&commits).into_iter();
    for input in inputs.iter_mut().filter(|input| input.commit.is_some()) {
        input.here = found.next().flatten();
    }
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
