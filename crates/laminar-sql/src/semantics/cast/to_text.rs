//! Values to texts, as PostgreSQL writes them.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int64Type, IntervalMonthDayNanoType};
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, Datelike, Timelike};
use datafusion::common::Result;

use super::{bytes, lists};
use crate::functions::interval_text;
use crate::semantics::common_type::digits;
use crate::semantics::interval::as_intervals;

/// Whether values of this type are written here.
pub(super) fn writes(from: &DataType) -> bool {
    use DataType as D;
    from.is_floating()
        || matches!(
            from,
            D::Timestamp(..) | D::Interval(_) | D::Duration(_) | D::Binary | D::LargeBinary | D::List(_) | D::LargeList(_)
        )
}

/// Each value's text.
pub(super) fn write(column: &ArrayRef) -> Result<ArrayRef> {
    use DataType as D;
    Ok(match column.data_type() {
        D::Float32 => {
            let values = column.as_primitive::<Float32Type>();
            texts(values.len(), |row| {
                values.is_valid(row).then(|| float(f64::from(values.value(row)), &values.value(row).to_string(), 6))
            })
        }
        from if from.is_floating() => {
            let wide = arrow_cast::cast(column, &D::Float64)?;
            let values = wide.as_primitive::<Float64Type>();
            texts(values.len(), |row| values.is_valid(row).then(|| float(values.value(row), &values.value(row).to_string(), 15)))
        }
        D::Timestamp(unit, zone) => {
            let ticks = arrow_cast::cast(column, &D::Int64)?;
            let (ticks, unit, zoned) = (ticks.as_primitive::<Int64Type>().clone(), *unit, zone.is_some());
            texts(ticks.len(), |row| ticks.is_valid(row).then(|| instant(ticks.value(row), unit, zoned)))
        }
        D::Interval(_) | D::Duration(_) => {
            let spans = as_intervals(column)?;
            let spans = spans.as_primitive::<IntervalMonthDayNanoType>();
            texts(spans.len(), |row| spans.is_valid(row).then(|| interval_text::print(spans.value(row))))
        }
        D::Binary | D::LargeBinary => {
            let values = arrow_cast::cast(column, &D::LargeBinary)?;
            let values = values.as_binary::<i64>();
            texts(values.len(), |row| values.is_valid(row).then(|| bytes::write(values.value(row))))
        }
        D::List(_) => write_lists(column)?,
        D::LargeList(item) => write_lists(&arrow_cast::cast(column, &D::List(item.clone()))?)?,
        _ => arrow_cast::cast(column, &D::Utf8)?,
    })
}

fn texts(rows: usize, text: impl Fn(usize) -> Option<String>) -> ArrayRef {
    let mut texts = StringBuilder::with_capacity(rows, rows * 16);
    (0..rows).for_each(|row| texts.append_option(text(row)));
    Arc::new(texts.finish())
}

fn write_lists(column: &ArrayRef) -> Result<ArrayRef> {
    let column = column.as_list::<i32>();
    let nested = matches!(column.value_type(), DataType::List(_) | DataType::LargeList(_));
    let mut texts = Vec::with_capacity(column.len());
    for row in 0..column.len() {
        if column.is_null(row) {
            texts.push(None);
            continue;
        }
        let elements = super::convert(&column.value(row), &DataType::Utf8, false)?;
        // PostgreSQL writes the booleans of an array by their first letters.
        let elements = elements.as_string::<i32>();
        let is_boolean = column.value_type() == DataType::Boolean;
        let text = |element: Option<&str>| element.map(|text| if is_boolean { text[..1].to_owned() } else { text.to_owned() });
        texts.push(Some(lists::write(elements.iter().map(text), nested)));
    }
    Ok(Arc::new(StringArray::from(texts)))
}

