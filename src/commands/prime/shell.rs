//! Adds an agent's name to the calls of `git conductor` in a shell's command line. Everything that
//! is not certainly such a call stays byte for byte. Nothing is ever run here.
//!
//! It reads as much of the shell's grammar as tells where a command begins: quotes, substitutions,
//! here documents, comments, `[[ … ]]`. Where it cannot follow (`case`, functions, arrays,
//! something that is not closed), the whole line stays as it is. What stands in quotes, such as the
//! script of `sh -c`, is data.

mod reader;
#[cfg(test)]
mod tests;

use reader::{Reader, Word};

/// The longest command line that is read, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// Words that begin syntax which this reader does not follow.
const TOO_HARD: &[&str] = &["case", "function", "coproc", "alias", "select", "eval"];
/// Options of git's before the command that have their value as the next word.
const WITH_VALUE: &[&str] = &[
    "-C",
    "-c",
    "--git-dir",
    "--work-tree",
    "--namespace",
    "--exec-path",
    "--super-prefix",
    "--config-env",
    "--attr-source",
];
/// Options of git's before the command that stand alone. An alias cannot be told from a command
/// after any other.
const ALONE: &[&str] = &[
    "-p",
    "--paginate",
    "-P",
    "--no-pager",
    "--no-replace-objects",
    "--no-lazy-fetch",
    "--no-optional-locks",
    "--no-advice",
    "--literal-pathspecs",
    "--glob-pathspecs",
    "--noglob-pathspecs",
    "--icase-pathspecs",
];
/// What names an agent already.
const NAMES: &[&str] = &["GIT_CONDUCTOR_AGENT", "NANOSTACK_AGENT"];

/// `text` as one word of a shell.
#[must_use]
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%".contains(c);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Whether there may be something to name in a command line.
#[must_use]
pub fn may_call(line: &str, pushes: bool) -> bool {
    line.contains("conductor") || pushes && line.contains("push")
}

/// The command line in which each call of `git conductor` that names nobody is made as `name`; with
/// `pushes` also `git push`, whose hook asks the gate. `None` without such a call, or if unsure.
///
/// The name goes behind the command's own (`git conductor next --agent NAME --claim`), where a rule
/// that lets `git conductor next` through still applies; `git push` has only the environment to
/// pass it on.
#[must_use]
pub fn named(line: &str, name: &str, pushes: bool) -> Option<String> {
    if line.len() > MAX_BYTES || !may_call(line, pushes) || line.contains(['\0', '\r']) {
        return None;
    }
    let mut reader = Reader::new(line, pushes);
    reader.commands(None, 0)?;
    if reader.calls.is_empty() {
        return None;
    }
    let mut out = String::with_capacity(line.len() + 64);
    let mut from = 0;
    reader.calls.sort_by_key(|call| call.at);
    for Call { at, what } in reader.calls {
        out += line.get(from..at)?;
        let name = quoted(name);
        let words = match what {
            What::Command => [" --agent ", &name, ""],
            What::Board => [" status --agent ", &name, ""],
            What::Push => ["GIT_CONDUCTOR_AGENT=", &name, " "],
        };
        out.extend(words);
        from = at;
    }
    Some(out + line.get(from..)?)
}

/// A call, and where in the line its name goes.
struct Call {
    at: usize,
    what: What,
}

/// What is called.
enum What {
    /// A command of `git conductor`.
    Command,
    /// `git conductor` alone.
    Board,
    /// `git push`.
    Push,
}

impl Reader<'_> {
    /// Looks at a simple command that is complete.
    fn finish(&mut self, words: &mut Vec<Word>) -> Option<()> {
        let words = std::mem::take(words);
        let mut rest = words.as_slice();
        while let [word, more @ ..] = rest {
            let Some(variable) = word.assigns.as_deref() else { break };
            if NAMES.contains(&variable) {
                // Alone it holds for what comes next on this line, too.
                return (!more.is_empty()).then_some(());
            }
            rest = more;
        }
        let texts: Vec<Option<&str>> = rest.iter().map(|word| word.text.as_deref()).collect();
        match texts.as_slice() {
            [Some(first), ..] if TOO_HARD.contains(first) => return None,
            // For the rest of the line.
            [
                Some("export" | "declare" | "readonly" | "local" | "unset" | "typeset"),
                more @ ..,
            ] if more
                .iter()
                .flatten()
                .any(|word| NAMES.iter().any(|name| word.starts_with(name))) =>
            {
                return None;
            }
            [Some("env"), ..] => {
                let sets = |word: &&Word| word.assigns.is_some();
                let skip = 1 + rest.iter().skip(1).take_while(sets).count();
                let is_named =
                    |word: &Word| NAMES.iter().any(|name| word.assigns.as_deref() == Some(name));
                if !rest.iter().take(skip).any(is_named) {
                    self.call(rest.get(skip..).unwrap_or_default());
                }
            }
            [Some("exec" | "command" | "nohup"), ..] => {
                self.call(rest.get(1..).unwrap_or_default());
            }
            // `timeout 90s git conductor …`
            [Some("timeout"), Some(time), ..] if time.starts_with(|c: char| c.is_ascii_digit()) => {
                self.call(rest.get(2..).unwrap_or_default());
            }
            _ => {
                self.call(rest);
                self.push(rest);
            }
        }
        Some(())
    }

    /// Notes down where a variable goes before `git push`, if these are the words of one.
    fn push(&mut self, words: &[Word]) {
        let text = |at: usize| words.get(at).and_then(|word| word.text.as_deref());
        let is_push =
            text(0) == Some("git") && command(words).is_some_and(|(_, name)| name == "push");
        if let (true, true, Some(git)) = (self.pushes, is_push, words.first()) {
            self.calls.push(Call { at: git.start, what: What::Push });
        }
    }

    /// Notes down where the name of a call goes, if these are the words of one.
    fn call(&mut self, words: &[Word]) {
        let at = match words.first().and_then(|word| word.text.as_deref()) {
            Some("git") => match command(words) {
                Some((at, "conductor")) => at,
                _ => return,
            },
            Some("git-conductor") => 0,
            _ => return,
        };
        let Some(program) = words.get(at) else { return };
        let before_end = |word: &&Word| word.text.as_deref() != Some("--");
        let is_name = |word: &Word| {
            let text = word.text.as_deref().unwrap_or_default();
            text == "--agent" || text.starts_with("--agent=")
        };
        let arguments = words.get(at + 1..).unwrap_or_default();
        if arguments.iter().take_while(before_end).any(is_name) {
            return;
        }
        self.calls.push(match arguments.first() {
            Some(command) => {
                let is_command = command.text.as_deref().is_some_and(|text| {
                    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase())
                });
                Call { at: if is_command { command.end } else { program.end }, what: What::Command }
            }
            None => Call { at: program.end, what: What::Board },
        });
    }
}

/// Which command of git's a call names, and where.
fn command(words: &[Word]) -> Option<(usize, &str)> {
    let mut at = 1;
    loop {
        let text = words.get(at)?.text.as_deref()?;
        let long = text.split_once('=').filter(|(name, _)| name.starts_with("--"));
        if WITH_VALUE.contains(&text) {
            at += 2;
        } else if ALONE.contains(&text) || long.is_some_and(|(name, _)| WITH_VALUE.contains(&name))
        {
            at += 1;
        } else {
            return Some((at, text));
        }
    }
}
