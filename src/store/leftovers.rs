//! The leftovers of killed commands, for `doctor` and `clean`. They block nobody: every command
//! passes over a temporary name, finishes a committed completion, and takes over the latch of a
//! dead command.

use super::Store;
use super::checked_dir::CheckedDir;
use super::host::{Host, is_older};
use super::layout::{
    ARCHIVE, DONE, LATCH, LOCK, MAX_ENTRIES, PASSING_SECONDS, TEMPORARY_SECONDS, is_temporary,
};
use super::lock::{self, Lock};
use super::past;
use super::read::Attempts;
use crate::error::Failure;
use crate::record::Maker;

/// What a leftover is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeftoverKind {
    /// A file or directory under a temporary name.
    Temporary,
    /// A completion that was committed and not published. The next command that changes the phase
    /// publishes it.
    Completion,
    /// A claim that was given up, or a latch without a claim. The next claim takes it over.
    Lock,
}

/// One leftover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// What it is.
    pub kind: LeftoverKind,
    /// Its path.
    pub path: String,
}

impl<H: Host> Store<H> {
    /// The leftovers in the directory of sprints, in the archive and in the current sprint. With
    /// `clear` the completions are published and the temporary names removed.
    ///
    /// # Errors
    /// The store cannot be read, or not be written.
    pub fn leftovers(&self, clear: Option<&Maker>) -> Result<Vec<Leftover>, Failure> {
        let mut found = Vec::new();
        let Some(conductor) = self.conductor()? else { return Ok(found) };
        self.temporaries(conductor, clear.is_some(), &mut found)?;
        if let Some(archive) = conductor.open(ARCHIVE)? {
            self.temporaries(&archive, clear.is_some(), &mut found)?;
        }
        let Some(current) = self.current()? else { return Ok(found) };
        self.temporaries(&current.dir, clear.is_some(), &mut found)?;
        for id in current.graph.ids() {
            let Some(dir) = current.phase(&current.graph.phase(id).name)? else { continue };
            self.temporaries(&dir, clear.is_some(), &mut found)?;
            if let Some(past) = past::open(&dir)? {
                self.temporaries(&past, clear.is_some(), &mut found)?;
            }
            if let Some((kind, name)) = self.left_in(&dir)? {
                found.push(Leftover { kind, path: format!("{}/{name}", dir.path()) });
            }
        }
        if clear.is_some() {
            self.read(&current, None, Attempts::None, clear)?;
        }
        Ok(found)
    }

    /// Finds the temporary names in `dir` that are so old that no command uses them, and removes
    /// them if `remove`.
    fn temporaries(
        &self,
        dir: &CheckedDir<H::Dir>,
        remove: bool,
        found: &mut Vec<Leftover>,
    ) -> Result<(), Failure> {
        for entry in dir.list(MAX_ENTRIES)?.iter().filter(|entry| is_temporary(&entry.name)) {
            let Some(stat) = dir.stat(&entry.name)? else { continue };
            if !is_older(&self.host, stat.mtime, TEMPORARY_SECONDS) {
                continue;
            }
            let path = format!("{}/{}", dir.path(), entry.name);
            found.push(Leftover { kind: LeftoverKind::Temporary, path });
            if remove {
                dir.remove_all(entry)?;
            }
        }
        Ok(())
    }

    /// The leftover of an interrupted claim or completion in a phase's directory.
    fn left_in(
        &self,
        dir: &CheckedDir<H::Dir>,
    ) -> Result<Option<(LeftoverKind, &'static str)>, Failure> {
        let (kind, name) = match lock::look(&self.host, dir)? {
            Lock::Committed { .. } => (LeftoverKind::Completion, LOCK),
            Lock::Freed { .. } | Lock::Absent(Some(_)) => (LeftoverKind::Lock, LOCK),
            Lock::Absent(None) if !dir.has(DONE)? => (LeftoverKind::Lock, LATCH),
            Lock::Absent(None) | Lock::Owned { .. } | Lock::Script { .. } | Lock::Legacy { .. } => {
                return Ok(None);
            }
        };
        let stat = dir.stat(name)?;
        let is_left = stat.is_some_and(|stat| is_older(&self.host, stat.mtime, PASSING_SECONDS));
        Ok(is_left.then_some((kind, name)))
    }
}
