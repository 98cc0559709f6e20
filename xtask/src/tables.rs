//! What `docs/` and the manual tell in tables: settings, variables, files, and what each command can
//! end with. Here is the one place where they are written.

use anyhow::{Context as _, Result};
use git_conductor::error::EXIT_CODES;

use crate::{Files, root};

/// Whom a row concerns.
#[derive(Clone, Copy)]
pub enum Whom {
    /// Every command, and the whole program.
    All,
    /// Every command that has to do with a board.
    Board,
    /// These.
    These(&'static [&'static str]),
    /// All that have to do with a board, except these.
    BoardExcept(&'static [&'static str]),
}

/// A row: what it is about, what it does (Markdown), and whom it concerns.
pub struct Row {
    /// What it is about.
    pub name: &'static str,
    /// Of a setting, in Markdown; empty if there is none.
    pub default: &'static str,
    /// What it does.
    pub about: &'static str,
    whom: Whom,
}

/// The commands that have nothing to do with a board.
const APART: &[&str] = &["install", "schema"];

impl Row {
    /// Whether it concerns `command`; `None` is the whole program, which all of them concern.
    pub fn concerns(&self, command: Option<&str>) -> bool {
        let Some(command) = command else { return true };
        match self.whom {
            Whom::All => true,
            Whom::Board => !APART.contains(&command),
            Whom::These(commands) => commands.contains(&command),
            Whom::BoardExcept(commands) => {
                !APART.contains(&command) && !commands.contains(&command)
            }
        }
    }

    /// The commands that it names.
    pub fn named(&self) -> &'static [&'static str] {
        match self.whom {
            Whom::All | Whom::Board => &[],
            Whom::These(commands) | Whom::BoardExcept(commands) => commands,
        }
    }
}

const fn row(name: &'static str, default: &'static str, about: &'static str, whom: Whom) -> Row {
    Row { name, default, about, whom }
}

/// Settings of git.
pub const SETTINGS: &[Row] = &[
    row(
        "`conductor.store`",
        "`.nanostack` of the main worktree",
        "where sprints are kept; relative to the main worktree",
        Whom::Board,
    ),
    row("`conductor.agent`", "", "your name, where none is given or found out", Whom::Board),
    row(
        "`conductor.staleAfter`",
        "`1h`",
        "how long a dead owner must have been silent before anyone may reclaim: `30m`, `1h30m`, `0s`",
        Whom::These(&["claim", "graph", "next", "report", "status", "wait"]),
    ),
    row(
        "`conductor.maxAttempts`",
        "",
        "how many attempts at a phase may fail before no more are allowed",
        Whom::These(&["claim", "graph", "next", "report", "status", "unstuck", "wait"]),
    ),
    row(
        "`conductor.maxArtifact`",
        "`64m`",
        "the largest artifact, in bytes, or with `k`, `m` or `g`",
        Whom::These(&["complete"]),
    ),
    row(
        "`conductor.requireClean`",
        "`false`",
        "whether `complete` refuses while something in the claim's worktree is not committed",
        Whom::These(&["complete", "run"]),
    ),
    row(
        "`conductor.gitTimeout`",
        "`1m`",
        "how long git may take to look at a worktree, or to save one, before it is ended: `30s`, `5m`",
        Whom::These(&["claim", "complete", "next", "run", "unstuck"]),
    ),
    row(
        "`conductor.maxSalvage`",
        "`1g`",
        "how much of a dead owner's uncommitted files is saved at most; `0` saves nothing",
        Whom::These(&["claim", "next", "salvage", "unstuck"]),
    ),
    row(
        "`conductor.guardPhase`",
        "`ship`",
        "the phase that guards what goes out",
        Whom::These(&["guard", "hooks"]),
    ),
    row(
        "`conductor.evidence`",
        "`warn`",
        "what `guard` makes of missing evidence: `off`, `warn` or `require`",
        Whom::These(&["guard", "hooks"]),
    ),
    row(
        "`conductor.protect`",
        "the remote's default branch, and tags",
        "ref patterns guarded on push; may be given several times",
        Whom::These(&["guard", "hooks"]),
    ),
    row(
        "`conductor.hookStrict`",
        "`false`",
        "whether the hook refuses where this program is missing",
        Whom::These(&["hooks"]),
    ),
    row(
        "`conductor.requireSprint`",
        "`false`",
        "whether nothing goes out without an unfinished sprint",
        Whom::These(&["guard", "hooks"]),
    ),
    row(
        "`conductor.notes`",
        "`false`",
        "whether `complete` records each completion as a git note",
        Whom::These(&["complete"]),
    ),
    row(
        "`conductor.notesRef`",
        "`refs/notes/conductor`",
        "the reference of these notes; artifacts are on the one with `-artifacts` after it",
        Whom::These(&["complete", "guard", "notes"]),
    ),
    row(
        "`color.conductor`, else `color.ui`",
        "`auto`",
        "when to colour: `auto`, `always` or `never`; `color.pager` says whether to do so in a pager",
        Whom::Board,
    ),
    row("`advice.conductor`", "`true`", "whether to print hints", Whom::Board),
];

