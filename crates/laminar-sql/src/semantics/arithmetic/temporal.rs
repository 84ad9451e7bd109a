//! Days, times and intervals: what PostgreSQL computes with them and Arrow does not.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Float64Type, Int64Type, IntervalMonthDayNanoType, Time64NanosecondType, TimestampMicrosecondType,
};
use arrow_array::{ArrayRef, Datum, PrimitiveArray};
use arrow_buffer::IntervalMonthDayNano;
use arrow_schema::{ArrowError, DataType, IntervalUnit, TimeUnit};
use datafusion::arrow::compute::kernels::arity::try_binary;
use datafusion::common::{Result, internal_err};

use super::{ArithmeticOp, arithmetic_error, expanded, rows_of};

const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
const TIME: DataType = DataType::Time64(TimeUnit::Nanosecond);
const MICROS: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);
const NANOS_PER_DAY: i64 = 86_400_000_000_000;
const DAYS_PER_MONTH: i32 = 30;

/// The type of `left op right`, if it is one of those that are computed here.
pub(super) fn result_type(op: ArithmeticOp, left: &DataType, right: &DataType) -> Option<DataType> {
    use ArithmeticOp::{Add, Divide, Multiply, Subtract};
    use DataType as D;
    match (left, op, right) {
        (D::Date32, Add | Subtract, D::Int64) => Some(D::Date32),
        (D::Date32, Subtract, D::Date32) => Some(D::Int32),
        (left, Add | Subtract, right) if *left == TIME && *right == INTERVAL => Some(TIME),
        (left, Subtract, right) if *left == TIME && *right == TIME => Some(INTERVAL),
        (left, Add, right) if *left == MICROS && *right == TIME => Some(MICROS),
        (left, Multiply | Divide, D::Int64 | D::Float64) if *left == INTERVAL => Some(INTERVAL),
        _ => None,
    }
}

/// `left op right`; these types have a [`result_type`].
pub(super) fn compute(op: ArithmeticOp, left: &dyn Datum, right: &dyn Datum, _result: &DataType) -> Result<ArrayRef> {
    let rows = rows_of(left, right);
    let (left, right) = (expanded(left, rows)?, expanded(right, rows)?);
    let subtract = op == ArithmeticOp::Subtract;
    Ok(match (left.data_type(), right.data_type()) {
        (DataType::Date32, DataType::Int64) => {
            Arc::new(each::<Date32Type, Int64Type, Date32Type>(&left, &right, |day, days| moved_day(day, days, subtract))?)
        }
        (DataType::Date32, DataType::Date32) => {
            Arc::new(each::<Date32Type, Date32Type, arrow_array::types::Int32Type>(&left, &right, |left, right| {
                left.checked_sub(right).ok_or_else(|| overflow("DATE"))
            })?)
        }
        (left_type, right_type) if *left_type == TIME && *right_type == TIME => {
            Arc::new(each::<Time64NanosecondType, Time64NanosecondType, IntervalMonthDayNanoType>(
                &left,
                &right,
                |left, right| Ok(IntervalMonthDayNano::new(0, 0, left - right)),
            )?)
        }
        (left_type, _) if *left_type == TIME => {
            Arc::new(each::<Time64NanosecondType, IntervalMonthDayNanoType, Time64NanosecondType>(&left, &right, |time, by| {
                Ok(moved_time(time, by.nanoseconds, subtract))
            })?)
        }
        (left_type, _) if *left_type == MICROS => {
            Arc::new(each::<TimestampMicrosecondType, Time64NanosecondType, TimestampMicrosecondType>(
                &left,
                &right,
                |instant, time| instant.checked_add(time / 1_000).ok_or_else(|| overflow("TIMESTAMP")),
            )?)
        }
        (_, DataType::Int64) if op == ArithmeticOp::Multiply => {
            Arc::new(each::<IntervalMonthDayNanoType, Int64Type, IntervalMonthDayNanoType>(&left, &right, times)?)
        }
        (_, DataType::Int64 | DataType::Float64) => {
            let factors = arrow_cast::cast(&right, &DataType::Float64)?;
            Arc::new(each::<IntervalMonthDayNanoType, Float64Type, IntervalMonthDayNanoType>(&left, &factors, |span, by| {
                scaled(span, by, op)
            })?)
        }
        (left, right) => return internal_err!("no kernel for {left} and {right}"),
    })
}

fn each<L, R, O>(
    left: &ArrayRef,
    right: &ArrayRef,
    compute: impl Fn(L::Native, R::Native) -> Result<O::Native, ArrowError>,
) -> Result<PrimitiveArray<O>>
where
    L: arrow_array::ArrowPrimitiveType,
    R: arrow_array::ArrowPrimitiveType,
    O: arrow_array::ArrowPrimitiveType,
{
    Ok(try_binary(left.as_primitive::<L>(), right.as_primitive::<R>(), compute)?)
}

