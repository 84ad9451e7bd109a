//! `DISTINCT ON (…) … ORDER BY …` is the first row of each of its groups: whole rows, where DataFusion would take each column for itself.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{Distinct, DistinctOn, Expr, Filter, LogicalPlan, LogicalPlanBuilder, Projection, Window, lit};

/// Writes every DISTINCT ON of `plan` by `row_number() OVER (PARTITION BY … ORDER BY …) = 1`.
pub(crate) fn first_of_each(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Distinct(Distinct::On(distinct)) => Ok(Transformed::yes(numbered(distinct)?)),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(plan.data)
}

/// The same for one of them.
pub(crate) fn numbered(distinct: DistinctOn) -> Result<LogicalPlan> {
    let DistinctOn { on_expr, select_expr, sort_expr, input, schema } = distinct;
    let mut number = WindowFunction::new(row_number_udwf(), Vec::new());
    number.params.partition_by = on_expr;
    let order = sort_expr.unwrap_or_default();
    number.params.order_by = order.clone();
    let window = Window::try_new(vec![Expr::from(number)], input)?;
    let number = Expr::from(window.schema.qualified_field(window.schema.fields().len() - 1)).eq(lit(1_u64));
    let first = Filter::try_new(number, Arc::new(LogicalPlan::Window(window)))?;
    let first = LogicalPlanBuilder::from(LogicalPlan::Filter(first));
    // The order of the groups' rows is that of the result, of which a LIMIT takes the first ones.
    let ordered = if order.is_empty() { first } else { first.sort(order)? };
    Ok(LogicalPlan::Projection(Projection::try_new_with_schema(select_expr, Arc::new(ordered.build()?), schema)?))
}
