//! Windows by local clocks against their definition: time is walked minute by minute, or second by second, around turns of clocks.

use chrono::{DateTime, Datelike, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;
use laminar_core::time::windows::{MonthOffset, WindowKind, WindowShape, WindowUnit};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::random::{cases, for_each_case};

const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Zones, and a day on which or beside which their clocks were turned.
const TURNS: &[(Tz, &str)] = &[
    (chrono_tz::Europe::Berlin, "2024-10-27"),
    (chrono_tz::Europe::Berlin, "2024-03-31"),
    (chrono_tz::Europe::Berlin, "1945-05-24"),
    (chrono_tz::America::New_York, "2024-11-03"),
    (chrono_tz::America::New_York, "2024-03-10"),
    // By half an hour.
    (chrono_tz::Australia::Lord_Howe, "2024-04-06"),
    (chrono_tz::Australia::Lord_Howe, "2024-10-05"),
    (chrono_tz::America::Caracas, "2016-05-01"),
    (chrono_tz::America::Caracas, "2007-12-09"),
    // By a quarter of an hour, and 45 minutes off the full hour.
    (chrono_tz::Asia::Kathmandu, "1985-12-31"),
    (chrono_tz::Pacific::Chatham, "2024-04-06"),
    (chrono_tz::Pacific::Chatham, "2024-09-28"),
    // By two and by three hours.
    (chrono_tz::Antarctica::Troll, "2024-10-27"),
    (chrono_tz::Antarctica::Casey, "2018-03-10"),
    // At midnight: it passes twice, or is skipped.
    (chrono_tz::America::Havana, "2024-11-03"),
    (chrono_tz::America::Sao_Paulo, "2018-11-04"),
    (chrono_tz::America::Sao_Paulo, "2018-02-18"),
    (chrono_tz::Asia::Beirut, "2024-03-30"),
    // A day that is skipped, and one that passes twice.
    (chrono_tz::Pacific::Apia, "2011-12-30"),
    (chrono_tz::Pacific::Kwajalein, "1993-08-21"),
    (chrono_tz::Pacific::Kwajalein, "1969-09-30"),
    (chrono_tz::America::Juneau, "1867-10-19"),
    // By odd seconds.
    (chrono_tz::Europe::Berlin, "1893-03-31"),
    (chrono_tz::Africa::Monrovia, "1972-01-07"),
    (chrono_tz::Europe::Amsterdam, "1937-06-30"),
    // None.
    (chrono_tz::Asia::Kolkata, "2024-10-27"),
];

fn ahead(zone: Tz, time: i64) -> i64 {
    i64::from(zone.offset_from_utc_datetime(&DateTime::from_timestamp_nanos(time).naive_utc()).fix().local_minus_utc()) * SECOND
}

fn at(text: &str) -> i64 {
    let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").expect("a time in a test");
    time.and_utc().timestamp_nanos_opt().expect("a time in range")
}

/// The instant, to the second, at which clocks are turned next to a day.
fn turn(zone: Tz, day: &str) -> i64 {
    let start = at(&format!("{day} 00:00")) - DAY;
    let turned = (0..4 * 24 * 60 * 60)
        .map(|second| start + second * SECOND)
        .find(|time| ahead(zone, *time) != ahead(zone, *time - SECOND));
    turned.unwrap_or(start + DAY)
}

/// Whether clocks are turned to or from something else than whole minutes.
fn is_odd(zone: Tz, turn: i64) -> bool {
    turn % MINUTE != 0 || [turn - 1, turn].iter().any(|time| ahead(zone, *time) % MINUTE != 0)
}

/// A stretch of time, looked at every `grain`, with what local clocks show.
struct Walk {
    first: i64,
    grain: i64,
    shown: Vec<i64>,
    /// The latest of what was shown up to then.
    latest: Vec<i64>,
}

impl Walk {
    fn around(zone: Tz, middle: i64, reach: i64) -> Self {
        let grain = if is_odd(zone, middle) { SECOND } else { MINUTE };
        // Midnight before and much before the reach, so that every window around the middle is known from its start.
        let first = (middle - reach).div_euclid(DAY) * DAY;
        let shown: Vec<i64> =
            (0..2 * reach / grain).map(|step| first + step * grain).map(|time| time + ahead(zone, time)).collect();
        let latest = shown.iter().scan(i64::MIN, |latest, shown| {
            *latest = (*latest).max(*shown);
            Some(*latest)
        });
        let latest = latest.collect();
        Self { first, grain, shown, latest }
    }

    fn time(&self, step: usize) -> i64 {
        self.first + step as i64 * self.grain
    }

    /// Where time is cut for windows of `width`.
    fn cuts(&self, width: i64, unit: &WindowUnit) -> Vec<i64> {
        match *unit {
            WindowUnit::Nanos { offset, .. } if width % DAY != 0 => self.clock_cuts(width, offset),
            _ => self.units(width, unit).into_iter().map(|(_, time)| time).collect(),
        }
    }

    fn clock_cuts(&self, width: i64, offset: i64) -> Vec<i64> {
        let mut cuts: Vec<i64> = Vec::new();
        for (step, shown) in self.shown.iter().enumerate() {
            let time = self.time(step);
            let has_passed = cuts.last().is_some_and(|last| time - last == width);
            if (shown - offset) % width == 0 || has_passed {
                cuts.push(time);
            }
        }
        cuts
    }

    /// The units of a calendar, each with the instant at which clocks first show it or a later one. Of those that start together
    /// the last.
    fn units(&self, width: i64, unit: &WindowUnit) -> Vec<(i64, i64)> {
        let mut units = Vec::new();
        let mut latest = i64::MIN;
        for (step, shown) in self.shown.iter().enumerate() {
            let number = unit_of(*shown, width, unit);
            if number > latest && step > 0 {
                units.push((number, self.time(step)));
            }
            latest = latest.max(number);
        }
        units
    }

    /// When clocks first show `local` or later.
    fn first_showing(&self, local: i64) -> Option<i64> {
        let step = self.latest.partition_point(|latest| *latest < local);
        (step < self.latest.len()).then(|| self.time(step))
    }

    /// All windows that start and end on the way.
    fn windows(&self, shape: &WindowShape) -> Vec<(i64, i64)> {
        match shape.kind {
            WindowKind::Tumbling { size } => self.cuts(size, &shape.unit).windows(2).map(|pair| (pair[0], pair[1])).collect(),
            WindowKind::Hopping { size, slide } => self.hopping(size, slide, &shape.unit),
            WindowKind::Cumulating { step, size } => {
                let (sizes, mut ends) = (self.cuts(size, &shape.unit), self.cuts(step, &shape.unit));
                ends.extend(&sizes);
                ends.sort_unstable();
                ends.dedup();
                let of = |pair: &[i64]| {
                    let (start, last) = (pair[0], pair[1]);
                    ends.iter()
                        .filter(move |end| start < **end && **end <= last)
                        .map(move |end| (start, *end))
                        .collect::<Vec<_>>()
                };
                sizes.windows(2).flat_map(of).collect()
            }
        }
    }

    fn hopping(&self, size: i64, slide: i64, unit: &WindowUnit) -> Vec<(i64, i64)> {
        let WindowUnit::Nanos { offset, .. } = *unit else {
            let units = self.units(slide, unit);
            let WindowUnit::Months { offset, .. } = *unit else { unreachable!("a unit of windows") };
            let end = |number: i64| {
                let month = number * slide + offset.months + size;
                let first = format!("{:04}-{:02}-01 00:00", month.div_euclid(12), month.rem_euclid(12) + 1);
                self.first_showing(at(&first) + offset.nanos)
            };
            return units.into_iter().filter_map(|(number, start)| Some((start, end(number)?))).collect();
        };
        if slide % DAY != 0 {
            return self.clock_cuts(slide, offset).into_iter().map(|start| (start, start + size)).collect();
        }
        let (days, rest) = (size - size % DAY, size % DAY);
        let end = |number: i64| Some(self.first_showing(number * slide + offset + days)? + rest);
        self.units(slide, unit).into_iter().filter_map(|(number, start)| Some((start, end(number)?))).collect()
    }
}

fn unit_of(local: i64, width: i64, unit: &WindowUnit) -> i64 {
    match *unit {
        WindowUnit::Nanos { offset, .. } => (local - offset).div_euclid(width),
        WindowUnit::Months { offset, .. } => {
            let date = DateTime::from_timestamp_nanos(local - offset.nanos).date_naive();
            (i64::from(date.year()) * 12 + i64::from(date.month0()) - offset.months).div_euclid(width)
        }
    }
}

/// The windows of times within an hour or a few days of the turn are those that contain them, and no others.
fn check(rng: &mut StdRng, shape: &WindowShape, zone: Tz, turn: i64) {
    let longest = shape.max_length_nanos().min(70 * DAY);
    let walk = Walk::around(zone, turn, 2 * longest + 4 * DAY);
    let windows = walk.windows(shape);
    let panes = shape.panes().expect("a valid shape");
    for _ in 0..60 {
        let near = [HOUR, 5 * HOUR, DAY, longest + DAY][rng.random_range(0..4)];
        let time = turn + rng.random_range(-near..near);
        let pane = panes.pane_of(time).expect("a pane");
        let of_pane: Vec<(i64, i64)> = panes.windows_of(pane).map(|window| (panes.start(window), panes.end(window))).collect();
        let mut expected: Vec<(i64, i64)> =
            windows.iter().copied().filter(|(start, end)| (*start..*end).contains(&time)).collect();
        expected.sort_by_key(|(start, end)| (*end, *start));
        let shown = DateTime::from_timestamp_nanos(time);
        assert_eq!(of_pane, expected, "{shape} at {shown}");
        let next = panes.pane_after(pane);
        assert!((panes.start_of(pane)..panes.start_of(next)).contains(&time), "{shape} at {shown}: panes tile time");
        assert_eq!(panes.pane_of(panes.start_of(next)), Some(next), "{shape} at {shown}");
        assert!(of_pane.iter().all(|(start, end)| end - start <= shape.max_length_nanos()), "{shape} at {shown}");
    }
}

fn random_shape(rng: &mut StdRng, zone: Tz) -> WindowShape {
    let zone = Some(zone);
    if rng.random_bool(0.1) {
        let size = rng.random_range(1..3);
        let kind = if rng.random_bool(0.5) { WindowKind::Tumbling { size } } else { WindowKind::Hopping { size: 2, slide: 1 } };
        let nanos = [0, 0, 14 * DAY, 6 * HOUR, -9 * DAY][rng.random_range(0..5)];
        let offset = MonthOffset { months: rng.random_range(-1..3), nanos };
        return WindowShape { kind, unit: WindowUnit::Months { offset, zone } };
    }
    let unit = [MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, HOUR, 6 * HOUR, DAY, DAY][rng.random_range(0..8)];
    let most = (8 * DAY / unit).min(13);
    let step = unit * rng.random_range(1..=most.min(5));
    let times = rng.random_range(1..=6);
    let kind = match rng.random_range(0..4) {
        0 => WindowKind::Tumbling { size: step },
        1 => WindowKind::Hopping { size: step + unit * rng.random_range(0..=most), slide: step },
        2 => WindowKind::Hopping { size: step + 5 * MINUTE * rng.random_range(0..400), slide: step },
        _ => WindowKind::Cumulating { step, size: step * times },
    };
    let offset = [0, 0, HOUR, -6 * HOUR, 7 * MINUTE][rng.random_range(0..5)];
    WindowShape { kind, unit: WindowUnit::Nanos { offset, zone } }
}

#[test]
fn windows_by_local_clocks_are_those_of_their_definition() {
    for_each_case(cases() / 20, |rng| {
        let (zone, day) = TURNS[rng.random_range(0..TURNS.len())];
        let (turn, mut shape) = (turn(zone, day), random_shape(rng, zone));
        // Second by second one does not walk far.
        while is_odd(zone, turn) && shape.max_length_nanos() > 3 * DAY {
            shape = random_shape(rng, zone);
        }
        check(rng, &shape, zone, turn);
    });
}

/// The windows from `from` to `to` as `start .. end` in UTC.
fn listed(kind: WindowKind, zone: Tz, from: &str, to: &str) -> Vec<String> {
    let panes = WindowShape { kind, unit: WindowUnit::Nanos { offset: 0, zone: Some(zone) } }.panes().expect("a valid shape");
    let show = |time: i64| DateTime::from_timestamp_nanos(time).format("%d %H:%M").to_string();
    let (mut pane, mut all) = (panes.pane_of(at(from)).expect("a pane"), Vec::new());
    while panes.start_of(pane) < at(to) {
        all.extend(panes.windows_of(pane).map(|window| (panes.end(window), panes.start(window))));
        pane = panes.pane_after(pane);
    }
    all.sort_unstable();
    all.dedup();
    all.into_iter().map(|(end, start)| format!("{} .. {}", show(start), show(end))).collect()
}

#[test]
fn an_hour_has_sixty_minutes_when_clocks_are_turned() {
    let hours = |zone, from, to| listed(WindowKind::Tumbling { size: HOUR }, zone, from, to);
    let berlin = chrono_tz::Europe::Berlin;
    assert_eq!(
        hours(berlin, "2024-10-27 00:00", "2024-10-27 03:00"),
        ["27 00:00 .. 27 01:00", "27 01:00 .. 27 02:00", "27 02:00 .. 27 03:00"]
    );
    assert_eq!(hours(berlin, "2024-03-31 00:00", "2024-03-31 02:00"), ["31 00:00 .. 31 01:00", "31 01:00 .. 31 02:00"]);
    // Half an hour is repeated, or skipped: the hour that is left of it is shorter.
    let lord_howe = chrono_tz::Australia::Lord_Howe;
    assert_eq!(
        hours(lord_howe, "2024-04-06 14:00", "2024-04-06 16:00"),
        ["06 14:00 .. 06 15:00", "06 15:00 .. 06 15:30", "06 15:30 .. 06 16:30"]
    );
    assert_eq!(
        hours(lord_howe, "2024-10-05 14:30", "2024-10-05 16:30"),
        ["05 14:30 .. 05 15:30", "05 15:30 .. 05 16:00", "05 16:00 .. 05 17:00"]
    );
    assert_eq!(hours(chrono_tz::Asia::Kathmandu, "2024-01-01 00:15", "2024-01-01 01:15"), ["01 00:15 .. 01 01:15"]);
}

#[test]
fn a_day_goes_from_midnight_to_midnight() {
    let days = |zone, from, to| listed(WindowKind::Tumbling { size: DAY }, zone, from, to);
    assert_eq!(days(chrono_tz::Europe::Berlin, "2024-10-27 12:00", "2024-10-27 13:00"), ["26 22:00 .. 27 23:00"]);
    // Midnight passes twice in Havana.
    assert_eq!(days(chrono_tz::America::Havana, "2024-11-03 04:30", "2024-11-03 05:30"), ["03 04:00 .. 04 05:00"]);
    // The 30th is skipped in Apia.
    assert_eq!(
        days(chrono_tz::Pacific::Apia, "2011-12-29 12:00", "2011-12-30 12:00"),
        ["29 10:00 .. 30 10:00", "30 10:00 .. 31 10:00"]
    );
    let growing = WindowKind::Cumulating { step: DAY, size: 7 * DAY };
    let week = listed(growing, chrono_tz::Pacific::Apia, "2011-12-29 12:00", "2011-12-31 12:00");
    let ends = ["30 10:00", "31 10:00", "01 10:00", "02 10:00", "03 10:00", "04 10:00"];
    assert_eq!(week, ends.map(|end| format!("29 10:00 .. {end}")), "six days, each once");
}
