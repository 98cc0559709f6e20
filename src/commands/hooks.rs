//! `hooks`: the pre-push hook that asks the gate.
//!
//! Nothing of anybody's is overwritten. The hook stands as a marked block at the head of the hook
//! file that git runs, which gives the rest of that file the same arguments and standard input; and
//! where git is new enough also in the repository's configuration, which no worktree and no other
//! program's file is in the way of. An older git on the machine runs the block, a newer one asks
//! once. A file that is in a worktree, or made by another program, is left to its owner, who is
//! told the line to add.

pub(super) mod answer;
mod block;
mod look;

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;
use serde_json::{Value, json};

pub use self::block::LINE;
use self::block::SHEBANG;
pub(super) use self::look::{leaves_to_file, look};
use super::context::StoreAccess;
use super::session::{Answered, Run, Session};
use super::{Context, context, start};
use crate::error::{Failure, FailureKind, Message, Refuses, Stop};
use crate::git::Repo;
use crate::rules::push::Protection;
use crate::sync;
use crate::ui::text::safe;

/// What git calls the hook.
const EVENT: &str = "pre-push";
/// A hook is no longer than this, in bytes.
const MAX_HOOK_BYTES: u64 = 1024 * 1024;

/// Make git's pre-push hook ask the gate
///
/// Once installed, a push to a reference that conductor.protect names is refused
/// while the gate is closed. Without such patterns these are all tags, and the
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
#[derive(Debug, Clone, clap::Args)]
#[command(
    verbatim_doc_comment,
    disable_help_subcommand = true,
    arg_required_else_help = false,
    after_help = "Examples:\n  git conductor hooks install\n  git conductor hooks status"
)]
pub(super) struct HooksArgs {
    #[command(subcommand)]
    action: Action,
}

impl Run for HooksArgs {
    /// Installs, shows or removes the hook.
    fn run(self, session: &mut Session) -> Answered {
        Ok(Box::new(hooks(&session.open(StoreAccess::Nothing)?, self.action)?))
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum Action {
    /// Make pre-push ask the gate
    Install,
    /// Show what is installed, and what is guarded
    Status,
    /// Take the hook away
    Uninstall,
}

/// How the hook is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// As a block of ours in a hook file.
    File,
    /// In git's configuration.
    Config,
    /// By somebody's own line in a hook file.
    Line,
}

/// One form of the hook, and whether the git here would run it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// How it is installed.
    pub way: Way,
    /// Why it would not run, if it would not.
    pub why_not: Option<String>,
}

/// What a push from one worktree runs.
#[derive(Debug, Clone)]
pub struct Place {
    /// The worktree; of a bare repository, its git directory.
    pub from: PathBuf,
    /// The hook file that git would run.
    pub path: PathBuf,
    /// How the hook is installed there, what runs first.
    pub forms: Vec<Form>,
    /// Why nothing can be said of it.
    pub unknown: Option<String>,
}

impl Place {
    /// The form that a push from there runs; where none does, one that is there all the same, and
    /// that any git might run.
    #[must_use]
    pub fn form(&self) -> Option<&Form> {
        let runs = self.forms.iter().find(|form| form.why_not.is_none());
        runs.or_else(|| self.forms.iter().find(|form| form.way != Way::Config))
            .or_else(|| self.forms.first())
    }

    /// Whether a push from there asks the gate.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.forms.iter().any(|form| form.why_not.is_none())
    }

    /// Why a git that runs no hooks from configuration would not ask, where this one does.
    #[must_use]
    pub fn why_not_before(&self) -> Option<String> {
        let is_file = |form: &&Form| form.way != Way::Config;
        if !self.asks() || self.forms.iter().filter(is_file).any(|form| form.why_not.is_none()) {
            return None;
        }
        let why = self.forms.iter().find(is_file).and_then(|form| form.why_not.clone());
        Some(why.unwrap_or_else(|| self.nothing()))
    }

    fn nothing(&self) -> String {
        format!("nothing of ours is in '{}'", self.path.display())
    }
}

