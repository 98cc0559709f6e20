//! A process table of numbers: whether one is there, and which session it is in.

use crate::host::posix::{self, number, session_of};
use crate::host::process::{Entry, Seat, Table, Unread};
use crate::host::vars::Vars;

/// The process table of the running system.
#[derive(Debug, Clone, Default)]
pub struct Processes {
    own: Entry,
    unread: Unread,
}

impl Processes {
    /// Reads this command's own entry.
    #[must_use]
    pub fn read() -> Self {
        let own = Entry {
            session: session_of(None).unwrap_or_default(),
            ..posix::own(posix::own_number())
        };
        Self { own, unread: Unread::default() }
    }

    /// What could not be read of what is there.
    #[must_use]
    pub const fn unread(&self) -> &Unread {
        &self.unread
    }
}

impl Table for Processes {
    fn own(&self) -> Entry {
        self.own.clone()
    }

    fn entry(&self, pid: i64) -> Option<Entry> {
        let session = || session_of(number(pid)).unwrap_or_default();
        (self.exists(pid)?).then(|| Entry { pid, session: session(), ..Entry::default() })
    }

    fn process_of(&self, pid: i64) -> i64 {
        pid
    }

    fn args(&self, _: i64) -> Vec<String> {
        Vec::new()
    }

    fn vars(&self, _: i64) -> Option<Vars> {
        None
    }

    fn terminal(&self) -> Option<Seat> {
        posix::terminal(&self.unread)
    }

    fn pidfd(&self, _: i64) -> Option<u64> {
        None
    }

    fn exists(&self, pid: i64) -> Option<bool> {
        posix::exists(pid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_there_or_not() {
        let table = Processes::read();
        let own = table.own();
        assert_eq!(table.exists(own.pid), Some(true));
        let seen = table.entry(own.pid).unwrap();
        assert_eq!((seen.pid, seen.start, seen.ended), (own.pid, None, false));
        assert_eq!(table.entry(i64::from(i32::MAX)), None);
        assert!(table.all().is_none() && table.args(own.pid).is_empty());
    }

    #[test]
    fn groups_are_never_signalled() {
        let table = Processes::read();
        for pid in [0, -1, i64::MIN, i64::MAX, 1 << 32, (1 << 32) + 1] {
            assert_eq!((table.exists(pid), table.entry(pid)), (None, None));
        }
    }
}
