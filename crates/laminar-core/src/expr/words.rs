//! Values of 64 bits each as plain numbers, in memory that is kept: where there are few, making a column takes longer than
//! computing what is in it.

use std::sync::Arc;

use arrow_array::{ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use arrow_buffer::{Buffer, NullBuffer, ScalarBuffer};
use arrow_schema::DataType;

use super::word_types::with_wide_type;
use crate::{Error, Result};

/// The bits of values of one type, some of them NULL.
#[derive(Debug, Clone, Default)]
pub struct Words {
    words: Vec<i64>,
    /// Whether each has a value; empty: all have.
    valid: Vec<bool>,
}

impl Words {
    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.words.capacity() * size_of::<i64>() + self.valid.capacity()
    }

    /// Appends a value, or NULL.
    #[inline]
    pub fn push(&mut self, word: Option<i64>) {
        if word.is_none() && self.valid.is_empty() {
            self.valid.resize(self.words.len(), true);
        }
        if word.is_none() || !self.valid.is_empty() {
            self.valid.push(word.is_some());
        }
        self.words.push(word.unwrap_or(0));
    }

    /// The value in `row`; `None`: NULL.
    #[inline]
    pub fn get(&self, row: usize) -> Option<i64> {
        let is_valid = self.valid.is_empty() || self.valid[row];
        is_valid.then(|| self.words[row])
    }

    /// Forgets all values.
    pub fn clear(&mut self) {
        self.words.clear();
        self.valid.clear();
    }

    /// The bits, 0 for NULL.
    pub(crate) fn bits(&self) -> &[i64] {
        &self.words
    }

    /// The values as a column of `data_type`, with its memory given: the bits one after the other.
    pub(crate) fn column(&self, memory: Buffer, data_type: &DataType) -> Result<ArrayRef> {
        let nulls = (!self.valid.is_empty()).then(|| NullBuffer::from(self.valid.as_slice()));
        macro_rules! column {
            ($t:ty) => {{
                let values = ScalarBuffer::<<$t as ArrowPrimitiveType>::Native>::new(memory, 0, self.words.len());
                Ok(Arc::new(PrimitiveArray::<$t>::try_new(values, nulls)?.with_data_type(data_type.clone())))
            }};
        }
        with_wide_type!(data_type, column, Err(Error::internal("not a type of 64 bits")))
    }
}

/// Whether values of this type have 64 bits.
pub(crate) fn is_wide(data_type: &DataType) -> bool {
    macro_rules! yes {
        ($t:ty) => {
            true
        };
    }
    with_wide_type!(data_type, yes, false)
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Float64Type;

    use super::*;

    #[test]
    fn nulls_may_come_first_last_or_never() {
        let values = [Some(1), None, Some(-2)];
        let mut words = Words::default();
        for case in [vec![], vec![0], vec![0, 2], vec![1, 0], vec![2, 1, 1, 0]] {
            words.clear();
            let expected: Vec<Option<i64>> = case.iter().map(|at| values[*at]).collect();
            expected.iter().for_each(|word| words.push(*word));
            assert_eq!((0..case.len()).map(|row| words.get(row)).collect::<Vec<_>>(), expected);
            let column = words.column(Buffer::from_slice_ref(words.bits()), &DataType::Int64).unwrap();
            assert_eq!(column.as_primitive::<arrow_array::types::Int64Type>().iter().collect::<Vec<_>>(), expected);
            assert_eq!(column.nulls().is_some(), expected.contains(&None));
        }
    }

    #[test]
    fn the_bits_of_a_float_become_that_float() {
        let mut words = Words::default();
        words.push(Some((-0.5_f64).to_bits().cast_signed()));
        let column = words.column(Buffer::from_slice_ref(words.bits()), &DataType::Float64).unwrap();
        assert_eq!(column.as_primitive::<Float64Type>().values().as_ref(), [-0.5]);
        assert!(words.column(Buffer::from_slice_ref(words.bits()), &DataType::Int32).is_err());
    }
}
