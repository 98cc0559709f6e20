//! What is said of waiting: while it lasts, when it has come true, and when the time is over.

use std::io::Write as _;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::advice;
use super::board::fit;
use super::sentences::{Draft, NOTHING, draft, sentence, who};
use super::text::duration;
use crate::cmd::waiting::{Live, Progress};
use crate::record::{VERSION, Verdict};
use crate::rules::others::Held;

/// What a terminal shows of a signal that is typed.
const ECHO: &str = "^C";

/// The line on a terminal that says what is waited for, and for how long already.
#[derive(Debug)]
pub struct Line {
    width: usize,
}

impl Line {
    /// For a terminal of `width` columns.
    #[must_use]
    pub const fn new(width: usize) -> Self {
        Self { width }
    }
}

/// Where no terminal is: one line at first, and again every few minutes.
#[derive(Debug)]
pub struct Lines;

impl Live for Lines {
    fn is_in_place(&self) -> bool {
        false
    }

    fn draw(&mut self, progress: &Progress<'_>) {
        let said = sentence(progress.why, progress.now).text;
        let waited = SignedDuration::try_from(progress.waited).unwrap_or_default();
        let time = if waited.as_secs() > 0 { format!(" {}", spent(waited)) } else { String::new() };
        let mut stderr = std::io::stderr().lock();
        writeln!(stderr, "waiting{time}: {said}").and_then(|()| stderr.flush()).ok();
    }

    fn erase(&mut self) {}
}

impl Live for Line {
    fn is_in_place(&self) -> bool {
        true
    }

    fn draw(&mut self, progress: &Progress<'_>) {
        let said = sentence(progress.why, progress.now).text;
        let waited = SignedDuration::try_from(progress.waited).unwrap_or_default();
        // Where Ctrl-C is typed, the terminal shows '^C' after it: on the next line it would stay.
        let room = self.width.saturating_sub(ECHO.len() + 1);
        let line = fit(&format!("waiting {}: {said}", spent(waited)), room);
        // Without line feed: the next one takes its place. There is nobody else to be told of an error.
        let mut stderr = std::io::stderr().lock();
        write!(stderr, "\r{line}\u{1b}[K").and_then(|()| stderr.flush()).ok();
    }

    fn erase(&mut self) {
        let mut stderr = std::io::stderr().lock();
        write!(stderr, "\r\u{1b}[K").and_then(|()| stderr.flush()).ok();
    }
}

/// `9s`, `1m05s`, and above an hour as elsewhere.
pub(super) fn spent(time: SignedDuration) -> String {
    let seconds = time.as_secs().max(0);
    match seconds {
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => duration(time),
    }
}

/// What the phase has come to.
const fn word(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        Some(Verdict::Pass) => "pass",
        Some(Verdict::Fail) => "fail",
        None => "claimable",
    }
}

pub(super) fn text(verdict: Option<Verdict>) -> String {
    format!("{}\n", word(verdict))
}

pub(super) fn json(phase: &str, verdict: Option<Verdict>, waited: Duration) -> Value {
    json!({
        "v": VERSION, "ok": true,
        "phase": phase,
        "state": if verdict.is_some() { "done" } else { "claimable" },
        "verdict": verdict,
        "waited_ms": milliseconds(waited),
    })
}

pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The phase that is waited for is not done.
pub(super) fn unfinished(
    now: Timestamp,
    phase: &str,
    agent: Option<&str>,
    dead: Option<&Held>,
) -> Draft {
    let text = format!("'{phase}' is not done");
    if let Some(dead) = dead {
        let (hint, todo) = advice::take_over(dead);
        let text = format!("{text}: {}", advice::behind(now, dead));
        return Draft { text, hints: vec![hint], todo };
    }
    let at_work = agent.map(|agent| format!(": {} is at it", who(agent))).unwrap_or_default();
    draft(format!("{text}{at_work}"), "this is normal", NOTHING)
}
