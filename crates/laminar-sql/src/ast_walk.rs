//! Walks over the syntax tree of a statement.
//!
//! sqlparser's own `visit` is compiled anew for each visitor, once for each of its 500 types of nodes: with the two dozen visitors of this
//! crate that were four fifths of the time to compile it. Here every visitor stands behind one adapter, so the walk is compiled once.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, ObjectName, Query, Select, Statement, TableFactor, ValueWithSpan, Visit, VisitMut, Visitor, VisitorMut,
};

/// Walks over `node`, as `node.visit(visitor)` does.
pub(crate) fn walk<T: Visitor>(node: &impl Visit, visitor: &mut T) -> ControlFlow<T::Break> {
    let mut hooks = Recorded { visitor, result: None };
    let _ = node.visit(&mut Walk(&mut hooks));
    hooks.result.map_or(ControlFlow::Continue(()), ControlFlow::Break)
}

/// The same over a tree that the visitor changes.
pub(crate) fn walk_mut<T: VisitorMut>(node: &mut impl VisitMut, visitor: &mut T) -> ControlFlow<T::Break> {
    let mut hooks = Recorded { visitor, result: None };
    let _ = node.visit(&mut WalkMut(&mut hooks));
    hooks.result.map_or(ControlFlow::Continue(()), ControlFlow::Break)
}

/// Calls `see` with every expression in `node`, outer ones first.
pub(crate) fn walk_expressions<B>(node: &impl Visit, see: impl FnMut(&Expr) -> ControlFlow<B>) -> ControlFlow<B> {
    walk(node, &mut EachExpr(see))
}

/// Calls `change` with every expression in `node`, inner ones first.
pub(crate) fn walk_expressions_mut<B>(
    node: &mut impl VisitMut,
    change: impl FnMut(&mut Expr) -> ControlFlow<B>,
) -> ControlFlow<B> {
    walk_mut(node, &mut EachExprMut(change))
}

/// Calls `see` with every name of a relation in `node`.
pub(crate) fn walk_relations<B>(node: &impl Visit, see: impl FnMut(&ObjectName) -> ControlFlow<B>) -> ControlFlow<B> {
    walk(node, &mut EachRelation(see))
}

struct EachExpr<F>(F);

impl<B, F: FnMut(&Expr) -> ControlFlow<B>> Visitor for EachExpr<F> {
    type Break = B;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<B> {
        (self.0)(expr)
    }
}

struct EachExprMut<F>(F);

impl<B, F: FnMut(&mut Expr) -> ControlFlow<B>> VisitorMut for EachExprMut<F> {
    type Break = B;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<B> {
        (self.0)(expr)
    }
}

struct EachRelation<F>(F);

impl<B, F: FnMut(&ObjectName) -> ControlFlow<B>> Visitor for EachRelation<F> {
    type Break = B;

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<B> {
        (self.0)(relation)
    }
}

/// A visitor, and what it ended the walk with.
struct Recorded<'a, T, B> {
    visitor: &'a mut T,
    result: Option<B>,
}

impl<T, B> Recorded<'_, T, B> {
    fn record(&mut self, flow: ControlFlow<B>) -> ControlFlow<()> {
        match flow {
            ControlFlow::Continue(()) => ControlFlow::Continue(()),
            ControlFlow::Break(result) => {
                self.result = Some(result);
                ControlFlow::Break(())
            }
        }
    }
}

/// The methods of a visitor, behind a pointer: a trait of those named, what implements it, and what sqlparser is given.
macro_rules! behind_pointer {
    ($hooks:ident, $visitor:ident, $walk:ident, $(#[$doc:meta])* [$($method:ident: $node:ty),* $(,)?]) => {
        trait $hooks {
            $(fn $method(&mut self, node: $node) -> ControlFlow<()>;)*
        }

        impl<T: $visitor> $hooks for Recorded<'_, T, T::Break> {
            $(fn $method(&mut self, node: $node) -> ControlFlow<()> {
                let flow = self.visitor.$method(node);
                self.record(flow)
            })*
        }

        $(#[$doc])*
        struct $walk<'a>(&'a mut dyn $hooks);

        impl $visitor for $walk<'_> {
            type Break = ();

            $(fn $method(&mut self, node: $node) -> ControlFlow<()> {
                self.0.$method(node)
            })*
        }
    };
}

behind_pointer!(Hooks, Visitor, Walk, /** Any visitor. */ [
    pre_visit_query: &Query, post_visit_query: &Query, pre_visit_select: &Select, post_visit_select: &Select,
    pre_visit_relation: &ObjectName, post_visit_relation: &ObjectName,
    pre_visit_table_factor: &TableFactor, post_visit_table_factor: &TableFactor,
    pre_visit_expr: &Expr, post_visit_expr: &Expr, pre_visit_statement: &Statement, post_visit_statement: &Statement,
    pre_visit_value: &ValueWithSpan, post_visit_value: &ValueWithSpan,
]);

behind_pointer!(HooksMut, VisitorMut, WalkMut, /** Any visitor that changes the tree. */ [
    pre_visit_query: &mut Query, post_visit_query: &mut Query, pre_visit_select: &mut Select, post_visit_select: &mut Select,
    pre_visit_relation: &mut ObjectName, post_visit_relation: &mut ObjectName,
    pre_visit_table_factor: &mut TableFactor, post_visit_table_factor: &mut TableFactor,
    pre_visit_expr: &mut Expr, post_visit_expr: &mut Expr,
    pre_visit_statement: &mut Statement, post_visit_statement: &mut Statement,
    pre_visit_value: &mut ValueWithSpan, post_visit_value: &mut ValueWithSpan,
]);

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn parsed(sql: &str) -> Vec<Statement> {
        Parser::parse_sql(&GenericDialect {}, sql).unwrap()
    }

    #[test]
    fn a_walk_sees_what_sqlparser_shows_in_its_order_and_ends_where_the_visitor_says() {
        let statements = parsed("SELECT a, f(b + 1) FROM t JOIN (SELECT c FROM u) AS s ON a = c");
        let mut names = Vec::new();
        let _ = walk_relations(&statements, |name| {
            names.push(name.to_string());
            ControlFlow::<()>::Continue(())
        });
        assert_eq!(names, ["t", "u"]);
        let mut seen = Vec::new();
        let found = walk_expressions(&statements, |expr| {
            seen.push(expr.to_string());
            if expr.to_string() == "b" { ControlFlow::Break("b is there") } else { ControlFlow::Continue(()) }
        });
        assert_eq!((found, seen), (ControlFlow::Break("b is there"), ["a", "f(b + 1)", "b + 1", "b"].map(String::from).to_vec()));
    }

    #[test]
    fn inner_expressions_are_changed_before_outer_ones() {
        let mut statements = parsed("SELECT a + b");
        let mut seen = Vec::new();
        let _ = walk_expressions_mut(&mut statements, |expr| {
            seen.push(expr.to_string());
            ControlFlow::<()>::Continue(())
        });
        assert_eq!(seen, ["a", "b", "a + b"]);
    }
}
