//! Hooks in the settings of agents: what they are, and how they are put among those of others.
//!
//! Ours are known by their command, and nothing else is ever changed. What an agent reads where is
//! a fact about it: Claude Code and Gemini have hooks in `settings.json`, Codex and Cursor in
//! `hooks.json`.

use serde_json::{Value, json};

use super::Reader;
use super::json::{Node, file};

/// The beginning of each command of ours.
const COMMAND: &str = "git conductor prime ";
/// Its end where the agent gives it to a shell: nothing is said where the program is missing.
const SILENT: &str = " 2>/dev/null || true";
/// The hook that is there on request only.
const EDIT: &str = "--hook=edit";

/// The hooks of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// What happens, in the agent's word.
    pub event: &'static str,
    /// For which tools.
    pub matcher: Option<&'static str>,
    /// What is run.
    pub command: String,
}

impl Reader {
    /// The word that names it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Cursor => "cursor",
            Self::Gemini => "gemini",
            Self::Other => "other",
        }
    }

    /// The file with its hooks, below the user's home and below a worktree; `None` if none are
    /// known.
    #[must_use]
    pub const fn settings(self) -> Option<&'static str> {
        match self {
            Self::Claude => Some(".claude/settings.json"),
            Self::Codex => Some(".codex/hooks.json"),
            Self::Cursor => Some(".cursor/hooks.json"),
            Self::Gemini => Some(".gemini/settings.json"),
            Self::Other => None,
        }
    }

    /// What it runs when `what` happens.
    #[must_use]
    pub fn command(self, what: &str) -> String {
        match self {
            Self::Claude | Self::Codex | Self::Gemini => {
                format!("{COMMAND}{what} --for {}{SILENT}", self.word())
            }
            // Which goes on where a hook fails, and need not have a shell.
            Self::Cursor => format!("{COMMAND}{what} --for {}", self.word()),
            Self::Other => format!("{COMMAND}{what}{SILENT}"),
        }
    }

    /// Its hooks, with `edits` that before edits as well.
    #[must_use]
    pub fn hooks(self, edits: bool) -> Vec<Hook> {
        let all: &[(&'static str, Option<&'static str>, &str)] = match self {
            Self::Claude => &[
                ("SessionStart", None, "--hook"),
                ("SubagentStart", None, "--hook=subagent-start"),
                ("PreToolUse", Some("Bash"), "--hook=command"),
                ("SubagentStop", None, "--hook=subagent-stop"),
                ("Stop", None, "--stop"),
                ("PreToolUse", Some("Edit|MultiEdit|NotebookEdit|Write"), EDIT),
            ],
            Self::Codex => &[
                ("SessionStart", None, "--hook"),
                ("Stop", None, "--stop"),
                ("PreToolUse", Some("apply_patch|Edit|Write"), EDIT),
            ],
            Self::Cursor => &[
                ("sessionStart", None, "--hook"),
                ("stop", None, "--stop"),
                ("preToolUse", Some("Write|Delete"), EDIT),
            ],
            Self::Gemini => &[
                ("SessionStart", None, "--hook"),
                ("AfterAgent", None, "--stop"),
                ("BeforeTool", Some("write_file|replace"), EDIT),
            ],
            Self::Other => &[],
        };
        let wanted = all.iter().filter(|(_, _, what)| edits || *what != EDIT);
        let hook = |(event, matcher, what): &(&'static str, Option<&'static str>, &str)| Hook {
            event,
            matcher: *matcher,
            command: self.command(what),
        };
        wanted.map(hook).collect()
    }

    /// A hook as its list has it.
    fn entry(self, hook: &Hook) -> Value {
        let mut entry = match self {
            Self::Cursor => json!({"command": hook.command}),
            Self::Claude | Self::Codex | Self::Gemini | Self::Other => {
                json!({"hooks": [{"type": "command", "command": hook.command}]})
            }
        };
        if let (Some(matcher), Some(entry)) = (hook.matcher, entry.as_object_mut()) {
            entry.shift_insert(0, "matcher".to_owned(), json!(matcher));
        }
        entry
    }

    /// A whole file with nothing but hooks of ours.
    #[must_use]
    pub fn whole(self, edits: bool) -> Value {
        let mut lists = serde_json::Map::new();
        for hook in self.hooks(edits) {
            let list = lists.entry(hook.event).or_insert_with(|| json!([]));
            if let Some(list) = list.as_array_mut() {
                list.push(self.entry(&hook));
            }
        }
        match self {
            Self::Cursor => json!({"version": 1, "hooks": lists}),
            Self::Claude | Self::Codex | Self::Gemini | Self::Other => json!({"hooks": lists}),
        }
    }
}

