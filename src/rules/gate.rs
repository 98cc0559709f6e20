//! The gate: who may pass it, and what counts as evidence. Pure: the content that goes out, and
//! whether pins are unchanged, come in as values.
//!
//! One phase guards the gate (`ship`, unless a setting names another). While the phase is claimed,
//! its owner may pass. Once it is done, the commit that it was completed at may. Its direct
//! dependencies are the evidence: each must have passed on the content that goes out.
//!
//! If the guarding phase fails, or any phase that it depends on, directly or not, the gate closes.
//! The end of the sprint does not open it again; a later sprint that passes does.

use serde::Serialize;

use super::board::{Board, Standing, State};
use super::decide::{check_dependencies, check_four_eyes, owned};
use super::graph::PhaseId;
use super::identity::Me;
use super::others::OwnerFacts;
use super::reasons::{EvidenceProblem, GateDenied, MissingEvidence, Wait};
use super::refusal::Refusal;
use crate::record::{Done, Verdict};

/// What is about to go out, one of possibly several things.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// Commit id; `None` if it is no commit, or there is none yet.
    pub commit: Option<String>,
    /// The commit's tree.
    pub tree: Option<String>,
}

/// What is asked of the gate.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The phase that guards.
    pub phase: &'a str,
    /// Who asks.
    pub me: &'a Me,
    /// Whether nothing goes out without an unfinished sprint.
    pub require_sprint: bool,
    /// What goes out.
    pub contents: &'a [Content],
    /// Whether something is taken away where it all goes.
    pub deletes: bool,
}

/// Why the gate lets a commit pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum GateAllowed {
    /// There is no unfinished sprint, and none is asked for.
    NoSprint,
    /// The asker holds the phase that guards.
    Claimed,
    /// That phase is done, and what goes out is the commit it was done at.
    Done,
}

/// What to do about missing evidence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Do not look.
    Off,
    /// Say so, and let it pass.
    #[default]
    Warn,
    /// Refuse.
    Require,
}

impl Policy {
    /// Reads the word, or `None` for any other.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "off" => Some(Self::Off),
            "warn" => Some(Self::Warn),
            "require" => Some(Self::Require),
            _ => None,
        }
    }
}

/// What became of a pinned artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    /// None was handed over.
    None,
    /// It is what was handed over.
    Same,
    /// It is something else by now.
    Changed,
    /// It is not there.
    Gone,
}

/// Who may pass: by which right, and the phase that guards where there is a sprint.
///
/// # Errors
/// Why not.
pub fn passage(
    board: Option<&Board>,
    question: &Question<'_>,
) -> Result<(GateAllowed, Option<PhaseId>), Refusal> {
    let denied = |why| Refusal::GateDenied { phase: question.phase.to_owned(), why };
    let board = match board.map(|board| (board, board.standing())) {
        Some((board, Standing::Active)) => board,
        // Of a finished sprint what it was finished with may still go out.
        Some((board, Standing::Finished)) if question.require_sprint => board,
        Some((board, Standing::Finished)) => {
            let failure = verdict(board, question.phase).and_then(Result::err);
            return failure.map_or(Ok((GateAllowed::NoSprint, None)), |why| Err(denied(why)));
        }
        Some((_, Standing::Archived)) | None if question.require_sprint => {
            return Err(denied(GateDenied::NoSprint {}));
        }
        Some((_, Standing::Archived)) | None => return Ok((GateAllowed::NoSprint, None)),
    };
    let Some(id) = board.graph.find(question.phase) else {
        let phases = board.graph.ids().map(|id| board.graph.phase(id).name.clone()).collect();
        return Err(denied(GateDenied::NoPhase { phases }));
    };
    let right = match board.state(id) {
        State::Pending => {
            let waits_for = match check_dependencies(board, id) {
                Err(Refusal::Blocked { waits_for, .. }) => waits_for,
                Err(_) | Ok(()) => Vec::new(),
            };
            return Err(denied(GateDenied::Unclaimed {
                waits_for: with_failed(board, id, waits_for),
            }));
        }
        State::Claimed(hold) => match owned(question.phase, hold, question.me, false) {
            // As for its completion: mine by a token need not be mine to pass with.
            Ok(()) => check_four_eyes(board, id, question.me).map(|()| GateAllowed::Claimed)?,
            Err(Refusal::Lost { .. }) => {
                return Err(denied(GateDenied::Lost { holder: OwnerFacts::of(hold, false) }));
            }
            Err(_) => {
                return Err(denied(GateDenied::Claimed {
                    holder: OwnerFacts::seen_by(question.me, hold, false),
                }));
            }
        },
        State::Done(_) => GateAllowed::Done,
    };
    // Before what was done is looked at: a failure is the better reason.
    if let Some(failure) = failure(board, id) {
        return Err(denied(failure));
    }
    if let State::Done(done) = board.state(id) {
        was_done(done, question).map_err(denied)?;
    }
    Ok((right, Some(id)))
}

