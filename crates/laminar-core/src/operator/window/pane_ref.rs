//! Which windows take a row: its pane, and from which window on. A row that none takes is late.

use std::collections::BTreeMap;

use arrow_array::{Array, Int64Array, UInt32Array};

use super::input::Evaluated;
use crate::operator::OperatorContext;
use crate::operator::aggregate::NAMESPACES_AT_ONCE;
use crate::operator::late::reject_late;
use crate::time::{EventTime, Panes, Watermark, Window, ends};
use crate::{ChangeBatch, Result};

/// A pane, and the end (in panes) of the first window that takes the rows in it.
///
/// Windows close by the order of their ends, so a late row is taken by the windows from some end on. Rows that all their
/// windows take have [`PaneRef::ALL_WINDOWS`]. Keeping the others apart is what makes late rows count in the open
/// windows of their pane but not in those that had closed for them, whatever the operator has closed itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PaneRef {
    pub(super) pane: i64,
    pub(super) from: i64,
}

impl PaneRef {
    /// The `from` of rows that are not late for any window.
    pub(super) const ALL_WINDOWS: i64 = i64::MIN;

    /// True if `window`, one of the pane's, takes the rows.
    pub(super) fn is_taken_by(self, window: Window) -> bool {
        self.from <= window.end
    }
}

/// A row that no window takes.
pub(super) struct Late {
    row: u32,
    /// The last window that it would have belonged to.
    window: Window,
    /// What closed the window.
    seen: Watermark,
}

/// Where the rows of a batch go if they lie in a few neighbouring panes and none is late.
pub(super) struct FewPanes {
    /// The pane refs, by pane; some may be without rows.
    pub(super) pane_refs: Vec<PaneRef>,
    /// For each row, which of them; nothing if there is one only.
    pub(super) of_row: Vec<u8>,
}

impl FewPanes {
    /// The rows of each pane ref, in their order.
    pub(super) fn apart(&self) -> Vec<(PaneRef, UInt32Array)> {
        let rows_of = |number: u8| {
            let rows = (0u32..).zip(&self.of_row).filter(|(_, pane_ref)| **pane_ref == number).map(|(row, _)| row);
            UInt32Array::from_iter_values(rows)
        };
        let apart = self.pane_refs.iter().zip(0u8..).map(|(pane_ref, number)| (*pane_ref, rows_of(number)));
        apart.filter(|(_, rows)| !rows.is_empty()).collect()
    }
}

/// Rows that windows take, with their pane refs.
pub(super) struct Taken {
    /// Keys and arguments.
    pub(super) rows: Evaluated,
    /// Where they belong.
    pub(super) whereabouts: Whereabouts,
}

/// Where the rows of a batch belong.
pub(super) enum Whereabouts {
    /// All to one pane ref.
    One(PaneRef),
    /// To a few pane refs, several of them with rows.
    Few(FewPanes),
    /// By pane ref, the rows that belong to it. Others are late or have no time.
    Apart(Vec<(PaneRef, UInt32Array)>),
}

/// For each time, how many of the ascending `starts` it has reached; `ends` are the earliest and the latest time of each stretch.
fn numbers_of(times: &[i64], starts: &[i64], ends: &[(i64, i64)]) -> Vec<u8> {
    if starts.is_empty() {
        return Vec::new();
    }
    let mut numbers = Vec::with_capacity(times.len());
    for (times, (earliest, latest)) in times.chunks(STRETCH_ROWS).zip(ends) {
        // All have reached the first ones, and none the last ones.
        let all = starts.partition_point(|start| start <= earliest);
        let some = starts.partition_point(|start| start <= latest);
        numbers.resize(numbers.len() + times.len(), all as u8);
        let own = numbers.len() - times.len();
        starts[all..some].iter().for_each(|start| add_reached(times, *start, &mut numbers[own..]));
    }
    numbers
}

/// Adds 1 for each time that has reached `start`. Without branches, as times on both sides of a start come mixed. The difference of the
/// earliest and the latest time has 64 bits.
fn add_reached(times: &[i64], start: i64, numbers: &mut [u8]) {
    // The sign bit is the comparison that every processor can do for several numbers at once.
    let reached = |time: i64| (start.wrapping_sub(1).wrapping_sub(time).cast_unsigned() >> 63) as u8;
    numbers.iter_mut().zip(times).for_each(|(number, time)| *number += reached(*time));
}

