//! What stands in hook files and in git's configuration: how it is written, known again and taken
//! out.

use std::path::Path;

use crate::commands::context;
use crate::error::{Failure, FailureKind, Hint};

/// What a hook of anybody's runs.
pub const LINE: &str = "git conductor guard --pre-push \"$@\"";
/// How a hook of ours is known, whoever wrote it down.
const CALL: &str = "git conductor guard --pre-push";
pub(super) const SHEBANG: &str = "#!/bin/sh\n";
/// What the program is called.
pub(super) const PROGRAM: &str = "git-conductor";

const BEGIN: &str = "# >>> git conductor >>>";
const END: &str = "# <<< git conductor <<<\n";
/// What the recorded path of the program follows.
const RECORDED: &str = "\nconductor_program='";
/// The block, up to that path. What git says is read once, and told to the gate and to the rest of
/// the file.
const HEAD: &str = r#"# >>> git conductor >>> 'git conductor hooks uninstall' takes these lines out
conductor_refs=$(cat) || {
	echo "error: nothing is pushed: cannot read what git pushes" >&2
	exit 1
}"#;
/// The rest of it. A client with a window may have a `PATH` without the program.
const REST: &str = r#"'
if command -v git-conductor >/dev/null 2>&1; then
	git conductor guard --pre-push "$@" <<CONDUCTOR_REFS || exit $?
$conductor_refs
CONDUCTOR_REFS
elif [ -x "$conductor_program" ]; then
	"$conductor_program" guard --pre-push "$@" <<CONDUCTOR_REFS || exit $?
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
unset conductor_refs conductor_program
"#;
/// The same as one command of git's configuration, after which git writes the arguments. A git that
/// runs this runs the hook file as well: `--configured` leaves the question to the block there.
const COMMAND: [&str; 3] = [
    r#"conductor() { if command -v git-conductor >/dev/null 2>&1; then git conductor guard --configured --pre-push "$@"; elif [ -x '"#,
    "' ]; then '",
    r#"' guard --configured --pre-push "$@"; else echo "warning: git conductor is not installed: nobody was asked about this push" >&2; echo "hint: to be rid of this: git config --local --remove-section hook.conductor" >&2; [ "$(git config --type=bool --default=false --get conductor.hookStrict || echo true)" != true ] || { echo "error: nothing is pushed, as conductor.hookStrict asks for" >&2; false; }; fi; }; conductor"#,
];

/// The path of this program for when it is not in `PATH`: as `PATH` has it, which an update leaves
/// as it is, else as the system does. Empty if it cannot be written down.
pub(super) fn program() -> String {
    let Some(own) = std::env::current_exe().ok().and_then(|path| path.canonicalize().ok()) else {
        return String::new();
    };
    let path = context::variable("PATH").unwrap_or_default();
    let here = std::env::split_paths(&path).filter(|dir| dir.is_absolute());
    let found = here
        .map(|dir| dir.join(PROGRAM))
        .find(|path| path.canonicalize().is_ok_and(|path| path == own));
    let found = found.unwrap_or(own).into_os_string().into_string().unwrap_or_default();
    if found.contains(char::is_control) { String::new() } else { found }
}

/// A text in single quotes of a shell, without the quotes around it.
fn quoted(text: &str) -> String {
    text.replace('\'', r"'\''")
}

/// The block.
pub(super) fn block(program: &str) -> String {
    format!("{HEAD}{RECORDED}{}{REST}{END}", quoted(program))
}

/// The command.
pub(super) fn command(program: &str) -> String {
    let program = quoted(program);
    let [first, then, rest] = COMMAND;
    format!("{first}{program}{then}{program}{rest}")
}

/// The path recorded in a block or a command; empty if it records no path.
pub(super) fn recorded(text: &str) -> String {
    let rest = |start: &str| text.split_once(start).map(|(_, rest)| rest);
    let Some(mut rest) = rest(RECORDED).or_else(|| rest("elif [ -x '")) else {
        return String::new();
    };
    let mut path = String::new();
    while let Some((part, after)) = rest.split_once('\'') {
        path.push_str(part);
        // A quote within is written as an end, a quote by itself, and a beginning.
        let Some(next) = after.strip_prefix("\\''") else { return path };
        path.push('\'');
        rest = next;
    }
    String::new()
}

/// What a hook file has of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ours {
    /// The block.
    Block,
    /// Somebody's own line.
    Line,
}

/// What a file has of ours, if anything.
pub(super) fn ours(text: &str) -> Option<Ours> {
    let has_line =
        text.lines().any(|line| !line.trim_start().starts_with('#') && line.contains(CALL));
    if text.contains(BEGIN) { Some(Ours::Block) } else { has_line.then_some(Ours::Line) }
}

/// What keeps a shell from coming to it, or makes it doubtful whether it is whole.
pub(super) fn fault(text: &str) -> Option<String> {
    let begin = text.find(BEGIN);
    if begin.is_some_and(|at| !text[at..].contains(END)) {
        return Some("the lines of git conductor in it have no end mark".to_owned());
    }
    let is_call = |line: &&str| !line.trim_start().starts_with('#') && line.contains(CALL);
    let before = match begin {
        Some(at) => &text[..at],
        None => &text[..text.lines().find(is_call).and_then(|line| text.find(line))?],
    };
    ends(before).map(|line| format!("line {line} of it ends the script before"))
}

