//! Rows in an order: by partition, then by sort keys, then by all of their columns, so that answers do not depend on what came first.
//!
//! A partition is found by its hash and has a tree of its own; within it a row is found, by value or by position, in O(log rows). The columns
//! are in chunks, and the trees hold nothing but the rows' numbers and the beginnings of their keys.

use std::cmp::Ordering;
use std::ops::Range;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use hashbrown::HashTable;

use super::Ownership;
use super::image::{Imaged, StateImage};
use super::key_prefix::{KeyPrefix, PrefixRange};
use super::rank_tree::{Entry, PackedPrefix, RankTree, Ranked, packed};
use super::row_order::{RowAt, RowOrder};
use super::row_store::{NO_ROW, RowId, RowStore, from_image_table};
use crate::changelog::{add_weights, hash_rows};
use crate::expr::{SortDirection, SortKey};
use crate::{ChangeBatch, Error, Result};

/// What the image calls the rows.
const ROWS: &str = "rows";
/// Partitions of which the memory is asked for before the first one is looked at.
const PARTITIONS_AT_ONCE: usize = 64;

/// A Z-set of rows without negative weights, in an order. Positions are those within a partition and count copies: a row of weight 3 takes three.
#[derive(Debug)]
pub struct OrderedArrangement {
    store: RowStore,
    order: Order,
    partitions: HashTable<Partition>,
    /// Where partitions without rows are, until they are taken out.
    emptied: Vec<Slot>,
}

/// Where a partition is in the table: until changes of another batch are located, or [`OrderedArrangement::compact`].
pub(crate) type Slot = usize;

#[derive(Debug)]
struct Partition {
    hash: u64,
    /// The beginning of the columns that are the same in all of its rows.
    key: PackedPrefix,
    tree: RankTree,
}

const _: () = assert!(size_of::<Partition>() == 48, "there is one for each partition, and many have one row");

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

/// A row that a batch changes: how many copies there were and are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Changed {
    pub(crate) row_id: RowId,
    pub(crate) before: i64,
    pub(crate) after: i64,
    /// The position of its first copy once the change is made; where it would be, if it has none. [`OrderedArrangement::change`] finds it if asked to.
    pub(crate) start: i64,
    prefix: KeyPrefix,
}

/// Changes with what they meet, by partition and in the order.
#[derive(Debug, Default)]
pub(crate) struct LocatedChanges {
    partitions: Vec<LocatedPartition>,
    /// The row of the batch of each change.
    rows: Vec<u32>,
    changed: Vec<Changed>,
    /// Rows that were to go although they are not there: with these nothing is done.
    pub(crate) absent: Vec<u32>,
}

/// A partition that a batch changes.
#[derive(Debug, Clone)]
struct LocatedPartition {
    slot: Slot,
    /// The numbers of its changes.
    changes: Range<usize>,
}

impl LocatedChanges {
    /// How many partitions change.
    pub(crate) fn partitions(&self) -> usize {
        self.partitions.len()
    }

    /// Where a partition is.
    pub(crate) fn slot(&self, partition: usize) -> Slot {
        self.partitions[partition].slot
    }

    /// What changes in a partition.
    pub(crate) fn changed(&self, partition: usize) -> &[Changed] {
        &self.changed[self.partitions[partition].changes.clone()]
    }
}

