//! How a sprint begins, how it ends, and how it is removed.
//!
//! One rename publishes a new sprint, whose directory is complete and durable by then. Only after
//! that the old one is archived. So there is a current sprint at every moment, even if a command is
//! killed.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::Store;
use super::carry::{Carried, take_over};
use super::checked_dir::{CheckedDir, Keep, Step, from_json, to_json};
use super::dir::{Dir, Entry, Kind};
use super::host::{Host, is_older};
use super::layout::{
    ARCHIVE, MAX_ENTRIES, MAX_SPRINT_BYTES, SPRINT, TEMPORARY_SECONDS, gone_name, is_temporary,
    last_name, last_of, new_name,
};
use super::sprints::{readable, stamp};
use crate::error::{Failure, FailureKind, Hint};
use crate::record::{Maker, Sprint};
use crate::rules::identity::age;

/// The stamp of a moment.
fn stamp_at(moment: Timestamp) -> String {
    moment.to_zoned(TimeZone::UTC).strftime("%Y%m%d-%H%M%S").to_string()
}

/// The moment of a stamp; `None` if there is no such date.
fn moment(stamp: &str) -> Option<Timestamp> {
    let civil = jiff::civil::DateTime::strptime("%Y%m%d-%H%M%S", stamp).ok()?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

impl<H: Host> Store<H> {
    /// Publishes a new sprint and archives all others. `sprint` has all but its id; `hash` is that
    /// of the project. The id's time is the later of now and a second after the latest there is.
    /// What it begins with is in it before it is published.
    ///
    /// `None` if another start was faster: decide again.
    pub(crate) fn publish(
        &self,
        hash: &str,
        mut sprint: Sprint,
        carried: &[Carried<H::Dir>],
        maker: &Maker,
    ) -> Result<Option<Sprint>, Failure> {
        let conductor = self.make_conductor()?;
        let now = self.host.now();
        // The sprint before may have been removed since it was looked at: none is called like it.
        let from = sprint.from.as_ref().and_then(|id| Some((stamp(id)?.to_owned(), id.clone())));
        let latest = latest_stamp(conductor)?;
        let latest = latest.into_iter().chain(from).max_by(|a, b| a.0.cmp(&b.0));
        let stamp = match latest {
            Some((latest, path)) if H::DEFENCES.own_directory && latest >= stamp_at(now) => {
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
        if H::DEFENCES.mark_removed && !self.reserve(conductor, &stamp)? {
            return Ok(None);
        }
        let id = format!("{hash}-{stamp}");
        sprint.sprint_id.clone_from(&id);
        sprint.started_at = Some(now);
        let record = to_json(&sprint)?;
        if record.len() as u64 > MAX_SPRINT_BYTES {
            // Published, it would be there and could not be read by anyone.
            let what = format!("the sprint's record would be larger than {MAX_SPRINT_BYTES} bytes");
            return Err(Failure::new(FailureKind::Usage, what));
        }
        let name = new_name(&self.host.token()?);
        if !H::DEFENCES.publish_first {
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
            return Ok(if H::DEFENCES.own_directory { None } else { Some(sprint) });
        }
        conductor.sync()?;
        if H::DEFENCES.own_directory && !self.is_current(&id)? {
            // Another start, by a clock that is ahead, has published a later one.
            self.archive(conductor, &id)?;
            return Ok(None);
        }
        self.archive_before(conductor, &id)?;
        Ok(Some(sprint))
    }

    /// Marks the moment of a sprint that is about to be published as given; `false` if another
    /// start was faster. That start's sprint may have ended and have been removed by now, so that
    /// nothing but the mark tells.
    fn reserve(&self, conductor: &CheckedDir<H::Dir>, stamp: &str) -> Result<bool, Failure> {
        if conductor.create_once(&last_name(stamp), b"")? != Step::Done {
            return Ok(false);
        }
        // One that was stopped for so long that its own mark could be removed meanwhile sees a
        // later one.
        let marks = self.remove_marks(conductor)?;
        Ok(marks.first().is_none_or(|latest| latest.as_str() <= stamp))
    }

    /// Archives every sprint before `id`, the oldest first, so that none of them can come to be the
    /// current one when a later one is archived.
    fn archive_before(&self, conductor: &CheckedDir<H::Dir>, id: &str) -> Result<(), Failure> {
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
    fn archive(&self, conductor: &CheckedDir<H::Dir>, id: &str) -> Result<(), Failure> {
        let Some(dir) = readable(conductor.open(id))? else {
            // No directory at all, only called like one.
            let (archive, _) = conductor.open_or_make(ARCHIVE)?;
            conductor.rename(id, &archive, id)?;
            return Ok(());
        };
        let Some(dir) = dir else { return Ok(()) };
        // A record that cannot be read is moved as it is.
        if let Some(mut sprint) = record_of(&dir)?
            && !sprint.is_archived()
        {
            Sprint::ARCHIVED.clone_into(&mut sprint.status);
            sprint.archived_at = Some(self.host.now());
            let unique = self.host.token()?;
            dir.put(SPRINT, &sprint, &unique, Keep::Durable)?;
        }
        let (archive, _) = conductor.open_or_make(ARCHIVE)?;
        conductor.rename(id, &archive, id)?;
        Ok(())
    }

    /// Removes sprints that were archived at least `older_than` ago, and what killed commands left;
    /// gives the ids that went.
    pub(crate) fn clean_up(&self, older_than: SignedDuration) -> Result<Vec<String>, Failure> {
        let Some(conductor) = self.conductor()? else { return Ok(Vec::new()) };
        let now = self.host.now();
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
                let Some(dir) = readable(archive.open(&id))?.flatten() else { continue };
                let since = record_of(&dir)?.map_or_else(
                    || stamp(&id).and_then(moment),
                    |sprint| sprint.archived_at.or(sprint.started_at),
                );
                if since.is_some_and(|since| age(now, since) >= older_than) {
                    if H::DEFENCES.mark_removed {
                        mark(conductor, &id)?;
                    }
                    remove_aside(&archive, &id)?;
                    gone.push(id);
                }
            }
            self.remove_leftovers(&archive)?;
        }
        self.remove_leftovers(conductor)?;
        self.remove_marks(conductor)?;
        Ok(gone)
    }

    /// Makes a sprint's directory whole and durable, under a name that nobody looks at; `false` if
    /// what is to be carried is gone.
    fn build(
        &self,
        conductor: &CheckedDir<H::Dir>,
        name: &str,
        sprint: &Sprint,
        record: &[u8],
        carried: &[Carried<H::Dir>],
        maker: &Maker,
    ) -> Result<bool, Failure> {
        let gone = || Failure::new(FailureKind::Busy, format!("'{name}' was removed meanwhile"));
        conductor.make(name)?;
        let dir = conductor.open(name)?.ok_or_else(gone)?;
        dir.create(SPRINT, record, Keep::Durable)?;
        for phase in &sprint.phases {
            dir.make(&phase.name)?;
            if let Some(carried) = carried.iter().find(|carried| carried.phase == phase.name) {
                let phase = dir.open(&phase.name)?.ok_or_else(gone)?;
                if !take_over(&self.host, carried, &phase, maker)? {
                    return Ok(false);
                }
            }
        }
        dir.sync()?;
        Ok(true)
    }

    /// Removes the marks that a later one has stood beside for long: whoever reads them while they
    /// go sees that one. Gives the moments of those there were, the latest first.
    fn remove_marks(&self, conductor: &CheckedDir<H::Dir>) -> Result<Vec<String>, Failure> {
        let mut marks: Vec<Entry> = conductor.list(MAX_ENTRIES)?;
        marks.retain(|entry| entry.kind == Kind::File && marked(&entry.name).is_some());
        marks.sort_by(|a, b| b.name.cmp(&a.name));
        let mut superseded = false;
        for (n, entry) in marks.iter().enumerate() {
            if superseded {
                conductor.remove_all(entry)?;
            } else if n + 1 < marks.len()
                && let Some(stat) = conductor.stat(&entry.name)?
            {
                superseded = is_older(&self.host, stat.mtime, TEMPORARY_SECONDS);
            }
        }
        let moments = marks.iter().filter_map(|entry| marked(&entry.name));
        Ok(moments.map(str::to_owned).collect())
    }

    fn remove_leftovers(&self, dir: &CheckedDir<H::Dir>) -> Result<(), Failure> {
        for entry in dir.list(MAX_ENTRIES)? {
            if is_temporary(&entry.name) {
                let Some(stat) = dir.stat(&entry.name)? else { continue };
                if is_older(&self.host, stat.mtime, TEMPORARY_SECONDS) {
                    dir.remove_all(&entry)?;
                }
            }
        }
        Ok(())
    }
}

/// The moment that a mark is of; `None` if `name` is no mark's.
fn marked(name: &str) -> Option<&str> {
    // As in an id, whose hash says nothing here.
    let moment = last_of(name)?;
    stamp(&format!("000000000000-{moment}")).is_some().then_some(moment)
}

/// Marks, durably, that there was a sprint `id`, which is about to be removed: its id is given to
/// none again, nor is an earlier one. A later sprint or mark says so as well.
fn mark<D: Dir>(conductor: &CheckedDir<D>, id: &str) -> Result<(), Failure> {
    let Some(own) = stamp(id) else { return Ok(()) };
    if latest_stamp(conductor)?.is_some_and(|(latest, _)| latest.as_str() > own) {
        return Ok(());
    }
    conductor.create_once(&last_name(own), b"")?;
    conductor.sync()
}

/// The latest time in the id of any sprint, whoever's it is, and what has that id; or that of a
/// sprint which was removed, and what marks it.
fn latest_stamp<D: Dir>(conductor: &CheckedDir<D>) -> Result<Option<(String, String)>, Failure> {
    let mut latest: Option<(String, String)> = None;
    // In this order: a sprint that is archived between the two looks is seen at least once.
    let archive = conductor.open(ARCHIVE)?;
    let mut see = |stamp: Option<&str>, dir: &CheckedDir<D>, name: &str| {
        if let Some(stamp) = stamp
            && latest.as_ref().is_none_or(|(latest, _)| stamp > latest.as_str())
        {
            latest = Some((stamp.to_owned(), format!("{}/{name}", dir.path())));
        }
    };
    for dir in std::iter::once(conductor).chain(archive.as_ref()) {
        for entry in dir.list(MAX_ENTRIES)? {
            see(stamp(&entry.name), dir, &entry.name);
        }
    }
    // After them: a sprint that was removed before it could be seen has been marked by then.
    for entry in conductor.list(MAX_ENTRIES)? {
        see(marked(&entry.name), conductor, &entry.name);
    }
    Ok(latest)
}

/// Whether a sprint's record says that it has ended.
fn is_marked<D: Dir>(conductor: &CheckedDir<D>, id: &str) -> Result<bool, Failure> {
    let Some(dir) = readable(conductor.open(id))?.flatten() else { return Ok(false) };
    Ok(record_of(&dir)?.is_some_and(|sprint| sprint.is_archived()))
}

/// The record of a sprint that is over, or is to be; `None` if it cannot be understood.
fn record_of<D: Dir>(dir: &CheckedDir<D>) -> Result<Option<Sprint>, Failure> {
    let record = readable(dir.read(SPRINT, MAX_SPRINT_BYTES))?.flatten();
    Ok(record.as_deref().and_then(from_json))
}

/// Removes a sprint's directory, renamed away first so that nobody reads half of it.
fn remove_aside<D: Dir>(archive: &CheckedDir<D>, id: &str) -> Result<(), Failure> {
    let aside = gone_name(id);
    // What an earlier `clean` left there goes first.
    while archive.rename(id, archive, &aside)? == Step::Exists {
        let Some(stat) = archive.stat(&aside)? else { continue };
        archive.remove_all(&Entry { name: aside.clone(), kind: stat.kind })?;
    }
    archive.remove_all(&Entry { name: aside, kind: Kind::Dir })
}
