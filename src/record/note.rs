//! One completion as a line of a git note, written and read.
//!
//! A note's text is lines, one completion each, in no order: git merges such notes by sorting lines
//! and dropping doubles (`cat_sort_uniq`). So each line has a unique `id`, and a reader skips blank
//! lines, lines of other origin and doubles, and never asks where a line stands.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{VERSION, Verdict, lenient, text::safe_json};

/// What was completed: who, what, when, at which commit, and what was handed over.
///
/// A line without what the gate goes by (`id`, `sprint`, `phase`, `verdict`, `commit`, `tree`,
/// `depends_on`) is no record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Note {
    /// Version of the writer.
    pub v: u32,
    /// What tells this completion from every other; the same whenever it is written again.
    pub id: String,
    /// The sprint's id.
    pub sprint: String,
    /// The phase.
    pub phase: String,
    /// Who completed it; empty if it cannot be known.
    #[serde(default, deserialize_with = "lenient")]
    pub agent: String,
    /// What became of the work; a word that this version does not know is no pass.
    #[serde(deserialize_with = "verdict")]
    pub verdict: Verdict,
    /// When the phase was claimed, in UTC.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub claimed_at: Option<Timestamp>,
    /// When it was completed, in UTC.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// Id of the commit that it was done at, in hexadecimal.
    #[serde(deserialize_with = "oid")]
    pub commit: String,
    /// Id of that commit's tree.
    #[serde(deserialize_with = "oid")]
    pub tree: String,
    /// Whether the worktree had uncommitted changes; absent where there was none.
    #[serde(default, deserialize_with = "dirty", skip_serializing_if = "Option::is_none")]
    pub dirty: Option<bool>,
    /// The phases that it directly depended on.
    pub depends_on: Vec<String>,
    /// What was handed over.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// The sprint in which it was completed, if this one only took it over.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub carried_from: Option<String>,
}

/// A file that was handed over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Artifact {
    /// Its path, relative to the worktree or the store that it was in; else its bare name.
    #[serde(default, deserialize_with = "lenient")]
    pub path: String,
    /// Size in bytes.
    #[serde(default, deserialize_with = "lenient")]
    pub size: u64,
    /// SHA-256 in hexadecimal.
    #[serde(default, deserialize_with = "lenient")]
    pub sha256: String,
    /// Id of the blob that has its content; absent if that could not be kept.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub oid: Option<String>,
}

/// Any word but `pass` is none.
fn verdict<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Verdict, D::Error> {
    let word = Value::deserialize(deserializer)?;
    Ok(if word == "pass" { Verdict::Pass } else { Verdict::Fail })
}

/// What is neither true, false nor null counts as dirty.
fn dirty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok((!value.is_null()).then(|| value != Value::Bool(false)))
}

/// Whether `text` is the id of an object: 40 or 64 lower-case hexadecimal digits.
#[must_use]
pub fn is_oid(text: &str) -> bool {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    matches!(text.len(), 40 | 64) && text.bytes().all(hex)
}

fn oid<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if is_oid(&text) { Ok(text) } else { Err(serde::de::Error::custom("not an object id")) }
}

impl Note {
    /// The line, without its newline; it has none inside, and no character that a terminal acts on.
    ///
    /// # Errors
    /// None in practice: every value can be written as JSON.
    pub fn line(&self) -> serde_json::Result<String> {
        serde_json::to_string(self).map(|json| safe_json(&json))
    }
}

/// The records in the text of one or several notes.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    found: BTreeMap<String, (Vec<u8>, Note)>,
    /// The ids of records of a later version, which say nothing to this one.
    later: BTreeSet<String>,
}

/// What every version of a record has.
#[derive(Deserialize)]
struct Head {
    v: u32,
    id: String,
}

impl Notes {
    /// Reads the text of a note; lines that are no records are left out. Of lines with the same id
    /// one counts, whatever their order: one that failed before one that passed.
    pub fn read(&mut self, text: &[u8]) {
        for line in text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii) {
            let Ok(head) = serde_json::from_slice::<Head>(line) else { continue };
            if head.id.is_empty() {
                continue;
            }
            if head.v > VERSION {
                self.later.insert(head.id);
                continue;
            }
            let Ok(note) = serde_json::from_slice::<Note>(line) else { continue };
            let rank = |line: &[u8], note: &Note| (note.verdict == Verdict::Pass, line.to_owned());
            let known = self.found.get(&note.id).map(|(line, note)| rank(line, note));
            if known.is_none_or(|known| rank(line, &note) < known) {
                self.found.insert(note.id.clone(), (line.to_owned(), note));
            }
        }
    }

    /// Whether there is a record with this id, of whatever version.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.found.contains_key(id) || self.later.contains(id)
    }

    /// The record with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Note> {
        self.found.get(id).map(|(_, note)| note)
    }

    /// How many records are of a later version than this program's.
    #[must_use]
    pub fn later(&self) -> usize {
        self.later.len()
    }

    /// The records, in the order of their completion; those without a time come first.
    #[must_use]
    pub fn records(&self) -> Vec<&Note> {
        let mut all: Vec<&Note> = self.found.values().map(|(_, note)| note).collect();
        all.sort_by(|a, b| (a.completed_at, &a.id).cmp(&(b.completed_at, &b.id)));
        all
    }
}

