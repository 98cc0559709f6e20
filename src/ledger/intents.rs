//! The changes of this clone that are on their way, and what became of those that were: files that
//! are made whole or not at all, each under a name that is used once.
//!
//! ```text
//! intent.<nonce>                        a change, before it is pushed and until it is concluded
//! in.<nonce>, out.<nonce>               it is in the chain; it is not, and never will be
//! tip.<seq>.<commit>.<count>.<nonce>    the newest board seen, and this member's last change there
//! ```
//!
//! Nothing is ever replaced: a command that is late can only add what is true. Of several tips that
//! with the highest number is the newest.

use serde::{Deserialize, Serialize};

use super::remote::{CommitId, Prepared};
use crate::error::{Failure, FailureKind};
use crate::record::ledger::{Deed, LedgerEvent, Stamp};
use crate::record::{Process, Token};
use crate::store::CheckedDir;
use crate::store::dir::Dir;
use crate::store::files::{Keep, Step, from_json, temporary_name, tidy, to_json};

/// The most bytes of an intent: its objects hold artifacts that travel in the ledger.
const MAX_INTENT_BYTES: u64 = 64 << 20;

/// The most names in the directory: intents of killed commands, tips and outcomes.
const MAX_NAMES: usize = 100_000;

/// So many outcomes are kept before the eldest are removed. A command asks for that of its own
/// change within its deadline.
const KEPT_OUTCOMES: usize = 1_000;

/// A change on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Intent {
    /// What is to be done.
    pub(super) event: LedgerEvent,
    /// The tip that it was made on; `None` where it begins a ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
    /// Its commit.
    commit: String,
    /// The command that asks for it.
    asker: Process,
    /// The objects of the commit, after the line that holds all of this.
    #[serde(skip)]
    objects: Vec<u8>,
}

impl Intent {
    pub(super) fn new(
        event: LedgerEvent,
        expected: Option<&CommitId>,
        prepared: Prepared,
        asker: Process,
    ) -> Self {
        Self {
            event,
            asker,
            expected: expected.map(|id| id.as_str().to_owned()),
            commit: prepared.id.as_str().to_owned(),
            objects: prepared.objects,
        }
    }

    pub(super) fn nonce(&self) -> &Token {
        &self.event.nonce
    }

    /// Whether it is an empty change, which only decides about others.
    pub(super) const fn is_vouch(&self) -> bool {
        matches!(self.event.deed, Deed::Vouch {})
    }

    /// Whether a commit is its.
    pub(super) fn is_commit(&self, id: &CommitId) -> bool {
        self.commit == id.as_str()
    }

    /// The command that asks for it.
    pub(super) const fn asker(&self) -> &Process {
        &self.asker
    }

    /// The tip that it was made on.
    pub(super) fn expected(&self) -> Option<CommitId> {
        CommitId::parse(self.expected.as_deref()?)
    }

    /// What is pushed.
    pub(super) fn prepared(&self) -> Option<Prepared> {
        let id = CommitId::parse(&self.commit)?;
        Some(Prepared { id, objects: self.objects.clone() })
    }

    /// Reads one; `None` if it is torn or foreign.
    fn read(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let mut intent: Self = from_json(&bytes[..end])?;
        intent.objects = bytes[end + 1..].to_vec();
        let readable = intent.expected.is_none() || intent.expected().is_some();
        (readable && intent.prepared().is_some()).then_some(intent)
    }
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is in the chain.
    In,
    /// It is not, and never will be.
    Out,
}

impl Outcome {
    fn name(self, nonce: &Token) -> String {
        match self {
            Self::In => format!("in.{nonce}"),
            Self::Out => format!("out.{nonce}"),
        }
    }
}

/// The newest board that was seen, and this member's last change on it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Known {
    /// The board's number.
    pub(super) seq: u64,
    /// The commit.
    pub(super) tip: CommitId,
    /// Of this member; `None` while it has made none.
    pub(super) last: Option<(u64, Token)>,
}

impl Known {
    pub(super) fn new(seq: u64, tip: CommitId, last: Option<&Stamp>) -> Self {
        Self { seq, tip, last: last.map(|last| (last.count, last.nonce.clone())) }
    }

    fn name(&self) -> String {
        let Self { seq, tip, last } = self;
        match last {
            Some((count, nonce)) => format!("tip.{seq:020}.{}.{count}.{nonce}", tip.as_str()),
            None => format!("tip.{seq:020}.{}", tip.as_str()),
        }
    }

    fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix("tip.")?.split('.');
        let seq = parts.next()?.parse().ok()?;
        let tip = CommitId::parse(parts.next()?)?;
        let last = match (parts.next(), parts.next(), parts.next()) {
            (None, _, _) => None,
            (Some(count), Some(nonce), None) => Some((count.parse().ok()?, Token::parse(nonce)?)),
            _ => return None,
        };
        let known = Self { seq, tip, last };
        (known.name() == name).then_some(known)
    }
}

/// The directory of one clone's intents.
pub(super) struct Intents<'a, D> {
    dir: &'a CheckedDir<D>,
}

impl<'a, D: Dir> Intents<'a, D> {
    pub(super) const fn new(dir: &'a CheckedDir<D>) -> Self {
        Self { dir }
    }

