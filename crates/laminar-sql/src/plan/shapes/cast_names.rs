//! A column of a view that is cast keeps its name: `a::INT` is a column `a`, as in PostgreSQL, and so ORDER BY means it.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, Ident, OrderByKind, Query, Select, SelectItem, SetExpr, Spanned, VisitorMut,
};

use super::from::folded;
use crate::ast_walk::{walk_expressions, walk_mut};

/// Names the casts in the SELECT lists of a query, where no other clause could mean the column below by that name.
pub(in crate::plan) fn name_casts(query: &mut Query) {
    let _ = walk_mut(query, &mut Casts);
}

/// Lets `SELECT a::INT … ORDER BY a` order by the result, where the planner would take the column below: the cast is called as the column is.
pub(in crate::plan) fn order_by_casts(query: &mut Query) {
    let _ = walk_mut(query, &mut Orders);
}

struct Orders;

impl VisitorMut for Orders {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let (SetExpr::Select(select), Some(order_by)) = (query.body.as_mut(), &query.order_by) else {
            return ControlFlow::Continue(());
        };
        let OrderByKind::Expressions(keys) = &order_by.kind else { return ControlFlow::Continue(()) };
        if select.having.is_some() || select.qualify.is_some() || is_distinct_on(select) {
            return ControlFlow::Continue(());
        }
        let (plain, computed): (Vec<&Expr>, Vec<&Expr>) =
            keys.iter().map(|key| &key.expr).partition(|key| matches!(key, Expr::Identifier(_)));
        for name in plain.into_iter().filter_map(column_within) {
            // Within an expression it is the column below, as in PostgreSQL.
            if let Some(item) = only_cast_called(&name, &mut select.projection)
                && !computed.iter().any(|key| names_column(key, &name))
            {
                name_cast(item);
            }
        }
        ControlFlow::Continue(())
    }
}

/// The item of the list that has this name, if that is a cast without a name and no other has it.
fn only_cast_called<'a>(name: &str, items: &'a mut [SelectItem]) -> Option<&'a mut SelectItem> {
    let called = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        SelectItem::UnnamedExpr(expr) => column_within(expr),
        // It can have a column of any name.
        _ => Some(name.to_owned()),
    };
    let mut found = items.iter_mut().filter(|item| called(item).as_deref() == Some(name));
    match (found.next(), found.next()) {
        (Some(item @ SelectItem::UnnamedExpr(Expr::Cast { .. })), None) => Some(item),
        _ => None,
    }
}

fn names_column(expr: &Expr, name: &str) -> bool {
    let names = |part: &Expr| match part {
        Expr::Identifier(ident) if folded(ident) == name => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    walk_expressions(expr, names).is_break()
}

struct Casts;

impl VisitorMut for Casts {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        // The planner takes names in ORDER BY, HAVING and the like for those of the result first, where PostgreSQL means columns of FROM.
        if query.order_by.is_none() {
            name_in(&mut query.body);
        }
        ControlFlow::Continue(())
    }
}

fn name_in(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) if select.having.is_none() && select.qualify.is_none() && !is_distinct_on(select) => {
            name_columns(select);
        }
        SetExpr::SetOperation { left, right, .. } => {
            name_in(left);
            name_in(right);
        }
        _ => {}
    }
}

fn is_distinct_on(select: &Select) -> bool {
    matches!(select.distinct, Some(Distinct::On(_)))
}

fn name_columns(select: &mut Select) {
    select.projection.iter_mut().for_each(name_cast);
}

/// Gives a cast without a name that of its column.
fn name_cast(item: &mut SelectItem) {
    if let SelectItem::UnnamedExpr(expr @ Expr::Cast { .. }) = &*item
        && let Some(name) = column_within(expr)
    {
        let mut alias = Ident::with_quote('"', name);
        alias.span = expr.span();
        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
    }
}

/// The name of the column that casts alone stand around.
fn column_within(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Cast { expr, .. } | Expr::Nested(expr) => column_within(expr),
        Expr::Identifier(name) => Some(folded(name)),
        Expr::CompoundIdentifier(names) => names.last().map(folded),
        _ => None,
    }
}
