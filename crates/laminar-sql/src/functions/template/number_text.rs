//! A number as the text that a pattern describes: digit by digit, as PostgreSQL's formatter goes over its pattern.

use laminar_core::Result;

use super::number_pattern::{Anchor, Part, Pattern};
use super::ordinal::ending;
use crate::functions::columns::out_of_range;
use crate::functions::decimal::{Numeric, power_of_ten};

/// Digits that a double is sure of.
const DOUBLE_DIGITS: i32 = 15;
/// Digits that a REAL is sure of.
const REAL_DIGITS: i32 = 6;

/// The text of a decimal or whole number.
pub(super) fn print_numeric(pattern: &Pattern, value: Numeric) -> Result<String> {
    if pattern.is_roman {
        return Ok(roman(pattern, value.at_scale(0)?.digits));
    }
    if pattern.is_exponential {
        return Ok(exponential(pattern, value.to_double()));
    }
    let too_large = || out_of_range("the number is");
    let factor = power_of_ten(pattern.multi).ok_or_else(too_large)?;
    let value = Numeric { digits: value.digits.checked_mul(factor).ok_or_else(too_large)?, scale: value.scale };
    let rounded = value.at_scale(pattern.post)?;
    let digits = Numeric { digits: rounded.digits.wrapping_abs(), scale: rounded.scale }.to_string();
    Ok(write(pattern, rounded.digits < 0, &digits, pattern.post))
}

/// The text of a double, or of a REAL.
pub(super) fn print_float(pattern: &Pattern, value: f64, is_real: bool) -> String {
    if pattern.is_roman {
        let whole = value.round_ties_even();
        return roman(pattern, if (0.0..4000.0).contains(&whole) { whole as i128 } else { -1 });
    }
    if pattern.is_exponential {
        return exponential(pattern, value);
    }
    let value = value * 10f64.powi(pattern.multi);
    let sure = if is_real { REAL_DIGITS } else { DOUBLE_DIGITS };
    let whole = i32::try_from(format!("{:.0}", value.abs()).len()).unwrap_or(i32::MAX);
    let post = if whole >= sure { 0 } else { pattern.post.min(sure - whole) };
    let digits = format!("{:.*}", usize::try_from(post).unwrap_or(0), value.abs());
    write(pattern, value.is_sign_negative() && value != 0.0, &digits, post)
}

fn exponential(pattern: &Pattern, value: f64) -> String {
    if !value.is_finite() {
        // A sign, one digit, the point, the digits behind it, and the exponent.
        return format!(" {}", "#".repeat(usize::try_from(pattern.post).unwrap_or(0) + 6));
    }
    let text = format!("{value:.*e}", usize::try_from(pattern.post).unwrap_or(0));
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    let blank = if mantissa.starts_with('-') { "" } else { " " };
    format!("{blank}{mantissa}e{sign}{:02}", exponent.abs())
}

/// Blanks to which a Roman number is filled.
const ROMAN_WIDTH: usize = 15;

