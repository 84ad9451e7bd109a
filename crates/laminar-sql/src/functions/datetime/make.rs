//! Dates, times and intervals out of their parts, and whether they are finite.

use chrono::NaiveDate;
use laminar_core::Result;

use super::clock::{self, HOUR, SECOND};
use super::zone::{LastZone, check};
use crate::functions::columns::{Answer, Call, Date, Instant, Interval, Stamp, Time, bad, out_of_range};
use crate::functions::kinds::Kind;
use crate::functions::kinds::Kind::{Bool, Double, Int8, Text, Timestamp, Timestamptz};
use crate::functions::routine::{Routine, routine};

/// The functions of this family.
pub(super) fn routines() -> Vec<Routine> {
    vec![
        routine("make_date").takes([Int8, Int8, Int8], Kind::Date, |call: &Call<'_>| {
            call.map3(|year, month, day| Ok(Some(Date(clock::days_of(day_of(year, month, day)?)))))
        }),
        routine("date")
            .takes([Kind::Date], Kind::Date, |call: &Call<'_>| call.map1(|Date(days)| Ok(Some(Date(days)))))
            .takes([Timestamp], Kind::Date, |call: &Call<'_>| call.map1(|Stamp(nanos)| Ok(Some(day(nanos)))))
            .takes([Timestamptz], Kind::Date, |call: &Call<'_>| call.map1(|Instant(nanos)| Ok(Some(day(nanos))))),
        routine("make_time").takes([Int8, Int8, Double], Kind::Time, |call: &Call<'_>| {
            call.map3(|hour, minute, second| Ok(Some(Time(time_of(hour, minute, second)?))))
        }),
        routine("make_timestamp").takes([Int8, Int8, Int8, Int8, Int8, Double], Timestamp, |call: &Call<'_>| {
            call.each(|row| Ok(stamp(call, row)?.map(Stamp)))
        }),
        routine("make_timestamptz")
            .takes([Int8, Int8, Int8, Int8, Int8, Double], Timestamptz, |call: &Call<'_>| {
                call.each(|row| Ok(stamp(call, row)?.map(Instant)))
            })
            .takes([Int8, Int8, Int8, Int8, Int8, Double, Text], Timestamptz, |call: &Call<'_>| {
                let mut last = LastZone::default();
                let zones = call.argument::<&str>(6)?;
                call.each(|row| match (stamp(call, row)?, zones.get(row)) {
                    (Some(nanos), Some(zone)) => last.zone(zone)?.utc(nanos).map(|nanos| Some(Instant(nanos))),
                    _ => Ok(None),
                })
            })
            .check(|constants| check(constants, 6)),
        routine("make_interval")
            .takes([], Kind::Interval, |call: &Call<'_>| call.each(|row| interval(call, row)))
            .takes([Int8], Kind::Interval, |call: &Call<'_>| call.each(|row| interval(call, row)))
            .takes([Int8, Int8], Kind::Interval, |call: &Call<'_>| call.each(|row| interval(call, row)))
            .takes([Int8, Int8, Int8], Kind::Interval, |call: &Call<'_>| call.each(|row| interval(call, row)))
            .takes([Int8, Int8, Int8, Int8], Kind::Interval, |call: &Call<'_>| call.each(|row| interval(call, row)))
            .takes([Int8, Int8, Int8, Int8, Int8], Kind::Interval, |call: &Call<'_>| call.each(|row| interval(call, row)))
            .takes([Int8, Int8, Int8, Int8, Int8, Int8], Kind::Interval, |call: &Call<'_>| call.each(|row| interval(call, row)))
            .takes([Int8, Int8, Int8, Int8, Int8, Int8, Double], Kind::Interval, |call: &Call<'_>| {
                call.each(|row| interval(call, row))
            }),
        // Infinite dates and times do not exist here.
        routine("isfinite")
            .takes([Kind::Date], Bool, |call: &Call<'_>| call.map1(|Date(_)| Ok(Some(true))))
            .takes([Timestamp], Bool, |call: &Call<'_>| call.map1(|Stamp(_)| Ok(Some(true))))
            .takes([Timestamptz], Bool, |call: &Call<'_>| call.map1(|Instant(_)| Ok(Some(true))))
            .takes([Kind::Interval], Bool, |call: &Call<'_>| call.map1(|_: Interval| Ok(Some(true)))),
    ]
}

/// The day of a point in time.
fn day(nanos: i64) -> Date {
    // Nanoseconds reach 292 years, so their days fit.
    Date(i32::try_from(nanos.div_euclid(24 * HOUR)).unwrap_or(i32::MAX))
}

fn day_of(year: i64, month: i64, day: i64) -> Result<NaiveDate> {
    // Years before 1 are years BC: there is no year 0.
    let astronomical = if year < 0 { year + 1 } else { year };
    let date = i32::try_from(astronomical)
        .ok()
        .filter(|_| year != 0)
        .and_then(|year| NaiveDate::from_ymd_opt(year, u32::try_from(month).ok()?, u32::try_from(day).ok()?));
    date.ok_or_else(|| bad(format!("there is no date {year}-{month:02}-{day:02}")))
}

/// Nanoseconds of a time of day.
fn time_of(hour: i64, minute: i64, second: f64) -> Result<i64> {
    let nanos = (second * 1e6).round_ties_even() * 1e3;
    let is_valid = (0..24).contains(&hour) && (0..60).contains(&minute) && (0.0..=60e9).contains(&nanos);
    let all = if is_valid { hour * HOUR + minute * 60 * SECOND + nanos as i64 } else { i64::MAX };
    if all >= 24 * HOUR {
        return Err(bad(format!("there is no time {hour}:{minute:02}:{second:02}")));
    }
    Ok(all)
}

fn stamp(call: &Call<'_>, row: usize) -> Answer<i64> {
    let mut numbers = [0; 5];
    for (index, number) in numbers.iter_mut().enumerate() {
        let Some(value) = call.argument::<i64>(index)?.get(row) else { return Ok(None) };
        *number = value;
    }
    let Some(second) = call.argument::<f64>(5)?.get(row) else { return Ok(None) };
    let [year, month, day, hour, minute] = numbers;
    clock::nanos_of(day_of(year, month, day)?, time_of(hour, minute, second)?).map(Some)
}

/// Years, months, weeks, days, hours, minutes, seconds; what is left out is zero.
fn interval(call: &Call<'_>, row: usize) -> Answer<Interval> {
    let mut numbers = [0i64; 6];
    for (index, number) in numbers.iter_mut().enumerate().take(call.columns.len()) {
        let Some(value) = call.argument::<i64>(index)?.get(row) else { return Ok(None) };
        *number = value;
    }
    let second = match call.columns.len() {
        7 => call.argument::<f64>(6)?.get(row),
        _ => Some(0.0),
    };
    let Some(second) = second else { return Ok(None) };
    let [years, months, weeks, days, hours, minutes] = numbers.map(i128::from);
    let nanos = (second * 1e6).round_ties_even();
    if !nanos.is_finite() || nanos.abs() > 1e16 {
        return Err(out_of_range("the interval is"));
    }
    let nanos = i128::from(hours) * i128::from(HOUR) + i128::from(minutes) * i128::from(60 * SECOND) + nanos as i128 * 1000;
    fitted(years * 12 + months, weeks * 7 + days, nanos).map(Some)
}

/// The interval, if its parts fit.
pub(super) fn fitted(months: i128, days: i128, nanos: i128) -> Result<Interval> {
    match (i32::try_from(months), i32::try_from(days), i64::try_from(nanos)) {
        (Ok(months), Ok(days), Ok(nanos)) => Ok(Interval::new(months, days, nanos)),
        _ => Err(out_of_range("the interval is")),
    }
}
