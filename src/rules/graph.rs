//! The phase graph: what may follow what. Built only from a valid list of entries, so that every
//! other module can rely on it: names are unique and safe as file names, dependencies exist, and
//! there is no cycle.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use crate::record::PhaseEntry;
use crate::record::near::nearest;

/// At most this many phases in one sprint.
pub const MAX_PHASES: usize = 256;

/// The longest name that is proposed: a number has room after it.
const MAX_PROPOSED_BYTES: usize = 60;

/// Names that the layout of a store uses, and that no phase may have.
pub const RESERVED: &[&str] = &["archive", "conductor", "done", "lock", "pin"];

/// A phase of one graph: its place in the board's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhaseId(usize);

impl PhaseId {
    /// The place in the board's order, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }
}

/// How a phase shares the repository with others. It informs `batch`; claims do not enforce it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Concurrency {
    /// It only reads, and can run beside other readers.
    Read,
    /// It changes files.
    Write,
    /// Nothing else should run.
    Exclusive,
}

impl Concurrency {
    /// Reads the word, or `None` for any other.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "read" => Some(Self::Read),
            "write" => Some(Self::Write),
            "exclusive" => Some(Self::Exclusive),
            _ => None,
        }
    }

    /// What a default phase is known to need.
    #[must_use]
    pub fn built_in(phase: &str) -> Option<Self> {
        match phase {
            "think" | "plan" | "review" | "qa" | "security" => Some(Self::Read),
            "build" => Some(Self::Write),
            "ship" => Some(Self::Exclusive),
            _ => None,
        }
    }
}

/// One phase of a valid graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// Its name; also its directory's.
    pub name: String,
    /// What it is about, in the sprint's author's words.
    pub about: Option<String>,
    /// As the graph says; `None` where it does not.
    pub concurrency: Option<Concurrency>,
    /// Must be done, and not failed, before this one can be claimed.
    pub depends_on: Vec<PhaseId>,
    /// Dependencies, direct or not, whose completer must not own this one.
    pub not_by: Vec<PhaseId>,
    /// How many attempts may fail, if the graph says so; at least 1.
    pub max_attempts: Option<u64>,
}

/// How the owner of a phase hands it in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Handover {
    /// The commits are the work.
    #[default]
    Commits,
    /// The work is a file, such as a plan.
    File,
    /// The work is a file with what was found, and a verdict on what was checked.
    Verdict,
}

impl Phase {
    /// How its owner hands it in. What only reads has no commits to show; what builds on something,
    /// or is kept from the author of something, checks that.
    #[must_use]
    pub fn handover(&self) -> Handover {
        let concurrency = self.concurrency.or_else(|| Concurrency::built_in(&self.name));
        if !self.not_by.is_empty() {
            return Handover::Verdict;
        }
        match concurrency {
            Some(Concurrency::Read) if self.depends_on.is_empty() || self.name == "plan" => {
                Handover::File
            }
            Some(Concurrency::Read) => Handover::Verdict,
            Some(Concurrency::Write | Concurrency::Exclusive) | None => Handover::Commits,
        }
    }
}

/// A valid phase graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    phases: Vec<Phase>,
}

/// Which names are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// In a sprint about to be made: `[a-z0-9][a-z0-9_-]{0,63}`.
    New,
    /// In a sprint that exists, perhaps made by another program: any that is safe as a file name,
    /// `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`.
    Existing,
}

/// What is wrong with a list of entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GraphError {
    /// There is no phase at all.
    Empty,
    /// There are more than [`MAX_PHASES`].
    TooMany(usize),
    /// A name that cannot be a phase's, and one that could be instead.
    BadName(String, Option<String>),
    /// A name that the layout uses, and one that could be instead.
    Reserved(String, Option<String>),
    /// Two phases of one name, or of two names that a case-insensitive file system would merge.
    Duplicate(String),
    /// A dependency that is not in the graph: phase, dependency, and the one that was probably
    /// meant.
    Dangling(String, String, Option<String>),
    /// A phase that depends on itself.
    SelfDependency(String),
    /// A circle of dependencies; the first name is repeated at the end.
    Cycle(Vec<String>),
    /// A `not_by` name that is not a transitive dependency: phase, name.
    NotBy(String, String),
    /// A `concurrency` that is no such word: phase, word.
    Concurrency(String, String),
    /// A `max_attempts` of zero: the phase could never be claimed.
    NoAttempts(String),
    /// A bare name in a list that is not a default phase, and the one that was probably meant.
    UnknownDefault(String, Option<&'static str>),
    /// A field of the text is not what it should be.
    Field(Box<Misplaced>),
    /// The text is not what it should be.
    Malformed(String),
}

