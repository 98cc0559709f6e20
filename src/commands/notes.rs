//! `notes`: completions as records in git notes. What is written, shown, exchanged, and set up.
//!
//! A record is derived from the completion alone, so that it can be written again at any time and
//! is the same, to the id. That is what makes `sync` harmless: what is there is not written twice.

pub(super) mod answer;

pub(super) use answer::{NotedAnswer, noted_json, noted_text};

use std::collections::BTreeSet;

use clap::Subcommand;

use jiff::Timestamp;

use super::session::{Answered, Run, Session};
use super::{Context, context};
use crate::error::{Failure, FailureKind};
use crate::git::Repo;
use crate::git::notes::{Name, Setting};
use crate::record::note::{Artifact, Note, Notes, appended, is_oid};
use crate::record::{Done, VERSION};
use crate::rules::gate::Pin;
use crate::store::Host as _;
use crate::store::artifact::sha256;
use crate::store::change::Completed;
use crate::store::history::Completion;

/// A push is tried again so often when the remote has gone on meanwhile.
const MAX_PUSHES: u32 = 10;

/// Of fewer commits than these each is looked for by itself.
const FEW_COMMITS: usize = 100;

/// Artifacts of so many bytes are written at once, and any single one that is larger.
const PIECE_BYTES: u64 = 64 * 1024 * 1024;

/// Show, write, exchange or set up records in git notes
///
/// A record is one line of JSON in the note of the commit that a phase was
/// completed at, on refs/notes/conductor (conductor.notesRef). complete writes it
/// where conductor.notes is true. The artifact is kept on the reference of that
/// name with -artifacts after it: its blob, as the note on itself.
///
/// Without a command, shows all records. sync writes what is missing of all sprints
/// in the store, and takes in what was fetched from remotes; with --remote it
/// fetches first, and pushes at the end. setup makes git show the records, keep
/// them when a commit is amended or rebased, and merge them; with --remote also
/// fetch them.
#[derive(Debug, Clone, clap::Args)]
#[command(
    verbatim_doc_comment,
    disable_help_subcommand = true,
    after_help = "Examples:\n  git conductor notes\n  git conductor notes show main..HEAD\n  git conductor notes sync --remote origin\n  git conductor notes setup --remote origin"
)]
pub(super) struct NotesArgs {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Clone, Subcommand)]
enum Action {
    /// Show records: all, of a commit, or of the commits of a range
    Show {
        /// A commit or a range [default: all records]
        #[arg(value_name = "REV|RANGE")]
        rev: Option<String>,
    },
    /// Write what is missing, and take in what was fetched
    Sync {
        /// Fetch from this remote first, and push to it at the end
        #[arg(long, value_name = "NAME")]
        remote: Option<String>,
    },
    /// Make git show, keep and merge records
    Setup {
        /// Also fetch them from this remote
        #[arg(long, value_name = "NAME")]
        remote: Option<String>,
        /// Take the settings away again
        #[arg(long)]
        remove: bool,
    },
}

impl Run for NotesArgs {
    /// Shows, exchanges or sets up records.
    fn run(self, session: &mut Session) -> Answered {
        match self.action.unwrap_or(Action::Show { rev: None }) {
            Action::Show { rev } => Ok(Box::new(show(rev.as_deref())?)),
            Action::Sync { remote } => Ok(Box::new(sync(&session.store()?, remote.as_deref())?)),
            Action::Setup { remote, remove } => Ok(Box::new(set_up(remote.as_deref(), remove)?)),
        }
    }
}

/// What came of the record of one completion.
#[derive(Debug)]
pub enum Noted {
    /// It is there.
    Written {
        /// The reference that it is on.
        reference: String,
        /// The commit.
        commit: String,
        /// The record's id.
        id: String,
    },
    /// The completion stands, and there is no record of it.
    Failed {
        /// Why not.
        failure: Failure,
        /// Whether `sync` can write it later.
        later: bool,
    },
}

