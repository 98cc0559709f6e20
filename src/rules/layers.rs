//! The phase graph in layers, for who draws it: each phase stands below all that it depends on.
//! Pure.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::graph::{Graph, PhaseId};

/// The layers from the top: in the first are the phases that depend on nothing, in each further one
/// those whose longest chain of dependencies is one longer. Within one, the board's order.
#[must_use]
pub fn layers(graph: &Graph) -> Vec<Vec<PhaseId>> {
    let levels = levels(graph);
    let mut layers = vec![Vec::new(); levels.iter().max().map_or(0, |deepest| deepest + 1)];
    for id in graph.ids() {
        layers[levels[id.index()]].push(id);
    }
    layers
}

/// How many phases stand one above the other over each.
#[must_use]
pub fn levels(graph: &Graph) -> Vec<usize> {
    let mut levels = vec![0; graph.count()];
    for id in graph.order() {
        let above = graph.phase(id).depends_on.iter().map(|dep| levels[dep.index()] + 1);
        levels[id.index()] = above.max().unwrap_or(0);
    }
    levels
}

/// What stands in a layer of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spot {
    /// A phase.
    Phase(PhaseId),
    /// A place between phases: what leads to this one from higher up passes there.
    Pass(PhaseId),
}

/// The same layers with a place in each for what passes it, in an order by which fewer edges cross:
/// a phase stands about where those stand that it depends on. An edge leads from a spot to one of
/// the next layer.
#[must_use]
pub fn untangled(graph: &Graph) -> Vec<Vec<Spot>> {
    let levels = levels(graph);
    let layers = layers(graph);
    let mut spots: Vec<BTreeSet<Spot>> =
        layers.iter().map(|layer| layer.iter().copied().map(Spot::Phase).collect()).collect();
    // From what each spot is reached, by its layer.
    let mut above: Vec<BTreeMap<Spot, Vec<Spot>>> = vec![BTreeMap::new(); layers.len()];
    for id in graph.ids() {
        for dep in reduced(graph, id) {
            for (level, from, to) in way(&levels, dep, id) {
                spots[level].insert(to);
                let known = above[level].entry(to).or_default();
                if !known.contains(&from) {
                    known.push(from);
                }
            }
        }
    }
    let mut place: BTreeMap<Spot, usize> = BTreeMap::new();
    let mut untangled = Vec::new();
    for (spots, above) in spots.iter().zip(&above) {
        // Where each stands in its layer, in thousandths of that.
        let middle = |spot: &Spot| {
            let from = above.get(spot).map(Vec::as_slice).unwrap_or_default();
            let sum: usize = from.iter().filter_map(|from| place.get(from)).sum();
            sum.checked_div(from.len()).unwrap_or(0)
        };
        // What has no reason to move stays in the board's order.
        let placed: BinaryHeap<_> = spots.iter().map(|spot| (middle(spot), *spot)).collect();
        let layer: Vec<Spot> = placed.into_sorted_vec().into_iter().map(|(_, spot)| spot).collect();
        let thousandth = |at: usize| (2 * at + 1) * 500 / layer.len();
        place = layer.iter().enumerate().map(|(at, spot)| (*spot, thousandth(at))).collect();
        untangled.push(layer);
    }
    untangled
}

/// The steps from `dep` down to `id`: to which layer, and from where to where. What leads to one
/// phase shares its way.
pub fn way(
    levels: &[usize],
    dep: PhaseId,
    id: PhaseId,
) -> impl Iterator<Item = (usize, Spot, Spot)> {
    let (first, last) = (levels[dep.index()], levels[id.index()]);
    (first + 1..=last).map(move |level| {
        let from = if level == first + 1 { Spot::Phase(dep) } else { Spot::Pass(id) };
        let to = if level == last { Spot::Phase(id) } else { Spot::Pass(id) };
        (level, from, to)
    })
}

/// The direct dependencies of `id` after transitive reduction.
#[must_use]
pub fn reduced(graph: &Graph, id: PhaseId) -> Vec<PhaseId> {
    let deps = &graph.phase(id).depends_on;
    let mut implied = vec![false; graph.count()];
    // Each phase is looked at once, however many ways lead to it.
    let mut next: Vec<PhaseId> = deps.clone();
    while let Some(above) = next.pop() {
        for dep in &graph.phase(above).depends_on {
            if !std::mem::replace(&mut implied[dep.index()], true) {
                next.push(*dep);
            }
        }
    }
    deps.iter().copied().filter(|dep| !implied[dep.index()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::PhaseEntry;
    use crate::rules::graph::Names;

    fn graph(phases: &[(&str, &[&str])]) -> Graph {
        let entry = |(name, deps): &(&str, &[&str])| PhaseEntry {
            name: (*name).to_owned(),
            depends_on: deps.iter().map(|dep| (*dep).to_owned()).collect(),
            ..PhaseEntry::default()
        };
        Graph::new(&phases.iter().map(entry).collect::<Vec<_>>(), Names::New).unwrap()
    }

    fn names(graph: &Graph, layers: &[Vec<PhaseId>]) -> Vec<String> {
        let layer = |ids: &Vec<PhaseId>| {
            ids.iter().map(|id| graph.phase(*id).name.as_str()).collect::<Vec<_>>().join(" ")
        };
        layers.iter().map(layer).collect()
    }

    fn spots(graph: &Graph) -> Vec<String> {
        let name = |spot: &Spot| match spot {
            Spot::Phase(id) => graph.phase(*id).name.clone(),
            Spot::Pass(id) => format!("({})", graph.phase(*id).name),
        };
        let layer = |spots: &Vec<Spot>| spots.iter().map(name).collect::<Vec<_>>().join(" ");
        untangled(graph).iter().map(layer).collect()
    }

    #[test]
    fn a_phase_stands_below_all_that_it_depends_on() {
        let graph = graph(&[("d", &["a", "c"]), ("a", &[]), ("c", &["b"]), ("b", &["a"])]);
        assert_eq!(names(&graph, &layers(&graph)), ["a", "b", "c", "d"]);
        assert_eq!(levels(&graph), [3, 0, 2, 1]);
    }

    #[test]
    fn edges_cross_less() {
        let graph = graph(&[("a", &[]), ("b", &[]), ("x", &["b"]), ("y", &["a"])]);
        assert_eq!(names(&graph, &layers(&graph)), ["a b", "x y"]);
        assert_eq!(spots(&graph), ["a b", "y x"]);
    }

    #[test]
    fn what_passes_a_layer_has_a_place_there() {
        let graph = graph(&[
            ("a", &[]),
            ("b", &["a"]),
            ("c", &["b"]),
            ("far", &[]),
            ("end", &["c", "far"]),
            ("next", &["end", "far"]),
        ]);
        // One way for all that leads to a phase; an edge that the reduction removed has none.
        assert_eq!(spots(&graph), ["a far", "b (end)", "c (end)", "end", "next"]);
    }

    #[test]
    fn what_goes_without_saying_is_left_out() {
        let graph = graph(&[("a", &[]), ("b", &["a"]), ("c", &["a", "b"]), ("d", &["a", "c"])]);
        let left = |name| names(&graph, &[reduced(&graph, graph.find(name).unwrap())]);
        assert_eq!((left("c"), left("d")), (vec!["b".to_owned()], vec!["c".to_owned()]));
    }
}
