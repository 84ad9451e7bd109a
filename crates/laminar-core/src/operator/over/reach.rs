//! Which rows see a given one: how far a row that comes or goes can change results.

use std::cell::{Cell, OnceCell};
use std::ops::Range;

use arrow_array::Array;

use super::piece::{Stretch, values_at};
use crate::Result;
use crate::expr::ExprRef;
use crate::graph::{Frame, FrameBound, FrameUnit, OverFunction, OverSpec};
use crate::state::{OrderedView, RowId};

/// A partition, in one of its orders, whose rows are asked how far they reach.
pub(super) struct Reach<'a> {
    spec: &'a OverSpec,
    view: OrderedView<'a>,
    /// Rows that were walked over so far. Once they are as many as the partition has, what is looked for is found for all rows at once.
    walked: Cell<i64>,
    /// For each call the positions of its values that are not NULL.
    valid: OnceCell<Vec<OnceCell<Vec<i64>>>>,
    /// Where the groups of peers begin.
    groups: OnceCell<Vec<i64>>,
}

impl<'a> Reach<'a> {
    pub(super) fn new(spec: &'a OverSpec, view: OrderedView<'a>) -> Self {
        Self { spec, view, walked: Cell::new(0), valid: OnceCell::new(), groups: OnceCell::new() }
    }

    /// The positions of those whose results depend on a row, which is one of them itself and stands at `own`.
    ///
    /// Where a frame does not hold the current row, rows between the two also count: they say where the frame is.
    pub(super) fn of(&self, own: Range<i64>, row: RowId) -> Result<Range<i64>> {
        let from = Row { of: self, view: self.view, partition: self.view.positions(), own, row };
        let mut reached = from.own.clone();
        for (number, call) in self.spec.calls.iter().enumerate() {
            let more = from.reach_of(number, &call.function)?;
            reached = reached.start.min(more.start)..reached.end.max(more.end);
        }
        Ok(reached.start.max(0)..reached.end.min(from.partition.end))
    }

    fn has_walked_enough(&self) -> bool {
        self.walked.get() > self.view.total()
    }

    /// `found` from `position` on, over the rows between.
    fn walk(&self, position: i64, found: i64) -> i64 {
        self.walked.set(self.walked.get() + (found - position).abs());
        found
    }

    /// The position of the `count`th value of a call before `position`, counted backwards, or the first position.
    fn value_before(&self, call: usize, value: &ExprRef, position: i64, count: i64) -> Result<i64> {
        if !self.has_walked_enough() {
            return Ok(self.walk(position, Stretch { view: self.view }.before(position, value, count)?));
        }
        let valid = self.valid_of(call, value)?;
        let behind = valid.partition_point(|at| *at < position) as i64;
        Ok(usize::try_from(behind - count.max(1)).ok().and_then(|at| valid.get(at)).copied().unwrap_or(0))
    }

    /// The position behind the `count`th value of a call from `position` on, or the end.
    fn behind_value(&self, call: usize, value: &ExprRef, position: i64, count: i64) -> Result<i64> {
        if !self.has_walked_enough() {
            return Ok(self.walk(position, Stretch { view: self.view }.behind(position, value, count)?));
        }
        let valid = self.valid_of(call, value)?;
        let first = valid.partition_point(|at| *at < position) as i64;
        let found = usize::try_from(first.saturating_add(count.max(1)) - 1).ok().and_then(|at| valid.get(at));
        Ok(found.map_or(self.view.total(), |at| at + 1))
    }

    fn valid_of(&self, call: usize, value: &ExprRef) -> Result<&[i64]> {
        let valid = &self.valid.get_or_init(|| vec![OnceCell::new(); self.spec.calls.len()])[call];
        if let Some(valid) = valid.get() {
            return Ok(valid);
        }
        let values = values_at(self.view, self.view.positions(), value)?;
        Ok(valid.get_or_init(|| (0..values.len()).filter(|at| values.is_valid(*at)).map(|at| at as i64).collect()))
    }

    /// Where the group begins that lies `groups` groups before the one that begins at `start`, or the first position.
    fn groups_before(&self, start: i64, groups: i64) -> i64 {
        if !self.has_walked_enough() {
            return self.walk(start, self.view.groups_before(start, groups, 0));
        }
        let starts = self.groups();
        let own = starts.partition_point(|at| *at < start) as i64;
        starts.get(usize::try_from(own - groups).unwrap_or(0)).copied().unwrap_or(0)
    }