/// Records, in the order of their completion.
#[derive(Debug)]
pub struct Records {
    /// The reference that they are on.
    pub reference: String,
    /// Each with the commit whose note it stands in.
    pub records: Vec<(String, Note)>,
    /// How many more are of a later version than this program reads.
    pub later: usize,
    /// How many notes are no text, or too long to be looked at.
    pub odd: usize,
}

/// What `sync` came to.
#[derive(Debug, Default)]
pub struct Synced {
    /// The reference.
    pub reference: String,
    /// Records that were missing, and are there now.
    pub written: usize,
    /// Artifacts that were missing, and are there now.
    pub kept: usize,
    /// What cannot be written: sprint, phase, and why not.
    pub left: Vec<(String, String, Left)>,
    /// The references of remotes whose notes were taken in.
    pub merged: Vec<String>,
    /// The remote that has it all now.
    pub pushed: Option<String>,
}

/// Why something of a completion cannot be kept in git notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Left {
    /// It was completed at no commit.
    NoCommit,
    /// That commit is not in the repository any more.
    CommitGone,
    /// What was handed over is gone.
    PinGone,
    /// What was handed over has been changed since.
    PinChanged,
}

/// What `setup` came to.
#[derive(Debug)]
pub struct SetUp {
    /// Whether settings were taken away.
    pub removed: bool,
    /// Each setting that was meant, and whether it was changed.
    pub settings: Vec<(Setting, bool)>,
    /// A key that has another value already, which stays.
    pub differs: Option<(String, String)>,
    /// The remote whose notes are fetched from now on.
    pub remote: Option<String>,
}

/// All records on `name`; `None` if there is no such reference.
///
/// # Errors
/// The notes cannot be read.
pub(super) fn read(repo: &Repo, name: &Name) -> Result<Option<Notes>, Failure> {
    repo.read_notes(name, |notes| {
        let Some(notes) = notes else { return Ok(None) };
        let mut all = Notes::default();
        notes.texts(&mut |_, text| all.read(text))?;
        Ok(Some(all))
    })
}

/// Shows the records of `rev`, a commit or a range (default: all there are).
///
/// # Errors
/// What `rev` is not; or the notes cannot be read.
fn show(rev: Option<&str>) -> Result<Records, Failure> {
    let repo = context::need_repository()?;
    let name = repo.notes_name()?;
    let commits = match rev {
        Some(rev) => Some(repo.commits(rev).map_err(helped)?),
        None => None,
    };
    let mut all = Notes::default();
    let mut records: Vec<(String, Note)> = Vec::new();
    let mut take = |object: &str, text: &[u8]| {
        all.read(text);
        let mut here = Notes::default();
        here.read(text);
        records.extend(here.records().into_iter().map(|note| (object.to_owned(), note.clone())));
    };
    let odd = repo.read_notes(&name, |notes| match (notes, &commits) {
        (None, _) => Ok(0),
        (Some(notes), None) => notes.texts(&mut take),
        // Each is looked for by itself, unless that is more work than to look at all.
        (Some(notes), Some(commits)) if commits.len() < FEW_COMMITS => {
            for commit in commits {
                if let Some(text) = notes.text(commit)? {
                    take(commit, &text);
                }
            }
            Ok(0)
        }
        (Some(notes), Some(commits)) => {
            let wanted: BTreeSet<&str> = commits.iter().map(String::as_str).collect();
            notes.texts(&mut |object, text| {
                if wanted.contains(object) {
                    take(object, text);
                }
            })
        }
    })?;
    // An amended commit has a copy of the record; the commit that it is of comes first.
    records
        .sort_by_key(|(object, note)| (note.completed_at, note.id.clone(), *object != note.commit));
    records.dedup_by(|(_, one), (_, other)| one.id == other.id);
    let reference = name.as_str().to_owned();
    Ok(Records { reference, records, later: all.later(), odd })
}

/// A wrong command line, with where it is explained.
fn helped(failure: Failure) -> Failure {
    if failure.kind == FailureKind::Usage {
        return failure.hint("git conductor notes show -h");
    }
    failure
}

