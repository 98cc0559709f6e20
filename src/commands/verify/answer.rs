//! What is said of the evidence of sprints: a line for each completion, and what differs.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Checked, Verification, Verified};
use crate::error::{self, Hint};
use crate::record::VERSION;
use crate::rules::evidence::{Fault, Finding};
use crate::ui::columns::{columns, padded};
use crate::ui::phrases::known;
use crate::ui::text::{Paint, list, safe};
use crate::ui::{Answer, Format, Messages};

impl Answer for Verification {
    fn text(&self, format: Format, messages: &mut Messages) -> String {
        verified_text(&self.sprints, format.out, messages)
    }

    fn json(&self, _: Format) -> Value {
        verified_json(&self.sprints, self.all)
    }

    fn exit(&self) -> u8 {
        if self.sprints.iter().all(Verified::ok) { error::OK } else { error::REFUSED }
    }
}

/// What was found of the evidence of sprints.
fn verified_text(sprints: &[Verified], paint: Paint, messages: &mut Messages) -> String {
    let mut out = String::new();
    for sprint in sprints {
        _ = writeln!(out, "sprint {}", safe(&sprint.sprint_id));
        let widths = sprint.phases.iter().map(|checked| columns(&checked.phase));
        let width = widths.filter(|&width| width <= 24).max().unwrap_or(0);
        for checked in &sprint.phases {
            checked_text(checked, width, paint, &mut out);
        }
        if sprint.left > 0 {
            let what = if sprint.left == 1 { "phase is" } else { "phases are" };
            _ = writeln!(out, "  {} {what} not done", sprint.left);
        }
    }
    let differing: Vec<String> = sprints
        .iter()
        .flat_map(|sprint| sprint.phases.iter().filter(|checked| !checked.ok()))
        .map(|checked| format!("'{}'", safe(&checked.phase)))
        .collect();
    if sprints.iter().all(|sprint| sprint.phases.is_empty()) {
        messages.line("nothing is done: there is no evidence yet");
    } else if differing.is_empty() {
        messages.line("all evidence is what was recorded");
    } else {
        messages.warning(&format!("the evidence of {} is not what was recorded", list(&differing)));
        messages.hint(&Hint::fixed(
            "change nothing: tell your human what differs, and stop",
            "change nothing before you know why it differs",
        ));
    }
    out
}

fn checked_text(checked: &Checked, width: usize, paint: Paint, out: &mut String) {
    let word = if checked.ok() { paint.good("ok     ") } else { paint.bad("differs") };
    let carried = if checked.carried_from.is_some() { "  carried" } else { "" };
    let line =
        format!("  {}  {word}  {}{carried}", padded(&checked.phase, width), known(&checked.agent));
    _ = writeln!(out, "{line}");
    for finding in &checked.findings {
        let note = if finding.what.differs() { "" } else { "note: " };
        _ = writeln!(out, "    {note}{}", found(finding));
    }
}

/// What one finding says.
fn found(finding: &Finding) -> String {
    let about = safe(finding.about.as_deref().unwrap_or_default());
    let ids = [Fault::CommitGone, Fault::TreeDiffers, Fault::KeptDiffers];
    // Of an id the beginning is enough for people.
    let about: String = if ids.contains(&finding.what) {
        about.chars().take(12).collect()
    } else {
        about.into_owned()
    };
    match finding.what {
        Fault::RecordUnreadable => "its record cannot be read".to_owned(),
        Fault::PinChanged => "the copy of what was handed over has been changed".to_owned(),
        Fault::PinGone => "the copy of what was handed over is gone".to_owned(),
        Fault::CommitBad => format!("'{about}' is no id of a commit"),
        Fault::CommitGone => format!("its commit {about} is not in the repository"),
        Fault::TreeDiffers => format!("its commit {about} has another tree than the recorded one"),
        Fault::DependencyNotDone => format!("'{about}', on which it depends, has not passed"),
        Fault::DependencyLater => {
            format!("'{about}', on which it depends, was completed after it")
        }
        Fault::NoteDiffers => format!("its record in git notes has another '{about}'"),
        Fault::NoteMissing => {
            "it has no record in git notes, and conductor.notes is true".to_owned()
        }
        Fault::KeptDiffers => format!("what git keeps of its artifact, {about}, is something else"),
        Fault::OriginDiffers => {
            format!("the sprint that it was carried from has another '{about}'")
        }
        Fault::OriginalChanged => format!("'{about}' has been changed since; the copy counts"),
        Fault::OriginalGone => format!("'{about}' is gone; the copy counts"),
        Fault::NoNote => "it has no record in git notes".to_owned(),
        Fault::NoteLater => "its record in git notes is of a later version".to_owned(),
        Fault::NotKept => "git does not keep its artifact".to_owned(),
        Fault::OriginGone => "the sprint that it was carried from is not here any more".to_owned(),
    }
}

/// What was found of a completion.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct CheckAnswer<'a> {
    /// What.
    what: Fault,
    /// Whether evidence differs; else it is only worth knowing.
    differs: bool,
    /// About what, if that is not the phase itself.
    about: Option<&'a str>,
}

/// The evidence of one completion.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct CheckedAnswer<'a> {
    /// The phase.
    phase: &'a str,
    /// Who completed it; empty if it cannot be known.
    agent: &'a str,
    /// Whether nothing differs.
    ok: bool,
    /// The sprint that it was carried from.
    carried_from: Option<&'a str>,
    /// What was found.
    checks: Vec<CheckAnswer<'a>>,
}

/// The evidence of one sprint.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct VerifiedAnswer<'a> {
    /// The sprint.
    sprint_id: &'a str,
    /// Whether nothing differs.
    ok: bool,
    /// Its completions, in the board's order.
    phases: Vec<CheckedAnswer<'a>>,
    /// How many phases are not done.
    not_done: usize,
}

/// What `verify` answers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct VerifyAnswer<'a> {
    /// The version of this format.
    v: u32,
    #[serde(flatten)]
    sprint: Option<VerifiedAnswer<'a>>,
}

/// What `verify --all` answers; `ok` is false where anything differs.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct VerifyAllAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// The sprints.
    sprints: Vec<VerifiedAnswer<'a>>,
}

impl<'a> From<&'a Checked> for CheckedAnswer<'a> {
    fn from(checked: &'a Checked) -> Self {
        let checks = checked.findings.iter().map(|finding| CheckAnswer {
            what: finding.what,
            differs: finding.what.differs(),
            about: finding.about.as_deref(),
        });
        Self {
            phase: &checked.phase,
            agent: &checked.agent,
            ok: checked.ok(),
            carried_from: checked.carried_from.as_deref(),
            checks: checks.collect(),
        }
    }
}

impl<'a> From<&'a Verified> for VerifiedAnswer<'a> {
    fn from(sprint: &'a Verified) -> Self {
        Self {
            sprint_id: &sprint.sprint_id,
            ok: sprint.ok(),
            phases: sprint.phases.iter().map(CheckedAnswer::from).collect(),
            not_done: sprint.left,
        }
    }
}

/// The same as JSON.
fn verified_json(sprints: &[Verified], all: bool) -> Value {
    if all {
        return json!(VerifyAllAnswer {
            v: VERSION,
            ok: sprints.iter().all(Verified::ok),
            sprints: sprints.iter().map(VerifiedAnswer::from).collect(),
        });
    }
    json!(VerifyAnswer { v: VERSION, sprint: sprints.first().map(VerifiedAnswer::from) })
}
