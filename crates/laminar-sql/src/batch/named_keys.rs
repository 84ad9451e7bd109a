//! Keys of joins under names of their own: DataFusion makes columns of them, and the cast of a column would be called as that is.

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::{Expr, LogicalPlan};

/// Names such keys of an optimised plan, just before it is run.
pub(super) fn named_keys(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Join(mut join) = node else { return Ok(Transformed::no(node)) };
        let mut named = false;
        for (number, (left, right)) in join.on.iter_mut().enumerate() {
            for key in [left, right].into_iter().filter(|key| !matches!(key, Expr::Column(_) | Expr::Alias(_))) {
                *key = key.clone().alias(format!("__key_{number}"));
                named = true;
            }
        }
        Ok(Transformed::new_transformed(LogicalPlan::Join(join), named))
    })?;
    Ok(plan.data)
}
