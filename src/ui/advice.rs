//! What an agent is told to do: while it holds a phase, when it can claim nothing, and when a wait
//! is over. Hints, `do`, `prime` and the board take their words from here.

use jiff::{SignedDuration, Timestamp};

use super::attempts;
use super::phrases::{self, NO_CHECKER, NOTHING, ago, names, who};
use super::text::{age, duration, list, safe};
use crate::error::{Hint, Message};
use crate::rules::graph::Handover;
use crate::rules::identity;
use crate::rules::others::{Advice, Alive, ClaimedPhase, Prospect};

/// The command that waits for whatever opens.
pub(crate) const WAIT: &[&str] = &["next", "--claim", "--wait", "--timeout", "90s"];
/// When nothing has happened for this long, a person should know.
const QUIET: SignedDuration = SignedDuration::from_hours(1);

/// The command that hands `phase` in; FILE is what is handed over.
pub(crate) fn complete(phase: &str, handover: Handover) -> String {
    match handover {
        Handover::Commits => format!("git conductor complete {phase}"),
        Handover::File | Handover::Verdict => {
            format!("git conductor complete {phase} --artifact FILE")
        }
    }
}

/// How `phase` is handed in: `when it is done, run '…'`
pub(crate) fn finish(phase: &str, handover: Handover) -> String {
    let verdict = match handover {
        Handover::Commits | Handover::File => "",
        Handover::Verdict => "; add --verdict fail if what you checked is not good",
    };
    format!("when it is done, run '{}'{verdict}", complete(phase, handover))
}

/// What there is to do for one who holds `phase`.
pub(crate) fn go_on(phase: &str, handover: Handover) -> String {
    format!("do the work of '{phase}' now; {}", finish(phase, handover))
}

/// What is being worked on: `'a' (claimed by 'bob' 5m ago)`
pub(crate) fn held(now: Timestamp, claims: &[ClaimedPhase]) -> String {
    let one = |held: &ClaimedPhase| {
        let since = ago(now, held.holder.since);
        let gone = if held.holder.alive == Alive::No { ", its process is gone" } else { "" };
        let opens = held.opens_at.filter(|_| !held.mine);
        let opens = opens.map(|then| format!(", {}", opens_to_all(now, then)));
        let who = if held.mine { "you".to_owned() } else { who(&held.holder.agent) };
        let lost = if held.holder.was_yours { ", who took it over from you" } else { "" };
        let opens = opens.unwrap_or_default();
        format!("'{}' (claimed by {who}{since}{lost}{gone}{opens})", held.phase)
    };
    list(&claims.iter().map(one).collect::<Vec<_>>())
}

/// `open to all in 23m`
fn opens_to_all(now: Timestamp, then: Timestamp) -> String {
    if then <= now {
        "open to all".to_owned()
    } else {
        format!("open to all in {}", age(then, now))
    }
}

/// What there is to do about a phase whose owner is dead.
pub(crate) fn take_over(held: &ClaimedPhase) -> (Hint, Vec<String>) {
    let place = held.holder.worktree.as_deref().map(|place| format!(" in '{}'", safe(place)));
    let hint = format!(
        "look first at what the owner of '{}' left{}; then take it over",
        held.phase,
        place.unwrap_or_default()
    );
    (hint.into(), words(&["claim", &held.phase, "--takeover"]))
}

/// What keeps a phase closed: `'build' is behind that: 'bob' is gone, and …`
pub(crate) fn behind(now: Timestamp, held: &ClaimedPhase) -> String {
    let opens =
        held.opens_at.map(|then| format!(", so '{}' is {}", held.phase, opens_to_all(now, then)));
    format!(
        "{}, who claimed '{}', is gone{}",
        who(&held.holder.agent),
        held.phase,
        opens.unwrap_or_default()
    )
}

pub(crate) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// How long nothing has happened, if a person should know.
pub(crate) fn quiet(last_change: Option<Timestamp>, now: Timestamp) -> Option<Hint> {
    let quiet = identity::age(now, last_change?);
    let since = format!("nothing has happened for {}", duration(quiet));
    (quiet >= QUIET).then(|| {
        Hint::new(
            format!("{since}: tell your human, and stop"),
            format!("{since}: look whether its owner is still at work"),
        )
    })
}

