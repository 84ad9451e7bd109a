//! The rows of one side of a join, arranged by key: immutable Arrow chunks plus a small mutable index.

use std::ops::RangeInclusive;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::take::take_arrays;

use super::Ownership;
use super::image::StateImage;
use super::key_chains::KeyChains;
use super::row_numbers::MatchCounts;
use super::row_store::{NO_ROW, RowId, from_image_table, with_matches_column};
use super::row_table::{Applied, NewEntries, RowTable};
use super::time_index::TimeIndex;
use crate::changelog::{equal_rows, hash_rows};
use crate::graph::ChangeKind;
use crate::limits::BATCH_ROWS_MAX;
use crate::{ChangeBatch, Error, Result};

/// A Z-set of rows that are found by key. Many rows may share a key; equal rows share a row id and add up their weights.
#[derive(Debug)]
pub struct Arrangement {
    table: RowTable,
    chains: KeyChains,
    keys: Vec<usize>,
    /// How many rows match each row; `None` where they are not counted.
    match_counts: Option<MatchCounts>,
    /// The rows by event time; `None` where none is ever forgotten.
    times: Option<TimeIndex>,
}

/// Pairs of a row that asks and a stored row with the same key.
#[derive(Debug, Default)]
pub struct Matches {
    /// Which row asked.
    pub rows: Vec<u32>,
    /// Which stored row answers; for [`Arrangement::gather`] and [`Arrangement::weight`].
    pub row_ids: Vec<RowId>,
}

/// How far a probe has come, so that its matches can be taken in portions.
#[derive(Debug, Default)]
pub struct ProbeCursor {
    row: usize,
    /// The next stored row for `row`; `None`: its chain is still to be looked up.
    row_id: Option<RowId>,
    /// The next one by time, where its partners are looked for so.
    timed: Option<(i64, RowId)>,
}

/// The times, in nanoseconds, of the rows that each row that asks can meet; none: of any time.
pub type Within<'a> = &'a [RangeInclusive<i64>];

/// So many rows with the key of a row are looked at, whatever their times.
const CHAIN_MAX: usize = 32;

impl Arrangement {
    /// Rows of `schema` that are found by the columns `keys` (none: by all rows at once).
    ///
    /// `identity` are the columns that make a row itself; the others follow from them. If `changes` are only appended,
    /// no row is ever looked for and equal rows are kept one by one.
    pub fn new(schema: SchemaRef, keys: Vec<usize>, identity: Vec<usize>, changes: &ChangeKind) -> Self {
        let table = if changes.is_append() { RowTable::append_only(schema) } else { RowTable::new(schema, identity) };
        Self { table, chains: KeyChains::default(), keys, match_counts: None, times: None }
    }

    /// The same, with a number a row: how many rows match it.
    #[must_use]
    pub fn with_match_counts(self) -> Self {
        Self { match_counts: Some(MatchCounts::default()), ..self }
    }

    /// The same, whose rows can be forgotten by their column `time`.
    #[must_use]
    pub fn with_times(self, time: usize) -> Self {
        Self { times: Some(TimeIndex::new(time)), ..self }
    }

    /// Whether there is a number a row.
    pub fn has_match_counts(&self) -> bool {
        self.match_counts.is_some()
    }

    /// The columns of the stored rows.
    pub fn schema(&self) -> &SchemaRef {
        self.table.store().schema()
    }

    /// Different live rows.
    pub fn len(&self) -> usize {
        self.table.store().live()
    }

    /// True if no row is live.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The hashes of the rows' keys.
    pub fn key_hashes(&self, rows: &RecordBatch) -> Result<Vec<u64>> {
        hash_rows(&self.keys_of(rows), rows.num_rows())
    }

    /// Which columns of the stored rows are the keys.
    pub fn key_columns(&self) -> &[usize] {
        &self.keys
    }

