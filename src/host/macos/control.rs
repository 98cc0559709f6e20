//! The end of processes: a queue of kernel events for each.

use std::os::fd::OwnedFd;

use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::process::{Pid, Signal};

use super::MacOs;
use crate::host::platform::Control;

impl Control for MacOs {
    const ADOPTS: bool = false;
    const CLOSES_RECEIVED: RecvFlags = RecvFlags::empty();

    fn handle(pid: Pid) -> rustix::io::Result<OwnedFd> {
        let queue = Kqueue::new().map_err(errno)?;
        let end = KEvent::new(
            pid.as_raw_nonzero().get().cast_unsigned() as usize,
            EventFilter::EVFILT_PROC,
            EvFlags::EV_ADD | EvFlags::EV_ONESHOT,
            FilterFlag::NOTE_EXIT,
            0,
            0,
        );
        queue.kevent(&[end], &mut [], None).map_err(errno)?;
        Ok(queue.into())
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

fn errno(error: nix::errno::Errno) -> Errno {
    Errno::from_raw_os_error(error as i32)
}
