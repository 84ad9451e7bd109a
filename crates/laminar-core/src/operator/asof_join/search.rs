//! Which right row a left row is joined with, by time alone.

use crate::graph::AsofDirection;
use crate::state::{RowId, Timeline};

/// How far a search goes, in units of the compared columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Search {
    pub(super) direction: AsofDirection,
    /// Whether a right row of the very same time does not count.
    pub(super) strict: bool,
    pub(super) tolerance: Option<i64>,
}

impl Search {
    /// The time of the right row that a left row at `time` is joined with.
    pub(super) fn find(self, right: &Timeline, time: i64) -> Option<i64> {
        let found = match self.direction {
            AsofDirection::Backward => self.before(right, time),
            AsofDirection::Forward => self.after(right, time),
            AsofDirection::Nearest => match (self.before(right, time), self.after(right, time)) {
                (Some(before), Some(after)) if after.abs_diff(time) < before.abs_diff(time) => Some(after),
                (before, after) => before.or(after),
            },
        };
        found.filter(|found| self.tolerance.is_none_or(|tolerance| found.abs_diff(time) <= tolerance.unsigned_abs()))
    }

    fn before(self, right: &Timeline, time: i64) -> Option<i64> {
        let found = if self.strict {
            right.range(..(time, RowId::MIN)).next_back()
        } else {
            right.range(..=(time, RowId::MAX)).next_back()
        };
        found.map(|(time, _)| *time)
    }

    fn after(self, right: &Timeline, time: i64) -> Option<i64> {
        let end = if self.strict { (time, RowId::MAX) } else { (time, RowId::MIN) };
        right.range(end..).next().map(|(time, _)| *time)
    }

    /// The first and the last time of the left rows that may be joined with another row when rows at `time` come or go; `right` as it was
    /// before.
    pub(super) fn reach(self, right: &Timeline, time: i64) -> Option<(i64, i64)> {
        let next = right.range((time, RowId::MAX)..).next().map(|(next, _)| *next);
        let previous = right.range(..(time, RowId::MIN)).next_back().map(|(previous, _)| *previous);
        let (from, to) = match (self.direction, self.strict) {
            (AsofDirection::Backward, false) => (time, next.map_or(i64::MAX, |next| next - 1)),
            (AsofDirection::Backward, true) => (time.checked_add(1)?, next.unwrap_or(i64::MAX)),
            (AsofDirection::Forward, false) => (previous.map_or(i64::MIN, |previous| previous + 1), time),
            (AsofDirection::Forward, true) => (previous.unwrap_or(i64::MIN), time.checked_sub(1)?),
            (AsofDirection::Nearest, _) => {
                let half = |other: i64| (time.abs_diff(other) / 2).cast_signed();
                (
                    previous.map_or(i64::MIN, |previous| previous.saturating_add(half(previous))),
                    next.map_or(i64::MAX, |next| next.saturating_sub(half(next))),
                )
            }
        };
        let Some(tolerance) = self.tolerance else { return Some((from, to)) };
        Some((from.max(time.saturating_sub(tolerance)), to.min(time.saturating_add(tolerance))))
    }

    /// Stretches of time that hold all that `reach` finds for these ascending times, apart from each other.
    pub(super) fn reached(self, right: &Timeline, times: &[i64]) -> Vec<(i64, i64)> {
        let mut stretches: Vec<(i64, i64)> = Vec::new();
        for (from, to) in times.iter().filter_map(|time| self.reach(right, *time)).filter(|(from, to)| from <= to) {
            match stretches.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => stretches.push((from, to)),
            }
        }
        stretches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(direction: AsofDirection, strict: bool, tolerance: Option<i64>, expected: [Option<i64>; 5]) {
        let right: Timeline = [(10, 0), (20, 1), (20, 2), (30, 3)].into();
        let search = Search { direction, strict, tolerance };
        assert_eq!([5, 10, 15, 20, 36].map(|time| search.find(&right, time)), expected, "{search:?}");
    }

    #[test]
    fn the_row_that_is_found_lies_in_the_direction_and_within_the_tolerance() {
        use AsofDirection::{Backward, Forward, Nearest};
        check(Backward, false, None, [None, Some(10), Some(10), Some(20), Some(30)]);
        check(Backward, true, None, [None, None, Some(10), Some(10), Some(30)]);
        check(Backward, false, Some(5), [None, Some(10), Some(10), Some(20), None]);
        check(Forward, false, None, [Some(10), Some(10), Some(20), Some(20), None]);
        check(Forward, true, None, [Some(10), Some(20), Some(20), Some(30), None]);
        check(Forward, false, Some(4), [None, Some(10), None, Some(20), None]);
        check(Nearest, false, None, [Some(10), Some(10), Some(10), Some(20), Some(30)]);
        check(Nearest, false, Some(0), [None, Some(10), None, Some(20), None]);
    }

    #[test]
    fn what_a_change_reaches_is_all_that_finds_another_row() {
        let times: Vec<i64> = [-40, -3, -2, 0, 1, 5, 6, i64::MIN, i64::MAX].into();
        for direction in [AsofDirection::Backward, AsofDirection::Forward, AsofDirection::Nearest] {
            for (strict, tolerance) in [(false, None), (true, None), (false, Some(2)), (true, Some(2)), (false, Some(0))] {
                let search = Search { direction, strict: strict && direction != AsofDirection::Nearest, tolerance };
                for kept in 0..1_u32 << times.len() {
                    let right: Timeline =
                        times.iter().zip(0..).filter(|(_, row)| kept >> row & 1 == 1).map(|(time, row)| (*time, row)).collect();
                    for (time, row) in times.iter().zip(0..) {
                        let mut other = right.clone();
                        if !other.remove(&(*time, row)) {
                            other.insert((*time, row));
                        }
                        let reach = search.reach(&right, *time);
                        for left in [i64::MIN, -41, -40, -22, -21, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, i64::MAX] {
                            let changes = search.find(&right, left) != search.find(&other, left);
                            let is_reached = reach.is_some_and(|(from, to)| (from..=to).contains(&left));
                            assert!(is_reached || !changes, "{search:?} {right:?} {time} {left}");
                        }
                    }
                }
            }
        }
    }
}
