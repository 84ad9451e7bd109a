//! Makes pairs out of changes and the rows that they meet, in batches of bounded size.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_buffer::BooleanBuffer;
use arrow_schema::{DataType, SchemaRef};
use arrow_select::take::take_arrays;

use super::side::{KeyedChanges, Side, reject_errors};
use super::tally::Tally;
use crate::expr::{ExprRef, evaluate_isolating};
use crate::limits::BATCH_ROWS_MAX;
use crate::operator::OperatorContext;
use crate::state::{Matches, ProbeCursor, Within};
use crate::{ChangeBatch, Code, Error, Port, Result};

/// Finds pairs, shows them, and counts them where the join keeps counts.
#[derive(Debug)]
pub(super) struct Pairs {
    /// Left columns, then right columns.
    schema: SchemaRef,
    residual: Option<ExprRef>,
    shown: bool,
}

impl Pairs {
    /// Pairs of `schema` (left, then right columns), which are output rows if they are `shown`.
    pub(super) fn new(schema: SchemaRef, residual: Option<ExprRef>, shown: bool) -> Self {
        Self { schema, residual, shown }
    }

    /// Makes the pairs of changes on `port` with the rows of the other side that are `within` their times. `tally` hears of those that are matches.
    pub(super) fn meet(
        &self,
        port: Port,
        keyed: &KeyedChanges,
        within: Within<'_>,
        other: &mut Side,
        tally: &mut Tally,
        cx: &mut OperatorContext<'_>,
    ) -> Result<()> {
        let mut cursor = ProbeCursor::default();
        let mut outlet = Outlet { schema: &self.schema, waiting: Vec::new(), rows: 0 };
        while let Some(found) =
            other.arrangement().probe_within(&keyed.keys, &keyed.hashes, within, &mut cursor, BATCH_ROWS_MAX)?
        {
            let mut met = None;
            if self.shown || self.residual.is_some() {
                let pairs = self.pair(port, keyed, other, &found)?;
                met = self.meet_residual(&pairs, cx)?;
                if self.shown {
                    outlet.send(met.as_ref().map_or_else(|| Ok(pairs.clone()), |met| pairs.filter(met))?, cx)?;
                }
            }
            tally.add(&found, met.as_ref(), &keyed.changes, other.arrangement_mut())?;
        }
        outlet.flush(cx)
    }

    fn pair(&self, port: Port, keyed: &KeyedChanges, other: &Side, matches: &Matches) -> Result<ChangeBatch> {
        let width = self.schema.fields().len() - other.width();
        let asking = take_columns(&keyed.changes.rows().columns()[..width], &matches.rows)?;
        let stored = other.arrangement().gather(&matches.row_ids, other.width())?;
        let (left, right) = if port == Port::LEFT { (asking, stored) } else { (stored, asking) };
        let columns = left.into_iter().chain(right).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(matches.rows.len()));
        let rows = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?;
        Ok(ChangeBatch::new(rows, weights(keyed, other, matches)?))
    }

    /// For which pairs the residual condition is true; `None`: there is none. A pair for which it cannot be evaluated is rejected.
    fn meet_residual(&self, pairs: &ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<Option<BooleanArray>> {
        let Some(residual) = &self.residual else { return Ok(None) };
        let (met, bad) = evaluate_isolating(residual.as_ref(), pairs.rows())?;
        reject_errors(pairs, bad.into_iter().map(|bad| (bad.row, bad.reason)), cx)?;
        match met.data_type() {
            DataType::Boolean => Ok(Some(met.as_boolean().clone())),
            // A condition that is the literal NULL.
            DataType::Null => Ok(Some(BooleanArray::new(BooleanBuffer::new_unset(pairs.len()), None))),
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
