//! What can be typed to run a command as the owner of a phase. The doc comments are the help.

use std::ffi::OsString;
use std::path::PathBuf;

use super::waiting::WaitOptions;

/// Own a phase for as long as a command runs
///
/// Claims the phase and runs CMD. If that ends with 0 the phase is completed, with
/// the artifact, which must be there then; else it is given up, with the exit code
/// as the reason, and that is the exit code of this command too (128 and more for
/// a signal). Where this command itself refuses, it ends with 125.
///
/// CMD has in its environment GIT_CONDUCTOR_SPRINT, GIT_CONDUCTOR_PHASE,
/// GIT_CONDUCTOR_AGENT, GIT_CONDUCTOR_STORE, GIT_CONDUCTOR_TOKEN, and what the phase
/// builds on: GIT_CONDUCTOR_INPUTS, as JSON, and GIT_CONDUCTOR_INPUT_PLAN, the file
/// that was handed over with 'plan'. What it asks of git or of this program counts
/// as asked by the owner; it may complete the phase itself.
///
/// Signals are passed on to CMD. With --json, what CMD prints goes to stderr.
#[derive(Debug, Clone, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  git conductor run qa --artifact report.xml -- make test\n  git conductor run security --wait -- ./scan.sh"
)]
#[expect(clippy::doc_markdown, reason = "the doc comments are the help, where backticks stay")]
pub(super) struct RunArgs {
    /// The phase
    pub(super) phase: String,
    /// The file to hand over if CMD ends with 0
    #[arg(long, value_name = "PATH")]
    pub(super) artifact: Option<PathBuf>,
    #[command(flatten)]
    pub(super) waiting: WaitOptions,
    /// The command, and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(super) command: Vec<OsString>,
}
