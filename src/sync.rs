//! What was written outlasts a power cut.

use std::io;
use std::os::fd::AsFd;

use rustix::io::retry_on_intr;

/// Returns once what was written to `file`, or to a directory's entries, is on the disk.
///
/// # Errors
/// What the system says; nothing is promised of what was written then.
#[cfg(not(target_vendor = "apple"))]
pub(crate) fn to_disk(file: impl AsFd) -> io::Result<()> {
    Ok(retry_on_intr(|| rustix::fs::fsync(&file))?)
}

/// The same where `fsync` only says that the disk was told, and may keep it in its own memory. Some
/// file systems have no more than that.
#[cfg(target_vendor = "apple")]
pub(crate) fn to_disk(file: impl AsFd) -> io::Result<()> {
    use rustix::io::Errno;
    match retry_on_intr(|| rustix::fs::fcntl_fullfsync(&file)) {
        Err(Errno::NOTSUP | Errno::INVAL | Errno::NOTTY | Errno::NOSYS) => {
            Ok(retry_on_intr(|| rustix::fs::fsync(&file))?)
        }
        synced => Ok(synced?),
    }
}
