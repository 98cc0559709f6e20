//! Signals, for the commands that must act before one has its way: a command that has drawn on a
//! terminal tidies it up first, and one that runs another passes them on. No other command catches
//! any.

use std::cell::RefCell;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub(crate) use signal_hook::consts;
use signal_hook::consts::{SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGWINCH, SIGXFSZ};
use signal_hook::flag;
pub(crate) use signal_hook::low_level::{emulate_default_handler, signal_name};

pub(crate) use super::platform::Origin;
use super::platform::{Control as _, Delivery as _};
use super::{Caught, Current};
use crate::error::{Failure, FailureKind};

/// What a terminal is tidied up for. SIGQUIT ends a command that does not come to look.
const OF_TERMINAL: [i32; 5] = [SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGWINCH];

/// Signals that were caught, to be polled for.
pub(crate) struct Signals {
    /// Readable once there was one.
    wakes: UnixStream,
    caught: RefCell<Caught>,
}

/// What a terminal is tidied up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    /// It goes on later.
    ForNow,
    /// It ends.
    ForGood,
}

impl Signals {
    /// Catches those that concern who draws on a terminal; `None` where that cannot be done.
    pub(crate) fn catch() -> Option<Self> {
        Self::catch_these(OF_TERMINAL).ok()
    }

    /// Catches these from now on. A signal that is ignored stays so, as for a command under nohup.
    pub(crate) fn catch_these(signals: impl IntoIterator<Item = i32>) -> std::io::Result<Self> {
        let ignored = Current::ignored_signals();
        let caught = signals.into_iter().filter(|signal| ignored & (1 << (signal - 1)) == 0);
        let (read, write) = UnixStream::pair()?;
        let wakes = read.try_clone()?;
        let caught = Caught::begin(read, write, caught)?;
        Ok(Self { wakes, caught: RefCell::new(caught) })
    }

    /// Those that have come since it was last asked, each with who sent it.
    pub(crate) fn take(&self) -> Vec<Origin> {
        self.caught.borrow_mut().take()
    }

    /// Does what they ask for, once `tidy` has tidied the terminal up. Returns if there were none,
    /// and when it is to go on after it was stopped.
    ///
    /// # Errors
    /// It should have ended, and could not.
    pub(crate) fn obey(&self, tidy: &mut dyn FnMut(Leave)) -> Result<(), Failure> {
        for Origin { signal, .. } in self.take() {
            match signal {
                SIGWINCH | SIGCONT | SIGCHLD | SIGXFSZ => {}
                SIGTSTP => {
                    tidy(Leave::ForNow);
                    emulate_default_handler(SIGTSTP).ok();
                }
                ends => {
                    tidy(Leave::ForGood);
                    // By the signal itself: a shell, or git, that waits for this process shall
                    // know.
                    emulate_default_handler(ends).ok();
                    return Err(Failure::new(FailureKind::Io, "interrupted"));
                }
            }
        }
        Ok(())
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wakes.as_fd()
    }
}

/// Lets a write beyond the limit of a file's size (`ulimit -f`) fail, as one to a full disk does,
/// instead of ending this process without a word.
pub(crate) fn outlive_the_limit_of_files() {
    // Where that cannot be done it is as it would be without.
    flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false))).ok();
}
