//! [`CheckedDir`]: a directory handle whose errors carry the path and the attempted operation. It
//! retries `EINTR`, and "it is not there" is an answer rather than an error.
//!
//! Only `ENOENT` means absent. Any other error stops the command.

use std::io;

use serde::{Serialize, de::DeserializeOwned};

use super::dir::{Dir, Entry, Kind, NewFile, Stat};
use super::layout::{MAX_ENTRIES, temporary_name};
use crate::error::{Failure, FailureKind};
use crate::record::Token;

/// How a conditional step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// It was done.
    Done,
    /// What it was to be done to is gone: somebody else was faster.
    Gone,
    /// What it was to make is there already.
    Exists,
}

/// What a new file's content must survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Nothing: a power cut kills its writer too.
    Fleeting,
    /// A power cut.
    Durable,
    /// A power cut; and it is read-only.
    Frozen,
}

/// An open directory and its path below the store, for messages.
#[derive(Debug, Clone)]
pub struct CheckedDir<D> {
    dir: D,
    path: String,
}

/// Repeats a call that a signal interrupted.
pub(crate) fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// A link, a FIFO or a directory where a record belongs: nobody's crash leaves that.
pub(crate) fn is_planted(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::FileTooLarge
    ) || rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::LOOP)
}

/// The failure of a change.
fn cannot(error: io::Error, doing: String) -> Failure {
    if is_planted(&error) {
        Failure { kind: FailureKind::Tampered, ..Failure::io(error, doing) }
    } else {
        Failure::writing(error, doing)
    }
}

/// Tidying up after an error that is reported already: a second error would say nothing more.
pub(crate) fn tidy<T, E>(_: Result<T, E>) {}

fn absent<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn stepped(result: io::Result<()>) -> io::Result<Step> {
    match result {
        Ok(()) => Ok(Step::Done),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Step::Gone),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::AlreadyExists
                    | io::ErrorKind::DirectoryNotEmpty
                    | io::ErrorKind::NotADirectory
                    | io::ErrorKind::IsADirectory
            ) =>
        {
            Ok(Step::Exists)
        }
        Err(error) => Err(error),
    }
}

/// What a name turned out to be.
#[derive(Debug)]
pub(crate) enum Opened<D> {
    /// Nothing.
    Absent,
    /// A regular file.
    File,
    /// A directory.
    Dir(CheckedDir<D>),
}

impl<D: Dir> CheckedDir<D> {
    /// Wraps `dir`, which messages call `path`.
    pub fn new(dir: D, path: impl Into<String>) -> Self {
        Self { dir, path: path.into() }
    }

    /// The handle itself.
    pub const fn dir(&self) -> &D {
        &self.dir
    }

    /// The path below the store, for messages.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// A failed look at `name`.
    fn fail<T>(&self, result: io::Result<T>, verb: &str, name: &str) -> Result<T, Failure> {
        let doing = || format!("cannot {verb} '{}/{name}'", self.path);
        result.map_err(|error| {
            if is_planted(&error) {
                Failure { kind: FailureKind::Tampered, ..Failure::io(error, doing()) }
            } else {
                Failure::io(error, doing())
            }
        })
    }

    /// A failed change of `name`.
    fn fail_to<T>(&self, result: io::Result<T>, verb: &str, name: &str) -> Result<T, Failure> {
        result.map_err(|error| cannot(error, format!("cannot {verb} '{}/{name}'", self.path)))
    }

    /// A failed change that gives `from` the name `to`.
    fn fail_from<T>(
        &self,
        result: io::Result<T>,
        verb: &str,
        from: &str,
        to: (&Self, &str),
    ) -> Result<T, Failure> {
        result.map_err(|error| {
            let target = format!("'{}/{}'", to.0.path, to.1);
            cannot(error, format!("cannot {verb} '{}/{from}' to {target}", self.path))
        })
    }

    /// Opens a directory in this one; `None` if it is not there.
    pub(crate) fn open(&self, name: &str) -> Result<Option<Self>, Failure> {
        let dir = self.fail(absent(retry(|| self.dir.open_dir(name))), "open", name)?;
        Ok(dir.map(|dir| Self { dir, path: format!("{}/{name}", self.path) }))
    }

