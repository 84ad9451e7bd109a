//! Frames with EXCLUDE over stored rows: a function over windows that looks at the rows of its frame without those that it excludes.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_ord::partition::partition;
use arrow_schema::{DataType, Field, FieldRef, Schema};
use arrow_select::filter::filter;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result, ScalarValue, exec_err};
use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::function::{AccumulatorArgs, PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{
    AggregateUDF, Expr, LogicalPlan, LogicalPlanBuilder, PartitionEvaluator, Signature, Volatility, Window,
    WindowFunctionDefinition, WindowUDF, WindowUDFImpl,
};
use datafusion::physical_expr::PhysicalExpr;
use laminar_core::dag::Exclude;

use super::shifts::{skipping, skips_nulls};
use crate::plan::{exclusion_of, exclusion_of_key};

/// Makes every call of `plan` whose frame excludes rows one that does, and every `lag` and `lead` that skips NULLs.
pub(super) fn exclude(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Window(window) => in_window(window),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(plan.data)
}

fn in_window(window: Window) -> Result<Transformed<LogicalPlan>> {
    let excludes = |call: &Expr| match call.clone().unalias() {
        Expr::WindowFunction(call) => {
            skips_nulls(&call) || call.params.partition_by.iter().any(|key| exclusion_of_key(key).is_some())
        }
        _ => false,
    };
    if !window.window_expr.iter().any(excludes) {
        return Ok(Transformed::no(LogicalPlan::Window(window)));
    }
    let calls: Vec<Expr> = window.window_expr.iter().map(|call| excluding(call.clone().unalias())).collect();
    let below = LogicalPlanBuilder::window_plan(window.input.as_ref().clone(), calls.clone())?;
    let width = window.input.schema().fields().len();
    let named = (0..window.schema.fields().len()).map(|index| {
        let (qualifier, field) = window.schema.qualified_field(index);
        match index.checked_sub(width) {
            None => Expr::Column(Column::from((qualifier, field))),
            Some(call) => Expr::Column(Column::new_unqualified(calls[call].schema_name().to_string()))
                .alias_qualified(qualifier.cloned(), field.name()),
        }
    });
    let named: Vec<Expr> = named.collect();
    LogicalPlanBuilder::from(below).project(named)?.build().map(Transformed::yes)
}

/// The call without what stands for its exclusion, by a function that knows it, unless the frame means nothing to it.
fn excluding(call: Expr) -> Expr {
    let Expr::WindowFunction(mut call) = call else { return call };
    let exclude = exclusion_of(&call.params.partition_by);
    call.params.partition_by.retain(|key| exclusion_of_key(key).is_none());
    if skips_nulls(&call) {
        return skipping(*call);
    }
    if exclude == Exclude::NoOthers {
        return Expr::WindowFunction(call);
    }
    let WindowFunction { fun, params } = *call;
    let WindowFunctionParams { mut args, filter, distinct, .. } = params.clone();
    let inner = match &fun {
        WindowFunctionDefinition::AggregateUDF(function) => Inner::Aggregate { function: function.clone(), distinct },
        WindowFunctionDefinition::WindowUDF(function) => match function.name() {
            "first_value" => Inner::First,
            "last_value" => Inner::Last,
            "nth_value" => Inner::Nth,
            _ => return Expr::WindowFunction(Box::new(WindowFunction { fun, params })),
        },
    };
    let has_filter = filter.is_some();
    args.extend(filter.map(|filter| *filter));
    let name = format!("{}_without_{exclude:?}", fun.name()).to_lowercase();
    let signature = Signature::variadic_any(Volatility::Immutable);
    let function = WindowUDF::new_from_impl(Excluding { name, inner, has_filter, exclude, signature });
    let params = WindowFunctionParams { args, filter: None, distinct: false, ..params };
    Expr::WindowFunction(Box::new(WindowFunction { fun: WindowFunctionDefinition::WindowUDF(Arc::new(function)), params }))
}

/// What is computed of the rows that are left.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Inner {
    Aggregate { function: Arc<AggregateUDF>, distinct: bool },
    First,
    Last,
    Nth,
}

