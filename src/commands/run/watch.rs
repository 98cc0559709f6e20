//! What `run` does while the command runs: it passes signals on, hands the terminal over, watches
//! its claim, and stops what the command has begun where that is to end.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Signal, WaitOptions, getpid, getppid, kill_current_process_group, kill_process_group,
    waitpid,
};

use super::wire::{Message, Wire};
use super::{end::End, supervisor};
use crate::commands::Context;
use crate::host::descendants::{self, Progress, Scope, Stopping};
use crate::host::program::this_program;
use crate::host::signals::consts::{
    SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGSTOP, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, SIGUSR1,
    SIGUSR2, SIGWINCH, SIGXFSZ,
};
use crate::host::signals::{Origin, Signals, emulate_default_handler};
use crate::host::terminal::{Modes, Terminal};
use crate::host::watcher::Watcher;
use crate::record::Token;
use crate::store::standing::Standing;

/// What is passed on, and what must not end this process without a word.
pub(super) const CAUGHT: [i32; 10] =
    [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT, SIGWINCH, SIGXFSZ];
/// By these somebody wants an end of it.
const CANCELS: [i32; 4] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];
/// `git` passes on what it gets itself: what comes from the parent as well as from another so soon
/// after each other is one signal.
const ECHO: Duration = Duration::from_secs(1);
/// The same where the system does not say who sent a signal: nobody types as fast.
const BLIND_ECHO: Duration = Duration::from_millis(50);
/// The claim is watched from so long after the beginning: to have done with that takes the system
/// some milliseconds, which a command that is over at once is spared.
const AT_FIRST: Duration = Duration::from_millis(100);
/// After so long the claim is looked at once more where that failed.
const AGAIN: Duration = Duration::from_secs(1);

/// The claim that it runs under.
pub(super) struct Watched<'a> {
    pub(super) context: &'a Context,
    pub(super) sprint: &'a str,
    pub(super) phase: &'a str,
    pub(super) token: Option<&'a Token>,
}

/// How it ended.
pub(super) struct Ended {
    pub(super) end: End,
    /// Whether it was stopped because the claim was lost.
    pub(super) was_stopped: bool,
    /// What could not be stopped.
    pub(super) left: Option<Vec<i32>>,
    /// The signal that was typed to the command and has ended it, which nobody else has got.
    pub(super) typed: Option<i32>,
}

impl Ended {
    /// It did not begin.
    pub(super) const fn with(end: End) -> Self {
        Self { end, was_stopped: false, left: None, typed: None }
    }
}

/// What begins the supervisor of `words`.
pub(super) fn command(words: &[OsString]) -> Command {
    let mut command = Command::new(this_program());
    command.arg0("git-conductor").arg(supervisor::ASKED).args(words);
    command
}

/// Runs what `command` begins the supervisor of, the program `name`, to its end.
pub(super) fn run(
    watched: &Watched<'_>,
    signals: &Rc<Signals>,
    name: &str,
    command: Command,
) -> Ended {
    match Watch::begin(signals, command) {
        Ok(watch) => watch.until_over(watched, name),
        Err(error) => Ended::with(End::not_run(name, &error)),
    }
}

#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
struct Watch {
    signals: Rc<Signals>,
    /// What wakes it; `None` in the beginning.
    watcher: Option<Watcher>,
    wire: Wire,
    /// The supervisor, which leads the group.
    group: Pid,
    terminal: Option<Terminal>,
    /// The command, once it runs.
    command: Option<Pid>,
    /// What came before it did.
    waiting: Vec<i32>,
    /// What was passed on lately, whether it came from the parent, and when.
    echoes: VecDeque<(i32, bool, Instant)>,
    heard: Option<i32>,
    is_cancelled: bool,
    /// Whether TSTP was passed on since it was last continued.
    is_to_stop: bool,
    /// Whether it was continued since it last stopped the others of its job.
    is_continued: bool,
    is_lost: bool,
    /// Whether the stopping of what is left was asked for.
    stops: Option<Scope>,
    end: Option<End>,
    left: Vec<i32>,
}

