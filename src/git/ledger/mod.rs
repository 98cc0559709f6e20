//! The ledger on a git server: objects are written and boards read in process, `git push` moves
//! the ref and `git fetch` looks at it.
//!
//! All of it happens in a repository of its own (`cache`): a fetch into the user's would make
//! that shallow and show up in `git log --all`, and the user's settings are about other pushes. The
//! user's repository is only asked, for settings and for the name of the author.
//!
//! Whoever may push to the server writes what is read here: `content` says what is believed.

mod bundle;
mod cache;
mod chain;
mod content;
mod quiet;
mod server;
mod settings;

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use gix::ObjectId;

use self::cache::{Cache, Open};
use self::content::{Idents, Trouble};
use self::server::{Depth, Server, State};
use super::child;
use super::repo::Repo;
use crate::error::{Failure, FailureKind};
use crate::ledger::{CommitId, Fetched, Link, Prepared, Remote, Swapped};
use crate::record::ledger::LedgerEvent;
use crate::rules::shared::Shared;

/// The ref of a ledger where nothing else is set.
pub const REFERENCE: &str = "refs/conductor/ledger";

/// So often a fetch is tried that other commands here stand in the way of.
const MAX_TRIES: u32 = 10;

/// Who is named where git does not know whom to name.
const NOBODY: &[u8] = b"git-conductor <git-conductor@localhost>";

/// Where a ledger is, and how it is asked for.
#[derive(Debug, Clone)]
pub struct Place {
    /// The name of a remote, or an address.
    pub remote: String,
    /// The full name of the ref there.
    pub reference: String,
    /// The ledger's own repository here, which is made when it is missing.
    pub cache: PathBuf,
    /// So long each child may take.
    pub patience: Duration,
    /// Whether a person is there whom git and ssh may ask for a password.
    pub is_attended: bool,
}

/// The one place where a ledger is read and written.
pub struct Home {
    repo: Repo,
    cache: Cache,
    server: Server,
    idents: OnceCell<Idents>,
}

impl Home {
    /// The one at `place`, as `repo` gets there. Asks nobody.
    ///
    /// # Errors
    /// [`FailureKind::Usage`] for a ref that git could not have, and what [`Repo::sharing`] says.
    pub fn new(repo: &Repo, place: &Place) -> Result<Self, Failure> {
        let Place { remote, reference, cache, patience, is_attended } = place;
        let is_valid = gix::validate::reference::name(reference.as_str().into()).is_ok();
        if !is_valid || !reference.starts_with("refs/") {
            let text = format!("'{reference}' is no full name of a ref");
            return Err(Failure::new(FailureKind::Usage, text));
        }
        Ok(Self {
            repo: repo.clone(),
            cache: Cache::new(cache, repo.hash_kind(), repo.sharing()?),
            server: Server::new(repo, remote, reference, cache, *patience, *is_attended),
            idents: OnceCell::new(),
        })
    }

    /// The one address, as git goes there; it may hold a password. Two git children, once.
    ///
    /// # Errors
    /// [`FailureKind::Usage`] if there is no such remote, or it has several addresses.
    pub fn address(&self) -> Result<&str, Failure> {
        self.server.settings().map(|settings| settings.address.as_str())
    }

    fn open(&self) -> Result<Open, Failure> {
        self.cache.open_or_make(|path| self.server.init(path, self.cache.hash()))
    }

