//! A result may have two columns of one name, a relation may not: names that come again get a number while the query is planned.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow_schema::{Field, Schema, SchemaRef};
use datafusion::common::{Result, plan_err};
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, OrderByKind, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Spanned, TableFactor,
};

use super::from::{FromColumn, Scope, folded};
use super::using;
use crate::ast_walk::walk_expressions;
use crate::plan::names::Names;

/// What stands between a name and its number: no name that people type has it.
const MARK: char = '\u{1}';

/// Gives the second, third … column of one name of the result a name of its own.
pub(crate) fn number_repeated_names(query: &mut Query, names: &Names<'_>) -> Result<()> {
    let mut scope = Scope::new(names);
    if let Some(with) = &query.with {
        with.cte_tables.iter().for_each(|cte| scope.enter(cte.clone(), with.recursive));
    }
    let repeated = body(&mut query.body, &scope)?;
    if let Some(order_by) = &query.order_by
        && let OrderByKind::Expressions(keys) = &order_by.kind
    {
        let ambiguous = keys.iter().find_map(|key| match &key.expr {
            Expr::Identifier(ident) => repeated.iter().find(|name| **name == folded(ident)),
            _ => None,
        });
        if let Some(name) = ambiguous {
            return plan_err!("ORDER BY '{name}' could mean either of two result columns of that name");
        }
    }
    Ok(())
}

/// The names that people see: a column whose name came before has the name of that one.
pub(crate) fn display_names(schema: &SchemaRef) -> SchemaRef {
    if !schema.fields().iter().any(|field| field.name().contains(MARK)) {
        return Arc::clone(schema);
    }
    let shown = |field: &Arc<Field>| {
        let Some((name, rest)) = field.name().split_once(MARK) else { return Arc::clone(field) };
        let first = rest.split(MARK).nth(1).and_then(|first| first.parse::<usize>().ok());
        let first = first.and_then(|first| schema.fields().get(first)).map(|first| first.name().as_str());
        Arc::new(field.as_ref().clone().with_name(first.filter(|first| !first.contains(MARK)).unwrap_or(name)))
    };
    let fields: Vec<_> = schema.fields().iter().map(shown).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// Numbers names in each SELECT of a body; gives those that stand for different expressions.
fn body(expr: &mut SetExpr, scope: &Scope<'_>) -> Result<Vec<String>> {
    match expr {
        SetExpr::Select(select) => one(select, scope),
        SetExpr::SetOperation { left, right, .. } => {
            let repeated = body(left, scope)?;
            body(right, scope)?;
            Ok(repeated)
        }
        _ => Ok(Vec::new()),
    }
}

fn one(select: &mut Select, scope: &Scope<'_>) -> Result<Vec<String>> {
    let has_star =
        select.projection.iter().any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)));
    if has_star && select.projection.len() > 1 && !using::concerns(&select.from) {
        expand(select, scope)?;
    }
    let stars = select.projection.iter().any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)));
    let mut seen: Vec<(String, Expr, usize)> = Vec::new();
    let mut repeated = Vec::new();
    for (index, item) in select.projection.iter_mut().enumerate() {
        let (name, expr) = match &*item {
            SelectItem::UnnamedExpr(expr) => (name_of(expr), expr.clone()),
            SelectItem::ExprWithAlias { expr, alias } => (folded(alias), expr.clone()),
            _ => continue,
        };
        let before = seen.iter().find(|(other, first, _)| *other == name && !of_two_relations(first, &expr));
        let Some((_, first, at)) = before else {
            seen.push((name, expr, index));
            continue;
        };
        if !same_column(first, &expr) {
            repeated.push(name.clone());
        }
        // Behind a star it is not known which column an item becomes.
        let at = if stars { String::new() } else { at.to_string() };
        let mut alias = Ident::with_quote('"', format!("{name}{MARK}{index}{MARK}{at}"));
        alias.span = expr.span();
        *item = SelectItem::ExprWithAlias { expr, alias };
    }
    Ok(repeated)
}

/// Two columns with their relations before them, which the planner can tell apart.
fn of_two_relations(left: &Expr, right: &Expr) -> bool {
    let (Expr::CompoundIdentifier(left), Expr::CompoundIdentifier(right)) = (left, right) else { return false };
    match (left.as_slice(), right.as_slice()) {
        ([.., left, _], [.., right, _]) => folded(left) != folded(right),
        _ => false,
    }
}

/// Whether two expressions of one name are the same column, written with its table or without.
fn same_column(left: &Expr, right: &Expr) -> bool {
    let text = |expr: &Expr| match expr {
        Expr::CompoundIdentifier(idents) => idents.last().map(folded).unwrap_or_default(),
        Expr::Identifier(ident) => folded(ident),
        other => other.to_string().to_lowercase(),
    };
    text(left) == text(right)
}

/// The name that the planner gives to an expression without alias: equal texts have equal names.
fn name_of(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(ident) => folded(ident),
        Expr::CompoundIdentifier(idents) => idents.last().map(folded).unwrap_or_default(),
        // The planner calls a cast by what is cast.
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => name_of(inner),
        other => {
            let mut text = other.to_string();
            let quoted = walk_expressions(other, |part| match part {
                Expr::Identifier(ident) if ident.quote_style.is_some() => ControlFlow::Break(()),
                Expr::Value(_) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            });
            if quoted.is_continue() {
                text = text.to_lowercase();
            }
            text
        }
    }
}

/// Writes stars out, so that the names behind them are seen.
fn expand(select: &mut Select, scope: &Scope<'_>) -> Result<()> {
    let factors: Vec<&TableFactor> = select
        .from
        .iter()
        .flat_map(|table| std::iter::once(&table.relation).chain(table.joins.iter().map(|j| &j.relation)))
        .collect();
    let mut columns: Vec<FromColumn> = Vec::new();
    for factor in factors {
        columns.extend(scope.columns_of(factor)?);
    }
    let plain = |options: &datafusion::sql::sqlparser::ast::WildcardAdditionalOptions| {
        options.opt_ilike.is_none()
            && options.opt_exclude.is_none()
            && options.opt_except.is_none()
            && options.opt_replace.is_none()
            && options.opt_rename.is_none()
    };
    let mut items = Vec::new();
    for item in std::mem::take(&mut select.projection) {
        let of = |relation: Option<String>| {
            let own = columns.iter().filter(|column| relation.is_none() || column.relation == relation);
            own.map(|column| SelectItem::UnnamedExpr(column.expr.clone())).collect::<Vec<_>>()
        };
        match &item {
            SelectItem::Wildcard(options) if plain(options) => items.extend(of(None)),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) if plain(options) => {
                let relation = name.0.last().and_then(|part| part.as_ident()).map(folded);
                let own = of(relation);
                // An unknown relation stays, and the planner says so.
                if own.is_empty() { items.push(item) } else { items.extend(own) }
            }
            _ => items.push(item),
        }
    }
    select.projection = items;
    Ok(())
}
