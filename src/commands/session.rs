//! One call of the program: what was typed beside the command, and what its end takes besides its
//! answer.

use std::time::Duration;

use super::context::{Context, Global, StoreAccess};
use super::options::Options;
use super::output_config::{OutputConfig, width_of_stderr};
use super::patience::Patience;
use super::worktrees::{self, Worktrees};
use crate::error::{Failure, FailureKind, Stop};
use crate::ui::waiting::{Line, Lines, Live as _};
use crate::ui::{Answer, Format, render};

/// What a command came to, or why it did nothing.
pub(super) type Answered = Result<Box<dyn Answer>, Stop>;

/// A command, as it was typed.
pub(super) trait Run {
    /// Does what was asked for.
    ///
    /// # Errors
    /// The rule that says no; or what the system says.
    fn run(self, session: &mut Session) -> Answered;
}

/// One call of the program.
pub(super) struct Session {
    /// Who asks, and of which store.
    pub(super) global: Global,
    options: Options,
    warning: Option<String>,
    /// Whether nothing is said on standard error, whatever comes of it.
    is_silent: bool,
    /// What to exit with where the command refuses or fails, if that is told apart from all others.
    refuses: Option<u8>,
    /// Where worktrees are by now that records name.
    worktrees: Option<Worktrees>,
    /// What is done when everything is printed.
    last: Option<Box<dyn FnOnce()>>,
    /// What could not be read of this machine, by the end.
    unread: Option<Box<dyn Fn() -> Option<Failure>>>,
    output: OutputConfig,
}

impl Session {
    pub(super) fn new(options: Options) -> Self {
        let global = Global {
            agent: options.agent.clone(),
            pid: options.pid,
            store: options.store.clone(),
            session: None,
        };
        Self {
            global,
            options,
            warning: None,
            is_silent: false,
            refuses: None,
            worktrees: None,
            last: None,
            unread: None,
            output: OutputConfig::default(),
        }
    }

    /// Whether the answer is for a program.
    pub(super) const fn json(&self) -> bool {
        self.options.json
    }

    /// How to print, once it is known what is configured.
    pub(super) fn format(&self) -> Format {
        self.output.format(&self.options)
    }

    /// Opens what a command needs.
    pub(super) fn open(&mut self, need: StoreAccess) -> Result<Context, Failure> {
        let context = Context::open(&self.global, need)?;
        let unread = context.unread();
        self.output = OutputConfig::of(&context);
        self.worktrees = worktrees::of(&context);
        self.unread = Some(Box::new(move || unread.failure()));
        Ok(context)
    }

    /// Opens the store that is there.
    pub(super) fn store(&mut self) -> Result<Context, Failure> {
        self.open(StoreAccess::Store)
    }

    /// Learns how to print, for a command that goes on without a store.
    pub(super) fn look(&mut self) {
        self.open(StoreAccess::Nothing).ok();
    }

    /// Warns of something before the answer's own messages.
    pub(super) fn warn(&mut self, warning: Option<String>) {
        self.warning = warning;
    }

    /// Says nothing on standard error: the exit code alone tells of a failure.
    pub(super) const fn be_silent(&mut self) {
        self.is_silent = true;
    }

    /// Exits with `code` where the command refuses or fails; once it was run, its own exit code
    /// stays.
    pub(super) const fn refuse_with(&mut self, code: u8) {
        self.refuses = Some(code);
    }

    /// Does something once everything is printed.
    pub(super) fn do_last(&mut self, last: impl FnOnce() + 'static) {
        self.last = Some(Box::new(last));
    }

    /// Where worktrees are by now, for paths that records have.
    pub(super) const fn worktrees(&self) -> Option<&Worktrees> {
        self.worktrees.as_ref()
    }

    /// Waits for `timeout` at most, and says meanwhile what is waited for.
    pub(super) fn patiently<T>(
        &self,
        timeout: Option<Duration>,
        wait: impl FnOnce(Patience<'_>) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let Some(width) = width_of_stderr().filter(|_| !self.json()) else {
            return wait(Patience::new(timeout, Some(&mut Lines)));
        };
        let mut line = Line::new(width);
        let result = wait(Patience::new(timeout, Some(&mut line)));
        line.erase();
        result
    }

    /// Turns a refusal into a failure if anything could not be read: an owner whose process cannot
    /// be seen counts as alive, and the refusal may be wrong.
    fn admit(&self, stop: Stop) -> Stop {
        match (stop, self.unread.as_ref().and_then(|unread| unread())) {
            (Stop::Refused(_) | Stop::Declined(_), Some(failure)) => Stop::Failed(failure),
            (stop, _) => stop,
        }
    }

    /// Prints what the command came to, and gives the exit code.
    pub(super) fn end(self, result: Answered) -> u8 {
        let mut result = result.map_err(|stop| self.admit(stop));
        if let (Some(worktrees), Err(Stop::Refused(refusal))) = (&self.worktrees, &mut result) {
            worktrees::update_refusal(worktrees, refusal);
        }
        let format = self.format();
        if let Ok(answer) = &result
            && let Some(exit) = answer.stream(format)
        {
            return exit;
        }
        let mut printed = render(&result, format);
        if let Some(code) = self.refuses {
            printed.is_of_command = true;
            if result.is_err() {
                printed.exit = code;
            }
        }
        let mut printed = match &self.warning {
            Some(text) => printed.warning(text, format),
            None => printed,
        };
        if self.is_silent {
            printed.err.clear();
        }
        let exit = printed.write();
        if let Some(last) = self.last {
            last();
        }
        exit
    }
}

/// A command line that is wrong in a way that its definitions do not tell.
pub(super) fn misused(text: &str, help: &str) -> Stop {
    Failure::new(FailureKind::Usage, text).hint(help).into()
}

/// For those that show what is stale or exhausted; those that act by it fail.
pub(super) fn setting_warning(context: &Context) -> Option<String> {
    let stale = context.bad_stale_after().map(|failure| (failure, "stale"));
    let (failure, word) =
        stale.or_else(|| Some((context.bad_max_attempts()?, "exhausted by it")))?;
    Some(format!("{failure}; until then nothing counts as {word}"))
}
