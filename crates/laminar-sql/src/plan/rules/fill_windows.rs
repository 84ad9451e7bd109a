//! `FILL (…)`: rows for the windows without rows between those of a key that have some.
//!
//! Each window looks back to the one before it, with `lag` over the key's windows; the windows between both are made of it as elements of a
//! list. So a FILL is kept current, closes, forgets and is asked ad hoc as OVER and UNNEST are, of which it consists.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_cast::display::array_value_to_string;
use arrow_schema::{DataType, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DataFusionError, Result, ScalarValue};
use datafusion::execution::session_state::SessionState;
use datafusion::functions_window::expr_fn::lag;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    Aggregate, Expr, ExprFunctionExt, Extension, Filter, LogicalPlan, LogicalPlanBuilder, Projection, col, lit, when,
};
use datafusion::physical_expr::create_physical_expr;
use laminar_core::time::windows::{WindowKind, WindowShape};
use laminar_core::{Code, Error};

use super::group_by_window::{bound_of, window_below};
use crate::functions::{Bound, FillClause, end_of_window, fill_clause_of, has_line, on_line, starts_between};
use crate::parse::WindowCall;
use crate::parse::rewrite::FillKind;
use crate::plan::over::windowed;
use crate::semantics::cast::type_name;

/// The start of the window that is shown.
const AT: &str = "__fill_at";
/// The start of the last window with rows before one that has some.
const BEFORE: &str = "__fill_before";

/// Rewrites every SELECT with a FILL.
pub(crate) fn fill_windows(plan: LogicalPlan, state: &SessionState) -> Result<LogicalPlan> {
    if first_clause(&plan)?.is_none() {
        return Ok(plan);
    }
    let plan = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Projection(projection) => in_projection(projection, state),
        other => rebuilt(other),
    })?;
    match first_clause(&plan.data)? {
        None => Ok(plan.data),
        Some(clause) => Err(refused(
            &clause,
            "FILL beside OVER, QUALIFY, or a sub-query in HAVING is not built yet",
            "put the SELECT with FILL into FROM: SELECT … FROM (SELECT … FILL (…)) AS filled",
        )),
    }
}

/// A node over inputs of which columns may be NULL now that were not before.
fn rebuilt(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    match node {
        LogicalPlan::Extension(Extension { node }) => {
            let inputs = node.inputs().into_iter().cloned().collect();
            let node = node.with_exprs_and_inputs(node.expressions(), inputs)?;
            Ok(Transformed::yes(LogicalPlan::Extension(Extension { node })))
        }
        other => other.recompute_schema().map(Transformed::yes),
    }
}

