//! The phase graph as a picture in a page: boxes in layers, and curves from what is waited for to
//! what waits. An edge that passes a layer has a place of its own there, and goes behind no box.
//! All numbers are ours; all text is a text node.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::Told;
use crate::rules::layers::{Spot, levels, reduced, untangled, way};
use crate::rules::rows::{BoardRows, RowState};
use crate::rules::{Graph, PhaseId};
use crate::ui::board;
use crate::ui::columns::{columns, fit};
use crate::ui::text::safe;

/// A box.
const WIDTH: usize = 184;
const HEIGHT: usize = 64;
/// Between boxes of one layer, and between layers.
const GAP: usize = 24;
const STEP: usize = 44;
/// A place that an edge passes between boxes.
const THIN: usize = 8;
/// Around all of it.
const EDGE: usize = 4;
/// So many characters fit into a box, of the name and of what is below it.
const NAME: usize = 21;
const BELOW: usize = 25;

/// Where the boxes are, and between them the places that edges pass.
struct Layout {
    /// Whether layers are beside each other rather than below.
    across: bool,
    /// The upper left corners, in the board's order.
    at: Vec<(usize, usize)>,
    /// Where in its layer an edge passes that leads to a phase further down.
    passes: BTreeMap<(usize, PhaseId), usize>,
    levels: Vec<usize>,
    width: usize,
    height: usize,
}

impl Layout {
    fn of(graph: &Graph) -> Self {
        let layers = untangled(graph);
        let deep = layers.len();
        let is_box = |spot: &&Spot| matches!(spot, Spot::Phase(_));
        let most = layers.iter().map(|layer| layer.iter().filter(is_box).count()).max();
        // In whichever way less of it has to be scrolled to the side.
        let across = deep * (WIDTH + STEP) < most.unwrap_or(0) * (WIDTH + GAP);
        let (along, step) = if across { (HEIGHT, WIDTH) } else { (WIDTH, HEIGHT) };
        let gap = if across { GAP / 2 } else { GAP };
        let size = |spot: &Spot| match spot {
            Spot::Phase(_) => along,
            Spot::Pass(_) => THIN,
        };
        let extent = |layer: &Vec<Spot>| {
            layer.iter().map(|spot| size(spot) + gap).sum::<usize>().saturating_sub(gap)
        };
        let wide = layers.iter().map(extent).max().unwrap_or(0);
        let mut at = vec![(0, 0); graph.count()];
        let mut passes = BTreeMap::new();
        for (depth, layer) in layers.iter().enumerate() {
            let mut one = EDGE + (wide - extent(layer)) / 2;
            let other = EDGE + depth * (step + STEP);
            for spot in layer {
                match spot {
                    Spot::Phase(id) => {
                        at[id.index()] = if across { (other, one) } else { (one, other) };
                    }
                    Spot::Pass(id) => _ = passes.insert((depth, *id), one + THIN / 2),
                }
                one += size(spot) + gap;
            }
        }
        let (one, other) = (wide + 2 * EDGE, deep * (step + STEP) - STEP + 2 * EDGE);
        let (width, height) = if across { (other, one) } else { (one, other) };
        Self { across, at, passes, levels: levels(graph), width, height }
    }

    /// Where an edge touches a spot of the layer `level`: how far along the layer, and where the
    /// layer begins.
    fn touches(&self, level: usize, spot: Spot) -> (usize, usize) {
        let step = if self.across { WIDTH } else { HEIGHT };
        let begins = EDGE + level * (step + STEP);
        let along = match spot {
            Spot::Phase(id) => {
                let (x, y) = self.at[id.index()];
                if self.across { y + HEIGHT / 2 } else { x + WIDTH / 2 }
            }
            Spot::Pass(id) => self.passes.get(&(level, id)).copied().unwrap_or_default(),
        };
        (along, begins)
    }

    /// The curve from a spot to one of the layer `level`, which is the next; and the line through
    /// that, if it is no box.
    fn curve(&self, level: usize, from: Spot, to: Spot) -> String {
        let step = if self.across { WIDTH } else { HEIGHT };
        let (from, begins) = self.touches(level - 1, from);
        let (at, ends) = self.touches(level, to);
        let (begins, bend) = (begins + step, STEP / 2);
        let point = |along: usize, down: usize| {
            if self.across { format!("{down} {along}") } else { format!("{along} {down}") }
        };
        let [start, out, back, end] = [
            point(from, begins),
            point(from, begins + bend),
            point(at, ends - bend),
            point(at, ends),
        ];
        let through = match to {
            Spot::Phase(_) => String::new(),
            Spot::Pass(_) => format!("L{}", point(at, ends + step)),
        };
        format!("M{start}C{out} {back} {end}{through}")
    }
}

/// The curves of some edges; what several have in common is drawn once.
fn drawn(layout: &Layout, edges: impl Iterator<Item = [PhaseId; 2]>) -> BTreeSet<String> {
    let way = |[dep, id]: [PhaseId; 2]| way(&layout.levels, dep, id);
    edges.flat_map(way).map(|(level, from, to)| layout.curve(level, from, to)).collect()
}

