//! Rules that are broken on purpose, one at a time, so that the walk can show that it notices.

use git_conductor::record::{Done, Verdict};
use git_conductor::rules::decide;
use git_conductor::rules::identity::{Life, Me, heard};
use git_conductor::rules::next;
use git_conductor::rules::others::Advice;
use git_conductor::rules::request::{Change, Facts, Request};
use git_conductor::rules::{Board, LiveClaim, PhaseId, Refusal, State};
use jiff::SignedDuration;

use super::board::STALE_AFTER;
use super::checks::Check;
use super::explore::{Answer, Decide, Next, Rules, SHIPPED};

/// What is broken, the rules that are so, the sprint in which it shows, and the check that must
/// notice it.
pub(super) const BROKEN: &[(&str, Rules, &str, Check)] = &[
    ("ignores who lives", deciding(everybody_is_dead), HANDOVER, Check::OneLiveOwner),
    ("takes unknown for dead", deciding(unknown_is_dead), HOSTS, Check::UnknownIsAlive),
    ("ignores dependencies", deciding(ignores_dependencies), CHAIN, Check::DependenciesFirst),
    ("goes on after a failure", deciding(ignores_failure), CHAIN, Check::DependenciesFirst),
    ("ignores four eyes", deciding(ignores_four_eyes), ONE_PROCESS, Check::FourEyes),
    ("compares names only", deciding(four_eyes_by_name), ONE_PROCESS, Check::FourEyes),
    (
        "trusts an unknown author",
        deciding(trusts_the_unknown),
        "four eyes, with a script",
        Check::FourEyes,
    ),
    ("lets the author complete", deciding(four_eyes_at_claim), ONE_PROCESS, Check::FourEyes),
    ("lets anyone complete", deciding(anyone_completes), HANDOVER, Check::Fence),
    ("lets the robbed complete", deciding(the_robbed_complete), HANDOVER, Check::Fence),
    ("lets anyone abort", deciding(anyone_aborts), HANDOVER, Check::Fence),
    ("ignores when it was heard", deciding(counts_from_the_claim), HANDOVER, Check::TheHour),
    ("goes by the process", deciding(the_process_is_enough), THREADS, Check::OneLiveOwner),
    ("believes a shared process", deciding(the_process_is_its_own), THREADS, Check::NotWedged),
    ("takes the silent unasked", deciding(takes_the_silent), THREADS, Check::OneLiveOwner),
    ("frees who was just heard", deciding(frees_who_shares), THREADS, Check::OneLiveOwner),
    (
        "bars who shares a process",
        deciding(the_process_is_enough),
        "four eyes, threads below one process",
        Check::Answer,
    ),
    (
        "takes a script's for its sibling's",
        deciding(scripts_are_one),
        "two scripts of one agent, and itself",
        Check::OneLiveOwner,
    ),
    ("reclaims a moment early", deciding(before_the_hour), HANDOVER, Check::TheHour),
    ("reclaims a moment late", deciding(after_the_hour), HANDOVER, Check::Answer),
    ("claims what is done", deciding(claims_the_done), HANDOVER, Check::DoneForEver),
    ("frees what is done", deciding(frees_the_done), HANDOVER, Check::DoneForEver),
    ("renews from anywhere", deciding(renews_anywhere), "two worktrees", Check::OneLiveOwner),
    ("robs another user", deciding(any_users_terminal), TERMINALS, Check::OneLiveOwner),
    ("robs an agent", deciding(an_agent_is_a_person), HERE_AND_THERE, Check::OneLiveOwner),
    ("goes by the name", deciding(the_name_is_enough), HANDOVER, Check::OneLiveOwner),
    ("forces unasked", deciding(forces_unasked), HANDOVER, Check::OneLiveOwner),
    ("forces unasked, unseen", deciding(forces_unasked), HOSTS, Check::UnknownIsAlive),
    ("spares the unknown", deciding(spares_the_unknown), HOSTS, Check::NotWedged),
    ("needs force for the dead", deciding(only_force_helps), HANDOVER, Check::NotWedged),
    (
        "renews for the dead",
        deciding(renews_for_the_dead),
        "an owner, one with its token, and another",
        Check::GrantedIsLive,
    ),
    ("tries for ever", deciding(tries_for_ever), LIMIT, Check::Answer),
    ("tries once more", deciding(tries_once_more), LIMIT, Check::Answer),
    ("never forgives", deciding(never_forgives), LIMIT, Check::NotWedged),
    ("hides what it waits for", deciding(waits_for_nothing), CHAIN, Check::Facts),
    ("says done too soon", deciding(says_done_too_soon), CHAIN, Check::Never),
    ("lists what is blocked", listing(lists_the_pending), CHAIN, Check::Next),
    ("does not list the stale", listing(lists_only_the_ready), HANDOVER, Check::Next),
    ("calls it a day", listing(finishes_early), HANDOVER, Check::Next),
    ("calls it a day for ever", listing(finishes_early), HANDOVER, Check::Never),
    (
        "forgets what it holds",
        Rules { holding: holds_nothing, ..SHIPPED },
        "two worktrees",
        Check::Holding,
    ),
    ("always hopes", listing(always_hopes), CHAIN, Check::WaitingHelps),
    ("never hopes", listing(never_hopes), CHAIN, Check::Never),
    ("ends over live claims", Rules { may_end: ends_at_will, ..SHIPPED }, HOSTS, Check::MayEnd),
];

