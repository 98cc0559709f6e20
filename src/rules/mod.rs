//! The rules of a sprint: pure values in, a decision out.
//!
//! No file system, clock, environment, git or anyhow here: who lives and what time it is come in as
//! values, so that a test can walk every reachable state.

pub mod identity;

pub use identity::{Life, Me, Relation};

/// The rules saying no.
#[derive(Debug)]
pub enum Refusal {}
