//! What is said of the gate: why it is closed, and what is no evidence for what goes out.

use jiff::Timestamp;

use super::messages::Messages;
use super::phrases::{self, NEXT, NOTHING, ago, names, namesake, owner, who, you};
use super::text::{list, safe, short};
use crate::error::{Hint, Message};
use crate::rules::gate::{Checked, CheckedBy};
use crate::rules::others::{Alive, OwnerFacts};
use crate::rules::reasons::{EvidenceProblem, GateDenied, MissingEvidence, Wait};

/// So many paths stand in a sentence, and so many gaps in a message.
pub(crate) const MAX_NAMED: usize = 5;

/// What may be done about a failure of a sprint that has been archived.
const FAILED_BEFORE: Hint = Hint::fixed(
    "nothing goes out before a later sprint has passed there; \
     whether one is begun is your human's decision: tell them, and stop",
    "nothing goes out before a later sprint has passed there",
);

/// What is said where what is checked out need only be brought forward.
pub(crate) const BEHIND: &str =
    "what was checked is ahead of what is checked out, and contains it; go there";

/// The command that does so.
pub(crate) fn merge(commit: &str) -> [String; 4] {
    ["git", "merge", "--ff-only", commit].map(str::to_owned)
}

/// The refusal `text` where that is all there is to do.
fn behind(text: String, commit: &str) -> Message {
    Message { text, hints: vec![BEHIND.into()], command: merge(commit).to_vec() }
}

/// Warns of what is no evidence.
pub(crate) fn warnings(gaps: &[MissingEvidence], messages: &mut Messages) {
    for gap in gaps.iter().take(MAX_NAMED) {
        messages.warning(&missing(gap));
    }
    if gaps.len() > MAX_NAMED {
        messages.warning(&format!(
            "{} more phases are no evidence for what goes out",
            gaps.len() - MAX_NAMED
        ));
    }
}

/// Why one dependency is no evidence.
fn missing(gap: &MissingEvidence) -> String {
    let phase = &gap.phase;
    let by = who(&gap.agent);
    let at = gap.done_at.as_deref().map(|commit| format!(" at {}", short(commit)));
    let at = at.unwrap_or_default();
    let going_out = gap.going_out.as_deref().map_or_else(|| "no commit".to_owned(), short);
    let why = match gap.why {
        EvidenceProblem::NotDone => "it is not done".to_owned(),
        EvidenceProblem::NoRecord => "no record says that it was completed".to_owned(),
        EvidenceProblem::Failed => format!("{by} completed it{at} with verdict 'fail'"),
        EvidenceProblem::PinChanged => format!("what {by} handed over has been changed since"),
        EvidenceProblem::PinGone => format!("what {by} handed over is gone"),
        EvidenceProblem::NoCommit => {
            format!("it is not known at which commit {by} completed it; {going_out} goes out")
        }
        EvidenceProblem::OtherContent => {
            let paths = paths(gap);
            format!("{by} completed it{at}, and {going_out} goes out, which differs{paths}")
        }
        EvidenceProblem::Dirty => {
            format!("{by} completed it{at} in a worktree with changes; {going_out} goes out")
        }
    };
    format!("'{phase}' is no evidence for what goes out: {why}")
}

/// ` in 'a', 'b' and more`, or nothing if it is not known.
fn paths(gap: &MissingEvidence) -> String {
    if gap.paths.is_empty() {
        return String::new();
    }
    let shown = gap.paths.iter().take(MAX_NAMED).map(|path| format!("'{}'", safe(path)));
    let mut shown: Vec<String> = shown.collect();
    if gap.more || gap.paths.len() > MAX_NAMED {
        shown.push("more".to_owned());
    }
    format!(" in {}", list(&shown))
}

/// Why the gate is closed.
pub(crate) fn denied(phase: &str, why: &GateDenied, now: Timestamp) -> Message {
    let phase = &*safe(phase);
    let said = |text: String| format!("the gate is closed: {text}");
    match why {
        GateDenied::NoSprint {} => Message::new(
            said("there is no unfinished sprint, and nothing goes out of here without one".into()),
            Hint::new(
                format!(
                    "nothing goes out before there is a sprint, and '{phase}' is claimed; \
                     whether one is begun is your human's decision: tell them, and stop"
                ),
                format!("nothing goes out before there is a sprint, and '{phase}' is claimed"),
            ),
            NOTHING,
        ),
        GateDenied::NoPhase { phases } => Message::new(
            said(format!("this sprint has no '{phase}' phase (conductor.guardPhase)")),
            {
                let hint =
                    format!("nothing goes out in this sprint, whose phases are {}", names(phases));
                Hint::new(
                    format!("{hint}: tell your human, and stop"),
                    format!("{hint}; conductor.guardPhase names the one that guards"),
                )
            },
            NOTHING,
        ),
        GateDenied::Unclaimed { waits_for } => unclaimed(phase, waits_for),
        GateDenied::Claimed { holder } => claimed(phase, holder, now),
        GateDenied::Lost { holder } => Message::new(
            said(format!(
                "'{phase}' is not yours any more: {} took it over{}",
                who(&holder.agent),
                ago(now, holder.since)
            )),
            Hint::fixed(
                "what goes out is up to its owner now: tell your human what you have, and stop",
                "what goes out is up to its owner now",
            ),
            NOTHING,
        ),
        GateDenied::Failed { agent, at, failed, sprint } => {
            let what = failed.as_deref().map_or_else(|| phase.into(), safe);
            let by = failed.as_ref().map(|_| format!(", and '{phase}' waits for it"));
            let of = sprint.as_deref().map(|id| format!(" in the sprint {}", safe(id)));
            let (by, of) = (by.unwrap_or_default(), of.unwrap_or_default());
            let text = format!(
                "{} completed '{what}'{of}{} with verdict 'fail'{by}",
                who(agent),
                ago(now, *at)
            );
            let hint = if sprint.is_some() { FAILED_BEFORE } else { phrases::failed(&what) };
            Message::new(said(text), hint, NOTHING)
        }
        GateDenied::OtherCommit { agent, done_at, going_out, forward } => {
            let said = other_commit(phase, agent, done_at.as_deref(), going_out.as_deref());
            match forward {
                Some(commit) => behind(said.text, commit),
                None => said,
            }
        }
        GateDenied::NoNotes { reference } => Message::new(
            said(format!("there are no records: no reference '{}' is here", safe(reference))),
            format!("fetch them first: git fetch <remote> '{0}:{0}'", safe(reference)),
            NOTHING,
        ),
        GateDenied::NoRecord { agent, done_at, going_out, later } => {
            no_record(phase, agent, done_at.as_deref(), going_out.as_deref(), *later)
        }
        GateDenied::NoEvidence { gaps, forward } => {
            let mut text: Vec<String> = gaps.iter().take(MAX_NAMED).map(missing).collect();
            if gaps.len() > MAX_NAMED {
                text.push(format!("{} more phases are none", gaps.len() - MAX_NAMED));
            }
            if let Some(commit) = forward {
                return behind(said(text.join("; ")), commit);
            }
            Message::new(
                said(text.join("; ")),
                Hint::fixed(
                    "what goes out must be what was checked: \
                     tell your human what has changed, and stop",
                    "what goes out must be what was checked: have it checked again",
                ),
                NOTHING,
            )
        }
    }
}

