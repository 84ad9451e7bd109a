//! A date, time or interval as the text that a pattern describes.

use chrono::{Datelike, NaiveDate};
use laminar_core::{Code, Error, Result};

use super::datetime_pattern::{Case, Field, FieldPart, Part, Pattern};
use super::ordinal::ending;

/// A point in time or an interval, in the units of a calendar.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields {
    /// The year, where 0 is 1 BC; of an interval the whole years.
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
    /// Hours of the day, or all hours of an interval.
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    pub(super) nanos: i64,
    /// The day of the calendar; an interval has none.
    pub(super) date: Option<NaiveDate>,
    /// Whether it is an instant, so that a zone (UTC) belongs to it.
    pub(super) zoned: bool,
}

pub(super) const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
pub(super) const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
pub(super) const ROMAN_MONTHS: [&str; 12] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];

/// The text of `fields`.
pub(super) fn print(pattern: &Pattern, fields: &Fields) -> Result<String> {
    let mut text = String::new();
    for part in &pattern.parts {
        match part {
            Part::Field(part) => fields.print(part, &mut text)?,
            Part::Blank(c) | Part::Separator(c) | Part::Letter(c) => text.push(*c),
        }
    }
    Ok(text)
}

/// How many characters a name is filled to.
const NAME_WIDTH: usize = 9;

impl Fields {
    fn print(&self, part: &FieldPart, text: &mut String) -> Result<()> {
        if self.date.is_none() && needs_calendar(part.field) {
            return Err(Error::new(Code::InvalidQuery, format!("'{}' in a pattern has no meaning for an interval", part.word))
                .with_hint("an interval belongs to no date of the calendar"));
        }
        if let Some((name, width)) = self.name(part) {
            let name = in_case(&name, part.case);
            text.push_str(&if part.fill { name } else { format!("{name:width$}") });
            return Ok(());
        }
        let Some((value, width)) = self.number(part.field) else { return Ok(()) };
        let number = match part.field {
            Field::Year(5) => format!("{},{:03}", value / 1000, value % 1000),
            Field::Millisecond | Field::Microsecond | Field::Fraction(_) => format!("{value:0width$}"),
            _ if part.fill => value.to_string(),
            // A minus takes one of the digits here.
            Field::DayOfMonth | Field::DayOfYear | Field::WeekOfYear => format!("{value:0width$}"),
            _ => padded(value, width),
        };
        text.push_str(&number);
        text.push_str(part.ordinal.map_or("", |ordinal| ending(&number, ordinal)));
        Ok(())
    }

    /// The name that `part` asks for and its width.
    fn name(&self, part: &FieldPart) -> Option<(String, usize)> {
        let month = usize::try_from(self.month).ok().filter(|month| (1..=12).contains(month)).map(|month| month - 1);
        let weekday = self.date.map(|date| date.weekday().num_days_from_sunday() as usize);
        Some(match part.field {
            Field::Era { dots } => (dotted(if self.year <= 0 { "BC" } else { "AD" }, dots), 0),
            Field::HalfDay { dots } => (dotted(if self.hour.rem_euclid(24) >= 12 { "PM" } else { "AM" }, dots), 0),
            Field::MonthName => (month.map_or_else(String::new, |month| MONTHS[month].to_owned()), NAME_WIDTH),
            Field::MonthShort => (month.map_or_else(String::new, |month| MONTHS[month][..3].to_owned()), 0),
            Field::MonthRoman => match self.roman_month() {
                Some(roman) => (roman.to_owned(), 4),
                None => (String::new(), 0),
            },
            Field::DayName => (DAYS[weekday?].to_owned(), NAME_WIDTH),
            Field::DayShort => (DAYS[weekday?][..3].to_owned(), 0),
            Field::Zone if self.zoned => ("UTC".to_owned(), 0),
            Field::Zone => (String::new(), 0),
            Field::ZoneOffset | Field::ZoneHours => ("+00".to_owned(), 0),
            Field::ZoneMinutes => ("00".to_owned(), 0),
            _ => return None,
        })
    }

