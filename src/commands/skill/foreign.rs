//! What is of others, and is not changed.

use serde::Serialize;
use serde_json::{Value, json};

use crate::error::{Hint, Message, Refuses};
use crate::ui::phrases::names;
use crate::ui::text::safe;

/// Files that are not ours stand where ours would go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct ForeignFiles {
    /// Which (absolute paths).
    pub(super) paths: Vec<String>,
}

impl Refuses for ForeignFiles {
    fn code(&self) -> &'static str {
        "foreign_files"
    }

    fn message(&self) -> Message {
        let are = if self.paths.len() == 1 { "is there and is" } else { "are there and are" };
        Message::new(
            format!(
                "{} {are} not from 'git conductor skill': nothing was changed",
                names(&self.paths)
            ),
            Hint::new(
                "whose they are is your human's to say: tell them; 'git conductor skill' prints the skill",
                "once they are out of the way, run it again; 'git conductor skill' prints the skill",
            ),
            &[],
        )
    }

    fn facts(&self) -> Value {
        json!(self)
    }
}

/// An agent's settings cannot be changed without a risk to what is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct ForeignSettings {
    /// The file (absolute path).
    pub(super) path: String,
    /// Why not.
    pub(super) why: &'static str,
    /// Whose settings they are.
    pub(super) agent: &'static str,
    /// Whether the hook before edits is wanted, too.
    #[serde(skip)]
    pub(super) edits: bool,
    /// What its owner may add.
    pub(super) line: String,
}

impl Refuses for ForeignSettings {
    fn code(&self) -> &'static str {
        "foreign_settings"
    }

    fn message(&self) -> Message {
        let mut command = vec!["skill", "show", "--hooks", "--for", self.agent];
        if self.edits {
            command.push("--edits");
        }
        Message::new(
            format!("'{}' {}: nothing was changed", safe(&self.path), self.why),
            Hint::new(
                "whose settings they are decides: tell your human; this prints what can be added by hand",
                "this prints what can be added by hand",
            ),
            &command,
        )
    }

    fn facts(&self) -> Value {
        json!(self)
    }
}
