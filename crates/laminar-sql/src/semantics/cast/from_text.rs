//! Texts to values. A text that says no value of the type is an error that shows it; digits that have no room are rounded.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, BooleanBuilder, PrimitiveBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, Time64NanosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, ListArray, PrimitiveArray, StringArray};
use arrow_buffer::{IntervalMonthDayNano, NullBuffer, OffsetBuffer};
use arrow_cast::parse::{Parser, string_to_datetime};
use arrow_schema::{ArrowError, DataType, FieldRef, IntervalUnit, TimeUnit};
use chrono::{DateTime, Datelike, NaiveDate, Utc};

use super::{bytes, lists, not_a, out_of_range, times};
use crate::functions::interval_text;
use crate::semantics::arithmetic::decimal::MAX_PRECISION;
use crate::semantics::common_type::digits;

/// Whether texts are read as this type here.
pub(super) fn reads(target: &DataType) -> bool {
    use DataType as D;
    target.is_integer()
        || matches!(
            target,
            D::Float32
                | D::Float64
                | D::Decimal128(..)
                | D::Boolean
                | D::Binary
                | D::Date32
                | D::Time64(TimeUnit::Nanosecond)
                | D::Timestamp(..)
                | D::Interval(IntervalUnit::MonthDayNano)
                | D::List(_)
        )
}

/// Each text as a value of `target`; where that fails, NULL or an error.
pub(super) fn read(texts: &ArrayRef, target: &DataType, gives_null: bool) -> Result<ArrayRef, ArrowError> {
    use DataType as D;
    let texts = Texts { texts: texts.as_string::<i32>(), target, gives_null };
    Ok(match target {
        D::Int8 => Arc::new(texts.whole::<Int8Type>()?),
        D::Int16 => Arc::new(texts.whole::<Int16Type>()?),
        D::Int32 => Arc::new(texts.whole::<Int32Type>()?),
        D::Int64 => Arc::new(texts.whole::<Int64Type>()?),
        D::UInt8 => Arc::new(texts.whole::<UInt8Type>()?),
        D::UInt16 => Arc::new(texts.whole::<UInt16Type>()?),
        D::UInt32 => Arc::new(texts.whole::<UInt32Type>()?),
        D::UInt64 => Arc::new(texts.whole::<UInt64Type>()?),
        D::Float32 => Arc::new(texts.primitive::<Float32Type>(|text| real(text, target))?),
        D::Float64 => Arc::new(texts.primitive::<Float64Type>(|text| double(text, target))?),
        D::Decimal128(precision, scale) => {
            let values = texts.primitive::<Decimal128Type>(|text| decimal(text, *precision, *scale))?;
            Arc::new(values.with_precision_and_scale(*precision, *scale)?)
        }
        D::Boolean => texts.booleans()?,
        D::Binary => texts.bytes()?,
        D::Date32 => Arc::new(texts.primitive::<Date32Type>(|text| date(text, target))?),
        D::Time64(_) => Arc::new(texts.primitive::<Time64NanosecondType>(|text| time(text, target))?),
        D::Timestamp(unit, zone) => {
            let ticks = texts.primitive::<Int64Type>(|text| instant(text, *unit, target))?;
            times::of_ticks(ticks, *unit, zone.clone())
        }
        D::Interval(_) => Arc::new(texts.primitive::<IntervalMonthDayNanoType>(|text| interval(text, target))?),
        D::List(item) => texts.lists(item)?,
        other => return arrow_cast::cast(texts.texts, other),
    })
}

/// Texts to be read as values of one type.
struct Texts<'a> {
    texts: &'a StringArray,
    target: &'a DataType,
    gives_null: bool,
}

