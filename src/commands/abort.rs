//! `abort`: give up a claim.

use serde::Serialize;
use serde_json::{Value, json};

use super::session::{Answered, Run, Session};
use crate::record::VERSION;
use crate::store::change::Freed;
use crate::ui::{Answer, Format, Messages};

/// Give up your claim on a phase, or all of your claims
///
/// The phase is open again for everybody, and who takes it next is told why you
/// did not finish it. Your files stay as they are.
#[derive(Debug, Clone, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  git conductor abort build --reason 'needs a decision'"
)]
pub(super) struct AbortArgs {
    /// The phase [default: all that you hold]
    phase: Option<String>,
    /// Why, for the next owner and the log
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
}

impl Run for AbortArgs {
    /// Gives up the phase, or everything that the asker holds.
    fn run(self, session: &mut Session) -> Answered {
        let context = session.store()?;
        let freed = match self.phase {
            Some(phase) => vec![context.store.abort(&context.asker, &phase, &self.reason)?],
            None => context.store.abort_all(&context.asker, &self.reason)?,
        };
        Ok(Box::new(Aborted(freed)))
    }
}

/// The asker's claims were ended.
#[derive(Debug)]
pub struct Aborted(pub Vec<Freed>);

/// What `abort` answers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct AbortAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// The claims that were given up.
    phases: Vec<&'a str>,
    /// The phases that nobody held.
    not_held: Vec<&'a str>,
}

impl Answer for Aborted {
    fn text(&self, _: Format, messages: &mut Messages) -> String {
        for freed in &self.0 {
            let what = if freed.hold.is_some() { "gave up" } else { "nobody held" };
            messages.line(&format!("{what} '{}'", freed.phase));
        }
        "OK\n".to_owned()
    }

    fn json(&self, _: Format) -> Value {
        let names = |is_held: bool| {
            let these = self.0.iter().filter(|freed| freed.hold.is_some() == is_held);
            these.map(|freed| &*freed.phase).collect()
        };
        json!(AbortAnswer { v: VERSION, ok: true, phases: names(true), not_held: names(false) })
    }
}
