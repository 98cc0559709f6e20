//! What is said of attempts: to the next owner, of a phase that is exhausted, and when they are
//! forgiven.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;

use super::messages::Messages;
use super::phrases::{NOTHING, ago, names, who};
use super::text::{plural, safe};
use crate::error::{Hint, Message};
use crate::record::Attempt;
use crate::rules::attempts::{ABORT, GONE, RECLAIM, UNSTUCK};
use crate::rules::reasons::Last;
use crate::store::change::{Freed, Granted};

/// So many attempts are told of, the latest ones.
const MAX_SHOWN: usize = 3;
/// So many are in the answer for programs, the latest ones too.
const MAX_LISTED: usize = 10;
/// So many characters of a reason stand in one line.
const MAX_REASON_CHARS: usize = 300;

/// What there is to say of an exhausted phase: only a person can go on.
pub(crate) fn no_more(phase: &str) -> Hint {
    Hint::new(
        format!("whether '{phase}' is tried again is your human's decision: tell them, and stop"),
        format!(
            "whether '{phase}' is tried again is for you to decide: \
             'git conductor unstuck {phase} --force' allows it"
        ),
    )
}

/// `1 attempt`, `2 attempts`
pub(crate) fn times(count: u64) -> String {
    plural(count, "attempt")
}

/// How an attempt ended: `'codex-1' gave it up 12m ago: needs a decision`
fn ended(now: Timestamp, last: &Last, by: Option<&str>) -> String {
    let Last { agent, how, reason, at } = last;
    let (who_, ago) = (who(agent), ago(now, *at));
    let by = by.filter(|by| !by.is_empty()).map(|by| format!(" by {}", who(by)));
    let by = by.unwrap_or_default();
    let mut line = match how.as_str() {
        ABORT => format!("{who_} gave it up{ago}"),
        RECLAIM => format!("{who_} was gone, and it was taken over{by}{ago}"),
        UNSTUCK => format!("{who_} had it until it was freed{by}{ago}"),
        GONE => {
            let heard = if ago.is_empty() { ago } else { format!(", was last heard{ago}") };
            format!("{who_} has it{heard} and is gone")
        }
        _ if agent.is_empty() && at.is_none() => "nothing is known of it".to_owned(),
        _ => format!("{who_} had it{ago}"),
    };
    if !reason.is_empty() {
        let mut short: String = reason.chars().take(MAX_REASON_CHARS).collect();
        if short.len() < reason.len() {
            short.push('…');
        }
        line.push_str(": ");
        line.push_str(&safe(&short));
    }
    line
}

fn of(granted: &Granted) -> &[Attempt] {
    let board = &granted.board;
    board.graph.find(&granted.phase).map(|id| board.past(id)).unwrap_or_default()
}

/// Which attempt this is.
pub(crate) fn number(granted: &Granted) -> usize {
    of(granted).len() + 1
}

/// An attempt at a phase that ended without a completion, as the next owner is told of it.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct PastAttempt<'a> {
    /// Whose it was; empty if it cannot be known.
    agent: &'a str,
    /// When the phase was claimed, in UTC.
    claimed_at: Option<Timestamp>,
    /// When the claim ended, in UTC.
    ended_at: Option<Timestamp>,
    /// How it ended: `abort`, `reclaim` (another took it over) or `unstuck`.
    how: &'a str,
    /// Why, in the words of who ended it; may be empty.
    reason: &'a str,
    /// Who ended it.
    by: &'a str,
    /// The worktree it was claimed from (absolute path).
    worktree: Option<&'a str>,
    /// The branch that was checked out there.
    branch: Option<&'a str>,
    /// The commit that was checked out there.
    commit: Option<&'a str>,
}

/// Those before it, in JSON, the earliest of the latest first.
pub(crate) fn past(granted: &Granted) -> Vec<PastAttempt<'_>> {
    let past = of(granted);
    let latest = past[past.len().saturating_sub(MAX_LISTED)..].iter();
    let one = latest.map(|attempt| PastAttempt {
        agent: &attempt.agent,
        claimed_at: attempt.claimed_at,
        ended_at: attempt.ended_at,
        how: &attempt.how,
        reason: &attempt.reason,
        by: &attempt.by,
        worktree: attempt.worktree.as_deref(),
        branch: attempt.branch.as_deref(),
        commit: attempt.commit.as_deref(),
    });
    one.collect()
}

/// What the next owner is told of those before it. One that it took over itself is told of already.
pub(crate) fn earlier(granted: &Granted, now: Timestamp, messages: &mut Messages) {
    let past = of(granted);
    let took = granted.from.as_ref().is_some_and(|hold| hold.claim.agent != granted.claim.agent);
    let known = if took { past.len().saturating_sub(1) } else { past.len() };
    let mut latest = past[..known].iter().rev().take(MAX_SHOWN);
    let tell = |attempt: &Attempt| ended(now, &Last::from(attempt), Some(&attempt.by));
    let Some(first) = latest.next() else { return };
    let before = if took { "before that, " } else { "" };
    messages.line(&format!(
        "attempt {} at '{}': {before}{}",
        number(granted),
        granted.phase,
        tell(first)
    ));
    for attempt in latest {
        messages.line(&format!("  before that, {}", tell(attempt)));
    }
    if known > MAX_SHOWN {
        messages.line(&format!("  and {} before these", times((known - MAX_SHOWN) as u64)));
    }
}

/// The refusal of a phase at which too many attempts have failed.
pub(crate) fn exhausted(
    now: Timestamp,
    phase: &str,
    attempts: u64,
    last: Option<&Last>,
) -> Message {
    let last = last.map(|last| format!("; in the last, {}", ended(now, last, None)));
    let text = format!(
        "'{phase}' is exhausted: {} at it failed, and no more are allowed{}",
        times(attempts),
        last.unwrap_or_default()
    );
    Message::new(text, no_more(phase), NOTHING)
}

/// What is said where nothing is left but what is exhausted, or waits for it.
pub(crate) fn nothing_left(failed: &[String], exhausted: &[String]) -> String {
    let is = if exhausted.len() == 1 { "is" } else { "are" };
    let mut text = format!(
        "nothing can be claimed: {} {is} exhausted by attempts that failed",
        names(exhausted)
    );
    if !failed.is_empty() {
        // Writing to a String cannot fail.
        _ = write!(text, ", and {} failed", names(failed));
    }
    text
}

/// The same beside what others are at work on.
pub(crate) fn besides(exhausted: &[String]) -> String {
    let is = if exhausted.len() == 1 { "is" } else { "are" };
    format!("; {} {is} exhausted by attempts that failed", names(exhausted))
}

/// What there is to say of attempts when a phase has been freed.
pub(crate) fn freed(freed: &Freed, messages: &mut Messages) {
    if let Some(count) = freed.reset_attempts {
        let that = if count == 1 { "is" } else { "are" };
        messages.line(&format!("{} at it {that} forgiven, and still told of", times(count)));
    } else if let Some(count) = freed.exhausted {
        messages.line(&format!(
            "it is exhausted: {} at it failed, and no more are allowed",
            times(count)
        ));
    }
}
