//! Whose claim is it: compares the asker with a claim's record. Pure; who lives comes in as a
//! value.
//!
//! The rule (what counts as *mine*, *dead* and *stale*) is one page; it is here and
//! nowhere else.

use jiff::{SignedDuration, Timestamp};

use crate::record::{Claim, Done, Process, Terminal, Token};

/// Whether a claim's process lives, as far as this machine can prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Life {
    /// It was seen alive.
    Alive,
    /// It is provably gone.
    Dead,
    /// It cannot be known (another host, another pid namespace, no process recorded). Counts as
    /// alive.
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
    /// Whether that names the agent (a thread, a job), so that another id is another agent also
    /// below the same process; else the process decides, and the id may change while it lives.
    pub stable: bool,
    /// The process that lives as long as the agent; `None` when only short-lived ones were found.
    pub process: Option<Process>,
    /// In place of `process`, one that several agents may share.
    pub shared: Option<Process>,
    /// The script in a session of its own, below `process`, that this command runs in.
    pub via: Option<Process>,
    /// The terminal session of a person, where processes cannot be seen.
    pub terminal: Option<Terminal>,
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
    /// That worktree's own git directory (absolute path).
    pub git_dir: Option<String>,
}

impl Me {
    /// The process that stands for the agent, its own or one that it shares.
    #[must_use]
    pub fn any_process(&self) -> Option<&Process> {
        self.process.as_ref().or(self.shared.as_ref())
    }
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
    a.pid == b.pid
        && ((a.start.is_some() && b.start.is_some()) || (a.pidfd.is_some() && b.pidfd.is_some()))
        && agree(a.start.as_ref(), b.start.as_ref())
        && agree(a.pidfd.as_ref(), b.pidfd.as_ref())
        && same_place(a, b)
        && a.pid_ns == b.pid_ns
        && a.time_ns == b.time_ns
}

/// Whether nothing that is known of both differs.
fn agree<T: PartialEq>(a: Option<&T>, b: Option<&T>) -> bool {
    a.zip(b).is_none_or(|(a, b)| a == b)
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
        return if life == Life::Dead && me.any_process().is_some() {
            Relation::MineFromBefore
        } else {
            Relation::Mine
        };
    }
    if me.explicit != claim.explicit && claim.v > 0 {
        return Relation::Other;
    }
    let same = both(me.any_process(), claim.any_process(), same_process);
    let above = claim
        .any_process()
        .is_some_and(|theirs| me.ancestors.iter().any(|ancestor| same_process(ancestor, theirs)));
    let session = both(me.session.as_ref(), claim.session.as_ref(), |mine, theirs| mine == theirs);
    let mine = |present, former| match (present, former) {
        (true, _) => Relation::Mine,
        (false, true) => Relation::MineFromBefore,
        (false, false) => Relation::Other,
    };
    if !me.explicit && claim.v > 0 {
        let present = if me.stable || claim.stable {
            // Another id is another agent, and so is one that is missing: nothing shows it is this
            // one.
            session && (same || above)
        } else {
            (same && is_below(me, claim.via.as_ref())) || same_terminal(me, claim)
        };
        // A sandbox with a pid namespace of its own for each call shows no process that lasts, so
        // none is recorded; the session id is then all that both calls have, and it is the agent's.
        let unseen = || claim.any_process().is_none() || out_of_sight(me, claim);
        return mine(present, session && (life == Life::Dead || unseen()));
    }
    // An explicit name, or a script's record, which has no more than a name and a pid.
    if me.name != claim.agent {
        return Relation::Other;
    }
    let nobody = me.any_process().is_none() && claim.any_process().is_none() && claim.v > 0;
    // Two threads or jobs that were given one name are two agents all the same.
    let present = (same || above || nobody) && !apart(me, claim.session.as_ref(), claim.stable);
    mine(present, life == Life::Dead)
}

fn both<T>(a: Option<&T>, b: Option<&T>, agree: impl FnOnce(&T, &T) -> bool) -> bool {
    a.zip(b).is_some_and(|(a, b)| agree(a, b))
}

/// Whether the session ids show that a record is another agent's.
fn apart(me: &Me, session: Option<&String>, stable: bool) -> bool {
    (me.stable || stable) && both(me.session.as_ref(), session, |mine, theirs| mine != theirs)
}

/// Whether the script that claimed is above this command. It is known to run: the record of one
/// that has ended is dropped when the claim is read.
fn is_below(me: &Me, script: Option<&Process>) -> bool {
    script.is_none_or(|script| me.ancestors.iter().any(|ancestor| same_process(ancestor, script)))
}

/// Whether the asker is the person who claimed, in the same session of the same terminal. It is
/// only known of whom no process can be seen.
fn same_terminal(me: &Me, claim: &Claim) -> bool {
    let same = |mine: &Terminal, theirs: &Terminal| {
        mine.session == theirs.session
            && agree(mine.device.as_ref(), theirs.device.as_ref())
            && (&mine.boot, &mine.machine, &mine.node)
                == (&theirs.boot, &theirs.machine, &theirs.node)
    };
    me.person
        && claim.person
        && me.user.is_some()
        && me.user == claim.user
        && both(me.terminal.as_ref(), claim.terminal.as_ref(), same)
}

