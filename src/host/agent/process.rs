//! The process table: who is above this command, what a process was started as, whether it is there.
//!
//! [`Table`] is the seam; [`Processes`] is the real one. On Linux it reads `/proc/<pid>/stat` once per
//! process that is asked for and `/proc/<pid>/cmdline` only on demand. Where there is no `/proc`, or
//! the mounted one shows another pid namespace (where our number means a stranger), it knows no more
//! than `getppid`, `kill(pid, 0)`, pidfds, and outside of Linux `getsid`.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read as _};
use std::rc::Rc;

use rustix::io::Errno;
use rustix::process::Pid;

use super::Vars;
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
    /// The controlling terminal's device number, as `/proc/<pid>/stat` has it; 0 for none.
    pub tty: i64,
    /// Start time in clock ticks since boot.
    pub start: Option<u64>,
    /// Whether all of it has ended and only its exit status is left (a zombie).
    pub ended: bool,
}

impl Entry {
    /// Takes a `/proc/<pid>/stat` apart; `None` if it is none. The name may hold anything, `) R 1` and
    /// line feeds included, but nothing after it holds a parenthesis, so the last one ends it.
    #[must_use]
    pub fn parse(stat: &[u8]) -> Option<Self> {
        let open = stat.iter().position(|byte| *byte == b'(')?;
        let close = stat.iter().rposition(|byte| *byte == b')')?;
        let pid = std::str::from_utf8(stat.get(..open)?).ok()?.trim().parse().ok()?;
        let comm = String::from_utf8_lossy(stat.get(open + 1..close)?).into_owned();
        let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
        // The first is field 3 of proc_pid_stat(5): state ppid pgrp session tty_nr …
        let fields: Vec<&str> = rest.split_ascii_whitespace().take(20).collect();
        let field = |number: usize| fields.get(number - 3).copied();
        let threads: u64 = field(20)?.parse().ok()?;
        Some(Self {
            pid,
            comm,
            ppid: field(4)?.parse().ok()?,
            session: field(6)?.parse().ok()?,
            tty: field(7)?.parse().ok()?,
            start: Some(field(22)?.parse().ok()?),
            // A process whose first thread has ended looks like a zombie while the others run on.
            ended: matches!(field(3)?, "Z" | "X" | "x") && threads <= 1,
        })
    }
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

    /// The inode of a pidfd of `pid`, where the kernel makes that unique (Linux 6.9 and later).
    fn pidfd(&self, pid: i64) -> Option<u64>;

    /// Whether `pid` is there at all, a zombie included; `None` when the kernel does not say.
    fn exists(&self, pid: i64) -> Option<bool>;
}

/// The running system's process table.
#[derive(Debug, Clone, Default)]
pub struct Processes {
    own: Entry,
    /// Whether `/proc` is there and shows our own pid namespace.
    proc: bool,
    unread: Unread,
}

/// The first thing that is there and could not be read, with the system's word for why. Who cannot see for
/// want of a file handle must not be told that a claim is not its own.
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

    /// One open, one read, at most the buffer: `/proc` is only consistent within one read.
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

    /// Looks at the process whose `/proc/<pid>/stat` this is.
    fn read_stat(&self, path: &str) -> Option<Entry> {
        let mut buffer = [0; 1024];
        Entry::parse(self.read_once(path, &mut buffer)?)
    }
}

/// Whether an error means that there is no such thing here, or none that we may see. Sandboxes answer all
/// of these, and go on answering so.
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

impl Processes {
    /// Reads this command's own entry, and from it whether `/proc` can be believed.
    #[must_use]
    pub fn read() -> Self {
        let pid = i64::from(rustix::process::getpid().as_raw_pid());
        let unread = Unread::default();
        // A `/proc` of another pid namespace resolves `self` to the number that we have there.
        if let Some(own) = unread.read_stat("/proc/self/stat").filter(|own| own.pid == pid) {
            return Self { own, proc: true, unread };
        }
        let own = Entry {
            pid,
            ppid: rustix::process::getppid().map_or(0, |pid| i64::from(pid.as_raw_pid())),
            session: session_of(None),
            ..Entry::default()
        };
        Self { own, proc: false, unread }
    }

    /// What could not be read of what is there.
    #[must_use]
    pub const fn unread(&self) -> &Unread {
        &self.unread
    }
}

impl Table for Processes {
    fn own(&self) -> Entry {
        self.own.clone()
    }

    fn entry(&self, pid: i64) -> Option<Entry> {
        let raw = number(pid)?;
        if self.proc {
            let entry = self.unread.read_stat(&format!("/proc/{pid}/stat"));
            return entry.filter(|entry| entry.pid == pid);
        }
        (self.exists(pid) == Some(true)).then(|| Entry {
            pid,
            session: session_of(Some(raw)),
            ..Entry::default()
        })
    }

    fn process_of(&self, pid: i64) -> i64 {
        // The name, which comes first, is escaped there and has 64 bytes at most.
        let mut buffer = [0; 512];
        let status = if self.proc && number(pid).is_some() {
            self.unread.read_once(&format!("/proc/{pid}/status"), &mut buffer)
        } else {
            None
        };
        let text = String::from_utf8_lossy(status.unwrap_or_default());
        let group = text.lines().find_map(|line| line.strip_prefix("Tgid:"));
        group.and_then(|group| group.trim().parse().ok()).unwrap_or(pid)
    }

