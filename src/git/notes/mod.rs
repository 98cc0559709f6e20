//! git notes, written so that no other writer of ours loses a line.
//!
//! A change reads the tip of the reference, makes the objects, and moves the reference only if its
//! tip is still the one that was read (`git update-ref`, which locks it); else it begins again.
//! Where a change is of two references they move together or not at all. `git notes` itself
//! compares nothing: when it runs at the same moment, what it did not see it drops.

mod exchange;
mod objects;
mod partial;
mod tree;

use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;

use gix::hash::ObjectId;
use gix::objs::Kind;

pub use self::exchange::Setting;
use self::objects::{Kept, Pack, Reader};
use self::tree::Tree;
use super::child;
use super::compare::id;
use super::durable;
use super::repo::Repo;
use crate::error::{Failure, FailureKind, Hint};
use crate::record::note::united;

/// Each time that a change has to begin again another one has succeeded; it must be a strange day
/// that so many do.
const ROUNDS: u32 = 1000;
/// How often a reference is tried that does not move though nobody else has moved it: it is locked.
/// Each time git itself waits for 100 ms (`core.filesRefLockTimeout`).
const PATIENCE: u32 = 10;
/// How often objects that somebody takes away at once (`git gc --prune=now`) are written again, or
/// looked for again.
const PRUNED: u32 = 5;

/// The full name of a reference below `refs/notes/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    const BELOW: &'static str = "refs/notes/";

    /// `None` for what is not below `refs/notes/`, or no name by the rules of `git
    /// check-ref-format`.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let short = name.strip_prefix(Self::BELOW)?;
        let valid = !short.starts_with('-') && gix::validate::reference::name(name.into()).is_ok();
        valid.then(|| Self(name.to_owned()))
    }

    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What `git notes --ref` calls it.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.strip_prefix(Self::BELOW).unwrap_or(&self.0)
    }

    /// The reference for the artifacts beside it.
    #[must_use]
    pub fn artifacts(&self) -> Self {
        Self(format!("{}-artifacts", self.0))
    }

    /// Whether it is one for artifacts, by its name.
    fn is_of_artifacts(&self) -> bool {
        self.0.ends_with("-artifacts")
    }

    /// Where the notes of `remote` that have this name there are fetched to; `None` for what cannot
    /// be in a name.
    #[must_use]
    pub fn of_remote(&self, remote: &str) -> Option<Self> {
        Self::new(&format!("{}remotes/{remote}/{}", Self::BELOW, self.short()))
    }
}

/// The notes of one reference, open for reading and for a change.
pub struct Notes<'a> {
    name: &'a Name,
    reader: Rc<RefCell<Reader>>,
    tree: Tree,
    tip: Option<Tip>,
    merged: Vec<ObjectId>,
}

/// The commit that a reference is at, and its tree.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Tip {
    commit: ObjectId,
    tree: ObjectId,
}

