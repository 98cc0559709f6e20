//! The same walk, asked of a ledger: in every world that can be reached, the rules of a shared board
//! answer a member's own agents as those of one machine do, and give another member nothing that
//! only an owner may have.

use std::sync::atomic::{AtomicUsize, Ordering};

use git_conductor::record::ledger::{
    Agent, Completion, Deed, Ended, Held, LedgerBoard, LedgerEvent, Member, PhaseState, Pinned,
    RULES, Seen, Stamp,
};
use git_conductor::record::{PhaseEntry, Rest, Token};
use git_conductor::rules::attempts;
use git_conductor::rules::request::{Change, Facts, Request};
use git_conductor::rules::shared::{Denied, Shared, apply, change};
use git_conductor::rules::transition::Denial;
use git_conductor::rules::{Board, PhaseId, Refusal, State, decide};
use jiff::Timestamp;

use super::explore::Answer;

/// How many answers were compared: a world with a script's lock has none.
pub(super) static COMPARED: AtomicUsize = AtomicUsize::new(0);

const OURS: &str = "ours";
const THEIRS: &str = "theirs";

fn nonce(byte: u8) -> Token {
    Token::from_bytes([byte; 16])
}

fn agent(name: &str) -> Agent {
    Agent { member: OURS.to_owned(), agent: name.to_owned(), person: false }
}

/// The board as a ledger would have it, with every agent in one clone; `None` where it has what no
/// ledger has: a script's lock.
fn shared(board: &Board) -> Option<Shared> {
    let mut phases = Vec::new();
    let mut graph = Vec::new();
    for id in board.graph.ids() {
        let phase = board.graph.phase(id);
        let name = |id: &PhaseId| board.graph.phase(*id).name.clone();
        graph.push(PhaseEntry {
            name: phase.name.clone(),
            depends_on: phase.depends_on.iter().map(name).collect(),
            not_by: phase.not_by.iter().map(name).collect(),
            max_attempts: phase.max_attempts,
            ..PhaseEntry::default()
        });
        let mut state = PhaseState { name: phase.name.clone(), ..PhaseState::default() };
        match board.state(id) {
            State::Pending => {}
            State::Claimed(hold) if hold.legacy_lock => return None,
            State::Claimed(hold) => {
                state.held = Some(Held {
                    owner: agent(&hold.claim.agent),
                    token: hold.claim.token.as_ref()?.as_str().to_owned(),
                    claimed_at: Timestamp::UNIX_EPOCH,
                    branch: None,
                    commit: None,
                });
            }
            State::Done(done) => {
                let artifact = done.artifact_sha256.clone();
                state.done = Some(Completion {
                    by: agent(&done.agent),
                    token: String::new(),
                    completed_at: Timestamp::UNIX_EPOCH,
                    verdict: done.verdict,
                    artifact: artifact.map(pinned),
                    commit: None,
                    tree: None,
                    branch: None,
                    dirty: None,
                    carried_from: None,
                });
            }
        }
        let ended = board.past(id).iter().map(|attempt| Ended {
            owner: agent(&attempt.agent),
            how: attempt.how.clone(),
            by: agent(&attempt.by),
            at: Timestamp::UNIX_EPOCH,
            reason: String::new(),
        });
        state.past = ended.collect();
        state.reset_attempts = board.reset_attempts(id);
        phases.push(state);
    }
    let member = |name: &str| Member {
        v: 1,
        name: name.to_owned(),
        last: Stamp { count: 1, nonce: nonce(1) },
        rest: Rest::new(),
    };
    let board = LedgerBoard {
        v: 1,
        rules: RULES,
        seq: 7,
        ledger: nonce(9),
        sprint_id: board.sprint.sprint_id.clone(),
        started_by: Agent::default(),
        started_at: Timestamp::UNIX_EPOCH,
        archived: false,
        goal: None,
        from: None,
        phases,
        rest: Rest::new(),
    };
    let members = [OURS, THEIRS].map(|name| (name.to_owned(), member(name)));
    Some(Shared { board, graph, members: members.into() })
}

fn pinned(sha256: String) -> Pinned {
    Pinned { name: "out.json".to_owned(), sha256, bytes: 1 }
}

fn deed(phase: &str, request: &Request) -> Deed {
    let phase = phase.to_owned();
    match request {
        Request::Claim { takeover } => Deed::Claim {
            phase,
            takeover: *takeover,
            token: "ae".to_owned(),
            branch: None,
            commit: None,
        },
        Request::Complete { artifact, verdict } => Deed::Complete {
            phase,
            verdict: *verdict,
            artifact: artifact.clone().map(pinned),
            commit: None,
            tree: None,
            branch: None,
            dirty: None,
        },
        Request::Abort => Deed::Abort { phase, reason: String::new() },
        Request::Unstuck { force } => Deed::Unstuck { phase, force: *force, reason: String::new() },
    }
}

