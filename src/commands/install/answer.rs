//! What is said of files that were put where `man` and the shells look.

use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Change, Installed, Missing, Piece, Reader};
use crate::record::VERSION;
use crate::ui::text::safe;
use crate::ui::{Answer, Format, Messages};

impl Answer for Installed {
    fn text(&self, _: Format, messages: &mut Messages) -> String {
        text(self, messages)
    }

    fn json(&self, _: Format) -> Value {
        json(self)
    }
}

/// Each file's path, and what is still to be done so that it is found.
fn text(installed: &Installed, messages: &mut Messages) -> String {
    let pieces = &installed.pieces;
    let count = |change: Change| pieces.iter().filter(|piece| piece.change == change).count();
    let (written, removed) = (count(Change::Written), count(Change::Removed));
    let mut counts = Vec::new();
    for (count, what) in [(written, "written"), (removed, "removed")] {
        if count > 0 {
            let would = if installed.request.dry_run { "would be " } else { "" };
            counts.push(format!("{count} {would}{what}"));
        }
    }
    match (counts.is_empty(), installed.request.uninstall) {
        (false, _) => messages.line(&counts.join(", ")),
        (true, true) => messages.line("there was nothing of ours"),
        (true, false) => messages.line("all of it was there already"),
    }
    for path in &installed.left {
        messages.line(&format!("left '{}': it is not ours", shown(path)));
    }
    for missing in &installed.missing {
        messages.hint(&advice(missing));
    }
    let paths = pieces.iter().map(|piece| shown(&piece.path) + "\n");
    paths.collect()
}

fn shown(path: &Path) -> String {
    safe(&path.display().to_string()).into_owned()
}

/// The line that makes a shell look in the directory; `None` for `man`, which has no such file.
fn line(missing: &Missing) -> Option<String> {
    let dir = missing.dir.display().to_string();
    let quoted = |path: &str| format!("'{}'", path.replace('\'', "'\\''"));
    match missing.reader {
        Reader::Man => None,
        Reader::Bash => Some(format!("source {}", quoted(&format!("{dir}/git-conductor")))),
        Reader::Zsh => Some(format!("fpath=({} $fpath)", quoted(&dir))),
        Reader::Fish => {
            let escaped = dir.replace('\\', "\\\\").replace('\'', "\\'");
            Some(format!("source '{escaped}/git-conductor.fish'"))
        }
    }
}

fn advice(missing: &Missing) -> String {
    let place = match missing.reader {
        Reader::Man => {
            return format!(
                "man does not look in '{}': the 'bin' beside that 'share' is not in PATH, or \
                 MANPATH leaves it out",
                shown(&missing.dir)
            );
        }
        Reader::Bash => "for bash, add to ~/.bashrc",
        Reader::Zsh => "for zsh, add to ~/.zshrc, before compinit",
        Reader::Fish => "for fish, add to ~/.config/fish/config.fish",
    };
    format!("{place}: {}", safe(&line(missing).unwrap_or_default()))
}

/// What somebody still has to do so that a file is found.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct MissingAnswer {
    /// Who does not look there.
    #[serde(rename = "for")]
    reader: Reader,
    /// The directory (absolute path).
    dir: String,
    /// What to add to a start-up file.
    line: Option<String>,
}

/// What `install` answers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct InstallAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// The directory that it was done below (absolute path).
    prefix: String,
    /// Whether nothing was written (`--dry-run`).
    dry_run: bool,
    /// The files.
    files: &'a [Piece],
    /// Files of such a name that are not ours and were left alone.
    left: Vec<String>,
    /// What shells and `man` do not find yet.
    missing: Vec<MissingAnswer>,
}

/// The same as JSON.
fn json(installed: &Installed) -> Value {
    let missing = installed.missing.iter().map(|missing| MissingAnswer {
        reader: missing.reader,
        dir: missing.dir.display().to_string(),
        line: line(missing),
    });
    json!(InstallAnswer {
        v: VERSION,
        ok: true,
        prefix: installed.prefix.display().to_string(),
        dry_run: installed.request.dry_run,
        files: &installed.pieces,
        left: installed.left.iter().map(|path| path.display().to_string()).collect(),
        missing: missing.collect(),
    })
}
