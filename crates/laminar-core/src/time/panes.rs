//! The arithmetic of windows: which pane a time lies in, which windows a pane belongs to, and where they begin and end.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::Int64Array;

use super::cuts::{Calendar, start_of_month};
use super::local::LocalWindows;
use super::windows::{MonthOffset, WindowKind, WindowShape, WindowUnit};

/// A run of neighbouring panes, `first..end`. Windows order by their end, then by their start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// One past the last pane.
    pub end: i64,
    /// The first pane.
    pub first: i64,
}

/// A valid [`WindowShape`], ready to compute with.
///
/// Panes tile event time: pane *p* is `start_of(p)..start_of(pane_after(p))` in nanoseconds since the epoch (UTC). Their numbers
/// ascend; without a time zone neighbours have neighbouring numbers, with one the number is the start (see `time/local.rs`).
#[derive(Debug, Clone)]
pub struct Panes {
    ruler: Ruler,
    earliest: i64,
    latest: i64,
}

/// What tells panes and windows.
#[derive(Debug, Clone)]
enum Ruler {
    /// UTC: a few divisions.
    Even { layout: Layout, grid: Grid },
    /// Local clocks.
    Local(Arc<LocalWindows>),
}

/// How windows are made of panes.
#[derive(Debug, Clone, Copy)]
enum Layout {
    /// `count` panes from every pane whose number is a multiple of `every`.
    Sliding { count: i64, every: i64 },
    /// The first 1, 2, … `count` panes of every run of `count`.
    Growing { count: i64 },
}

/// How time is cut into panes.
#[derive(Debug, Clone, Copy)]
enum Grid {
    /// `width` nanoseconds each, pane 0 from `offset` (at least 0, less than a window) on.
    Nanos { width: i64, offset: i64 },
    /// `width` months each, pane 0 from January of year 0 + `offset` (of less than a window) on.
    Months { width: i64, offset: MonthOffset },
}

/// The windows of a pane, by their order.
pub struct WindowsOf(Numbered);

enum Numbered {
    Even(Layout, Range<i64>),
    Listed(std::vec::IntoIter<Window>),
}

/// Room for what local clocks show at the ends of time.
const ZONE_SLACK: i64 = 4 * 86_400_000_000_000;

impl Panes {
    /// `shape` must be valid.
    pub(super) fn of_valid(shape: &WindowShape) -> Self {
        let longest = shape.max_length_nanos();
        let (ruler, margin) = match LocalWindows::of(shape) {
            // One looks for cuts a window before the first one and behind the last one.
            Some(local) => (Ruler::Local(Arc::new(local)), longest.saturating_mul(3).saturating_add(ZONE_SLACK)),
            None => {
                let (ruler, slack) = even(shape);
                (ruler, longest + slack)
            }
        };
        Self { ruler, earliest: i64::MIN + margin, latest: i64::MAX - margin }
    }

    /// The pane of a time; `None` within one window's length of the ends of the range of `i64`, where windows would not fit.
    pub fn pane_of(&self, time: i64) -> Option<i64> {
        (self.earliest..=self.latest).contains(&time).then(|| self.pane_at(time))
    }

    fn pane_at(&self, time: i64) -> i64 {
        match &self.ruler {
            Ruler::Even { grid, .. } => grid.pane_of(time),
            Ruler::Local(windows) => windows.pane_of(time),
        }
    }

    /// The pane of each time. NULL where there is no time, and where [`pane_of`](Self::pane_of) gives none.
    pub fn panes_of(&self, times: &Int64Array) -> Int64Array {
        // Neighbouring rows mostly share a pane; one divides, or asks a calendar, only when they do not.
        let (mut start, mut end, mut pane) = (0, 0, 0);
        let mut pane_of = |time: i64| {
            if !(start <= time && time < end) {
                pane = self.pane_at(time.clamp(self.earliest, self.latest));
                (start, end) = (self.start_of(pane), self.start_of(self.pane_after(pane)));
            }
            (self.earliest..=self.latest).contains(&time).then_some(pane)
        };
        times.iter().map(|time| time.and_then(&mut pane_of)).collect()
    }

