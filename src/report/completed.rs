//! What is said of a completion: what it recorded, what it left out, and what comes next; and before, of
//! what will count.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::sentences::{Draft, NOTHING, draft};
use super::text::{age, list, safe};
use super::{Say, gate, notes, salvage};
use crate::cmd::claim::Finish;
use crate::cmd::complete::Handed;
use crate::cmd::recorded::{Elsewhere, Found};
use crate::record::{Done, VERSION, Verdict};
use crate::rules::Change;
use crate::rules::gate::{Checked, CheckedBy};
use crate::store::change::{Completed, Granted};

/// Of a completion: what was recorded, and what there is to warn of.
pub(super) fn text(phase: &str, handed: &Handed, now: Timestamp, say: &mut Say) {
    let Handed { completed, sight, lacks, note, salvaged } = handed;
    let done = &completed.done;
    if completed.again {
        let since = done.completed_at.map(|then| format!(", {} ago", age(now, then)));
        say.line(&format!("you completed '{phase}' already{}", since.unwrap_or_default()));
    } else {
        recorded(phase, handed, say);
    }
    if done.verdict == Verdict::Fail {
        say.line(&format!("what waits for '{phase}' stays closed"));
        say.hint(
            "how to go on is your human's decision: 'start --from PHASE' begins the next round \
             with that phase, and takes over what is done and does not depend on it",
        );
    }
    if let Some(found) = sight.uncommitted.as_ref().filter(|found| found.count > 0) {
        let place = done.at.worktree.as_deref().unwrap_or_default();
        say.warning(&format!(
            "{}; what others get is the commit",
            uncommitted(place, found.count, &found.first)
        ));
    }
    if let Some(why) = &sight.overdue {
        say.warning(&format!(
            "{}: whether all is committed is not known, so it counts as not clean",
            safe(why)
        ));
    }
    if sight.idle {
        say.warning(&format!(
            "nothing shows the work of '{phase}': it has no artifact, and no commit was made in its \
             worktree since it was claimed"
        ));
    }
    salvage::made_up_text(salvaged, say);
    if !completed.opened.is_empty() {
        say.line(&format!("open now: {}", list(&completed.opened)));
    }
    gate::lacks_text(phase, lacks, say);
    notes::noted_text(note.as_deref(), say);
}

/// What of the repository and of the artifact is on record.
fn recorded(phase: &str, handed: &Handed, say: &mut Say) {
    let done = &handed.completed.done;
    match &handed.sight.claimed_in {
        Some(Elsewhere { path, found: Found::Used }) => say.line(&format!(
            "'{phase}' was claimed in '{}': what is checked out there counts, and not what is here",
            safe(path)
        )),
        Some(Elsewhere { path, found: Found::Gone }) => say.warning(&format!(
            "'{phase}' was claimed in '{}', which is not there now: what is checked out here is recorded",
            safe(path)
        )),
        Some(Elsewhere { path, found: Found::Foreign }) => say.warning(&format!(
            "'{phase}' was claimed in '{}', which is no worktree of this repository now: \
             what is checked out here is recorded",
            safe(path)
        )),
        None => {}
    }
    if let Some(line) = commit_line(done) {
        say.line(&line);
    }
    if let Some(size) = done.artifact_size {
        say.line(&format!(
            "kept a copy of '{}', {size} bytes; that file need not be committed",
            safe(&done.artifact)
        ));
    }
}

/// `recorded commit 4be1d07a93c2 on wt/build, clean`
fn commit_line(done: &Done) -> Option<String> {
    let branch = done.at.branch.as_deref().map(|branch| format!(" on {}", safe(branch)));
    let branch = branch.unwrap_or_default();
    let clean = match done.at.dirty {
        Some(false) => ", clean",
        Some(true) => ", not clean",
        None => "",
    };
    match &done.at.commit {
        Some(commit) => Some(format!("recorded commit {}{branch}{clean}", gate::short(commit))),
        // Without a repository there is nothing to say.
        None if branch.is_empty() => None,
        None => Some(format!("recorded no commit: there is none yet{branch}")),
    }
}

