//! `<common dir>/info/exclude`: what keeps `git stash -u`, `git clean` and `git add -A` off the
//! store.

use std::fs::File;
use std::io::{self, Read as _, Write as _};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat};
use rustix::io::Errno;

use super::repo::Repo;
use crate::error::{Failure, FailureKind};
use crate::sync;

impl Repo {
    /// Adds the line `pattern` to `<common dir>/info/exclude`, unless it is there. Returns whether
    /// it was added.
    ///
    /// The line is one appending write, so that parallel callers and editors lose nothing; at worst
    /// two callers add it twice. A link is read but never written through: it would lead out of the
    /// repository.
    ///
    /// # Errors
    /// [`FailureKind::Tampered`] if `info` or the file is a link (or no file at all) and the line
    /// is missing; otherwise what the system says.
    pub fn exclude(&self, pattern: &str) -> Result<bool, Failure> {
        let path = self.common_dir.join("info/exclude");
        let content = match std::fs::read(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                return Err(Failure::io(error, format!("cannot read '{}'", path.display())));
            }
        };
        let is_it = |line: &[u8]| line.trim_ascii_end() == pattern.as_bytes();
        if content.split(|&byte| byte == b'\n').any(is_it) {
            return Ok(false);
        }
        let added = self.append_to_exclude(pattern);
        added.map_err(|error| match Errno::from_io_error(&error) {
            Some(Errno::LOOP | Errno::NOTDIR | Errno::MLINK) => Failure::new(
                FailureKind::Tampered,
                format!("'{}' is reached through a link and not written", path.display()),
            )
            .hint(format!("add the line '{pattern}' to that file yourself")),
            _ => Failure::writing(error, format!("cannot write '{}'", path.display())),
        })?;
        Ok(true)
    }

    fn append_to_exclude(&self, pattern: &str) -> io::Result<()> {
        let directory = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let common = openat(rustix::fs::CWD, &self.common_dir, directory, Mode::empty())?;
        match rustix::fs::mkdirat(&common, "info", Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let info = openat(&common, "info", directory, Mode::empty())?;
        // Before it is opened: opening a FIFO would wait for its other end.
        match rustix::fs::statat(&info, "exclude", AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile => {
                return Err(Errno::LOOP.into());
            }
            Ok(_) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW;
        let fd = openat(&info, "exclude", flags | OFlags::CLOEXEC, Mode::from_raw_mode(0o666))?;
        let mut file = File::from(fd);
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        let newline = if content.last().is_some_and(|&byte| byte != b'\n') { "\n" } else { "" };
        file.write_all(format!("{newline}{pattern}\n").as_bytes())?;
        // What `start` says is to hold after a power cut, too.
        sync::to_disk(&file)?;
        sync::to_disk(&info)?;
        sync::to_disk(&common)
    }
}
