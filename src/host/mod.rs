//! The machine that a command runs on.
//!
//! - [`agent`]: who asks, and whether the process of a claim lives

pub mod agent;
