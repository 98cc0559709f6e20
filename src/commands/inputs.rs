//! What a phase builds on: its dependencies as they were handed over.

use std::fmt::Write as _;
use std::path::Path;

use super::Context;
use crate::record::Done;
use crate::rules::Board;
use crate::store::layout::pin_path;
use crate::ui::Messages;
use crate::ui::text::{safe, short};

/// What a phase builds on: one dependency, as it was handed over.
#[derive(Debug, Clone, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Input {
    /// The dependency.
    pub phase: String,
    /// Who completed it.
    pub agent: String,
    /// The commit it was done at.
    pub commit: Option<String>,
    /// The branch it was done on.
    pub branch: Option<String>,
    /// The pinned artifact (absolute path).
    pub artifact: Option<String>,
    /// Whether this clone has the commit; null where that cannot be known, or nobody has looked.
    pub here: Option<bool>,
}

impl Input {
    /// The dependency `phase`, without its artifact.
    pub(super) fn of(phase: &str, done: &Done) -> Self {
        Self {
            phase: phase.to_owned(),
            agent: done.agent.clone(),
            commit: done.at.commit.clone(),
            branch: done.at.branch.clone(),
            artifact: None,
            here: None,
        }
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
pub(super) fn of(board: &Board, sprint: &Path, phase: &str) -> Vec<Input> {
    with_pins(board.builds_on(phase), sprint)
}

/// Completed phases, each with the path of what was handed over.
pub(super) fn with_pins(done: Vec<(String, Done)>, sprint: &Path) -> Vec<Input> {
    let inputs = done.into_iter().map(|(phase, done)| {
        let pin = |sha256: &String| pin_path(sprint, &phase, sha256);
        let artifact = done.artifact_sha256.as_ref().map(|hash| pin(hash).display().to_string());
        Input { artifact, ..Input::of(&phase, &done) }
    });
    inputs.collect()
}

/// Of what was handed over earlier, so many are named.
const MAX_EARLIER: usize = 8;

/// What the phase builds on, and how to read it.
pub(super) fn text(inputs: &[Input], earlier: &[Input], messages: &mut Messages) {
    for input in inputs {
        input_text(input, messages);
    }
    for input in earlier.iter().take(MAX_EARLIER) {
        messages.line(&format!(
            "before that '{}' by '{}': git conductor show {} --artifact",
            input.phase,
            safe(&input.agent),
            input.phase
        ));
    }
    if earlier.len() > MAX_EARLIER {
        let more = earlier.len() - MAX_EARLIER;
        messages.line(&format!("and {more} more before that: git conductor graph"));
    }
    if inputs.iter().any(|input| input.here == Some(false)) {
        messages.hint("fetch what is not here first: git fetch");
    }
}

fn input_text(input: &Input, messages: &mut Messages) {
    let mut line = format!("builds on '{}' by '{}'", input.phase, safe(&input.agent));
    if let Some(commit) = &input.commit {
        // Writing to a String cannot fail.
        _ = write!(line, ", commit {}", short(commit));
    }
    if let Some(branch) = &input.branch {
        _ = write!(line, " on {}", safe(branch));
    }
    match &input.artifact {
        Some(_) => {
            messages.line(&line);
            messages.line(&format!("  git conductor show {} --artifact", input.phase));
        }
        None => messages.line(&format!("{line}; no artifact was handed over")),
    }
    if input.here == Some(false) {
        messages.line("  that commit is not in this clone yet");
    }
}
