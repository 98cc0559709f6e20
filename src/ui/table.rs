//! The board as a table. Where a terminal is narrow, what says least is cut first; never the state,
//! and never why a phase is in it.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};

use super::attempts::times;
use super::board::{self, Shown, agent};
use super::columns::{columns, fit, fitted, padded};
use super::format::Format;
use super::text::{Paint, age, safe, wrapped};
use super::trouble;
use crate::record::Done;
use crate::rules::rows::{BoardRow, BoardRows, RowState, View};
use crate::rules::{Board, Life, LiveClaim, PhaseId, State, attempts, identity};

/// A column grows with what stands in it up to this many columns; what is longer pushes the
/// rest of its own line only.
const MAX_COLUMN: usize = 24;
/// From this width on a terminal has room for what phases are about.
const ROOMY: usize = 110;
/// The column of states.
const STATE: usize = 7;
/// Between columns.
const GAP: &str = "  ";
/// A name that is cut to fewer columns says nothing.
const LEAST: usize = 6;
/// Of what a phase waits for, fewer than so many are named where not all fit.
const MAX_NAMED: usize = 8;

/// The table: it fits the terminal, if it is for one.
pub(crate) fn table(view: &View, shown: Shown, format: Format) -> String {
    let Format { now, out: paint, width, .. } = format;
    let broken = |line: String| match width {
        Some(room) => wrapped(&line, room).into_iter().map(|it| fitted(it, width)).collect(),
        None => vec![line],
    };
    let all = view.rows(now);
    let mut lines = vec![trouble::headline(view, &all, now, paint, width)];
    let goal = view.board.sprint.goal.as_ref();
    lines.extend(goal.map(|goal| fitted(format!("goal   {}", safe(goal)), width)));
    let row = |row| Row::of(view, row, now, width.is_some());
    let is_shown = |row: &&BoardRow| shown.has(row);
    let rows: Vec<Row<'_>> = all.iter().filter(is_shown).map(row).collect();
    let columns = Columns::of(&rows, width);
    for row in rows {
        lines.push(columns.row(&view.board, row, paint));
    }
    lines.extend(trouble::lines(view, &all, now, paint, width));
    lines.extend(broken(you(view, &all)));
    for loss in &view.lost {
        lines.extend(broken(format!("you lost {}", board::lost_line(loss, now))));
    }
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

fn you(view: &View, rows: &BoardRows) -> String {
    let mine = board::mine(view, rows);
    let holds = if mine.is_empty() { "nothing".to_owned() } else { mine.join(", ") };
    format!("you are {} and hold {holds}", safe(&view.me.name))
}

/// What a row shows, before it is known how wide its cells are.
struct Row<'a> {
    phase: &'a BoardRow,
    name: &'a str,
    /// Nothing where nobody has it.
    agent: String,
    detail: Vec<Part>,
    /// How many columns of the detail must be said; nobody asks where there is no terminal.
    least: usize,
}

impl<'a> Row<'a> {
    fn of(view: &'a View, row: &'a BoardRow, now: Timestamp, is_terminal: bool) -> Self {
        let id = row.id;
        let detail = match view.board.state(id) {
            State::Pending => pending(view, row, is_terminal),
            State::Claimed(hold) => claimed(row, hold, now),
            State::Done(done) => of_done(done, view.changed.contains(&id), is_terminal),
        };
        let least = if is_terminal { columns(&fullest(detail.clone(), 0)) } else { 0 };
        let name = &view.board.graph.phase(id).name;
        Self { phase: row, name, agent: agent(&view.board, id), detail, least }
    }
}

/// How wide the columns of names are.
struct Columns {
    name: usize,
    /// 0 where there is no room for agents.
    agent: usize,
    width: Option<usize>,
}

