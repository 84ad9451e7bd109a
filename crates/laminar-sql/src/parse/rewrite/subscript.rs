//! `a[i]` and `a[i:j]`: positions before the first are outside of an array, as in PostgreSQL, and do not count from its end.

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{AccessExpr, BinaryOperator, CaseWhen, Expr, Subscript, UnaryOperator, Value};

use crate::parse::syntax;

/// Guards the positions of a subscript.
pub(super) fn rewrite(expr: &mut Expr) {
    let Expr::CompoundFieldAccess { access_chain, .. } = expr else { return };
    for access in access_chain {
        match access {
            AccessExpr::Subscript(Subscript::Index { index }) if may_be_negative(index) => at_least_one(index, syntax::null()),
            AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, stride: None }) => {
                let bounds = [(lower_bound, 1), (upper_bound, 0)];
                for (bound, instead) in bounds {
                    if let Some(bound) = bound.as_mut().filter(|bound| may_be_negative(bound)) {
                        at_least_one(bound, syntax::number(instead));
                    }
                }
            }
            _ => {}
        }
    }
}

/// Whether a position could be less than 1. A text is the name of a field.
fn may_be_negative(index: &Expr) -> bool {
    match index {
        Expr::Value(value) => matches!(&value.value, Value::Number(digits, _) if digits == "0"),
        Expr::UnaryOp { op: UnaryOperator::Plus, expr } => may_be_negative(expr),
        _ => true,
    }
}

/// `CASE WHEN index < 1 THEN instead ELSE index END`.
fn at_least_one(index: &mut Expr, instead: Expr) {
    let written = std::mem::replace(index, syntax::null());
    let condition = Expr::BinaryOp {
        left: Box::new(Expr::Nested(Box::new(written.clone()))),
        op: BinaryOperator::Lt,
        right: Box::new(syntax::number(1)),
    };
    *index = Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition, result: instead }],
        else_result: Some(Box::new(written)),
    };
}
