//! What a shell offers when its user presses Tab: `git-conductor __complete WORD…`, which the files
//! in `completions/` call with what is typed after the command's name, up to the cursor.
//!
//! Each line of the answer is a word, a tab and what the word is for. A word that ends in `=` wants
//! a value. Three words are no offers but orders: `:files` and `:directories`, that the shell
//! complete these, and `:list`, that a comma may follow the words below.
//!
//! Nothing is ever said on stderr, and it always ends well: without a repository or a store that
//! can be read there is just less to offer.

use std::ffi::{OsStr, OsString};

use clap::builder::{StyledStr, ValueHint};
use clap::{Arg, ArgMatches, Command, FromArgMatches as _};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, complete};

use super::Global;
use super::candidates::{self, Candidate, Wanted};
use super::command;
use super::options::Options;
use crate::error;
use crate::ui::Printed;

/// The first argument of a call that asks for completion. It is looked for before the command line
/// is read, so that other commands know nothing of all this.
pub(super) const ASKED: &str = "__complete";

/// The shell is to complete files.
const FILES: &str = ":files";
/// The shell is to complete directories.
const DIRECTORIES: &str = ":directories";
/// A comma may follow.
const LIST: &str = ":list";

/// The answer to `typed`: the words after the program's name, the last one as far as the cursor.
pub(super) fn answer(typed: &[OsString]) -> Printed {
    // The engine is young. Whoever presses Tab has no use for what a panic says.
    std::panic::set_hook(Box::new(|_| {}));
    let out = std::panic::catch_unwind(|| offered(typed)).unwrap_or_default();
    Printed { out, exit: error::OK, ..Printed::default() }
}

fn offered(typed: &[OsString]) -> String {
    let (current, before) = match typed.split_last() {
        Some((current, before)) => (current.clone(), before),
        None => (OsString::new(), typed),
    };
    let mut known = command();
    known.build();
    let mut words = joined(&known, before);
    let mut known = live(known, &read(&words));
    words.push(current.clone());
    let last = words.len() - 1;
    let found = complete(&mut known, words, last, None).unwrap_or_default();
    lines(&known, &found, &current.to_string_lossy())
}

/// The program's name and `words`, options and their values as one word each: in `--agent status`
/// clap's engine would take the value for the command.
fn joined(known: &Command, words: &[OsString]) -> Vec<OsString> {
    let mut joined = vec![OsString::from("git-conductor")];
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut word = word.clone();
        if word == "--" {
            joined.push(word);
            break;
        }
        let wants = word.to_str().is_some_and(|word| wants_value(known, word));
        // The value of the last one is what is being completed.
        if let Some(value) = words.as_slice().first().filter(|_| wants) {
            word.push("=");
            word.push(value);
            words.next();
        }
        joined.push(word);
    }
    joined.extend(words.cloned());
    joined
}

/// What can be told from the words before the cursor, wrong as they may be.
fn read(words: &[OsString]) -> ArgMatches {
    let lenient = command().ignore_errors(true).disable_help_flag(true).disable_version_flag(true);
    lenient.try_get_matches_from(words).unwrap_or_default()
}

/// The definitions (built), in which arguments know what the board has for them.
fn live(known: Command, typed: &ArgMatches) -> Command {
    let options = Options::from_arg_matches(typed).ok();
    let asker = options.map_or_else(Global::default, |options| Global {
        session: None,
        agent: options.agent,
        pid: options.pid,
        store: options.store,
    });
    let mut innermost = typed;
    while let Some((_, inner)) = innermost.subcommand() {
        innermost = inner;
    }
    let flag = |name: &str| matches!(innermost.try_get_one(name), Ok(Some(true)));
    let before = Before {
        // Who waits can name what is not open yet.
        open: if flag("wait") { Wanted::All } else { Wanted::Open { takeover: flag("takeover") } },
        all: flag("all"),
        names: match innermost.try_get_many::<String>("names") {
            Ok(Some(names)) => names.cloned().collect(),
            Ok(None) | Err(_) => Vec::new(),
        },
        asker,
    };
    let known = known.mut_args(|arg| offering(arg, "", &before));
    known.mut_subcommands(|command| {
        let name = command.get_name().to_owned();
        let command = command.mut_args(|arg| offering(arg, &name, &before));
        command.mut_subcommands(|action| action.mut_args(|arg| offering(arg, &name, &before)))
    })
}

/// What stands before the cursor.
struct Before {
    asker: Global,
    /// The phases that can be claimed with the options there.
    open: Wanted,
    /// Whether all are meant, so that none is named.
    all: bool,
    /// Those of several that are named already.
    names: Vec<String>,
}

