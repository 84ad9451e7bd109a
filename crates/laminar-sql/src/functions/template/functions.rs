//! `to_char`, `to_date`, `to_timestamp`, `to_number` as functions of SQL.

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use datafusion::common::ScalarValue;
use laminar_core::{Error, Result};

use super::datetime_text::{self, Fields};
use super::{datetime_pattern, datetime_value, number_pattern, number_text, number_value};
use crate::functions::columns::{Answer, Call, Date, Give, Instant, Interval, Read, Stamp, Time, bad, out_of_range};
use crate::functions::datetime::clock::{self, Parts};
use crate::functions::decimal::Numeric;
use crate::functions::kinds::Kind;
use crate::functions::kinds::Kind::{Date as DateKind, Double, Int8, Numeric as NumericKind, Real, Text, Timestamp, Timestamptz};
use crate::functions::routine::{Constants, Gives, Routine, constant_text, routine};

/// The functions of this family.
pub(crate) fn routines() -> Vec<Routine> {
    vec![
        routine("to_char")
            .also("date_format")
            .takes([Timestamp, Text], Gives::Typed(text_of_time), |call| points(call, |Stamp(nanos)| nanos, false))
            .takes([Timestamptz, Text], Gives::Typed(text_of_time), |call| points(call, |Instant(nanos)| nanos, true))
            .takes([DateKind, Text], Gives::Typed(text_of_time), |call| times(call, |Date(days)| of_date(days)))
            .takes([Kind::Interval, Text], Gives::Typed(text_of_time), |call| times(call, |interval| Ok(of_interval(interval))))
            .takes([Kind::Time, Text], Gives::Typed(text_of_time), |call| times(call, |Time(nanos)| Ok(of_time(nanos))))
            .takes([Int8, Text], Gives::Typed(text_of_number), |call| {
                numbers(call, |pattern, value: i64| {
                    number_text::print_numeric(pattern, Numeric { digits: value.into(), scale: 0 })
                })
            })
            .takes([NumericKind, Text], Gives::Typed(text_of_number), |call| numbers(call, number_text::print_numeric))
            .takes([Real, Text], Gives::Typed(text_of_number), |call| {
                numbers(call, |pattern, value: f32| Ok(number_text::print_float(pattern, value.into(), true)))
            })
            .takes([Double, Text], Gives::Typed(text_of_number), |call| {
                numbers(call, |pattern, value| Ok(number_text::print_float(pattern, value, false)))
            }),
        routine("to_date")
            .takes([Text, Text], DateKind, |call| read_times(call, |value| clock::date_of(value.date).map(Some)))
            .check(check_datetime),
        routine("to_timestamp")
            .takes([Text, Text], Timestamptz, |call| read_times(call, |value| instant(value).map(Some)))
            .takes([Double], Timestamptz, |call| call.map1(from_epoch))
            .check(check_datetime),
        routine("to_number").takes([Text, Text], Gives::Typed(number_type), read_numbers).check(check_number),
    ]
}

/// `to_char` gives a text if a constant pattern is one of that kind.
fn text_of_time(_: &[DataType], constants: &Constants<'_>) -> Result<DataType> {
    check_datetime(constants).map(|()| DataType::Utf8)
}

fn text_of_number(_: &[DataType], constants: &Constants<'_>) -> Result<DataType> {
    check_number(constants).map(|()| DataType::Utf8)
}

fn check_datetime(constants: &Constants<'_>) -> Result<()> {
    constant_text(constants, 1).map_or(Ok(()), |pattern| datetime_pattern::Pattern::read(pattern).map(drop))
}

fn check_number(constants: &Constants<'_>) -> Result<()> {
    constant_text(constants, 1).map_or(Ok(()), |pattern| number_pattern::Pattern::read(pattern).map(drop))
}

/// Patterns are mostly the same in all rows, so the last one is kept as it was read.
struct Last<P> {
    text: String,
    pattern: Option<P>,
}

impl<P> Last<P> {
    fn new() -> Self {
        Self { text: String::new(), pattern: None }
    }

    fn read(&mut self, text: &str, read: fn(&str) -> Result<P>) -> Result<&P> {
        if self.text != text {
            self.pattern = None;
        }
        if self.pattern.is_none() {
            self.pattern = Some(read(text)?);
            text.clone_into(&mut self.text);
        }
        self.pattern.as_ref().ok_or_else(|| Error::internal("a pattern was not kept"))
    }
}

fn times<'c, T: Read<'c>>(call: &'c Call<'_>, fields: impl Fn(T) -> Result<Fields>) -> Result<ArrayRef> {
    let mut last = Last::new();
    call.map2(|value: T, pattern: &str| {
        if pattern.is_empty() {
            return Ok(None);
        }
        let pattern = last.read(pattern, datetime_pattern::Pattern::read)?;
        datetime_text::print(pattern, &fields(value)?).map(Some)
    })
}

