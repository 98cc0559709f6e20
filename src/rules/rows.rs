//! The board as one asker sees it: a row for each phase, worked out once for whatever shows it.

use jiff::{SignedDuration, Timestamp};

use super::attempts::is_exhausted;
use super::board::{Board, Standing, State};
use super::decide::{check_four_eyes, is_mine};
use super::graph::PhaseId;
use super::identity::{Life, Me};
use super::lost::Loss;
use super::request::Facts;
use super::trouble::{Trouble, goes_on, trouble};

/// The board, as one asker sees it.
#[derive(Debug)]
pub struct View {
    /// The board.
    pub board: Board,
    /// Who asks.
    pub me: Me,
    /// `conductor.staleAfter`.
    pub stale_after: SignedDuration,
    /// `conductor.maxAttempts`.
    pub max_attempts: Option<u64>,
    /// The phases whose artifact is not any more what was handed over.
    pub changed: Vec<PhaseId>,
    /// What the asker has lost.
    pub lost: Vec<Loss>,
}

impl View {
    /// `board` as an asker sees it by these settings, with nothing lost and nothing changed.
    #[must_use]
    pub fn of(board: Board, facts: Facts<'_>) -> Self {
        let Facts { me, stale_after, max_attempts, .. } = facts;
        let (changed, lost) = (Vec::new(), Vec::new());
        Self { board, me: me.clone(), stale_after, max_attempts, changed, lost }
    }

    /// What the rules judge by at that time.
    #[must_use]
    pub fn facts(&self, now: Timestamp) -> Facts<'_> {
        let Self { me, stale_after, max_attempts, .. } = self;
        Facts { me, now, stale_after: *stale_after, max_attempts: *max_attempts }
    }

    /// All rows, as they are at that time.
    #[must_use]
    pub fn rows(&self, now: Timestamp) -> BoardRows {
        BoardRows::of(&self.board, self.facts(now))
    }

    /// The row of one phase.
    #[must_use]
    pub fn row(&self, id: PhaseId, now: Timestamp) -> BoardRow {
        BoardRow::of(&self.board, id, self.facts(now))
    }
}

/// Where a phase is: the states of the rules, with what can be seen of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowState {
    /// It waits for others.
    Pending,
    /// It is pending, and too many attempts at it failed.
    Exhausted,
    /// It can be claimed.
    Ready,
    /// Somebody is at work on it.
    Claimed,
    /// It is claimed, and nothing shows that its owner is still there.
    Silent,
    /// It is claimed, and its owner's process is gone.
    Left,
    /// Its owner's process is gone, and anybody may claim it.
    Stale,
    /// It is done.
    Done,
    /// It was completed, and failed.
    Failed,
}

impl RowState {
    /// The word for it. JSON has `pending`, `claimed` and `done` instead, and flags beside them.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending | Self::Exhausted => "pending",
            Self::Ready => "ready",
            Self::Claimed | Self::Silent | Self::Left => "claimed",
            Self::Stale => "stale",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// One phase.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub struct BoardRow {
    /// Which.
    pub id: PhaseId,
    /// Where it is.
    pub state: RowState,
    /// Why it does not go on, if it does not.
    pub trouble: Option<Trouble>,
    /// Whether it can be claimed by anybody.
    pub is_ready: bool,
    /// Whether no more attempts at it are allowed.
    pub is_exhausted: bool,
    /// Whether the asker holds it.
    pub is_mine: bool,
    /// Whether the four-eyes rule lets the asker own it; of a pending phase, by what is done by
    /// now.
    pub is_for_asker: bool,
    /// The dependencies that keep a pending phase closed.
    pub waits_for: Vec<PhaseId>,
    /// Whether work on it goes on, or can be begun without taking it from somebody.
    goes_on: bool,
}

impl BoardRow {
    /// Whether something is left to do: it is not done, or has failed.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state != RowState::Done
    }

    /// What the rules make of `id`.
    #[must_use]
    pub fn of(board: &Board, id: PhaseId, facts: Facts<'_>) -> Self {
        let trouble = trouble(board, id, facts);
        let is_exhausted = is_exhausted(board, id, facts);
        let is_pending = matches!(board.state(id), State::Pending);
        let is_open = is_pending && board.is_ready(id);
        let state = match (board.state(id), trouble) {
            (State::Pending, Some(_)) => RowState::Exhausted,
            (State::Pending, None) if is_open => RowState::Ready,
            (State::Pending, None) => RowState::Pending,
            (State::Claimed(claim), _) if claim.is_stale(facts.now, facts.stale_after) => {
                RowState::Stale
            }
            (State::Claimed(claim), _) if claim.life == Life::Dead => RowState::Left,
            (State::Claimed(_), Some(_)) => RowState::Silent,
            (State::Claimed(_), None) => RowState::Claimed,
            (State::Done(_), Some(_)) => RowState::Failed,
            (State::Done(_), None) => RowState::Done,
        };
        let is_mine = match board.state(id) {
            State::Claimed(claim) => is_mine(facts.me, claim),
            State::Pending | State::Done(_) => false,
        };
        Self {
            id,
            state,
            trouble,
            is_ready: is_open && !is_exhausted,
            is_exhausted,
            is_mine,
            is_for_asker: !is_pending || check_four_eyes(board, id, facts.me).is_ok(),
            waits_for: if is_pending { board.waits_for(id) } else { Vec::new() },
            goes_on: goes_on(board, id, facts),
        }
    }
}

/// All phases of a board, in its order.
#[derive(Debug, Clone)]
pub struct BoardRows {
    rows: Vec<BoardRow>,
    /// How the sprint stands.
    pub standing: Standing,
}

impl BoardRows {
    /// What the rules make of `board`.
    #[must_use]
    pub fn of(board: &Board, facts: Facts<'_>) -> Self {
        let rows = board.graph.ids().map(|id| BoardRow::of(board, id, facts)).collect();
        Self { rows, standing: board.standing() }
    }

    /// The row of `id`.
    #[must_use]
    pub fn row(&self, id: PhaseId) -> &BoardRow {
        &self.rows[id.index()]
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &BoardRow> {
        self.rows.iter()
    }

    /// The phases that do not go on, and why.
    pub fn troubles(&self) -> impl Iterator<Item = (PhaseId, Trouble)> {
        self.rows.iter().filter_map(|row| Some((row.id, row.trouble?)))
    }

    /// Whether nobody is at work on an unfinished sprint, and nothing can be claimed that was not
    /// left.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.standing == Standing::Active && !self.rows.iter().any(|row| row.goes_on)
    }
}
