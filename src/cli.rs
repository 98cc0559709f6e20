//! The command line: what was typed becomes what is meant once, here. The doc comments are the help.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use jiff::{SignedDuration, Timestamp};

use crate::cmd::context::{Need, parse_duration};
use crate::cmd::{self, Context, Global, Outcome};
use crate::error::{self, Failure, FailureKind, Stop};
use crate::record::Verdict;
use crate::report::{self, Format, Printed, text::Paint};

/// Several agent sessions on one repository without stepping on each other
///
/// A sprint is a graph of phases. An agent claims a phase, does the work, completes it; what waits
/// for it opens. Without a command, shows the board.
#[derive(Debug, Parser)]
#[command(
    name = "git-conductor",
    bin_name = "git conductor",
    version,
    disable_help_subcommand = true,
    max_term_width = 80,
    after_help = "Example:\n  git conductor start --goal 'add OAuth login'\n  git conductor next --claim\n  git conductor complete think --artifact notes.md"
)]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What every command takes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Common options")]
struct Options {
    /// Act under this name [env: GIT_CONDUCTOR_AGENT]
    #[arg(long, global = true, value_name = "NAME")]
    agent: Option<String>,
    /// The process that lives as long as the agent [env: GIT_CONDUCTOR_PID]
    #[arg(long, global = true, value_name = "PID")]
    pid: Option<i64>,
    /// Use this store instead of the repository's [env: GIT_CONDUCTOR_STORE]
    #[arg(long, global = true, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long, global = true)]
    json: bool,
    /// Colour the output
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_default_value = true)]
    color: When,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum VerdictWord {
    Pass,
    Fail,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Begin a sprint, and archive the one before it
    #[command(after_help = "Example:\n  git conductor start --phases think,build,docs:build --goal 'add OAuth login'")]
    Start {
        /// The phases: a list (think,build,docs:build+think), a JSON file, or - for standard input
        #[arg(long, value_name = "SPEC")]
        phases: Option<String>,
        /// What the sprint is for
        #[arg(long, value_name = "TEXT")]
        goal: Option<String>,
        /// Keep the current sprint if it is not finished
        #[arg(long)]
        if_none: bool,
        /// Also under other agents' live claims
        #[arg(long)]
        force: bool,
    },
    /// Own a phase
    #[command(after_help = "Example:\n  git conductor claim build")]
    Claim {
        /// The phase
        phase: String,
        /// Also from a dead owner before its time is over, or from your other terminal
        #[arg(long)]
        takeover: bool,
    },
    /// Hand a phase in; what waits for it opens
    #[command(after_help = "Example:\n  git conductor complete review --artifact review.md --verdict fail")]
    Complete {
        /// The phase
        phase: String,
        /// The file to hand over: a copy of it is kept
        #[arg(long, value_name = "PATH")]
        artifact: Option<PathBuf>,
        /// How the work ended; what depends on a failed phase stays closed
        #[arg(long, default_value = "pass")]
        verdict: VerdictWord,
        /// The commit that the work is [default: HEAD]
        #[arg(long, value_name = "REV")]
        commit: Option<String>,
    },
    /// Give up your claim on a phase, or all of your claims
    #[command(after_help = "Example:\n  git conductor abort build --reason 'needs a decision'")]
    Abort {
        /// The phase [default: all that you hold]
        phase: Option<String>,
        /// Why, for the log
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// Show the board
    #[command(after_help = "Example:\n  git conductor status --json")]
    Status,
    /// Show what you could claim now; with --claim, claim it
    #[command(after_help = "Example:\n  git conductor next --claim")]
    Next {
        /// All of it, not only the first
        #[arg(long, conflicts_with = "claim")]
        all: bool,
        /// Claim the first in the same step: agents that ask at once get different phases
        #[arg(long)]
        claim: bool,
    },
    /// Free a phase whose owner is gone
    #[command(after_help = "Example:\n  git conductor unstuck build")]
    Unstuck {
        /// The phase
        phase: String,
        /// Also from an owner that is alive, or may be
        #[arg(long)]
        force: bool,
    },
    /// Show the phases in execution order, those that may run side by side together
    #[command(after_help = "Example:\n  git conductor batch")]
    Batch,
    /// End the sprint
    #[command(after_help = "Example:\n  git conductor archive")]
    Archive,
    /// Remove sprints that ended a while ago
    #[command(after_help = "Example:\n  git conductor clean --older-than 30d")]
    Clean {
        /// How long ago at least: 7d, 12h, 0s
        #[arg(long, value_name = "AGE", default_value = "7d", value_parser = age)]
        older_than: SignedDuration,
    },
}

fn age(text: &str) -> Result<SignedDuration, String> {
    parse_duration(text).ok_or_else(|| "give a duration such as 7d, 12h or 0s".to_owned())
}

/// Runs the program: `args` begins with its name. Gives the exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    match Cli::try_parse_from(&args) {
        Ok(cli) => {
            let format = format(&cli.options);
            report::render(&execute(cli), format).write()
        }
        Err(error) => usage(&error, &args).write(),
    }
}

