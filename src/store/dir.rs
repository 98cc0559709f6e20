//! The directory operations that the lock protocol stands on, and nothing more.
//!
//! [`Dir`] is the seam between the protocol and the world: [`crate::store::disk`] implements it
//! with real handles that never follow a link, and the model checker implements it in memory, where
//! it can interleave, kill, fail and cut the power between any two steps. Each method is at most
//! one system call that other processes can see, unless it says otherwise. Every name is a single
//! path component (anything else is `EINVAL`); the handle decides what directory it is looked up
//! in, so a path cannot be swapped underneath, and through a handle of a removed directory nothing
//! can be created (`ENOENT`).

use std::io;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link; nothing below the store follows one.
    Link,
    /// A FIFO, socket or device.
    Other,
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name. One that is not UTF-8 is listed with a `/` in it, so that it matches nothing of
    /// ours; the methods of [`Dir`] know it by that.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

/// What is known of a name without opening it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// What it is (links are not followed).
    pub kind: Kind,
    /// Size in bytes.
    pub size: u64,
    /// Last modification, in nanoseconds since 1970.
    pub mtime: i64,
}

/// A file that has just been created and is open for writing.
pub trait NewFile {
    /// Writes all of `data`. A kill can leave any prefix of it.
    ///
    /// # Errors
    /// Whatever the file system answers, `ENOSPC` among it.
    fn write(&mut self, data: &[u8]) -> io::Result<()>;

    /// Makes the content (not the name) survive a power cut.
    ///
    /// # Errors
    /// Whatever the file system answers.
    fn sync(&mut self) -> io::Result<()>;
}

/// An open directory.
pub trait Dir: Sized {
    /// What [`Dir::create`] gives.
    type File: NewFile;

    /// Opens the directory `name`.
    ///
    /// # Errors
    /// `ENOENT`; `ENOTDIR` (also for a link, on every system).
    fn open_dir(&self, name: &str) -> io::Result<Self>;

    /// Makes an empty directory; exclusive everywhere, NFS too.
    ///
    /// # Errors
    /// `EEXIST` when the name is taken by anything.
    fn make_dir(&self, name: &str) -> io::Result<()>;

    /// Creates an empty file that did not exist, read-only for everyone if `frozen`.
    ///
    /// # Errors
    /// `EEXIST` when the name is taken by anything.
    fn create(&self, name: &str, frozen: bool) -> io::Result<Self::File>;

    /// Reads a whole regular file of at most `limit` bytes.
    ///
    /// # Errors
    /// `ENOENT`; `EFBIG` above the limit; `ELOOP` for a link; `EISDIR` for a directory; `EINVAL`
    /// for any other kind.
    fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>>;

    /// Reads as [`Dir::read`] does, piece by piece, for what need not be held as a whole.
    ///
    /// # Errors
    /// As [`Dir::read`]; what was given to `each` before is worth nothing then.
    fn read_pieces(&self, name: &str, limit: u64, each: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        each(&self.read(name, limit)?);
        Ok(())
    }

    /// Looks at `name` itself, not at what a link points at.
    ///
    /// # Errors
    /// `ENOENT`.
    fn stat(&self, name: &str) -> io::Result<Stat>;

    /// The entries, without `.` and `..`, in no particular order.
    ///
    /// Not atomic: an entry that is renamed meanwhile may be seen under both names, or under
    /// neither.
    ///
    /// # Errors
    /// `EFBIG` above `limit` entries.
    fn list(&self, limit: usize) -> io::Result<Vec<Entry>>;

    /// The entries as [`Dir::list`] gives them, but the first `limit` of them where there are more.
    ///
    /// # Errors
    /// Whatever the file system answers.
    fn list_some(&self, limit: usize) -> io::Result<Vec<Entry>>;

    /// Renames `from` to `to_name` in the directory `to`, in one step.
    ///
    /// A file replaces a file. A directory replaces an *empty* directory and nothing else.
    ///
    /// # Errors
    /// `ENOENT` when `from` is gone; `ENOTEMPTY` or `EEXIST` for a directory onto a non-empty one;
    /// `ENOTDIR` for a directory onto a file; `EISDIR` for a file onto a directory.
    fn rename(&self, from: &str, to: &Self, to_name: &str) -> io::Result<()>;

    /// Gives the file `from` the second name `to_name` in `to`.
    ///
    /// # Errors
    /// `EEXIST` when the name is taken by anything; `ENOENT`.
    fn link(&self, from: &str, to: &Self, to_name: &str) -> io::Result<()>;

    /// Makes the symbolic link `name` with the content `target`.
    ///
    /// # Errors
    /// `EEXIST` when the name is taken by anything.
    fn symlink(&self, target: &str, name: &str) -> io::Result<()>;

    /// Removes a name that is not a directory.
    ///
    /// # Errors
    /// `ENOENT`; `EISDIR` or `EPERM` for a directory.
    fn remove_file(&self, name: &str) -> io::Result<()>;

    /// Removes an empty directory.
    ///
    /// # Errors
    /// `ENOENT`; `ENOTEMPTY`; `ENOTDIR`.
    fn remove_dir(&self, name: &str) -> io::Result<()>;

    /// Makes all changes of this directory's entries so far survive a power cut.
    ///
    /// # Errors
    /// Whatever the file system answers.
    fn sync(&self) -> io::Result<()>;
}