    /// When a pane starts, in nanoseconds; the ends of the range of `i64` for panes outside of it.
    pub fn start_of(&self, pane: i64) -> i64 {
        match &self.ruler {
            Ruler::Even { grid, .. } => grid.start_of(pane),
            Ruler::Local(_) => pane,
        }
    }

    /// The pane behind a pane.
    pub fn pane_after(&self, pane: i64) -> i64 {
        match &self.ruler {
            Ruler::Even { .. } => pane + 1,
            Ruler::Local(windows) => windows.pane_after(pane),
        }
    }

    /// All panes from `first` to `last`, if they are at most `most`.
    pub fn run(&self, first: i64, last: i64, most: usize) -> Option<Vec<i64>> {
        if let Ruler::Even { .. } = self.ruler {
            return (last - first < most as i64).then(|| (first..=last).collect());
        }
        let panes = std::iter::successors(Some(first), |pane| Some(self.pane_after(*pane)));
        let panes: Vec<i64> = panes.take_while(|pane| *pane <= last).take(most + 1).collect();
        (panes.len() <= most).then_some(panes)
    }

    /// The tumbling or hopping window that starts at an instant, if one does.
    pub fn window_from(&self, start: i64) -> Option<Window> {
        let pane = self.pane_of(start)?;
        self.windows_of(pane).find(|window| self.start(*window) == start)
    }

    /// The tumbling or hopping windows that start after the one that starts at `after`, up to the one that starts at `last`, in order; none
    /// if they are more than `most`.
    pub fn windows_between(&self, after: i64, last: i64, most: usize) -> Option<Vec<Window>> {
        let (after, last) = (self.pane_of(after)?, self.pane_of(last)?);
        let windows: Vec<Window> = match &self.ruler {
            Ruler::Even { layout: Layout::Growing { .. }, .. } => return None,
            Ruler::Even { layout: layout @ Layout::Sliding { every, .. }, .. } => {
                let numbers = after.div_euclid(*every) + 1..last.div_euclid(*every) + 1;
                numbers.map(|number| layout.window(number)).take(most + 1).collect()
            }
            Ruler::Local(_) => {
                let panes = std::iter::successors(Some(self.pane_after(after)), |pane| Some(self.pane_after(*pane)));
                let starts = |pane: i64| self.windows_of(pane).find(|window| window.first == pane);
                panes.take_while(|pane| *pane <= last).filter_map(starts).take(most + 1).collect()
            }
        };
        (windows.len() <= most).then_some(windows)
    }

    /// The windows that a pane belongs to, by their order.
    pub fn windows_of(&self, pane: i64) -> WindowsOf {
        WindowsOf(match &self.ruler {
            Ruler::Even { layout, .. } => Numbered::Even(*layout, layout.numbers(pane)),
            Ruler::Local(windows) => Numbered::Listed(windows.windows_of(pane).into_iter()),
        })
    }

    /// When a window starts, in nanoseconds.
    pub fn start(&self, window: Window) -> i64 {
        self.start_of(window.first)
    }

    /// When a window ends, in nanoseconds: the first time that does not belong to it.
    pub fn end(&self, window: Window) -> i64 {
        self.start_of(window.end)
    }
}

/// How UTC cuts time, and how far from its ends windows must stay.
fn even(shape: &WindowShape) -> (Ruler, i64) {
    let (step, size) = shape.kind.lengths();
    let width = shape.kind.pane_width();
    let layout = match shape.kind {
        WindowKind::Cumulating { .. } => Layout::Growing { count: size / width },
        WindowKind::Tumbling { .. } | WindowKind::Hopping { .. } => Layout::Sliding { count: size / width, every: step / width },
    };
    // The distance at which the pattern of windows repeats: shifting by it changes nothing.
    let period = if matches!(layout, Layout::Growing { .. }) { size } else { step };
    let (grid, slack) = match shape.unit {
        WindowUnit::Nanos { offset, .. } => (Grid::Nanos { width, offset: offset.rem_euclid(period) }, 1),
        WindowUnit::Months { offset, .. } => {
            let months = offset.months.rem_euclid(period);
            (Grid::Months { width, offset: MonthOffset { months, ..offset } }, ZONE_SLACK)
        }
    };
    (Ruler::Even { layout, grid }, slack)
}

