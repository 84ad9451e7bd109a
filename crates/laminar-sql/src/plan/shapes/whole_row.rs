//! `count(t.*)` and `count(DISTINCT t.*)`: whole rows of a relation, as structs of its columns.

use std::ops::ControlFlow;

use datafusion::common::{DataFusionError, Result, not_impl_err};
use datafusion::sql::sqlparser::ast::{
    DuplicateTreatment, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, JoinOperator, ObjectName, Query, Select,
    TableFactor, VisitorMut,
};

use super::from::{Scope, folded};
use crate::ast_walk::walk_mut;
use crate::parse::syntax;

/// Whether `expr` is a call over whole rows.
pub(super) fn concerns(expr: &Expr) -> bool {
    let Expr::Function(call) = expr else { return false };
    let FunctionArguments::List(list) = &call.args else { return false };
    list.args.iter().any(|arg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(_))))
}

/// Rewrites the calls of one SELECT, outside of nested queries.
pub(super) fn rewrite(select: &mut Select, scope: &Scope<'_>) -> Result<()> {
    let from = select.from.clone();
    let factors = from.iter().flat_map(|table| std::iter::once(&table.relation).chain(table.joins.iter().map(|j| &j.relation)));
    let may_miss = from.iter().flat_map(|table| &table.joins).any(|join| {
        use JoinOperator as J;
        matches!(join.join_operator, J::Left(_) | J::LeftOuter(_) | J::Right(_) | J::RightOuter(_) | J::FullOuter(_))
    });
    let mut rows = Rows { scope, factors: factors.collect(), may_miss, nested: 0 };
    let visited = [walk_mut(&mut select.projection, &mut rows), walk_mut(&mut select.having, &mut rows)];
    for flow in visited {
        if let ControlFlow::Break(error) = flow {
            return Err(error);
        }
    }
    Ok(())
}

struct Rows<'a, 's> {
    scope: &'a Scope<'s>,
    factors: Vec<&'a TableFactor>,
    /// A row can be missing as a whole, beside an outer join, and is NULL then.
    may_miss: bool,
    nested: usize,
}

impl Rows<'_, '_> {
    /// A struct of the columns of relation `name`.
    fn row(&self, name: &ObjectName) -> Result<Option<Expr>> {
        let wanted = name.0.last().and_then(|part| part.as_ident()).map(folded);
        for factor in &self.factors {
            let columns = self.scope.columns_of(factor)?;
            let own: Vec<Expr> = columns.into_iter().filter(|c| c.relation == wanted).map(|column| column.expr).collect();
            if own.is_empty() {
                continue;
            }
            if self.may_miss {
                return not_impl_err!("counting whole rows beside an outer join");
            }
            return Ok(Some(syntax::call(Ident::new("struct"), own)));
        }
        Ok(None)
    }
}

impl VisitorMut for Rows<'_, '_> {
    type Break = DataFusionError;

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<DataFusionError> {
        self.nested += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<DataFusionError> {
        self.nested -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<DataFusionError> {
        if self.nested > 0 || !concerns(expr) {
            return ControlFlow::Continue(());
        }
        let Expr::Function(call) = expr else { return ControlFlow::Continue(()) };
        let is_count = call.name.to_string().eq_ignore_ascii_case("count");
        let FunctionArguments::List(list) = &mut call.args else { return ControlFlow::Continue(()) };
        let distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
        for arg in &mut list.args {
            let FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(name)) = arg else { continue };
            match self.row(name) {
                // A row that is there is not NULL, whatever its columns are.
                Ok(Some(_)) if is_count && !distinct => *arg = FunctionArg::Unnamed(FunctionArgExpr::Wildcard),
                Ok(Some(row)) => *arg = FunctionArg::Unnamed(FunctionArgExpr::Expr(row)),
                Ok(None) => {}
                Err(error) => return ControlFlow::Break(error),
            }
        }
        ControlFlow::Continue(())
    }
}
