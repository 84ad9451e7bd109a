//! Values taken from other rows: `lag`, `lead`, `first_value`, `last_value`, `nth_value`.

use std::ops::Range;

use arrow_array::{Array, ArrayRef, new_null_array};
use arrow_select::interleave::interleave;

use super::piece::{Piece, Stretch, values_at};
use crate::Result;
use crate::expr::ExprRef;
use crate::graph::{Frame, Pick};

impl Piece<'_> {
    /// The value so many rows behind each row, or the default.
    pub(super) fn shifted(
        &self,
        value: &ExprRef,
        offset: i64,
        default: Option<&ExprRef>,
        ignore_nulls: bool,
    ) -> Result<ArrayRef> {
        let (values, from) = match (ignore_nulls, offset) {
            (false, _) | (true, 0) => self.values_around(value, offset)?,
            (true, 1..) => self.values_until(value, self.stretch().behind(self.positions.end, value, offset)?)?,
            (true, _) => self.values_since(value, self.stretch().before(self.positions.start, value, -offset)?)?,
        };
        let valid: Option<Vec<i64>> = (ignore_nulls && offset != 0).then(|| valid_positions(&values, from));
        let target = |position: i64| match &valid {
            None => Some(position.saturating_add(offset)),
            Some(valid) if offset > 0 => valid.get(valid.partition_point(|at| *at <= position) + offset as usize - 1).copied(),
            Some(valid) => {
                let before = valid.partition_point(|at| *at < position);
                before.checked_sub(offset.unsigned_abs() as usize).map(|at| valid[at])
            }
        };
        let targets: Vec<Option<i64>> = self.positions.clone().map(target).collect();
        let default = match default {
            Some(default) => default.evaluate(self.rows())?,
            None => new_null_array(value.data_type(), self.len()),
        };
        take_or(&values, from, &targets, &default)
    }

    fn stretch(&self) -> Stretch<'_> {
        Stretch { view: self.view, partition: self.partition.clone() }
    }

    /// The values so many rows away from those of the piece, and where the first one stands.
    fn values_around(&self, value: &ExprRef, offset: i64) -> Result<(ArrayRef, i64)> {
        let within = |position: i64| position.saturating_add(offset).clamp(self.partition.start, self.partition.end);
        let positions = within(self.positions.start)..within(self.positions.end);
        Ok((values_at(&self.view, positions.clone(), value)?, positions.start))
    }

    fn values_until(&self, value: &ExprRef, end: i64) -> Result<(ArrayRef, i64)> {
        Ok((values_at(&self.view, self.positions.start..end, value)?, self.positions.start))
    }

    fn values_since(&self, value: &ExprRef, start: i64) -> Result<(ArrayRef, i64)> {
        Ok((values_at(&self.view, start..self.positions.end, value)?, start))
    }

    /// The value of one row of each row's frame.
    pub(super) fn picked(&self, value: &ExprRef, pick: Pick, ignore_nulls: bool, frame: &Frame) -> Result<ArrayRef> {
        let frames = self.frames(frame)?;
        if !ignore_nulls {
            return self.picked_at(value, frames.iter().map(|frame| nth(frame, pick)).collect());
        }
        let hull = hull(&frames);
        let values = values_at(&self.view, hull.clone(), value)?;
        let valid = valid_positions(&values, hull.start);
        let within = |frame: &Range<i64>| {
            let rows = valid.partition_point(|at| *at < frame.start)..valid.partition_point(|at| *at < frame.end);
            nth(&(rows.start as i64..rows.end as i64), pick).map(|at| valid[at as usize])
        };
        let targets: Vec<Option<i64>> = frames.iter().map(within).collect();
        take_or(&values, hull.start, &targets, &new_null_array(value.data_type(), self.len()))
    }

    /// The values at single positions; `None`: NULL.
    fn picked_at(&self, value: &ExprRef, targets: Vec<Option<i64>>) -> Result<ArrayRef> {
        let mut positions: Vec<i64> = targets.iter().flatten().copied().collect();
        positions.dedup();
        let row_ids: Vec<_> = positions.iter().filter_map(|position| self.view.at(*position)).map(|row| row.row_id).collect();
        debug_assert_eq!(positions.len(), row_ids.len(), "frames are within their partition");
        let values = value.evaluate(&self.view.gather(&row_ids)?)?;
        let mut at = 0;
        let places: Vec<Option<i64>> = targets
            .into_iter()
            .map(|target| {
                let target = target?;
                at += i64::from(positions[at as usize] != target);
                Some(at)
            })
            .collect();
        take_or(&values, 0, &places, &new_null_array(value.data_type(), self.len()))
    }
}

/// The smallest range that holds all of `frames`; they may be empty.
pub(super) fn hull(frames: &[Range<i64>]) -> Range<i64> {
    let held = || frames.iter().filter(|frame| !frame.is_empty());
    match (held().map(|frame| frame.start).min(), held().map(|frame| frame.end).max()) {
        (Some(start), Some(end)) => start..end,
        _ => 0..0,
    }
}

fn nth(frame: &Range<i64>, pick: Pick) -> Option<i64> {
    let at = match pick {
        Pick::Nth(n) => frame.start.checked_add(n - 1)?,
        Pick::Last => frame.end - 1,
    };
    frame.contains(&at).then_some(at)
}

/// The positions of those of `values` that are not NULL; the first value stands at `from`.
fn valid_positions(values: &ArrayRef, from: i64) -> Vec<i64> {
    let nulls = values.logical_nulls();
    let is_valid = |index: &usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(*index));
    (0..values.len()).filter(is_valid).map(|index| from + index as i64).collect()
}

/// For each row the value at its target, or that of `default` in the same row if it has no target among `values`.
fn take_or(values: &ArrayRef, from: i64, targets: &[Option<i64>], default: &ArrayRef) -> Result<ArrayRef> {
    let place = |(row, target): (usize, &Option<i64>)| match target.map(|target| usize::try_from(target - from)) {
        Some(Ok(index)) if index < values.len() => (0, index),
        _ => (1, row),
    };
    let places: Vec<(usize, usize)> = targets.iter().enumerate().map(place).collect();
    Ok(interleave(&[values.as_ref(), default.as_ref()], &places)?)
}
