//! The one internal form of every window syntax: `__window_start(time, 'spec', partition…)` and `__window_end(…)`.
//!
//! The syntax tree has no place for a [`WindowCall`], so it travels through DataFusion's planner as the text of the second argument. It is read in one
//! place, `functions/window_marker.rs`; whatever comes after holds the `WindowCall` itself.

use std::fmt::{self, Write};

use chrono_tz::Tz;
use laminar_core::time::windows::{MonthOffset, WindowKind, WindowShape, WindowUnit};
use laminar_core::{Error, Result};

/// The marker function whose value is a window's start.
pub const WINDOW_START: &str = "__window_start";
/// The marker function whose value is a window's end.
pub const WINDOW_END: &str = "__window_end";

/// A window as the whole crate knows it, from the parser to lowering.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum WindowCall {
    /// Tumbling, hopping and cumulating windows.
    Panes(WindowShape),
    /// Rows of a key that are at most `gap` nanoseconds apart.
    Session {
        /// Nanoseconds, more than 0.
        gap: i64,
    },
}

impl WindowCall {
    /// The text that stands in the marker call, as in `hop size=60000000000 slide=10000000000 unit=ns`.
    pub fn to_spec(&self) -> String {
        self.to_string()
    }

    /// Reads what [`WindowCall::to_spec`] wrote.
    ///
    /// # Errors
    /// An internal error if the text is anything else: no user writes markers.
    pub fn from_spec(spec: &str) -> Result<Self> {
        read(spec).ok_or_else(|| Error::internal(format!("'{spec}' is not a window")))
    }
}

impl fmt::Display for WindowCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WindowCall::Session { gap } => write!(f, "session gap={gap} unit=ns"),
            WindowCall::Panes(WindowShape { kind, unit }) => {
                match kind {
                    WindowKind::Tumbling { size } => write!(f, "tumble size={size}")?,
                    WindowKind::Hopping { size, slide } => write!(f, "hop size={size} slide={slide}")?,
                    WindowKind::Cumulating { step, size } => write!(f, "cumulate step={step} size={size}")?,
                }
                write_unit(f, unit)
            }
        }
    }
}

fn write_unit(f: &mut fmt::Formatter<'_>, unit: &WindowUnit) -> fmt::Result {
    let zone = match unit {
        WindowUnit::Nanos { offset, zone } => {
            f.write_str(" unit=ns")?;
            if *offset != 0 {
                write!(f, " offset={offset}")?;
            }
            zone
        }
        WindowUnit::Months { offset, zone } => {
            f.write_str(" unit=months")?;
            if !offset.is_none() {
                write!(f, " months={} offset={}", offset.months, offset.nanos)?;
            }
            zone
        }
    };
    match zone {
        Some(zone) => {
            f.write_char(' ')?;
            write!(f, "zone={}", zone.name())
        }
        None => Ok(()),
    }
}

fn read(spec: &str) -> Option<WindowCall> {
    let mut words = spec.split(' ');
    let name = words.next()?;
    let pairs: Vec<(&str, &str)> = words.map(|word| word.split_once('=')).collect::<Option<_>>()?;
    let text = |key: &str| pairs.iter().find(|(k, _)| *k == key).map(|(_, value)| *value);
    let number = |key: &str| text(key)?.parse::<i64>().ok();
    let kind = match name {
        "session" => return Some(WindowCall::Session { gap: number("gap")? }),
        "tumble" => WindowKind::Tumbling { size: number("size")? },
        "hop" => WindowKind::Hopping { size: number("size")?, slide: number("slide")? },
        "cumulate" => WindowKind::Cumulating { step: number("step")?, size: number("size")? },
        _ => return None,
    };
    let zone = match text("zone") {
        Some(zone) => Some(zone.parse::<Tz>().ok()?),
        None => None,
    };
    let unit = match text("unit")? {
        "ns" if text("offset").is_none() => WindowUnit::Nanos { offset: 0, zone },
        "ns" => WindowUnit::Nanos { offset: number("offset")?, zone },
        "months" if text("offset").is_none() => WindowUnit::Months { offset: MonthOffset::NONE, zone },
        "months" => {
            let offset = MonthOffset { months: number("months")?, nanos: number("offset")? };
            WindowUnit::Months { offset, zone }
        }
        _ => return None,
    };
    Some(WindowCall::Panes(WindowShape { kind, unit }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(call: WindowCall, spec: &str) {
        assert_eq!(call.to_spec(), spec);
        assert_eq!(WindowCall::from_spec(spec), Ok(call));
    }

    fn nanos(kind: WindowKind, offset: i64, zone: Option<Tz>) -> WindowCall {
        WindowCall::Panes(WindowShape { kind, unit: WindowUnit::Nanos { offset, zone } })
    }

    #[test]
    fn every_call_survives_its_text() {
        check(WindowCall::Session { gap: 5 }, "session gap=5 unit=ns");
        check(nanos(WindowKind::Tumbling { size: 60 }, 0, None), "tumble size=60 unit=ns");
        check(
            nanos(WindowKind::Hopping { size: 60, slide: 10 }, -3, Some(Tz::Europe__Berlin)),
            "hop size=60 slide=10 unit=ns offset=-3 zone=Europe/Berlin",
        );
        let fiscal = WindowUnit::Months { offset: MonthOffset { months: 3, nanos: -7 }, zone: None };
        check(
            WindowCall::Panes(WindowShape { kind: WindowKind::Tumbling { size: 12 }, unit: fiscal }),
            "tumble size=12 unit=months months=3 offset=-7",
        );
        let months = WindowUnit::Months { offset: MonthOffset::NONE, zone: Some(Tz::America__New_York) };
        check(
            WindowCall::Panes(WindowShape { kind: WindowKind::Cumulating { step: 1, size: 12 }, unit: months }),
            "cumulate step=1 size=12 unit=months zone=America/New_York",
        );
    }

    #[test]
    fn other_text_is_an_internal_error() {
        for spec in [
            "",
            "tumble",
            "tumble size=x unit=ns",
            "tumble size=1 unit=days",
            "hop size=1 unit=ns",
            "tumble size=1 unit=ns zone=Mars/City",
        ] {
            assert!(WindowCall::from_spec(spec).is_err(), "{spec}");
        }
    }
}
