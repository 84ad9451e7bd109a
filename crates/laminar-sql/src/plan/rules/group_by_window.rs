//! Joins a window node and the aggregate above it into one [`WindowAggregate`], wherever the window's columns reach the
//! aggregate unchanged. That is the form which runs on panes.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, DataFusionError, Result, ScalarValue, not_impl_err};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{
    Aggregate, Expr, Extension, Filter, GroupingSet, LogicalPlan, LogicalPlanBuilder, Projection, SubqueryAlias, Union, lit,
};

use laminar_core::time::windows::{WindowKind, WindowShape, WindowUnit};

use crate::functions::Bound;
use crate::parse::WindowCall;
use crate::plan::grouping::{GroupingId, numbered_sets};
use crate::plan::nodes::{ASSIGNED_END, ASSIGNED_START, AssignWindow, GroupItem, WindowAggregate};

/// A plan whose aggregates group by windows.
pub(crate) struct GroupedByWindow {
    pub(crate) plan: LogicalPlan,
    /// Whether a grouping set leaves the window out beside one that has it: its groups never close.
    pub(crate) has_open_set: bool,
}

/// Rewrites every aggregate of `plan` that groups by a window.
pub(crate) fn group_by_window(plan: LogicalPlan) -> Result<GroupedByWindow> {
    let mut has_open_set = false;
    let plan = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Aggregate(aggregate) => match aggregate.group_expr.as_slice() {
            [Expr::GroupingSet(sets)] => {
                let sets = sets.clone();
                has_open_set |= leaves_window_out(&sets, &aggregate.input);
                by_sets(aggregate, &sets)
            }
            _ => rewrite(aggregate),
        },
        other => Ok(Transformed::no(other)),
    })?;
    Ok(GroupedByWindow { plan: plan.data, has_open_set })
}

fn has_bound<'a>(keys: impl IntoIterator<Item = &'a Expr>, input: &LogicalPlan) -> bool {
    keys.into_iter().any(|key| bound_of(key, input).is_some())
}

fn leaves_window_out(sets: &GroupingSet, input: &LogicalPlan) -> bool {
    has_bound(sets.distinct_expr(), input)
        && match sets {
            GroupingSet::Rollup(_) | GroupingSet::Cube(_) => true,
            GroupingSet::GroupingSets(sets) => sets.iter().any(|set| !has_bound(set, input)),
        }
}

/// GROUPING SETS with a window in any of them: an aggregate for each set, with NULL for the keys that it leaves out.
fn by_sets(aggregate: Aggregate, sets: &GroupingSet) -> Result<Transformed<LogicalPlan>> {
    let keys = sets.distinct_expr();
    if !has_bound(keys.iter().copied(), &aggregate.input) {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
    }
    let sets = numbered_sets(sets, &keys).map_err(|error| DataFusionError::External(Box::new(error)))?;
    let parts = sets.iter().map(|(set, id)| one_set(&aggregate, &keys, set, *id).map(Arc::new)).collect::<Result<Vec<_>>>()?;
    let [_, _, ..] = parts.as_slice() else {
        return Ok(Transformed::yes(named_as(parts.first().expect("a set").as_ref().clone(), &aggregate)?));
    };
    let union = LogicalPlan::Union(Union::try_new_with_loose_types(parts)?);
    Ok(Transformed::yes(named_as(union, &aggregate)?))
}