    fn args(&self, pid: i64) -> Vec<String> {
        let mut buffer = [0; 4096];
        let read = if self.proc && number(pid).is_some() {
            self.unread.read_once(&format!("/proc/{pid}/cmdline"), &mut buffer)
        } else {
            None
        };
        let text = read.unwrap_or_default();
        let text = text.strip_suffix(b"\0").unwrap_or(text);
        if text.is_empty() {
            return Vec::new();
        }
        text.split(|byte| *byte == 0).map(|arg| String::from_utf8_lossy(arg).into_owned()).collect()
    }

    fn vars(&self, pid: i64) -> Option<Vars> {
        number(pid).filter(|_| self.proc)?;
        let mut bytes = Vec::new();
        let path = format!("/proc/{pid}/environ");
        let read = File::open(&path)
            .and_then(|file| file.take(LONGEST_ENVIRONMENT + 1).read_to_end(&mut bytes));
        self.unread.note(&path, read)?;
        (bytes.len() as u64 <= LONGEST_ENVIRONMENT).then(|| Vars::parse(&bytes))
    }

    fn terminal(&self) -> Option<Seat> {
        if self.proc {
            return None;
        }
        // It opens only for a process that has a controlling terminal.
        self.unread.note("/dev/tty", File::open("/dev/tty"))?;
        let session = nix::unistd::getsid(None).map_or(0, |pid| i64::from(pid.as_raw()));
        let streams: [fn() -> std::os::fd::BorrowedFd<'static>; 3] =
            [rustix::stdio::stdin, rustix::stdio::stdout, rustix::stdio::stderr];
        let device = streams.into_iter().find_map(|stream| controlling(stream()));
        (session > 0).then_some(Seat { session, device })
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn pidfd(&self, pid: i64) -> Option<u64> {
        /// `PIDFS_MAGIC` of `linux/magic.h`; before 6.9 all pidfds share one anonymous inode.
        const PIDFS: u64 = 0x5049_4446;
        let opened =
            rustix::process::pidfd_open(number(pid)?, rustix::process::PidfdFlags::empty());
        let fd = self.unread.note("a pidfd", opened.map_err(io::Error::from))?;
        let magic = u64::try_from(rustix::fs::fstatfs(&fd).ok()?.f_type).ok()?;
        (magic == PIDFS).then(|| rustix::fs::fstat(&fd).ok().map(|stat| stat.st_ino))?
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn pidfd(&self, _pid: i64) -> Option<u64> {
        None
    }

    fn exists(&self, pid: i64) -> Option<bool> {
        // Signal 0 only asks. It never goes to 0 or a negative number, which mean whole groups.
        match rustix::process::test_kill_process(number(pid)?) {
            Ok(()) | Err(rustix::io::Errno::PERM) => Some(true),
            Err(rustix::io::Errno::SRCH) => Some(false),
            Err(_) => None,
        }
    }
}

/// An environment of more bytes is not read.
const LONGEST_ENVIRONMENT: u64 = 1 << 20;

/// The device number of a stream that is this process's controlling terminal.
fn controlling(stream: std::os::fd::BorrowedFd<'_>) -> Option<u64> {
    use rustix::io::Errno;
    // Of another terminal the kernel tells no group; of ours it may be one that we cannot see.
    match rustix::termios::tcgetpgrp(stream) {
        Ok(_) | Err(Errno::OPNOTSUPP) => {}
        Err(_) => return None,
    }
    // Its type is another one on each system.
    let device = i128::from(rustix::fs::fstat(stream).ok()?.st_rdev);
    u64::try_from(device).ok()
}

/// A process number that may be given to the kernel: positive, and of the kernel's size.
fn number(pid: i64) -> Option<Pid> {
    i32::try_from(pid).ok().filter(|pid| *pid > 0).and_then(Pid::from_raw)
}

/// The session of `pid` (or of this process), 0 when it cannot be known. Not asked for on Linux: a
/// leader outside of the pid namespace is 0 there, which rustix's `getsid` takes to be impossible.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn session_of(pid: Option<Pid>) -> i64 {
    rustix::process::getsid(pid).map_or(0, |pid| i64::from(pid.as_raw_pid()))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn session_of(_pid: Option<Pid>) -> i64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(comm: &str, state: &str, threads: u64) -> String {
        format!(
            "42 ({comm}) {state} 7 42 9 34816 -1 4194304 1 0 0 0 0 0 0 0 20 0 {threads} 0 1476 31 3"
        )
    }

    #[test]
    fn a_name_may_hold_anything() {
        for comm in ["bash", "tmux: server", "a) R 1 2 3 (b", ")", "(", "", "x\n1 (y) Z 1", "é"] {
            let entry = Entry::parse(stat(comm, "S", 1).as_bytes()).unwrap();
            assert_eq!(entry.comm, comm);
            assert_eq!((entry.pid, entry.ppid, entry.session, entry.tty), (42, 7, 9, 34816));
            assert_eq!((entry.start, entry.ended), (Some(1476), false));
        }
    }

    #[test]
    fn only_a_whole_zombie_has_ended() {
        assert!(Entry::parse(stat("x", "Z", 1).as_bytes()).unwrap().ended);
        assert!(!Entry::parse(stat("x", "Z", 3).as_bytes()).unwrap().ended);
    }

    #[test]
    fn what_is_no_stat_is_nothing() {
        for text in ["", "42", "42 (x", "42 x) S", "42 (x) S 1 2", "x (x) S 7 42 9 0"] {
            assert_eq!(Entry::parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn groups_are_never_signalled() {
        let system = Processes::read();
        for pid in [0, -1, i64::MIN, i64::MAX, 1 << 32, (1 << 32) + 1] {
            assert_eq!(system.exists(pid), None);
            assert_eq!(system.entry(pid), None);
            assert_eq!(system.pidfd(pid), None);
            assert!(system.args(pid).is_empty());
        }
    }
}
