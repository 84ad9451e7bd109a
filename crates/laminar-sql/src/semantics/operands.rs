//! The operands of `+ - * / %` at types that fit each other, and who computes with them.

use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::{Expr, Operator};

use super::arithmetic::{ArithmeticOp, arithmetic, result_type};
use super::common_type::{digits_of, finer};
use super::interval::is_interval;
use super::meeting::{binary, cast_to, meet, type_of, typed_pair};
use super::untyped::{beside, untyped_text, whole_constant};

const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
const TIME: DataType = DataType::Time64(TimeUnit::Nanosecond);
const MICROS: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// `left op right` as a function that checks what it computes; `None`: DataFusion computes it.
pub(super) fn computed(left: Expr, op: ArithmeticOp, right: Expr, schema: &DFSchema) -> Result<Option<Expr>> {
    match compute(left, op, right, schema)? {
        Expr::BinaryExpr(_) => Ok(None),
        function => Ok(Some(function)),
    }
}

/// `left op right`, as a function that checks what it computes where the types are numbers, days, times or intervals.
pub(super) fn compute(left: Expr, op: ArithmeticOp, right: Expr, schema: &DFSchema) -> Result<Expr> {
    let (left, right) = typed_operands(left, op, right, schema)?;
    let (Some(left_type), Some(right_type)) = (type_of(&left, schema), type_of(&right, schema)) else {
        return Ok(binary(left, plain_op(op), right));
    };
    Ok(match operands(left, left_type, op, right, right_type) {
        Operands::Ours(left, right) => arithmetic(op, left, right),
        Operands::DataFusions(left, right) => binary(left, plain_op(op), right),
    })
}

/// A constant without type takes that of the other operand; added to a time it is an interval.
fn typed_operands(left: Expr, op: ArithmeticOp, right: Expr, schema: &DFSchema) -> Result<(Expr, Expr)> {
    let is_time = |expr: &Expr| matches!(type_of(expr, schema), Some(DataType::Timestamp(..) | DataType::Date32));
    if let (Some(text), true, ArithmeticOp::Add) = (untyped_text(&right), is_time(&left), op)
        && let Some(interval) = beside(text, &INTERVAL)?
    {
        return Ok((left, interval));
    }
    typed_pair(left, right, schema)
}

/// Two operands at types that fit each other, and who computes with them.
enum Operands {
    Ours(Expr, Expr),
    DataFusions(Expr, Expr),
}

fn operands(left: Expr, left_type: DataType, op: ArithmeticOp, right: Expr, right_type: DataType) -> Operands {
    let is_number = |data_type: &DataType| data_type.is_numeric() && !matches!(data_type, DataType::Decimal256(..));
    if is_number(&left_type) && is_number(&right_type) {
        return numbers(left, &left_type, right, &right_type);
    }
    temporal(left, left_type, op, right, right_type)
}

fn numbers(left: Expr, left_type: &DataType, right: Expr, right_type: &DataType) -> Operands {
    use DataType as D;
    let both = |target: D, left: Expr, right: Expr| {
        Operands::Ours(cast_to(left, left_type, &target), cast_to(right, right_type, &target))
    };
    match (left_type, right_type) {
        (same, other) if same == other => Operands::Ours(left, right),
        (l, r) if l.is_floating() || r.is_floating() => both(D::Float64, left, right),
        (D::Decimal128(..), _) | (_, D::Decimal128(..)) => Operands::Ours(exact(left, left_type), exact(right, right_type)),
        (l, r) => match whole_type(l, r) {
            Some(target) => both(target, left, right),
            None => Operands::Ours(exact(left, left_type), exact(right, right_type)),
        },
    }
}

/// A whole number as a decimal; decimals as they are.
fn exact(expr: Expr, data_type: &DataType) -> Expr {
    if !data_type.is_integer() {
        return expr;
    }
    whole_constant(&expr).unwrap_or_else(|| cast_to(expr, data_type, &DataType::Decimal128(digits_of(data_type), 0)))
}

/// The whole type that holds all values of both; `None` if there is none.
fn whole_type(left: &DataType, right: &DataType) -> Option<DataType> {
    use DataType as D;
    let bytes = |data_type: &DataType| data_type.primitive_width().unwrap_or(8);
    let (signed, unsigned) = match (left.is_signed_integer(), right.is_signed_integer()) {
        (true, true) | (false, false) => return Some(if bytes(left) >= bytes(right) { left.clone() } else { right.clone() }),
        (true, false) => (left, right),
        (false, true) => (right, left),
    };
    Some(match bytes(signed).max(2 * bytes(unsigned)) {
        2 => D::Int16,
        4 => D::Int32,
        8 => D::Int64,
        _ => return None,
    })
}

