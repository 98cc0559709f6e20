//! The directory of sprints: which one is current, how one begins, how one ends.
//!
//! The current sprint is the one with the greatest timestamp that is not marked archived. A new one
//! is published by one rename of a directory that is complete and durable, and only then is the old
//! one archived: there is never a moment, and no kill leaves one, in which there is none.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::Store;
use super::carry::{Carried, take_over};
use super::dir::{Dir, Entry, Kind};
use super::folder::{Folder, Keep, MANY, Step, from_json, to_json};
use super::litter::{LITTER_SECONDS, is_temporary};
use super::world::{TRIES, World, is_older};
use crate::error::{Failure, FailureKind, Hint};
use crate::record::{Maker, Sprint};
use crate::rules::{Graph, graph::Names, identity::age};

/// Where ended sprints go.
pub(crate) const ARCHIVE: &str = "archive";
/// What a mark's name begins with: the moment after it was a sprint's, and is given to none again.
const LAST: &str = ".last.";
/// The record of a sprint.
const RECORD: &str = "sprint.json";
/// A sprint's record is no longer than this, in bytes.
const LONGEST: u64 = 1024 * 1024;
/// A directory without a record that is younger than this, in seconds, is being made by a script.
const MAKING_SECONDS: i64 = 60;

/// One sprint's directory and what its record says.
#[derive(Debug)]
pub(crate) struct Found<D> {
    /// The directory.
    pub(crate) folder: Folder<D>,
    /// Its record.
    pub(crate) sprint: Sprint,
    /// The record's graph.
    pub(crate) graph: Graph,
}

