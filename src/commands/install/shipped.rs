//! The manual pages and completions, as they lie in `man/` and `completions/`. Which ones there are
//! is written here by `cargo xtask generate shipped`.

/// A page's name and its text, as `build.rs` has packed it: the manual would be a thirtieth of the
/// program.
macro_rules! packed {
    ($name:literal) => {
        ($name, include_bytes!(concat!(env!("OUT_DIR"), "/man/", $name)))
    };
}

/// A file's name and its text.
macro_rules! shipped {
    ($dir:literal, $name:literal) => {
        ($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $dir, "/", $name)))
    };
}

/// The manual pages.
pub(super) const PAGES: &[(&str, &[u8])] = &[
    packed!("git-conductor-abort.1"),
    packed!("git-conductor-archive.1"),
    packed!("git-conductor-batch.1"),
    packed!("git-conductor-claim.1"),
    packed!("git-conductor-clean.1"),
    packed!("git-conductor-complete.1"),
    packed!("git-conductor-doctor.1"),
    packed!("git-conductor-graph.1"),
    packed!("git-conductor-guard.1"),
    packed!("git-conductor-hooks.1"),
    packed!("git-conductor-install.1"),
    packed!("git-conductor-log.1"),
    packed!("git-conductor-next.1"),
    packed!("git-conductor-notes.1"),
    packed!("git-conductor-prime.1"),
    packed!("git-conductor-protocol.7"),
    packed!("git-conductor-report.1"),
    packed!("git-conductor-run.1"),
    packed!("git-conductor-salvage.1"),
    packed!("git-conductor-schema.1"),
    packed!("git-conductor-show.1"),
    packed!("git-conductor-skill.1"),
    packed!("git-conductor-start.1"),
    packed!("git-conductor-status.1"),
    packed!("git-conductor-unstuck.1"),
    packed!("git-conductor-verify.1"),
    packed!("git-conductor-wait.1"),
    packed!("git-conductor.1"),
];

/// The completions.
pub(super) const COMPLETIONS: &[(&str, &str)] = &[
    shipped!("completions", "_git-conductor"),
    shipped!("completions", "_git_conductor"),
    shipped!("completions", "git-conductor"),
    shipped!("completions", "git-conductor.fish"),
];
