//! Text and numbers into dates, times and timestamps, rounded as PostgreSQL rounds them.

use std::borrow::Cow;

use arrow_array::timezone::Tz;
use arrow_array::types::Date32Type;
use arrow_cast::parse::{Parser, string_to_datetime, string_to_time_nanoseconds};
use arrow_schema::TimeUnit;
use chrono::{DateTime, TimeZone, Utc};

use super::far_years::parse_far_timestamp;
use super::number::parse_scaled;

/// 2000-01-01 in seconds from 1970.
const EPOCH_2000: i64 = 946_684_800;
const SECOND_NS: i64 = 1_000_000_000;
/// Seconds of a day.
const DAY: i64 = 24 * 3600;
/// Digits of a second that Arrow's parser reads.
const FRACTION_DIGITS_MAX: usize = 9;

/// Why there is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Misfit {
    /// The text has another form, or says a day or an hour that there is not.
    Form,
    /// The time lies outside what the type holds.
    Range,
}

/// A timestamp such as `2013-01-01 05:15:00.25`, `2013-01-01T05:15Z` or `2013-01-01`, counted in `unit` from 1970 UTC.
/// A text without offset is taken in `zone`, or in UTC.
pub(super) fn parse_timestamp(text: &str, unit: TimeUnit, zone: Option<Tz>) -> Result<i64, Misfit> {
    let text = text.trim();
    parse_far_timestamp(text, unit, zone).unwrap_or_else(|| {
        let (seconds, nanos) = instant(text, zone)?;
        rounded(seconds, nanos, unit)
    })
}

/// The seconds from 1970 and the nanoseconds after them of a timestamp with a year of four digits; a leap second counts as the first one of
/// the next minute.
pub(super) fn instant(text: &str, zone: Option<Tz>) -> Result<(i64, u32), Misfit> {
    let text = with_seconds(text);
    let (text, up) = short_fraction(&text, 19);
    match zone {
        None => string_to_datetime(&Utc, &text).map(|time| parts(&time, up)),
        Some(zone) => string_to_datetime(&zone, &text).map(|time| parts(&time, up)),
    }
    .map_err(|_| Misfit::Form)
}

fn parts<Z: TimeZone>(time: &DateTime<Z>, up: u32) -> (i64, u32) {
    (time.timestamp(), time.timestamp_subsec_nanos() + up)
}

/// `2013-01-01 05:15` means `2013-01-01 05:15:00`, with or without an offset behind it.
fn with_seconds(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let minutes = bytes.len() >= 16 && bytes[13] == b':' && bytes[14].is_ascii_digit() && bytes[15].is_ascii_digit();
    let short = minutes && matches!(bytes.get(16), None | Some(b'Z' | b'z' | b'+' | b'-' | b' '));
    if short { Cow::Owned(format!("{}:00{}", &text[..16], &text[16..])) } else { Cow::Borrowed(text) }
}

/// The text without digits of the second beyond nanoseconds, and the nanosecond that they round up to. The fraction's point stands at `at`.
fn short_fraction(text: &str, at: usize) -> (Cow<'_, str>, u32) {
    let bytes = text.as_bytes();
    if bytes.len() <= at + FRACTION_DIGITS_MAX || bytes[at] != b'.' {
        return (Cow::Borrowed(text), 0);
    }
    let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits <= FRACTION_DIGITS_MAX {
        return (Cow::Borrowed(text), 0);
    }
    let kept = at + 1 + FRACTION_DIGITS_MAX;
    let up = u32::from(bytes[kept] >= b'5');
    (Cow::Owned(format!("{}{}", &text[..kept], &text[at + 1 + digits..])), up)
}

/// Seconds and nanoseconds from 1970 in `unit`. PostgreSQL rounds halves away from 2000-01-01.
pub(super) fn rounded(seconds: i64, nanos: u32, unit: TimeUnit) -> Result<i64, Misfit> {
    let of_unit = SECOND_NS / per_second(unit);
    let nanos = i64::from(nanos);
    let (units, rest) = (nanos / of_unit, nanos % of_unit);
    let half_up = if seconds >= EPOCH_2000 { 0 } else { 1 };
    let up = i64::from(rest > 0 && rest * 2 >= of_unit + half_up);
    // Counted from the second nearer to 1970, since the first one that a type holds may lie within a second that it does not.
    let (whole, part) = if seconds < 0 { (seconds + 1, units + up - per_second(unit)) } else { (seconds, units + up) };
    whole.checked_mul(per_second(unit)).and_then(|value| value.checked_add(part)).ok_or(Misfit::Range)
}

fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => SECOND_NS,
    }
}

/// A number of `from` units since 1970, counted in `to` units.
pub(super) fn parse_epoch(number: &str, from: TimeUnit, to: TimeUnit) -> Result<i64, Misfit> {
    let number = number.trim();
    if let Ok(value) = number.parse::<i64>() {
        let of_second = value.rem_euclid(per_second(from)) * (SECOND_NS / per_second(from));
        return rounded(value.div_euclid(per_second(from)), of_second as u32, to);
    }
    let scale = match from {
        TimeUnit::Second => 9,
        TimeUnit::Millisecond => 6,
        TimeUnit::Microsecond => 3,
        TimeUnit::Nanosecond => 0,
    };
    if let Some(nanos) = parse_scaled(number, scale) {
        let second = i128::from(SECOND_NS);
        let seconds = i64::try_from(nanos.div_euclid(second)).map_err(|_| Misfit::Range)?;
        return rounded(seconds, nanos.rem_euclid(second) as u32, to);
    }
    Err(if number.parse::<f64>().is_ok_and(f64::is_finite) { Misfit::Range } else { Misfit::Form })
}

/// A time of day such as `05:15`, `05:15:00.25` or `5:15 PM`, counted in `unit` from midnight.
pub(super) fn parse_time(text: &str, unit: TimeUnit) -> Result<i64, Misfit> {
    let text = text.trim();
    let point = text.bytes().position(|byte| byte == b'.').unwrap_or(text.len());
    let (text, up) = short_fraction(text, point);
    let nanos = string_to_time_nanoseconds(&text).map_err(|_| Misfit::Form)?;
    let seconds = EPOCH_2000 + nanos / SECOND_NS;
    let value = rounded(seconds, (nanos % SECOND_NS) as u32 + up, unit)? - EPOCH_2000 * per_second(unit);
    if value < DAY * per_second(unit) { Ok(value) } else { Err(Misfit::Range) }
}

/// A date such as `2013-01-31`, in days from 1970. Of a timestamp it is the date that is written, whatever offset follows.
pub(super) fn parse_date(text: &str) -> Option<i32> {
    let text = text.trim();
    match text.as_bytes() {
        [b'+' | b'-', ..] => Date32Type::parse(text),
        bytes if bytes.len() > 10 => {
            parse_timestamp(text, TimeUnit::Second, None).ok()?;
            Date32Type::parse(text.get(..10)?)
        }
        _ => Date32Type::parse(text),
    }
}

