//! How a change gets into a ledger, and how it is found out whether one did.
//!
//! A push that was cut can land seconds later, so one look at the server proves only that a change
//! is in. That it is not, and never will be, is proved by another commit on the tip that it was
//! made on: of all changes on one tip one can land. What is not decided stays as an intent, and the
//! next command of the clone decides it.

use jiff::Timestamp;

use super::intents::{Intent, Intents, Known, Outcome};
use super::remote::{CommitId, Fetched, Link, Remote, Swapped};
use super::site::Site;
use crate::error::{Failure, FailureKind};
use crate::record::Token;
use crate::record::ledger::{Agent, Deed, LedgerEvent, RULES, Stamp};
use crate::rules::Change;
use crate::rules::shared::{Denied, Shared, apply, change};

/// What the next event of a member has to name.
#[derive(Debug, Clone)]
pub struct Next {
    /// Its nonce.
    pub nonce: Token,
    /// The member's last change; `None` if it has made none.
    pub after: Option<Stamp>,
    /// What time it is.
    pub at: Timestamp,
}

/// What is asked: the event on a board, which is `None` where there is no ledger.
pub type Ask<'a> = &'a dyn Fn(Option<&Shared>, Next) -> Result<LedgerEvent, Failure>;

/// What became of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It is in the chain; the board that it made.
    Done(Box<Shared>),
    /// The board is so already; nothing was changed.
    Already(Change, Box<Shared>),
    /// The rules say no; nothing was pushed, or nothing that can land any more.
    No(Denied, Option<Box<Shared>>),
    /// It may be in or not; the next command of this clone finds out.
    Unknown(String),
    /// Nothing can be changed now, and nothing was.
    Stuck(Stuck),
}

/// Why nothing can be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stuck {
    /// Other changes were faster, for as long as there was time.
    Contended,
    /// The server shows an older board than was seen before.
    Behind,
    /// The ref is gone, or another one.
    Rewound,
    /// A commit is not what its event makes of its parent.
    Invalid(CommitId),
    /// This clone's member has changed the board from elsewhere: one of the two is a copy.
    Copied,
    /// Rules of a later version are in force: their number.
    Newer(u32),
}

/// What was found out about a change.
enum Fate {
    /// It is in the chain.
    In,
    /// It is not, and never will be.
    Out,
    /// Neither is proved; what stood in the way.
    Undecided(String),
}

/// The newest board, and what is still on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct Synced {
    /// The board; `None` where there is no ledger.
    pub shared: Option<Shared>,
    /// What keeps changes of this clone from being decided.
    pub undecided: Vec<String>,
}

/// The tip of the ledger.
struct Tip {
    id: CommitId,
    shared: Shared,
}

/// A ledger, as one command of one clone uses it.
pub struct Ledger<'a, S: Site> {
    site: &'a S,
    intents: Intents<'a, S::Dir>,
}

impl<'a, S: Site> Ledger<'a, S> {
    /// The ledger of `site`.
    #[must_use]
    pub fn new(site: &'a S) -> Self {
        Self { site, intents: Intents::new(site.dir()) }
    }

    /// Makes the change that `ask` gives, on the newest board.
    ///
    /// # Errors
    /// The store or the server cannot be asked, and nothing was changed.
    pub fn change(&self, ask: Ask<'_>) -> Result<Answer, Failure> {
        self.site.alone(|| self.change_alone(ask))?
    }

    /// Finds out what became of every change that is on its way, and gives the newest board.
    ///
    /// # Errors
    /// The store or the server cannot be asked.
    pub fn sync(&self) -> Result<Result<Synced, Stuck>, Failure> {
        self.site.alone(|| {
            let undecided = self.settle()?;
            let shared = |tip: Option<Tip>| tip.map(|tip| tip.shared);
            Ok(self.look()?.map(|tip| Synced { shared: shared(tip), undecided }))
        })?
    }

