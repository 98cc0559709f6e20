//! How the user has told git's commands to print, and so this one: colours, the pager, advice.

use std::io::IsTerminal as _;

use jiff::Timestamp;

use super::Context;
use super::options::{Options, When};
use crate::error::Caller;
use crate::host::agent;
use crate::ui::Format;
use crate::ui::text::Paint;

/// What git's configuration says.
#[derive(Debug, Clone, Copy)]
pub(super) struct OutputConfig {
    /// `color.conductor`, else `color.ui`.
    color: When,
    /// `color.pager`: whether a pager understands colours.
    pager_color: bool,
    /// `advice.conductor`: whether to give hints.
    advice: bool,
    /// Whether a person asks, rather than an agent or a job; `None` where nobody has looked.
    person: Option<bool>,
}

impl Default for OutputConfig {
    fn default() -> Self {
        Self { color: When::Auto, pager_color: true, advice: true, person: None }
    }
}

impl OutputConfig {
    /// What is configured where `context` is. What makes no sense counts as not configured: it is
    /// not for a board to fail by.
    pub(super) fn of(context: &Context) -> Self {
        let color = context.config("color.conductor").or_else(|| context.config("color.ui"));
        let is_true = |key: &str| context.config_bool(key).ok().flatten().unwrap_or(true);
        Self {
            color: color.map_or(When::Auto, |word| When::configured(&word)),
            pager_color: is_true("color.pager"),
            advice: is_true("advice.conductor"),
            person: Some(context.asker.me.person),
        }
    }

    /// How to print, by this and by what was typed.
    pub(super) fn format(self, options: &Options) -> Format {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let number = |name: &str| set(name)?.to_str()?.parse::<usize>().ok();
        let no_color = set("NO_COLOR").is_some();
        let dumb = set("TERM").is_some_and(|term| term == "dumb");
        // git's pager is a terminal at the end of a pipe; git tells its width.
        let pager = set("GIT_PAGER_IN_USE").is_some_and(|value| value == "true" || value == "1");
        let color = |terminal: bool| match options.color.unwrap_or(self.color) {
            When::Always => true,
            When::Never => false,
            When::Auto => terminal && !no_color && !dumb,
        };
        let terminal = std::io::stdout().is_terminal();
        let size = terminal.then(|| rustix::termios::tcgetwinsize(std::io::stdout()));
        let width = size.and_then(Result::ok).map(|size| usize::from(size.ws_col));
        let width = width.or_else(|| number("COLUMNS").filter(|_| pager));
        // What `git --no-advice` exports.
        let advice = set("GIT_ADVICE").is_none_or(|value| value != "0" && value != "false");
        Format {
            json: options.json,
            out: Paint { on: color(terminal || (pager && self.pager_color)) },
            err: Paint { on: color(std::io::stderr().is_terminal()) },
            width: width.filter(|&width| width > 0),
            advice: advice && self.advice,
            caller: self.caller(options),
            now: Timestamp::now(),
        }
    }
}

impl OutputConfig {
    /// Who reads what is said: a person only if nothing points to an agent, and it is said on a
    /// terminal.
    fn caller(self, options: &Options) -> Caller {
        let asks = || self.person.unwrap_or_else(|| options.agent.is_none() && agent::is_person());
        if std::io::stderr().is_terminal() && asks() { Caller::Person } else { Caller::Agent }
    }
}

/// How many columns the terminal has that is told what is said; `None` if it is none.
pub(super) fn width_of_stderr() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stderr()).ok()?;
    Some(usize::from(size.ws_col)).filter(|&width| width > 0)
}

/// Whether the answer goes to a terminal that can be drawn on; to git, one that is not named
/// cannot.
pub(super) fn draws_on_stdout() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
}

impl When {
    /// A value of `color.ui` and its like.
    fn configured(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "always" => Self::Always,
            "never" | "false" | "no" | "off" | "0" => Self::Never,
            _ => Self::Auto,
        }
    }
}