/// What comes next.
pub(super) fn comes_next(completed: &Completed, say: &mut Say) {
    if completed.finished {
        say.line("every phase is done: the sprint is finished");
    } else if completed.done.verdict == Verdict::Pass {
        say.hint("go on with what is open to you: git conductor next --claim");
    }
}

/// `3 paths in '/home/ann/app' are not committed: 'a', 'b' and 1 more`
fn uncommitted(place: &str, count: usize, first: &[String]) -> String {
    let mut shown: Vec<String> = first.iter().map(|path| format!("'{}'", safe(path))).collect();
    if count > shown.len() {
        shown.push(format!("{} more", count - shown.len()));
    }
    let paths = if count == 1 { "1 path" } else { &format!("{count} paths") };
    let are = if count == 1 { "is" } else { "are" };
    format!("{paths} in '{}' {are} not committed: {}", safe(place), list(&shown))
}

/// The refusal of a completion of which something is not committed.
pub(super) fn dirty(
    phase: &str,
    worktree: Option<&str>,
    (count, paths): (usize, &[String]),
    given_up: bool,
) -> Draft {
    let text = format!(
        "'{phase}' is not completed: {}",
        uncommitted(worktree.unwrap_or_default(), count, paths)
    );
    let hint = if given_up {
        format!(
            "the command ended well, but left that: '{phase}' is given up (conductor.requireClean)"
        )
    } else {
        format!(
            "'{phase}' stays claimed by you (conductor.requireClean): commit what belongs to it, \
             and complete it again"
        )
    };
    draft(text, hint, NOTHING)
}

/// What will count when a phase that was claimed is completed.
pub(super) fn finish_text(granted: &Granted, finish: &Finish, say: &mut Say) {
    if let Some(checked) = &finish.checked {
        let text = checked_text(checked, 12, 5);
        if checked.agrees {
            let here = checked.commit == granted.claim.commit;
            let here = if here { ", which is checked out here" } else { "" };
            say.line(&format!("{text}{here}"));
        } else {
            say.warning(&text);
        }
    }
    if !finish.shows || granted.change == Change::Renew {
        return;
    }
    say.line(if finish.guards {
        "what is checked out here when you complete it is what may go out after that"
    } else {
        "commit your work: what is checked out here when you complete it is what others get"
    });
}

/// What has been checked of what may go out: a commit, or several that differ.
pub(super) fn checked_text(checked: &Checked, digits: usize, most: usize) -> String {
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

/// A completion as JSON.
pub(super) fn json(phase: &str, handed: &Handed) -> Value {
    let Handed { completed, lacks, note, .. } = handed;
    let mut value = json!({
        "v": VERSION, "ok": true,
        "phase": phase,
        "agent": completed.done.agent,
        "completed_at": completed.done.completed_at,
        "verdict": completed.done.verdict,
        "artifact": completed.done.artifact,
        "artifact_sha256": completed.done.artifact_sha256,
        "commit": completed.done.at.commit,
        "dirty": completed.done.at.dirty,
        "again": completed.again,
        "opened": completed.opened,
        "lacks": lacks,
        "note": notes::noted_json(note.as_deref()),
    });
    if let Some(object) = value.as_object_mut() {
        object.extend(sight_json(handed));
    }
    value
}

/// What there is to say of the repository, as JSON.
pub(super) fn sight_json(handed: &Handed) -> Map<String, Value> {
    let Handed { completed, sight, salvaged, .. } = handed;
    let mut facts = json!({
        "branch": completed.done.at.branch,
        "worktree": completed.done.at.worktree,
        "artifact_size": completed.done.artifact_size,
        "claimed_in": sight.claimed_in.as_ref().map(|it| json!({
            "worktree": it.path,
            "is": it.found,
        })),
        "uncommitted": sight.uncommitted.as_ref().map(|found| json!({
            "count": found.count,
            "paths": found.first,
        })),
        "idle": sight.idle,
        "made_up": salvage::made_up_json(salvaged),
        "finished": completed.finished,
    });
    facts.as_object_mut().map(std::mem::take).unwrap_or_default()
}
