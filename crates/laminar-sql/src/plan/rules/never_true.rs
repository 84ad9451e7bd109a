//! `HAVING false` over an aggregate that has a row even without input: nothing, and not that row.
//!
//! DataFusion's rule that pushes filters down takes a condition without columns for one about the keys. Below an aggregate over all
//! rows, or one with the empty grouping set, it would leave the row that such an aggregate always has.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{EmptyRelation, Expr, LogicalPlan};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use datafusion::scalar::ScalarValue;

/// Puts no rows in place of a condition that is never true above such an aggregate.
#[derive(Debug)]
pub(crate) struct NeverTrue;

impl OptimizerRule for NeverTrue {
    fn name(&self) -> &str {
        "never_true"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        match &plan {
            LogicalPlan::Filter(filter) if is_never_true(&filter.predicate) && has_a_row_always(&filter.input)? => {
                let schema = Arc::clone(filter.input.schema());
                Ok(Transformed::yes(LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: false, schema })))
            }
            _ => Ok(Transformed::no(plan)),
        }
    }
}

fn is_never_true(predicate: &Expr) -> bool {
    match predicate {
        Expr::Literal(value, _) => value.is_null() || *value == ScalarValue::Boolean(Some(false)),
        _ => false,
    }
}

/// Whether an aggregate that has a row without input is in `plan`.
fn has_a_row_always(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply(|node| {
        if let LogicalPlan::Aggregate(aggregate) = node {
            found |= aggregate.group_expr.is_empty() || matches!(aggregate.group_expr.as_slice(), [Expr::GroupingSet(_)]);
        }
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}
