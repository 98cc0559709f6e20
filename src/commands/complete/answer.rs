//! What is said of a completion: what it recorded, what it left out, and what comes next; and
//! before, of what will count.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::Handed;
use crate::commands::inputs::Input;
use crate::commands::notes::NotedAnswer;
use crate::commands::recorded::{Elsewhere, Found, uncommitted};
use crate::commands::salvage::LeftAnswer;
use crate::commands::{gate, notes, salvage};
use crate::error::Hint;
use crate::record::{Done, VERSION, Verdict};
use crate::store::change::Completed;
use crate::ui::text::{age, list, safe, short};
use crate::ui::{Answer, Format, Messages};

impl Handed {
    /// What was recorded, and what there is to warn of.
    pub(in crate::commands) fn messages(&self, now: Timestamp, messages: &mut Messages) {
        text(self, now, messages);
    }

    /// What there is to say of the repository, as JSON.
    pub(in crate::commands) fn sight_json(&self) -> SightAnswer<'_> {
        sight_json(self)
    }
}

impl Answer for Handed {
    fn text(&self, format: Format, messages: &mut Messages) -> String {
        self.messages(format.now, messages);
        comes_next(&self.completed, messages);
        "OK\n".to_owned()
    }

    fn json(&self, _: Format) -> Value {
        json(self)
    }
}

/// Of a completion: what was recorded, and what there is to warn of.
fn text(handed: &Handed, now: Timestamp, messages: &mut Messages) {
    let Handed { phase, completed, sight, lacks, note, salvaged } = handed;
    let done = &completed.done;
    if completed.again {
        let since = done.completed_at.map(|then| format!(", {} ago", age(now, then)));
        messages.line(&format!("you completed '{phase}' already{}", since.unwrap_or_default()));
    } else {
        recorded(handed, messages);
    }
    if done.verdict == Verdict::Fail {
        messages.line(&format!("what waits for '{phase}' stays closed"));
        messages.hint(&Hint::fixed(
            "how to go on is your human's decision: 'start --from PHASE' begins the next round \
             with that phase, and takes over what is done and does not depend on it",
            "'start --from PHASE' begins the next round with that phase, and takes over what is done \
             and does not depend on it",
        ));
    }
    if let Some(found) = sight.uncommitted.as_ref().filter(|found| found.count > 0) {
        let place = done.at.worktree.as_deref().unwrap_or_default();
        messages.warning(&format!(
            "{}; what others get is the commit",
            uncommitted(place, found.count, &found.first)
        ));
    }
    if let Some(why) = &sight.overdue {
        messages.warning(&format!(
            "{}: whether all is committed is not known, so it counts as not clean",
            safe(why)
        ));
    }
    if sight.idle {
        messages.warning(&format!(
            "nothing shows the work of '{phase}': it has no artifact, and no commit was made in its \
             worktree since it was claimed"
        ));
    }
    salvage::made_up_text(salvaged, messages);
    if !completed.opened.is_empty() {
        messages.line(&format!("open now: {}", list(&completed.opened)));
    }
    gate::lacks_text(phase, lacks, messages);
    notes::noted_text(note.as_deref(), messages);
}

