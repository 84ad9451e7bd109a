//! Which columns of an outer query a plan reads.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison};
use datafusion::logical_expr::{Expr, JoinType, LogicalPlan, Subquery};

/// The sub-query that `expr` itself is, if it is one.
pub(super) fn subquery_of(expr: &Expr) -> Option<&Subquery> {
    match expr {
        Expr::ScalarSubquery(subquery)
        | Expr::Exists(Exists { subquery, .. })
        | Expr::InSubquery(InSubquery { subquery, .. })
        | Expr::SetComparison(SetComparison { subquery, .. }) => Some(subquery),
        _ => None,
    }
}

/// Whether a sub-query stands anywhere in `expr`.
pub(super) fn has_subquery(expr: &Expr) -> bool {
    expr.exists(|part| Ok(subquery_of(part).is_some())).unwrap_or(true)
}

/// The columns of outer queries that `plan` reads, each once.
pub(super) fn outer_columns(plan: &LogicalPlan) -> Result<Vec<Column>> {
    let mut found = Vec::new();
    plan.apply(|node| {
        for expr in node.expressions() {
            collect(&expr, node, &mut found)?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

fn collect(expr: &Expr, node: &LogicalPlan, found: &mut Vec<Column>) -> Result<()> {
    let mut add = |column: &Column| {
        if !found.contains(column) {
            found.push(column.clone());
        }
    };
    expr.apply(|part| {
        if let Expr::OuterReferenceColumn(_, column) = part {
            add(column);
        } else if let Some(subquery) = subquery_of(part) {
            // What the node's own input has is no outer column for the node.
            let own = |column: &Column| node.inputs().iter().any(|input| input.schema().has_column(column));
            outer_columns(&subquery.subquery)?.iter().filter(|column| !own(column)).for_each(&mut add);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// Whether DataFusion joins an IN or EXISTS over this plan rightly when it is a conjunct of a filter over `outer`: outer columns
/// are read in filters alone, and nothing between those and the top depends on which rows are there.
pub(super) fn is_plain(plan: &LogicalPlan, outer: &DFSchema) -> Result<bool> {
    let columns = outer_columns(plan)?;
    if columns.is_empty() {
        return Ok(true);
    }
    if !columns.iter().all(|column| outer.has_column(column)) {
        return Ok(false);
    }
    let mut plain = true;
    plan.apply(|node| {
        plain &= match node {
            LogicalPlan::Filter(filter) => !has_subquery(&filter.predicate),
            LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) | LogicalPlan::TableScan(_) => !reads_outer(node),
            LogicalPlan::Join(join) => join.join_type == JoinType::Inner && !reads_outer(node),
            _ => false,
        };
        Ok(if plain { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    Ok(plain)
}

fn reads_outer(node: &LogicalPlan) -> bool {
    node.expressions().iter().any(|expr| expr.contains_outer() || has_subquery(expr))
}
