//! Where the store is, and which project's sprints in it are ours. No gix here, and nothing of what
//! a store holds.
//!
//! Every linked worktree, subdirectory, hook and `git -C` call of one repository must reach the
//! same store, so everything but what the user says is derived from the common directory.

pub mod pointer;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::error::{Failure, FailureKind, Hint};
use crate::git::{Env, Repo, Scope, check_store_owner};
use crate::store::layout::CONDUCTOR;

/// The store's name in a worktree; `start` excludes it there.
pub const STORE: &str = ".nanostack";

/// The variable that says where the store is.
pub const STORE_VARIABLE: &str = "GIT_CONDUCTOR_STORE";

/// The store's name in a common directory, where there is no main worktree to put it in.
const BARE_STORE: &str = "nanostack";

/// What told us where the store is, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// `--store` or `GIT_CONDUCTOR_STORE`.
    Given,
    /// `NANOSTACK_STORE`, which the older scripts export.
    Nanostack,
    /// `conductor.store` in git configuration.
    Config,
    /// The pointer that the first `start` wrote.
    Pointer,
    /// Nothing: the main worktree, or the common directory.
    Default,
}

/// A store and the project that asks for it. Both paths are absolute, and canonical as far as they
/// exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The store's directory; it need not be there yet. It is no link: where links lead was either
    /// the user's own choice, and has been followed, or is refused.
    pub store: PathBuf,
    /// What a sprint's `project` says: [`Repo::anchor`], or without a repository the current
    /// directory.
    pub project: PathBuf,
    /// Whether other projects may use the store too, so that sprints are told apart by `project`.
    /// In a store found through the repository itself every sprint belongs to it.
    pub explicit: bool,
    /// What told us. `start` writes the pointer where this is [`Origin::Default`].
    pub origin: Origin,
}

/// Finds the store: `given` (`--store`) or `GIT_CONDUCTOR_STORE`; `NANOSTACK_STORE`, except where
/// it is just the calling linked worktree's own; `conductor.store` (if relative, from
/// [`Repo::anchor`]; it is `explicit` unless the repository's own configuration has it); the
/// pointer; the main worktree's `.nanostack`; else `nanostack` in the common directory.
///
/// `cwd` is absolute. Where the main worktree is recorded nowhere (`git init --separate-git-dir`
/// without `core.worktree`), its own calls use its `.nanostack` and those of linked worktrees the
/// common directory, until the first `start` settles it by writing the pointer.
///
/// # Errors
/// [`FailureKind::NotARepository`] without repository and explicit store,
/// [`FailureKind::StoreGone`] if the pointer's store or its boards are not there,
/// [`FailureKind::Tampered`] for a pointer that this program does not write and for a store that a
/// checkout could have redirected by a link, [`FailureKind::ForeignOwner`] for another user's
/// store.
pub fn find(
    given: Option<&Path>,
    vars: &dyn Fn(&str) -> Option<OsString>,
    cwd: &Path,
    repo: Option<&Repo>,
) -> Result<Place, Failure> {
    let place = match overridden(given, vars, cwd, repo)? {
        Some(place) => place,
        None => own(repo, false)?,
    };
    finish(place, vars, repo)
}

/// Like [`find`], but where the pointer's store is gone it says where `start` makes a new one.
///
/// # Errors
/// As [`find`], except [`FailureKind::StoreGone`].
pub fn find_for_start(
    given: Option<&Path>,
    vars: &dyn Fn(&str) -> Option<OsString>,
    cwd: &Path,
    repo: Option<&Repo>,
) -> Result<Place, Failure> {
    let place = match overridden(given, vars, cwd, repo)? {
        Some(place) => place,
        None => own(repo, true)?,
    };
    finish(place, vars, repo)
}

/// The repository's own store, whatever the environment, the user's configuration or the command
/// line say. Hooks ask it first: an override may add refusals, never lift one.
///
/// # Errors
/// As [`find`].
pub fn find_own(repo: &Repo, vars: &dyn Fn(&str) -> Option<OsString>) -> Result<Place, Failure> {
    let place = match repo.configuration().repository_paths("conductor.store").pop() {
        Some(store) => configured(repo, &store)?,
        None => own(Some(repo), false)?,
    };
    finish(place, vars, Some(repo))
}

