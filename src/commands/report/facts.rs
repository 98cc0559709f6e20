//! What a report tells, the same in Markdown, HTML and JSON; none of them computes anything of its
//! own.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Overview, Told};
use crate::record::{Done, VERSION, Verdict, sprint_time};
use crate::rules::rows::{BoardRow, BoardRows, RowState};
use crate::rules::timeline::{End, Share, Span, Summary, Track, Work};
use crate::rules::{Board, Life, LiveClaim, PhaseId, Standing, State};
use crate::ui::board;
use crate::ui::phrases::known;
use crate::ui::table;
use crate::ui::text::{duration, moment, safe, zone};

/// What the table of phases says of one.
pub(super) struct Row<'a> {
    pub(super) name: &'a str,
    pub(super) state: RowState,
    pub(super) owner: String,
    pub(super) attempts: usize,
    pub(super) waited: String,
    pub(super) worked: String,
    pub(super) evidence: String,
    pub(super) verdict: &'static str,
    pub(super) critical: bool,
}

/// What each phase is about, where its planner said so.
pub(super) fn abouts(told: &Told) -> Vec<(&str, String)> {
    let graph = &told.view.board.graph;
    let about = |id: PhaseId| {
        let phase = graph.phase(id);
        let words: Vec<&str> = phase.about.as_deref()?.split_whitespace().collect();
        (!words.is_empty()).then(|| (phase.name.as_str(), safe(&words.join(" ")).into_owned()))
    };
    graph.ids().filter_map(about).collect()
}

fn row<'a>(told: &'a Told, row: &BoardRow) -> Row<'a> {
    let id = row.id;
    let board = &told.view.board;
    let track = &told.line.tracks[id.index()];
    let done = match board.state(id) {
        State::Done(done) => Some(done),
        State::Pending | State::Claimed(_) => None,
    };
    Row {
        name: &board.graph.phase(id).name,
        state: row.state,
        owner: board::agent(board, id),
        attempts: track.work.len(),
        waited: some_time(track.waited()),
        worked: some_time(track.worked()),
        evidence: done.map(|done| evidence(told, id, done)).unwrap_or_default(),
        verdict: match done.map(|done| done.verdict) {
            None => "",
            Some(Verdict::Pass) => "pass",
            Some(Verdict::Fail) => "fail",
        },
        critical: told.line.critical.contains(&id),
    }
}

pub(super) fn rows<'a>(told: &'a Told, rows: &BoardRows) -> Vec<Row<'a>> {
    rows.iter().map(|it| row(told, it)).collect()
}

/// Nothing for hardly any time.
fn some_time(time: SignedDuration) -> String {
    if time.as_secs() == 0 { String::new() } else { duration(time) }
}

/// What a completion left: where in the repository, and what was handed over.
fn evidence(told: &Told, id: PhaseId, done: &Done) -> String {
    let mut parts = vec![table::finished(done, told.view.changed.contains(&id))];
    if !done.artifact.is_empty() {
        let short: String = done.artifact_sha256.iter().flat_map(|it| it.chars().take(8)).collect();
        let hash = if short.is_empty() { short } else { format!(" ({})", safe(&short)) };
        parts.push(format!("{}{hash}", safe(&done.artifact)));
    }
    if let Some(from) = &done.carried_from {
        parts.push(format!("from sprint {}", safe(sprint_time(from))));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("; ")
}

pub(super) const fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Active => "active",
        Standing::Finished => "finished",
        Standing::Archived => "archived",
    }
}

/// The facts at the top: what, and what it is.
pub(super) fn facts(told: &Told) -> Vec<(&'static str, String)> {
    let (board, whole) = (&told.view.board, told.line.whole);
    let mut facts = vec![
        ("Sprint", safe(sprint_time(&board.sprint.sprint_id)).into_owned()),
        ("State", standing(board.standing()).to_owned()),
        ("Phases", format!("{} of {} done", board.done_count(), board.graph.count())),
        ("Begun", moment(whole.from)),
    ];
    let until = if board.standing() == Standing::Active { "Told up to" } else { "Ended" };
    facts.push((until, moment(whole.to)));
    // A page is sent to others, who may be elsewhere.
    facts.push(("Times of", zone(whole.to).unwrap_or_else(|| "UTC".to_owned())));
    facts.push(("Took", duration(whole.length())));
    if !board.sprint.started_by.is_empty() {
        facts.push(("Begun by", safe(&board.sprint.started_by).into_owned()));
    }
    if let Some(from) = &board.sprint.from {
        facts.push(("Takes up", format!("sprint {}", safe(sprint_time(from)))));
    }
    facts
}

fn is_gone(hold: &LiveClaim) -> bool {
    hold.life == Life::Dead
}

fn gone(heard: Option<Timestamp>) -> String {
    let heard = heard.map(|at| format!(", last heard {}", moment(at))).unwrap_or_default();
    format!("process gone{heard}")
}