/// Writes the record of a completion. Whatever comes of it, the completion stands.
pub(super) fn record(context: &Context, phase: &str, completed: &Completed) -> Noted {
    let completion = Completion {
        sprint_id: completed.sprint_id.clone(),
        phase: phase.to_owned(),
        depends_on: completed.depends_on.clone(),
        done: completed.done.clone(),
    };
    let failed = |failure, later| Noted::Failed { failure, later };
    let Some(repo) = &context.repo else {
        let text = "git notes need a repository";
        return failed(Failure::new(FailureKind::NotARepository, text), false);
    };
    let Some(commit) = &completed.done.at.commit else {
        return failed(Failure::new(FailureKind::Git, "there is no commit yet"), false);
    };
    let written = repo.notes_name().and_then(|name| {
        let message = "Notes added by 'git conductor complete'";
        if repo.mend_notes(&name)? {
            // A power cut took what was there: it is in the store, or was the remotes' as well.
            for some in in_pieces(&context.store.completions()?) {
                write(context, repo, &name, some, None, message)?;
            }
        }
        let synced = write(context, repo, &name, std::slice::from_ref(&completion), None, message)?;
        if synced.left.iter().any(|(.., left)| *left == Left::CommitGone) {
            let text = "the commit that it was done at is not in the repository";
            return Err(Failure::new(FailureKind::Git, text));
        }
        Ok(Noted::Written {
            reference: name.as_str().to_owned(),
            commit: commit.clone(),
            id: id(&completion),
        })
    });
    written.unwrap_or_else(|failure| failed(failure, true))
}

/// Writes the records of what a new sprint took over: whoever has only the notes finds them in it.
pub(super) fn carried(context: &Context, completions: &[Completion]) -> Result<(), Failure> {
    let Some(repo) = &context.repo else { return Ok(()) };
    let message = "Notes added by 'git conductor start'";
    let name = repo.notes_name()?;
    for some in in_pieces(completions) {
        write(context, repo, &name, some, None, message)?;
    }
    Ok(())
}

/// Writes what is missing of all completions that the store knows of, and takes in what has been
/// fetched of remotes; with `remote`, fetches from there first, and pushes afterwards.
///
/// # Errors
/// The store or the notes cannot be read; or what git says.
pub(super) fn sync(context: &Context, remote: Option<&str>) -> Result<Synced, Failure> {
    let repo = context::need_repository()?;
    let name = repo.notes_name()?;
    if let Some(remote) = remote {
        check_remote(&repo, remote)?;
    }
    let completions = context.store.completions()?;
    // git fetches nothing beside a reference that a power cut has left empty.
    repo.mend_notes(&name)?;
    let mut all = Synced::default();
    for attempt in 0..MAX_PUSHES {
        if let Some(remote) = remote {
            repo.fetch_notes(remote, &name)?;
        }
        let message = "Notes added by 'git conductor notes sync'";
        let fetched = repo.fetched_notes(&name)?;
        all.left.clear();
        for (nth, some) in in_pieces(&completions).into_iter().enumerate() {
            let fetched = if nth == 0 { &fetched[..] } else { &[] };
            let synced = write(context, &repo, &name, some, Some(fetched), message)?;
            all.written += synced.written;
            all.kept += synced.kept;
            all.left.extend(synced.left);
        }
        all.merged = fetched.iter().map(|name| name.as_str().to_owned()).collect();
        let Some(remote) = remote else { break };
        match repo.push_notes(remote, &[&name, &name.artifacts()]) {
            Ok(()) => {
                all.pushed = Some(remote.to_owned());
                break;
            }
            // Another may have pushed in between.
            Err(failure) => {
                let before = fetched_tips(&repo, remote, &name)?;
                repo.fetch_notes(remote, &name)?;
                if attempt + 1 == MAX_PUSHES || fetched_tips(&repo, remote, &name)? == before {
                    return Err(failure);
                }
                context.store.host().pause(attempt);
            }
        }
    }
    name.as_str().clone_into(&mut all.reference);
    Ok(all)
}

