//! The type at which values meet: operands of a comparison, branches of CASE and UNION, arguments of coalesce.

use arrow_schema::{DataType, IntervalUnit, TimeUnit};

use super::arithmetic::decimal::MAX_PRECISION;

/// The type at which values of both types meet, where DataFusion would choose one that loses something; `None`: its choice is right.
pub(super) fn common_type(left: &DataType, right: &DataType) -> Option<DataType> {
    use DataType as D;
    if left == right {
        return None;
    }
    match (left, right) {
        (D::Decimal128(..) | D::Decimal256(..), D::Float16 | D::Float32 | D::Float64)
        | (D::Float16 | D::Float32 | D::Float64, D::Decimal128(..) | D::Decimal256(..)) => Some(D::Float64),
        // A REAL holds seven digits: a whole number beside it would lose the rest.
        (D::Float16 | D::Float32, whole) | (whole, D::Float16 | D::Float32) if whole.is_integer() => Some(D::Float64),
        (D::Decimal128(p1, s1), D::Decimal128(p2, s2)) => Some(wider_decimal((*p1, *s1), (*p2, *s2))),
        (D::Decimal128(p, s), whole) | (whole, D::Decimal128(p, s)) if whole.is_integer() => {
            Some(wider_decimal((*p, *s), (digits_of(whole), 0)))
        }
        (D::Timestamp(left_unit, left_zone), D::Timestamp(right_unit, right_zone)) => {
            Some(D::Timestamp(finer(*left_unit, *right_unit), left_zone.clone().or_else(|| right_zone.clone())))
        }
        (D::Duration(left_unit), D::Duration(right_unit)) => Some(D::Duration(finer(*left_unit, *right_unit))),
        (D::Interval(_) | D::Duration(_), D::Interval(_) | D::Duration(_)) => Some(D::Interval(IntervalUnit::MonthDayNano)),
        _ => None,
    }
}

/// Digits before and after the point as many as either has; where there is no room for both, the whole part goes first, and
/// a value whose fraction has no room is an error of its row.
fn wider_decimal((p1, s1): (u8, i8), (p2, s2): (u8, i8)) -> DataType {
    let whole = (i16::from(p1) - i16::from(s1)).max(i16::from(p2) - i16::from(s2));
    let scale = i16::from(s1.max(s2));
    let precision = (whole + scale).clamp(1, i16::from(MAX_PRECISION));
    DataType::Decimal128(precision as u8, scale as i8)
}

/// How many digits a whole number of this type can have.
pub(super) fn digits_of(whole: &DataType) -> u8 {
    match whole {
        DataType::Int8 | DataType::UInt8 => 3,
        DataType::Int16 | DataType::UInt16 => 5,
        DataType::Int32 | DataType::UInt32 => 10,
        DataType::Int64 => 19,
        _ => 20,
    }
}

/// The unit that tells more apart.
pub(super) fn finer(left: TimeUnit, right: TimeUnit) -> TimeUnit {
    if digits(left) >= digits(right) { left } else { right }
}

/// How many digits of a second a unit has.
pub(super) fn digits(unit: TimeUnit) -> u32 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_meet_where_none_loses_anything() {
        use DataType as D;
        let ts = |unit| D::Timestamp(unit, None);
        for (left, right, wanted) in [
            (D::Decimal128(10, 2), D::Float64, Some(D::Float64)),
            (D::Float32, D::Decimal128(10, 2), Some(D::Float64)),
            (D::Float32, D::Int64, Some(D::Float64)),
            (D::Decimal128(10, 2), D::Decimal128(5, 4), Some(D::Decimal128(12, 4))),
            (D::Decimal128(10, 2), D::Int64, Some(D::Decimal128(21, 2))),
            (D::Decimal128(38, 0), D::Decimal128(38, 10), Some(D::Decimal128(38, 10))),
            (ts(TimeUnit::Millisecond), ts(TimeUnit::Nanosecond), Some(ts(TimeUnit::Nanosecond))),
            (
                D::Duration(TimeUnit::Second),
                D::Interval(IntervalUnit::MonthDayNano),
                Some(D::Interval(IntervalUnit::MonthDayNano)),
            ),
            (D::Int32, D::Int64, None),
            (D::Utf8, D::Utf8, None),
        ] {
            assert_eq!(common_type(&left, &right), wanted, "{left} and {right}");
            assert_eq!(common_type(&right, &left), wanted, "{right} and {left}");
        }
    }
}
