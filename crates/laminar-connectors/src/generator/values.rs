//! Reads the values that generators share: numbers, durations, times.

use std::str::FromStr;

use arrow_cast::parse::string_to_timestamp_nanos;
use laminar_core::Result;

use crate::options::{invalid, nearest, parse_duration};

/// A number; underscores may group digits (`10_000_000`).
pub(crate) fn number<T: FromStr>(name: &str, text: &str) -> Result<T> {
    text.trim().replace('_', "").parse().map_err(|_| invalid(name, text, "a number"))
}

/// A number above 0, whole or not.
pub(crate) fn positive(name: &str, text: &str) -> Result<f64> {
    let value: f64 = number(name, text)?;
    if value.is_finite() && value > 0.0 { Ok(value) } else { Err(invalid(name, text, "a number above 0")) }
}

/// `100 ms`, `1 minute 30 seconds`: nanoseconds.
pub(crate) fn duration_nanos(name: &str, text: &str) -> Result<i64> {
    let nanos = parse_duration(text).and_then(|duration| i64::try_from(duration.as_nanos()).ok());
    nanos.ok_or_else(|| invalid(name, text, "a duration such as '100 ms' or '5 seconds'"))
}

/// `2025-01-01 00:00:00` (UTC unless it names a zone): nanoseconds since the epoch.
pub(crate) fn time_nanos(name: &str, text: &str) -> Result<i64> {
    string_to_timestamp_nanos(text.trim()).map_err(|_| invalid(name, text, "a time such as '2025-01-01 00:00:00'"))
}

/// The hint for a misspelt name: the nearest of those that exist, and all of them.
pub(crate) fn did_you_mean(what: &str, name: &str, known: &[&str]) -> String {
    let all = format!("the {what}s are: {}", known.join(", "));
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean '{near}'? {all}"),
        None => all,
    }
}
