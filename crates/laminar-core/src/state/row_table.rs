//! A set of rows with weights in which a row is found by some of its columns: by all of them, or by a primary key.

use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::take::take_arrays;
use hashbrown::HashTable;

use super::image::StateImage;
use super::row_numbers::MatchCounts;
use super::row_store::{NO_ROW, RowId, RowStore, from_image_table};
use crate::changelog::{equal_rows, hash_rows};
use crate::{ChangeBatch, Result};

/// Rows, found by their identity: at most one live row for each.
#[derive(Debug)]
pub(crate) struct RowTable {
    store: RowStore,
    identity: Vec<usize>,
    /// Hash of the identity and row id of each live row; `None` if rows are only ever appended and never looked for.
    index: Option<HashTable<Entry>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    hash: u64,
    row_id: RowId,
}

/// What [`RowTable::apply`] did to rows of the batch: pairs of row and row id.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// Rows that were not there.
    pub(crate) inserted: Vec<(u32, RowId)>,
    /// Rows that are gone. The row ids are dead.
    pub(crate) removed: Vec<(u32, RowId)>,
    /// Rows whose weight would have become too small; nothing was done with them.
    pub(crate) refused: Vec<u32>,
}

/// So many new rows are added to an index at once.
const ENTRIES_AT_ONCE: usize = 1 << 18;
/// Into so many parts the index is cut then, as a power of two: one is small enough for the cache.
const INDEX_PARTS_BITS: u32 = 10;

/// New rows that are not in the index yet.
#[derive(Debug, Default)]
pub(crate) struct NewEntries(Vec<Entry>);

impl NewEntries {
    /// Adds them part by part of the index: each of its places would be far from the one before otherwise, and out of the cache.
    fn add_to(&mut self, index: &mut HashTable<Entry>) {
        index.reserve(self.0.len(), |entry| entry.hash);
        let places = index.num_buckets().next_power_of_two();
        let shift = places.trailing_zeros().saturating_sub(INDEX_PARTS_BITS);
        let part = |entry: &Entry| (entry.hash as usize & (places - 1)) >> shift;
        let mut next = [0; 1 << INDEX_PARTS_BITS];
        self.0.iter().for_each(|entry| next[part(entry)] += 1);
        let mut first = 0;
        for next in &mut next {
            first += std::mem::replace(next, first);
        }
        let mut sorted = vec![Entry { hash: 0, row_id: NO_ROW }; self.0.len()];
        for entry in self.0.drain(..) {
            let next = &mut next[part(&entry)];
            sorted[*next] = entry;
            *next += 1;
        }
        for entry in sorted {
            index.insert_unique(entry.hash, entry, |entry| entry.hash);
        }
    }
}

fn identity_of(identity: &[usize], rows: &RecordBatch) -> Vec<ArrayRef> {
    identity.iter().map(|column| rows.column(*column).clone()).collect()
}

/// Rows that were moved out of a chunk which is gone now.
#[derive(Debug)]
pub(crate) struct Moved {
    pub(crate) chunk: usize,
    pub(crate) from: Vec<RowId>,
    pub(crate) to: Vec<RowId>,
    pub(crate) rows: RecordBatch,
}

impl RowTable {
    /// Rows that are found by the columns `identity`.
    pub(crate) fn new(schema: SchemaRef, identity: Vec<usize>) -> Self {
        Self { store: RowStore::new(schema), identity, index: Some(HashTable::new()) }
    }

    /// Rows that are only appended: without a way to find them.
    pub(crate) fn append_only(schema: SchemaRef) -> Self {
        Self { store: RowStore::new(schema), identity: Vec::new(), index: None }
    }

    pub(crate) fn store(&self) -> &RowStore {
        &self.store
    }

    /// The hashes of the rows' identities.
    pub(crate) fn hashes(&self, rows: &RecordBatch) -> Result<Vec<u64>> {
        hash_rows(&self.identity_of(rows), rows.num_rows())
    }

