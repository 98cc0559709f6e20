//! Waiting, for `claim --wait`, `next --claim --wait`, `run --wait` and `wait`.
//!
//! Each round sets the watches, looks at the board, asks the rules whether waiting is of use, and
//! only then sleeps: what changes after the watches were set wakes it, so nothing is missed in
//! between. A waiter changes nothing until its turn comes, and has nothing to tidy up when it is
//! killed.

use std::rc::Rc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Context;
use super::patience::Patience;
use crate::error::{Failure, FailureKind, Stop};
use crate::host::signals::Signals;
use crate::host::watcher::Watcher;
use crate::rules::prospect::last_change;
use crate::rules::waiting::{Goal, Outlook, outlook};
use crate::rules::{Board, Life, Refusal, State};
use crate::store::Host as _;
use crate::ui::waiting::Progress;

/// Where one is told how long it lasts, the time is drawn anew so often.
pub(super) const REDRAW_INTERVAL: Duration = Duration::from_secs(1);
/// How often a waiter that nobody sees on a terminal says what it waits for.
const REPEAT: Duration = Duration::from_secs(5 * 60);
/// How long an agent's shell lets a command run at least; what is hinted at.
pub(super) const SHELL_TIMEOUT_HINT: &str = "90s";
/// The first wait that is hinted at, and the longest, in seconds: few shells of agents allow more.
const WAITS: (u64, u64) = (90, 10 * 60);

/// How one look ends.
enum Look<T> {
    /// It has come true, and was acted on.
    Now(T),
    /// It has not, for this reason; at that time it may, although nothing happens.
    Later(Box<Waiting>),
}

/// Why it has not come true yet.
struct Waiting {
    why: Refusal,
    /// When it may come true although nothing happens.
    until: Option<Timestamp>,
    /// When anything last happened on the board.
    last_change: Option<Timestamp>,
}

/// Waits for `goal`, and then does `act`; how long that took. Where another was faster, or is in
/// the way, it waits again.
pub(super) fn until<T>(
    context: &Context,
    goal: &dyn Fn(&Board) -> Result<Goal, Stop>,
    act: impl Fn(&Board) -> Result<T, Stop>,
    patience: Patience<'_>,
    again: &[&str],
) -> Result<(T, Duration), Stop> {
    let begun = Instant::now();
    let deadline = patience.timeout.and_then(|timeout| begun.checked_add(timeout));
    let in_place = patience.live.as_ref().is_some_and(|live| live.is_in_place());
    let shown = || if in_place { Signals::catch().map(Rc::new) } else { None };
    let signals = patience.signals.or_else(shown);
    let tick = if in_place { REDRAW_INTERVAL } else { REPEAT };
    let mut said: Option<Duration> = None;
    let mut watcher = Watcher::new(signals);
    let mut live = patience.live;
    loop {
        watcher.obey(&mut |_| live.iter_mut().for_each(|live| live.erase()))?;
        watcher.clear();
        let seen = look(context, &mut watcher, goal, &act);
        let now = context.now();
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let is_over = left.is_some_and(|left| left.is_zero());
        let Waiting { why, until, last_change } = match seen {
            Ok(Look::Now(value)) => return Ok((value, begun.elapsed())),
            Ok(Look::Later(waiting)) => *waiting,
            // Another command is in the middle of a change, or was killed there.
            Err(Stop::Failed(failure)) if failure.kind == FailureKind::Busy && !is_over => {
                watcher.sleep(Some(left.map_or(REDRAW_INTERVAL, |left| left.min(REDRAW_INTERVAL))));
                continue;
            }
            Err(stop) => return Err(stop),
        };
        if is_over {
            let mut again: Vec<String> = again.iter().map(|word| (*word).to_owned()).collect();
            again.extend(["--timeout".to_owned(), longer(patience.timeout)]);
            let waited_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            let why = Box::new(why);
            return Err(Refusal::TimedOut { waited_ms, last_change, again, why }.into());
        }
        let mut longest = [left, until.map(|until| ahead(now, until))].into_iter().flatten().min();
        if let Some(live) = live.as_mut() {
            let waited = begun.elapsed();
            if in_place || said.is_none_or(|said| waited >= said + tick) {
                live.draw(&Progress { why: &why, waited, now });
                said = Some(waited);
            }
            let next = (said.unwrap_or_default() + tick).saturating_sub(waited);
            let next = if in_place { tick } else { next };
            longest = Some(longest.map_or(next, |longest| longest.min(next)));
        }
        watcher.sleep(longest);
    }
}

