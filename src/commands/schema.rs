//! `schema`: the shapes of answers, files and records, as JSON Schema.
//!
//! They are made from the types that are written, by `cargo xtask generate schemas`; this program
//! only carries their text.

mod shipped;

use std::fmt::Write as _;
use std::io::Read as _;

use clap::builder::{PossibleValue, PossibleValuesParser};
use serde::Serialize;
use serde_json::{Value, json};

use super::session::{Answered, Run, Session};
use crate::record::VERSION;
use crate::ui::{Answer, Format, Messages};
use shipped::SCHEMAS;

/// Print the JSON Schema of an answer, a file or a record
///
/// Without NAME, lists what there is: an answer by its command's name, `refusal`
/// for what any command says that did nothing, `graph-file` and `config-file`
/// for what people write, and the records in the store and in git notes. They are
/// of draft 2020-12. Of answers and records they allow fields that they do not
/// name: later versions add some.
#[derive(Debug, Clone, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  git conductor schema\n  git conductor schema graph-file"
)]
pub(super) struct SchemaArgs {
    /// Which [default: list them]
    #[arg(value_parser = PossibleValuesParser::new(names()), hide_possible_values = true)]
    name: Option<String>,
}

/// The names, with what each is of.
fn names() -> impl Iterator<Item = PossibleValue> {
    SCHEMAS.iter().map(|(name, about, _)| PossibleValue::new(*name).help(*about))
}

impl Run for SchemaArgs {
    /// One of them, or the list.
    fn run(self, _: &mut Session) -> Answered {
        let Some(name) = self.name else { return Ok(Box::new(List)) };
        let found = SCHEMAS.iter().find(|(known, ..)| *known == name);
        let packed = found.map(|(.., packed)| *packed).unwrap_or_default();
        let mut text = String::new();
        // It was packed by our own build, and a test unpacks each.
        flate2::read::ZlibDecoder::new(packed).read_to_string(&mut text).ok();
        Ok(Box::new(Schema(text)))
    }
}

/// One schema: its text.
struct Schema(String);

impl Answer for Schema {
    fn text(&self, _: Format, _: &mut Messages) -> String {
        self.0.clone()
    }

    /// A schema is JSON already.
    fn json(&self, _: Format) -> Value {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

/// All of them were asked for.
struct List;

/// A schema that there is.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct Entry {
    /// Its name.
    name: &'static str,
    /// What it is of.
    about: &'static str,
}

/// What `schema` answers without a name.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct SchemaAnswer {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// The schemas that there are.
    schemas: Vec<Entry>,
}

impl Answer for List {
    fn text(&self, _: Format, _: &mut Messages) -> String {
        let widest = SCHEMAS.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
        let mut out = String::new();
        for (name, about, _) in SCHEMAS {
            // Writing to a String cannot fail.
            _ = writeln!(out, "{name:<widest$}  {about}");
        }
        out
    }

    fn json(&self, _: Format) -> Value {
        let entry = |(name, about, _): &(&'static str, &'static str, _)| Entry { name, about };
        json!(SchemaAnswer { v: VERSION, ok: true, schemas: SCHEMAS.iter().map(entry).collect() })
    }
}
