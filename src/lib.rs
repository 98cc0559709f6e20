//! git conductor: several agent sessions on one repository without stepping on each other.

pub mod error;
pub mod record;
pub mod rules;
pub mod store;
