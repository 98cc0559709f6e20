//! `show`: all that is known of one phase, and what was handed over with it.

pub(super) mod answer;
pub(super) mod content;

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use super::session::{Answered, Run, Session, misused};
use super::{Context, status, worktrees};
use crate::error::{Failure, FailureKind, Stop};
use crate::record::{Done, sprint_time};
use crate::rules::gate::Pin;
use crate::rules::rows::View;
use crate::rules::{Board, PhaseId, Refusal, State, decide};
use crate::store::artifact::{sha256, sha256_of};
use crate::store::layout::pin_path;
use crate::store::read::find_phase;

/// Of an artifact that is longer, in bytes, only the facts are shown.
const MAX_SHOWN_BYTES: u64 = 64 * 1024;

/// Show all that is known of a phase, and what was handed over with it
///
/// Who, since when, at which commit; what it depends on and what needs it; what
/// was handed over, from the copy that was kept, once that is known to be what it
/// was, and whether the original has changed since. An artifact that is text, and
/// no longer than 64 KiB, follows.
///
/// With --artifact just its bytes are printed, or nothing if the copy has been
/// changed. On a terminal what a terminal would act on is made visible.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  git conductor show review\n  git conductor show review --artifact"
)]
pub(super) struct ShowArgs {
    /// The phase [default: the one that you hold, else the board]
    phase: Option<String>,
    /// Print what was handed over, and nothing else
    #[arg(long)]
    artifact: bool,
    /// Of another sprint, by its id or the time in it
    #[arg(long, value_name = "ID")]
    sprint: Option<String>,
}

impl Run for ShowArgs {
    /// Shows a phase, or with `--artifact` prints what was handed over.
    fn run(self, session: &mut Session) -> Answered {
        let context = session.store()?;
        let board = board(&context, self.sprint.as_deref())?;
        let name = match self.phase.or_else(|| held(&context, &board)) {
            Some(name) => name,
            None if self.artifact => {
                let text = "--artifact is of a phase, and you hold none";
                return Err(misused(text, "git conductor show -h"));
            }
            None => {
                return Ok(Box::new(status::board(session, &context, board)));
            }
        };
        let id = find_phase(&board.graph, &name)?;
        if self.artifact {
            return Ok(Box::new(artifact(&context, &board, id)?));
        }
        let mut shown = show(&context, board, id)?;
        worktrees::update(session.worktrees(), shown.view.board.claims_mut());
        Ok(Box::new(shown))
    }
}

/// What has become of the file that was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Original {
    /// It is what it was.
    Same,
    /// It is something else.
    Changed,
    /// It is not there, or out of sight.
    Gone,
    /// It is not known where it was, or there was none.
    Unknown,
}

/// One phase, as one asker sees it.
#[derive(Debug)]
pub struct Shown {
    /// The board that it is on.
    pub view: View,
    /// The phase.
    pub id: PhaseId,
    /// What there is of what was handed over.
    pub pin: Pin,
    /// Where that is (absolute), if it is whole.
    pub pin_path: Option<PathBuf>,
    /// What has become of the original.
    pub original: Original,
    /// What was handed over, if it is text, and short.
    pub content: Option<String>,
    /// Whether this clone has the commit that it was done at; `None` where that cannot be known.
    pub here: Option<bool>,
}

/// What was handed over, to be read piece by piece. It has been found to be what it was.
#[derive(Debug)]
pub struct Content {
    phase: String,
    file: File,
    size: u64,
    sha256: String,
}