/// A field of a graph that was written as JSON, and is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misplaced {
    /// Where it stands: `'build'`, `phase 2`, or `the graph`.
    pub of: String,
    /// The field.
    pub field: String,
    /// In which line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: Wrong,
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// There is none of that name; the one that was probably meant.
    Unknown(Option<&'static str>),
    /// It stands there twice.
    Twice,
    /// Its value is not of this kind.
    Expected(&'static str),
    /// It is missing.
    Missing,
}

impl fmt::Display for Misplaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, field, line, why } = self;
        match why {
            Wrong::Unknown(near) => {
                write!(f, "{of} has an unknown field '{field}' (line {line})")?;
                near.map_or(Ok(()), |near| write!(f, ": did you mean '{near}'?"))
            }
            Wrong::Twice => write!(f, "{of} has the field '{field}' twice (line {line})"),
            Wrong::Expected(what) => {
                write!(f, "the field '{field}' of {of} must be {what} (line {line})")
            }
            Wrong::Missing => write!(f, "{of} has no field '{field}' (line {line})"),
        }
    }
}

impl GraphError {
    /// Whether it is that no phase can be called `name`.
    pub(super) fn is_about_name(&self, name: &str) -> bool {
        matches!(self, Self::BadName(wrong, _) | Self::Reserved(wrong, _) if name.starts_with(wrong))
    }
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "it has no phases"),
            Self::TooMany(n) => write!(f, "{n} phases, at most {MAX_PHASES} are allowed"),
            Self::BadName(name, instead) => {
                write!(
                    f,
                    "'{name}' is not a phase name (lower-case letters, digits, '-' and '_', at most 64, beginning with a letter or digit)"
                )?;
                instead.iter().try_for_each(|instead| write!(f, "; it could be '{instead}'"))
            }
            Self::Reserved(name, instead) => {
                write!(f, "'{name}' is a reserved name")?;
                instead.iter().try_for_each(|instead| write!(f, "; it could be '{instead}'"))
            }
            Self::Duplicate(name) => write!(f, "'{name}' is there twice"),
            Self::Dangling(phase, dep, near) => {
                write!(f, "'{phase}' depends on '{dep}', which is not a phase")?;
                near.iter().try_for_each(|near| write!(f, "; did you mean '{near}'?"))
            }
            Self::SelfDependency(name) => write!(f, "'{name}' depends on itself"),
            Self::Cycle(path) => write!(f, "dependency cycle: {}", path.join(" -> ")),
            Self::NotBy(phase, name) => {
                write!(f, "'{phase}' has '{name}' in not_by, which it does not depend on")
            }
            Self::Concurrency(phase, word) => write!(
                f,
                "'{phase}' has concurrency '{word}', which is none of read, write, exclusive"
            ),
            Self::NoAttempts(phase) => {
                write!(f, "'{phase}' has max_attempts 0, and could never be claimed")
            }
            Self::UnknownDefault(name, near) => {
                write!(f, "'{name}' is not a default phase")?;
                near.iter().try_for_each(|near| write!(f, " (did you mean '{near}'?)"))?;
                write!(f, "; give its dependencies as '{name}:dep+dep', or '{name}:' for none")
            }
            Self::Field(misplaced) => misplaced.fmt(f),
            Self::Malformed(why) => f.write_str(why),
        }
    }
}

/// Whether a phase of any sprint could be called `name`.
#[must_use]
pub fn is_name(name: &str) -> bool {
    check_name(name, Names::Existing).is_ok()
}

/// Whether `name` may name a phase.
fn check_name(name: &str, names: Names) -> Result<(), GraphError> {
    let (longest, allowed): (usize, fn(u8) -> bool) = match names {
        Names::New => (64, |b| b.is_ascii_lowercase() || b.is_ascii_digit()),
        Names::Existing => (128, |b| b.is_ascii_alphanumeric()),
    };
    let dot = names == Names::Existing;
    let inner = |b: u8| allowed(b) || b == b'-' || b == b'_' || (dot && b == b'.');
    let bytes = name.as_bytes();
    let good = bytes.len() <= longest
        && bytes.first().is_some_and(|&first| allowed(first))
        && bytes.iter().all(|&b| inner(b));
    if !good {
        return Err(GraphError::BadName(name.chars().take(80).collect(), None));
    }
    if name == "sprint.json" || (names == Names::New && RESERVED.contains(&name)) {
        return Err(GraphError::Reserved(name.to_owned(), None));
    }
    Ok(())
}

