//! A file system in memory: an inode tree with the semantics of POSIX as Linux implements them.
//!
//! Nothing here schedules, kills or fails; [`crate::dir::SimDir`] does that around these calls.
//! Handles are inode numbers, so that they move along with renames and notice removal. Numbers are
//! never reused. Inodes are shared copy-on-write: cloning a tree is as cheap as a list of counters.
//! The module `posix` compares all of it with the file system of the machine.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::rc::Rc;

use git_conductor::store::dir::{Kind, Stat};
use rustix::io::Errno;

use crate::power::Log;

/// An inode's number: its index.
pub(crate) type Ino = usize;

/// The root directory's number.
pub(crate) const ROOT: Ino = 0;

/// The entries of a directory.
pub(crate) type Entries = BTreeMap<Rc<str>, Ino>;

/// What an inode holds.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    /// A regular file's content.
    File(Vec<u8>),
    /// A directory's entries.
    Dir(Entries),
    /// A symbolic link's target.
    Link(Rc<str>),
}

/// One inode.
#[derive(Debug, Clone)]
pub(crate) struct Inode {
    pub(crate) body: Body,
    /// Names that refer to it; 0 once it is removed.
    pub(crate) links: u32,
    mtime: i64,
    /// A directory's parent.
    pub(crate) parent: Ino,
}

impl Inode {
    pub(crate) fn new(body: Body, parent: Ino, now: i64) -> Self {
        Self { body, links: 0, mtime: now, parent }
    }

    pub(crate) fn is_dir(&self) -> bool {
        matches!(self.body, Body::Dir(_))
    }

    /// Its entries; none if it is no directory.
    pub(crate) fn entries(&self) -> Option<&Entries> {
        match &self.body {
            Body::Dir(entries) => Some(entries),
            Body::File(_) | Body::Link(_) => None,
        }
    }

    fn is_empty_dir(&self) -> bool {
        self.entries().is_some_and(BTreeMap::is_empty)
    }

    fn kind(&self) -> Kind {
        match self.body {
            Body::File(_) => Kind::File,
            Body::Dir(_) => Kind::Dir,
            Body::Link(_) => Kind::Link,
        }
    }
}

/// One change of directory entries, which a power cut keeps or loses as a whole.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// A new name: create, mkdir, link, symlink.
    Add { dir: Ino, name: Rc<str>, ino: Ino },
    /// A name gone: unlink, rmdir.
    Remove { dir: Ino, name: Rc<str>, ino: Ino },
    /// A rename, with whatever it replaces.
    Move { dir: Ino, name: Rc<str>, to: Ino, to_name: Rc<str>, ino: Ino },
}

/// The tree alone: what is visible, or what is durable.
#[derive(Debug, Clone)]
pub(crate) struct Tree(pub(crate) Vec<Rc<Inode>>);

impl Tree {
    fn new() -> Self {
        let mut root = Inode::new(Body::Dir(Entries::new()), ROOT, 0);
        root.links = 1;
        Self(vec![Rc::new(root)])
    }

    pub(crate) fn get(&self, ino: Ino) -> &Inode {
        &self.0[ino]
    }

    pub(crate) fn get_mut(&mut self, ino: Ino) -> &mut Inode {
        Rc::make_mut(&mut self.0[ino])
    }

    fn entries_mut(&mut self, dir: Ino) -> &mut Entries {
        match &mut self.get_mut(dir).body {
            Body::Dir(entries) => entries,
            Body::File(_) | Body::Link(_) => panic!("inode {dir} is no directory"),
        }
    }

    /// What `name` stands for in `dir`, if anything.
    pub(crate) fn entry(&self, dir: Ino, name: &str) -> Option<Ino> {
        self.get(dir).entries().and_then(|entries| entries.get(name)).copied()
    }

    /// Whether `ino` is `above` or somewhere below it.
    fn is_within(&self, mut ino: Ino, above: Ino) -> bool {
        while ino != above && ino != ROOT {
            ino = self.get(ino).parent;
        }
        ino == above
    }

