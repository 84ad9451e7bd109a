//! OVER: a node for each PARTITION BY … ORDER BY. Where only the first rows of each partition are asked for, others are not numbered.

use std::sync::Arc;

use arrow_schema::{DataType, Schema};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{Sort, WindowFunction};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator, Window};
use laminar_core::dag::{NodeKind, OverCall, OverFunction, OverSpec, TopNSpec};
use laminar_core::expr::SortKey;
use laminar_core::{Error, Result};

use super::key_columns::KeyColumns;
use super::{Lowered, Lowering, edge_schema, repeated_column};
use crate::expr::{over_function, tells_time};
use crate::plan::{PlanVersion, exclusion_of_key};

/// Calls over the same partitions in the same order.
struct Group {
    partition: Vec<usize>,
    order: Vec<SortKey>,
    calls: Vec<usize>,
}

/// How many rows of each partition are asked for.
#[derive(Debug, Clone, Copy)]
struct First {
    limit: i64,
    with_ties: bool,
}

impl Lowering {
    pub(super) fn window(&mut self, window: &Window) -> Result<Lowered> {
        let joined = with_windows_below(window)?;
        self.over(joined.as_ref().unwrap_or(window), None)
    }

    /// The rows of `window` for which `predicate` may be true.
    pub(super) fn first_of_window(&mut self, window: &Window, predicate: &Expr) -> Result<Lowered> {
        let joined = with_windows_below(window)?;
        let window = joined.as_ref().unwrap_or(window);
        self.over(window, first_asked_for(window, predicate))
    }

    /// The rows of the input of `window` for which `predicate` may be true, with what else it asks of them; `None` if it, or one of `shown`, needs the
    /// results of `window`.
    pub(super) fn first_without_numbers(
        &mut self,
        window: &Window,
        shown: &[Expr],
        predicate: &Expr,
    ) -> Result<Option<(Lowered, Option<Expr>)>> {
        let [call] = window.window_expr.as_slice() else { return Ok(None) };
        let (exact, rest): (Vec<&Expr>, Vec<&Expr>) =
            split_conjunction(predicate).into_iter().partition(|condition| is_exact(condition, window));
        let needs_number = shown.iter().chain(rest.iter().copied()).any(|expr| reads_result(expr, window));
        let Some(first) = first_asked_for(window, predicate).filter(|_| !exact.is_empty() && !needs_number) else {
            return Ok(None);
        };
        if rest.iter().any(|condition| tells_time(condition)) {
            return Ok(None);
        }
        let below = self.plan(&window.input)?;
        let width = below.edge.schema.fields().len();
        let mut keys = KeyColumns::new(window.input.schema());
        let mut groups = groups(&[call_of(call)?], &mut keys);
        let Some(Group { partition, order, .. }) = groups.pop() else { return Ok(None) };
        let keyed = self.with_keys(below, &keys)?;
        let spec = TopNSpec { partition, order, offset: 0, limit: first.limit, with_ties: first.with_ties, row_number: None };
        let first = self.first(&keyed, spec);
        let schema = edge_schema(window.input.schema());
        Ok(Some((self.picked(first, &(0..width).collect::<Vec<_>>(), schema), conjunction(rest.into_iter().cloned()))))
    }

