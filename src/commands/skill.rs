//! `skill`: what an agent reads to work a sprint; prints it, puts it where an agent looks for
//! skills, and does the same with hooks for an agent's settings. Settings are their user's: they
//! are changed on request only, and nothing in them but hooks of ours.
//!
//! Where agents look is a fact about them: Claude Code in `~/.claude/skills` and `.claude/skills`;
//! Codex and opencode in `~/.agents/skills` and `.agents/skills`, which is the convention that
//! others share.

pub(super) mod answer;
pub(super) mod foreign;
mod json;
mod settings;

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use serde::Serialize;

use super::context::{need_repository, text};
use super::install::Change;
use super::install::files::{self, There};
use super::session::{Answered, Run, Session, misused};
use crate::error::{Failure, FailureKind, Stop};
use crate::host::agent;
use crate::host::machine::Machine;
use crate::host::vars::Vars;
use foreign::{ForeignFiles, ForeignSettings};

/// What an agent reads; made by `cargo xtask generate skill`.
pub const TEXT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/skill/SKILL.md"));

/// The lines around what is ours in `AGENTS.md`. Later versions know theirs by them: they stay as
/// they are.
const BEGIN: &str = "<!-- git-conductor: begin -->";
const END: &str = "<!-- git-conductor: end -->";
/// What stands between them.
const BLOCK: &str = "Several agents may work on this repository at once. When `git conductor status` shows a\n\
                     sprint, claim a phase before you work (`git conductor next --claim`), and do what\n\
                     the skill git-conductor says. Without a sprint, ignore this.";

/// Print how an agent works a sprint, or put it where agents read
///
/// Prints a SKILL.md. install puts it into ~/.claude/skills for Claude Code and
/// into ~/.agents/skills for others; with --project below this worktree, and a
/// marked block in AGENTS.md names it. Prints the path of each file. A file that
/// is not ours is never touched, and of AGENTS.md nothing but the block. Without
/// --for it is for the agent that asks.
///
/// With --hooks it is about hooks for claude, codex, cursor or gemini: so that the
/// agent is told the board when it begins, and what it still holds when it stops;
/// with claude also so that each subagent has a name of its own. show prints them,
/// install puts them into the agent's settings, and uninstall takes them out.
/// Nothing else in there is changed. --edits adds one that refuses edits to an
/// agent that holds no phase of the sprint.
#[derive(Debug, Clone, clap::Args)]
#[command(
    verbatim_doc_comment,
    disable_help_subcommand = true,
    after_help = "Examples:\n  git conductor skill\n  git conductor skill install --for claude\n  git conductor skill install --hooks --for claude"
)]
pub(super) struct SkillArgs {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Clone, Subcommand)]
enum Action {
    /// Print the skill, or hooks
    Show(What),
    /// Put it where the agent reads it
    Install(Put),
    /// Take away what was put there
    Uninstall(Put),
}

// What all of them take: a doc comment here would stand for that of the command.
#[derive(Debug, Clone, Default, clap::Args)]
struct What {
    /// For claude, codex, cursor, gemini, opencode or other
    #[arg(long = "for", value_name = "AGENT", hide_possible_values = true)]
    reader: Option<ReaderWord>,
    /// Hooks for the agent's settings instead of the skill
    #[arg(long)]
    hooks: bool,
    /// With the hook that refuses edits to an agent that holds no phase
    #[arg(long, requires = "hooks")]
    edits: bool,
}

// What is put somewhere.
#[derive(Debug, Clone, clap::Args)]
struct Put {
    #[command(flatten)]
    what: What,
    /// Below this worktree instead of your home
    #[arg(long)]
    project: bool,
    /// Change nothing, only show what would be done
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ReaderWord {
    Claude,
    Codex,
    Cursor,
    Gemini,
    Opencode,
    Other,
}

impl From<ReaderWord> for Reader {
    fn from(word: ReaderWord) -> Self {
        match word {
            ReaderWord::Claude => Self::Claude,
            ReaderWord::Codex => Self::Codex,
            ReaderWord::Cursor => Self::Cursor,
            ReaderWord::Gemini => Self::Gemini,
            ReaderWord::Opencode | ReaderWord::Other => Self::Other,
        }
    }
}

impl Run for SkillArgs {
    /// Prints the skill or hooks, or puts them where they are read.
    fn run(self, _: &mut Session) -> Answered {
        let request = |what: What| Request {
            hooks: what.hooks,
            edits: what.edits,
            reader: what.reader.map(Into::into),
            ..Request::default()
        };
        let put =
            |put: Put| Request { project: put.project, dry_run: put.dry_run, ..request(put.what) };
        let skill = match self.action.unwrap_or(Action::Show(What::default())) {
            Action::Show(what) => shown(&request(what))?,
            Action::Install(it) => self::put(&Request { install: true, ..put(it) })?,
            Action::Uninstall(it) => self::put(&Request { uninstall: true, ..put(it) })?,
        };
        Ok(Box::new(skill))
    }
}

/// Who reads the skill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Reader {
    /// Claude Code.
    Claude,
    /// Codex.
    Codex,
    /// Cursor.
    Cursor,
    /// Gemini CLI.
    Gemini,
    /// Any other, by the convention that they share.
    Other,
}

