//! Whether a history of overlapping operations on one phase can be put in an order that the rules
//! allow: a search after Wing and Gong, with a memory of where it has been.

use std::collections::HashSet;

/// A phase, as the rules have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    Free,
    /// By this agent's this process.
    Held(usize, usize),
    Done(usize),
}

/// A phase and which process each agent is at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) phase: Phase,
    pub(crate) processes: Vec<usize>,
}

impl State {
    pub(crate) fn new(agents: usize) -> Self {
        Self { phase: Phase::Free, processes: vec![0; agents] }
    }

    /// The holder, and whether its process lives.
    fn holder(&self) -> Option<(usize, bool)> {
        match self.phase {
            Phase::Held(agent, process) => Some((agent, self.processes[agent] == process)),
            Phase::Free | Phase::Done(_) => None,
        }
    }
}

/// What was asked for, or was seen, and what was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Claim(usize, Said),
    Complete(usize, Said),
    Abort(usize, Said),
    Unstuck(Said),
    /// The agent's process was killed, and another one goes on under its name.
    Die(usize),
    /// It was seen so: free, held by, done by.
    SeenFree,
    SeenHeld(usize),
    SeenDone(usize),
    SeenDoneBySomebody,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Ok,
    /// The command was killed, or said that it is busy: it may have done it, or not.
    Unknown,
    /// Another has it.
    Other,
    /// Nobody has it.
    Nobody,
    /// It is done.
    Done,
    /// Its dependencies are not.
    Blocked,
    /// Its owner lives.
    Alive,
    /// What no rule says.
    Impossible,
}

/// An operation and when it was asked for and answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    pub(crate) op: Op,
    pub(crate) from: u128,
    pub(crate) to: u128,
}

/// The states that the rules allow after `op`; none if it cannot have been answered so.
fn after(state: &State, op: Op) -> Vec<State> {
    let to = |phase: Phase| vec![State { phase, ..state.clone() }];
    let if_so = |so: bool| if so { vec![state.clone()] } else { Vec::new() };
    let is_done = matches!(state.phase, Phase::Done(_));
    let mine = |me: usize| state.holder().is_some_and(|(agent, _)| agent == me);
    match op {
        Op::Die(agent) => {
            let mut next = state.clone();
            next.processes[agent] += 1;
            vec![next]
        }
        Op::SeenHeld(agent) => if_so(mine(agent)),
        Op::SeenDone(agent) => if_so(state.phase == Phase::Done(agent)),
        Op::SeenDoneBySomebody => if_so(is_done),
        // Whatever it asked for, it did or it did not.
        Op::Claim(me, Said::Unknown) => either(state, Op::Claim(me, Said::Ok)),
        Op::Complete(me, Said::Unknown) => either(state, Op::Complete(me, Said::Ok)),
        Op::Abort(me, Said::Unknown) => either(state, Op::Abort(me, Said::Ok)),
        Op::Unstuck(Said::Unknown) => either(state, Op::Unstuck(Said::Ok)),
        Op::Claim(.., Said::Done)
        | Op::Complete(.., Said::Done)
        | Op::Abort(.., Said::Done)
        | Op::Unstuck(Said::Done) => match (op, state.phase) {
            // Whoever completed it would have been told that it did.
            (Op::Complete(me, _), Phase::Done(agent)) => if_so(me != agent),
            _ => if_so(is_done),
        },
        Op::Claim(me, Said::Ok) => match state.holder() {
            // A dead owner's, at once: these agents are configured so.
            Some((agent, alive)) if agent != me && alive => Vec::new(),
            _ if is_done => Vec::new(),
            _ => to(Phase::Held(me, state.processes[me])),
        },
        Op::Claim(me, Said::Other) => {
            if_so(state.holder().is_some_and(|(agent, alive)| agent != me && alive))
        }
        Op::Complete(me, Said::Ok) if mine(me) => to(Phase::Done(me)),
        Op::Complete(me, Said::Ok) => if_so(state.phase == Phase::Done(me)),
        Op::Abort(me, Said::Ok) if mine(me) => to(Phase::Free),
        Op::Abort(_, Said::Ok) => if_so(state.phase == Phase::Free),
        Op::Complete(me, Said::Other) => if_so(state.holder().is_some() && !mine(me)),
        // Somebody has it, or has freed it.
        Op::Abort(me, Said::Other) => if_so(!is_done && !mine(me)),
        Op::SeenFree | Op::Claim(_, Said::Blocked) | Op::Complete(_, Said::Nobody) => {
            if_so(state.phase == Phase::Free)
        }
        Op::Unstuck(Said::Ok) => match state.holder() {
            Some((_, true)) => Vec::new(),
            _ if is_done => Vec::new(),
            _ => to(Phase::Free),
        },
        Op::Unstuck(Said::Alive) => if_so(state.holder().is_some_and(|(_, alive)| alive)),
        Op::Claim(..) | Op::Complete(..) | Op::Abort(..) | Op::Unstuck(_) => Vec::new(),
    }
}

