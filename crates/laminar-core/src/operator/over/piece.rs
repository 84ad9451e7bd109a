//! A piece of a partition for which results are computed: its rows one by one, their peers, and what follows from positions alone.

use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch};
use arrow_cast::cast;

use crate::expr::ExprRef;
use crate::graph::{OverCall, OverFunction};
use crate::limits::{BATCH_ROWS_MAX, REPLAY_ROWS_MAX};
use crate::state::{OrderedView, RowId};
use crate::{Code, Error, Result};

/// Some positions of a partition.
pub(super) struct Piece<'a> {
    pub(super) view: OrderedView<'a>,
    pub(super) partition: Range<i64>,
    pub(super) positions: Range<i64>,
    /// The row at each position.
    row_ids: Vec<RowId>,
    rows: RecordBatch,
    peers: OnceCell<Vec<Range<i64>>>,
}

/// A partition in which rows are looked for from a position on.
pub(super) struct Stretch<'a> {
    pub(super) view: OrderedView<'a>,
    pub(super) partition: Range<i64>,
}

impl<'a> Piece<'a> {
    pub(super) fn new(view: OrderedView<'a>, partition: Range<i64>, positions: Range<i64>) -> Result<Self> {
        let row_ids = one_by_one(&view, positions.clone())?;
        let rows = view.gather(&row_ids)?;
        Ok(Self { view, partition, positions, row_ids, rows, peers: OnceCell::new() })
    }

    pub(super) fn len(&self) -> usize {
        self.row_ids.len()
    }

    /// The rows of the input, one for each position.
    pub(super) fn rows(&self) -> &RecordBatch {
        &self.rows
    }

    /// The row at each position.
    pub(super) fn row_ids(&self) -> &[RowId] {
        &self.row_ids
    }

    /// The results of a call. What cannot be computed is NULL, and `faults` says why.
    pub(super) fn results(&self, call: &OverCall, faults: &mut [Option<String>]) -> Result<ArrayRef> {
        let results = match &call.function {
            OverFunction::RowNumber => self.whole(|position, _| position - self.partition.start + 1),
            OverFunction::Rank => self.whole(|_, peers| peers.start - self.partition.start + 1),
            OverFunction::DenseRank => self.dense_ranks(),
            OverFunction::PercentRank => self.fraction(|peers, rows| (peers.start, rows - 1)),
            OverFunction::CumeDist => self.fraction(|peers, rows| (peers.end, rows)),
            OverFunction::Ntile(parts) => self.whole(|position, _| self.part(position, *parts)),
            OverFunction::Shifted { value, offset, default, ignore_nulls } => {
                self.shifted(value, *offset, default.as_ref(), *ignore_nulls)?
            }
            OverFunction::Picked { value, pick, ignore_nulls, frame } => self.picked(value, *pick, *ignore_nulls, frame)?,
            OverFunction::Aggregate { call, frame } => self.aggregates(call, frame, faults)?,
        };
        Ok(if results.data_type() == &call.data_type { results } else { cast(&results, &call.data_type)? })
    }

    fn whole(&self, of: impl Fn(i64, &Range<i64>) -> i64) -> ArrayRef {
        let values = self.positions.clone().zip(self.peers()).map(|(position, peers)| of(position, peers));
        Arc::new(Int64Array::from_iter_values(values))
    }

    /// The quotient of two numbers, of which the first is counted from the partition's start; 0 / 0 is 0.
    fn fraction(&self, of: impl Fn(&Range<i64>, i64) -> (i64, i64)) -> ArrayRef {
        let rows = self.partition.end - self.partition.start;
        let values = self.peers().iter().map(|peers| match of(peers, rows) {
            (_, 0) => 0.0,
            (part, all) => (part - self.partition.start) as f64 / all as f64,
        });
        Arc::new(Float64Array::from_iter_values(values))
    }

    /// Of `parts` parts of a partition, of which the first ones have one row more, the one with this position.
    fn part(&self, position: i64, parts: i64) -> i64 {
        let (index, rows) = (position - self.partition.start, self.partition.end - self.partition.start);
        let (size, larger) = (rows / parts, rows % parts);
        match index - larger * (size + 1) {
            within if within < 0 => index / (size + 1) + 1,
            within => larger + within / size + 1,
        }
    }

