//! The table of changes: where a phase is, and how the asker stands to it, give a change or say
//! which rule refuses. Pure.
//!
//! It knows no record and no name. A board is seen through [`Sight`]: that of one machine by
//! [`super::decide()`], and that of a ledger by [`super::shared::apply`], so that both have one
//! table.

use super::identity::Relation;
use super::request::{Change, Request};

/// Where a phase is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Nobody owns it and it is not done.
    Pending,
    /// Somebody owns it.
    Claimed,
    /// It is complete, for ever.
    Done,
}

/// What one asker sees of one phase. Each is asked only where it counts: of a claim, say, only
/// where there is one.
pub trait Sight {
    /// Where the phase is.
    fn place(&self) -> Place;

    /// Whether a dependency is not done, or has failed.
    fn is_blocked(&self) -> bool;

    /// Whether the asker completed a phase that `not_by` names, or cannot be shown not to have.
    fn may_be_completer(&self) -> bool;

    /// Of a pending phase: whether as many attempts have failed as may.
    fn is_exhausted(&self) -> bool;

    /// Of a claim: how the asker stands to it.
    fn relation(&self) -> Relation;

    /// Of a claim: whether no rename can take it over, so that only `unstuck` ends it.
    fn only_unstuck(&self) -> bool;

    /// Of the asker's own claim: whether it stands in another worktree, and may be at work there.
    fn is_elsewhere(&self) -> bool;

    /// Of the asker's own claim: whether it has a name of its own, to be renewed under.
    fn has_token(&self) -> bool;

    /// Of another's claim: whether it would be one failed attempt too many if the asker took it.
    fn is_spent(&self) -> bool;

    /// Of another's claim: whether anyone may take it over.
    fn is_stale(&self) -> bool;

    /// Of a claim: whether who asks for just that may take it over, or free it.
    fn is_left(&self) -> bool;

    /// Of another's claim: whether it is the asker's own from another terminal.
    fn is_moved(&self) -> bool;

    /// Whether another ended the asker's claim: that one, or the last attempt at a pending phase.
    fn was_taken(&self) -> bool;

    /// Of a done phase: whether just this was completed by the asker.
    fn is_confirmed(&self) -> bool;
}

/// Which rule refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Denial {
    /// The phase is complete.
    Done,
    /// As many attempts have failed as may, the standing claim among them if there is one.
    Exhausted,
    /// Somebody holds it.
    Claimed {
        /// Whether that is the asker itself, in another worktree.
        same_agent: bool,
    },
    /// Dependencies are not done, or failed.
    Blocked,
    /// The asker must not check its own work.
    FourEyes,
    /// Nobody holds it.
    NotClaimed,
    /// Somebody else holds it.
    NotOwner,
    /// It was the asker's and is not any more.
    Lost,
    /// Its owner is alive, or may be.
    Alive,
}

/// The change that `request` makes of what `sight` shows.
///
/// # Errors
/// The rule that says no.
pub fn transition(request: &Request, sight: &impl Sight) -> Result<Change, Denial> {
    match request {
        Request::Claim { takeover } => claim(*takeover, sight),
        Request::Complete { .. } => complete(sight),
        Request::Abort => abort(sight),
        Request::Unstuck { force } => unstuck(*force, sight),
    }
}

fn claim(takeover: bool, sight: &impl Sight) -> Result<Change, Denial> {
    let change = match sight.place() {
        Place::Done => return Err(Denial::Done),
        Place::Pending if sight.is_exhausted() => return Err(Denial::Exhausted),
        Place::Pending => Change::Take,
        Place::Claimed if sight.only_unstuck() => {
            return Err(Denial::Claimed { same_agent: false });
        }
        Place::Claimed => match sight.relation() {
            // Two worktrees at once would be two workers under one name.
            Relation::Mine | Relation::MineFromBefore if sight.is_elsewhere() => {
                return Err(Denial::Claimed { same_agent: true });
            }
            // A script's record has no name of its own to renew under.
            Relation::Mine if sight.has_token() => Change::Renew,
            Relation::Mine | Relation::MineFromBefore => Change::TakeOver,
            // Nobody is told to take over what would be exhausted by that.
            Relation::Other if sight.is_spent() => return Err(Denial::Exhausted),
            Relation::Other
                if sight.is_stale() || (takeover && (sight.is_left() || sight.is_moved())) =>
            {
                Change::TakeOver
            }
            Relation::Other => return Err(Denial::Claimed { same_agent: false }),
        },
    };
    if sight.is_blocked() {
        return Err(Denial::Blocked);
    }
    if sight.may_be_completer() {
        return Err(Denial::FourEyes);
    }
    Ok(change)
}

fn complete(sight: &impl Sight) -> Result<Change, Denial> {
    match sight.place() {
        Place::Pending => Err(Denial::NotClaimed),
        Place::Claimed => {
            owned(sight)?;
            // Mine by a token or by a dead process's name need not be mine to complete: I may be
            // another than the one that was let claim.
            if sight.may_be_completer() { Err(Denial::FourEyes) } else { Ok(Change::Complete) }
        }
        Place::Done if sight.is_confirmed() => Ok(Change::Confirm),
        Place::Done => Err(Denial::Done),
    }
}

fn abort(sight: &impl Sight) -> Result<Change, Denial> {
    match sight.place() {
        Place::Pending if sight.was_taken() => Err(Denial::Lost),
        Place::Pending => Ok(Change::Nothing),
        Place::Claimed => owned(sight).map(|()| Change::Free),
        Place::Done => Err(Denial::Done),
    }
}

fn unstuck(force: bool, sight: &impl Sight) -> Result<Change, Denial> {
    match sight.place() {
        Place::Pending if force && sight.is_exhausted() => Ok(Change::ResetAttempts),
        Place::Pending => Ok(Change::Nothing),
        Place::Claimed if force || sight.is_left() => Ok(Change::Free),
        Place::Claimed => Err(Denial::Alive),
        Place::Done => Err(Denial::Done),
    }
}

/// Whether the asker owns the claim; else that it never did, or that it has lost it.
fn owned(sight: &impl Sight) -> Result<(), Denial> {
    if !sight.only_unstuck() && sight.relation().is_mine() {
        Ok(())
    } else if sight.was_taken() {
        Err(Denial::Lost)
    } else {
        Err(Denial::NotOwner)
    }
}
