//! Timestamps in seconds as Parquet holds them: it has no unit coarser than milliseconds.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use arrow_select::concat::concat_batches;
use laminar_core::Result;

use crate::formats::Unwritable;

/// The schema of a file for rows of `schema`.
pub(super) fn file_schema(schema: &SchemaRef) -> SchemaRef {
    if schema.fields().iter().all(|field| in_millis(field.data_type()).is_none()) {
        return schema.clone();
    }
    let fields: Vec<FieldRef> = schema.fields().iter().map(field_in_millis).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

fn field_in_millis(field: &FieldRef) -> FieldRef {
    match in_millis(field.data_type()) {
        Some(data_type) => Arc::new(field.as_ref().clone().with_data_type(data_type)),
        None => field.clone(),
    }
}

/// The type with milliseconds instead of seconds; `None`: there are no seconds in it.
fn in_millis(data_type: &DataType) -> Option<DataType> {
    use DataType as D;
    let inner = |field: &FieldRef| in_millis(field.data_type()).map(|_| field_in_millis(field));
    match data_type {
        D::Timestamp(TimeUnit::Second, zone) => Some(D::Timestamp(TimeUnit::Millisecond, zone.clone())),
        D::List(item) => inner(item).map(D::List),
        D::LargeList(item) => inner(item).map(D::LargeList),
        D::FixedSizeList(item, length) => inner(item).map(|item| D::FixedSizeList(item, *length)),
        D::Map(entries, sorted) => inner(entries).map(|entries| D::Map(entries, *sorted)),
        D::Struct(fields) if fields.iter().any(|field| in_millis(field.data_type()).is_some()) => {
            Some(D::Struct(fields.iter().map(field_in_millis).collect()))
        }
        _ => None,
    }
}

/// The rows with the types of `schema`, without those whose moments are beyond what milliseconds reach.
pub(super) fn fit(rows: &RecordBatch, schema: &SchemaRef) -> Result<(RecordBatch, Vec<Unwritable>)> {
    if let Ok(whole) = converted(rows, schema) {
        return Ok((whole, Vec::new()));
    }
    let (mut good, mut unwritable) = (Vec::new(), Vec::new());
    for row in 0..rows.num_rows() {
        match converted(&rows.slice(row, 1), schema) {
            Ok(one) => good.push(one),
            Err(name) => {
                let reason = format!("column '{name}': the time is out of the range of Parquet, which counts milliseconds");
                unwritable.push(Unwritable { row, reason });
            }
        }
    }
    Ok((concat_batches(schema, &good)?, unwritable))
}

/// The rows with the types of `schema`, or the name of a column with a value that does not fit.
fn converted(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, String> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let convert = |(column, field): (&ArrayRef, &Arc<Field>)| match column.data_type() == field.data_type() {
        true => Ok(column.clone()),
        false => cast_with_options(column, field.data_type(), &options).map_err(|_| field.name().clone()),
    };
    let columns = rows.columns().iter().zip(schema.fields()).map(convert).collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(|error| error.to_string())
}
