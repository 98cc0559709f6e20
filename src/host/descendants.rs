//! The processes that a command has begun: which there are, and how they are stopped.
//!
//! Where orphans can be adopted and processes be seen, what left the process group is still found.
//! Where they only can be seen, an orphan is found as long as it stays in the group. Elsewhere only
//! the process group is known.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use nix::unistd;
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::net::RecvFlags;
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, getppid, kill_process, kill_process_group,
    setpgid, wait,
};

use super::platform::Control;
use super::process::{Entry, Table as _};
use super::{Current, Processes};

/// How long what is asked to end may take for that, before it is killed.
const GRACE: Duration = Duration::from_secs(10);
/// How long a process that was killed may take to be gone.
const DYING: Duration = Duration::from_secs(5);
/// How often it is looked again where nothing wakes who looks.
const AGAIN: Duration = Duration::from_millis(50);

/// With this a file that comes through a socket is closed in programs that are executed, where one
/// call does both.
pub(crate) const CLOSES_RECEIVED: RecvFlags = <Current as Control>::CLOSES_RECEIVED;

/// The same for where it takes a second call; whether it is so now.
pub(crate) fn is_closed_by_programs(file: &OwnedFd) -> bool {
    !CLOSES_RECEIVED.is_empty() || fcntl_setfd(file, FdFlags::CLOEXEC).is_ok()
}

/// Gets the orphans below this process from now on, instead of the first process of the system.
pub(crate) fn adopt_orphans() {
    Current::adopt_orphans();
}

/// Is continued, if it was stopped, when its parent ends.
pub(crate) fn wake_with_parent() {
    Current::wake_with_parent();
}

/// How far what is to be stopped reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The command's process group.
    Group,
    /// All that it has begun.
    All,
}

