//! `hooks`: the pre-push hook that asks the gate.
//!
//! Nothing of anybody's is overwritten. Where git is new enough the hook stands in the repository's
//! configuration; else as a marked block at the head of the hook file that git runs, which gives the
//! rest of that file the same arguments and standard input. A file that is in a worktree, or made by
//! another program, is left to its owner, who is told the line to add.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::{Context, Outcome, context, push, start};
use crate::error::{Failure, FailureKind, Stop};
use crate::git::Repo;
use crate::rules::push::Protection;
use crate::rules::refusal::{Obstacle, Refusal};

/// What git calls the hook.
const EVENT: &str = "pre-push";
/// What a hook of anybody's runs.
pub const LINE: &str = "git conductor guard --pre-push \"$@\"";
/// How a hook of ours is known, whoever wrote it down.
const CALL: &str = "git conductor guard --pre-push";
const SHEBANG: &str = "#!/bin/sh\n";
/// A hook is no longer than this, in bytes.
const LONGEST: u64 = 1024 * 1024;

const BEGIN: &str = "# >>> git conductor >>>";
const END: &str = "# <<< git conductor <<<\n";
/// The block. What git says is read once, and told to the gate and to the rest of the file.
const BLOCK: &str = r#"# >>> git conductor >>> 'git conductor hooks uninstall' takes these lines out
conductor_refs=$(cat)
if command -v git-conductor >/dev/null 2>&1; then
	git conductor guard --pre-push "$@" <<CONDUCTOR_REFS || exit $?
$conductor_refs
CONDUCTOR_REFS
else
	echo "warning: git conductor is not installed: nobody was asked about this push" >&2
	echo "hint: to be rid of this, delete the lines of git conductor in '$0'" >&2
	conductor_strict=$(git config --type=bool --default=false --get conductor.hookStrict) ||
		conductor_strict=true
	if [ "$conductor_strict" = true ]; then
		echo "error: nothing is pushed, as conductor.hookStrict asks for" >&2
		exit 1
	fi
	unset conductor_strict
fi
if [ -n "$conductor_refs" ]; then
	exec <<CONDUCTOR_REFS
$conductor_refs
CONDUCTOR_REFS
else
	exec </dev/null
fi
unset conductor_refs
# <<< git conductor <<<
"#;
/// The same as one command of git's configuration, after which git writes the arguments.
const COMMAND: &str = r#"conductor() { if command -v git-conductor >/dev/null 2>&1; then git conductor guard --pre-push "$@"; else echo "warning: git conductor is not installed: nobody was asked about this push" >&2; echo "hint: to be rid of this: git config --local --remove-section hook.conductor" >&2; [ "$(git config --type=bool --default=false --get conductor.hookStrict || echo true)" != true ] || { echo "error: nothing is pushed, as conductor.hookStrict asks for" >&2; false; }; fi; }; conductor"#;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Make pre-push ask the gate.
    Install,
    /// Say what there is.
    Status,
    /// Leave nothing behind.
    Uninstall,
}

/// How the hook is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// As a block of ours in a hook file.
    File,
    /// In git's configuration.
    Config,
    /// By somebody's own line in a hook file.
    Line,
}

/// What there is now.
#[derive(Debug, Clone)]
pub struct Hooks {
    /// What was done.
    pub action: Action,
    /// Whether that changed anything.
    pub changed: bool,
    /// The hook file that git would run.
    pub path: PathBuf,
    /// How the hook is installed, if it is.
    pub way: Option<Way>,
    /// Why git would not run it, if it would not.
    pub idle: Option<&'static str>,
    /// What is guarded of the remote that is pushed to by default.
    pub protection: Protection,
}

/// Installs, shows or removes the hook.
///
/// # Errors
/// Why it cannot be installed here; or what the system says.
pub fn run(context: &Context, action: Action) -> Result<Outcome, Stop> {
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
    Ok(Outcome::Hooks(Box::new(Hooks { action, changed, ..found })))
}

/// What there is of hooks.
pub(super) fn look(repo: &Repo) -> Result<Hooks, Stop> {
    let path = repo.hooks_dir()?.join(EVENT);
    let way = way(repo, &path)?;
    let idle = match way {
        Some(way) => idle(repo, way, &path)?,
        None => None,
    };
    let remote = repo.config("remote.pushDefault").unwrap_or_else(|| "origin".to_owned());
    let protection = push::protection(repo, &remote, None, None::<fn() -> bool>)?;
    Ok(Hooks { action: Action::Status, changed: false, path, way, idle, protection })
}

