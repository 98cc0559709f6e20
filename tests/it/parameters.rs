//! `GIT_CONFIG_PARAMETERS` as git itself reads it: what git lists is what we read, and what git
//! calls bogus we refuse, for each text below and each that differs from it in one character.

use std::collections::BTreeSet;

use git_conductor::git::parameters::{Setting, parse};

use crate::sandbox::Sandbox;

const TEXTS: &[&str] = &[
    "'a.b'='c d' 'a.c'='d'",
    "'a.b=c' 'a.d'",
    "'a.\"x=y\".b'='c=d' 'a.c'= 'a.d'=''",
    r"'a.b'='it'\''s'\!''",
    "  'A.Sub.B'='c'\t\n'a.b' ",
    "",
];

/// Each text, and all that one character less, more or another makes of it.
fn nearby() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for text in TEXTS {
        all.insert((*text).to_owned());
        for (at, old) in text.char_indices() {
            let (before, after) = (&text[..at], &text[at + old.len_utf8()..]);
            all.insert(format!("{before}{after}"));
            for new in ["'", "=", " ", "\\", "!", "\u{b}", "\u{c}"] {
                all.insert(format!("{before}{new}{after}"));
                all.insert(format!("{before}{new}{old}{after}"));
            }
        }
    }
    all
}

/// A key as git lists it: only the part in the middle keeps its case.
fn canonical((key, value): Setting) -> Setting {
    let mut key = key;
    let dot = |byte: &u8| *byte == b'.';
    let (first, last) = (key.iter().position(dot), key.iter().rposition(dot));
    if let (Some(first), Some(last)) = (first, last) {
        key[..first].make_ascii_lowercase();
        key[last..].make_ascii_lowercase();
    }
    (key, value)
}

fn listed(output: &[u8]) -> Vec<Setting> {
    let mut entries: Vec<&[u8]> = output.split(|byte| *byte == 0).collect();
    assert_eq!(entries.pop(), Some(&b""[..]));
    let setting = |entry: &[u8]| match entry.iter().position(|byte| *byte == b'\n') {
        Some(at) => (entry[..at].to_vec(), Some(entry[at + 1..].to_vec())),
        None => (entry.to_vec(), None),
    };
    entries.into_iter().map(setting).collect()
}

#[test]
fn git_reads_them_as_we_do() {
    let mut sandbox = Sandbox::new();
    sandbox.set("GIT_CONFIG_GLOBAL", "/dev/null");
    let (mut read, mut refused) = (0, 0);
    for text in nearby() {
        sandbox.set("GIT_CONFIG_PARAMETERS", &text);
        let git = sandbox.command(".", "git").args(["config", "--list", "-z"]).output().unwrap();
        let said = String::from_utf8_lossy(&git.stderr);
        let ours = parse(text.as_bytes());
        if git.status.success() {
            let ours = ours.map(|ours| ours.into_iter().map(canonical).collect::<Vec<_>>());
            assert_eq!(ours, Some(listed(&git.stdout)), "{text:?}");
            read += 1;
        } else if said.contains("bogus format") {
            assert_eq!(ours, None, "{text:?}: {said}");
            refused += 1;
        } else {
            // A key that is none, which git finds before it looks at the form of the rest.
            assert!(said.contains("key") || said.contains("parameter"), "{text:?}: {said}");
        }
    }
    assert!(read > 100 && refused > 100, "{read} were read, {refused} refused");
}