/// What a sprint says of the gate once it is over: why `phase` did not pass, or that it did. `None`
/// if it did not come so far, or has no such phase.
#[must_use]
pub fn verdict(board: &Board, phase: &str) -> Option<Result<(), GateDenied>> {
    let id = board.graph.find(phase)?;
    if let Some(failure) = failure(board, id) {
        return Some(Err(failure));
    }
    let State::Done(done) = board.state(id) else { return None };
    // It may have failed.
    Some(if done.is_unreadable() {
        Err(GateDenied::OtherCommit {
            agent: String::new(),
            done_at: None,
            going_out: None,
            forward: None,
        })
    } else {
        Ok(())
    })
}

/// Why the gate stays closed: `id` has failed, or what it waits for has failed.
fn failure(board: &Board, id: PhaseId) -> Option<GateDenied> {
    let sprint = board.sprint.is_archived().then(|| board.sprint.sprint_id.clone());
    let of = |done: &Done, failed: Option<String>| {
        let sprint = sprint.clone();
        GateDenied::Failed { agent: done.agent.clone(), at: done.completed_at, failed, sprint }
    };
    if let State::Done(done) = board.state(id)
        && done.verdict == Verdict::Fail
    {
        return Some(of(done, None));
    }
    board.graph.ancestors(id).into_iter().find_map(|dep| match board.state(dep) {
        State::Done(done) if done.verdict == Verdict::Fail => {
            Some(of(done, Some(board.graph.phase(dep).name.clone())))
        }
        State::Done(_) | State::Pending | State::Claimed(_) => None,
    })
}

/// `waits_for` with what keeps these from ever being done: what they wait for, and has failed.
fn with_failed(board: &Board, id: PhaseId, mut waits_for: Vec<Wait>) -> Vec<Wait> {
    for dep in board.graph.ancestors(id) {
        let State::Done(done) = board.state(dep) else { continue };
        let name = &board.graph.phase(dep).name;
        if done.verdict == Verdict::Fail && !waits_for.iter().any(|wait| wait.phase == *name) {
            let agent = Some(done.agent.clone());
            waits_for.push(Wait { phase: name.clone(), state: "failed", agent });
        }
    }
    waits_for
}

/// Whether what goes out is what the phase was done at.
fn was_done(done: &Done, question: &Question<'_>) -> Result<(), GateDenied> {
    let is_same = |content: &&Content| content.commit.is_some() && content.commit == done.at.commit;
    let other = question.contents.iter().find(|content| !is_same(content));
    if other.is_none() && !question.deletes {
        return Ok(());
    }
    Err(GateDenied::OtherCommit {
        agent: done.agent.clone(),
        done_at: done.at.commit.clone(),
        going_out: other.and_then(|content| content.commit.clone()),
        forward: None,
    })
}