/// What an agent that can claim nothing is told to do, and the command for it.
fn advised(
    prospect: &Prospect,
    claimed: &[ClaimedPhase],
    failed: &[String],
    exhausted: &[String],
    now: Timestamp,
) -> (Hint, Vec<String>) {
    let nothing = |hint: Hint| (hint, Vec::new());
    let own = claimed.iter().find(|held| held.mine);
    match (prospect.advice, own, &prospect.dead) {
        (Advice::GoOn, Some(ClaimedPhase { phase, handover, .. }), _) => {
            nothing(go_on(phase, *handover).into())
        }
        (Advice::TakeOver, _, Some(dead)) => take_over(dead),
        (Advice::GoOn | Advice::TakeOver | Advice::Wait, ..) => {
            if let Some(quiet) = quiet(prospect.last_change, now) {
                return (quiet, Vec::new());
            }
            let at_work = claimed.iter().any(|held| held.holder.alive != Alive::No);
            let next = prospect.seen.iter().find(|seen| seen.alive != Alive::No);
            let hint = match next.filter(|_| !at_work) {
                None => "this is normal: wait until something is open".to_owned(),
                Some(seen) => format!(
                    "this is normal: {} was seen{} and can take what is ready; \
                     wait until something is open for you",
                    who(&seen.agent),
                    ago(now, seen.at)
                ),
            };
            (hint.into(), words(WAIT))
        }
        (Advice::MayStop, ..) => {
            let unless = |held: &ClaimedPhase| {
                format!("{} gives '{}' up", who(&held.holder.agent), held.phase)
            };
            let could = |held: &&ClaimedPhase| prospect.yours_later.contains(&held.phase);
            let unless: Vec<String> = claimed.iter().filter(could).map(unless).collect();
            let hint = format!(
                "you may stop: nothing that is left can become yours unless {}",
                unless.join(", or ")
            );
            (hint.into(), words(WAIT))
        }
        (Advice::Others, ..) => nothing(
            "you may stop: nothing that is left can become yours; other agents are there for it"
                .into(),
        ),
        (Advice::AnotherAgent, ..) => {
            let last = prospect
                .seen
                .first()
                .map(|seen| format!(" ({} was last seen{})", who(&seen.agent), ago(now, seen.at)));
            let needs = format!(
                "this needs another agent, and nobody else is at work{}",
                last.unwrap_or_default()
            );
            nothing(Hint::new(
                format!(
                    "{needs}: tell your human that once, and stop; a name does not make you another"
                ),
                format!("{needs}: let another one do it"),
            ))
        }
        (Advice::Person, ..) => nothing(match (exhausted, failed) {
            ([phase, ..], _) => attempts::no_more(phase),
            ([], [phase, ..]) => phrases::failed(phase),
            ([], []) => NO_CHECKER,
        }),
    }
}

/// Nothing can be claimed.
pub(crate) fn nothing_ready(
    now: Timestamp,
    claimed: &[ClaimedPhase],
    failed: &[String],
    exhausted: &[String],
    prospect: &Prospect,
) -> Message {
    let (hint, command) = advised(prospect, claimed, failed, exhausted, now);
    let text = if !claimed.is_empty() {
        let besides =
            if exhausted.is_empty() { String::new() } else { attempts::besides(exhausted) };
        format!("nothing can be claimed now: the rest waits for {}{besides}", held(now, claimed))
    } else if !exhausted.is_empty() {
        attempts::nothing_left(failed, exhausted)
    } else {
        format!("nothing can be claimed: the rest waits for {}, which failed", names(failed))
    };
    Message { text, hints: vec![hint], command }
}

/// What is ready is for another agent.
pub(crate) fn not_for_you(
    now: Timestamp,
    phases: &[String],
    claimed: &[ClaimedPhase],
    prospect: &Prospect,
) -> Message {
    let (hint, command) = advised(prospect, claimed, &[], &[], now);
    let at_work = if claimed.is_empty() {
        String::new()
    } else {
        format!("; at work: {}", held(now, claimed))
    };
    let text = format!(
        "nothing is ready for you: {} must be done by another agent, since it checks your work{at_work}",
        names(phases)
    );
    Message { text, hints: vec![hint], command }
}

/// Every phase is done.
pub(crate) fn finished() -> Message {
    let text = "nothing can be claimed: every phase is done".to_owned();
    let hint = Hint::fixed(
        "this is normal: the sprint is finished; tell your human, and stop",
        "the sprint is finished",
    );
    Message::new(text, hint, NOTHING)
}

/// The phase that is waited for is not done.
pub(crate) fn unfinished(
    now: Timestamp,
    phase: &str,
    agent: Option<&str>,
    dead: Option<&ClaimedPhase>,
) -> Message {
    let text = format!("'{phase}' is not done");
    if let Some(dead) = dead {
        let (hint, command) = take_over(dead);
        let text = format!("{text}: {}", behind(now, dead));
        return Message { text, hints: vec![hint], command };
    }
    let at_work = agent.map(|agent| format!(": {} is at it", who(agent))).unwrap_or_default();
    Message::new(format!("{text}{at_work}"), "this is normal", NOTHING)
}
