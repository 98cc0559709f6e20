//! The program's beginning: the command line is read, and the command is run.

use std::ffi::OsString;

use super::command_line::{Cli, command, parse, parse_named};
use super::run::supervisor;
use super::session::Session;
use super::{Command, completion};
use crate::error;
use crate::host::signals::outlive_the_limit_of_files;

/// Runs the program: `args` begins with its name. Gives the exit code.
pub fn main(args: impl IntoIterator<Item = OsString>) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    if args.get(1).is_some_and(|first| first == completion::ASKED) {
        return completion::answer(&args[2..]).write();
    }
    if args.get(1).is_some_and(|first| first == supervisor::ASKED) {
        return supervisor::run(&args[2..]).unwrap_or(error::USAGE);
    }
    let mut known = command();
    let parsed = match parse_named(&known, &args) {
        Some(cli) => Ok(cli),
        None => parse(&mut known, &args),
    };
    // Thousands of small pieces, which the end of the process gives back at once.
    std::mem::forget(known);
    match parsed {
        Ok(Cli { options, command }) => {
            let command = command.unwrap_or_default();
            if !matches!(command, Command::Run(_)) {
                outlive_the_limit_of_files();
            }
            let mut session = Session::new(options);
            let result = command.run(&mut session);
            session.end(result)
        }
        Err(printed) => printed.write(),
    }
}
