//! A tree of notes with the layout that git gives it, by `gix-note`: as many directories as git
//! would make, read no further than git would read them.
//!
//! That crate does not list notes, and refuses a tree that has a note on one object in several
//! directories. git makes one text of those, and so does this module, for the whole tree at once.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::Read;

use gix::bstr::{BString, ByteSlice as _};
use gix::error::{Error, message};
use gix::hash::{ObjectId, oid};
use gix::objs::tree::{Editor, EntryMode};
use gix::objs::{Data, Find, Kind, Tree as Entries, TreeRefIter, Write};
use gix_note::State;

use super::objects::{MAX_OBJECT_BYTES, Pack, Reader, object_id};
use crate::error::{Failure, FailureKind};
use crate::record::note::united;

/// The most trees that are read: trees that hold each other many times over have no end.
const MAX_TREES: usize = 100_000;

/// The notes of one reference.
pub(super) struct Tree {
    state: State,
    /// What was changed since it was read: `gix-note` forgets that after an error.
    changed: BTreeMap<ObjectId, ObjectId>,
    objects: Objects,
}

impl Tree {
    /// The notes in the tree `id`, which may be the empty one.
    pub(super) fn load(reader: &mut Reader, id: ObjectId) -> Result<Self, Failure> {
        let objects = Objects { hash: id.kind(), ..Objects::default() };
        let access = objects.with(reader);
        let state = match State::new(id, &access) {
            Ok(state) => state,
            Err(error) => {
                let refused = access.refused(error)?;
                objects.straightened(reader, id, &refused)?
            }
        };
        Ok(Self { state, changed: BTreeMap::new(), objects })
    }

    /// Does something with the notes; once more where they must be put straight for it.
    fn with<T>(
        &mut self,
        reader: &mut Reader,
        act: impl Fn(&mut State, &Access<'_>) -> gix::Result<T>,
    ) -> Result<T, Failure> {
        let access = self.objects.with(reader);
        let refused = match act(&mut self.state, &access) {
            Ok(done) => return Ok(done),
            Err(error) => access.refused(error)?,
        };
        let root = self.state.root_tree_id();
        self.state = self.objects.straightened(reader, root, &refused)?;
        let access = self.objects.with(reader);
        let mut again = || {
            for (object, note) in &self.changed {
                self.state.edit(*object, Some(*note), &access)?;
            }
            act(&mut self.state, &access)
        };
        again().map_err(|error| access.failure(&error))
    }

    /// Has a blob written with the rest.
    pub(super) fn add(&mut self, text: Vec<u8>) -> Result<ObjectId, Failure> {
        self.objects.pack.borrow_mut().add(self.objects.hash, Kind::Blob, text)
    }

    /// What a blob with this content is called.
    pub(super) fn id_of(&self, content: &[u8]) -> Result<ObjectId, Failure> {
        object_id(self.objects.hash, Kind::Blob, content)
    }

    /// The text of the note `id`; `None` if it is no text, or too long.
    pub(super) fn text(
        &self,
        reader: &mut Reader,
        id: ObjectId,
    ) -> Result<Option<Vec<u8>>, Failure> {
        self.objects.text(reader, id)
    }

    /// The text of a note that is still to be written.
    pub(super) fn fresh(&self, id: ObjectId) -> Option<Vec<u8>> {
        self.objects.pack.borrow().content(id).map(<[u8]>::to_owned)
    }

    /// The blob of the note on `object`, if there is one.
    pub(super) fn get(
        &mut self,
        reader: &mut Reader,
        object: ObjectId,
    ) -> Result<Option<ObjectId>, Failure> {
        self.with(reader, |state, access| state.get(&object, access))
    }

    /// Puts `note` on `object`, in the place of any other.
    pub(super) fn set(
        &mut self,
        reader: &mut Reader,
        object: ObjectId,
        note: ObjectId,
    ) -> Result<(), Failure> {
        self.with(reader, |state, access| state.edit(object, Some(note), access))?;
        self.changed.insert(object, note);
        Ok(())
    }

    /// All notes: the objects that they are on, and their blobs. Everything is read.
    pub(super) fn all(&self, reader: &mut Reader) -> Result<Vec<(ObjectId, ObjectId)>, Failure> {
        let (mut notes, _) = self.objects.everything(reader, self.state.root_tree_id())?;
        notes.extend(&self.changed);
        Ok(notes.into_iter().collect())
    }

    /// The id of the outermost tree, and what must be written for it to be there.
    pub(super) fn write(mut self, reader: &mut Reader) -> Result<(ObjectId, Pack), Failure> {
        let root = self.with(reader, |state, access| state.write(access))?;
        Ok((root, self.objects.pack.into_inner()))
    }
}

/// Objects, those of the repository and those that are to be written.
#[derive(Default)]
struct Objects {
    hash: gix::hash::Kind,
    pack: RefCell<Pack>,
    /// How many trees have been read.
    trees: Cell<usize>,
}

/// What is no note: its path, its mode and its object.
type Others = Vec<(BString, EntryMode, ObjectId)>;

impl Objects {
    fn with<'a>(&'a self, reader: &'a mut Reader) -> Access<'a> {
        Access { objects: self, reader: RefCell::new(reader), failure: RefCell::default() }
    }

