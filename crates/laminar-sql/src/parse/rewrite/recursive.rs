//! WITH RECURSIVE: what the planner would leave out without a word is put where it finds it, or refused.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Cte, Expr, Ident, ObjectName, Query, SelectItem, SetExpr, SetOperator, Spanned, TableAlias, TableFactor, Visit, Visitor,
    WildcardAdditionalOptions,
};
use datafusion::sql::sqlparser::tokenizer::Span;
use laminar_core::{Code, Error};

use crate::ast_walk::{walk, walk_relations};
use crate::parse::{names, syntax};

/// What the second part of a recursive query is called: above it stand the conversions to the types of the first part.
pub(crate) const TERM: &str = "__term";

/// Brings the queries of `WITH RECURSIVE` into the one form that the planner reads whole.
pub(super) fn rewrite(query: &mut Query) -> ControlFlow<(Error, Span)> {
    let Some(with) = query.with.as_mut().filter(|with| with.recursive) else { return ControlFlow::Continue(()) };
    with.cte_tables.iter_mut().try_for_each(rewrite_cte)
}

fn rewrite_cte(cte: &mut Cte) -> ControlFlow<(Error, Span)> {
    let name = names::of_ident(&cte.alias.name);
    if !reads(cte.query.as_ref(), &name) {
        // Of a UNION the planner reads the two parts alone, and neither ORDER BY nor LIMIT.
        if matches!(cte.query.body.as_ref(), SetExpr::SetOperation { .. }) {
            *cte.query = select_all_from(cte.query.as_ref().clone());
        }
        return ControlFlow::Continue(());
    }
    refuse(cte, &name)?;
    let Query { with, body, .. } = cte.query.as_mut();
    let SetExpr::SetOperation { left, right, .. } = body.as_mut() else { return ControlFlow::Continue(()) };
    if let Some(with) = with.take() {
        for part in [&mut *left, &mut *right] {
            let query = Query { with: Some(with.clone()), ..syntax::query_of_body(part.as_ref().clone()) };
            **part = SetExpr::Query(Box::new(query));
        }
    }
    // The planner names a column before it has the name that the list of columns gives it, and takes no name twice.
    name_columns(left, &cte.alias.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>());
    if let Some(columns) = width(right) {
        let columns: Vec<Ident> = (0..columns).map(|column| Ident::new(format!("c{column}"))).collect();
        name_columns(right, &columns);
        let term = syntax::query_of_body(right.as_ref().clone());
        **right = SetExpr::Query(Box::new(select_all_from(term)));
    }
    ControlFlow::Continue(())
}

/// Gives the columns of a SELECT that lists as many and has no names for them these names.
fn name_columns(body: &mut SetExpr, columns: &[Ident]) {
    if width(body) != Some(columns.len()) {
        return;
    }
    let SetExpr::Select(select) = body else { return };
    for (item, name) in select.projection.iter_mut().zip(columns) {
        // One that has a name may be grouped by it.
        if let SelectItem::UnnamedExpr(expr) = item {
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: name.clone() };
        }
    }
}

/// Refuses a recursive query in which one of its parts would be ignored.
fn refuse(cte: &Cte, name: &str) -> ControlFlow<(Error, Span)> {
    let query = cte.query.as_ref();
    let wrong =
        |code: Code, text: String, hint: &str, span: Span| ControlFlow::Break((Error::new(code, text).with_hint(hint), span));
    let form = "write WITH RECURSIVE t AS (first rows UNION [ALL] rows that follow from those of t)";
    let SetExpr::SetOperation { op: SetOperator::Union, left, right, .. } = query.body.as_ref() else {
        let text = format!("'{name}' reads itself, but not in the second part of a UNION");
        return wrong(Code::InvalidQuery, text, form, cte.alias.name.span);
    };
    if reads(left.as_ref(), name) {
        return wrong(Code::InvalidQuery, format!("the first part of '{name}' reads '{name}' itself"), form, left.span());
    }
    let end = match (&query.order_by, &query.limit_clause, &query.fetch) {
        (Some(order_by), ..) => Some(("ORDER BY", order_by.span())),
        (_, Some(limit), _) => Some(("LIMIT", limit.span())),
        (.., Some(fetch)) => Some(("FETCH", fetch.span())),
        _ => None,
    };
    if let Some((clause, span)) = end {
        let hint = "write it at the end of the whole statement";
        return wrong(Code::NotSupported, format!("{clause} in a recursive query is not built yet"), hint, span);
    }
    match walk(right.as_ref(), &mut InExpression { name, depth: 0, within: None }) {
        ControlFlow::Continue(()) => ControlFlow::Continue(()),
        ControlFlow::Break(span) => {
            wrong(Code::InvalidQuery, format!("'{name}' reads itself in a sub-query of an expression"), "join it in FROM", span)
        }
    }
}

fn is_name(relation: &ObjectName, name: &str) -> bool {
    matches!(relation.0.as_slice(), [part] if part.as_ident().is_some_and(|ident| names::of_ident(ident) == name))
}

fn reads(part: &impl Visit, name: &str) -> bool {
    let found = |relation: &ObjectName| match is_name(relation, name) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    walk_relations(part, found).is_break()
}

/// Finds where a query inside of an expression reads `name`.
struct InExpression<'a> {
    name: &'a str,
    depth: usize,
    within: Option<Span>,
}

impl Visitor for InExpression<'_> {
    type Break = Span;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Span> {
        if has_query(expr) {
            self.depth += 1;
            self.within.get_or_insert_with(|| expr.span());
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Span> {
        if has_query(expr) {
            self.depth -= 1;
            self.within = self.within.filter(|_| self.depth > 0);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Span> {
        match self.within {
            Some(span) if is_name(relation, self.name) => ControlFlow::Break(span),
            _ => ControlFlow::Continue(()),
        }
    }
}

fn has_query(expr: &Expr) -> bool {
    matches!(expr, Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. })
}

/// How many columns a body has, if its text alone says so.
fn width(body: &SetExpr) -> Option<usize> {
    let SetExpr::Select(select) = body else { return None };
    let is_one = |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
    select.projection.iter().all(is_one).then_some(select.projection.len())
}

/// `SELECT * FROM (query) AS __term`.
fn select_all_from(query: Query) -> Query {
    let alias = TableAlias { explicit: true, name: Ident::new(TERM), columns: vec![], at: None };
    let from = TableFactor::Derived { lateral: false, subquery: Box::new(query), alias: Some(alias), sample: None };
    syntax::query_of(syntax::select_of(vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())], from))
}
