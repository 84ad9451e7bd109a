//! Builds calls with OVER.

use datafusion::common::{Column, Result};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};

/// `plan` with columns computed by OVER, each under its alias.
pub(crate) fn windowed(plan: LogicalPlanBuilder, exprs: Vec<Expr>) -> Result<LogicalPlanBuilder> {
    let kept: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
    let plain: Vec<Expr> = exprs.iter().map(|expr| expr.clone().unalias()).collect();
    let plan = LogicalPlanBuilder::from(LogicalPlanBuilder::window_plan(plan.build()?, plain.clone())?);
    let named = plain.into_iter().zip(&exprs).map(|(plain, named)| {
        let column = Expr::Column(Column::new_unqualified(plain.schema_name().to_string()));
        match named {
            Expr::Alias(alias) => column.alias(&alias.name),
            _ => column,
        }
    });
    let all: Vec<Expr> = kept.into_iter().chain(named).collect();
    plan.project(all)
}
