//! The model checker: the shipped protocol in a simulated world.
//!
//! [`fs`] is a file system in memory, [`power`] what a power cut can lose of it, [`dir`] the
//! operations on it as steps, [`world`] everything else that commands see of each other. [`run`]
//! makes one run of a scenario, decision by decision; [`explore`] decides which runs to make.
//! `conductor` puts the shipped protocol into it. `posix` compares the file system with the real one; `harness`, `cuts` and `naive` test the checker
//! itself: it must find what is broken and let pass what is not.
//!
//! `MODEL_DEPTH` sets the effort (2 unless set); `MODEL_REPLAY` repeats one run.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "the whole crate is a test"
)]

mod conductor;
mod cuts;
mod dir;
mod explore;
mod fs;
mod harness;
mod naive;
mod plan;
mod posix;
mod power;
mod rng;
mod run;
mod world;
