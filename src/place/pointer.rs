//! `<common dir>/conductor/store`: one line, the store's path relative to the common directory, so
//! that it holds in a container that mounts the repository elsewhere.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat};
use rustix::io::Errno;

use crate::error::{Failure, FailureKind};
use crate::git::Sharing;
use crate::sync;

/// Directory and file, below the common directory.
const DIRECTORY: &str = "conductor";
const FILE: &str = "store";

/// The longest path (`PATH_MAX`).
const MAX_POINTER_BYTES: usize = 4096;

const OPEN_DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The store that the pointer names, not yet looked at; `None` if there is no pointer.
pub(super) fn read(common_dir: &Path) -> Result<Option<PathBuf>, Failure> {
    let path = common_dir.join(DIRECTORY).join(FILE);
    let content = match read_bytes(common_dir) {
        Ok(content) => content,
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP | Errno::MLINK | Errno::NOTDIR) => {
            return Err(tampered(&path, "is reached through a link, or is no file"));
        }
        Err(error) => {
            return Err(Failure::io(error.into(), format!("cannot read '{}'", path.display())));
        }
    };
    let store = parse(&content).ok_or_else(|| tampered(&path, "does not hold one path"))?;
    Ok(Some(common_dir.join(store)))
}

/// The path that the content of a pointer is, relative to the common directory or absolute; `None`
/// if it is not one line of 1 to 4096 bytes.
#[must_use]
pub fn parse(content: &[u8]) -> Option<&Path> {
    let line = content.strip_suffix(b"\n").unwrap_or(content);
    let fits = !line.is_empty() && line.len() <= MAX_POINTER_BYTES;
    let one_path = fits && !line.iter().any(|byte| matches!(byte, 0 | b'\n'));
    one_path.then(|| Path::new(OsStr::from_bytes(line)))
}

/// Makes the pointer name `store`; see [`super::write_pointer`].
pub(super) fn write(common_dir: &Path, store: &Path, sharing: Sharing) -> Result<(), Failure> {
    let mut line = relative(common_dir, store).into_os_string().into_vec();
    if line.len() > MAX_POINTER_BYTES || line.iter().any(|byte| matches!(byte, 0 | b'\n')) {
        let text = format!("cannot record the store '{}' in one line", store.display());
        return Err(Failure::new(FailureKind::Usage, text));
    }
    line.push(b'\n');
    // One look decides: by a second one, another's first pointer would pass for one that is gone.
    let replace = match look(common_dir, store)? {
        Known::This => return Ok(()),
        Known::Nothing => false,
        Known::Gone => true,
    };
    match put(common_dir, &line, replace, sharing) {
        // Two first starts at once: the pointer that was there first holds for both.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            match look(common_dir, store)? {
                Known::This => Ok(()),
                Known::Nothing | Known::Gone => Err(taken(common_dir)),
            }
        }
        Err(error) => {
            let path = common_dir.join(DIRECTORY).join(FILE);
            Err(Failure::writing(error, format!("cannot write '{}'", path.display())))
        }
        // Two that replaced the same one: the last holds.
        Ok(()) if replace => match look(common_dir, store)? {
            Known::This => Ok(()),
            Known::Nothing | Known::Gone => Err(taken(common_dir)),
        },
        Ok(()) => Ok(()),
    }
}

/// What there is of a pointer, to one who would record a store.
enum Known {
    /// None.
    Nothing,
    /// It names that store.
    This,
    /// It names a store that is gone.
    Gone,
}

/// Looks at the pointer once. One to another store that is there is a failure.
fn look(common_dir: &Path, store: &Path) -> Result<Known, Failure> {
    let Some(known) = read(common_dir)? else { return Ok(Known::Nothing) };
    if relative(common_dir, &super::tidy(&known)) == relative(common_dir, store) {
        return Ok(Known::This);
    }
    match known.canonicalize() {
        Ok(known) if known == store => Ok(Known::This),
        Ok(known) if known.is_dir() => Err(taken(common_dir)),
        Ok(_) | Err(_) => Ok(Known::Gone),
    }
}

