//! Whether what is kept of a completion still says what was recorded. Pure; hashes, objects of git
//! and records come in as values.

use serde::Serialize;

use super::board::{Board, State};
use super::graph::PhaseId;
use crate::record::note::Note;
use crate::record::{Done, Verdict};

/// What can be said of one completion's evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Its record cannot be understood.
    RecordUnreadable,
    /// The copy of what was handed over is something else by now.
    PinChanged,
    /// The copy is not there.
    PinGone,
    /// It was recorded as having a commit whose id is none.
    CommitBad,
    /// The commit is not in the repository.
    CommitGone,
    /// The commit has another tree than the recorded one.
    TreeDiffers,
    /// A phase that it depends on is not done, or failed.
    DependencyNotDone,
    /// A phase that it depends on was completed after it.
    DependencyLater,
    /// Its record in git notes says something else.
    NoteDiffers,
    /// There should be a record in git notes, and there is none.
    NoteMissing,
    /// What git keeps of the artifact is something else.
    KeptDiffers,
    /// The sprint that it was carried from says something else of it.
    OriginDiffers,
    /// The original has been changed since it was handed over.
    OriginalChanged,
    /// The original is not where it was.
    OriginalGone,
    /// No record in git notes is there; none is asked for.
    NoNote,
    /// Its record in git notes is of a later version.
    NoteLater,
    /// The artifact is not kept in git.
    NotKept,
    /// The sprint that it was carried from is not here any more.
    OriginGone,
}

impl Fault {
    /// Whether evidence differs. The others are worth knowing, and show nothing.
    #[must_use]
    pub const fn differs(self) -> bool {
        match self {
            Self::RecordUnreadable
            | Self::PinChanged
            | Self::PinGone
            | Self::CommitBad
            | Self::CommitGone
            | Self::TreeDiffers
            | Self::DependencyNotDone
            | Self::DependencyLater
            | Self::NoteDiffers
            | Self::NoteMissing
            | Self::KeptDiffers
            | Self::OriginDiffers => true,
            Self::OriginalChanged
            | Self::OriginalGone
            | Self::NoNote
            | Self::NoteLater
            | Self::NotKept
            | Self::OriginGone => false,
        }
    }
}

/// One thing that was found, and what it is about: another phase, a field, a commit, a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Finding {
    /// What.
    pub what: Fault,
    /// About what, if that is not the phase itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
}

impl Finding {
    /// A finding about the phase itself.
    #[must_use]
    pub const fn of(what: Fault) -> Self {
        Self { what, about: None }
    }

    /// A finding about something of it.
    #[must_use]
    pub fn about(what: Fault, about: impl Into<String>) -> Self {
        Self { what, about: Some(about.into()) }
    }
}

/// What the board alone says of `id`, which is done.
#[must_use]
pub fn on_board(board: &Board, id: PhaseId, done: &Done) -> Vec<Finding> {
    let mut found = Vec::new();
    if done.is_unreadable() {
        found.push(Finding::of(Fault::RecordUnreadable));
    }
    for &dep in &board.graph.phase(id).depends_on {
        let name = &board.graph.phase(dep).name;
        match board.state(dep) {
            State::Done(before) if before.verdict == Verdict::Pass => {
                let later = before.completed_at.zip(done.completed_at);
                if later.is_some_and(|(before, after)| before > after) {
                    found.push(Finding::about(Fault::DependencyLater, name));
                }
            }
            State::Done(_) | State::Pending | State::Claimed(_) => {
                found.push(Finding::about(Fault::DependencyNotDone, name));
            }
        }
    }
    found
}

/// The first thing in which a record in git notes differs from the one that it should be.
#[must_use]
pub fn note_differs(note: &Note, wanted: &Note) -> Option<&'static str> {
    // Where the artifact was is told by each machine in its own way.
    let file = |note: &Note| {
        note.artifact.as_ref().map(|artifact| (artifact.sha256.clone(), artifact.size))
    };
    let differing = [
        ("sprint", note.sprint != wanted.sprint),
        ("phase", note.phase != wanted.phase),
        ("agent", note.agent != wanted.agent),
        ("verdict", note.verdict != wanted.verdict),
        ("commit", note.commit != wanted.commit),
        ("tree", note.tree != wanted.tree),
        ("dirty", note.dirty != wanted.dirty),
        ("depends_on", note.depends_on != wanted.depends_on),
        ("artifact", file(note) != file(wanted)),
        ("completed_at", note.completed_at != wanted.completed_at),
        ("carried_from", note.carried_from != wanted.carried_from),
    ];
    differing.into_iter().find_map(|(field, differs)| differs.then_some(field))
}

/// The first thing in which a completion that was carried differs from what it was.
#[must_use]
pub fn origin_differs(done: &Done, origin: &Done) -> Option<&'static str> {
    let differing = [
        ("agent", done.agent != origin.agent),
        ("token", done.token != origin.token),
        ("verdict", done.verdict != origin.verdict),
        ("completed_at", done.completed_at != origin.completed_at),
        ("artifact", done.artifact_sha256 != origin.artifact_sha256),
        ("commit", done.at != origin.at),
    ];
    differing.into_iter().find_map(|(field, differs)| differs.then_some(field))
}