/// Whether a command is one that some version of this program put there.
fn is_ours(command: &str) -> bool {
    let Some(rest) = command.strip_prefix(COMMAND) else { return false };
    let rest = rest.strip_suffix(SILENT).unwrap_or(rest);
    let is_word = |word: &str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let words: Vec<&str> = rest.split(' ').collect();
    let is_hook = |word: &str| match word.strip_prefix("--hook") {
        Some(event) => event.is_empty() || event.strip_prefix('=').is_some_and(is_word),
        None => word == "--stop",
    };
    match words.as_slice() {
        [what] => is_hook(what),
        [what, "--for", reader] => is_hook(what) && is_word(reader),
        _ => false,
    }
}

/// Whether one of our hooks is that before edits.
pub(super) fn has_edits(text: &str) -> bool {
    ours(text).iter().any(|(_, _, command)| command.contains(EDIT))
}

/// Our hooks in a file: the event, the matcher and the command of each.
fn ours(text: &str) -> Vec<(String, Option<String>, String)> {
    let Ok(root) = serde_json::from_str::<Value>(text) else { return Vec::new() };
    let mut found = Vec::new();
    for (event, list) in root.get("hooks").and_then(Value::as_object).into_iter().flatten() {
        for entry in list.as_array().into_iter().flatten() {
            let matcher = entry.get("matcher").and_then(Value::as_str).map(str::to_owned);
            let inner = entry.get("hooks").and_then(Value::as_array);
            let hooks = inner.map_or_else(|| vec![entry], |inner| inner.iter().collect());
            for command in hooks.into_iter().filter_map(|hook| hook.get("command")?.as_str()) {
                if is_ours(command) {
                    found.push((event.clone(), matcher.clone(), command.to_owned()));
                }
            }
        }
    }
    found.sort();
    found
}

/// Whether `text` has a hook of ours.
pub(super) fn has_ours(text: &str) -> bool {
    !ours(text).is_empty()
}

/// Whether our hooks in `text` are those that this version has.
fn is_same(text: &str, reader: Reader, edits: bool) -> bool {
    let key = |hook: Hook| (hook.event.to_owned(), hook.matcher.map(str::to_owned), hook.command);
    let mut wanted: Vec<_> = reader.hooks(edits).into_iter().map(key).collect();
    wanted.sort();
    ours(text) == wanted
}

/// Whether `text` has hooks of ours that are not those of this version.
pub(super) fn is_outdated(text: &str, reader: Reader) -> bool {
    has_ours(text) && !is_same(text, reader, has_edits(text))
}

