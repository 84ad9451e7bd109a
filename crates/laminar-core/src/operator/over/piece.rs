//! Pieces of partitions for which results are computed at once: their rows one by one, their peers, and what follows from positions alone.
//!
//! Many small partitions are worked off together, since a call of a kernel costs as much as a hundred rows.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch};
use arrow_cast::cast;

use crate::expr::ExprRef;
use crate::graph::{OverCall, OverFunction};
use crate::limits::{BATCH_ROWS_MAX, REPLAY_ROWS_MAX};
use crate::state::{OrderedArrangement, OrderedView, RowId};
use crate::{Code, Error, Result};

/// Some rows of one or more partitions.
pub(super) struct Pieces<'a> {
    stored: &'a OrderedArrangement,
    pub(super) pieces: Vec<Piece<'a>>,
    /// The rows of all pieces, each copy for itself.
    row_ids: Vec<RowId>,
    rows: OnceCell<RecordBatch>,
    peers: OnceCell<Vec<Range<i64>>>,
}

/// Some positions of a partition.
#[derive(Debug, Clone)]
pub(super) struct Piece<'a> {
    /// Its partition.
    pub(super) view: OrderedView<'a>,
    /// All positions of the partition.
    pub(super) partition: Range<i64>,
    pub(super) positions: Range<i64>,
    /// Its rows among those of all pieces.
    pub(super) rows: Range<usize>,
}

/// Values at some positions for each piece.
pub(super) struct Hulls {
    pub(super) values: ArrayRef,
    /// For each piece the first position, and the index of its value.
    firsts: Vec<(i64, usize)>,
}

/// A partition in which rows are looked for from a position on.
pub(super) struct Stretch<'a> {
    pub(super) view: OrderedView<'a>,
}

