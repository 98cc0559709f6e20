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
use crate::rules::identity::relation;
use crate::rules::lost::Loss;
use crate::rules::next::next;
use crate::rules::others::Alive;
use crate::rules::rows::View;
use crate::rules::trouble::{Trouble, trouble};
use crate::rules::{Board, Facts, Life, LiveClaim, PhaseId, State, attempts, decide};

/// Where a phase is as the table shows it: the states of the rules, with what can be seen of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    Pending,
    /// Pending, and too many attempts at it failed.
    Exhausted,
    Ready,
    Claimed,
    /// Claimed, and nothing shows that its owner is still there.
    Silent,
    /// Claimed, and its owner's process is gone.
    Left,
    Stale,
    Done,
    Failed,
}

pub(crate) fn facts(view: &View, now: Timestamp) -> Facts<'_> {
    let View { me, stale_after, max_attempts, .. } = view;
    Facts { me, now, stale_after: *stale_after, max_attempts: *max_attempts }
}

fn is_ready(view: &View, id: PhaseId, now: Timestamp) -> bool {
    view.board.is_ready(id) && !attempts::is_exhausted(&view.board, id, facts(view, now))
}

/// The word for where a phase is.
pub(crate) fn word(view: &View, id: PhaseId, now: Timestamp) -> &'static str {
    look(view, id, now).word()
}

/// The same, coloured.
pub(crate) fn painted(view: &View, id: PhaseId, now: Timestamp, paint: Paint) -> String {
    let look = look(view, id, now);
    look.paint(paint, look.word())
}

/// Whether a claim is the asker's.
pub(crate) fn is_mine(view: &View, hold: &LiveClaim) -> bool {
    relation(&view.me, &hold.claim, hold.life).is_mine()
}

pub(crate) fn look(view: &View, id: PhaseId, now: Timestamp) -> Look {
    look_in(view, id, now, trouble(&view.board, id, facts(view, now)))
}

/// The same where it is known what is wrong with the phase.
pub(crate) fn look_in(view: &View, id: PhaseId, now: Timestamp, trouble: Option<Trouble>) -> Look {
    match (view.board.state(id), trouble) {
        (State::Pending, Some(_)) => Look::Exhausted,
        (State::Pending, None) if view.board.is_ready(id) => Look::Ready,
        (State::Pending, None) => Look::Pending,
        (State::Claimed(hold), _) if hold.is_stale(now, view.stale_after) => Look::Stale,
        (State::Claimed(hold), _) if hold.life == Life::Dead => Look::Left,
        (State::Claimed(_), Some(_)) => Look::Silent,
        (State::Claimed(_), None) => Look::Claimed,
        (State::Done(_), Some(_)) => Look::Failed,
        (State::Done(_), None) => Look::Done,
    }
}

impl Look {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Pending | Self::Exhausted => "pending",
            Self::Ready => "ready",
            Self::Claimed | Self::Silent | Self::Left => "claimed",
            Self::Stale => "stale",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

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

/// Whether the four-eyes rule lets the asker own `id`, by what is done by now.
pub(crate) fn is_for_asker(view: &View, id: PhaseId) -> bool {
    decide::check_four_eyes(&view.board, id, &view.me).is_ok()
}

/// The phases that the asker holds, by name.
pub(crate) fn mine(view: &View, now: Timestamp) -> Vec<&str> {
    let facts = facts(view, now);
    let held = decide::mine(&view.board, facts);
    held.into_iter().map(|id| view.board.graph.phase(id).name.as_str()).collect()
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
    if let Some(mine) = mine(view, now).first() {
        let id = view.board.graph.find(mine)?;
        return Some(advice::go_on(mine, view.board.graph.phase(id).handover()));
    }
    let facts = facts(view, now);
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

pub(crate) fn phase(view: &View, id: PhaseId, now: Timestamp) -> Phase<'_> {
    let board = &view.board;
    let mut phase = Phase {
        state: "pending",
        agent: "",
        at: None,
        ready: is_ready(view, id, now),
        stale: look(view, id, now) == Look::Stale,
        attempts: board.past(id).len(),
        exhausted: attempts::is_exhausted(board, id, facts(view, now)),
        verdict: None,
        waits_for: Vec::new(),
        more: Map::new(),
    };
    let mut put = |key: &str, value: Value| phase.more.insert(key.to_owned(), value);
    match board.state(id) {
        State::Pending => {
            let name = |dep| board.graph.phase(dep).name.as_str();
            phase.waits_for = board.waits_for(id).into_iter().map(name).collect();
            put("for_you", json!(is_for_asker(view, id)));
        }
        State::Claimed(hold) => {
            phase.state = "claimed";
            phase.agent = &hold.claim.agent;
            phase.at = hold.claim.claimed_at;
            put("alive", json!(Alive::from(hold.life)));
            put("heard", json!(hold.heard));
            put("yours", json!(relation(&view.me, &hold.claim, hold.life).is_mine()));
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

/// The board in JSON, phases in the graph's order.
pub(crate) fn json(view: &View, now: Timestamp) -> Value {
    let board = &view.board;
    let mut phases = Map::new();
    for id in board.graph.ids() {
        phases.insert(board.graph.phase(id).name.clone(), json!(phase(view, id, now)));
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
            "holds": mine(view, now),
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
