//! Dates, times and timestamps as text, over the whole range of their types.
//!
//! Years before 0 and after 9999 have a sign, as ISO 8601 wants it: `+10000-01-01`.

use arrow_array::cast::AsArray;
use arrow_array::timezone::Tz;
use arrow_array::types::*;
use arrow_array::{Array, ArrowPrimitiveType, PrimitiveArray};
use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, Offset, TimeZone};
use laminar_core::Result;

const DAY_SECONDS: i64 = 86_400;
const SECOND_NANOS: i64 = 1_000_000_000;

/// What stands between date and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Separator {
    /// As people read it.
    Blank,
    /// As JSON's readers expect it.
    T,
}

/// A column of dates, times or timestamps.
pub(super) struct Temporal<'a> {
    values: Values<'a>,
    separator: Separator,
}

enum Values<'a> {
    Days(&'a [i32]),
    /// Counted from 1970, of a day that carries no time.
    Date(&'a [i64]),
    TimeOfDay32(&'a [i32], TimeUnit),
    TimeOfDay64(&'a [i64], TimeUnit),
    Timestamp(&'a [i64], TimeUnit, Option<Tz>),
}

impl<'a> Temporal<'a> {
    /// `array` as such a column, if its type is one of these.
    pub(super) fn of(array: &'a dyn Array, separator: Separator) -> Result<Option<Self>> {
        let values = match array.data_type() {
            DataType::Date32 => Values::Days(values::<Date32Type>(array)),
            DataType::Date64 => Values::Date(values::<Date64Type>(array)),
            DataType::Time32(TimeUnit::Second) => Values::TimeOfDay32(values::<Time32SecondType>(array), TimeUnit::Second),
            DataType::Time32(unit) => Values::TimeOfDay32(values::<Time32MillisecondType>(array), *unit),
            DataType::Time64(TimeUnit::Microsecond) => {
                Values::TimeOfDay64(values::<Time64MicrosecondType>(array), TimeUnit::Microsecond)
            }
            DataType::Time64(unit) => Values::TimeOfDay64(values::<Time64NanosecondType>(array), *unit),
            DataType::Timestamp(unit, zone) => {
                let zone = zone.as_ref().map(|zone| zone.parse()).transpose()?;
                Values::Timestamp(ticks(array, *unit), *unit, zone)
            }
            _ => return Ok(None),
        };
        Ok(Some(Self { values, separator }))
    }

    /// Appends the text of the value in `row`.
    pub(super) fn write(&self, row: usize, out: &mut Vec<u8>) {
        match &self.values {
            Values::Days(days) => write_date(i64::from(days[row]), out),
            Values::Date(millis) => write_date(millis[row].div_euclid(DAY_SECONDS * 1000), out),
            Values::TimeOfDay32(values, unit) => write_time(i64::from(values[row]) * nanos_per(*unit), out),
            Values::TimeOfDay64(values, unit) => write_time(values[row].saturating_mul(nanos_per(*unit)), out),
            Values::Timestamp(values, unit, zone) => self.write_timestamp(values[row], *unit, *zone, out),
        }
    }

    fn write_timestamp(&self, value: i64, unit: TimeUnit, zone: Option<Tz>, out: &mut Vec<u8>) {
        let per_second = SECOND_NANOS / nanos_per(unit);
        let (seconds, nanos) = (value.div_euclid(per_second), value.rem_euclid(per_second) * nanos_per(unit));
        let offset = zone.map(|zone| offset_at(seconds, zone));
        // What no offset can be added to is beyond every calendar, so it has none.
        let local = seconds.saturating_add(offset.unwrap_or(0));
        write_date(local.div_euclid(DAY_SECONDS), out);
        out.push(if self.separator == Separator::T { b'T' } else { b' ' });
        write_clock(local.rem_euclid(DAY_SECONDS), nanos, out);
        if let Some(offset) = offset {
            write_offset(offset, out);
        }
    }
}

fn values<T: ArrowPrimitiveType>(array: &dyn Array) -> &[T::Native] {
    let array: &PrimitiveArray<T> = array.as_primitive();
    array.values()
}

fn ticks(array: &dyn Array, unit: TimeUnit) -> &[i64] {
    match unit {
        TimeUnit::Second => values::<TimestampSecondType>(array),
        TimeUnit::Millisecond => values::<TimestampMillisecondType>(array),
        TimeUnit::Microsecond => values::<TimestampMicrosecondType>(array),
        TimeUnit::Nanosecond => values::<TimestampNanosecondType>(array),
    }
}

const fn nanos_per(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => SECOND_NANOS,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

/// Seconds that clocks of `zone` are ahead of UTC at a moment. Where they were not whole minutes ahead (before there were
/// zones), or no calendar reaches, the moment is told in UTC: it stays the same moment, and everybody can read it.
fn offset_at(seconds: i64, zone: Tz) -> i64 {
    let offset = DateTime::from_timestamp(seconds, 0)
        .map_or(0, |moment| zone.offset_from_utc_datetime(&moment.naive_utc()).fix().local_minus_utc());
    if offset % 60 == 0 { i64::from(offset) } else { 0 }
}

/// The date that is so many days after 1970-01-01, in the Gregorian calendar.
fn write_date(days: i64, out: &mut Vec<u8>) {
    // Eras of 400 years are alike; the year begins in March here, so that a leap day is its last.
    let shifted = i128::from(days) + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097) as i64);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = (era * 400) as i64 + year_of_era + i64::from(month <= 2);
    write_year(year, out);
    out.push(b'-');
    write_two(month, out);
    out.push(b'-');
    write_two(day, out);
}

fn write_year(year: i64, out: &mut Vec<u8>) {
    if (0..=9999).contains(&year) {
        write_two(year / 100, out);
        return write_two(year % 100, out);
    }
    out.push(if year < 0 { b'-' } else { b'+' });
    out.extend_from_slice(format!("{:04}", year.unsigned_abs()).as_bytes());
}

/// A time of day; `24:00:00` is one too.
fn write_time(nanos: i64, out: &mut Vec<u8>) {
    if nanos < 0 {
        out.push(b'-');
    }
    let nanos = nanos.saturating_abs();
    write_clock(nanos / SECOND_NANOS, nanos % SECOND_NANOS, out);
}

fn write_clock(seconds: i64, nanos: i64, out: &mut Vec<u8>) {
    write_two(seconds / 3_600, out);
    out.push(b':');
    write_two(seconds / 60 % 60, out);
    out.push(b':');
    write_two(seconds % 60, out);
    match nanos {
        0 => {}
        _ if nanos % 1_000_000 == 0 => write_fraction(nanos / 1_000_000, 3, out),
        _ if nanos % 1_000 == 0 => write_fraction(nanos / 1_000, 6, out),
        _ => write_fraction(nanos, 9, out),
    }
}

fn write_fraction(mut value: i64, digits: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.push(b'.');
    out.resize(start + 1 + digits, b'0');
    for digit in out[start + 1..].iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

fn write_offset(seconds: i64, out: &mut Vec<u8>) {
    out.push(if seconds < 0 { b'-' } else { b'+' });
    let minutes = seconds.abs() / 60;
    write_two(minutes / 60, out);
    out.push(b':');
    write_two(minutes % 60, out);
}

/// At least two digits.
fn write_two(value: i64, out: &mut Vec<u8>) {
    if (0..100).contains(&value) {
        out.extend_from_slice(&[b'0' + (value / 10) as u8, b'0' + (value % 10) as u8]);
    } else {
        out.extend_from_slice(value.to_string().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Date32Array, Int64Array, Time64NanosecondArray};
    use arrow_cast::cast;

    use super::*;

    fn check(array: &ArrayRef, separator: Separator, texts: &[&str]) {
        let temporal = Temporal::of(array, separator).unwrap().unwrap();
        let text = |row| {
            let mut out = Vec::new();
            temporal.write(row, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!((0..array.len()).map(text).collect::<Vec<_>>(), texts);
    }

    fn timestamps(values: &[i64], unit: TimeUnit, zone: Option<&str>) -> ArrayRef {
        let values: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
        cast(&values, &DataType::Timestamp(unit, zone.map(Arc::from))).unwrap()
    }

    #[test]
    fn dates_have_a_text_over_their_whole_range() {
        let days = Date32Array::from(vec![0, -1, 11_016, 2_932_896, 2_932_897, -719_528, -719_529, i32::MIN, i32::MAX]);
        let texts = [
            "1970-01-01",
            "1969-12-31",
            "2000-02-29",
            "9999-12-31",
            "+10000-01-01",
            "0000-01-01",
            "-0001-12-31",
            "-5877641-06-23",
            "+5881580-07-11",
        ];
        check(&(Arc::new(days) as ArrayRef), Separator::Blank, &texts);
    }

    #[test]
    fn timestamps_have_no_more_digits_than_they_need() {
        let nanos = [0, 1, 1_000, 250_000_000, -1, i64::MIN];
        let texts = [
            "1970-01-01 00:00:00",
            "1970-01-01 00:00:00.000000001",
            "1970-01-01 00:00:00.000001",
            "1970-01-01 00:00:00.250",
            "1969-12-31 23:59:59.999999999",
            "1677-09-21 00:12:43.145224192",
        ];
        check(&timestamps(&nanos, TimeUnit::Nanosecond, None), Separator::Blank, &texts);
        let seconds = [253_402_300_800, i64::MAX, i64::MIN];
        let texts = ["+10000-01-01T00:00:00", "+292277026596-12-04T15:30:07", "-292277022657-01-27T08:29:52"];
        check(&timestamps(&seconds, TimeUnit::Second, None), Separator::T, &texts);
    }

    #[test]
    fn a_zone_shows_its_offset() {
        let seconds = [0, 1_700_000_000, i64::MAX];
        let texts = ["1970-01-01 01:00:00+01:00", "2023-11-14 23:13:20+01:00", "+292277026596-12-04 15:30:07+00:00"];
        check(&timestamps(&seconds, TimeUnit::Second, Some("+01:00")), Separator::Blank, &texts);
        check(&timestamps(&[0], TimeUnit::Millisecond, Some("-03:30")), Separator::T, &["1969-12-31T20:30:00-03:30"]);
    }

    #[test]
    fn a_day_ends_at_24_hours() {
        let times = Time64NanosecondArray::from(vec![0, 86_399_999_999_999, 86_400_000_000_000]);
        check(&(Arc::new(times) as ArrayRef), Separator::Blank, &["00:00:00", "23:59:59.999999999", "24:00:00"]);
    }
}
