//! Processes: what one look at one shows, and the process table to look at.
//!
//! [`Table`] is the seam: each system has its own, and tests have one that never was.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read as _};
use std::rc::Rc;

use rustix::io::Errno;

use super::vars::Vars;
use crate::error::Failure;

/// What one look at a process shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its number, in the namespace of the reader.
    pub pid: i64,
    /// The kernel's short name of it (at most 15 bytes); empty where that cannot be read.
    pub comm: String,
    /// The parent's number; 0 when there is none, or it is outside of the namespace.
    pub ppid: i64,
    /// The session leader's number; 0 when that is outside of the namespace.
    pub session: i64,
    /// The controlling terminal's device number, as Linux counts them; 0 for none.
    pub tty: i64,
    /// Start time in the system's own unit: on Linux clock ticks since boot, on macOS seconds since
    /// 1970.
    pub start: Option<u64>,
    /// Whether all of it has ended and only its exit status is left (a zombie).
    pub ended: bool,
}

/// One session of one terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// The session leader's number.
    pub session: i64,
    /// The terminal's device number, where one of the standard streams shows it.
    pub device: Option<u64>,
}

/// The process table of one pid namespace.
pub trait Table {
    /// This command's own entry.
    fn own(&self) -> Entry;

    /// Looks at `pid`; `None` when it is not there or cannot be seen.
    fn entry(&self, pid: i64) -> Option<Entry>;

    /// The process that `pid` is a thread of: `pid` itself, unless a thread's number was given.
    fn process_of(&self, pid: i64) -> i64;

    /// What `pid` was started as, the program's own name first; empty when it cannot be read. Long
    /// command lines are cut.
    fn args(&self, pid: i64) -> Vec<String>;

    /// The environment that `pid` was started with; `None` when it cannot be read, or is too long.
    fn vars(&self, pid: i64) -> Option<Vars>;

    /// The terminal session of this command, where processes cannot be looked at.
    fn terminal(&self) -> Option<Seat> {
        None
    }

    /// A number of `pid` that no other process of this boot gets, where the kernel has one: the
    /// inode of a pidfd (Linux 6.9 and later).
    fn pidfd(&self, pid: i64) -> Option<u64>;

    /// Whether `pid` is there at all, a zombie included; `None` when the kernel does not say.
    fn exists(&self, pid: i64) -> Option<bool>;

    /// All processes that are there; `None` where they cannot be seen.
    fn all(&self) -> Option<Vec<Entry>> {
        None
    }
}

/// The first thing that is there and could not be read, with the system's word for why. Who cannot
/// see for want of a file handle must not be told that a claim is not its own.
#[derive(Debug, Clone, Default)]
pub struct Unread(Rc<RefCell<Option<(String, Errno)>>>);

impl Unread {
    /// The failure to read it, if there was one.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        let (path, errno) = self.0.borrow().clone()?;
        Some(Failure::io(io::Error::from(errno), format!("cannot read '{path}'")))
    }

    /// Forgets it: a command that lasts looks again.
    pub(crate) fn forget(&self) {
        self.0.take();
    }

    /// The value that was read; `None` if it does not exist, or if we may not see it.
    pub(super) fn note<T>(&self, path: &str, read: io::Result<T>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(error) => {
                if let Some(errno) = Errno::from_io_error(&error).filter(|it| !is_hidden(*it)) {
                    // Only the first error is reported.
                    self.0.borrow_mut().get_or_insert_with(|| (path.to_owned(), errno));
                }
                None
            }
        }
    }

    /// One open, one read, at most the buffer: what the system makes up is only consistent within
    /// one read.
    pub(super) fn read_once<'b>(&self, path: &str, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        let read = File::open(path).and_then(|mut file| {
            loop {
                match file.read(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    read => return read,
                }
            }
        });
        buffer.get(..self.note(path, read)?)
    }

    /// The only line of a small file, trimmed; `None` if it is empty or cannot be read.
    pub(super) fn line(&self, path: &str) -> Option<String> {
        let mut buffer = [0; 128];
        let text = std::str::from_utf8(self.read_once(path, &mut buffer)?).ok()?.trim();
        (!text.is_empty() && text.len() <= 64).then(|| text.to_owned())
    }
}

/// Whether an error means that there is no such thing here, or none that we may see. Sandboxes
/// answer all of these, and go on answering so.
fn is_hidden(errno: Errno) -> bool {
    let hidden = [
        Errno::NOENT,
        Errno::SRCH,
        Errno::ACCESS,
        Errno::PERM,
        Errno::NOTDIR,
        Errno::ISDIR,
        Errno::LOOP,
        Errno::NOSYS,
        Errno::OPNOTSUPP,
        Errno::INVAL,
        Errno::NXIO,
        Errno::NODEV,
    ];
    hidden.contains(&errno)
}
