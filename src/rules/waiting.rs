//! What waiting for a phase can come to: pure, asked again whenever something has changed.

use jiff::{SignedDuration, Timestamp};

use super::attempts::is_exhausted;
use super::board::{Board, State};
use super::decide::{behind_the_dead, dead_owner, decide};
use super::graph::PhaseId;
use super::identity::Life;
use super::next::{holding, next};
use super::prospect::changes_at;
use super::reasons::Wait;
use super::refusal::Refusal;
use super::request::{Facts, Request};
use crate::record::Verdict;

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// That the asker can claim this phase.
    Claimable {
        /// The phase.
        id: PhaseId,
        /// Also from a dead owner whose hour is not over.
        takeover: bool,
    },
    /// That the asker can claim any phase.
    Anything,
    /// That this phase is done, however it ended.
    Done(PhaseId),
}

/// Whether waiting is of use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outlook {
    /// It has come true.
    Now,
    /// Nothing that agents do can make it come true.
    Never(Refusal),
    /// It may come true.
    Later {
        /// Why it is not yet.
        why: Refusal,
        /// When it may come true although nothing happens: a dead owner's claim turns stale then.
        until: Option<Timestamp>,
    },
}

/// How `goal` stands.
#[must_use]
pub fn outlook(board: &Board, goal: Goal, facts: Facts<'_>) -> Outlook {
    match goal {
        Goal::Claimable { id, takeover } => {
            match decide(board, id, &Request::Claim { takeover }, facts) {
                Ok(_) => Outlook::Now,
                Err(refusal) => refused(board, id, refusal, facts),
            }
        }
        Goal::Anything => anything(board, facts),
        Goal::Done(id) => done(board, id, facts),
    }
}

/// Whether what keeps `id` from being claimed can pass.
fn refused(board: &Board, id: PhaseId, refusal: Refusal, facts: Facts<'_>) -> Outlook {
    if matches!(refusal, Refusal::Blocked { .. }) {
        return match dead_end(board, id, facts) {
            Some(refusal) => Outlook::Never(refusal),
            None => later(board, behind_the_dead(board, id, refusal, facts), facts),
        };
    }
    // The owner may complete it, give it up, or die.
    if matches!(refusal, Refusal::Claimed { same_agent: false, .. }) {
        return later(board, refusal, facts);
    }
    Outlook::Never(refusal)
}

fn anything(board: &Board, facts: Facts<'_>) -> Outlook {
    if let Some(refusal) = holding(board, facts) {
        return Outlook::Never(refusal);
    }
    match next(board, facts) {
        Ok(_) => Outlook::Now,
        Err(refusal) => {
            let Some(prospect) = refusal.prospect().filter(|prospect| prospect.waiting_helps)
            else {
                return Outlook::Never(refusal);
            };
            let changes = changes_at(prospect, facts.now);
            let until = [turns_stale(board, facts.now, facts.stale_after), changes];
            let until = until.into_iter().flatten().min();
            Outlook::Later { why: refusal, until }
        }
    }
}

fn done(board: &Board, id: PhaseId, facts: Facts<'_>) -> Outlook {
    if matches!(board.state(id), State::Done(_)) {
        return Outlook::Now;
    }
    if let Some(refusal) = dead_end(board, id, facts) {
        return Outlook::Never(refusal);
    }
    let state = match board.state(id) {
        State::Claimed(hold) => ("claimed", Some(hold.claim.agent.clone())),
        State::Pending | State::Done(_) => ("pending", None),
    };
    let phase = board.graph.phase(id).name.clone();
    let own = std::iter::once(id);
    let dead = dead_owner(board, facts, own.chain(board.graph.ancestors(id))).map(Box::new);
    let why = Refusal::Unfinished { phase, state: state.0, agent: state.1, dead };
    later(board, why, facts)
}

/// The failed and exhausted phases that `id` waits for, directly or not: it does not open unless a
/// person decides so.
fn dead_end(board: &Board, id: PhaseId, facts: Facts<'_>) -> Option<Refusal> {
    let ends = |dep: PhaseId| {
        let (state, agent) = match board.state(dep) {
            State::Done(done) if done.verdict == Verdict::Fail => {
                ("failed", Some(done.agent.clone()))
            }
            State::Pending if is_exhausted(board, dep, facts) => ("exhausted", None),
            State::Done(_) | State::Pending | State::Claimed(_) => return None,
        };
        Some(Wait { phase: board.graph.phase(dep).name.clone(), state, agent })
    };
    let waits_for: Vec<Wait> = board.graph.ancestors(id).into_iter().filter_map(ends).collect();
    let phase = board.graph.phase(id).name.clone();
    (!waits_for.is_empty()).then_some(Refusal::Blocked { phase, waits_for, dead: None })
}

fn later(board: &Board, why: Refusal, facts: Facts<'_>) -> Outlook {
    Outlook::Later { why, until: turns_stale(board, facts.now, facts.stale_after) }
}

