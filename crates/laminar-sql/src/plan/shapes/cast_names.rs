//! A column of a view that is cast keeps its name: `a::INT` is a column `a`, as in PostgreSQL.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Distinct, Expr, Ident, Query, Select, SelectItem, SetExpr, Spanned, VisitorMut};

use super::from::folded;
use crate::ast_walk::walk_mut;

/// Names the casts in the SELECT lists of a query, where no other clause could mean the column below by that name.
pub(in crate::plan) fn name_casts(query: &mut Query) {
    let _ = walk_mut(query, &mut Casts);
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
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr @ Expr::Cast { .. }) = &*item
            && let Some(name) = column_within(expr)
        {
            let mut alias = Ident::with_quote('"', name);
            alias.span = expr.span();
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
        }
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
