//! Rows in an order: by partition, then by sort keys, then by all of their columns, so that answers do not depend on what came first.
//!
//! All partitions stand in one order, one after the other, and a partition is a range of positions. A row is found, by value or
//! by position, in O(log rows). The columns are in chunks, and the order holds nothing but their numbers.

use std::cmp::Ordering;
use std::ops::Range;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;

use super::Ownership;
use super::image::{Imaged, StateImage};
use super::key_prefix::{KeyPrefix, PrefixRange};
use super::rank_tree::{Entry, RankTree, Ranked};
use super::row_order::{RowAt, RowOrder};
use super::row_store::{NO_ROW, RowId, RowStore, from_image_table};
use crate::changelog::add_weights;
use crate::expr::{SortDirection, SortKey};
use crate::{ChangeBatch, Error, Result};

/// What the image calls the rows.
const ROWS: &str = "rows";

/// A Z-set of rows without negative weights, in an order. Positions count copies: a row of weight 3 takes three.
#[derive(Debug)]
pub struct OrderedArrangement {
    store: RowStore,
    order: Order,
    tree: RankTree,
}

/// How rows are compared, and which of the deciding columns mean what.
#[derive(Debug)]
struct Order {
    rows: RowOrder,
    partition: Vec<usize>,
    /// How many of the deciding columns are those of the partition.
    partition_keys: usize,
    /// How many of the deciding columns are those of the partition and the sort keys.
    keys: usize,
    /// Which deciding columns the sort keys are.
    sort_keys: Vec<usize>,
}

/// A row that a batch changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) row_id: RowId,
    pub(crate) before: i64,
    pub(crate) after: i64,
}

/// The order as it stands, or as it stood when its tree was cloned.
#[derive(Debug, Clone, Copy)]
pub struct OrderedView<'a> {
    store: &'a RowStore,
    order: &'a Order,
    tree: &'a RankTree,
}

impl OrderedArrangement {
    /// Rows of `schema`, together by the columns `partition`, ordered by `sort` within.
    pub fn new(schema: SchemaRef, partition: &[usize], sort: &[SortKey]) -> Result<Self> {
        let mut deciding: Vec<SortKey> = Vec::new();
        for column in partition {
            // Where a sort key is the same in a whole partition, its direction still says what is before a value.
            let same = sort.iter().find(|key| key.column == *column);
            push_new(&mut deciding, same.copied().unwrap_or(SortKey { column: *column, direction: SortDirection::ASCENDING }));
        }
        let partition_keys = deciding.len();
        sort.iter().for_each(|key| push_new(&mut deciding, *key));
        let index = |key: &SortKey| deciding.iter().position(|deciding| deciding.column == key.column).unwrap_or_default();
        let sort_keys = sort.iter().map(index).collect();
        let rows = RowOrder::new(&schema, &deciding)?;
        let order = Order { rows, partition: partition.to_vec(), partition_keys, keys: deciding.len(), sort_keys };
        Ok(Self { store: RowStore::new(schema), order, tree: RankTree::default() })
    }

