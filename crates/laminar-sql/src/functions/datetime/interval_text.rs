//! Intervals as text, in all forms that PostgreSQL reads, and printed as it prints them.

use arrow_array::types::IntervalMonthDayNano;
use laminar_core::{Code, Error, Result};

use super::clock::{HOUR, SECOND};
use super::make::fitted;
use super::unit::{Unit, unit};

/// Nanoseconds of a minute.
const MINUTE: i64 = 60 * SECOND;

/// Reads an interval: `1 year 2 mons -3 days 04:05:06`, `1-2`, `1 2:03`, `P1Y2M`, `6` (seconds).
pub(crate) fn parse(text: &str) -> Result<IntervalMonthDayNano> {
    parse_in(text, None, None)
}

/// The same behind `INTERVAL '…' first [TO last]`: a number without unit means the last one.
pub(crate) fn parse_in(text: &str, first: Option<&str>, last: Option<&str>) -> Result<IntervalMonthDayNano> {
    let refused = || {
        Error::new(Code::InvalidQuery, format!("'{text}' is no interval")).with_hint(
        "an interval is written as '1 year 2 months 3 days 04:05:06', '90 minutes', '1-2' (years and months) or 'P1Y2M3DT4H5M6S'",
    )
    };
    let mut read = Read { sum: Sum::default(), first: first.and_then(unit), last: last.or(first).and_then(unit) };
    let trimmed = text.trim();
    let is_read = match trimmed.strip_prefix('P') {
        Some(rest) => read.iso(rest),
        None => read.words(&trimmed.to_lowercase()),
    };
    is_read.ok_or_else(refused)?;
    read.sum.interval().map(|interval| cut(interval, first.and_then(unit), last.or(first).and_then(unit)))
}

/// What is smaller than the last unit of `INTERVAL '…' unit` is cut off.
fn cut(value: IntervalMonthDayNano, first: Option<Unit>, last: Option<Unit>) -> IntervalMonthDayNano {
    let IntervalMonthDayNano { months, days, nanoseconds: nanos } = value;
    match last.filter(|_| first.is_some()) {
        Some(Unit::Year) => IntervalMonthDayNano::new(months / 12 * 12, 0, 0),
        Some(Unit::Month) => IntervalMonthDayNano::new(months, 0, 0),
        Some(Unit::Day) => IntervalMonthDayNano::new(months, days, 0),
        Some(Unit::Hour) => IntervalMonthDayNano::new(months, days, nanos / HOUR * HOUR),
        Some(Unit::Minute) => IntervalMonthDayNano::new(months, days, nanos / MINUTE * MINUTE),
        _ => value,
    }
}

/// The parts so far. Fractions go down to the next smaller part.
#[derive(Debug, Default)]
struct Sum {
    months: i128,
    days: i128,
    nanos: i128,
}

/// A number with a fraction, in billionths.
#[derive(Debug, Clone, Copy)]
struct Amount {
    whole: i128,
    billionths: i128,
}

/// Billionths of one.
const ONE: i128 = 1_000_000_000;

impl Amount {
    /// Reads `12`, `-1.5`, `.5`, `+3`.
    fn read(text: &str) -> Option<Self> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole) || !is_number(fraction) || (whole.is_empty() && fraction.is_empty()) || whole.len() > 18 {
            return None;
        }
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let fraction = format!("{:0<9.9}", fraction);
        Some(Amount { whole: sign * whole, billionths: sign * fraction.parse::<i128>().ok()? })
    }
}

/// Half is rounded to even, as `rint` does.
fn rounded(value: i128, unit: i128) -> i128 {
    let (whole, rest) = (value.div_euclid(unit), value.rem_euclid(unit));
    whole + i128::from(rest * 2 > unit || (rest * 2 == unit && whole % 2 != 0))
}