/// A name that a phase could have instead of `name`, and that none of `entries` has.
fn instead_of(name: &str, entries: &[PhaseEntry]) -> Option<String> {
    let mut plain = String::new();
    for c in name.chars().map(|c| c.to_ascii_lowercase()) {
        match c {
            'a'..='z' | '0'..='9' => plain.push(c),
            // One for a run of them, and none to begin with.
            _ if plain.ends_with(['-', '_']) || plain.is_empty() => {}
            _ => plain.push(if c == '_' { '_' } else { '-' }),
        }
        if plain.len() == MAX_PROPOSED_BYTES {
            break;
        }
    }
    let plain = plain.trim_end_matches(['-', '_']);
    if plain.is_empty() {
        return None;
    }
    let others = || entries.iter().filter(|other| other.name != name);
    let free = |instead: &String| {
        !RESERVED.contains(&instead.as_str())
            && others().all(|other| !other.name.eq_ignore_ascii_case(instead))
    };
    let numbered = (2..=MAX_PHASES + 1).map(|n| format!("{plain}-{n}"));
    std::iter::once(plain.to_owned()).chain(numbered).find(free)
}

impl Graph {
    /// Checks `entries` and makes them a graph in the same order.
    ///
    /// # Errors
    /// The first thing that is wrong with them.
    pub fn new(entries: &[PhaseEntry], names: Names) -> Result<Self, GraphError> {
        if entries.is_empty() {
            return Err(GraphError::Empty);
        }
        if entries.len() > MAX_PHASES {
            return Err(GraphError::TooMany(entries.len()));
        }
        let mut ids = HashMap::new();
        let mut folded = BTreeSet::new();
        for (index, entry) in entries.iter().enumerate() {
            check_name(&entry.name, names).map_err(|mut error| {
                if let GraphError::BadName(_, instead) | GraphError::Reserved(_, instead) =
                    &mut error
                    && names == Names::New
                {
                    *instead = instead_of(&entry.name, entries);
                }
                error
            })?;
            if !folded.insert(entry.name.to_ascii_lowercase()) {
                return Err(GraphError::Duplicate(entry.name.clone()));
            }
            ids.insert(entry.name.as_str(), PhaseId(index));
        }
        let mut phases = Vec::with_capacity(entries.len());
        for entry in entries {
            phases.push(resolve(entry, entries, &ids)?);
        }
        let graph = Self { phases };
        graph.check_acyclic()?;
        graph.check_not_by()?;
        Ok(graph)
    }

    /// All phases in the board's order.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = PhaseId> + use<> {
        (0..self.phases.len()).map(PhaseId)
    }

    /// One phase.
    #[must_use]
    pub fn phase(&self, id: PhaseId) -> &Phase {
        &self.phases[id.0]
    }

    /// The phase called `name`.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<PhaseId> {
        self.phases.iter().position(|phase| phase.name == name).map(PhaseId)
    }

    /// The names of what `id` directly depends on.
    #[must_use]
    pub fn dependencies(&self, id: PhaseId) -> Vec<String> {
        let names = self.phase(id).depends_on.iter().map(|dep| self.phase(*dep).name.clone());
        names.collect()
    }

    /// How many phases there are; at least one.
    #[must_use]
    pub fn count(&self) -> usize {
        self.phases.len()
    }

    /// Everything that `id` waits for, directly or not.
    #[must_use]
    pub fn ancestors(&self, id: PhaseId) -> BTreeSet<PhaseId> {
        let mut found = BTreeSet::new();
        let mut open = self.phase(id).depends_on.clone();
        while let Some(next) = open.pop() {
            if found.insert(next) {
                open.extend(&self.phase(next).depends_on);
            }
        }
        found
    }

    /// The phases with each after all that it depends on, otherwise in the board's order.
    #[must_use]
    pub fn order(&self) -> Vec<PhaseId> {
        let mut order: Vec<PhaseId> = Vec::with_capacity(self.count());
        let mut placed = vec![false; self.count()];
        while order.len() < self.count() {
            for id in self.ids() {
                let phase = self.phase(id);
                if !placed[id.0] && phase.depends_on.iter().all(|dep| placed[dep.0]) {
                    placed[id.0] = true;
                    order.push(id);
                }
            }
        }
        order
    }

    /// The phases in execution order: consecutive readers whose dependencies are met go together,
    /// every other phase goes alone.
    #[must_use]
    pub fn batches(&self, concurrency: impl Fn(PhaseId) -> Concurrency) -> Vec<Batch> {
        let mut batches = Vec::new();
        let mut placed = vec![false; self.count()];
        loop {
            let open: Vec<PhaseId> = self
                .ids()
                .filter(|id| !placed[id.0])
                .filter(|id| self.phase(*id).depends_on.iter().all(|dep| placed[dep.0]))
                .collect();
            let Some(&first) = open.first() else { return batches };
            let kind = concurrency(first);
            let phases: Vec<PhaseId> = match kind {
                Concurrency::Read => {
                    open.into_iter().take_while(|id| concurrency(*id) == kind).collect()
                }
                Concurrency::Write | Concurrency::Exclusive => vec![first],
            };
            for id in &phases {
                placed[id.0] = true;
            }
            batches.push(Batch { kind, phases });
        }
    }

    /// Depth-first; on meeting a phase that is still being visited, the path from there is the
    /// cycle.
    fn check_acyclic(&self) -> Result<(), GraphError> {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            Open,
            Closed,
        }
        let mut marks = vec![Mark::New; self.count()];
        for root in self.ids() {
            // (phase, how many of its dependencies have been looked at)
            let mut path: Vec<(PhaseId, usize)> = Vec::new();
            if marks[root.0] == Mark::New {
                marks[root.0] = Mark::Open;
                path.push((root, 0));
            }
            while let Some((id, seen)) = path.last_mut() {
                let Some(&dep) = self.phase(*id).depends_on.get(*seen) else {
                    marks[id.0] = Mark::Closed;
                    path.pop();
                    continue;
                };
                *seen += 1;
                match marks[dep.0] {
                    Mark::Closed => {}
                    Mark::New => {
                        marks[dep.0] = Mark::Open;
                        path.push((dep, 0));
                    }
                    Mark::Open => {
                        let name = |id: PhaseId| self.phase(id).name.clone();
                        let start = path.iter().position(|(id, _)| *id == dep).unwrap_or(0);
                        let mut cycle: Vec<String> =
                            path[start..].iter().map(|(id, _)| name(*id)).collect();
                        cycle.push(name(dep));
                        return Err(GraphError::Cycle(cycle));
                    }
                }
            }
        }
        Ok(())
    }

    fn check_not_by(&self) -> Result<(), GraphError> {
        for id in self.ids() {
            let phase = self.phase(id);
            if phase.not_by.is_empty() {
                continue;
            }
            let ancestors = self.ancestors(id);
            if let Some(&other) = phase.not_by.iter().find(|other| !ancestors.contains(other)) {
                return Err(GraphError::NotBy(phase.name.clone(), self.phase(other).name.clone()));
            }
        }
        Ok(())
    }
}

