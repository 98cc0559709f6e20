//! `clean`: remove sprints that ended a while ago.

use jiff::SignedDuration;
use serde::Serialize;
use serde_json::{Value, json};

use super::options::age;
use super::session::{Answered, Run, Session};
use crate::record::VERSION;
use crate::ui::text::safe;
use crate::ui::{Answer, Format, Messages};

/// Remove sprints that ended a while ago
///
/// Prints OK, then the sprints that went.
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment, after_help = "Examples:\n  git conductor clean --older-than 30d")]
pub(super) struct CleanArgs {
    /// How long ago at least: 7d, 12h
    #[arg(long, value_name = "AGE", default_value = "7d", value_parser = age)]
    older_than: SignedDuration,
}

impl Run for CleanArgs {
    /// Removes the sprints that were archived at least that long ago.
    fn run(self, session: &mut Session) -> Answered {
        let context = session.store()?;
        Ok(Box::new(Cleaned(context.store.clean(&context.asker, self.older_than)?)))
    }
}

/// The ids of the sprints that were removed.
#[derive(Debug)]
pub struct Cleaned(pub Vec<String>);

/// What `clean` answers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct CleanAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// The ids of the sprints that went.
    removed: &'a [String],
}

impl Answer for Cleaned {
    fn text(&self, _: Format, _: &mut Messages) -> String {
        let ids = self.0.iter().flat_map(|id| [safe(id), "\n".into()]);
        std::iter::once("OK\n".into()).chain(ids).collect()
    }

    fn json(&self, _: Format) -> Value {
        json!(CleanAnswer { v: VERSION, ok: true, removed: &self.0 })
    }
}