    /// The content of the tree `id`.
    fn tree(&self, reader: &mut Reader, id: ObjectId) -> Result<Vec<u8>, Failure> {
        if let Some(content) = self.pack.borrow().content(id) {
            return Ok(content.to_owned());
        }
        if id == ObjectId::empty_tree(self.hash) {
            return Ok(Vec::new());
        }
        self.trees.set(self.trees.get() + 1);
        if self.trees.get() > MAX_TREES {
            return Err(Failure::new(FailureKind::Git, "there are too many trees of notes"));
        }
        reader.read(id, Kind::Tree)
    }

    fn text(&self, reader: &mut Reader, id: ObjectId) -> Result<Option<Vec<u8>>, Failure> {
        if let Some(text) = self.pack.borrow().content(id) {
            return Ok(Some(text.to_owned()));
        }
        let found = reader.find(&id.to_string())?;
        let found = found.ok_or_else(|| reader.missing(id))?;
        Ok(found.content.filter(|_| found.kind == Kind::Blob))
    }

    /// All that is in the tree `root`: notes by the objects that they are on, those on the same
    /// object as one, and what is no note.
    fn everything(
        &self,
        reader: &mut Reader,
        root: ObjectId,
    ) -> Result<(BTreeMap<ObjectId, ObjectId>, Others), Failure> {
        let (mut notes, mut others) = (BTreeMap::new(), Vec::new());
        let (all_digits, mut unread) = (self.hash.len_in_hex(), vec![(Vec::new(), root)]);
        while let Some((digits, id)) = unread.pop() {
            let content = self.tree(reader, id)?;
            for entry in TreeRefIter::from_bytes(&content, self.hash) {
                let entry = entry.map_err(|_| {
                    Failure::new(FailureKind::Git, format!("cannot understand the tree {id}"))
                })?;
                let (mode, name, oid) = (entry.mode, entry.filename, entry.oid.to_owned());
                let is_hex = name.iter().all(u8::is_ascii_hexdigit);
                let whole = [&digits, name.as_bytes()].concat();
                if is_hex && mode.is_blob() && whole.len() == all_digits {
                    let object = ObjectId::from_hex(&whole)
                        .map_err(|error| Failure::new(FailureKind::Git, error.to_string()))?;
                    let note = match notes.get(&object) {
                        Some(other) if *other != oid => self.joined(reader, *other, oid)?,
                        _ => oid,
                    };
                    notes.insert(object, note);
                } else if is_hex && mode.is_tree() && name.len() == 2 && whole.len() < all_digits {
                    unread.push((whole, oid));
                } else {
                    let directories = digits.chunks(2).flat_map(|two| [two, b"/"]);
                    let path: Vec<&[u8]> = directories.chain([name.as_bytes()]).collect();
                    others.push((path.concat().into(), mode, oid));
                }
            }
        }
        Ok((notes, others))
    }

