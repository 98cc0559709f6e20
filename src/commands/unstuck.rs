//! `unstuck`: free a phase that its owner left.

use serde_json::{Value, json};

use super::salvage;
use super::session::{Answered, Run, Session};
use crate::record::VERSION;
use crate::store::change::Freed;
use crate::ui::text::safe;
use crate::ui::{Answer, Format, Messages, attempts};

/// Free a phase whose owner is gone
///
/// It is refused while the owner is alive or may be. Whatever the former owner
/// does to the phase later is refused.
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment, after_help = "Examples:\n  git conductor unstuck build")]
pub(super) struct UnstuckArgs {
    /// The phase
    pub phase: String,
    /// Also from an owner that may be alive, and after too many attempts
    #[arg(long)]
    pub force: bool,
}

impl Run for UnstuckArgs {
    /// Frees the phase.
    fn run(self, session: &mut Session) -> Answered {
        let context = session.store()?;
        let freed = context.store.unstuck(&context.asker, &self.phase, self.force)?;
        let made_up = salvage::made_up(&context, &freed.dues, &freed.sprint_id, &self.phase);
        let left = salvage::for_freed(&context, &freed);
        Ok(Box::new(Unstuck { freed, left, made_up }))
    }
}

/// A phase was freed.
#[derive(Debug)]
pub struct Unstuck {
    /// From whom.
    pub freed: Freed,
    /// What that one left.
    pub left: Option<salvage::Left>,
    /// What others left before that one, which a command was to save that was killed at that.
    pub made_up: Vec<salvage::Left>,
}

impl Answer for Unstuck {
    fn text(&self, _: Format, messages: &mut Messages) -> String {
        let freed = &self.freed;
        match &freed.hold {
            Some(hold) => messages.line(&format!(
                "freed '{}' from '{}'",
                freed.phase,
                safe(&hold.claim.agent)
            )),
            None => messages.line(&format!("nobody held '{}'", freed.phase)),
        }
        attempts::freed(freed, messages);
        salvage::freed_text(self.left.as_ref(), &self.made_up, messages);
        "OK\n".to_owned()
    }

    fn json(&self, _: Format) -> Value {
        let freed = &self.freed;
        json!({
            "v": VERSION, "ok": true,
            "phase": freed.phase,
            "freed_from": freed.hold.as_ref().map(|hold| &hold.claim.agent),
            "salvaged": salvage::left_json(self.left.as_ref()),
            "made_up": salvage::made_up_json(&self.made_up),
            "exhausted": freed.exhausted.is_some(),
            "forgiven": freed.reset_attempts,
        })
    }
}
