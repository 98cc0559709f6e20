//! Files that are put down beside those of others: ours carry a last line that says so, and nothing
//! without it is ever written over or removed.

use std::ffi::OsStr;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::error::{Failure, FailureKind};
use crate::sync;

/// The last line of a file of ours, after the mark of a comment. Later versions know theirs by it
/// as well: it stays as it is.
const MARK: &str = "Put here by 'git conductor install', which '--uninstall' undoes.";
/// The same for a skill.
const SKILL: &str =
    "<!-- Put here by 'git conductor skill install', which 'skill uninstall' undoes. -->";
/// A file of ours is no longer than this, in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;
/// At most this many entries are read of a directory.
const MAX_NAMES: usize = 1_000_000;

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It was written.
    Written,
    /// It was there already.
    Same,
    /// It was removed.
    Removed,
}

/// What stands at a path.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::commands) enum There {
    /// Nothing.
    Nothing,
    /// A file of ours, and its content.
    Ours(String),
    /// Anything else: somebody's file, a link, a directory.
    Foreign,
}

/// `text` with the line that makes it ours; `comment` begins one in its language.
pub(in crate::commands) fn marked(text: &str, comment: &str) -> String {
    format!("{text}{comment} {MARK}\n")
}

/// A skill with the line that makes it ours.
pub(in crate::commands) fn marked_skill(text: &str) -> String {
    format!("{text}\n{SKILL}\n")
}

fn is_ours(text: &str) -> bool {
    let last = text.strip_suffix('\n').and_then(|text| text.rsplit('\n').next());
    last.is_some_and(|last| {
        last == SKILL || [".\\\"", "#"].iter().any(|mark| last == format!("{mark} {MARK}"))
    })
}

/// What stands at `path`. A link there is not followed, and is nobody's but its maker's.
pub(in crate::commands) fn look(path: &Path) -> Result<There, Failure> {
    Ok(match read(path)? {
        There::Ours(text) if !is_ours(&text) => There::Foreign,
        there @ (There::Nothing | There::Ours(_) | There::Foreign) => there,
    })
}

/// The same, taking every regular file of text for ours.
pub(in crate::commands) fn read(path: &Path) -> Result<There, Failure> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let fail = |error| Failure::io(error, format!("cannot read '{}'", path.display()));
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    match path.symlink_metadata() {
        Ok(meta) if meta.is_file() && meta.len() <= MAX_FILE_BYTES => {}
        Ok(_) => return Ok(There::Foreign),
        Err(error) if is_absent(&error) => return Ok(There::Nothing),
        Err(error) => return Err(fail(error)),
    }
    let opened = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(There::Nothing),
        // A file that we may not read is not one that we wrote.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(There::Foreign),
        Err(error) => return Err(fail(error)),
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(fail)?;
    Ok(String::from_utf8(bytes).ok().map_or(There::Foreign, There::Ours))
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// The files of ours in `dir`, by name.
pub(in crate::commands) fn ours(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let fail = |error| Failure::io(error, format!("cannot read '{}'", dir.display()));
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(fail(error)),
    };
    let mut found = Vec::new();
    for entry in entries.take(MAX_NAMES) {
        let path = entry.map_err(fail)?.path();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let plain = name.trim_start_matches('_').replace('_', "-");
        if plain.starts_with("git-conductor") && matches!(look(&path)?, There::Ours(_)) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Puts `text` at `path` in one step: who reads it meanwhile has the old one or the new one.
pub(in crate::commands) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let fail = |error| denied(error, format!("cannot write '{}'", path.display()));
    let dir = path.parent().unwrap_or(path);
    std::fs::create_dir_all(dir)
        .map_err(|error| denied(error, format!("cannot make '{}'", dir.display())))?;
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| {
        Failure::new(FailureKind::Io, format!("the system gives no random bits: {error}"))
    })?;
    let temporary = dir.join(format!(".git-conductor.{:016x}", u64::from_ne_bytes(random)));
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).open(&temporary).map_err(fail)?;
    // An empty file, which a power cut could leave, would be nobody's.
    let kept = path.symlink_metadata().ok().filter(std::fs::Metadata::is_file);
    // Who may read what was there may read what comes there, and nobody else.
    let kept = kept.map_or(Ok(()), |meta| file.set_permissions(meta.permissions()));
    let written =
        kept.and_then(|()| file.write_all(text.as_bytes())).and_then(|()| sync::to_disk(&file));
    written.and_then(|()| std::fs::rename(&temporary, path)).map_err(|error| {
        std::fs::remove_file(&temporary).ok();
        fail(error)
    })
}

/// Removes a file of ours.
pub(in crate::commands) fn remove(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(denied(error, format!("cannot remove '{}'", path.display())))
        }
        _ => Ok(()),
    }
}

/// Removes `dir` and those above it that are empty by now, below `root`.
pub(in crate::commands) fn prune(dir: &Path, root: &Path) {
    let inside = dir.ancestors().take_while(|dir| *dir != root && dir.starts_with(root));
    for dir in inside {
        // A link is not a directory of ours, and what is not empty stays.
        if std::fs::remove_dir(dir).is_err_and(|error| error.kind() != ErrorKind::NotFound) {
            return;
        }
    }
}

/// A change that the system refused. The advice for a store is none for these.
fn denied(error: std::io::Error, doing: String) -> Failure {
    let is_denied =
        matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem);
    let failure = Failure::io(error, doing);
    if !is_denied {
        return failure;
    }
    failure.hint("name a directory of your own, as with 'git conductor install --prefix ~/.local'")
}

/// A path, as JSON has it.
pub(in crate::commands) fn shown<S: serde::Serializer>(
    path: &Path,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.display().to_string())
}