/// What a wrong command line, or one that asks for help, prints.
fn usage(error: &clap::Error, args: &[OsString]) -> Printed {
    let text = error.render().to_string();
    if !error.use_stderr() {
        return Printed { out: text, err: String::new(), exit: error::OK };
    }
    let message = text.lines().next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(message);
    if args.iter().any(|arg| arg == "--json") {
        let failure = Failure::new(FailureKind::Usage, message).hint("git conductor -h");
        let plain = Format { json: true, ..plain() };
        return report::render(&Err(Stop::Failed(failure)), plain);
    }
    // clap quotes what was typed.
    let err = text.lines().map(|line| format!("{}\n", report::text::safe(line))).collect();
    Printed { out: String::new(), err, exit: error::USAGE }
}

fn plain() -> Format {
    Format {
        json: false,
        out: Paint { on: false },
        err: Paint { on: false },
        width: None,
        now: Timestamp::now(),
    }
}

fn format(options: &Options) -> Format {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let color = |terminal: bool| match options.color {
        When::Always => true,
        When::Never => false,
        When::Auto => terminal && !no_color && !dumb,
    };
    let terminal = std::io::stdout().is_terminal();
    let size = terminal.then(|| rustix::termios::tcgetwinsize(std::io::stdout()));
    let width = size.and_then(Result::ok).map(|size| usize::from(size.ws_col));
    Format {
        json: options.json,
        out: Paint { on: color(terminal) },
        err: Paint { on: color(std::io::stderr().is_terminal()) },
        width: width.filter(|&width| width > 0),
        now: Timestamp::now(),
    }
}

fn execute(cli: Cli) -> Result<Outcome, Stop> {
    let global =
        Global { agent: cli.options.agent, pid: cli.options.pid, store: cli.options.store };
    let need = match &cli.command {
        Some(Command::Start { .. }) => Need::Nothing,
        _ => Need::Store,
    };
    let context = Context::open(&global, need)?;
    match cli.command.unwrap_or(Command::Status) {
        Command::Start { phases, goal, if_none, force } => {
            cmd::start::run(&context, cmd::start::Request { phases, goal, if_none, force })
        }
        Command::Claim { phase, takeover } => cmd::claim::run(&context, &phase, takeover),
        Command::Complete { phase, artifact, verdict, commit } => {
            let verdict = match verdict {
                VerdictWord::Pass => Verdict::Pass,
                VerdictWord::Fail => Verdict::Fail,
            };
            let request = cmd::complete::Request { phase, artifact, verdict, commit };
            cmd::complete::run(&context, &request)
        }
        Command::Abort { phase, reason } => cmd::abort::run(&context, phase.as_deref(), &reason),
        Command::Status => cmd::status::run(&context),
        Command::Next { all, claim } => cmd::next::run(&context, all, claim),
        Command::Unstuck { phase, force } => cmd::unstuck::run(&context, &phase, force),
        Command::Batch => cmd::batch::run(&context),
        Command::Archive => cmd::archive::run(&context),
        Command::Clean { older_than } => cmd::clean::run(&context, older_than),
    }
}
