//! What is said of the gate: why it is open or closed, and what is no evidence for what goes out.

use serde::Serialize;
use serde_json::{Value, json};

use super::Opened;
use crate::commands::inputs::Input;
use crate::record::VERSION;
use crate::rules::gate::GateAllowed;
use crate::rules::reasons::MissingEvidence;
use crate::ui::gate::{BEHIND, MAX_NAMED, merge, warnings};
use crate::ui::phrases::who;
use crate::ui::text::{safe, short};
use crate::ui::{Answer, Format, Messages};

impl Answer for Opened {
    fn text(&self, _: Format, messages: &mut Messages) -> String {
        open_text(self, messages);
        String::new()
    }

    fn json(&self, _: Format) -> Value {
        json!(GuardAnswer { v: VERSION, ok: true, opened: open_json(self) })
    }
}

/// What an open gate says.
fn open_text(opened: &Opened, messages: &mut Messages) {
    let phase = safe(&opened.phase);
    messages.line(&match opened.passage {
        GateAllowed::NoSprint => "the gate is open: there is no unfinished sprint".to_owned(),
        GateAllowed::Claimed => format!("the gate is open: '{phase}' is yours"),
        GateAllowed::Done => format!("the gate is open: '{phase}' is done at what goes out"),
    });
    warnings(&opened.gaps, messages);
    if let Some(commit) = &opened.forward {
        messages.hint(&format!("{BEHIND}: {}", merge(commit).join(" ")));
    }
}

/// Why the gate is open.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct OpenedAnswer<'a> {
    /// The phase that guards.
    phase: &'a str,
    /// Why it is open.
    passage: GateAllowed,
    /// The first commit that goes out.
    commit: Option<&'a str>,
    /// What is no evidence for what goes out, to warn of.
    gaps: &'a [MissingEvidence],
    /// The commit that was checked, if what is checked out need only be brought forward to it.
    forward: Option<&'a str>,
}

/// What `guard` answers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct GuardAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    #[serde(flatten)]
    opened: OpenedAnswer<'a>,
}

/// An open gate as JSON.
pub(in crate::commands) fn open_json(opened: &Opened) -> OpenedAnswer<'_> {
    OpenedAnswer {
        phase: &opened.phase,
        passage: opened.passage,
        commit: opened.commit.as_deref(),
        gaps: &opened.gaps,
        forward: opened.forward.as_deref(),
    }
}

/// Warns that a completed phase was done beside what it builds on.
pub(in crate::commands) fn lacks_text(phase: &str, lacks: &[Input], messages: &mut Messages) {
    for lacked in lacks.iter().take(MAX_NAMED) {
        let commit = lacked.commit.as_deref().map(short).unwrap_or_default();
        messages.warning(&format!(
            "'{phase}' was completed at a commit without that of '{}' by {}, {commit}: \
             it is no evidence for what contains both",
            lacked.phase,
            who(&lacked.agent),
        ));
    }
}
