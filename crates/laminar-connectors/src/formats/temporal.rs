//! Text into dates, times and timestamps.

use std::borrow::Cow;

use arrow_array::timezone::Tz;
use arrow_cast::parse::string_to_datetime;
use arrow_schema::TimeUnit;
use chrono::{DateTime, TimeZone, Utc};

use super::far_years::parse_far_timestamp;

/// A timestamp such as `2013-01-01 05:15:00.25`, `2013-01-01T05:15:00Z` or `2013-01-01`, counted in `unit` from 1970 UTC.
/// A text without offset is taken in `zone`, or in UTC. `None` if it is no timestamp or does not fit.
pub(super) fn parse_timestamp(text: &str, unit: TimeUnit, zone: Option<Tz>) -> Option<i64> {
    if let Some(value) = parse_far_timestamp(text.trim(), unit, zone) {
        return Some(value);
    }
    let text = with_seconds(text.trim());
    match zone {
        None => in_unit(&string_to_datetime(&Utc, &text).ok()?, unit),
        Some(zone) => in_unit(&string_to_datetime(&zone, &text).ok()?, unit),
    }
}

/// `2013-01-01 05:15` means `2013-01-01 05:15:00`.
fn with_seconds(text: &str) -> Cow<'_, str> {
    let short = text.len() == 16 && text.as_bytes()[13] == b':';
    if short { Cow::Owned(format!("{text}:00")) } else { Cow::Borrowed(text) }
}

fn in_unit<Z: TimeZone>(time: &DateTime<Z>, unit: TimeUnit) -> Option<i64> {
    match unit {
        TimeUnit::Second => Some(time.timestamp()),
        TimeUnit::Millisecond => Some(time.timestamp_millis()),
        TimeUnit::Microsecond => Some(time.timestamp_micros()),
        TimeUnit::Nanosecond => time.timestamp_nanos_opt(),
    }
}

/// A number of `from` units as a number of `to` units; `None` if it does not fit. A finer rest is cut off.
pub(super) fn convert_epoch(value: i64, from: TimeUnit, to: TimeUnit) -> Option<i64> {
    let (from, to) = (per_second(from), per_second(to));
    if to >= from { value.checked_mul(to / from) } else { Some(value.div_euclid(from / to)) }
}

fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
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
            ("2013-01-01T05:15:00.250+00:00", Some(1_357_017_300_250)),
            ("2013-01-01 06:15:00+01:00", Some(1_357_017_300_000)),
            ("2013-01-01", Some(1_356_998_400_000)),
            ("2013-13-01 05:15:00", None),
            ("2013-01-01 25:00:00", None),
            ("01/02/2013", None),
            ("1357017300", None),
            ("", None),
        ];
        for (text, millis) in cases {
            assert_eq!(parse_timestamp(text, TimeUnit::Millisecond, None), millis, "{text}");
        }
        assert_eq!(parse_timestamp("9999-01-01 00:00:00", TimeUnit::Nanosecond, None), None);
    }

    #[test]
    fn a_text_without_offset_is_taken_in_the_columns_zone() {
        let zone = "+02:00".parse().unwrap();
        assert_eq!(parse_timestamp("1970-01-01 02:00:00", TimeUnit::Second, Some(zone)), Some(0));
    }
}