const HANDOVER: &str = "two processes of one explicit name, and a session";
const TERMINALS: &str = "two terminals of one user, and another user";
const HERE_AND_THERE: &str = "a person here and there, and an agent of that user";
const HOSTS: &str = "other hosts and containers";
const THREADS: &str = "two threads below one process, and another agent";
const LIMIT: &str = "two attempts that may fail";
const CHAIN: &str = "a chain, with failures";
const ONE_PROCESS: &str = "four eyes, two names of one process";

const fn deciding(decide: Decide) -> Rules {
    Rules { decide, ..SHIPPED }
}

const fn listing(next: Next) -> Rules {
    Rules { next, ..SHIPPED }
}

/// The board with every claim and completion changed.
fn doctored(board: &Board, claimed: impl Fn(&mut LiveClaim), done: impl Fn(&mut Done)) -> Board {
    let mut changed = board.clone();
    for id in board.graph.ids() {
        let mut state = board.state(id).clone();
        match &mut state {
            State::Pending => {}
            State::Claimed(hold) => claimed(hold),
            State::Done(record) => done(record),
        }
        changed.set(id, state);
    }
    changed
}

fn hold_of(board: &Board, id: PhaseId) -> Option<&LiveClaim> {
    match board.state(id) {
        State::Claimed(hold) => Some(hold),
        State::Pending | State::Done(_) => None,
    }
}

fn everybody_is_dead(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    let board = doctored(board, |hold| hold.life = Life::Dead, |_| ());
    decide::decide(&board, id, request, facts)
}

fn unknown_is_dead(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    let doubt = |hold: &mut LiveClaim| {
        if hold.life == Life::Unknown {
            hold.life = Life::Dead;
        }
    };
    decide::decide(&doctored(board, doubt, |_| ()), id, request, facts)
}

fn ignores_dependencies(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    match decide::decide(board, id, request, facts) {
        Err(Refusal::Blocked { .. }) => Ok(Change::Take),
        answer => answer,
    }
}

fn ignores_failure(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    let board = doctored(board, |_| (), |done| done.verdict = Verdict::Pass);
    decide::decide(&board, id, request, facts)
}

fn ignores_four_eyes(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    match decide::decide(board, id, request, facts) {
        Err(Refusal::FourEyes { .. }) if *board.state(id) == State::Pending => Ok(Change::Take),
        answer => answer,
    }
}

fn four_eyes_by_name(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    decide::decide(&doctored(board, |_| (), |done| done.process = None), id, request, facts)
}

fn trusts_the_unknown(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    let somebody = |done: &mut Done| {
        if done.agent.is_empty() {
            "somebody".clone_into(&mut done.agent);
        }
    };
    decide::decide(&doctored(board, |_| (), somebody), id, request, facts)
}

fn four_eyes_at_claim(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    match (request, decide::decide(board, id, request, facts)) {
        (Request::Complete { .. }, Err(Refusal::FourEyes { .. })) => Ok(Change::Complete),
        (_, answer) => answer,
    }
}

