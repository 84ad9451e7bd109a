//! `GROUP BY a, t.a`: a key that comes twice counts once, as the schema of the aggregate has it already.

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan};

/// Takes repeated keys out of every aggregate.
pub(crate) fn group_keys_once(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Aggregate(aggregate) = node else { return Ok(Transformed::no(node)) };
        let mut keys: Vec<Expr> = Vec::with_capacity(aggregate.group_expr.len());
        for key in &aggregate.group_expr {
            if !keys.contains(key) {
                keys.push(key.clone());
            }
        }
        if keys.len() == aggregate.group_expr.len() {
            return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
        }
        let Aggregate { input, aggr_expr, schema, .. } = aggregate;
        Ok(Transformed::yes(LogicalPlan::Aggregate(Aggregate::try_new_with_schema(input, keys, aggr_expr, schema)?)))
    })?;
    Ok(plan.data)
}
