//! The latch: `lock.d`, made by `mkdir`, which is exclusive on every file system.
//!
//! It stands while the lock stands and after `done`, so that a program which knows only
//! `mkdir lock.d` is refused all that time. `lock.d/latch.<T>` says which command made it; a latch
//! that outlived its command without a lock behind it is taken over by renaming that name.

use super::dir::Dir;
use super::folder::{FEW, Folder, Keep, Step, from_json, tidy, to_json};
use super::world::{LATCH_SECONDS, World};
use crate::error::Failure;
use crate::record::{Maker, Token};

/// The directory's name.
pub(crate) const LATCH: &str = "lock.d";
/// A maker's record is no longer than this, in bytes.
const LONGEST: u64 = 4096;

/// A latch that this command holds.
#[derive(Debug)]
pub(crate) struct Latch<D> {
    dir: Folder<D>,
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
pub(crate) fn markers<D: Dir>(latch: &Folder<D>) -> Result<Vec<String>, Failure> {
    let names = latch.list(FEW)?.into_iter().map(|entry| entry.name);
    Ok(names.filter(|name| name.strip_prefix("latch.").and_then(Token::parse).is_some()).collect())
}

/// Makes the latch of `phase`, or takes over one that a killed command left.
pub(crate) fn acquire<W: World>(
    world: &W,
    phase: &Folder<W::Dir>,
    token: &Token,
    maker: &Maker,
) -> Result<Latched<W::Dir>, Failure> {
    match phase.make(LATCH)? {
        Step::Gone => Ok(Latched::Raced),
        Step::Exists => inspect(world, phase, token, maker),
        Step::Done => {
            let Some(dir) = phase.open(LATCH)? else { return Ok(Latched::Raced) };
            let marked = mark(dir, token, maker);
            if marked.is_err() {
                // Without a marker it would be in everyone's way for a minute.
                tidy(phase.remove_dir(LATCH));
            }
            marked
        }
    }
}

/// Writes this command's marker into a latch that has none.
fn mark<D: Dir>(dir: Folder<D>, token: &Token, maker: &Maker) -> Result<Latched<D>, Failure> {
    let marker = format!("latch.{token}");
    Ok(match dir.create(&marker, &to_json(maker)?, Keep::Fleeting)? {
        Step::Done => Latched::Held(Latch { dir, marker }),
        Step::Gone | Step::Exists => Latched::Raced,
    })
}

/// A latch is there: it is taken over only if everyone who marked it is provably gone, or, where
/// nobody can know, if it is a minute old.
fn inspect<W: World>(
    world: &W,
    phase: &Folder<W::Dir>,
    token: &Token,
    maker: &Maker,
) -> Result<Latched<W::Dir>, Failure> {
    let Some(dir) = phase.open(LATCH)? else { return Ok(Latched::Raced) };
    let found = markers(&dir)?;
    if found.is_empty() {
        return match phase.stat(LATCH)? {
            None => Ok(Latched::Raced),
            Some(stat) if is_old(world, stat.mtime) => mark(dir, token, maker),
            Some(_) => Ok(Latched::Busy),
        };
    }
    for marker in &found {
        let Some(bytes) = dir.read(marker, LONGEST)? else { return Ok(Latched::Raced) };
        let gone = match from_json::<Maker>(&bytes) {
            // Left behind by an earlier attempt of this very command.
            Some(theirs) if theirs == *maker => true,
            Some(theirs) => match world.life_of(&theirs.process) {
                crate::rules::Life::Dead => true,
                crate::rules::Life::Alive => false,
                crate::rules::Life::Unknown => is_old_file(world, &dir, marker)?,
            },
            None => is_old_file(world, &dir, marker)?,
        };
        if !gone {
            return Ok(Latched::Busy);
        }
    }
    let mine = format!("latch.{token}");
    // Exactly one of any set of contenders succeeds in this rename.
    if dir.rename(&found[0], &dir, &mine)? != Step::Done {
        return Ok(Latched::Raced);
    }
    for other in &found[1..] {
        dir.remove_file(other)?;
    }
    // The marker still tells of its dead maker; until it is replaced another command may take it
    // over once more. Both then go on, and only one can publish a lock.
    match dir.put(&mine, maker, token.as_str(), Keep::Fleeting)? {
        Step::Done => Ok(Latched::Held(Latch { dir, marker: mine })),
        Step::Gone | Step::Exists => Ok(Latched::Raced),
    }
}

fn is_old<W: World>(world: &W, mtime: i64) -> bool {
    let now = world.now().as_nanosecond();
    now - i128::from(mtime) >= i128::from(LATCH_SECONDS) * 1_000_000_000
}

fn is_old_file<W: World>(world: &W, dir: &Folder<W::Dir>, name: &str) -> Result<bool, Failure> {
    Ok(dir.stat(name)?.is_some_and(|stat| is_old(world, stat.mtime)))
}

impl<D: Dir> Latch<D> {
    /// Gives the latch up, unless another command has taken it over.
    pub(crate) fn release(self, phase: &Folder<D>) -> Result<(), Failure> {
        release_markers(phase, &self.dir, &[self.marker])
    }
}

/// Removes a latch by the names it was taken under; when one of them is gone, somebody else has
/// taken the latch over, and it stays.
pub(crate) fn release_markers<D: Dir>(
    phase: &Folder<D>,
    latch: &Folder<D>,
    markers: &[String],
) -> Result<(), Failure> {
    for marker in markers {
        if latch.remove_file(marker)? != Step::Done {
            return Ok(());
        }
    }
    // Refused if somebody has marked it meanwhile.
    phase.remove_dir(LATCH)?;
    Ok(())
}
