//! The board: where each phase is, in words, signs and colours, and all of it as JSON.

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::advice;
use super::messages::Messages;
use super::phrases::{ago, known, who};
use super::text::{Paint, safe};
use crate::error::Hint;
use crate::record::{VERSION, Verdict};
use crate::rules::lost::Loss;
use crate::rules::next::next;
use crate::rules::others::Alive;
use crate::rules::rows::{BoardRow, BoardRows, RowState, View};
use crate::rules::{Board, PhaseId, Standing, State, attempts, decide};

/// The word for where a phase is, coloured.
pub(crate) fn painted(state: RowState, paint: Paint) -> String {
    state.paint(paint, state.word())
}

/// How a state looks on a terminal.
impl RowState {
    /// A sign that tells them apart without colours, on every terminal.
    pub(crate) const fn sign(self) -> char {
        match self {
            Self::Pending => '.',
            Self::Exhausted | Self::Failed => 'x',
            Self::Ready => '>',
            Self::Claimed => '*',
            Self::Silent => '?',
            Self::Left | Self::Stale => '!',
            Self::Done => '+',
        }
    }

    pub(crate) fn paint(self, paint: Paint, text: &str) -> String {
        match self {
            Self::Pending => paint.dim(text),
            Self::Ready => paint.open(text),
            Self::Done => paint.good(text),
            Self::Claimed => paint.busy(text),
            Self::Silent | Self::Left | Self::Stale => paint.left(text),
            Self::Exhausted | Self::Failed => paint.bad(text),
        }
    }
}

pub(crate) fn agent(board: &Board, id: PhaseId) -> String {
    match board.state(id) {
        State::Pending => String::new(),
        State::Claimed(hold) => known(&hold.claim.agent),
        State::Done(done) => known(&done.agent),
    }
}

/// The phases that the asker holds, by name.
pub(crate) fn mine<'a>(view: &'a View, rows: &BoardRows) -> Vec<&'a str> {
    let held = rows.iter().filter(|row| row.is_mine);
    held.map(|row| view.board.graph.phase(row.id).name.as_str()).collect()
}

/// `'build': 'bob' took it over 5m ago`
pub(crate) fn lost_line(loss: &Loss, now: Timestamp) -> String {
    let how = if loss.how == attempts::UNSTUCK { "freed it" } else { "took it over" };
    format!("'{}': {} {how}{}", safe(&loss.phase), who(&loss.by), ago(now, loss.at))
}

/// What to do about something lost.
pub(crate) fn lost_advice(loss: &Loss) -> Hint {
    let place = loss.worktree.as_deref().map(|place| format!(" in '{}'", safe(place)));
    let kept = loss.salvage.as_deref().map(|name| {
        format!(
            " (what you had not committed is also kept: 'git conductor salvage show {}')",
            safe(name)
        )
    });
    let stop = format!(
        "stop working on '{}'; your files{} are as they were{}",
        safe(&loss.phase),
        place.unwrap_or_default(),
        kept.unwrap_or_default()
    );
    Hint::new(format!("{stop}: tell your human what you have"), stop)
}

/// What the asker could do now, for the hint below the table.
pub(crate) fn hint(view: &View, now: Timestamp) -> Option<String> {
    let facts = view.facts(now);
    if let Some(mine) = decide::mine(&view.board, facts).first() {
        let phase = view.board.graph.phase(*mine);
        return Some(advice::go_on(&phase.name, phase.handover()));
    }
    next(&view.board, facts).is_ok().then(|| "git conductor next --claim".to_owned())
}

/// One phase in JSON.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Phase<'a> {
    /// `pending`, `claimed` or `done`.
    state: &'static str,
    /// Who owns or completed it; empty if nobody does, or it cannot be known.
    agent: &'a str,
    /// When it was claimed or completed, in UTC.
    at: Option<Timestamp>,
    /// Whether it can be claimed.
    ready: bool,
    /// Whether it is claimed, and anybody may claim it by now.
    stale: bool,
    /// How many attempts at it ended without a completion.
    attempts: usize,
    /// Whether too many of them failed.
    exhausted: bool,
    /// What became of the work, once it is done.
    verdict: Option<Verdict>,
    /// What it waits for that is not done, or failed.
    waits_for: Vec<&'a str>,
    #[serde(flatten)]
    more: Option<More<'a>>,
}

/// What there is to say of a phase in one state only.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub(crate) enum More<'a> {
    /// Of a pending one.
    Pending {
        /// Whether you may own it, once it is ready.
        for_you: bool,
    },
    /// Of a claimed one.
    Claimed {
        /// Whether the owner's process lives.
        alive: Alive,
        /// When the owner was last heard, in UTC.
        heard: Option<Timestamp>,
        /// Whether it is yours.
        yours: bool,
        /// The worktree it was claimed from (absolute path).
        worktree: Option<&'a str>,
        /// Whether no process can prove that the owner lives.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        shared: bool,
    },
    /// Of one that is done.
    Done {
        /// The commit that it was done at.
        commit: Option<&'a str>,
        /// The branch that was checked out.
        branch: Option<&'a str>,
        /// Whether something was not committed there.
        dirty: Option<bool>,
        /// The path that was handed over; empty if there is none.
        artifact: &'a str,
        /// Its SHA-256.
        artifact_sha256: Option<&'a str>,
        /// Whether it has been changed since.
        artifact_changed: bool,
        /// The sprint in which it was completed, if this one only took it over.
        #[serde(skip_serializing_if = "Option::is_none")]
        carried_from: Option<&'a str>,
    },
}

