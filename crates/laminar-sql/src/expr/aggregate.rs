//! A SELECT list's aggregate as core's [`AggregateCall`]: one of core's own functions, or a bridge to DataFusion's.

use std::sync::Arc;

use arrow_schema::{DataType, Schema};
use datafusion::common::DFSchema;
use datafusion::functions_aggregate::first_last::{first_value_udaf, last_value_udaf};
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams, NullTreatment};
use datafusion::logical_expr::{AggregateUDF, Expr};
use laminar_core::expr::ExprRef;
use laminar_core::operator::aggregate::{self, AggregateCall, SortDirection};
use laminar_core::{Code, Error, Result};

use super::bridge::bridged;
use super::scalar;

/// The call that `expr` (perhaps under an alias) makes over rows of `schema`. `time` is the event-time column that orders
/// `first_value` and `last_value` when the query does not say how.
pub(crate) fn aggregate_call(expr: &Expr, schema: &DFSchema, time: Option<usize>) -> Result<AggregateCall> {
    let name = expr.schema_name().to_string();
    let Expr::AggregateFunction(AggregateFunction { func, params }) = expr.clone().unalias() else {
        return Err(Error::internal(format!("{name} is not an aggregate")));
    };
    let filter = params.filter.as_deref().map(|filter| scalar(filter, schema)).transpose()?;
    let mut args = arguments(&func, &params, schema)?;
    let mut ordering = Vec::new();
    // WITHIN GROUP (ORDER BY x) names the argument itself, which is there already.
    for sort in params.order_by.iter().filter(|_| !func.supports_within_group_clause()) {
        args.push(scalar(&sort.expr, schema)?);
        ordering.push(SortDirection { descending: !sort.asc, nulls_first: sort.nulls_first });
    }
    let picks_by_order = is_first_or_last(&func);
    if picks_by_order && params.null_treatment == Some(NullTreatment::IgnoreNulls) {
        return Err(Error::new(
            Code::NotSupported,
            format!("{} IGNORE NULLS in a continuous query is not built yet", func.name()),
        )
        .with_hint("add FILTER (WHERE … IS NOT NULL)"));
    }
    if let (true, true, Some(time)) = (picks_by_order, ordering.is_empty(), time) {
        args.push(laminar_core::expr::Column::new(&Schema::clone(schema.as_arrow()), time));
        ordering.push(SortDirection { descending: false, nulls_first: false });
    }
    let types: Vec<DataType> = args.iter().map(|arg| arg.data_type().clone()).collect();
    let function = match aggregate::native(func.name(), &types, &ordering, params.distinct)? {
        Some(native) => native,
        None => bridged(&func, &params, schema, &types, &ordering)?,
    };
    Ok(AggregateCall { function, args, filter, name })
}

fn is_first_or_last(func: &Arc<AggregateUDF>) -> bool {
    func.name() == first_value_udaf().name() || func.name() == last_value_udaf().name()
}

/// The arguments; a constant that is never NULL counts rows, as `*` does.
fn arguments(func: &Arc<AggregateUDF>, params: &AggregateFunctionParams, schema: &DFSchema) -> Result<Vec<ExprRef>> {
    if let ("count", [Expr::Literal(value, _)], false) = (func.name(), params.args.as_slice(), params.distinct)
        && !value.is_null()
    {
        return Ok(Vec::new());
    }
    params.args.iter().map(|arg| scalar(arg, schema)).collect()
}
