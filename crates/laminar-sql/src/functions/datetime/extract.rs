//! `extract` and `date_part`: the fields of dates, times and intervals.

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use chrono::{Datelike, NaiveDate};
use laminar_core::Result;

use super::clock::{self, DAY, Parts, SECOND};
use super::unit::{LastUnit, Unit, one_of};
use crate::functions::columns::{Call, Date, Instant, Interval, Read, Stamp, Time};
use crate::functions::decimal::Numeric;
use crate::functions::kinds::Kind;
use crate::functions::kinds::Kind::Text;
use crate::functions::routine::{Constants, Gives, Routine, constant_text, routine};

/// The functions of this family.
pub(super) fn routines() -> Vec<Routine> {
    vec![
        // What EXTRACT(field FROM x) is turned into: a DECIMAL.
        routine("extract")
            .takes([Text, Kind::Timestamp], Gives::Typed(of_timestamp), |call| {
                decimals(call, |Stamp(nanos), unit| timestamp(nanos, unit), TIMESTAMP)
            })
            .takes([Text, Kind::Timestamptz], Gives::Typed(of_instant), |call| {
                decimals(call, |Instant(nanos), unit| timestamp(nanos, unit), INSTANT)
            })
            .takes([Text, Kind::Date], Gives::Typed(of_date), |call| {
                decimals(call, |Date(days), unit| timestamp(clock::midnight(days)?, unit), DATE)
            })
            .takes([Text, Kind::Interval], Gives::Typed(of_interval), |call| decimals(call, interval, INTERVAL))
            .takes([Text, Kind::Time], Gives::Typed(of_time), |call| decimals(call, |Time(nanos), unit| time(nanos, unit), TIME)),
        routine("date_part")
            .also("datepart")
            .takes([Text, Kind::Timestamp], Gives::Typed(double_of_timestamp), |call| {
                doubles(call, |Stamp(nanos), unit| timestamp(nanos, unit), TIMESTAMP)
            })
            .takes([Text, Kind::Timestamptz], Gives::Typed(double_of_instant), |call| {
                doubles(call, |Instant(nanos), unit| timestamp(nanos, unit), INSTANT)
            })
            .takes([Text, Kind::Date], Gives::Typed(double_of_timestamp), |call| {
                doubles(call, |Date(days), unit| timestamp(clock::midnight(days)?, unit), TIMESTAMP)
            })
            .takes([Text, Kind::Interval], Gives::Typed(double_of_interval), |call| doubles(call, interval, INTERVAL))
            .takes([Text, Kind::Time], Gives::Typed(double_of_time), |call| {
                doubles(call, |Time(nanos), unit| time(nanos, unit), TIME)
            }),
    ]
}

/// Which fields a type has, and what it is called in messages.
type Fields = (&'static [Unit], &'static str);

const TIMESTAMP: Fields = (
    &[
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
        Unit::DayOfWeek,
        Unit::IsoDayOfWeek,
        Unit::DayOfYear,
        Unit::IsoYear,
        Unit::Epoch,
        Unit::Julian,
    ],
    "a TIMESTAMP",
);
const INSTANT: Fields = (
    &[
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
        Unit::DayOfWeek,
        Unit::IsoDayOfWeek,
        Unit::DayOfYear,
        Unit::IsoYear,
        Unit::Epoch,
        Unit::Julian,
        Unit::Timezone,
        Unit::TimezoneHour,
        Unit::TimezoneMinute,
    ],
    "a TIMESTAMPTZ",
);
const DATE: Fields = (
    &[
        Unit::Day,
        Unit::Week,
        Unit::Month,
        Unit::Quarter,
        Unit::Year,
        Unit::Decade,
        Unit::Century,
        Unit::Millennium,
        Unit::DayOfWeek,
        Unit::IsoDayOfWeek,
        Unit::DayOfYear,
        Unit::IsoYear,
        Unit::Epoch,
        Unit::Julian,
    ],
    "a DATE",
);
const INTERVAL: Fields = (
    &[
        Unit::Microsecond,
        Unit::Millisecond,
        Unit::Second,
        Unit::Minute,
        Unit::Hour,
        Unit::Day,
        Unit::Month,
        Unit::Quarter,
        Unit::Year,
        Unit::Decade,
        Unit::Century,
        Unit::Millennium,
        Unit::Epoch,
    ],
    "an INTERVAL",
);
const TIME: Fields = (&[Unit::Microsecond, Unit::Millisecond, Unit::Second, Unit::Minute, Unit::Hour, Unit::Epoch], "a TIME");

