//! git conductor: several agent sessions on one repository without stepping on each other.

pub mod agent;
pub mod cli;
pub mod cmd;
pub mod error;
pub mod git;
pub mod place;
pub mod record;
pub mod report;
pub mod rules;
pub mod store;
