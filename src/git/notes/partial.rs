//! Notes in a partial clone, whose objects are fetched when they are needed, each by itself: all
//! that a command is going to read is fetched at once.

use gix::bstr::ByteSlice as _;
use gix::hash::ObjectId;

use super::Name;
use crate::error::Failure;
use crate::git::child;
use crate::git::repo::Repo;

/// So often something is fetched: what is missing of a tree is known once the tree is here.
const ROUNDS: usize = 4;

impl Repo {
    /// Whether objects may be missing here that a remote has promised to hand over.
    pub(in crate::git) fn is_partial(&self) -> bool {
        !self.promisors().is_empty()
    }

    /// The remotes that have promised it.
    fn promisors(&self) -> Vec<String> {
        let mut remotes: Vec<String> = self.config("extensions.partialClone").into_iter().collect();
        for name in self.configuration().subsections("remote") {
            let promises = self.config_bool(&format!("remote.{name}.promisor")).ok().flatten();
            if promises == Some(true) && !remotes.contains(&name) {
                remotes.push(name);
            }
        }
        remotes.retain(|name| !name.is_empty());
        remotes
    }

    /// Fetches what is missing of the notes `name` at the commit `tip`; of artifacts their trees
    /// alone, since these are told from each other by their ids. No child unless the clone is
    /// partial, one if nothing is missing.
    ///
    /// # Errors
    /// What git said when it failed; what is here can be read all the same.
    pub(super) fn fetch_missing(&self, name: &Name, tip: ObjectId) -> Result<(), Failure> {
        let promisors = self.promisors();
        if promisors.is_empty() {
            return Ok(());
        }
        let filter = if name.is_of_artifacts() { "--filter=blob:none" } else { "--no-filter" };
        for _ in 0..ROUNDS {
            let missing = self.missing(tip, filter)?;
            if missing.is_empty() {
                return Ok(());
            }
            let mut failed = None;
            for remote in &promisors {
                match self.fetch_objects(remote, &missing, filter) {
                    Ok(()) => {
                        failed = None;
                        break;
                    }
                    Err(failure) => failed = failed.or(Some(failure)),
                }
            }
            if let Some(failure) = failed {
                return Err(failure);
            }
        }
        Ok(())
    }

    /// The ids of what is missing of the tree of `tip`, each on a line.
    fn missing(&self, tip: ObjectId, filter: &str) -> Result<String, Failure> {
        let mut git = self.git();
        git.args(["rev-list", "--objects", "--no-walk", "--missing=print", filter]);
        let listed = child::stdout(git.arg(tip.to_string()))?;
        let missing = listed.lines().filter_map(|line| line.strip_prefix(b"?")?.to_str().ok());
        Ok(missing.flat_map(|id| [id, "\n"]).collect())
    }

    /// As git does it for a single object.
    fn fetch_objects(&self, remote: &str, ids: &str, filter: &str) -> Result<(), Failure> {
        let mut git = self.git();
        git.args(["-c", "fetch.negotiationAlgorithm=noop", "fetch", "--quiet", filter]);
        git.args(["--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--refmap="]);
        git.args(["--no-auto-maintenance", "--stdin", "--", remote]);
        child::feed(&mut git, ids.as_bytes()).map(drop)
    }
}
