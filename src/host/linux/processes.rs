//! The process table, read from `/proc`.
//!
//! It reads `/proc/<pid>/stat` once per process that is asked for and `/proc/<pid>/cmdline` only on
//! demand. Where there is no `/proc`, or the mounted one shows another pid namespace (where our
//! number means a stranger), it knows no more than POSIX and pidfds say.

use std::fs::File;
use std::io::{self, Read as _};

use super::{Linux, file_systems};
use crate::host::platform::Control as _;
use crate::host::posix::{self, number};
use crate::host::process::{Entry, Seat, Table, Unread};
use crate::host::vars::Vars;

/// An environment of more bytes is not read.
const LONGEST_ENVIRONMENT: u64 = 1 << 20;

impl Entry {
    /// Parses `/proc/<pid>/stat`; `None` if malformed. The name may hold anything, `) R 1` and
    /// line feeds included, but nothing after it holds a parenthesis, so the last one ends it.
    #[must_use]
    pub fn parse(stat: &[u8]) -> Option<Self> {
        let open = stat.iter().position(|byte| *byte == b'(')?;
        let close = stat.iter().rposition(|byte| *byte == b')')?;
        let pid = std::str::from_utf8(stat.get(..open)?).ok()?.trim().parse().ok()?;
        let comm = String::from_utf8_lossy(stat.get(open + 1..close)?).into_owned();
        let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
        // The first is field 3 of proc_pid_stat(5): state ppid pgrp session tty_nr …
        let fields: Vec<&str> = rest.split_ascii_whitespace().take(20).collect();
        let field = |number: usize| fields.get(number - 3).copied();
        let threads: u64 = field(20)?.parse().ok()?;
        Some(Self {
            pid,
            comm,
            ppid: field(4)?.parse().ok()?,
            session: field(6)?.parse().ok()?,
            tty: field(7)?.parse().ok()?,
            start: Some(field(22)?.parse().ok()?),
            // A process whose first thread has ended looks like a zombie while the others run on.
            ended: matches!(field(3)?, "Z" | "X" | "x") && threads <= 1,
        })
    }
}

impl Vars {
    /// The variables of another process, as the system shows them: each ends with a zero byte.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let pairs = bytes.split(|byte| *byte == 0).filter_map(|pair| {
            let (name, value) = pair.split_at(pair.iter().position(|byte| *byte == b'=')?);
            let name = std::str::from_utf8(name).ok()?;
            Some((name, String::from_utf8_lossy(&value[1..]).into_owned()))
        });
        pairs.collect()
    }
}

/// Looks at the process whose `/proc/<pid>/stat` this is.
fn read_stat(unread: &Unread, path: &str) -> Option<Entry> {
    let mut buffer = [0; 1024];
    Entry::parse(unread.read_once(path, &mut buffer)?)
}

/// The process table of the running system.
#[derive(Debug, Clone, Default)]
pub struct Processes {
    own: Entry,
    /// Whether `/proc` is there and shows our own pid namespace.
    proc: bool,
    unread: Unread,
}

impl Processes {
    /// Reads this command's own entry, and from it whether `/proc` can be believed.
    #[must_use]
    pub fn read() -> Self {
        let pid = posix::own_number();
        let unread = Unread::default();
        // A `/proc` of another pid namespace resolves `self` to the number that we have there.
        if let Some(own) = read_stat(&unread, "/proc/self/stat").filter(|own| own.pid == pid) {
            return Self { own, proc: true, unread };
        }
        Self { own: posix::own(pid), proc: false, unread }
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
        number(pid)?;
        if self.proc {
            let entry = read_stat(&self.unread, &format!("/proc/{pid}/stat"));
            return entry.filter(|entry| entry.pid == pid);
        }
        // Its session is not asked for: 0, of a leader outside of the PID namespace, says nothing.
        (self.exists(pid) == Some(true)).then(|| Entry { pid, ..Entry::default() })
    }

