//! The phase graph: for a terminal, for Mermaid, for Graphviz, and as JSON.
//!
//! Of foreign text nothing is ever syntax: nodes go by names of our own, and what stands in a label
//! is written as its language wants text to be written.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::Form;
use crate::record::VERSION;
use crate::rules::layers::{layers, levels};
use crate::rules::rows::{RowState, View};
use crate::rules::{Graph, PhaseId, Standing};
use crate::ui::Format;
use crate::ui::board;
use crate::ui::columns::{columns, fit, padded};
use crate::ui::text::{Paint, safe};
use crate::ui::trouble;

/// The column of names grows up to this many columns.
const MAX_COLUMN: usize = 32;

/// Every state that a phase can be seen in.
const LOOKS: &[RowState] = &[
    RowState::Pending,
    RowState::Ready,
    RowState::Claimed,
    RowState::Stale,
    RowState::Done,
    RowState::Failed,
];

pub(in crate::commands) fn text(view: &View, form: Form, format: Format) -> String {
    match form {
        Form::Text => layered(view, format),
        Form::Mermaid => mermaid(view, format.now),
        Form::Dot => dot(view, format.now),
    }
}

/// A line for each phase, with the number of its layer before the first of each.
fn layered(view: &View, format: Format) -> String {
    let graph = &view.board.graph;
    let Format { width, now, out: paint, .. } = format;
    let fitted = |line: &str| width.map_or_else(|| line.to_owned(), |width| fit(line, width));
    let rows = view.rows(now);
    let mut out = trouble::headline(view, &rows, now, paint, width);
    out.push('\n');
    if let Some(goal) = &view.board.sprint.goal {
        _ = writeln!(out, "{}", fitted(&format!("goal   {}", safe(goal))));
    }
    let layers = layers(graph);
    let digits = layers.len().to_string().len();
    let lengths = graph.ids().map(|id| columns(&graph.phase(id).name));
    let widest = lengths.filter(|length| *length <= MAX_COLUMN).max().unwrap_or(0);
    for (number, layer) in layers.iter().enumerate() {
        for (at, id) in layer.iter().enumerate() {
            let number = if at == 0 { (number + 1).to_string() } else { String::new() };
            let name = padded(&graph.phase(*id).name, widest);
            let state = rows.row(*id).state;
            let before = format!("{number:>digits$} {} {name}  ", state.sign());
            let taken = columns(&before) + 7;
            let needs = needs(graph, *id, width.map(|width| width.saturating_sub(taken)));
            let line = format!("{before}{:7}{needs}", state.word());
            let line = fitted(line.trim_end());
            out.push_str(&coloured(&line, &before, digits + 1, state, paint));
            out.push('\n');
        }
    }
    out
}

/// What a phase depends on, in `room` columns: as many names as there is room for, and how many
/// more.
fn needs(graph: &Graph, id: PhaseId, room: Option<usize>) -> String {
    let names = graph.dependencies(id);
    if names.is_empty() {
        return String::new();
    }
    let said = |count: usize| {
        let more = names.len() - count;
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("  after {}{more}", names[..count].join(", "))
    };
    let fits = |count: &usize| room.is_none_or(|room| columns(&said(*count)) <= room);
    said((1..=names.len()).rev().find(fits).unwrap_or(1))
}

/// Colours the sign, which stands at `at`, and the word in a line, if they have not been cut off.
fn coloured(line: &str, before: &str, at: usize, state: RowState, paint: Paint) -> String {
    let word = state.word();
    match line.strip_prefix(before).and_then(|rest| rest.strip_prefix(word)) {
        Some(rest) => {
            let (number, name) = before.split_at(at);
            let sign = state.sign().to_string();
            let name = name.strip_prefix(state.sign()).unwrap_or(name);
            let (sign, word) = (state.paint(paint, &sign), state.paint(paint, word));
            format!("{number}{sign}{name}{word}{rest}")
        }
        None => line.to_owned(),
    }
}

/// The lines of a label: the name, and where the phase is with whose it is.
fn label(view: &View, id: PhaseId, state: RowState) -> [String; 2] {
    let name = safe(&view.board.graph.phase(id).name).into_owned();
    let agent = board::agent(&view.board, id);
    let by = if agent.is_empty() { String::new() } else { format!(" by {agent}") };
    [name, format!("{}{by}", state.word())]
}

fn edges(graph: &Graph) -> impl Iterator<Item = (usize, usize)> + '_ {
    let of =
        |id: PhaseId| graph.phase(id).depends_on.iter().map(move |dep| (dep.index(), id.index()));
    graph.ids().flat_map(of)
}

