//! The phase graph as a picture in a page: boxes in layers, and curves from what is waited for to what
//! waits. All numbers are ours; all text is a text node.

use jiff::Timestamp;
use maud::{Markup, html};

use crate::cmd::report::Told;
use crate::report::board::{self, Look, columns, fit};
use crate::report::text::safe;
use crate::rules::layers::{reduced, untangled};
use crate::rules::{Graph, PhaseId};

/// A box.
const WIDTH: usize = 184;
const HEIGHT: usize = 64;
/// Between boxes of one layer, and between layers.
const GAP: usize = 24;
const STEP: usize = 44;
/// Around all of it.
const EDGE: usize = 4;
/// So many characters fit into a box, of the name and of what is below it.
const NAME: usize = 21;
const BELOW: usize = 25;

/// Where the boxes are.
struct Layout {
    /// Whether layers are beside each other rather than below.
    across: bool,
    /// The upper left corners, in the board's order.
    at: Vec<(usize, usize)>,
    width: usize,
    height: usize,
}

impl Layout {
    fn of(graph: &Graph) -> Self {
        let layers = untangled(graph);
        let deep = layers.len();
        let wide = layers.iter().map(Vec::len).max().unwrap_or(0);
        // In whichever way less of it has to be scrolled to the side.
        let across = deep * (WIDTH + STEP) < wide * (WIDTH + GAP);
        let (along, step) = if across { (HEIGHT, WIDTH) } else { (WIDTH, HEIGHT) };
        let gap = if across { GAP / 2 } else { GAP };
        let extent = |count: usize| count * (along + gap) - gap.min(count * gap);
        let mut at = vec![(0, 0); graph.count()];
        for (depth, layer) in layers.iter().enumerate() {
            let before = (extent(wide) - extent(layer.len())) / 2;
            for (n, id) in layer.iter().enumerate() {
                let (one, other) = (before + n * (along + gap), depth * (step + STEP));
                let (x, y) = if across { (other, one) } else { (one, other) };
                at[id.index()] = (x + EDGE, y + EDGE);
            }
        }
        let (one, other) = (extent(wide) + 2 * EDGE, deep * (step + STEP) - STEP + 2 * EDGE);
        let (width, height) = if across { (other, one) } else { (one, other) };
        Self { across, at, width, height }
    }

    /// The curve from a box to the next.
    fn curve(&self, from: PhaseId, to: PhaseId) -> String {
        let ((x, y), (to_x, to_y)) = (self.at[from.index()], self.at[to.index()]);
        if self.across {
            let (x, y, to_y) = (x + WIDTH, y + HEIGHT / 2, to_y + HEIGHT / 2);
            let bend = STEP / 2;
            format!("M{x} {y}C{} {y} {} {to_y} {to_x} {to_y}", x + bend, to_x - bend)
        } else {
            let (x, y, to_x) = (x + WIDTH / 2, y + HEIGHT, to_x + WIDTH / 2);
            let bend = STEP / 2;
            format!("M{x} {y}C{x} {} {to_x} {} {to_x} {to_y}", y + bend, to_y - bend)
        }
    }
}

/// The picture of the graph.
pub(super) fn picture(told: &Told, now: Timestamp) -> Markup {
    let board = &told.view.board;
    let graph = &board.graph;
    let layout = Layout::of(graph);
    let critical: Vec<[PhaseId; 2]> =
        told.line.critical.windows(2).map(|two| [two[0], two[1]]).collect();
    let edges = |bold: bool| {
        let of = |id: PhaseId| reduced(graph, id).into_iter().map(move |dep| [dep, id]);
        let which = graph.ids().flat_map(of).filter(|edge| critical.contains(edge) == bold);
        which.map(|[from, to]| layout.curve(from, to)).collect::<String>()
    };
    let view = format!("0 0 {} {}", layout.width, layout.height);
    // On a small screen it shrinks as long as it can be read; then it is scrolled.
    let least = layout.width.min((layout.width * 7 / 10).max(300));
    let size = format!("width:100%;max-width:{}px;min-width:{least}px", layout.width);
    html! {
        svg.graph viewBox=(view) style=(size) role="img" aria-labelledby="graph-title" {
            title id="graph-title" { "The phases and what they wait for; the list above says the same" }
            path.edge d=(edges(false)) {}
            path.edge.critical d=(edges(true)) {}
            @for id in graph.ids() {
                (node(told, id, layout.at[id.index()], now))
            }
        }
    }
}

fn node(told: &Told, id: PhaseId, (x, y): (usize, usize), now: Timestamp) -> Markup {
    let board = &told.view.board;
    let name = safe(&board.graph.phase(id).name);
    let look = board::look(&told.view, id, now);
    let agent = board::agent(board, id);
    let by = if agent.is_empty() { agent } else { format!(" · {agent}") };
    let below = format!("{} {}{by}", glyph(look), look.word());
    let critical = told.line.critical.contains(&id);
    let lines = broken(&name);
    let top = if lines.len() > 1 { 20 } else { 28 };
    html! {
        g.node.(class(look)).critical[critical] {
            title { (name) ": " (look.word()) (by) }
            rect x=(x) y=(y) width=(WIDTH) height=(HEIGHT) rx="6" {}
            @for (n, line) in lines.iter().enumerate() {
                text.name x=(x + 10) y=(y + top + 16 * n) { (line) }
            }
            text.state x=(x + 10) y=(y + top + 16 * lines.len() + 1) { (fit(&below, BELOW)) }
        }
    }
}

/// A name in one or two lines. It has no blanks to break it at, but often dashes.
fn broken(name: &str) -> Vec<String> {
    if columns(name) <= NAME {
        return vec![name.to_owned()];
    }
    let fits = |(at, _): &(usize, char)| columns(&name[..*at]) <= NAME;
    let ends: Vec<usize> = name.char_indices().take_while(fits).map(|(at, _)| at).collect();
    let all = ends.last().copied().unwrap_or(0);
    let dash = name[..all].rfind(['-', '_', '.']).map(|at| at + 1).filter(|at| *at > all / 2);
    let (first, rest) = name.split_at(dash.unwrap_or(all));
    vec![first.to_owned(), fit(rest, NAME)]
}

/// A sign for where a phase is, for who does not see colours.
pub(super) const fn glyph(look: Look) -> &'static str {
    match look {
        Look::Pending => "–",
        Look::Ready => "○",
        Look::Claimed => "▶",
        Look::Stale => "!",
        Look::Done => "✓",
        Look::Failed => "✗",
    }
}

/// The class of the page's style for where a phase is.
pub(super) const fn class(look: Look) -> &'static str {
    match look {
        Look::Pending => "is-pending",
        Look::Ready => "is-ready",
        Look::Claimed => "is-claimed",
        Look::Stale => "is-stale",
        Look::Done => "is-done",
        Look::Failed => "is-failed",
    }
}
