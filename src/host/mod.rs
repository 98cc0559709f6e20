//! The machine that a command runs on.
//!
//! - [`agent`]: who asks, and whether the process of a claim lives
//! - [`system`]: what the store asks of the outside: clock, random bits, files, the flock
//! - `watcher`: wakes a command that waits
//! - `signals`: catches signals for the commands that must act before one has its way
//! - `descendants`: the processes below this one, and how they are stopped
//! - `terminal`: which process group may read the terminal
//! - `disk`: what a store lies on

pub mod agent;
pub(crate) mod descendants;
pub(crate) mod disk;
pub(crate) mod signals;
pub mod system;
pub(crate) mod terminal;
pub(crate) mod watcher;
