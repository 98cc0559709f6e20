//! What the board says first: how far the sprint is, and what keeps it from going on, why, and the
//! command that helps.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::attempts::times;
use super::columns::{columns, fit, fitted};
use super::phrases::who;
use super::text::{Paint, age, list, safe, wrapped};
use crate::record::sprint_time;
use crate::rules::rows::{BoardRows, View};
use crate::rules::trouble::Trouble;
use crate::rules::{
    Board, Life, LiveClaim, PhaseId, Request, Standing, State, attempts, decide, identity,
};

/// So many phases are told of.
const MAX_TOLD: usize = 6;
/// So many phases are named that wait for one.
const MAX_NAMED: usize = 3;
/// What begins a line, and what stands below it.
const STUCK: &str = "stuck  ";

/// How many phases have a trouble of this kind.
fn count(rows: &BoardRows, kind: Trouble) -> usize {
    // Who held a phase when the sprint ended holds it up no more.
    let is_over = rows.standing == Standing::Archived && kind != Trouble::Failed;
    if is_over { 0 } else { rows.troubles().filter(|(_, it)| *it == kind).count() }
}

/// The word for how the sprint stands.
pub(crate) fn word(rows: &BoardRows) -> &'static str {
    match rows.standing {
        Standing::Active if rows.is_stuck() => "stuck",
        Standing::Active => "active",
        Standing::Finished => "finished",
        Standing::Archived => "archived",
    }
}

/// How far the sprint is, and how many phases are in trouble; what says least is left out where a
/// terminal is narrow.
pub(crate) fn headline(
    view: &View,
    rows: &BoardRows,
    now: Timestamp,
    paint: Paint,
    width: Option<usize>,
) -> String {
    let board = &view.board;
    let id = &board.sprint.sprint_id;
    let sprint = format!("sprint {}  ", safe(sprint_time(id)));
    let standing = word(rows);
    let since = board.sprint.started_at.map(|then| format!(" {}", age(now, then)));
    let since = since.unwrap_or_default();
    let done = format!("  {} of {} done", board.done_count(), board.graph.count());
    let kinds = [
        (Trouble::Failed, "failed"),
        (Trouble::Exhausted, "exhausted"),
        (Trouble::Gone, "dead owner"),
        (Trouble::Silent, "silent owner"),
    ];
    let mut counted = String::new();
    for (kind, word) in kinds {
        let count = count(rows, kind);
        let many = if count > 1 && word.ends_with("owner") { "s" } else { "" };
        if count > 0 {
            _ = write!(counted, ", {count} {word}{many}");
        }
    }
    let all = [
        [&*sprint, standing, &since, &done, &counted],
        [&*sprint, standing, "", &done, &counted],
        ["", standing, "", &done, &counted],
        [&*sprint, standing, "", &done, ""],
        ["", standing, "", &done, ""],
    ];
    let fits = |parts: &&[&str; 5]| width.is_none_or(|width| columns(&parts.concat()) <= width);
    let parts = all.iter().find(fits).unwrap_or(&all[all.len() - 1]);
    let line = fitted(parts.concat(), width);
    if standing != "stuck" {
        return line;
    }
    match line.strip_prefix(parts[0]).and_then(|rest| rest.strip_prefix(standing)) {
        Some(rest) => format!("{}{}{rest}", parts[0], paint.bad(standing)),
        None => line,
    }
}

/// What is stuck and why, and below it what helps. A terminal breaks no command.
pub(crate) fn lines(
    view: &View,
    rows: &BoardRows,
    now: Timestamp,
    paint: Paint,
    width: Option<usize>,
) -> Vec<String> {
    if rows.standing == Standing::Archived {
        return Vec::new();
    }
    let mut out = Vec::new();
    let mut add = |text: &str, command: Option<String>| {
        // A terminal that is hardly wider than the label is shown the words alone.
        let is_labelled = width.is_none_or(|width| width > 2 * STUCK.len());
        let label = if is_labelled { STUCK.len() } else { 0 };
        let room = width.map_or(usize::MAX, |width| width.saturating_sub(label).max(1));
        for (n, line) in wrapped(text, room).iter().enumerate() {
            let lead = if n == 0 && is_labelled {
                paint.bad(STUCK.trim_end()) + "  "
            } else {
                " ".repeat(label)
            };
            out.push(lead + &fit(line, room));
        }
        if let Some(command) = command {
            let lead = if columns(&command) <= room { label } else { 0 };
            let line = format!("{:lead$}{command}", "");
            out.push(fitted(line, width));
        }
    };
    if rows.is_stuck() {
        add("nothing is ready, and nobody is at work", None);
    }
    let troubles: Vec<_> = rows.troubles().collect();
    for (id, trouble) in troubles.iter().take(MAX_TOLD) {
        let (text, command) = told(view, *id, *trouble, now);
        add(&text, command.map(|command| format!("git conductor {command}")));
    }
    if troubles.len() > MAX_TOLD {
        add(&format!("and {} more phases", troubles.len() - MAX_TOLD), None);
    }
    out
}

