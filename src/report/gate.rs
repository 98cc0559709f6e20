//! What is said of the gate: why it is open or shut, and what is no evidence for what goes out.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Say;
use super::sentences::{
    Draft, FAILED, NEXT, NOTHING, ago, draft, names, namesake, owner, sentence, who, you,
};
use super::text::{list, safe};
use crate::cmd::{Input, Opened, Pushed};
use crate::record::VERSION;
use crate::rules::gate::{Gap, Lack, Passage, Shut};
use crate::rules::others::{Alive, Holder};
use crate::rules::refusal::{Refusal, Wait};

/// So many paths stand in a sentence, and so many gaps in a message.
const MANY: usize = 5;

/// A commit as people read it.
pub(super) fn short(commit: &str) -> String {
    let short: String = commit.chars().take(12).collect();
    safe(&short).into_owned()
}

/// What may be done about a failure of a sprint that has been archived.
const FAILED_BEFORE: &str = "nothing goes out before a later sprint has passed there; \
    whether one is begun is your human's decision: tell them, and stop";

/// What an open gate says.
pub(super) fn open_text(opened: &Opened, say: &mut Say) {
    let phase = safe(&opened.phase);
    say.line(&match opened.passage {
        Passage::NoSprint => "the gate is open: there is no unfinished sprint".to_owned(),
        Passage::Claimed => format!("the gate is open: '{phase}' is yours"),
        Passage::Done => format!("the gate is open: '{phase}' is done at what goes out"),
    });
    warnings(&opened.gaps, say);
    if let Some(commit) = &opened.forward {
        say.hint(&format!("{BEHIND}: {}", merge(commit).join(" ")));
    }
}

/// What is said where what is checked out need only be brought forward.
const BEHIND: &str = "what was checked is ahead of what is checked out, and contains it; go there";

/// The command that does so.
fn merge(commit: &str) -> [String; 4] {
    ["git", "merge", "--ff-only", commit].map(str::to_owned)
}

/// The refusal `text` where that is all there is to do.
fn behind(text: String, commit: &str) -> Draft {
    Draft { text, hints: vec![BEHIND.to_owned()], todo: merge(commit).to_vec() }
}

/// Warns of what is no evidence.
pub(super) fn warnings(gaps: &[Gap], say: &mut Say) {
    for gap in gaps.iter().take(MANY) {
        say.warning(&missing(gap));
    }
    if gaps.len() > MANY {
        say.warning(&format!(
            "{} more phases are no evidence for what goes out",
            gaps.len() - MANY
        ));
    }
}

/// An open gate as JSON.
pub(super) fn open_json(opened: &Opened) -> Value {
    json!({
        "v": VERSION, "ok": true,
        "phase": opened.phase,
        "passage": opened.passage,
        "commit": opened.commit,
        "gaps": opened.gaps,
        "forward": opened.forward,
    })
}

/// A push that may go on, as JSON.
pub(super) fn pushed_json(pushed: &Pushed) -> Value {
    let mut value = json!({"v": VERSION, "ok": true, "refs": pushed.refs});
    if let (Some(opened), Some(object)) = (&pushed.opened, value.as_object_mut())
        && let Value::Object(facts) = open_json(opened)
    {
        object.extend(facts);
    }
    value
}

/// Why a push is refused: it must be told from what a remote refuses.
pub(super) fn push(refs: &[String], guessed: bool, why: &Refusal, now: Timestamp) -> Draft {
    let mut draft = sentence(why, now);
    let guess = if guessed {
        " (guarded by a guess: the default branch of the remote is not known here)"
    } else {
        ""
    };
    draft.text = format!("nothing is pushed to {}{guess}: {}", names(refs), draft.text);
    if let Some(hint) = draft.hints.first_mut() {
        *hint = format!(
            "this is no conflict with the remote: pulling or rebasing will not help; {hint}"
        );
    }
    draft
}

/// Why a push of what is kept here is refused.
pub(super) fn kept(refs: &[String]) -> Draft {
    draft(
        format!("nothing is pushed: {} must not leave this machine", names(refs)),
        "this is no conflict with the remote: pulling or rebasing will not help; \
         name the references that you mean to push",
        &[],
    )
}

