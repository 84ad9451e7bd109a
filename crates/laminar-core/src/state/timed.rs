//! Rows that are found by key, then by time.

use std::collections::BTreeSet;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_buffer::NullBuffer;
use arrow_row::Rows;
use arrow_schema::{DataType, SchemaRef};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::Ownership;
use super::image::StateImage;
use super::row_store::RowId;
use super::row_table::RowTable;
use super::tree_bytes::set_bytes;
use crate::changelog::RowKeys;
use crate::graph::ChangeKind;
use crate::limits::BATCH_ROWS_MAX;
use crate::{ChangeBatch, Error, Result};

/// When a row is, in units of its time column, and its row id.
pub(crate) type TimedRow = (i64, RowId);

/// The rows of one key, by time.
pub(crate) type Timeline = BTreeSet<TimedRow>;

/// A Z-set of rows without negative weights. The time is a column of a time type or of whole numbers.
#[derive(Debug)]
pub struct TimedArrangement {
    table: RowTable,
    keys: Vec<usize>,
    time: usize,
    encoding: RowKeys,
    by_key: HashMap<Box<[u8]>, Timeline, FixedState>,
    /// All rows by time; `None` where none is ever forgotten.
    by_time: Option<Timeline>,
}

/// Changes of rows that have a key and a time.
#[derive(Debug)]
pub(crate) struct TimedChanges {
    pub(crate) changes: ChangeBatch,
    keys: Rows,
    pub(crate) times: Vec<i64>,
}

impl TimedChanges {
    /// The key of a row, as bytes.
    pub(crate) fn key(&self, row: usize) -> &[u8] {
        self.keys.row(row).data()
    }
}

impl TimedArrangement {
    /// Rows of `schema` that are found by the columns `keys` (none: all rows have the same key) and ordered by the column `time`.
    pub fn new(schema: SchemaRef, keys: &[usize], time: usize, changes: &ChangeKind) -> Result<Self> {
        let types: Vec<DataType> = keys.iter().map(|key| schema.field(*key).data_type().clone()).collect();
        let width = schema.fields().len();
        let table = if changes.is_append() { RowTable::append_only(schema) } else { RowTable::new(schema, (0..width).collect()) };
        let (by_key, encoding) = (HashMap::default(), RowKeys::new(&types)?);
        Ok(Self { table, keys: keys.to_vec(), time, encoding, by_key, by_time: None })
    }

    /// The same, whose rows can be forgotten.
    #[must_use]
    pub fn with_forgetting(self) -> Self {
        Self { by_time: Some(Timeline::new()), ..self }
    }

    /// The columns of the rows.
    pub fn schema(&self) -> &SchemaRef {
        self.table.store().schema()
    }

    /// Different live rows.
    pub fn len(&self) -> usize {
        self.table.store().live()
    }

    /// True if there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True for the rows in which neither a key nor the time is NULL; `None` if those are all rows.
    pub(crate) fn placed(&self, rows: &RecordBatch) -> Option<BooleanArray> {
        let columns = self.keys.iter().chain([&self.time]).map(|column| rows.column(*column));
        let nulls = columns.fold(None, |nulls, column| NullBuffer::union(nulls.as_ref(), column.logical_nulls().as_ref()));
        let nulls = nulls.filter(|nulls| nulls.null_count() > 0)?;
        Some(BooleanArray::new(nulls.into_inner(), None))
    }

    /// Finds the keys and times of changes that have both.
    pub(crate) fn timed(&self, changes: ChangeBatch) -> Result<TimedChanges> {
        let (keys, times) = (self.keys_of(changes.rows())?, self.times_of(changes.rows())?);
        Ok(TimedChanges { changes, keys, times })
    }

    fn keys_of(&self, rows: &RecordBatch) -> Result<Rows> {
        let columns: Vec<ArrayRef> = self.keys.iter().map(|key| rows.column(*key).clone()).collect();
        self.encoding.encode(&columns, rows.num_rows())
    }

    fn times_of(&self, rows: &RecordBatch) -> Result<Vec<i64>> {
        let ticks = arrow_cast::cast(rows.column(self.time), &DataType::Int64)?;
        Ok(ticks.as_primitive::<Int64Type>().values().to_vec())
    }

    /// The rows of a key; `None`: there are none.
    pub(crate) fn timeline(&self, key: &[u8]) -> Option<&Timeline> {
        self.by_key.get(key)
    }

    /// Which of these consolidated changes take a row back that is not there.
    pub(crate) fn absent(&self, changes: &ChangeBatch) -> Result<Vec<u32>> {
        if changes.is_append() {
            return Ok(Vec::new());
        }
        self.table.absent(changes)
    }

    /// Adds consolidated changes, none of which is [`absent`](Self::absent). What is gone can be read until [`Self::compact`].
    pub(crate) fn apply(&mut self, changed: &TimedChanges) -> Result<()> {
        let applied = self.table.apply_positive(&changed.changes)?;
        if !applied.refused.is_empty() {
            return Err(Error::internal("a row was left with a negative weight"));
        }
        for (row, row_id) in applied.removed {
            self.take_out(changed.key(row as usize), (changed.times[row as usize], row_id));
        }
        for (row, row_id) in applied.inserted {
            let (key, timed) = (changed.key(row as usize), (changed.times[row as usize], row_id));
            match self.by_key.get_mut(key) {
                Some(timeline) => {
                    timeline.insert(timed);
                }
                None => {
                    self.by_key.insert(key.into(), [timed].into());
                }
            }
            self.by_time.iter_mut().for_each(|rows| {
                rows.insert(timed);
            });
        }
        Ok(())
    }

