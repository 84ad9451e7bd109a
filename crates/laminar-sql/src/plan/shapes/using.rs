//! `JOIN … USING (k)` and `NATURAL JOIN` as `JOIN … ON`, as PostgreSQL means them: the merged column is that of the side whose
//! rows are all there, or of either side for FULL; `*` has the merged columns first, then the rest of the left side and the right.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::common::{Result, not_impl_err, plan_err};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, ExceptSelectItem, ExcludeSelectItem, Expr, Ident, JoinConstraint, JoinOperator, ObjectName, OrderBy,
    OrderByKind, Query, Select, SelectItem, SetExpr, TableFactor, TableWithJoins, VisitMut, VisitorMut,
    WildcardAdditionalOptions,
};

use super::from::{FromColumn, Scope, folded};
use crate::ast_walk::walk_mut;
use crate::parse::rewrite::{asof_on, has_no_match_condition};
use crate::parse::syntax;

/// Whether a FROM merges columns anywhere.
pub(super) fn concerns(from: &[TableWithJoins]) -> bool {
    from.iter().any(merges)
}

fn merges(table: &TableWithJoins) -> bool {
    let factor =
        |factor: &TableFactor| matches!(factor, TableFactor::NestedJoin { table_with_joins, .. } if merges(table_with_joins));
    factor(&table.relation)
        || table.joins.iter().any(|join| {
            let constraint = constraint_of(&join.join_operator);
            factor(&join.relation) || matches!(constraint, Some(JoinConstraint::Using(_) | JoinConstraint::Natural))
        })
}

/// The columns that the joins of a SELECT have merged: a name and what reads it.
#[derive(Debug, Default)]
pub(super) struct Merged(Vec<(String, Expr)>);

/// Rewrites the joins of one SELECT and what reads merged columns by their plain names.
pub(super) fn rewrite(select: &mut Select, scope: &Scope<'_>) -> Result<Merged> {
    if !concerns(&select.from) {
        return Ok(Merged::default());
    }
    let mut columns = Vec::new();
    for table in &mut select.from {
        columns.extend(joined(table, scope)?);
    }
    let merged =
        Merged(columns.iter().filter(|column| column.relation.is_none()).map(|c| (c.name.clone(), c.expr.clone())).collect());
    // A name that is there twice stays for the planner, which says so.
    let merged =
        Merged(merged.0.into_iter().filter(|(name, _)| columns.iter().filter(|c| c.name == *name).count() == 1).collect());
    select.projection = std::mem::take(&mut select.projection)
        .into_iter()
        .map(|item| expanded(item, &columns))
        .collect::<Result<Vec<_>>>()?
        .concat();
    merged.select(select, scope)?;
    Ok(merged)
}

fn constraint_of(operator: &JoinOperator) -> Option<&JoinConstraint> {
    use JoinOperator as J;
    match operator {
        J::Join(constraint) | J::Inner(constraint) | J::Left(constraint) | J::LeftOuter(constraint) => Some(constraint),
        J::Right(constraint) | J::RightOuter(constraint) | J::FullOuter(constraint) => Some(constraint),
        J::AsOf { constraint, .. } => Some(constraint),
        _ => None,
    }
}

fn set_condition(operator: &mut JoinOperator, condition: Expr) {
    use JoinOperator as J;
    let new = JoinConstraint::On(condition.clone());
    match operator {
        J::Join(constraint) | J::Inner(constraint) | J::Left(constraint) | J::LeftOuter(constraint) => *constraint = new,
        J::Right(constraint) | J::RightOuter(constraint) | J::FullOuter(constraint) => *constraint = new,
        J::AsOf { match_condition, .. } => *operator = asof_on(match_condition.clone(), Some(condition)),
        _ => {}
    }
}

/// Rewrites the joins of one entry of FROM; gives its columns.
fn joined(table: &mut TableWithJoins, scope: &Scope<'_>) -> Result<Vec<FromColumn>> {
    let mut left = factor(&mut table.relation, scope)?;
    for join in &mut table.joins {
        let right = factor(&mut join.relation, scope)?;
        let names = match constraint_of(&join.join_operator) {
            Some(JoinConstraint::Using(names)) => names.iter().map(using_name).collect::<Result<Vec<_>>>()?,
            Some(JoinConstraint::Natural) => {
                let mut names: Vec<String> = Vec::new();
                for column in left.iter().filter(|column| right.iter().any(|other| other.name == column.name)) {
                    if !names.contains(&column.name) {
                        names.push(column.name.clone());
                    }
                }
                names
            }
            _ => {
                left.extend(right);
                continue;
            }
        };
        left = merge(left, right, &names, &mut join.join_operator)?;
    }
    Ok(left)
}

