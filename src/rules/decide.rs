//! Who may do what: a board, a request and the facts give a change or a refusal.
//!
//! This is the one function through which every change of a phase goes. The store reads a board,
//! asks here, carries the change out by one rename, and asks again when that rename found the world
//! changed. A test walks every reachable state of small sprints through it.

use super::attempts::{exhausted, is_moved, is_spent};
use super::board::{Board, LiveClaim, Standing, State};
use super::graph::PhaseId;
use super::identity::{Life, Me, Relation, is_here, may_be_completer, relation};
use super::others::{ClaimedPhase, OwnerFacts};
use super::reasons::Wait;
use super::refusal::Refusal;
use super::request::{Change, Facts, Request};
use super::transition::{Denial, Place, Sight, transition};
use crate::record::ledger::Seen;
use crate::record::{Claim, Done};

/// Decides on one phase.
///
/// # Errors
/// The rule that says no, with its facts.
pub fn decide(
    board: &Board,
    id: PhaseId,
    request: &Request,
    facts: Facts<'_>,
) -> Result<Change, Refusal> {
    let question = Question { board, id, request, facts };
    transition(request, &question).map_err(|denial| match (request, question.refusal(denial)) {
        (Request::Claim { .. }, refusal) => behind_the_dead(board, id, refusal, facts),
        (_, refusal) => refusal,
    })
}

/// The facts about `id` that only the asker's machine knows, as an event of a ledger names them:
/// how the asker stands to the claim or the completion, and which phases that `not_by` names it may
/// have completed.
#[must_use]
pub fn facts_of(board: &Board, id: PhaseId, facts: Facts<'_>) -> (Seen, Vec<String>) {
    let question = Question { board, id, request: &Request::Abort, facts };
    let mut seen = Seen { taken: question.was_taken(), ..Seen::default() };
    match board.state(id) {
        State::Pending => {}
        State::Done(done) => seen.mine = completed_by(facts.me, done, board.completer(id)),
        State::Claimed(hold) => {
            let relation = question.relation();
            seen.mine = relation.is_mine();
            seen.from_before = relation == Relation::MineFromBefore;
            seen.elsewhere = elsewhere(facts.me, hold);
            seen.stale = question.is_stale();
            seen.left = question.is_left();
            seen.moved = question.is_moved();
        }
    }
    let completed =
        board.graph.phase(id).not_by.iter().filter(|other| match board.state(**other) {
            State::Done(done) => may_be_completer(facts.me, done),
            State::Pending | State::Claimed(_) => false,
        });
    (seen, completed.map(|other| board.graph.phase(*other).name.clone()).collect())
}

/// What is asked of one phase, and by whom.
struct Question<'a> {
    board: &'a Board,
    id: PhaseId,
    request: &'a Request,
    facts: Facts<'a>,
}

impl<'a> Question<'a> {
    fn state(&self) -> &'a State {
        self.board.state(self.id)
    }

    /// The claim that stands; what is asked of it is `false` where there is none.
    fn hold(&self) -> Option<&'a LiveClaim> {
        match self.state() {
            State::Claimed(hold) => Some(hold),
            State::Pending | State::Done(_) => None,
        }
    }

    fn of_hold(&self, holds: impl FnOnce(&LiveClaim) -> bool) -> bool {
        self.hold().is_some_and(holds)
    }

    /// A denial with the facts that a reader needs.
    fn refusal(&self, denial: Denial) -> Refusal {
        let Self { board, id, facts, .. } = *self;
        let phase = || board.graph.phase(id).name.clone();
        let told = if denial == Denial::Exhausted {
            exhausted(board, id, facts)
        } else if denial == Denial::FourEyes {
            four_eyes(board, id, facts.me)
        } else {
            None
        };
        if let Some(refusal) = told {
            return refusal;
        }
        match (denial, self.state()) {
            (Denial::Blocked, _) => blocked(board, id, board.waits_for(id)),
            (_, State::Done(done)) => Refusal::done(&board.graph.phase(id).name, done),
            (Denial::Claimed { same_agent }, State::Claimed(hold)) => Refusal::Claimed {
                phase: phase(),
                holder: if same_agent { facts.holder(hold) } else { facts.other(hold) },
                same_agent,
                legacy_lock: hold.legacy_lock,
            },
            (Denial::Alive, State::Claimed(hold)) => Refusal::Alive {
                phase: phase(),
                holder: facts.holder(hold),
                same_agent: is_mine(facts.me, hold),
            },
            (Denial::Lost, State::Claimed(hold)) => lost(phase(), hold, facts.is_left(hold)),
            (Denial::Lost, _) => Refusal::Lost { phase: phase(), holder: None, ended_sprint: None },
            (_, State::Claimed(hold)) => Refusal::NotOwner {
                phase: phase(),
                holder: OwnerFacts::seen_by(facts.me, hold, facts.is_left(hold)),
            },
            (_, State::Pending) => Refusal::NotClaimed { phase: phase() },
        }
    }
}