    /// The key columns of `rows`, which have this arrangement's schema.
    pub fn keys_of(&self, rows: &RecordBatch) -> Vec<ArrayRef> {
        self.keys.iter().map(|column| rows.column(*column).clone()).collect()
    }

    /// Adds consolidated changes. `hashes` are those of their keys.
    pub fn apply(&mut self, changes: &ChangeBatch, hashes: &[u64]) -> Result<()> {
        self.apply_counted(changes, hashes, None)
    }

    /// [`Self::apply`]; `counts` say how many rows match each of the changed rows. A row that is there already keeps its number.
    pub fn apply_counted(&mut self, changes: &ChangeBatch, hashes: &[u64], counts: Option<&[i64]>) -> Result<()> {
        let Applied { inserted, removed, .. } = self.table.apply(changes)?;
        if let Some(times) = &mut self.times {
            times.remove(changes.rows(), removed.iter().map(|(row, row_id)| (*row as usize, *row_id)))?;
            times.insert(changes.rows(), inserted.iter().map(|(row, row_id)| (*row as usize, *row_id)))?;
        }
        for (row, row_id) in removed {
            self.chains.remove(hashes[row as usize], row_id);
        }
        if let (Some(match_counts), Some(counts)) = (&mut self.match_counts, counts) {
            inserted.iter().for_each(|(row, row_id)| match_counts.set(*row_id, counts[*row as usize]));
        }
        for (row, row_id) in inserted {
            self.chains.insert(hashes[row as usize], row_id);
        }
        self.compact()
    }

    /// Forgets the rows with an event time before `before` (nanoseconds), whatever their weights.
    pub fn forget_before(&mut self, before: i64) -> Result<()> {
        while let Some(times) = &mut self.times {
            let row_ids = times.take_before(before, BATCH_ROWS_MAX);
            if row_ids.is_empty() {
                break;
            }
            self.remove(&row_ids)?;
        }
        Ok(())
    }

    /// Forgets these rows, whatever their weights.
    pub fn forget(&mut self, row_ids: &[RowId]) -> Result<()> {
        debug_assert!(self.times.is_none(), "rows that are found by their times are forgotten by them");
        self.remove(row_ids)
    }

    fn remove(&mut self, row_ids: &[RowId]) -> Result<()> {
        let hashes = hash_rows(&self.table.store().gather(row_ids, self.keys.iter().copied())?, row_ids.len())?;
        hashes.into_iter().zip(row_ids).for_each(|(hash, row_id)| self.chains.remove(hash, *row_id));
        self.table.remove(row_ids)?;
        self.compact()
    }

    /// Adds to the number of rows that match a stored row, and returns what it was before.
    pub fn add_matches(&mut self, row_id: RowId, matches: i64) -> Result<i64> {
        match &mut self.match_counts {
            Some(counts) => counts.add(row_id, matches),
            None => Err(Error::internal("matches of rows that are not counted")),
        }
    }

    /// How many rows match a stored row; 0 where they are not counted.
    pub fn matches_of(&self, row_id: RowId) -> i64 {
        self.match_counts.as_ref().map_or(0, |counts| counts.get(row_id))
    }

    fn compact(&mut self) -> Result<()> {
        while let Some(moved) = self.table.compact_one()? {
            let hashes = self.key_hashes(&moved.rows)?;
            for ((hash, from), to) in hashes.into_iter().zip(&moved.from).zip(&moved.to) {
                self.chains.replace(hash, *from, *to);
            }
            self.chains.free_chunk(moved.chunk);
            if let Some(times) = &mut self.times {
                times.remove(&moved.rows, moved.from.iter().copied().enumerate())?;
                times.insert(&moved.rows, moved.to.iter().copied().enumerate())?;
            }
            if let Some(counts) = &mut self.match_counts {
                moved.from.iter().zip(&moved.to).for_each(|(from, to)| counts.set(*to, counts.get(*from)));
                counts.free_chunk(moved.chunk);
            }
        }
        Ok(())
    }

