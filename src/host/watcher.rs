//! Wakes a command that waits: when a file of the sprint changes, when a process ends, when it is
//! time.
//!
//! Events of directories and handles of processes, where the system has them, in one `poll`. A file
//! system that other machines or a process can change behind the kernel's back gives no events, and
//! neither does a kernel that has no more watches to give: then it wakes by itself every second or
//! two. Waking too often costs a look; what a waiter believes it reads from the store.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Pid;

use super::Current;
use super::platform::{Control as _, DirectoryEvents};
use super::signals::{Leave, Signals};
use super::system::jitter;
use crate::error::Failure;

/// How often it wakes where nothing wakes it; up to half as long again, so that waiters do not look
/// in step.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// What can wake a waiter.
pub(crate) struct Watcher {
    /// The queue of events; `None` if there is none to be had.
    files: Option<<Current as DirectoryEvents>::Queue>,
    /// Whether something that matters cannot be watched.
    blind: bool,
    /// Whether something has happened already.
    at_once: bool,
    processes: Vec<OwnedFd>,
    /// Where the terminal has to be tidied up before a signal has its way.
    signals: Option<Rc<Signals>>,
    /// Whether it also matters that an owner was heard.
    hears: bool,
}

/// Why a sleeper is awake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Woken {
    /// Something has happened, or may have.
    Look,
    /// It is time, or there was a signal.
    Time,
    /// Nobody reads any more.
    Unread,
}

impl Watcher {
    /// With signals that [`Watcher::obey`] does, if any.
    pub(crate) fn new(signals: Option<Rc<Signals>>) -> Self {
        let files = Current::begin();
        let blind = files.is_none();
        Self { files, blind, at_once: false, processes: Vec::new(), signals, hears: false }
    }

    /// The same for one who shows when an owner was last heard: its files are touched then.
    pub(crate) fn of_owners_too(signals: Option<Rc<Signals>>) -> Self {
        Self { hears: true, ..Self::new(signals) }
    }

    /// Wakes from now on when an entry of `dir` comes, goes or is renamed.
    pub(crate) fn watch(&mut self, dir: &impl AsFd) {
        let dir = dir.as_fd();
        let watched = self.files.as_ref().is_some_and(|files| Current::add(files, dir, self.hears));
        self.blind |= !watched || Current::misses_changes(dir);
    }

    /// Forgets which directories wake it.
    pub(crate) fn forget_directories(&mut self) {
        self.files = Current::begin();
    }

    /// Forgets what has happened so far, and the processes.
    pub(crate) fn clear(&mut self) {
        self.processes.clear();
        self.blind = self.files.is_none();
        self.at_once = false;
        if let Some(files) = &self.files {
            Current::drain(files);
        }
    }

    /// Wakes when the process `pid` ends. `is_it` looks once more whether that number is still the
    /// process's that is meant, now that a handle of it is held.
    pub(crate) fn watch_process(&mut self, pid: i64, is_it: impl FnOnce() -> bool) {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        match pid.map(Current::handle) {
            Some(Ok(process)) if is_it() => self.processes.push(process),
            // It has ended, or another has its number by now.
            Some(Ok(_) | Err(rustix::io::Errno::SRCH)) => self.at_once = true,
            Some(Err(_)) | None => self.blind = true,
        }
    }

    /// Whether it wakes by itself, because not all that matters would wake it.
    pub(crate) const fn is_blind(&self) -> bool {
        self.blind
    }

    /// Does not sleep: what was seen is out of date.
    pub(crate) const fn wake(&mut self) {
        self.at_once = true;
    }

    /// Sleeps until something happens, at most for `longest`.
    pub(crate) fn sleep(&self, longest: Option<Duration>) {
        self.sleep_while_read(longest, None);
    }

    /// The same, at most until nobody is left at the other end of `reader`; why it is awake.
    pub(crate) fn sleep_while_read(
        &self,
        longest: Option<Duration>,
        reader: Option<BorrowedFd<'_>>,
    ) -> Woken {
        if self.at_once {
            return Woken::Look;
        }
        let blind = self.blind.then(|| POLL_INTERVAL + jitter(POLL_INTERVAL));
        let longest = [longest, blind].into_iter().flatten().min();
        // A time that does not fit is as good as for ever.
        let longest = longest.and_then(|time| Timespec::try_from(time).ok());
        // Errors and hang-ups are told unasked.
        let reader = reader.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::empty()));
        let signals = self
            .signals
            .iter()
            .map(|signals| PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN));
        let files = self.files.iter().map(AsFd::as_fd);
        let files = files.chain(self.processes.iter().map(AsFd::as_fd));
        let mut fds: Vec<PollFd<'_>> = reader.chain(signals).collect();
        let others = fds.len();
        fds.extend(files.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        // A signal wakes too; whatever the error is, the caller looks.
        let woken = poll(&mut fds, longest.as_ref()).is_ok_and(|woken| woken > 0);
        let has = |fds: &[PollFd<'_>]| woken && fds.iter().any(|fd| !fd.revents().is_empty());
        let (others, files) = fds.split_at(others);
        if has(&others[..others.len() - self.signals.iter().count()]) {
            Woken::Unread
        } else if has(files) || self.blind {
            Woken::Look
        } else {
            Woken::Time
        }
    }

    /// Sleeps until something happens, at most for `longest`, or until one of `others` can be read;
    /// whether it is time to look.
    pub(crate) fn sleep_beside(
        &self,
        longest: Option<Duration>,
        others: &[BorrowedFd<'_>],
    ) -> bool {
        if self.at_once {
            return true;
        }
        let blind = self.blind.then(|| POLL_INTERVAL + jitter(POLL_INTERVAL));
        let shorter = blind.filter(|blind| longest.is_none_or(|longest| *blind < longest));
        let longest = shorter.or(longest).and_then(|time| Timespec::try_from(time).ok());
        let files = self.files.iter().map(AsFd::as_fd);
        let files = files.chain(self.processes.iter().map(AsFd::as_fd));
        let all = files.chain(others.iter().copied());
        let mut fds: Vec<PollFd<'_>> =
            all.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        let woken = poll(&mut fds, longest.as_ref());
        let ours = fds.len() - others.len();
        match woken {
            Ok(0) => shorter.is_some(),
            Ok(_) => fds[..ours].iter().any(|fd| !fd.revents().is_empty()),
            // A signal, most likely.
            Err(_) => false,
        }
    }

    /// Sleeps for `longest`, or until one of `fds` can be read or a signal comes.
    pub(crate) fn sleep_for(longest: Option<Duration>, fds: &[BorrowedFd<'_>]) {
        let longest = longest.and_then(|time| Timespec::try_from(time).ok());
        let mut fds: Vec<PollFd<'_>> =
            fds.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        // Whatever the error is, the caller looks.
        poll(&mut fds, longest.as_ref()).ok();
    }

    /// Does what signals ask for, once `tidy` has tidied up.
    ///
    /// # Errors
    /// It should have ended, and could not.
    pub(crate) fn obey(&self, tidy: &mut dyn FnMut(Leave)) -> Result<(), Failure> {
        self.signals.as_ref().map_or(Ok(()), |signals| signals.obey(tidy))
    }
}
