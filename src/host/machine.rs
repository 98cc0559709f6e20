//! Which machine, boot and namespaces this is: what makes a process number mean one process.

use jiff::Timestamp;

use super::platform::{Facts, Identity};
use super::process::{Entry, Table as _};
use super::{Current, Processes};
use crate::error::Failure;
use crate::record::Process;

/// The facts that all processes here share, read once per command.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// An id that is new at every boot: `/proc/sys/kernel/random/boot_id`, `kern.bootsessionuuid`.
    pub boot: Option<String>,
    /// `/etc/machine-id`, or the hardware's id: 32 hexadecimal digits; cloned machines can share
    /// it.
    pub machine: Option<String>,
    /// The kernel's node name; in a container usually the container's. Absent where networks change
    /// it.
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
    /// Whether all processes of this boot have one table of numbers.
    pub one_table: bool,
    /// The user (real uid) that this command runs as.
    pub user: u32,
    /// Its process table, as this command sees it.
    pub table: Processes,
}

impl Machine {
    /// Asks the system. A value that does not exist, or that we may not see, is absent. So is one
    /// that cannot be read, and then [`Machine::failure`] says why.
    #[must_use]
    pub fn read() -> Self {
        let table = Processes::read();
        let Facts { boot, machine, pid_ns, time_ns, booted_at, asleep } =
            Current::facts(table.unread());
        let node = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let node = Some(node).filter(|node| Current::KEEPS_ITS_NAME && !node.is_empty());
        let user = rustix::process::getuid().as_raw();
        let one_table = Current::HAS_ONE_TABLE;
        Self { boot, machine, node, pid_ns, time_ns, booted_at, asleep, one_table, user, table }
    }

    /// What is there and could not be read, so far: whoever goes on without it takes itself for
    /// another.
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