    /// Fetches, and keeps what was fetched as a tip.
    fn get(&self, source: Option<&str>, depth: Depth) -> Result<Option<ObjectId>, Trouble> {
        let mut tries = 0;
        loop {
            self.open()?;
            let (name, before) = (quiet::unused_name(), self.cache.identity());
            let lock = self.cache.lock(depth != Depth::New);
            let fetched = self.server.fetch(source, depth, &name);
            drop(lock);
            let failure = match fetched {
                Ok(None) => return Ok(None),
                Ok(Some(tip)) => {
                    // Without it a later fetch brings more than it need.
                    self.cache.keep_tip(&name, tip).ok();
                    return Ok(Some(tip));
                }
                Err(failure) => failure,
            };
            tries += 1;
            let now = self.cache.identity();
            let is_replaced = now.is_none() || now != before;
            // Its words decide nothing but that.
            let is_disturbed = is_replaced || failure.to_string().contains("shallow");
            if !matches!(failure.kind, FailureKind::Git | FailureKind::Io) {
                return Err(Trouble::Failed(failure));
            }
            match self.server.state() {
                // Another command was at work there, or has thrown it away.
                State::Locked if tries < MAX_TRIES => {}
                State::Fine if is_disturbed && tries < MAX_TRIES => {}
                State::Broken if is_replaced && tries < MAX_TRIES => {}
                State::Broken => return Err(Trouble::Broken(failure.to_string())),
                State::Locked | State::Fine => return Err(Trouble::Failed(failure)),
            }
        }
    }

    /// Acts, and once more with a new cache if this one is damaged.
    fn retry_with_new_cache<T>(&self, act: impl Fn() -> Result<T, Trouble>) -> Result<T, Trouble> {
        match act() {
            Err(Trouble::Broken(_)) => {
                self.cache.discard()?;
                act()
            }
            done => done,
        }
    }

    fn fetch_once(&self, known: Option<&CommitId>) -> Result<Fetched, Trouble> {
        let wanted = known.map(id);
        if self.cache.is_crowded() {
            self.cache.discard()?;
        }
        let mut depths = vec![Depth::Latest(1)];
        if let Some(wanted) = wanted {
            if self.open()?.has(wanted) {
                depths[0] = Depth::New;
            }
            depths.extend([Depth::Latest(chain::FIRST_DEPTH), Depth::Whole]);
        }
        for depth in depths {
            let Some(tip) = self.get(None, depth)? else { return Ok(Fetched::Absent) };
            let open = self.open()?;
            let missing = || Trouble::Broken(format!("object {tip} is missing"));
            let link = content::link(&open, tip)?.ok_or_else(missing)?;
            let Some(wanted) = wanted else { return Ok(Fetched::First(Box::new(link))) };
            if tip == wanted {
                return Ok(Fetched::Same);
            }
            match chain::between(&open, wanted, tip)? {
                chain::Way::Leads(way) => return Ok(Fetched::Ahead(chain::links(&open, &way)?)),
                chain::Way::Ends => return self.older_or_foreign(wanted, tip, &link),
                // More of it is needed.
                chain::Way::Breaks => {}
            }
        }
        let text = "the server does not have the whole chain of the ledger";
        Err(Failure::new(FailureKind::Git, text).into())
    }

    /// What a tip is that `wanted` does not lead to.
    fn older_or_foreign(
        &self,
        wanted: ObjectId,
        tip: ObjectId,
        link: &Link,
    ) -> Result<Fetched, Trouble> {
        let way = |open: &Open| {
            let way = chain::between(open, tip, wanted)?;
            Ok::<_, Trouble>(match way {
                chain::Way::Leads(_) => Some(Fetched::Behind),
                chain::Way::Ends => Some(Fetched::Foreign),
                chain::Way::Breaks => None,
            })
        };
        if let Some(told) = way(&self.open()?)? {
            return Ok(told);
        }
        // Only the latest part of the chain was ever fetched. A server that has more of it may give
        // it, although no ref leads there.
        if self.get(Some(&wanted.to_string()), Depth::Whole).is_ok()
            && let Some(told) = way(&self.open()?)?
        {
            return Ok(told);
        }
        // Else the boards tell: one of the same ledger that is older than the oldest kept here.
        let oldest = chain::oldest(&self.open()?, wanted)?;
        let is_older = oldest.is_some_and(|oldest| {
            oldest.board.ledger == link.shared.board.ledger
                && link.shared.board.seq < oldest.board.seq
        });
        Ok(if is_older { Fetched::Behind } else { Fetched::Foreign })
    }

