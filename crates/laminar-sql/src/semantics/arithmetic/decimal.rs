//! DECIMAL: exact, checked against the precision of the result; quotients are rounded half away from zero.

use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_array::{Array, ArrayRef, Datum, Decimal128Array, new_null_array};
use arrow_buffer::i256;
use arrow_schema::{ArrowError, DataType};
use datafusion::arrow::compute::kernels::arity::{binary, try_binary};
use datafusion::common::Result;
use laminar_core::{Code, Error};

use super::{ArithmeticOp, IntoExternal, rows_of};

/// The largest precision of a DECIMAL.
pub(in crate::semantics) const MAX_PRECISION: u8 = 38;
/// A quotient has at least so many digits after the point, if there is room for them (PostgreSQL gives 16 significant ones).
const QUOTIENT_SCALE: i16 = 16;

/// Precision and scale of `left op right`.
pub(super) fn result_type(op: ArithmeticOp, left: (u8, i8), right: (u8, i8)) -> (u8, i8) {
    let ((p1, s1), (p2, s2)) = (wide(left), wide(right));
    let whole = (p1 - s1).max(p2 - s2);
    let scale = s1.max(s2);
    match op {
        ArithmeticOp::Add | ArithmeticOp::Subtract => narrow(whole + scale + 1, scale),
        ArithmeticOp::Multiply => narrow(p1 + p2, s1 + s2),
        ArithmeticOp::Modulo => narrow(whole + scale, scale),
        ArithmeticOp::Divide => quotient_type((p1, s1), s2),
    }
}

/// The type of a number of digits `dividend` divided by one with `divisor_scale` digits after the point.
fn quotient_type((precision, scale): (i16, i16), divisor_scale: i16) -> (u8, i8) {
    let whole = precision - scale + divisor_scale;
    let room = (i16::from(MAX_PRECISION) - whole).max(0);
    let scale = scale.max(divisor_scale).max(QUOTIENT_SCALE.min(room));
    narrow(whole + scale, scale)
}

fn wide((precision, scale): (u8, i8)) -> (i16, i16) {
    (i16::from(precision), i16::from(scale))
}

fn narrow(precision: i16, scale: i16) -> (u8, i8) {
    let max = i16::from(MAX_PRECISION);
    (precision.clamp(1, max) as u8, scale.clamp(0, max) as i8)
}

/// `left op right` with the precision and scale of `result`.
pub(super) fn compute(op: ArithmeticOp, left: &dyn Datum, right: &dyn Datum, result: (u8, i8)) -> Result<ArrayRef> {
    let ((left_array, left_single), (right_array, right_single)) = (left.get(), right.get());
    let (left_array, right_array) = (left_array.as_primitive::<Decimal128Type>(), right_array.as_primitive::<Decimal128Type>());
    let compute = Computation::new(op, left_array.scale(), right_array.scale(), result);
    if op == ArithmeticOp::Multiply
        && compute.surplus == 0
        && let Some(products) = small_products((left_array, left_single), (right_array, right_single), compute.limit)
    {
        return Ok(std::sync::Arc::new(products.with_precision_and_scale(result.0, result.1)?));
    }
    let values: Decimal128Array = match (left_single, right_single) {
        (false, true) if right_array.is_null(0) => return Ok(all_null(left, right, result)),
        (true, false) if left_array.is_null(0) => return Ok(all_null(left, right, result)),
        (false, true) => left_array.try_unary(|left| compute.of(left, right_array.value(0)))?,
        (true, false) => right_array.try_unary(|right| compute.of(left_array.value(0), right))?,
        _ => try_binary(left_array, right_array, |left, right| compute.of(left, right))?,
    };
    Ok(std::sync::Arc::new(values.with_precision_and_scale(result.0, result.1)?))
}

/// The products of numbers of 64 bits, none of which can reach `limit`: nothing has to be checked row by row. `None`: it is not so.
fn small_products(left: (&Decimal128Array, bool), right: (&Decimal128Array, bool), limit: i128) -> Option<Decimal128Array> {
    let ((left, left_single), (right, right_single)) = (left, right);
    let (a, b) = (largest(left)?, largest(right)?);
    if u128::from(a) * u128::from(b) >= limit.unsigned_abs() {
        return None;
    }
    // All fit into 64 bits, and the processor multiplies those to 128 bits at once.
    let product = |a: i128, b: i128| i128::from(a as i64) * i128::from(b as i64);
    match (left_single, right_single) {
        (false, true) if right.is_valid(0) => Some(left.unary(|value| product(value, right.value(0)))),
        (true, false) if left.is_valid(0) => Some(right.unary(|value| product(left.value(0), value))),
        (false, false) => binary(left, right, product).ok(),
        _ => None,
    }
}

