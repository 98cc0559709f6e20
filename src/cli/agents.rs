//! What can be typed for agents: `prime` and `skill`.

use clap::ValueEnum;

use crate::cmd::prime::hook::Event;
use crate::cmd::skill::{Reader, Request};

// What `prime` takes: a doc comment here would stand for that of the command.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct PrimeArgs {
    /// As a hook: silent where something is wrong
    #[arg(
        long,
        value_name = "EVENT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "start",
        hide_possible_values = true,
        conflicts_with = "stop"
    )]
    pub(super) hook: Option<EventWord>,
    /// As a stop hook; reads stdin
    #[arg(long)]
    pub(super) stop: bool,
    /// As a hook of claude, codex, cursor, gemini or other
    #[arg(long = "for", value_name = "AGENT", hide_possible_values = true)]
    pub(super) reader: Option<ReaderWord>,
}

impl PrimeArgs {
    /// What happens in the agent whose hook this is.
    pub(super) fn event(&self) -> Option<Event> {
        if self.stop { Some(Event::Stop) } else { self.hook.map(Into::into) }
    }
}

/// What happens in an agent, other than that it stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum EventWord {
    Start,
    SubagentStart,
    SubagentStop,
    Command,
    Edit,
}

impl From<EventWord> for Event {
    fn from(word: EventWord) -> Self {
        match word {
            EventWord::Start => Self::Start,
            EventWord::SubagentStart => Self::SubagentStart,
            EventWord::SubagentStop => Self::SubagentStop,
            EventWord::Command => Self::Command,
            EventWord::Edit => Self::Edit,
        }
    }
}

// What `skill` takes.
#[derive(Debug, Clone, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is one switch of the command line")]
pub(in crate::cli) struct SkillArgs {
    /// Put it where the agent reads skills, below your home
    #[arg(long)]
    pub(super) install: bool,
    /// Below this worktree instead, with a block in AGENTS.md
    #[arg(long)]
    pub(super) project: bool,
    /// For claude, codex, cursor, gemini, opencode or other
    #[arg(long = "for", value_name = "AGENT", hide_possible_values = true)]
    pub(super) reader: Option<ReaderWord>,
    /// Hooks for the agent's settings instead of the skill
    #[arg(long)]
    pub(super) hooks: bool,
    /// Also refuse edits to an agent that holds no phase
    #[arg(long, requires = "hooks")]
    pub(super) edits: bool,
    /// Change nothing, only show what would be done
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Take away what was put there
    #[arg(long, conflicts_with = "install")]
    pub(super) uninstall: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ReaderWord {
    Claude,
    Codex,
    Cursor,
    Gemini,
    Opencode,
    Other,
}

impl From<ReaderWord> for Reader {
    fn from(word: ReaderWord) -> Self {
        match word {
            ReaderWord::Claude => Self::Claude,
            ReaderWord::Codex => Self::Codex,
            ReaderWord::Cursor => Self::Cursor,
            ReaderWord::Gemini => Self::Gemini,
            ReaderWord::Opencode | ReaderWord::Other => Self::Other,
        }
    }
}

impl From<SkillArgs> for Request {
    fn from(args: SkillArgs) -> Self {
        Self {
            install: args.install || (args.project && !args.uninstall),
            project: args.project,
            hooks: args.hooks,
            edits: args.edits,
            dry_run: args.dry_run,
            uninstall: args.uninstall,
            reader: args.reader.map(Into::into),
        }
    }
}
