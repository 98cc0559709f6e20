//! The commands: a file each, with its arguments, what it does, and its answer. This is the list of
//! them.
//!
//! What several of them use:
//!
//! - `entry`, `command_line`, `options`, `session`, `output_config`, `completion` with
//!   `candidates`: a call of the program, from what was typed to what is printed
//! - `context`: the repository, the store and the asker; `worktrees`: where worktrees are by now
//! - `gate`, `push`, `protection`: what may go out; `recorded`: what a completion records
//! - `inputs`, `concurrency`: what a phase builds on, and what may run beside it
//! - `patience`, `waiting`: how long to wait, and waiting

pub mod abort;
pub mod archive;
pub mod batch;
mod candidates;
pub mod claim;
pub mod clean;
mod command_line;
pub mod complete;
mod completion;
pub mod concurrency;
pub mod context;
pub mod doctor;
mod entry;
mod gate;
pub mod graph;
pub mod guard;
pub mod hooks;
pub mod inputs;
pub mod install;
pub mod log;
pub mod next;
pub mod notes;
mod options;
mod output_config;
mod patience;
pub mod prime;
mod protection;
pub mod push;
pub mod recorded;
pub mod report;
pub mod run;
pub mod salvage;
pub mod schema;
#[cfg(feature = "schema")]
pub mod schemas;
mod session;
pub mod show;
pub mod skill;
pub mod start;
pub mod status;
pub mod unstuck;
pub mod verify;
pub mod wait;
mod waiting;
mod worktrees;

use clap::Subcommand;

pub use command_line::{Cli, command, parse};
pub use context::{Context, Global};
pub use entry::main;
use session::{Answered, Run as _, Session};

/// Makes the commands: how each is called, what it is for in a line, and its arguments, which know
/// how it is run.
macro_rules! commands {
    ($(#[doc = $about:literal] $name:ident($args:ty),)*) => {
        #[derive(Debug, Subcommand)]
        // A command line names one of them: the others need no options.
        #[command(defer = true)]
        enum Command {
            $(#[doc = $about] $name($args),)*
        }

        impl Command {
            fn run(self, session: &mut Session) -> Answered {
                match self {
                    $(Self::$name(args) => args.run(session),)*
                }
            }
        }
    };
}

commands! {
    /// Begin a sprint, and archive the one before it
    Start(start::StartArgs),
    /// Own a phase
    Claim(claim::ClaimArgs),
    /// Wait until a phase is done, or can be claimed
    Wait(wait::WaitArgs),
    /// Own a phase for as long as a command runs
    Run(run::RunArgs),
    /// Hand a phase in; what waits for it opens
    Complete(complete::CompleteArgs),
    /// Give up your claim on a phase, or all of your claims
    Abort(abort::AbortArgs),
    /// Show the board
    Status(status::StatusArgs),
    /// Show all that is known of a phase, and what was handed over with it
    Show(show::ShowArgs),
    /// Check all evidence of a sprint
    Verify(verify::VerifyArgs),
    /// Show who did what when, in all sprints
    Log(log::LogArgs),
    /// Show what waits for what
    Graph(graph::GraphArgs),
    /// Tell how a sprint went, as a page to keep or to send
    Report(report::ReportArgs),
    /// Show what you could claim now; with --claim, claim it
    Next(next::NextArgs),
    /// Free a phase whose owner is gone
    Unstuck(unstuck::UnstuckArgs),
    /// Look at what dead owners had not committed, or drop it
    Salvage(salvage::SalvageArgs),
    /// Ask the gate whether what is checked out may go out
    Guard(guard::GuardArgs),
    /// Make git's pre-push hook ask the gate
    Hooks(hooks::HooksArgs),
    /// Check the repository and the store for problems
    Doctor(doctor::DoctorArgs),
    /// Put manual pages and completions where they are found
    Install(install::InstallArgs),
    /// Show, write, exchange or set up records in git notes
    Notes(notes::NotesArgs),
    /// Tell an agent what it needs to know now
    Prime(prime::PrimeArgs),
    /// Print how an agent works a sprint, or put it where agents read
    Skill(skill::SkillArgs),
    /// Print the JSON Schema of an answer, a file or a record
    Schema(schema::SchemaArgs),
    /// Show the phases in order, those that may run side by side together
    Batch(batch::BatchArgs),
    /// End the sprint
    Archive(archive::ArchiveArgs),
    /// Remove sprints that ended a while ago
    Clean(clean::CleanArgs),
}

impl Default for Command {
    fn default() -> Self {
        Self::Status(status::StatusArgs::default())
    }
}