/// What is guarded of one place that pushes go to by configuration.
#[derive(Debug, Clone)]
pub struct Target {
    /// The remote, or the address.
    pub to: String,
    /// The settings that name it.
    pub by: Vec<String>,
    /// What is guarded there.
    pub protection: Protection,
}

/// What there is now.
#[derive(Debug, Clone)]
pub struct Hooks {
    /// What was done.
    pub action: Action,
    /// Whether that changed anything.
    pub changed: bool,
    /// What a push from here runs.
    pub here: Place,
    /// The same of the other worktrees.
    pub elsewhere: Vec<Place>,
    /// What is guarded, of the place that is pushed to from here by default first.
    pub targets: Vec<Target>,
}

impl Hooks {
    /// Whether anything of ours is anywhere.
    #[must_use]
    pub fn are_there(&self) -> bool {
        !self.here.forms.is_empty() || self.elsewhere.iter().any(|place| !place.forms.is_empty())
    }

    /// The other worktrees from which a push does not ask, and why; none if nothing is installed.
    #[must_use]
    pub fn slips(&self) -> Vec<(&Place, String)> {
        let why = |place: &Place| {
            let idle = place.form().and_then(|form| form.why_not.as_ref());
            let idle = idle.map(|why| format!("git would not run the hook there: {why}"));
            idle.or_else(|| place.unknown.clone()).unwrap_or_else(|| place.nothing())
        };
        let all = self.elsewhere.iter().filter(|place| self.are_there() && !place.asks());
        all.map(|place| (place, why(place))).collect()
    }
}

/// Installs, shows or removes the hook.
///
/// # Errors
/// Why it cannot be installed here; or what the system says.
fn hooks(context: &Context, action: Action) -> Result<Hooks, Stop> {
    let Some(repo) = &context.repo else {
        let text = "not a git repository (or any of the parent directories): .git";
        return Err(Failure::new(FailureKind::NotARepository, text).into());
    };
    let path = repo.hooks_dir()?.join(EVENT);
    let changed = match action {
        Action::Install => {
            start::refuse_tracked(context)?;
            install(repo, &path)?
        }
        Action::Status => false,
        Action::Uninstall => uninstall(repo, &path)?,
    };
    // What was changed is read again, as git will.
    let again = context::repository()?.1;
    let found = look(again.as_ref().unwrap_or(repo))?;
    Ok(Hooks { action, changed, ..found })
}

/// Whether a program of that name is in `PATH`.
pub(super) fn is_in_path(program: &str) -> bool {
    context::text("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|dir| is_executable(&dir.join(program)))
    })
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// The text of a hook file; `None` if it is not there.
fn read(path: &Path) -> Result<Option<String>, Failure> {
    use std::io::Read as _;
    let fail = |error| Failure::io(error, format!("cannot read '{}'", path.display()));
    match path.metadata() {
        Ok(meta) if meta.is_file() => {}
        Ok(_) => return Ok(None),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(fail(error)),
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(fail)?;
    file.take(MAX_HOOK_BYTES).read_to_end(&mut bytes).map_err(fail)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

fn install(repo: &Repo, path: &Path) -> Result<bool, Stop> {
    let program = block::program();
    let configured = repo.has_configured_hooks()?;
    let in_file = install_block(repo, path, &program);
    let in_file = match in_file {
        // What the configuration does needs no file.
        Err(Stop::Declined(_)) if configured => false,
        in_file => in_file?,
    };
    // A line of somebody's own is enough where all worktrees have it, and would ask a second time.
    let alone = look::has_line(path)? && look(repo)?.elsewhere.iter().all(Place::asks);
    if !repo.has_own_hook() && (!configured || alone) {
        return Ok(in_file);
    }
    let command = block::command(&program);
    if repo.configured_hook(EVENT).is_some_and(|there| there == command) {
        return Ok(in_file);
    }
    repo.configure_hook(EVENT, &command)?;
    Ok(true)
}

/// Puts the block into the hook file.
fn install_block(repo: &Repo, path: &Path, program: &str) -> Result<bool, Stop> {
    if look::has_line(path)? {
        return Ok(false);
    }
    if let Some(obstacle) = obstacle(repo, path)? {
        let path = path.display().to_string();
        return Err(ForeignHooks { path, obstacle, line: line(obstacle) }.into());
    }
    let old = read(path)?;
    let block = block::block(program);
    let new = match &old {
        None => format!("{SHEBANG}{block}"),
        Some(text) => {
            let rest = block::without_block(text, path)?.unwrap_or_else(|| text.clone());
            block::with_block(&rest, &block)
        }
    };
    if old.as_ref() == Some(&new) {
        return Ok(false);
    }
    write(path, &new)?;
    Ok(true)
}

/// Why a hook file is not ours to edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Obstacle {
    /// It is husky's.
    Husky,
    /// It is lefthook's.
    Lefthook,
    /// It is pre-commit's.
    PreCommit,
    /// It is in a worktree, where files are tracked.
    Worktree,
    /// It is a link, or no file at all.
    Link,
    /// It is not a script of a shell.
    NoShell,
    /// It is not executable, so that git does not run it.
    Idle,
}

/// The hook file is not ours to edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ForeignHooks {
    /// The file (absolute path).
    pub path: String,
    /// Why not.
    pub obstacle: Obstacle,
    /// What its owner may add.
    pub line: String,
}

