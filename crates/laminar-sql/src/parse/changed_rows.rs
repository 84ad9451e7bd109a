//! The queries of statements that change rows: over the rows of the table with a number each, under names that no one can take.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, ObjectName, Query, SelectItem, TableAlias, TableFactor, TableWithJoins,
};

use super::change::named;
use super::statement::Name;
use super::syntax;

/// The table's rows before the statement, each with its number.
pub const CHANGED_ROWS: &str = "__changed";
/// The rows that INSERT could not insert because of others with their keys, each with the number of that other one in [`CHANGED_ROWS`].
pub const EXCLUDED_ROWS: &str = "__excluded";
/// The rows that the statement has written or deleted.
pub const RETURNED_ROWS: &str = "__returned";
/// The column with a row's number, the last one.
pub const ROW_NUMBER: &str = "__row";

/// `SELECT number, values FROM the table AS called, others WHERE condition`.
pub(super) fn rows_query(called: &Name, values: Vec<Expr>, others: Vec<TableWithJoins>, condition: Option<Expr>) -> Query {
    let number = named(number_of(&called.text), ROW_NUMBER.to_owned());
    let values = values.into_iter().enumerate().map(|(at, value)| named(value, format!("__set_{at}")));
    let mut select = syntax::select_of(std::iter::once(number).chain(values).collect(), relation(CHANGED_ROWS, &called.text));
    select.from.extend(others);
    select.selection = condition;
    syntax::query_of(select)
}

/// `SELECT items`.
pub(super) fn without_relation(items: Vec<SelectItem>) -> Query {
    let mut select = syntax::select_of(items, relation(RETURNED_ROWS, RETURNED_ROWS));
    select.from.clear();
    syntax::query_of(select)
}

/// The same for rows that stand in the way of others, which are called `excluded`.
pub(super) fn conflict_query(called: &Name, values: Vec<Expr>, condition: Option<Expr>) -> Query {
    let excluded = TableWithJoins { relation: relation(EXCLUDED_ROWS, "excluded"), joins: Vec::new() };
    let same = both(number_of(&called.text), BinaryOperator::Eq, number_of("excluded"));
    let condition = match condition {
        Some(condition) => both(same, BinaryOperator::And, Expr::Nested(Box::new(condition))),
        None => same,
    };
    rows_query(called, values, vec![excluded], Some(condition))
}

/// `SELECT items FROM the rows written AS called`.
pub(super) fn returning_query(called: &Name, items: Vec<SelectItem>) -> Query {
    syntax::query_of(syntax::select_of(items, relation(RETURNED_ROWS, &called.text)))
}

fn both(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

fn number_of(called: &str) -> Expr {
    Expr::CompoundIdentifier(vec![syntax::quoted(called.to_owned()), syntax::quoted(ROW_NUMBER.to_owned())])
}

fn relation(name: &str, called: &str) -> TableFactor {
    let mut table = syntax::table_of(ObjectName::from(syntax::quoted(name.to_owned())));
    if let TableFactor::Table { alias, .. } = &mut table {
        *alias = Some(TableAlias { explicit: true, name: syntax::quoted(called.to_owned()), columns: Vec::new(), at: None });
    }
    table
}
