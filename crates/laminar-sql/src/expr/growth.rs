//! Which expressions grow with a time: a time cast to another type, cut to a unit, or moved by a constant length.

use arrow_schema::DataType;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator};
use laminar_core::expr::Growth;
use laminar_core::time::event_time::nanos_per_unit;

const DAY: i128 = 86_400_000_000_000;

/// A time that is a column more or less a length: from `least` to `most` nanoseconds after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shifted {
    /// Which column.
    pub(crate) column: usize,
    /// The least length.
    pub(crate) least: i64,
    /// The greatest length.
    pub(crate) most: i64,
}

/// The column with which `expr` grows, if it does.
pub(super) fn growth(expr: &Expr, schema: &DFSchema) -> Option<Growth> {
    let shifted = shifted(expr, schema)?;
    Some(Growth { column: shifted.column, behind: shifted.least.saturating_neg().max(0) })
}

/// How `expr` follows from a column with which it grows, if it does.
pub(crate) fn shifted(expr: &Expr, schema: &DFSchema) -> Option<Shifted> {
    match expr {
        Expr::Alias(alias) => shifted(&alias.expr, schema),
        Expr::Column(column) => Some(Shifted { column: schema.maybe_index_of_column(column)?, least: 0, most: 0 }),
        Expr::Cast(cast) => cast_time(&cast.expr, expr, schema),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (left.as_ref(), op, right.as_ref()) {
            (time, Operator::Plus, Expr::Literal(by, _)) | (Expr::Literal(by, _), Operator::Plus, time) => {
                later(time, schema, lengths(by)?)
            }
            (time, Operator::Minus, Expr::Literal(by, _)) => {
                let (least, most) = lengths(by)?;
                later(time, schema, (most.checked_neg()?, least.checked_neg()?))
            }
            _ => None,
        },
        Expr::ScalarFunction(call) => match (call.name(), call.args.as_slice()) {
            ("__cast", [time]) => cast_time(time, expr, schema),
            ("date_trunc", [Expr::Literal(unit, _), time]) => later(time, schema, (-longest(unit.try_as_str()??)?, 0)),
            _ => None,
        },
        _ => None,
    }
}

/// What grows with `time`, a time in UTC, and is so many nanoseconds after it.
fn later(time: &Expr, schema: &DFSchema, (least, most): (i64, i64)) -> Option<Shifted> {
    let shifted = shifted(time, schema)?;
    let is_time = is_utc(&time.get_type(schema).ok()?);
    let (least, most) = (shifted.least.saturating_add(least), shifted.most.saturating_add(most));
    is_time.then_some(Shifted { least, most, ..shifted })
}

/// A time as another type of time.
fn cast_time(time: &Expr, cast: &Expr, schema: &DFSchema) -> Option<Shifted> {
    let (from, to) = (time.get_type(schema).ok()?, cast.get_type(schema).ok()?);
    let (finer, coarser) = (nanos_per_unit(&from)?, nanos_per_unit(&to)?);
    // A finer time is rounded, up or down.
    let unit = if coarser > finer { coarser } else { 0 };
    if is_utc(&to) { later(time, schema, (-unit, unit)) } else { None }
}

/// The least and the greatest length of an interval, in nanoseconds.
fn lengths(interval: &ScalarValue) -> Option<(i64, i64)> {
    let exact = |nanos: i128| Some((i64::try_from(nanos).ok()?, i64::try_from(nanos).ok()?));
    match interval {
        ScalarValue::IntervalMonthDayNano(Some(value)) => {
            let rest = i128::from(value.days) * DAY + i128::from(value.nanoseconds);
            let months = [28, 31].map(|days| i128::from(value.months) * days * DAY + rest);
            Some((i64::try_from(months[0].min(months[1])).ok()?, i64::try_from(months[0].max(months[1])).ok()?))
        }
        ScalarValue::DurationSecond(Some(value)) => exact(i128::from(*value) * 1_000_000_000),
        ScalarValue::DurationMillisecond(Some(value)) => exact(i128::from(*value) * 1_000_000),
        ScalarValue::DurationMicrosecond(Some(value)) => exact(i128::from(*value) * 1_000),
        ScalarValue::DurationNanosecond(Some(value)) => exact(i128::from(*value)),
        _ => None,
    }
}

/// The length of an interval as intervals are compared: a month is 30 days.
pub(crate) fn exact_length(interval: &ScalarValue) -> Option<i64> {
    match interval {
        ScalarValue::IntervalMonthDayNano(Some(value)) => {
            let days = i128::from(value.months) * 30 + i128::from(value.days);
            i64::try_from(days * DAY + i128::from(value.nanoseconds)).ok()
        }
        other => lengths(other).map(|(least, _)| least),
    }
}

/// Whether a type's clock shows UTC: of other zones the difference is not the same at all times.
fn is_utc(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(_, Some(zone)) => matches!(zone.as_ref(), "UTC" | "+00:00" | "+00" | "Z"),
        other => nanos_per_unit(other).is_some(),
    }
}

/// The greatest length of a unit of `date_trunc`.
fn longest(unit: &str) -> Option<i64> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "microsecond" => 1_000,
        "millisecond" => 1_000_000,
        "second" => 1_000_000_000,
        "minute" => 60_000_000_000,
        "hour" => 3_600_000_000_000,
        "day" => DAY as i64,
        "week" => 7 * DAY as i64,
        "month" => 31 * DAY as i64,
        "quarter" => 92 * DAY as i64,
        "year" => 366 * DAY as i64,
        _ => return None,
    })
}
