//! What is printed, of any records: the first line is a `sprint.json`; of each further one, `c` and
//! a claim, `d` and a completion, `a` and an attempt that failed, or anything else for a pending
//! phase, in the graph's order.
#![no_main]

use std::path::PathBuf;

use git_conductor::commands::abort::Aborted;
use git_conductor::commands::archive::Archived;
use git_conductor::commands::claim::{Claimed, Finish, Picked};
use git_conductor::commands::clean::Cleaned;
use git_conductor::commands::complete::Handed;
use git_conductor::commands::graph::{Drawn, Form};
use git_conductor::commands::inputs::Input;
use git_conductor::commands::next::Next;
use git_conductor::commands::notes::{Left, Noted, Records, SetUp, Synced};
use git_conductor::commands::push::LocalRefs;
use git_conductor::commands::recorded::{Elsewhere, Found, Sight};
use git_conductor::commands::report::{Overview, Page, Told};
use git_conductor::commands::salvage::{self, Dropped, Fate, Kept, UnknownSalvage};
use git_conductor::commands::show::{Original, Shown};
use git_conductor::commands::start::Begun;
use git_conductor::commands::status::{Open, Short};
use git_conductor::commands::unstuck::{AllUnstuck, Unstuck};
use git_conductor::commands::verify::{Checked, Verification, Verified};
use git_conductor::error::{Caller, Failure, FailureKind, Stop};
use git_conductor::git::Uncommitted;
use git_conductor::git::notes::Setting;
use git_conductor::host::agent::name;
use git_conductor::record::note::{Artifact, Note};
use git_conductor::record::salvage::Salvage;
use git_conductor::record::{Attempt, Claim, Done, Sprint, Verdict};
use git_conductor::rules::evidence::{Fault, Finding};
use git_conductor::rules::gate::{self, Pin};
use git_conductor::rules::graph::Names;
use git_conductor::rules::reasons::{GateDenied, Uncarried};
use git_conductor::rules::rows::View;
use git_conductor::rules::timeline::{summary, timeline};
use git_conductor::rules::{
    Board, Change, Facts, Graph, Life, LiveClaim, Me, PhaseId, Refusal, Request, State, decide,
    next::next,
};
use git_conductor::store::change::{Completed, Freed, Granted};
use git_conductor::store::history;
use git_conductor::store::lifecycle::Started;
use git_conductor::ui::text::Paint;
use git_conductor::ui::{Answer, Format, render};
use git_conductor_fuzz::check_printed;
use jiff::{SignedDuration, Timestamp};
use libfuzzer_sys::fuzz_target;

/// So many attempts failed where any has.
const TRIED: usize = 5;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// What a command came to, and what must hold of how it is printed.
struct Case {
    result: Result<Box<dyn Answer>, Stop>,
    kind: Kind,
}

#[derive(PartialEq)]
enum Kind {
    Plain,
    /// A page of HTML.
    Page,
    /// A table that fits every terminal.
    Table,
}

fn ok(answer: impl Answer + 'static) -> Case {
    Case { result: Ok(Box::new(answer)), kind: Kind::Plain }
}

fn stop(stop: impl Into<Stop>) -> Case {
    Case { result: Err(stop.into()), kind: Kind::Plain }
}

fn state(line: &str) -> State {
    let record = line.get(1..).unwrap_or_default();
    let hold = |claim: Claim| {
        let life = match claim.pid {
            0 => Life::Unknown,
            pid if pid % 2 == 0 => Life::Alive,
            _ => Life::Dead,
        };
        LiveClaim {
            former: vec![claim.clone()],
            heard: None,
            quiet_since: None,
            legacy_lock: claim.pid == 4,
            claim,
            life,
        }
    };
    match line.chars().next() {
        Some('c') => {
            serde_json::from_str(record).map_or(State::Pending, |c| State::Claimed(hold(c)))
        }
        Some('d') => serde_json::from_str(record).map_or(State::Pending, State::Done),
        _ => State::Pending,
    }
}