fn decimals<'c, T: Read<'c>>(call: &'c Call<'_>, field: fn(T, Unit) -> Result<Numeric>, (known, of): Fields) -> Result<ArrayRef> {
    let mut last = LastUnit::new(known, of);
    call.map2(|name: &str, value: T| field(value, last.get(name)?).map(Some))
}

fn doubles<'c, T: Read<'c>>(call: &'c Call<'_>, field: fn(T, Unit) -> Result<Numeric>, (known, of): Fields) -> Result<ArrayRef> {
    let mut last = LastUnit::new(known, of);
    call.map2(|name: &str, value: T| Ok(Some(double(field(value, last.get(name)?)?))))
}

/// Microseconds are divided as PostgreSQL divides them, so that the last bit is the same.
fn double(value: Numeric) -> f64 {
    match value {
        Numeric { digits, scale: 9 } if digits % 1000 == 0 => (digits / 1000) as f64 / 1e6,
        other => other.to_double(),
    }
}

fn of_timestamp(_: &[DataType], constants: &Constants<'_>) -> Result<DataType> {
    decimal_type(constants, TIMESTAMP)
}

fn of_instant(_: &[DataType], constants: &Constants<'_>) -> Result<DataType> {
    decimal_type(constants, INSTANT)
}

fn of_date(_: &[DataType], constants: &Constants<'_>) -> Result<DataType> {
    match decimal_type(constants, DATE)? {
        DataType::Decimal128(precision, _) => Ok(DataType::Decimal128(precision, 0)),
        other => Ok(other),
    }
}

fn of_interval(_: &[DataType], constants: &Constants<'_>) -> Result<DataType> {
    decimal_type(constants, INTERVAL)
}

fn of_time(_: &[DataType], constants: &Constants<'_>) -> Result<DataType> {
    decimal_type(constants, TIME)
}

fn double_of_timestamp(_: &[DataType], constants: &Constants<'_>) -> Result<DataType> {
    decimal_type(constants, TIMESTAMP).map(|_| DataType::Float64)
}

fn double_of_instant(_: &[DataType], constants: &Constants<'_>) -> Result<DataType> {
    decimal_type(constants, INSTANT).map(|_| DataType::Float64)
}

fn double_of_interval(_: &[DataType], constants: &Constants<'_>) -> Result<DataType> {
    decimal_type(constants, INTERVAL).map(|_| DataType::Float64)
}

fn double_of_time(_: &[DataType], constants: &Constants<'_>) -> Result<DataType> {
    decimal_type(constants, TIME).map(|_| DataType::Float64)
}

/// Digits behind the point of a day's fraction.
const JULIAN_SCALE: i32 = 15;

fn decimal_type(constants: &Constants<'_>, (known, of): Fields) -> Result<DataType> {
    let Some(name) = constant_text(constants, 0) else { return Ok(DataType::Decimal128(38, 15)) };
    Ok(match one_of(name, known, of)? {
        Unit::Second => DataType::Decimal128(11, 9),
        Unit::Millisecond => DataType::Decimal128(14, 6),
        Unit::Microsecond => DataType::Decimal128(17, 3),
        Unit::Epoch => DataType::Decimal128(28, 9),
        Unit::Julian => DataType::Decimal128(28, 15),
        _ => DataType::Decimal128(12, 0),
    })
}

fn whole(value: i64) -> Numeric {
    Numeric { digits: value.into(), scale: 0 }
}

fn seconds(nanos: i128) -> Numeric {
    Numeric { digits: nanos, scale: 9 }
}

