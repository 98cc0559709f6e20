//! The commands: one file each, arguments in, [`Outcome`] out. None of them prints.

pub mod abort;
pub mod archive;
pub mod batch;
pub mod claim;
pub mod clean;
pub mod complete;
pub mod context;
pub mod doctor;
mod events;
pub mod graph;
pub mod guard;
pub mod hooks;
pub mod install;
pub mod log;
pub mod next;
pub mod notes;
pub mod offers;
pub mod prime;
pub mod push;
pub mod recorded;
pub mod report;
pub mod run;
pub mod salvage;
pub mod show;
pub mod signals;
pub mod skill;
pub mod start;
pub mod status;
pub mod unstuck;
pub mod verify;
pub mod waiting;
pub mod watching;
pub mod worktrees;
mod world;

use std::path::PathBuf;

pub use context::{Context, Global};

use crate::record::Done;
use crate::rules::gate::{Gap, Passage};
use crate::rules::lost::Loss;
use crate::rules::{Board, Me, graph::Concurrency};
use crate::store::change::{Freed, Granted};
use crate::store::lifecycle::Started;

/// What a command came to.
#[derive(Debug)]
pub enum Outcome {
    /// The board of the current sprint.
    Board(Box<View>),
    /// There is no sprint. That is an answer, not a refusal.
    NoSprint,
    /// The board was shown until nobody looked any more, or until it could not be written.
    Watched(Option<std::io::Error>),
    /// A sprint is there to be worked on.
    Started {
        /// The sprint, and what was archived for it.
        started: Box<Started>,
        /// Its directory (absolute).
        directory: PathBuf,
        /// Why what it took over has no records in git notes, where it should.
        unrecorded: Option<crate::error::Failure>,
        /// What former owners left in the sprint that was archived for it, if a command that was to save it
        /// was killed at that.
        made_up: Vec<salvage::Left>,
    },
    /// A phase is the asker's.
    Claimed {
        /// The claim.
        granted: Box<Granted>,
        /// What the phase builds on.
        inputs: Vec<Input>,
        /// What that built on, where something was handed over.
        earlier: Vec<Input>,
        /// Whether each call will look like a new agent.
        nameless: bool,
        /// Whether the phase was picked rather than named.
        picked: bool,
        /// How long it was waited for, if that was asked for.
        waited: Option<std::time::Duration>,
        /// What was saved of it.
        salvaged: Box<salvage::Salvaged>,
        /// What the asker had lost before.
        lost: Vec<Loss>,
        /// What is to be known of its end.
        finish: claim::Finish,
    },
    /// A command was run as the owner of a phase.
    Ran(Box<run::Ran>),
    /// Who did what when.
    Log(log::Told),
    /// The phase graph, to be drawn.
    Graph(Box<View>, graph::Form),
    /// What there is to tell of one sprint.
    Report(Box<report::Told>, report::Page),
    /// What there is to tell of all sprints.
    Overview(report::Overview, report::Page),
    /// What was waited for has come true.
    Waited {
        /// The phase.
        phase: String,
        /// How it ended, if that was waited for.
        verdict: Option<crate::record::Verdict>,
        /// How long that took.
        waited: std::time::Duration,
    },
    /// A phase is done.
    Completed {
        /// The phase.
        phase: String,
        /// How it was handed in.
        handed: Box<complete::Handed>,
    },
    /// The asker's claims were ended.
    Aborted(Vec<Freed>),
    /// The phases that the asker could claim now; at least one.
    Next {
        /// Which.
        phases: Vec<String>,
        /// What the asker has lost.
        lost: Vec<Loss>,
    },
    /// A phase was freed.
    Unstuck {
        /// From whom.
        freed: Box<Freed>,
        /// What that one left.
        left: Option<Box<salvage::Left>>,
        /// What others left before that one, which a command was to save that was killed at that.
        made_up: Vec<salvage::Left>,
    },
    /// The phases in execution order.
    Batches(Vec<(Concurrency, Vec<String>)>),
    /// The sprint was ended.
    Archived {
        /// It.
        board: Box<Board>,
        /// As of [`Outcome::Started`].
        made_up: Vec<salvage::Left>,
    },
    /// Sprints were removed.
    Cleaned(Vec<String>),
    /// The gate is open.
    Open(Box<Opened>),
    /// A push may go on.
    Pushed(Box<Pushed>),
    /// What there is of hooks.
    Hooks(Box<hooks::Hooks>),
    /// What was found of everything.
    Examined(Vec<doctor::Finding>),
    /// What an agent needs to know; `None` without a sprint.
    Primed(Option<Box<prime::Primer>>),
    /// What an agent's hook says.
    Hooked(Box<prime::hook::Hooked>),
    /// The skill, or what became of it.
    Skill(Box<skill::Skill>),
    /// Pages and completions were put in their places, or taken away.
    Installed(Box<install::Installed>),
    /// Records in git notes.
    Records(Box<notes::Records>),
    /// Missing records were written, and those of others taken in.
    Synced(Box<notes::Synced>),
    /// Settings of git for notes were made or taken away.
    SetUp(Box<notes::SetUp>),
    /// What is kept of what dead owners left, the latest first.
    Salvages(Vec<crate::record::salvage::Salvage>),
    /// One of these.
    Salvage(Box<salvage::Look>),
    /// Those that are not kept any more.
    Dropped(Vec<crate::record::salvage::Salvage>),
    /// All that is known of a phase.
    Shown(Box<show::Shown>),
    /// What was handed over with a phase, byte for byte.
    Content(show::Content),
    /// What was found of the evidence of sprints.
    Verified {
        /// The sprints, the latest first.
        sprints: Vec<verify::Verified>,
        /// Whether all of them were asked for.
        all: bool,
    },
}