    fn dense_ranks(&self) -> ArrayRef {
        let first = self.peers().first().map_or(self.partition.start, |peers| peers.start);
        let before = self.view.scan(self.partition.start..first);
        let mut rank = before.chunk_by(|a, b| self.view.are_peers(a.row_id, b.row_id)).count() as i64;
        let mut last = None;
        let ranks = self.peers().iter().map(|peers| {
            rank += i64::from(last != Some(peers.start));
            last = Some(peers.start);
            rank
        });
        Arc::new(Int64Array::from_iter_values(ranks))
    }

    /// The positions of the peers of each row.
    pub(super) fn peers(&self) -> &[Range<i64>] {
        self.peers.get_or_init(|| self.find_peers())
    }

    fn find_peers(&self) -> Vec<Range<i64>> {
        let mut peers: Vec<Range<i64>> = Vec::with_capacity(self.len());
        let groups: Vec<&[RowId]> = self.row_ids.chunk_by(|a, b| self.view.are_peers(*a, *b)).collect();
        let (mut start, last) = (self.positions.start, groups.len().saturating_sub(1));
        for (index, group) in groups.into_iter().enumerate() {
            let within = start..start + group.len() as i64;
            start = within.end;
            // Peers at the ends of the piece may be outside of it.
            let all = if index == 0 || index == last { self.view.peers(group[0]) } else { within };
            peers.extend(std::iter::repeat_n(all, group.len()));
        }
        peers
    }
}

impl Stretch<'_> {
    /// The position behind the `count`th row from `position` on for which `value` is not NULL.
    pub(super) fn behind(&self, position: i64, value: &ExprRef, count: i64) -> Result<i64> {
        let mut left = count;
        for (start, values) in self.blocks(position, value, 1) {
            let values = values?;
            for index in (0..values.len()).filter(|index| values.is_valid(*index)) {
                left -= 1;
                if left <= 0 {
                    return Ok(start + index as i64 + 1);
                }
            }
        }
        Ok(self.partition.end)
    }

    /// The position of the `count`th row before `position`, counted backwards, for which `value` is not NULL.
    pub(super) fn before(&self, position: i64, value: &ExprRef, count: i64) -> Result<i64> {
        let mut left = count;
        for (start, values) in self.blocks(position, value, -1) {
            let values = values?;
            for index in (0..values.len()).rev().filter(|index| values.is_valid(*index)) {
                left -= 1;
                if left <= 0 {
                    return Ok(start + index as i64);
                }
            }
        }
        Ok(self.partition.start)
    }

    /// Values from a position on, forward or backward, in blocks that grow, each with its first position.
    fn blocks<'b>(&'b self, position: i64, value: &'b ExprRef, step: i64) -> impl Iterator<Item = (i64, Result<ArrayRef>)> + 'b {
        let (mut at, mut size) = (position, 16);
        std::iter::from_fn(move || {
            let block =
                if step > 0 { at..(at + size).min(self.partition.end) } else { (at - size).max(self.partition.start)..at };
            if block.start >= block.end {
                return None;
            }
            at = if step > 0 { block.end } else { block.start };
            size = (size * 2).min(BATCH_ROWS_MAX as i64);
            Some((block.start, values_at(&self.view, block, value)))
        })
    }
}

/// The values of `value` at some positions.
pub(super) fn values_at(view: &OrderedView<'_>, positions: Range<i64>, value: &ExprRef) -> Result<ArrayRef> {
    value.evaluate(&view.gather(&one_by_one(view, positions)?)?)
}

/// The rows at some positions, each copy for itself.
pub(super) fn one_by_one(view: &OrderedView<'_>, positions: Range<i64>) -> Result<Vec<RowId>> {
    if positions.end - positions.start > REPLAY_ROWS_MAX {
        return Err(Error::new(Code::LimitReached, format!("more than {REPLAY_ROWS_MAX} rows in one OVER")));
    }
    let rows = view.scan(positions).into_iter();
    Ok(rows.flat_map(|row| std::iter::repeat_n(row.row_id, row.copies as usize)).collect())
}