/// Whether a text is a date and nothing more, as it is written back.
pub(super) fn is_plain_date(text: &str) -> bool {
    let text = text.trim();
    text.len() == 10 && parse_date(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_read_in_the_usual_forms() {
        let cases = [
            ("2013-01-01 05:15:00", Some(1_357_017_300_000)),
            ("2013-01-01T05:15:00Z", Some(1_357_017_300_000)),
            ("2013-01-01 05:15", Some(1_357_017_300_000)),
            ("2013-01-01T05:15Z", Some(1_357_017_300_000)),
            ("2013-01-01 06:15+01:00", Some(1_357_017_300_000)),
            ("2013-01-01 06:15 +01", Some(1_357_017_300_000)),
            ("2013-01-01T05:15:00.250+00:00", Some(1_357_017_300_250)),
            ("2013-01-01 06:15:00+01:00", Some(1_357_017_300_000)),
            ("2013-01-01", Some(1_356_998_400_000)),
            ("2013-01-01 05:14:60", Some(1_357_017_300_000)),
            ("2013-13-01 05:15:00", None),
            ("2013-01-01 25:00:00", None),
            ("2013-01-01 05:1", None),
            ("2013-01-01 05:15:", None),
            ("01/02/2013", None),
            ("1357017300", None),
            ("", None),
        ];
        for (text, millis) in cases {
            assert_eq!(parse_timestamp(text, TimeUnit::Millisecond, None).ok(), millis, "{text}");
        }
    }

    #[test]
    fn a_time_beyond_the_type_is_out_of_range_and_not_another_form() {
        let check = |text, unit| parse_timestamp(text, unit, None);
        assert_eq!(check("9999-12-31", TimeUnit::Nanosecond), Err(Misfit::Range));
        assert_eq!(check("0001-01-01 00:00:00", TimeUnit::Nanosecond), Err(Misfit::Range));
        assert_eq!(check("9999-12-31", TimeUnit::Microsecond), Ok(253_402_214_400_000_000));
        assert_eq!(check("1677-09-21 00:12:43.145224192", TimeUnit::Nanosecond), Ok(i64::MIN));
        assert_eq!(check("1677-09-21 00:12:43.145224191", TimeUnit::Nanosecond), Err(Misfit::Range));
        assert_eq!(check("2262-04-11 23:47:16.854775807", TimeUnit::Nanosecond), Ok(i64::MAX));
        assert_eq!(check("2262-04-11 23:47:16.854775808", TimeUnit::Nanosecond), Err(Misfit::Range));
        assert_eq!(check("9999-99-31", TimeUnit::Nanosecond), Err(Misfit::Form));
        assert_eq!(parse_epoch("1e30", TimeUnit::Second, TimeUnit::Nanosecond), Err(Misfit::Range));
        assert_eq!(
            parse_epoch("9999999999999999999999999999999999999999", TimeUnit::Second, TimeUnit::Second),
            Err(Misfit::Range)
        );
        assert_eq!(parse_epoch("x", TimeUnit::Second, TimeUnit::Second), Err(Misfit::Form));
    }

    #[test]
    fn surplus_digits_of_a_second_are_rounded_and_never_cut() {
        let cases = [
            ("2024-01-01 00:00:00.9996", TimeUnit::Millisecond, "2024-01-01 00:00:01"),
            ("2024-01-01 00:00:00.0005", TimeUnit::Millisecond, "2024-01-01 00:00:00.001"),
            ("2024-12-31 23:59:59.5", TimeUnit::Second, "2025-01-01 00:00:00"),
            ("1999-12-31 23:59:59.0005", TimeUnit::Millisecond, "1999-12-31 23:59:59"),
            ("1999-12-31 23:59:59.0006", TimeUnit::Millisecond, "1999-12-31 23:59:59.001"),
            ("2024-01-01 00:00:00.1234567", TimeUnit::Microsecond, "2024-01-01 00:00:00.123457"),
            ("2024-01-01 00:00:00.1234567894", TimeUnit::Nanosecond, "2024-01-01 00:00:00.123456789"),
            ("2024-01-01 00:00:00.1234567895Z", TimeUnit::Nanosecond, "2024-01-01 00:00:00.123456790Z"),
            ("2024-01-01T00:00:00.99999999999999999+01:00", TimeUnit::Nanosecond, "2023-12-31 23:00:01"),
        ];
        for (text, unit, same) in cases {
            assert_eq!(parse_timestamp(text, unit, None), parse_timestamp(same, unit, None), "{text}");
        }
        assert_eq!(parse_epoch("1.5006", TimeUnit::Second, TimeUnit::Millisecond), Ok(1501));
        assert_eq!(parse_epoch("1357017300500", TimeUnit::Millisecond, TimeUnit::Second), Ok(1_357_017_301));
    }

    #[test]
    fn times_of_day_round_within_their_day() {
        let cases = [
            ("05:15", TimeUnit::Second, Ok(18_900)),
            ("5:15 PM", TimeUnit::Second, Ok(62_100)),
            ("05:15:00.9996", TimeUnit::Millisecond, Ok(18_901_000)),
            ("05:15:00.1234567895", TimeUnit::Nanosecond, Ok(18_900_123_456_790)),
            ("00:00:00.0000005", TimeUnit::Microsecond, Ok(1)),
            ("23:59:59.9999", TimeUnit::Millisecond, Err(Misfit::Range)),
            ("25:00:00", TimeUnit::Second, Err(Misfit::Form)),
            ("05", TimeUnit::Second, Err(Misfit::Form)),
        ];
        for (text, unit, value) in cases {
            assert_eq!(parse_time(text, unit), value, "{text}");
        }
    }

    #[test]
    fn a_date_is_the_one_that_is_written() {
        let cases = [
            ("2013-01-31", Some(15_736)),
            ("2013-01-31 10:00:00", Some(15_736)),
            ("2013-01-31 23:30:00-05:00", Some(15_736)),
            ("2013-01-31 99:00:00", None),
            ("2013-02-31", None),
            ("31.01.2013", None),
        ];
        for (text, days) in cases {
            assert_eq!(parse_date(text), days, "{text}");
        }
        assert!(is_plain_date(" 2013-01-31 ") && !is_plain_date("2013-01-31 00:00:00"));
    }

    #[test]
    fn a_text_without_offset_is_taken_in_the_columns_zone() {
        let zone = "+02:00".parse().unwrap();
        assert_eq!(parse_timestamp("1970-01-01 02:00:00", TimeUnit::Second, Some(zone)), Ok(0));
    }
}
