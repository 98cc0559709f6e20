//! The options that every command takes, and values that several commands read.

use std::path::PathBuf;

use clap::ValueEnum;
use jiff::SignedDuration;

use super::context::parse_duration;

/// What every command takes.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Common options")]
#[expect(clippy::doc_markdown, reason = "the doc comments are the help, where backticks stay")]
pub(super) struct Options {
    /// Act under this name [env: GIT_CONDUCTOR_AGENT]
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) agent: Option<String>,
    /// The process that is the agent [env: GIT_CONDUCTOR_PID]
    #[arg(long, global = true, value_name = "PID")]
    pub(super) pid: Option<i64>,
    /// Where the store is, if not here [env: GIT_CONDUCTOR_STORE]
    #[arg(long, global = true, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(super) store: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Colour the output [possible values: auto, always, never]
    #[arg(long, global = true, value_name = "WHEN", hide_possible_values = true)]
    pub(super) color: Option<When>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum When {
    Auto,
    Always,
    Never,
}

/// Reads how old something must be to be removed.
pub(super) fn age(text: &str) -> Result<SignedDuration, String> {
    parse_duration(text)
        .ok_or_else(|| "invalid duration (try 7d or 12h); nothing was removed".to_owned())
}