    fn identity_of(&self, rows: &RecordBatch) -> Vec<ArrayRef> {
        identity_of(&self.identity, rows)
    }

    /// The row id of the live row with the same identity, for each row; `NO_ROW` where there is none.
    pub(crate) fn find(&self, rows: &RecordBatch, hashes: &[u64]) -> Result<Vec<RowId>> {
        match self.index {
            Some(_) => self.find_by(&self.identity_of(rows), hashes),
            None => Ok(vec![NO_ROW; rows.num_rows()]),
        }
    }

    /// [`Self::find`] by the columns of the identity alone.
    pub(crate) fn find_by(&self, identities: &[ArrayRef], hashes: &[u64]) -> Result<Vec<RowId>> {
        let mut found = vec![NO_ROW; hashes.len()];
        let (mut asked, mut row_ids) = (Vec::new(), Vec::new());
        let Some(index) = &self.index else { return Ok(found) };
        for (row, hash) in (0_u32..).zip(hashes) {
            for entry in index.iter_hash(*hash).filter(|entry| entry.hash == *hash) {
                asked.push(row);
                row_ids.push(entry.row_id);
            }
        }
        if row_ids.is_empty() {
            return Ok(found);
        }
        // Equal hashes are nearly always equal rows, but only nearly: all pairs are compared, column by column.
        let stored = self.store.gather(&row_ids, self.identity.iter().copied())?;
        let asked = UInt32Array::from(asked);
        let equal = equal_rows(&take_arrays(identities, &asked, None)?, &stored, row_ids.len())?;
        for (pair, (row, row_id)) in asked.values().iter().zip(row_ids).enumerate() {
            if equal.value(pair) {
                found[*row as usize] = row_id;
            }
        }
        Ok(found)
    }

    /// Which of the changes would leave a row with a negative weight.
    pub(crate) fn absent(&self, changes: &ChangeBatch) -> Result<Vec<u32>> {
        let found = self.find(changes.rows(), &self.hashes(changes.rows())?)?;
        let before = |row_id: RowId| if row_id == NO_ROW { 0 } else { self.store.weight(row_id) };
        let is_absent = |(row, row_id): &(u32, RowId)| before(*row_id).saturating_add(changes.weight(*row as usize)) < 0;
        Ok((0_u32..).zip(found).filter(is_absent).map(|(row, _)| row).collect())
    }

    /// Adds changes to the weights. Each row's identity occurs at most once among `changes`, and no weight is 0.
    pub(crate) fn apply(&mut self, changes: &ChangeBatch) -> Result<Applied> {
        self.apply_above(changes, i64::MIN)
    }

    /// [`Self::apply`], but rows whose weight would become negative are refused.
    pub(crate) fn apply_positive(&mut self, changes: &ChangeBatch) -> Result<Applied> {
        self.apply_above(changes, 0)
    }

    fn apply_above(&mut self, changes: &ChangeBatch, weight_min: i64) -> Result<Applied> {
        let hashes = if self.index.is_some() { self.hashes(changes.rows())? } else { Vec::new() };
        self.apply_hashed(changes, &hashes, weight_min)
    }

    fn apply_hashed(&mut self, changes: &ChangeBatch, hashes: &[u64], weight_min: i64) -> Result<Applied> {
        let found = self.find(changes.rows(), hashes)?;
        let (mut applied, mut fresh) = (Applied::default(), Vec::new());
        for (row, row_id) in (0_u32..).zip(found) {
            let weight = changes.weight(row as usize);
            let before = if row_id == NO_ROW { 0 } else { self.store.weight(row_id) };
            if before.saturating_add(weight) < weight_min {
                applied.refused.push(row);
            } else if row_id == NO_ROW {
                fresh.push((row, weight));
            } else if self.add_weight(hashes[row as usize], row_id, weight)? == 0 {
                applied.removed.push((row, row_id));
            }
        }
        applied.inserted = self.insert(changes.rows(), &fresh, hashes)?;
        Ok(applied)
    }

