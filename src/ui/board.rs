//! The board: where each phase is, in words, signs and colours, and all of it as JSON.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::advice;
use super::messages::Messages;
use super::phrases::{ago, known, who};
use super::text::{Paint, safe};
use crate::error::Hint;
use crate::record::{VERSION, Verdict};
use crate::rules::lost::Loss;
use crate::rules::next::next;
use crate::rules::others::Alive;
use crate::rules::rows::{BoardRow, BoardRows, RowState, View};
use crate::rules::{Board, PhaseId, State, attempts, decide};

/// The word for where a phase is, coloured.
pub(crate) fn painted(state: RowState, paint: Paint) -> String {
    state.paint(paint, state.word())
}

/// How a state looks on a terminal.
impl RowState {
    /// A sign that tells them apart without colours, on every terminal.
    pub(crate) const fn sign(self) -> char {
        match self {
            Self::Pending => '.',
            Self::Exhausted | Self::Failed => 'x',
            Self::Ready => '>',
            Self::Claimed => '*',
            Self::Silent => '?',
            Self::Left | Self::Stale => '!',
            Self::Done => '+',
        }
    }

    pub(crate) fn paint(self, paint: Paint, text: &str) -> String {
        match self {
            Self::Pending => paint.dim(text),
            Self::Ready => paint.open(text),
            Self::Done => paint.good(text),
            Self::Claimed => paint.busy(text),
            Self::Silent | Self::Left | Self::Stale => paint.left(text),
            Self::Exhausted | Self::Failed => paint.bad(text),
        }
    }
}

pub(crate) fn agent(board: &Board, id: PhaseId) -> String {
    match board.state(id) {
        State::Pending => String::new(),
        State::Claimed(hold) => known(&hold.claim.agent),
        State::Done(done) => known(&done.agent),
    }
}

/// The phases that the asker holds, by name.
pub(crate) fn mine<'a>(view: &'a View, rows: &BoardRows) -> Vec<&'a str> {
    let held = rows.iter().filter(|row| row.is_mine);
    held.map(|row| view.board.graph.phase(row.id).name.as_str()).collect()
}

/// `'build': 'bob' took it over 5m ago`
pub(crate) fn lost_line(loss: &Loss, now: Timestamp) -> String {
    let how = if loss.how == attempts::UNSTUCK { "freed it" } else { "took it over" };
    format!("'{}': {} {how}{}", safe(&loss.phase), who(&loss.by), ago(now, loss.at))
}

/// What to do about something lost.
pub(crate) fn lost_advice(loss: &Loss) -> Hint {
    let place = loss.worktree.as_deref().map(|place| format!(" in '{}'", safe(place)));
    let kept = loss.salvage.as_deref().map(|name| {
        format!(
            " (what you had not committed is also kept: 'git conductor salvage show {}')",
            safe(name)
        )
    });
    let stop = format!(
        "stop working on '{}'; your files{} are as they were{}",
        safe(&loss.phase),
        place.unwrap_or_default(),
        kept.unwrap_or_default()
    );
    Hint::new(format!("{stop}: tell your human what you have"), stop)
}

/// What the asker could do now, for the hint below the table.
pub(crate) fn hint(view: &View, now: Timestamp) -> Option<String> {
    let facts = view.facts(now);
    if let Some(mine) = decide::mine(&view.board, facts).first() {
        let phase = view.board.graph.phase(*mine);
        return Some(advice::go_on(&phase.name, phase.handover()));
    }
    next(&view.board, facts).is_ok().then(|| "git conductor next --claim".to_owned())
}

/// One phase in JSON.
#[derive(Serialize)]
pub(crate) struct Phase<'a> {
    state: &'static str,
    agent: &'a str,
    at: Option<Timestamp>,
    ready: bool,
    stale: bool,
    attempts: usize,
    exhausted: bool,
    verdict: Option<Verdict>,
    waits_for: Vec<&'a str>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

pub(crate) fn phase<'a>(view: &'a View, row: &BoardRow) -> Phase<'a> {
    let (board, id) = (&view.board, row.id);
    let mut phase = Phase {
        state: "pending",
        agent: "",
        at: None,
        ready: row.is_ready,
        stale: row.state == RowState::Stale,
        attempts: board.past(id).len(),
        exhausted: row.is_exhausted,
        verdict: None,
        waits_for: Vec::new(),
        more: Map::new(),
    };
    let mut put = |key: &str, value: Value| phase.more.insert(key.to_owned(), value);
    match board.state(id) {
        State::Pending => {
            let name = |dep: &PhaseId| board.graph.phase(*dep).name.as_str();
            phase.waits_for = row.waits_for.iter().map(name).collect();
            put("for_you", json!(row.is_for_asker));
        }
        State::Claimed(hold) => {
            phase.state = "claimed";
            phase.agent = &hold.claim.agent;
            phase.at = hold.claim.claimed_at;
            put("alive", json!(Alive::from(hold.life)));
            put("heard", json!(hold.heard));
            put("yours", json!(row.is_mine));
            put("worktree", json!(hold.claim.worktree));
            if hold.claim.is_unproven() {
                put("shared", json!(true));
            }
        }
        State::Done(done) => {
            phase.state = "done";
            phase.agent = &done.agent;
            phase.at = done.completed_at;
            phase.verdict = Some(done.verdict);
            put("commit", json!(done.at.commit));
            put("branch", json!(done.at.branch));
            put("dirty", json!(done.at.dirty));
            put("artifact", json!(done.artifact));
            put("artifact_sha256", json!(done.artifact_sha256));
            put("artifact_changed", json!(view.changed.contains(&id)));
            if let Some(from) = &done.carried_from {
                put("carried_from", json!(from));
            }
        }
    }
    phase
}

/// Which phases are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// All of them.
    All,
    /// Those with something left to do.
    Open,
}

impl Shown {
    /// Whether `row` is among them.
    pub(crate) fn has(self, row: &BoardRow) -> bool {
        self == Self::All || row.is_open()
    }
}

/// The board in JSON, phases in the graph's order.
pub(crate) fn json(view: &View, shown: Shown, now: Timestamp) -> Value {
    let board = &view.board;
    let rows = view.rows(now);
    let mut phases = Map::new();
    for row in rows.iter().filter(|row| shown.has(row)) {
        phases.insert(board.graph.phase(row.id).name.clone(), json!(phase(view, row)));
    }
    json!({
        "v": VERSION,
        "sprint_id": board.sprint.sprint_id,
        "project": board.sprint.project,
        "status": board.standing(),
        "goal": board.sprint.goal,
        "phases": phases,
        "you": {
            "agent": view.me.name,
            "explicit": view.me.explicit,
            "holds": mine(view, &rows),
            "lost": view.lost,
        },
    })
}

/// Says what the asker has lost, and what to do about it.
pub(crate) fn lost_text(lost: &[Loss], now: Timestamp, messages: &mut Messages) {
    for loss in lost {
        messages.warning(&format!("you lost {}", lost_line(loss, now)));
    }
    if let Some(loss) = lost.first() {
        messages.hint(&lost_advice(loss));
    }
}
