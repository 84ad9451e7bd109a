//! `OVER (PARTITION BY … ORDER BY …)`: after each step, −1 the old row and +1 the new row wherever a result changed.
//!
//! A row that came or went can only change the results of rows whose frames hold it: a removed row those of the order before the
//! step, a new one those of the order after it ([`reach`]). Their results are computed from both orders and compared. Nothing but
//! the rows is kept; and where rows come in the order and look back only so far, no more of each partition than that.

mod aggregates;
mod frames;
mod parts;
mod piece;
mod reach;
mod results;
mod values;

use arrow_array::{RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::take::take;

use self::parts::{Part, at_once, reached};
use self::piece::Pieces;
use self::results::{ChangedResults, Results};
use super::absent::reject_absent;
use super::aggregate::Grouped;
use super::{Operator, OperatorContext, RejectReason, RejectedRows};
use crate::changelog::consolidate_all;
use crate::expr::ExprRef;
use crate::expr::aggregate::AggregateCall;
use crate::graph::{EdgeProperties, OverSpec};
use crate::limits::BATCH_ROWS_MAX;
use crate::state::{Imaged, OrderedArrangement, RankTree, RowId};
use crate::{ChangeBatch, Port, Result};

/// All rows in their order, and what is computed for each.
#[derive(Debug)]
pub struct Over {
    spec: OverSpec,
    input: SchemaRef,
    output: SchemaRef,
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
        let rows_kept = spec.rows_kept(input);
        let (spec, input, waiting) = (spec.clone(), input.schema.clone(), Vec::new());
        Ok(Self { spec, input, output, rows, rows_kept, waiting, values, calls, evaluated: 0 })
    }

    /// For how many rows results have been computed so far.
    pub fn evaluated(&self) -> u64 {
        self.evaluated
    }

    /// The results of the rows of some parts, in the order before the step (0) or in the one after it. `trees` are those of the partitions.
    fn evaluate(&self, parts: &[Part], trees: &[[RankTree; 2]], index: usize) -> Result<Results> {
        let view = |part: &Part| self.rows.view_of(&trees[part.partition][index]);
        let positions = parts.iter().map(|part| (view(part), part.positions[index].clone()));
        let pieces = Pieces::new(&self.rows, positions.collect())?;
        let mut faults: Vec<Option<String>> = vec![None; pieces.len()];
        let columns = self.spec.calls.iter().map(|call| pieces.results(call, &mut faults)).collect::<Result<_>>()?;
        Ok(Results { row_ids: pieces.into_row_ids(), columns, faults })
    }

    /// Gives out what changed in some parts, and the rows that became faulty.
    fn difference(&mut self, [old, new]: [&Results; 2], cx: &mut OperatorContext<'_>) -> Result<()> {
        self.evaluated += new.row_ids.len() as u64;
        let changed = ChangedResults::between(old, new, &self.rows)?;
        if !changed.faulty.is_empty() {
            cx.reject(self.faulty(new, &changed.faulty)?);
        }
        let changes = changed.changes([old, new], &self.rows, &self.output)?;
        for start in (0..changes.len()).step_by(BATCH_ROWS_MAX) {
            cx.emit(changes.slice(start, BATCH_ROWS_MAX.min(changes.len() - start)));
        }
        Ok(())
    }

    /// Some rows that could not be computed, and why.
    fn faulty(&self, results: &Results, rows: &[usize]) -> Result<RejectedRows> {
        let reasons = rows.iter().map(|row| results.faults[*row].clone().unwrap_or_default()).collect();
        let row_ids: Vec<RowId> = rows.iter().map(|row| results.row_ids[*row]).collect();
        let mut columns = self.rows.gather(&row_ids)?.columns().to_vec();
        let picked = UInt32Array::from_iter_values(rows.iter().map(|row| *row as u32));
        for results in &results.columns {
            columns.push(take(results, &picked, None)?);
        }
        let rows = RecordBatch::try_new(self.output.clone(), columns)?;
        Ok(RejectedRows { reason: RejectReason::Error, rows, reasons })
    }
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
        let mut located = self.rows.locate(&changes)?;
        reject_absent(&changes, std::mem::take(&mut located.absent), cx)?;
        let mut trees = Vec::with_capacity(located.partitions());
        let (mut parts, mut results, mut forgotten) = (Vec::new(), Vec::new(), Vec::new());
        for partition in 0..located.partitions() {
            let slot = located.slot(partition);
            let before = self.rows.tree_of(slot);
            self.rows.change(&changes, &mut located, partition, true)?;
            let after = self.rows.view(slot);
            reached(&self.spec, partition, [self.rows.view_of(&before), after], located.changed(partition), &mut parts)?;
            if let Some(rows) = self.rows_kept {
                forgotten.push((slot, after.scan(0..(after.total() - rows).max(0))));
            }
            trees.push([before, self.rows.tree_of(slot)]);
        }
        for parts in at_once(&parts) {
            results.push([self.evaluate(parts, &trees, 0)?, self.evaluate(parts, &trees, 1)?]);
        }
        drop(trees);
        results.iter().try_for_each(|[old, new]| self.difference([old, new], cx))?;
        forgotten.into_iter().try_for_each(|(slot, rows)| self.rows.remove(slot, &rows))?;
        self.rows.compact()
    }

    fn state(&mut self) -> Option<&mut dyn Imaged> {
        Some(&mut self.rows)
    }
}
