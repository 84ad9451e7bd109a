//! `INSERT … ON CONFLICT (key) DO NOTHING | DO UPDATE SET …`: rows whose keys others have are left out, or change those others.

use arrow_array::{RecordBatch, UInt32Array};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use laminar_core::{Code, Error, Result};
use laminar_sql::batch::InsertTarget;
use laminar_sql::parse::{CHANGED_ROWS, ConflictAction, EXCLUDED_ROWS, Insert, OnConflict, SetColumn, StreamQuery};

use super::StatementOutcome;
use super::change::{refuse_taken_keys, with_values};
use super::defaults::set_values;
use super::insert::Target;
use super::select::SnapshotReading;
use super::table_change::{Changing, TableChange, returned};
use super::table_rows::{NumberedRows, WithOwnRows, firsts_by_key, numbered_relation};
use super::target_table::places_of;
use crate::block_on::{block_on, unless_interrupted};
use crate::engine::TableRules;
use crate::{Database, Notice};

/// What an INSERT with this clause does to the rows of another than a table.
pub(super) const VERB: &str = "found by key";

/// Inserts `rows`, which have all columns of the table.
pub(super) fn run(
    database: &Database,
    insert: &Insert,
    clause: &OnConflict,
    text: &str,
    (into, rows): (&Target, &RecordBatch),
    notices: Vec<Notice>,
) -> Result<StatementOutcome> {
    let action = match &clause.action {
        ConflictAction::Nothing => None,
        ConflictAction::Update { rows, .. } => Some(rows),
    };
    let queries = action.into_iter().chain(&insert.returning).collect();
    let changing = Changing { table: &insert.table, verb: VERB, only_deletes: false, queries, span: insert.span };
    let mut changed = changing.run(database, |reading, table| {
        refuse_other_keys(clause, &table.rules)?;
        into.refuse_another(&insert.table, Some(&table.rules), &table.rules.schema)?;
        let change = Conflicts::of(table, rows)?;
        let mut change = match &clause.action {
            ConflictAction::Nothing => change.left_out(table, rows)?,
            ConflictAction::Update { columns, rows: query } => change.updated(table, rows, (columns, query), text, reading)?,
        };
        let shown = std::slice::from_ref(&change.added);
        change.returned = returned(reading, insert.returning.as_ref(), text, shown, &table.rules.schema)?;
        Ok(change)
    })?;
    changed.notices.splice(0..0, notices);
    Ok(changed.outcome(|rows, notices| StatementOutcome::Inserted { rows, notices }))
}

/// Fails if the clause names other columns than those of the primary key.
pub(super) fn refuse_other_keys(clause: &OnConflict, rules: &TableRules) -> Result<()> {
    let mut named = places_of(&clause.key, &rules.schema, &rules.table)?;
    let mut key = rules.key.clone();
    named.sort_unstable();
    key.sort_unstable();
    if named.is_empty() || named == key {
        return Ok(());
    }
    let names: Vec<&str> = clause.key.iter().map(|name| name.text.as_str()).collect();
    let text = format!("({}) is not the primary key of '{}'", names.join(", "), rules.table);
    let hint = match rules.key.is_empty() {
        true => "it has none; declare one in CREATE TABLE: PRIMARY KEY (…)".to_owned(),
        false => format!("its primary key is ({})", rules.key_names()),
    };
    Err(Error::new(Code::InvalidQuery, text).with_hint(hint).at(clause.span))
}

/// Which rows of an INSERT can come in as they are, and which meet another.
struct Conflicts {
    /// Rows whose keys no row of the table has.
    free: Vec<u32>,
    /// Rows whose keys rows of the table have, and the numbers of those.
    taken: Vec<u32>,
    owners: Vec<usize>,
    /// The first row with the key of one before it.
    repeated: Option<usize>,
}

impl Conflicts {
    fn of(table: &NumberedRows, rows: &RecordBatch) -> Result<Self> {
        let all = 0..rows.num_rows();
        let mut found = Self { free: Vec::new(), taken: Vec::new(), owners: Vec::new(), repeated: None };
        if table.rules.key.is_empty() {
            found.free = all.map(|row| row as u32).collect();
            return Ok(found);
        }
        let (owners, firsts) = (table.owners(rows)?, firsts_by_key(&table.rules, rows)?);
        for row in all {
            match owners[row] {
                _ if firsts[row] != row => found.repeated = found.repeated.or(Some(row)),
                Some(owner) => {
                    found.taken.push(row as u32);
                    found.owners.push(owner);
                }
                None => found.free.push(row as u32),
            }
        }
        Ok(found)
    }

    /// The change that leaves out what meets another.
    fn left_out(self, table: &NumberedRows, rows: &RecordBatch) -> Result<TableChange> {
        let added = take_record_batch(rows, &UInt32Array::from(self.free))?;
        Ok(TableChange { removed: table.take(&[])?, added, keeps_keys: true, returned: None })
    }

    /// The change that lets what meets another change it.
    fn updated(
        self,
        table: &NumberedRows,
        rows: &RecordBatch,
        (columns, query): (&[SetColumn], &StreamQuery),
        text: &str,
        reading: &SnapshotReading,
    ) -> Result<TableChange> {
        let rules = &table.rules;
        if let Some(row) = self.repeated {
            let text = format!("two rows of the statement have the key {} of '{}'", rules.key_text(rows, row), rules.table);
            return Err(Error::new(Code::BadData, text)
                .with_hint("a row can be updated once by a statement: give each key once, or write INSERT without ON CONFLICT"));
        }
        let places = places_of(columns.iter().map(|column| &column.name), &rules.schema, &rules.table)?;
        let target = InsertTarget { columns: places.iter().map(|place| rules.schema.fields()[*place].clone()).collect() };
        let excluded = numbered_relation(&take_record_batch(rows, &UInt32Array::from(self.taken))?, &self.owners)?;
        let own = vec![(CHANGED_ROWS, table.relation_of(&self.owners)?), (EXCLUDED_ROWS, excluded)];
        let SnapshotReading { planner, tables, now, memory, interrupt } = reading;
        let tables = WithOwnRows { snapshot: tables, own };
        let found = planner.changed_rows(query, text, &tables, &target, *now, *memory);
        let found = block_on(unless_interrupted(found, interrupt))?;
        let removed = table.take(&found.numbers)?;
        let values = set_values(rules, columns, &places, found.values, reading)?;
        let updated = rules.checked(with_values(&removed, &places, values)?)?;
        let free = take_record_batch(rows, &UInt32Array::from(self.free))?;
        let added = concat_batches(&rules.schema, [&updated, &free])?;
        let keeps_keys = rules.keeps_keys(&places);
        if !keeps_keys {
            refuse_taken_keys(table, &found.numbers, &added)?;
        }
        Ok(TableChange { removed, added, keeps_keys, returned: None })
    }
}
