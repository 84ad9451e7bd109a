//! The rule that makes `avg` of DECIMAL the quotient of a sum and a count, which is rounded and has enough digits.

use std::sync::Arc;

use arrow_schema::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result};
use datafusion::config::ConfigOptions;
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Aggregate, AggregateUDF, Expr, ExprSchemable, LogicalPlan, Projection};
use datafusion::optimizer::AnalyzerRule;

/// Runs first: the coercion of types that follows sees a quotient as it sees all others.
#[derive(Debug, Default)]
pub(crate) struct AverageRule;

impl AnalyzerRule for AverageRule {
    fn name(&self) -> &str {
        "exact_averages"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let plan = plan.transform_up_with_subqueries(|node| match node {
            LogicalPlan::Aggregate(aggregate) if aggregate.aggr_expr.iter().any(|call| is_average(call, &aggregate)) => {
                split(aggregate).map(Transformed::yes)
            }
            other => Ok(Transformed::no(other)),
        })?;
        Ok(plan.data)
    }
}

fn is_average(call: &Expr, aggregate: &Aggregate) -> bool {
    average(call).is_some_and(|call| {
        let argument = call.params.args.first().and_then(|arg| arg.get_type(aggregate.input.schema()).ok());
        matches!(argument, Some(DataType::Decimal128(..)))
    })
}

/// The call of `avg` that `expr` is, perhaps under another name.
fn average(expr: &Expr) -> Option<&AggregateFunction> {
    match expr {
        Expr::Alias(alias) => average(&alias.expr),
        Expr::AggregateFunction(call) if call.func.name() == "avg" => Some(call),
        _ => None,
    }
}

/// The aggregate with sums and counts in place of averages, and their quotients above it under the averages' names.
fn split(aggregate: Aggregate) -> Result<LogicalPlan> {
    let groups = aggregate.schema.fields().len() - aggregate.aggr_expr.len();
    let mut calls = Vec::with_capacity(aggregate.aggr_expr.len());
    let mut halves = Vec::with_capacity(aggregate.aggr_expr.len());
    for call in &aggregate.aggr_expr {
        match average(call).filter(|_| is_average(call, &aggregate)) {
            Some(average) => {
                let position = calls.len();
                calls.push(with_function(average, sum_udaf()).alias(format!("__sum_{position}")));
                calls.push(with_function(average, count_udaf()).alias(format!("__count_{position}")));
                halves.push((position, true));
            }
            None => {
                halves.push((calls.len(), false));
                calls.push(call.clone());
            }
        }
    }
    let below = Aggregate::try_new(aggregate.input.clone(), aggregate.group_expr.clone(), calls)?;
    let column = |index: usize| Expr::Column(Column::from(below.schema.qualified_field(index)));
    // What tells grouping sets apart is the aggregate's own, and gone when GROUPING is a column.
    let is_key = |index: &usize| below.schema.field(*index).name() != Aggregate::INTERNAL_GROUPING_ID;
    let mut exprs: Vec<Expr> = (0..groups).filter(is_key).map(column).collect();
    for (call, (position, is_average)) in halves.into_iter().enumerate() {
        let (qualifier, field) = aggregate.schema.qualified_field(groups + call);
        let (first, second) = (column(groups + position), groups + position + 1);
        exprs.push(if is_average { (first / column(second)).alias_qualified(qualifier.cloned(), field.name()) } else { first });
    }
    Projection::try_new(exprs, Arc::new(LogicalPlan::Aggregate(below))).map(LogicalPlan::Projection)
}

fn with_function(average: &AggregateFunction, func: Arc<AggregateUDF>) -> Expr {
    Expr::AggregateFunction(AggregateFunction { func, params: average.params.clone() })
}
