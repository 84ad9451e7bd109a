//! Filter and projection, fused: both are linear, so each batch is worked on alone and weights stay what they are.

use arrow_array::BooleanArray;
use arrow_array::cast::AsArray;
use arrow_schema::SchemaRef;
use arrow_select::filter::FilterBuilder;

use super::bad_rows::{all_but, reject_bad};
use super::{Operator, OperatorContext};
use crate::expr::{ExprRef, Isolated, RowMask, evaluate_all_isolating, evaluate_isolating};
use crate::graph::ComputeSpec;
use crate::{ChangeBatch, Port, Result};

/// `SELECT projection WHERE filter`.
///
/// A row for which an expression fails is rejected with the reason and goes no further; its retraction, which fails in the
/// same way, is dropped as well, so that the output stays what it would be had the row never come.
#[derive(Debug)]
pub struct Compute {
    filter: Option<ExprRef>,
    projection: Projection,
    output: SchemaRef,
    /// The rows that the filter leaves of a batch.
    mask: RowMask,
}

#[derive(Debug)]
enum Projection {
    /// The columns as they are.
    All,
    /// Some columns of the input: nothing is copied.
    Columns(Vec<usize>),
    /// Anything else.
    Exprs(Vec<ExprRef>),
}

impl Compute {
    /// The operator for `spec`, with the output columns `output`.
    pub fn new(spec: &ComputeSpec, output: SchemaRef) -> Self {
        let projection = match &spec.projection {
            None => Projection::All,
            Some(exprs) => match exprs.iter().map(|expr| expr.as_column()).collect() {
                Some(columns) => Projection::Columns(columns),
                None => Projection::Exprs(exprs.clone()),
            },
        };
        Self { filter: spec.filter.clone(), projection, output, mask: RowMask::default() }
    }

    /// The rows for which the filter is true; `None`: there are none.
    fn filtered(&mut self, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<Option<ChangeBatch>> {
        let Some(filter) = &self.filter else { return Ok(Some(changes)) };
        self.mask.select_all(changes.len());
        if filter.retain_true(changes.rows(), &mut self.mask) {
            return kept(changes, self.mask.count(), || BooleanArray::new(self.mask.to_buffer(), None));
        }
        let (values, bad) = evaluate_isolating(filter.as_ref(), changes.rows())?;
        reject_bad(&changes, bad, cx)?;
        // A bad row's value is NULL, so it is dropped like any row for which the filter is not true.
        let keep = values.as_boolean();
        kept(changes, keep.true_count(), || keep.clone())
    }

    /// The rows with the output's columns.
    fn projected(&self, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<ChangeBatch> {
        match &self.projection {
            Projection::All => changes.with_schema(&self.output),
            Projection::Columns(columns) if columns.iter().copied().eq(0..changes.rows().num_columns()) => {
                changes.with_schema(&self.output)
            }
            Projection::Columns(columns) => changes.project(&self.output, columns),
            Projection::Exprs(exprs) => self.evaluated(exprs, changes, cx),
        }
    }

    fn evaluated(&self, exprs: &[ExprRef], changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<ChangeBatch> {
        let Isolated { columns, bad } = evaluate_all_isolating(exprs, changes.rows())?;
        if bad.is_empty() {
            return changes.with_columns(self.output.clone(), columns);
        }
        let keep = all_but(&bad, changes.len());
        reject_bad(&changes, bad, cx)?;
        let filter = FilterBuilder::new(&keep).optimize().build();
        let columns = columns.iter().map(|column| filter.filter(column)).collect::<Result<_, _>>()?;
        changes.filter(&keep)?.with_columns(self.output.clone(), columns)
    }
}

impl Operator for Compute {
    fn on_changes(&mut self, _port: Port, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let Some(filtered) = self.filtered(changes, cx)? else { return Ok(()) };
        let projected = self.projected(filtered, cx)?;
        cx.emit(projected);
        Ok(())
    }
}

/// The rows that `keep` keeps, of which there are `count`: nothing is copied if these are all rows, or none.
fn kept(changes: ChangeBatch, count: usize, keep: impl FnOnce() -> BooleanArray) -> Result<Option<ChangeBatch>> {
    match count {
        0 => Ok(None),
        all if all == changes.len() => Ok(Some(changes)),
        _ => changes.filter(&keep()).map(Some),
    }
}
