//! `OVER (PARTITION BY … ORDER BY …)`: after each step, −1 the old row and +1 the new row wherever a result changed.
//!
//! A row that came or went can only change the results of rows whose frames hold it: a removed row those of the order before the
//! step, a new one those of the order after it ([`reach`]). Their results are computed from both orders and compared. Nothing but
//! the rows is kept; and where rows come in the order and look back only so far, no more of each partition than that.

mod aggregates;
mod frames;
mod piece;
mod reach;
mod values;

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use self::piece::Pieces;
use super::absent::reject_absent;
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
    /// How many rows of a partition are kept, if later ones look back to no others.
    rows_kept: Option<i64>,
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
        let rows_kept = spec.rows_kept(input);
        let (spec, input, waiting) = (spec.clone(), input.schema.clone(), Vec::new());
        Ok(Self { spec, input, output, explained, rows, rows_kept, waiting, values, calls, evaluated: 0 })
    }

    /// For how many rows results have been computed so far.
    pub fn evaluated(&self) -> u64 {
        self.evaluated
    }

    /// The parts of one partition in which results can have changed, in order.
    fn reached(&self, views: [OrderedView<'_>; 2], changed: &[Changed], parts: &mut Vec<Part>) -> Result<()> {
        let partitions = views.map(|view| view.partition(changed[0].row_id));
        let mut reached = Vec::with_capacity(changed.len());
        for changed in changed {
            let index = usize::from(changed.after > changed.before);
            reached.push(reach::reach(&self.spec, &views[index], &partitions[index], changed.row_id)?);
        }
        if reached.len() > 1 {
            reached.sort_by(|a, b| views[1].compare(a[0], b[0]));
        }
        let mut joined: Vec<[RowId; 2]> = Vec::with_capacity(reached.len());
        for rows in reached {
            match joined.last_mut() {
                Some(last) if views[1].compare(rows[0], last[1]).is_le() => {
                    if views[1].compare(rows[1], last[1]).is_gt() {
                        last[1] = rows[1];
                    }
                }
                _ => joined.push(rows),
            }
        }
        parts.extend(joined.into_iter().map(|[first, last]| {
            let positions = views.map(|view| view.start(first)..view.end(last));
            Part { partitions: partitions.clone(), positions }
        }));
        Ok(())
    }

    /// The rows of some parts with their results, and why some could not be computed. `index` says which of the two orders is meant.
    fn evaluate(&self, view: OrderedView<'_>, parts: &[Part], index: usize) -> Result<ChangeBatch> {
        let positions = parts.iter().map(|part| (part.partitions[index].clone(), part.positions[index].clone()));
        let pieces = Pieces::new(view, positions.collect())?;
        let mut faults: Vec<Option<String>> = vec![None; pieces.len()];
        let mut columns = pieces.rows().columns().to_vec();
        for call in &self.spec.calls {
            columns.push(pieces.results(call, &mut faults)?);
        }
        columns.push(Arc::new(StringArray::from(faults)));
        Ok(ChangeBatch::append(RecordBatch::try_new(self.explained.clone(), columns)?))
    }

    /// What changed in some parts, and the rows that became faulty.
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

/// A part of a partition, in the order before a step and in the one after it.
struct Part {
    partitions: [Range<i64>; 2],
    positions: [Range<i64>; 2],
}

/// The parts that are worked off together: as many rows as a batch has, or a part that has more alone.
fn at_once(parts: &[Part]) -> Vec<&[Part]> {
    let (mut chunks, mut first, mut rows) = (Vec::new(), 0, 0);
    for (number, part) in parts.iter().enumerate() {
        let more = part.positions.iter().map(|positions| positions.end - positions.start).max().unwrap_or(0);
        if number > first && rows + more > BATCH_ROWS_MAX as i64 {
            chunks.push(&parts[first..number]);
            (first, rows) = (number, 0);
        }
        rows += more;
    }
    chunks.push(&parts[first..]);
    chunks
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
        let (changed, absent) = self.rows.apply(&changes)?;
        reject_absent(&changes, absent, cx)?;
        let views = [self.rows.view_of(&before), self.rows.view()];
        let (mut parts, mut results, mut forgotten) = (Vec::new(), Vec::new(), Vec::new());
        for partition in changed.chunk_by(|a, b| views[1].is_same_partition(a.row_id, b.row_id)) {
            self.reached(views, partition, &mut parts)?;
            if let Some(rows) = self.rows_kept {
                let all = views[1].partition(partition[0].row_id);
                forgotten.extend(views[1].scan(all.start..all.end.saturating_sub(rows).max(all.start)));
            }
        }
        for parts in at_once(&parts) {
            results.push([self.evaluate(views[0], parts, 0)?, self.evaluate(views[1], parts, 1)?]);
        }
        results.into_iter().try_for_each(|results| self.difference(results, cx))?;
        self.rows.remove(&forgotten)?;
        self.rows.compact()
    }

    fn state(&mut self) -> Option<&mut dyn Imaged> {
        Some(&mut self.rows)
    }
}
