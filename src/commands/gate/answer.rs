//! What is said of the gate: why it is open or closed, and what is no evidence for what goes out.

use serde_json::{Value, json};

use super::Opened;
use crate::commands::inputs::Input;
use crate::record::VERSION;
use crate::rules::gate::GateAllowed;
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
        open_json(self)
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

/// An open gate as JSON.
pub(in crate::commands) fn open_json(opened: &Opened) -> Value {
    json!({
        "v": VERSION, "ok": true,
        "phase": opened.phase,
        "passage": opened.passage,
        "commit": opened.commit,
        "gaps": opened.gaps,
        "forward": opened.forward,
    })
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