/// Rows that are looked at together: they often belong to one pane.
const STRETCH_ROWS: usize = 256;

/// Where the rows of a batch go.
pub(super) struct RowsByPane {
    /// By pane ref, the rows in their order.
    pub(super) rows: BTreeMap<PaneRef, Vec<u32>>,
    /// Rows that no window takes.
    pub(super) late: Vec<Late>,
}

/// The rule: a window takes a row unless its end + lateness had been reached when the row arrived at its source, or when
/// the step began.
pub(super) struct Admission<'a> {
    pub(super) panes: &'a Panes,
    pub(super) time_lag: i64,
    pub(super) lateness: i64,
    /// The operator's watermark before the step.
    pub(super) watermark: Watermark,
}

impl Admission<'_> {
    /// The pane refs of rows that lie in a few neighbouring panes: usual, as rows come about in the order of their times.
    /// Divides only for the first and the last of them. `None`: they do not, or something else is special about one of them.
    pub(super) fn few_panes(&self, changes: &ChangeBatch, times: &Int64Array) -> Option<FewPanes> {
        if changes.arrivals().is_some() || times.null_count() > 0 {
            return None;
        }
        // More panes than these are split up by pane ref.
        let mut stretches: Vec<(i64, i64)> = Vec::with_capacity(times.len().div_ceil(STRETCH_ROWS));
        stretches.extend(times.values().chunks(STRETCH_ROWS).filter_map(ends));
        let (first, last) = stretches.iter().copied().reduce(|(a, b), (first, last)| (a.min(first), b.max(last)))?;
        last.checked_sub(first)?;
        let (first, last) = (self.panes.pane_of(first)?, self.panes.pane_of(last)?);
        let run = self.panes.run(first, last, NAMESPACES_AT_ONCE)?;
        let pane_refs = run.iter().map(|pane| self.pane_ref_of(*pane, self.watermark)).collect::<Option<Vec<_>>>()?;
        let starts: Vec<i64> = run.iter().skip(1).map(|pane| self.panes.start_of(*pane)).collect();
        Some(FewPanes { pane_refs, of_row: numbers_of(times.values(), &starts, &stretches) })
    }

    /// Places each row that has a pane.
    pub(super) fn assign(&self, changes: &ChangeBatch, panes: &Int64Array) -> RowsByPane {
        let mut assigned = RowsByPane { rows: BTreeMap::new(), late: Vec::new() };
        let mut last: Option<(i64, Watermark, Option<PaneRef>)> = None;
        let mut run: Vec<u32> = Vec::new();
        for row in (0..changes.len()).filter(|row| panes.is_valid(*row)) {
            let (pane, seen) = (panes.value(row), self.seen(changes, row));
            let pane_ref = match last {
                Some((last_pane, last_seen, pane_ref)) if (last_pane, last_seen) == (pane, seen) => pane_ref,
                _ => self.pane_ref_of(pane, seen),
            };
            if let Some((_, _, Some(before))) = last
                && pane_ref != Some(before)
            {
                assigned.rows.entry(before).or_default().append(&mut run);
            }
            last = Some((pane, seen, pane_ref));
            match pane_ref {
                Some(_) => run.push(row as u32),
                None => assigned.late.extend(self.panes.windows_of(pane).next_back().map(|window| Late {
                    row: row as u32,
                    window,
                    seen,
                })),
            }
        }
        if let Some((_, _, Some(pane_ref))) = last {
            assigned.rows.entry(pane_ref).or_default().append(&mut run);
        }
        assigned
    }

    /// The watermark that the row is judged by. A source that had been idle may be behind the operator.
    fn seen(&self, changes: &ChangeBatch, row: usize) -> Watermark {
        changes.arrivals().map_or(self.watermark, |arrivals| Watermark(arrivals[row]).max(self.watermark))
    }

    fn pane_ref_of(&self, pane: i64, seen: Watermark) -> Option<PaneRef> {
        let reached = seen.held_back(self.time_lag);
        let open = |window: &Window| is_open(self.panes.end(*window), self.lateness, reached);
        let mut windows = self.panes.windows_of(pane);
        let first = windows.next()?;
        if open(&first) {
            return Some(PaneRef { pane, from: PaneRef::ALL_WINDOWS });
        }
        windows.find(open).map(|window| PaneRef { pane, from: window.end })
    }
}

