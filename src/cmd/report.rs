//! `report`: how a sprint went, or all of them.

use super::{Context, Outcome, View, show, status};
use crate::error::Stop;
use crate::rules::timeline::{Summary, Timeline, summary, timeline};

/// How a report is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Page {
    /// Markdown.
    #[default]
    Markdown,
    /// One page of HTML that needs nothing else.
    Html,
}

/// What was asked for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `--html`
    pub page: Page,
    /// `--sprint`: an id, or the time in it.
    pub sprint: Option<String>,
    /// `--all`
    pub all: bool,
}

/// What there is to tell of one sprint.
#[derive(Debug)]
pub struct Told {
    /// Its board.
    pub view: View,
    /// When what happened.
    pub line: Timeline,
}

/// What there is to tell of all sprints.
#[derive(Debug, Default)]
pub struct Overview {
    /// The latest first.
    pub sprints: Vec<Summary>,
    /// The ids of those that cannot be read.
    pub unreadable: Vec<String>,
}

/// Tells of the current sprint, of another one, or of all there are.
///
/// # Errors
/// There is no such sprint; or what the system says.
pub fn run(context: &Context, request: &Request) -> Result<Outcome, Stop> {
    let now = context.now();
    if request.all {
        let mut sprints = Vec::new();
        let unreadable = context.store.each_sprint(|board| sprints.push(summary(board, now)))?;
        return Ok(Outcome::Overview(Overview { sprints, unreadable }, request.page));
    }
    let board = show::board(context, request.sprint.as_deref())?;
    let line = timeline(&board, now);
    let told = Told { view: status::view(context, board), line };
    Ok(Outcome::Report(Box::new(told), request.page))
}