fn overflow(what: &str) -> ArrowError {
    ArrowError::from_external_error(Box::new(arithmetic_error(format!("{what} out of range"))))
}

fn moved_day(day: i32, days: i64, back: bool) -> Result<i32, ArrowError> {
    let moved = if back { i64::from(day).checked_sub(days) } else { i64::from(day).checked_add(days) };
    moved.and_then(|day| i32::try_from(day).ok()).ok_or_else(|| overflow("DATE"))
}

/// A time of day goes round at midnight; days and months do not change it.
fn moved_time(time: i64, by: i64, back: bool) -> i64 {
    let by = by % NANOS_PER_DAY;
    (if back { time - by } else { time + by }).rem_euclid(NANOS_PER_DAY)
}

fn times(span: IntervalMonthDayNano, factor: i64) -> Result<IntervalMonthDayNano, ArrowError> {
    let part = |part: i32| i64::from(part).checked_mul(factor).and_then(|part| i32::try_from(part).ok());
    let parts = (part(span.months), part(span.days), span.nanoseconds.checked_mul(factor));
    match parts {
        (Some(months), Some(days), Some(nanos)) => Ok(IntervalMonthDayNano::new(months, days, nanos)),
        _ => Err(overflow("INTERVAL")),
    }
}

/// An interval times or divided by a number: the fraction of a month becomes days, that of a day becomes time.
fn scaled(span: IntervalMonthDayNano, by: f64, op: ArithmeticOp) -> Result<IntervalMonthDayNano, ArrowError> {
    if op == ArithmeticOp::Divide && by == 0.0 {
        return Err(ArrowError::DivideByZero);
    }
    let scale = |part: f64| if op == ArithmeticOp::Divide { part / by } else { part * by };
    let months = scale(f64::from(span.months));
    // Fractions are cut at a millionth, as PostgreSQL does, so that 1/3 of three months leaves no nanosecond behind.
    let round = |value: f64| (value * 1e6).round() / 1e6;
    let days = scale(f64::from(span.days)) + round(months.fract() * f64::from(DAYS_PER_MONTH));
    let nanos = scale(span.nanoseconds as f64) + round(days.fract()) * NANOS_PER_DAY as f64;
    let fits = |value: f64, limit: f64| value.is_finite() && value.abs() < limit;
    if !(fits(months, f64::from(i32::MAX)) && fits(days, f64::from(i32::MAX)) && fits(nanos, i64::MAX as f64)) {
        return Err(overflow("INTERVAL"));
    }
    // Our intervals have nanoseconds; what a factor with fractions leaves below a microsecond is noise of its own.
    let nanos = (nanos / 1e3).round() as i64 * 1_000;
    Ok(IntervalMonthDayNano::new(months.trunc() as i32, days.trunc() as i32, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_times_a_fraction_goes_down_to_days_and_time() {
        let span = |months, days, nanos| IntervalMonthDayNano::new(months, days, nanos);
        let hour = 3_600_000_000_000;
        for (from, by, op, wanted) in [
            (span(1, 0, 0), 0.5, ArithmeticOp::Multiply, span(0, 15, 0)),
            (span(0, 1, 0), 0.5, ArithmeticOp::Multiply, span(0, 0, 12 * hour)),
            (span(1, 1, 0), 2.0, ArithmeticOp::Divide, span(0, 15, 12 * hour)),
            (span(0, 0, hour), 1.5, ArithmeticOp::Multiply, span(0, 0, hour + hour / 2)),
            (span(-3, 0, 0), 3.0, ArithmeticOp::Divide, span(-1, 0, 0)),
        ] {
            assert_eq!(scaled(from, by, op).unwrap(), wanted, "{from:?} {op:?} {by}");
        }
        assert!(scaled(span(1, 0, 0), 0.0, ArithmeticOp::Divide).is_err());
        assert!(scaled(span(1, 0, 0), f64::NAN, ArithmeticOp::Multiply).is_err());
        assert!(times(span(i32::MAX, 0, 0), 2).is_err());
    }

    #[test]
    fn a_time_of_day_goes_round_at_midnight() {
        let hour = NANOS_PER_DAY / 24;
        assert_eq!(moved_time(23 * hour, 2 * hour, false), hour);
        assert_eq!(moved_time(hour, 2 * hour, true), 23 * hour);
        assert_eq!(moved_time(hour, -50 * hour, false), 23 * hour);
    }
}