/// Sets the watches, looks at the board, and acts if the time has come.
fn look<T>(
    context: &Context,
    watcher: &mut Watcher,
    goal: &dyn Fn(&Board) -> Result<Goal, Stop>,
    act: &impl Fn(&Board) -> Result<T, Stop>,
) -> Result<Look<T>, Stop> {
    context.store.each_directory(&mut |dir| watcher.watch(dir))?;
    context.store.host().forget_verdicts();
    let mut board = context.store.board()?.ok_or(Refusal::NoSprint {})?;
    let goal = goal(&board)?;
    if goal == Goal::Anything {
        context.store.see_completers(&mut board);
    }
    let now = context.now();
    let last_change = last_change(&board);
    let later = match outlook(&board, goal, context.asker.facts(now)) {
        Outlook::Never(refusal) => return Err(refusal.into()),
        Outlook::Later { why, until } => Waiting { why, until, last_change },
        Outlook::Now => match act(&board) {
            Ok(value) => return Ok(Look::Now(value)),
            // Another was faster; the next look sees that, and asks the rules of it.
            Err(Stop::Refused(refusal)) if is_of_the_moment(&refusal) => {
                Waiting { why: *refusal, until: Some(now), last_change }
            }
            Err(stop) => return Err(stop),
        },
    };
    watch_owners(context, watcher, &board);
    watch_oneself(context, watcher)?;
    Ok(Look::Later(Box::new(later)))
}

/// A wait that is twice as long as the one that was for nothing, as the command line takes it.
fn longer(timeout: Option<Duration>) -> String {
    let (first, most) = WAITS;
    let seconds = timeout.map_or(0, |timeout| timeout.as_secs().saturating_mul(2));
    let seconds = seconds.clamp(first, most);
    if seconds % 60 == 0 { format!("{}m", seconds / 60) } else { format!("{seconds}s") }
}

/// What another agent's faster command makes of a claim that the rules had let through.
const fn is_of_the_moment(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::Claimed { same_agent: false, .. }
            | Refusal::Blocked { .. }
            | Refusal::NothingReady { .. }
            | Refusal::NotForYou { .. }
    )
}

/// How long it is until `then`, and a little more: not to be a moment too early.
pub(super) fn ahead(now: Timestamp, then: Timestamp) -> Duration {
    let ahead = Duration::try_from(then.duration_since(now)).unwrap_or_default();
    ahead + Duration::from_millis(10)
}

/// Wakes when an agent that is seen alive dies.
pub(super) fn watch_owners(context: &Context, watcher: &mut Watcher, board: &Board) {
    let host = context.store.host();
    for id in board.graph.ids() {
        let process = match board.state(id) {
            State::Claimed(hold) if hold.life == Life::Alive => hold.claim.any_process(),
            // Somebody whose turn is expected while nobody is at work.
            State::Done(done) if board.seen_completer(id) == Some(Life::Alive) => {
                done.process.as_ref()
            }
            State::Claimed(_) | State::Done(_) | State::Pending => None,
        };
        let Some(process) = process else { continue };
        watcher.watch_process(process.pid, || host.life_of(process) == Life::Alive);
    }
}

/// Wakes when the agent that waits dies, and ends where it has: nobody would do the work then.
fn watch_oneself(context: &Context, watcher: &mut Watcher) -> Result<(), Failure> {
    let host = context.store.host();
    let Some(me) = context.asker.me.any_process() else { return Ok(()) };
    match host.life_of(me) {
        Life::Dead => {
            let gone = "the agent that was to get the answer is gone";
            return Err(Failure::new(FailureKind::Io, gone));
        }
        Life::Alive => watcher.watch_process(me.pid, || host.life_of(me) == Life::Alive),
        Life::Unknown => {}
    }
    Ok(())
}