impl Watch {
    /// Begins the supervisor, and lets it begin the command.
    fn begin(signals: &Rc<Signals>, mut command: Command) -> std::io::Result<Self> {
        descendants::adopt_orphans();
        let (ours, theirs) = UnixStream::pair()?;
        command.stdin(Stdio::from(OwnedFd::from(theirs))).process_group(0);
        let supervisor = command.spawn()?;
        // Its end is noticed only if nobody else has that of the connection.
        drop(command);
        let group = Pid::from_child(&supervisor);
        let mut watch = Self {
            signals: Rc::clone(signals),
            watcher: None,
            wire: Wire::new(ours),
            group,
            terminal: None,
            command: None,
            waiting: Vec::new(),
            echoes: VecDeque::new(),
            heard: None,
            is_cancelled: false,
            is_to_stop: false,
            is_continued: false,
            is_lost: false,
            stops: None,
            end: None,
            left: Vec::new(),
        };
        if Terminal::is_all_there_is() {
            watch.give_terminal();
        }
        // Who is gone by now is noticed below.
        watch.wire.go(std::io::stdin().as_fd()).ok();
        Ok(watch)
    }

    fn until_over(mut self, watched: &Watched<'_>, name: &str) -> Ended {
        let mut again = Some(Instant::now() + AT_FIRST);
        let mut looks = false;
        loop {
            let (news, is_there) = self.wire.listen();
            let is_over = news.into_iter().any(|message| self.learn(message, name));
            self.pass_on();
            if is_over {
                self.collect();
                return self.ended();
            }
            if !is_there {
                self.stand_in(name);
                return self.ended();
            }
            let is_time = again.is_some_and(|at| Instant::now() >= at);
            if (looks || is_time) && self.watches() {
                again = self.look(watched).then(|| Instant::now() + AGAIN);
            }
            let left = again.map(|at| at.saturating_duration_since(Instant::now()));
            let left = left.filter(|_| self.watches());
            let others = [self.wire.as_fd(), self.signals.as_fd()];
            match self.watcher.as_ref().filter(|_| self.watches()) {
                Some(wakes) => looks = wakes.sleep_beside(left, &others),
                None => Watcher::sleep_for(left, &others),
            }
        }
    }

    /// Whether it still matters how the claim stands.
    const fn watches(&self) -> bool {
        self.end.is_none() && !self.is_lost
    }

    /// Acts by what the supervisor says; whether that was the last.
    fn learn(&mut self, message: Message, name: &str) -> bool {
        match message {
            Message::Started(pid) => {
                self.command = Pid::from_raw(pid);
                for signal in std::mem::take(&mut self.waiting) {
                    self.send(signal);
                }
            }
            Message::NotRun(error) => {
                let error = std::io::Error::from_raw_os_error(error);
                self.end = Some(End::not_run(name, &error));
                self.take_terminal(Modes::Theirs);
                return true;
            }
            Message::Stopped(signal) => self.stop_as_well(signal),
            Message::Heard(signal) => self.heard = Some(signal),
            Message::Exited(code) => {
                return self.has_ended(End::Exited(u8::try_from(code).unwrap_or(u8::MAX)));
            }
            Message::Killed(signal) => return self.has_ended(End::Killed(signal)),
            Message::Left(pid) => self.left.push(pid),
            Message::Over => return true,
            Message::Go | Message::StopGroup | Message::StopAll => {}
        }
        false
    }

    /// Whether nothing more is to be waited for: after an end that is well all that it left goes
    /// on.
    fn has_ended(&mut self, end: End) -> bool {
        let by_itself = matches!(end, End::Exited(code) if code < 128);
        self.take_terminal(if by_itself { Modes::Theirs } else { Modes::Own });
        let is_well = end.is_well();
        let cancelled = self.is_cancelled || self.heard.is_some();
        self.end = Some(end);
        if !is_well {
            self.stop(if cancelled { Scope::All } else { Scope::Group });
        }
        is_well
    }

