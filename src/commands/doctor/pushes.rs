//! Whether pushes ask the gate: from each worktree, by each git, and for which references.

use super::{Findings, Level};
use crate::commands::hooks;
use crate::git::Repo;

impl Findings {
    /// Whether a push asks the gate, from wherever it is made, and what it is asked for.
    pub(super) fn hooks(&mut self, repo: &Repo) {
        let found = match hooks::look(repo) {
            Ok(found) => found,
            Err(failure) => return self.failed("hooks", &failure),
        };
        let install = "git conductor hooks install".to_owned();
        let here = &found.here;
        let path = here.path.display();
        match here.form() {
            None if found.are_there() => {
                let says =
                    format!("a push from here does not ask the gate: nothing is in '{path}'");
                self.hint("hooks", Level::Problem, says, install);
            }
            None => self.hint("hooks", Level::Note, "no push asks the gate", install),
            Some(form) => match &form.why_not {
                Some(why) => {
                    let says = format!("git would not run the hook in '{path}': {why}");
                    self.add("hooks", Level::Problem, says);
                }
                None => self.add("hooks", Level::Ok, "a push asks the gate"),
            },
        }
        for (place, why) in found.slips() {
            let says =
                format!("a push from '{}' does not ask the gate: {why}", place.from.display());
            let hint = "a relative core.hooksPath leads each worktree to files of its own: add the hook \
                        there, or have the path be absolute";
            self.hint("hooks", Level::Problem, says, hint.to_owned());
        }
        if let Some(why) = here.why_not_before() {
            let says = format!("a git before 2.54 would not ask the gate: {why}");
            self.hint("hooks", Level::Note, says, install_line());
        }
        if found.are_there() {
            self.protected(&found);
        }
    }

    fn protected(&mut self, found: &hooks::Hooks) {
        for (at, target) in found.targets.iter().enumerate() {
            let mut says = target.protection.protects.join(", ");
            if found.targets.len() > 1 {
                says = format!("at '{}': {says}", target.to);
            }
            if target.protection.guessed {
                let says =
                    format!("{says} (guessed: the remote's default branch is not known here)");
                let hint = "git remote set-head origin --auto".to_owned();
                self.hint("protected", Level::Note, says, hint);
            } else if at == 0 || found.targets.len() > 1 {
                self.add("protected", Level::Ok, says);
            }
        }
    }
}

/// What may be done for an older git.
fn install_line() -> String {
    format!("where one is used, add this line to that file: {}", hooks::LINE)
}
