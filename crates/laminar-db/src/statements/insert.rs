//! `INSERT INTO`.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, new_null_array};
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use laminar_core::{ChangeBatch, Code, Error, NodeId, Result};
use laminar_sql::batch::InsertTarget;
use laminar_sql::parse::{ConflictAction, Insert, OnConflict, StreamQuery};

use super::select::{SnapshotReading, block_on, unless_interrupted};
use super::table_change::{Changed, placed, returned};
use super::target_table::{places_of, table_of};
use super::{StatementOutcome, on_conflict};
use crate::Database;
use crate::engine::Engine;

/// Computes the rows while the engine goes on, and pushes them as one.
pub(super) fn run(database: &Database, insert: &Insert, text: &str) -> Result<StatementOutcome> {
    let source = insert.source.clone();
    let query = StreamQuery { query: source, emit: None, lateness: None, late_to: None, span: insert.span };
    let (reading, schema, notices) = {
        let engine = &mut database.lock();
        let (_, schema) = target_of(engine, insert)?;
        if let Some(clause) = &insert.on_conflict {
            on_conflict::refuse_other_keys(clause, table_of(&engine.catalog, &insert.table, on_conflict::VERB)?.rules)?;
        }
        (SnapshotReading::begin(engine, &queries_of(insert, &query))?, schema, engine.notices_of_query(&query))
    };
    let given = given_columns(insert, &schema)?;
    let target = InsertTarget { columns: given.iter().map(|index| schema.fields()[*index].clone()).collect() };
    let batches = rows_of(&reading, insert, text, &target).map_err(|error| placed(error, insert.span))?;
    // All rows or none: the first one goes in when the last one is known to fit.
    let batches = batches.iter().map(|batch| complete(insert, batch, &schema, &given)).collect::<Result<Vec<_>>>()?;
    if let Some(clause) = &insert.on_conflict {
        return on_conflict::run(database, insert, clause, text, &concat_batches(&schema, &batches)?, notices);
    }
    let returned = returned(&reading, insert.returning.as_ref(), text, &batches, &schema)?;
    let mut engine = database.lock_for_push(&[&insert.table.text])?;
    let rows = push(&mut engine, insert, &schema, batches)?;
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

/// The node into which rows are inserted, and their columns.
fn target_of(engine: &mut Engine, insert: &Insert) -> Result<(NodeId, SchemaRef)> {
    engine.catalog.require(&insert.table)?;
    let node = engine.push_target(&insert.table.text).map_err(|error| error.at(insert.table.span))?;
    let properties = engine.reactor.graph().properties(node).ok_or_else(|| Error::internal("a table without properties"))?;
    Ok((node, properties.schema.clone()))
}

/// Pushes the rows; how many.
fn push(engine: &mut Engine, insert: &Insert, schema: &SchemaRef, batches: Vec<RecordBatch>) -> Result<u64> {
    let (node, now) = target_of(engine, insert)?;
    if now != *schema {
        let text = format!("'{}' was created anew while the rows were computed", insert.table.text);
        return Err(Error::new(Code::ObjectInUse, text).with_hint("run the statement again").at(insert.table.span));
    }
    let object = engine.catalog.require(&insert.table)?;
    batches.iter().try_for_each(|batch| object.check_lengths(batch)).map_err(|error| error.at(insert.span))?;
    let mut count = 0;
    for batch in batches {
        count += batch.num_rows() as u64;
        engine.reactor.push(node, ChangeBatch::append(batch)).map_err(|error| error.at(insert.span))?;
    }
    engine.settle_for(node)?;
    Ok(count)
}

/// The rows that the statement gives, as of the last step, one column for each that it fills.
fn rows_of(reading: &SnapshotReading, insert: &Insert, text: &str, target: &InsertTarget) -> Result<Vec<RecordBatch>> {
    let SnapshotReading { planner, tables, now, memory, interrupt } = reading;
    block_on(unless_interrupted(planner.insert_rows(insert, text, tables, target, *now, *memory), interrupt))
}

/// The columns of the table that the statement fills, in its order.
fn given_columns(insert: &Insert, schema: &SchemaRef) -> Result<Vec<usize>> {
    match insert.columns.is_empty() {
        true => Ok((0..schema.fields().len()).collect()),
        false => places_of(&insert.columns, schema, &insert.table.text),
    }
}

/// The rows with all columns of the table: those that the statement does not give are NULL.
fn complete(insert: &Insert, rows: &RecordBatch, schema: &SchemaRef, given: &[usize]) -> Result<RecordBatch> {
    let columns: Vec<ArrayRef> = (0..schema.fields().len())
        .map(|index| match given.iter().position(|column| *column == index) {
            Some(from) => rows.column(from).clone(),
            None => new_null_array(schema.field(index).data_type(), rows.num_rows()),
        })
        .collect();
    let missing = schema.fields().iter().zip(&columns).find(|(field, column)| !field.is_nullable() && column.null_count() > 0);
    if let Some((field, _)) = missing {
        return Err(Error::new(Code::BadData, format!("column '{}' of '{}' is NOT NULL", field.name(), insert.table.text))
            .with_hint("give every row a value for it")
            .at(insert.span));
    }
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}
