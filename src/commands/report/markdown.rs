//! Reports in Markdown. Foreign text is never syntax: whatever could be is escaped.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::facts::{Row, abouts, agents, facts, rows, said, standing, within};
use super::{Overview, Told};
use crate::commands::graph::{Form, drawing};
use crate::record::sprint_time;
use crate::rules::timeline::{End, Span, Track};
use crate::ui::Format;
use crate::ui::columns::{columns, padded};
use crate::ui::phrases::known;
use crate::ui::text::{duration, moment, safe};

/// So many columns are those of the timeline.
const WIDE: usize = 50;

/// Text that was made safe, with all that could be syntax within a line escaped; it never begins
/// one.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '|' => out.push_str("&#124;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '!' | '~' | '$' => out.extend(['\\', c]),
            other => out.push(other),
        }
    }
    out
}

/// Rows of a table, and its head; cells are Markdown.
fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut out = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        _ = writeln!(out, "| {} |", row.join(" | "));
    }
    out
}

pub(super) fn one(told: &Told, now: Timestamp) -> String {
    let board = &told.view.board;
    let line = &told.line;
    let title = board.sprint.goal.as_deref().filter(|goal| !goal.trim().is_empty());
    let title = title.map_or_else(
        || format!("Sprint {}", sprint_time(&board.sprint.sprint_id)),
        |goal| goal.trim().to_owned(),
    );
    let mut out = format!("# {}\n\n", escaped(&safe(&title)));
    let all = facts(told).into_iter().map(|(what, is)| vec![what.to_owned(), escaped(&is)]);
    out += &table(&["", ""], all);

    out += "\n## Phases\n\n";
    let head = ["phase", "state", "owner", "attempts", "waited", "worked", "verdict", "evidence"];
    let cells = |row: Row<'_>| {
        let name = escaped(row.name);
        vec![
            if row.critical { format!("**{name}**") } else { name },
            row.state.word().to_owned(),
            escaped(&row.owner),
            row.attempts.to_string(),
            row.waited,
            row.worked,
            row.verdict.to_owned(),
            escaped(&row.evidence),
        ]
    };
    out += &table(&head, rows(told, &told.view.rows(now)).into_iter().map(cells));

    for (number, (name, about)) in abouts(told).into_iter().enumerate() {
        let gap = if number == 0 { "\n" } else { "" };
        _ = writeln!(out, "{gap}- **{}**: {}", escaped(name), escaped(&about));
    }

    out += "\n## What waits for what\n\n```mermaid\n";
    let format = Format::plain(now);
    out += &drawing::text(&told.view, Form::Mermaid, format);
    out += "```\n\n## Timeline\n\n";
    out += &chart(told);

    if !line.critical.is_empty() {
        out += "\n## Critical path\n\nEach of these waited for the one before it, and the \
                sprint took as long as they did:\n\n";
        for (number, id) in line.critical.iter().enumerate() {
            let track = &line.tracks[id.index()];
            let name = escaped(&board.graph.phase(*id).name);
            let (waited, worked) = (duration(track.waited()), duration(track.worked()));
            _ = writeln!(out, "{}. **{name}**: waited {waited}, worked {worked}", number + 1);
        }
    }
    if !line.agents.is_empty() {
        out += "\n## Agents\n\n";
        let share = agents(told).into_iter().map(|(share, whereabouts)| {
            let (completed, ended) = (share.completed.to_string(), share.ended.to_string());
            let name = escaped(&known(&share.agent));
            vec![name, whereabouts, duration(share.worked), completed, ended]
        });
        out += &table(&["agent", "now", "worked", "completed", "gave up or lost"], share);
    }
    let tried = |track: &&Track| track.work.iter().any(|work| work.end == End::Ended);
    for (number, track) in line.tracks.iter().filter(tried).enumerate() {
        if number == 0 {
            out += "\n## Attempts\n\n";
        }
        for work in &track.work {
            let name = &board.graph.phase(track.phase).name;
            _ = writeln!(out, "- {}: {}", escaped(name), escaped(&said(told, track, work)));
        }
    }
    out
}

/// The timeline, drawn with characters that every font has in one width.
fn chart(told: &Told) -> String {
    let (board, line) = (&told.view.board, &told.line);
    let graph = &board.graph;
    let widest = graph.ids().map(|id| columns(&graph.phase(id).name)).max().unwrap_or(0);
    let mut out = String::from("```text\n");
    let length = duration(line.whole.length());
    let begin = moment(line.whole.from);
    _ = writeln!(out, "{}  {begin}{length:>1$}", " ".repeat(widest), WIDE - begin.len());
    for track in &line.tracks {
        let name = padded(&graph.phase(track.phase).name, widest);
        let drawn = cells(track, line.whole);
        _ = writeln!(out, "{}", format!("{name}  {drawn}").trim_end());
    }
    out += "```\n\n`.` could be claimed and nobody had it, `#` worked on, `x` an attempt that ended \
            without a completion\n";
    out
}

fn cells(track: &Track, whole: Span) -> String {
    let mut cells = [' '; WIDE];
    let mut draw = |span: Span, with: char| {
        let (from, length) = within(span, whole);
        let cell = |thousandth: u32| thousandth as usize * WIDE / 1000;
        let first = cell(from).min(WIDE - 1);
        // However short, it is seen.
        let last = cell(from + length).clamp(first + 1, WIDE);
        cells[first..last].fill(with);
    };
    for span in &track.waits {
        draw(*span, '.');
    }
    for work in &track.work {
        if let Some(span) = work.span {
            draw(span, if work.end == End::Ended { 'x' } else { '#' });
        }
    }
    cells.iter().collect()
}

pub(super) fn all(overview: &Overview) -> String {
    let mut out = String::from("# Sprints\n\n");
    let head = ["sprint", "goal", "state", "done", "took", "agents"];
    let cells = overview.sprints.iter().map(|it| {
        let agents: Vec<String> = it.agents.iter().map(|agent| known(agent)).collect();
        let failed = if it.failed > 0 { format!(", {} failed", it.failed) } else { String::new() };
        vec![
            escaped(&safe(sprint_time(&it.sprint_id))),
            escaped(&safe(it.goal.as_deref().unwrap_or_default())),
            standing(it.standing).to_owned(),
            format!("{} of {}{failed}", it.done, it.phases),
            duration(it.elapsed),
            escaped(&agents.join(", ")),
        ]
    });
    out += &table(&head, cells);
    if !overview.unreadable.is_empty() {
        out += "\nThese cannot be read, and are left out:\n\n";
        for id in &overview.unreadable {
            _ = writeln!(out, "- {}", escaped(&safe(sprint_time(id))));
        }
    }
    out
}
