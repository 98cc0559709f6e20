//! Text that is safe and pleasant to read: foreign bytes made visible, ages, colours.

use std::borrow::Cow;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use unicode_width::UnicodeWidthStr as _;

use crate::record::text::is_unsafe;
pub use crate::record::text::safe_json;

/// `text` with every character that a terminal would act on written as `\u{…}`.
#[must_use]
pub fn safe(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// How long ago: `40s`, `12m`, `1h02m`, `3d04h`.
#[must_use]
pub fn age(now: Timestamp, then: Timestamp) -> String {
    duration(crate::rules::identity::age(now, then))
}

/// A duration in its two largest units.
#[must_use]
pub fn duration(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    if days > 0 {
        format!("{days}d{:02}h", hours % 24)
    } else if hours > 0 {
        format!("{hours}h{:02}m", minutes % 60)
    } else if minutes > 0 {
        format!("{minutes}m")
    } else {
        format!("{seconds}s")
    }
}

/// A moment as people are shown it everywhere: in the zone of who reads it, to the second.
#[must_use]
pub fn moment(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// What the zone of the reader is called, if it is not UTC; it is named once beside moments.
#[must_use]
pub fn zone(now: Timestamp) -> Option<String> {
    let zone = TimeZone::system();
    match zone.iana_name() {
        // Where nothing tells, it is UTC.
        Some("UTC" | "Etc/UTC" | "Etc/UCT" | "UCT" | "Zulu" | "Etc/Zulu" | "Etc/Unknown") => None,
        Some(name) => Some(safe(name).into_owned()),
        None if zone == TimeZone::UTC => None,
        // A rule has no name; what it comes to now tells enough.
        None => Some(now.to_zoned(zone).strftime("UTC%:z").to_string()),
    }
}

/// The colours of the board; none of them carries a meaning that the words do not.
#[derive(Debug, Clone, Copy, Default)]
pub struct Paint {
    /// Whether to write colours at all.
    pub on: bool,
}

impl Paint {
    fn paint(self, style: Style, text: &str) -> String {
        if self.on { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// `error:`
    pub(crate) fn error(self, text: &str) -> String {
        self.paint(AnsiColor::Red.on_default().bold(), text)
    }

    /// `hint:`
    pub(crate) fn hint(self, text: &str) -> String {
        self.paint(AnsiColor::Yellow.on_default(), text)
    }

    /// Something that can be begun.
    pub(crate) fn open(self, text: &str) -> String {
        self.paint(AnsiColor::Blue.on_default().bold(), text)
    }

    /// Something that is done.
    pub(crate) fn good(self, text: &str) -> String {
        self.paint(AnsiColor::Green.on_default(), text)
    }

    /// Something that is being worked on.
    pub(crate) fn busy(self, text: &str) -> String {
        self.paint(AnsiColor::Cyan.on_default(), text)
    }

    /// Something that was left by who worked on it.
    pub(crate) fn left(self, text: &str) -> String {
        self.paint(AnsiColor::Yellow.on_default(), text)
    }

    /// Something that needs looking at.
    pub(crate) fn bad(self, text: &str) -> String {
        self.paint(AnsiColor::Red.on_default(), text)
    }

    /// Something that can wait.
    pub(crate) fn dim(self, text: &str) -> String {
        self.paint(Style::new().dimmed(), text)
    }
}

/// `9s`, `1m05s`, and above an hour as elsewhere.
pub(crate) fn spent(time: SignedDuration) -> String {
    let seconds = time.as_secs().max(0);
    match seconds {
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => duration(time),
    }
}

/// A duration as programs read it; the longest if it is too long for them.
pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// `1 file`, `2 files`
pub(crate) fn plural(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// A commit as people read it.
pub(crate) fn short(commit: &str) -> String {
    let short: String = commit.chars().take(12).collect();
    safe(&short).into_owned()
}

/// `a`, `a and b`, `a, b and c`.
#[must_use]
pub fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Breaks at blanks; a word that is longer than a line keeps one of its own.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Content as a terminal may have it: lines and tabs stay.
pub(crate) fn visible(content: &str) -> String {
    let line = |line: &str| {
        let cells: Vec<_> = line.split('\t').map(safe).collect();
        cells.join("\t")
    };
    content.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_a_terminal_raw() {
        assert_eq!(safe("plain – übung"), "plain – übung");
        assert_eq!(safe("a\u{1b}[31mb\nc"), "a\\u{1b}[31mb\\u{a}c");
        assert_eq!(safe("\u{202e}x\u{9b}"), "\\u{202e}x\\u{9b}");
        let json = serde_json::to_string("\u{1b}\u{9b}\u{202e}\u{e0041}").unwrap();
        let safe = safe_json(&json);
        assert!(safe.is_ascii());
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), "\u{1b}\u{9b}\u{202e}\u{e0041}");
    }

    #[test]
    fn ages_have_two_units_at_most() {
        for (seconds, text) in [
            (-5, "0s"),
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3599, "59m"),
            (3720, "1h02m"),
            (90_000, "1d01h"),
        ] {
            assert_eq!(duration(SignedDuration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn lines_are_broken_at_blanks() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a-very-long-word b", 5), ["a-very-long-word", "b"]);
        assert_eq!(wrapped("", 5), [""]);
    }
}
