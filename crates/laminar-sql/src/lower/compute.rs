//! Projections and filters, fused where one stands on the other.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, Filter, LogicalPlan, Projection};
use laminar_core::Result;
use laminar_core::dag::{ChangeKind, ComputeSpec, EdgeProperties, NodeKind, Partitioning, TimeColumn};

use super::{Lowered, Lowering, edge_schema, repeated_column};
use crate::expr::scalar;

impl Lowering {
    pub(super) fn projection(&mut self, projection: &Projection) -> Result<Lowered> {
        let (filter, input) = match projection.input.as_ref() {
            LogicalPlan::Filter(filter) => {
                (Some(&filter.predicate).filter(|predicate| !is_true(predicate)), filter.input.as_ref())
            }
            other => (None, other),
        };
        let below = self.plan(input)?;
        let schema = input.schema();
        let exprs = projection.expr.iter().map(|expr| scalar(&expr.clone().unalias(), schema)).collect::<Result<Vec<_>>>()?;
        let sources: Vec<Option<usize>> = projection.expr.iter().map(|expr| repeated_column(expr, schema)).collect();
        let identity = filter.is_none() && sources.iter().copied().eq((0..below.edge.schema.fields().len()).map(Some));
        let (changes, time_columns) = keep_columns(&below.edge, &sources);
        let edge =
            EdgeProperties { schema: edge_schema(&projection.schema), changes, partitioning: Partitioning::Any, time_columns };
        let filter = filter.map(|predicate| scalar(predicate, schema)).transpose()?;
        if identity && edge.schema == below.edge.schema {
            return Ok(below);
        }
        Ok(self.add(NodeKind::Compute(ComputeSpec { filter, projection: Some(exprs) }), &[&below], edge))
    }

    pub(super) fn filter(&mut self, filter: &Filter) -> Result<Lowered> {
        let below = self.plan(&filter.input)?;
        if is_true(&filter.predicate) {
            return Ok(below);
        }
        let edge = below.edge.clone();
        let filter = Some(scalar(&filter.predicate, filter.input.schema())?);
        Ok(self.add(NodeKind::Compute(ComputeSpec { filter, projection: None }), &[&below], edge))
    }
}

/// What the optimiser leaves of `WHERE 1 = 1`.
fn is_true(predicate: &Expr) -> bool {
    matches!(predicate, Expr::Literal(ScalarValue::Boolean(Some(true)), _))
}

/// What remains known when output column `i` repeats input column `sources[i]` (or is computed).
pub(super) fn keep_columns(input: &EdgeProperties, sources: &[Option<usize>]) -> (ChangeKind, Vec<TimeColumn>) {
    let place = |column: usize| sources.iter().position(|source| *source == Some(column));
    let changes = match &input.changes {
        ChangeKind::Upsert(key) => {
            let kept: Option<Vec<usize>> = key.iter().map(|column| place(*column)).collect();
            kept.map_or(ChangeKind::Retract, ChangeKind::Upsert)
        }
        other => other.clone(),
    };
    let times = sources.iter().enumerate().filter_map(|(column, source)| {
        let lag = input.time_column((*source)?)?.lag;
        Some(TimeColumn { column, lag })
    });
    (changes, times.collect())
}
