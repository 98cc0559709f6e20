//! The directory of sprints: which one is current, and how one is found.
//!
//! The current sprint is the one with the greatest timestamp that is not marked archived.

use super::Store;
use super::checked_dir::CheckedDir;
use super::dir::Dir;
use super::host::{Host, TRIES, is_older};
use super::layout::{ARCHIVE, MAKING_SECONDS, MAX_ENTRIES, MAX_SPRINT_BYTES, SPRINT};
use crate::error::{Failure, FailureKind, Hint};
use crate::record::Sprint;
use crate::rules::{Graph, graph::Names};

/// A sprint's open directory, and its record.
#[derive(Debug)]
pub(crate) struct OpenSprint<D> {
    /// The directory.
    pub(crate) dir: CheckedDir<D>,
    /// Its record.
    pub(crate) sprint: Sprint,
    /// The record's graph.
    pub(crate) graph: Graph,
}

/// When a sprint's id says it was started: `YYYYMMDD-HHMMSS`, which sorts as text.
pub(super) fn stamp(id: &str) -> Option<&str> {
    let (hash, stamp) = id.split_at_checked(12)?;
    let stamp = stamp.strip_prefix('-')?;
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let well_formed = hash.bytes().all(|b| b.is_ascii_hexdigit())
        && stamp.len() == 15
        && stamp.as_bytes()[8] == b'-'
        && digits(&stamp[..8])
        && digits(&stamp[9..]);
    well_formed.then_some(stamp)
}

impl<H: Host> Store<H> {
    /// The ids of this project's sprints in `dir`, latest first; whatever has such a name is one,
    /// if only to be found unreadable: a link in place of the current sprint is not "no sprint".
    pub(super) fn ids(&self, dir: &CheckedDir<H::Dir>) -> Result<Vec<String>, Failure> {
        let ours = |id: &String| stamp(id).is_some() && self.is_ours(id);
        let names = dir.list(MAX_ENTRIES)?.into_iter().map(|entry| entry.name);
        let mut ids: Vec<String> = names.filter(ours).collect();
        ids.sort_by(|a, b| (stamp(b), b).cmp(&(stamp(a), a)));
        Ok(ids)
    }

    /// Whether a sprint of this id is one of this project's.
    pub(super) fn is_ours(&self, id: &str) -> bool {
        self.only.as_ref().is_none_or(|hash| id.starts_with(hash))
    }

