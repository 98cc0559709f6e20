//! A git server with one ref, and the way to it: a push can be lost, come late, or go unanswered.
//!
//! A push is one step. A fault of that step says what becomes of it: nothing arrives, it arrives
//! and the answer is lost, or (half an effect) it is on its way until [`Ctx::deliver`] brings it.
//! The same goes for a command that is killed while it pushes.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use git_conductor::error::{Failure, FailureKind};
use git_conductor::ledger::{CommitId, Fetched, Link, Prepared, Remote, Swapped};
use git_conductor::record::Token;
use git_conductor::record::ledger::{Deed, LedgerEvent};
use git_conductor::rules::shared::{Shared, apply};

use crate::plan::Effect;
use crate::world::{Ctx, Go, Step};

/// What the server does that no server may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Pushes are forced: the expected tip does not count.
    Force,
}

/// A push: the expected tip, and the new one.
type Push = (Option<CommitId>, CommitId);

/// The server, and every commit that anyone has made.
#[derive(Debug, Clone, Default)]
pub(crate) struct Server {
    commits: BTreeMap<CommitId, (Option<CommitId>, Link)>,
    /// What each clone keeps of them.
    kept: BTreeSet<(&'static str, CommitId)>,
    /// Every value that the ref has had.
    pub(crate) moves: Vec<Option<CommitId>>,
    /// Pushes on their way.
    pub(crate) flying: Vec<Push>,
    /// Changes of this kind are never taken.
    pub(crate) refuses: Option<fn(&Deed) -> bool>,
    /// Every second fetch by this clone is so many changes behind.
    pub(crate) lags: Option<(&'static str, usize)>,
    fetches: usize,
    pub(crate) fault: Fault,
    version: u64,
}

impl Server {
    /// A clone loses what it keeps of the server, as everything in a cache can be lost.
    pub(crate) fn forget(&mut self, clone: &'static str) {
        self.kept.retain(|(keeper, _)| *keeper != clone);
    }

    /// The ref is set back by so many changes, or removed if there are not as many.
    pub(crate) fn rewind(&mut self, by: usize) {
        let before = self.chain().len().checked_sub(by + 1);
        let tip = before.and_then(|at| self.chain().get(at).map(|link| link.id.clone()));
        self.moves.push(tip);
        self.version += 1;
    }

    /// A commit that is not what its event makes of its parent.
    pub(crate) fn intrude(&mut self, member: &str) {
        let Some(tip) = self.tip().cloned() else { return };
        let mut link = self.commits[&tip].1.clone();
        link.event.nonce = Token::from_bytes([0xee; 16]);
        member.clone_into(&mut link.event.by.member);
        link.event.deed = Deed::Vouch {};
        link.shared.board.seq += 1;
        link.shared.board.goal = Some("something else".to_owned());
        link.id = id_of(Some(&tip), &link.event, &link.shared);
        self.moves.push(Some(link.id.clone()));
        self.commits.insert(link.id.clone(), (Some(tip), link));
        self.version += 1;
    }

    /// Grows with every change.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn tip(&self) -> Option<&CommitId> {
        self.moves.last()?.as_ref()
    }

    /// The commits from the first to `tip`.
    fn chain_to(&self, tip: Option<&CommitId>) -> Vec<&Link> {
        let mut chain = Vec::new();
        let mut at = tip;
        while let Some((parent, link)) = at.and_then(|id| self.commits.get(id)) {
            chain.push(link);
            at = parent.as_ref();
        }
        chain.reverse();
        chain
    }

    /// The commits of the ledger.
    pub(crate) fn chain(&self) -> Vec<&Link> {
        self.chain_to(self.tip())
    }

    /// The board at the tip.
    pub(crate) fn board(&self) -> Option<&Shared> {
        self.commits.get(self.tip()?).map(|(_, link)| &link.shared)
    }

    fn take(&mut self, (expected, new): &Push) -> Swapped {
        let refused = |words: &str| Swapped::Refused(words.to_owned());
        let deed = &self.commits[new].1.event.deed;
        if self.refuses.is_some_and(|refuses| refuses(deed)) {
            return refused("pre-receive hook declined");
        }
        if self.tip() == Some(new) {
            return Swapped::In;
        }
        if self.tip() != expected.as_ref() && self.fault != Fault::Force {
            return refused("stale info");
        }
        self.moves.push(Some(new.clone()));
        self.version += 1;
        Swapped::In
    }

    /// Brings every push that is on its way.
    pub(crate) fn deliver_all(&mut self) {
        for push in std::mem::take(&mut self.flying) {
            self.take(&push);
        }
    }

    /// Whether every commit is what its event makes of its parent, and no value came twice.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut before: Option<&Shared> = None;
        for link in self.chain() {
            let made = apply(before, &link.event);
            if made.as_ref() != Ok(&link.shared) {
                return Err(format!("L3: {:?} makes {made:?}", link.event));
            }
            before = Some(&link.shared);
        }
        let mut values = self.moves.clone();
        values.sort();
        values.dedup();
        if values.len() == self.moves.len() {
            Ok(())
        } else {
            Err("L1: a value of the ref came twice".to_owned())
        }
    }
}

