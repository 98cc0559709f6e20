//! What the store lies on: the kind of file system, whether it can be written, whose clock it has.

use std::io;
use std::path::Path;

use jiff::Timestamp;
use rustix::fs::{self as sys, Access, AtFlags, Mode, OFlags};

use super::Current;
use super::platform::FileSystems as _;

/// The kind of the file system that `path` is on, and whether it may be shared with other machines;
/// `None` where that cannot be told.
pub(crate) fn kind(path: &Path) -> Option<(String, bool)> {
    Current::kind(path)
}

/// Writes a byte to a file without a name in the directory `path`, and gives that file's time: the
/// file system's clock. `None` where there are no such files, and only permissions were asked.
///
/// # Errors
/// The directory cannot be written.
pub(crate) fn write(path: &Path) -> io::Result<Option<Timestamp>> {
    if let Some(time) = Current::write_unnamed(path)? {
        return Ok(Some(time));
    }
    let dir = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = sys::open(path, dir, Mode::empty())?;
    sys::accessat(&dir, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::{kind, write};

    #[test]
    fn the_temporary_directory() {
        let dir = std::env::temp_dir();
        assert!(kind(&dir).is_some_and(|(name, _)| !name.is_empty()));
        assert!(write(&dir).is_ok());
        assert!(write(&dir.join("no such directory")).is_err());
    }
}
