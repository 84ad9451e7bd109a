//! A call with OVER as core's [`OverFunction`].

use std::sync::Arc;

use arrow_schema::{DataType, Schema};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::{
    AggregateFunction, AggregateFunctionParams, NullTreatment, WindowFunction, WindowFunctionParams,
};
use datafusion::logical_expr::{
    AggregateUDF, Expr, ExprSchemable, Operator, WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition,
};
use laminar_core::dag::{Frame, FrameBound, FrameUnit, OverFunction, Pick};
use laminar_core::expr::{ExprRef, SortKey};
use laminar_core::{Code, Error, Result};

use super::aggregate::aggregate_call;
use super::scalar::{column_moved_by, scalar};
use crate::plan::errors::from_datafusion;
use crate::plan::exclusion_of;

/// What `call` computes over rows of `schema`, behind whose columns stand those of `keyed` that were added for `order`.
pub(crate) fn over_function(call: &WindowFunction, schema: &DFSchema, keyed: &Schema, order: &[SortKey]) -> Result<OverFunction> {
    let params = &call.params;
    match &call.fun {
        WindowFunctionDefinition::AggregateUDF(function) => {
            let call = aggregate_call(&aggregate(function, params), schema, None)?;
            Ok(OverFunction::Aggregate { call, frame: frame(params, keyed, order)? })
        }
        WindowFunctionDefinition::WindowUDF(function) => {
            refuse_modifiers(function.name(), params)?;
            by_position(function.name(), params, schema, keyed, order)
        }
    }
}

/// The call as an aggregate. Those that put values together do it in the order of the rows.
fn aggregate(function: &Arc<AggregateUDF>, params: &WindowFunctionParams) -> Expr {
    let WindowFunctionParams { args, order_by, filter, null_treatment, distinct, .. } = params.clone();
    let follows_order = matches!(function.name(), "array_agg" | "string_agg");
    let order_by = if follows_order && !distinct { order_by } else { Vec::new() };
    let params = AggregateFunctionParams { args, distinct, filter, order_by, null_treatment };
    Expr::AggregateFunction(AggregateFunction { func: function.clone(), params })
}

fn refuse_modifiers(name: &str, params: &WindowFunctionParams) -> Result<()> {
    let modifier = if params.distinct {
        "DISTINCT"
    } else if params.filter.is_some() {
        "FILTER"
    } else {
        return Ok(());
    };
    Err(Error::new(Code::InvalidQuery, format!("{name}() is no aggregate, so {modifier} has no meaning for it"))
        .with_hint(format!("leave {modifier} out")))
}

fn by_position(
    name: &str,
    params: &WindowFunctionParams,
    schema: &DFSchema,
    keyed: &Schema,
    order: &[SortKey],
) -> Result<OverFunction> {
    let ignore_nulls = params.null_treatment == Some(NullTreatment::IgnoreNulls);
    let value = || scalar(argument(name, params, 0)?, schema);
    let picked = |pick| Ok(OverFunction::Picked { value: value()?, pick, ignore_nulls, frame: frame(params, keyed, order)? });
    Ok(match name {
        "row_number" => OverFunction::RowNumber,
        "rank" => OverFunction::Rank,
        "dense_rank" => OverFunction::DenseRank,
        "percent_rank" => OverFunction::PercentRank,
        "cume_dist" => OverFunction::CumeDist,
        "ntile" => OverFunction::Ntile(at_least_one(name, whole(name, argument(name, params, 0)?)?)?),
        "lag" | "lead" => {
            let offset = params.args.get(1).map_or(Ok(1), |offset| whole(name, offset))?;
            let offset = if name == "lag" { offset.saturating_neg() } else { offset };
            OverFunction::Shifted { value: value()?, offset, default: default(params, schema)?, ignore_nulls }
        }
        "first_value" => return picked(Pick::Nth(1)),
        "last_value" => return picked(Pick::Last),
        "nth_value" => return picked(Pick::Nth(at_least_one(name, whole(name, argument(name, params, 1)?)?)?)),
        other => {
            return Err(Error::new(Code::NotSupported, format!("{other}() OVER (…) in a continuous query is not built yet"))
                .with_hint("write it in an ad-hoc SELECT over a materialized view"));
        }
    })
}

