//! The board in one line, for a prompt or a status line: `2/7 build(bob) ready: qa`.

use super::board::agent;
use super::columns::fit;
use super::format::Format;
use super::text::safe;
use crate::rules::rows::{BoardRow, RowState, View};

/// At most so many phases are named of those at work, and of those of one kind.
const MAX_NAMED: usize = 3;

/// So many columns it has at most where nobody knows how many there are.
const MAX_COLUMNS: usize = 200;

/// The line, with a line feed.
pub(crate) fn line(view: &View, format: Format) -> String {
    let board = &view.board;
    let rows = view.rows(format.now);
    let name = |row: &BoardRow| safe(&board.graph.phase(row.id).name).into_owned();
    let held = |row: &BoardRow| {
        // As the table has it: an owner that is gone, or of whom nothing shows that it is there.
        let sign = match row.state {
            RowState::Left | RowState::Stale => "!",
            RowState::Silent => "?",
            RowState::Pending
            | RowState::Exhausted
            | RowState::Ready
            | RowState::Claimed
            | RowState::Done
            | RowState::Failed => "",
        };
        format!("{}({}{sign})", name(row), agent(board, row.id))
    };
    let of = |wanted: &[RowState], shown: &dyn Fn(&BoardRow) -> String| -> Vec<String> {
        rows.iter().filter(|row| wanted.contains(&row.state)).map(shown).collect()
    };
    let claimed = [RowState::Claimed, RowState::Silent, RowState::Left, RowState::Stale];
    let mut parts = vec![format!("{}/{}", board.done_count(), board.graph.count())];
    let at_work = of(&claimed, &held);
    if !at_work.is_empty() {
        parts.push(named(&at_work, " "));
    }
    for (word, state) in [
        ("ready", RowState::Ready),
        ("failed", RowState::Failed),
        ("exhausted", RowState::Exhausted),
    ] {
        let names = of(&[state], &name);
        if !names.is_empty() {
            parts.push(format!("{word}: {}", named(&names, ", ")));
        }
    }
    if rows.is_stuck() {
        parts.push("stuck".to_owned());
    }
    let line = fit(&parts.join(" "), format.width.unwrap_or(MAX_COLUMNS));
    format!("{line}\n")
}

/// The first of them, and how many more there are.
fn named(all: &[String], between: &str) -> String {
    let first = all[..all.len().min(MAX_NAMED)].join(between);
    match all.len().saturating_sub(MAX_NAMED) {
        0 => first,
        more => format!("{first} +{more}"),
    }
}