fn board(text: &str) -> Option<Board> {
    let mut lines = text.lines();
    let sprint: Sprint = serde_json::from_str(lines.next()?).ok()?;
    let graph = Graph::new(&sprint.phases, Names::Existing).ok()?;
    let mut board = Board::new(sprint, graph);
    for (id, line) in board.graph.ids().zip(lines) {
        board.set(id, state(line));
        let attempt = line.strip_prefix('a').and_then(|record| serde_json::from_str(record).ok());
        let past: Vec<Attempt> = attempt.map(|attempt| vec![attempt; TRIED]).unwrap_or_default();
        board.set_past(id, past);
    }
    Some(board)
}

/// The asker: of two that are about, one is whoever holds the first claim.
fn askers(board: &Board) -> Vec<Me> {
    let claims = board.graph.ids().find_map(|id| match board.state(id) {
        State::Claimed(hold) => Some(&hold.claim),
        State::Pending | State::Done(_) => None,
    });
    let owner = claims.filter(|claim| name::check(&claim.agent, "").is_ok()).map(|claim| Me {
        name: claim.agent.clone(),
        explicit: claim.explicit,
        process: claim.process.clone(),
        token: claim.token.clone(),
        ..Me::default()
    });
    let ann = Me { name: "ann".to_owned(), explicit: true, ..Me::default() };
    std::iter::once(ann).chain(owner).collect()
}

fn answers(board: &Board, me: &Me, now: Timestamp) -> Vec<Case> {
    let facts = Facts { me, now, stale_after: HOUR, max_attempts: Some(TRIED as u64) };
    let view = View {
        board: board.clone(),
        me: me.clone(),
        stale_after: HOUR,
        max_attempts: None,
        changed: board.graph.ids().take(1).collect(),
        lost: Vec::new(),
    };
    let names = board.graph.ids().map(|id| board.graph.phase(id).name.clone()).collect();
    let failure =
        Failure::new(FailureKind::Unreadable, format!("{:.300}", board.sprint.started_by));
    let started = Started {
        sprint: board.sprint.clone(),
        path: "conductor/x".to_owned(),
        kept: true,
        previous: Some(board.clone()),
        resumed: true,
        carried: vec![board.sprint.sprint_id.clone()],
        open: Vec::new(),
    };
    let project = PathBuf::from(&board.sprint.project);
    let mut all = of_all(&view, now);
    for answer in [ok(Open(copy(&view))), ok(Short(Some(copy(&view))))] {
        all.push(Case { kind: Kind::Table, ..answer });
    }
    all.extend([
        Case { kind: Kind::Table, ..ok(view) },
        ok(Begun {
            started,
            directory: project,
            unrecorded: Some(Failure::new(FailureKind::Git, board.sprint.status.clone())),
            made_up: Vec::new(),
        }),
        ok(Next { phases: names, lost: Vec::new() }),
        ok(Archived { board: board.clone(), made_up: Vec::new() }),
        ok(Cleaned(vec![board.sprint.sprint_id.clone()])),
        stop(failure),
        stop(LocalRefs { refs: vec![board.sprint.project.clone()] }),
    ]);
    all.extend(next(board, facts).err().map(stop));
    for id in board.graph.ids() {
        all.extend(
            requests()
                .into_iter()
                .filter_map(|request| Some(stop(decide(board, id, &request, facts).err()?))),
        );
        all.extend(outcomes(board, id));
        let view = View {
            board: board.clone(),
            me: me.clone(),
            stale_after: HOUR,
            max_attempts: None,
            changed: Vec::new(),
            lost: Vec::new(),
        };
        all.extend(of_evidence(view, id));
    }
    all
}

fn copy(view: &View) -> View {
    View {
        board: view.board.clone(),
        me: view.me.clone(),
        stale_after: view.stale_after,
        max_attempts: view.max_attempts,
        changed: view.changed.clone(),
        lost: Vec::new(),
    }
}

