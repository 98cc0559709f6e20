//! What commands refuse that have rules of their own: artifacts, salvage, hooks, files that they write.

use super::message::{Message, NOTHING, message};
use super::phrases::names;
use super::text::{list, safe};
use crate::rules::refusal::Obstacle;

/// `3 paths in '/home/ann/app' are not committed: 'a', 'b' and 1 more`
pub(crate) fn uncommitted(place: &str, count: usize, first: &[String]) -> String {
    let mut shown: Vec<String> = first.iter().map(|path| format!("'{}'", safe(path))).collect();
    if count > shown.len() {
        shown.push(format!("{} more", count - shown.len()));
    }
    let paths = if count == 1 { "1 path" } else { &format!("{count} paths") };
    let are = if count == 1 { "is" } else { "are" };
    format!("{paths} in '{}' {are} not committed: {}", safe(place), list(&shown))
}

/// The refusal of a completion of which something is not committed.
pub(crate) fn dirty(
    phase: &str,
    worktree: Option<&str>,
    (count, paths): (usize, &[String]),
    given_up: bool,
) -> Message {
    let text = format!(
        "'{phase}' is not completed: {}",
        uncommitted(worktree.unwrap_or_default(), count, paths)
    );
    let hint = if given_up {
        format!(
            "the command ended well, but left that: '{phase}' is given up (conductor.requireClean)"
        )
    } else {
        format!(
            "'{phase}' stays claimed by you (conductor.requireClean): commit what belongs to it, \
             and complete it again"
        )
    };
    message(text, hint, NOTHING)
}

/// The refusal of a name that nothing has.
pub(crate) fn unknown(name: Option<&str>, kept: &[String]) -> Message {
    let text = match name {
        Some(name) => format!("nothing that is kept is called '{}'", safe(name)),
        None => "nothing is kept of what dead owners left".to_owned(),
    };
    match kept {
        [] => message(
            text,
            "it is saved when the claim of a dead owner is taken over or freed",
            NOTHING,
        ),
        _ => message(text, format!("there is {}", names(kept)), &["salvage"]),
    }
}

/// A hook file that is not ours to edit.
pub(crate) fn foreign_hooks(path: &str, obstacle: Obstacle, line: &str) -> Message {
    let path = safe(path);
    let (why, hint) = match obstacle {
        Obstacle::Husky => ("husky's", "add this line to '.husky/pre-push'"),
        Obstacle::Lefthook => ("lefthook's", "add this to 'lefthook.yml'"),
        Obstacle::PreCommit => ("pre-commit's", "add this to 'repos' in '.pre-commit-config.yaml'"),
        Obstacle::Worktree => ("in a worktree, and may be tracked", "add this line to it"),
        Obstacle::Link => ("not a regular file", "add this line to what it leads to"),
        Obstacle::NoShell => ("not a script of a shell", "let it run this with its input"),
        Obstacle::Idle => {
            ("not executable, so that git does not run it", "make it so, or add this line to it")
        }
    };
    let mut draft = message(
        format!("the hook '{path}' is {why}: nothing was changed"),
        format!("to have it ask the gate, {hint}"),
        &[],
    );
    draft.hints.push(line.to_owned());
    draft
}

/// Files of other people where ours would go.
pub(crate) fn foreign_install(paths: &[String]) -> Message {
    let are = if paths.len() == 1 { "is there and is" } else { "are there and are" };
    message(
        format!("{} {are} not from 'git conductor install': nothing was changed", names(paths)),
        "whose they are is your human's to say: once they are out of the way, run it again; \
         or install below another directory with --prefix",
        NOTHING,
    )
}

/// Files of other people where ours would go.
pub(crate) fn foreign_skill(paths: &[String]) -> Message {
    let are = if paths.len() == 1 { "is there and is" } else { "are there and are" };
    message(
        format!("{} {are} not from 'git conductor skill': nothing was changed", names(paths)),
        "whose they are is your human's to say: tell them; 'git conductor skill' prints the skill",
        NOTHING,
    )
}

/// Settings of an agent's that are not changed.
pub(crate) fn foreign_skill_settings(path: &str, why: &str, agent: &str, edits: bool) -> Message {
    let mut command = vec!["skill", "--hooks", "--for", agent];
    if edits {
        command.push("--edits");
    }
    message(
        format!("'{}' {why}: nothing was changed", safe(path)),
        "whose settings they are decides: tell your human; this prints what can be added by hand",
        &command,
    )
}