/// The line on which a script surely ends: an `exit` or `exec` that nothing is around and no
/// condition is before.
fn ends(script: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (number, line) in script.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('#') {
            continue;
        }
        for command in line.split(';') {
            let words: Vec<&str> = command.split_whitespace().collect();
            // Not `exec >file`, after which the script goes on.
            let is_end = match words.as_slice() {
                ["exit", ..] => !command.contains(['&', '|']),
                ["exec", what, ..] => !what.contains(['<', '>']),
                _ => false,
            };
            if is_end && depth == 0 {
                return Some(number + 1);
            }
            for word in words {
                match word {
                    "if" | "case" | "do" | "{" | "(" => depth += 1,
                    "fi" | "esac" | "done" | "}" | ")" => depth = depth.saturating_sub(1),
                    _ if word.ends_with("(){") => depth += 1,
                    _ => {}
                }
            }
        }
    }
    None
}

/// Whether a shell that runs the file always reaches the question: the block comes first and is
/// unchanged, or the file holds only the line.
pub(super) fn surely_asks(text: &str) -> bool {
    let script = match text.split_once('\n') {
        Some((first, rest)) if first.starts_with("#!") => rest,
        _ => text,
    };
    if script.starts_with(BEGIN) {
        return script.starts_with(&block(&recorded(script)));
    }
    let mut lines =
        script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.next() == Some(LINE) && lines.next().is_none()
}

/// The text with the block at its head, before anything that could end the script.
pub(super) fn with_block(text: &str, block: &str) -> String {
    match text.split_once('\n') {
        Some((first, rest)) if first.starts_with("#!") => format!("{first}\n{block}{rest}"),
        None if text.starts_with("#!") => format!("{text}\n{block}"),
        _ => format!("{block}{text}"),
    }
}

/// The text without the block; `None` if it has no block.
pub(super) fn without_block(text: &str, path: &Path) -> Result<Option<String>, Failure> {
    let Some((before, rest)) = text.split_once(BEGIN) else { return Ok(None) };
    if let Some((_, after)) = rest.split_once(END) {
        return Ok(Some(format!("{before}{after}")));
    }
    // Only the mark is missing: it is known all the same where it ends.
    let whole = block(&recorded(text));
    let known = whole.strip_prefix(BEGIN).and_then(|whole| whole.strip_suffix(END));
    if let Some(after) = known.and_then(|known| rest.strip_prefix(known)) {
        return Ok(Some(format!("{before}{after}")));
    }
    let text = format!("the lines of git conductor in '{}' have no end mark", path.display());
    Err(Failure::new(FailureKind::Tampered, text).hint(Hint::fixed(
        "they begin with '# >>> git conductor >>>'; your human can delete them",
        "they begin with '# >>> git conductor >>>': delete them",
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_path_is_read_back() {
        for path in ["", "/usr/bin/git-conductor", "/a b/it's/x", "/'", "'/", "/a''b", "/\\'x\\"] {
            assert_eq!(recorded(&block(path)), path);
            assert_eq!(recorded(&command(path)), path);
            assert!(surely_asks(&block(path)), "{path}");
        }
        assert_eq!(recorded("#!/bin/sh\n"), "");
    }

    #[test]
    fn where_a_script_ends() {
        for (script, line) in [
            ("", None),
            ("exit 0\n", Some(1)),
            ("set -e\n\nexit\n", Some(3)),
            ("echo a; exit 1\n", Some(1)),
            ("exec other \"$@\"\n", Some(1)),
            ("exec >log 2>&1\n", None),
            ("# exit 0\necho 'exit'\n", None),
            ("if true; then\n\texit 0\nfi\n", None),
            ("if true; then exit 0; fi\nexit 3\n", Some(2)),
            ("[ -t 0 ] && exit 0\n", None),
            ("exit 0 || true\n", None),
            ("f() {\n\texit 0\n}\n", None),
            ("case $1 in\n\ta) exit 0 ;;\nesac\n", None),
            ("while read -r x; do\n\texit\ndone\nexit\n", Some(4)),
        ] {
            assert_eq!(ends(script), line, "{script}");
        }
    }

    #[test]
    fn what_surely_asks() {
        let block = block("/usr/bin/git-conductor");
        for (text, wanted) in [
            (format!("{SHEBANG}{block}"), true),
            (format!("{block}exit 1\n"), true),
            (format!("{SHEBANG}cat >/dev/null\n{block}"), false),
            (format!("{SHEBANG}{}", block.replace("|| exit $?", "|| true")), false),
            (format!("{SHEBANG}{}", block.replace(END, "")), false),
            (format!("{SHEBANG}{LINE}\n"), true),
            (format!("# a hook\n\n{LINE}\n# the end\n"), true),
            (format!("{SHEBANG}{LINE}\ntrue\n"), false),
            (format!("{SHEBANG}{LINE} || true\n"), false),
            (SHEBANG.to_owned(), false),
        ] {
            assert_eq!(surely_asks(&text), wanted, "{text}");
        }
    }
}
