//! What the protocol asks of the world besides directories: the clock, fresh tokens, verdicts of
//! death, the mutex, a moment's pause. The model checker answers these itself.

use jiff::{SignedDuration, Timestamp};

use super::checked_dir::CheckedDir;
use super::dir::Dir;
use crate::error::Failure;
use crate::record::{Claim, Event, Process, Token};
use crate::rules::{Life, LiveClaim};

/// How many times a command looks again before it says that another one is in its way. With the
/// pauses of [`Host::pause`] this is about a second.
pub const TRIES: u32 = 40;

/// How far in the future, in seconds, a time is nonsense rather than a clock that was set back.
const NONSENSE_SECONDS: i64 = 24 * 3600;

/// Whether `mtime` (nanoseconds since 1970) is at least so many seconds ago. A time that is a
/// little in the future is of a clock that was set back, and counts as now; one that is days ahead
/// would keep everybody waiting for ever, and counts as old.
pub(super) fn is_older<H: Host>(host: &H, mtime: i64, seconds: i64) -> bool {
    let ago = host.now().as_nanosecond() - i128::from(mtime);
    ago >= i128::from(seconds) * 1_000_000_000
        || ago <= -i128::from(NONSENSE_SECONDS) * 1_000_000_000
}

/// Whether `mtime` (nanoseconds since 1970) is before this machine was booted: whoever made it here
/// is dead. A clock that was set since can make this wrong, as it can every age, and so can another
/// machine that uses the same store: what goes by it must be safe all the same.
pub(super) fn is_before_boot<H: Host>(host: &H, mtime: i64) -> bool {
    host.booted_at().is_some_and(|boot| i128::from(mtime) < boot.as_nanosecond())
}

/// The outside, as the protocol sees it.
pub trait Host {
    /// A directory of the store.
    type Dir: Dir;

    /// Which of the protocol's defences are in force: all of them, except in the tests that show
    /// that the model checker notices when one is missing.
    const DEFENCES: Defences = Defences::ALL;

    /// The `conductor` directory of the store.
    ///
    /// # Errors
    /// It cannot be opened.
    fn conductor(&self) -> Result<Option<CheckedDir<Self::Dir>>, Failure>;

    /// Makes and opens the `conductor` directory, durably.
    ///
    /// # Errors
    /// It cannot be made.
    fn make_conductor(&self) -> Result<CheckedDir<Self::Dir>, Failure>;

    /// What time it is.
    fn now(&self) -> Timestamp;

    /// A token that was never used before.
    ///
    /// # Errors
    /// The system gives no random bits.
    fn token(&self) -> Result<Token, Failure>;

    /// Whether the owner of `claim` lives.
    fn life(&self, claim: &Claim) -> Life;

    /// Whether a process lives.
    fn life_of(&self, process: &Process) -> Life;

    /// When this machine was booted; `None` if it cannot be known.
    fn booted_at(&self) -> Option<Timestamp>;

    /// Acts while holding the mutex. With `waits` it is tried for at most a second, else once, and
    /// then gone without: it spares work and carries no safety. Also gives whether a second was
    /// waited in vain.
    fn under_mutex<T>(
        &self,
        conductor: &CheckedDir<Self::Dir>,
        waits: bool,
        act: impl FnOnce() -> T,
    ) -> (T, bool);

    /// When the owner of `hold` last ran a command that saw it, by the copy of its record in
    /// `lock`. If that is the one who asks, the copy is touched: its silence begins anew, and a
    /// script takes one that is an hour old for abandoned.
    fn hears(&self, lock: &CheckedDir<Self::Dir>, hold: &LiveClaim) -> Option<Timestamp>;

    /// For how many seconds this machine has been asleep since its boot; `None` if it cannot be
    /// known.
    fn asleep(&self) -> Option<u64> {
        None
    }

