//! What the user has set for talking to the server, as git sees it in the user's repository.
//!
//! Children do not read the user's configuration, of which much is about other pushes and fetches
//! (a mirror, options for the server, signatures, hooks); `includeIf` and `config.worktree` would
//! mean something else to them. What they need is handed to them by the environment: an address
//! and a setting may hold a password, and arguments can be read by everybody on the machine.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::process::Command;

use gix::bstr::ByteSlice as _;

use crate::error::{Failure, FailureKind};
use crate::git::child;
use crate::git::repo::Repo;

/// What the server is called to children.
pub(super) const HOME: &str = "home";

/// Sections that are handed on as they are, and single keys.
const SECTIONS: [&str; 4] = ["http.", "credential.", "ssh.", "protocol."];
const KEYS: [&str; 3] = ["core.sshcommand", "core.askpass", "core.gitproxy"];
/// What is set of the remote itself, beside its address.
const OF_REMOTE: [&str; 4] = ["proxy", "proxyauthmethod", "uploadpack", "receivepack"];

/// The address of the ledger, and how to get there.
pub(super) struct Settings {
    /// For children, the first of least precedence.
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
    /// The directories that the user has declared safe: a server in the file system asks for that.
    pub(super) safe: Vec<Vec<u8>>,
    /// The one address.
    pub(super) address: String,
}

impl Settings {
    /// Reads them for `remote`, a remote's name or an address. Two git children.
    pub(super) fn read(repo: &Repo, remote: &str) -> Result<Self, Failure> {
        let address = address(repo, remote)?;
        let mut git = repo.git();
        let list =
            child::stdout(git.args(["config", "--list", "--null", "--show-scope", "--includes"]))?;
        let mut pairs = Vec::new();
        let mut safe = Vec::new();
        let mut fields = list.split(|byte| *byte == 0);
        while let (Some(scope), Some(pair)) = (fields.next(), fields.next()) {
            // Without a value it is true.
            let (key, value) = pair.split_once_str("\n").unwrap_or((pair, b"true"));
            let Ok(name) = key.to_str() else { continue };
            // No repository can declare itself safe.
            let is_own = scope == b"local" || scope == b"worktree";
            if name == "safe.directory" && !is_own {
                safe.push(value.to_owned());
            }
            let is_handed = KEYS.contains(&name) || SECTIONS.iter().any(|it| name.starts_with(it));
            if is_handed {
                pairs.push((key.to_owned(), value.to_owned()));
            }
            let of_remote = name.strip_prefix("remote.").and_then(|rest| rest.rsplit_once('.'));
            if let Some((_, key)) =
                of_remote.filter(|(it, key)| *it == remote && OF_REMOTE.contains(key))
            {
                pairs.push((format!("remote.{HOME}.{key}").into_bytes(), value.to_owned()));
            }
        }
        pairs.push((format!("remote.{HOME}.url").into_bytes(), address.clone().into_bytes()));
        Ok(Self { pairs, safe, address })
    }

    /// Hands them to a child.
    pub(super) fn hand_to(&self, git: &mut Command, more: &[(&str, &str)]) {
        let more = more.iter().map(|(key, value)| (key.as_bytes(), value.as_bytes()));
        let pairs = self.pairs.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
        let mut count = 0;
        for (key, value) in pairs.chain(more) {
            git.env(format!("GIT_CONFIG_KEY_{count}"), OsString::from_vec(key.to_owned()));
            git.env(format!("GIT_CONFIG_VALUE_{count}"), OsString::from_vec(value.to_owned()));
            count += 1;
        }
        git.env("GIT_CONFIG_COUNT", count.to_string());
    }

    /// What a child has said of its failure, without the name and password of the address.
    pub(super) fn told(&self, words: &str) -> String {
        let rest = self.address.split_once("://").map(|(_, rest)| rest);
        let place = rest.map(|rest| rest.split('/').next().unwrap_or(rest));
        let secret = place.and_then(|place| place.rsplit_once('@')).map(|(user, _)| user);
        match secret.filter(|user| user.contains(':')) {
            Some(user) => words.replace(user, "…"),
            None => words.to_owned(),
        }
    }
}

/// The one address that a ledger is read and written at.
fn address(repo: &Repo, remote: &str) -> Result<String, Failure> {
    let mut git = repo.git();
    let output = child::run(git.args(["remote", "get-url", "--push", "--all", "--", remote]))?;
    let addresses: Vec<String> = if output.status.success() {
        output.stdout.lines().map(|line| line.to_str_lossy().into_owned()).collect()
    } else if repo.has_remote(remote) || remote.contains(['/', ':']) || remote.starts_with('.') {
        // A remote that only the user's settings or `git -c` know, or an address, with what
        // `url.<base>.insteadOf` puts in the place of its beginning.
        repo.destination(remote, None)?.addresses
    } else {
        let text = format!("'{remote}' is no remote of this repository");
        return Err(Failure::new(FailureKind::Usage, text));
    };
    if let [address] = &addresses[..] {
        return Ok(address.clone());
    }
    let count = addresses.len();
    let text = format!("'{remote}' has {count} addresses that are pushed to, and a ledger has one");
    Err(Failure::new(FailureKind::Usage, text))
}
