//! Lengths of time out of every way to write an interval: `INTERVAL '1' MINUTE`, `INTERVAL '1 hour 30 minutes'`, `'90s'`.

use datafusion::sql::sqlparser::ast::{DateTimeField, Expr, Interval, UnaryOperator, Value};

/// Nanoseconds of a second.
const SECOND: i128 = 1_000_000_000;

/// A length of time. A day has 24 hours here; months do not have a fixed length and stand beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Length {
    pub(super) months: i64,
    pub(super) nanos: i64,
}

/// Why something is no length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoLength {
    /// It is not an interval at all.
    OtherThing,
    /// It is one that says nothing that we can read.
    Unreadable(String),
}

/// The length that an expression stands for: an interval, with a sign or in parentheses, or a string that reads like one.
pub(super) fn of_expr(expr: &Expr) -> Result<Length, NoLength> {
    match expr {
        Expr::Interval(interval) => of_interval(interval),
        Expr::Nested(inner) => of_expr(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => negative(of_expr(expr)?),
        Expr::UnaryOp { op: UnaryOperator::Plus, expr } => of_expr(expr),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => of_text(text),
            _ => Err(NoLength::OtherThing),
        },
        _ => Err(NoLength::OtherThing),
    }
}

fn negative(length: Length) -> Result<Length, NoLength> {
    match (length.months.checked_neg(), length.nanos.checked_neg()) {
        (Some(months), Some(nanos)) => Ok(Length { months, nanos }),
        _ => Err(too_long()),
    }
}

fn of_interval(interval: &Interval) -> Result<Length, NoLength> {
    let (text, negated) =
        literal(&interval.value).ok_or_else(|| NoLength::Unreadable("an interval here must be a literal".to_owned()))?;
    if interval.last_field.is_some() || interval.leading_precision.is_some() || interval.fractional_seconds_precision.is_some() {
        return Err(NoLength::Unreadable("an interval here has one unit, as in INTERVAL '90' SECOND".to_owned()));
    }
    let length = match &interval.leading_field {
        // A number alone means seconds, as in PostgreSQL.
        None if Amount::read(&text).is_some() => of_parts(&[(&text, "second")])?,
        None => of_text(&text)?,
        Some(field) => of_parts(&[(text.trim(), &unit_name(field))])?,
    };
    if negated { negative(length) } else { Ok(length) }
}

/// The text of an interval's value, and whether a minus stands before it.
fn literal(value: &Expr) -> Option<(String, bool)> {
    match value {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::Number(text, _) => Some((text.clone(), false)),
            _ => None,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => literal(expr).map(|(text, negated)| (text, !negated)),
        Expr::Nested(inner) => literal(inner),
        _ => None,
    }
}

fn unit_name(field: &DateTimeField) -> String {
    field.to_string().to_lowercase()
}

/// Reads `1 hour 30 minutes`, `90s`, `1h30m`, `01:30:00`.
pub(super) fn of_text(text: &str) -> Result<Length, NoLength> {
    let words = words_of(text);
    let mut parts: Vec<(&str, &str)> = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let amount = words[at];
        if amount.contains(':') {
            parts.extend(clock_parts(amount));
            at += 1;
            continue;
        }
        let Some(unit) = words.get(at + 1) else {
            return Err(NoLength::Unreadable(format!("'{text}' lacks a unit of time")));
        };
        parts.push((amount, unit));
        at += 2;
    }
    if parts.is_empty() {
        return Err(NoLength::Unreadable(format!("'{text}' is not a length of time")));
    }
    of_parts(&parts)
}

/// Cuts at white space and between numbers and letters.
fn words_of(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for word in text.split_whitespace() {
        let mut rest = word;
        while !rest.is_empty() {
            let is_letter = rest.starts_with(char::is_alphabetic);
            let end = rest.find(|c: char| c.is_alphabetic() != is_letter).unwrap_or(rest.len());
            words.push(&rest[..end]);
            rest = &rest[end..];
        }
    }
    words
}

/// `hours:minutes[:seconds]`.
fn clock_parts(clock: &str) -> Vec<(&str, &'static str)> {
    let mut fields = clock.splitn(3, ':');
    ["hour", "minute", "second"].into_iter().filter_map(|unit| Some((fields.next()?, unit))).collect()
}

