//! Many processes at once want the same thing: exactly one gets it, with the mutex and without.

use std::collections::BTreeSet;
use std::process::Command;

use crate::process_driver::{Agent, Answer, Barrier, independent, without_mutex};
use crate::sandbox::Sandbox;

const CONTENDERS: usize = 16;
/// So many phases in one sprint, and so many sprints one after the other.
const PHASES: usize = 100;
const SPRINTS: usize = 3;

fn agents(count: usize) -> Vec<Agent> {
    (0..count).map(|n| Agent::new(format!("a{n}"))).collect()
}

/// Exactly one of `answers` is OK, and the others are told so, or to try again.
#[track_caller]
fn one_winner(answers: &[Answer], what: &str) -> usize {
    let won: Vec<usize> = (0..answers.len()).filter(|&n| answers[n].exit == Some(0)).collect();
    assert_eq!(won.len(), 1, "{what}: {answers:#?}");
    for answer in answers.iter().filter(|answer| answer.exit != Some(0)) {
        let fair = matches!(answer.said(), (Some(1), "claimed") | (Some(4), "busy"));
        assert!(fair, "{what}: {answer:#?}");
    }
    won[0]
}

#[test]
fn one_of_sixteen_claims_a_phase() {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    let starter = Agent::new("starter");
    let agents = agents(CONTENDERS);
    let mut winners = BTreeSet::new();
    for sprint in 0..SPRINTS {
        sandbox.run("repo", &starter, &["start", "--force", "--phases", &independent(PHASES)]).ok();
        if sprint == 1 {
            without_mutex(&sandbox);
        }
        for phase in 0..PHASES {
            let phase = format!("p{phase:03}");
            let claims =
                agents.iter().map(|agent| sandbox.binary("repo", agent, &["claim", &phase]));
            let answers = Barrier::new(claims).release();
            let winner = one_winner(&answers, &phase);
            winners.insert(winner);
            if phase.ends_with('9') {
                let board = sandbox.board("repo");
                let owner = &board.json["phases"][&phase]["agent"];
                assert_eq!(owner, agents[winner].name(), "{phase}");
            }
        }
    }
    // A race that the same process always wins is none.
    assert!(winners.len() > 1, "{winners:?}");
}

#[test]
fn one_of_sixteen_claims_from_linked_worktrees() {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    let agents = agents(CONTENDERS);
    let dirs: Vec<String> = (0..CONTENDERS).map(|n| format!("wt{n}")).collect();
    for dir in &dirs {
        sandbox.git("repo", ["worktree", "add", "-q", &format!("../{dir}")]);
    }
    sandbox.run("wt3", &agents[0], &["start", "--phases", &independent(30)]).ok();
    for phase in 0..30 {
        if phase == 10 {
            without_mutex(&sandbox);
        }
        let phase = format!("p{phase:03}");
        let one = |(agent, dir)| sandbox.binary(dir, agent, &["claim", &phase]);
        let answers = Barrier::new(agents.iter().zip(&dirs).map(one)).release();
        let winner = one_winner(&answers, &phase);
        assert_eq!(sandbox.board("repo").json["phases"][&phase]["agent"], agents[winner].name());
    }
}

/// A dead owner's claim is taken over by one of those who ask for it, whatever they ask with.
#[test]
fn one_of_sixteen_reclaims() {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    let agents = agents(CONTENDERS);
    let mut dead = Agent::new("dead");
    sandbox.run("repo", &dead, &["start", "--phases", &independent(30)]).ok();
    for phase in 0..30 {
        sandbox.run("repo", &dead, &["claim", &format!("p{phase:03}")]).ok();
    }
    dead.kill();
    for phase in 0..30 {
        if phase == 10 {
            without_mutex(&sandbox);
        }
        let phase = format!("p{phase:03}");
        let takeover = ["claim", &phase, "--takeover"];
        let claims = agents.iter().map(|agent| sandbox.binary("repo", agent, &takeover));
        one_winner(&Barrier::new(claims).release(), &phase);
    }
}

#[test]
fn agents_that_ask_at_once_get_different_phases() {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    let agents = agents(CONTENDERS);
    for round in 0..12 {
        if round == 6 {
            without_mutex(&sandbox);
        }
        let plan = independent(CONTENDERS);
        sandbox.run("repo", &agents[0], &["start", "--force", "--phases", &plan]).ok();
        let ask =
            |agent: &Agent| -> Command { sandbox.binary("repo", agent, &["next", "--claim"]) };
        let mut got = BTreeSet::new();
        let answers = Barrier::new(agents.iter().map(ask)).release();
        for (agent, answer) in agents.iter().zip(answers) {
            // Busy is an answer too: asking again must do.
            let answer = if answer.exit == Some(4) {
                sandbox.run("repo", agent, &["next", "--claim"])
            } else {
                answer
            };
            let phase = answer.ok().json["phase"].as_str().unwrap().to_owned();
            assert!(got.insert(phase.clone()), "'{phase}' was given twice");
        }
        let late = Agent::new("late");
        sandbox.run("repo", &late, &["next", "--claim"]).nothing("nothing_ready", true);
    }
}

/// As above, but with fewer phases than agents: those left over are told that nothing is ready.
#[test]
fn more_agents_than_phases() {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    let agents = agents(CONTENDERS);
    for round in 0..8 {
        if round == 4 {
            without_mutex(&sandbox);
        }
        sandbox.run("repo", &agents[0], &["start", "--force", "--phases", &independent(5)]).ok();
        let ask = |agent| sandbox.binary("repo", agent, &["next", "--claim"]);
        let answers = Barrier::new(agents.iter().map(ask)).release();
        let got: Vec<_> = answers.iter().filter(|answer| answer.exit == Some(0)).collect();
        let phases: BTreeSet<_> = got.iter().map(|a| a.json["phase"].as_str().unwrap()).collect();
        assert_eq!((got.len(), phases.len()), (5, 5), "{answers:#?}");
        for answer in answers.iter().filter(|answer| answer.exit != Some(0)) {
            let fair = matches!(answer.said(), (Some(6), "nothing_ready") | (Some(4), "busy"));
            assert!(fair, "{answer:#?}");
        }
    }
}

#[test]
fn one_sprint_from_two_worktrees_that_start_at_once() {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    sandbox.git("repo", ["worktree", "add", "-q", "../linked"]);
    let agents = agents(4);
    for round in 0..20 {
        let starts = agents.iter().enumerate().map(|(n, agent)| {
            sandbox.binary(["repo", "linked"][n % 2], agent, &["start", "--phases", "a:,b:a"])
        });
        for answer in Barrier::new(starts).release() {
            assert!(matches!(answer.exit, Some(0 | 4)), "{answer:#?}");
        }
        sandbox.sprint("repo/.nanostack");
        let current = sandbox.board("repo").json["sprint_id"].clone();
        assert!(current.is_string());
        assert_eq!(sandbox.board("linked").json["sprint_id"], current, "round {round}");
        // And with --if-none all of them have that one.
        let starts = agents.iter().enumerate().map(|(n, agent)| {
            sandbox.binary(["repo", "linked"][n % 2], agent, &["start", "--if-none"])
        });
        for answer in Barrier::new(starts).release() {
            assert_eq!(answer.ok().json["sprint_id"], current);
        }
    }
}
