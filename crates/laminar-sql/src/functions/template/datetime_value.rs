//! A date and time out of a text by a pattern, by PostgreSQL's rules for blanks, separators and missing digits.

use chrono::{Datelike, Days, NaiveDate, Weekday};
use laminar_core::{Error, Result};

use super::datetime_pattern::{Field, FieldPart, Part, Pattern};
use super::datetime_text::{DAYS, MONTHS, ROMAN_MONTHS};
use crate::functions::columns::bad;

/// What a text says.
#[derive(Debug, Default)]
struct Said {
    hour: i64,
    minute: i64,
    second: i64,
    second_of_day: Option<i64>,
    nanos: i64,
    year: Option<i64>,
    year_digits: usize,
    is_bc: bool,
    century: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    /// 1 is Sunday, or Monday in ISO weeks.
    day_of_week: Option<i64>,
    week: Option<i64>,
    week_of_month: Option<i64>,
    julian: Option<i64>,
    is_pm: bool,
    is_twelve_hours: bool,
    iso: Option<bool>,
    zone_hours: i64,
    zone_minutes: i64,
    is_west: bool,
}

/// A date and time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) date: NaiveDate,
    /// Nanoseconds since midnight, minus the distance to UTC if the text says one.
    pub(super) nanos: i64,
}

/// Reads `text` by `pattern`.
pub(super) fn read(pattern: &Pattern, text: &str) -> Result<Value> {
    let mut reader = Reader { rest: text, said: Said::default(), extra: 0, skipped: None, exact: pattern.exact };
    for (index, part) in pattern.parts.iter().enumerate() {
        if reader.rest.is_empty() {
            break;
        }
        if !pattern.exact && (index == 0 || !matches!(part, Part::Letter(_))) {
            reader.skip_blanks();
        }
        match part {
            Part::Blank(_) | Part::Separator(_) => reader.separator(),
            Part::Letter(_) => reader.letter(),
            Part::Field(part) => {
                reader.field(part, ends_number(pattern.parts.get(index + 1)))?;
                if !pattern.exact {
                    reader.extra = 0;
                    reader.skip_blanks();
                }
            }
        }
    }
    reader.said.value(text)
}