impl Sum {
    fn add(&mut self, amount: Amount, unit: Unit) -> Option<()> {
        let Amount { whole, billionths } = amount;
        let nanos = |length: i64| whole * i128::from(length) + rounded(billionths * i128::from(length), ONE);
        match unit {
            Unit::Microsecond => self.nanos += nanos(1_000),
            Unit::Millisecond => self.nanos += nanos(1_000_000),
            Unit::Second => self.nanos += nanos(SECOND),
            Unit::Minute => self.nanos += nanos(MINUTE),
            Unit::Hour => self.nanos += nanos(HOUR),
            Unit::Day => self.add_days(whole, billionths),
            Unit::Week => self.add_days(whole * 7, billionths * 7),
            Unit::Month => {
                self.months += whole;
                self.add_days(0, billionths * 30);
            }
            Unit::Quarter => {
                self.months += whole * 3;
                self.add_days(0, billionths * 90);
            }
            Unit::Year => self.add_years(amount, 1),
            Unit::Decade => self.add_years(amount, 10),
            Unit::Century => self.add_years(amount, 100),
            Unit::Millennium => self.add_years(amount, 1000),
            _ => return None,
        }
        Some(())
    }

    fn add_days(&mut self, whole: i128, billionths: i128) {
        self.days += whole + billionths / ONE;
        self.nanos += rounded(billionths % ONE * i128::from(24 * HOUR), ONE);
    }

    fn add_years(&mut self, amount: Amount, years: i128) {
        self.months += amount.whole * years * 12 + rounded(amount.billionths * years * 12, ONE);
    }

    fn interval(&self) -> Result<IntervalMonthDayNano> {
        fitted(self.months, self.days, self.nanos)
    }
}

struct Read {
    sum: Sum,
    first: Option<Unit>,
    last: Option<Unit>,
}

impl Read {
    /// Words of PostgreSQL's and of SQL's form.
    fn words(&mut self, text: &str) -> Option<()> {
        let text = text.strip_prefix('@').unwrap_or(text);
        let mut words = cut_words(text);
        let is_ago = words.last().is_some_and(|word| *word == "ago");
        if is_ago {
            words.pop();
        }
        if words.is_empty() {
            return None;
        }
        let mut at = 0;
        while at < words.len() {
            at += self.word(words[at], words.get(at + 1).copied())?;
        }
        if is_ago {
            (self.sum.months, self.sum.days, self.sum.nanos) = (-self.sum.months, -self.sum.days, -self.sum.nanos);
        }
        Some(())
    }

    /// Reads a word, perhaps with the one behind it, and says how many those were.
    fn word(&mut self, word: &str, next: Option<&str>) -> Option<usize> {
        if word.contains(':') {
            self.clock(word)?;
            return Some(1);
        }
        if let Some((years, months)) = word.get(1..).and_then(|rest| rest.split_once('-')) {
            self.years_and_months(&format!("{}{years}", &word[..1]), months)?;
            return Some(1);
        }
        let amount = Amount::read(word)?;
        match next {
            Some(next) if next.starts_with(char::is_alphabetic) => {
                self.sum.add(amount, unit(next)?)?;
                Some(2)
            }
            // A number in front of a clock counts days.
            Some(next) if next.contains(':') => {
                self.sum.add(amount, Unit::Day)?;
                Some(1)
            }
            // Nothing says what it counts.
            Some(_) => (self.first == Some(Unit::Day)).then(|| self.sum.add(amount, Unit::Day)).flatten().map(|()| 1),
            None => {
                self.sum.add(amount, self.last.unwrap_or(Unit::Second))?;
                Some(1)
            }
        }
    }

    fn years_and_months(&mut self, years: &str, months: &str) -> Option<()> {
        let sign = if years.starts_with('-') { -1 } else { 1 };
        let (years, months) = (Amount::read(years)?, Amount::read(months)?);
        if !(0..12).contains(&months.whole) || months.billionths != 0 || years.billionths != 0 {
            return None;
        }
        self.sum.months += years.whole * 12 + sign * months.whole;
        Some(())
    }

