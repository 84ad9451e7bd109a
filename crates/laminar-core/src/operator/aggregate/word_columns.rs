//! Columns of whole numbers of at most 64 bits as numbers of 64 bits, and back.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{ArrayRef, PrimitiveArray};
use arrow_buffer::{NullBuffer, ScalarBuffer};
use arrow_schema::DataType;

use crate::expr::word_types::with_word_type;
use crate::{Error, Result};

/// The values of a column of a word type as 64-bit numbers; without copying where they are that wide.
pub(super) fn word_values(array: &ArrayRef) -> Result<ScalarBuffer<i64>> {
    macro_rules! values {
        ($t:ty) => {{
            let values = array.as_primitive::<$t>().values();
            match size_of::<<$t as ArrowPrimitiveType>::Native>() {
                8 => ScalarBuffer::from(values.inner().clone()),
                _ => values.iter().map(|value| *value as i64).collect(),
            }
        }};
    }
    Ok(with_word_type!(array.data_type(), values, return Err(not_words())))
}

/// 64-bit numbers as a column of a word type.
pub(super) fn word_column(words: impl Iterator<Item = i64>, nulls: Option<NullBuffer>, data_type: &DataType) -> Result<ArrayRef> {
    macro_rules! column {
        ($t:ty) => {{
            let values = words.map(|word| word as _).collect();
            Ok(Arc::new(PrimitiveArray::<$t>::try_new(values, nulls)?.with_data_type(data_type.clone())))
        }};
    }
    with_word_type!(data_type, column, Err(not_words()))
}

fn not_words() -> Error {
    Error::internal("not a 64-bit key")
}

/// Mixes all bits of a word into all bits of its hash, for neighbouring numbers are the usual ones. Never leaves the process, so it need not be the
/// project's hash of rows, which would cost a pass of its own.
#[inline]
pub(super) fn hash_word(word: i64) -> u64 {
    let wide = u128::from(word.cast_unsigned() ^ 0x9e37_79b9_7f4a_7c15) * 0xd1b5_4a32_d192_ed03_u128;
    (wide as u64) ^ ((wide >> 64) as u64)
}