fn anyone_completes(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    match (request, decide::decide(board, id, request, facts)) {
        (Request::Complete { .. }, Err(Refusal::NotOwner { .. })) => Ok(Change::Complete),
        (_, answer) => answer,
    }
}

fn the_robbed_complete(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    match (request, decide::decide(board, id, request, facts)) {
        (Request::Complete { .. }, Err(Refusal::Lost { .. })) => Ok(Change::Complete),
        (_, answer) => answer,
    }
}

fn anyone_aborts(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    match (request, decide::decide(board, id, request, facts)) {
        (Request::Abort, Err(Refusal::NotOwner { .. })) => Ok(Change::Free),
        (_, answer) => answer,
    }
}

fn before_the_hour(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    let early = SignedDuration::from_nanos(1);
    decide::decide(board, id, request, Facts { stale_after: STALE_AFTER - early, ..facts })
}

fn after_the_hour(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    let late = SignedDuration::from_nanos(1);
    decide::decide(board, id, request, Facts { stale_after: STALE_AFTER + late, ..facts })
}

fn counts_from_the_claim(
    board: &Board,
    id: PhaseId,
    request: &Request,
    facts: Facts<'_>,
) -> Answer {
    let deaf = |hold: &mut LiveClaim| hold.quiet_since = heard(&hold.claim);
    decide::decide(&doctored(board, deaf, |_| ()), id, request, facts)
}

fn the_process_is_enough(
    board: &Board,
    id: PhaseId,
    request: &Request,
    facts: Facts<'_>,
) -> Answer {
    let me = Me { stable: false, ..facts.me.clone() };
    let board = doctored(board, |hold| hold.claim.stable = false, |done| done.stable = false);
    decide::decide(&board, id, request, Facts { me: &me, ..facts })
}

fn the_process_is_its_own(
    board: &Board,
    id: PhaseId,
    request: &Request,
    facts: Facts<'_>,
) -> Answer {
    let own = |hold: &mut LiveClaim| hold.claim.process = hold.claim.any_process().cloned();
    decide::decide(&doctored(board, own, |_| ()), id, request, facts)
}

fn takes_the_silent(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    let silent = |hold: &LiveClaim| hold.is_left(facts.now, facts.stale_after);
    match decide::decide(board, id, request, facts) {
        Err(Refusal::Claimed { same_agent: false, .. })
            if hold_of(board, id).is_some_and(silent) =>
        {
            Ok(Change::TakeOver)
        }
        answer => answer,
    }
}

fn frees_who_shares(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    let silent = |hold: &mut LiveClaim| hold.quiet_since = None;
    decide::decide(&doctored(board, silent, |_| ()), id, request, facts)
}

fn scripts_are_one(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    let one = |hold: &mut LiveClaim| hold.claim.via = None;
    decide::decide(&doctored(board, one, |_| ()), id, request, facts)
}

fn claims_the_done(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    match (request, decide::decide(board, id, request, facts)) {
        (Request::Claim { .. }, Err(Refusal::Done { .. })) => Ok(Change::Take),
        (_, answer) => answer,
    }
}

fn frees_the_done(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    match (request, decide::decide(board, id, request, facts)) {
        (Request::Unstuck { force: true }, Err(Refusal::Done { .. })) => Ok(Change::Free),
        (_, answer) => answer,
    }
}

fn renews_anywhere(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    match decide::decide(board, id, request, facts) {
        Err(Refusal::Claimed { same_agent: true, .. }) => Ok(Change::Renew),
        answer => answer,
    }
}

fn any_users_terminal(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    let anyones = |hold: &mut LiveClaim| hold.claim.user = facts.me.user;
    decide::decide(&doctored(board, anyones, |_| ()), id, request, facts)
}

fn an_agent_is_a_person(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    let person = |hold: &mut LiveClaim| hold.claim.person = true;
    decide::decide(&doctored(board, person, |_| ()), id, request, facts)
}

fn the_name_is_enough(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    let mine = |hold: &mut LiveClaim| {
        if hold.claim.agent == facts.me.name {
            hold.life = Life::Dead;
        }
    };
    decide::decide(&doctored(board, mine, |_| ()), id, request, facts)
}