fn mermaid(view: &View, now: Timestamp) -> String {
    let graph = &view.board.graph;
    let mut out = String::new();
    if let Some(goal) = &view.board.sprint.goal {
        _ = write!(out, "---\ntitle: \"{}\"\n---\n", yaml(&safe(goal)));
    }
    out.push_str("flowchart TD\n");
    for row in view.rows(now).iter() {
        let (id, state) = (row.id, row.state);
        let [name, below] = label(view, id, state).map(|line| entities(&line));
        _ = writeln!(out, "    n{}[\"{name}<br/>{below}\"]:::{}", id.index(), state.word());
    }
    for (from, to) in edges(graph) {
        _ = writeln!(out, "    n{from} --> n{to}");
    }
    for state in LOOKS {
        let [fill, line, ink] = colours(*state);
        let word = state.word();
        _ = writeln!(out, "    classDef {word} fill:{fill},stroke:{line},color:{ink}");
    }
    out
}

/// A Mermaid label: what is neither a letter, a digit nor harmless is written as an entity code.
fn entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_alphanumeric() || matches!(c, ' ' | '-' | '_') {
            out.push(c);
        } else {
            _ = write!(out, "#{};", u32::from(c));
        }
    }
    out
}

/// The inside of a quoted string of YAML.
fn yaml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | ',' | '(' | ')') {
            out.push(c);
        } else {
            _ = write!(out, "\\U{:08x}", u32::from(c));
        }
    }
    out
}

fn dot(view: &View, now: Timestamp) -> String {
    let graph = &view.board.graph;
    let mut out = String::from("digraph sprint {\n");
    if let Some(goal) = &view.board.sprint.goal {
        _ = writeln!(out, "    label=\"{}\";\n    labelloc=t;", quoted(&safe(goal)));
    }
    out.push_str("    node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\"];\n");
    for row in view.rows(now).iter() {
        let (id, state) = (row.id, row.state);
        let [name, below] = label(view, id, state).map(|line| quoted(&line));
        let [fill, line, ink] = colours(state);
        _ = writeln!(
            out,
            "    n{} [label=\"{name}\\n{below}\", class=\"{}\", fillcolor=\"{fill}\", color=\"{line}\", fontcolor=\"{ink}\"];",
            id.index(),
            state.word()
        );
    }
    for (from, to) in edges(graph) {
        _ = writeln!(out, "    n{from} -> n{to};");
    }
    out.push_str("}\n");
    out
}

/// The inside of a quoted string of Graphviz that is a label: backslashes begin escapes there, and
/// ampersands entities.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('&', "&amp;")
}

/// Fill, line and text of a phase; each pair of text and fill has a contrast of 7 at least.
const fn colours(state: RowState) -> [&'static str; 3] {
    match state {
        RowState::Pending | RowState::Exhausted => ["#f2f2f2", "#767676", "#333333"],
        RowState::Ready => ["#ffffff", "#1a7f37", "#0b4a1d"],
        RowState::Claimed | RowState::Silent | RowState::Left => ["#ddf4ff", "#0969da", "#0a3069"],
        RowState::Stale => ["#fff8c5", "#9a6700", "#4d2d00"],
        RowState::Done => ["#dafbe1", "#1a7f37", "#0b4a1d"],
        RowState::Failed => ["#ffebe9", "#cf222e", "#82071e"],
    }
}

/// A phase of the graph.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct Node<'a> {
    /// By which edges name it.
    id: String,
    /// Its name.
    phase: &'a str,
    /// How far it is from the beginning, from 1 on.
    level: usize,
    #[serde(flatten)]
    facts: board::Phase<'a>,
}

/// That one phase waits for another; what other edges imply is left out.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct Edge {
    /// What is waited for.
    from: String,
    /// What waits.
    to: String,
}

/// What `graph` answers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct GraphAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// The sprint.
    sprint_id: &'a str,
    /// What the whole sprint amounts to.
    status: Standing,
    /// What it is for.
    goal: Option<&'a str>,
    /// The phases, in the graph's order.
    nodes: Vec<Node<'a>>,
    /// What waits for what.
    edges: Vec<Edge>,
}

/// Nodes in the board's order, and edges from what is waited for to what waits.
pub(super) fn json(view: &View, now: Timestamp) -> Value {
    let board = &view.board;
    let graph = &board.graph;
    let levels = levels(graph);
    let rows = view.rows(now);
    let node = |id: PhaseId| Node {
        id: format!("n{}", id.index()),
        phase: &graph.phase(id).name,
        level: levels[id.index()] + 1,
        facts: board::phase(view, rows.row(id)),
    };
    let edge = |(from, to)| Edge { from: format!("n{from}"), to: format!("n{to}") };
    json!(GraphAnswer {
        v: VERSION,
        ok: true,
        sprint_id: &board.sprint.sprint_id,
        status: board.standing(),
        goal: board.sprint.goal.as_deref(),
        nodes: graph.ids().map(node).collect(),
        edges: edges(graph).map(edge).collect(),
    })
}
