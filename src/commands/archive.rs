//! `archive`: end the sprint.

use serde::Serialize;
use serde_json::{Value, json};

use super::salvage::{self, LeftAnswer};
use super::session::{Answered, Run, Session};
use crate::record::VERSION;
use crate::rules::Board;
use crate::ui::{Answer, Format, Messages, rounds};

/// End the sprint
///
/// It is kept for clean to remove. It is refused while another agent's claim is
/// live.
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment, after_help = "Examples:\n  git conductor archive")]
pub(super) struct ArchiveArgs {}

impl Run for ArchiveArgs {
    /// Ends the current sprint.
    fn run(self, session: &mut Session) -> Answered {
        let context = session.store()?;
        let board = context.store.archive_current(&context.asker)?;
        let made_up = salvage::all_made_up(&context, &board);
        Ok(Box::new(Archived { board, made_up }))
    }
}

/// The sprint was ended.
#[derive(Debug)]
pub struct Archived {
    /// It.
    pub board: Board,
    /// What former owners left in it, if a command that was to save it was killed at that.
    pub made_up: Vec<salvage::Left>,
}

/// What `archive` answers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct ArchiveAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// The sprint that was ended.
    sprint_id: &'a str,
    /// How many of its phases are done.
    done: usize,
    /// How many it has.
    phases: usize,
    /// The command that goes on with it, if anything is left.
    resume: Option<Vec<String>>,
    /// What was saved late of what dead owners had not committed.
    made_up: Vec<LeftAnswer<'a>>,
}

impl Answer for Archived {
    fn text(&self, _: Format, messages: &mut Messages) -> String {
        messages.line(&rounds::archived(&self.board, true));
        salvage::made_up_text(&self.made_up, messages);
        "OK\n".to_owned()
    }

    fn json(&self, _: Format) -> Value {
        json!(ArchiveAnswer {
            v: VERSION,
            ok: true,
            sprint_id: &self.board.sprint.sprint_id,
            done: self.board.done_count(),
            phases: self.board.graph.count(),
            resume: rounds::resume(&self.board),
            made_up: salvage::made_up_json(&self.made_up),
        })
    }
}