/// Pieces of it whose artifacts fit into memory together; at least one.
fn in_pieces(completions: &[Completion]) -> Vec<&[Completion]> {
    let mut pieces = Vec::new();
    let (mut begin, mut size) = (0, 0_u64);
    for (n, completion) in completions.iter().enumerate() {
        size = size.saturating_add(completion.done.artifact_size.unwrap_or_default());
        if size > PIECE_BYTES && n > begin {
            pieces.push(&completions[begin..n]);
            (begin, size) = (n, completion.done.artifact_size.unwrap_or_default());
        }
    }
    pieces.push(&completions[begin..]);
    pieces
}

/// What was last fetched of `remote`.
fn fetched_tips(repo: &Repo, remote: &str, name: &Name) -> Result<Vec<Option<String>>, Failure> {
    let names = [name.of_remote(remote), name.artifacts().of_remote(remote)];
    names.iter().flatten().map(|name| repo.commit_of(name)).collect()
}

fn check_remote(repo: &Repo, remote: &str) -> Result<(), Failure> {
    if repo.has_remote(remote) {
        return Ok(());
    }
    let text = format!("'{remote}' is no remote of this repository");
    Err(Failure::new(FailureKind::Usage, text).hint("'git remote' lists them"))
}

/// Writes what is missing of `completions`: the records and the artifacts in one step. `syncing`
/// has the references to take in; without it nothing but the completion's own commit is looked at.
fn write(
    context: &Context,
    repo: &Repo,
    name: &Name,
    completions: &[Completion],
    syncing: Option<&[Name]>,
    message: &str,
) -> Result<Synced, Failure> {
    let artifacts = name.artifacts();
    let pause = |attempt| context.store.host().pause(attempt);
    repo.change_notes(&[name, &artifacts], message, &pause, |open| {
        let [notes, files] = open else {
            return Err(Failure::new(FailureKind::Bug, "two references are two"));
        };
        for other in syncing.unwrap_or_default() {
            notes.merge(repo, other)?;
            if let Some(other) = Name::new(&format!("{}-artifacts", other.as_str())) {
                files.merge(repo, &other)?;
            }
        }
        let mut synced = Synced::default();
        // Of one completion only its own commit is looked at; it may have been amended since.
        let mut known = Notes::default();
        if syncing.is_some() {
            notes.texts(&mut |_, text| known.read(text))?;
        }
        for completion in completions {
            let left = |why| (completion.sprint_id.clone(), completion.phase.clone(), why);
            let Some(commit) = &completion.done.at.commit else {
                synced.left.push(left(Left::NoCommit));
                continue;
            };
            let id = id(completion);
            let artifact = known.get(&id).and_then(|note| note.artifact.as_ref()?.oid.as_ref());
            if let Some(oid) = artifact.filter(|oid| is_oid(oid))
                && files.has(oid)?
            {
                continue;
            }
            let (kept, why) = keep(context, files, completion, &mut synced.kept)?;
            synced.left.extend(why.map(left));
            if known.has(&id) {
                continue;
            }
            if !notes.is_there(commit)? {
                synced.left.push(left(Left::CommitGone));
                continue;
            }
            let text = notes.text(commit)?.unwrap_or_default();
            let mut here = Notes::default();
            here.read(&text);
            if here.has(&id) {
                continue;
            }
            let line = note(context, completion, commit, kept).line().map_err(|error| {
                Failure::new(FailureKind::Bug, format!("cannot encode: {error}"))
            })?;
            notes.set(commit, appended(&text, &line))?;
            synced.written += 1;
        }
        Ok(synced)
    })
}

/// Keeps what was handed over, if it is not kept yet; gives its blob's id, or why there is none.
fn keep(
    context: &Context,
    files: &mut crate::git::notes::Notes<'_>,
    completion: &Completion,
    kept: &mut usize,
) -> Result<(Option<String>, Option<Left>), Failure> {
    let Completion { sprint_id, phase, done, .. } = completion;
    Ok(match context.store.read_pin(sprint_id, phase, done)? {
        Ok(file) => {
            let (oid, new) = files.keep(file)?;
            *kept += usize::from(new);
            (Some(oid), None)
        }
        Err(Pin::None | Pin::Same) => (None, None),
        Err(Pin::Gone) => (None, Some(Left::PinGone)),
        Err(Pin::Changed) => (None, Some(Left::PinChanged)),
    })
}

