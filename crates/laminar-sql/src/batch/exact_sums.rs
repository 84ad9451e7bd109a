//! Sums and averages of whole numbers and decimals that are exact, or an error: DataFusion's wrap around or lose digits.

use arrow_schema::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result};
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunction};
use datafusion::logical_expr::{
    Aggregate, Cast, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Window, WindowFunctionDefinition,
};

use crate::semantics::cast;

/// Makes every sum of `plan` add wide numbers and convert the result.
pub(super) fn exact_sums(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Aggregate(aggregate) => in_aggregate(aggregate),
        LogicalPlan::Window(window) => in_window(window),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(plan.data)
}

/// The type in which values of `argument` are added without loss, if DataFusion's sum would not be exact.
fn wide(argument: &DataType) -> Option<DataType> {
    const LONGEST: u8 = 76;
    match argument {
        DataType::Int64 | DataType::UInt64 => Some(DataType::Decimal128(38, 0)),
        DataType::Decimal128(_, scale) => Some(DataType::Decimal256(LONGEST, *scale)),
        _ => None,
    }
}

fn in_aggregate(aggregate: Aggregate) -> Result<Transformed<LogicalPlan>> {
    let schema = aggregate.input.schema().clone();
    let calls: Vec<Option<Expr>> = aggregate.aggr_expr.iter().map(|call| widened(call, &schema)).collect::<Result<_>>()?;
    if calls.iter().all(Option::is_none) {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
    }
    let groups = aggregate.schema.fields().len() - calls.len();
    let changed: Vec<bool> = calls.iter().map(Option::is_some).collect();
    let calls = calls.into_iter().zip(&aggregate.aggr_expr).enumerate().map(|(position, (widened, call))| match widened {
        Some(widened) => widened.alias(format!("__wide_{position}")),
        None => call.clone(),
    });
    let below = Aggregate::try_new(aggregate.input, aggregate.group_expr, calls.collect())?;
    let below = LogicalPlan::Aggregate(below);
    converted(below, &aggregate.schema, |column| column.checked_sub(groups).is_some_and(|call| changed[call]))
}

fn in_window(window: Window) -> Result<Transformed<LogicalPlan>> {
    let schema = window.input.schema().clone();
    let calls: Vec<Option<Expr>> = window.window_expr.iter().map(|call| widened(call, &schema)).collect::<Result<_>>()?;
    if calls.iter().all(Option::is_none) {
        return Ok(Transformed::no(LogicalPlan::Window(window)));
    }
    let kept = window.schema.fields().len() - calls.len();
    let changed: Vec<bool> = calls.iter().map(Option::is_some).collect();
    let calls = calls.into_iter().zip(&window.window_expr).map(|(widened, call)| widened.unwrap_or_else(|| call.clone()));
    let below = LogicalPlan::Window(Window::try_new(calls.collect(), window.input)?);
    converted(below, &window.schema, |column| column.checked_sub(kept).is_some_and(|call| changed[call]))
}

/// The columns of `below` under the names and at the types that `schema` has.
fn converted(
    below: LogicalPlan,
    schema: &datafusion::common::DFSchema,
    is_wide: impl Fn(usize) -> bool,
) -> Result<Transformed<LogicalPlan>> {
    let exprs = (0..schema.fields().len()).map(|index| {
        let column = Expr::Column(Column::from(below.schema().qualified_field(index)));
        let (qualifier, field) = schema.qualified_field(index);
        if !is_wide(index) {
            return column;
        }
        cast::narrowed(column, below.schema().field(index).data_type(), field.data_type())
            .alias_qualified(qualifier.cloned(), field.name())
    });
    let exprs: Vec<Expr> = exprs.collect();
    LogicalPlanBuilder::from(below).project(exprs)?.build().map(Transformed::yes)
}

/// A sum with its argument widened; `None` if the call is no sum or is exact as it is.
fn widened(call: &Expr, schema: &datafusion::common::DFSchema) -> Result<Option<Expr>> {
    let widen = |args: &[Expr]| -> Result<Option<Vec<Expr>>> {
        let [arg] = args else { return Ok(None) };
        let Some(target) = wide(&arg.get_type(schema)?) else { return Ok(None) };
        Ok(Some(vec![Expr::Cast(Cast::new(Box::new(arg.clone()), target))]))
    };
    Ok(match call {
        Expr::Alias(alias) => widened(&alias.expr, schema)?,
        Expr::AggregateFunction(sum) if sum.func.name() == "sum" => widen(&sum.params.args)?.map(|args| {
            let mut params = sum.params.clone();
            params.args = args;
            Expr::AggregateFunction(AggregateFunction { func: sum.func.clone(), params })
        }),
        Expr::WindowFunction(over) if is_sum(&over.fun) => widen(&over.params.args)?.map(|args| {
            let mut params = over.params.clone();
            params.args = args;
            Expr::WindowFunction(Box::new(WindowFunction { fun: over.fun.clone(), params }))
        }),
        _ => None,
    })
}

fn is_sum(function: &WindowFunctionDefinition) -> bool {
    matches!(function, WindowFunctionDefinition::AggregateUDF(sum) if sum.name() == "sum")
}
