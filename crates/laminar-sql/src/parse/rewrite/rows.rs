//! Rows compared with rows, `(a, b) < (c, d)`, as comparisons of their columns, which makes them three-valued.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator as Op, CaseWhen, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Query, SelectItem, TableAlias,
    TableAliasColumnDef, TableFactor, Visitor, helpers::attached_token::AttachedToken,
};
use laminar_core::{Code, Error, Result};

use crate::ast_walk::walk;
use crate::parse::syntax::{self, boolean, null};

/// The name of a sub-query that rows are looked for in; its columns are `__column1`, ….
const ROWS: &str = "__rows";

/// Rewrites a comparison of rows; other expressions stay.
pub(super) fn rewrite(expr: &mut Expr) -> Result<()> {
    let new = match expr {
        Expr::BinaryOp { left, op, right } => match (row_of(left), row_of(right)) {
            (Some(left), Some(right)) => compared(&left, op, &right)?,
            (Some(_), None) if matches!(right.as_ref(), Expr::Subquery(_)) => return refuse("a row compared with a sub-query"),
            (None, Some(_)) if matches!(left.as_ref(), Expr::Subquery(_)) => return refuse("a row compared with a sub-query"),
            _ => None,
        },
        Expr::IsDistinctFrom(left, right) => distinct(left, right, true)?,
        Expr::IsNotDistinctFrom(left, right) => distinct(left, right, false)?,
        Expr::IsNull(row) => row_of(row).and_then(|row| all(row.into_iter().map(|x| Expr::IsNull(Box::new(x))), Op::And)),
        Expr::IsNotNull(row) => row_of(row).and_then(|row| all(row.into_iter().map(|x| Expr::IsNotNull(Box::new(x))), Op::And)),
        Expr::Between { expr: value, negated, low, high } => between(value, *negated, low, high)?,
        Expr::InList { expr: value, list, negated } => in_list(value, list, *negated)?,
        Expr::InSubquery { expr: value, subquery, negated } => {
            let found = row_of(value).map(|row| in_query(&row, &Op::Eq, subquery, true)).transpose()?;
            found.map(|found| negated_if(*negated, found))
        }
        Expr::AnyOp { left, compare_op, right, .. } => quantified(left, compare_op, right, true)?,
        Expr::AllOp { left, compare_op, right } => quantified(left, compare_op, right, false)?,
        _ => None,
    };
    if let Some(new) = new {
        *expr = new;
    }
    Ok(())
}

/// In the conjuncts of a WHERE, where NULL is as good as false, `(a, b) IN (SELECT …)` is an EXISTS, which the planner can join.
pub(super) fn conjuncts(condition: &mut Expr) -> ControlFlow<Error> {
    match condition {
        Expr::BinaryOp { left, op: Op::And, right } => {
            conjuncts(left)?;
            conjuncts(right)
        }
        Expr::Nested(inner) => conjuncts(inner),
        Expr::InSubquery { expr, subquery, negated: false } => {
            let Some(row) = row_of(expr) else { return ControlFlow::Continue(()) };
            let equal = match compared(&row, &Op::Eq, &columns(row.len())) {
                Ok(equal) => equal,
                Err(error) => return ControlFlow::Break(error),
            };
            let one = SelectItem::UnnamedExpr(syntax::number(1));
            let mut select = syntax::select_of(vec![one], named(subquery, row.len()));
            select.selection = equal;
            *condition = Expr::Exists { subquery: Box::new(syntax::query_of(select)), negated: false };
            ControlFlow::Continue(())
        }
        _ => ControlFlow::Continue(()),
    }
}

/// The columns of `(a, b)` and `ROW(a, b)`.
fn row_of(expr: &Expr) -> Option<Vec<Expr>> {
    match expr {
        Expr::Tuple(columns) => Some(columns.clone()),
        Expr::Nested(inner) => row_of(inner),
        Expr::Function(call) if call.name.to_string().eq_ignore_ascii_case("row") => {
            let FunctionArguments::List(list) = &call.args else { return None };
            let column = |arg: &FunctionArg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(column)) => Some(column.clone()),
                _ => None,
            };
            list.args.iter().map(column).collect()
        }
        _ => None,
    }
}

