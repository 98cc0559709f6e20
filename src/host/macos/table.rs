//! The process table, made of what the kernel shows.

use std::fmt::Debug;

use crate::host::posix::{self, number};
use crate::host::process::{Entry, Seat, Table, Unread};
use crate::host::vars::Vars;

/// Names have at most so many bytes on Linux, and so have the names of programs that are known.
const LONGEST_NAME: usize = 15;

/// What the kernel shows of a process.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Its parent.
    pub(super) parent: Option<i64>,
    /// When it began, in seconds since 1970; 0 where that is hidden.
    pub(super) started: u64,
    /// The last part of the path that it was executed by.
    pub(super) name: String,
    /// Whether only its exit status is left.
    pub(super) is_zombie: bool,
}

/// What the kernel is asked.
pub trait Kernel: Clone + Debug + Default {
    /// Looks at the process `pid`; `None` when it is not there, is a zombie or cannot be seen.
    fn see(&self, pid: i64) -> Option<Seen>;

    /// Looks at all processes, each with its number.
    fn see_all(&self) -> Vec<(i64, Seen)>;

    /// The session of `pid`; `None` when it has ended.
    fn session(&self, pid: i64) -> Option<i64>;

    /// Whether `pid` is there at all, a zombie included; `None` when the kernel does not say.
    fn exists(&self, pid: i64) -> Option<bool>;

    /// The command line of `pid`; empty when it cannot be read.
    fn args(&self, pid: i64) -> Vec<String>;

    /// The environment that `pid` was started with; `None` when it cannot be read.
    fn vars(&self, pid: i64) -> Option<Vars>;

    /// The terminal session of this command.
    fn seat(&self, unread: &Unread) -> Option<Seat>;
}

/// The process table of the running system.
#[derive(Debug, Clone, Default)]
pub struct Processes<K> {
    kernel: K,
    own: Entry,
    /// The terminal of this command's session.
    seat: Option<Seat>,
    unread: Unread,
}

impl<K: Kernel> Processes<K> {
    /// Reads this command's own entry.
    #[must_use]
    pub fn read() -> Self {
        Self::of(K::default(), posix::own_number())
    }

    fn of(kernel: K, pid: i64) -> Self {
        let unread = Unread::default();
        let seat = kernel.seat(&unread);
        let table = Self { kernel, own: Entry::default(), seat, unread };
        let own = table.entry(pid).unwrap_or_else(|| posix::own(pid));
        Self { own, ..table }
    }

    /// What could not be read of what is there.
    #[must_use]
    pub const fn unread(&self) -> &Unread {
        &self.unread
    }

    fn entry_of(&self, pid: i64, seen: Seen) -> Entry {
        let session = self.kernel.session(pid).unwrap_or_default();
        let seat = self.seat.filter(|seat| seat.session == session);
        let parent = seen.parent.unwrap_or_default();
        Entry {
            pid,
            comm: called(seen.name, parent),
            ppid: parent,
            session,
            tty: seat.map_or(0, |seat| as_on_linux(seat.device)),
            start: Some(seen.started).filter(|started| *started > 0),
            ended: seen.is_zombie,
        }
    }
}

impl<K: Kernel> Table for Processes<K> {
    fn own(&self) -> Entry {
        self.own.clone()
    }

    fn entry(&self, pid: i64) -> Option<Entry> {
        number(pid)?;
        if let Some(seen) = self.kernel.see(pid) {
            return Some(self.entry_of(pid, seen));
        }
        // A zombie has a number still, and no session any more.
        let is_zombie = self.kernel.exists(pid) == Some(true) && self.kernel.session(pid).is_none();
        is_zombie.then(|| Entry { pid, ended: true, ..Entry::default() })
    }

    fn process_of(&self, pid: i64) -> i64 {
        pid
    }

    fn args(&self, pid: i64) -> Vec<String> {
        if number(pid).is_some() { self.kernel.args(pid) } else { Vec::new() }
    }

    fn vars(&self, pid: i64) -> Option<Vars> {
        number(pid)?;
        self.kernel.vars(pid)
    }

    fn pidfd(&self, _: i64) -> Option<u64> {
        None
    }