    fn change_alone(&self, ask: Ask<'_>) -> Result<Answer, Failure> {
        for attempt in 0.. {
            // What stays undecided stops nothing: if it was made on the tip that this change is
            // made on, of the two one can land, and else it is decided.
            self.settle()?;
            let tip = match self.look()? {
                Ok(tip) => tip,
                Err(stuck) => return Ok(Answer::Stuck(stuck)),
            };
            let (expected, shared) = match &tip {
                Some(tip) => (Some(&tip.id), Some(&tip.shared)),
                None => (None, None),
            };
            let event = ask(shared, self.next(shared)?)?;
            let boxed = || shared.cloned().map(Box::new);
            if let Some(shared) = shared {
                match change(shared, &event) {
                    Err(denied) => return Ok(Answer::No(denied, boxed())),
                    Ok(Some(same @ (Change::Renew | Change::Confirm | Change::Nothing))) => {
                        return Ok(Answer::Already(same, Box::new(shared.clone())));
                    }
                    Ok(_) => {}
                }
            }
            let after = match apply(shared, &event) {
                Ok(after) => after,
                Err(denied) => return Ok(Answer::No(denied, boxed())),
            };
            if !S::DEFENCES.ledger_first {
                self.site.landed(&event, &after)?;
            }
            let (intent, temporary) = self.intend(event, expected, &after)?;
            // From here on an error does not say that nothing was changed.
            match self.push(&intent, &temporary, &after) {
                Ok(Fate::In) => return Ok(Answer::Done(Box::new(after))),
                Ok(Fate::Out) => {}
                Ok(Fate::Undecided(why)) => return Ok(Answer::Unknown(why)),
                Err(failure) => return Ok(Answer::Unknown(failure.to_string())),
            }
            if self.site.is_late() {
                break;
            }
            self.site.pause(attempt);
        }
        Ok(Answer::Stuck(Stuck::Contended))
    }

    fn next(&self, shared: Option<&Shared>) -> Result<Next, Failure> {
        let after = shared.and_then(|shared| self.last_on(shared)).cloned();
        Ok(Next { nonce: self.site.nonce()?, after, at: self.site.now() })
    }