/// Points in time, in nanoseconds. Neighbouring rows mostly have the same text: it changes with the smallest unit that the pattern shows.
fn points<'c, T: Read<'c>>(call: &'c Call<'_>, nanos: impl Fn(T) -> i64, zoned: bool) -> Result<ArrayRef> {
    let (mut last, mut printed) = (Last::new(), None);
    call.map2(|value: T, pattern: &str| {
        if pattern.is_empty() {
            return Ok(None);
        }
        if last.text != pattern {
            printed = None;
        }
        let pattern = last.read(pattern, datetime_pattern::Pattern::read)?;
        let nanos = nanos(value);
        let unit = nanos.div_euclid(pattern.unit());
        if let Some((before, text)) = &printed
            && *before == unit
        {
            return Ok(Some(String::clone(text)));
        }
        let text = datetime_text::print(pattern, &of_parts(clock::parts(nanos), zoned))?;
        printed = Some((unit, text.clone()));
        Ok(Some(text))
    })
}

fn numbers<'c, T: Read<'c>>(
    call: &'c Call<'_>,
    print: impl Fn(&number_pattern::Pattern, T) -> Result<String>,
) -> Result<ArrayRef> {
    let mut last = Last::new();
    call.map2(|value: T, pattern: &str| {
        if pattern.is_empty() {
            return Ok(Some(String::new()));
        }
        print(last.read(pattern, number_pattern::Pattern::read)?, value).map(Some)
    })
}

fn read_times<T: Give>(call: &Call<'_>, answer: impl Fn(datetime_value::Value) -> Answer<T>) -> Result<ArrayRef> {
    let mut last = Last::new();
    call.map2(|text: &str, pattern: &str| {
        let pattern = last.read(pattern, datetime_pattern::Pattern::read)?;
        answer(datetime_value::read(pattern, text)?)
    })
}

fn read_numbers(call: &Call<'_>) -> Result<ArrayRef> {
    let mut last = Last::new();
    call.map2(|text: &str, pattern: &str| {
        if pattern.is_empty() {
            return Ok(None);
        }
        number_value::read(last.read(pattern, number_pattern::Pattern::read)?, text).map(Some)
    })
}

/// Digits behind the point where the pattern is not known beforehand.
const ANY_SCALE: i8 = 10;

fn number_type(_: &[DataType], constants: &[Option<&ScalarValue>]) -> Result<DataType> {
    let Some(pattern) = constant_text(constants, 1) else { return Ok(DataType::Decimal128(38, ANY_SCALE)) };
    let pattern = number_pattern::Pattern::read(pattern)?;
    Ok(DataType::Decimal128(38, i8::try_from(pattern.post + pattern.multi).unwrap_or(ANY_SCALE).min(38)))
}

fn instant(value: datetime_value::Value) -> Result<Instant> {
    clock::nanos_of(value.date, value.nanos).map(Instant)
}

/// Seconds since 1970 as an instant; of a double only microseconds are meant.
fn from_epoch(seconds: f64) -> Answer<Instant> {
    if !seconds.is_finite() {
        return Err(bad(format!("{seconds} is no instant")));
    }
    let micros = (seconds * 1e6).round_ties_even();
    if micros.abs() > (i64::MAX / 1000) as f64 {
        return Err(out_of_range("the timestamp is"));
    }
    Ok(Some(Instant(micros as i64 * 1000)))
}

fn of_parts(parts: Parts, zoned: bool) -> Fields {
    use chrono::Datelike;
    Fields {
        year: parts.date.year().into(),
        month: parts.date.month().into(),
        day: parts.date.day().into(),
        hour: parts.hour,
        minute: parts.minute,
        second: parts.second,
        nanos: parts.nanos,
        date: Some(parts.date),
        zoned,
    }
}

/// A date is its midnight in the session's zone, which is UTC.
fn of_date(days: i32) -> Result<Fields> {
    let date = clock::date(days)?;
    Ok(of_parts(Parts { date, hour: 0, minute: 0, second: 0, nanos: 0 }, true))
}

fn of_interval(interval: Interval) -> Fields {
    let (months, days, nanos) = (i64::from(interval.months), i64::from(interval.days), interval.nanoseconds);
    Fields { year: months / 12, month: months % 12, day: days, ..of_time(nanos) }
}

fn of_time(nanos: i64) -> Fields {
    const SECOND: i64 = 1_000_000_000;
    Fields {
        year: 0,
        month: 0,
        day: 0,
        hour: nanos / (3600 * SECOND),
        minute: nanos / (60 * SECOND) % 60,
        second: nanos / SECOND % 60,
        nanos: nanos % SECOND,
        date: None,
        zoned: false,
    }
}
