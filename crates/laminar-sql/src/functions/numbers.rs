//! Functions of numbers: rounding, powers and logarithms, with PostgreSQL's errors where a result does not exist.
//!
//! Powers, roots and logarithms of a DECIMAL are DOUBLE here; PostgreSQL answers a NUMERIC of about 16 digits.

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use laminar_core::{Error, Result};

use super::columns::{Answer, Call, Read, bad, out_of_range};
use super::decimal::{Numeric, power_of_ten, same_scale};
use super::kinds::Kind::{Double, Int2, Int4, Int8, Numeric as Decimal, Real};
use super::routine::{Constants, Gives, Routine, routine};

/// The functions of this family.
pub(super) fn routines() -> Vec<Routine> {
    let mut all = vec![
        routine("round")
            .takes([Double], Double, |call| call.map1(|x: f64| Ok(Some(x.round_ties_even()))))
            .takes([Decimal], Gives::Typed(whole_type), |call| call.map1(|x: Numeric| x.at_scale(0).map(Some)))
            .takes([Decimal, Int8], Gives::Typed(scaled_type), |call| {
                call.map2(|x: Numeric, digits: i64| rounded(x, digits).map(Some))
            })
            .takes([Int8, Int8], Gives::Typed(scaled_type), |call| {
                call.map2(|x: i64, digits: i64| rounded(of_whole(x), digits).map(Some))
            })
            .takes([Double, Int8], Double, |call| call.map2(|x: f64, digits: i64| Ok(Some(rounded_double(x, digits))))),
        routine("trunc")
            .takes([Double], Double, |call| call.map1(|x: f64| Ok(Some(x.trunc()))))
            .takes([Decimal], Gives::Typed(whole_type), |call| call.map1(|x: Numeric| Ok(Some(x.cut_at(0)))))
            .takes([Decimal, Int8], Gives::Typed(scaled_type), |call| {
                call.map2(|x: Numeric, digits: i64| Ok(Some(x.cut_at(scale_of(digits)))))
            })
            .takes([Int8, Int8], Gives::Typed(scaled_type), |call| {
                call.map2(|x: i64, digits: i64| Ok(Some(of_whole(x).cut_at(scale_of(digits)))))
            }),
        routine("ceil").also("ceiling").takes([Double], Double, |call| call.map1(|x: f64| Ok(Some(x.ceil())))).takes(
            [Decimal],
            Gives::Typed(whole_type),
            |call| call.map1(|x: Numeric| towards(x, 1).map(Some)),
        ),
        routine("floor").takes([Double], Double, |call| call.map1(|x: f64| Ok(Some(x.floor())))).takes(
            [Decimal],
            Gives::Typed(whole_type),
            |call| call.map1(|x: Numeric| towards(x, -1).map(Some)),
        ),
        routine("abs")
            .takes([Int2], Int2, |call| {
                call.map1(|x: i16| x.checked_abs().map(Some).ok_or_else(|| out_of_range("the number is")))
            })
            .takes([Int4], Int4, |call| {
                call.map1(|x: i32| x.checked_abs().map(Some).ok_or_else(|| out_of_range("the number is")))
            })
            .takes([Int8], Int8, |call| {
                call.map1(|x: i64| x.checked_abs().map(Some).ok_or_else(|| out_of_range("the number is")))
            })
            .takes([Real], Real, |call| call.map1(|x: f32| Ok(Some(x.abs()))))
            .takes([Double], Double, |call| call.map1(|x: f64| Ok(Some(x.abs()))))
            .takes([Decimal], Gives::Same(0), |call| {
                call.map1(|x: Numeric| Ok(Some(Numeric { digits: x.digits.wrapping_abs(), ..x })))
            }),
        routine("sign")
            .also("signum")
            .takes([Double], Double, |call| {
                call.map1(|x: f64| Ok(Some(if x == 0.0 || x.is_nan() { x + 0.0 } else { x.signum() })))
            })
            .takes([Decimal], Gives::Typed(whole_type), |call| {
                call.map1(|x: Numeric| Ok(Some(Numeric { digits: x.digits.signum(), scale: 0 })))
            }),
        routine("scale").takes([Decimal], Int4, |call| call.map1(|x: Numeric| Ok(Some(x.scale)))),
        routine("min_scale").takes([Decimal], Int4, |call| call.map1(|x: Numeric| Ok(Some(min_scale(x))))),
        routine("power").also("pow").takes([Double, Double], Double, |call| call.map2(power)),
        routine("log").takes([Double], Double, |call| call.map1(|x: f64| logarithm(x, f64::log10))).takes(
            [Double, Double],
            Double,
            |call| call.map2(log_of_base),
        ),
        routine("width_bucket").takes([Double, Double, Double, Int8], Int4, |call| call.map4(bucket_of_double)).takes(
            [Decimal, Decimal, Decimal, Int8],
            Int4,
            |call| call.map4(bucket_of_decimal),
        ),
        routine("mod")
            .takes([Int2, Int2], Int2, |call| remainder(call, i16::checked_rem, 0))
            .takes([Int4, Int4], Int4, |call| remainder(call, i32::checked_rem, 0))
            .takes([Int8, Int8], Int8, |call| remainder(call, i64::checked_rem, 0))
            .takes([Decimal, Decimal], Gives::Typed(remainder_type), |call| call.map2(decimal_remainder)),
        routine("div").takes([Decimal, Decimal], Gives::Typed(quotient_type), |call| call.map2(quotient)),
    ];
    all.extend(REAL_FUNCTIONS.iter().map(|(name, run)| routine(name).takes([Double], Double, *run)));
    all
}

