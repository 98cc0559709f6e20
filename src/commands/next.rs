//! `next`: what could this agent claim now; and claim it in the same step.

use serde::Serialize;
use serde_json::{Value, json};

use super::claim::{Claimed, Picked, claim_when_possible};
use super::patience::WaitOptions;
use super::session::{Answered, Run, Session, misused, setting_warning};
use super::{salvage, worktrees};
use crate::record::VERSION;
use crate::rules::Refusal;
use crate::rules::lost::Loss;
use crate::ui::{Answer, Format, Messages, board};

/// Show what you could claim now; with --claim, claim it
///
/// Prints the name of the first phase that is open to you. With --claim it is
/// yours when it is printed; that is refused while you hold another one in this
/// worktree.
///
/// Where nothing is open to you it prints nothing: it ends with 5 when every
/// phase is done, with 6 when waiting can help, and with 1 when waiting cannot
/// help; the hint says what to do.
#[derive(Debug, Clone, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  git conductor next --claim\n  git conductor next --all"
)]
pub(super) struct NextArgs {
    /// All of it, not only the first
    #[arg(long, conflicts_with = "claim")]
    all: bool,
    /// Claim it in the same step, so that nobody else gets it
    #[arg(long)]
    claim: bool,
    #[command(flatten)]
    waiting: WaitOptions,
}

impl Run for NextArgs {
    /// The first phase that can be claimed, or all of them; or claims the first.
    fn run(self, session: &mut Session) -> Answered {
        if self.waiting.wait && !self.claim {
            return Err(misused("--wait goes with --claim", "git conductor next -h"));
        }
        let context = session.store()?;
        if self.claim {
            let mut claimed = if self.waiting.wait {
                session.patiently(self.waiting.timeout, |patience| {
                    claim_when_possible(&context, None, false, patience)
                })?
            } else {
                let claimer = context.claimer()?;
                Claimed::of(&context, context.store.claim_next(&claimer)?, Picked::First, None)
            };
            worktrees::update(session.worktrees(), claimed.former_claim());
            return Ok(Box::new(claimed));
        }
        session.warn(setting_warning(&context));
        let mut board = context.store.board()?.ok_or(Refusal::NoSprint {})?;
        let facts = context.asker.facts(context.now());
        let open = context.store.next(&mut board, facts)?;
        let most = if self.all { open.len() } else { 1 };
        let names = open.into_iter().take(most).map(|id| board.graph.phase(id).name.clone());
        Ok(Box::new(Next { phases: names.collect(), lost: salvage::lost(&context, &board) }))
    }
}

/// The phases that the asker could claim now; at least one.
#[derive(Debug)]
pub struct Next {
    /// Which.
    pub phases: Vec<String>,
    /// What the asker has lost.
    pub lost: Vec<Loss>,
}

/// What `next` answers without `--claim`.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct NextAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// The phases that are open to you; the first of them without `--all`.
    phases: &'a [String],
    /// What you have lost to others.
    lost: &'a [Loss],
}

impl Answer for Next {
    fn text(&self, format: Format, messages: &mut Messages) -> String {
        board::lost_text(&self.lost, format.now, messages);
        self.phases.iter().flat_map(|phase| [phase.as_str(), "\n"]).collect()
    }

    fn json(&self, _: Format) -> Value {
        json!(NextAnswer { v: VERSION, ok: true, phases: &self.phases, lost: &self.lost })
    }
}
