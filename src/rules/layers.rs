//! The phase graph in layers, for who draws it: each phase stands below all that it depends on. Pure.

use std::collections::BinaryHeap;

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

/// The same layers, each in an order by which fewer edges cross: a phase stands about where those
/// stand that it depends on.
#[must_use]
pub fn untangled(graph: &Graph) -> Vec<Vec<PhaseId>> {
    let mut layers = layers(graph);
    // Where each stands in its layer, in thousandths of that.
    let mut place = vec![0_usize; graph.count()];
    for layer in &mut layers {
        let middle = |id: &PhaseId| {
            let deps = &graph.phase(*id).depends_on;
            let sum: usize = deps.iter().map(|dep| place[dep.index()]).sum();
            sum.checked_div(deps.len()).unwrap_or(0)
        };
        // What has no reason to move stays in the board's order.
        let placed: BinaryHeap<_> = layer.iter().map(|id| (middle(id), *id)).collect();
        *layer = placed.into_sorted_vec().into_iter().map(|(_, id)| id).collect();
        for (at, id) in layer.iter().enumerate() {
            place[id.index()] = (2 * at + 1) * 500 / layer.len();
        }
    }
    layers
}

/// What `id` depends on, without what goes without saying: what another of these depends on already.
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
        assert_eq!(names(&graph, &untangled(&graph)), ["a b", "y x"]);
    }

    #[test]
    fn what_goes_without_saying_is_left_out() {
        let graph = graph(&[("a", &[]), ("b", &["a"]), ("c", &["a", "b"]), ("d", &["a", "c"])]);
        let left = |name| names(&graph, &[reduced(&graph, graph.find(name).unwrap())]);
        assert_eq!((left("c"), left("d")), (vec!["b".to_owned()], vec!["c".to_owned()]));
    }
}
