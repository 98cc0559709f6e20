//! What is checked out: what `complete` records, and `start` asks about tracked files.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;

use gix::bstr::ByteSlice as _;
use gix::hash::ObjectId;

use super::child::{self, Limit};
use super::repo::Repo;
use crate::error::{Failure, FailureKind};
use crate::record::Snapshot;

/// What is in a worktree and in no commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uncommitted {
    /// How many paths; a directory that git does not know at all is one.
    pub count: usize,
    /// The first of them, relative to the worktree; what is not UTF-8 is shown as far as it can be.
    pub first: Vec<String>,
}

/// A commit and its tree, in hexadecimal.
pub type Commit = (String, String);

impl Repo {
    /// The commit that `rev` means (default: what is checked out) with its tree, the branch that is
    /// checked out, and the worktree. `dirty` is left open: it costs a child process of its own,
    /// see [`Repo::uncommitted`].
    ///
    /// On an unborn branch there is no commit and no tree. gix answers for `HEAD`, object ids and
    /// names of references; anything else, and every repository whose references are not files,
    /// costs one or two git children.
    ///
    /// # Errors
    /// [`FailureKind::Usage`] if `rev` means no commit; otherwise what reading the repository can
    /// fail with.
    pub fn snapshot(&self, rev: Option<&str>) -> Result<Snapshot, Failure> {
        let gix = self.open_gix();
        let commit = self.commit(gix.as_ref(), rev)?;
        self.snapshot_with(gix.as_ref(), commit)
    }

    /// The same with a commit that is known already.
    ///
    /// # Errors
    /// As [`Repo::snapshot`].
    pub fn snapshot_at(&self, commit: Option<Commit>) -> Result<Snapshot, Failure> {
        self.snapshot_with(self.open_gix().as_ref(), commit)
    }

    /// The short names of branches and tags, those of which a commit is the latest first; at most
    /// `count` of them. One git child.
    ///
    /// # Errors
    /// What git says.
    pub fn branches_and_tags(&self, count: usize) -> Result<Vec<String>, Failure> {
        let mut git = self.git();
        git.args(["for-each-ref", "--format=%(refname:short)", "--sort=-creatordate"]);
        git.arg(format!("--count={count}")).args(["refs/heads", "refs/tags"]);
        Ok(child::stdout(&mut git)?.to_str_lossy().lines().map(str::to_owned).collect())
    }

    fn snapshot_with(
        &self,
        gix: Option<&gix::Repository>,
        commit: Option<Commit>,
    ) -> Result<Snapshot, Failure> {
        let head = gix.filter(|_| self.gix_sees_refs).map(gix::Repository::head_name);
        let branch = match head {
            Some(Ok(head)) => head.map(|name| short(name.as_bstr())),
            Some(Err(_)) | None => self.branch_by_git()?,
        };
        let (commit, tree) = commit.unzip();
        let worktree = self.worktree.as_ref().map(|root| root.to_string_lossy().into_owned());
        Ok(Snapshot { commit, tree, branch, worktree, dirty: None })
    }

    /// The commit that `rev` means (default: what is checked out) and its tree; `None` on an unborn
    /// branch. It costs children where [`Repo::snapshot`] does.
    ///
    /// # Errors
    /// As [`Repo::snapshot`].
    pub fn commit_and_tree(&self, rev: Option<&str>) -> Result<Option<Commit>, Failure> {
        self.commit(self.open_gix().as_ref(), rev)
    }

