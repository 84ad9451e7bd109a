//! Which expressions grow with a time: a time cast to another type, cut to a unit, or moved by a constant length.

use arrow_schema::DataType;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator};
use laminar_core::expr::Growth;
use laminar_core::time::event_time::nanos_per_unit;

const DAY: i128 = 86_400_000_000_000;

/// The column with which `expr` grows, if it does.
pub(super) fn growth(expr: &Expr, schema: &DFSchema) -> Option<Growth> {
    match expr {
        Expr::Alias(alias) => growth(&alias.expr, schema),
        Expr::Column(column) => Some(Growth { column: schema.maybe_index_of_column(column)?, behind: 0 }),
        Expr::Cast(cast) => cast_time(&cast.expr, expr, schema),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (left.as_ref(), op, right.as_ref()) {
            (time, Operator::Plus, Expr::Literal(by, _)) | (Expr::Literal(by, _), Operator::Plus, time) => {
                later(time, schema, back(by)?.0)
            }
            (time, Operator::Minus, Expr::Literal(by, _)) => later(time, schema, back(by)?.1),
            _ => None,
        },
        Expr::ScalarFunction(call) => match (call.name(), call.args.as_slice()) {
            ("__cast", [time]) => cast_time(time, expr, schema),
            ("date_trunc", [Expr::Literal(unit, _), time]) => later(time, schema, longest(unit.try_as_str()??)?),
            _ => None,
        },
        _ => None,
    }
}

/// What grows with `time`, a time in UTC, and is at most `behind` nanoseconds before it.
fn later(time: &Expr, schema: &DFSchema, behind: i64) -> Option<Growth> {
    let growth = growth(time, schema)?;
    let is_time = is_utc(&time.get_type(schema).ok()?);
    is_time.then(|| Growth { behind: growth.behind.saturating_add(behind), ..growth })
}

/// A time as another type of time.
fn cast_time(time: &Expr, cast: &Expr, schema: &DFSchema) -> Option<Growth> {
    let (from, to) = (time.get_type(schema).ok()?, cast.get_type(schema).ok()?);
    let (finer, coarser) = (nanos_per_unit(&from)?, nanos_per_unit(&to)?);
    if is_utc(&to) { later(time, schema, if coarser > finer { coarser } else { 0 }) } else { None }
}

/// By how many nanoseconds a time is at most earlier when this interval is added to it, and when it is taken from it.
fn back(interval: &ScalarValue) -> Option<(i64, i64)> {
    let nanos: i128 = match interval {
        ScalarValue::IntervalMonthDayNano(Some(value)) => {
            let parts = [i128::from(value.months) * 31 * DAY, i128::from(value.days) * DAY, i128::from(value.nanoseconds)];
            if parts.iter().any(|part| *part < 0) && parts.iter().any(|part| *part > 0) {
                return None;
            }
            parts.iter().sum()
        }
        ScalarValue::DurationSecond(Some(value)) => i128::from(*value) * 1_000_000_000,
        ScalarValue::DurationMillisecond(Some(value)) => i128::from(*value) * 1_000_000,
        ScalarValue::DurationMicrosecond(Some(value)) => i128::from(*value) * 1_000,
        ScalarValue::DurationNanosecond(Some(value)) => i128::from(*value),
        _ => return None,
    };
    Some((i64::try_from((-nanos).max(0)).ok()?, i64::try_from(nanos.max(0)).ok()?))
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