    fn process_of(&self, pid: i64) -> i64 {
        // The name, which comes first, is escaped there and has 64 bytes at most.
        let mut buffer = [0; 512];
        let status = if self.proc && number(pid).is_some() {
            self.unread.read_once(&format!("/proc/{pid}/status"), &mut buffer)
        } else {
            None
        };
        let text = String::from_utf8_lossy(status.unwrap_or_default());
        let group = text.lines().find_map(|line| line.strip_prefix("Tgid:"));
        group.and_then(|group| group.trim().parse().ok()).unwrap_or(pid)
    }

    fn args(&self, pid: i64) -> Vec<String> {
        let mut buffer = [0; 4096];
        let read = if self.proc && number(pid).is_some() {
            self.unread.read_once(&format!("/proc/{pid}/cmdline"), &mut buffer)
        } else {
            None
        };
        let text = read.unwrap_or_default();
        let text = text.strip_suffix(b"\0").unwrap_or(text);
        if text.is_empty() {
            return Vec::new();
        }
        text.split(|byte| *byte == 0).map(|arg| String::from_utf8_lossy(arg).into_owned()).collect()
    }

    fn vars(&self, pid: i64) -> Option<Vars> {
        number(pid).filter(|_| self.proc)?;
        let mut bytes = Vec::new();
        let path = format!("/proc/{pid}/environ");
        let read = File::open(&path)
            .and_then(|file| file.take(LONGEST_ENVIRONMENT + 1).read_to_end(&mut bytes));
        self.unread.note(&path, read)?;
        (bytes.len() as u64 <= LONGEST_ENVIRONMENT).then(|| Vars::parse(&bytes))
    }

    fn terminal(&self) -> Option<Seat> {
        if self.proc {
            return None;
        }
        posix::terminal(&self.unread)
    }

    fn pidfd(&self, pid: i64) -> Option<u64> {
        /// `PIDFS_MAGIC` of `linux/magic.h`; before 6.9 all pidfds share one anonymous inode.
        const PIDFS: u64 = 0x5049_4446;
        let opened = Linux::handle(number(pid)?);
        let fd = self.unread.note("a pidfd", opened.map_err(io::Error::from))?;
        let magic = file_systems::number(&rustix::fs::fstatfs(&fd).ok()?);
        (magic == PIDFS).then(|| rustix::fs::fstat(&fd).ok().map(|stat| stat.st_ino))?
    }

    fn exists(&self, pid: i64) -> Option<bool> {
        posix::exists(pid)
    }

    fn all(&self) -> Option<Vec<Entry>> {
        if !self.proc {
            return None;
        }
        let entries = std::fs::read_dir("/proc").ok()?.filter_map(|entry| {
            let pid: i64 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            self.entry(pid)
        });
        Some(entries.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(comm: &str, state: &str, threads: u64) -> String {
        format!(
            "42 ({comm}) {state} 7 42 9 34816 -1 4194304 1 0 0 0 0 0 0 0 20 0 {threads} 0 1476 31 3"
        )
    }

    #[test]
    fn a_name_may_hold_anything() {
        for comm in ["bash", "tmux: server", "a) R 1 2 3 (b", ")", "(", "", "x\n1 (y) Z 1", "é"] {
            let entry = Entry::parse(stat(comm, "S", 1).as_bytes()).unwrap();
            assert_eq!(entry.comm, comm);
            assert_eq!((entry.pid, entry.ppid, entry.session, entry.tty), (42, 7, 9, 34816));
            assert_eq!((entry.start, entry.ended), (Some(1476), false));
        }
    }

    #[test]
    fn only_a_whole_zombie_has_ended() {
        assert!(Entry::parse(stat("x", "Z", 1).as_bytes()).unwrap().ended);
        assert!(!Entry::parse(stat("x", "Z", 3).as_bytes()).unwrap().ended);
    }

    #[test]
    fn what_is_no_stat_is_nothing() {
        for text in ["", "42", "42 (x", "42 x) S", "42 (x) S 1 2", "x (x) S 7 42 9 0"] {
            assert_eq!(Entry::parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn groups_are_never_signalled() {
        let table = Processes::read();
        for pid in [0, -1, i64::MIN, i64::MAX, 1 << 32, (1 << 32) + 1] {
            assert_eq!(table.exists(pid), None);
            assert_eq!(table.entry(pid), None);
            assert_eq!(table.pidfd(pid), None);
            assert!(table.args(pid).is_empty());
        }
    }
}