impl Texts<'_> {
    /// What `read` gives for each text.
    fn each<V>(&self, read: impl Fn(&str) -> Result<V, ArrowError>) -> impl Iterator<Item = Result<Option<V>, ArrowError>> {
        self.texts.iter().map(move |text| match text.map(&read) {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(value)),
            Some(Err(_)) if self.gives_null => Ok(None),
            Some(Err(error)) => Err(error),
        })
    }

    fn primitive<T: ArrowPrimitiveType>(
        &self,
        read: impl Fn(&str) -> Result<T::Native, ArrowError>,
    ) -> Result<PrimitiveArray<T>, ArrowError> {
        let mut values = PrimitiveBuilder::<T>::with_capacity(self.texts.len());
        for value in self.each(read) {
            values.append_option(value?);
        }
        Ok(values.finish())
    }

    fn whole<T: ArrowPrimitiveType>(&self) -> Result<PrimitiveArray<T>, ArrowError>
    where
        T::Native: std::str::FromStr<Err = std::num::ParseIntError>,
    {
        use std::num::IntErrorKind as K;
        self.primitive::<T>(|text| {
            text.trim().parse().map_err(|error: std::num::ParseIntError| match error.kind() {
                K::PosOverflow | K::NegOverflow => out_of_range(text.trim(), self.target),
                _ => not_a(text, self.target),
            })
        })
    }

    fn booleans(&self) -> Result<ArrayRef, ArrowError> {
        let mut values = BooleanBuilder::with_capacity(self.texts.len());
        for value in self.each(|text| boolean(text).ok_or_else(|| not_a(text, self.target))) {
            values.append_option(value?);
        }
        Ok(Arc::new(values.finish()))
    }

    fn bytes(&self) -> Result<ArrayRef, ArrowError> {
        let mut values = BinaryBuilder::new();
        for value in self.each(bytes::read) {
            values.append_option(value?);
        }
        Ok(Arc::new(values.finish()))
    }

    fn lists(&self, item: &FieldRef) -> Result<ArrayRef, ArrowError> {
        let (mut elements, mut lengths, mut valid) = (Vec::<lists::Element>::new(), Vec::new(), Vec::new());
        for list in self.each(|text| lists::read(text).ok_or_else(|| not_a(text, self.target))) {
            let list = list?;
            valid.push(list.is_some());
            lengths.push(list.as_ref().map_or(0, Vec::len));
            elements.extend(list.into_iter().flatten());
        }
        let elements: ArrayRef = Arc::new(StringArray::from(elements));
        let values = match item.data_type() {
            DataType::Utf8 => elements,
            data_type if reads(data_type) => read(&elements, data_type, self.gives_null)?,
            data_type => arrow_cast::cast(&elements, data_type)?,
        };
        let (offsets, nulls) = (OffsetBuffer::from_lengths(lengths), NullBuffer::from(valid));
        Ok(Arc::new(ListArray::try_new(item.clone(), offsets, values, Some(nulls))?))
    }
}

/// Every prefix of the words that tells them apart, as in PostgreSQL.
fn boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "t" | "tr" | "tru" | "true" | "y" | "ye" | "yes" | "on" | "1" => Some(true),
        "f" | "fa" | "fal" | "fals" | "false" | "n" | "no" | "of" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn double(text: &str, target: &DataType) -> Result<f64, ArrowError> {
    let value: f64 = text.trim().parse().map_err(|_| not_a(text, target))?;
    // Rust reads 1e999 as infinity, which only the words for it should give.
    if value.is_infinite() && text.contains(|char: char| char.is_ascii_digit()) {
        return Err(out_of_range(text.trim(), target));
    }
    Ok(value)
}

fn real(text: &str, target: &DataType) -> Result<f32, ArrowError> {
    let value: f32 = text.trim().parse().map_err(|_| not_a(text, target))?;
    if value.is_infinite() && text.contains(|char: char| char.is_ascii_digit()) {
        return Err(out_of_range(text.trim(), target));
    }
    Ok(value)
}

/// The number that `text` writes, rounded half away from zero to `scale` digits after the point.
pub(super) fn decimal(text: &str, precision: u8, scale: i8) -> Result<i128, ArrowError> {
    let target = DataType::Decimal128(precision, scale);
    let (negative, digits, exponent) = parts_of_number(text.trim()).ok_or_else(|| not_a(text, &target))?;
    let refused = || out_of_range(text.trim(), &target);
    // The digits stand for `digits * 10^exponent`; wanted is that in units of 10^-scale.
    let shift = exponent.saturating_add(i64::from(scale));
    let kept = i64::try_from(digits.len()).unwrap_or(i64::MAX).saturating_add(shift.min(0));
    if kept < 0 || digits.is_empty() {
        return Ok(0);
    }
    let (kept, cut) = digits.split_at(usize::try_from(kept).unwrap_or(digits.len()).min(digits.len()));
    if kept.len() as i64 + shift.max(0) > i64::from(MAX_PRECISION) + 1 {
        return Err(refused());
    }
    let mut value: i128 = if kept.is_empty() { 0 } else { kept.parse().map_err(|_| refused())? };
    if shift > 0 {
        value = 10_i128.checked_pow(shift as u32).and_then(|power| value.checked_mul(power)).ok_or_else(refused)?;
    }
    if cut.starts_with(|digit| digit >= '5') {
        value += 1;
    }
    if value >= 10_i128.pow(u32::from(precision)) {
        return Err(refused());
    }
    Ok(if negative { -value } else { value })
}

/// Sign, digits without leading zeros, and the power of ten of the last digit.
fn parts_of_number(text: &str) -> Option<(bool, String, i64)> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], unsigned[at + 1..].parse::<i32>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let exponent = i64::from(exponent) - i64::try_from(fraction.len()).ok()?;
    Some((negative, digits.trim_start_matches('0').to_owned(), exponent))
}

/// A day, perhaps with a time of day, which then does not count.
fn date(text: &str, target: &DataType) -> Result<i32, ArrowError> {
    if let Some(day) = Date32Type::parse(text.trim()) {
        return Ok(day);
    }
    let instant = datetime(text).ok_or_else(|| not_a(text, target))?;
    const EPOCH: NaiveDate = NaiveDate::from_ymd_opt(1970, 1, 1).expect("it is a day");
    Ok(instant.date_naive().num_days_from_ce() - EPOCH.num_days_from_ce())
}