fn of_parts(parts: &[(&str, &str)]) -> Result<Length, NoLength> {
    let (mut months, mut nanos) = (0i128, 0i128);
    for (number, unit) in parts {
        let amount = Amount::read(number).ok_or_else(|| NoLength::Unreadable(format!("'{number}' is not a number")))?;
        let unit = Unit::named(unit).ok_or_else(|| NoLength::Unreadable(format!("'{unit}' is not a unit of time")))?;
        let (total, per_unit) = match unit {
            Unit::Months(per_unit) => (&mut months, per_unit),
            Unit::Nanos(per_unit) => (&mut nanos, per_unit),
        };
        let value =
            amount.times(per_unit).ok_or_else(|| NoLength::Unreadable(format!("'{number}' cannot be counted exactly")))?;
        *total = total.checked_add(value).ok_or_else(too_long)?;
    }
    match (i64::try_from(months), i64::try_from(nanos)) {
        (Ok(months), Ok(nanos)) => Ok(Length { months, nanos }),
        _ => Err(too_long()),
    }
}

fn too_long() -> NoLength {
    NoLength::Unreadable("the interval is longer than 292 years".to_owned())
}

/// What a unit is counted in.
enum Unit {
    Months(i128),
    Nanos(i128),
}

impl Unit {
    fn named(name: &str) -> Option<Unit> {
        let nanos = match name.to_lowercase().as_str() {
            "ns" | "nanosecond" | "nanoseconds" => 1,
            "us" | "µs" | "microsecond" | "microseconds" => 1_000,
            "ms" | "millisecond" | "milliseconds" => 1_000_000,
            "s" | "sec" | "secs" | "second" | "seconds" => SECOND,
            "m" | "min" | "mins" | "minute" | "minutes" => 60 * SECOND,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3_600 * SECOND,
            "d" | "day" | "days" => 86_400 * SECOND,
            "w" | "week" | "weeks" => 604_800 * SECOND,
            "mon" | "mons" | "month" | "months" => return Some(Unit::Months(1)),
            "quarter" | "quarters" => return Some(Unit::Months(3)),
            "y" | "yr" | "yrs" | "year" | "years" => return Some(Unit::Months(12)),
            "decade" | "decades" => return Some(Unit::Months(120)),
            "century" | "centuries" => return Some(Unit::Months(1_200)),
            _ => return None,
        };
        Some(Unit::Nanos(nanos))
    }
}

/// A decimal number: `digits` with the last `scale` of them behind the point.
struct Amount {
    digits: i128,
    scale: u32,
}

impl Amount {
    fn read(text: &str) -> Option<Amount> {
        let text = text.trim();
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || digits.len() > 30 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let value: i128 = digits.parse().ok()?;
        let scale = u32::try_from(fraction.len()).ok()?;
        Some(Amount { digits: if negative { -value } else { value }, scale })
    }

    /// The product if it is a whole number.
    fn times(&self, factor: i128) -> Option<i128> {
        let product = self.digits.checked_mul(factor)?;
        let divisor = 10i128.checked_pow(self.scale)?;
        (product % divisor == 0).then(|| product / divisor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, months: i64, nanos: i64) {
        assert_eq!(of_text(text), Ok(Length { months, nanos }), "{text}");
    }

    #[test]
    fn texts_are_lengths() {
        let second = 1_000_000_000;
        check("1 minute", 0, 60 * second);
        check("1 hour 30 minutes", 0, 5_400 * second);
        check("1h30m", 0, 5_400 * second);
        check("90s", 0, 90 * second);
        check("0.5 seconds", 0, second / 2);
        check("01:30:00", 0, 5_400 * second);
        check("1 day 01:00", 0, 90_000 * second);
        check("-5 min", 0, -300 * second);
        check("1 Quarter", 3, 0);
        check("1.5 years", 18, 0);
        check("1 month 1 day", 1, 86_400 * second);
        check("250ms", 0, second / 4);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "soon",
            "5",
            "5 parsecs",
            "1 minute 3",
            "0.5 ns",
            "0.1 months",
            "1000 years 9999999999999999 days",
            "::",
            "1e3 s",
            "９ s",
        ] {
            assert!(matches!(of_text(text), Err(NoLength::Unreadable(_))), "{text}");
        }
    }
}
