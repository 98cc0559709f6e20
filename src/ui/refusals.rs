//! One sentence for each refusal: who, since when and why, that it is normal where it is, and what
//! to do now. One function for each rule, in the order of [`Refusal`].

use jiff::{SignedDuration, Timestamp};

use super::phrases::{
    NEXT, NO_CHECKER, NOTHING, SUBAGENTS, ago, failed, names, namesake, owner, who, you,
};
use super::text::{duration, list, safe, spent};
use super::{advice, attempts, gate, rounds};
use crate::error::{Hint, Message};
use crate::record::Verdict;
use crate::record::near::nearest;
use crate::rules::graph::{Handover, is_name};
use crate::rules::identity;
use crate::rules::others::{Alive, ClaimedPhase, OwnerFacts};
use crate::rules::reasons::Wait;
use crate::rules::refusal::Refusal;

/// What a refusal says.
pub(crate) fn sentence(refusal: &Refusal, now: Timestamp) -> Message {
    match refusal {
        Refusal::NoSprint {} => no_sprint(),
        Refusal::UnknownPhase { phase, phases } => unknown_phase(phase, phases),
        Refusal::Claimed { phase, holder, same_agent: true, .. } => elsewhere(now, phase, holder),
        Refusal::Claimed { phase, holder, legacy_lock, .. } => {
            claimed(now, phase, holder, *legacy_lock)
        }
        Refusal::Blocked { phase, waits_for, dead } => {
            blocked(now, phase, waits_for, dead.as_deref())
        }
        Refusal::Exhausted { phase, attempts, last, .. } => {
            attempts::exhausted(now, phase, *attempts, last.as_ref())
        }
        Refusal::FourEyes { phase, other, agent } => four_eyes(phase, other, agent),
        Refusal::Done { phase, agent, at, verdict } => done(now, phase, agent, *at, *verdict),
        Refusal::NotClaimed { phase } => not_claimed(phase),
        Refusal::NotOwner { phase, holder } => not_owner(now, phase, holder),
        Refusal::Lost { phase, holder, ended_sprint } => {
            lost(now, phase, holder.as_ref(), ended_sprint.as_deref())
        }
        Refusal::Alive { phase, holder, same_agent: true } => own(now, phase, holder),
        Refusal::Alive { phase, holder, .. } => alive(now, phase, holder),
        Refusal::LiveClaims { claims, starting } => live_claims(now, claims, *starting),
        Refusal::Underway { sprint_id, done, phases, started_by, agents, .. } => {
            rounds::underway(sprint_id, (*done, *phases), started_by, agents)
        }
        Refusal::CannotResume { sprint, why } => rounds::cannot_resume(sprint, *why),
        Refusal::NothingReady { claimed, failed, exhausted, prospect } => {
            advice::nothing_ready(now, claimed, failed, exhausted, prospect)
        }
        Refusal::Unfinished { phase, agent, dead, .. } => {
            advice::unfinished(now, phase, agent.as_deref(), dead.as_deref())
        }
        Refusal::TimedOut { waited_ms, last_change, again, why } => {
            timed_out(*waited_ms, *last_change, again, why, now)
        }
        Refusal::Finished {} => advice::finished(),
        Refusal::NotForYou { phases, claimed, prospect } => {
            advice::not_for_you(now, phases, claimed, prospect)
        }
        Refusal::Holding { phase, since, handover } => holding(now, phase, *since, *handover),
        Refusal::Push { refs, guessed, why } => push(refs, *guessed, why, now),
        Refusal::GateDenied { phase, why } => gate::denied(phase, why, now),
        Refusal::UnknownSprint { sprint } => rounds::unknown_sprint(sprint),
        Refusal::CannotCarry { phase, why, needs, from } => {
            rounds::cannot_carry(phase, *why, needs, from.as_deref())
        }
        Refusal::NoArtifact { phase } => rounds::no_artifact(phase),
        Refusal::PinLost { phase, agent, gone, starting, .. } => {
            rounds::pin_lost(phase, agent, *gone, *starting)
        }
        Refusal::InvalidGraph { file, why } => invalid_graph(file, why),
    }
}

