//! What a folder for a system has to answer, as a few small traits.
//!
//! `linux` answers all of it. `other` stands for every system without a folder of its own: each of
//! its answers is safe everywhere, and costs no more than a shortcut. [`super::process::Table`]
//! belongs to these traits; tests put a table of their own in its place.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
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
    /// Whether a record without a boot id means one of the process numbers that this process sees.
    const HAS_ONE_TABLE: bool;

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
    /// It cannot be sent.
    fn signal(process: &OwnedFd, signal: Signal) -> rustix::io::Result<()>;

    /// Makes the orphans below this process its children. Without, they are not found any more.
    fn adopt_orphans();

    /// Continues this process, if it was stopped, when its parent ends.
    fn wake_with_parent();

    /// The signals that this process ignores, as its parent told it: a bit each, the lowest for
    /// signal 1.
    fn ignored_signals() -> u64;
}

/// Events of directories.
pub(super) trait DirectoryEvents {
    /// A queue of events, which becomes readable when there is one; `None` if the system has none.
    fn begin() -> Option<OwnedFd>;

    /// Queues an event when an entry of `dir` comes, goes or is renamed, and with `touched` also
    /// when one changes; whether it will.
    fn add(queue: &OwnedFd, dir: BorrowedFd<'_>, touched: bool) -> bool;

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
