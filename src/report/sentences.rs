//! One sentence for each refusal: who, since when and why, that it is normal where it is, and what
//! to do now. One function for each rule, in the order of [`Refusal`].

use jiff::Timestamp;

use super::text::{age, list, safe};
use super::{advice, attempts};
use crate::record::Verdict;
use crate::record::near::nearest;
use crate::rules::graph::{Handover, is_name};
use crate::rules::others::{Alive, Held, Holder};
use crate::rules::refusal::{Refusal, Wait};

/// What is said of a refusal: the sentence, a hint, and the command that follows it as its own hint.
pub(super) struct Draft {
    pub(super) text: String,
    pub(super) hints: Vec<String>,
    /// Without `git conductor`, or a whole command of git's own; empty if there is nothing to run.
    pub(super) todo: Vec<String>,
}

pub(super) const NEXT: &[&str] = &["next", "--claim"];
pub(super) const NOTHING: &[&str] = &[];
/// At most so many names stand in one sentence.
const MANY: usize = 20;

pub(super) fn draft(text: String, hint: impl Into<String>, todo: &[&str]) -> Draft {
    Draft {
        text,
        hints: vec![hint.into()],
        todo: todo.iter().map(|word| (*word).to_owned()).collect(),
    }
}

/// What a refusal says.
pub(super) fn sentence(refusal: &Refusal, now: Timestamp) -> Draft {
    match refusal {
        Refusal::NoSprint {} => no_sprint(),
        Refusal::UnknownPhase { phase, phases } => unknown_phase(phase, phases),
        Refusal::Claimed { phase, holder, same_agent: true, .. } => elsewhere(now, phase, holder),
        Refusal::Claimed { phase, holder, only_unstuck, .. } => {
            claimed(now, phase, holder, *only_unstuck)
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
            super::rounds::underway(sprint_id, (*done, *phases), started_by, agents)
        }
        Refusal::CannotResume { sprint, why } => super::rounds::cannot_resume(sprint, *why),
        Refusal::NothingReady { claimed, failed, exhausted, prospect } => {
            advice::nothing_ready(now, claimed, failed, exhausted, prospect)
        }
        Refusal::Unfinished { phase, agent, dead, .. } => {
            super::waiting::unfinished(now, phase, agent.as_deref(), dead.as_deref())
        }
        Refusal::TimedOut { waited_ms, last_change, again, why } => {
            advice::timed_out(*waited_ms, *last_change, again, why, now)
        }
        Refusal::Finished {} => advice::finished(),
        Refusal::NotForYou { phases, claimed, prospect } => {
            advice::not_for_you(now, phases, claimed, prospect)
        }
        Refusal::Holding { phase, since, handover } => holding(now, phase, *since, *handover),
        Refusal::BadArtifact { phase, path, why, given_up } => {
            bad_artifact(phase, path, why, *given_up)
        }
        Refusal::Dirty { phase, worktree, count, paths, given_up } => {
            super::completed::dirty(phase, worktree.as_deref(), (*count, paths), *given_up)
        }
        Refusal::Push { refs, guessed, why } => super::gate::push(refs, *guessed, why, now),
        Refusal::Kept { refs } => super::gate::kept(refs),
        Refusal::UnknownSalvage { name, kept } => super::salvage::unknown(name.as_deref(), kept),
        Refusal::ForeignHooks { path, obstacle, line } => {
            super::hooks::foreign(path, *obstacle, line)
        }
        Refusal::ForeignFiles { paths, skill: false } => super::install::foreign(paths),
        Refusal::ForeignFiles { paths, skill: true } => super::skill::foreign(paths),
        Refusal::ForeignSettings { path, why, agent, edits, .. } => {
            super::skill::foreign_settings(path, why, agent, *edits)
        }
        Refusal::Shut { phase, why } => super::gate::shut(phase, why, now),
        Refusal::UnknownSprint { sprint } => super::rounds::unknown_sprint(sprint),
        Refusal::CannotCarry { phase, why, needs, from } => {
            super::rounds::cannot_carry(phase, *why, needs, from.as_deref())
        }
        Refusal::NoArtifact { phase } => super::rounds::no_artifact(phase),
        Refusal::PinLost { phase, agent, gone, starting, .. } => {
            super::rounds::pin_lost(phase, agent, *gone, *starting)
        }
        Refusal::InvalidGraph { file, why } => invalid_graph(file, why),
    }
}

