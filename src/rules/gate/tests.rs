//! Who may pass, and what is evidence, as tables.

use super::*;
use crate::record::{Claim, Snapshot, Sprint, VERSION};
use crate::rules::Graph;
use crate::rules::graph::Names;
use crate::rules::{Life, LiveClaim, spec};

const ANN: &str = "ann";

fn ann() -> Me {
    Me { name: ANN.into(), explicit: true, ..Me::default() }
}

fn board(list: &str) -> Board {
    let entries = spec::parse_list(list).unwrap();
    let sprint = serde_json::json!({"sprint_id": "s", "phases": entries.clone()});
    let sprint: Sprint = serde_json::from_value(sprint).unwrap();
    Board::new(sprint, Graph::new(&entries, Names::New).unwrap())
}

fn claimed(agent: &str) -> State {
    let claim = Claim { v: VERSION, agent: agent.into(), explicit: true, ..Claim::default() };
    State::Claimed(LiveClaim {
        claim,
        life: Life::Unknown,
        former: Vec::new(),
        heard: None,
        quiet_since: None,
        legacy_lock: false,
    })
}

fn at(commit: &str) -> Snapshot {
    let tree = commit.get(..1).map(str::to_owned);
    Snapshot { commit: Some(commit.into()), tree, dirty: Some(false), ..Snapshot::default() }
}

fn passed(at: Snapshot) -> Done {
    Done { v: VERSION, agent: "bob".into(), at, ..Done::default() }
}

/// A commit's tree is the first letter of its name.
fn contents(commits: &[&str]) -> Vec<Content> {
    commits
        .iter()
        .map(|commit| Content { commit: at(commit).commit, tree: at(commit).tree })
        .collect()
}

/// `no_sprint`, `claimed`, `done`, or the code of the refusal.
fn answer(board: Option<&Board>, require_sprint: bool, commits: &[&str], deletes: bool) -> String {
    let (me, contents) = (ann(), contents(commits));
    let phase = "ship";
    let question = Question { phase, me: &me, require_sprint, contents: &contents, deletes };
    match passage(board, &question) {
        Ok((passage, _)) => serde_json::to_value(passage).unwrap().as_str().unwrap().to_owned(),
        Err(refusal) => format!("no: {}", refusal.code()),
    }
}

/// A sprint whose `ship` is in this state, with `announce` after it left to do, or done too.
fn shipping(state: State, finished: bool) -> Board {
    let mut board = board("build,ship,announce:ship");
    let id = |board: &Board, name| board.graph.find(name).unwrap();
    let (build, ship, announce) = (id(&board, "build"), id(&board, "ship"), id(&board, "announce"));
    board.set(build, State::Done(passed(at("a1"))));
    board.set(ship, state);
    if finished {
        board.set(announce, State::Done(passed(at("a1"))));
    }
    board
}

#[test]
fn who_may_pass() {
    let done = |done: Done| State::Done(done);
    let failed = Done { verdict: Verdict::Fail, ..passed(at("a1")) };
    let unknown = passed(Snapshot::default());
    let table: &[(State, &[&str], bool, &str)] = &[
        (State::Pending, &["a1"], false, "no: not_claimed"),
        (claimed(ANN), &["a1"], false, "claimed"),
        (claimed(ANN), &["b1", "c1"], true, "claimed"),
        (claimed(ANN), &[], true, "claimed"),
        (claimed("bob"), &["a1"], false, "no: claimed"),
        (done(passed(at("a1"))), &["a1"], false, "done"),
        (done(passed(at("a1"))), &["a1", "a1"], false, "done"),
        (done(passed(at("a1"))), &[], false, "done"),
        // The same content is not the same commit.
        (done(passed(at("a1"))), &["a2"], false, "no: other_commit"),
        (done(passed(at("a1"))), &["a1", "b1"], false, "no: other_commit"),
        (done(passed(at("a1"))), &["a1"], true, "no: other_commit"),
        (done(passed(at("a1"))), &[], true, "no: other_commit"),
        (done(unknown), &["a1"], false, "no: other_commit"),
        (done(failed), &["a1"], false, "no: failed"),
    ];
    for (state, commits, deletes, wanted) in table {
        for require in [false, true] {
            let board = shipping(state.clone(), false);
            let said = answer(Some(&board), require, commits, *deletes);
            assert_eq!(said, *wanted, "{state:?} {commits:?} {deletes}");
        }
    }
}

#[test]
fn without_an_unfinished_sprint() {
    let finished = shipping(State::Done(passed(at("a1"))), true);
    let mut archived = shipping(claimed(ANN), false);
    archived.sprint.status = Sprint::ARCHIVED.into();
    for (board, commit, required) in [
        (None, "a1", "no: no_sprint"),
        (Some(&archived), "a1", "no: no_sprint"),
        (Some(&finished), "a1", "done"),
        (Some(&finished), "b1", "no: other_commit"),
    ] {
        assert_eq!(answer(board, false, &[commit], false), "no_sprint");
        assert_eq!(answer(board, true, &[commit], false), required);
    }
    assert_eq!(answer(Some(&board("build")), false, &["a1"], false), "no: unknown_phase");
}

