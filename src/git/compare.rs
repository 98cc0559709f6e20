//! How commits stand to each other: which paths differ, and what contains what.

use std::io::Read as _;
use std::process::Stdio;

use gix::bstr::ByteSlice as _;
use gix::hash::ObjectId;

use super::child;
use super::repo::Repo;
use crate::error::{Failure, FailureKind};

/// The most bytes of paths that are read.
const MAX_LIST_BYTES: u64 = 64 * 1024;

/// Paths in which two trees differ.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differing {
    /// The first ones, as git orders them; what is not UTF-8 is shown as far as it can be.
    pub paths: Vec<String>,
    /// Whether there are more.
    pub more: bool,
}

impl Repo {
    /// The first `most` paths in which the trees (or commits) `one` and `other` differ, by their
    /// ids in hexadecimal. One `git diff` child, which is not heard out where that is a long list.
    ///
    /// # Errors
    /// [`FailureKind::Git`] for what is no id, or an object that is not there.
    pub fn differing(&self, one: &str, other: &str, most: usize) -> Result<Differing, Failure> {
        let (one, other) = (id(one)?, id(other)?);
        let mut git = self.git();
        git.args(["diff", "--name-only", "-z", "--no-renames", "--no-ext-diff"]);
        // Paths count from the top, whatever the settings and the current directory are.
        git.args(["--no-relative", "--ignore-submodules=none"]);
        git.arg(one.to_string()).arg(other.to_string()).arg("--");
        // What is not here is not fetched to be listed.
        git.env("GIT_NO_LAZY_FETCH", "1").stdout(Stdio::piped()).stderr(Stdio::null());
        let cannot = |error| Failure::io(error, "cannot run 'git diff'");
        let mut running = child::spawn(&mut git)?;
        let mut list = Vec::new();
        if let Some(stdout) = running.stdout.take() {
            stdout.take(MAX_LIST_BYTES).read_to_end(&mut list).map_err(cannot)?;
        }
        // The pipe is closed by now: a git that has more to say ends.
        let status = running.wait().map_err(cannot)?;
        let cut = list.len() as u64 == MAX_LIST_BYTES;
        if !status.success() && !cut {
            return Err(Failure::new(
                FailureKind::Git,
                format!("cannot compare {one} and {other}"),
            ));
        }
        let mut all =
            list.split_inclusive(|&byte| byte == 0).filter_map(|path| path.strip_suffix(b"\0"));
        let paths = all.by_ref().take(most).map(|path| path.to_str_lossy().into_owned()).collect();
        Ok(Differing { paths, more: cut || all.next().is_some() })
    }

    /// Whether `commit` contains `ancestor`, both ids in hexadecimal: it is that commit, or one
    /// that came after it. A commit that is not there is contained in none. One `git merge-base`
    /// child, or none where they are the same.
    ///
    /// # Errors
    /// [`FailureKind::Git`] for what is no id; or git cannot be run.
    pub fn contains(&self, commit: &str, ancestor: &str) -> Result<bool, Failure> {
        let (commit, ancestor) = (id(commit)?, id(ancestor)?);
        if commit == ancestor {
            return Ok(true);
        }
        let mut git = self.git();
        git.args(["merge-base", "--is-ancestor"]);
        git.arg(ancestor.to_string()).arg(commit.to_string());
        git.env("GIT_NO_LAZY_FETCH", "1");
        Ok(child::run(&mut git)?.status.success())
    }
}

/// Reads an id; it stands in records, and whatever else stands there must not reach a command line.
pub(super) fn id(text: &str) -> Result<ObjectId, Failure> {
    ObjectId::from_hex(text.as_bytes())
        .map_err(|_| Failure::new(FailureKind::Git, format!("'{text}' is not an object id")))
}