pub(super) fn who(agent: &str) -> String {
    if agent.is_empty() { "somebody unknown".to_owned() } else { format!("'{}'", safe(agent)) }
}

pub(super) fn ago(now: Timestamp, then: Option<Timestamp>) -> String {
    then.map(|then| format!(" {} ago", age(now, then))).unwrap_or_default()
}

/// `'a', 'b' and 'c'`, or the first of them and how many more there are.
pub(super) fn names(all: &[String]) -> String {
    let mut names: Vec<String> =
        all.iter().take(MANY).map(|name| format!("'{}'", safe(name))).collect();
    if all.len() > MANY {
        names.push(format!("{} more", all.len() - MANY));
    }
    list(&names)
}

/// `'claude-1' claimed it 12m ago and its process is alive`
pub(super) fn owner(now: Timestamp, holder: &Holder) -> String {
    // What is said of the claim says as much, unless more than a minute is between the two.
    let later =
        |(since, heard): (Timestamp, Timestamp)| heard.duration_since(since).as_secs() >= 60;
    let heard = match holder.since.zip(holder.heard) {
        Some(times) if later(times) => format!(", was last heard{},", ago(now, holder.heard)),
        _ => String::new(),
    };
    let claimed = format!("{} claimed it{}", who(&holder.agent), ago(now, holder.since));
    let silence = holder.heard.map(|then| format!("; not heard for {}", age(now, then)));
    match holder.alive {
        Alive::No => format!("{claimed}{heard} and its process is gone"),
        Alive::Yes | Alive::Unknown if holder.shared => format!(
            "{claimed}, and its process is shared by several agents{}",
            silence.unwrap_or_default()
        ),
        Alive::Yes => format!("{claimed}{heard} and its process is alive"),
        Alive::Unknown => {
            format!("{claimed}{heard} and may be alive: its process cannot be seen from here")
        }
    }
}

fn no_sprint() -> Draft {
    draft(
        "this repository has no sprint now".to_owned(),
        "there is nothing to claim or complete; whether one is begun is your human's decision: \
         tell them, and stop",
        NOTHING,
    )
}

fn unknown_phase(phase: &str, phases: &[String]) -> Draft {
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
    draft(text, hint, NEXT)
}

