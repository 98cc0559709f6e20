//! `complete`: hand a phase in.

pub(super) mod answer;

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use rustix::io::Errno;
use serde_json::{Value, json};

use super::inputs::Input;
use super::recorded::{self, Question, Sight};
use super::session::{Answered, Run, Session};
use super::status::modified;
use super::{Context, context, notes, salvage};
use crate::error::{Failure, Message, Refuses, Stop};
use crate::record::{Snapshot, Verdict};
use crate::rules::Change;
use crate::store::artifact::{BadArtifact, Pinned, Source, sha256, too_large};
use crate::store::change::{Completed, HandIn, MayComplete};
use crate::ui::text::safe;

/// An artifact is no longer than this, in bytes, unless `conductor.maxArtifact` says otherwise.
const MAX_ARTIFACT_BYTES: u64 = 64 * 1024 * 1024;

/// Hand a phase in; what waits for it opens
///
/// Only its owner can. A completed phase stays completed. The artifact is a
/// regular file in a worktree of the repository or in the store; its hash is
/// recorded and a copy is kept, so that the file need not be committed.
///
/// Recorded too are the commit, the branch and whether all is committed, as they
/// are in the worktree that the phase was claimed in, wherever this is called;
/// --commit names another commit. It warns if files are not committed; with
/// conductor.requireClean it refuses.
///
/// With --note, or where conductor.notes is true, the completion also becomes a
/// line of the commit's git note, and the artifact an object of git. It stands
/// even where that cannot be written; notes sync does it later.
#[derive(Debug, Clone, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  git conductor complete build\n  git conductor complete review --artifact review.md --verdict fail"
)]
pub(super) struct CompleteArgs {
    /// The phase
    phase: String,
    /// The file to hand over: a copy of it is kept
    #[arg(long, value_name = "PATH")]
    artifact: Option<PathBuf>,
    /// How it ended; fail opens nothing [default: pass]
    #[arg(
        long,
        value_name = "pass|fail",
        default_value = "pass",
        hide_default_value = true,
        hide_possible_values = true
    )]
    verdict: VerdictWord,
    /// The commit that the work is [default: HEAD]
    #[arg(long, value_name = "REV")]
    commit: Option<String>,
    /// Record it as a git note, too
    #[arg(long, overrides_with = "no_note")]
    note: bool,
    /// Do not, whatever conductor.notes says
    #[arg(long, overrides_with = "note")]
    no_note: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum VerdictWord {
    Pass,
    Fail,
}

impl Run for CompleteArgs {
    /// Hands the phase in.
    fn run(self, session: &mut Session) -> Answered {
        let Self { phase, artifact, verdict, commit, note, no_note } = self;
        let verdict = match verdict {
            VerdictWord::Pass => Verdict::Pass,
            VerdictWord::Fail => Verdict::Fail,
        };
        let note = (note || no_note).then_some(note);
        let request = Request { phase, artifact, verdict, commit, note };
        Ok(Box::new(complete(&session.store()?, &request)?))
    }
}

/// What was asked for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The phase.
    pub phase: String,
    /// `--artifact`
    pub artifact: Option<PathBuf>,
    /// `--verdict`
    pub verdict: Verdict,
    /// `--commit`
    pub commit: Option<String>,
    /// `--note` or `--no-note`; `conductor.notes` if neither was given.
    pub note: Option<bool>,
}

/// A phase that was handed in.
#[derive(Debug)]
pub struct Handed {
    /// The phase.
    pub phase: String,
    /// The completion.
    pub completed: Completed,
    /// What there is to say of the repository.
    pub sight: Sight,
    /// What the phase builds on, where the completed commit does not contain it.
    pub lacks: Vec<Input>,
    /// What came of its record as a git note, if one was asked for.
    pub note: Option<Box<notes::Noted>>,
    /// What former owners left, if a command that was to save it was killed at that.
    pub salvaged: Vec<salvage::Left>,
}

