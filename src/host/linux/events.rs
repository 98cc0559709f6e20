//! Events of directories: inotify.

use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};

use super::Linux;
use super::file_systems::number;
use crate::host::platform::DirectoryEvents;

/// File systems on which another machine, or a process, can change what no event tells of.
const SILENT: &[u64] = &[
    0x6969,      // NFS
    0x517b,      // SMB
    0xff53_4d42, // CIFS
    0xfe53_4d42, // SMB2
    0x0102_1997, // 9P
    0x6573_5546, // FUSE, virtiofs
    0x00c3_6400, // Ceph
    0x5346_414f, // AFS
    0x786f_4256, // vboxsf
];

impl DirectoryEvents for Linux {
    type Queue = OwnedFd;

    fn begin() -> Option<OwnedFd> {
        init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()
    }

    fn add(queue: &OwnedFd, dir: BorrowedFd<'_>, touched: bool) -> bool {
        // By the handle: a path could lead somewhere else by now.
        let path = format!("/proc/self/fd/{}", dir.as_raw_fd());
        let mut changes = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVE;
        if touched {
            // A touch is a change of attributes; one of a single time is a modification.
            changes |= WatchFlags::ATTRIB | WatchFlags::MODIFY;
        }
        let gone = WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF;
        add_watch(queue, path, changes | gone | WatchFlags::ONLYDIR).is_ok()
    }

    fn drain(queue: &OwnedFd) {
        let mut buffer = [0; 4096];
        while rustix::io::read(queue, &mut buffer).is_ok_and(|read| read > 0) {}
    }

    fn misses_changes(dir: BorrowedFd<'_>) -> bool {
        rustix::fs::fstatfs(dir).map_or(true, |stat| SILENT.contains(&number(&stat)))
    }
}