/// How the stopping goes on.
pub(crate) enum Progress {
    /// Nothing is left.
    Gone,
    /// These cannot be stopped.
    Left(Vec<Pid>),
    /// It is to be looked again after that time, or when one of these has ended.
    Wait(Duration, Vec<OwnedFd>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Begun,
    /// The group was asked to end.
    Asked,
    /// All are.
    AllAsked,
    Killed,
}

/// What is being stopped: below this process.
pub(crate) struct Stopping {
    scope: Scope,
    group: Pid,
    /// A group that this process, which is in that one, can go to.
    elsewhere: Option<Pid>,
    stage: Stage,
    /// When the next thing is to be done.
    until: Instant,
}

/// What the end or the stop of children tells.
pub(crate) struct Reaped {
    /// Of the command itself.
    pub(crate) of_command: Vec<WaitStatus>,
    /// Whether there is no child any more.
    pub(crate) childless: bool,
}

/// Collects the children that have ended, orphans among them.
pub(crate) fn reap(command: Option<Pid>) -> Reaped {
    let mut of_command = Vec::new();
    let childless = loop {
        match wait(WaitOptions::NOHANG | WaitOptions::UNTRACED) {
            Ok(Some((pid, status))) if Some(pid) == command => of_command.push(status),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    Reaped { of_command, childless }
}

impl Stopping {
    /// Begins to stop `scope`, as far as it is below this process. `group` is the command's; if
    /// this process is in it itself, it can go `elsewhere`.
    pub(crate) fn new(scope: Scope, group: Pid, elsewhere: Option<Pid>) -> Self {
        Self { scope, group, elsewhere, stage: Stage::Begun, until: Instant::now() + GRACE }
    }

    /// The same without asking first.
    pub(crate) fn at_once(self) -> Self {
        Self { until: Instant::now(), ..self }
    }

    pub(crate) const fn scope(&self) -> Scope {
        self.scope
    }

    /// Does what is to be done now. `childless` says that nothing is left for sure.
    pub(crate) fn step(&mut self, childless: bool) -> Progress {
        // Orphans that are not adopted are no children.
        if childless && Current::ADOPTS {
            return Progress::Gone;
        }
        let Some(below) = below(self.group) else {
            return if childless { Progress::Gone } else { self.step_blindly() };
        };
        let mut left: Vec<&Process> = below.iter().filter(|it| self.concerns(it)).collect();
        if left.is_empty() {
            return Progress::Gone;
        }
        let in_group = left.iter().any(|it| it.group == Some(self.group));
        let now = Instant::now();
        if now < self.until {
            if self.stage == Stage::Begun && in_group {
                self.ask_group();
            }
            if self.scope == Scope::All && !in_group && self.stage < Stage::AllAsked {
                self.stage = Stage::AllAsked;
                for it in &left {
                    it.signal(Signal::TERM);
                    it.signal(Signal::CONT);
                }
            }
        } else if self.stage < Stage::Killed {
            self.stage = Stage::Killed;
            self.until = now + DYING;
        } else {
            left.retain(|it| it.is_there());
            return if left.is_empty() {
                Progress::Wait(AGAIN, Vec::new())
            } else {
                Progress::Left(left.iter().map(|it| it.pid).collect())
            };
        }
        if self.stage == Stage::Killed {
            if in_group && self.is_outside() {
                kill_process_group(self.group, Signal::KILL).ok();
            }
            for it in &left {
                it.signal(Signal::KILL);
            }
            // What they have begun meanwhile is not known yet.
            return Progress::Wait(AGAIN, Vec::new());
        }
        let ends: Vec<Option<OwnedFd>> = left.iter().map(|it| it.handle()).collect();
        let all_wake = ends.iter().all(Option::is_some);
        let wait = self.until.saturating_duration_since(now);
        Progress::Wait(
            if all_wake { wait } else { wait.min(AGAIN) },
            ends.into_iter().flatten().collect(),
        )
    }

    /// Where the processes cannot be seen: only the group is known, and the end of children.
    fn step_blindly(&mut self) -> Progress {
        let now = Instant::now();
        if now < self.until {
            if self.stage == Stage::Begun {
                self.ask_group();
            }
        } else if self.stage < Stage::Killed {
            (self.stage, self.until) = (Stage::Killed, now + DYING);
            if self.is_outside() {
                kill_process_group(self.group, Signal::KILL).ok();
            }
        } else {
            return Progress::Left(Vec::new());
        }
        Progress::Wait(AGAIN, Vec::new())
    }

    fn ask_group(&mut self) {
        self.stage = Stage::Asked;
        kill_process_group(self.group, Signal::TERM).ok();
        // One that is stopped does not see it else.
        kill_process_group(self.group, Signal::CONT).ok();
    }

    /// Whether what kills the group does not kill this process.
    fn is_outside(&self) -> bool {
        let is_in = || group_of(None) == Some(self.group);
        if is_in()
            && let Some(elsewhere) = self.elsewhere
        {
            setpgid(None, Some(elsewhere)).ok();
        }
        !is_in()
    }

    fn concerns(&self, process: &Process) -> bool {
        self.scope == Scope::All || process.group == Some(self.group)
    }
}

/// A process below this one.
struct Process {
    pid: Pid,
    parent: i64,
    start: Option<u64>,
    group: Option<Pid>,
}

impl Process {
    /// A handle of it; `None` if there is none to be had, or it is gone.
    fn handle(&self) -> Option<OwnedFd> {
        let handle = Current::handle(self.pid).ok()?;
        // Its number may be another's by now.
        self.is_there().then_some(handle)
    }

    fn is_there(&self) -> bool {
        let entry = Processes::read().entry(i64::from(self.pid.as_raw_pid()));
        // It is given to this process, or to the system's first, when its parent ends.
        let own = i64::from(getpid().as_raw_pid());
        let is_same = |it: &Entry| it.start.is_some() && it.start == self.start;
        entry.is_some_and(|it| {
            !it.ended && (it.ppid == self.parent || it.ppid == own || is_same(&it))
        })
    }

    fn signal(&self, signal: Signal) {
        match Current::handle(self.pid) {
            Ok(handle) if self.is_there() => {
                if Current::signal(&handle, signal) == Err(Errno::NOSYS) {
                    kill_process(self.pid, signal).ok();
                }
            }
            Ok(_) | Err(Errno::SRCH) => {}
            // A kernel without, or no more files.
            Err(_) => _ = kill_process(self.pid, signal).ok(),
        }
    }
}

/// The processes below this one that have not ended, and orphans in `group` that are nobody's;
/// `None` where they cannot be seen.
fn below(group: Pid) -> Option<Vec<Process>> {
    let all = Processes::read().all()?;
    let own = i64::from(getpid().as_raw_pid());
    let found = below_in(&all, own, |it| {
        let pid = i32::try_from(it.pid).ok().and_then(Pid::from_raw);
        !Current::ADOPTS && pid.is_some_and(|pid| group_of(Some(pid)) == Some(group))
    });
    let found = found.into_iter().filter_map(|it| {
        let pid = Pid::from_raw(i32::try_from(it.pid).ok()?)?;
        let group = group_of(Some(pid));
        Some(Process { pid, parent: it.ppid, start: it.start, group })
    });
    Some(found.collect())
}

/// Those of `all` that are below `own` and have not ended, and the orphans that are `ours`.
fn below_in(all: &[Entry], own: i64, ours: impl Fn(&Entry) -> bool) -> Vec<Entry> {
    let mut known = vec![own];
    known.extend(all.iter().filter(|it| it.ppid == 1 && ours(it)).map(|it| it.pid));
    let mut next = 0;
    while let Some(parent) = known.get(next).copied() {
        next += 1;
        known.extend(all.iter().filter(|it| it.ppid == parent).map(|it| it.pid));
    }
    let is_found = |it: &&Entry| !it.ended && it.pid != own && known.contains(&it.pid);
    all.iter().filter(is_found).cloned().collect()
}

/// Whether `pid` is below this process.
pub(crate) fn is_below(pid: Pid) -> bool {
    let table = Processes::read();
    let own = i64::from(getpid().as_raw_pid());
    let mut pid = i64::from(pid.as_raw_pid());
    // The table may change while it is read: no circle is walked for ever.
    for _ in 0..1000 {
        match table.entry(pid) {
            Some(entry) if entry.ppid == own => return true,
            Some(entry) if entry.ppid > 1 => pid = entry.ppid,
            Some(_) | None => return false,
        }
    }
    false
}

/// The process group of `pid`, or of this process; `None` where it is gone, or is led from outside
/// of the pid namespace.
pub(crate) fn group_of(pid: Option<Pid>) -> Option<Pid> {
    let group = unistd::getpgid(pid.map(raw)).ok()?;
    Some(group.as_raw()).filter(|group| *group > 0).and_then(Pid::from_raw)
}

fn raw(pid: Pid) -> unistd::Pid {
    unistd::Pid::from_raw(pid.as_raw_pid())
}

/// Whether nobody would continue this process's group if it were stopped: none of those above it is
/// in another group of the same session.
pub(crate) fn is_orphaned() -> bool {
    let session = unistd::getsid(None).ok();
    let group = unistd::getpgid(None).ok();
    let table = Processes::read();
    let mut above = getppid();
    while let Some(pid) = above {
        if session.is_none() || unistd::getsid(Some(raw(pid))).ok() != session {
            return true;
        }
        if unistd::getpgid(Some(raw(pid))).ok() != group {
            return false;
        }
        let entry = table.entry(i64::from(pid.as_raw_pid()));
        let parent = entry.and_then(|entry| i32::try_from(entry.ppid).ok());
        above = parent.filter(|parent| *parent > 0).and_then(Pid::from_raw);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orphans_are_found_by_their_group_where_nobody_adopts_them() {
        let entry = |pid, ppid, ended| Entry { pid, ppid, ended, ..Entry::default() };
        let all = [
            entry(1, 0, false),
            entry(10, 1, false),
            entry(11, 10, false),
            entry(12, 11, true),
            entry(13, 12, false),
            entry(20, 1, false),
            entry(21, 20, false),
            entry(30, 1, false),
        ];
        let pids = |ours: fn(&Entry) -> bool| -> Vec<i64> {
            below_in(&all, 10, ours).into_iter().map(|it| it.pid).collect()
        };
        assert_eq!(pids(|_| false), [11, 13]);
        // An orphan, and what it has begun; this process is not to be stopped with its group.
        assert_eq!(pids(|it| it.pid == 20 || it.pid == 10), [11, 13, 20, 21]);
    }
}
