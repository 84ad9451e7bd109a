//! `INSERT INTO`.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, new_null_array};
use arrow_schema::SchemaRef;
use laminar_core::{ChangeBatch, Code, Error, NodeId, Result};
use laminar_sql::batch::InsertTarget;
use laminar_sql::diagnostic::nearest;
use laminar_sql::parse::{Insert, StreamQuery};

use super::StatementOutcome;
use super::select::{SnapshotReading, block_on, unless_interrupted};
use crate::engine::Engine;
use crate::{Database, Notice};

/// Computes the rows while the engine goes on, and pushes them as one.
pub(super) fn run(database: &Database, insert: &Insert, text: &str) -> Result<StatementOutcome> {
    let source = insert.source.clone();
    let query = StreamQuery { query: source, emit: None, lateness: None, late_to: None, span: insert.span };
    let (reading, schema, notices) = {
        let engine = &mut database.lock();
        let (_, schema) = target_of(engine, insert)?;
        (SnapshotReading::begin(engine, &query)?, schema, engine.notices_of_query(&query))
    };
    let given = given_columns(insert, &schema)?;
    let target = InsertTarget { columns: given.iter().map(|index| schema.fields()[*index].clone()).collect() };
    let batches = rows_of(&reading, insert, text, &target).map_err(|error| at_rows(error, insert))?;
    // All rows or none: the first one goes in when the last one is known to fit.
    let batches = batches.iter().map(|batch| complete(insert, batch, &schema, &given)).collect::<Result<Vec<_>>>()?;
    let mut engine = database.lock_for_push(&insert.table.text)?;
    push(&mut engine, insert, &schema, batches, notices)
}

/// The node into which rows are inserted, and their columns.
fn target_of(engine: &mut Engine, insert: &Insert) -> Result<(NodeId, SchemaRef)> {
    engine.catalog.require(&insert.table)?;
    let node = engine.push_target(&insert.table.text).map_err(|error| error.at(insert.table.span))?;
    let properties = engine.reactor.graph().properties(node).ok_or_else(|| Error::internal("a table without properties"))?;
    Ok((node, properties.schema.clone()))
}

fn push(
    engine: &mut Engine,
    insert: &Insert,
    schema: &SchemaRef,
    batches: Vec<RecordBatch>,
    notices: Vec<Notice>,
) -> Result<StatementOutcome> {
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
    Ok(StatementOutcome::Inserted { rows: count, notices })
}

/// The rows that the statement gives, as of the last step, one column for each that it fills.
fn rows_of(reading: &SnapshotReading, insert: &Insert, text: &str, target: &InsertTarget) -> Result<Vec<RecordBatch>> {
    let SnapshotReading { planner, tables, now, memory, interrupt } = reading;
    block_on(unless_interrupted(planner.insert_rows(insert, text, tables, target, *now, *memory), interrupt))
}

/// Where an error of the rows is, if it does not know better.
fn at_rows(error: Error, insert: &Insert) -> Error {
    if error.span().is_some() { error } else { error.at(insert.span) }
}

/// The columns of the table that the statement fills, in its order.
fn given_columns(insert: &Insert, schema: &SchemaRef) -> Result<Vec<usize>> {
    if insert.columns.is_empty() {
        return Ok((0..schema.fields().len()).collect());
    }
    let mut given = Vec::with_capacity(insert.columns.len());
    for column in &insert.columns {
        let Ok(index) = schema.index_of(&column.text) else {
            let error =
                Error::new(Code::UnknownColumn, format!("there is no column '{}' in '{}'", column.text, insert.table.text));
            let names = schema.fields().iter().map(|field| field.name().as_str());
            let error = error.at(column.span);
            return Err(match nearest(&column.text, names) {
                Some(near) => error.with_hint(format!("did you mean '{near}'?")),
                None => error,
            });
        };
        if given.contains(&index) {
            let error = Error::new(Code::InvalidQuery, format!("column '{}' is given twice", column.text)).at(column.span);
            return Err(error.with_hint("name each column once"));
        }
        given.push(index);
    }
    Ok(given)
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
