//! Which rows see a given one: how far a row that comes or goes can change results.

use std::ops::Range;

use super::piece::Stretch;
use crate::Result;
use crate::expr::ExprRef;
use crate::graph::{Frame, FrameBound, FrameUnit, OverFunction, OverSpec};
use crate::state::{OrderedView, RowId};

/// The positions of those whose results depend on a row, which is one of them itself and stands at `own`.
///
/// Where a frame does not hold the current row, rows between the two also count: they say where the frame is.
pub(super) fn reach(spec: &OverSpec, view: OrderedView<'_>, own: Range<i64>, row: RowId) -> Result<Range<i64>> {
    let from = Row { view, partition: view.positions(), own, row };
    let mut reached = from.own.clone();
    for call in &spec.calls {
        let more = from.reach_of(&call.function)?;
        reached = reached.start.min(more.start)..reached.end.max(more.end);
    }
    Ok(reached.start.max(0)..reached.end.min(from.partition.end))
}

struct Row<'a> {
    view: OrderedView<'a>,
    partition: Range<i64>,
    /// The positions of its copies.
    own: Range<i64>,
    row: RowId,
}

impl Row<'_> {
    fn reach_of(&self, function: &OverFunction) -> Result<Range<i64>> {
        let (own, partition) = (&self.own, &self.partition);
        Ok(match function {
            OverFunction::RowNumber | OverFunction::Rank | OverFunction::DenseRank => own.start..partition.end,
            OverFunction::PercentRank | OverFunction::CumeDist | OverFunction::Ntile(_) => partition.clone(),
            OverFunction::Shifted { value, offset, ignore_nulls: true, .. } => {
                let stretch = Stretch { view: self.view };
                match offset {
                    0.. => stretch.before(own.start, value, *offset)?..own.end,
                    _ => own.start..stretch.behind(own.end, value, offset.saturating_neg())?,
                }
            }
            OverFunction::Shifted { offset: offset @ 0.., .. } => own.start.saturating_sub(*offset)..own.end,
            OverFunction::Shifted { offset, .. } => own.start..own.end.saturating_sub(*offset),
            OverFunction::Picked { frame, .. } | OverFunction::Aggregate { frame, .. } => {
                self.first_seeing(frame)?..self.last_seeing(frame)?
            }
        })
    }

    /// The first position from which `frame` reaches to this row or beyond it.
    fn first_seeing(&self, frame: &Frame) -> Result<i64> {
        let (view, peers) = (self.view, || self.view.peers(self.row));
        Ok(match (&frame.end, frame.unit) {
            (FrameBound::Unbounded, _) => self.partition.start,
            (FrameBound::Offset(offset), FrameUnit::Rows) => self.own.start.saturating_sub((*offset).max(0)),
            (FrameBound::Offset(offset), FrameUnit::Groups) => {
                view.groups_before(peers().start, (*offset).max(0), self.partition.start)
            }
            (FrameBound::Offset(_), FrameUnit::Range) => peers().start,
            (FrameBound::Value { value, is_before }, _) => {
                let misses = |position: i64| Ok(self.bound(value, *is_before, position)?.end <= self.own.start);
                partition_point(self.partition.start..self.own.start, misses)?
            }
        })
    }

    /// The position behind the last one from which `frame` reaches back to this row or beyond it.
    fn last_seeing(&self, frame: &Frame) -> Result<i64> {
        let (view, peers) = (self.view, || self.view.peers(self.row));
        Ok(match (&frame.start, frame.unit) {
            (FrameBound::Unbounded, _) => self.partition.end,
            (FrameBound::Offset(offset), FrameUnit::Rows) => self.own.end.saturating_sub((*offset).min(0)),
            (FrameBound::Offset(offset), FrameUnit::Groups) => {
                view.groups_behind(peers().end, offset.min(&0).saturating_neg(), self.partition.end)
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
