//! `OVER (PARTITION BY … ORDER BY …)`: after each step, −1 the old row and +1 the new row wherever a result changed.
//!
//! A row that came or went can only change the results of rows whose frames hold it: a removed row those of the order before the
//! step, a new one those of the order after it ([`reach`]). Their results are computed from both orders and compared. Nothing but
//! the rows is kept.

mod aggregates;
mod frames;
mod piece;
mod reach;
mod values;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use self::piece::Piece;
use super::aggregate::Grouped;
use super::{Operator, OperatorContext, RejectReason, RejectedRows};
use crate::changelog::{consolidate, consolidate_all};
use crate::expr::ExprRef;
use crate::expr::aggregate::AggregateCall;
use crate::graph::{EdgeProperties, OverSpec};
use crate::limits::BATCH_ROWS_MAX;
use crate::state::{Changed, Imaged, OrderedArrangement, OrderedView, RowId};
use crate::{ChangeBatch, Port, Result};

/// All rows in their order, and what is computed for each.
#[derive(Debug)]
pub struct Over {
    spec: OverSpec,
    input: SchemaRef,
    output: SchemaRef,
    /// The output with a last column that says why a result could not be computed.
    explained: SchemaRef,
    rows: OrderedArrangement,
    /// The changes of this step.
    waiting: Vec<ChangeBatch>,
    /// What may fail for a row: values, and calls with arguments and conditions.
    values: Vec<ExprRef>,
    calls: Vec<AggregateCall>,
    evaluated: u64,
}

impl Over {
    /// The operator of `spec` over `input`.
    pub fn new(spec: &OverSpec, input: &EdgeProperties, output: SchemaRef) -> Result<Self> {
        let rows = OrderedArrangement::new(input.schema.clone(), &spec.partition, &spec.order)?;
        let is_column = |expr: &ExprRef| expr.as_column().is_some();
        let values: Vec<ExprRef> = spec.values().into_iter().filter(|value| !is_column(value)).cloned().collect();
        let fails = |call: &&AggregateCall| !call.args.iter().chain(&call.filter).all(is_column);
        let calls = spec.aggregates().filter(fails).cloned().collect();
        let mut fields: Vec<_> = output.fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new("fault", DataType::Utf8, true)));
        let explained = Arc::new(Schema::new(fields));
        let (spec, input, waiting) = (spec.clone(), input.schema.clone(), Vec::new());
        Ok(Self { spec, input, output, explained, rows, waiting, values, calls, evaluated: 0 })
    }

    /// For how many rows results have been computed so far.
    pub fn evaluated(&self) -> u64 {
        self.evaluated
    }

    /// The parts of one partition in which results can have changed, by their first and last row, in order.
    fn reached(&self, views: [OrderedView<'_>; 2], changed: &[Changed]) -> Result<Vec<[RowId; 2]>> {
        let mut parts = Vec::with_capacity(changed.len());
        for changed in changed {
            let view = if changed.after < changed.before { &views[0] } else { &views[1] };
            parts.push(reach::reach(&self.spec, view, changed.row_id)?);
        }
        parts.sort_by(|a, b| views[1].compare(a[0], b[0]));
        let mut joined: Vec<[RowId; 2]> = Vec::with_capacity(parts.len());
        for part in parts {
            match joined.last_mut() {
                Some(last) if views[1].compare(part[0], last[1]).is_le() => {
                    if views[1].compare(part[1], last[1]).is_gt() {
                        last[1] = part[1];
                    }
                }
                _ => joined.push(part),
            }
        }
        Ok(joined)
    }

    /// The rows from `part[0]` to `part[1]` with their results, and why some could not be computed.
    fn evaluate(&self, view: OrderedView<'_>, part: [RowId; 2]) -> Result<ChangeBatch> {
        let positions = view.copies(part[0]).start..view.copies(part[1]).end;
        let piece = Piece::new(view, view.partition(part[0]), positions)?;
        let mut faults: Vec<Option<String>> = vec![None; piece.len()];
        let mut columns = piece.rows().columns().to_vec();
        for call in &self.spec.calls {
            columns.push(piece.results(call, &mut faults)?);
        }
        columns.push(Arc::new(StringArray::from(faults)));
        Ok(ChangeBatch::append(RecordBatch::try_new(self.explained.clone(), columns)?))
    }

    /// What changed in one part, and the rows that became faulty.
    fn difference(&mut self, parts: [ChangeBatch; 2], cx: &mut OperatorContext<'_>) -> Result<()> {
        let [old, new] = parts;
        self.evaluated += new.len() as u64;
        let healthy = [&old, &new].iter().all(|part| faults(part).null_count() == part.len());
        let changed = consolidate_all(&self.explained, &[old.negated(), new])?;
        if !healthy {
            self.report(&changed, cx)?;
        }
        let changed = changed.project(&self.output, &(0..self.output.fields().len()).collect::<Vec<_>>())?;
        let changed = if healthy { changed.known_consolidated() } else { consolidate(&changed)? };
        for start in (0..changed.len()).step_by(BATCH_ROWS_MAX) {
            cx.emit(changed.slice(start, BATCH_ROWS_MAX.min(changed.len() - start)));
        }
        Ok(())
    }

    fn report(&self, changed: &ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let faults = faults(changed);
        let is_new = |row: &u32| changed.weight(*row as usize) > 0 && faults.as_string::<i32>().is_valid(*row as usize);
        let rows: Vec<u32> = (0..changed.len() as u32).filter(is_new).collect();
        let reasons = rows.iter().map(|row| faults.as_string::<i32>().value(*row as usize).to_owned()).collect();
        let rows = changed.take(&rows.into())?.project(&self.output, &(0..self.output.fields().len()).collect::<Vec<_>>())?;
        cx.reject(RejectedRows { reason: RejectReason::Error, rows: rows.rows().clone(), reasons });
        Ok(())
    }
}

fn faults(changes: &ChangeBatch) -> &ArrayRef {
    changes.column(changes.rows().num_columns() - 1)
}

impl Operator for Over {
    fn on_changes(&mut self, _port: Port, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let changes = changes.without_arrivals();
        let can_fail = !self.values.is_empty() || !self.calls.is_empty();
        let changes = if can_fail { Grouped::evaluate(&self.values, &self.calls, changes, cx)?.changes } else { changes };
        self.waiting.push(changes);
        Ok(())
    }

    fn end_step(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        let changes = consolidate_all(&self.input, &std::mem::take(&mut self.waiting))?;
        if changes.is_empty() {
            return Ok(());
        }
        let before = self.rows.tree();
        let mut changed = self.rows.apply(&changes)?;
        let views = [self.rows.view_of(&before), self.rows.view()];
        changed.sort_by(|a, b| views[1].compare(a.row_id, b.row_id));
        let mut parts = Vec::new();
        for partition in changed.chunk_by(|a, b| views[1].is_same_partition(a.row_id, b.row_id)) {
            for part in self.reached(views, partition)? {
                parts.push([self.evaluate(views[0], part)?, self.evaluate(views[1], part)?]);
            }
        }
        parts.into_iter().try_for_each(|parts| self.difference(parts, cx))?;
        self.rows.compact()
    }

    fn state(&mut self) -> Option<&mut dyn Imaged> {
        Some(&mut self.rows)
    }
}
