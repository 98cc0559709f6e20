//! How to print.

use jiff::Timestamp;

use super::text::Paint;

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
    /// What time it is.
    pub now: Timestamp,
}
