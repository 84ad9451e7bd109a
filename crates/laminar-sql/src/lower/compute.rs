//! Projections and filters, fused where one stands on the other.

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::{Expr, Filter, LogicalPlan, Projection, Window};
use laminar_core::Result;
use laminar_core::dag::{ComputeSpec, NodeKind};

use super::{Lowered, Lowering, edge_schema, repeated_column};
use crate::expr::{scalar, tells_time};

impl Lowering {
    pub(super) fn projection(&mut self, projection: &Projection) -> Result<Lowered> {
        self.projection_under(projection, None)
    }

    /// The rows of `projection`, of which those for which `predicate` is not true need not be there.
    fn projection_under(&mut self, projection: &Projection, predicate: Option<&Expr>) -> Result<Lowered> {
        if let Some(first) = self.projection_of_first(projection)? {
            return Ok(first);
        }
        let (filter, input) = match projection.input.as_ref() {
            LogicalPlan::Filter(filter) => {
                (Some(&filter.predicate).filter(|predicate| !is_true(predicate)), filter.input.as_ref())
            }
            other => (None, other),
        };
        let asked = predicate.and_then(|predicate| below_projection(predicate, projection));
        let below = self.plan_under(filter.or(asked.as_ref()), input)?;
        let schema = input.schema();
        let (below, filter) = match filter {
            Some(predicate) if tells_time(predicate) => (self.temporal_filter(below, predicate, schema)?, None),
            filter => (below, filter),
        };
        let exprs = projection.expr.iter().map(|expr| scalar(&expr.clone().unalias(), schema)).collect::<Result<Vec<_>>>()?;
        let repeats = |(place, expr): (usize, &Expr)| repeated_column(expr, schema) == Some(place);
        let identity = filter.is_none()
            && exprs.len() == below.edge.schema.fields().len()
            && projection.expr.iter().enumerate().all(repeats);
        let output = edge_schema(&projection.schema);
        let filter = filter.map(|predicate| scalar(predicate, schema)).transpose()?;
        if identity && output == below.edge.schema {
            return Ok(below);
        }
        Ok(self.add(NodeKind::Compute(ComputeSpec { filter, projection: Some(exprs) }), &[&below], output))
    }

    /// The rows of `projection` if it shows columns of the first rows of each partition, and not their numbers: these need not be computed.
    fn projection_of_first(&mut self, projection: &Projection) -> Result<Option<Lowered>> {
        let LogicalPlan::Filter(filter) = projection.input.as_ref() else { return Ok(None) };
        let Some((window, exprs, predicate)) = over_window(projection, filter) else { return Ok(None) };
        let Some((first, rest)) = self.first_without_numbers(window, &exprs, &predicate)? else { return Ok(None) };
        let projected = exprs.iter().map(|expr| scalar(&expr.clone().unalias(), &window.schema)).collect::<Result<Vec<_>>>()?;
        let filter = rest.map(|rest| scalar(&rest, &window.schema)).transpose()?;
        let spec = ComputeSpec { filter, projection: Some(projected) };
        Ok(Some(self.add(NodeKind::Compute(spec), &[&first], edge_schema(&projection.schema))))
    }

    pub(super) fn filter(&mut self, filter: &Filter) -> Result<Lowered> {
        let below = self.plan_under(Some(&filter.predicate), &filter.input)?;
        if is_true(&filter.predicate) {
            return Ok(below);
        }
        if tells_time(&filter.predicate) {
            return self.temporal_filter(below, &filter.predicate, filter.input.schema());
        }
        let schema = below.edge.schema.clone();
        let filter = Some(scalar(&filter.predicate, filter.input.schema())?);
        Ok(self.add(NodeKind::Compute(ComputeSpec { filter, projection: None }), &[&below], schema))
    }
}

impl Lowering {
    /// The rows of `input`, of which those for which `predicate` is not true need not be there.
    fn plan_under(&mut self, predicate: Option<&Expr>, input: &LogicalPlan) -> Result<Lowered> {
        match (predicate, input) {
            (Some(predicate), LogicalPlan::Window(window)) => self.first_of_window(window, predicate),
            (predicate @ Some(_), LogicalPlan::Projection(projection)) => self.projection_under(projection, predicate),
            _ => self.plan(input),
        }
    }
}

/// The window below `filter`, with what `projection` shows and what `filter` asks in its terms. Between them columns may be picked.
fn over_window<'a>(projection: &Projection, filter: &'a Filter) -> Option<(&'a Window, Vec<Expr>, Expr)> {
    match filter.input.as_ref() {
        LogicalPlan::Window(window) => Some((window, projection.expr.clone(), filter.predicate.clone())),
        LogicalPlan::Projection(picked) if picked.expr.iter().all(|expr| matches!(expr.clone().unalias(), Expr::Column(_))) => {
            let LogicalPlan::Window(window) = picked.input.as_ref() else { return None };
            let shown = projection.expr.iter().map(|expr| below_projection(expr, picked)).collect::<Option<Vec<_>>>()?;
            Some((window, shown, below_projection(&filter.predicate, picked)?))
        }
        _ => None,
    }
}

/// `predicate` in terms of what is below the projection.
fn below_projection(predicate: &Expr, projection: &Projection) -> Option<Expr> {
    let replaced = predicate.clone().transform(|part| match &part {
        Expr::Column(column) => {
            let index = projection.schema.index_of_column(column)?;
            Ok(Transformed::yes(projection.expr[index].clone().unalias()))
        }
        _ => Ok(Transformed::no(part)),
    });
    replaced.ok().map(|replaced| replaced.data)
}

/// What the optimiser leaves of `WHERE 1 = 1`.
fn is_true(predicate: &Expr) -> bool {
    matches!(predicate, Expr::Literal(ScalarValue::Boolean(Some(true)), _))
}
