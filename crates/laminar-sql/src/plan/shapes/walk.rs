//! Goes over all SELECTs of a query, inner ones first, with the common table expressions that each of them sees.

use std::ops::ControlFlow;

use datafusion::common::{DataFusionError, Result};
use datafusion::sql::sqlparser::ast::{Expr, Query, Select, SetExpr, TableFactor, TableWithJoins, Visitor, VisitorMut};

use super::from::Scope;
use super::{using, whole_row};
use crate::ast_walk::{walk, walk_mut};
use crate::plan::names::Names;

/// Brings the shapes of this room into the forms that the planner knows.
pub(in crate::plan) fn rewrite(query: &mut Query, names: &Names<'_>) -> Result<()> {
    // Most queries have none of the shapes, and looking for columns means planning.
    if walk(&*query, &mut Concerns).is_continue() {
        return Ok(());
    }
    Shapes { scope: Scope::new(names) }.query(query)
}

/// Finds whether a query has one of the shapes.
struct Concerns;

impl Visitor for Concerns {
    type Break = ();

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if using::concerns(&select.from) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if whole_row::concerns(expr) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

struct Shapes<'a> {
    scope: Scope<'a>,
}

impl Shapes<'_> {
    fn query(&mut self, query: &mut Query) -> Result<()> {
        let depth = self.scope.depth();
        if let Some(with) = &mut query.with {
            for cte in &mut with.cte_tables {
                if with.recursive {
                    // It can read itself.
                    let known = self.scope.depth();
                    self.scope.enter(cte.clone(), true);
                    self.query(&mut cte.query)?;
                    self.scope.leave(known);
                } else {
                    self.query(&mut cte.query)?;
                }
                self.scope.enter(cte.clone(), with.recursive);
            }
        }
        let merged = self.body(&mut query.body)?;
        if let (SetExpr::Select(select), Some(order_by)) = (query.body.as_ref(), &mut query.order_by) {
            merged.order_by(order_by, select, &self.scope)?;
        }
        self.scope.leave(depth);
        Ok(())
    }

    /// Rewrites the SELECTs of a body; gives the merged columns of the last one, of which ORDER BY may speak.
    fn body(&mut self, body: &mut SetExpr) -> Result<using::Merged> {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Query(query) => self.query(query).map(|()| using::Merged::default()),
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left)?;
                self.body(right)?;
                Ok(using::Merged::default())
            }
            _ => Ok(using::Merged::default()),
        }
    }

    fn select(&mut self, select: &mut Select) -> Result<using::Merged> {
        for table in &mut select.from {
            self.table(table)?;
        }
        let mut nested = Nested { shapes: self, failed: None };
        let _ = walk_mut(&mut select.projection, &mut nested);
        let _ = walk_mut(&mut select.selection, &mut nested);
        let _ = walk_mut(&mut select.having, &mut nested);
        let _ = walk_mut(&mut select.group_by, &mut nested);
        if let Some(error) = nested.failed {
            return Err(error);
        }
        whole_row::rewrite(select, &self.scope)?;
        using::rewrite(select, &self.scope)
    }

    fn table(&mut self, table: &mut TableWithJoins) -> Result<()> {
        self.factor(&mut table.relation)?;
        table.joins.iter_mut().try_for_each(|join| self.factor(&mut join.relation))
    }

    fn factor(&mut self, factor: &mut TableFactor) -> Result<()> {
        match factor {
            TableFactor::Derived { subquery, .. } => self.query(subquery),
            TableFactor::NestedJoin { table_with_joins, .. } => self.table(table_with_joins),
            _ => Ok(()),
        }
    }
}

/// Rewrites the queries inside of expressions.
struct Nested<'s, 'a> {
    shapes: &'s mut Shapes<'a>,
    failed: Option<DataFusionError>,
}

impl VisitorMut for Nested<'_, '_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        match self.shapes.query(query) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}
