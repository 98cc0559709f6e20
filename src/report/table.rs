//! The board as a table. Where a terminal is narrow, what says least is cut first; never the state, and
//! never why a phase is in it.

use jiff::{SignedDuration, Timestamp};

use super::attempts::times;
use super::board::{self, Look, agent, columns, facts, fit, is_for_asker, look, padded};
use super::text::{Paint, age, safe, wrapped};
use super::trouble;
use crate::cmd::View;
use crate::record::Done;
use crate::rules::{Board, Hold, Life, PhaseId, State, attempts, identity};

/// A column grows with what stands in it up to this many columns; what is longer pushes the
/// rest of its own line only.
const WIDEST: usize = 24;
/// From this width on a terminal has room for what phases are about.
const ROOMY: usize = 110;
/// The column of states.
const STATE: usize = 7;
/// Between columns.
const GAP: &str = "  ";
/// A name that is cut to fewer columns says nothing.
const LEAST: usize = 6;
/// Of what a phase waits for, fewer than so many are named where not all fit.
const NAMED: usize = 8;

/// The table: at most `width` columns, if it is to fit a terminal.
pub(super) fn table(view: &View, now: Timestamp, paint: Paint, width: Option<usize>) -> String {
    let fit = |line: String| width.map_or_else(|| line.clone(), |width| fit(&line, width));
    let broken = |line: &str| match width {
        Some(width) => wrapped(line, width).into_iter().map(fit).collect(),
        None => vec![line.to_owned()],
    };
    let mut lines = vec![trouble::headline(view, now, paint, width)];
    lines.extend(view.board.sprint.goal.as_ref().map(|goal| fit(format!("goal   {}", safe(goal)))));
    let columns = Columns::of(view, now, width);
    for id in view.board.graph.ids() {
        lines.push(columns.row(view, id, now, paint));
    }
    lines.extend(trouble::lines(view, now, paint, width));
    lines.extend(broken(&you(view, now)));
    for loss in &view.lost {
        lines.extend(broken(&format!("you lost {}", board::lost(loss, now))));
    }
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

fn you(view: &View, now: Timestamp) -> String {
    let mine = board::mine(view, now);
    let holds = if mine.is_empty() { "nothing".to_owned() } else { mine.join(", ") };
    format!("you are {} and hold {holds}", safe(&view.me.name))
}

/// How wide the columns of names are.
struct Columns {
    name: usize,
    /// 0 where there is no room for agents.
    agent: usize,
    width: Option<usize>,
}

impl Columns {
    fn of(view: &View, now: Timestamp, width: Option<usize>) -> Self {
        let ids = || view.board.graph.ids();
        let widest = |lengths: &mut dyn Iterator<Item = usize>| {
            lengths.filter(|&length| length <= WIDEST).max().unwrap_or(0)
        };
        let mut name = widest(&mut ids().map(|id| columns(&view.board.graph.phase(id).name)));
        let mut agent = widest(&mut ids().map(|id| columns(&agent(&view.board, id))));
        if let Some(width) = width {
            let is_owned = |id: &PhaseId| *view.board.state(*id) != State::Pending;
            let least = |id| columns(&fullest(detail(view, id, now), 0));
            let room = width.saturating_sub(2 + STATE + 2 * GAP.len());
            // Where nobody is named the details may stand below the agents.
            let besides = GAP.len() + ids().filter(is_owned).map(least).max().unwrap_or(0);
            let left = room.saturating_sub(name + besides);
            agent = if left < LEAST.min(agent) { 0 } else { agent.min(left) };
            name = name.min(room.saturating_sub(ids().map(least).max().unwrap_or(0)).max(LEAST));
        }
        Self { name, agent, width }
    }

    /// What stands before the details, where names have so many columns at most.
    fn before(&self, view: &View, id: PhaseId, [name, agent]: [usize; 2]) -> (String, String) {
        let cell = |text: &str, most: usize, column| padded(&fit(text, most), column);
        let first = cell(&view.board.graph.phase(id).name, name, self.name);
        let who = board::agent(&view.board, id);
        let is_named = !who.is_empty() || agent == usize::MAX;
        let who = match self.agent {
            column if column > 0 && is_named => format!("{GAP}{}", cell(&who, agent, column)),
            _ => String::new(),
        };
        (first, who)
    }

    fn row(&self, view: &View, id: PhaseId, now: Timestamp, paint: Paint) -> String {
        let look = look(view, id, now);
        let parts = detail(view, id, now);
        let least = columns(&fullest(parts.clone(), 0));
        let taken = |(name, who): &(String, String)| {
            2 + columns(name) + GAP.len() + STATE + columns(who) + GAP.len()
        };
        // Longer names are cut where the line does not fit otherwise, that of the agent first.
        let limits = [
            [usize::MAX, usize::MAX],
            [WIDEST, WIDEST],
            [WIDEST, self.agent.max(1)],
            [self.name.max(1), self.agent.max(1)],
        ];
        let room = |before: &(String, String)| {
            self.width.map_or(usize::MAX, |width| width.saturating_sub(taken(before)))
        };
        let all = limits.map(|limit| self.before(view, id, limit));
        let fits = |before: &&(String, String)| room(before) >= least;
        let before = all.iter().find(fits).unwrap_or(&all[limits.len() - 1]);
        let text = fullest(parts, room(before));
        self.painted(view, id, before, &text, look, paint)
    }

    /// The row of these cells, with the sign and the word of the state in its colour if they are not cut off.
    fn painted(
        &self,
        view: &View,
        id: PhaseId,
        (name, who): &(String, String),
        detail: &str,
        look: Look,
        paint: Paint,
    ) -> String {
        let (sign, word) = (look.sign().to_string(), look.word());
        let line = format!("{sign} {name}{GAP}{word:STATE$}{who}{GAP}{detail}");
        let line = with_about(line.trim_end().to_owned(), &view.board, id, self.width);
        let line = self.width.map_or_else(|| line.clone(), |width| fit(&line, width));
        let at = sign.len() + 1 + name.len() + GAP.len();
        match (line.get(sign.len()..at), line.get(at..)) {
            (Some(between), Some(rest)) if rest.starts_with(word) => {
                let (sign, state) = (look.paint(paint, &sign), look.paint(paint, word));
                format!("{sign}{between}{state}{}", &rest[word.len()..])
            }
            _ => line,
        }
    }
}

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

/// A part of what is said of a phase.
#[derive(Clone)]
struct Part {
    text: String,
    /// What is said where there is no room for that, the shortest first.
    shorter: Vec<String>,
    /// The highest goes first where there is no room; 0 never does.
    rank: u8,
}

fn part(rank: u8, text: impl Into<String>) -> Part {
    Part { text: text.into(), shorter: Vec::new(), rank }
}

fn joined(parts: &[Part]) -> String {
    parts.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join(", ")
}

/// As much of `parts` as there is room for; what must be said is, even where there is none.
fn fullest(mut parts: Vec<Part>, room: usize) -> String {
    while columns(&joined(&parts)) > room {
        let shrinks = |part: &&Part| part.rank > 0 || !part.shorter.is_empty();
        let Some(rank) = parts.iter().filter(shrinks).map(|part| part.rank).max() else { break };
        let is_next = |part: &Part| part.rank == rank && shrinks(&part);
        let Some(at) = parts.iter().rposition(is_next) else { break };
        match parts[at].shorter.pop() {
            Some(shorter) => parts[at].text = shorter,
            None => {
                parts.remove(at);
            }
        }
    }
    joined(&parts)
}

fn detail(view: &View, id: PhaseId, now: Timestamp) -> Vec<Part> {
    match view.board.state(id) {
        State::Pending => pending(view, id, now),
        State::Claimed(hold) => claimed(view, id, hold, now),
        State::Done(done) => of_done(done, view.changed.contains(&id)),
    }
}

fn pending(view: &View, id: PhaseId, now: Timestamp) -> Vec<Part> {
    let board = &view.board;
    let failed = attempts::failed(board, id);
    let mut parts = Vec::new();
    parts.extend(waiting(board, id));
    if !is_for_asker(view, id) {
        parts.push(part(0, "for another agent, not you"));
    }
    if attempts::is_exhausted(board, id, facts(view, now)) {
        let text = format!("exhausted after {}", times(failed));
        parts.push(Part { shorter: vec!["exhausted".to_owned()], ..part(0, text) });
    } else if failed > 0 {
        parts.push(part(1, format!("{} failed", times(failed))));
    }
    parts
}

fn waiting(board: &Board, id: PhaseId) -> Option<Part> {
    let waits: Vec<&str> =
        board.waits_for(id).into_iter().map(|dep| board.graph.phase(dep).name.as_str()).collect();
    let more = |named: usize| {
        format!("waits for {} and {} more", waits[..named].join(", "), waits.len() - named)
    };
    let shorter = match waits.len() {
        0 => return None,
        1 => Vec::new(),
        count => {
            let least = format!("waits for {count} phases");
            std::iter::once(least).chain((1..count.min(NAMED)).map(more)).collect()
        }
    };
    Some(Part { shorter, ..part(0, format!("waits for {}", waits.join(", "))) })
}

/// Of a claim that is younger, it goes without saying when its owner was last heard.
const A_MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn claimed(view: &View, id: PhaseId, hold: &Hold, now: Timestamp) -> Vec<Part> {
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
        let why = u8::from(look(view, id, now) != Look::Silent) * 4;
        parts.push(part(why, format!("heard {} ago", age(now, then))));
    }
    if board::is_mine(view, hold) {
        parts.push(part(1, "yours"));
    }
    parts
}

fn of_done(done: &Done, changed: bool) -> Vec<Part> {
    let mut parts = Vec::new();
    if let Some(commit) = &done.at.commit {
        let short: String = commit.chars().take(7).collect();
        let short = safe(&short).into_owned();
        parts.push(match &done.at.branch {
            Some(branch) => {
                let text = format!("{short} on {}", safe(branch));
                Part { shorter: vec![short], ..part(3, text) }
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
pub(super) fn finished(done: &Done, changed: bool) -> String {
    joined(&of_done(done, changed))
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
