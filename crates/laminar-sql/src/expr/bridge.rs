//! The bridge to any other aggregate of DataFusion: it is computed anew over all rows of a group that changed.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::{DataType, Field, FieldRef, Schema, SortOptions};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams, NullTreatment};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{Accumulator, AggregateUDF, Expr, ExprSchemable};
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr};
use laminar_core::Result;
use laminar_core::operator::aggregate::{self, BatchAggregate, Replayed, SortDirection};

use crate::plan::errors::from_datafusion;

/// `func` over arguments of these `types`, of which the last are the ORDER BY keys.
pub(super) fn bridged(
    func: &Arc<AggregateUDF>,
    params: &AggregateFunctionParams,
    schema: &DFSchema,
    types: &[DataType],
    ordering: &[SortDirection],
) -> Result<Arc<dyn aggregate::AggregateFunction>> {
    let call = Expr::AggregateFunction(AggregateFunction { func: func.clone(), params: params.clone() });
    let (_, return_field) = call.to_field(schema).map_err(from_datafusion)?;
    let return_type = return_field.data_type().clone();
    let bridge = Bridge::new(func, params, types, return_field);
    // A parameter that the function cannot take is an error of the statement, not of the first group.
    bridge.accumulator()?;
    let replayed = Replayed::new(func.name(), return_type, types, ordering, params.distinct, Arc::new(bridge))?;
    Ok(Arc::new(replayed))
}

/// A DataFusion aggregate that is evaluated over all rows of a group. Rows come sorted and, for DISTINCT, once each.
#[derive(Debug)]
struct Bridge {
    func: Arc<AggregateUDF>,
    schema: Schema,
    exprs: Vec<Arc<dyn PhysicalExpr>>,
    expr_fields: Vec<FieldRef>,
    return_field: FieldRef,
    within_group: Vec<PhysicalSortExpr>,
    ignore_nulls: bool,
}

impl Bridge {
    fn new(func: &Arc<AggregateUDF>, params: &AggregateFunctionParams, types: &[DataType], return_field: FieldRef) -> Self {
        let fields = types.iter().enumerate().map(|(index, data_type)| Field::new(column_name(index), data_type.clone(), true));
        let schema = Schema::new(fields.collect::<Vec<_>>());
        let expr = |(index, arg): (usize, &Expr)| -> Arc<dyn PhysicalExpr> {
            match constant(arg) {
                // Functions such as percentile_cont read their parameters from the plan, not from the rows.
                Some(value) => Arc::new(Literal::new(value)),
                None => Arc::new(Column::new(&column_name(index), index)),
            }
        };
        let exprs: Vec<_> = params.args.iter().enumerate().map(expr).collect();
        let expr_fields = schema.fields().iter().take(exprs.len()).cloned().collect();
        let sorts = params.order_by.iter().filter(|_| func.supports_within_group_clause());
        let within_group = sorts.map(|sort| {
            let options = SortOptions { descending: !sort.asc, nulls_first: sort.nulls_first };
            PhysicalSortExpr::new(Arc::new(Column::new(&column_name(0), 0)), options)
        });
        Self {
            func: func.clone(),
            exprs,
            expr_fields,
            return_field,
            within_group: within_group.collect(),
            ignore_nulls: params.null_treatment == Some(NullTreatment::IgnoreNulls),
            schema,
        }
    }
}

fn column_name(index: usize) -> String {
    format!("a{index}")
}

fn constant(expr: &Expr) -> Option<ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value.clone()),
        Expr::Cast(cast) => constant(&cast.expr)?.cast_to(cast.field.data_type()).ok(),
        Expr::Alias(alias) => constant(&alias.expr),
        _ => None,
    }
}

impl Bridge {
    fn accumulator(&self) -> Result<Box<dyn Accumulator>> {
        let call = AccumulatorArgs {
            return_field: self.return_field.clone(),
            schema: &self.schema,
            expr_fields: &self.expr_fields,
            ignore_nulls: self.ignore_nulls,
            order_bys: &self.within_group,
            is_reversed: false,
            name: self.func.name(),
            is_distinct: false,
            exprs: &self.exprs,
        };
        self.func.accumulator(call).map_err(from_datafusion)
    }
}

impl BatchAggregate for Bridge {
    fn evaluate(&self, args: &[ArrayRef]) -> Result<ArrayRef> {
        let mut accumulator = self.accumulator()?;
        accumulator.update_batch(&args[..self.exprs.len()]).map_err(from_datafusion)?;
        accumulator.evaluate().and_then(|value| value.to_array()).map_err(from_datafusion)
    }
}