impl Layout {
    /// The numbers of the windows that a pane belongs to.
    fn numbers(self, pane: i64) -> Range<i64> {
        match self {
            Layout::Sliding { count, every } => (pane - count).div_euclid(every) + 1..pane.div_euclid(every) + 1,
            Layout::Growing { count } => pane..(pane.div_euclid(count) + 1) * count,
        }
    }

    fn window(self, number: i64) -> Window {
        match self {
            Layout::Sliding { count, every } => Window { first: number * every, end: number * every + count },
            Layout::Growing { count } => Window { first: number.div_euclid(count) * count, end: number + 1 },
        }
    }
}

impl Iterator for WindowsOf {
    type Item = Window;

    fn next(&mut self) -> Option<Window> {
        match &mut self.0 {
            Numbered::Even(layout, numbers) => numbers.next().map(|number| layout.window(number)),
            Numbered::Listed(windows) => windows.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            Numbered::Even(_, numbers) => numbers.size_hint(),
            Numbered::Listed(windows) => windows.size_hint(),
        }
    }
}

impl DoubleEndedIterator for WindowsOf {
    fn next_back(&mut self) -> Option<Window> {
        match &mut self.0 {
            Numbered::Even(layout, numbers) => numbers.next_back().map(|number| layout.window(number)),
            Numbered::Listed(windows) => windows.next_back(),
        }
    }
}

impl Grid {
    fn pane_of(self, time: i64) -> i64 {
        match self {
            Grid::Nanos { width, offset } => (time - offset).div_euclid(width),
            Grid::Months { width, offset } => Calendar::Months { width, offset }.unit_of(time),
        }
    }

