//! What is said of hooks: what is installed, whether git would run it, and what it guards.

use serde_json::{Value, json};

use super::Say;
use super::sentences::{Draft, draft};
use super::text::{list, safe};
use crate::cmd::hooks::{Action, Hooks, Way};
use crate::record::VERSION;
use crate::rules::refusal::Obstacle;

/// What there is of hooks.
pub(super) fn text(hooks: &Hooks, say: &mut Say) -> String {
    if let Some(why) = hooks.idle {
        say.warning(&format!("git would not run the hook: {why}"));
    }
    let path = safe(&hooks.path.display().to_string()).into_owned();
    let way = match hooks.way {
        None => "no push asks the gate".to_owned(),
        Some(Way::Config) => {
            "a push asks the gate, by 'hook.conductor' in git's settings".to_owned()
        }
        Some(Way::File) => format!("a push asks the gate, by a block in '{path}'"),
        Some(Way::Line) => format!("a push asks the gate, by a line in '{path}'"),
    };
    let guards = guards(hooks);
    match hooks.action {
        Action::Status => {
            if hooks.way.is_none() {
                say.hint("git conductor hooks install");
            }
            if hooks.protection.guessed {
                say.hint(GUESSED);
            }
            format!("{way}\nguarded: {guards}\n")
        }
        Action::Install => {
            say.line(&way);
            say.line(&format!("guarded: {guards}"));
            if hooks.protection.guessed {
                say.hint(GUESSED);
            }
            "OK\n".to_owned()
        }
        Action::Uninstall => {
            say.line(if hooks.changed { "the hook is gone" } else { "there was no hook of ours" });
            if hooks.way.is_some() {
                say.line(&way);
            }
            "OK\n".to_owned()
        }
    }
}

/// What may be done about a guess.
const GUESSED: &str = "the remote's default branch is not known here, so this is guessed; \
                       'git remote set-head <remote> --auto' asks the remote";

fn guards(hooks: &Hooks) -> String {
    list(&hooks.protection.protects.iter().map(|name| safe(name).into_owned()).collect::<Vec<_>>())
}

/// The same as JSON.
pub(super) fn json(hooks: &Hooks) -> Value {
    json!({
        "v": VERSION, "ok": true,
        "installed": hooks.way,
        "changed": hooks.changed,
        "path": hooks.path.display().to_string(),
        "runs": hooks.way.is_some() && hooks.idle.is_none(),
        "why_not": hooks.idle,
        "protects": hooks.protection.protects,
        "guessed": hooks.protection.guessed,
    })
}

/// A hook file that is not ours to edit.
pub(super) fn foreign(path: &str, obstacle: Obstacle, line: &str) -> Draft {
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
    let mut draft = draft(
        format!("the hook '{path}' is {why}: nothing was changed"),
        format!("to have it ask the gate, {hint}"),
        &[],
    );
    draft.hints.push(line.to_owned());
    draft
}