    /// What `name` is, opened if it is a directory.
    pub(crate) fn open_any(&self, name: &str) -> Result<Opened<D>, Failure> {
        match retry(|| self.dir.open_dir(name)) {
            Ok(dir) => Ok(Opened::Dir(Self { dir, path: format!("{}/{name}", self.path) })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Opened::Absent),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                match self.stat(name)?.map(|stat| stat.kind) {
                    None => Ok(Opened::Absent),
                    Some(Kind::File) => Ok(Opened::File),
                    // It became a directory meanwhile; a link or a FIFO is an error.
                    Some(Kind::Dir) => match self.open(name)? {
                        Some(dir) => Ok(Opened::Dir(dir)),
                        None => Ok(Opened::Absent),
                    },
                    Some(Kind::Link | Kind::Other) => self.fail(Err(error), "open", name),
                }
            }
            Err(error) => self.fail(Err(error), "open", name),
        }
    }

    /// Opens a directory in this one, and makes it first if it is not there; whether it was made.
    pub(crate) fn open_or_make(&self, name: &str) -> Result<(Self, bool), Failure> {
        let mut made = false;
        for _ in 0..8 {
            if let Some(dir) = self.open(name)? {
                return Ok((dir, made));
            }
            made |= self.make(name)? == Step::Done;
        }
        Err(Failure::new(FailureKind::Busy, format!("'{}/{name}' comes and goes", self.path)))
    }

    /// Makes a directory; `Gone` when this one has been removed.
    pub(crate) fn make(&self, name: &str) -> Result<Step, Failure> {
        self.fail_to(stepped(retry(|| self.dir.make_dir(name))), "create", name)
    }

    /// Creates a file that must not exist, with all of its content. On an error nothing is left
    /// behind.
    pub(crate) fn create(&self, name: &str, content: &[u8], keep: Keep) -> Result<Step, Failure> {
        let mut file = match retry(|| self.dir.create(name, keep == Keep::Frozen)) {
            Ok(file) => file,
            Err(error) => return self.fail_to(stepped(Err(error)), "create", name),
        };
        let mut written = file.write(content);
        if keep != Keep::Fleeting && written.is_ok() {
            written = retry(|| file.sync());
        }
        if let Err(error) = written {
            // A half-written record must not be taken for a whole one.
            tidy(retry(|| self.dir.remove_file(name)));
            return self.fail_to(Err(error), "write", name);
        }
        Ok(Step::Done)
    }

    /// Creates a file that must not exist. A kill or an error may leave a partial file: a reader
    /// must count that as absent.
    pub(crate) fn create_once(&self, name: &str, content: &[u8]) -> Result<Step, Failure> {
        let mut file = match retry(|| self.dir.create(name, false)) {
            Ok(file) => file,
            Err(error) => return self.fail_to(stepped(Err(error)), "create", name),
        };
        if !content.is_empty() {
            self.fail_to(file.write(content), "write", name)?;
        }
        Ok(Step::Done)
    }

    /// Puts `record` where `name` is, replacing what is there in one step. `unique` names the
    /// temporary file; `Gone` when this directory has been removed.
    pub(crate) fn put(
        &self,
        name: &str,
        record: &impl Serialize,
        unique: &Token,
        keep: Keep,
    ) -> Result<Step, Failure> {
        let temporary = temporary_name(unique);
        match self.create(&temporary, &to_json(record)?, keep)? {
            Step::Done => {}
            // Left by a killed command of the same token, or this directory is gone.
            Step::Exists => {
                self.remove_file(&temporary)?;
                return self.put(name, record, unique, keep);
            }
            Step::Gone => return Ok(Step::Gone),
        }
        let renamed = self.rename(&temporary, self, name);
        if !matches!(renamed, Ok(Step::Done)) {
            tidy(self.remove_file(&temporary));
        }
        renamed
    }

    /// A new empty file that must not exist, to be written bit by bit.
    pub(crate) fn new_file(&self, name: &str, frozen: bool) -> Result<D::File, Failure> {
        self.fail_to(retry(|| self.dir.create(name, frozen)), "create", name)
    }

    /// Reads a whole file of at most `limit` bytes; `None` if it is not there.
    ///
    /// # Errors
    /// [`FailureKind::Tampered`] if it is no such file; or it cannot be read.
    pub fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Failure> {
        self.fail(absent(retry(|| self.dir.read(name, limit))), "read", name)
    }

    /// Reads a file of at most `limit` bytes from its beginning, into what `begin` makes; `None` if
    /// it is not there.
    pub(crate) fn read_into<T>(
        &self,
        name: &str,
        limit: u64,
        begin: impl Fn() -> T,
        each: impl Fn(&mut T, &[u8]),
    ) -> Result<Option<T>, Failure> {
        let read = retry(|| {
            let mut whole = begin();
            self.dir.read_pieces(name, limit, &mut |piece| each(&mut whole, piece))?;
            Ok(whole)
        });
        self.fail(absent(read), "read", name)
    }

    /// Looks at a name; `None` if it is not there.
    pub(crate) fn stat(&self, name: &str) -> Result<Option<Stat>, Failure> {
        self.fail(absent(retry(|| self.dir.stat(name))), "look at", name)
    }

    /// Whether a name is there, whatever it is.
    pub(crate) fn has(&self, name: &str) -> Result<bool, Failure> {
        Ok(self.stat(name)?.is_some())
    }

    /// The entries; none if this directory has been removed.
    pub(crate) fn list(&self, limit: usize) -> Result<Vec<Entry>, Failure> {
        let entries = self.fail(absent(retry(|| self.dir.list(limit))), "list", ".")?;
        Ok(entries.unwrap_or_default())
    }

    /// The entries, or the first `limit` of them; none if this directory has been removed.
    pub(crate) fn list_some(&self, limit: usize) -> Result<Vec<Entry>, Failure> {
        let entries = self.fail(absent(retry(|| self.dir.list_some(limit))), "list", ".")?;
        Ok(entries.unwrap_or_default())
    }

    /// Renames; `Gone` when `from` is, `Exists` when the target is something that stays.
    pub(crate) fn rename(&self, from: &str, to: &Self, name: &str) -> Result<Step, Failure> {
        let result = retry(|| self.dir.rename(from, &to.dir, name));
        self.fail_from(stepped(result), "rename", from, (to, name))
    }

    /// Gives a file a second name.
    pub(crate) fn link(&self, from: &str, to: &Self, name: &str) -> Result<Step, Failure> {
        let result = retry(|| self.dir.link(from, &to.dir, name));
        self.fail_from(stepped(result), "link", from, (to, name))
    }

    /// Makes a symbolic link.
    pub(crate) fn symlink(&self, target: &str, name: &str) -> Result<Step, Failure> {
        self.fail_to(stepped(retry(|| self.dir.symlink(target, name))), "link", name)
    }

    /// Removes a file; `Gone` if it was not there.
    pub(crate) fn remove_file(&self, name: &str) -> Result<Step, Failure> {
        self.fail_to(stepped(retry(|| self.dir.remove_file(name))), "remove", name)
    }

    /// Removes an empty directory; `Exists` if it is not empty or no directory.
    pub(crate) fn remove_dir(&self, name: &str) -> Result<Step, Failure> {
        self.fail_to(stepped(retry(|| self.dir.remove_dir(name))), "remove", name)
    }

    /// Removes a name and all below it, never through a link; what vanishes meanwhile is fine.
    pub(crate) fn remove_all(&self, entry: &Entry) -> Result<(), Failure> {
        if entry.kind != Kind::Dir {
            self.remove_file(&entry.name)?;
            return Ok(());
        }
        for _ in 0..4 {
            let Some(dir) = self.open(&entry.name)? else { return Ok(()) };
            dir.empty()?;
            if self.remove_dir(&entry.name)? != Step::Exists {
                break;
            }
        }
        Ok(())
    }

    /// Removes all that is in here. A directory in a directory is moved up to here under a number,
    /// and its turn comes: however deep a tree somebody made, this takes three handles and no
    /// stack.
    fn empty(&self) -> Result<(), Failure> {
        let mut number = 0_u64;
        let mut left = self.list(MAX_ENTRIES)?;
        while let Some(Entry { name, kind }) = left.pop() {
            if kind != Kind::Dir {
                self.remove_file(&name)?;
                continue;
            }
            let Some(dir) = self.open(&name)? else { continue };
            for inner in dir.list(MAX_ENTRIES)? {
                if inner.kind != Kind::Dir {
                    dir.remove_file(&inner.name)?;
                    continue;
                }
                let mut step = Step::Exists;
                while step == Step::Exists {
                    number += 1;
                    step = dir.rename(&inner.name, self, &format!(".{number}"))?;
                }
                if step == Step::Done {
                    left.push(Entry { name: format!(".{number}"), kind: Kind::Dir });
                }
            }
            self.remove_dir(&name)?;
        }
        Ok(())
    }

    /// Makes all changes of this directory's entries so far survive a power cut.
    pub(crate) fn sync(&self) -> Result<(), Failure> {
        self.fail_to(retry(|| self.dir.sync()), "sync", ".")
    }
}

/// A record as it is written: one line of JSON.
pub(crate) fn to_json(record: &impl Serialize) -> Result<Vec<u8>, Failure> {
    let mut bytes = serde_json::to_vec(record)
        .map_err(|error| Failure::new(FailureKind::Bug, format!("cannot encode: {error}")))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Reads a record that may be torn, empty or foreign: `None` if it cannot be understood.
pub(crate) fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}
