//! Uncommitted work of an owner that is gone, kept as a commit that no branch has.
//!
//! The worktree and its index are only read: what is there goes into an index of our own, which git
//! makes a tree of. One commit holds the whole state, staged or not, as `git add -A` would see it:
//! ignored files are left out, and so are the store and repositories in the worktree; links and
//! executable bits are kept. A conflict is kept as it stands in the file.
//!
//! Filters that the user's configuration has for `.gitattributes` run, as with any `git add`; hooks do
//! not, and nothing refreshes, collects or signs. Objects go where git puts them.

mod index;
mod place;
mod refs;

use std::path::Path;

use gix::bstr::ByteSlice as _;
use gix::hash::ObjectId;
use jiff::Timestamp;

use self::index::Index;
use self::place::Place;
use super::child;
use super::repo::Repo;
use super::snapshot::short;
use crate::error::{Failure, FailureKind};
use crate::record::salvage::Salvage;

pub use self::refs::Differing;

/// What is to be saved, and how.
pub struct Order<'a> {
    /// What is known of it: the sprint, the phase, whose it is, and where and at which commit that owner
    /// claimed.
    pub salvage: Salvage,
    /// The store, of which nothing is saved.
    pub store: &'a Path,
    /// No more than so many bytes are saved, as files.
    pub limit: u64,
    /// A name that no other command has.
    pub unique: &'a str,
    /// What time it is.
    pub now: Timestamp,
    /// Waits a moment, longer each time.
    pub pause: &'a dyn Fn(u32),
}

/// What there was to be saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// It is kept.
    Saved {
        /// As what.
        salvage: Salvage,
        /// Paths that git could not read, below the worktree.
        missed: Vec<String>,
    },
    /// Nothing: all of it is committed. What is known besides.
    Clean(Salvage),
    /// The worktree is not there now: it was removed, or is not mounted.
    Gone,
    /// What the claim names is no worktree of this repository now.
    Foreign,
}

/// What is checked out in a worktree.
struct Head {
    commit: Option<String>,
    tree: String,
    branch: Option<String>,
}

impl Repo {
    /// Saves what is not committed in the worktree that `order` names, if that is one of this repository's.
    /// About ten git children.
    ///
    /// # Errors
    /// There is too much of it; or what git says. Nothing is kept then.
    pub fn salvage(&self, order: Order<'_>) -> Result<Left, Failure> {
        let Order { mut salvage, store, limit, unique, now, pause } = order;
        let worktree = match place::find(self, salvage.worktree.as_deref().unwrap_or_default()) {
            Place::There(worktree) => worktree,
            Place::Gone => return Ok(Left::Gone),
            Place::Foreign => return Ok(Left::Foreign),
        };
        let index = Index::copy(self.env(), &worktree, self.common_dir(), unique)?;
        let except = [store.to_owned(), worktree.root.join(".nanostack")];
        let missed = index.take_in(&except, limit)?;
        let tree = index.write_tree()?;
        let head = head(&index, &tree)?;
        salvage.branch = head.branch;
        salvage.commits = head.commit.as_deref().and_then(|head| self.since(&salvage, head));
        salvage.head = head.commit;
        if tree == head.tree {
            return Ok(match missed[..] {
                [] => Left::Clean(salvage),
                _ => return Err(unreadable(&missed)),
            });
        }
        let mut git = index.git();
        git.args(["diff-tree", "-r", "-z", "--name-only", "--no-renames", &head.tree, &tree]);
        let differing = child::stdout(&mut git)?;
        salvage.files = Some(differing.split(|byte| *byte == 0).skip(1).count() as u64);
        salvage.at = Some(now);
        salvage.commit = commit(&index, &salvage, &tree, now)?;
        // Some of it may have been staged, and written without being synced.
        let ids = [Some(&salvage.commit), salvage.head.as_ref()];
        let [new, old] = ids.map(|id| ObjectId::from_hex(id?.as_bytes()).ok());
        self.sync_new(new.as_slice(), old.as_slice())?;
        self.keep(&mut salvage, pause)?;
        Ok(Left::Saved { salvage, missed })
    }

    /// How many commits there are since the phase was claimed; `None` if that cannot be told.
    fn since(&self, salvage: &Salvage, head: &str) -> Option<u64> {
        // It stands in a record, where anything may.
        let base = ObjectId::from_hex(salvage.base.as_deref()?.as_bytes()).ok()?;
        let mut git = self.git();
        git.args(["rev-list", "--count", &format!("{base}..{head}"), "--"]);
        child::stdout(&mut git).ok()?.trim_ascii().to_str().ok()?.parse().ok()
    }
}

/// What is checked out; on an unborn branch no commit and the empty tree, of the kind that `tree` is.
fn head(index: &Index<'_>, tree: &str) -> Result<Head, Failure> {
    let mut git = index.git();
    git.args(["rev-parse", "HEAD^{commit}", "HEAD^{tree}", "--symbolic-full-name", "HEAD"]);
    let output = child::run(&mut git)?;
    let text = |line: &[u8]| line.to_str_lossy().into_owned();
    if let [commit, tree, name] = output.stdout.lines().collect::<Vec<_>>()[..]
        && output.status.success()
    {
        let branch = (name != b"HEAD").then(|| short(name));
        return Ok(Head { commit: Some(text(commit)), tree: text(tree), branch });
    }
    let mut git = index.git();
    let Ok(name) = child::stdout(git.args(["symbolic-ref", "--quiet", "HEAD"])) else {
        return Err(child::complaint(&git, &output));
    };
    let kind = ObjectId::from_hex(tree.as_bytes())
        .map_err(|_| Failure::new(FailureKind::Git, "cannot read the answer of 'git write-tree'"))?
        .kind();
    let tree = ObjectId::empty_tree(kind).to_string();
    Ok(Head { commit: None, tree, branch: Some(short(name.trim_ascii_end())) })
}

/// The commit of `tree`, by whom git says, or, where it knows nobody, by this program.
fn commit(
    index: &Index<'_>,
    salvage: &Salvage,
    tree: &str,
    now: Timestamp,
) -> Result<String, Failure> {
    let make = || {
        let mut git = index.git();
        git.args(["commit-tree", tree, "-F", "-"]);
        if let Some(head) = &salvage.head {
            git.args(["-p", head]);
        }
        for role in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{role}_DATE"), format!("@{} +0000", now.as_second()));
        }
        git
    };
    let message = salvage.message();
    let id = child::feed(&mut make(), message.as_bytes()).or_else(|_| {
        let mut git = make();
        for role in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{role}_NAME"), "git conductor");
            git.env(format!("GIT_{role}_EMAIL"), "conductor@localhost");
        }
        child::feed(&mut git, message.as_bytes())
    })?;
    Ok(id.trim_ascii_end().to_str_lossy().into_owned())
}

fn unreadable(missed: &[String]) -> Failure {
    let first = missed.first().map(String::as_str).unwrap_or_default();
    let more = match missed.len() {
        0 | 1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    Failure::new(FailureKind::Git, format!("cannot read '{first}'{more}"))
}