impl Sight for Question<'_> {
    fn place(&self) -> Place {
        match self.state() {
            State::Pending => Place::Pending,
            State::Claimed(_) => Place::Claimed,
            State::Done(_) => Place::Done,
        }
    }

    fn is_blocked(&self) -> bool {
        !self.board.waits_for(self.id).is_empty()
    }

    fn may_be_completer(&self) -> bool {
        completed_before(self.board, self.id, self.facts.me).is_some()
    }

    fn is_exhausted(&self) -> bool {
        exhausted(self.board, self.id, self.facts).is_some()
    }

    fn relation(&self) -> Relation {
        self.hold().map_or(Relation::Other, |hold| relation(self.facts.me, &hold.claim, hold.life))
    }

    fn only_unstuck(&self) -> bool {
        self.of_hold(|hold| hold.legacy_lock)
    }

    fn is_elsewhere(&self) -> bool {
        self.of_hold(|hold| elsewhere(self.facts.me, hold))
    }

    fn has_token(&self) -> bool {
        self.of_hold(|hold| hold.claim.token.is_some())
    }

    fn is_spent(&self) -> bool {
        self.of_hold(|hold| is_spent(self.board, self.id, hold, self.facts))
    }

    fn is_stale(&self) -> bool {
        self.of_hold(|hold| hold.is_stale(self.facts.now, self.facts.stale_after))
    }

    fn is_left(&self) -> bool {
        self.of_hold(|hold| self.facts.is_left(hold))
    }

    fn is_moved(&self) -> bool {
        self.of_hold(|hold| is_moved(hold, self.facts.me))
    }

    fn was_taken(&self) -> bool {
        match self.state() {
            State::Pending => was_freed(self.board, self.id, self.facts.me),
            State::Claimed(hold) => was_taken_from(self.facts.me, hold),
            State::Done(_) => false,
        }
    }

    fn is_confirmed(&self) -> bool {
        let (State::Done(done), Request::Complete { artifact, verdict }) =
            (self.state(), self.request)
        else {
            return false;
        };
        let same = artifact.is_none() || *artifact == done.artifact_sha256;
        let completer = || self.board.completer(self.id);
        same && *verdict == done.verdict && completed_by(self.facts.me, done, completer())
    }
}

/// The first phase among `ids` whose owner is provably dead, and that the asker may take over now.
pub(super) fn dead_owner(
    board: &Board,
    facts: Facts<'_>,
    ids: impl IntoIterator<Item = PhaseId>,
) -> Option<ClaimedPhase> {
    ids.into_iter().find_map(|id| {
        let State::Claimed(hold) = board.state(id) else { return None };
        let is_free = hold.life == Life::Dead && !hold.legacy_lock && !is_mine(facts.me, hold);
        (is_free && may_claim(board, id, facts)).then(|| ClaimedPhase {
            phase: board.graph.phase(id).name.clone(),
            holder: facts.holder(hold),
            mine: false,
            handover: board.graph.phase(id).handover(),
            opens_at: hold.opens_at(facts.stale_after),
        })
    })
}

/// `refusal` of `id`, naming the phase whose dead owner keeps it closed.
pub(super) fn behind_the_dead(
    board: &Board,
    id: PhaseId,
    refusal: Refusal,
    facts: Facts<'_>,
) -> Refusal {
    if let Refusal::Blocked { phase, waits_for, .. } = refusal {
        let dead = dead_owner(board, facts, board.graph.ancestors(id)).map(Box::new);
        return Refusal::Blocked { phase, waits_for, dead };
    }
    refusal
}

/// Whether the owner works in another worktree and is not known dead.
fn elsewhere(me: &Me, hold: &LiveClaim) -> bool {
    hold.life != Life::Dead
        && hold.claim.worktree.is_some()
        && me.worktree.is_some()
        && !is_here(me, &hold.claim)
}

/// Whether the asker could take over `id` from an owner that is dead.
fn may_claim(board: &Board, id: PhaseId, facts: Facts<'_>) -> bool {
    let request = &Request::Claim { takeover: true };
    transition(request, &Question { board, id, request, facts }).is_ok()
}

