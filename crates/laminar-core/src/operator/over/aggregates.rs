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
use crate::state::RowId;

/// Rows that all frames together have at most, for each row that they have at all, if they are worked off at once.
const FRAME_ROWS_AT_ONCE: usize = 16;

/// What a call takes from the rows of all frames, numbered from 0.
struct Inputs {
    /// Which rows count; `None`: all.
    selected: Option<UInt32Array>,
    args: Vec<ArrayRef>,
}

/// Which of these a row sees.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Taken {
    frame: Range<usize>,
    /// What it does not see of them.
    excluded: Option<[Range<usize>; 2]>,
}

impl Pieces<'_> {
    /// The aggregate of each row's frame.
    pub(super) fn aggregates(&self, call: &AggregateCall, frame: &Frame, faults: &mut [Option<String>]) -> Result<ArrayRef> {
        let frames = self.frames(frame)?;
        let hulls: Vec<Range<i64>> = self.pieces.iter().map(|piece| hull(&frames[piece.rows.clone()])).collect();
        let (row_ids, firsts) = self.row_ids_at(&hulls)?;
        let inputs = self.inputs(call, &row_ids)?;
        let excluded = self.excluded(frame, &frames);
        let mut taken: Vec<Taken> = Vec::with_capacity(frames.len());
        for (piece, (first, index)) in self.pieces.iter().zip(firsts) {
            taken.extend(piece.rows.clone().map(|row| {
                let within = |frame: &Range<i64>| inputs.within(frame, first, index);
                Taken { frame: within(&frames[row]), excluded: excluded.get(row).map(|parts| parts.each_ref().map(within)) }
            }));
        }
        let mut found = Vec::new();
        let rows_of_all: usize = taken.iter().map(|taken| taken.frame.len()).sum();
        let results = if rows_of_all <= FRAME_ROWS_AT_ONCE * (taken.len() + row_ids.len()) {
            at_once(call, &inputs, &taken, &mut found)?
        } else {
            row_by_row(call, &inputs, &taken, &mut found)?
        };
        found.into_iter().for_each(|fault| faults[fault.position] = Some(fault.reason));
        Ok(results)
    }
}

impl Pieces<'_> {
    fn inputs(&self, call: &AggregateCall, row_ids: &[RowId]) -> Result<Inputs> {
        // Most calls have columns as they are, and of these no other ones are gathered.
        if call.filter.is_none() && !call.args.is_empty() && call.args.iter().all(|arg| arg.as_column().is_some()) {
            let args = call.args.iter().map(|arg| self.values_of(arg, row_ids)).collect::<Result<_>>()?;
            return Ok(Inputs { selected: None, args });
        }
        Ok(Inputs::of(CallInputs::evaluate(std::slice::from_ref(call), &self.gather(row_ids)?)?))
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

impl Taken {
    /// The rows that are seen.
    fn rows(&self) -> impl Iterator<Item = u32> {
        let excluded = self.excluded.clone();
        let is_seen = move |row: &usize| !excluded.iter().flatten().any(|part| part.contains(row));
        self.frame.clone().filter(is_seen).map(|row| row as u32)
    }
}

/// Each frame is a group.
fn at_once(call: &AggregateCall, inputs: &Inputs, frames: &[Taken], faults: &mut Vec<Fault>) -> Result<ArrayRef> {
    let mut groups = call.function.accumulator(false)?;
    groups.resize(frames.len());
    let (mut rows, mut of_rows) = (Vec::new(), Vec::new());
    for (group, frame) in (0_u32..).zip(frames) {
        rows.extend(frame.rows());
        of_rows.resize(rows.len(), group);
    }
    let rows = UInt32Array::from(rows);
    let args = inputs.args.iter().map(|arg| Ok(take(arg, &rows, None)?)).collect::<Result<Vec<_>>>()?;
    groups.update(&args, &Weights::Ones, &of_rows)?;
    groups.results(&(0..frames.len() as u32).collect::<Vec<_>>(), faults)
}

/// One group, which becomes each frame in turn.
fn row_by_row(call: &AggregateCall, inputs: &Inputs, frames: &[Taken], faults: &mut Vec<Fault>) -> Result<ArrayRef> {
    let moves = |[one, other]: [&Range<usize>; 2]| one.start != other.start && !one.is_empty();
    let starts_move = frames.windows(2).any(|pair| moves([&pair[0].frame, &pair[1].frame]));
    let takes_out = starts_move || frames.iter().any(|frame| frame.excluded.is_some());
    let mut group = Sliding { group: call.function.accumulator(takes_out)?, inputs, held: 0..0 };
    group.group.resize(1);
    let mut results: Vec<ArrayRef> = Vec::with_capacity(frames.len());
    for (position, frame) in frames.iter().enumerate() {
        if position > 0 && frames[position - 1] == *frame && faults.last().is_none_or(|fault| fault.position + 1 != position) {
            results.push(results[position - 1].clone());
            continue;
        }
        group.become_frame(&frame.frame)?;
        let mut found = Vec::new();
        let excluded = frame.excluded.iter().flatten();
        excluded.clone().try_for_each(|rows| group.add(rows, -1))?;
        results.push(group.group.results(&[0], &mut found)?);
        excluded.clone().try_for_each(|rows| group.add(rows, 1))?;
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
