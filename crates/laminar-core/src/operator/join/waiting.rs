//! Left rows of a lookup join that wait until their keys have been answered.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::take::take_arrays;
use hashbrown::HashSet;

use super::side::{KeyedChanges, Side};
use crate::changelog::{equal_rows, first_equal_rows, hash_rows};
use crate::graph::ChangeKind;
use crate::limits::BATCH_ROWS_MAX;
use crate::operator::lookup_keys::{LookupKeys, LookupMetrics};
use crate::state::{Arrangement, Ownership, ProbeCursor, StateImage};
use crate::time::Watermark;
use crate::{ChangeBatch, Result};

/// What images call the rows.
const WAITING: &str = "waiting";

/// The rows that wait, and the keys for which no connector has been asked yet.
///
/// Each row knows at which watermark it came: as long as it waits the join promises no later one, so that it is not late below for having
/// waited. Rows of one key come out in the order in which they came.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The left side's columns with its computed keys, then the watermark and the number of each row.
    rows: Arrangement,
    /// The left side's columns with its computed keys.
    schema: SchemaRef,
    keys: SchemaRef,
    next_number: i64,
    /// How many rows wait since each watermark.
    since: BTreeMap<i64, i64>,
    wanted: VecDeque<RecordBatch>,
    used: HashSet<u64>,
    hits: u64,
    misses: u64,
}

