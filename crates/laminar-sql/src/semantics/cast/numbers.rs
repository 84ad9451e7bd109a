//! Numbers to numbers: a fraction is rounded (DECIMAL half away from zero, DOUBLE half to even), and what does not fit is an error.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, DecimalType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, PrimitiveArray};
use arrow_schema::{ArrowError, DataType};

use super::{each, from_text, out_of_range};
use crate::semantics::arithmetic::decimal::rounded_i128;

/// DOUBLE and REAL have so many digits that can be relied on.
const DOUBLE_DIGITS: usize = 15;
const REAL_DIGITS: usize = 6;

pub(super) fn convert(column: &ArrayRef, target: &DataType, gives_null: bool) -> Result<ArrayRef, ArrowError> {
    match column.data_type() {
        DataType::Decimal128(..) | DataType::Decimal256(..) if matches!(target, DataType::Decimal128(..)) => {
            to_decimal(column, target, gives_null)
        }
        DataType::Decimal128(_, scale) => from_decimal(column.as_primitive(), *scale, target, gives_null),
        DataType::Float32 => {
            let wide: PrimitiveArray<Float64Type> = column.as_primitive::<Float32Type>().unary(f64::from);
            from_double(&wide, REAL_DIGITS, target, gives_null)
        }
        _ => {
            let wide = arrow_cast::cast(column, &DataType::Float64)?;
            from_double(wide.as_primitive(), DOUBLE_DIGITS, target, gives_null)
        }
    }
}

/// Calls `$go` with the Arrow type of a whole number's type.
macro_rules! whole {
    ($target:expr, $go:ident, $column:expr, $gives_null:expr $(, $more:expr)*) => {
        match $target {
            DataType::Int8 => $go::<Int8Type>($column, $gives_null $(, $more)*),
            DataType::Int16 => $go::<Int16Type>($column, $gives_null $(, $more)*),
            DataType::Int32 => $go::<Int32Type>($column, $gives_null $(, $more)*),
            DataType::Int64 => $go::<Int64Type>($column, $gives_null $(, $more)*),
            DataType::UInt8 => $go::<UInt8Type>($column, $gives_null $(, $more)*),
            DataType::UInt16 => $go::<UInt16Type>($column, $gives_null $(, $more)*),
            DataType::UInt32 => $go::<UInt32Type>($column, $gives_null $(, $more)*),
            _ => $go::<UInt64Type>($column, $gives_null $(, $more)*),
        }
    };
}

fn from_double(
    column: &PrimitiveArray<Float64Type>,
    digits: usize,
    target: &DataType,
    gives_null: bool,
) -> Result<ArrayRef, ArrowError> {
    match target {
        DataType::Decimal128(precision, scale) => {
            let (precision, scale) = (*precision, *scale);
            let values = each::<_, Decimal128Type>(column, gives_null, |value| {
                let refused = || out_of_range(value, target);
                if !value.is_finite() {
                    return Err(refused());
                }
                // The shortest text of so many digits is what people wrote: 1.005, not 1.00499999999999989.
                from_text::decimal(&format!("{value:.*e}", digits - 1), precision, scale).map_err(|_| refused())
            })?;
            Ok(Arc::new(values.with_precision_and_scale(precision, scale)?))
        }
        DataType::Float32 => {
            let values = each::<_, Float32Type>(column, gives_null, |value| {
                let real = value as f32;
                if real.is_finite() || !value.is_finite() { Ok(real) } else { Err(out_of_range(value, target)) }
            })?;
            Ok(Arc::new(values))
        }
        _ => whole!(target, double_to_whole, column, gives_null),
    }
}

fn double_to_whole<T: ArrowPrimitiveType>(column: &PrimitiveArray<Float64Type>, gives_null: bool) -> Result<ArrayRef, ArrowError>
where
    T::Native: TryFrom<i128>,
{
    let values = each::<_, T>(column, gives_null, |value| {
        let rounded = value.round_ties_even();
        // A cast of `as` would turn NaN into 0 and cut what is too large.
        let whole = if rounded.is_finite() && rounded.abs() < 1e30 { T::Native::try_from(rounded as i128).ok() } else { None };
        whole.ok_or_else(|| out_of_range(value, &T::DATA_TYPE))
    })?;
    Ok(Arc::new(values))
}

/// Digits that have no room are rounded half away from zero, as Arrow does it.
fn to_decimal(column: &ArrayRef, target: &DataType, gives_null: bool) -> Result<ArrayRef, ArrowError> {
    if let Some(widened) = widened(column, target) {
        return Ok(widened);
    }
    let options = arrow_cast::CastOptions { safe: gives_null, ..arrow_cast::CastOptions::default() };
    arrow_cast::cast_with_options(column, target, &options).map_err(|_| out_of_range("the value", target))
}

/// Whole numbers of a type whose every value has room in `target`: nothing has to be checked row by row.
fn widened(column: &ArrayRef, target: &DataType) -> Option<ArrayRef> {
    fn of<T: ArrowPrimitiveType>(column: &ArrayRef, digits: u8, (precision, scale): (u8, i8)) -> Option<ArrayRef>
    where
        i128: From<T::Native>,
    {
        let scale_digits = u8::try_from(scale).ok().filter(|scale| digits + scale <= precision)?;
        let factor = 10_i128.pow(u32::from(scale_digits));
        let values = column.as_primitive::<T>().unary::<_, Decimal128Type>(|value| i128::from(value) * factor);
        Some(Arc::new(values.with_precision_and_scale(precision, scale).ok()?))
    }
    let DataType::Decimal128(precision, scale) = *target else { return None };
    match column.data_type() {
        DataType::Int16 => of::<Int16Type>(column, 5, (precision, scale)),
        DataType::Int32 => of::<Int32Type>(column, 10, (precision, scale)),
        DataType::Int64 => of::<Int64Type>(column, 19, (precision, scale)),
        _ => None,
    }
}