fn unclaimed(phase: &str, waits_for: &[Wait]) -> Message {
    let text = format!("the gate is closed: nobody holds '{phase}'");
    if waits_for.is_empty() {
        let hint = "only its owner lets anything out; if that is your work, claim it first";
        return Message::new(text, hint, &["claim", phase]);
    }
    let waits: Vec<String> = waits_for.iter().map(|wait| wait.phase.clone()).collect();
    if let Some(wait) = waits_for.iter().find(|wait| wait.state == "failed") {
        let text = format!("{text}, which waits for {}", names(&waits));
        return Message::new(text, phrases::failed(&wait.phase), NOTHING);
    }
    Message::new(
        format!("{text}, which waits for {}", names(&waits)),
        "this is normal: nothing goes out before all of that is completed; take what is open now",
        NEXT,
    )
}

fn claimed(phase: &str, holder: &OwnerFacts, now: Timestamp) -> Message {
    let text = format!("the gate is closed: '{phase}' is not yours: {}", owner(now, holder));
    match holder.alive {
        Alive::No => Message::new(
            text,
            "if what goes out is your work, look first at what its owner left, and take it over",
            &["claim", phase, "--takeover"],
        ),
        Alive::Yes | Alive::Unknown => {
            let others = "this is normal: what goes out is up to its owner; \
                          leave it to that agent and take another phase";
            let hint =
                namesake(holder).unwrap_or_else(|| format!("{}{others}", you(holder)).into());
            Message::new(text, hint, NEXT)
        }
    }
}

fn other_commit(
    phase: &str,
    agent: &str,
    done_at: Option<&str>,
    going_out: Option<&str>,
) -> Message {
    let at = done_at.map_or_else(|| "no commit that is known".to_owned(), short);
    let what = going_out.map_or_else(
        || "what goes out is not that commit".to_owned(),
        |commit| format!("{} goes out", short(commit)),
    );
    Message::new(
        format!("the gate is closed: {} completed '{phase}' at {at}, and {what}", who(agent)),
        Hint::fixed(
            "that commit may go out, and nothing else in this sprint: \
             if there is more, tell your human, and stop",
            "that commit may go out, and nothing else in this sprint; the next round may let out more",
        ),
        NOTHING,
    )
}

fn no_record(
    phase: &str,
    agent: &str,
    done_at: Option<&str>,
    going_out: Option<&str>,
    later: usize,
) -> Message {
    let what = going_out.map_or_else(|| "no commit".to_owned(), short);
    let mut text =
        format!("the gate is closed: no record says that '{phase}' was completed at {what}");
    if let Some(commit) = done_at {
        text = format!("{text}; {} completed it at {}", who(agent), short(commit));
    }
    if later > 0 {
        text = format!("{text}; {later} records are of a later version, which cannot be read here");
    }
    let hint = Hint::fixed(
        "records are written where the phase is completed, and pushed from there; \
         fetch them, and if there is none, tell your human",
        "records are written where the phase is completed, and pushed from there; fetch them",
    );
    Message::new(text, hint, NOTHING)
}

/// What has been checked of what may go out: a commit, or several that differ.
pub(crate) fn checked_text(checked: &Checked, digits: usize, most: usize) -> String {
    let id = |commit: &Option<String>| match commit {
        Some(commit) => safe(&commit.chars().take(digits).collect::<String>()).into_owned(),
        None => "no commit".to_owned(),
    };
    if checked.agrees {
        return format!("what was checked, and may go out: commit {}", id(&checked.commit));
    }
    let one = |by: &CheckedBy| {
        let dirty = if by.dirty == Some(true) { " (not clean)" } else { "" };
        format!("'{}' {}{dirty}", safe(&by.phase), id(&by.commit))
    };
    let mut shown: Vec<String> = checked.by.iter().take(most).map(one).collect();
    if checked.by.len() > most {
        shown.push(format!("{} more", checked.by.len() - most));
    }
    format!("no one commit was checked by all: {}", list(&shown))
}
