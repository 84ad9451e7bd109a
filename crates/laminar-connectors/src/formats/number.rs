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

/// A float; a finite text that overflows to infinity or underflows to zero is refused.
pub(super) fn parse_float(text: &str) -> Option<f64> {
    let text = text.trim();
    let value: f64 = text.parse().ok()?;
    let fits = if value == 0.0 { is_zero(text) } else { value.is_finite() || !has_digits(text) };
    fits.then_some(value)
}

/// A float of half the width, rounded once.
pub(super) fn parse_real(text: &str) -> Option<f32> {
    let text = text.trim();
    let value: f32 = text.parse().ok()?;
    let fits = if value == 0.0 { is_zero(text) } else { value.is_finite() || !has_digits(text) };
    fits.then_some(value)
}

fn is_zero(text: &str) -> bool {
    text.bytes().take_while(|byte| !matches!(byte, b'e' | b'E')).all(|byte| !matches!(byte, b'1'..=b'9'))
}

/// Distinguishes a number from the word `Infinity`.
fn has_digits(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
}

/// Whether a DOUBLE keeps every digit of a number: written with as many digits, it is the same number again. So 0.30000000000000004
/// is kept, and 9007199254740993 is not.
pub(super) fn keeps_digits(text: &str, value: f64) -> bool {
    let text = text.trim();
    // Fifteen digits always come back.
    if text.len() <= 15 || !value.is_finite() {
        return true;
    }
    let number = text.split(['e', 'E']).next().unwrap_or_default();
    let digits = || number.bytes().filter(u8::is_ascii_digit).skip_while(|digit| *digit == b'0');
    let count = digits().count();
    if count <= 15 {
        return true;
    }
    let again = format!("{value:.*e}", count - 1);
    again.bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).eq(digits())
}

/// A number times 10^`scale`, rounded half away from zero to a whole one; `None` if it is no number or has too many digits.
pub(super) fn parse_scaled(text: &str, scale: i8) -> Option<i128> {
    Digits::parse(text.trim())?.scaled_rounded(i32::from(scale))
}

/// A number times 10^`scale`, rounded half away from zero as PostgreSQL does, if it has at most `precision` digits.
pub(super) fn parse_decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let value = parse_scaled(text, scale)?;
    let limit = 10_u128.checked_pow(u32::from(precision)).unwrap_or(u128::MAX);
    (value.unsigned_abs() < limit).then_some(value)
}

/// True for a text that would lose its leading zeros as a number (`007`), or a plus sign.
pub(super) fn is_code(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    text.starts_with('+') || (digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0."))
}

/// Digits that are kept exactly; a DECIMAL has no more.
const DIGITS_MAX: usize = 38;

/// A decimal number as written: `negative`, `mantissa` × 10^`exponent`.
struct Digits {
    negative: bool,
    /// The first [`DIGITS_MAX`] digits.
    mantissa: i128,
    exponent: i32,
    /// The digit after these.
    next: u8,
    /// Whether any digit that is not kept differs from zero.
    more: bool,
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
        if shown == 0 || number == "." || exponent.unsigned_abs() > EXPONENT_MAX.unsigned_abs() {
            return None;
        }
        let (mut mantissa, mut kept, mut next, mut more, mut left_out) = (0_i128, 0, 0, false, 0);
        for byte in whole.bytes().chain(fraction.bytes()) {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            if kept < DIGITS_MAX {
                mantissa = mantissa * 10 + i128::from(digit);
                kept += usize::from(mantissa > 0);
            } else {
                next = if left_out == 0 { digit } else { next };
                more |= digit > 0;
                left_out += 1;
            }
        }
        let exponent = exponent - i32::try_from(fraction.len()).ok()? + left_out;
        Some(Self { negative, mantissa, exponent, next, more })
    }

    /// The number × 10^`scale`, if that is whole.
    fn scaled_exactly(&self, scale: i32) -> Option<i128> {
        let (value, remainder, _) = self.scaled(scale)?;
        (remainder == 0 && !self.more).then(|| self.signed(value))
    }

    /// The number × 10^`scale`, rounded half away from zero.
    fn scaled_rounded(&self, scale: i32) -> Option<i128> {
        let (value, remainder, divisor) = self.scaled(scale)?;
        let up = if divisor == 1 { self.next >= 5 } else { remainder >= divisor - remainder };
        Some(self.signed(value + i128::from(up)))
    }

    /// Quotient, remainder and divisor of the unsigned number × 10^`scale`.
    fn scaled(&self, scale: i32) -> Option<(i128, i128, i128)> {
        let shift = self.exponent + scale;
        if self.mantissa == 0 {
            return Some((0, 0, 1));
        }
        // Digits that were not kept would be digits of the result.
        if shift > 0 && self.more {
            return None;
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
            ("1e-2147483648", None),
            ("1e2147483647", None),
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
            ("0.123456789012345678901234567890123456789012345", Some(12)),
            ("0.005000000000000000000000000000000000000000001", Some(1)),
            ("0.00499999999999999999999999999999999999999999999", Some(0)),
            ("1.0000000000000000000000000000000000000000000000000000001", Some(100)),
            ("000000000000000000000000000000000000000000000000001.5", Some(150)),
        ];
        for (text, value) in cases {
            assert_eq!(parse_decimal(text, 5, 2), value, "{text}");
        }
    }

    #[test]
    fn the_widest_decimals_round_at_their_last_digit() {
        let nines = "9".repeat(37);
        let cases = [
            (format!("{nines}8.4999"), Some(format!("{nines}8"))),
            (format!("{nines}8.5"), Some(format!("{nines}9"))),
            (format!("{nines}9.5"), None),
            (format!("-{nines}8.6"), Some(format!("-{nines}9"))),
            (format!("{nines}99"), None),
        ];
        for (text, value) in cases {
            assert_eq!(parse_decimal(&text, 38, 0).map(|value| value.to_string()), value, "{text}");
        }
        assert_eq!(parse_integer::<i64>(&format!("1.{}1", "0".repeat(50))), None);
    }

    #[test]
    fn a_double_keeps_digits_or_it_is_told() {
        let kept =
            ["0.1", "0.30000000000000004", "0.10000000000000001", "1e300", "9007199254740992", "-123456789012345.5", "NaN"];
        let lost =
            ["9007199254740993", "12345678901234567.25", "0.1234567890123456789", "3.14159265358979323846", "1234567890123456.7"];
        for (texts, keeps) in [(&kept[..], true), (&lost[..], false)] {
            for text in texts {
                assert_eq!(keeps_digits(text, parse_float(text).unwrap()), keeps, "{text}");
            }
        }
    }

    #[test]
    fn floats_overflow_only_when_they_say_infinity() {
        assert_eq!(parse_float("1e400"), None);
        assert_eq!(parse_float("1e-400"), None);
        assert_eq!(parse_float("0e5"), Some(0.0));
        assert_eq!(parse_float("-0.0"), Some(0.0));
        assert_eq!((parse_real("1e39"), parse_real("1e-50"), parse_real("16777217")), (None, None, Some(16_777_216.0)));
        assert_eq!(parse_float("-Infinity"), Some(f64::NEG_INFINITY));
        assert!(parse_float("NaN").is_some_and(f64::is_nan));
        assert_eq!(parse_float("1_000"), None);
    }
}