/// Whether a program of that name is in `PATH`.
pub(super) fn is_in_path(program: &str) -> bool {
    context::text("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|dir| is_executable(&dir.join(program)))
    })
}

/// How the hook is installed, if it is.
fn way(repo: &Repo, path: &Path) -> Result<Option<Way>, Failure> {
    if repo.configured_hook(EVENT).is_some() {
        return Ok(Some(Way::Config));
    }
    let mut text = read(path)?.unwrap_or_default();
    if let Some(dir) = path.parent().filter(|dir| dir.ends_with(".husky/_")) {
        // That file runs the one of its name above it, which is people's to write.
        text.push_str(&read(&dir.with_file_name(EVENT))?.unwrap_or_default());
    }
    let has_line =
        text.lines().any(|line| !line.trim_start().starts_with('#') && line.contains(CALL));
    Ok(if text.contains(BEGIN) { Some(Way::File) } else { has_line.then_some(Way::Line) })
}

/// Why git would not run it.
fn idle(repo: &Repo, way: Way, path: &Path) -> Result<Option<&'static str>, Failure> {
    if way == Way::Config {
        if !repo.has_configured_hooks()? {
            return Ok(Some("this git runs no hooks from configuration"));
        }
        for key in ["hook.conductor.enabled", "hook.pre-push.enabled"] {
            if repo.config_bool(key)? == Some(false) {
                return Ok(Some("it is switched off in configuration"));
            }
        }
    } else if !is_executable(path) {
        return Ok(Some("its file is not executable"));
    }
    Ok((!is_in_path("git-conductor")).then_some("git-conductor is not in PATH"))
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
    file.take(LONGEST).read_to_end(&mut bytes).map_err(fail)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

fn install(repo: &Repo, path: &Path) -> Result<bool, Stop> {
    if repo.has_configured_hooks()? {
        let same = repo.configured_hook(EVENT).is_some_and(|command| command == COMMAND);
        if !same {
            repo.configure_hook(EVENT, COMMAND)?;
        }
        // What an older git was given would ask a second time.
        let had_block = take_out(path)?;
        return Ok(!same || had_block);
    }
    if way(repo, path)? == Some(Way::Line) {
        return Ok(false);
    }
    if let Some(obstacle) = obstacle(repo, path)? {
        let path = path.display().to_string();
        return Err(Refusal::ForeignHooks { path, obstacle, line: line(obstacle) }.into());
    }
    let old = read(path)?;
    let new = match &old {
        None => format!("{SHEBANG}{BLOCK}"),
        Some(text) => with_block(&without_block(text, path)?.unwrap_or_else(|| text.clone())),
    };
    if old.as_ref() == Some(&new) {
        return Ok(false);
    }
    write(path, &new)?;
    Ok(true)
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
    if text.as_deref().is_some_and(|text| !is_shell(text)) || meta.len() >= LONGEST {
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

/// The text with the block at its head, before anything that could end the script.
fn with_block(text: &str) -> String {
    match text.split_once('\n') {
        Some((first, rest)) if first.starts_with("#!") => format!("{first}\n{BLOCK}{rest}"),
        None if text.starts_with("#!") => format!("{text}\n{BLOCK}"),
        _ => format!("{BLOCK}{text}"),
    }
}

/// The text without the block; `None` if there is none.
fn without_block(text: &str, path: &Path) -> Result<Option<String>, Failure> {
    let Some((before, rest)) = text.split_once(BEGIN) else { return Ok(None) };
    let Some((_, after)) = rest.split_once(END) else {
        let text = format!("the lines of git conductor in '{}' have no end", path.display());
        return Err(Failure::new(FailureKind::Tampered, text));
    };
    Ok(Some(format!("{before}{after}")))
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
    let Some(rest) = without_block(&text, path)? else { return Ok(false) };
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
            file.sync_all()
        })
        .and_then(|()| std::fs::rename(&temporary, path));
    written.map_err(|error| {
        std::fs::remove_file(&temporary).ok();
        fail(error)
    })
}
