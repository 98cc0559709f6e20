//! The attempts at a phase that ended without a completion: `past/<T>.json`, by the token of the
//! claim.
//!
//! A command writes the record *before* the rename that ends the claim, so a kill between the two
//! loses nothing. Until that rename the record has no meaning: a reader skips the record of the
//! present owner, and of a claim that was completed after all. The name comes from the claim, so
//! several commands that end one claim write one record, and the attempt counts once.
//! `past/pardon.<n>` says that the first `n` attempts do not count any more; the greatest `n`
//! holds.
//!
//! Only a limited number of records is read. A record that cannot be understood counts as an
//! attempt and is not shown.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::checked_dir::{CheckedDir, Keep, Step, from_json, to_json};
use super::dir::{Dir, Entry, Kind};
use super::host::Host;
use super::layout::{
    DUE, JSON, MAX_ATTEMPTS_READ, MAX_DUES, MAX_PHASE_ENTRIES, MAX_REASON_BYTES, MAX_RECORD_BYTES,
    PAST, RESET_ATTEMPTS, attempt_name, due_name, reset_attempts_name,
};
use crate::error::{Failure, FailureKind};
use crate::record::{Attempt, Claim, Due, Token, VERSION};
use crate::rules::State;

/// What is known of the attempts at a phase that are over.
#[derive(Debug, Default)]
pub(crate) struct Past {
    /// The earliest first; what could not be read is empty, and comes before them all.
    pub(crate) attempts: Vec<Attempt>,
    /// How many of them do not count any more.
    pub(crate) reset_attempts: u64,
    /// Whose uncommitted work is still to be saved.
    pub(crate) dues: Vec<Due>,
}

/// What an attempt's record is called by: the claim's token. A script's claim has none, and goes by
/// what its record says.
pub(crate) fn name_of(claim: &Claim) -> Token {
    claim.token.clone().unwrap_or_else(|| {
        let since = claim.claimed_at.map(|then| then.to_string()).unwrap_or_default();
        let said = format!("{}\n{since}\n{}\n", claim.agent, claim.pid);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&Sha256::digest(said.as_bytes())[..16]);
        Token::from_bytes(bytes)
    })
}

/// How a claim ends, as far as its record does not say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End<'a> {
    /// One of the words of [`crate::rules::attempts`].
    pub(crate) how: &'a str,
    /// Why.
    pub(crate) reason: &'a str,
    /// Who ends it.
    pub(crate) by: &'a str,
    /// When.
    pub(crate) at: Timestamp,
}

/// The record of `claim`, which ends so.
pub(crate) fn attempt(claim: &Claim, end: End<'_>) -> Attempt {
    let mut reason = end.reason.trim();
    if reason.len() > MAX_REASON_BYTES {
        let cut = (0..=MAX_REASON_BYTES).rev().find(|at| reason.is_char_boundary(*at));
        reason = &reason[..cut.unwrap_or_default()];
    }
    Attempt {
        v: VERSION,
        agent: claim.agent.clone(),
        claimed_at: claim.claimed_at,
        ended_at: Some(end.at),
        how: end.how.to_owned(),
        reason: reason.to_owned(),
        by: end.by.to_owned(),
        explicit: claim.explicit,
        session: claim.session.clone(),
        stable: claim.stable,
        process: claim.any_process().cloned(),
        worktree: claim.worktree.clone(),
        branch: claim.branch.clone(),
        commit: claim.commit.clone(),
        rest: crate::record::Rest::new(),
    }
}

/// The directory, made if there is none; `None` if the phase's own is gone.
fn directory<D: Dir>(phase: &CheckedDir<D>) -> Result<Option<CheckedDir<D>>, Failure> {
    if let Some(past) = phase.open(PAST)? {
        return Ok(Some(past));
    }
    if phase.make(PAST)? == Step::Gone {
        return Ok(None);
    }
    phase.open(PAST)
}

/// Writes down that `claim` ends so. `Gone` when the phase's directory is.
///
/// Another command that ends the same claim may have written it, or have been killed at that: a
/// whole record takes its place in one step.
pub(crate) fn write<H: Host>(
    host: &H,
    phase: &CheckedDir<H::Dir>,
    claim: &Claim,
    end: End<'_>,
) -> Result<Step, Failure> {
    let Some(past) = directory(phase)? else { return Ok(Step::Gone) };
    let name = attempt_name(&name_of(claim));
    let record = attempt(claim, end);
    // What is left after an error is not whole, and nobody's yet. It stays: what stands there then
    // may be the whole one of another command.
    match past.create_once(&name, &to_json(&record)?)? {
        Step::Exists => {
            let unique = host.token()?;
            match past.put(&name, &record, &unique, Keep::Fleeting)? {
                // A record takes the place of all but a directory that has something in it.
                Step::Exists => {
                    let what = format!("'{}/{name}' is no file", past.path());
                    Err(Failure::new(FailureKind::Tampered, what))
                }
                step @ (Step::Done | Step::Gone) => Ok(step),
            }
        }
        step @ (Step::Done | Step::Gone) => Ok(step),
    }
}

/// Writes down that what the owner of `due` left is to be saved. `Gone` when the phase's directory
/// is.
pub(crate) fn owe<H: Host>(
    host: &H,
    phase: &CheckedDir<H::Dir>,
    owed: &Due,
) -> Result<Step, Failure> {
    let Some(past) = directory(phase)? else { return Ok(Step::Gone) };
    let unique = host.token()?;
    let name = due_name(&name_of(&owed.claim));
    past.put(&name, owed, &unique, Keep::Fleeting)
}

