//! References of ours that lead to nothing that can be read, and how they are mended.
//!
//! A power cut can leave a reference as an empty file, or with an id whose objects never reached
//! the disk. git changes no reference of the first kind, and collects no garbage beside either.
//! Objects that are only out of reach (another user's, a disk that fails) are no reason to change
//! anything: what is lost must be known to be absent or empty.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use gix::bstr::ByteSlice as _;
use gix::hash::ObjectId;

use super::child;
use super::durable::synced;
use super::notes::Name;
use super::repo::Repo;
use crate::error::{Failure, FailureKind};
use crate::record::salvage::{REFS, Salvage};
use crate::sync;

/// So many earlier values of a reference are tried.
const EARLIER: usize = 64;
/// So many empty files of objects are removed with a reference.
const EMPTY: usize = 1000;
/// References are looked for so many directories down.
const DEPTH: u32 = 16;

/// A reference of ours that leads to nothing that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Its full name.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
    /// Whether only its name is lost with it: nothing of what it led to is known to be there.
    pub empty: bool,
}

/// What a reference or a commit leads to.
enum Reach {
    /// All of it is there, or the rest is a matter of a remote.
    Whole,
    /// An object is known to be gone.
    Lost(Lost),
}

/// An object that is gone, or whose file is empty.
struct Lost {
    id: ObjectId,
    is_empty: bool,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "object {} is {}", self.id, if self.is_empty { "empty" } else { "missing" })
    }
}

impl Repo {
    /// Those of our references that are broken: notes called `name` and their artifacts, here and
    /// as they were fetched, and what is kept of dead owners. A few git children; more if something
    /// is wrong.
    ///
    /// # Errors
    /// git cannot be asked.
    pub fn broken_refs(&self, name: &Name) -> Result<Vec<Broken>, Failure> {
        let names = self.our_refs(name)?;
        let mut sound = Vec::new();
        let mut broken = Vec::new();
        for name in names {
            match self.id_of(&name)? {
                Some(id) => sound.push((name, id)),
                None if self.has_file(&name) => {
                    let why = "its file holds no object id".to_owned();
                    broken.push(Broken { name, why, empty: true });
                }
                None => {}
            }
        }
        // Mostly all are whole, and one look at all of them shows it.
        let all: Vec<_> = sound.iter().map(|(name, id)| (is_salvage(name), id.as_str())).collect();
        if matches!(self.reach(&all), Ok(Reach::Whole)) {
            return Ok(broken);
        }
        for (name, id) in &sound {
            if let Reach::Lost(lost) = self.reach(&[(is_salvage(name), id)])? {
                let (empty, why) = (!self.is_commit(id)?, lost.to_string());
                broken.push(Broken { name: name.clone(), why, empty });
            }
        }
        Ok(broken)
    }

    /// Whether the reference `name`, by which nothing was found, is there all the same.
    pub(super) fn is_broken(&self, name: &str) -> Result<bool, Failure> {
        let Some(id) = self.id_of(name)? else { return Ok(self.has_file(name)) };
        Ok(!self.is_commit(&id)?)
    }

    /// Mends the notes called `name` and their artifacts where a power cut has left a reference as
    /// a file without an id. Whether any was. Costs no child where none was.
    ///
    /// # Errors
    /// As [`Repo::mend_ref`].
    pub fn mend_notes(&self, name: &Name) -> Result<bool, Failure> {
        let mut any = false;
        for name in [name, &name.artifacts()] {
            let file = fs::read(self.common_dir.join(name.as_str())).ok();
            let has_id = |text: Vec<u8>| ObjectId::from_hex(text.trim_ascii()).is_ok();
            if file.is_some_and(|text| !text.starts_with(b"ref:") && !has_id(text)) {
                any |= self.mend_ref(name.as_str())?;
            }
        }
        Ok(any)
    }

    /// Mends a reference, if it is broken: it gets the latest of its earlier values that is whole,
    /// else it is removed. Whether it was changed.
    ///
    /// # Errors
    /// What git or the system says.
    pub fn mend_ref(&self, name: &str) -> Result<bool, Failure> {
        let id = self.id_of(name)?;
        match &id {
            None if !self.has_file(name) => return Ok(false),
            None => {}
            Some(id) => {
                let mut reach = self.reach(&[(is_salvage(name), id)])?;
                if let Reach::Whole = reach {
                    return Ok(false);
                }
                // git takes an empty file for the object, and would not write that again.
                for _ in 0..EMPTY {
                    let Reach::Lost(Lost { id: lost, is_empty: true }) = reach else { break };
                    self.remove_empty(std::iter::once(lost))?;
                    reach = self.reach(&[(is_salvage(name), id)])?;
                }
                // What there is of saved work is all there is: nothing writes it again.
                if is_salvage(name) && self.is_commit(id)? {
                    return Ok(false);
                }
            }
        }
        let earlier = if is_salvage(name) { self.unreached(name)? } else { self.earlier(name) };
        let mut good = None;
        for earlier in earlier.into_iter().take(EARLIER) {
            let whole = |reach| matches!(reach, Ok(Reach::Whole));
            if self.is_commit(&earlier)? && whole(self.reach(&[(is_salvage(name), &earlier)])) {
                good = Some(earlier);
                break;
            }
        }
        match id {
            Some(id) => {
                let line = match &good {
                    Some(good) => format!("update {name} {good} {id}\n"),
                    None => format!("delete {name} {id}\n"),
                };
                let mut git = synced(self.git());
                git.args(["-c", "core.hooksPath=/dev/null", "update-ref", "--no-deref"]);
                git.args(["-m", "conductor: mended", "--stdin"]);
                child::feed(&mut git, line.as_bytes())?;
            }
            None => self.replace_file(name, good.as_deref())?,
        }
        self.sync_refs(std::iter::once(name))?;
        Ok(true)
    }

