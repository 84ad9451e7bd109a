//! Values taken from other rows: `lag`, `lead`, `first_value`, `last_value`, `nth_value`.

use std::ops::Range;

use arrow_array::{ArrayRef, new_null_array};
use arrow_select::interleave::interleave;

use super::frames::without;
use super::piece::{Piece, Pieces, Stretch};
use crate::Result;
use crate::expr::ExprRef;
use crate::graph::{Frame, Pick};

impl Pieces<'_> {
    /// The value so many rows behind each row, or the default.
    pub(super) fn shifted(
        &self,
        value: &ExprRef,
        offset: i64,
        default: Option<&ExprRef>,
        ignore_nulls: bool,
    ) -> Result<ArrayRef> {
        let skips_nulls = ignore_nulls && offset != 0;
        let hulls = self.pieces.iter().map(|piece| match offset {
            _ if !skips_nulls => Ok(piece.shifted(offset)),
            1.. => Ok(piece.positions.start..Stretch { view: piece.view }.behind(piece.positions.end, value, offset)?),
            _ => Ok(Stretch { view: piece.view }.before(piece.positions.start, value, -offset)?..piece.positions.end),
        });
        let values = self.values_at(value, &hulls.collect::<Result<Vec<_>>>()?)?;
        let mut targets: Vec<Option<usize>> = Vec::with_capacity(self.len());
        for (number, piece) in self.pieces.iter().enumerate() {
            let index = |position| values.index(number, position);
            if !skips_nulls {
                targets.extend(piece.positions.clone().map(|position| index(position.saturating_add(offset))));
                continue;
            }
            let valid = values.valid(number);
            targets.extend(piece.positions.clone().map(|position| index(nth_valid(&valid, position, offset)?)));
        }
        let default = match default {
            Some(default) => default.evaluate(self.rows()?)?,
            None => new_null_array(value.data_type(), self.len()),
        };
        take_or(&values.values, &targets, &default)
    }

    /// The value of one row of each row's frame.
    pub(super) fn picked(&self, value: &ExprRef, pick: Pick, ignore_nulls: bool, frame: &Frame) -> Result<ArrayRef> {
        let between = self.frames(frame)?;
        let excluded = self.excluded(frame, &between);
        let frames: Vec<[Range<i64>; 3]> =
            between.iter().enumerate().map(|(row, frame)| without(frame, excluded.get(row))).collect();
        if !ignore_nulls {
            return self.picked_at(value, frames.iter().map(|parts| nth(parts, pick)).collect());
        }
        let hulls: Vec<Range<i64>> = self.pieces.iter().map(|piece| hull(&between[piece.rows.clone()])).collect();
        let values = self.values_at(value, &hulls)?;
        let mut targets: Vec<Option<usize>> = Vec::with_capacity(self.len());
        for (number, piece) in self.pieces.iter().enumerate() {
            let valid = values.valid(number);
            let at = |position: i64| valid.partition_point(|at| *at < position) as i64;
            let within = |parts: &[Range<i64>; 3]| {
                let rows = parts.clone().map(|part| at(part.start)..at(part.end));
                values.index(number, valid[nth(&rows, pick)? as usize])
            };
            targets.extend(frames[piece.rows.clone()].iter().map(within));
        }
        take_or(&values.values, &targets, &new_null_array(value.data_type(), self.len()))
    }

    /// The values at single positions; `None`: NULL.
    fn picked_at(&self, value: &ExprRef, positions: Vec<Option<i64>>) -> Result<ArrayRef> {
        let (mut row_ids, mut targets) = (Vec::new(), Vec::with_capacity(positions.len()));
        for piece in &self.pieces {
            let mut last = None;
            for position in &positions[piece.rows.clone()] {
                if position.is_some() && *position != last {
                    row_ids.extend(position.and_then(|position| piece.view.at(position)).map(|row| row.row_id));
                    last = *position;
                }
                targets.push(position.and_then(|_| row_ids.len().checked_sub(1)));
            }
        }
        let values = self.values_of(value, &row_ids)?;
        take_or(&values, &targets, &new_null_array(value.data_type(), self.len()))
    }
}

impl Piece<'_> {
    /// The positions so many rows behind its own, as far as the partition has them.
    fn shifted(&self, offset: i64) -> Range<i64> {
        let within = |position: i64| position.saturating_add(offset).clamp(self.partition.start, self.partition.end);
        within(self.positions.start)..within(self.positions.end)
    }
}

/// The position of the value that stands so many valid ones behind `position`; negative: before it.
fn nth_valid(valid: &[i64], position: i64, offset: i64) -> Option<i64> {
    let at = match offset {
        1.. => valid.partition_point(|at| *at <= position).checked_add(offset as usize - 1)?,
        _ => valid.partition_point(|at| *at < position).checked_sub(offset.unsigned_abs() as usize)?,
    };
    valid.get(at).copied()
}

/// The smallest range that holds all of `frames`; they may be empty.
pub(super) fn hull(frames: &[Range<i64>]) -> Range<i64> {
    let held = || frames.iter().filter(|frame| !frame.is_empty());
    match (held().map(|frame| frame.start).min(), held().map(|frame| frame.end).max()) {
        (Some(start), Some(end)) => start..end,
        _ => 0..0,
    }
}

/// The position that is picked of those in `parts`, which follow each other.
fn nth(parts: &[Range<i64>; 3], pick: Pick) -> Option<i64> {
    match pick {
        Pick::Nth(n) => {
            let mut behind = n - 1;
            for part in parts.iter().filter(|part| !part.is_empty()) {
                let rows = part.end - part.start;
                if behind < rows {
                    return Some(part.start + behind);
                }
                behind -= rows;
            }
            None
        }
        Pick::Last => parts.iter().rev().find(|part| !part.is_empty()).map(|part| part.end - 1),
    }
}

/// For each row the value at its target, or that of `default` in the same row if it has no target.
fn take_or(values: &ArrayRef, targets: &[Option<usize>], default: &ArrayRef) -> Result<ArrayRef> {
    let source = |(row, target): (usize, &Option<usize>)| target.map_or((1, row), |target| (0, target));
    let sources: Vec<(usize, usize)> = targets.iter().enumerate().map(source).collect();
    Ok(interleave(&[values.as_ref(), default.as_ref()], &sources)?)
}
