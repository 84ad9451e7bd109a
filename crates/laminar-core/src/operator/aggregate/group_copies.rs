//! What a checkpoint has of a group table: copied in pieces between steps, ahead of the moment at which it is taken, and kept for the next one, which adds
//! what has changed.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::{DataType, Field, Schema};
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;
use arrow_select::interleave::interleave_record_batch;

use super::group_table::GroupTable;
use crate::limits::IMAGE_TABLE_BYTES_MIN;
use crate::state::{CopiedAhead, StateImage, TableVersion};
use crate::{Code, Error, Result};

/// Groups that are copied, and which of them have changed since.
#[derive(Debug, Default)]
pub(super) struct GroupCopies {
    /// The groups from number 0 on, in their order.
    pieces: Vec<Copied>,
    /// One past the last of them.
    end: usize,
    /// Groups that were copied again since, later ones last. Their numbers are the last column.
    again: Vec<Copied>,
    /// How many rows these have.
    again_rows: usize,
    /// Groups below `end` that have changed since they were copied last, each once.
    changed: Vec<u32>,
    /// The same, a bit each.
    is_changed: Vec<u64>,
}

/// Some groups as they stood when they were copied.
#[derive(Debug)]
struct Copied {
    version: TableVersion,
    rows: usize,
    bytes: usize,
    /// Bytes of each column of texts, lists or the like.
    lengths: Vec<usize>,
    /// `None`: the last checkpoint has them.
    table: Option<RecordBatch>,
}

impl Copied {
    fn new(table: RecordBatch) -> Self {
        let columns = table.columns().iter().filter(|column| !column.data_type().is_primitive());
        let lengths = columns.map(|column| column.get_array_memory_size()).collect();
        let (rows, bytes) = (table.num_rows(), table.get_array_memory_size());
        Self { version: TableVersion::unique(), rows, bytes, lengths, table: Some(table) }
    }

    /// Whether a checkpoint has it in a block of its own.
    fn is_large(&self) -> bool {
        self.bytes >= IMAGE_TABLE_BYTES_MIN
    }

    /// Adds a copy to others. Small ones are put together by `join`, so that there are not many.
    fn add(self, copies: &mut Vec<Copied>, join: impl Fn(&RecordBatch, &RecordBatch) -> Result<RecordBatch>) -> Result<()> {
        let mut last = self;
        while let Some(Copied { table: Some(before), rows, .. }) = copies.last().filter(|before| !before.is_large())
            && let Some(after) = &last.table
            && *rows < 2 * last.rows
        {
            let joined = Copied::new(join(before, after)?);
            copies.pop();
            last = joined;
        }
        copies.push(last);
        Ok(())
    }
}

impl GroupCopies {
    /// Remembers that groups are no longer as they were copied.
    pub(super) fn note_changed(&mut self, groups: &[u32]) {
        for group in groups.iter().filter(|group| (**group as usize) < self.end) {
            let (word, bit) = (*group as usize / 64, 1 << (group % 64));
            if self.is_changed[word] & bit == 0 {
                self.is_changed[word] |= bit;
                self.changed.push(*group);
            }
        }
    }

    /// How many groups of a table that ends at `end` are not copied as they are.
    pub(super) fn left(&self, end: usize) -> usize {
        end - self.end + self.changed.len()
    }

    /// Begins anew when more was copied again than once: what is stored, and what an image holds that is never taken, does not grow.
    pub(super) fn forget_superseded(&mut self) {
        if self.again_rows > self.end {
            *self = Self::default();
        }
    }

    /// The numbers to be copied next, so many at most: all once, then those that have changed.
    pub(super) fn next(&self, most: usize, end: usize) -> Vec<u32> {
        let new = self.end..end.min(self.end.saturating_add(most));
        match new.is_empty() {
            false => new.map(|group| group as u32).collect(),
            true => self.changed[self.changed.len().saturating_sub(most)..].to_vec(),
        }
    }