    fn stop(&mut self, scope: Scope) {
        if self.stops.is_none() {
            self.stops = Some(scope);
            let all = scope == Scope::All;
            self.wire.say(if all { Message::StopAll } else { Message::StopGroup });
        }
    }

    /// Looks whether the claim still stands, with the watches set before; whether that could not be
    /// seen.
    fn look(&mut self, watched: &Watched<'_>) -> bool {
        let Watched { context, sprint, phase, token } = watched;
        let Some(token) = token else { return false };
        let store = &context.store;
        let wakes = self.watcher.get_or_insert_with(|| Watcher::new(None));
        wakes.clear();
        let standing = store
            .each_directory_of(phase, &mut |dir| wakes.watch(dir))
            .and_then(|()| store.standing(sprint, phase, token));
        match standing {
            Ok(Standing::Lost | Standing::Replaced) => {
                self.is_lost = true;
                self.stop(Scope::All);
                false
            }
            // What the command itself has done is its own affair, and without a sprint nobody else
            // can get the phase.
            Ok(_) => false,
            // An error tells nothing of the claim.
            Err(_) => true,
        }
    }

    /// Passes on what has come since.
    fn pass_on(&mut self) {
        for origin in self.signals.take() {
            let by_this = origin.is_from(Some(getpid()));
            match origin.signal {
                SIGCONT => self.go_on(),
                // Of a file that this process writes.
                SIGXFSZ => {}
                _ if by_this || self.is_echo(&origin) => {}
                // Before it runs there is nobody to be told.
                signal if self.command.is_none() => self.waiting.push(signal),
                signal => self.send(signal),
            }
        }
    }

    fn send(&mut self, signal: i32) {
        if self.end.is_none() {
            self.is_cancelled |= CANCELS.contains(&signal);
        }
        self.is_to_stop = match signal {
            SIGTSTP => true,
            SIGCONT => false,
            _ => self.is_to_stop,
        };
        if let Some(signal) = Signal::from_named_raw(signal) {
            // The supervisor has not been collected, so that the number is still the group's.
            kill_process_group(self.group, signal).ok();
        }
    }

    /// Whether it is the same signal that has come already, by way of the parent or past it.
    fn is_echo(&mut self, origin: &Origin) -> bool {
        if origin.signal == SIGWINCH {
            return false;
        }
        let by_parent = origin.is_from(getppid());
        let longest = if origin.is_told { ECHO } else { BLIND_ECHO };
        self.echoes.retain(|(_, _, at)| at.elapsed() < longest);
        let same = |(signal, parent, _): &(i32, bool, Instant)| {
            *signal == origin.signal && (!origin.is_told || *parent != by_parent)
        };
        if let Some(at) = self.echoes.iter().position(same) {
            self.echoes.remove(at);
            return true;
        }
        self.echoes.push_back((origin.signal, by_parent, Instant::now()));
        false
    }

    /// The command was stopped: so is this process and whoever else a shell takes for the same job,
    /// if there is somebody who can continue it.
    fn stop_as_well(&mut self, signal: i32) {
        let asks = matches!(signal, SIGTTIN | SIGTTOU);
        // A command that passes it on, as another `run` does, stops itself by this one.
        let has_terminal = self.terminal.as_ref().is_some_and(Terminal::is_given);
        let answers = signal == SIGSTOP && (has_terminal || self.is_to_stop);
        if !asks && !answers && signal != SIGTSTP {
            return;
        }
        if self.terminal.is_none() {
            self.terminal = Terminal::open(self.group);
        }
        if self.terminal.is_none() {
            return;
        }
        if asks && self.give_terminal() {
            self.send(SIGCONT);
            return;
        }
        self.take_terminal(Modes::Own);
        if descendants::is_orphaned() {
            // Nobody would ever continue it. The system does not stop such a group by what is
            // typed, and ends one whose terminal is gone.
            if asks {
                self.send(SIGHUP);
            }
            self.send(SIGCONT);
            return;
        }
        self.is_continued = false;
        kill_current_process_group(Signal::TSTP).ok();
        // The others are stopped, and whoever watches them may have continued the job by now:
        // nobody would continue this process once more.
        self.pass_on();
        if !self.is_continued {
            emulate_default_handler(SIGTSTP).ok();
        }
    }

