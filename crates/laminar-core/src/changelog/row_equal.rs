//! Compares rows side by side, as keys are compared: NULL = NULL, −0.0 = 0.0, NaN = NaN.

use arrow_array::{ArrayRef, BooleanArray};
use arrow_buffer::BooleanBuffer;
use arrow_ord::cmp::not_distinct;
use arrow_schema::DataType;

use super::row_key::{RowKeys, canonical_floats};
use crate::Result;

/// Whether row *i* of `left` equals row *i* of `right`, for each of `rows` rows. The columns have the same types.
pub fn equal_rows(left: &[ArrayRef], right: &[ArrayRef], rows: usize) -> Result<BooleanBuffer> {
    debug_assert_eq!(left.len(), right.len(), "rows of one type");
    let mut equal: Option<BooleanBuffer> = None;
    for (left, right) in left.iter().zip(right) {
        let column = equal_values(left, right)?;
        equal = Some(match equal {
            Some(before) => &before & &column,
            None => column,
        });
    }
    Ok(equal.unwrap_or_else(|| BooleanBuffer::new_set(rows)))
}

fn equal_values(left: &ArrayRef, right: &ArrayRef) -> Result<BooleanBuffer> {
    if needs_encoding(left.data_type()) {
        return equal_encoded(left, right);
    }
    let equal: BooleanArray = not_distinct(&canonical_floats(left), &canonical_floats(right))?;
    Ok(equal.into_parts().0)
}

/// Types that the comparison kernels do not know.
fn needs_encoding(data_type: &DataType) -> bool {
    match data_type {
        DataType::Null => true,
        DataType::Dictionary(_, values) => needs_encoding(values) || values.is_floating(),
        other => other.is_nested(),
    }
}

fn equal_encoded(left: &ArrayRef, right: &ArrayRef) -> Result<BooleanBuffer> {
    let keys = RowKeys::new(&[left.data_type().clone()])?;
    let encode = |column: &ArrayRef| keys.encode(std::slice::from_ref(column), column.len());
    let (left, right) = (encode(left)?, encode(right)?);
    Ok(BooleanBuffer::collect_bool(left.num_rows(), |row| left.row(row) == right.row(row)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::types::Int32Type;
    use arrow_array::{Array, DictionaryArray, Float64Array, Int64Array, ListArray, NullArray, StringArray};

    use super::*;

    fn check(left: impl Array + 'static, right: impl Array + 'static, expected: &[bool]) {
        let (left, right): (ArrayRef, ArrayRef) = (Arc::new(left), Arc::new(right));
        let equal = equal_rows(&[left], &[right], expected.len()).unwrap();
        assert_eq!(equal.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn values_are_equal_as_keys_are() {
        let integers = |values: [Option<i64>; 4]| Int64Array::from(values.to_vec());
        check(integers([Some(1), None, None, Some(2)]), integers([Some(1), None, Some(0), Some(3)]), &[true, true, false, false]);
        check(StringArray::from(vec![Some(""), None]), StringArray::from(vec![None::<&str>, None]), &[false, true]);
        check(Float64Array::from(vec![0.0, f64::NAN, 1.0]), Float64Array::from(vec![-0.0, -f64::NAN, 2.0]), &[true, true, false]);
        check(NullArray::new(2), NullArray::new(2), &[true, true]);
        let dictionary = |values: [Option<&str>; 2]| values.into_iter().collect::<DictionaryArray<Int32Type>>();
        check(dictionary([Some("a"), None]), dictionary([Some("a"), Some("b")]), &[true, false]);
        let lists = |values: [Option<i32>; 2]| ListArray::from_iter_primitive::<Int32Type, _, _>(values.map(|v| Some([v])));
        check(lists([Some(1), None]), lists([Some(1), Some(2)]), &[true, false]);
    }

    #[test]
    fn rows_are_equal_if_all_columns_are() {
        let column = |values: [i64; 2]| Arc::new(Int64Array::from(values.to_vec())) as ArrayRef;
        let equal = equal_rows(&[column([1, 2]), column([1, 2])], &[column([1, 2]), column([1, 3])], 2).unwrap();
        assert_eq!(equal.iter().collect::<Vec<_>>(), [true, false]);
        assert_eq!(equal_rows(&[], &[], 3).unwrap().count_set_bits(), 3);
    }
}
