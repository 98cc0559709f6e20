//! The manual: one page for the program and for each command, made from the definitions of the
//! command line, the tables in `tables.rs` and the prose in `doc/`; and the page of the protocol,
//! all prose.

use std::collections::BTreeSet;

use git_conductor::error::EXIT_CODES;

use crate::tables::{ANY, FILES, OTHER, PAGES, Page, Row, SETTINGS, VARIABLES};
use crate::troff::{block, escaped, inline, sections, tagged};
use crate::{Files, definitions, examples, root};

/// When the pages were last changed by hand; a page does not tell when it was built.
const DATE: &str = "2026-11-22";
/// The program, and its page.
pub const TOP: &str = "git-conductor";
/// Who writes another client reads this.
pub const PROTOCOL: &str = "git-conductor-protocol";
/// The order of the sections. What the prose has besides comes before EXIT STATUS.
const LAST: &[&str] = &["NOTES", "SECURITY", "BUGS"];

fn head(name: &str, section: u8) -> String {
    let title = escaped(&name.to_uppercase());
    // The program's, not that of this package.
    let program = git_conductor::commands::command();
    let version = program.get_version().unwrap_or_default();
    format!(
        ".\\\" Made by 'cargo xtask generate man', do not edit.\n\
         .TH \"{title}\" \"{section}\" \"{DATE}\" \"git\\-conductor {version}\" \
         \"Git Conductor Manual\"\n\
         .\\\" As git's own pages are set: no word is broken, and none is spread.\n.nh\n.ad l\n"
    )
}

fn section(page: &mut String, title: &str, body: &str) {
    if !body.is_empty() {
        // What begins a section begins a paragraph.
        let body = body.strip_prefix(".PP\n").unwrap_or(body);
        page.extend([".SH ", title, "\n", body]);
    }
}

/// The text of `doc/NAME.md`; empty if there is none.
pub fn prose(name: &str) -> String {
    std::fs::read_to_string(root().join("doc").join(format!("{name}.md"))).unwrap_or_default()
}

/// A value's placeholders: `<PATH>`, or as they were written where they are words to choose from.
fn placeholders(arg: &clap::Arg) -> String {
    let shown = |name: &str| {
        let name = escaped(name);
        if name.contains('|') {
            name.split('|').map(|word| format!("\\fB{word}\\fR")).collect::<Vec<_>>().join("|")
        } else {
            format!("\\fI{name}\\fR")
        }
    };
    match arg.get_value_names() {
        None => shown(&arg.get_id().as_str().to_uppercase()),
        Some(names) => names.iter().map(|name| shown(name)).collect::<Vec<_>>().join(" "),
    }
}

fn needs_value(arg: &clap::Arg) -> bool {
    arg.get_num_args().is_none_or(|count| count.min_values() > 0)
}

/// An option as it stands in a command line.
fn written(arg: &clap::Arg) -> String {
    let name = format!("\\fB\\-\\-{}\\fR", escaped(arg.get_long().unwrap()));
    match (arg.get_action().takes_values(), needs_value(arg)) {
        (false, _) => name,
        (true, true) => format!("{name} {}", placeholders(arg)),
        (true, false) => format!("{name} [{}]", placeholders(arg)),
    }
}

fn is_help(arg: &clap::Arg) -> bool {
    matches!(arg.get_id().as_str(), "help" | "version")
}

/// The options of a command's own, without those that every command takes.
fn own_options(command: &clap::Command) -> impl Iterator<Item = &clap::Arg> {
    let all = command.get_arguments();
    all.filter(|arg| arg.get_long().is_some() && !arg.is_global_set() && !arg.is_hide_set())
}

/// What a command of several words does, each by its own name.
fn actions(command: &clap::Command) -> impl Iterator<Item = &clap::Command> {
    let is_top = command.get_name() == TOP;
    command.get_subcommands().filter(move |_| !is_top)
}

fn synopsis(command: &clap::Command, typed: &str) -> String {
    let each =
        actions(command).map(|action| usage(action, &format!("{typed} {}", action.get_name())));
    let without = !command.is_subcommand_required_set();
    let lines: Vec<String> =
        without.then(|| usage(command, typed)).into_iter().chain(each).collect();
    lines.join(".br\n")
}

