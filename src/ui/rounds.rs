//! What is said where a next round begins: what was carried, and what cannot be.

use super::messages::Messages;
use super::phrases::{NEXT, NOTHING, names, who};
use super::text::{list, safe};
use crate::error::{Failure, Hint, Message};
use crate::record::sprint_time;
use crate::rules::Board;
use crate::rules::reasons::{Uncarried, Unresumed};
use crate::store::lifecycle::Started;

/// How far a sprint was that was archived, and what goes on with it, where that makes sense.
pub(crate) fn archived(board: &Board, left: bool) -> String {
    let id = &board.sprint.sprint_id;
    let how_far = format!(
        "archived sprint {}, {} of {} phases done",
        safe(id),
        board.done_count(),
        board.graph.count()
    );
    match resume(board).filter(|_| left) {
        Some(command) => format!("{how_far}; '{}' goes on with it", safe(&command.join(" "))),
        None => how_far,
    }
}

/// The command that goes on with an archived sprint, if it was unfinished.
pub(crate) fn resume(board: &Board) -> Option<Vec<String>> {
    let id = &board.sprint.sprint_id;
    let time = sprint_time(id);
    let command = ["git", "conductor", "start", "--resume", time].map(str::to_owned);
    (board.done_count() < board.graph.count()).then(|| command.to_vec())
}

/// Whether the new sprint goes on with something else than the one that was archived for it.
pub(crate) fn left(started: &Started, previous: &Board) -> bool {
    started.sprint.from.as_ref() != Some(&previous.sprint.sprint_id)
}

/// What became of the sprint before it.
pub(crate) fn archived_text(started: &Started, messages: &mut Messages) {
    if let Some(previous) = &started.previous {
        messages.line(&archived(previous, left(started, previous)));
    }
    if started.kept {
        messages.line("the current sprint goes on");
    }
}

/// What a new sprint begins with.
pub(crate) fn carried_text(
    started: &Started,
    unrecorded: Option<&Failure>,
    messages: &mut Messages,
) {
    if let Some(from) = &started.sprint.from {
        let carried =
            if started.carried.is_empty() { "nothing".to_owned() } else { list(&started.carried) };
        messages.line(&format!("carried over from sprint {}: {carried}", safe(from)));
        if !started.open.is_empty() {
            messages.line(&format!("open now: {}", list(&started.open)));
        }
    }
    if let Some(failure) = unrecorded {
        let text = safe(&failure.to_string()).into_owned();
        messages.warning(&format!("what was carried over has no records in git notes: {text}"));
        messages.hint("once that is mended, 'git conductor notes sync' writes them");
    }
}

/// Why a phase is not for the next round to begin with.
pub(crate) fn cannot_carry(
    phase: &str,
    why: Uncarried,
    needs: &[String],
    from: Option<&str>,
) -> Message {
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
    Message::new(
        format!("'{}' cannot be carried over: {why}", safe(phase)),
        "no sprint was started: only what has passed is carried over, with all that it depends on",
        NOTHING,
    )
}

/// What was handed over is not what is there.
pub(crate) fn pin_lost(phase: &str, agent: &str, gone: bool, starting: bool) -> Message {
    let what = if gone { "is gone" } else { "has been changed since" };
    let hint = if starting {
        Hint::fixed(
            "no sprint was started, for that phase has no evidence any more: \
             tell your human, who may begin with that phase itself",
            "no sprint was started, for that phase has no evidence any more: \
             begin with that phase itself",
        )
    } else {
        Hint::fixed(
            "nothing is shown of it: tell your human, and stop",
            "nothing is shown of it: 'git conductor verify' says what else has changed",
        )
    };
    let text = format!("the copy of what {} handed over with '{}' {what}", who(agent), safe(phase));
    Message::new(text, hint, NOTHING)
}

/// Nothing was handed over.
pub(crate) fn no_artifact(phase: &str) -> Message {
    Message::new(
        format!("'{}' has no artifact: nothing was handed over with it", safe(phase)),
        "what else is known of it is shown without --artifact",
        &["show", phase],
    )
}

/// A sprint that others have begun to work on would end.
pub(crate) fn underway(
    sprint: &str,
    (done, phases): (usize, usize),
    started_by: &str,
    agents: &[String],
) -> Message {
    let others = if agents.is_empty() {
        String::new()
    } else {
        format!(", and {} took part in it", names(agents))
    };
    Message::new(
        format!(
            "sprint {} is unfinished: {done} of {phases} phases are done; {} began it{others}",
            safe(sprint),
            who(started_by)
        ),
        Hint::fixed(
            "a new one would end it, and it is not yours: take part in it; \
             whether it ends is your human's decision",
            "a new one would end it: take part in it, or end it with 'git conductor archive' first",
        ),
        NEXT,
    )
}

/// A sprint that cannot be resumed.
pub(crate) fn cannot_resume(sprint: &str, why: Unresumed) -> Message {
    let sprint = safe(sprint);
    match why {
        Unresumed::Current => Message::new(
            format!("sprint {sprint} has not ended: it is the present one"),
            "no sprint was started: take part in that one",
            NEXT,
        ),
        Unresumed::Passed => Message::new(
            format!("nothing is left of sprint {sprint}: every phase has passed"),
            Hint::fixed(
                "no sprint was started: whether another one begins is your human's decision",
                "no sprint was started: begin another one with 'git conductor start'",
            ),
            NOTHING,
        ),
    }
}

/// There is no such sprint.
pub(crate) fn unknown_sprint(sprint: &str) -> Message {
    Message::new(
        format!("there is no sprint '{}'", safe(sprint)),
        "a sprint is named by its id, or by the time in it",
        &["status"],
    )
}
