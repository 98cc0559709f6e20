//! What is made from the definitions of the command line and lies in the repository: man pages,
//! tables in README, the list of what `install` carries. `UPDATE=1 cargo test --test it generated`
//! makes it anew; without UPDATE what lies there must be just that, no file more and none less.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use git_conductor::error::EXIT_CODES;

use crate::pages;
use crate::tables::{Row, SETTINGS, VARIABLES};

pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");

pub(crate) type Files = BTreeMap<String, String>;

/// The definitions, ready to be read.
pub(crate) fn definitions() -> clap::Command {
    let mut command = git_conductor::commands::command();
    command.build();
    command
}

/// The examples of a command's help.
pub(crate) fn examples(command: &clap::Command) -> Vec<String> {
    let help = command.get_after_help().unwrap_or_default().to_string();
    let lines = help.lines().skip_while(|line| *line != "Examples:").skip(1);
    lines.map_while(|line| line.strip_prefix("  ")).map(str::to_owned).collect()
}

/// The files of one directory, by name.
fn files(dir: &Path) -> Files {
    let Ok(entries) = std::fs::read_dir(dir) else { return Files::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(path).unwrap())
    };
    paths.map(read).collect()
}

fn is_update() -> bool {
    std::env::var_os("UPDATE").is_some_and(|value| value == "1")
}

/// Holds the directory `name` to just `wanted`.
fn hold(name: &str, wanted: &Files) {
    let dir = Path::new(ROOT).join(name);
    if is_update() {
        std::fs::create_dir_all(&dir).unwrap();
        for orphan in files(&dir).keys().filter(|file| !wanted.contains_key(*file)) {
            std::fs::remove_file(dir.join(orphan)).unwrap();
        }
        for (file, text) in wanted {
            std::fs::write(dir.join(file), text).unwrap();
        }
    }
    let there = files(&dir);
    let again = "UPDATE=1 cargo test --test it generated";
    for file in there.keys() {
        assert!(wanted.contains_key(file), "{name}/{file} is made from nothing: {again}");
    }
    for (file, text) in wanted {
        assert!(there.get(file) == Some(text), "{name}/{file} is missing or out of date: {again}");
    }
}

#[test]
fn man_pages_are_up_to_date() {
    hold("man", &pages::all());
}

#[test]
fn the_skill_is_up_to_date() {
    hold("skill", &Files::from([("SKILL.md".to_owned(), crate::skill::text())]));
}

/// The table of exit codes, as README has it.
fn exit_codes() -> String {
    let rows = EXIT_CODES.iter().map(|(code, meaning)| format!("| {code} | {meaning} |\n"));
    "| exit | meaning |\n|---:|---|\n".to_owned() + &rows.collect::<String>()
}

fn settings() -> String {
    let row = |row: &Row| format!("| {} | {} | {} |\n", row.name, row.default, row.about);
    let rows = SETTINGS.iter().map(row).collect::<String>().replace("|  |", "| |");
    "| setting | default | what it is for |\n|---|---|---|\n".to_owned() + &rows
}

fn variables() -> String {
    let rows = VARIABLES.iter().map(|row| format!("| {} | {} |\n", row.name, row.about));
    "| variable | what it is for |\n|---|---|\n".to_owned() + &rows.collect::<String>()
}

#[test]
fn the_tables_in_the_readme_are_up_to_date() {
    let path = Path::new(ROOT).join("README.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut wanted = text.clone();
    for (name, table) in
        [("exit codes", exit_codes()), ("settings", settings()), ("variables", variables())]
    {
        let begin = format!("<!-- {name} -->\n");
        let (before, rest) = wanted.split_once(&begin).expect(&begin);
        let (_, after) = rest.split_once("<!-- end -->").expect("the end of a table");
        wanted = format!("{before}{begin}{table}<!-- end -->{after}");
    }
    if is_update() {
        std::fs::write(&path, &wanted).unwrap();
    } else {
        assert!(wanted == text, "tables in README.md: UPDATE=1 cargo test --test it generated");
    }
}

/// What `install` carries is named in the code, since nothing else can put it into the program.
#[test]
fn what_install_carries_is_all_there_is() {
    let path = Path::new(ROOT).join("src/commands/install/shipped.rs");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, _) = text.split_once("/// The manual pages.\n").unwrap();
    let list = |dir: &str, files: Files| {
        let line = |name: &String| match dir {
            "man" => format!("    packed!(\"{name}\"),\n"),
            _ => format!("    shipped!(\"{dir}\", \"{name}\"),\n"),
        };
        files.keys().map(line).collect::<String>()
    };
    let wanted = format!(
        "{before}/// The manual pages.\npub(super) const PAGES: &[(&str, &[u8])] = &[\n{}];\n\n\
         /// The completions.\npub(super) const COMPLETIONS: &[(&str, &str)] = &[\n{}];\n",
        list("man", pages::all()),
        list("completions", files(&Path::new(ROOT).join("completions"))),
    );
    if is_update() {
        std::fs::write(&path, &wanted).unwrap();
    } else {
        assert!(wanted == text, "install/shipped.rs: UPDATE=1 cargo test --test it generated");
    }
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
