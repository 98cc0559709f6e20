//! Processes by handles: pidfds, and what a process asks of the kernel for itself.

use std::os::fd::OwnedFd;

use rustix::net::RecvFlags;
use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};

use super::Linux;
use crate::host::platform::Control;

impl Control for Linux {
    const ADOPTS: bool = true;
    const CLOSES_RECEIVED: RecvFlags = RecvFlags::CMSG_CLOEXEC;

    fn handle(pid: Pid) -> rustix::io::Result<OwnedFd> {
        pidfd_open(pid, PidfdFlags::empty())
    }

    fn signal(process: &OwnedFd, signal: Signal) -> rustix::io::Result<()> {
        pidfd_send_signal(process, signal)
    }

    fn adopt_orphans() {
        rustix::process::set_child_subreaper(Some(getpid())).ok();
    }

    fn wake_with_parent() {
        rustix::process::set_parent_process_death_signal(Some(Signal::CONT)).ok();
    }

    fn ignored_signals() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
    }
}
