//! The lists of files that are in the program. They are named in the code, since nothing else can
//! put them there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Context as _, Result};

use crate::task::names;
use crate::{Files, pages, root};

/// The source that names what `install` carries.
const INSTALL: &str = "src/commands/install/shipped.rs";

/// The source that names the schemas.
const SCHEMA: &str = "src/commands/schema/shipped.rs";

/// The first description in a schema, quoted.
fn described(schema: &str) -> Option<&str> {
    let line = schema.lines().find_map(|line| line.strip_prefix("  \"description\": "))?;
    line.strip_suffix(',')
}

/// The sources with the lists as they have to be.
///
/// # Errors
///
/// If a source cannot be read, or its list is not found.
pub fn lists() -> Result<Files> {
    let mut files = Files::new();
    let names_of_pages = pages::all().into_keys().collect();
    let text = std::fs::read_to_string(root().join(INSTALL)).context(INSTALL)?;
    let text = listed(&text, "PAGES", &names_of_pages, |name| format!("packed!(\"{name}\")"));
    let text = text.and_then(|text| {
        listed(&text, "COMPLETIONS", &names("completions").ok()?, |name| {
            format!("shipped!(\"completions\", \"{name}\")")
        })
    });
    files.insert(INSTALL.to_owned(), text.context(INSTALL)?);
    let text = std::fs::read_to_string(root().join(SCHEMA)).context(SCHEMA)?;
    let mut entries = BTreeMap::new();
    for file in names("schema")? {
        let path = format!("schema/{file}");
        let text = std::fs::read_to_string(root().join(&path)).with_context(|| path.clone())?;
        let about =
            described(&text).with_context(|| format!("{path} has no description"))?.to_owned();
        let name = file.strip_suffix(".json").with_context(|| path.clone())?.to_owned();
        entries.insert(name, about);
    }
    let names = entries.keys().cloned().collect();
    let text =
        listed(&text, "SCHEMAS", &names, |name| format!("packed!(\"{name}\", {})", entries[name]));
    files.insert(SCHEMA.to_owned(), text.context(SCHEMA)?);
    Ok(files)
}

/// `text` with a line for each of `names` in the list that is called `list`; `None` if it has no
/// such list.
fn listed(
    text: &str,
    list: &str,
    names: &BTreeSet<String>,
    line: impl Fn(&str) -> String,
) -> Option<String> {
    let (before, rest) = text.split_once(&format!("const {list}: "))?;
    let (head, rest) = rest.split_once(" = &[\n")?;
    let (_, after) = rest.split_once("];\n")?;
    let mut lines = String::new();
    for name in names {
        writeln!(lines, "    {},", line(name)).ok()?;
    }
    Some(format!("{before}const {list}: {head} = &[\n{lines}];\n{after}"))
}