/// The order of one partition as it stands, or as it stood when its tree was taken.
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
        Ok(Self { store: RowStore::new(schema), order, partitions: HashTable::new(), emptied: Vec::new() })
    }

    /// A partition as it stands.
    pub(crate) fn view(&self, slot: Slot) -> OrderedView<'_> {
        self.view_of(self.tree(slot))
    }

    /// The order of a partition as it stands, for [`Self::view_of`] after it is changed, until [`Self::compact`].
    pub(crate) fn tree_of(&self, slot: Slot) -> RankTree {
        self.tree(slot).clone()
    }

    fn tree(&self, slot: Slot) -> &RankTree {
        match self.partitions.get_bucket(slot) {
            Some(partition) => &partition.tree,
            None => unreachable!("a slot that holds"),
        }
    }

    /// A partition as it stood when `tree` was taken.
    pub(crate) fn view_of<'a>(&'a self, tree: &'a RankTree) -> OrderedView<'a> {
        OrderedView { store: &self.store, order: &self.order, tree }
    }

    /// The columns of rows, in the order of `row_ids`.
    pub(crate) fn gather(&self, row_ids: &[RowId]) -> Result<RecordBatch> {
        self.store.gather_rows(row_ids)
    }

    /// One of these columns.
    pub(crate) fn gather_column(&self, row_ids: &[RowId], column: usize) -> Result<ArrayRef> {
        let mut columns = self.store.gather(row_ids, [column])?;
        columns.pop().ok_or_else(|| Error::internal("a column that is gathered is there"))
    }

    /// Whether a row has no copies any more.
    pub(crate) fn is_gone(&self, row_id: RowId) -> bool {
        self.store.weight(row_id) == 0
    }

    /// Different live rows.
    pub fn len(&self) -> usize {
        self.store.live()
    }

    /// True if there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Finds what consolidated changes meet, for [`Self::change`] of each partition. What becomes of each row is in the order.
    pub(crate) fn locate(&mut self, changes: &ChangeBatch) -> Result<LocatedChanges> {
        let rows = changes.rows();
        let hashes = hash_rows(&self.order.partition_of(rows), rows.num_rows())?;
        let (first, all) = (self.order.partition_keys, self.order.rows.len());
        let keys = self.order.rows.prefixes(0..first, rows);
        let prefixes = self.order.rows.prefixes(first..all, rows);
        let sorted = match first {
            0 => self.order.sorted(rows, &prefixes),
            _ => {
                let mut whole = keys.clone();
                self.order.rows.extend_prefixes(&mut whole, first..all, rows);
                self.order.sorted(rows, &whole)
            }
        };
        let is_same = |a: &u32, b: &u32| {
            let (a, b) = (*a as usize, *b as usize);
            hashes[a] == hashes[b] && self.order.rows.compare(first, (rows, a), (rows, b)).is_eq()
        };
        let parts: Vec<&[u32]> = sorted.chunk_by(is_same).collect();
        let slots = self.slots_of(&parts, |row| ((rows, row), hashes[row], keys[row]));
        let mut located = LocatedChanges::default();
        for (parts, slots) in parts.chunks(PARTITIONS_AT_ONCE).zip(slots.chunks(PARTITIONS_AT_ONCE)) {
            let trees = || slots.iter().flatten().map(|slot| self.tree(*slot));
            trees().for_each(RankTree::prefetch);
            trees().for_each(RankTree::prefetch_entries);
            for (part, slot) in parts.iter().zip(slots) {
                let (row, from) = (part[0] as usize, located.rows.len());
                self.locate_in(*slot, changes, part, &prefixes, &mut located)?;
                let changes = from..located.rows.len();
                if !changes.is_empty() {
                    let slot = slot.unwrap_or_else(|| self.add_partition(hashes[row], keys[row]));
                    located.partitions.push(LocatedPartition { slot, changes });
                }
            }
        }
        self.store_new(rows, &mut located)?;
        Ok(located)
    }

    fn add_partition(&mut self, hash: u64, key: KeyPrefix) -> Slot {
        let partition = Partition { hash, key: packed(key.bits()), tree: RankTree::default() };
        self.partitions.insert_unique(hash, partition, |partition| partition.hash).bucket_index()
    }

    /// Stores the rows that were not there.
    fn store_new(&mut self, rows: &RecordBatch, located: &mut LocatedChanges) -> Result<()> {
        let is_new = |changed: &Changed| changed.before == 0;
        let new = located.rows.iter().zip(&located.changed).filter(|(_, changed)| is_new(changed));
        let (picked, weights): (Vec<u32>, Vec<i64>) = new.map(|(row, changed)| (*row, changed.after)).unzip();
        let row_ids = self.store.append(rows, &picked, &weights)?;
        for (changed, row_id) in located.changed.iter_mut().filter(|changed| is_new(changed)).zip(row_ids) {
            changed.row_id = row_id;
        }
        Ok(())
    }

    /// Where the partition of each part is; `row` tells of the first row of a part. There is room for the partitions that are missing, so that slots
    /// still hold when these are added.
    fn slots_of<'a>(&mut self, parts: &[&[u32]], row: impl Fn(usize) -> (RowAt<'a>, u64, KeyPrefix)) -> Vec<Option<Slot>> {
        let all = |rows: &Self| -> Vec<Option<Slot>> { parts.iter().map(|part| rows.slot_of(row(part[0] as usize))).collect() };
        let slots = all(self);
        let missing = slots.iter().filter(|slot| slot.is_none()).count();
        if self.partitions.capacity() - self.partitions.len() >= missing {
            return slots;
        }
        self.partitions.reserve(missing, |partition| partition.hash);
        all(self)
    }

    fn slot_of(&self, (row, hash, key): (RowAt<'_>, u64, KeyPrefix)) -> Option<Slot> {
        let by_values = |partition: &Partition| {
            let own = partition.tree.first().map(|first| self.store.locate(first.row_id));
            own.is_some_and(|own| self.order.rows.compare(self.order.partition_keys, own, row).is_eq())
        };
        let packed_key = packed(key.bits());
        self.partitions.find_bucket_index(hash, |partition| {
            partition.hash == hash && partition.key == packed_key && (key.is_whole() || by_values(partition))
        })
    }

    /// The same for the changes of one partition, which are in order.
    fn locate_in(
        &self,
        slot: Option<Slot>,
        changes: &ChangeBatch,
        part: &[u32],
        prefixes: &[KeyPrefix],
        located: &mut LocatedChanges,
    ) -> Result<()> {
        let view = slot.map(|slot| self.view(slot));
        for row in part {
            let at = *row as usize;
            let found = view.and_then(|view| view.find((changes.rows(), at), prefixes[at]));
            let (row_id, before) = found.unwrap_or((NO_ROW, 0));
            let after = add_weights(before, changes.weight(at))?;
            if after < 0 {
                located.absent.push(*row);
            } else if after != before {
                located.rows.push(*row);
                located.changed.push(Changed { row_id, before, after, start: 0, prefix: prefixes[at] });
            }
        }
        Ok(())
    }

    /// Makes the changes of one partition that were [located](Self::locate) in the same batch; `with_starts` says whether it is asked where they stand then.
    /// What is gone can be read until [`Self::compact`].
    pub(crate) fn change(
        &mut self,
        changes: &ChangeBatch,
        located: &mut LocatedChanges,
        partition: usize,
        with_starts: bool,
    ) -> Result<()> {
        let LocatedPartition { slot, changes: numbers } = located.partitions[partition].clone();
        let Self { store, order, partitions, emptied } = self;
        let Some(Partition { tree, .. }) = partitions.get_bucket_mut(slot) else { unreachable!("a partition that was located") };
        for (row, changed) in located.rows[numbers.clone()].iter().zip(&mut located.changed[numbers]) {
            let copies = changed.after - changed.before;
            add_weights(tree.total(), copies)?;
            let seek = order.seek(Sought::Given((changes.rows(), *row as usize)), changed.prefix);
            if changed.before == 0 {
                let entry = Entry { prefix: changed.prefix.bits(), row_id: changed.row_id };
                tree.insert(|other| seek.compare(store, other).is_lt(), entry, copies);
            } else {
                tree.add_copies(|other| seek.compare(store, other).is_lt(), copies);
                store.add_weight(changed.row_id, copies)?;
            }
            if with_starts {
                // Those that follow are behind it.
                changed.start = tree.rank(|other| seek.compare(store, other).is_lt());
            }
        }
        if tree.is_empty() {
            emptied.push(slot);
        }
        Ok(())
    }

    /// Takes copies of rows of a partition out.
    pub(crate) fn remove(&mut self, slot: Slot, rows: &[Ranked]) -> Result<()> {
        let Self { store, order, partitions, emptied } = self;
        let Some(Partition { tree, .. }) = partitions.get_bucket_mut(slot) else { unreachable!("a partition that was located") };
        for row in rows {
            let own = store.locate(row.row_id);
            let seek = order.seek(Sought::Stored(row.row_id), order.prefix(own));
            tree.add_copies(|other| seek.compare(store, other).is_lt(), -row.copies);
            store.add_weight(row.row_id, -row.copies)?;
        }
        if tree.is_empty() {
            emptied.push(slot);
        }
        Ok(())
    }

    /// Gives the memory of rows that are gone back, where it is worth it. Row ids, slots and trees from before mean nothing afterwards.
    pub(crate) fn compact(&mut self) -> Result<()> {
        self.drop_emptied();
        while let Some((chunk, from)) = self.store.next_sparse() {
            let rows = self.store.gather_rows(&from)?;
            let weights: Vec<i64> = from.iter().map(|row_id| self.store.weight(*row_id)).collect();
            let everything: Vec<u32> = (0..from.len() as u32).collect();
            let hashes = hash_rows(&self.order.partition_of(&rows), rows.num_rows())?;
            let keys = self.order.rows.prefixes(0..self.order.partition_keys, &rows);
            for (row, to) in self.store.append(&rows, &everything, &weights)?.into_iter().enumerate() {
                let Some(slot) = self.slot_of(((&rows, row), hashes[row], keys[row])) else {
                    unreachable!("a row that is kept is in its partition");
                };
                let Self { store, order, partitions, .. } = self;
                let Some(Partition { tree, .. }) = partitions.get_bucket_mut(slot) else { unreachable!("it was found") };
                let seek = order.seek(Sought::Given((&rows, row)), order.prefix((&rows, row)));
                tree.rename(|other| seek.compare(store, other).is_lt(), to);
            }
            self.store.free(chunk);
        }
        Ok(())
    }

    fn drop_emptied(&mut self) {
        for slot in std::mem::take(&mut self.emptied) {
            if let Ok(partition) = self.partitions.get_bucket_entry(slot)
                && partition.get().tree.is_empty()
            {
                partition.remove();
            }
        }
        let (kept, room) = (self.partitions.len(), self.partitions.capacity());
        if room > 1024 && kept < room / 8 {
            self.partitions.shrink_to(2 * kept, |partition| partition.hash);
        }
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
            let changes = from_image_table(self.store.schema(), table?)?;
            let keys = self.order.partition_of(changes.rows());
            let changes = owned.of_changes(changes, &keys)?;
            let mut located = self.locate(&changes)?;
            if !located.absent.is_empty() {
                return Err(Error::internal("an image with rows of negative weight"));
            }
            (0..located.partitions()).try_for_each(|partition| self.change(&changes, &mut located, partition, false))?;
            self.drop_emptied();
        }
        Ok(())
    }

    fn rows(&self) -> usize {
        self.len()
    }

    /// Bytes of rows, weights, partitions and their trees.
    fn bytes(&self) -> usize {
        let trees: usize = self.partitions.iter().map(|partition| partition.tree.bytes()).sum();
        self.store.bytes() + self.partitions.allocation_size() + trees
    }
}

