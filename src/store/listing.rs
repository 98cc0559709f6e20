//! Lists directories with the fewest system calls that the system offers.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{self as sys, FileType, OFlags};

/// How a directory is opened.
pub(super) const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What is called with the name of an entry and its kind, until it says no.
type Each<'a> = dyn FnMut(&[u8], FileType) -> io::Result<bool> + 'a;

/// Calls `each` with every entry of a directory, until it says no. The position in a directory
/// belongs to the open file, so it is opened anew.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn each_entry(dir: &OwnedFd, each: &mut Each<'_>) -> io::Result<()> {
    /// So many bytes are read at a time; one entry has no more than 280.
    const PIECE: usize = 8 * 1024;
    // The C library's readers take twice as many system calls for the short directories that we
    // have.
    let anew = sys::openat(dir, ".", DIRECTORY, sys::Mode::empty())?;
    let mut space = [const { std::mem::MaybeUninit::uninit() }; PIECE];
    let mut entries = sys::RawDir::new(anew, &mut space);
    while let Some(entry) = entries.next() {
        let entry = match entry {
            // The directory has been removed, and has no entries: the C library says so as well.
            Err(rustix::io::Errno::NOENT) => break,
            entry => entry?,
        };
        if !each(entry.file_name().to_bytes(), entry.file_type())? {
            break;
        }
    }
    Ok(())
}

/// The same with the C library's reader.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn each_entry(dir: &OwnedFd, each: &mut Each<'_>) -> io::Result<()> {
    for entry in sys::Dir::read_from(dir)? {
        let entry = entry?;
        if !each(entry.file_name().to_bytes(), entry.file_type())? {
            break;
        }
    }
    Ok(())
}