    /// When this machine was booted, if that was after `claim`, as far as can be known: then its
    /// owner has only had a chance to come back since.
    fn booted_after(&self, _claim: &Claim) -> Option<Timestamp> {
        self.booted_at()
    }

    /// For how long this machine may have slept since the owner of `claim` was last there: at most
    /// for as long as since the claim, or where that does not tell, since the boot.
    fn slept(&self, _claim: &Claim) -> SignedDuration {
        SignedDuration::ZERO
    }

    /// Waits a moment for another command to get out of the way.
    fn pause(&self, attempt: u32);

    /// Appends a line to the audit log. An audit log that cannot be written stops nothing.
    fn audit(&self, event: &Event);
}

/// The protocol's defences, one for each way in which the obvious protocol fails.
///
/// Shipped code runs with [`Defences::ALL`]; the model checker switches each off in turn and must
/// then find the failure. Being a constant of the [`Host`], they cost nothing at run time and
/// cannot be switched off in a built program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one independent defence")]
pub struct Defences {
    /// The latch stands as long as the lock does, and publishing neither replaces nor nests.
    /// Without it a held phase is granted again.
    pub latch_stays: bool,
    /// A claim looks for `done` again behind the latch, and again when it owns the lock; the latch
    /// stays after `done`. Without it a done phase is claimed.
    pub look_again: bool,
    /// A stale claim is taken over by renaming the name that was judged. Without it a fresh claim
    /// is taken away (ABA).
    pub take_over_by_name: bool,
    /// A completion is committed by renaming the owner's own name. Without it a former owner
    /// completes what it has lost.
    pub commit_by_rename: bool,
    /// What is left of a lock is removed through the handle that it was judged by. Without it, and
    /// with a mutex that everyone is granted, a fresh lock is removed.
    pub remove_what_was_judged: bool,
    /// A lock is never absent while it changes hands. Without it a lock that is half removed looks
    /// free.
    pub never_absent: bool,
    /// A sprint is published by a rename that no other start can also succeed in. Without it two
    /// sprints of one second share a directory.
    pub own_directory: bool,
    /// A new sprint is published before the old one is archived. Without it a start that is killed
    /// leaves no sprint.
    pub publish_first: bool,
    /// A claim and a completion look whether the sprint is still the current one after they took
    /// effect. Without it they succeed in a sprint that is over.
    pub look_for_currency: bool,
    /// A claim's end is written down before it comes. Without it a command that is killed in
    /// between loses the attempt.
    pub record_first: bool,
    /// An owner's silence counts from when it was last heard, and not from its claim. Without it an
    /// owner that has just been restarted loses its phase at once.
    pub hear: bool,
    /// Before a command takes a claim over, it checks whether the owner has been heard since it was
    /// judged. Without it an owner that is heard in between loses its phase.
    pub hear_again: bool,
    /// A sprint's moment is marked before it is published, and before it is removed. Without it a
    /// start takes the id of a sprint that was archived and removed within the same second.
    pub mark_removed: bool,
    /// A command waits for the mutex once. Without it one that is stopped while it has both mutex
    /// and latch makes every other wait for the mutex before each look at the latch.
    pub wait_once: bool,
    /// A latch that cannot be marked is removed by who made it. Without it a command that runs out
    /// of file handles keeps the phase busy for a minute.
    pub remove_unmarked: bool,
    /// A latch without a marker that is older than this boot is taken over at once. Without it each
    /// power cut in the wrong moment keeps a phase busy for a minute.
    pub outlive_boot: bool,
}

impl Defences {
    /// All of them.
    pub const ALL: Self = Self {
        latch_stays: true,
        look_again: true,
        take_over_by_name: true,
        commit_by_rename: true,
        remove_what_was_judged: true,
        never_absent: true,
        own_directory: true,
        publish_first: true,
        look_for_currency: true,
        record_first: true,
        hear: true,
        hear_again: true,
        mark_removed: true,
        wait_once: true,
        remove_unmarked: true,
        outlive_boot: true,
    };
}
