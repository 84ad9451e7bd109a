//! Between nanoseconds since 1970 and the fields of calendar and clock.

use chrono::{DateTime, Datelike, NaiveDate, Timelike};
use laminar_core::Result;

use crate::functions::columns::{Date, out_of_range};

/// Nanoseconds of a second.
pub(crate) const SECOND: i64 = 1_000_000_000;
/// Nanoseconds of an hour.
pub(crate) const HOUR: i64 = 3600 * SECOND;
/// Nanoseconds of a day.
pub(crate) const DAY: i64 = 24 * HOUR;
/// Days between year 1 and 1970.
const EPOCH: i32 = 719_163;

/// A point in time on calendar and clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts {
    pub(crate) date: NaiveDate,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    /// The fraction of the second.
    pub(crate) nanos: i64,
}

/// The fields of `nanos` since 1970.
pub(crate) fn parts(nanos: i64) -> Parts {
    let time = DateTime::from_timestamp_nanos(nanos).naive_utc();
    Parts {
        date: time.date(),
        hour: time.hour().into(),
        minute: time.minute().into(),
        second: time.second().into(),
        nanos: time.nanosecond().into(),
    }
}

/// The day that is `days` after 1970-01-01.
pub(crate) fn date(days: i32) -> Result<NaiveDate> {
    let date = days.checked_add(EPOCH).and_then(NaiveDate::from_num_days_from_ce_opt);
    date.ok_or_else(|| out_of_range("the date is"))
}

/// Days since 1970.
pub(crate) fn days_of(date: NaiveDate) -> i32 {
    date.num_days_from_ce() - EPOCH
}

pub(crate) fn date_of(date: NaiveDate) -> Result<Date> {
    Ok(Date(days_of(date)))
}

/// Nanoseconds since 1970 of a day and what has passed of it.
pub(crate) fn nanos_of(date: NaiveDate, nanos_of_day: i64) -> Result<i64> {
    let nanos = i128::from(days_of(date)) * i128::from(DAY) + i128::from(nanos_of_day);
    i64::try_from(nanos).map_err(|_| out_of_range("the timestamp is"))
}

/// The midnight with which a date begins.
pub(crate) fn midnight(days: i32) -> Result<i64> {
    i64::from(days).checked_mul(DAY).ok_or_else(|| out_of_range("the timestamp is"))
}