    /// Adds to the weight of a stored row, whose identity has this hash, and returns the new weight. 0: the row is gone.
    pub(crate) fn add_weight(&mut self, hash: u64, row_id: RowId, weight: i64) -> Result<i64> {
        let weight = self.store.add_weight(row_id, weight)?;
        if weight == 0 {
            self.forget(hash, row_id);
        }
        Ok(weight)
    }

    /// Takes stored rows out, whatever their weights.
    pub(crate) fn remove(&mut self, row_ids: &[RowId]) -> Result<()> {
        let hashes = match self.index {
            Some(_) => hash_rows(&self.store.gather(row_ids, self.identity.iter().copied())?, row_ids.len())?,
            None => vec![0; row_ids.len()],
        };
        for (row_id, hash) in row_ids.iter().zip(hashes) {
            self.add_weight(hash, *row_id, -self.store.weight(*row_id))?;
        }
        Ok(())
    }

    /// Appends the rows `fresh` with their weights; none of them is there yet.
    pub(crate) fn insert(&mut self, rows: &RecordBatch, fresh: &[(u32, i64)], hashes: &[u64]) -> Result<Vec<(u32, RowId)>> {
        let (picked, weights): (Vec<u32>, Vec<i64>) = fresh.iter().copied().unzip();
        let row_ids = self.store.append(rows, &picked, &weights)?;
        if let Some(index) = &mut self.index {
            index.reserve(row_ids.len(), |entry| entry.hash);
            for (row, row_id) in picked.iter().zip(&row_ids) {
                let entry = Entry { hash: hashes[*row as usize], row_id: *row_id };
                index.insert_unique(entry.hash, entry, |entry| entry.hash);
            }
        }
        Ok(picked.into_iter().zip(row_ids).collect())
    }

    /// Makes room for so many more rows, at once instead of by doubling.
    pub(crate) fn reserve(&mut self, rows: usize) {
        if let Some(index) = &mut self.index {
            index.reserve(rows, |entry| entry.hash);
        }
    }

    /// Appends changes none of whose rows is there yet, nor twice among them; gives their row ids.
    pub(crate) fn insert_new(&mut self, changes: &ChangeBatch, entries: &mut NewEntries) -> Result<Vec<RowId>> {
        let all: Vec<u32> = (0..changes.len() as u32).collect();
        let row_ids = self.store.append(changes.rows(), &all, &changes.weights().to_vec(changes.len()))?;
        if let Some(index) = &mut self.index {
            let hashes = hash_rows(&identity_of(&self.identity, changes.rows()), changes.len())?;
            entries.0.extend(hashes.into_iter().zip(&row_ids).map(|(hash, row_id)| Entry { hash, row_id: *row_id }));
            if entries.0.len() >= ENTRIES_AT_ONCE {
                entries.add_to(index);
            }
        }
        Ok(row_ids)
    }

    /// The rows that were [inserted](Self::insert_new) are found from now on.
    pub(crate) fn index_new(&mut self, mut entries: NewEntries) {
        if let Some(index) = &mut self.index {
            entries.add_to(index);
        }
    }

    fn forget(&mut self, hash: u64, row_id: RowId) {
        if let Some(index) = &mut self.index
            && let Ok(entry) = index.find_entry(hash, |entry| entry.row_id == row_id)
        {
            entry.remove();
        }
    }

    /// Compacts all chunks that are mostly dead; for tables whose row ids no other structure holds.
    pub(crate) fn compact(&mut self) -> Result<()> {
        while self.compact_one()?.is_some() {}
        Ok(())
    }

    /// Moves the live rows out of one chunk that is mostly dead and frees it. Until `None`: there is none left.
    pub(crate) fn compact_one(&mut self) -> Result<Option<Moved>> {
        let Some((chunk, from)) = self.store.next_sparse() else { return Ok(None) };
        let rows = self.store.gather_rows(&from)?;
        let weights: Vec<i64> = from.iter().map(|row_id| self.store.weight(*row_id)).collect();
        let everything: Vec<u32> = (0..from.len() as u32).collect();
        let to = self.store.append(&rows, &everything, &weights)?;
        self.store.free(chunk);
        self.repoint(&rows, &from, &to)?;
        Ok(Some(Moved { chunk, from, to, rows }))
    }

