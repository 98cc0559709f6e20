//! The manual: what its pages tell is so, and programs that check pages have nothing to say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use xtask::definitions;
use xtask::pages::{PROTOCOL, TOP, all, exits, prose};
use xtask::tables::{FILES, PAGES, SETTINGS, VARIABLES};
use xtask::troff::{blocks, sections};

use crate::fixture::wanting;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn names() -> BTreeSet<String> {
    definitions().get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

#[test]
fn the_tables_and_the_prose_are_of_commands_that_there_are() {
    let names = names();
    for row in SETTINGS.iter().chain(VARIABLES).chain(FILES) {
        for command in row.named() {
            assert!(names.contains(*command), "'{command}' at {}", row.name);
        }
    }
    for page in PAGES {
        assert!(names.contains(page.command), "'{}'", page.command);
    }
    for entry in std::fs::read_dir(Path::new(ROOT).join("doc")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let of = name.strip_suffix(".md").unwrap();
        let known = names.contains(of) || [TOP, "protocol"].contains(&of);
        assert!(known, "doc/{name} is the prose of no page");
        let file = match of {
            TOP => format!("{TOP}.1"),
            "protocol" => format!("{PROTOCOL}.7"),
            command => format!("{TOP}-{command}.1"),
        };
        for (title, body) in sections(&prose(of)) {
            let (pages, body) = (all(), body.trim_start_matches(".PP\n").to_owned());
            assert!(pages[&file].contains(&body) && !body.is_empty(), "{name}: {title}");
        }
    }
}

#[test]
fn the_pages_are_of_this_version() {
    let version = format!("\"git\\-conductor {}\"", env!("CARGO_PKG_VERSION"));
    for (name, page) in all() {
        assert!(page.contains(&version), "{name}");
    }
}

/// What the snapshots show of each command is what its page says.
#[test]
fn a_command_ends_as_its_page_says() {
    let mut seen: BTreeMap<String, BTreeSet<u8>> = BTreeMap::new();
    for entry in std::fs::read_dir(Path::new(ROOT).join("tests/it/snapshots")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let mut command = None;
        for line in text.lines() {
            if let Some(typed) = line.strip_prefix("$ git conductor ") {
                command = typed.split(' ').next().filter(|name| names().contains(*name));
            } else if let Some(exit) = line.strip_prefix("--- exit ")
                && let Some(command) = command
            {
                seen.entry(command.to_owned()).or_default().insert(exit.parse().unwrap());
            }
        }
    }
    // Of what another program ended with no page can tell.
    if let Some(of_run) = seen.get_mut("run") {
        of_run.retain(|code| [0, 125].contains(code));
    }
    for (command, seen) in &seen {
        let can = exits(Some(command));
        assert!(can.is_superset(seen), "'{command}' ends with {seen:?}, and its page says {can:?}");
    }
    for page in PAGES {
        for code in page.exits {
            let seen = seen.get(page.command).is_some_and(|seen| seen.contains(code));
            assert!(seen, "no snapshot shows '{}' ending with {code}", page.command);
        }
    }
}

/// A page that is named is there, or is one of git or of the system.
#[test]
fn no_page_points_to_nowhere() {
    let pages = all();
    let pattern = regex::Regex::new(r"\b(git-conductor[a-z-]*)\(([0-9])\)").unwrap();
    for (file, text) in &pages {
        let plain = text.replace("\\-", "-").replace("\\fB", "").replace("\\fR", "");
        for found in pattern.captures_iter(&plain) {
            let named = format!("{}.{}", &found[1], &found[2]);
            assert!(pages.contains_key(&named), "{file} names {named}");
        }
    }
}

/// What a checker of pages prints about one; `None` if it is not here.
fn complaints(program: &str, args: &[&str], path: &Path) -> Option<String> {
    let checked = Command::new(program)
        .args(args)
        .arg(path)
        .env("LC_ALL", "C.UTF-8")
        .env("MANWIDTH", "60")
        .env_remove("MANOPT")
        .output();
    let Ok(output) = checked else {
        wanting(program);
        return None;
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let lint = if program == "mandoc" { String::from_utf8(output.stdout).unwrap() } else { said };
    let failed = if output.status.success() { "" } else { "it failed" };
    Some(lint + failed)
}

#[test]
fn nobody_has_anything_to_say_about_the_pages() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in all() {
        for heading in
            ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "EXAMPLES", "SEE ALSO"]
        {
            let wanted = text.contains(&format!("\n.SH {heading}\n")) || name.ends_with(".7");
            assert!(wanted, "{name}: {heading}");
        }
        let path = dir.path().join(&name);
        std::fs::write(&path, &text).unwrap();
        for (program, args) in [
            ("groff", &["-man", "-Tutf8", "-ww", "-z"][..]),
            ("mandoc", &["-Tlint", "-Wwarning"]),
            ("man", &["--warnings", "-l", "-P", "cat"]),
        ] {
            let Some(said) = complaints(program, args, &path) else { continue };
            assert_eq!(said, "", "{program} of {name}");
        }
    }
}

/// An option can be copied from a page into a shell.
#[test]
fn options_are_printed_with_plain_hyphens() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("page.1");
    std::fs::write(&path, &all()["git-conductor-complete.1"]).unwrap();
    let mut man = Command::new("man");
    man.args(["-P", "cat", "-l"]).arg(&path).env("MANWIDTH", "80").env("LC_ALL", "C.UTF-8");
    let Ok(output) = man.output() else {
        wanting("man");
        return;
    };
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("--verdict pass|fail") && text.contains("git-conductor-next(1)"),
        "{text}"
    );
    assert_eq!(blocks("a 'b' -- `c -d`"), ".PP\na \\(aqb\\(aq \\-\\- \\fBc\\ \\-d\\fR\n");
}
