//! The columns that relations in FROM have, as far as the text of a query and the catalog say.

use std::ops::ControlFlow;

use datafusion::common::Result;
use datafusion::sql::planner::SqlToRel;
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    Cte, Expr, GroupByExpr, Ident, Query, Select, SelectItem, Statement, TableFactor, VisitorMut, WildcardAdditionalOptions, With,
};

use crate::ast_walk::walk_mut;
use crate::parse::syntax;
use crate::plan::names::Names;
use crate::plan::planner::parser_options;

/// One column that expressions over a FROM can read.
#[derive(Debug, Clone)]
pub(super) struct FromColumn {
    /// Its name.
    pub(super) name: String,
    /// The relation that it belongs to; none for a column that a join has merged.
    pub(super) relation: Option<String>,
    /// What reads it.
    pub(super) expr: Expr,
}

/// What is known where a query stands: the catalog, and the common table expressions around it.
pub(super) struct Scope<'a> {
    pub(super) names: &'a Names<'a>,
    ctes: Vec<(Cte, bool)>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(names: &'a Names<'a>) -> Self {
        Self { names, ctes: Vec::new() }
    }

    /// How many common table expressions are known; to be given to [`leave`](Self::leave).
    pub(super) fn depth(&self) -> usize {
        self.ctes.len()
    }

    pub(super) fn enter(&mut self, cte: Cte, recursive: bool) {
        self.ctes.push((cte, recursive));
    }

    pub(super) fn leave(&mut self, depth: usize) {
        self.ctes.truncate(depth);
    }

    /// The columns of one relation. One that reads columns from outside of its query cannot be planned alone, so its names are looked for
    /// without what it computes.
    pub(super) fn columns_of(&self, relation: &TableFactor) -> Result<Vec<FromColumn>> {
        self.planned_columns_of(relation).or_else(|error| match relation {
            _ if has_named_columns(relation) => {
                let mut names_alone = relation.clone();
                let _ = walk_mut(&mut names_alone, &mut NamesAlone);
                self.planned_columns_of(&names_alone).map_err(|_| error)
            }
            _ => Err(error),
        })
    }

    /// The columns of one relation, by planning `SELECT *` from it.
    fn planned_columns_of(&self, relation: &TableFactor) -> Result<Vec<FromColumn>> {
        let star = SelectItem::Wildcard(WildcardAdditionalOptions::default());
        let mut query = syntax::query_of(syntax::select_of(vec![star], relation.clone()));
        query.with = self.with();
        let planned = SqlToRel::new_with_options(self.names, parser_options());
        let plan = planned.sql_statement_to_plan(Statement::Query(Box::new(query)))?;
        let column = |(qualifier, field): (Option<&datafusion::common::TableReference>, &arrow_schema::FieldRef)| {
            let relation = qualifier.map(|qualifier| qualifier.table().to_owned());
            let name = Ident::with_quote('"', field.name());
            let expr = match &relation {
                Some(relation) => Expr::CompoundIdentifier(vec![Ident::with_quote('"', relation), name]),
                None => Expr::Identifier(name),
            };
            FromColumn { name: field.name().clone(), relation, expr }
        };
        Ok(plan.schema().iter().map(column).collect())
    }

    fn with(&self) -> Option<With> {
        let recursive = self.ctes.iter().any(|(_, recursive)| *recursive);
        let cte_tables: Vec<Cte> = self.ctes.iter().map(|(cte, _)| cte.clone()).collect();
        (!cte_tables.is_empty()).then(|| With { with_token: AttachedToken::empty(), recursive, cte_tables })
    }
}

/// Whether a relation says itself what its columns are called.
fn has_named_columns(relation: &TableFactor) -> bool {
    match relation {
        TableFactor::Derived { .. } => true,
        TableFactor::UNNEST { alias, .. } => alias.as_ref().is_some_and(|alias| !alias.columns.is_empty()),
        _ => false,
    }
}

/// Leaves of queries what their columns are called.
struct NamesAlone;

impl VisitorMut for NamesAlone {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        (query.order_by, query.limit_clause, query.fetch) = (None, None, None);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, relation: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::UNNEST { array_exprs, .. } = relation {
            // Alike they would be one column.
            array_exprs.iter_mut().zip(0..).for_each(|(array, number)| *array = syntax::array_of(syntax::number(number)));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        (select.distinct, select.selection, select.having, select.qualify) = (None, None, None, None);
        select.group_by = GroupByExpr::Expressions(Vec::new(), Vec::new());
        for item in &mut select.projection {
            let alias = match &*item {
                SelectItem::ExprWithAlias { alias, .. } => alias.clone(),
                SelectItem::UnnamedExpr(Expr::Identifier(name)) => name.clone(),
                SelectItem::UnnamedExpr(Expr::CompoundIdentifier(names)) if !names.is_empty() => names[names.len() - 1].clone(),
                // No query can write what it is called, only that it stands there counts.
                SelectItem::UnnamedExpr(expr) => Ident::with_quote('"', expr.to_string()),
                _ => continue,
            };
            *item = SelectItem::ExprWithAlias { expr: syntax::null(), alias };
        }
        ControlFlow::Continue(())
    }
}

/// A name as the catalog knows it.
pub(super) fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}
