//! Every name below a store, and the limits of what the names stand for, once.
//!
//! The protocol page (`doc/protocol.md`) describes each name; a test (`tests/it/tidy.rs`) reads the
//! constants here and holds the page's tables to them. A name that ends in a dot begins a composed
//! one.

use std::path::{Path, PathBuf};

use crate::record::Token;

// In the store.

/// The file that people write, for every sprint of the store.
pub const CONFIG: &str = "config.json";
/// The audit log: one JSON object a line.
pub const AUDIT: &str = "audit.log";
/// The directory of sprints.
pub const CONDUCTOR: &str = "conductor";

// In the directory of sprints.

/// The file that the mutex is taken on; empty, and never removed.
pub const GUARD: &str = ".guard";
/// The directory of sprints that have ended.
pub(crate) const ARCHIVE: &str = "archive";
/// A sprint that is being made.
const NEW: &str = ".new.";
/// An archived sprint that is being removed.
const GONE: &str = ".gone.";
/// A file that is being written, in any directory of the store.
const TEMPORARY: &str = ".tmp.";
/// The mark of a moment that a sprint has, or had: no other sprint gets it.
const LAST: &str = ".last.";

// In the directory of a sprint.

/// The record of a sprint.
pub(crate) const SPRINT: &str = "sprint.json";

// In the directory of a phase.

/// The latch, a directory.
pub(crate) const LATCH: &str = "lock.d";
/// The marker of the command that made the latch.
const LATCH_MARKER: &str = "latch.";
/// The record of the command that took a marker over.
const LATCH_BY: &str = "by.";
/// The lock, a directory.
pub(crate) const LOCK: &str = "lock";
/// The name that makes T the owner.
pub(crate) const OWNER: &str = "owner.";
/// T's record in the lock.
pub(crate) const META_OF: &str = "meta.";
/// The copy of the owner's record that scripts read. Its modification time says when the owner was
/// last heard.
pub const META: &str = "meta.json";
/// A completion that is prepared.
const PREPARED: &str = "done.";
/// The name that commits a prepared completion.
pub(crate) const COMPLETING: &str = "completing.";
/// The name that gives T's claim up.
pub(crate) const FREE: &str = "free.";
/// The mark that a session was reminded of T's claim.
pub(crate) const TOLD: &str = "told.";
/// The directory of the attempts that are over.
pub(crate) const PAST: &str = "past";
/// The mark that the first N attempts do not count any more.
pub(crate) const RESET_ATTEMPTS: &str = "pardon.";
/// The mark of work that is still to be saved.
pub(crate) const DUE: &str = "due.";
/// An artifact as it was handed over.
const PIN: &str = "pin.";
/// The completion record.
pub(crate) const DONE: &str = "done";
/// The link to the pin.
const ARTIFACT: &str = "artifact";

/// The extension of a record.
pub(crate) const JSON: &str = ".json";

// Limits in bytes.

/// The record of a sprint.
pub(crate) const MAX_SPRINT_BYTES: u64 = 1024 * 1024;
/// The record of a claim, a completion or an attempt.
pub(crate) const MAX_RECORD_BYTES: u64 = 64 * 1024;
/// The record of the command that made a latch.
pub(crate) const MAX_MARKER_BYTES: u64 = 4096;
/// The reason that is kept of an attempt.
pub(crate) const MAX_REASON_BYTES: usize = 4096;

// Limits in number.

/// The entries of a directory that are looked at.
pub(crate) const MAX_ENTRIES: usize = 1_000_000;
/// The same of a phase's directories; more were not put there by this program.
pub(crate) const MAX_PHASE_ENTRIES: usize = 4096;
/// The attempts whose records are read, the youngest ones; older attempts are counted only.
pub(crate) const MAX_ATTEMPTS_READ: usize = 64;
/// The marks of work to be saved that are looked at.
pub(crate) const MAX_DUES: usize = 16;
/// The reminders that are kept in one lock: a lock that has too many entries cannot be read.
pub(crate) const MAX_REMINDERS: usize = 256;

// Ages in seconds.

/// A temporary name of this age is nobody's: no command takes so long between two steps, and one
/// that was stopped for an hour makes another.
pub(crate) const TEMPORARY_SECONDS: i64 = 3600;
/// A state that commands only pass through is left over at this age.
pub(crate) const PASSING_SECONDS: i64 = 60;
/// A sprint's directory without a record that is younger than this is being made by a script.
pub(crate) const MAKING_SECONDS: i64 = 60;
/// The age at which a latch is taken over when nobody can know whether its maker lives: a script
/// made it, or another machine.
pub(crate) const LATCH_SECONDS: i64 = 60;

