//! `INSERT INTO`.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, new_null_array};
use arrow_cast::cast::{CastOptions, cast_with_options};
use arrow_schema::SchemaRef;
use laminar_core::{ChangeBatch, Code, Error, Result};
use laminar_sql::diagnostic::nearest;
use laminar_sql::parse::{Insert, StreamQuery};

use super::Outcome;
use super::select::rows_of;
use crate::engine::Engine;

pub(super) fn run(engine: &mut Engine, insert: &Insert, text: &str) -> Result<Outcome> {
    engine.catalog.require(&insert.table)?;
    let node = engine.push_target(&insert.table.text).map_err(|error| error.at(insert.table.span))?;
    let schema = engine.reactor.properties(node).ok_or_else(|| Error::internal("a table without properties"))?.schema.clone();
    let query = StreamQuery { query: insert.source.clone(), emit: None, lateness: None, late_to: None, span: insert.span };
    let rows = rows_of(engine, &query, text)?;
    let places = places(insert, &schema, rows.schema.fields().len())?;
    let mut count = 0;
    for batch in &rows.batches {
        let batch = arranged(insert, batch, &schema, &places)?;
        count += batch.num_rows() as u64;
        engine.reactor.push(node, ChangeBatch::append(batch)).map_err(|error| error.at(insert.span))?;
    }
    engine.settle_for(node)?;
    Ok(Outcome::Inserted(count))
}

/// For each column of the table, the column of the query that fills it.
fn places(insert: &Insert, schema: &SchemaRef, given: usize) -> Result<Vec<Option<usize>>> {
    let width = if insert.columns.is_empty() { schema.fields().len() } else { insert.columns.len() };
    if given != width {
        let text = format!("{given} values for {width} columns of '{}'", insert.table.text);
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        return Err(Error::new(Code::InvalidQuery, text)
            .with_hint(format!("the columns are: {}", names.join(", ")))
            .at(insert.span));
    }
    if insert.columns.is_empty() {
        return Ok((0..width).map(Some).collect());
    }
    let mut places = vec![None; schema.fields().len()];
    for (from, column) in insert.columns.iter().enumerate() {
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
        places[index] = Some(from);
    }
    Ok(places)
}

/// The query's rows as rows of the table: columns in place, types cast, the rest NULL.
fn arranged(insert: &Insert, rows: &RecordBatch, schema: &SchemaRef, places: &[Option<usize>]) -> Result<RecordBatch> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(places.len());
    for (field, place) in schema.fields().iter().zip(places) {
        let column = match place {
            Some(from) => cast_with_options(rows.column(*from), field.data_type(), &options).map_err(|error| {
                Error::new(Code::TypeMismatch, format!("a value for column '{}' is not {}", field.name(), field.data_type()))
                    .with_detail(error.to_string())
                    .at(insert.span)
            })?,
            None => new_null_array(field.data_type(), rows.num_rows()),
        };
        columns.push(column);
    }
    let missing = schema.fields().iter().zip(&columns).find(|(field, column)| !field.is_nullable() && column.null_count() > 0);
    if let Some((field, _)) = missing {
        return Err(Error::new(Code::BadData, format!("column '{}' of '{}' is NOT NULL", field.name(), insert.table.text))
            .with_hint("give every row a value for it")
            .at(insert.span));
    }
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}
