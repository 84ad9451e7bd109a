//! The first rows of each partition in an order, of rows that only come: a row that is behind them will never be one of them and is not kept.
//!
//! A partition is found by its hash, and its rows are a list from the last one to the first, so that a row that comes is held against one
//! stored row in most cases.

use std::cmp::Ordering;
use std::ops::Range;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use hashbrown::HashTable;

use super::Ownership;
use super::image::{Imaged, StateImage};
use super::key_prefix::{KeyPrefix, PrefixRange};
use super::row_order::{RowAt, RowOrder};
use super::row_store::{NO_ROW, RowId, RowStore, from_image_table};
use super::row_values::RowValues;
use crate::changelog::hash_rows;
use crate::expr::{SortDirection, SortKey};
use crate::{ChangeBatch, Error, Result};

/// What the image calls the rows: as rows in an order of which all are kept.
const ROWS: &str = "rows";

/// So many rows are looked at before those among them that may be first are stored.
const ROWS_AT_ONCE: usize = 1024;

/// At most so many rows of each partition, the first ones in an order in which all columns break ties. A row that came twice is two rows.
#[derive(Debug)]
pub(crate) struct FirstRows {
    store: RowStore,
    order: RowOrder,
    partition: Vec<usize>,
    /// How many of the deciding columns are those of the partition.
    partition_keys: usize,
    limit: u32,
    partitions: HashTable<Partition>,
    /// The next row towards the first one, of each row that is not the first.
    previous: RowValues<RowId>,
}

#[derive(Debug, Clone, Copy)]
struct Partition {
    /// The beginning of what decides the place of the last row.
    prefix: u128,
    hash: u64,
    last: RowId,
    rows: u32,
    /// Its number among the partitions of [`FirstRowsBefore`], or [`UNTOUCHED`].
    touched: u32,
}

/// No row of a partition came in this step.
const UNTOUCHED: u32 = u32::MAX;

/// The rows that the partitions which a step touches had before it, in their order.
#[derive(Debug, Default)]
pub(crate) struct FirstRowsBefore {
    partitions: Vec<PartitionBefore>,
    rows: Vec<RowId>,
}

#[derive(Debug)]
struct PartitionBefore {
    hash: u64,
    rows: Range<usize>,
}

/// A row of a batch that may come in.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    row: RowAt<'a>,
    hash: u64,
    prefix: KeyPrefix,
    /// Of all rows of its partition.
    partition: PrefixRange,
}

impl FirstRows {
    /// The first `limit` rows of `schema` in the order `sort`, of each partition by the columns `partition`.
    pub(crate) fn new(schema: SchemaRef, partition: &[usize], sort: &[SortKey], limit: u32) -> Result<Self> {
        let key = |column: &usize| SortKey { column: *column, direction: SortDirection::ASCENDING };
        let mut deciding: Vec<SortKey> = Vec::new();
        for key in partition.iter().map(key).chain(sort.iter().copied()) {
            if deciding.iter().all(|other| other.column != key.column) {
                deciding.push(key);
            }
        }
        let partition_keys = deciding.iter().filter(|key| partition.contains(&key.column)).count();
        let order = RowOrder::new(&schema, &deciding)?;
        let (partitions, previous) = (HashTable::new(), RowValues::default());
        let partition = partition.to_vec();
        Ok(Self { store: RowStore::new(schema), order, partition, partition_keys, limit, partitions, previous })
    }

