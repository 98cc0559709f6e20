//! A sprint that several machines share: a board whose every change is one compare-and-swap of one
//! ref of a git server.
//!
//! [`remote`] is what is asked of the server, and [`site`] what is asked of the clone. `intents`
//! are the changes that are on their way. [`engine`] makes a change, and finds out what became of
//! one that was cut off.
//! What may change is for [`crate::rules::shared`] to say. This module must not print, and knows
//! neither git nor the command line.

pub mod engine;
mod intents;
pub mod remote;
pub mod site;

pub use engine::{Answer, Ask, Ledger, Next, Stuck, Synced};
pub use remote::{CommitId, Fetched, Link, Prepared, Remote, Swapped};
pub use site::{Defences, Site};
