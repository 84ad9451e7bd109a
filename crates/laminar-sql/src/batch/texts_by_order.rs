//! `string_agg(a, ',' ORDER BY a)` beside one in another order: DataFusion has one order for the rows of a group, and refuses a second. Lists
//! bring their rows into order by themselves, so such texts are put together from lists. Lists of different values do not, beside another order: they
//! are brought into theirs above the aggregate.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result};
use datafusion::functions_aggregate::array_agg::array_agg_udaf;
use datafusion::functions_nested::sort::array_sort_udf;
use datafusion::functions_nested::string::array_to_string_udf;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, LogicalPlan, Projection, lit};

/// Rewrites the aggregates of `plan` that put texts together, or have lists of different values, in several orders.
pub(super) fn texts_by_order(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Aggregate(aggregate) if has_several_orders(&aggregate) => from_lists(aggregate).map(Transformed::yes),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(plan.data)
}

/// The call that puts texts together in an order, or has a list of different values in one; perhaps under another name.
fn ordered(expr: &Expr) -> Option<&AggregateFunction> {
    call_in_order(expr).filter(|call| is_text(call) || is_list(call))
}

fn call_in_order(expr: &Expr) -> Option<&AggregateFunction> {
    match expr {
        Expr::Alias(alias) => call_in_order(&alias.expr),
        Expr::AggregateFunction(call) if !call.params.order_by.is_empty() => Some(call),
        _ => None,
    }
}

fn is_text(call: &AggregateFunction) -> bool {
    call.func.name() == "string_agg"
}

fn is_list(call: &AggregateFunction) -> bool {
    call.func.name() == "array_agg" && call.params.distinct
}

/// Whether texts are in several orders, or a list of different values is beside another order.
fn has_several_orders(aggregate: &Aggregate) -> bool {
    let calls = || aggregate.aggr_expr.iter().filter_map(call_in_order);
    let differs = |call: &AggregateFunction, from: &AggregateFunction| call.params.order_by != from.params.order_by;
    let is_beside_text = |text: &AggregateFunction| calls().any(|other| is_text(other) && differs(other, text));
    let is_beside_any = |list: &AggregateFunction| calls().any(|other| differs(other, list));
    calls().any(|call| is_text(call) && is_beside_text(call) || is_list(call) && is_beside_any(call))
}

/// The aggregate with lists of texts, and above it the texts that they make, under their old names.
fn from_lists(aggregate: Aggregate) -> Result<LogicalPlan> {
    let groups = aggregate.schema.fields().len() - aggregate.aggr_expr.len();
    let lists = aggregate.aggr_expr.iter().enumerate().map(|(number, call)| match ordered(call) {
        Some(texts) => list_of(texts).alias(format!("__texts_{number}")),
        None => call.clone(),
    });
    let below = Aggregate::try_new(Arc::clone(&aggregate.input), aggregate.group_expr.clone(), lists.collect())?;
    let columns = aggregate.schema.iter().enumerate().map(|(index, (relation, field))| {
        let column = Expr::Column(Column::from(below.schema.qualified_field(index)));
        let call = index.checked_sub(groups).and_then(|call| ordered(&aggregate.aggr_expr[call]));
        let value = match call.map(|call| (call, call.params.args.get(1))) {
            Some((texts, Some(separator))) => array_to_string_udf()
                .call(vec![in_order(column, texts), separator.clone()])
                .cast_to(field.data_type(), below.schema.as_ref())?,
            Some((list, None)) => in_order(column, list),
            None => return Ok(column),
        };
        Ok(value.alias_qualified(relation.cloned(), field.name()))
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Projection::try_new(columns, Arc::new(LogicalPlan::Aggregate(below))).map(LogicalPlan::Projection)
}

/// The list of `texts`: one of different texts is brought into order here, since DataFusion may take the order of a list beside it for theirs.
fn in_order(list: Expr, texts: &AggregateFunction) -> Expr {
    match texts.params.order_by.as_slice() {
        [key] if texts.params.distinct => {
            let direction = if key.asc { "ASC" } else { "DESC" };
            let nulls = if key.nulls_first { "NULLS FIRST" } else { "NULLS LAST" };
            array_sort_udf().call(vec![list, lit(direction), lit(nulls)])
        }
        _ => list,
    }
}

/// The texts that are not NULL: of none there is no list, and no text. Lists have NULLs too.
fn list_of(texts: &AggregateFunction) -> Expr {
    let mut params = texts.params.clone();
    params.args.truncate(1);
    if params.distinct {
        params.order_by.clear();
    }
    let is_there = params.args.first().filter(|_| is_text(texts)).map(|text| text.clone().is_not_null());
    params.filter = match (params.filter, is_there) {
        (Some(filter), Some(is_there)) => Some(Box::new(filter.and(is_there))),
        (None, Some(is_there)) => Some(Box::new(is_there)),
        (filter, None) => filter,
    };
    Expr::AggregateFunction(AggregateFunction { func: array_agg_udaf(), params })
}
