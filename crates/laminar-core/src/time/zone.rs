//! Local clocks: what they show at an instant, and when they first show a time. They jump forward and back.

use chrono::{DateTime, MappedLocalTime, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;

const SECOND: i64 = 1_000_000_000;
/// No clock was ever turned by more: some islands moved across the date line.
const TURN_MAX: i64 = 2 * 86_400 * SECOND;

/// By how many nanoseconds clocks in `zone` are ahead of UTC at the instant `time`.
fn ahead_at(zone: Tz, time: i64) -> i64 {
    let ahead = zone.offset_from_utc_datetime(&naive(time)).fix();
    i64::from(ahead.local_minus_utc()) * SECOND
}

fn naive(time: i64) -> NaiveDateTime {
    DateTime::from_timestamp_nanos(time).naive_utc()
}

/// The latest time that clocks in `zone` have shown up to the instant `time`. While an hour is repeated, that is the
/// end of its first run: so this never goes back, and every instant is in one window.
///
/// `time` must be at least two days away from the ends of the range of `i64`.
pub(super) fn latest_shown(zone: Tz, time: i64) -> i64 {
    let ahead = ahead_at(zone, time);
    let shown = time + ahead;
    let MappedLocalTime::Ambiguous(a, b) = zone.offset_from_local_datetime(&naive(shown)) else { return shown };
    let before = [a, b].map(|offset| i64::from(offset.fix().local_minus_utc()) * SECOND).into_iter().max().unwrap_or(ahead);
    if before == ahead {
        return shown;
    }
    // Between the first and this second showing the clock was turned back once.
    let turned = first_second(shown - before, time, |at| ahead_at(zone, at) != before);
    (turned + before - 1).max(shown)
}

/// The first instant at which clocks in `zone` show `local` or later. In a gap that is the end of the gap.
///
/// `local` must be at least two days away from the ends of the range of `i64`.
pub(super) fn first_showing(zone: Tz, local: i64) -> i64 {
    let instant = |ahead: <Tz as TimeZone>::Offset| local - i64::from(ahead.fix().local_minus_utc()) * SECOND;
    match zone.offset_from_local_datetime(&naive(local)) {
        MappedLocalTime::Single(ahead) => instant(ahead),
        MappedLocalTime::Ambiguous(a, b) => instant(a).min(instant(b)),
        MappedLocalTime::None => first_second(local - TURN_MAX, local + TURN_MAX, |at| at + ahead_at(zone, at) >= local),
    }
}

/// The first whole second after `low`, up to `high`, at which `holds` is true; clocks are turned at whole seconds.
/// `holds` is false up to some point and true from there on.
fn first_second(low: i64, high: i64, holds: impl Fn(i64) -> bool) -> i64 {
    let (mut low, mut high) = (low.div_euclid(SECOND), high.div_euclid(SECOND));
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        if holds(middle * SECOND) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high * SECOND
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").expect("a time in a test");
        time.and_utc().timestamp_nanos_opt().expect("a time in range")
    }

    #[test]
    fn a_repeated_hour_counts_once() {
        let berlin = chrono_tz::Europe::Berlin;
        // 2024-10-27 03:00 CEST = 01:00Z: clocks go back to 02:00.
        assert_eq!(latest_shown(berlin, at("2024-10-27 00:30")), at("2024-10-27 02:30"));
        assert_eq!(latest_shown(berlin, at("2024-10-27 01:30")), at("2024-10-27 03:00") - 1);
        assert_eq!(latest_shown(berlin, at("2024-10-27 02:00")), at("2024-10-27 03:00"));
        assert_eq!(first_showing(berlin, at("2024-10-27 02:30")), at("2024-10-27 00:30"));
        assert_eq!(first_showing(berlin, at("2024-10-27 03:00")), at("2024-10-27 02:00"));
    }

    #[test]
    fn a_skipped_hour_begins_where_clocks_jump() {
        let berlin = chrono_tz::Europe::Berlin;
        assert_eq!(first_showing(berlin, at("2024-03-31 02:00")), at("2024-03-31 01:00"));
        assert_eq!(first_showing(berlin, at("2024-03-31 02:59")), at("2024-03-31 01:00"));
        assert_eq!(first_showing(berlin, at("2024-03-31 03:00")), at("2024-03-31 01:00"));
        assert_eq!(latest_shown(berlin, at("2024-03-31 01:00")), at("2024-03-31 03:00"));
    }

    #[test]
    fn shown_times_and_first_showings_agree_around_every_turn() {
        for zone in
            [chrono_tz::Europe::Berlin, chrono_tz::America::New_York, chrono_tz::Australia::Lord_Howe, chrono_tz::Pacific::Apia]
        {
            for start in [
                "2024-03-09 00:00",
                "2024-03-30 12:00",
                "2024-04-06 00:00",
                "2024-10-05 00:00",
                "2024-10-26 12:00",
                "2011-12-29 00:00",
            ] {
                let mut last = i64::MIN;
                for minute in 0..3000 {
                    let time = at(start) + minute * 60 * SECOND;
                    let shown = latest_shown(zone, time);
                    assert!(shown >= last, "{zone} {start} {minute}: clocks that never go back");
                    assert!(first_showing(zone, shown) <= time, "{zone} {start} {minute}: shown before it is first shown");
                    assert!(first_showing(zone, shown + 1) > time, "{zone} {start} {minute}: shown later than it could be");
                    last = shown;
                }
            }
        }
    }
}
