//! What a push from each worktree would run, and what it would be asked for.

use std::path::Path;

use super::block::{self, Ours, PROGRAM};
use super::{Action, EVENT, Form, Hooks, Place, Target, Way, is_executable, is_in_path, read};
use crate::commands::protection;
use crate::error::Failure;
use crate::git::Repo;

/// No more worktrees than these are looked at; each costs a child.
const WORKTREES: usize = 64;
/// No more destinations than these are told of.
const TARGETS: usize = 64;

/// What there is of hooks.
pub(in crate::commands) fn look(repo: &Repo) -> Result<Hooks, Failure> {
    let is_new = repo.has_configured_hooks()?;
    let here = place(repo, is_new)?;
    let mut elsewhere = Vec::new();
    for root in repo.worktrees().into_iter().filter(|root| Some(&**root) != repo.worktree()) {
        if elsewhere.len() == WORKTREES {
            break;
        }
        let there = match repo.in_worktree(&root) {
            Ok(Some(there)) => place(&there, is_new),
            Ok(None) => continue,
            Err(failure) => Err(failure),
        };
        elsewhere.push(there.unwrap_or_else(|failure| Place {
            from: root,
            path: here.path.clone(),
            forms: Vec::new(),
            unknown: Some(failure.to_string()),
        }));
    }
    let targets = targets(repo)?;
    Ok(Hooks { action: Action::Status, changed: false, here, elsewhere, targets })
}

/// What a push from the worktree of `repo` runs.
fn place(repo: &Repo, is_new: bool) -> Result<Place, Failure> {
    let path = repo.hooks_dir()?.join(EVENT);
    let forms = configured(repo, is_new)?.into_iter().chain(in_file(&path)?).collect();
    let from = repo.worktree().unwrap_or_else(|| repo.git_dir()).to_owned();
    Ok(Place { from, path, forms, unknown: None })
}

/// The form that stands in configuration.
fn configured(repo: &Repo, is_new: bool) -> Result<Option<Form>, Failure> {
    let Some(command) = repo.configured_hook(EVENT) else { return Ok(None) };
    let why_not = if is_new {
        let mut is_off = false;
        for key in ["hook.conductor.enabled", "hook.pre-push.enabled"] {
            is_off |= repo.config_bool(key)? == Some(false);
        }
        let off = is_off.then(|| "it is switched off in configuration".to_owned());
        off.or_else(|| no_program(&command))
    } else {
        Some("this git runs no hooks from configuration".to_owned())
    };
    Ok(Some(Form { way: Way::Config, why_not }))
}

/// The form that stands in the hook file.
fn in_file(path: &Path) -> Result<Option<Form>, Failure> {
    let Some((ours, text)) = ours(path)? else { return Ok(None) };
    let way = match ours {
        Ours::Block => Way::File,
        Ours::Line => Way::Line,
    };
    let why_not = if is_executable(path) {
        block::fault(&text).or_else(|| no_program(&text))
    } else {
        Some("its file is not executable".to_owned())
    };
    Ok(Some(Form { way, why_not }))
}

/// What is of ours in a hook file, and the text that it is in.
fn ours(path: &Path) -> Result<Option<(Ours, String)>, Failure> {
    let mut texts = vec![read(path)?.unwrap_or_default()];
    if let Some(dir) = path.parent().filter(|dir| dir.ends_with(".husky/_")) {
        // That file runs the one of its name above it, which is people's to write.
        texts.extend(read(&dir.with_file_name(EVENT))?);
    }
    Ok(texts.into_iter().find_map(|text| Some((block::ours(&text)?, text))))
}

/// Whether a hook file has somebody's own line.
pub(super) fn has_line(path: &Path) -> Result<bool, Failure> {
    Ok(ours(path)?.is_some_and(|(ours, _)| ours == Ours::Line))
}

/// Why the program is not found.
fn no_program(text: &str) -> Option<String> {
    let recorded = block::recorded(text);
    if is_in_path(PROGRAM) || is_executable(Path::new(&recorded)) {
        return None;
    }
    let mut why = format!("{PROGRAM} is not in PATH");
    if !recorded.is_empty() {
        why = format!("{why}, and '{recorded}' is gone");
    }
    Some(why)
}

/// Whether the hook file asks as surely as git runs it, so that what stands in configuration, and
/// is run by a git that runs that file too, need not.
pub(in crate::commands) fn leaves_to_file(repo: &Repo) -> Result<bool, Failure> {
    let path = repo.hooks_dir()?.join(EVENT);
    let text = read(&path)?.filter(|text| is_executable(&path) && super::is_shell(text));
    Ok(text.is_some_and(|text| block::surely_asks(&text) && no_program(&text).is_none()))
}

/// What is guarded of each place that a push goes to by configuration, that of a plain `git push`
/// here first.
fn targets(repo: &Repo) -> Result<Vec<Target>, Failure> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    let mut add = |to: String, by: Option<String>| {
        let at = found.iter().position(|(known, _)| *known == to).unwrap_or(found.len());
        if at == found.len() {
            found.push((to, Vec::new()));
        }
        let known = &mut found[at].1;
        known.extend(by.filter(|by| !known.contains(by)));
    };
    let remotes = repo.remote_names();
    let set = |key: String| {
        let value = repo.config(&key).filter(|value| !value.is_empty() && value != ".")?;
        Some((value, Some(key)))
    };
    let default = || set("remote.pushDefault".to_owned());
    let of_branch = |branch: &str| {
        let own = set(format!("branch.{branch}.pushRemote"));
        own.or_else(default).or_else(|| set(format!("branch.{branch}.remote")))
    };
    let only = || {
        let name = match remotes.as_slice() {
            [only] => only.clone(),
            _ => "origin".to_owned(),
        };
        (name, None)
    };
    let here = match repo.branch() {
        Some(branch) => of_branch(&branch),
        None => default(),
    };
    let (to, by) = here.unwrap_or_else(only);
    add(to, by);
    if let Some((to, by)) = default() {
        add(to, by);
    }
    for branch in repo.configuration().subsections("branch") {
        if let Some((to, by)) = of_branch(&branch) {
            add(to, by);
        }
    }
    for remote in remotes {
        add(remote, None);
    }
    found.truncate(TARGETS);
    let target = |(to, by): (String, Vec<String>)| {
        let protection = protection::protection(repo, &to, None, None::<fn() -> bool>)?;
        Ok(Target { to: without_secrets(to), by, protection })
    };
    found.into_iter().map(target).collect()
}

/// An address without the name and the password in it.
fn without_secrets(address: String) -> String {
    let shown = address.split_once("://").and_then(|(scheme, rest)| {
        let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (_, host) = place.rsplit_once('@').filter(|(user, _)| user.contains(':'))?;
        Some(format!("{scheme}://{host}/{path}"))
    });
    shown.unwrap_or(address)
}
