//! The content of a worktree as a tree, without touching that worktree: an index of our own, which
//! begins as a copy of the worktree's.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, FileTimes, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gix::bstr::ByteSlice as _;
use rustix::fs::{Access, OFlags, access};

use crate::error::{Failure, FailureKind};
use crate::git::child::{self, Limit};
use crate::git::env::Env;
use crate::git::worktree::Worktree;

/// The most files that are saved: git makes an object of each.
const MAX_FILES: usize = 50_000;
/// So often is a file left out that git cannot take.
const TRIES: usize = 100;
/// What is left of a command that was killed is removed when it is so old.
const LEFT: Duration = Duration::from_secs(3600);
/// What our directories are called.
const PREFIX: &str = "salvage.";

/// Settings under which git runs nothing of the repository's own that is not needed to read files,
/// and writes nothing but objects and our index. What a file is in git is still as `.gitattributes`
/// and the user's filters have it, as with any `git add` there.
const SETTINGS: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.splitIndex=false",
    "core.safecrlf=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "i18n.commitEncoding=UTF-8",
    "advice.addEmbeddedRepo=false",
];

/// A directory of our own in the git directory that all worktrees share; removed when dropped.
#[derive(Debug)]
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is removed by another command an hour later.
        fs::remove_dir_all(&self.0).ok();
    }
}

impl Scratch {
    fn new(common_dir: &Path, unique: &str) -> Result<Self, Failure> {
        let place = common_dir.join("conductor");
        let dir = place.join(format!("{PREFIX}{unique}"));
        let make = |dir: &Path, mode| match DirBuilder::new().mode(mode).create(dir) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists || mode == 0o700 => {
                Err(Failure::writing(error, format!("cannot make '{}'", dir.display())))
            }
            _ => Ok(()),
        };
        make(&place, 0o777)?;
        sweep(&place);
        make(&dir, 0o700)?;
        Ok(Self(dir))
    }
}

/// Removes what commands left that were killed.
fn sweep(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let modified = entry.metadata().and_then(|meta| meta.modified());
        let old = modified.is_ok_and(|then| then.elapsed().is_ok_and(|ago| ago > LEFT));
        if old && entry.file_name().as_bytes().starts_with(PREFIX.as_bytes()) {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

/// Removes the directories of commands that were killed, by the names that these had.
pub(super) fn remove(common_dir: &Path, killed: &[String]) {
    let plain =
        |name: &&String| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric());
    for name in killed.iter().filter(plain) {
        let dir = common_dir.join("conductor").join(format!("{PREFIX}{name}"));
        // A git of theirs may still be putting something there.
        let gone = || fs::remove_dir_all(&dir).is_ok() || !dir.exists();
        _ = (0..3).any(|_| gone());
    }
}

/// An index that holds what a worktree does.
#[derive(Debug)]
pub(super) struct Index<'a> {
    env: &'a Env,
    worktree: &'a Worktree,
    scratch: Scratch,
    time: Limit,
    /// Whether the worktree has an index. One that was never filled lacks no file.
    has_one: bool,
}

/// What differs from a worktree's index.
struct Listed {
    paths: BTreeSet<Vec<u8>>,
    missed: Vec<String>,
}

