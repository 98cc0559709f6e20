//! The ledger's own repository: bare, with no configuration of anybody's, and a cache. What is
//! missing or damaged is thrown away and made anew, and the server has all of it.
//!
//! The store lies in a worktree, so that a clone could bring a repository with settings that run
//! programs: one that has any that git itself did not write here is not used.

use std::fs::{File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use gix::ObjectId;
use gix::config::Source;
use gix::objs::{Kind, Write as _};
use rustix::fs::FlockOperation;

use super::content::{Made, Objects, Trouble};
use super::quiet;
use crate::error::{Failure, FailureKind};
use crate::git::child::Limit;
use crate::git::config;
use crate::record::sharing::Sharing;

/// Where the tips that were seen are kept, by their ids: what a fetch tells the server that it has.
pub(super) const TIPS: &str = "refs/tips";
/// So many of them.
const KEPT_TIPS: usize = 8;

/// What git writes into a new repository's configuration.
const SETTINGS: &[(&str, &[&str])] = &[
    (
        "core",
        &[
            "repositoryformatversion",
            "filemode",
            "bare",
            "symlinks",
            "ignorecase",
            "precomposeunicode",
            "sharedrepository",
        ],
    ),
    ("extensions", &["objectformat", "refstorage"]),
    ("receive", &["denynonfastforwards"]),
];

/// What a pack may make gix allocate at once: an object of a few bytes can be a difference to one
/// of any length.
const ALLOCATIONS: &str = "gitoxide.objects.allocLimit=67108864";

/// So many loose objects in one of 256 directories are too many, and so many files of packs.
const CROWDED_LOOSE: usize = 100;
const CROWDED_PACKS: usize = 150;

/// So long a command waits for another one, and so often it looks.
const LOCK_LIMIT: Duration = Duration::from_secs(5);
const MOMENT: Duration = Duration::from_millis(5);

/// So often it is made that other commands here throw away.
const MAX_TRIES: u32 = 10;

/// What leads to another repository.
const ELSEWHERE: [&str; 3] = ["commondir", "config.worktree", "objects/info/alternates"];

/// The ledger's repository, which may not be there.
pub(super) struct Cache {
    path: PathBuf,
    hash: gix::hash::Kind,
    sharing: Sharing,
}

/// The ledger's repository, open.
pub(super) struct Open {
    gix: gix::Repository,
    sharing: Sharing,
}

impl Cache {
    /// The one at `path`, for objects that are named like this and that others may use.
    pub(super) fn new(path: &Path, hash: gix::hash::Kind, sharing: Sharing) -> Self {
        Self { path: path.to_owned(), hash, sharing }
    }

    /// How its objects are named.
    pub(super) fn hash(&self) -> gix::hash::Kind {
        self.hash
    }

    /// Opens it; `None` if it is missing, damaged or not what this program has made.
    pub(super) fn open(&self) -> Option<Open> {
        let is_dir = |path: &Path| path.symlink_metadata().is_ok_and(|meta| meta.is_dir());
        let (objects, refs) = (self.path.join("objects"), self.path.join("refs"));
        if !is_dir(&self.path) || !is_dir(&objects) || !is_dir(&refs) {
            return None;
        }
        if ELSEWHERE.iter().any(|name| self.path.join(name).symlink_metadata().is_ok()) {
            return None;
        }
        let head = std::fs::read(self.path.join("HEAD")).ok()?;
        if !head.starts_with(b"ref: refs/") {
            return None;
        }
        let settings = config::read(&self.path.join("config"), Source::Local).ok().flatten()?;
        let is_plain = |section: &gix::config::file::SectionRef<'_>| {
            let header = section.header();
            let name = header.name().to_string().to_ascii_lowercase();
            let known = SETTINGS.iter().find(|(section, _)| *section == name);
            let is_known = |value: &str| {
                known.is_some_and(|(_, names)| names.contains(&&*value.to_ascii_lowercase()))
            };
            header.subsection_name().is_none()
                && section.value_names().all(|value| is_known(&value))
        };
        if !settings.sections().all(|section| is_plain(&section)) {
            return None;
        }
        let options = gix::open::Options::isolated()
            .open_path_as_is(true)
            .with(gix::sec::Trust::Full)
            .config_overrides([ALLOCATIONS])
            .lossy_config(true);
        let gix = options.open(self.path.clone()).ok()?.to_thread_local();
        (gix.object_hash() == self.hash).then_some(Open { gix, sharing: self.sharing })
    }

    /// Opens it, or what `init` makes at a path of its own.
    pub(super) fn open_or_make(
        &self,
        init: impl Fn(&Path) -> Result<(), Failure>,
    ) -> Result<Open, Failure> {
        for _ in 0..MAX_TRIES {
            if let Some(open) = self.open() {
                return Ok(open);
            }
            self.discard()?;
            let (new, ()) = quiet::create(self.parent(), |path| std::fs::create_dir(path))?;
            let made = init(&new);
            let placed = made.is_ok().then(|| std::fs::rename(&new, &self.path));
            if let None | Some(Err(_)) = placed {
                std::fs::remove_dir_all(&new).ok();
            }
            made?;
            match placed {
                // Another command was faster.
                Some(Err(error))
                    if !matches!(
                        error.kind(),
                        ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists
                    ) =>
                {
                    let doing = format!("cannot create '{}'", self.path.display());
                    return Err(Failure::writing(error, doing));
                }
                _ => {}
            }
        }
        let text = format!("'{}' cannot be opened", self.path.display());
        Err(Failure::new(FailureKind::Git, text))
    }

    /// Where it is made.
    pub(super) fn parent(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// What tells this repository from another one at the same place.
    pub(super) fn identity(&self) -> Option<(u64, u64)> {
        self.path.symlink_metadata().ok().map(|meta| (meta.dev(), meta.ino()))
    }

    /// Waits a while for other commands here, of which one changes how much of the chain git takes
    /// for all of it, or several do not. They disturb each other else, which is noticed; hence what
    /// cannot be locked is not.
    pub(super) fn lock(&self, is_changing: bool) -> Option<File> {
        let file = File::options().create(true).append(true).open(self.path.join("lock")).ok()?;
        let how = if is_changing {
            FlockOperation::NonBlockingLockExclusive
        } else {
            FlockOperation::NonBlockingLockShared
        };
        let limit = Limit::within(LOCK_LIMIT);
        while rustix::fs::flock(&file, how).is_err() && !limit.is_over() {
            std::thread::sleep(MOMENT);
        }
        Some(file)
    }

    /// Whether so much is in it that a new one is better; git asks for the same to collect garbage,
    /// which is not done here.
    pub(super) fn is_crowded(&self) -> bool {
        let count = |dir: &str| {
            std::fs::read_dir(self.path.join("objects").join(dir)).map_or(0, Iterator::count)
        };
        count("17") > CROWDED_LOOSE || count("pack") > CROWDED_PACKS
    }

    /// Throws it away. Who is using it fails and does what it did once more.
    pub(super) fn discard(&self) -> Result<(), Failure> {
        let cannot =
            |error| Failure::writing(error, format!("cannot remove '{}'", self.path.display()));
        if self.path.symlink_metadata().is_err() {
            return Ok(());
        }
        // Away as a whole, so that none finds half of it.
        let (aside, ()) = quiet::create(self.parent(), |path| std::fs::create_dir(path))?;
        let moved = std::fs::rename(&self.path, aside.join("old"));
        let removed = std::fs::remove_dir_all(&aside);
        match moved {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(cannot(error)),
            _ => removed.map_err(cannot),
        }
    }

    /// Keeps `id`, which was fetched as `name`, as a tip, and forgets the eldest ones.
    pub(super) fn keep_tip(&self, name: &str, id: ObjectId) -> std::io::Result<()> {
        let tips = self.path.join(TIPS);
        std::fs::rename(tips.join(name), tips.join(id.to_string()))?;
        let mut dated = Vec::new();
        for entry in std::fs::read_dir(&tips)? {
            let entry = entry?;
            dated.push((entry.metadata()?.modified()?, entry.path()));
        }
        dated.sort_unstable();
        let many = dated.len().saturating_sub(KEPT_TIPS);
        for (_, path) in dated.into_iter().take(many) {
            // Another command may have done so.
            if path.is_dir() {
                std::fs::remove_dir_all(path).ok()
            } else {
                std::fs::remove_file(path).ok()
            };
        }
        Ok(())
    }
}

impl Open {
    /// Whether an object is there.
    pub(super) fn has(&self, id: ObjectId) -> bool {
        id.kind() == self.hash() && self.gix.has_object(id)
    }

    /// Writes those of `made` that are not there. It is not synced: what is damaged by a power cut
    /// is thrown away with all the rest.
    pub(super) fn write(&self, made: &Made) -> Result<(), Trouble> {
        for (id, (kind, content)) in made {
            match self.find(*id, *kind, content.len() as u64) {
                Ok(Some(_)) => {}
                Ok(None) => {
                    self.gix.objects.write_buf(*kind, content).map_err(|error| {
                        let text = format!("cannot write an object of the ledger: {error}");
                        Failure::new(FailureKind::Io, text)
                    })?;
                    self.share(*id);
                }
                Err(Trouble::Foreign(why)) => return Err(Trouble::Broken(why)),
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(())
    }

    /// Lets others use what was written of an object, as git does and gix does not.
    fn share(&self, id: ObjectId) {
        let hex = id.to_string();
        let (dir, name) = hex.split_at(2);
        let dir = self.gix.objects.store_ref().path().join(dir);
        for (path, is_dir) in [(dir.clone(), true), (dir.join(name), false)] {
            let Ok(meta) = path.metadata() else { continue };
            if let Some(mode) = self.sharing.mode(meta.mode(), is_dir) {
                // One that belongs to another user has been shared by that one.
                std::fs::set_permissions(&path, Permissions::from_mode(mode)).ok();
            }
        }
    }
}

impl Objects for Open {
    fn hash(&self) -> gix::hash::Kind {
        self.gix.object_hash()
    }

    fn find(&self, id: ObjectId, kind: Kind, most: u64) -> Result<Option<Vec<u8>>, Trouble> {
        let broken =
            |error: gix::Error| Trouble::Broken(format!("object {id} is damaged: {error}"));
        if id.kind() != self.hash() {
            return Ok(None);
        }
        let Some(header) = self.gix.try_find_header(id).map_err(broken)? else { return Ok(None) };
        if header.kind() != kind {
            return Err(Trouble::Foreign(format!("object {id} is no {kind}")));
        }
        if header.size() > most {
            return Err(Trouble::Foreign(format!("object {id} is longer than {most} bytes")));
        }
        let object = self.gix.find_object(id).map_err(broken)?;
        Ok(Some(object.detach().data))
    }
}