/// True if a window that ends at `end` still takes rows at watermark `reached`.
pub(super) fn is_open(end: i64, lateness: i64, reached: Watermark) -> bool {
    end.saturating_add(lateness) > reached.0 && !reached.is_end()
}

impl Late {
    fn reason(&self, panes: &Panes) -> String {
        late_reason(panes.start(self.window), panes.end(self.window), self.seen)
    }
}

/// `window 2013-01-01 10:00 .. 11:00 had closed: watermark was 2013-01-01 12:03:20`.
pub(in crate::operator) fn late_reason(start: i64, end: i64, seen: Watermark) -> String {
    let (start, end) = (short(EventTime(start)), short(EventTime(end)));
    let same_day = start.split(' ').next() == end.split(' ').next();
    let end = if same_day { end.split_once(' ').map_or(end.as_str(), |(_, time)| time) } else { &end };
    format!("window {start} .. {end} had closed: watermark was {seen}")
}

/// A time without seconds if there are none.
fn short(time: EventTime) -> String {
    let text = time.to_string();
    if text.len() == "2013-01-01 10:00:00".len() { text.strip_suffix(":00").unwrap_or(&text).to_owned() } else { text }
}

impl RowsByPane {
    /// The pane ref of all of so many rows, if there is one only.
    pub(super) fn only_pane_ref(&self, rows: usize) -> Option<PaneRef> {
        let (pane_ref, own) = self.rows.first_key_value()?;
        (own.len() == rows).then_some(*pane_ref)
    }

    /// Rejects the late rows.
    pub(super) fn reject(&mut self, changes: &ChangeBatch, panes: &Panes, cx: &mut OperatorContext<'_>) -> Result<()> {
        let late = std::mem::take(&mut self.late);
        let reasons = late.iter().map(|late| late.reason(panes)).collect();
        reject_late(changes, late.iter().map(|late| late.row).collect(), reasons, cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, RecordBatch};

    use super::*;
    use crate::time::windows::{WindowKind, WindowShape, WindowUnit};

    /// The pane refs of these times with windows of `size` nanoseconds, in the fast way and row by row.
    fn check(size: i64, times: &[i64], fast: bool) {
        let shape = WindowShape { kind: WindowKind::Tumbling { size }, unit: WindowUnit::Nanos { offset: 0, zone: None } };
        let panes = shape.panes().unwrap();
        let admission = Admission { panes: &panes, time_lag: 0, lateness: 0, watermark: Watermark::START };
        let times = Int64Array::from(times.to_vec());
        let changes = ChangeBatch::append(RecordBatch::try_from_iter([("ts", Arc::new(times.clone()) as ArrayRef)]).unwrap());
        let few = admission.few_panes(&changes, &times);
        assert_eq!(few.is_some(), fast, "{times:?}");
        let Some(few) = few else { return };
        let pane_ref = |row: usize| few.pane_refs[few.of_row.get(row).map_or(0, |pane_ref| usize::from(*pane_ref))];
        for (row, time) in times.values().iter().enumerate() {
            assert_eq!(pane_ref(row).pane, panes.pane_of(*time).unwrap(), "{time} of {times:?}");
        }
    }

    #[test]
    fn rows_in_a_few_panes_are_placed_as_one_by_one() {
        check(10, &[0, 9], true);
        check(10, &[25, 9, 10, 30, 29, -1], true);
        check(10, &[0, 79], true);
        check(10, &[0, 80], false);
        // Some stretches of rows lie in one pane, others in several.
        check(1_000, &(0..5_000).map(|row| row + row * 7_919 % 700).collect::<Vec<_>>(), true);
    }

    #[test]
    fn times_centuries_apart_are_not_taken_for_neighbours() {
        const YEAR: i64 = 365 * 86_400_000_000_000;
        check(60 * YEAR, &[-120 * YEAR, 130 * YEAR, 0], true);
        check(60 * YEAR, &[-160 * YEAR, 160 * YEAR, 0], false);
    }
}