    fn exists(&self, pid: i64) -> Option<bool> {
        number(pid)?;
        self.kernel.exists(pid)
    }

    fn all(&self) -> Option<Vec<Entry>> {
        let all = self.kernel.see_all();
        (!all.is_empty())
            .then(|| all.into_iter().map(|(pid, seen)| self.entry_of(pid, seen)).collect())
    }
}

/// What Linux would call a process. A server of tmux does not rename itself here; unlike a client,
/// it is a child of the first process.
fn called(name: String, parent: i64) -> String {
    if name == "tmux" && parent == 1 {
        return "tmux: server".to_owned();
    }
    let end = (0..=LONGEST_NAME).rev().find(|end| name.is_char_boundary(*end)).unwrap_or_default();
    if name.len() > LONGEST_NAME { name[..end].to_owned() } else { name }
}

/// The number that Linux would give to a terminal with this device number, of which the upper byte
/// is the kind here; never 0, which is none.
fn as_on_linux(device: Option<u64>) -> i64 {
    let Some(device) = device else { return 1 << 8 };
    let (major, minor) = (device >> 24 & 0xff, device & 0xff_ffff);
    let number = (major << 8) | (minor & 0xff) | ((minor & 0xf_ff00) << 12);
    i64::try_from(number.max(1)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::host::agent::{self, Given};
    use crate::host::machine::Machine;

    /// A kernel with these processes: their sessions and command lines, and what is seen of them.
    #[derive(Debug, Clone, Default)]
    struct Fake {
        processes: BTreeMap<i64, (i64, &'static str, Seen)>,
        zombies: Vec<i64>,
        hidden: Vec<i64>,
        seat: Option<Seat>,
    }

    impl Kernel for Fake {
        fn see(&self, pid: i64) -> Option<Seen> {
            let is_hidden = self.hidden.contains(&pid);
            self.processes.get(&pid).filter(|_| !is_hidden).map(|(_, _, seen)| seen.clone())
        }
        fn see_all(&self) -> Vec<(i64, Seen)> {
            self.processes.iter().map(|(pid, (_, _, seen))| (*pid, seen.clone())).collect()
        }
        fn session(&self, pid: i64) -> Option<i64> {
            self.processes.get(&pid).map(|(session, ..)| *session)
        }
        fn exists(&self, pid: i64) -> Option<bool> {
            Some(self.processes.contains_key(&pid) || self.zombies.contains(&pid))
        }
        fn args(&self, pid: i64) -> Vec<String> {
            let line = self.processes.get(&pid).map_or("", |(_, line, _)| line);
            line.split_whitespace().map(str::to_owned).collect()
        }
        fn vars(&self, _: i64) -> Option<Vars> {
            None
        }
        fn seat(&self, _: &Unread) -> Option<Seat> {
            self.seat
        }
    }

    /// `(pid, parent, session, path, command line)`; the last is this command.
    fn table(lines: &[(i64, i64, i64, &str, &'static str)]) -> Processes<Fake> {
        let mut fake = Fake { seat: Some(SEAT), ..Fake::default() };
        for (pid, parent, session, path, line) in lines {
            let seen = Seen {
                parent: Some(*parent).filter(|parent| *parent > 0),
                started: 1_780_000_000 + u64::try_from(*pid).unwrap(),
                name: path.rsplit('/').next().unwrap().to_owned(),
                is_zombie: false,
            };
            fake.processes.insert(*pid, (*session, line, seen));
        }
        Processes::of(fake, lines.last().unwrap().0)
    }

    /// `ttys003` of the session that login leads.
    const SEAT: Seat = Seat { session: 500, device: Some((16 << 24) | 3) };

    /// A window of Terminal, and in it a shell.
    const WINDOW: [(i64, i64, i64, &str, &str); 4] = [
        (1, 0, 1, "/sbin/launchd", ""),
        (400, 1, 1, "/System/Applications/Utilities/Terminal.app/Contents/MacOS/Terminal", ""),
        (500, 400, 500, "/usr/bin/login", ""),
        (501, 500, 500, "/bin/zsh", "-zsh"),
    ];

    fn below_shell(
        more: &[(i64, i64, i64, &'static str, &'static str)],
    ) -> Vec<(i64, i64, i64, &'static str, &'static str)> {
        WINDOW.iter().chain(more).copied().collect()
    }

    fn mac() -> Machine {
        Machine { boot: Some("boot".into()), one_table: true, user: 501, ..Machine::default() }
    }

    fn ask(table: &Processes<Fake>) -> crate::rules::Me {
        let vars = [("USER", "alice")].into_iter().collect();
        agent::identify(&Given::default(), &vars, &mac(), table, |_| None, None).unwrap()
    }

    #[test]
    fn a_person_at_a_window() {
        let table = table(&below_shell(&[
            (600, 501, 500, "/Library/Developer/CommandLineTools/usr/bin/git", "git conductor"),
            (601, 600, 500, "/opt/homebrew/bin/git-conductor", "git-conductor claim build"),
        ]));
        let me = ask(&table);
        // As long as the window is there, login is.
        assert_eq!((me.name.as_str(), me.person), ("alice-500", true));
        let process = me.process.unwrap();
        assert_eq!((process.pid, process.start), (500, Some(1_780_000_500)));
        assert_eq!((process.pid_ns, process.node), (None, None));
    }

    #[test]
    fn an_agent_by_the_name_that_it_was_executed_by() {
        // What runs is a file that is called after its version.
        let table = table(&below_shell(&[
            (600, 501, 500, "/Users/alice/.local/bin/claude", "claude"),
            (601, 600, 601, "/bin/zsh", "/bin/zsh -c git conductor claim build"),
            (602, 601, 601, "/opt/homebrew/bin/git-conductor", "git-conductor claim build"),
        ]));
        let me = ask(&table);
        assert_eq!((me.name.as_str(), me.person), ("claude-600", false));
    }

    #[test]
    fn a_server_of_tmux_is_everybodys() {
        let table = table(&[
            WINDOW[0],
            (700, 1, 700, "/opt/homebrew/bin/tmux", "tmux new"),
            (701, 700, 701, "/bin/sh", "sh -c git conductor claim build"),
            (702, 701, 701, "/opt/homebrew/bin/git-conductor", "git-conductor claim build"),
        ]);
        assert_eq!(table.entry(700).unwrap().comm, "tmux: server");
        assert_eq!(ask(&table).any_process(), None);
        assert_eq!(called("tmux".to_owned(), 501), "tmux");
    }

    #[test]
    fn what_has_ended_what_is_gone_and_what_is_hidden() {
        let mut table = table(&below_shell(&[(600, 501, 500, "/bin/git-conductor", "")]));
        table.kernel.zombies.push(800);
        table.kernel.hidden.push(501);
        assert!(table.entry(800).unwrap().ended);
        assert!(!table.entry(600).unwrap().ended);
        // One that is there and is not shown has a session: it has not ended.
        assert_eq!((table.entry(501), table.exists(501)), (None, Some(true)));
        assert_eq!((table.entry(999), table.exists(999)), (None, Some(false)));
        for pid in [0, -1, i64::MIN, i64::MAX, 1 << 32] {
            assert_eq!((table.exists(pid), table.entry(pid)), (None, None));
            assert!(table.args(pid).is_empty());
        }
    }

    #[test]
    fn only_this_session_has_the_terminal() {
        let table = table(&below_shell(&[(600, 501, 500, "/bin/git-conductor", "")]));
        let tty = |pid| table.entry(pid).unwrap().tty;
        assert_eq!((tty(600), tty(501), tty(400)), (0x1003, 0x1003, 0));
        assert_eq!(as_on_linux(None), 0x100);
        assert_eq!(as_on_linux(Some((16 << 24) | 0x123)), 0x10_1023);
    }

    #[test]
    fn names_are_as_long_as_on_linux() {
        assert_eq!(called("prepare-commit-msg".to_owned(), 5), "prepare-commit-");
        assert_eq!(called("12345678901234é".to_owned(), 5), "12345678901234");
        assert_eq!(called("exactly-15-long".to_owned(), 5), "exactly-15-long");
    }
}