    /// The next at most `limit` pairs of rows with equal keys, or `None` when there are no more. `keys` are the key
    /// columns of the rows that ask and `hashes` their hashes. NULL equals NULL here.
    ///
    /// A portion can be empty although more follow: candidates are found by hash and compared afterwards.
    pub fn probe(&self, keys: &[ArrayRef], hashes: &[u64], cursor: &mut ProbeCursor, limit: usize) -> Result<Option<Matches>> {
        self.probe_within(keys, hashes, &[], cursor, limit)
    }

    /// The same, without some rows that are not [`Within`] the times of the row that asks: where many rows have its key, those of other times are
    /// not looked at.
    pub fn probe_within(
        &self,
        keys: &[ArrayRef],
        hashes: &[u64],
        within: Within<'_>,
        cursor: &mut ProbeCursor,
        limit: usize,
    ) -> Result<Option<Matches>> {
        let candidates = self.candidates(hashes, within, cursor, limit);
        if candidates.rows.is_empty() { Ok(None) } else { self.compare(keys, candidates).map(Some) }
    }

    fn candidates(&self, hashes: &[u64], within: Within<'_>, cursor: &mut ProbeCursor, limit: usize) -> Matches {
        let mut matches = Matches::default();
        while cursor.row < hashes.len() {
            if cursor.row_id.is_none()
                && let Some((times, within)) = self.times.as_ref().zip(within.get(cursor.row))
                && let Some(first) = cursor.timed.take().or_else(|| self.first_by_time(times, hashes[cursor.row], within))
            {
                for (time, row_id) in times.between(first, *within.end()) {
                    if matches.rows.len() == limit {
                        cursor.timed = Some((time, row_id));
                        return matches;
                    }
                    matches.rows.push(cursor.row as u32);
                    matches.row_ids.push(row_id);
                }
                cursor.row += 1;
                continue;
            }
            let mut row_id = cursor.row_id.unwrap_or_else(|| self.chains.first(hashes[cursor.row]));
            while row_id != NO_ROW {
                if matches.rows.len() == limit {
                    cursor.row_id = Some(row_id);
                    return matches;
                }
                matches.rows.push(cursor.row as u32);
                matches.row_ids.push(row_id);
                row_id = self.chains.next(row_id);
            }
            cursor.row += 1;
            cursor.row_id = None;
        }
        matches
    }

    /// Where to begin in `times`, if fewer rows are [`Within`] than have the key with this hash.
    fn first_by_time(&self, times: &TimeIndex, hash: u64, within: &RangeInclusive<i64>) -> Option<(i64, RowId)> {
        let first = (*within.start(), RowId::MIN);
        let row = |row_id: RowId| Some(row_id).filter(|row_id| *row_id != NO_ROW);
        let mut by_key = std::iter::successors(row(self.chains.first(hash)), |row_id| row(self.chains.next(*row_id)));
        by_key.nth(CHAIN_MAX).filter(|_| times.is_complete())?;
        // Both at once, so that it costs no more than what is looked at then.
        let mut by_time = times.between(first, *within.end());
        loop {
            match (by_time.next(), by_key.next()) {
                (None, _) => return Some(first),
                (Some(_), None) => return None,
                (Some(_), Some(_)) => {}
            }
        }
    }

    /// The candidates whose keys are equal, and not only their hashes.
    fn compare(&self, keys: &[ArrayRef], candidates: Matches) -> Result<Matches> {
        let rows = UInt32Array::from(candidates.rows);
        let asking = take_arrays(keys, &rows, None)?;
        let stored = self.table.store().gather(&candidates.row_ids, self.keys.iter().copied())?;
        let equal = equal_rows(&asking, &stored, rows.len())?;
        if equal.count_set_bits() == rows.len() {
            return Ok(Matches { rows: rows.values().to_vec(), row_ids: candidates.row_ids });
        }
        let kept = equal.set_indices();
        let (rows, row_ids) = kept.map(|pair| (rows.value(pair), candidates.row_ids[pair])).unzip();
        Ok(Matches { rows, row_ids })
    }

