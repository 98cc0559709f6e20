//! [`Repo`]: the repository that a command was called in.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use gix::bstr::ByteSlice as _;
use gix::config::file::Metadata;
use gix::config::{File, Source};

use super::child;
use super::config::{self, Config, Local};
use super::discover::{self, GitDir, How};
use super::env::Env;
use super::includes;
use super::layout::Layout;
use super::owner;
use crate::error::{Failure, FailureKind};
use crate::record::sharing::Sharing;

/// A repository, as seen from one directory and environment. All paths are absolute and canonical.
///
/// Only the common directory, and what follows from it alone ([`Repo::anchor`]), is the same for
/// every worktree, subdirectory, hook and `git -C` call; key nothing on anything else.
#[derive(Debug, Clone)]
pub struct Repo {
    pub(super) env: Env,
    pub(super) git_dir: PathBuf,
    pub(super) common_dir: PathBuf,
    pub(super) worktree: Option<PathBuf>,
    main_worktree: Option<PathBuf>,
    /// Whether `main_worktree` follows from the common directory alone.
    agreed: bool,
    bare: bool,
    /// Whether gix sees the references: they are files, and the common directory is the usual one.
    pub(super) gix_sees_refs: bool,
    /// What `HEAD` held when the repository was found, without the final newline.
    pub(super) head: Vec<u8>,
    config: Config,
}

impl Repo {
    /// Finds the repository of `cwd` (as `getcwd` gives it: absolute, and without links) as git
    /// would with the variables that `vars` returns; `None` outside of any. No child process,
    /// unless gix cannot serve the repository.
    ///
    /// # Errors
    /// [`FailureKind::NotARepository`] where git stops rather than go on looking (`GIT_DIR` or a
    /// `.git` file that leads nowhere), [`FailureKind::ForeignOwner`] for another user's repository
    /// that `safe.directory` does not allow, and [`FailureKind::Git`] for what git cannot read
    /// either, in its words.
    pub fn discover(
        cwd: &Path,
        vars: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Option<Self>, Failure> {
        let env = Env::read(vars);
        let Some(found) = discover::find(cwd, &env)? else { return Ok(None) };
        check_owner(&found, &env, cwd)?;
        if env.get("GIT_WORK_TREE").is_some_and(OsStr::is_empty) {
            let text = "the empty string is not a valid path for GIT_WORK_TREE";
            return Err(Failure::new(FailureKind::Git, text));
        }
        let opened = open(&found, &env, cwd);
        let (layout, config, asked) = match opened {
            Ok((layout, config)) if layout.known && !layout.is_worktree_lost(&found, &env) => {
                (layout, config, None)
            }
            Ok((layout, config)) => (layout, config, Some(ask(&env, cwd)?)),
            Err(unparsed) => {
                let asked = ask(&env, cwd)?;
                let config = Config::listed(&env, child::git(&env, cwd), &unparsed)?;
                let shape = config.repository_file();
                (Layout::read(&found, &shape)?, config, Some(asked))
            }
        };
        if found.how == How::Inside && config.protects_bare() && !is_implicit(&found.path) {
            // Refused by `safe.bareRepository`; git says it best.
            ask(&env, cwd)?;
        }
        let mut worktree = layout.worktree(&found, cwd, &env);
        let GitDir { path: mut git_dir, mut common_dir, head, .. } = found.clone();
        let gix_sees_refs =
            layout.ref_files && asked.is_none() && env.get("GIT_COMMON_DIR").is_none();
        if let Some(asked) = asked {
            (git_dir, common_dir, worktree) = (asked.git_dir, asked.common_dir, asked.worktree);
        }
        let mut main_worktree = layout.main_worktree(&GitDir {
            path: git_dir.clone(),
            common_dir: common_dir.clone(),
            ..found
        });
        let agreed = main_worktree.is_some();
        if !agreed && !layout.is_bare() && git_dir == common_dir {
            main_worktree = worktree.clone().filter(|root| leads_to(root, &common_dir));
        }
        let bare = layout.is_bare();
        Ok(Some(Self {
            env,
            git_dir,
            common_dir,
            worktree,
            main_worktree,
            agreed,
            bare,
            gix_sees_refs,
            head,
            config,
        }))
    }

    /// The git directory of the calling worktree.
    #[must_use]
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// The directory with what all worktrees share.
    #[must_use]
    pub fn common_dir(&self) -> &Path {
        &self.common_dir
    }

    /// The root of the calling worktree; `None` in a bare repository and inside a git directory.
    #[must_use]
    pub fn worktree(&self) -> Option<&Path> {
        self.worktree.as_deref()
    }

    /// The main worktree; `None` if the repository is bare or it cannot be known.
    ///
    /// It is what `core.worktree` records (submodules), else the parent of a common directory that
    /// is named `.git`. `git init --separate-git-dir` records it nowhere but in its `.git` file, so
    /// there it is known only from the main worktree itself (`git worktree list` names the git
    /// directory instead); [`Repo::anchor`] says what all worktrees agree on.
    #[must_use]
    pub fn main_worktree(&self) -> Option<&Path> {
        self.main_worktree.as_deref()
    }

    /// The directory that stands for the project, the same from every worktree: the main worktree
    /// if the common directory tells which it is, else the common directory itself.
    #[must_use]
    pub fn anchor(&self) -> &Path {
        self.main_worktree.as_deref().filter(|_| self.agreed).unwrap_or(&self.common_dir)
    }

    /// Whether the repository is bare; its linked worktrees say so too.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.bare
    }

