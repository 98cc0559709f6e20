//! File systems by the numbers that Linux gives them (`statfs(2)`), and files without a name.

use std::io;
use std::path::Path;

use jiff::Timestamp;
use rustix::fs::{self as sys, Mode, OFlags};
use rustix::io::Errno;

use super::Linux;
use crate::host::platform::FileSystems;

/// The file systems whose names people know, and whether other machines may be writing to the same
/// files.
const KINDS: &[(u64, &str, bool)] = &[
    (0xef53, "ext4", false),
    (0x5846_5342, "xfs", false),
    (0x9123_683e, "btrfs", false),
    (0x2fc1_2fc1, "zfs", false),
    (0xf2f5_2010, "f2fs", false),
    (0x0102_1994, "tmpfs", false),
    (0x794c_7630, "overlayfs", false),
    (0x0000_4d44, "vfat", false),
    (0x2011_bab0, "exfat", false),
    (0x5346_544e, "ntfs", false),
    (0xf15f, "ecryptfs", false),
    (0x6969, "nfs", true),
    (0xff53_4d42, "cifs", true),
    (0xfe53_4d42, "smb2", true),
    (0x517b, "smb", true),
    (0x0102_1997, "9p", true),
    (0x6573_5546, "fuse", true),
    (0x00c3_6400, "ceph", true),
    (0x5346_414f, "afs", true),
    (0x0bd0_0bd0, "lustre", true),
    (0x0116_1970, "gfs2", true),
    (0x7461_636f, "ocfs2", true),
];

/// The number of the kind of file system. Its type is another one on every architecture and C
/// library; the upper half is never used.
pub(super) fn number(stat: &sys::StatFs) -> u64 {
    u64::try_from(i128::from(stat.f_type) & 0xffff_ffff).unwrap_or_default()
}

impl FileSystems for Linux {
    fn kind(path: &Path) -> Option<(String, bool)> {
        let number = number(&sys::statfs(path).ok()?);
        let known = KINDS.iter().find(|(known, ..)| *known == number);
        Some(known.map_or_else(
            || (format!("of kind {number:#x}"), false),
            |(_, name, shared)| ((*name).to_owned(), *shared),
        ))
    }

    fn write_unnamed(path: &Path) -> io::Result<Option<Timestamp>> {
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        match sys::open(path, flags, Mode::from_raw_mode(0o600)) {
            Ok(file) => {
                rustix::io::write(&file, b"\n")?;
                let stat = sys::fstat(&file)?;
                let nanos = i32::try_from(stat.st_mtime_nsec).unwrap_or_default();
                Ok(Timestamp::new(stat.st_mtime, nanos).ok())
            }
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_without_a_name_is_a_number() {
        assert_eq!(Linux::kind(Path::new("/proc")), Some(("of kind 0x9fa0".to_owned(), false)));
    }
}
