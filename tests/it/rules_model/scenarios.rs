//! The sprints that are walked.

use super::agents::{Agent, ELSEWHERE, HERE, MISJUDGED, SANDBOX, Slot};
use super::sprint::{FAIL, FAIL_A, PASS, Scenario, WITH_A, WITH_B};

/// Small sprints, each for one way to be oneself or for one shape of the graph.
pub(super) fn scenarios() -> Vec<Scenario> {
    [who_is_who(), below_one_process(), where_and_when(), several_phases()]
        .into_iter()
        .flatten()
        .collect()
}

/// One phase, and agents that are alike in one thing and differ in another.
fn who_is_who() -> Vec<Scenario> {
    use Agent as A;
    vec![
        Scenario::new(
            "two processes of one explicit name, and a session",
            "a",
            &[HERE, HERE, HERE],
            &[A::explicit("ada", 0), A::explicit("ada", 1), A::session("5e55", 2)],
        )
        .asking(&[PASS, WITH_A, WITH_B, FAIL, FAIL_A]),
        Scenario::new(
            "one session in two processes, and a detected agent without one",
            "a",
            &[HERE, HERE, HERE],
            &[A::session("5e55", 0), A::session("5e55", 1), A::detected("codex", 2)],
        )
        .asking(&[PASS, WITH_A]),
        Scenario::new(
            "two terminals of one user, and another user",
            "a",
            &[HERE, HERE, HERE],
            &[A::person(1000, 0), A::person(1000, 1), A::person(1001, 2)],
        ),
        Scenario::new(
            "a person here and there, and an agent of that user",
            "a",
            &[HERE, ELSEWHERE, HERE],
            &[A::person(1000, 0), A::person(1000, 1), A::detected("codex", 2)],
        ),
        Scenario::new(
            "subagents of one process, and a helper below it",
            "a",
            &[HERE, HERE],
            &[
                A::explicit("lead", 0),
                A::explicit("lead/2", 0),
                A::explicit("lead", 1).under(0),
                A::detected("claude", 0),
            ],
        ),
        Scenario::new(
            "a script, one of its name, and another",
            "a",
            &[HERE, HERE, HERE],
            &[A::script("ada", 0), A::explicit("ada", 1), A::session("5e55", 2)],
        ),
        Scenario::new(
            "other hosts and containers",
            "a",
            &[HERE, ELSEWHERE, SANDBOX],
            &[
                A::explicit("ada", 0),
                A::explicit("ada", 1),
                A::session("5e55", 2),
                A::session("5e55", 1),
            ],
        ),
        Scenario::new(
            "agents without a process",
            "a",
            &[HERE],
            &[
                A::explicit("job", 0).without_process(),
                A::explicit("job", 0),
                A::session("5e55", 0).without_process(),
                A::detected("codex", 0).without_process(),
            ],
        ),
        Scenario::new(
            "two attempts that may fail",
            "a*2 b:a*1",
            &[HERE, HERE],
            &[A::explicit("ada", 0), A::session("5e55", 1)],
        )
        .forgetful(),
        Scenario::new(
            "one attempt that may fail, a script, and two terminals of one user",
            "a*1",
            &[HERE, HERE, HERE],
            &[A::script("ada", 0), A::person(1000, 1), A::person(1000, 2)],
        ),
        Scenario::new(
            "an owner, one with its token, and another",
            "a",
            &[HERE, HERE, HERE],
            &[
                A::explicit("ada", 0),
                A::detected("job", 1).with_token_of(0),
                A::explicit("bo", 2).with_token_of(2),
            ],
        ),
    ]
}

