//! What a phase hands over: copied into its directory under the name of its SHA-256, so that what
//! was handed over can always be shown, and a later change of the original is noticed, never
//! believed.
//!
//! Which file may be an artifact is for the commands to say: this module gets an open file.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{ErrorKind, Read};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Store;
use super::checked_dir::{CheckedDir, Step, is_planted, retry, tidy};
use super::dir::{Dir, Kind, NewFile as _};
use super::disk::DiskDir;
use super::host::Host;
use super::layout::{is_pin, is_sha256, pin_name, temporary_name};
use crate::error::{Failure, FailureKind, Stop};
use crate::record::Done;
use crate::rules::gate::Pin;
use crate::rules::{Board, Refusal};

/// An artifact that has been pinned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pinned {
    /// Its path as it was given.
    pub given: String,
    /// Its absolute real path.
    pub path: String,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// Size in bytes.
    pub size: u64,
    /// Modification time in nanoseconds since 1970.
    pub mtime: i64,
    /// What the link beside `done` points at, relative to the phase's directory.
    pub link: String,
}

/// An open file that is to be an artifact.
pub struct Source<'a> {
    /// Its path as it was given.
    pub given: String,
    /// Its absolute real path.
    pub path: String,
    /// Modification time in nanoseconds since 1970.
    pub mtime: i64,
    /// Its content.
    pub content: &'a mut dyn Read,
    /// At most this many bytes are taken.
    pub limit: u64,
}

/// The SHA-256 of `content`, in hexadecimal, of at most `limit` bytes of it.
///
/// # Errors
/// It cannot be read.
pub fn sha256(content: &mut dyn Read, limit: u64) -> std::io::Result<Option<String>> {
    sha256_of(content, limit, |_| Ok(()))
}

/// The same; each piece of what is hashed is given to `each`, which can end it.
///
/// # Errors
/// It cannot be read; or what `each` fails with.
pub fn sha256_of(
    content: &mut dyn Read,
    limit: u64,
    each: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> std::io::Result<Option<String>> {
    Ok(match copy(content, limit, each)? {
        Copied::Whole(sha256, _) => Some(sha256),
        Copied::TooLarge => None,
    })
}

/// The file cannot be a phase's artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BadArtifact {
    /// The phase.
    pub phase: String,
    /// The file, as it was given.
    pub path: String,
    /// Why not.
    pub why: String,
    /// Whether the phase was given up for it, since its owner ends.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub given_up: bool,
}

/// Why a file of more than `limit` bytes is no artifact.
#[must_use]
pub fn too_large(limit: u64) -> String {
    format!("it is larger than {limit} bytes (conductor.maxArtifact)")
}

impl<H: Host> Store<H> {
    /// Copies `source` into the directory of phase `name`, durably, hashing what is copied: the
    /// hash is that of the copy, whatever becomes of the original meanwhile.
    ///
    /// # Errors
    /// `bad_artifact` above the limit; or the source cannot be read, or the store not be written.
    pub fn pin(&self, name: &str, source: Source<'_>) -> Result<Pinned, Stop> {
        let found = self.current()?.ok_or(Refusal::NoSprint {})?;
        let dir = found.make_phase(name)?;
        let temporary = temporary_name(&self.host().token()?);
        let mut file = dir.new_file(&temporary, true)?;
        let copied = copy(source.content, source.limit, |bytes| file.write(bytes))
            .and_then(|copied| retry(|| file.sync()).map(|()| copied));
        drop(file);
        let (sha256, size) = match copied {
            Ok(Copied::Whole(sha256, size)) => (sha256, size),
            Ok(Copied::TooLarge) => {
                dir.remove_file(&temporary)?;
                return Err(BadArtifact {
                    phase: name.to_owned(),
                    path: source.given,
                    why: too_large(source.limit),
                    given_up: false,
                }
                .into());
            }
            Err(error) => {
                tidy(dir.remove_file(&temporary));
                return Err(Failure::io(error, format!("cannot copy '{}'", source.given)).into());
            }
        };
        let pin = pin_name(&sha256);
        // A pin of this name has this content: replacing it changes nothing.
        if dir.rename(&temporary, &dir, &pin)? != Step::Done {
            tidy(dir.remove_file(&temporary));
            let what = format!("cannot pin '{}' in '{}'", source.given, dir.path());
            return Err(Failure::new(FailureKind::Tampered, what).into());
        }
        // Before the completion is committed: a commit that a power cut leaves must find it.
        dir.sync()?;
        Ok(Pinned {
            given: source.given,
            path: source.path,
            sha256,
            size,
            mtime: source.mtime,
            // To the pin, wherever the original is: it moves along when the sprint is archived, and
            // shows what was handed over whatever becomes of the original.
            link: pin,
        })
    }
}

impl<H: Host> Store<H> {
    /// Whether what was handed over with `done`, the record of phase `name` of `board`, is still
    /// what it was: its copy is hashed.
    ///
    /// # Errors
    /// It cannot be read; or `busy` if the sprint has ended meanwhile.
    pub fn look_at_pin(&self, board: &Board, name: &str, done: &Done) -> Result<Pin, Failure> {
        if done.artifact_sha256.is_none() {
            return Ok(Pin::None);
        }
        let found = self.current()?.filter(|it| it.sprint.sprint_id == board.sprint.sprint_id);
        let Some(found) = found else {
            let text = "another command is in the middle of ending the sprint";
            return Err(Failure::new(FailureKind::Busy, text));
        };
        let Some(dir) = found.phase(name)? else { return Ok(Pin::Gone) };
        hash_of_pin(&dir, done)
    }

