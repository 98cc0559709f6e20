//! What a folder for a system has to answer, as a few small traits.
//!
//! `linux` answers all of it. `other` stands for every system without a folder of its own: each of
//! its answers is safe everywhere, and costs no more than a shortcut. [`super::process::Table`]
//! belongs to these traits; tests put a table of their own in its place.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::net::RecvFlags;
use rustix::process::{Pid, Signal};

use super::process::Unread;

/// What makes a process number mean one process. Absent is what the system does not have, or does
/// not show.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// An id that is new at every boot.
    pub(super) boot: Option<String>,
    /// The machine's id: 32 hexadecimal digits.
    pub(super) machine: Option<String>,
    /// The number of this process's pid namespace.
    pub(super) pid_ns: Option<u64>,
    /// The number of this process's time namespace.
    pub(super) time_ns: Option<u64>,
    /// When this boot began by today's clock.
    pub(super) booted_at: Option<Timestamp>,
    /// For how many seconds the machine has been asleep since its boot.
    pub(super) asleep: Option<u64>,
}

/// Which machine, boot and namespaces this is.
pub(super) trait Identity {
    /// Whether all processes of this boot have one table of numbers: there are no namespaces of
    /// them. Then a record without a boot id means one of those numbers too.
    const HAS_ONE_TABLE: bool;

    /// Whether the machine keeps its node name: where each network gives it another one, a record
    /// goes without.
    const KEEPS_ITS_NAME: bool;

    /// Asks the system. What is there and cannot be read is noted in `unread`.
    fn facts(unread: &Unread) -> Facts;
}

/// Handles of processes, and what a process arranges with those around it.
pub(super) trait Control {
    /// A handle of the process `pid`, which becomes readable when that ends.
    ///
    /// # Errors
    /// [`rustix::io::Errno::SRCH`] if there is no such process; any other error if there are no
    /// handles.
    fn handle(pid: Pid) -> rustix::io::Result<OwnedFd>;

    /// Sends `signal` to the process of a handle.
    ///
    /// # Errors
    /// It cannot be sent; [`rustix::io::Errno::NOSYS`] if handles only tell of an end.
    fn signal(process: &OwnedFd, signal: Signal) -> rustix::io::Result<()>;

    /// Whether the orphans below a process can be made its children. Where they cannot, only those
    /// that stay in its process group are found again.
    const ADOPTS: bool;

    /// Closes a file that comes through a socket when another program is executed; empty where that
    /// takes a call of its own.
    const CLOSES_RECEIVED: RecvFlags;

    /// Makes the orphans below this process its children, where that can be done.
    fn adopt_orphans();

    /// Continues this process, if it was stopped, when its parent ends.
    fn wake_with_parent();

    /// The signals that this process ignores, as its parent told it: a bit each, the lowest for
    /// signal 1.
    fn ignored_signals() -> u64;
}

/// A signal that was caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Its number.
    pub(crate) signal: i32,
    /// The number of the process that sent it; `None` for the system itself, as where it is typed
    /// at a terminal, and for a sender that is not told.
    pub(crate) sender: Option<i32>,
    /// Whether the system says who sent it.
    pub(crate) is_told: bool,
}

impl Origin {
    /// Whether the process `pid` sent it, as far as the system says.
    pub(crate) fn is_from(&self, pid: Option<Pid>) -> bool {
        pid.is_some_and(|pid| self.sender == Some(pid.as_raw_pid()))
    }
}

/// Signals that are caught, with who sent each.
pub(super) trait Delivery: Sized {
    /// Catches `signals` from now on; `read`, the other end of `write`, is readable once there was
    /// one.
    ///
    /// # Errors
    /// They cannot be caught.
    fn begin(
        read: UnixStream,
        write: UnixStream,
        signals: impl Iterator<Item = i32>,
    ) -> io::Result<Self>;

    /// Those that have come since it was last asked.
    fn take(&mut self) -> Vec<Origin>;
}

/// Events of directories.
pub(super) trait DirectoryEvents {
    /// A queue of events, which becomes readable when there is one.
    type Queue: AsFd;

    /// An empty queue; `None` if the system has none.
    fn begin() -> Option<Self::Queue>;

    /// Queues an event when an entry of `dir` comes, goes or is renamed, and with `touched` also
    /// when one changes; whether it will.
    fn add(queue: &Self::Queue, dir: BorrowedFd<'_>, touched: bool) -> bool;

    /// Takes all events out of the queue.
    fn drain(queue: &Self::Queue);

    /// Whether entries of `dir` may change without an event.
    fn misses_changes(dir: BorrowedFd<'_>) -> bool;
}

/// What the system knows about the running program.
pub(super) trait Program {
    /// The path by which it can be executed once more, even if its file was replaced.
    fn file() -> Option<PathBuf>;

    /// The path that it was started by.
    fn started_as() -> PathBuf;

    /// The path of the current directory, even if that was removed.
    fn current_directory() -> Option<PathBuf>;

    /// Names the process after the program, and not after the link that it was started by.
    fn take_name();
}

/// What the system knows about a file system.
pub(super) trait FileSystems {
    /// The kind of the file system that `path` is on, and whether other machines may use it too.
    fn kind(path: &Path) -> Option<(String, bool)>;

    /// Writes a byte to a file without a name in the directory `path`, and gives that file's time.
    /// `None` if there are no such files.
    ///
    /// # Errors
    /// The directory cannot be written.
    fn write_unnamed(path: &Path) -> io::Result<Option<Timestamp>>;
}
