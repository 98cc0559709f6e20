//! The real directories: every access goes through a handle and a single component, and none
//! follows a link. A name cannot be swapped for a link between a check and its use, because there
//! is no check: the system call itself refuses.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use rustix::fs::{self as sys, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::dir::{Dir, Entry, Kind, NewFile, Stat};
use super::listing::{DIRECTORY, each_entry};
use crate::record::sharing::Sharing;
use crate::sync;

/// An open directory of the real file system.
#[derive(Debug)]
pub struct DiskDir {
    fd: OwnedFd,
    /// Who else may use what is made in it.
    sharing: Sharing,
}

/// A file being written.
#[derive(Debug)]
pub struct DiskFile(File);

/// How a name is listed. One that is not UTF-8 gets a `/`, which no name has, and its bytes in
/// hexadecimal: it matches nothing of ours, and can be removed all the same.
fn listed(name: &[u8]) -> String {
    let strange = || {
        name.iter().fold("/".to_owned(), |mut text, byte| {
            // Writing to a String cannot fail.
            _ = write!(text, "{byte:02x}");
            text
        })
    };
    std::str::from_utf8(name).map_or_else(|_| strange(), str::to_owned)
}

/// The name that was listed so. Nothing else with a `/` is a name: it would be a path.
fn component(name: &str) -> Result<Cow<'_, OsStr>, Errno> {
    let Some(digits) = name.strip_prefix('/') else {
        let is_path = name.contains('/') || matches!(name, "" | "." | "..");
        return if is_path { Err(Errno::INVAL) } else { Ok(Cow::Borrowed(OsStr::new(name))) };
    };
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
    let strange =
        bytes.filter(|bytes| std::str::from_utf8(bytes).is_err() && !bytes.contains(&b'/'));
    Ok(Cow::Owned(OsString::from_vec(strange.ok_or(Errno::INVAL)?)))
}

impl DiskDir {
    /// Opens a directory by its path. That must be canonical as far as the user chose it: links on
    /// the way are followed, but one in the last place is not.
    ///
    /// # Errors
    /// `ENOENT`; `ENOTDIR` for anything else than a directory, a link too; …
    pub fn open(path: &Path) -> io::Result<Self> {
        let fd = sys::open(path, DIRECTORY, Mode::empty())?;
        Ok(Self { fd, sharing: Sharing::Umask })
    }

    /// The same for one whose user shares what is made in it, and in all directories below it.
    #[must_use]
    pub fn shared(self, sharing: Sharing) -> Self {
        Self { sharing, ..self }
    }

    /// Has others use the directory itself, as far as it is ours.
    ///
    /// # Errors
    /// Whatever `fstat` and `fchmod` answer.
    pub fn share(&self) -> io::Result<()> {
        self.share_file(&self.fd, true)
    }

    #[allow(clippy::useless_conversion, reason = "the field's size is the platform's")]
    fn share_file(&self, file: impl AsFd, is_dir: bool) -> io::Result<()> {
        if self.sharing == Sharing::Umask {
            return Ok(());
        }
        let mode = u32::from(sys::fstat(&file)?.st_mode) & 0o7777;
        let Some(mode) = self.sharing.mode(mode, is_dir) else { return Ok(()) };
        let mode = Mode::from_bits_retain(mode.try_into().unwrap_or_default());
        match sys::fchmod(file, mode) {
            // Another user has made it, and has said who may use it.
            Err(Errno::PERM) => Ok(()),
            changed => Ok(changed?),
        }
    }

    /// The user (uid) that the directory belongs to.
    ///
    /// # Errors
    /// Whatever `fstat` answers.
    pub fn owner(&self) -> io::Result<u32> {
        Ok(sys::fstat(&self.fd)?.st_uid)
    }

