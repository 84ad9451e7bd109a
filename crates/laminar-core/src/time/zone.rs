//! Local clocks: what they show at an instant, and when they first show a time. They jump forward and back.

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;

const SECOND: i64 = 1_000_000_000;
const DAY_SECONDS: i64 = 86_400;
/// Clocks were never turned twice within so many seconds: the shortest time between two turns of any zone is that of Freetown in
/// September 1939, just under four days.
const TURNS_APART: i64 = 3 * DAY_SECONDS;
/// Before 1840 every zone has local mean time.
const FIRST_TURN: i64 = -130 * 366 * DAY_SECONDS;

/// The clocks of a zone: stretches of time in which they are ahead of UTC by the same amount.
#[derive(Debug)]
pub(super) struct LocalClock {
    stretches: Vec<Stretch>,
}

/// Nanoseconds, as everywhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    /// The first instant; of the first stretch the start of time.
    pub(super) from: i64,
    /// By how much clocks are ahead of UTC.
    pub(super) ahead: i64,
    /// The latest time that clocks have shown before.
    shown_before: i64,
}

impl LocalClock {
    /// The clocks of `zone`. Looks at some fifty thousand instants: a thing to do once.
    pub(super) fn of(zone: Tz) -> Self {
        let ahead_at = |second: i64| {
            let instant = DateTime::from_timestamp(second, 0).unwrap_or_default().naive_utc();
            i64::from(zone.offset_from_utc_datetime(&instant).fix().local_minus_utc())
        };
        let last = i64::MAX / SECOND;
        let mut clock = Self { stretches: Vec::new() };
        let (mut low, mut ahead) = (FIRST_TURN, ahead_at(FIRST_TURN));
        clock.push(i64::MIN, ahead * SECOND);
        while low < last {
            let high = last.min(low + TURNS_APART);
            let new = ahead_at(high);
            if new != ahead {
                clock.push(first_second(low, high, |second| ahead_at(second) == new) * SECOND, new * SECOND);
                ahead = new;
            }
            low = high;
        }
        clock
    }

    fn push(&mut self, from: i64, ahead: i64) {
        let before = self.stretches.last().map(|before| before.shown_before.max(from - 1 + before.ahead));
        self.stretches.push(Stretch { from, ahead, shown_before: before.unwrap_or(i64::MIN) });
    }

    /// The stretch in which `time` lies, and its number.
    pub(super) fn stretch_at(&self, time: i64) -> (usize, Stretch) {
        let after = self.stretches.partition_point(|stretch| stretch.from <= time);
        let number = after.saturating_sub(1);
        (number, self.stretches[number])
    }

    /// A stretch by its number.
    pub(super) fn stretch(&self, number: usize) -> Option<Stretch> {
        self.stretches.get(number).copied()
    }

    /// The latest time that clocks have shown up to the instant `time`. While an hour is repeated, that is the end of its first
    /// run: so this never goes back.
    pub(super) fn latest_shown(&self, time: i64) -> i64 {
        let (_, stretch) = self.stretch_at(time);
        (time + stretch.ahead).max(stretch.shown_before)
    }

    /// The first instant at which clocks show `local` or later. In a gap that is the end of the gap.
    pub(super) fn first_showing(&self, local: i64) -> i64 {
        let after = self.stretches.partition_point(|stretch| stretch.shown_before < local);
        let stretch = self.stretches[after.saturating_sub(1)];
        stretch.from.max(local - stretch.ahead)
    }

    /// By how much a stretch of local time can at most be longer than what clocks show of it.
    pub(super) fn greatest_delay(&self) -> i64 {
        let mut most_ahead = i64::MIN;
        let delays = self.stretches.iter().map(|stretch| {
            most_ahead = most_ahead.max(stretch.ahead);
            most_ahead - stretch.ahead
        });
        delays.max().unwrap_or(0)
    }
}