impl<'a> Pieces<'a> {
    /// The pieces at some positions, each of a partition of `stored`.
    pub(super) fn new(stored: &'a OrderedArrangement, positions: Vec<(OrderedView<'a>, Range<i64>)>) -> Result<Self> {
        let (mut pieces, mut row_ids) = (Vec::with_capacity(positions.len()), Vec::new());
        for (view, positions) in positions {
            let first = row_ids.len();
            one_by_one(view, positions.clone(), &mut row_ids)?;
            pieces.push(Piece { view, partition: view.positions(), positions, rows: first..row_ids.len() });
        }
        Ok(Self { stored, pieces, row_ids, rows: OnceCell::new(), peers: OnceCell::new() })
    }

    /// Rows of all pieces.
    pub(super) fn len(&self) -> usize {
        self.row_ids.len()
    }

    /// The rows of the input, one for each position of each piece.
    pub(super) fn rows(&self) -> Result<&RecordBatch> {
        if let Some(rows) = self.rows.get() {
            return Ok(rows);
        }
        let rows = self.gather(&self.row_ids)?;
        Ok(self.rows.get_or_init(|| rows))
    }

    /// The row at each position of each piece.
    pub(super) fn into_row_ids(self) -> Vec<RowId> {
        self.row_ids
    }

    /// The results of a call. What cannot be computed is NULL, and `faults` says why.
    pub(super) fn results(&self, call: &OverCall, faults: &mut [Option<String>]) -> Result<ArrayRef> {
        let results = match &call.function {
            OverFunction::RowNumber => self.by_position(|_, position| position + 1),
            OverFunction::Rank => self.ranks(),
            OverFunction::DenseRank => self.dense_ranks(),
            OverFunction::PercentRank => self.fraction(|peers, rows| (peers.start, rows - 1)),
            OverFunction::CumeDist => self.fraction(|peers, rows| (peers.end, rows)),
            OverFunction::Ntile(parts) => self.by_position(|piece, position| piece.part(position, *parts)),
            OverFunction::Shifted { value, offset, default, ignore_nulls } => {
                self.shifted(value, *offset, default.as_ref(), *ignore_nulls)?
            }
            OverFunction::Picked { value, pick, ignore_nulls, frame } => self.picked(value, *pick, *ignore_nulls, frame)?,
            OverFunction::Aggregate { call, frame } => self.aggregates(call, frame, faults)?,
        };
        Ok(if results.data_type() == &call.data_type { results } else { cast(&results, &call.data_type)? })
    }

    /// Every piece with the peers of each of its rows.
    fn with_peers(&self) -> impl Iterator<Item = (&Piece<'a>, &[Range<i64>])> {
        self.pieces.iter().map(|piece| (piece, self.peers_of(piece)))
    }

    fn by_position(&self, of: impl Fn(&Piece<'_>, i64) -> i64) -> ArrayRef {
        let mut values = Vec::with_capacity(self.len());
        for piece in &self.pieces {
            values.extend(piece.positions.clone().map(|position| of(piece, position)));
        }
        Arc::new(Int64Array::from(values))
    }

    fn ranks(&self) -> ArrayRef {
        let ranks = self.with_peers().flat_map(|(_, peers)| peers.iter().map(|peers| peers.start + 1));
        Arc::new(Int64Array::from_iter_values(ranks))
    }

    /// The quotient of two numbers, of which the first is counted from the partition's start; 0 / 0 is 0.
    fn fraction(&self, of: impl Fn(&Range<i64>, i64) -> (i64, i64)) -> ArrayRef {
        let values = self.with_peers().flat_map(|(piece, peers)| {
            let (of, first, rows) = (&of, piece.partition.start, piece.partition.end - piece.partition.start);
            peers.iter().map(move |peers| match of(peers, rows) {
                (_, 0) => 0.0,
                (part, all) => (part - first) as f64 / all as f64,
            })
        });
        Arc::new(Float64Array::from_iter_values(values))
    }

    fn dense_ranks(&self) -> ArrayRef {
        let mut ranks: Vec<i64> = Vec::with_capacity(self.len());
        for (piece, peers) in self.with_peers() {
            let first = peers.first().map_or(piece.partition.start, |peers| peers.start);
            let before = piece.view.scan(piece.partition.start..first);
            let mut rank = before.chunk_by(|a, b| piece.view.are_peers(a.row_id, b.row_id)).count() as i64;
            let mut last = None;
            ranks.extend(peers.iter().map(|peers| {
                rank += i64::from(last != Some(peers.start));
                last = Some(peers.start);
                rank
            }));
        }
        Arc::new(Int64Array::from(ranks))
    }

    /// The positions of the peers of each row of a piece.
    pub(super) fn peers_of(&self, piece: &Piece<'_>) -> &[Range<i64>] {
        let peers = self.peers.get_or_init(|| {
            let mut peers = Vec::with_capacity(self.len());
            self.pieces.iter().for_each(|piece| self.find_peers(piece, &mut peers));
            peers
        });
        &peers[piece.rows.clone()]
    }

    fn find_peers(&self, piece: &Piece<'_>, peers: &mut Vec<Range<i64>>) {
        let row_ids = &self.row_ids[piece.rows.clone()];
        let mut groups = row_ids.chunk_by(|a, b| piece.view.are_peers(*a, *b)).peekable();
        let mut start = piece.positions.start;
        while let Some(group) = groups.next() {
            let within = start..start + group.len() as i64;
            // Peers at the ends of the piece may be outside of it.
            let is_first = start == piece.positions.start && start > piece.partition.start;
            let is_last = groups.peek().is_none() && within.end < piece.partition.end;
            start = within.end;
            let all = if is_first || is_last { piece.view.peers(group[0]) } else { within };
            peers.extend(std::iter::repeat_n(all, group.len()));
        }
    }

    pub(super) fn gather(&self, row_ids: &[RowId]) -> Result<RecordBatch> {
        self.stored.gather(row_ids)
    }

    /// The values of `value` at some positions for each piece.
    pub(super) fn values_at(&self, value: &ExprRef, positions: &[Range<i64>]) -> Result<Hulls> {
        let (row_ids, firsts) = self.row_ids_at(positions)?;
        Ok(Hulls { values: self.values_of(value, &row_ids)?, firsts })
    }

    /// The values of `value` in some rows.
    pub(super) fn values_of(&self, value: &ExprRef, row_ids: &[RowId]) -> Result<ArrayRef> {
        match value.as_column() {
            Some(column) => self.stored.gather_column(row_ids, column),
            None => value.evaluate(&self.gather(row_ids)?),
        }
    }

    /// The rows at some positions for each piece; and of each piece the first position, and the index of its row.
    pub(super) fn row_ids_at(&self, positions: &[Range<i64>]) -> Result<(Cow<'_, [RowId]>, Vec<(i64, usize)>)> {
        if self.pieces.iter().zip(positions).all(|(piece, positions)| piece.positions == *positions) {
            let firsts = self.pieces.iter().map(|piece| (piece.positions.start, piece.rows.start)).collect();
            return Ok((Cow::Borrowed(&self.row_ids), firsts));
        }
        let (mut row_ids, mut firsts) = (Vec::new(), Vec::with_capacity(positions.len()));
        for (piece, positions) in self.pieces.iter().zip(positions) {
            firsts.push((positions.start, row_ids.len()));
            one_by_one(piece.view, positions.clone(), &mut row_ids)?;
        }
        Ok((Cow::Owned(row_ids), firsts))
    }
}