/// Whether all that `id` waits for has passed.
pub(super) fn check_dependencies(board: &Board, id: PhaseId) -> Result<(), Refusal> {
    let waits_for = board.waits_for(id);
    if waits_for.is_empty() { Ok(()) } else { Err(blocked(board, id, waits_for)) }
}

fn blocked(board: &Board, id: PhaseId, waits_for: Vec<PhaseId>) -> Refusal {
    let wait = |dep: PhaseId| {
        let (state, agent) = match board.state(dep) {
            State::Pending => ("pending", None),
            State::Claimed(hold) => ("claimed", Some(hold.claim.agent.clone())),
            State::Done(done) => ("failed", Some(done.agent.clone())),
        };
        Wait { phase: board.graph.phase(dep).name.clone(), state, agent }
    };
    Refusal::Blocked {
        phase: board.graph.phase(id).name.clone(),
        waits_for: waits_for.into_iter().map(wait).collect(),
        dead: None,
    }
}

/// `not_by`: whoever completed the one must not own the other, by name, recorded process and
/// session.
///
/// # Errors
/// `four_eyes`.
pub fn check_four_eyes(board: &Board, id: PhaseId, me: &Me) -> Result<(), Refusal> {
    four_eyes(board, id, me).map_or(Ok(()), Err)
}

fn four_eyes(board: &Board, id: PhaseId, me: &Me) -> Option<Refusal> {
    let (other, done) = completed_before(board, id, me)?;
    Some(Refusal::FourEyes {
        phase: board.graph.phase(id).name.clone(),
        other: board.graph.phase(other).name.clone(),
        agent: done.agent.clone(),
    })
}

/// The first phase that `not_by` of `id` names and that the asker may have completed.
fn completed_before<'b>(board: &'b Board, id: PhaseId, me: &Me) -> Option<(PhaseId, &'b Done)> {
    board.graph.phase(id).not_by.iter().find_map(|&other| match board.state(other) {
        State::Done(done) if may_be_completer(me, done) => Some((other, done)),
        State::Done(_) | State::Pending | State::Claimed(_) => None,
    })
}

/// Whether the asker completed `id`: the completer's claim would be the asker's. Who completed it
/// may have been started again since; but another process of its name that lives is another agent.
pub(super) fn completed_by(me: &Me, done: &Done, completer: Life) -> bool {
    relation(me, &done.claim(), completer).is_mine()
}

/// Whether the asker could complete or give up what `hold` is of.
pub(super) fn is_mine(me: &Me, hold: &LiveClaim) -> bool {
    !hold.legacy_lock && relation(me, &hold.claim, hold.life).is_mine()
}

/// Whether `hold` was taken over from the asker.
pub(super) fn was_taken_from(me: &Me, hold: &LiveClaim) -> bool {
    hold.former.iter().any(|former: &Claim| relation(me, former, Life::Dead).is_mine())
}

/// Whether the asker owns `hold`; else that it never did, or that it has lost it.
/// `left` says whether the owner's claim may be taken over.
pub(super) fn owned(name: &str, hold: &LiveClaim, me: &Me, left: bool) -> Result<(), Refusal> {
    if is_mine(me, hold) {
        return Ok(());
    }
    if was_taken_from(me, hold) {
        return Err(lost(name.to_owned(), hold, left));
    }
    Err(Refusal::NotOwner { phase: name.to_owned(), holder: OwnerFacts::seen_by(me, hold, left) })
}

fn lost(phase: String, hold: &LiveClaim, left: bool) -> Refusal {
    Refusal::Lost { phase, holder: Some(OwnerFacts::of(hold, left)), ended_sprint: None }
}

/// Whether the asker's last attempt at `id`, as far as a name tells whose it was, was ended by
/// another.
fn was_freed(board: &Board, id: PhaseId, me: &Me) -> bool {
    let mine = board.past(id).iter().rev().find(|attempt| attempt.agent == me.name);
    mine.is_some_and(|attempt| attempt.how != super::attempts::ABORT && attempt.by != me.name)
}

/// The phases that the asker holds, and could give up.
#[must_use]
pub fn mine(board: &Board, facts: Facts<'_>) -> Vec<PhaseId> {
    let held = |id: &PhaseId| match board.state(*id) {
        State::Claimed(hold) => is_mine(facts.me, hold),
        State::Pending | State::Done(_) => false,
    };
    board.graph.ids().filter(held).collect()
}

/// Whether the asker knows of this sprint: it began it, or has claimed or completed something in
/// it. Then a former sprint's claims say nothing about what it may do here.
#[must_use]
pub fn takes_part(board: &Board, me: &Me) -> bool {
    let own = |id: PhaseId| match board.state(id) {
        State::Pending => false,
        State::Claimed(hold) => is_mine(me, hold),
        State::Done(done) => completed_by(me, done, board.completer(id)),
    };
    board.sprint.started_by == me.name || board.graph.ids().any(own)
}

