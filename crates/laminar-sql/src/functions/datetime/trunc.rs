//! `date_trunc` and `date_bin`: the beginning of the unit or bin that a time lies in.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampNanosecondType;
use chrono::{Datelike, Days, NaiveDate};
use laminar_core::{Error, Result};

use super::clock::{self, HOUR, SECOND};
use super::unit::{LastUnit, Unit, one_of};
use super::zone::{self, LastZone};
use crate::functions::columns::{Answer, Call, Date, Instant, Interval, Stamp, bad, out_of_range};
use crate::functions::kinds::Kind;
use crate::functions::kinds::Kind::{Text, Timestamp, Timestamptz};
use crate::functions::routine::{Constants, Routine, constant_text, routine};

const UNITS: &[Unit] = &[
    Unit::Microsecond,
    Unit::Millisecond,
    Unit::Second,
    Unit::Minute,
    Unit::Hour,
    Unit::Day,
    Unit::Week,
    Unit::Month,
    Unit::Quarter,
    Unit::Year,
    Unit::Decade,
    Unit::Century,
    Unit::Millennium,
];

/// The functions of this family.
pub(super) fn routines() -> Vec<Routine> {
    vec![
        routine("date_trunc")
            .also("datetrunc")
            .takes([Text, Timestamp], Timestamp, |call: &Call<'_>| {
                if let Some(column) = by_clock(call)? {
                    return Ok(column);
                }
                let mut units = units();
                call.map2(|unit: &str, Stamp(nanos)| truncated(nanos, units.get(unit)?).map(|nanos| Some(Stamp(nanos))))
            })
            .takes([Text, Timestamptz], Timestamptz, |call: &Call<'_>| {
                if let Some(column) = by_clock(call)? {
                    return Ok(column);
                }
                let mut units = units();
                call.map2(|unit: &str, Instant(nanos)| truncated(nanos, units.get(unit)?).map(|nanos| Some(Instant(nanos))))
            })
            // PostgreSQL answers a TIMESTAMPTZ; a date has no zone here, so neither has its month.
            .takes([Text, Kind::Date], Timestamp, |call: &Call<'_>| {
                let mut units = units();
                call.map2(|unit: &str, Date(days)| {
                    truncated(clock::midnight(days)?, units.get(unit)?).map(|nanos| Some(Stamp(nanos)))
                })
            })
            .takes([Text, Timestamptz, Text], Timestamptz, |call: &Call<'_>| {
                let (mut units, mut last) = (units(), LastZone::default());
                call.map3(|unit: &str, Instant(nanos), zone: &str| {
                    let zone = last.zone(zone)?;
                    zone.utc(truncated(zone.local(nanos)?, units.get(unit)?)?).map(|nanos| Some(Instant(nanos)))
                })
            })
            .takes([Text, Kind::Interval], Kind::Interval, |call: &Call<'_>| {
                let mut units = units();
                call.map2(|unit: &str, interval| truncated_interval(interval, units.get(unit)?))
            })
            .check(check),
        routine("date_bin")
            .takes([Kind::Interval, Timestamp, Timestamp], Timestamp, |call: &Call<'_>| {
                call.map3(|stride, Stamp(nanos), Stamp(origin)| bin(stride, nanos, origin).map(|nanos| Some(Stamp(nanos))))
            })
            .takes([Kind::Interval, Timestamptz, Timestamptz], Timestamptz, |call: &Call<'_>| {
                call.map3(|stride, Instant(nanos), Instant(origin)| bin(stride, nanos, origin).map(|nanos| Some(Instant(nanos))))
            })
            // Without an origin bins begin with 1970, as in DataFusion.
            .takes([Kind::Interval, Timestamp], Timestamp, |call: &Call<'_>| {
                call.map2(|stride, Stamp(nanos)| bin(stride, nanos, 0).map(|nanos| Some(Stamp(nanos))))
            })
            .takes([Kind::Interval, Timestamptz], Timestamptz, |call: &Call<'_>| {
                call.map2(|stride, Instant(nanos)| bin(stride, nanos, 0).map(|nanos| Some(Instant(nanos))))
            }),
    ]
}

fn check(constants: &Constants<'_>) -> Result<()> {
    if let Some(unit) = constant_text(constants, 0) {
        unit_of(unit)?;
    }
    zone::check(constants, 2)
}

fn units() -> LastUnit {
    LastUnit::new(UNITS, "date_trunc")
}

fn unit_of(name: &str) -> Result<Unit> {
    one_of(name, UNITS, "date_trunc")
}