/// The directory of the sprint `id`, which has not ended, in the store at `store`.
#[must_use]
pub fn sprint_dir(store: &Path, id: &str) -> PathBuf {
    store.join(CONDUCTOR).join(id)
}

/// The pin of `phase` with that hash, in the sprint's directory `sprint`.
#[must_use]
pub fn pin_path(sprint: &Path, phase: &str, sha256: &str) -> PathBuf {
    sprint.join(phase).join(pin_name(sha256))
}

/// The name of the pin with that hash.
pub(crate) fn pin_name(sha256: &str) -> String {
    format!("{PIN}{sha256}")
}

/// Whether `name` is that of a pin.
pub(crate) fn is_pin(name: &str) -> bool {
    name.strip_prefix(PIN).is_some_and(is_sha256)
}

/// Whether `text` is a SHA-256 in hexadecimal.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The name of the link to the pin. It has the extension of the artifact at `path`, so that a
/// reader knows what it is.
pub(crate) fn artifact_name(path: &str) -> String {
    let extension = path.rsplit_once('.').map(|(_, extension)| extension);
    let plain =
        |e: &&str| (1..=16).contains(&e.len()) && e.bytes().all(|b| b.is_ascii_alphanumeric());
    match extension.filter(plain) {
        Some(extension) => format!("{ARTIFACT}.{extension}"),
        None => ARTIFACT.to_owned(),
    }
}

/// The name of T's record in the lock.
pub(crate) fn meta_name(token: &Token) -> String {
    format!("{META_OF}{token}{JSON}")
}

/// The name that makes T the owner.
pub(crate) fn owner_name(token: &Token) -> String {
    format!("{OWNER}{token}")
}

/// The name that commits the completion prepared under `record`, a name of its own: two commands of
/// one owner that complete at once each prepare theirs, and the commit says which one it is.
pub(crate) fn completing_name(record: &Token) -> String {
    format!("{COMPLETING}{record}")
}

/// The name that gives T's claim up.
pub(crate) fn free_name(token: &Token) -> String {
    format!("{FREE}{token}")
}

/// The name of a prepared completion record in the lock.
pub(crate) fn prepared_name(record: &Token) -> String {
    format!("{PREPARED}{record}")
}

/// The name of the mark that `session` was reminded of T's claim.
pub(crate) fn told_name(token: &Token, session: &str) -> String {
    format!("{TOLD}{token}.{session}")
}

/// The name of T's marker in the latch.
pub(crate) fn marker_name(token: &Token) -> String {
    format!("{LATCH_MARKER}{token}")
}

/// Whether `name` is that of a marker.
pub(crate) fn is_marker(name: &str) -> bool {
    name.strip_prefix(LATCH_MARKER).and_then(Token::parse).is_some()
}

/// The name of the record that tells who took `marker` over.
pub(crate) fn by_name(marker: &str) -> String {
    format!("{LATCH_BY}{marker}")
}

/// The name of the record of T's attempt, which is over.
pub(crate) fn attempt_name(token: &Token) -> String {
    format!("{token}{JSON}")
}

/// The name of the mark that what T left is to be saved.
pub(crate) fn due_name(token: &Token) -> String {
    format!("{DUE}{token}")
}

/// The name of the mark that the first `count` attempts do not count any more.
pub(crate) fn reset_attempts_name(count: u64) -> String {
    format!("{RESET_ATTEMPTS}{count}")
}

/// A name for a file that is being written. `unique` is used by no other command.
pub(crate) fn temporary_name(unique: &Token) -> String {
    format!("{TEMPORARY}{unique}")
}

/// A name for a sprint's directory that is being made. `unique` is used by no other command.
pub(crate) fn new_name(unique: &Token) -> String {
    format!("{NEW}{unique}")
}

/// The name that the archived sprint `id` has while it is removed.
pub(crate) fn gone_name(id: &str) -> String {
    format!("{GONE}{id}")
}

/// The name of the mark of the moment `stamp`.
pub(crate) fn last_name(stamp: &str) -> String {
    format!("{LAST}{stamp}")
}

/// The moment that `name` marks, as far as its form tells.
pub(crate) fn last_of(name: &str) -> Option<&str> {
    name.strip_prefix(LAST)
}

/// Whether `name` is one that only a command in the middle of something uses.
pub(crate) fn is_temporary(name: &str) -> bool {
    [NEW, GONE, TEMPORARY].iter().any(|prefix| name.starts_with(prefix))
}
