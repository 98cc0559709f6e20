//! How the kernel is asked for processes.

use sysinfo::{
    Pid, Process, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind,
};

use super::table::{Kernel, Seen};
use crate::host::posix::{self, number};
use crate::host::process::{Seat, Unread};
use crate::host::vars::Vars;

/// The running kernel.
#[derive(Debug, Clone, Default)]
pub struct Asked;

impl Kernel for Asked {
    fn see(&self, pid: i64) -> Option<Seen> {
        look(pid, ProcessRefreshKind::nothing(), seen)
    }

    fn see_all(&self) -> Vec<(i64, Seen)> {
        let mut system = System::new();
        let kind = ProcessRefreshKind::nothing();
        system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
        let all = system.processes().iter();
        all.map(|(pid, process)| (i64::from(pid.as_u32()), seen(process))).collect()
    }

    fn session(&self, pid: i64) -> Option<i64> {
        posix::session_of(Some(number(pid)?))
    }

    fn exists(&self, pid: i64) -> Option<bool> {
        posix::exists(pid)
    }

    fn args(&self, pid: i64) -> Vec<String> {
        let kind = ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always);
        let words = |process: &Process| {
            process.cmd().iter().map(|word| word.to_string_lossy().into_owned()).collect()
        };
        look(pid, kind, words).unwrap_or_default()
    }

    fn vars(&self, pid: i64) -> Option<Vars> {
        let kind = ProcessRefreshKind::nothing().with_environ(UpdateKind::Always);
        let vars = look(pid, kind, |process| {
            let pairs = process.environ().iter().filter_map(|pair| {
                let pair = pair.to_string_lossy();
                let (name, value) = pair.split_once('=')?;
                Some((name.to_owned(), value.to_owned()))
            });
            (!process.environ().is_empty()).then(|| pairs.collect())
        });
        vars.flatten()
    }

    fn seat(&self, unread: &Unread) -> Option<Seat> {
        posix::terminal(unread)
    }
}

/// Looks at one process.
fn look<T>(pid: i64, kind: ProcessRefreshKind, of: impl Fn(&Process) -> T) -> Option<T> {
    let pid = Pid::from_u32(u32::try_from(pid).ok()?);
    let mut system = System::new();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, kind);
    system.process(pid).map(of)
}

fn seen(process: &Process) -> Seen {
    Seen {
        parent: process.parent().map(|parent| i64::from(parent.as_u32())),
        started: process.start_time(),
        name: process.name().to_string_lossy().into_owned(),
        is_zombie: process.status() == ProcessStatus::Zombie,
    }
}
