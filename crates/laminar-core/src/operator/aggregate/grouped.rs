//! The first thing that every GROUP BY does with a batch: evaluate keys and arguments, and reject the rows where that fails.

use arrow_array::{ArrayRef, UInt32Array};

use super::AggregateCall;
use super::inputs::{CallInputs, passing};
use crate::changelog::take_rows;
use crate::expr::{BadRow, ExprRef, evaluate_all_isolating, evaluate_isolating};
use crate::operator::{OperatorContext, RejectReason, RejectedRows};
use crate::{ChangeBatch, Result};

/// A batch ready for a [`GroupTable`](super::GroupTable).
#[derive(Debug, Clone)]
pub struct Grouped {
    /// The rows that could be evaluated.
    pub changes: ChangeBatch,
    /// Their keys, one column a key.
    pub keys: Vec<ArrayRef>,
    /// Their arguments.
    pub inputs: CallInputs,
}

/// Memory of a [`Grouped`] for the next batch.
#[derive(Debug, Default)]
pub struct GroupedMemory {
    keys: Vec<ArrayRef>,
    inputs: CallInputs,
}

impl Grouped {
    /// Evaluates `keys` and the arguments of `calls`. A row for which any of them fails takes part in nothing and is
    /// rejected; its retraction is not reported again.
    pub fn evaluate(
        keys: &[ExprRef],
        calls: &[AggregateCall],
        changes: ChangeBatch,
        cx: &mut OperatorContext<'_>,
    ) -> Result<Self> {
        Self::evaluate_in(GroupedMemory::default(), keys, calls, changes, cx)
    }

    /// The same, in memory that was [used before](Self::into_memory).
    pub fn evaluate_in(
        mut memory: GroupedMemory,
        keys: &[ExprRef],
        calls: &[AggregateCall],
        changes: ChangeBatch,
        cx: &mut OperatorContext<'_>,
    ) -> Result<Self> {
        if memory.evaluate(keys, calls, &changes).is_ok() {
            return Ok(memory.with(changes));
        }
        let bad = bad_rows(keys, calls, &changes)?;
        reject(&changes, &bad, cx)?;
        let mut good = vec![true; changes.len()];
        bad.iter().for_each(|bad| good[bad.row] = false);
        let changes = changes.filter(&good.into())?;
        memory.evaluate(keys, calls, &changes)?;
        Ok(memory.with(changes))
    }

    /// Lets go of the batch and keeps the memory.
    pub fn into_memory(self) -> GroupedMemory {
        let Self { mut keys, mut inputs, .. } = self;
        keys.clear();
        inputs.clear();
        GroupedMemory { keys, inputs }
    }
}

impl GroupedMemory {
    fn evaluate(&mut self, keys: &[ExprRef], calls: &[AggregateCall], changes: &ChangeBatch) -> Result<()> {
        self.keys.clear();
        for key in keys {
            self.keys.push(key.evaluate(changes.rows())?);
        }
        self.inputs.renew(calls, changes.rows())
    }

    fn with(self, changes: ChangeBatch) -> Grouped {
        Grouped { changes, keys: self.keys, inputs: self.inputs }
    }
}

/// The rows for which a key, a FILTER or an argument behind a FILTER cannot be evaluated, ascending.
fn bad_rows(keys: &[ExprRef], calls: &[AggregateCall], changes: &ChangeBatch) -> Result<Vec<BadRow>> {
    let rows = changes.rows();
    let mut bad = evaluate_all_isolating(keys, rows)?.bad;
    for call in calls {
        let Some(filter) = &call.filter else {
            bad.extend(evaluate_all_isolating(&call.args, rows)?.bad);
            continue;
        };
        let (passed, failed) = evaluate_isolating(filter.as_ref(), rows)?;
        bad.extend(failed);
        let passed = passing(&passed)?;
        let behind = evaluate_all_isolating(&call.args, &take_rows(rows, &passed)?)?.bad;
        bad.extend(behind.into_iter().map(|bad| BadRow { row: passed.value(bad.row) as usize, ..bad }));
    }
    // The sort is stable: the reason that stays is the first in the order of evaluation.
    bad.sort_by_key(|bad| bad.row);
    bad.dedup_by_key(|bad| bad.row);
    Ok(bad)
}

fn reject(changes: &ChangeBatch, bad: &[BadRow], cx: &mut OperatorContext<'_>) -> Result<()> {
    let inserted = bad.iter().filter(|bad| changes.weight(bad.row) > 0);
    let (rows, reasons): (Vec<u32>, Vec<String>) = inserted.map(|bad| (bad.row as u32, bad.reason.clone())).unzip();
    let rows = take_rows(changes.rows(), &UInt32Array::from(rows))?;
    cx.reject(RejectedRows { reason: RejectReason::Error, rows, reasons });
    Ok(())
}
