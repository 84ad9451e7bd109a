//! Conditions about the wall clock: which of them it makes true, or false, once and for all.

use std::sync::Arc;

use arrow_schema::{DataType, Field};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result as DataFusionResult};
use datafusion::logical_expr::expr::{Between, ScalarFunction};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, LogicalPlan, Operator};
use laminar_core::time::event_time::nanos_per_unit;

/// What stands for the clock in a continuous query: as a variable it is neither folded nor taken for something that differs by row.
pub(super) const NOW: &str = "now()";

/// How a value moves while time goes by and the row stays the same. A condition that rises becomes true, one that falls becomes false.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trend {
    /// The clock is not part of it.
    Still,
    /// It never gets less.
    Rises,
    /// It never gets more.
    Falls,
}

impl Trend {
    fn turned(self) -> Self {
        match self {
            Self::Still => Self::Still,
            Self::Rises => Self::Falls,
            Self::Falls => Self::Rises,
        }
    }

    /// What moves with both.
    fn and(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Still, other) => Some(other),
            (this, Self::Still) => Some(this),
            (this, other) => (this == other).then_some(this),
        }
    }
}

/// `plan` with the clock as a variable wherever it calls `now()` or `current_date`.
pub(crate) fn read_clock(plan: LogicalPlan) -> DataFusionResult<Transformed<LogicalPlan>> {
    plan.transform_up_with_subqueries(|node| {
        node.map_expressions(|expr| {
            expr.transform_up(|part| match &part {
                Expr::ScalarFunction(call) => Ok(variable_for(call)?.map_or_else(|| Transformed::no(part), Transformed::yes)),
                _ => Ok(Transformed::no(part)),
            })
        })
    })
}

fn variable_for(call: &ScalarFunction) -> DataFusionResult<Option<Expr>> {
    let now = |data_type| {
        let field = Arc::new(Field::new(NOW, data_type, false));
        Expr::ScalarVariable(field, vec![NOW.to_owned()])
    };
    Ok(match call.name() {
        "now" => Some(now(Expr::ScalarFunction(call.clone()).get_type(&DFSchema::empty())?)),
        "current_date" => {
            let utc = DataType::Timestamp(arrow_schema::TimeUnit::Nanosecond, Some("+00:00".into()));
            Some(Expr::Cast(Cast::new(Box::new(now(utc)), DataType::Date32)))
        }
        _ => None,
    })
}

/// Whether `expr` depends on the clock.
pub(crate) fn tells_time(expr: &Expr) -> bool {
    let mut found = false;
    let _ = expr.apply(|part| {
        found |= is_now(part);
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found
}

/// Whether `expr` is the clock.
pub(super) fn is_now(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarVariable(_, names) if names.first().is_some_and(|name| name == NOW))
}

/// The conditions that `predicate` joins by AND, of which those about the clock say one thing each: a BETWEEN is two comparisons, and so
/// is an equality.
pub(crate) fn conditions(predicate: &Expr) -> Vec<Expr> {
    split_conjunction(predicate)
        .into_iter()
        .flat_map(|condition| if tells_time(condition) { parts(condition) } else { vec![condition.clone()] })
        .collect()
}

fn parts(condition: &Expr) -> Vec<Expr> {
    let compared = |left: &Expr, op, right: &Expr| {
        Expr::BinaryExpr(BinaryExpr { left: Box::new(left.clone()), op, right: Box::new(right.clone()) })
    };
    let both = match condition {
        Expr::Between(Between { expr, negated: false, low, high }) => {
            [compared(expr, Operator::GtEq, low), compared(expr, Operator::LtEq, high)]
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            [compared(left, Operator::GtEq, right), compared(left, Operator::LtEq, right)]
        }
        _ => return vec![condition.clone()],
    };
    both.to_vec()
}

/// How `expr` over rows of `schema` moves with the clock, if that can be told.
pub(crate) fn trend(expr: &Expr, schema: &DFSchema) -> Option<Trend> {
    if !tells_time(expr) {
        return Some(Trend::Still);
    }
    let of = |part: &Expr| trend(part, schema);
    match expr {
        now if is_now(now) => Some(Trend::Rises),
        Expr::Alias(alias) => of(&alias.expr),
        Expr::Not(inner) | Expr::Negative(inner) => of(inner).map(Trend::turned),
        Expr::Cast(cast) => of(&cast.expr).filter(|_| keeps_order(&cast.expr, expr, schema)),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => of_two(*op, of(left)?, of(right)?),
        Expr::ScalarFunction(call) => of_call(call, expr, schema),
        _ => None,
    }
}

fn of_two(op: Operator, left: Trend, right: Trend) -> Option<Trend> {
    match op {
        Operator::Plus | Operator::And | Operator::Or => left.and(right),
        Operator::Minus | Operator::Gt | Operator::GtEq => left.and(right.turned()),
        Operator::Lt | Operator::LtEq => left.turned().and(right),
        _ => None,
    }
}

fn of_call(call: &ScalarFunction, expr: &Expr, schema: &DFSchema) -> Option<Trend> {
    match (call.name(), call.args.as_slice()) {
        ("__cast", [inner]) => trend(inner, schema).filter(|_| keeps_order(inner, expr, schema)),
        ("__interval_by_length", [inner]) | ("date_trunc", [Expr::Literal(..), inner]) => trend(inner, schema),
        ("__add", [left, right]) => of_two(Operator::Plus, trend(left, schema)?, trend(right, schema)?),
        ("__subtract", [left, right]) => of_two(Operator::Minus, trend(left, schema)?, trend(right, schema)?),
        _ => None,
    }
}

/// Whether a cast leaves values in their order.
fn keeps_order(from: &Expr, to: &Expr, schema: &DFSchema) -> bool {
    let is_ordered = |expr: &Expr| {
        let of_type = |data_type: DataType| {
            let is_length = matches!(data_type, DataType::Interval(_) | DataType::Duration(_));
            is_length || data_type.is_numeric() || is_utc(&data_type)
        };
        expr.get_type(schema).is_ok_and(of_type)
    };
    is_ordered(from) && is_ordered(to)
}

/// Whether a type is a time without a zone, or in UTC: the clocks of other zones go back once a year.
fn is_utc(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(_, Some(zone)) => matches!(zone.as_ref(), "UTC" | "+00:00" | "+00" | "Z"),
        other => nanos_per_unit(other).is_some(),
    }
}
