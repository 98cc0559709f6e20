//! What a refusal or a failure says: the sentence, at most two hints, and what to do now.
//!
//! A reader of stderr alone, often a language model, must do the right next thing. So every sentence
//! says who, since when and why, and that it is normal where it is; every command in a hint is safe
//! to paste; and none invites to force, to rename oneself, to use another store, or to work on what
//! one does not own.

use jiff::Timestamp;

use super::text::{age, list, safe};
use crate::error::{Failure, FailureKind};
use crate::record::Verdict;
use crate::rules::refusal::{Alive, Held, Holder, Refusal, Retry, Wait};

/// The words of one refusal or failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// The `code` in JSON.
    pub code: &'static str,
    /// What follows `error: `.
    pub text: String,
    /// What follows `hint: `; at most two.
    pub hints: Vec<String>,
    /// The command to run now, as arguments; empty if there is none.
    pub todo: Vec<String>,
    /// When the same command may succeed.
    pub retry: Retry,
    /// The exit code.
    pub exit: u8,
}

const NEXT: &[&str] = &["next", "--claim"];
const STATUS: &[&str] = &["status"];

fn who(agent: &str) -> String {
    if agent.is_empty() { "somebody unknown".to_owned() } else { format!("'{}'", safe(agent)) }
}

fn ago(now: Timestamp, then: Option<Timestamp>) -> String {
    then.map(|then| format!(" {} ago", age(now, then))).unwrap_or_default()
}

fn since(now: Timestamp, holder: &Holder) -> String {
    let claimed = holder.since.map(|then| format!(" since {} ago", age(now, then)));
    claimed.unwrap_or_default()
}

fn life(alive: Alive) -> &'static str {
    match alive {
        Alive::Yes => "its process is alive",
        Alive::No => "its process is gone",
        Alive::Unknown => "whether it is alive cannot be seen from here",
    }
}

fn held(now: Timestamp, claims: &[Held]) -> String {
    let one = |held: &Held| {
        format!("'{}' by {}{}", held.phase, who(&held.holder.agent), since(now, &held.holder))
    };
    list(&claims.iter().map(one).collect::<Vec<_>>())
}

fn waits(waits_for: &[Wait]) -> String {
    let one = |wait: &Wait| match (&wait.agent, wait.state) {
        (Some(agent), "claimed") => format!("'{}' (claimed by {})", wait.phase, who(agent)),
        (_, "failed") => format!("'{}' (failed)", wait.phase),
        _ => format!("'{}'", wait.phase),
    };
    list(&waits_for.iter().map(one).collect::<Vec<_>>())
}

/// A sentence, its first hint, and the command that its last hint names.
struct Draft {
    text: String,
    hint: Option<String>,
    todo: Vec<String>,
}

fn draft(text: String, hint: impl Into<String>, todo: &[&str]) -> Draft {
    let hint = hint.into();
    Draft {
        text,
        hint: (!hint.is_empty()).then_some(hint),
        todo: todo.iter().map(|word| (*word).to_owned()).collect(),
    }
}

/// What a refusal says.
#[must_use]
pub fn refusal(refusal: &Refusal, now: Timestamp) -> Words {
    let Draft { text, hint, todo } = sentence(refusal, now);
    let mut hints: Vec<String> = hint.into_iter().collect();
    let mut command: Vec<String> = Vec::new();
    if !todo.is_empty() {
        command = ["git".to_owned(), "conductor".to_owned()].into_iter().chain(todo).collect();
        hints.push(command.join(" "));
    }
    Words {
        code: refusal.code(),
        text,
        hints,
        todo: command,
        retry: refusal.retry(),
        exit: crate::error::REFUSED,
    }
}

fn sentence(refusal: &Refusal, now: Timestamp) -> Draft {
    match refusal {
        Refusal::NoSprint {} => draft(
            "there is no sprint here".to_owned(),
            "whoever plans the work begins one",
            &["start", "--if-none"],
        ),
        Refusal::UnknownPhase { phase, phases } => draft(
            format!("this sprint has no phase '{}'", safe(phase)),
            format!("its phases are {}", list(phases)),
            STATUS,
        ),
        Refusal::Claimed { phase, holder, same_agent, only_unstuck } => {
            claimed(now, phase, holder, *same_agent, *only_unstuck)
        }
        Refusal::Blocked { phase, waits_for } => blocked(phase, waits_for),
        Refusal::FourEyes { phase, other, agent } => draft(
            format!(
                "'{phase}' must be done by another agent than '{other}', which was completed by {}",
                who(agent)
            ),
            "this is as the sprint wants it: leave it to another agent, under your own name",
            NEXT,
        ),
        Refusal::Done { phase, agent, at, verdict } => {
            let failed = match verdict {
                Verdict::Pass => "",
                Verdict::Fail => " with verdict fail",
            };
            draft(
                format!("'{phase}' is done: completed by {}{}{failed}", who(agent), ago(now, *at)),
                "nothing is left to do on it; take another phase",
                NEXT,
            )
        }
        Refusal::NotClaimed { phase } => draft(
            format!("nobody holds '{phase}'"),
            "only a phase that you have claimed can be completed or given up; to work on it",
            &["claim", phase],
        ),
        Refusal::NotOwner { phase, holder } => draft(
            format!(
                "'{phase}' is claimed by {}{}, not by you; {}",
                who(&holder.agent),
                since(now, holder),
                life(holder.alive)
            ),
            "only its owner can complete it or give it up; do not work on it",
            STATUS,
        ),
        Refusal::Lost { phase, holder, ended_sprint } => lost(now, phase, holder.as_ref(), ended_sprint.as_deref()),
        Refusal::Alive { phase, holder } => draft(
            format!("'{phase}' is claimed by {}{}; {}", who(&holder.agent), since(now, holder), life(holder.alive)),
            "leave it to its owner; if a person knows that the owner is gone, it is for them to free it",
            STATUS,
        ),
        Refusal::LiveClaims { claims, starting } => draft(
            format!("other agents are at work: {}", held(now, claims)),
            if *starting {
                "a new sprint would take their phases away; wait until they complete them or give them up"
            } else {
                "wait until they complete their phases or give them up"
            },
            STATUS,
        ),
        Refusal::NothingReady { .. }
        | Refusal::Finished {}
        | Refusal::NotForYou { .. }
        | Refusal::Holding { .. } => nothing_next(refusal, now),
        Refusal::BadArtifact { phase, path, why } => draft(
            format!("'{}' cannot be the artifact of '{phase}': {}", safe(path), safe(why)),
            format!("'{phase}' stays claimed by you; complete it again with a file that can"),
            &[],
        ),
        Refusal::InvalidGraph { file, why } => draft(
            format!("invalid phase_graph in '{}': {}", safe(file), safe(why)),
            "no sprint was started; the file is for whoever set it up to mend",
            &[],
        ),
    }
}

