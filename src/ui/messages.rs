//! What a command says on standard error, in git's manner: lines, hints, warnings.

use super::format::Format;
use super::text::Paint;

/// Collects what is said on stderr.
pub struct Messages {
    pub(super) err: String,
    paint: Paint,
    advice: bool,
}

impl Messages {
    /// As `format` says.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self { err: String::new(), paint: format.err, advice: format.advice }
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

    pub(crate) fn hint(&mut self, hint: &str) {
        if !self.advice {
            return;
        }
        let line = format!("{} {hint}", self.paint.hint("hint:"));
        self.line(&line);
    }

    pub(crate) fn warning(&mut self, text: &str) {
        let line = format!("{} {text}", self.paint.hint("warning:"));
        self.line(&line);
    }
}