/// The largest size of a value, if all have at most 63 bits.
fn largest(array: &Decimal128Array) -> Option<u64> {
    let mut all = 0_u64;
    let mut fit = true;
    for value in array.values() {
        let low = *value as i64;
        fit &= i128::from(low) == *value;
        all |= low.unsigned_abs();
    }
    // The bits of all values together are at least as large as each of them.
    (fit && all <= i64::MAX as u64).then_some(all)
}

fn all_null(left: &dyn Datum, right: &dyn Datum, (precision, scale): (u8, i8)) -> ArrayRef {
    new_null_array(&DataType::Decimal128(precision, scale), rows_of(left, right))
}

/// One operator between numbers of given scales.
struct Computation {
    op: ArithmeticOp,
    /// What each operand is multiplied by first.
    left_factor: i128,
    right_factor: i128,
    /// What a product is divided by.
    surplus: u32,
    /// The result is below this.
    limit: i128,
    result: (u8, i8),
}

impl Computation {
    fn new(op: ArithmeticOp, left: i8, right: i8, result: (u8, i8)) -> Self {
        let common = left.max(right);
        let power = |digits: i8| 10_i128.pow(u32::from(digits.unsigned_abs()));
        let (left_digits, right_digits, surplus) = match op {
            ArithmeticOp::Multiply => (0, 0, (i16::from(left) + i16::from(right) - i16::from(result.1)).max(0)),
            // The dividend is brought to the scale of the quotient and the divisor together.
            ArithmeticOp::Divide => (result.1 - left + right, 0, 0),
            _ => (common - left, common - right, 0),
        };
        // The dividend's factor can be above ten to the 38th: that is left to `quotient`.
        let left_factor = if op == ArithmeticOp::Divide { i128::from(left_digits) } else { power(left_digits) };
        Self {
            op,
            left_factor,
            right_factor: power(right_digits),
            surplus: surplus as u32,
            limit: 10_i128.pow(u32::from(result.0)),
            result,
        }
    }

    fn of(&self, left: i128, right: i128) -> Result<i128, ArrowError> {
        let value = match self.op {
            ArithmeticOp::Add => self.both(left, right).and_then(|(left, right)| left.checked_add(right)),
            ArithmeticOp::Subtract => self.both(left, right).and_then(|(left, right)| left.checked_sub(right)),
            ArithmeticOp::Modulo if right == 0 => return Err(ArrowError::DivideByZero),
            ArithmeticOp::Modulo => self.both(left, right).map(|(left, right)| left % right),
            ArithmeticOp::Multiply => product(left, right, self.surplus),
            ArithmeticOp::Divide if right == 0 => return Err(ArrowError::DivideByZero),
            ArithmeticOp::Divide => quotient(left, right, self.left_factor as u32),
        };
        match value {
            Some(value) if -self.limit < value && value < self.limit => Ok(value),
            _ => Err(out_of_range(self.result)),
        }
    }

    fn both(&self, left: i128, right: i128) -> Option<(i128, i128)> {
        Some((left.checked_mul(self.left_factor)?, right.checked_mul(self.right_factor)?))
    }
}

/// The error of a number that `DECIMAL(precision, scale)` does not hold.
fn out_of_range((precision, scale): (u8, i8)) -> ArrowError {
    let error = Error::new(Code::Arithmetic, format!("DECIMAL({precision},{scale}) out of range"));
    match error.into_external() {
        datafusion::common::DataFusionError::External(error) => ArrowError::ExternalError(error),
        other => ArrowError::ComputeError(other.to_string()),
    }
}

/// `left * right / 10^surplus`, rounded.
fn product(left: i128, right: i128, surplus: u32) -> Option<i128> {
    match (left.checked_mul(right), surplus) {
        (Some(product), 0) => Some(product),
        (None, 0) => None,
        _ => rounded(i256::from_i128(left).checked_mul(i256::from_i128(right))?, power_of_ten(surplus)?),
    }
}

/// `left * 10^digits / right`, rounded.
fn quotient(left: i128, right: i128, digits: u32) -> Option<i128> {
    let scaled = 10_i128.checked_pow(digits).and_then(|power| left.checked_mul(power));
    match scaled {
        Some(dividend) => rounded_i128(dividend, right),
        None => rounded(i256::from_i128(left).checked_mul(power_of_ten(digits)?)?, i256::from_i128(right)),
    }
}

fn power_of_ten(digits: u32) -> Option<i256> {
    i256::from_i128(10).checked_pow(digits)
}

/// `dividend / divisor`, rounded half away from zero.
pub(in crate::semantics) fn rounded_i128(dividend: i128, divisor: i128) -> Option<i128> {
    let (whole, rest) = (dividend.checked_div(divisor)?, dividend.checked_rem(divisor)?);
    let away = if rest.unsigned_abs() >= divisor.unsigned_abs() - rest.unsigned_abs() { 1 } else { 0 };
    let away = if (dividend < 0) == (divisor < 0) { away } else { -away };
    whole.checked_add(if rest == 0 { 0 } else { away })
}