    /// The rows as they stand.
    pub fn view(&self) -> OrderedView<'_> {
        OrderedView { store: &self.store, order: &self.order, tree: &self.tree }
    }

    /// The order as it stands, for [`Self::view_of`] after changes; until [`Self::compact`].
    pub(crate) fn tree(&self) -> RankTree {
        self.tree.clone()
    }

    /// The rows as they stood when `tree` was taken.
    pub(crate) fn view_of<'a>(&'a self, tree: &'a RankTree) -> OrderedView<'a> {
        OrderedView { store: &self.store, order: &self.order, tree }
    }

    /// Different live rows.
    pub fn len(&self) -> usize {
        self.store.live()
    }

    /// True if there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds consolidated changes; says what became of each row, in the order, and which rows were to go although they are not there: with these
    /// nothing was done. What is gone can be read until [`Self::compact`].
    pub(crate) fn apply(&mut self, changes: &ChangeBatch) -> Result<(Vec<Changed>, Vec<u32>)> {
        let rows = changes.rows();
        let prefixes = self.order.rows.prefixes(self.order.rows.len(), rows, 0..rows.num_rows());
        let sorted = self.order.sorted(rows, &prefixes);
        let (mut changed, mut fresh, mut weights) = (Vec::with_capacity(sorted.len()), Vec::new(), Vec::new());
        let mut absent = Vec::new();
        for row in &sorted {
            let at = *row as usize;
            let found = self.view().find((rows, at), prefixes[at]);
            let before = found.map_or(0, |found| found.copies);
            let after = add_weights(before, changes.weight(at))?;
            if after < 0 {
                absent.push(*row);
                continue;
            }
            let row_id = found.map_or(NO_ROW, |found| found.row_id);
            if after != before {
                changed.push((*row, Changed { row_id, before, after }));
            }
            if found.is_none() && after > 0 {
                fresh.push(*row);
                weights.push(after);
            }
        }
        let mut row_ids = self.store.append(rows, &fresh, &weights)?.into_iter();
        for (row, changed) in &mut changed {
            let prefix = prefixes[*row as usize];
            match (changed.before, row_ids.as_slice()) {
                (0, [row_id, ..]) => {
                    changed.row_id = *row_id;
                    row_ids.next();
                    self.insert((rows, *row as usize), prefix, changed)?;
                }
                _ => self.add_copies((rows, *row as usize), prefix, changed)?,
            }
        }
        Ok((changed.into_iter().map(|(_, changed)| changed).collect(), absent))
    }

    fn insert(&mut self, row: RowAt<'_>, prefix: KeyPrefix, changed: &Changed) -> Result<()> {
        add_weights(self.tree.total(), changed.after)?;
        let (seek, entry) = (self.order.seek(row, prefix), Entry { prefix: prefix.bits(), row_id: changed.row_id });
        let store = &self.store;
        self.tree.insert(|other| seek.compare(store, other).is_lt(), entry, changed.after);
        Ok(())
    }

    fn add_copies(&mut self, row: RowAt<'_>, prefix: KeyPrefix, changed: &Changed) -> Result<()> {
        let copies = changed.after - changed.before;
        add_weights(self.tree.total(), copies)?;
        let (seek, store) = (self.order.seek(row, prefix), &self.store);
        self.tree.add_copies(|other| seek.compare(store, other).is_lt(), copies);
        self.store.add_weight(changed.row_id, copies)?;
        Ok(())
    }

    /// Takes copies of rows out.
    pub(crate) fn remove(&mut self, rows: &[Ranked]) -> Result<()> {
        for row in rows {
            let (store, order) = (&self.store, &self.order);
            let own = store.locate(row.row_id);
            let seek = order.seek(own, order.rows.prefix(order.rows.len(), own));
            self.tree.add_copies(|other| seek.compare(store, other).is_lt(), -row.copies);
            self.store.add_weight(row.row_id, -row.copies)?;
        }
        Ok(())
    }

    /// Gives the memory of rows that are gone back, where it is worth it. Row ids and trees from before mean nothing afterwards.
    pub(crate) fn compact(&mut self) -> Result<()> {
        while let Some((chunk, from)) = self.store.next_sparse() {
            let rows = self.store.gather_rows(&from)?;
            let weights: Vec<i64> = from.iter().map(|row_id| self.store.weight(*row_id)).collect();
            let everything: Vec<u32> = (0..from.len() as u32).collect();
            for to in self.store.append(&rows, &everything, &weights)? {
                let (store, order) = (&self.store, &self.order);
                let own = store.locate(to);
                let seek = order.seek(own, order.rows.prefix(order.rows.len(), own));
                self.tree.rename(|other| seek.compare(store, other).is_lt(), to);
            }
            self.store.free(chunk);
        }
        Ok(())
    }
}

