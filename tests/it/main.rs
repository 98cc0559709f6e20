//! Integration tests.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod agents;
mod artifacts;
mod checkout;
mod commands;
mod completions;
mod drive;
mod edges;
mod generated;
mod histories;
mod identity;
mod kills;
mod linear;
mod places;
mod printed;
mod race;
mod readme;
mod sandbox;
mod scene;
mod script;
mod settings;
mod situations;
mod snapshots;
mod starting;
mod tidy;
mod walk;