/// In every state of `plan`, `build`, `ship` and what follows: a failure of the guarding phase, or
/// of anything that it waits for, shuts the gate, and the sprint's end does not open it.
#[test]
fn no_failure_opens_the_gate() {
    let failed = Done { verdict: Verdict::Fail, ..passed(at("a1")) };
    let unreadable = Done::default();
    let states = [
        State::Pending,
        claimed(ANN),
        State::Done(passed(at("a1"))),
        State::Done(failed),
        State::Done(unreadable),
    ];
    let each = |n: usize, phase: u32| states[n / 5_usize.pow(phase) % 5].clone();
    let has_failed =
        |state: &State| matches!(state, State::Done(done) if done.verdict == Verdict::Fail);
    for n in 0..5_usize.pow(4) {
        let mut board = board("plan,build:plan,ship:build,announce:ship");
        for (phase, name) in (0..).zip(["plan", "build", "ship", "announce"]) {
            board.set(board.graph.find(name).unwrap(), each(n, phase));
        }
        let ship = each(n, 2);
        let failed = has_failed(&each(n, 0)) || has_failed(&each(n, 1)) || has_failed(&ship);
        let shuts = failed || matches!(&ship, State::Done(done) if done.is_unreadable());
        let said = verdict(&board, "ship");
        let wanted = shuts.then_some(false);
        let wanted = wanted.or_else(|| matches!(ship, State::Done(_)).then_some(true));
        assert_eq!(said.map(|said| said.is_ok()), wanted, "{board:?}");
        for require in [false, true] {
            let said = answer(Some(&board), require, &["a1"], false);
            if shuts {
                assert!(said.starts_with("no: "), "{said}: {board:?}");
            }
            if shuts && (ship == claimed(ANN) || matches!(ship, State::Done(_))) {
                let wanted = if failed { "no: failed" } else { "no: other_commit" };
                assert_eq!(said, wanted, "{board:?}");
            }
        }
    }
}

#[test]
fn who_waits_for_a_failure_is_told_so() {
    let mut board = board("plan,build:plan,ship:build");
    let failed = Done { verdict: Verdict::Fail, ..passed(at("a1")) };
    board.set(board.graph.find("plan").unwrap(), State::Done(failed));
    let question = Question {
        phase: "ship",
        me: &ann(),
        require_sprint: false,
        contents: &[],
        deletes: false,
    };
    let Err(Refusal::GateDenied { why: GateDenied::Unclaimed { waits_for }, .. }) =
        passage(Some(&board), &question)
    else {
        panic!("it is shut, and nobody holds it");
    };
    let said: Vec<_> = waits_for.iter().map(|it| (it.phase.as_str(), it.state)).collect();
    assert_eq!(said, [("build", "pending"), ("plan", "failed")]);
}

#[test]
fn what_is_evidence() {
    let dirty = Snapshot { dirty: Some(true), ..at("a1") };
    let bare = Snapshot { dirty: None, ..at("a1") };
    let failed = Done { verdict: Verdict::Fail, ..passed(at("a1")) };
    let table: &[(State, Pin, &[&str], Option<EvidenceProblem>)] = &[
        (State::Done(passed(at("a1"))), Pin::None, &["a1"], None),
        (State::Done(passed(at("a1"))), Pin::Same, &["a2"], None),
        (State::Done(passed(bare)), Pin::Same, &["a1"], None),
        (
            State::Done(passed(at("a1"))),
            Pin::Same,
            &["a2", "b1"],
            Some(EvidenceProblem::OtherContent),
        ),
        (State::Done(passed(at("a1"))), Pin::Changed, &["a1"], Some(EvidenceProblem::PinChanged)),
        (State::Done(passed(at("a1"))), Pin::Gone, &["a1"], Some(EvidenceProblem::PinGone)),
        (State::Done(passed(at("a1"))), Pin::Same, &[], None),
        (State::Done(passed(dirty.clone())), Pin::Same, &["a1"], Some(EvidenceProblem::Dirty)),
        (State::Done(passed(dirty)), Pin::Same, &["b1"], Some(EvidenceProblem::OtherContent)),
        (
            State::Done(passed(Snapshot::default())),
            Pin::None,
            &["a1"],
            Some(EvidenceProblem::NoCommit),
        ),
        (State::Done(failed), Pin::Same, &["a1"], Some(EvidenceProblem::Failed)),
        (claimed("bob"), Pin::None, &["a1"], Some(EvidenceProblem::NotDone)),
        (State::Pending, Pin::None, &["a1"], Some(EvidenceProblem::NotDone)),
    ];
    for (state, pin, commits, wanted) in table {
        let mut board = shipping(claimed(ANN), false);
        board.set(board.graph.find("build").unwrap(), state.clone());
        let ship = board.graph.find("ship").unwrap();
        let gaps = gaps(&board, ship, &contents(commits), |_| *pin);
        let said: Vec<EvidenceProblem> = gaps.iter().map(|gap| gap.why).collect();
        assert_eq!(said, Vec::from_iter(*wanted), "{state:?} {pin:?} {commits:?}");
        let none: Vec<MissingEvidence> = Vec::new();
        assert_eq!(weigh(Policy::Off, "ship", gaps.clone()).unwrap(), none);
        assert_eq!(weigh(Policy::Warn, "ship", gaps.clone()).unwrap(), gaps);
        let required = weigh(Policy::Require, "ship", gaps.clone());
        assert_eq!(required.is_err(), !gaps.is_empty());
    }
    // A target that is not a commit has no evidence.
    let board = shipping(claimed(ANN), false);
    let ship = board.graph.find("ship").unwrap();
    let gaps = gaps(&board, ship, &[Content::default()], |_| Pin::None);
    assert_eq!(gaps.len(), 1);
}
