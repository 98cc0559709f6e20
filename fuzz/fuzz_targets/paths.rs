//! Paths: the pointer to the store, the small files of a git directory, and paths as shell words.
#![no_main]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use git_conductor::git::{dotgit, quoted};
use git_conductor::place::pointer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(path) = pointer::parse(data) {
        let bytes = path.as_os_str().as_bytes();
        assert!(
            (1..=4096).contains(&bytes.len()) && !bytes.contains(&0) && !bytes.contains(&b'\n')
        );
    }
    if let Some((from, to)) = two_paths(data) {
        points_back(&from, &to);
    }
    git_directory(data);
    let path = Path::new(OsStr::from_bytes(data));
    assert_eq!(one_word(&quoted(path)).as_deref(), Some(&*path.to_string_lossy()));
});

/// Two absolute paths without `.` and `..`.
fn two_paths(data: &[u8]) -> Option<(PathBuf, PathBuf)> {
    let (from, to) = data.split_at(data.iter().position(|byte| *byte == b':')?);
    let tidy = |bytes: &[u8]| {
        let path = Path::new(OsStr::from_bytes(bytes)).components();
        let names = path.filter(|part| matches!(part, Component::Normal(_)));
        std::iter::once(Component::RootDir).chain(names).collect()
    };
    Some((tidy(from), tidy(&to[1..])))
}

/// A pointer that is written leads to the store.
fn points_back(from: &Path, to: &Path) {
    let mut line = pointer::relative(from, to).into_os_string().into_encoded_bytes();
    assert!(!line.is_empty());
    line.push(b'\n');
    // One that holds a line feed, or is too long, is refused before it is written.
    let Some(path) = pointer::parse(&line) else { return };
    assert!(path.is_relative());
    let mut found = PathBuf::new();
    for part in from.join(path).components() {
        match part {
            Component::ParentDir => assert!(found.pop()),
            Component::CurDir => {}
            _ => found.push(part),
        }
    }
    assert_eq!(found, to);
}

fn git_directory(data: &[u8]) {
    let ended = |bytes: &[u8]| bytes.last().is_some_and(|byte| b"\r\n".contains(byte));
    if let Some(target) = dotgit::gitfile(data) {
        let target = target.as_os_str().as_bytes();
        assert!(!target.is_empty() && !ended(target));
    }
    assert!(!ended(dotgit::commondir(data).as_os_str().as_bytes()));
    if let Some(head) = dotgit::head(data) {
        assert!(!ended(head) && data.starts_with(head));
        match dotgit::head_target(head) {
            Some(target) => assert!(target.starts_with(b"refs/")),
            None => assert!(head.len() >= 40),
        }
    }
    let written = [b"gitdir: ", data, b"\n"].concat();
    let clean = !data.is_empty() && !ended(data);
    if clean {
        assert_eq!(dotgit::gitfile(&written), Some(Path::new(OsStr::from_bytes(data))));
    }
}

/// What a POSIX shell makes of `text`, if that is one word and nothing else.
fn one_word(text: &str) -> Option<String> {
    let mut word = String::new();
    let mut inside = false;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => inside = !inside,
            _ if inside => word.push(c),
            '\\' => word.push(chars.next()?),
            c if c.is_whitespace() || "|&;<>()$`\"*?[]#~=!{}^".contains(c) => return None,
            c => word.push(c),
        }
    }
    (!inside && !text.is_empty()).then_some(word)
}
