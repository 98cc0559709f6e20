//! How to print.

use jiff::Timestamp;

use super::text::Paint;
use crate::error::Caller;

/// How to print.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// One JSON object on stdout.
    pub json: bool,
    /// Colours on stdout.
    pub out: Paint,
    /// Colours on stderr.
    pub err: Paint,
    /// The terminal's width in columns, if stdout is one.
    pub width: Option<usize>,
    /// Whether to print hints.
    pub advice: bool,
    /// Who reads them.
    pub caller: Caller,
    /// What time it is.
    pub now: Timestamp,
}

impl Format {
    /// As text that goes to no terminal, with hints for an agent.
    #[must_use]
    pub fn plain(now: Timestamp) -> Self {
        let plain = Paint { on: false };
        let caller = Caller::default();
        Self { json: false, out: plain, err: plain, width: None, advice: true, caller, now }
    }
}