/// The id of a completion's record.
pub(super) fn id(completion: &Completion) -> String {
    let Completion { sprint_id, phase, done, .. } = completion;
    // A script's completion has no token; the moment must do.
    let unique = match &done.token {
        Some(token) => token.to_string(),
        None => format!("{:?} {}", done.completed_at, done.agent),
    };
    let text = format!("{sprint_id}\0{phase}\0{unique}");
    let hash = sha256(&mut text.as_bytes(), u64::MAX).ok().flatten().unwrap_or_default();
    hash.chars().take(32).collect()
}

/// The record of a completion at `commit`.
pub(super) fn note(
    context: &Context,
    completion: &Completion,
    commit: &str,
    oid: Option<String>,
) -> Note {
    let Completion { sprint_id, phase, depends_on, done } = completion;
    let artifact = done.artifact_sha256.as_ref().map(|sha256| Artifact {
        path: artifact_path(context, done),
        size: done.artifact_size.unwrap_or_default(),
        sha256: sha256.clone(),
        oid,
    });
    Note {
        v: VERSION,
        id: id(completion),
        sprint: sprint_id.clone(),
        phase: phase.clone(),
        agent: done.agent.clone(),
        verdict: done.verdict,
        claimed_at: done.claimed_at.map(short),
        completed_at: done.completed_at.map(short),
        commit: commit.to_owned(),
        tree: done.at.tree.clone().unwrap_or_default(),
        dirty: done.at.dirty,
        depends_on: depends_on.clone(),
        artifact,
        carried_from: done.carried_from.clone(),
    }
}

/// To the millisecond: people read it.
fn short(moment: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(moment.as_millisecond()).unwrap_or(moment)
}

/// The artifact's path without what it is called only on this machine: notes are pushed.
fn artifact_path(context: &Context, done: &Done) -> String {
    let given = std::path::Path::new(&done.artifact);
    let real = done.artifact_path.as_deref().map_or(given, std::path::Path::new);
    let worktree = done.at.worktree.as_deref().map(std::path::Path::new);
    let inside = worktree.and_then(|root| real.strip_prefix(root).ok());
    let inside = inside.or_else(|| real.strip_prefix(context.store_path()).ok());
    let path = inside.map(std::path::Path::as_os_str).or_else(|| given.file_name());
    path.unwrap_or_default().to_string_lossy().into_owned()
}

/// Makes git show records, keep them when a commit is rewritten, and merge them line by line; with
/// `remote`, also fetch them from there. With `undo`, takes just that away again.
///
/// # Errors
/// What git says.
fn set_up(remote: Option<&str>, undo: bool) -> Result<SetUp, Failure> {
    let repo = context::need_repository()?;
    let name = repo.notes_name()?;
    let setting = |key: &str, value: &str| Setting { key: key.to_owned(), value: value.to_owned() };
    let merge = format!("notes.{}.mergeStrategy", name.short());
    let mut wanted = vec![
        setting("notes.displayRef", name.as_str()),
        setting("notes.rewriteRef", name.as_str()),
    ];
    let other = repo.config(&merge).filter(|value| value != MERGE);
    let differs = other.filter(|_| !undo).map(|value| (merge.clone(), value));
    if differs.is_none() {
        wanted.push(setting(&merge, MERGE));
    }
    if let Some(remote) = remote {
        check_remote(&repo, remote)?;
        let refspec = repo.notes_refspec(remote, &name).ok_or_else(|| {
            let text =
                format!("notes of '{remote}' cannot be kept: its name cannot be in a reference's");
            Failure::new(FailureKind::Usage, text)
        })?;
        wanted.push(setting(&format!("remote.{remote}.fetch"), &refspec));
    }
    let mut settings = Vec::new();
    for setting in wanted {
        let changed =
            if undo { repo.remove_setting(&setting)? } else { repo.add_setting(&setting)? };
        settings.push((setting, changed));
    }
    let remote = remote.map(str::to_owned);
    Ok(SetUp { removed: undo, settings, differs, remote })
}

/// How git is to merge records.
const MERGE: &str = "cat_sort_uniq";
