//! INTERSECT and EXCEPT as semi and anti joins: the parser leaves a `UNION ALL` of both sides under a name (`parse/rewrite`).
//!
//! With ALL the n-th of equal rows is another row than the (n+1)-th, so rows are numbered among their equals and compared with
//! their numbers.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result, TableReference, plan_err};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprFunctionExt, JoinType, LogicalPlan, LogicalPlanBuilder, Operator, SubqueryAlias,
};

use crate::parse::rewrite::SetOperation;

/// Replaces the names by the operations.
pub(crate) fn expand_set_operations(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::SubqueryAlias(alias) = &node else { return Ok(Transformed::no(node)) };
        match SetOperation::of_marker(alias.alias.table()) {
            Some(operation) => expand_one(alias, operation).map(Transformed::yes),
            None => Ok(Transformed::no(node)),
        }
    })?;
    Ok(plan.data)
}

fn expand_one(alias: &SubqueryAlias, operation: SetOperation) -> Result<LogicalPlan> {
    let LogicalPlan::Union(union) = alias.input.as_ref() else {
        return plan_err!("{} has lost its sides", operation.as_str());
    };
    let [left, right] = union.inputs.as_slice() else { return plan_err!("{} has two sides", operation.as_str()) };
    let (bags, join) = match operation {
        SetOperation::Intersect => (false, JoinType::LeftSemi),
        SetOperation::IntersectAll => (true, JoinType::LeftSemi),
        SetOperation::Except => (false, JoinType::LeftAnti),
        SetOperation::ExceptAll => (true, JoinType::LeftAnti),
    };
    let (left, right) = (side(left, "__left", bags)?, side(right, "__right", bags)?);
    let same = |(left, right): (Column, Column)| {
        let (left, right) = (Box::new(Expr::Column(left)), Box::new(Expr::Column(right)));
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::IsNotDistinctFrom, right })
    };
    let columns = left.schema().columns();
    let conditions: Vec<Expr> = columns.iter().cloned().zip(right.schema().columns()).map(same).collect();
    let rows = LogicalPlanBuilder::from(left).join_on(right, join, conditions)?;
    let names = columns.into_iter().zip(alias.schema.iter());
    let named = names.map(|(column, (qualifier, field))| Expr::Column(column).alias_qualified(qualifier.cloned(), field.name()));
    rows.project(named.collect::<Vec<_>>())?.build()
}

/// One side with plain names: its rows numbered among their equals, or each once.
fn side(plan: &Arc<LogicalPlan>, name: &str, bags: bool) -> Result<LogicalPlan> {
    let columns = plan.schema().columns().into_iter().enumerate();
    let plain: Vec<Expr> = columns.map(|(index, column)| Expr::Column(column).alias(format!("s{index}"))).collect();
    let plan = LogicalPlanBuilder::from(plan.as_ref().clone()).project(plain)?;
    let plan = if bags { numbered(plan)? } else { plan.distinct()? };
    plan.alias(TableReference::bare(name))?.build()
}

fn numbered(plan: LogicalPlanBuilder) -> Result<LogicalPlanBuilder> {
    let columns: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
    let number = row_number().partition_by(columns.clone()).build()?;
    let position = Expr::Column(Column::new_unqualified(number.schema_name().to_string())).alias("__number");
    plan.window([number])?.project(columns.into_iter().chain([position]).collect::<Vec<_>>())
}