    /// Sets the times of `name` to now. A link itself is touched, not what it points at.
    ///
    /// # Errors
    /// `ENOENT`; `EROFS`; `EACCES`.
    pub fn touch(&self, name: &str) -> io::Result<()> {
        let now = sys::Timespec { tv_sec: 0, tv_nsec: sys::UTIME_NOW };
        let times = sys::Timestamps { last_access: now, last_modification: now };
        Ok(sys::utimensat(&self.fd, &*component(name)?, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Opens a file to append to, and makes it if it is not there; one write is one line.
    ///
    /// # Errors
    /// `ELOOP` for a link; `EINVAL` for any other kind than a regular file.
    pub fn append(&self, name: &str, line: &[u8]) -> io::Result<()> {
        let file = self.open_file(
            name,
            OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE,
            Mode::from_raw_mode(0o666),
        )?;
        let mut file = File::from(file);
        self.share_file(&file, false)?;
        file.write_all(line)
    }

    /// Opens a file to be read from anywhere in it, and says how long it is, in bytes.
    ///
    /// # Errors
    /// As [`DiskDir::append`].
    pub fn readable(&self, name: &str) -> io::Result<(File, u64)> {
        let (file, stat) = self.open_stat(name, OFlags::RDONLY, Mode::empty())?;
        Ok((File::from(file), u64::try_from(stat.st_size).unwrap_or_default()))
    }

    /// Opens a file to be locked, and makes it if it is not there.
    ///
    /// # Errors
    /// As [`DiskDir::append`].
    pub fn lockable(&self, name: &str) -> io::Result<File> {
        // A reader without write permission can still take the lock.
        match self.open_file(name, OFlags::RDONLY, Mode::empty()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened.map(File::from),
        }
        let flags = OFlags::RDONLY | OFlags::CREATE;
        let file = self.open_file(name, flags, Mode::from_raw_mode(0o666)).map(File::from)?;
        self.share_file(&file, false)?;
        Ok(file)
    }

    fn open_file(&self, name: &str, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        Ok(self.open_stat(name, flags, mode)?.0)
    }

    /// Opens a regular file; without `O_NONBLOCK` a planted FIFO would hold us for ever.
    fn open_stat(&self, name: &str, flags: OFlags, mode: Mode) -> io::Result<(OwnedFd, sys::Stat)> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match sys::openat(&self.fd, &*component(name)?, flags, mode) {
            // What is said of a socket, and of a FIFO that nobody reads.
            Err(Errno::NXIO) => return Err(Errno::INVAL.into()),
            opened => opened?,
        };
        let stat = sys::fstat(&file)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind.is_file() {
            Ok((file, stat))
        } else if kind.is_dir() {
            Err(io::Error::from(Errno::ISDIR))
        } else {
            Err(io::Error::from(Errno::INVAL))
        }
    }
}

impl AsFd for DiskDir {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl NewFile for DiskFile {
    fn write(&mut self, data: &[u8]) -> io::Result<()> {
        self.0.write_all(data)
    }

    fn sync(&mut self) -> io::Result<()> {
        sync::to_disk(&self.0)
    }
}

fn kind(file_type: FileType) -> Kind {
    if file_type.is_file() {
        Kind::File
    } else if file_type.is_dir() {
        Kind::Dir
    } else if file_type.is_symlink() {
        Kind::Link
    } else {
        Kind::Other
    }
}

impl Dir for DiskDir {
    type File = DiskFile;

    fn open_dir(&self, name: &str) -> io::Result<Self> {
        match sys::openat(&self.fd, &*component(name)?, DIRECTORY, Mode::empty()) {
            Ok(fd) => Ok(Self { fd, sharing: self.sharing }),
            // Linux says ENOTDIR for a link opened so, other systems ELOOP or EMLINK.
            Err(Errno::LOOP | Errno::MLINK) => Err(io::Error::from(Errno::NOTDIR)),
            Err(error) => Err(error.into()),
        }
    }

    fn make_dir(&self, name: &str) -> io::Result<()> {
        sys::mkdirat(&self.fd, &*component(name)?, Mode::from_raw_mode(0o777))?;
        if self.sharing == Sharing::Umask {
            return Ok(());
        }
        match self.open_dir(name) {
            Ok(made) => made.share(),
            // Somebody has taken it away already, as may happen to a latch.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn create(&self, name: &str, frozen: bool) -> io::Result<DiskFile> {
        let mode = Mode::from_raw_mode(if frozen { 0o444 } else { 0o666 });
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = File::from(sys::openat(&self.fd, &*component(name)?, flags, mode)?);
        self.share_file(&file, false)?;
        Ok(DiskFile(file))
    }

    fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        let (file, stat) = self.open_stat(name, OFlags::RDONLY, Mode::empty())?;
        // Most records are read in one call: a record is whole when it gets its name, and as long
        // as it was then. What a script writes in place is read to its end as far as it is there.
        let size = u64::try_from(stat.st_size).unwrap_or_default().min(limit);
        let mut content = vec![0; usize::try_from(size).unwrap_or_default() + 1];
        let mut file = File::from(file).take(limit + 1);
        let read = file.read(&mut content)?;
        content.truncate(read);
        if read as u64 != size {
            file.read_to_end(&mut content)?;
        }
        if content.len() as u64 > limit {
            return Err(io::Error::from(Errno::FBIG));
        }
        Ok(content)
    }

    fn read_pieces(&self, name: &str, limit: u64, each: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        let (file, _) = self.open_stat(name, OFlags::RDONLY, Mode::empty())?;
        let mut file = File::from(file).take(limit.saturating_add(1));
        let mut piece = vec![0; 64 * 1024];
        loop {
            match file.read(&mut piece)? {
                0 if file.limit() == 0 => return Err(io::Error::from(rustix::io::Errno::FBIG)),
                0 => return Ok(()),
                n => each(&piece[..n]),
            }
        }
    }

    #[allow(clippy::useless_conversion, reason = "the field's size is the platform's")]
    fn stat(&self, name: &str) -> io::Result<Stat> {
        let stat = sys::statat(&self.fd, &*component(name)?, AtFlags::SYMLINK_NOFOLLOW)?;
        let nanos = i64::try_from(stat.st_mtime_nsec).unwrap_or_default();
        Ok(Stat {
            kind: kind(FileType::from_raw_mode(stat.st_mode)),
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            mtime: stat.st_mtime.saturating_mul(1_000_000_000).saturating_add(nanos),
        })
    }

    fn list(&self, limit: usize) -> io::Result<Vec<Entry>> {
        // One more tells that there are more.
        let entries = self.list_some(limit.saturating_add(1))?;
        if entries.len() > limit { Err(io::Error::from(Errno::FBIG)) } else { Ok(entries) }
    }

    fn list_some(&self, limit: usize) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        let mut add = |name: &[u8], file_type: FileType| -> io::Result<bool> {
            if name == b"." || name == b".." {
                return Ok(true);
            }
            if entries.len() == limit {
                return Ok(false);
            }
            let name = listed(name);
            let mut kind = kind(file_type);
            if file_type == FileType::Unknown {
                // Some file systems do not say.
                kind = match self.stat(&name) {
                    Ok(stat) => stat.kind,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
                    Err(error) => return Err(error),
                };
            }
            entries.push(Entry { name, kind });
            Ok(true)
        };
        each_entry(&self.fd, &mut add)?;
        Ok(entries)
    }

    fn rename(&self, from: &str, to: &Self, to_name: &str) -> io::Result<()> {
        Ok(sys::renameat(&self.fd, &*component(from)?, &to.fd, &*component(to_name)?)?)
    }

    fn link(&self, from: &str, to: &Self, to_name: &str) -> io::Result<()> {
        Ok(sys::linkat(
            &self.fd,
            &*component(from)?,
            &to.fd,
            &*component(to_name)?,
            AtFlags::empty(),
        )?)
    }

    fn symlink(&self, target: &str, name: &str) -> io::Result<()> {
        Ok(sys::symlinkat(target, &self.fd, &*component(name)?)?)
    }

    fn remove_file(&self, name: &str) -> io::Result<()> {
        Ok(sys::unlinkat(&self.fd, &*component(name)?, AtFlags::empty())?)
    }

    fn remove_dir(&self, name: &str) -> io::Result<()> {
        Ok(sys::unlinkat(&self.fd, &*component(name)?, AtFlags::REMOVEDIR)?)
    }

    fn sync(&self) -> io::Result<()> {
        sync::to_disk(&self.fd)
    }
}
