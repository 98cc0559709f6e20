//! What a power cut can lose.
//!
//! While power is being cut, a file system keeps beside the visible tree the *durable* one and a
//! log of the changes between them. A change of entries is in the log as a whole (a rename touches
//! two names, perhaps in two directories, but is lost or kept as one); a file's content is one more
//! item. After a cut any subset of the items may have arrived, in the order in which they were
//! made; a change that cannot be carried out on what arrived before it is lost too. Syncing a file
//! makes its content durable and not its name; syncing a directory makes durable the changes that
//! touch it, with those that they build on.
//!
//! This is weaker than what journalling file systems give, on purpose.

use std::rc::Rc;

use crate::fs::{Body, Change, Ino, SimFs, Tree};
use crate::rng::Rng;

/// One entry change that has not been carried out on the durable tree yet.
#[derive(Debug, Clone)]
struct Item {
    change: Change,
    /// Cannot be lost any more; it only waits for an older change.
    synced: bool,
}

/// The durable tree, and what is not durable yet.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    /// Has the same inodes as the visible tree, under the same numbers.
    pub(crate) durable: Tree,
    items: Vec<Item>,
    /// Files whose content is not durable, in the order in which they were first written.
    dirty: Vec<Ino>,
    version: u64,
}

impl Log {
    pub(crate) fn record(&mut self, change: Change) {
        self.items.push(Item { change, synced: false });
        self.version += 1;
    }

    pub(crate) fn dirty(&mut self, ino: Ino) {
        if !self.dirty.contains(&ino) {
            self.dirty.push(ino);
        }
        self.version += 1;
    }

    /// Grows with every change of what can be lost.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    fn unsynced(&self) -> usize {
        self.items.iter().filter(|item| !item.synced).count()
    }

    /// Marks what must be durable for item `index` to be.
    fn secure(&mut self, index: usize) {
        if self.items[index].synced {
            return;
        }
        self.items[index].synced = true;
        let change = self.items[index].change.clone();
        for older in 0..index {
            if builds_on(&change, &self.items[older].change) {
                self.secure(older);
            }
        }
    }
}

/// The names that a change touches, as (directory, name).
fn names(change: &Change) -> [Option<(Ino, &Rc<str>)>; 2] {
    match change {
        Change::Add { dir, name, .. } | Change::Remove { dir, name, .. } => {
            [Some((*dir, name)), None]
        }
        Change::Move { dir, name, to, to_name, .. } => [Some((*dir, name)), Some((*to, to_name))],
    }
}

fn touches(change: &Change, dir: Ino) -> bool {
    names(change).into_iter().flatten().any(|(touched, _)| touched == dir)
}

/// Whether `change` means nothing without `older`: they touch a common name, or a directory had to
/// be emptied before it could be removed.
fn builds_on(change: &Change, older: &Change) -> bool {
    let removed = match change {
        Change::Remove { ino, .. } => touches(older, *ino),
        Change::Add { .. } | Change::Move { .. } => false,
    };
    let mut common = names(change).into_iter().flatten();
    removed || common.any(|name| names(older).into_iter().flatten().any(|other| name == other))
}

impl SimFs {
    /// Declares all that is there durable, and keeps a log from here on.
    pub(crate) fn watch_power(&mut self) {
        self.log = Some(Log {
            durable: self.tree.clone(),
            items: Vec::new(),
            dirty: Vec::new(),
            version: 0,
        });
    }

    pub(crate) fn sync_file(&mut self, ino: Ino) {
        if let Some(log) = &mut self.log {
            log.durable.get_mut(ino).body = self.tree.get(ino).body.clone();
            log.dirty.retain(|dirty| *dirty != ino);
            log.version += 1;
        }
    }

    pub(crate) fn sync_dir(&mut self, dir: Ino) {
        let Some(log) = &mut self.log else { return };
        for index in 0..log.items.len() {
            if touches(&log.items[index].change, dir) {
                log.secure(index);
            }
        }
        let done = log.items.iter().take_while(|item| item.synced).count();
        for item in log.items.drain(..done) {
            assert!(log.durable.apply(&item.change), "a synced change must hold: {item:?}");
        }
        log.version += 1;
    }

    /// In how many ways each item can come out of a power cut: an entry change is lost or kept (2),
    /// a content is lost, kept or torn (3).
    pub(crate) fn cut_ways(&self) -> Vec<u8> {
        let Some(log) = &self.log else { return Vec::new() };
        let mut ways = vec![2; log.unsynced()];
        ways.resize(ways.len() + log.dirty.len(), 3);
        ways
    }

    /// What is there after a power cut: `fates` says for each item whether it is lost (0), kept (1)
    /// or, a content only, torn in the middle (2).
    pub(crate) fn after_cut(&self, fates: &[u8]) -> SimFs {
        let Some(log) = &self.log else { return self.clone() };
        let mut tree = log.durable.clone();
        let mut fates = fates.iter().copied();
        for item in &log.items {
            if item.synced || fates.next() == Some(1) {
                let held = tree.apply(&item.change);
                assert!(held || !item.synced, "a synced change must hold: {item:?}");
            }
        }
        for ino in &log.dirty {
            let Body::File(content) = &self.tree.get(*ino).body else { continue };
            let fate = fates.next().unwrap_or(0);
            if fate > 0 {
                let kept = if fate == 1 { content.len() } else { content.len() / 2 };
                tree.get_mut(*ino).body = Body::File(content[..kept].to_vec());
            }
        }
        SimFs::from_tree(tree)
    }
}

/// Calls `check` with fates of the items: all combinations if there are at most `full`, else none
/// kept, all kept, all but one kept, all torn, and `samples` random ones.
pub(crate) fn each_cut<E>(
    ways: &[u8],
    full: u64,
    samples: u64,
    rng: &mut Rng,
    mut check: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<u64, E> {
    let all = ways.iter().try_fold(1_u64, |all, way| all.checked_mul(u64::from(*way)));
    let mut fates = vec![0; ways.len()];
    if let Some(all) = all.filter(|all| *all <= full) {
        loop {
            check(&fates)?;
            let Some(next) = (0..ways.len()).find(|at| fates[*at] + 1 < ways[*at]) else {
                return Ok(all);
            };
            fates[next] += 1;
            fates[..next].fill(0);
        }
    }
    check(&fates)?;
    fates.fill(1);
    check(&fates)?;
    for at in 0..ways.len() {
        fates[at] = 0;
        check(&fates)?;
        fates[at] = 1;
    }
    for (fate, way) in fates.iter_mut().zip(ways) {
        *fate = way - 1;
    }
    check(&fates)?;
    for _ in 0..samples {
        for (fate, way) in fates.iter_mut().zip(ways) {
            *fate = u8::try_from(rng.below(u64::from(*way))).unwrap_or(0);
        }
        check(&fates)?;
    }
    Ok(3 + ways.len() as u64 + samples)
}