/// How one is used, in a line.
fn usage(command: &clap::Command, typed: &str) -> String {
    let mut words = vec![format!("\\fB{}\\fR", escaped(typed).replace(' ', "\\ "))];
    if command.get_name() == TOP {
        words.push("[\\fIOPTIONS\\fR] [\\fICOMMAND\\fR]".to_owned());
    }
    let mut told = BTreeSet::new();
    for arg in own_options(command).filter(|arg| !is_help(arg)) {
        if !told.insert(arg.get_id().clone()) {
            continue;
        }
        let mut choice = vec![written(arg)];
        for other in command.get_arg_conflicts_with(arg) {
            if other.get_long().is_some() && told.insert(other.get_id().clone()) {
                choice.push(written(other));
            }
        }
        words.push(format!("[{}]", choice.join(" | ").replace(' ', "\\ ")));
    }
    for arg in command.get_positionals() {
        let name = placeholders(arg);
        words.push(if arg.is_required_set() { name } else { format!("[{name}]") });
    }
    words.join("\n") + "\n"
}

fn about(command: &clap::Command) -> String {
    command.get_about().unwrap().to_string()
}

/// What the long help says beyond its first line, and the prose beyond that.
fn description(command: &clap::Command, more: &str) -> String {
    let long = command.get_long_about().map(ToString::to_string).unwrap_or_default();
    let paragraphs = long.split("\n\n").skip(1);
    let own = paragraphs.fold(String::new(), |out, text| out + ".PP\n" + &escaped(text) + "\n");
    let first = if own.is_empty() { format!("{}.\n", escaped(&about(command))) } else { own };
    first + more
}

fn option(arg: &clap::Arg) -> String {
    let help = escaped(&arg.get_help().unwrap_or_default().to_string());
    let short = arg.get_short().map(|short| format!("\\fB\\-{short}\\fR, ")).unwrap_or_default();
    let tag = match arg.get_long() {
        Some(_) => short + &written(arg),
        None => placeholders(arg),
    };
    let default = arg.get_default_values().first().filter(|_| !arg.is_hide_default_value_set());
    let takes = arg.get_action().takes_values();
    let default = default
        .filter(|_| takes)
        .map(|value| format!(" [default: {}]", escaped(&value.to_string_lossy())));
    tagged(&tag, &format!("{help}{}", default.unwrap_or_default()))
}

/// What it takes that others do not.
fn of_its_own(command: &clap::Command) -> String {
    let mut out: String = command.get_positionals().map(option).collect();
    out.extend(own_options(command).map(option));
    out
}

fn options(command: &clap::Command) -> String {
    let mut out = of_its_own(command);
    for action in actions(command) {
        let mut own: String = action.get_positionals().map(option).collect();
        own.extend(own_options(action).filter(|arg| !is_help(arg)).map(option));
        out.extend([".SS ", action.get_name(), "\n", &escaped(&about(action)), ".\n", &own]);
    }
    out.push_str(".SS Common options\n");
    let common = command.get_arguments().filter(|arg| arg.is_global_set() && !arg.is_hide_set());
    out.extend(common.map(option));
    out
}

fn commands(command: &clap::Command) -> String {
    let is_top = command.get_name() == TOP;
    let each = command.get_subcommands().filter(|command| is_top && !command.is_hide_set());
    each.map(|command| {
        let name = escaped(command.get_name());
        tagged(&format!("\\fBgit\\-conductor\\-{name}\\fR(1)"), &escaped(&about(command)))
    })
    .collect()
}

/// The page's rows of a table.
fn rows(table: &[Row], command: Option<&str>) -> String {
    let concerned = table.iter().filter(|row| row.concerns(command));
    concerned
        .map(|row| {
            let default = match row.default {
                "" => String::new(),
                default => format!(" (default: {})", inline(default)),
            };
            tagged(&inline(row.name), &(inline(row.about) + &default))
        })
        .collect()
}

/// What is told of a command.
fn told(command: &str) -> &'static Page {
    PAGES.iter().find(|page| page.command == command).unwrap_or(&OTHER)
}

