//! Windows by local clocks. Their panes are numbered by the instants at which they start.
//!
//! * Windows of whole days or of months go from local midnight to local midnight, however long that takes.
//! * Shorter ones begin wherever local clocks show a multiple of their length (the slide, if they hop) and last that long: the hour
//!   that passes twice is two windows, the one that is skipped none. Where clocks are turned by something else than a multiple, the
//!   window that is open ends after its length at the latest, and the next one where clocks show a multiple again, so it is shorter.
//! * What hops by such a slide has its size in elapsed time. What hops by days ends `size` later on the calendar; what is left of a
//!   size beyond whole days is elapsed.
//! * What cumulates starts where windows of its size start, and ends at each step and with the size.

use std::sync::Arc;

use super::cuts::{Calendar, CutRule, Cuts};
use super::panes::Window;
use super::windows::{MonthOffset, WindowKind, WindowShape, WindowUnit};
use super::zone::LocalClock;

const DAY: i64 = 86_400_000_000_000;

/// A valid shape with a zone.
#[derive(Debug)]
pub(super) struct LocalWindows {
    layout: Layout,
}

#[derive(Debug)]
enum Layout {
    Tumbling(Cuts),
    /// From every start on.
    Elapsed {
        starts: Cuts,
        size: i64,
    },
    /// From every start of a unit to `length` (in the unit of the calendar) later, and `rest` nanoseconds more.
    Calendar {
        starts: Cuts,
        calendar: Calendar,
        length: i64,
        rest: i64,
    },
    Cumulating {
        sizes: Cuts,
        steps: Cuts,
    },
}

impl LocalWindows {
    /// The windows of `shape` if it has a zone.
    pub(super) fn of(shape: &WindowShape) -> Option<Self> {
        let (WindowUnit::Nanos { zone: Some(zone), .. } | WindowUnit::Months { zone: Some(zone), .. }) = shape.unit else {
            return None;
        };
        let clock = Arc::new(LocalClock::of(zone));
        let cuts = |width: i64| Cuts { clock: clock.clone(), rule: rule_of(&shape.unit, width) };
        let layout = match shape.kind {
            WindowKind::Tumbling { size } => Layout::Tumbling(cuts(size)),
            WindowKind::Hopping { size, slide } => {
                let starts = cuts(slide);
                match starts.rule {
                    CutRule::Clock { .. } => Layout::Elapsed { starts, size },
                    CutRule::Calendar(calendar) => {
                        let rest = if matches!(calendar, Calendar::Days { .. }) { size % DAY } else { 0 };
                        Layout::Calendar { starts, calendar, length: size - rest, rest }
                    }
                }
            }
            WindowKind::Cumulating { step, size } => Layout::Cumulating { sizes: cuts(size), steps: cuts(step) },
        };
        Some(Self { layout })
    }

    /// The start of the pane in which `time` lies.
    pub(super) fn pane_of(&self, time: i64) -> i64 {
        match &self.layout {
            Layout::Tumbling(cuts) => cuts.up_to(time),
            Layout::Elapsed { starts, size } => starts.up_to(time).max(starts.up_to(time - size) + size),
            Layout::Calendar { starts, .. } => starts.up_to(time).max(self.end_of(self.last_ended(time))),
            Layout::Cumulating { sizes, steps } => sizes.up_to(time).max(steps.up_to(time)),
        }
    }

    /// The start of the pane behind that of `time`.
    pub(super) fn pane_after(&self, time: i64) -> i64 {
        match &self.layout {
            Layout::Tumbling(cuts) => cuts.after(time),
            Layout::Elapsed { starts, size } => starts.after(time).min(starts.after(time - size) + size),
            Layout::Calendar { starts, .. } => {
                starts.after(time).min(starts.first_after(time, self.last_ended(time), |unit| self.end_of(unit)))
            }
            Layout::Cumulating { sizes, steps } => sizes.after(time).min(steps.after(time)),
        }
    }

    /// The last unit of which the window has ended at `time`; only of windows by the calendar.
    fn last_ended(&self, time: i64) -> i64 {
        let Layout::Calendar { starts, calendar, length, rest } = &self.layout else { return 0 };
        let shown = starts.clock.latest_shown(time - rest);
        // The unit that started `length` before what is shown, or one of its neighbours, since months differ in length.
        let mut unit = calendar.unit_of(shown.saturating_sub(match calendar {
            Calendar::Days { .. } => *length,
            Calendar::Months { .. } => length.saturating_mul(28 * DAY),
        }));
        while calendar.end(unit, *length) > shown {
            unit -= 1;
        }
        unit
    }

    /// When the window that starts with a unit ends; only of windows by the calendar.
    fn end_of(&self, unit: i64) -> i64 {
        let Layout::Calendar { starts, calendar, length, rest } = &self.layout else { return i64::MAX };
        starts.clock.first_showing(calendar.end(unit, *length)) + rest
    }

    /// The windows that a pane belongs to, by their order.
    pub(super) fn windows_of(&self, pane: i64) -> Vec<Window> {
        match &self.layout {
            Layout::Tumbling(cuts) => vec![Window { first: pane, end: cuts.after(pane) }],
            Layout::Elapsed { starts, size } => {
                let open = std::iter::successors(Some(starts.up_to(pane)), |start| Some(starts.up_to(start - 1)));
                let windows = open.map(|start| Window { first: start, end: start + size });
                ascending(windows.take_while(|window| window.end > pane))
            }
            Layout::Calendar { starts, calendar, .. } => {
                let last = calendar.unit_of(starts.clock.latest_shown(pane));
                let start = |unit: i64| starts.clock.first_showing(calendar.start(unit));
                let units = std::iter::successors(Some(last), |unit| Some(unit - 1)).take_while(|unit| self.end_of(*unit) > pane);
                // No window starts with a day that is skipped.
                let units = units.filter(|unit| start(*unit) < start(unit + 1));
                ascending(units.map(|unit| Window { first: start(unit), end: self.end_of(unit) }))
            }
            Layout::Cumulating { sizes, .. } => {
                let (first, last) = (sizes.up_to(pane), sizes.after(pane));
                let ends = std::iter::successors(Some(self.pane_after(pane)), |end| Some(self.pane_after(*end)));
                ends.take_while(|end| *end <= last).map(|end| Window { first, end }).collect()
            }
        }
    }
}

fn ascending(windows: impl Iterator<Item = Window>) -> Vec<Window> {
    let mut windows: Vec<Window> = windows.collect();
    windows.reverse();
    windows
}

/// How a length cuts time.
fn rule_of(unit: &WindowUnit, width: i64) -> CutRule {
    match unit {
        WindowUnit::Nanos { offset, .. } if width % DAY == 0 => {
            CutRule::Calendar(Calendar::Days { width, offset: offset.rem_euclid(width) })
        }
        WindowUnit::Nanos { offset, .. } => CutRule::Clock { width, offset: offset.rem_euclid(width) },
        WindowUnit::Months { offset, .. } => CutRule::Calendar(Calendar::Months {
            width,
            offset: MonthOffset { months: offset.months.rem_euclid(width), ..*offset },
        }),
    }
}
