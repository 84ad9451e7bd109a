//! The first thing that every GROUP BY does with a batch: evaluate keys and arguments, and put aside the rows where that fails.

use arrow_array::{ArrayRef, UInt32Array};
use arrow_select::take::take_record_batch;

use super::AggregateCall;
use super::inputs::{CallInputs, passing};
use crate::expr::{BadRow, ExprRef, evaluate_all, evaluate_all_isolating, evaluate_isolating};
use crate::operator::{Aside, AsideRows, OperatorContext};
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

impl Grouped {
    /// Evaluates `keys` and the arguments of `calls`. A row for which any of them fails takes part in nothing and is put
    /// aside; its retraction is not reported again.
    pub fn evaluate(
        keys: &[ExprRef],
        calls: &[AggregateCall],
        changes: ChangeBatch,
        cx: &mut OperatorContext<'_>,
    ) -> Result<Self> {
        if let Ok((keys, inputs)) = try_evaluate(keys, calls, &changes) {
            return Ok(Self { changes, keys, inputs });
        }
        let bad = bad_rows(keys, calls, &changes)?;
        put_aside(&changes, &bad, cx)?;
        let mut good = vec![true; changes.len()];
        bad.iter().for_each(|bad| good[bad.row] = false);
        let changes = changes.filter(&good.into())?;
        let (keys, inputs) = try_evaluate(keys, calls, &changes)?;
        Ok(Self { changes, keys, inputs })
    }
}

fn try_evaluate(keys: &[ExprRef], calls: &[AggregateCall], changes: &ChangeBatch) -> Result<(Vec<ArrayRef>, CallInputs)> {
    Ok((evaluate_all(keys, changes.rows())?, CallInputs::evaluate(calls, changes.rows())?))
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
        let behind = evaluate_all_isolating(&call.args, &take_record_batch(rows, &passed)?)?.bad;
        bad.extend(behind.into_iter().map(|bad| BadRow { row: passed.value(bad.row) as usize, ..bad }));
    }
    // The sort is stable: the reason that stays is the first in the order of evaluation.
    bad.sort_by_key(|bad| bad.row);
    bad.dedup_by_key(|bad| bad.row);
    Ok(bad)
}

fn put_aside(changes: &ChangeBatch, bad: &[BadRow], cx: &mut OperatorContext<'_>) -> Result<()> {
    let inserted = bad.iter().filter(|bad| changes.weight(bad.row) > 0);
    let (rows, reasons): (Vec<u32>, Vec<String>) = inserted.map(|bad| (bad.row as u32, bad.reason.clone())).unzip();
    let rows = take_record_batch(changes.rows(), &UInt32Array::from(rows))?;
    cx.put_aside(AsideRows { kind: Aside::Error, rows, reasons });
    Ok(())
}
