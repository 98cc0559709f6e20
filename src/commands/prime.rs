//! `prime`: what an agent needs to know now, for its context; and as a hook of an agent's.
//!
//! - [`hook`]: what each hook answers
//! - [`input`]: what the agent tells it
//! - [`subagent`]: what the subagents of one session are called
//! - [`shell`]: a command line in which their calls are named

pub(super) mod answer;
pub mod hook;
pub(super) mod hook_answer;
pub mod input;
pub mod shell;
pub mod subagent;

use clap::ValueEnum;

use super::inputs::{self, Input};
use super::session::{Answered, Run, Session, misused};
use super::skill::ReaderWord;
use super::{Context, gate, salvage, worktrees};
use crate::error::Failure;
use crate::rules::gate::Checked;
use crate::rules::rows::View;
use crate::rules::{Refusal, decide};
use crate::store::layout::sprint_dir;
use hook::Event;

/// Tell an agent what it needs to know now
///
/// The goal, your name and claims, which commits and files what you do builds on,
/// and the next command, in few words, since it is for an agent's context. Without
/// a sprint it says nothing.
///
/// With --hook it answers a hook of an agent's, in the form that --for has: what is
/// wrong is passed over in silence, and nothing is ever allowed. EVENT is start;
/// subagent-start, which tells a subagent its name; command, which gives that name
/// to the git conductor calls of a subagent's command line; subagent-stop, which
/// gives up what the subagent has not completed; or edit, which refuses to change
/// files while a sprint goes on and the agent holds no phase of it. With --stop it
/// says that you still hold a phase, once for each claim and session. All but start
/// read one JSON object from standard input, whether or not it ends there.
#[derive(Debug, Clone, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  git conductor prime\n  git conductor prime --hook"
)]
pub(super) struct PrimeArgs {
    /// As a hook: silent where something is wrong
    #[arg(
        long,
        value_name = "EVENT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "start",
        hide_possible_values = true,
        conflicts_with = "stop"
    )]
    hook: Option<EventWord>,
    /// As a stop hook; reads stdin
    #[arg(long)]
    stop: bool,
    /// As a hook of claude, codex, cursor, gemini or other
    #[arg(long = "for", value_name = "AGENT", hide_possible_values = true)]
    reader: Option<ReaderWord>,
}

/// What happens in an agent, other than that it stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum EventWord {
    Start,
    SubagentStart,
    SubagentStop,
    Command,
    Edit,
}

impl From<EventWord> for Event {
    fn from(word: EventWord) -> Self {
        match word {
            EventWord::Start => Self::Start,
            EventWord::SubagentStart => Self::SubagentStart,
            EventWord::SubagentStop => Self::SubagentStop,
            EventWord::Command => Self::Command,
            EventWord::Edit => Self::Edit,
        }
    }
}

impl PrimeArgs {
    /// What happens in the agent whose hook this is.
    fn event(&self) -> Option<Event> {
        if self.stop { Some(Event::Stop) } else { self.hook.map(Into::into) }
    }
}

impl Run for PrimeArgs {
    /// Tells what an agent needs to know, by itself or as its hook.
    fn run(self, session: &mut Session) -> Answered {
        let reader = self.reader.map(Into::into);
        match self.event() {
            Some(event) => Ok(Box::new(hook::answer(&session.global, event, reader))),
            None if reader.is_some() => {
                Err(misused("--for goes with --hook and --stop", "git conductor prime -h"))
            }
            None => {
                let mut primer = look(&session.store()?)?;
                if let Some(primer) = &mut primer {
                    let claims = primer.view.board.claims_mut();
                    worktrees::update(session.worktrees(), claims);
                }
                Ok(Box::new(Primed(primer)))
            }
        }
    }
}

/// What an agent needs to know; `None` without a sprint.
struct Primed(Option<Primer>);

/// What an agent needs to know now.
#[derive(Debug)]
pub struct Primer {
    /// The board.
    pub view: View,
    /// The phase to look at: the first that the agent holds, or else could claim.
    pub focus: Option<String>,
    /// The phases that the agent holds.
    pub holds: Vec<String>,
    /// Why the agent can claim nothing, if it holds nothing either.
    pub nothing: Option<Refusal>,
    /// What the phase to look at builds on.
    pub inputs: Vec<Input>,
    /// What has been checked of what the phase to look at is to let out, if it guards.
    pub checked: Option<Checked>,
}

/// What an agent needs to know; nothing without a sprint.
fn look(context: &Context) -> Result<Option<Primer>, Failure> {
    let Some(mut board) = context.store.board()? else { return Ok(None) };
    let asker = &context.asker;
    let facts = asker.facts(context.now());
    let name = |id| board.graph.phase(id).name.clone();
    let holds: Vec<String> = decide::mine(&board, facts).into_iter().map(name).collect();
    let (open, nothing) = match context.store.next(&mut board, facts) {
        _ if !holds.is_empty() => (None, None),
        Ok(open) => (open.into_iter().next(), None),
        Err(refusal) => (None, Some(refusal)),
    };
    let open = open.map(|id| board.graph.phase(id).name.clone());
    let focus = holds.first().cloned().or(open);
    let directory = sprint_dir(context.store_path(), &board.sprint.sprint_id);
    let mut inputs =
        focus.as_deref().map_or_else(Vec::new, |of| inputs::of(&board, &directory, of));
    inputs::look_for(context, &mut inputs);
    let checked = focus.as_deref().map(|of| gate::checked(context, &board, of).unwrap_or_default());
    let lost = salvage::lost(context, &board);
    let view = View { lost, ..View::of(board, facts) };
    let checked = checked.flatten();
    Ok(Some(Primer { view, focus, holds, nothing, inputs, checked }))
}