/// Rows of a partition that are looked for: all whose deciding columns, up to one of them, are those of a row.
#[derive(Debug, Clone, Copy)]
struct Seek<'a> {
    row: Sought<'a>,
    /// The deciding columns that are compared.
    first: usize,
    end: usize,
    /// Of all that has these columns.
    prefixes: PrefixRange,
    order: &'a RowOrder,
}

/// A row that is looked for: its values are looked at where prefixes do not tell.
#[derive(Debug, Clone, Copy)]
enum Sought<'a> {
    Given(RowAt<'a>),
    Stored(RowId),
}

impl Seek<'_> {
    /// How a stored row stands to them.
    #[inline]
    fn compare(&self, store: &RowStore, other: Entry) -> Ordering {
        let by_values = || {
            let row = match self.row {
                Sought::Given(row) => row,
                Sought::Stored(row_id) => store.locate(row_id),
            };
            self.order.compare_by(self.first..self.end, store.locate(other.row_id), row)
        };
        self.prefixes.compare(other.prefix).unwrap_or_else(by_values)
    }
}

impl Order {
    fn partition_of(&self, rows: &RecordBatch) -> Vec<ArrayRef> {
        self.partition.iter().map(|column| rows.column(*column).clone()).collect()
    }

    /// The prefix of what decides a row's place within its partition.
    fn prefix(&self, row: RowAt<'_>) -> KeyPrefix {
        self.rows.prefix(self.partition_keys..self.rows.len(), row)
    }