impl Hulls {
    /// The index of the value at a position of the piece with this number; `len` positions were asked for.
    pub(super) fn index(&self, piece: usize, position: i64) -> Option<usize> {
        let (first, index) = self.firsts[piece];
        let end = self.firsts.get(piece + 1).map_or(self.values.len(), |(_, index)| *index);
        let found = index.checked_add(usize::try_from(position - first).ok()?)?;
        (found < end).then_some(found)
    }

    /// The positions of the values of a piece that are not NULL.
    pub(super) fn valid(&self, piece: usize) -> Vec<i64> {
        let (first, index) = self.firsts[piece];
        let end = self.firsts.get(piece + 1).map_or(self.values.len(), |(_, index)| *index);
        let nulls = self.values.logical_nulls();
        let is_valid = |at: &usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(*at));
        (index..end).filter(is_valid).map(|at| first + (at - index) as i64).collect()
    }
}

impl Piece<'_> {
    /// Of `parts` parts of a partition, of which the first ones have one row more, the one with this position.
    fn part(&self, position: i64, parts: i64) -> i64 {
        let (index, rows) = (position - self.partition.start, self.partition.end - self.partition.start);
        let (size, larger) = (rows / parts, rows % parts);
        match index - larger * (size + 1) {
            within if within < 0 => index / (size + 1) + 1,
            within => larger + within / size + 1,
        }
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
        Ok(self.view.total())
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
        Ok(0)
    }

    /// Values from a position on, forward or backward, in blocks that grow, each with its first position.
    fn blocks<'b>(&'b self, position: i64, value: &'b ExprRef, step: i64) -> impl Iterator<Item = (i64, Result<ArrayRef>)> + 'b {
        let (mut at, mut size) = (position, 16);
        std::iter::from_fn(move || {
            let block = if step > 0 { at..(at + size).min(self.view.total()) } else { (at - size).max(0)..at };
            if block.start >= block.end {
                return None;
            }
            at = if step > 0 { block.end } else { block.start };
            size = (size * 2).min(BATCH_ROWS_MAX as i64);
            Some((block.start, values_at(self.view, block, value)))
        })
    }
}

/// The values of `value` at some positions.
pub(super) fn values_at(view: OrderedView<'_>, positions: Range<i64>, value: &ExprRef) -> Result<ArrayRef> {
    let mut row_ids = Vec::new();
    one_by_one(view, positions, &mut row_ids)?;
    value.evaluate(&view.gather(&row_ids)?)
}

/// Adds the rows at some positions, each copy for itself.
fn one_by_one(view: OrderedView<'_>, positions: Range<i64>, row_ids: &mut Vec<RowId>) -> Result<()> {
    if positions.end - positions.start > REPLAY_ROWS_MAX - row_ids.len() as i64 {
        return Err(Error::new(Code::LimitReached, format!("more than {REPLAY_ROWS_MAX} rows in one OVER")));
    }
    view.each(positions, |row| match row.copies {
        1 => row_ids.push(row.row_id),
        copies => row_ids.extend(std::iter::repeat_n(row.row_id, copies as usize)),
    });
    Ok(())
}
