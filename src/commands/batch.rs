//! `batch`: the phases in execution order, readers together.

use serde::Serialize;
use serde_json::{Value, json};

use super::concurrency;
use super::session::{Answered, Run, Session};
use crate::record::VERSION;
use crate::rules::{Refusal, graph::Concurrency};
use crate::ui::output::one_line;
use crate::ui::{Answer, Format, Messages};

/// Show the phases in order, those that may run side by side together
///
/// Prints one JSON object a line, with the keys batch, type and phases. Phases
/// of type read that are open at the same time make one batch; any other makes
/// one of its own. This informs; claims do not enforce it.
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment, after_help = "Examples:\n  git conductor batch")]
pub(super) struct BatchArgs {}

impl Run for BatchArgs {
    /// Groups the phases of the current sprint.
    fn run(self, session: &mut Session) -> Answered {
        let context = session.store()?;
        let board = context.store.states()?.ok_or(Refusal::NoSprint {})?;
        let concurrency = concurrency::of_all(&context, &board)?;
        let batches = board.graph.batches(|id| concurrency[id.index()]);
        let named = batches.into_iter().map(|batch| {
            let names = batch.phases.iter().map(|id| board.graph.phase(*id).name.clone()).collect();
            (batch.kind, names)
        });
        Ok(Box::new(Batches(named.collect())))
    }
}

/// The phases in execution order.
struct Batches(Vec<(Concurrency, Vec<String>)>);

/// Phases that may run side by side.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct Together<'a> {
    /// Its number, from 1 on.
    batch: usize,
    /// What its phases are to the repository.
    #[serde(rename = "type")]
    kind: Concurrency,
    /// Their names.
    phases: &'a [String],
}

/// What `batch` answers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct BatchAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// The batches in execution order.
    batches: Vec<Together<'a>>,
}

impl Batches {
    fn list(&self) -> Vec<Together<'_>> {
        let numbered = self.0.iter().zip(1..);
        numbered.map(|((kind, phases), batch)| Together { batch, kind: *kind, phases }).collect()
    }
}

impl Answer for Batches {
    fn text(&self, _: Format, _: &mut Messages) -> String {
        self.list().iter().map(|batch| one_line(&json!(batch))).collect()
    }

    fn json(&self, _: Format) -> Value {
        json!(BatchAnswer { v: VERSION, ok: true, batches: self.list() })
    }
}
