//! What is said of a phase and its evidence: `show` and `verify`.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Original, Shown};
use crate::record::{Attempt, Done, VERSION, Verdict};
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

/// A phase, and where it is.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct PhaseState<'a> {
    /// The phase.
    phase: &'a str,
    /// `pending`, `ready`, `claimed`, `done`, or a word for what else is to be seen of it.
    state: &'static str,
}

/// What there is to say of a phase in one state only.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "state", rename_all = "lowercase")]
pub(in crate::commands) enum ShownState<'a> {
    /// Nobody owns it.
    Pending {
        /// Whether it can be claimed.
        ready: bool,
    },
    /// Somebody owns it.
    Claimed {
        /// Whether anybody may claim it by now.
        stale: bool,
        /// Who; empty if it cannot be known.
        agent: &'a str,
        /// Whether the owner's process lives.
        alive: Alive,
        /// Whether it is yours.
        yours: bool,
        /// When it was claimed, in UTC.
        claimed_at: Option<Timestamp>,
        /// When the owner was last heard, in UTC.
        heard: Option<Timestamp>,
        /// The worktree it was claimed from (absolute path).
        worktree: Option<&'a str>,
        /// The branch that was checked out there.
        branch: Option<&'a str>,
        /// The commit that was checked out there.
        commit: Option<&'a str>,
    },
    /// It is complete.
    Done(Box<ShownDone<'a>>),
}

/// A completion.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct ShownDone<'a> {
    /// What became of the work.
    verdict: Verdict,
    /// Who completed it; empty if it cannot be known.
    agent: &'a str,
    /// The sprint in which it was completed, if this one only took it over.
    carried_from: Option<&'a str>,
    /// When it was claimed, in UTC.
    claimed_at: Option<Timestamp>,
    /// When it was completed, in UTC.
    completed_at: Option<Timestamp>,
    /// The commit that it was done at.
    commit: Option<&'a str>,
    /// That commit's tree.
    tree: Option<&'a str>,
    /// The branch that was checked out.
    branch: Option<&'a str>,
    /// The worktree (absolute path).
    worktree: Option<&'a str>,
    /// Whether something was not committed there.
    dirty: Option<bool>,
    /// Whether this clone has the commit; null where that cannot be known.
    here: Option<bool>,
    /// The path of the artifact; empty without one.
    artifact: &'a str,
    /// Its size in bytes.
    artifact_size: Option<u64>,
    /// Its SHA-256.
    artifact_sha256: Option<&'a str>,
    /// The pinned copy: `none`, `same`, `changed` or `gone`.
    pin: &'static str,
    /// Where the copy is (absolute path).
    pin_path: Option<String>,
    /// What was handed over: `same`, `changed`, `gone` or `unknown`.
    original: &'static str,
    /// The copy's text; null where it is long, or no text.
    content: Option<&'a str>,
}

/// What `show` answers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct ShowAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// The sprint.
    sprint_id: &'a str,
    /// The phase.
    phase: &'a str,
    /// What it is about.
    about: Option<&'a str>,
    /// What it is to the repository, as the graph says.
    concurrency: Option<Concurrency>,
    /// Phases whose completer must not own this one.
    not_by: Vec<&'a str>,
    /// What it depends on.
    depends_on: Vec<PhaseState<'a>>,
    /// What depends on it.
    needed_by: Vec<PhaseState<'a>>,
    /// How many attempts may fail, as the graph says.
    max_attempts: Option<u64>,
    /// The attempts at it that ended without a completion.
    attempts: &'a [Attempt],
    #[serde(flatten)]
    state: ShownState<'a>,
}

/// The same as JSON.
fn shown_json(shown: &Shown, now: Timestamp) -> Value {
    let Shown { view, id, .. } = shown;
    let board = &view.board;
    let phase = board.graph.phase(*id);
    let name = |id: &PhaseId| &*board.graph.phase(*id).name;
    let states = |ids: &[PhaseId]| {
        let one = |id| PhaseState { phase: name(id), state: view.row(*id, now).state.word() };
        ids.iter().map(one).collect()
    };
    let state = match board.state(*id) {
        State::Pending => ShownState::Pending { ready: board.is_ready(*id) },
        State::Claimed(hold) => ShownState::Claimed {
            stale: view.row(*id, now).state == RowState::Stale,
            agent: &hold.claim.agent,
            alive: hold.life.into(),
            yours: view.row(*id, now).is_mine,
            claimed_at: hold.claim.claimed_at,
            heard: heard(&hold.claim),
            worktree: hold.claim.worktree.as_deref(),
            branch: hold.claim.branch.as_deref(),
            commit: hold.claim.commit.as_deref(),
        },
        State::Done(done) => ShownState::Done(Box::new(shown_done(shown, done))),
    };
    json!(ShowAnswer {
        v: VERSION,
        ok: true,
        sprint_id: &board.sprint.sprint_id,
        phase: &phase.name,
        about: phase.about.as_deref(),
        concurrency: phase.concurrency,
        not_by: phase.not_by.iter().map(name).collect(),
        depends_on: states(&phase.depends_on),
        needed_by: states(&dependents(shown)),
        max_attempts: entry(shown).and_then(|entry| entry.max_attempts),
        attempts: board.past(*id),
        state,
    })
}

fn shown_done<'a>(shown: &'a Shown, done: &'a Done) -> ShownDone<'a> {
    ShownDone {
        verdict: done.verdict,
        agent: &done.agent,
        carried_from: done.carried_from.as_deref(),
        claimed_at: done.claimed_at,
        completed_at: done.completed_at,
        commit: done.at.commit.as_deref(),
        tree: done.at.tree.as_deref(),
        branch: done.at.branch.as_deref(),
        worktree: done.at.worktree.as_deref(),
        dirty: done.at.dirty,
        here: shown.here,
        artifact: &done.artifact,
        artifact_size: done.artifact_size,
        artifact_sha256: done.artifact_sha256.as_deref(),
        pin: match shown.pin {
            Pin::None => "none",
            Pin::Same => "same",
            Pin::Changed => "changed",
            Pin::Gone => "gone",
        },
        pin_path: shown.pin_path.as_ref().map(|path| path.display().to_string()),
        original: match shown.original {
            Original::Same => "same",
            Original::Changed => "changed",
            Original::Gone => "gone",
            Original::Unknown => "unknown",
        },
        content: shown.content.as_deref(),
    }
}