    /// An interval of twelve months has no month left, and is December.
    fn roman_month(&self) -> Option<&'static str> {
        if self.month == 0 && self.year == 0 {
            return None;
        }
        let index = match self.month {
            0 if self.year >= 0 => 11,
            0 => 0,
            month if month < 0 => 12 + month,
            month => month - 1,
        };
        ROMAN_MONTHS.get(usize::try_from(index).ok()?).copied()
    }

    /// The number that `field` asks for and the digits to which it is filled.
    fn number(&self, field: Field) -> Option<(i64, usize)> {
        let is_interval = self.date.is_none();
        Some(match field {
            Field::Century if is_interval => (self.year / 100, 2),
            Field::Century if self.year > 0 => ((self.year - 1) / 100 + 1, 2),
            Field::Century => (self.year / 100 - 1, 2),
            Field::Month => (self.month, 2),
            Field::DayOfYear => (self.day_of_year(), 3),
            Field::IsoDayOfYear => (self.iso_day_of_year()?, 3),
            Field::DayOfMonth => (self.day, 2),
            Field::DayOfWeek => (i64::from(self.date?.weekday().number_from_sunday()), 1),
            Field::IsoDayOfWeek => (i64::from(self.date?.weekday().number_from_monday()), 1),
            Field::WeekOfYear => ((self.day_of_year() - 1) / 7 + 1, 2),
            Field::IsoWeek => (i64::from(self.date?.iso_week().week()), 2),
            Field::WeekOfMonth => ((self.day - 1) / 7 + 1, 1),
            Field::Quarter if self.month == 0 => return None,
            Field::Quarter => ((self.month - 1) / 3 + 1, 1),
            Field::Julian => (julian(self.date?), 1),
            Field::Year(digits) => last_digits(self.shown_year(self.year), digits),
            Field::IsoYear(digits) => last_digits(self.shown_year(i64::from(self.date?.iso_week().year())), digits),
            Field::Hour12 => (if self.hour % 12 == 0 { 12 } else { self.hour % 12 }, 2),
            Field::Hour24 => (self.hour, 2),
            Field::Minute => (self.minute, 2),
            Field::Second => (self.second, 2),
            Field::SecondOfDay => (self.hour * 3600 + self.minute * 60 + self.second, 1),
            Field::Millisecond => (self.nanos / 1_000_000, 3),
            Field::Microsecond => (self.nanos / 1_000, 6),
            Field::Fraction(digits) => (self.nanos / 10i64.pow(9 - u32::try_from(digits).ok()?), digits),
            _ => return None,
        })
    }

    /// Years before 1 are counted as years BC.
    fn shown_year(&self, year: i64) -> i64 {
        if self.date.is_some() && year <= 0 { 1 - year } else { year }
    }

    /// Of an interval, its whole length in days of months of thirty.
    fn day_of_year(&self) -> i64 {
        self.date.map_or((self.year * 12 + self.month) * 30 + self.day, |date| i64::from(date.ordinal()))
    }

    fn iso_day_of_year(&self) -> Option<i64> {
        let date = self.date?;
        Some(i64::from(date.iso_week().week0()) * 7 + i64::from(date.weekday().number_from_monday()))
    }
}

fn needs_calendar(field: Field) -> bool {
    matches!(
        field,
        Field::Era { .. }
            | Field::MonthName
            | Field::MonthShort
            | Field::DayName
            | Field::DayShort
            | Field::DayOfWeek
            | Field::IsoDayOfWeek
            | Field::IsoDayOfYear
            | Field::IsoWeek
            | Field::IsoYear(_)
            | Field::Julian
            | Field::Zone
            | Field::ZoneOffset
            | Field::ZoneHours
            | Field::ZoneMinutes
    )
}

/// The day's number since 4714 BC.
pub(super) fn julian(date: NaiveDate) -> i64 {
    i64::from(date.num_days_from_ce()) + 1_721_425
}

fn dotted(name: &str, dots: bool) -> String {
    if dots { name.chars().flat_map(|c| [c, '.']).collect() } else { name.to_owned() }
}

fn in_case(name: &str, case: Case) -> String {
    match case {
        Case::Upper => name.to_uppercase(),
        Case::Lower => name.to_lowercase(),
        Case::Capital => name.to_owned(),
    }
}

fn last_digits(year: i64, digits: usize) -> (i64, usize) {
    match digits {
        4 | 5 => (year, 4),
        digits => (year % 10i64.pow(u32::try_from(digits).unwrap_or(4)), digits),
    }
}

/// Zeros before it; a minus stands before them and is not counted.
fn padded(value: i64, width: usize) -> String {
    if value < 0 { format!("-{:0width$}", value.unsigned_abs()) } else { format!("{value:0width$}") }
}