    /// The same of a sprint that may have ended.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn check_pin(&self, sprint_id: &str, name: &str, done: &Done) -> Result<Pin, Failure> {
        if done.artifact_sha256.is_none() {
            return Ok(Pin::None);
        }
        let Some(found) = self.find(sprint_id)? else { return Ok(Pin::Gone) };
        let Some(dir) = found.phase(name)? else { return Ok(Pin::Gone) };
        hash_of_pin(&dir, done)
    }

    /// What was handed over with `done`, the record of phase `name` of the sprint `sprint_id`,
    /// which may have ended: all of it, or what has become of it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read_pin(
        &self,
        sprint_id: &str,
        name: &str,
        done: &Done,
    ) -> Result<Result<Vec<u8>, Pin>, Failure> {
        let Some(found) = self.find(sprint_id)? else { return Ok(Err(Pin::Gone)) };
        let Some(dir) = found.phase(name)? else { return Ok(Err(Pin::Gone)) };
        whole_pin(&dir, done, Vec::new, Vec::extend_from_slice, |all| hex(&Sha256::digest(all)))
    }
}

impl<H: Host<Dir = DiskDir>> Store<H> {
    /// What was handed over with `done`, as [`Store::read_pin`] gives it, open and with its size:
    /// it is not held in memory.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open_pin(
        &self,
        sprint_id: &str,
        name: &str,
        done: &Done,
    ) -> Result<Result<(File, u64), Pin>, Failure> {
        let Some(found) = self.find(sprint_id)? else { return Ok(Err(Pin::Gone)) };
        let Some(dir) = found.phase(name)? else { return Ok(Err(Pin::Gone)) };
        let Some(sha256) = &done.artifact_sha256 else { return Ok(Err(Pin::None)) };
        let pin = pin_name(sha256);
        if !is_pin(&pin) {
            return Ok(Err(Pin::Changed));
        }
        let cannot = |error| Failure::io(error, format!("cannot read '{}/{pin}'", dir.path()));
        let (mut file, size) = match retry(|| dir.dir().readable(&pin)) {
            Ok(opened) => opened,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Err(Pin::Gone)),
            Err(error) if is_planted(&error) => return Ok(Err(Pin::Changed)),
            Err(error) => return Err(cannot(error)),
        };
        if done.artifact_size.is_some_and(|known| known != size) {
            return Ok(Err(Pin::Changed));
        }
        let hash = self::sha256(&mut file, size).map_err(cannot)?;
        Ok(if hash.as_ref() == Some(sha256) { Ok((file, size)) } else { Err(Pin::Changed) })
    }
}

/// The pin of `done` in the phase's directory, read into what `begin` makes, if `hash` shows that
/// it is what was handed over; else what has become of it.
pub(super) fn whole_pin<D: Dir, T>(
    dir: &CheckedDir<D>,
    done: &Done,
    begin: impl Fn() -> T,
    each: impl Fn(&mut T, &[u8]),
    hash: impl Fn(&T) -> String,
) -> Result<Result<T, Pin>, Failure> {
    let Some(sha256) = &done.artifact_sha256 else { return Ok(Err(Pin::None)) };
    if !is_sha256(sha256) {
        // No copy can have that hash; and what is no hash is no name either.
        return Ok(Err(Pin::Changed));
    }
    let pin = pin_name(sha256);
    let Some(stat) = dir.stat(&pin)? else { return Ok(Err(Pin::Gone)) };
    if stat.kind != Kind::File || done.artifact_size.is_some_and(|size| size != stat.size) {
        return Ok(Err(Pin::Changed));
    }
    Ok(match dir.read_into(&pin, stat.size, begin, each)? {
        None => Err(Pin::Gone),
        Some(whole) if hash(&whole) == *sha256 => Ok(whole),
        Some(_) => Err(Pin::Changed),
    })
}

/// Hashes the pin of `done` in the phase's directory.
pub(super) fn hash_of_pin<D: Dir>(dir: &CheckedDir<D>, done: &Done) -> Result<Pin, Failure> {
    let hashed = whole_pin(
        dir,
        done,
        Sha256::new,
        |hash, piece| hash.update(piece),
        |hash| hex(&hash.clone().finalize()),
    )?;
    Ok(hashed.err().unwrap_or(Pin::Same))
}

enum Copied {
    Whole(String, u64),
    TooLarge,
}

/// Copies and hashes at most `limit` bytes in one pass.
fn copy(
    from: &mut dyn Read,
    limit: u64,
    mut write: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> std::io::Result<Copied> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut size: u64 = 0;
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => return Ok(Copied::Whole(hex(&hash.finalize()), size)),
            Ok(n) => n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        size += n as u64;
        if size > limit {
            return Ok(Copied::TooLarge);
        }
        hash.update(&buffer[..n]);
        write(&buffer[..n])?;
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String cannot fail.
        _ = write!(text, "{byte:02x}");
        text
    })
}