    /// Takes rows in, none of which is taken back, and adds to what was `before` them. What is first no more can be read until
    /// [`Self::compact`].
    pub(crate) fn add(&mut self, changes: &ChangeBatch, before: &mut FirstRowsBefore) -> Result<()> {
        if !changes.is_append() && (0..changes.len()).any(|row| changes.weight(row) < 0) {
            return Err(Error::internal("rows that only come are taken back"));
        }
        let rows = changes.rows();
        let hashes = hash_rows(&self.partition_of(rows), rows.num_rows())?;
        let keys = [self.order.len(), self.partition_keys];
        let [prefixes, partitions] = keys.map(|keys| self.order.prefixes(0..keys, rows));
        let candidate = |row: usize| Candidate {
            row: (rows, row),
            hash: hashes[row],
            prefix: prefixes[row],
            partition: partitions[row].range(),
        };
        for first in (0..rows.num_rows()).step_by(ROWS_AT_ONCE) {
            let mut picked: Vec<u32> = Vec::new();
            for row in first..rows.num_rows().min(first + ROWS_AT_ONCE) {
                if self.may_be_first(candidate(row)) {
                    let copies = changes.weight(row).clamp(0, i64::from(self.limit)) as usize;
                    picked.extend(std::iter::repeat_n(row as u32, copies));
                }
            }
            let row_ids = self.store.append(rows, &picked, &vec![1; picked.len()])?;
            for (row, row_id) in picked.into_iter().zip(row_ids) {
                if let Some(goes) = self.put(candidate(row as usize), row_id, before) {
                    self.store.add_weight(goes, -1)?;
                }
            }
        }
        Ok(())
    }

    fn partition_of(&self, rows: &RecordBatch) -> Vec<ArrayRef> {
        self.partition.iter().map(|column| rows.column(*column).clone()).collect()
    }

    fn may_be_first(&self, candidate: Candidate<'_>) -> bool {
        let is_its_own = |partition: &Partition| is_of(candidate, partition, &self.store, &self.order, self.partition_keys);
        match self.partitions.find(candidate.hash, is_its_own) {
            Some(partition) if partition.rows == self.limit => {
                is_before_last(candidate, partition, &self.store, &self.order, self.partition_keys)
            }
            _ => self.limit > 0,
        }
    }

    /// Puts a stored row where it stands in its partition; the row that goes for it, if one does.
    fn put(&mut self, candidate: Candidate<'_>, row_id: RowId, before: &mut FirstRowsBefore) -> Option<RowId> {
        let Self { store, order, partition_keys, limit, partitions, previous, .. } = self;
        let is_its_own = |partition: &Partition| is_of(candidate, partition, store, order, *partition_keys);
        let prefix = candidate.prefix.bits();
        let Some(partition) = partitions.find_mut(candidate.hash, is_its_own) else {
            let touched = before.remember(candidate.hash, []);
            let partition = Partition { prefix, hash: candidate.hash, last: row_id, rows: 1, touched };
            partitions.insert_unique(candidate.hash, partition, |partition| partition.hash);
            if *limit > 1 {
                previous.set(row_id, NO_ROW);
            }
            return None;
        };
        let is_last = !is_before_last(candidate, partition, store, order, *partition_keys);
        if partition.rows == *limit && is_last {
            return Some(row_id);
        }
        if partition.touched == UNTOUCHED {
            partition.touched = before.remember(candidate.hash, backwards(partition, previous, *limit));
        }
        let goes = (partition.rows == *limit).then_some(partition.last);
        if goes.is_some() {
            partition.last = if *limit == 1 { NO_ROW } else { previous.get(partition.last) };
        } else {
            partition.rows += 1;
        }
        // The list leads from the last row to the first.
        let is_before = |other: RowId| {
            let other = store.locate(other);
            order.compare_from(*partition_keys, candidate.row, other).is_lt()
        };
        let (mut behind, mut next) = (NO_ROW, partition.last);
        if !is_last {
            while next != NO_ROW && is_before(next) {
                (behind, next) = (next, previous.get(next));
            }
        }
        if *limit > 1 {
            previous.set(row_id, next);
        }
        match behind {
            NO_ROW => (partition.last, partition.prefix) = (row_id, prefix),
            behind => {
                previous.set(behind, row_id);
                if goes.is_some() {
                    partition.prefix = order.prefix(0..order.len(), store.locate(partition.last)).bits();
                }
            }
        }
        goes
    }