impl Reader {
    /// Where it looks, below the user's home and below a worktree.
    const fn dir(self) -> &'static str {
        match self {
            Self::Claude => ".claude",
            Self::Codex | Self::Cursor | Self::Gemini | Self::Other => ".agents",
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one switch of the command line")]
pub struct Request {
    /// Put it there.
    pub install: bool,
    /// Below this worktree.
    pub project: bool,
    /// It is about hooks for the agent's settings.
    pub hooks: bool,
    /// One of them refuses edits to an agent that holds no phase.
    pub edits: bool,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Take away what was put there.
    pub uninstall: bool,
    /// For whom; `None` for the agent that asks.
    pub reader: Option<Reader>,
}

/// What came of it.
#[derive(Debug)]
pub enum Skill {
    /// The skill itself was asked for.
    Text,
    /// Hooks were.
    Hooks {
        /// For which agent.
        reader: Reader,
        /// With that before edits.
        edits: bool,
    },
    /// Files were written or removed.
    Put {
        /// What was asked for.
        request: Request,
        /// Each file (absolute path), and what became of it.
        files: Vec<(PathBuf, Change)>,
        /// Files of such a name that are not ours and were left alone.
        left: Vec<PathBuf>,
        /// Whether there is a `CLAUDE.md` that does not read `AGENTS.md` by itself.
        claude_md: bool,
    },
}

/// The skill itself, or hooks.
///
/// # Errors
/// No agent is named and none asks.
fn shown(request: &Request) -> Result<Skill, Stop> {
    if request.hooks {
        return Ok(Skill::Hooks { reader: reader(request)?, edits: request.edits });
    }
    Ok(Skill::Text)
}

/// Puts it there, or takes it away.
///
/// # Errors
/// No agent is named and none asks; a file in the way is not ours; a file cannot be written.
fn put(request: &Request) -> Result<Skill, Stop> {
    if request.hooks { put_hooks(request) } else { put_skill(request) }
}

fn usage(request: &Request, text: &str) -> Stop {
    let action = match request {
        Request { install: true, .. } => "install",
        Request { uninstall: true, .. } => "uninstall",
        _ => "show",
    };
    misused(text, &format!("git conductor skill {action} -h"))
}

fn reader(request: &Request) -> Result<Reader, Stop> {
    if let Some(reader) = request.reader {
        return Ok(reader);
    }
    let machine = Machine::read();
    match agent::calling(&Vars::from_process(), &machine, &machine.table).as_deref() {
        Some("claude") => Ok(Reader::Claude),
        Some("codex") => Ok(Reader::Codex),
        Some("cursor") => Ok(Reader::Cursor),
        Some("gemini") => Ok(Reader::Gemini),
        Some("ci") | None => {
            Err(usage(request, "no agent asks: say whose skills these are, with --for"))
        }
        Some(_) => Ok(Reader::Other),
    }
}

/// A file that belongs where it is: what is there now, and what should be.
struct Wanted {
    path: PathBuf,
    old: Option<String>,
    new: Option<String>,
}

fn put_skill(request: &Request) -> Result<Skill, Stop> {
    let reader = reader(request)?;
    let root = root(request)?;
    let skills = root.join(reader.dir()).join("skills");
    let path = skills.join("git-conductor/SKILL.md");
    let (mut wanted, mut foreign) = (Vec::new(), Vec::new());
    // A repository is anybody's, and a link in it may lead out of it.
    let leads_out = request.project && links(&root, &path);
    match if leads_out { There::Foreign } else { files::look(&path)? } {
        There::Foreign => foreign.push(path.clone()),
        There::Ours(old) => {
            wanted.push(Wanted { path: path.clone(), old: Some(old), new: ours(request) });
        }
        There::Nothing => {
            wanted.push(Wanted { path: path.clone(), old: None, new: ours(request) });
        }
    }
    let mut claude_md = false;
    if request.project {
        let path = root.join("AGENTS.md");
        let old = match files::read(&path)? {
            There::Foreign => {
                foreign.push(path.clone());
                None
            }
            There::Ours(old) => Some(old),
            There::Nothing => None,
        };
        claude_md = old.is_none() && root.join("CLAUDE.md").exists();
        let block = (!request.uninstall).then_some(BLOCK);
        let is_ours = old.as_deref().is_some_and(|text| text.lines().any(|line| line == BEGIN));
        match with_block(old.as_deref().unwrap_or_default(), block) {
            // There is nothing of ours in it, be it empty.
            _ if request.uninstall && !is_ours => {}
            // A file that held nothing but the block was made by us.
            Some(text) if text.trim().is_empty() => wanted.push(Wanted { path, old, new: None }),
            Some(text) => wanted.push(Wanted { path, old, new: Some(text) }),
            None => foreign.push(path),
        }
    }
    foreign.dedup();
    if !foreign.is_empty() && !request.uninstall {
        let paths = foreign.iter().map(|path| path.display().to_string()).collect();
        return Err(ForeignFiles { paths }.into());
    }
    let mut done = Vec::new();
    for Wanted { path, old, new } in wanted.into_iter().filter(|file| !foreign.contains(&file.path))
    {
        let change = match (&old, &new) {
            (None, None) => continue,
            (Some(old), Some(new)) if old == new => Change::Same,
            (_, Some(_)) => Change::Written,
            (Some(_), None) => Change::Removed,
        };
        if !request.dry_run {
            match (change, &new) {
                (Change::Written, Some(text)) => files::write(&path, text).map_err(plain)?,
                (Change::Removed, _) => files::remove(&path).map_err(plain)?,
                _ => {}
            }
        }
        done.push((path, change));
    }
    if request.uninstall && !request.dry_run && !leads_out {
        // A worktree has those directories for us alone, unless there is something else in them.
        let kept = if request.project { &root } else { &skills };
        files::prune(path.parent().unwrap_or(&path), kept);
    }
    Ok(Skill::Put { request: request.clone(), files: done, left: foreign, claude_md })
}

/// Puts hooks into an agent's settings, or takes ours out of them.
fn put_hooks(request: &Request) -> Result<Skill, Stop> {
    let reader = reader(request)?;
    let Some(name) = reader.settings() else {
        let text = format!(
            "no settings are known for this agent; \
             'git conductor skill show --hooks --for {}' prints what belongs there",
            reader.word()
        );
        return Err(usage(request, &text));
    };
    let root = root(request)?;
    let path = root.join(name);
    let refused = |why| {
        Stop::from(ForeignSettings {
            path: path.display().to_string(),
            why,
            agent: reader.word(),
            edits: request.edits,
            line: reader.whole(request.edits).to_string(),
        })
    };
    let leads_out = request.project && links(&root, &path);
    let old = match if leads_out { There::Foreign } else { files::read(&path)? } {
        There::Foreign => return Err(refused("is a link, or no file of text")),
        There::Ours(text) => Some(text),
        There::Nothing => None,
    };
    let new = match &old {
        old if request.install => Some(settings::installed(old.as_deref(), reader, request.edits)),
        Some(text) => settings::uninstalled(text).transpose(),
        None => None,
    };
    let new = new.transpose().map_err(refused)?;
    let change = match (&old, &new) {
        (old, new) if old == new => old.as_ref().filter(|_| request.install).map(|_| Change::Same),
        (_, Some(_)) => Some(Change::Written),
        (_, None) => Some(Change::Removed),
    };
    if let (Some(change), false) = (change, request.dry_run) {
        // The agent changes them as well.
        let is_old = match files::read(&path)? {
            There::Ours(text) => old.as_ref() == Some(&text),
            There::Nothing => old.is_none(),
            There::Foreign => false,
        };
        if !is_old {
            let text = format!("'{}' was changed by another program", path.display());
            return Err(Failure::new(FailureKind::Busy, text).into());
        }
        match (change, &new) {
            (Change::Written, Some(text)) => files::write(&path, text).map_err(plain)?,
            (Change::Removed, _) => files::remove(&path).map_err(plain)?,
            _ => {}
        }
        if change == Change::Removed && request.project {
            files::prune(path.parent().unwrap_or(&path), &root);
        }
    }
    Ok(Skill::Put {
        request: Request { reader: Some(reader), ..request.clone() },
        files: change.map(|change| (path.clone(), change)).into_iter().collect(),
        left: Vec::new(),
        claude_md: false,
    })
}

/// Something of ours that an earlier version put down.
#[derive(Debug)]
pub(super) struct Outdated {
    /// The file.
    pub(super) path: PathBuf,
    /// What renews it.
    pub(super) command: String,
}

/// What of ours is there for agents, below the user's home and below `worktree`: how many files,
/// and those that are out of date.
pub(super) fn examine(worktree: Option<&Path>) -> (usize, Vec<Outdated>) {
    let home = text("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    let roots = [(home, ""), (worktree.map(Path::to_owned), " --project")];
    let (mut there, mut old) = (0, Vec::new());
    let mut found = |path: PathBuf, is_old: bool, command: String| {
        there += 1;
        if is_old {
            old.push(Outdated { path, command });
        }
    };
    for (root, project) in roots.iter().filter_map(|(root, word)| Some((root.as_deref()?, word))) {
        for reader in [Reader::Claude, Reader::Other] {
            let path = root.join(reader.dir()).join("skills/git-conductor/SKILL.md");
            if let Ok(There::Ours(text)) = files::look(&path) {
                let command =
                    format!("git conductor skill install --for {}{project}", reader.word());
                found(path, text != files::marked_skill(TEXT), command);
            }
        }
        for reader in [Reader::Claude, Reader::Codex, Reader::Cursor, Reader::Gemini] {
            let Some(path) = reader.settings().map(|name| root.join(name)) else { continue };
            let Ok(There::Ours(text)) = files::read(&path) else { continue };
            if settings::has_ours(&text) {
                let edits = if settings::has_edits(&text) { " --edits" } else { "" };
                let command = format!(
                    "git conductor skill install --hooks --for {}{edits}{project}",
                    reader.word()
                );
                found(path, settings::is_outdated(&text, reader), command);
            }
        }
    }
    (there, old)
}

fn ours(request: &Request) -> Option<String> {
    (!request.uninstall).then(|| files::marked_skill(TEXT))
}

/// The advice of `install` is none here.
fn plain(mut failure: Failure) -> Failure {
    failure.hints.clear();
    failure
}

/// The directory that everything goes below.
fn root(request: &Request) -> Result<PathBuf, Stop> {
    if request.project {
        let repo = need_repository()?;
        let worktree = repo.worktree().map(Path::to_owned);
        return worktree
            .ok_or_else(|| usage(request, "--project needs a worktree, and this has none"));
    }
    let home = text("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    home.ok_or_else(|| usage(request, "HOME does not say where your own directory is"))
}

/// Whether a link stands on the way from `root` to `path`.
fn links(root: &Path, path: &Path) -> bool {
    let between = path.ancestors().take_while(|path| *path != root);
    between.into_iter().any(|path| path.symlink_metadata().is_ok_and(|meta| meta.is_symlink()))
}

/// `text` with the block, or without it if `block` is `None`; everything else stays byte for byte.
/// `None` where the lines around it are not one pair in order: then nobody knows what is ours.
fn with_block(text: &str, block: Option<&str>) -> Option<String> {
    let eol = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let new = block.map(|block| format!("{BEGIN}\n{block}\n{END}\n").replace('\n', eol));
    let new = new.unwrap_or_default();
    let count = |mark: &str| text.lines().filter(|line| *line == mark).count();
    match (count(BEGIN), count(END)) {
        (0, 0) if new.is_empty() => Some(text.to_owned()),
        (0, 0) => {
            let gap = match text {
                "" => "",
                text if text.ends_with('\n') => eol,
                _ => &eol.repeat(2),
            };
            Some(format!("{text}{gap}{new}"))
        }
        (1, 1) => {
            let (mut before, mut after) = (String::new(), String::new());
            let (mut seen, mut over) = (false, false);
            for line in text.split_inclusive('\n') {
                let bare = line.trim_end_matches(['\n', '\r']);
                match (seen, over) {
                    (false, _) if bare == END => return None,
                    (false, _) if bare == BEGIN => seen = true,
                    (false, _) => before.push_str(line),
                    (true, false) => over = bare == END,
                    (true, true) => after.push_str(line),
                }
            }
            if new.is_empty() && after.is_empty() {
                // The empty line that was put before it.
                let end = format!("{eol}{eol}");
                if before.ends_with(&end) {
                    before.truncate(before.len() - eol.len());
                }
            }
            Some(format!("{before}{new}{after}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_block_changes() {
        for text in ["", "# Rules\n", "# Rules\r\n\r\nmore\r\n", "a\n\n"] {
            let with = with_block(text, Some("one")).unwrap();
            assert_eq!(with_block(&with, Some("one")).unwrap(), with);
            assert_eq!(with_block(&with, None).unwrap(), text);
            let more = format!("{with}after\n");
            let other = with_block(&more, Some("two")).unwrap();
            assert!(other.starts_with(text) && other.ends_with("after\n"), "{other}");
            assert_eq!(other.replace("two", "one"), more);
            assert_eq!(text.contains('\r'), with.contains('\r'));
        }
        for text in [
            format!("{END}\n{BEGIN}\n"),
            format!("{BEGIN}\n"),
            format!("{BEGIN}\n{BEGIN}\n{END}\n"),
        ] {
            assert_eq!(with_block(&text, Some("one")), None, "{text}");
        }
    }
}