type Run = fn(&Call<'_>) -> Result<ArrayRef>;

/// Functions of one real number that are not defined everywhere.
const REAL_FUNCTIONS: &[(&str, Run)] = &[
    ("sqrt", |call| {
        call.map1(|x: f64| if x < 0.0 { Err(bad("a negative number has no square root")) } else { Ok(Some(x.sqrt())) })
    }),
    ("exp", |call| call.map1(|x: f64| in_range(x.exp(), x.is_finite(), false))),
    ("ln", |call| call.map1(|x: f64| logarithm(x, f64::ln))),
    ("log10", |call| call.map1(|x: f64| logarithm(x, f64::log10))),
    ("log2", |call| call.map1(|x: f64| logarithm(x, f64::log2))),
    ("sin", |call| call.map1(|x: f64| of_angle(x, f64::sin))),
    ("cos", |call| call.map1(|x: f64| of_angle(x, f64::cos))),
    ("tan", |call| call.map1(|x: f64| of_angle(x, f64::tan))),
    ("cot", |call| call.map1(|x: f64| of_angle(x, |x| 1.0 / x.tan()))),
    ("asin", |call| call.map1(|x: f64| within(x, -1.0, 1.0, f64::asin))),
    ("acos", |call| call.map1(|x: f64| within(x, -1.0, 1.0, f64::acos))),
    ("acosh", |call| call.map1(|x: f64| within(x, 1.0, f64::INFINITY, f64::acosh))),
    ("atanh", |call| call.map1(|x: f64| within(x, -1.0, 1.0, f64::atanh))),
    ("cosh", |call| call.map1(|x: f64| Ok(Some(x.cosh())))),
];

fn of_whole(x: i64) -> Numeric {
    Numeric { digits: x.into(), scale: 0 }
}

fn scale_of(digits: i64) -> i32 {
    i32::try_from(digits.clamp(-100, 38)).unwrap_or(0)
}

/// Rounded to so many digits behind the point, or in front of it.
fn rounded(x: Numeric, digits: i64) -> Result<Numeric> {
    let scale = scale_of(digits);
    // More digits than there are change nothing.
    if scale >= x.scale { Ok(x) } else { x.at_scale(scale) }
}

/// A double is rounded as it is printed: to the nearest of the numbers with so many digits.
fn rounded_double(x: f64, digits: i64) -> f64 {
    if digits >= 0 {
        return format!("{x:.*}", usize::try_from(digits.min(400)).unwrap_or(0)).parse().unwrap_or(x);
    }
    let unit = 10f64.powi(i32::try_from(-digits).unwrap_or(i32::MAX));
    let all = (x / unit).round_ties_even() * unit;
    if all.is_finite() { all } else { 0.0 }
}

/// The next whole number above (1) or below (-1).
fn towards(x: Numeric, direction: i128) -> Result<Numeric> {
    let whole = x.cut_at(0);
    let is_exact = whole.at_scale(x.scale)? == x || x.digits == 0;
    let away = if !is_exact && x.digits.signum() == direction { direction } else { 0 };
    Ok(Numeric { digits: whole.digits + away, scale: 0 })
}

fn min_scale(x: Numeric) -> i32 {
    let (mut digits, mut scale) = (x.digits, x.scale);
    while scale > 0 && digits % 10 == 0 {
        (digits, scale) = (digits / 10, scale - 1);
    }
    scale.max(0)
}

fn parts(data_type: &DataType) -> (u8, i8) {
    match data_type {
        DataType::Decimal128(precision, scale) => (*precision, *scale),
        _ => (19, 0),
    }
}

fn whole_type(types: &[DataType], _: &Constants<'_>) -> Result<DataType> {
    let (precision, scale) = parts(&types[0]);
    let whole = i16::from(precision) - i16::from(scale) + 1;
    Ok(DataType::Decimal128(u8::try_from(whole.clamp(1, 38)).unwrap_or(38), 0))
}

/// The digits behind the point are those asked for, if that is a constant.
fn scaled_type(types: &[DataType], constants: &Constants<'_>) -> Result<DataType> {
    let (precision, scale) = parts(&types[0]);
    let asked = constants.get(1).copied().flatten().and_then(|value| value.cast_to(&DataType::Int64).ok());
    let digits = match asked {
        Some(datafusion::common::ScalarValue::Int64(Some(digits))) => i8::try_from(digits.clamp(0, 38)).unwrap_or(38),
        _ => scale,
    };
    let whole = i16::from(precision) - i16::from(scale) + 1;
    let digits = i16::from(digits).min(38 - whole.min(38)).max(i16::from(digits.min(scale)));
    let precision = u8::try_from((whole + digits).clamp(1, 38)).unwrap_or(38);
    Ok(DataType::Decimal128(precision, i8::try_from(digits.min(38)).unwrap_or(0)))
}

fn remainder_type(types: &[DataType], _: &Constants<'_>) -> Result<DataType> {
    let ((p1, s1), (p2, s2)) = (parts(&types[0]), parts(&types[1]));
    let scale = s1.max(s2);
    let whole = (i16::from(p1) - i16::from(s1)).max(i16::from(p2) - i16::from(s2));
    Ok(DataType::Decimal128(u8::try_from((whole + i16::from(scale)).clamp(1, 38)).unwrap_or(38), scale))
}

fn quotient_type(_: &[DataType], _: &Constants<'_>) -> Result<DataType> {
    Ok(DataType::Decimal128(38, 0))
}

fn division_by_zero() -> Error {
    bad("division by zero")
}

fn remainder<'c, T: Read<'c> + super::columns::Give + Copy + PartialEq>(
    call: &'c Call<'_>,
    rem: fn(T, T) -> Option<T>,
    zero: T,
) -> Result<ArrayRef> {
    call.map2(|a: T, b: T| {
        if b == zero {
            return Err(division_by_zero());
        }
        // The one remainder that overflows is that of the least number by -1: nothing is left.
        Ok(Some(rem(a, b).unwrap_or(zero)))
    })
}

fn decimal_remainder(a: Numeric, b: Numeric) -> Answer<Numeric> {
    let (a, b) = same_scale(a, b)?;
    match a.digits.checked_rem(b.digits) {
        Some(digits) => Ok(Some(Numeric { digits, scale: a.scale })),
        None => Err(division_by_zero()),
    }
}

fn quotient(a: Numeric, b: Numeric) -> Answer<Numeric> {
    let (a, b) = same_scale(a, b)?;
    match a.digits.checked_div(b.digits) {
        Some(digits) => Ok(Some(Numeric { digits, scale: 0 })),
        None => Err(division_by_zero()),
    }
}

/// The result, unless it is infinite or zero only because a double cannot hold it.
fn in_range(result: f64, is_finite: bool, may_be_zero: bool) -> Answer<f64> {
    if is_finite && result.is_infinite() {
        return Err(out_of_range("the number is").with_detail("it is larger than a DOUBLE can be"));
    }
    if is_finite && result == 0.0 && !may_be_zero {
        return Err(out_of_range("the number is").with_detail("it is smaller than a DOUBLE can be"));
    }
    Ok(Some(result))
}

fn power(base: f64, exponent: f64) -> Answer<f64> {
    if base == 0.0 && exponent < 0.0 {
        return Err(bad("zero has no negative powers"));
    }
    if base < 0.0 && base.is_finite() && exponent.is_finite() && exponent.fract() != 0.0 {
        return Err(bad("a negative number has whole powers only"));
    }
    in_range(base.powf(exponent), base.is_finite() && exponent.is_finite(), base == 0.0)
}

fn logarithm(x: f64, log: fn(f64) -> f64) -> Answer<f64> {
    if x == 0.0 {
        return Err(bad("zero has no logarithm"));
    }
    if x < 0.0 {
        return Err(bad("a negative number has no logarithm"));
    }
    Ok(Some(log(x)))
}

fn log_of_base(base: f64, x: f64) -> Answer<f64> {
    logarithm(base, f64::ln)?;
    logarithm(x, f64::ln)?;
    if base == 1.0 {
        return Err(division_by_zero());
    }
    // Logarithms to 2 and 10 of whole powers are whole.
    Ok(Some(match base {
        2.0 => x.log2(),
        10.0 => x.log10(),
        base => x.ln() / base.ln(),
    }))
}

fn of_angle(x: f64, of: fn(f64) -> f64) -> Answer<f64> {
    if x.is_infinite() { Err(bad("an angle is finite")) } else { Ok(Some(of(x))) }
}

pub(super) fn within(x: f64, low: f64, high: f64, of: fn(f64) -> f64) -> Answer<f64> {
    if x < low || x > high {
        return Err(out_of_range("the argument is"));
    }
    Ok(Some(of(x)))
}

fn buckets(count: i64) -> Result<i32> {
    i32::try_from(count).ok().filter(|count| *count > 0).ok_or_else(|| bad("the number of buckets has to be greater than zero"))
}

fn bucket_of_double(x: f64, low: f64, high: f64, count: i64) -> Answer<i32> {
    let count = buckets(count)?;
    if x.is_nan() || !low.is_finite() || !high.is_finite() {
        return Err(bad("the bounds of buckets are finite, and NaN is in none"));
    }
    if low == high {
        return Err(bad("the bounds of buckets cannot be equal"));
    }
    let (x, low, high) = if low > high { (-x, -low, -high) } else { (x, low, high) };
    Ok(Some(if x < low {
        0
    } else if x >= high {
        count.checked_add(1).ok_or_else(|| out_of_range("the bucket is"))?
    } else {
        ((f64::from(count) * ((x - low) / (high - low))) as i32 + 1).min(count)
    }))
}

fn bucket_of_decimal(x: Numeric, low: Numeric, high: Numeric, count: i64) -> Answer<i32> {
    let count = buckets(count)?;
    let scale = x.scale.max(low.scale).max(high.scale);
    let (x, low, high) = (x.at_scale(scale)?.digits, low.at_scale(scale)?.digits, high.at_scale(scale)?.digits);
    if low == high {
        return Err(bad("the bounds of buckets cannot be equal"));
    }
    let (x, low, high) = if low > high { (-x, -low, -high) } else { (x, low, high) };
    Ok(Some(if x < low {
        0
    } else if x >= high {
        count.checked_add(1).ok_or_else(|| out_of_range("the bucket is"))?
    } else {
        let scaled = (x - low).checked_mul(count.into()).ok_or_else(|| out_of_range("the bucket is"))?;
        i32::try_from(scaled / (high - low) + 1).unwrap_or(count)
    }))
}

/// Factorials as decimals: 33! is the last that 38 digits hold.
pub(super) fn factorial(n: i64) -> Answer<Numeric> {
    if n < 0 {
        return Err(bad("a negative number has no factorial"));
    }
    let all = (1..=i128::from(n.min(40))).try_fold(1i128, i128::checked_mul);
    let bound = power_of_ten(38);
    match all.filter(|all| n <= 33 && bound.is_some_and(|bound| *all < bound)) {
        Some(digits) => Ok(Some(Numeric { digits, scale: 0 })),
        None => Err(out_of_range("the number is").with_detail("33! is the largest that a DECIMAL holds")),
    }
}