/// A function over the rows of a frame without some. Behind its arguments stands the condition of its FILTER, if it has one.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Excluding {
    name: String,
    inner: Inner,
    has_filter: bool,
    exclude: Exclude,
    signature: Signature,
}

impl Excluding {
    fn own<'a, T>(&self, args: &'a [T]) -> &'a [T] {
        &args[..args.len() - usize::from(self.has_filter)]
    }
}

impl WindowUDFImpl for Excluding {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn field(&self, args: WindowUDFFieldArgs<'_>) -> Result<FieldRef> {
        let fields = self.own(args.input_fields());
        let data_type = match &self.inner {
            Inner::Aggregate { function, .. } => function.return_field(fields)?.data_type().clone(),
            Inner::First | Inner::Last | Inner::Nth => fields[0].data_type().clone(),
        };
        Ok(Arc::new(Field::new(args.name(), data_type, true)))
    }

    fn partition_evaluator(&self, args: PartitionEvaluatorArgs<'_>) -> Result<Box<dyn PartitionEvaluator>> {
        let fields = self.own(args.input_fields()).to_vec();
        let pick = match &self.inner {
            Inner::Aggregate { function, distinct } => Compute::Aggregate(Aggregated {
                function: function.clone(),
                distinct: *distinct,
                ignore_nulls: args.ignore_nulls(),
                return_field: function.return_field(&fields)?,
                exprs: self.own(args.input_exprs()).to_vec(),
                schema: Schema::new(fields.clone()),
            }),
            Inner::First => Compute::Picked(Pick::First, args.ignore_nulls()),
            Inner::Last => Compute::Picked(Pick::Last, args.ignore_nulls()),
            Inner::Nth => Compute::Picked(Pick::Nth, args.ignore_nulls()),
        };
        let (args, has_filter, exclude) = (fields.len(), self.has_filter, self.exclude);
        Ok(Box::new(Evaluator { compute: pick, fields, args, has_filter, exclude, row: 0, peers: None, last: None }))
    }
}

#[derive(Debug)]
enum Compute {
    Aggregate(Aggregated),
    Picked(Pick, bool),
}

#[derive(Debug, Clone, Copy)]
enum Pick {
    First,
    Last,
    Nth,
}

#[derive(Debug)]
struct Aggregated {
    function: Arc<AggregateUDF>,
    distinct: bool,
    ignore_nulls: bool,
    return_field: FieldRef,
    exprs: Vec<Arc<dyn PhysicalExpr>>,
    schema: Schema,
}

/// One partition, row by row.
#[derive(Debug)]
struct Evaluator {
    compute: Compute,
    fields: Vec<FieldRef>,
    args: usize,
    has_filter: bool,
    exclude: Exclude,
    /// The row that is asked for next: DataFusion goes from the first to the last.
    row: usize,
    /// The groups of peers, by their first rows.
    peers: Option<Vec<Range<usize>>>,
    /// The rows that were left for the last row, and its result.
    last: Option<(Vec<Range<usize>>, ScalarValue)>,
}

impl Evaluator {
    /// The rows of `frame` that the current row sees, in runs.
    fn seen(&mut self, values: &[ArrayRef], frame: &Range<usize>) -> Result<Vec<Range<usize>>> {
        let row = self.row;
        let peers = match self.exclude {
            Exclude::NoOthers => return Ok(std::iter::once(frame.clone()).filter(|frame| !frame.is_empty()).collect()),
            Exclude::CurrentRow => row..row + 1,
            Exclude::Group | Exclude::Ties => self.peers_of(values, row)?,
        };
        let mut runs = vec![frame.start..frame.end.min(peers.start)];
        if matches!(self.exclude, Exclude::Ties) && frame.contains(&row) {
            runs.push(row..row + 1);
        }
        runs.push(frame.start.max(peers.end)..frame.end);
        runs.retain(|run| !run.is_empty());
        Ok(runs)
    }

