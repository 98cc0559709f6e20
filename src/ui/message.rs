//! What a command that did nothing says: a sentence, hints, and the command to run now.

/// The sentence, the hints, and the command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What happened.
    pub text: String,
    /// What the reader may do, beside the command.
    pub hints: Vec<String>,
    /// Without `git conductor`, or a whole command of git's own; empty if there is nothing to run.
    pub command: Vec<String>,
}

/// The command that claims whatever is open.
pub(crate) const NEXT: &[&str] = &["next", "--claim"];
/// There is nothing to run.
pub(crate) const NOTHING: &[&str] = &[];

/// A message with one hint.
pub(crate) fn message(text: String, hint: impl Into<String>, command: &[&str]) -> Message {
    Message {
        text,
        hints: vec![hint.into()],
        command: command.iter().map(|word| (*word).to_owned()).collect(),
    }
}
