//! `status`: the board.

mod screen;
mod watch;

use std::os::unix::fs::MetadataExt as _;

use serde_json::Value;

use super::context::StoreAccess;
use super::output_config::draws_on_stdout;
use super::session::{Answered, Run, Session, setting_warning};
use super::{Context, salvage, worktrees};
use crate::record::Done;
use crate::rules::rows::View;
use crate::rules::{Board, State};
use crate::ui::board::Shown;
use crate::ui::{self, Answer, Format, Messages, table};

/// Show the board
///
/// A phase is pending, ready (it can be claimed), claimed, stale (its owner is
/// gone: it can be claimed), done or failed.
///
/// With --watch it is shown anew whenever it changes, until you end it with ^C: on
/// a terminal in place, elsewhere once more, after an empty line or, with --json,
/// as one more line. Nothing is polled. The end of a sprint does not end it, the
/// next one is shown then.
///
/// With --open it leaves out what is done and has passed, also of JSON. With --short
/// it is one line for a prompt or a status line: how many phases are done, who is at
/// what, what is ready; nothing without a sprint. A name with ! after it is of an
/// owner whose process is gone, one with ? of an owner who may be. It says nothing on
/// standard error: where it fails its exit code tells so, and status alone says why.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  git conductor status --json\n  git conductor status --open\n  git conductor status --watch"
)]
pub(super) struct StatusArgs {
    /// Show it anew whenever it changes
    #[arg(long, conflicts_with_all = ["open", "short"])]
    watch: bool,
    /// Leave out what is done and has passed
    #[arg(long)]
    open: bool,
    /// In one line, for a prompt or a status line
    #[arg(long)]
    short: bool,
}

impl Run for StatusArgs {
    /// Shows the board, once or whenever it changes.
    fn run(self, session: &mut Session) -> Answered {
        if self.short && !session.json() {
            session.be_silent();
        }
        let context = session.store()?;
        let warning = setting_warning(&context);
        if self.watch {
            drop(context);
            let format = session.format();
            let mut screen = screen::screen(format, draws_on_stdout(), warning);
            let open = || Context::open(&session.global, StoreAccess::Store);
            return Ok(Box::new(watch::watch(&open, &mut *screen)?));
        }
        let found = context.store.board()?;
        if self.short && !session.json() {
            return Ok(Box::new(Short(found.map(|found| view(&context, found)))));
        }
        session.warn(warning);
        Ok(match found {
            Some(found) if self.open => Box::new(Open(board(session, &context, found))),
            Some(found) => Box::new(board(session, &context, found)),
            None => Box::new(NoSprint),
        })
    }
}

/// The board of a sprint, as the asker sees it; with `--json` worktrees are named as they are now.
pub(super) fn board(session: &Session, context: &Context, board: Board) -> View {
    let mut view = view(context, board);
    if session.json() {
        worktrees::update(session.worktrees(), view.board.claims_mut());
    }
    view
}

/// There is no sprint. That is an answer, not a refusal.
pub(super) struct NoSprint;

impl Answer for NoSprint {
    fn text(&self, _: Format, messages: &mut Messages) -> String {
        messages.hint("to share work among several agents, begin one with 'git conductor start'");
        "no sprint\n".to_owned()
    }

    fn json(&self, _: Format) -> Value {
        ui::board::no_sprint()
    }
}

impl Answer for View {
    fn text(&self, format: Format, messages: &mut Messages) -> String {
        hints(self, format, messages);
        table::table(self, Shown::All, format)
    }

    fn json(&self, format: Format) -> Value {
        ui::board::json(self, Shown::All, format.now)
    }
}

/// The board without what is done and has passed.
#[derive(Debug)]
pub struct Open(pub View);

impl Answer for Open {
    fn text(&self, format: Format, messages: &mut Messages) -> String {
        hints(&self.0, format, messages);
        table::table(&self.0, Shown::Open, format)
    }

    fn json(&self, format: Format) -> Value {
        ui::board::json(&self.0, Shown::Open, format.now)
    }
}

/// The board in one line; nothing without a sprint.
#[derive(Debug)]
pub struct Short(pub Option<View>);

impl Answer for Short {
    fn text(&self, format: Format, _: &mut Messages) -> String {
        self.0.as_ref().map(|view| ui::short::line(view, format)).unwrap_or_default()
    }

    fn json(&self, format: Format) -> Value {
        self.0.as_ref().map_or_else(|| NoSprint.json(format), |view| view.json(format))
    }
}

/// What the asker has lost, and what it could do now.
fn hints(view: &View, format: Format, messages: &mut Messages) {
    if let Some(loss) = view.lost.first() {
        messages.hint(&ui::board::lost_advice(loss));
    }
    if let Some(hint) = ui::board::hint(view, format.now) {
        messages.hint(&hint);
    }
}

/// The board, as the asker sees it.
pub(super) fn view(context: &Context, board: Board) -> View {
    let is_changed = |id: &crate::rules::PhaseId| match board.state(*id) {
        State::Done(done) => changed(done),
        State::Pending | State::Claimed(_) => false,
    };
    let changed = board.graph.ids().filter(is_changed).collect();
    let lost = salvage::lost(context, &board);
    View { changed, lost, ..View::of(board, context.asker.facts(context.now())) }
}

/// Whether the original is not what was handed over, by size and time; nothing is hashed, and a
/// link is not followed.
pub(super) fn changed(done: &Done) -> bool {
    let (Some(path), Some(size), Some(mtime)) =
        (&done.artifact_path, done.artifact_size, done.artifact_mtime)
    else {
        return false;
    };
    match std::fs::symlink_metadata(path) {
        Ok(meta) => meta.size() != size || modified(&meta) != mtime,
        // Gone or out of sight: the pin is what counts.
        Err(_) => false,
    }
}

/// Modification time in nanoseconds since 1970.
pub(super) fn modified(meta: &std::fs::Metadata) -> i64 {
    meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec())
}
