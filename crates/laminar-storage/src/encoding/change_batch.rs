//! A batch of changes: its columns, then the weights and the arrival watermarks as two more columns where there are any.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};
use laminar_core::{ChangeBatch, Code, Error, Result, Weights};

use super::header::{Kind, framed, unframed};
use super::table::{read_table, write_table};

/// The last column but the arrivals is the weights.
const HAS_WEIGHTS: u16 = 1;
/// The last column is the arrivals.
const HAS_ARRIVALS: u16 = 2;

/// A batch as bytes. Weights that are all one take no space.
pub fn encode_changes(changes: &ChangeBatch) -> Result<Vec<u8>> {
    let weights = match changes.weights() {
        Weights::Ones => None,
        Weights::Each(weights) => Some((HAS_WEIGHTS, "weight", weights.clone())),
    };
    let arrivals = changes.arrivals().map(|arrivals| (HAS_ARRIVALS, "arrival", arrivals.clone()));
    let schema = changes.schema();
    let (mut fields, mut columns) = (schema.fields().to_vec(), changes.rows().columns().to_vec());
    let mut flags = 0;
    for (flag, name, values) in weights.into_iter().chain(arrivals) {
        flags |= flag;
        fields.push(Arc::new(Field::new(name, DataType::Int64, false)));
        columns.push(Arc::new(Int64Array::new(values, None)));
    }
    let table = table(schema_of(fields, schema.metadata()), columns, changes.len())?;
    framed(Kind::Changes, flags, |into| write_table(&table, into))
}

/// The batch that [`encode_changes`] wrote. Damaged or foreign bytes are an error (`BadData`, `NotSupported`).
pub fn decode_changes(bytes: &[u8]) -> Result<ChangeBatch> {
    let (flags, body) = unframed(bytes, Kind::Changes, HAS_WEIGHTS | HAS_ARRIVALS)?;
    let read = read_table(body.into())?;
    let (rows, mut columns) = (read.num_rows(), read.columns().to_vec());
    let mut extra = |flag| if flags & flag != 0 { numbers(columns.pop()).map(Some) } else { Ok(None) };
    let (arrivals, weights) = (extra(HAS_ARRIVALS)?, extra(HAS_WEIGHTS)?);
    let fields = read.schema().fields()[..columns.len()].to_vec();
    let rows = table(schema_of(fields, read.schema().metadata()), columns, rows)?;
    let changes = match weights {
        Some(weights) => ChangeBatch::new(rows, weights.values().clone()),
        None => ChangeBatch::append(rows),
    };
    Ok(match arrivals {
        Some(arrivals) => changes.with_arrivals(arrivals.values().clone()),
        None => changes,
    })
}

fn schema_of(fields: Vec<FieldRef>, metadata: &HashMap<String, String>) -> SchemaRef {
    Arc::new(Schema::new_with_metadata(fields, metadata.clone()))
}

pub(crate) fn table(schema: SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
}

/// The numbers of a column of weights or arrivals.
pub(crate) fn numbers(column: Option<ArrayRef>) -> Result<Int64Array> {
    let numbers = column.and_then(|column| column.as_primitive_opt::<Int64Type>().cloned());
    numbers
        .filter(|numbers| numbers.null_count() == 0)
        .ok_or_else(|| Error::new(Code::BadData, "weights or arrivals are not whole numbers"))
}
