//! What is said of a command that is run as the owner of a phase: before it begins, and after it
//! has ended.

use std::os::fd::{AsFd as _, OwnedFd};

use serde::Serialize;
use serde_json::{Value, json};

use super::{End, Fate, Ran};
use crate::commands::claim::Claimed;
use crate::commands::complete::Handed;
use crate::commands::complete::answer::SightAnswer;
use crate::commands::inputs::Input;
use crate::commands::notes::{NotedAnswer, noted_json};
use crate::error::Failure;
use crate::record::{VERSION, Verdict};
use crate::ui::text::{milliseconds, safe};
use crate::ui::{Answer, Format, Messages, Printed, stop};

impl Answer for Ran {
    fn text(&self, format: Format, messages: &mut Messages) -> String {
        text(self, format, messages)
    }

    fn json(&self, format: Format) -> Value {
        json(self, format)
    }

    fn exit(&self) -> u8 {
        self.exit_code()
    }
}

/// What is said once the phase is claimed, before the command begins to print.
pub(super) fn begun(claimed: &Claimed, format: Format) -> Printed {
    let mut messages = Messages::new(format);
    claimed.beginning(format.now, &mut messages);
    Printed { err: messages.into_text(), ..Printed::default() }
}

/// Where the command prints to where standard output is for the answer: to standard error.
///
/// # Errors
/// It is closed.
pub(super) fn beside_the_answer() -> Result<OwnedFd, Failure> {
    let stderr = std::io::stderr();
    stderr.as_fd().try_clone_to_owned().map_err(|error| Failure::io(error, "cannot use stderr"))
}

/// What is said when it has ended; on standard output there is what the command printed.
fn text(ran: &Ran, format: Format, messages: &mut Messages) -> String {
    let phase = &ran.granted.phase;
    if let End::NotRun(_, why) = &ran.end {
        messages.error(&safe(why));
    }
    if ran.was_stopped {
        messages.warning(&format!("the command was stopped: the claim of '{phase}' was lost"));
    }
    match &ran.fate {
        Fate::Completed(handed) => {
            messages.line(&format!("completed '{phase}'"));
            handed.messages(format.now, messages);
        }
        Fate::Stands(_, stop) => {
            messages.line(&format!("completed '{phase}'"));
            let words = stop::stop(stop, format.now);
            messages.warning(&format!("what follows a completion failed: {}", words.text));
        }
        Fate::Itself(done) => {
            let verdict = if done.verdict == Verdict::Fail { ", as failed" } else { "" };
            messages.line(&format!("the command has completed '{phase}' itself{verdict}"));
        }
        Fate::Aborted(_) if matches!(ran.end, End::NotRun(..)) => {
            messages.line(&format!("gave up '{phase}'"));
        }
        Fate::Aborted(reason) => messages.line(&format!("gave up '{phase}': {}", safe(reason))),
        Fate::Lost(refusal) => {
            let words = stop::refusal(refusal, format.now);
            messages.warning(&format!("'{phase}' is left as it is: {}", words.text));
        }
        Fate::Left(failure) => {
            messages
                .warning(&format!("could not give up '{phase}': {}", safe(&failure.to_string())));
        }
    }
    String::new()
}

/// What `run` answers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct RunAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// Whether the command ended well and the phase is complete.
    ok: bool,
    /// How long it waited for the phase, in milliseconds, if it did.
    waited_ms: Option<u64>,
    /// The phase.
    phase: &'a str,
    /// The sprint.
    sprint_id: &'a str,
    /// Who owned it.
    agent: &'a str,
    /// What `run` exits with.
    exit: u8,
    /// The signal that ended the command.
    signal: Option<String>,
    /// Whether the command could be run.
    began: bool,
    /// Whether it was stopped because the claim was lost.
    stopped: bool,
    /// `completed`, `aborted`, `lost` to another, or `left` as it is by a failure.
    phase_is: &'static str,
    /// Why it is not completed.
    reason: Option<String>,
    /// What failed after the completion.
    failed_after: Option<String>,
    /// What became of the work.
    verdict: Option<Verdict>,
    /// The path of the artifact; empty without one.
    artifact: Option<&'a str>,
    /// Its SHA-256.
    artifact_sha256: Option<&'a str>,
    /// The commit that it was done at.
    commit: Option<&'a str>,
    /// Whether something there was not committed.
    dirty: Option<bool>,
    /// The phases that can be claimed now.
    opened: &'a [String],
    /// What it builds on that is not in its commit.
    lacks: &'a [Input],
    /// The record in git notes; null where none was asked for.
    note: Option<NotedAnswer<'a>>,
    #[serde(flatten)]
    sight: Option<SightAnswer<'a>>,
}

/// The same as JSON.
fn json(ran: &Ran, format: Format) -> Value {
    let Ran { granted, waited, end, was_stopped, fate, .. } = ran;
    let failed = match fate {
        Fate::Stands(_, stop) => Some(stop::stop(stop, format.now).text),
        Fate::Completed(_) | Fate::Itself(_) | Fate::Aborted(_) | Fate::Lost(_) | Fate::Left(_) => {
            None
        }
    };
    let (word, reason) = match fate {
        Fate::Completed(_) | Fate::Stands(..) | Fate::Itself(_) => ("completed", None),
        Fate::Aborted(reason) => ("aborted", Some(reason.clone())),
        Fate::Lost(refusal) => ("lost", Some(refusal.code().to_owned())),
        Fate::Left(failure) => ("left", Some(failure.to_string())),
    };
    let done = match fate {
        Fate::Completed(handed) => Some(&handed.completed.done),
        Fate::Stands(done, _) | Fate::Itself(done) => Some(&**done),
        Fate::Aborted(_) | Fate::Lost(_) | Fate::Left(_) => None,
    };
    let handed = match fate {
        Fate::Completed(handed) => Some(&**handed),
        Fate::Stands(..) | Fate::Itself(_) | Fate::Aborted(_) | Fate::Lost(_) | Fate::Left(_) => {
            None
        }
    };
    json!(RunAnswer {
        v: VERSION,
        ok: end.is_well() && done.is_some(),
        waited_ms: waited.map(milliseconds),
        phase: &granted.phase,
        sprint_id: &granted.board.sprint.sprint_id,
        agent: &granted.claim.agent,
        exit: end.exit(),
        signal: end.signal(),
        began: !matches!(end, End::NotRun(..)),
        stopped: *was_stopped,
        phase_is: word,
        reason,
        failed_after: failed,
        verdict: done.map(|done| done.verdict),
        artifact: done.map(|done| &*done.artifact),
        artifact_sha256: done.and_then(|done| done.artifact_sha256.as_deref()),
        commit: done.and_then(|done| done.at.commit.as_deref()),
        dirty: done.and_then(|done| done.at.dirty),
        opened: handed.map(|handed| &handed.completed.opened[..]).unwrap_or_default(),
        lacks: handed.map(|handed| &handed.lacks[..]).unwrap_or_default(),
        note: handed.and_then(|handed| handed.note.as_deref()).map(noted_json),
        sight: handed.map(Handed::sight_json),
    })
}