fn first_clause(plan: &LogicalPlan) -> Result<Option<FillClause>> {
    let mut found = None;
    plan.apply_with_subqueries(|node| {
        for expr in node.expressions() {
            expr.apply(|part| {
                found = fill_clause_of(part)?.or(found.take());
                Ok(if found.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
            })?;
        }
        Ok(if found.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

fn in_projection(projection: Projection, state: &SessionState) -> Result<Transformed<LogicalPlan>> {
    let found = match projection.input.as_ref() {
        LogicalPlan::Filter(filter) => without_clause(filter)?,
        _ => None,
    };
    match found {
        Some((clause, below)) => Filled::of(&projection, below, &clause, state)?.plan().map(Transformed::yes),
        None => rebuilt(LogicalPlan::Projection(projection)),
    }
}

/// The clause of a HAVING, and what the rest of it lets pass.
fn without_clause(filter: &Filter) -> Result<Option<(FillClause, LogicalPlan)>> {
    let (mut clause, mut rest) = (None, Vec::new());
    for condition in split_conjunction_owned(filter.predicate.clone()) {
        match fill_clause_of(&condition)? {
            Some(found) => clause = Some(found),
            None => rest.push(condition),
        }
    }
    let Some(clause) = clause else { return Ok(None) };
    let input = filter.input.as_ref().clone();
    let below = match conjunction(rest) {
        Some(condition) => LogicalPlanBuilder::from(input).filter(condition)?.build()?,
        None => input,
    };
    Ok(Some((clause, below)))
}

/// A SELECT with FILL.
struct Filled<'a> {
    select: &'a Projection,
    /// The groups that HAVING lets pass.
    groups: LogicalPlan,
    shape: WindowShape,
    start: Expr,
    end: Option<Expr>,
    /// The keys beside the window.
    keys: Vec<Expr>,
    /// For each column of the SELECT that has aggregates what stands in windows without rows.
    fills: Vec<Option<Fill>>,
}

/// What stands in a column in a window without rows.
enum Fill {
    Constant(ScalarValue),
    Previous,
    Next,
    Linear,
}

impl<'a> Filled<'a> {
    fn of(select: &'a Projection, groups: LogicalPlan, clause: &FillClause, state: &SessionState) -> Result<Self> {
        let Some(aggregate) = aggregate_below(&groups) else {
            return Err(refused(clause, "FILL stands in a SELECT without GROUP BY", WINDOW_HINT));
        };
        let column = |index: usize| Expr::Column(Column::from(groups.schema().qualified_field(index)));
        let bounds: Vec<Option<Bound>> = aggregate.group_expr.iter().map(|key| bound_of(key, &aggregate.input)).collect();
        let place = |bound: Bound| bounds.iter().position(|own| *own == Some(bound)).map(column);
        let Some(start) = place(Bound::Start) else { return Err(refused(clause, without_window(aggregate), WINDOW_HINT)) };
        let shape = shape_of(aggregate, clause)?;
        let keys = bounds.iter().enumerate().filter(|(_, bound)| bound.is_none()).map(|(index, _)| column(index)).collect();
        let is_value = |expr: &Expr| {
            let index = |column: &Column| groups.schema().maybe_index_of_column(column);
            expr.column_refs().into_iter().any(|column| index(column).is_some_and(|index| index >= bounds.len()))
        };
        let has_values: Vec<bool> = select.expr.iter().map(is_value).collect();
        let fills = fills_of(select, &has_values, clause, state)?;
        let end = place(Bound::End);
        Ok(Self { select, shape, start, end, keys, fills, groups })
    }

    fn plan(self) -> Result<LogicalPlan> {
        let values = || self.fills.iter().enumerate().filter_map(|(index, fill)| Some((index, fill.as_ref()?)));
        let groups: Vec<Expr> = self.keys.iter().chain([&self.start]).chain(&self.end).cloned().collect();
        let computed = values().map(|(index, _)| self.select.expr[index].clone().unalias().alias(value(index)));
        let below =
            LogicalPlanBuilder::from(self.groups.clone()).project(groups.into_iter().chain(computed).collect::<Vec<_>>())?;
        let mut before = vec![self.before(self.start.clone())?.alias(BEFORE)];
        for (index, fill) in values() {
            if matches!(fill, Fill::Previous | Fill::Linear) {
                before.push(self.before(col(value(index)))?.alias(last(index)));
            }
        }
        let looked = windowed(below, before)?;
        let mut columns: Vec<Expr> = looked.schema().columns().into_iter().map(Expr::Column).collect();
        columns.push(starts_between(&self.shape, col(BEFORE), self.start.clone()).alias(AT));
        let shown =
            looked.project(columns)?.unnest_columns_with_options(vec![Column::new_unqualified(AT)], Default::default())?;
        let named = self.select.expr.iter().zip(self.select.schema.iter()).zip(&self.fills).enumerate();
        let result = named.map(|(index, ((expr, (qualifier, field)), fill))| {
            let shown = match fill {
                Some(fill) => self.shown(index, fill)?,
                None => self.in_window(expr.clone().unalias())?,
            };
            Ok(shown.alias_qualified(qualifier.cloned(), field.name()))
        });
        shown.project(result.collect::<Result<Vec<_>>>()?)?.build()
    }

    /// What `expr` is in the last window of the key.
    fn before(&self, expr: Expr) -> Result<Expr> {
        lag(expr, Some(1), None).partition_by(self.keys.clone()).order_by(vec![self.start.clone().sort(true, false)]).build()
    }

    /// The value of a column in a window with rows or without.
    fn shown(&self, index: usize, fill: &Fill) -> Result<Expr> {
        let value = col(value(index));
        let empty = match fill {
            Fill::Next => return Ok(value),
            Fill::Constant(constant) => lit(constant.clone()),
            Fill::Previous => col(last(index)),
            Fill::Linear => on_line([col(last(index)), value.clone()], [col(BEFORE), self.start.clone()], col(AT)),
        };
        when(col(AT).eq(self.start.clone()), value).otherwise(empty)
    }

    /// An expression without aggregates, of the window that is shown.
    fn in_window(&self, expr: Expr) -> Result<Expr> {
        let replaced = expr.transform_up(|part| {
            Ok(match &part {
                start if *start == self.start => Transformed::yes(col(AT)),
                end if Some(end) == self.end.as_ref() => Transformed::yes(end_of_window(&self.shape, col(AT))),
                _ => Transformed::no(part),
            })
        })?;
        Ok(replaced.data)
    }
}

fn value(index: usize) -> String {
    format!("__fill_value_{index}")
}

fn last(index: usize) -> String {
    format!("__fill_last_{index}")
}

const WINDOW_HINT: &str = "write GROUP BY TUMBLE(ts, …), or window_start and window_end of a window in FROM";

fn without_window(aggregate: &Aggregate) -> &'static str {
    match aggregate.group_expr.as_slice() {
        [Expr::GroupingSet(_)] => "FILL with GROUPING SETS, ROLLUP or CUBE is not built yet",
        _ => "FILL stands in a SELECT that does not group by a window and its start",
    }
}

/// The aggregate of which `plan` has the columns.
fn aggregate_below(plan: &LogicalPlan) -> Option<&Aggregate> {
    match plan {
        LogicalPlan::Aggregate(aggregate) => Some(aggregate),
        LogicalPlan::Filter(filter) => aggregate_below(&filter.input),
        // What gives the bounds of windows their names back.
        LogicalPlan::Projection(projection) => {
            let aggregate = aggregate_below(&projection.input)?;
            let is_same = |(index, expr): (usize, &Expr)| match expr.clone().unalias() {
                Expr::Column(column) => projection.input.schema().maybe_index_of_column(&column) == Some(index),
                _ => false,
            };
            projection.expr.iter().enumerate().all(is_same).then_some(aggregate)
        }
        _ => None,
    }
}

fn shape_of(aggregate: &Aggregate, clause: &FillClause) -> Result<WindowShape> {
    match window_below(&aggregate.input).map(|window| &window.call) {
        Some(WindowCall::Panes(shape)) if !matches!(shape.kind, WindowKind::Cumulating { .. }) => Ok(shape.clone()),
        Some(WindowCall::Session { .. }) => Err(refused(
            clause,
            "FILL has no meaning for sessions: there are none between two of a key",
            "group by TUMBLE or HOP",
        )),
        _ => Err(refused(clause, "FILL of cumulating windows is not built yet", "group by TUMBLE or HOP")),
    }
}

/// What the clause says of each column; `has_values` tells which ones have aggregates.
fn fills_of(select: &Projection, has_values: &[bool], clause: &FillClause, state: &SessionState) -> Result<Vec<Option<Fill>>> {
    if has_values.iter().skip(clause.columns).any(|has| *has) {
        let hint = "put the aggregate into the SELECT list, and order by its name";
        return Err(refused(clause, "ORDER BY an aggregate that FILL gives no value to", hint));
    }
    let count = has_values.iter().filter(|has| **has).count();
    if clause.values.len() > 1 && clause.values.len() != count {
        let message = format!("FILL has {} values, but the SELECT has {count} columns with aggregates", clause.values.len());
        return Err(refused(clause, message, "write one value for all of them, or one for each in their order"));
    }
    let mut said = clause.values.iter().cycle();
    let fill = |(index, has): (usize, &bool)| {
        if !has {
            return Ok(None);
        }
        let Some((kind, value)) = said.next() else { return Ok(None) };
        let field = select.schema.field(index);
        match kind {
            FillKind::Previous => Ok(Some(Fill::Previous)),
            FillKind::Next => Ok(Some(Fill::Next)),
            FillKind::Linear if has_line(field.data_type()) => Ok(Some(Fill::Linear)),
            FillKind::Linear => {
                let message =
                    format!("FILL (LINEAR) needs numbers, but column '{}' is {}", field.name(), type_name(field.data_type()));
                Err(refused(clause, message, "write PREVIOUS, NEXT, NULL or a value for it: one for each column"))
            }
            FillKind::Value => constant(value, field.data_type(), clause, state).map(|value| Some(Fill::Constant(value))),
        }
    };
    has_values.iter().enumerate().map(fill).collect()
}

/// The value of a constant at the type of its column.
fn constant(expr: &Expr, data_type: &DataType, clause: &FillClause, state: &SessionState) -> Result<ScalarValue> {
    let value = match expr {
        Expr::Literal(value, _) => value.clone(),
        other if other.any_column_refs() || other.is_volatile() => {
            return Err(refused(
                clause,
                format!("FILL by {other}, which is no constant"),
                "write a constant, PREVIOUS, NEXT or LINEAR",
            ));
        }
        other => evaluated(other, state)?,
    };
    match fitted(&value, data_type) {
        Some(value) => Ok(value),
        None => {
            let shown = array_value_to_string(&value.to_array()?, 0)?;
            let message = format!("the value {shown} of FILL is no {}", type_name(data_type));
            Err(refused(clause, message, "write a value of the column's type, or CAST the column"))
        }
    }
}

fn evaluated(expr: &Expr, state: &SessionState) -> Result<ScalarValue> {
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let row = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options)?;
    let planning = PhysicalPlanningContext::default();
    let physical = create_physical_expr(expr, &DFSchema::empty(), state.execution_props(), &planning)?;
    ScalarValue::try_from_array(&physical.evaluate(&row)?.into_array(1)?, 0)
}

/// `value` in another type, if it is the same there. A text is read.
fn fitted(value: &ScalarValue, data_type: &DataType) -> Option<ScalarValue> {
    if value.is_null() {
        return ScalarValue::try_from(data_type).ok();
    }
    let converted = value.cast_to(data_type).ok().filter(|converted| !converted.is_null())?;
    let is_same = value.data_type().is_string() || converted.cast_to(&value.data_type()).ok().as_ref() == Some(value);
    is_same.then_some(converted)
}

fn refused(clause: &FillClause, message: impl Into<String>, hint: &str) -> DataFusionError {
    let message: String = message.into();
    let code = if message.ends_with("not built yet") { Code::NotSupported } else { Code::InvalidWindow };
    DataFusionError::External(Box::new(Error::new(code, message).with_hint(hint).at(clause.span)))
}