    /// Whether the calling worktree is a linked one.
    #[must_use]
    pub fn is_linked_worktree(&self) -> bool {
        self.git_dir != self.common_dir
    }

    /// The roots of all worktrees that are there and can be known, canonical: the main one, the
    /// calling one, and those linked to the common directory.
    #[must_use]
    pub fn worktrees(&self) -> Vec<PathBuf> {
        let mut roots: Vec<PathBuf> = self.main_worktree.iter().cloned().collect();
        roots.extend(self.worktree.clone());
        let linked = std::fs::read_dir(self.common_dir.join("worktrees"));
        for entry in linked.into_iter().flatten().flatten() {
            let Ok(content) = std::fs::read(entry.path().join("gitdir")) else { continue };
            // `<worktree>/.git`; relative to the entry with `worktree.useRelativePaths`.
            let gitfile = entry.path().join(OsStr::from_bytes(content.trim_ascii_end()));
            roots.extend(gitfile.parent().and_then(|root| root.canonicalize().ok()));
        }
        roots.sort_unstable();
        roots.dedup();
        roots
    }

    /// The repository as another of its worktrees sees it; `None` if that is in no repository.
    ///
    /// # Errors
    /// As [`Repo::discover`].
    pub fn in_worktree(&self, root: &Path) -> Result<Option<Self>, Failure> {
        let vars = |name: &str| {
            let value = self.env.get(name).map(OsStr::to_owned);
            value.filter(|_| !super::env::LOCAL.contains(&name))
        };
        Self::discover(root, &vars)
    }

    /// The branch that is checked out, by what `HEAD` held when the repository was found; `None` if
    /// it is detached, or not a file.
    #[must_use]
    pub fn branch(&self) -> Option<String> {
        let name = self.head.strip_prefix(b"ref: ")?.trim_ascii().strip_prefix(b"refs/heads/")?;
        Some(name.to_str().ok()?.to_owned())
    }

    /// The configuration, for what the methods below do not cover.
    #[must_use]
    pub fn configuration(&self) -> &Config {
        &self.config
    }

    /// The last value of `key`; see [`Config::get`].
    #[must_use]
    pub fn config(&self, key: &str) -> Option<String> {
        self.config.get(key)
    }

    /// Every value of `key`, lowest precedence first.
    #[must_use]
    pub fn config_all(&self, key: &str) -> Vec<String> {
        self.config.all(key)
    }

    /// The last value of `key` as a boolean.
    ///
    /// # Errors
    /// A value that is not a boolean, in git's words.
    pub fn config_bool(&self, key: &str) -> Result<Option<bool>, Failure> {
        self.config.boolean(key)
    }

