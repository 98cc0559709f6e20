//! Makes what is generated in this repository: `cargo xtask` lists it.
//!
//! | module | what it makes |
//! |---|---|
//! | [`pages`] | the manual in `man/`, with [`troff`] |
//! | [`tables`] | what the manual and `docs/` tell in tables |
//! | [`skill`] | `skill/SKILL.md` |
//! | [`shipped`] | the lists of files that are in the program |
//! | `schemas` | JSON Schema in `schema/` (feature `schemas`) |
//! | [`task`] | the list of these, and what is stale |
//!
//! The tests of git-conductor use this crate, and say which command makes anew what is stale. This
//! crate asserts what it is given: whoever runs it sees the panic, and nothing is written then.

pub mod pages;
#[cfg(feature = "schemas")]
pub mod schemas;
pub mod shipped;
pub mod skill;
pub mod tables;
pub mod task;
pub mod troff;

use std::collections::BTreeMap;
use std::path::Path;

/// Texts by the names of their files.
pub type Files = BTreeMap<String, String>;

/// The repository's root.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// The definitions of the command line, ready to be read.
pub fn definitions() -> clap::Command {
    let mut command = git_conductor::commands::command();
    command.build();
    command
}

/// The examples of a command's help.
pub fn examples(command: &clap::Command) -> Vec<String> {
    let help = command.get_after_help().unwrap_or_default().to_string();
    let lines = help.lines().skip_while(|line| *line != "Examples:").skip(1);
    lines.map_while(|line| line.strip_prefix("  ")).map(str::to_owned).collect()
}