    /// `hours:minutes[:seconds]`; two fields are minutes and seconds if they have a fraction or the type says so.
    fn clock(&mut self, word: &str) -> Option<()> {
        let (sign, digits) = match word.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, word.strip_prefix('+').unwrap_or(word)),
        };
        let fields: Vec<&str> = digits.split(':').collect();
        let is_minutes = self.first == Some(Unit::Minute) && self.last == Some(Unit::Second);
        let (hours, minutes, seconds) = match fields.as_slice() {
            [minutes, seconds] if is_minutes || seconds.contains('.') => ("0", *minutes, *seconds),
            [hours, minutes] => (*hours, *minutes, "0"),
            [hours, minutes, seconds] => (*hours, *minutes, *seconds),
            _ => return None,
        };
        let is_plain = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
        if !is_plain(hours) || !is_plain(minutes) || !is_plain(seconds) {
            return None;
        }
        let (hours, minutes, seconds) = (Amount::read(hours)?, Amount::read(minutes)?, Amount::read(seconds)?);
        let is_whole = hours.billionths == 0 && minutes.billionths == 0;
        if !is_whole || !(0..60).contains(&minutes.whole) || !(0..=60).contains(&seconds.whole) {
            return None;
        }
        let nanos =
            hours.whole * i128::from(HOUR) + minutes.whole * i128::from(MINUTE) + seconds.whole * ONE + seconds.billionths;
        self.sum.nanos += sign * nanos;
        Some(())
    }

    /// `1Y2M3W4DT5H6M7S` or `0001-02-03T04:05:06`, behind the `P`.
    fn iso(&mut self, text: &str) -> Option<()> {
        let (date, time) = text.split_once('T').map_or((text, None), |(date, time)| (date, Some(time)));
        if date.is_empty() && time.is_none_or(str::is_empty) {
            return None;
        }
        if date.get(1..).is_some_and(|rest| rest.contains('-')) && !date.ends_with(char::is_alphabetic) {
            let mut fields = date.split('-');
            self.sum.add(Amount::read(fields.next()?)?, Unit::Year)?;
            self.sum.add(Amount::read(fields.next()?)?, Unit::Month)?;
            if let Some(days) = fields.next() {
                self.sum.add(Amount::read(days)?, Unit::Day)?;
            }
        } else {
            self.designators(date, &[('Y', Unit::Year), ('M', Unit::Month), ('W', Unit::Week), ('D', Unit::Day)])?;
        }
        match time {
            None => Some(()),
            Some(time) if time.contains(':') => self.clock(time),
            Some(time) => self.designators(time, &[('H', Unit::Hour), ('M', Unit::Minute), ('S', Unit::Second)]),
        }
    }

    fn designators(&mut self, text: &str, known: &[(char, Unit)]) -> Option<()> {
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
            let letter = rest[end..].chars().next()?;
            let (_, unit) = known.iter().find(|(known, _)| *known == letter)?;
            self.sum.add(Amount::read(&rest[..end])?, *unit)?;
            rest = &rest[end + 1..];
        }
        Some(())
    }
}

/// Cuts at white space and between numbers and letters.
fn cut_words(text: &str) -> Vec<&str> {
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

/// The interval as PostgreSQL prints it: `1 year 2 mons -3 days +04:05:06`.
pub(crate) fn print(interval: IntervalMonthDayNano) -> String {
    let mut text = String::new();
    let mut is_before = false;
    let IntervalMonthDayNano { months, days, nanoseconds: nanos } = interval;
    for (value, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if value == 0 {
            continue;
        }
        let blank = if text.is_empty() { "" } else { " " };
        let plus = if is_before && value > 0 { "+" } else { "" };
        let plural = if value == 1 { "" } else { "s" };
        text.push_str(&format!("{blank}{plus}{value} {unit}{plural}"));
        is_before = value < 0;
    }
    if text.is_empty() || nanos != 0 {
        let blank = if text.is_empty() { "" } else { " " };
        let sign = if nanos < 0 {
            "-"
        } else if is_before {
            "+"
        } else {
            ""
        };
        let all = nanos.unsigned_abs();
        let (seconds, fraction) = (all / SECOND.unsigned_abs(), all % SECOND.unsigned_abs());
        text.push_str(&format!("{blank}{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60));
        if fraction > 0 {
            text.push_str(format!(".{fraction:09}").trim_end_matches('0'));
        }
    }
    text
}
