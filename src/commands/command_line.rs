//! The command line: what was typed becomes what is meant, here. The doc comments are the help.

use std::ffi::OsString;

use clap::{FromArgMatches as _, Parser};
use jiff::Timestamp;

use super::Command;
use super::options::Options;
use crate::error::{Failure, FailureKind, Stop};
use crate::record::near::nearest;
use crate::ui::{self, Format, Printed};

/// Several agent sessions on one repository without stepping on each other
///
/// A sprint is a graph of phases. An agent claims a phase, does the work itself,
/// and completes it with an artifact; whatever waits for it opens. Without a
/// command, shows the board: who is at what, what is done, what is open.
///
/// There is no daemon. The truth is a directory of files, the store, that all
/// worktrees of a repository share and that changes by atomic steps only. A
/// repository without a sprint behaves as if this program were not there.
///
/// Answers are printed to standard output, one line or, with --json, one JSON
/// object; what is said about them goes to standard error.
#[derive(Debug, Parser)]
#[command(
    name = "git-conductor",
    bin_name = "git conductor",
    version,
    disable_help_subcommand = true,
    verbatim_doc_comment,
    after_help = "More of a command: git conductor COMMAND -h\nThe manual: git conductor --help, after git conductor install\n\nExamples:\n  git conductor start --goal 'add OAuth login'\n  git conductor next --claim\n  git conductor complete think --artifact notes.md"
)]
pub struct Cli {
    #[command(flatten)]
    pub(super) options: Options,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

/// Reads a command line, which begins with the program's name, by what [`command`] defines; nothing
/// is done yet.
///
/// # Errors
/// What is printed instead of doing it: what is wrong, or the help or version that was asked for.
pub fn parse(known: &mut clap::Command, args: &[OsString]) -> Result<Cli, Printed> {
    known
        .try_get_matches_from_mut(args)
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(|error| usage(&error.format(known), args))
}

/// Reads a command line that begins with a command's name and is right: with just that command
/// beside the common options, which are otherwise copied for every command there is. `None` for any
/// other, which [`parse`] reads.
pub(super) fn parse_named(known: &clap::Command, args: &[OsString]) -> Option<Cli> {
    let named = known.find_subcommand(args.get(1)?)?;
    let mut slim = clap::Command::new("git-conductor")
        .args(known.get_arguments().cloned())
        .subcommand(named.clone())
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .disable_version_flag(true);
    let matches = slim.try_get_matches_from_mut(args).ok()?;
    std::mem::forget(slim);
    Cli::from_arg_matches(&matches).ok()
}

/// The definitions of the command line, for what is generated from them: man pages, completions.
#[must_use]
pub fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// What a wrong command line, or one that asks for help, prints.
fn usage(error: &clap::Error, args: &[OsString]) -> Printed {
    let text = error.render().to_string();
    if !error.use_stderr() {
        // git takes '--help' right after the program's name for itself, and looks for the manual.
        let out = match named(&command(), args) {
            Some(_) => text,
            None => text.replace(" (see more with '--help')", ""),
        };
        return Printed { out: format!("{}\n", out.trim_end()), ..Printed::default() };
    }
    let json = args.iter().any(|arg| arg == "--json");
    let (how, help) = usage_line(args);
    let mut failure = Failure::new(FailureKind::Usage, complaint(&text));
    failure.hints.extend(meant(error, args).map(|word| format!("did you mean '{word}'?").into()));
    failure.hints.push(help.into());
    let mut printed = ui::output::refused(
        &Stop::Failed(failure),
        Format { json, ..Format::plain(Timestamp::now()) },
    );
    // As git does it, between the error and the hints.
    if let Some((problem, hints)) = printed.err.split_once('\n') {
        printed.err = format!("{problem}\n{how}\n{hints}");
    }
    printed
}

/// The problem, which clap's text begins with.
fn complaint(text: &str) -> String {
    let first = text.split("\n\n").next().unwrap_or_default();
    let first = first.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    first.strip_prefix("error: ").unwrap_or(&first).to_owned()
}

/// A guess must not lead anybody to these.
const HARM: &[&str] =
    &["--force", "--store", "clean", "archive", "unstuck", "abort", "start", "drop"];

/// The command, option or value that was probably meant by an unknown one.
fn meant(error: &clap::Error, args: &[OsString]) -> Option<String> {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    let words = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => vec![word.clone()],
        Some(ContextValue::Strings(words)) => words.clone(),
        _ => Vec::new(),
    };
    let near = |typed, known: &[String]| {
        let typed = words(typed).pop()?;
        nearest(&typed, known.iter().map(String::as_str)).map(str::to_owned)
    };
    let kind = error.kind();
    let word = if kind == ErrorKind::InvalidSubcommand {
        let mut all = command();
        all.build();
        let one_of = named(&all, args).unwrap_or(&all);
        let names = one_of.get_subcommands().map(|known| known.get_name().to_owned());
        let shows = one_of.find_subcommand("show");
        let shows = shows.is_some_and(|show| show.get_positionals().next().is_some());
        // What can be shown is often named without saying so.
        near(ContextKind::InvalidSubcommand, &names.collect::<Vec<_>>()).or_else(|| {
            let typed = words(ContextKind::InvalidSubcommand).pop()?;
            let name = one_of.get_name();
            (shows && name != "git-conductor").then(|| format!("{name} show {typed}"))
        })
    } else if kind == ErrorKind::InvalidValue {
        near(ContextKind::InvalidValue, &words(ContextKind::ValidValue))
    } else if kind == ErrorKind::UnknownArgument {
        // Of options clap knows which of them can still be given.
        words(ContextKind::SuggestedArg).pop()
    } else {
        None
    };
    // Nor to the second best, where one of them is the best.
    word.filter(|word| !HARM.contains(&word.as_str()))
}

/// The command that `args` name, or what that is to do.
fn named<'a>(commands: &'a clap::Command, args: &[OsString]) -> Option<&'a clap::Command> {
    let mut words = args.iter().skip(1).map(|arg| arg.to_str().unwrap_or_default());
    let command = commands.find_subcommand(first(commands, &mut words)?)?;
    let action = first(command, &mut words).and_then(|word| command.find_subcommand(word));
    Some(action.unwrap_or(command))
}

/// The first of the words that is no option of `command`, and no option's value.
fn first<'a>(
    command: &clap::Command,
    words: &mut impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    while let Some(word) = words.next() {
        if word == "--" {
            return None;
        }
        let Some(name) = word.strip_prefix('-') else { return Some(word) };
        let is_it = |arg: &&clap::Arg| {
            arg.get_long().is_some_and(|long| name.strip_prefix('-') == Some(long))
                || arg.get_short().is_some_and(|short| name == short.to_string())
        };
        let option = command.get_arguments().find(is_it);
        if option.is_some_and(|arg| arg.get_action().takes_values()) {
            words.next();
        }
    }
    None
}

/// How the command that `args` name is used, and the command line that says more.
fn usage_line(args: &[OsString]) -> (String, String) {
    let mut commands = command();
    commands.build();
    let (mut named, help) = match named(&commands, args) {
        Some(found) => {
            let name = found.get_bin_name().unwrap_or_else(|| found.get_name());
            (found.clone(), format!("{name} -h"))
        }
        None => (commands, "git conductor -h".to_owned()),
    };
    (named.render_usage().to_string().replace("Usage: ", "usage: "), help)
}
