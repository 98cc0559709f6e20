//! What a repository's own configuration says about its shape, and what follows from it.

use std::path::{Path, PathBuf};

use gix::config::file::SectionRef;
use gix::config::{File, Source};

use super::config;
use super::discover::{GitDir, How};
use super::env::Env;
use crate::error::Failure;

/// `core.bare` and `core.worktree`, as far as they apply.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shape {
    bare: Option<bool>,
    worktree: Option<PathBuf>,
}

impl Shape {
    /// Whether what `file` says of it can be read.
    fn is_readable(file: &File) -> bool {
        let mut sections = file.sections_by_name("core").into_iter().flatten();
        // What is given without a value is an error where git wants more than yes or no.
        let is_bare = |key: &str, section: &SectionRef<'_>| {
            section.header().subsection_name().is_none()
                && section.value_implicit(key) == Some(None)
        };
        let without_value = sections.any(|section| {
            is_bare("worktree", &section) || is_bare("repositoryFormatVersion", &section)
        });
        file.boolean("core.bare").is_ok() && !without_value
    }

    /// Values of `file`, and of `over` where it has some.
    fn of(file: &File, over: Option<&File>) -> Self {
        let bare = |file: &File| file.boolean("core.bare").ok().flatten();
        let worktree = |file: &File| gix::path::from_bstring(file.string("core.worktree")?).ok();
        Self {
            bare: over.and_then(bare).or_else(|| bare(file)),
            worktree: over.and_then(worktree).or_else(|| worktree(file)),
        }
    }
}

/// What the repository's own configuration says.
pub(super) struct Layout {
    /// For the calling worktree: a linked one has `core.bare` and `core.worktree` only in its
    /// `config.worktree` (`check_repository_format_gently`).
    here: Shape,
    /// For the main worktree.
    main: Shape,
    /// Whether references are files, the only form that gix 0.90 sees.
    pub ref_files: bool,
    /// Whether every extension is one that we know not to matter.
    pub known: bool,
    /// `<git dir>/config.worktree`, if it is to be read.
    pub worktree_config: Option<File>,
}

/// Extensions that change nothing about what is read here (`setup.c`; git 2.47, and
/// `relativeWorktrees` of 2.48). Their names, in lower case.
const EXTENSIONS: &[&str] = &[
    "noop",
    "noop-v1",
    "preciousobjects",
    "partialclone",
    "worktreeconfig",
    "objectformat",
    "refstorage",
    "relativeworktrees",
];

impl Layout {
    /// Reads it from `<common dir>/config`, already parsed, and `config.worktree` beside it.
    pub(super) fn read(found: &GitDir, local: &File) -> Result<Self, Failure> {
        let extra = local.boolean("extensions.worktreeConfig").ok().flatten().unwrap_or(false);
        let read = |dir: &Path| {
            let path = dir.join("config.worktree");
            if extra { config::read(&path, Source::Worktree) } else { Ok(None) }
        };
        let worktree_config = read(&found.path)?;
        let linked = found.path != found.common_dir;
        let main = if linked {
            Shape::of(local, read(&found.common_dir)?.as_ref())
        } else {
            Shape::of(local, worktree_config.as_ref())
        };
        let here = if found.has_common && !extra {
            Shape::default()
        } else {
            Shape::of(local, worktree_config.as_ref())
        };
        let storage = local.string("extensions.refStorage");
        Ok(Self {
            here,
            main,
            ref_files: storage.is_none_or(|storage| storage == "files"),
            known: is_known(local, worktree_config.as_ref()),
            worktree_config,
        })
    }

    /// Whether `core.worktree` names a directory that is not there: git is asked then, since it
    /// stops for some of its commands and places.
    pub(super) fn is_worktree_lost(&self, found: &GitDir, env: &Env) -> bool {
        let applies = self.here.bare != Some(true) && env.get("GIT_WORK_TREE").is_none();
        let lost = |path: &PathBuf| path.as_os_str().is_empty() || !found.path.join(path).is_dir();
        applies && self.here.worktree.as_ref().is_some_and(lost)
    }

    /// Whether the repository is bare.
    pub(super) fn is_bare(&self) -> bool {
        self.main.bare == Some(true)
    }

    /// The root of the calling worktree (`setup_explicit_git_dir`, `setup_discovered_git_dir`,
    /// `setup_bare_git_dir`).
    pub(super) fn worktree(&self, found: &GitDir, cwd: &Path, env: &Env) -> Option<PathBuf> {
        if let Some(named) = env.path("GIT_WORK_TREE") {
            return Some(canonical(cwd.join(named)));
        }
        if self.here.bare == Some(true) {
            return None;
        }
        if let Some(recorded) = &self.here.worktree {
            return Some(canonical(found.path.join(recorded)));
        }
        match &found.how {
            How::Named if env.boolean("GIT_IMPLICIT_WORK_TREE") == Some(false) => None,
            How::Named => Some(cwd.to_owned()),
            How::DotGit(root) => Some(root.clone()),
            How::Inside => None,
        }
    }

    /// The main worktree as the common directory alone tells it, so that every worktree gets the
    /// same answer; `None` if it is bare, gone, or nowhere recorded.
    pub(super) fn main_worktree(&self, found: &GitDir) -> Option<PathBuf> {
        if self.is_bare() {
            return None;
        }
        if let Some(recorded) = &self.main.worktree {
            let path = found.common_dir.join(recorded).canonicalize().ok()?;
            return path.is_dir().then_some(path);
        }
        let parent = found.common_dir.parent()?;
        found.common_dir.ends_with(".git").then(|| parent.to_owned())
    }
}

/// Whether git's rules for versions and extensions say that we may go on, and all that decides on
/// the shape can be read. If not, git is asked.
fn is_known(local: &File, worktree: Option<&File>) -> bool {
    let version = match local.integer("core.repositoryFormatVersion") {
        Ok(version) => version.unwrap_or(0),
        Err(_) => return false,
    };
    if !(0..=1).contains(&version) {
        return false;
    }
    let one_of = |key: &str, known: [&str; 2]| {
        local.string(key).is_none_or(|value| known.iter().any(|&known| value == known))
    };
    if !one_of("extensions.refStorage", ["files", "reftable"])
        || !one_of("extensions.objectFormat", ["sha1", "sha256"])
        || local.boolean("extensions.worktreeConfig").is_err()
        || ![Some(local), worktree].into_iter().flatten().all(Shape::is_readable)
    {
        return false;
    }
    let Some(sections) = local.sections_by_name("extensions") else { return true };
    let names = sections.flat_map(|section| {
        section.value_names().map(|name| name.to_ascii_lowercase()).collect::<Vec<_>>()
    });
    let mut allowed = names.map(|name| {
        // git refuses the others in a version 0 repository.
        let early = ["noop", "preciousobjects", "partialclone", "worktreeconfig"];
        EXTENSIONS.contains(&name.as_str()) && (version == 1 || early.contains(&name.as_str()))
    });
    allowed.all(|allowed| allowed)
}

/// `path` with links resolved, or as it is if it is not there.
fn canonical(path: PathBuf) -> PathBuf {
    path.canonicalize().unwrap_or(path)
}
