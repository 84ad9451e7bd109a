//! The shapes of windows as data, what makes them valid, and how `EXPLAIN` shows them.

use std::fmt;

use super::length::Length;
use super::panes::Panes;
use super::zone::LocalClock;
use crate::{Code, Error, Result, limits};

/// The shape of tumbling, hopping and cumulating windows.
///
/// Time is cut into panes; a pane has a number, and every window is a run of neighbouring panes. Rows are aggregated into
/// panes once; windows are put together from panes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WindowShape {
    /// What kind of window.
    pub kind: WindowKind,
    /// How time is cut.
    pub unit: WindowUnit,
}

/// The kind of window, in multiples of [`WindowShape::unit`]'s quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WindowKind {
    /// One after the other.
    Tumbling {
        /// Length.
        size: i64,
    },
    /// A window of `size` starts every `slide`.
    Hopping {
        /// Length.
        size: i64,
        /// Distance between starts; at most `size`.
        slide: i64,
    },
    /// Windows with a common start that grow by `step` up to `size`.
    Cumulating {
        /// Growth.
        step: i64,
        /// Greatest length; a multiple of `step`.
        size: i64,
    },
}

/// In what the lengths of a window are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum WindowUnit {
    /// Nanoseconds; windows are aligned to 1970-01-01T00:00:00 + `offset` nanoseconds on the clocks of `zone` (UTC if none). Lengths
    /// of whole days are days of its calendar, which may have 23 or 25 hours.
    Nanos {
        /// Shift of the alignment.
        offset: i64,
        /// The time zone of which midnight is midnight.
        zone: Option<chrono_tz::Tz>,
    },
    /// Calendar months (a quarter is 3, a year 12), aligned to January of year 0 + `offset`, in `zone` (UTC if none).
    Months {
        /// Shift of the alignment.
        offset: MonthOffset,
        /// The time zone whose calendar counts.
        zone: Option<chrono_tz::Tz>,
    },
}

/// How far windows of months are shifted: a year that begins in April is shifted by 3 months, a month from the 15th on by 14 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct MonthOffset {
    /// Whole months.
    pub months: i64,
    /// Nanoseconds that local clocks show beyond these, in either direction.
    pub nanos: i64,
}

impl MonthOffset {
    /// No shift.
    pub const NONE: Self = Self { months: 0, nanos: 0 };

    /// Whether there is no shift.
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }
}

/// A month has so many days at least: a shift by more would begin some months in the next but one.
const MONTH_DAYS_MIN: i64 = 28;

/// What the greatest window of [`limits::WINDOW_PANES_MAX`] panes and everything that is added to it must fit into: a
/// third of the range of event time.
const LENGTH_MAX: i64 = i64::MAX / 3;
const DAY: i64 = 86_400_000_000_000;

impl WindowShape {
    /// Says what is wrong with the lengths, if something is.
    pub fn validate(&self) -> Result<()> {
        let (step, size) = self.kind.lengths();
        if step <= 0 || size <= 0 {
            return Err(invalid("the lengths of a window must be greater than zero"));
        }
        if step > size {
            return Err(
                self.misfit("is more than the size", "rows between two windows would be lost; write the smaller interval first")
            );
        }
        if matches!(self.kind, WindowKind::Cumulating { .. }) && size % step != 0 {
            return Err(self.misfit("does not divide the size", "choose a size that is a multiple of the step"));
        }
        if let WindowUnit::Months { offset, .. } = self.unit
            && offset.nanos.unsigned_abs() >= (MONTH_DAYS_MIN * DAY).unsigned_abs()
        {
            let days = Length::Nanos(offset.nanos);
            return Err(invalid(format!("windows of months cannot be shifted by {days}, since months have 28 to 31 days"))
                .with_hint("write the months of the offset as months, and less than 28 days beside them"));
        }
        self.validate_panes(step, size)
    }

    fn validate_panes(&self, step: i64, size: i64) -> Result<()> {
        let panes = size / self.kind.pane_width();
        if panes > limits::WINDOW_PANES_MAX {
            let message =
                format!("a window of {} would have {panes} panes of {}", self.length(size), self.length(self.kind.pane_width()));
            let hint =
                format!("at most {} are possible: choose a step larger than {}", limits::WINDOW_PANES_MAX, self.length(step));
            return Err(invalid(message).with_hint(hint));
        }
        if self.max_length_nanos() > LENGTH_MAX {
            return Err(invalid(format!("a window of {} is longer than event time allows", self.length(size))));
        }
        Ok(())
    }

    /// The greatest length that a window of this shape can have, in nanoseconds: its `window_start` lags by so much more
    /// behind the watermark than its `window_end`.
    pub fn max_length_nanos(&self) -> i64 {
        let (step, size) = self.kind.lengths();
        // Windows that are cut by the calendar are longer where clocks are turned back meanwhile.
        let cut = if matches!(self.kind, WindowKind::Hopping { .. }) { step } else { size };
        let delay = |zone: Option<chrono_tz::Tz>| zone.map_or(0, |zone| LocalClock::of(zone).greatest_delay());
        match self.unit {
            WindowUnit::Nanos { zone, .. } if cut % DAY == 0 => size.saturating_add(delay(zone)),
            WindowUnit::Nanos { .. } => size,
            WindowUnit::Months { zone, .. } => size.saturating_mul(31 * DAY).saturating_add(delay(zone)),
        }
    }

