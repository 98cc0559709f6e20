//! The command line: what was typed becomes what is meant once, here. The doc comments are the help.

mod agents;
mod commands;
mod completion;
mod evidence;
mod log;
mod manners;
mod run;
mod salvage;
mod telling;
mod waiting;

use std::ffi::OsString;

use clap::{FromArgMatches as _, Parser};
use jiff::Timestamp;

use crate::cmd::context::Need;
use crate::cmd::run::supervisor;
use crate::cmd::waiting::{Live as _, Patience};
use crate::cmd::{self, Context, Global, Outcome};
use crate::error::{self, Failure, FailureKind, Stop};
use crate::record::near::nearest;
use crate::report::{self, Format, Printed, text::Paint};
use commands::{Command, Options};
use manners::Manners;
use waiting::{StatusArgs, WaitArgs, WaitOptions};

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
    options: Options,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Runs the program: `args` begins with its name. Gives the exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
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
        Ok(cli) => {
            let options = cli.options.clone();
            let mut aside = Aside::default();
            if !matches!(cli.command, Some(Command::Run(_))) {
                cmd::signals::outlive_the_limit_of_files();
            }
            let mut result = execute(cli, &options, &mut aside).map_err(|stop| aside.admit(stop));
            if let Some(worktrees) = &aside.worktrees {
                cmd::worktrees::bring_up_to_date(worktrees, &mut result, options.json);
            }
            let format = aside.manners.format(&options);
            if let Ok(Outcome::Content(content)) = &result {
                return report::content::print(content, format);
            }
            let mut printed = report::render(&result, format);
            if let Some(code) = aside.refuses {
                printed.is_of_command = true;
                if result.is_err() {
                    printed.exit = code;
                }
            }
            let printed = match aside.warning {
                Some(text) => printed.warning(&text, format),
                None => printed,
            };
            let exit = printed.write();
            aside.typed.into_iter().for_each(cmd::run::pass_on_what_was_typed);
            exit
        }
        Err(printed) => printed.write(),
    }
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

/// Reads a command line that begins with a command's name and is right: with just that command beside
/// the common options, which are otherwise copied for every command there is. `None` for any other,
/// which [`parse`] reads.
fn parse_named(known: &clap::Command, args: &[OsString]) -> Option<Cli> {
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
    failure.hints.extend(meant(error).map(|word| format!("did you mean '{word}'?")));
    failure.hints.push(help);
    let mut printed = report::render(&Err(Stop::Failed(failure)), Format { json, ..plain() });
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
const HARM: &[&str] = &["--force", "--store", "clean", "archive", "unstuck", "abort", "start"];

/// The command, option or value that was probably meant by an unknown one.
fn meant(error: &clap::Error) -> Option<String> {
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
        let all = command();
        let names = all.get_subcommands().map(|known| known.get_name().to_owned());
        near(ContextKind::InvalidSubcommand, &names.collect::<Vec<_>>())
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

/// The first of `args` that is a command's name, as that command.
fn named<'a>(commands: &'a clap::Command, args: &[OsString]) -> Option<&'a clap::Command> {
    let words = args.iter().skip(1).filter_map(|arg| arg.to_str());
    words.take_while(|word| *word != "--").find_map(|word| commands.find_subcommand(word))
}

/// How the command that `args` name is used, and the command line that says more.
fn usage_line(args: &[OsString]) -> (String, String) {
    let mut commands = command();
    commands.build();
    let (mut named, help) = match named(&commands, args) {
        Some(found) => (found.clone(), format!("git conductor {} -h", found.get_name())),
        None => (commands, "git conductor -h".to_owned()),
    };
    (named.render_usage().to_string().replace("Usage: ", "usage: "), help)
}

fn plain() -> Format {
    Format {
        json: false,
        out: Paint { on: false },
        err: Paint { on: false },
        width: None,
        advice: true,
        now: Timestamp::now(),
    }
}

/// What a command's end does not tell: what to warn of beside it, and how to print it.
#[derive(Default)]
struct Aside {
    warning: Option<String>,
    /// What to exit with where the command refuses or fails, if that is told apart from all others.
    refuses: Option<u8>,
    /// Where worktrees are by now that records name.
    worktrees: Option<cmd::worktrees::Worktrees>,
    /// A signal that whoever else runs with this command is to get in the end.
    typed: Option<i32>,
    /// What could not be read of this machine, by the end.
    unread: Option<Box<dyn Fn() -> Option<Failure>>>,
    manners: Manners,
}

impl Aside {
    /// Learns how to print, for a command that goes on without a store.
    fn look(&mut self, global: &Global) {
        self.open(global, Need::Nothing).ok();
    }

