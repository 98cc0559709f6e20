//! `report`: how a sprint went, or all of them.

pub(super) mod facts;
mod markdown;
mod page;
mod picture;

use serde_json::Value;

use super::session::{Answered, Run, Session};
use super::show;
use super::status::view;
use crate::record::sprint_time;
use crate::rules::rows::View;
use crate::rules::timeline::{Summary, Timeline, summary, timeline};
use crate::ui::text::safe;
use crate::ui::{Answer, Format, Messages};

/// How a report is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Page {
    /// Markdown.
    #[default]
    Markdown,
    /// One page of HTML that needs nothing else.
    Html,
}

/// Tell how a sprint went, as a page to keep or to send
///
/// Prints Markdown, or with --html a page of HTML that needs nothing else: what the
/// sprint was for, each phase with its owner, attempts, evidence and verdict, what
/// waited for what, when each phase waited for somebody and when it was worked on,
/// how long each agent worked, and the chain of phases that determined how long the
/// sprint took. Unfinished work counts until now.
///
/// With --all it is a list of all sprints in the store. Those that cannot be read
/// are named, and left out.
#[derive(Debug, Clone, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  git conductor report\n  git conductor report --html --sprint 20261122-091502\n  git conductor report --all"
)]
pub(super) struct ReportArgs {
    /// Print a page of HTML
    #[arg(long)]
    html: bool,
    /// Another sprint, by its id or the time in it
    #[arg(long, value_name = "ID")]
    sprint: Option<String>,
    /// A list of all sprints that are in the store
    #[arg(long, conflicts_with = "sprint")]
    all: bool,
}

impl Run for ReportArgs {
    /// Tells of the current sprint, of another one, or of all there are.
    fn run(self, session: &mut Session) -> Answered {
        let context = session.store()?;
        let page = if self.html { Page::Html } else { Page::Markdown };
        let now = context.now();
        if self.all {
            let mut sprints = Vec::new();
            let unreadable =
                context.store.each_sprint(|board| sprints.push(summary(board, now)))?;
            return Ok(Box::new(Overview { sprints, unreadable, page }));
        }
        let board = show::board(&context, self.sprint.as_deref())?;
        let line = timeline(&board, now);
        Ok(Box::new(Told { view: view(&context, board), line, page }))
    }
}

/// What there is to tell of one sprint.
#[derive(Debug)]
pub struct Told {
    /// Its board.
    pub view: View,
    /// When what happened.
    pub line: Timeline,
    /// How it is written.
    pub page: Page,
}

/// What there is to tell of all sprints.
#[derive(Debug, Default)]
pub struct Overview {
    /// The latest first.
    pub sprints: Vec<Summary>,
    /// The ids of those that cannot be read.
    pub unreadable: Vec<String>,
    /// How it is written.
    pub page: Page,
}

impl Answer for Told {
    fn text(&self, format: Format, _: &mut Messages) -> String {
        match self.page {
            Page::Markdown => markdown::one(self, format.now),
            Page::Html => page::one(self, format.now),
        }
    }

    fn json(&self, format: Format) -> Value {
        facts::json(self, format.now)
    }
}

impl Answer for Overview {
    fn text(&self, _: Format, messages: &mut Messages) -> String {
        for id in &self.unreadable {
            let time = safe(sprint_time(id));
            messages.warning(&format!("sprint '{time}' cannot be read, and is left out"));
        }
        match self.page {
            Page::Markdown => markdown::all(self),
            Page::Html => page::all(self),
        }
    }

    fn json(&self, _: Format) -> Value {
        facts::overview_json(self)
    }
}