    /// Takes the copy of the numbers that [`next`](Self::next) has given.
    pub(super) fn add(&mut self, numbers: &[u32], rows: RecordBatch) -> Result<()> {
        if numbers.first().is_none_or(|first| *first as usize >= self.end) {
            self.end += numbers.len();
            self.is_changed.resize(self.end.div_ceil(64), 0);
            if self.pieces.is_empty() || !numbers.is_empty() {
                Copied::new(rows)
                    .add(&mut self.pieces, |before, after| Ok(concat_batches(before.schema_ref(), [before, after])?))?;
            }
            return Ok(());
        }
        self.changed.truncate(self.changed.len() - numbers.len());
        numbers.iter().for_each(|group| self.is_changed[*group as usize / 64] &= !(1 << (group % 64)));
        let numbers: ArrayRef = Arc::new(UInt32Array::from(numbers.to_vec()));
        let fields = rows.schema_ref().fields().iter().cloned();
        let schema = Schema::new(fields.chain([Arc::new(Field::new("number", DataType::UInt32, false))]).collect::<Vec<_>>());
        let columns = rows.columns().iter().cloned().chain([numbers]).collect();
        Copied::new(RecordBatch::try_new(Arc::new(schema), columns)?).add(&mut self.again, latest)?;
        self.again_rows = self.again.iter().map(|copied| copied.rows).sum();
        Ok(())
    }

    /// Adds all to an operator's image, but for the rows that the last checkpoint has. What could not be put together again is refused here, while the log
    /// still has it.
    pub(super) fn add_to_image(&self, image: &mut StateImage, name: &str) -> Result<()> {
        check_put_together(&self.pieces, COLUMN_BYTES_MAX)?;
        let again = again(name);
        let all = self.pieces.iter().map(|copied| (name, copied)).chain(self.again.iter().map(|copied| (again.as_str(), copied)));
        all.for_each(|(name, copied)| image.push_version(name, copied.version, copied.table.clone()));
        Ok(())
    }

    /// The last checkpoint has all of these.
    pub(super) fn are_stored(&mut self) {
        let large = self.pieces.iter_mut().chain(&mut self.again).filter(|copied| copied.is_large());
        large.for_each(|copied| copied.table = None);
    }

    /// Bytes of the copies.
    pub(super) fn bytes(&self) -> usize {
        let copies = self.pieces.iter().chain(&self.again).filter_map(|copied| copied.table.as_ref());
        let tables = copies.map(RecordBatch::get_array_memory_size).sum::<usize>();
        tables + self.changed.capacity() * 4 + self.is_changed.capacity() * 8
    }

    /// The image of the table that [`add_to_image`](Self::add_to_image) has added, with all rows.
    pub(super) fn of_image(image: &StateImage, name: &str) -> Result<RecordBatch> {
        let pieces = image.all(name).collect::<Result<Vec<&RecordBatch>>>()?;
        let whole = match pieces.as_slice() {
            [] => return image.get(name).cloned(),
            [whole] => (*whole).clone(),
            [first, ..] => concat_batches(first.schema_ref(), pieces)?,
        };
        let again = image.all(&again(name)).collect::<Result<Vec<&RecordBatch>>>()?;
        if again.is_empty() { Ok(whole) } else { replaced(&whole, &again) }
    }
}

impl GroupTable {
    /// Copies up to `rows` groups of what the next [`add_to_checkpoint`](Self::add_to_checkpoint) will add.
    pub fn copy_ahead(&mut self, rows: usize) -> Result<CopiedAhead> {
        let mut copies = self.copies.take().unwrap_or_default();
        copies.forget_superseded();
        let copied = if rows > 0 { self.copy(&mut copies, rows)? } else { 0 };
        let left = copies.left(self.end());
        self.copies = Some(copies);
        Ok(CopiedAhead { copied, left })
    }

    /// Copies up to `rows` groups.
    fn copy(&self, copies: &mut GroupCopies, rows: usize) -> Result<usize> {
        let numbers = copies.next(rows, self.end());
        copies.add(&numbers, self.image_of_numbers(&numbers)?)?;
        Ok(numbers.len())
    }

    /// Copies what is left.
    fn copy_all(&self, copies: &mut GroupCopies) -> Result<()> {
        self.copy(copies, usize::MAX)?;
        while copies.left(self.end()) > 0 {
            self.copy(copies, usize::MAX)?;
        }
        Ok(())
    }

    /// Adds the [image](Self::image) to one of an operator, as tables called `name`: what was copied ahead, and what is left. The last checkpoint has the rows
    /// of those that come without.
    pub fn add_to_checkpoint(&mut self, image: &mut StateImage, name: &str) -> Result<()> {
        let mut copies = self.copies.take().unwrap_or_default();
        self.copy_all(&mut copies)?;
        self.copies.insert(copies).add_to_image(image, name)
    }

