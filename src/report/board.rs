//! The board, as a table and as JSON.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value, json};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::advice;
use super::attempts::times;
use super::sentences::{ago, who};
use super::text::{Paint, age, safe};
use crate::cmd::View;
use crate::record::{Done, VERSION, Verdict};
use crate::rules::identity::{self, relation};
use crate::rules::lost::Loss;
use crate::rules::next::next;
use crate::rules::others::Alive;
use crate::rules::{Board, Facts, Hold, Life, PhaseId, Standing, State, attempts, decide};

/// A phase's state as the table names it: the states of the rules, with what can be seen of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Pending,
    Ready,
    Claimed,
    Stale,
    Done,
    Failed,
}

fn facts(view: &View, now: Timestamp) -> Facts<'_> {
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
    match view.board.state(id) {
        State::Pending if is_ready(view, id, now) => Look::Ready,
        State::Pending => Look::Pending,
        State::Claimed(hold) if hold.is_stale(now, view.stale_after) => Look::Stale,
        State::Claimed(_) => Look::Claimed,
        State::Done(done) => match done.verdict {
            Verdict::Pass => Look::Done,
            Verdict::Fail => Look::Failed,
        },
    }
}

impl Look {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ready => "ready",
            Self::Claimed => "claimed",
            Self::Stale => "stale",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    pub(super) fn paint(self, paint: Paint, text: &str) -> String {
        match self {
            Self::Pending => paint.dim(text),
            Self::Ready | Self::Done => paint.good(text),
            Self::Claimed => paint.busy(text),
            Self::Stale | Self::Failed => paint.bad(text),
        }
    }
}