impl Notes<'_> {
    /// The text of the note on `object`; `None` if it has none.
    ///
    /// # Errors
    /// It is no text, or longer than 16 MiB; or it cannot be read.
    pub fn text(&mut self, object: &str) -> Result<Option<Vec<u8>>, Failure> {
        let mut reader = self.reader.borrow_mut();
        let object = id(object)?;
        let Some(note) = self.tree.get(&mut reader, object)? else { return Ok(None) };
        self.tree.text(&mut reader, note)?.map(Some).ok_or_else(|| {
            let text = format!("the note on {object} is no text, or too long to have records");
            Failure::new(FailureKind::Git, text)
        })
    }

    /// Whether `object` has a note.
    ///
    /// # Errors
    /// The notes cannot be read.
    pub fn has(&mut self, object: &str) -> Result<bool, Failure> {
        let mut reader = self.reader.borrow_mut();
        Ok(self.tree.get(&mut reader, id(object)?)?.is_some())
    }

    /// Whether the object itself is in the repository.
    ///
    /// # Errors
    /// git cannot be asked.
    pub fn is_there(&mut self, object: &str) -> Result<bool, Failure> {
        let mut reader = self.reader.borrow_mut();
        Ok(reader.find(&id(object)?.to_string())?.is_some())
    }

    /// Puts a note on `object`, in the place of any other.
    ///
    /// # Errors
    /// The notes cannot be read.
    pub fn set(&mut self, object: &str, text: Vec<u8>) -> Result<(), Failure> {
        let mut reader = self.reader.borrow_mut();
        let note = self.tree.add(text)?;
        self.tree.set(&mut reader, id(object)?, note)
    }

    /// Keeps a file: the note on its blob is that blob. Gives its id, and whether that is new.
    ///
    /// # Errors
    /// The notes cannot be read.
    pub fn keep(&mut self, content: Vec<u8>) -> Result<(String, bool), Failure> {
        let mut reader = self.reader.borrow_mut();
        let blob = self.tree.id_of(&content)?;
        let new = self.tree.get(&mut reader, blob)? != Some(blob);
        if new {
            self.tree.add(content)?;
            self.tree.set(&mut reader, blob, blob)?;
        }
        Ok((blob.to_string(), new))
    }

    /// Tells `each` of the texts of all notes, and the objects that they are on. One that is no
    /// text, or too long, is left out; gives the number of those.
    ///
    /// # Errors
    /// The notes cannot be read.
    pub fn texts(&mut self, each: &mut dyn FnMut(&str, &[u8])) -> Result<usize, Failure> {
        let mut reader = self.reader.borrow_mut();
        let mut odd = 0;
        for (object, note) in self.tree.all(&mut reader)? {
            match self.tree.text(&mut reader, note)? {
                Some(text) => each(&object.to_string(), &text),
                None => odd += 1,
            }
        }
        Ok(odd)
    }

    /// Takes in all notes of the reference `other`: no line of either is lost. Where that one has
    /// gone on from here it is simply followed.
    ///
    /// # Errors
    /// The notes cannot be read.
    pub fn merge(&mut self, repo: &Repo, other: &Name) -> Result<(), Failure> {
        let mut reader = self.reader.borrow_mut();
        let Some(theirs) = tip(&mut reader, other)? else { return Ok(()) };
        if let Some(ours) = self.tip
            && repo.contains(&ours.commit.to_string(), &theirs.commit.to_string())?
        {
            return Ok(());
        }
        reader.without(repo.fetch_missing(other, theirs.commit));
        let notes = Tree::load(&mut reader, theirs.tree)?;
        for (object, note) in notes.all(&mut reader)? {
            let known = self.tree.get(&mut reader, object)?;
            let note = match known {
                Some(known) if known == note => continue,
                None => match notes.fresh(note) {
                    Some(text) => self.tree.add(text)?,
                    None => note,
                },
                Some(known) => {
                    let ours = self.tree.text(&mut reader, known)?;
                    // What is no text cannot be taken in line by line; ours stays.
                    match ours.zip(notes.text(&mut reader, note)?) {
                        Some((ours, theirs)) => self.tree.add(united(&ours, &theirs))?,
                        None => continue,
                    }
                }
            };
            self.tree.set(&mut reader, object, note)?;
        }
        self.merged.push(theirs.commit);
        Ok(())
    }
}

/// A change of one reference, ready to be made.
struct Move<'a> {
    name: &'a Name,
    old: Option<ObjectId>,
    new: ObjectId,
    /// What others wrote, and it leads to.
    merged: Vec<ObjectId>,
}

impl Repo {
    /// The reference that records are kept on (`conductor.notesRef`).
    ///
    /// # Errors
    /// A name that is not below `refs/notes/`, or none at all.
    pub fn notes_name(&self) -> Result<Name, Failure> {
        const KEY: &str = "conductor.notesRef";
        let value = self.config(KEY).unwrap_or_else(|| "refs/notes/conductor".to_owned());
        Name::new(&value).ok_or_else(|| {
            let text =
                format!("bad config value '{value}' for '{KEY}': it is no name below refs/notes/");
            Failure::new(FailureKind::Git, text)
        })
    }

