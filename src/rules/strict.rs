//! Reads a phase graph that somebody wrote as JSON. Whoever mistypes a field means something by it:
//! the order of work, or who must not check what. So nothing is passed over here that is not known,
//! as it is where a record is read that another version may have written.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::graph::{GraphError, Misplaced, Wrong};
use crate::record::near::nearest;
use crate::record::{PhaseEntry, Rest, Sprint};

/// A graph as it was written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Written {
    /// Its phases.
    pub entries: Vec<PhaseEntry>,
    /// What the sprint is for, if that stands beside them.
    pub goal: Option<String>,
}

/// What fields of a phase are called elsewhere, and what they are called here.
const SYNONYMS: &[(&str, &str)] = &[
    ("after", "depends_on"),
    ("blocked_by", "depends_on"),
    ("dependencies", "depends_on"),
    ("dependency", "depends_on"),
    ("depends", "depends_on"),
    ("deps", "depends_on"),
    ("needs", "depends_on"),
    ("parents", "depends_on"),
    ("prerequisites", "depends_on"),
    ("require", "depends_on"),
    ("requires", "depends_on"),
    ("wait_for", "depends_on"),
    ("waits_for", "depends_on"),
    ("description", "about"),
    ("desc", "about"),
    ("details", "about"),
    ("instructions", "about"),
    ("prompt", "about"),
    ("summary", "about"),
    ("task", "about"),
    ("access", "concurrency"),
    ("mode", "concurrency"),
    ("parallel", "concurrency"),
    ("type", "concurrency"),
    ("four_eyes", "not_by"),
    ("exclude", "not_by"),
    ("not_same_as", "not_by"),
    ("other_than", "not_by"),
    ("attempts", "max_attempts"),
    ("max_retries", "max_attempts"),
    ("max_tries", "max_attempts"),
    ("retries", "max_attempts"),
    ("id", "name"),
    ("key", "name"),
    ("phase", "name"),
    ("title", "name"),
];

/// The same of the object around the phases.
const SYNONYMS_ABOVE: &[(&str, &str)] = &[
    ("graph", "phases"),
    ("nodes", "phases"),
    ("phase_graph", "phases"),
    ("steps", "phases"),
    ("tasks", "phases"),
    ("description", "goal"),
    ("objective", "goal"),
    ("purpose", "goal"),
    ("title", "goal"),
];

/// Fields of a `config.json` that were to be `phase_graph`, if a graph is what they hold.
const GRAPHS: &[&str] = &["graph", "phases"];

/// The field of a `config.json` that holds a graph.
const PHASE_GRAPH: &str = "phase_graph";

const NAMES: &str = "a list of names, as [\"build\"]";
const TEXT: &str = "a string";

/// A piece of the input, of which it is known where it stands.
type Piece<'a> = &'a RawValue;

/// The fields of an object in their order, also those that stand there twice.
struct Fields<'a>(Vec<(String, Piece<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Each<'a> {
            type Value = Fields<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Each(PhantomData))
    }
}

/// The line, from 1, in which goes on what stands after `text`.
fn line_after(text: &str) -> usize {
    1 + text.bytes().filter(|byte| *byte == b'\n').count()
}

/// The whole input.
struct Input<'a>(&'a str);