    /// The one row that is equal to `row` in all columns, whose prefix is this.
    fn seek<'a>(&'a self, row: Sought<'a>, prefix: KeyPrefix) -> Seek<'a> {
        Seek { row, first: self.partition_keys, end: self.rows.len(), prefixes: prefix.range(), order: &self.rows }
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

    /// The row that is equal to `row`, and how many copies it has.
    fn find(&self, row: RowAt<'_>, prefix: KeyPrefix) -> Option<(RowId, i64)> {
        let seek = self.order.seek(Sought::Given(row), prefix);
        self.tree.find(|other| seek.compare(self.store, other))
    }

    /// The row of which a copy stands at a position.
    pub(crate) fn at(&self, position: i64) -> Option<Ranked> {
        self.tree.at(position)
    }

    /// The rows with copies in `positions`, in order.
    pub(crate) fn scan(&self, positions: Range<i64>) -> Vec<Ranked> {
        self.tree.scan(positions)
    }

    /// Calls `row` for each of these.
    pub(crate) fn each(&self, positions: Range<i64>, row: impl FnMut(Ranked)) {
        self.tree.each(positions, row);
    }

    /// All positions.
    pub(crate) fn positions(&self) -> Range<i64> {
        0..self.total()
    }

    /// The positions of the rows with the same sort keys.
    pub(crate) fn peers(&self, row_id: RowId) -> Range<i64> {
        let (row, first, end) = (self.store.locate(row_id), self.order.partition_keys, self.order.keys);
        let prefixes = self.order.rows.prefix(first..end, row).range();
        let seek = Seek { row: Sought::Stored(row_id), first, end, prefixes, order: &self.order.rows };
        self.tree.range(|other| seek.compare(self.store, other))
    }

    /// The positions of a row's copies; where it would be, if it is not there.
    pub(crate) fn copies(&self, row_id: RowId) -> Range<i64> {
        let seek = self.seek(row_id);
        self.tree.range(|other| seek.compare(self.store, other))
    }

    fn seek(&self, row_id: RowId) -> Seek<'a> {
        let prefix = self.order.prefix(self.store.locate(row_id));
        self.order.seek(Sought::Stored(row_id), prefix)
    }