    /// Turns a refusal into a failure if anything could not be read: an owner whose process cannot be seen
    /// counts as alive, and the refusal may be wrong.
    fn admit(&self, stop: Stop) -> Stop {
        match (stop, self.unread.as_ref().and_then(|unread| unread())) {
            (Stop::Refused(_), Some(failure)) => Stop::Failed(failure),
            (stop, _) => stop,
        }
    }

    /// Opens what a command needs.
    fn open(&mut self, global: &Global, need: Need) -> Result<Context, Failure> {
        let context = Context::open(global, need)?;
        let unread = context.unread();
        self.manners = Manners::of(&context);
        self.worktrees = cmd::worktrees::of(&context);
        self.unread = Some(Box::new(move || unread.failure()));
        Ok(context)
    }
}

/// Waits for `timeout` at most, and says meanwhile what is waited for.
fn patiently(
    json: bool,
    timeout: Option<std::time::Duration>,
    wait: impl FnOnce(Patience<'_>) -> Result<Outcome, Stop>,
) -> Result<Outcome, Stop> {
    let Some(width) = manners::width_of_stderr().filter(|_| !json) else {
        return wait(Patience::new(timeout, Some(&mut report::waiting::Lines)));
    };
    let mut line = report::waiting::Line::new(width);
    let result = wait(Patience::new(timeout, Some(&mut line)));
    line.erase();
    result
}

/// Shows the board as long as somebody looks.
fn watch(global: &Global, options: &Options, aside: &mut Aside) -> Result<Outcome, Stop> {
    let context = aside.open(global, Need::Store)?;
    let warning = setting_warning(&context);
    drop(context);
    let format = aside.manners.format(options);
    let mut screen = report::watching::screen(format, manners::draws_on_stdout(), warning);
    cmd::watching::run(&|| Context::open(global, Need::Store), &mut *screen)
}

/// Opens what the command needs, and runs it.
fn execute(cli: Cli, options: &Options, aside: &mut Aside) -> Result<Outcome, Stop> {
    let global = &Global {
        agent: cli.options.agent,
        pid: cli.options.pid,
        store: cli.options.store,
        session: None,
    };
    let json = cli.options.json;
    let mut store = || aside.open(global, Need::Store);
    let command = cli.command.unwrap_or_else(|| Command::Status(StatusArgs::default()));
    match command {
        Command::Start { phases, goal, if_none, force, from, carry, resume } => {
            let names = |list: String| list.split(',').map(|name| name.trim().to_owned()).collect();
            let carry = carry.map(names);
            let request = cmd::start::Request { phases, goal, if_none, force, from, carry, resume };
            cmd::start::run(&aside.open(global, Need::Nothing)?, request)
        }
        Command::Claim { phase, takeover, waiting: WaitOptions { wait: true, timeout } } => {
            let context = store()?;
            patiently(json, timeout, |patience| {
                cmd::waiting::claim(&context, Some(&phase), takeover, patience)
            })
        }
        Command::Claim { phase, takeover, .. } => cmd::claim::run(&store()?, &phase, takeover),
        Command::Wait(WaitArgs { phase, what, timeout }) => {
            let context = store()?;
            patiently(json, timeout, |patience| {
                cmd::waiting::wait(&context, &phase, what.into(), patience)
            })
        }
        Command::Run(args) => run_command(args, global, options, aside),
        Command::Complete { phase, artifact, verdict, commit, note, no_note } => {
            let verdict = verdict.into();
            let note = (note || no_note).then_some(note);
            let request = cmd::complete::Request { phase, artifact, verdict, commit, note };
            cmd::complete::run(&store()?, &request)
        }
        Command::Abort { phase, reason } => cmd::abort::run(&store()?, phase.as_deref(), &reason),
        Command::Status(StatusArgs { watch: true }) => watch(global, options, aside),
        Command::Status(StatusArgs { watch: false }) => {
            let context = store()?;
            aside.warning = setting_warning(&context);
            cmd::status::run(&context)
        }
        Command::Show(evidence::ShowArgs { phase, artifact, sprint }) => {
            cmd::show::run(&store()?, &cmd::show::Request { phase, artifact, sprint })
        }
        Command::Verify(evidence::VerifyArgs { sprint, all }) => {
            cmd::verify::run(&store()?, &cmd::verify::Request { sprint, all })
        }
        Command::Next { claim: true, waiting, .. } if waiting.wait => {
            let context = store()?;
            patiently(json, waiting.timeout, |patience| {
                cmd::waiting::claim(&context, None, false, patience)
            })
        }
        Command::Next { waiting, .. } if waiting.wait => {
            Err(misused("--wait goes with --claim", "git conductor next -h"))
        }
        Command::Next { all, claim, .. } => {
            let context = store()?;
            if !claim {
                aside.warning = setting_warning(&context);
            }
            cmd::next::run(&context, all, claim)
        }
        Command::Unstuck { phase, force } => cmd::unstuck::run(&store()?, &phase, force),
        Command::Salvage(args) => args.run(|| aside.look(global)),
        Command::Guard { pre_push: Some(args), configured, .. } => {
            let arg = |at: usize| args.get(at).map(String::as_str);
            cmd::push::run(global, arg(0), arg(1), configured)
        }
        Command::Guard { phase, commit, notes: true, .. } => {
            cmd::guard::by_notes(phase.as_deref(), commit.as_deref())
        }
        Command::Guard { phase, commit, .. } => {
            let context = aside.open(global, Need::Own)?;
            cmd::guard::run(&context, phase.as_deref(), commit.as_deref())
        }
        Command::Notes { what, remote, remove } => {
            notes(store, what.as_deref(), remote.as_deref(), remove)
        }
        Command::Hooks { action } => {
            cmd::hooks::run(&aside.open(global, Need::Nothing)?, action.into())
        }
        Command::Doctor { fix, race } => {
            // Which goes on without.
            aside.open(global, Need::Nothing).ok();
            cmd::doctor::run(global, cmd::doctor::Request { fix, race })
        }
        Command::Install { prefix, dry_run, uninstall } => {
            cmd::install::run(&cmd::install::Request { prefix, dry_run, uninstall })
        }
        Command::Prime(args) => prime(&args, global, store),
        Command::Skill(args) => cmd::skill::run(&args.into()),
        Command::Log(args) => cmd::log::run(&store()?, &args.into()),
        Command::Graph(args) => cmd::graph::run(&store()?, &args.into()),
        Command::Report(args) => cmd::report::run(&store()?, &args.into()),
        Command::Batch => cmd::batch::run(&store()?),
        Command::Archive => cmd::archive::run(&store()?),
        Command::Clean { older_than } => cmd::clean::run(&store()?, older_than),
    }
}

/// Runs a command as the owner of a phase. What is said of the claim comes before what it prints.
fn run_command(
    args: run::RunArgs,
    global: &Global,
    options: &Options,
    aside: &mut Aside,
) -> Result<Outcome, Stop> {
    let json = options.json;
    let run::RunArgs { phase, artifact, waiting, command } = args;
    aside.refuses = Some(error::RUN_REFUSED);
    let caught = cmd::run::catch_signals()?;
    let stdout = if json { Some(report::run::beside_the_answer()?) } else { None };
    let mut context = aside.open(global, Need::Store)?;
    let claimed = if waiting.wait {
        patiently(json, waiting.timeout, |patience| {
            cmd::run::claim(&mut context, &phase, &caught, Some(patience))
        })
    } else {
        cmd::run::claim(&mut context, &phase, &caught, None)
    }?;
    if !json {
        // Whoever does not read this may read what the command prints.
        _ = report::run::begun(&claimed, aside.manners.format(options)).write();
    }
    let request = cmd::run::Request { phase, artifact, command, stdout };
    let ran = cmd::run::run(&mut context, &request, &caught, claimed);
    if let Ok(Outcome::Ran(ran)) = &ran {
        aside.typed = ran.typed;
    }
    ran
}

/// A command line that is wrong in a way that its definitions do not tell.
fn misused(text: &str, help: &str) -> Stop {
    Failure::new(FailureKind::Usage, text).hint(help).into()
}

/// What an agent is told, by itself or as its hook.
fn prime(
    args: &agents::PrimeArgs,
    global: &Global,
    mut store: impl FnMut() -> Result<Context, Failure>,
) -> Result<Outcome, Stop> {
    match args.event() {
        Some(event) => Ok(cmd::prime::hook::run(global, event, args.reader.map(Into::into))),
        None if args.reader.is_some() => {
            Err(misused("--for goes with --hook and --stop", "git conductor prime -h"))
        }
        None => cmd::prime::run(&store()?),
    }
}

/// What is asked of records in git notes.
fn notes(
    mut store: impl FnMut() -> Result<Context, Failure>,
    what: Option<&str>,
    remote: Option<&str>,
    undo: bool,
) -> Result<Outcome, Stop> {
    let usage = |text| Err(misused(text, "git conductor notes -h"));
    match (what, remote, undo) {
        (Some("setup"), remote, undo) => cmd::notes::set_up(remote, undo),
        (_, _, true) => usage("--remove goes with setup"),
        (Some("sync"), remote, false) => cmd::notes::sync(&store()?, remote),
        (_, Some(_), false) => usage("--remote goes with sync and setup"),
        (rev, None, false) => cmd::notes::show(rev),
    }
}

/// For those that show what is stale or exhausted; those that act by it fail.
fn setting_warning(context: &Context) -> Option<String> {
    let stale = context.bad_stale_after().map(|failure| (failure, "stale"));
    let (failure, word) =
        stale.or_else(|| Some((context.bad_max_attempts()?, "exhausted by it")))?;
    Some(format!("{failure}; until then nothing counts as {word}"))
}