impl Refuses for ForeignHooks {
    fn code(&self) -> &'static str {
        "foreign_hooks"
    }

    fn message(&self) -> Message {
        let path = safe(&self.path);
        let (why, hint) = match self.obstacle {
            Obstacle::Husky => ("husky's", "add this line to '.husky/pre-push'"),
            Obstacle::Lefthook => ("lefthook's", "add this to 'lefthook.yml'"),
            Obstacle::PreCommit => {
                ("pre-commit's", "add this to 'repos' in '.pre-commit-config.yaml'")
            }
            Obstacle::Worktree => ("in a worktree, and may be tracked", "add this line to it"),
            Obstacle::Link => ("not a regular file", "add this line to what it leads to"),
            Obstacle::NoShell => ("not a script of a shell", "let it run this with its input"),
            Obstacle::Idle => (
                "not executable, so that git does not run it",
                "make it so, or add this line to it",
            ),
        };
        let mut message = Message::new(
            format!("the hook '{path}' is {why}: nothing was changed"),
            format!("to have it ask the gate, {hint}"),
            &[],
        );
        message.hints.push(self.line.clone().into());
        message
    }

    fn facts(&self) -> Value {
        json!(self)
    }
}

/// What is to be added by hand.
fn line(obstacle: Obstacle) -> String {
    match obstacle {
        Obstacle::Lefthook => {
            "pre-push: {commands: {conductor: {use_stdin: true, run: 'git conductor \
                               guard --pre-push {1} {2}'}}}"
                .to_owned()
        }
        Obstacle::PreCommit => {
            "{repo: local, hooks: [{id: conductor, name: git conductor, entry: git \
                                conductor guard --pre-push, language: system, stages: [pre-push], \
                                always_run: true, pass_filenames: false}]}"
                .to_owned()
        }
        Obstacle::Husky
        | Obstacle::Worktree
        | Obstacle::Link
        | Obstacle::NoShell
        | Obstacle::Idle => LINE.to_owned(),
    }
}

