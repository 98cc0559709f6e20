//! The remotes that are known here: where pushes to them go, and which branch each has as its
//! default.
//!
//! Two addresses are the same if they are one text after `url.<base>.insteadOf`, or name one
//! directory or one place on one server in the ways that cannot mean another. Addresses that only
//! may be the same are not: whoever asks must then be careful.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gix::bstr::ByteSlice as _;

use super::child;
use super::discover;
use super::repo::Repo;
use crate::error::Failure;

/// Where the default branch of a remote is recorded is `refs/remotes/<remote>/HEAD`.
const REMOTES: &str = "refs/remotes/";
/// A remote is heard out for so long.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most bytes that are read of its answer.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;
/// Where git looks for the repository that a path means (`enter_repo`).
const SUFFIXES: [&str; 4] = ["/.git", "", ".git/.git", ".git"];

/// Where a push goes, and what is known here of the default branch there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Destination {
    /// The addresses, as git goes there.
    pub addresses: Vec<String>,
    /// The default branches of the remotes that are there.
    pub here: Vec<String>,
    /// Those of all other remotes.
    pub elsewhere: Vec<String>,
    /// Whether a remote of this repository is there.
    pub is_remote: bool,
    /// Whether it is this repository itself.
    pub is_self: bool,
}

/// A remote of this repository.
struct Remote {
    name: String,
    /// Where pushes go.
    pushes: Vec<String>,
    /// Where fetches come from.
    fetches: Vec<String>,
}

/// What takes the place of which beginning of an address.
struct Rewrites {
    /// `url.<base>.insteadOf`
    any: Vec<(String, String)>,
    /// `url.<base>.pushInsteadOf`
    push: Vec<(String, String)>,
}

impl Rewrites {
    fn read(repo: &Repo) -> Self {
        let bases = repo.configuration().subsections("url");
        let read = |key: &str| {
            let of = |base: &String| {
                let values = repo.config_all(&format!("url.{base}.{key}"));
                values.into_iter().map(|value| (value, base.clone())).collect::<Vec<_>>()
            };
            bases.iter().flat_map(of).collect()
        };
        Self { any: read("insteadOf"), push: read("pushInsteadOf") }
    }

    fn plain(&self, address: &str) -> String {
        rewritten(&self.any, address).unwrap_or_else(|| address.to_owned())
    }

    /// Where git pushes to by these values of `url` and `pushurl` (`remote.c`, `alias_all_urls`).
    fn of_pushes(&self, urls: &[String], pushes: &[String]) -> Vec<String> {
        if !pushes.is_empty() {
            return pushes.iter().map(|url| self.plain(url)).collect();
        }
        let changed: Vec<String> =
            urls.iter().filter_map(|url| rewritten(&self.push, url)).collect();
        if changed.is_empty() { urls.iter().map(|url| self.plain(url)).collect() } else { changed }
    }
}

/// The address with the longest beginning replaced, the first of those; `None` if none fits.
fn rewritten(rewrites: &[(String, String)], address: &str) -> Option<String> {
    let mut found: Option<(&str, &str)> = None;
    for (start, base) in rewrites {
        let is_longer = found.is_none_or(|(longest, _)| start.len() > longest.len());
        if address.starts_with(start.as_str()) && is_longer {
            found = Some((start, base));
        }
    }
    found.and_then(|(start, base)| Some(format!("{base}{}", address.strip_prefix(start)?)))
}