/// The asker's own, in another worktree.
fn elsewhere(now: Timestamp, phase: &str, holder: &Holder) -> Draft {
    let place = holder.worktree.as_deref().unwrap_or_default();
    draft(
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

/// What there is to say of an owner that goes by the asker's own name. In a sandbox that shows each
/// call other processes it may be the asker, and only the token can tell.
pub(super) fn namesake(holder: &Holder) -> Option<&'static str> {
    if !holder.same_name {
        return None;
    }
    Some(match holder.alive {
        Alive::Unknown => {
            "it has your name: if you claimed it in an earlier call, set GIT_CONDUCTOR_TOKEN to the \
             token that 'claim --json' gave you, or tell your human, and stop; \
             if you did not, take another phase"
        }
        Alive::Yes | Alive::No => {
            "another process has your name and is at work on it; \
             leave it alone and take another phase"
        }
    })
}

fn claimed(now: Timestamp, phase: &str, holder: &Holder, only_unstuck: bool) -> Draft {
    let text = format!("'{phase}' is taken: {}", owner(now, holder));
    match holder.alive {
        Alive::No if only_unstuck => draft(
            text,
            "its lock is of an old layout, which must be freed before it can be claimed",
            &["unstuck", phase],
        ),
        Alive::No => draft(text, left_behind(holder), &["claim", phase, "--takeover"]),
        _ if holder.silent => draft(text, silent(holder), &["claim", phase, "--takeover"]),
        Alive::Yes | Alive::Unknown => draft(
            text,
            namesake(holder).unwrap_or(
                "this is normal: another agent is at work on it; \
                 leave it alone and take another phase",
            ),
            NEXT,
        ),
    }
}

/// What there is to say before the phase of an owner is taken over that may have ended unseen.
fn silent(holder: &Holder) -> String {
    let place = holder.worktree.as_deref().map(|place| format!(" in '{}'", safe(place)));
    format!(
        "nothing shows whether that one agent is still there: take another phase; or look whether \
         anything moves{}, and only if not take this one over",
        place.unwrap_or_default()
    )
}

/// What there is to say before a dead owner's phase is taken over.
fn left_behind(holder: &Holder) -> String {
    let place = holder.worktree.as_deref().map(|place| format!(" in '{}'", safe(place)));
    format!(
        "take another phase; or take this one over, and look first at what its owner left{}",
        place.unwrap_or_default()
    )
}

fn blocked(now: Timestamp, phase: &str, waits_for: &[Wait], dead: Option<&Held>) -> Draft {
    let one = |wait: &Wait| match (&wait.agent, wait.state) {
        (Some(agent), "claimed") => format!("'{}' (claimed by {})", wait.phase, who(agent)),
        (Some(agent), "failed") => format!("'{}' (failed by {})", wait.phase, who(agent)),
        (_, "exhausted") => format!("'{}' (exhausted by attempts that failed)", wait.phase),
        _ => format!("'{}'", wait.phase),
    };
    let waits = list(&waits_for.iter().map(one).collect::<Vec<_>>());
    let text = format!("'{phase}' is not open: it waits for {waits}");
    if waits_for.iter().any(|wait| wait.state == "failed") {
        return draft(text, FAILED, NOTHING);
    }
    if waits_for.iter().any(|wait| wait.state == "exhausted") {
        return draft(text, attempts::STOP, NOTHING);
    }
    if let Some(dead) = dead {
        let (hint, todo) = advice::take_over(dead);
        let text = format!("{text}; {}", advice::behind(now, dead));
        return Draft { text, hints: vec![hint], todo };
    }
    let all = match waits_for {
        [_] => "that is",
        [_, _] => "both are",
        _ => "all of them are",
    };
    draft(
        text,
        format!("this is normal: it opens when {all} completed; take what is open now"),
        NEXT,
    )
}

/// What there is to say of a failed phase.
pub(super) const FAILED: &str = "what waits for a failed phase stays closed; \
    how to go on is your human's decision: tell them, and stop";

/// What there is to do about a check of work whose author is unknown.
pub(super) const NO_CHECKER: &str = "only another agent may check it, and no agent can show that it is one: \
    tell your human, and stop";

fn four_eyes(phase: &str, other: &str, agent: &str) -> Draft {
    let text =
        format!("'{phase}' is not for you: it checks '{other}', which {} completed", who(agent));
    if agent.is_empty() {
        return draft(text, NO_CHECKER, NOTHING);
    }
    draft(
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
) -> Draft {
    let word = match verdict {
        Verdict::Pass => "",
        Verdict::Fail => " with verdict 'fail'",
    };
    draft(
        format!("'{phase}' is done: {} completed it{}{word}", who(agent), ago(now, at)),
        match verdict {
            Verdict::Pass => "it stays as it is, and this changed nothing; take another phase",
            Verdict::Fail => "it failed and stays so, and this changed nothing; take another phase",
        },
        NEXT,
    )
}

fn not_claimed(phase: &str) -> Draft {
    draft(
        format!("'{phase}' is not yours: nobody holds it"),
        "nothing was completed; if you had claimed it, that claim was ended: \
         claim it again, and check your work against what is there now",
        &["claim", phase],
    )
}

fn not_owner(now: Timestamp, phase: &str, holder: &Holder) -> Draft {
    let text = format!("'{phase}' is not yours: {}", owner(now, holder));
    match holder.alive {
        Alive::No => draft(text, left_behind(holder), &["claim", phase, "--takeover"]),
        _ if holder.silent => draft(text, silent(holder), &["claim", phase, "--takeover"]),
        Alive::Yes | Alive::Unknown => {
            draft(text, namesake(holder).map_or_else(|| not_yours(holder), str::to_owned), NEXT)
        }
    }
}

fn not_yours(holder: &Holder) -> String {
    format!(
        "{}if you have work for it, tell your human, and stop; else take another phase",
        you(holder)
    )
}

/// Under which name and process one asked, to whom that may be news.
pub(super) fn you(holder: &Holder) -> String {
    let Some(you) = holder.you.as_deref() else { return String::new() };
    let process = holder.your_pid.map(|pid| format!(", process {pid}")).unwrap_or_default();
    format!("you are {}{process}: ", who(you))
}

fn lost(now: Timestamp, phase: &str, holder: Option<&Holder>, ended: Option<&str>) -> Draft {
    let how = match (holder, ended) {
        (_, Some(sprint)) => format!("its sprint '{}' has ended", safe(sprint)),
        (Some(holder), None) => {
            format!("{} took it over{}", who(&holder.agent), ago(now, holder.since))
        }
        (None, None) => "it was taken away".to_owned(),
    };
    draft(
        format!("'{phase}' is not yours any more: {how}"),
        "stop working on it; nothing was done, and your files are as they were: \
         tell your human what you have",
        NOTHING,
    )
}

fn alive(now: Timestamp, phase: &str, holder: &Holder) -> Draft {
    draft(
        format!("'{phase}' cannot be freed: {}", owner(now, holder)),
        "leave it to its owner and take another phase; if it must be freed, tell your human",
        NEXT,
    )
}

/// The asker's own, which was to be freed as another's.
fn own(now: Timestamp, phase: &str, holder: &Holder) -> Draft {
    draft(
        format!("'{phase}' is yours: you claimed it{}", ago(now, holder.since)),
        format!(
            "nothing is stuck: go on with it; only if you cannot, \
             give it up with 'git conductor abort {phase}'"
        ),
        NOTHING,
    )
}

fn live_claims(now: Timestamp, claims: &[Held], starting: bool) -> Draft {
    let text = format!("other agents are at work: {}", advice::held(now, claims));
    if starting {
        let hint =
            "a sprint is going on, and a new one would take their phases away: take part in it";
        return draft(text, hint, NEXT);
    }
    let hint = "the end of the sprint would take their phases away: tell your human, and stop";
    draft(text, hint, NOTHING)
}

fn holding(now: Timestamp, phase: &str, since: Option<Timestamp>, handover: Handover) -> Draft {
    let mut draft = draft(
        format!("you hold '{phase}' already: you claimed it{}", ago(now, since)),
        advice::go_on(phase, handover),
        NOTHING,
    );
    draft.hints.push(SUBAGENTS.to_owned());
    draft
}

/// What a subagent does: nothing but a name tells it from the agent that began it.
pub(super) const SUBAGENTS: &str = "a subagent is an agent of its own: it gives its own name with every call, \
    --agent NAME/2";

fn bad_artifact(phase: &str, path: &str, why: &str, given_up: bool) -> Draft {
    let hint = if given_up {
        format!("the command ended well, but handed over nothing: '{phase}' is given up")
    } else {
        format!(
            "'{phase}' stays claimed by you: write your result to a file in your worktree, \
             and complete it with that"
        )
    };
    let problem = format!("'{}' cannot be the artifact of '{phase}': {}", safe(path), safe(why));
    draft(problem, hint, NOTHING)
}

fn invalid_graph(file: &str, why: &str) -> Draft {
    draft(
        format!("invalid phase_graph in '{}': {}", safe(file), safe(why)),
        "no sprint was started: ask your human to correct that file, as the example shows",
        &["start", "-h"],
    )
}
