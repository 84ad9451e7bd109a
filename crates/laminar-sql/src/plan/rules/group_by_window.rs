//! Joins a window node and the aggregate above it into one [`WindowAggregate`], wherever the window's columns reach the
//! aggregate unchanged. That is the form which runs on panes.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchema, Result, not_impl_err};
use datafusion::logical_expr::{Aggregate, Expr, Extension, Filter, LogicalPlan, Projection, SubqueryAlias};

use laminar_core::time::windows::{WindowKind, WindowShape};

use crate::functions::Bound;
use crate::parse::WindowCall;
use crate::plan::nodes::{ASSIGNED_END, ASSIGNED_START, AssignWindow, GroupItem, WindowAggregate};

/// Rewrites every aggregate of `plan` that groups by a window.
pub(crate) fn group_by_window(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Aggregate(aggregate) => rewrite(aggregate),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(plan.data)
}

fn rewrite(aggregate: Aggregate) -> Result<Transformed<LogicalPlan>> {
    let bounds: Vec<Option<Bound>> = aggregate.group_expr.iter().map(|key| bound_of(key, &aggregate.input)).collect();
    if bounds.iter().all(Option::is_none) {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
    }
    let window = window_below(&aggregate.input).expect("a bound was found above a window").clone();
    let call = WindowCall::from_spec(&window.spec);
    let one_bound_is_enough = call.as_ref().is_ok_and(one_bound_tells_the_window);
    let has = |bound| bounds.contains(&Some(bound));
    if !(one_bound_is_enough || has(Bound::Start) && has(Bound::End)) {
        return not_impl_err!("grouping by only one bound of this kind of window; group by window_start and window_end");
    }
    let mut keys = Vec::new();
    let layout: Vec<GroupItem> = bounds
        .iter()
        .zip(&aggregate.group_expr)
        .map(|(bound, key)| match bound {
            Some(Bound::Start) => GroupItem::Start,
            Some(Bound::End) => GroupItem::End,
            None => {
                keys.push(key.clone());
                GroupItem::Key(keys.len() - 1)
            }
        })
        .collect();
    let (input, time) = timed_input(&aggregate, &keys, &window)?;
    let (spec, schema, aggregates) = (window.spec.clone(), aggregate.schema.clone(), aggregate.aggr_expr);
    let node = WindowAggregate { input, time, spec, keys, aggregates, layout, late: Vec::new(), schema };
    Ok(Transformed::yes(LogicalPlan::Extension(Extension { node: Arc::new(node) })))
}

fn is_tumbling(call: &WindowCall) -> bool {
    matches!(call, WindowCall::Panes(WindowShape { kind: WindowKind::Tumbling { .. }, .. }))
}

/// Cumulating windows share their starts; of all others either bound tells the other.
fn one_bound_tells_the_window(call: &WindowCall) -> bool {
    !matches!(call, WindowCall::Panes(WindowShape { kind: WindowKind::Cumulating { .. }, .. }))
}

/// The aggregate's input with event time in place of the window's start, and the column that holds it.
fn timed_input(aggregate: &Aggregate, keys: &[Expr], window: &AssignWindow) -> Result<(Arc<LogicalPlan>, Expr)> {
    if let Some(direct) = as_window(&aggregate.input)
        && !aggregate.aggr_expr.iter().chain(keys).any(|expr| reads_directly(expr, &aggregate.input))
    {
        return Ok((direct.input.clone(), direct.time.clone()));
    }
    let used_elsewhere = keys.iter().chain(&aggregate.aggr_expr).any(|expr| reads_window(expr, &aggregate.input));
    if !used_elsewhere && let Some(index) = window_column(&aggregate.input, Bound::Start) {
        let input = Arc::new(without_window(&aggregate.input)?);
        // The time column itself, if it reaches the aggregate: then late rows are shown with it by its name.
        let index = (0..input.schema().fields().len()).find(|index| is_time(&aggregate.input, *index)).unwrap_or(index);
        let time = Expr::Column(Column::from(input.schema().qualified_field(index)));
        return Ok((input, time));
    }
    let tumbling = WindowCall::from_spec(&window.spec).is_ok_and(|call| is_tumbling(&call));
    match window_column(&aggregate.input, Bound::Start) {
        // A tumbling window's start lies in that window and in no other, so it can stand for the event time.
        Some(index) if tumbling => {
            let time = Expr::Column(Column::from(aggregate.input.schema().qualified_field(index)));
            Ok((aggregate.input.clone(), time))
        }
        _ => not_impl_err!(
            "using window_start or window_end in a filter, key or aggregate below the GROUP BY of a hopping, cumulating or session window"
        ),
    }
}

