//! Trigonometry in degrees, exact at the angles whose values everybody knows.

use arrow_array::ArrayRef;
use laminar_core::Result;

use super::columns::{Answer, Call, bad, out_of_range};
use super::kinds::Kind::Double;
use super::routine::{Routine, routine};

/// The functions of this family.
pub(super) fn routines() -> Vec<Routine> {
    let atan2d =
        routine("atan2d").takes([Double, Double], Double, |call: &Call<'_>| call.map2(|y: f64, x: f64| Ok(Some(atan2d(y, x)))));
    FUNCTIONS.iter().map(|(name, run)| routine(name).takes([Double], Double, *run)).chain([atan2d]).collect()
}

type Run = fn(&Call<'_>) -> Result<ArrayRef>;

const FUNCTIONS: &[(&str, Run)] = &[
    ("sind", |call| call.map1(|x: f64| of_angle(x, sind))),
    ("cosd", |call| call.map1(|x: f64| of_angle(x, cosd))),
    ("tand", |call| call.map1(|x: f64| of_angle(x, |x| sind(x) / cosd(x) + 0.0))),
    ("cotd", |call| call.map1(|x: f64| of_angle(x, |x| cosd(x) / sind(x) + 0.0))),
    ("asind", |call| call.map1(|x: f64| of_ratio(x, asind))),
    ("acosd", |call| call.map1(|x: f64| of_ratio(x, acosd))),
    ("atand", |call| call.map1(|x: f64| Ok(Some(atand(x))))),
];

fn of_angle(x: f64, of: fn(f64) -> f64) -> Answer<f64> {
    if x.is_infinite() { Err(bad("an angle is finite")) } else { Ok(Some(of(x))) }
}

fn of_ratio(x: f64, of: fn(f64) -> f64) -> Answer<f64> {
    if x.abs() > 1.0 { Err(out_of_range("the argument is")) } else { Ok(Some(of(x))) }
}

/// The sine of an angle between 0 and 90 degrees: scaled so that it is a half at 30 and one at 90.
fn sine_of_quarter(x: f64) -> f64 {
    if x <= 30.0 { x.to_radians().sin() / 30f64.to_radians().sin() / 2.0 } else { cosine_of_sixty(90.0 - x) }
}

/// The cosine of an angle between 0 and 60 degrees: exactly a half at 60.
fn cosine_of_sixty(x: f64) -> f64 {
    let missing = 1.0 - x.to_radians().cos();
    1.0 - missing / (1.0 - 60f64.to_radians().cos()) / 2.0
}

fn cosine_of_quarter(x: f64) -> f64 {
    if x <= 60.0 { cosine_of_sixty(x) } else { sine_of_quarter(90.0 - x) }
}

fn sind(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    let mut sign = 1.0;
    let mut x = x % 360.0;
    if x < 0.0 {
        (x, sign) = (-x, -sign);
    }
    if x > 180.0 {
        (x, sign) = (360.0 - x, -sign);
    }
    sign * sine_of_quarter(if x > 90.0 { 180.0 - x } else { x })
}

fn cosd(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    let mut x = (x % 360.0).abs();
    if x > 180.0 {
        x = 360.0 - x;
    }
    if x > 90.0 { -cosine_of_quarter(180.0 - x) } else { cosine_of_quarter(x) }
}

fn asind(x: f64) -> f64 {
    let angle = |x: f64| {
        if x <= 0.5 { x.asin() / 0.5f64.asin() * 30.0 } else { 90.0 - x.acos() / 0.5f64.acos() * 60.0 }
    };
    if x < 0.0 { -angle(-x) } else { angle(x) }
}

fn acosd(x: f64) -> f64 {
    let angle = |x: f64| {
        if x <= 0.5 { 90.0 - x.asin() / 0.5f64.asin() * 30.0 } else { x.acos() / 0.5f64.acos() * 60.0 }
    };
    if x < 0.0 { 90.0 + (90.0 - angle(-x)) } else { angle(x) }
}

fn atand(x: f64) -> f64 {
    x.atan() / 1f64.atan() * 45.0
}

fn atan2d(y: f64, x: f64) -> f64 {
    y.atan2(x) / 1f64.atan() * 45.0
}
