//! Events of directories: a queue of kernel events for files.

use std::cell::RefCell;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};

use super::MacOs;
use super::file_systems::is_local;
use crate::host::platform::DirectoryEvents;

/// A queue of events.
pub(in crate::host) struct Queue {
    queue: Kqueue,
    /// The directories: one that is closed has no more events.
    dirs: RefCell<Vec<OwnedFd>>,
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}

impl DirectoryEvents for MacOs {
    type Queue = Queue;

    fn begin() -> Option<Queue> {
        Some(Queue { queue: Kqueue::new().ok()?, dirs: RefCell::default() })
    }

    fn add(queue: &Queue, dir: BorrowedFd<'_>, touched: bool) -> bool {
        let Ok(dir) = dir.try_clone_to_owned() else { return false };
        let changes = FilterFlag::NOTE_WRITE
            | FilterFlag::NOTE_EXTEND
            | FilterFlag::NOTE_DELETE
            | FilterFlag::NOTE_RENAME;
        let event = KEvent::new(
            dir.as_raw_fd().cast_unsigned() as usize,
            EventFilter::EVFILT_VNODE,
            // Taken out of the queue, it is reported again only when something happens again.
            EvFlags::EV_ADD | EvFlags::EV_CLEAR,
            changes,
            0,
            0,
        );
        let is_added = queue.queue.kevent(&[event], &mut [], None).is_ok();
        queue.dirs.borrow_mut().push(dir);
        // A touch is a change of the file, and of nothing in its directory.
        is_added && !touched
    }

    fn drain(queue: &Queue) {
        let none =
            KEvent::new(0, EventFilter::EVFILT_VNODE, EvFlags::empty(), FilterFlag::empty(), 0, 0);
        let mut events = [none; 64];
        let at_once = || Some(nix::libc::timespec { tv_sec: 0, tv_nsec: 0 });
        while queue
            .queue
            .kevent(&[], &mut events, at_once())
            .is_ok_and(|count| count == events.len())
        {}
    }

    fn misses_changes(dir: BorrowedFd<'_>) -> bool {
        rustix::fs::fstatfs(dir).map_or(true, |stat| !is_local(&stat))
    }
}
