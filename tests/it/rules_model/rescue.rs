//! No sprint is wedged: when everybody has left, strangers can finish it.

use git_conductor::record::Verdict;
use git_conductor::rules::PhaseId;
use git_conductor::rules::identity::Life;
use git_conductor::rules::request::Request;

use super::board::facts;
use super::checks::Check;
use super::explore::Walk;
use super::sprint::{claim, hand_in};
use super::world::{Finished, Kind, Place, World};

/// How strangers finish a sprint that everybody has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rescue {
    /// By what `claim` and `unstuck` grant.
    Plain,
    /// Only by force; needed, if nothing can be known of an owner.
    Force { needed: bool },
    /// Not at all: the author of what is to be checked cannot be known.
    Nobody,
    /// Not at all.
    Wedged,
}

impl Walk<'_> {
    /// When everybody has died and time has passed, strangers finish the sprint: one for each
    /// phase, by what `claim` grants, and by force only where nothing can be known of an owner.
    pub(super) fn check_rescue(&mut self, at: usize, world: &World) {
        let scenario = self.scenario;
        let fails = |phase: &PhaseId| world.is_done(phase.index(), Verdict::Fail);
        if scenario.graph.ids().any(|id| scenario.graph.phase(id).depends_on.iter().any(fails)) {
            return;
        }
        let mut deserted = world.clone();
        let walking = scenario.slots.len() - scenario.phases.len();
        // Processes that are not their own may live on, and prove nothing.
        for (slot, process) in deserted.processes.iter_mut().enumerate().take(walking) {
            process.1 &= scenario.agents.iter().any(|a| a.shares && a.process == Some(slot));
        }
        deserted.ended.iter_mut().zip(&scenario.agents).for_each(|(ended, a)| *ended = a.shares);
        deserted.grow_old();
        for place in &mut deserted.places {
            if let Place::Held(held) = place {
                held.former = None;
            }
        }
        deserted.granted.fill(None);
        scenario.normalise(&mut deserted);
        let known = self.rescues.get(&deserted).copied();
        let rescue = known.unwrap_or_else(|| self.rescue(&deserted));
        self.rescues.insert(deserted, rescue);
        match rescue {
            Rescue::Plain => {}
            Rescue::Force { needed: true } => self.report.by_force += 1,
            Rescue::Nobody => self.report.by_nobody += 1,
            Rescue::Force { needed: false } | Rescue::Wedged => {
                self.check(Check::NotWedged, at, false, || format!("{rescue:?}"));
            }
        }
    }

    fn rescue(&self, deserted: &World) -> Rescue {
        let scenario = self.scenario;
        let mut world = deserted.clone();
        let mut forced = false;
        let needed = world.places.iter().enumerate().any(|(phase, place)| match place {
            Place::Held(held) => {
                let stranger = scenario.present(&world, scenario.walkers + phase);
                held.kind == Kind::Plain
                    || (scenario.seen(&world, stranger, held.by) != Life::Dead
                        && !scenario.is_silent(held))
            }
            Place::Pending | Place::Done(_) => false,
        }) || (0..world.places.len()).any(|phase| {
            !matches!(world.places[phase], Place::Done(_)) && scenario.exhausted(&world, phase)
        });
        let left = |world: &World| -> Vec<usize> {
            let open = |phase: &usize| !matches!(world.places[*phase], Place::Done(_));
            (0..scenario.phases.len()).filter(open).collect()
        };
        let ask = |world: &World, phase: usize, request: &Request| {
            let stranger = scenario.present(world, scenario.walkers + phase);
            let me = scenario.me(world, stranger, "/repo");
            let board = scenario.board(world, stranger);
            let change =
                (self.rules.decide)(&board, scenario.phases[phase], request, facts(&me)).ok()?;
            scenario.apply(world, stranger, "/repo", phase, (request, change))
        };
        for _ in 0..4 * scenario.phases.len() {
            let unstuck = |force| {
                let freed = |phase| ask(&world, phase, &Request::Unstuck { force });
                left(&world).into_iter().find_map(freed)
            };
            let finished = left(&world).into_iter().find_map(|phase| {
                let claimed = ask(&world, phase, &claim(false))?;
                ask(&claimed, phase, &hand_in(None, Verdict::Pass))
            });
            if let Some(after) = finished.or_else(|| unstuck(false)) {
                world = after;
            } else if let Some(after) = unstuck(true) {
                forced = true;
                world = after;
            } else {
                break;
            }
        }
        // Who wrote what they check cannot be known, and so nobody may.
        let unknown = |phase: &usize| {
            let anyones = |other: &PhaseId| {
                matches!(world.places[other.index()], Place::Done(Finished { by: None, .. }))
            };
            scenario.graph.phase(scenario.phases[*phase]).not_by.iter().any(anyones)
        };
        let nobodys =
            |phase: &usize| unknown(phase) || !scenario.waits_for(&world, *phase).is_empty();
        match left(&world) {
            left if left.is_empty() && forced => Rescue::Force { needed },
            left if left.is_empty() => Rescue::Plain,
            left if left.iter().all(nobodys) && left.first().is_some_and(unknown) => Rescue::Nobody,
            _ => Rescue::Wedged,
        }
    }
}
