//! The model checker: the shipped protocol in a simulated world.
//!
//! [`fs`] is a file system in memory, [`power`] what a power cut can lose of it, [`dir`] the
//! operations on it as steps, [`world`] everything else that commands see of each other. [`run`]
//! makes one run of a scenario, decision by decision; [`explore`] decides which runs to make.
//! `conductor` puts the shipped protocol into it, and [`monitor`] looks at it after every step:
//!
//! - `claims` and `sprints`: two and three commands at once, in every order with few preemptions
//!   and in random ones, with the mutex working, absent and granted to everyone; `history`: random
//!   runs can be explained by the rules applied one after another;
//! - `kills`: one is killed before any step; `faults`: any operation fails; `cuts_protocol`: the
//!   power is cut; `verdicts`: the living are judged dead; `scripts`: the shell script is about;
//! - `latches`: what is left of a latch that its maker has not marked;
//! - `broken`: each defence of the protocol switched off, which must be found;
//! - `ledger`: [`clones`] of several machines share a sprint through a [`server`] with one ref, and
//!   `ledger_broken` switches off each defence of their engine.
//!
//! `posix` compares the file system with the real one; `harness`, `cuts` and `naive` test the
//! checker itself: it must find what is broken and let pass what is not.
//!
//! `MODEL_DEPTH` sets the effort: the number of preemptions (2 unless set), and ten times the
//! random runs for each further one. Deeper runs multiply; `--release` is worth while for them.
//! `MODEL_REPLAY` repeats one run and prints its trace; `--nocapture` shows how many runs were
//! made.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::items_after_statements,
    reason = "the whole crate is a test; a script stands where it is used"
)]

mod broken;
mod claims;
mod clones;
mod conductor;
mod cuts;
mod cuts_protocol;
mod dir;
mod explore;
mod faults;
mod fs;
mod harness;
mod history;
mod kills;
mod latches;
mod ledger;
mod ledger_broken;
mod monitor;
mod naive;
mod plan;
mod posix;
mod power;
mod rng;
mod run;
mod scripts;
mod server;
mod sprints;
mod verdicts;
mod world;