/// The table: at most `width` columns, if it is to fit a terminal.
pub(super) fn table(view: &View, now: Timestamp, paint: Paint, width: Option<usize>) -> String {
    let fit = |line: String| width.map_or_else(|| line.clone(), |width| fit(&line, width));
    let mut lines = vec![fit(headline(&view.board, now))];
    lines.extend(view.board.sprint.goal.as_ref().map(|goal| fit(format!("goal   {}", safe(goal)))));
    let columns = Columns::of(&view.board);
    for id in view.board.graph.ids() {
        let look = look(view, id, now);
        let row = with_about(columns.row(view, id, now), &view.board, id, width);
        lines.push(columns.paint(&fit(row), &view.board, id, look, paint));
    }
    lines.push(fit(you(view, now)));
    lines.extend(view.lost.iter().map(|loss| fit(format!("you lost {}", lost(loss, now)))));
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

/// From this width on a terminal has room for what phases are about.
const ROOMY: usize = 110;

/// `row` with what the phase is about, where a terminal has room for some of it.
fn with_about(row: String, board: &Board, id: PhaseId, width: Option<usize>) -> String {
    let about = board.graph.phase(id).about.as_deref().unwrap_or_default();
    let is_open = !matches!(board.state(id), State::Done(_));
    let room = width.filter(|width| *width >= ROOMY).unwrap_or(0).saturating_sub(columns(&row));
    if about.is_empty() || !is_open || room < ROOMY / 4 {
        return row;
    }
    let words: Vec<&str> = about.split_whitespace().collect();
    format!("{row}  \"{}\"", safe(&words.join(" ")))
}

/// A column grows with what stands in it up to this many columns; what is longer pushes the
/// rest of its own line only.
const WIDEST: usize = 24;

/// How wide the columns of names are.
struct Columns {
    name: usize,
    agent: usize,
}

impl Columns {
    fn of(board: &Board) -> Self {
        let widest = |lengths: &mut dyn Iterator<Item = usize>| {
            lengths.filter(|&length| length <= WIDEST).max().unwrap_or(0)
        };
        let mut names = board.graph.ids().map(|id| columns(&board.graph.phase(id).name));
        let mut agents = board.graph.ids().map(|id| columns(&agent(board, id)));
        Self { name: widest(&mut names), agent: widest(&mut agents) }
    }

    fn row(&self, view: &View, id: PhaseId, now: Timestamp) -> String {
        let name = &view.board.graph.phase(id).name;
        let line = format!(
            "  {}  {:7}  {}  {}",
            padded(name, self.name),
            look(view, id, now).word(),
            padded(&agent(&view.board, id), self.agent),
            detail(view, id, now),
        );
        line.trim_end().to_owned()
    }

    /// Colours the word in a row, if it has not been cut off.
    fn paint(&self, row: &str, board: &Board, id: PhaseId, look: Look, paint: Paint) -> String {
        // It stands after two blanks, the name, and two more.
        let at = 2 + padded(&board.graph.phase(id).name, self.name).len() + 2;
        let word = look.word();
        match row.split_at_checked(at) {
            Some((before, rest)) if rest.starts_with(word) => {
                format!("{before}{}{}", look.paint(paint, word), &rest[word.len()..])
            }
            _ => row.to_owned(),
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

pub(super) fn headline(board: &Board, now: Timestamp) -> String {
    let id = &board.sprint.sprint_id;
    let stamp = id.split_once('-').map_or(id.as_str(), |(_, stamp)| stamp);
    let standing = match board.standing() {
        Standing::Active => "active",
        Standing::Finished => "finished",
        Standing::Archived => "archived",
    };
    let since = board.sprint.started_at.map(|then| format!(" {}", age(now, then)));
    format!(
        "sprint {}  {standing}{}  {} of {} done",
        safe(stamp),
        since.unwrap_or_default(),
        board.done_count(),
        board.graph.count()
    )
}

fn known(agent: &str) -> String {
    if agent.is_empty() { "unknown".to_owned() } else { safe(agent).into_owned() }
}

fn detail(view: &View, id: PhaseId, now: Timestamp) -> String {
    match view.board.state(id) {
        State::Pending => pending(view, id, now),
        State::Claimed(hold) => claimed(view, hold, now),
        State::Done(done) => finished(done, view.changed.contains(&id)),
    }
}

fn pending(view: &View, id: PhaseId, now: Timestamp) -> String {
    let board = &view.board;
    let failed = attempts::failed(board, id);
    let tried = if attempts::is_exhausted(board, id, facts(view, now)) {
        format!("exhausted after {}", times(failed))
    } else if failed > 0 {
        format!("{} failed", times(failed))
    } else {
        String::new()
    };
    let parts = [waiting(board, id), barred(view, id), tried];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// Whether the four-eyes rule lets the asker own `id`, by what is done by now.
fn is_for_asker(view: &View, id: PhaseId) -> bool {
    decide::check_four_eyes(&view.board, id, &view.me).is_ok()
}

fn barred(view: &View, id: PhaseId) -> String {
    if is_for_asker(view, id) { String::new() } else { "for another agent, not you".to_owned() }
}

fn waiting(board: &Board, id: PhaseId) -> String {
    let waits: Vec<&str> =
        board.waits_for(id).into_iter().map(|dep| board.graph.phase(dep).name.as_str()).collect();
    if waits.is_empty() { String::new() } else { format!("waits for {}", waits.join(", ")) }
}

/// Of a claim that is younger, it goes without saying when its owner was last heard.
const A_MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn claimed(view: &View, hold: &Hold, now: Timestamp) -> String {
    let mut parts = Vec::new();
    if let Some(then) = hold.claim.claimed_at {
        parts.push(age(now, then));
    }
    parts.push(
        match hold.life {
            Life::Alive => "alive",
            Life::Dead => "process gone",
            Life::Unknown => "out of sight",
        }
        .to_owned(),
    );
    // Of a process that several share, it says more when its owner was heard.
    if hold.claim.is_unproven() && hold.life != Life::Dead {
        parts.push("shared process".to_owned());
    }
    let is_new = hold.claim.claimed_at.is_some_and(|then| identity::age(now, then) < A_MINUTE);
    if let Some(then) = hold.heard.filter(|_| !is_new) {
        parts.push(format!("heard {} ago", age(now, then)));
    }
    if is_mine(view, hold) {
        parts.push("yours".to_owned());
    }
    parts.join(", ")
}

pub(super) fn finished(done: &Done, changed: bool) -> String {
    let mut parts = Vec::new();
    if let Some(commit) = &done.at.commit {
        let short: String = commit.chars().take(7).collect();
        parts.push(match &done.at.branch {
            Some(branch) => format!("{} on {}", safe(&short), safe(branch)),
            None => safe(&short).into_owned(),
        });
        match done.at.dirty {
            Some(true) => parts.push("dirty".to_owned()),
            Some(false) => parts.push("clean".to_owned()),
            None => {}
        }
    }
    if done.carried_from.is_some() {
        parts.push("carried".to_owned());
    }
    if changed {
        parts.push("artifact changed since".to_owned());
    }
    parts.join(", ")
}

/// The phases that the asker holds, by name.
fn mine(view: &View, now: Timestamp) -> Vec<&str> {
    let facts = facts(view, now);
    let held = decide::mine(&view.board, facts);
    held.into_iter().map(|id| view.board.graph.phase(id).name.as_str()).collect()
}

fn you(view: &View, now: Timestamp) -> String {
    let mine = mine(view, now);
    let holds = if mine.is_empty() { "nothing".to_owned() } else { mine.join(", ") };
    format!("you are {} and hold {holds}", safe(&view.me.name))
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
    UnicodeWidthStr::width(text)
}

/// `text` with blanks up to `width` columns.
pub(super) fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(columns(text))))
}

/// Rows of cells, one below the other. A cell of more than `widest` columns sets no width; a line is cut
/// where it does not fit a terminal of `width`.
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
