//! `LATE DATA TO`: every window keeps all columns of its input, so that a row that no window takes can be passed on whole.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNode};

use crate::plan::nodes::{AssignWindow, WindowAggregate, is_window_bound};

/// Makes every window of `plan` ask for all columns of its input; not transformed if there is no window.
pub(crate) fn keep_late_columns(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Extension(extension) = &node else { return Ok(Transformed::no(node)) };
        Ok(match keeping(extension) {
            Some(node) => Transformed::yes(LogicalPlan::Extension(Extension { node })),
            None => Transformed::no(node),
        })
    })
}

fn keeping(extension: &Extension) -> Option<Arc<dyn UserDefinedLogicalNode>> {
    let any = extension.node.as_any();
    if let Some(window) = any.downcast_ref::<WindowAggregate>() {
        return Some(Arc::new(WindowAggregate { late: columns(&window.input), ..window.clone() }));
    }
    let assign = any.downcast_ref::<AssignWindow>()?;
    Some(Arc::new(assign.clone().keeping(columns(&assign.input))))
}

/// The columns of `input` that its own rows have.
fn columns(input: &LogicalPlan) -> Vec<Expr> {
    let own = (0..input.schema().fields().len()).filter(|index| !is_bound(input, *index));
    own.map(|index| Expr::Column(input.schema().qualified_field(index).into())).collect()
}

/// Whether column `index` of `plan` is a bound of the window, which a row that no window takes does not have.
fn is_bound(plan: &LogicalPlan, index: usize) -> bool {
    if is_window_bound(plan.schema().field(index).name()) {
        return true;
    }
    match plan {
        LogicalPlan::SubqueryAlias(alias) => is_bound(&alias.input, index),
        LogicalPlan::Filter(filter) => is_bound(&filter.input, index),
        LogicalPlan::Projection(projection) => match projection.expr[index].clone().unalias() {
            Expr::Column(column) => {
                let below = projection.input.schema().maybe_index_of_column(&column);
                below.is_some_and(|index| is_bound(&projection.input, index))
            }
            _ => false,
        },
        _ => false,
    }
}