/// The direct dependencies of `id` without evidence for all of `contents`. Evidence means: it has
/// passed, its pin is unchanged, and it was completed in a clean worktree, on the same tree.
#[must_use]
pub fn gaps(
    board: &Board,
    id: PhaseId,
    contents: &[Content],
    pin: impl Fn(PhaseId) -> Pin,
) -> Vec<MissingEvidence> {
    if contents.is_empty() {
        return Vec::new();
    }
    let of = |dep: &PhaseId| {
        let phase = board.graph.phase(*dep).name.clone();
        let done = match board.state(*dep) {
            State::Done(done) => done,
            State::Pending | State::Claimed(_) => {
                return Some(MissingEvidence::new(phase, String::new(), EvidenceProblem::NotDone));
            }
        };
        let (why, other) = lack(done, contents, pin(*dep))?;
        let mut gap = MissingEvidence::new(phase, done.agent.clone(), why);
        gap.done_at.clone_from(&done.at.commit);
        if let Some(other) = other {
            gap.going_out.clone_from(&other.commit);
            gap.trees = done.at.tree.clone().zip(other.tree.clone());
        }
        Some(gap)
    };
    board.graph.phase(id).depends_on.iter().filter_map(of).collect()
}

/// Why `done` does not count as evidence, and for which content; `None` if it does.
fn lack<'a>(
    done: &Done,
    contents: &'a [Content],
    pin: Pin,
) -> Option<(EvidenceProblem, Option<&'a Content>)> {
    if done.verdict == Verdict::Fail {
        return Some((EvidenceProblem::Failed, None));
    }
    match pin {
        Pin::Changed => return Some((EvidenceProblem::PinChanged, None)),
        Pin::Gone => return Some((EvidenceProblem::PinGone, None)),
        Pin::None | Pin::Same => {}
    }
    if done.at.tree.is_none() {
        return Some((EvidenceProblem::NoCommit, contents.first()));
    }
    if let Some(other) = contents.iter().find(|content| content.tree != done.at.tree) {
        return Some((EvidenceProblem::OtherContent, Some(other)));
    }
    // Without a worktree, as in a bare repository, there is nothing that could be dirty.
    (done.at.dirty == Some(true)).then(|| (EvidenceProblem::Dirty, contents.first()))
}

/// What has been checked of what the phase that guards is to let out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Checked {
    /// Whether all that it directly depends on was shown of the same content, in clean worktrees.
    pub agrees: bool,
    /// The commit with that content, if it agrees.
    pub commit: Option<String>,
    /// What was done at which commit.
    pub by: Vec<CheckedBy>,
    /// The tree of that commit.
    #[serde(skip)]
    pub tree: Option<String>,
}

/// A phase that has shown something of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CheckedBy {
    /// The phase.
    pub phase: String,
    /// The commit.
    pub commit: Option<String>,
    /// Whether the worktree had changes that are in no commit.
    pub dirty: Option<bool>,
}

/// What is known of what may go out once `id` is done; `None` while not all that it directly
/// depends on has passed, or where that is nothing.
#[must_use]
pub fn checked(board: &Board, id: PhaseId) -> Option<Checked> {
    let mut by = Vec::new();
    let mut trees = Vec::new();
    for dep in &board.graph.phase(id).depends_on {
        let State::Done(done) = board.state(*dep) else { return None };
        if done.verdict == Verdict::Fail {
            return None;
        }
        trees.push(done.at.tree.as_deref());
        by.push(CheckedBy {
            phase: board.graph.phase(*dep).name.clone(),
            commit: done.at.commit.clone(),
            dirty: done.at.dirty,
        });
    }
    let first = *trees.first()?;
    let same = first.is_some() && trees.iter().all(|tree| *tree == first);
    let agrees = same && by.iter().all(|it| it.commit.is_some() && it.dirty != Some(true));
    let commit = by.first().and_then(|it| it.commit.clone()).filter(|_| agrees);
    let tree = first.map(str::to_owned).filter(|_| agrees);
    Some(Checked { agrees, commit, by, tree })
}

/// Applies `policy` to `gaps`, and gives those to warn about.
///
/// # Errors
/// `no_evidence`, where evidence is required.
pub fn weigh(
    policy: Policy,
    phase: &str,
    gaps: Vec<MissingEvidence>,
) -> Result<Vec<MissingEvidence>, Refusal> {
    match policy {
        Policy::Off => Ok(Vec::new()),
        Policy::Require if !gaps.is_empty() => Err(Refusal::GateDenied {
            phase: phase.to_owned(),
            why: GateDenied::NoEvidence { gaps, forward: None },
        }),
        Policy::Warn | Policy::Require => Ok(gaps),
    }
}

#[cfg(test)]
mod tests;