fn argument<'a>(name: &str, params: &'a WindowFunctionParams, index: usize) -> Result<&'a Expr> {
    params.args.get(index).ok_or_else(|| Error::new(Code::InvalidQuery, format!("{name}() has too few arguments")))
}

fn at_least_one(name: &str, number: i64) -> Result<i64> {
    if number > 0 {
        return Ok(number);
    }
    Err(Error::new(Code::InvalidQuery, format!("{name}() counts from 1, not from {number}")))
}

/// A number that is the same for all rows.
fn whole(name: &str, expr: &Expr) -> Result<i64> {
    let value = match constant(expr).and_then(|value| value.cast_to(&DataType::Int64).ok()) {
        Some(ScalarValue::Int64(value)) => value,
        _ => None,
    };
    value.ok_or_else(|| {
        Error::new(
            Code::NotSupported,
            format!("{name}() OVER (…) by {expr}, which is no constant whole number, is not built yet"),
        )
        .with_hint("write a constant")
    })
}

fn constant(expr: &Expr) -> Option<ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value.clone()),
        Expr::Alias(alias) => constant(&alias.expr),
        Expr::Negative(inner) => constant(inner)?.arithmetic_negate().ok(),
        Expr::Cast(cast) => constant(&cast.expr)?.cast_to(cast.field.data_type()).ok(),
        _ => None,
    }
}

/// What stands for a row that is not there, in the type of the value.
fn default(params: &WindowFunctionParams, schema: &DFSchema) -> Result<Option<ExprRef>> {
    let [value, _, default, ..] = params.args.as_slice() else { return Ok(None) };
    if constant(default).is_some_and(|default| default.is_null()) {
        return Ok(None);
    }
    let data_type = value.get_type(schema).map_err(from_datafusion)?;
    scalar(&default.clone().cast_to(&data_type, schema).map_err(from_datafusion)?, schema).map(Some)
}

fn frame(params: &WindowFunctionParams, keyed: &Schema, order: &[SortKey]) -> Result<Frame> {
    let frame = &params.window_frame;
    let unit = match frame.units {
        WindowFrameUnits::Rows => FrameUnit::Rows,
        WindowFrameUnits::Range => FrameUnit::Range,
        WindowFrameUnits::Groups => FrameUnit::Groups,
    };
    let bound = |bound: &WindowFrameBound| bound_of(unit, bound, keyed, order);
    let exclude = exclusion_of(&params.partition_by);
    Ok(Frame { unit, start: bound(&frame.start_bound)?, end: bound(&frame.end_bound)?, exclude })
}

fn bound_of(unit: FrameUnit, bound: &WindowFrameBound, keyed: &Schema, order: &[SortKey]) -> Result<FrameBound> {
    let (offset, is_before) = match bound {
        WindowFrameBound::CurrentRow => return Ok(FrameBound::Offset(0)),
        WindowFrameBound::Preceding(offset) => (offset, true),
        WindowFrameBound::Following(offset) => (offset, false),
    };
    if offset.is_null() {
        return Ok(FrameBound::Unbounded);
    }
    if unit == FrameUnit::Range {
        return bound_by_value(offset, is_before, keyed, order);
    }
    match offset.cast_to(&DataType::Int64).map_err(from_datafusion)? {
        ScalarValue::Int64(Some(offset)) => Ok(FrameBound::Offset(if is_before { -offset } else { offset })),
        other => Err(Error::internal(format!("a frame of {other} rows"))),
    }
}

fn bound_by_value(offset: &ScalarValue, is_before: bool, keyed: &Schema, order: &[SortKey]) -> Result<FrameBound> {
    let [key] = order else {
        return Err(Error::new(Code::InvalidQuery, "RANGE with an offset needs exactly one ORDER BY key"));
    };
    let op = if is_before != key.direction.descending { Operator::Minus } else { Operator::Plus };
    Ok(FrameBound::Value { value: column_moved_by(keyed, key.column, op, offset)?, is_before })
}
