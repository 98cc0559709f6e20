//! The steps by which a phase changes hands. Each takes effect in one rename of a name that only
//! one of any set of contenders can take; the rest prepares it or cleans up behind it.
//!
//! Which step is due is for the rules to say ([`crate::rules::decide()`]); the callers in
//! [`super::change`] ask them again whenever a step answers [`StepOutcome::Raced`]. What a kill
//! leaves between any two steps, and what the next command makes of it, is listed at each.

use super::checked_dir::{CheckedDir, Keep, Step, tidy, to_json};
use super::dir::Kind;
use super::host::Host;
use super::latch::{self, Latched};
use super::layout::{
    DONE, LATCH, LOCK, MAX_PHASE_ENTRIES, META, META_OF, OWNER, artifact_name, completing_name,
    free_name, is_pin, meta_name, owner_name, prepared_name, temporary_name,
};
use super::lock::{self, Lock};
use super::past::{self, End};
use crate::error::{Failure, FailureKind};
use crate::record::{Claim, Done, Due, Maker, Token};

/// The result of one step.
#[derive(Debug)]
pub(crate) enum StepOutcome<T> {
    /// The step succeeded.
    Done(T),
    /// Another command changed the phase meanwhile: look and decide again.
    Raced,
    /// Another command is in the middle of a change: wait a moment.
    Busy,
    /// The sprint is no longer the current one; the change was undone.
    Superseded,
}

impl<T> StepOutcome<T> {
    /// Applies `f` to the value of a step that succeeded.
    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> StepOutcome<U> {
        match self {
            Self::Done(value) => StepOutcome::Done(f(value)),
            Self::Raced => StepOutcome::Raced,
            Self::Busy => StepOutcome::Busy,
            Self::Superseded => StepOutcome::Superseded,
        }
    }
}

/// One phase's directory, and who changes it.
pub(crate) struct Phase<'a, H: Host> {
    /// The world it is in.
    pub(crate) host: &'a H,
    /// The directory.
    pub(crate) dir: &'a CheckedDir<H::Dir>,
    /// The command that makes latches here.
    pub(crate) maker: &'a Maker,
    /// Whether the sprint is still the current one.
    pub(crate) is_current: &'a dyn Fn() -> Result<bool, Failure>,
    /// How many attempts at it were over when it was judged, where that decides.
    pub(crate) attempts: Option<usize>,
}

/// A claim that is ended by somebody, and what is written down of it before.
#[derive(Clone, Copy)]
pub(crate) struct Ending<'a> {
    /// The claim.
    pub(crate) claim: &'a Claim,
    /// How it fails as an attempt, if it does.
    pub(crate) end: Option<End<'a>>,
    /// What its owner left is to be saved, if that is so.
    pub(crate) due: Option<&'a Due>,
}

