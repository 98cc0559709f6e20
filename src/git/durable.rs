//! What git writes for us, made durable before it is said.
//!
//! git syncs no reference unless it is told to (`core.fsync`, since 2.36), loose objects neither,
//! and never a directory. So objects are synced here, whichever git wrote them, before a reference
//! leads to them; and the reference afterwards, with the directories that it is in. At no moment
//! does the disk have a reference whose objects it has not.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Command;

use gix::bstr::ByteSlice as _;
use gix::hash::ObjectId;

use super::child;
use super::repo::Repo;
use crate::error::{Failure, FailureKind};
use crate::sync;

/// Makes git sync what it writes before that gets its name, whatever the user has set. A git before
/// 2.36 knows none of it.
const SETTINGS: [&str; 4] =
    ["-c", "core.fsync=committed,reference", "-c", "core.fsyncMethod=fsync"];

/// So often tables of references are looked for again that git has put together meanwhile.
const COMPACTED: u32 = 10;

/// Has `git`, a child without arguments yet, sync what it writes.
pub(super) fn synced(mut git: Command) -> Command {
    git.args(SETTINGS);
    git
}

impl Repo {
    /// Where objects are written to.
    pub(super) fn objects(&self) -> PathBuf {
        let usual = self.common_dir.join("objects");
        self.env.path("GIT_OBJECT_DIRECTORY").unwrap_or(usual)
    }

    /// Where the object `id` is, if it is in no pack.
    pub(super) fn object_file(&self, id: &ObjectId) -> PathBuf {
        let hex = id.to_string();
        let (directory, name) = hex.split_at(2);
        self.objects().join(directory).join(name)
    }

    /// Syncs these objects, each with the directories that it is in. Of packs git itself syncs the
    /// files.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn sync_objects(&self, ids: impl Iterator<Item = ObjectId>) -> Result<(), Failure> {
        let objects = self.objects();
        let mut directories = BTreeSet::new();
        for id in ids {
            let path = self.object_file(&id);
            // One that is not there by itself is in a pack, or another repository's.
            let is_loose = sync(&path)?;
            if is_loose && is_empty(&path) {
                return Err(Failure::new(FailureKind::Git, format!("object {id} is empty")));
            }
            let directory = if is_loose { path.parent() } else { None };
            directories.insert(directory.map_or_else(|| objects.join("pack"), Path::to_owned));
        }
        if !directories.is_empty() {
            directories.insert(objects);
        }
        directories.iter().try_for_each(|directory| sync(directory).map(drop))
    }

    /// Removes the files of those objects that a power cut has left empty: git takes such a file
    /// for the object, and does not write it again.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn remove_empty(&self, ids: impl Iterator<Item = ObjectId>) -> Result<(), Failure> {
        for path in ids.map(|id| self.object_file(&id)).filter(|path| is_empty(path)) {
            std::fs::remove_file(&path).map_err(|error| {
                Failure::writing(error, format!("cannot remove '{}'", path.display()))
            })?;
        }
        Ok(())
    }

    /// Syncs the objects that the commits `new` lead to and the commits `old` do not: who wrote
    /// them need not have synced them. One git child.
    ///
    /// # Errors
    /// What git or the system says.
    pub(super) fn sync_new(&self, new: &[ObjectId], old: &[ObjectId]) -> Result<(), Failure> {
        if new.is_empty() {
            return Ok(());
        }
        let mut git = self.git();
        git.args(["rev-list", "--objects", "--no-object-names", "--missing=allow-any", "--stdin"]);
        git.env("GIT_NO_LAZY_FETCH", "1");
        let new = new.iter().map(|id| format!("{id}\n"));
        let asked: String = new.chain(old.iter().map(|id| format!("^{id}\n"))).collect();
        let listed = child::feed_all(&mut git, asked.into_bytes())?;
        self.sync_objects(listed.lines().filter_map(|line| ObjectId::from_hex(line).ok()))
    }

    /// Syncs references that git has written or removed, with the directories that they are in.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn sync_refs<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<(), Failure> {
        if self.ref_storage() == "reftable" {
            return self.sync_tables();
        }
        let mut directories = BTreeSet::new();
        for name in names {
            let path = self.common_dir.join(name);
            if !sync(&path)? {
                sync(&self.common_dir.join("packed-refs"))?;
            }
            let above = path.ancestors().skip(1).take_while(|it| it.starts_with(&self.common_dir));
            directories.extend(above.map(Path::to_owned));
        }
        directories.iter().try_for_each(|directory| sync(directory).map(drop))
    }

    /// Syncs references that are in tables: git writes the end of each after it has synced it.
    fn sync_tables(&self) -> Result<(), Failure> {
        let tables = self.common_dir.join("reftable");
        let list = tables.join("tables.list");
        for _ in 0..COMPACTED {
            let names = std::fs::read_to_string(&list)
                .map_err(|error| Failure::io(error, format!("cannot read '{}'", list.display())))?;
            let mut all = true;
            for name in names.lines() {
                all &= sync(&tables.join(name))?;
            }
            // Another git may have made one of several meanwhile.
            if all {
                break;
            }
        }
        sync(&list)?;
        sync(&tables).map(drop)
    }

    /// Syncs the repository's configuration, which git has just written.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn sync_config(&self) -> Result<(), Failure> {
        sync(&self.common_dir.join("config"))?;
        sync(&self.common_dir).map(drop)
    }
}

/// Syncs a file or a directory; whether it is there.
pub(super) fn sync(path: &Path) -> Result<bool, Failure> {
    let synced = File::open(path).and_then(|file| match sync::to_disk(&file) {
        // Of a directory some file systems know nothing that could be synced.
        Err(error) if error.kind() == ErrorKind::InvalidInput && is_dir(&file) => Ok(()),
        synced => synced,
    });
    match synced {
        Ok(()) => Ok(true),
        Err(error) if is_absent(&error) => Ok(false),
        Err(error) => Err(Failure::writing(error, format!("cannot sync '{}'", path.display()))),
    }
}

/// Whether it is a file without content. One that git is about to write has another name.
fn is_empty(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|meta| meta.is_file() && meta.len() == 0)
}

fn is_dir(file: &File) -> bool {
    file.metadata().is_ok_and(|meta| meta.is_dir())
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
