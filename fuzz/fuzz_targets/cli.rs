//! The command line: whatever is typed, one argument a line, is understood or refused in a way that
//! is fit to be shown. Nothing is carried out.
#![no_main]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use git_conductor::commands::{command, parse};
use git_conductor::error::USAGE;
use git_conductor_fuzz::check_printed;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let typed = data.split(|byte| *byte == b'\n').map(|arg| OsString::from_vec(arg.to_vec()));
    let args: Vec<OsString> = std::iter::once("git-conductor".into()).chain(typed).collect();
    let Err(printed) = parse(&mut command(), &args) else { return };
    if printed.exit == 0 {
        // Help, or the version.
        assert!(printed.err.is_empty() && !printed.out.is_empty());
        check_printed(&printed, false);
    } else {
        assert_eq!(printed.exit, USAGE);
        assert!(printed.err.starts_with("error: "), "{}", printed.err);
        check_printed(&printed, args.iter().any(|arg| arg == "--json"));
    }
});