    fn over(&mut self, window: &Window, first: Option<First>) -> Result<Lowered> {
        let below = self.plan(&window.input)?;
        let width = below.edge.schema.fields().len();
        let calls = window.window_expr.iter().map(call_of).collect::<Result<Vec<_>>>()?;
        let mut keys = KeyColumns::new(window.input.schema());
        let groups = groups(&calls, &mut keys);
        let mut node = self.with_keys(below, &keys)?;
        let keyed = node.edge.schema.clone();
        let mut places = vec![0; calls.len()];
        for group in &groups {
            // What was added before is no key and changes no partition.
            if let Some(First { limit, with_ties }) = first.filter(|_| groups.len() == 1) {
                let (partition, order) = (group.partition.clone(), group.order.clone());
                let row_number = self.row_number_column(window);
                let is_numbered = row_number.is_some();
                node = self.first(&node, TopNSpec { partition, order, offset: 0, limit, with_ties, row_number });
                if is_numbered {
                    places[0] = node.edge.schema.fields().len() - 1;
                    continue;
                }
            }
            let over = group.calls.iter().map(|call| {
                places[*call] = node.edge.schema.fields().len() + group.calls.iter().take_while(|other| *other != call).count();
                let field = window.schema.field(width + call);
                let function = over_function(calls[*call], window.input.schema(), &keyed, &group.order)?;
                Ok(OverCall { function, data_type: field.data_type().clone(), name: field.name().clone() })
            });
            let spec =
                OverSpec { calls: over.collect::<Result<_>>()?, partition: group.partition.clone(), order: group.order.clone() };
            node = self.with_results(&node, spec);
        }
        let columns: Vec<usize> = (0..width).chain(places).collect();
        Ok(self.picked(node, &columns, edge_schema(&window.schema)))
    }

    /// The name of the result of `window`, if it is the number of each of the first rows, which who finds them knows.
    fn row_number_column(&self, window: &Window) -> Option<String> {
        let [call] = window.window_expr.as_slice() else { return None };
        let field = window.schema.field(window.input.schema().fields().len());
        let is_number = call_of(call).is_ok_and(|call| call.fun.name() == "row_number");
        let has_column = is_number && field.data_type() == &DataType::Int64;
        (has_column && self.version >= PlanVersion::Current).then(|| field.name().clone())
    }

    fn with_results(&mut self, below: &Lowered, spec: OverSpec) -> Lowered {
        let results = spec.calls.iter().map(|call| {
            let nullable = !matches!(call.function, OverFunction::RowNumber | OverFunction::Rank | OverFunction::DenseRank);
            Arc::new(arrow_schema::Field::new(&call.name, call.data_type.clone(), nullable))
        });
        let schema = Arc::new(Schema::new(below.edge.schema.fields().iter().cloned().chain(results).collect::<Vec<_>>()));
        self.add(NodeKind::Over(spec), &[below], schema)
    }
}

fn call_of(expr: &Expr) -> Result<&WindowFunction> {
    match expr {
        Expr::Alias(alias) => call_of(&alias.expr),
        Expr::WindowFunction(call) => Ok(call),
        other => Err(Error::internal(format!("{other} is not a call with OVER"))),
    }
}

/// `window` with the calls of all below it of which it reads no results, if two of them have the same partitions in the same order and were kept apart by
/// what a frame excludes. Such calls then tell equal rows apart alike, as PostgreSQL promises.
fn with_windows_below(window: &Window) -> Result<Option<Window>> {
    let mut windows = vec![window];
    while let Some(last) = windows.last()
        && let LogicalPlan::Window(below) = last.input.as_ref()
        && !windows.iter().flat_map(|window| &window.window_expr).any(|call| reads_result(call, below))
    {
        windows.push(below);
    }
    let rows = |window: &&Window| -> Result<Vec<(Vec<Expr>, Vec<Sort>)>> {
        let calls = window.window_expr.iter().map(call_of).collect::<Result<Vec<_>>>()?;
        let own = |call: &WindowFunction| {
            call.params.partition_by.iter().filter(|key| exclusion_of_key(key).is_none()).cloned().collect()
        };
        Ok(calls.into_iter().map(|call| (own(call), call.params.order_by.clone())).collect())
    };
    let rows = windows.iter().map(rows).collect::<Result<Vec<_>>>()?;
    let is_shared = |(number, own): (usize, &Vec<(Vec<Expr>, Vec<Sort>)>)| {
        own.iter().any(|rows_of_call| rows[..number].iter().flatten().any(|other| other == rows_of_call))
    };
    if !rows.iter().enumerate().any(is_shared) {
        return Ok(None);
    }
    let calls = windows.iter().rev().flat_map(|window| window.window_expr.clone()).collect();
    let input = windows.last().map_or(&window.input, |last| &last.input);
    Ok(Some(Window::try_new(calls, Arc::clone(input)).map_err(|error| Error::internal(error.to_string()))?))
}

