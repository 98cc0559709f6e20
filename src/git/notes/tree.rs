//! A tree of notes with the layout that git gives it (`notes.c`): as many directories as git would
//! make, read no further than it would read them.
//!
//! In memory the notes are leaves of a tree that branches by hexadecimal digits; a directory that
//! nobody has looked into is one leaf. A branch begins where two leaves share a digit. A node whose
//! 16 places are all branches or such directories has many notes below it, and so gets a level of
//! directories, of two digits each.

use std::collections::BTreeMap;

use gix::hash::ObjectId;
use gix::objs::Kind;

use super::objects::{MAX_OBJECT_BYTES, Pack, Reader, object_id};
use crate::error::{Failure, FailureKind};
use crate::record::note::united;

/// What stands in one place of a node.
#[derive(Default)]
enum Place {
    #[default]
    Empty,
    Node(Box<[Place; 16]>),
    /// A note: the object that it is on, and its blob.
    Note(ObjectId, ObjectId),
    /// A directory that has not been read: the bytes that its path stands for, and its tree.
    Directory(Vec<u8>, ObjectId),
}

/// The notes of one reference.
pub(super) struct Tree {
    hash: gix::hash::Kind,
    root: [Place; 16],
    /// What is no note, by its path; it is kept.
    others: BTreeMap<Vec<u8>, (Vec<u8>, ObjectId)>,
    /// What is to be written.
    pack: Pack,
    /// How many trees have been read.
    trees: usize,
}

/// The most trees that are read: trees that hold each other many times over have no end.
const MAX_TREES: usize = 100_000;

/// The digit at `level` of what an id begins with.
fn digit(bytes: &[u8], level: usize) -> usize {
    let byte = bytes.get(level / 2).copied().unwrap_or_default();
    usize::from(if level.is_multiple_of(2) { byte >> 4 } else { byte & 0x0f })
}

impl Place {
    fn key(&self) -> &[u8] {
        match self {
            Self::Empty | Self::Node(_) => &[],
            Self::Note(object, _) => object.as_slice(),
            Self::Directory(prefix, _) => prefix,
        }
    }
}

impl Tree {
    pub(super) fn new(hash: gix::hash::Kind) -> Self {
        let root = std::array::from_fn(|_| Place::Empty);
        Self { hash, root, others: BTreeMap::new(), pack: Pack::default(), trees: 0 }
    }

    /// The notes in the tree `id`.
    pub(super) fn load(reader: &mut Reader, id: ObjectId) -> Result<Self, Failure> {
        let mut tree = Self::new(id.kind());
        tree.unpack(reader, &[], id)?;
        Ok(tree)
    }

    /// Reads the directory `prefix` and puts what is in it into its places.
    fn unpack(&mut self, reader: &mut Reader, prefix: &[u8], id: ObjectId) -> Result<(), Failure> {
        self.trees += 1;
        if self.trees > MAX_TREES {
            return Err(Failure::new(FailureKind::Git, "there are too many trees of notes"));
        }
        let content = reader.read(id, Kind::Tree)?;
        for entry in entries(&content, self.hash) {
            let (mode, name, id) = entry.ok_or_else(|| {
                Failure::new(FailureKind::Git, format!("cannot understand the tree {id}"))
            })?;
            let is_tree = mode == b"40000";
            match unhex(name).map(|rest| [prefix, &rest].concat()) {
                Some(whole)
                    if whole.len() == self.hash.len_in_bytes() && mode.starts_with(b"10") =>
                {
                    let object = ObjectId::try_from(whole.as_slice())
                        .map_err(|error| Failure::new(FailureKind::Git, error.to_string()))?;
                    self.insert(reader, Place::Note(object, id))?;
                }
                Some(whole)
                    if name.len() == 2 && is_tree && whole.len() < self.hash.len_in_bytes() =>
                {
                    self.insert(reader, Place::Directory(whole, id))?;
                }
                _ => {
                    let mut path: Vec<u8> = prefix.iter().flat_map(|byte| hex(&[*byte])).collect();
                    path = path.chunks(2).flat_map(|two| [two, b"/"].concat()).collect();
                    path.extend_from_slice(name);
                    self.others.insert(path, (mode.to_owned(), id));
                }
            }
        }
        Ok(())
    }

