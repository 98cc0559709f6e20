//! The terminal, which one process group at a time may read: it is handed to the command's, and
//! taken back.
//!
//! What is at the terminal from the first to the last gets it when it begins. Else, as in `run … |
//! less`, whoever shares this process's group may need it too, and the command gets it when it
//! asks: it is stopped for reading or setting what it does not have. Where there is no terminal
//! nothing of this is done.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;

use nix::sys::signal::{SigSet, Signal};
use rustix::fs::OFlags;
use rustix::process::{Pid, test_kill_process_group};
use rustix::termios::{
    OptionalActions, Termios, isatty, tcgetattr, tcgetpgrp, tcsetattr, tcsetpgrp,
};

use super::descendants::{group_of, is_below};

/// The controlling terminal, and who has it.
pub(crate) struct Terminal {
    file: File,
    /// This process's group.
    own: Pid,
    /// The command's.
    theirs: Pid,
    /// Whether it is handed over now.
    is_given: bool,
    /// Whether it ever was.
    was_given: bool,
    /// How this process and the command have it set, while the other has it.
    own_modes: Option<Termios>,
    their_modes: Option<Termios>,
}

/// How the terminal is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Modes {
    /// As the command has set it, on purpose.
    Theirs,
    /// As it was before.
    Own,
}

impl Terminal {
    /// The controlling terminal; `None` if there is none. `theirs` is the command's group.
    pub(crate) fn open(theirs: Pid) -> Option<Self> {
        let flags = (OFlags::NOCTTY | OFlags::CLOEXEC).bits().cast_signed();
        let file =
            File::options().read(true).write(true).custom_flags(flags).open("/dev/tty").ok()?;
        let own = group_of(None)?;
        Some(Self {
            file,
            own,
            theirs,
            is_given: false,
            was_given: false,
            own_modes: None,
            their_modes: None,
        })
    }

    /// Whether standard input and output are terminals, so that the command is alone with it.
    pub(crate) fn is_all_there_is() -> bool {
        isatty(std::io::stdin()) && isatty(std::io::stdout())
    }

    /// Hands it to the command's group, if it is this one's to give.
    pub(crate) fn give(&mut self) -> bool {
        if tcgetpgrp(&self.file) != Ok(self.own) {
            return false;
        }
        self.own_modes = tcgetattr(&self.file).ok();
        if let Some(modes) = self.their_modes.take() {
            tcsetattr(&self.file, OptionalActions::Now, &modes).ok();
        }
        self.is_given = tcsetpgrp(&self.file, self.theirs).is_ok();
        self.was_given |= self.is_given;
        self.is_given
    }

    /// Takes it back from the command's group and from whatever that has handed it to: not from a
    /// shell that has taken it since.
    pub(crate) fn take_back(&mut self, modes: Modes) {
        if !std::mem::take(&mut self.is_given) {
            return;
        }
        let Ok(holder) = tcgetpgrp(&self.file) else { return };
        let is_gone = || test_kill_process_group(holder) == Err(rustix::io::Errno::SRCH);
        if holder != self.theirs && !is_below(holder) && !is_gone() {
            return;
        }
        if modes == Modes::Own {
            self.their_modes = tcgetattr(&self.file).ok();
        }
        // Who does this in the background is stopped, unless the signal is blocked.
        let mut stop = SigSet::empty();
        stop.add(Signal::SIGTTOU);
        stop.thread_block().ok();
        tcsetpgrp(&self.file, self.own).ok();
        if let (Modes::Own, Some(modes)) = (modes, &self.own_modes) {
            tcsetattr(&self.file, OptionalActions::Now, modes).ok();
        }
        stop.thread_unblock().ok();
    }

    pub(crate) const fn is_given(&self) -> bool {
        self.is_given
    }

    pub(crate) const fn was_given(&self) -> bool {
        self.was_given
    }
}
