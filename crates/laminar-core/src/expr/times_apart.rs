//! Two times of a row at most so far apart: one subtraction, where computing the ends of the interval takes a calendar.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampNanosecondType;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::{DataType, Schema, TimeUnit};

use super::{ExprRef, ScalarExpr};
use crate::{Error, Result};

/// Whether `one - other` of two columns lies in `[least, most]`, in nanoseconds (`None`: no end), shown to people as `text`. NULL where one
/// of them is.
///
/// `None` if one of the columns is no timestamp in nanoseconds.
pub fn times_apart(schema: &Schema, [one, other]: [usize; 2], [least, most]: [Option<i64>; 2], text: String) -> Option<ExprRef> {
    let is_nanos = |column: usize| {
        schema.fields().get(column).is_some_and(|field| matches!(field.data_type(), DataType::Timestamp(TimeUnit::Nanosecond, _)))
    };
    let nullable = |column: usize| schema.field(column).is_nullable();
    (is_nanos(one) && is_nanos(other)).then(|| {
        let (least, most) = (least.map_or(i128::MIN, i128::from), most.map_or(i128::MAX, i128::from));
        Arc::new(TimesApart { one, other, least, most, nullable: nullable(one) || nullable(other), text }) as ExprRef
    })
}

#[derive(Debug)]
struct TimesApart {
    one: usize,
    other: usize,
    least: i128,
    most: i128,
    nullable: bool,
    text: String,
}

impl ScalarExpr for TimesApart {
    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        let column = |column: usize| rows.columns().get(column)?.as_primitive_opt::<TimestampNanosecondType>();
        let (Some(one), Some(other)) = (column(self.one), column(self.other)) else {
            return Err(Error::internal(format!("columns of {} are no times", self.text)));
        };
        let (ones, others) = (one.values(), other.values());
        let lies_within = |row: usize| {
            let difference = i128::from(ones[row]) - i128::from(others[row]);
            self.least <= difference && difference <= self.most
        };
        let values = BooleanBuffer::collect_bool(rows.num_rows(), lies_within);
        Ok(Arc::new(BooleanArray::new(values, NullBuffer::union(one.nulls(), other.nulls()))))
    }

    fn data_type(&self) -> &DataType {
        &DataType::Boolean
    }

    fn nullable(&self) -> bool {
        self.nullable
    }

    fn display(&self) -> String {
        self.text.clone()
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::TimestampNanosecondArray;
    use arrow_schema::Field;

    use super::*;

    fn check(least: Option<i64>, most: Option<i64>, expected: [Option<bool>; 4]) {
        let field = |name| Field::new(name, DataType::Timestamp(TimeUnit::Nanosecond, None), true);
        let schema = Arc::new(Schema::new(vec![field("a"), field("b")]));
        let a: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![Some(7), Some(i64::MIN), None, Some(i64::MAX)]));
        let b: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![Some(5), Some(i64::MAX), Some(1), Some(i64::MIN)]));
        let expr = times_apart(&schema, [0, 1], [least, most], String::new()).unwrap();
        let values = expr.evaluate(&RecordBatch::try_new(schema, vec![a, b]).unwrap()).unwrap();
        assert_eq!(values.as_boolean().iter().collect::<Vec<_>>(), expected, "{least:?} {most:?}");
        assert!(values.is_null(2));
    }

    #[test]
    fn differences_are_exact_up_to_the_ends_of_time() {
        check(Some(2), Some(2), [Some(true), Some(false), None, Some(false)]);
        check(Some(3), None, [Some(false), Some(false), None, Some(true)]);
        check(None, Some(1), [Some(false), Some(true), None, Some(false)]);
        let schema = Schema::new(vec![Field::new("a", DataType::Int64, true)]);
        assert!(times_apart(&schema, [0, 0], [None, None], String::new()).is_none());
    }
}
