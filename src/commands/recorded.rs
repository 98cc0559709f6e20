//! What of the repository a completion records: what is checked out in the worktree of the claim,
//! and whether all of it is committed there.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use super::{Context, concurrency, worktrees};
use crate::error::{Failure, FailureKind, Message, Refuses, Stop};
use crate::git::worktree::Place;
use crate::git::{Repo, Uncommitted};
use crate::record::{Claim, Snapshot};
use crate::rules::graph::Concurrency;
use crate::rules::identity::is_here;
use crate::rules::{Board, PhaseId, State};
use crate::ui::text::{list, safe};

/// So many of the paths that are not committed are named.
const MAX_PATHS: usize = 3;
/// So many entries of a directory that git does not track are looked at.
const MAX_ENTRIES: usize = 256;

/// What a completion says of the repository, beside what it records.
#[derive(Debug, Clone, Default)]
pub struct Sight {
    /// Where the phase was claimed, if it is not completed from there.
    pub claimed_in: Option<Elsewhere>,
    /// What is not committed where it was looked; `None` if nobody could look.
    pub uncommitted: Option<Uncommitted>,
    /// Why nobody could: git took too long.
    pub overdue: Option<String>,
    /// Whether there is nothing to show for a phase that writes: no artifact was handed over, and
    /// what is checked out is what was when the phase was claimed.
    pub idle: bool,
}

/// Another worktree than that of the caller, in which the phase was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// Its path, where it is now.
    pub path: String,
    /// Whether what is checked out there is recorded. If not, that of the caller is.
    pub found: Found,
}

/// What became of a claim's worktree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Found {
    /// It is there.
    Used,
    /// It is not there now.
    Gone,
    /// It is no worktree of this repository.
    Foreign,
}

/// What is asked.
pub(super) struct Question<'a> {
    /// The phase, and the board that it is on.
    pub phase: (&'a Board, PhaseId),
    /// The claim that is completed.
    pub claim: &'a Claim,
    /// `--commit`
    pub commit: Option<&'a str>,
    /// The artifact.
    pub artifact: Option<&'a Path>,
}

/// Looks at the repository for a completion.
///
/// # Errors
/// Something is not committed, and `conductor.requireClean` asks for that; or what git says.
pub(super) fn look(context: &Context, question: &Question<'_>) -> Result<(Snapshot, Sight), Stop> {
    let Question { phase: (board, id), claim, commit, artifact } = *question;
    let require_clean = context.config_bool("conductor.requireClean")?.unwrap_or(false);
    let Some(repo) = &context.repo else {
        let usage = || Failure::new(FailureKind::Usage, "--commit needs a repository");
        return match commit {
            Some(_) => Err(usage().into()),
            None => Ok((Snapshot::default(), Sight::default())),
        };
    };
    let (there, claimed_in) = place(context, repo, claim);
    let there = there.as_ref().unwrap_or(repo);
    // A revision means what it means where it was typed.
    let named = commit.map(|rev| repo.commit_and_tree(Some(rev))).transpose()?;
    let mut at = match &named {
        Some(named) => there.snapshot_at(named.clone())?,
        None => there.snapshot(None)?,
    };
    if let Some(named) = &named
        && there.commit_and_tree(None)? != *named
    {
        // It need not be on the branch that is checked out.
        at.branch = None;
    }
    let mut sight = Sight { claimed_in, ..Sight::default() };
    if let Some(root) = there.worktree() {
        let mut ignore = vec![context.store_path()];
        ignore.extend(artifact);
        let kept = OnceCell::new();
        let is_aside = |path: &Path| {
            let kept = kept.get_or_init(|| artifacts(context));
            let mut left = MAX_ENTRIES;
            !kept.is_empty() && holds_only(&root.join(path), kept, &mut left)
        };
        match there.uncommitted(&ignore, &is_aside, MAX_PATHS, &context.git_limit()?) {
            Ok(found) => {
                at.dirty = Some(found.count > 0);
                sight.uncommitted = Some(found);
            }
            Err(failure) if failure.kind == FailureKind::Busy && !require_clean => {
                // Evidence is what was shown to be so: this was not.
                at.dirty = Some(true);
                sight.overdue = Some(failure.to_string());
            }
            Err(failure) => return Err(failure.into()),
        }
    }
    if let Some(found) = sight.uncommitted.as_ref().filter(|it| require_clean && it.count > 0) {
        return Err(Dirty {
            phase: board.graph.phase(id).name.clone(),
            worktree: at.worktree,
            count: found.count,
            paths: found.first.clone(),
            given_up: false,
        }
        .into());
    }
    let lost = sight.claimed_in.as_ref().is_some_and(|it| it.found != Found::Used);
    sight.idle = commit.is_none()
        && artifact.is_none()
        && !lost
        && (claim.commit.is_some() || claim.git_dir.is_some())
        && claim.commit == at.commit
        // A configuration that cannot be read is for others to complain of: this is only a warning.
        && concurrency::of(context, board, id).is_ok_and(|kind| kind == Concurrency::Write);
    Ok((at, sight))
}

