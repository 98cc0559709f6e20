//! The text of a git note: records among anything. Order, doubles and blank lines do not count,
//! what is written reads the same, and what two notes say together loses no line of either. Or the
//! message of what was saved of a dead owner, with its reference before it.
#![no_main]

use git_conductor::git::notes::Name;
use git_conductor::record::note::{Notes, appended, united};
use git_conductor::record::salvage::Salvage;
use git_conductor::rules::gate::Content;
use git_conductor::rules::notes::passage;
use git_conductor_fuzz::is_raw;
use libfuzzer_sys::fuzz_target;

fn read(text: &[u8]) -> Notes {
    let mut notes = Notes::default();
    notes.read(text);
    notes
}

fn same(one: &Notes, other: &Notes) {
    assert_eq!(one.records(), other.records());
    assert_eq!(one.later(), other.later());
}

fuzz_target!(|text: &[u8]| {
    let notes = read(text);
    let backwards: Vec<&[u8]> = text.split(|&byte| byte == b'\n').rev().collect();
    same(&notes, &read(&backwards.join(&b"\n\n"[..])));
    same(&notes, &read(&[text, b"\n", text].concat()));
    for note in notes.records() {
        let line = note.line().expect("it can be written");
        assert!(!line.contains(is_raw), "{line:?}");
        assert_eq!(read(line.as_bytes()).records(), [note]);
        let all = read(&appended(text, &line));
        assert!(all.has(&note.id));
        let content = Content { commit: None, tree: Some(note.tree.clone()) };
        // It ends, whatever depends on what.
        _ = passage(&notes, &note.phase, &content);
        assert!(
            passage(&notes, &note.phase, &Content::default()).is_err(),
            "no commit has no record"
        );
    }
    let (one, other) = text.split_at(text.len() / 2);
    let both = united(one, other);
    for line in [one, other].into_iter().flat_map(|text| text.split(|&byte| byte == b'\n')) {
        assert!(line.is_empty() || both.split(|&byte| byte == b'\n').any(|it| it == line));
    }
    if let Ok(text) = std::str::from_utf8(text) {
        salvage(text);
    }
    if let Ok(name) = std::str::from_utf8(text)
        && let Some(name) = Name::new(name)
    {
        assert!(name.as_str().starts_with("refs/notes/") && !name.as_str().contains(".."));
        assert!(!name.as_str().contains(|c: char| c.is_control() || " ~^:?*[\\".contains(c)));
    }
});

/// A reference on the first line, and the message of its commit: what is written of it reads the
/// same.
fn salvage(text: &str) {
    let (reference, message) = text.split_once('\n').unwrap_or((text, ""));
    let again = |it: &Salvage| Salvage::read(&it.reference(), &it.message()).expect("it is one");
    if let Some(read) = Salvage::read(reference, message) {
        assert_eq!(read.reference(), reference);
        let message = read.message();
        assert!(!message.contains(|c| c != '\n' && is_raw(c)), "{message:?}");
        let written = again(&read);
        assert_eq!(again(&written), written);
    }
}