fn either(state: &State, op: Op) -> Vec<State> {
    let mut states = after(state, op);
    states.push(state.clone());
    states
}

/// The possible ends of `events`; none if they are not linearizable.
pub(crate) fn linearize(events: &[Event], start: State) -> HashSet<State> {
    let mut order: Vec<usize> = (0..events.len()).collect();
    order.sort_by_key(|&n| events[n].from);
    let events: Vec<Event> = order.into_iter().map(|n| events[n]).collect();
    let mut seen: HashSet<(Vec<bool>, State)> = HashSet::new();
    let mut ends = HashSet::new();
    let mut open = vec![(vec![false; events.len()], start)];
    while let Some((taken, state)) = open.pop() {
        let left = || (0..events.len()).filter(|&n| !taken[n]);
        // Nothing may be put before what was answered before it was asked for.
        let Some(first_answer) = left().map(|n| events[n].to).min() else {
            ends.insert(state);
            continue;
        };
        for n in left().take_while(|&n| events[n].from <= first_answer) {
            for next in after(&state, events[n].op) {
                let mut taken = taken.clone();
                taken[n] = true;
                if seen.insert((taken.clone(), next.clone())) {
                    open.push((taken, next));
                }
            }
        }
    }
    ends
}

#[test]
fn what_the_rules_allow_and_what_they_do_not() {
    let event = |op, from, to| Event { op, from, to };
    let claim = |agent, from, to| event(Op::Claim(agent, Said::Ok), from, to);
    let possible = |events: &[Event]| !linearize(events, State::new(3)).is_empty();
    assert!(possible(&[]));
    // Two owners, one after the other or at once.
    assert!(!possible(&[claim(0, 0, 1), claim(1, 2, 3)]));
    assert!(!possible(&[claim(0, 0, 9), claim(1, 0, 9)]));
    assert!(possible(&[claim(0, 0, 1), claim(0, 2, 3)]));
    assert!(possible(&[claim(0, 0, 1), event(Op::Claim(1, Said::Other), 0, 9)]));
    assert!(possible(&[claim(0, 0, 1), event(Op::Die(0), 2, 3), claim(1, 4, 5)]));
    // A claim can only follow the death that it overlaps.
    assert!(possible(&[claim(0, 0, 1), event(Op::Die(0), 2, 9), claim(1, 4, 5)]));
    assert!(!possible(&[claim(0, 0, 1), claim(1, 2, 3), event(Op::Die(0), 4, 5)]));
    // A killed command did it or did not, but did not do it later.
    let killed = event(Op::Abort(0, Said::Unknown), 2, 3);
    assert!(possible(&[claim(0, 0, 1), killed, claim(1, 4, 5)]));
    assert!(possible(&[claim(0, 0, 1), killed, event(Op::SeenHeld(0), 4, 5)]));
    let seen = event(Op::SeenHeld(0), 4, 5);
    assert!(!possible(&[claim(0, 0, 1), killed, seen, claim(1, 6, 7)]));
    // Done is for ever.
    let done = event(Op::Complete(0, Said::Ok), 2, 3);
    assert!(possible(&[claim(0, 0, 1), done, event(Op::SeenDone(0), 4, 5)]));
    assert!(!possible(&[claim(0, 0, 1), done, event(Op::SeenFree, 4, 5)]));
    assert!(!possible(&[claim(0, 0, 1), done, event(Op::SeenDone(1), 4, 5)]));
    assert!(!possible(&[event(Op::Complete(0, Said::Ok), 0, 1)]));
}
