//! Reads a phase graph from what a person types after `--phases`: a list of names, or JSON.

use std::collections::HashMap;

use super::graph::{Graph, GraphError, Names};
use super::strict::{self, Written};
use crate::record::PhaseEntry;
use crate::record::near::nearest;

/// The graph of a sprint that is given none: (name, dependencies).
const DEFAULT: &[(&str, &[&str])] = &[
    ("think", &[]),
    ("plan", &["think"]),
    ("build", &["plan"]),
    ("review", &["build"]),
    ("qa", &["build"]),
    ("security", &["build"]),
    ("ship", &["review", "qa", "security"]),
];

fn entry<S: AsRef<str>>(name: &str, depends_on: &[S]) -> PhaseEntry {
    PhaseEntry {
        name: name.to_owned(),
        depends_on: depends_on.iter().map(|dep| dep.as_ref().to_owned()).collect(),
        ..PhaseEntry::default()
    }
}

/// The names of the default phases.
fn defaults_in_order() -> impl Iterator<Item = &'static str> {
    DEFAULT.iter().map(|(name, _)| *name)
}

/// think → plan → build → review, qa, security (side by side) → ship.
#[must_use]
pub fn default_phases() -> Vec<PhaseEntry> {
    DEFAULT.iter().map(|(name, deps)| entry(name, deps)).collect()
}

/// Checks a new graph's entries and gives them back, so that only valid ones reach a sprint.
///
/// # Errors
/// What is wrong with the graph.
pub fn checked(entries: Vec<PhaseEntry>) -> Result<Vec<PhaseEntry>, GraphError> {
    Graph::new(&entries, Names::New)?;
    Ok(entries)
}

/// Reads a graph in JSON: a list of phase entries, or an object that has one as `phases`.
///
/// # Errors
/// What is wrong with the text or with the graph.
pub fn parse_json(text: &str) -> Result<Written, GraphError> {
    let Written { entries, goal } = strict::graph(text)?;
    Ok(Written { entries: checked(entries)?, goal })
}

/// Reads the graph of a `config.json`; `None` if it has none.
///
/// # Errors
/// As [`parse_json`].
pub fn of_config(text: &str) -> Result<Option<Written>, GraphError> {
    let Some(Written { entries, goal }) = strict::of_config(text)? else { return Ok(None) };
    Ok(Some(Written { entries: checked(entries)?, goal }))
}

/// Reads a list such as `think,plan,docs:plan+think`.
///
/// A default phase keeps its default dependencies, contracted over those that are left out; any
/// other phase is given as `name:dep+dep`, or `name:` for none.
///
/// # Errors
/// What is wrong with the list or with the graph.
pub fn parse_list(text: &str) -> Result<Vec<PhaseEntry>, GraphError> {
    let items: Vec<(&str, Option<&str>)> = text
        .split(',')
        .map(str::trim)
        .map(|item| match item.split_once(':') {
            Some((name, deps)) => (name.trim(), Some(deps.trim())),
            None => (item, None),
        })
        .collect();
    let defaults: HashMap<&str, &[&str]> = DEFAULT.iter().copied().collect();
    let kept = |name: &str| items.iter().any(|(item, _)| *item == name);
    let mut entries = Vec::with_capacity(items.len());
    for (name, deps) in &items {
        if let Some(deps) = deps {
            let deps: Vec<&str> =
                deps.split('+').map(str::trim).filter(|d| !d.is_empty()).collect();
            entries.push(entry(name, &deps));
        } else if defaults.contains_key(name) {
            entries.push(entry(name, &contracted(name, &defaults, &kept)));
        } else if name.is_empty() {
            return Err(GraphError::Malformed("an empty name in the list".to_owned()));
        } else {
            // What no phase can be called has that fault first.
            let others = items.iter().map(|(other, _)| *other).filter(|other| other != name);
            let named: Vec<PhaseEntry> =
                std::iter::once(*name).chain(others).map(|name| entry::<&str>(name, &[])).collect();
            if let Err(error) = Graph::new(&named, Names::New)
                && error.is_about_name(name)
            {
                return Err(error);
            }
            let near = nearest(name, defaults_in_order());
            return Err(GraphError::UnknownDefault((*name).to_owned(), near));
        }
    }
    checked(entries)
}

/// The default dependencies of `name`, with each that is left out replaced by its own.
fn contracted<'a>(
    name: &str,
    defaults: &HashMap<&'a str, &'a [&'a str]>,
    kept: &impl Fn(&str) -> bool,
) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    for &dep in defaults.get(name).copied().unwrap_or_default() {
        let through = if kept(dep) { vec![dep] } else { contracted(dep, defaults, kept) };
        for dep in through {
            if !found.contains(&dep) {
                found.push(dep);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deps(spec: &str, phase: &str) -> Vec<String> {
        let entries = parse_list(spec).unwrap();
        entries.into_iter().find(|entry| entry.name == phase).unwrap().depends_on
    }

    #[test]
    fn left_out_defaults_are_contracted() {
        assert_eq!(deps("think,build", "build"), ["think"]);
        assert_eq!(deps("build,ship", "ship"), ["build"]);
        assert_eq!(deps("ship", "ship"), [] as [&str; 0]);
        assert_eq!(deps("build,qa,ship", "ship"), ["build", "qa"]);
    }

    #[test]
    fn others_say_what_they_wait_for() {
        assert_eq!(deps("plan,docs:plan", "docs"), ["plan"]);
        assert_eq!(deps("a:,b:,c:a+b", "c"), ["a", "b"]);
        assert_eq!(deps("plan,review:plan", "review"), ["plan"]);
    }

    #[test]
    fn wrong_lists_say_what_is_wrong() {
        for (spec, says) in [
            (
                "docs",
                "'docs' is not a default phase; give its dependencies as 'docs:dep+dep', or 'docs:' for none",
            ),
            ("a:b,b:a", "dependency cycle: a -> b -> a"),
            ("a:a", "'a' depends on itself"),
            ("a:x", "'a' depends on 'x', which is not a phase"),
            ("plan,plan", "'plan' is there twice"),
            ("lock:", "'lock' is a reserved name; it could be 'lock-2'"),
            (
                "biuld",
                "'biuld' is not a default phase (did you mean 'build'?); give its dependencies as 'biuld:dep+dep', or 'biuld:' for none",
            ),
            ("plan,,build", "an empty name in the list"),
            ("", "an empty name in the list"),
        ] {
            assert_eq!(parse_list(spec).unwrap_err().to_string(), says, "{spec}");
        }
        for bad in ["../x:", "-x:", "X:", "a b:", "a.b:", &format!("{}:", "a".repeat(65))] {
            assert!(matches!(parse_list(bad), Err(GraphError::BadName(..))), "{bad}");
        }
    }
}
