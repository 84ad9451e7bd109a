//! Intervals by value: a day is 24 hours and a month 30 days when intervals are compared, sorted, grouped or told apart.

use std::hash::Hash;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::IntervalMonthDayNanoType;
use arrow_array::{Array, ArrayRef, PrimitiveArray};
use arrow_buffer::IntervalMonthDayNano;
use arrow_schema::{ArrowError, DataType, IntervalUnit, TimeUnit};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::arithmetic::arithmetic_error;

const NANOS_PER_DAY: i128 = 86_400_000_000_000;
const DAYS_PER_MONTH: i128 = 30;

/// Whether values of this type are intervals (an INTERVAL, or the distance of two times).
pub(super) fn is_interval(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Interval(_) | DataType::Duration(_))
}

/// Brings an interval to the form in which equal ones are the same and Arrow's order is that of their lengths.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ByLength {
    signature: Signature,
}

/// `expr`, an interval, in the form that can be compared.
pub(super) fn by_length(expr: Expr) -> Expr {
    // The same function twice is the same, and a constant is brought to the form here, so that plans show it plainly.
    if let Expr::Literal(value, _) = &expr
        && let Some(value) = literal_by_length(value)
    {
        return Expr::Literal(value, None);
    }
    if is_by_length(&expr) {
        return expr;
    }
    ScalarUDF::new_from_impl(ByLength { signature: Signature::any(1, Volatility::Immutable) }).call(vec![expr])
}

fn is_by_length(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call) if call.func.inner().is::<ByLength>())
}

fn literal_by_length(value: &ScalarValue) -> Option<ScalarValue> {
    let column = normalized(&value.to_array().ok()?).ok()?;
    ScalarValue::try_from_array(&column, 0).ok()
}

impl ScalarUDFImpl for ByLength {
    fn name(&self) -> &str {
        "__interval_by_length"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Interval(IntervalUnit::MonthDayNano))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match &args.args[0] {
            ColumnarValue::Array(spans) => normalized(spans).map(ColumnarValue::Array),
            ColumnarValue::Scalar(span) => {
                let column = normalized(&span.to_array()?)?;
                ScalarValue::try_from_array(&column, 0).map(ColumnarValue::Scalar)
            }
        }
    }
}

fn normalized(spans: &ArrayRef) -> Result<ArrayRef> {
    let spans = as_intervals(spans)?;
    let spans = spans.as_primitive::<IntervalMonthDayNanoType>();
    let normalized: PrimitiveArray<IntervalMonthDayNanoType> = spans.try_unary(of_one)?;
    Ok(Arc::new(normalized))
}

fn of_one(span: IntervalMonthDayNano) -> Result<IntervalMonthDayNano, ArrowError> {
    let days = i128::from(span.months) * DAYS_PER_MONTH + i128::from(span.days);
    let nanos = days * NANOS_PER_DAY + i128::from(span.nanoseconds);
    match i32::try_from(nanos.div_euclid(NANOS_PER_DAY)) {
        Ok(days) => Ok(IntervalMonthDayNano::new(0, days, nanos.rem_euclid(NANOS_PER_DAY) as i64)),
        Err(_) => Err(ArrowError::from_external_error(Box::new(arithmetic_error("INTERVAL out of range".to_owned())))),
    }
}

/// Distances and the other kinds of interval as months, days and nanoseconds.
pub(crate) fn as_intervals(spans: &ArrayRef) -> Result<ArrayRef> {
    let wanted = DataType::Interval(IntervalUnit::MonthDayNano);
    match spans.data_type() {
        data_type if *data_type == wanted => Ok(spans.clone()),
        DataType::Duration(unit) => {
            let per_unit: i64 = match unit {
                TimeUnit::Second => 1_000_000_000,
                TimeUnit::Millisecond => 1_000_000,
                TimeUnit::Microsecond => 1_000,
                TimeUnit::Nanosecond => 1,
            };
            let lengths = arrow_cast::cast(spans, &DataType::Int64)?;
            let lengths = lengths.as_primitive::<arrow_array::types::Int64Type>();
            let spans: PrimitiveArray<IntervalMonthDayNanoType> = lengths.unary(|length| {
                // Whole days apart, so that every length has room.
                let nanos = i128::from(length) * i128::from(per_unit);
                IntervalMonthDayNano::new(0, (nanos / NANOS_PER_DAY) as i32, (nanos % NANOS_PER_DAY) as i64)
            });
            Ok(Arc::new(spans))
        }
        _ => Ok(arrow_cast::cast(spans, &wanted)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_lengths_have_one_form_and_the_order_of_forms_is_that_of_lengths() {
        let span = |months, days, hours: i64| of_one(IntervalMonthDayNano::new(months, days, hours * 3_600_000_000_000)).unwrap();
        for (left, right) in
            [((0, 1, 0), (0, 0, 24)), ((1, 0, 0), (0, 30, 0)), ((1, -30, 0), (0, 0, 0)), ((0, 0, -24), (0, -1, 0))]
        {
            assert_eq!(span(left.0, left.1, left.2), span(right.0, right.1, right.2), "{left:?} {right:?}");
        }
        let ascending = [
            (-1, 0, 0),
            (0, -1, -1),
            (0, -1, 0),
            (0, 0, -1),
            (0, 0, 0),
            (0, 0, 23),
            (0, 1, 0),
            (0, 0, 25),
            (1, 0, -1),
            (1, 0, 0),
        ];
        for pair in ascending.windows(2) {
            let [left, right] = [pair[0], pair[1]].map(|(months, days, hours)| span(months, days, hours));
            assert!(left < right, "{pair:?}");
        }
        assert!(of_one(IntervalMonthDayNano::new(i32::MAX, 0, 0)).is_err());
    }
}