/// The first whole second after `low`, up to `high`, at which `holds` is true; clocks are turned at whole seconds.
/// `holds` is false up to some point and true from there on.
fn first_second(mut low: i64, mut high: i64, holds: impl Fn(i64) -> bool) -> i64 {
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDateTime;

    use super::*;

    fn at(text: &str) -> i64 {
        let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").expect("a time in a test");
        time.and_utc().timestamp_nanos_opt().expect("a time in range")
    }

    #[test]
    fn a_repeated_hour_is_shown_once() {
        let berlin = LocalClock::of(chrono_tz::Europe::Berlin);
        // 2024-10-27 03:00 CEST = 01:00Z: clocks go back to 02:00.
        assert_eq!(berlin.latest_shown(at("2024-10-27 00:30")), at("2024-10-27 02:30"));
        assert_eq!(berlin.latest_shown(at("2024-10-27 01:30")), at("2024-10-27 03:00") - 1);
        assert_eq!(berlin.latest_shown(at("2024-10-27 02:00")), at("2024-10-27 03:00"));
        assert_eq!(berlin.first_showing(at("2024-10-27 02:30")), at("2024-10-27 00:30"));
        assert_eq!(berlin.first_showing(at("2024-10-27 03:00")), at("2024-10-27 02:00"));
    }

    #[test]
    fn a_skipped_hour_begins_where_clocks_jump() {
        let berlin = LocalClock::of(chrono_tz::Europe::Berlin);
        assert_eq!(berlin.first_showing(at("2024-03-31 02:00")), at("2024-03-31 01:00"));
        assert_eq!(berlin.first_showing(at("2024-03-31 02:59")), at("2024-03-31 01:00"));
        assert_eq!(berlin.first_showing(at("2024-03-31 03:00")), at("2024-03-31 01:00"));
        assert_eq!(berlin.latest_shown(at("2024-03-31 01:00")), at("2024-03-31 03:00"));
    }

    #[test]
    fn shown_times_and_first_showings_agree_around_every_turn() {
        for zone in [chrono_tz::Europe::Berlin, chrono_tz::America::Juneau, chrono_tz::Pacific::Apia, chrono_tz::Africa::Freetown]
        {
            let clock = LocalClock::of(zone);
            for turn in clock.stretches.iter().skip(1).step_by(3) {
                let mut last = i64::MIN;
                for step in -100..100 {
                    let time = turn.from + step * 997 * SECOND;
                    let shown = clock.latest_shown(time);
                    assert!(shown >= last, "{zone} {time}: clocks that never go back");
                    assert!(clock.first_showing(shown) <= time, "{zone} {time}: shown before it is first shown");
                    assert!(clock.first_showing(shown + 1) > time, "{zone} {time}: shown later than it could be");
                    last = shown;
                }
            }
        }
    }

    #[test]
    fn every_turn_of_every_zone_is_known() {
        for zone in chrono_tz::TZ_VARIANTS.iter().step_by(7) {
            let clock = LocalClock::of(*zone);
            // Every 10 hours: no zone was ever ahead by another amount for so short a time.
            for second in (FIRST_TURN..4_200_000_000).step_by(36_000 * 5) {
                let instant = DateTime::from_timestamp(second, 0).expect("a time in range").naive_utc();
                let ahead = i64::from(zone.offset_from_utc_datetime(&instant).fix().local_minus_utc()) * SECOND;
                assert_eq!(clock.stretch_at(second * SECOND).1.ahead, ahead, "{zone} {instant}");
            }
        }
    }

    #[test]
    fn a_day_is_as_much_longer_as_clocks_were_turned_back() {
        const HOUR: i64 = 3600 * SECOND;
        for (zone, delay) in [
            (chrono_tz::Asia::Kathmandu, 0),
            (chrono_tz::Australia::Lord_Howe, HOUR),
            (chrono_tz::America::New_York, HOUR),
            (chrono_tz::Antarctica::Casey, 3 * HOUR),
        ] {
            let known = LocalClock::of(zone).greatest_delay();
            assert!((delay..delay + 2 * HOUR).contains(&known), "{zone}: {known}");
        }
        assert!(LocalClock::of(chrono_tz::America::Juneau).greatest_delay() >= 24 * HOUR);
    }
}
