//! `window_time`: a time inside of a window, one millisecond before its end, for windows over the results of windows.
//!
//! It is a name for `window_end - INTERVAL '1 millisecond'` wherever `window_end` is one: not a column of its own, so that `*` does not show
//! it. As a key it is `window_end`, which tells the same windows.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, GroupByExpr, Ident, OrderBy, OrderByKind, Query, Select, SelectItem, SetExpr, TableFactor,
    TableWithJoins, VisitMut, VisitorMut,
};

use super::{call, table_function};
use crate::ast_walk::walk_mut;
use crate::parse::names;
use crate::parse::syntax;

const NAME: &str = "window_time";

/// Replaces the name in the `SELECT`s that are a query's body, and in its `ORDER BY`.
pub(super) fn rewrite(body: &mut SetExpr, order_by: Option<&mut OrderBy>) {
    match body {
        SetExpr::Select(select) if has_window(select) => in_select(select, order_by),
        SetExpr::SetOperation { left, right, .. } => {
            rewrite(left, None);
            rewrite(right, None);
        }
        _ => {}
    }
}

/// Whether windows are made in FROM or in GROUP BY.
fn has_window(select: &Select) -> bool {
    let in_from = |table: &TableWithJoins| is_window(&table.relation) || table.joins.iter().any(|join| is_window(&join.relation));
    let is_call = |key: &Expr| matches!(key, Expr::Function(function) if call::named(function).is_some());
    // A key can be the name or the number of a column of the result.
    let is_column = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { expr, .. } | SelectItem::UnnamedExpr(expr) => is_call(expr),
        _ => false,
    };
    let in_keys = match &select.group_by {
        GroupByExpr::Expressions(keys, _) => keys.iter().any(|key| is_call(key) || select.projection.iter().any(is_column)),
        GroupByExpr::All(_) => false,
    };
    in_keys || select.from.iter().any(in_from)
}

fn is_window(factor: &TableFactor) -> bool {
    match factor {
        TableFactor::Table { name, args: Some(_), .. } => table_function::family_of(name).is_some(),
        TableFactor::TableFunction { expr: Expr::Function(function), .. } => table_function::family_of(&function.name).is_some(),
        _ => false,
    }
}

fn in_select(select: &mut Select, order_by: Option<&mut OrderBy>) {
    for item in &mut select.projection {
        let is_named_so = matches!(item, SelectItem::UnnamedExpr(expr) if end_of(expr).is_some());
        replace(item, Replacer::VALUE);
        if is_named_so && let SelectItem::UnnamedExpr(expr) = item {
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::new(NAME) };
        }
    }
    replace(&mut select.selection, Replacer::VALUE);
    if let GroupByExpr::Expressions(keys, _) = &mut select.group_by {
        replace(keys, Replacer::KEY);
    }
    replace(&mut select.having, Replacer::VALUE);
    replace(&mut select.qualify, Replacer::VALUE);
    if let Some(OrderBy { kind: OrderByKind::Expressions(exprs), .. }) = order_by {
        // A column of the result goes before the window.
        let is_column = |item: &SelectItem| matches!(item, SelectItem::ExprWithAlias { alias, .. } if is_name(alias));
        let leaves_names = select.projection.iter().any(is_column);
        replace(exprs, Replacer { leaves_names, ..Replacer::VALUE });
    }
}

fn replace(part: &mut impl VisitMut, mut by: Replacer) {
    let _ = walk_mut(part, &mut by);
}

fn is_name(ident: &Ident) -> bool {
    names::of_ident(ident) == NAME
}

/// The end of the window of which `expr` is the time.
fn end_of(expr: &Expr) -> Option<Expr> {
    let end = |ident: &Ident| Ident::with_span(ident.span, "window_end");
    match expr {
        Expr::Identifier(ident) if is_name(ident) => Some(Expr::Identifier(end(ident))),
        Expr::CompoundIdentifier(idents) => {
            let (last, table) = idents.split_last().filter(|(last, _)| is_name(last))?;
            Some(Expr::CompoundIdentifier(table.iter().cloned().chain([end(last)]).collect()))
        }
        _ => None,
    }
}

/// Replaces the name outside of sub-queries.
struct Replacer {
    /// By the window's end.
    is_key: bool,
    /// Only where a table stands before it.
    leaves_names: bool,
    queries: usize,
}

impl Replacer {
    const VALUE: Self = Self { is_key: false, leaves_names: false, queries: 0 };
    const KEY: Self = Self { is_key: true, leaves_names: false, queries: 0 };
}

impl VisitorMut for Replacer {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.queries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.queries -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.queries == 0
            && !(self.leaves_names && matches!(expr, Expr::Identifier(_)))
            && let Some(end) = end_of(expr)
        {
            *expr = if self.is_key { end } else { a_millisecond_before(end) };
        }
        ControlFlow::Continue(())
    }
}

fn a_millisecond_before(end: Expr) -> Expr {
    let millisecond = syntax::interval("1 millisecond".to_owned());
    Expr::Nested(Box::new(Expr::BinaryOp { left: Box::new(end), op: BinaryOperator::Minus, right: Box::new(millisecond) }))
}