impl Repo {
    /// What is known of where a push to `remote` (a name, or an address) goes: to `address`, if git
    /// has said so, else where it would go. Two git children where gix does not see the references.
    ///
    /// # Errors
    /// What git said when it failed.
    pub fn destination(&self, remote: &str, address: Option<&str>) -> Result<Destination, Failure> {
        let rewrites = Rewrites::read(self);
        let remotes = self.remotes(&rewrites);
        let named = remotes.iter().find(|it| it.name == remote);
        let addresses = match (address, named) {
            (Some(address), _) => vec![address.to_owned()],
            (None, Some(named)) => named.pushes.clone(),
            (None, None) => rewrites.of_pushes(&[remote.to_owned()], &[]),
        };
        let there: Vec<String> = addresses.iter().map(|it| self.normal(it)).collect();
        let is_there = |it: &Remote| {
            let own = it.pushes.iter().chain(&it.fetches);
            it.name == remote || own.map(|it| self.normal(it)).any(|it| there.contains(&it))
        };
        let mut found = Destination { addresses, ..Destination::default() };
        let all: Vec<&str> = remotes.iter().map(|it| it.name.as_str()).collect();
        for (remote, head) in remotes.iter().zip(self.remote_heads(&all)?) {
            let is_there = is_there(remote);
            found.is_remote |= is_there;
            let heads = if is_there { &mut found.here } else { &mut found.elsewhere };
            heads.extend(head);
        }
        let own = format!("file://{}", self.common_dir().display());
        found.is_self = there.iter().any(|it| *it == self.normal(&own));
        Ok(found)
    }

    /// The names of all remotes.
    #[must_use]
    pub fn remote_names(&self) -> Vec<String> {
        self.remotes(&Rewrites::read(self)).into_iter().map(|remote| remote.name).collect()
    }

    /// Asks whoever is at `address` for its default branch: `None` if it does not say so within ten
    /// seconds. Nobody is asked for a password. One git child.
    #[must_use]
    pub fn ask_for_head(&self, address: &str) -> Option<String> {
        let mut git = self.git();
        git.args(["-c", "credential.interactive=false", "ls-remote", "--symref", "--"]);
        git.args([address, "HEAD"]);
        self.ask_nobody(&mut git);
        let said = child::within(&mut git, PATIENCE, MAX_ANSWER_BYTES).ok().flatten()?;
        let head =
            said.lines().find_map(|line| line.strip_suffix(b"\tHEAD")?.strip_prefix(b"ref: "));
        let branch = head?.strip_prefix(b"refs/heads/")?.to_str().ok()?;
        (!branch.is_empty()).then(|| branch.to_owned())
    }

    /// Lets a child that talks to a remote ask nobody for a password, on no terminal and in no
    /// window.
    pub(super) fn ask_nobody(&self, git: &mut Command) {
        git.env("GIT_TERMINAL_PROMPT", "0").env("GCM_INTERACTIVE", "never");
        git.env("GIT_ASKPASS", "false").env("SSH_ASKPASS", "false");
        git.env("SSH_ASKPASS_REQUIRE", "force");
        let is_set = |name: &str| self.env.get(name).is_some();
        let by_setting = self.config("core.sshCommand").is_some();
        if !by_setting && !is_set("GIT_SSH_COMMAND") && !is_set("GIT_SSH") {
            git.env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes");
        }
    }

    /// The default branch of each remote as it is known here (`refs/remotes/<remote>/HEAD`); `None`
    /// if it is not, or if what that leads to is not there any more. No child, unless gix does not
    /// see the references.
    fn remote_heads(&self, names: &[&str]) -> Result<Vec<Option<String>>, Failure> {
        let head = |name: &str| format!("{REMOTES}{name}/HEAD");
        let branch = |name: &str, target: &str| {
            let branch = target.strip_prefix(REMOTES)?.strip_prefix(name)?.strip_prefix('/')?;
            Some(branch.to_owned())
        };
        if let Some(gix) = self.open_gix().filter(|_| self.gix_sees_refs) {
            let find = |name: &str| {
                let found = gix.try_find_reference(&*head(name)).ok().flatten()?;
                let target = found.target().try_name()?.to_owned();
                gix.try_find_reference(&target).ok().flatten()?;
                branch(name, &target.as_bstr().to_string())
            };
            return Ok(names.iter().map(|name| find(name)).collect());
        }
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let list = |what: &str, refs: &mut dyn Iterator<Item = String>| {
            let mut git = self.git();
            git.args(["for-each-ref", &format!("--format={what}"), "--"]);
            let listed = child::stdout(git.args(refs))?;
            Ok::<_, Failure>(listed.to_str_lossy().lines().map(str::to_owned).collect::<Vec<_>>())
        };
        let plain = |name: &&&str| !name.contains(['*', '?', '[', '\\', '\0', '\n']);
        let heads =
            list("%(refname) %(symref)", &mut names.iter().filter(plain).map(|it| head(it)))?;
        let target = |name: &str| {
            let line = heads.iter().find_map(|line| line.strip_prefix(&head(name)))?;
            line.strip_prefix(' ').filter(|target| !target.is_empty())
        };
        let mut targets =
            names.iter().filter_map(|name| target(name)).map(str::to_owned).peekable();
        let there = match targets.peek() {
            Some(_) => list("%(refname)", &mut targets)?,
            None => Vec::new(),
        };
        let find = |name: &str| {
            let target = target(name).filter(|target| there.iter().any(|it| it == target))?;
            branch(name, target)
        };
        Ok(names.iter().map(|name| find(name)).collect())
    }

