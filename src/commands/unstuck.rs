//! `unstuck`: free a phase that its owner left, or all of them.

use serde::Serialize;
use serde_json::{Value, json};

use super::Context;
use super::salvage::{self, LeftAnswer};
use super::session::{Answered, Run, Session};
use crate::error::{self, Failure, Stop};
use crate::record::VERSION;
use crate::rules::{Life, Refusal, State};
use crate::store::change::Freed;
use crate::ui::output::{stop_json, stop_text};
use crate::ui::text::safe;
use crate::ui::{Answer, Format, Messages, attempts, stop};

/// Free a phase whose owner is gone
///
/// It is refused while the owner is alive or may be. Whatever the former owner
/// does to the phase later is refused.
///
/// With --all, frees every phase whose owner's process is provably gone, and leaves
/// all others as they are.
#[derive(Debug, Clone, clap::Args)]
#[command(
    verbatim_doc_comment,
    group = clap::ArgGroup::new("which").args(["phase", "all"]).required(true),
    after_help = "Examples:\n  git conductor unstuck build\n  git conductor unstuck --all"
)]
pub(super) struct UnstuckArgs {
    /// The phase
    phase: Option<String>,
    /// Every phase whose owner is provably gone
    #[arg(long, conflicts_with = "force")]
    all: bool,
    /// Also from an owner that may be alive, and after too many attempts
    #[arg(long)]
    force: bool,
}

impl Run for UnstuckArgs {
    /// Frees the phase, or all whose owners are gone.
    fn run(self, session: &mut Session) -> Answered {
        let context = session.store()?;
        Ok(match self.phase {
            Some(phase) => Box::new(unstuck(&context, &phase, self.force)?),
            None => Box::new(all(&context)?),
        })
    }
}

fn unstuck(context: &Context, phase: &str, force: bool) -> Result<Unstuck, Stop> {
    let freed = context.store.unstuck(&context.asker, phase, force)?;
    let made_up = salvage::made_up(context, &freed.dues, &freed.sprint_id, phase);
    let left = salvage::for_freed(context, &freed);
    Ok(Unstuck { freed, left, made_up })
}

/// Frees every phase whose owner is provably gone. Where another was faster with one, that one is
/// as the other has left it; one that cannot be freed does not keep the rest.
///
/// # Errors
/// What kept all of them from being freed.
fn all(context: &Context) -> Result<AllUnstuck, Stop> {
    let board = context.store.board()?.ok_or(Refusal::NoSprint {})?;
    let is_left = |id: &_| match board.state(*id) {
        State::Claimed(claim) => claim.life == Life::Dead,
        State::Pending | State::Done(_) => false,
    };
    let (mut freed, mut failed) = (Vec::new(), Vec::new());
    for id in board.graph.ids().filter(is_left) {
        let phase = &board.graph.phase(id).name;
        match unstuck(context, phase, false) {
            Ok(unstuck) if unstuck.freed.hold.is_some() => freed.push(unstuck),
            Ok(_) | Err(Stop::Refused(_) | Stop::Declined(_)) => {}
            Err(Stop::Failed(failure)) => failed.push((phase.clone(), failure)),
        }
    }
    if freed.is_empty() && !failed.is_empty() {
        return Err(failed.swap_remove(0).1.into());
    }
    Ok(AllUnstuck { freed, failed })
}

/// A phase that was freed.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct FreedAnswer<'a> {
    /// The phase.
    phase: &'a str,
    /// Whose claim was ended; null if nobody held it.
    freed_from: Option<&'a str>,
    /// What that one left; null where nothing can be known of it.
    salvaged: Option<LeftAnswer<'a>>,
    /// What was saved late of what owners before had not committed.
    made_up: Vec<LeftAnswer<'a>>,
    /// Whether too many attempts at the phase have failed.
    exhausted: bool,
    /// How many failed attempts do not count any more, if that was asked for.
    forgiven: Option<u64>,
}

/// What `unstuck PHASE` answers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct UnstuckAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    #[serde(flatten)]
    freed: FreedAnswer<'a>,
}

/// What `unstuck --all` answers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct AllUnstuckAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// The phases that were freed, in the board's order.
    freed: Vec<FreedAnswer<'a>>,
}

/// What `unstuck --all` answers beside a failure, where some phases could not be freed.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct UnstuckFailure<'a> {
    /// The phases that were freed.
    freed: Vec<FreedAnswer<'a>>,
    /// The phases that could not be freed; the failure is that of the first.
    failed: Vec<&'a str>,
}

/// A phase was freed.
#[derive(Debug)]
pub struct Unstuck {
    /// From whom.
    pub freed: Freed,
    /// What that one left.
    pub left: Option<salvage::Left>,
    /// What others left before that one, which a command was to save that was killed at that.
    pub made_up: Vec<salvage::Left>,
}

impl Unstuck {
    fn messages(&self, messages: &mut Messages) {
        let freed = &self.freed;
        match &freed.hold {
            Some(hold) => messages.line(&format!(
                "freed '{}' from '{}'",
                freed.phase,
                safe(&hold.claim.agent)
            )),
            None => messages.line(&format!("nobody held '{}'", freed.phase)),
        }
        attempts::freed(freed, messages);
        salvage::freed_text(self.left.as_ref(), &self.made_up, messages);
    }

    fn facts(&self) -> FreedAnswer<'_> {
        let freed = &self.freed;
        FreedAnswer {
            phase: &freed.phase,
            freed_from: freed.hold.as_ref().map(|hold| &*hold.claim.agent),
            salvaged: self.left.as_ref().map(salvage::left_json),
            made_up: salvage::made_up_json(&self.made_up),
            exhausted: freed.exhausted.is_some(),
            forgiven: freed.reset_attempts,
        }
    }
}

impl Answer for Unstuck {
    fn text(&self, _: Format, messages: &mut Messages) -> String {
        self.messages(messages);
        "OK\n".to_owned()
    }

    fn json(&self, _: Format) -> Value {
        json!(UnstuckAnswer { v: VERSION, ok: true, freed: self.facts() })
    }
}

/// The phases whose owners were gone, in the board's order.
#[derive(Debug)]
pub struct AllUnstuck {
    /// Those that were freed.
    pub freed: Vec<Unstuck>,
    /// Those that could not be, and why.
    pub failed: Vec<(String, Failure)>,
}

impl Answer for AllUnstuck {
    fn text(&self, _: Format, messages: &mut Messages) -> String {
        if self.freed.is_empty() {
            messages.line("no phase is held by an owner that is gone");
        }
        self.freed.iter().for_each(|unstuck| unstuck.messages(messages));
        for (phase, failure) in &self.failed {
            messages.line(&format!("'{phase}' could not be freed"));
            stop_text(&stop::failure(failure), messages);
        }
        if self.failed.is_empty() { "OK\n".to_owned() } else { String::new() }
    }

    fn json(&self, _: Format) -> Value {
        let freed: Vec<_> = self.freed.iter().map(Unstuck::facts).collect();
        let Some((_, failure)) = self.failed.first() else {
            return json!(AllUnstuckAnswer { v: VERSION, ok: true, freed });
        };
        let failed = self.failed.iter().map(|(phase, _)| phase.as_str()).collect();
        stop_json(&stop::failure(failure), json!(UnstuckFailure { freed, failed }))
    }

    fn exit(&self) -> u8 {
        self.failed.first().map_or(error::OK, |(_, failure)| failure.kind.exit())
    }
}
