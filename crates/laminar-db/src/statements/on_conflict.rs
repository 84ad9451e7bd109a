//! `INSERT … ON CONFLICT (key) DO NOTHING | DO UPDATE SET …`: rows whose keys others have are left out, or change those others. The key is the primary
//! key or one that is UNIQUE; where none is named, any of them.

use arrow_array::{RecordBatch, UInt32Array};
use arrow_schema::DataType;
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
use super::table_rows::{NumberedRows, Wanted, WithOwnRows, firsts_by_key, numbered_relation};
use super::target_table::{FOUND, places_of};
use crate::block_on::{block_on, unless_interrupted};
use crate::engine::{TableRules, Unique};
use crate::{Database, Notice};

/// What an INSERT with this clause does to rows of the table.
pub(super) fn verb(clause: &OnConflict) -> &'static str {
    match &clause.action {
        ConflictAction::Nothing => FOUND,
        ConflictAction::Update { .. } => "updated",
    }
}

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
    // A table that was created anew while the rows were computed is refused later.
    let fits = |rules: &TableRules| rows.schema_ref().fields().iter().map(|field| field.data_type()).eq(types_of(rules));
    let wanted = |rules: &TableRules| match finds_by_key(clause, rules) && fits(rules) {
        true => Wanted::Keys(rules.key.iter().map(|column| rows.column(*column).clone()).collect()),
        false => Wanted::All,
    };
    let verb = verb(clause);
    let changing = Changing { table: &insert.table, verb, wanted: &wanted, only_deletes: false, queries, span: insert.span };
    let mut changed = changing.run(database, |reading, table| {
        let keys = keys_of(clause, &table.rules)?;
        into.refuse_another(&insert.table, Some(&table.rules), &table.rules.schema)?;
        let change = Conflicts::of(table, rows, &keys)?;
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

fn types_of(rules: &TableRules) -> impl Iterator<Item = &DataType> {
    rules.schema.fields().iter().map(|field| field.data_type())
}

/// Whether rows meet by the primary key alone, and stay under it.
fn finds_by_key(clause: &OnConflict, rules: &TableRules) -> bool {
    let by_key = keys_of(clause, rules).is_ok_and(|keys| keys.iter().all(|key| key.columns == rules.key) && !keys.is_empty());
    let keeps_keys = match &clause.action {
        ConflictAction::Nothing => true,
        ConflictAction::Update { columns, .. } => {
            let places = places_of(columns.iter().map(|column| &column.name), &rules.schema, &rules.table);
            places.is_ok_and(|places| rules.keeps_keys(&places))
        }
    };
    by_key && keeps_keys
}

/// The keys by which rows meet. Fails if the clause names columns that are no key of the table.
pub(super) fn keys_of(clause: &OnConflict, rules: &TableRules) -> Result<Vec<Unique>> {
    let mut named = places_of(&clause.key, &rules.schema, &rules.table)?;
    named.sort_unstable();
    let is_named = |key: &Unique| {
        let mut columns = key.columns.clone();
        columns.sort_unstable();
        named.is_empty() || named == columns
    };
    let keys: Vec<Unique> = rules.keys().into_iter().filter(is_named).collect();
    if keys.is_empty() && !named.is_empty() {
        return Err(no_such_key(clause, rules));
    }
    // Of several over the same columns the first one is found as the others would be, unless they see NULLs otherwise.
    Ok(keys)
}

fn no_such_key(clause: &OnConflict, rules: &TableRules) -> Error {
    let names: Vec<&str> = clause.key.iter().map(|name| name.text.as_str()).collect();
    let names = names.join(", ");
    let unique: Vec<String> =
        rules.uniques.constraints.iter().map(|unique| format!("UNIQUE ({})", rules.names_of(&unique.columns))).collect();
    let (text, hint) = match (rules.key.is_empty(), unique.is_empty()) {
        (true, true) => (
            format!("({names}) is not the primary key of '{}'", rules.table),
            "it has none; declare one in CREATE TABLE: PRIMARY KEY (…) or UNIQUE (…)".to_owned(),
        ),
        (false, true) => (
            format!("({names}) is not the primary key of '{}'", rules.table),
            format!("its primary key is ({})", rules.names_of(&rules.key)),
        ),
        (has_none, false) => {
            let primary = (!has_none).then(|| format!("PRIMARY KEY ({})", rules.names_of(&rules.key)));
            let keys: Vec<String> = primary.into_iter().chain(unique).collect();
            (format!("({names}) is no key of '{}'", rules.table), format!("its keys are: {}", keys.join(", ")))
        }
    };
    Error::new(Code::InvalidQuery, text).with_hint(hint).at(clause.span)
}

/// Which rows of an INSERT can come in as they are, and which meet another.
struct Conflicts {
    /// Rows whose keys no row of the table has.
    free: Vec<u32>,
    /// Rows whose keys rows of the table have, and the numbers of those.
    taken: Vec<u32>,
    owners: Vec<usize>,
    /// The first row with a key of one before it.
    repeated: Option<usize>,
    /// By what they meet. One is named where rows are updated, though two constraints can say it.
    key: Unique,
    /// Whether what is free has another primary key than all rows of the table.
    by_primary_key: bool,
}

impl Conflicts {
    fn of(table: &NumberedRows, rows: &RecordBatch, keys: &[Unique]) -> Result<Self> {
        let key = keys.first().cloned().unwrap_or_else(|| table.rules.primary_key());
        let by_primary_key = keys.iter().any(|key| key.columns == table.rules.key);
        let mut found = Self { free: Vec::new(), taken: Vec::new(), owners: Vec::new(), repeated: None, key, by_primary_key };
        let mut by_key = Vec::with_capacity(keys.len());
        for key in keys {
            by_key.push((table.owners(rows, key)?, firsts_by_key(&table.rules, rows, key)?, vec![false; rows.num_rows()]));
        }
        for row in 0..rows.num_rows() {
            // Of each key the first row that has it comes, or meets the same row.
            if by_key.iter().any(|(_, firsts, has_come)| has_come[firsts[row]]) {
                found.repeated = found.repeated.or(Some(row));
                continue;
            }
            let owner = by_key.iter().find_map(|(owners, ..)| owners[row]);
            match owner {
                Some(owner) => {
                    found.taken.push(row as u32);
                    found.owners.push(owner);
                }
                None => found.free.push(row as u32),
            }
            for (owners, firsts, has_come) in &mut by_key {
                // What is left out by one key keeps no other from coming by its other keys.
                has_come[firsts[row]] = owner.is_none() || owners[row].is_some();
            }
        }
        Ok(found)
    }

    /// The change that leaves out what meets another.
    fn left_out(self, table: &NumberedRows, rows: &RecordBatch) -> Result<TableChange> {
        let added = take_record_batch(rows, &UInt32Array::from(self.free))?;
        if !self.by_primary_key {
            refuse_taken_keys(table, &[], &added)?;
        }
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
            let key = rules.key_text(&self.key.columns, rows, row);
            let text = format!("two rows of the statement have the key {key} of '{}'", rules.table);
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
        if !(keeps_keys && self.by_primary_key) {
            refuse_taken_keys(table, &found.numbers, &added)?;
        }
        Ok(TableChange { removed, added, keeps_keys, returned: None })
    }
}