fn factor(factor: &mut TableFactor, scope: &Scope<'_>) -> Result<Vec<FromColumn>> {
    match factor {
        TableFactor::NestedJoin { table_with_joins, alias: None } => joined(table_with_joins, scope),
        TableFactor::NestedJoin { table_with_joins, alias } if merges(table_with_joins) => {
            // Under an alias the join is a relation with the columns of its `*`.
            let columns = joined(table_with_joins, scope)?;
            let items = columns.iter().map(item_of).collect();
            let inner = TableFactor::NestedJoin { table_with_joins: table_with_joins.clone(), alias: None };
            let subquery = Box::new(syntax::query_of(syntax::select_of(items, inner)));
            *factor = TableFactor::Derived { lateral: false, subquery, alias: alias.take(), sample: None };
            scope.columns_of(factor)
        }
        other => scope.columns_of(other),
    }
}

fn using_name(name: &ObjectName) -> Result<String> {
    match name.0.as_slice() {
        [part] if part.as_ident().is_some() => Ok(part.as_ident().map(folded).unwrap_or_default()),
        _ => plan_err!("USING names columns that both sides have, without a table before them: not {name}"),
    }
}

/// The columns of a join that merges `names`; its operator gets the condition. Without a MATCH_CONDITION the last column of an ASOF JOIN is the
/// one by which the nearest row is found, as in DuckDB.
fn merge(
    left: Vec<FromColumn>,
    right: Vec<FromColumn>,
    names: &[String],
    operator: &mut JoinOperator,
) -> Result<Vec<FromColumn>> {
    use JoinOperator as J;
    let mut columns = Vec::new();
    let mut condition: Option<Expr> = None;
    let nearest = match operator {
        J::AsOf { match_condition, .. } if has_no_match_condition(match_condition) => names.len().checked_sub(1),
        _ => None,
    };
    for (at, name) in names.iter().enumerate() {
        let (l, r) = (only(&left, name, "left")?, only(&right, name, "right")?);
        let op = if nearest == Some(at) { BinaryOperator::GtEq } else { BinaryOperator::Eq };
        let pair = binary(l.clone(), op, r.clone());
        condition = Some(match condition {
            Some(condition) => binary(condition, BinaryOperator::And, pair),
            None => pair,
        });
        let expr = match operator {
            J::FullOuter(_) => syntax::call(Ident::new("coalesce"), vec![l, r]),
            J::Right(_) | J::RightOuter(_) => r,
            _ => l,
        };
        columns.push(FromColumn { name: name.clone(), relation: None, expr });
    }
    let condition = condition.unwrap_or_else(|| syntax::boolean(true));
    set_condition(operator, condition);
    columns.extend(left.into_iter().chain(right).filter(|column| !names.contains(&column.name)));
    Ok(columns)
}

