//! The running program, as `/proc/self` shows it.

use std::path::PathBuf;

use super::Linux;
use crate::host::platform::Program;

impl Program for Linux {
    fn file() -> Option<PathBuf> {
        Some(PathBuf::from("/proc/self/exe")).filter(|own| own.exists())
    }

    #[cfg(target_os = "linux")]
    fn started_as() -> PathBuf {
        use std::os::unix::ffi::OsStringExt as _;
        let path = rustix::param::linux_execfn().to_bytes().to_vec();
        std::ffi::OsString::from_vec(path).into()
    }

    #[cfg(target_os = "android")]
    fn started_as() -> PathBuf {
        "git-conductor".into()
    }

    fn current_directory() -> Option<PathBuf> {
        std::fs::read_link("/proc/self/cwd").ok()
    }

    fn take_name() {
        rustix::thread::set_name(c"git-conductor").ok();
    }
}
