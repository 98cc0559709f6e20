//! What can be typed to be told of a sprint as a whole: `graph` and `report`. The doc comments are the
//! help.

use clap::ValueEnum;

use crate::cmd::graph::{self, Form};
use crate::cmd::report::{self, Page};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FormWord {
    Text,
    Mermaid,
    Dot,
}

impl From<FormWord> for Form {
    fn from(word: FormWord) -> Self {
        match word {
            FormWord::Text => Self::Text,
            FormWord::Mermaid => Self::Mermaid,
            FormWord::Dot => Self::Dot,
        }
    }
}

/// Show what waits for what
///
/// Prints the phases in layers: in the first are those that wait for nothing, and
/// each stands below all that it waits for. Of each its state is shown, and by
/// name what it waits for. With --format mermaid or dot the graph is printed for
/// Mermaid, which many web sites draw, or for Graphviz.
#[derive(Debug, Clone, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  git conductor graph\n  git conductor graph --format mermaid\n  git conductor graph --format dot --sprint 20261122-091502"
)]
pub(super) struct GraphArgs {
    /// How: text, mermaid or dot [default: text]
    #[arg(
        long = "format",
        value_name = "text|mermaid|dot",
        default_value = "text",
        hide_default_value = true,
        hide_possible_values = true
    )]
    pub(super) form: FormWord,
    /// Another sprint, by its id or the time in it
    #[arg(long, value_name = "ID")]
    pub(super) sprint: Option<String>,
}

impl From<GraphArgs> for graph::Request {
    fn from(args: GraphArgs) -> Self {
        Self { form: args.form.into(), sprint: args.sprint }
    }
}

/// Tell how a sprint went, as a page to keep or to send
///
/// Prints Markdown, or with --html a page of HTML that needs nothing else: what the
/// sprint was for, each phase with its owner, attempts, evidence and verdict, what
/// waited for what, when each phase waited for somebody and when it was worked on,
/// how long each agent worked, and the chain of phases that the sprint took as long
/// for. What has not ended is told up to now.
///
/// With --all it is a list of all sprints in the store. Those that cannot be read
/// are named, and left out.
#[derive(Debug, Clone, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  git conductor report\n  git conductor report --html --sprint 20261122-091502\n  git conductor report --all"
)]
pub(super) struct ReportArgs {
    /// Print a page of HTML
    #[arg(long)]
    pub(super) html: bool,
    /// Another sprint, by its id or the time in it
    #[arg(long, value_name = "ID")]
    pub(super) sprint: Option<String>,
    /// A list of all sprints that are in the store
    #[arg(long, conflicts_with = "sprint")]
    pub(super) all: bool,
}

impl From<ReportArgs> for report::Request {
    fn from(args: ReportArgs) -> Self {
        let page = if args.html { Page::Html } else { Page::Markdown };
        Self { page, sprint: args.sprint, all: args.all }
    }
}
