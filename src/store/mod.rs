//! Where boards live: sprints and phases as files that change only by atomic steps.
//!
//! Reading order: [`dir`] (the operations that everything stands on), [`world`] (what else is asked
//! of the outside, and the protocol's defences), `folder` (handles that say what went wrong),
//! `latch` and `lock` (what a phase's directory holds), `phase` (the steps by which it changes
//! hands), `sprints` (how sprints begin and end), `read` and `change` (what commands call). [`disk`]
//! is the real world. This module must not print, and knows neither git nor the command line.

pub mod artifact;
pub mod change;
pub mod dir;
pub mod disk;
mod folder;
mod latch;
pub mod lifecycle;
mod lock;
mod phase;
pub mod read;
mod sprints;
pub mod world;

use std::cell::OnceCell;

pub use folder::Folder;
pub use world::World;

use crate::error::Failure;

/// The file store of one repository, seen through `W`.
pub struct Store<W: World> {
    world: W,
    /// Only sprints whose id begins so: an explicit store can be shared by several projects.
    only: Option<String>,
    conductor: OnceCell<Folder<W::Dir>>,
}

impl<W: World> Store<W> {
    /// A store in `world`; `only` is a project's hash where the store may be shared by several.
    pub const fn new(world: W, only: Option<String>) -> Self {
        Self { world, only, conductor: OnceCell::new() }
    }

    /// The world that the store is seen through.
    pub const fn world(&self) -> &W {
        &self.world
    }

    /// The directory of sprints; `None` if there never was one.
    fn conductor(&self) -> Result<Option<&Folder<W::Dir>>, Failure> {
        if let Some(folder) = self.conductor.get() {
            return Ok(Some(folder));
        }
        let found = self.world.conductor()?;
        Ok(found.map(|folder| self.conductor.get_or_init(|| folder)))
    }

    /// The directory of sprints, made if there is none.
    fn make_conductor(&self) -> Result<&Folder<W::Dir>, Failure> {
        if let Some(folder) = self.conductor.get() {
            return Ok(folder);
        }
        let made = self.world.make_conductor()?;
        Ok(self.conductor.get_or_init(|| made))
    }

    /// Acts under the mutex, if there is a store to have one.
    fn under_mutex<T>(&self, act: impl FnOnce() -> T) -> Result<T, Failure> {
        Ok(match self.conductor()? {
            Some(conductor) => self.world.under_mutex(conductor, act),
            None => act(),
        })
    }
}
