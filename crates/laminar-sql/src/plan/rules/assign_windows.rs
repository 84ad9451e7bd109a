//! Turns window markers into [`AssignWindow`] nodes, so that a window's bounds are columns like all others.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result, not_impl_err, plan_err};
use datafusion::logical_expr::{Aggregate, Expr, Extension, LogicalPlan, Projection};

use crate::functions::{Bound, marker_of};
use crate::parse::WindowCall;
use crate::plan::nodes::{ASSIGNED_END, ASSIGNED_START, ASSIGNED_TIME, AssignWindow};

/// Replaces every marker of `plan`.
pub(crate) fn assign_windows(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Aggregate(aggregate) => in_aggregate(aggregate),
        LogicalPlan::Projection(projection) => in_projection(projection),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(plan.data)
}

/// The one window that the markers of some expressions mean.
struct Window {
    time: Expr,
    call: WindowCall,
    partition: Vec<Expr>,
}

/// The window that `exprs` speak of; several different ones in one SELECT make no sense.
fn window_in(exprs: &[Expr]) -> Result<Option<Window>> {
    let mut found: Option<Window> = None;
    for expr in exprs {
        let mut trouble = None;
        expr.apply(|part| {
            match (marker_of(part), &found) {
                (Ok(None), _) => {}
                (Err(error), _) => trouble = Some(Err(error)),
                (Ok(Some(marker)), None) => {
                    found = Some(Window { time: marker.time, call: marker.call, partition: marker.partition });
                }
                (Ok(Some(marker)), Some(window)) if marker.time == window.time && marker.call == window.call => {}
                (Ok(Some(_)), Some(_)) => trouble = Some(plan_err!("a SELECT can group by one window only")),
            }
            Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
        })?;
        if let Some(trouble) = trouble {
            return trouble;
        }
    }
    Ok(found)
}

/// `expr` with columns of the [`AssignWindow`] below in place of markers.
fn replace_markers(expr: Expr) -> Result<Expr> {
    let replaced = expr.transform_up(|part| {
        Ok(match marker_of(&part)?.map(|marker| marker.bound) {
            Some(Bound::Start) => Transformed::yes(Expr::Column(Column::new_unqualified(ASSIGNED_START))),
            Some(Bound::End) => Transformed::yes(Expr::Column(Column::new_unqualified(ASSIGNED_END))),
            None => Transformed::no(part),
        })
    })?;
    Ok(replaced.data)
}

fn assign(input: Arc<LogicalPlan>, window: Window) -> Result<Arc<LogicalPlan>> {
    let (input, window) = with_time_column(input, window)?;
    let node = AssignWindow::try_new(input, window.time, window.call, window.partition)?;
    Ok(Arc::new(LogicalPlan::Extension(Extension { node: Arc::new(node) })))
}

/// A time that is computed becomes a column first: a projection knows whether what it computes follows the watermark.
fn with_time_column(input: Arc<LogicalPlan>, window: Window) -> Result<(Arc<LogicalPlan>, Window)> {
    if matches!(window.time, Expr::Column(_)) {
        return Ok((input, window));
    }
    let mut exprs: Vec<Expr> = input.schema().columns().into_iter().map(Expr::Column).collect();
    exprs.push(window.time.alias(ASSIGNED_TIME));
    let projection = Projection::try_new(exprs, input)?;
    let time = Expr::Column(Column::new_unqualified(ASSIGNED_TIME));
    Ok((Arc::new(LogicalPlan::Projection(projection)), Window { time, ..window }))
}

/// `GROUP BY TUMBLE(…), k`: the aggregate groups by columns of a window node below it.
fn in_aggregate(aggregate: Aggregate) -> Result<Transformed<LogicalPlan>> {
    let all: Vec<Expr> = aggregate.group_expr.iter().chain(&aggregate.aggr_expr).cloned().collect();
    let Some(mut window) = window_in(&all)? else {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
    };
    if matches!(aggregate.group_expr.as_slice(), [Expr::GroupingSet(_)]) && matches!(window.call, WindowCall::Session { .. }) {
        // Each set would have sessions of its own.
        return not_impl_err!(
            "a session inside GROUPING SETS, ROLLUP or CUBE; write a SELECT for each set, with UNION ALL between"
        );
    }
    for key in &aggregate.group_expr {
        if window_in(std::slice::from_ref(key))?.is_none() && !window.partition.contains(key) {
            window.partition.push(key.clone());
        }
    }
    let input = assign(aggregate.input.clone(), window)?;
    let groups = aggregate.group_expr.into_iter().map(replace_markers).collect::<Result<Vec<_>>>()?;
    let calls = aggregate.aggr_expr.into_iter().map(replace_markers).collect::<Result<Vec<_>>>()?;
    let renamed = Aggregate::try_new(input, groups, calls)?;
    // Readers above know the columns by the markers' names.
    let columns = renamed.schema.columns().into_iter().zip(aggregate.schema.iter());
    let exprs = columns.map(|(column, (qualifier, field))| rename(Expr::Column(column), qualifier.cloned(), field.name()));
    let projection = Projection::try_new(exprs.collect(), Arc::new(LogicalPlan::Aggregate(renamed)))?;
    Ok(Transformed::yes(LogicalPlan::Projection(projection)))
}

fn rename(expr: Expr, qualifier: Option<datafusion::common::TableReference>, name: &str) -> Expr {
    match &expr {
        Expr::Column(column) if column.name == name && column.relation == qualifier => expr,
        _ => expr.alias_qualified(qualifier, name),
    }
}

/// `SELECT *, window_start … FROM TUMBLE(…)`: the projection reads columns of a window node below it.
fn in_projection(projection: Projection) -> Result<Transformed<LogicalPlan>> {
    let Some(window) = window_in(&projection.expr)? else {
        return Ok(Transformed::no(LogicalPlan::Projection(projection)));
    };
    let input = assign(projection.input.clone(), window)?;
    let named = projection.expr.into_iter().zip(projection.schema.iter()).map(|(expr, (qualifier, field))| {
        let replaced = replace_markers(expr.clone())?;
        Ok(if replaced == expr { expr } else { rename(replaced.unalias(), qualifier.cloned(), field.name()) })
    });
    let projection = Projection::try_new(named.collect::<Result<Vec<_>>>()?, input)?;
    Ok(Transformed::yes(LogicalPlan::Projection(projection)))
}
