//! What is checked out, as a claim records it: at hardly any cost, since it is on the way of every
//! claim.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use gix::bstr::{BStr, ByteSlice as _};
use rustix::fs::OFlags;

use super::child;
use super::dotgit;
use super::repo::Repo;
use super::snapshot::short;
use crate::record::Checkout;

/// The most bytes that are read of a loose reference: one object id and a newline.
const MAX_REF_BYTES: usize = 128;

impl Repo {
    /// The branch and the commit that are checked out; what cannot be told is left out, as nobody
    /// is kept from working by it.
    ///
    /// `HEAD` was read when the repository was found; a loose reference is one file more, and gix
    /// looks for any other. Where references are no files, one git child is asked, or two on an
    /// unborn branch.
    #[must_use]
    pub fn checkout(&self) -> Checkout {
        if !self.gix_sees_refs {
            return self.checkout_by_git();
        }
        let Some(target) = dotgit::head_target(&self.head) else {
            return Checkout { branch: None, commit: object_id(&self.head) };
        };
        let commit = self.loose(target.into()).or_else(|| {
            let gix = self.open_gix()?;
            let reference = gix.try_find_reference(target.as_bstr()).ok()??;
            // The object is not looked at, unless the name leads to another first.
            let id = match reference.try_id() {
                Some(id) => id,
                None => reference.into_fully_peeled_id().ok()?,
            };
            Some(id.to_string())
        });
        Checkout { branch: Some(short(target)), commit }
    }

    /// The id in the file of the reference `name`, if it is a branch that has one, and one of its
    /// own.
    fn loose(&self, name: &BStr) -> Option<String> {
        // Others may belong to the worktree alone; and no name leads out of the directory.
        let branch =
            name.starts_with(b"refs/heads/") && gix::validate::reference::name(name).is_ok();
        let path = self.common_dir.join(Path::new(std::ffi::OsStr::from_bytes(name)));
        // Whatever stands there does not hold a claim up.
        let flags = (OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed();
        let open = || OpenOptions::new().read(true).custom_flags(flags).open(path).ok();
        let mut content = [0; MAX_REF_BYTES];
        let length = branch.then(open)??.read(&mut content).ok()?;
        object_id(&content[..length])
    }

    /// By git's word.
    fn checkout_by_git(&self) -> Checkout {
        let ask = |args: &[&str]| child::stdout(self.git().args(args)).ok();
        let branch = |name: &[u8]| (name != b"HEAD").then(|| short(name));
        if let Some(said) = ask(&["rev-parse", "HEAD", "--symbolic-full-name", "HEAD"])
            && let [commit, name] = said.lines().collect::<Vec<_>>()[..]
        {
            return Checkout { branch: branch(name), commit: object_id(commit) };
        }
        let unborn = ask(&["symbolic-ref", "--quiet", "HEAD"]);
        Checkout { branch: unborn.and_then(|name| branch(name.trim_ascii_end())), commit: None }
    }
}

/// `text` as an object id, whatever white space follows it.
fn object_id(text: &[u8]) -> Option<String> {
    let text = text.trim_ascii_end();
    Some(gix::hash::ObjectId::from_hex(text).ok()?.to_string())
}
