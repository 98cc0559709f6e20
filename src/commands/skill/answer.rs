//! What is said of the skill that agents read: the skill itself, hooks for an agent's settings, and
//! where files went.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use super::{Reader, Skill, TEXT};
use crate::commands::install::Change;
use crate::record::VERSION;
use crate::ui::text::safe;
use crate::ui::{Answer, Format, Messages};

impl Answer for Skill {
    fn text(&self, _: Format, messages: &mut Messages) -> String {
        text(self, messages)
    }

    fn json(&self, _: Format) -> Value {
        json(self)
    }
}

fn shown(path: &Path) -> String {
    safe(&path.display().to_string()).into_owned()
}

/// What is printed, and what is said about it.
fn text(skill: &Skill, messages: &mut Messages) -> String {
    match skill {
        Skill::Text => TEXT.to_owned(),
        Skill::Hooks { reader, edits } => {
            if let Some(path) = reader.settings() {
                let words =
                    format!("--for {}{}", reader.word(), if *edits { " --edits" } else { "" });
                messages
                    .hint(&format!("for ~/{path}, or {path} of a project; this puts them there:"));
                messages.hint(&format!("git conductor skill install --hooks {words}"));
                format!("{}\n", reader.whole(*edits))
            } else {
                messages.line(
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
                messages.line(&format!("{what}: '{}'", shown(path)));
            }
            if files.is_empty() {
                messages.line("there was nothing of ours");
            }
            for path in left {
                messages.line(&format!("left '{}': it is not ours", shown(path)));
            }
            let written = files.iter().any(|(_, change)| *change == Change::Written);
            if request.hooks && written && request.reader == Some(Reader::Codex) {
                messages.hint("codex runs them once you have told it that you trust them");
            }
            if request.project && request.install {
                messages.hint("these are files of the repository: look at them, and commit them");
            }
            if *claude_md && request.install {
                messages
                    .hint("CLAUDE.md was left as it is: a line '@AGENTS.md' in it reads the other");
            }
            files.iter().map(|(path, _)| shown(path) + "\n").collect()
        }
    }
}

/// What `skill` answers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct SkillAnswer {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// The skill's text.
    skill: &'static str,
}

/// What `skill show --hooks` answers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct SkillHooksAnswer {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// For which agent.
    #[serde(rename = "for")]
    reader: Reader,
    /// Its settings, below the user's home or a worktree.
    path: Option<&'static str>,
    /// What it is to run when a session begins.
    session_start: String,
    /// What it is to run before it stops.
    stop: String,
    /// What belongs into its settings; null where they cannot have hooks.
    settings: Value,
}

/// A file, and what became of it.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct SkillFile {
    /// Where it is (absolute path).
    path: String,
    /// What became of it.
    change: Change,
}

/// What `skill install` and `skill uninstall` answer.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct SkillPutAnswer {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// Whether it was done in the worktree (`--project`).
    project: bool,
    /// Whether nothing was written (`--dry-run`).
    dry_run: bool,
    /// The files.
    files: Vec<SkillFile>,
    /// Files of such a name that are not ours and were left alone.
    left: Vec<String>,
}

/// The same as JSON.
fn json(skill: &Skill) -> Value {
    match skill {
        Skill::Text => json!(SkillAnswer { v: VERSION, ok: true, skill: TEXT }),
        Skill::Hooks { reader, edits } => {
            let settings = reader.settings().map_or(Value::Null, |_| reader.whole(*edits));
            json!(SkillHooksAnswer {
                v: VERSION,
                ok: true,
                reader: *reader,
                path: reader.settings(),
                session_start: reader.command("--hook"),
                stop: reader.command("--stop"),
                settings,
            })
        }
        Skill::Put { request, files, left, .. } => {
            let file = |(path, change): &(PathBuf, Change)| SkillFile {
                path: path.display().to_string(),
                change: *change,
            };
            json!(SkillPutAnswer {
                v: VERSION,
                ok: true,
                project: request.project,
                dry_run: request.dry_run,
                files: files.iter().map(file).collect(),
                left: left.iter().map(|path| path.display().to_string()).collect(),
            })
        }
    }
}