impl Waiting {
    /// No rows of `left`.
    pub(super) fn new(left: &Side, changes: &ChangeKind) -> Self {
        let (schema, keys) = (left.keyed_schema().clone(), left.arrangement().key_columns().to_vec());
        let width = schema.fields().len();
        let own = ["since", "number"].map(|name| Arc::new(Field::new(name, DataType::Int64, false)));
        let with_own: Vec<_> = schema.fields().iter().cloned().chain(own).collect();
        let key_fields: Vec<_> = keys.iter().map(|key| schema.fields()[*key].clone()).collect();
        // Equal rows that came at different watermarks stay apart.
        let identity = (0..=width).collect();
        Self {
            rows: Arrangement::new(Arc::new(Schema::new(with_own)), keys, identity, changes),
            schema,
            keys: Arc::new(Schema::new(key_fields)),
            next_number: 0,
            since: BTreeMap::new(),
            wanted: VecDeque::new(),
            used: HashSet::new(),
            hits: 0,
            misses: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The watermark at which the first of the rows came.
    pub(super) fn held(&self) -> Option<Watermark> {
        self.since.first_key_value().map(|(since, _)| Watermark(*since))
    }

    /// Notes that these rows found their keys in the cache.
    pub(super) fn note_hits(&mut self, keyed: &KeyedChanges) {
        self.hits += keyed.changes.len() as u64;
        self.used.extend(&keyed.hashes);
    }

    /// Lets rows wait that came at this watermark. Keys that no other row waits for are wanted from now on.
    pub(super) fn add(&mut self, keyed: &KeyedChanges, since: Watermark) -> Result<()> {
        let rows = keyed.changes.len();
        self.misses += rows as u64;
        self.want(&keyed.keys, &keyed.hashes)?;
        let numbers = Int64Array::from_iter_values(self.next_number..self.next_number + rows as i64);
        self.next_number += rows as i64;
        let own = [Int64Array::from(vec![since.0; rows]), numbers].map(|column| Arc::new(column) as ArrayRef);
        let columns = keyed.changes.rows().columns().iter().cloned().chain(own).collect();
        let changes = keyed.changes.with_columns(self.rows.schema().clone(), columns)?;
        self.count(&changes, 1);
        self.rows.apply(&changes, &keyed.hashes)
    }

    /// Takes out the rows that wait for these keys, in the order in which they came.
    pub(super) fn take_answered(&mut self, answered: &[KeyedChanges]) -> Result<Option<KeyedChanges>> {
        let mut row_ids = Vec::new();
        for KeyedChanges { keys, hashes, .. } in answered {
            let mut cursor = ProbeCursor::default();
            while let Some(found) = self.rows.probe(keys, hashes, &mut cursor, BATCH_ROWS_MAX)? {
                row_ids.extend(found.row_ids);
            }
        }
        row_ids.sort_unstable();
        row_ids.dedup();
        if row_ids.is_empty() {
            return Ok(None);
        }
        let columns = self.rows.gather(&row_ids, self.rows.schema().fields().len())?;
        let weights: Vec<i64> = row_ids.iter().map(|row_id| self.rows.weight(*row_id)).collect();
        let changes = ChangeBatch::new(RecordBatch::try_new(self.rows.schema().clone(), columns)?, weights);
        self.count(&changes, -1);
        self.rows.forget(&row_ids)?;
        let numbers = changes.column(self.schema.fields().len() + 1).as_primitive::<Int64Type>().values().clone();
        let mut order: Vec<u32> = (0..row_ids.len() as u32).collect();
        order.sort_unstable_by_key(|row| numbers[*row as usize]);
        let changes = changes.take(&UInt32Array::from(order))?;
        let columns = changes.rows().columns()[..self.schema.fields().len()].to_vec();
        let changes = changes.with_columns(self.schema.clone(), columns)?;
        let keys = self.rows.keys_of(changes.rows());
        let hashes = hash_rows(&keys, changes.len())?;
        Ok(Some(KeyedChanges { changes, keys, hashes }))
    }

    /// Takes rows back that wait, the first ones first; how often each of `gone`, whose weights are negative, is still to be taken back.
    pub(super) fn take_back(&mut self, gone: &KeyedChanges) -> Result<Vec<i64>> {
        let mut left: Vec<i64> = (0..gone.changes.len()).map(|row| gone.changes.weight(row).saturating_neg()).collect();
        let (width, mut cursor) = (self.schema.fields().len(), ProbeCursor::default());
        let (mut row_ids, mut weights) = (Vec::new(), Vec::new());
        while let Some(found) = self.rows.probe(&gone.keys, &gone.hashes, &mut cursor, BATCH_ROWS_MAX)? {
            let asked = take_arrays(gone.changes.rows().columns(), &UInt32Array::from(found.rows.clone()), None)?;
            let equal = equal_rows(&asked, &self.rows.gather(&found.row_ids, width)?, found.rows.len())?;
            for pair in equal.set_indices() {
                let (left, row_id) = (&mut left[found.rows[pair] as usize], found.row_ids[pair]);
                let taken = self.rows.weight(row_id).min(*left);
                if taken > 0 {
                    *left -= taken;
                    row_ids.push(row_id);
                    weights.push(-taken);
                }
            }
        }
        if !row_ids.is_empty() {
            let columns = self.rows.gather(&row_ids, width + 2)?;
            let changes = ChangeBatch::new(RecordBatch::try_new(self.rows.schema().clone(), columns)?, weights);
            self.count(&changes, 1);
            self.rows.apply(&changes, &self.rows.key_hashes(changes.rows())?)?;
        }
        Ok(left)
    }

    /// Adds keys to those that are wanted, but not those for which a row waits already.
    fn want(&mut self, keys: &[ArrayRef], hashes: &[u64]) -> Result<()> {
        let mut is_new = vec![true; hashes.len()];
        let mut cursor = ProbeCursor::default();
        while let Some(found) = self.rows.probe(keys, hashes, &mut cursor, BATCH_ROWS_MAX)? {
            found.rows.iter().for_each(|row| is_new[*row as usize] = false);
        }
        if let Some(firsts) = first_equal_rows(keys, hashes.len())? {
            (0_u32..).zip(firsts).filter(|(row, first)| row != first).for_each(|(row, _)| is_new[row as usize] = false);
        }
        let new: UInt32Array = (0_u32..).zip(is_new).filter(|(_, is_new)| *is_new).map(|(row, _)| row).collect();
        if !new.is_empty() {
            self.wanted.push_back(RecordBatch::try_new(self.keys.clone(), take_arrays(keys, &new, None)?)?);
        }
        Ok(())
    }

    /// Counts rows that begin to wait (`sign` 1), or do not wait any more (-1).
    fn count(&mut self, changes: &ChangeBatch, sign: i64) {
        let since = changes.column(self.schema.fields().len()).as_primitive::<Int64Type>();
        for (row, since) in since.values().iter().enumerate() {
            let count = self.since.entry(*since).or_default();
            *count = count.saturating_add(changes.weight(row).saturating_mul(sign));
            if *count == 0 {
                self.since.remove(since);
            }
        }
    }

    pub(super) fn add_to_image(&mut self, image: &mut StateImage) {
        self.rows.add_to_image(image, WAITING);
    }

    /// Takes the rows of images that it owns. The connector that was asked for their keys is gone, so all of these are wanted.
    pub(super) fn restore(&mut self, parts: &[&StateImage], owned: &Ownership) -> Result<()> {
        self.rows.restore(parts, WAITING, owned)?;
        (self.since, self.wanted) = (BTreeMap::new(), VecDeque::new());
        for changes in self.rows.batches() {
            self.count(&changes, 1);
            let numbers = changes.column(self.schema.fields().len() + 1).as_primitive::<Int64Type>();
            self.next_number = numbers.values().iter().fold(self.next_number, |next, number| next.max(number + 1));
            let keys = self.rows.keys_of(changes.rows());
            let firsts = first_equal_rows(&keys, changes.len())?;
            let firsts = firsts.unwrap_or_else(|| (0..changes.len() as u32).collect());
            let distinct: UInt32Array = (0_u32..).zip(firsts).filter(|(row, first)| row == first).map(|(row, _)| row).collect();
            self.wanted.push_back(RecordBatch::try_new(self.keys.clone(), take_arrays(&keys, &distinct, None)?)?);
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn bytes(&self) -> usize {
        let wanted: usize = self.wanted.iter().map(RecordBatch::get_array_memory_size).sum();
        self.rows.bytes() + wanted + self.used.allocation_size()
    }
}

impl LookupKeys for Waiting {
    fn take_wanted(&mut self, keys_max: usize) -> Result<Option<RecordBatch>> {
        let Some(keys) = self.wanted.pop_front() else { return Ok(None) };
        if keys.num_rows() <= keys_max {
            return Ok(Some(keys));
        }
        self.wanted.push_front(keys.slice(keys_max, keys.num_rows() - keys_max));
        Ok(Some(keys.slice(0, keys_max)))
    }

    fn take_used(&mut self) -> Vec<u64> {
        self.used.drain().collect()
    }

    fn metrics(&self) -> LookupMetrics {
        let waiting_rows = self.since.values().sum::<i64>().unsigned_abs();
        LookupMetrics { hits: self.hits, misses: self.misses, waiting_rows }
    }
}