impl Imaged for OrderedArrangement {
    fn image(&mut self) -> Result<StateImage> {
        let mut image = StateImage::default();
        self.store.add_to_image(&mut image, ROWS);
        Ok(image)
    }

    /// A row belongs to who has its partition.
    fn restore(&mut self, parts: &[&StateImage], owned: &Ownership) -> Result<()> {
        for table in parts.iter().flat_map(|image| image.all(ROWS)) {
            let changes = from_image_table(self.store.schema(), table)?;
            let keys: Vec<ArrayRef> = self.order.partition.iter().map(|column| changes.column(*column).clone()).collect();
            let (_, absent) = self.apply(&owned.of_changes(changes, &keys)?)?;
            if !absent.is_empty() {
                return Err(Error::internal("an image with rows of negative weight"));
            }
        }
        Ok(())
    }

    fn rows(&self) -> usize {
        self.len()
    }

    /// Bytes of rows, weights and order.
    fn bytes(&self) -> usize {
        self.store.bytes() + self.tree.bytes()
    }
}

/// Rows that are looked for: all whose first `keys` deciding columns are those of a row.
#[derive(Debug, Clone, Copy)]
struct Seek<'a> {
    row: RowAt<'a>,
    keys: usize,
    /// Of all that has these columns.
    prefixes: PrefixRange,
    order: &'a RowOrder,
}

impl Seek<'_> {
    /// How a stored row stands to them.
    #[inline]
    fn compare(&self, store: &RowStore, other: Entry) -> Ordering {
        let by_values = || self.order.compare(self.keys, store.locate(other.row_id), self.row);
        self.prefixes.compare(other.prefix).unwrap_or_else(by_values)
    }
}

impl Order {
    /// The one row that is equal to `row` in all columns, whose prefix is this.
    fn seek<'a>(&'a self, row: RowAt<'a>, prefix: KeyPrefix) -> Seek<'a> {
        Seek { row, keys: self.rows.len(), prefixes: prefix.range(), order: &self.rows }
    }

    /// The rows of a batch in the order, by their numbers.
    fn sorted(&self, rows: &RecordBatch, prefixes: &[KeyPrefix]) -> Vec<u32> {
        let mut sorted: Vec<(u128, u32)> = prefixes.iter().map(KeyPrefix::bits).zip(0..).collect();
        sorted.sort_unstable();
        let by_values = |a: &u32, b: &u32| self.rows.compare(self.rows.len(), (rows, *a as usize), (rows, *b as usize));
        let numbers = |same: &[(u128, u32)]| {
            let mut numbers: Vec<u32> = same.iter().map(|(_, row)| *row).collect();
            if numbers.len() > 1 {
                numbers.sort_unstable_by(by_values);
            }
            numbers
        };
        if prefixes.iter().all(KeyPrefix::is_whole) {
            return sorted.into_iter().map(|(_, row)| row).collect();
        }
        sorted.chunk_by(|a, b| a.0 == b.0).flat_map(numbers).collect()
    }
}

fn push_new(keys: &mut Vec<SortKey>, key: SortKey) {
    if keys.iter().all(|other| other.column != key.column) {
        keys.push(key);
    }
}

impl<'a> OrderedView<'a> {
    /// All copies of all rows.
    pub fn total(&self) -> i64 {
        self.tree.total()
    }

    /// The row that is equal to `row`.
    fn find(&self, row: RowAt<'_>, prefix: KeyPrefix) -> Option<Ranked> {
        let seek = self.order.seek(row, prefix);
        let found = self.tree.find(|other| seek.compare(self.store, other).is_lt())?;
        let entry = Entry { prefix: found.prefix, row_id: found.row_id };
        seek.compare(self.store, entry).is_eq().then_some(found)
    }

    /// The row of which a copy stands at a position.
    pub(crate) fn at(&self, position: i64) -> Option<Ranked> {
        self.tree.at(position)
    }

    /// The rows with copies in `positions`, in order.
    pub(crate) fn scan(&self, positions: Range<i64>) -> Vec<Ranked> {
        self.tree.scan(positions)
    }

