//! Spans, waiting and the critical path, with clocks that are wrong.

use super::*;
use crate::record::{Attempt, Claim, PhaseEntry, Rest, Sprint};
use crate::rules::graph::Names;
use crate::rules::{Graph, Life, LiveClaim};

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + 60 * minute).unwrap()
}

const fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

/// A sprint that began at minute 0: each phase with what it depends on.
fn board(phases: &[(&str, &[&str])]) -> Board {
    let entry = |(name, deps): &(&str, &[&str])| PhaseEntry {
        name: (*name).to_owned(),
        depends_on: deps.iter().map(|dep| (*dep).to_owned()).collect(),
        ..PhaseEntry::default()
    };
    let sprint = Sprint {
        sprint_id: "0123456789ab-20260101-000000".to_owned(),
        project: String::new(),
        started_by: String::new(),
        started_at: Some(at(0)),
        status: Sprint::ACTIVE.to_owned(),
        goal: None,
        archived_at: None,
        from: None,
        phases: phases.iter().map(entry).collect(),
        rest: Rest::new(),
    };
    let graph = Graph::new(&sprint.phases, Names::New).unwrap();
    Board::new(sprint, graph)
}

fn id(board: &Board, name: &str) -> PhaseId {
    board.graph.find(name).unwrap()
}

fn does(board: &mut Board, name: &str, agent: &str, from: Option<i64>, to: Option<i64>) {
    let done = Done {
        agent: agent.to_owned(),
        claimed_at: from.map(at),
        completed_at: to.map(at),
        ..Done::default()
    };
    board.set(id(board, name), State::Done(done));
}

fn holds(board: &mut Board, name: &str, agent: &str, from: Option<i64>) {
    let claim = Claim { agent: agent.to_owned(), claimed_at: from.map(at), ..Claim::default() };
    let hold = LiveClaim {
        claim,
        life: Life::Alive,
        former: Vec::new(),
        heard: None,
        quiet_since: None,
        legacy_lock: false,
    };
    board.set(id(board, name), State::Claimed(hold));
}

fn tried(agent: &str, from: i64, to: i64) -> Attempt {
    Attempt {
        agent: agent.to_owned(),
        claimed_at: Some(at(from)),
        ended_at: Some(at(to)),
        how: "abort".to_owned(),
        ..Attempt::default()
    }
}

fn path(board: &Board, line: &Timeline) -> Vec<String> {
    line.critical.iter().map(|id| board.graph.phase(*id).name.clone()).collect()
}

fn span(from: i64, to: i64) -> Span {
    Span::new(at(from), at(to))
}

fn diamond() -> Board {
    let mut board = board(&[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])]);
    does(&mut board, "a", "ann", Some(2), Some(10));
    does(&mut board, "b", "ann", Some(11), Some(20));
    does(&mut board, "c", "bob", Some(15), Some(40));
    does(&mut board, "d", "ann", Some(45), Some(50));
    board
}

#[test]
fn waiting_is_from_claimable_to_claimed() {
    let board = diamond();
    let line = timeline(&board, at(1000));
    assert_eq!(line.whole, span(0, 50), "a finished sprint does not go on");
    let waits: Vec<_> = line.tracks.iter().map(|track| track.waits.clone()).collect();
    assert_eq!(waits, [[span(0, 2)], [span(10, 11)], [span(10, 15)], [span(40, 45)]]);
    let worked: Vec<_> = line.tracks.iter().map(Track::worked).collect();
    assert_eq!(worked, [minutes(8), minutes(9), minutes(25), minutes(5)]);
    assert_eq!(path(&board, &line), ["a", "c", "d"]);
    // The path is what the time went to.
    let on = line.critical.iter().map(|id| &line.tracks[id.index()]);
    let all = on.fold(SignedDuration::ZERO, |sum, it| sum + it.waited() + it.worked());
    assert_eq!(all, line.whole.length());
    let shares: Vec<_> =
        line.agents.iter().map(|it| (it.agent.as_str(), it.worked, it.completed)).collect();
    assert_eq!(shares, [("bob", minutes(25), 1), ("ann", minutes(22), 3)]);
}

#[test]
fn attempts_are_work_with_waiting_between() {
    let mut board = board(&[("a", &[])]);
    let a = id(&board, "a");
    board.set_past(a, vec![tried("ann", 1, 4), tried("bob", 6, 7)]);
    holds(&mut board, "a", "ann", Some(10));
    let line = timeline(&board, at(12));
    let track = &line.tracks[0];
    assert_eq!(track.waits, [span(0, 1), span(4, 6), span(7, 10)]);
    assert_eq!(track.worked(), minutes(6));
    assert_eq!(track.work[2].end, End::Running);
    assert_eq!(line.whole, span(0, 12), "it goes on until now");
    assert_eq!((line.agents[0].agent.as_str(), line.agents[0].ended), ("ann", 1));
    board.set(a, State::Pending);
    assert_eq!(timeline(&board, at(12)).tracks[0].waits.last(), Some(&span(7, 12)));
}

