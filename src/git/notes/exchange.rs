//! Notes between repositories, and the settings that show, keep, merge and fetch them.
//!
//! What a remote has is fetched to `refs/notes/remotes/<remote>/`, never over our own: a fetch that
//! is forced onto these would lose what was not pushed. Pushes are only ever made on purpose:
//! `remote.<name>.push` would take the place of `push.default`, and plain `git push` push nothing
//! else.

use gix::bstr::ByteSlice as _;

use super::Name;
use crate::error::{Failure, FailureKind};
use crate::git::child;
use crate::git::durable;
use crate::git::repo::Repo;

/// A setting of git with one of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}

impl Repo {
    /// Whether git knows a remote of this name.
    #[must_use]
    pub fn has_remote(&self, remote: &str) -> bool {
        !self.config_all(&format!("remote.{remote}.url")).is_empty()
    }

    /// Adds a value to the repository's own configuration, unless it is set already, there or
    /// elsewhere. Whether it was added. One git child.
    ///
    /// # Errors
    /// What git said when it failed.
    pub fn add_setting(&self, Setting { key, value }: &Setting) -> Result<bool, Failure> {
        if self.config_all(key).contains(value) {
            return Ok(false);
        }
        let mut git = self.git();
        child::stdout(git.args(["config", "--local", "--add", key, value]))?;
        self.sync_config()?;
        Ok(true)
    }

    /// Takes one value out of the repository's own configuration, and leaves others of its key.
    /// Whether it was there. One git child.
    ///
    /// # Errors
    /// What git said when it failed.
    pub fn remove_setting(&self, Setting { key, value }: &Setting) -> Result<bool, Failure> {
        let mut git = self.git();
        git.args(["config", "--local", "--fixed-value", "--unset-all", key, value]);
        let output = child::run(&mut git)?;
        match output.status.code() {
            Some(0) => self.sync_config().map(|()| true),
            // git-config: the last line or section is not there.
            Some(5) => Ok(false),
            _ => Err(child::complaint(&git, &output)),
        }
    }

    /// What `git fetch` takes to fetch the notes `name` of `remote`, and those of its artifacts.
    /// The `*` is what keeps a remote without notes from being an error.
    #[must_use]
    pub fn notes_refspec(&self, remote: &str, name: &Name) -> Option<String> {
        let to = name.of_remote(remote)?;
        Some(format!("+{}*:{}*", name.as_str(), to.as_str()))
    }

    /// Fetches the notes `name` of `remote`, and those of its artifacts.
    ///
    /// # Errors
    /// What git said when it failed.
    pub fn fetch_notes(&self, remote: &str, name: &Name) -> Result<(), Failure> {
        let refspec = self.notes_refspec(remote, name).ok_or_else(|| no_remote(remote))?;
        let fetched = self.fetch_refspec(remote, &refspec);
        if fetched.is_err() {
            // git changes no reference that a power cut has left empty.
            let names = [name.of_remote(remote), name.artifacts().of_remote(remote)];
            let mut mended = false;
            for name in names.iter().flatten() {
                mended |= self.mend_ref(name.as_str())?;
            }
            if mended {
                return self.fetch_refspec(remote, &refspec);
            }
        }
        fetched
    }

    fn fetch_refspec(&self, remote: &str, refspec: &str) -> Result<(), Failure> {
        let mut git = durable::synced(self.git());
        git.args(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head"]);
        if self.is_partial() {
            git.arg("--no-filter");
        }
        git.args(["--no-recurse-submodules", "--refmap=", "--", remote, refspec]);
        child::stdout(&mut git).map(drop)
    }

    /// Pushes these references to `remote`, those of them that are there; nothing is forced.
    ///
    /// # Errors
    /// What git said when it failed; also where the remote has gone on meanwhile.
    pub fn push_notes(&self, remote: &str, names: &[&Name]) -> Result<(), Failure> {
        let mut git = durable::synced(self.git());
        // What is set for pushes of branches: a mirror takes no names, and forces; a server need
        // take neither signatures nor options.
        git.args(["-c", "push.pushOption="]);
        let mirror = format!("remote.{remote}.mirror");
        if self.config_bool(&mirror)? == Some(true) {
            git.args(["-c", &format!("{mirror}=false")]);
        }
        git.args(["push", "--quiet", "--no-signed", "--no-follow-tags"]);
        git.args(["--recurse-submodules=no", "--", remote]);
        let mut any = false;
        for name in names {
            if self.commit_of(name)?.is_some() {
                git.arg(format!("{0}:{0}", name.as_str()));
                any = true;
            }
        }
        if any { child::stdout(&mut git).map(drop) } else { Ok(()) }
    }

    /// The commit that the reference is at. One git child.
    ///
    /// # Errors
    /// git cannot be run.
    pub fn commit_of(&self, name: &Name) -> Result<Option<String>, Failure> {
        let mut git = self.git();
        git.args(["rev-parse", "--verify", "--quiet", "--end-of-options", name.as_str()]);
        let output = child::run(&mut git)?;
        let id = output.stdout.trim_ascii_end().to_str_lossy().into_owned();
        Ok(output.status.success().then_some(id))
    }

    /// Where notes `name` of remotes have been fetched to. One git child.
    ///
    /// # Errors
    /// What git said when it failed.
    pub fn fetched_notes(&self, name: &Name) -> Result<Vec<Name>, Failure> {
        let mut git = self.git();
        let list = child::stdout(git.args([
            "for-each-ref",
            "--format=%(refname)",
            "refs/notes/remotes/",
        ]))?;
        let end = format!("/{}", name.short());
        let names = list.lines().filter_map(|line| Name::new(line.to_str().ok()?));
        Ok(names.filter(|name| name.as_str().ends_with(&end)).collect())
    }

    /// The commits that `rev` means: one, or those of a range (`A..B`, `A...B`, `^A`), latest
    /// first. One git child.
    ///
    /// # Errors
    /// [`FailureKind::Usage`] if it means none.
    pub fn commits(&self, rev: &str) -> Result<Vec<String>, Failure> {
        let mut git = self.git();
        git.arg("rev-list");
        let is_range = rev.contains("..");
        if !is_range {
            git.arg("--no-walk");
        }
        git.args(["--end-of-options", rev, "--"]);
        let unknown =
            || Failure::new(FailureKind::Usage, format!("'{rev}' is no commit and no range"));
        if rev.is_empty() || rev.contains('\0') {
            return Err(unknown());
        }
        let output = child::run(&mut git)?;
        // Of a file or a tree git lists nothing, and is content.
        if !output.status.success() || (output.stdout.is_empty() && !is_range) {
            return Err(unknown());
        }
        Ok(output.stdout.lines().map(|line| line.to_str_lossy().into_owned()).collect())
    }
}

fn no_remote(remote: &str) -> Failure {
    Failure::new(FailureKind::Usage, format!("'{remote}' is no remote of this repository"))
}
