//! The command line: what was typed becomes what is meant once, here. The doc comments are the help.

mod completion;
mod manners;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{FromArgMatches as _, Parser, Subcommand, ValueEnum};
use jiff::{SignedDuration, Timestamp};

use crate::cmd::context::{Need, parse_duration};
use crate::cmd::{self, Context, Global, Outcome};
use crate::error::{self, Failure, FailureKind, Stop};
use crate::record::Verdict;
use crate::report::{self, Format, Printed, text::Paint};
use manners::Manners;

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
    after_help = "Examples:\n  git conductor start --goal 'add OAuth login'\n  git conductor next --claim\n  git conductor complete think --artifact notes.md"
)]
pub struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What every command takes.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Common options")]
#[expect(clippy::doc_markdown, reason = "the doc comments are the help, where backticks stay")]
struct Options {
    /// Act under this name [env: GIT_CONDUCTOR_AGENT]
    #[arg(long, global = true, value_name = "NAME")]
    agent: Option<String>,
    /// The process that is the agent [env: GIT_CONDUCTOR_PID]
    #[arg(long, global = true, value_name = "PID")]
    pid: Option<i64>,
    /// Where the store is, if not here [env: GIT_CONDUCTOR_STORE]
    #[arg(long, global = true, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    store: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long, global = true)]
    json: bool,
    /// Colour the output [possible values: auto, always, never]
    #[arg(long, global = true, value_name = "WHEN", hide_possible_values = true)]
    color: Option<When>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum VerdictWord {
    Pass,
    Fail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum HooksWord {
    Install,
    Status,
    Uninstall,
}

#[derive(Debug, Subcommand)]
// A command line names one of them: the others need no options.
#[command(defer = true)]
enum Command {
    /// Begin a sprint, and archive the one before it
    ///
    /// Prints the sprint's directory. Without --phases, the graph is the one of the
    /// store's config.json, or else: think, plan, build; then review, qa and
    /// security side by side; then ship.
    ///
    /// In a list, a phase of that default graph keeps its dependencies, and any
    /// other is given as name:dependency+dependency, or name: for none. It is
    /// refused while another agent's claim is live.
    #[command(
        verbatim_doc_comment,
        after_help = "Examples:\n  git conductor start --goal 'add OAuth login'\n  git conductor start --phases think,build,docs:build"
    )]
    Start {
        /// A list (build,docs:build), a JSON file, or - for stdin
        #[arg(long, value_name = "SPEC")]
        phases: Option<String>,
        /// What the sprint is for
        #[arg(long, value_name = "TEXT")]
        goal: Option<String>,
        /// Keep the current sprint if it is not finished
        #[arg(long)]
        if_none: bool,
        /// Also under other agents' live claims
        #[arg(long)]
        force: bool,
    },
    /// Own a phase
    ///
    /// A phase has one owner at a time. It can be claimed when everything that it
    /// depends on is done. Claiming what is yours already renews the claim. What
    /// the phase builds on is told: who did it, at which commit, and where the copy
    /// of the artifact is.
    ///
    /// A claim whose owner's process is gone can be claimed by anybody after
    /// conductor.staleAfter (1h), and with --takeover at once.
    #[command(verbatim_doc_comment, after_help = "Examples:\n  git conductor claim build")]
    Claim {
        /// The phase
        phase: String,
        /// Also from an owner that is gone, or your other terminal
        #[arg(long)]
        takeover: bool,
    },
    /// Hand a phase in; what waits for it opens
    ///
    /// Only its owner can. A completed phase stays completed. The artifact is a
    /// regular file in a worktree of the repository or in the store; its hash is
    /// recorded and a copy is kept, and so are the commit, the branch, and whether
    /// the worktree was dirty.
    ///
    /// With --note, or where conductor.notes is true, the completion also becomes a
    /// line of the commit's git note, and the artifact an object of git. It stands
    /// even where that cannot be written; notes sync does it later.
    #[command(
        verbatim_doc_comment,
        after_help = "Examples:\n  git conductor complete build\n  git conductor complete review --artifact review.md --verdict fail"
    )]
    Complete {
        /// The phase
        phase: String,
        /// The file to hand over: a copy of it is kept
        #[arg(long, value_name = "PATH")]
        artifact: Option<PathBuf>,
        /// How it ended; fail opens nothing [default: pass]
        #[arg(
            long,
            value_name = "pass|fail",
            default_value = "pass",
            hide_default_value = true,
            hide_possible_values = true
        )]
        verdict: VerdictWord,
        /// The commit that the work is [default: HEAD]
        #[arg(long, value_name = "REV")]
        commit: Option<String>,
        /// Record it as a git note, too
        #[arg(long, overrides_with = "no_note")]
        note: bool,
        /// Do not, whatever conductor.notes says
        #[arg(long, overrides_with = "note")]
        no_note: bool,
    },
    /// Give up your claim on a phase, or all of your claims
    ///
    /// The phase is open again for everybody. Your files stay as they are.
    #[command(
        verbatim_doc_comment,
        after_help = "Examples:\n  git conductor abort build --reason 'needs a decision'"
    )]
    Abort {
        /// The phase [default: all that you hold]
        phase: Option<String>,
        /// Why, for the log
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// Show the board
    ///
    /// A phase is pending, ready (it can be claimed), claimed, stale (its owner is
    /// gone: it can be claimed), done or failed.
    #[command(verbatim_doc_comment, after_help = "Examples:\n  git conductor status --json")]
    Status,
    /// Show what you could claim now; with --claim, claim it
    ///
    /// Prints the name of the first phase that is open to you, or nothing, and
    /// ends with 1, if there is none. With --claim it is yours when it is printed;
    /// that is refused while you hold another one in this worktree.
    #[command(
        verbatim_doc_comment,
        after_help = "Examples:\n  git conductor next --claim\n  git conductor next --all"
    )]
    Next {
        /// All of it, not only the first
        #[arg(long, conflicts_with = "claim")]
        all: bool,
        /// Claim it at once: agents that ask together get different phases
        #[arg(long)]
        claim: bool,
    },
    /// Free a phase whose owner is gone
    ///
    /// It is refused while the owner is alive or may be. Whatever the former owner
    /// does to the phase later is refused.
    #[command(verbatim_doc_comment, after_help = "Examples:\n  git conductor unstuck build")]
    Unstuck {
        /// The phase
        phase: String,
        /// Also from an owner that is alive, or may be
        #[arg(long)]
        force: bool,
    },
    /// Ask the gate whether what is checked out may go out
    ///
    /// The gate is one phase: PHASE, else conductor.guardPhase, else ship. It is
    /// open to whoever holds that phase. Once the phase is done, it is open for the
    /// commit that it was done at. Without an unfinished sprint it is open, unless
    /// conductor.requireSprint is true. It is shut where the sprint has no such
    /// phase, or cannot be read.
    ///
    /// Each phase that the gate's phase directly depends on must be evidence: it
    /// passed, in a clean worktree, what it handed over is unchanged, and it was done
    /// at the very content that goes out. What is not is warned of; conductor.evidence
    /// (off, warn, require) changes that.
    ///
    /// With --notes it is answered from records in git notes alone, as in a clone on a
    /// server: yes if the latest record of PHASE at the content of REV is a pass. Such
    /// a record shows no more than that somebody who could push notes wrote it.
    #[command(
        verbatim_doc_comment,
        after_help = "Examples:\n  git conductor guard\n  git conductor guard release\n  git conductor guard --commit HEAD --notes"
    )]
    Guard {
        /// The phase that guards [default: ship]
        phase: Option<String>,
        /// The commit that is to go out [default: HEAD]
        #[arg(long, value_name = "REV")]
        commit: Option<String>,
        /// By the records in git notes, without a store
        #[arg(long)]
        notes: bool,
        /// As git's pre-push hook; reads stdin
        #[arg(long, num_args = 0..=2, value_names = ["REMOTE", "URL"], conflicts_with_all = ["phase", "commit", "notes"])]
        pre_push: Option<Vec<String>>,
    },
    /// Make git's pre-push hook ask the gate
    ///
    /// Once installed, a push to a reference that conductor.protect names is refused
    /// while the gate is shut. Without such patterns these are all tags, and the
    /// remote's default branch, as refs/remotes/REMOTE/HEAD has it; where that is
    /// not known, init.defaultBranch, main and master.
    ///
    /// Nothing of yours is overwritten: from git 2.54 on the hook is in the
    /// repository's configuration, before that a marked block in the hook file that
    /// git runs. A file in a worktree, or of another program, is left alone, and the
    /// line to add is printed.
    ///
    /// A hook is no wall: git push --no-verify runs none, and what a server merges
    /// asks none on your machine.
    #[command(
        verbatim_doc_comment,
        after_help = "Examples:\n  git conductor hooks install\n  git conductor hooks status"
    )]
    Hooks {
        /// What to do
        #[arg(value_name = "install|status|uninstall", hide_possible_values = true)]
        action: HooksWord,
    },
    /// Look for what keeps claims or the gate from being relied on
    ///
    /// Checks git, the repository, the store and what it lies on, the sprint, what
    /// killed commands left, hooks, and locks of git's, and prints a line for each: ok,
    /// note, warning or problem. Exits with 1 if there is a problem. Nothing is
    /// changed without --fix, which keeps git off the store, publishes completions
    /// that a kill interrupted, and removes what is left of others. --race lets
    /// processes claim the same phases at once, in a store of their own that goes
    /// afterwards.
    #[command(
        verbatim_doc_comment,
        after_help = "Examples:\n  git conductor doctor\n  git conductor doctor --fix\n  git conductor doctor --race"
    )]
    Doctor {
        /// Mend what is safe: what keeps git off, what kills left
        #[arg(long)]
        fix: bool,
        /// Also race processes for phases on this file system
        #[arg(long)]
        race: bool,
    },
    /// Put manual pages and completions where they are found
    ///
    /// Pages go to DIR/share/man, completions to where bash, zsh and fish look. DIR is
    /// the directory that has the bin which this program is in; what a shell would
    /// not find there goes to your own data directory instead (~/.local/share), but
    /// not where --prefix names DIR. Prints the path of each file.
    ///
    /// A file that this command did not write is never touched: it is refused, and
    /// nothing is changed. It may be run again after every update.
    #[command(
        verbatim_doc_comment,
        after_help = "Examples:\n  git conductor install\n  git conductor install --prefix ~/.local\n  git conductor install --uninstall"
    )]
    Install {
        /// Below which directory [default: by where this program is]
        #[arg(long, value_name = "DIR")]
        prefix: Option<PathBuf>,
        /// Change nothing, only show what would be done
        #[arg(long)]
        dry_run: bool,
        /// Take away what was installed
        #[arg(long)]
        uninstall: bool,
    },
    /// Show, write, exchange or set up records in git notes
    ///
    /// A record is one line of JSON in the note of the commit that a phase was
    /// completed at, on refs/notes/conductor (conductor.notesRef). complete writes it
    /// where conductor.notes is true. The artifact is kept on the reference of that
    /// name with -artifacts after it: its blob, as the note on itself.
    ///
    /// Without an argument all records are shown, with REV those of that commit, with
    /// a range those of its commits. sync writes what is missing of all sprints in the
    /// store, and takes in what was fetched from remotes; with --remote it fetches
    /// first, and pushes at the end. setup makes git show the records, keep them when
    /// a commit is amended or rebased, and merge them; with --remote also fetch them.
    #[command(
        verbatim_doc_comment,
        after_help = "Examples:\n  git conductor notes\n  git conductor notes main..HEAD\n  git conductor notes sync --remote origin\n  git conductor notes setup --remote origin"
    )]
    Notes {
        /// A commit, a range, sync or setup
        #[arg(value_name = "REV|RANGE|sync|setup")]
        what: Option<String>,
        /// The remote to exchange records with
        #[arg(long, value_name = "NAME")]
        remote: Option<String>,
        /// With setup: take the settings away again
        #[arg(long)]
        remove: bool,
    },
    /// Show the phases in order, those that may run side by side together
    ///
    /// Prints one JSON object a line, with the keys batch, type and phases. Phases
    /// of type read that are open at the same time make one batch; any other makes
    /// one of its own. This informs; claims do not enforce it.
    #[command(verbatim_doc_comment, after_help = "Examples:\n  git conductor batch")]
    Batch,
    /// End the sprint
    ///
    /// It is kept for clean to remove. It is refused while another agent's claim is
    /// live.
    #[command(verbatim_doc_comment, after_help = "Examples:\n  git conductor archive")]
    Archive,
    /// Remove sprints that ended a while ago
    ///
    /// Prints OK, then the sprints that went.
    #[command(
        verbatim_doc_comment,
        after_help = "Examples:\n  git conductor clean --older-than 30d"
    )]
    Clean {
        /// How long ago at least: 7d, 12h
        #[arg(long, value_name = "AGE", default_value = "7d", value_parser = age)]
        older_than: SignedDuration,
    },
}

