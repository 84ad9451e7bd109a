//! A column that is cast keeps its name: `a::INT` is a column `a`, as in PostgreSQL.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Ident, Query, Select, SelectItem, Spanned, VisitorMut};

use super::from::folded;
use crate::ast_walk::walk_mut;

/// Names the casts in all SELECT lists of a query.
pub(in crate::plan) fn name_casts(query: &mut Query) {
    let _ = walk_mut(query, &mut Casts);
}

struct Casts;

impl VisitorMut for Casts {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr @ Expr::Cast { .. }) = &*item
                && let Some(name) = column_within(expr)
            {
                let mut alias = Ident::with_quote('"', name);
                alias.span = expr.span();
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
            }
        }
        ControlFlow::Continue(())
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
