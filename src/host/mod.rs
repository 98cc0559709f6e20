//! The machine that a command runs on: the only code that differs from one system to another.
//!
//! A system is one folder, which answers the traits of `platform`: `linux`, `macos`, and `other`
//! for every system without a folder. Nothing else asks which system this is, and nothing outside
//! of here knows how an answer was found out. To add one, copy `other`, and name it below.
//!
//! - [`process`]: the process table, as a trait; `posix`: what every system tells about processes;
//!   `bsd`: what macOS and the BSDs tell of a signal
//! - [`machine`]: machine, boot and namespaces
//! - [`vars`]: the environment variables of a process
//! - [`agent`]: who asks, and whether the process of a claim lives
//! - [`system`]: what the store asks of the outside: clock, random bits, files, the flock
//! - `watcher`: wakes a command that waits
//! - `signals`: catches signals for the commands that must act before one has its way
//! - `descendants`: the processes below this one, and how they are stopped
//! - `terminal`: which process group may read the terminal
//! - `program`: the running program: its file, its name, and where it runs
//! - `disk`: what a store lies on

pub mod agent;
pub(crate) mod descendants;
pub(crate) mod disk;
pub mod machine;
mod platform;
mod posix;
pub mod process;
pub(crate) mod program;
pub(crate) mod signals;
pub mod system;
pub(crate) mod terminal;
pub mod vars;
pub(crate) mod watcher;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub use linux::processes::Processes;
#[cfg(any(target_os = "linux", target_os = "android"))]
use linux::{Linux as Current, signals::Caught};

// What it makes of the kernel's answers is tested on every system.
#[cfg(any(test, target_os = "macos"))]
#[cfg_attr(
    not(target_os = "macos"),
    expect(dead_code, unreachable_pub, reason = "only its tests run here")
)]
mod macos;
#[cfg(target_os = "macos")]
use macos::MacOs as Current;
#[cfg(target_os = "macos")]
pub use macos::Processes;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod bsd;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
use bsd::Caught;

// It is tested on every system.
#[cfg(any(test, not(any(target_os = "linux", target_os = "android", target_os = "macos"))))]
#[cfg_attr(
    any(target_os = "linux", target_os = "android", target_os = "macos"),
    expect(dead_code, unreachable_pub, reason = "only its tests run here")
)]
mod other;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "macos")))]
use other::Other as Current;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "macos")))]
pub use other::processes::Processes;
