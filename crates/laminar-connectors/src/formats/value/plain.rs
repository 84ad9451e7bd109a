//! Columns without dictionaries and runs: each row holds its own value, or is NULL.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, FieldRef, Schema};
use laminar_core::Result;

/// The rows with their columns written out; the same rows where nothing is to be written out.
pub(crate) fn plain(rows: &RecordBatch) -> Result<RecordBatch> {
    let schema = rows.schema();
    if schema.fields().iter().all(|field| plain_type(field.data_type()).is_none()) {
        return Ok(rows.clone());
    }
    let fields: Vec<FieldRef> = schema.fields().iter().map(plain_field).collect();
    let write_out = |(column, field): (&ArrayRef, &FieldRef)| match column.data_type() == field.data_type() {
        true => Ok(column.clone()),
        false => cast(column, field.data_type()),
    };
    let columns = rows.columns().iter().zip(&fields).map(write_out).collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
}

fn plain_field(field: &FieldRef) -> FieldRef {
    match plain_type(field.data_type()) {
        Some(data_type) => Arc::new(Field::new(field.name(), data_type, field.is_nullable())),
        None => field.clone(),
    }
}

/// The type of the values that a dictionary or run stands for; `None`: there is none in `data_type`.
fn plain_type(data_type: &DataType) -> Option<DataType> {
    use DataType as D;
    let inner = |field: &FieldRef| plain_type(field.data_type()).map(|_| plain_field(field));
    match data_type {
        D::Dictionary(_, values) => Some(plain_type(values).unwrap_or_else(|| values.as_ref().clone())),
        D::RunEndEncoded(_, values) => Some(plain_field(values).data_type().clone()),
        D::List(item) => inner(item).map(D::List),
        D::LargeList(item) => inner(item).map(D::LargeList),
        D::FixedSizeList(item, length) => inner(item).map(|item| D::FixedSizeList(item, *length)),
        D::Map(entries, sorted) => inner(entries).map(|entries| D::Map(entries, *sorted)),
        D::Struct(fields) if fields.iter().any(|field| plain_type(field.data_type()).is_some()) => {
            Some(D::Struct(fields.iter().map(plain_field).collect()))
        }
        _ => None,
    }
}
