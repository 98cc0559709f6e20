//! `prime`: what an agent needs to know now, for its context; and as a hook of an agent's.
//!
//! - [`hook`]: what each hook answers
//! - [`input`]: what the agent tells it
//! - [`subagent`]: what the subagents of one session are called
//! - [`shell`]: a command line in which their calls are named

pub mod hook;
pub mod input;
pub mod shell;
pub mod subagent;

use super::{Context, Input, Outcome, View, claim, guard, salvage};
use crate::error::{Failure, Stop};
use crate::rules::gate::Checked;
use crate::rules::{Refusal, decide};

/// What an agent needs to know now.
#[derive(Debug)]
pub struct Primer {
    /// The board.
    pub view: View,
    /// The phase to look at: the first that the agent holds, or else could claim.
    pub focus: Option<String>,
    /// The phases that the agent holds.
    pub holds: Vec<String>,
    /// Why the agent can claim nothing, if it holds nothing either.
    pub nothing: Option<Refusal>,
    /// What the phase to look at builds on.
    pub inputs: Vec<Input>,
    /// What has been checked of what the phase to look at is to let out, if it guards.
    pub checked: Option<Checked>,
}

/// Tells what an agent needs to know; without a sprint nothing.
///
/// # Errors
/// What the system says.
pub fn run(context: &Context) -> Result<Outcome, Stop> {
    let primer = look(context)?.map(Box::new);
    Ok(Outcome::Primed(primer))
}

fn look(context: &Context) -> Result<Option<Primer>, Failure> {
    let Some(mut board) = context.store.board()? else { return Ok(None) };
    let asker = &context.asker;
    let facts = asker.facts(context.now());
    let name = |id| board.graph.phase(id).name.clone();
    let holds: Vec<String> = decide::mine(&board, facts).into_iter().map(name).collect();
    let (open, nothing) = match context.store.next(&mut board, facts) {
        _ if !holds.is_empty() => (None, None),
        Ok(open) => (open.into_iter().next(), None),
        Err(refusal) => (None, Some(refusal)),
    };
    let open = open.map(|id| board.graph.phase(id).name.clone());
    let focus = holds.first().cloned().or(open);
    let directory = context.store_path().join("conductor").join(&board.sprint.sprint_id);
    let mut inputs =
        focus.as_deref().map_or_else(Vec::new, |of| claim::inputs(&board, &directory, of));
    claim::look_for(context, &mut inputs);
    let checked =
        focus.as_deref().map(|of| guard::checked(context, &board, of).unwrap_or_default());
    let view = View {
        me: asker.me.clone(),
        stale_after: asker.stale_after,
        max_attempts: asker.max_attempts,
        changed: Vec::new(),
        lost: salvage::lost(context, &board),
        board,
    };
    let checked = checked.flatten();
    Ok(Some(Primer { view, focus, holds, nothing, inputs, checked }))
}
