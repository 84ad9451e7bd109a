//! Text into numbers, exactly: what does not fit or would lose digits is refused.

use std::str::FromStr;

/// Largest decimal exponent that is looked at; beyond it a number fits no type.
const EXPONENT_MAX: i32 = 400;

/// A whole number. `11.0` and `1e3` are whole too (other tools write integers that way); `1.5` is not.
pub(super) fn parse_integer<N: FromStr + TryFrom<i128>>(text: &str) -> Option<N> {
    let text = text.trim();
    if let Ok(value) = text.parse() {
        return Some(value);
    }
    let number = Digits::parse(text)?;
    N::try_from(number.scaled_exactly(0)?).ok()
}

/// A float; a finite text that overflows to infinity is refused.
pub(super) fn parse_float(text: &str) -> Option<f64> {
    let text = text.trim();
    let value: f64 = text.parse().ok()?;
    let overflowed = value.is_infinite() && text.bytes().any(|byte| byte.is_ascii_digit());
    (!overflowed).then_some(value)
}

/// A number times 10^`scale`, rounded half away from zero as PostgreSQL does, if it has at most `precision` digits.
pub(super) fn parse_decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let value = Digits::parse(text.trim())?.scaled_rounded(i32::from(scale))?;
    let limit = 10_u128.checked_pow(u32::from(precision)).unwrap_or(u128::MAX);
    (value.unsigned_abs() < limit).then_some(value)
}

/// True for a text that would lose its leading zeros as a number (`007`), or a plus sign.
pub(super) fn is_code(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    text.starts_with('+') || (digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0."))
}

/// A decimal number as written: `negative`, `mantissa` × 10^`exponent`.
struct Digits {
    negative: bool,
    mantissa: i128,
    exponent: i32,
}

impl Digits {
    fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (number, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let fraction = fraction.trim_end_matches('0');
        let shown = whole.len() + number.len();
        let only_digits = whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
        if !only_digits || shown == 0 || number == "." || exponent.abs() > EXPONENT_MAX {
            return None;
        }
        let mut mantissa: i128 = 0;
        for digit in whole.bytes().chain(fraction.bytes()) {
            mantissa = mantissa.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
        }
        Some(Self { negative, mantissa, exponent: exponent - i32::try_from(fraction.len()).ok()? })
    }

    /// The number × 10^`scale`, if that is whole.
    fn scaled_exactly(&self, scale: i32) -> Option<i128> {
        let (value, remainder, _) = self.scaled(scale)?;
        (remainder == 0).then_some(value).map(|value| self.signed(value))
    }

    /// The number × 10^`scale`, rounded half away from zero.
    fn scaled_rounded(&self, scale: i32) -> Option<i128> {
        let (value, remainder, divisor) = self.scaled(scale)?;
        let up = i128::from(remainder >= divisor - remainder && remainder > 0);
        Some(self.signed(value + up))
    }

    /// Quotient, remainder and divisor of the unsigned number × 10^`scale`.
    fn scaled(&self, scale: i32) -> Option<(i128, i128, i128)> {
        let shift = self.exponent + scale;
        if self.mantissa == 0 {
            return Some((0, 0, 1));
        }
        if shift >= 0 {
            let factor = 10_i128.checked_pow(shift.unsigned_abs())?;
            return Some((self.mantissa.checked_mul(factor)?, 0, 1));
        }
        match 10_i128.checked_pow(shift.unsigned_abs()) {
            Some(divisor) => Some((self.mantissa / divisor, self.mantissa % divisor, divisor)),
            None => Some((0, 1, 10)),
        }
    }

    fn signed(&self, value: i128) -> i128 {
        if self.negative { -value } else { value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_exact_or_refused() {
        let cases = [
            ("42", Some(42)),
            (" -7 ", Some(-7)),
            ("+7", Some(7)),
            ("11.0", Some(11)),
            ("1e3", Some(1000)),
            ("1.5", None),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("0.0", Some(0)),
            ("1e-400", None),
            ("-0", Some(0)),
            ("", None),
            ("-", None),
            (".", None),
            ("1,000", None),
            ("0x10", None),
            ("NaN", None),
        ];
        for (text, value) in cases {
            assert_eq!(parse_integer::<i64>(text), value, "{text}");
        }
        assert_eq!(parse_integer::<i8>("128"), None);
        assert_eq!(parse_integer::<u8>("-1"), None);
    }

    #[test]
    fn decimals_round_half_away_from_zero() {
        let cases = [
            ("1.005", Some(101)),
            ("-1.005", Some(-101)),
            ("1.004999", Some(100)),
            ("12345.67", None),
            ("999.999", None),
            ("999.99", Some(99_999)),
            ("1e2", Some(10_000)),
            ("1e-30", Some(0)),
            (".5", Some(50)),
            ("5.", Some(500)),
            ("abc", None),
            ("1.2.3", None),
        ];
        for (text, value) in cases {
            assert_eq!(parse_decimal(text, 5, 2), value, "{text}");
        }
    }

    #[test]
    fn floats_overflow_only_when_they_say_infinity() {
        assert_eq!(parse_float("1e400"), None);
        assert_eq!(parse_float("-Infinity"), Some(f64::NEG_INFINITY));
        assert!(parse_float("NaN").is_some_and(f64::is_nan));
        assert_eq!(parse_float("1_000"), None);
    }
}
