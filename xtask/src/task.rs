//! What can be made, and what of it is stale.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;

use anyhow::{Context as _, Result, bail};

use crate::{Files, pages, root, shipped, skill, tables};

/// Something that is generated.
pub struct Task {
    /// What `cargo xtask generate` calls it.
    pub name: &'static str,
    /// What it makes, in a line.
    pub about: &'static str,
    /// The folder that has these files and no others, if there is one.
    folder: Option<&'static str>,
    make: fn() -> Result<Files>,
}

/// All that is generated, in the order in which it is made.
pub const TASKS: &[Task] = &[
    Task {
        name: "man",
        about: "the manual pages, from the command line's definitions, the tables and doc/",
        folder: Some("man"),
        make: || Ok(below("man", pages::all())),
    },
    Task {
        name: "tables",
        about: "the tables in docs/: settings, variables, exit codes",
        folder: None,
        make: tables::in_documents,
    },
    Task {
        name: "skill",
        about: "skill/SKILL.md, which agents read",
        folder: None,
        make: || Ok(Files::from([("skill/SKILL.md".to_owned(), skill::text())])),
    },
    #[cfg(feature = "schemas")]
    Task {
        name: "schemas",
        about: "JSON Schema of answers, files and records in schema/",
        folder: Some("schema"),
        make: || Ok(below("schema", crate::schemas::all()?)),
    },
    Task {
        name: "shipped",
        about: "the lists in src/ of the files that the program carries",
        folder: None,
        make: shipped::lists,
    },
];

/// The task of that name.
///
/// # Errors
///
/// If there is none.
pub fn named(name: &str) -> Result<&'static Task> {
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        let names: Vec<&str> = TASKS.iter().map(|task| task.name).collect();
        bail!("unknown name '{name}' (one of: {})", names.join(", "));
    };
    Ok(task)
}

/// What is stale of these, a line for each file, and after those of a task the command that makes
/// it anew; empty if nothing is.
///
/// # Errors
///
/// If something cannot be read.
pub fn check(tasks: impl IntoIterator<Item = &'static Task>) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for task in tasks {
        let stale = task.stale()?;
        let mends = (!stale.is_empty()).then(|| format!("  cargo xtask generate {}", task.name));
        lines.extend(stale.into_iter().chain(mends));
    }
    Ok(lines)
}

impl Task {
    /// What is stale, a line for each file; empty if all is as it would be made.
    fn stale(&self) -> Result<Vec<String>> {
        let files = (self.make)()?;
        let mut stale = Vec::new();
        for (path, wanted) in &files {
            match fs::read_to_string(root().join(path)) {
                Ok(text) if text == *wanted => {}
                Ok(_) => stale.push(format!("{path} is out of date")),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    stale.push(format!("{path} is missing"));
                }
                Err(error) => return Err(error).with_context(|| path.clone()),
            }
        }
        stale.extend(self.orphans(&files)?.iter().map(|path| format!("{path} is not made")));
        Ok(stale)
    }

    /// Makes it anew, and tells which files have changed.
    ///
    /// # Errors
    ///
    /// If something cannot be read or written.
    pub fn generate(&self) -> Result<Vec<String>> {
        let files = (self.make)()?;
        let mut changed = Vec::new();
        for (path, text) in &files {
            let full = root().join(path);
            if fs::read_to_string(&full).is_ok_and(|there| there == *text) {
                continue;
            }
            if let Some(parent) = full.parent() {
                fs::create_dir_all(parent).with_context(|| path.clone())?;
            }
            fs::write(full, text).with_context(|| path.clone())?;
            changed.push(format!("wrote {path}"));
        }
        for path in self.orphans(&files)? {
            fs::remove_file(root().join(&path)).with_context(|| path.clone())?;
            changed.push(format!("removed {path}"));
        }
        Ok(changed)
    }

    /// What is in the folder and would not be made.
    fn orphans(&self, files: &Files) -> Result<BTreeSet<String>> {
        let Some(folder) = self.folder else { return Ok(BTreeSet::new()) };
        let there = names(folder)?.into_iter().map(|name| format!("{folder}/{name}"));
        Ok(there.filter(|path| !files.contains_key(path)).collect())
    }
}

/// The names in a folder; none if it is not there.
///
/// # Errors
///
/// If it cannot be read.
pub fn names(folder: &str) -> Result<BTreeSet<String>> {
    let entries = match fs::read_dir(root().join(folder)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
        entries => entries.with_context(|| folder.to_owned())?,
    };
    let name = |entry: std::io::Result<fs::DirEntry>| {
        Ok(entry.with_context(|| folder.to_owned())?.file_name().to_string_lossy().into_owned())
    };
    entries.map(name).collect()
}

/// The same files below `folder`.
fn below(folder: &str, files: Files) -> Files {
    files.into_iter().map(|(name, text)| (format!("{folder}/{name}"), text)).collect()
}
