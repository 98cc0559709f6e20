//! What is said of a phase and its evidence: `show` and `verify`.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::board::{columns, padded};
use super::text::{self, Paint, age, duration, list, safe, zone};
use super::{Format, Say};
use crate::cmd::View;
use crate::cmd::show::{Original, Shown};
use crate::cmd::verify::{Checked, Verified};
use crate::record::{Attempt, Done, VERSION};
use crate::rules::evidence::{Fault, Finding};
use crate::rules::gate::Pin;
use crate::rules::graph::Concurrency;
use crate::rules::identity::heard;
use crate::rules::others::Alive;
use crate::rules::{Hold, Life, PhaseId, State};

/// A fact and what it is, in two columns.
struct Facts {
    rows: Vec<(&'static str, String)>,
}

impl Facts {
    fn put(&mut self, name: &'static str, value: impl Into<String>) {
        self.rows.push((name, value.into()));
    }

    fn maybe(&mut self, name: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.put(name, safe(value));
        }
    }
}

/// `2026-11-22 09:15:02 UTC (2h14m ago)`
fn moment(now: Timestamp, at: Timestamp) -> String {
    let zone = zone(now).unwrap_or_else(|| "UTC".to_owned());
    format!("{} {zone} ({} ago)", text::moment(at), age(now, at))
}

fn who(agent: &str) -> String {
    if agent.is_empty() { "unknown".to_owned() } else { safe(agent).into_owned() }
}

