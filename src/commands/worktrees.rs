//! Worktrees in what a command came to: records name them by the paths that they had, and they are
//! told by those that they have now.

use super::Context;
use crate::git::Repo;
use crate::git::worktree::Recorded;
use crate::record::Claim;
use crate::rules::Refusal;

pub(super) use crate::git::worktree::Worktrees;

/// The worktrees of the repository that a command was called in, if there is one.
#[must_use]
pub(super) fn of(context: &Context) -> Option<Worktrees> {
    context.repo.as_ref().map(Repo::administration)
}

/// Brings the paths of worktrees in `claims` up to date.
pub(super) fn update<'a>(
    worktrees: Option<&Worktrees>,
    claims: impl IntoIterator<Item = &'a mut Claim>,
) {
    let Some(worktrees) = worktrees else { return };
    for claim in claims {
        if let Some(path) = worktrees.moved(&recorded(claim)) {
            claim.worktree = Some(path);
        }
    }
}

/// The same of the owners that `refusal` tells of.
pub(super) fn update_refusal(worktrees: &Worktrees, refusal: &mut Refusal) {
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

/// The worktree of `claim`, as its record names it.
pub(super) fn recorded(claim: &Claim) -> Recorded<'_> {
    Recorded {
        path: claim.worktree.as_deref(),
        git_dir: claim.git_dir.as_deref(),
        since: claim.claimed_at,
    }
}
