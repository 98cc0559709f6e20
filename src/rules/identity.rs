//! Whose claim is it: compares the asker with a claim's record. Pure; who lives comes in as a value.
//!
//! The rule (what counts as *mine*, *dead* and *stale*) is one page; it is here and
//! nowhere else.

use jiff::{SignedDuration, Timestamp};

use crate::record::{Claim, Process, Token};

/// Whether a claim's process lives, as far as this machine can prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Life {
    /// It was seen alive.
    Alive,
    /// It is provably gone.
    Dead,
    /// It cannot be known (another host, another pid namespace, no process recorded). Counts as alive.
    Unknown,
}

/// Who is asking: one agent, as one of its commands sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Me {
    /// The agent's name, 1–128 printable characters.
    pub name: String,
    /// Whether the name was given rather than detected.
    pub explicit: bool,
    /// The agent's session id, when one was detected.
    pub session: Option<String>,
    /// The process that lives as long as the agent; `None` when only short-lived ones were found.
    pub process: Option<Process>,
    /// The processes above this command, nearest first.
    pub ancestors: Vec<Process>,
    /// This command's own process: the maker of its latches, and where it runs.
    pub command: Process,
    /// `GIT_CONDUCTOR_TOKEN`: whoever presents a claim's token is its owner.
    pub token: Option<Token>,
    /// The user (uid).
    pub user: Option<u32>,
    /// Whether this is a person in a terminal rather than an agent or a job.
    pub person: bool,
    /// The worktree that the command runs in (absolute path).
    pub worktree: Option<String>,
}

/// How the asker stands to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Relation {
    /// It is mine, and made by the process that I am.
    Mine,
    /// It is mine from a former process: dead, or out of sight in another pid namespace.
    MineFromBefore,
    /// It is another agent's.
    Other,
}

impl Relation {
    /// Whether the claim is mine at all.
    #[must_use]
    pub fn is_mine(self) -> bool {
        match self {
            Self::Mine | Self::MineFromBefore => true,
            Self::Other => false,
        }
    }
}

/// Whether two records describe the same process: every fact that both know must agree, and the pid
/// with at least a start time or a pidfd inode must be among them.
#[must_use]
pub fn same_process(a: &Process, b: &Process) -> bool {
    fn agree<T: PartialEq>(a: Option<&T>, b: Option<&T>) -> bool {
        match (a, b) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        }
    }
    a.pid == b.pid
        && ((a.start.is_some() && b.start.is_some()) || (a.pidfd.is_some() && b.pidfd.is_some()))
        && agree(a.start.as_ref(), b.start.as_ref())
        && agree(a.pidfd.as_ref(), b.pidfd.as_ref())
        && same_place(a, b)
        && a.pid_ns == b.pid_ns
        && a.time_ns == b.time_ns
}

/// Whether two processes were on one machine during one boot.
fn same_place(a: &Process, b: &Process) -> bool {
    a.boot == b.boot && a.machine == b.machine && a.node == b.node
}

/// How `me` stands to `claim`, whose process's life is `life`.
#[must_use]
pub fn relation(me: &Me, claim: &Claim, life: Life) -> Relation {
    if me.token.is_some() && me.token == claim.token {
        // Renewed as it is, the claim would stay that of a dead process, and anyone's to take over.
        return if life == Life::Dead && me.process.is_some() {
            Relation::MineFromBefore
        } else {
            Relation::Mine
        };
    }
    if me.explicit != claim.explicit && claim.v > 0 {
        return Relation::Other;
    }
    let same = match (&me.process, &claim.process) {
        (Some(mine), Some(theirs)) => same_process(mine, theirs),
        _ => false,
    };
    if !me.explicit && claim.v > 0 {
        // A sandbox with a pid namespace of its own for each call shows no process that lasts, so
        // none is recorded; the session id is then all that both calls have, and it is the agent's.
        return if same {
            Relation::Mine
        } else if me.session.is_some()
            && me.session == claim.session
            && (life == Life::Dead || claim.process.is_none() || out_of_sight(me, claim))
        {
            Relation::MineFromBefore
        } else {
            Relation::Other
        };
    }
    // An explicit name, or a script's record, which has no more than a name and a pid.
    if me.name != claim.agent {
        return Relation::Other;
    }
    let above = claim
        .process
        .as_ref()
        .is_some_and(|theirs| me.ancestors.iter().any(|ancestor| same_process(ancestor, theirs)));
    let nobody = me.process.is_none() && claim.process.is_none() && claim.v > 0;
    if same || above || nobody {
        Relation::Mine
    } else if life == Life::Dead {
        Relation::MineFromBefore
    } else {
        Relation::Other
    }
}

/// Whether the claim's process is in this machine's present boot, but in a pid namespace that I
/// cannot look into.
fn out_of_sight(me: &Me, claim: &Claim) -> bool {
    claim.process.as_ref().is_some_and(|theirs| {
        same_place(&me.command, theirs)
            && theirs.boot.is_some()
            && theirs.pid_ns != me.command.pid_ns
    })
}

/// How long ago `then` was; a clock that jumped back makes it zero, never negative.
#[must_use]
pub fn age(now: Timestamp, then: Timestamp) -> SignedDuration {
    now.duration_since(then).max(SignedDuration::ZERO)
}

/// Whether anyone may reclaim: the owner is provably dead, and has been silent for `stale_after`
/// since it claimed or renewed. A claim without a time counts as old.
#[must_use]
pub fn is_stale(claim: &Claim, life: Life, now: Timestamp, stale_after: SignedDuration) -> bool {
    life == Life::Dead && heard(claim).is_none_or(|heard| age(now, heard) >= stale_after)
}

/// When the owner was last heard: it claimed, or renewed.
#[must_use]
pub fn heard(claim: &Claim) -> Option<Timestamp> {
    claim.renewed_at.max(claim.claimed_at)
}

/// When anyone may reclaim from a dead owner; `None` where the claim tells no time.
#[must_use]
pub fn opens_at(claim: &Claim, stale_after: SignedDuration) -> Option<Timestamp> {
    heard(claim)?.checked_add(stale_after).ok()
}
