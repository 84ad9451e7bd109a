//! How many rows the next piece of some work may have, so that it keeps to a budget.

use crate::limits::{PIECE_ROWS_MIN, PIECE_ROWS_START, STEP_ROWS_MAX};

/// The size of the next piece: learned from what the last ones took.
///
/// ```
/// use laminar_core::budget::PieceRows;
///
/// let mut piece = PieceRows::default();
/// let rows = piece.rows();
/// piece.learn(rows, 900, 1_000); // took more than half of the budget
/// assert_eq!(piece.rows(), rows / 2);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PieceRows(usize);

impl Default for PieceRows {
    fn default() -> Self {
        Self(PIECE_ROWS_START)
    }
}

impl PieceRows {
    /// Rows of the next piece at most.
    pub fn rows(self) -> usize {
        self.0
    }

    /// A piece of `rows` rows took `spent_ns` of a budget of `limit_ns`. Halves the next one if that was more than half of the budget,
    /// doubles it if the piece was whole and took less than an eighth. One slow piece, as when a large window closes, so costs a factor of two only.
    pub fn learn(&mut self, rows: usize, spent_ns: u64, limit_ns: u64) {
        if spent_ns > limit_ns / 2 {
            self.0 = (self.0 / 2).max(PIECE_ROWS_MIN);
        } else if spent_ns < limit_ns / 8 && rows >= self.0 {
            self.0 = (self.0 * 2).min(STEP_ROWS_MAX);
        }
    }
}