/// Completes a phase: checks and pins the artifact, looks at the repository, then commits.
///
/// # Errors
/// The rule that says no, with the phase still claimed; or what the system says.
pub fn complete(context: &Context, request: &Request) -> Result<Handed, Stop> {
    let phase = &request.phase;
    let note = match request.note {
        Some(note) => note,
        None => context.config_bool("conductor.notes")?.unwrap_or(false),
    };
    let may = context.store.may_complete(&context.asker, phase, request.verdict)?;
    let opened = match &request.artifact {
        Some(path) => Some(open_artifact(context, phase, path)?),
        None => None,
    };
    let MayComplete { change, claim, board, id } = &may;
    let (at, sight) = match claim {
        // Nothing will be written: it was complete before.
        None => (Snapshot::default(), Sight::default()),
        Some(claim) => recorded::look(
            context,
            &Question {
                phase: (board, *id),
                claim,
                commit: request.commit.as_deref(),
                artifact: opened.as_ref().map(|artifact| &*artifact.path),
            },
        )?,
    };
    let sight = Sight { idle: sight.idle && request.verdict == Verdict::Pass, ..sight };
    let artifact = match opened {
        Some(artifact) => Some(take(context, phase, artifact, *change)?),
        None => None,
    };
    // Before the phase is done: nobody looks for what an owner left of one that is.
    let salvaged = salvage::made_up(context, board.dues(*id), &board.sprint.sprint_id, phase);
    let hand_in = HandIn { artifact, verdict: request.verdict, at };
    let completed = context.store.complete(&context.asker, phase, &hand_in)?;
    let lacks = lacks(context, &completed);
    let note = note.then(|| Box::new(notes::record(context, phase, &completed)));
    Ok(Handed { phase: phase.clone(), completed, sight, lacks, note, salvaged })
}

/// The dependencies whose commits the completed commit does not contain: it was made beside them,
/// and shows nothing of what goes out later. The phase is complete whatever git says here, so a git
/// that cannot say counts as none.
fn lacks(context: &Context, completed: &Completed) -> Vec<Input> {
    let done = &completed.done;
    let (Some(repo), Some(commit)) = (&context.repo, &done.at.commit) else { return Vec::new() };
    if completed.again || done.verdict == Verdict::Fail {
        return Vec::new();
    }
    let mut asked: Vec<(&str, bool)> = Vec::new();
    let mut contains = |ancestor| {
        if let Some((_, known)) = asked.iter().find(|(known, _)| *known == ancestor) {
            return *known;
        }
        let contains = repo.contains(commit, ancestor).unwrap_or(true);
        asked.push((ancestor, contains));
        contains
    };
    let lacked = completed.builds_on.iter().filter(|(_, dependency)| {
        dependency.at.commit.as_deref().is_some_and(|ancestor| !contains(ancestor))
    });
    lacked.map(|(phase, dependency)| Input::of(phase, dependency)).collect()
}

/// A file that may be an artifact, open.
struct Artifact {
    given: String,
    path: PathBuf,
    file: File,
    mtime: i64,
}

impl Refuses for BadArtifact {
    fn code(&self) -> &'static str {
        "bad_artifact"
    }

    fn message(&self) -> Message {
        let Self { phase, path, why, given_up } = self;
        let hint = if *given_up {
            format!("the command ended well, but handed over nothing: '{phase}' is given up")
        } else {
            format!(
                "'{phase}' stays claimed by you: write your result to a file in your worktree, \
                 and complete it with that"
            )
        };
        let problem =
            format!("'{}' cannot be the artifact of '{phase}': {}", safe(path), safe(why));
        Message::new(problem, hint, &[])
    }

    fn facts(&self) -> Value {
        json!(self)
    }
}

/// Opens an artifact and checks what was opened, so that nothing can be put in its place in
/// between.
fn open_artifact(context: &Context, phase: &str, given: &Path) -> Result<Artifact, Stop> {
    let refuse = |why: String| BadArtifact {
        phase: phase.to_owned(),
        path: given.display().to_string(),
        why,
        given_up: false,
    };
    let shown = given.display();
    let unfit = |error| unfit(error, &shown, refuse);
    let kind = std::fs::symlink_metadata(given).map_err(unfit)?;
    if kind.is_symlink() {
        return Err(refuse("it is a symbolic link; name the file itself".to_owned()).into());
    }
    if !kind.is_file() {
        return Err(refuse("it is not a regular file".to_owned()).into());
    }
    let path = given.canonicalize().map_err(unfit)?;
    if let Some(why) = out_of_place(context, &path) {
        return Err(refuse(why).into());
    }
    // The path has no links any more; one that is put there now is not followed. A FIFO that is put
    // there now does not hold us up.
    let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.cast_signed())
        .open(&path)
        .map_err(unfit)?;
    let meta = file.metadata().map_err(unfit)?;
    if !meta.is_file() {
        return Err(refuse("it is not a regular file".to_owned()).into());
    }
    Ok(Artifact { given: given.display().to_string(), mtime: modified(&meta), path, file })
}

