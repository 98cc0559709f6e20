//! The latch: `lock.d`, made by `mkdir`, which is exclusive on every file system.
//!
//! It stands while the lock stands and after `done`, so that a program which knows only
//! `mkdir lock.d` is refused all that time. `lock.d/latch.<T>` says which command made it; a latch
//! that outlived its command without a lock behind it is taken over by renaming that name, and
//! `lock.d/by.latch.<T>` then says by which.

use super::checked_dir::{CheckedDir, Keep, Step, from_json, tidy, to_json};
use super::dir::Dir;
use super::host::{Host, is_before_boot, is_older};
use super::layout::{
    LATCH, LATCH_SECONDS, MAX_MARKER_BYTES, MAX_PHASE_ENTRIES, by_name, is_marker, marker_name,
};
use crate::error::Failure;
use crate::record::{Maker, Token};

/// A latch that this command holds.
#[derive(Debug)]
pub(crate) struct Latch<D> {
    dir: CheckedDir<D>,
    marker: String,
}

/// What came of trying to make the latch.
#[derive(Debug)]
pub(crate) enum Latched<D> {
    /// It is this command's.
    Held(Latch<D>),
    /// Another command is in the middle of something.
    Busy,
    /// Something changed meanwhile: look again.
    Raced,
}

/// The markers of a latch: what it was taken under.
fn markers<D: Dir>(latch: &CheckedDir<D>) -> Result<Vec<String>, Failure> {
    let names = latch.list(MAX_PHASE_ENTRIES)?.into_iter().map(|entry| entry.name);
    Ok(names.filter(|name| is_marker(name)).collect())
}

/// Makes the latch of `phase`, or takes over one that a killed command left.
pub(crate) fn acquire<H: Host>(
    host: &H,
    phase: &CheckedDir<H::Dir>,
    token: &Token,
    maker: &Maker,
) -> Result<Latched<H::Dir>, Failure> {
    match phase.make(LATCH)? {
        Step::Gone => Ok(Latched::Raced),
        Step::Exists => inspect(host, phase, token, maker),
        Step::Done => {
            let latched = match phase.open(LATCH) {
                Ok(Some(dir)) => mark(dir, token, maker),
                Ok(None) => return Ok(Latched::Raced),
                // No handle may be left.
                Err(failure) => Err(failure),
            };
            if latched.is_err() && H::DEFENCES.remove_unmarked {
                // Without a marker it would be in everyone's way for a minute.
                tidy(phase.remove_dir(LATCH));
            }
            latched
        }
    }
}

/// Makes the latch as it stands after `done`, in a directory that nobody else looks at.
pub(crate) fn stand<D: Dir>(
    phase: &CheckedDir<D>,
    token: &Token,
    maker: &Maker,
) -> Result<Step, Failure> {
    phase.make(LATCH)?;
    match phase.open(LATCH)? {
        Some(latch) => latch.create(&marker_name(token), &to_json(maker)?, Keep::Fleeting),
        None => Ok(Step::Gone),
    }
}

/// Writes this command's marker into a latch that has none.
fn mark<D: Dir>(dir: CheckedDir<D>, token: &Token, maker: &Maker) -> Result<Latched<D>, Failure> {
    let mine = marker_name(token);
    Ok(match dir.create(&mine, &to_json(maker)?, Keep::Fleeting)? {
        Step::Done => settle(dir, mine, &[])?,
        Step::Gone | Step::Exists => Latched::Raced,
    })
}

/// Looks whether somebody else has marked the latch too: several can find it bare and old. Who
/// marks looks afterwards, so that of any two at least one sees the other, and gives way.
fn settle<D: Dir>(
    dir: CheckedDir<D>,
    marker: String,
    outlived: &[String],
) -> Result<Latched<D>, Failure> {
    let found = markers(&dir)?;
    if found.iter().any(|other| *other != marker && !outlived.contains(other)) {
        remove_marker(&dir, &marker)?;
        return Ok(Latched::Busy);
    }
    for other in found.iter().filter(|other| **other != marker) {
        remove_marker(&dir, other)?;
    }
    Ok(Latched::Held(Latch { dir, marker }))
}

/// A latch is there: it is taken over only if everyone who marked it is provably gone, or, where
/// nobody can know, if it is a minute old or from before this boot.
fn inspect<H: Host>(
    host: &H,
    phase: &CheckedDir<H::Dir>,
    token: &Token,
    maker: &Maker,
) -> Result<Latched<H::Dir>, Failure> {
    let Some(dir) = phase.open(LATCH)? else { return Ok(Latched::Raced) };
    let mut found = markers(&dir)?;
    found.sort();
    let Some(first) = found.first() else {
        return match phase.stat(LATCH)? {
            None => Ok(Latched::Raced),
            Some(stat) if is_old(host, stat.mtime) => mark(dir, token, maker),
            Some(_) => Ok(Latched::Busy),
        };
    };
    for marker in &found {
        match outlived(host, &dir, marker, maker)? {
            None => return Ok(Latched::Raced),
            Some(false) => return Ok(Latched::Busy),
            Some(true) => {}
        }
    }
    // Whose the marker is after the rename is written down before it: there is no moment at which
    // it still tells of its dead maker, and could be taken over once more.
    let mine = marker_name(token);
    if dir.create(&by_name(&mine), &to_json(maker)?, Keep::Fleeting)? != Step::Done {
        return Ok(Latched::Raced);
    }
    // Exactly one of any set of contenders succeeds in this rename.
    let renamed = dir.rename(first, &dir, &mine);
    if !matches!(renamed, Ok(Step::Done)) {
        tidy(dir.remove_file(&by_name(&mine)));
        renamed?;
        return Ok(Latched::Raced);
    }
    dir.remove_file(&by_name(first))?;
    settle(dir, mine, &found)
}

