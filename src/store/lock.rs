//! The state of a phase, read from its directory: the lock and the `done` record.
//!
//! Reading changes nothing and needs no mutex. The lock is read before `done`, and `done` wins: in
//! the other order a phase that is completed in between would look pending.

use jiff::Timestamp;

use super::checked_dir::{CheckedDir, Opened, Step, from_json};
use super::dir::{Dir, Entry};
use super::host::{Host, TRIES};
use super::layout::{
    COMPLETING, DONE, FREE, JSON, LOCK, MAX_PHASE_ENTRIES, MAX_RECORD_BYTES, META, META_OF, OWNER,
    meta_name, owner_name, prepared_name,
};
use crate::error::{Failure, FailureKind};
use crate::record::{Claim, Done, Token, VERSION};
use crate::rules::identity::{self, Signs, believed};
use crate::rules::{Life, LiveClaim, State};

/// What `lock` is.
#[derive(Debug)]
pub(crate) enum Lock<D> {
    /// It is not there, or is an empty or ruined directory that holds nobody's claim.
    Absent(Option<CheckedDir<D>>),
    /// T owns the phase.
    Owned { lock: CheckedDir<D>, token: Token, hold: LiveClaim },
    /// The completion prepared under that name is committed; anyone may finish it.
    Committed { lock: CheckedDir<D>, token: Token },
    /// T has given the phase up; anyone may clear what is left.
    Freed { lock: CheckedDir<D>, token: Token },
    /// A script owns the phase: a record without a name of its own.
    Script { lock: CheckedDir<D>, hold: LiveClaim },
    /// A lock with an old layout: a plain file.
    Legacy { hold: LiveClaim },
}

/// How a lock is held that is still the one the rules judged.
#[derive(Debug)]
pub(crate) enum LockKind<'a, D> {
    /// By a claim with a token.
    Named { lock: &'a CheckedDir<D>, token: &'a Token },
    /// By a script.
    Script,
    /// By a lock with an old layout.
    Legacy,
}

/// What is in a lock directory, by name.
#[derive(Default)]
struct Names {
    states: Vec<(StateFile, Token)>,
    metas: Vec<Token>,
    copy: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum StateFile {
    Owner,
    Completing,
    Free,
}

fn sort(entries: &[Entry]) -> Names {
    let mut names = Names::default();
    for Entry { name, .. } in entries {
        names.copy |= name == META;
        let record = name.strip_prefix(META_OF).and_then(|rest| rest.strip_suffix(JSON));
        names.metas.extend(record.and_then(Token::parse));
        for (state, prefix) in [
            (StateFile::Owner, OWNER),
            (StateFile::Completing, COMPLETING),
            (StateFile::Free, FREE),
        ] {
            let token = name.strip_prefix(prefix).and_then(Token::parse);
            names.states.extend(token.map(|token| (state, token)));
        }
    }
    names
}

/// Looks at the lock of `phase`.
///
/// A listing is no snapshot: an owner's name that is renamed meanwhile can be seen twice, or not at
/// all. So what only a tamperer or a script leaves is believed when it is seen several times.
pub(crate) fn look<H: Host>(host: &H, phase: &CheckedDir<H::Dir>) -> Result<Lock<H::Dir>, Failure> {
    for attempt in 0..TRIES {
        let lock = match phase.open_any(LOCK)? {
            Opened::Absent => return Ok(Lock::Absent(None)),
            Opened::File => match legacy(host, phase)? {
                Some(hold) => return Ok(Lock::Legacy { hold }),
                None => continue,
            },
            Opened::Dir(lock) => lock,
        };
        let names = sort(&lock.list(MAX_PHASE_ENTRIES)?);
        match names.states.as_slice() {
            [(StateFile::Owner, token)] => {
                let token = token.clone();
                if let Some(hold) = owned(host, &lock, &token, &names.metas)? {
                    return Ok(Lock::Owned { lock, token, hold });
                }
            }
            [(StateFile::Completing, token)] => {
                return Ok(Lock::Committed { token: token.clone(), lock });
            }
            [(StateFile::Free, token)] => return Ok(Lock::Freed { token: token.clone(), lock }),
            [] if attempt < 2 => {}
            [] if names.copy => match script(host, &lock)? {
                // A copy for the script without an owner: written late by one who has lost it, or
                // all that a power cut left.
                Some(hold) if hold.claim.token.is_some() => return Ok(Lock::Absent(Some(lock))),
                Some(hold) => return Ok(Lock::Script { lock, hold }),
                None => {}
            },
            [] => return Ok(Lock::Absent(Some(lock))),
            [_, _, ..] if attempt < 8 => host.pause(attempt),
            [_, _, ..] => {
                return Err(Failure::new(
                    FailureKind::Tampered,
                    format!("'{}' has several owners", lock.path()),
                ));
            }
        }
    }
    Err(Failure::new(FailureKind::Busy, format!("'{}/{LOCK}' changes all the time", phase.path())))
}

/// What was found, if it is held under the record that was judged.
pub(crate) fn held<'a, D>(found: &'a Lock<D>, judged: &Claim) -> Option<LockKind<'a, D>> {
    match found {
        Lock::Owned { lock, token, hold } if hold.claim == *judged => {
            Some(LockKind::Named { lock, token })
        }
        Lock::Script { hold, .. } if hold.claim == *judged => Some(LockKind::Script),
        Lock::Legacy { hold } if hold.claim == *judged => Some(LockKind::Legacy),
        Lock::Absent(_)
        | Lock::Owned { .. }
        | Lock::Committed { .. }
        | Lock::Freed { .. }
        | Lock::Script { .. }
        | Lock::Legacy { .. } => None,
    }
}