/// `text` with our hooks as this version has them, where nothing else is changed.
///
/// # Errors
/// Why it cannot be changed.
pub(super) fn installed(
    text: Option<&str>,
    reader: Reader,
    edits: bool,
) -> Result<String, &'static str> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
        return Ok(file(&reader.whole(edits)));
    };
    check(text)?;
    if is_same(text, reader, edits) {
        return Ok(text.to_owned());
    }
    let mut text = removed(text)?;
    for hook in reader.hooks(edits) {
        let entry = reader.entry(&hook);
        let root = Node::parse(&text).ok_or(NOT_JSON)?;
        let next = match root.get("hooks") {
            None => root.with(&text, Some("hooks"), &json!({hook.event: [entry]})),
            Some(hooks) => match hooks.get(hook.event) {
                None => hooks.with(&text, Some(hook.event), &json!([entry])),
                Some(list) => list.with(&text, None, &entry),
            },
        };
        text = next.ok_or(NOT_JSON)?;
    }
    if reader == Reader::Cursor {
        let root = Node::parse(&text).ok_or(NOT_JSON)?;
        if root.get("version").is_none() {
            text = root.with(&text, Some("version"), &json!(1)).ok_or(NOT_JSON)?;
        }
    }
    Ok(text)
}

/// `text` without our hooks, where nothing else is changed; nothing is left of a file that had no
/// more.
///
/// # Errors
/// Why it cannot be changed.
pub(super) fn uninstalled(text: &str) -> Result<Option<String>, &'static str> {
    if !has_ours(text) {
        // What cannot be read may have them all the same.
        let may_have = Node::parse(text).is_none() && text.contains(COMMAND);
        return if may_have { Err(NOT_JSON) } else { Ok(Some(text.to_owned())) };
    }
    check(text)?;
    let left = removed(text)?;
    let root: Value = serde_json::from_str(&left).map_err(|_| NOT_JSON)?;
    let is_empty = root == json!({}) || root == json!({"version": 1});
    Ok((!is_empty).then_some(left))
}

const NOT_JSON: &str = "is not plain JSON";

/// Whether the text is one that can be changed: of two members of one name nobody knows which one
/// counts.
fn check(text: &str) -> Result<(), &'static str> {
    let root = Node::parse(text).ok_or(NOT_JSON)?;
    let members = root.members().ok_or("is no JSON object")?;
    match members.iter().filter(|member| member.key == "hooks").count() {
        0 => return Ok(()),
        1 => {}
        _ => return Err("has 'hooks' twice"),
    }
    let hooks = root.get("hooks").and_then(Node::members).ok_or("has 'hooks' of another form")?;
    for member in hooks {
        let same = hooks.iter().filter(|other| other.key == member.key).count();
        if same > 1 || member.value.elements().is_none() {
            return Err("has 'hooks' of another form");
        }
    }
    Ok(())
}

/// `text` without our hooks, and without what held nothing else.
fn removed(text: &str) -> Result<String, &'static str> {
    let mut text = text.to_owned();
    while has_ours(&text) {
        text = without_one(&text).ok_or("has 'hooks' of another form")?;
    }
    Ok(text)
}

