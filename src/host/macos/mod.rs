//! macOS, on both architectures.
//!
//! - `table`: the process table, made of what the kernel shows; it is tested on every system
//! - `identity`: machine and boot
//! - `kernel`: how the kernel is asked for processes
//! - `control`: kqueue, for the end of processes
//! - `events`: kqueue, for directories
//! - `program`: there is nothing like `/proc/self`
//! - `file_systems`: their names (`statfs(2)`)
//!
//! Processes come from crate sysinfo: of those without unsafe code to write, it alone tells the
//! command line and the environment, and it needs nothing to build, where libproc wants libclang.
//! It gives start times in seconds, which is enough: numbers go up to 99998 before one is used
//! again, so that no two processes of one second share a number.
//!
//! The id of the boot session comes from crate sysctl, because sysinfo has none, and the time of
//! the boot, which it has, moves when the clock is set. kqueue comes from nix, which is used
//! anyway: the queue of crate kqueue cannot be polled along with other files without unsafe code.
//!
//! No orphan is adopted, and no signal is known to be ignored from before: a `run` under nohup
//! passes SIGHUP on.

#[cfg(target_os = "macos")]
mod control;
#[cfg(target_os = "macos")]
mod events;
#[cfg(target_os = "macos")]
mod file_systems;
mod identity;
#[cfg(target_os = "macos")]
mod kernel;
#[cfg(target_os = "macos")]
mod program;
mod table;

/// This system.
#[cfg(target_os = "macos")]
pub(super) struct MacOs;

/// The process table of the running system.
#[cfg(target_os = "macos")]
pub type Processes = table::Processes<kernel::Asked>;
