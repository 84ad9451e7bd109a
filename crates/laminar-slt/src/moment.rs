//! A point in time as a test writes it.

use arrow_cast::parse::string_to_timestamp_nanos;
use laminar_db::core::time::EventTime;

/// Nanoseconds of a day.
const DAY: i64 = 86_400_000_000_000;

/// A point in time: a whole one, or one of the day that the clock shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Nanoseconds since the epoch.
    At(i64),
    /// Nanoseconds since midnight.
    OfDay(i64),
}

impl Moment {
    /// `2024-01-01 10:00:05`, `2024-01-01`, or `10:00:05`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Ok(nanos) = string_to_timestamp_nanos(text) {
            return Some(Self::At(nanos));
        }
        string_to_timestamp_nanos(&format!("1970-01-01 {text}")).ok().map(Self::OfDay)
    }

    /// When it is, if the clock shows `now`.
    pub(crate) fn when(self, now: i64) -> i64 {
        match self {
            Self::At(nanos) => nanos,
            Self::OfDay(nanos) => now.div_euclid(DAY) * DAY + nanos,
        }
    }
}

/// A time as people read it.
pub(crate) fn written(nanos: i64) -> String {
    EventTime(nanos).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_a_day_is_of_the_day_that_the_clock_shows() {
        let at = |text: &str, now: &str| {
            let Some(Moment::At(now)) = Moment::parse(now) else { panic!("{now}") };
            Moment::parse(text).map(|moment| written(moment.when(now)))
        };
        assert_eq!(at("10:00:05.5", "2024-02-29 23:00:00").as_deref(), Some("2024-02-29 10:00:05.500"));
        assert_eq!(at("2024-01-01T10:00:05", "2024-02-29 23:00:00").as_deref(), Some("2024-01-01 10:00:05"));
        assert_eq!(at("2024-01-02", "2024-02-29 23:00:00").as_deref(), Some("2024-01-02 00:00:00"));
        assert_eq!(at("soon", "2024-02-29 23:00:00"), None);
    }
}