/// Which bound of a window below `expr` passes on, if it does only that.
fn bound_of(expr: &Expr, input: &LogicalPlan) -> Option<Bound> {
    let Expr::Column(column) = expr.clone().unalias() else { return None };
    let index = input.schema().maybe_index_of_column(&column)?;
    trace(input, index)
}

/// Which bound column `index` of `plan` is.
fn trace(plan: &LogicalPlan, index: usize) -> Option<Bound> {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => trace(&alias.input, index),
        LogicalPlan::Filter(filter) => trace(&filter.input, index),
        LogicalPlan::Projection(projection) => bound_of(&projection.expr[index], &projection.input),
        LogicalPlan::Extension(extension) => {
            let window = extension.node.as_any().downcast_ref::<AssignWindow>()?;
            match index.checked_sub(window.start_index())? {
                0 => Some(Bound::Start),
                1 => Some(Bound::End),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Whether column `index` of `plan` is the time over which the window below is built.
fn is_time(plan: &LogicalPlan, index: usize) -> bool {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => is_time(&alias.input, index),
        LogicalPlan::Filter(filter) => is_time(&filter.input, index),
        LogicalPlan::Projection(projection) => match projection.expr[index].clone().unalias() {
            Expr::Column(column) => {
                projection.input.schema().maybe_index_of_column(&column).is_some_and(|index| is_time(&projection.input, index))
            }
            _ => false,
        },
        other => as_window(other).is_some_and(|window| match &window.time {
            Expr::Column(column) => window.input.schema().maybe_index_of_column(column) == Some(index),
            _ => false,
        }),
    }
}

/// The window node that `plan` is, if it is one.
fn as_window(plan: &LogicalPlan) -> Option<&AssignWindow> {
    let LogicalPlan::Extension(extension) = plan else { return None };
    extension.node.as_any().downcast_ref::<AssignWindow>()
}

/// The column of `plan` that is this bound.
fn window_column(plan: &LogicalPlan, bound: Bound) -> Option<usize> {
    (0..plan.schema().fields().len()).find(|index| trace(plan, *index) == Some(bound))
}

/// The window node at the bottom of the chain that [`trace`] follows.
fn window_below(plan: &LogicalPlan) -> Option<&AssignWindow> {
    match plan {
        LogicalPlan::SubqueryAlias(SubqueryAlias { input, .. })
        | LogicalPlan::Filter(Filter { input, .. })
        | LogicalPlan::Projection(Projection { input, .. }) => window_below(input),
        other => as_window(other),
    }
}

/// Whether `expr`, or a filter or computation between the window and `input`, reads a window column.
fn reads_window(expr: &Expr, input: &LogicalPlan) -> bool {
    reads_directly(expr, input) || computed_below(input)
}

fn reads_directly(expr: &Expr, input: &LogicalPlan) -> bool {
    let reads = |column: &Column, schema: &DFSchema| {
        schema.maybe_index_of_column(column).is_some_and(|index| trace(input, index).is_some())
    };
    expr.column_refs().into_iter().any(|column| reads(column, input.schema()))
}

fn computed_below(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => computed_below(&alias.input),
        LogicalPlan::Filter(filter) => reads_directly(&filter.predicate, &filter.input) || computed_below(&filter.input),
        LogicalPlan::Projection(projection) => {
            let passes = |expr: &Expr| matches!(expr.clone().unalias(), Expr::Column(_));
            let computes = |expr: &Expr| !passes(expr) && reads_directly(expr, &projection.input);
            projection.expr.iter().any(computes) || computed_below(&projection.input)
        }
        _ => false,
    }
}

/// The chain with event time where the window's columns were: same names, same types.
fn without_window(plan: &LogicalPlan) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Extension(extension) => {
            let window = extension.node.as_any().downcast_ref::<AssignWindow>().expect("the chain ends in a window");
            let mut exprs: Vec<Expr> = window.input.schema().columns().into_iter().map(Expr::Column).collect();
            exprs.push(window.time.clone().alias(ASSIGNED_START));
            exprs.push(window.time.clone().alias(ASSIGNED_END));
            Ok(LogicalPlan::Projection(Projection::try_new(exprs, window.input.clone())?))
        }
        other => {
            let input = without_window(other.inputs()[0])?;
            other.with_new_exprs(other.expressions(), vec![input])
        }
    }
}