/// What is told of the sprint as a whole.
fn of_all(view: &View, now: Timestamp) -> Vec<Case> {
    let view = || copy(view);
    let mut all = Vec::new();
    for form in [Form::Text, Form::Mermaid, Form::Dot] {
        let kind = if form == Form::Text { Kind::Table } else { Kind::Plain };
        all.push(Case { kind, ..ok(Drawn { view: view(), form }) });
    }
    for page in [Page::Markdown, Page::Html] {
        let view = view();
        let line = timeline(&view.board, now);
        assert!(line.whole.from <= line.whole.to);
        let overview = Overview {
            sprints: vec![summary(&view.board, now)],
            unreadable: vec![view.board.sprint.sprint_id.clone()],
            page,
        };
        let kind = || if page == Page::Html { Kind::Page } else { Kind::Plain };
        all.push(Case { kind: kind(), ..ok(Told { view, line, page }) });
        all.push(Case { kind: kind(), ..ok(overview) });
    }
    all
}

/// Nothing foreign is markup: every element is one of ours, and none of them runs or loads
/// anything.
fn check_page(page: &str) {
    let text = page.split_once("</style>").map_or("", |(_, after)| after);
    for part in text.split('<').skip(1) {
        let name: String =
            part.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        const OURS: &[&str] = &[
            "html", "head", "body", "main", "header", "section", "h1", "h2", "p", "dl", "dt", "dd",
            "div", "table", "thead", "tbody", "tr", "th", "td", "span", "ul", "ol", "li", "svg",
            "title", "g", "rect", "path", "text",
        ];
        assert!(OURS.contains(&name.as_str()), "<{name}> in {page}");
        assert_eq!(part.matches('>').count(), 1, "{part}");
    }
}

fn requests() -> [Request; 4] {
    [
        Request::Claim { takeover: false },
        Request::Complete { artifact: None, verdict: Verdict::Pass },
        Request::Abort,
        Request::Unstuck { force: false },
    ]
}

/// How a command on the phase could end well, given what is recorded of it.
fn outcomes(board: &Board, id: PhaseId) -> Vec<Case> {
    let phase = board.graph.phase(id).name.clone();
    match board.state(id) {
        State::Pending => {
            let (claim, change) = (Claim::default(), Change::Take);
            let granted =
                Granted { phase, claim, change, from: None, due: None, board: board.clone() };
            let salvaged = salvage::Salvaged::default();
            let (inputs, nameless, picked, waited) = (vec![], false, Picked::ByName, None);
            vec![ok(Claimed {
                granted,
                inputs,
                earlier: Vec::new(),
                nameless,
                picked,
                waited,
                salvaged,
                lost: Vec::new(),
                finish: finish(board, id),
            })]
        }
        State::Claimed(hold) => {
            let change = Change::TakeOver;
            let (claim, from) = (hold.claim.clone(), Some(hold.clone()));
            let granted = Granted {
                phase: phase.clone(),
                claim,
                change,
                from,
                due: None,
                board: board.clone(),
            };
            let sprint_id = board.sprint.sprint_id.clone();
            let freed = Freed {
                phase: phase.clone(),
                sprint_id,
                hold: Some(hold.clone()),
                exhausted: Some(hold.claim.v.into()),
                reset_attempts: None,
                due: None,
                dues: Vec::new(),
            };
            let input = Input {
                phase,
                agent: hold.claim.agent.clone(),
                commit: hold.claim.session.clone(),
                branch: hold.claim.worktree.clone(),
                artifact: hold.claim.worktree.clone(),
                here: Some(false),
            };
            let salvaged = salvaged(&board.sprint.sprint_id, &freed.phase, hold);
            let kept = salvaged.before.clone();
            let left = salvaged.left.as_ref().map(|left| {
                let failure = Failure::new(FailureKind::Git, hold.claim.agent.clone());
                salvage::Left { salvage: left.salvage.clone(), fate: Fate::Failed(failure) }
            });
            // Of a file's content a terminal is shown tabs as tabs.
            let content = |text: &str| text.replace('\t', " ");
            let look = salvage::Look {
                salvage: kept[0].clone(),
                differing: salvage::Differing {
                    stat: content(&hold.claim.agent),
                    patch: hold.claim.worktree.as_deref().map(content),
                },
            };
            let names = vec![kept[0].short_name()];
            let freed_phase = freed.phase.clone();
            let unknown = UnknownSalvage { name: hold.claim.worktree.clone(), kept: names };
            let (inputs, nameless, picked) = (vec![input], true, Picked::First);
            vec![
                ok(Claimed {
                    granted,
                    inputs,
                    earlier: Vec::new(),
                    nameless,
                    picked,
                    waited: None,
                    salvaged,
                    lost: Vec::new(),
                    finish: finish(board, id),
                }),
                ok(Aborted(vec![freed.clone()])),
                ok(AllUnstuck {
                    freed: vec![Unstuck { freed, left, made_up: Vec::new() }],
                    failed: vec![(
                        freed_phase,
                        Failure::new(FailureKind::Io, hold.claim.agent.clone()),
                    )],
                }),
                ok(Kept(kept.clone())),
                ok(look),
                ok(Dropped(kept)),
                stop(unknown),
            ]
        }
        State::Done(done) => {
            let mut all = vec![completed(phase.clone(), done)];
            all.extend(of_notes(phase, done));
            all
        }
    }
}