/// A field of a clock that shows `nanos` within the minute; nothing if it is none of those.
fn of_second(nanos: i64, unit: Unit) -> Option<Numeric> {
    Some(match unit {
        Unit::Second => seconds(nanos.into()),
        Unit::Millisecond => Numeric { digits: nanos.into(), scale: 6 },
        Unit::Microsecond => Numeric { digits: nanos.into(), scale: 3 },
        _ => return None,
    })
}

fn timestamp(nanos: i64, unit: Unit) -> Result<Numeric> {
    let parts = clock::parts(nanos);
    if let Some(field) = of_second(parts.second * SECOND + parts.nanos, unit) {
        return Ok(field);
    }
    let date = parts.date;
    Ok(match unit {
        Unit::Minute => whole(parts.minute),
        Unit::Hour => whole(parts.hour),
        Unit::Epoch => seconds(nanos.into()),
        Unit::Julian => julian(parts),
        Unit::Timezone | Unit::TimezoneHour | Unit::TimezoneMinute => whole(0),
        _ => whole(of_calendar(date, unit)),
    })
}

fn julian(parts: Parts) -> Numeric {
    let Parts { date, hour, minute, second, nanos } = parts;
    let of_day = i128::from(((hour * 60 + minute) * 60 + second) * SECOND + nanos);
    let (unit, day) = (10i128.pow(JULIAN_SCALE.unsigned_abs()), i128::from(DAY));
    let fraction = (of_day * unit + day / 2) / day;
    let days = i128::from(date.num_days_from_ce()) + 1_721_425;
    Numeric { digits: days * unit + fraction, scale: JULIAN_SCALE }
}

fn of_calendar(date: NaiveDate, unit: Unit) -> i64 {
    let year = i64::from(date.year());
    match unit {
        Unit::Day => date.day().into(),
        Unit::Week => date.iso_week().week().into(),
        Unit::Month => date.month().into(),
        Unit::Quarter => (i64::from(date.month()) - 1) / 3 + 1,
        // There is no year 0: what chrono calls so is 1 BC.
        Unit::Year => shown(year),
        Unit::Decade => year.div_euclid(10),
        Unit::Century => counted_from_one(year, 100),
        Unit::Millennium => counted_from_one(year, 1000),
        Unit::DayOfWeek => date.weekday().num_days_from_sunday().into(),
        Unit::IsoDayOfWeek => date.weekday().number_from_monday().into(),
        Unit::DayOfYear => date.ordinal().into(),
        Unit::IsoYear => shown(date.iso_week().year().into()),
        _ => 0,
    }
}

fn shown(year: i64) -> i64 {
    if year > 0 { year } else { year - 1 }
}

fn counted_from_one(year: i64, length: i64) -> i64 {
    if year > 0 { (year + length - 1) / length } else { -((length - 1 - (year - 1)) / length) }
}

fn interval(value: Interval, unit: Unit) -> Result<Numeric> {
    let (months, days, nanos) = (i64::from(value.months), i64::from(value.days), value.nanoseconds);
    if let Some(field) = of_second(nanos % (60 * SECOND), unit) {
        return Ok(field);
    }
    let years = months / 12;
    Ok(match unit {
        Unit::Minute => whole(nanos / (60 * SECOND) % 60),
        Unit::Hour => whole(nanos / (3600 * SECOND)),
        Unit::Day => whole(days),
        Unit::Month => whole(months % 12),
        Unit::Quarter => whole(months % 12 / 3 + 1),
        Unit::Year => whole(years),
        Unit::Decade => whole(years / 10),
        Unit::Century => whole(years / 100),
        Unit::Millennium => whole(years / 1000),
        // A year has 365.25 days, a month that is left has thirty.
        _ => {
            let all = i128::from(years) * 31_557_600 + i128::from(months % 12) * 2_592_000 + i128::from(days) * 86_400;
            seconds(all * i128::from(SECOND) + i128::from(nanos))
        }
    })
}

fn time(nanos: i64, unit: Unit) -> Result<Numeric> {
    if let Some(field) = of_second(nanos % (60 * SECOND), unit) {
        return Ok(field);
    }
    Ok(match unit {
        Unit::Minute => whole(nanos / (60 * SECOND) % 60),
        Unit::Hour => whole(nanos / (3600 * SECOND)),
        _ => seconds(nanos.into()),
    })
}