/// The groups of one set, in all columns of the aggregate.
fn one_set(aggregate: &Aggregate, keys: &[&Expr], set: &[usize], id: GroupingId) -> Result<LogicalPlan> {
    let own: Vec<Expr> = set.iter().map(|key| keys[*key].clone()).collect();
    // A group needs a column.
    let calls = match aggregate.aggr_expr.as_slice() {
        [] if own.is_empty() => vec![count(lit(1_i64))],
        calls => calls.to_vec(),
    };
    let groups = rewrite(Aggregate::try_new(aggregate.input.clone(), own, calls)?)?.data;
    let column = |index: usize| Expr::Column(Column::from(groups.schema().qualified_field(index)));
    let external = |error: laminar_core::Error| DataFusionError::External(Box::new(error));
    let exprs = (0..aggregate.schema.fields().len()).map(|index| {
        let data_type = aggregate.schema.field(index).data_type();
        let expr = match index.checked_sub(keys.len()) {
            None => match set.iter().position(|own| *own == index) {
                Some(place) => column(place),
                None => lit(ScalarValue::try_from(data_type)?),
            },
            Some(0) => lit(id.value(data_type).map_err(external)?),
            Some(call) => column(set.len() + call - 1),
        };
        Ok(expr.alias(format!("__set_{index}")))
    });
    let exprs = exprs.collect::<Result<Vec<_>>>()?;
    LogicalPlanBuilder::from(groups).project(exprs)?.build()
}

/// The columns of `plan` under the names of those of `aggregate`.
fn named_as(plan: LogicalPlan, aggregate: &Aggregate) -> Result<LogicalPlan> {
    let columns = plan.schema().columns().into_iter().zip(aggregate.schema.iter());
    let named =
        columns.map(|(column, (qualifier, field))| Expr::Column(column).alias_qualified(qualifier.cloned(), field.name()));
    let named: Vec<Expr> = named.collect();
    LogicalPlanBuilder::from(plan).project(named)?.build()
}

fn rewrite(aggregate: Aggregate) -> Result<Transformed<LogicalPlan>> {
    let bounds: Vec<Option<Bound>> = aggregate.group_expr.iter().map(|key| bound_of(key, &aggregate.input)).collect();
    if bounds.iter().all(Option::is_none) {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
    }
    let window = window_below(&aggregate.input).expect("a bound was found above a window").clone();
    let has = |bound| bounds.contains(&Some(bound));
    let tells = |bound| has(bound) && tells_the_window(&window.call, bound);
    if !(tells(Bound::Start) || tells(Bound::End) || has(Bound::Start) && has(Bound::End)) {
        return not_impl_err!("grouping by only one bound of this kind of window; group by window_start and window_end");
    }
    let others: Vec<&Expr> =
        bounds.iter().zip(&aggregate.group_expr).filter(|(bound, _)| bound.is_none()).map(|(_, key)| key).collect();
    let (order, partition) = match &window.call {
        WindowCall::Session { .. } => session_keys(&window, &others, &aggregate.input)?,
        WindowCall::Panes(_) => ((0..others.len()).collect::<Vec<_>>(), 0),
    };
    let keys: Vec<Expr> = order.iter().map(|key| others[*key].clone()).collect();
    let mut key = 0;
    let layout: Vec<GroupItem> = bounds
        .iter()
        .map(|bound| match bound {
            Some(Bound::Start) => GroupItem::Start,
            Some(Bound::End) => GroupItem::End,
            None => {
                key += 1;
                GroupItem::Key(order.iter().position(|own| *own == key - 1).unwrap_or_default())
            }
        })
        .collect();
    let (input, time) = timed_input(&aggregate, &keys, &window)?;
    let (call, schema, aggregates) = (window.call.clone(), aggregate.schema.clone(), aggregate.aggr_expr);
    let node = WindowAggregate { input, time, call, keys, partition, aggregates, layout, late: Vec::new(), schema };
    Ok(Transformed::yes(LogicalPlan::Extension(Extension { node: Arc::new(node) })))
}

fn is_tumbling(call: &WindowCall) -> bool {
    matches!(call, WindowCall::Panes(WindowShape { kind: WindowKind::Tumbling { .. }, .. }))
}

/// Whether a bound tells the other one. Cumulating windows share their starts; hopping ones by a local calendar share an end where
/// clocks skip a day.
fn tells_the_window(call: &WindowCall, bound: Bound) -> bool {
    let WindowCall::Panes(WindowShape { kind, unit }) = call else { return true };
    let (WindowUnit::Nanos { zone, .. } | WindowUnit::Months { zone, .. }) = unit;
    match kind {
        WindowKind::Cumulating { .. } => false,
        WindowKind::Hopping { .. } => zone.is_none() || bound == Bound::Start,
        WindowKind::Tumbling { .. } => true,
    }
}

