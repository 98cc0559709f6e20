//! A world: what is on the board, and which processes live.
//!
//! Tokens and incarnations are numbers. They are renumbered in the order in which the board has
//! them, so that worlds that differ in nothing else are one, and the walk ends.

use std::collections::BTreeSet;

use git_conductor::record::Verdict;

use super::agents::Naming;
use super::sprint::Scenario;

/// One agent in one incarnation of its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Author {
    pub(super) agent: usize,
    pub(super) incarnation: usize,
}

/// How long ago a claim was made and heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Age {
    Fresh,
    /// Made long ago, and renewed lately.
    Renewed,
    /// Made long ago, and seen lately by a command of its owner.
    Heard,
    Old,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Ours,
    /// A script's bare record.
    Script,
    /// A plain file, as an old layout had it.
    Plain,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Held {
    pub(super) kind: Kind,
    pub(super) by: Author,
    pub(super) token: Option<usize>,
    pub(super) age: Age,
    pub(super) worktree: &'static str,
    /// Whose it was before it was taken over, and the token of then.
    pub(super) former: Option<(Author, Option<usize>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Finished {
    /// `None` if the record is empty.
    pub(super) by: Option<Author>,
    pub(super) script: bool,
    /// Slot and incarnation of the process that is recorded.
    pub(super) process: Option<(usize, usize)>,
    pub(super) token: Option<usize>,
    pub(super) artifact: Option<&'static str>,
    pub(super) verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Pending,
    Held(Held),
    Done(Finished),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    /// For each slot the present incarnation, and whether it lives.
    pub(super) processes: Vec<(usize, bool)>,
    /// For each agent whether it has ended, although its process, which is not its own, may live.
    pub(super) ended: Vec<bool>,
    /// For each agent the token it was last granted, if anyone presents it.
    pub(super) granted: Vec<Option<usize>>,
    pub(super) places: Vec<Place>,
    /// How many attempts at each phase have failed, where that is limited.
    pub(super) tried: Vec<u64>,
}

/// A token that nothing on the board carries any more.
const GONE: usize = 0;
/// A token that was just made; renumbered at once.
pub(super) const NEW: usize = 99;

impl World {
    pub(super) fn held(&self, phase: usize) -> Option<&Held> {
        match &self.places[phase] {
            Place::Held(held) => Some(held),
            Place::Pending | Place::Done(_) => None,
        }
    }

    pub(super) fn is_done(&self, phase: usize, as_what: Verdict) -> bool {
        matches!(&self.places[phase], Place::Done(done) if done.verdict == as_what)
    }

    /// Time passes, in which nobody renews.
    pub(super) fn grow_old(&mut self) {
        for place in &mut self.places {
            if let Place::Held(held) = place {
                held.age = Age::Old;
            }
        }
    }
}

impl Scenario {
    pub(super) fn start(&self) -> World {
        World {
            processes: vec![(0, true); self.slots.len()],
            ended: vec![false; self.agents.len()],
            granted: vec![None; self.agents.len()],
            places: vec![Place::Pending; self.phases.len()],
            tried: vec![0; self.phases.len()],
        }
    }

    pub(super) fn name_of(&self, by: Author) -> String {
        let agent = &self.agents[by.agent];
        match (agent.naming, agent.process) {
            (Naming::Explicit(name), _) => name.to_owned(),
            (Naming::Session(id), _) => format!("claude-{id}"),
            (Naming::Thread(id), _) => format!("codex-{id}"),
            (Naming::Process(family), Some(slot)) => format!("{family}-{slot}{}", by.incarnation),
            (Naming::Process(family), None) => format!("{family}-x"),
        }
    }

    pub(super) fn process_of(&self, by: Author) -> Option<(usize, usize)> {
        self.agents[by.agent].process.map(|slot| (slot, by.incarnation))
    }

    /// An agent as what it is now.
    pub(super) fn present(&self, world: &World, agent: usize) -> Author {
        let incarnation = self.agents[agent].process.map_or(0, |slot| world.processes[slot].0);
        Author { agent, incarnation }
    }

    /// Whether a process really lives.
    pub(super) fn lives(world: &World, process: Option<(usize, usize)>) -> bool {
        process.is_some_and(|(slot, incarnation)| world.processes[slot] == (incarnation, true))
    }

    /// Whether an agent is there to ask: it has not ended, and neither has its process or its
    /// script.
    pub(super) fn is_there(&self, world: &World, agent: usize) -> bool {
        let lives = |slot: Option<usize>| slot.is_none_or(|slot| world.processes[slot].1);
        let (process, via) = (self.agents[agent].process, self.agents[agent].via);
        !world.ended[agent] && lives(process) && lives(via)
    }

    /// The dependencies of a phase that have not passed.
    pub(super) fn waits_for(&self, world: &World, phase: usize) -> Vec<usize> {
        let deps = &self.graph.phase(self.phases[phase]).depends_on;
        deps.iter()
            .map(|dep| dep.index())
            .filter(|dep| !world.is_done(*dep, Verdict::Pass))
            .collect()
    }

    /// Renumbers tokens and incarnations in the order in which the board has them.
    pub(super) fn normalise(&self, world: &mut World) {
        let mut numbers: Vec<usize> = Vec::new();
        let mut renumber = |token: &mut Option<usize>| {
            if let Some(number) = token {
                let known = numbers.iter().position(|seen| seen == number);
                *number = 1 + known.unwrap_or_else(|| {
                    numbers.push(*number);
                    numbers.len() - 1
                });
            }
        };
        let mut incarnations: Vec<BTreeSet<usize>> =
            world.processes.iter().map(|(now, _)| BTreeSet::from([*now])).collect();
        for place in &mut world.places {
            match place {
                Place::Pending => {}
                Place::Held(held) => {
                    renumber(&mut held.token);
                    if !self.remembers {
                        held.former = None;
                    }
                    if let Some((_, token)) = &mut held.former {
                        renumber(token);
                    }
                }
                Place::Done(done) => renumber(&mut done.token),
            }
        }
        for (agent, granted) in world.granted.iter_mut().enumerate() {
            if !self.agents.iter().any(|other| other.token_of == Some(agent)) {
                *granted = None;
            } else if let Some(number) = granted {
                *number = numbers.iter().position(|seen| seen == number).map_or(GONE, |at| at + 1);
            }
        }
        each_incarnation(self, world, |slot, incarnation| {
            incarnations[slot].insert(*incarnation);
        });
        let rank = |slot: usize, incarnation: usize| {
            incarnations[slot].iter().position(|seen| *seen == incarnation).unwrap_or(0)
        };
        each_incarnation(self, world, |slot, incarnation| *incarnation = rank(slot, *incarnation));
        for (slot, (now, _)) in world.processes.iter_mut().enumerate() {
            *now = rank(slot, *now);
        }
    }
}

/// Visits every mention of an incarnation on the board, with the slot it is one of.
fn each_incarnation(
    scenario: &Scenario,
    world: &mut World,
    mut visit: impl FnMut(usize, &mut usize),
) {
    let author = |by: &mut Author, visit: &mut dyn FnMut(usize, &mut usize)| {
        if let Some(slot) = scenario.agents[by.agent].process {
            visit(slot, &mut by.incarnation);
        }
    };
    for place in &mut world.places {
        match place {
            Place::Pending => {}
            Place::Held(held) => {
                author(&mut held.by, &mut visit);
                if let Some((by, _)) = &mut held.former {
                    author(by, &mut visit);
                }
            }
            Place::Done(done) => {
                if let Some(by) = &mut done.by {
                    author(by, &mut visit);
                }
                if let Some((slot, incarnation)) = &mut done.process {
                    visit(*slot, incarnation);
                }
            }
        }
    }
}