/// Variables of the environment.
pub const VARIABLES: &[Row] = &[
    row(
        "`GIT_CONDUCTOR_AGENT`, else `NANOSTACK_AGENT`",
        "",
        "as `--agent`: your name",
        Whom::Board,
    ),
    row("`GIT_CONDUCTOR_PID`", "", "as `--pid`: the process that is the agent", Whom::Board),
    row(
        "`GIT_CONDUCTOR_STORE`, else `NANOSTACK_STORE`",
        "",
        "as `--store`: where sprints are kept",
        Whom::Board,
    ),
    row(
        "`GIT_CONDUCTOR_TOKEN`",
        "",
        "the token that `claim --json` gave: whoever has it is the owner, in a sandbox that hides \
         processes too",
        Whom::BoardExcept(&["batch", "clean", "hooks"]),
    ),
    row("`NO_COLOR`", "", "no colours", Whom::All),
    row("`GIT_ADVICE`", "", "`0`: no hints, as after `git --no-advice`", Whom::All),
    row(
        "`XDG_DATA_HOME`, `XDG_DATA_DIRS`, `BASH_COMPLETION_USER_DIR`, `MANPATH`, `FPATH`",
        "",
        "where `install` expects that shells and `man` look",
        Whom::These(&["install"]),
    ),
];

/// Files.
pub const FILES: &[Row] = &[
    row(
        "`.nanostack/`",
        "",
        "the store, in the main worktree (`nanostack` in a bare repository), unless it is elsewhere; \
         see git-conductor-protocol(7)",
        Whom::Board,
    ),
    row(
        "`.nanostack/config.json`",
        "",
        "`phase_graph`, a list of phases that `start` uses without `--phases`, and `skill_roots`, \
         directories of skills that `batch` reads; optional, and never written",
        Whom::These(&["start", "batch"]),
    ),
    row(
        "`.nanostack/audit.log`",
        "",
        "what was done by whom, one JSON object a line; nothing is decided by it",
        Whom::BoardExcept(&["status", "batch", "guard", "hooks"]),
    ),
    row(
        "`$GIT_COMMON_DIR/conductor/store`",
        "",
        "where the store is, from the first `start` on: a path, relative to the common directory",
        Whom::Board,
    ),
    row(
        "`refs/conductor/salvage/<sprint>/<phase>/<n>`",
        "",
        "commits of what dead owners had not committed; the hook lets no push of them through",
        Whom::These(&["claim", "next", "salvage", "unstuck"]),
    ),
    row("`$GIT_COMMON_DIR/info/exclude`", "", "gets a line for the store", Whom::These(&["start"])),
    row(
        "`<skill>/SKILL.md`",
        "",
        "of a skill that is called like a phase; `concurrency` in its front matter counts where the \
         graph says nothing. Looked for below `skill_roots`, `.nanostack/skills`, `~/.claude/skills` \
         and `~/.agents/skills`",
        Whom::These(&["batch"]),
    ),
    row(
        "`$GIT_DIR/hooks/pre-push`, or where `core.hooksPath` leads",
        "",
        "the hook file, where git is older than 2.54",
        Whom::These(&["hooks"]),
    ),
    row(
        "`<prefix>/share/man/man1/`, `<prefix>/share/man/man7/`",
        "",
        "the manual",
        Whom::These(&["install"]),
    ),
    row(
        "`<prefix>/share/zsh/site-functions/_git-conductor`",
        "",
        "completion for zsh",
        Whom::These(&["install"]),
    ),
    row(
        "`bash-completion/completions/git-conductor`, `fish/vendor_conf.d/git-conductor.fish`",
        "",
        "completion for bash and fish, below `<prefix>/share` or the user's data directory",
        Whom::These(&["install"]),
    ),
];

/// What a command can end with beside what every command can, and where to read on.
pub struct Page {
    /// The command; empty for the program.
    pub command: &'static str,
    /// Exit codes.
    pub exits: &'static [u8],
    /// Other pages.
    pub see_also: &'static [&'static str],
}

/// What any command can end with: well; the answer could not be written, or another command is in
/// the way; a bug; the environment; a wrong command line.
pub const ANY: &[u8] = &[0, 4, 70, 128, 129];