    /// Writes an intent, durably, under a name that nobody else looks for.
    pub(super) fn write(&self, intent: &Intent, temporary: &Token) -> Result<(), Failure> {
        let mut bytes = to_json(intent)?;
        bytes.extend_from_slice(&intent.objects);
        if bytes.len() as u64 > MAX_INTENT_BYTES {
            let text = format!("a change of {} bytes is too large for a ledger", bytes.len());
            return Err(Failure::new(FailureKind::Usage, text));
        }
        self.gone(self.dir.create(&temporary_name(temporary), &bytes, Keep::Durable)?)
    }

    /// Gives an intent that was written its name, durably. After an error the name may be there.
    pub(super) fn publish(&self, intent: &Intent, temporary: &Token) -> Result<(), Failure> {
        let temporary = temporary_name(temporary);
        let linked = self.dir.link(&temporary, self.dir, &format!("intent.{}", intent.nonce()));
        tidy(self.dir.remove_file(&temporary));
        self.gone(linked?)?;
        self.dir.sync()
    }

    /// The nonces of all intents.
    pub(super) fn nonces(&self) -> Result<Vec<Token>, Failure> {
        let mut nonces: Vec<Token> = self
            .dir
            .list(MAX_NAMES)?
            .iter()
            .filter_map(|entry| Token::parse(entry.name.strip_prefix("intent.")?))
            .collect();
        nonces.sort();
        Ok(nonces)
    }

    /// Reads an intent; `None` if it is concluded.
    pub(super) fn read(&self, nonce: &Token) -> Result<Option<Intent>, Failure> {
        let name = format!("intent.{nonce}");
        let Some(bytes) = self.dir.read(&name, MAX_INTENT_BYTES)? else { return Ok(None) };
        Intent::read(&bytes).filter(|intent| intent.nonce() == nonce).map(Some).ok_or_else(|| {
            let text = format!("'{}/{name}' cannot be understood", self.dir.path());
            Failure::new(FailureKind::Unreadable, text)
        })
    }

    /// Removes just the intent of this nonce.
    pub(super) fn remove(&self, nonce: &Token) -> Result<(), Failure> {
        self.dir.remove_file(&format!("intent.{nonce}")).map(|_| ())
    }

    /// What became of the change `nonce`, if a command has found out.
    pub(super) fn outcome(&self, nonce: &Token) -> Result<Option<Outcome>, Failure> {
        for outcome in [Outcome::In, Outcome::Out] {
            if self.dir.has(&outcome.name(nonce))? {
                return Ok(Some(outcome));
            }
        }
        Ok(None)
    }

    /// Writes down what became of a change.
    pub(super) fn conclude(&self, nonce: &Token, outcome: Outcome) -> Result<(), Failure> {
        self.dir.create_once(&outcome.name(nonce), b"")?;
        self.dir.sync()
    }

    /// The newest board that was seen.
    pub(super) fn known(&self) -> Result<Option<Known>, Failure> {
        // While another command puts a newer one in the place of an older, a listing can miss both.
        for _ in 0..2 {
            let entries = self.dir.list(MAX_NAMES)?;
            let known = entries.iter().filter_map(|entry| Known::parse(&entry.name)).max();
            if known.is_some() {
                return Ok(known);
            }
        }
        Ok(None)
    }

    /// Writes down that `known` was seen, durably, and removes what is older.
    pub(super) fn remember(&self, known: &Known) -> Result<(), Failure> {
        let entries = self.dir.list(MAX_NAMES)?;
        let before = || entries.iter().filter_map(|entry| Known::parse(&entry.name));
        if before().all(|other| other < *known) {
            self.dir.create_once(&known.name(), b"")?;
            self.dir.sync()?;
        }
        let newest = before().max().filter(|newest| newest > known);
        let newest = newest.as_ref().unwrap_or(known);
        for older in before().filter(|other| other < newest) {
            self.dir.remove_file(&older.name())?;
        }
        let outcome = |name: &str| name.starts_with("in.") || name.starts_with("out.");
        let outcomes: Vec<&str> =
            entries.iter().map(|entry| entry.name.as_str()).filter(|name| outcome(name)).collect();
        if outcomes.len() > KEPT_OUTCOMES {
            self.forget_outcomes(&outcomes)?;
        }
        Ok(())
    }

    /// Removes the eldest half of these outcomes.
    fn forget_outcomes(&self, names: &[&str]) -> Result<(), Failure> {
        let mut dated = Vec::with_capacity(names.len());
        for name in names {
            if let Some(stat) = self.dir.stat(name)? {
                dated.push((stat.mtime, *name));
            }
        }
        dated.sort_unstable();
        for (_, name) in &dated[..dated.len() / 2] {
            self.dir.remove_file(name)?;
        }
        Ok(())
    }

    fn gone(&self, step: Step) -> Result<(), Failure> {
        match step {
            Step::Done => Ok(()),
            Step::Gone | Step::Exists => {
                let text = format!("'{}' is being changed by another command", self.dir.path());
                Err(Failure::new(FailureKind::Busy, text))
            }
        }
    }
}