fn roman(pattern: &Pattern, value: i128) -> String {
    const ROMAN: [(i128, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    let mut text = String::new();
    if (1..=3999).contains(&value) {
        let mut rest = value;
        for (number, letters) in ROMAN {
            while rest >= number {
                text.push_str(letters);
                rest -= number;
            }
        }
    } else {
        text = "#".repeat(ROMAN_WIDTH);
    }
    if pattern.parts.contains(&Part::Roman { is_lower: true }) {
        text = text.to_lowercase();
    }
    if pattern.fill { text } else { format!("{text:>ROMAN_WIDTH$}") }
}

fn write(pattern: &Pattern, is_negative: bool, digits: &str, post: i32) -> String {
    let whole = digits.find('.').unwrap_or(digits.len());
    let pre = usize::try_from(pattern.pre + pattern.multi).unwrap_or(0);
    let blanks = pre.saturating_sub(whole);
    let hidden;
    let digits = if whole > pre {
        let fraction = "#".repeat(usize::try_from(post).unwrap_or(0));
        hidden = format!("{}.{fraction}", "#".repeat(pre));
        &hidden
    } else {
        digits
    };
    let mut writer = Writer::new(pattern, is_negative, digits.as_bytes(), blanks as i32, post);
    pattern.parts.iter().for_each(|part| writer.part(*part));
    writer.text
}

/// The state of PostgreSQL's formatter.
struct Writer<'a> {
    pattern: &'a Pattern,
    text: String,
    digits: &'a [u8],
    /// The index of the next digit.
    next: usize,
    is_negative: bool,
    has_brackets: bool,
    sign_written: bool,
    /// Positions in front of the first digit.
    blanks: i32,
    /// How many positions have been written.
    position: i32,
    positions: i32,
    /// The index of the last digit that `FM` keeps.
    last: Option<usize>,
    in_number: bool,
    post: i32,
}

impl<'a> Writer<'a> {
    fn new(pattern: &'a Pattern, is_negative: bool, digits: &'a [u8], blanks: i32, post: i32) -> Self {
        let has_brackets = pattern.has_brackets && (is_negative || !pattern.fill);
        let sign_written = if pattern.has_plus || pattern.has_minus {
            pattern.has_minus
        } else {
            !is_negative && pattern.fill && pattern.anchored.is_none()
        };
        let mut positions = post + pattern.pre + pattern.multi - 1;
        if !sign_written && blanks == 0 {
            positions += 1;
        }
        let last = if pattern.fill && pattern.has_point { last_kept(pattern, digits, blanks) } else { None };
        let (text, next, position, in_number) = (String::new(), 0, 0, false);
        Self {
            pattern,
            text,
            digits,
            next,
            is_negative,
            has_brackets,
            sign_written,
            blanks,
            position,
            positions,
            last,
            in_number,
            post,
        }
    }

    fn part(&mut self, part: Part) {
        let fill = self.pattern.fill;
        match part {
            Part::Nine | Part::Zero | Part::Point => self.digit(part),
            Part::Group if self.in_number => self.text.push(','),
            Part::Group | Part::Minus | Part::Plus if fill && !self.shows(part) => {}
            Part::Group => self.text.push(' '),
            Part::Currency => self.text.push(' '),
            Part::Minus => self.text.push(if self.is_negative { '-' } else { ' ' }),
            Part::Plus => self.text.push(if self.is_negative { ' ' } else { '+' }),
            Part::Sign => self.text.push(if self.is_negative { '-' } else { '+' }),
            Part::Ordinal(ordinal) => {
                if self.digits.first() != Some(&b'#') && !self.is_negative && !self.pattern.has_point {
                    self.text.push_str(ending(std::str::from_utf8(self.digits).unwrap_or_default(), ordinal));
                }
            }
            Part::Letter(c) => self.text.push(c),
            Part::AnchoredSign | Part::Silent | Part::Roman { .. } => {}
        }
    }

    fn shows(&self, part: Part) -> bool {
        match part {
            Part::Minus => self.is_negative,
            Part::Plus => !self.is_negative,
            _ => false,
        }
    }

    /// Whether the zero in front of a point is left out: `.1`.
    fn leaves_zero_out(&self) -> bool {
        self.pattern.zero_start.is_none() && self.next == 0 && self.digits.first() == Some(&b'0') && self.post != 0
    }

    fn last_is_point(&self) -> bool {
        self.last.is_some_and(|last| self.digits.get(last) == Some(&b'.'))
    }

    fn digit(&mut self, part: Part) {
        self.in_number = false;
        let zero = self.pattern.zero_start;
        let begins = self.position >= self.blanks || zero == Some(self.position);
        if !self.sign_written && begins && (!self.leaves_zero_out() || self.last_is_point()) {
            self.sign();
        }
        if self.position < self.blanks && zero.is_none_or(|zero| zero > self.position) {
            if !self.pattern.fill {
                self.text.push(' ');
            }
        } else if self.position < self.blanks {
            self.text.push('0');
            self.in_number = true;
        } else {
            self.own_digit(part);
        }
        self.end();
        self.position += 1;
    }

    fn sign(&mut self) {
        match self.pattern.anchored {
            Some(Anchor::Behind) => return,
            Some(Anchor::Before) => self.text.push(if self.is_negative { '-' } else { '+' }),
            None if self.has_brackets => self.text.push(if self.is_negative { '<' } else { ' ' }),
            None if self.is_negative => self.text.push('-'),
            None if self.pattern.fill => {}
            None => self.text.push(' '),
        }
        self.sign_written = true;
    }

    fn own_digit(&mut self, part: Part) {
        match self.digits.get(self.next) {
            Some(b'.') => self.text.push('.'),
            _ if self.last.is_some_and(|last| self.next > last) && part != Part::Zero => {}
            _ if self.leaves_zero_out() => {
                if !self.pattern.fill {
                    self.text.push(' ');
                } else if self.last_is_point() {
                    self.text.push('0');
                }
            }
            Some(digit) => {
                self.text.push(char::from(*digit));
                self.in_number = true;
            }
            None => self.in_number = true,
        }
        if self.next < self.digits.len() {
            self.next += 1;
        }
    }

    /// What stands behind the last digit.
    fn end(&mut self) {
        let mut end = self.positions + i32::from(self.blanks != 0) + i32::from(self.pattern.has_point);
        if self.last.is_some_and(|last| last == self.next) {
            end = self.position;
        }
        if self.position + 1 != end {
            return;
        }
        if self.sign_written && self.has_brackets {
            self.text.push(if self.is_negative { '>' } else { ' ' });
        } else if self.pattern.anchored == Some(Anchor::Behind) {
            self.text.push(if self.is_negative { '-' } else { '+' });
        }
    }
}

/// The last digit behind the point that is not zero, or the point; digits for which the pattern has a `0` stay.
fn last_kept(pattern: &Pattern, digits: &[u8], blanks: i32) -> Option<usize> {
    let point = digits.iter().position(|digit| *digit == b'.')?;
    let last = digits.iter().rposition(|digit| *digit != b'0').map_or(point, |last| last.max(point));
    let zero = usize::try_from(pattern.zero_end - blanks).ok().filter(|zero| *zero > 0);
    Some(zero.map_or(last, |zero| last.max(zero)))
}
