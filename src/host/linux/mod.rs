//! Linux, and Android, which has its kernel.
//!
//! - `processes`: the process table, read from `/proc`
//! - `identity`: machine, boot and namespaces
//! - `control`: pidfds, orphans and the end of a parent
//! - `events`: inotify
//! - `signals`: who sent a signal
//! - `program`: what `/proc/self` says
//! - `file_systems`: their numbers, and files without a name

mod control;
mod events;
mod file_systems;
mod identity;
pub(super) mod processes;
mod program;
pub(super) mod signals;

/// This system.
pub(super) struct Linux;