/// Content as a terminal may have it: lines and tabs stay.
pub(super) fn visible(content: &str) -> String {
    let line = |line: &str| {
        let cells: Vec<_> = line.split('\t').map(safe).collect();
        cells.join("\t")
    };
    content.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// All that is known of a phase.
pub(super) fn shown_text(shown: &Shown, format: Format) -> String {
    let Shown { view, id, .. } = shown;
    let (board, now) = (&view.board, format.now);
    let phase = board.graph.phase(*id);
    let mut facts = Facts { rows: Vec::new() };
    facts.put("sprint", safe(&board.sprint.sprint_id));
    facts.maybe("about", phase.about.as_deref());
    match board.state(*id) {
        State::Pending => {}
        State::Claimed(hold) => claimed(&mut facts, view, hold, now),
        State::Done(done) => finished(&mut facts, shown, done, now),
    }
    let names = |ids: &[PhaseId]| {
        let one = |id: &PhaseId| {
            let name = &board.graph.phase(*id).name;
            format!("{name} ({})", super::board::word(view, *id, now))
        };
        ids.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    if !phase.depends_on.is_empty() {
        facts.put("depends on", names(&phase.depends_on));
    }
    let waiting = dependents(shown);
    if !waiting.is_empty() {
        facts.put("needed by", names(&waiting));
    }
    if !phase.not_by.is_empty() {
        let by: Vec<&str> =
            phase.not_by.iter().map(|id| board.graph.phase(*id).name.as_str()).collect();
        facts.put("not by", format!("whoever completed {}", by.join(", ")));
    }
    if let Some(concurrency) = phase.concurrency {
        facts.put("runs", concurrency_word(concurrency));
    }
    if let Some(most) = entry(shown).and_then(|entry| entry.max_attempts) {
        facts.put("attempts", format!("{} of at most {most}", board.past(*id).len()));
    }
    for attempt in board.past(*id) {
        facts.put("attempt", attempt_text(attempt, now));
    }
    let mut out =
        format!("{}  {}\n", phase.name, super::board::painted(view, *id, now, format.out));
    for (name, value) in facts.rows {
        _ = writeln!(out, "  {}  {value}", padded(name, 10));
    }
    if let Some(content) = &shown.content {
        out.push('\n');
        out.push_str(&visible(content));
        if !content.ends_with('\n') {
            out.push('\n');
        }
    }
    out
}

fn concurrency_word(concurrency: Concurrency) -> &'static str {
    match concurrency {
        Concurrency::Read => "beside other readers",
        Concurrency::Write => "alone among writers",
        Concurrency::Exclusive => "alone",
    }
}

/// The phases that directly depend on it.
fn dependents(shown: &Shown) -> Vec<PhaseId> {
    let graph = &shown.view.board.graph;
    graph.ids().filter(|id| graph.phase(*id).depends_on.contains(&shown.id)).collect()
}

fn entry(shown: &Shown) -> Option<&crate::record::PhaseEntry> {
    shown.view.board.sprint.phases.get(shown.id.index())
}

fn claimed(facts: &mut Facts, view: &View, hold: &Hold, now: Timestamp) {
    let claim = &hold.claim;
    let life = match hold.life {
        Life::Alive => "alive",
        Life::Dead => "its process is gone",
        Life::Unknown => "its process is out of sight",
    };
    let yours = super::board::is_mine(view, hold);
    facts.put("owner", format!("{}, {}", who(&claim.agent), if yours { "you" } else { life }));
    if let Some(at) = claim.claimed_at {
        facts.put("claimed", moment(now, at));
    }
    if let Some(at) = claim.renewed_at {
        facts.put("heard", moment(now, at));
    }
    facts.maybe("worktree", claim.worktree.as_deref());
    facts.maybe("branch", claim.branch.as_deref());
    facts.maybe("commit", claim.commit.as_deref());
}

fn finished(facts: &mut Facts, shown: &Shown, done: &Done, now: Timestamp) {
    facts.put("by", who(&done.agent));
    facts.maybe("carried", done.carried_from.as_ref().map(|it| format!("from {it}")).as_deref());
    if let Some(at) = done.claimed_at {
        facts.put("claimed", moment(now, at));
    }
    if let Some(at) = done.completed_at {
        facts.put("completed", moment(now, at));
        if let Some(from) = done.claimed_at {
            facts.put("took", duration(at.duration_since(from)));
        }
    }
    if let Some(commit) = &done.at.commit {
        let dirty = match done.at.dirty {
            Some(true) => ", dirty",
            Some(false) => ", clean",
            None => "",
        };
        let here = match shown.here {
            Some(false) => ", not here yet: git fetch",
            Some(true) | None => "",
        };
        facts.put("commit", format!("{}{dirty}{here}", safe(commit)));
    }
    facts.maybe("tree", done.at.tree.as_deref());
    facts.maybe("branch", done.at.branch.as_deref());
    facts.maybe("worktree", done.at.worktree.as_deref());
    if done.artifact.is_empty() && done.artifact_sha256.is_none() {
        return;
    }
    let changed = match shown.original {
        Original::Same | Original::Unknown => "",
        Original::Changed => ", changed since",
        Original::Gone => ", gone since",
    };
    facts.put("artifact", format!("{}{changed}", safe(&done.artifact)));
    if let Some(size) = done.artifact_size {
        facts.put("size", format!("{size} bytes"));
    }
    facts.maybe("sha256", done.artifact_sha256.as_deref());
    let copy = match (shown.pin, &shown.pin_path) {
        (Pin::Same, Some(path)) => safe(&path.display().to_string()).into_owned(),
        (pin, _) => pin_word(pin).to_owned(),
    };
    facts.put("copy", copy);
}

const fn pin_word(pin: Pin) -> &'static str {
    match pin {
        Pin::None => "none was kept",
        Pin::Same => "whole",
        Pin::Changed => "not what was handed over: it has been changed",
        Pin::Gone => "gone",
    }
}

fn attempt_text(attempt: &Attempt, now: Timestamp) -> String {
    let mut text = format!("{}, {}", who(&attempt.agent), safe(&attempt.how));
    if let Some(at) = attempt.ended_at {
        _ = write!(text, " {} ago", age(now, at));
    }
    if !attempt.reason.is_empty() {
        _ = write!(text, ": {}", safe(&attempt.reason));
    }
    text
}

