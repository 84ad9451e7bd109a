//! The rows of a table with a primary key: a new row with an old key replaces the old row.

use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::interleave::interleave_record_batch;

use super::row_store::{NO_ROW, RowId};
use super::row_table::RowTable;
use crate::changelog::{equal_rows, first_equal_rows, hash_rows, take_rows};
use crate::{ChangeBatch, Result};

/// Rows of which no two have the same key.
#[derive(Debug)]
pub(crate) struct KeyedRows {
    table: RowTable,
    keys: Vec<usize>,
}

/// What became of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Now {
    /// What was there before the batch, if anything was.
    Unchanged,
    /// This row of the batch.
    Row(u32),
    /// Nothing.
    Gone,
}

/// A stored row that goes, a row of the batch that comes, or both.
#[derive(Debug, Clone, Copy)]
struct Replacement {
    old: Option<RowId>,
    new: Option<u32>,
    /// A row of the batch with this key.
    row: u32,
}

impl KeyedRows {
    pub(crate) fn new(schema: SchemaRef, keys: Vec<usize>) -> Self {
        Self { table: RowTable::new(schema, keys.clone()), keys }
    }

    pub(crate) fn keys(&self) -> &[usize] {
        &self.keys
    }

    pub(crate) fn table(&self) -> &RowTable {
        &self.table
    }

    pub(crate) fn table_mut(&mut self) -> &mut RowTable {
        &mut self.table
    }

    /// The rows with these `keys`: key columns in their order.
    pub(crate) fn find(&self, keys: &[ArrayRef]) -> Result<ChangeBatch> {
        let hashes = hash_rows(keys, keys.first().map_or(0, |key| key.len()))?;
        let mut found = self.table.find_by(keys, &hashes)?;
        found.retain(|row_id| *row_id != NO_ROW);
        self.table.store().stored(&found)
    }

    /// Writes the rows in their order: +1 inserts or replaces, −1 deletes by key. Returns what changed for readers (−1 old,
    /// +1 new, by key; nothing if a row was replaced by its like) and the rows that would delete what is not there.
    pub(crate) fn upsert(&mut self, changes: &ChangeBatch) -> Result<(ChangeBatch, Vec<u32>)> {
        let hashes = self.table.hashes(changes.rows())?;
        let found = self.table.find(changes.rows(), &hashes)?;
        let (replacements, absent) = self.replacements(changes, &found)?;
        let replacements = self.without_likes(changes.rows(), replacements)?;
        let readers_see = self.show(changes.rows(), &replacements)?;
        self.replace(changes.rows(), &hashes, &replacements)?;
        Ok((readers_see, absent))
    }

    /// What the batch makes of each of its keys, in the order of the keys' first occurrence.
    fn replacements(&self, changes: &ChangeBatch, found: &[RowId]) -> Result<(Vec<Replacement>, Vec<u32>)> {
        let keys: Vec<_> = self.keys.iter().map(|key| changes.column(*key).clone()).collect();
        let rows = 0..changes.len() as u32;
        let firsts = first_equal_rows(&keys, changes.len())?.unwrap_or_else(|| rows.clone().collect());
        let (mut now, mut absent) = (vec![Now::Unchanged; changes.len()], Vec::new());
        for (row, first) in rows.clone().zip(&firsts) {
            let first = *first as usize;
            let is_there = now[first] != Now::Gone && (now[first] != Now::Unchanged || found[first] != NO_ROW);
            match changes.weight(row as usize) {
                1.. => now[first] = Now::Row(row),
                0 => {}
                _ if is_there => now[first] = Now::Gone,
                _ => absent.push(row),
            }
        }
        let replacement = |row: u32| {
            let old = Some(found[row as usize]).filter(|row_id| *row_id != NO_ROW);
            match now[row as usize] {
                Now::Unchanged => None,
                Now::Row(new) => Some(Replacement { old, new: Some(new), row }),
                Now::Gone => old.map(|old| Replacement { old: Some(old), new: None, row }),
            }
        };
        Ok((rows.filter_map(replacement).collect(), absent))
    }

    /// Drops those that replace a row by an equal one.
    fn without_likes(&self, rows: &RecordBatch, mut replacements: Vec<Replacement>) -> Result<Vec<Replacement>> {
        let both = |replacement: &Replacement| replacement.old.zip(replacement.new);
        let (old, new): (Vec<RowId>, Vec<u32>) = replacements.iter().filter_map(both).unzip();
        if old.is_empty() {
            return Ok(replacements);
        }
        let stored = self.table.store().gather_rows(&old)?;
        let fresh = take_rows(rows, &UInt32Array::from(new))?;
        let equal = equal_rows(stored.columns(), fresh.columns(), old.len())?;
        let mut equal = equal.iter();
        replacements.retain(|replacement| both(replacement).is_none() || equal.next() != Some(true));
        Ok(replacements)
    }

    fn show(&self, rows: &RecordBatch, replacements: &[Replacement]) -> Result<ChangeBatch> {
        let old: Vec<RowId> = replacements.iter().filter_map(|replacement| replacement.old).collect();
        let new: Vec<u32> = replacements.iter().filter_map(|replacement| replacement.new).collect();
        let fresh = take_rows(rows, &UInt32Array::from(new))?;
        if old.is_empty() {
            return Ok(ChangeBatch::append(fresh));
        }
        let stored = self.table.store().gather_rows(&old)?;
        let (mut positions, mut weights, mut shown) = (Vec::new(), Vec::new(), [0, 0]);
        for replacement in replacements {
            let parts = [(0, replacement.old.is_some(), -1), (1, replacement.new.is_some(), 1)];
            for (part, _, weight) in parts.into_iter().filter(|(_, is_there, _)| *is_there) {
                positions.push((part, shown[part]));
                weights.push(weight);
                shown[part] += 1;
            }
        }
        Ok(ChangeBatch::new(interleave_record_batch(&[&stored, &fresh], &positions)?, weights))
    }

    fn replace(&mut self, rows: &RecordBatch, hashes: &[u64], replacements: &[Replacement]) -> Result<()> {
        for replacement in replacements {
            if let Some(old) = replacement.old {
                let weight = self.table.store().weight(old);
                self.table.add_weight(hashes[replacement.row as usize], old, -weight)?;
            }
        }
        let fresh: Vec<_> = replacements.iter().filter_map(|replacement| replacement.new).map(|row| (row, 1)).collect();
        self.table.insert(rows, &fresh, hashes)?;
        self.table.compact()
    }
}