/// `arg` of `command`, with what it offers.
fn offering(arg: Arg, command: &str, before: &Before) -> Arg {
    let Before { asker, open, all, names } = before;
    let who = asker.clone();
    let phases = |wanted| values(move || candidates::phases(&who, wanted).unwrap_or_default());
    // A path is for the shell to complete, which knows its `~` and its quotes.
    let order =
        |order| ArgValueCompleter::new(move |_: &OsStr| vec![CompletionCandidate::new(order)]);
    let hint = arg.get_value_hint();
    let completer = match (command, arg.get_id().as_str()) {
        ("unstuck", "phase") | ("salvage", "names") if *all => return arg,
        ("claim" | "run", "phase") => phases(*open),
        ("complete" | "abort", "phase") => phases(Wanted::Mine),
        ("unstuck", "phase") => phases(Wanted::Claimed),
        (_, "phase") => phases(Wanted::All),
        ("start", "from") => phases(Wanted::Last),
        ("start", "resume") => {
            let asker = asker.clone();
            values(move || candidates::ended(&asker).unwrap_or_default())
        }
        ("start", "carry") => {
            let asker = asker.clone();
            ArgValueCompleter::new(move |typed: &OsStr| carried(&asker, typed))
        }
        ("salvage", "name" | "names") => {
            let named = names.clone();
            values(move || {
                let kept = candidates::salvaged().unwrap_or_default().into_iter();
                kept.filter(|offer| !named.contains(&offer.word)).collect()
            })
        }
        ("notes", "remote") => values(|| candidates::remotes().unwrap_or_default()),
        ("notes", "rev") | (_, "commit") => values(|| candidates::revisions().unwrap_or_default()),
        (_, "sprint") => {
            let asker = asker.clone();
            values(move || candidates::sprints(&asker).unwrap_or_default())
        }
        (_, "agent" | "by") => {
            let asker = asker.clone();
            values(move || candidates::agents(&asker).unwrap_or_default())
        }
        ("start", "phases") => ArgValueCompleter::new(graph),
        _ if hint == ValueHint::DirPath => order(DIRECTORIES),
        _ if matches!(hint, ValueHint::AnyPath | ValueHint::FilePath) => order(FILES),
        _ => return arg,
    };
    arg.add(completer)
}

/// A list of phases, or a file that has one.
fn graph(typed: &OsStr) -> Vec<CompletionCandidate> {
    let offers = typed.to_str().map(candidates::list).unwrap_or_default();
    if offers.is_empty() {
        return vec![CompletionCandidate::new(FILES)];
    }
    std::iter::once(CompletionCandidate::new(LIST))
        .chain(offers.into_iter().map(candidate))
        .collect()
}

/// A list of phases that can be carried.
fn carried(asker: &Global, typed: &OsStr) -> Vec<CompletionCandidate> {
    let Some(typed) = typed.to_str() else { return Vec::new() };
    let offers = candidates::carried(asker, typed).unwrap_or_default().into_iter().map(candidate);
    std::iter::once(CompletionCandidate::new(LIST)).chain(offers).collect()
}

/// Completes with those of the offers that begin as what is typed.
fn values(offers: impl Fn() -> Vec<Candidate> + Send + Sync + 'static) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| {
        let offers = offers().into_iter();
        let begins =
            |offer: &Candidate| typed.to_str().is_some_and(|typed| offer.word.starts_with(typed));
        offers.filter(begins).map(candidate).collect()
    })
}

fn candidate(offer: Candidate) -> CompletionCandidate {
    CompletionCandidate::new(offer.word).help(Some(StyledStr::from(offer.about)))
}

/// The lines that are printed.
fn lines(known: &Command, found: &[CompletionCandidate], current: &str) -> String {
    let mut out = String::new();
    for candidate in found {
        let Some(word) = candidate.get_value().to_str() else { continue };
        // Nobody who has typed nothing yet wants to see every option.
        if word.starts_with('-') && current.is_empty() {
            continue;
        }
        // An order after '--option=' has that before it.
        let order = [FILES, DIRECTORIES, LIST].into_iter().find(|order| word.ends_with(order));
        let word = order.unwrap_or(word);
        let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
        let about = help.lines().next().unwrap_or_default();
        let about = about
            .split(" [")
            .next()
            .and_then(|about| about.split(" (see more").next())
            .unwrap_or_default();
        let value = if wants_value(known, word) { "=" } else { "" };
        out.extend([word, value, "\t", about, "\n"]);
    }
    out
}

/// Whether `word` is an option that cannot do without a value.
fn wants_value(known: &Command, word: &str) -> bool {
    let Some(name) = word.strip_prefix("--") else { return false };
    let actions = known.get_subcommands().flat_map(Command::get_subcommands);
    let mut commands = std::iter::once(known).chain(known.get_subcommands()).chain(actions);
    commands.any(|command| {
        command.get_arguments().any(|arg| {
            let needs = arg.get_num_args().is_none_or(|count| count.min_values() > 0);
            arg.get_long() == Some(name) && arg.get_action().takes_values() && needs
        })
    })
}
