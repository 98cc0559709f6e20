//! Linearizability: what the commands of random runs were told could have been told by commands
//! that ran one after another, each between its beginning and its end, by [`decide`] on an abstract
//! board.

use std::collections::HashSet;

use git_conductor::record::{Claim, Done, Process, Sprint, Verdict};
use git_conductor::rules::graph::Names;
use git_conductor::rules::spec::parse_list;
use git_conductor::rules::{
    Board, Change, Facts, Graph, Life, LiveClaim, Me, Request, State, decide,
};
use jiff::{SignedDuration, Timestamp};

use crate::conductor::{Agent, Checked, Do, NONE, Script, act, sprint};
use crate::explore::{Chaos, Effort, explore_random, must_hold};
use crate::monitor::{Rules, watched};
use crate::plan::Plan;
use crate::run::{Scenario, View};

/// One command of a history.
struct Op {
    agent: Agent,
    what: Do,
    began: usize,
    ended: usize,
    answer: String,
}

fn who(agent: Agent) -> Me {
    let process = Process { pid: agent.pid, start: Some(1), ..Process::default() };
    Me { name: agent.name.to_owned(), explicit: true, process: Some(process), ..Me::default() }
}

/// What the rules answer to `op` on `board`, and the board afterwards. Everyone lives.
fn apply(board: &Board, op: &Op) -> (String, Board) {
    let (name, request) = match op.what {
        Do::Claim(name) => (name, Request::Claim { takeover: false }),
        Do::Complete(name) => {
            (name, Request::Complete { artifact: None, verdict: Verdict::default() })
        }
        Do::Abort(name) => (name, Request::Abort),
        Do::Unstuck(name) => (name, Request::Unstuck { force: false }),
        Do::Takeover(_)
        | Do::Next
        | Do::HandIn(..)
        | Do::Force(_)
        | Do::Start(_)
        | Do::Restart(_)
        | Do::IfNone(_)
        | Do::Archive
        | Do::Clean
        | Do::Round(_)
        | Do::Resume
        | Do::Status => panic!("{:?} has no place in a history", op.what),
    };
    let id = board.graph.find(name).unwrap();
    let me = who(op.agent);
    let stale_after = SignedDuration::from_hours(1);
    let facts = Facts { me: &me, now: Timestamp::UNIX_EPOCH, stale_after, max_attempts: None };
    let mut after = board.clone();
    let answer = match decide(board, id, &request, facts) {
        Err(refusal) => refusal.code().to_owned(),
        Ok(change) => {
            let (v, agent, explicit, process) = (1, me.name.clone(), true, me.process.clone());
            match change {
                Change::Take => {
                    let token = git_conductor::record::Token::parse(&"0".repeat(32));
                    let claim = Claim { v, agent, explicit, process, token, ..Claim::default() };
                    let hold = LiveClaim {
                        claim,
                        life: Life::Alive,
                        former: Vec::new(),
                        heard: None,
                        quiet_since: None,
                        legacy_lock: false,
                    };
                    after.set(id, State::Claimed(hold));
                }
                Change::Complete => {
                    let done = Done { v, agent, explicit, process, ..Done::default() };
                    after.set(id, State::Done(done));
                }
                Change::Free => after.set(id, State::Pending),
                Change::Renew | Change::Confirm | Change::Nothing | Change::ResetAttempts => {}
                Change::TakeOver => panic!("everyone lives"),
            }
            "OK".to_owned()
        }
    };
    (answer, after)
}

/// Searches an order that explains all of `ops`; `done` are those that have been placed.
fn explained(ops: &[Op], board: &Board, done: u32, dead_ends: &mut HashSet<(u32, String)>) -> bool {
    if done.count_ones() as usize == ops.len() {
        return true;
    }
    let state: Vec<_> = board.graph.ids().map(|id| board.state(id)).collect();
    let state = format!("{state:?}");
    if dead_ends.contains(&(done, state.clone())) {
        return false;
    }
    let open = |at: &usize| done & 1 << at == 0;
    // No one can come before a command that ended before it began.
    let first_end = (0..ops.len()).filter(open).map(|at| ops[at].ended).min().unwrap_or_default();
    for at in (0..ops.len()).filter(open).filter(|at| ops[*at].began <= first_end) {
        let (answer, after) = apply(board, &ops[at]);
        if answer == ops[at].answer && explained(ops, &after, done | 1 << at, dead_ends) {
            return true;
        }
    }
    dead_ends.insert((done, state));
    false
}

fn abstract_board() -> Board {
    let phases = parse_list("a:,b:a").unwrap();
    let graph = Graph::new(&phases, Names::New).unwrap();
    let sprint = Sprint {
        sprint_id: String::new(),
        project: String::new(),
        started_by: String::new(),
        started_at: None,
        status: Sprint::ACTIVE.to_owned(),
        goal: None,
        archived_at: None,
        from: None,
        phases,
        rest: git_conductor::record::Rest::new(),
    };
    Board::new(sprint, graph)
}

/// Reads the notes of a run: each command has noted its beginning and its answer.
fn linearizable(view: &View<'_, String>, actors: &[(Agent, Script); 3]) -> Checked {
    let mut ops: Vec<Op> = Vec::new();
    for (command, (agent, script)) in actors.iter().enumerate() {
        let of = |what: &'static str| {
            view.notes.iter().filter(move |note| note.command == command && note.what == what)
        };
        for ((what, began), ended) in script.iter().zip(of("begins")).zip(of("answers")) {
            let answer = ended.detail.to_string();
            ops.push(Op { agent: *agent, what: *what, began: began.at, ended: ended.at, answer });
        }
    }
    if explained(&ops, &abstract_board(), 0, &mut HashSet::new()) {
        return Ok(());
    }
    let told = ops.iter().map(|op| {
        format!("{}-{} {} {:?}: {}", op.began, op.ended, op.agent.name, op.what, op.answer)
    });
    Err(format!("no order explains {}", told.collect::<Vec<_>>().join("; ")))
}

#[test]
fn histories_are_linearizable() {
    let (start, [ann, bob, cyd, _]) = sprint("a:,b:a");
    const ANN: Script = &[Do::Claim("a"), Do::Complete("a"), Do::Claim("b"), Do::Abort("b")];
    const BOB: Script = &[Do::Claim("a"), Do::Abort("a"), Do::Claim("b"), Do::Complete("b")];
    // No `unstuck --force`: a claim that is forced off before it is told tries again, and is then
    // two commands to whoever saw it.
    const CYD: Script = &[Do::Claim("a"), Do::Complete("a"), Do::Unstuck("b"), Do::Claim("b")];
    let actors = [(ann, ANN), (bob, BOB), (cyd, CYD)];
    let mut scenario = Scenario::new("history", start);
    for (letter, (agent, script)) in ["A", "B", "C"].into_iter().zip(actors) {
        scenario = scenario.command(letter, move |ctx| {
            for what in script {
                ctx.invoke(|ctx| {
                    ctx.note("begins", "");
                    let answer = act::<NONE>(ctx, agent, *what);
                    ctx.note("answers", &answer);
                });
            }
            String::new()
        });
    }
    let scenario = scenario.finally(move |view| linearizable(view, &actors));
    let chaos = Chaos { mutex: true, ..Chaos::default() };
    let runs = Effort::from_env().random_runs;
    must_hold(explore_random(
        &watched(scenario, Rules::ALL, &["a", "b"]),
        &Plan::default(),
        chaos,
        runs,
        1,
    ));
}