    fn repoint(&mut self, rows: &RecordBatch, from: &[RowId], to: &[RowId]) -> Result<()> {
        if self.index.is_none() {
            return Ok(());
        }
        let hashes = self.hashes(rows)?;
        let Some(index) = &mut self.index else { return Ok(()) };
        for ((hash, from), to) in hashes.iter().zip(from).zip(to) {
            if let Some(entry) = index.find_mut(*hash, |entry| entry.row_id == *from) {
                entry.row_id = *to;
            }
        }
        shrink(index, |entry| entry.hash);
        Ok(())
    }

    /// Adds all rows to `image`, as tables called `name`.
    pub(crate) fn add_to_image(&mut self, image: &mut StateImage, name: &str) {
        self.store.add_to_image(image, name);
    }

    /// The same, each row with the number of its matches.
    pub(crate) fn add_to_image_counted(&mut self, image: &mut StateImage, name: &str, counts: &mut MatchCounts) {
        self.store.add_to_image_counted(image, name, counts);
    }

    /// The rows that [`Self::add_to_image`] put into `image`, ready to be applied.
    pub(crate) fn changes_of_image(&self, image: &StateImage, name: &str) -> Result<Vec<ChangeBatch>> {
        image.all(name).map(|table| from_image_table(self.store.schema(), table?)).collect()
    }

    /// Bytes of rows, weights and index.
    pub(crate) fn bytes(&self) -> usize {
        self.store.bytes() + self.index.as_ref().map_or(0, HashTable::allocation_size)
    }
}

/// Gives memory back once a table is mostly empty.
pub(crate) fn shrink<T>(table: &mut HashTable<T>, hash: impl Fn(&T) -> u64) {
    if table.len() * 4 < table.capacity() {
        table.shrink_to(table.len() * 2, hash);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::{DataType, Field, Schema};

    use super::*;
    use crate::changelog::print_net;

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new("k", DataType::Int64, true), Field::new("s", DataType::Utf8View, true)]))
    }

    /// Applies each text with the same hash for all rows, so that only comparing can tell rows apart.
    fn check(changes: &[&str], contents: &str, refused: &[u32]) {
        let mut table = RowTable::new(schema(), vec![0, 1]);
        let mut all_refused = Vec::new();
        for text in changes {
            let changes = ChangeBatch::parse(&schema(), text).unwrap();
            all_refused.extend(table.apply_hashed(&changes, &vec![7; changes.len()], 0).unwrap().refused);
        }
        assert_eq!(print_net(&table.store().batches()).unwrap(), contents);
        assert_eq!(all_refused, refused);
    }

    #[test]
    fn rows_whose_hashes_collide_stay_apart() {
        check(&["+1 | 1 | a ; +1 | 2 | a ; +1 | NULL | NULL", "+1 | 2 | a", "-1 | 1 | a"], "+1 | NULL | NULL\n+2 | 2 | a", &[]);
        check(&["+1 | 1 | a", "-1 | 1 | b ; -1 | 1 | a ; -1 | 2 | a"], "", &[0, 2]);
    }

    #[test]
    fn a_stored_text_does_not_keep_the_batch_alive_that_it_came_with() {
        let long = "x".repeat(1000);
        let lines: Vec<String> = (0..1000).map(|row| format!("+1 | {row} | {row}{long}")).collect();
        let changes = ChangeBatch::parse(&schema(), &lines.join("\n")).unwrap();
        let mut table = RowTable::append_only(schema());
        table.apply(&changes.slice(5, 1)).unwrap();
        assert!(table.bytes() < 50_000, "{} bytes for one row", table.bytes());
    }
}