impl Columns {
    fn of(rows: &[Row<'_>], width: Option<usize>) -> Self {
        let widest = |of: fn(&Row<'_>) -> usize| {
            rows.iter().map(of).filter(|&length| length <= MAX_COLUMN).max().unwrap_or(0)
        };
        let mut name = widest(|row| columns(row.name));
        let mut agent = widest(|row| columns(&row.agent));
        if let Some(width) = width {
            let room = width.saturating_sub(2 + STATE + 2 * GAP.len());
            let owned = rows.iter().filter(|row| !row.agent.is_empty());
            // Where nobody is named the details may stand below the agents.
            let besides = GAP.len() + owned.map(|row| row.least).max().unwrap_or(0);
            let left = room.saturating_sub(name + besides);
            agent = if left < LEAST.min(agent) { 0 } else { agent.min(left) };
            let least = rows.iter().map(|row| row.least).max().unwrap_or(0);
            name = name.min(room.saturating_sub(least).max(LEAST));
        }
        Self { name, agent, width }
    }

    /// What stands before the details, where names have so many columns at most.
    fn before(&self, row: &Row<'_>, [name, agent]: [usize; 2]) -> (String, String) {
        let cell = |text: &str, most: usize, column| {
            if columns(text) > most {
                padded(&fit(text, most), column)
            } else {
                padded(text, column)
            }
        };
        let is_named = !row.agent.is_empty() || agent == usize::MAX;
        let who = if self.agent > 0 && is_named {
            cell(&row.agent, agent, self.agent)
        } else {
            String::new()
        };
        (cell(row.name, name, self.name), who)
    }

    fn row(&self, board: &Board, row: Row<'_>, paint: Paint) -> String {
        // Longer names are cut where the line does not fit otherwise, that of the agent first.
        let limits = [
            [MAX_COLUMN, MAX_COLUMN],
            [MAX_COLUMN, self.agent.max(1)],
            [self.name.max(1), self.agent.max(1)],
        ];
        let room = |(name, who): &(String, String)| match self.width {
            Some(width) => {
                let gap = if who.is_empty() { 0 } else { GAP.len() };
                let taken = columns(name) + GAP.len() + STATE + gap + columns(who) + GAP.len();
                width.saturating_sub(2 + taken)
            }
            None => usize::MAX,
        };
        let mut before = self.before(&row, [usize::MAX; 2]);
        for limit in limits {
            if room(&before) >= row.least {
                break;
            }
            before = self.before(&row, limit);
        }
        let text = fullest(row.detail, room(&before));
        self.painted(board, row.phase, &before, &text, paint)
    }

    /// The row of these cells, with the sign and the word of the state in its colour if they are
    /// not cut off.
    fn painted(
        &self,
        board: &Board,
        row: &BoardRow,
        (name, who): &(String, String),
        detail: &str,
        paint: Paint,
    ) -> String {
        let (sign, word) = (row.state.sign().to_string(), row.state.word());
        let gap = if who.is_empty() { "" } else { GAP };
        let mut line = format!("{sign} {name}{GAP}{word:STATE$}{gap}{who}{GAP}{detail}");
        line.truncate(line.trim_end().len());
        let line = fitted(with_about(line, board, row.id, self.width), self.width);
        if !paint.on {
            return line;
        }
        let at = sign.len() + 1 + name.len() + GAP.len();
        match (line.get(sign.len()..at), line.get(at..)) {
            (Some(between), Some(rest)) if rest.starts_with(word) => {
                let state = row.state;
                let (sign, state) = (state.paint(paint, &sign), state.paint(paint, word));
                format!("{sign}{between}{state}{}", &rest[word.len()..])
            }
            _ => line,
        }
    }
}

/// `row` with what the phase is about, where a terminal has room for some of it.
fn with_about(row: String, board: &Board, id: PhaseId, width: Option<usize>) -> String {
    let Some(width) = width.filter(|width| *width >= ROOMY) else { return row };
    let about = board.graph.phase(id).about.as_deref().unwrap_or_default();
    let is_open = !matches!(board.state(id), State::Done(_));
    let room = width.saturating_sub(columns(&row));
    if about.is_empty() || !is_open || room < ROOMY / 4 {
        return row;
    }
    let words: Vec<&str> = about.split_whitespace().collect();
    format!("{row}  \"{}\"", safe(&words.join(" ")))
}

/// A part of what is said of a phase.
#[derive(Clone)]
struct Part {
    text: Cow<'static, str>,
    /// What is said where there is no room for that, the shortest first.
    shorter: Vec<String>,
    /// The highest goes first where there is no room; 0 never does.
    rank: u8,
}

fn part(rank: u8, text: impl Into<Cow<'static, str>>) -> Part {
    Part { text: text.into(), shorter: Vec::new(), rank }
}

fn joined(parts: &[Part]) -> String {
    let mut out = String::new();
    for (n, part) in parts.iter().enumerate() {
        if n > 0 {
            out.push_str(", ");
        }
        out.push_str(&part.text);
    }
    out
}

/// As much of `parts` as there is room for; what must be said is, even where there is none.
fn fullest(mut parts: Vec<Part>, room: usize) -> String {
    loop {
        let text = joined(&parts);
        if columns(&text) <= room {
            return text;
        }
        let shrinks = |part: &&Part| part.rank > 0 || !part.shorter.is_empty();
        let rank = parts.iter().filter(shrinks).map(|part| part.rank).max();
        let is_next = |part: &Part| Some(part.rank) == rank && shrinks(&part);
        let Some(at) = parts.iter().rposition(is_next) else { return text };
        match parts[at].shorter.pop() {
            Some(shorter) => parts[at].text = shorter.into(),
            None => {
                parts.remove(at);
            }
        }
    }
}

fn pending(view: &View, row: &BoardRow, is_terminal: bool) -> Vec<Part> {
    let board = &view.board;
    let failed = attempts::failed(board, row.id);
    let mut parts = Vec::new();
    parts.extend(waiting(board, row, is_terminal));
    if !row.is_for_asker {
        parts.push(part(0, "for another agent, not you"));
    }
    if row.is_exhausted {
        let text = format!("exhausted after {}", times(failed));
        parts.push(Part { shorter: vec!["exhausted".to_owned()], ..part(0, text) });
    } else if failed > 0 {
        parts.push(part(1, format!("{} failed", times(failed))));
    }
    parts
}

fn waiting(board: &Board, row: &BoardRow, is_terminal: bool) -> Option<Part> {
    let waits: Vec<&str> =
        row.waits_for.iter().map(|dep| board.graph.phase(*dep).name.as_str()).collect();
    let more = |named: usize| {
        format!("waits for {} and {} more", waits[..named].join(", "), waits.len() - named)
    };
    let shorter = match waits.len() {
        0 => return None,
        count if is_terminal && count > 1 => {
            let least = format!("waits for {count} phases");
            std::iter::once(least).chain((1..count.min(MAX_NAMED)).map(more)).collect()
        }
        _ => Vec::new(),
    };
    Some(Part { shorter, ..part(0, format!("waits for {}", waits.join(", "))) })
}

/// Of a claim that is younger, it goes without saying when its owner was last heard.
const A_MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn claimed(row: &BoardRow, hold: &LiveClaim, now: Timestamp) -> Vec<Part> {
    let mut parts = Vec::new();
    if let Some(then) = hold.claim.claimed_at {
        parts.push(part(3, age(now, then)));
    }
    parts.push(match hold.life {
        Life::Alive => part(2, "alive"),
        Life::Dead => part(0, "process gone"),
        Life::Unknown => part(1, "out of sight"),
    });
    // Of a process that several share, it says more when its owner was heard.
    if hold.claim.is_unproven() && hold.life != Life::Dead {
        parts.push(part(1, "shared process"));
    }
    let is_new = hold.claim.claimed_at.is_some_and(|then| identity::age(now, then) < A_MINUTE);
    if let Some(then) = hold.heard.filter(|_| !is_new) {
        let why = u8::from(row.state != RowState::Silent) * 4;
        parts.push(part(why, format!("heard {} ago", age(now, then))));
    }
    if row.is_mine {
        parts.push(part(1, "yours"));
    }
    parts
}

fn of_done(done: &Done, changed: bool, is_terminal: bool) -> Vec<Part> {
    let mut parts = Vec::new();
    if let Some(commit) = &done.at.commit {
        let short: String = commit.chars().take(7).collect();
        let short = safe(&short).into_owned();
        parts.push(match &done.at.branch {
            Some(branch) => {
                let text = format!("{short} on {}", safe(branch));
                let shorter = if is_terminal { vec![short] } else { Vec::new() };
                Part { shorter, ..part(3, text) }
            }
            None => part(3, short),
        });
        match done.at.dirty {
            Some(true) => parts.push(part(2, "dirty")),
            Some(false) => parts.push(part(4, "clean")),
            None => {}
        }
    }
    if done.carried_from.is_some() {
        parts.push(part(2, "carried"));
    }
    if changed {
        parts.push(part(0, "artifact changed since"));
    }
    parts
}

/// What is known of what was completed.
pub(crate) fn finished(done: &Done, changed: bool) -> String {
    joined(&of_done(done, changed, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_least_goes_first() {
        let parts = || {
            let commit = Part { shorter: vec!["4be1d07".into()], ..part(3, "4be1d07 on main") };
            vec![commit, part(4, "clean"), part(0, "artifact changed since")]
        };
        let shown = |room| fullest(parts(), room);
        assert_eq!(shown(46), "4be1d07 on main, clean, artifact changed since");
        assert_eq!(shown(45), "4be1d07 on main, artifact changed since");
        assert_eq!(shown(38), "4be1d07, artifact changed since");
        assert_eq!(shown(30), "artifact changed since");
        assert_eq!(shown(0), "artifact changed since");
    }
}