fn refuse(what: &str) -> Result<()> {
    Err(Error::new(Code::NotSupported, format!("{what} is not built yet")).with_hint("compare the columns one by one"))
}

fn binary(left: Expr, op: Op, right: Expr) -> Expr {
    Expr::Nested(Box::new(Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }))
}

/// The expressions with `op` between them; none if there are none.
fn all(exprs: impl Iterator<Item = Expr>, op: Op) -> Option<Expr> {
    exprs.reduce(|left, right| binary(left, op.clone(), right)).map(|all| Expr::Nested(Box::new(all)))
}

fn negated_if(negated: bool, expr: Expr) -> Expr {
    if !negated {
        return expr;
    }
    let not = datafusion::sql::sqlparser::ast::UnaryOperator::Not;
    Expr::Nested(Box::new(Expr::UnaryOp { op: not, expr: Box::new(expr) }))
}

fn same_length(left: &[Expr], right: &[Expr]) -> Result<()> {
    if left.len() == right.len() && !left.is_empty() {
        return Ok(());
    }
    let message = format!("a row of {} columns cannot be compared with a row of {}", left.len(), right.len());
    Err(Error::new(Code::InvalidQuery, message))
}

/// `left op right` of rows; none if the operator compares nothing.
fn compared(left: &[Expr], op: &Op, right: &[Expr]) -> Result<Option<Expr>> {
    if !matches!(op, Op::Eq | Op::NotEq | Op::Lt | Op::LtEq | Op::Gt | Op::GtEq) {
        return Ok(None);
    }
    same_length(left, right)?;
    let pairs = left.iter().cloned().zip(right.iter().cloned());
    Ok(match op {
        Op::Eq => all(pairs.map(|(l, r)| binary(l, Op::Eq, r)), Op::And),
        Op::NotEq => all(pairs.map(|(l, r)| binary(l, Op::NotEq, r)), Op::Or),
        _ => ordered(pairs.collect(), op),
    })
}

/// The first pair of columns that differs decides: `a < c OR (a = c AND b < d)`.
fn ordered(pairs: Vec<(Expr, Expr)>, op: &Op) -> Option<Expr> {
    let strict = match op {
        Op::Lt | Op::LtEq => Op::Lt,
        _ => Op::Gt,
    };
    pairs.into_iter().rev().fold(None, |behind, (left, right)| match behind {
        None => Some(binary(left, op.clone(), right)),
        Some(behind) => {
            let equal = binary(left.clone(), Op::Eq, right.clone());
            Some(binary(binary(left, strict.clone(), right), Op::Or, binary(equal, Op::And, behind)))
        }
    })
}

fn distinct(left: &Expr, right: &Expr, distinct: bool) -> Result<Option<Expr>> {
    let (Some(left), Some(right)) = (row_of(left), row_of(right)) else { return Ok(None) };
    same_length(&left, &right)?;
    let pairs = left.into_iter().zip(right).map(|(l, r)| (Box::new(l), Box::new(r)));
    Ok(if distinct {
        all(pairs.map(|(l, r)| Expr::IsDistinctFrom(l, r)), Op::Or)
    } else {
        all(pairs.map(|(l, r)| Expr::IsNotDistinctFrom(l, r)), Op::And)
    })
}

fn between(value: &Expr, negated: bool, low: &Expr, high: &Expr) -> Result<Option<Expr>> {
    let (Some(value), Some(low), Some(high)) = (row_of(value), row_of(low), row_of(high)) else { return Ok(None) };
    let bounds = [compared(&value, &Op::GtEq, &low)?, compared(&value, &Op::LtEq, &high)?];
    Ok(all(bounds.into_iter().flatten(), Op::And).map(|between| negated_if(negated, between)))
}

