//! `ORDER BY … FETCH FIRST n ROWS WITH TIES` as `QUALIFY rank() OVER (ORDER BY …) <= n`: rows that are equal to the last one come too.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Distinct, Expr, Ident, LimitClause, OrderByExpr, OrderByKind, Query, Select, SelectItem, SetExpr, TableAlias,
    TableFactor, Value, Values, WildcardAdditionalOptions, WindowSpec, WindowType,
};
use laminar_core::{Code, Error, Result};

use crate::ast_walk::walk_expressions;
use crate::parse::{names, syntax};

/// Gives `query` the condition for its first `quantity` rows and all that are equal to the last of them.
///
/// # Errors
/// Where no order says what is equal, or the condition has no place.
pub(in crate::parse) fn with_ties(query: &mut Query, quantity: Expr) -> Result<()> {
    let Some(OrderByKind::Expressions(order)) = query.order_by.as_ref().map(|order_by| &order_by.kind) else {
        return Err(Error::new(Code::Syntax, "WITH TIES needs an ORDER BY, which says which rows are equal")
            .with_hint("write FETCH FIRST n ROWS ONLY, or an ORDER BY before it"));
    };
    let offset = match query.limit_clause.take() {
        None => None,
        Some(LimitClause::LimitOffset { limit: None, offset, limit_by }) if limit_by.is_empty() => {
            offset.map(|offset| offset.value)
        }
        Some(_) => return Err(Error::new(Code::Syntax, "LIMIT and FETCH say the same").with_hint("write one of them")),
    };
    let (select, order) = ordered(&mut query.body, order)?;
    let first = |end| compared(over("rank", &order), BinaryOperator::LtEq, end);
    select.qualify = Some(match offset {
        None => first(quantity),
        Some(offset) => {
            let behind = compared(over("row_number", &order), BinaryOperator::Gt, offset.clone());
            let end = compared(Expr::Nested(Box::new(quantity)), BinaryOperator::Plus, Expr::Nested(Box::new(offset)));
            compared(first(end), BinaryOperator::And, behind)
        }
    });
    Ok(())
}

/// The SELECT that gets the condition, and the order over the rows below it. Where those are not the rows that come out, it is one around the
/// query, whose rows are below it.
fn ordered<'a>(body: &'a mut SetExpr, order: &[OrderByExpr]) -> Result<(&'a mut Select, Vec<OrderByExpr>)> {
    if let SetExpr::Select(select) = &*body
        && select.qualify.is_none()
        && !matches!(select.distinct, Some(Distinct::Distinct | Distinct::On(_)))
    {
        let order = order.iter().map(|key| over_result(key, &select.projection)).collect::<Result<Vec<_>>>()?;
        if !order.iter().any(|key| needs_rows_of_its_own(&key.expr)) {
            let SetExpr::Select(select) = body else { return Err(not_here()) };
            return Ok((select, order));
        }
    }
    let names = result_names(body);
    let order = order.iter().map(|key| by_name(key, &names)).collect::<Result<Vec<_>>>()?;
    let star = SelectItem::Wildcard(WildcardAdditionalOptions::default());
    let mut around = syntax::select_of(vec![star], syntax::table_of(Ident::new("").into()));
    let inner = std::mem::replace(body, SetExpr::Values(Values { explicit_row: false, value_keyword: false, rows: vec![] }));
    let mut subquery = syntax::query_of(syntax::select_of(vec![], syntax::table_of(Ident::new("").into())));
    *subquery.body = inner;
    let alias = TableAlias { explicit: true, name: Ident::new("__result"), columns: vec![], at: None };
    around.from[0].relation =
        TableFactor::Derived { lateral: false, subquery: Box::new(subquery), alias: Some(alias), sample: None };
    *body = SetExpr::Select(Box::new(around));
    let SetExpr::Select(select) = body else { return Err(not_here()) };
    Ok((select, order))
}

fn not_here() -> Error {
    Error::new(Code::NotSupported, "this ORDER BY with FETCH … WITH TIES is not built yet")
        .with_hint("put the query into FROM: SELECT * FROM (…) AS q ORDER BY … FETCH FIRST n ROWS WITH TIES")
}

/// Whether a key cannot stand in the ORDER BY of OVER: it has OVER or a query in it.
fn needs_rows_of_its_own(key: &Expr) -> bool {
    walk_expressions(key, |part| match part {
        Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => ControlFlow::Break(()),
        Expr::Function(call) if call.over.is_some() => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    })
    .is_break()
}

/// What the columns of a result are called, as far as the text says.
fn result_names(body: &SetExpr) -> Vec<Option<Ident>> {
    let name = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.clone()),
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(name.clone()),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(names)) => names.last().cloned(),
        _ => None,
    };
    match body {
        SetExpr::Select(select) => select.projection.iter().map(name).collect(),
        SetExpr::Query(query) => result_names(&query.body),
        SetExpr::SetOperation { left, .. } => result_names(left),
        SetExpr::Values(values) => {
            let width = values.rows.first().map_or(0, |row| row.content.len());
            (1..=width).map(|number| Some(Ident::new(format!("column{number}")))).collect()
        }
        _ => Vec::new(),
    }
}

/// A key of ORDER BY as a column of the result.
fn by_name(key: &OrderByExpr, names: &[Option<Ident>]) -> Result<OrderByExpr> {
    let name = match &key.expr {
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => {
                let index = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
                index.and_then(|index| names.get(index)?.clone())
            }
            _ => None,
        },
        Expr::Identifier(name) => Some(name.clone()),
        _ => None,
    };
    let expr = name.map(Expr::Identifier).ok_or_else(not_here)?;
    Ok(OrderByExpr { expr, ..key.clone() })
}

/// A key of ORDER BY as an expression over the rows below the SELECT list: numbers and names of its columns are what stands there.
fn over_result(key: &OrderByExpr, columns: &[SelectItem]) -> Result<OrderByExpr> {
    let expr = match &key.expr {
        Expr::Value(value) if matches!(value.value, Value::Number(..)) => {
            let Value::Number(number, _) = &value.value else { return Ok(key.clone()) };
            let column = number.parse::<usize>().ok().and_then(|number| columns.get(number.checked_sub(1)?));
            match column {
                Some(SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) => expr.clone(),
                _ => {
                    return Err(Error::new(
                        Code::NotSupported,
                        format!("ORDER BY {number} with FETCH … WITH TIES names no single column"),
                    )
                    .with_hint("write the column's name in ORDER BY"));
                }
            }
        }
        Expr::Identifier(name) => aliased(name, columns).cloned().unwrap_or_else(|| key.expr.clone()),
        other => other.clone(),
    };
    Ok(OrderByExpr { expr, ..key.clone() })
}

fn aliased<'a>(name: &Ident, columns: &'a [SelectItem]) -> Option<&'a Expr> {
    columns.iter().find_map(|column| match column {
        SelectItem::ExprWithAlias { expr, alias } if names::of_ident(alias) == names::of_ident(name) => Some(expr),
        _ => None,
    })
}

fn over(function: &str, order: &[OrderByExpr]) -> Expr {
    let mut call = syntax::call(Ident::new(function), vec![]);
    if let Expr::Function(function) = &mut call {
        let (partition_by, order_by) = (vec![], order.to_vec());
        function.over =
            Some(WindowType::WindowSpec(WindowSpec { window_name: None, partition_by, order_by, window_frame: None }));
    }
    call
}

fn compared(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}