impl Content {
    /// How long it is, in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Reads it from its beginning; what `each` fails with ends it.
    ///
    /// # Errors
    /// It cannot be read, or is being changed.
    pub fn pieces(
        &self,
        mut each: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<io::Result<()>, Failure> {
        let cannot =
            |error| Failure::io(error, format!("cannot read what '{}' handed over", self.phase));
        let mut file = &self.file;
        file.rewind().map_err(cannot)?;
        let mut given = Ok(());
        let hash = sha256_of(&mut file, self.size, |piece| {
            if given.is_ok() {
                given = each(piece);
            }
            // There is no use in the rest.
            if given.is_ok() { Ok(()) } else { Err(io::Error::from(io::ErrorKind::Other)) }
        });
        match (hash, given) {
            (_, Err(error)) => Ok(Err(error)),
            (Err(error), Ok(())) => Err(cannot(error)),
            (Ok(Some(now)), Ok(())) if now == self.sha256 => Ok(Ok(())),
            (Ok(_), Ok(())) => {
                let text = format!("what '{}' handed over is being changed", self.phase);
                Err(Failure::new(FailureKind::Tampered, text))
            }
        }
    }
}

/// All that is known of the phase `id`.
fn show(context: &Context, board: Board, id: PhaseId) -> Result<Shown, Failure> {
    let name = board.graph.phase(id).name.clone();
    let mut facts = Shown {
        id,
        pin: Pin::None,
        pin_path: None,
        original: Original::Unknown,
        content: None,
        here: None,
        view: View::of(board, context.asker.facts(context.now())),
    };
    let board = &facts.view.board;
    let sprint = &board.sprint.sprint_id;
    if let State::Done(done) = board.state(id) {
        if done.artifact_size.is_some_and(|size| size <= MAX_SHOWN_BYTES) {
            // Read once: what is shown is what was hashed.
            match context.store.read_pin(sprint, &name, done)? {
                Ok(bytes) => {
                    facts.pin = Pin::Same;
                    let text = String::from_utf8(bytes).ok();
                    facts.content = text.filter(|text| !text.contains('\0'));
                }
                Err(pin) => facts.pin = pin,
            }
        } else {
            facts.pin = context.store.check_pin(sprint, &name, done)?;
        }
        if facts.pin == Pin::Same
            && let (Some(path), Some(sha256)) =
                (context.store.path_of(sprint)?, &done.artifact_sha256)
        {
            facts.pin_path = Some(pin_path(&context.store_path().join(path), &name, sha256));
        }
        facts.original = original(done)?;
        if let (Some(repo), Some(commit)) = (&context.repo, &done.at.commit) {
            facts.here = repo.has_commits(&[commit]).into_iter().next().flatten();
        }
    }
    Ok(facts)
}

/// The phase that the asker holds, in this worktree rather than in another.
fn held(context: &Context, board: &Board) -> Option<String> {
    let facts = context.asker.facts(context.now());
    let is_here = |id: &PhaseId| match board.state(*id) {
        State::Claimed(hold) => hold.claim.worktree == context.asker.me.worktree,
        State::Pending | State::Done(_) => false,
    };
    let mine = decide::mine(board, facts);
    let id = mine.iter().copied().find(is_here).or_else(|| mine.first().copied())?;
    Some(board.graph.phase(id).name.clone())
}

/// The board of the sprint that is meant by its id or the time in it; the current one without.
///
/// # Errors
/// There is none.
pub(super) fn board(context: &Context, sprint: Option<&str>) -> Result<Board, Stop> {
    let Some(named) = sprint else {
        return Ok(context.store.board()?.ok_or(Refusal::NoSprint {})?);
    };
    let board = match meant(context, named)? {
        Some(id) => context.store.board_of(&id)?,
        None => None,
    };
    Ok(board.ok_or_else(|| Refusal::UnknownSprint { sprint: named.to_owned() })?)
}

/// The id of the sprint that is meant by its id or the time in it.
pub(super) fn meant(context: &Context, named: &str) -> Result<Option<String>, Failure> {
    let is_meant = |id: &String| id == named || sprint_time(id) == named;
    Ok(context.store.sprints()?.into_iter().find(is_meant))
}

/// What was handed over, byte for byte, once it is known to be that.
fn artifact(context: &Context, board: &Board, id: PhaseId) -> Result<Content, Stop> {
    let phase = board.graph.phase(id).name.clone();
    let State::Done(done) = board.state(id) else {
        return Err(Refusal::NoArtifact { phase }.into());
    };
    let sprint_id = board.sprint.sprint_id.clone();
    match context.store.open_pin(&sprint_id, &phase, done)? {
        Ok((file, size)) => {
            let sha256 = done.artifact_sha256.clone().unwrap_or_default();
            Ok(Content { phase, file, size, sha256 })
        }
        Err(Pin::None | Pin::Same) => Err(Refusal::NoArtifact { phase }.into()),
        Err(pin @ (Pin::Changed | Pin::Gone)) => {
            let agent = done.agent.clone();
            let gone = pin == Pin::Gone;
            Err(Refusal::PinLost { phase, sprint_id, agent, gone, starting: false }.into())
        }
    }
}

/// What has become of the file that was handed over with `done`: it is hashed, if its size is still
/// what it was. A link in its place is not followed, and a FIFO not waited for.
///
/// # Errors
/// It is there, and cannot be read.
pub(super) fn original(done: &Done) -> Result<Original, Failure> {
    let (Some(path), Some(size), Some(hash)) =
        (&done.artifact_path, done.artifact_size, &done.artifact_sha256)
    else {
        return Ok(Original::Unknown);
    };
    let cannot = |error| Failure::io(error, format!("cannot read '{path}'"));
    let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits();
    let opened = OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path);
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(Original::Gone),
        // Something else is in its place: a link, a socket, or a file where a directory was.
        Err(error) if is_other(&error) => return Ok(Original::Changed),
        Err(error) => return Err(cannot(error)),
    };
    let meta = file.metadata().map_err(cannot)?;
    if !meta.is_file() || meta.len() != size {
        return Ok(Original::Changed);
    }
    let now = sha256(&mut file, size).map_err(cannot)?;
    Ok(if now.as_ref() == Some(hash) { Original::Same } else { Original::Changed })
}

/// Whether a file is not there, or not for us to see.
fn is_absent(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotFound, PermissionDenied};
    matches!(error.kind(), NotFound | PermissionDenied)
}

/// Whether a file could not be opened because it is none.
fn is_other(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    let none = [
        Errno::LOOP,
        Errno::MLINK,
        Errno::NOTDIR,
        Errno::NXIO,
        Errno::NODEV,
        Errno::INVAL,
        Errno::NAMETOOLONG,
    ];
    Errno::from_io_error(error).is_none_or(|errno| none.contains(&errno))
}
