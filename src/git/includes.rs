//! Includes of git configuration: when gix follows them as git does, and when git must be asked.

use std::path::{Component, Path, PathBuf};

use gix::bstr::ByteSlice as _;
use gix::config::file::SectionRef;

use super::discover::GitDir;
use super::env::Env;

/// What gix is told of the repository that conditions ask about.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    /// Whether it sees the branch, for `onbranch`.
    pub branch: bool,
    /// Whether it sees every name of the git directory, for `gitdir`; asked only if it matters.
    pub git_dir: &'a dyn Fn() -> bool,
}

/// Whether gix reads the section as git does: it follows `include` only in lower case, does not
/// fold the case of `[section.Sub]`, which git still does, and passes over an include without a
/// path.
pub(super) fn is_understood(section: &SectionRef<'_>, seen: Seen<'_>) -> bool {
    if section.header().is_legacy() {
        return false;
    }
    let Some(known) = include(section) else { return true };
    let blind = |condition: &[u8]| {
        (!seen.branch && condition.starts_with(b"onbranch:"))
            || (condition.starts_with(b"gitdir") && !(seen.git_dir)())
    };
    let condition = section.header().subsection_name();
    section.header().name() == known
        && !condition.is_some_and(|condition| blind(condition))
        && section.value_implicit("path") != Some(None)
}

/// Whether gix reads a section made of parameters (`git -c`) as git does: it does not see the
/// remotes of files from there, and includes what is named by a relative path from nowhere.
pub(super) fn is_understood_in_parameters(section: &SectionRef<'_>) -> bool {
    if include(section).is_none() {
        return true;
    }
    let condition = section.header().subsection_name();
    let absolute = |path: &[u8]| path.starts_with(b"/") || path.starts_with(b"~");
    !condition.is_some_and(|condition| condition.starts_with(b"hasconfig:"))
        && section.values("path").iter().all(|path| absolute(path.as_bytes()))
}

/// The name of an including section as gix knows it.
fn include(section: &SectionRef<'_>) -> Option<&'static str> {
    let name = section.header().name();
    ["include", "includeIf"].into_iter().find(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// Whether the git directory has but its canonical name. git compares `gitdir` patterns also with
/// the path that it was named by, which begins with what the shell calls the current directory
/// (`include_by_gitdir`, `strbuf_add_absolute_path`).
pub(super) fn has_one_name(found: &GitDir, env: &Env, cwd: &Path) -> bool {
    let plain = found.named == found.path
        && !found.named.components().any(|part| matches!(part, Component::ParentDir));
    let another =
        |pwd: PathBuf| pwd != cwd && pwd.canonicalize().is_ok_and(|canonical| canonical == cwd);
    plain && !env.path("PWD").is_some_and(another)
}
