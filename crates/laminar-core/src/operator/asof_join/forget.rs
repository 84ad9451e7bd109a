//! Which rows of an ASOF join can be forgotten as time goes on.
//!
//! No left row to come lies before the left horizon, no right row before the right one.
//!
//! * Backward: a left row before the right horizon has found its row. Of the right rows before both horizons, the last one of each key
//!   can still be found.
//! * Forward: a left row has found its row when there is a right one after it, before the right horizon; that right row, and all before
//!   it, no left row to come can find.
//! * Nearest: a left row has found its row as in forward; the last right row of each key before both horizons can still be found.

use super::search::Search;
use crate::Result;
use crate::graph::{AsofDirection, TimeColumn};
use crate::limits::BATCH_ROWS_MAX;
use crate::state::{RowId, TimedArrangement};
use crate::time::Watermark;

/// How far time has come, and what has been looked at for it.
#[derive(Debug)]
pub(super) struct Horizon {
    times: [TimeColumn; 2],
    /// Nanoseconds of one unit of the compared columns.
    unit: i64,
    /// Whether no left row is taken back.
    left_appends: bool,
    pub(super) reached: Watermark,
    /// Right rows before this have been looked at.
    swept: i64,
}

impl Horizon {
    pub(super) fn new(times: [TimeColumn; 2], unit: i64, left_appends: bool) -> Self {
        Self { times, unit, left_appends, reached: Watermark::START, swept: i64::MIN }
    }

    /// Nothing has been looked at: the rows come from an image.
    pub(super) fn start_again(&mut self) {
        self.swept = i64::MIN;
    }

    /// No row of a side to come lies before this, in units of the compared columns.
    fn of(&self, side: usize) -> i64 {
        match self.reached.held_back(self.times[side].lag) {
            Watermark::START => i64::MIN,
            Watermark::END => i64::MAX,
            // A row between two nanoseconds of the coarser unit does not exist.
            Watermark(nanos) => nanos.div_euclid(self.unit) + i64::from(nanos.rem_euclid(self.unit) > 0),
        }
    }

    /// Forgets what nothing to come can change or find.
    pub(super) fn forget(&mut self, search: Search, [left, right]: &mut [TimedArrangement; 2]) -> Result<()> {
        let (of_right, both) = (self.of(1), self.of(0).min(self.of(1)));
        if self.reached.is_end() {
            left.forget_before(i64::MAX)?;
            return right.forget_before(i64::MAX);
        }
        // A left row that can be taken back is needed until that would be late.
        let left_before = if self.left_appends { of_right } else { both };
        if search.direction == AsofDirection::Backward {
            left.forget_before(left_before)?;
        }
        self.sweep(both, search, [left, right])?;
        let Some(tolerance) = search.tolerance else { return Ok(()) };
        match search.direction {
            AsofDirection::Backward => right.forget_before(both.saturating_sub(tolerance)),
            AsofDirection::Forward => left.forget_before(left_before.saturating_sub(tolerance)),
            AsofDirection::Nearest => {
                left.forget_before(left_before.saturating_sub(tolerance))?;
                right.forget_before(both.saturating_sub(tolerance).saturating_sub(tolerance))
            }
        }
    }

    /// Looks at the right rows that have come to lie before both horizons.
    fn sweep(&mut self, both: i64, search: Search, [left, right]: [&mut TimedArrangement; 2]) -> Result<()> {
        loop {
            let rows = right.between(self.swept, both, BATCH_ROWS_MAX);
            let Some((last, _)) = rows.last().copied() else { break };
            let row_ids: Vec<RowId> = rows.iter().map(|(_, row_id)| *row_id).collect();
            let keys = right.keys_at(&row_ids)?;
            for (row, (time, _)) in rows.iter().enumerate() {
                let (key, after) = (keys.row(row).data(), time.saturating_add(1));
                if search.direction != AsofDirection::Backward {
                    left.forget_of(key, if search.strict { *time } else { after })?;
                }
                right.forget_of(key, if search.direction == AsofDirection::Forward { after } else { *time })?;
            }
            self.swept = last.saturating_add(1);
        }
        self.swept = self.swept.max(both);
        Ok(())
    }
}
