//! The manual pages and completions, as they lie in `man/` and `completions/`. Which ones there are is
//! written here by `UPDATE=1 cargo test --test it generated`.

/// A file's name and its text.
macro_rules! shipped {
    ($dir:literal, $name:literal) => {
        ($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $dir, "/", $name)))
    };
}

/// The manual pages.
pub(super) const PAGES: &[(&str, &str)] = &[
    shipped!("man", "git-conductor-abort.1"),
    shipped!("man", "git-conductor-archive.1"),
    shipped!("man", "git-conductor-batch.1"),
    shipped!("man", "git-conductor-claim.1"),
    shipped!("man", "git-conductor-clean.1"),
    shipped!("man", "git-conductor-complete.1"),
    shipped!("man", "git-conductor-doctor.1"),
    shipped!("man", "git-conductor-graph.1"),
    shipped!("man", "git-conductor-guard.1"),
    shipped!("man", "git-conductor-hooks.1"),
    shipped!("man", "git-conductor-install.1"),
    shipped!("man", "git-conductor-log.1"),
    shipped!("man", "git-conductor-next.1"),
    shipped!("man", "git-conductor-notes.1"),
    shipped!("man", "git-conductor-prime.1"),
    shipped!("man", "git-conductor-protocol.7"),
    shipped!("man", "git-conductor-report.1"),
    shipped!("man", "git-conductor-run.1"),
    shipped!("man", "git-conductor-salvage.1"),
    shipped!("man", "git-conductor-show.1"),
    shipped!("man", "git-conductor-skill.1"),
    shipped!("man", "git-conductor-start.1"),
    shipped!("man", "git-conductor-status.1"),
    shipped!("man", "git-conductor-unstuck.1"),
    shipped!("man", "git-conductor-verify.1"),
    shipped!("man", "git-conductor-wait.1"),
    shipped!("man", "git-conductor.1"),
];

/// The completions.
pub(super) const COMPLETIONS: &[(&str, &str)] = &[
    shipped!("completions", "_git-conductor"),
    shipped!("completions", "_git_conductor"),
    shipped!("completions", "git-conductor"),
    shipped!("completions", "git-conductor.fish"),
];
