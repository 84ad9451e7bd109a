//! A decimal of at most 38 digits, with its scale.

use laminar_core::Result;

use super::columns::out_of_range;

/// `digits` divided by ten to the power of `scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Numeric {
    pub(super) digits: i128,
    pub(super) scale: i32,
}

/// Ten to the power of `exponent`, up to 38.
pub(super) fn power_of_ten(exponent: i32) -> Option<i128> {
    10i128.checked_pow(u32::try_from(exponent).ok()?)
}

impl Numeric {
    /// The digits at another scale; half is rounded away from zero.
    pub(super) fn at_scale(self, scale: i32) -> Result<Self> {
        let overflow = || out_of_range("the number is");
        if scale >= self.scale {
            let factor = power_of_ten(scale - self.scale);
            let digits = if self.digits == 0 { Some(0) } else { factor.and_then(|factor| self.digits.checked_mul(factor)) };
            return Ok(Numeric { digits: digits.ok_or_else(overflow)?, scale });
        }
        // What lies beyond 38 digits is zero, and rounds to it.
        let Some(factor) = power_of_ten(self.scale - scale) else { return Ok(Numeric { digits: 0, scale }) };
        let (whole, rest) = (self.digits / factor, self.digits % factor);
        let away = if rest.unsigned_abs() >= factor.unsigned_abs() - rest.unsigned_abs() { self.digits.signum() } else { 0 };
        Ok(Numeric { digits: whole + away, scale })
    }

    /// Cut off behind `scale` digits.
    pub(super) fn cut_at(self, scale: i32) -> Self {
        if scale >= self.scale {
            return self;
        }
        match power_of_ten(self.scale - scale) {
            Some(factor) => Numeric { digits: self.digits / factor, scale },
            None => Numeric { digits: 0, scale },
        }
    }

    /// The digits as a column of type DECIMAL(precision, scale) holds them.
    pub(super) fn fit(self, precision: u8, scale: i32) -> Result<i128> {
        let digits = self.at_scale(scale)?.digits;
        let bound = power_of_ten(i32::from(precision));
        match bound {
            Some(bound) if digits.unsigned_abs() >= bound.unsigned_abs() => Err(out_of_range("the number is")),
            _ => Ok(digits),
        }
    }

    /// The nearest double.
    pub(super) fn to_double(self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }
}

impl std::fmt::Display for Numeric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.digits < 0 { "-" } else { "" };
        let digits = self.digits.unsigned_abs().to_string();
        let Ok(scale) = usize::try_from(self.scale) else {
            let zeros = "0".repeat(self.scale.unsigned_abs() as usize);
            return write!(f, "{sign}{digits}{}", if self.digits == 0 { "" } else { &zeros });
        };
        let digits = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let dot = if scale == 0 { "" } else { "." };
        write!(f, "{sign}{whole}{dot}{fraction}")
    }
}

/// Both values at the larger of their scales.
pub(super) fn same_scale(a: Numeric, b: Numeric) -> Result<(Numeric, Numeric)> {
    let scale = a.scale.max(b.scale);
    Ok((a.at_scale(scale)?, b.at_scale(scale)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(digits: i128, scale: i32) -> Numeric {
        Numeric { digits, scale }
    }

    #[test]
    fn half_is_rounded_away_from_zero() {
        let check = |from: Numeric, scale, digits| assert_eq!(from.at_scale(scale).unwrap(), of(digits, scale));
        check(of(25, 1), 0, 3);
        check(of(-25, 1), 0, -3);
        check(of(24, 1), 0, 2);
        check(of(125, 0), -1, 13);
        check(of(1, 0), 3, 1000);
        check(of(i128::MAX, 38), 0, 2);
        check(of(7, 50), 0, 0);
        assert!(of(i128::MAX, 0).at_scale(1).is_err());
    }

    #[test]
    fn digits_are_printed_with_their_point() {
        let check = |value: Numeric, text: &str| assert_eq!(value.to_string(), text);
        check(of(12345, 2), "123.45");
        check(of(-5, 3), "-0.005");
        check(of(0, 2), "0.00");
        check(of(12, -2), "1200");
        check(of(0, -2), "0");
    }
}
