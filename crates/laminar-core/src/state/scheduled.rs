//! Rows that are shown from one moment until another, found by which of these comes next.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::Ownership;
use super::image::StateImage;
use super::row_store::RowId;
use super::row_table::RowTable;
use super::tree_bytes::set_bytes;
use crate::{ChangeBatch, Result};

/// What ends never: the moment of a row that stays, or of one that never comes.
pub(crate) const NEVER: i64 = i64::MAX;

/// A Z-set of rows with two moments each, `from` and `until`, in nanoseconds. A row waits until `from`, is shown then, and goes at `until`.
/// The moments depend on the row alone, so that equal rows share them.
#[derive(Debug)]
pub(crate) struct ScheduledRows {
    /// The columns of the rows, then `from` and `until`: a row that is moved takes its moments along.
    table: RowTable,
    /// The rows without their moments.
    schema: SchemaRef,
    /// Rows that are not shown yet, by `from`.
    waiting: BTreeSet<(i64, RowId)>,
    /// Rows that are shown, by `until`.
    shown: BTreeSet<(i64, RowId)>,
}

/// The moments of stored rows.
struct Moments<'a> {
    from: &'a Int64Array,
    until: &'a Int64Array,
}

impl ScheduledRows {
    /// Rows of `schema`. `only_come`: they are never retracted, so that they need not be found by their values.
    pub(crate) fn new(schema: SchemaRef, only_come: bool) -> Self {
        let width = schema.fields().len();
        let moments = ["from", "until"].map(|name| Arc::new(Field::new(name, DataType::Int64, false)));
        let timed = Arc::new(Schema::new(schema.fields().iter().cloned().chain(moments).collect::<Vec<_>>()));
        let table = if only_come { RowTable::append_only(timed) } else { RowTable::new(timed, (0..width).collect()) };
        Self { table, schema, waiting: BTreeSet::new(), shown: BTreeSet::new() }
    }

