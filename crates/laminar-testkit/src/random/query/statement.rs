//! Random statements that change a table: UPDATE and DELETE under conditions, INSERT of a query's rows.

use std::fmt::{self, Display};

use super::expression::{Column, Scope};
use super::generate::{Maker, kind_of};
use super::tree::{Expr, Kind, Listed, Query};
use crate::random::{Changes, Table, from_seed};

/// A statement that changes one table.
#[derive(Debug, Clone)]
pub struct Statement {
    /// The table.
    pub table: String,
    pub(super) change: ChangeKind,
}

#[derive(Debug, Clone)]
pub(super) enum ChangeKind {
    Update { set: Vec<(String, Expr)>, filter: Option<Expr> },
    Delete { filter: Option<Expr> },
    Insert { columns: Vec<String>, query: Query, on_conflict: String },
}

/// The statement over `tables` that belongs to `seed`.
pub fn random_statement(tables: &[Table], seed: u64) -> Statement {
    let mut random = from_seed(seed);
    let mut maker = Maker::new(&mut random, tables);
    let table = &tables[maker.below(tables.len())];
    let columns: Vec<Column> =
        table.columns.iter().map(|column| (format!("{}.{}", table.name, column.name), kind_of(&column.values))).collect();
    let scope = Scope { columns: columns.clone(), queries: true, ..Scope::default() };
    let change = match maker.below(10) {
        0..5 => {
            let mut set: Vec<(String, Expr)> = Vec::new();
            for _ in 0..=maker.below(2) {
                let column = maker.below(columns.len());
                let value = maker.expr(columns[column].1, &scope, 2);
                set.retain(|(other, _)| *other != table.columns[column].name);
                set.push((table.columns[column].name.clone(), value));
            }
            ChangeKind::Update { set, filter: maker.chance(0.8).then(|| maker.expr(Kind::Bool, &scope, 3)) }
        }
        5..7 => ChangeKind::Delete { filter: Some(maker.expr(Kind::Bool, &scope, 3)) },
        _ => {
            let kinds: Vec<Kind> = columns.iter().map(|column| column.1).collect();
            let on_conflict = match &table.changes {
                Changes::Keyed(key) => on_conflict(&mut maker, table, key),
                _ => String::new(),
            };
            let names = table.columns.iter().map(|column| column.name.clone()).collect();
            ChangeKind::Insert { columns: names, query: maker.query(&kinds, &[]), on_conflict }
        }
    };
    Statement { table: table.name.clone(), change }
}

/// What becomes of rows whose key is there already; rows of one statement with one key are an error then.
fn on_conflict(maker: &mut Maker<'_>, table: &Table, key: &[usize]) -> String {
    let others: Vec<&str> = table
        .columns
        .iter()
        .enumerate()
        .filter(|(index, _)| !key.contains(index))
        .map(|(_, column)| column.name.as_str())
        .collect();
    let name = others[maker.below(others.len())];
    let key: Vec<&str> = key.iter().map(|column| table.columns[*column].name.as_str()).collect();
    let condition =
        if maker.chance(0.3) { format!(" WHERE {}.{name} IS DISTINCT FROM excluded.{name}", table.name) } else { String::new() };
    format!(" ON CONFLICT ({}) DO UPDATE SET {name} = excluded.{name}{condition}", key.join(", "))
}

impl Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = &self.table;
        let filter = match &self.change {
            ChangeKind::Update { set, filter } => {
                write!(f, "UPDATE {table} SET {}", Listed(set.iter().map(|(column, value)| format!("{column} = {value}"))))?;
                filter
            }
            ChangeKind::Delete { filter } => {
                write!(f, "DELETE FROM {table}")?;
                filter
            }
            ChangeKind::Insert { columns, query, on_conflict } => {
                return write!(f, "INSERT INTO {table} ({}) {query}{on_conflict}", columns.join(", "));
            }
        };
        filter.iter().try_for_each(|filter| write!(f, " WHERE {filter}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Values;

    fn tables() -> Vec<Table> {
        vec![
            Table::new("t", Changes::Keyed(vec![0]), [("a", Values::Int(0, 3)), ("b", Values::Text(3))]),
            Table::new("u", Changes::Any, [("a", Values::Int(0, 3)), ("c", Values::Date(3))]),
        ]
    }

    #[test]
    fn all_kinds_come_and_taking_parts_out_ends() {
        let mut kinds = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let mut statement = random_statement(&tables(), seed);
            assert_eq!(statement.to_string(), random_statement(&tables(), seed).to_string());
            let text = statement.to_string();
            kinds.insert(
                text.split(' ').next().unwrap_or_default().to_owned()
                    + if text.contains("ON CONFLICT") { " or UPDATE" } else { "" },
            );
            let mut taken = 0;
            while let Some(smaller) = statement.smaller(0) {
                (statement, taken) = (smaller, taken + 1);
                assert!(taken < 1_000, "seed {seed} does not end at {statement}");
            }
        }
        assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["DELETE", "INSERT", "INSERT or UPDATE", "UPDATE"]);
    }
}
