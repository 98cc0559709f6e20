//! Carrying completions, with their pinned artifacts, from an earlier sprint into a new one.
//!
//! The new sprint gets its own copies, so the old one can be removed; the old one is not changed. A
//! pin whose content no longer matches its hash is never carried.

use sha2::{Digest, Sha256};

use super::Store;
use super::artifact::{hash_of_pin, hex, whole_pin};
use super::checked_dir::{CheckedDir, Keep, Step, to_json};
use super::dir::{Dir, Kind};
use super::host::Host;
use super::latch;
use super::layout::{DONE, MAX_RECORD_BYTES, artifact_name, is_pin, pin_name};
use super::read::Attempts;
use super::sprints::OpenSprint;
use crate::error::{Failure, FailureKind, Stop};
use crate::record::{Done, Maker, PhaseEntry};
use crate::rules::gate::Pin;
use crate::rules::reasons::Unresumed;
use crate::rules::rounds::{Ask, carried};
use crate::rules::{Refusal, State};

/// A completion that a new sprint takes over.
pub(crate) struct Carried<D> {
    /// The phase.
    pub(crate) phase: String,
    /// Its record, as it is to be in the new sprint.
    done: Done,
    /// Its directory in the old one.
    old: CheckedDir<D>,
}

/// What a new sprint begins with.
pub(crate) struct Round<D> {
    /// The sprint that it takes up again.
    pub(crate) from: String,
    /// What that one was for.
    pub(crate) goal: Option<String>,
    /// Its phases.
    pub(crate) phases: Vec<PhaseEntry>,
    /// What is done already, each after all that it depends on.
    pub(crate) carried: Vec<Carried<D>>,
    /// What can be claimed then.
    pub(crate) open: Vec<String>,
}

impl<H: Host> Store<H> {
    /// The sprint that a next round takes up again: the current one, else the last that has ended.
    pub(crate) fn last(&self) -> Result<Option<OpenSprint<H::Dir>>, Failure> {
        Ok(match self.current()? {
            Some(found) => Some(found),
            None => self.former(1)?.into_iter().max_by(|a, b| a.stamp().cmp(&b.stamp())),
        })
    }

    /// Looks for what a new sprint is to take over, and hashes it: not for while the mutex is held.
    /// `None` if the old one was removed meanwhile: look again.
    pub(crate) fn prepare(&self, ask: &Ask) -> Result<Option<Round<H::Dir>>, Stop> {
        let found = match &ask.resume {
            Some(id) => self.ended(id)?,
            None => self.last()?.ok_or(Refusal::NoSprint {})?,
        };
        let round = self.take_up(&found, ask);
        // Of a directory that is being removed nothing seems to be done, or to have been handed
        // over.
        Ok(match self.find(&found.sprint.sprint_id)? {
            Some(_) => Some(round?),
            None => None,
        })
    }

    /// The sprint `id`, which is to be resumed.
    fn ended(&self, id: &str) -> Result<OpenSprint<H::Dir>, Stop> {
        let unknown = || Refusal::UnknownSprint { sprint: id.to_owned() };
        let found = self.find_readable(id)?.filter(|_| self.is_ours(id)).ok_or_else(unknown)?;
        if self.is_current(id)? {
            let why = Unresumed::Current;
            return Err(Refusal::CannotResume { sprint: id.to_owned(), why }.into());
        }
        Ok(found)
    }

    fn take_up(&self, found: &OpenSprint<H::Dir>, ask: &Ask) -> Result<Round<H::Dir>, Stop> {
        let board = self.read(found, None, Attempts::None, None)?;
        let from = &found.sprint.sprint_id;
        let ids = carried(&board, ask)?;
        if ask.resume.is_some() && ids.len() == board.graph.count() {
            let why = Unresumed::Passed;
            return Err(Refusal::CannotResume { sprint: from.clone(), why }.into());
        }
        let name = |id| board.graph.phase(id).name.clone();
        let open = crate::rules::rounds::open(&board.graph, &ids).into_iter().map(name).collect();
        let mut carried = Vec::with_capacity(ids.len());
        for id in ids {
            let State::Done(done) = board.state(id) else { continue };
            let phase = name(id);
            let lost = |gone| Refusal::PinLost {
                phase: phase.clone(),
                sprint_id: from.clone(),
                agent: done.agent.clone(),
                gone,
                starting: true,
            };
            let Some(old) = found.phase(&phase)? else { return Err(lost(true).into()) };
            match hash_of_pin(&old, done)? {
                Pin::None | Pin::Same => {}
                Pin::Changed => return Err(lost(false).into()),
                Pin::Gone => return Err(lost(true).into()),
            }
            let mut done = done.clone();
            // Through several rounds it says where it was really done.
            done.carried_from.get_or_insert_with(|| from.clone());
            carried.push(Carried { phase, done, old });
        }
        let goal = found.sprint.goal.clone();
        let phases = found.sprint.phases.clone();
        Ok(Round { from: from.clone(), goal, phases, carried, open })
    }
}

/// Makes `new`, a phase's directory that nobody looks at yet, what it would be had the phase been
/// completed there, durably; `false` if what was handed over is gone.
///
/// The record last, as everywhere: what there is of it can be shown.
pub(super) fn take_over<H: Host>(
    host: &H,
    carried: &Carried<H::Dir>,
    new: &CheckedDir<H::Dir>,
    maker: &Maker,
) -> Result<bool, Failure> {
    let Carried { done, old, .. } = carried;
    // It refuses a script that knows nothing of `done` as long as it has not looked.
    if latch::stand(new, &host.token()?, maker)? != Step::Done {
        return Ok(false);
    }
    if let Some(sha256) = &done.artifact_sha256 {
        let pin = pin_name(sha256);
        if !link_or_copy(old, new, &pin, done)? {
            return Ok(false);
        }
        if let Some(target) = done.artifact_link.as_ref().filter(|name| is_pin(name)) {
            new.symlink(target, &artifact_name(&done.artifact))?;
        }
    }
    let record = to_json(done)?;
    if record.len() as u64 > MAX_RECORD_BYTES {
        // Nobody could read it: done, and by somebody unknown.
        let what = format!("the record of '{}' is too long to be carried over", carried.phase);
        return Err(Failure::new(FailureKind::Unreadable, what));
    }
    new.create(DONE, &record, Keep::Frozen)?;
    new.sync()?;
    Ok(true)
}

/// Gives the new directory the pin, as a second name of the same file or, where there can be none,
/// as a copy.
fn link_or_copy<D: Dir>(
    old: &CheckedDir<D>,
    new: &CheckedDir<D>,
    pin: &str,
    done: &Done,
) -> Result<bool, Failure> {
    match old.link(pin, new, pin) {
        Ok(Step::Done) => {
            // A name can have got another file since it was hashed. What that has in it is never
            // believed: whoever judges a pin hashes it. But a link is followed by others.
            return Ok(new.stat(pin)?.is_some_and(|stat| stat.kind == Kind::File));
        }
        Ok(Step::Gone | Step::Exists) => return Ok(false),
        // Another user's file, or a file system that has no second names.
        Err(_) => {}
    }
    let whole =
        whole_pin(old, done, Vec::new, Vec::extend_from_slice, |all| hex(&Sha256::digest(all)))?;
    Ok(match whole {
        Ok(content) => new.create(pin, &content, Keep::Frozen)? == Step::Done,
        Err(_) => false,
    })
}