    /// Different rows that wait or are shown.
    pub(crate) fn len(&self) -> usize {
        self.table.store().live()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When the next row comes or goes, if one does.
    pub(crate) fn next(&self) -> Option<i64> {
        let first = |rows: &BTreeSet<(i64, RowId)>| rows.first().map(|(at, _)| *at);
        let next = [first(&self.waiting), first(&self.shown)].into_iter().flatten().min();
        next.filter(|at| *at != NEVER)
    }

    /// Adds consolidated changes with their moments. At `now` each row waits, or is shown; what is due by then has been taken.
    pub(crate) fn apply(&mut self, changes: &ChangeBatch, moments: [Int64Array; 2], now: i64) -> Result<()> {
        let [from, until] = moments.map(|column| Arc::new(column) as ArrayRef);
        let columns = changes.rows().columns().iter().cloned().chain([from, until]).collect();
        self.apply_timed(&changes.with_columns(self.table.store().schema().clone(), columns)?, now)
    }

    fn apply_timed(&mut self, changes: &ChangeBatch, now: i64) -> Result<()> {
        let applied = self.table.apply(changes)?;
        let moments = self.moments(changes.rows());
        for (row, row_id) in applied.removed {
            let (waits, at) = moments.place(row as usize, now);
            if waits {
                self.waiting.remove(&(at, row_id))
            } else {
                self.shown.remove(&(at, row_id))
            };
        }
        for (row, row_id) in applied.inserted {
            let (waits, at) = moments.place(row as usize, now);
            if waits {
                self.waiting.insert((at, row_id))
            } else {
                self.shown.insert((at, row_id))
            };
        }
        Ok(())
    }

    /// At most `limit` of the rows that begin to be shown by `now`, with their weights. One that is over by then has never been shown.
    /// `None`: there are no more.
    pub(crate) fn begin(&mut self, now: i64, limit: usize) -> Result<Option<ChangeBatch>> {
        let Some((row_ids, rows)) = self.take_due(|rows| &mut rows.waiting, now, limit)? else { return Ok(None) };
        let until = self.moments(&rows).until;
        let weights: Vec<i64> = row_ids.iter().map(|row_id| self.table.store().weight(*row_id)).collect();
        let mut gone = Vec::new();
        for (row_id, until) in row_ids.iter().zip(until.values()) {
            if *until > now && *until != NEVER {
                self.shown.insert((*until, *row_id));
            } else {
                gone.push(*row_id);
            }
        }
        let is_shown = until.values().iter().map(|until| Some(*until > now)).collect();
        let changes = self.without_moments(&rows, weights)?.filter(&is_shown)?;
        self.table.remove(&gone)?;
        Ok(Some(changes))
    }

    /// At most `limit` of the rows that are shown no longer by `now`, as retractions. `None`: there are no more.
    pub(crate) fn end(&mut self, now: i64, limit: usize) -> Result<Option<ChangeBatch>> {
        let Some((row_ids, rows)) = self.take_due(|rows| &mut rows.shown, now, limit)? else { return Ok(None) };
        let weights: Vec<i64> = row_ids.iter().map(|row_id| -self.table.store().weight(*row_id)).collect();
        self.table.remove(&row_ids)?;
        Ok(Some(self.without_moments(&rows, weights)?))
    }

    /// Takes the next rows out of the order of `of` that are due by `now`; they stay in the table.
    fn take_due(
        &mut self,
        of: impl Fn(&mut Self) -> &mut BTreeSet<(i64, RowId)>,
        now: i64,
        limit: usize,
    ) -> Result<Option<(Vec<RowId>, RecordBatch)>> {
        let (order, mut row_ids) = (of(self), Vec::new());
        while row_ids.len() < limit
            && let Some((_, row_id)) = order.first().copied().filter(|(at, _)| *at <= now)
        {
            order.pop_first();
            row_ids.push(row_id);
        }
        if row_ids.is_empty() {
            return Ok(None);
        }
        let rows = self.table.store().gather_rows(&row_ids)?;
        Ok(Some((row_ids, rows)))
    }

    fn without_moments(&self, rows: &RecordBatch, weights: Vec<i64>) -> Result<ChangeBatch> {
        let columns = rows.columns()[..self.schema.fields().len()].to_vec();
        ChangeBatch::new(rows.clone(), weights).with_columns(self.schema.clone(), columns)
    }

    fn moments<'a>(&self, rows: &'a RecordBatch) -> Moments<'a> {
        let column = |index: usize| rows.column(self.schema.fields().len() + index).as_primitive::<Int64Type>();
        Moments { from: column(0), until: column(1) }
    }

    /// Gives the memory of rows that are gone back, where it is worth it.
    pub(crate) fn compact(&mut self) -> Result<()> {
        while let Some(moved) = self.table.compact_one()? {
            let Moments { from, until } = self.moments(&moved.rows);
            for (row, (old, new)) in moved.from.iter().zip(&moved.to).enumerate() {
                if self.waiting.remove(&(from.value(row), *old)) {
                    self.waiting.insert((from.value(row), *new));
                } else {
                    self.shown.remove(&(until.value(row), *old));
                    self.shown.insert((until.value(row), *new));
                }
            }
        }
        Ok(())
    }

    /// Adds the rows to `image`, as tables called `name`.
    pub(crate) fn add_to_image(&mut self, image: &mut StateImage, name: &str) {
        self.table.add_to_image(image, name);
    }

    /// Adds the rows that [`Self::add_to_image`] put into `image` at `now`, as far as `owned` says so of their columns.
    pub(crate) fn restore(&mut self, image: &StateImage, name: &str, owned: &Ownership, now: i64) -> Result<()> {
        for changes in self.table.changes_of_image(image, name)? {
            let columns = changes.rows().columns().to_vec();
            self.apply_timed(&owned.of_changes(changes, &columns)?, now)?;
        }
        Ok(())
    }

    /// Bytes of rows, weights and orders.
    pub(crate) fn bytes(&self) -> usize {
        self.table.bytes() + set_bytes(&self.waiting) + set_bytes(&self.shown)
    }
}

impl Moments<'_> {
    /// Whether a row waits at `now`, and when that, or being shown, ends.
    fn place(&self, row: usize, now: i64) -> (bool, i64) {
        let from = self.from.value(row);
        if from > now { (true, from) } else { (false, self.until.value(row)) }
    }
}