/// Whether a number in front of this part ends where its digits end.
fn ends_number(next: Option<&Part>) -> bool {
    match next {
        None | Some(Part::Blank(_) | Part::Separator(_)) => true,
        Some(Part::Letter(c)) => !c.is_ascii_digit(),
        Some(Part::Field(part)) => {
            part.ordinal.is_some()
                || matches!(
                    part.field,
                    Field::Era { .. }
                        | Field::HalfDay { .. }
                        | Field::MonthName
                        | Field::MonthShort
                        | Field::MonthRoman
                        | Field::DayName
                        | Field::DayShort
                        | Field::Zone
                )
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
    said: Said,
    /// Blanks that were skipped beyond what the pattern has.
    extra: i64,
    /// The character that was skipped last.
    skipped: Option<char>,
    exact: bool,
}

impl Reader<'_> {
    fn skip_blanks(&mut self) {
        while let Some(after) = self.rest.strip_prefix(|c: char| c.is_ascii_whitespace()) {
            self.rest = after;
            self.extra += 1;
        }
    }

    fn skip_one(&mut self) {
        let mut chars = self.rest.chars();
        self.skipped = chars.next();
        self.rest = chars.as_str();
    }

    fn separator(&mut self) {
        if self.exact {
            return self.skip_one();
        }
        self.extra -= 1;
        if self.rest.starts_with(|c: char| c.is_ascii_whitespace() || c.is_ascii_punctuation()) {
            self.skip_one();
            self.extra += 1;
        }
    }

    fn letter(&mut self) {
        if !self.exact && self.extra > 0 {
            self.extra -= 1;
        } else {
            self.skip_one();
        }
    }

    fn field(&mut self, part: &FieldPart, ends: bool) -> Result<()> {
        self.set_convention(part)?;
        let ends = ends || part.fill;
        let mut int = |len: usize| self.number(part, len, ends);
        match part.field {
            Field::Era { .. } => self.said.is_bc = self.one_of(part, &["A.D.", "B.C.", "AD", "BC"])? % 2 == 1,
            Field::HalfDay { .. } => {
                self.said.is_pm = self.one_of(part, &["A.M.", "P.M.", "AM", "PM"])? % 2 == 1;
                self.said.is_twelve_hours = true;
            }
            Field::Hour12 => {
                self.said.hour = int(2)?.0;
                self.said.is_twelve_hours = true;
            }
            Field::Hour24 => self.said.hour = int(2)?.0,
            Field::Minute => self.said.minute = int(2)?.0,
            Field::Second => self.said.second = int(2)?.0,
            Field::SecondOfDay => self.said.second_of_day = Some(int(5)?.0),
            Field::Millisecond => self.said.nanos += self.fraction(part, 3, ends)?,
            Field::Microsecond => self.said.nanos += self.fraction(part, 6, ends)?,
            Field::Fraction(digits) => self.said.nanos += self.fraction(part, digits, ends)?,
            Field::MonthName => self.said.month = Some(self.one_of(part, &MONTHS)? + 1),
            Field::MonthShort => self.said.month = Some(self.one_of(part, &MONTHS.map(|month| &month[..3]))? + 1),
            Field::MonthRoman => {
                // The longest first, or VIII would be read as V.
                let mut order: Vec<usize> = (0..12).collect();
                order.sort_by_key(|index| std::cmp::Reverse(ROMAN_MONTHS[*index].len()));
                let names: Vec<&str> = order.iter().map(|index| ROMAN_MONTHS[*index]).collect();
                let found = self.one_of(part, &names)?;
                self.said.month = order.get(usize::try_from(found).unwrap_or(0)).map(|index| *index as i64 + 1);
            }
            Field::Month => self.said.month = Some(int(2)?.0),
            Field::DayName => self.said.day_of_week = Some(self.one_of(part, &DAYS)? + 1),
            Field::DayShort => self.said.day_of_week = Some(self.one_of(part, &DAYS.map(|day| &day[..3]))? + 1),
            Field::DayOfYear | Field::IsoDayOfYear => self.said.day_of_year = Some(int(3)?.0),
            Field::DayOfMonth => self.said.day = Some(int(2)?.0),
            Field::DayOfWeek | Field::IsoDayOfWeek => self.said.day_of_week = Some(int(1)?.0),
            Field::WeekOfYear | Field::IsoWeek => self.said.week = Some(int(2)?.0),
            Field::WeekOfMonth => self.said.week_of_month = Some(int(1)?.0),
            // It says nothing that the month does not say.
            Field::Quarter => {
                int(1)?;
            }
            Field::Century => self.said.century = Some(int(2)?.0),
            Field::Julian => self.said.julian = Some(self.number(part, usize::MAX, true)?.0),
            Field::Year(5) => self.year_with_comma(part)?,
            Field::Year(digits) | Field::IsoYear(digits) => {
                let (year, used) = int(digits)?;
                self.said.year = Some(if digits < 4 && used < 4 { near_2020(year) } else { year });
                self.said.year_digits = digits;
            }
            Field::ZoneHours => {
                // The minus may have been taken for the separator in front of it.
                let is_swallowed = self.extra > 0 && self.skipped == Some('-') && !self.rest.starts_with(['+', ' ']);
                self.said.is_west = self.rest.starts_with('-') || is_swallowed;
                self.rest = self.rest.strip_prefix(['-', '+', ' ']).unwrap_or(self.rest);
                self.said.zone_hours = self.number(part, 2, ends)?.0;
            }
            Field::ZoneMinutes => self.said.zone_minutes = int(2)?.0,
            Field::Zone | Field::ZoneOffset => {
                return Err(bad(format!("the part '{}' of a pattern is for to_char only", part.word)));
            }
        }
        if part.ordinal.is_some() && self.rest.len() >= 2 && self.rest.is_char_boundary(2) {
            self.rest = &self.rest[2..];
        }
        Ok(())
    }

    /// A text cannot be read by the calendar and by ISO weeks at once.
    fn set_convention(&mut self, part: &FieldPart) -> Result<()> {
        let iso = match part.field {
            Field::IsoDayOfYear | Field::IsoDayOfWeek | Field::IsoWeek | Field::IsoYear(_) => true,
            Field::Century | Field::MonthName | Field::MonthShort | Field::MonthRoman | Field::Month => false,
            Field::DayOfYear | Field::DayOfMonth | Field::DayOfWeek | Field::WeekOfYear | Field::WeekOfMonth | Field::Year(_) => {
                false
            }
            _ => return Ok(()),
        };
        if self.said.iso.is_some_and(|before| before != iso) {
            return Err(
                bad("the pattern mixes the calendar and ISO weeks").with_hint("use either YYYY, MM, DD, … or IYYY, IW, ID")
            );
        }
        self.said.iso = Some(iso);
        Ok(())
    }

    /// A number of `len` digits, or of as many as there are, and how many characters it took.
    fn number(&mut self, part: &FieldPart, len: usize, ends: bool) -> Result<(i64, usize)> {
        self.rest = self.rest.trim_start_matches(|c: char| c.is_ascii_whitespace());
        let signed = usize::from(self.rest.starts_with(['-', '+']));
        let digits = self.rest[signed..].bytes().take_while(u8::is_ascii_digit).count();
        let mut used = if digits == 0 { 0 } else { signed + digits };
        if !ends {
            if self.rest.chars().count() < len {
                return Err(bad(format!("'{}' is too short for the part '{}' of the pattern", self.rest, part.word))
                    .with_hint("FM before it takes as many digits as there are"));
            }
            if used > 0 && used < len {
                return Err(self.no_value(part).with_hint("FM before it takes as many digits as there are"));
            }
            used = used.min(len);
        }
        let value = self.rest[..used].parse::<i64>().ok().filter(|value| i32::try_from(*value).is_ok());
        let value = value.ok_or_else(|| self.no_value(part))?;
        self.rest = &self.rest[used..];
        Ok((value, used))
    }

    /// Digits behind the point of a second, as nanoseconds: `5` and `500` are the same, `05` is less.
    fn fraction(&mut self, part: &FieldPart, digits: usize, ends: bool) -> Result<i64> {
        let (value, used) = self.number(part, digits, ends)?;
        let used = u32::try_from(used.min(9)).unwrap_or(9);
        let limit = 10i64.pow(u32::try_from(digits).unwrap_or(9));
        if value >= limit {
            return Err(bad(format!("'{value}' is too large for the part '{}' of the pattern", part.word)));
        }
        Ok(value * 10i64.pow(9 - used))
    }

    fn year_with_comma(&mut self, part: &FieldPart) -> Result<()> {
        let (thousands, _) = self.number(part, 4, true)?;
        self.rest = self.rest.strip_prefix(',').ok_or_else(|| self.no_value(part))?;
        let (rest, _) = self.number(part, 3, false)?;
        self.said.year = Some(thousands * 1000 + rest);
        self.said.year_digits = 4;
        Ok(())
    }

    /// The index of the name that comes next, in any case.
    fn one_of(&mut self, part: &FieldPart, names: &[&str]) -> Result<i64> {
        for (index, name) in names.iter().enumerate() {
            if self.rest.get(..name.len()).is_some_and(|front| front.eq_ignore_ascii_case(name)) {
                self.rest = &self.rest[name.len()..];
                return Ok(index as i64);
            }
        }
        Err(self.no_value(part))
    }

    fn no_value(&self, part: &FieldPart) -> Error {
        let end = self.rest.find(|c: char| c.is_ascii_whitespace()).unwrap_or(self.rest.len());
        bad(format!("'{}' is no value for the part '{}' of the pattern", &self.rest[..end], part.word))
    }
}

/// A year of less than four digits is the one nearest to 2020.
fn near_2020(year: i64) -> i64 {
    match year {
        0..70 => year + 2000,
        70..100 => year + 1900,
        100..520 => year + 2000,
        520..1000 => year + 1000,
        other => other,
    }
}

impl Said {
    fn value(self, text: &str) -> Result<Value> {
        let out_of_range = || bad(format!("'{text}' has a date or time out of range"));
        let date = self.date(text)?.ok_or_else(out_of_range)?;
        let (hour, minute, second) = self.clock(text)?;
        let shift = (self.zone_hours * 3600 + self.zone_minutes * 60) * if self.is_west { -1 } else { 1 };
        // A leap second and the hour 24 are no times of a clock here.
        let seconds = hour * 3600 + minute * 60 + second;
        Ok(Value { date, nanos: (seconds - shift) * 1_000_000_000 + self.nanos })
    }

    fn clock(&self, text: &str) -> Result<(i64, i64, i64)> {
        let (mut hour, minute, second) = match self.second_of_day {
            Some(all) => (all / 3600, all / 60 % 60, all % 60),
            None => (self.hour, self.minute, self.second),
        };
        if self.is_twelve_hours {
            if !(1..=12).contains(&hour) {
                return Err(bad(format!("hour '{hour}' does not exist on a clock of twelve hours"))
                    .with_hint("use HH24, or give an hour between 1 and 12"));
            }
            hour = hour % 12 + if self.is_pm { 12 } else { 0 };
        }
        if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0..60).contains(&second) {
            return Err(bad(format!("'{text}' has a date or time out of range")));
        }
        Ok((hour, minute, second))
    }

    fn full_year(&self) -> Option<i64> {
        match (self.year, self.century) {
            (Some(year), Some(century)) if self.year_digits <= 2 => {
                let rest = year % 100;
                Some(if rest == 0 { century * 100 } else { (century - 1) * 100 + rest })
            }
            (Some(year), _) => Some(if self.is_bc {
                1 - year
            } else if year < 0 {
                year + 1
            } else {
                year
            }),
            (None, Some(century)) => Some((century - 1) * 100 + 1),
            (None, None) => None,
        }
    }

    fn date(&self, text: &str) -> Result<Option<NaiveDate>> {
        if let Some(julian) = self.julian {
            return Ok(i32::try_from(julian - 1_721_425).ok().and_then(NaiveDate::from_num_days_from_ce_opt));
        }
        let year = self.full_year();
        let number = i32::try_from(year.unwrap_or(0)).map_err(|_| bad(format!("'{text}' has a date or time out of range")))?;
        if let (Some(week), Some(true)) = (self.week, self.iso) {
            let weekday = match self.day_of_week {
                Some(day) => u8::try_from(day - 1).ok().and_then(|day| Weekday::try_from(day).ok()),
                None => Some(Weekday::Mon),
            };
            let week = u32::try_from(week).unwrap_or(0);
            return Ok(weekday.and_then(|weekday| NaiveDate::from_isoywd_opt(number, week, weekday)));
        }
        let day_of_year = self.day_of_year.or(self.week.map(|week| (week - 1) * 7 + 1));
        let month = self.month.unwrap_or(1);
        let day = self.day.or(self.week_of_month.map(|week| (week - 1) * 7 + 1)).unwrap_or(1);
        if let Some(day_of_year) = day_of_year.filter(|_| month <= 1 || day <= 1) {
            if year.is_none() {
                return Err(bad("the day of a year needs the year"));
            }
            return Ok(self.from_day_of_year(number, day_of_year));
        }
        let (month, day) = (u32::try_from(month).unwrap_or(0), u32::try_from(day).unwrap_or(0));
        Ok(NaiveDate::from_ymd_opt(number, month, day))
    }

    fn from_day_of_year(&self, year: i32, day: i64) -> Option<NaiveDate> {
        let day = u64::try_from(day).ok().filter(|day| *day >= 1)?;
        if self.iso == Some(true) {
            return NaiveDate::from_isoywd_opt(year, 1, Weekday::Mon)?.checked_add_days(Days::new(day - 1));
        }
        let date = NaiveDate::from_ymd_opt(year, 1, 1)?.checked_add_days(Days::new(day - 1))?;
        (date.year() == year).then_some(date)
    }
}
