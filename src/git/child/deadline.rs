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

/// The same where a handle tells of the end and no more: the number is the child's until somebody
/// has waited for it.
#[cfg(target_os = "macos")]
pub(super) fn kill_after(child: &Child, longest: Duration) {
    use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};
    use nix::sys::signal::{Signal, kill};
    let Ok(number) = i32::try_from(child.id()) else { return };
    let (flags, exit) = (EvFlags::EV_ADD | EvFlags::EV_ONESHOT, FilterFlag::NOTE_EXIT);
    let end =
        KEvent::new(number.cast_unsigned() as usize, EventFilter::EVFILT_PROC, flags, exit, 0, 0);
    let Ok(queue) = Kqueue::new() else { return };
    if queue.kevent(&[end], &mut [], None).is_ok() {
        let watch = move || {
            let seconds = longest.as_secs().try_into().unwrap_or(i64::MAX);
            let longest =
                nix::libc::timespec { tv_sec: seconds, tv_nsec: longest.subsec_nanos().into() };
            if let Ok(0) = queue.kevent(&[], &mut [end], Some(longest)) {
                kill(nix::unistd::Pid::from_raw(number), Signal::SIGKILL).ok();
            }
        };
        std::thread::Builder::new().spawn(watch).ok();
    }
}

/// Does nothing: this system has no handles of processes.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "macos")))]
pub(super) fn kill_after(_: &Child, _: Duration) {}
