//! Where a worktree is now that a claim's record names.
//!
//! A record is foreign: a path in it is compared and never opened. What is opened is what git's own
//! administration lists, and only if it leads back here. A worktree's own git directory keeps its
//! name when `git worktree move` gives the worktree another path, so that name is looked for first.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::OFlags;

use super::discover;
use super::dotgit;
use super::owner;
use super::repo::{Repo, leads_to};

/// The most bytes that are read of a file that holds one path.
const MAX_PATH_FILE_BYTES: u64 = 64 * 1024;

/// A worktree, as a record names it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Recorded<'a> {
    /// Its path when it was recorded.
    pub path: Option<&'a str>,
    /// Its own git directory; records of older versions have none.
    pub git_dir: Option<&'a str>,
    /// When it was recorded.
    pub since: Option<Timestamp>,
}

/// A worktree of this repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worktree {
    /// Its root, canonical.
    pub(super) root: PathBuf,
    /// Its own git directory.
    pub(super) git_dir: PathBuf,
}

impl Worktree {
    /// Its root.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }
}

/// What became of the place that a record names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// It is there.
    There(Worktree),
    /// It is a worktree of this repository, and its directory is not there: removed, or not
    /// mounted.
    Gone,
    /// It is no worktree of this repository, or none any more.
    Foreign,
}

/// The repository's administration of worktrees, for who only wants to know where one is.
#[derive(Debug, Clone)]
pub struct Worktrees {
    common_dir: PathBuf,
    main: Option<PathBuf>,
}

impl Worktrees {
    /// Where the worktree that is `recorded` is by now, if that is known and differs from what
    /// stands in the record. One file is read; whether it is there is not asked.
    #[must_use]
    pub fn moved(&self, recorded: &Recorded<'_>) -> Option<String> {
        let found = self.administered(recorded)?;
        let now = found.root.to_string_lossy().into_owned();
        (Some(&*now) != recorded.path).then_some(now)
    }

    /// The worktree whose own git directory is recorded.
    ///
    /// Nothing of the record becomes a path but one name, which must be that of an entry of ours.
    fn administered(&self, recorded: &Recorded<'_>) -> Option<Worktree> {
        let git_dir = Path::new(recorded.git_dir?);
        if git_dir == self.common_dir {
            return Some(Worktree { root: self.main.clone()?, git_dir: self.common_dir.clone() });
        }
        let entries = self.common_dir.join("worktrees");
        let mut rest = git_dir.strip_prefix(&entries).ok()?.components();
        let (Some(Component::Normal(name)), None) = (rest.next(), rest.next()) else { return None };
        let git_dir = entries.join(name);
        let found = entry(git_dir)?;
        let is_same = recorded.path.is_some_and(|path| found.root.to_string_lossy() == path);
        (is_same || !is_newer(&found.git_dir, recorded.since)).then_some(found)
    }
}

/// Whether the entry was made after `since`: its name was free again by then, and the worktree is
/// another one. `commondir` is written when an entry is made, and by no later command of git's.
fn is_newer(git_dir: &Path, since: Option<Timestamp>) -> bool {
    let Some(since) = since else { return false };
    let made = git_dir.join("commondir").symlink_metadata().ok();
    made.is_none_or(|meta| {
        let made = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
        made > since.as_nanosecond()
    })
}

/// What git's administration says in the directory of one worktree.
fn entry(git_dir: PathBuf) -> Option<Worktree> {
    // A link could lead to another repository's.
    if !git_dir.symlink_metadata().ok()?.is_dir() {
        return None;
    }
    let content = read(&git_dir.join("gitdir"))?;
    // `<worktree>/.git`; relative to the entry with `worktree.useRelativePaths`.
    let gitfile = Path::new(std::ffi::OsStr::from_bytes(content.trim_ascii_end()));
    let relative = gitfile.is_relative();
    let root = git_dir.join(gitfile).parent()?.to_owned();
    let root = if relative { plain(&root) } else { root };
    Some(Worktree { root, git_dir })
}

/// `path` without `..`, by the names alone where it is not there.
fn plain(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| {
        path.components().fold(PathBuf::new(), |mut plain, part| {
            match part {
                Component::ParentDir => drop(plain.pop()),
                Component::Prefix(_)
                | Component::RootDir
                | Component::CurDir
                | Component::Normal(_) => plain.push(part),
            }
            plain
        })
    })
}

