//! Functions of whole numbers: common divisors, factorials.

use laminar_core::Result;

use super::columns::{Answer, Call, out_of_range};
use super::decimal::{Numeric, same_scale};
use super::kinds::Kind::{Int4, Int8, Numeric as Decimal};
use super::numbers::factorial;
use super::routine::{Gives, Routine, routine};

/// The functions of this family.
pub(super) fn routines() -> Vec<Routine> {
    vec![
        routine("gcd")
            .takes([Int4, Int4], Int4, |call: &Call<'_>| call.map2(|a: i32, b: i32| int4(gcd(a.into(), b.into()))))
            .takes([Int8, Int8], Int8, |call: &Call<'_>| call.map2(|a: i64, b: i64| int8(gcd(a.into(), b.into()))))
            .takes([Decimal, Decimal], Gives::Same(0), |call: &Call<'_>| {
                call.map2(|a, b| of_decimals(a, b, |a, b| Some(gcd(a, b))))
            }),
        routine("lcm")
            .takes([Int4, Int4], Int4, |call: &Call<'_>| {
                call.map2(|a: i32, b: i32| int4(lcm(a.into(), b.into()).unwrap_or(i128::MAX)))
            })
            .takes([Int8, Int8], Int8, |call: &Call<'_>| {
                call.map2(|a: i64, b: i64| int8(lcm(a.into(), b.into()).unwrap_or(i128::MAX)))
            })
            .takes([Decimal, Decimal], Gives::Same(0), |call: &Call<'_>| call.map2(|a, b| of_decimals(a, b, lcm))),
        routine("factorial").takes([Int8], Decimal, |call: &Call<'_>| call.map1(factorial)),
    ]
}

fn gcd(a: i128, b: i128) -> i128 {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    i128::try_from(a).unwrap_or(i128::MAX)
}

fn lcm(a: i128, b: i128) -> Option<i128> {
    if a == 0 || b == 0 {
        return Some(0);
    }
    (a / gcd(a, b)).checked_mul(b)?.checked_abs()
}

fn int4(value: i128) -> Answer<i32> {
    i32::try_from(value).map(Some).map_err(|_| out_of_range("the number is"))
}

fn int8(value: i128) -> Answer<i64> {
    i64::try_from(value).map(Some).map_err(|_| out_of_range("the number is"))
}

fn of_decimals(a: Numeric, b: Numeric, of: fn(i128, i128) -> Option<i128>) -> Result<Option<Numeric>> {
    let (a, b) = same_scale(a, b)?;
    let digits = of(a.digits, b.digits).ok_or_else(|| out_of_range("the number is"))?;
    Ok(Some(Numeric { digits, scale: a.scale }))
}