    /// Sees to it that all of a change is there, and that its parent is.
    fn restore(&self, expected: Option<ObjectId>, new: &Prepared) -> Result<(), Trouble> {
        let made = bundle::read(self.cache.hash(), &new.objects)?;
        // Wherever the ref is by now, it most likely comes from there.
        for depth in [Depth::Latest(1), Depth::Latest(chain::FIRST_DEPTH), Depth::Whole] {
            let open = self.open()?;
            match expected {
                Some(expected) if content::link(&open, expected)?.is_none() => {}
                Some(_) | None => break,
            }
            self.get(None, depth)?;
        }
        let open = self.open()?;
        open.write(&made)?;
        for id in expected.into_iter().chain([id(&new.id)]) {
            // What nobody could read is not pushed.
            content::link(&open, id)?.ok_or_else(|| {
                let text = format!("commit {id} is not kept here any more");
                Failure::new(FailureKind::Git, text)
            })?;
        }
        Ok(())
    }

    /// Who is named as author and committer, as git would in the user's repository. Two git
    /// children, once.
    fn idents(&self) -> &Idents {
        self.idents.get_or_init(|| {
            let ident = |what: &str| {
                let said = child::stdout(self.repo.git().args(["var", what])).ok()?;
                let end = said.iter().rposition(|byte| *byte == b'>')?;
                let ident = said.get(..=end)?.to_vec();
                // One line, and no byte that ends a commit's head.
                let is_plain = ident.iter().all(|byte| !matches!(byte, b'\0' | b'\n'));
                is_plain.then_some(ident)
            };
            let ident = |what| ident(what).unwrap_or_else(|| NOBODY.to_vec());
            Idents { author: ident("GIT_AUTHOR_IDENT"), committer: ident("GIT_COMMITTER_IDENT") }
        })
    }
}

impl Remote for Home {
    fn prepare(
        &self,
        parent: Option<&CommitId>,
        event: &LedgerEvent,
        shared: &Shared,
    ) -> Result<Prepared, Failure> {
        let parent = parent.map(id);
        let hash = self.cache.hash();
        let (commit, made) = content::make(hash, parent, event, shared, self.idents())?;
        let prepared = self.retry_with_new_cache(|| {
            let open = self.open()?;
            let kept = match parent {
                Some(parent) => content::kept(&open, parent)?,
                None => BTreeSet::new(),
            };
            open.write(&made)?;
            Ok(bundle::write(&made, &kept))
        })?;
        Ok(Prepared { id: commit_id(commit)?, objects: prepared })
    }

    fn read(&self, id: &CommitId) -> Result<Option<Link>, Failure> {
        let Some(open) = self.cache.open() else { return Ok(None) };
        match content::link(&open, self::id(id)) {
            Ok(link) => Ok(link),
            // What is not whole is not kept.
            Err(Trouble::Broken(_)) => Ok(None),
            Err(trouble) => Err(trouble.into()),
        }
    }

    fn fetch(&self, known: Option<&CommitId>) -> Result<Fetched, Failure> {
        Ok(self.retry_with_new_cache(|| self.fetch_once(known))?)
    }

    fn swap(&self, expected: Option<&CommitId>, new: &Prepared) -> Swapped {
        let expected = expected.map(id);
        let push = || {
            let pushed =
                self.retry_with_new_cache(|| self.restore(expected, new)).map_err(Failure::from);
            match pushed.and_then(|()| self.server.push(expected, id(&new.id))) {
                Ok(swapped) => swapped,
                Err(failure) => Swapped::Unknown(failure.to_string()),
            }
        };
        let swapped = push();
        let is_unknown = matches!(swapped, Swapped::Unknown(_));
        // It may not be for the server that git could not do it.
        let is_broken = || self.server.state() == State::Broken;
        if is_unknown && is_broken() && self.cache.discard().is_ok() {
            return push();
        }
        swapped
    }
}

/// An id in the form of gix. An invalid one becomes the null id, which no object has.
fn id(id: &CommitId) -> ObjectId {
    ObjectId::from_hex(id.as_str().as_bytes())
        .unwrap_or_else(|_| ObjectId::null(gix::hash::Kind::Sha1))
}

fn commit_id(id: ObjectId) -> Result<CommitId, Failure> {
    CommitId::parse(&id.to_string())
        .ok_or_else(|| Failure::new(FailureKind::Bug, "the id of a commit cannot be read"))
}