fn no_sprint() -> Message {
    Message::new(
        "this repository has no sprint now".to_owned(),
        Hint::fixed(
            "there is nothing to claim or complete; whether one is begun is your human's decision: \
             tell them, and stop",
            "there is nothing to claim or complete; begin one with 'git conductor start'",
        ),
        NOTHING,
    )
}

fn unknown_phase(phase: &str, phases: &[String]) -> Message {
    // What is a path, or holds anything else that no name does, was not mistyped.
    let text = if is_name(phase) {
        format!("this sprint has no phase '{}'", safe(phase))
    } else {
        format!("invalid phase '{}': no phase has such a name", safe(phase))
    };
    let all = format!("its phases are {}", names(phases));
    let hint = match nearest(phase, phases.iter().map(String::as_str)) {
        Some(near) => format!("did you mean '{}'? {all}", safe(near)),
        None => all,
    };
    Message::new(text, hint, NEXT)
}

/// The asker's own, in another worktree.
fn elsewhere(now: Timestamp, phase: &str, holder: &OwnerFacts) -> Message {
    let place = holder.worktree.as_deref().unwrap_or_default();
    Message::new(
        format!(
            "'{phase}' is yours already, in another worktree: you claimed it{} in '{}'",
            ago(now, holder.since),
            safe(place)
        ),
        format!(
            "go on with it in that worktree; to work on it here, give it up first with \
             'git conductor abort {phase}', and claim it here"
        ),
        NOTHING,
    )
}

fn claimed(now: Timestamp, phase: &str, holder: &OwnerFacts, legacy_lock: bool) -> Message {
    let text = format!("'{phase}' is taken: {}", owner(now, holder));
    match holder.alive {
        Alive::No if legacy_lock => Message::new(
            text,
            "its lock is of an old layout, which must be freed before it can be claimed",
            &["unstuck", phase],
        ),
        Alive::No => Message::new(text, left_behind(holder), &["claim", phase, "--takeover"]),
        _ if holder.silent => Message::new(text, silent(holder), &["claim", phase, "--takeover"]),
        Alive::Yes | Alive::Unknown => Message::new(
            text,
            namesake(holder).unwrap_or_else(|| {
                "this is normal: another agent is at work on it; \
                 leave it alone and take another phase"
                    .into()
            }),
            NEXT,
        ),
    }
}

/// What there is to say before the phase of an owner is taken over that may have ended unseen.
fn silent(holder: &OwnerFacts) -> String {
    let place = holder.worktree.as_deref().map(|place| format!(" in '{}'", safe(place)));
    format!(
        "nothing shows whether that one agent is still there: take another phase; or look whether \
         anything moves{}, and only if not take this one over",
        place.unwrap_or_default()
    )
}

/// What there is to say before a dead owner's phase is taken over.
fn left_behind(holder: &OwnerFacts) -> String {
    let place = holder.worktree.as_deref().map(|place| format!(" in '{}'", safe(place)));
    format!(
        "take another phase; or take this one over, and look first at what its owner left{}",
        place.unwrap_or_default()
    )
}

fn blocked(
    now: Timestamp,
    phase: &str,
    waits_for: &[Wait],
    dead: Option<&ClaimedPhase>,
) -> Message {
    let one = |wait: &Wait| match (&wait.agent, wait.state) {
        (Some(agent), "claimed") => format!("'{}' (claimed by {})", wait.phase, who(agent)),
        (Some(agent), "failed") => format!("'{}' (failed by {})", wait.phase, who(agent)),
        (_, "exhausted") => format!("'{}' (exhausted by attempts that failed)", wait.phase),
        _ => format!("'{}'", wait.phase),
    };
    let waits = list(&waits_for.iter().map(one).collect::<Vec<_>>());
    let text = format!("'{phase}' is not open: it waits for {waits}");
    let is = |state| waits_for.iter().find(|wait| wait.state == state);
    if let Some(wait) = is("failed") {
        return Message::new(text, failed(&wait.phase), NOTHING);
    }
    if let Some(wait) = is("exhausted") {
        return Message::new(text, attempts::no_more(&wait.phase), NOTHING);
    }
    if let Some(dead) = dead {
        let (hint, command) = advice::take_over(dead);
        let text = format!("{text}; {}", advice::behind(now, dead));
        return Message { text, hints: vec![hint], command };
    }
    let all = match waits_for {
        [_] => "that is",
        [_, _] => "both are",
        _ => "all of them are",
    };
    Message::new(
        text,
        format!("this is normal: it opens when {all} completed; take what is open now"),
        NEXT,
    )
}