/// The agents with where they are: those at work first, those that are gone last, else as they are.
pub(super) fn agents(told: &Told) -> Vec<(&Share, String)> {
    let board = &told.view.board;
    let shares = told.line.agents.iter().enumerate();
    let mut all: Vec<_> =
        shares.map(|(at, share)| (Whereabouts::of(board, &share.agent), at, share)).collect();
    all.sort_unstable_by_key(|(whereabouts, at, _)| {
        (matches!(whereabouts, Whereabouts::Gone(_)), *whereabouts != Whereabouts::AtWork, *at)
    });
    all.into_iter().map(|(whereabouts, _, share)| (share, whereabouts.text())).collect()
}

/// The owner of the phase of `track`, if its process is gone.
pub(super) fn left<'a>(told: &'a Told, track: &Track) -> Option<&'a LiveClaim> {
    match told.view.board.state(track.phase) {
        State::Claimed(hold) if is_gone(hold) => Some(hold),
        State::Claimed(_) | State::Pending | State::Done(_) => None,
    }
}

/// What is said of one claim on the phase of `track`.
pub(super) fn said(told: &Told, track: &Track, work: &Work) -> String {
    let who = known(&work.agent);
    let how_long = work.span.map_or("for an unknown time".to_owned(), |span| {
        format!("from {} for {}", moment(span.from), duration(span.length()))
    });
    let end = match work.end {
        End::Pass => "passed".to_owned(),
        End::Fail => "failed".to_owned(),
        End::Running => match left(told, track) {
            Some(hold) => format!("has it still: {}", gone(hold.heard)),
            None => "has it still".to_owned(),
        },
        End::Ended => {
            let how = if work.how.is_empty() { "ended" } else { &work.how };
            let why =
                if work.reason.is_empty() { String::new() } else { format!(": {}", work.reason) };
            safe(&format!("{how}{why}")).into_owned()
        }
    };
    format!("{who} {how_long}, {end}")
}

/// Where `span` lies within `whole`, in thousandths: where it begins, and how long it is.
pub(super) fn within(span: Span, whole: Span) -> (u32, u32) {
    let all = whole.length().as_millis().max(1);
    let place = |at: Timestamp| {
        let millis = at.duration_since(whole.from).as_millis().clamp(0, all);
        u32::try_from(millis.saturating_mul(1000) / all).unwrap_or(1000)
    };
    let from = place(span.from);
    (from, place(span.to) - from)
}

/// The names of a chain of phases.
fn names<'a>(board: &'a Board, ids: &[PhaseId]) -> Vec<&'a str> {
    ids.iter().map(|id| board.graph.phase(*id).name.as_str()).collect()
}

/// Where an agent is now: in the order in which agents are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Whereabouts {
    AtWork,
    /// It holds nothing.
    Free,
    /// Its process is gone, and it still holds a phase; when it was last heard.
    Gone(Option<Timestamp>),
}

impl Whereabouts {
    fn of(board: &Board, agent: &str) -> Self {
        if board.standing() != Standing::Active {
            return Self::Free;
        }
        let held = board.graph.ids().filter_map(|id| match board.state(id) {
            State::Claimed(hold) if hold.claim.agent == agent => Some(hold),
            State::Claimed(_) | State::Pending | State::Done(_) => None,
        });
        let each =
            held.map(|hold| if is_gone(hold) { Self::Gone(hold.heard) } else { Self::AtWork });
        each.min().unwrap_or(Self::Free)
    }

    fn text(self) -> String {
        match self {
            Self::AtWork => "at work".to_owned(),
            Self::Free => String::new(),
            Self::Gone(heard) => gone(heard),
        }
    }
}

fn milliseconds(time: SignedDuration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// From one moment to another.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct SpanAnswer {
    /// The first moment, in UTC.
    from: Timestamp,
    /// The last one, in UTC.
    to: Timestamp,
}

/// One claim on a phase.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct WorkAnswer<'a> {
    /// Whose; empty if it cannot be known.
    agent: &'a str,
    /// When it was made, in UTC.
    from: Option<Timestamp>,
    /// When it ended, in UTC.
    to: Option<Timestamp>,
    /// How it ended.
    end: End,
    /// Of an attempt that ended: the word for how.
    how: &'a str,
    /// Of an attempt that ended: why, in the words of who ended it.
    reason: &'a str,
}

/// A phase, and when what happened to it.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct ReportPhase<'a> {
    /// Its name.
    phase: &'a str,
    #[serde(flatten)]
    facts: board::Phase<'a>,
    /// What it is about.
    about: Option<&'a str>,
    /// What it depends on.
    depends_on: Vec<String>,
    /// When it could first be claimed, in UTC.
    claimable_at: Option<Timestamp>,
    /// How long it could be claimed and nobody had it, in milliseconds.
    waited_ms: i64,
    /// How long somebody had it, in milliseconds.
    worked_ms: i64,
    /// When it could be claimed and nobody had it, the earliest first.
    waits: Vec<SpanAnswer>,
    /// Who had it, the earliest first.
    work: Vec<WorkAnswer<'a>>,
}

