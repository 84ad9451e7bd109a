//! Aggregates over frames: small frames all at once, large ones by what enters and leaves from row to row.

use std::ops::Range;

use arrow_array::{Array, ArrayRef, UInt32Array, new_empty_array};
use arrow_select::concat::concat;
use arrow_select::take::take;

use super::piece::Pieces;
use super::values::hull;
use crate::Result;
use crate::changelog::Weights;
use crate::expr::aggregate::{AggregateCall, Fault, GroupAccumulator};
use crate::graph::Frame;
use crate::operator::aggregate::CallInputs;

/// Rows that all frames together have at most, for each row that they have at all, if they are worked off at once.
const FRAME_ROWS_AT_ONCE: usize = 16;

/// What a call takes from the rows of all frames, numbered from 0.
struct Inputs {
    /// Which rows count; `None`: all.
    selected: Option<UInt32Array>,
    args: Vec<ArrayRef>,
}

impl Pieces<'_> {
    /// The aggregate of each row's frame.
    pub(super) fn aggregates(&self, call: &AggregateCall, frame: &Frame, faults: &mut [Option<String>]) -> Result<ArrayRef> {
        let frames = self.frames(frame)?;
        let hulls: Vec<Range<i64>> = self.pieces.iter().map(|piece| hull(&frames[piece.rows.clone()])).collect();
        let (rows, firsts) = self.rows_at(&hulls)?;
        let inputs = Inputs::of(CallInputs::evaluate(std::slice::from_ref(call), &rows)?);
        let mut taken: Vec<Range<usize>> = Vec::with_capacity(frames.len());
        for (piece, (first, index)) in self.pieces.iter().zip(firsts) {
            taken.extend(frames[piece.rows.clone()].iter().map(|frame| inputs.within(frame, first, index)));
        }
        let mut found = Vec::new();
        let rows_of_all: usize = taken.iter().map(Range::len).sum();
        let results = if rows_of_all <= FRAME_ROWS_AT_ONCE * (taken.len() + rows.num_rows()) {
            at_once(call, &inputs, &taken, &mut found)?
        } else {
            row_by_row(call, &inputs, &taken, &mut found)?
        };
        found.into_iter().for_each(|fault| faults[fault.position] = Some(fault.reason));
        Ok(results)
    }
}

impl Inputs {
    fn of(inputs: CallInputs) -> Self {
        let (selected, args) = inputs.into_only();
        Self { selected, args }
    }

    /// Which of the rows that count are within a frame; the row at position `first` has this index.
    fn within(&self, frame: &Range<i64>, first: i64, index: usize) -> Range<usize> {
        if frame.is_empty() {
            return 0..0;
        }
        let (start, end) = (index + (frame.start - first) as usize, index + (frame.end - first) as usize);
        match &self.selected {
            None => start..end,
            Some(selected) => {
                let index = |row: usize| selected.values().partition_point(|selected| (*selected as usize) < row);
                index(start)..index(end)
            }
        }
    }

    fn slice(&self, rows: &Range<usize>) -> Vec<ArrayRef> {
        self.args.iter().map(|arg| arg.slice(rows.start, rows.len())).collect()
    }
}

/// Each frame is a group.
fn at_once(call: &AggregateCall, inputs: &Inputs, frames: &[Range<usize>], faults: &mut Vec<Fault>) -> Result<ArrayRef> {
    let mut groups = call.function.accumulator(false)?;
    groups.resize(frames.len());
    let rows: UInt32Array = frames.iter().flat_map(|frame| frame.start as u32..frame.end as u32).collect::<Vec<_>>().into();
    let of_rows = (0_u32..).zip(frames).flat_map(|(group, frame)| std::iter::repeat_n(group, frame.len()));
    let args = inputs.args.iter().map(|arg| Ok(take(arg, &rows, None)?)).collect::<Result<Vec<_>>>()?;
    groups.update(&args, &Weights::Ones, &of_rows.collect::<Vec<_>>())?;
    groups.results(&(0..frames.len() as u32).collect::<Vec<_>>(), faults)
}

/// One group, which becomes each frame in turn.
fn row_by_row(call: &AggregateCall, inputs: &Inputs, frames: &[Range<usize>], faults: &mut Vec<Fault>) -> Result<ArrayRef> {
    let starts_move = frames.windows(2).any(|pair| pair[0].start != pair[1].start && !pair[0].is_empty());
    let mut group = Sliding { group: call.function.accumulator(starts_move)?, inputs, held: 0..0 };
    group.group.resize(1);
    let mut results: Vec<ArrayRef> = Vec::with_capacity(frames.len());
    for (position, frame) in frames.iter().enumerate() {
        if position > 0 && frames[position - 1] == *frame && faults.last().is_none_or(|fault| fault.position + 1 != position) {
            results.push(results[position - 1].clone());
            continue;
        }
        group.become_frame(frame)?;
        let mut found = Vec::new();
        results.push(group.group.results(&[0], &mut found)?);
        faults.extend(found.into_iter().map(|fault| Fault { position, ..fault }));
    }
    if results.is_empty() {
        return Ok(new_empty_array(call.function.return_type()));
    }
    Ok(concat(&results.iter().map(AsRef::as_ref).collect::<Vec<_>>())?)
}

struct Sliding<'a> {
    group: Box<dyn GroupAccumulator>,
    inputs: &'a Inputs,
    held: Range<usize>,
}

impl Sliding<'_> {
    fn become_frame(&mut self, frame: &Range<usize>) -> Result<()> {
        let held = std::mem::replace(&mut self.held, frame.clone());
        let goes_on = !held.is_empty() && held.start <= frame.start && held.end <= frame.end && frame.start < held.end;
        if !goes_on {
            self.group.clear(&[0]);
            return self.add(frame, 1);
        }
        self.add(&(held.start..frame.start), -1)?;
        self.add(&(held.end..frame.end), 1)
    }

    fn add(&mut self, rows: &Range<usize>, weight: i64) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let weights = if weight == 1 { Weights::Ones } else { Weights::Each(vec![weight; rows.len()].into()) };
        self.group.update(&self.inputs.slice(rows), &weights, &vec![0; rows.len()])
    }
}
