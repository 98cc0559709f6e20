//! Who is asking: names, processes, and whether a process lives.
//!
//! [`identify`] turns the command line, the variables and the process table into a [`Me`];
//! [`life()`] says whether the process of a claim lives. What follows from both is a rule, and the
//! rules live in [`crate::rules::identity`]. Nothing here touches the store or git, changes
//! anything or sends a signal.
//!
//! - [`family`]: the table of known agents
//! - [`name`]: what a name may be
//! - `chain`: which process above us lives as long as the agent
//! - `programs`: what stands between an agent and its commands
//! - `life`: dead, alive or unknown

mod chain;
pub mod family;
mod life;
pub mod name;
mod programs;
#[cfg(test)]
mod tests;

pub use family::{FAMILIES, Family};
pub use life::{life, life_of};

use super::machine::Machine;
use super::process::{Entry, Seat, Table};
use super::vars::Vars;
use crate::error::{Failure, FailureKind};
use crate::record::{Process, Terminal, Token};
use crate::rules::Me;
use chain::Chain;
use family::Detected;

/// The variables that give a name, best first.
pub const NAME_VARIABLES: &[&str] = &["GIT_CONDUCTOR_AGENT", "NANOSTACK_AGENT"];
/// The variable that gives the agent's process.
pub const PID_VARIABLE: &str = "GIT_CONDUCTOR_PID";
/// The variable that gives the token of a claim.
pub const TOKEN_VARIABLE: &str = "GIT_CONDUCTOR_TOKEN";

/// What the command line says about who is asking.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// `--agent`; empty means not given.
    pub agent: Option<String>,
    /// `--pid`: the process that lives as long as the agent.
    pub pid: Option<i64>,
}

