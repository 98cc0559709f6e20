//! `git conductor`: see the library's documentation for the code map.

use std::process::ExitCode;

fn main() -> ExitCode {
    let ended = std::panic::catch_unwind(|| git_conductor::commands::main(std::env::args_os()));
    // The panic's own message has been printed.
    ExitCode::from(ended.unwrap_or(git_conductor::error::BUG))
}