/// Whether the sprint may be ended, for good or for a new one: no other agent's claim is live.
///
/// # Errors
/// Whose claims stand in the way.
pub fn may_end(board: &Board, facts: Facts<'_>, starting: bool) -> Result<(), Refusal> {
    let mut claims = Vec::new();
    for id in board.graph.ids() {
        if let State::Claimed(hold) = board.state(id)
            && hold.life != Life::Dead
            && !relation(facts.me, &hold.claim, hold.life).is_mine()
        {
            claims.push(ClaimedPhase {
                phase: board.graph.phase(id).name.clone(),
                holder: facts.holder(hold),
                mine: false,
                handover: board.graph.phase(id).handover(),
                opens_at: None,
            });
        }
    }
    if claims.is_empty() { Ok(()) } else { Err(Refusal::LiveClaims { claims, starting }) }
}

/// Whether the asker may put a new sprint in the place of this one. A sprint of which some phases
/// are done and others are not is for who took part in it, and for people, to end.
///
/// # Errors
/// How far it is, and whose it is.
pub fn may_supersede(board: &Board, me: &Me) -> Result<(), Refusal> {
    let done = board.done_count();
    let underway = board.standing() == Standing::Active && done > 0;
    let tried = |id: PhaseId| board.past(id).iter().any(|attempt| attempt.agent == me.name);
    if !underway || me.person || takes_part(board, me) || board.graph.ids().any(tried) {
        return Ok(());
    }
    let started_by = board.sprint.started_by.clone();
    let mut agents: Vec<String> = Vec::new();
    for id in board.graph.ids() {
        let past = board.past(id).iter().map(|attempt| &attempt.agent);
        let present = match board.state(id) {
            State::Pending => None,
            State::Claimed(hold) => Some(&hold.claim.agent),
            State::Done(done) => Some(&done.agent),
        };
        for agent in past.chain(present) {
            if !agent.is_empty() && *agent != started_by && !agents.contains(agent) {
                agents.push(agent.clone());
            }
        }
    }
    Err(Refusal::Underway {
        sprint_id: board.sprint.sprint_id.clone(),
        goal: board.sprint.goal.clone(),
        done,
        phases: board.graph.count(),
        started_by,
        agents,
    })
}

#[cfg(test)]
mod tests {
    use super::super::spec;
    use super::*;
    use crate::record::{Attempt, Sprint};
    use crate::rules::graph::{Graph, Names};

    /// A sprint that ann began; `plan` is done by bob, `build` was given up by cyd.
    fn board() -> Board {
        let entries = spec::parse_list("plan,build,ship").unwrap();
        let sprint = serde_json::json!({"sprint_id": "s", "started_by": "ann", "phases": entries});
        let sprint: Sprint = serde_json::from_value(sprint).unwrap();
        let mut board = Board::new(sprint, Graph::new(&entries, Names::New).unwrap());
        let id = |name| board.graph.find(name).unwrap();
        let (plan, build) = (id("plan"), id("build"));
        let agent = "bob".to_owned();
        board.set(plan, State::Done(Done { agent, explicit: true, v: 1, ..Done::default() }));
        board.set_past(build, vec![Attempt { agent: "cyd".to_owned(), ..Attempt::default() }]);
        board
    }

    #[test]
    fn who_may_begin_another_sprint() {
        let mut board = board();
        let may = |board: &Board, name: &str, person: bool| {
            let me = Me { name: name.to_owned(), explicit: true, person, ..Me::default() };
            may_supersede(board, &me)
        };
        for name in ["ann", "bob", "cyd"] {
            assert_eq!(may(&board, name, false), Ok(()), "{name}");
        }
        assert_eq!(may(&board, "eve", true), Ok(()));
        let refused = Refusal::Underway {
            sprint_id: "s".to_owned(),
            goal: None,
            done: 1,
            phases: 3,
            started_by: "ann".to_owned(),
            agents: vec!["bob".to_owned(), "cyd".to_owned()],
        };
        assert_eq!(may(&board, "eve", false), Err(refused));
        // Where nothing is done, or everything, there is nothing of others to end.
        let done = board.state(board.graph.find("plan").unwrap()).clone();
        for id in board.graph.ids() {
            board.set(id, done.clone());
        }
        assert_eq!(may(&board, "eve", false), Ok(()));
        for id in board.graph.ids() {
            board.set(id, State::Pending);
        }
        assert_eq!(may(&board, "eve", false), Ok(()));
    }
}
