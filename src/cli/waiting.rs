//! How long to wait, and what for; and watching. The doc comments are the help.

use std::time::Duration;

use clap::ValueEnum;

use crate::cmd::context::parse_duration;
use crate::cmd::waiting::For;

// What `claim` and `next` take for waiting: a doc comment here would stand for that of the command.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct WaitOptions {
    /// Wait until it can be claimed
    #[arg(long)]
    pub(super) wait: bool,
    /// Exit with 3 after that time: 90s, 5m
    #[arg(long, value_name = "TIME", value_parser = time, requires = "wait")]
    pub(super) timeout: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ForWord {
    Claimable,
    Done,
}

impl From<ForWord> for For {
    fn from(word: ForWord) -> Self {
        match word {
            ForWord::Claimable => Self::Claimable,
            ForWord::Done => Self::Done,
        }
    }
}

/// Show the board
///
/// A phase is pending, ready (it can be claimed), claimed, stale (its owner is
/// gone: it can be claimed), done or failed.
///
/// With --watch it is shown anew whenever it changes, until you end it with ^C: on
/// a terminal in place, elsewhere once more, after an empty line or, with --json,
/// as one more line. Nothing is polled. The end of a sprint does not end it, the
/// next one is shown then.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  git conductor status --json\n  git conductor status --watch"
)]
pub(super) struct StatusArgs {
    /// Show it anew whenever it changes
    #[arg(long)]
    pub(super) watch: bool,
}

/// Wait until a phase is done, or can be claimed
///
/// Prints how the phase ended, pass or fail, or claimable. Nothing is polled: a
/// change of the sprint, or the end of an owner's process, wakes it. It ends at
/// once, refused, when what is waited for can never come true, as behind a phase
/// that has failed; and when the agent that waits is gone. What counts is the sprint
/// that is current then, be it a later one.
#[derive(Debug, Clone, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  git conductor wait build --timeout 90s\n  git conductor wait review --for claimable"
)]
pub(super) struct WaitArgs {
    /// The phase
    pub(super) phase: String,
    /// What for: done or claimable [default: done]
    #[arg(
        long = "for",
        value_name = "claimable|done",
        default_value = "done",
        hide_default_value = true,
        hide_possible_values = true
    )]
    pub(super) what: ForWord,
    /// Exit with 3 after that time: 90s, 5m
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) timeout: Option<Duration>,
}

/// A duration, or a number of seconds.
fn time(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    let duration = parse_duration(text).and_then(|duration| Duration::try_from(duration).ok());
    duration.ok_or_else(|| "it is no duration, such as 90s or 5m".to_owned())
}