impl Repo {
    /// The administration of this repository's worktrees.
    #[must_use]
    pub fn administration(&self) -> Worktrees {
        let main = self.main_worktree().map(Path::to_owned);
        Worktrees { common_dir: self.common_dir().to_owned(), main }
    }

    /// The git directory of the calling worktree, which tells it from all others wherever it is
    /// moved; `None` where there is no worktree.
    #[must_use]
    pub fn worktree_git_dir(&self) -> Option<String> {
        self.worktree().map(|_| self.git_dir().to_string_lossy().into_owned())
    }

    /// What became of the worktree that is `recorded`.
    #[must_use]
    pub fn find_worktree(&self, recorded: &Recorded<'_>) -> Place {
        let administration = self.administration();
        if let Some(found) = administration.administered(recorded) {
            let found = real(&found).unwrap_or(found);
            return self.look_at(found);
        }
        let Some(recorded) = recorded.path else { return Place::Foreign };
        let is_it = |root: &Path| root.to_string_lossy() == recorded;
        let listed = listed(&administration);
        // By name first: others may be where nothing answers.
        let found = listed
            .iter()
            .find(|listed| is_it(&listed.root))
            .cloned()
            .or_else(|| listed.iter().filter_map(real).find(|listed| is_it(&listed.root)));
        found.map_or(Place::Foreign, |found| self.look_at(found))
    }

    /// Whether a worktree that is listed is there, and ours.
    fn look_at(&self, found: Worktree) -> Place {
        match found.root.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => Place::Gone,
            Ok(meta) if meta.is_dir() && is_ours(self, &found) => Place::There(found),
            Ok(_) | Err(_) => Place::Foreign,
        }
    }

    /// This repository as it is seen from another one of its worktrees.
    #[must_use]
    pub fn within(&self, worktree: &Worktree) -> Self {
        let head = read(&worktree.git_dir.join("HEAD")).unwrap_or_default();
        let mut there = self.clone();
        there.head = dotgit::head(&head).map(<[u8]>::to_vec).unwrap_or_default();
        there.git_dir.clone_from(&worktree.git_dir);
        there.worktree = Some(worktree.root.clone());
        there
    }
}

/// The same by its real path, if it is there.
fn real(listed: &Worktree) -> Option<Worktree> {
    let root = listed.root.canonicalize().ok()?;
    Some(Worktree { root, git_dir: listed.git_dir.clone() })
}

/// Those that git's administration lists: the main one, and the linked ones.
fn listed(administration: &Worktrees) -> Vec<Worktree> {
    let Worktrees { common_dir, main } = administration;
    let main = main.clone().map(|root| Worktree { root, git_dir: common_dir.clone() });
    let entries = fs::read_dir(common_dir.join("worktrees"));
    let linked = entries.into_iter().flatten().flatten().filter_map(|found| entry(found.path()));
    main.into_iter().chain(linked).collect()
}

/// Whether the worktree leads to this repository and to nowhere else, and belongs to somebody who
/// is trusted, as when a repository is found.
fn is_ours(repo: &Repo, worktree: &Worktree) -> bool {
    let Worktree { root, git_dir } = worktree;
    let dot_git = root.join(".git");
    let leads_here = if git_dir == repo.common_dir() {
        leads_to(root, git_dir)
    } else {
        let is_file = dot_git.symlink_metadata().is_ok_and(|meta| meta.is_file());
        let target = discover::read_gitfile(&dot_git).ok().flatten().filter(|_| is_file);
        let same = |a: &Path, b: &Path| a.canonicalize().ok().is_some_and(|a| a == *b);
        let common = read(&git_dir.join("commondir"));
        let common = common.map(|content| git_dir.join(dotgit::commondir(&content)));
        target.is_some_and(|target| same(&target, git_dir))
            && common.is_some_and(|common| same(&common, repo.common_dir()))
    };
    // No part of the path is a link now, wherever that leads.
    let real = root.canonicalize().is_ok_and(|real| real == *root);
    let trusted = || {
        owner::all_ours([dot_git.as_path(), root, git_dir], repo.env())
            || owner::is_declared_safe(repo.configuration(), root, root)
    };
    real && leads_here && trusted()
}

/// The beginning of a regular file; what is none, and what is put in its place, is not waited for.
fn read(path: &Path) -> Option<Vec<u8>> {
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path).ok()?;
    let mut content = Vec::new();
    let is_file = file.metadata().is_ok_and(|meta| meta.is_file());
    file.take(MAX_PATH_FILE_BYTES).read_to_end(&mut content).ok().filter(|_| is_file)?;
    Some(content)
}