    /// Reads the notes `name` with `read`, which gets `None` if there is no such reference. One
    /// child.
    ///
    /// # Errors
    /// The reference is not at a commit; or what `read` fails with.
    pub fn read_notes<T>(
        &self,
        name: &Name,
        read: impl FnOnce(Option<&mut Notes<'_>>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut reader = Reader::start(self.git())?;
        let Some(tip) = tip(&mut reader, name)? else {
            // None is no answer where some were lost.
            return if self.is_broken(name.as_str())? { Err(broken(name)) } else { read(None) };
        };
        reader.without(self.fetch_missing(name, tip.commit));
        let tree = Tree::load(&mut reader, tip.tree)?;
        let reader = Rc::new(RefCell::new(reader));
        read(Some(&mut Notes { name, reader, tree, tip: Some(tip), merged: Vec::new() }))
    }

    /// Changes the notes `names` together with `edit`, which is called again when another writer
    /// was faster. Gives what it gave last. `message` is the commit's; `pause` waits a moment,
    /// longer with each attempt. Four children, and none of the last two if nothing changes.
    ///
    /// # Errors
    /// What git says; a reference that stays locked is named. Or what `edit` fails with.
    pub fn change_notes<T>(
        &self,
        names: &[&Name],
        message: &str,
        pause: &dyn Fn(u32),
        mut edit: impl FnMut(&mut [Notes<'_>]) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut locked = 0;
        let mut unread = 0;
        let mut mended = false;
        let mut identity = None;
        for round in 0..ROUNDS {
            if round > 0 {
                pause(round);
            }
            let prepared = self.prepare_all(names, message, &mut identity, &mut edit);
            let (answer, moves, pack) = match prepared {
                Ok(prepared) => prepared,
                // Somebody may be about to write again what was pruned.
                Err(failure) if unread == PRUNED => {
                    if mended || !self.mend_all(names)? {
                        return Err(failure);
                    }
                    (mended, unread) = (true, 0);
                    continue;
                }
                Err(_) => {
                    unread += 1;
                    continue;
                }
            };
            let all = || names.iter().map(|name| name.as_str());
            let Some(first) = moves.first() else {
                // Who wrote what is there may not have come to this line yet.
                self.sync_refs(all())?;
                return Ok(answer);
            };
            let hash = first.new.kind();
            let done = self.write(&pack, hash).and_then(|kept| {
                // Before anything leads to them.
                self.sync_objects(pack.ids().copied())?;
                for Move { old, merged, .. } in &moves {
                    self.sync_new(merged, old.as_slice())?;
                }
                self.move_refs(&moves, message)?;
                drop(kept);
                Ok(())
            });
            let Err(failure) = done else {
                self.write_what_was_pruned(&pack, hash)?;
                self.sync_refs(all())?;
                return Ok(answer);
            };
            if !self.have_moved(&moves)? {
                locked += 1;
                if locked == PATIENCE {
                    return Err(self.name_lock(failure, all()));
                }
            }
        }
        Err(Failure::new(FailureKind::Busy, "the notes are being changed all the time"))
    }

    /// Mends those that have lost something of what they led to; whether any was changed.
    fn mend_all(&self, names: &[&Name]) -> Result<bool, Failure> {
        let mut any = false;
        for name in names {
            any |= self.mend_ref(name.as_str())?;
        }
        Ok(any)
    }

    /// One attempt, up to where something is written.
    fn prepare_all<'a, T>(
        &self,
        names: &[&'a Name],
        message: &str,
        identity: &mut Option<Vec<u8>>,
        edit: &mut impl FnMut(&mut [Notes<'_>]) -> Result<T, Failure>,
    ) -> Result<(T, Vec<Move<'a>>, Pack), Failure> {
        let reader = Rc::new(RefCell::new(Reader::start(self.git())?));
        let mut notes = Vec::new();
        for name in names {
            notes.push(self.open_notes(name, &reader)?);
        }
        let answer = edit(&mut notes)?;
        let mut pack = Pack::default();
        let mut moves = Vec::new();
        for notes in notes {
            moves.extend(self.prepare(notes, message, identity, &mut pack)?);
        }
        Ok((answer, moves, pack))
    }

    /// Writes the objects. While git collects garbage (`gc.pid`) it is as `git fetch` and `git
    /// receive-pack` do it: one pack that is kept until the references have moved. Each by itself
    /// could be taken away even after that, by a `git prune` that has looked at the references
    /// before.
    fn write(&self, pack: &Pack, hash: gix::hash::Kind) -> Result<Option<Kept>, Failure> {
        self.remove_empty(pack.ids().copied())?;
        if self.common_dir.join("gc.pid").exists() {
            let packs = self.objects().join("pack");
            return pack.write(durable::synced(self.git()), hash, Some(&packs));
        }
        // Their ids are known, and each is synced afterwards.
        pack.write(self.git(), hash, None)
    }

    fn open_notes<'a>(
        &self,
        name: &'a Name,
        reader: &Rc<RefCell<Reader>>,
    ) -> Result<Notes<'a>, Failure> {
        let mut found = tip(&mut reader.borrow_mut(), name)?;
        if found.is_none() && self.is_broken(name.as_str())? {
            // A power cut left it so. The records are in the store, which writes them again.
            self.mend_ref(name.as_str())?;
            *reader.borrow_mut() = Reader::start(self.git())?;
            found = tip(&mut reader.borrow_mut(), name)?;
        }
        let tip = found;
        let tree = match tip {
            Some(tip) => {
                let reader = &mut reader.borrow_mut();
                reader.without(self.fetch_missing(name, tip.commit));
                Tree::load(reader, tip.tree)?
            }
            None => Tree::load(&mut reader.borrow_mut(), ObjectId::empty_tree(self.hash_kind()))?,
        };
        Ok(Notes { name, reader: Rc::clone(reader), tree, tip, merged: Vec::new() })
    }

    /// The objects of a change; `None` if it changes nothing.
    fn prepare<'a>(
        &self,
        notes: Notes<'a>,
        message: &str,
        identity: &mut Option<Vec<u8>>,
        pack: &mut Pack,
    ) -> Result<Option<Move<'a>>, Failure> {
        let Notes { name, reader, tree, tip, merged } = notes;
        let mut reader = reader.borrow_mut();
        let (root, objects) = tree.write(&mut reader)?;
        let old = tip.map(|tip| tip.commit);
        // Without a note there need not be a reference.
        let was = tip.map_or_else(|| ObjectId::empty_tree(root.kind()), |tip| tip.tree);
        if merged.is_empty() && was == root {
            return Ok(None);
        }
        if let [theirs] = merged[..]
            && let Some(commit) = reader.find(&theirs.to_string())?
            && commit.content.as_deref().and_then(tree_of) == Some(root)
            && old.is_none_or(|old| {
                self.contains(&theirs.to_string(), &old.to_string()).unwrap_or(false)
            })
        {
            return Ok(Some(Move { name, old, new: theirs, merged }));
        }
        pack.extend(objects);
        let who = match identity {
            Some(who) => who,
            None => identity.insert(self.committer()?),
        };
        let mut commit = format!("tree {root}\n").into_bytes();
        for parent in old.iter().chain(&merged) {
            commit.extend_from_slice(format!("parent {parent}\n").as_bytes());
        }
        for role in [b"author ".as_slice(), b"committer "] {
            commit.extend_from_slice(&[role, who, b"\n"].concat());
        }
        commit.extend_from_slice(format!("\n{message}\n").as_bytes());
        let new = pack.add(root.kind(), Kind::Commit, commit)?;
        Ok(Some(Move { name, old, new, merged }))
    }

    /// Who commits: what git would say, or, where it knows nobody, this program.
    fn committer(&self) -> Result<Vec<u8>, Failure> {
        let ask = || {
            let mut git = self.git();
            git.args(["var", "GIT_COMMITTER_IDENT"]);
            git
        };
        let said = child::stdout(&mut ask()).or_else(|_| {
            let mut git = ask();
            git.env("GIT_COMMITTER_NAME", "git conductor");
            git.env("GIT_COMMITTER_EMAIL", "conductor@localhost");
            child::stdout(&mut git)
        })?;
        Ok(said.trim_ascii_end().to_owned())
    }

    /// Moves all of them, or none if one is not where it was.
    fn move_refs(&self, moves: &[Move<'_>], message: &str) -> Result<(), Failure> {
        let mut lines = String::new();
        for Move { name, old, new, .. } in moves {
            let old = old.unwrap_or_else(|| new.kind().null());
            // Writing to a String cannot fail.
            _ = writeln!(lines, "update {} {new} {old}", name.as_str());
        }
        let mut git = durable::synced(self.git());
        git.args(["update-ref", "-m", &format!("notes: {message}"), "--stdin"]);
        child::feed(&mut git, lines.as_bytes()).map(drop)
    }

    /// Whether any of them is not any more where it was.
    fn have_moved(&self, moves: &[Move<'_>]) -> Result<bool, Failure> {
        let mut reader = Reader::start(self.git())?;
        for Move { name, old, .. } in moves {
            if tip(&mut reader, name)?.map(|tip| tip.commit) != *old {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Objects that nothing leads to yet may be taken away at any moment; from now on they are led
    /// to.
    fn write_what_was_pruned(&self, pack: &Pack, hash: gix::hash::Kind) -> Result<(), Failure> {
        for _ in 0..PRUNED {
            if pack.ids().all(|id| self.object_file(id).is_file()) {
                return Ok(());
            }
            let mut reader = Reader::start(self.git())?;
            let mut gone = false;
            for id in pack.ids() {
                gone |= reader.find(&id.to_string())?.is_none();
            }
            if !gone {
                return Ok(());
            }
            drop(self.write(pack, hash)?);
            self.sync_objects(pack.ids().copied())?;
        }
        Err(Failure::new(FailureKind::Git, "objects are taken away as soon as they are written"))
    }

    /// What git says, and which file is in the way if one is.
    pub(super) fn name_lock<'a>(
        &self,
        failure: Failure,
        names: impl Iterator<Item = &'a str>,
    ) -> Failure {
        let files = names.map(|name| format!("{name}.lock"));
        let reftable = std::iter::once("reftable/tables.list.lock".to_owned());
        let lock = files.chain(reftable).map(|file| self.common_dir.join(file));
        match lock.into_iter().find(|file| file.exists()) {
            Some(lock) => {
                let way = format!(
                    "'{}' is in the way: a git command that was killed left it, or one is at work",
                    lock.display()
                );
                failure.hint(Hint::new(
                    format!("{way}; when none is, your human can remove it"),
                    format!("{way}; when none is, remove it"),
                ))
            }
            None => failure,
        }
    }

    /// How objects are named here.
    pub(super) fn hash_kind(&self) -> gix::hash::Kind {
        match self.config("extensions.objectFormat").as_deref() {
            Some("sha256") => gix::hash::Kind::Sha256,
            _ => gix::hash::Kind::Sha1,
        }
    }
}

fn broken(name: &Name) -> Failure {
    let text = format!("'{}' is broken: it leads to nothing that can be read", name.as_str());
    Failure::new(FailureKind::Git, text).hint(Hint::fixed(
        "your human can have 'git conductor notes sync' mend it, from what the store has",
        "'git conductor notes sync' mends it, from what the store has",
    ))
}

/// Where the reference `name` is.
fn tip(reader: &mut Reader, name: &Name) -> Result<Option<Tip>, Failure> {
    let Some(found) = reader.find(name.as_str())? else { return Ok(None) };
    let commit = found.id;
    let content = found.content.filter(|_| found.kind == Kind::Commit);
    let tree = content.as_deref().and_then(tree_of).ok_or_else(|| {
        let text = format!("'{}' is no reference of notes: it is not at a commit", name.as_str());
        Failure::new(FailureKind::Git, text)
    })?;
    Ok(Some(Tip { commit, tree }))
}

/// The tree of a commit, by its content.
fn tree_of(commit: &[u8]) -> Option<ObjectId> {
    let line = commit.split(|&byte| byte == b'\n').next()?;
    ObjectId::from_hex(line.strip_prefix(b"tree ")?).ok()
}
