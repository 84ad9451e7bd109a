//! Makes the output rows of a join out of changes and the rows that they meet, in batches of bounded size.

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::{DataType, SchemaRef};
use arrow_select::take::take_arrays;

use super::side::{KeyedChanges, Side, reject_errors};
use crate::expr::{ExprRef, evaluate_isolating};
use crate::limits::BATCH_ROWS_MAX;
use crate::operator::OperatorContext;
use crate::state::{Matches, ProbeCursor};
use crate::{ChangeBatch, Code, Error, Port, Result};

/// How pairs become output rows.
#[derive(Debug)]
pub(super) struct Pairs {
    output: SchemaRef,
    residual: Option<ExprRef>,
}

impl Pairs {
    pub(super) fn new(output: SchemaRef, residual: Option<ExprRef>) -> Self {
        Self { output, residual }
    }

    /// Emits the pairs of changes on `port` with the rows of the other side.
    pub(super) fn emit(&self, port: Port, keyed: &KeyedChanges, other: &Side, cx: &mut OperatorContext<'_>) -> Result<()> {
        let mut cursor = ProbeCursor::default();
        let mut outlet = Outlet { schema: &self.output, waiting: Vec::new(), rows: 0 };
        while let Some(matches) = other.arrangement().probe(&keyed.keys, &keyed.hashes, &mut cursor, BATCH_ROWS_MAX)? {
            let pairs = self.pair(port, keyed, other, &matches)?;
            outlet.send(self.meet_residual(pairs, cx)?, cx)?;
        }
        outlet.flush(cx)
    }

    fn pair(&self, port: Port, keyed: &KeyedChanges, other: &Side, matches: &Matches) -> Result<ChangeBatch> {
        let width = self.output.fields().len() - other.width();
        let asking = take_columns(&keyed.changes.rows().columns()[..width], &matches.rows)?;
        let stored = other.arrangement().gather(&matches.row_ids, other.width())?;
        let (left, right) = if port == Port::LEFT { (asking, stored) } else { (stored, asking) };
        let columns = left.into_iter().chain(right).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(matches.rows.len()));
        let rows = RecordBatch::try_new_with_options(self.output.clone(), columns, &options)?;
        Ok(ChangeBatch::new(rows, weights(keyed, other, matches)?))
    }

    /// The pairs for which the residual condition is true. A pair for which it cannot be evaluated is rejected.
    fn meet_residual(&self, pairs: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<ChangeBatch> {
        let Some(residual) = &self.residual else { return Ok(pairs) };
        let (met, bad) = evaluate_isolating(residual.as_ref(), pairs.rows())?;
        reject_errors(&pairs, bad.into_iter().map(|bad| (bad.row, bad.reason)), cx)?;
        match met.data_type() {
            DataType::Boolean => pairs.filter(met.as_boolean()),
            // A condition that is the literal NULL.
            DataType::Null => Ok(ChangeBatch::empty(self.output.clone())),
            other => Err(Error::internal(format!("a residual condition of type {other}"))),
        }
    }
}

fn weights(keyed: &KeyedChanges, other: &Side, matches: &Matches) -> Result<Vec<i64>> {
    let pairs = matches.rows.iter().zip(&matches.row_ids);
    let product = |(row, row_id): (&u32, &u32)| {
        let (a, b) = (keyed.changes.weight(*row as usize), other.arrangement().weight(*row_id));
        a.checked_mul(b).ok_or_else(|| Error::new(Code::LimitReached, "a row occurs more than 2^63 times"))
    };
    pairs.map(product).collect()
}

/// The columns at `rows`, which are shared if those are simply all rows (each row met one other).
fn take_columns(columns: &[ArrayRef], rows: &[u32]) -> Result<Vec<ArrayRef>> {
    let all = columns.first().is_some_and(|column| column.len() == rows.len());
    if all && rows.iter().enumerate().all(|(place, row)| place == *row as usize) {
        return Ok(columns.to_vec());
    }
    Ok(take_arrays(columns, &UInt32Array::from(rows.to_vec()), None)?)
}

/// Collects what residual conditions have left over, so that readers do not get a batch for every few rows.
struct Outlet<'a> {
    schema: &'a SchemaRef,
    waiting: Vec<ChangeBatch>,
    rows: usize,
}

impl Outlet<'_> {
    fn send(&mut self, pairs: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        if self.rows + pairs.len() > BATCH_ROWS_MAX {
            self.flush(cx)?;
        }
        self.rows += pairs.len();
        if !pairs.is_empty() {
            self.waiting.push(pairs);
        }
        Ok(())
    }

    fn flush(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        if !self.waiting.is_empty() {
            cx.emit(ChangeBatch::concat(self.schema, &self.waiting)?);
            self.waiting.clear();
            self.rows = 0;
        }
        Ok(())
    }
}
