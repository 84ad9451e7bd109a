//! `age` and `justify_*`: intervals in years, months and days.

use chrono::{Datelike, NaiveDate};
use laminar_core::Result;

use super::clock::{self, DAY, HOUR, SECOND};
use super::interval_text;
use super::make::fitted;
use crate::functions::columns::{Answer, Call, Instant, Interval, Stamp, Time};
use crate::functions::kinds::Kind;
use crate::functions::kinds::Kind::{Text, Timestamp, Timestamptz};
use crate::functions::routine::{Routine, routine};

/// The functions of this family.
pub(super) fn routines() -> Vec<Routine> {
    vec![
        routine("age")
            .takes([Timestamp, Timestamp], Kind::Interval, |call: &Call<'_>| {
                call.map2(|Stamp(until), Stamp(since)| age(until, since).map(Some))
            })
            .takes([Timestamptz, Timestamptz], Kind::Interval, |call: &Call<'_>| {
                call.map2(|Instant(until), Instant(since)| age(until, since).map(Some))
            }),
        routine("justify_hours").takes([Kind::Interval], Kind::Interval, |call: &Call<'_>| call.map1(justify_hours)),
        routine("justify_days").takes([Kind::Interval], Kind::Interval, |call: &Call<'_>| call.map1(justify_days)),
        routine("justify_interval").takes([Kind::Interval], Kind::Interval, |call: &Call<'_>| call.map1(justify_interval)),
        // What CAST(x AS INTERVAL) is turned into.
        routine(TO_INTERVAL)
            .takes([Text], Kind::Interval, |call: &Call<'_>| call.map1(|text: &str| interval_text::parse(text).map(Some)))
            .takes([Kind::Interval], Kind::Interval, |call: &Call<'_>| call.map1(|interval: Interval| Ok(Some(interval))))
            .takes([Kind::Time], Kind::Interval, |call: &Call<'_>| call.map1(|Time(nanos)| Ok(Some(Interval::new(0, 0, nanos))))),
    ]
}

/// The function as which a cast to INTERVAL is kept.
pub(crate) const TO_INTERVAL: &str = "__to_interval";

/// Years, months, days and time between two points, counted on the calendar.
fn age(until: i64, since: i64) -> Result<Interval> {
    let is_negative = until < since;
    let (late, early) = if is_negative { (since, until) } else { (until, since) };
    let (a, b) = (clock::parts(late), clock::parts(early));
    let mut months = i64::from(a.date.year() - b.date.year()) * 12 + i64::from(a.date.month()) - i64::from(b.date.month());
    let mut days = i64::from(a.date.day()) - i64::from(b.date.day());
    let of_day = |parts: clock::Parts| ((parts.hour * 60 + parts.minute) * 60 + parts.second) * SECOND + parts.nanos;
    let mut nanos = of_day(a) - of_day(b);
    if nanos < 0 {
        nanos += DAY;
        days -= 1;
    }
    while days < 0 {
        // Borrowed days are those of the month of the earlier point, as in PostgreSQL.
        days += days_in_month(b.date);
        months -= 1;
    }
    let sign = if is_negative { -1 } else { 1 };
    fitted(i128::from(months * sign), i128::from(days * sign), i128::from(nanos * sign))
}

fn days_in_month(date: NaiveDate) -> i64 {
    let (year, month) = if date.month() == 12 { (date.year() + 1, 1) } else { (date.year(), date.month() + 1) };
    let first = date.with_day(1);
    match (first, NaiveDate::from_ymd_opt(year, month, 1)) {
        (Some(first), Some(next)) => (next - first).num_days(),
        _ => 31,
    }
}

/// Days of a month of an interval.
const MONTH: i128 = 30;

fn justify_hours(interval: Interval) -> Answer<Interval> {
    let (mut days, mut nanos) = (i128::from(interval.days), i128::from(interval.nanoseconds));
    let day = i128::from(24 * HOUR);
    days += nanos / day;
    nanos %= day;
    align(&mut days, &mut nanos, day);
    fitted(interval.months.into(), days, nanos).map(Some)
}

fn justify_days(interval: Interval) -> Answer<Interval> {
    let (mut months, mut days) = (i128::from(interval.months), i128::from(interval.days));
    months += days / MONTH;
    days %= MONTH;
    align(&mut months, &mut days, MONTH);
    fitted(months, days, interval.nanoseconds.into()).map(Some)
}

fn justify_interval(interval: Interval) -> Answer<Interval> {
    let day = i128::from(24 * HOUR);
    let (mut months, mut days) = (i128::from(interval.months), i128::from(interval.days));
    let mut nanos = i128::from(interval.nanoseconds);
    days += nanos / day;
    nanos %= day;
    months += days / MONTH;
    days %= MONTH;
    if months > 0 && (days < 0 || (days == 0 && nanos < 0)) {
        (months, days) = (months - 1, days + MONTH);
    } else if months < 0 && (days > 0 || (days == 0 && nanos > 0)) {
        (months, days) = (months + 1, days - MONTH);
    }
    align(&mut days, &mut nanos, day);
    fitted(months, days, nanos).map(Some)
}

/// Gives both the same sign.
fn align(large: &mut i128, small: &mut i128, unit: i128) {
    if *large > 0 && *small < 0 {
        (*large, *small) = (*large - 1, *small + unit);
    } else if *large < 0 && *small > 0 {
        (*large, *small) = (*large + 1, *small - unit);
    }
}