/// The hold of T; `None` if T has ceased to be the owner meanwhile.
fn owned<H: Host>(
    host: &H,
    lock: &CheckedDir<H::Dir>,
    token: &Token,
    metas: &[Token],
) -> Result<Option<LiveClaim>, Failure> {
    let bytes = lock.read(&meta_name(token), MAX_RECORD_BYTES)?;
    let (claim, life) = if let Some(claim) = bytes.as_deref().and_then(from_json::<Claim>) {
        // The file's name is the authority on the token.
        let mut claim = Claim { token: Some(token.clone()), v: claim.v.max(1), ..claim };
        let life = host.life(&claim);
        // A script that has ended is nobody whose work could be done twice.
        claim.via = claim.via.filter(|script| host.life_of(script) == Life::Alive);
        (claim, life)
    } else {
        // A power cut can leave a name without its content.
        let Some(stat) = lock.stat(&owner_name(token))? else { return Ok(None) };
        let claim = Claim { v: VERSION, token: Some(token.clone()), ..Claim::default() };
        (claim, life_by_age(host, stat.mtime))
    };
    let mut former = Vec::new();
    for other in metas.iter().filter(|other| *other != token) {
        let bytes = lock.read(&meta_name(other), MAX_RECORD_BYTES)?;
        former.extend(
            bytes
                .as_deref()
                .and_then(from_json::<Claim>)
                .map(|claim| Claim { token: Some(other.clone()), ..claim }),
        );
    }
    Ok(Some(hold(host, claim, life, former)))
}

/// The hold of a script; `None` if its record is gone.
fn script<H: Host>(host: &H, lock: &CheckedDir<H::Dir>) -> Result<Option<LiveClaim>, Failure> {
    let Some(bytes) = lock.read(META, MAX_RECORD_BYTES)? else { return Ok(None) };
    let Some(stat) = lock.stat(META)? else { return Ok(None) };
    Ok(Some(unnamed(host, &bytes, stat.mtime, false)))
}

/// The claim of a lock with an old layout; `None` if the lock is gone.
fn legacy<H: Host>(host: &H, phase: &CheckedDir<H::Dir>) -> Result<Option<LiveClaim>, Failure> {
    let Some(bytes) = phase.read(LOCK, MAX_RECORD_BYTES)? else { return Ok(None) };
    let Some(stat) = phase.stat(LOCK)? else { return Ok(None) };
    Ok(Some(unnamed(host, &bytes, stat.mtime, true)))
}

fn unnamed<H: Host>(host: &H, bytes: &[u8], mtime: i64, legacy_lock: bool) -> LiveClaim {
    let (claim, life) = if let Some(claim) = from_json::<Claim>(bytes) {
        let life = host.life(&claim);
        (claim, life)
    } else {
        (Claim::default(), life_by_age(host, mtime))
    };
    LiveClaim { legacy_lock, ..hold(host, claim, life, Vec::new()) }
}

/// The hold of a claim, as far as its record tells when the owner was last there.
fn hold<H: Host>(host: &H, claim: Claim, life: Life, former: Vec<Claim>) -> LiveClaim {
    let mut hold =
        LiveClaim { heard: None, quiet_since: None, claim, life, former, legacy_lock: false };
    hears(host, &mut hold, None);
    hold
}