impl<H: Host> Phase<'_, H> {
    /// Writes down how a claim ends, if it fails by that, and what is to be saved of it; whether
    /// there still is a phase.
    fn note(&self, ending: Option<Ending<'_>>) -> Result<bool, Failure> {
        let Some(Ending { claim, end, due }) = ending else { return Ok(true) };
        let owed = due.map(|due| past::owe(self.host, self.dir, due));
        let written = end.map(|end| past::write(self.host, self.dir, claim, end));
        for written in [owed, written].into_iter().flatten() {
            match written {
                // A phase can be given up on a full disk, as that takes no room: the attempt is not
                // counted, or counted and not told of.
                Err(failure) if failure.is_full() => {}
                Err(failure) => return Err(failure),
                Ok(Step::Gone) => return Ok(false),
                Ok(Step::Done | Step::Exists) => {}
            }
        }
        Ok(true)
    }

    fn latch(&self, token: &Token) -> Result<Latched<H::Dir>, Failure> {
        latch::acquire(self.host, self.dir, token, self.maker)
    }

    /// Takes a phase that nobody holds: latch, look again behind it, publish a whole lock.
    ///
    /// Killed after the latch: it is taken over. Killed after publishing: it is the claimer's.
    pub(crate) fn take(&self, claim: Claim) -> Result<StepOutcome<Claim>, Failure> {
        let token = self.host.token()?;
        let claim = Claim { token: Some(token.clone()), ..claim };
        let latch = match self.latch(&token)? {
            Latched::Held(latch) => latch,
            Latched::Busy => return Ok(StepOutcome::Busy),
            Latched::Raced => return Ok(StepOutcome::Raced),
        };
        match self.publish(&token, &claim) {
            Ok(Published::Yes) if H::DEFENCES.latch_stays => {}
            Ok(Published::Yes) => {
                let listed = self.dir.list(MAX_PHASE_ENTRIES)?;
                for entry in listed.iter().filter(|entry| entry.name == LATCH) {
                    self.dir.remove_all(entry)?;
                }
            }
            // It now protects the one who was faster, or what is done.
            Ok(Published::StandsForAnother) => return Ok(StepOutcome::Raced),
            // The script has no latch while it holds a lock, and waits for ever for one of ours.
            Ok(Published::StandsForNobody) => {
                latch.release(self.dir)?;
                return Ok(StepOutcome::Raced);
            }
            Err(failure) => {
                // The rename may have taken effect although its answer was lost.
                if matches!(self.dir.has(LOCK), Ok(false)) {
                    tidy(latch.release(self.dir));
                }
                return Err(failure);
            }
        }
        self.confirm(&token, claim)
    }

    /// Builds a lock aside and renames it into place, if nobody has got there first.
    fn publish(&self, token: &Token, claim: &Claim) -> Result<Published, Failure> {
        if H::DEFENCES.latch_stays {
            match lock::look(self.host, self.dir)? {
                Lock::Absent(None) => {}
                Lock::Absent(Some(ruin)) => lock::clear::<H>(self.dir, &ruin, None)?,
                Lock::Freed { lock, token } => {
                    lock::clear::<H>(self.dir, &lock, Some(&free_name(&token)))?;
                }
                Lock::Owned { .. } | Lock::Committed { .. } => {
                    return Ok(Published::StandsForAnother);
                }
                Lock::Script { .. } | Lock::Legacy { .. } => return Ok(Published::StandsForNobody),
            }
        }
        if H::DEFENCES.look_again && lock::done(self.dir)?.is_some() {
            return Ok(Published::StandsForAnother);
        }
        // Behind the latch no claim ends: what was judged by the number of attempts is so, or not.
        if self.attempts.map(|seen| past::count(self.dir).map(|now| now == seen)).transpose()?
            == Some(false)
        {
            return Ok(Published::StandsForNobody);
        }
        let name = temporary_name(token);
        let built = self.build(&name, token, claim);
        let renamed = built.and_then(|()| self.dir.rename(&name, self.dir, LOCK));
        if matches!(renamed, Ok(Step::Done)) {
            return Ok(Published::Yes);
        }
        self.dir.remove_all(&super::dir::Entry { name, kind: Kind::Dir })?;
        renamed?;
        if H::DEFENCES.latch_stays {
            Ok(Published::StandsForAnother)
        } else {
            // What `mv` does: it puts the new lock inside the old one, and succeeds.
            Ok(Published::Yes)
        }
    }

    fn build(&self, name: &str, token: &Token, claim: &Claim) -> Result<(), Failure> {
        self.dir.make(name)?;
        let gone = || Failure::new(FailureKind::Busy, format!("'{}' was removed", self.dir.path()));
        let lock = self.dir.open(name)?.ok_or_else(gone)?;
        let record = to_json(claim)?;
        for (name, content) in [
            (meta_name(token), record.as_slice()),
            (META.to_owned(), &record),
            (owner_name(token), b""),
        ] {
            if lock.create(&name, content, Keep::Fleeting)? != Step::Done {
                return Err(gone());
            }
        }
        Ok(())
    }

    /// Looks again after T has become the owner: it still is, nothing is done, the sprint is
    /// current. Only then may a claim say OK.
    fn confirm(&self, token: &Token, claim: Claim) -> Result<StepOutcome<Claim>, Failure> {
        let Some(lock) = self.dir.open(LOCK)? else { return Ok(StepOutcome::Raced) };
        if H::DEFENCES.latch_stays && !lock.has(&owner_name(token))? {
            return Ok(StepOutcome::Raced);
        }
        if H::DEFENCES.latch_stays && !self.dir.has(LATCH)? {
            // Removed by a command that was held up; the script would walk in.
            let made = self.dir.make(LATCH)?;
            if !lock.has(&owner_name(token))? {
                // It went because the claim was ended meanwhile: nobody would remove this one.
                if made == Step::Done {
                    self.dir.remove_dir(LATCH)?;
                }
                return Ok(StepOutcome::Raced);
            }
        }
        if H::DEFENCES.look_again && lock::done(self.dir)?.is_some() {
            self.give_up(&lock, token, None, false)?;
            return Ok(StepOutcome::Raced);
        }
        if H::DEFENCES.look_for_currency && !(self.is_current)()? {
            self.give_up(&lock, token, None, true)?;
            return Ok(StepOutcome::Superseded);
        }
        Ok(StepOutcome::Done(claim))
    }

    /// Rewrites the owner's record and the copy for the script, whose one-hour rule that keeps
    /// quiet.
    pub(crate) fn renew(
        &self,
        lock: &CheckedDir<H::Dir>,
        claim: Claim,
    ) -> Result<StepOutcome<Claim>, Failure> {
        let Some(token) = claim.token.clone() else { return Ok(StepOutcome::Raced) };
        let unique = self.host.token()?;
        for name in [meta_name(&token), META.to_owned()] {
            // A directory in the place of the script's copy stays: the claim does not hang on it.
            if lock.put(&name, &claim, &unique, Keep::Fleeting)? == Step::Gone {
                return Ok(StepOutcome::Raced);
            }
        }
        let confirmed = self.confirm(&token, claim)?;
        if !matches!(confirmed, StepOutcome::Done(_)) && !lock.has(&owner_name(&token))? {
            // It was taken away meanwhile, and the record is nobody's. If it was given up, what was
            // written late must not stay: a script would put its own lock inside.
            lock.remove_file(&meta_name(&token))?;
            lock::clear::<H>(self.dir, lock, None)?;
        }
        Ok(confirmed)
    }

    /// Takes a claim over: one rename of the name that was judged. The lock is never absent.
    ///
    /// Killed after the rename: it is the new owner's, and only the script's copy is old.
    pub(crate) fn take_over(
        &self,
        lock: &CheckedDir<H::Dir>,
        from: &Token,
        claim: Claim,
        ending: Option<Ending<'_>>,
    ) -> Result<StepOutcome<Claim>, Failure> {
        let token = self.host.token()?;
        let claim = Claim { token: Some(token.clone()), ..claim };
        if !H::DEFENCES.never_absent {
            // What the script does: remove both and start over.
            for entry in self.dir.list(MAX_PHASE_ENTRIES)? {
                if entry.name == LOCK || entry.name == LATCH {
                    self.dir.remove_all(&entry)?;
                }
            }
            return self.take(claim);
        }
        let mine = meta_name(&token);
        if lock.create(&mine, &to_json(&claim)?, Keep::Fleeting)? != Step::Done {
            return Ok(StepOutcome::Raced);
        }
        // Only the last former owner is remembered, so that it can be told that it has lost. Which
        // records are older is seen before the rename: later ones may be of a later owner.
        let older: Vec<String> =
            lock.list(MAX_PHASE_ENTRIES)?.into_iter().map(|entry| entry.name).collect();
        let mut judged = owner_name(from);
        if !H::DEFENCES.take_over_by_name {
            // Whoever is the owner by now.
            let owners = lock.list(MAX_PHASE_ENTRIES)?.into_iter().map(|entry| entry.name);
            judged = owners.into_iter().find(|name| name.starts_with(OWNER)).unwrap_or(judged);
        }
        let noted = !H::DEFENCES.record_first || self.note(ending)?;
        // After an error it may have taken effect: then the record must stay.
        if !noted || lock.rename(&judged, lock, &owner_name(&token))? != Step::Done {
            lock.remove_file(&mine)?;
            lock::clear::<H>(self.dir, lock, None)?;
            return Ok(StepOutcome::Raced);
        }
        if !H::DEFENCES.record_first {
            self.note(ending)?;
        }
        for name in older {
            let keep = name == mine || name == meta_name(from) || name == META;
            if name.starts_with(META_OF) && !keep {
                lock.remove_file(&name)?;
            }
        }
        lock.put(META, &claim, &token, Keep::Fleeting)?;
        self.confirm(&token, claim)
    }

    /// Takes over a lock that a script made. Its record has no name of its own, so the latch and a
    /// second look stand for one.
    pub(crate) fn adopt(
        &self,
        judged: &Claim,
        claim: Claim,
        ending: Option<Ending<'_>>,
    ) -> Result<StepOutcome<Claim>, Failure> {
        let token = self.host.token()?;
        let claim = Claim { token: Some(token.clone()), ..claim };
        let adopted = self.with_script_lock(&token, judged, |lock| {
            let mine = meta_name(&token);
            if !self.note(ending)?
                || lock.create(&mine, &to_json(&claim)?, Keep::Fleeting)? != Step::Done
            {
                return Ok(false);
            }
            // A link and not a rename: a script that found no record would break the lock.
            let linked = lock.link(META, lock, &owner_name(&token))?;
            if linked == Step::Done {
                lock.put(META, &claim, &token, Keep::Fleeting)?;
            } else {
                lock.remove_file(&mine)?;
            }
            Ok(linked == Step::Done)
        })?;
        match adopted {
            StepOutcome::Done(()) => self.confirm(&token, claim),
            StepOutcome::Raced | StepOutcome::Busy | StepOutcome::Superseded => {
                Ok(adopted.map(|()| claim))
            }
        }
    }

    /// Does something to the script's lock `judged` behind a latch of this command, which goes
    /// again unless the lock has become ours.
    fn with_script_lock(
        &self,
        token: &Token,
        judged: &Claim,
        act: impl FnOnce(&CheckedDir<H::Dir>) -> Result<bool, Failure>,
    ) -> Result<StepOutcome<()>, Failure> {
        let latch = match self.latch(token)? {
            Latched::Held(latch) => latch,
            Latched::Busy => return Ok(StepOutcome::Busy),
            Latched::Raced => return Ok(StepOutcome::Raced),
        };
        let acted = match lock::look(self.host, self.dir) {
            Ok(Lock::Script { lock, hold }) if hold.claim == *judged => act(&lock),
            Ok(Lock::Owned { .. } | Lock::Committed { .. }) => return Ok(StepOutcome::Raced),
            Ok(_) => Ok(false),
            Err(failure) => Err(failure),
        };
        match acted {
            Ok(true) => Ok(StepOutcome::Done(())),
            Ok(false) => {
                latch.release(self.dir)?;
                Ok(StepOutcome::Raced)
            }
            Err(failure) => {
                tidy(latch.release(self.dir));
                Err(failure)
            }
        }
    }

    /// Commits T's completion and finishes it.
    ///
    /// Killed before the commit: not complete. Killed after it: anyone finishes it.
    pub(crate) fn complete(
        &self,
        lock: &CheckedDir<H::Dir>,
        token: &Token,
        record: &Done,
    ) -> Result<StepOutcome<()>, Failure> {
        let prepared = self.host.token()?;
        let name = prepared_name(&prepared);
        if lock.put(&name, record, &prepared, Keep::Frozen)? != Step::Done {
            return Ok(StepOutcome::Raced);
        }
        // The commit must not reach the disk before what it commits.
        lock.sync()?;
        if H::DEFENCES.commit_by_rename
            && lock.rename(&owner_name(token), lock, &completing_name(&prepared))? != Step::Done
        {
            lock.remove_file(&name)?;
            lock::clear::<H>(self.dir, lock, None)?;
            return Ok(StepOutcome::Raced);
        }
        self.finish(lock, &prepared)?;
        if lock::done(self.dir)?.as_ref() != Some(record) {
            // Another command of the same agent has completed it otherwise, or a script has.
            return Ok(StepOutcome::Raced);
        }
        if H::DEFENCES.look_for_currency && !(self.is_current)()? {
            return Ok(StepOutcome::Superseded);
        }
        Ok(StepOutcome::Done(()))
    }

    /// Publishes a committed completion and clears the lock; every step may have been done, or be
    /// being done, by another command. The latch stays: it refuses the script.
    pub(crate) fn finish(
        &self,
        lock: &CheckedDir<H::Dir>,
        prepared: &Token,
    ) -> Result<(), Failure> {
        if let Some(record) = lock::committed(lock, prepared)? {
            // Another program may have prepared it: the link leads to the pin and nowhere else.
            if let Some(target) = record.artifact_link.as_ref().filter(|name| is_pin(name)) {
                let unique = temporary_name(&self.host.token()?);
                if self.dir.symlink(target, &unique)? == Step::Done {
                    let placed =
                        self.dir.rename(&unique, self.dir, &artifact_name(&record.artifact));
                    if !matches!(placed, Ok(Step::Done)) {
                        tidy(self.dir.remove_file(&unique));
                        placed?;
                    }
                }
            }
            lock.link(&prepared_name(prepared), self.dir, DONE)?;
            self.dir.sync()?;
        }
        if !self.dir.has(DONE)? {
            return Err(Failure::new(FailureKind::Tampered, lock::record_gone(self.dir)));
        }
        lock::clear::<H>(self.dir, lock, Some(&completing_name(prepared)))
    }

    /// Ends T's claim: the phase is pending again.
    ///
    /// Killed after the rename: the next claim clears what is left.
    pub(crate) fn release(
        &self,
        lock: &CheckedDir<H::Dir>,
        token: &Token,
        ending: Option<Ending<'_>>,
    ) -> Result<StepOutcome<()>, Failure> {
        Ok(if self.give_up(lock, token, ending, true)? {
            StepOutcome::Done(())
        } else {
            StepOutcome::Raced
        })
    }

    /// Renames the owner away and clears the lock; the latch goes too if `unlatch`, by the names it
    /// had while the claim stood, so that one that was taken over since then stays.
    fn give_up(
        &self,
        lock: &CheckedDir<H::Dir>,
        token: &Token,
        ending: Option<Ending<'_>>,
        unlatch: bool,
    ) -> Result<bool, Failure> {
        let latch = if unlatch { self.dir.open(LATCH)? } else { None };
        let markers = match &latch {
            Some(latch) => latch::disposable(self.host, latch, token, self.maker)?,
            None => None,
        };
        if H::DEFENCES.record_first && !self.note(ending)? {
            return Ok(false);
        }
        if lock.rename(&owner_name(token), lock, &free_name(token))? != Step::Done {
            return Ok(false);
        }
        if !H::DEFENCES.record_first {
            self.note(ending)?;
        }
        lock::clear::<H>(self.dir, lock, Some(&free_name(token)))?;
        if let (Some(latch), Some(markers)) = (latch, markers) {
            latch::release_markers(self.dir, &latch, &markers)?;
        }
        Ok(true)
    }

    /// Ends a script's claim.
    pub(crate) fn release_script(
        &self,
        judged: &Claim,
        ending: Option<Ending<'_>>,
    ) -> Result<StepOutcome<()>, Failure> {
        let token = self.host.token()?;
        let mut freed = false;
        let outcome = self.with_script_lock(&token, judged, |lock| {
            freed =
                self.note(ending)? && lock.rename(META, lock, &free_name(&token))? == Step::Done;
            if freed {
                lock::clear::<H>(self.dir, lock, Some(&free_name(&token)))?;
            }
            // Either way the latch goes.
            Ok(false)
        })?;
        Ok(if freed { StepOutcome::Done(()) } else { outcome })
    }

    /// Ends the claim of a lock with an old layout: a plain file called `lock`.
    pub(crate) fn release_legacy(
        &self,
        ending: Option<Ending<'_>>,
    ) -> Result<StepOutcome<()>, Failure> {
        let token = self.host.token()?;
        let latch = match self.latch(&token)? {
            Latched::Held(latch) => latch,
            Latched::Busy => return Ok(StepOutcome::Busy),
            Latched::Raced => return Ok(StepOutcome::Raced),
        };
        self.note(ending)?;
        let aside = temporary_name(&token);
        let moved = self.dir.rename(LOCK, self.dir, &aside)?;
        let outcome = match (moved, self.dir.stat(&aside)?.map(|stat| stat.kind)) {
            (Step::Done, Some(Kind::File)) => {
                self.dir.remove_file(&aside)?;
                StepOutcome::Done(())
            }
            (Step::Done, _) => {
                // A lock was published in its place.
                self.dir.rename(&aside, self.dir, LOCK)?;
                return Ok(StepOutcome::Raced);
            }
            _ => StepOutcome::Raced,
        };
        latch.release(self.dir)?;
        Ok(outcome)
    }
}

/// How publishing ended.
enum Published {
    /// The lock is this command's.
    Yes,
    /// The phase is another's, or done: the latch stays.
    StandsForAnother,
    /// A lock of a script or of an old layout is there, or an attempt is over that was not judged:
    /// the latch goes.
    StandsForNobody,
}
