//! `status --watch`: the board, again whenever it changes.
//!
//! As a waiter it sets the watches first and looks then, so nothing is missed in between. It opens
//! everything anew for each look: it may be left open for days, in which sprints end and begin, and
//! a store may be removed and made again. It is no command of an owner, whose claim it would keep
//! fresh.

use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::{NoSprint, view};
use crate::commands::Context;
use crate::commands::waiting::{REDRAW_INTERVAL, ahead, watch_owners};
use crate::error::{self, Failure, FailureKind, Stop};
use crate::host::signals::{Leave, Signals};
use crate::host::watcher::{Watcher, Woken};
use crate::rules::waiting::turns_stale;
use crate::store::disk::DiskDir;
use crate::store::layout::CONDUCTOR;
use crate::ui::output::unwritten;
use crate::ui::{Answer, Format, Messages, Printed};

/// One change is some steps on disk: after the first, the others are let happen.
const SETTLED: Duration = Duration::from_millis(20);

/// Where the board is shown.
pub(super) trait Screen {
    /// Shows what was seen, if it looks different at that time; `false` once nobody looks any more.
    ///
    /// # Errors
    /// It cannot be written, although somebody is there to read it.
    fn show(&mut self, seen: &dyn Answer, now: Timestamp) -> std::io::Result<bool>;
    /// Whether it is a terminal: what is shown there goes with the time, and it is left tidy.
    fn is_live(&self) -> bool;
    /// What it is written to.
    fn reader(&self) -> BorrowedFd<'_>;
    /// Leaves the terminal to others, tidy.
    fn leave(&mut self, leave: Leave);
}

/// The board was shown until nobody looked any more, or until it could not be written.
pub(super) struct Watched(Option<std::io::Error>);

impl Answer for Watched {
    fn text(&self, _: Format, _: &mut Messages) -> String {
        String::new()
    }

    fn json(&self, _: Format) -> Value {
        Value::Null
    }

    fn stream(&self, format: Format) -> Option<u8> {
        let Some(error) = &self.0 else { return Some(error::OK) };
        let mut messages = Messages::new(format);
        messages.error(&unwritten(error));
        let printed =
            Printed { err: messages.into_text(), exit: error::BUSY, ..Printed::default() };
        Some(printed.write())
    }
}

/// Shows the board on `screen` until nobody looks any more. Each look begins with `open`.
///
/// # Errors
/// That there is no board to be seen, or what the system says; but not that another command is in
/// the way.
pub(super) fn watch(
    open: &dyn Fn() -> Result<Context, Failure>,
    screen: &mut dyn Screen,
) -> Result<Watched, Stop> {
    let signals = if screen.is_live() { Signals::catch().map(Rc::new) } else { None };
    let mut watcher = Watcher::of_owners_too(signals);
    loop {
        watcher.clear();
        match look(open, &mut watcher) {
            Ok(look) => {
                match show_until_woken(&look, &watcher, screen)? {
                    Shown::Changed => {}
                    Shown::Unread(error) => return Ok(Watched(error)),
                }
                // Else all that happens beside the store, once there is one, would wake it.
                if !look.is_there {
                    watcher.forget_directories();
                }
            }
            // Another command is in the middle of a change, or was killed there.
            Err(Stop::Failed(failure)) if failure.kind == FailureKind::Busy => {
                if watcher.sleep_while_read(Some(REDRAW_INTERVAL), Some(screen.reader()))
                    == Woken::Unread
                {
                    return Ok(Watched(None));
                }
                watcher.obey(&mut |leave| screen.leave(leave))?;
            }
            Err(stop) => return Err(stop),
        }
    }
}

/// What was seen.
struct Look {
    seen: Box<dyn Answer>,
    /// Whether there was a store, as far as the watches were set for one.
    is_there: bool,
    /// When it will be something else although nothing happens.
    until: Option<Timestamp>,
    /// What time it is is asked there.
    context: Context,
}

/// Sets the watches, and looks at the board.
fn look(open: &dyn Fn() -> Result<Context, Failure>, watcher: &mut Watcher) -> Result<Look, Stop> {
    let context = open()?;
    context.store.host().only_look();
    let mut is_there = false;
    context.store.each_directory(&mut |dir| {
        is_there = true;
        watcher.watch(dir);
    })?;
    watch_for_store(&context, watcher);
    let mut until = None;
    let seen: Box<dyn Answer> = if let Some(board) = context.store.board()? {
        let view = view(&context, board);
        watch_owners(&context, watcher, &view.board);
        until = turns_stale(&view.board, context.now(), view.stale_after);
        if !is_there {
            // It has just begun, and none of its directories is watched.
            watcher.wake();
        }
        Box::new(view)
    } else {
        Box::new(NoSprint)
    };
    Ok(Look { seen, is_there, until, context })
}

/// Wakes when the directory of boards, or what is missing above it, is made; and when it is
/// removed, which only the directory above tells of, as long as it is open here.
fn watch_for_store(context: &Context, watcher: &mut Watcher) {
    let boards = context.store_path().join(CONDUCTOR);
    let mut nearest = None;
    // Once more after each, for what was made before it was nearest.
    loop {
        let opened = |path: &std::path::Path| Some((path.to_owned(), DiskDir::open(path).ok()?));
        let Some((path, dir)) = boards.ancestors().find_map(opened) else { return };
        if nearest.as_ref() == Some(&path) {
            return;
        }
        watcher.watch(&dir);
        if let Some(above) = path.parent().and_then(|above| DiskDir::open(above).ok()) {
            watcher.watch(&above);
        }
        nearest = Some(path);
    }
}

/// Why it is not shown any more.
enum Shown {
    /// There is something else to see.
    Changed,
    /// Nobody looks any more, or it cannot be written.
    Unread(Option<std::io::Error>),
}

/// Shows it until there is something else to see.
fn show_until_woken(
    look: &Look,
    watcher: &Watcher,
    screen: &mut dyn Screen,
) -> Result<Shown, Stop> {
    loop {
        let now = look.context.now();
        match screen.show(&*look.seen, now) {
            Ok(true) => {}
            Ok(false) => return Ok(Shown::Unread(None)),
            Err(error) => return Ok(Shown::Unread(Some(error))),
        }
        let tick = (screen.is_live() && !watcher.is_blind()).then_some(REDRAW_INTERVAL);
        let left = look.until.map(|until| ahead(now, until));
        let longest = [tick, left].into_iter().flatten().min();
        let woken = watcher.sleep_while_read(longest, Some(screen.reader()));
        watcher.obey(&mut |leave| screen.leave(leave))?;
        let is_over = look.until.is_some_and(|until| look.context.now() >= until);
        match woken {
            Woken::Unread => return Ok(Shown::Unread(None)),
            Woken::Time if !is_over => {}
            Woken::Look | Woken::Time => {
                std::thread::sleep(SETTLED);
                return Ok(Shown::Changed);
            }
        }
    }
}
