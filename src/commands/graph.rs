//! `graph`: the phases of a sprint and what they wait for, to be drawn.

pub(super) mod drawing;

use clap::ValueEnum;
use serde_json::Value;

use super::session::{Answered, Run, Session};
use super::show;
use super::status::{NoSprint, view};
use crate::rules::rows::View;
use crate::ui::{Answer, Format, Messages};

/// Show what waits for what
///
/// Prints the phases in layers: in the first are those that wait for nothing, and
/// each stands below all that it waits for. Of each its state is shown, and by
/// name what it waits for. With --format mermaid or dot the graph is printed for
/// Mermaid, which many web sites draw, or for Graphviz.
#[derive(Debug, Clone, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  git conductor graph\n  git conductor graph --format mermaid\n  git conductor graph --format dot --sprint 20261122-091502"
)]
pub(super) struct GraphArgs {
    /// How: text, mermaid or dot [default: text]
    #[arg(
        long = "format",
        value_name = "text|mermaid|dot",
        default_value = "text",
        hide_default_value = true,
        hide_possible_values = true
    )]
    form: Form,
    /// Another sprint, by its id or the time in it
    #[arg(long, value_name = "ID")]
    sprint: Option<String>,
}

/// How a graph is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For a terminal.
    #[default]
    Text,
    /// A flowchart of Mermaid.
    Mermaid,
    /// The language of Graphviz.
    Dot,
}

impl Run for GraphArgs {
    /// Shows the phase graph of the current sprint, or of the one that is named.
    fn run(self, session: &mut Session) -> Answered {
        let context = session.store()?;
        let board = match self.sprint.as_deref() {
            Some(named) => show::board(&context, Some(named))?,
            None => match context.store.board()? {
                Some(board) => board,
                None => return Ok(Box::new(NoSprint)),
            },
        };
        Ok(Box::new(Drawn { view: view(&context, board), form: self.form }))
    }
}

/// The phase graph, to be drawn.
#[derive(Debug)]
pub struct Drawn {
    /// The board.
    pub view: View,
    /// How.
    pub form: Form,
}

impl Answer for Drawn {
    fn text(&self, format: Format, _: &mut Messages) -> String {
        drawing::text(&self.view, self.form, format)
    }

    fn json(&self, format: Format) -> Value {
        drawing::json(&self.view, format.now)
    }
}
