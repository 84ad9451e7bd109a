//! The first of two phases of an aggregate: rows are aggregated where they are, and groups are sent instead of rows.
//!
//! Between workers rows move to the worker of their key. Where many of them belong to few groups it is cheaper to send what
//! they add up to. An operator that can do that takes the rows at its exchange, on the worker where they are, and gives groups
//! to be sent; the worker of their key merges them like rows. Whether it pays depends on the rows, so it is tried and judged
//! by what came of it: rows that are not taken go to the other worker as they are, at any time.

use std::ops::Range;

use arrow_array::RecordBatch;

use super::OperatorContext;
use crate::limits::{AHEAD_ROWS_PER_GROUP, AHEAD_SAMPLE_ROWS_MIN, AHEAD_WAIT_ROWS_MAX, AHEAD_WAIT_ROWS_MIN};
use crate::time::Watermark;
use crate::{ChangeBatch, Result};

/// What an operator does with rows ahead of the exchange of its input.
pub trait PartialAggregation {
    /// Takes rows that are about to be sent to the worker of their key. What comes back is sent as it is.
    fn absorb(&mut self, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<Option<ChangeBatch>>;

    /// Which columns of sent groups are their keys.
    fn sent_keys(&self) -> Range<usize>;

    /// All groups that were not sent yet; they stay. For images.
    fn on_the_way(&self) -> Result<Vec<SentGroups>>;

    /// The groups to be sent in this step: all that anyone needs whose watermark is at most `until`. They arrive as changes of
    /// [`Port::GROUPS`](crate::Port::GROUPS).
    fn leave(&mut self, until: Watermark) -> Result<Vec<SentGroups>>;
}

/// Groups on their way to the workers of their keys.
#[derive(Debug, Clone)]
pub struct SentGroups {
    /// One row a group.
    pub rows: RecordBatch,
    /// Which columns are the keys.
    pub keys: Range<usize>,
}

/// Whether to aggregate before the exchange, by how many rows a group had when that was done last.
#[derive(Debug)]
pub(super) struct Payoff {
    /// Rows that are still to be sent as they are.
    waits: u64,
    /// How long to wait when it does not pay the next time.
    next_wait: u64,
}

impl Default for Payoff {
    fn default() -> Self {
        Self { waits: 0, next_wait: AHEAD_WAIT_ROWS_MIN }
    }
}

impl Payoff {
    /// Whether so many rows should be aggregated before the exchange.
    pub(super) fn takes(&mut self, rows: usize) -> bool {
        let takes = self.waits == 0;
        self.waits = self.waits.saturating_sub(rows as u64);
        takes
    }

    /// Whether `rows` in `groups` were worth it.
    pub(super) fn is_worth(rows: u64, groups: usize) -> bool {
        rows >= AHEAD_ROWS_PER_GROUP * groups as u64
    }

    /// Learns from `rows` that went into `groups`; a few say nothing.
    pub(super) fn learn(&mut self, rows: u64, groups: usize) {
        if rows < AHEAD_SAMPLE_ROWS_MIN {
            return;
        }
        if Self::is_worth(rows, groups) {
            self.next_wait = AHEAD_WAIT_ROWS_MIN;
        } else {
            self.waits = self.next_wait;
            self.next_wait = (self.next_wait * 4).min(AHEAD_WAIT_ROWS_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_pay_is_tried_again_later_and_ever_more_seldom() {
        let mut payoff = Payoff::default();
        assert!(payoff.takes(1000));
        payoff.learn(100, 100);
        assert!(payoff.takes(1000), "so few rows say nothing");
        for wait in [AHEAD_WAIT_ROWS_MIN, 4 * AHEAD_WAIT_ROWS_MIN, 16 * AHEAD_WAIT_ROWS_MIN] {
            payoff.learn(10_000, 9_000);
            assert!(!payoff.takes(wait as usize - 1));
            assert!(!payoff.takes(1000));
            assert!(payoff.takes(1000), "after {wait} rows");
        }
        payoff.learn(10_000, 10);
        payoff.learn(10_000, 9_000);
        assert!(!payoff.takes(AHEAD_WAIT_ROWS_MIN as usize), "once it paid, it is tried soon again");
        assert!(payoff.takes(1000));
    }
}
