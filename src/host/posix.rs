//! What every POSIX system tells about processes: enough where nothing else does.

use std::fs::File;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::process::Pid;

use super::process::{Entry, Seat, Unread};

/// This process's number.
pub(super) fn own_number() -> i64 {
    i64::from(rustix::process::getpid().as_raw_pid())
}

/// The process `pid`, which is this one, and its parent. The session is for the system to say.
pub(super) fn own(pid: i64) -> Entry {
    let parent = rustix::process::getppid().map_or(0, |parent| i64::from(parent.as_raw_pid()));
    Entry { pid, ppid: parent, ..Entry::default() }
}

/// A process number that may be given to the kernel: positive, and of the kernel's size.
pub(super) fn number(pid: i64) -> Option<Pid> {
    i32::try_from(pid).ok().filter(|pid| *pid > 0).and_then(Pid::from_raw)
}

/// Whether `pid` is there at all, a zombie included; `None` when the kernel does not say.
pub(super) fn exists(pid: i64) -> Option<bool> {
    // Signal 0 only asks. It never goes to 0 or a negative number, which mean whole groups.
    match rustix::process::test_kill_process(number(pid)?) {
        Ok(()) | Err(Errno::PERM) => Some(true),
        Err(Errno::SRCH) => Some(false),
        Err(_) => None,
    }
}

/// The session of `pid`, or of this process; `None` when it has ended.
pub(super) fn session_of(pid: Option<Pid>) -> Option<i64> {
    // The kernel says 0 for a session that began outside of the caller's PID namespace, as that of
    // a container has often; rustix's `getsid` takes that to be impossible.
    let pid = pid.map(|pid| nix::unistd::Pid::from_raw(pid.as_raw_pid()));
    nix::unistd::getsid(pid).ok().map(|session| i64::from(session.as_raw()))
}

/// The terminal session of this process.
pub(super) fn terminal(unread: &Unread) -> Option<Seat> {
    // It opens only for a process that has a controlling terminal.
    unread.note("/dev/tty", File::open("/dev/tty"))?;
    let session = session_of(None).unwrap_or_default();
    let streams: [fn() -> BorrowedFd<'static>; 3] =
        [rustix::stdio::stdin, rustix::stdio::stdout, rustix::stdio::stderr];
    let device = streams.into_iter().find_map(|stream| controlling(stream()));
    (session > 0).then_some(Seat { session, device })
}

/// The device number of a stream that is this process's controlling terminal.
fn controlling(stream: BorrowedFd<'_>) -> Option<u64> {
    // Of another terminal the kernel tells no group; of ours it may be one that we cannot see.
    match rustix::termios::tcgetpgrp(stream) {
        Ok(_) | Err(Errno::OPNOTSUPP) => {}
        Err(_) => return None,
    }
    // Its type is another one on each system.
    let device = i128::from(rustix::fs::fstat(stream).ok()?.st_rdev);
    u64::try_from(device).ok()
}

/// `/etc/machine-id`, where it holds an id.
pub(super) fn machine_id(unread: &Unread) -> Option<String> {
    unread
        .line("/etc/machine-id")
        .filter(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