    /// This member's last change on a board.
    fn last_on<'b>(&self, shared: &'b Shared) -> Option<&'b Stamp> {
        shared.members.get(self.site.member()).map(|member| &member.last)
    }

    /// Makes the commit of `event`, and writes it where only this command looks.
    fn intend(
        &self,
        event: LedgerEvent,
        expected: Option<&CommitId>,
        after: &Shared,
    ) -> Result<(Intent, Token), Failure> {
        let prepared = self.site.remote().prepare(expected, &event, after)?;
        let intent = Intent::new(event, expected, prepared, self.site.process());
        let temporary = self.site.nonce()?;
        self.intents.write(&intent, &temporary)?;
        Ok((intent, temporary))
    }

    /// Publishes a change, pushes it, finds out what became of it, and concludes that.
    fn push(&self, intent: &Intent, temporary: &Token, after: &Shared) -> Result<Fate, Failure> {
        self.intents.publish(intent, temporary)?;
        let fate = match self.swap(intent)? {
            Swapped::In => Fate::In,
            Swapped::Refused(_) if !S::DEFENCES.words_prove_nothing => Fate::Out,
            Swapped::Refused(why) | Swapped::Unknown(why) => self.resolve(intent, why)?,
        };
        match fate {
            Fate::In => self.conclude_in(intent, after)?,
            Fate::Out => self.conclude_out(intent)?,
            Fate::Undecided(_) => {}
        }
        Ok(fate)
    }

    fn swap(&self, intent: &Intent) -> Result<Swapped, Failure> {
        let prepared = intent.prepared().ok_or_else(|| {
            Failure::new(FailureKind::Bug, "an intent without a commit has been read")
        })?;
        Ok(self.site.remote().swap(intent.expected().as_ref(), &prepared))
    }

    /// Finds out what became of a change; `why` says what stood in the way of its push.
    fn resolve(&self, intent: &Intent, mut why: String) -> Result<Fate, Failure> {
        for attempt in 0.. {
            match self.look_for(intent)? {
                Fate::Undecided(words) if words.is_empty() => {}
                Fate::Undecided(words) => why = words,
                fate @ (Fate::In | Fate::Out) => return Ok(fate),
            }
            if self.site.is_late() {
                break;
            }
            if attempt > 0 {
                self.site.pause(attempt);
            }
            let again = if S::DEFENCES.same_commit_again {
                self.swap(intent)?
            } else {
                return self.made_anew(intent);
            };
            match again {
                Swapped::In => return Ok(Fate::In),
                Swapped::Refused(words) | Swapped::Unknown(words) => why = words,
            }
        }
        Ok(Fate::Undecided(why))
    }

    /// Only to show that the checker notices: another commit in the place of one that is undecided.
    fn made_anew(&self, intent: &Intent) -> Result<Fate, Failure> {
        let mut event = intent.event.clone();
        event.nonce = self.site.nonce()?;
        let expected = intent.expected();
        let Some(shared) = self.read(expected.as_ref())? else { return Ok(Fate::Out) };
        let Ok(after) = apply(Some(&shared), &event) else { return Ok(Fate::Out) };
        let other = Intent::new(
            event.clone(),
            expected.as_ref(),
            self.site.remote().prepare(expected.as_ref(), &event, &after)?,
            self.site.process(),
        );
        Ok(match self.swap(&other)? {
            Swapped::In => Fate::In,
            Swapped::Refused(_) | Swapped::Unknown(_) => self.look_for(&other)?,
        })
    }

    /// Looks once whether a change is in; undecided without words where it is not yet.
    fn look_for(&self, intent: &Intent) -> Result<Fate, Failure> {
        let nonce = intent.nonce();
        let expected = intent.expected();
        let fetched = match self.site.remote().fetch(expected.as_ref()) {
            Ok(fetched) => fetched,
            Err(failure) => return Ok(Fate::Undecided(failure.to_string())),
        };
        // Read after the server was asked: who found out may have asked another copy of it.
        match self.intents.outcome(nonce)? {
            Some(Outcome::In) => return Ok(Fate::In),
            Some(Outcome::Out) => return Ok(Fate::Out),
            None => {}
        }
        let undecided = |words: &str| Ok(Fate::Undecided(words.to_owned()));
        match fetched {
            Fetched::Same | Fetched::Absent if !S::DEFENCES.look_proves_only_in => Ok(Fate::Out),
            Fetched::Behind if !S::DEFENCES.older_proves_nothing => Ok(Fate::Out),
            // A tip has one child.
            Fetched::Ahead(chain) => match chain.first() {
                Some(child) if intent.is_commit(&child.id) => Ok(Fate::In),
                Some(_) => Ok(Fate::Out),
                None => undecided("the server was not understood"),
            },
            // The first of all: what begins a ledger is not in a chain that another began.
            Fetched::First(link) if expected.is_none() => {
                let is_ours = matches!(&intent.event.deed, Deed::Share { ledger, .. }
                    if link.shared.board.ledger == *ledger);
                Ok(if is_ours { Fate::In } else { Fate::Out })
            }
            Fetched::Same => undecided(""),
            Fetched::Absent if expected.is_none() => undecided(""),
            Fetched::Absent => undecided("the server has no ledger"),
            Fetched::Behind => undecided("the server shows an older board"),
            Fetched::First(_) | Fetched::Foreign => undecided("the server has another ledger"),
        }
    }

    /// Writes down that a change is in, lets the store follow, and forgets the intent. Of the board
    /// no more is taken as seen than what the change itself made.
    fn conclude_in(&self, intent: &Intent, made: &Shared) -> Result<(), Failure> {
        self.intents.conclude(intent.nonce(), Outcome::In)?;
        self.site.landed(&intent.event, made)?;
        if let Some(prepared) = intent.prepared() {
            let known = Known::new(made.board.seq, prepared.id, self.last_on(made));
            self.intents.remember(&known)?;
        }
        self.remove(intent)
    }

    fn conclude_out(&self, intent: &Intent) -> Result<(), Failure> {
        self.intents.conclude(intent.nonce(), Outcome::Out)?;
        self.remove(intent)
    }

    fn remove(&self, intent: &Intent) -> Result<(), Failure> {
        if S::DEFENCES.conclude_own {
            return self.intents.remove(intent.nonce());
        }
        self.intents.nonces()?.iter().try_for_each(|nonce| self.intents.remove(nonce))
    }

    /// The board that a change makes; `None` where nothing is kept that tells.
    fn made_by(&self, intent: &Intent) -> Result<Option<Shared>, Failure> {
        let commit = intent.prepared().map(|prepared| prepared.id);
        if let Some(made) = self.read(commit.as_ref())? {
            return Ok(Some(made));
        }
        let before = self.read(intent.expected().as_ref())?;
        let begins = intent.expected().is_none();
        Ok((begins || before.is_some())
            .then(|| apply(before.as_ref(), &intent.event).ok())
            .flatten())
    }

    fn read(&self, id: Option<&CommitId>) -> Result<Option<Shared>, Failure> {
        let Some(id) = id else { return Ok(None) };
        Ok(self.site.remote().read(id)?.map(|link| link.shared))
    }

    /// Decides what can be decided of the changes of this clone that are on their way; what keeps
    /// the others from it.
    fn settle(&self) -> Result<Vec<String>, Failure> {
        let mut intents = Vec::new();
        for nonce in self.intents.nonces()? {
            intents.extend(self.intents.read(&nonce)?);
        }
        // One empty change on a tip is enough to decide all others on it.
        intents.sort_by_key(|intent| !intent.is_vouch());
        let mut undecided = Vec::new();
        let mut vouched = Vec::new();
        for intent in intents {
            let expected = intent.expected();
            let Some(why) = self.settle_one(&intent, !vouched.contains(&expected))? else {
                continue;
            };
            undecided.push(why);
            vouched.push(expected);
        }
        Ok(undecided)
    }

    fn settle_one(&self, intent: &Intent, may_vouch: bool) -> Result<Option<String>, Failure> {
        let mut fate = self.look_for(intent)?;
        let is_open = |fate: &Fate| matches!(fate, Fate::Undecided(words) if words.is_empty());
        // Nobody waits any more for what a command asked for that has ended.
        if is_open(&fate) && !self.site.has_ended(intent.asker()) {
            fate = match self.swap(intent)? {
                Swapped::In => Fate::In,
                Swapped::Refused(_) | Swapped::Unknown(_) => self.look_for(intent)?,
            };
        }
        if is_open(&fate) && may_vouch && S::DEFENCES.decide_by_vouch {
            fate = self.vouch(intent)?;
        }
        match fate {
            Fate::In => match self.made_by(intent)? {
                Some(made) => self.conclude_in(intent, &made)?,
                None => return Ok(Some("the board that it made is not kept here".to_owned())),
            },
            Fate::Out => self.conclude_out(intent)?,
            Fate::Undecided(why) => return Ok(Some(why)),
        }
        Ok(None)
    }

    /// Puts an empty change on the tip that `intent` was made on, and looks again. That cannot be
    /// where there was no tip, where this clone was no member, or where the tip is not kept.
    fn vouch(&self, intent: &Intent) -> Result<Fate, Failure> {
        let cannot = || Ok(Fate::Undecided("the server does not take it".to_owned()));
        let expected = intent.expected();
        let Some(expected) = expected.filter(|_| !intent.is_vouch()) else { return cannot() };
        let Some(Link { shared, .. }) = self.reread(&expected)? else { return cannot() };
        let Next { nonce, after, at } = self.next(Some(&shared))?;
        let by = Agent { member: self.site.member().to_owned(), ..Agent::default() };
        let event = LedgerEvent::new(by, nonce, after, at, Deed::Vouch {});
        let Ok(board) = apply(Some(&shared), &event) else { return cannot() };
        let (vouch, temporary) = self.intend(event, Some(&expected), &board)?;
        if let Fate::Undecided(why) = self.push(&vouch, &temporary, &board)? {
            return Ok(Fate::Undecided(why));
        }
        self.look_for(intent)
    }

    /// Asks the server for the newest board, and holds it against what was seen before.
    fn look(&self) -> Result<Result<Option<Tip>, Stuck>, Failure> {
        let known = self.intents.known()?;
        let remote = self.site.remote();
        let tip = match (remote.fetch(known.as_ref().map(|known| &known.tip))?, &known) {
            (Fetched::Absent, None) => return Ok(Ok(None)),
            (Fetched::First(link), None) if link.shared.is_sound() => *link,
            (Fetched::First(link), None) => return Ok(Err(Stuck::Invalid(link.id))),
            (Fetched::Same, Some(known)) => match self.reread(&known.tip)? {
                Some(link) => link,
                None => return Ok(Err(Stuck::Behind)),
            },
            (Fetched::Ahead(chain), Some(known)) => match self.check(known, chain)? {
                Ok(link) => link,
                Err(stuck) => return Ok(Err(stuck)),
            },
            (Fetched::Behind, _) => return Ok(Err(Stuck::Behind)),
            _ => return Ok(Err(Stuck::Rewound)),
        };
        let Link { id, shared, .. } = tip;
        if shared.board.rules > RULES {
            return Ok(Err(Stuck::Newer(shared.board.rules)));
        }
        if let Some(last) = self.last_on(&shared)
            && !self.is_own(last)?
        {
            return Ok(Err(Stuck::Copied));
        }
        self.intents.remember(&Known::new(shared.board.seq, id.clone(), self.last_on(&shared)))?;
        Ok(Ok(Some(Tip { id, shared })))
    }

    /// The commit `id`, which is the tip; fetched anew where it is not kept.
    fn reread(&self, id: &CommitId) -> Result<Option<Link>, Failure> {
        let remote = self.site.remote();
        if let Some(link) = remote.read(id)? {
            return Ok(Some(link));
        }
        let Fetched::First(link) = remote.fetch(None)? else { return Ok(None) };
        Ok((link.id == *id).then_some(*link))
    }

    /// Whether each commit is what its event makes of its parent; the last of them.
    fn check(&self, known: &Known, chain: Vec<Link>) -> Result<Result<Link, Stuck>, Failure> {
        let mut before = self.read(Some(&known.tip))?;
        let mut newest = None;
        for link in chain {
            let rules = link.shared.board.rules;
            if rules > RULES {
                return Ok(Err(Stuck::Newer(rules)));
            }
            // Without the first one there is nothing to hold it against.
            if before.is_none() && !link.shared.is_sound() {
                return Ok(Err(Stuck::Invalid(link.id)));
            }
            if let Some(before) = &before {
                match apply(Some(before), &link.event) {
                    Ok(made) if made == link.shared => {}
                    Ok(_) | Err(_) => return Ok(Err(Stuck::Invalid(link.id))),
                }
            }
            before = Some(link.shared.clone());
            newest = Some(link);
        }
        Ok(newest.ok_or(Stuck::Behind))
    }

    /// Whether a change is of this clone: it is on its way, concluded or known.
    fn is_own(&self, last: &Stamp) -> Result<bool, Failure> {
        if !S::DEFENCES.notice_copies {
            return Ok(true);
        }
        // In this order: a command writes down what it knows before it removes the intent.
        if self.intents.nonces()?.contains(&last.nonce) {
            return Ok(true);
        }
        let known = self.intents.known()?.and_then(|known| known.last);
        Ok(known.is_some_and(|(_, nonce)| nonce == last.nonce)
            || self.intents.outcome(&last.nonce)? == Some(Outcome::In))
    }
}
