//! Windows over stored rows: window nodes written out in DataFusion's own nodes.

use arrow_schema::{DataType, TimeUnit};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result, ScalarValue, internal_err};
use datafusion::functions_aggregate::expr_fn::{max, min, sum};
use datafusion::functions_window::expr_fn::lag;
use datafusion::logical_expr::expr::{AggregateFunction, Sort, WindowFunction};
use datafusion::logical_expr::{
    Expr, ExprFunctionExt, LogicalPlan, LogicalPlanBuilder, ScalarUDF, WindowFunctionDefinition, cast, col, lit, when,
};
use laminar_core::time::windows::WindowShape;

use super::event_nanos::EventNanos;
use super::window_lists::WindowList;
use crate::parse::WindowCall;
use crate::plan::nodes::{ASSIGNED_END, ASSIGNED_START, AssignWindow};
use crate::plan::windowed;

/// Replaces every window node of `plan`.
pub(super) fn expand(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Extension(extension) = &node else { return Ok(Transformed::no(node)) };
        let Some(assign) = extension.node.as_any().downcast_ref::<AssignWindow>() else { return Ok(Transformed::no(node)) };
        expand_one(assign).map(Transformed::yes)
    })?;
    Ok(plan.data)
}

fn expand_one(assign: &AssignWindow) -> Result<LogicalPlan> {
    match &assign.call {
        WindowCall::Panes(shape) => panes(assign, shape),
        WindowCall::Session { gap } => sessions(assign, *gap),
    }
}

/// The columns of the window node's input.
fn input_columns(assign: &AssignWindow) -> Vec<Expr> {
    assign.input.schema().columns().into_iter().map(Expr::Column).collect()
}

/// Each row once for each of its windows: lists of starts and ends, taken apart. A row without time has no window.
fn panes(assign: &AssignWindow, shape: &WindowShape) -> Result<LogicalPlan> {
    let mut exprs = input_columns(assign);
    for (list, name) in WindowList::both(shape).into_iter().zip([ASSIGNED_START, ASSIGNED_END]) {
        exprs.push(ScalarUDF::new_from_impl(list).call(vec![assign.time.clone()]).alias(name));
    }
    let bounds = [ASSIGNED_START, ASSIGNED_END].map(Column::new_unqualified).to_vec();
    LogicalPlanBuilder::from(assign.input.as_ref().clone())
        .filter(assign.time.clone().is_not_null())?
        .project(exprs)?
        .unnest_columns_with_options(bounds, Default::default())?
        .build()
}

/// Sessions as gaps and islands: a row whose distance to the one before exceeds the gap begins an island.
fn sessions(assign: &AssignWindow, gap: i64) -> Result<LogicalPlan> {
    const BEFORE: &str = "__before";
    const BEGINS: &str = "__begins";
    const ISLAND: &str = "__island";
    let time = assign.time.clone();
    let order = vec![time.clone().sort(true, false)];
    let before = lag(time.clone(), Some(1), None).partition_by(assign.partition.clone()).order_by(order.clone()).build()?;
    let to_nanos = ScalarUDF::new_from_impl(EventNanos::new(gap + 1));
    let nanos = |expr: Expr| to_nanos.call(vec![expr]);
    let far = (nanos(time.clone()) - nanos(col(BEFORE))).gt(lit(gap));
    let begins = when(col(BEFORE).is_null().or(far), lit(1_i64)).otherwise(lit(0_i64))?;
    let island = over(sum(col(BEGINS)), assign.partition.clone(), order)?;
    let mut of_island = assign.partition.clone();
    of_island.push(col(ISLAND));
    let over_island = |call: Expr| over(call, of_island.clone(), Vec::new());
    let first = over_island(min(time.clone()))?;
    let last = over_island(max(time.clone()))?;
    let gap = lit(ScalarValue::DurationNanosecond(Some(gap)));
    let time_type = datafusion::logical_expr::ExprSchemable::get_type(&time, assign.input.schema())?;
    let with = |plan: LogicalPlanBuilder, exprs: Vec<Expr>| -> Result<LogicalPlanBuilder> {
        let kept = plan.schema().columns().into_iter().map(Expr::Column);
        plan.project(kept.chain(exprs).collect::<Vec<_>>())
    };
    let plan = LogicalPlanBuilder::from(assign.input.as_ref().clone()).filter(nanos(time).is_not_null())?;
    let plan = windowed(plan, vec![before.alias(BEFORE)])?;
    let plan = with(plan, vec![begins.alias(BEGINS)])?;
    let plan = windowed(plan, vec![island.alias(ISLAND)])?;
    let plan = windowed(plan, vec![first.alias(ASSIGNED_START), last.alias(ASSIGNED_END)])?;
    let mut exprs = input_columns(assign);
    exprs.push(col(ASSIGNED_START));
    let end = cast(col(ASSIGNED_END), DataType::Timestamp(TimeUnit::Nanosecond, None)) + gap;
    exprs.push(cast(end, time_type).alias(ASSIGNED_END));
    plan.project(exprs)?.build()
}

/// `call OVER (PARTITION BY partition ORDER BY order)` for an aggregate.
fn over(call: Expr, partition: Vec<Expr>, order: Vec<Sort>) -> Result<Expr> {
    let Expr::AggregateFunction(AggregateFunction { func, params }) = call else {
        return internal_err!("{call} is not an aggregate");
    };
    let function = WindowFunction::new(WindowFunctionDefinition::AggregateUDF(func), params.args);
    let call = Expr::WindowFunction(Box::new(function)).partition_by(partition);
    if order.is_empty() { call.build() } else { call.order_by(order).build() }
}