/// Warns that a completed phase was done beside what it builds on.
pub(super) fn lacks_text(phase: &str, lacks: &[Input], say: &mut Say) {
    for lacked in lacks.iter().take(MANY) {
        let commit = lacked.commit.as_deref().map(short).unwrap_or_default();
        say.warning(&format!(
            "'{phase}' was completed at a commit without that of '{}' by {}, {commit}: \
             it is no evidence for what contains both",
            lacked.phase,
            who(&lacked.agent),
        ));
    }
}

/// Why one dependency is no evidence.
fn missing(gap: &Gap) -> String {
    let phase = &gap.phase;
    let by = who(&gap.agent);
    let at = gap.done_at.as_deref().map(|commit| format!(" at {}", short(commit)));
    let at = at.unwrap_or_default();
    let going_out = gap.going_out.as_deref().map_or_else(|| "no commit".to_owned(), short);
    let why = match gap.why {
        Lack::NotDone => "it is not done".to_owned(),
        Lack::NoRecord => "no record says that it was completed".to_owned(),
        Lack::Failed => format!("{by} completed it{at} with verdict 'fail'"),
        Lack::PinChanged => format!("what {by} handed over has been changed since"),
        Lack::PinGone => format!("what {by} handed over is gone"),
        Lack::NoCommit => {
            format!("it is not known at which commit {by} completed it; {going_out} goes out")
        }
        Lack::OtherContent => {
            let paths = paths(gap);
            format!("{by} completed it{at}, and {going_out} goes out, which differs{paths}")
        }
        Lack::Dirty => {
            format!("{by} completed it{at} in a worktree with changes; {going_out} goes out")
        }
    };
    format!("'{phase}' is no evidence for what goes out: {why}")
}

/// ` in 'a', 'b' and more`, or nothing if it is not known.
fn paths(gap: &Gap) -> String {
    if gap.paths.is_empty() {
        return String::new();
    }
    let shown = gap.paths.iter().take(MANY).map(|path| format!("'{}'", safe(path)));
    let mut shown: Vec<String> = shown.collect();
    if gap.more || gap.paths.len() > MANY {
        shown.push("more".to_owned());
    }
    format!(" in {}", list(&shown))
}

/// Why the gate is shut.
pub(super) fn shut(phase: &str, why: &Shut, now: Timestamp) -> Draft {
    let phase = &*safe(phase);
    let said = |text: String| format!("the gate is shut: {text}");
    match why {
        Shut::NoSprint {} => draft(
            said("there is no unfinished sprint, and nothing goes out of here without one".into()),
            format!(
                "nothing goes out before there is a sprint, and '{phase}' is claimed; \
                 whether one is begun is your human's decision: tell them, and stop"
            ),
            NOTHING,
        ),
        Shut::NoPhase { phases } => draft(
            said(format!("'{phase}' guards what goes out, and this sprint has no such phase")),
            format!(
                "nothing goes out in this sprint, whose phases are {}: tell your human, and stop",
                names(phases)
            ),
            NOTHING,
        ),
        Shut::Unclaimed { waits_for } => unclaimed(phase, waits_for),
        Shut::Claimed { holder } => claimed(phase, holder, now),
        Shut::Lost { holder } => draft(
            said(format!(
                "'{phase}' is not yours any more: {} took it over{}",
                who(&holder.agent),
                ago(now, holder.since)
            )),
            "what goes out is up to its owner now: tell your human what you have, and stop",
            NOTHING,
        ),
        Shut::Failed { agent, at, failed, sprint } => {
            let what = failed.as_deref().map_or_else(|| phase.into(), safe);
            let by = failed.as_ref().map(|_| format!(", and '{phase}' waits for it"));
            let of = sprint.as_deref().map(|id| format!(" in the sprint {}", safe(id)));
            let (by, of) = (by.unwrap_or_default(), of.unwrap_or_default());
            let text = format!(
                "{} completed '{what}'{of}{} with verdict 'fail'{by}",
                who(agent),
                ago(now, *at)
            );
            draft(said(text), if sprint.is_some() { FAILED_BEFORE } else { FAILED }, NOTHING)
        }
        Shut::OtherCommit { agent, done_at, going_out, forward } => {
            let draft = other_commit(phase, agent, done_at.as_deref(), going_out.as_deref());
            match forward {
                Some(commit) => behind(draft.text, commit),
                None => draft,
            }
        }
        Shut::NoNotes { reference } => draft(
            said(format!("there are no records: no reference '{}' is here", safe(reference))),
            format!("fetch them first: git fetch <remote> '{0}:{0}'", safe(reference)),
            NOTHING,
        ),
        Shut::NoRecord { agent, done_at, going_out, later } => {
            no_record(phase, agent, done_at.as_deref(), going_out.as_deref(), *later)
        }
        Shut::NoEvidence { gaps, forward } => {
            let mut text: Vec<String> = gaps.iter().take(MANY).map(missing).collect();
            if gaps.len() > MANY {
                text.push(format!("{} more phases are none", gaps.len() - MANY));
            }
            if let Some(commit) = forward {
                return behind(said(text.join("; ")), commit);
            }
            draft(
                said(text.join("; ")),
                "what goes out must be what was checked: tell your human what has changed, and stop",
                NOTHING,
            )
        }
    }
}

