//! A decimal out of a text by a pattern of numbers.

use laminar_core::Result;

use super::number_pattern::{Part, Pattern};
use crate::functions::columns::bad;
use crate::functions::decimal::Numeric;

/// Reads `text` by `pattern`.
pub(super) fn read(pattern: &Pattern, text: &str) -> Result<Numeric> {
    if pattern.is_exponential || pattern.is_roman {
        return Err(bad("a pattern with EEEE or RN is for to_char only"));
    }
    let mut reader = Reader { rest: text, is_negative: false, has_sign: false, digits: String::new(), has_point: false };
    for part in &pattern.parts {
        if reader.rest.is_empty() {
            break;
        }
        reader.part(*part, pattern);
    }
    reader.value(pattern, text)
}

struct Reader<'a> {
    rest: &'a str,
    is_negative: bool,
    has_sign: bool,
    digits: String,
    has_point: bool,
}

impl Reader<'_> {
    fn part(&mut self, part: Part, pattern: &Pattern) {
        match part {
            Part::Nine | Part::Zero | Part::Point => self.digit(part, pattern),
            Part::Group => self.rest = self.rest.strip_prefix(',').unwrap_or(self.rest),
            Part::Minus | Part::Plus | Part::Sign | Part::AnchoredSign => self.sign(),
            Part::Currency => self.skip_currency(),
            // A letter of the pattern takes a character, unless that belongs to the number.
            Part::Letter(_) => self.skip_one(),
            Part::Ordinal(_) => {
                self.skip_one();
                self.skip_one();
            }
            Part::Roman { .. } | Part::Silent => {}
        }
    }

    fn skip_one(&mut self) {
        let mut chars = self.rest.chars();
        chars.next();
        self.rest = chars.as_str();
    }

    fn skip_currency(&mut self) {
        self.rest = self.rest.trim_start_matches(|c: char| !c.is_ascii_digit() && !"+-.,<".contains(c));
    }

    fn sign(&mut self) {
        let mut chars = self.rest.chars();
        match chars.next() {
            Some('-') => self.is_negative = true,
            Some('+' | ' ') => {}
            _ => return,
        }
        self.has_sign = true;
        self.rest = chars.as_str();
    }

    fn digit(&mut self, part: Part, pattern: &Pattern) {
        let before = self.rest;
        if self.digits.is_empty() {
            self.rest = self.rest.trim_start_matches(' ');
            let mut chars = self.rest.chars();
            match chars.next() {
                Some('-') if !self.has_sign => (self.is_negative, self.has_sign, self.rest) = (true, true, chars.as_str()),
                Some('+') if !self.has_sign => (self.has_sign, self.rest) = (true, chars.as_str()),
                Some('<') if pattern.has_brackets => (self.is_negative, self.rest) = (true, chars.as_str()),
                _ => {}
            }
        }
        let mut chars = self.rest.chars();
        match chars.next() {
            Some(c @ '0'..='9') => {
                self.digits.push(c);
                self.rest = chars.as_str();
            }
            Some('.') if pattern.has_point && !self.has_point => {
                self.digits.push('.');
                self.has_point = true;
                self.rest = chars.as_str();
                // The digit of the pattern stands for the one behind the point.
                if part != Part::Point {
                    self.digit(part, pattern);
                }
            }
            _ if self.digits.is_empty() => self.rest = before.trim_start_matches(' '),
            _ => {}
        }
        if pattern.anchored.is_some() && !self.has_sign && self.rest.starts_with(['-', '+']) {
            self.sign();
        }
    }

    fn value(self, pattern: &Pattern, text: &str) -> Result<Numeric> {
        let (whole, fraction) = self.digits.split_once('.').unwrap_or((&self.digits, ""));
        let digits: String = whole.chars().chain(fraction.chars()).collect();
        let digits: i128 = digits.parse().map_err(|_| bad(format!("'{text}' is no number of that pattern")))?;
        let scale = i32::try_from(fraction.len()).unwrap_or(0);
        let value = Numeric { digits: if self.is_negative { -digits } else { digits }, scale };
        // Behind a V the text holds the number times that power of ten.
        let value = Numeric { scale: value.scale + pattern.multi, ..value };
        value.at_scale(pattern.post + pattern.multi)
    }
}
