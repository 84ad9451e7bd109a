//! The names of units and fields of time, as `extract`, `date_trunc` and intervals know them.

use laminar_core::{Code, Error};

/// A unit of time, or another field of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
    DayOfWeek,
    IsoDayOfWeek,
    DayOfYear,
    IsoYear,
    Epoch,
    Julian,
    Timezone,
    TimezoneHour,
    TimezoneMinute,
}

const NAMES: &[(Unit, &[&str])] = &[
    (Unit::Microsecond, &["microseconds", "microsecond", "us", "usec", "usecs", "usecond", "useconds"]),
    (Unit::Millisecond, &["milliseconds", "millisecond", "ms", "msec", "msecs", "msecond", "mseconds"]),
    (Unit::Second, &["second", "seconds", "s", "sec", "secs"]),
    (Unit::Minute, &["minute", "minutes", "m", "min", "mins"]),
    (Unit::Hour, &["hour", "hours", "h", "hr", "hrs"]),
    (Unit::Day, &["day", "days", "d"]),
    (Unit::Week, &["week", "weeks", "w"]),
    (Unit::Month, &["month", "months", "mon", "mons"]),
    (Unit::Quarter, &["quarter", "quarters", "qtr"]),
    (Unit::Year, &["year", "years", "y", "yr", "yrs"]),
    (Unit::Decade, &["decade", "decades", "dec", "decs"]),
    (Unit::Century, &["century", "centuries", "c", "cent"]),
    (Unit::Millennium, &["millennium", "millenniums", "millennia", "mil", "mils"]),
    (Unit::DayOfWeek, &["dow"]),
    (Unit::IsoDayOfWeek, &["isodow"]),
    (Unit::DayOfYear, &["doy"]),
    (Unit::IsoYear, &["isoyear"]),
    (Unit::Epoch, &["epoch"]),
    (Unit::Julian, &["julian", "j"]),
    (Unit::Timezone, &["timezone"]),
    (Unit::TimezoneHour, &["timezone_hour", "timezone_h"]),
    (Unit::TimezoneMinute, &["timezone_minute", "timezone_m"]),
];

/// The unit called `name`, in any case.
pub(super) fn unit(name: &str) -> Option<Unit> {
    let name = name.trim();
    NAMES.iter().find(|(_, names)| names.iter().any(|known| known.eq_ignore_ascii_case(name))).map(|(unit, _)| *unit)
}

impl Unit {
    /// The name that it is best called by.
    pub(super) fn name(self) -> &'static str {
        NAMES.iter().find(|(unit, _)| *unit == self).map_or("", |(_, names)| names[0])
    }
}

/// The unit called `name` if it is one of `known`; `of` says what it would be a unit of.
pub(super) fn one_of(name: &str, known: &[Unit], of: &str) -> Result<Unit, Error> {
    let found = unit(name);
    if let Some(unit) = found.filter(|unit| known.contains(unit)) {
        return Ok(unit);
    }
    let names: Vec<&str> = known.iter().map(|unit| unit.name()).collect();
    let message = match found {
        Some(_) => format!("{of} has no '{name}'"),
        None => format!("there is no unit of time '{name}'"),
    };
    Err(Error::new(Code::InvalidQuery, message).with_hint(format!("the units are: {}", names.join(", "))))
}

/// Names of units are mostly the same in all rows, so the last one is kept.
pub(super) struct LastUnit {
    known: &'static [Unit],
    of: &'static str,
    last: Option<(String, Unit)>,
}

impl LastUnit {
    /// Units out of `known`; `of` says what they would be units of.
    pub(super) fn new(known: &'static [Unit], of: &'static str) -> Self {
        Self { known, of, last: None }
    }

    /// The unit called `name`.
    pub(super) fn get(&mut self, name: &str) -> Result<Unit, Error> {
        match &self.last {
            Some((last, unit)) if last == name => Ok(*unit),
            _ => {
                let unit = one_of(name, self.known, self.of)?;
                self.last = Some((name.to_owned(), unit));
                Ok(unit)
            }
        }
    }
}