    /// Carries out `change` if the tree is as it needs to be.
    pub(crate) fn apply(&mut self, change: &Change) -> bool {
        match change {
            Change::Add { dir, name, ino } => {
                if self.entry(*dir, name).is_some() {
                    return false;
                }
                self.entries_mut(*dir).insert(name.clone(), *ino);
                let node = self.get_mut(*ino);
                node.links += 1;
                node.parent = *dir;
            }
            Change::Remove { dir, name, ino } => {
                let node = self.get(*ino);
                if self.entry(*dir, name) != Some(*ino) || (node.is_dir() && !node.is_empty_dir()) {
                    return false;
                }
                self.entries_mut(*dir).remove(name);
                self.get_mut(*ino).links -= 1;
            }
            Change::Move { dir, name, to, to_name, ino } => {
                if self.entry(*dir, name) != Some(*ino) {
                    return false;
                }
                if self.get(*ino).is_dir() && self.is_within(*to, *ino) {
                    return false;
                }
                if let Some(old) = self.entry(*to, to_name) {
                    if self.get(old).is_dir() && !self.get(old).is_empty_dir() {
                        return false;
                    }
                    self.get_mut(old).links -= 1;
                }
                self.entries_mut(*dir).remove(name);
                self.entries_mut(*to).insert(to_name.clone(), *ino);
                self.get_mut(*ino).parent = *to;
            }
        }
        true
    }
}

/// The simulated file system.
#[derive(Debug, Clone)]
pub(crate) struct SimFs {
    pub(crate) tree: Tree,
    /// What a power cut could lose; kept only while power is being cut.
    pub(crate) log: Option<Log>,
    version: u64,
}

impl SimFs {
    /// An empty root directory.
    pub(crate) fn new() -> Self {
        Self::from_tree(Tree::new())
    }

    pub(crate) fn from_tree(tree: Tree) -> Self {
        Self { tree, log: None, version: 0 }
    }