/// What one agent did.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct ReportAgent<'a> {
    /// Its name; empty for all whose names cannot be known.
    agent: &'a str,
    /// How long it had a phase, in milliseconds.
    worked_ms: i64,
    /// How many phases it completed.
    completed: usize,
    /// How many of its attempts ended without a completion.
    ended: usize,
}

/// What `report` answers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct ReportAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// The sprint.
    sprint_id: &'a str,
    /// What the whole sprint amounts to.
    status: Standing,
    /// What it is for.
    goal: Option<&'a str>,
    /// Who started it.
    started_by: &'a str,
    /// When it began, in UTC.
    from: Timestamp,
    /// When its last phase was completed or it was ended, or now.
    to: Timestamp,
    /// The time between, in milliseconds.
    elapsed_ms: i64,
    /// How many phases are done.
    done: usize,
    /// The phases, in the board's order.
    phases: Vec<ReportPhase<'a>>,
    /// Who took part, the longest first.
    agents: Vec<ReportAgent<'a>>,
    /// The chain of phases that determined how long the sprint took.
    critical_path: Vec<&'a str>,
}

/// One sprint of several.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct ReportSprint<'a> {
    /// The sprint.
    sprint_id: &'a str,
    /// What it is for.
    goal: Option<&'a str>,
    /// What it amounts to.
    status: Standing,
    /// When it began, in UTC.
    from: Timestamp,
    /// How long it took, in milliseconds.
    elapsed_ms: i64,
    /// How many phases are done.
    done: usize,
    /// How many of these failed.
    failed: usize,
    /// How many phases it has.
    phases: usize,
    /// Who took part.
    agents: &'a [String],
}

/// What `report --all` answers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct ReportAllAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// The sprints, the latest first.
    sprints: Vec<ReportSprint<'a>>,
    /// The sprints that cannot be read.
    unreadable: &'a [String],
}

pub(super) fn json(told: &Told, now: Timestamp) -> Value {
    let (board, line) = (&told.view.board, &told.line);
    let rows = told.view.rows(now);
    let phase = |id: PhaseId| {
        let track = &line.tracks[id.index()];
        let entry = board.graph.phase(id);
        ReportPhase {
            phase: &entry.name,
            facts: board::phase(&told.view, rows.row(id)),
            about: entry.about.as_deref(),
            depends_on: board.graph.dependencies(id),
            claimable_at: track.claimable,
            waited_ms: milliseconds(track.waited()),
            worked_ms: milliseconds(track.worked()),
            waits: track.waits.iter().map(|it| SpanAnswer { from: it.from, to: it.to }).collect(),
            work: track.work.iter().map(WorkAnswer::from).collect(),
        }
    };
    let agents = line.agents.iter().map(|share| ReportAgent {
        agent: &share.agent,
        worked_ms: milliseconds(share.worked),
        completed: share.completed,
        ended: share.ended,
    });
    json!(ReportAnswer {
        v: VERSION,
        ok: true,
        sprint_id: &board.sprint.sprint_id,
        status: board.standing(),
        goal: board.sprint.goal.as_deref(),
        started_by: &board.sprint.started_by,
        from: line.whole.from,
        to: line.whole.to,
        elapsed_ms: milliseconds(line.whole.length()),
        done: board.done_count(),
        phases: board.graph.ids().map(phase).collect(),
        agents: agents.collect(),
        critical_path: names(board, &line.critical),
    })
}

impl<'a> From<&'a Work> for WorkAnswer<'a> {
    fn from(work: &'a Work) -> Self {
        Self {
            agent: &work.agent,
            from: work.span.map(|span| span.from),
            to: work.span.map(|span| span.to),
            end: work.end,
            how: &work.how,
            reason: &work.reason,
        }
    }
}

pub(super) fn overview_json(overview: &Overview) -> Value {
    json!(ReportAllAnswer {
        v: VERSION,
        ok: true,
        sprints: overview.sprints.iter().map(ReportSprint::from).collect(),
        unreadable: &overview.unreadable,
    })
}

impl<'a> From<&'a Summary> for ReportSprint<'a> {
    fn from(it: &'a Summary) -> Self {
        Self {
            sprint_id: &it.sprint_id,
            goal: it.goal.as_deref(),
            status: it.standing,
            from: it.begin,
            elapsed_ms: milliseconds(it.elapsed),
            done: it.done,
            failed: it.failed,
            phases: it.phases,
            agents: &it.agents,
        }
    }
}
