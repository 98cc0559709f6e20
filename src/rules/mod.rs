//! The rules of a sprint: pure values in, a decision out.
//!
//! No file system, clock, environment, git or anyhow here: who lives and what time it is come in as
//! values, so that a test can walk every reachable state. Reading order: [`graph`], [`board`],
//! [`identity`], [`request`], [`reasons`], [`refusal`], [`attempts`], [`transition()`] (the table
//! of changes), [`decide()`], [`gate`],
//! [`notes`], [`push`], [`rounds`], [`evidence`], [`others`], [`next`], [`prospect`], [`waiting`],
//! [`lost`], [`trouble`], [`shared`] (the board of a ledger), [`rows`] (all that is shown
//! of a phase), [`layers`], [`timeline`];
//! [`spec`] and [`strict`] read graphs that people write.

pub mod attempts;
pub mod board;
pub mod decide;
pub mod evidence;
pub mod gate;
pub mod graph;
pub mod identity;
pub mod layers;
pub mod lost;
pub mod next;
pub mod notes;
pub mod others;
pub mod prospect;
pub mod push;
pub mod reasons;
pub mod refusal;
pub mod request;
pub mod rounds;
pub mod rows;
pub mod shared;
pub mod spec;
pub mod strict;
pub mod timeline;
pub mod transition;
pub mod trouble;
pub mod waiting;

pub use board::{Board, LiveClaim, Standing, State};
pub use decide::decide;
pub use graph::{Graph, PhaseId};
pub use identity::{Life, Me, Relation};
pub use refusal::Refusal;
pub use request::{Change, Facts, Request};
pub use transition::transition;
