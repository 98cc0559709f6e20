//! `batch`: the phases in execution order, readers together.

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

impl Batches {
    fn list(&self) -> Vec<Value> {
        let batch = |(n, (kind, phases)): (usize, &(Concurrency, Vec<String>))| json!({"batch": n + 1, "type": kind, "phases": phases});
        self.0.iter().enumerate().map(batch).collect()
    }
}

impl Answer for Batches {
    fn text(&self, _: Format, _: &mut Messages) -> String {
        self.list().iter().map(one_line).collect()
    }

    fn json(&self, _: Format) -> Value {
        json!({"v": VERSION, "ok": true, "batches": self.list()})
    }
}