    /// The width of a pane, in the unit of the lengths: the greatest from which all windows can be put together.
    pub fn pane_width(&self) -> i64 {
        self.kind.pane_width()
    }

    /// The arithmetic of this shape; fails as [`validate`](Self::validate) does.
    pub fn panes(&self) -> Result<Panes> {
        self.validate()?;
        Ok(Panes::of_valid(self))
    }

    fn length(&self, amount: i64) -> Length {
        match self.unit {
            WindowUnit::Nanos { .. } => Length::Nanos(amount),
            WindowUnit::Months { .. } => Length::Months(amount),
        }
    }

    fn misfit(&self, what: &str, hint: &str) -> Error {
        let (step, size) = self.kind.lengths();
        let name = if matches!(self.kind, WindowKind::Hopping { .. }) { "slide" } else { "step" };
        invalid(format!("the {name} {} {what} {}", self.length(step), self.length(size))).with_hint(hint)
    }
}

impl WindowKind {
    /// Distance between windows (or growth), and greatest length.
    pub(super) fn lengths(self) -> (i64, i64) {
        match self {
            WindowKind::Tumbling { size } => (size, size),
            WindowKind::Hopping { size, slide } => (slide, size),
            WindowKind::Cumulating { step, size } => (step, size),
        }
    }

    /// The greatest width of panes from which all windows can be put together.
    pub(super) fn pane_width(self) -> i64 {
        let (step, size) = self.lengths();
        gcd(step, size)
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(Code::InvalidWindow, message)
}

impl fmt::Display for WindowShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (step, size) = self.kind.lengths();
        let (step, size) = (self.length(step), self.length(size));
        match self.kind {
            WindowKind::Tumbling { .. } => write!(f, "tumble {size}")?,
            WindowKind::Hopping { .. } => write!(f, "hop {step} / {size}")?,
            WindowKind::Cumulating { .. } => write!(f, "cumulate {step} / {size}")?,
        }
        let (offset, zone) = match &self.unit {
            WindowUnit::Nanos { offset, zone } => (MonthOffset { months: 0, nanos: *offset }, zone),
            WindowUnit::Months { offset, zone } => (*offset, zone),
        };
        match (Length::Months(offset.months), Length::Nanos(offset.nanos)) {
            _ if offset.is_none() => {}
            (_, nanos) if offset.months == 0 => write!(f, " offset {nanos}")?,
            (months, _) if offset.nanos == 0 => write!(f, " offset {months}")?,
            (months, nanos) => write!(f, " offset {months} {nanos}")?,
        }
        zone.map_or(Ok(()), |zone| write!(f, " in {zone}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000_000;
    const UTC: WindowUnit = WindowUnit::Nanos { offset: 0, zone: None };

    #[test]
    fn shapes_read_as_in_explain() {
        let berlin = Some(chrono_tz::Europe::Berlin);
        for (kind, unit, text) in [
            (WindowKind::Tumbling { size: MINUTE }, UTC, "tumble 1m"),
            (WindowKind::Hopping { size: 60 * MINUTE, slide: 15 * MINUTE }, UTC, "hop 15m / 1h"),
            (WindowKind::Cumulating { step: MINUTE, size: 5 * MINUTE }, UTC, "cumulate 1m / 5m"),
            (
                WindowKind::Tumbling { size: 3 },
                WindowUnit::Months { offset: MonthOffset::NONE, zone: berlin },
                "tumble 3mon in Europe/Berlin",
            ),
            (
                WindowKind::Tumbling { size: 12 },
                WindowUnit::Months { offset: MonthOffset { months: 3, nanos: 5 * 1440 * MINUTE }, zone: None },
                "tumble 1y offset 3mon 5d",
            ),
            (WindowKind::Tumbling { size: MINUTE }, WindowUnit::Nanos { offset: 5, zone: None }, "tumble 1m offset 5ns"),
        ] {
            assert_eq!(WindowShape { kind, unit }.to_string(), text);
        }
    }

    #[test]
    fn impossible_lengths_are_refused_with_the_reason() {
        for (kind, message) in [
            (WindowKind::Tumbling { size: 0 }, "greater than zero"),
            (WindowKind::Hopping { size: MINUTE, slide: -1 }, "greater than zero"),
            (WindowKind::Hopping { size: MINUTE, slide: 2 * MINUTE }, "the slide 2m is more than the size 1m"),
            (WindowKind::Cumulating { size: 3 * MINUTE, step: 2 * MINUTE }, "the step 2m does not divide the size 3m"),
            (WindowKind::Hopping { size: MINUTE, slide: MINUTE - 1 }, "60000000000 panes of 1ns"),
            (WindowKind::Tumbling { size: i64::MAX }, "longer than event time allows"),
        ] {
            let error = WindowShape { kind, unit: UTC }.validate().expect_err("an impossible shape");
            assert_eq!(error.code(), Code::InvalidWindow);
            assert!(error.message().contains(message), "{error}");
        }
    }
}
