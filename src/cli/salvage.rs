//! What can be typed to look at what dead owners left: `salvage`.

use clap::ValueEnum;
use jiff::SignedDuration;

use super::commands::age;
use crate::cmd::{Outcome, salvage};
use crate::error::{Failure, FailureKind, Stop};

// What `salvage` takes: a doc comment here would stand for that of the command.
#[derive(Debug, Clone, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  git conductor salvage\n  git conductor salvage show build\n  git conductor salvage drop build/1\n  git conductor salvage drop --all --older-than 30d"
)]
pub(in crate::cli) struct SalvageArgs {
    /// What to do [default: list]
    #[arg(value_name = "list|show|drop", hide_possible_values = true)]
    action: Option<SalvageWord>,
    /// Which [default for show: the latest]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// With drop: all of them
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// With drop: only those saved so long ago, as 7d or 12h
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: Option<SignedDuration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SalvageWord {
    List,
    Show,
    Drop,
}

impl SalvageArgs {
    /// Does what is meant; `look` is what comes before anything of the repository.
    pub(super) fn run(self, look: impl FnOnce()) -> Result<Outcome, Stop> {
        let Self { action, names, all, older_than } = self;
        let usage = |text: &str| {
            let failure = Failure::new(FailureKind::Usage, text);
            Err(failure.hint("git conductor salvage -h").into())
        };
        let action = action.unwrap_or(SalvageWord::List);
        if action != SalvageWord::Drop && (all || older_than.is_some()) {
            return usage("--all and --older-than go with drop");
        }
        look();
        match (action, &names[..]) {
            (SalvageWord::List, []) => salvage::list(),
            (SalvageWord::Show, []) => salvage::show(None),
            (SalvageWord::Show, [name]) => salvage::show(Some(name)),
            (SalvageWord::List, _) => usage("list takes no name"),
            (SalvageWord::Show, _) => usage("show takes one name"),
            (SalvageWord::Drop, _) => salvage::drop(&salvage::Drop { names, all, older_than }),
        }
    }
}