/// The picture of the graph.
pub(super) fn picture(told: &Told, rows: &BoardRows) -> Markup {
    let board = &told.view.board;
    let graph = &board.graph;
    let layout = Layout::of(graph);
    let critical: Vec<[PhaseId; 2]> =
        told.line.critical.windows(2).map(|two| [two[0], two[1]]).collect();
    let edges = |bold: bool| {
        let of = |id: PhaseId| reduced(graph, id).into_iter().map(move |dep| [dep, id]);
        let which = graph.ids().flat_map(of).filter(|edge| critical.contains(edge) == bold);
        drawn(&layout, which).into_iter().collect::<String>()
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
                (node(told, rows, id, layout.at[id.index()]))
            }
        }
    }
}

fn node(told: &Told, rows: &BoardRows, id: PhaseId, (x, y): (usize, usize)) -> Markup {
    let board = &told.view.board;
    let name = safe(&board.graph.phase(id).name);
    let state = rows.row(id).state;
    let agent = board::agent(board, id);
    let by = if agent.is_empty() { agent } else { format!(" · {agent}") };
    let below = format!("{} {}{by}", glyph(state), state.word());
    let critical = told.line.critical.contains(&id);
    let lines = broken(&name);
    let top = if lines.len() > 1 { 20 } else { 28 };
    html! {
        g.node.(class(state)).critical[critical] {
            title { (name) ": " (state.word()) (by) }
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
pub(super) const fn glyph(state: RowState) -> &'static str {
    match state {
        RowState::Pending => "–",
        RowState::Ready => "○",
        RowState::Claimed => "▶",
        RowState::Silent => "?",
        RowState::Left | RowState::Stale => "!",
        RowState::Done => "✓",
        RowState::Exhausted | RowState::Failed => "✗",
    }
}

/// The class of the page's style for where a phase is.
pub(super) const fn class(state: RowState) -> &'static str {
    match state {
        RowState::Pending => "is-pending",
        RowState::Ready => "is-ready",
        RowState::Claimed => "is-claimed",
        RowState::Silent | RowState::Left | RowState::Stale => "is-stale",
        RowState::Done => "is-done",
        RowState::Exhausted | RowState::Failed => "is-failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::PhaseEntry;
    use crate::rules::graph::Names;

    /// `width` chains of `depth` phases, and one phase that waits for the ends of all and for loose
    /// ones.
    fn graph(width: usize, depth: usize, loose: usize) -> Graph {
        let name = |chain: usize, at: usize| format!("p{chain}-{at}");
        let entry = |name: String, depends_on: Vec<String>| PhaseEntry {
            name,
            depends_on,
            ..PhaseEntry::default()
        };
        let mut phases = Vec::new();
        let mut ends: Vec<String> = Vec::new();
        for chain in 0..width {
            // Chains of different lengths, so that edges pass layers in the middle too.
            let depth = depth - chain % 3;
            for at in 0..depth {
                let before = (at > 0).then(|| name(chain, at - 1));
                phases.push(entry(name(chain, at), before.into_iter().collect()));
            }
            ends.push(name(chain, depth - 1));
        }
        for at in 0..loose {
            phases.push(entry(format!("loose-{at}"), Vec::new()));
            ends.push(format!("loose-{at}"));
        }
        phases.push(entry("end".to_owned(), ends));
        Graph::new(&phases, Names::New).unwrap()
    }

    /// Points of a path that consists of `M`, `C` and `L`.
    fn points(path: &str) -> Vec<(f64, f64)> {
        let mut points = Vec::new();
        let mut at = (0.0, 0.0);
        for piece in path.split(['M', 'C', 'L']).skip(1) {
            let numbers: Vec<f64> = piece.split(' ').map(|n| n.parse().unwrap()).collect();
            let ends: Vec<(f64, f64)> = numbers.chunks(2).map(|two| (two[0], two[1])).collect();
            if points.is_empty() {
                points.push(ends[0]);
                at = ends[0];
                continue;
            }
            for n in 0..=20 {
                let t = f64::from(n) / 20.0;
                let mix = |a: f64, b: f64| a + (b - a) * t;
                let between = |a: (f64, f64), b: (f64, f64)| (mix(a.0, b.0), mix(a.1, b.1));
                points.push(match ends[..] {
                    [one] => between(at, one),
                    [a, b, end] => {
                        let (first, second, third) =
                            (between(at, a), between(a, b), between(b, end));
                        between(between(first, second), between(second, third))
                    }
                    _ => panic!("{piece}"),
                });
            }
            at = ends[ends.len() - 1];
        }
        points
    }

    #[test]
    #[expect(clippy::cast_precision_loss, reason = "of a test")]
    fn no_edge_goes_behind_a_box() {
        for (width, depth, loose) in [(1, 4, 1), (3, 5, 2), (9, 3, 4), (2, 9, 0)] {
            let graph = graph(width, depth, loose);
            let layout = Layout::of(&graph);
            let of = |id: PhaseId| reduced(&graph, id).into_iter().map(move |dep| [dep, id]);
            for path in drawn(&layout, graph.ids().flat_map(of)) {
                for (x, y) in points(&path) {
                    assert!(x <= layout.width as f64 && y <= layout.height as f64, "{path}");
                    let is_in = |(left, top): &(usize, usize)| {
                        let (left, top) = (*left as f64, *top as f64);
                        let (right, bottom) = (left + WIDTH as f64, top + HEIGHT as f64);
                        x > left && x < right && y > top && y < bottom
                    };
                    assert!(!layout.at.iter().any(is_in), "{path} at {x} {y}");
                }
            }
        }
    }
}
