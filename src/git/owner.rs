//! Who owns what, and whom we trust all the same: git's `safe.directory`.

use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::config::Config;
use super::env::Env;
use crate::error::{Failure, FailureKind, Hint};

/// Whether `meta` belongs to the user we act for: the effective one, and for root under sudo also
/// the one who called it (`is_path_owned_by_current_uid`).
fn is_ours(meta: &Metadata, env: &Env) -> bool {
    if env.boolean("GIT_TEST_ASSUME_DIFFERENT_OWNER").unwrap_or(false) {
        return false;
    }
    let us = rustix::process::geteuid().as_raw();
    let caller = || env.get("SUDO_UID")?.to_str()?.parse::<u32>().ok();
    meta.uid() == us || (us == 0 && caller() == Some(meta.uid()))
}

/// Whether all of `paths` that are there are ours. Links themselves count, not what they point at.
pub(super) fn all_ours<'a>(paths: impl IntoIterator<Item = &'a Path>, env: &Env) -> bool {
    let mut metas = paths.into_iter().filter_map(|path| path.symlink_metadata().ok());
    metas.all(|meta| is_ours(&meta, env))
}

/// Whether `safe.directory` allows `path` (canonical): an exact path, `<directory>/*` for
/// everything below it, `.` for `cwd`, or `*`; an empty value forgets what was said before. Only
/// settings that no repository can make are asked.
pub(super) fn is_declared_safe(config: &Config, path: &Path, cwd: &Path) -> bool {
    let mut safe = false;
    for value in config.protected("safe.directory") {
        match value.as_slice() {
            b"" => safe = false,
            b"*" => safe = true,
            b"." => safe |= path == cwd,
            _ if safe => {}
            _ => {
                let Some(allowed) = config.expand(value).filter(|path| path.is_absolute()) else {
                    continue;
                };
                let bytes = allowed.as_os_str().as_bytes();
                safe = match bytes.strip_suffix(b"/*") {
                    Some(parent) => {
                        let parent = Path::new(std::ffi::OsStr::from_bytes(parent));
                        let parent = parent.canonicalize().unwrap_or_else(|_| parent.to_owned());
                        path != parent && path.starts_with(parent)
                    }
                    None => allowed.canonicalize().unwrap_or(allowed) == path,
                };
            }
        }
    }
    safe
}

/// The refusal, in git's words, with git's way out.
pub(super) fn foreign(what: &str, path: &Path) -> Failure {
    let text = format!("detected dubious ownership in {what} at '{}'", path.display());
    let command = format!("git config --global --add safe.directory {}", quoted(path));
    Failure::new(FailureKind::ForeignOwner, text)
        .hint(Hint::new(format!("only by your human: {command}"), command))
}

/// `path` as one word of a shell.
#[must_use]
pub fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "/._-+,:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Refuses a store (`meta` is its own) that another user owns, unless `safe.directory` names it or
/// the project that it is in. `repository` is the configuration of the repository, if there is one.
///
/// # Errors
/// [`FailureKind::ForeignOwner`], and what reading the user's configuration can fail with.
pub fn check_store_owner(
    store: &Path,
    meta: &Metadata,
    project: &Path,
    env: &Env,
    repository: Option<&Config>,
) -> Result<(), Failure> {
    if is_ours(meta, env) {
        return Ok(());
    }
    let global;
    let config = if let Some(config) = repository {
        config
    } else {
        global = Config::global(env)?;
        &global
    };
    let inside = store.starts_with(project) && is_declared_safe(config, project, project);
    if inside || is_declared_safe(config, store, project) {
        return Ok(());
    }
    Err(foreign("store", store))
}