    fn insert(&mut self, reader: &mut Reader, leaf: Place) -> Result<(), Failure> {
        let mut level = 0;
        let mut places = &mut self.root;
        loop {
            if let Place::Directory(prefix, id) = &leaf
                && prefix.len() * 2 <= level
            {
                // Some of its notes stood outside of it.
                let (prefix, id) = (prefix.clone(), *id);
                return self.unpack(reader, &prefix, id);
            }
            let at = digit(leaf.key(), level);
            if matches!(places[at], Place::Node(_)) {
                let Place::Node(node) = &mut places[at] else { return Ok(()) };
                (places, level) = (node, level + 1);
                continue;
            }
            let place = &mut places[at];
            match std::mem::take(place) {
                Place::Empty | Place::Node(_) => {
                    *place = leaf;
                    return Ok(());
                }
                Place::Note(object, old) if leaf.key() == object.as_slice() => {
                    let Place::Note(_, new) = leaf else { return Ok(()) };
                    let note = if old == new { old } else { self.join(reader, old, new)? };
                    return self.replace(object, note);
                }
                // What lies in it is needed.
                Place::Directory(prefix, id) if leaf.key().starts_with(&prefix) => {
                    self.unpack(reader, &prefix, id)?;
                    return self.insert(reader, leaf);
                }
                Place::Note(object, note) => match leaf {
                    Place::Directory(prefix, id) if object.as_slice().starts_with(&prefix) => {
                        *place = Place::Note(object, note);
                        return self.unpack(reader, &prefix, id);
                    }
                    Place::Empty | Place::Node(_) | Place::Note(..) | Place::Directory(..) => {
                        *place = branch(Place::Note(object, note), level + 1);
                    }
                },
                other @ Place::Directory(..) => *place = branch(other, level + 1),
            }
        }
    }

    /// Makes one text of two notes on the same object, which stood in different directories.
    fn join(
        &mut self,
        reader: &mut Reader,
        one: ObjectId,
        other: ObjectId,
    ) -> Result<ObjectId, Failure> {
        match self.text(reader, one)?.zip(self.text(reader, other)?) {
            Some((one, other)) => self.add(united(&one, &other)),
            None => Ok(one),
        }
    }

    /// Puts `note` where the digits of `object` lead to.
    fn replace(&mut self, object: ObjectId, note: ObjectId) -> Result<(), Failure> {
        let mut places = &mut self.root;
        let mut level = 0;
        loop {
            match &mut places[digit(object.as_slice(), level)] {
                Place::Node(below) => (places, level) = (below, level + 1),
                place @ (Place::Empty | Place::Note(..) | Place::Directory(..)) => {
                    *place = Place::Note(object, note);
                    return Ok(());
                }
            }
        }
    }

    /// Has a blob written with the rest.
    pub(super) fn add(&mut self, text: Vec<u8>) -> Result<ObjectId, Failure> {
        self.pack.add(self.hash, Kind::Blob, text)
    }

    /// What a blob with this content is called.
    pub(super) fn id_of(&self, content: &[u8]) -> Result<ObjectId, Failure> {
        object_id(self.hash, Kind::Blob, content)
    }

    /// The text of the note `id`; `None` if it is no text, or too long.
    pub(super) fn text(
        &self,
        reader: &mut Reader,
        id: ObjectId,
    ) -> Result<Option<Vec<u8>>, Failure> {
        if let Some(text) = self.fresh(id) {
            return Ok(Some(text.to_owned()));
        }
        let found = reader.find(&id.to_string())?;
        let found = found.ok_or_else(|| reader.missing(id))?;
        Ok(found.content.filter(|_| found.kind == Kind::Blob))
    }

    /// The text of a note that is still to be written.
    pub(super) fn fresh(&self, id: ObjectId) -> Option<&[u8]> {
        self.pack.content(id)
    }

