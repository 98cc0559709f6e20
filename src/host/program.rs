//! The running program: its file, its name, and where it runs.

use std::path::PathBuf;

use super::Current;
use super::platform::Program as _;

/// This program, to be executed once more, even if its file was replaced.
pub(crate) fn this_program() -> PathBuf {
    Current::file().or_else(|| std::env::current_exe().ok()).unwrap_or_else(Current::started_as)
}

/// Is called as this program, and not by the link that it was begun by: whoever looks who is above
/// the command shall know it.
pub(crate) fn take_name() {
    Current::take_name();
}

/// The path of the current directory, even if that was removed. Linux says ` (deleted)` after it
/// then.
pub(crate) fn current_directory() -> Option<PathBuf> {
    Current::current_directory()
}