fn only(columns: &[FromColumn], name: &str, side: &str) -> Result<Expr> {
    let mut found = columns.iter().filter(|column| column.name == name);
    match (found.next(), found.next()) {
        (Some(column), None) => Ok(column.expr.clone()),
        (None, _) => plan_err!("there is no column '{name}' on the {side} side of the join that USING names it for"),
        _ => plan_err!("column '{name}' of USING is there more than once on the {side} side of the join"),
    }
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

/// The item of a SELECT list that shows a column under its name.
fn item_of(column: &FromColumn) -> SelectItem {
    let keeps_name = |ident: &Ident| folded(ident) == column.name;
    match &column.expr {
        Expr::CompoundIdentifier(idents) if idents.last().is_some_and(keeps_name) => SelectItem::UnnamedExpr(column.expr.clone()),
        Expr::Identifier(ident) if keeps_name(ident) => SelectItem::UnnamedExpr(column.expr.clone()),
        expr => SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', &column.name) },
    }
}

/// `*` as the list of its columns; other items stay.
fn expanded(item: SelectItem, columns: &[FromColumn]) -> Result<Vec<SelectItem>> {
    let SelectItem::Wildcard(options) = &item else { return Ok(vec![item]) };
    let WildcardAdditionalOptions { opt_ilike: None, opt_replace: None, opt_rename: None, opt_alias: None, .. } = options else {
        return not_impl_err!("* with REPLACE, RENAME or ILIKE over a join with USING");
    };
    let mut without: Vec<String> = Vec::new();
    if let Some(ExceptSelectItem { first_element, additional_elements }) = &options.opt_except {
        without.extend(std::iter::once(first_element).chain(additional_elements).map(folded));
    }
    match &options.opt_exclude {
        Some(ExcludeSelectItem::Single(name)) => without.push(using_name(name)?),
        Some(ExcludeSelectItem::Multiple(names)) => {
            without.extend(names.iter().map(using_name).collect::<Result<Vec<_>>>()?);
        }
        None => {}
    }
    Ok(columns.iter().filter(|column| !without.contains(&column.name)).map(item_of).collect())
}

impl Merged {
    fn of(&self, ident: &Ident) -> Option<&Expr> {
        let name = folded(ident);
        self.0.iter().find(|(merged, _)| *merged == name).map(|(_, expr)| expr)
    }

    /// Replaces the plain name of a merged column by what reads it, everywhere in the SELECT.
    fn select(&self, select: &mut Select, scope: &Scope<'_>) -> Result<()> {
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(Expr::Identifier(ident)) = item
                && let Some(expr) = self.of(ident)
            {
                let column = FromColumn { name: folded(ident), relation: None, expr: expr.clone() };
                *item = item_of(&column);
            }
        }
        // The ON of later joins speaks of the columns too.
        for table in &mut select.from {
            for join in &mut table.joins {
                self.within(&mut join.join_operator, scope)?;
            }
        }
        self.within(&mut select.projection, scope)?;
        self.within(&mut select.selection, scope)?;
        self.within(&mut select.group_by, scope)?;
        self.within(&mut select.having, scope)?;
        self.within(&mut select.named_window, scope)?;
        self.within(&mut select.qualify, scope)?;
        self.within(&mut select.distinct, scope)
    }

    /// The same for ORDER BY, whose plain names are those of the result first.
    pub(super) fn order_by(&self, order_by: &mut OrderBy, select: &Select, scope: &Scope<'_>) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let OrderByKind::Expressions(keys) = &mut order_by.kind else { return Ok(()) };
        let shown = |ident: &Ident| {
            select.projection.iter().any(|item| match item {
                SelectItem::ExprWithAlias { alias, .. } => folded(alias) == folded(ident),
                SelectItem::UnnamedExpr(Expr::CompoundIdentifier(idents)) => {
                    idents.last().is_some_and(|last| folded(last) == folded(ident))
                }
                SelectItem::UnnamedExpr(Expr::Identifier(own)) => folded(own) == folded(ident),
                _ => false,
            })
        };
        for key in keys {
            if !matches!(&key.expr, Expr::Identifier(ident) if shown(ident)) {
                self.within(&mut key.expr, scope)?;
            }
        }
        Ok(())
    }

    fn within<T: VisitMut>(&self, part: &mut T, scope: &Scope<'_>) -> Result<()> {
        let mut naming = Naming { merged: self, scope, hidden: Vec::new() };
        let _ = walk_mut(part, &mut naming);
        Ok(())
    }
}

/// Replaces plain names, also in nested queries that have no column of that name themselves.
struct Naming<'a, 's> {
    merged: &'a Merged,
    scope: &'a Scope<'s>,
    hidden: Vec<HashSet<String>>,
}

impl Naming<'_, '_> {
    fn own_columns(&self, body: &SetExpr) -> HashSet<String> {
        match body {
            SetExpr::Select(select) => {
                let factors = select
                    .from
                    .iter()
                    .flat_map(|table| std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation)));
                let columns = factors.flat_map(|factor| self.scope.columns_of(factor).unwrap_or_default());
                columns.map(|column| column.name).collect()
            }
            SetExpr::Query(query) => self.own_columns(&query.body),
            SetExpr::SetOperation { left, right, .. } => {
                self.own_columns(left).into_iter().chain(self.own_columns(right)).collect()
            }
            _ => HashSet::new(),
        }
    }
}

impl VisitorMut for Naming<'_, '_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.hidden.push(self.own_columns(&query.body));
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.hidden.pop();
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(ident) = &*expr
            && let Some(merged) = self.merged.of(ident)
            && !self.hidden.iter().any(|names| names.contains(&folded(ident)))
        {
            *expr = merged.clone();
        }
        ControlFlow::Continue(())
    }
}