/// The same as JSON.
pub(super) fn shown_json(shown: &Shown, now: Timestamp) -> Value {
    let Shown { view, id, .. } = shown;
    let board = &view.board;
    let phase = board.graph.phase(*id);
    let name = |id: &PhaseId| board.graph.phase(*id).name.clone();
    let states = |ids: &[PhaseId]| -> Vec<Value> {
        let one =
            |id: &PhaseId| json!({"phase": name(id), "state": super::board::word(view, *id, now)});
        ids.iter().map(one).collect()
    };
    let mut value = json!({
        "v": VERSION, "ok": true,
        "sprint_id": board.sprint.sprint_id,
        "phase": phase.name,
        "about": phase.about,
        "concurrency": phase.concurrency,
        "not_by": phase.not_by.iter().map(name).collect::<Vec<_>>(),
        "depends_on": states(&phase.depends_on),
        "needed_by": states(&dependents(shown)),
        "max_attempts": entry(shown).and_then(|entry| entry.max_attempts),
        "attempts": board.past(*id),
    });
    let facts = match board.state(*id) {
        State::Pending => json!({"state": "pending", "ready": board.is_ready(*id)}),
        State::Claimed(hold) => json!({
            "state": "claimed",
            "stale": super::board::word(view, *id, now) == "stale",
            "agent": hold.claim.agent,
            "alive": Alive::from(hold.life),
            "yours": super::board::is_mine(view, hold),
            "claimed_at": hold.claim.claimed_at,
            "heard": heard(&hold.claim),
            "worktree": hold.claim.worktree,
            "branch": hold.claim.branch,
            "commit": hold.claim.commit,
        }),
        State::Done(done) => json!({
            "state": "done",
            "verdict": done.verdict,
            "agent": done.agent,
            "carried_from": done.carried_from,
            "claimed_at": done.claimed_at,
            "completed_at": done.completed_at,
            "commit": done.at.commit,
            "tree": done.at.tree,
            "branch": done.at.branch,
            "worktree": done.at.worktree,
            "dirty": done.at.dirty,
            "here": shown.here,
            "artifact": done.artifact,
            "artifact_size": done.artifact_size,
            "artifact_sha256": done.artifact_sha256,
            "pin": match shown.pin {
                Pin::None => "none",
                Pin::Same => "same",
                Pin::Changed => "changed",
                Pin::Gone => "gone",
            },
            "pin_path": shown.pin_path.as_ref().map(|path| path.display().to_string()),
            "original": match shown.original {
                Original::Same => "same",
                Original::Changed => "changed",
                Original::Gone => "gone",
                Original::Unknown => "unknown",
            },
            "content": shown.content,
        }),
    };
    if let (Some(object), Value::Object(facts)) = (value.as_object_mut(), facts) {
        object.extend(facts);
    }
    value
}

/// What was found of the evidence of sprints.
pub(super) fn verified_text(sprints: &[Verified], paint: Paint, say: &mut Say) -> String {
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
        say.line("nothing is done: there is no evidence yet");
    } else if differing.is_empty() {
        say.line("all evidence is what was recorded");
    } else {
        say.warning(&format!("the evidence of {} is not what was recorded", list(&differing)));
        say.hint("change nothing: tell your human what differs, and stop");
    }
    out
}

fn checked_text(checked: &Checked, width: usize, paint: Paint, out: &mut String) {
    let word = if checked.ok() { paint.good("ok     ") } else { paint.bad("differs") };
    let carried = if checked.carried_from.is_some() { "  carried" } else { "" };
    let line =
        format!("  {}  {word}  {}{carried}", padded(&checked.phase, width), who(&checked.agent));
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

/// The same as JSON.
pub(super) fn verified_json(sprints: &[Verified], all: bool) -> Value {
    let phase = |checked: &Checked| {
        let check = |finding: &Finding| json!({"what": finding.what, "differs": finding.what.differs(), "about": finding.about});
        json!({
            "phase": checked.phase,
            "agent": checked.agent,
            "ok": checked.ok(),
            "carried_from": checked.carried_from,
            "checks": checked.findings.iter().map(check).collect::<Vec<_>>(),
        })
    };
    let facts = |sprint: &Verified| {
        json!({
            "sprint_id": sprint.sprint_id,
            "ok": sprint.ok(),
            "phases": sprint.phases.iter().map(phase).collect::<Vec<_>>(),
            "not_done": sprint.left,
        })
    };
    let ok = sprints.iter().all(Verified::ok);
    if all {
        let sprints: Vec<Value> = sprints.iter().map(facts).collect();
        return json!({"v": VERSION, "ok": ok, "sprints": sprints});
    }
    let mut value = json!({"v": VERSION});
    if let (Some(object), Some(Value::Object(facts))) =
        (value.as_object_mut(), sprints.first().map(facts))
    {
        object.extend(facts);
    }
    value
}
