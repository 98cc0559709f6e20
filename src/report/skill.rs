//! What is said of the skill that agents read: the skill itself, hooks for an agent's settings, and
//! where files went.

use std::path::Path;

use serde_json::{Value, json};

use super::Say;
use super::sentences::{Draft, NOTHING, draft, names};
use super::text::safe;
use crate::cmd::install::Change;
use crate::cmd::skill::{Reader, Skill, TEXT};
use crate::record::VERSION;

fn shown(path: &Path) -> String {
    safe(&path.display().to_string()).into_owned()
}

/// What is printed, and what is said about it.
pub(super) fn text(skill: &Skill, say: &mut Say) -> String {
    match skill {
        Skill::Text => TEXT.to_owned(),
        Skill::Hooks { reader, edits } => {
            if let Some(path) = reader.settings() {
                let words =
                    format!("--for {}{}", reader.word(), if *edits { " --edits" } else { "" });
                say.hint(&format!("for ~/{path}, or {path} of a project; this puts them there:"));
                say.hint(&format!("git conductor skill --hooks --install {words}"));
                format!("{}\n", reader.whole(*edits))
            } else {
                say.line(
                    "no hooks are known for this agent; where it has some, these are the commands",
                );
                format!("{}\n{}\n", reader.command("--hook"), reader.command("--stop"))
            }
        }
        Skill::Put { request, files, left, claude_md } => {
            let would = if request.dry_run { "would be " } else { "" };
            for (path, change) in files {
                let what = match change {
                    Change::Written => format!("{would}written"),
                    Change::Same => "there already".to_owned(),
                    Change::Removed => format!("{would}removed"),
                };
                say.line(&format!("{what}: '{}'", shown(path)));
            }
            if files.is_empty() {
                say.line("there was nothing of ours");
            }
            for path in left {
                say.line(&format!("left '{}': it is not ours", shown(path)));
            }
            let written = files.iter().any(|(_, change)| *change == Change::Written);
            if request.hooks && written && request.reader == Some(Reader::Codex) {
                say.hint("codex runs them once you have told it that you trust them");
            }
            if request.project && request.install {
                say.hint("these are files of the repository: look at them, and commit them");
            }
            if *claude_md && request.install {
                say.hint("CLAUDE.md was left as it is: a line '@AGENTS.md' in it reads the other");
            }
            files.iter().map(|(path, _)| shown(path) + "\n").collect()
        }
    }
}

/// The same as JSON.
pub(super) fn json(skill: &Skill) -> Value {
    match skill {
        Skill::Text => json!({"v": VERSION, "ok": true, "skill": TEXT}),
        Skill::Hooks { reader, edits } => {
            let settings = reader.settings().map_or(Value::Null, |_| reader.whole(*edits));
            json!({
                "v": VERSION, "ok": true, "for": reader, "path": reader.settings(),
                "session_start": reader.command("--hook"), "stop": reader.command("--stop"),
                "settings": settings,
            })
        }
        Skill::Put { request, files, left, .. } => {
            let files: Vec<Value> = files
                .iter()
                .map(|(path, change)| json!({"path": path.display().to_string(), "change": change}))
                .collect();
            let left: Vec<String> = left.iter().map(|path| path.display().to_string()).collect();
            json!({
                "v": VERSION, "ok": true,
                "project": request.project, "dry_run": request.dry_run,
                "files": files, "left": left,
            })
        }
    }
}

/// Files of other people where ours would go.
pub(super) fn foreign(paths: &[String]) -> Draft {
    let are = if paths.len() == 1 { "is there and is" } else { "are there and are" };
    draft(
        format!("{} {are} not from 'git conductor skill': nothing was changed", names(paths)),
        "whose they are is your human's to say: tell them; 'git conductor skill' prints the skill",
        NOTHING,
    )
}

/// Settings of an agent's that are not changed.
pub(super) fn foreign_settings(path: &str, why: &str, agent: &str, edits: bool) -> Draft {
    let mut todo = vec!["skill", "--hooks", "--for", agent];
    if edits {
        todo.push("--edits");
    }
    draft(
        format!("'{}' {why}: nothing was changed", safe(path)),
        "whose settings they are decides: tell your human; this prints what can be added by hand",
        &todo,
    )
}