    /// Gives a reference whose file holds no id another value, or none, as git would: whoever has
    /// its lock may rename that over it.
    fn replace_file(&self, name: &str, id: Option<&str>) -> Result<(), Failure> {
        let path = self.common_dir.join(name);
        let lock = self.common_dir.join(format!("{name}.lock"));
        let cannot = |error| Failure::writing(error, format!("cannot write '{}'", lock.display()));
        let mut file = match OpenOptions::new().write(true).create_new(true).open(&lock) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(self.name_lock(cannot(error), std::iter::once(name)));
            }
            opened => opened.map_err(cannot)?,
        };
        // Another may have mended it meanwhile.
        if self.id_of(name)?.is_some() {
            return fs::remove_file(&lock).map_err(cannot);
        }
        let written = match id {
            Some(id) => writeln!(file, "{id}")
                .and_then(|()| sync::to_disk(&file))
                .and_then(|()| fs::rename(&lock, &path)),
            None => fs::remove_file(&path).and_then(|()| fs::remove_file(&lock)),
        };
        written.map_err(|error| {
            fs::remove_file(&lock).ok();
            cannot(error)
        })
    }

    /// What the reference was before, the latest first: by its log, and where git packed it.
    fn earlier(&self, name: &str) -> Vec<String> {
        let read = |path: PathBuf| fs::read(path).unwrap_or_default();
        let is_id = |word: &&[u8]| ObjectId::from_hex(word).is_ok_and(|id| !id.is_null());
        let mut found: Vec<String> = Vec::new();
        let mut add = |id: &[u8]| {
            let id = id.to_str_lossy().into_owned();
            if !found.contains(&id) {
                found.push(id);
            }
        };
        let log = read(self.common_dir.join("logs").join(name));
        for line in log.lines().rev() {
            let (old, new) = (line.fields().next(), line.fields().nth(1));
            new.into_iter().chain(old).filter(is_id).for_each(&mut add);
        }
        let packed = read(self.common_dir.join("packed-refs"));
        for line in packed.lines() {
            if let Some(id) = line.strip_suffix(name.as_bytes())
                && let Some(id) = id.strip_suffix(b" ").filter(is_id)
            {
                add(id);
            }
        }
        found
    }

    /// Commits that no reference leads to and that were made for the salvage `name`, the latest
    /// first.
    fn unreached(&self, name: &str) -> Result<Vec<String>, Failure> {
        let Some(wanted) = Salvage::read(name, "") else { return Ok(Vec::new()) };
        let mut git = self.git();
        git.args(["fsck", "--unreachable", "--no-reflogs", "--no-progress", "--connectivity-only"]);
        // It fails, as something is wrong; what it lists is listed all the same.
        let said = child::run(&mut git)?.stdout;
        let ids = said.lines().filter_map(|line| line.strip_prefix(b"unreachable commit "));
        let mut found = Vec::new();
        for id in ids.filter_map(|id| id.to_str().ok()) {
            let mut git = self.git();
            git.args(["show", "--no-patch", "--format=%ct%n%B", id, "--"]);
            let Ok(said) = child::stdout(&mut git) else { continue };
            let said = said.to_str_lossy();
            let (at, message) = said.split_once('\n').unwrap_or_default();
            let trailer = |key: &str, value: &str| {
                message.lines().any(|line| line == format!("Conductor-{key}: {value}"))
            };
            if trailer("Sprint", &wanted.sprint) && trailer("Phase", &wanted.phase) {
                found.push((at.parse::<i64>().unwrap_or_default(), id.to_owned()));
            }
        }
        found.sort_by(|one, other| other.cmp(one));
        Ok(found.into_iter().map(|(_, id)| id).collect())
    }

    /// The full names of our references, whether git can read them or not.
    fn our_refs(&self, name: &Name) -> Result<Vec<String>, Failure> {
        let artifacts = name.artifacts();
        let mut names = vec![name.as_str().to_owned(), artifacts.as_str().to_owned()];
        let remotes = "refs/notes/remotes";
        let mut git = self.git();
        git.args([
            "for-each-ref",
            "--format=%(refname)",
            "--",
            remotes,
            REFS.trim_end_matches('/'),
        ]);
        let listed = child::stdout(&mut git)?;
        let mut others: Vec<String> = listed.to_str_lossy().lines().map(str::to_owned).collect();
        for place in [remotes, REFS.trim_end_matches('/')] {
            files_in(&self.common_dir, Path::new(place), DEPTH, &mut others);
        }
        others.sort();
        others.dedup();
        let ends = [format!("/{}", name.short()), format!("/{}", artifacts.short())];
        others.retain(|other| is_salvage(other) || ends.iter().any(|end| other.ends_with(end)));
        names.extend(others);
        Ok(names)
    }

    /// The id that a reference holds, whatever that is of.
    fn id_of(&self, name: &str) -> Result<Option<String>, Failure> {
        let mut git = self.git();
        git.args(["rev-parse", "--verify", "--quiet", "--end-of-options", name]);
        let output = child::run(&mut git)?;
        let id = output.stdout.trim_ascii_end();
        let is_id = output.status.success() && ObjectId::from_hex(id).is_ok();
        Ok(is_id.then(|| id.to_str_lossy().into_owned()))
    }

    /// Whether git can read the commit.
    fn is_commit(&self, id: &str) -> Result<bool, Failure> {
        let mut git = self.git();
        git.args(["cat-file", "-e", &format!("{id}^{{commit}}")]).env("GIT_NO_LAZY_FETCH", "1");
        Ok(child::run(&mut git)?.status.success())
    }

    fn has_file(&self, name: &str) -> bool {
        self.common_dir.join(name).symlink_metadata().is_ok_and(|meta| meta.is_file())
    }

    /// Whether all is there that these commits lead to; where it is said, without what their
    /// parents lead to. Two git children.
    ///
    /// # Errors
    /// Something cannot be read, and is not known to be gone.
    fn reach(&self, commits: &[(bool, &str)]) -> Result<Reach, Failure> {
        if commits.is_empty() {
            return Ok(Reach::Whole);
        }
        let mut asked = String::new();
        for (without_parents, id) in commits {
            let less = if *without_parents { format!("^{id}^@\n") } else { String::new() };
            asked.extend([id, "\n", &less]);
        }
        let partial = self.is_partial();
        let mut git = self.git();
        git.args(["rev-list", "--objects", "--no-object-names", "--stdin"]);
        git.args(partial.then_some("--missing=allow-any")).env("GIT_NO_LAZY_FETCH", "1");
        let (output, failure) = child::fed(&mut git, asked.as_bytes())?;
        if let Some(failure) = failure {
            return self.lost_of(&output.stderr).map(Reach::Lost).ok_or(failure);
        }
        if partial {
            return Ok(Reach::Whole);
        }
        let mut git = self.git();
        git.args(["cat-file", "--batch-check=%(objecttype)"]);
        let answers = child::feed_all(&mut git, output.stdout)?;
        let missing = answers.lines().find(|line| line.ends_with(b" missing"));
        let Some(missing) = missing else { return Ok(Reach::Whole) };
        let unread = || {
            let text = format!("cannot read object {}", missing.to_str_lossy());
            Failure::new(FailureKind::Git, text.trim_end_matches(" missing"))
        };
        self.lost_of(missing).map(Reach::Lost).ok_or_else(unread)
    }

    /// The object that is known to be gone among those that git complains of.
    fn lost_of(&self, said: &[u8]) -> Option<Lost> {
        let said = said.to_str_lossy();
        let words = said.split(|c: char| !c.is_ascii_hexdigit() && c != '/');
        let ids = words.filter_map(|word| {
            // A file's path has a slash after the first two digits.
            let end: String = word.chars().filter(|c| *c != '/').collect();
            let length = self.hash_kind().len_in_hex();
            let id = end.get(end.len().checked_sub(length)?..)?;
            ObjectId::from_hex(id.as_bytes()).ok()
        });
        ids.filter(|id| !id.is_null()).find_map(|id| {
            match self.object_file(&id).symlink_metadata() {
                Ok(meta) if meta.len() == 0 => Some(Lost { id, is_empty: true }),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    let mut git = self.git();
                    git.args(["cat-file", "-e", &id.to_string()]).env("GIT_NO_LAZY_FETCH", "1");
                    let is_there = child::run(&mut git).map_or(true, |said| said.status.success());
                    (!is_there).then_some(Lost { id, is_empty: false })
                }
                _ => None,
            }
        })
    }
}

fn is_salvage(name: &str) -> bool {
    name.starts_with(REFS)
}

/// The names of files below `common_dir`, in the directory `place` of it.
fn files_in(common_dir: &Path, place: &Path, depth: u32, found: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(common_dir.join(place)) else { return };
    for entry in entries.flatten() {
        let name = place.join(entry.file_name());
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && depth > 0 {
            files_in(common_dir, &name, depth - 1, found);
        } else if kind.is_file()
            && name.extension().is_none_or(|extension| extension != "lock")
            && let Some(name) = name.to_str()
        {
            found.push(name.to_owned());
        }
    }
}