fn time(text: &str, target: &DataType) -> Result<i64, ArrowError> {
    let trimmed = text.trim();
    let read = Time64NanosecondType::parse(trimmed).or_else(|| Time64NanosecondType::parse(&format!("{trimmed}:00")));
    read.ok_or_else(|| not_a(text, target))
}

/// Units since 1970; digits of a second that have no room are rounded.
fn instant(text: &str, unit: TimeUnit, target: &DataType) -> Result<i64, ArrowError> {
    let instant = datetime(text).ok_or_else(|| not_a(text, target))?;
    let nanos = i128::from(instant.timestamp()) * 1_000_000_000 + i128::from(instant.timestamp_subsec_nanos());
    let per_unit = 10_i128.pow(9 - digits(unit));
    let (whole, rest) = (nanos.div_euclid(per_unit), nanos.rem_euclid(per_unit));
    let ticks = if rest >= per_unit - rest { whole + 1 } else { whole };
    i64::try_from(ticks).map_err(|_| out_of_range(text.trim(), target))
}

/// An instant that `text` writes, in UTC where it names no zone.
fn datetime(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    string_to_datetime(&Utc, text).ok().or_else(|| string_to_datetime(&Utc, &with_seconds(text)?).ok())
}

/// `2024-01-01 05:15`, perhaps with a zone, with `:00` behind the minutes; `None` if the text is of another form.
fn with_seconds(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    const MINUTES_END: usize = "2024-01-01 05:15".len();
    let has_minutes = bytes.len() >= MINUTES_END && bytes[13] == b':' && bytes.get(MINUTES_END) != Some(&b':');
    has_minutes.then(|| format!("{}:00{}", &text[..MINUTES_END], &text[MINUTES_END..]))
}

fn interval(text: &str, target: &DataType) -> Result<IntervalMonthDayNano, ArrowError> {
    interval_text::parse(text).map_err(|_| not_a(text, target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_exactly_and_rounded_half_away_from_zero() {
        for (text, precision, scale, wanted) in [
            ("1.005", 10, 2, Some(101)),
            ("-1.005", 10, 2, Some(-101)),
            ("1.0049999", 10, 2, Some(100)),
            ("12345678901234567890123456789012345678", 38, 0, Some(12345678901234567890123456789012345678)),
            ("1e3", 10, 2, Some(100_000)),
            ("15e-1", 10, 0, Some(2)),
            (".5", 10, 0, Some(1)),
            ("0.0000000000000000000000000000000000000000001", 10, 2, Some(0)),
            (" 7 ", 3, 0, Some(7)),
            ("00012", 2, 0, Some(12)),
            ("999.995", 5, 2, None),
            ("1e40", 38, 0, None),
            ("1e999999999", 38, 0, None),
            ("1e-999999999", 38, 0, Some(0)),
            ("", 10, 2, None),
            (".", 10, 2, None),
            ("1.2.3", 10, 2, None),
            ("NaN", 10, 2, None),
            ("0x10", 10, 2, None),
        ] {
            assert_eq!(decimal(text, precision, scale).ok(), wanted, "{text}");
        }
    }

    #[test]
    fn instants_may_lack_seconds_and_are_rounded() {
        for (text, unit, wanted) in [
            ("2024-01-01 05:15", TimeUnit::Second, Some(1_704_086_100)),
            ("2024-01-01T05:15", TimeUnit::Second, Some(1_704_086_100)),
            ("2024-01-01 05:15Z", TimeUnit::Second, Some(1_704_086_100)),
            ("2024-01-01 07:15+02:00", TimeUnit::Second, Some(1_704_086_100)),
            ("2024-01-01", TimeUnit::Second, Some(1_704_067_200)),
            ("2024-01-01 00:00:00.1236", TimeUnit::Millisecond, Some(1_704_067_200_124)),
            ("1969-12-31 23:59:59.9994", TimeUnit::Millisecond, Some(-1)),
            ("9999-12-31", TimeUnit::Microsecond, Some(253_402_214_400_000_000)),
            ("9999-12-31", TimeUnit::Nanosecond, None),
            ("2024-13-01", TimeUnit::Second, None),
            ("today", TimeUnit::Second, None),
        ] {
            assert_eq!(instant(text, unit, &DataType::Timestamp(unit, None)).ok(), wanted, "{text}");
        }
    }

    #[test]
    fn numbers_that_do_not_fit_are_told_from_what_is_no_number() {
        let message = |text: &str, target: DataType| {
            let texts: ArrayRef = Arc::new(StringArray::from(vec![text]));
            read(&texts, &target, false).unwrap_err().to_string()
        };
        for (text, target, wanted) in [
            ("300", DataType::Int8, "300 is out of range of TINYINT"),
            ("1.5", DataType::Int32, "'1.5' is not an INTEGER"),
            ("1e999", DataType::Float64, "1e999 is out of range of DOUBLE"),
            ("maybe", DataType::Boolean, "'maybe' is not a BOOLEAN"),
        ] {
            let got = message(text, target);
            assert!(got.contains(wanted), "{got}");
        }
    }
}