    /// The positions of a row's partition.
    pub(crate) fn partition(&self, row_id: RowId) -> Range<i64> {
        self.equal(row_id, self.order.partition_keys)
    }

    /// The positions of the rows of the same partition with the same sort keys.
    pub(crate) fn peers(&self, row_id: RowId) -> Range<i64> {
        self.equal(row_id, self.order.keys)
    }

    /// The positions of a row's copies; where it would be, if it is not there.
    pub(crate) fn copies(&self, row_id: RowId) -> Range<i64> {
        self.equal(row_id, self.order.rows.len())
    }

    /// The position of a row's first copy; where it would be, if it is not there.
    pub(crate) fn start(&self, row_id: RowId) -> i64 {
        let seek = self.seek(row_id);
        self.tree.rank(|other| seek.compare(self.store, other).is_lt())
    }

    /// The position behind a row's last copy.
    pub(crate) fn end(&self, row_id: RowId) -> i64 {
        let seek = self.seek(row_id);
        self.tree.rank(|other| seek.compare(self.store, other).is_le())
    }

    fn seek(&self, row_id: RowId) -> Seek<'a> {
        let row = self.store.locate(row_id);
        self.order.seek(row, self.order.rows.prefix(self.order.rows.len(), row))
    }

    /// The positions of the rows that are equal in the first `keys` deciding columns.
    fn equal(&self, row_id: RowId, keys: usize) -> Range<i64> {
        let row = self.store.locate(row_id);
        let seek = Seek { row, keys, prefixes: self.order.rows.prefix(keys, row).range(), order: &self.order.rows };
        self.tree.range(|other| seek.compare(self.store, other))
    }

    /// The positions of the rows of the same partition whose sort key number `key` equals `value`; where they would be, if none does.
    /// There are no sort keys before it.
    pub(crate) fn with_value(&self, row_id: RowId, key: usize, value: (&ArrayRef, usize)) -> Range<i64> {
        let (row, key, keys) = (self.store.locate(row_id), self.order.sort_keys[key], self.order.partition_keys);
        let prefix = self.order.rows.prefix(keys, row);
        let partition = Seek { row, keys, prefixes: prefix.range(), order: &self.order.rows };
        if key < keys {
            let compare = |other: Entry| {
                let by_value = || self.order.rows.compare_with(key, self.store.locate(other.row_id), value);
                partition.compare(self.store, other).then_with(by_value)
            };
            return self.tree.range(compare);
        }
        let prefixes = self.order.rows.prefix_with(prefix, key, value).range();
        self.tree.range(|other| {
            prefixes.compare(other.prefix).unwrap_or_else(|| {
                let by_value = || self.order.rows.compare_with(key, self.store.locate(other.row_id), value);
                partition.compare(self.store, other).then_with(by_value)
            })
        })
    }

    /// Compares two rows by everything.
    pub(crate) fn compare(&self, left: RowId, right: RowId) -> Ordering {
        self.order.rows.compare(self.order.rows.len(), self.store.locate(left), self.store.locate(right))
    }

    /// Whether two rows are of one partition.
    pub(crate) fn is_same_partition(&self, left: RowId, right: RowId) -> bool {
        self.are_equal(left, right, self.order.partition_keys)
    }

    /// Whether two rows are of one partition and have the same sort keys.
    pub(crate) fn are_peers(&self, left: RowId, right: RowId) -> bool {
        self.are_equal(left, right, self.order.keys)
    }

    fn are_equal(&self, left: RowId, right: RowId, keys: usize) -> bool {
        left == right || self.order.rows.compare(keys, self.store.locate(left), self.store.locate(right)).is_eq()
    }

    /// The columns of the rows, in the order of `row_ids`.
    pub(crate) fn gather(&self, row_ids: &[RowId]) -> Result<RecordBatch> {
        self.store.gather_rows(row_ids)
    }
}