    /// What [`add_to_checkpoint`](Self::add_to_checkpoint) has added is stored.
    pub fn checkpoint_is_stored(&mut self) {
        if let Some(copies) = &mut self.copies {
            copies.are_stored();
        }
    }

    /// Adds the [image](Self::image) to one of an operator, as tables called `name`, with all rows.
    pub fn add_to_image(&self, image: &mut StateImage, name: &str) -> Result<()> {
        let mut copies = GroupCopies::default();
        self.copy_all(&mut copies)?;
        copies.add_to_image(image, name)
    }

    /// The image that was added to that of an operator, with all rows.
    pub fn image_in(image: &StateImage, name: &str) -> Result<RecordBatch> {
        GroupCopies::of_image(image, name)
    }
}

/// Bytes that a column of texts or lists can have: Arrow counts them in 31 bits.
const COLUMN_BYTES_MAX: usize = i32::MAX as usize;

/// Whether the columns of all pieces together are short enough to become one.
fn check_put_together(pieces: &[Copied], bytes_max: usize) -> Result<()> {
    for column in 0..pieces.first().map_or(0, |copied| copied.lengths.len()) {
        if pieces.iter().map(|copied| copied.lengths[column]).sum::<usize>() > bytes_max {
            let text = "the groups of one aggregate have more than 2 GiB of texts or lists in one column, which a checkpoint cannot hold";
            return Err(Error::new(Code::LimitReached, text)
                .with_hint("spread the groups over more workers (SET workers), or keep shorter texts in them"));
        }
    }
    Ok(())
}

/// What a table of groups that were copied again is called.
fn again(name: &str) -> String {
    format!("{name}_again")
}

/// The rows of both, without those of `before` whose numbers come again.
fn latest(before: &RecordBatch, after: &RecordBatch) -> Result<RecordBatch> {
    let newer: HashSet<u32> = numbers_of(after)?.values().iter().copied().collect();
    let is_latest = |number: &u32| Some(!newer.contains(number));
    let latest: BooleanArray = numbers_of(before)?.values().iter().map(is_latest).collect();
    Ok(concat_batches(after.schema_ref(), [&filter_record_batch(before, &latest)?, after])?)
}

fn numbers_of(rows: &RecordBatch) -> Result<&UInt32Array> {
    rows.columns().last().and_then(|numbers| numbers.as_primitive_opt::<UInt32Type>()).ok_or_else(broken)
}

/// The rows with those of `again`, later ones last, in place of those of the same numbers.
fn replaced(whole: &RecordBatch, again: &[&RecordBatch]) -> Result<RecordBatch> {
    let mut places: Vec<(usize, usize)> = (0..whole.num_rows()).map(|row| (0, row)).collect();
    let mut batches = vec![whole.clone()];
    for (batch, rows) in (1..).zip(again) {
        let width = rows.num_columns().saturating_sub(1);
        for (row, number) in numbers_of(rows)?.values().iter().enumerate() {
            *places.get_mut(*number as usize).ok_or_else(broken)? = (batch, row);
        }
        batches.push(rows.project(&(0..width).collect::<Vec<_>>())?);
    }
    Ok(interleave_record_batch(&batches.iter().collect::<Vec<_>>(), &places)?)
}