/// What a claim's owner could have left.
fn salvaged(sprint: &str, phase: &str, hold: &LiveClaim) -> salvage::Salvaged {
    let Claim { agent, worktree, branch, commit, claimed_at, v, .. } = hold.claim.clone();
    let missed = worktree.iter().cloned().collect();
    let kept = Salvage {
        sprint: sprint.to_owned(),
        phase: phase.to_owned(),
        number: v.into(),
        commit: commit.clone().unwrap_or_default(),
        head: branch.clone(),
        at: claimed_at,
        agent,
        worktree,
        branch,
        base: commit,
        commits: Some(v.into()),
        files: Some(v.into()),
    };
    let left = salvage::Left { salvage: kept.clone(), fate: Fate::Saved(missed) };
    let made_up = salvage::Left { salvage: kept.clone(), fate: Fate::Alive };
    let before = vec![kept; v.clamp(1, 5) as usize];
    salvage::Salvaged { left: Some(left), before, made_up: vec![made_up] }
}

/// What is to be known of the end of a phase when it begins.
fn finish(board: &Board, id: PhaseId) -> Finish {
    Finish { shows: true, guards: true, checked: gate::checked(board, id) }
}

fn completed(phase: String, done: &Done) -> Case {
    let lacked = Input {
        phase: phase.clone(),
        agent: done.agent.clone(),
        commit: done.at.commit.clone(),
        branch: done.at.branch.clone(),
        artifact: None,
        here: None,
    };
    let completed = Completed {
        done: done.clone(),
        sprint_id: done.agent.clone(),
        depends_on: Vec::new(),
        again: true,
        opened: vec![phase.clone()],
        builds_on: Vec::new(),
        finished: true,
    };
    let path = done.at.branch.clone().unwrap_or_default();
    let sight = Sight {
        claimed_in: Some(Elsewhere { path: path.clone(), found: Found::Gone }),
        uncommitted: Some(Uncommitted { count: 7, first: vec![path.clone()] }),
        overdue: Some(path),
        idle: true,
    };
    let note = Noted::Failed {
        failure: Failure::new(FailureKind::Git, done.artifact.clone()).hint(&done.agent),
        later: true,
    };
    ok(Handed {
        phase,
        completed,
        sight,
        lacks: vec![lacked],
        note: Some(Box::new(note)),
        salvaged: Vec::new(),
    })
}

