//! What the walk has found, each as the few events that lead to it.

use git_conductor::record::Verdict;
use git_conductor::rules::decide;
use git_conductor::rules::next;
use git_conductor::rules::refusal::Retry;
use git_conductor::rules::request::{Facts, Request};
use git_conductor::rules::{Board, Refusal};

use super::agents::{Agent, HERE};
use super::board::facts;
use super::contract::in_a_word;
use super::events::Event;
use super::explore::Answer;
use super::sprint::{Scenario, claim, hand_in};
use super::world::World;

impl Scenario {
    /// The world after `events`, by the shipped rules.
    fn after(&self, events: &[Event]) -> World {
        let mut world = self.start();
        for event in events {
            let next = if let Event::Asks { agent, worktree, phase, request } = event {
                let asker = self.present(&world, *agent);
                self.ask(&world, *agent, *phase, request).ok().and_then(|change| {
                    self.apply(&world, asker, worktree, *phase, (request, change))
                })
            } else {
                let same = |(other, after)| (other == *event).then_some(after);
                self.happenings(&world).into_iter().find_map(same)
            };
            match next {
                Some(next) => world = next,
                None => unreachable!("{} changes nothing", self.tell(event)),
            }
        }
        world
    }

    fn ask(&self, world: &World, agent: usize, phase: usize, request: &Request) -> Answer {
        self.with_facts(world, agent, |board, facts| {
            decide::decide(board, self.phases[phase], request, facts)
        })
    }

    fn with_facts<T>(
        &self,
        world: &World,
        agent: usize,
        ask: impl FnOnce(&Board, Facts<'_>) -> T,
    ) -> T {
        let asker = self.present(world, agent);
        let me = self.me(world, asker, "/repo");
        ask(&self.board(world, asker), facts(&me))
    }
}

fn asks(agent: usize, phase: usize, request: Request) -> Event {
    Event::Asks { agent, worktree: "/repo", phase, request }
}

/// Two names of one process are two agents; the second could hand in what it must not check by the
/// name that it shares with a dead reviewer.
#[test]
fn an_author_does_not_complete_the_review_of_a_dead_namesake() {
    let scenario = Scenario::new(
        "",
        "build review:build!build",
        &[HERE, HERE],
        &[Agent::explicit("builder", 0), Agent::explicit("rev", 0), Agent::explicit("rev", 1)],
    );
    let pass = hand_in(None, Verdict::Pass);
    let world = scenario.after(&[
        asks(0, 0, claim(false)),
        asks(0, 0, pass.clone()),
        asks(2, 1, claim(false)),
        Event::Dies(1),
    ]);
    assert_eq!(in_a_word(&scenario.ask(&world, 1, 1, &pass)), "four_eyes");
    assert_eq!(in_a_word(&scenario.ask(&world, 1, 1, &Request::Abort)), "free");
    assert_eq!(in_a_word(&scenario.ask(&world, 3, 1, &claim(true))), "take over");
}

/// Nor by the token of a living one.
#[test]
fn an_author_does_not_complete_the_review_by_its_token() {
    let scenario = Scenario::new(
        "",
        "build review:build!build",
        &[HERE, HERE],
        &[Agent::explicit("builder", 0).with_token_of(1), Agent::explicit("rev", 1)],
    );
    let pass = hand_in(None, Verdict::Pass);
    let world = scenario.after(&[
        asks(0, 0, claim(false)),
        asks(0, 0, pass.clone()),
        asks(1, 1, claim(false)),
    ]);
    assert_eq!(in_a_word(&scenario.ask(&world, 0, 1, &pass)), "four_eyes");
    assert_eq!(in_a_word(&scenario.ask(&world, 0, 1, &claim(false))), "four_eyes");
    assert_eq!(in_a_word(&scenario.ask(&world, 1, 1, &claim(false))), "renew");
    assert_eq!(in_a_word(&scenario.ask(&world, 1, 1, &pass)), "complete");
}

/// Who presents the token of a dead process's claim, and is told that it is its own, must not be
/// robbed as if it were dead too.
#[test]
fn a_token_makes_the_claim_of_a_dead_process_ones_own() {
    let scenario = Scenario::new(
        "",
        "a",
        &[HERE, HERE],
        &[Agent::explicit("ada", 0), Agent::detected("job", 1).with_token_of(0)],
    );
    let world = scenario.after(&[asks(0, 0, claim(false)), Event::Dies(0), Event::TimePasses]);
    assert_eq!(in_a_word(&scenario.ask(&world, 1, 0, &claim(false))), "take over");
    let world = scenario.after(&[
        asks(0, 0, claim(false)),
        Event::Dies(0),
        asks(1, 0, claim(false)),
        Event::TimePasses,
    ]);
    assert_eq!(in_a_word(&scenario.ask(&world, 2, 0, &claim(true))), "claimed");
    assert_eq!(in_a_word(&scenario.ask(&world, 1, 0, &hand_in(None, Verdict::Pass))), "complete");
}

/// A lock of an old layout can only be freed, so it is nobody's to list as held.
#[test]
fn an_old_layouts_lock_is_not_held_by_its_namesake() {
    let scenario = Scenario::new(
        "",
        "a",
        &[HERE, HERE],
        &[Agent::script("ada", 0), Agent::explicit("ada", 1)],
    );
    let plain = Event::ScriptClaims { agent: 0, phase: 0, plain: true };
    let world = scenario.after(&[plain, Event::Dies(0)]);
    assert_eq!(in_a_word(&scenario.ask(&world, 1, 0, &Request::Abort)), "not_owner");
    assert!(scenario.with_facts(&world, 1, decide::mine).is_empty());
}

/// What is ready is not for its author; what that opens may be.
#[test]
fn not_for_you_is_not_for_ever() {
    let scenario = Scenario::new(
        "",
        "build review:build!build ship:review",
        &[HERE, HERE],
        &[Agent::explicit("builder", 0), Agent::explicit("rev", 1)],
    );
    let pass = hand_in(None, Verdict::Pass);
    let mut events = vec![asks(0, 0, claim(false)), asks(0, 0, pass.clone())];
    let refused = scenario.with_facts(&scenario.after(&events), 0, next::next);
    assert_eq!(refused.as_ref().map_err(Refusal::code), Err("not_for_you"));
    // Nobody else has been seen, so it is told to stop; that is no promise that nothing opens.
    assert_eq!(refused.map_err(|refusal| refusal.retry()), Err(Retry::Never));
    events.extend([asks(1, 1, claim(false)), asks(1, 1, pass)]);
    let opened = scenario.with_facts(&scenario.after(&events), 0, next::next);
    assert_eq!(opened, Ok(vec![scenario.phases[2]]));
}
