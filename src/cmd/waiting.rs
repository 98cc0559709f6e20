//! Waiting: `claim --wait`, `next --claim --wait` and `wait`.
//!
//! Each round sets the watches, looks at the board, asks the rules whether waiting is of use, and only
//! then sleeps: what changes after the watches were set wakes it, so nothing is missed in between. A
//! waiter changes nothing until its turn comes, and has nothing to tidy up when it is killed.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::events::Events;
use super::signals::Signals;
use super::{Context, Outcome, claim};
use crate::error::{Failure, FailureKind, Stop};
use crate::rules::waiting::{Goal, Outlook, outlook};
use crate::rules::{Board, Life, PhaseId, Refusal, State};
use crate::store::World as _;
use crate::store::change::Granted;
use crate::store::read::find_phase;

/// Where one is told how long it lasts, the time is drawn anew so often.
pub(super) const TICK: Duration = Duration::from_secs(1);
/// How long an agent's shell lets a command run at least; what is hinted at.
pub(super) const BEARABLE: &str = "90s";

/// What a waiter waits for now.
#[derive(Debug)]
pub struct Progress<'a> {
    /// Why it has not come true.
    pub why: &'a Refusal,
    /// How long it has been waited for.
    pub waited: Duration,
    /// What time it is.
    pub now: Timestamp,
}

/// Where it is shown while it lasts: on a terminal.
pub trait Live {
    /// Draws it anew.
    fn draw(&mut self, progress: &Progress<'_>);
    /// Takes it away.
    fn erase(&mut self);
}

/// How long to wait, and who watches.
pub struct Patience<'a> {
    /// `--timeout`; for ever if `None`.
    pub timeout: Option<Duration>,
    /// Where it is shown while it lasts, if anywhere.
    pub live: Option<&'a mut dyn Live>,
}

/// What `wait --for` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// That the asker can claim it.
    Claimable,
    /// That it is done.
    Done,
}

/// Claims `phase`, or the first that can be, as soon as that is possible.
///
/// # Errors
/// Why it never will be; that the time is over; or what the system says.
pub fn claim(
    context: &Context,
    phase: Option<&str>,
    takeover: bool,
    patience: Patience<'_>,
) -> Result<Outcome, Stop> {
    if let Some(failure) = context.bad_setting_of_claims() {
        return Err(failure.into());
    }
    let mut again: Vec<&str> = phase.map_or(vec!["next", "--claim"], |phase| vec!["claim", phase]);
    if takeover {
        again.push("--takeover");
    }
    let goal = |board: &Board| match phase {
        Some(phase) => Ok(Goal::Claimable { id: find_phase(&board.graph, phase)?, takeover }),
        None => Ok(Goal::Anything),
    };
    let take = |_: &Board| -> Result<Granted, Stop> {
        match phase {
            Some(phase) => context.store.claim(&context.claimer(), phase, takeover),
            None => context.store.claim_next(&context.claimer()),
        }
    };
    again.push("--wait");
    let (granted, taken) = until(context, &goal, take, patience, &again)?;
    Ok(claim::outcome(context, granted, phase.is_none(), Some(taken)))
}

/// Waits until `phase` can be claimed, or is done.
///
/// # Errors
/// As [`claim()`].
pub fn wait(
    context: &Context,
    phase: &str,
    what: For,
    patience: Patience<'_>,
) -> Result<Outcome, Stop> {
    let find = |board: &Board| find_phase(&board.graph, phase);
    let goal = |board: &Board| {
        let id: PhaseId = find(board)?;
        Ok(match what {
            For::Claimable => Goal::Claimable { id, takeover: false },
            For::Done => Goal::Done(id),
        })
    };
    let verdict = |board: &Board| {
        Ok(match board.state(find(board)?) {
            State::Done(done) => Some(done.verdict),
            State::Pending | State::Claimed(_) => None,
        })
    };
    let mut again = vec!["wait", phase];
    if what == For::Claimable {
        again.extend(["--for", "claimable"]);
    }
    let (verdict, waited) = until(context, &goal, verdict, patience, &again)?;
    Ok(Outcome::Waited { phase: phase.to_owned(), verdict, waited })
}

/// How one look ends.
enum Look<T> {
    /// It has come true, and was acted on.
    Now(T),
    /// It has not, for this reason; at that time it may, although nothing happens.
    Later(Refusal, Option<Timestamp>),
}