fn from_decimal(
    column: &PrimitiveArray<Decimal128Type>,
    scale: i8,
    target: &DataType,
    gives_null: bool,
) -> Result<ArrayRef, ArrowError> {
    match target {
        DataType::Float32 => {
            Ok(Arc::new(column.unary::<_, Float32Type>(|value| decimal_to_text(value, scale).parse().unwrap_or(f32::NAN))))
        }
        DataType::Float16 | DataType::Float64 => {
            let values = column.unary::<_, Float64Type>(|value| decimal_to_double(value, scale));
            arrow_cast::cast(&values, target)
        }
        _ => whole!(target, decimal_to_whole, column, gives_null, scale),
    }
}

fn decimal_to_whole<T: ArrowPrimitiveType>(
    column: &PrimitiveArray<Decimal128Type>,
    gives_null: bool,
    scale: i8,
) -> Result<ArrayRef, ArrowError>
where
    T::Native: TryFrom<i128>,
{
    let power = 10_i128.pow(u32::from(scale.unsigned_abs()));
    let values = each::<_, T>(column, gives_null, |value| {
        let whole = if scale < 0 { value.checked_mul(power) } else { rounded_i128(value, power) };
        let whole = whole.and_then(|whole| T::Native::try_from(whole).ok());
        whole.ok_or_else(|| out_of_range(Decimal128Type::format_decimal(value, 38, scale), &T::DATA_TYPE))
    })?;
    Ok(Arc::new(values))
}

/// The nearest DOUBLE.
fn decimal_to_double(value: i128, scale: i8) -> f64 {
    const EXACT: u128 = 1 << 53;
    // Both parts are exact, so their quotient is rounded once.
    if value.unsigned_abs() <= EXACT && (0..=22).contains(&scale) {
        return value as f64 / 10_f64.powi(i32::from(scale));
    }
    decimal_to_text(value, scale).parse().unwrap_or(f64::NAN)
}

fn decimal_to_text(value: i128, scale: i8) -> String {
    format!("{value}e{}", -i32::from(scale))
}

#[cfg(test)]
mod tests {
    use arrow_array::{Decimal128Array, Float64Array, Int64Array};

    use super::*;

    #[test]
    fn whole_numbers_become_decimals_without_a_check_only_where_all_of_them_fit() {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(i64::MAX), Some(-7)]));
        for (precision, scale, fits) in
            [(20, 0, true), (19, 0, true), (21, 2, true), (20, 2, false), (18, 0, false), (38, -2, false)]
        {
            let target = DataType::Decimal128(precision, scale);
            let fast = widened(&column, &target);
            assert_eq!(fast.is_some(), fits, "{target}");
            if let Some(fast) = fast {
                assert_eq!(&fast, &arrow_cast::cast(&column, &target).unwrap(), "{target}");
            }
        }
    }

    #[test]
    fn a_double_becomes_the_whole_number_next_to_it_and_half_goes_to_even() {
        let column: ArrayRef = Arc::new(Float64Array::from(vec![2.5, 3.5, -2.5, 1.9, -0.4, 1e18]));
        let whole = convert(&column, &DataType::Int64, false).unwrap();
        assert_eq!(whole.as_primitive::<Int64Type>().values(), &[2, 4, -2, 2, 0, 1_000_000_000_000_000_000]);
        for refused in [f64::NAN, f64::INFINITY, 1e19, -1e300] {
            let column: ArrayRef = Arc::new(Float64Array::from(vec![refused]));
            assert!(convert(&column, &DataType::Int64, false).is_err(), "{refused}");
            assert!(convert(&column, &DataType::Int64, true).unwrap().is_null(0), "{refused}");
        }
    }

    #[test]
    fn a_double_becomes_the_decimal_that_people_wrote() {
        let column: ArrayRef = Arc::new(Float64Array::from(vec![1.005, 0.1, -2.675, 1e10]));
        let exact = convert(&column, &DataType::Decimal128(20, 2), false).unwrap();
        assert_eq!(exact.as_primitive::<Decimal128Type>().values(), &[101, 10, -268, 1_000_000_000_000]);
    }

    #[test]
    fn a_decimal_becomes_the_whole_number_next_to_it_and_half_goes_away_from_zero() {
        let column: ArrayRef = Arc::new(Decimal128Array::from(vec![25, -25, 24, 9]).with_precision_and_scale(5, 1).unwrap());
        let whole = convert(&column, &DataType::Int32, false).unwrap();
        assert_eq!(whole.as_primitive::<Int32Type>().values(), &[3, -3, 2, 1]);
        let large: ArrayRef = Arc::new(Decimal128Array::from(vec![40_000]).with_precision_and_scale(5, 0).unwrap());
        assert!(convert(&large, &DataType::Int16, false).is_err());
    }

    #[test]
    fn a_decimal_becomes_the_nearest_double() {
        for (value, scale, wanted) in [(1, 1, 0.1), (123_456_789_012_345_678, 17, 1.234_567_890_123_456_78), (-5, 0, -5.0)] {
            assert_eq!(decimal_to_double(value, scale), wanted);
        }
    }
}
