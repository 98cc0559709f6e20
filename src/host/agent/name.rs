//! What an agent may be called.

use unicode_width::UnicodeWidthChar as _;

use crate::error::{Failure, FailureKind};

/// The most characters that a name may have.
pub const LONGEST: usize = 128;

/// Invisible characters beyond the control characters: formats, directions, fillers, private and
/// undecodable ones. Unicode's `Cf`, `Co` and `Zl`/`Zp`, and the letters that show as nothing.
const HIDDEN: &[(char, char)] = &[
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{e000}', '\u{f8ff}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{ffff}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{10ffff}'),
];

/// Whether `c` can be seen in a name: no control, format or direction character, and of the blanks
/// only the ordinary one.
#[must_use]
pub fn is_printable(c: char) -> bool {
    let hidden = HIDDEN.iter().any(|(first, last)| (*first..=*last).contains(&c));
    c == ' ' || !(c.is_control() || c.is_whitespace() || hidden)
}

/// Checks a name that was given; `origin` says where (`--agent`, a variable).
///
/// # Errors
/// [`FailureKind::Usage`] if it is not 1 to 128 printable characters, or begins or ends with a
/// blank.
pub fn check(name: &str, origin: &str) -> Result<(), Failure> {
    let fault = if name.is_empty() {
        "is empty"
    } else if name.chars().count() > LONGEST {
        "is longer than 128 characters"
    } else if !name.chars().all(is_printable) {
        "has a character that cannot be seen"
    } else if name.starts_with(' ') || name.ends_with(' ') {
        "begins or ends with a blank"
    } else {
        return Ok(());
    };
    let shown = shown(name);
    Err(Failure::new(FailureKind::Usage, format!("agent name '{shown}' from {origin} {fault}"))
        .hint("a name is 1 to 128 printable characters, for example 'alice' or 'codex-review'"))
}

/// The beginning of foreign text, fit to be shown in a message.
#[must_use]
pub(super) fn shown(text: &str) -> String {
    let escaped =
        |c: char| if is_printable(c) { c.to_string() } else { c.escape_unicode().to_string() };
    text.chars().take(40).map(escaped).collect()
}

/// Makes a name's part of foreign text: what may be in a file name or an unquoted shell word stays,
/// the rest becomes `-`.
#[must_use]
pub(super) fn tidy(text: &str, longest: usize) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let text: String = text.chars().take(longest).map(|c| if keep(c) { c } else { '-' }).collect();
    text.trim_matches(['-', '.']).to_owned()
}

/// Makes a name's part of what a person is called: letters and digits of any script stay, with the
/// marks on them; what is between them becomes one `-`.
#[must_use]
pub(super) fn of_person(text: &str, longest: usize) -> String {
    let mut name = String::new();
    for c in text.chars().take(4 * longest) {
        let mark = || !c.is_ascii() && is_printable(c) && c.width() == Some(0);
        if c.is_alphanumeric() || c == '_' || c == '.' || (mark() && !name.is_empty()) {
            name.push(c);
        } else if !name.ends_with('-') {
            name.push('-');
        }
        if name.chars().count() >= longest {
            break;
        }
    }
    name.trim_matches(['-', '.']).to_owned()
}

/// The last eight characters of a session id. Its first ones can be a clock (UUID version 7), which
/// two agents share.
#[must_use]
pub(super) fn tail(session: &str) -> String {
    let skip = session.chars().count().saturating_sub(8);
    tidy(&session.chars().skip(skip).collect::<String>(), 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let long = "é".repeat(128);
        let good =
            ["a", "alice", "codex/2", "José Ω", "日本", "a b", "-", "claude-3f9c2a11", &long];
        for name in good {
            assert!(check(name, "--agent").is_ok(), "{name:?}");
        }
        let longer = "é".repeat(129);
        let bad = [
            "",
            " ",
            " a",
            "a ",
            "a\n",
            "a\tb",
            "\u{1b}[31m",
            "a\u{7f}",
            "a\u{85}b",
            "\u{202e}a",
            "a\u{200b}",
            "a\u{2066}b",
            "\u{feff}a",
            "a\u{ad}b",
            "a\u{a0}b",
            "a\u{3000}",
            "a\0b",
            "\u{e0041}",
            "a\u{fffd}",
            "\u{2028}",
            &longer,
        ];
        for name in bad {
            let failure = check(name, "--agent").unwrap_err();
            assert_eq!(failure.kind, FailureKind::Usage, "{name:?}");
            assert_eq!(failure.hints.len(), 1);
            assert!(failure.to_string().chars().all(is_printable), "{failure}");
        }
    }

    #[test]
    fn parts_of_names() {
        assert_eq!(tidy("a b/c\u{202e}", 64), "a-b-c");
        assert_eq!(tail("01998a3c-0000-7000-8000-00003f9c2a11"), "3f9c2a11");
        for (text, name) in [
            ("Ann Lee", "Ann-Lee"),
            ("  Seán  O'Brien (he) ", "Seán-O-Brien-he"),
            ("José", "José"),
            ("Jose\u{301} P.", "Jose\u{301}-P"),
            ("山田 太郎", "山田-太郎"),
            ("ज्ञानी", "ज्ञानी"),
            ("a/b;c$(d)`e`|f>g\\h\"i'j*k?l[m]n{o}p~q!r#s&t\nu", "a-b-c-d-e-f-g-h-i-j-k-l-m-n-o-p"),
            ("\u{202e}evil\u{1b}[31m", "evil-31m"),
            ("../..", ""),
            ("\u{301}", ""),
            ("---", ""),
        ] {
            assert_eq!(of_person(text, 32).chars().take(31).collect::<String>(), name, "{text:?}");
        }
        assert_eq!(of_person(&"x".repeat(99), 32).len(), 32);
        assert_eq!(tail("42"), "42");
        assert_eq!(tail("x/y\u{1b}zé"), "x-y-z");
    }
}
