//! `UPDATE`, `DELETE` and `TRUNCATE`.

use std::collections::HashSet;

use arrow_array::{ArrayRef, RecordBatch};
use laminar_core::{ChangeBatch, Code, Error, NodeId, Result};
use laminar_sql::batch::{InsertTarget, Readings};
use laminar_sql::parse::{CHANGED_ROWS, ChangeRows, SetColumn, TruncateTables};

use super::StatementOutcome;
use super::defaults::set_values;
use super::select::SnapshotReading;
use super::table_change::{Changed, Changing, TableChange, returned};
use super::table_rows::{NumberedRows, SeenTable, Wanted, WithOwnRows, firsts_by_key};
use super::target_table::places_of;
use crate::Database;
use crate::block_on::{block_on, unless_interrupted};
use crate::catalog::ObjectId;
use crate::engine::{TableRules, nullable};

/// What DELETE does to rows.
const DELETED: &str = "deleted";

pub(super) fn update(database: &Database, update: &ChangeRows, text: &str) -> Result<StatementOutcome> {
    let changed = changed(database, update, text, "updated")?;
    Ok(changed.outcome(|rows, notices| StatementOutcome::Updated { rows, notices }))
}

pub(super) fn delete(database: &Database, delete: &ChangeRows, text: &str) -> Result<StatementOutcome> {
    let changed = changed(database, delete, text, DELETED)?;
    Ok(changed.outcome(|rows, notices| StatementOutcome::Deleted { rows, notices }))
}

fn changed(database: &Database, change: &ChangeRows, text: &str, verb: &'static str) -> Result<Changed> {
    let queries = std::iter::once(&change.rows).chain(&change.returning).collect();
    let equalities = Readings::of([&change.rows]).equalities_of(CHANGED_ROWS).to_vec();
    let wanted =
        |rules: &TableRules| match places_of(change.columns.iter().map(|column| &column.name), &rules.schema, &rules.table) {
            // New keys are looked for among all.
            Ok(places) if rules.keeps_keys(&places) => Wanted::Equal(equalities.clone()),
            _ => Wanted::All,
        };
    let only_deletes = verb == DELETED;
    let changing = Changing { table: &change.table, verb, wanted: &wanted, only_deletes, queries, span: change.rows.span };
    changing.run(database, |reading, table| compute(change, text, reading, table))
}

/// What the statement does to the rows of `table`.
fn compute(change: &ChangeRows, text: &str, reading: &SnapshotReading, table: &NumberedRows) -> Result<TableChange> {
    let rules = &table.rules;
    let places = places_of(change.columns.iter().map(|column| &column.name), &rules.schema, &rules.table)?;
    let target = InsertTarget { columns: places.iter().map(|place| rules.schema.fields()[*place].clone()).collect() };
    let SnapshotReading { planner, tables, now, memory, interrupt } = reading;
    let tables = WithOwnRows { snapshot: tables, own: vec![(CHANGED_ROWS, table.relation()?)] };
    let found = planner.changed_rows(&change.rows, text, &tables, &target, *now, *memory);
    let found = block_on(unless_interrupted(found, interrupt))?;
    let removed = table.take(&found.numbers)?;
    let is_update = !change.columns.is_empty();
    let values = set_values(rules, &change.columns, &places, found.values, reading)?;
    let added = if is_update { with_values(&removed, &places, values)? } else { RecordBatch::new_empty(removed.schema()) };
    let added = rules.checked(added).map_err(|error| at_column(error, &change.columns))?;
    let keeps_keys = rules.keeps_keys(&places);
    if is_update && !keeps_keys {
        refuse_taken_keys(table, &found.numbers, &added)?;
    }
    let shown = if is_update { &added } else { &removed };
    let answer = returned(reading, change.returning.as_ref(), text, std::slice::from_ref(shown), &rules.schema);
    let returned = answer.map_err(|error| returns_own_columns(error, change))?;
    Ok(TableChange { removed, added, keeps_keys, returned })
}

/// `rows` with other values in the columns at `places`.
pub(super) fn with_values(rows: &RecordBatch, places: &[usize], values: Vec<ArrayRef>) -> Result<RecordBatch> {
    let mut columns = rows.columns().to_vec();
    places.iter().zip(values).for_each(|(place, values)| columns[*place] = values);
    Ok(RecordBatch::try_new(nullable(rows.schema_ref()), columns)?)
}

/// Fails if one of the rows that come has a key that another one has, of those or of the table when the rows with these numbers have gone.
pub(super) fn refuse_taken_keys(table: &NumberedRows, gone: &[usize], come: &RecordBatch) -> Result<()> {
    let rules = &table.rules;
    if rules.key.is_empty() {
        return Ok(());
    }
    let (gone, key): (HashSet<usize>, _) = (gone.iter().copied().collect(), rules.primary_key());
    let stays = |owner: &Option<usize>| owner.is_some_and(|owner| !gone.contains(&owner));
    let taken = table.owners(come, &key)?.iter().position(stays);
    let twice = || {
        let firsts = firsts_by_key(rules, come, &key)?;
        Ok::<_, Error>(firsts.iter().enumerate().find(|(row, first)| row != *first).map(|(row, _)| row))
    };
    match taken.map_or_else(twice, |row| Ok(Some(row)))? {
        Some(row) => Err(two_rows(rules, come, row)),
        None => Ok(()),
    }
}

fn two_rows(rules: &TableRules, rows: &RecordBatch, row: usize) -> Error {
    let text = format!("two rows of '{}' would have the key {}", rules.table, rules.key_text(&rules.key, rows, row));
    Error::new(Code::BadData, text).with_hint("nothing was changed: a primary key belongs to one row, when the statement is done")
}

/// An error that is about a column that is set, where that stands.
fn at_column(error: Error, columns: &[SetColumn]) -> Error {
    let named = columns.iter().find(|column| error.message().contains(&format!("column '{}'", column.name.text)));
    match named {
        Some(column) if error.span().is_none() => error.at(column.name.span),
        _ => error,
    }
}

/// RETURNING of a statement with other tables shows the changed table alone.
fn returns_own_columns(error: Error, change: &ChangeRows) -> Error {
    let has_others = change.rows.query.body.as_select().is_some_and(|select| select.from.len() > 1);
    if has_others && error.code() == Code::UnknownColumn && error.detail().is_none() {
        return error.with_detail(format!("RETURNING shows the columns of '{}', not those of other tables", change.table.text));
    }
    error
}

/// Takes all rows away, of all tables at the same step.
pub(super) fn truncate(database: &Database, truncate: &TruncateTables) -> Result<StatementOutcome> {
    let names: Vec<&str> = truncate.tables.iter().map(|table| table.text.as_str()).collect();
    let engine = &mut *database.lock_for_push(&names)?;
    let mut seen = Vec::with_capacity(truncate.tables.len());
    for table in &truncate.tables {
        seen.push(SeenTable::look(engine, table, "deleted", &|_| Wanted::All)?);
    }
    let mut emptying: Vec<(ObjectId, NodeId, ChangeBatch)> = Vec::with_capacity(seen.len());
    for seen in &seen {
        let is_named_again = emptying.iter().any(|(id, ..)| *id == seen.id);
        if !is_named_again && seen.is_current(engine)? {
            emptying.push((seen.id, seen.source, seen.emptying()?));
        }
    }
    engine.take_in_all(emptying)?;
    seen.iter().try_for_each(|seen| engine.settle_for(seen.source))?;
    Ok(StatementOutcome::done(format!("TRUNCATE TABLE {}", names.join(", "))))
}
