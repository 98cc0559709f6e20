//! `verify`: all evidence of a sprint, against what is kept of it: the copies, the repository, git
//! notes, and the sprint that it was carried from. Nothing is changed.

pub(super) mod answer;

use std::collections::HashMap;

use super::Context;
use super::notes;
use super::session::{Answered, Run, Session};
use super::show::{self, Original};
use crate::error::{Failure, FailureKind};
use crate::git::Repo;
use crate::record::Done;
use crate::record::note::{Note, Notes, is_oid};
use crate::rules::evidence::{Fault, Finding, note_differs, on_board, origin_differs};
use crate::rules::gate::Pin;
use crate::rules::{Board, State};
use crate::store::artifact::sha256;
use crate::store::history::{self, Completion};

/// Check all evidence of a sprint
///
/// For each completed phase: that its record can be read, and what it depends on
/// was completed before; that the copy of what was handed over is what it was;
/// that its commit is there, with the recorded tree; that its record in git notes
/// says the same, where there is one, and there is one where conductor.notes is
/// true; and for what was carried over, that the sprint it came from says the
/// same. Prints a line for each, and what differs; exits with 1 if anything does.
///
/// A change of the original after it was handed over is told, and is no fault.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  git conductor verify\n  git conductor verify --sprint 20261122-091502\n  git conductor verify --all"
)]
pub(super) struct VerifyArgs {
    /// Another sprint, by its id or the time in it
    #[arg(long, value_name = "ID")]
    sprint: Option<String>,
    /// All sprints that are in the store
    #[arg(long, conflicts_with = "sprint")]
    all: bool,
}

impl Run for VerifyArgs {
    /// Checks the current sprint, another one, or all there are.
    fn run(self, session: &mut Session) -> Answered {
        let context = &session.store()?;
        let boards = if self.all {
            let mut boards = Vec::new();
            for id in context.store.sprints()? {
                boards.extend(context.store.board_of(&id)?);
            }
            boards
        } else {
            vec![show::board(context, self.sprint.as_deref())?]
        };
        let mut kept = Kept::read(context)?;
        let mut sprints = Vec::new();
        for board in &boards {
            sprints.push(one(context, &mut kept, board)?);
        }
        Ok(Box::new(Verification { sprints, all: self.all }))
    }
}

/// What was found of one completion.
#[derive(Debug)]
pub struct Checked {
    /// The phase.
    pub phase: String,
    /// Who completed it; empty if it cannot be known.
    pub agent: String,
    /// The sprint that it was carried from.
    pub carried_from: Option<String>,
    /// What differs, and what is worth knowing.
    pub findings: Vec<Finding>,
}

impl Checked {
    /// Whether nothing differs.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.findings.iter().all(|finding| !finding.what.differs())
    }
}

/// What was found of one sprint.
#[derive(Debug)]
pub struct Verified {
    /// The sprint's id.
    pub sprint_id: String,
    /// Its completions, in the board's order.
    pub phases: Vec<Checked>,
    /// How many phases are not done: they have no evidence yet.
    pub left: usize,
}

impl Verified {
    /// Whether nothing differs.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.phases.iter().all(Checked::ok)
    }
}

/// What was found of the evidence of sprints.
#[derive(Debug)]
pub struct Verification {
    /// The sprints, the latest first.
    pub sprints: Vec<Verified>,
    /// Whether all of them were asked for.
    pub all: bool,
}

fn one(context: &Context, kept: &mut Kept<'_>, board: &Board) -> Result<Verified, Failure> {
    let mut phases = Vec::new();
    for completion in history::of(board) {
        let Completion { sprint_id, phase, done, .. } = &completion;
        let mut findings = Vec::new();
        if let Some(id) = board.graph.find(phase) {
            findings.extend(on_board(board, id, done));
        }
        match context.store.check_pin(sprint_id, phase, done)? {
            Pin::None | Pin::Same => {}
            Pin::Changed => findings.push(Finding::of(Fault::PinChanged)),
            Pin::Gone => findings.push(Finding::of(Fault::PinGone)),
        }
        let at = done.artifact_path.clone().unwrap_or_default();
        match show::original(done)? {
            Original::Same | Original::Unknown => {}
            Original::Changed => findings.push(Finding::about(Fault::OriginalChanged, at)),
            Original::Gone => findings.push(Finding::about(Fault::OriginalGone, at)),
        }
        findings.extend(kept.commit(done)?);
        findings.extend(kept.note(context, &completion)?);
        findings.extend(origin(context, phase, done)?);
        phases.push(Checked {
            phase: phase.clone(),
            agent: done.agent.clone(),
            carried_from: done.carried_from.clone(),
            findings,
        });
    }
    let left = board.graph.count() - phases.len();
    Ok(Verified { sprint_id: board.sprint.sprint_id.clone(), phases, left })
}

