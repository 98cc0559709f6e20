//! What can be typed: the commands and their options. The doc comments are the help, and what manual
//! pages and completions are made of.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use jiff::SignedDuration;

use super::agents::{PrimeArgs, SkillArgs};
use super::evidence::{ShowArgs, VerifyArgs};
use super::log::LogArgs;
use super::run::RunArgs;
use super::salvage::SalvageArgs;
use super::telling::{GraphArgs, ReportArgs};
use super::waiting::{StatusArgs, WaitArgs, WaitOptions};
use crate::cmd::context::parse_duration;
use crate::cmd::hooks::Action;
use crate::record::Verdict;

/// What every command takes.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Common options")]
#[expect(clippy::doc_markdown, reason = "the doc comments are the help, where backticks stay")]
pub(super) struct Options {
    /// Act under this name [env: GIT_CONDUCTOR_AGENT]
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) agent: Option<String>,
    /// The process that is the agent [env: GIT_CONDUCTOR_PID]
    #[arg(long, global = true, value_name = "PID")]
    pub(super) pid: Option<i64>,
    /// Where the store is, if not here [env: GIT_CONDUCTOR_STORE]
    #[arg(long, global = true, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(super) store: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Colour the output [possible values: auto, always, never]
    #[arg(long, global = true, value_name = "WHEN", hide_possible_values = true)]
    pub(super) color: Option<When>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum When {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum VerdictWord {
    Pass,
    Fail,
}

impl From<VerdictWord> for Verdict {
    fn from(word: VerdictWord) -> Self {
        match word {
            VerdictWord::Pass => Self::Pass,
            VerdictWord::Fail => Self::Fail,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum HooksWord {
    Install,
    Status,
    Uninstall,
}

impl From<HooksWord> for Action {
    fn from(word: HooksWord) -> Self {
        match word {
            HooksWord::Install => Self::Install,
            HooksWord::Status => Self::Status,
            HooksWord::Uninstall => Self::Uninstall,
        }
    }
}

#[derive(Debug, Subcommand)]
// A command line names one of them: the others need no options.
#[command(defer = true)]
pub(super) enum Command {
    /// Begin a sprint, and archive the one before it
    ///
    /// Prints the sprint's directory. Without --phases, the graph is the one of the
    /// store's config.json, or else: think, plan, build; then review, qa and
    /// security side by side; then ship.
    ///
    /// In a list, a phase of that default graph keeps its dependencies, and any
    /// other is given as name:dependency+dependency, or name: for none.
    ///
    /// It is refused while another agent's claim is live; and to an agent that took no
    /// part in the present sprint, while some of its phases are done and others are not.
    ///
    /// With --from, the new sprint is another round of the last one: it has the same
    /// graph, and the same goal unless --goal gives one. What has passed there and
    /// neither is PHASE nor depends on it is done already, with what was handed over;
    /// --carry names what of it. The last sprint stays as it was.
    ///
    /// With --resume, the new sprint goes on with one that has ended: it has that
    /// one's graph and goal, and what has passed there is done already.
    #[command(
        verbatim_doc_comment,
        after_help = "Examples:\n  git conductor start --goal 'add OAuth login'\n  git conductor start --phases think,build,docs:build\n  git conductor start --phases ./graph.json\n  git conductor start --from build\n  git conductor start --resume 20261122-091502\n\nA whole graph, as graph.json:\n  [\n    {\"name\": \"plan\", \"about\": \"decide what to build\", \"concurrency\": \"read\"},\n    {\"name\": \"build\", \"depends_on\": [\"plan\"]},\n    {\"name\": \"review\", \"depends_on\": [\"build\"], \"not_by\": [\"build\"]},\n    {\"name\": \"ship\", \"depends_on\": [\"review\"], \"max_attempts\": 2}\n  ]"
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
        /// Also over others' live claims, or their unfinished sprint
        #[arg(long)]
        force: bool,
        /// Go round again, beginning with this phase
        #[arg(long, value_name = "PHASE", conflicts_with_all = ["phases", "if_none"])]
        from: Option<String>,
        /// Go round again, with just these done already (a,b)
        #[arg(long, value_name = "LIST", conflicts_with_all = ["phases", "if_none"])]
        carry: Option<String>,
        /// Go on with an ended sprint, by its id or the time in it
        #[arg(long, value_name = "ID", conflicts_with_all = ["phases", "if_none", "from", "carry"])]
        resume: Option<String>,
    },
    /// Own a phase
    ///
    /// A phase has one owner at a time. It can be claimed when everything that it
    /// depends on is done. Claiming what is yours already renews the claim; a subagent
    /// of yours is another agent, and gives a name of its own: --agent NAME/2. What
    /// the phase builds on is told: who did it, at which commit, and where the copy
    /// of the artifact is.
    ///
    /// A claim whose owner's process is gone can be claimed by anybody when the
    /// owner has not been heard for conductor.staleAfter (1h), and with --takeover
    /// at once. Where several agents share a process, --takeover works when the
    /// owner has not been heard for as long.
    #[command(verbatim_doc_comment, after_help = "Examples:\n  git conductor claim build")]
    Claim {
        /// The phase
        phase: String,
        /// Also from an owner that is gone, or your other terminal
        #[arg(long)]
        takeover: bool,
        #[command(flatten)]
        waiting: WaitOptions,
    },
    /// Wait until a phase is done, or can be claimed
    Wait(WaitArgs),
    /// Own a phase for as long as a command runs
    Run(RunArgs),
    /// Hand a phase in; what waits for it opens
    ///
    /// Only its owner can. A completed phase stays completed. The artifact is a
    /// regular file in a worktree of the repository or in the store; its hash is
    /// recorded and a copy is kept, so that the file need not be committed.
    ///
    /// Recorded too are the commit, the branch and whether all is committed, as they
    /// are in the worktree that the phase was claimed in, wherever this is called;
    /// --commit names another commit. It warns if files are not committed; with
    /// conductor.requireClean it refuses.
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
    /// The phase is open again for everybody, and who takes it next is told why you
    /// did not finish it. Your files stay as they are.
    #[command(
        verbatim_doc_comment,
        after_help = "Examples:\n  git conductor abort build --reason 'needs a decision'"
    )]
    Abort {
        /// The phase [default: all that you hold]
        phase: Option<String>,
        /// Why, for the next owner and the log
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// Show the board
    Status(StatusArgs),
    /// Show all that is known of a phase, and what was handed over with it
    ///
    /// Who, since when, at which commit; what it depends on and what needs it; what
    /// was handed over, from the copy that was kept, once that is known to be what it
    /// was, and whether the original has changed since. An artifact that is text, and
    /// no longer than 64 KiB, follows.
    ///
    /// With --artifact just its bytes are printed, or nothing if the copy has been
    /// changed. On a terminal what a terminal would act on is made visible.
    Show(ShowArgs),
    /// Check all evidence of a sprint
    ///
    /// For each completed phase: that its record can be read, and what it depends on
    /// was completed before; that the copy of what was handed over is what it was;
    /// that its commit is there, with the recorded tree; that its record in git notes
    /// says the same, where there is one, and there is one where conductor.notes is
    /// true; and for what was carried over, that the sprint it came from says the
    /// same. Prints a line for each, and what differs; exits with 1 if anything does.
    ///
    /// A change of the original after it was handed over is told, and is no fault.
    Verify(VerifyArgs),
    /// Show who did what when, in all sprints
    Log(LogArgs),
    /// Show what waits for what
    Graph(GraphArgs),
    /// Tell how a sprint went, as a page to keep or to send
    Report(ReportArgs),
    /// Show what you could claim now; with --claim, claim it
    ///
    /// Prints the name of the first phase that is open to you. With --claim it is
    /// yours when it is printed; that is refused while you hold another one in this
    /// worktree.
    ///
    /// Where nothing is open to you it prints nothing: it ends with 5 when every
    /// phase is done, with 6 when waiting can help, and with 1 when waiting cannot
    /// help; the hint says what to do.
    #[command(
        verbatim_doc_comment,
        after_help = "Examples:\n  git conductor next --claim\n  git conductor next --all"
    )]
    Next {
        /// All of it, not only the first
        #[arg(long, conflicts_with = "claim")]
        all: bool,
        /// Claim it in the same step, so that nobody else gets it
        #[arg(long)]
        claim: bool,
        #[command(flatten)]
        waiting: WaitOptions,
    },
    /// Free a phase whose owner is gone
    ///
    /// It is refused while the owner is alive or may be. Whatever the former owner
    /// does to the phase later is refused.
    #[command(verbatim_doc_comment, after_help = "Examples:\n  git conductor unstuck build")]
    Unstuck {
        /// The phase
        phase: String,
        /// Also from an owner that may be alive, and after too many attempts
        #[arg(long)]
        force: bool,
    },
    /// Look at what dead owners had not committed, or drop it
    ///
    /// When the claim of an owner whose process is gone is taken over, or freed with
    /// unstuck, what its worktree holds beside what is committed there is saved: as a
    /// commit on refs/conductor/salvage/SPRINT/PHASE/N, staged or not, without
    /// ignored files. The worktree stays as it is, and nothing is pushed.
    ///
    /// Without an argument lists what is kept, the latest first. show prints where one
    /// is from and its differences; drop deletes it. NAME is a phase, for the latest
    /// of it, PHASE/N, or a whole name as it is listed.
    Salvage(SalvageArgs),
    /// Ask the gate whether what is checked out may go out
    ///
    /// The gate is one phase: PHASE, else conductor.guardPhase, else ship. It is
    /// open to whoever holds that phase. Once the phase is done, it is open for the
    /// commit that it was done at. Without an unfinished sprint it is open, unless
    /// conductor.requireSprint is true. It is shut where the sprint has no such
    /// phase, or cannot be read, and where that phase or anything that it waits for
    /// has failed: also once the sprint is over, until a later one has passed there.
    ///
    /// Each phase that the gate's phase directly depends on must be evidence: it
    /// passed, in a clean worktree, what it handed over is unchanged, and it was done
    /// at the very content that goes out. What is not is warned of; conductor.evidence
    /// (off, warn, require) changes that. Where what was checked is ahead of what is
    /// checked out, the command that goes there is said.
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
        /// From git's configuration
        #[arg(long, hide = true, requires = "pre_push")]
        configured: bool,
    },
    /// Make git's pre-push hook ask the gate
    ///
    /// Once installed, a push to a reference that conductor.protect names is refused
    /// while the gate is shut. Without such patterns these are all tags, and the
    /// remote's default branch, as refs/remotes/REMOTE/HEAD has it, or as the remote
    /// says; where neither is known, init.defaultBranch, main and master.
    ///
    /// Nothing of yours is overwritten: the hook is a marked block in the hook file
    /// that git runs, and from git 2.54 on in the repository's configuration too. A
    /// file in a worktree, or of another program, is left alone, and the line to add
    /// is printed.
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
    /// Tell an agent what it needs to know now
    ///
    /// The goal, your name and claims, which commits and files what you do builds on,
    /// and the next command, in few words, since it is for an agent's context. Without
    /// a sprint it says nothing.
    ///
    /// With --hook it answers a hook of an agent's, in the form that --for has: what is
    /// wrong is passed over in silence, and nothing is ever allowed. EVENT is start;
    /// subagent-start, which tells a subagent its name; command, which gives that name
    /// to the git conductor calls of a subagent's command line; subagent-stop, which
    /// gives up what the subagent has not completed; or edit, which refuses to change
    /// files while a sprint goes on and the agent holds no phase of it. With --stop it
    /// says that you still hold a phase, once for each claim and session. All but start
    /// read one JSON object from standard input, whether or not it ends there.
    #[command(
        verbatim_doc_comment,
        after_help = "Examples:\n  git conductor prime\n  git conductor prime --hook"
    )]
    Prime(PrimeArgs),
    /// Print how an agent works a sprint, or put it where agents read
    ///
    /// Prints a SKILL.md. With --install it goes to ~/.claude/skills for Claude Code
    /// and to ~/.agents/skills for others; with --project below this worktree, and a
    /// marked block in AGENTS.md names it. Prints the path of each file. A file that
    /// is not ours is never touched, and of AGENTS.md nothing but the block.
    /// Without --for it is for the agent that asks.
    ///
    /// With --hooks it is about hooks for claude, codex, cursor or gemini: so that the
    /// agent is told the board when it begins, and what it still holds when it stops;
    /// with claude also so that each subagent has a name of its own. They are printed;
    /// with --install or --project they are put into the agent's settings, and with
    /// --uninstall taken out of them. Nothing else in there is changed. --edits adds
    /// one that refuses edits to an agent that holds no phase of the sprint.
    #[command(
        verbatim_doc_comment,
        after_help = "Examples:\n  git conductor skill\n  git conductor skill --install --for claude\n  git conductor skill --hooks --install --for claude"
    )]
    Skill(SkillArgs),
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

pub(super) fn age(text: &str) -> Result<SignedDuration, String> {
    parse_duration(text).ok_or_else(|| "it is no duration; nothing was removed, and how old is old enough is for your human to say".to_owned())
}
