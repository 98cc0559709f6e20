//! Where a dead owner worked, if that is one of this repository's worktrees.
//!
//! A claim's record is foreign: the path in it is compared and never opened. What is opened is what git's
//! own administration lists, and only if it leads back here.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::git::discover;
use crate::git::dotgit;
use crate::git::owner;
use crate::git::repo::{Repo, leads_to};

/// A file of one path is read up to so many bytes.
const LONGEST: u64 = 64 * 1024;

/// A worktree of this repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Worktree {
    /// Its root, canonical.
    pub(super) root: PathBuf,
    /// Its own git directory.
    pub(super) git_dir: PathBuf,
}

/// What became of the place that a record names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// It is there.
    There(Worktree),
    /// It is a worktree of this repository, and its directory is not there: removed, or not mounted.
    Gone,
    /// It is no worktree of this repository, or none any more.
    Foreign,
}

/// The worktree that is `recorded`, as it was shown when a claim was made.
pub(super) fn find(repo: &Repo, recorded: &str) -> Place {
    let is_it = |root: &Path| root.to_string_lossy() == recorded;
    let listed = listed(repo);
    // By name first: others may be where nothing answers.
    let found = listed.iter().find(|listed| is_it(&listed.root)).cloned().or_else(|| {
        let real = |listed: &Worktree| {
            let root = listed.root.canonicalize().ok()?;
            Some(Worktree { root, git_dir: listed.git_dir.clone() })
        };
        listed.iter().filter_map(real).find(|listed| is_it(&listed.root))
    });
    let Some(found) = found else { return Place::Foreign };
    match found.root.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => Place::Gone,
        Ok(meta) if meta.is_dir() && is_ours(repo, &found) => Place::There(found),
        Ok(_) | Err(_) => Place::Foreign,
    }
}

/// Those that git's administration lists: the main one, and the linked ones.
fn listed(repo: &Repo) -> Vec<Worktree> {
    let main = repo.main_worktree().map(Path::to_owned);
    let main = main.map(|root| Worktree { root, git_dir: repo.common_dir().to_owned() });
    let entries = fs::read_dir(repo.common_dir().join("worktrees"));
    let linked = entries.into_iter().flatten().flatten().filter_map(|entry| {
        // A link could lead to another repository's.
        let git_dir = entry.file_type().ok()?.is_dir().then(|| entry.path())?;
        let content = read(&git_dir.join("gitdir"))?;
        // `<worktree>/.git`; relative to the entry with `worktree.useRelativePaths`.
        let gitfile = Path::new(std::ffi::OsStr::from_bytes(content.trim_ascii_end()));
        let relative = gitfile.is_relative();
        let root = git_dir.join(gitfile).parent()?.to_owned();
        let root = if relative { root.canonicalize().ok()? } else { root };
        Some(Worktree { root, git_dir })
    });
    main.into_iter().chain(linked).collect()
}

/// Whether the worktree leads to this repository and to nowhere else, and belongs to somebody who is
/// trusted, as when a repository is found.
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

fn read(path: &Path) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let meta = path.symlink_metadata().ok()?;
    File::open(path)
        .ok()
        .filter(|_| meta.is_file())?
        .take(LONGEST)
        .read_to_end(&mut content)
        .ok()?;
    Some(content)
}
