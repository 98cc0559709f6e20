//! What the small files of a git directory hold: `.git`, `commondir`, `HEAD`. Bytes in, a meaning
//! out: nothing here looks at the disk.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// The path that a `.git` file names, relative to its directory or absolute
/// (`read_gitfile_gently`); `None` if the file is not of that form.
#[must_use]
pub fn gitfile(content: &[u8]) -> Option<&Path> {
    let target = content.strip_prefix(b"gitdir: ").map(line)?;
    (!target.is_empty()).then(|| Path::new(OsStr::from_bytes(target)))
}

/// The path that a `commondir` file names, relative to its directory or absolute.
#[must_use]
pub fn commondir(content: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(line(content)))
}

/// What a sane `HEAD` holds, without its final newlines: a reference below `refs/`, or an object id
/// (`validate_headref`). `None` for any other.
#[must_use]
pub fn head(content: &[u8]) -> Option<&[u8]> {
    let head = line(content);
    let sane = match head.strip_prefix(b"ref:") {
        Some(target) => target.trim_ascii().starts_with(b"refs/"),
        None => head.len() >= 40 && head[..40].iter().all(u8::is_ascii_hexdigit),
    };
    sane.then_some(head)
}

/// What a sane `HEAD` points at; `None` if it is detached.
#[must_use]
pub fn head_target(head: &[u8]) -> Option<&[u8]> {
    Some(head.strip_prefix(b"ref:")?.trim_ascii())
}

/// `content` without its final newlines, as git reads files of one path.
fn line(content: &[u8]) -> &[u8] {
    let end = content.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r'));
    &content[..end.map_or(0, |end| end + 1)]
}
