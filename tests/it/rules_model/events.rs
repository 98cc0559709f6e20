//! What happens in a world: what the rules have granted, carried out as the store would, and all
//! that happens without anyone's asking them.

use git_conductor::record::Verdict;
use git_conductor::rules::request::{Change, Request};

use super::contract::Kin;
use super::sprint::Scenario;
use super::world::{Age, Author, Finished, Held, Kind, NEW, Place, World};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    Asks {
        agent: usize,
        worktree: &'static str,
        phase: usize,
        request: Request,
    },
    Dies(usize),
    Restarts(usize),
    /// An agent ends below a process that lives on.
    Ends(usize),
    /// A command of the agent sees its claims, and asks for nothing.
    Speaks(usize),
    TimePasses,
    ScriptClaims {
        agent: usize,
        phase: usize,
        plain: bool,
    },
    ScriptFrees {
        phase: usize,
    },
    ScriptCompletes {
        phase: usize,
        empty: bool,
    },
}

fn artifact(sha256: Option<&str>) -> Option<&'static str> {
    match sha256 {
        None => None,
        Some("a") => Some("a"),
        Some(_) => Some("b"),
    }
}

impl Scenario {
    /// Carries a change out as the store does; `None` if there is nothing to carry out.
    pub(super) fn apply(
        &self,
        world: &World,
        asker: Author,
        worktree: &'static str,
        phase: usize,
        (request, change): (&Request, Change),
    ) -> Option<World> {
        let mut after = world.clone();
        let place = after.places[phase];
        let fresh = |former| {
            Place::Held(Held {
                kind: Kind::Ours,
                by: asker,
                token: Some(NEW),
                age: Age::Fresh,
                worktree,
                former,
            })
        };
        after.places[phase] = match (change, place) {
            (Change::Confirm | Change::Nothing, _) => return None,
            (Change::ResetAttempts, place) => place,
            (Change::Renew, Place::Held(held)) => {
                let age = if held.age == Age::Fresh { Age::Fresh } else { Age::Renewed };
                Place::Held(Held { age, ..held })
            }
            (Change::TakeOver, Place::Held(held)) if held.kind == Kind::Ours => {
                fresh(Some((held.by, held.token)))
            }
            (Change::Take | Change::TakeOver | Change::Renew, _) => fresh(None),
            (Change::Free, _) => Place::Pending,
            (Change::Complete, place) => {
                let (token, recorded) = match place {
                    Place::Held(held) if held.kind == Kind::Ours => {
                        (held.token, self.process_of(held.by))
                    }
                    // It gets a name of its own first.
                    Place::Held(_) | Place::Pending | Place::Done(_) => (Some(NEW), None),
                };
                let Request::Complete { artifact: sha256, verdict } = request else { return None };
                Place::Done(Finished {
                    by: Some(asker),
                    script: false,
                    process: recorded.or_else(|| self.process_of(asker)),
                    token,
                    artifact: artifact(sha256.as_deref()),
                    verdict: *verdict,
                })
            }
        };
        if self.graph.phase(self.phases[phase]).max_attempts.is_some() {
            let insists = *request == Request::Unstuck { force: true };
            let fails = match (change, &place) {
                (Change::Free, _) => true,
                (Change::TakeOver, Place::Held(held)) => self.fails(world, asker, held),
                _ => false,
            };
            if insists && self.exhausted(world, phase) {
                after.tried[phase] = 0;
            } else if fails && !self.over(world, phase) {
                after.tried[phase] += 1;
            }
        }
        if matches!(change, Change::Take | Change::TakeOver) {
            after.granted[asker.agent] = Some(NEW);
        }
        self.normalise(&mut after);
        (after != *world).then_some(after)
    }

    /// Whether no more attempts are told apart.
    fn over(&self, world: &World, phase: usize) -> bool {
        self.graph.phase(self.phases[phase]).max_attempts == Some(world.tried[phase])
    }

    /// What happens without anyone's asking the rules.
    pub(super) fn happenings(&self, world: &World) -> Vec<(Event, World)> {
        let mut found = Vec::new();
        let mut add = |event: Event, change: &dyn Fn(&mut World)| {
            let mut after = world.clone();
            change(&mut after);
            self.normalise(&mut after);
            if after != *world {
                found.push((event, after));
            }
        };
        let walking = self.slots.len() - self.phases.len();
        for (slot, &(incarnation, lives)) in world.processes.iter().enumerate().take(walking) {
            if lives {
                add(Event::Dies(slot), &|after| after.processes[slot].1 = false);
            } else if incarnation + 1 < self.incarnations {
                add(Event::Restarts(slot), &|after| {
                    after.processes[slot] = (incarnation + 1, true);
                    for (ended, agent) in after.ended.iter_mut().zip(&self.agents) {
                        *ended &= agent.process != Some(slot);
                    }
                });
            }
        }
        for agent in 0..self.walkers {
            if self.agents[agent].script || !self.is_there(world, agent) {
                continue;
            }
            if self.agents[agent].shares {
                add(Event::Ends(agent), &|after| after.ended[agent] = true);
            }
            let asker = self.present(world, agent);
            add(Event::Speaks(agent), &|after| {
                for place in &mut after.places {
                    if let Place::Held(held) = place
                        && held.kind == Kind::Ours
                        && held.age == Age::Old
                        && self.kin(world, asker, held) != Kin::Other
                    {
                        held.age = Age::Heard;
                    }
                }
            });
        }
        add(Event::TimePasses, &World::grow_old);
        for agent in (0..self.walkers).filter(|agent| self.agents[*agent].script) {
            let by = self.present(world, agent);
            if !Self::lives(world, self.process_of(by)) {
                continue;
            }
            for (phase, place) in world.places.iter().enumerate() {
                match place {
                    Place::Pending if self.waits_for(world, phase).is_empty() => {
                        for plain in [false, true] {
                            let kind = if plain { Kind::Plain } else { Kind::Script };
                            add(Event::ScriptClaims { agent, phase, plain }, &|after| {
                                after.places[phase] = Place::Held(Held {
                                    kind,
                                    by,
                                    token: None,
                                    age: Age::Fresh,
                                    worktree: "",
                                    former: None,
                                });
                            });
                        }
                    }
                    Place::Held(held) if held.kind == Kind::Script && held.by == by => {
                        add(Event::ScriptFrees { phase }, &|after| {
                            after.places[phase] = Place::Pending;
                        });
                        for empty in [false, true] {
                            add(Event::ScriptCompletes { phase, empty }, &|after| {
                                after.places[phase] = Place::Done(Finished {
                                    by: (!empty).then_some(by),
                                    script: true,
                                    process: None,
                                    token: None,
                                    artifact: None,
                                    verdict: Verdict::Pass,
                                });
                            });
                        }
                    }
                    Place::Pending | Place::Held(_) | Place::Done(_) => {}
                }
            }
        }
        found
    }

    /// An event in words.
    pub(super) fn tell(&self, event: &Event) -> String {
        if let Event::Asks { agent, worktree, phase, request } = event {
            format!("agent {agent} in {worktree}: {request:?} {}", self.phase(*phase))
        } else {
            format!("{event:?}")
        }
    }
}
