//! What came out of a query, added up so that order and intermediate changes do not matter.

use std::fmt;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampNanosecondType};
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use laminar_core::ChangeBatch;
use laminar_core::changelog::hash_rows;
use laminar_db::Result;

/// A multiset of rows in a few numbers: inserting and retracting a row cancel out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// Rows that are there at the end.
    pub(super) rows: i64,
    /// The sum of all rows' hashes, each times its weight.
    hash: u64,
    /// For engines that hash in another way: what the columns add up to, in their order and wrapping around; whole numbers, bytes
    /// of texts, microseconds of times.
    pub(super) sums: Vec<i64>,
}

impl Answer {
    /// What `changes` add up to.
    pub(super) fn of_changes(changes: &[ChangeBatch]) -> Result<Self> {
        let mut answer = Self::default();
        for batch in changes {
            answer.add(batch.rows(), |row| batch.weight(row))?;
        }
        Ok(answer)
    }

    /// The same of rows that are all there once.
    pub(super) fn of_rows(batches: &[RecordBatch]) -> Result<Self> {
        let mut answer = Self::default();
        for batch in batches {
            answer.add(batch, |_| 1)?;
        }
        Ok(answer)
    }

    fn add(&mut self, rows: &RecordBatch, weight: impl Fn(usize) -> i64) -> Result<()> {
        for (row, hash) in hash_rows(rows.columns(), rows.num_rows())?.into_iter().enumerate() {
            self.rows += weight(row);
            self.hash = self.hash.wrapping_add(hash.wrapping_mul(weight(row) as u64));
        }
        for (index, column) in rows.columns().iter().filter_map(numbers).enumerate() {
            if self.sums.len() == index {
                self.sums.push(0);
            }
            for row in (0..column.len()).filter(|row| column.is_valid(*row)) {
                self.sums[index] = self.sums[index].wrapping_add(column.value(row).wrapping_mul(weight(row)));
            }
        }
        Ok(())
    }
}

/// A column as whole numbers that every engine has: its own, the bytes of its texts, or the whole microseconds of its times.
fn numbers(column: &ArrayRef) -> Option<Int64Array> {
    match column.data_type() {
        DataType::Int64 => Some(column.as_primitive::<Int64Type>().clone()),
        DataType::Utf8 => Some(column.as_string::<i32>().iter().map(|text| text.map(|text| text.len() as i64)).collect()),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            Some(column.as_primitive::<TimestampNanosecondType>().unary(|nanos| nanos.div_euclid(1_000)))
        }
        _ => None,
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.hash)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn rows(values: &[i64]) -> RecordBatch {
        RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from(values.to_vec())) as ArrayRef)]).unwrap()
    }

    #[test]
    fn order_and_what_was_taken_back_do_not_count_but_every_row_does() {
        let batch = Answer::of_rows(&[rows(&[1, 2]), rows(&[3])]).unwrap();
        assert_eq!((batch.rows, batch.sums.as_slice()), (3, &[6][..]));
        let changes = [ChangeBatch::new(rows(&[3, 9, 1]), vec![1, 1, 1]), ChangeBatch::new(rows(&[9, 2]), vec![-1, 1])];
        assert_eq!(Answer::of_changes(&changes).unwrap(), batch);
        for other in [&[1, 2, 4][..], &[1, 2], &[1, 2, 3, 3], &[0, 3, 3]] {
            assert_ne!(Answer::of_rows(&[rows(other)]).unwrap().to_string(), batch.to_string(), "{other:?}");
        }
    }
}
