//! How one claim stands, for the command that holds it as long as something runs under it.

use super::Store;
use super::checked_dir::Opened;
use super::host::Host;
use super::layout::LOCK;
use super::lock;
use super::past;
use crate::error::Failure;
use crate::record::{Done, Token};
use crate::rules::{State, attempts};

/// How one claim stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// The phase is still held under it.
    Held,
    /// The phase was completed under it.
    Done(Box<Done>),
    /// Its owner gave the phase up.
    GivenUp,
    /// Somebody else ended it: the phase is free, or another's.
    Lost,
    /// Another sprint has taken the place of its own.
    Replaced,
    /// There is no sprint now, so nobody else can have the phase either.
    NoSprint,
}

impl<H: Host> Store<H> {
    /// How the claim `token` of the phase `name` in the sprint `sprint` stands now. Only that phase
    /// is read, so that an unreadable record of another one does not matter.
    ///
    /// # Errors
    /// The phase cannot be read.
    pub fn standing(&self, sprint: &str, name: &str, token: &Token) -> Result<Standing, Failure> {
        let Some(found) = self.current()? else { return Ok(Standing::NoSprint) };
        if found.sprint.sprint_id != sprint {
            return Ok(Standing::Replaced);
        }
        // A name that is not a phase's becomes no path.
        if found.graph.find(name).is_none() {
            return Ok(Standing::Lost);
        }
        let Some(dir) = found.phase(name)? else { return Ok(Standing::Lost) };
        match lock::state(&self.host, &dir)?.0 {
            State::Claimed(hold) if hold.claim.token.as_ref() == Some(token) => {
                return Ok(Standing::Held);
            }
            State::Done(done) if done.token.as_ref() == Some(token) => {
                return Ok(Standing::Done(Box::new(done)));
            }
            State::Claimed(_) | State::Done(_) | State::Pending => {}
        }
        let how = past::ended_as(&dir, token)?;
        Ok(if how.as_deref() == Some(attempts::ABORT) { Standing::GivenUp } else { Standing::Lost })
    }

    /// Shows `each` the directories in which the end of a claim of the phase `name` can be seen.
    ///
    /// # Errors
    /// As [`Store::board`].
    pub fn each_directory_of(
        &self,
        name: &str,
        each: &mut dyn FnMut(&H::Dir),
    ) -> Result<(), Failure> {
        if let Some(conductor) = self.conductor()? {
            each(conductor.dir());
        }
        let Some(found) = self.current()? else { return Ok(()) };
        each(found.dir.dir());
        // A name that is not a phase's becomes no path.
        let Some(id) = found.graph.find(name) else { return Ok(()) };
        let Some(phase) = found.phase(&found.graph.phase(id).name)? else { return Ok(()) };
        each(phase.dir());
        if let Opened::Dir(lock) = phase.open_any(LOCK)? {
            each(lock.dir());
        }
        Ok(())
    }
}
