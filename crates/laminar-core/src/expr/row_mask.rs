//! The rows of a batch that a condition leaves: one bit a row, in memory that is kept from batch to batch.

use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer};

/// One bit for each row of a batch.
#[derive(Debug, Clone, Default)]
pub struct RowMask {
    words: Vec<u64>,
    rows: usize,
}

const BITS: usize = u64::BITS as usize;

impl RowMask {
    /// A mask that selects all of `rows` rows.
    pub fn all(rows: usize) -> Self {
        let mut mask = Self::default();
        mask.select_all(rows);
        mask
    }

    /// Starts over with all of `rows` rows.
    pub fn select_all(&mut self, rows: usize) {
        self.words.clear();
        self.words.resize(rows.div_ceil(BITS), u64::MAX);
        if let (Some(last), used @ 1..) = (self.words.last_mut(), rows % BITS) {
            *last = (1 << used) - 1;
        }
        self.rows = rows;
    }

    /// Leaves out the rows for whose value `keep` is false. `values` has one value a row.
    #[inline]
    pub fn retain<V: Copy>(&mut self, values: &[V], keep: impl Fn(V) -> bool) {
        debug_assert_eq!(values.len(), self.rows, "one value a row");
        for (word, values) in self.words.iter_mut().zip(values.chunks(BITS)) {
            let bit = |(row, value): (usize, &V)| u64::from(keep(*value)) << row;
            *word &= values.iter().enumerate().map(bit).fold(0, |bits, bit| bits | bit);
        }
    }

    /// Leaves out the rows that are NULL.
    pub fn retain_valid(&mut self, nulls: &NullBuffer) {
        debug_assert_eq!(nulls.len(), self.rows, "one bit a row");
        for (word, valid) in self.words.iter_mut().zip(nulls.inner().bit_chunks().iter_padded()) {
            *word &= valid;
        }
    }

    /// How many rows are left.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The bits, for Arrow's kernels.
    pub fn to_buffer(&self) -> BooleanBuffer {
        BooleanBuffer::new(Buffer::from_slice_ref(&self.words), 0, self.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_what_every_condition_keeps() {
        for rows in [0, 1, 63, 64, 65, 128, 200] {
            let values: Vec<usize> = (0..rows).collect();
            let nulls: NullBuffer = (0..rows + 3).map(|row| row % 5 != 1).collect();
            let mut mask = RowMask::all(7);
            mask.select_all(rows);
            assert_eq!(mask.count(), rows);
            mask.retain(&values, |value| value % 3 == 0);
            mask.retain_valid(&nulls.slice(3, rows));
            let expected: Vec<bool> = (0..rows).map(|row| row % 3 == 0 && (row + 3) % 5 != 1).collect();
            assert_eq!(mask.to_buffer().iter().collect::<Vec<_>>(), expected, "{rows} rows");
            assert_eq!(mask.count(), expected.iter().filter(|kept| **kept).count());
        }
    }
}