impl Vars {
    /// With the session that an agent of a family told by other means, unless its variables tell
    /// one.
    #[must_use]
    pub fn with_session(self, session: Option<&(&'static str, String)>) -> Self {
        let family =
            |(name, _): &&(&str, String)| FAMILIES.iter().find(|known| known.name == *name);
        if let Some((known, (_, id))) = session.and_then(|told| Some((family(&told)?, told)))
            && let (None, Some(variable)) = (known.session(&self), known.ids.first())
        {
            return self.with(variable, id);
        }
        self
    }
}

/// The family of the agent that asks, if it is one.
#[must_use]
pub fn calling(vars: &Vars, machine: &Machine, table: &impl Table) -> Option<String> {
    match Chain::read(table, machine.pid_ns).agent() {
        Some((_, family)) => Some(family.name.to_owned()),
        None => family::from_vars(vars).map(|detected| detected.family),
    }
}

/// Whether nothing shows that an agent or a job asks; for who is told something where no store was
/// found.
#[must_use]
pub fn is_person() -> bool {
    let (vars, machine) = (Vars::from_process(), Machine::read());
    let is_named = NAME_VARIABLES.iter().any(|name| vars.get(name).is_some());
    !is_named && calling(&vars, &machine, &machine.table).is_none()
}

/// The settings of git that [`identify`] asks for: an agent's name, and what the user is called.
const NAME_SETTINGS: [&str; 2] = ["conductor.agent", "user.name"];

/// Finds out who is asking.
///
/// `config` gives settings of git; they are only asked for when nothing else names the agent.
/// `worktree` is where the command runs, and is passed on.
///
/// Without a process that lasts, a detected name is made of what stays the same from call to call
/// (the terminal, else the node), so that people can tell who it was; it owns nothing all the same.
///
/// # Errors
/// [`FailureKind::Usage`] for a name that is no name (see [`name::check`]), and for a process that
/// was given and does not live.
pub fn identify(
    given: &Given,
    vars: &Vars,
    machine: &Machine,
    table: &impl Table,
    config: impl Fn(&str) -> Option<String>,
    worktree: Option<String>,
) -> Result<Me, Failure> {
    let chain = Chain::read(table, machine.pid_ns);
    let agent = chain.agent();
    let detected = match agent {
        Some((_, family)) => Some(family.detected(vars)),
        None => family::from_vars(vars),
    };
    let found = match given_pid(given, vars)? {
        Some((pid, origin)) => Found::own(living(table, &chain, pid, origin)?),
        None => find(table, &chain, agent.map(|(entry, _)| entry), detected.as_ref(), vars),
    };
    let command = chain.command().cloned().unwrap_or_default();
    let explicit = explicit_name(given, vars)?;
    // A terminal says who it is only where no processes are to be seen that could.
    let seat = table.terminal().filter(|_| detected.is_none());
    let anchor = found.entry.as_ref();
    let tty = anchor.map_or(command.tty, |entry| entry.tty);
    let place = Place { anchor, seat, tty, machine };
    let person = explicit.is_none() && detected.is_none() && (tty != 0 || seat.is_some());
    let is_explicit = explicit.is_some();
    let name = match (explicit, &detected) {
        (Some(name), _) => name,
        (None, Some(detected)) => detected_name(detected, &place),
        (None, None) => {
            let [agent, user] = NAME_SETTINGS;
            match config(agent).filter(|name| !name.is_empty()) {
                Some(name) => name::check(&name, "'conductor.agent'").map(|()| name)?,
                None => place.stay(&user_name(config(user), vars, machine)),
            }
        }
    };
    let described =
        |entry: &Entry| Process { pidfd: table.pidfd(entry.pid), ..machine.process(entry) };
    let process = anchor.map(described);
    let (process, shared) = if found.shared { (None, process) } else { (process, None) };
    let stable = detected.as_ref().is_some_and(Detected::is_named);
    let terminal = seat.filter(|_| person).map(|seat| Terminal {
        session: seat.session,
        device: seat.device,
        boot: machine.boot.clone(),
        machine: machine.machine.clone(),
        node: machine.node.clone(),
    });
    Ok(Me {
        name,
        explicit: is_explicit,
        session: detected.and_then(|detected| detected.session),
        stable,
        process,
        shared,
        via: found.via.as_ref().map(described),
        terminal,
        ancestors: chain.ancestors().map(|entry| machine.process(entry)).collect(),
        command: described(&command),
        token: vars.get(TOKEN_VARIABLE).and_then(Token::parse),
        user: Some(machine.user),
        person,
        worktree,
        // Nobody needs it to tell who is asking.
        git_dir: None,
    })
}

/// The process that stands for the agent.
struct Found {
    entry: Option<Entry>,
    /// Whether it may be other agents' as well.
    shared: bool,
    /// The script below it that this command runs in.
    via: Option<Entry>,
}

impl Found {
    const fn own(entry: Entry) -> Self {
        Self { entry: Some(entry), shared: false, via: None }
    }
}

/// Looks for the process that lives as long as who calls. Environments of others are only read for
/// those whose session id names them: there a process is the agent's own if it was started with
/// that id.
fn find<T: Table>(
    table: &T,
    chain: &Chain<'_, T>,
    agent: Option<&Entry>,
    detected: Option<&Detected>,
    vars: &Vars,
) -> Found {
    let nearest = || match agent {
        Some(entry) => Found::own(entry.clone()),
        None => match chain.anchor() {
            Some(anchor) => Found { entry: Some(anchor.entry), shared: false, via: anchor.via },
            None => Found { entry: None, shared: false, via: None },
        },
    };
    let Some(detected) = detected.filter(|detected| detected.is_named()) else {
        return nearest();
    };
    let carries =
        |entry: &Entry| table.vars(entry.pid).is_some_and(|theirs| detected.is_in(&theirs));
    if detected.is_job() {
        let (entry, shared) = chain.job(carries, detected.is_in_steps(vars));
        return Found { entry, shared, via: None };
    }
    let found = nearest();
    let shared = found.entry.as_ref().is_some_and(|entry| !carries(entry));
    Found { shared, via: None, ..found }
}

/// The name that was given, and not found out.
fn explicit_name(given: &Given, vars: &Vars) -> Result<Option<String>, Failure> {
    let option = given.agent.as_deref().filter(|name| !name.is_empty());
    let variable = || NAME_VARIABLES.iter().find_map(|name| Some((vars.get(name)?, *name)));
    let Some((name, origin)) = option.map(|name| (name, "'--agent'")).or_else(variable) else {
        return Ok(None);
    };
    name::check(name, origin)?;
    Ok(Some(name.to_owned()))
}

/// `claude-3f9c2a11`: the family, and what tells its agents apart.
fn detected_name(detected: &Detected, place: &Place<'_>) -> String {
    let tail = detected.id.as_deref().map(name::tail).filter(|tail| !tail.is_empty());
    match tail {
        Some(tail) => format!("{}-{tail}", detected.family),
        None => place.stay(&detected.family),
    }
}

/// What stays the same from one command of an agent to the next.
struct Place<'a> {
    anchor: Option<&'a Entry>,
    seat: Option<Seat>,
    tty: i64,
    machine: &'a Machine,
}