/// What is said of one phase, and what helps.
fn told(view: &View, id: PhaseId, trouble: Trouble, now: Timestamp) -> (String, Option<String>) {
    let board = &view.board;
    let name = &board.graph.phase(id).name;
    match (trouble, board.state(id)) {
        (Trouble::Failed, _) => {
            let waits = behind(board, id);
            // A new round would take their phases from those who are at work.
            let is_alive =
                |id| matches!(board.state(id), State::Claimed(hold) if hold.life != Life::Dead);
            let word = if board.graph.ids().any(is_alive) { "show" } else { "start --from" };
            (format!("'{name}' failed{waits}"), Some(format!("{word} {name}")))
        }
        (Trouble::Exhausted, state) => {
            let held = u64::from(matches!(state, State::Claimed(_)));
            let failed = times(attempts::failed(board, id).saturating_add(held));
            let text = format!(
                "'{name}' is exhausted: {failed} at it failed; \
                 whether it is tried again is a person's decision"
            );
            (text, Some(format!("show {name}")))
        }
        (Trouble::Gone | Trouble::Silent, State::Claimed(hold)) => {
            (owner(name, hold, now), Some(helps(view, id, now)))
        }
        // No owner, no trouble with one.
        (Trouble::Gone | Trouble::Silent, _) => (format!("'{name}'"), None),
    }
}

/// `, and 'ship' waits for it`
fn behind(board: &Board, id: PhaseId) -> String {
    let waits = |other: &PhaseId| {
        board.graph.phase(*other).depends_on.contains(&id)
            && !matches!(board.state(*other), State::Done(_))
    };
    let all: Vec<PhaseId> = board.graph.ids().filter(waits).collect();
    let mut names: Vec<String> =
        all.iter().take(MAX_NAMED).map(|id| format!("'{}'", board.graph.phase(*id).name)).collect();
    if all.len() > MAX_NAMED {
        names.push(format!("{} more", all.len() - MAX_NAMED));
    }
    match names.len() {
        0 => String::new(),
        1 => format!(", and {} waits for it", list(&names)),
        _ => format!(", and {} wait for it", list(&names)),
    }
}

/// `'qa' is held by 'bob', whose process is gone (last heard 5m ago)`
fn owner(name: &str, hold: &LiveClaim, now: Timestamp) -> String {
    let owner = who(&hold.claim.agent);
    let heard = hold.heard.or_else(|| identity::heard(&hold.claim)).map(|then| age(now, then));
    let silence = heard.clone().map_or_else(String::new, |age| format!(" for {age}"));
    let last = heard.map(|age| format!(" (last heard {age} ago)")).unwrap_or_default();
    match hold.life {
        Life::Dead => format!("'{name}' is held by {owner}, whose process is gone{last}"),
        Life::Alive | Life::Unknown if hold.claim.is_unproven() => format!(
            "'{name}' is held by {owner}, whose process is shared, and who was not heard{silence}"
        ),
        Life::Alive | Life::Unknown => format!(
            "'{name}' is held by {owner}, who was not heard{silence} and cannot be seen from here"
        ),
    }
}

/// The command with which the asker goes on with a phase that was left, or lets others do so.
fn helps(view: &View, id: PhaseId, now: Timestamp) -> String {
    let name = &view.board.graph.phase(id).name;
    let may = |request| decide(&view.board, id, &request, view.facts(now)).is_ok();
    if may(Request::Claim { takeover: false }) {
        format!("claim {name}")
    } else if may(Request::Claim { takeover: true }) {
        format!("claim {name} --takeover")
    } else if may(Request::Unstuck { force: false }) {
        format!("unstuck {name}")
    } else {
        format!("show {name}")
    }
}