    /// Calls `touched` for each partition that rows came to, with the rows that it had before and those that it has, in order. Nothing is touched then.
    pub(crate) fn each_touched(&mut self, before: &FirstRowsBefore, mut touched: impl FnMut(&Self, &[RowId], &[RowId])) {
        let mut after = Vec::new();
        for (number, partition) in before.partitions.iter().enumerate() {
            let is_its_own = |own: &Partition| own.touched as usize == number;
            let Some(own) = self.partitions.find_mut(partition.hash, is_its_own) else {
                debug_assert!(false, "a partition that rows came to is there");
                continue;
            };
            own.touched = UNTOUCHED;
            after.clear();
            after.extend(backwards(own, &self.previous, self.limit));
            after.reverse();
            touched(self, &before.rows[partition.rows.clone()], &after);
        }
    }

    /// Whether a row is first no more.
    pub(crate) fn is_gone(&self, row_id: RowId) -> bool {
        self.store.weight(row_id) == 0
    }

    /// Whether two rows of a partition have the same values.
    pub(crate) fn are_equal(&self, one: RowId, other: RowId) -> bool {
        one == other || self.order.compare_from(self.partition_keys, self.store.locate(one), self.store.locate(other)).is_eq()
    }

    /// The rows at `row_ids`, with all columns.
    pub(crate) fn gather(&self, row_ids: &[RowId]) -> Result<RecordBatch> {
        self.store.gather_rows(row_ids)
    }

    /// Gives the memory of rows that are first no more back, where it is worth it. Row ids from before mean nothing afterwards.
    pub(crate) fn compact(&mut self) -> Result<()> {
        while let Some((chunk, from)) = self.store.next_sparse() {
            let rows = self.store.gather_rows(&from)?;
            let everything: Vec<u32> = (0..from.len() as u32).collect();
            let to = self.store.append(&rows, &everything, &vec![1; from.len()])?;
            let hashes = hash_rows(&self.partition_of(&rows), rows.num_rows())?;
            for ((hash, from), to) in hashes.into_iter().zip(from).zip(to) {
                self.rename(hash, from, to);
            }
            self.store.free(chunk);
            self.previous.free_chunk(chunk);
        }
        Ok(())
    }

    /// The row at `from`, whose partition has this hash, has moved to `to`.
    fn rename(&mut self, hash: u64, from: RowId, to: RowId) {
        let Self { partitions, previous, limit, .. } = self;
        let has_list = *limit > 1;
        let behind = |partition: &Partition| {
            let (mut behind, mut next) = (NO_ROW, partition.last);
            while next != from && next != NO_ROW {
                (behind, next) = (next, if has_list { previous.get(next) } else { NO_ROW });
            }
            (next == from).then_some(behind)
        };
        let Some(partition) = partitions.find_mut(hash, |partition| partition.hash == hash && behind(partition).is_some()) else {
            debug_assert!(false, "a row that is kept is in the list of its partition");
            return;
        };
        let behind = behind(partition);
        if has_list {
            previous.set(to, previous.get(from));
        }
        match behind {
            None | Some(NO_ROW) => partition.last = to,
            Some(behind) => previous.set(behind, to),
        }
    }
}

impl FirstRowsBefore {
    /// Remembers the rows of a partition, which are given from the last one to the first; the partition's number.
    fn remember(&mut self, hash: u64, backwards: impl IntoIterator<Item = RowId>) -> u32 {
        let from = self.rows.len();
        self.rows.extend(backwards);
        self.rows[from..].reverse();
        self.partitions.push(PartitionBefore { hash, rows: from..self.rows.len() });
        (self.partitions.len() - 1) as u32
    }
}

/// The rows of a partition from the last one to the first.
fn backwards<'a>(partition: &Partition, previous: &'a RowValues<RowId>, limit: u32) -> impl Iterator<Item = RowId> + use<'a> {
    let is_row = |row_id: &RowId| *row_id != NO_ROW;
    std::iter::successors(Some(partition.last), move |row_id| (limit > 1).then(|| previous.get(*row_id)).filter(is_row))
}

/// Whether a row belongs to a partition.
#[inline]
fn is_of(candidate: Candidate<'_>, partition: &Partition, store: &RowStore, order: &RowOrder, partition_keys: usize) -> bool {
    let by_values = || order.compare(partition_keys, candidate.row, store.locate(partition.last));
    partition.hash == candidate.hash && candidate.partition.compare(partition.prefix).unwrap_or_else(by_values).is_eq()
}

