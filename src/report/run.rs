//! What is said of a command that is run as the owner of a phase: before it begins, and after it has ended.

use std::os::fd::{AsFd as _, OwnedFd};

use serde_json::{Value, json};

use super::text::safe;
use super::{Format, Printed, Say, claimed_text, completed, inputs_text, notes, waiting, words};
use crate::cmd::Outcome;
use crate::cmd::run::{End, Fate, Ran};
use crate::error::Failure;
use crate::record::{VERSION, Verdict};

/// What is said once the phase is claimed, before the command begins to print.
#[must_use]
pub fn begun(claimed: &Outcome, format: Format) -> Printed {
    let mut say = Say { err: String::new(), paint: format.err, advice: format.advice };
    if let Outcome::Claimed { granted, inputs, earlier, salvaged, .. } = claimed {
        claimed_text(granted, salvaged, format.now, &mut say);
        inputs_text(inputs, earlier, &mut say);
    }
    Printed { err: say.err, ..Printed::default() }
}

/// Where the command prints to where standard output is for the answer: to standard error.
///
/// # Errors
/// It is closed.
pub fn beside_the_answer() -> Result<OwnedFd, Failure> {
    let stderr = std::io::stderr();
    stderr.as_fd().try_clone_to_owned().map_err(|error| Failure::io(error, "cannot use stderr"))
}

/// What is said when it has ended; on standard output there is what the command printed.
pub(super) fn text(ran: &Ran, format: Format, say: &mut Say) -> String {
    let phase = &ran.granted.phase;
    if let End::NotRun(_, why) = &ran.end {
        let line = format!("{} {}", say.paint.error("error:"), safe(why));
        say.line(&line);
    }
    if ran.was_stopped {
        say.warning(&format!("the command was stopped: the claim of '{phase}' was lost"));
    }
    match &ran.fate {
        Fate::Completed(handed) => {
            say.line(&format!("completed '{phase}'"));
            completed::text(phase, handed, format.now, say);
        }
        Fate::Stands(_, stop) => {
            say.line(&format!("completed '{phase}'"));
            let words = words::stop(stop, format.now);
            say.warning(&format!("what follows a completion failed: {}", words.text));
        }
        Fate::Itself(done) => {
            let verdict = if done.verdict == Verdict::Fail { ", as failed" } else { "" };
            say.line(&format!("the command has completed '{phase}' itself{verdict}"));
        }
        Fate::Aborted(_) if matches!(ran.end, End::NotRun(..)) => {
            say.line(&format!("gave up '{phase}'"));
        }
        Fate::Aborted(reason) => say.line(&format!("gave up '{phase}': {}", safe(reason))),
        Fate::Lost(refusal) => {
            let words = words::refusal(refusal, format.now);
            say.warning(&format!("'{phase}' is left as it is: {}", words.text));
        }
        Fate::Left(failure) => {
            say.warning(&format!("could not give up '{phase}': {}", safe(&failure.to_string())));
        }
    }
    String::new()
}

/// The same as JSON.
pub(super) fn json(ran: &Ran, format: Format) -> Value {
    let Ran { granted, waited, end, was_stopped, fate, .. } = ran;
    let failed = match fate {
        Fate::Stands(_, stop) => Some(words::stop(stop, format.now).text),
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
    let mut value = json!({
        "v": VERSION,
        "ok": end.is_well() && done.is_some(),
        "waited_ms": waited.map(waiting::milliseconds),
        "phase": granted.phase,
        "sprint_id": granted.board.sprint.sprint_id,
        "agent": granted.claim.agent,
        "exit": end.exit(),
        "signal": end.signal(),
        "began": !matches!(end, End::NotRun(..)),
        "stopped": was_stopped,
        "phase_is": word,
        "reason": reason,
        "failed_after": failed,
        "verdict": done.map(|done| done.verdict),
        "artifact": done.map(|done| &done.artifact),
        "artifact_sha256": done.and_then(|done| done.artifact_sha256.as_ref()),
        "commit": done.and_then(|done| done.at.commit.as_ref()),
        "dirty": done.and_then(|done| done.at.dirty),
        "opened": handed.map(|handed| &handed.completed.opened[..]).unwrap_or_default(),
        "lacks": handed.map(|handed| &handed.lacks[..]).unwrap_or_default(),
        "note": notes::noted_json(handed.and_then(|handed| handed.note.as_deref())),
    });
    if let (Some(object), Some(handed)) = (value.as_object_mut(), handed) {
        object.extend(completed::sight_json(handed));
    }
    value
}