fn four_eyes(phase: &str, other: &str, agent: &str) -> Message {
    let text =
        format!("'{phase}' is not for you: it checks '{other}', which {} completed", who(agent));
    if agent.is_empty() {
        return Message::new(text, NO_CHECKER, NOTHING);
    }
    Message::new(
        text,
        "this is normal: it is for another agent to check what you did; take another phase",
        NEXT,
    )
}

fn done(
    now: Timestamp,
    phase: &str,
    agent: &str,
    at: Option<Timestamp>,
    verdict: Verdict,
) -> Message {
    let word = match verdict {
        Verdict::Pass => "",
        Verdict::Fail => " with verdict 'fail'",
    };
    Message::new(
        format!("'{phase}' is done: {} completed it{}{word}", who(agent), ago(now, at)),
        match verdict {
            Verdict::Pass => "it stays as it is, and this changed nothing; take another phase",
            Verdict::Fail => "it failed and stays so, and this changed nothing; take another phase",
        },
        NEXT,
    )
}

fn not_claimed(phase: &str) -> Message {
    Message::new(
        format!("'{phase}' is not yours: nobody holds it"),
        "nothing was completed; if you had claimed it, that claim was ended: \
         claim it again, and check your work against what is there now",
        &["claim", phase],
    )
}

fn not_owner(now: Timestamp, phase: &str, holder: &OwnerFacts) -> Message {
    let text = format!("'{phase}' is not yours: {}", owner(now, holder));
    match holder.alive {
        Alive::No => Message::new(text, left_behind(holder), &["claim", phase, "--takeover"]),
        _ if holder.silent => Message::new(text, silent(holder), &["claim", phase, "--takeover"]),
        Alive::Yes | Alive::Unknown => {
            Message::new(text, namesake(holder).unwrap_or_else(|| not_yours(holder)), NEXT)
        }
    }
}

fn not_yours(holder: &OwnerFacts) -> Hint {
    let you = you(holder);
    Hint::new(
        format!("{you}if you have work for it, tell your human, and stop; else take another phase"),
        format!("{you}if you have work for it, show it to the owner; else take another phase"),
    )
}

fn lost(now: Timestamp, phase: &str, holder: Option<&OwnerFacts>, ended: Option<&str>) -> Message {
    let how = match (holder, ended) {
        (_, Some(sprint)) => format!("its sprint '{}' has ended", safe(sprint)),
        (Some(holder), None) => {
            format!("{} took it over{}", who(&holder.agent), ago(now, holder.since))
        }
        (None, None) => "it was taken away".to_owned(),
    };
    Message::new(
        format!("'{phase}' is not yours any more: {how}"),
        Hint::fixed(
            "stop working on it; nothing was done, and your files are as they were: \
             tell your human what you have",
            if holder.is_some() {
                "nothing was done, and your files are as they were: show the new owner what you have"
            } else {
                "nothing was done, and your files are as they were: \
                 see 'git conductor status' before you go on"
            },
        ),
        NOTHING,
    )
}

fn alive(now: Timestamp, phase: &str, holder: &OwnerFacts) -> Message {
    Message::new(
        format!("'{phase}' cannot be freed: {}", owner(now, holder)),
        Hint::new(
            "leave it to its owner and take another phase; if it must be freed, tell your human",
            match holder.alive {
                Alive::Unknown => format!(
                    "leave it to its owner; if you know that that one has ended, \
                     'git conductor unstuck {phase} --force' frees it"
                ),
                Alive::Yes | Alive::No => {
                    "leave it to its owner; if it must be freed, end that owner first".to_owned()
                }
            },
        ),
        NEXT,
    )
}

