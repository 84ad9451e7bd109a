//! `x = ANY (array)` and `x > ALL (array)`: calls of a function that is three-valued. Sub-queries stay for the planner.

use datafusion::sql::sqlparser::ast::{Expr, Ident};

use crate::functions::{Quantifier, quantified_name};
use crate::parse::syntax;

/// Turns a comparison with an array into a call; an operator that compares nothing stays, and the planner refuses it.
pub(super) fn rewrite(expr: &mut Expr) {
    let (left, op, right, quantifier) = match expr {
        Expr::AnyOp { left, compare_op, right, .. } => (left, compare_op, right, Quantifier::Any),
        Expr::AllOp { left, compare_op, right } => (left, compare_op, right, Quantifier::All),
        _ => return,
    };
    if matches!(right.as_ref(), Expr::Subquery(_)) {
        return;
    }
    if let Some(name) = quantified_name(&op.to_string(), quantifier) {
        let args = vec![std::mem::replace(left.as_mut(), syntax::null()), std::mem::replace(right.as_mut(), syntax::null())];
        *expr = syntax::call(Ident::new(name), args);
    }
}