/// Takes in when one of the owner's commands was last seen at its claim.
pub(crate) fn hears<H: Host>(host: &H, hold: &mut LiveClaim, seen: Option<Timestamp>) {
    let now = host.now();
    let seen = seen.filter(|_| H::DEFENCES.hear);
    let signs =
        Signs { seen, booted: host.booted_after(&hold.claim), slept: host.slept(&hold.claim) };
    hold.quiet_since = identity::quiet_since(&hold.claim, signs, now);
    let times = [identity::heard(&hold.claim), seen];
    hold.heard = times.into_iter().flatten().filter_map(|then| believed(now, then)).max();
}

/// An owner whose record cannot be read is dead if its file is older than this machine's boot.
fn life_by_age<H: Host>(host: &H, mtime: i64) -> Life {
    match host.booted_at() {
        Some(boot) if i128::from(mtime) < boot.as_nanosecond() => Life::Dead,
        _ => Life::Unknown,
    }
}

/// The completion record; one that cannot be understood is done all the same, by nobody known.
pub(crate) fn done<D: Dir>(phase: &CheckedDir<D>) -> Result<Option<Done>, Failure> {
    let bytes = phase.read(DONE, MAX_RECORD_BYTES)?;
    Ok(bytes.map(|bytes| from_json(&bytes).unwrap_or_default()))
}

/// The completion that is committed, before it is published; `None` if it has been meanwhile.
pub(crate) fn committed<D: Dir>(
    lock: &CheckedDir<D>,
    record: &Token,
) -> Result<Option<Done>, Failure> {
    let bytes = lock.read(&prepared_name(record), MAX_RECORD_BYTES)?;
    Ok(bytes.map(|bytes| from_json(&bytes).unwrap_or_default()))
}

/// Where the phase is, as the rules see it, with the lock it was seen by.
pub(crate) fn state<H: Host>(
    host: &H,
    phase: &CheckedDir<H::Dir>,
) -> Result<(State, Lock<H::Dir>), Failure> {
    let mut missing: Option<Token> = None;
    for attempt in 0..TRIES {
        let lock = look(host, phase)?;
        if let Some(done) = done(phase)? {
            return Ok((State::Done(done), lock));
        }
        let state = match &lock {
            Lock::Absent(_) | Lock::Freed { .. } => State::Pending,
            Lock::Owned { hold, .. } | Lock::Script { hold, .. } | Lock::Legacy { hold } => {
                State::Claimed(hold.clone())
            }
            Lock::Committed { lock, token } => match committed(lock, token)? {
                Some(done) => State::Done(done),
                // It has been finished and cleared between the two looks; but only once.
                None if attempt > 8 && missing.as_ref() == Some(token) => {
                    return Err(Failure::new(FailureKind::Tampered, record_gone(phase)));
                }
                None => {
                    missing = Some(token.clone());
                    continue;
                }
            },
        };
        return Ok((state, lock));
    }
    Err(Failure::new(FailureKind::Busy, format!("'{}' changes all the time", phase.path())))
}

/// What is said where a completion was committed, and there is no record of it.
pub(crate) fn record_gone<D: Dir>(phase: &CheckedDir<D>) -> String {
    format!("'{}' was committed, and its record is gone", phase.path())
}

/// Clears a lock that holds nobody's claim any more: `last`, its state file, goes last, so that
/// what a kill leaves still tells what it is. Everything goes through the handle that was judged,
/// so a lock that was published meanwhile is never touched.
pub(crate) fn clear<H: Host>(
    phase: &CheckedDir<H::Dir>,
    lock: &CheckedDir<H::Dir>,
    last: Option<&str>,
) -> Result<(), Failure> {
    let reopened = if H::DEFENCES.remove_what_was_judged { None } else { phase.open(LOCK)? };
    let lock = reopened.as_ref().unwrap_or(lock);
    for _ in 0..4 {
        let entries = lock.list(MAX_PHASE_ENTRIES)?;
        if last.is_none() && H::DEFENCES.remove_what_was_judged {
            let names = sort(&entries);
            let is_copy = |bytes: Vec<u8>| {
                from_json::<Claim>(&bytes).is_some_and(|claim| claim.token.is_some())
            };
            if !names.states.is_empty()
                || (names.copy && !lock.read(META, MAX_RECORD_BYTES)?.is_none_or(is_copy))
            {
                // Misjudged: the listing that found nobody was taken in the middle of a rename.
                return Ok(());
            }
        }
        for entry in entries {
            if Some(entry.name.as_str()) != last {
                lock.remove_all(&entry)?;
            }
        }
        if let Some(last) = last {
            lock.remove_file(last)?;
        }
        // Refused when a former owner's late write came between: once more.
        if phase.remove_dir(LOCK)? != Step::Exists {
            break;
        }
    }
    Ok(())
}
