//! Phase graphs, as people type them and as records hold them: a graph that is accepted is what the
//! rules rely on, by a reckoning of its own; one that is refused for a cycle has that cycle.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use git_conductor::record::PhaseEntry;
use git_conductor::rules::graph::{Concurrency, GraphError, MAX_PHASES, Names, RESERVED};
use git_conductor::rules::{Graph, PhaseId, spec};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(entries) = spec::parse_list(text) {
        accepted(&entries, Names::New);
        contracted(text, &entries);
    }
    let strict = spec::parse_json(text);
    if let Ok(written) = &strict {
        accepted(&written.entries, Names::New);
    } else if let Err(error) = &strict {
        proposed(error);
    }
    // A list is the same within an object, and within a configuration.
    if text.trim_start().starts_with('[') {
        let object = spec::parse_json(&format!(r#"{{"goal": "x", "phases": {text}}}"#));
        assert_eq!(object.is_ok(), strict.is_ok());
        let config = spec::of_config(&format!(r#"{{"other": 1, "phase_graph": {text}}}"#));
        assert_eq!(config.is_ok_and(|found| found.is_some()), strict.is_ok());
    }
    let Ok(entries) = serde_json::from_str::<Vec<PhaseEntry>>(text) else {
        assert!(strict.is_err() || text.trim_start().starts_with('{'));
        return;
    };
    for names in [Names::New, Names::Existing] {
        match Graph::new(&entries, names) {
            Ok(_) => accepted(&entries, names),
            Err(error) => refused(&entries, &error),
        }
    }
    let valid = Graph::new(&entries, Names::New).is_ok();
    match strict {
        Ok(written) => assert!(valid && written.entries == entries),
        // Only what a reader passes over makes it another graph to who starts a sprint.
        Err(error) if valid => {
            let unknown = entries.iter().any(|entry| !entry.rest.is_empty());
            assert!(unknown || text.contains("null"), "{error}");
        }
        Err(_) => {}
    }
});

/// Everything that a phase waits for, by following names until nothing is new.
fn above<'a>(entries: &'a [PhaseEntry], name: &'a str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open = vec![name];
    while let Some(name) = open.pop() {
        let entry = entries.iter().find(|entry| entry.name == name);
        for dep in &entry.expect("a dependency is a phase").depends_on {
            if found.insert(dep.as_str()) {
                open.push(dep);
            }
        }
    }
    found
}

fn accepted(entries: &[PhaseEntry], names: Names) {
    assert!((1..=MAX_PHASES).contains(&entries.len()));
    let mut folded = BTreeSet::new();
    for entry in entries {
        assert!(folded.insert(entry.name.to_ascii_lowercase()), "two of one name");
        assert!(!matches!(entry.name.as_str(), "" | "." | ".." | "sprint.json"));
        assert!(entry.name.len() <= 128 && !entry.name.starts_with(['.', '-']));
        let safe = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        assert!(entry.name.chars().all(safe), "{:?} is no file name", entry.name);
        if names == Names::New {
            assert!(entry.name.len() <= 64 && entry.name == entry.name.to_ascii_lowercase());
            assert!(!entry.name.contains('.') && !RESERVED.contains(&entry.name.as_str()));
        }
        let before = above(entries, &entry.name);
        assert!(!before.contains(entry.name.as_str()), "'{}' is on a cycle", entry.name);
        assert!(entry.not_by.iter().all(|other| before.contains(other.as_str())));
        let deps: BTreeSet<_> = entry.depends_on.iter().collect();
        assert_eq!(deps.len(), entry.depends_on.len(), "a dependency twice");
    }
    let graph = Graph::new(entries, names).expect("accepted once, accepted again");
    agrees(&graph, entries);
}

fn agrees(graph: &Graph, entries: &[PhaseEntry]) {
    assert_eq!(graph.count(), entries.len());
    let name = |id: PhaseId| graph.phase(id).name.as_str();
    for (id, entry) in graph.ids().zip(entries) {
        assert_eq!(name(id), entry.name);
        assert_eq!(graph.find(&entry.name), Some(id));
        let ancestors: BTreeSet<_> = graph.ancestors(id).into_iter().map(name).collect();
        assert_eq!(ancestors, above(entries, &entry.name));
    }
    in_order(graph, &graph.order());
    for kind in [Concurrency::Read, Concurrency::Write] {
        let mixed = |id: PhaseId| graph.phase(id).concurrency.unwrap_or(kind);
        let batches = graph.batches(mixed);
        let mut before = BTreeSet::new();
        for batch in &batches {
            assert!(batch.phases.iter().all(|id| mixed(*id) == batch.kind));
            assert!(batch.phases.len() == 1 || batch.kind == Concurrency::Read);
            let open =
                |id: &PhaseId| graph.phase(*id).depends_on.iter().all(|d| before.contains(d));
            assert!(batch.phases.iter().all(open), "a batch holds what waits for it");
            before.extend(batch.phases.iter().copied());
        }
        let all: Vec<PhaseId> = batches.into_iter().flat_map(|batch| batch.phases).collect();
        in_order(graph, &all);
    }
}

/// Each phase once, and after all that it depends on.
fn in_order(graph: &Graph, order: &[PhaseId]) {
    let place: BTreeMap<PhaseId, usize> = order.iter().copied().zip(0..).collect();
    assert_eq!((place.len(), order.len()), (graph.count(), graph.count()));
    for id in graph.ids() {
        assert!(graph.phase(id).depends_on.iter().all(|dep| place[dep] < place[&id]));
    }
}

/// A bare default phase waits for those that are kept and can be reached over none that is.
fn contracted(text: &str, entries: &[PhaseEntry]) {
    let defaults = spec::default_phases();
    let kept = |name: &str| entries.iter().any(|entry| entry.name == name);
    let bare: BTreeSet<&str> = text.split(',').map(str::trim).collect();
    for entry in entries.iter().filter(|entry| bare.contains(entry.name.as_str())) {
        let mut expected = BTreeSet::new();
        let mut open = vec![entry.name.as_str()];
        while let Some(name) = open.pop() {
            let default = defaults.iter().find(|default| default.name == name);
            for dep in &default.expect("a bare name is a default phase").depends_on {
                if kept(dep) {
                    expected.insert(dep.as_str());
                } else {
                    open.push(dep);
                }
            }
        }
        let found: BTreeSet<_> = entry.depends_on.iter().map(String::as_str).collect();
        assert_eq!(found, expected, "'{}'", entry.name);
    }
}

/// A name that is proposed can be used.
fn proposed(error: &GraphError) {
    if let GraphError::BadName(_, Some(name)) | GraphError::Reserved(_, Some(name)) = error {
        let entry = PhaseEntry { name: name.clone(), ..PhaseEntry::default() };
        assert!(Graph::new(&[entry], Names::New).is_ok(), "{name:?} is proposed");
    }
}

fn refused(entries: &[PhaseEntry], error: &GraphError) {
    assert!(!error.to_string().is_empty());
    if let GraphError::Cycle(path) = error {
        assert!(path.len() > 2 && path.first() == path.last(), "{path:?}");
        for pair in path.windows(2) {
            let entry = entries.iter().find(|entry| entry.name == pair[0]);
            assert!(entry.is_some_and(|entry| entry.depends_on.contains(&pair[1])), "{path:?}");
        }
    }
}