    fn start_of(self, pane: i64) -> i64 {
        let start = match self {
            Grid::Nanos { width, offset } => i128::from(pane) * i128::from(width) + i128::from(offset),
            Grid::Months { width, offset } => start_of_month(i128::from(pane) * i128::from(width) + i128::from(offset.months))
                .saturating_add(i128::from(offset.nanos)),
        };
        start.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDateTime;
    use chrono_tz::Tz;

    use super::*;

    fn at(text: &str) -> i64 {
        let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").expect("a time in a test");
        time.and_utc().timestamp_nanos_opt().expect("a time in range")
    }

    fn shape(kind: WindowKind, unit: WindowUnit) -> WindowShape {
        WindowShape { kind, unit }
    }

    const HOUR: i64 = 3_600_000_000_000;
    const UTC: WindowUnit = WindowUnit::Nanos { offset: 0, zone: None };
    const BERLIN: Option<Tz> = Some(chrono_tz::Europe::Berlin);

    /// The windows of `time` as `start .. end` in UTC.
    fn check(shape: &WindowShape, time: &str, windows: &[&str]) {
        let panes = shape.panes().expect("a valid shape");
        let pane = panes.pane_of(at(time)).expect("a pane");
        let show = |time| super::super::EventTime(time).to_string();
        let all: Vec<String> =
            panes.windows_of(pane).map(|w| format!("{} .. {}", show(panes.start(w)), show(panes.end(w)))).collect();
        assert_eq!(all, windows, "{shape} of {time}");
    }

    #[test]
    fn windows_of_a_time() {
        let tumble = shape(WindowKind::Tumbling { size: HOUR }, UTC);
        check(&tumble, "1969-12-31 23:30", &["1969-12-31 23:00:00 .. 1970-01-01 00:00:00"]);
        let offset = WindowUnit::Nanos { offset: -HOUR / 4, zone: None };
        check(
            &shape(WindowKind::Tumbling { size: HOUR }, offset),
            "2024-01-01 00:50",
            &["2024-01-01 00:45:00 .. 2024-01-01 01:45:00"],
        );
        let hop = shape(WindowKind::Hopping { size: HOUR, slide: HOUR / 3 * 2 }, UTC);
        check(
            &hop,
            "2024-01-01 00:50",
            &["2024-01-01 00:00:00 .. 2024-01-01 01:00:00", "2024-01-01 00:40:00 .. 2024-01-01 01:40:00"],
        );
        let cumulate = shape(WindowKind::Cumulating { step: HOUR, size: 3 * HOUR }, UTC);
        check(
            &cumulate,
            "2024-01-01 01:50",
            &["2024-01-01 00:00:00 .. 2024-01-01 02:00:00", "2024-01-01 00:00:00 .. 2024-01-01 03:00:00"],
        );
    }

    #[test]
    fn a_local_day_has_23_to_25_hours() {
        let day = shape(WindowKind::Tumbling { size: 24 * HOUR }, WindowUnit::Nanos { offset: 0, zone: BERLIN });
        check(&day, "2024-03-31 12:00", &["2024-03-30 23:00:00 .. 2024-03-31 22:00:00"]);
        check(&day, "2024-10-27 22:59", &["2024-10-26 22:00:00 .. 2024-10-27 23:00:00"]);
        check(&day, "2024-10-27 23:00", &["2024-10-27 23:00:00 .. 2024-10-28 23:00:00"]);
    }

    #[test]
    fn months_quarters_and_years_follow_the_calendar() {
        let month = shape(WindowKind::Tumbling { size: 1 }, WindowUnit::Months { offset: MonthOffset::NONE, zone: None });
        check(&month, "2024-02-29 23:59", &["2024-02-01 00:00:00 .. 2024-03-01 00:00:00"]);
        let quarter = shape(WindowKind::Tumbling { size: 3 }, WindowUnit::Months { offset: MonthOffset::NONE, zone: BERLIN });
        check(&quarter, "2023-12-31 23:00", &["2023-12-31 23:00:00 .. 2024-03-31 22:00:00"]);
        let year =
            shape(WindowKind::Hopping { size: 12, slide: 6 }, WindowUnit::Months { offset: MonthOffset::NONE, zone: None });
        check(
            &year,
            "1960-02-01 00:00",
            &["1959-07-01 00:00:00 .. 1960-07-01 00:00:00", "1960-01-01 00:00:00 .. 1961-01-01 00:00:00"],
        );
    }

    #[test]
    fn panes_tile_time_and_windows_hold_their_panes() {
        let units = [UTC, WindowUnit::Nanos { offset: 7, zone: None }, WindowUnit::Nanos { offset: HOUR, zone: BERLIN }];
        let kinds = [
            WindowKind::Tumbling { size: 7 * HOUR },
            WindowKind::Hopping { size: 5 * HOUR, slide: 2 * HOUR },
            WindowKind::Hopping { size: 6 * HOUR, slide: 2 * HOUR },
            WindowKind::Cumulating { step: 2 * HOUR, size: 8 * HOUR },
        ];
        let start = at("2024-10-26 12:00");
        for (kind, unit) in kinds.iter().flat_map(|kind| units.iter().map(move |unit| (*kind, unit.clone()))) {
            let shape = shape(kind, unit);
            let panes = shape.panes().expect("a valid shape");
            let times: Vec<i64> = (0..500).map(|i| start + i * HOUR / 9).collect();
            let column = panes.panes_of(&Int64Array::from(times.clone()));
            for (time, pane) in times.into_iter().zip(column.values()) {
                assert_eq!(panes.pane_of(time), Some(*pane), "{shape}");
                let end = panes.start_of(panes.pane_after(*pane));
                assert!(panes.start_of(*pane) <= time && time < end, "{shape}: {time} in {pane}");
                let windows: Vec<Window> = panes.windows_of(*pane).collect();
                assert!(windows.is_sorted() && !windows.is_empty(), "{shape}");
                for window in windows {
                    assert!(window.first <= *pane && *pane < window.end, "{shape}");
                    assert!(panes.end(window) - panes.start(window) <= shape.max_length_nanos(), "{shape}");
                }
            }
        }
    }

    #[test]
    fn windows_between_two_are_those_that_start_between_them() {
        let month = WindowUnit::Months { offset: MonthOffset { months: 1, nanos: 26 * HOUR }, zone: None };
        for (kind, unit) in [
            (WindowKind::Tumbling { size: 6 * HOUR }, UTC),
            (WindowKind::Hopping { size: 7 * HOUR, slide: 2 * HOUR }, WindowUnit::Nanos { offset: HOUR, zone: None }),
            (WindowKind::Tumbling { size: 24 * HOUR }, WindowUnit::Nanos { offset: 0, zone: BERLIN }),
            (WindowKind::Hopping { size: 48 * HOUR, slide: 24 * HOUR }, WindowUnit::Nanos { offset: 0, zone: BERLIN }),
            (WindowKind::Tumbling { size: 1 }, month),
        ] {
            let shape = shape(kind, unit);
            let panes = shape.panes().expect("a valid shape");
            let (from, to) = (at("2024-03-25 12:34"), at("2024-04-02 01:02"));
            let first_at = |time| panes.windows_of(panes.pane_of(time).expect("a pane")).next().expect("a window");
            let (first, last) = (first_at(from), first_at(to));
            let mut expected: Vec<Window> = (from..to).step_by(HOUR as usize / 2).chain([to]).map(first_at).collect();
            expected.dedup();
            let [start, end] = [first, last].map(|window| panes.start(window));
            assert_eq!(panes.window_from(start), Some(first), "{shape}");
            assert_eq!(panes.window_from(start + 1), None, "{shape}");
            assert_eq!(panes.windows_between(start, end, 1000).as_deref(), Some(&expected[1..]), "{shape}");
            assert!(panes.windows_between(start, end, expected.len() - 1).is_some(), "{shape}");
            assert_eq!(
                panes.windows_between(start, end, expected.len().saturating_sub(2)).is_some(),
                expected.len() == 1,
                "{shape}"
            );
            assert_eq!(panes.windows_between(end, start, 5), Some(vec![]), "{shape}");
        }
    }

    #[test]
    fn times_at_the_ends_of_the_range_have_no_windows() {
        for unit in [UTC, WindowUnit::Nanos { offset: 5, zone: BERLIN }] {
            let panes = shape(WindowKind::Hopping { size: 2 * HOUR, slide: HOUR }, unit).panes().expect("a valid shape");
            let times = Int64Array::from(vec![Some(i64::MIN), Some(i64::MAX), None, Some(0), Some(i64::MAX - HOUR)]);
            assert_eq!(
                panes.panes_of(&times).iter().map(|pane| pane.is_some()).collect::<Vec<_>>(),
                [false, false, false, true, false]
            );
            let latest = panes.pane_of(panes.latest).expect("the last pane");
            assert!(
                panes.windows_of(latest).all(|window| panes.end(window) < i64::MAX && panes.start(window) < panes.end(window))
            );
            let earliest = panes.pane_of(panes.earliest).expect("the first pane");
            assert!(
                panes
                    .windows_of(earliest)
                    .all(|window| panes.start(window) > i64::MIN && panes.start(window) < panes.end(window))
            );
            assert_eq!((panes.start_of(i64::MIN), panes.start_of(i64::MAX)), (i64::MIN, i64::MAX));
        }
        let unit = WindowUnit::Months { offset: MonthOffset::NONE, zone: None };
        let months = shape(WindowKind::Tumbling { size: 1 }, unit).panes().expect("a valid shape");
        assert_eq!((months.start_of(i64::MIN), months.start_of(i64::MAX)), (i64::MIN, i64::MAX));
    }
}