/// One phase, and several agents below one process.
fn below_one_process() -> Vec<Scenario> {
    use Agent as A;
    vec![
        Scenario::new(
            "two threads below one process, and another agent",
            "a",
            &[HERE, HERE],
            &[A::thread("t1", 0).sharing(), A::thread("t2", 0).sharing(), A::explicit("ada", 1)],
        ),
        Scenario::new(
            "a thread in two processes, and one of its process",
            "a",
            &[HERE, HERE],
            &[A::thread("t1", 0), A::thread("t1", 1), A::session("5e55", 0), A::detected("pi", 0)],
        ),
        Scenario::new(
            "jobs of one name below one process",
            "a",
            &[HERE, HERE],
            &[
                A::explicit("ci", 0).in_thread("j1").sharing(),
                A::explicit("ci", 0).in_thread("j2").sharing(),
                A::explicit("ci", 1).in_thread("j3"),
                A::explicit("ci", 0).sharing(),
            ],
        ),
        Scenario::new(
            "a job without a process, and another",
            "a",
            &[HERE],
            &[A::thread("j1", 0).without_process(), A::thread("j2", 0).without_process()],
        ),
        Scenario::new(
            "two scripts of one agent, and itself",
            "a",
            &[HERE, HERE, HERE],
            &[
                A::detected("pi", 0).in_script(1),
                A::detected("pi", 0).in_script(2),
                A::detected("pi", 0),
            ],
        )
        .without_restarts(),
        Scenario::new(
            "one attempt that may fail, of threads below one process",
            "a*1",
            &[HERE, HERE],
            &[A::thread("t1", 0).sharing(), A::thread("t2", 0).sharing(), A::explicit("ada", 1)],
        )
        .forgetful(),
    ]
}

/// One phase, and worktrees, clocks and proofs of death that are not as they should be.
fn where_and_when() -> Vec<Scenario> {
    use Agent as A;
    vec![
        Scenario::new(
            "two worktrees",
            "a",
            &[HERE, HERE],
            &[
                A::explicit("ada", 0).in_two_worktrees(),
                A::explicit("ada", 1).in_two_worktrees(),
                A::session("5e55", 1).in_two_worktrees(),
            ],
        ),
        Scenario::new(
            "a sandboxed session in two worktrees, with a token",
            "a",
            &[SANDBOX, HERE],
            &[
                A::session("5e55", 0).in_two_worktrees(),
                A::explicit("ada", 1).in_two_worktrees().with_token_of(0),
            ],
        ),
        Scenario::new(
            "the clock jumped back",
            "a",
            &[HERE, HERE],
            &[A::explicit("ada", 0), A::session("5e55", 1)],
        )
        .after_the_clock_jumped_back(),
        Scenario::new(
            "taken for dead",
            "a",
            &[MISJUDGED, MISJUDGED],
            &[A::explicit("ada", 0), A::session("5e55", 1)],
        )
        .asking(&[PASS, WITH_A]),
    ]
}

/// Chains, fans and diamonds, with failures and with four eyes.
fn several_phases() -> Vec<Scenario> {
    use Agent as A;
    vec![
        Scenario::new(
            "a chain, with failures",
            "a b:a",
            &[HERE, HERE],
            &[A::explicit("ada", 0), A::session("5e55", 1)],
        )
        .asking(&[PASS, FAIL]),
        Scenario::new(
            "a chain, with a script",
            "a b:a",
            &[HERE, HERE],
            &[A::script("ada", 0), A::explicit("ada", 1)],
        )
        .asking(&[PASS, FAIL]),
        Scenario::new(
            "four eyes, two names of one process",
            "build review:build!build",
            &[HERE, HERE],
            &[A::explicit("builder", 0), A::explicit("rev", 0), A::explicit("rev", 1)],
        )
        .forgetful(),
        Scenario::new(
            "four eyes, detected",
            "build review:build!build",
            &[HERE, HERE],
            &[A::session("5e55", 0), A::explicit("rev", 0), A::detected("codex", 1)],
        )
        .forgetful(),
        Scenario::new(
            "four eyes, threads below one process",
            "build review:build!build",
            &[HERE],
            &[
                A::thread("t1", 0).sharing(),
                A::thread("t2", 0).sharing(),
                A::explicit("rev", 0).in_thread("t1").sharing(),
            ],
        )
        .forgetful(),
        Scenario::new(
            "four eyes, with a token",
            "build review:build!build",
            &[HERE, HERE],
            &[A::explicit("builder", 0).with_token_of(1), A::explicit("rev", 1)],
        )
        .forgetful(),
        Scenario::new(
            "four eyes, with a script",
            "build review:build!build",
            &[HERE, HERE],
            &[A::script("builder", 0), A::explicit("builder", 1), A::explicit("rev", 1)],
        )
        .forgetful(),
        Scenario::new(
            "four eyes at the end of a chain",
            "build qa:build ship:qa!build",
            &[HERE, HERE],
            &[A::explicit("builder", 0), A::session("5e55", 1)],
        )
        .forgetful()
        .without_restarts(),
        Scenario::new(
            "a fan of three",
            "a b c",
            &[HERE, HERE],
            &[A::explicit("ada", 0), A::session("5e55", 1)],
        )
        .forgetful()
        .without_restarts(),
        Scenario::new(
            "a diamond, with failures and four eyes",
            "a b:a c:a!a d:b+c",
            &[HERE, ELSEWHERE],
            &[A::explicit("ada", 0), A::session("5e55", 1)],
        )
        .asking(&[PASS, FAIL])
        .forgetful()
        .without_restarts(),
    ]
}

