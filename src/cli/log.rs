//! What can be typed after `log`. The doc comments are the help.

use jiff::SignedDuration;

use crate::cmd::context::parse_duration;
use crate::cmd::log::Request;

/// Show who did what when, in all sprints
///
/// Prints a line for each event, the latest first: when, who, what, the phase, and
/// what there is to say of it. Times are local; the zone is named first, if it is
/// not UTC. Only what fits all options is told. It is
/// read from the store's audit.log, which commands append to; nothing is decided by
/// it, and sprints that were removed are in it still.
#[derive(Debug, Clone, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  git conductor log\n  git conductor log build --since 2h\n  git conductor log --event abort -n 5"
)]
pub(super) struct LogArgs {
    /// Only of this phase
    pub(super) phase: Option<String>,
    /// Only of this sprint, by its id or the time in it
    #[arg(long, value_name = "ID")]
    pub(super) sprint: Option<String>,
    /// Only what this agent did
    #[arg(long, value_name = "NAME")]
    pub(super) by: Option<String>,
    /// Only start, claim, complete, abort, …
    #[arg(long, value_name = "WORD")]
    pub(super) event: Option<String>,
    /// Only what is no longer ago: 2h, 7d
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub(super) since: Option<SignedDuration>,
    /// How many at most
    #[arg(short = 'n', long = "max-count", value_name = "N", default_value_t = 100)]
    pub(super) most: usize,
}

impl From<LogArgs> for Request {
    fn from(args: LogArgs) -> Self {
        let LogArgs { phase, sprint, by, event, since, most } = args;
        Self { phase, sprint, by, event, since, most }
    }
}

fn age(text: &str) -> Result<SignedDuration, String> {
    parse_duration(text).ok_or_else(|| "it is no duration, such as 2h or 7d".to_owned())
}
