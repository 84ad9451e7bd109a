//! Text into timestamps of years before 0 and after 9999, which ISO 8601 writes with a sign: `+10000-01-01 00:00:00`.

use arrow_array::timezone::Tz;
use arrow_schema::TimeUnit;
use chrono::NaiveDate;

use super::temporal::{Misfit, instant, rounded};

/// Days of 400 years: after them the calendar is the same again.
const ERA_DAYS: i64 = 146_097;
const DAY_SECONDS: i128 = 86_400;

/// The timestamp in `unit`s from 1970; `None` if `text` does not begin with such a year. A text without offset is taken in
/// `zone`, or in UTC.
pub(super) fn parse_far_timestamp(text: &str, unit: TimeUnit, zone: Option<Tz>) -> Option<Result<i64, Misfit>> {
    // After four digits a year of our own has its hyphen: that is seen first, since nearly all are such years.
    match text.as_bytes() {
        [b'+' | b'-', ..] => {}
        [_, _, _, _, b'0'..=b'9', ..] => {}
        _ => return None,
    }
    let (date, time) = text.split_at(text.find(['T', 't', ' ']).unwrap_or(text.len()));
    let days = days_of(date)?;
    // The clock and the offset are those of any other day.
    let moment = instant(&format!("1970-01-01{time}"), zone);
    Some(moment.and_then(|(seconds, nanos)| {
        let seconds = i64::try_from(i128::from(days) * DAY_SECONDS + i128::from(seconds)).map_err(|_| Misfit::Range)?;
        rounded(seconds, nanos, unit)
    }))
}

/// Days from 1970 to a date such as `+10000-01-31`.
fn days_of(date: &str) -> Option<i64> {
    let (negative, unsigned) = match date.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, date.strip_prefix('+').unwrap_or(date)),
    };
    let mut parts = unsigned.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = |text: &str, least: usize| text.len() >= least && text.bytes().all(|byte| byte.is_ascii_digit());
    if parts.next().is_some() || !digits(year, 4) || !digits(month, 2) || !digits(day, 2) {
        return None;
    }
    let year: i64 = year.parse().ok()?;
    let year = if negative { -year } else { year };
    let in_era = NaiveDate::from_ymd_opt(year.rem_euclid(400) as i32, month.parse().ok()?, day.parse().ok()?)?;
    let from_1970 = in_era.signed_duration_since(NaiveDate::default()).num_days();
    year.div_euclid(400).checked_mul(ERA_DAYS)?.checked_add(from_1970)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_years_are_read_over_the_whole_range() {
        let cases = [
            ("+10000-01-01 00:00:00", TimeUnit::Second, Some(Ok(253_402_300_800))),
            ("10000-01-01", TimeUnit::Second, Some(Ok(253_402_300_800))),
            ("-0001-12-31T23:59:59.999999", TimeUnit::Microsecond, Some(Ok(-62_167_219_200_000_001))),
            ("+10000-01-01 00:00:00.9996", TimeUnit::Millisecond, Some(Ok(253_402_300_801_000))),
            ("+2000-01-01 00:00:00Z", TimeUnit::Millisecond, Some(Ok(946_684_800_000))),
            ("+10000-01-01 01:00:00+01:00", TimeUnit::Second, Some(Ok(253_402_300_800))),
            ("+10000-01-01 01:00+01:00", TimeUnit::Second, Some(Ok(253_402_300_800))),
            ("+292277026596-12-04T15:30:07", TimeUnit::Second, Some(Ok(i64::MAX))),
            ("-292277022657-01-27T08:29:52", TimeUnit::Second, Some(Ok(i64::MIN))),
            ("+292277026596-12-04T15:30:08", TimeUnit::Second, Some(Err(Misfit::Range))),
            ("+10000-01-01", TimeUnit::Nanosecond, Some(Err(Misfit::Range))),
            ("+10000-02-30 00:00:00", TimeUnit::Second, None),
            ("+10000-01-01 25:00:00", TimeUnit::Second, Some(Err(Misfit::Form))),
            ("+10000-01-01-01", TimeUnit::Second, None),
            ("10000", TimeUnit::Second, None),
            ("2000-01-01", TimeUnit::Second, None),
            ("+", TimeUnit::Second, None),
            ("", TimeUnit::Second, None),
        ];
        for (text, unit, value) in cases {
            assert_eq!(parse_far_timestamp(text, unit, None), value, "{text}");
        }
    }

    #[test]
    fn a_text_without_offset_is_taken_in_the_columns_zone() {
        let zone = "+02:00".parse().unwrap();
        assert_eq!(parse_far_timestamp("+10000-01-01 02:00:00", TimeUnit::Second, Some(zone)), Some(Ok(253_402_300_800)));
    }
}
