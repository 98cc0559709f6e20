//! What can be typed for agents: `prime` and `skill`.

use clap::ValueEnum;

use crate::cmd::skill::{Reader, Request};

// What `prime` takes: a doc comment here would stand for that of the command.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct PrimeArgs {
    /// As a session-start hook: silent where something is wrong
    #[arg(long, conflicts_with = "stop")]
    pub(super) hook: bool,
    /// As a stop hook; reads stdin
    #[arg(long)]
    pub(super) stop: bool,
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
    /// Print hooks for the agent's settings
    #[arg(long, conflicts_with_all = ["install", "uninstall", "project", "dry_run"])]
    pub(super) hooks: bool,
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
            ReaderWord::Codex
            | ReaderWord::Cursor
            | ReaderWord::Gemini
            | ReaderWord::Opencode
            | ReaderWord::Other => Self::Other,
        }
    }
}

impl From<SkillArgs> for Request {
    fn from(args: SkillArgs) -> Self {
        Self {
            install: args.install || (args.project && !args.uninstall),
            project: args.project,
            hooks: args.hooks,
            dry_run: args.dry_run,
            uninstall: args.uninstall,
            reader: args.reader.map(Into::into),
        }
    }
}
