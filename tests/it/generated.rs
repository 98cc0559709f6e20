//! What is made from the definitions of the command line and lies in the repository: man pages,
//! the table of exit codes in README. `UPDATE=1 cargo test --test it generated` makes
//! it anew; without UPDATE what lies there must be just that, no file more and none less.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use git_conductor::error::EXIT_CODES;

use crate::scene::wanting;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

type Files = BTreeMap<String, String>;

/// The definitions, ready to be read.
pub(crate) fn definitions() -> clap::Command {
    let mut command = git_conductor::cli::command();
    command.build();
    command
}

/// Text that troff leaves as it is.
fn troff(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

fn section(page: &mut String, title: &str, lines: impl IntoIterator<Item = String>) {
    page.extend([".SH ", title, "\n"]);
    page.extend(lines.into_iter().map(|line| line + "\n"));
}

/// The examples of a command's help.
fn examples(command: &clap::Command) -> Vec<String> {
    let help = command.get_after_help().unwrap_or_default().to_string();
    let lines = help.lines().filter_map(|line| line.strip_prefix("  "));
    lines.map(str::to_owned).collect()
}

fn see_also(name: &str) -> String {
    let commands = definitions();
    let subcommands =
        commands.get_subcommands().map(|command| format!("git-conductor-{}", command.get_name()));
    let pages = std::iter::once("git-conductor".to_owned()).chain(subcommands);
    let others: Vec<String> = pages
        .filter(|page| page != name)
        .map(|page| format!("\\fB{}\\fR(1)", troff(&page)))
        .collect();
    others.join(",\n")
}

/// One man page.
fn page(command: &clap::Command, name: &str, typed: &str) -> String {
    // clap keeps names for ever.
    let own: &'static str = name.to_owned().leak();
    let bare = command.clone().name(own).display_name(own).bin_name(typed).after_help("");
    let man = clap_mangen::Man::new(bare);
    let mut out = Vec::new();
    man.render_name_section(&mut out).unwrap();
    // clap_mangen lists the options without their values.
    let usage = command.clone().render_usage().to_string();
    let usage = troff(usage.trim_start_matches("Usage: "));
    out.extend_from_slice(format!(".SH SYNOPSIS\n{usage}\n").as_bytes());
    man.render_description_section(&mut out).unwrap();
    man.render_options_section(&mut out).unwrap();
    // Each of them begins with the same two lines, which are needed once.
    let (quotes, body): (Vec<&str>, Vec<&str>) = std::str::from_utf8(&out)
        .unwrap()
        .lines()
        .partition(|line| line.starts_with(".ie ") || line.starts_with(".el "));
    let title = troff(&name.to_uppercase());
    let head = format!(".TH \"{title}\" \"1\" \"\" \"git\\-conductor\" \"Git Conductor Manual\"");
    let mut page = String::from(".\\\" Made by a test of git-conductor, do not edit.\n");
    for line in quotes.iter().take(2).copied().chain([head.as_str()]).chain(body) {
        page.push_str(line.trim_end());
        page.push('\n');
    }
    let commands: Vec<_> = command.get_subcommands().collect();
    if !commands.is_empty() {
        let about = |command: &clap::Command| troff(&command.get_about().unwrap().to_string());
        section(
            &mut page,
            "COMMANDS",
            commands.iter().map(|command| {
                format!(
                    ".TP\n\\fBgit\\-conductor\\-{}\\fR(1)\n{}",
                    command.get_name(),
                    about(command)
                )
            }),
        );
    }
    section(
        &mut page,
        "EXIT STATUS",
        EXIT_CODES.iter().map(|(code, meaning)| {
            format!(".TP\n\\fB{code}\\fR\n{}", troff(&meaning.replace('`', "'")))
        }),
    );
    let lines = examples(command).into_iter().map(|line| troff(&line));
    section(
        &mut page,
        "EXAMPLES",
        std::iter::once(".nf".to_owned()).chain(lines).chain([".fi".to_owned()]),
    );
    section(&mut page, "SEE ALSO", [see_also(name)]);
    page
}

fn man_pages() -> Files {
    let commands = definitions();
    let mut pages = Files::new();
    let top = "git-conductor";
    pages.insert(format!("{top}.1"), page(&commands, top, "git conductor"));
    for command in commands.get_subcommands() {
        let name = format!("{top}-{}", command.get_name());
        let typed = format!("git conductor {}", command.get_name());
        pages.insert(format!("{name}.1"), page(command, &name, &typed));
    }
    pages
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
    hold("man", &man_pages());
}

/// The table of exit codes, as README has it.
fn exit_codes() -> String {
    let rows = EXIT_CODES.iter().map(|(code, meaning)| format!("| {code} | {meaning} |\n"));
    "| exit | meaning |\n|---:|---|\n".to_owned() + &rows.collect::<String>()
}

#[test]
fn the_table_in_the_readme_is_up_to_date() {
    const BEGIN: &str = "<!-- exit codes -->\n";
    const END: &str = "<!-- end -->";
    let path = Path::new(ROOT).join("README.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("README.md has '<!-- exit codes -->'");
    let (_, after) = rest.split_once(END).expect("README.md has '<!-- end -->' after it");
    let wanted = format!("{before}{BEGIN}{}{END}{after}", exit_codes());
    if is_update() {
        std::fs::write(&path, &wanted).unwrap();
    } else {
        assert!(
            wanted == text,
            "the exit codes in README.md: UPDATE=1 cargo test --test it generated"
        );
    }
}

#[test]
fn troff_has_nothing_to_say_about_the_man_pages() {
    for (name, text) in man_pages() {
        for heading in
            ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "EXAMPLES", "SEE ALSO"]
        {
            let quoted = format!(".SH \"{heading}\"\n");
            assert!(
                text.contains(&format!(".SH {heading}\n")) || text.contains(&quoted),
                "{name}: {heading}"
            );
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(&name);
        std::fs::write(&path, &text).unwrap();
        let groff = std::process::Command::new("groff")
            .args(["-man", "-Tutf8", "-ww", "-z"])
            .arg(&path)
            .output();
        let Ok(output) = groff else {
            wanting("groff");
            return;
        };
        assert!(output.status.success() && output.stderr.is_empty(), "{name}: {output:?}");
    }
}

#[test]
fn every_example_is_understood() {
    let commands = definitions();
    let all = std::iter::once(&commands).chain(commands.get_subcommands());
    for line in all.flat_map(examples) {
        let words = shell_words(line.strip_prefix("git conductor ").unwrap());
        let words = std::iter::once("git-conductor".to_owned()).chain(words);
        if let Err(error) = git_conductor::cli::command().try_get_matches_from(words) {
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