fn without_one(text: &str) -> Option<String> {
    let root = Node::parse(text)?;
    let hooks = root.get("hooks")?;
    let is_ours = |hook: &Node| {
        let command = hook.get("command").map(|command| command.text(text));
        command
            .and_then(|text| serde_json::from_str::<String>(text).ok())
            .is_some_and(|it| is_ours(&it))
    };
    for (event, member) in hooks.members()?.iter().enumerate() {
        let list = &member.value;
        for (at, entry) in list.elements()?.iter().enumerate() {
            let left = match entry.get("hooks").and_then(|inner| Some((inner, inner.elements()?))) {
                Some((inner, all)) => match all.iter().position(is_ours) {
                    Some(n) if all.len() > 1 => return inner.without(text, n),
                    Some(_) => true,
                    None => false,
                },
                None => is_ours(entry),
            };
            if left {
                return match (list.elements()?.len(), hooks.members()?.len()) {
                    (1, 1) => {
                        let at = root.members()?.iter().position(|member| member.key == "hooks")?;
                        root.without(text, at)
                    }
                    (1, _) => hooks.without(text, event),
                    _ => list.without(text, at),
                };
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Reader; 4] = [Reader::Claude, Reader::Codex, Reader::Cursor, Reader::Gemini];

    const FOREIGN: &[&str] = &[
        "{\n  \"model\": \"opus\",\n  \"version\": 1\n}\n",
        "{\"version\":1,\"hooks\":{\"Stop\":[{\"hooks\":[{\"type\":\"command\",\"command\":\"say done\"}]}]}}",
        "{\r\n    \"version\": 1,\r\n    \"hooks\": {\r\n        \"SessionStart\": [\r\n            {\"command\": \"x\"}\r\n        ]\r\n    },\r\n    \"z\": 1.0\r\n}",
        "{\n\t\"version\": 1,\n\t\"hooks\": {\n\t\t\"stop\": [{ \"command\": \"git conductor prime --hook | tee log\" }]\n\t}\n}\n",
    ];

    #[test]
    fn hooks_of_others_stay_byte_for_byte() {
        for reader in ALL {
            for text in FOREIGN {
                let plain = installed(Some(text), reader, false).unwrap();
                assert!(is_same(&plain, reader, false), "{plain}");
                assert!(!is_outdated(&plain, reader));
                assert_eq!(installed(Some(&plain), reader, false).unwrap(), plain);
                let edits = installed(Some(&plain), reader, true).unwrap();
                assert!(has_edits(&edits) && is_same(&edits, reader, true), "{edits}");
                assert_eq!(installed(Some(&edits), reader, false).unwrap(), plain);
                assert_eq!(uninstalled(&edits).unwrap().as_deref(), Some(*text));
                assert_eq!(uninstalled(text).unwrap().as_deref(), Some(*text));
            }
            let whole = installed(None, reader, true).unwrap();
            let read: Value = serde_json::from_str(&whole).unwrap();
            assert_eq!(read, reader.whole(true));
            assert_eq!(uninstalled(&whole).unwrap(), None);
        }
    }

    #[test]
    fn hooks_of_earlier_versions_are_replaced_wherever_they_are() {
        let old = json!({
            "hooks": {
                "SessionStart": [{"hooks": [
                    {"type": "command", "command": "git conductor prime --hook 2>/dev/null || true"},
                    {"type": "command", "command": "mine", "timeout": 5},
                ]}],
                "Notification": [{"hooks": [
                    {"type": "command", "command": "git conductor prime --hook=former --for claude"},
                ]}],
            },
        });
        let old = old.to_string();
        assert!(is_outdated(&old, Reader::Claude));
        let new = installed(Some(&old), Reader::Claude, false).unwrap();
        assert!(
            is_same(&new, Reader::Claude, false) && new.contains("\"mine\",\"timeout\":5"),
            "{new}"
        );
        assert!(!new.contains("Notification"));
        // What its user added to one of ours does not make it old.
        let slow = new.replace(
            "--hook=command --for claude 2>/dev/null || true\"",
            "--hook=command --for claude 2>/dev/null || true\",\"timeout\":9",
        );
        assert_ne!(slow, new);
        assert_eq!(installed(Some(&slow), Reader::Claude, false).unwrap(), slow);
    }

    #[test]
    fn what_cannot_be_told_is_not_touched() {
        for text in [
            "// comment\n{}",
            "{\"a\": 1,}",
            "[]",
            "\"hooks\"",
            "{\"hooks\": []}",
            "{\"hooks\": null}",
            "{\"hooks\": {\"Stop\": {}}}",
            "{\"hooks\": {}, \"hooks\": {}}",
            "{\"hooks\": {\"Stop\": [], \"Stop\": []}}",
            "{",
            "\u{feff}{}",
        ] {
            assert!(installed(Some(text), Reader::Claude, false).is_err(), "{text}");
        }
        for command in [
            "git conductor prime",
            "git conductor prime --hook | tee log",
            "git conductor prime --hook; reboot",
            "cd x && git conductor prime --stop",
            "git conductor prime --stop --for claude --json",
            "git conductor prime --hook=A",
        ] {
            assert!(!is_ours(command), "{command}");
        }
    }
}
