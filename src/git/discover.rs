//! The walk from a directory to the repository that it belongs to: git's `setup.c`,
//! `setup_git_directory_gently_1`, step by step.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use gix::bstr::BStr;
use rustix::fs::{Access, access};
use rustix::io::Errno;

use super::dotgit;
use super::env::Env;
use crate::error::{Failure, FailureKind, Hint};

/// What to do where the current directory is of no use.
pub const GO_THERE: Hint = Hint::fixed(
    "'cd' to the repository that you were told to work in, or name it: 'git -C DIR conductor ...'",
    "'cd' to a repository, or name it: 'git -C DIR conductor ...'",
);

/// The largest `.git` file that git itself reads.
const MAX_GITFILE_BYTES: u64 = 1 << 20;

/// How a git directory was come by; it decides what its worktree is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum How {
    /// `GIT_DIR` names it. git does not check who owns it.
    Named,
    /// Through `.git` in this directory.
    DotGit(PathBuf),
    /// It is, or encloses, the directory where the walk began.
    Inside,
}

/// A git directory, and how it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GitDir {
    /// Its canonical path.
    pub path: PathBuf,
    /// The canonical path of the directory with what all its worktrees share.
    pub common_dir: PathBuf,
    /// Whether the common directory was named, by a `commondir` file or `GIT_COMMON_DIR`.
    pub has_common: bool,
    /// The path that named it, before links were resolved; git resolves those in a `.git` file.
    pub named: PathBuf,
    /// How it was found.
    pub how: How,
    /// What `HEAD` holds, without the final newline.
    pub head: Vec<u8>,
}

/// Finds the repository for `cwd` (canonical), or `None` outside of any.
pub(super) fn find(cwd: &Path, env: &Env) -> Result<Option<GitDir>, Failure> {
    if let Some(named) = env.get("GIT_DIR") {
        let path = cwd.join(named);
        let found = match read_gitfile(&path)? {
            Some(target) => {
                git_directory(&target, Path::canonicalize, cwd, env)?.map(GitDir::by_file)
            }
            None => git_directory(&path, Path::canonicalize, cwd, env)?,
        };
        return match found {
            Some(repository) => Ok(Some(repository.come_by(How::Named))),
            None => Err(not_a_repository(Path::new(named))),
        };
    }
    let ceiling = ceiling(cwd, env);
    let across = env.flag("GIT_DISCOVERY_ACROSS_FILESYSTEM")?;
    let device = |dir: &Path| fs::metadata(dir).ok().map(|meta| meta.dev());
    let first = if across { None } else { device(cwd) };
    let mut dir = cwd;
    loop {
        let dot_git = dir.join(".git");
        if let Some(target) = read_gitfile(&dot_git)? {
            let repository = git_directory(&target, Path::canonicalize, cwd, env)?
                .ok_or_else(|| leads_nowhere(&dot_git, &target))?;
            return Ok(Some(repository.by_file().come_by(How::DotGit(dir.to_owned()))));
        }
        if let Some(repository) = git_directory(&dot_git, canonical_entry, cwd, env)? {
            return Ok(Some(repository.come_by(How::DotGit(dir.to_owned()))));
        }
        if let Some(repository) = git_directory(dir, |dir| Ok(dir.to_owned()), cwd, env)? {
            return Ok(Some(repository.come_by(How::Inside)));
        }
        let Some(parent) = dir.parent() else { return nowhere(cwd) };
        if ceiling.as_deref() == Some(parent) || (first.is_some() && device(parent) != first) {
            return nowhere(cwd);
        }
        dir = parent;
    }
}

/// That there is no repository; but where it cannot be looked for nobody knows.
fn nowhere(cwd: &Path) -> Result<Option<GitDir>, Failure> {
    match access(cwd, Access::EXEC_OK) {
        Err(error) if error == Errno::ACCESS => {
            let doing = format!("cannot look into the current directory '{}'", cwd.display());
            Err(Failure::io(error.into(), doing).hint(GO_THERE))
        }
        _ => Ok(None),
    }
}

impl GitDir {
    fn come_by(mut self, how: How) -> Self {
        self.how = how;
        self
    }

    fn by_file(mut self) -> Self {
        self.named.clone_from(&self.path);
        self
    }

    /// What `HEAD` points at, unless it is detached.
    pub(super) fn head_target(&self) -> Option<&BStr> {
        dotgit::head_target(&self.head).map(BStr::new)
    }
}

/// The lowest of the ceiling directories above `cwd`, which the walk must not enter
/// (`GIT_CEILING_DIRECTORIES`: links are resolved, except behind an empty entry).
fn ceiling(cwd: &Path, env: &Env) -> Option<PathBuf> {
    let mut resolve = true;
    let mut lowest: Option<PathBuf> = None;
    for entry in std::env::split_paths(env.get("GIT_CEILING_DIRECTORIES")?) {
        if entry.as_os_str().is_empty() {
            resolve = false;
            continue;
        }
        if !entry.is_absolute() {
            continue;
        }
        let path = if resolve { entry.canonicalize().unwrap_or(entry) } else { entry };
        // `components` drops a final slash, so that the walk's comparison holds.
        let path: PathBuf = path.components().collect();
        let above = path != cwd && cwd.starts_with(&path);
        if above && lowest.as_ref().is_none_or(|known| path.starts_with(known)) {
            lowest = Some(path);
        }
    }
    lowest
}

