//! Who takes part: agents, by what they are known by, and the places that their processes have.

/// Where an agent has its name from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// It was given.
    Explicit(&'static str),
    /// It was detected, with a session id.
    Session(&'static str),
    /// It was detected, with an id that names it: of a thread or a job.
    Thread(&'static str),
    /// It was detected, from the process alone.
    Process(&'static str),
}

impl Naming {
    pub(super) fn is_explicit(self) -> bool {
        matches!(self, Self::Explicit(_))
    }
    pub(super) fn session(self) -> Option<String> {
        match self {
            Self::Session(id) | Self::Thread(id) => Some(id.to_owned()),
            Self::Explicit(_) | Self::Process(_) => None,
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Agent {
    pub(super) naming: Naming,
    /// Which process it is; `None` if none can be recorded.
    pub(super) process: Option<usize>,
    /// A process above its own.
    pub(super) above: Option<usize>,
    /// The user, if it is a person in a terminal.
    pub(super) user: Option<u32>,
    pub(super) worktrees: &'static [&'static str],
    /// Whether its process may be others' as well: it can end while that lives.
    pub(super) shares: bool,
    /// The thread that an agent with a given name runs in.
    pub(super) thread: Option<&'static str>,
    /// The place of the script, in a session of its own below its process, that it runs in.
    pub(super) via: Option<usize>,
    /// Whose last token it presents.
    pub(super) token_of: Option<usize>,
    /// Whether it is an unmodified script, which asks nobody.
    pub(super) script: bool,
}

impl Agent {
    fn new(naming: Naming, process: usize) -> Self {
        Self {
            naming,
            process: Some(process),
            above: None,
            user: None,
            worktrees: &["/repo"],
            shares: false,
            thread: None,
            via: None,
            token_of: None,
            script: false,
        }
    }
    pub(super) fn explicit(name: &'static str, process: usize) -> Self {
        Self::new(Naming::Explicit(name), process)
    }
    pub(super) fn session(id: &'static str, process: usize) -> Self {
        Self::new(Naming::Session(id), process)
    }
    pub(super) fn thread(id: &'static str, process: usize) -> Self {
        Self::new(Naming::Thread(id), process)
    }
    pub(super) fn detected(family: &'static str, process: usize) -> Self {
        Self::new(Naming::Process(family), process)
    }
    pub(super) fn person(user: u32, process: usize) -> Self {
        Self { user: Some(user), ..Self::new(Naming::Process("user"), process) }
    }
    pub(super) fn script(name: &'static str, process: usize) -> Self {
        Self { script: true, ..Self::explicit(name, process) }
    }
    pub(super) fn under(self, above: usize) -> Self {
        Self { above: Some(above), ..self }
    }
    pub(super) fn without_process(self) -> Self {
        Self { process: None, ..self }
    }
    /// One whose process is not its own.
    pub(super) fn sharing(self) -> Self {
        Self { shares: true, ..self }
    }
    pub(super) fn in_thread(self, id: &'static str) -> Self {
        Self { thread: Some(id), ..self }
    }
    pub(super) fn in_script(self, via: usize) -> Self {
        Self { via: Some(via), ..self }
    }
    /// The session id of its records.
    pub(super) fn session_id(&self) -> Option<String> {
        self.naming.session().or(self.thread.map(str::to_owned))
    }
    /// Whether that names it.
    pub(super) fn is_stable(&self) -> bool {
        self.thread.is_some() || matches!(self.naming, Naming::Thread(_))
    }
    /// Whether no process proves that it lives.
    pub(super) fn is_unproven(&self) -> bool {
        self.shares || (self.is_stable() && self.process.is_none())
    }
    pub(super) fn in_two_worktrees(self) -> Self {
        Self { worktrees: &["/repo", "/other"], ..self }
    }
    pub(super) fn with_token_of(self, agent: usize) -> Self {
        Self { token_of: Some(agent), ..self }
    }
}

/// A place for a process: what does not change when it dies and another follows it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Slot {
    pub(super) host: usize,
    /// Every incarnation has a pid namespace of its own, as in containers.
    pub(super) sandboxed: bool,
    /// It is taken for dead while it lives.
    pub(super) misjudged: bool,
}

pub(super) const HERE: Slot = Slot { host: 0, sandboxed: false, misjudged: false };
pub(super) const ELSEWHERE: Slot = Slot { host: 1, ..HERE };
pub(super) const SANDBOX: Slot = Slot { sandboxed: true, ..HERE };
pub(super) const MISJUDGED: Slot = Slot { misjudged: true, ..HERE };
