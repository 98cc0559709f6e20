//! How long to wait, as it is typed, and who is told of it.

use std::rc::Rc;
use std::time::Duration;

use super::context::parse_duration;
use crate::host::signals::Signals;
use crate::ui::waiting::Live;

/// How long to wait, and who watches.
pub(super) struct Patience<'a> {
    /// `--timeout`; for ever if `None`.
    pub(super) timeout: Option<Duration>,
    /// Where it is shown while it lasts, if anywhere.
    pub(super) live: Option<&'a mut dyn Live>,
    /// What has caught signals already; without, they are caught only where it is shown.
    pub(super) signals: Option<Rc<Signals>>,
}

impl<'a> Patience<'a> {
    /// To wait for `timeout` at most, shown on `live`.
    pub(super) fn new(timeout: Option<Duration>, live: Option<&'a mut dyn Live>) -> Self {
        Self { timeout, live, signals: None }
    }
}

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

/// A duration, or a number of seconds.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    let duration = parse_duration(text).and_then(|duration| Duration::try_from(duration).ok());
    duration.ok_or_else(|| "invalid duration (try 90s or 5m)".to_owned())
}