/// The codes that a command can end with; without one, those of all of them.
pub fn exits(command: Option<&str>) -> BTreeSet<u8> {
    let own: Vec<u8> = match command {
        Some(command) => told(command).exits.to_vec(),
        None => PAGES.iter().flat_map(|page| page.exits).copied().collect(),
    };
    ANY.iter().copied().chain(own).collect()
}

fn exit_status(command: Option<&str>) -> String {
    let can = exits(command);
    let codes = EXIT_CODES.iter().filter(|(code, _)| can.contains(code));
    codes.map(|(code, meaning)| tagged(&format!("\\fB{code}\\fR"), &inline(meaning))).collect()
}

fn see_also(command: Option<&str>) -> String {
    let mut pages: Vec<String> = match command {
        Some(command) => {
            let own = told(command).see_also.iter().map(|page| (*page).to_owned());
            std::iter::once(format!("{TOP}(1)")).chain(own).collect()
        }
        None => ["git(1)", "git-worktree(1)", "githooks(5)"].map(str::to_owned).to_vec(),
    };
    pages.push(format!("{PROTOCOL}(7)"));
    let shown = |page: &String| {
        let (name, section) = page.split_once('(').unwrap();
        format!("\\fB{}\\fR({section}", escaped(name))
    };
    pages.iter().map(shown).collect::<Vec<_>>().join(",\n") + "\n"
}

/// The page of a command, or of the program.
fn page(definition: &clap::Command, command: Option<&str>) -> String {
    let name = command.map_or_else(|| TOP.to_owned(), |command| format!("{TOP}-{command}"));
    let typed = command.map_or("git conductor".to_owned(), |name| format!("git conductor {name}"));
    let prose = sections(&prose(command.unwrap_or(TOP)));
    let part = |title: &str| {
        let own = prose.iter().find(|(known, _)| known == title);
        own.map(|(_, body)| body.as_str()).unwrap_or_default()
    };
    let mut page = head(&name, 1);
    let line = format!("{} \\- {}\n", escaped(&name), escaped(&about(definition)));
    section(&mut page, "NAME", &line);
    section(&mut page, "SYNOPSIS", &synopsis(definition, &typed));
    section(&mut page, "DESCRIPTION", &description(definition, part("DESCRIPTION")));
    section(&mut page, "OPTIONS", &options(definition));
    section(&mut page, "COMMANDS", &commands(definition));
    let known = |title: &str| ["DESCRIPTION", "EXAMPLES"].contains(&title) || LAST.contains(&title);
    for (title, body) in prose.iter().filter(|(title, _)| !known(title)) {
        section(&mut page, title, body);
    }
    section(&mut page, "EXIT STATUS", &exit_status(command));
    section(&mut page, "CONFIGURATION", &rows(SETTINGS, command));
    section(&mut page, "ENVIRONMENT", &rows(VARIABLES, command));
    section(&mut page, "FILES", &rows(FILES, command));
    let lines = block(&examples(definition).join("\n"));
    section(&mut page, "EXAMPLES", &(lines + part("EXAMPLES")));
    for title in LAST {
        section(&mut page, title, part(title));
    }
    section(&mut page, "SEE ALSO", &see_also(command));
    page
}

/// The page that is all prose: its first line is its name.
fn protocol() -> String {
    let text = prose("protocol");
    let (title, _) = text.split_once('\n').unwrap();
    let (name, about) = title.strip_prefix("# ").unwrap().split_once("(7) - ").unwrap();
    let mut page = head(name, 7);
    section(&mut page, "NAME", &format!("{} \\- {}\n", escaped(name), escaped(about)));
    for (title, body) in sections(&text) {
        section(&mut page, &title.to_uppercase(), &body);
    }
    page
}

/// All pages, by the names of their files.
pub fn all() -> Files {
    let definitions = definitions();
    let mut pages = Files::from([
        (format!("{TOP}.1"), page(&definitions, None)),
        (format!("{PROTOCOL}.7"), protocol()),
    ]);
    for command in definitions.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = command.get_name();
        pages.insert(format!("{TOP}-{name}.1"), page(command, Some(name)));
    }
    pages
}
