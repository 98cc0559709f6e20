//! What is made from the definitions of the command line and lies in the repository: see the
//! package `xtask`.

use xtask::task::{TASKS, check};
use xtask::{definitions, examples};

#[test]
fn nothing_generated_is_stale() {
    let stale = check(TASKS).unwrap();
    assert!(stale.is_empty(), "\n{}", stale.join("\n"));
}

#[test]
fn every_example_is_understood() {
    let commands = definitions();
    let all = std::iter::once(&commands).chain(commands.get_subcommands());
    for line in all.flat_map(examples) {
        let words = shell_words(line.strip_prefix("git conductor ").unwrap());
        let words = std::iter::once("git-conductor".to_owned()).chain(words);
        if let Err(error) = git_conductor::commands::command().try_get_matches_from(words) {
            panic!("{line}: {error}");
        }
    }
}

/// Words, as a shell tells them apart by blanks and single quotes.
fn shell_words(line: &str) -> Vec<String> {
    let pieces = line.split('\'').enumerate();
    let words = pieces.flat_map(|(n, piece)| match n % 2 {
        0 => piece.split_whitespace().map(str::to_owned).collect(),
        _ => vec![piece.to_owned()],
    });
    words.collect()
}