fn forces_unasked(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    match decide::decide(board, id, request, facts) {
        Err(Refusal::Alive { .. }) => Ok(Change::Free),
        answer => answer,
    }
}

fn spares_the_unknown(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    let request = match (request, hold_of(board, id)) {
        (Request::Unstuck { .. }, Some(hold)) if hold.life == Life::Unknown => {
            &Request::Unstuck { force: false }
        }
        _ => request,
    };
    decide::decide(board, id, request, facts)
}

fn only_force_helps(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    let alive = |hold: &mut LiveClaim| hold.life = Life::Alive;
    decide::decide(&doctored(board, alive, |_| ()), id, request, facts)
}

fn renews_for_the_dead(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    let token = facts.me.token.as_ref();
    let presented =
        token.is_some() && hold_of(board, id).and_then(|h| h.claim.token.as_ref()) == token;
    match decide::decide(board, id, request, facts) {
        Ok(Change::TakeOver) if presented => Ok(Change::Renew),
        answer => answer,
    }
}

fn waits_for_nothing(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    match decide::decide(board, id, request, facts) {
        Err(Refusal::Blocked { phase, .. }) => {
            Err(Refusal::Blocked { phase, waits_for: Vec::new(), dead: None })
        }
        answer => answer,
    }
}

fn says_done_too_soon(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    match decide::decide(board, id, request, facts) {
        Err(Refusal::Blocked { phase, .. }) => Err(Refusal::done(&phase, &Done::default())),
        answer => answer,
    }
}

fn tries_for_ever(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    let mut board = board.clone();
    board.set_past(id, Vec::new());
    decide::decide(&board, id, request, facts)
}

fn tries_once_more(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    let mut board = board.clone();
    board.set_reset_attempts(id, 1);
    decide::decide(&board, id, request, facts)
}

fn never_forgives(board: &Board, id: PhaseId, request: &Request, facts: Facts<'_>) -> Answer {
    match decide::decide(board, id, request, facts) {
        Ok(Change::ResetAttempts) => Ok(Change::Nothing),
        answer => answer,
    }
}

fn lists_the_pending(board: &Board, facts: Facts<'_>) -> Result<Vec<PhaseId>, Refusal> {
    let pending: Vec<_> =
        board.graph.ids().filter(|id| *board.state(*id) == State::Pending).collect();
    if pending.is_empty() { next::next(board, facts) } else { Ok(pending) }
}

fn lists_only_the_ready(board: &Board, facts: Facts<'_>) -> Result<Vec<PhaseId>, Refusal> {
    let mut listed = next::next(board, facts)?;
    listed.retain(|id| board.is_ready(*id));
    if listed.is_empty() { Err(Refusal::Finished {}) } else { Ok(listed) }
}

fn finishes_early(board: &Board, facts: Facts<'_>) -> Result<Vec<PhaseId>, Refusal> {
    next::next(board, facts).map_err(|_| Refusal::Finished {})
}

/// What `next` says, with other advice.
fn advising(board: &Board, facts: Facts<'_>, advice: Advice) -> Result<Vec<PhaseId>, Refusal> {
    next::next(board, facts).map_err(|mut refusal| {
        if let Refusal::NothingReady { prospect, .. } | Refusal::NotForYou { prospect, .. } =
            &mut refusal
        {
            prospect.advice = advice;
            prospect.waiting_helps = advice.waiting_helps();
        }
        refusal
    })
}

fn always_hopes(board: &Board, facts: Facts<'_>) -> Result<Vec<PhaseId>, Refusal> {
    advising(board, facts, Advice::Wait)
}

fn never_hopes(board: &Board, facts: Facts<'_>) -> Result<Vec<PhaseId>, Refusal> {
    advising(board, facts, Advice::Others)
}

fn holds_nothing(_: &Board, _: Facts<'_>) -> Option<Refusal> {
    None
}

fn ends_at_will(board: &Board, facts: Facts<'_>, starting: bool) -> Result<(), Refusal> {
    let dead = doctored(board, |hold| hold.life = Life::Dead, |_| ());
    decide::may_end(&dead, facts, starting)
}
