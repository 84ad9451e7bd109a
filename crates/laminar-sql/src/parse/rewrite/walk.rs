//! Goes through a query and hands each part to the rewrite that may know it.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, NamedWindowDefinition, NamedWindowExpr, Query, Select, Spanned, TableFactor, VisitorMut, WindowType,
};
use datafusion::sql::sqlparser::tokenizer;
use laminar_core::{Error, Result};

use super::distinct_from::DistinctFrom;
use super::{
    any_all, changes, collate, fill, joins_by_time, like_escape, recursive, rows, set_operations, set_returning, string_agg,
    subscript, temporal_probe,
};
use crate::ast_walk::walk_mut;
use crate::parse::exclude::exclusion_as_partition;
use crate::parse::position::LineIndex;

/// Rewrites a query and all that is nested in it.
///
/// # Errors
/// If a shape contradicts itself, or is not built.
pub(in crate::parse) fn rewrite(query: &mut Query, lines: &LineIndex<'_>) -> Result<()> {
    let _ = walk_mut(query, &mut DistinctFrom);
    match walk_mut(query, &mut Rewrites { lines }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Rewrites<'a> {
    lines: &'a LineIndex<'a>,
}

impl Rewrites<'_> {
    fn at(&self, (error, span): (Error, tokenizer::Span)) -> Error {
        match self.lines.span(span) {
            Some(span) if span.end > span.start => error.at(span),
            _ => error,
        }
    }

    /// Puts the position of `expr`, which a rewrite has refused and left as it was, on the error.
    fn flow(&self, result: Result<()>, expr: &Expr) -> ControlFlow<Error> {
        let Err(error) = result else { return ControlFlow::Continue(()) };
        let span = self.lines.span(expr.span()).filter(|span| span.end > span.start && error.span().is_none());
        ControlFlow::Break(match span {
            Some(span) => error.at(span),
            None => error,
        })
    }
}

impl VisitorMut for Rewrites<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        recursive::rewrite(query).map_break(|refused| self.at(refused))?;
        temporal_probe::rewrite(query).map_break(|refused| self.at(refused))?;
        set_operations::rewrite(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        for NamedWindowDefinition(_, window) in &mut select.named_window {
            if let NamedWindowExpr::WindowSpec(spec) = window {
                exclusion_as_partition(spec);
            }
        }
        if let Some(selection) = &mut select.selection {
            rows::conjuncts(selection)?;
        }
        fill::rewrite(select, self.lines).map_break(|refused| self.at(refused))?;
        joins_by_time::rewrite(select).map_break(|refused| self.at(refused))?;
        set_returning::rewrite(select).map_break(|refused| self.at(refused))
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        set_returning::without_lateral(factor);
        set_returning::series_of_columns(factor);
        changes::rewrite(factor).map_break(|refused| self.at(refused))?;
        joins_by_time::refuse_version(factor).map_break(|refused| self.at(refused))
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        if let Expr::Function(Function { over: Some(WindowType::WindowSpec(spec)), .. }) = expr {
            exclusion_as_partition(spec);
        }
        like_escape::rewrite(expr);
        any_all::rewrite(expr);
        subscript::rewrite(expr);
        let result = collate::rewrite(expr).and_then(|()| string_agg::rewrite(expr)).and_then(|()| rows::rewrite(expr));
        self.flow(result, expr)
    }
}
