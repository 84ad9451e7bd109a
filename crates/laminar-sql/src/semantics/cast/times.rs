//! Days and instants to instants: a finer one is rounded, a day that is too far is an error.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, ArrayRef, PrimitiveArray};
use arrow_schema::{ArrowError, DataType, TimeUnit};

use super::{each, out_of_range};
use crate::semantics::common_type::digits;

/// Whether this conversion is done here.
pub(super) fn converts(from: &DataType, to: &DataType) -> bool {
    match (from, to) {
        (DataType::Date32, DataType::Timestamp(..)) => true,
        (DataType::Timestamp(from, _), DataType::Timestamp(to, _)) => digits(*to) < digits(*from),
        _ => false,
    }
}

pub(super) fn convert(column: &ArrayRef, target: &DataType, gives_null: bool) -> Result<ArrayRef, ArrowError> {
    let DataType::Timestamp(unit, zone) = target else { return arrow_cast::cast(column, target) };
    let per_second = 10_i64.pow(digits(*unit));
    let ticks: PrimitiveArray<Int64Type> = match column.data_type() {
        DataType::Date32 => each(column.as_primitive::<Date32Type>(), gives_null, |day| {
            let ticks = i64::from(day).checked_mul(86_400).and_then(|seconds| seconds.checked_mul(per_second));
            ticks.ok_or_else(|| out_of_range("the day", target))
        })?,
        DataType::Timestamp(from, from_zone) => {
            // Only the zone changes first: what the clock of a zone means is for Arrow to say.
            let zoned = arrow_cast::cast(column, &DataType::Timestamp(*from, zone.clone()))?;
            let _ = from_zone;
            let divisor = 10_i64.pow(digits(*from) - digits(*unit));
            let ticks = arrow_cast::cast(&zoned, &DataType::Int64)?;
            ticks.as_primitive::<Int64Type>().unary(|ticks| rounded(ticks, divisor))
        }
        _ => return arrow_cast::cast(column, target),
    };
    Ok(of_ticks(ticks, *unit, zone.clone()))
}

/// Half a unit goes up.
fn rounded(ticks: i64, divisor: i64) -> i64 {
    let (whole, rest) = (ticks.div_euclid(divisor), ticks.rem_euclid(divisor));
    if rest >= divisor - rest { whole + 1 } else { whole }
}

/// Numbers of units since 1970 as instants.
pub(super) fn of_ticks(ticks: PrimitiveArray<Int64Type>, unit: TimeUnit, zone: Option<Arc<str>>) -> ArrayRef {
    match unit {
        TimeUnit::Second => Arc::new(ticks.reinterpret_cast::<TimestampSecondType>().with_timezone_opt(zone)),
        TimeUnit::Millisecond => Arc::new(ticks.reinterpret_cast::<TimestampMillisecondType>().with_timezone_opt(zone)),
        TimeUnit::Microsecond => Arc::new(ticks.reinterpret_cast::<TimestampMicrosecondType>().with_timezone_opt(zone)),
        TimeUnit::Nanosecond => Arc::new(ticks.reinterpret_cast::<TimestampNanosecondType>().with_timezone_opt(zone)),
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{Date32Array, TimestampNanosecondArray};

    use super::*;

    #[test]
    fn a_finer_instant_is_rounded_and_half_goes_up() {
        let column: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![1_499_999, 1_500_000, -1_500_000, -1_500_001]));
        let millis = convert(&column, &DataType::Timestamp(TimeUnit::Millisecond, None), false).unwrap();
        assert_eq!(millis.as_primitive::<TimestampMillisecondType>().values(), &[1, 2, -1, -2]);
    }

    #[test]
    fn a_day_beyond_the_range_of_nanoseconds_is_an_error() {
        let column: ArrayRef = Arc::new(Date32Array::from(vec![2_932_896]));
        assert!(convert(&column, &DataType::Timestamp(TimeUnit::Nanosecond, None), false).is_err());
        assert!(convert(&column, &DataType::Timestamp(TimeUnit::Nanosecond, None), true).unwrap().is_null(0));
        let micros = convert(&column, &DataType::Timestamp(TimeUnit::Microsecond, None), false).unwrap();
        assert_eq!(micros.as_primitive::<TimestampMicrosecondType>().value(0), 253_402_214_400_000_000);
    }
}
