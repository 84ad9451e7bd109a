//! ASOF joins over stored rows, written out in DataFusion's own nodes: right and left rows in one order, in which each left row looks back
//! for the last right one.

use arrow_schema::{DataType, Field, FieldRef, Fields};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchema, Result, ScalarValue, TableReference};
use datafusion::functions::core::expr_fn::{get_field, named_struct};
use datafusion::functions_window::expr_fn::{last_value, row_number};
use datafusion::logical_expr::expr::{NullTreatment, Sort};
use datafusion::logical_expr::{
    Expr, ExprFunctionExt, ExprSchemable, LogicalPlan, LogicalPlanBuilder, WindowFrame, WindowFrameBound, WindowFrameUnits, cast,
    col, lit, when,
};
use laminar_core::time::event_time::nanos_per_unit;

use crate::plan::nodes::{AsofJoin, Direction};
use crate::plan::windowed;

const TIME: &str = "__time";
const SIDE: &str = "__side";
const RANK: &str = "__rank";
const RIGHT: &str = "__right";
/// The field of a right row that holds its time.
const FIELD_OF_TIME: &str = "time";
const BEFORE: &str = "__before";
const AFTER: &str = "__after";

/// Replaces every ASOF join of `plan`.
pub(super) fn expand(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Extension(extension) = &node else { return Ok(Transformed::no(node)) };
        let Some(join) = extension.node.as_any().downcast_ref::<AsofJoin>() else { return Ok(Transformed::no(node)) };
        expand_one(join).map(Transformed::yes)
    })?;
    Ok(plan.data)
}

fn expand_one(join: &AsofJoin) -> Result<LogicalPlan> {
    let both = LogicalPlanBuilder::from(right_rows(join)?).union(left_rows(join)?)?;
    let looked = match join.direction {
        Direction::Backward => windowed(both, vec![last(join, true)?.alias(BEFORE)])?,
        Direction::Forward => windowed(both, vec![last(join, false)?.alias(AFTER)])?,
        Direction::Nearest => windowed(both, vec![last(join, true)?.alias(BEFORE), last(join, false)?.alias(AFTER)])?,
    };
    let of_left = looked.filter(col(SIDE).eq(lit(left_side(join))))?;
    let of_left = if join.is_outer { of_left } else { of_left.filter(found(join, FIELD_OF_TIME)?.is_not_null())? };
    of_left.project(result(join)?)?.build()
}

fn key(index: usize) -> String {
    format!("__key_{index}")
}

fn left_column(index: usize) -> String {
    format!("__left_{index}")
}

fn field(index: usize) -> String {
    format!("c{index}")
}

/// Where the left row stands among rows of one time: behind the right ones, unless these do not count.
fn left_side(join: &AsofJoin) -> i64 {
    if join.strict { 0 } else { 2 }
}

/// Right rows that can be found, each as one value, numbered in the order of their columns.
fn right_rows(join: &AsofJoin) -> Result<LogicalPlan> {
    let schema = join.right.schema();
    let columns: Vec<Expr> = schema.columns().into_iter().map(Expr::Column).collect();
    let order = columns.iter().map(|column| column.clone().sort(true, true)).collect();
    let rank = row_number().order_by(order).build()?;
    let keys = join.keys.iter().map(|(_, key)| key);
    let placed = keys.clone().chain([&join.times.1]).map(|expr| expr.clone().is_not_null());
    let placed = placed.reduce(Expr::and).unwrap_or_else(|| lit(true));
    let fields = columns.into_iter().enumerate().flat_map(|(index, column)| [lit(field(index)), column]);
    let row = named_struct(fields.chain([lit(FIELD_OF_TIME), join.times.1.clone()]).collect());
    let ranked = windowed(LogicalPlanBuilder::from(join.right.as_ref().clone()).filter(placed)?, vec![rank.alias(RANK)])?;
    let mut exprs: Vec<Expr> = keys.enumerate().map(|(index, expr)| expr.clone().alias(key(index))).collect();
    exprs.extend([join.times.1.clone().alias(TIME), lit(1_i64).alias(SIDE), cast(col(RANK), DataType::UInt64).alias(RANK)]);
    for (index, column) in join.left.schema().fields().iter().enumerate() {
        exprs.push(lit(ScalarValue::try_from(column.data_type())?).alias(left_column(index)));
    }
    exprs.push(row.alias(RIGHT));
    ranked.project(exprs)?.build()
}

