//! Where boards live: sprints and phases as files that change only by atomic steps.
//!
//! Reading order: [`dir`] (the operations that everything stands on), [`host`] (what else is asked
//! of the outside, and the protocol's defences), `checked_dir` (handles that say what went wrong),
//! [`layout`] (every name and limit on disk), `latch`, `lock` and `past` (what a phase's directory
//! holds), `artifact` (what a phase hands over), `phase` (the steps by which it changes hands),
//! `sprints` (which one is current), [`read`] (the board), `carry` (what one sprint takes over of
//! another), `publish` (how sprints begin and end), [`history`], `asker` (who asks), `completing`,
//! `freeing` and [`change`] (what commands ask of a phase), [`lifecycle`] (and of a sprint),
//! [`leftovers`] (what kills leave). `standing` tells whether a claim still stands, `told` what a
//! session was told. [`disk`] is the real file system, and `listing` how it lists directories. This
//! module must not print, and knows neither git nor the command line.
//!
//! # A phase's directory
//!
//! ```text
//! lock.d/latch.<T>        the latch; stands while the lock stands, and after done
//! lock.d/by.latch.<T>     which command took that marker over; without it the marker itself says
//! lock/owner.<T>          held under token T; every change of ownership is one rename of this name
//! lock/meta.<T>.json      who T is (the authority); a former owner's stays, so that it can be told
//! lock/meta.json          a copy for the script, there whenever an owner is
//! lock/done.<U>           a completion that is prepared under a name of its own
//! lock/completing.<U>     that completion is committed (once `owner.<T>`); anyone may finish it
//! lock/free.<T>           T has given the phase up; anyone may clear what is left
//! past/<T>.json           T ended without a completion; written before it does
//! past/pardon.<n>         the first n of them do not count any more
//! pin.<sha256>            an artifact as it was handed over
//! done                    the phase is complete, for ever
//! ```
//!
//! A lock that was given up is cleared through the handle that it was judged by, and a new one is
//! published in its place: no claim ever grows out of what another left. A script's lock, whose
//! record has no name of its own, is adopted behind a latch, by a second link to that record.

pub mod artifact;
mod asker;
mod carry;
pub mod change;
mod checked_dir;
mod completing;
pub mod dir;
pub mod disk;
mod freeing;
pub mod history;
pub mod host;
mod latch;
pub mod layout;
pub mod leftovers;
pub mod lifecycle;
mod listing;
mod lock;
mod past;
mod phase;
mod publish;
pub mod read;
mod sprints;
pub mod standing;
mod told;

use std::cell::OnceCell;

pub use checked_dir::CheckedDir;
pub(crate) use checked_dir::is_planted;
/// What other boards that are files need as well.
pub(crate) mod files {
    pub(crate) use super::checked_dir::{Keep, Step, from_json, tidy, to_json};
    pub(crate) use super::layout::temporary_name;
}
pub use host::Host;

use crate::error::Failure;

/// The file store of one repository, on a [`Host`].
pub struct Store<H: Host> {
    host: H,
    /// Only sprints whose id begins so: an explicit store can be shared by several projects.
    only: Option<String>,
    conductor: OnceCell<CheckedDir<H::Dir>>,
}

impl<H: Host> Store<H> {
    /// A store on `host`; `only` is a project's hash where the store may be shared by several.
    pub const fn new(host: H, only: Option<String>) -> Self {
        Self { host, only, conductor: OnceCell::new() }
    }

    /// What the store asks of the outside.
    pub const fn host(&self) -> &H {
        &self.host
    }

    /// The directory of sprints; `None` if there never was one.
    fn conductor(&self) -> Result<Option<&CheckedDir<H::Dir>>, Failure> {
        if let Some(dir) = self.conductor.get() {
            return Ok(Some(dir));
        }
        let found = self.host.conductor()?;
        Ok(found.map(|dir| self.conductor.get_or_init(|| dir)))
    }

    /// Makes the store, durably, if it is not there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn make(&self) -> Result<(), Failure> {
        self.make_conductor().map(|_| ())
    }

    /// The directory of sprints, made if there is none.
    fn make_conductor(&self) -> Result<&CheckedDir<H::Dir>, Failure> {
        if let Some(dir) = self.conductor.get() {
            return Ok(dir);
        }
        let made = self.host.make_conductor()?;
        Ok(self.conductor.get_or_init(|| made))
    }

    /// Acts under the mutex, if there is a store to have one. `waits` says whether it is waited
    /// for, and does not any more once that was in vain: who has it may have been stopped.
    fn under_mutex<T>(&self, waits: &mut bool, act: impl FnOnce() -> T) -> Result<T, Failure> {
        let Some(conductor) = self.conductor()? else { return Ok(act()) };
        let (value, in_vain) = self.host.under_mutex(conductor, *waits, act);
        if in_vain && H::DEFENCES.wait_once {
            *waits = false;
        }
        Ok(value)
    }
}
