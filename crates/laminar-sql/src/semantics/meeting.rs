//! Two operands at the type at which PostgreSQL lets them meet.

use arrow_schema::{DataType, TimeUnit};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, Operator};

use super::cast;
use super::common_type::{common_type, digits};
use super::interval::by_length;
use super::untyped::{beside, constant_as, is_text, length_of, narrowed_instant, untyped_text};

pub(super) fn type_of(expr: &Expr, schema: &DFSchema) -> Option<DataType> {
    expr.get_type(schema).ok()
}

/// Whether `op` says how two values stand to each other.
pub(super) fn compares(op: Operator) -> bool {
    use Operator as O;
    matches!(op, O::Eq | O::NotEq | O::Lt | O::LtEq | O::Gt | O::GtEq | O::IsDistinctFrom | O::IsNotDistinctFrom)
}

pub(super) fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr { left: Box::new(left), op, right: Box::new(right) })
}

/// `expr` at the type `target`: a constant is converted here and now, if it fits.
pub(super) fn cast_to(expr: Expr, from: &DataType, target: &DataType) -> Expr {
    if from == target {
        return expr;
    }
    if let Some(constant) = constant_as(&expr, target) {
        return constant;
    }
    match (from, target) {
        // DataFusion would take such a cast off again and cut the constant beside it instead.
        (DataType::Timestamp(..), DataType::Timestamp(..)) => cast::cast(expr, target.clone(), false),
        (DataType::Duration(_), DataType::Interval(_)) => by_length(expr),
        _ => Expr::Cast(Cast::new(Box::new(expr), target.clone())),
    }
}

/// A constant without type beside a value with one: the constant takes its type.
pub(super) fn typed_pair(left: Expr, right: Expr, schema: &DFSchema) -> Result<(Expr, Expr)> {
    let typed = |text: &Expr, other: &Expr| -> Result<Option<Expr>> {
        match (untyped_text(text), type_of(other, schema)) {
            (Some(text), Some(other)) if !is_text(&other) => beside(text, &other),
            _ => Ok(None),
        }
    };
    if let Some(typed) = typed(&left, &right)? {
        return Ok((typed, right));
    }
    match typed(&right, &left)? {
        Some(typed) => Ok((left, typed)),
        None => Ok((left, right)),
    }
}

pub(super) fn compare(left: Expr, op: Operator, right: Expr, schema: &DFSchema) -> Result<Expr> {
    let (left, right) = typed_pair(left, right, schema)?;
    let (Some(left_type), Some(right_type)) = (type_of(&left, schema), type_of(&right, schema)) else {
        return Ok(binary(left, op, right));
    };
    let (left, right) = comparable_pair(left, &left_type, right, &right_type);
    Ok(binary(left, op, right))
}

/// Both sides of a comparison at a type at which neither loses anything.
fn comparable_pair(left: Expr, left_type: &DataType, right: Expr, right_type: &DataType) -> (Expr, Expr) {
    use DataType as D;
    match (left_type, right_type) {
        (D::Duration(_), D::Duration(_)) => meet(left, left_type, right, right_type),
        (D::Duration(unit), D::Interval(_)) => match as_duration(&right, *unit) {
            Some(right) => (left, right),
            None => (by_length(left), by_length(right)),
        },
        (D::Interval(_), D::Duration(unit)) => match as_duration(&left, *unit) {
            Some(left) => (left, right),
            None => (by_length(left), by_length(right)),
        },
        (D::Interval(_), D::Interval(_)) => (by_length(left), by_length(right)),
        (D::Timestamp(left_unit, _), D::Timestamp(right_unit, _)) if left_unit != right_unit => {
            let left = narrowed_constant(left, *right_unit);
            let right = narrowed_constant(right, *left_unit);
            let types = (constant_type(&left, left_type), constant_type(&right, right_type));
            meet_instants(left, &types.0, right, &types.1)
        }
        _ => meet(left, left_type, right, right_type),
    }
}

pub(super) fn meet(left: Expr, left_type: &DataType, right: Expr, right_type: &DataType) -> (Expr, Expr) {
    match common_type(left_type, right_type) {
        Some(target) => (cast_to(left, left_type, &target), cast_to(right, right_type, &target)),
        None => (left, right),
    }
}

/// Instants meet at the finer unit. A constant that the finer unit cannot hold lies beyond all values of it, so there the
/// coarser unit tells as much.
fn meet_instants(left: Expr, left_type: &DataType, right: Expr, right_type: &DataType) -> (Expr, Expr) {
    let Some(target) = common_type(left_type, right_type) else { return (left, right) };
    for (expr, own, other) in [(&left, left_type, right_type), (&right, right_type, left_type)] {
        if matches!(expr, Expr::Literal(..)) && own != &target && constant_as(expr, &target).is_none() {
            let (DataType::Timestamp(unit, _), DataType::Timestamp(_, zone)) = (own, other) else { continue };
            let coarse = DataType::Timestamp(*unit, zone.clone());
            return (cast_to(left.clone(), left_type, &coarse), cast_to(right.clone(), right_type, &coarse));
        }
    }
    (cast_to(left, left_type, &target), cast_to(right, right_type, &target))
}

fn narrowed_constant(expr: Expr, unit: TimeUnit) -> Expr {
    match expr {
        Expr::Literal(value, metadata) => Expr::Literal(narrowed_instant(&value, unit), metadata),
        other => other,
    }
}

pub(super) fn constant_type(expr: &Expr, otherwise: &DataType) -> DataType {
    match expr {
        Expr::Literal(value, _) => value.data_type(),
        _ => otherwise.clone(),
    }
}

/// An interval constant as a distance in `unit`, if it has a whole number of them.
fn as_duration(expr: &Expr, unit: TimeUnit) -> Option<Expr> {
    let Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(span)), _) = expr else { return None };
    let nanos = length_of(*span)?;
    let per_unit = 10_i64.pow(9 - digits(unit));
    let count = (nanos % per_unit == 0).then_some(nanos / per_unit);
    Some(Expr::Literal(
        match unit {
            TimeUnit::Second => ScalarValue::DurationSecond(Some(count?)),
            TimeUnit::Millisecond => ScalarValue::DurationMillisecond(Some(count?)),
            TimeUnit::Microsecond => ScalarValue::DurationMicrosecond(Some(count?)),
            TimeUnit::Nanosecond => ScalarValue::DurationNanosecond(Some(count?)),
        },
        None,
    ))
}
