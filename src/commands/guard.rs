//! `guard`: ask the gate, by hand or as git's pre-push hook.

use super::context::StoreAccess;
use super::session::{Answered, Run, Session};
use super::{gate, push};

/// Ask the gate whether what is checked out may go out
///
/// The gate is one phase: PHASE, else conductor.guardPhase, else ship. It is
/// open to whoever holds that phase. Once the phase is done, it is open for the
/// commit that it was done at. Without an unfinished sprint it is open, unless
/// conductor.requireSprint is true. It is closed where the sprint has no such
/// phase, or cannot be read, and where that phase or anything that it waits for
/// has failed: also once the sprint is over, until a later one has passed there.
///
/// Each phase that the gate's phase directly depends on must be evidence: it
/// passed, in a clean worktree, what it handed over is unchanged, and it was done
/// at the very content that goes out. Missing evidence is a warning;
/// conductor.evidence (off, warn, require) changes that. Where what was checked is
/// ahead of what is checked out, it prints the command that goes there.
///
/// With --notes it is answered from records in git notes alone, as in a clone on a
/// server: yes if the latest record of PHASE at the content of REV is a pass. Such
/// a record shows no more than that somebody who could push notes wrote it.
#[derive(Debug, Clone, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  git conductor guard\n  git conductor guard release\n  git conductor guard --commit HEAD --notes"
)]
pub(super) struct GuardArgs {
    /// The phase that guards [default: ship]
    phase: Option<String>,
    /// The commit that is to go out [default: HEAD]
    #[arg(long, value_name = "REV")]
    commit: Option<String>,
    /// By the records in git notes, without a store
    #[arg(long)]
    notes: bool,
    /// As git's pre-push hook; reads stdin
    #[arg(long, num_args = 0..=2, value_names = ["REMOTE", "URL"], conflicts_with_all = ["phase", "commit", "notes"])]
    pre_push: Option<Vec<String>>,
    /// From git's configuration
    #[arg(long, hide = true, requires = "pre_push")]
    configured: bool,
}

impl Run for GuardArgs {
    /// Asks the gate.
    fn run(self, session: &mut Session) -> Answered {
        if let Some(args) = self.pre_push {
            let arg = |at: usize| args.get(at).map(String::as_str);
            let pushed = push::push(&session.global, arg(0), arg(1), self.configured)?;
            return Ok(Box::new(pushed));
        }
        let (phase, commit) = (self.phase.as_deref(), self.commit.as_deref());
        let opened = if self.notes {
            gate::by_notes(phase, commit)?
        } else {
            gate::guard(&session.open(StoreAccess::Own)?, phase, commit)?
        };
        Ok(Box::new(opened))
    }
}