/// Reads a `.git` file; `None` if `path` is a directory or is not there (`read_gitfile_gently`).
pub(super) fn read_gitfile(path: &Path) -> Result<Option<PathBuf>, Failure> {
    let Ok(meta) = fs::metadata(path) else { return Ok(None) };
    if !meta.is_file() {
        return Ok(None);
    }
    let invalid = || {
        Failure::new(
            FailureKind::NotARepository,
            format!("invalid gitfile format: '{}'", path.display()),
        )
    };
    if meta.len() > MAX_GITFILE_BYTES {
        return Err(invalid());
    }
    let content = fs::read(path)
        .map_err(|error| Failure::io(error, format!("cannot read '{}'", path.display())))?;
    let target = dotgit::gitfile(&content).ok_or_else(invalid)?;
    let base = path.parent().unwrap_or(Path::new("/"));
    Ok(Some(base.join(target)))
}

/// The canonical path of an entry of a directory whose own path is canonical: one system call, not
/// one for each component.
fn canonical_entry(path: &Path) -> io::Result<PathBuf> {
    if path.symlink_metadata()?.is_symlink() { path.canonicalize() } else { Ok(path.to_owned()) }
}

/// Whether `dir`, which `canonical` resolves, is a git directory (`is_git_directory`): a sane
/// `HEAD`, and objects and references where its common directory says.
fn git_directory(
    dir: &Path,
    canonical: impl FnOnce(&Path) -> io::Result<PathBuf>,
    cwd: &Path,
    env: &Env,
) -> Result<Option<GitDir>, Failure> {
    let Some(head) = read_head(&dir.join("HEAD")) else { return Ok(None) };
    let Ok(git_dir) = canonical(dir) else { return Ok(None) };
    let named = match env.get("GIT_COMMON_DIR") {
        // git looks for `/objects` then.
        Some(common) if common.is_empty() => return Ok(None),
        Some(common) => Some(cwd.join(common)),
        None => read_commondir(&git_dir)?,
    };
    let has_common = named.is_some();
    let common_dir = match named {
        None => git_dir.clone(),
        Some(common) => match common.canonicalize() {
            Ok(common) => common,
            Err(_) => return Ok(None),
        },
    };
    let objects = match env.get("GIT_OBJECT_DIRECTORY") {
        Some(objects) if objects.is_empty() => return Ok(None),
        Some(objects) => cwd.join(objects),
        None => common_dir.join("objects"),
    };
    let searchable = |path: &Path| access(path, Access::EXEC_OK).is_ok();
    if !searchable(&objects) || !searchable(&common_dir.join("refs")) {
        return Ok(None);
    }
    Ok(Some(GitDir {
        path: git_dir,
        common_dir,
        has_common,
        named: dir.to_owned(),
        how: How::Inside,
        head,
    }))
}

/// What `HEAD` holds if it is sane (`validate_headref`): a link into `refs/`, a reference below
/// `refs/`, or an object id.
fn read_head(path: &Path) -> Option<Vec<u8>> {
    // One system call tells most directories from git directories.
    let meta = path.symlink_metadata().ok()?;
    if meta.is_symlink() {
        let target = fs::read_link(path).ok()?;
        let target = target.as_os_str().as_bytes();
        return target.starts_with(b"refs/").then(|| [b"ref: ", target].concat());
    }
    if !meta.is_file() || meta.len() > 4096 {
        return None;
    }
    dotgit::head(&fs::read(path).ok()?).map(<[u8]>::to_vec)
}

/// The directory that `<git dir>/commondir` names, relative to it.
fn read_commondir(git_dir: &Path) -> Result<Option<PathBuf>, Failure> {
    let path = git_dir.join("commondir");
    match fs::read(&path) {
        Ok(content) => Ok(Some(git_dir.join(dotgit::commondir(&content)))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::io(error, format!("cannot read '{}'", path.display()))),
    }
}

/// What a `.git` file names is no git directory: mostly a worktree whose repository was moved, or
/// removed it.
fn leads_nowhere(gitfile: &Path, target: &Path) -> Failure {
    let text = format!(
        "not a git repository: '{}', to which '{}' points",
        target.display(),
        gitfile.display()
    );
    Failure::new(FailureKind::NotARepository, text).hint(Hint::fixed(
        "if the repository was moved, your human can run 'git worktree repair' in it; \
         if this worktree was removed from it, work in another",
        "if the repository was moved, run 'git worktree repair' in it; \
         if this worktree was removed from it, work in another",
    ))
}

fn not_a_repository(path: &Path) -> Failure {
    Failure::new(FailureKind::NotARepository, format!("not a git repository: '{}'", path.display()))
}
