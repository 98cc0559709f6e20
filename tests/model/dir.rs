//! The protocol's view of the simulated file system: every operation is one step.

use std::io;

use git_conductor::store::dir::{Dir, Entry, NewFile, Stat};
use rustix::io::Errno;

use crate::fs::{Ino, SimFs};
use crate::plan::Effect;
use crate::rng::Rng;
use crate::world::{Ctx, Go, Step};

/// An open directory of a simulated command.
#[derive(Clone)]
pub(crate) struct SimDir<'y> {
    ctx: Ctx<'y>,
    ino: Ino,
    /// It is being built under a name of this command's own, and is published by a rename. Only
    /// `clean` may look into another's, so beside it a few schedules are left out.
    private: bool,
}

/// A file that a simulated command has just created.
pub(crate) struct SimFile<'y> {
    ctx: Ctx<'y>,
    ino: Ino,
    name: String,
    offset: usize,
    private: bool,
}

impl<'y> SimDir<'y> {
    pub(crate) fn new(ctx: Ctx<'y>, ino: Ino) -> Self {
        Self { ctx, ino, private: false }
    }

    fn at(&self, fs: &SimFs, name: &str) -> String {
        format!("{}{name}", fs.path_of(self.ino))
    }

    fn act<T>(
        &self,
        kind: Step,
        verb: &str,
        name: &str,
        effect: impl FnOnce(&mut SimFs, i64) -> Result<T, Errno>,
    ) -> io::Result<T> {
        self.ctx.privately(self.private);
        self.ctx.act(kind, |fs| format!("{verb} {}", self.at(fs, name)), effect)
    }

    fn act_on_two<T>(
        &self,
        verb: &str,
        from: &str,
        (to, to_name): (&Self, &str),
        effect: impl FnOnce(&mut SimFs, i64) -> Result<T, Errno>,
    ) -> io::Result<T> {
        let what = |fs: &SimFs| format!("{verb} {} -> {}", self.at(fs, from), to.at(fs, to_name));
        self.ctx.act(Step::Change, what, effect)
    }
}

impl SimDir<'_> {
    /// Sets a file's time to now, as the shipped world does to note a sign of life.
    pub(crate) fn touch(&self, name: &str) -> io::Result<()> {
        self.act(Step::Write, "touch", name, |fs, now| fs.touch(self.ino, name, now))
    }
}

impl<'y> Dir for SimDir<'y> {
    type File = SimFile<'y>;

    fn open_dir(&self, name: &str) -> io::Result<Self> {
        let ino = self.act(Step::Look, "open", name, |fs, _| fs.open_dir(self.ino, name))?;
        let private = self.private || name.starts_with(".tmp.") || name.starts_with(".new.");
        Ok(Self { ctx: self.ctx.clone(), ino, private })
    }

    fn make_dir(&self, name: &str) -> io::Result<()> {
        self.act(Step::Change, "mkdir", name, |fs, now| fs.make_dir(self.ino, name, now))
    }

    fn create(&self, name: &str, _frozen: bool) -> io::Result<SimFile<'y>> {
        let create = |fs: &mut SimFs, now| fs.create(self.ino, name, now);
        let ino = self.act(Step::Change, "create", name, create)?;
        Ok(SimFile {
            ctx: self.ctx.clone(),
            ino,
            name: name.to_owned(),
            offset: 0,
            private: self.private,
        })
    }

    fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        self.act(Step::Look, "read", name, |fs, _| fs.read(self.ino, name, limit))
    }

    fn stat(&self, name: &str) -> io::Result<Stat> {
        self.act(Step::Look, "stat", name, |fs, _| fs.stat(self.ino, name))
    }

    /// Two steps, each of which sees the names of one half; see [`half_of`].
    fn list(&self, limit: usize) -> io::Result<Vec<Entry>> {
        let salt = self.ctx.shared.plan.salt;
        let mut entries = Vec::new();
        for half in 0..2 {
            self.act(Step::Look, ["list", "list on"][half], "", |fs, _| {
                let names = fs.names(self.ino).filter(|(name, _)| half_of(name, salt) == half);
                entries.extend(names.map(|(name, kind)| Entry { name: name.to_owned(), kind }));
                Ok(())
            })?;
        }
        if entries.len() > limit { Err(Errno::FBIG.into()) } else { Ok(entries) }
    }

    fn list_some(&self, limit: usize) -> io::Result<Vec<Entry>> {
        let mut entries = self.list(usize::MAX)?;
        entries.truncate(limit);
        Ok(entries)
    }

    fn rename(&self, from: &str, to: &Self, to_name: &str) -> io::Result<()> {
        self.act_on_two("rename", from, (to, to_name), |fs, now| {
            fs.rename((self.ino, from), (to.ino, to_name), now)
        })
    }

    fn link(&self, from: &str, to: &Self, to_name: &str) -> io::Result<()> {
        self.act_on_two("link", from, (to, to_name), |fs, now| {
            fs.link((self.ino, from), (to.ino, to_name), now)
        })
    }

    fn symlink(&self, target: &str, name: &str) -> io::Result<()> {
        self.act(Step::Change, "symlink", name, |fs, now| fs.symlink(target, self.ino, name, now))
    }

    fn remove_file(&self, name: &str) -> io::Result<()> {
        self.act(Step::Change, "unlink", name, |fs, now| fs.remove_file(self.ino, name, now))
    }

    fn remove_dir(&self, name: &str) -> io::Result<()> {
        self.act(Step::Change, "rmdir", name, |fs, now| fs.remove_dir(self.ino, name, now))
    }

    fn sync(&self) -> io::Result<()> {
        self.act(Step::Sync, "sync", "", |fs, _| {
            fs.sync_dir(self.ino);
            Ok(())
        })
    }
}

impl NewFile for SimFile<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<()> {
        let what = |_: &SimFs| format!("write {} bytes to {}", data.len(), self.name);
        self.ctx.privately(self.private);
        let mut go = self.ctx.step(Step::Write, what);
        // `write_all` goes on where a signal interrupted it.
        while matches!(go, Go::Fail(Errno::INTR, _)) {
            self.ctx.answer(Err(Errno::INTR));
            go = self.ctx.step(Step::Write, what);
        }
        let (kept, result) = match go {
            Go::Dead => return Err(Errno::IO.into()),
            Go::Run => (data.len(), Ok(())),
            Go::Fail(errno, Effect::None) => (0, Err(errno)),
            Go::Fail(errno, Effect::Half) => (data.len() / 2, Err(errno)),
            Go::Fail(errno, Effect::Full) => (data.len(), Err(errno)),
        };
        if kept > 0 {
            let now = self.ctx.now();
            self.ctx.shared.fs.borrow_mut().write(self.ino, self.offset, &data[..kept], now);
            self.offset += kept;
        }
        self.ctx.answer(result.map(|()| "ok"));
        Ok(result?)
    }

    fn sync(&mut self) -> io::Result<()> {
        let what = |_: &SimFs| format!("sync {}", self.name);
        self.ctx.act(Step::Sync, what, |fs, _| {
            fs.sync_file(self.ino);
            Ok(())
        })
    }
}

/// The half of a listing that a name is seen in.
///
/// Real directories are read in pieces, in the order of hashes, while names come and go. Two halves
/// are enough for a renamed file to be seen under both its names or under neither; the salt makes
/// any two names fall on either side of the border in some run.
pub(crate) fn half_of(name: &str, salt: u64) -> usize {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, fnv);
    usize::from(Rng::new(hash ^ salt).next() & 1 == 1)
}