/// `text` with `line` after it, on a line of its own.
#[must_use]
pub fn appended(text: &[u8], line: &str) -> Vec<u8> {
    let mut all = text.to_owned();
    if !all.is_empty() && !all.ends_with(b"\n") {
        all.push(b'\n');
    }
    all.extend_from_slice(line.as_bytes());
    all.push(b'\n');
    all
}

/// What two texts say together: one of them if it has all lines of the other, else all lines
/// sorted, without doubles and blank ones, as git's `cat_sort_uniq` makes it.
#[must_use]
pub fn united(one: &[u8], other: &[u8]) -> Vec<u8> {
    let lines = |text| -> BTreeSet<Vec<u8>> {
        let lines = <[u8]>::split(text, |&byte| byte == b'\n');
        lines.filter(|line| !line.is_empty()).map(<[u8]>::to_owned).collect()
    };
    let (mut ones, others) = (lines(one), lines(other));
    if ones.is_superset(&others) {
        return one.to_owned();
    }
    if others.is_superset(&ones) {
        return other.to_owned();
    }
    ones.extend(others);
    ones.into_iter().flat_map(|line| [line, b"\n".to_vec()].concat()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(id: &str, phase: &str) -> Note {
        Note {
            v: VERSION,
            id: id.into(),
            sprint: "s".into(),
            phase: phase.into(),
            agent: "ann".into(),
            verdict: Verdict::Pass,
            claimed_at: None,
            completed_at: Some(Timestamp::UNIX_EPOCH),
            commit: "a".repeat(40),
            tree: "b".repeat(64),
            dirty: Some(false),
            depends_on: vec!["build".into()],
            artifact: None,
            carried_from: None,
        }
    }

    fn read(text: &str) -> Notes {
        let mut notes = Notes::default();
        notes.read(text.as_bytes());
        notes
    }

    #[test]
    fn a_line_is_one_line_and_reads_the_same() {
        let mut nasty = note("1", "build\nreview");
        nasty.agent = "a\u{1b}[2J\u{9b}\u{202e}\u{2028}é\r".into();
        nasty.artifact = Some(Artifact {
            path: "x\n{\"v\":1}\n".into(),
            size: u64::MAX,
            sha256: String::new(),
            oid: None,
        });
        let line = nasty.line().unwrap();
        assert!(!line.contains(crate::record::text::is_unsafe), "{line}");
        assert_eq!(read(&line).records(), [&nasty]);
    }

    #[test]
    fn what_is_no_record_is_skipped() {
        let good = note("1", "build").line().unwrap();
        let text =
            format!("\n \nreviewed by hand\n{{\"v\":1,\"id\":\"2\"}}\n[1]\n{good}\n\n{good}\r\n");
        assert_eq!(read(&text).records().len(), 1);
        let without = |key: &str| {
            let mut value: Value = serde_json::from_str(&good).unwrap();
            value.as_object_mut().unwrap().remove(key);
            read(&value.to_string()).records().len()
        };
        for key in ["v", "id", "sprint", "phase", "verdict", "commit", "tree", "depends_on"] {
            assert_eq!(without(key), 0, "{key}");
        }
        for key in ["agent", "completed_at", "dirty"] {
            assert_eq!(without(key), 1, "{key}");
        }
        let with = |key: &str, value: Value| {
            let mut record: Value = serde_json::from_str(&good).unwrap();
            record[key] = value;
            read(&record.to_string())
        };
        assert_eq!(with("commit", "-x".into()).records().len(), 0);
        assert_eq!(with("verdict", "later".into()).records()[0].verdict, Verdict::Fail);
        assert_eq!(with("verdict", Value::Null).records()[0].verdict, Verdict::Fail);
        assert_eq!(with("dirty", "no".into()).records()[0].dirty, Some(true));
        assert_eq!(with("unknown", 1.into()).records().len(), 1);
        let later = with("v", 2.into());
        assert_eq!((later.records().len(), later.later(), later.has("1")), (0, 1, true));
    }

    #[test]
    fn order_and_doubles_do_not_count() {
        let pass = note("1", "build").line().unwrap();
        let fail = Note { verdict: Verdict::Fail, ..note("1", "build") }.line().unwrap();
        for text in [format!("{pass}\n{fail}"), format!("{fail}\n{pass}")] {
            assert_eq!(read(&text).records()[0].verdict, Verdict::Fail);
        }
        let other = note("2", "build").line().unwrap();
        let both = |a: &str, b: &str| -> Vec<String> {
            let notes = read(&format!("{a}\n{b}\n"));
            notes.records().iter().map(|note| note.id.clone()).collect()
        };
        assert_eq!(both(&pass, &other), both(&other, &pass));
    }

    #[test]
    fn nothing_is_lost_when_texts_are_united() {
        assert_eq!(united(b"b\na\n", b"a\n"), b"b\na\n");
        assert_eq!(united(b"a\n", b"b\na\n"), b"b\na\n");
        assert_eq!(united(b"b\n\nc\n", b"a\nc"), b"a\nb\nc\n");
        assert_eq!(united(b"", b"a"), b"a");
        assert_eq!(appended(b"", "x"), b"x\n");
        assert_eq!(appended(b"by hand", "x"), b"by hand\nx\n");
    }
}
