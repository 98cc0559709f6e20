//! Uncommitted work of an owner that is gone, kept as a commit that no branch has.
//!
//! The worktree and its index are only read: what is there goes into an index of our own, which git
//! makes a tree of. One commit holds the whole state, staged or not, as `git add -A` would see it:
//! ignored files are left out, and so are the store and repositories in the worktree; links and
//! executable bits are kept. A conflict is kept as it stands in the file.
//!
//! Filters that the user's configuration has for `.gitattributes` run, as with any `git add`; hooks
//! do not, and nothing refreshes, collects or signs. Objects go where git puts them.

mod index;
mod refs;

use std::path::Path;

use gix::bstr::ByteSlice as _;
use gix::hash::ObjectId;
use jiff::Timestamp;

use self::index::Index;
use super::child::{self, Limit};
use super::repo::Repo;
use super::snapshot::short;
use super::worktree::{Place, Recorded};
use crate::error::{Failure, FailureKind};
use crate::record::salvage::Salvage;

pub use self::refs::Differing;

/// What is to be saved, and how.
pub struct Order<'a> {
    /// What is known of it: the sprint, the phase, whose it is, and where and at which commit that
    /// owner claimed.
    pub salvage: Salvage,
    /// The worktree's own git directory, and when it was recorded, if that is known.
    pub git_dir: Option<(&'a str, Option<Timestamp>)>,
    /// The store, of which nothing is saved.
    pub store: &'a Path,
    /// No more than so many bytes are saved, as files.
    pub limit: u64,
    /// How long it may take.
    pub time: Limit,
    /// A name that no other command has.
    pub unique: &'a str,
    /// The names of commands that were to save the same, and were killed.
    pub killed: &'a [String],
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
    /// Saves what is not committed in the worktree that `order` names, if that is one of this
    /// repository's. About ten git children.
    ///
    /// # Errors
    /// There is too much of it; or what git says. Nothing is kept then.
    pub fn salvage(&self, order: Order<'_>) -> Result<Left, Failure> {
        let Order { mut salvage, git_dir, store, limit, time, unique, killed, now, pause } = order;
        index::remove(self.common_dir(), killed);
        let recorded = Recorded {
            path: salvage.worktree.as_deref(),
            git_dir: git_dir.map(|(git_dir, _)| git_dir),
            since: git_dir.and_then(|(_, since)| since),
        };
        let worktree = match self.find_worktree(&recorded) {
            Place::There(worktree) => worktree,
            Place::Gone => return Ok(Left::Gone),
            Place::Foreign => return Ok(Left::Foreign),
        };
        salvage.worktree = Some(worktree.root.to_string_lossy().into_owned());
        let index = Index::copy(self.env(), &worktree, self.common_dir(), unique, time)?;
        let except = [store.to_owned(), worktree.root.join(".nanostack")];
        let missed = index.take_in(&except, limit)?;
        let tree = index.write_tree()?;
        let head = head(&index, &tree)?;
        salvage.branch = head.branch;
        salvage.commits = head.commit.as_deref().and_then(|head| self.since(&salvage, head, &time));
        salvage.head = head.commit;
        if tree == head.tree {
            return Ok(match missed[..] {
                [] => Left::Clean(salvage),
                _ => return Err(unreadable(&missed)),
            });
        }
        let mut git = index.git();
        git.args(["diff-tree", "-r", "-z", "--name-only", "--no-renames", &head.tree, &tree]);
        let differing = child::stdout_within(&mut git, &time)?;
        salvage.files = Some(differing.split(|byte| *byte == 0).skip(1).count() as u64);
        if !killed.is_empty()
            && let Some(kept) = self.kept_before(&salvage, &tree, &time)?
        {
            // Who was killed had saved it, and had only not said so yet.
            return Ok(Left::Saved { salvage: kept, missed });
        }
        salvage.at = Some(now);
        salvage.commit = commit(&index, &salvage, &tree, now)?;
        // Some of it may have been staged, and written without being synced.
        let ids = [Some(&salvage.commit), salvage.head.as_ref()];
        let [new, old] = ids.map(|id| ObjectId::from_hex(id?.as_bytes()).ok());
        self.sync_new(new.as_slice(), old.as_slice())?;
        self.keep(&mut salvage, pause, &time)?;
        Ok(Left::Saved { salvage, missed })
    }

    /// The same of the same owner, if it is kept already.
    fn kept_before(
        &self,
        salvage: &Salvage,
        tree: &str,
        time: &Limit,
    ) -> Result<Option<Salvage>, Failure> {
        let kept = self.kept(Some((&salvage.sprint, &salvage.phase)), time)?;
        let is_same = |(kept, its): &(Salvage, String)| {
            its == tree && kept.head == salvage.head && kept.agent == salvage.agent
        };
        Ok(kept.into_iter().find(is_same).map(|(kept, _)| kept))
    }

    /// How many commits there are since the phase was claimed; `None` if that cannot be told.
    fn since(&self, salvage: &Salvage, head: &str, time: &Limit) -> Option<u64> {
        // It stands in a record, where anything may.
        let base = ObjectId::from_hex(salvage.base.as_deref()?.as_bytes()).ok()?;
        let mut git = self.git();
        git.args(["rev-list", "--count", &format!("{base}..{head}"), "--"]);
        child::stdout_within(&mut git, time).ok()?.trim_ascii().to_str().ok()?.parse().ok()
    }
}

/// What is checked out; on an unborn branch no commit and the empty tree, of the kind that `tree`
/// is.
fn head(index: &Index<'_>, tree: &str) -> Result<Head, Failure> {
    let mut git = index.git();
    git.args(["rev-parse", "HEAD^{commit}", "HEAD^{tree}", "--symbolic-full-name", "HEAD"]);
    let output = child::run_within(&mut git, index.time())?;
    let text = |line: &[u8]| line.to_str_lossy().into_owned();
    if let [commit, tree, name] = output.stdout.lines().collect::<Vec<_>>()[..]
        && output.status.success()
    {
        let branch = (name != b"HEAD").then(|| short(name));
        return Ok(Head { commit: Some(text(commit)), tree: text(tree), branch });
    }
    let mut git = index.git();
    git.args(["symbolic-ref", "--quiet", "HEAD"]);
    let Ok(name) = child::stdout_within(&mut git, index.time()) else {
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
    let time = index.time();
    let id = child::feed_within(&mut make(), message.as_bytes(), time).or_else(|_| {
        let mut git = make();
        for role in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{role}_NAME"), "git conductor");
            git.env(format!("GIT_{role}_EMAIL"), "conductor@localhost");
        }
        child::feed_within(&mut git, message.as_bytes(), time)
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