    /// The commit and the tree that each of these object ids, in hexadecimal, leads to; `None` for
    /// what leads to no commit, or is not there. The repository is opened once, and all that gix
    /// does not find costs one child.
    ///
    /// # Errors
    /// What git said when it failed.
    pub fn commits_and_trees(&self, ids: &[&str]) -> Result<Vec<Option<Commit>>, Failure> {
        let gix = self.open_gix();
        let by_gix = |id: &&str| {
            let oid = ObjectId::from_hex(id.as_bytes()).ok()?;
            let gix = gix.as_ref().filter(|gix| gix.object_hash() == oid.kind())?;
            peel(gix, oid)
        };
        let mut found: Vec<Option<Commit>> = ids.iter().map(by_gix).collect();
        let rest: Vec<usize> = (0..ids.len()).filter(|&at| found[at].is_none()).collect();
        if rest.is_empty() {
            return Ok(found);
        }
        let mut asked = String::new();
        for &at in &rest {
            let id = super::compare::id(ids[at])?;
            // Writing to a String cannot fail.
            _ = writeln!(asked, "{id}^{{commit}}\n{id}^{{tree}}");
        }
        let mut git = self.git();
        git.args(["cat-file", "--batch-check=%(objectname) %(objecttype)"]);
        let answers = child::feed_all(&mut git, asked.into_bytes())?;
        let mut answers = answers.lines().map(|line| line.to_str_lossy());
        let is = |answer: Option<Cow<'_, str>>, kind: &str| {
            Some(answer?.strip_suffix(kind)?.strip_suffix(' ')?.to_owned())
        };
        for at in rest {
            let (commit, tree) = (answers.next(), answers.next());
            found[at] = is(commit, "commit").zip(is(tree, "tree"));
        }
        Ok(found)
    }

    fn commit(
        &self,
        gix: Option<&gix::Repository>,
        rev: Option<&str>,
    ) -> Result<Option<Commit>, Failure> {
        match gix.and_then(|gix| self.commit_by_gix(gix, rev)) {
            Some(commit) => Ok(Some(commit)),
            None => self.commit_by_git(gix, rev),
        }
    }

    /// Whether each of `commits`, by its id in hexadecimal, is in this clone; `None` where that
    /// cannot be known. No child, and nothing is fetched.
    #[must_use]
    pub fn has_commits(&self, commits: &[&str]) -> Vec<Option<bool>> {
        let gix = OnceCell::new();
        let has = |id: &&str| {
            let id = ObjectId::from_hex(id.as_bytes()).ok()?;
            // What was committed lately has a file of its own: the rest is spared.
            if self.is_loose(id) {
                return Some(true);
            }
            let gix = gix.get_or_init(|| self.open_gix()).as_ref()?;
            (id.kind() == gix.object_hash()).then(|| gix.has_object(id))
        };
        commits.iter().map(has).collect()
    }

    /// Whether the object has a file of its own in this clone. One that a power cut left empty is
    /// none.
    fn is_loose(&self, id: ObjectId) -> bool {
        let id = id.to_hex().to_string();
        let (folder, file) = id.split_at(2);
        let path = self.common_dir.join("objects").join(folder).join(file);
        path.metadata().is_ok_and(|found| found.is_file() && found.len() > 0)
    }

    /// The content of the blob `id`, in hexadecimal; `None` if there is no such blob. One child
    /// where gix cannot read the repository.
    ///
    /// # Errors
    /// git cannot be asked.
    pub fn blob(&self, id: &str) -> Result<Option<Vec<u8>>, Failure> {
        let Ok(oid) = ObjectId::from_hex(id.as_bytes()) else { return Ok(None) };
        if let Some(gix) = self.open_gix().filter(|gix| gix.object_hash() == oid.kind()) {
            let found = gix.find_object(oid).ok().filter(|found| found.kind.is_blob());
            return Ok(found.map(|mut found| std::mem::take(&mut found.data)));
        }
        let mut git = self.git();
        let output = child::run(git.args(["cat-file", "blob"]).arg(oid.to_string()))?;
        Ok(output.status.success().then_some(output.stdout))
    }

    /// What differs in the calling worktree from its `HEAD`, untracked files included, leaving out
    /// the absolute paths `ignore` and everything below them (the store and the artifact, which
    /// `complete` itself puts there), and what git does not track and `is_aside` (relative to the
    /// worktree; a directory stands for all that is in it); of the paths the first `most`. Nothing
    /// without a worktree.
    ///
    /// Exactly one `git status` child, which may take no longer than `time`. The paths are left out
    /// by git, not from its output: an untracked directory is listed as a whole, and only git can
    /// tell what else is in it.
    ///
    /// # Errors
    /// What git said when it failed; [`FailureKind::Busy`] if it took too long.
    pub fn uncommitted(
        &self,
        ignore: &[&Path],
        is_aside: &dyn Fn(&Path) -> bool,
        most: usize,
        time: &Limit,
    ) -> Result<Uncommitted, Failure> {
        let Some(root) = &self.worktree else { return Ok(Uncommitted::default()) };
        let mut git = self.git();
        // An optional lock would make other git commands in this worktree fail.
        git.args(["--no-optional-locks", "status", "--porcelain=v1", "-z", "--no-renames"]);
        git.args(["--untracked-files=normal", "--", ":(top)"]);
        for path in ignore {
            let Ok(inside) = path.strip_prefix(root) else { continue };
            if !inside.as_os_str().is_empty() {
                git.arg(pathspec(":(exclude,literal,top)", inside));
            }
        }
        let said = child::stdout_within(&mut git, time)?;
        // `XY path`, where nothing is a rename.
        let entries = said.split(|byte| *byte == 0).filter_map(|entry| entry.split_at_checked(3));
        let mut found = Uncommitted::default();
        for (how, path) in entries {
            if how.starts_with(b"??") && is_aside(Path::new(OsStr::from_bytes(path))) {
                continue;
            }
            found.count += 1;
            if found.first.len() < most {
                found.first.push(path.to_str_lossy().into_owned());
            }
        }
        Ok(found)
    }

    /// Whether the worktree that contains the absolute `path` tracks it or anything below it.
    /// One `git ls-files` child; none if no worktree of ours contains it.
    ///
    /// # Errors
    /// What git said when it failed.
    pub fn tracked_under(&self, path: &Path) -> Result<bool, Failure> {
        let mut git = match (&self.worktree, self.main_worktree()) {
            (Some(root), _) if path.starts_with(root) => self.git(),
            // The store of a linked worktree lies in the main one, which has an index of its own.
            (_, Some(root)) if path.starts_with(root) => {
                child::git_at(&self.env, &self.common_dir, Some(root))
            }
            _ => return Ok(false),
        };
        let root = git.get_current_dir().unwrap_or(path).to_owned();
        let Ok(inside) = path.strip_prefix(root) else { return Ok(false) };
        git.args(["ls-files", "-z", "--"]);
        if inside.as_os_str().is_empty() {
            git.arg(":(top)");
        } else {
            git.arg(pathspec(":(literal,top)", inside));
        }
        Ok(!child::stdout(&mut git)?.is_empty())
    }

    /// A git child for this repository and worktree.
    pub(super) fn git(&self) -> Command {
        child::git_at(&self.env, &self.git_dir, self.worktree.as_deref())
    }

    /// Opens the repository with gix for references and objects, and nothing else: without the
    /// process environment, the user's configuration or another check of ownership. `None` if gix
    /// cannot.
    pub(super) fn open_gix(&self) -> Option<gix::Repository> {
        let options = gix::open::Options::isolated()
            .open_path_as_is(true)
            .with(gix::sec::Trust::Full)
            .lossy_config(true);
        options.open(self.git_dir.clone()).ok().map(|gix| gix.to_thread_local())
    }

    /// The commit, where gix can tell without any doubt.
    fn commit_by_gix(&self, gix: &gix::Repository, rev: Option<&str>) -> Option<Commit> {
        let rev = rev.unwrap_or("HEAD");
        if let Ok(id) = ObjectId::from_hex(rev.as_bytes())
            && id.kind() == gix.object_hash()
        {
            return peel(gix, id);
        }
        // Only names that mean the same to git: the rest of its language is git's to read.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-.".contains(&byte);
        if !self.gix_sees_refs || !rev.bytes().all(plain) || rev.contains("..") {
            return None;
        }
        if rev != "HEAD" && !rev.starts_with("refs/") {
            return None;
        }
        let id = gix.find_reference(rev).ok()?.into_fully_peeled_id().ok()?;
        peel(gix, id.detach())
    }

    /// The commit by git's word.
    fn commit_by_git(
        &self,
        gix: Option<&gix::Repository>,
        rev: Option<&str>,
    ) -> Result<Option<Commit>, Failure> {
        let name = rev.unwrap_or("HEAD");
        if name.is_empty() || name.contains('\0') {
            return Err(unknown(name));
        }
        let resolve = |what: OsString| {
            let mut git = self.git();
            git.args(["rev-parse", "--verify", "--quiet", "--end-of-options"]).arg(what);
            let output = child::run(&mut git)?;
            match output.status.code() {
                Some(0) => Ok(Some(output.stdout.trim_ascii_end().to_str_lossy().into_owned())),
                // 1 is git's quiet no; a revision that is no commit is a no as well.
                Some(1 | 128) if rev.is_some() || output.status.code() == Some(1) => Ok(None),
                _ => Err(child::complaint(&git, &output)),
            }
        };
        let Some(commit) = resolve(format!("{name}^{{commit}}").into())? else {
            return if rev.is_some() { Err(unknown(name)) } else { Ok(None) };
        };
        let id = ObjectId::from_hex(commit.as_bytes()).ok();
        if let Some(found) = gix.zip(id).and_then(|(gix, id)| peel(gix, id)) {
            return Ok(Some(found));
        }
        let tree = resolve(format!("{commit}^{{tree}}").into())?.ok_or_else(|| unknown(&commit))?;
        Ok(Some((commit, tree)))
    }

    /// The branch by git's word.
    fn branch_by_git(&self) -> Result<Option<String>, Failure> {
        let mut git = self.git();
        git.args(["symbolic-ref", "--quiet", "HEAD"]);
        let output = child::run(&mut git)?;
        match output.status.code() {
            Some(0) => Ok(Some(short(output.stdout.trim_ascii_end()))),
            Some(1) => Ok(None),
            _ => Err(child::complaint(&git, &output)),
        }
    }
}

/// A branch's short name; a reference that is no branch keeps its full one.
pub(super) fn short(name: &[u8]) -> String {
    name.strip_prefix(b"refs/heads/").unwrap_or(name).to_str_lossy().into_owned()
}

/// The commit that `id` is or, as a tag, leads to.
fn peel(gix: &gix::Repository, id: ObjectId) -> Option<Commit> {
    let commit = gix.find_object(id).ok()?.peel_to_commit().ok()?;
    let tree = commit.tree_id().ok()?;
    Some((commit.id.to_string(), tree.to_string()))
}

/// `path` as a pathspec that means nothing but itself.
fn pathspec(magic: &str, path: &Path) -> OsString {
    let mut spec = OsString::from(magic);
    spec.push(path);
    spec
}

fn unknown(rev: &str) -> Failure {
    Failure::new(FailureKind::Usage, format!("'{rev}' is not a commit"))
        .hint("nothing was completed; name the commit that holds your work, as 'git log' shows it")
}