/// What the sprint that it was carried from says of a completion.
fn origin(context: &Context, phase: &str, done: &Done) -> Result<Option<Finding>, Failure> {
    let Some(from) = &done.carried_from else { return Ok(None) };
    let Some(board) = context.store.board_of(from)? else {
        return Ok(Some(Finding::about(Fault::OriginGone, from)));
    };
    let state = board.graph.find(phase).map(|id| board.state(id));
    let differs = match state {
        Some(State::Done(origin)) => origin_differs(done, origin),
        Some(State::Pending | State::Claimed(_)) | None => Some("done"),
    };
    Ok(differs.map(|field| Finding::about(Fault::OriginDiffers, field)))
}

/// What git keeps: commits, and records in notes.
struct Kept<'a> {
    repo: Option<&'a Repo>,
    /// The trees of commits; `None` for one that is not there.
    trees: HashMap<String, Option<String>>,
    /// All records; `None` where there is no reference with any.
    notes: Option<Notes>,
    /// Whether every completion should have one.
    required: bool,
}

impl<'a> Kept<'a> {
    fn read(context: &'a Context) -> Result<Self, Failure> {
        let repo = context.repo.as_ref();
        let notes = match repo {
            Some(repo) => notes::read(repo, &repo.notes_name()?)?,
            None => None,
        };
        let required = context.config_bool("conductor.notes")?.unwrap_or(false);
        Ok(Self { repo, trees: HashMap::new(), notes, required })
    }

    /// Whether the commit is there, and has the recorded tree.
    fn commit(&mut self, done: &Done) -> Result<Option<Finding>, Failure> {
        let (Some(repo), Some(commit)) = (self.repo, &done.at.commit) else { return Ok(None) };
        if !is_oid(commit) {
            // What is no id could mean any commit to git.
            return Ok(Some(Finding::about(Fault::CommitBad, commit)));
        }
        if !self.trees.contains_key(commit) {
            let tree = match repo.commit_and_tree(Some(commit)) {
                Ok(found) => found.map(|(_, tree)| tree),
                Err(failure) if failure.kind == FailureKind::Usage => None,
                Err(failure) => return Err(failure),
            };
            self.trees.insert(commit.clone(), tree);
        }
        let tree = self.trees.get(commit).cloned().flatten();
        Ok(match tree {
            None => Some(Finding::about(Fault::CommitGone, commit)),
            Some(tree) if done.at.tree.as_ref() != Some(&tree) => {
                Some(Finding::about(Fault::TreeDiffers, commit))
            }
            Some(_) => None,
        })
    }

    /// What its record in git notes says.
    fn note(&self, context: &Context, completion: &Completion) -> Result<Option<Finding>, Failure> {
        // Without a commit there is nothing that could have a note.
        let (Some(repo), Some(commit)) = (self.repo, &completion.done.at.commit) else {
            return Ok(None);
        };
        let id = notes::id(completion);
        let found = self.notes.as_ref().and_then(|notes| notes.get(&id));
        let Some(found) = found else {
            let later = self.notes.as_ref().is_some_and(|notes| notes.has(&id));
            return Ok(match (later, self.required) {
                (true, _) => Some(Finding::of(Fault::NoteLater)),
                (false, true) => Some(Finding::of(Fault::NoteMissing)),
                // Where nobody keeps records there is nothing to tell.
                (false, false) => self.notes.as_ref().map(|_| Finding::of(Fault::NoNote)),
            });
        };
        let wanted = notes::note(context, completion, commit, None);
        if let Some(field) = note_differs(found, &wanted) {
            return Ok(Some(Finding::about(Fault::NoteDiffers, field)));
        }
        kept_artifact(repo, found)
    }
}

/// Whether what git keeps of the artifact is what the record says.
fn kept_artifact(repo: &Repo, note: &Note) -> Result<Option<Finding>, Failure> {
    let Some(artifact) = &note.artifact else { return Ok(None) };
    let Some(oid) = artifact.oid.as_deref().filter(|oid| is_oid(oid)) else {
        return Ok(Some(Finding::of(Fault::NotKept)));
    };
    Ok(match repo.blob(oid)? {
        None => Some(Finding::of(Fault::NotKept)),
        Some(content) => {
            let hash = sha256(&mut content.as_slice(), u64::MAX).ok().flatten();
            (hash.as_deref() != Some(&artifact.sha256))
                .then(|| Finding::about(Fault::KeptDiffers, oid))
        }
    })
}
