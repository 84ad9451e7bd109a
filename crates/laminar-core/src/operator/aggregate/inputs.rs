//! The arguments of aggregate calls over one batch: evaluated once, FILTER applied first.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow_schema::DataType;
use arrow_select::take::take;

use super::AggregateCall;
use crate::changelog::take_rows;
use crate::expr::ExprRef;
use crate::{Error, Result};

/// What each call takes from a batch.
#[derive(Debug, Clone, Default)]
pub struct CallInputs {
    rows: usize,
    calls: Vec<CallInput>,
}

/// The arguments of one call.
#[derive(Debug, Clone, Default)]
pub(super) struct CallInput {
    /// The rows that pass the FILTER; `None`: all.
    pub(super) selected: Option<UInt32Array>,
    /// The arguments for those rows.
    pub(super) args: Vec<ArrayRef>,
}

impl CallInputs {
    /// Evaluates FILTER conditions, and the arguments for the rows that pass.
    pub fn evaluate(calls: &[AggregateCall], rows: &RecordBatch) -> Result<Self> {
        let mut inputs = Self::default();
        inputs.renew(calls, rows)?;
        Ok(inputs)
    }

    /// Replaces these inputs by those from another batch, in the same memory.
    pub(super) fn renew(&mut self, calls: &[AggregateCall], rows: &RecordBatch) -> Result<()> {
        self.rows = rows.num_rows();
        self.calls.resize_with(calls.len(), CallInput::default);
        self.calls.iter_mut().zip(calls).try_for_each(|(input, call)| input.renew(call, rows))
    }

    /// Lets go of all columns.
    pub(super) fn clear(&mut self) {
        for input in &mut self.calls {
            input.args.clear();
            input.selected = None;
        }
    }

    /// The inputs for the rows at `rows`, in that order; a row may be taken several times.
    pub fn take(&self, rows: &UInt32Array) -> Result<Self> {
        let calls = self.calls.iter().map(|call| call.take(rows, self.rows)).collect::<Result<_>>()?;
        Ok(Self { rows: rows.len(), calls })
    }

    /// What the only call takes: the rows that pass its FILTER (`None`: all), and the arguments for those.
    pub(crate) fn into_only(mut self) -> (Option<UInt32Array>, Vec<ArrayRef>) {
        debug_assert_eq!(self.calls.len(), 1, "inputs of one call");
        let only = self.calls.pop().unwrap_or_default();
        (only.selected, only.args)
    }

    /// How many rows the batch had.
    pub fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn calls(&self) -> &[CallInput] {
        &self.calls
    }
}

impl CallInput {
    fn renew(&mut self, call: &AggregateCall, rows: &RecordBatch) -> Result<()> {
        self.args.clear();
        let Some(filter) = &call.filter else { return self.evaluate_args(&call.args, rows) };
        // The arguments are evaluated behind the FILTER, which may be there to keep a division by zero away from them.
        let selected = passing(&filter.evaluate(rows)?)?;
        self.evaluate_args(&call.args, &take_rows(rows, &selected)?)?;
        self.selected = Some(selected);
        Ok(())
    }

    fn evaluate_args(&mut self, args: &[ExprRef], rows: &RecordBatch) -> Result<()> {
        args.iter().try_for_each(|arg| {
            self.args.push(arg.evaluate(rows)?);
            Ok(())
        })
    }

    fn take(&self, rows: &UInt32Array, rows_before: usize) -> Result<Self> {
        let Some(selected) = &self.selected else {
            return Ok(Self { selected: None, args: take_all(&self.args, rows)? });
        };
        const NOWHERE: u32 = u32::MAX;
        let mut places = vec![NOWHERE; rows_before];
        for (place, row) in (0u32..).zip(selected.values()) {
            places[*row as usize] = place;
        }
        let taken = (0u32..).zip(rows.values()).map(|(to, from)| (to, places[*from as usize]));
        let (selected, places): (Vec<u32>, Vec<u32>) = taken.filter(|(_, place)| *place != NOWHERE).unzip();
        Ok(Self { selected: Some(selected.into()), args: take_all(&self.args, &places.into())? })
    }
}

fn take_all(columns: &[ArrayRef], rows: &UInt32Array) -> Result<Vec<ArrayRef>> {
    columns.iter().map(|column| Ok(take(column, rows, None)?)).collect()
}

/// The numbers of the rows for which a FILTER is true.
pub(super) fn passing(filter: &ArrayRef) -> Result<UInt32Array> {
    if filter.data_type() == &DataType::Null {
        return Ok(UInt32Array::from(Vec::<u32>::new()));
    }
    let filter: &BooleanArray = filter.as_boolean_opt().ok_or_else(|| Error::internal("FILTER is not a condition"))?;
    Ok((0u32..).zip(filter).filter(|(_, keep)| *keep == Some(true)).map(|(row, _)| row).collect::<Vec<_>>().into())
}