fn read_bytes(common_dir: &Path) -> Result<Vec<u8>, Errno> {
    let directory = open_directory(common_dir)?;
    // Without waiting: it could be a FIFO.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(&directory, FILE, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Errno::NOTDIR);
    }
    let mut content = Vec::new();
    let most = u64::try_from(MAX_POINTER_BYTES + 2).unwrap_or(u64::MAX);
    File::from(file)
        .take(most)
        .read_to_end(&mut content)
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    Ok(content)
}

/// `<common dir>/conductor`, which must not be a link; the common directory's own path is
/// canonical.
fn open_directory(common_dir: &Path) -> Result<OwnedFd, Errno> {
    openat(rustix::fs::CWD, common_dir.join(DIRECTORY), OPEN_DIRECTORY, Mode::empty())
}

/// Writes the file under a name of its own and gives it the right one in one step: only if there is
/// none yet, or in place of the one that is there.
fn put(common_dir: &Path, line: &[u8], replace: bool, sharing: Sharing) -> io::Result<()> {
    let common = openat(rustix::fs::CWD, common_dir, OPEN_DIRECTORY, Mode::empty())?;
    let is_new = match rustix::fs::mkdirat(&common, DIRECTORY, Mode::from_raw_mode(0o777)) {
        Ok(()) => {
            sync::to_disk(&common)?;
            true
        }
        Err(Errno::EXIST) => false,
        Err(error) => return Err(error.into()),
    };
    let directory = open_directory(common_dir)?;
    if is_new {
        share(&directory, sharing, true)?;
    }
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let temporary = format!("{FILE}.{:016x}", u64::from_ne_bytes(random));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(&directory, &temporary, flags, Mode::from_raw_mode(0o666))?;
    let placed = (|| {
        let mut file = File::from(file);
        share(&file, sharing, false)?;
        file.write_all(line)?;
        sync::to_disk(&file)?;
        if replace {
            rustix::fs::renameat(&directory, &temporary, &directory, FILE)?;
            return Ok(());
        }
        match rustix::fs::linkat(&directory, &temporary, &directory, FILE, AtFlags::empty()) {
            // A file system without hard links: last one wins, as nothing better is to be had.
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK) => {
                rustix::fs::renameat(&directory, &temporary, &directory, FILE)
            }
            other => other,
        }?;
        Ok(())
    })();
    // Gone already if it was renamed.
    _ = rustix::fs::unlinkat(&directory, &temporary, AtFlags::empty());
    placed.and_then(|()| sync::to_disk(&directory))
}

/// Has others use what was just made, if the repository is shared.
#[allow(clippy::useless_conversion, reason = "the field's size is the platform's")]
fn share(file: impl AsFd, sharing: Sharing, is_dir: bool) -> Result<(), Errno> {
    if sharing == Sharing::Umask {
        return Ok(());
    }
    let mode = u32::from(rustix::fs::fstat(&file)?.st_mode) & 0o7777;
    let Some(mode) = sharing.mode(mode, is_dir) else { return Ok(()) };
    rustix::fs::fchmod(file, Mode::from_bits_retain(mode.try_into().unwrap_or_default()))
}

/// The path that leads from the directory `from` to `to`, both absolute and tidy (no `.` or `..`).
#[must_use]
pub fn relative(from: &Path, to: &Path) -> PathBuf {
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    let path: PathBuf = up.chain(to.components().skip(shared)).collect();
    if path.as_os_str().is_empty() { PathBuf::from(OsString::from(".")) } else { path }
}

fn taken(common_dir: &Path) -> Failure {
    let path = common_dir.join(DIRECTORY).join(FILE);
    let text = format!("'{}' has just been made to name another store", path.display());
    Failure::new(FailureKind::Busy, text)
}

fn tampered(path: &Path, what: &str) -> Failure {
    Failure::new(FailureKind::Tampered, format!("'{}' {what}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::relative;

    #[test]
    fn relative_paths() {
        let from = Path::new("/a/repo/.git");
        for (to, path) in [
            ("/a/repo/.nanostack", "../.nanostack"),
            ("/a/repo/.git/nanostack", "nanostack"),
            ("/b/store", "../../../b/store"),
            ("/a/repo/.git", "."),
        ] {
            assert_eq!(relative(from, Path::new(to)), Path::new(path));
        }
    }
}
