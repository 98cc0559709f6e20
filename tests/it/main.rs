//! Integration tests.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod agents;
mod apart;
mod artifacts;
mod checkout;
mod client;
mod commands;
mod completions;
mod conditions;
mod doctor;
mod drive;
mod edges;
mod fake;
mod generated;
mod guard;
mod histories;
mod hooks;
mod hostile;
mod identity;
mod install;
mod kills;
mod linear;
mod namespace;
mod owners;
mod pages;
mod parameters;
mod places;
mod printed;
mod pushing;
mod race;
mod readme;
mod sandbox;
mod scene;
mod script;
mod settings;
mod situations;
mod snapshots;
mod starting;
mod strange;
mod tables;
mod tidy;
mod troff;
mod vantage;
mod walk;
mod wrapped;
