//! What goes wrong in a run besides the schedule, and the text by which a run can be repeated.

use std::fmt::{self, Display};

use rustix::io::Errno;

/// How the mutex behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Mutex {
    /// As `flock` on a local disk: one holder at a time, released by the kernel at its death.
    #[default]
    Working,
    /// Never granted: always held by someone who is stopped, or not supported.
    Absent,
    /// Granted to everyone: some network and VM shares.
    Lying,
}

/// What a step does of its effect before it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing.
    None,
    /// A write, and only a write: the first half of its data.
    Half,
    /// All of it, and the error is told all the same, as NFS can after a lost answer.
    Full,
}

/// A command is killed before its `step`-th step (from 1): nothing of it has an effect from there
/// on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kill {
    pub(crate) command: usize,
    pub(crate) step: usize,
    /// If the step is a write, half of it is still done.
    pub(crate) torn: bool,
}

/// A command's `step`-th step (from 1) fails, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) command: usize,
    pub(crate) step: usize,
    pub(crate) errno: Errno,
    pub(crate) effect: Effect,
}

/// All that goes wrong in a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) kills: Vec<Kill>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) mutex: Mutex,
    /// Decides which names a listing sees in its first half, and which in its second.
    pub(crate) salt: u64,
}

impl Plan {
    /// This plan, with a command killed besides.
    pub(crate) fn with_kill(&self, kill: Kill) -> Self {
        let mut plan = self.clone();
        plan.kills.push(kill);
        plan
    }

    /// This plan, with a step failing besides.
    pub(crate) fn with_fault(&self, fault: Fault) -> Self {
        let mut plan = self.clone();
        plan.faults.push(fault);
        plan
    }
}

/// The errors that can be injected, by the names that the replay text uses.
const ERRNOS: &[(&str, Errno)] = &[
    ("ENOSPC", Errno::NOSPC),
    ("EIO", Errno::IO),
    ("EACCES", Errno::ACCESS),
    ("EINTR", Errno::INTR),
    ("EROFS", Errno::ROFS),
    ("EDQUOT", Errno::DQUOT),
    ("EMFILE", Errno::MFILE),
    ("ESTALE", Errno::STALE),
    // These are only ever shown.
    ("ENOENT", Errno::NOENT),
    ("EEXIST", Errno::EXIST),
    ("ENOTEMPTY", Errno::NOTEMPTY),
    ("ENOTDIR", Errno::NOTDIR),
    ("EISDIR", Errno::ISDIR),
    ("EINVAL", Errno::INVAL),
    ("ELOOP", Errno::LOOP),
    ("EFBIG", Errno::FBIG),
    ("EPERM", Errno::PERM),
    ("ENAMETOOLONG", Errno::NAMETOOLONG),
];

/// An error's name as in the manual pages.
pub(crate) fn errno_name(errno: Errno) -> String {
    let known = ERRNOS.iter().find(|(_, known)| *known == errno);
    known.map_or_else(|| format!("errno {}", errno.raw_os_error()), |(name, _)| (*name).to_owned())
}

/// One run, as text: `scenario: A*5,B*7 kill=A@3 fail=B@9:ENOSPC/half mutex=absent salt=1
/// cut=0120`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Replay {
    pub(crate) scenario: String,
    /// Which command takes each step; after the last one the run goes on by default.
    pub(crate) picks: Vec<usize>,
    pub(crate) plan: Plan,
    /// The power is cut after the last step, with these fates of what was not durable.
    pub(crate) cut: Option<Vec<u8>>,
}

