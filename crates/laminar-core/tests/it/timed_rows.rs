//! Random rows of a key, a time and a number, in time and late.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampNanosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use laminar_core::ChangeBatch;
use rand::RngExt;
use rand::rngs::StdRng;

/// Key, time, number.
pub(crate) type Row = (Option<i64>, Option<i64>, i64);

pub(crate) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        Field::new("ts", DataType::Timestamp(TimeUnit::Nanosecond, None), true),
        Field::new("n", DataType::Int64, true),
    ]))
}

pub(crate) fn columns(rows: &[Row]) -> Vec<ArrayRef> {
    vec![
        Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.1).collect::<TimestampNanosecondArray>()),
        Arc::new(rows.iter().map(|row| Some(row.2)).collect::<Int64Array>()),
    ]
}

pub(crate) fn batch(rows: &[(Row, i64)]) -> ChangeBatch {
    let columns = columns(&rows.iter().map(|(row, _)| *row).collect::<Vec<_>>());
    ChangeBatch::new(RecordBatch::try_new(schema(), columns).unwrap(), rows.iter().map(|(_, weight)| *weight).collect::<Vec<_>>())
}

/// A change of one side of which no row before `from` is in time (`None`: all are), and whether it is.
pub(crate) fn random_change(rng: &mut StdRng, from: Option<i64>, appends: bool, present: &mut Vec<Row>) -> (Row, i64, bool) {
    let in_time = |row: &Row| row.1.zip(from).is_none_or(|(time, from)| time >= from);
    if !appends && !present.is_empty() && rng.random_bool(0.3) {
        let at = rng.random_range(0..present.len());
        let row = present[at];
        if in_time(&row) {
            present.swap_remove(at);
        }
        return (row, -1, in_time(&row));
    }
    let time = (!rng.random_bool(0.1)).then(|| from.unwrap_or(0) + rng.random_range(-3..15));
    let row = ((!rng.random_bool(0.1)).then(|| rng.random_range(0..3)), time, rng.random_range(0..3));
    if in_time(&row) {
        present.push(row);
    }
    (row, 1, in_time(&row))
}
