//! How messages of refusals are made.

use crate::error::Hint;
pub(crate) use crate::error::Message;

/// The command that claims whatever is open.
pub(crate) const NEXT: &[&str] = &["next", "--claim"];
/// There is nothing to run.
pub(crate) const NOTHING: &[&str] = &[];

/// A message with one hint.
pub(crate) fn message(text: String, hint: impl Into<Hint>, command: &[&str]) -> Message {
    Message::new(text, hint, command)
}
