//! `a IS NOT DISTINCT FROM b AND c`: AND and OR end the comparison, whose right side sqlparser takes to be all that follows.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, VisitorMut};

use crate::parse::syntax;

/// Goes through what the parser has made, before any other rewrite: later ones put AND and OR without brackets where they want.
pub(super) struct DistinctFrom;

impl VisitorMut for DistinctFrom {
    type Break = std::convert::Infallible;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        rewrite(expr);
        ControlFlow::Continue(())
    }
}

/// Takes AND and OR without brackets out of the right side of IS [NOT] DISTINCT FROM, and then out of what binds closer around it.
fn rewrite(expr: &mut Expr) {
    let swallows = match expr {
        Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right) => is_logical(right),
        Expr::BinaryOp { op: BinaryOperator::And, right, .. } => is_or(right),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => is_logical(expr),
        _ => false,
    };
    if !swallows {
        return;
    }
    let mut all = std::mem::replace(last_operand(expr), syntax::string(String::new()));
    let first = first_operand(&mut all);
    std::mem::swap(first, last_operand(expr));
    std::mem::swap(first, expr);
    *expr = all;
}

fn last_operand(expr: &mut Expr) -> &mut Expr {
    match expr {
        Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right) | Expr::BinaryOp { right, .. } => right,
        Expr::UnaryOp { expr, .. } => expr,
        other => other,
    }
}

/// The leftmost operand of AND and OR.
fn first_operand(expr: &mut Expr) -> &mut Expr {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, .. } => first_operand(left),
        other => other,
    }
}

fn is_logical(expr: &Expr) -> bool {
    is_or(expr) || matches!(expr, Expr::BinaryOp { op: BinaryOperator::And, .. })
}

fn is_or(expr: &Expr) -> bool {
    matches!(expr, Expr::BinaryOp { op: BinaryOperator::Or, .. })
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::ast::{SelectItem, SetExpr, Statement};
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;
    use crate::ast_walk::walk_mut;

    /// The condition with a pair of brackets around each AND, OR, NOT and comparison.
    fn bracketed(expr: &Expr) -> String {
        match expr {
            Expr::Nested(inner) => bracketed(inner),
            Expr::BinaryOp { left, op, right } => format!("({} {op} {})", bracketed(left), bracketed(right)),
            Expr::UnaryOp { op, expr } => format!("({op} {})", bracketed(expr)),
            Expr::IsDistinctFrom(left, right) => format!("({} <> {})", bracketed(left), bracketed(right)),
            Expr::IsNotDistinctFrom(left, right) => format!("({} = {})", bracketed(left), bracketed(right)),
            other => other.to_string(),
        }
    }

    fn check(condition: &str, expected: &str) {
        let mut statements = Parser::parse_sql(&PostgreSqlDialect {}, &format!("SELECT {condition}")).unwrap();
        let Statement::Query(query) = &mut statements[0] else { panic!("a query") };
        assert!(walk_mut(query.as_mut(), &mut DistinctFrom).is_continue());
        let SetExpr::Select(select) = query.body.as_ref() else { panic!("a select") };
        let SelectItem::UnnamedExpr(expr) = &select.projection[0] else { panic!("an expression") };
        assert_eq!(bracketed(expr), expected, "{condition}");
    }

    #[test]
    fn and_and_or_end_the_comparison() {
        check("a IS NOT DISTINCT FROM b AND c", "((a = b) AND c)");
        check("a IS DISTINCT FROM b OR c AND d", "((a <> b) OR (c AND d))");
        check("x AND a IS DISTINCT FROM b OR c", "((x AND (a <> b)) OR c)");
        check("NOT a IS DISTINCT FROM b AND c", "((NOT (a <> b)) AND c)");
        check("a IS NOT DISTINCT FROM (b AND c)", "(a = (b AND c))");
        check("x AND (a OR b) AND NOT (c OR d)", "((x AND (a OR b)) AND (NOT (c OR d)))");
        check("a IS NOT DISTINCT FROM b AND c IS NOT DISTINCT FROM d AND x", "((a = b) AND ((c = d) AND x))");
    }
}
