//! What is said of a phase and its evidence: `show` and `verify`.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Original, Shown};
use crate::record::{Attempt, Done, VERSION};
use crate::rules::gate::Pin;
use crate::rules::graph::Concurrency;
use crate::rules::identity::heard;
use crate::rules::others::Alive;
use crate::rules::rows::{BoardRow, RowState};
use crate::rules::{Life, LiveClaim, PhaseId, State};
use crate::ui::columns::padded;
use crate::ui::phrases::known;
use crate::ui::text::{self, age, duration, safe, visible, zone};
use crate::ui::{Answer, Format, Messages, board};

impl Answer for Shown {
    fn text(&self, format: Format, _: &mut Messages) -> String {
        shown_text(self, format)
    }

    fn json(&self, format: Format) -> Value {
        shown_json(self, format.now)
    }
}

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

/// All that is known of a phase.
fn shown_text(shown: &Shown, format: Format) -> String {
    let Shown { view, id, .. } = shown;
    let (board, now) = (&view.board, format.now);
    let phase = board.graph.phase(*id);
    let mut facts = Facts { rows: Vec::new() };
    facts.put("sprint", safe(&board.sprint.sprint_id));
    facts.maybe("about", phase.about.as_deref());
    match board.state(*id) {
        State::Pending => {}
        State::Claimed(hold) => claimed(&mut facts, &view.row(*id, now), hold, now),
        State::Done(done) => finished(&mut facts, shown, done, now),
    }
    let names = |ids: &[PhaseId]| {
        let one = |id: &PhaseId| {
            let name = &board.graph.phase(*id).name;
            format!("{name} ({})", view.row(*id, now).state.word())
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
        format!("{}  {}\n", phase.name, board::painted(view.row(*id, now).state, format.out));
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

fn claimed(facts: &mut Facts, row: &BoardRow, hold: &LiveClaim, now: Timestamp) {
    let claim = &hold.claim;
    let life = match hold.life {
        Life::Alive => "alive",
        Life::Dead => "its process is gone",
        Life::Unknown => "its process is out of sight",
    };
    let yours = row.is_mine;
    facts.put("owner", format!("{}, {}", known(&claim.agent), if yours { "you" } else { life }));
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
    facts.put("by", known(&done.agent));
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
    let mut text = format!("{}, {}", known(&attempt.agent), safe(&attempt.how));
    if let Some(at) = attempt.ended_at {
        _ = write!(text, " {} ago", age(now, at));
    }
    if !attempt.reason.is_empty() {
        _ = write!(text, ": {}", safe(&attempt.reason));
    }
    text
}

/// The same as JSON.
fn shown_json(shown: &Shown, now: Timestamp) -> Value {
    let Shown { view, id, .. } = shown;
    let board = &view.board;
    let phase = board.graph.phase(*id);
    let name = |id: &PhaseId| board.graph.phase(*id).name.clone();
    let states = |ids: &[PhaseId]| -> Vec<Value> {
        let one =
            |id: &PhaseId| json!({"phase": name(id), "state": view.row(*id, now).state.word()});
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
            "stale": view.row(*id, now).state == RowState::Stale,
            "agent": hold.claim.agent,
            "alive": Alive::from(hold.life),
            "yours": view.row(*id, now).is_mine,
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
