//! What aggregates, their FILTERs and the keys of OVER compute, in a projection below them, where AND and OR look at each row's left side first.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, Projection, Window, when};

/// Moves every computed argument and FILTER of an aggregate of `plan`, and every computed key of OVER, into a projection.
pub(super) fn compute_arguments_below(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Aggregate(aggregate) => in_aggregate(aggregate),
        LogicalPlan::Window(window) => in_window(window),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(plan.data)
}

fn in_aggregate(aggregate: Aggregate) -> Result<Transformed<LogicalPlan>> {
    let mut computed = Vec::new();
    let calls = aggregate.aggr_expr.iter().map(|call| over_columns(call, &mut computed)).collect::<Result<Vec<_>>>()?;
    if computed.is_empty() {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
    }
    let mut exprs: Vec<Expr> = aggregate.input.schema().columns().into_iter().map(Expr::Column).collect();
    exprs.extend(computed);
    let input = LogicalPlan::Projection(Projection::try_new(exprs, aggregate.input)?);
    let aggregate = Aggregate::try_new(Arc::new(input), aggregate.group_expr, calls)?;
    Ok(Transformed::yes(LogicalPlan::Aggregate(aggregate)))
}

/// Keys of OVER too: of one that is a comparison DataFusion takes it that it is ordered as its operands are.
fn in_window(window: Window) -> Result<Transformed<LogicalPlan>> {
    let mut computed = Vec::new();
    let calls = window.window_expr.iter().map(|call| {
        let name = call.schema_name().to_string();
        let Expr::WindowFunction(mut over) = call.clone().unalias() else { return call.clone() };
        for key in &mut over.params.partition_by {
            *key = column_of(key.clone(), &mut computed);
        }
        for key in &mut over.params.order_by {
            key.expr = column_of(key.expr.clone(), &mut computed);
        }
        let with_columns = Expr::WindowFunction(over);
        if with_columns == call.clone().unalias() { call.clone() } else { with_columns.alias(name) }
    });
    let calls: Vec<Expr> = calls.collect();
    if computed.is_empty() {
        return Ok(Transformed::no(LogicalPlan::Window(window)));
    }
    let shown: Vec<Expr> = window.schema.columns().into_iter().map(Expr::Column).collect();
    let mut exprs: Vec<Expr> = window.input.schema().columns().into_iter().map(Expr::Column).collect();
    exprs.extend(computed);
    let input = LogicalPlan::Projection(Projection::try_new(exprs, window.input)?);
    let window = LogicalPlan::Window(Window::try_new(calls, Arc::new(input))?);
    Ok(Transformed::yes(LogicalPlan::Projection(Projection::try_new(shown, Arc::new(window))?)))
}

/// `call` over columns that `computed` adds to the input, under the name that it had.
fn over_columns(call: &Expr, computed: &mut Vec<Expr>) -> Result<Expr> {
    let name = call.schema_name().to_string();
    let Expr::AggregateFunction(AggregateFunction { func, params }) = call.clone().unalias() else { return Ok(call.clone()) };
    let (mut params, filter) = (params.clone(), params.filter);
    let before = computed.len();
    params.filter = filter.clone().map(|filter| Box::new(column_of(*filter, computed)));
    for arg in &mut params.args {
        if is_plain(arg) {
            continue;
        }
        // The argument is there for the rows alone that pass the FILTER.
        let behind = match &filter {
            Some(filter) => when(filter.as_ref().clone(), arg.clone()).end()?,
            None => arg.clone(),
        };
        *arg = column_of(behind, computed);
    }
    if computed.len() == before {
        return Ok(call.clone());
    }
    Ok(Expr::AggregateFunction(AggregateFunction { func, params }).alias(name))
}

/// The column that holds `expr`, added to `computed` if `expr` is no column or constant itself and is not there yet: calls of OVER in one order
/// must go on having the same keys.
fn column_of(expr: Expr, computed: &mut Vec<Expr>) -> Expr {
    if is_plain(&expr) {
        return expr;
    }
    let holds_it = |column: &Expr| matches!(column, Expr::Alias(alias) if *alias.expr == expr) && !expr.is_volatile();
    let known = computed.iter().position(holds_it);
    let name = format!("__argument_{}", known.unwrap_or(computed.len()));
    if known.is_none() {
        computed.push(expr.alias(&name));
    }
    Expr::Column(Column::new_unqualified(name))
}

/// A column, or what has the same value for every row: some functions read their constants from the plan.
fn is_plain(expr: &Expr) -> bool {
    match expr {
        Expr::Column(_) | Expr::OuterReferenceColumn(..) => true,
        Expr::Alias(alias) => is_plain(&alias.expr),
        other => !other.any_column_refs() && !other.is_volatile(),
    }
}
