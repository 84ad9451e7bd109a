//! Refuses what cannot run incrementally yet, by name and with a way out, before anything is built.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use laminar_core::{Code, Error, Result};

use super::clock::check_clock;
use crate::plan::errors::from_datafusion;

/// Fails if a continuous query contains something that is not built.
pub(crate) fn refuse_unstreamable(plan: &LogicalPlan) -> Result<()> {
    let mut found = Ok(());
    plan.apply_with_subqueries(|node| {
        found = check_node(node).and_then(|()| check_functions(node)).and_then(|()| check_clock(node));
        Ok(if found.is_ok() { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })
    .map_err(from_datafusion)?;
    found
}

fn not_built(what: &str, hint: &str) -> Result<()> {
    Err(Error::new(Code::NotSupported, format!("{what} in a continuous query is not built yet")).with_hint(hint))
}

fn check_node(node: &LogicalPlan) -> Result<()> {
    match node {
        LogicalPlan::Subquery(_) => not_built("a sub-query inside an expression", "write it as a join with a derived table"),
        _ => Ok(()),
    }
}

fn check_functions(node: &LogicalPlan) -> Result<()> {
    let mut found = Ok(());
    for expr in node.expressions() {
        let walked = expr.apply(|part| {
            found = check_function(part);
            Ok(if found.is_ok() { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
        });
        walked.map_err(from_datafusion)?;
        found.clone()?;
    }
    Ok(())
}

fn check_function(expr: &Expr) -> Result<()> {
    match expr {
        Expr::ScalarFunction(call) => match call.func.signature().volatility {
            Volatility::Immutable => Ok(()),
            Volatility::Stable if call.func.name() == "current_time" => {
                not_built("current_time", "compare with now() or current_date, which do not begin anew each day")
            }
            Volatility::Stable => Ok(()),
            Volatility::Volatile => Err(Error::new(
                Code::InvalidQuery,
                format!("{}() in a continuous query could not be repeated when a row is retracted", call.func.name()),
            )
            .with_hint("compute it before the rows come in, as a column of the source")),
        },
        Expr::InSubquery(_) | Expr::Exists(_) | Expr::ScalarSubquery(_) => {
            not_built("a sub-query inside an expression", "write it as a join with a derived table")
        }
        _ => Ok(()),
    }
}