fn rounded(dividend: i256, divisor: i256) -> Option<i128> {
    let (whole, rest) = (dividend.checked_div(divisor)?, dividend.checked_rem(divisor)?);
    let (rest_size, size) = (rest.checked_abs()?, divisor.checked_abs()?);
    let whole = whole.to_i128()?;
    if rest == i256::ZERO || rest_size < size.checked_sub(rest_size)? {
        return Some(whole);
    }
    whole.checked_add(if (dividend < i256::ZERO) == (divisor < i256::ZERO) { 1 } else { -1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(op: ArithmeticOp, left: (i128, u8, i8), right: (i128, u8, i8), wanted: Option<(i128, u8, i8)>) {
        let column = |(value, precision, scale)| {
            Decimal128Array::from(vec![value]).with_precision_and_scale(precision, scale).expect("it fits")
        };
        let result = result_type(op, (left.1, left.2), (right.1, right.2));
        let got = compute(op, &column(left), &column(right), result).ok();
        let got = got.map(|array| (array.as_primitive::<Decimal128Type>().value(0), result.0, result.1));
        assert_eq!(got, wanted, "{left:?} {op:?} {right:?}");
    }

    #[test]
    fn sums_products_and_remainders_are_exact() {
        use ArithmeticOp::*;
        check(Add, (110, 10, 2), (1, 3, 3), Some((1101, 12, 3)));
        check(Subtract, (110, 10, 2), (1, 3, 3), Some((1099, 12, 3)));
        check(Multiply, (110, 10, 2), (11, 2, 1), Some((1210, 12, 3)));
        check(Modulo, (-105, 4, 1), (3, 1, 0), Some((-15, 4, 1)));
    }

    #[test]
    fn quotients_are_rounded_half_away_from_zero() {
        use ArithmeticOp::*;
        check(Divide, (5, 1, 0), (3, 1, 0), Some((1_6666666666666667, 17, 16)));
        check(Divide, (-5, 1, 0), (3, 1, 0), Some((-1_6666666666666667, 17, 16)));
        check(Divide, (10, 2, 0), (4, 1, 0), Some((2_5000000000000000, 18, 16)));
        check(Divide, (1, 1, 0), (0, 1, 0), None);
        for (dividend, divisor, wanted) in [(5, 2, 3), (-5, 2, -3), (5, -2, -3), (-5, -2, 3), (7, 3, 2), (8, 3, 3), (0, 3, 0)] {
            assert_eq!(rounded_i128(dividend, divisor), Some(wanted), "{dividend} / {divisor}");
            assert_eq!(rounded(i256::from_i128(dividend), i256::from_i128(divisor)), Some(wanted), "{dividend} / {divisor}");
        }
    }

    #[test]
    fn products_of_small_numbers_are_those_that_are_checked_one_by_one() {
        let column = |values: &[Option<i128>], precision| {
            values.iter().copied().collect::<Decimal128Array>().with_precision_and_scale(precision, 0).expect("it fits")
        };
        let left = column(&[Some(0), Some(-7), None, Some(9_223_372_036_854_775_807), Some(-12), Some(1)], 20);
        for (factor, is_fast) in
            [(908, true), (-1, true), (i128::from(i64::MIN), false), (10_i128.pow(18) - 1, true), (10_i128.pow(20), false)]
        {
            let right = column(&[Some(factor)], 38);
            assert_eq!(small_products((&left, false), (&right, true), 10_i128.pow(38)).is_some(), is_fast, "{factor}");
            let product = compute(ArithmeticOp::Multiply, &left, &arrow_array::Scalar::new(right), (38, 0));
            let expected: Option<Vec<_>> =
                left.iter().map(|value| value.map_or(Some(None), |v| v.checked_mul(factor).map(Some))).collect();
            let expected = expected.filter(|all| all.iter().flatten().all(|v| v.abs() < 10_i128.pow(38)));
            let got = product.ok().map(|array| array.as_primitive::<Decimal128Type>().iter().collect::<Vec<_>>());
            assert_eq!(got, expected, "{factor}");
        }
        // Too many digits for the result, however small they are for the processor.
        assert!(small_products((&left, false), (&left, false), 10_i128.pow(10)).is_none());
    }

    #[test]
    fn what_needs_more_digits_than_there_are_is_an_error() {
        use ArithmeticOp::*;
        let nines = 10_i128.pow(38) - 1;
        check(Add, (nines, 38, 0), (1, 1, 0), None);
        check(Subtract, (-nines, 38, 0), (1, 1, 0), None);
        check(Multiply, (12_345_678_901_234_567_891, 20, 4), (12_345_678_901_234_567_891, 20, 4), None);
        check(Multiply, (25_000, 20, 4), (25_000, 20, 4), Some((625_000_000, 38, 8)));
        check(Divide, (nines, 38, 0), (1, 3, 3), None);
    }
}
