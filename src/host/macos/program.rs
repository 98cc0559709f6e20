//! The running program: what the standard library knows of it is all that there is.

use std::path::PathBuf;

use super::MacOs;
use crate::host::platform::Program;

impl Program for MacOs {
    fn file() -> Option<PathBuf> {
        None
    }

    fn started_as() -> PathBuf {
        "git-conductor".into()
    }

    fn current_directory() -> Option<PathBuf> {
        use std::os::unix::ffi::OsStringExt as _;
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
        let dir = rustix::fs::open(".", flags, rustix::fs::Mode::empty()).ok()?;
        let path = rustix::fs::getpath(dir).ok()?.into_bytes();
        Some(std::ffi::OsString::from_vec(path).into())
    }

    // It is known by the path that it was executed by.
    fn take_name() {}
}