    /// The ids of all sprints, ended or not, the latest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn sprints(&self) -> Result<Vec<String>, Failure> {
        let Some(conductor) = self.conductor()? else { return Ok(Vec::new()) };
        // In this order: what is archived between the two looks is seen.
        let mut ids = self.ids(conductor)?;
        if let Some(archive) = conductor.open(ARCHIVE)? {
            ids.extend(self.ids(&archive)?);
        }
        ids.sort_by(|a, b| (stamp(b), b).cmp(&(stamp(a), a)));
        ids.dedup();
        Ok(ids)
    }

    /// The current sprint; `None` if there never was one, or the last has been archived.
    pub(crate) fn current(&self) -> Result<Option<OpenSprint<H::Dir>>, Failure> {
        let Some(conductor) = self.conductor()? else { return Ok(None) };
        let mut none = None;
        'again: for _ in 0..TRIES {
            let ids = self.ids(conductor)?;
            for id in &ids {
                let Some(dir) = conductor.open(id)? else { continue 'again };
                match self.load(dir, id)? {
                    Loaded::Sprint(found) if found.sprint.is_archived() => {}
                    Loaded::Sprint(found) => return Ok(Some(*found)),
                    Loaded::BeingMade => {}
                    Loaded::Moved => continue 'again,
                }
            }
            // A new sprint may have been published while the list was read, and those on it have
            // been archived for it: that there is none is believed when it is seen twice.
            if none.as_ref() == Some(&ids) {
                return Ok(None);
            }
            none = Some(ids);
        }
        Err(Failure::new(FailureKind::Busy, "the sprints change all the time"))
    }

    fn load(&self, dir: CheckedDir<H::Dir>, id: &str) -> Result<Loaded<H::Dir>, Failure> {
        let unreadable = |why: String| {
            let what = format!("cannot understand '{}/{SPRINT}': {why}", dir.path());
            Failure::new(FailureKind::Unreadable, what)
        };
        let Some(bytes) = dir.read(SPRINT, MAX_SPRINT_BYTES)? else {
            let Some(conductor) = self.conductor()? else { return Ok(Loaded::Moved) };
            let Some(stat) = conductor.stat(id)? else { return Ok(Loaded::Moved) };
            if !is_older(&self.host, stat.mtime, MAKING_SECONDS) {
                return Ok(Loaded::BeingMade);
            }
            let what = format!("'{}' is called like a sprint and has no {SPRINT}", dir.path());
            return Err(Failure::new(FailureKind::Unreadable, what).hint(Hint::fixed(
                "if no sprint was ever begun there, your human can take that directory away",
                "if no sprint was ever begun there, take that directory away",
            )));
        };
        let sprint: Sprint =
            serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
        if sprint.sprint_id != id {
            return Err(unreadable("it is the record of another sprint".to_owned()));
        }
        let graph = Graph::new(&sprint.phases, Names::Existing)
            .map_err(|error| unreadable(format!("invalid phase graph: {error}")))?;
        Ok(Loaded::Sprint(Box::new(OpenSprint { dir, sprint, graph })))
    }

    /// Whether `id` is still the current sprint.
    pub(crate) fn is_current(&self, id: &str) -> Result<bool, Failure> {
        Ok(self.current()?.is_some_and(|found| found.sprint.sprint_id == id))
    }

    /// The latest sprints that are over, archived already or not yet; what cannot be read is left
    /// out.
    pub(crate) fn former(&self, most: usize) -> Result<Vec<OpenSprint<H::Dir>>, Failure> {
        let Some(conductor) = self.conductor()? else { return Ok(Vec::new()) };
        let current = self.current()?.map(|found| found.sprint.sprint_id);
        let mut found = Vec::new();
        // First those that are not moved yet: what moves meanwhile is seen afterwards.
        self.collect(conductor, most, current.as_deref(), &mut found)?;
        if let Some(archive) = conductor.open(ARCHIVE)? {
            self.collect(&archive, most, current.as_deref(), &mut found)?;
        }
        Ok(found)
    }

    /// The sprint with this id, be it over or not; `None` if there is none that can be read.
    pub(crate) fn find(&self, id: &str) -> Result<Option<OpenSprint<H::Dir>>, Failure> {
        let Some(dir) = self.directory(id)? else { return Ok(None) };
        Ok(match readable(self.load(dir, id)) {
            Ok(Some(Loaded::Sprint(found))) => Some(*found),
            Ok(Some(Loaded::BeingMade | Loaded::Moved) | None) => None,
            Err(failure) if failure.kind == FailureKind::Unreadable => None,
            Err(failure) => return Err(failure),
        })
    }

    /// The same; that it cannot be read is an error.
    pub(crate) fn find_readable(&self, id: &str) -> Result<Option<OpenSprint<H::Dir>>, Failure> {
        let Some(dir) = self.directory(id)? else { return Ok(None) };
        Ok(match self.load(dir, id)? {
            Loaded::Sprint(found) => Some(*found),
            Loaded::BeingMade | Loaded::Moved => None,
        })
    }

    /// The directory of the sprint `id`, wherever it is.
    fn directory(&self, id: &str) -> Result<Option<CheckedDir<H::Dir>>, Failure> {
        let Some(conductor) = self.conductor()? else { return Ok(None) };
        if stamp(id).is_none() {
            return Ok(None);
        }
        // In this order: what is archived between the two looks is seen.
        let here = readable(conductor.open(id))?.flatten();
        Ok(match (here, conductor.open(ARCHIVE)?) {
            (Some(dir), _) => Some(dir),
            (None, Some(archive)) => readable(archive.open(id))?.flatten(),
            (None, None) => None,
        })
    }

    fn collect(
        &self,
        place: &CheckedDir<H::Dir>,
        most: usize,
        current: Option<&str>,
        found: &mut Vec<OpenSprint<H::Dir>>,
    ) -> Result<(), Failure> {
        let over = |id: &String| current.is_none_or(|current| stamp(id) < stamp(current));
        for id in self.ids(place)?.into_iter().filter(over).take(most) {
            let Some(dir) = readable(place.open(&id))?.flatten() else { continue };
            if let Ok(Loaded::Sprint(sprint)) = self.load(dir, &id) {
                found.push(*sprint);
            }
        }
        Ok(())
    }
}

/// What was read; `None` if it is not what it should be. Of a sprint that is over, or is to be,
/// that must not be in anybody's way.
pub(super) fn readable<T>(read: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(failure) if failure.kind == FailureKind::Tampered => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// What a sprint's directory turned out to be.
enum Loaded<D> {
    /// A sprint.
    Sprint(Box<OpenSprint<D>>),
    /// A script is in the middle of making it.
    BeingMade,
    /// It is not there any more.
    Moved,
}

impl<D: Dir> OpenSprint<D> {
    /// The directory of one phase; `None` if it is missing, as after a power cut.
    pub(crate) fn phase(&self, name: &str) -> Result<Option<CheckedDir<D>>, Failure> {
        self.dir.open(name)
    }

    /// The directory of one phase, made again durably if it is missing.
    pub(crate) fn make_phase(&self, name: &str) -> Result<CheckedDir<D>, Failure> {
        let (dir, made) = self.dir.open_or_make(name)?;
        if made {
            self.dir.sync()?;
        }
        Ok(dir)
    }

    /// When the sprint was started, by its id.
    pub(super) fn stamp(&self) -> Option<&str> {
        stamp(&self.sprint.sprint_id)
    }

    /// The directory's path below the store.
    pub(crate) fn path(&self) -> &str {
        self.dir.path()
    }
}