fn temporal(left: Expr, left_type: DataType, op: ArithmeticOp, right: Expr, right_type: DataType) -> Operands {
    use ArithmeticOp::{Add, Divide, Multiply, Subtract};
    use DataType as D;
    match (&left_type, op, &right_type) {
        (D::Date32, Add | Subtract, whole) if whole.is_integer() => Operands::Ours(left, cast_to(right, whole, &D::Int64)),
        (whole, Add, D::Date32) if whole.is_integer() => Operands::Ours(right, cast_to(left, whole, &D::Int64)),
        (D::Date32, Subtract, D::Date32) => Operands::Ours(left, right),
        (D::Date32, Add | Subtract, span) if is_interval(span) => {
            instant_and_interval(cast_to(left, &D::Date32, &MICROS), &MICROS, right, span)
        }
        (span, Add, D::Date32) if is_interval(span) => {
            instant_and_interval(cast_to(right, &D::Date32, &MICROS), &MICROS, left, span)
        }
        (D::Date32, Add, time) if *time == TIME => Operands::Ours(cast_to(left, &D::Date32, &MICROS), right),
        (time, Add, D::Date32) if *time == TIME => Operands::Ours(cast_to(right, &D::Date32, &MICROS), left),
        (D::Date32, Subtract, instant @ D::Timestamp(..)) => Operands::DataFusions(cast_to(left, &D::Date32, instant), right),
        (instant @ D::Timestamp(..), Subtract, D::Date32) => Operands::DataFusions(left, cast_to(right, &D::Date32, instant)),
        (D::Timestamp(..), Subtract, D::Timestamp(..)) => {
            let (left, right) = meet(left, &left_type, right, &right_type);
            Operands::DataFusions(left, right)
        }
        (instant @ D::Timestamp(..), Add | Subtract, span) if is_interval(span) => {
            instant_and_interval(left, instant, right, span)
        }
        (span, Add, instant @ D::Timestamp(..)) if is_interval(span) => instant_and_interval(right, instant, left, span),
        (time, Add | Subtract, span) if *time == TIME && is_interval(span) => {
            Operands::Ours(left, cast_to(right, span, &INTERVAL))
        }
        (span, Add, time) if *time == TIME && is_interval(span) => Operands::Ours(right, cast_to(left, span, &INTERVAL)),
        (time, Subtract, other) if *time == TIME && *other == TIME => Operands::Ours(left, right),
        (span, Multiply | Divide, number) if is_interval(span) && number.is_numeric() => {
            interval_and_number(left, span, op, right, number)
        }
        (number, Multiply, span) if is_interval(span) && number.is_numeric() => {
            interval_and_number(right, span, op, left, number)
        }
        (l, Add | Subtract, r) if is_interval(l) && is_interval(r) => {
            let (left, right) = meet(left, l, right, r);
            Operands::DataFusions(left, right)
        }
        (l, _, r) if result_type(op, l, r).is_some() => Operands::Ours(left, right),
        _ => Operands::DataFusions(left, right),
    }
}

/// An instant and an interval, the instant at a unit that the sum needs.
fn instant_and_interval(instant: Expr, instant_type: &DataType, span: Expr, span_type: &DataType) -> Operands {
    let DataType::Timestamp(unit, zone) = instant_type else { return Operands::DataFusions(instant, span) };
    let needed = match (&span, span_type) {
        (Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(span)), _), _) => unit_of(span.nanoseconds),
        (_, DataType::Duration(unit)) => *unit,
        _ => TimeUnit::Microsecond,
    };
    let target = DataType::Timestamp(finer(*unit, needed), zone.clone());
    let instant = cast_to(instant, instant_type, &target);
    let span = match (span_type, &target) {
        (DataType::Duration(_), DataType::Timestamp(unit, _)) => cast_to(span, span_type, &DataType::Duration(*unit)),
        _ => cast_to(span, span_type, &INTERVAL),
    };
    Operands::DataFusions(instant, span)
}

/// The coarsest unit that divides `nanos`.
fn unit_of(nanos: i64) -> TimeUnit {
    match nanos {
        nanos if nanos % 1_000_000_000 == 0 => TimeUnit::Second,
        nanos if nanos % 1_000_000 == 0 => TimeUnit::Millisecond,
        nanos if nanos % 1_000 == 0 => TimeUnit::Microsecond,
        _ => TimeUnit::Nanosecond,
    }
}

fn interval_and_number(span: Expr, span_type: &DataType, op: ArithmeticOp, number: Expr, number_type: &DataType) -> Operands {
    let span = cast_to(span, span_type, &INTERVAL);
    let whole = number_type.is_integer() && op == ArithmeticOp::Multiply && *number_type != DataType::UInt64;
    let target = if whole { DataType::Int64 } else { DataType::Float64 };
    Operands::Ours(span, cast_to(number, number_type, &target))
}

fn plain_op(op: ArithmeticOp) -> Operator {
    match op {
        ArithmeticOp::Add => Operator::Plus,
        ArithmeticOp::Subtract => Operator::Minus,
        ArithmeticOp::Multiply => Operator::Multiply,
        ArithmeticOp::Divide => Operator::Divide,
        ArithmeticOp::Modulo => Operator::Modulo,
    }
}
