//! LIMIT and OFFSET: of rows in an order, or of rows as they come.

use std::sync::Arc;

use datafusion::logical_expr::{FetchType, Limit, LogicalPlan, Projection, SkipType, SubqueryAlias};
use laminar_core::dag::{LimitSpec, NodeKind};
use laminar_core::{Code, Error, Result};

use super::{Lowered, Lowering};
use crate::plan::errors::from_datafusion;

impl Lowering {
    /// What stands between a LIMIT and its ORDER BY works on each row for itself, and can as well stand above both.
    pub(super) fn limit(&mut self, limit: &Limit) -> Result<Lowered> {
        let below = |input: &Arc<LogicalPlan>| {
            let limit = Limit { skip: limit.skip.clone(), fetch: limit.fetch.clone(), input: input.clone() };
            Arc::new(LogicalPlan::Limit(limit))
        };
        let (skip, fetch) = bounds(limit)?;
        match limit.input.as_ref() {
            LogicalPlan::Sort(sort) => self.top_n(sort, skip, fetch),
            LogicalPlan::Projection(Projection { expr, input, schema, .. }) if is_ordered(input) => {
                let projection = Projection::try_new_with_schema(expr.clone(), below(input), schema.clone());
                self.projection(&projection.map_err(from_datafusion)?)
            }
            LogicalPlan::SubqueryAlias(SubqueryAlias { input, .. }) if is_ordered(input) => self.plan(&below(input)),
            _ => self.first_to_come(limit, LimitSpec { skip, fetch }),
        }
    }

    fn first_to_come(&mut self, limit: &Limit, spec: LimitSpec) -> Result<Lowered> {
        let below = self.plan(&limit.input)?;
        if !below.edge.changes.is_append() {
            let text = "LIMIT without ORDER BY over rows that change: it is not settled which of them are the first";
            return Err(Error::new(Code::NotSupported, text).with_hint("say which rows are the first: ORDER BY … LIMIT"));
        }
        let schema = below.edge.schema.clone();
        Ok(self.add(NodeKind::Limit(spec), &[&below], schema))
    }
}

/// Whether the rows of `plan` have an order that a LIMIT goes by.
fn is_ordered(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(_) => true,
        LogicalPlan::Projection(projection) => is_ordered(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => is_ordered(&alias.input),
        _ => false,
    }
}

/// Rows that are left out first, and rows that are taken then.
fn bounds(limit: &Limit) -> Result<(u64, Option<u64>)> {
    let skip = match limit.get_skip_type().map_err(from_datafusion)? {
        SkipType::Literal(rows) => rows,
        SkipType::UnsupportedExpr => return Err(not_constant("OFFSET")),
    };
    let fetch = match limit.get_fetch_type().map_err(from_datafusion)? {
        FetchType::Literal(rows) => rows,
        FetchType::UnsupportedExpr => return Err(not_constant("LIMIT")),
    };
    Ok((skip as u64, fetch.map(|rows| rows as u64)))
}

fn not_constant(clause: &str) -> Error {
    Error::new(Code::NotSupported, format!("{clause} in a continuous query must be a constant")).with_hint("write a number")
}