    fn remotes(&self, rewrites: &Rewrites) -> Vec<Remote> {
        let of = |name: String| {
            // An empty value clears those before it.
            let values = |key: &str| {
                let values = self.config_all(&format!("remote.{name}.{key}"));
                let since = values.iter().rposition(String::is_empty).map_or(0, |at| at + 1);
                values[since..].to_vec()
            };
            let (urls, pushes) = (values("url"), values("pushurl"));
            if urls.is_empty() && pushes.is_empty() {
                return None;
            }
            let fetches = urls.iter().map(|url| rewrites.plain(url)).collect();
            let pushes = rewrites.of_pushes(&urls, &pushes);
            Some(Remote { name, pushes, fetches })
        };
        self.configuration().subsections("remote").into_iter().filter_map(of).collect()
    }

    /// An address in the one form that all have that must mean the same.
    fn normal(&self, address: &str) -> String {
        if let Some((scheme, rest)) = address.split_once("://")
            && !scheme.contains(':')
        {
            let scheme = scheme.to_ascii_lowercase();
            let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
            return match &*scheme {
                "file" => self.local(&format!("/{path}")),
                "git+ssh" | "ssh+git" => server("ssh", place, path),
                _ => server(&scheme, place, path),
            };
        }
        // `transport::address` is for its own program to read.
        if address.contains("::") {
            return address.to_owned();
        }
        match address.split_once(':') {
            Some((place, path)) if !place.contains('/') => match path.strip_prefix('/') {
                Some(path) => server("ssh", place, path),
                None if path.starts_with('~') => server("ssh", place, path),
                None => server("ssh", place, &format!("~/{path}")),
            },
            _ => self.local(address),
        }
    }

    /// The directory of the repository that a path means; it counts from where git runs hooks.
    fn local(&self, path: &str) -> String {
        let base = self.worktree().unwrap_or_else(|| self.git_dir());
        let path = base.join(path);
        let found = SUFFIXES.iter().find_map(|suffix| {
            let mut there = path.clone().into_os_string();
            there.push(suffix);
            git_dir(Path::new(&there))
        });
        found.unwrap_or(path).display().to_string()
    }
}

/// The shared directory of the repository whose git directory, or `.git` file, this is.
fn git_dir(path: &Path) -> Option<PathBuf> {
    let dir = match discover::read_gitfile(path) {
        Ok(Some(dir)) => dir,
        Ok(None) | Err(_) => path.to_owned(),
    };
    if !dir.join("HEAD").symlink_metadata().is_ok_and(|meta| !meta.is_dir()) {
        return None;
    }
    let common = std::fs::read(dir.join("commondir")).ok();
    let common = common.map(|common| dir.join(common.trim_ascii_end().to_path_lossy()));
    common.unwrap_or(dir).canonicalize().ok()
}

/// A place on a server. Who logs in there can decide what a path means, unless it is the web.
fn server(scheme: &str, place: &str, path: &str) -> String {
    let (user, host) =
        place.rsplit_once('@').map_or((None, place), |(user, host)| (Some(user), host));
    let default = match scheme {
        "ssh" => ":22",
        "git" => ":9418",
        "http" => ":80",
        "https" => ":443",
        _ => "",
    };
    let host = host.strip_suffix(default).unwrap_or(host).to_ascii_lowercase();
    let user = user.filter(|_| !matches!(scheme, "http" | "https")).map(|user| format!("{user}@"));
    let path = path.trim_end_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/');
    format!("{scheme}://{}{host}/{path}", user.unwrap_or_default())
}
