//! The board: where each phase is, in words, signs and colours, and all of it as JSON.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::advice;
use super::sentences::{ago, who};
use super::text::{Paint, safe};
use crate::cmd::View;
use crate::record::{VERSION, Verdict};
use crate::rules::identity::relation;
use crate::rules::lost::Loss;
use crate::rules::next::next;
use crate::rules::others::Alive;
use crate::rules::trouble::{Trouble, trouble};
use crate::rules::{Board, Facts, Hold, Life, PhaseId, State, attempts, decide};

/// Where a phase is as the table shows it: the states of the rules, with what can be seen of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
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

pub(super) fn facts(view: &View, now: Timestamp) -> Facts<'_> {
    let View { me, stale_after, max_attempts, .. } = view;
    Facts { me, now, stale_after: *stale_after, max_attempts: *max_attempts }
}

fn is_ready(view: &View, id: PhaseId, now: Timestamp) -> bool {
    view.board.is_ready(id) && !attempts::is_exhausted(&view.board, id, facts(view, now))
}

/// The word for where a phase is.
pub(super) fn word(view: &View, id: PhaseId, now: Timestamp) -> &'static str {
    look(view, id, now).word()
}

/// The same, coloured.
pub(super) fn painted(view: &View, id: PhaseId, now: Timestamp, paint: Paint) -> String {
    let look = look(view, id, now);
    look.paint(paint, look.word())
}

/// Whether a claim is the asker's.
pub(super) fn is_mine(view: &View, hold: &Hold) -> bool {
    relation(&view.me, &hold.claim, hold.life).is_mine()
}

pub(super) fn look(view: &View, id: PhaseId, now: Timestamp) -> Look {
    look_in(view, id, now, trouble(&view.board, id, facts(view, now)))
}

/// The same where it is known what is wrong with the phase.
pub(super) fn look_in(view: &View, id: PhaseId, now: Timestamp, trouble: Option<Trouble>) -> Look {
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
    pub(super) const fn word(self) -> &'static str {
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
    pub(super) const fn sign(self) -> char {
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

    pub(super) fn paint(self, paint: Paint, text: &str) -> String {
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

pub(super) fn agent(board: &Board, id: PhaseId) -> String {
    match board.state(id) {
        State::Pending => String::new(),
        State::Claimed(hold) => known(&hold.claim.agent),
        State::Done(done) => known(&done.agent),
    }
}

fn known(agent: &str) -> String {
    if agent.is_empty() { "unknown".to_owned() } else { safe(agent).into_owned() }
}

/// Whether the four-eyes rule lets the asker own `id`, by what is done by now.
pub(super) fn is_for_asker(view: &View, id: PhaseId) -> bool {
    decide::check_four_eyes(&view.board, id, &view.me).is_ok()
}

/// The phases that the asker holds, by name.
pub(super) fn mine(view: &View, now: Timestamp) -> Vec<&str> {
    let facts = facts(view, now);
    let held = decide::mine(&view.board, facts);
    held.into_iter().map(|id| view.board.graph.phase(id).name.as_str()).collect()
}

/// `'build': 'bob' took it over 5m ago`
pub(super) fn lost(loss: &Loss, now: Timestamp) -> String {
    let how = if loss.how == attempts::UNSTUCK { "freed it" } else { "took it over" };
    format!("'{}': {} {how}{}", safe(&loss.phase), who(&loss.by), ago(now, loss.at))
}

/// What to do about something lost.
pub(super) fn lost_advice(loss: &Loss) -> String {
    let place = loss.worktree.as_deref().map(|place| format!(" in '{}'", safe(place)));
    let kept = loss.salvage.as_deref().map(|name| {
        format!(
            " (what you had not committed is also kept: 'git conductor salvage show {}')",
            safe(name)
        )
    });
    format!(
        "stop working on '{}'; your files{} are as they were{}: tell your human what you have",
        safe(&loss.phase),
        place.unwrap_or_default(),
        kept.unwrap_or_default()
    )
}

/// What the asker could do now, for the hint below the table.
pub(super) fn hint(view: &View, now: Timestamp) -> Option<String> {
    if let Some(mine) = mine(view, now).first() {
        let id = view.board.graph.find(mine)?;
        return Some(advice::go_on(mine, view.board.graph.phase(id).handover()));
    }
    let facts = facts(view, now);
    next(&view.board, facts).is_ok().then(|| "git conductor next --claim".to_owned())
}

/// How many columns of a terminal `text` takes; it has no control characters.
pub(super) fn columns(text: &str) -> usize {
    // Most of it is ASCII, of which every byte is a column.
    if text.is_ascii() { text.len() } else { UnicodeWidthStr::width(text) }
}

/// `text` with blanks up to `width` columns.
pub(super) fn padded(text: &str, width: usize) -> String {
    let mut out = String::with_capacity(text.len().max(width));
    out.push_str(text);
    out.extend(std::iter::repeat_n(' ', width.saturating_sub(columns(text))));
    out
}

/// Rows of cells, one below the other. A cell of more than `widest` columns sets no width; a line
/// is cut where it does not fit a terminal of `width`.
pub(super) fn lined_up<const N: usize>(
    rows: &[[String; N]],
    widest: usize,
    width: Option<usize>,
) -> String {
    let of = |n: usize| rows.iter().map(|row| columns(&row[n])).filter(|&w| w <= widest).max();
    let widths: [usize; N] = std::array::from_fn(|n| of(n).unwrap_or(0));
    let mut out = String::new();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| padded(cell, width)).collect();
        let line = cells.join("  ");
        let line = line.trim_end();
        out.push_str(&width.map_or_else(|| line.to_owned(), |width| fit(line, width)));
        out.push('\n');
    }
    out
}

/// Cuts a line that does not fit.
pub(super) fn fit(line: &str, width: usize) -> String {
    if columns(line) <= width || width == 0 {
        return line.to_owned();
    }
    let mut cut = String::new();
    let mut taken = 1;
    for c in line.chars() {
        taken += UnicodeWidthChar::width(c).unwrap_or(0);
        if taken > width {
            break;
        }
        cut.push(c);
    }
    cut.push('…');
    cut
}

/// The same, if there is a terminal that it has to fit.
pub(super) fn fitted(line: String, width: Option<usize>) -> String {
    match width {
        Some(width) if columns(&line) > width => fit(&line, width),
        _ => line,
    }
}

/// One phase in JSON.
#[derive(Serialize)]
pub(super) struct Phase<'a> {
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

pub(super) fn phase(view: &View, id: PhaseId, now: Timestamp) -> Phase<'_> {
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
pub(super) fn json(view: &View, now: Timestamp) -> Value {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_of_the_terminal() {
        assert_eq!(padded("ann", 5), "ann  ");
        // Two columns each; and an accent that stands on the letter before it.
        assert_eq!(padded("設計", 5), "設計 ");
        assert_eq!(padded("e\u{301}", 2), "e\u{301} ");
        assert_eq!(padded("longer", 2), "longer");
        assert_eq!(fit("設計 and", 8), "設計 and");
        assert_eq!(fit("設計 and", 7), "設計 a…");
        // A wide character that would stand over the edge is left out whole.
        assert_eq!(fit("設計設計", 4), "設…");
        assert_eq!(fit("設計", 0), "設計");
    }
}
