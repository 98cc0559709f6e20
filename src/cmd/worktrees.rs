//! Worktrees in what a command came to: records name them by the paths that they had, and they are told
//! by those that they have now.

use super::recorded::recorded;
use super::{Context, Outcome};
use crate::error::Stop;
use crate::git::Repo;
use crate::git::worktree::Recorded;
use crate::record::Claim;

pub use crate::git::worktree::Worktrees;

/// The worktrees of the repository that a command was called in, if there is one.
#[must_use]
pub fn of(context: &Context) -> Option<Worktrees> {
    context.repo.as_ref().map(Repo::administration)
}

/// Brings the paths of worktrees in `result` up to date; on a board only those that `json` tells of.
pub fn bring_up_to_date(worktrees: &Worktrees, result: &mut Result<Outcome, Stop>, json: bool) {
    let now = |claim: &mut Claim| {
        if let Some(path) = worktrees.moved(&recorded(claim)) {
            claim.worktree = Some(path);
        }
    };
    match result {
        Ok(Outcome::Board(view)) if json => view.board.claims_mut().for_each(now),
        Ok(Outcome::Shown(shown)) => shown.view.board.claims_mut().for_each(now),
        Ok(Outcome::Primed(Some(primer))) => primer.view.board.claims_mut().for_each(now),
        Ok(Outcome::Claimed { granted, .. }) => {
            if let Some(hold) = &mut granted.from {
                now(&mut hold.claim);
            }
        }
        Err(Stop::Refused(refusal)) => {
            for holder in refusal.holders_mut() {
                let recorded = Recorded {
                    path: holder.worktree.as_deref(),
                    git_dir: holder.git_dir.as_deref(),
                    since: holder.since,
                };
                if let Some(path) = worktrees.moved(&recorded) {
                    holder.worktree = Some(path);
                }
            }
        }
        Ok(_) | Err(Stop::Failed(_)) => {}
    }
}