/// The id of a commit: of all that it is made of.
fn id_of(parent: Option<&CommitId>, event: &LedgerEvent, shared: &Shared) -> CommitId {
    let mut hasher = DefaultHasher::new();
    (parent, event, &shared.board, shared.members.len()).hash(&mut hasher);
    CommitId::parse(&format!("{:016x}{:024x}", hasher.finish(), shared.board.seq)).unwrap()
}

/// The way to the server from one clone.
pub(crate) struct SimRemote<'y> {
    pub(crate) ctx: Ctx<'y>,
    pub(crate) clone: &'static str,
}

impl Remote for SimRemote<'_> {
    fn prepare(
        &self,
        parent: Option<&CommitId>,
        event: &LedgerEvent,
        shared: &Shared,
    ) -> Result<Prepared, Failure> {
        let id = id_of(parent, event, shared);
        let link = Link { id: id.clone(), event: event.clone(), shared: shared.clone() };
        let mut server = self.ctx.shared.server.borrow_mut();
        server.kept.insert((self.clone, id.clone()));
        server.commits.insert(id.clone(), (parent.cloned(), link));
        Ok(Prepared { id, objects: b"objects".to_vec() })
    }

    fn read(&self, id: &CommitId) -> Result<Option<Link>, Failure> {
        let server = self.ctx.shared.server.borrow();
        let is_kept = server.kept.contains(&(self.clone, id.clone()));
        Ok(server.commits.get(id).filter(|_| is_kept).map(|(_, link)| link.clone()))
    }

    fn fetch(&self, known: Option<&CommitId>) -> Result<Fetched, Failure> {
        match self.ctx.step(Step::Look, |_| "fetch".to_owned()) {
            Go::Run => {}
            Go::Fail(errno, _) => {
                self.ctx.answer(Err(errno));
                return Err(Failure::new(FailureKind::Io, "the server cannot be asked"));
            }
            Go::Dead => return Err(Failure::new(FailureKind::Io, "dead")),
        }
        let mut server = self.ctx.shared.server.borrow_mut();
        server.fetches += 1;
        let lags = server
            .lags
            .filter(|(clone, _)| *clone == self.clone && server.fetches.is_multiple_of(2));
        let lag = lags.map_or(0, |(_, lag)| lag);
        let seen = server.moves.len().saturating_sub(lag + 1);
        let tip = server.moves.get(seen).cloned().flatten();
        let fetched = match (&tip, known) {
            (None, _) => Fetched::Absent,
            (Some(tip), Some(known)) if tip == known => Fetched::Same,
            (Some(_), known) => {
                let chain = server.chain_to(tip.as_ref());
                match known {
                    None => chain
                        .last()
                        .map_or(Fetched::Absent, |link| Fetched::First(Box::new((*link).clone()))),
                    Some(known) => {
                        let before = server.chain_to(Some(known));
                        let at = chain.iter().position(|link| link.id == *known);
                        if let Some(at) = at {
                            Fetched::Ahead(chain[at + 1..].iter().copied().cloned().collect())
                        } else if before.iter().any(|link| Some(&link.id) == tip.as_ref()) {
                            Fetched::Behind
                        } else {
                            Fetched::Foreign
                        }
                    }
                }
            }
        };
        let seen = match &fetched {
            Fetched::First(link) => vec![link.id.clone()],
            Fetched::Ahead(chain) => chain.iter().map(|link| link.id.clone()).collect(),
            Fetched::Absent | Fetched::Same | Fetched::Behind | Fetched::Foreign => Vec::new(),
        };
        server.kept.extend(seen.into_iter().map(|id| (self.clone, id)));
        self.ctx.answer(Ok(match &fetched {
            Fetched::Absent => "absent",
            Fetched::First(_) => "first",
            Fetched::Same => "same",
            Fetched::Ahead(_) => "ahead",
            Fetched::Behind => "behind",
            Fetched::Foreign => "foreign",
        }));
        Ok(fetched)
    }

    fn swap(&self, expected: Option<&CommitId>, new: &Prepared) -> Swapped {
        let push = (expected.cloned(), new.id.clone());
        let unknown = || Swapped::Unknown("the connection was lost".to_owned());
        let go = self.ctx.step(Step::Write, |_| format!("push {}", new.id.as_str()));
        let mut server = self.ctx.shared.server.borrow_mut();
        let swapped = match go {
            Go::Run => server.take(&push),
            Go::Dead | Go::Fail(_, Effect::None) => unknown(),
            Go::Fail(_, Effect::Full) => {
                server.take(&push);
                unknown()
            }
            Go::Fail(_, Effect::Half) => {
                server.flying.push(push);
                unknown()
            }
        };
        drop(server);
        self.ctx.answer(Ok(match &swapped {
            Swapped::In => "in",
            Swapped::Refused(_) => "refused",
            Swapped::Unknown(_) => "unknown",
        }));
        swapped
    }
}

impl Ctx<'_> {
    /// Brings the push that has been on its way for longest, as one step: a command of its own for
    /// a network that delays.
    pub(crate) fn deliver(&self) {
        if self.step(Step::Other, |_| "a push arrives".to_owned()) == Go::Run {
            let mut server = self.shared.server.borrow_mut();
            if !server.flying.is_empty() {
                let push = server.flying.remove(0);
                server.take(&push);
            }
        }
    }
}
