//! Reminders: an empty file beside a claim for each session that was told of it.
//!
//! The file is named after the claim's token, so a new claim is told again. It lies in the lock, so
//! it goes when the claim goes, whichever version clears the lock. No decision depends on it.

use super::Store;
use super::checked_dir::{CheckedDir, Step};
use super::host::Host;
use super::layout::{MAX_PHASE_ENTRIES, MAX_REMINDERS, TOLD, told_name};
use super::lock::{self, Lock};
use crate::error::Failure;

impl<H: Host> Store<H> {
    /// Records that `session` was told about its claims on `phases`, and returns those that are new
    /// to it. `session` must be safe as a part of a file name.
    ///
    /// A claim that has ended meanwhile, and one that has no token (a script's), is left out.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn tell(&self, phases: &[String], session: &str) -> Result<Vec<String>, Failure> {
        let Some(found) = self.current()? else { return Ok(Vec::new()) };
        let mut anew = Vec::new();
        for name in phases {
            let Some(phase) = found.phase(name)? else { continue };
            if let Lock::Owned { lock, token, .. } = lock::look(&self.host, &phase)?
                && tell_once(&lock, &told_name(&token, session))?
            {
                anew.push(name.clone());
            }
        }
        Ok(anew)
    }
}

fn tell_once<D: super::dir::Dir>(lock: &CheckedDir<D>, name: &str) -> Result<bool, Failure> {
    let reminders =
        lock.list(MAX_PHASE_ENTRIES)?.into_iter().filter(|entry| entry.name.starts_with(TOLD));
    Ok(reminders.count() < MAX_REMINDERS && lock.create_once(name, b"")? == Step::Done)
}
