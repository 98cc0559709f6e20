//! What a command says on standard error, in git's manner: lines, hints, warnings.

use super::format::Format;
use super::text::Paint;
use crate::error::{Caller, Hint};

/// Collects what is said on stderr.
pub struct Messages {
    pub(super) err: String,
    paint: Paint,
    advice: bool,
    caller: Caller,
}

/// What [`Messages::hint`] takes: the same words for everybody, or a [`Hint`].
pub(crate) enum HintWords<'h> {
    Same(&'h str),
    Of(&'h Hint),
}

impl<'h> From<&'h str> for HintWords<'h> {
    fn from(words: &'h str) -> Self {
        Self::Same(words)
    }
}

impl<'h> From<&'h String> for HintWords<'h> {
    fn from(words: &'h String) -> Self {
        Self::Same(words)
    }
}

impl<'h> From<&'h Hint> for HintWords<'h> {
    fn from(hint: &'h Hint) -> Self {
        Self::Of(hint)
    }
}

impl Messages {
    /// As `format` says.
    #[must_use]
    pub fn new(format: Format) -> Self {
        let Format { err: paint, advice, caller, .. } = format;
        Self { err: String::new(), paint, advice, caller }
    }

    /// What was said so far.
    #[must_use]
    pub fn into_text(self) -> String {
        self.err
    }

    /// An error that there is an answer beside.
    pub(crate) fn error(&mut self, text: &str) {
        let line = format!("{} {text}", self.paint.error("error:"));
        self.line(&line);
    }

    pub(crate) fn line(&mut self, line: &str) {
        self.err.push_str(line);
        self.err.push('\n');
    }

    pub(crate) fn hint<'h>(&mut self, hint: impl Into<HintWords<'h>>) {
        if !self.advice {
            return;
        }
        let words = match hint.into() {
            HintWords::Same(words) => words,
            HintWords::Of(hint) => hint.words(self.caller),
        };
        let line = format!("{} {words}", self.paint.hint("hint:"));
        self.line(&line);
    }

    pub(crate) fn warning(&mut self, text: &str) {
        let line = format!("{} {text}", self.paint.hint("warning:"));
        self.line(&line);
    }
}