    /// The weight of a stored row.
    #[inline]
    pub fn weight(&self, row_id: RowId) -> i64 {
        self.table.store().weight(row_id)
    }

    /// The first `width` columns of the rows at `row_ids`.
    pub fn gather(&self, row_ids: &[RowId], width: usize) -> Result<Vec<ArrayRef>> {
        self.table.store().gather(row_ids, 0..width)
    }

    /// The rows at `row_ids` with their weights.
    pub fn stored(&self, row_ids: &[RowId]) -> Result<ChangeBatch> {
        self.table.store().stored(row_ids)
    }

    /// All live rows with their weights.
    pub fn batches(&self) -> Vec<ChangeBatch> {
        self.table.store().batches()
    }

    /// Adds the rows to `image`, as tables called `name`.
    pub fn add_to_image(&mut self, image: &mut StateImage, name: &str) {
        match &mut self.match_counts {
            None => self.table.add_to_image(image, name),
            Some(counts) => self.table.add_to_image_counted(image, name, counts),
        }
    }

    /// Puts the rows that [`Self::add_to_image`] put into the images of several into an empty arrangement, as far as `owned` says so of their keys.
    pub fn restore(&mut self, parts: &[&StateImage], name: &str, owned: &Ownership) -> Result<()> {
        match parts {
            [only] if self.match_counts.is_none() && self.times.is_none() => self.restore_only(only, name, owned),
            parts => parts.iter().try_for_each(|image| self.restore_part(image, name, owned)),
        }
    }

    /// The rows of one image are all different: none is looked for.
    fn restore_only(&mut self, image: &StateImage, name: &str, owned: &Ownership) -> Result<()> {
        let mut entries = NewEntries::default();
        if matches!(owned, Ownership::All) {
            self.table.reserve(image.all(name).map(|rows| Ok(rows?.num_rows())).sum::<Result<usize>>()?);
        }
        for table in image.all(name) {
            let changes = from_image_table(self.schema(), table?)?;
            let keys = self.keys_of(changes.rows());
            let changes = owned.of_changes(changes, &keys)?;
            let hashes = self.key_hashes(changes.rows())?;
            let row_ids = self.table.insert_new(&changes, &mut entries)?;
            hashes.into_iter().zip(row_ids).for_each(|(hash, row_id)| self.chains.insert(hash, row_id));
        }
        self.table.index_new(entries);
        Ok(())
    }

    fn restore_part(&mut self, image: &StateImage, name: &str, owned: &Ownership) -> Result<()> {
        let counted = self.match_counts.as_ref().map(|_| with_matches_column(self.schema()));
        for table in image.all(name) {
            let changes = from_image_table(counted.as_ref().unwrap_or(self.schema()), table?)?;
            let keys = self.keys_of(changes.rows());
            let changes = owned.of_changes(changes, &keys)?;
            let hashes = self.key_hashes(changes.rows())?;
            let Some(schema) = &counted else {
                self.apply(&changes, &hashes)?;
                continue;
            };
            let width = schema.fields().len() - 1;
            let counts = changes.column(width).as_primitive::<Int64Type>().values().clone();
            let rows = changes.with_columns(self.schema().clone(), changes.rows().columns()[..width].to_vec())?;
            self.apply_counted(&rows, &hashes, Some(&counts))?;
        }
        Ok(())
    }

    /// Bytes of rows, weights, indexes and numbers.
    pub fn bytes(&self) -> usize {
        self.table.bytes()
            + self.chains.bytes()
            + self.match_counts.as_ref().map_or(0, MatchCounts::bytes)
            + self.times.as_ref().map_or(0, TimeIndex::bytes)
    }
}
