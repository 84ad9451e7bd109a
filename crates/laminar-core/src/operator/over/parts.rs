//! The parts of a partition in which results can have changed, in its order before a step and in the one after it.

use std::ops::Range;

use super::reach::Reach;
use crate::Result;
use crate::graph::OverSpec;
use crate::limits::BATCH_ROWS_MAX;
use crate::state::{Changed, OrderedView, Ranked};

/// A part: the same rows in both orders, but for those that are in one of them alone.
pub(super) struct Part {
    /// The number of the partition.
    pub(super) partition: usize,
    pub(super) positions: [Range<i64>; 2],
}

/// Where the changed rows of a partition stand in both orders.
struct Places<'a> {
    changed: &'a [Changed],
    /// Of each in both orders: where it stands, or would stand.
    starts: [Vec<i64>; 2],
}

/// Adds the parts of a partition, in order, of which these rows changed.
pub(super) fn reached(
    spec: &OverSpec,
    partition: usize,
    views: [OrderedView<'_>; 2],
    changed: &[Changed],
    parts: &mut Vec<Part>,
) -> Result<()> {
    let places = Places::new(changed);
    let reach = views.map(|view| Reach::new(spec, view));
    let mut reached = Vec::with_capacity(changed.len());
    for (number, row) in changed.iter().enumerate() {
        // A row that goes was seen by others before it went, and one that comes is seen by others after.
        let index = usize::from(row.after > row.before);
        let positions = reach[index].of(places.of(number, index), row.row_id)?;
        reached.push(places.in_both(&views[index], index, positions));
    }
    reached.sort_by_key(|[before, after]| (before.start, after.start));
    let first = parts.len();
    for positions in reached {
        match parts[first..].last_mut() {
            Some(last) if overlap(&last.positions, &positions) => {
                for (own, more) in last.positions.iter_mut().zip(&positions) {
                    own.end = own.end.max(more.end);
                }
            }
            _ => parts.push(Part { partition, positions }),
        }
    }
    Ok(())
}

/// Whether two parts, the first of which does not begin later, have a row in common.
fn overlap(one: &[Range<i64>; 2], other: &[Range<i64>; 2]) -> bool {
    one.iter().zip(other).any(|(one, other)| other.start < one.end && one.start < other.end)
}

/// The parts that are worked off together: as many rows as a batch has, or a part that has more alone.
pub(super) fn at_once(parts: &[Part]) -> Vec<&[Part]> {
    let (mut chunks, mut first, mut rows) = (Vec::new(), 0, 0);
    for (number, part) in parts.iter().enumerate() {
        let more = part.positions.iter().map(|positions| positions.end - positions.start).max().unwrap_or(0);
        if number > first && rows + more > BATCH_ROWS_MAX as i64 {
            chunks.push(&parts[first..number]);
            (first, rows) = (number, 0);
        }
        rows += more;
    }
    chunks.push(&parts[first..]);
    chunks
}

impl<'a> Places<'a> {
    fn new(changed: &'a [Changed]) -> Self {
        let mut starts = [Vec::with_capacity(changed.len()), Vec::with_capacity(changed.len())];
        let mut more = 0;
        for row in changed {
            starts[0].push(row.start - more);
            starts[1].push(row.start);
            more += row.after - row.before;
        }
        Self { changed, starts }
    }

    /// The positions of a changed row in one of the orders.
    fn of(&self, number: usize, index: usize) -> Range<i64> {
        let (start, row) = (self.starts[index][number], &self.changed[number]);
        start..start + [row.before, row.after][index]
    }

    /// Positions in the order `index`, in both orders, with all copies of the rows at their ends.
    fn in_both(&self, view: &OrderedView<'_>, index: usize, positions: Range<i64>) -> [Range<i64>; 2] {
        let ends = view.at(positions.start).zip(view.at(positions.end - 1));
        let Some((first, last)) = ends else { unreachable!("a row that is there reaches itself") };
        let own = first.start..last.start + last.copies;
        let other = self.in_other(index, &first).start..self.in_other(index, &last).end;
        if index == 0 { [own, other] } else { [other, own] }
    }

    /// Where a row of the order `index` stands in the other one.
    fn in_other(&self, index: usize, row: &Ranked) -> Range<i64> {
        let other = 1 - index;
        // Changed rows without copies here would stand before it at the same place: of two that are gone from before row 5, both starts are 5.
        // The row itself is behind them.
        let before = self.starts[index].partition_point(|start| *start <= row.start);
        let Some(last) = before.checked_sub(1) else { return row.start..row.start + row.copies };
        if self.changed[last].row_id == row.row_id {
            return self.of(last, other);
        }
        let start = row.start - self.of(last, index).end + self.of(last, other).end;
        start..start + row.copies
    }
}