    /// Grows with every change that can be seen.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    fn dir(&self, dir: Ino) -> Result<&Entries, Errno> {
        let node = self.tree.get(dir);
        let entries = node.entries().ok_or(Errno::NOTDIR)?;
        if node.links == 0 { Err(Errno::NOENT) } else { Ok(entries) }
    }

    fn lookup(&self, dir: Ino, name: &str) -> Result<Ino, Errno> {
        check_name(name)?;
        self.dir(dir)?.get(name).copied().ok_or(Errno::NOENT)
    }

    fn vacant(&self, dir: Ino, name: &str) -> Result<(), Errno> {
        match self.lookup(dir, name) {
            Ok(_) => Err(Errno::EXIST),
            // A name that is free, unless it is the directory that is gone.
            Err(Errno::NOENT) => self.dir(dir).map(drop),
            Err(error) => Err(error),
        }
    }

    fn commit(&mut self, change: Change, now: i64) {
        assert!(self.tree.apply(&change), "checked before: {change:?}");
        match &change {
            Change::Add { dir, .. } | Change::Remove { dir, .. } => {
                self.tree.get_mut(*dir).mtime = now;
            }
            Change::Move { dir, to, .. } => {
                self.tree.get_mut(*dir).mtime = now;
                self.tree.get_mut(*to).mtime = now;
            }
        }
        self.version += 1;
        if let Some(log) = &mut self.log {
            log.record(change);
        }
    }

    fn add(&mut self, dir: Ino, name: &str, body: Body, now: i64) -> Result<Ino, Errno> {
        self.vacant(dir, name)?;
        let ino = self.tree.0.len();
        let inode = Rc::new(Inode::new(body, dir, now));
        if let Some(log) = &mut self.log {
            log.durable.0.push(inode.clone());
        }
        self.tree.0.push(inode);
        self.commit(Change::Add { dir, name: name.into(), ino }, now);
        Ok(ino)
    }

    pub(crate) fn open_dir(&self, dir: Ino, name: &str) -> Result<Ino, Errno> {
        let ino = self.lookup(dir, name)?;
        if self.tree.get(ino).is_dir() { Ok(ino) } else { Err(Errno::NOTDIR) }
    }

    pub(crate) fn make_dir(&mut self, dir: Ino, name: &str, now: i64) -> Result<(), Errno> {
        self.add(dir, name, Body::Dir(Entries::new()), now).map(drop)
    }

    pub(crate) fn create(&mut self, dir: Ino, name: &str, now: i64) -> Result<Ino, Errno> {
        self.add(dir, name, Body::File(Vec::new()), now)
    }

    pub(crate) fn symlink(
        &mut self,
        target: &str,
        dir: Ino,
        name: &str,
        now: i64,
    ) -> Result<(), Errno> {
        self.add(dir, name, Body::Link(target.into()), now).map(drop)
    }

    /// Writes `data` at the offset that its handle has come to.
    pub(crate) fn write(&mut self, ino: Ino, offset: usize, data: &[u8], now: i64) {
        let node = self.tree.get_mut(ino);
        let Body::File(content) = &mut node.body else { panic!("inode {ino} is no file") };
        let end = offset + data.len();
        if content.len() < end {
            content.resize(end, 0);
        }
        content[offset..end].copy_from_slice(data);
        node.mtime = now;
        self.version += 1;
        if let Some(log) = &mut self.log {
            log.dirty(ino);
        }
    }

    pub(crate) fn read(&self, dir: Ino, name: &str, limit: u64) -> Result<Vec<u8>, Errno> {
        match &self.tree.get(self.lookup(dir, name)?).body {
            Body::File(content) if content.len() as u64 > limit => Err(Errno::FBIG),
            Body::File(content) => Ok(content.clone()),
            Body::Link(_) => Err(Errno::LOOP),
            Body::Dir(_) => Err(Errno::ISDIR),
        }
    }

    pub(crate) fn stat(&self, dir: Ino, name: &str) -> Result<Stat, Errno> {
        let node = self.tree.get(self.lookup(dir, name)?);
        let size = match &node.body {
            Body::File(content) => content.len(),
            Body::Link(target) => target.len(),
            Body::Dir(_) => 4096,
        };
        Ok(Stat { kind: node.kind(), size: size as u64, mtime: node.mtime })
    }

    pub(crate) fn touch(&mut self, dir: Ino, name: &str, now: i64) -> Result<(), Errno> {
        let ino = self.lookup(dir, name)?;
        self.tree.get_mut(ino).mtime = now;
        self.version += 1;
        Ok(())
    }

    /// The names in a directory that is still open; none once it has been removed.
    pub(crate) fn names(&self, dir: Ino) -> impl Iterator<Item = (&str, Kind)> {
        let entries = self.tree.get(dir).entries().into_iter().flatten();
        entries.map(|(name, ino)| (&**name, self.tree.get(*ino).kind()))
    }

    pub(crate) fn rename(
        &mut self,
        (dir, name): (Ino, &str),
        (to, to_name): (Ino, &str),
        now: i64,
    ) -> Result<(), Errno> {
        let ino = self.lookup(dir, name)?;
        check_name(to_name)?;
        let old = self.dir(to)?.get(to_name).copied();
        let node = self.tree.get(ino);
        if node.is_dir() && self.tree.is_within(to, ino) {
            return Err(Errno::INVAL);
        }
        if let Some(old) = old {
            if old == ino {
                return Ok(());
            }
            let target = self.tree.get(old);
            if target.is_dir() && self.tree.is_within(dir, old) {
                return Err(Errno::NOTEMPTY);
            }
            match (node.is_dir(), target.is_dir()) {
                (true, false) => return Err(Errno::NOTDIR),
                (false, true) => return Err(Errno::ISDIR),
                (true, true) if !target.is_empty_dir() => return Err(Errno::NOTEMPTY),
                (true, true) | (false, false) => {}
            }
        }
        let (name, to_name) = (name.into(), to_name.into());
        self.commit(Change::Move { dir, name, to, to_name, ino }, now);
        Ok(())
    }

    pub(crate) fn link(
        &mut self,
        (dir, name): (Ino, &str),
        (to, to_name): (Ino, &str),
        now: i64,
    ) -> Result<(), Errno> {
        let ino = self.lookup(dir, name)?;
        self.vacant(to, to_name)?;
        if self.tree.get(ino).is_dir() {
            return Err(Errno::PERM);
        }
        self.commit(Change::Add { dir: to, name: to_name.into(), ino }, now);
        Ok(())
    }

    pub(crate) fn remove_file(&mut self, dir: Ino, name: &str, now: i64) -> Result<(), Errno> {
        let ino = self.lookup(dir, name)?;
        if self.tree.get(ino).is_dir() {
            return Err(Errno::ISDIR);
        }
        self.commit(Change::Remove { dir, name: name.into(), ino }, now);
        Ok(())
    }

    pub(crate) fn remove_dir(&mut self, dir: Ino, name: &str, now: i64) -> Result<(), Errno> {
        let ino = self.lookup(dir, name)?;
        if !self.tree.get(ino).is_dir() {
            return Err(Errno::NOTDIR);
        }
        if !self.tree.get(ino).is_empty_dir() {
            return Err(Errno::NOTEMPTY);
        }
        self.commit(Change::Remove { dir, name: name.into(), ino }, now);
        Ok(())
    }
}