/// Waits for `goal`, and then does `act`; how long that took. Where another was faster, or is in the
/// way, it waits again.
fn until<T>(
    context: &Context,
    goal: &dyn Fn(&Board) -> Result<Goal, Stop>,
    act: impl Fn(&Board) -> Result<T, Stop>,
    patience: Patience<'_>,
    again: &[&str],
) -> Result<(T, Duration), Stop> {
    let begun = Instant::now();
    let deadline = patience.timeout.and_then(|timeout| begun.checked_add(timeout));
    let signals = patience.live.as_ref().and_then(|_| Signals::catch());
    let mut events = Events::new(signals);
    let mut live = patience.live;
    loop {
        events.obey(&mut |_| live.iter_mut().for_each(|live| live.erase()))?;
        events.clear();
        let seen = look(context, &mut events, goal, &act);
        let now = context.now();
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let is_over = left.is_some_and(|left| left.is_zero());
        let (why, stale) = match seen {
            Ok(Look::Now(value)) => return Ok((value, begun.elapsed())),
            Ok(Look::Later(why, stale)) => (why, stale),
            // Another command is in the middle of a change, or was killed there.
            Err(Stop::Failed(failure)) if failure.kind == FailureKind::Busy && !is_over => {
                events.sleep(Some(left.map_or(TICK, |left| left.min(TICK))));
                continue;
            }
            Err(stop) => return Err(stop),
        };
        if is_over {
            let mut again: Vec<String> = again.iter().map(|word| (*word).to_owned()).collect();
            again.extend(["--timeout".to_owned(), BEARABLE.to_owned()]);
            let waited_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            return Err(Refusal::TimedOut { waited_ms, again, why: Box::new(why) }.into());
        }
        let mut longest = [left, stale.map(|stale| ahead(now, stale))].into_iter().flatten().min();
        if let Some(live) = live.as_mut() {
            live.draw(&Progress { why: &why, waited: begun.elapsed(), now });
            longest = Some(longest.map_or(TICK, |longest| longest.min(TICK)));
        }
        events.sleep(longest);
    }
}

/// Sets the watches, looks at the board, and acts if the time has come.
fn look<T>(
    context: &Context,
    events: &mut Events,
    goal: &dyn Fn(&Board) -> Result<Goal, Stop>,
    act: &impl Fn(&Board) -> Result<T, Stop>,
) -> Result<Look<T>, Stop> {
    context.store.each_directory(&mut |dir| events.watch(dir))?;
    context.store.world().forget_verdicts();
    let board = context.store.board()?.ok_or(Refusal::NoSprint {})?;
    let now = context.now();
    let later = match outlook(&board, goal(&board)?, context.asker.facts(now)) {
        Outlook::Never(refusal) => return Err(refusal.into()),
        Outlook::Later { why, until } => Look::Later(why, until),
        Outlook::Now => match act(&board) {
            Ok(value) => return Ok(Look::Now(value)),
            // Another was faster; the next look sees that, and asks the rules of it.
            Err(Stop::Refused(refusal)) if is_of_the_moment(&refusal) => {
                Look::Later(*refusal, Some(now))
            }
            Err(stop) => return Err(stop),
        },
    };
    watch_owners(context, events, &board);
    watch_oneself(context, events)?;
    Ok(later)
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

/// Wakes when an owner that is seen alive dies.
pub(super) fn watch_owners(context: &Context, events: &mut Events, board: &Board) {
    let world = context.store.world();
    for id in board.graph.ids() {
        let State::Claimed(hold) = board.state(id) else { continue };
        let Some(process) = hold.claim.process.as_ref().filter(|_| hold.life == Life::Alive) else {
            continue;
        };
        events.watch_process(process.pid, || world.life_of(process) == Life::Alive);
    }
}

/// Wakes when the agent that waits dies, and ends where it has: nobody would do the work then.
fn watch_oneself(context: &Context, events: &mut Events) -> Result<(), Failure> {
    let world = context.store.world();
    let Some(me) = &context.asker.me.process else { return Ok(()) };
    match world.life_of(me) {
        Life::Dead => {
            let gone = "the agent that was to get the answer is gone";
            return Err(Failure::new(FailureKind::Io, gone));
        }
        Life::Alive => events.watch_process(me.pid, || world.life_of(me) == Life::Alive),
        Life::Unknown => {}
    }
    Ok(())
}
