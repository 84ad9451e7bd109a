//! Constants at the type of what they meet: a text in quotes has no type of its own, and a number is as exact as it needs to be.

use arrow_buffer::IntervalMonthDayNano;
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Expr;

use super::arithmetic::decimal::MAX_PRECISION;
use super::cast::{convert, convert_value};
use super::common_type::digits;

/// The text of a constant without a type of its own.
pub(super) fn untyped_text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(
            ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) | ScalarValue::LargeUtf8(Some(text)),
            _,
        ) => Some(text),
        _ => None,
    }
}

/// Whether values of this type are texts.
pub(super) fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// `text` as a constant beside values of `other`; `None` if such values meet texts as texts.
pub(super) fn beside(text: &str, other: &DataType) -> Result<Option<Expr>> {
    let text_value = ScalarValue::Utf8(Some(text.to_owned()));
    let target = match other {
        DataType::Timestamp(unit, zone) => return instant(text, *unit, zone.clone()).map(Some),
        DataType::Decimal128(..) => return exact_number(text).map(Some),
        DataType::Interval(_) | DataType::Duration(_) => DataType::Interval(IntervalUnit::MonthDayNano),
        DataType::Boolean | DataType::Float32 | DataType::Float64 | DataType::Date32 | DataType::Time64(TimeUnit::Nanosecond) => {
            other.clone()
        }
        DataType::Binary | DataType::List(_) => other.clone(),
        whole if whole.is_integer() => whole.clone(),
        _ => return Ok(None),
    };
    convert_value(&text_value, &target).map(|value| Some(Expr::Literal(value, None)))
}

/// The number that `text` writes, with all its digits.
fn exact_number(text: &str) -> Result<Expr> {
    let value = ScalarValue::Utf8(Some(text.to_owned()));
    // As many digits after the point as are written; what has an exponent is given all the room there is.
    let trimmed = text.trim();
    let written = trimmed.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let scale = if trimmed.contains(['e', 'E']) { MAX_PRECISION / 2 } else { written.min(usize::from(MAX_PRECISION)) as u8 };
    let converted = convert_value(&value, &DataType::Decimal128(MAX_PRECISION, scale as i8))?;
    Ok(Expr::Literal(fitted(&converted), None))
}

/// A decimal constant with no more precision than its digits need, so that results get no wider than they must.
pub(super) fn fitted(value: &ScalarValue) -> ScalarValue {
    match value {
        ScalarValue::Decimal128(Some(number), _, scale) => {
            let digits = number.unsigned_abs().checked_ilog10().map_or(1, |log| log + 1) as u8;
            ScalarValue::Decimal128(Some(*number), digits.max(scale.unsigned_abs()).max(1), *scale)
        }
        other => other.clone(),
    }
}

/// The instant that `text` writes, at the coarsest unit, but none coarser than `unit`, that holds it exactly.
fn instant(text: &str, unit: TimeUnit, zone: Option<std::sync::Arc<str>>) -> Result<Expr> {
    let value = ScalarValue::Utf8(Some(text.to_owned()));
    let value = widest_instant(&value, zone)?;
    Ok(Expr::Literal(narrowed_instant(&value, unit), None))
}

/// An instant with nanoseconds, or with microseconds where it lies beyond the years 1677 to 2262.
pub(super) fn widest_instant(text: &ScalarValue, zone: Option<std::sync::Arc<str>>) -> Result<ScalarValue> {
    convert_value(text, &DataType::Timestamp(TimeUnit::Nanosecond, zone.clone()))
        .or_else(|error| convert_value(text, &DataType::Timestamp(TimeUnit::Microsecond, zone)).map_err(|_| error))
}

/// An instant at the coarsest unit, but none coarser than `unit`, that holds it exactly.
pub(super) fn narrowed_instant(value: &ScalarValue, unit: TimeUnit) -> ScalarValue {
    let DataType::Timestamp(_, zone) = value.data_type() else { return value.clone() };
    for candidate in [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond] {
        if digits(candidate) < digits(unit) {
            continue;
        }
        let target = DataType::Timestamp(candidate, zone.clone());
        let there = convert_value(value, &target);
        if let Ok(there) = there
            && convert_value(&there, &value.data_type()).is_ok_and(|back| back == *value)
        {
            return there;
        }
    }
    value.clone()
}

/// A constant at the type `target`; `None` if it is no constant or does not fit.
pub(super) fn constant_as(expr: &Expr, target: &DataType) -> Option<Expr> {
    let Expr::Literal(value, _) = expr else { return None };
    let column = convert(&value.to_array().ok()?, target, false).ok()?;
    Some(Expr::Literal(ScalarValue::try_from_array(&column, 0).ok()?, None))
}

/// A whole number that is a constant, as a decimal of no more digits than it has.
pub(super) fn whole_constant(expr: &Expr) -> Option<Expr> {
    let Expr::Literal(value, _) = expr else { return None };
    if !value.data_type().is_integer() || value.is_null() {
        return None;
    }
    let decimal = convert_value(value, &DataType::Decimal128(MAX_PRECISION, 0)).ok()?;
    Some(Expr::Literal(fitted(&decimal), None))
}

/// How many nanoseconds an interval constant is long, with days of 24 hours and months of 30 days.
pub(super) fn length_of(span: IntervalMonthDayNano) -> Option<i64> {
    let days = i64::from(span.months).checked_mul(30)?.checked_add(i64::from(span.days))?;
    days.checked_mul(86_400_000_000_000)?.checked_add(span.nanoseconds)
}