fn in_list(value: &Expr, list: &[Expr], negated: bool) -> Result<Option<Expr>> {
    let Some(value) = row_of(value) else { return Ok(None) };
    let mut found = Vec::with_capacity(list.len());
    for element in list {
        let Some(row) = row_of(element) else {
            return Err(Error::new(Code::InvalidQuery, "a row is looked for among values that are no rows")
                .with_hint("write (a, b) IN ((1, 2), (3, 4))"));
        };
        found.extend(compared(&value, &Op::Eq, &row)?);
    }
    Ok(all(found.into_iter(), Op::Or).map(|found| negated_if(negated, found)))
}

fn quantified(left: &Expr, op: &Op, right: &Expr, any: bool) -> Result<Option<Expr>> {
    let Some(row) = row_of(left) else { return Ok(None) };
    let Expr::Subquery(query) = right else {
        return refuse("a row compared with the elements of an array").map(|()| None);
    };
    in_query(&row, op, query, any).map(Some)
}

/// Whether the comparison with the rows of `query` holds for one of them (`any`) or for all, three-valued: a sub-query that
/// counts how often it is true or unknown.
fn in_query(row: &[Expr], op: &Op, query: &Query, any: bool) -> Result<Expr> {
    if row.iter().any(is_of_several_rows) {
        let message = "a row with an aggregate or OVER that is compared with those of a sub-query is not built yet";
        let hint = "name its columns in a query in FROM: SELECT … FROM (SELECT count(*) AS n, …) AS q WHERE (n, …) IN (SELECT …)";
        return Err(Error::new(Code::NotSupported, message).with_hint(hint));
    }
    let Some(holds) = compared(row, op, &columns(row.len()))? else {
        let message = format!("rows cannot be compared by {op}");
        return Err(Error::new(Code::InvalidQuery, message));
    };
    let decisive = syntax::call(Ident::new(if any { "bool_or" } else { "bool_and" }), vec![holds.clone()]);
    let known = syntax::call(Ident::new("count"), vec![holds]);
    let rows = syntax::call(Ident::new("count"), vec![syntax::number(1)]);
    let when = |condition, result| CaseWhen { condition, result };
    let case = Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![when(binary(decisive, Op::Eq, boolean(any)), boolean(any)), when(binary(known, Op::Lt, rows), null())],
        else_result: Some(Box::new(boolean(!any))),
    };
    let select = syntax::select_of(vec![SelectItem::UnnamedExpr(case)], named(query, row.len()));
    Ok(Expr::Subquery(Box::new(syntax::query_of(select))))
}

/// Whether a column is computed from several rows: within the sub-query it would be from those of the sub-query.
fn is_of_several_rows(column: &Expr) -> bool {
    walk(column, &mut SeveralRows { nested: 0 }).is_break()
}

/// Finds an aggregate or OVER outside of queries in the expression.
struct SeveralRows {
    nested: usize,
}

impl Visitor for SeveralRows {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.nested += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.nested -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        let Expr::Function(call) = expr else { return ControlFlow::Continue(()) };
        let is_marked = call.over.is_some() || call.filter.is_some() || !call.within_group.is_empty();
        let is_aggregate = || AGGREGATES.contains(&call.name.to_string().to_lowercase().as_str());
        if self.nested == 0 && (is_marked || is_aggregate()) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Those that can be written without anything that tells them apart from other functions.
const AGGREGATES: [&str; 17] = [
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "array_agg",
    "string_agg",
    "bool_and",
    "bool_or",
    "every",
    "bit_and",
    "bit_or",
    "bit_xor",
    "stddev",
    "variance",
    "median",
    "grouping",
];

fn column(index: usize) -> Ident {
    Ident::new(format!("__column{}", index + 1))
}

fn columns(count: usize) -> Vec<Expr> {
    (0..count).map(|index| Expr::CompoundIdentifier(vec![Ident::new(ROWS), column(index)])).collect()
}

/// `(query) AS __rows (__column1, …)`.
fn named(query: &Query, count: usize) -> TableFactor {
    let columns = (0..count).map(|index| TableAliasColumnDef { name: column(index), data_type: None }).collect();
    let alias = TableAlias { explicit: true, name: Ident::new(ROWS), columns, at: None };
    TableFactor::Derived { lateral: false, subquery: Box::new(query.clone()), alias: Some(alias), sample: None }
}