    /// This process was continued, and so is the command.
    fn go_on(&mut self) {
        self.is_continued = true;
        if self.terminal.is_some() {
            self.give_terminal();
        }
        self.send(SIGCONT);
    }

    fn give_terminal(&mut self) -> bool {
        if self.terminal.is_none() {
            self.terminal = Terminal::open(self.group);
        }
        self.terminal.as_mut().is_some_and(Terminal::give)
    }

    fn take_terminal(&mut self, modes: Modes) {
        if let Some(terminal) = &mut self.terminal {
            terminal.take_back(modes);
        }
    }

    /// Collects the supervisor, which ends.
    fn collect(&self) -> Option<rustix::process::WaitStatus> {
        loop {
            match waitpid(Some(self.group), WaitOptions::empty()) {
                Err(rustix::io::Errno::INTR) => {}
                ended => return ended.ok().flatten().map(|(_, status)| status),
            }
        }
    }

    /// The supervisor was killed: what it has watched is below this process now, and is stopped.
    fn stand_in(&mut self, name: &str) {
        let status = self.collect();
        self.take_terminal(Modes::Own);
        let mut stopping = Stopping::new(Scope::All, self.group, None);
        loop {
            let childless = self.reap();
            match stopping.step(childless) {
                Progress::Gone => {
                    // It may have ended since.
                    self.reap();
                    break;
                }
                Progress::Left(left) => {
                    self.left = left.iter().map(|pid| pid.as_raw_pid()).collect();
                    break;
                }
                Progress::Wait(longest, ends) => {
                    let ends: Vec<_> = ends.iter().map(OwnedFd::as_fd).collect();
                    Watcher::sleep_for(Some(longest), &ends);
                }
            }
        }
        if self.end.is_none() {
            let signal = status.and_then(rustix::process::WaitStatus::terminating_signal);
            self.end = Some(signal.map_or_else(
                || End::not_run(name, &std::io::Error::other("its supervisor has failed")),
                End::Killed,
            ));
        }
    }

    /// Collects what has ended, and learns how the command has; whether there is no child any more.
    fn reap(&mut self) -> bool {
        let reaped = descendants::reap(self.command);
        for status in reaped.of_command {
            if let Some(code) = status.exit_status() {
                self.end = Some(End::Exited(u8::try_from(code).unwrap_or(u8::MAX)));
            } else if let Some(signal) = status.terminating_signal() {
                self.end = Some(End::Killed(signal));
            }
        }
        reaped.childless
    }

    fn ended(mut self) -> Ended {
        self.take_terminal(Modes::Own);
        let end = self.end.take().unwrap_or(End::Killed(9));
        let had_terminal = self.terminal.as_ref().is_some_and(Terminal::was_given);
        let typed = end.interrupted().filter(|signal| had_terminal && self.heard == Some(*signal));
        let left = (!self.left.is_empty()).then_some(self.left);
        Ended { was_stopped: self.is_lost, left, typed, end }
    }
}

/// Gives whoever else is in this process's group the signal that was typed while the command had
/// the terminal, as the terminal would have: a shell or `git` above shall know that it was
/// interrupted.
pub(super) fn pass_on_what_was_typed(signal: i32) {
    if let Some(signal) = Signal::from_named_raw(signal) {
        kill_current_process_group(signal).ok();
    }
}
