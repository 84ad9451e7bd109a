//! Which positions the frame of each row has.

use std::ops::Range;

use arrow_array::{Array, new_null_array};
use arrow_schema::DataType;

use super::piece::{Piece, Pieces};
use crate::Result;
use crate::expr::{ExprRef, evaluate_isolating};
use crate::graph::{Exclude, Frame, FrameBound, FrameUnit};
use crate::state::OrderedView;

impl OrderedView<'_> {
    /// The positions of the rows whose only sort key, of this type, is a value: NULLs stand before them or behind them.
    pub(super) fn values(&self, key_type: &DataType) -> Range<i64> {
        let partition = self.positions();
        let nulls = self.with_value(0, (&new_null_array(key_type, 1), 0));
        if nulls.start == partition.start { nulls.end..partition.end } else { partition.start..nulls.start }
    }

    /// Where the group begins that lies `groups` groups before the one that begins at `start`, or `first`.
    pub(super) fn groups_before(&self, mut start: i64, groups: i64, first: i64) -> i64 {
        for _ in 0..groups {
            if start <= first {
                break;
            }
            start = self.at(start - 1).map_or(first, |row| self.peers(row.row_id).start);
        }
        start
    }

    /// Where the group ends that lies `groups` groups behind the one that ends at `end`, or `last`.
    pub(super) fn groups_behind(&self, mut end: i64, groups: i64, last: i64) -> i64 {
        for _ in 0..groups {
            if end >= last {
                break;
            }
            end = self.at(end).map_or(last, |row| self.peers(row.row_id).end);
        }
        end
    }
}

impl Pieces<'_> {
    /// The frame of each row of each piece. An empty one ends where it begins.
    pub(super) fn frames(&self, frame: &Frame) -> Result<Vec<Range<i64>>> {
        let (starts, ends) = (self.bounds(frame.unit, &frame.start, true)?, self.bounds(frame.unit, &frame.end, false)?);
        Ok(starts.into_iter().zip(ends).map(|(start, end)| start..end.max(start)).collect())
    }

    /// What each row does not see of its frame, in two parts that follow each other; nothing for a frame without exclusion.
    pub(super) fn excluded(&self, frame: &Frame, frames: &[Range<i64>]) -> Vec<[Range<i64>; 2]> {
        if frame.exclude == Exclude::NoOthers {
            return Vec::new();
        }
        let exclude = frame.exclude;
        let positions = self.pieces.iter().flat_map(|piece| piece.positions.clone().zip(self.peers_of(piece)));
        let parts = positions.zip(frames).map(|((position, peers), frame)| {
            let parts = match exclude {
                Exclude::NoOthers => [frame.end..frame.end, frame.end..frame.end],
                Exclude::CurrentRow => [position..position + 1, frame.end..frame.end],
                Exclude::Group => [peers.clone(), frame.end..frame.end],
                Exclude::Ties => [peers.start..position, position + 1..peers.end],
            };
            parts.map(|part| part.start.clamp(frame.start, frame.end)..part.end.clamp(frame.start, frame.end))
        });
        parts.collect()
    }

    /// For each row where its frame begins, or else the position behind its end.
    fn bounds(&self, unit: FrameUnit, bound: &FrameBound, is_start: bool) -> Result<Vec<i64>> {
        let mut bounds = Vec::with_capacity(self.len());
        if let FrameBound::Value { value, is_before } = bound {
            self.value_bounds(value, *is_before, is_start, &mut bounds)?;
            return Ok(bounds);
        }
        let behind = i64::from(!is_start);
        for piece in &self.pieces {
            let (partition, rows) = (&piece.partition, piece.rows.len());
            match (bound, unit) {
                (FrameBound::Unbounded, _) => bounds.extend(std::iter::repeat_n(end_of(partition, is_start), rows)),
                (FrameBound::Offset(offset), FrameUnit::Rows) => {
                    let at = |position: i64| position.saturating_add(*offset).saturating_add(behind);
                    bounds.extend(piece.positions.clone().map(|position| at(position).clamp(partition.start, partition.end)));
                }
                (FrameBound::Offset(offset), _) if *offset != 0 => self.group_bounds(piece, *offset, is_start, &mut bounds),
                _ => bounds.extend(self.peers_of(piece).iter().map(|peers| end_of(peers, is_start))),
            }
        }
        Ok(bounds)
    }

    /// The bounds that lie some groups of peers away.
    fn group_bounds(&self, piece: &Piece<'_>, offset: i64, is_start: bool, bounds: &mut Vec<i64>) {
        let groups = self.groups_around(piece, offset);
        let mut own = 0;
        bounds.extend(self.peers_of(piece).iter().map(|peers| {
            while groups[own] != *peers {
                own += 1;
            }
            let group = usize::try_from(own as i64 + offset).ok().map(|group| groups.get(group));
            match group {
                None => piece.partition.start,
                Some(None) => piece.partition.end,
                Some(Some(group)) => end_of(group, is_start),
            }
        }));
    }

    /// The groups of the piece, and those that are at most `offset` groups away from them, in order.
    fn groups_around(&self, piece: &Piece<'_>, offset: i64) -> Vec<Range<i64>> {
        let mut groups: Vec<Range<i64>> = self.peers_of(piece).to_vec();
        groups.dedup();
        let Some(mut first) = groups.first().map(|group| group.start) else { return groups };
        let mut before = Vec::new();
        for _ in offset..0 {
            if first <= piece.partition.start {
                break;
            }
            let start = piece.view.groups_before(first, 1, piece.partition.start);
            before.push(start..first);
            first = start;
        }
        before.reverse();
        before.append(&mut groups);
        for _ in 0..offset {
            let end = before.last().map_or(piece.partition.end, |group| group.end);
            if end >= piece.partition.end {
                break;
            }
            before.push(end..piece.view.groups_behind(end, 1, piece.partition.end));
        }
        before
    }

    /// The bounds that lie at values of the sort key, which are the same for peers.
    fn value_bounds(&self, value: &ExprRef, is_before: bool, is_start: bool, bounds: &mut Vec<i64>) -> Result<()> {
        // What cannot be computed is more than its type can hold.
        let (values, bad) = evaluate_isolating(value.as_ref(), self.rows()?)?;
        let mut outside = vec![false; values.len()];
        bad.iter().for_each(|bad| outside[bad.row] = true);
        for piece in &self.pieces {
            let mut last = None;
            for (row, peers) in piece.rows.clone().zip(self.peers_of(piece)) {
                let bound = match last {
                    Some((before, bound)) if before == peers => bound,
                    _ if outside[row] => end_of(&piece.view.values(value.data_type()), is_before),
                    _ => end_of(&piece.view.with_value(0, (&values, row)), is_start),
                };
                last = Some((peers, bound));
                bounds.push(bound);
            }
        }
        Ok(())
    }
}

fn end_of(range: &Range<i64>, is_start: bool) -> i64 {
    if is_start { range.start } else { range.end }
}

/// What is left of a range without two parts of it.
pub(super) fn without<T: Copy>(range: &Range<T>, excluded: Option<&[Range<T>; 2]>) -> [Range<T>; 3] {
    match excluded {
        None => [range.clone(), range.end..range.end, range.end..range.end],
        Some([first, second]) => [range.start..first.start, first.end..second.start, second.end..range.end],
    }
}