/// Looking without being seen: for invariants, outside the simulated world.
impl SimFs {
    fn find(&self, path: &str) -> Option<Ino> {
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        parts.try_fold(ROOT, |at, part| self.tree.entry(at, part))
    }

    /// Whether there is anything at `path` (from the root, `/` between names).
    pub(crate) fn exists(&self, path: &str) -> bool {
        self.find(path).is_some()
    }

    /// The content of the file at `path`.
    pub(crate) fn peek_read(&self, path: &str) -> Option<&[u8]> {
        match &self.tree.get(self.find(path)?).body {
            Body::File(content) => Some(content),
            Body::Dir(_) | Body::Link(_) => None,
        }
    }

    /// The names in the directory at `path`, sorted; none if there is no such directory.
    pub(crate) fn peek_list(&self, path: &str) -> impl Iterator<Item = &str> {
        let entries = self.find(path).and_then(|ino| self.tree.get(ino).entries());
        entries.into_iter().flatten().map(|(name, _)| &**name)
    }

    /// A number for all that can be seen of the tree, to the last byte and time: equal ones are of
    /// equal trees.
    pub(crate) fn fingerprint(&self) -> u128 {
        let [mut low, mut high] = [0_u64, 1].map(|seed| {
            let mut hasher = DefaultHasher::new();
            seed.hash(&mut hasher);
            hasher
        });
        self.hash_dir(ROOT, &mut low);
        self.hash_dir(ROOT, &mut high);
        u128::from(high.finish()) << 64 | u128::from(low.finish())
    }

    fn hash_dir(&self, dir: Ino, hasher: &mut DefaultHasher) {
        let node = self.tree.get(dir);
        let entries = node.entries();
        (node.mtime, entries.map(BTreeMap::len)).hash(hasher);
        for (name, ino) in entries.into_iter().flatten() {
            name.hash(hasher);
            let node = self.tree.get(*ino);
            match &node.body {
                Body::File(content) => (0, content, node.mtime, node.links).hash(hasher),
                Body::Link(target) => (1, target, node.mtime, node.links).hash(hasher),
                Body::Dir(_) => self.hash_dir(*ino, hasher),
            }
        }
    }

    /// The whole tree below the root, one line an entry, sorted.
    pub(crate) fn dump(&self) -> Vec<String> {
        let mut lines = Vec::new();
        self.dump_dir(ROOT, "", &mut lines);
        lines
    }

    fn dump_dir(&self, dir: Ino, above: &str, lines: &mut Vec<String>) {
        for (name, ino) in self.tree.get(dir).entries().into_iter().flatten() {
            let node = self.tree.get(*ino);
            match &node.body {
                Body::File(content) => {
                    let text = String::from_utf8_lossy(content);
                    lines.push(format!("{above}{name} {}x {text:?}", node.links));
                }
                Body::Link(target) => lines.push(format!("{above}{name} -> {target}")),
                Body::Dir(_) => {
                    lines.push(format!("{above}{name}/"));
                    self.dump_dir(*ino, &format!("{above}{name}/"), lines);
                }
            }
        }
    }

    /// Where a directory is now, as traces show it: empty for the root, else with a slash at its
    /// end.
    pub(crate) fn path_of(&self, dir: Ino) -> String {
        if dir == ROOT {
            return String::new();
        }
        let node = self.tree.get(dir);
        let siblings = self.tree.get(node.parent).entries().into_iter().flatten();
        match siblings.into_iter().find(|(_, ino)| **ino == dir) {
            Some((name, _)) => format!("{}{name}/", self.path_of(node.parent)),
            None => format!("<removed {dir}>/"),
        }
    }
}

/// Refuses what the kernel would refuse, and what the protocol must never ask for.
fn check_name(name: &str) -> Result<(), Errno> {
    assert!(
        !name.is_empty() && !name.contains('/') && name != "." && name != "..",
        "{name:?} is not a single path component"
    );
    if name.len() > 255 { Err(Errno::NAMETOOLONG) } else { Ok(()) }
}
