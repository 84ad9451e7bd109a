//! `a[i]` and `a[i:j]`: positions before the first are outside of an array, as in PostgreSQL, and do not count from its end.

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, CaseWhen, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Subscript, UnaryOperator,
    Value,
};

use crate::parse::syntax;

/// Guards the positions of a subscript. The length of an empty array is NULL.
pub(super) fn rewrite(expr: &mut Expr) {
    length(expr);
    let Expr::CompoundFieldAccess { access_chain, .. } = expr else { return };
    for access in access_chain {
        match access {
            AccessExpr::Subscript(Subscript::Index { index }) if may_be_negative(index) => at_least_one(index, syntax::null()),
            AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, stride: None }) => {
                // An open bound is that of the array; no array is longer than the greatest INT.
                let bounds = [(lower_bound, 1, 1), (upper_bound, 0, i64::from(i32::MAX))];
                for (bound, instead, open) in bounds {
                    bound.get_or_insert_with(|| syntax::number(open));
                    if let Some(bound) = bound.as_mut().filter(|bound| may_be_negative(bound)) {
                        at_least_one(bound, syntax::number(instead));
                    }
                }
            }
            _ => {}
        }
    }
}

/// `array_length(a, 1)` as `CASE WHEN cardinality(a) = 0 THEN NULL ELSE array_length(a, 1) END`.
fn length(expr: &mut Expr) {
    let Expr::Function(call) = &*expr else { return };
    let FunctionArguments::List(list) = &call.args else { return };
    // Without a dimension it is the number of elements, which PostgreSQL calls cardinality.
    let (true, [FunctionArg::Unnamed(FunctionArgExpr::Expr(array)), _]) =
        (call.name.to_string().eq_ignore_ascii_case("array_length"), list.args.as_slice())
    else {
        return;
    };
    let count = syntax::call(Ident::new("cardinality"), vec![array.clone()]);
    *expr = case(binary(count, BinaryOperator::Eq, syntax::number(0)), syntax::null(), expr.clone());
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
    let low = binary(Expr::Nested(Box::new(written.clone())), BinaryOperator::Lt, syntax::number(1));
    *index = case(low, instead, written);
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

/// `CASE WHEN condition THEN result ELSE otherwise END`.
fn case(condition: Expr, result: Expr, otherwise: Expr) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition, result }],
        else_result: Some(Box::new(otherwise)),
    }
}