/// What is said of a phase and its evidence.
fn of_evidence(view: View, id: PhaseId) -> Vec<Case> {
    let phase = view.board.graph.phase(id).name.clone();
    let sprint = view.board.sprint.sprint_id.clone();
    let foreign = view.board.sprint.project.clone();
    let findings = |done: &Done| {
        let about = done.artifact_path.clone().unwrap_or_default();
        [Fault::OriginalChanged, Fault::TreeDiffers, Fault::NoteDiffers]
            .map(|what| Finding::about(what, about.clone()))
            .to_vec()
    };
    let phases: Vec<Checked> = history::of(&view.board)
        .iter()
        .map(|it| Checked {
            phase: it.phase.clone(),
            agent: it.done.agent.clone(),
            carried_from: it.done.carried_from.clone(),
            findings: findings(&it.done),
        })
        .collect();
    let verified = Verified { sprint_id: sprint.clone(), phases, left: 1 };
    let shown = Shown {
        id,
        pin: Pin::Same,
        pin_path: Some(PathBuf::from(&foreign)),
        original: Original::Changed,
        content: Some(foreign.replace('\t', " ")),
        here: Some(false),
        view,
    };
    let why = Uncarried::Needs;
    let (needs, from) = (vec![foreign.clone()], Some(foreign.clone()));
    vec![
        ok(shown),
        ok(Verification { sprints: vec![verified], all: false }),
        stop(Refusal::CannotCarry { phase: phase.clone(), why, needs, from }),
        stop(Refusal::UnknownSprint { sprint: foreign.clone() }),
        stop(Refusal::PinLost {
            phase,
            sprint_id: sprint,
            agent: foreign,
            gone: true,
            starting: true,
        }),
    ]
}

/// What is said of records in git notes.
fn of_notes(phase: String, done: &Done) -> Vec<Case> {
    let reference = done.artifact.clone();
    let text = done.at.branch.clone().unwrap_or_default();
    let note = Note {
        v: 1,
        id: text.clone(),
        sprint: text.clone(),
        phase: phase.clone(),
        agent: done.agent.clone(),
        verdict: done.verdict,
        claimed_at: None,
        completed_at: done.completed_at,
        commit: text.clone(),
        tree: text.clone(),
        dirty: done.at.dirty,
        depends_on: vec![text.clone()],
        artifact: Some(Artifact {
            path: reference.clone(),
            oid: Some(text.clone()),
            ..Artifact::default()
        }),
        carried_from: Some(text.clone()),
    };
    let setting = Setting { key: text.clone(), value: reference.clone() };
    let records = vec![(text.clone(), note)];
    let synced = Synced {
        reference: reference.clone(),
        left: vec![(text.clone(), phase.clone(), Left::PinGone)],
        merged: vec![text.clone()],
        pushed: Some(text.clone()),
        ..Synced::default()
    };
    let set_up = SetUp {
        removed: false,
        settings: vec![(setting, true)],
        differs: Some((text.clone(), reference.clone())),
        remote: Some(text.clone()),
    };
    let shut = [
        GateDenied::NoNotes { reference: reference.clone() },
        GateDenied::NoRecord {
            agent: done.agent.clone(),
            done_at: Some(text.clone()),
            going_out: Some(text),
            later: 1,
        },
    ];
    let mut all: Vec<Case> = shut
        .into_iter()
        .map(|why| stop(Refusal::GateDenied { phase: phase.clone(), why }))
        .collect();
    all.push(ok(Records { reference, records, later: 1, odd: 1 }));
    all.push(ok(synced));
    all.push(ok(set_up));
    all
}

fuzz_target!(|text: &str| {
    let Some(board) = board(text).filter(|board| board.graph.count() <= 8) else { return };
    let now = Timestamp::constant(1_795_000_000, 0);
    for me in askers(&board) {
        for Case { result, kind } in answers(&board, &me, now) {
            for (json, caller) in
                [(false, Caller::Agent), (false, Caller::Person), (true, Caller::Agent)]
            {
                let format = Format { json, caller, ..Format::plain(now) };
                let printed = render(&result, format);
                check_printed(&printed, json);
                if !json && kind == Kind::Page {
                    check_page(&printed.out);
                }
            }
            if kind == Kind::Table {
                narrow(&result, now);
            }
        }
    }
});

/// A table that is to fit a terminal does.
fn narrow(answer: &Result<Box<dyn Answer>, Stop>, now: Timestamp) {
    for width in [1, 40, 80] {
        let format = Format { width: Some(width), ..Format::plain(now) };
        let table = render(answer, format).out;
        assert!(table.lines().all(|line| line.chars().count() <= width), "{width}: {table}");
    }
    let format = Format { out: Paint { on: true }, ..Format::plain(now) };
    let coloured = render(answer, format).out;
    assert!(
        !coloured.replace("\u{1b}[", "").contains(|c| c != '\n' && git_conductor_fuzz::is_raw(c))
    );
}
