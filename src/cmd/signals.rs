//! Signals, for a command that lasts and has drawn on a terminal: it tidies the terminal up, and then
//! ends, or stops, as the signal has it. Nobody else catches any: there is nothing to tidy up.

use std::io::Read as _;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::{flag, low_level};

use crate::error::{Failure, FailureKind};

/// Those that end a command. SIGQUIT is not among them: it ends one that does not come to look.
const ENDING: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// Signals that were caught, to be polled for.
pub(super) struct Signals {
    /// Readable once there was one.
    wakes: UnixStream,
    /// The last that is to end the command; 0 for none.
    ends: Arc<AtomicUsize>,
    /// Whether it is to stop.
    stops: Arc<AtomicBool>,
}

/// What a terminal is tidied up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// It goes on later.
    ForNow,
    /// It ends.
    ForGood,
}

impl Signals {
    /// Catches them from now on; `None` where that cannot be done. A signal that is ignored stays so,
    /// as for a command under nohup.
    pub(super) fn catch() -> Option<Self> {
        let (wakes, wake) = UnixStream::pair().ok()?;
        wakes.set_nonblocking(true).ok()?;
        let caught = Self { wakes, ends: Arc::default(), stops: Arc::default() };
        let ignored = ignored();
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGWINCH] {
            if ignored & (1 << (signal - 1)) != 0 {
                continue;
            }
            if ENDING.contains(&signal) {
                let value = usize::try_from(signal).ok()?;
                flag::register_usize(signal, Arc::clone(&caught.ends), value).ok()?;
            } else if signal == SIGTSTP {
                flag::register(signal, Arc::clone(&caught.stops)).ok()?;
            }
            // After the flags, so that who is woken finds them set.
            low_level::pipe::register(signal, wake.try_clone().ok()?).ok()?;
        }
        Some(caught)
    }

    /// Does what they ask for, once `tidy` has tidied the terminal up. Returns if there were none, and
    /// when it is to go on after it was stopped.
    ///
    /// # Errors
    /// It should have ended, and could not.
    pub(super) fn obey(&self, tidy: &mut dyn FnMut(Leave)) -> Result<(), Failure> {
        let mut buffer = [0; 64];
        while (&self.wakes).read(&mut buffer).is_ok_and(|read| read > 0) {}
        let ends = self.ends.swap(0, Ordering::SeqCst);
        if ends != 0 {
            tidy(Leave::ForGood);
            // By the signal itself: a shell, or git, that waits for this process shall know.
            i32::try_from(ends).map(low_level::emulate_default_handler).ok();
            return Err(Failure::new(FailureKind::Io, "interrupted"));
        }
        if self.stops.swap(false, Ordering::SeqCst) {
            tidy(Leave::ForNow);
            low_level::emulate_default_handler(SIGTSTP).ok();
        }
        Ok(())
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wakes.as_fd()
    }
}

/// The signals that this process ignores, as it was told by who began it: a bit each, the lowest for
/// signal 1.
pub(super) fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
