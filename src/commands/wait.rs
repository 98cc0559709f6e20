//! `wait`: until a phase is done, or can be claimed.

use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Value, json};

use super::Context;
use super::patience::{Patience, time};
use super::session::{Answered, Run, Session};
use super::waiting::until;
use crate::error::Stop;
use crate::record::{VERSION, Verdict};
use crate::rules::waiting::Goal;
use crate::rules::{Board, PhaseId, State};
use crate::store::read::find_phase;
use crate::ui::text::milliseconds;
use crate::ui::{Answer, Format, Messages};

/// Wait until a phase is done, or can be claimed
///
/// Prints how the phase ended, pass or fail, or claimable. Nothing is polled: a
/// change of the sprint, or the end of an owner's process, wakes it. It ends at
/// once, refused, when what is waited for can never come true, as behind a phase
/// that has failed; and when the agent that waits is gone. What counts is the sprint
/// that is current then, be it a later one.
#[derive(Debug, Clone, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  git conductor wait build --timeout 90s\n  git conductor wait review --for claimable"
)]
pub(super) struct WaitArgs {
    /// The phase
    phase: String,
    /// What for: done or claimable [default: done]
    #[arg(
        long = "for",
        value_name = "claimable|done",
        default_value = "done",
        hide_default_value = true,
        hide_possible_values = true
    )]
    what: For,
    /// Exit with 3 after that time: 90s, 5m
    #[arg(long, value_name = "TIME", value_parser = time)]
    timeout: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum For {
    Claimable,
    Done,
}

impl Run for WaitArgs {
    /// Waits until the phase can be claimed, or is done.
    fn run(self, session: &mut Session) -> Answered {
        let context = session.store()?;
        let waited = session
            .patiently(self.timeout, |patience| wait(&context, &self.phase, self.what, patience))?;
        Ok(Box::new(waited))
    }
}

fn wait(context: &Context, phase: &str, what: For, patience: Patience<'_>) -> Result<Waited, Stop> {
    let find = |board: &Board| find_phase(&board.graph, phase);
    let goal = |board: &Board| {
        let id: PhaseId = find(board)?;
        Ok(match what {
            For::Claimable => Goal::Claimable { id, takeover: false },
            For::Done => Goal::Done(id),
        })
    };
    let verdict = |board: &Board| {
        Ok(match board.state(find(board)?) {
            State::Done(done) => Some(done.verdict),
            State::Pending | State::Claimed(_) => None,
        })
    };
    let mut again = vec!["wait", phase];
    if what == For::Claimable {
        again.extend(["--for", "claimable"]);
    }
    let (verdict, took) = until(context, &goal, verdict, patience, &again)?;
    Ok(Waited { phase: phase.to_owned(), verdict, took })
}

/// What was waited for has come true.
struct Waited {
    phase: String,
    /// How it ended, if that was waited for.
    verdict: Option<Verdict>,
    /// How long that took.
    took: Duration,
}

/// What `wait` answers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct WaitAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// The phase.
    phase: &'a str,
    /// `done` or `claimable`.
    state: &'static str,
    /// How it ended, if that was waited for.
    verdict: Option<Verdict>,
    /// How long it took, in milliseconds.
    waited_ms: u64,
}

impl Answer for Waited {
    fn text(&self, _: Format, _: &mut Messages) -> String {
        let word = match self.verdict {
            Some(Verdict::Pass) => "pass",
            Some(Verdict::Fail) => "fail",
            None => "claimable",
        };
        format!("{word}\n")
    }

    fn json(&self, _: Format) -> Value {
        json!(WaitAnswer {
            v: VERSION,
            ok: true,
            phase: &self.phase,
            state: if self.verdict.is_some() { "done" } else { "claimable" },
            verdict: self.verdict,
            waited_ms: milliseconds(self.took),
        })
    }
}