const fn page(
    command: &'static str,
    exits: &'static [u8],
    see_also: &'static [&'static str],
) -> Page {
    Page { command, exits, see_also }
}

/// What is told of a command that is not here: that it can be refused, and of the program.
pub const OTHER: Page = page("", &[1], &[]);

/// The commands.
pub const PAGES: &[Page] = &[
    page(
        "start",
        &[1],
        &["git-conductor-archive(1)", "git-conductor-next(1)", "git-conductor-show(1)"],
    ),
    page("log", &[], &["git-conductor-status(1)", "git-conductor-show(1)"]),
    page("graph", &[1], &["git-conductor-status(1)", "git-conductor-batch(1)"]),
    page(
        "report",
        &[1],
        &["git-conductor-show(1)", "git-conductor-log(1)", "git-conductor-graph(1)"],
    ),
    page("wait", &[1, 3], &["git-conductor-claim(1)", "git-conductor-next(1)"]),
    page(
        "run",
        &[125],
        &["git-conductor-claim(1)", "git-conductor-wait(1)", "git-conductor-complete(1)"],
    ),
    page("show", &[1], &["git-conductor-status(1)", "git-conductor-verify(1)"]),
    page(
        "verify",
        &[1],
        &["git-conductor-show(1)", "git-conductor-guard(1)", "git-conductor-notes(1)"],
    ),
    page(
        "claim",
        &[1, 3],
        &["git-conductor-next(1)", "git-conductor-complete(1)", "git-conductor-abort(1)"],
    ),
    page(
        "complete",
        &[1],
        &["git-conductor-claim(1)", "git-conductor-next(1)", "git-conductor-guard(1)"],
    ),
    page("abort", &[1], &["git-conductor-claim(1)", "git-conductor-unstuck(1)"]),
    page("status", &[], &["git-conductor-next(1)", "git-conductor-wait(1)"]),
    page("next", &[1, 3, 5, 6], &["git-conductor-claim(1)", "git-conductor-batch(1)"]),
    page("unstuck", &[1], &["git-conductor-claim(1)", "git-conductor-abort(1)"]),
    page(
        "salvage",
        &[1],
        &["git-conductor-claim(1)", "git-conductor-unstuck(1)", "git-cherry-pick(1)"],
    ),
    page("guard", &[1], &["git-conductor-hooks(1)", "git-conductor-complete(1)", "githooks(5)"]),
    page("hooks", &[1], &["git-conductor-guard(1)", "githooks(5)", "git-push(1)"]),
    page("notes", &[], &["git-conductor-guard(1)", "git-conductor-complete(1)", "git-notes(1)"]),
    page("install", &[1], &["man(1)", "git-help(1)"]),
    page(
        "prime",
        &[],
        &["git-conductor-status(1)", "git-conductor-next(1)", "git-conductor-skill(1)"],
    ),
    page("skill", &[1], &["git-conductor-prime(1)", "git-conductor-install(1)"]),
    page("schema", &[], &["git-conductor-start(1)", "git-conductor-protocol(7)"]),
    page("batch", &[1], &["git-conductor-next(1)"]),
    page("archive", &[1], &["git-conductor-start(1)", "git-conductor-clean(1)"]),
    page("clean", &[], &["git-conductor-archive(1)"]),
];

/// A table: its name, as the markers have it, and what makes it.
type Table = (&'static str, fn() -> String);

/// The documents that have tables.
const DOCUMENTS: &[(&str, &[Table])] = &[
    ("docs/configuration.md", &[("settings", settings), ("variables", variables)]),
    ("docs/exit-codes.md", &[("exit codes", exit_codes)]),
];

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

/// The documents with their tables as they have to be.
///
/// # Errors
///
/// If a document cannot be read, or has no place for a table.
pub fn in_documents() -> Result<Files> {
    let mut files = Files::new();
    for (path, tables) in DOCUMENTS {
        let mut text = std::fs::read_to_string(root().join(path)).context(*path)?;
        for (name, table) in *tables {
            text = with_table(&text, name, &table())
                .with_context(|| format!("{path}: no table '{name}'"))?;
        }
        files.insert((*path).to_owned(), text);
    }
    Ok(files)
}

/// `text` with `table` between its markers; `None` if it has none.
fn with_table(text: &str, name: &str, table: &str) -> Option<String> {
    let begin = format!("<!-- {name} -->\n");
    let (before, rest) = text.split_once(&begin)?;
    let (_, after) = rest.split_once("<!-- end -->")?;
    Some(format!("{before}{begin}{table}<!-- end -->{after}"))
}
