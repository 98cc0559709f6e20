//! File systems by the names that the system gives them: `apfs`, `nfs`, `smbfs`, …

use std::io;
use std::path::Path;

use jiff::Timestamp;
use rustix::fs::{self as sys, StatFs};

use super::MacOs;
use crate::host::platform::FileSystems;

/// `MNT_LOCAL`: what is on it is this machine's alone.
const LOCAL: u32 = 0x1000;

/// Whether no other machine can change what is on it.
pub(super) fn is_local(stat: &StatFs) -> bool {
    stat.f_flags & LOCAL != 0
}

impl FileSystems for MacOs {
    fn kind(path: &Path) -> Option<(String, bool)> {
        let stat = sys::statfs(path).ok()?;
        let name = stat.f_fstypename.iter().map(|byte| byte.cast_unsigned());
        let name: Vec<u8> = name.take_while(|byte| *byte != 0).collect();
        Some((String::from_utf8_lossy(&name).into_owned(), !is_local(&stat)))
    }

    fn write_unnamed(_: &Path) -> io::Result<Option<Timestamp>> {
        Ok(None)
    }
}
