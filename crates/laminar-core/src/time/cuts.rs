//! Where local clocks cut time: at every so many hours that they show, or at midnights of a calendar.

use std::sync::Arc;

use chrono::{DateTime, Datelike, NaiveDate};

use super::windows::MonthOffset;
use super::zone::LocalClock;

/// Instants in nanoseconds that cut event time.
#[derive(Debug, Clone)]
pub(super) struct Cuts {
    pub(super) clock: Arc<LocalClock>,
    pub(super) rule: CutRule,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum CutRule {
    /// Wherever clocks show a multiple of `width` nanoseconds (+ `offset`), in each run of a repeated hour. Where they are turned by
    /// something else than a multiple, `width` may have passed before they show one: then there is a cut as well.
    Clock { width: i64, offset: i64 },
    /// Where clocks first show the start of a unit.
    Calendar(Calendar),
}

/// Local days or months, several of which may be one unit.
#[derive(Debug, Clone, Copy)]
pub(super) enum Calendar {
    /// `width` nanoseconds each, whole days, counted from 1970-01-01 + `offset` on.
    Days { width: i64, offset: i64 },
    /// `width` months each, counted from January of year 0 + `offset` on.
    Months { width: i64, offset: MonthOffset },
}

impl Cuts {
    /// The last cut up to `time`.
    pub(super) fn up_to(&self, time: i64) -> i64 {
        match self.rule {
            CutRule::Clock { width, offset } => {
                let shown = self.shown_up_to(time, width, offset);
                shown + (time - shown).div_euclid(width) * width
            }
            CutRule::Calendar(calendar) => {
                self.clock.first_showing(calendar.start(calendar.unit_of(self.clock.latest_shown(time))))
            }
        }
    }

    /// The first cut after `time`.
    pub(super) fn after(&self, time: i64) -> i64 {
        match self.rule {
            CutRule::Clock { width, offset } => self.shown_after(time, width, offset),
            CutRule::Calendar(calendar) => {
                let unit = calendar.unit_of(self.clock.latest_shown(time));
                self.first_after(time, unit, |unit| self.clock.first_showing(calendar.start(unit)))
            }
        }
    }

    /// The first of the instants of the units after `unit` that lies after `time`. Units that clocks skip share an instant.
    pub(super) fn first_after(&self, time: i64, unit: i64, instant: impl Fn(i64) -> i64) -> i64 {
        let mut next = unit + 1;
        while instant(next) <= time {
            next += 1;
        }
        instant(next)
    }

    /// The last instant up to `time` at which clocks show a multiple.
    fn shown_up_to(&self, time: i64, width: i64, offset: i64) -> i64 {
        let (mut number, mut stretch) = self.clock.stretch_at(time);
        let mut last = time;
        loop {
            let cut = last - (last + stretch.ahead - offset).rem_euclid(width);
            let before = number.checked_sub(1).and_then(|number| Some((number, self.clock.stretch(number)?)));
            match before {
                Some(before) if cut < stretch.from => {
                    last = stretch.from - 1;
                    (number, stretch) = before;
                }
                _ => return cut,
            }
        }
    }

    fn shown_after(&self, time: i64, width: i64, offset: i64) -> i64 {
        let at_last = self.up_to(time) + width;
        let (mut number, mut stretch) = self.clock.stretch_at(time);
        let mut first = time + 1;
        loop {
            let cut = first + (offset - first - stretch.ahead).rem_euclid(width);
            match self.clock.stretch(number + 1) {
                Some(next) if next.from <= cut && next.from < at_last => {
                    first = next.from;
                    (number, stretch) = (number + 1, next);
                }
                Some(next) if next.from <= cut => return at_last,
                _ => return cut.min(at_last),
            }
        }
    }
}

impl Calendar {
    /// The unit in which a local time lies.
    pub(super) fn unit_of(self, local: i64) -> i64 {
        match self {
            Calendar::Days { width, offset } => (local - offset).div_euclid(width),
            Calendar::Months { width, offset } => {
                let date = DateTime::from_timestamp_nanos(local.saturating_sub(offset.nanos)).date_naive();
                (i64::from(date.year()) * 12 + i64::from(date.month0()) - offset.months).div_euclid(width)
            }
        }
    }

    /// The local time at which a unit starts.
    pub(super) fn start(self, unit: i64) -> i64 {
        self.end(unit, 0)
    }

    /// The local time that is `length`, in the unit of `width`, after the start of a unit.
    pub(super) fn end(self, unit: i64, length: i64) -> i64 {
        match self {
            Calendar::Days { width, offset } => unit * width + offset + length,
            Calendar::Months { width, offset } => {
                let month = start_of_month(i128::from(unit) * i128::from(width) + i128::from(offset.months) + i128::from(length));
                month.saturating_add(i128::from(offset.nanos)).clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
            }
        }
    }
}

/// Nanoseconds from the epoch to the first of the month that is `months` after January of year 0.
pub(super) fn start_of_month(months: i128) -> i128 {
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12));
    let date = i32::try_from(year).ok().and_then(|year| NaiveDate::from_ymd_opt(year, month as u32 + 1, 1));
    match date {
        Some(date) => i128::from(date.signed_duration_since(NaiveDate::default()).num_days()) * 86_400_000_000_000,
        None if year < 0 => i128::MIN,
        None => i128::MAX,
    }
}