/// A push may go on.
#[derive(Debug, Default)]
pub struct Pushed {
    /// The guarded references of the remote.
    pub refs: Vec<String>,
    /// What the gate says; `None` if nothing is guarded.
    pub opened: Option<Opened>,
}

/// The gate is open.
#[derive(Debug)]
pub struct Opened {
    /// The phase that guards.
    pub phase: String,
    /// Why it is open.
    pub passage: Passage,
    /// The first commit that goes out.
    pub commit: Option<String>,
    /// What is no evidence for what goes out, to warn of.
    pub gaps: Vec<Gap>,
    /// The commit that was checked, if what is checked out need only be brought forward to it.
    pub forward: Option<String>,
}

/// What a phase builds on: one dependency, as it was handed over.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Input {
    /// The dependency.
    pub phase: String,
    /// Who completed it.
    pub agent: String,
    /// The commit it was done at.
    pub commit: Option<String>,
    /// The branch it was done on.
    pub branch: Option<String>,
    /// The pinned artifact (absolute path).
    pub artifact: Option<String>,
    /// Whether this clone has the commit; null where that cannot be known, or nobody has looked.
    pub here: Option<bool>,
}

impl Input {
    /// The dependency `phase`, without its artifact.
    fn of(phase: &str, done: &Done) -> Self {
        Self {
            phase: phase.to_owned(),
            agent: done.agent.clone(),
            commit: done.at.commit.clone(),
            branch: done.at.branch.clone(),
            artifact: None,
            here: None,
        }
    }
}

/// The board, as one asker sees it.
#[derive(Debug)]
pub struct View {
    /// The board.
    pub board: Board,
    /// Who asks.
    pub me: Me,
    /// `conductor.staleAfter`.
    pub stale_after: jiff::SignedDuration,
    /// `conductor.maxAttempts`.
    pub max_attempts: Option<u64>,
    /// The phases whose artifact is not any more what was handed over.
    pub changed: Vec<crate::rules::PhaseId>,
    /// What the asker has lost.
    pub lost: Vec<Loss>,
}