/// When a sprint's id says it was started: `YYYYMMDD-HHMMSS`, which sorts as text.
fn stamp(id: &str) -> Option<&str> {
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

/// The stamp of a moment.
fn stamp_at(moment: Timestamp) -> String {
    moment.to_zoned(TimeZone::UTC).strftime("%Y%m%d-%H%M%S").to_string()
}

/// The moment of a stamp; `None` if there is no such date.
fn moment(stamp: &str) -> Option<Timestamp> {
    let civil = jiff::civil::DateTime::strptime("%Y%m%d-%H%M%S", stamp).ok()?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

impl<W: World> Store<W> {
    /// The ids of this project's sprints in `folder`, latest first; whatever has such a name is one,
    /// if only to be found unreadable: a link in place of the current sprint is not "no sprint".
    fn ids(&self, folder: &Folder<W::Dir>) -> Result<Vec<String>, Failure> {
        let ours = |id: &String| stamp(id).is_some() && self.is_ours(id);
        let names = folder.list(MANY)?.into_iter().map(|entry| entry.name);
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
    pub(crate) fn current(&self) -> Result<Option<Found<W::Dir>>, Failure> {
        let Some(conductor) = self.conductor()? else { return Ok(None) };
        let mut none = None;
        'again: for _ in 0..TRIES {
            let ids = self.ids(conductor)?;
            for id in &ids {
                let Some(folder) = conductor.open(id)? else { continue 'again };
                match self.load(folder, id)? {
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

    fn load(&self, folder: Folder<W::Dir>, id: &str) -> Result<Loaded<W::Dir>, Failure> {
        let unreadable = |why: String| {
            let what = format!("cannot understand '{}/{RECORD}': {why}", folder.path());
            Failure::new(FailureKind::Unreadable, what)
        };
        let Some(bytes) = folder.read(RECORD, LONGEST)? else {
            let Some(conductor) = self.conductor()? else { return Ok(Loaded::Moved) };
            let Some(stat) = conductor.stat(id)? else { return Ok(Loaded::Moved) };
            if !is_older(&self.world, stat.mtime, MAKING_SECONDS) {
                return Ok(Loaded::BeingMade);
            }
            let what = format!("'{}' is called like a sprint and has no {RECORD}", folder.path());
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
        Ok(Loaded::Sprint(Box::new(Found { folder, sprint, graph })))
    }

    /// Whether `id` is still the current sprint.
    pub(crate) fn is_current(&self, id: &str) -> Result<bool, Failure> {
        Ok(self.current()?.is_some_and(|found| found.sprint.sprint_id == id))
    }

    /// The latest sprints that are over, archived already or not yet; what cannot be read is left out.
    pub(crate) fn former(&self, most: usize) -> Result<Vec<Found<W::Dir>>, Failure> {
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
    pub(crate) fn find(&self, id: &str) -> Result<Option<Found<W::Dir>>, Failure> {
        let Some(folder) = self.directory(id)? else { return Ok(None) };
        Ok(match readable(self.load(folder, id)) {
            Ok(Some(Loaded::Sprint(found))) => Some(*found),
            Ok(Some(Loaded::BeingMade | Loaded::Moved) | None) => None,
            Err(failure) if failure.kind == FailureKind::Unreadable => None,
            Err(failure) => return Err(failure),
        })
    }

    /// The same; that it cannot be read is an error.
    pub(crate) fn find_readable(&self, id: &str) -> Result<Option<Found<W::Dir>>, Failure> {
        let Some(folder) = self.directory(id)? else { return Ok(None) };
        Ok(match self.load(folder, id)? {
            Loaded::Sprint(found) => Some(*found),
            Loaded::BeingMade | Loaded::Moved => None,
        })
    }

    /// The directory of the sprint `id`, wherever it is.
    fn directory(&self, id: &str) -> Result<Option<Folder<W::Dir>>, Failure> {
        let Some(conductor) = self.conductor()? else { return Ok(None) };
        if stamp(id).is_none() {
            return Ok(None);
        }
        // In this order: what is archived between the two looks is seen.
        let here = readable(conductor.open(id))?.flatten();
        Ok(match (here, conductor.open(ARCHIVE)?) {
            (Some(folder), _) => Some(folder),
            (None, Some(archive)) => readable(archive.open(id))?.flatten(),
            (None, None) => None,
        })
    }

    fn collect(
        &self,
        place: &Folder<W::Dir>,
        most: usize,
        current: Option<&str>,
        found: &mut Vec<Found<W::Dir>>,
    ) -> Result<(), Failure> {
        let over = |id: &String| current.is_none_or(|current| stamp(id) < stamp(current));
        for id in self.ids(place)?.into_iter().filter(over).take(most) {
            let Some(folder) = readable(place.open(&id))?.flatten() else { continue };
            if let Ok(Loaded::Sprint(sprint)) = self.load(folder, &id) {
                found.push(*sprint);
            }
        }
        Ok(())
    }

    /// Publishes a new sprint and archives all others. `sprint` has all but its id; `hash` is that
    /// of the project. The id's time is the later of now and a second after the latest there is.
    /// What it begins with is in it before it is published.
    ///
    /// `None` if another start was faster: decide again.
    pub(crate) fn publish(
        &self,
        hash: &str,
        mut sprint: Sprint,
        carried: &[Carried<W::Dir>],
        maker: &Maker,
    ) -> Result<Option<Sprint>, Failure> {
        let conductor = self.make_conductor()?;
        let now = self.world.now();
        // The sprint before may have been removed since it was looked at: none is called like it.
        let from = sprint.from.as_ref().and_then(|id| Some((stamp(id)?.to_owned(), id.clone())));
        let latest = latest_stamp(conductor)?;
        let latest = latest.into_iter().chain(from).max_by(|a, b| a.0.cmp(&b.0));
        let stamp = match latest {
            Some((latest, path)) if W::DEFENCES.own_directory && latest >= stamp_at(now) => {
                let after =
                    moment(&latest).and_then(|m| m.checked_add(jiff::Span::new().seconds(1)).ok());
                let no_later = || {
                    let what = format!("no sprint can come after '{path}', by its name");
                    Failure::new(FailureKind::Unreadable, what).hint(Hint::fixed(
                        "if it is of no use, your human can take it away",
                        "if it is of no use, take it away",
                    ))
                };
                stamp_at(after.ok_or_else(no_later)?)
            }
            _ => stamp_at(now),
        };
        if W::DEFENCES.mark_removed && !self.reserve(conductor, &stamp)? {
            return Ok(None);
        }
        let id = format!("{hash}-{stamp}");
        sprint.sprint_id.clone_from(&id);
        sprint.started_at = Some(now);
        let record = to_json(&sprint)?;
        if record.len() as u64 > LONGEST {
            // Published, it would be there and could not be read by anyone.
            let what = format!("the sprint's record would be larger than {LONGEST} bytes");
            return Err(Failure::new(FailureKind::Usage, what));
        }
        let name = format!(".new.{}", self.world.token()?);
        if !W::DEFENCES.publish_first {
            self.archive_before(conductor, &id)?;
        }
        let built = self.build(conductor, &name, &sprint, &record, carried, maker);
        let renamed = match built {
            Ok(true) => conductor.rename(&name, conductor, &id),
            // Of what was to be carried something is gone: another start and `clean` were faster.
            Ok(false) => Ok(Step::Gone),
            Err(failure) => Err(failure),
        };
        if !matches!(renamed, Ok(Step::Done)) {
            conductor.remove_all(&Entry { name, kind: Kind::Dir })?;
            renamed?;
            // Two starts in one second, as the script has it: the second finds its directory made.
            return Ok(if W::DEFENCES.own_directory { None } else { Some(sprint) });
        }
        conductor.sync()?;
        if W::DEFENCES.own_directory && !self.is_current(&id)? {
            // Another start, by a clock that is ahead, has published a later one.
            self.archive(conductor, &id)?;
            return Ok(None);
        }
        self.archive_before(conductor, &id)?;
        Ok(Some(sprint))
    }

    /// Marks the moment of a sprint that is about to be published as given; `false` if another start was
    /// faster. That start's sprint may have ended and have been removed by now, so that nothing but the
    /// mark tells.
    fn reserve(&self, conductor: &Folder<W::Dir>, stamp: &str) -> Result<bool, Failure> {
        if conductor.create_once(&format!("{LAST}{stamp}"), b"")? != Step::Done {
            return Ok(false);
        }
        // One that was stopped for so long that its own mark could be removed meanwhile sees a later one.
        let marks = self.remove_marks(conductor)?;
        Ok(marks.first().is_none_or(|latest| latest.as_str() <= stamp))
    }

    /// Archives every sprint before `id`, the oldest first, so that none of them can come to be the
    /// current one when a later one is archived.
    fn archive_before(&self, conductor: &Folder<W::Dir>, id: &str) -> Result<(), Failure> {
        for other in self.ids(conductor)?.into_iter().rev() {
            if (stamp(&other), other.as_str()) < (stamp(id), id) {
                self.archive(conductor, &other)?;
            }
        }
        Ok(())
    }

    /// Ends the sprint `id` and all before it.
    pub(crate) fn end(&self, id: &str) -> Result<(), Failure> {
        let Some(conductor) = self.conductor()? else { return Ok(()) };
        self.archive_before(conductor, id)?;
        self.archive(conductor, id)?;
        conductor.sync()
    }

    /// Marks one sprint archived and moves it away; both steps may have been done, or be being
    /// done, by another command.
    fn archive(&self, conductor: &Folder<W::Dir>, id: &str) -> Result<(), Failure> {
        let Some(folder) = readable(conductor.open(id))? else {
            // No directory at all, only called like one.
            let (archive, _) = conductor.open_or_make(ARCHIVE)?;
            conductor.rename(id, &archive, id)?;
            return Ok(());
        };
        let Some(folder) = folder else { return Ok(()) };
        // A record that cannot be read is moved as it is.
        if let Some(mut sprint) = record_of(&folder)?
            && !sprint.is_archived()
        {
            Sprint::ARCHIVED.clone_into(&mut sprint.status);
            sprint.archived_at = Some(self.world.now());
            let unique = self.world.token()?;
            folder.put(RECORD, &sprint, unique.as_str(), Keep::Durable)?;
        }
        let (archive, _) = conductor.open_or_make(ARCHIVE)?;
        conductor.rename(id, &archive, id)?;
        Ok(())
    }

    /// Removes sprints that were archived at least `older_than` ago, and what killed commands left;
    /// gives the ids that went.
    pub(crate) fn clean_up(&self, older_than: SignedDuration) -> Result<Vec<String>, Failure> {
        let Some(conductor) = self.conductor()? else { return Ok(Vec::new()) };
        let now = self.world.now();
        let mut gone = Vec::new();
        // A start that was killed before it could move them left archived ones here.
        let here = self.ids(conductor)?;
        let current = self.current()?.map(|found| found.sprint.sprint_id);
        for id in here {
            let before = |current: &String| (stamp(&id), &id) < (stamp(current), current);
            let over = current.as_ref().is_some_and(before) || is_marked(conductor, &id)?;
            if over {
                self.archive(conductor, &id)?;
            }
        }
        if let Some(archive) = conductor.open(ARCHIVE)? {
            for id in self.ids(&archive)?.into_iter().rev() {
                // What only is called like a sprint is not for us to remove.
                let Some(folder) = readable(archive.open(&id))?.flatten() else { continue };
                let since = record_of(&folder)?.map_or_else(
                    || stamp(&id).and_then(moment),
                    |sprint| sprint.archived_at.or(sprint.started_at),
                );
                if since.is_some_and(|since| age(now, since) >= older_than) {
                    if W::DEFENCES.mark_removed {
                        mark(conductor, &id)?;
                    }
                    remove_aside(&archive, &id)?;
                    gone.push(id);
                }
            }
            self.remove_litter(&archive)?;
        }
        self.remove_litter(conductor)?;
        self.remove_marks(conductor)?;
        Ok(gone)
    }

    /// Makes a sprint's directory whole and durable, under a name that nobody looks at; `false` if what
    /// is to be carried is gone.
    fn build(
        &self,
        conductor: &Folder<W::Dir>,
        name: &str,
        sprint: &Sprint,
        record: &[u8],
        carried: &[Carried<W::Dir>],
        maker: &Maker,
    ) -> Result<bool, Failure> {
        let gone = || Failure::new(FailureKind::Busy, format!("'{name}' was removed meanwhile"));
        conductor.make(name)?;
        let folder = conductor.open(name)?.ok_or_else(gone)?;
        folder.create(RECORD, record, Keep::Durable)?;
        for phase in &sprint.phases {
            folder.make(&phase.name)?;
            if let Some(carried) = carried.iter().find(|carried| carried.phase == phase.name) {
                let phase = folder.open(&phase.name)?.ok_or_else(gone)?;
                if !take_over(&self.world, carried, &phase, maker)? {
                    return Ok(false);
                }
            }
        }
        folder.sync()?;
        Ok(true)
    }

    /// Removes the marks that a later one has stood beside for long: whoever reads them while they go
    /// sees that one. Gives the moments of those there were, the latest first.
    fn remove_marks(&self, conductor: &Folder<W::Dir>) -> Result<Vec<String>, Failure> {
        let mut marks: Vec<Entry> = conductor.list(MANY)?;
        marks.retain(|entry| entry.kind == Kind::File && marked(&entry.name).is_some());
        marks.sort_by(|a, b| b.name.cmp(&a.name));
        let mut superseded = false;
        for (n, entry) in marks.iter().enumerate() {
            if superseded {
                conductor.remove_all(entry)?;
            } else if n + 1 < marks.len()
                && let Some(stat) = conductor.stat(&entry.name)?
            {
                superseded = is_older(&self.world, stat.mtime, LITTER_SECONDS);
            }
        }
        let moments = marks.iter().filter_map(|entry| marked(&entry.name));
        Ok(moments.map(str::to_owned).collect())
    }

    fn remove_litter(&self, folder: &Folder<W::Dir>) -> Result<(), Failure> {
        for entry in folder.list(MANY)? {
            if is_temporary(&entry.name) {
                let Some(stat) = folder.stat(&entry.name)? else { continue };
                if is_older(&self.world, stat.mtime, LITTER_SECONDS) {
                    folder.remove_all(&entry)?;
                }
            }
        }
        Ok(())
    }
}

/// The moment that a mark is of; `None` if `name` is no mark's.
fn marked(name: &str) -> Option<&str> {
    // As in an id, whose hash says nothing here.
    let moment = name.strip_prefix(LAST)?;
    stamp(&format!("000000000000-{moment}")).is_some().then_some(moment)
}

/// Marks, durably, that there was a sprint `id`, which is about to be removed: its id is given to none
/// again, nor is an earlier one. A later sprint or mark says so as well.
fn mark<D: Dir>(conductor: &Folder<D>, id: &str) -> Result<(), Failure> {
    let Some(own) = stamp(id) else { return Ok(()) };
    if latest_stamp(conductor)?.is_some_and(|(latest, _)| latest.as_str() > own) {
        return Ok(());
    }
    conductor.create_once(&format!("{LAST}{own}"), b"")?;
    conductor.sync()
}

/// The latest time in the id of any sprint, whoever's it is, and what has that id; or that of a sprint
/// which was removed, and what marks it.
fn latest_stamp<D: Dir>(conductor: &Folder<D>) -> Result<Option<(String, String)>, Failure> {
    let mut latest: Option<(String, String)> = None;
    // In this order: a sprint that is archived between the two looks is seen at least once.
    let archive = conductor.open(ARCHIVE)?;
    let mut see = |stamp: Option<&str>, folder: &Folder<D>, name: &str| {
        if let Some(stamp) = stamp
            && latest.as_ref().is_none_or(|(latest, _)| stamp > latest.as_str())
        {
            latest = Some((stamp.to_owned(), format!("{}/{name}", folder.path())));
        }
    };
    for folder in std::iter::once(conductor).chain(archive.as_ref()) {
        for entry in folder.list(MANY)? {
            see(stamp(&entry.name), folder, &entry.name);
        }
    }
    // After them: a sprint that was removed before it could be seen has been marked by then.
    for entry in conductor.list(MANY)? {
        see(marked(&entry.name), conductor, &entry.name);
    }
    Ok(latest)
}

/// Whether a sprint's record says that it has ended.
fn is_marked<D: Dir>(conductor: &Folder<D>, id: &str) -> Result<bool, Failure> {
    let Some(folder) = readable(conductor.open(id))?.flatten() else { return Ok(false) };
    Ok(record_of(&folder)?.is_some_and(|sprint| sprint.is_archived()))
}

/// What was read; `None` if it is not what it should be. Of a sprint that is over, or is to be, that
/// must not be in anybody's way.
fn readable<T>(read: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(failure) if failure.kind == FailureKind::Tampered => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// The record of a sprint that is over, or is to be; `None` if it cannot be understood.
fn record_of<D: Dir>(folder: &Folder<D>) -> Result<Option<Sprint>, Failure> {
    let record = readable(folder.read(RECORD, LONGEST))?.flatten();
    Ok(record.as_deref().and_then(from_json))
}

/// Removes a sprint's directory, renamed away first so that nobody reads half of it.
fn remove_aside<D: Dir>(archive: &Folder<D>, id: &str) -> Result<(), Failure> {
    let aside = format!(".gone.{id}");
    // What an earlier `clean` left there goes first.
    while archive.rename(id, archive, &aside)? == Step::Exists {
        let Some(stat) = archive.stat(&aside)? else { continue };
        archive.remove_all(&Entry { name: aside.clone(), kind: stat.kind })?;
    }
    archive.remove_all(&Entry { name: aside, kind: Kind::Dir })
}

/// What a sprint's directory turned out to be.
enum Loaded<D> {
    /// A sprint.
    Sprint(Box<Found<D>>),
    /// A script is in the middle of making it.
    BeingMade,
    /// It is not there any more.
    Moved,
}

impl<D: Dir> Found<D> {
    /// The directory of one phase; `None` if it is missing, as after a power cut.
    pub(crate) fn phase(&self, name: &str) -> Result<Option<Folder<D>>, Failure> {
        self.folder.open(name)
    }

    /// The directory of one phase, made again durably if it is missing.
    pub(crate) fn make_phase(&self, name: &str) -> Result<Folder<D>, Failure> {
        let (folder, made) = self.folder.open_or_make(name)?;
        if made {
            self.folder.sync()?;
        }
        Ok(folder)
    }

    /// When the sprint was started, by its id.
    pub(super) fn stamp(&self) -> Option<&str> {
        stamp(&self.sprint.sprint_id)
    }

    /// The directory's path below the store.
    pub(crate) fn path(&self) -> &str {
        self.folder.path()
    }
}