/// Whether a row stands before the last one of its partition.
#[inline]
fn is_before_last(
    candidate: Candidate<'_>,
    partition: &Partition,
    store: &RowStore,
    order: &RowOrder,
    partition_keys: usize,
) -> bool {
    let by_values = || order.compare_from(partition_keys, store.locate(partition.last), candidate.row);
    candidate.prefix.range().compare(partition.prefix).unwrap_or_else(by_values) == Ordering::Greater
}

impl Imaged for FirstRows {
    fn image(&mut self) -> Result<StateImage> {
        let mut image = StateImage::default();
        self.store.add_to_image(&mut image, ROWS);
        Ok(image)
    }

    /// A row belongs to who has its partition.
    fn restore(&mut self, parts: &[&StateImage], owned: &Ownership) -> Result<()> {
        for table in parts.iter().flat_map(|image| image.all(ROWS)) {
            let changes = from_image_table(self.store.schema(), table?)?;
            let keys = self.partition_of(changes.rows());
            let mut before = FirstRowsBefore::default();
            self.add(&owned.of_changes(changes, &keys)?, &mut before)?;
            self.each_touched(&before, |_, _, _| {});
        }
        Ok(())
    }

    fn rows(&self) -> usize {
        self.store.live()
    }

    /// Bytes of rows, weights and partitions.
    fn bytes(&self) -> usize {
        self.store.bytes() + self.partitions.allocation_size() + self.previous.bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, StringArray};
    use arrow_schema::{DataType, Field, Schema};
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::changelog::print_net;

    fn schema() -> SchemaRef {
        let field = |name: &str, data_type| Field::new(name, data_type, true);
        Arc::new(Schema::new(vec![field("p", DataType::Int64), field("t", DataType::Utf8), field("v", DataType::Int64)]))
    }

    fn rows(rng: &mut StdRng, count: usize, values: i64) -> ChangeBatch {
        let number = |rng: &mut StdRng, values: i64| rng.random_bool(0.9).then(|| rng.random_range(0..values));
        let text = |rng: &mut StdRng| {
            rng.random_bool(0.9)
                .then(|| ["", "a", "the same long beginning 1", "the same long beginning 2"][rng.random_range(0..4)])
        };
        let columns: Vec<ArrayRef> = vec![
            Arc::new((0..count).map(|_| number(rng, 5)).collect::<Int64Array>()),
            Arc::new((0..count).map(|_| text(rng)).collect::<StringArray>()),
            Arc::new((0..count).map(|_| number(rng, values)).collect::<Int64Array>()),
        ];
        let weights: Vec<i64> = (0..count).map(|_| if rng.random_bool(0.9) { 1 } else { rng.random_range(1..4) }).collect();
        ChangeBatch::new(RecordBatch::try_new(schema(), columns).unwrap(), weights)
    }

    /// What is first among all rows that came.
    fn expected(order: &RowOrder, keys: usize, limit: usize, all: &[ChangeBatch]) -> Vec<ChangeBatch> {
        let copies = |batch: &ChangeBatch, row: usize| batch.weight(row) as usize;
        let mut rows: Vec<(usize, usize)> = all
            .iter()
            .enumerate()
            .flat_map(|(at, batch)| (0..batch.len()).flat_map(move |row| std::iter::repeat_n((at, row), copies(batch, row))))
            .collect();
        let at = |(batch, row): (usize, usize)| (all[batch].rows(), row);
        rows.sort_by(|a, b| order.compare(order.len(), at(*a), at(*b)));
        let parts = rows.chunk_by(|a, b| order.compare(keys, at(*a), at(*b)).is_eq());
        let first = parts.flat_map(|part| part.iter().take(limit));
        first.map(|(batch, row)| ChangeBatch::append(all[*batch].rows().slice(*row, 1))).collect()
    }

