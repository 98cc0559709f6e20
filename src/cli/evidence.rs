//! What can be typed to look at evidence: `show` and `verify`.

// What `show` takes: a doc comment here would stand for that of the command.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  git conductor show review\n  git conductor show review --artifact"
)]
pub(super) struct ShowArgs {
    /// The phase [default: the one that you hold, else the board]
    pub(super) phase: Option<String>,
    /// Print what was handed over, and nothing else
    #[arg(long)]
    pub(super) artifact: bool,
    /// Of another sprint, by its id or the time in it
    #[arg(long, value_name = "ID")]
    pub(super) sprint: Option<String>,
}

// What `verify` takes.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  git conductor verify\n  git conductor verify --sprint 20261122-091502\n  git conductor verify --all"
)]
pub(super) struct VerifyArgs {
    /// Another sprint, by its id or the time in it
    #[arg(long, value_name = "ID")]
    pub(super) sprint: Option<String>,
    /// All sprints that are in the store
    #[arg(long, conflicts_with = "sprint")]
    pub(super) all: bool,
}