/// Where the artifacts lie that were handed over in this sprint: a copy of each is kept, and none
/// need be committed.
fn artifacts(context: &Context) -> BTreeSet<PathBuf> {
    let Ok(Some(board)) = context.store.states() else { return BTreeSet::new() };
    let path = |id| match board.state(id) {
        State::Done(done) => done.artifact_path.as_ref().map(PathBuf::from),
        State::Pending | State::Claimed(_) => None,
    };
    board.graph.ids().filter_map(path).collect()
}

/// Whether there is nothing at `path` but these files; of a directory with more than is `left` to
/// be looked at that is not known.
fn holds_only(path: &Path, files: &BTreeSet<PathBuf>, left: &mut usize) -> bool {
    if files.contains(path) {
        return true;
    }
    if !path.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
        return false;
    }
    let Ok(entries) = std::fs::read_dir(path) else { return false };
    let mut entries = entries.map(|entry| entry.map(|entry| entry.path()));
    entries.all(|entry| {
        *left = left.saturating_sub(1);
        *left > 0 && entry.is_ok_and(|entry| holds_only(&entry, files, left))
    })
}

/// The repository as it is seen from the worktree of `claim`, and which that is; nothing where that
/// is the caller's, or where there was none.
fn place(context: &Context, repo: &Repo, claim: &Claim) -> (Option<Repo>, Option<Elsewhere>) {
    let me = &context.asker.me;
    let Some(path) = &claim.worktree else { return (None, None) };
    // By the path alone, another worktree that took the place of one that was moved looks the same.
    let both_known = me.git_dir.is_some() && claim.git_dir.is_some();
    let inside = repo.worktree().is_some() || claim.git_dir.is_none();
    let here = inside && is_here(me, claim) && (me.git_dir == claim.git_dir || !both_known);
    // It was claimed where nothing is checked out: the work is where the caller is.
    let nowhere = claim.git_dir.is_none() && **path == *repo.common_dir().to_string_lossy();
    if here || nowhere {
        return (None, None);
    }
    let recorded = worktrees::recorded(claim);
    let elsewhere = |path: &str, found| Some(Elsewhere { path: path.to_owned(), found });
    match repo.find_worktree(&recorded) {
        Place::There(worktree) if Some(worktree.root()) == repo.worktree() => (None, None),
        Place::There(worktree) => {
            let path = worktree.root().to_string_lossy();
            (Some(repo.within(&worktree)), elsewhere(&path, Found::Used))
        }
        Place::Gone => (None, elsewhere(path, Found::Gone)),
        Place::Foreign => (None, elsewhere(path, Found::Foreign)),
    }
}

/// Not all of the work is committed, and only a clean worktree may be completed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Dirty {
    /// The phase.
    pub phase: String,
    /// The worktree.
    pub worktree: Option<String>,
    /// How many paths are not committed.
    pub count: usize,
    /// The first of them, relative to the worktree.
    pub paths: Vec<String>,
    /// Whether the phase was given up for it, since its owner ends.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub given_up: bool,
}

impl Refuses for Dirty {
    fn code(&self) -> &'static str {
        "dirty"
    }

    fn message(&self) -> Message {
        let Self { phase, worktree, count, paths, given_up } = self;
        let text = format!(
            "'{phase}' is not completed: {}",
            uncommitted(worktree.as_deref().unwrap_or_default(), *count, paths)
        );
        let hint = if *given_up {
            format!(
                "the command ended well, but left that: '{phase}' is given up (conductor.requireClean)"
            )
        } else {
            format!(
                "'{phase}' stays claimed by you (conductor.requireClean): commit what belongs to it, \
                 and complete it again"
            )
        };
        Message::new(text, hint, &[])
    }

    fn facts(&self) -> Value {
        json!(self)
    }
}

/// `3 paths in '/home/ann/app' are not committed: 'a', 'b' and 1 more`
pub(super) fn uncommitted(place: &str, count: usize, first: &[String]) -> String {
    let mut shown: Vec<String> = first.iter().map(|path| format!("'{}'", safe(path))).collect();
    if count > shown.len() {
        shown.push(format!("{} more", count - shown.len()));
    }
    let paths = if count == 1 { "1 path" } else { &format!("{count} paths") };
    let are = if count == 1 { "is" } else { "are" };
    format!("{paths} in '{}' {are} not committed: {}", safe(place), list(&shown))
}