    /// The rows that are first no more, and those that are now.
    fn change(first: &mut FirstRows, before: &FirstRowsBefore) -> [RecordBatch; 2] {
        let (mut gone, mut come) = (Vec::new(), Vec::new());
        first.each_touched(before, |_, before, after| {
            gone.extend(before.iter().copied().filter(|row_id| !after.contains(row_id)));
            come.extend(after.iter().copied().filter(|row_id| !before.contains(row_id)));
        });
        assert!(gone.iter().all(|row_id| first.is_gone(*row_id)) && !come.iter().any(|row_id| first.is_gone(*row_id)));
        [gone, come].map(|row_ids| first.gather(&row_ids).unwrap())
    }

    fn check(seed: u64) {
        let rng = &mut StdRng::seed_from_u64(seed);
        let partition: Vec<usize> = (0..3).filter(|_| rng.random_bool(0.4)).collect();
        let direction = |rng: &mut StdRng| SortDirection { descending: rng.random(), nulls_first: rng.random() };
        let columns: Vec<usize> = (0..3).filter(|_| rng.random_bool(0.4)).collect();
        let sort: Vec<SortKey> = columns.iter().map(|column| SortKey { column: *column, direction: direction(rng) }).collect();
        let limit = rng.random_range(0..5);
        let new = || FirstRows::new(schema(), &partition, &sort, limit).unwrap();
        let (mut first, mut all, mut shown) = (new(), Vec::new(), Vec::new());
        for _ in 0..rng.random_range(1..8) {
            let mut before = FirstRowsBefore::default();
            for _ in 0..rng.random_range(1..3) {
                let count = rng.random_range(1..40);
                all.push(rows(rng, count, 6));
                first.add(all.last().unwrap(), &mut before).unwrap();
            }
            let [gone, come] = change(&mut first, &before);
            shown.extend([ChangeBatch::append(gone).negated(), ChangeBatch::append(come)]);
            first.compact().unwrap();
            let expected = expected(&first.order, first.partition_keys, limit as usize, &all);
            assert_eq!(print_net(&shown).unwrap(), print_net(&expected).unwrap(), "seed {seed}");
            if rng.random_bool(0.2) {
                let image = first.image().unwrap();
                first = new();
                first.restore(&[&image], &Ownership::All).unwrap();
            }
        }
    }

    #[test]
    fn rows_that_only_come_have_first_ones() {
        (0..1000).for_each(check);
    }

    #[test]
    fn chunks_of_rows_that_are_first_no_more_are_given_back() {
        for limit in [1, 3] {
            let sort = [SortKey { column: 2, direction: SortDirection { descending: true, nulls_first: false } }];
            let mut first = FirstRows::new(schema(), &[0], &sort, limit).unwrap();
            let (mut all, mut shown) = (Vec::new(), Vec::new());
            for step in 0..300_i64 {
                // Each step is before all steps until then.
                let columns: Vec<ArrayRef> = vec![
                    Arc::new((0..4000).map(|row| Some(row % 1500)).collect::<Int64Array>()),
                    Arc::new((0..4000).map(|row| Some(format!("text number {row}"))).collect::<StringArray>()),
                    Arc::new((0..4000).map(|row| Some(step * 10 + row % 7)).collect::<Int64Array>()),
                ];
                let batch = ChangeBatch::append(RecordBatch::try_new(schema(), columns).unwrap());
                let mut before = FirstRowsBefore::default();
                first.add(&batch, &mut before).unwrap();
                let [gone, come] = change(&mut first, &before);
                shown.extend([ChangeBatch::append(gone).negated(), ChangeBatch::append(come)]);
                shown = vec![crate::changelog::consolidate_all(&schema(), &shown).unwrap()];
                first.compact().unwrap();
                all = vec![batch];
            }
            let expected = expected(&first.order, 1, limit as usize, &all);
            if limit == 1 {
                assert_eq!(print_net(&shown).unwrap(), print_net(&expected).unwrap());
            }
            assert_eq!(shown[0].len(), 1500 * limit as usize);
            assert!(first.bytes() < 40 << 20, "{} bytes", first.bytes());
        }
    }
}
