//! Walks a query with all that is nested in it and rewrites each window that it meets.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, OrderBy, Query, SetExpr, TableFactor, Visitor, VisitorMut};
use laminar_core::{Code, Error, Result};

use super::call::{self, Part};
use super::{group_by, table_function, window_time};
use crate::ast_walk::{walk, walk_mut};
use crate::parse::dialect::TABLE_ARGUMENT;
use crate::parse::position::LineIndex;

/// Replaces every window of a query by marker calls.
///
/// # Errors
/// A window that cannot work, or one that stands where no window may stand.
pub(in crate::parse) fn rewrite(query: &mut Query, lines: &LineIndex<'_>) -> Result<()> {
    if let ControlFlow::Break(error) = walk_mut(query, &mut Rewriter { lines }) {
        return Err(error);
    }
    match walk(query, &mut Leftovers { lines }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Rewriter<'a> {
    lines: &'a LineIndex<'a>,
}

impl VisitorMut for Rewriter<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        let Query { body, order_by, .. } = query;
        window_time::rewrite(body, order_by.as_mut());
        flow(selects(body, order_by.as_mut(), self.lines))
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        flow(table_function::rewrite(factor, self.lines))
    }
}

fn flow(result: Result<()>) -> ControlFlow<Error> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

/// Rewrites the `SELECT`s that are a query's body; nested queries come by themselves. Behind a set operation `ORDER BY`
/// speaks of its columns, not of a window.
fn selects(body: &mut SetExpr, order_by: Option<&mut OrderBy>, lines: &LineIndex<'_>) -> Result<()> {
    match body {
        SetExpr::Select(select) => group_by::rewrite(select, order_by, lines),
        SetExpr::SetOperation { left, right, .. } => {
            selects(left, None, lines)?;
            selects(right, None, lines)
        }
        _ => Ok(()),
    }
}

/// Finds windows that were not rewritten.
struct Leftovers<'a> {
    lines: &'a LineIndex<'a>,
}

impl Visitor for Leftovers<'_> {
    type Break = Error;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Error> {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        let name = function.name.to_string();
        if name == TABLE_ARGUMENT {
            let error = Error::new(Code::Syntax, "TABLE stands only inside of TABLE(TUMBLE(TABLE t, …))");
            return ControlFlow::Break(call::place(error, expr, self.lines));
        }
        let Some((family, part)) = call::named(function) else { return ControlFlow::Continue(()) };
        let message = match part {
            Part::Both => format!("{name} stands outside of GROUP BY and FROM"),
            Part::Start | Part::End => format!("there is no {} in GROUP BY to which {name} belongs", family.name()),
        };
        let error = Error::new(Code::InvalidWindow, message);
        let hint = match part {
            Part::Both => format!("write it in GROUP BY, or in FROM: FROM {}(t, ts, …)", family.name()),
            Part::Start => format!("write GROUP BY {}(ts, …), or window_start of a window in FROM", family.name()),
            Part::End => format!("write GROUP BY {}(ts, …), or window_end of a window in FROM", family.name()),
        };
        ControlFlow::Break(call::place(error.with_hint(hint), expr, self.lines))
    }
}
