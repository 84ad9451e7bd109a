//! `ORDER BY … FETCH FIRST n ROWS WITH TIES` as `QUALIFY rank() OVER (ORDER BY …) <= n`: rows that are equal to the last one come too.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Distinct, Expr, Ident, LimitClause, OrderByExpr, OrderByKind, Query, Select, SelectItem, SetExpr, Value,
    WindowSpec, WindowType,
};
use laminar_core::{Code, Error, Result};

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
    let SetExpr::Select(select) = query.body.as_mut() else { return Err(not_here("a set operation")) };
    match select.as_ref() {
        Select { distinct: Some(Distinct::Distinct | Distinct::On(_)), .. } => return Err(not_here("DISTINCT")),
        Select { qualify: Some(_), .. } => return Err(not_here("QUALIFY")),
        _ => {}
    }
    let order = order.iter().map(|key| over_result(key, &select.projection)).collect::<Result<Vec<_>>>()?;
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

fn not_here(what: &str) -> Error {
    Error::new(Code::NotSupported, format!("FETCH … WITH TIES of {what} is not built yet"))
        .with_hint("put the query into FROM: SELECT * FROM (…) AS q ORDER BY … FETCH FIRST n ROWS WITH TIES")
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