#[test]
fn what_has_not_ended_has_taken_until_now() {
    let mut board = board(&[("a", &[]), ("b", &[]), ("c", &["a"]), ("d", &["c"])]);
    does(&mut board, "a", "ann", Some(0), Some(5));
    // Nobody has claimed b all the time; c is being worked on.
    holds(&mut board, "c", "ann", Some(6));
    assert_eq!(path(&board, &timeline(&board, at(20))), ["b"]);
    does(&mut board, "b", "bob", Some(1), Some(2));
    let line = timeline(&board, at(20));
    assert_eq!(path(&board, &line), ["a", "c"]);
    assert_eq!(line.tracks[3].claimable, None, "d has to wait for c");
    assert!(line.tracks[3].waits.is_empty());
}

#[test]
fn behind_a_failure_nothing_waits() {
    let mut board = board(&[("a", &[]), ("b", &["a"])]);
    let failed = Done {
        verdict: Verdict::Fail,
        claimed_at: Some(at(1)),
        completed_at: Some(at(5)),
        ..Done::default()
    };
    board.set(id(&board, "a"), State::Done(failed));
    let line = timeline(&board, at(9));
    assert_eq!(line.tracks[1].claimable, None);
    assert_eq!(path(&board, &line), ["a"]);
    assert_eq!(line.tracks[0].work[0].end, End::Fail);
    assert_eq!(summary(&board, at(9)).failed, 1);
}

#[test]
fn a_clock_that_goes_back_makes_nothing_negative() {
    let mut board = board(&[("a", &[]), ("b", &["a"])]);
    does(&mut board, "a", "ann", Some(10), Some(3));
    does(&mut board, "b", "bob", Some(-5), Some(-9));
    let line = timeline(&board, at(-100));
    assert_eq!(line.whole, span(0, 3));
    assert_eq!(line.tracks[0].worked(), SignedDuration::ZERO);
    assert_eq!(line.tracks[0].waits, [span(0, 10)]);
    assert_eq!(line.tracks[1].waits, []);
    assert_eq!(line.tracks[1].work[0].span, Some(span(-5, -5)));
    // An active one, by a clock that has not come to its start.
    board.set(id(&board, "b"), State::Pending);
    assert_eq!(timeline(&board, at(-100)).whole.length(), SignedDuration::ZERO);
}

#[test]
fn unknown_times_are_neither_waiting_nor_work() {
    let mut board = board(&[("a", &[]), ("b", &["a"]), ("c", &["b"])]);
    board.sprint.started_at = None;
    let line = timeline(&board, at(7));
    assert_eq!(line.whole, span(7, 7), "nothing is known");
    does(&mut board, "a", "", None, None);
    does(&mut board, "b", "ann", None, Some(9));
    holds(&mut board, "c", "bob", None);
    let board_past = id(&board, "c");
    board.set_past(board_past, vec![Attempt::default()]);
    let line = timeline(&board, at(20));
    assert_eq!(line.whole, span(9, 20), "from the first that is known");
    assert_eq!(line.tracks[1].claimable, None);
    assert_eq!(line.tracks[2].claimable, Some(at(9)));
    assert!(line.tracks.iter().all(|track| track.waits.is_empty()));
    assert!(line.tracks.iter().all(|track| track.worked() == SignedDuration::ZERO));
    assert_eq!(path(&board, &line), ["a", "b", "c"], "the order is known all the same");
}

#[test]
fn what_was_carried_took_no_time_here() {
    let mut board = board(&[("a", &[]), ("b", &["a"])]);
    does(&mut board, "a", "ann", Some(-90), Some(-60));
    if let State::Done(mut done) = board.state(id(&board, "a")).clone() {
        done.carried_from = Some("0123456789ab-20251231-000000".to_owned());
        board.set(id(&board, "a"), State::Done(done));
    }
    does(&mut board, "b", "bob", Some(1), Some(3));
    let line = timeline(&board, at(9));
    assert_eq!(line.whole, span(0, 3));
    assert!(line.tracks[0].work.is_empty() && line.tracks[0].waits.is_empty());
    assert_eq!(line.tracks[1].waits, [span(0, 1)]);
    assert_eq!(path(&board, &line), ["b"]);
    assert_eq!(line.agents.len(), 1);
    assert_eq!(summary(&board, at(9)).agents, ["bob"]);
}

#[test]
fn an_archived_sprint_ends_when_it_was_archived() {
    let mut board = board(&[("a", &[]), ("b", &[])]);
    holds(&mut board, "a", "ann", Some(1));
    Sprint::ARCHIVED.clone_into(&mut board.sprint.status);
    board.sprint.archived_at = Some(at(5));
    let line = timeline(&board, at(1000));
    assert_eq!(line.whole, span(0, 5));
    assert_eq!(line.tracks[0].worked(), minutes(4));
    assert_eq!(line.tracks[1].waits, [span(0, 5)]);
    // One that was finished before had taken no longer for that.
    does(&mut board, "a", "ann", Some(1), Some(2));
    does(&mut board, "b", "ann", Some(1), Some(3));
    assert_eq!(summary(&board, at(1000)).elapsed, minutes(3));
    board.sprint.archived_at = None;
    board.set(id(&board, "a"), State::Pending);
    assert_eq!(timeline(&board, at(1000)).whole, span(0, 3), "to the last that is known");
}

#[test]
fn who_had_two_at_once_worked_once() {
    let mut board = board(&[("a", &[]), ("b", &[]), ("c", &[])]);
    does(&mut board, "a", "ann", Some(0), Some(10));
    does(&mut board, "b", "ann", Some(5), Some(15));
    does(&mut board, "c", "ann", Some(20), Some(21));
    assert_eq!(timeline(&board, at(30)).agents[0].worked, minutes(16));
}