impl<'a> Input<'a> {
    /// What stands before `piece`, which is one of the input.
    fn before(&self, piece: &str) -> &'a str {
        let at = piece.as_ptr().addr().saturating_sub(self.0.as_ptr().addr());
        self.0.get(..at).unwrap_or_default()
    }

    /// The line, from 1, in which `piece` begins.
    fn line(&self, piece: &str) -> usize {
        line_after(self.before(piece))
    }

    /// The line in which the name of the field stands that has `value`.
    fn line_of_field(&self, value: &str) -> usize {
        line_after(self.before(value).trim_end().trim_end_matches(':').trim_end())
    }

    fn wrong(&self, of: &str, field: &str, value: &str, why: Wrong) -> GraphError {
        let cut = |text: &str| text.chars().take(80).collect::<String>();
        let line = self.line_of_field(value);
        GraphError::Field(Box::new(Misplaced { of: cut(of), field: cut(field), line, why }))
    }

    /// The value of a field, which must be of the kind that `expected` tells.
    fn value<T: Deserialize<'a>>(
        &self,
        of: &str,
        (field, value): (&str, Piece<'a>),
        expected: &'static str,
    ) -> Result<T, GraphError> {
        let read = serde_json::from_str(value.get());
        read.map_err(|_| self.wrong(of, field, value.get(), Wrong::Expected(expected)))
    }

    /// Refuses what is not `known`, and what stands there twice.
    fn check(
        &self,
        of: &str,
        fields: &Fields<'_>,
        known: &[&'static str],
        synonyms: &[(&str, &'static str)],
    ) -> Result<(), GraphError> {
        let mut seen = BTreeSet::new();
        for (field, value) in &fields.0 {
            if !known.contains(&field.as_str()) {
                let near = near(field, known, synonyms);
                return Err(self.wrong(of, field, value.get(), Wrong::Unknown(near)));
            }
            if !seen.insert(field) {
                return Err(self.wrong(of, field, value.get(), Wrong::Twice));
            }
        }
        Ok(())
    }

    /// The phases, from the field that is their list.
    fn phases(&self, of: &str, field: (&str, Piece<'a>)) -> Result<Vec<PhaseEntry>, GraphError> {
        let expected = "a list of phases, as [{\"name\": \"build\"}]";
        let pieces: Vec<Piece<'a>> = self.value(of, field, expected)?;
        let numbered = pieces.into_iter().enumerate();
        numbered.map(|(n, piece)| self.phase(n + 1, piece)).collect()
    }

    fn phase(&self, number: usize, piece: Piece<'a>) -> Result<PhaseEntry, GraphError> {
        let numbered = format!("phase {number}");
        let fields: Fields<'a> = serde_json::from_str(piece.get()).map_err(|_| {
            let line = self.line(piece.get());
            let what = "must be an object, as {\"name\": \"build\", \"depends_on\": [\"plan\"]}";
            GraphError::Malformed(format!("{numbered} {what} (line {line})"))
        })?;
        let name = fields.0.iter().find(|(field, _)| field == "name");
        let name: Option<String> = name.and_then(|(_, name)| serde_json::from_str(name.get()).ok());
        let of = name.map_or(numbered, |name| format!("'{name}'"));
        self.check(&of, &fields, PhaseEntry::FIELDS, SYNONYMS)?;
        let mut entry = PhaseEntry::default();
        let mut named = false;
        for (field, value) in &fields.0 {
            let value = (field.as_str(), *value);
            match field.as_str() {
                "name" => {
                    entry.name = self.value(&of, value, TEXT)?;
                    named = true;
                }
                "depends_on" => entry.depends_on = self.value(&of, value, NAMES)?,
                "about" => entry.about = Some(self.value(&of, value, TEXT)?),
                "concurrency" => {
                    let words = "\"read\", \"write\" or \"exclusive\"";
                    entry.concurrency = Some(self.value(&of, value, words)?);
                }
                "not_by" => entry.not_by = self.value(&of, value, NAMES)?,
                "max_attempts" => {
                    entry.max_attempts =
                        Some(self.value(&of, value, "a whole number from 1 on")?);
                }
                // Refused above.
                _ => {}
            }
        }
        if !named {
            let line = self.line(piece.get());
            let field = "name".to_owned();
            let missing = Misplaced { of, field, line, why: Wrong::Missing };
            return Err(GraphError::Field(Box::new(missing)));
        }
        entry.rest = Rest::new();
        Ok(entry)
    }

    /// The graph in an object: in its `phases`, beside what a sprint's record has.
    fn object(&self, fields: &Fields<'a>) -> Result<Written, GraphError> {
        let of = "the graph";
        let known: Vec<&'static str> =
            ["phases", "goal", "$schema"].iter().chain(Sprint::FIELDS).copied().collect();
        self.check(of, fields, &known, SYNONYMS_ABOVE)?;
        let mut written = Written::default();
        let mut phases = None;
        for (field, value) in &fields.0 {
            match field.as_str() {
                "phases" => phases = Some(self.phases(of, (field, value))?),
                "goal" => written.goal = Some(self.value(of, (field, value), TEXT)?),
                // Of the sprint whose record it was.
                _ => {}
            }
        }
        written.entries = phases.ok_or_else(|| {
            GraphError::Malformed("the graph has no field 'phases', a list of phases".to_owned())
        })?;
        Ok(written)
    }

    /// The graph in a field, which is a list of phases or an object that has one.
    fn graph(&self, of: &str, field: (&str, Piece<'a>)) -> Result<Written, GraphError> {
        match serde_json::from_str(field.1.get()) {
            Ok(fields) => self.object(&fields),
            Err(_) => Ok(Written { entries: self.phases(of, field)?, goal: None }),
        }
    }
}

/// The field that was probably meant by `field`.
fn near(
    field: &str,
    known: &[&'static str],
    synonyms: &[(&str, &'static str)],
) -> Option<&'static str> {
    let plain = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
    };
    let same = plain(field);
    let written = known.iter().find(|known| !same.is_empty() && plain(known) == same);
    let synonym =
        || synonyms.iter().find(|(other, _)| plain(other) == same).map(|(_, known)| known);
    written.or_else(synonym).copied().or_else(|| nearest(field, known.iter().copied()))
}

/// Reads a graph: a list of phases, or an object with such a list as `phases`.
///
/// # Errors
/// What is wrong with the text; what is wrong with the graph is for others to say.
pub fn graph(text: &str) -> Result<Written, GraphError> {
    let piece: Piece<'_> =
        serde_json::from_str(text).map_err(|error| GraphError::Malformed(error.to_string()))?;
    let input = Input(text);
    match piece.get().as_bytes().first() {
        Some(b'[' | b'{') => input.graph("the graph", ("phases", piece)),
        _ => Err(GraphError::Malformed("it is neither a list of phases nor an object".to_owned())),
    }
}

/// Reads the graph of a `config.json`; `None` if it has none.
///
/// # Errors
/// As [`graph`]; or a field that was probably to hold a graph.
pub fn of_config(text: &str) -> Result<Option<Written>, GraphError> {
    let malformed = |error: serde_json::Error| GraphError::Malformed(error.to_string());
    let fields: Fields<'_> = serde_json::from_str(text).map_err(malformed)?;
    let input = Input(text);
    let of = "the configuration";
    let mut found = None;
    for (field, value) in &fields.0 {
        let named = (field.as_str(), *value);
        let wrong = |why| Err(input.wrong(of, field, value.get(), why));
        if field != PHASE_GRAPH {
            // Fields of other programs are passed over, but not what was to be ours.
            let synonym = GRAPHS.contains(&field.as_str()) && input.graph(of, named).is_ok();
            if synonym || near(field, &[PHASE_GRAPH], &[]).is_some() {
                return wrong(Wrong::Unknown(Some(PHASE_GRAPH)));
            }
        } else if found.is_some() {
            return wrong(Wrong::Twice);
        } else {
            found = Some(input.graph(of, named)?);
        }
    }
    Ok(found)
}