impl<'a> Index<'a> {
    /// Copies the worktree's index, or reads what is checked out if it has none.
    pub(super) fn copy(
        env: &'a Env,
        worktree: &'a Worktree,
        common_dir: &Path,
        unique: &str,
        time: Limit,
    ) -> Result<Self, Failure> {
        let scratch = Scratch::new(common_dir, unique)?;
        let mut index = Self { env, worktree, scratch, time, has_one: true };
        let from = worktree.git_dir.join("index");
        let cannot = |error| Failure::io(error, format!("cannot copy '{}'", from.display()));
        // A pipe in its place is not waited for.
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        match File::options().read(true).custom_flags(flags).open(&from) {
            Ok(file) => copy(file, &index.path()).map_err(cannot)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                index.has_one = false;
                // On an unborn branch there is nothing to be read.
                child::run_within(index.git().args(["read-tree", "HEAD"]), &time)?;
            }
            Err(error) => return Err(cannot(error)),
        }
        Ok(index)
    }

    /// How long all of its children may take.
    pub(super) fn time(&self) -> &Limit {
        &self.time
    }

    fn path(&self) -> PathBuf {
        self.scratch.0.join("index")
    }

    /// A git child in the worktree, with this index.
    pub(super) fn git(&self) -> Command {
        let Worktree { root, git_dir } = self.worktree;
        let mut git = child::git_at(self.env, git_dir, Some(root));
        git.env("GIT_INDEX_FILE", self.path());
        // Not even the statuses that git asks of submodules refresh an index.
        git.env("GIT_OPTIONAL_LOCKS", "0");
        // What it says of a path is looked for below.
        git.env("LC_ALL", "C").env_remove("LANGUAGE");
        for setting in SETTINGS {
            git.args(["-c", setting]);
        }
        git
    }

    /// Takes in whatever differs in the worktree and is not ignored, but nothing at or below the
    /// absolute paths `except`, and no repositories in it. Gives what git could not take.
    pub(super) fn take_in(&self, except: &[PathBuf], limit: u64) -> Result<Vec<String>, Failure> {
        let Listed { mut paths, mut missed } = self.list(except, limit)?;
        for attempt in 1.. {
            let list = paths.iter().fold(Vec::new(), |mut list, path| {
                list.extend_from_slice(path);
                list.push(0);
                list
            });
            if list.is_empty() {
                break;
            }
            let mut git = self.git();
            git.args(["update-index", "--add", "--remove", "--replace", "-z", "--stdin"]);
            let (output, failure) = child::fed_within(&mut git, &list, &self.time)?;
            let Some(failure) = failure else {
                missed.extend(output.stderr.lines().filter_map(ignored));
                break;
            };
            let culprit = paths.iter().find(|path| blames(&output.stderr, path)).cloned();
            match culprit.filter(|_| attempt < TRIES) {
                Some(path) => {
                    paths.remove(&path);
                    missed.push(path.to_str_lossy().into_owned());
                }
                None => return Err(failure),
            }
        }
        Ok(missed)
    }

    /// What differs from the index, and what of that cannot be read.
    fn list(&self, except: &[PathBuf], limit: u64) -> Result<Listed, Failure> {
        let root = &self.worktree.root;
        let mut git = self.git();
        git.args(["ls-files", "-z", "-o", "-m", "--exclude-standard"]);
        let output = child::run_within(&mut git, &self.time)?;
        if !output.status.success() {
            return Err(child::complaint(&git, &output));
        }
        let unopened = output.stderr.lines().filter_map(|line| {
            let path = line.strip_prefix(b"warning: could not open directory '")?;
            Some(path.split_once_str(b"': ")?.0.to_str_lossy().into_owned())
        });
        let mut listed = Listed { paths: BTreeSet::new(), missed: unopened.collect() };
        let mut links = BTreeMap::new();
        let mut size = 0_u64;
        for path in output.stdout.split(|byte| *byte == 0).filter(|path| !path.is_empty()) {
            let whole = root.join(OsStr::from_bytes(path));
            // A repository in the worktree is listed with a slash.
            let repository = path.ends_with(b"/");
            if repository
                || except.iter().any(|except| whole.starts_with(except))
                || is_behind_link(root, Path::new(OsStr::from_bytes(path)), &mut links)
            {
                continue;
            }
            match whole.symlink_metadata() {
                Ok(meta) if meta.is_file() && access(&whole, Access::READ_OK).is_err() => {
                    listed.missed.push(path.to_str_lossy().into_owned());
                    continue;
                }
                Ok(meta) if meta.is_file() => size = size.saturating_add(meta.size()),
                Err(_) if !self.has_one => continue,
                Ok(_) | Err(_) => {}
            }
            listed.paths.insert(path.to_vec());
        }
        if size > limit || listed.paths.len() > MAX_FILES {
            return Err(too_much(listed.paths.len(), size, limit));
        }
        Ok(listed)
    }

    /// The tree of what it holds now.
    pub(super) fn write_tree(&self) -> Result<String, Failure> {
        let tree = child::stdout_within(self.git().arg("write-tree"), &self.time)?;
        Ok(tree.trim_ascii_end().to_str_lossy().into_owned())
    }
}

/// Copies an index with its time: by that git knows which files may have been changed in the moment
/// in which it was written, and looks at these.
fn copy(mut from: File, to: &Path) -> std::io::Result<()> {
    let meta = from.metadata()?;
    if !meta.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    let mut to = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    std::io::copy(&mut from, &mut to)?;
    to.set_times(FileTimes::new().set_modified(meta.modified()?))
}

/// Whether a directory on the way from `root` to `path` is a link: git passes over what is behind
/// it.
fn is_behind_link(root: &Path, path: &Path, known: &mut BTreeMap<PathBuf, bool>) -> bool {
    let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) else { return false };
    if let Some(known) = known.get(dir) {
        return *known;
    }
    let is_link = root.join(dir).symlink_metadata().is_ok_and(|meta| meta.is_symlink());
    let behind = is_link || is_behind_link(root, dir, known);
    known.insert(dir.to_owned(), behind);
    behind
}

/// A path that git does not take, and says so beside the answer: no repository may have it.
fn ignored(line: &[u8]) -> Option<String> {
    Some(line.strip_prefix(b"Ignoring path ")?.to_str_lossy().into_owned())
}

/// Whether it is `path` that git failed at.
fn blames(said: &[u8], path: &[u8]) -> bool {
    let said = said.trim_ascii_end();
    said.ends_with(&[b"fatal: Unable to process path ", path].concat())
        || said.find([b"fatal: ", path, b": "].concat()).is_some()
}

fn too_much(files: usize, size: u64, limit: u64) -> Failure {
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let text = if size > limit {
        format!(
            "it is too much: {} MiB, and conductor.maxSalvage allows {} MiB",
            mib(size),
            limit >> 20
        )
    } else {
        format!("it is too much: {files} files, and at most {MAX_FILES} are saved")
    };
    Failure::new(FailureKind::Git, text)
}