fn groups(calls: &[&WindowFunction], keys: &mut KeyColumns<'_>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (index, call) in calls.iter().enumerate() {
        let own = call.params.partition_by.iter().filter(|key| exclusion_of_key(key).is_none());
        let partition: Vec<usize> = own.map(|key| keys.column(key)).collect();
        let order: Vec<SortKey> = call.params.order_by.iter().map(|key| keys.sort_key(key)).collect();
        match groups.iter_mut().find(|group| group.partition == partition && group.order == order) {
            Some(group) => group.calls.push(index),
            None => groups.push(Group { partition, order, calls: vec![index] }),
        }
    }
    groups
}

/// How many rows of each partition `predicate` asks for, if all results of `window` for these rows depend on no other rows.
fn first_asked_for(window: &Window, predicate: &Expr) -> Option<First> {
    let calls: Vec<&WindowFunction> = window.window_expr.iter().map(call_of).collect::<Result<_>>().ok()?;
    let is_number = |call: &&WindowFunction| matches!(call.fun.name(), "row_number" | "rank" | "dense_rank");
    let (first, others) = calls.split_first()?;
    let alike = |call: &&WindowFunction| {
        call.params.partition_by == first.params.partition_by && call.params.order_by == first.params.order_by
    };
    if !calls.iter().all(is_number) || !others.iter().all(alike) {
        return None;
    }
    let width = window.input.schema().fields().len();
    let asked = split_conjunction(predicate).into_iter().filter_map(|condition| {
        let (column, limit) = upper_bound(condition, window)?;
        let name = calls.get(column.checked_sub(width)?)?.fun.name();
        (name != "dense_rank").then_some(First { limit: limit.max(0), with_ties: name == "rank" })
    });
    asked.min_by_key(|first| (first.limit, first.with_ties))
}

/// Whether a condition holds for the first rows of each partition, so many as it says, and for no others.
fn is_exact(condition: &Expr, window: &Window) -> bool {
    let is_equality = matches!(condition, Expr::BinaryExpr(BinaryExpr { op: Operator::Eq, .. }));
    let width = window.input.schema().fields().len();
    upper_bound(condition, window).is_some_and(|(column, limit)| column >= width && (!is_equality || limit == 1))
}

/// Whether an expression over the columns of `window` reads a result of it.
fn reads_result(expr: &Expr, window: &Window) -> bool {
    let width = window.input.schema().fields().len();
    expr.column_refs().into_iter().any(|column| window.schema.maybe_index_of_column(column).is_none_or(|index| index >= width))
}

/// The column that a condition keeps from being greater than a number.
fn upper_bound(condition: &Expr, window: &Window) -> Option<(usize, i64)> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = condition else { return None };
    let column = |expr: &Expr| repeated_column(without_casts(expr), &window.schema);
    let (column, op, bound) = match (column(left), column(right)) {
        (Some(column), None) => (column, *op, whole(right)?),
        (None, Some(column)) => (column, op.swap()?, whole(left)?),
        _ => return None,
    };
    match op {
        Operator::Eq | Operator::LtEq => Some((column, bound)),
        Operator::Lt => Some((column, bound.saturating_sub(1))),
        _ => None,
    }
}

/// A number in another type is the same number.
fn without_casts(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => without_casts(&alias.expr),
        Expr::Cast(cast) if cast.field.data_type().is_numeric() => without_casts(&cast.expr),
        Expr::ScalarFunction(call) if call.args.len() == 1 && call.name().starts_with("__cast") => without_casts(&call.args[0]),
        other => other,
    }
}

fn whole(expr: &Expr) -> Option<i64> {
    let Expr::Literal(value, _) = expr else { return None };
    if !value.data_type().is_integer() && !matches!(value.data_type(), DataType::Decimal128(_, 0)) {
        return None;
    }
    match value.cast_to(&DataType::Int64).ok()? {
        ScalarValue::Int64(value) => value,
        _ => None,
    }
}
