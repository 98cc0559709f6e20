//! Kills a child that takes too long, by a handle: its number may be another process's by then.
//! Only some systems have handles of processes.

use std::process::Child;
use std::time::Duration;

/// Kills `child` after so long, unless it has ended. Does nothing if the system has no handles of
/// processes, or no more threads.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn kill_after(child: &Child, longest: Duration) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
    if let Ok(handle) = pidfd_open(Pid::from_child(child), PidfdFlags::empty()) {
        let watch = move || {
            let ends = &mut [PollFd::new(&handle, PollFlags::IN)];
            let longest = Timespec::try_from(longest).ok();
            if let Ok(0) = poll(ends, longest.as_ref()) {
                pidfd_send_signal(&handle, Signal::KILL).ok();
            }
        };
        std::thread::Builder::new().spawn(watch).ok();
    }
}

/// Does nothing: this system has no handles of processes.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn kill_after(_: &Child, _: Duration) {}
