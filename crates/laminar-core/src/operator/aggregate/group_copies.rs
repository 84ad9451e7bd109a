//! A group table's image that is copied in pieces between steps, ahead of the moment at which it is taken.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::{DataType, Field, Schema};
use arrow_select::concat::concat_batches;
use arrow_select::interleave::interleave_record_batch;

use crate::state::StateImage;
use crate::{Code, Error, Result};

/// Groups that are copied, and which of them have changed since.
#[derive(Debug, Default)]
pub(super) struct GroupCopies {
    /// The groups from number 0 on, in their order.
    pieces: Vec<RecordBatch>,
    /// One past the last of them.
    end: usize,
    /// Groups that were copied again since, later ones last. Their numbers are the last column.
    again: Vec<RecordBatch>,
    /// How many rows these have.
    again_rows: usize,
    /// Groups below `end` that have changed since they were copied last, each once.
    changed: Vec<u32>,
    /// The same, a bit each.
    is_changed: Vec<u64>,
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

    /// The numbers to be copied next, so many at most: all once, then those that have changed.
    pub(super) fn next(&self, most: usize, end: usize) -> Vec<u32> {
        let new = self.end..end.min(self.end.saturating_add(most));
        match new.is_empty() {
            false => new.map(|group| group as u32).collect(),
            true => self.changed[self.changed.len().saturating_sub(most)..].to_vec(),
        }
    }

    /// Takes the copy of the numbers that [`next`](Self::next) has given. When more was copied again than once, all begins anew: an image that is never taken
    /// does not grow.
    pub(super) fn add(&mut self, numbers: &[u32], rows: RecordBatch) -> Result<()> {
        if self.again_rows > self.end {
            *self = Self::default();
            return Ok(());
        }
        if numbers.first().is_none_or(|first| *first as usize >= self.end) {
            self.end += numbers.len();
            self.is_changed.resize(self.end.div_ceil(64), 0);
            if self.pieces.is_empty() || !numbers.is_empty() {
                self.pieces.push(rows);
            }
            return Ok(());
        }
        self.changed.truncate(self.changed.len() - numbers.len());
        numbers.iter().for_each(|group| self.is_changed[*group as usize / 64] &= !(1 << (group % 64)));
        let numbers: ArrayRef = Arc::new(UInt32Array::from(numbers.to_vec()));
        let fields = rows.schema_ref().fields().iter().cloned();
        let schema = Schema::new(fields.chain([Arc::new(Field::new("number", DataType::UInt32, false))]).collect::<Vec<_>>());
        let columns = rows.columns().iter().cloned().chain([numbers]).collect();
        let again = RecordBatch::try_new(Arc::new(schema), columns)?;
        self.again_rows += again.num_rows();
        self.again.push(again);
        Ok(())
    }

    /// Adds all to an operator's image. What could not be put together again is refused here, while the log still has it.
    pub(super) fn add_to_image(self, image: &mut StateImage, name: &str) -> Result<()> {
        check_put_together(&self.pieces, COLUMN_BYTES_MAX)?;
        let again = again(name);
        self.pieces.into_iter().for_each(|rows| image.push(name, rows));
        self.again.into_iter().for_each(|rows| image.push(again.clone(), rows));
        Ok(())
    }

    /// Bytes of the copies.
    pub(super) fn bytes(&self) -> usize {
        let copies = self.pieces.iter().chain(&self.again).map(RecordBatch::get_array_memory_size);
        copies.sum::<usize>() + self.changed.capacity() * 4 + self.is_changed.capacity() * 8
    }

    /// The image of the table that [`add_to_image`](Self::add_to_image) has added.
    pub(super) fn of_image(image: &StateImage, name: &str) -> Result<RecordBatch> {
        let pieces: Vec<&RecordBatch> = image.all(name).collect();
        let whole = match pieces.as_slice() {
            [] => return image.get(name).cloned(),
            [whole] => (*whole).clone(),
            [first, ..] => concat_batches(first.schema_ref(), pieces)?,
        };
        let again: Vec<&RecordBatch> = image.all(&again(name)).collect();
        if again.is_empty() { Ok(whole) } else { replaced(&whole, &again) }
    }
}

/// Bytes that a column of texts or lists can have: Arrow counts them in 31 bits.
const COLUMN_BYTES_MAX: usize = i32::MAX as usize;

/// Whether the columns of all pieces together are short enough to become one.
fn check_put_together(pieces: &[RecordBatch], bytes_max: usize) -> Result<()> {
    let columns = pieces.first().map_or(0, RecordBatch::num_columns);
    for column in (0..columns).filter(|column| !pieces[0].column(*column).data_type().is_primitive()) {
        let bytes: usize = pieces.iter().map(|rows| rows.column(column).get_array_memory_size()).sum();
        if bytes > bytes_max {
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

/// The rows with those of `again`, later ones last, in place of those of the same numbers.
fn replaced(whole: &RecordBatch, again: &[&RecordBatch]) -> Result<RecordBatch> {
    let mut places: Vec<(usize, usize)> = (0..whole.num_rows()).map(|row| (0, row)).collect();
    let mut batches = vec![whole.clone()];
    for (batch, rows) in (1..).zip(again) {
        let width = rows.num_columns().saturating_sub(1);
        let numbers = rows.columns().last().and_then(|numbers| numbers.as_primitive_opt::<UInt32Type>()).ok_or_else(broken)?;
        for (row, number) in numbers.values().iter().enumerate() {
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
            loop {
                let numbers = copies.next(usize::MAX, values.len());
                copies.add(&numbers, rows(&values, &numbers)).unwrap();
                if copies.left(values.len()) == 0 {
                    break;
                }
            }
            let mut image = StateImage::default();
            copies.add_to_image(&mut image, "rows").unwrap();
            let all: Vec<u32> = (0..values.len() as u32).collect();
            assert_eq!(GroupCopies::of_image(&image, "rows").unwrap(), rows(&values, &all), "seed {seed}");
        }
    }

    #[test]
    fn copies_of_an_image_that_is_never_taken_do_not_grow() {
        let (values, mut copies) = ((0..100).collect::<Vec<i64>>(), GroupCopies::default());
        for round in 0..1000_u32 {
            copies.note_changed(&[round % 100, (round + 1) % 100]);
            let numbers = copies.next(10, values.len());
            copies.add(&numbers, rows(&values, &numbers)).unwrap();
            let copied = copies.pieces.iter().chain(&copies.again).map(RecordBatch::num_rows).sum::<usize>();
            assert!(copied <= 210, "{copied} rows in round {round}");
        }
        assert!(copies.bytes() > 0);
    }

    #[test]
    fn texts_that_would_not_fit_into_one_column_are_refused() {
        let texts: ArrayRef = Arc::new(arrow_array::StringArray::from(vec!["x".repeat(1000)]));
        let pieces = vec![RecordBatch::try_from_iter([("text", texts)]).unwrap(); 3];
        assert_eq!(check_put_together(&pieces, 2000).unwrap_err().code(), Code::LimitReached);
        assert!(check_put_together(&pieces, 10_000).is_ok());
        assert!(check_put_together(&[rows(&[1, 2], &[0, 1])], 1).is_ok(), "numbers have no offsets");
    }
}
