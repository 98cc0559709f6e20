//! One clone of the repository, as the engine sees it: what it asks of the outside besides the
//! server.

use jiff::Timestamp;

use super::remote::Remote;
use crate::error::Failure;
use crate::record::ledger::LedgerEvent;
use crate::record::{Process, Token};
use crate::rules::shared::Shared;
use crate::store::CheckedDir;
use crate::store::dir::Dir;

/// One clone of the repository, as the engine sees it.
pub trait Site {
    /// A directory of the store.
    type Dir: Dir;
    /// The server.
    type Remote: Remote;

    /// Which of the engine's defences are in force: all of them, except in the tests that show that
    /// the model checker notices when one is missing.
    const DEFENCES: Defences = Defences::ALL;

    /// The directory of intents.
    fn dir(&self) -> &CheckedDir<Self::Dir>;

    /// The server.
    fn remote(&self) -> &Self::Remote;

    /// The id of this clone as a member.
    fn member(&self) -> &str;

    /// What time it is.
    fn now(&self) -> Timestamp;

    /// The process of this command.
    fn process(&self) -> Process;

    /// Whether a command of this clone has provably ended.
    fn has_ended(&self, command: &Process) -> bool;

    /// A nonce that was never used before.
    ///
    /// # Errors
    /// The system gives no random bits.
    fn nonce(&self) -> Result<Token, Failure>;

    /// Whether the command has used up its time.
    fn is_late(&self) -> bool;

    /// Waits a moment before the server is asked again.
    fn pause(&self, attempt: u32);

    /// Runs `act` under the clone's lock. The lock only spares work: nothing depends on its being
    /// exclusive.
    ///
    /// # Errors
    /// Another command does, for longer than this one may wait.
    fn alone<T>(&self, act: impl FnOnce() -> T) -> Result<T, Failure>;

    /// Makes the local store agree with `shared`, the board that `event` of this member made. It
    /// may be called more than once for one event, for events of commands that have ended, and
    /// after it was called for a later board: what the store has of a later one stays.
    ///
    /// # Errors
    /// The store cannot be changed. The next command tries again.
    fn landed(&self, event: &LedgerEvent, shared: &Shared) -> Result<(), Failure>;
}

/// The engine's defences, one for each way in which a simpler engine fails; see
/// [`crate::store::host::Defences`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one independent defence")]
pub struct Defences {
    /// A tip that is still the expected one proves nothing. Without it a push that lands late was
    /// refused.
    pub look_proves_only_in: bool,
    /// What the server says of a push that failed proves nothing. Without it a push that landed was
    /// refused.
    pub words_prove_nothing: bool,
    /// An undecided change is pushed again as it is. Without it the engine follows a commit that
    /// was made anew while the first one can still land.
    pub same_commit_again: bool,
    /// A change that does not get in is decided by another on the same tip. Without it one that the
    /// server never takes stops the clone for ever.
    pub decide_by_vouch: bool,
    /// A tip that is older than the expected one proves nothing. Without it a lagging copy of the
    /// server has a change refused that is in.
    pub older_proves_nothing: bool,
    /// A member whose last change is neither known nor on its way is a copy. Without it two clones
    /// of one image go on as one member.
    pub notice_copies: bool,
    /// A command concludes the intent that it decided, and no other. Without it a change that is on
    /// its way is forgotten.
    pub conclude_own: bool,
    /// The store changes once the ledger has. Without it a phase is given away that its owner
    /// keeps.
    pub ledger_first: bool,
}

impl Defences {
    /// All of them.
    pub const ALL: Self = Self {
        look_proves_only_in: true,
        words_prove_nothing: true,
        same_commit_again: true,
        decide_by_vouch: true,
        older_proves_nothing: true,
        notice_copies: true,
        conclude_own: true,
        ledger_first: true,
    };
}