/// What a failed look at an artifact means. A missing file, or one that cannot be an artifact, is
/// for the agent to mend. A file that cannot be read now is not wrong.
fn unfit(error: io::Error, given: impl Display, refuse: impl Fn(String) -> BadArtifact) -> Stop {
    let of_the_file = [
        Errno::NOTDIR,
        Errno::ACCESS,
        Errno::PERM,
        Errno::INVAL,
        Errno::LOOP,
        Errno::NXIO,
        Errno::NODEV,
        Errno::NAMETOOLONG,
    ];
    match Errno::from_io_error(&error) {
        Some(Errno::NOENT) => refuse("there is no such file".to_owned()).into(),
        Some(errno) if !of_the_file.contains(&errno) => {
            Failure::io(error, format!("cannot read '{given}'")).into()
        }
        // Without a number it is of the name: one with a zero byte.
        Some(_) | None => refuse(error.to_string()).into(),
    }
}

/// Why `path`, which is canonical, is no place for an artifact: it must be in the store or in a
/// worktree of the project, and not in a git directory.
fn out_of_place(context: &Context, path: &Path) -> Option<String> {
    let store = context.store_path().canonicalize().ok();
    let in_store = store.is_some_and(|store| path.starts_with(store));
    let Some(repo) = &context.repo else {
        let inside = in_store || path.starts_with(&context.place.project);
        return (!inside).then(|| "it is outside of the project".to_owned());
    };
    if in_store {
        return None;
    }
    if path.starts_with(repo.common_dir())
        || path.starts_with(repo.git_dir())
        || path.components().any(|part| part.as_os_str() == ".git")
    {
        return Some("it is in a git directory".to_owned());
    }
    let inside = repo.worktree().is_some_and(|worktree| path.starts_with(worktree))
        || repo.main_worktree().is_some_and(|worktree| path.starts_with(worktree))
        || repo.worktrees().iter().any(|worktree| path.starts_with(worktree));
    (!inside).then(|| "it is outside of the project's worktrees and of the store".to_owned())
}

/// Pins the artifact; of a phase that is done already only its hash is asked for, and nothing is
/// kept.
fn take(
    context: &Context,
    phase: &str,
    mut artifact: Artifact,
    change: Change,
) -> Result<Pinned, Stop> {
    let limit = match context.config("conductor.maxArtifact") {
        Some(text) => context::parse_size(&text).ok_or_else(|| {
            context.bad_setting("conductor.maxArtifact", "give bytes, or a size such as 64m")
        })?,
        None => MAX_ARTIFACT_BYTES,
    };
    let refuse = |why: String| BadArtifact {
        phase: phase.to_owned(),
        path: artifact.given.clone(),
        why,
        given_up: false,
    };
    let cannot = |error| Failure::io(error, format!("cannot read '{}'", artifact.given));
    let size = artifact.file.metadata().map_err(cannot)?.len();
    if size > limit {
        return Err(refuse(too_large(limit)).into());
    }
    if change == Change::Confirm {
        let hash = sha256(&mut artifact.file, limit).map_err(cannot)?;
        return Ok(Pinned { sha256: hash.unwrap_or_default(), ..Pinned::default() });
    }
    if artifact.path.extension().is_some_and(|extension| extension == "json") {
        check_json(&artifact.file, limit).map_err(cannot)?.map_err(refuse)?;
    }
    context.store.pin(
        phase,
        Source {
            given: artifact.given.clone(),
            path: artifact.path.display().to_string(),
            mtime: artifact.mtime,
            content: &mut artifact.file,
            limit,
        },
    )
}

/// Whether the file parses as JSON, or why not; it is read again from its beginning afterwards.
fn check_json(file: &File, limit: u64) -> io::Result<Result<(), String>> {
    use std::io::{BufReader, Read as _, Seek as _};
    let mut reader = BufReader::new(file).take(limit.saturating_add(1));
    let mut parser = serde_json::Deserializer::from_reader(&mut reader);
    let parsed = <serde::de::IgnoredAny as serde::Deserialize>::deserialize(&mut parser)
        .and_then(|_| parser.end());
    let mut file = file;
    file.rewind()?;
    match parsed {
        // It could not be read, and nobody knows what it is.
        Err(error) if error.is_io() => Err(error.into()),
        // What is too large is refused as such, when it is copied.
        Err(error) if reader.limit() > 0 => {
            Ok(Err(format!("its name ends in .json, and it is not JSON: {error}")))
        }
        _ => Ok(Ok(())),
    }
}