/// The next moment at which a dead owner's claim turns stale, whosever it is.
#[must_use]
pub fn turns_stale(
    board: &Board,
    now: Timestamp,
    stale_after: SignedDuration,
) -> Option<Timestamp> {
    let stale = |id: PhaseId| match board.state(id) {
        State::Claimed(hold) if hold.life == Life::Dead => hold.opens_at(stale_after),
        State::Claimed(_) | State::Pending | State::Done(_) => None,
    };
    board.graph.ids().filter_map(stale).filter(|then| *then > now).min()
}

#[cfg(test)]
mod tests {
    use super::super::graph::{Graph, Names};
    use super::super::{LiveClaim, Me, spec};
    use super::*;
    use crate::record::{Claim, Done, Sprint, VERSION};

    const NOW: &str = "2026-11-22T12:00:00Z";

    fn board(list: &str) -> Board {
        let entries = spec::parse_list(list).unwrap();
        let sprint = serde_json::json!({"sprint_id": "s", "phases": entries.clone()});
        let sprint: Sprint = serde_json::from_value(sprint).unwrap();
        Board::new(sprint, Graph::new(&entries, Names::New).unwrap())
    }

    fn done(verdict: Verdict) -> State {
        State::Done(Done { v: VERSION, agent: "bob".into(), verdict, ..Done::default() })
    }

    fn claimed(agent: &str, at: &str, life: Life) -> State {
        let claimed_at = Some(at.parse().unwrap());
        let agent = agent.to_owned();
        let claim = Claim { v: VERSION, agent, explicit: true, claimed_at, ..Claim::default() };
        let (heard, quiet_since) = (claimed_at, claimed_at);
        let former = Vec::new();
        State::Claimed(LiveClaim { claim, life, heard, quiet_since, former, legacy_lock: false })
    }

    /// `now`, `never CODE` or `later CODE`, and until when.
    fn say(board: &Board, goal: Goal) -> String {
        let me = Me { name: "ann".into(), explicit: true, ..Me::default() };
        let facts = Facts {
            me: &me,
            now: NOW.parse().unwrap(),
            stale_after: SignedDuration::from_hours(1),
            max_attempts: None,
        };
        match outlook(board, goal, facts) {
            Outlook::Now => "now".to_owned(),
            Outlook::Never(refusal) => format!("never {}", refusal.code()),
            Outlook::Later { why, until: None } => format!("later {}", why.code()),
            Outlook::Later { why, until: Some(until) } => format!("later {} {until}", why.code()),
        }
    }

    fn all(board: &Board, phase: &str) -> [String; 3] {
        let id = board.graph.find(phase).unwrap();
        let claimable = Goal::Claimable { id, takeover: false };
        [claimable, Goal::Done(id), Goal::Anything].map(|goal| say(board, goal))
    }

    #[test]
    fn what_waits_for_work_waits_and_what_waits_for_a_failure_does_not() {
        let mut board = board("a:,b:a,c:b");
        let id = |board: &Board, name| board.graph.find(name).unwrap();
        let a = id(&board, "a");
        assert_eq!(all(&board, "a"), ["now", "later timed_out", "now"]);
        assert_eq!(all(&board, "c"), ["later blocked", "later timed_out", "now"]);
        board.set(a, claimed("bob", NOW, Life::Alive));
        assert_eq!(all(&board, "a"), ["later claimed", "later timed_out", "later nothing_ready"]);
        assert_eq!(all(&board, "b"), ["later blocked", "later timed_out", "later nothing_ready"]);
        board.set(a, done(Verdict::Pass));
        assert_eq!(all(&board, "a"), ["never done", "now", "now"]);
        board.set(a, done(Verdict::Fail));
        assert_eq!(all(&board, "a"), ["never done", "now", "never nothing_ready"]);
        assert_eq!(all(&board, "c"), ["never blocked", "never blocked", "never nothing_ready"]);
    }

    #[test]
    fn a_dead_owner_is_waited_for_until_its_claim_is_stale() {
        let mut board = board("a:,b:a");
        let a = board.graph.find("a").unwrap();
        board.set(a, claimed("bob", "2026-11-22T11:10:00Z", Life::Dead));
        let until = "2026-11-22T12:10:00Z";
        assert_eq!(say(&board, Goal::Anything), format!("later nothing_ready {until}"));
        let claim = |takeover| say(&board, Goal::Claimable { id: a, takeover });
        assert_eq!(claim(false), format!("later claimed {until}"));
        assert_eq!(claim(true), "now");
    }

    #[test]
    fn ones_own_is_not_waited_for() {
        let mut board = board("a:,b:a");
        let a = board.graph.find("a").unwrap();
        board.set(a, claimed("ann", NOW, Life::Dead));
        assert_eq!(
            all(&board, "a"),
            ["now", "later timed_out 2026-11-22T13:00:00Z", "never holding"]
        );
        for phase in ["a", "b"] {
            let id = board.graph.find(phase).unwrap();
            board.set(id, done(Verdict::Pass));
        }
        assert_eq!(all(&board, "b"), ["never done", "now", "never finished"]);
    }
}
