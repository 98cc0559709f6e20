//! Who asks the store for a change, by which settings, and what is recorded of the asker.

use jiff::{SignedDuration, Timestamp};

use crate::record::{Checkout, Claim, Due, Maker, Rest, Token, VERSION};
use crate::rules::identity::is_here;
use crate::rules::{Facts, Me};

/// Who asks, and by which settings.
#[derive(Debug, Clone)]
pub struct Asker {
    /// The agent.
    pub me: Me,
    /// `conductor.staleAfter`.
    pub stale_after: SignedDuration,
    /// `conductor.maxAttempts`.
    pub max_attempts: Option<u64>,
    /// What is checked out where it asks, for its claims to tell; nothing, if nobody has looked.
    pub checkout: Checkout,
    /// Whether it saves what a dead owner has not committed, whose claim it ends.
    pub saves: bool,
}

impl Asker {
    /// What is to be known for a decision that this agent asks for `now`.
    #[must_use]
    pub fn facts(&self, now: Timestamp) -> Facts<'_> {
        let Self { me, stale_after, max_attempts, .. } = self;
        Facts { me, now, stale_after: *stale_after, max_attempts: *max_attempts }
    }

    pub(super) fn maker(&self) -> Maker {
        Maker { process: self.me.command.clone() }
    }

    /// The mark of what the owner of `claim` left, which this command is to save; `unique` is a
    /// name of its own.
    pub(super) fn owes(&self, claim: &Claim, unique: Token, now: Timestamp) -> Due {
        Due {
            v: VERSION,
            claim: claim.clone(),
            by: self.me.name.clone(),
            maker: self.maker(),
            unique: Some(unique),
            at: Some(now),
            rest: Rest::new(),
        }
    }

    /// The record of `claim`, which this agent renews now. Of a worktree that was moved it has the
    /// path of now.
    pub(super) fn renews(&self, claim: &Claim, now: Timestamp, asleep: Option<u64>) -> Claim {
        let mut renewed = Claim { renewed_at: Some(now), asleep, ..claim.clone() };
        if is_here(&self.me, claim) {
            renewed.worktree.clone_from(&self.me.worktree);
            renewed.git_dir.clone_from(&self.me.git_dir);
        }
        renewed
    }

    /// The record of a claim that this agent makes now, still without a token.
    pub(super) fn claim(&self, now: Timestamp, asleep: Option<u64>) -> Claim {
        let me = &self.me;
        Claim {
            v: VERSION,
            agent: me.name.clone(),
            claimed_at: Some(now),
            pid: me.any_process().map_or(0, |process| process.pid),
            explicit: me.explicit,
            session: me.session.clone(),
            stable: me.stable,
            process: me.process.clone(),
            shared: me.shared.clone(),
            via: me.via.clone(),
            terminal: me.terminal.clone(),
            asleep,
            user: me.user,
            person: me.person,
            worktree: me.worktree.clone(),
            git_dir: me.git_dir.clone(),
            branch: self.checkout.branch.clone(),
            commit: self.checkout.commit.clone(),
            ..Claim::default()
        }
    }
}