/// Phases that may run side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// What all of them need.
    pub kind: Concurrency,
    /// In the board's order.
    pub phases: Vec<PhaseId>,
}

/// Turns an entry's names into ids.
fn resolve(
    entry: &PhaseEntry,
    all: &[PhaseEntry],
    ids: &HashMap<&str, PhaseId>,
) -> Result<Phase, GraphError> {
    let name = &entry.name;
    let mut depends_on: Vec<PhaseId> = Vec::new();
    for dep in &entry.depends_on {
        if dep == name {
            return Err(GraphError::SelfDependency(name.clone()));
        }
        let id = *ids.get(dep.as_str()).ok_or_else(|| {
            let others = all.iter().map(|other| other.name.as_str()).filter(|other| other != name);
            let near = nearest(dep, others).map(str::to_owned);
            GraphError::Dangling(name.clone(), dep.chars().take(80).collect(), near)
        })?;
        if depends_on.contains(&id) {
            return Err(GraphError::Duplicate(dep.clone()));
        }
        depends_on.push(id);
    }
    let mut not_by = Vec::new();
    for other in &entry.not_by {
        let id = ids
            .get(other.as_str())
            .ok_or_else(|| GraphError::NotBy(name.clone(), other.chars().take(80).collect()))?;
        not_by.push(*id);
    }
    let concurrency = match &entry.concurrency {
        None => None,
        Some(word) => Some(Concurrency::parse(word).ok_or_else(|| {
            GraphError::Concurrency(name.clone(), word.chars().take(80).collect())
        })?),
    };
    if entry.max_attempts == Some(0) {
        return Err(GraphError::NoAttempts(name.clone()));
    }
    Ok(Phase {
        name: name.clone(),
        about: entry.about.clone(),
        concurrency,
        depends_on,
        not_by,
        max_attempts: entry.max_attempts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What some file system takes for one name: case, and what Unicode composes.
    #[test]
    fn no_two_names_become_one_directory() {
        let entries = |names: [&str; 2]| {
            names.map(|name| PhaseEntry { name: name.to_owned(), ..PhaseEntry::default() })
        };
        for pair in [
            ["build", "BUILD"],
            ["qa", "Qa"],
            ["caf\u{e9}", "cafe\u{301}"],
            ["\u{212a}ey", "key"],
            ["\u{fb01}x", "fix"],
            ["stra\u{df}e", "strasse"],
            ["build", "build\u{200d}"],
        ] {
            for names in [Names::New, Names::Existing] {
                let refused = Graph::new(&entries(pair), names);
                assert!(refused.is_err(), "{pair:?} {names:?}");
            }
        }
        let ids = Graph::new(&entries(["build", "build-2"]), Names::New);
        assert_eq!(ids.map(|graph| graph.count()), Ok(2));
    }
}
