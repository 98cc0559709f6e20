//! Machine, boot and namespaces.

use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};

use super::Linux;
use crate::host::platform::{Facts, Identity};
use crate::host::posix;
use crate::host::process::Unread;

/// The inode of the time namespace that a machine boots with (`PROC_TIME_INIT_INO`).
const FIRST_TIME_NS: u64 = 0xEFFF_FFFA;

impl Identity for Linux {
    // A record without a boot id was made in a sandbox that shows no `/proc`, and that may have
    // numbers of its own as well.
    const HAS_ONE_TABLE: bool = false;
    const KEEPS_ITS_NAME: bool = true;

    fn facts(unread: &Unread) -> Facts {
        let pid_ns = inode(unread, "/proc/self/ns/pid");
        let time_ns = inode(unread, "/proc/self/ns/time");
        // Kernels that have pid namespaces and no time namespaces shift nothing.
        let shifted = time_ns.map_or(pid_ns.is_none(), |ns| ns != FIRST_TIME_NS);
        Facts {
            boot: unread.line("/proc/sys/kernel/random/boot_id"),
            machine: posix::machine_id(unread),
            pid_ns,
            time_ns,
            booted_at: boot_time().filter(|_| !shifted),
            asleep: asleep().filter(|_| !shifted),
        }
    }
}

/// The number of a namespace.
fn inode(unread: &Unread, path: &str) -> Option<u64> {
    let stat = rustix::io::retry_on_intr(|| rustix::fs::stat(path));
    unread.note(path, stat.map_err(std::io::Error::from)).map(|stat| stat.st_ino)
}

/// The wall clock less the time since boot (time asleep included): what `btime` in `/proc/stat` is,
/// without making the kernel count every interrupt for it.
fn boot_time() -> Option<Timestamp> {
    let now = clock_gettime(ClockId::Realtime);
    let up = clock_gettime(ClockId::Boottime);
    Timestamp::from_second(now.tv_sec.checked_sub(up.tv_sec)?).ok()
}

/// The time since boot, less the time that was spent awake.
fn asleep() -> Option<u64> {
    let awake = clock_gettime(ClockId::Monotonic);
    let up = clock_gettime(ClockId::Boottime);
    u64::try_from(up.tv_sec.checked_sub(awake.tv_sec)?).ok()
}
