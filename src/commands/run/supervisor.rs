//! The process between `run` and the command: this program once more, which `run` begins.
//!
//! It leads the command's process group, so that the group's number stays its own as long as `run`
//! may send signals to it, and it is in there to hear what is typed. The orphans of the command are
//! its children: that it has no child left says that nothing of the command is. When `run` ends
//! without a word, by `kill -9`, the connection does as well, and it stops all there is: it needs
//! to be told nothing for that, so there is no moment in which it would miss it. When this process
//! is killed instead, `run` does the same.

use std::ffi::OsString;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, WaitStatus, getpid, getppid};

use super::wire::{Message, Wire};
use crate::error;
use crate::host::descendants::{self, Progress, Scope, Stopping};
use crate::host::program::take_name;
use crate::host::signals::Signals;
use crate::host::signals::consts::{
    SIGABRT, SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGSYS, SIGTERM, SIGTRAP,
    SIGTSTP, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU, SIGXFSZ,
};
use crate::host::watcher::Watcher;

/// How long it takes at most until it is looked again for an end that was missed.
const AGAIN: Duration = Duration::from_millis(50);

/// What `run` begins this program with.
pub const ASKED: &str = "__supervise";

/// All that is sent to the group and would end or stop this process, too.
const OUTLIVED: [i32; 19] = [
    SIGABRT, SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGSYS, SIGTERM, SIGTRAP,
    SIGTSTP, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU, SIGXFSZ,
];

/// Runs the command `words` for the `run` at the other end of standard input. `None` if there is
/// none.
#[must_use]
pub fn run(words: &[OsString]) -> Option<u8> {
    let stdin = std::io::stdin().as_fd().try_clone_to_owned().ok()?;
    rustix::net::sockopt::socket_type(&stdin).ok()?;
    let wire = Wire::new(UnixStream::from(stdin));
    let signals = Signals::catch_these(OUTLIVED).ok()?;
    take_name();
    descendants::adopt_orphans();
    descendants::wake_with_parent();
    let elsewhere = getppid().and_then(|parent| descendants::group_of(Some(parent)));
    let Some(stdin) = wire.wait_for_go() else { return Some(error::OK) };
    let (program, args) = words.split_first()?;
    let begun = Command::new(program).args(args).stdin(stdin).spawn();
    match begun {
        Ok(child) => {
            let command = Pid::from_child(&child);
            wire.say(Message::Started(command.as_raw_pid()));
            Supervisor { wire, signals, command, elsewhere, has_ended: false }.watch();
        }
        Err(error) => wire.say(Message::NotRun(error.raw_os_error().unwrap_or_default())),
    }
    Some(error::OK)
}

struct Supervisor {
    wire: Wire,
    signals: Signals,
    command: Pid,
    /// The process group of `run`.
    elsewhere: Option<Pid>,
    has_ended: bool,
}

impl Supervisor {
    /// Watches until the command has ended well, or what is to be stopped is gone.
    fn watch(mut self) {
        let mut stopping: Option<Stopping> = None;
        let mut is_alone = false;
        loop {
            // Read what is said before children are collected: one that ends after that wakes this
            // process again.
            self.hear();
            let reaped = descendants::reap(Some(self.command));
            for status in reaped.of_command {
                if self.tell(status) {
                    return;
                }
            }
            if !is_alone {
                let (orders, is_there) = self.wire.listen();
                for order in orders {
                    let scope = if order == Message::StopAll { Scope::All } else { Scope::Group };
                    if stopping.as_ref().is_none_or(|it| it.scope() != Scope::All) {
                        stopping = Some(self.stop(scope));
                    }
                }
                if !is_there {
                    is_alone = true;
                    stopping = Some(self.stop(Scope::All).at_once());
                }
            }
            let (longest, ends) = match stopping.as_mut().map(|it| it.step(reaped.childless)) {
                None => (None, Vec::new()),
                Some(Progress::Wait(longest, ends)) => (Some(longest), ends),
                // It has ended since the children were looked for: how, is to be told first.
                Some(Progress::Gone) if !self.has_ended && !reaped.childless => {
                    (Some(AGAIN), Vec::new())
                }
                Some(Progress::Gone) => {
                    self.wire.say(Message::Over);
                    return;
                }
                Some(Progress::Left(left)) => {
                    if left.is_empty() {
                        self.wire.say(Message::Left(0));
                    }
                    for pid in left {
                        self.wire.say(Message::Left(pid.as_raw_pid()));
                    }
                    self.wire.say(Message::Over);
                    return;
                }
            };
            self.sleep(longest, &ends, is_alone);
        }
    }

    fn stop(&self, scope: Scope) -> Stopping {
        Stopping::new(scope, getpid(), self.elsewhere)
    }

    /// Says how the command ended, or that it was stopped; whether nothing more is to be done.
    fn tell(&mut self, status: WaitStatus) -> bool {
        let message = if let Some(code) = status.exit_status() {
            Message::Exited(code)
        } else if let Some(signal) = status.terminating_signal() {
            Message::Killed(signal)
        } else if let Some(signal) = status.stopping_signal() {
            Message::Stopped(signal)
        } else {
            return false;
        };
        self.has_ended |= !matches!(message, Message::Stopped(_));
        self.wire.say(message);
        message == Message::Exited(0)
    }

    /// Says what was typed to the group, or sent to it by another than `run` and this process.
    fn hear(&self) {
        for origin in self.signals.take() {
            let by_us = origin.is_from(getppid()) || origin.is_from(Some(getpid()));
            if matches!(origin.signal, SIGINT | SIGQUIT) && !by_us {
                self.wire.say(Message::Heard(origin.signal));
            }
        }
    }

    fn sleep(&self, longest: Option<Duration>, ends: &[OwnedFd], is_alone: bool) {
        let wire = (!is_alone).then(|| self.wire.as_fd());
        let all = wire.into_iter().chain([self.signals.as_fd()]);
        let all: Vec<BorrowedFd<'_>> = all.chain(ends.iter().map(OwnedFd::as_fd)).collect();
        Watcher::sleep_for(longest, &all);
    }
}