/// Nothing of `claim` is to be saved any more.
pub(crate) fn settle<D: Dir>(phase: &CheckedDir<D>, claim: &Claim) -> Result<(), Failure> {
    if let Some(past) = open(phase)? {
        past.remove_file(&due_name(&name_of(claim)))?;
    }
    Ok(())
}

/// The marks among `entries`, but for those of a claim that stands, or was completed after all: who
/// was to end that one was killed before.
fn dues<D: Dir>(
    past: &CheckedDir<D>,
    entries: &[Entry],
    standing: Option<&Token>,
) -> Result<Vec<Due>, Failure> {
    let mut dues = Vec::new();
    for entry in entries.iter().filter(|entry| entry.kind == Kind::File) {
        let Some(token) = entry.name.strip_prefix(DUE).and_then(Token::parse) else { continue };
        if standing == Some(&token) || dues.len() == MAX_DUES {
            continue;
        }
        let bytes = match past.read(&entry.name, MAX_RECORD_BYTES) {
            Ok(bytes) => bytes,
            Err(failure) if failure.kind == FailureKind::Tampered => None,
            Err(failure) => return Err(failure),
        };
        // One that cannot be understood says nothing of where the work was.
        let Some(due) = bytes.as_deref().and_then(from_json::<Due>) else { continue };
        // The file's name is the authority on whose it is; a script's claim has no token.
        if name_of(&due.claim) == token {
            dues.push(due);
        }
    }
    Ok(dues)
}

/// Marks that the first `count` attempts do not count any more. The mark may exist already.
pub(crate) fn reset_attempts<D: Dir>(phase: &CheckedDir<D>, count: u64) -> Result<Step, Failure> {
    let Some(past) = directory(phase)? else { return Ok(Step::Gone) };
    past.create_once(&reset_attempts_name(count), b"")
}

/// The token in the name of a record; `None` if the entry is not a file, or has another name.
fn token(entry: &Entry) -> Option<Token> {
    let name = entry.name.strip_suffix(JSON).filter(|_| entry.kind == Kind::File);
    name.and_then(Token::parse)
}

/// Opens the directory for reading, if there is one. Anything else of that name counts as absent: a
/// board does not fail for it. A command that ends a claim must write here, and fails.
pub(crate) fn open<D: Dir>(phase: &CheckedDir<D>) -> Result<Option<CheckedDir<D>>, Failure> {
    match phase.open(PAST) {
        Err(failure) if failure.kind == FailureKind::Tampered => Ok(None),
        opened => opened,
    }
}

/// Reads the attempts at `phase`, whose present `state` was seen before.
pub(crate) fn read<D: Dir>(phase: &CheckedDir<D>, state: &State) -> Result<Past, Failure> {
    let Some(past) = open(phase)? else { return Ok(Past::default()) };
    let entries = past.list_some(MAX_PHASE_ENTRIES)?;
    let standing = standing(state);
    let mut tokens: Vec<Token> =
        entries.iter().filter_map(token).filter(|token| Some(token) != standing.as_ref()).collect();
    let count = tokens.len();
    if count > MAX_ATTEMPTS_READ {
        let mut aged: Vec<(i64, Token)> = Vec::with_capacity(count);
        for token in tokens {
            let stat = past.stat(&attempt_name(&token))?;
            aged.push((stat.map_or(i64::MIN, |stat| stat.mtime), token));
        }
        aged.sort_by_key(|(mtime, _)| std::cmp::Reverse(*mtime));
        tokens = aged.into_iter().take(MAX_ATTEMPTS_READ).map(|(_, token)| token).collect();
    }
    let mut attempts = vec![Attempt::default(); count - tokens.len()];
    for token in &tokens {
        attempts.push(record(&past, token)?);
    }
    attempts.sort_by_key(|attempt| attempt.ended_at);
    let reset_attempts = entries.iter().filter_map(|entry| {
        entry.name.strip_prefix(RESET_ATTEMPTS).filter(|_| entry.kind == Kind::File)?.parse().ok()
    });
    let reset_attempts = reset_attempts.max().unwrap_or_default();
    let dues = dues(&past, &entries, standing.as_ref())?;
    Ok(Past { attempts, reset_attempts, dues })
}

/// The claim whose record says nothing yet, or never will: the present owner's, and the completed
/// one.
fn standing(state: &State) -> Option<Token> {
    match state {
        State::Pending => None,
        State::Claimed(hold) => Some(name_of(&hold.claim)),
        State::Done(done) => done.token.clone(),
    }
}

/// One record; an empty one where it cannot be understood.
fn record<D: Dir>(past: &CheckedDir<D>, token: &Token) -> Result<Attempt, Failure> {
    match past.read(&attempt_name(token), MAX_RECORD_BYTES) {
        Ok(bytes) => Ok(bytes.as_deref().and_then(from_json).unwrap_or_default()),
        // Too long, or put into its place since it was listed.
        Err(failure) if failure.kind == FailureKind::Tampered => Ok(Attempt::default()),
        Err(failure) => Err(failure),
    }
}

/// How the claim `token` ended, in a word of [`crate::rules::attempts`]; `None` if no record says
/// so.
pub(crate) fn ended_as<D: Dir>(
    phase: &CheckedDir<D>,
    token: &Token,
) -> Result<Option<String>, Failure> {
    let Some(past) = open(phase)? else { return Ok(None) };
    Ok(Some(record(&past, token)?.how).filter(|how| !how.is_empty()))
}

/// How many records there are, for a command that holds the latch of a pending phase.
pub(crate) fn count<D: Dir>(phase: &CheckedDir<D>) -> Result<usize, Failure> {
    let Some(past) = open(phase)? else { return Ok(0) };
    Ok(past.list_some(MAX_PHASE_ENTRIES)?.iter().filter_map(token).count())
}