/// Why the file is not ours to edit.
fn obstacle(repo: &Repo, path: &Path) -> Result<Option<Obstacle>, Failure> {
    let dir = path.parent().unwrap_or(path);
    let text = read(path)?;
    let beside = |name: &str| read(&dir.join(name)).ok().flatten().unwrap_or_default();
    let is_lefthook = |text: &str| text.contains("call_lefthook") || text.contains("lefthook run");
    if text.as_deref().is_some_and(is_lefthook) || is_lefthook(&beside("pre-commit")) {
        return Ok(Some(Obstacle::Lefthook));
    }
    if text.as_ref().is_some_and(|text| text.contains("File generated by pre-commit")) {
        return Ok(Some(Obstacle::PreCommit));
    }
    if dir.components().any(|part| part.as_os_str() == ".husky") {
        return Ok(Some(Obstacle::Husky));
    }
    if is_in_worktree(repo, dir) {
        return Ok(Some(Obstacle::Worktree));
    }
    let Ok(meta) = path.symlink_metadata() else { return Ok(None) };
    if !meta.is_file() {
        return Ok(Some(Obstacle::Link));
    }
    if text.as_deref().is_some_and(|text| !is_shell(text)) || meta.len() >= MAX_HOOK_BYTES {
        return Ok(Some(Obstacle::NoShell));
    }
    Ok((!is_executable(path)).then_some(Obstacle::Idle))
}

/// Whether `dir` is in anybody's worktree, where files are tracked or may be.
fn is_in_worktree(repo: &Repo, dir: &Path) -> bool {
    let there = dir.ancestors().find_map(|dir| dir.canonicalize().ok()).unwrap_or_default();
    if there.starts_with(repo.common_dir()) || there.starts_with(repo.git_dir()) {
        return false;
    }
    there.ancestors().any(|dir| dir.join(".git").symlink_metadata().is_ok())
        || repo.worktrees().iter().any(|root| there.starts_with(root))
}

/// Whether the text is run by a shell that understands the block. Without a first line that says so
/// git hands it to sh.
fn is_shell(text: &str) -> bool {
    if text.contains(['\0', char::REPLACEMENT_CHARACTER]) {
        return false;
    }
    let Some(first) = text.strip_prefix("#!").and_then(|text| text.lines().next()) else {
        return true;
    };
    let words = first.split_whitespace().filter_map(|word| word.rsplit('/').next());
    let shells = ["sh", "bash", "dash", "ash", "ksh", "mksh", "zsh"];
    words
        .filter(|word| *word != "env" && !word.starts_with('-'))
        .take(1)
        .any(|it| shells.contains(&it))
}

fn uninstall(repo: &Repo, path: &Path) -> Result<bool, Stop> {
    let mut changed = take_out(path)?;
    // Installed before core.hooksPath led elsewhere.
    let usual = repo.common_dir().join("hooks").join(EVENT);
    if usual != path {
        changed |= take_out(&usual)?;
    }
    if repo.has_own_hook() {
        repo.unconfigure_hook()?;
        changed = true;
    }
    Ok(changed)
}

/// Takes the block out of a file, and the file away if nothing else was in it.
fn take_out(path: &Path) -> Result<bool, Failure> {
    if !path.symlink_metadata().is_ok_and(|meta| meta.is_file()) {
        return Ok(false);
    }
    let Some(text) = read(path)? else { return Ok(false) };
    let Some(rest) = block::without_block(&text, path)? else { return Ok(false) };
    if rest == SHEBANG || rest.is_empty() {
        let fail = |error| Failure::writing(error, format!("cannot remove '{}'", path.display()));
        std::fs::remove_file(path).map_err(fail)?;
    } else {
        write(path, &rest)?;
    }
    Ok(true)
}

/// Puts a hook in its place in one step: a push that goes on meanwhile runs the old or the new one.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let fail = |error| Failure::writing(error, format!("cannot write '{}'", path.display()));
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(fail)?;
    }
    let mode = path.metadata().map_or(0o755, |meta| meta.permissions().mode() & 0o7777);
    let temporary = path.with_extension("conductor");
    std::fs::remove_file(&temporary).ok();
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&temporary)
        .and_then(|mut file| {
            use std::io::Write as _;
            file.write_all(text.as_bytes())?;
            file.set_permissions(std::fs::Permissions::from_mode(mode))?;
            sync::to_disk(&file)
        })
        .and_then(|()| std::fs::rename(&temporary, path));
    written.map_err(|error| {
        std::fs::remove_file(&temporary).ok();
        fail(error)
    })
}
