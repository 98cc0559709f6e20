//! `graph`: the phases of a sprint and what they wait for, to be drawn.

use super::{Context, Outcome, show, status};
use crate::error::Stop;

/// How a graph is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    /// For a terminal.
    #[default]
    Text,
    /// A flowchart of Mermaid.
    Mermaid,
    /// The language of Graphviz.
    Dot,
}

/// What was asked for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `--format`
    pub form: Form,
    /// `--sprint`: an id, or the time in it.
    pub sprint: Option<String>,
}

/// Shows the phase graph of the current sprint, or of the one that is named.
///
/// # Errors
/// There is no sprint of that name; or what the system says.
pub fn run(context: &Context, request: &Request) -> Result<Outcome, Stop> {
    let board = match request.sprint.as_deref() {
        Some(named) => show::board(context, Some(named))?,
        None => match context.store.board()? {
            Some(board) => board,
            None => return Ok(Outcome::NoSprint),
        },
    };
    Ok(Outcome::Graph(Box::new(status::view(context, board)), request.form))
}
