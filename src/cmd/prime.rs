//! `prime`: what an agent needs to know now, for its context; and as a hook of an agent's.
//!
//! As a hook it must never be in the way: whatever is wrong is for the next command to say. So
//! [`started`] and [`stopping`] have no errors.

use std::io::{IsTerminal as _, Read as _};

use super::{Context, Input, Outcome, View, claim, salvage};
use crate::error::{Failure, Stop};
use crate::rules::{Refusal, decide};

/// What an agent's stop hook is told is no longer, in bytes; what is longer is as if nothing was.
const LONGEST: u64 = 64 * 1024;

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
}

/// Tells what an agent needs to know; without a sprint nothing.
///
/// # Errors
/// What the system says.
pub fn run(context: &Context) -> Result<Outcome, Stop> {
    let primer = look(context)?.map(Box::new);
    Ok(Outcome::Primed(primer))
}

/// The same at the start of an agent's session, where everything that is wrong is nothing.
#[must_use]
pub fn started(opened: Result<Context, Failure>) -> Outcome {
    let primer = opened.ok().and_then(|context| look(&context).ok().flatten());
    Outcome::Primed(primer.map(Box::new))
}

/// What an agent still holds when it is about to stop. It is told once: an agent that goes on because
/// of that, and stops again, may.
#[must_use]
pub fn stopping(opened: Result<Context, Failure>) -> Outcome {
    let told = told_before();
    let primer = opened.ok().filter(|_| !told).and_then(|context| look(&context).ok().flatten());
    Outcome::Stopping(primer.map(|primer| primer.holds).unwrap_or_default())
}

/// Whether what the agent tells its hook says that the hook has kept it going already.
fn told_before() -> bool {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return false;
    }
    let mut bytes = Vec::new();
    match stdin.lock().take(LONGEST + 1).read_to_end(&mut bytes) {
        Ok(_) => is_active(&bytes),
        Err(_) => false,
    }
}

/// Reads `stop_hook_active`. What cannot be read to its end may say so: better to let an agent go than
/// to keep it for ever.
#[must_use]
pub fn is_active(bytes: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Told {
        #[serde(default)]
        stop_hook_active: bool,
    }
    let is_empty = bytes.iter().all(u8::is_ascii_whitespace);
    !is_empty && serde_json::from_slice::<Told>(bytes).map_or(true, |told| told.stop_hook_active)
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
    let inputs = focus.as_deref().map_or_else(Vec::new, |of| claim::inputs(&board, &directory, of));
    let view = View {
        me: asker.me.clone(),
        stale_after: asker.stale_after,
        max_attempts: asker.max_attempts,
        changed: Vec::new(),
        lost: salvage::lost(context, &board),
        board,
    };
    Ok(Some(Primer { view, focus, holds, nothing, inputs }))
}

#[cfg(test)]
mod tests {
    use super::is_active;

    #[test]
    fn an_agent_is_kept_once() {
        for (bytes, active) in [
            ("", false),
            ("\n", false),
            (r#"{"session_id":"a"}"#, false),
            (r#"{"stop_hook_active":false,"more":[1]}"#, false),
            (r#"{"stop_hook_active":true}"#, true),
            (r#"{"stop_hook_active":1}"#, true),
            ("{", true),
            ("nonsense", true),
        ] {
            assert_eq!(is_active(bytes.as_bytes()), active, "{bytes}");
        }
        assert!(is_active(b"\xff\x00"));
    }
}
