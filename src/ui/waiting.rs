//! What is said while a command waits.

use std::io::Write as _;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::columns::fit;
use super::refusals::sentence;
use super::text::spent;
use crate::rules::Refusal;

/// What a waiter waits for now.
#[derive(Debug)]
pub struct Progress<'a> {
    /// Why it has not come true.
    pub why: &'a Refusal,
    /// How long it has been waited for.
    pub waited: Duration,
    /// What time it is.
    pub now: Timestamp,
}

/// Where it is shown while it lasts.
pub trait Live {
    /// Whether it is drawn anew in its place, as on a terminal, and must be taken away in the end.
    fn is_in_place(&self) -> bool;
    /// Shows it.
    fn draw(&mut self, progress: &Progress<'_>);
    /// Takes it away.
    fn erase(&mut self);
}

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
        // Without line feed: the next one takes its place. There is nobody else to be told of an
        // error.
        let mut stderr = std::io::stderr().lock();
        write!(stderr, "\r{line}\u{1b}[K").and_then(|()| stderr.flush()).ok();
    }

    fn erase(&mut self) {
        let mut stderr = std::io::stderr().lock();
        write!(stderr, "\r\u{1b}[K").and_then(|()| stderr.flush()).ok();
    }
}
