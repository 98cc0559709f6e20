//! What is said where a next round begins: what was carried, and what cannot be.

use super::sentences::{Draft, NOTHING, draft, names, who};
use super::text::{list, safe};
use super::{Say, words};
use crate::error::Failure;
use crate::rules::rounds::Uncarried;
use crate::store::lifecycle::Started;

/// What a new sprint begins with.
pub(super) fn carried_text(started: &Started, unrecorded: Option<&Failure>, say: &mut Say) {
    if let Some(from) = &started.sprint.from {
        let carried =
            if started.carried.is_empty() { "nothing".to_owned() } else { list(&started.carried) };
        say.line(&format!("carried over from sprint {}: {carried}", safe(from)));
        if !started.open.is_empty() {
            say.line(&format!("open now: {}", list(&started.open)));
        }
    }
    if let Some(failure) = unrecorded {
        let text = words::failure(failure).text;
        say.warning(&format!("what was carried over has no records in git notes: {text}"));
        say.hint("once that is mended, 'git conductor notes sync' writes them");
    }
}

/// Why a phase is not for the next round to begin with.
pub(super) fn cannot_carry(
    phase: &str,
    why: Uncarried,
    needs: &[String],
    from: Option<&str>,
) -> Draft {
    let why = match why {
        Uncarried::NotDone => "it is not done".to_owned(),
        Uncarried::Failed => "it failed".to_owned(),
        Uncarried::Unreadable => "its record cannot be read".to_owned(),
        Uncarried::Needs => format!("it depends on {}, which would not be", names(needs)),
        Uncarried::Begins => format!(
            "the round is to begin with '{}', and it is that phase, or depends on it",
            safe(from.unwrap_or_default())
        ),
    };
    draft(
        format!("'{}' cannot be carried over: {why}", safe(phase)),
        "no sprint was started: only what has passed is carried over, with all that it depends on",
        NOTHING,
    )
}

/// What was handed over is not what is there.
pub(super) fn pin_lost(phase: &str, agent: &str, gone: bool, starting: bool) -> Draft {
    let what = if gone { "is gone" } else { "has been changed since" };
    let hint = if starting {
        "no sprint was started, for that phase has no evidence any more: \
         tell your human, who may begin with that phase itself"
    } else {
        "nothing is shown of it: tell your human, and stop"
    };
    let text = format!("the copy of what {} handed over with '{}' {what}", who(agent), safe(phase));
    draft(text, hint, NOTHING)
}

/// Nothing was handed over.
pub(super) fn no_artifact(phase: &str) -> Draft {
    draft(
        format!("'{}' has no artifact: nothing was handed over with it", safe(phase)),
        "what else is known of it is shown without --artifact",
        &["show", phase],
    )
}

/// There is no such sprint.
pub(super) fn unknown_sprint(sprint: &str) -> Draft {
    draft(
        format!("there is no sprint '{}'", safe(sprint)),
        "a sprint is named by its id, or by the time in it",
        &["status"],
    )
}
