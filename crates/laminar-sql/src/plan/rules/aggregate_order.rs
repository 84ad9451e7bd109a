//! Refuses `array_agg(DISTINCT k ORDER BY o)`: of several `o` of one `k` none is the right one.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{Expr, LogicalPlan};

/// Fails if an aggregate with DISTINCT is ordered by something that is none of its arguments.
pub(crate) fn refuse_ambiguous_orders(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        for expr in node.expressions() {
            expr.apply(|part| check(part).map(|()| TreeNodeRecursion::Continue))?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

fn check(expr: &Expr) -> Result<()> {
    let Expr::AggregateFunction(call) = expr else { return Ok(()) };
    let params = &call.params;
    match params.order_by.iter().find(|sort| params.distinct && !params.args.contains(&sort.expr)) {
        Some(sort) => {
            let (name, key) = (call.func.name(), sort.expr.schema_name());
            plan_err!("{name}(DISTINCT …) is ordered by {key}, which is none of its arguments, so a value can have several keys")
        }
        None => Ok(()),
    }
}