/// The columns of an image, named by number.
pub(super) fn image_rows(columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let fields = columns.iter().enumerate().map(|(i, column)| Field::new(format!("c{i}"), column.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
}

pub(super) fn broken() -> Error {
    Error::internal("not the image of a group table")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use arrow_array::Int64Array;
    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn rows(values: &[i64], numbers: &[u32]) -> RecordBatch {
        let column: Int64Array = numbers.iter().map(|number| values[*number as usize]).collect();
        RecordBatch::try_from_iter([("value", Arc::new(column) as ArrayRef)]).unwrap()
    }

    #[test]
    fn the_image_is_what_stands_at_last_however_copies_and_changes_came() {
        for seed in 0..200 {
            let mut random = SmallRng::seed_from_u64(seed);
            let (mut values, mut copies) = (Vec::new(), GroupCopies::default());
            let rounds = random.random_range(0..30);
            for round in 0..rounds {
                if random.random_bool(0.5) {
                    values.push(round);
                }
                if !values.is_empty() {
                    let changed = random.random_range(0..values.len());
                    values[changed] = 100 + round;
                    copies.note_changed(&[changed as u32]);
                }
                if random.random_bool(0.5) {
                    let numbers = copies.next(random.random_range(1..4), values.len());
                    copies.add(&numbers, rows(&values, &numbers)).unwrap();
                }
            }
            let image = image(&mut copies, &values);
            let all: Vec<u32> = (0..values.len() as u32).collect();
            assert_eq!(GroupCopies::of_image(&image, "rows").unwrap(), rows(&values, &all), "seed {seed}");
        }
    }

    /// What a checkpoint takes.
    fn image(copies: &mut GroupCopies, values: &[i64]) -> StateImage {
        loop {
            let numbers = copies.next(usize::MAX, values.len());
            copies.add(&numbers, rows(values, &numbers)).unwrap();
            if copies.left(values.len()) == 0 {
                break;
            }
        }
        let mut image = StateImage::default();
        copies.add_to_image(&mut image, "rows").unwrap();
        image
    }

    #[test]
    fn checkpoints_have_what_stands_at_last_and_write_no_more_than_what_has_changed() {
        const GROUPS: u32 = 30_000;
        let (mut values, mut copies, mut random) = (Vec::new(), GroupCopies::default(), SmallRng::seed_from_u64(7));
        let (mut stored, mut written): (HashMap<TableVersion, RecordBatch>, _) = (HashMap::new(), Vec::new());
        for checkpoint in 0..60 {
            values.resize(values.len().max(random.random_range(0..GROUPS as usize)), checkpoint);
            for _ in 0..random.random_range(1..50) * usize::from(!values.is_empty()) {
                let first = random.random_range(0..values.len());
                let last = values.len().min(first + random.random_range(1..80));
                values[first..last].fill(-checkpoint);
                copies.note_changed(&(first as u32..last as u32).collect::<Vec<_>>());
            }
            copies.forget_superseded();
            let image = image(&mut copies, &values);
            let (mut whole, mut now) = (StateImage::default(), HashMap::new());
            for table in &image.tables {
                let version = table.version.unwrap();
                let rows = table.rows().cloned().unwrap_or_else(|_| stored[&version].clone());
                whole.push(table.name.clone(), rows.clone());
                now.insert(version, rows);
            }
            written.push(
                now.keys().filter(|version| !stored.contains_key(version)).map(|version| now[version].num_rows()).sum::<usize>(),
            );
            let all: Vec<u32> = (0..values.len() as u32).collect();
            assert_eq!(GroupCopies::of_image(&whole, "rows").unwrap(), rows(&values, &all), "checkpoint {checkpoint}");
            if random.random_bool(0.8) {
                stored = now;
                copies.are_stored();
            }
        }
        written.sort_unstable();
        assert!(written[30] < 10_000 && *written.last().unwrap() > 20_000, "{written:?}");
    }

    #[test]
    fn copies_of_an_image_that_is_never_taken_do_not_grow() {
        let (values, mut copies) = ((0..100).collect::<Vec<i64>>(), GroupCopies::default());
        for round in 0..1000_u32 {
            copies.note_changed(&[round % 100, (round + 1) % 100]);
            copies.forget_superseded();
            let numbers = copies.next(10, values.len());
            copies.add(&numbers, rows(&values, &numbers)).unwrap();
            let copied = copies.pieces.iter().chain(&copies.again).map(|copied| copied.rows).sum::<usize>();
            assert!(copied <= 210, "{copied} rows in round {round}");
        }
        assert!(copies.bytes() > 0);
    }

    #[test]
    fn texts_that_would_not_fit_into_one_column_are_refused() {
        let texts: ArrayRef = Arc::new(arrow_array::StringArray::from(vec!["x".repeat(1000)]));
        let pieces: Vec<Copied> =
            (0..3).map(|_| Copied::new(RecordBatch::try_from_iter([("text", texts.clone())]).unwrap())).collect();
        assert_eq!(check_put_together(&pieces, 2000).unwrap_err().code(), Code::LimitReached);
        assert!(check_put_together(&pieces, 10_000).is_ok());
        assert!(check_put_together(&[Copied::new(rows(&[1, 2], &[0, 1]))], 1).is_ok(), "numbers have no offsets");
    }
}