/// Whether the asker completed what `done` tells of, or cannot be shown to be another than who did:
/// by the name, the process or the session. Below one process, other ids are other agents.
#[must_use]
pub fn may_be_completer(me: &Me, done: &Done) -> bool {
    let process = both(me.any_process(), done.process.as_ref(), same_process);
    let session = both(me.session.as_ref(), done.session.as_ref(), |mine, theirs| mine == theirs);
    done.agent.is_empty()
        || done.agent == me.name
        || session
        || (process && !apart(me, done.session.as_ref(), done.stable))
}

/// Whether I am in the worktree that `claim` was made in. It may have been moved since: its own git
/// directory tells it from all others. Where that is not known, the path is all there is.
#[must_use]
pub fn is_here(me: &Me, claim: &Claim) -> bool {
    let moved_with = me.git_dir.is_some() && me.git_dir == claim.git_dir;
    moved_with || me.worktree == claim.worktree
}

/// Whether the claim's process is in this machine's present boot, but in a pid namespace that I
/// cannot look into.
fn out_of_sight(me: &Me, claim: &Claim) -> bool {
    claim.any_process().is_some_and(|theirs| {
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

/// How far in the future a time is nonsense, rather than of a clock that was set back since.
const NONSENSE: SignedDuration = SignedDuration::from_hours(24);

/// A time that a record gives, as far as it can be believed `now`: a little in the future, of a
/// clock that was set back, it counts as now; far in the future it would keep everybody waiting for
/// ever.
#[must_use]
pub fn believed(now: Timestamp, then: Timestamp) -> Option<Timestamp> {
    (then.duration_since(now) <= NONSENSE).then(|| then.min(now))
}

/// What shows when the owner of a claim was last there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Signs {
    /// When one of its commands last saw its claim.
    pub seen: Option<Timestamp>,
    /// When this machine was booted.
    pub booted: Option<Timestamp>,
    /// For how long the machine may have slept since then.
    pub slept: SignedDuration,
}

/// From when on the silence of a claim's owner counts: the latest of its claim, its renewal, when
/// it was last seen, and this boot; later by as long as the machine slept. `None` if nothing tells.
#[must_use]
pub fn quiet_since(claim: &Claim, signs: Signs, now: Timestamp) -> Option<Timestamp> {
    let times = [claim.claimed_at, claim.renewed_at, signs.seen];
    let last = times.into_iter().flatten().filter_map(|then| believed(now, then)).max()?;
    let boot = signs.booted.and_then(|boot| believed(now, boot));
    let since = boot.map_or(last, |boot| last.max(boot));
    Some(since.checked_add(signs.slept).unwrap_or(since))
}

/// Whether an owner whose silence counts from `since` has been silent for `stale_after`. One of
/// whom nothing tells has.
#[must_use]
pub fn is_silent(since: Option<Timestamp>, now: Timestamp, stale_after: SignedDuration) -> bool {
    since.is_none_or(|since| age(now, since) >= stale_after)
}

/// When the owner claimed, or last renewed.
#[must_use]
pub fn heard(claim: &Claim) -> Option<Timestamp> {
    claim.renewed_at.max(claim.claimed_at)
}

#[cfg(test)]
mod tests {
    use super::{Claim, Me, is_here};

    #[test]
    fn a_worktree_is_known_by_its_git_directory_or_else_by_its_path() {
        let place = |worktree: &str, git_dir: &str| {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            (some(worktree), some(git_dir))
        };
        for (mine, theirs, here) in [
            (place("/a", "/r/.git/worktrees/a"), place("/a", "/r/.git/worktrees/a"), true),
            // Moved, in either direction of who wrote the record when.
            (place("/b", "/r/.git/worktrees/a"), place("/a", "/r/.git/worktrees/a"), true),
            // Of an older version, or made where there is no worktree.
            (place("/a", "/r/.git/worktrees/a"), place("/a", ""), true),
            (place("/b", "/r/.git/worktrees/a"), place("/a", ""), false),
            (place("/b", ""), place("/a", ""), false),
            (place("/r", ""), place("/r", ""), true),
            // Made anew at its old place.
            (place("/a", "/r/.git/worktrees/a1"), place("/a", "/r/.git/worktrees/a"), true),
            (place("/b", "/r/.git/worktrees/b"), place("/a", "/r/.git/worktrees/a"), false),
        ] {
            let me = Me { worktree: mine.0.clone(), git_dir: mine.1.clone(), ..Me::default() };
            let claim =
                Claim { worktree: theirs.0.clone(), git_dir: theirs.1.clone(), ..Claim::default() };
            assert_eq!(is_here(&me, &claim), here, "{mine:?} {theirs:?}");
        }
    }
}