/// A whole column at once, if the unit is a constant of fixed length: what most groupings are made of.
fn by_clock(call: &Call<'_>) -> Result<Option<ArrayRef>> {
    let (unit, times) = (&call.columns[0], &call.columns[1]);
    if !unit.is_constant || times.is_constant {
        return Ok(None);
    }
    let Some(name) = call.argument::<&str>(0)?.get(0) else { return Ok(None) };
    let Some(length) = fixed_length(unit_of(name)?) else { return Ok(None) };
    let Some(times) = times.array.as_primitive_opt::<TimestampNanosecondType>() else { return Ok(None) };
    let begin = |nanos: i64| nanos.checked_sub(nanos.rem_euclid(length)).map_or_else(too_early, Ok);
    let begins = times.try_unary::<_, TimestampNanosecondType, Error>(begin)?;
    Ok(Some(Arc::new(begins.with_timezone_opt(times.timezone().map(str::to_owned)))))
}

/// Nanoseconds of a unit that is as long as any other.
fn fixed_length(unit: Unit) -> Option<i64> {
    Some(match unit {
        Unit::Microsecond => 1_000,
        Unit::Millisecond => 1_000_000,
        Unit::Second => SECOND,
        Unit::Minute => 60 * SECOND,
        Unit::Hour => HOUR,
        Unit::Day => 24 * HOUR,
        _ => return None,
    })
}

/// The beginning of the unit that `nanos` lies in.
fn truncated(nanos: i64, unit: Unit) -> Result<i64> {
    match fixed_length(unit) {
        Some(length) => nanos.checked_sub(nanos.rem_euclid(length)).map_or_else(too_early, Ok),
        None => first_day(clock::parts(nanos).date, unit).map_or_else(too_early, |date| clock::nanos_of(date, 0)),
    }
}

fn too_early() -> Result<i64> {
    Err(out_of_range("the timestamp is"))
}

fn first_day(date: NaiveDate, unit: Unit) -> Option<NaiveDate> {
    let year = date.year();
    let year = match unit {
        Unit::Week => return date.checked_sub_days(Days::new(date.weekday().num_days_from_monday().into())),
        Unit::Month => return date.with_day(1),
        Unit::Quarter => return NaiveDate::from_ymd_opt(year, date.month0() / 3 * 3 + 1, 1),
        Unit::Decade => year.div_euclid(10) * 10,
        // Centuries begin with a year that ends in 1.
        Unit::Century => (year - 1).div_euclid(100) * 100 + 1,
        Unit::Millennium => (year - 1).div_euclid(1000) * 1000 + 1,
        _ => year,
    };
    NaiveDate::from_ymd_opt(year, 1, 1)
}

/// An interval without what is smaller than the unit.
fn truncated_interval(interval: Interval, unit: Unit) -> Answer<Interval> {
    let Interval { months, days, nanoseconds: nanos } = interval;
    let in_months = |length: i32| Interval::new(months / length * length, 0, 0);
    let in_nanos = |length: i64| Interval::new(months, days, nanos / length * length);
    Ok(Some(match unit {
        Unit::Microsecond => in_nanos(1_000),
        Unit::Millisecond => in_nanos(1_000_000),
        Unit::Second => in_nanos(SECOND),
        Unit::Minute => in_nanos(60 * SECOND),
        Unit::Hour => in_nanos(HOUR),
        Unit::Day => Interval::new(months, days, 0),
        Unit::Month => in_months(1),
        Unit::Quarter => in_months(3),
        Unit::Year => in_months(12),
        Unit::Decade => in_months(120),
        Unit::Century => in_months(1200),
        Unit::Millennium => in_months(12_000),
        _ => return Err(bad("an INTERVAL has no weeks").with_hint("months have no whole number of them")),
    }))
}

/// The beginning of the bin of length `stride` that `nanos` lies in.
fn bin(stride: Interval, nanos: i64, origin: i64) -> Result<i64> {
    if stride.months != 0 {
        return Err(
            bad("bins of months or years do not all have the same length").with_hint("use date_trunc, or a stride of days")
        );
    }
    let length = i128::from(stride.days) * i128::from(24 * HOUR) + i128::from(stride.nanoseconds);
    if length <= 0 {
        return Err(bad("the stride of date_bin has to be greater than zero"));
    }
    let distance = i128::from(nanos) - i128::from(origin);
    i64::try_from(i128::from(origin) + distance.div_euclid(length) * length).map_err(|_| out_of_range("the timestamp is"))
}