    /// Makes one text of two notes on the same object.
    fn joined(
        &self,
        reader: &mut Reader,
        one: ObjectId,
        other: ObjectId,
    ) -> Result<ObjectId, Failure> {
        match self.text(reader, one)?.zip(self.text(reader, other)?) {
            Some((one, other)) => {
                self.pack.borrow_mut().add(self.hash, Kind::Blob, united(&one, &other))
            }
            None => Ok(one),
        }
    }

    /// The notes in the tree `root`, which `gix-note` refused with `error`, each in one place.
    fn straightened(
        &self,
        reader: &mut Reader,
        root: ObjectId,
        error: &Error,
    ) -> Result<State, Failure> {
        let (notes, others) = self.everything(reader, root)?;
        let access = self.with(reader);
        let again = || {
            let mut editor = Editor::new(Entries::empty(), &access, self.hash);
            for (path, mode, id) in &others {
                editor.upsert(path.split_str("/"), mode.kind(), *id)?;
            }
            let mut state = State::new(editor.write(|tree| access.write(tree))?, &access)?;
            for (object, note) in &notes {
                state.edit(*object, Some(*note), &access)?;
            }
            state.write(&access)?;
            Ok(state)
        };
        again().map_err(|_: Error| access.failure(error))
    }
}

/// Access to objects, as `gix` wants it.
struct Access<'a> {
    objects: &'a Objects,
    reader: RefCell<&'a mut Reader>,
    /// Why an object could not be read.
    failure: RefCell<Option<Failure>>,
}

impl Access<'_> {
    /// The error of `gix-note` about what it has read; or why that could not be read.
    fn refused(self, error: Error) -> Result<Error, Failure> {
        self.failure.into_inner().map_or(Ok(error), Err)
    }

    /// What went wrong, after an error.
    fn failure(&self, error: &Error) -> Failure {
        let own = self.failure.take();
        own.unwrap_or_else(|| Failure::new(FailureKind::Git, error.to_string()))
    }
}

impl Find for Access<'_> {
    fn try_find<'b>(&self, id: &oid, buffer: &'b mut Vec<u8>) -> gix::Result<Option<Data<'b>>> {
        match self.objects.tree(&mut self.reader.borrow_mut(), id.to_owned()) {
            Ok(content) => {
                *buffer = content;
                let object_hash = self.objects.hash;
                Ok(Some(Data { kind: Kind::Tree, object_hash, data: buffer }))
            }
            Err(failure) => {
                let text = message!("{failure}");
                self.failure.replace(Some(failure));
                Err(text.into())
            }
        }
    }
}

impl Write for Access<'_> {
    fn write_stream(&self, kind: Kind, size: u64, from: &mut dyn Read) -> gix::Result<ObjectId> {
        if size > MAX_OBJECT_BYTES {
            return Err(message("there are too many notes in one directory").into());
        }
        let mut content = Vec::new();
        from.read_to_end(&mut content).map_err(Error::from_error)?;
        let added = self.objects.pack.borrow_mut().add(self.objects.hash, kind, content);
        added.map_err(|failure| message!("{failure}").into())
    }

    fn write_buf_with_known_id(
        &self,
        kind: Kind,
        from: &[u8],
        _: ObjectId,
    ) -> gix::Result<ObjectId> {
        self.write_buf(kind, from)
    }

    fn write_stream_with_known_id(
        &self,
        kind: Kind,
        size: u64,
        from: &mut dyn Read,
        _: ObjectId,
    ) -> gix::Result<ObjectId> {
        self.write_stream(kind, size, from)
    }
}
