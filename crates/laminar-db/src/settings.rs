//! What `SET` can change.

use laminar_core::limits::{IDLE_TIMEOUT_MS, VIRTUAL_PARTITIONS};
use laminar_core::{Code, Error, Result};

/// Settings of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Wall-clock silence after which a source counts as idle, in nanoseconds; `None`: never. For sources created from then on.
    pub idle_timeout: Option<i64>,
    /// How many threads share the work; 1: the caller does it all. Can be changed as long as there are no objects.
    pub workers: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { idle_timeout: Some(IDLE_TIMEOUT_MS as i64 * 1_000_000), workers: 1 }
    }
}

/// Every setting's name.
pub(crate) const NAMES: [&str; 2] = ["idle_timeout", "workers"];

impl Settings {
    /// Changes one setting; `None` gives it its default.
    pub(crate) fn set(&mut self, name: &str, value: Option<&str>) -> Result<()> {
        match name {
            "idle_timeout" => {
                self.idle_timeout = match value {
                    None => Self::default().idle_timeout,
                    Some("never" | "off" | "0") => None,
                    Some(text) => Some(duration(text)?),
                };
                Ok(())
            }
            "workers" => {
                self.workers = value.map_or(Ok(Self::default().workers), workers)?;
                Ok(())
            }
            other => {
                let error = Error::new(Code::UnknownOption, format!("there is no setting '{other}'"));
                Err(error.with_hint(format!("the settings are: {}", NAMES.join(", "))))
            }
        }
    }

    /// A setting as text.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        match name {
            "idle_timeout" => Some(match self.idle_timeout {
                Some(nanos) => format!("{} ms", nanos / 1_000_000),
                None => "never".to_owned(),
            }),
            "workers" => Some(self.workers.to_string()),
            _ => None,
        }
    }
}

/// A number of workers that there can be.
fn workers(text: &str) -> Result<usize> {
    let number = text.trim().parse().ok().filter(|number| (1..=VIRTUAL_PARTITIONS).contains(number));
    number.ok_or_else(|| {
        Error::new(Code::InvalidOption, format!("'{text}' is not a number of workers"))
            .with_hint(format!("write a number from 1 (the caller's thread does all the work) to {VIRTUAL_PARTITIONS}"))
    })
}

/// `5s`, `5 seconds`, `250 ms`, `1 minute` as nanoseconds.
fn duration(text: &str) -> Result<i64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match text[digits..].trim().to_lowercase().trim_end_matches('s') {
        "m" if text.trim_end().ends_with("ms") => Some(1_000_000),
        "millisecond" => Some(1_000_000),
        "" if text.ends_with('s') => Some(1_000_000_000),
        "sec" | "second" => Some(1_000_000_000_i64),
        "m" | "min" | "minute" => Some(60_000_000_000),
        "h" | "hour" => Some(3_600_000_000_000),
        _ => None,
    };
    let amount = text[..digits].parse::<i64>().ok();
    amount.zip(unit).and_then(|(amount, unit)| amount.checked_mul(unit)).filter(|nanos| *nanos > 0).ok_or_else(|| {
        Error::new(Code::InvalidOption, format!("'{text}' is not a length of time"))
            .with_hint("write '5 seconds', '250 ms' or 'never'")
    })
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn lengths_of_time_are_read_in_the_usual_forms() {
        for (text, nanos) in [
            ("5s", 5_000_000_000),
            ("5 seconds", 5_000_000_000),
            ("250 ms", 250_000_000),
            ("250ms", 250_000_000),
            ("1 minute", 60_000_000_000),
            ("2 hours", 7_200_000_000_000),
        ] {
            assert_eq!(duration(text), Ok(nanos), "{text}");
        }
        assert!(duration("soon").is_err() && duration("5").is_err() && duration("0 s").is_err());
    }
}
