//! Event time in nanoseconds since 1970-01-01T00:00:00Z, and the promise about it that a watermark makes.

use std::fmt;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, ArrayRef, Date32Array, Int64Array};
use arrow_schema::{DataType, TimeUnit};

use crate::{Code, Error, Result};

/// Nanoseconds since the epoch. SQL's `TIMESTAMP` has the same range: the years 1677 to 2262.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventTime(pub i64);

/// "No row before this time will come": a row whose time is *before* the watermark is behind it; equal is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Watermark(pub i64);

impl Watermark {
    /// Nothing is promised yet.
    pub const START: Watermark = Watermark(i64::MIN);
    /// Nothing will come any more.
    pub const END: Watermark = Watermark(i64::MAX);

    /// True once nothing will come any more.
    pub fn is_end(self) -> bool {
        self == Self::END
    }

    /// The promise held back by `nanos`; the start and the end of time stay what they are.
    #[must_use]
    pub fn held_back(self, nanos: i64) -> Watermark {
        match self {
            Self::START | Self::END => self,
            Watermark(time) => Watermark(time.saturating_sub(nanos).max(i64::MIN + 1)),
        }
    }
}

impl fmt::Display for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = chrono::DateTime::from_timestamp_nanos(self.0).naive_utc();
        write!(f, "{}", time.format("%Y-%m-%d %H:%M:%S%.f"))
    }
}

impl fmt::Display for Watermark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::START => f.write_str("start of time"),
            Self::END => f.write_str("end of time"),
            Watermark(time) => EventTime(time).fmt(f),
        }
    }
}

/// Nanoseconds that one unit of a timestamp column stands for.
pub fn nanos_per_unit(data_type: &DataType) -> Option<i64> {
    match data_type {
        DataType::Timestamp(TimeUnit::Second, _) => Some(1_000_000_000),
        DataType::Timestamp(TimeUnit::Millisecond, _) => Some(1_000_000),
        DataType::Timestamp(TimeUnit::Microsecond, _) => Some(1_000),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => Some(1),
        DataType::Date32 => Some(86_400_000_000_000),
        _ => None,
    }
}

/// A time column as nanoseconds. NULL stays NULL; a time that nanoseconds cannot hold becomes NULL too, so that a
/// row from the year 9999 is shown as a row without usable time instead of closing every window.
pub fn to_nanos(column: &dyn Array) -> Result<Int64Array> {
    let Some(unit) = nanos_per_unit(column.data_type()) else {
        return Err(Error::new(Code::TypeMismatch, format!("{} is not a time", column.data_type())));
    };
    let raw: Int64Array = match column.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => column.as_primitive::<TimestampSecondType>().reinterpret_cast::<Int64Type>(),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            column.as_primitive::<TimestampMillisecondType>().reinterpret_cast::<Int64Type>()
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            column.as_primitive::<TimestampMicrosecondType>().reinterpret_cast::<Int64Type>()
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            column.as_primitive::<TimestampNanosecondType>().reinterpret_cast::<Int64Type>()
        }
        _ => column.as_primitive::<Date32Type>().unary::<_, Int64Type>(i64::from),
    };
    if unit == 1 {
        return Ok(raw);
    }
    let furthest = (i64::MAX / unit).unsigned_abs();
    let fit = raw.values().iter().fold(true, |fit, value| fit & (value.unsigned_abs() <= furthest));
    Ok(if fit { raw.unary(|value| value * unit) } else { raw.unary_opt(|value| value.checked_mul(unit)) })
}

/// Nanoseconds as a column of `data_type`, a time; the start of the unit in which each lies. NULL stays NULL.
pub fn from_nanos(nanos: &Int64Array, data_type: &DataType) -> Result<ArrayRef> {
    let Some(unit) = nanos_per_unit(data_type) else {
        return Err(Error::new(Code::TypeMismatch, format!("{data_type} is not a time")));
    };
    let raw = if unit == 1 { nanos.clone() } else { nanos.unary::<_, Int64Type>(|value| value.div_euclid(unit)) };
    Ok(match data_type {
        DataType::Timestamp(TimeUnit::Second, zone) => {
            Arc::new(raw.reinterpret_cast::<TimestampSecondType>().with_timezone_opt(zone.clone()))
        }
        DataType::Timestamp(TimeUnit::Millisecond, zone) => {
            Arc::new(raw.reinterpret_cast::<TimestampMillisecondType>().with_timezone_opt(zone.clone()))
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            Arc::new(raw.reinterpret_cast::<TimestampMicrosecondType>().with_timezone_opt(zone.clone()))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, zone) => {
            Arc::new(raw.reinterpret_cast::<TimestampNanosecondType>().with_timezone_opt(zone.clone()))
        }
        _ => {
            let days: Date32Array = raw.unary_opt(|days| i32::try_from(days).ok());
            Arc::new(days)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_come_back_in_the_columns_own_unit() {
        let times = Int64Array::from(vec![Some(1_500_000_000), None, Some(-1)]);
        for (unit, first, last) in [
            (TimeUnit::Second, 1_000_000_000, -1_000_000_000),
            (TimeUnit::Millisecond, 1_500_000_000, -1_000_000),
            (TimeUnit::Microsecond, 1_500_000_000, -1_000),
            (TimeUnit::Nanosecond, 1_500_000_000, -1),
        ] {
            let data_type = DataType::Timestamp(unit, Some("UTC".into()));
            let column = from_nanos(&times, &data_type).unwrap();
            assert_eq!(column.data_type(), &data_type);
            assert_eq!(to_nanos(&column).unwrap(), Int64Array::from(vec![Some(first), None, Some(last)]));
        }
        assert!(from_nanos(&times, &DataType::Utf8).is_err());
    }

    #[test]
    fn a_year_that_nanoseconds_cannot_hold_is_no_event_time() {
        let seconds = arrow_array::TimestampSecondArray::from(vec![253_402_300_799, 0]);
        assert_eq!(to_nanos(&seconds).unwrap(), Int64Array::from(vec![None, Some(0)]));
    }
}
