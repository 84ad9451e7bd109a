//! Stored rows by event time, so that the oldest are found without a look at the others.

use std::collections::BTreeSet;

use arrow_array::{Array, RecordBatch};

use super::row_store::RowId;
use super::tree_bytes::set_bytes;
use crate::Result;
use crate::time::event_time::to_nanos;

/// The rows that have a usable event time, in its order. Others are never old.
#[derive(Debug)]
pub(crate) struct TimeIndex {
    column: usize,
    rows: BTreeSet<(i64, RowId)>,
    /// How many rows have no usable time.
    timeless: usize,
}

impl TimeIndex {
    /// An index of rows by their column `column`, a time.
    pub(crate) fn new(column: usize) -> Self {
        Self { column, rows: BTreeSet::new(), timeless: 0 }
    }

    /// Adds rows: of each its position in `rows`, and its row id.
    pub(crate) fn insert(&mut self, rows: &RecordBatch, inserted: impl Iterator<Item = (usize, RowId)>) -> Result<()> {
        let times = to_nanos(rows.column(self.column))?;
        for (row, row_id) in inserted {
            match times.is_valid(row) {
                true => _ = self.rows.insert((times.value(row), row_id)),
                false => self.timeless += 1,
            }
        }
        Ok(())
    }

    /// Takes rows out: of each its position in `rows`, and its row id.
    pub(crate) fn remove(&mut self, rows: &RecordBatch, removed: impl Iterator<Item = (usize, RowId)>) -> Result<()> {
        let times = to_nanos(rows.column(self.column))?;
        for (row, row_id) in removed {
            match times.is_valid(row) {
                true => _ = self.rows.remove(&(times.value(row), row_id)),
                false => self.timeless -= 1,
            }
        }
        Ok(())
    }

    /// Takes out the next at most `limit` rows with a time before `before` (nanoseconds), oldest first.
    pub(crate) fn take_before(&mut self, before: i64, limit: usize) -> Vec<RowId> {
        let mut taken = Vec::new();
        while taken.len() < limit
            && let Some((time, row_id)) = self.rows.first().copied()
            && time < before
        {
            self.rows.pop_first();
            taken.push(row_id);
        }
        taken
    }

    /// Whether all rows are found by time.
    pub(crate) fn is_complete(&self) -> bool {
        self.timeless == 0
    }

    /// The rows from `first` on, with times up to `last`, in the order of time.
    pub(crate) fn between(&self, first: (i64, RowId), last: i64) -> impl Iterator<Item = (i64, RowId)> + '_ {
        let range = (first.0 <= last).then(|| self.rows.range(first..=(last, RowId::MAX)));
        range.into_iter().flatten().copied()
    }

    pub(crate) fn bytes(&self) -> usize {
        set_bytes(&self.rows)
    }
}
