//! A system without a folder of its own: what POSIX says, and nothing more.
//!
//! - `processes`: a process table of numbers
//!
//! Waiters look again every second or two, only a process group is stopped, and a claim whose owner
//! ended counts as alive until its number is free. FreeBSD is such a system: what its kernel tells
//! in another layout than that of macOS is worth a folder once somebody can run it there.

pub(super) mod processes;

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::process::{Pid, Signal};

use super::platform::{Control, DirectoryEvents, Facts, FileSystems, Identity, Program};
use super::posix;
use super::process::Unread;

/// This system.
pub(super) struct Other;

impl Identity for Other {
    const HAS_ONE_TABLE: bool = true;
    const KEEPS_ITS_NAME: bool = true;

    fn facts(unread: &Unread) -> Facts {
        Facts { machine: posix::machine_id(unread), ..Facts::default() }
    }
}

impl Control for Other {
    const ADOPTS: bool = false;
    const CLOSES_RECEIVED: RecvFlags = RecvFlags::empty();

    fn handle(_: Pid) -> rustix::io::Result<OwnedFd> {
        Err(Errno::NOSYS)
    }

    fn signal(_: &OwnedFd, _: Signal) -> rustix::io::Result<()> {
        Err(Errno::NOSYS)
    }

    fn adopt_orphans() {}

    fn wake_with_parent() {}

    fn ignored_signals() -> u64 {
        0
    }
}

impl DirectoryEvents for Other {
    type Queue = OwnedFd;

    fn begin() -> Option<OwnedFd> {
        None
    }

    fn add(_: &OwnedFd, _: BorrowedFd<'_>, _: bool) -> bool {
        false
    }

    fn drain(_: &OwnedFd) {}

    fn misses_changes(_: BorrowedFd<'_>) -> bool {
        true
    }
}

impl Program for Other {
    fn file() -> Option<PathBuf> {
        None
    }

    fn started_as() -> PathBuf {
        "git-conductor".into()
    }

    fn current_directory() -> Option<PathBuf> {
        None
    }

    fn take_name() {}
}

impl FileSystems for Other {
    fn kind(_: &Path) -> Option<(String, bool)> {
        None
    }

    fn write_unnamed(_: &Path) -> io::Result<Option<Timestamp>> {
        Ok(None)
    }
}