/// The asker's own, which was to be freed as another's.
fn own(now: Timestamp, phase: &str, holder: &OwnerFacts) -> Message {
    Message::new(
        format!("'{phase}' is yours: you claimed it{}", ago(now, holder.since)),
        format!(
            "nothing is stuck: go on with it; only if you cannot, \
             give it up with 'git conductor abort {phase}'"
        ),
        NOTHING,
    )
}

fn live_claims(now: Timestamp, claims: &[ClaimedPhase], starting: bool) -> Message {
    let text = format!("other agents are at work: {}", advice::held(now, claims));
    if starting {
        let hint =
            "a sprint is going on, and a new one would take their phases away: take part in it";
        return Message::new(text, hint, NEXT);
    }
    let takes = "the end of the sprint would take their phases away";
    let unseen = claims.iter().find(|held| held.holder.alive == Alive::Unknown);
    let person = match unseen {
        Some(held) => format!(
            "{takes}: let them finish; if you know that one has ended, \
             'git conductor unstuck {} --force' frees its phase",
            held.phase
        ),
        None => format!("{takes}: let them finish, or end them first"),
    };
    Message::new(text, Hint::new(format!("{takes}: tell your human, and stop"), person), NOTHING)
}

fn holding(now: Timestamp, phase: &str, since: Option<Timestamp>, handover: Handover) -> Message {
    let mut said = Message::new(
        format!("you hold '{phase}' already: you claimed it{}", ago(now, since)),
        advice::go_on(phase, handover),
        NOTHING,
    );
    said.hints.push(SUBAGENTS);
    said
}

fn invalid_graph(file: &str, why: &str) -> Message {
    Message::new(
        format!("invalid phase_graph in '{}': {}", safe(file), safe(why)),
        Hint::fixed(
            "no sprint was started: ask your human to correct that file, as the example shows",
            "no sprint was started: correct that file, as the example shows",
        ),
        &["start", "-h"],
    )
}

/// Why a push is refused: it must be told from what a remote refuses.
pub(crate) fn push(refs: &[String], guessed: bool, why: &Refusal, now: Timestamp) -> Message {
    let mut said = sentence(why, now);
    let guess = if guessed {
        " (guarded by a guess: the default branch of the remote is not known here)"
    } else {
        ""
    };
    said.text = format!("nothing is pushed to {}{guess}: {}", names(refs), said.text);
    if let Some(hint) = said.hints.first_mut() {
        *hint = hint.map(|hint| {
            format!(
                "this is no conflict with the remote: pulling or rebasing will not help; {hint}"
            )
        });
    }
    said
}

/// What was waited for has not come true in the time that was given.
pub(crate) fn timed_out(
    waited_ms: u64,
    last_change: Option<Timestamp>,
    again: &[String],
    why: &Refusal,
    now: Timestamp,
) -> Message {
    let waited = SignedDuration::from_millis(i64::try_from(waited_ms).unwrap_or(i64::MAX));
    let inner = sentence(why, now);
    let unchanged = last_change.map(|then| identity::age(now, then));
    let unchanged =
        unchanged.filter(|unchanged| *unchanged >= waited + SignedDuration::from_mins(1));
    let unchanged =
        unchanged.map(|time| format!(", and nothing has happened for {}", duration(time)));
    let text = format!(
        "still waiting after {}{}: {}",
        spent(waited),
        unchanged.unwrap_or_default(),
        inner.text
    );
    let is_dead = matches!(
        why,
        Refusal::Blocked { dead: Some(_), .. }
            | Refusal::Unfinished { dead: Some(_), .. }
            | Refusal::Claimed {
                holder: crate::rules::others::OwnerFacts { alive: Alive::No, .. },
                ..
            }
    );
    let (hints, command) = if why.prospect().is_some() {
        // Here the advice is the same as without waiting.
        let waits = inner.command == advice::words(advice::WAIT);
        (inner.hints, if waits { again.to_vec() } else { inner.command })
    } else if is_dead {
        (inner.hints, inner.command)
    } else {
        match advice::quiet(last_change, now) {
            Some(quiet) => (vec![quiet], Vec::new()),
            None => (vec!["this is normal: wait again".into()], again.to_vec()),
        }
    };
    Message { text, hints, command }
}