fn code(denial: Denial) -> &'static str {
    match denial {
        Denial::Done => "done",
        Denial::Exhausted => "exhausted",
        Denial::Claimed { .. } => "claimed",
        Denial::Blocked => "blocked",
        Denial::FourEyes => "four_eyes",
        Denial::NotClaimed => "not_claimed",
        Denial::NotOwner => "not_owner",
        Denial::Lost => "lost",
        Denial::Alive => "alive",
    }
}

/// Decides as one machine does, and asks a ledger the same.
pub(super) fn both(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    let here = decide(board, id, request, facts);
    let Some(shared) = shared(board) else { return here };
    let phase = board.graph.phase(id).name.clone();
    let (seen, completed) = decide::facts_of(board, id, facts);
    let after = Some(Stamp { count: 1, nonce: nonce(1) });
    let (by, deed) = (agent(&facts.me.name), deed(&phase, request));
    let mut event = LedgerEvent {
        max_attempts: facts.max_attempts,
        seen,
        completed,
        ..LedgerEvent::new(by, nonce(2), after, Timestamp::UNIX_EPOCH, deed)
    };
    let there = change(&shared, &event);
    COMPARED.fetch_add(1, Ordering::Relaxed);
    let agree = match (&here, &there) {
        (Ok(here), Ok(Some(there))) => here == there,
        (Err(here), Err(Denied::Rule(there))) => {
            let same = match (here, there) {
                (
                    Refusal::Claimed { same_agent: here, .. },
                    Denial::Claimed { same_agent: there },
                ) => here == there,
                _ => true,
            };
            same && here.code() == code(*there)
        }
        _ => false,
    };
    assert!(agree, "{request:?} of {phase}: here {here:?}, in a ledger {there:?}\n{event:#?}");
    if let Ok(change) = &here {
        let resets = attempts::resets(board, id, request, facts);
        carried_out(&shared, &event, &phase, (*change, resets));
    }
    // The same asked by an agent of that name in another clone, which may claim what it likes.
    THEIRS.clone_into(&mut event.by.member);
    event.seen = Seen { mine: true, stale: true, left: true, moved: true, ..Seen::default() };
    let stranger = change_of(&shared, &event);
    let held = shared.phase(&phase).is_some_and(|phase| phase.held.is_some());
    let forced = *request == Request::Unstuck { force: true };
    let takes = matches!(
        stranger,
        Some(Change::TakeOver | Change::Renew | Change::Complete | Change::Confirm | Change::Free)
    );
    assert!(!takes || (held && forced), "{request:?} of {phase} by a stranger: {stranger:?}");
    here
}

fn change_of(shared: &Shared, event: &LedgerEvent) -> Option<Change> {
    change(shared, event).ok().flatten()
}

/// What was granted is on the board after it, and nothing else is.
fn carried_out(
    before: &Shared,
    event: &LedgerEvent,
    name: &str,
    (change, resets): (Change, Option<u64>),
) {
    let after = apply(Some(before), event).unwrap();
    assert_eq!(after.board.seq, before.board.seq + 1);
    assert_eq!(after.members[OURS].last, Stamp { count: 2, nonce: nonce(2) });
    let (was, is) = (before.phase(name).unwrap(), after.phase(name).unwrap());
    let new = |is_new: bool| is.generation == was.generation + u64::from(is_new);
    let held_by_me = is.held.as_ref().is_some_and(|held| held.token == "ae");
    let fits = match change {
        Change::Take => held_by_me && new(true) && is.past == was.past,
        Change::TakeOver => held_by_me && new(true),
        Change::Complete => {
            is.done.as_ref().is_some_and(|done| done.by == event.by) && is.held.is_none()
        }
        Change::Free => is.held.is_none() && is.past.len() == was.past.len() + 1,
        Change::ResetAttempts => is.reset_attempts == was.past.len() as u64,
        Change::Renew | Change::Confirm | Change::Nothing => is == was,
    };
    assert!(fits, "{change:?}: {was:?} became {is:?}");
    assert_eq!(is.reset_attempts, resets.unwrap_or(was.reset_attempts), "{change:?} of {was:?}");
    let mut others = after.board.phases.iter().zip(&before.board.phases);
    assert!(others.all(|(is, was)| is == was || is.name == name));
    // Who names another last change, or none, changes nothing.
    for wrong in [None, Some(Stamp { count: 1, nonce: nonce(3) })] {
        let event = LedgerEvent { after: wrong, ..event.clone() };
        assert_eq!(apply(Some(before), &event), Err(Denied::NotNext));
    }
}