/// Left rows in the same columns.
fn left_rows(join: &AsofJoin) -> Result<LogicalPlan> {
    let mut exprs: Vec<Expr> = join.keys.iter().enumerate().map(|(index, (expr, _))| expr.clone().alias(key(index))).collect();
    let no_rank = lit(ScalarValue::UInt64(None));
    exprs.extend([join.times.0.clone().alias(TIME), lit(left_side(join)).alias(SIDE), no_rank.alias(RANK)]);
    let columns = join.left.schema().columns().into_iter().enumerate();
    exprs.extend(columns.map(|(index, column)| Expr::Column(column).alias(left_column(index))));
    exprs.push(lit(ScalarValue::try_from(&type_of_right(join)?)?).alias(RIGHT));
    LogicalPlanBuilder::from(join.left.as_ref().clone()).project(exprs)?.build()
}

/// A right row as one value.
fn type_of_right(join: &AsofJoin) -> Result<DataType> {
    let schema: &DFSchema = join.right.schema();
    let columns = schema.fields().iter().enumerate();
    let mut fields: Vec<Field> =
        columns.map(|(index, column)| Field::new(field(index), column.data_type().clone(), true)).collect();
    fields.push(Field::new(FIELD_OF_TIME, join.times.1.get_type(schema)?, true));
    Ok(DataType::Struct(Fields::from(fields)))
}

/// The last right row up to a row, in the order of time or against it.
fn last(join: &AsofJoin, ascending: bool) -> Result<Expr> {
    let order: Vec<Sort> = vec![col(TIME).sort(ascending, true), col(SIDE).sort(true, true), col(RANK).sort(true, true)];
    let frame = WindowFrame::new_bounds(
        WindowFrameUnits::Rows,
        WindowFrameBound::Preceding(ScalarValue::UInt64(None)),
        WindowFrameBound::CurrentRow,
    );
    let keys = (0..join.keys.len()).map(|index| col(key(index))).collect();
    last_value(col(RIGHT))
        .partition_by(keys)
        .order_by(order)
        .window_frame(frame)
        .null_treatment(NullTreatment::IgnoreNulls)
        .build()
}

/// A field of the right row that a left row finds; NULL if it finds none. Conditions stand around the field, not around the row: the fields
/// of a row that is NULL need not be.
fn found(join: &AsofJoin, name: &str) -> Result<Expr> {
    let time_type = join.times.0.get_type(join.left.schema())?;
    // As wide as the distance of any two times.
    let ticks = |time: Expr| cast(cast(time, DataType::Int64), DataType::Decimal128(38, 0));
    let before = || ticks(col(TIME)) - ticks(get_field(col(BEFORE), FIELD_OF_TIME));
    let after = || ticks(get_field(col(AFTER), FIELD_OF_TIME)) - ticks(col(TIME));
    let tolerance = join.tolerance.map(|tolerance| i128::from(tolerance / nanos_per_unit(&time_type).unwrap_or(1)));
    let within = |row: &str, distance: Expr| match tolerance {
        Some(tolerance) => {
            when(distance.lt_eq(lit(ScalarValue::Decimal128(Some(tolerance), 38, 0))), get_field(col(row), name)).end()
        }
        None => Ok(get_field(col(row), name)),
    };
    match join.direction {
        Direction::Backward => within(BEFORE, before()),
        Direction::Forward => within(AFTER, after()),
        Direction::Nearest => {
            let is_after = col(BEFORE).is_null().or(after().lt(before()));
            when(is_after, within(AFTER, after())?).otherwise(within(BEFORE, before())?)
        }
    }
}

/// The columns of the join, under their names.
fn result(join: &AsofJoin) -> Result<Vec<Expr>> {
    let width = join.left.schema().fields().len();
    let named = |(index, (qualifier, column)): (usize, (Option<&TableReference>, &FieldRef))| {
        let expr = if index < width {
            Expr::Column(Column::new_unqualified(left_column(index)))
        } else {
            found(join, &field(index - width))?
        };
        Ok(expr.alias_qualified(qualifier.cloned(), column.name()))
    };
    join.schema.iter().enumerate().map(named).collect()
}
