//! What `doctor` asks of a repository, and nothing else does.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::child;
use super::repo::Repo;
use crate::error::Failure;

/// A lock this old is not of a git that is at work on references.
const LEFT: Duration = Duration::from_secs(60);
/// How far before the boot it must have been made to count as made before it: boot times are
/// computed.
const SLACK: SignedDuration = SignedDuration::from_secs(2);

impl Repo {
    /// How references are stored: `files`, `reftable`, …
    #[must_use]
    pub fn ref_storage(&self) -> String {
        self.config("extensions.refstorage").unwrap_or_else(|| "files".to_owned())
    }

    /// What objects are named by: `sha1`, `sha256`, …
    #[must_use]
    pub fn object_format(&self) -> String {
        self.config("extensions.objectformat").unwrap_or_else(|| "sha1".to_owned())
    }

    /// Whether git passes over the absolute `path`, which `git add -A` would take otherwise. One
    /// `git check-ignore` child.
    ///
    /// # Errors
    /// What git said when it failed.
    pub fn is_ignored(&self, path: &Path) -> Result<bool, Failure> {
        let root = self.main_worktree().filter(|root| path.starts_with(root));
        let mut git = match root {
            Some(root) => child::git_at(self.env(), self.common_dir(), Some(root)),
            None => self.git(),
        };
        git.args(["check-ignore", "--quiet", "--"]).arg(path);
        let output = child::run(&mut git)?;
        match output.status.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(child::complaint(&git, &output)),
        }
    }

    /// Locks on references, and on the configuration, that have stood for a minute: a git that was
    /// killed left them, and every other waits for them in vain.
    #[must_use]
    pub fn stray_locks(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for name in ["HEAD.lock", "config.lock", "packed-refs.lock", "reftable/tables.list.lock"] {
            found.push(self.common_dir().join(name));
        }
        for dir in ["refs/notes", "refs/conductor"] {
            locks_in(&self.common_dir().join(dir), &mut found, 8);
        }
        let is_left = |path: &PathBuf| {
            let modified = path.symlink_metadata().and_then(|meta| meta.modified());
            modified.is_ok_and(|then| then.elapsed().is_ok_and(|ago| ago >= LEFT))
        };
        found.retain(is_left);
        found
    }
}

impl Repo {
    /// Removes `lock`, if it is one on a reference of ours that was made before this machine was
    /// booted: whoever made it is gone. Whether it was removed.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove_lock_before(&self, lock: &Path, booted: Timestamp) -> Result<bool, Failure> {
        let ours = ["refs/notes", "refs/conductor"];
        if !ours.iter().any(|ours| lock.starts_with(self.common_dir().join(ours))) {
            return Ok(false);
        }
        let modified = lock.symlink_metadata().and_then(|meta| meta.modified()).ok();
        let made = modified.and_then(|modified| Timestamp::try_from(modified).ok());
        if made.is_none_or(|made| booted.duration_since(made) <= SLACK) {
            return Ok(false);
        }
        let cannot = |error| Failure::writing(error, format!("cannot remove '{}'", lock.display()));
        std::fs::remove_file(lock).map_err(cannot)?;
        Ok(true)
    }
}

fn locks_in(dir: &Path, found: &mut Vec<PathBuf>, depth: u32) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) && depth > 0 {
            locks_in(&path, found, depth - 1);
        } else if path.extension().is_some_and(|extension| extension == "lock") {
            found.push(path);
        }
    }
}