/// The stores that `conductor.store` in the repository's own files takes the place of: those that
/// it names with less precedence, and the one that the repository has without it. A setting does
/// not open what a sprint there keeps closed.
///
/// # Errors
/// As [`find`], but a pointer's store that is gone, as after a move, is left out.
pub fn behind_own(
    repo: &Repo,
    vars: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Vec<Place>, Failure> {
    let mut named = repo.configuration().repository_paths("conductor.store");
    if named.pop().is_none() {
        return Ok(Vec::new());
    }
    let mut places = Vec::new();
    for store in named.iter().rev() {
        places.push(finish(configured(repo, store)?, vars, Some(repo))?);
    }
    match own(Some(repo), false).and_then(|place| finish(place, vars, Some(repo))) {
        Ok(place) => places.push(place),
        Err(failure) if failure.kind == FailureKind::StoreGone => {}
        Err(failure) => return Err(failure),
    }
    Ok(places)
}

/// The store that the repository's own configuration names.
fn configured(repo: &Repo, store: &Path) -> Result<Place, Failure> {
    Ok(Place {
        store: resolve_in(repo, &repo.anchor().join(store))?,
        project: repo.anchor().to_owned(),
        explicit: false,
        origin: Origin::Config,
    })
}

/// Records `store` in `<common dir>/conductor/store`, so that every worktree finds it from now on.
/// Nothing is written if it is recorded already; a pointer to a store that is gone is replaced.
/// Durable when it returns.
///
/// # Errors
/// [`FailureKind::Busy`] if another command has just recorded another store: asking again finds it.
/// [`FailureKind::Usage`] for a path that one line cannot hold; otherwise what the system says.
pub fn write_pointer(repo: &Repo, store: &Path) -> Result<(), Failure> {
    pointer::write(repo.common_dir(), store, repo.sharing()?)
}

/// The first 12 hexadecimal digits of the SHA-256 of the path's bytes; sprint ids begin with it.
#[must_use]
pub fn project_hash(project: &Path) -> String {
    let digest = Sha256::digest(project.as_os_str().as_bytes());
    let mut hex = String::with_capacity(12);
    for byte in digest.iter().take(6) {
        // Writing to a String cannot fail.
        _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// What the user says, if anything.
fn overridden(
    given: Option<&Path>,
    vars: &dyn Fn(&str) -> Option<OsString>,
    cwd: &Path,
    repo: Option<&Repo>,
) -> Result<Option<Place>, Failure> {
    let named = |name: &str| vars(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let place = |store: PathBuf, origin: Origin, explicit: bool| {
        let project = repo.map_or_else(|| resolve(cwd), |repo| repo.anchor().to_owned());
        Ok(Some(Place { store, project, explicit, origin }))
    };
    if let Some(store) = given.map(Path::to_owned).or_else(|| named(STORE_VARIABLE)) {
        return place(resolve(&cwd.join(store)), Origin::Given, true);
    }
    if let Some(store) = named("NANOSTACK_STORE") {
        let store = cwd.join(store);
        if !repo.is_some_and(|repo| is_own_of_linked(&store, repo)) {
            return place(resolve(&store), Origin::Nanostack, true);
        }
    }
    let Some(repo) = repo else { return Ok(None) };
    let Some(store) = repo.configuration().path("conductor.store") else { return Ok(None) };
    // One setting of a user's serves all repositories, so it must be shared like `--store`.
    let explicit = repo.configuration().scope("conductor.store") != Some(Scope::Repository);
    let store = if explicit && store.is_absolute() {
        resolve(&store)
    } else {
        resolve_in(repo, &repo.anchor().join(store))?
    };
    place(store, Origin::Config, explicit)
}

/// Whether `store` is what the older scripts export in a linked worktree: that worktree's own
/// `.nanostack`. Taking it would give every worktree locks of its own.
fn is_own_of_linked(store: &Path, repo: &Repo) -> bool {
    let Some(root) = repo.worktree().filter(|_| repo.is_linked_worktree()) else { return false };
    let own = root.join(STORE);
    let named = store.file_name().is_some_and(|name| name == STORE)
        && store.parent().is_some_and(|parent| resolve(parent) == root);
    named || resolve(store) == resolve(&own)
}

/// The store that follows from the repository alone, less `conductor.store`.
fn own(repo: Option<&Repo>, replace_gone: bool) -> Result<Place, Failure> {
    let Some(repo) = repo else {
        return Err(Failure::new(
            FailureKind::NotARepository,
            "not a git repository (or any of the parent directories): .git",
        ));
    };
    let place = |store: PathBuf, origin: Origin| Place {
        store,
        project: repo.anchor().to_owned(),
        explicit: false,
        origin,
    };
    if let Some(store) = pointer::read(repo.common_dir())? {
        // `start` makes the boards before it records where they are, so they have been there.
        let has_boards = match store.join(CONDUCTOR).symlink_metadata() {
            Ok(_) => true,
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                false
            }
            Err(error) => {
                return Err(Failure::io(error, format!("cannot find '{}'", store.display())));
            }
        };
        if has_boards || store.is_dir() {
            let found = place(resolve_in(repo, &store)?, Origin::Pointer);
            // A link is refused as such, once a place has been found.
            let is_found = has_boards || replace_gone || found.store.is_symlink();
            return if is_found { Ok(found) } else { Err(gone(&store)) };
        }
        if !replace_gone {
            return Err(gone(&store));
        }
    }
    Ok(match repo.main_worktree() {
        Some(root) => place(root.join(STORE), Origin::Default),
        None => place(repo.common_dir().join(BARE_STORE), Origin::Default),
    })
}

fn gone(store: &Path) -> Failure {
    let shown = tidy(store);
    let text = if store.is_dir() {
        format!("the boards in the store '{}' are gone", shown.display())
    } else {
        format!("the store '{}' is gone", shown.display())
    };
    Failure::new(FailureKind::StoreGone, text)
}

/// The check that every way to a store must pass.
fn finish(
    place: Place,
    vars: &dyn Fn(&str) -> Option<OsString>,
    repo: Option<&Repo>,
) -> Result<Place, Failure> {
    let read;
    let env = if let Some(repo) = repo {
        repo.env()
    } else {
        read = Env::read(vars);
        &read
    };
    match place.store.symlink_metadata() {
        // Links that the user named have been followed, so this one came with a checkout or leads
        // nowhere.
        Ok(meta) if meta.is_symlink() => return Err(is_link(&place.store)),
        Ok(meta) => check_store_owner(
            &place.store,
            &meta,
            &place.project,
            env,
            repo.map(Repo::configuration),
        )?,
        // Not there yet, or not to be seen: whoever opens it says so.
        Err(_) => {}
    }
    Ok(place)
}

/// `path` (absolute) with links resolved, except that within a worktree none may be: what is
/// checked out comes from anywhere, and a link in it must not choose which files are read and
/// written.
fn resolve_in(repo: &Repo, path: &Path) -> Result<PathBuf, Failure> {
    let plain = tidy(path);
    // The usual place, which needs no look: the root is canonical, and `finish` looks at the rest.
    if plain.parent().is_some_and(|parent| repo.main_worktree() == Some(parent)) {
        return Ok(plain);
    }
    let found = resolve(path);
    let mut roots = [repo.main_worktree(), repo.worktree()].into_iter().flatten();
    if plain != found && roots.any(|root| plain.starts_with(root)) {
        return Err(is_link(&plain));
    }
    Ok(found)
}

fn is_link(store: &Path) -> Failure {
    let text = format!("the store '{}' is a link, or reached through one", store.display());
    Failure::new(FailureKind::Tampered, text).hint(Hint::fixed(
        "a link can come with what is checked out, so it is not followed: ask your human",
        "a link can come with what is checked out, so it is not followed",
    ))
}

/// `path` (absolute) with links resolved as far as it exists, and the rest made tidy.
fn resolve(path: &Path) -> PathBuf {
    let mut missing = Vec::new();
    let mut there = path;
    loop {
        if let Ok(found) = there.canonicalize() {
            missing.reverse();
            return tidy(&missing.into_iter().fold(found, |path: PathBuf, part| path.join(part)));
        }
        match (there.parent(), there.components().next_back()) {
            (Some(parent), Some(last)) => {
                missing.push(last);
                there = parent;
            }
            _ => return tidy(path),
        }
    }
}

/// `path` (absolute) without `.` and `..`, by its text alone.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                tidy.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => tidy.push(part),
        }
    }
    tidy
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{project_hash, resolve, tidy};

    #[test]
    fn hash_is_of_the_bytes() {
        // printf %s /home/u/repo | sha256sum
        assert_eq!(project_hash(Path::new("/")), "8a5edab28263");
    }

    #[test]
    fn paths_that_are_not_there() {
        assert_eq!(resolve(Path::new("/nowhere/a/../b/.")), Path::new("/nowhere/b"));
        assert_eq!(tidy(Path::new("/../a/./b/..")), Path::new("/a"));
    }
}
