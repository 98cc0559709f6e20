//! Which machine, boot and namespaces this is: what makes a process number mean one process.

use jiff::Timestamp;

use super::process::{Entry, Processes, Table, Unread};
use crate::error::Failure;
use crate::record::Process;

/// The inode of the time namespace that a machine boots with (`PROC_TIME_INIT_INO`).
const FIRST_TIME_NS: u64 = 0xEFFF_FFFA;

/// The facts that all processes here share, read once per command.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// `/proc/sys/kernel/random/boot_id`; new at every boot.
    pub boot: Option<String>,
    /// `/etc/machine-id`: 32 hexadecimal digits; cloned machines can share it.
    pub machine: Option<String>,
    /// The kernel's node name; in a container usually the container's.
    pub node: Option<String>,
    /// Inode of this process's pid namespace.
    pub pid_ns: Option<u64>,
    /// Inode of this process's time namespace.
    pub time_ns: Option<u64>,
    /// When this boot began by today's clock; a clock that is set moves it. Absent where the time
    /// since boot may be shifted: in a time namespace, and where that cannot be known.
    pub booted_at: Option<Timestamp>,
    /// For how many seconds the machine has been asleep since its boot. Absent as `booted_at` is.
    pub asleep: Option<u64>,
    /// The user (real uid) that this command runs as.
    pub user: u32,
    /// Its process table, as this command sees it.
    pub table: Processes,
}

impl Machine {
    /// Asks the system. A value that does not exist, or that we may not see, is absent. So is one that
    /// cannot be read, and then [`Machine::failure`] says why.
    #[must_use]
    pub fn read() -> Self {
        let table = Processes::read();
        let unread = table.unread();
        let pid_ns = inode(unread, "/proc/self/ns/pid");
        let time_ns = inode(unread, "/proc/self/ns/time");
        // Kernels that have pid namespaces and no time namespaces shift nothing.
        let shifted = time_ns.map_or(pid_ns.is_none(), |ns| ns != FIRST_TIME_NS);
        let node = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self {
            boot: line(unread, "/proc/sys/kernel/random/boot_id"),
            machine: line(unread, "/etc/machine-id")
                .filter(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())),
            node: Some(node).filter(|node| !node.is_empty()),
            pid_ns,
            time_ns,
            booted_at: boot_time().filter(|_| !shifted),
            asleep: asleep().filter(|_| !shifted),
            user: rustix::process::getuid().as_raw(),
            table,
        }
    }

    /// What is there and could not be read, so far: whoever goes on without it takes itself for another.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        self.table.unread().failure()
    }

    /// The full identity of the process `pid`; `None` when it is gone or has ended.
    #[must_use]
    pub fn describe(&self, pid: i64) -> Option<Process> {
        // First the pidfd: should the number pass on in between, the two disagree and the record
        // reads as dead, rather than as a process that was never meant.
        let pidfd = self.table.pidfd(pid);
        let entry = self.table.entry(pid).filter(|entry| !entry.ended)?;
        Some(Process { pidfd, ..self.process(&entry) })
    }

    /// The identity of a process that has been looked at, without its pidfd.
    #[must_use]
    pub fn process(&self, entry: &Entry) -> Process {
        Process {
            pid: entry.pid,
            start: entry.start,
            boot: self.boot.clone(),
            machine: self.machine.clone(),
            node: self.node.clone(),
            pid_ns: self.pid_ns,
            time_ns: self.time_ns,
            pidfd: None,
        }
    }
}

/// When this machine's boot began, where that can be known.
#[must_use]
pub fn booted_at(machine: &Machine) -> Option<Timestamp> {
    machine.booted_at
}

/// The only line of a small file, trimmed; `None` if it is empty or cannot be read.
fn line(unread: &Unread, path: &str) -> Option<String> {
    let mut buffer = [0; 128];
    let text = std::str::from_utf8(unread.read_once(path, &mut buffer)?).ok()?.trim();
    (!text.is_empty() && text.len() <= 64).then(|| text.to_owned())
}

/// The number of a namespace.
fn inode(unread: &Unread, path: &str) -> Option<u64> {
    let stat = rustix::io::retry_on_intr(|| rustix::fs::stat(path));
    unread.note(path, stat.map_err(std::io::Error::from)).map(|stat| stat.st_ino)
}

/// The wall clock less the time since boot (time asleep included): what `btime` in `/proc/stat` is,
/// without making the kernel count every interrupt for it.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn boot_time() -> Option<Timestamp> {
    use rustix::time::{ClockId, clock_gettime};
    let now = clock_gettime(ClockId::Realtime);
    let up = clock_gettime(ClockId::Boottime);
    Timestamp::from_second(now.tv_sec.checked_sub(up.tv_sec)?).ok()
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn boot_time() -> Option<Timestamp> {
    None
}

/// The time since boot, less the time that was spent awake.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn asleep() -> Option<u64> {
    use rustix::time::{ClockId, clock_gettime};
    let awake = clock_gettime(ClockId::Monotonic);
    let up = clock_gettime(ClockId::Boottime);
    u64::try_from(up.tv_sec.checked_sub(awake.tv_sec)?).ok()
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn asleep() -> Option<u64> {
    None
}