fn remove_marker<D: Dir>(dir: &CheckedDir<D>, marker: &str) -> Result<Step, Failure> {
    let removed = dir.remove_file(marker)?;
    dir.remove_file(&by_name(marker))?;
    Ok(removed)
}

/// Whether the maker of a marker is gone, or is this command; `None` if the marker itself is.
fn outlived<H: Host>(
    host: &H,
    dir: &CheckedDir<H::Dir>,
    marker: &str,
    me: &Maker,
) -> Result<Option<bool>, Failure> {
    let bytes = match dir.read(&by_name(marker), MAX_MARKER_BYTES)? {
        None => dir.read(marker, MAX_MARKER_BYTES)?,
        by => by,
    };
    let Some(bytes) = bytes else { return Ok(None) };
    Ok(Some(match from_json::<Maker>(&bytes) {
        // Left behind by an earlier attempt of this very command.
        Some(theirs) if theirs == *me => true,
        Some(theirs) => match host.life_of(&theirs.process) {
            crate::rules::Life::Dead => true,
            crate::rules::Life::Alive => false,
            crate::rules::Life::Unknown => is_old_file(host, dir, marker)?,
        },
        None => is_old_file(host, dir, marker)?,
    }))
}

/// The markers under which a latch may be given up together with T's claim: T's own, and those that
/// outlived their makers; each with the file that tells who took it over, if that is there. `None`
/// if somebody else is about to use the latch.
pub(crate) fn disposable<H: Host>(
    host: &H,
    latch: &CheckedDir<H::Dir>,
    token: &Token,
    me: &Maker,
) -> Result<Option<Vec<String>>, Failure> {
    let names: Vec<String> =
        latch.list(MAX_PHASE_ENTRIES)?.into_iter().map(|entry| entry.name).collect();
    let mut found = Vec::new();
    for name in names.iter().filter(|name| is_marker(name)) {
        if *name != marker_name(token) && outlived(host, latch, name, me)? != Some(true) {
            return Ok(None);
        }
        found.push(name.clone());
        found.extend(Some(by_name(name)).filter(|by| names.contains(by)));
    }
    Ok(Some(found))
}

/// Whether what nobody knows the maker of is nobody's. Whoever made it and goes on after all looks
/// for other markers beside its own, and gives way: no safety hangs on the clock.
fn is_old<H: Host>(host: &H, mtime: i64) -> bool {
    is_older(host, mtime, LATCH_SECONDS)
        || (H::DEFENCES.outlive_boot && is_before_boot(host, mtime))
}

fn is_old_file<H: Host>(host: &H, dir: &CheckedDir<H::Dir>, name: &str) -> Result<bool, Failure> {
    Ok(dir.stat(name)?.is_some_and(|stat| is_old(host, stat.mtime)))
}

impl<D: Dir> Latch<D> {
    /// Gives the latch up, unless another command has taken it over.
    pub(crate) fn release(self, phase: &CheckedDir<D>) -> Result<(), Failure> {
        let by = by_name(&self.marker);
        release_markers(phase, &self.dir, &[self.marker, by])
    }
}

/// Removes a latch by the names it was taken under; when one of them is gone, somebody else has
/// taken the latch over, and it stays.
pub(crate) fn release_markers<D: Dir>(
    phase: &CheckedDir<D>,
    latch: &CheckedDir<D>,
    markers: &[String],
) -> Result<(), Failure> {
    for name in markers {
        if latch.remove_file(name)? != Step::Done && is_marker(name) {
            return Ok(());
        }
    }
    // Mostly nothing else is there. What is, is looked at.
    if phase.remove_dir(LATCH)? != Step::Exists {
        return Ok(());
    }
    for _ in 0..4 {
        let entries = latch.list(MAX_PHASE_ENTRIES)?;
        if entries.iter().any(|entry| is_marker(&entry.name)) {
            return Ok(());
        }
        // Of commands that were about to take over what has just gone, or of a script that was
        // killed before it could move the latch: with its record inside it would stay for ever.
        for entry in &entries {
            latch.remove_all(entry)?;
        }
        if phase.remove_dir(LATCH)? != Step::Exists {
            return Ok(());
        }
    }
    Ok(())
}