/// Larger sprints of three agents.
pub(super) fn larger() -> Vec<Scenario> {
    use Agent as A;
    vec![
        Scenario::new(
            "a chain, three agents",
            "a b:a",
            &[HERE, HERE, ELSEWHERE],
            &[A::explicit("ada", 0), A::session("5e55", 1), A::detected("codex", 2)],
        )
        .asking(&[PASS, FAIL_A])
        .forgetful()
        .without_restarts(),
        Scenario::new(
            "a fan of three, three agents",
            "a b c",
            &[HERE, HERE],
            &[A::explicit("ada", 0), A::session("5e55", 1), A::explicit("ada/2", 0)],
        )
        .forgetful()
        .without_restarts(),
        Scenario::new(
            "a diamond, with restarts",
            "a b:a c:a!a d:b+c",
            &[HERE, HERE],
            &[A::explicit("ada", 0), A::session("5e55", 1)],
        )
        .forgetful(),
    ]
}

/// Every kind of agent; each with the place of its process.
pub(super) fn kinds() -> Vec<(Agent, Slot)> {
    use Agent as A;
    vec![
        (A::explicit("ada", 0), HERE),
        (A::explicit("ada", 1), HERE),
        (A::explicit("ada/2", 0), HERE),
        (A::explicit("ada", 2).under(0), HERE),
        (A::session("5e55", 3), HERE),
        (A::session("5e55", 4), SANDBOX),
        (A::session("5e55", 5), ELSEWHERE),
        (A::detected("codex", 0), HERE),
        (A::detected("job", 6).with_token_of(0), HERE),
        (A::explicit("ada", 7).without_process(), HERE),
        (A::person(1000, 8), HERE),
        (A::person(1000, 9), HERE),
        (A::script("ada", 10), HERE),
        (A::thread("t1", 0).sharing(), HERE),
        (A::thread("t2", 0).sharing(), HERE),
        (A::explicit("ada", 11).in_two_worktrees(), MISJUDGED),
    ]
}

/// Sprints of some agents of these kinds, with just the processes that they have.
pub(super) fn of_kinds(graph: &str, chosen: &[usize]) -> Scenario {
    let kinds = kinds();
    let mut slots: Vec<usize> = Vec::new();
    let mut places = Vec::new();
    let mut agents = Vec::new();
    for &index in chosen {
        let (mut agent, place) = kinds[index].clone();
        for slot in [&mut agent.process, &mut agent.above].into_iter().flatten() {
            let known = slots.iter().position(|known| known == slot);
            *slot = known.unwrap_or_else(|| {
                slots.push(*slot);
                places.push(place);
                slots.len() - 1
            });
        }
        agents.push(agent);
    }
    Scenario::new("some kinds", graph, &places, &agents)
}