    /// The blob of the note on `object`, if there is one.
    pub(super) fn get(
        &mut self,
        reader: &mut Reader,
        object: ObjectId,
    ) -> Result<Option<ObjectId>, Failure> {
        'again: loop {
            let mut places = &mut self.root;
            let mut level = 0;
            loop {
                let place = &mut places[digit(object.as_slice(), level)];
                match place {
                    Place::Node(below) => (places, level) = (below, level + 1),
                    Place::Note(known, note) if *known == object => return Ok(Some(*note)),
                    Place::Directory(prefix, _) if object.as_slice().starts_with(prefix) => {
                        if let Place::Directory(prefix, id) = std::mem::take(place) {
                            self.unpack(reader, &prefix, id)?;
                        }
                        continue 'again;
                    }
                    Place::Empty | Place::Note(..) | Place::Directory(..) => return Ok(None),
                }
            }
        }
    }

    /// Puts `note` on `object`, in the place of any other.
    pub(super) fn set(
        &mut self,
        reader: &mut Reader,
        object: ObjectId,
        note: ObjectId,
    ) -> Result<(), Failure> {
        if self.get(reader, object)?.is_none() {
            return self.insert(reader, Place::Note(object, note));
        }
        self.replace(object, note)
    }

    /// All notes: the objects that they are on, and their blobs. Everything is read.
    pub(super) fn all(
        &mut self,
        reader: &mut Reader,
    ) -> Result<Vec<(ObjectId, ObjectId)>, Failure> {
        let mut found = Vec::new();
        self.walk(reader, 0, true, &mut Vec::new(), &mut |leaf| {
            if let Leaf::Note { object, note, .. } = leaf {
                found.push((object, note));
            }
        })?;
        Ok(found)
    }

    /// The id of the outermost tree, and what must be written for it to be there.
    pub(super) fn write(mut self, reader: &mut Reader) -> Result<(ObjectId, Pack), Failure> {
        let mut leaves = Vec::new();
        self.walk(reader, 0, false, &mut Vec::new(), &mut |leaf| leaves.push(leaf))?;
        let mut top = Directory::default();
        for (path, (mode, id)) in &self.others {
            let parts: Vec<&[u8]> = path.split(|&byte| byte == b'/').collect();
            top.put(&parts, mode.clone(), *id);
        }
        for leaf in leaves {
            let (key, fanout, mode, id) = match leaf {
                Leaf::Note { object, note, fanout } => {
                    (hex(object.as_slice()), fanout, b"100644".to_vec(), note)
                }
                Leaf::Directory { prefix, id } => {
                    (hex(&prefix), prefix.len() - 1, b"40000".to_vec(), id)
                }
            };
            let (directories, name) = key.split_at(2 * fanout);
            let parts: Vec<&[u8]> = directories.chunks(2).chain([name]).collect();
            top.put(&parts, mode, id);
        }
        let id = top.write(&mut self.pack, self.hash)?;
        Ok((id, self.pack))
    }

    /// Tells `each` of everything below the node at `path`, in git's order of reading. A directory
    /// is told as a whole where git would leave it, which it does not below `fanout` levels of
    /// them, unless `whole` asks for every note.
    fn walk(
        &mut self,
        reader: &mut Reader,
        fanout: usize,
        whole: bool,
        path: &mut Vec<usize>,
        each: &mut dyn FnMut(Leaf),
    ) -> Result<(), Failure> {
        let level = path.len();
        let branches = |place: &Place| matches!(place, Place::Node(_) | Place::Directory(..));
        let mut fanout = fanout;
        if let Some(places) = self.node(path)
            && level.is_multiple_of(2)
            && level <= 2 * fanout
            && places.iter().all(branches)
        {
            fanout += 1;
        }
        for n in 0..16 {
            while let Some(places) = self.node(path) {
                match &mut places[n] {
                    Place::Empty => break,
                    Place::Node(_) => {
                        path.push(n);
                        self.walk(reader, fanout, whole, path, each)?;
                        path.pop();
                        break;
                    }
                    Place::Note(object, note) => {
                        each(Leaf::Note { object: *object, note: *note, fanout });
                        break;
                    }
                    Place::Directory(prefix, id) if level < 2 * fanout && !whole => {
                        each(Leaf::Directory { prefix: prefix.clone(), id: *id });
                        break;
                    }
                    place @ Place::Directory(..) => {
                        if let Place::Directory(prefix, id) = std::mem::take(place) {
                            self.unpack(reader, &prefix, id)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// The node that the digits `path` lead to.
    fn node(&mut self, path: &[usize]) -> Option<&mut [Place; 16]> {
        let mut places = &mut self.root;
        for n in path {
            let Place::Node(node) = &mut places[*n] else { return None };
            places = node;
        }
        Some(places)
    }
}

/// What a walk tells of.
enum Leaf {
    Note { object: ObjectId, note: ObjectId, fanout: usize },
    Directory { prefix: Vec<u8>, id: ObjectId },
}

/// A node with one leaf in it.
fn branch(leaf: Place, level: usize) -> Place {
    let mut node = std::array::from_fn(|_| Place::Empty);
    let n = digit(leaf.key(), level);
    node[n] = leaf;
    Place::Node(Box::new(node))
}

/// A tree that is to be written.
#[derive(Default)]
struct Directory {
    directories: BTreeMap<Vec<u8>, Directory>,
    entries: BTreeMap<Vec<u8>, (Vec<u8>, ObjectId)>,
}

impl Directory {
    fn put(&mut self, path: &[&[u8]], mode: Vec<u8>, id: ObjectId) {
        match path {
            [] => {}
            [name] => {
                self.entries.insert((*name).to_owned(), (mode, id));
            }
            [first, rest @ ..] => {
                self.directories.entry((*first).to_owned()).or_default().put(rest, mode, id);
            }
        }
    }

    fn write(self, pack: &mut Pack, hash: gix::hash::Kind) -> Result<ObjectId, Failure> {
        let mut entries = self.entries;
        for (name, directory) in self.directories {
            let id = directory.write(pack, hash)?;
            entries.insert(name, (b"40000".to_vec(), id));
        }
        // git sorts the name of a tree as if it ended with a slash.
        let sorted: BTreeMap<Vec<u8>, _> = entries
            .into_iter()
            .map(|(name, (mode, id))| {
                let slash: &[u8] = if mode == b"40000" { b"/" } else { b"" };
                ([name.as_slice(), slash].concat(), (name, mode, id))
            })
            .collect();
        let mut content = Vec::new();
        for (name, mode, id) in sorted.into_values() {
            content.extend_from_slice(&mode);
            content.push(b' ');
            content.extend_from_slice(&name);
            content.push(0);
            content.extend_from_slice(id.as_slice());
        }
        if content.len() as u64 > MAX_OBJECT_BYTES {
            return Err(Failure::new(
                FailureKind::Git,
                "there are too many notes in one directory",
            ));
        }
        pack.add(hash, Kind::Tree, content)
    }
}

/// Mode, name and id.
type Entry<'a> = (&'a [u8], &'a [u8], ObjectId);

/// The entries of a tree; `None` in the place of what cannot be read.
fn entries(content: &[u8], hash: gix::hash::Kind) -> impl Iterator<Item = Option<Entry<'_>>> {
    let mut rest = content;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let entry = entry(&mut rest, hash.len_in_bytes());
        if entry.is_none() {
            rest = &[];
        }
        Some(entry)
    })
}

fn entry<'a>(rest: &mut &'a [u8], length: usize) -> Option<Entry<'a>> {
    let blank = rest.iter().position(|&byte| byte == b' ')?;
    let (mode, named) = rest.split_at(blank);
    let end = named.iter().position(|&byte| byte == 0)?;
    let name = &named[1..end];
    let (id, after) = named[end + 1..].split_at_checked(length)?;
    *rest = after;
    Some((mode, name, ObjectId::try_from(id).ok()?))
}

/// The bytes that hexadecimal digits, in any case, stand for.
fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digit =
        |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.chunks(2).map(|two| Some(digit(&two[0])? << 4 | digit(&two[1])?)).collect()
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = |byte: &u8| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 0x0f)]];
    bytes.iter().flat_map(digits).collect()
}