    fn take_out(&mut self, key: &[u8], timed: TimedRow) {
        if let Some(timeline) = self.by_key.get_mut(key) {
            timeline.remove(&timed);
            if timeline.is_empty() {
                self.by_key.remove(key);
            }
        }
        self.by_time.iter_mut().for_each(|rows| {
            rows.remove(&timed);
        });
    }

    /// The weight of a row.
    pub(crate) fn weight(&self, row_id: RowId) -> i64 {
        self.table.store().weight(row_id)
    }

    /// All columns of the rows, in the order of `row_ids`.
    pub(crate) fn gather(&self, row_ids: &[RowId]) -> Result<RecordBatch> {
        self.table.store().gather_rows(row_ids)
    }

    /// The rows with a time from `from` to before `before`, in order: the first `enough`, and all at the time of the last of these.
    pub(crate) fn between(&self, from: i64, before: i64, enough: usize) -> Vec<TimedRow> {
        let Some(rows) = self.by_time.as_ref().filter(|_| from < before) else { return Vec::new() };
        let mut found: Vec<TimedRow> = Vec::new();
        for row in rows.range((from, RowId::MIN)..(before, RowId::MIN)) {
            if found.len() >= enough && found.last().is_some_and(|(time, _)| *time < row.0) {
                break;
            }
            found.push(*row);
        }
        found
    }

    /// The keys of rows.
    pub(crate) fn keys_at(&self, row_ids: &[RowId]) -> Result<Rows> {
        let columns = self.table.store().gather(row_ids, self.keys.iter().copied())?;
        self.encoding.encode(&columns, row_ids.len())
    }

    /// Forgets all rows with a time before `before`, whatever their weights.
    pub(crate) fn forget_before(&mut self, before: i64) -> Result<()> {
        loop {
            let rows = self.between(i64::MIN, before, BATCH_ROWS_MAX);
            if rows.is_empty() {
                return Ok(());
            }
            let row_ids: Vec<RowId> = rows.iter().map(|(_, row_id)| *row_id).collect();
            let keys = self.keys_at(&row_ids)?;
            rows.iter().enumerate().for_each(|(row, timed)| self.take_out(keys.row(row).data(), *timed));
            self.table.remove(&row_ids)?;
        }
    }

    /// Forgets the rows of one key with a time before `before`.
    pub(crate) fn forget_of(&mut self, key: &[u8], before: i64) -> Result<()> {
        let Some(timeline) = self.by_key.get_mut(key) else { return Ok(()) };
        if timeline.first().is_none_or(|(time, _)| *time >= before) {
            return Ok(());
        }
        let kept = timeline.split_off(&(before, RowId::MIN));
        let gone = std::mem::replace(timeline, kept);
        if timeline.is_empty() {
            self.by_key.remove(key);
        }
        if let Some(rows) = &mut self.by_time {
            gone.iter().for_each(|timed| {
                rows.remove(timed);
            });
        }
        self.table.remove(&gone.into_iter().map(|(_, row_id)| row_id).collect::<Vec<_>>())
    }

    /// Gives the memory of rows that are gone back, where it is worth it. Row ids from before mean nothing afterwards.
    pub(crate) fn compact(&mut self) -> Result<()> {
        while let Some(moved) = self.table.compact_one()? {
            let (keys, times) = (self.keys_of(&moved.rows)?, self.times_of(&moved.rows)?);
            for (row, (from, to)) in moved.from.iter().zip(&moved.to).enumerate() {
                if let Some(timeline) = self.by_key.get_mut(keys.row(row).data()) {
                    timeline.remove(&(times[row], *from));
                    timeline.insert((times[row], *to));
                }
                if let Some(rows) = &mut self.by_time {
                    rows.remove(&(times[row], *from));
                    rows.insert((times[row], *to));
                }
            }
        }
        Ok(())
    }

    /// Adds the rows to `image`, as tables called `name`.
    pub fn add_to_image(&mut self, image: &mut StateImage, name: &str) {
        self.table.add_to_image(image, name);
    }

    /// Adds the rows that [`Self::add_to_image`] put into `image`, as far as `owned` says so of their keys.
    pub fn restore(&mut self, image: &StateImage, name: &str, owned: &Ownership) -> Result<()> {
        for changes in self.table.changes_of_image(image, name)? {
            let keys: Vec<ArrayRef> = self.keys.iter().map(|key| changes.column(*key).clone()).collect();
            let timed = self.timed(owned.of_changes(changes, &keys)?)?;
            self.apply(&timed)?;
        }
        Ok(())
    }

    /// Bytes of rows, weights and indexes.
    pub fn bytes(&self) -> usize {
        let timelines: usize = self.by_key.iter().map(|(key, rows)| key.len() + set_bytes(rows)).sum();
        self.table.bytes() + self.by_key.allocation_size() + timelines + self.by_time.as_ref().map_or(0, set_bytes)
    }
}