fn age(text: &str) -> Result<SignedDuration, String> {
    parse_duration(text).ok_or_else(|| "it is no duration; nothing was removed, and how old is old enough is for your human to say".to_owned())
}

/// Runs the program: `args` begins with its name. Gives the exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    if args.get(1).is_some_and(|first| first == completion::ASKED) {
        return completion::answer(&args[2..]).write();
    }
    let mut known = command();
    let parsed = parse(&mut known, &args);
    // Thousands of small pieces, which the end of the process gives back at once.
    std::mem::forget(known);
    match parsed {
        Ok(cli) => {
            let options = cli.options.clone();
            let mut aside = Aside::default();
            let result = execute(cli, &mut aside);
            let format = aside.manners.format(&options);
            let printed = report::render(&result, format);
            match aside.warning {
                Some(text) => printed.warning(&text, format),
                None => printed,
            }
            .write()
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

/// The definitions of the command line, for what is generated from them: man pages, completions.
#[must_use]
pub fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// What a wrong command line, or one that asks for help, prints.
fn usage(error: &clap::Error, args: &[OsString]) -> Printed {
    let text = error.render().to_string();
    if !error.use_stderr() {
        return Printed { out: text, err: String::new(), exit: error::OK };
    }
    let json = args.iter().any(|arg| arg == "--json");
    let (how, help) = usage_line(args);
    let (problem, tip) = complaint(&text);
    let mut failure = Failure::new(FailureKind::Usage, problem);
    failure.hints.extend(tip);
    failure.hints.push(help);
    let mut printed = report::render(&Err(Stop::Failed(failure)), Format { json, ..plain() });
    // As git does it, between the error and the hints.
    if let Some((problem, hints)) = printed.err.split_once('\n') {
        printed.err = format!("{problem}\n{how}\n{hints}");
    }
    printed
}

/// Takes clap's text apart: the problem, and a tip if there is one.
fn complaint(text: &str) -> (String, Option<String>) {
    let paragraph = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let mut paragraphs = text.split("\n\n").map(paragraph);
    let first = paragraphs.next().unwrap_or_default();
    let problem = first.strip_prefix("error: ").unwrap_or(&first).to_owned();
    // A guess must not lead anybody to these.
    let harm = [
        "as a value",
        "--force",
        "--store",
        "'clean'",
        "'archive'",
        "'unstuck'",
        "'abort'",
        "'start'",
    ];
    let innocent = |tip: &String| !harm.iter().any(|word| tip.contains(word));
    let tip = paragraphs.find_map(|text| Some(text.strip_prefix("tip: ")?.to_owned()));
    (problem, tip.filter(innocent))
}

/// How the command that `args` name is used, and the command line that says more.
fn usage_line(args: &[OsString]) -> (String, String) {
    let mut commands = command();
    commands.build();
    let words = args.iter().skip(1).filter_map(|arg| arg.to_str());
    let name = words
        .take_while(|word| *word != "--")
        .find(|word| commands.find_subcommand(word).is_some());
    let (mut named, help) = match name.and_then(|name| commands.find_subcommand(name)) {
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
    manners: Manners,
}

impl Aside {
    /// Opens what a command needs.
    fn open(&mut self, global: &Global, need: Need) -> Result<Context, Failure> {
        let context = Context::open(global, need)?;
        self.manners = Manners::of(&context);
        Ok(context)
    }
}

/// Opens what the command needs, and runs it.
fn execute(cli: Cli, aside: &mut Aside) -> Result<Outcome, Stop> {
    let global =
        &Global { agent: cli.options.agent, pid: cli.options.pid, store: cli.options.store };
    let mut store = || aside.open(global, Need::Store);
    let command = cli.command.unwrap_or(Command::Status);
    match command {
        Command::Start { phases, goal, if_none, force } => {
            let request = cmd::start::Request { phases, goal, if_none, force };
            cmd::start::run(&aside.open(global, Need::Nothing)?, request)
        }
        Command::Claim { phase, takeover } => cmd::claim::run(&store()?, &phase, takeover),
        Command::Complete { phase, artifact, verdict, commit, note, no_note } => {
            let verdict = match verdict {
                VerdictWord::Pass => Verdict::Pass,
                VerdictWord::Fail => Verdict::Fail,
            };
            let note = (note || no_note).then_some(note);
            let request = cmd::complete::Request { phase, artifact, verdict, commit, note };
            cmd::complete::run(&store()?, &request)
        }
        Command::Abort { phase, reason } => cmd::abort::run(&store()?, phase.as_deref(), &reason),
        Command::Status => {
            let context = store()?;
            aside.warning = stale_after_warning(&context);
            cmd::status::run(&context)
        }
        Command::Next { all, claim } => {
            let context = store()?;
            if !claim {
                aside.warning = stale_after_warning(&context);
            }
            cmd::next::run(&context, all, claim)
        }
        Command::Unstuck { phase, force } => cmd::unstuck::run(&store()?, &phase, force),
        Command::Guard { pre_push: Some(args), .. } => {
            cmd::push::run(global, args.first().map(String::as_str))
        }
        Command::Guard { phase, commit, notes: true, .. } => {
            cmd::guard::by_notes(phase.as_deref(), commit.as_deref())
        }
        Command::Guard { phase, commit, .. } => {
            let context = aside.open(global, Need::Own)?;
            cmd::guard::run(&context, phase.as_deref(), commit.as_deref())
        }
        Command::Notes { what, remote, remove } => {
            let usage = |text: &str| {
                let failure = Failure::new(FailureKind::Usage, text);
                Err(failure.hint("git conductor notes -h").into())
            };
            match (what.as_deref(), remote.as_deref(), remove) {
                (Some("setup"), remote, undo) => cmd::notes::set_up(remote, undo),
                (_, _, true) => usage("--remove goes with setup"),
                (Some("sync"), remote, false) => cmd::notes::sync(&store()?, remote),
                (_, Some(_), false) => usage("--remote goes with sync and setup"),
                (rev, None, false) => cmd::notes::show(rev),
            }
        }
        Command::Hooks { action } => {
            let action = match action {
                HooksWord::Install => cmd::hooks::Action::Install,
                HooksWord::Status => cmd::hooks::Action::Status,
                HooksWord::Uninstall => cmd::hooks::Action::Uninstall,
            };
            cmd::hooks::run(&aside.open(global, Need::Nothing)?, action)
        }
        Command::Doctor { fix, race } => {
            // Which goes on without.
            aside.open(global, Need::Nothing).ok();
            cmd::doctor::run(global, cmd::doctor::Request { fix, race })
        }
        Command::Install { prefix, dry_run, uninstall } => {
            cmd::install::run(&cmd::install::Request { prefix, dry_run, uninstall })
        }
        Command::Batch => cmd::batch::run(&store()?),
        Command::Archive => cmd::archive::run(&store()?),
        Command::Clean { older_than } => cmd::clean::run(&store()?, older_than),
    }
}

/// For those that show what is stale; those that act by it fail.
fn stale_after_warning(context: &Context) -> Option<String> {
    let failure = context.bad_stale_after()?;
    Some(format!("{failure}; until then nothing counts as stale"))
}