/// The keys of a `GROUP BY` over sessions by their numbers, those by which the sessions are kept apart first, and how many these are.
fn session_keys(window: &AssignWindow, keys: &[&Expr], input: &LogicalPlan) -> Result<(Vec<usize>, usize)> {
    let origins: Vec<Option<Expr>> = keys.iter().map(|key| origin(key, input)).collect();
    let mut first = Vec::new();
    for part in &window.partition {
        let part = part.clone().unalias();
        let Some(at) = origins.iter().position(|origin| origin.as_ref() == Some(&part)) else {
            return not_impl_err!("sessions by {part} that are not grouped by it; add it to GROUP BY");
        };
        if !first.contains(&at) {
            first.push(at);
        }
    }
    if let Some(predicate) = filter_above(input, &window.partition) {
        return not_impl_err!("WHERE {predicate} above SESSION; put it into a sub-query: SESSION((SELECT … WHERE …), ts, …)");
    }
    let partition = first.len();
    let others = (0..keys.len()).filter(|at| !first.contains(at));
    Ok((first.iter().copied().chain(others).collect(), partition))
}

/// `expr` in terms of the window node's input.
fn origin(expr: &Expr, plan: &LogicalPlan) -> Option<Expr> {
    let expr = expr.clone().unalias();
    match plan {
        LogicalPlan::Filter(filter) => origin(&expr, &filter.input),
        LogicalPlan::SubqueryAlias(alias) => {
            let renamed = expr.transform(|part| match &part {
                Expr::Column(column) => {
                    let index = alias.schema.index_of_column(column)?;
                    Ok(Transformed::yes(Expr::Column(Column::from(alias.input.schema().qualified_field(index)))))
                }
                _ => Ok(Transformed::no(part)),
            });
            origin(&renamed.ok()?.data, &alias.input)
        }
        LogicalPlan::Projection(projection) => {
            let replaced = expr.transform(|part| match &part {
                Expr::Column(column) => {
                    let index = projection.schema.index_of_column(column)?;
                    Ok(Transformed::yes(projection.expr[index].clone().unalias()))
                }
                _ => Ok(Transformed::no(part)),
            });
            origin(&replaced.ok()?.data, &projection.input)
        }
        other => as_window(other).map(|_| expr),
    }
}

/// A filter between the window and `plan` that takes rows out of sessions, rather than sessions as a whole.
fn filter_above(plan: &LogicalPlan, partition: &[Expr]) -> Option<Expr> {
    match plan {
        LogicalPlan::Filter(filter) => {
            let is_key = |column: &Column| {
                origin(&Expr::Column(column.clone()), &filter.input).is_some_and(|expr| partition.contains(&expr))
            };
            match filter.predicate.column_refs().into_iter().all(is_key) {
                true => filter_above(&filter.input, partition),
                false => Some(filter.predicate.clone()),
            }
        }
        LogicalPlan::SubqueryAlias(alias) => filter_above(&alias.input, partition),
        LogicalPlan::Projection(projection) => filter_above(&projection.input, partition),
        _ => None,
    }
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
    match window_column(&aggregate.input, Bound::Start) {
        // A tumbling window's start lies in that window and in no other, so it can stand for the event time.
        Some(index) if is_tumbling(&window.call) => {
            let time = Expr::Column(Column::from(aggregate.input.schema().qualified_field(index)));
            Ok((aggregate.input.clone(), time))
        }
        _ => not_impl_err!(
            "using window_start or window_end in a filter, key or aggregate below the GROUP BY of a hopping, cumulating or session window"
        ),
    }
}

/// Which bound of a window below `expr` passes on, if it does only that.
pub(super) fn bound_of(expr: &Expr, input: &LogicalPlan) -> Option<Bound> {
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
pub(super) fn window_below(plan: &LogicalPlan) -> Option<&AssignWindow> {
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