    /// Who else may use what is made for the repository (`core.sharedRepository`).
    ///
    /// # Errors
    /// A value that git does not understand either.
    pub fn sharing(&self) -> Result<Sharing, Failure> {
        const KEY: &str = "core.sharedRepository";
        if let Some(sharing) = self.config(KEY).as_deref().and_then(Sharing::parse) {
            return Ok(sharing);
        }
        // Without a value it is true.
        let is_shared = self.config_bool(KEY)?.unwrap_or(false);
        Ok(if is_shared { Sharing::GROUP } else { Sharing::Umask })
    }

    /// The variables that the repository was found with.
    #[must_use]
    pub fn env(&self) -> &Env {
        &self.env
    }
}

/// As git does before it reads anything of a repository that it was not told to use: the `.git`
/// file, the worktree and the git directory must be ours, or `safe.directory` must say so.
fn check_owner(found: &GitDir, env: &Env, cwd: &Path) -> Result<(), Failure> {
    let (subject, ours) = match &found.how {
        How::Named => return Ok(()),
        How::DotGit(root) => {
            let gitfile = root.join(".git");
            (root, owner::all_ours([gitfile.as_path(), root, &found.path], env))
        }
        How::Inside => (&found.path, owner::all_ours([found.path.as_path()], env)),
    };
    if ours || owner::is_declared_safe(&Config::global(env)?, subject, cwd) {
        return Ok(());
    }
    Err(owner::foreign("repository", subject))
}

/// What gix can read of the repository.
fn open(found: &GitDir, env: &Env, cwd: &Path) -> Result<(Layout, Config), Failure> {
    let path = found.common_dir.join("config");
    let local = config::read(&path, Source::Local)?;
    let file = local.unwrap_or_else(|| File::new(Metadata::from(Source::Local).at(path)));
    let mut layout = Layout::read(found, &file)?;
    let local = Local {
        file,
        worktree: layout.worktree_config.take(),
        git_dir: &found.path,
        head: found.head_target(),
        head_is_file: layout.ref_files,
        has_one_name: &|| includes::has_one_name(found, env, cwd),
    };
    Ok((layout, Config::load(env, Some(local))?))
}

/// Whether `.git` in `root` leads to `common_dir`, by a file or a link.
pub(super) fn leads_to(root: &Path, common_dir: &Path) -> bool {
    let dot_git = root.join(".git");
    let target = discover::read_gitfile(&dot_git).ok().flatten().unwrap_or(dot_git);
    target.canonicalize().is_ok_and(|target| target == common_dir)
}

/// Whether a git directory belongs to a worktree by its name alone (`is_implicit_bare_repo`), so
/// that `safe.bareRepository=explicit` does not mean it.
fn is_implicit(git_dir: &Path) -> bool {
    git_dir.components().any(|part| part.as_os_str() == ".git")
}

/// git's own answers.
struct Asked {
    git_dir: PathBuf,
    common_dir: PathBuf,
    worktree: Option<PathBuf>,
}

/// Asks git where we are, because gix cannot serve this repository. Fails as git does.
fn ask(env: &Env, cwd: &Path) -> Result<Asked, Failure> {
    let rev_parse = |args: &[&str]| {
        let mut git = child::git(env, cwd);
        child::stdout(git.args(["rev-parse", "--path-format=absolute"]).args(args))
    };
    let answer = rev_parse(&["--git-dir", "--git-common-dir", "--is-inside-work-tree"])?;
    let lines: Vec<&[u8]> = answer.lines().collect();
    let [git_dir, common_dir, inside] = lines[..] else {
        return Err(Failure::new(FailureKind::Git, "cannot read the answer of 'git rev-parse'"));
    };
    let path = |line: &[u8]| {
        let path = PathBuf::from(OsStr::from_bytes(line));
        path.canonicalize().unwrap_or(path)
    };
    let worktree = match inside {
        b"true" => {
            let top = rev_parse(&["--show-toplevel"])?;
            Some(path(top.strip_suffix(b"\n").unwrap_or(&top)))
        }
        _ => None,
    };
    Ok(Asked { git_dir: path(git_dir), common_dir: path(common_dir), worktree })
}