/// The shortest text that is read as the same number: `1`, `0.1`, `1e+20`.
fn float(value: f64, plain: &str, digits: i32) -> String {
    match value {
        value if value.is_nan() => return "NaN".to_owned(),
        f64::INFINITY => return "Infinity".to_owned(),
        f64::NEG_INFINITY => return "-Infinity".to_owned(),
        _ => {}
    }
    let magnitude = if value == 0.0 { 0 } else { exponent_of(plain) };
    if (-4..digits).contains(&magnitude) {
        return plain.to_owned();
    }
    let (sign, unsigned) = plain.strip_prefix('-').map_or(("", plain), |rest| ("-", rest));
    let significant: String = unsigned.chars().filter(char::is_ascii_digit).collect();
    let significant = significant.trim_matches('0');
    let (first, rest) = significant.split_at(1.min(significant.len()));
    let point = if rest.is_empty() { "" } else { "." };
    let exponent_sign = if magnitude < 0 { '-' } else { '+' };
    format!("{sign}{first}{point}{rest}e{exponent_sign}{:02}", magnitude.abs())
}

/// The power of ten of the first digit of a number written without exponent.
fn exponent_of(plain: &str) -> i32 {
    let unsigned = plain.trim_start_matches('-');
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    match whole.trim_start_matches('0').len() {
        0 => -1 - (fraction.len() - fraction.trim_start_matches('0').len()) as i32,
        digits => digits as i32 - 1,
    }
}

/// `2024-01-01 05:15:00.25`, with `+00` behind it where it is an instant.
fn instant(ticks: i64, unit: TimeUnit, zoned: bool) -> String {
    let per_second = 10_i64.pow(digits(unit));
    let (seconds, rest) = (ticks.div_euclid(per_second), ticks.rem_euclid(per_second));
    let nanos = (rest * 10_i64.pow(9 - digits(unit))) as u32;
    let Some(instant) = DateTime::from_timestamp(seconds, nanos) else { return ticks.to_string() };
    let (year, month, day) = (instant.year(), instant.month(), instant.day());
    let mut text = format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", instant.hour(), instant.minute(), instant.second());
    fraction(&mut text, u64::from(nanos));
    if zoned {
        text.push_str("+00");
    }
    text
}

/// The digits behind the seconds, without zeros at the end.
fn fraction(text: &mut String, nanos: u64) {
    if nanos > 0 {
        let digits = format!("{nanos:09}");
        text.push('.');
        text.push_str(digits.trim_end_matches('0'));
    }
}

#[cfg(test)]
mod tests {
    use arrow_buffer::IntervalMonthDayNano;

    use super::*;

    #[test]
    fn doubles_are_written_as_postgresql_writes_them() {
        for (value, wanted) in [
            (1.0, "1"),
            (-0.1, "-0.1"),
            (1e14, "100000000000000"),
            (1e15, "1e+15"),
            (1.5e20, "1.5e+20"),
            (1e-4, "0.0001"),
            (1.25e-5, "1.25e-05"),
            (0.0, "0"),
            (-0.0, "-0"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
            (1.7976931348623157e308, "1.7976931348623157e+308"),
        ] {
            assert_eq!(float(value, &value.to_string(), 15), wanted);
        }
    }

    #[test]
    fn intervals_are_written_as_postgresql_writes_them() {
        let hour = 3_600_000_000_000;
        for (months, days, nanos, wanted) in [
            (0, 0, 0, "00:00:00"),
            (0, 1, 2 * hour, "1 day 02:00:00"),
            (14, -3, 0, "1 year 2 mons -3 days"),
            (-1, 40, 0, "-1 mons +40 days"),
            (0, 0, -hour / 2, "-00:30:00"),
            (0, 0, 250_000_000, "00:00:00.25"),
            (-1, 0, 0, "-1 mons"),
        ] {
            assert_eq!(interval_text::print(IntervalMonthDayNano::new(months, days, nanos)), wanted);
        }
    }

    #[test]
    fn instants_have_a_blank_before_the_time() {
        assert_eq!(instant(1_704_086_100_250, TimeUnit::Millisecond, false), "2024-01-01 05:15:00.25");
        assert_eq!(instant(-1, TimeUnit::Second, true), "1969-12-31 23:59:59+00");
    }
}