    /// Where the group ends that lies `groups` groups behind the one that ends at `end`, or the end.
    fn groups_behind(&self, end: i64, groups: i64) -> i64 {
        let total = self.view.total();
        if !self.has_walked_enough() {
            return self.walk(end, self.view.groups_behind(end, groups, total));
        }
        let starts = self.groups();
        let next = starts.partition_point(|at| *at < end) as i64;
        usize::try_from(next.saturating_add(groups)).ok().and_then(|at| starts.get(at)).copied().unwrap_or(total)
    }

    fn groups(&self) -> &[i64] {
        self.groups.get_or_init(|| {
            let rows = self.view.scan(self.view.positions());
            rows.chunk_by(|a, b| self.view.are_peers(a.row_id, b.row_id)).map(|group| group[0].start).collect()
        })
    }
}

struct Row<'a> {
    of: &'a Reach<'a>,
    view: OrderedView<'a>,
    partition: Range<i64>,
    /// The positions of its copies.
    own: Range<i64>,
    row: RowId,
}

impl Row<'_> {
    fn reach_of(&self, call: usize, function: &OverFunction) -> Result<Range<i64>> {
        let (own, partition) = (&self.own, &self.partition);
        Ok(match function {
            OverFunction::RowNumber | OverFunction::Rank | OverFunction::DenseRank => own.start..partition.end,
            OverFunction::PercentRank | OverFunction::CumeDist | OverFunction::Ntile(_) => partition.clone(),
            OverFunction::Shifted { value, offset, ignore_nulls: true, .. } => match offset {
                0.. => self.of.value_before(call, value, own.start, *offset)?..own.end,
                _ => own.start..self.of.behind_value(call, value, own.end, offset.saturating_neg())?,
            },
            OverFunction::Shifted { offset: offset @ 0.., .. } => own.start.saturating_sub(*offset)..own.end,
            OverFunction::Shifted { offset, .. } => own.start..own.end.saturating_sub(*offset),
            OverFunction::Picked { frame, .. } | OverFunction::Aggregate { frame, .. } => {
                self.first_seeing(frame)?..self.last_seeing(frame)?
            }
        })
    }

    /// The first position from which `frame` reaches to this row or beyond it.
    fn first_seeing(&self, frame: &Frame) -> Result<i64> {
        let peers = || self.view.peers(self.row);
        Ok(match (&frame.end, frame.unit) {
            (FrameBound::Unbounded, _) => self.partition.start,
            (FrameBound::Offset(offset), FrameUnit::Rows) => self.own.start.saturating_sub((*offset).max(0)),
            (FrameBound::Offset(offset), FrameUnit::Groups) => self.of.groups_before(peers().start, (*offset).max(0)),
            (FrameBound::Offset(_), FrameUnit::Range) => peers().start,
            (FrameBound::Value { value, is_before }, _) => {
                let misses = |position: i64| Ok(self.bound(value, *is_before, position)?.end <= self.own.start);
                partition_point(self.partition.start..self.own.start, misses)?
            }
        })
    }

    /// The position behind the last one from which `frame` reaches back to this row or beyond it.
    fn last_seeing(&self, frame: &Frame) -> Result<i64> {
        let peers = || self.view.peers(self.row);
        Ok(match (&frame.start, frame.unit) {
            (FrameBound::Unbounded, _) => self.partition.end,
            (FrameBound::Offset(offset), FrameUnit::Rows) => self.own.end.saturating_sub((*offset).min(0)),
            (FrameBound::Offset(offset), FrameUnit::Groups) => {
                self.of.groups_behind(peers().end, offset.min(&0).saturating_neg())
            }
            (FrameBound::Offset(_), FrameUnit::Range) => peers().end,
            (FrameBound::Value { value, is_before }, _) => {
                let sees = |position: i64| Ok(self.bound(value, *is_before, position)?.start < self.own.end);
                partition_point(self.own.end..self.partition.end, sees)?
            }
        })
    }

    /// Where the value of a bound stands, as the row at `position` has it.
    fn bound(&self, value: &ExprRef, is_before: bool, position: i64) -> Result<Range<i64>> {
        let row = self.view.at(position).map_or(self.row, |row| row.row_id);
        let values = || self.view.values(value.data_type());
        Ok(match value.evaluate(&self.view.gather(&[row])?) {
            Ok(value) => self.view.with_value(0, (&value, 0)),
            Err(_) if is_before => values().start..values().start,
            Err(_) => values().end..values().end,
        })
    }
}

/// The first position for which `holds` is false; it is true for all before it.
fn partition_point(positions: Range<i64>, holds: impl Fn(i64) -> Result<bool>) -> Result<i64> {
    let Range { mut start, mut end } = positions;
    while start < end {
        let middle = start + (end - start) / 2;
        if holds(middle)? { start = middle + 1 } else { end = middle }
    }
    Ok(start)
}
