//! What a condition beside the comparison of an ASOF join says: how far apart the two times may be.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use crate::expr::exact_length;

/// How far the right row may lie from the left one, in nanoseconds; negative: how far it must lie at least on the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// `left - right` is at most this.
    Before(i64),
    /// `right - left` is at most this.
    After(i64),
}

/// The limits in `condition` on the distance of `left` and `right`; `None`: it is about something else.
pub(super) fn limit_of(condition: &Expr, left: &Expr, right: &Expr) -> Option<Vec<Limit>> {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left: one, op, right: other }) => {
            compared(one, *op, other, left, right).map(|limit| vec![limit])
        }
        Expr::Between(between) if !between.negated => Some(vec![
            compared(&between.expr, Operator::GtEq, &between.low, left, right)?,
            compared(&between.expr, Operator::LtEq, &between.high, left, right)?,
        ]),
        _ => None,
    }
}

fn compared(one: &Expr, op: Operator, other: &Expr, left: &Expr, right: &Expr) -> Option<Limit> {
    if let Expr::Literal(length, _) = one {
        return compared(other, op.swap()?, &Expr::Literal(length.clone(), None), left, right);
    }
    // `left - right` op `length`, where it is turned: `right - left` op `length`.
    let (is_turned, length) = match other {
        Expr::Literal(length, _) => (distance(one, left, right)?, length_of(length)?),
        _ => match (moved(one, left), moved(other, right), moved(one, right), moved(other, left)) {
            (Some(by), Some(other_by), ..) => (false, other_by.checked_sub(by)?),
            (_, _, Some(by), Some(other_by)) => (true, other_by.checked_sub(by)?),
            _ => return None,
        },
    };
    let (is_at_most, limit) = match op {
        Operator::LtEq => (true, length),
        Operator::Lt => (true, length.checked_sub(1)?),
        Operator::GtEq => (false, length.checked_neg()?),
        Operator::Gt => (false, length.checked_add(1)?.checked_neg()?),
        _ => return None,
    };
    Some(if is_at_most == is_turned { Limit::After(limit) } else { Limit::Before(limit) })
}

/// Whether `expr` is `left - right` (false) or `right - left` (true), perhaps as an interval.
fn distance(expr: &Expr, left: &Expr, right: &Expr) -> Option<bool> {
    match expr {
        Expr::Alias(alias) => distance(&alias.expr, left, right),
        Expr::Cast(cast) => distance(&cast.expr, left, right),
        Expr::ScalarFunction(call) if matches!(call.name(), "__interval_by_length" | "__cast") => match call.args.as_slice() {
            [inner] => distance(inner, left, right),
            _ => None,
        },
        Expr::BinaryExpr(BinaryExpr { left: one, op: Operator::Minus, right: other }) => match () {
            () if one.as_ref() == left && other.as_ref() == right => Some(false),
            () if one.as_ref() == right && other.as_ref() == left => Some(true),
            () => None,
        },
        _ => None,
    }
}

/// By how much `expr` is after `time`, a part of it.
fn moved(expr: &Expr, time: &Expr) -> Option<i64> {
    if expr == time {
        return Some(0);
    }
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (left.as_ref(), op, right.as_ref()) {
            (inner, Operator::Plus, Expr::Literal(by, _)) | (Expr::Literal(by, _), Operator::Plus, inner) => {
                moved(inner, time)?.checked_add(length_of(by)?)
            }
            (inner, Operator::Minus, Expr::Literal(by, _)) => moved(inner, time)?.checked_sub(length_of(by)?),
            _ => None,
        },
        _ => None,
    }
}

/// The length of an interval that is the same wherever it stands.
fn length_of(interval: &ScalarValue) -> Option<i64> {
    match interval {
        ScalarValue::IntervalMonthDayNano(Some(value)) if value.months != 0 => None,
        other => exact_length(other),
    }
}