fn claimed(now: Timestamp, phase: &str, holder: &Holder, same_agent: bool, only_unstuck: bool) -> Draft {
    if same_agent {
        let place = holder.worktree.as_deref().map(|path| format!(" ('{}')", safe(path)));
        return draft(
            format!("you hold '{phase}' already{}, in another worktree{}", since(now, holder), place.unwrap_or_default()),
            format!("work on it there; to move it here, give it up first with 'git conductor abort {phase}'"),
            STATUS,
        );
    }
    let text = format!("'{phase}' is claimed by {}{}; {}", who(&holder.agent), since(now, holder), life(holder.alive));
    match holder.alive {
        _ if only_unstuck => draft(
            text,
            "it is a lock of an old layout; when its owner is gone, this frees it",
            &["unstuck", phase],
        ),
        Alive::No => draft(
            text,
            "it can be reclaimed when it has been silent for longer; if you are to go on with it now",
            &["claim", phase, "--takeover"],
        ),
        Alive::Yes | Alive::Unknown => {
            draft(text, "this is normal: another agent is at it; take another phase", NEXT)
        }
    }
}

fn blocked(phase: &str, waits_for: &[Wait]) -> Draft {
    let text = format!("'{phase}' waits for {}", waits(waits_for));
    if waits_for.iter().any(|wait| wait.state == "failed") {
        return draft(
            text,
            "what depends on a failed phase stays closed in this sprint; tell whoever plans the work",
            STATUS,
        );
    }
    draft(text, "this is normal: it opens when they are completed; take what is open now", NEXT)
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
        "stop working on it; your files are untouched, tell whoever plans the work about them",
        STATUS,
    )
}

fn nothing_next(refusal: &Refusal, now: Timestamp) -> Draft {
    match refusal {
        Refusal::Finished {} => draft("every phase is done".to_owned(), "the sprint is finished", STATUS),
        Refusal::NotForYou { phases } => draft(
            format!("what is ready is not for you: {}", list(phases)),
            "it must be done by another agent than the work it checks; leave it, under your own name",
            STATUS,
        ),
        Refusal::Holding { phase, since } => draft(
            format!("you hold '{phase}' already, claimed{}", ago(now, *since)),
            format!("finish it with 'git conductor complete {phase}', or give it up with 'git conductor abort {phase}'"),
            STATUS,
        ),
        Refusal::NothingReady { claimed, failed } if claimed.is_empty() && !failed.is_empty() => draft(
            format!("nothing can be claimed: {} failed", list(failed)),
            "what depends on a failed phase stays closed in this sprint; tell whoever plans the work",
            STATUS,
        ),
        Refusal::NothingReady { claimed, .. } => draft(
            format!("nothing can be claimed now: {}", if claimed.is_empty() { "everything waits".to_owned() } else { format!("claimed are {}", held(now, claimed)) }),
            "this is normal: ask again when one of them has been completed",
            STATUS,
        ),
        _ => draft(String::new(), "", &[]),
    }
}

/// What a failure says.
#[must_use]
pub fn failure(failure: &Failure) -> Words {
    let mut hints: Vec<String> = failure.hints.iter().map(|hint| safe(hint).into_owned()).collect();
    let mut todo = Vec::new();
    let retry = match failure.kind {
        FailureKind::Busy => {
            hints.push("this is normal when many commands run at once: run the same command again".to_owned());
            Retry::Now
        }
        FailureKind::ReadOnly => {
            hints.push("ask your human to allow writing there; do not choose another store".to_owned());
            Retry::AfterChange
        }
        FailureKind::Bug => {
            hints.push("this is a bug in git conductor; please report it".to_owned());
            Retry::Never
        }
        FailureKind::StoreGone => {
            hints.push("ask your human where it went; only 'git conductor start' makes a new one".to_owned());
            Retry::AfterChange
        }
        FailureKind::Tampered | FailureKind::Unreadable => {
            hints.push("no version of this program writes that; ask your human to look".to_owned());
            Retry::AfterChange
        }
        FailureKind::Usage => {
            todo = ["git", "conductor", "-h"].map(str::to_owned).to_vec();
            Retry::Never
        }
        FailureKind::NotARepository
        | FailureKind::ForeignOwner
        | FailureKind::TrackedStore
        | FailureKind::Io
        | FailureKind::Git => Retry::AfterChange,
    };
    hints.truncate(2);
    Words {
        code: failure.kind.code(),
        text: safe(&failure.to_string()).into_owned(),
        hints,
        todo,
        retry,
        exit: failure.kind.exit(),
    }
}