fn unclaimed(phase: &str, waits_for: &[Wait]) -> Draft {
    let text = format!("the gate is shut: nobody holds '{phase}'");
    if waits_for.is_empty() {
        let hint = "only its owner lets anything out; if that is your work, claim it first";
        return draft(text, hint, &["claim", phase]);
    }
    let waits: Vec<String> = waits_for.iter().map(|wait| wait.phase.clone()).collect();
    if waits_for.iter().any(|wait| wait.state == "failed") {
        let text = format!("{text}, which waits for {}", names(&waits));
        return draft(text, FAILED, NOTHING);
    }
    draft(
        format!("{text}, which waits for {}", names(&waits)),
        "this is normal: nothing goes out before all of that is completed; take what is open now",
        NEXT,
    )
}

fn claimed(phase: &str, holder: &Holder, now: Timestamp) -> Draft {
    let text = format!("the gate is shut: '{phase}' is not yours: {}", owner(now, holder));
    match holder.alive {
        Alive::No => draft(
            text,
            "if what goes out is your work, look first at what its owner left, and take it over",
            &["claim", phase, "--takeover"],
        ),
        Alive::Yes | Alive::Unknown => {
            let others = "this is normal: what goes out is up to its owner; \
                          leave it to that agent and take another phase";
            let hint =
                namesake(holder).map_or_else(|| format!("{}{others}", you(holder)), str::to_owned);
            draft(text, hint, NEXT)
        }
    }
}

fn other_commit(phase: &str, agent: &str, done_at: Option<&str>, going_out: Option<&str>) -> Draft {
    let at = done_at.map_or_else(|| "no commit that is known".to_owned(), short);
    let what = going_out.map_or_else(
        || "what goes out is not that commit".to_owned(),
        |commit| format!("{} goes out", short(commit)),
    );
    draft(
        format!("the gate is shut: {} completed '{phase}' at {at}, and {what}", who(agent)),
        "that commit may go out, and nothing else in this sprint: \
         if there is more, tell your human, and stop",
        NOTHING,
    )
}

fn no_record(
    phase: &str,
    agent: &str,
    done_at: Option<&str>,
    going_out: Option<&str>,
    later: usize,
) -> Draft {
    let what = going_out.map_or_else(|| "no commit".to_owned(), short);
    let mut text =
        format!("the gate is shut: no record says that '{phase}' was completed at {what}");
    if let Some(commit) = done_at {
        text = format!("{text}; {} completed it at {}", who(agent), short(commit));
    }
    if later > 0 {
        text = format!("{text}; {later} records are of a later version, which cannot be read here");
    }
    let hint = "records are written where the phase is completed, and pushed from there; \
                fetch them, and if there is none, tell your human";
    draft(text, hint, NOTHING)
}
