//! `INSERT INTO`.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use laminar_core::{ChangeBatch, Code, Error, NodeId, Result};
use laminar_sql::batch::InsertTarget;
use laminar_sql::parse::{ConflictAction, Insert, Name, OnConflict, StreamQuery};

use super::defaults::Filler;
use super::select::SnapshotReading;
use super::table_change::{Changed, placed, returned};
use super::target_table::{places_of, table_of};
use super::{StatementOutcome, on_conflict};
use crate::Database;
use crate::block_on::{block_on, unless_interrupted};
use crate::catalog::ObjectId;
use crate::engine::{Engine, TableRules};

/// Computes the rows while the engine goes on, and pushes them as one.
pub(super) fn run(database: &Database, insert: &Insert, text: &str) -> Result<StatementOutcome> {
    let source = insert.source.clone();
    let query = StreamQuery { query: source, emit: None, lateness: None, late_to: None, span: insert.span };
    let (reading, into, notices) = {
        let engine = &mut database.lock();
        let target = Target::of(engine, insert)?;
        if let Some(clause) = &insert.on_conflict {
            on_conflict::keys_of(clause, &table_of(engine, &insert.table, on_conflict::verb(clause))?.rules)?;
        }
        (SnapshotReading::begin(engine, &queries_of(insert, &query))?, target, engine.notices_of_query(&query))
    };
    let schema = into.schema.clone();
    let given = into.given_columns(insert)?;
    let target = InsertTarget { columns: given.iter().map(|index| schema.fields()[*index].clone()).collect() };
    let batches = rows_of(&reading, insert, text, &target).map_err(|error| placed(error, insert.span))?;
    let filler = Filler::new(insert, &into, &given, &reading)?;
    // All rows or none: the first one goes in when the last one is known to fit.
    let batches = batches.iter().map(|batch| filler.complete(batch).map_err(|error| placed(error, insert.span)));
    let batches = batches.collect::<Result<Vec<_>>>()?;
    if let Some(clause) = &insert.on_conflict {
        let rows = concat_batches(&schema, &batches)?;
        return on_conflict::run(database, insert, clause, text, (&into, &rows), notices);
    }
    let returned = returned(&reading, insert.returning.as_ref(), text, &batches, &schema)?;
    let mut engine = database.lock_for_rows(&[&insert.table.text])?;
    let rows = push(&mut engine, insert, &into, batches)?;
    Ok(Changed { returned, rows, notices }.outcome(|rows, notices| StatementOutcome::Inserted { rows, notices }))
}

/// All queries of the statement; `rows` is that of its rows.
fn queries_of<'a>(insert: &'a Insert, rows: &'a StreamQuery) -> Vec<&'a StreamQuery> {
    let of_conflict = match &insert.on_conflict {
        Some(OnConflict { action: ConflictAction::Update { rows, .. }, .. }) => Some(rows),
        _ => None,
    };
    std::iter::once(rows).chain(of_conflict).chain(&insert.returning).collect()
}

/// Where rows are inserted.
pub(super) struct Target {
    id: ObjectId,
    node: NodeId,
    pub(super) schema: SchemaRef,
    /// Those of a table; a source has none.
    pub(super) rules: Option<Arc<TableRules>>,
}

impl Target {
    fn of(engine: &mut Engine, insert: &Insert) -> Result<Self> {
        let id = engine.catalog.require(&insert.table)?.id;
        let rules = engine.instances.table(id).map(|table| Arc::clone(&table.rules));
        let node = engine.push_target(id).map_err(|error| error.at(insert.table.span))?;
        let properties = engine.reactor.graph().properties(node).ok_or_else(|| Error::internal("a table without properties"))?;
        Ok(Self { id, node, schema: properties.schema.clone(), rules })
    }

    /// Fails if `name` is not what it was when the rows were computed: they were held to other rules.
    pub(super) fn refuse_another(&self, name: &Name, rules: Option<&Arc<TableRules>>, schema: &SchemaRef) -> Result<()> {
        let same_rules = match (&self.rules, rules) {
            (Some(then), Some(now)) => Arc::ptr_eq(then, now),
            (None, None) => true,
            _ => false,
        };
        if same_rules && self.schema == *schema {
            return Ok(());
        }
        let text = format!("'{}' was created anew while the rows were computed", name.text);
        Err(Error::new(Code::ObjectInUse, text).with_hint("run the statement again").at(name.span))
    }

    /// The columns that the statement fills, in its order; if it names none, all but those that are generated.
    fn given_columns(&self, insert: &Insert) -> Result<Vec<usize>> {
        if insert.default_values {
            return Ok(Vec::new());
        }
        if !insert.columns.is_empty() {
            return places_of(&insert.columns, &self.schema, &insert.table.text);
        }
        let is_generated = |column: &usize| self.rules.as_ref().is_some_and(|rules| rules.generated_at(*column).is_some());
        Ok((0..self.schema.fields().len()).filter(|column| !is_generated(column)).collect())
    }
}

/// Pushes the rows; how many.
fn push(engine: &mut Engine, insert: &Insert, into: &Target, batches: Vec<RecordBatch>) -> Result<u64> {
    let Target { id, node, schema, rules } = Target::of(engine, insert)?;
    into.refuse_another(&insert.table, rules.as_ref(), &schema)?;
    batches.iter().try_for_each(|batch| engine.check_lengths(id, batch)).map_err(|error| error.at(insert.span))?;
    let count = batches.iter().map(|batch| batch.num_rows() as u64).sum();
    let rows = batches.into_iter().map(|batch| (id, node, ChangeBatch::append(batch))).collect();
    engine.take_in_all(rows).map_err(|error| error.at(insert.span))?;
    engine.settle_for(node)?;
    Ok(count)
}

/// The rows that the statement gives, as of the last step, one column for each that it fills.
fn rows_of(reading: &SnapshotReading, insert: &Insert, text: &str, target: &InsertTarget) -> Result<Vec<RecordBatch>> {
    if insert.default_values {
        let one_row = RecordBatchOptions::new().with_row_count(Some(1));
        return Ok(vec![RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &one_row)?]);
    }
    let SnapshotReading { planner, tables, now, memory, interrupt } = reading;
    block_on(unless_interrupted(planner.insert_rows(insert, text, tables, target, *now, *memory), interrupt))
}