pub(crate) fn phase<'a>(view: &'a View, row: &BoardRow) -> Phase<'a> {
    let (board, id) = (&view.board, row.id);
    let mut phase = Phase {
        state: "pending",
        agent: "",
        at: None,
        ready: row.is_ready,
        stale: row.state == RowState::Stale,
        attempts: board.past(id).len(),
        exhausted: row.is_exhausted,
        verdict: None,
        waits_for: Vec::new(),
        more: None,
    };
    match board.state(id) {
        State::Pending => {
            let name = |dep: &PhaseId| board.graph.phase(*dep).name.as_str();
            phase.waits_for = row.waits_for.iter().map(name).collect();
            phase.more = Some(More::Pending { for_you: row.is_for_asker });
        }
        State::Claimed(hold) => {
            phase.state = "claimed";
            phase.agent = &hold.claim.agent;
            phase.at = hold.claim.claimed_at;
            phase.more = Some(More::Claimed {
                alive: hold.life.into(),
                heard: hold.heard,
                yours: row.is_mine,
                worktree: hold.claim.worktree.as_deref(),
                shared: hold.claim.is_unproven(),
            });
        }
        State::Done(done) => {
            phase.state = "done";
            phase.agent = &done.agent;
            phase.at = done.completed_at;
            phase.verdict = Some(done.verdict);
            phase.more = Some(More::Done {
                commit: done.at.commit.as_deref(),
                branch: done.at.branch.as_deref(),
                dirty: done.at.dirty,
                artifact: &done.artifact,
                artifact_sha256: done.artifact_sha256.as_deref(),
                artifact_changed: view.changed.contains(&id),
                carried_from: done.carried_from.as_deref(),
            });
        }
    }
    phase
}

/// Which phases are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// All of them.
    All,
    /// Those with something left to do.
    Open,
}

impl Shown {
    /// Whether `row` is among them.
    pub(crate) fn has(self, row: &BoardRow) -> bool {
        self == Self::All || row.is_open()
    }
}

/// What `status` answers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct BoardAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// The sprint.
    sprint_id: &'a str,
    /// The canonical path of the main worktree.
    project: &'a str,
    /// What the whole sprint amounts to.
    status: Standing,
    /// What it is for.
    goal: Option<&'a str>,
    /// The phases by name, in the graph's order.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "std::collections::BTreeMap<String, Phase<'static>>")
    )]
    phases: Phases<'a>,
    /// Who asks.
    you: You<'a>,
}

/// Who asks.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct You<'a> {
    /// The name.
    agent: &'a str,
    /// Whether it was given, rather than detected.
    explicit: bool,
    /// The phases that you own.
    holds: Vec<&'a str>,
    /// What you have lost to others.
    lost: &'a [Loss],
}

/// Phases by name, in an order of their own.
struct Phases<'a>(Vec<(&'a str, Phase<'a>)>);

impl Serialize for Phases<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, phase)| (name, phase)))
    }
}

/// What `status` and `prime` answer where there is no sprint.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct NoSprintAnswer {
    /// The version of this format.
    v: u32,
    /// `no_sprint`.
    status: &'static str,
}

/// That there is no sprint, in JSON.
pub(crate) fn no_sprint() -> Value {
    json!(NoSprintAnswer { v: VERSION, status: "no_sprint" })
}

/// Who asks, in JSON.
pub(crate) fn you<'a>(view: &'a View, rows: &BoardRows) -> You<'a> {
    You {
        agent: &view.me.name,
        explicit: view.me.explicit,
        holds: mine(view, rows),
        lost: &view.lost,
    }
}

/// The board in JSON, phases in the graph's order.
pub(crate) fn json(view: &View, shown: Shown, now: Timestamp) -> Value {
    let board = &view.board;
    let rows = view.rows(now);
    let named = |row: &BoardRow| (&*board.graph.phase(row.id).name, phase(view, row));
    json!(BoardAnswer {
        v: VERSION,
        sprint_id: &board.sprint.sprint_id,
        project: &board.sprint.project,
        status: board.standing(),
        goal: board.sprint.goal.as_deref(),
        phases: Phases(rows.iter().filter(|row| shown.has(row)).map(named).collect()),
        you: you(view, &rows),
    })
}

/// Says what the asker has lost, and what to do about it.
pub(crate) fn lost_text(lost: &[Loss], now: Timestamp, messages: &mut Messages) {
    for loss in lost {
        messages.warning(&format!("you lost {}", lost_line(loss, now)));
    }
    if let Some(loss) = lost.first() {
        messages.hint(&lost_advice(loss));
    }
}
