//! A board as one asker sees it.

use super::board::Board;
use super::graph::PhaseId;
use super::identity::Me;
use super::lost::Loss;

/// The board, as one asker sees it.
#[derive(Debug)]
pub struct View {
    /// The board.
    pub board: Board,
    /// Who asks.
    pub me: Me,
    /// `conductor.staleAfter`.
    pub stale_after: jiff::SignedDuration,
    /// `conductor.maxAttempts`.
    pub max_attempts: Option<u64>,
    /// The phases whose artifact is not any more what was handed over.
    pub changed: Vec<PhaseId>,
    /// What the asker has lost.
    pub lost: Vec<Loss>,
}