    /// The positions of the rows whose sort key number `key` equals `value`; where they would be, if none does. There are no sort keys before it.
    pub(crate) fn with_value(&self, key: usize, value: (&ArrayRef, usize)) -> Range<i64> {
        let (key, first) = (self.order.sort_keys[key], self.order.partition_keys);
        let by_value = |other: Entry| self.order.rows.compare_with(key, self.store.locate(other.row_id), value);
        if key < first {
            return self.tree.range(by_value);
        }
        let prefixes = self.order.rows.prefix_with(KeyPrefix::default(), key, value).range();
        self.tree.range(|other| prefixes.compare(other.prefix).unwrap_or_else(|| by_value(other)))
    }

    /// Compares two rows of this partition by everything.
    pub(crate) fn compare(&self, left: RowId, right: RowId) -> Ordering {
        self.order.rows.compare_from(self.order.partition_keys, self.store.locate(left), self.store.locate(right))
    }

    /// The same for rows of which the prefixes are known.
    pub(crate) fn compare_ranked(&self, left: &Ranked, right: &Ranked) -> Ordering {
        left.prefix.cmp(&right.prefix).then_with(|| self.compare(left.row_id, right.row_id))
    }

    /// How a row that changes stands to another: by everything, or by the sort keys alone.
    pub(crate) fn compare_changed(&self, changed: &Changed, row: &Ranked, by_keys: bool) -> Ordering {
        let by_prefix = if by_keys { Ordering::Equal } else { changed.prefix.bits().cmp(&row.prefix) };
        let end = if by_keys { self.order.keys } else { self.order.rows.len() };
        let keys = self.order.partition_keys..end;
        let at = |row_id: RowId| self.store.locate(row_id);
        by_prefix.then_with(|| self.order.rows.compare_by(keys, at(changed.row_id), at(row.row_id)))
    }

    /// The columns of rows, in the order of `row_ids`.
    pub(crate) fn gather(&self, row_ids: &[RowId]) -> Result<RecordBatch> {
        self.store.gather_rows(row_ids)
    }

    /// Whether two rows have the same sort keys.
    pub(crate) fn are_peers(&self, left: RowId, right: RowId) -> bool {
        let keys = self.order.partition_keys..self.order.keys;
        left == right || self.order.rows.compare_by(keys, self.store.locate(left), self.store.locate(right)).is_eq()
    }
}