    fn peers_of(&mut self, values: &[ArrayRef], row: usize) -> Result<Range<usize>> {
        if self.peers.is_none() {
            // Behind the arguments stand the keys of ORDER BY.
            let keys = &values[self.args + usize::from(self.has_filter)..];
            let rows = values.first().map_or(0, |column| column.len());
            let groups = if keys.is_empty() { std::iter::once(0..rows).collect() } else { partition(keys)?.ranges() };
            self.peers = Some(groups);
        }
        let groups = self.peers.as_deref().unwrap_or_default();
        let at = groups.partition_point(|group| group.end <= row);
        Ok(groups.get(at).cloned().unwrap_or(row..row + 1))
    }

    fn result(&self, values: &[ArrayRef], runs: &[Range<usize>]) -> Result<ScalarValue> {
        match &self.compute {
            Compute::Aggregate(aggregated) => {
                let mut accumulator = aggregated.function.accumulator(AccumulatorArgs {
                    return_field: aggregated.return_field.clone(),
                    schema: &aggregated.schema,
                    expr_fields: &self.fields,
                    ignore_nulls: aggregated.ignore_nulls,
                    order_bys: &[],
                    is_reversed: false,
                    name: aggregated.function.name(),
                    is_distinct: aggregated.distinct,
                    exprs: &aggregated.exprs,
                })?;
                for run in runs {
                    accumulator.update_batch(&self.slices(values, run)?)?;
                }
                accumulator.evaluate()
            }
            Compute::Picked(pick, ignore_nulls) => self.picked(values, runs, *pick, *ignore_nulls),
        }
    }

    /// The arguments of the rows of a run that pass the FILTER.
    fn slices(&self, values: &[ArrayRef], run: &Range<usize>) -> Result<Vec<ArrayRef>> {
        let slice = |column: &ArrayRef| column.slice(run.start, run.len());
        let args = values[..self.args].iter().map(slice);
        if !self.has_filter {
            return Ok(args.collect());
        }
        let condition = slice(&values[self.args]);
        let passes: BooleanArray = condition.as_boolean().iter().map(|passes| Some(passes == Some(true))).collect();
        Ok(args.map(|column| filter(&column, &passes)).collect::<Result<_, _>>()?)
    }

    fn picked(&self, values: &[ArrayRef], runs: &[Range<usize>], pick: Pick, ignore_nulls: bool) -> Result<ScalarValue> {
        let column = &values[0];
        let mut rows = runs.iter().cloned().flatten().filter(|row| !ignore_nulls || column.is_valid(*row));
        let row = match pick {
            Pick::First => rows.next(),
            Pick::Last => rows.last(),
            Pick::Nth => {
                let number = ScalarValue::try_from_array(&values[1], self.row)?.cast_to(&DataType::Int64)?;
                match number {
                    ScalarValue::Int64(Some(number)) if number > 0 => rows.nth(number as usize - 1),
                    other => return exec_err!("nth_value() counts from 1, not from {other}"),
                }
            }
        };
        match row {
            Some(row) => ScalarValue::try_from_array(column, row),
            None => ScalarValue::try_from(column.data_type()),
        }
    }
}

impl PartitionEvaluator for Evaluator {
    fn evaluate(&mut self, values: &[ArrayRef], range: &Range<usize>) -> Result<ScalarValue> {
        let runs = self.seen(values, range)?;
        let is_aggregate = matches!(self.compute, Compute::Aggregate(_));
        let result = match &self.last {
            Some((last, result)) if is_aggregate && *last == runs => result.clone(),
            _ => self.result(values, &runs)?,
        };
        self.last = Some((runs, result.clone()));
        self.row += 1;
        Ok(result)
    }

    fn uses_window_frame(&self) -> bool {
        true
    }
}