/// What of the repository and of the artifact is on record.
fn recorded(handed: &Handed, messages: &mut Messages) {
    let phase = &handed.phase;
    let done = &handed.completed.done;
    match &handed.sight.claimed_in {
        Some(Elsewhere { path, found: Found::Used }) => messages.line(&format!(
            "'{phase}' was claimed in '{}': what is checked out there counts, and not what is here",
            safe(path)
        )),
        Some(Elsewhere { path, found: Found::Gone }) => messages.warning(&format!(
            "'{phase}' was claimed in '{}', which is not there now: what is checked out here is recorded",
            safe(path)
        )),
        Some(Elsewhere { path, found: Found::Foreign }) => messages.warning(&format!(
            "'{phase}' was claimed in '{}', which is no worktree of this repository now: \
             what is checked out here is recorded",
            safe(path)
        )),
        None => {}
    }
    if let Some(line) = commit_line(done) {
        messages.line(&line);
    }
    if let Some(size) = done.artifact_size {
        messages.line(&format!(
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
        Some(commit) => Some(format!("recorded commit {}{branch}{clean}", short(commit))),
        // Without a repository there is nothing to say.
        None if branch.is_empty() => None,
        None => Some(format!("recorded no commit: there is none yet{branch}")),
    }
}

/// What comes next.
fn comes_next(completed: &Completed, messages: &mut Messages) {
    if completed.finished {
        messages.line("every phase is done: the sprint is finished");
    } else if completed.done.verdict == Verdict::Pass {
        messages.hint("go on with what is open to you: git conductor next --claim");
    }
}

/// What `complete` answers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct CompleteAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// The phase.
    phase: &'a str,
    /// Who completed it.
    agent: &'a str,
    /// When, in UTC.
    completed_at: Option<Timestamp>,
    /// What became of the work.
    verdict: Verdict,
    /// The path of the artifact; empty without one.
    artifact: &'a str,
    /// Its SHA-256.
    artifact_sha256: Option<&'a str>,
    /// The commit that it was done at.
    commit: Option<&'a str>,
    /// Whether something there was not committed; null where there is no worktree.
    dirty: Option<bool>,
    /// Whether it was complete already.
    again: bool,
    /// The phases that can be claimed now.
    opened: &'a [String],
    /// What it builds on that is not in its commit.
    lacks: &'a [Input],
    /// The record in git notes; null where none was asked for.
    note: Option<NotedAnswer<'a>>,
    #[serde(flatten)]
    sight: SightAnswer<'a>,
}

/// What of the repository a completion was done at.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct SightAnswer<'a> {
    /// The branch that was checked out.
    branch: Option<&'a str>,
    /// The worktree (absolute path).
    worktree: Option<&'a str>,
    /// The artifact's size in bytes.
    artifact_size: Option<u64>,
    /// The worktree that it was claimed in, if that is another than this.
    claimed_in: Option<ClaimedIn<'a>>,
    /// What was not committed; null where it is not known.
    uncommitted: Option<UncommittedAnswer<'a>>,
    /// Whether nothing shows any work: no artifact, and no commit since the claim.
    idle: bool,
    /// What was saved late of what owners before had not committed.
    made_up: Vec<LeftAnswer<'a>>,
    /// Whether every phase of the sprint is done.
    finished: bool,
}

/// The worktree that a phase was claimed in.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct ClaimedIn<'a> {
    /// Its path (absolute).
    worktree: &'a str,
    /// What became of it.
    is: Found,
}

/// What was not committed.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct UncommittedAnswer<'a> {
    /// How many paths.
    count: usize,
    /// The first of them.
    paths: &'a [String],
}

/// A completion as JSON.
fn json(handed: &Handed) -> Value {
    let Handed { phase, completed, lacks, note, .. } = handed;
    let done = &completed.done;
    json!(CompleteAnswer {
        v: VERSION,
        ok: true,
        phase,
        agent: &done.agent,
        completed_at: done.completed_at,
        verdict: done.verdict,
        artifact: &done.artifact,
        artifact_sha256: done.artifact_sha256.as_deref(),
        commit: done.at.commit.as_deref(),
        dirty: done.at.dirty,
        again: completed.again,
        opened: &completed.opened,
        lacks,
        note: note.as_deref().map(notes::noted_json),
        sight: sight_json(handed),
    })
}

/// What there is to say of the repository, as JSON.
fn sight_json(handed: &Handed) -> SightAnswer<'_> {
    let Handed { completed, sight, salvaged, .. } = handed;
    let claimed_in = sight.claimed_in.as_ref();
    let uncommitted = sight.uncommitted.as_ref();
    SightAnswer {
        branch: completed.done.at.branch.as_deref(),
        worktree: completed.done.at.worktree.as_deref(),
        artifact_size: completed.done.artifact_size,
        claimed_in: claimed_in.map(|it| ClaimedIn { worktree: &it.path, is: it.found }),
        uncommitted: uncommitted
            .map(|found| UncommittedAnswer { count: found.count, paths: &found.first }),
        idle: sight.idle,
        made_up: salvage::made_up_json(salvaged),
        finished: completed.finished,
    }
}
