//! Phrases that more than one sentence needs: who, how long ago, whose a phase is.

use jiff::Timestamp;

use super::text::{age, list, safe};
use crate::error::Hint;
use crate::rules::others::{Alive, OwnerFacts};

/// The command that claims whatever is open.
pub(crate) const NEXT: &[&str] = &["next", "--claim"];
/// There is nothing to run.
pub(crate) const NOTHING: &[&str] = &[];

/// At most so many names stand in one sentence.
const MAX_NAMES: usize = 20;

pub(crate) fn who(agent: &str) -> String {
    if agent.is_empty() { "somebody unknown".to_owned() } else { format!("'{}'", safe(agent)) }
}

/// An agent in a table.
pub(crate) fn known(agent: &str) -> String {
    if agent.is_empty() { "unknown".to_owned() } else { safe(agent).into_owned() }
}

pub(crate) fn ago(now: Timestamp, then: Option<Timestamp>) -> String {
    then.map(|then| format!(" {} ago", age(now, then))).unwrap_or_default()
}

/// `'a', 'b' and 'c'`, or the first of them and how many more there are.
pub(crate) fn names(all: &[String]) -> String {
    let mut names: Vec<String> =
        all.iter().take(MAX_NAMES).map(|name| format!("'{}'", safe(name))).collect();
    if all.len() > MAX_NAMES {
        names.push(format!("{} more", all.len() - MAX_NAMES));
    }
    list(&names)
}

/// `'claude-1' claimed it 12m ago and its process is alive`
pub(crate) fn owner(now: Timestamp, holder: &OwnerFacts) -> String {
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

/// What there is to say of an owner that goes by the asker's own name. In a sandbox that shows each
/// call other processes it may be the asker, and only the token can tell.
pub(crate) fn namesake(holder: &OwnerFacts) -> Option<Hint> {
    if !holder.same_name {
        return None;
    }
    Some(match holder.alive {
        Alive::Unknown => Hint::fixed(
            "it has your name: if you claimed it in an earlier call, set GIT_CONDUCTOR_TOKEN to the \
             token that 'claim --json' gave you, or tell your human, and stop; \
             if you did not, take another phase",
            "it has your name: if you claimed it in an earlier call, set GIT_CONDUCTOR_TOKEN to the \
             token that 'claim --json' gave you; if you did not, take another phase",
        ),
        Alive::Yes | Alive::No => "another process has your name and is at work on it; \
             leave it alone and take another phase"
            .into(),
    })
}

/// What there is to say of a failed phase.
pub(crate) fn failed(phase: &str) -> Hint {
    const CLOSED: &str = "what waits for a failed phase stays closed";
    Hint::new(
        format!("{CLOSED}; how to go on is your human's decision: tell them, and stop"),
        format!("{CLOSED}; 'git conductor start --from {phase}' begins the next round with it"),
    )
}

/// What there is to do about a check of work whose author is unknown.
pub(crate) const NO_CHECKER: Hint = Hint::fixed(
    "only another agent may check it, and no agent can show that it is one: \
     tell your human, and stop",
    "only another agent may check it, and no agent can show that it is one, \
     since nobody knows who did the work",
);

/// Under which name and process one asked, to whom that may be news.
pub(crate) fn you(holder: &OwnerFacts) -> String {
    let Some(you) = holder.you.as_deref() else { return String::new() };
    let process = holder.your_pid.map(|pid| format!(", process {pid}")).unwrap_or_default();
    format!("you are {}{process}: ", who(you))
}

/// What a subagent does: nothing but a name tells it from the agent that began it.
pub(crate) const SUBAGENTS: Hint = Hint::fixed(
    "a subagent is an agent of its own: it gives its own name with every call, --agent NAME/2",
    "to hold another one as well, do so under another name: --agent NAME",
);