impl Place<'_> {
    /// `Ann-Lee-4711`: who, and the process that stays, or the session; without one, the terminal
    /// or the node.
    fn stay(&self, who: &str) -> String {
        let number = self.anchor.map(|entry| entry.pid).or(self.seat.map(|seat| seat.session));
        if let Some(number) = number {
            return format!("{who}-{number}");
        }
        // Device numbers as the kernel prints them: 136 to 143 are the pseudo-terminals, 4 the
        // consoles.
        let tty = self.tty;
        let (major, minor) = ((tty >> 8) & 0xfff, (tty & 0xff) | ((tty >> 12) & 0xf_ff00));
        match (major, self.machine.node.as_deref().map(|node| name::tidy(node, 63))) {
            (136..=143, _) => format!("{who}-pts{}", minor + ((major - 136) << 8)),
            (1.., _) => format!("{who}-tty{minor}"),
            (_, Some(node)) if !node.is_empty() => format!("{who}@{node}"),
            _ => who.to_owned(),
        }
    }
}

/// Who the user is, for a name that people read; nothing rests on it.
fn user_name(config: Option<String>, vars: &Vars, machine: &Machine) -> String {
    let called = config.map(|name| name::of_person(&name, 32)).filter(|name| !name.is_empty());
    let variable = |name: &&str| vars.get(name).map(|user| name::tidy(user, 32));
    let login = || ["USER", "LOGNAME"].iter().find_map(variable).filter(|user| !user.is_empty());
    called.or_else(login).unwrap_or_else(|| format!("uid{}", machine.user))
}

/// The process number that was given, and where.
fn given_pid(given: &Given, vars: &Vars) -> Result<Option<(i64, &'static str)>, Failure> {
    if let Some(pid) = given.pid {
        return Ok(Some((pid, "'--pid'")));
    }
    let Some(text) = vars.get(PID_VARIABLE) else {
        return Ok(None);
    };
    let pid = text.trim().parse().map_err(|_| {
        let text = name::shown(text);
        no_process(format!("'{text}' from {PID_VARIABLE} is not a process id"))
    })?;
    Ok(Some((pid, PID_VARIABLE)))
}

/// Looks at a process that was given, which must live, and longer than this command. A thread's
/// number stands for its process, as it does for `kill`.
fn living<T: Table>(
    table: &T,
    chain: &Chain<'_, T>,
    pid: i64,
    origin: &str,
) -> Result<Entry, Failure> {
    let pid = table.process_of(pid);
    if chain.ends_with_command(pid) {
        // `$$` of a shell that became the command.
        return Err(no_process(format!("process '{pid}' from {origin} ends with this command")));
    }
    let gone = || no_process(format!("process '{pid}' from {origin} does not exist or has ended"));
    match table.entry(pid) {
        Some(entry) if !entry.ended => Ok(entry),
        // It can be there and hidden from us.
        None if table.exists(pid) == Some(true) => Ok(Entry { pid, ..Entry::default() }),
        Some(_) | None => Err(gone()),
    }
}

fn no_process(text: String) -> Failure {
    Failure::new(FailureKind::Usage, text).hint(
        "give the id of the process that lives as long as the agent, or none to have it found",
    )
}