impl Replay {
    /// The text, with the commands' names.
    pub(crate) fn text(&self, names: &[&str]) -> String {
        let runs = self.picks.chunk_by(|a, b| a == b);
        let runs: Vec<_> = runs.map(|run| format!("{}*{}", names[run[0]], run.len())).collect();
        let mut words = vec![format!("{}:", self.scenario), runs.join(",")];
        words.extend(self.plan.kills.iter().map(|Kill { command, step, torn }| {
            format!("kill={}@{step}{}", names[*command], if *torn { "/torn" } else { "" })
        }));
        words.extend(self.plan.faults.iter().map(|Fault { command, step, errno, effect }| {
            let effect = match effect {
                Effect::None => "",
                Effect::Half => "/half",
                Effect::Full => "/full",
            };
            format!("fail={}@{step}:{}{effect}", names[*command], errno_name(*errno))
        }));
        match self.plan.mutex {
            Mutex::Working => {}
            Mutex::Absent => words.push("mutex=absent".to_owned()),
            Mutex::Lying => words.push("mutex=lying".to_owned()),
        }
        if self.plan.salt != 0 {
            words.push(format!("salt={}", self.plan.salt));
        }
        if let Some(cut) = &self.cut {
            let fates = cut.iter().map(|fate| char::from(b'0' + fate));
            words.push(format!("cut={}", fates.collect::<String>()));
        }
        words.retain(|word| !word.is_empty());
        words.join(" ")
    }

    /// Reads what [`Replay::text`] wrote; says what is wrong with it otherwise.
    pub(crate) fn parse(text: &str, names: &[&str]) -> Result<Self, String> {
        let wrong = |what: &dyn Display| format!("not a replay: {what} in {text:?}");
        let command =
            |name: &str| names.iter().position(|known| *known == name).ok_or_else(|| wrong(&name));
        let number = |word: &str| word.parse::<usize>().map_err(|_| wrong(&word));
        // `A@3/torn` or `B@9:EIO/half`: the command, the step and what follows it.
        let place = |word: &str| -> Result<(usize, usize, String), String> {
            let (name, rest) = word.split_once('@').ok_or_else(|| wrong(&word))?;
            let end = rest.find(['/', ':']).unwrap_or(rest.len());
            Ok((command(name)?, number(&rest[..end])?, rest[end..].to_owned()))
        };
        let (scenario, rest) = text.split_once(':').ok_or_else(|| wrong(&"no name"))?;
        let mut replay = Self { scenario: scenario.to_owned(), ..Self::default() };
        for word in rest.split_whitespace() {
            match word.split_once('=') {
                None => {
                    for run in word.split(',') {
                        let (name, count) = run.split_once('*').unwrap_or((run, "1"));
                        let count = number(count)?;
                        replay.picks.extend(std::iter::repeat_n(command(name)?, count));
                    }
                }
                Some(("kill", value)) => {
                    let (command, step, rest) = place(value)?;
                    replay.plan.kills.push(Kill { command, step, torn: rest == "/torn" });
                }
                Some(("fail", value)) => {
                    let (command, step, rest) = place(value)?;
                    let name = rest.trim_start_matches(':');
                    let (name, effect) = name.split_once('/').unwrap_or((name, ""));
                    let errno = ERRNOS.iter().find(|(known, _)| *known == name);
                    let errno = errno.ok_or_else(|| wrong(&name))?.1;
                    let effect = match effect {
                        "half" => Effect::Half,
                        "full" => Effect::Full,
                        _ => Effect::None,
                    };
                    replay.plan.faults.push(Fault { command, step, errno, effect });
                }
                Some(("mutex", "absent")) => replay.plan.mutex = Mutex::Absent,
                Some(("mutex", "lying")) => replay.plan.mutex = Mutex::Lying,
                Some(("salt", value)) => {
                    replay.plan.salt = value.parse().map_err(|_| wrong(&value))?;
                }
                Some(("cut", value)) => {
                    replay.cut = Some(value.bytes().map(|fate| fate.wrapping_sub(b'0')).collect());
                }
                Some(_) => return Err(wrong(&word)),
            }
        }
        Ok(replay)
    }
}

/// Any text with tokens cut down to what tells them apart, for traces.
pub(crate) struct Short<'a>(pub(crate) &'a str);

impl Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        let mut rest = self.0;
        while !rest.is_empty() {
            let end = rest.find(|c| !hex(c)).unwrap_or(rest.len());
            f.write_str(&rest[..if end == 32 { 6 } else { end }])?;
            let other = rest[end..].find(hex).unwrap_or(rest.len() - end);
            f.write_str(&rest[end..end + other])?;
            rest = &rest[end + other..];
        }
        Ok(())
    }
}
